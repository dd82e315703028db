//! Decoded data kept from run to run, named by a hash of what they were decoded from and how.
//!
//! An entry is a safetensors file. One that is missing, damaged or of another version is made anew, and a folder that
//! cannot be written is left alone: a cache changes how long a run takes and nothing else.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::file::hexadecimal;
use crate::{Content, Header, Reader};

/// Raised when what a reader gives changes.
const FORMAT: u32 = 2;

/// Arrays with fewer elements are decoded quicker than looked up.
const WORTH_KEEPING: usize = 10_000;

/// Bytes of all entries, at most; the least recently used go first.
const ROOM: u64 = 4 << 30;

/// The place of one decoded array.
pub(crate) struct Entry {
    path: PathBuf,
}

/// All of a content but its values.
#[derive(Serialize, Deserialize)]
struct Kept {
    header: Header,
    levels: Option<Vec<String>>,
    redrawn: usize,
    white: Option<f64>,
    name: Option<String>,
    left_out: Vec<String>,
    rows: Vec<usize>,
    /// SHA-256 of the values as they are kept.
    sha256: String,
}

/// A reader as if its files lay nowhere: what they hold is hashed, where they are does not matter.
fn without_path(reader: &Reader) -> Reader {
    let mut reader = reader.clone();
    match &mut reader {
        Reader::Npy { path } | Reader::Npz { path, .. } => *path = extension(path),
        Reader::Table(wanted) => wanted.path = extension(&wanted.path),
        Reader::Json { path, .. } | Reader::Idx { path } => *path = extension(path),
        Reader::Images { pattern, .. } | Reader::Patches { pattern, .. } => *pattern = extension(pattern),
        Reader::NormalDraws { .. } | Reader::Bars(_) | Reader::Memory(_) => {}
    }
    reader
}

/// The extension, by which some readers choose.
fn extension(path: &Path) -> PathBuf {
    path.extension().map_or_else(PathBuf::new, PathBuf::from)
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hexadecimal(hasher)
}

/// The narrowest of u8, f32 and f64 that holds every value to the bit.
fn narrow(values: &[f64]) -> (Dtype, Vec<u8>) {
    let same = |v: f64, w: f64| v.to_bits() == w.to_bits();
    // A conversion to u8 saturates, and what it changes is not the same.
    if values.iter().all(|&v| same(f64::from(v as u8), v)) {
        (Dtype::U8, values.iter().map(|&v| v as u8).collect())
    } else if values.iter().all(|&v| same(f64::from(v as f32), v)) {
        (Dtype::F32, values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect())
    } else {
        (Dtype::F64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }
}

fn widen(view: &TensorView) -> Option<Vec<f64>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        _ => return None,
    })
}

impl Entry {
    /// The entry of what `reader` gives of files with this hash.
    pub fn new(folder: &Path, reader: &Reader, whitened: bool, hash: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let key = format!("{FORMAT} {version} {hash} {whitened} {:?}", without_path(reader));
        Self { path: folder.join(sha256(key.as_bytes())).with_extension("safetensors") }
    }

    /// What was kept, if it is there and whole.
    pub fn read(&self) -> Option<Content> {
        let bytes = fs::read(&self.path).ok()?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).ok()?;
        let kept: Kept = serde_json::from_str(metadata.metadata().as_ref()?.get("content")?).ok()?;
        let tensors = SafeTensors::deserialize(&bytes).ok()?;
        let view = tensors.tensor("values").ok()?;
        if sha256(view.data()) != kept.sha256 {
            return None;
        }
        let values = widen(&view)?;
        let missing = tensors.tensor("missing").map_or_else(|_| vec![], |t| t.data().iter().map(|&b| b != 0).collect());
        // Used now: others go first.
        let _ = File::options().append(true).open(&self.path).and_then(|f| f.set_modified(SystemTime::now()));
        Some(Content {
            header: kept.header,
            values,
            levels: kept.levels,
            missing,
            redrawn: kept.redrawn,
            white: kept.white,
            name: kept.name,
            left_out: kept.left_out,
            rows: kept.rows,
        })
    }

    /// Keeps it, if it is worth it and there is a place.
    pub fn write(&self, content: &Content) {
        if content.values.len() >= WORTH_KEEPING {
            let _ = self.try_write(content);
        }
    }

    fn try_write(&self, content: &Content) -> Option<()> {
        let (dtype, bytes) = narrow(&content.values);
        let kept = Kept {
            header: content.header.clone(),
            levels: content.levels.clone(),
            redrawn: content.redrawn,
            white: content.white,
            name: content.name.clone(),
            left_out: content.left_out.clone(),
            rows: content.rows.clone(),
            sha256: sha256(&bytes),
        };
        let missing: Vec<u8> = content.missing.iter().map(|&m| u8::from(m)).collect();
        let mut tensors = vec![("values", TensorView::new(dtype, vec![content.values.len()], &bytes).ok()?)];
        if !missing.is_empty() {
            tensors.push(("missing", TensorView::new(Dtype::U8, vec![missing.len()], &missing).ok()?));
        }
        let metadata = HashMap::from([("content".to_owned(), serde_json::to_string(&kept).ok()?)]);
        let whole = safetensors::serialize(tensors, Some(metadata)).ok()?;
        let folder = self.path.parent()?;
        fs::create_dir_all(folder).ok()?;
        let mut aside = tempfile::NamedTempFile::new_in(folder).ok()?;
        aside.write_all(&whole).ok()?;
        aside.persist(&self.path).ok()?;
        make_room(folder);
        Some(())
    }
}

/// Removes entries that were not used for longest until the rest fits.
fn make_room(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == "safetensors"))
        .filter_map(|e| e.metadata().ok().and_then(|m| Some((m.modified().ok()?, m.len(), e.path()))))
        .collect();
    entries.sort();
    let mut total: u64 = entries.iter().map(|e| e.1).sum();
    for (_, size, path) in entries {
        if total <= ROOM {
            break;
        }
        let _ = fs::remove_file(path);
        total -= size;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::Element;

    fn entry(folder: &Path) -> Entry {
        Entry::new(folder, &Reader::Idx { path: "a.gz".into() }, false, "hash")
    }

    #[test]
    fn what_was_kept_comes_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let whole: Vec<f64> = (0..WORTH_KEEPING).map(|k| (k % 256) as f64).collect();
        let with = |first: f64| [vec![first], whole[1..].to_vec()].concat();
        for first in [0.0, -0.0, 256.0, 0.5, 0.1, -1.0, 1e300, f64::NAN, f64::from_bits(1)] {
            let mut content = Content::new(Header::new(vec![100, WORTH_KEEPING / 100], Element::Integer), with(first));
            content.missing = content.values.iter().map(|v| v.is_nan()).collect();
            content.white = Some(255.0);
            content.redrawn = 3;
            content.levels = Some(vec!["a".into(), "b\n".into()]);
            entry(folder.path()).write(&content);
            let back = entry(folder.path()).read().unwrap();
            let bits = |c: &Content| c.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back), bits(&content), "{first}");
            assert_eq!(
                (&back.header, &back.levels, &back.missing),
                (&content.header, &content.levels, &content.missing)
            );
            assert_eq!((back.redrawn, back.white, back.name), (3, Some(255.0), None));
        }
    }

    #[test]
    fn what_is_damaged_or_other_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let content = Content::new(Header::new(vec![WORTH_KEEPING], Element::Real), vec![0.5; WORTH_KEEPING]);
        let kept = entry(folder.path());
        kept.write(&content);
        for other in [
            Entry::new(folder.path(), &Reader::Idx { path: "a.gz".into() }, true, "hash"),
            Entry::new(folder.path(), &Reader::Idx { path: "a.gz".into() }, false, "other"),
            Entry::new(folder.path(), &Reader::Npy { path: "a.gz".into() }, false, "hash"),
        ] {
            assert!(other.read().is_none());
        }
        assert!(Entry::new(folder.path(), &Reader::Idx { path: "folder/b.gz".into() }, false, "hash").read().is_some());
        let bytes = fs::read(&kept.path).unwrap();
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&flipped[..], &bytes[..bytes.len() - 1], &bytes[..20], &[]] {
            fs::write(&kept.path, damaged).unwrap();
            assert!(kept.read().is_none());
        }
    }

    #[test]
    fn small_arrays_and_impossible_folders_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        entry(folder.path()).write(&Content::new(Header::new(vec![1], Element::Real), vec![0.5]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        entry(&file).write(&Content::new(Header::new(vec![WORTH_KEEPING], Element::Real), vec![0.5; WORTH_KEEPING]));
        assert!(entry(&file).read().is_none());
    }
}
