//! A run directory on its way. What is written lies in `NAME.part` beside it until all of it is there, and is then moved into
//! place, `fit.json` last: at any moment the directory holds the run that it held, or the new one, or lacks `fit.json` and says
//! so, while `NAME.part` holds what is needed to complete it. That is done by whoever reads or writes the run next.
//!
//! Why not a rename of the directory: a folder that is somebody's working folder, a mount, a link, or holds notes of theirs
//! cannot be exchanged for another one.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fe_report::{ASIDE, move_over, remove, write_atomically};

use super::{CHAINS, DRAWS, FIT, File as Named, RUN_FILES, VERIFICATION, pictures_of, unwritten};
use crate::error::Error;

/// The folder, beside that of a run, in which it is made.
const PART: &str = "part";

/// Held by the process that makes it; it holds the number of this process.
const LOCK: &str = "lock";

/// Where a fit that has not ended can be gone on from.
const CHECKPOINT: &str = "checkpoint";
const STATE: &str = "fit.bin";

/// The same of a fit that has ended, until its run is all made.
const ENDED: &str = "fit.ended";

/// How long a reader waits for a run that is being put in place.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a writer waits for a reader that tidies up.
const TIDYING: Duration = Duration::from_millis(200);

/// The folder in which a run is made.
fn part_of(folder: &Path) -> PathBuf {
    // The name of `.` or `..` is that of the folder they stand for.
    let named = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
    };
    let mut name = named.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(PART);
    named.with_file_name(name)
}

fn state_of(folder: &Path) -> PathBuf {
    folder.join(CHECKPOINT).join(STATE)
}

fn ended_of(folder: &Path) -> PathBuf {
    folder.join(CHECKPOINT).join(ENDED)
}

/// Whether a part holds a fit that can be gone on from.
fn has_state(part: &Path) -> bool {
    state_of(part).exists() || ended_of(part).exists()
}

/// A run that this process makes, and no other at the same time.
#[derive(Debug)]
pub struct Writing {
    folder: PathBuf,
    part: PathBuf,
    /// Held as long as it is open; none where the file system has no locks.
    lock: Option<File>,
}

/// Who has the lock of a part.
enum Lock {
    Taken(Option<File>),
    /// The process that has it, where it says.
    Held(String),
}

impl Writing {
    /// Takes a folder for a run of this process, makes the folders, and sweeps what a process that was killed has left there;
    /// checkpoints apart.
    ///
    /// # Errors
    /// When a folder cannot be made, or another process is making a run there.
    pub fn begin(folder: &Path) -> Result<Self, Error> {
        let part = part_of(folder);
        std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))?;
        let began = Instant::now();
        let lock = loop {
            std::fs::create_dir_all(&part).map_err(|e| unwritten(&part, &e))?;
            match lock(&part).map_err(|e| unwritten(&part, &e))? {
                Some(Lock::Taken(lock)) => break lock,
                Some(Lock::Held(process)) if began.elapsed() > TIDYING => return Err(busy(folder, &process)),
                Some(Lock::Held(_)) => std::thread::sleep(TIDYING / 10),
                // The one who had it has just removed the part.
                None => {}
            }
        };
        let writing = Self { folder: folder.to_owned(), part, lock };
        writing.complete()?;
        writing.sweep()?;
        Ok(writing)
    }

    /// Where the run will be.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The state that an earlier fit of this folder was left in: one that was killed, or else one that was ended early.
    pub fn checkpoint(&self) -> Option<Vec<u8>> {
        checkpoint(&self.folder)
    }

    /// Keeps the state of a fit, so that it can be gone on from if this process ends.
    ///
    /// # Errors
    /// When it cannot be written; an older one is then left.
    pub fn keep(&self, state: &[u8]) -> Result<(), Error> {
        let path = state_of(&self.part);
        let folder = self.part.join(CHECKPOINT);
        let written = std::fs::create_dir_all(&folder).and_then(|()| write_atomically(&path, state));
        written.map_err(|e| unwritten(&path, &e))?;
        Ok(())
    }

    /// Forgets the state of an earlier fit.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn forget(&self) -> Result<(), Error> {
        for path in [state_of(&self.part), ended_of(&self.part)] {
            remove(&path).map_err(|e| unwritten(&path, &e))?;
        }
        Ok(())
    }

    /// Marks the state as that of a fit that has ended, so that who completes its run knows that it goes.
    fn end(&self) -> Result<(), Error> {
        let (from, to) = (state_of(&self.part), ended_of(&self.part));
        match from.exists() {
            true => move_over(&from, &to).map_err(|e| unwritten(&to, &e)),
            false => Ok(()),
        }
    }

    /// Writes the run and puts it in place. A checkpoint stays with a fit that was `interrupted`. Draws that do not fit the disk
    /// cost the run nothing else: the error names their file, and all others are in place.
    ///
    /// # Errors
    /// When a file cannot be written; what was in the folder is then untouched, draws apart.
    pub fn commit(self, files: &[Named], interrupted: bool) -> Result<(), Error> {
        let mut lost = None;
        let stage = |name: &str, bytes: &[u8]| {
            write_atomically(self.part.join(name), bytes).map_err(|e| unwritten(&self.folder.join(name), &e))
        };
        let (last, others): (Vec<&Named>, Vec<&Named>) = files.iter().partition(|(name, _)| *name == FIT);
        for (name, bytes) in others {
            match stage(name, bytes) {
                Err(e) if *name == DRAWS => {
                    // An empty file says that the older one goes.
                    stage(name, &[])?;
                    lost = Some(e);
                }
                other => other?,
            }
        }
        if !interrupted {
            self.end()?;
        }
        for (name, bytes) in last {
            stage(name, bytes)?;
        }
        self.complete()?;
        match lost {
            Some(Error::Io(what)) => Err(Error::Io(format!("{what}; everything else of the run is there"))),
            _ => Ok(()),
        }
    }

    /// Puts a run in place all of whose files are in the part.
    fn complete(&self) -> Result<(), Error> {
        if !self.part.join(FIT).exists() {
            return Ok(());
        }
        let removed = |name: &str| {
            let path = self.folder.join(name);
            remove(&path).map_err(|e| Error::Io(format!("{} of an earlier fit cannot be removed: {e}", path.display())))
        };
        [FIT, VERIFICATION, CHAINS].into_iter().try_for_each(removed)?;
        pictures_of(&self.folder).iter().try_for_each(|path| remove(path).map_err(|e| unwritten(path, &e)))?;
        let state = format!("{CHECKPOINT}/{STATE}");
        removed(&state)?;
        let moved = |name: &str| {
            let (from, to) = (self.part.join(name), self.folder.join(name));
            match from.metadata().map(|m| m.len()) {
                Ok(0) => removed(name).and_then(|()| remove(&from).map_err(|e| unwritten(&from, &e))),
                Ok(_) => move_over(&from, &to).map_err(|e| unwritten(&to, &e)),
                // Moved before, by a process that was killed.
                Err(_) => Ok(()),
            }
        };
        if self.part.join(&state).exists() {
            let folder = self.folder.join(CHECKPOINT);
            std::fs::create_dir_all(&folder).map_err(|e| unwritten(&folder, &e))?;
            moved(&state)?;
        }
        RUN_FILES.into_iter().filter(|name| *name != FIT).try_for_each(moved)?;
        let ended = ended_of(&self.part);
        remove(&ended).map_err(|e| unwritten(&ended, &e))?;
        moved(FIT)?;
        // Without a checkpoint its folder says nothing.
        let _ = std::fs::remove_dir(self.folder.join(CHECKPOINT));
        durable(&self.folder);
        Ok(())
    }

    /// Removes what lies in the part, but the lock and a checkpoint, and in the folder what was being written aside.
    fn sweep(&self) -> Result<(), Error> {
        let aside = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let written = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with(ASIDE);
            entries.filter(written).map(|e| e.path()).collect::<Vec<_>>()
        };
        let checkpoint = self.part.join(CHECKPOINT);
        let named = RUN_FILES.into_iter().map(|name| self.part.join(name));
        let mut stale = aside(&self.folder).into_iter().chain(aside(&self.part)).chain(aside(&checkpoint)).chain(named);
        stale.try_for_each(|path| remove(&path).map_err(|e| unwritten(&path, &e)))
    }
}

impl Drop for Writing {
    /// Removes the part, unless a checkpoint is to be left there. What cannot be removed is swept by the next one.
    fn drop(&mut self) {
        if has_state(&self.part) {
            return;
        }
        let _ = self.sweep();
        let _ = std::fs::remove_dir(self.part.join(CHECKPOINT));
        let _ = remove(&self.part.join(LOCK));
        let _ = std::fs::remove_dir(&self.part);
        // A folder that was made for a run that failed.
        let _ = std::fs::remove_dir(&self.folder);
        drop(self.lock.take());
    }
}

/// As [`Writing::checkpoint`], which another process may be writing.
pub(super) fn checkpoint(folder: &Path) -> Option<Vec<u8>> {
    let part = part_of(folder);
    [state_of(&part), ended_of(&part), state_of(folder)].into_iter().find_map(|path| std::fs::read(path).ok())
}

/// Whether a folder is one that another run is being made in, or that was left with a checkpoint.
pub(super) fn is_begun(folder: &Path) -> bool {
    let part = part_of(folder);
    if has_state(&part) {
        return true;
    }
    part.join(LOCK).exists() && matches!(lock(&part), Ok(Some(Lock::Held(_))))
}

/// Completes a run whose files were all made when its process was killed, and removes what one left that was killed just after;
/// waits a moment for one that is being put in place.
///
/// # Errors
/// When the run is incomplete, or another process is still at it.
pub(super) fn settle(folder: &Path) -> Result<(), Error> {
    let part = part_of(folder);
    let began = Instant::now();
    let is_there = || folder.join(FIT).exists();
    while part.join(FIT).exists() || part.exists() && !(is_there() && has_state(&part)) {
        match lock(&part) {
            Ok(Some(Lock::Taken(lock))) => {
                return Writing { folder: folder.to_owned(), part, lock }.complete();
            }
            // Another run is being made: what is there is as it was.
            Ok(Some(Lock::Held(_))) if is_there() => return Ok(()),
            Ok(Some(Lock::Held(process))) if began.elapsed() > PATIENCE => return Err(busy(folder, &process)),
            Ok(_) => std::thread::sleep(PATIENCE / 40),
            // A folder that cannot be written can be read as it is.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn busy(folder: &Path, process: &str) -> Error {
    let who = if process.is_empty() { "another process".to_owned() } else { format!("process {process}") };
    Error::Io(format!("{} is being written by {who}: wait for its end, or choose another folder", folder.display()))
}

/// Takes the lock of a part; `None` where the part was removed in the meantime.
fn lock(part: &Path) -> std::io::Result<Option<Lock>> {
    let path = part.join(LOCK);
    let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = match open {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            file.read_to_string(&mut process)?;
            return Ok(Some(Lock::Held(process.split_whitespace().next().unwrap_or_default().to_owned())));
        }
        Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => return Ok(Some(Lock::Taken(None))),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    // The file that was locked may be one that its last owner has removed since: this mark is then not to be found.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mark = format!("{} {}\n", std::process::id(), now.as_nanos());
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(mark.as_bytes())?;
    let found = std::fs::read_to_string(&path).is_ok_and(|text| text == mark);
    Ok(found.then_some(Lock::Taken(Some(file))))
}

/// Has the names of a folder outlive a power cut, where the system can.
fn durable(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
#[path = "writing_tests.rs"]
mod tests;
