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
        Ok(Self::of_file(file, text_of(file, bytes)?))
    }

    /// A text whose bytes are at hand, such as standard input; see [`Text::in_memory`].
    ///
    /// # Errors
    /// When they are no UTF-8 text.
    pub fn of_bytes(name: &str, bytes: Vec<u8>, folder: &Path) -> Result<Self, Error> {
        Ok(Self::in_memory(name, text_of(name, bytes)?, folder))
    }

    /// The text of a file that was read already.
    pub fn of_file(file: &str, source: String) -> Self {
        let path = Path::new(file);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        // `...fe` is called `..`, which is no name of a folder for its runs.
        let stem = stem.filter(|s| !s.trim_matches('.').is_empty()).unwrap_or_else(|| "model".into());
        Self { file: file.to_owned(), source, folder, stem }
    }

    /// A text that stands in no file, such as standard input or a cell of a notebook; `name` is what messages call it, and
    /// paths in it are relative to `folder`.
    pub fn in_memory(name: &str, source: String, folder: &Path) -> Self {
        Self { file: name.to_owned(), source, folder: folder.to_owned(), stem: "model".into() }
    }
}

/// A program's bytes as text; one that is none is a wrong program.
fn text_of(file: &str, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let good = e.as_bytes().get(..at).unwrap_or_default();
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        Error::Text(format!(
            "{file} is not UTF-8 text: line {line} has a byte that stands for no character; save it as UTF-8"
        ))
    })
}
