//! Draws as files: `npz` for NumPy, `csv` with a column for each element.

use std::io::Write;

use crate::inference_data::Array;

/// Why draws could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ArraysError {
    /// The archive.
    #[error("the archive cannot be made: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// Its bytes.
    #[error("the archive cannot be made: {0}")]
    Io(#[from] std::io::Error),
}

/// Arrays with their draws first, as NumPy's `savez` writes them: one `.npy` of f64 for each.
///
/// # Errors
/// An archive that cannot be made.
pub fn npz(arrays: &[Array], draws: usize) -> Result<Vec<u8>, ArraysError> {
    archive(arrays, &[draws])
}

/// Arrays without draws, in the same way.
///
/// # Errors
/// As there.
pub fn npz_arrays(arrays: &[Array]) -> Result<Vec<u8>, ArraysError> {
    archive(arrays, &[])
}

/// An archive of arrays whose first axes have these extents.
fn archive(arrays: &[Array], first: &[usize]) -> Result<Vec<u8>, ArraysError> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for array in arrays {
        archive.start_file(format!("{}.npy", array.name), options)?;
        let shape: Vec<String> = first.iter().chain(&array.shape).map(|n| format!("{n},")).collect();
        let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}), }}", shape.join(" "));
        // The header ends in a line feed at a multiple of 64 bytes, its length stated in two of the ten before it.
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        archive.write_all(b"\x93NUMPY\x01\x00")?;
        archive.write_all(&u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes())?;
        archive.write_all(header.as_bytes())?;
        for v in &array.values {
            archive.write_all(&v.to_le_bytes())?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// The place of an element as it is written behind a name, its indices parted by `by`: `[1;0]`; empty without axes.
pub fn place(shape: &[usize], element: usize, by: &str) -> String {
    let mut rest = element;
    let mut index: Vec<String> = vec![];
    for &extent in shape.iter().rev() {
        index.push((rest % extent.max(1)).to_string());
        rest /= extent.max(1);
    }
    index.reverse();
    if index.is_empty() { String::new() } else { format!("[{}]", index.join(by)) }
}

/// One line for each draw, one column for each element: `mu`, `y[0]`, `y[1]`, …
pub fn csv(arrays: &[Array], draws: usize) -> String {
    let mut names = vec!["draw".to_owned()];
    for array in arrays {
        let size: usize = array.shape.iter().product();
        names.extend((0..size).map(|k| format!("{}{}", array.name, place(&array.shape, k, ";"))));
    }
    let mut text = names.join(",") + "\n";
    for draw in 0..draws {
        text.push_str(&draw.to_string());
        for array in arrays {
            let size: usize = array.shape.iter().product();
            for v in array.values.iter().skip(draw * size).take(size) {
                text.push_str(&format!(",{v}"));
            }
        }
        text.push('\n');
    }
    text
}
