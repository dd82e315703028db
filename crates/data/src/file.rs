//! Finding, opening and hashing files, and names that a user may have meant.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::{DataError, Kind, Place};

/// Directory entries looked at for a name that was meant.
const NEIGHBOURS: usize = 10_000;

/// The files that `pattern` names, sorted by path. A path that exists stands for itself; otherwise
/// `*` (any characters) and `**` (any folders) are expanded, and nothing else is special.
pub(crate) fn expand(pattern: &Path) -> Result<Vec<PathBuf>, DataError> {
    if pattern.exists() {
        return Ok(vec![pattern.to_owned()]);
    }
    let text = pattern.to_string_lossy();
    if !text.contains('*') {
        return Err(not_found(pattern));
    }
    let literal: String =
        text.chars().map(|c| if matches!(c, '[' | ']' | '?') { format!("[{c}]") } else { c.to_string() }).collect();
    let matches = glob::glob(&literal)
        .map_err(|error| DataError::file(Kind::Pattern, pattern, format!("the pattern is malformed: {}", error.msg)))?;
    let mut files = Vec::new();
    for found in matches {
        let found = found.map_err(|error| DataError::io(error.path(), error.error()))?;
        if found.is_file() {
            files.push(found);
        }
    }
    if files.is_empty() {
        return Err(no_match(pattern));
    }
    files.sort();
    Ok(files)
}

/// The one file that `pattern` names.
pub(crate) fn single(pattern: &Path) -> Result<PathBuf, DataError> {
    let files = expand(pattern)?;
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => Err(DataError::file(
            Kind::Pattern,
            pattern,
            format!("the pattern matches {} files where one is due", files.len()),
        )
        .help("name one file; only `images` and `patches` read several")),
    }
}

fn no_match(pattern: &Path) -> DataError {
    let error = DataError::file(Kind::Pattern, pattern, "no file matches this pattern");
    let fixed =
        pattern.ancestors().skip(1).find(|folder| !folder.to_string_lossy().contains('*')).unwrap_or(Path::new("."));
    let folder = if fixed.as_os_str().is_empty() { Path::new(".") } else { fixed };
    if !folder.is_dir() {
        return error.help(format!("there is no folder {}", folder.display()));
    }
    let names = names_in(folder);
    let mut shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    if names.len() > shown.len() {
        shown.push("…");
    }
    match shown.is_empty() {
        true => error.help(format!("{} is empty", folder.display())),
        false => error.help(format!("{} holds {}", folder.display(), shown.join(", "))),
    }
}

fn not_found(path: &Path) -> DataError {
    let error = DataError::file(Kind::FileNotFound, path, "there is no such file");
    if path.is_symlink() {
        return DataError { message: "this is a link that leads to no file".into(), ..error }.help("mend the link");
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return error.help(format!("there is no folder {} either", folder.display()));
    }
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&wanted, &names_in(folder)) {
        Some(name) => error.help(format!("did you mean {}?", folder.join(name).display())),
        None => error.help("paths are relative to the program's own file"),
    }
}

/// Names in a folder, sorted; none where it cannot be listed, since this only serves a suggestion.
fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> =
        entries.take(NEIGHBOURS).flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A regular, non-empty file, open for reading, and its length in bytes.
pub(crate) fn open(path: &Path) -> Result<(File, u64), DataError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_found(path),
        _ => DataError::io(path, &error),
    })?;
    if metadata.is_dir() {
        return Err(DataError::file(Kind::NotAFile, path, "this is a folder, not a file")
            .help("name a file in it; `images` and `patches` take a pattern such as `folder/*.png`"));
    }
    if !metadata.is_file() {
        return Err(DataError::file(Kind::NotAFile, path, "this is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(DataError::file(Kind::Empty, path, "the file is empty"));
    }
    let file = File::open(path).map_err(|error| DataError::io(path, &error))?;
    Ok((file, metadata.len()))
}

/// What a file is, by its first bytes.
pub(crate) enum Found {
    Parquet,
    Arrow,
    Text,
    /// What it is, and what to do about it.
    Other(&'static str, &'static str),
}

/// What the first bytes of a file say that it is; text where they say nothing.
pub(crate) fn kind(path: &Path) -> Result<Found, DataError> {
    const KNOWN: [(&[u8], &str, &str); 15] = [
        (b"FEA1", "a Feather file of the first version", "write it again: Feather's second version is an Arrow file"),
        (b"\xff\xff\xff\xff", "a stream of Arrow batches", "save it as a file of Arrow, or as Parquet"),
        (
            b"PK\x03\x04",
            "a zip archive, as .xlsx and .npz are",
            "save the table as csv; arrays of an .npz are read by `npz`",
        ),
        (b"\xd0\xcf\x11\xe0", "an old document of Excel", "save the table as csv"),
        (b"MATLAB 5.0", "a MATLAB file", "save its arrays as .npy, or as csv"),
        (b"\x89HDF", "an HDF5 file, as newer .mat files are", "save its arrays as .npy, or as csv"),
        (b"\x93NUMPY", "an array by NumPy", "read it by `npy(…)`"),
        (b"SQLite format 3", "a database of SQLite", "save the table as csv"),
        (b"RDX", "a file of R", "save the table as csv"),
        (b"PARE", "an encrypted Parquet file", "write it without encryption"),
        (b"\x89PNG", "a picture", "pictures are read by `images` and `patches`"),
        (b"\xff\xd8\xff", "a picture", "pictures are read by `images` and `patches`"),
        (b"BZh", "compressed by bzip2", "unpack it, or compress it by gzip"),
        (b"\xfd7zXZ", "compressed by xz", "unpack it, or compress it by gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", "unpack it, or compress it by gzip"),
    ];
    let (file, _) = open(path)?;
    let mut first = vec![];
    file.take(16).read_to_end(&mut first).map_err(|error| DataError::io(path, &error))?;
    if first.starts_with(b"PAR1") {
        return Ok(Found::Parquet);
    }
    if first.starts_with(b"ARROW1") {
        return Ok(Found::Arrow);
    }
    let known = KNOWN.iter().find(|k| first.starts_with(k.0));
    Ok(known.map_or(Found::Text, |(_, what, help)| Found::Other(what, help)))
}

/// The first bytes of gzip.
pub(crate) const GZIP: &[u8] = &[0x1f, 0x8b];

/// The most bytes that a compressed text may hold: what claims more is a decompression bomb.
const MOST_INFLATED: u64 = 1 << 32;

/// What a compressed file holds.
fn inflated(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let mut all = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(MOST_INFLATED + 1).read_to_end(&mut all);
    match read {
        Ok(count) if count as u64 > MOST_INFLATED => {
            Err(DataError::file(Kind::TooLarge, path, format!("it inflates to more than {MOST_INFLATED} bytes")))
        }
        Ok(_) => Ok(all),
        Err(error) => Err(DataError::file(Kind::Truncated, path, format!("it cannot be inflated: {error}"))
            .help("the file is compressed by gzip, and is damaged or cut short")),
    }
}

/// The whole of a UTF-8 text file, compressed by gzip or plain, without a byte order mark.
pub(crate) fn text(path: &Path) -> Result<String, DataError> {
    let (mut file, length) = open(path)?;
    let mut bytes = Vec::new();
    usize::try_from(length)
        .ok()
        .and_then(|length| bytes.try_reserve_exact(length).ok())
        .ok_or_else(|| DataError::file(Kind::TooLarge, path, format!("{length} bytes do not fit in memory")))?;
    file.read_to_end(&mut bytes).map_err(|error| DataError::io(path, &error))?;
    if bytes.starts_with(GZIP) {
        bytes = inflated(path, &bytes)?;
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(DataError::file(Kind::Encoding, path, "the text is UTF-16, not UTF-8").help("save it as UTF-8"));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count() as u64;
        DataError::file(Kind::Encoding, path, "the text is not UTF-8")
            .at(Place::Line(line))
            .help("save it as UTF-8; Latin-1 and Windows-1252 are not read")
    })?;
    if text.trim().is_empty() {
        return Err(DataError::file(Kind::Empty, path, "the file holds only blanks"));
    }
    if let Some(line) = text.lines().position(|line| line.contains('\0')) {
        return Err(DataError::file(Kind::Encoding, path, "the text holds a NUL, as no text in UTF-8 does")
            .at(Place::Line(1 + line as u64))
            .help("it may be UTF-16, or damaged: save it again as UTF-8"));
    }
    Ok(text)
}

/// SHA-256, in hexadecimal, of the contents of `path`: what `sha256sum` prints. For a pattern that
/// matches several files, of their contents one after the other, in order of path.
///
/// # Errors
/// The file or pattern names nothing, or cannot be read.
pub fn fetch_hash(path: &Path) -> Result<String, DataError> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    for path in expand(path)? {
        let (mut file, _) = open(&path)?;
        loop {
            let count = file.read(&mut chunk).map_err(|error| DataError::io(&path, &error))?;
            match chunk.get(..count) {
                Some(read) if count > 0 => hasher.update(read),
                _ => break,
            }
        }
    }
    Ok(hexadecimal(hasher))
}

/// SHA-256 of values that come from no file, as little-endian f64.
pub(crate) fn hash_values(values: &[f64]) -> String {
    let mut hasher = Sha256::new();
    for value in values {
        hasher.update(value.to_le_bytes());
    }
    hexadecimal(hasher)
}

pub(crate) fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The error for a name that is not among `names`, listing those that are.
pub(crate) fn unknown_name<S: AsRef<str>>(path: &Path, what: &str, wanted: &str, names: &[S]) -> DataError {
    let error = DataError::file(Kind::UnknownName, path, format!("there is no {what} `{wanted}`"));
    let listed = list(names);
    match nearest(wanted, names) {
        Some(name) => error.help(format!("did you mean `{name}`? It has {listed}")),
        None => error.help(format!("it has {listed}")),
    }
}

/// Up to twenty names, in words.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let mut shown: Vec<&str> = names.iter().take(20).map(|name| named(name.as_ref())).collect();
    if names.len() > shown.len() {
        shown.push("…");
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

fn named(name: &str) -> &str {
    if name.is_empty() { "one without a name" } else { name }
}

/// The name closest to `wanted`, if it is close enough to be a slip of the hand.
fn nearest<'a, S: AsRef<str>>(wanted: &str, names: &'a [S]) -> Option<&'a str> {
    if wanted.chars().count() > 64 {
        return None;
    }
    let bound = 1 + wanted.chars().count() / 4;
    names
        .iter()
        .map(AsRef::as_ref)
        .filter(|name| !name.is_empty() && name.len() <= 256)
        .map(|name| (distance(&wanted.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, y) in row.iter().skip(1).zip(b.chars()) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn edit_distance_counts_insertions_deletions_and_substitutions() {
        for (a, b, expected) in [("kitten", "sitting", 3), ("", "abc", 3), ("y", "y", 0), ("flaw", "lawn", 2)] {
            assert_eq!(distance(a, b), expected);
            assert_eq!(distance(b, a), expected);
        }
    }

    #[test]
    fn only_a_close_name_is_suggested() {
        let names = ["school", "y", "sigma"];
        assert_eq!(nearest("sigm", &names), Some("sigma"));
        assert_eq!(nearest("Sigma", &names), Some("sigma"));
        assert_eq!(nearest("temperature", &names), None);
    }
}
