//! Who makes which point of a sweep, where several processes, on one machine or many, work in one folder.
//!
//! A point is claimed by a file that is created only if it is not there, which a shared file system does for one process alone.
//! The file names its owner, who writes to it now and then. Where the owner is dead, or has not written for long, the next
//! number of the point's name is claimed: so two that see a claim go stale do not both take it, and nothing of another's is
//! ever removed by mistake.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::directory::unwritten;
use crate::error::Error;

/// The folder of claims in that of a sweep.
const CLAIMS: &str = "claims";

/// How often an owner writes to its claims.
pub const BEAT: Duration = Duration::from_secs(10);

/// After how long without a word the owner of a claim counts as dead, where it cannot be asked. Network file systems tell of a
/// change within a minute.
const LEASE: Duration = Duration::from_secs(180);

/// What ends the name of the record of a failure, in the place of a number.
const FAILED: &str = "failed";

/// The process that owns a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// The machine's name, for people.
    host: String,
    process: u32,
    /// When the process began, in ticks of its machine: its number may be another's by now.
    started: Option<u64>,
    /// The space in which the number means this process: the machine since it was started, and the container.
    space: Option<String>,
}

impl Owner {
    /// This process.
    fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok().map(|t| t.trim().to_owned());
        let container = || Some(std::fs::read_link("/proc/self/ns/pid").ok()?.display().to_string());
        let space = read("/proc/sys/kernel/random/boot_id").zip(container()).map(|(boot, inside)| boot + " " + &inside);
        let host = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
        let process = std::process::id();
        Self { host: host.unwrap_or_else(|| "this machine".into()), process, started: started(process), space }
    }

    /// Whether the process lives; `None` where it cannot be asked, as it is on another machine.
    fn lives(&self, asking: &Self) -> Option<bool> {
        let here = self.space.is_some() && self.space == asking.space;
        here.then(|| started(self.process).is_some_and(|s| self.started.is_none_or(|then| s == then)))
    }
}

/// When a process of this machine began; `None` where there is none that runs.
fn started(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may hold anything. What follows is counted from the state, the third field of proc(5).
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| !ended)
}

/// The claims of a sweep's points, as one process sees them.
pub struct Claims {
    folder: PathBuf,
    this: Owner,
    held: Mutex<BTreeSet<PathBuf>>,
}

/// What came of asking for a point.
pub enum Asked<'a> {
    /// It is this process's.
    Ours(Claim<'a>),
    /// Another process makes it.
    Theirs,
    /// It could not be fitted, and why.
    Failed(String),
}

/// A point that this process makes; given up where it is dropped.
pub struct Claim<'a> {
    claims: &'a Claims,
    name: String,
    number: u64,
}

impl Claims {
    /// The claims in a sweep's folder of fits that `key` tells from those of other programs, options and data.
    ///
    /// # Errors
    /// When their folder cannot be made.
    pub fn open(sweep: &Path, key: &str) -> Result<Self, Error> {
        let folder = sweep.join(CLAIMS).join(key);
        std::fs::create_dir_all(&folder).map_err(|e| unwritten(&folder, &e))?;
        Ok(Self { folder, this: Owner::this(), held: Mutex::default() })
    }

    /// Asks for a point by its name.
    ///
    /// # Errors
    /// When a claim cannot be written.
    pub fn ask(&self, name: &str) -> Result<Asked<'_>, Error> {
        if let Ok(why) = std::fs::read_to_string(self.file(name, FAILED)) {
            return Ok(Asked::Failed(why));
        }
        let last = numbers(&self.folder, name).last().copied();
        if let Some(number) = last
            && !self.is_stale(&self.file(name, &number.to_string()))
        {
            return Ok(Asked::Theirs);
        }
        let number = last.unwrap_or(0) + 1;
        let path = self.file(name, &number.to_string());
        let mut file = match File::create_new(&path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(Asked::Theirs),
            other => other.map_err(|e| unwritten(&path, &e))?,
        };
        let owner = serde_json::to_string(&self.this).unwrap_or_default();
        if let Err(e) = file.write_all(owner.as_bytes()) {
            let _ = std::fs::remove_file(&path);
            return Err(unwritten(&path, &e));
        }
        self.held().insert(path);
        Ok(Asked::Ours(Claim { claims: self, name: name.to_owned(), number }))
    }

    /// Says that the owner of what is held lives.
    pub fn beat(&self) {
        for path in self.held().iter() {
            // The file's time is that of the file system's own clock, whichever machine writes.
            let _ = OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(b"\n"));
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ending}"))
    }

    /// Whether nobody holds a claim any more.
    fn is_stale(&self, path: &Path) -> bool {
        let owner: Option<Owner> = std::fs::read(path).ok().and_then(|t| serde_json::from_slice(&t).ok());
        match owner.and_then(|o| o.lives(&self.this)) {
            Some(lives) => !lives,
            None => silent_for(path, &self.folder).is_some_and(|silence| silence > LEASE),
        }
    }
}

/// How long nobody has written to a file, by the clock of the file system that it is on.
fn silent_for(path: &Path, folder: &Path) -> Option<Duration> {
    let written = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let then = written(path)?;
    let probe = folder.join(format!(".now-{}-{:?}", std::process::id(), std::thread::current().id()));
    let now: Option<SystemTime> = std::fs::write(&probe, b".").ok().and_then(|()| written(&probe));
    let _ = std::fs::remove_file(&probe);
    now?.duration_since(then).ok()
}

/// The numbers under which a point was claimed, the last of which counts.
fn numbers(folder: &Path, name: &str) -> Vec<u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |e: std::fs::DirEntry| e.file_name().to_str()?.strip_prefix(name)?.strip_prefix('.')?.parse().ok();
    let mut numbers: Vec<u64> = entries.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

impl Claim<'_> {
    /// Keeps for the others that the point cannot be fitted, and why.
    pub fn failed(self, why: &str) {
        // Who cannot read it fits the point once more, and fails too.
        let _ = fe_report::write_atomically(self.claims.file(&self.name, FAILED), why);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let stale = numbers(&self.claims.folder, &self.name).into_iter().filter(|n| *n < self.number);
        for number in stale.chain([self.number]) {
            let path = self.claims.file(&self.name, &number.to_string());
            let _ = std::fs::remove_file(&path);
            self.claims.held().remove(&path);
        }
    }
}

/// Points of a sweep that other processes are making, each with who does.
pub fn live(sweep: &Path) -> Vec<String> {
    let within = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let this = Owner::this();
    let mut live = vec![];
    for folder in within(&sweep.join(CLAIMS)) {
        let claims = Claims { folder: folder.clone(), this: this.clone(), held: Mutex::default() };
        for path in within(&folder) {
            let name =
                path.file_name().and_then(|n| n.to_str()?.rsplit_once('.')).filter(|n| n.1.parse::<u64>().is_ok());
            let Some((name, _)) = name.filter(|_| !claims.is_stale(&path)) else { continue };
            let owner = std::fs::read(&path).ok().and_then(|t| serde_json::from_slice::<Owner>(&t).ok());
            let by = owner.map(|o| format!(" by process {} of {}", o.process, o.host)).unwrap_or_default();
            live.push(format!("{name}{by}"));
        }
    }
    live.sort();
    live
}

/// Forgets all claims of a sweep, and what failed.
pub fn forget(sweep: &Path) {
    let _ = std::fs::remove_dir_all(sweep.join(CLAIMS));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours<'a>(claims: &'a Claims, name: &str) -> Option<Claim<'a>> {
        match claims.ask(name).unwrap() {
            Asked::Ours(claim) => Some(claim),
            Asked::Theirs | Asked::Failed(_) => None,
        }
    }

    #[test]
    fn a_point_has_one_owner_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Claims::open(folder.path(), "k").unwrap(), Claims::open(folder.path(), "k").unwrap());
        let claim = ours(&one, "beta=0.1").unwrap();
        assert!(ours(&two, "beta=0.1").is_none() && ours(&two, "beta=0.1,K=2").is_some());
        assert_eq!(live(folder.path()).len(), 1);
        drop(claim);
        assert!(live(folder.path()).is_empty());
        ours(&two, "beta=0.1").unwrap().failed("not finite");
        assert!(matches!(one.ask("beta=0.1").unwrap(), Asked::Failed(why) if why == "not finite"));
        // Of another program, options or data nothing is known.
        assert!(ours(&Claims::open(folder.path(), "l").unwrap(), "beta=0.1").is_some());
    }

    /// However many ask at once, one has it.
    #[test]
    fn a_stale_claim_is_taken_over_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::open(folder.path(), "k").unwrap();
        let dead = Owner { process: u32::MAX, ..Owner::this() };
        for turn in 0..20 {
            let name = format!("b={turn}");
            std::fs::write(claims.file(&name, "1"), serde_json::to_string(&dead).unwrap()).unwrap();
            let found: Vec<_> = std::thread::scope(|scope| {
                let ask = || scope.spawn(|| ours(&claims, &name).inspect(|c| assert_eq!(c.number, 2)));
                let asking: Vec<_> = (0..4).map(|_| ask()).collect();
                asking.into_iter().filter_map(|a| a.join().unwrap()).collect()
            });
            assert_eq!(found.len(), 1);
            drop(found);
            assert!(numbers(&claims.folder, &name).is_empty());
        }
    }

    #[test]
    fn an_owner_elsewhere_is_believed_for_as_long_as_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::open(folder.path(), "k").unwrap();
        let far = Owner { host: "far".into(), process: 1, started: None, space: Some("another".into()) };
        let path = claims.file("b=1", "1");
        std::fs::write(&path, serde_json::to_string(&far).unwrap()).unwrap();
        let since = |ago: Duration| {
            OpenOptions::new().append(true).open(&path).unwrap().set_modified(SystemTime::now() - ago).unwrap();
        };
        since(LEASE / 2);
        assert!(ours(&claims, "b=1").is_none());
        assert_eq!(live(folder.path()), ["b=1 by process 1 of far"]);
        since(LEASE * 2);
        assert!(ours(&claims, "b=1").is_some());
    }

    #[test]
    fn a_process_that_has_ended_does_not_live() {
        let this = Owner::this();
        if this.space.is_none() {
            return;
        }
        assert_eq!(this.lives(&this), Some(true));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = child.id();
        child.wait().unwrap();
        assert_eq!(Owner { process, ..this.clone() }.lives(&this), Some(false));
        // A number that is another's by now.
        assert_eq!(Owner { started: this.started.map(|s| s + 1), ..this.clone() }.lives(&this), Some(false));
        assert_eq!(Owner { space: None, ..this.clone() }.lives(&this), None);
    }
}
