//! Files that are never seen half-written.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file aside, in the same folder, and renames it into place: a reader finds the old file or the new one.
///
/// # Errors
/// When the folder does not exist or cannot be written to; what stood at `path` is then untouched.
pub fn write_atomically(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut aside = tempfile::Builder::new().make_in(folder, |aside| {
        // Opened as any file is, so that it gets the permissions of one and not those of a private temporary file.
        File::options().write(true).create_new(true).open(aside)
    })?;
    aside.write_all(bytes.as_ref())?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|failure| failure.error)?;
    Ok(())
}
