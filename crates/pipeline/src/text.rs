//! A program's text, and where it comes from.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// A program's text and what is called by it.
#[derive(Clone, Debug)]
pub struct Text {
    /// As shown in messages.
    pub file: String,
    /// The text.
    pub source: String,
    /// The folder that paths in it are relative to.
    pub folder: PathBuf,
    /// The model's name where the program states none.
    pub stem: String,
}

impl Text {
    /// Reads a program from its file.
    ///
    /// # Errors
    /// When the file cannot be read, or is no UTF-8 text.
    pub fn read(file: &str) -> Result<Self, Error> {
        let bytes = std::fs::read(file).map_err(|e| Error::Io(format!("{file} cannot be read: {e}")))?;
        let source = String::from_utf8(bytes).map_err(|_| Error::Io(format!("{file} is not UTF-8 text")))?;
        Ok(Self::of_file(file, source))
    }

    /// The text of a file that was read already.
    pub fn of_file(file: &str, source: String) -> Self {
        let path = Path::new(file);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let stem = path.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy().into_owned());
        Self { file: file.to_owned(), source, folder, stem }
    }

    /// A text that stands in no file, such as standard input or a cell of a notebook; `name` is what messages call it, and
    /// paths in it are relative to `folder`.
    pub fn in_memory(name: &str, source: String, folder: &Path) -> Self {
        Self { file: name.to_owned(), source, folder: folder.to_owned(), stem: "model".into() }
    }
}
