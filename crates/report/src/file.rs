//! Files that are never seen half-written. Every file of a run goes through here, so that a fault can be put at each step.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file aside, in the same folder, and renames it into place: a reader finds the old file or the new one.
///
/// # Errors
/// When the folder does not exist or cannot be written to; what stood at `path` is then untouched.
pub fn write_atomically(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, bytes) = (path.as_ref(), bytes.as_ref());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fault::step(bytes.len())?;
    let mut aside = tempfile::Builder::new().prefix(ASIDE).make_in(folder, |aside| {
        // Opened as any file is, so that it gets the permissions of one and not those of a private temporary file.
        File::options().write(true).create_new(true).open(aside)
    })?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    aside.write_all(first)?;
    fault::step(bytes.len())?;
    aside.write_all(second)?;
    aside.as_file().sync_all()?;
    fault::step(0)?;
    aside.persist(path).map_err(|failure| failure.error)?;
    Ok(())
}

/// Moves a file over another in the same file system, in one step.
///
/// # Errors
/// When it cannot be moved; both are then untouched.
pub fn move_over(from: &Path, to: &Path) -> io::Result<()> {
    fault::step(0)?;
    std::fs::rename(from, to)
}

/// Removes a file, where there is one.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    fault::step(0)?;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// How files begin that are written aside, so that those of a process that was killed can be told and swept.
pub const ASIDE: &str = ".tmp";

/// Faults for tests, in builds with assertions alone. `FE_FAULT=kill:7` ends the process at the seventh step of writing, with
/// nothing cleared away; `full:7` finds the disk full there and from there on; `room:4000` has no room for a file that is larger.
mod fault {
    #[cfg(debug_assertions)]
    pub fn step(bytes: usize) -> std::io::Result<()> {
        use std::sync::LazyLock;
        use std::sync::atomic::{AtomicUsize, Ordering};
        static FAULT: LazyLock<Option<(String, usize)>> = LazyLock::new(|| {
            let said = std::env::var("FE_FAULT").ok()?;
            let (kind, at) = said.split_once(':')?;
            Some((kind.to_owned(), at.parse().ok()?))
        });
        static STEPS: AtomicUsize = AtomicUsize::new(0);
        let Some((kind, at)) = &*FAULT else { return Ok(()) };
        let step = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
        match kind.as_str() {
            "kill" if step == *at => std::process::abort(),
            "full" if step >= *at => Err(std::io::ErrorKind::StorageFull.into()),
            "room" if bytes > *at => Err(std::io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    #[cfg(not(debug_assertions))]
    pub const fn step(_: usize) -> std::io::Result<()> {
        Ok(())
    }
}
