//! A share of a sweep: fits that one process makes of a sweep in whose folder others work too.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::claims::{Asked, BEAT, Claim, Claims};
use super::points::Context;
use super::side_by_side::Crew;
use super::{Begun, SweepOptions, begin, brief};
use crate::error::Error;
use crate::text::Text;
use crate::watch::Watch;

/// How often it is looked whether a fit that another makes, and on whose end one hangs, has ended.
const LOOK: Duration = Duration::from_millis(500);

/// Which share: `2/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            Some((index, of)) => {
                Err(format!("there is no shard {index} of {of}: they are numbered from 1/{of} to {of}/{of}"))
            }
            None => Err(format!("`{text}` is no shard: write i/n, such as 2/8, the second of eight")),
        }
    }
}

/// What came of a share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The folder of the sweep.
    pub folder: PathBuf,
    /// Points of the whole sweep.
    pub points: usize,
    /// Fits that were made here.
    pub made: usize,
    /// Fits that were found, done.
    pub found: usize,
    /// Points that cannot be fitted, here or elsewhere, each with why.
    pub failed: Vec<Unfitted>,
    /// Points that others are making, or that nobody has begun: an end was wanted before.
    pub left: usize,
}

/// A point that cannot be fitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfitted {
    /// What is set there.
    pub at: String,
    /// Why.
    pub why: String,
}

/// What this process knows of a point.
enum Fate {
    /// It waits, or another had it when it was last asked for.
    Open,
    /// It is made here.
    Running,
    Made,
    Found,
    Failed(String),
}

/// What a worker does next.
enum Next<'a> {
    Make(usize, Claim<'a>),
    Wait,
    End,
}

/// Makes a share of a sweep's fits: its own points first, then what nobody has begun. Points that others make are left to them,
/// and finished ones, of the same program, options and data, are kept. Nothing of the sweep as a whole is written.
///
/// # Errors
/// When the program or the options are wrong, or claims cannot be written. A fit that fails is said in what is given.
pub fn share(text: &Text, options: &SweepOptions, shard: Shard, watch: &dyn Watch) -> Result<Share, Error> {
    let options = SweepOptions { resume: true, ..options.clone() };
    let Begun { context, crew, begin_together, folder, key, .. } = begin(text, &options, watch)?;
    let claims = Claims::open(&folder, &key)?;
    let count = context.places.len();
    let mine = |k: &usize| k % shard.of == shard.index - 1;
    let (own, others): (Vec<usize>, Vec<usize>) = (0..count).partition(mine);
    watch.fits(own.len());
    let fates = (0..count).map(|_| Fate::Open).collect();
    let work = Work {
        context: &context,
        claims: &claims,
        order: own.into_iter().chain(others).collect(),
        begin_together,
        fates: Mutex::new(fates),
        changed: Condvar::new(),
    };
    work.done(crew)?;
    let fates = work.fates.into_inner().unwrap_or_else(PoisonError::into_inner);
    let many = |is: fn(&Fate) -> bool| fates.iter().filter(|f| is(f)).count();
    let failed = fates.iter().zip(&context.places).filter_map(|(fate, place)| match fate {
        Fate::Failed(why) => Some(Unfitted { at: place.name(), why: why.clone() }),
        _ => None,
    });
    Ok(Share {
        folder,
        points: count,
        made: many(|f| matches!(f, Fate::Made)),
        found: many(|f| matches!(f, Fate::Found)),
        failed: failed.collect(),
        left: many(|f| matches!(f, Fate::Open | Fate::Running)),
    })
}

/// The points, and what is known of them.
struct Work<'a> {
    context: &'a Context<'a>,
    claims: &'a Claims,
    /// In which they are asked for.
    order: Vec<usize>,
    begin_together: bool,
    fates: Mutex<Vec<Fate>>,
    changed: Condvar,
}

impl Work<'_> {
    /// Works until there is nothing that could be begun here, now or when a fit that runs has ended.
    fn done(&self, crew: Crew) -> Result<(), Error> {
        let (end, ended) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while matches!(ended.recv_timeout(BEAT), Err(RecvTimeoutError::Timeout)) {
                    self.claims.beat();
                }
            });
            let workers: Vec<_> = (0..crew.jobs).map(|_| scope.spawn(|| self.worker(crew.threads))).collect();
            let broken = |_| Err(Error::Internal("a fit among others broke off".into()));
            let outcomes: Vec<_> = workers.into_iter().map(|w| w.join().unwrap_or_else(broken)).collect();
            drop(end);
            outcomes.into_iter().collect()
        })
    }

    fn worker(&self, threads: usize) -> Result<(), Error> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| Error::Internal(format!("threads cannot be started: {e}")))?;
        let mut fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.context.watch.stopped() {
            match self.next(&mut fates)? {
                Next::End => break,
                Next::Wait => {
                    let waited = self.changed.wait_timeout(fates, LOOK);
                    fates = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Next::Make(k, claim) => {
                    drop(fates);
                    let fate = pool.install(|| self.make(k, claim));
                    fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(known) = fates.get_mut(k) {
                        *known = fate;
                    }
                    self.changed.notify_all();
                }
            }
        }
        self.changed.notify_all();
        Ok(())
    }

    /// The point that is made next.
    fn next(&self, fates: &mut [Fate]) -> Result<Next<'_>, Error> {
        let mut waits = false;
        for &k in &self.order {
            let Some(place) = self.context.places.get(k) else { continue };
            let parent = place.parent.filter(|_| self.begin_together).and_then(|p| fates.get(p));
            // What another has made is asked for too: only a fit that was found to be of this very sweep can be begun from.
            let ready = parent.is_none_or(|p| matches!(p, Fate::Made | Fate::Found | Fate::Failed(_)));
            let Some(fate) = fates.get_mut(k) else { continue };
            match (&fate, ready) {
                (Fate::Open, true) => match self.claims.ask(&place.file_name())? {
                    Asked::Ours(claim) => {
                        *fate = Fate::Running;
                        return Ok(Next::Make(k, claim));
                    }
                    Asked::Theirs => {}
                    Asked::Failed(why) => *fate = Fate::Failed(why),
                },
                (Fate::Open, false) => waits = true,
                _ => {}
            }
        }
        Ok(if waits { Next::Wait } else { Next::End })
    }

    fn make(&self, k: usize, claim: Claim) -> Fate {
        let Some(place) = self.context.places.get(k) else { return Fate::Open };
        match self.context.make(place) {
            Ok(Some(made)) => {
                self.context.say(place, &brief(&made));
                if made.found { Fate::Found } else { Fate::Made }
            }
            Ok(None) => Fate::Open,
            Err(error) => {
                let why = error.brief();
                self.context.say(place, &format!("failed: {why}"));
                // What is wrong with the fit is so wherever it is made; a disk or a file may be well elsewhere.
                if matches!(error, Error::Fit(_) | Error::Program(_) | Error::Data(_)) {
                    claim.failed(&why);
                }
                Fate::Failed(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_several() {
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, of: 8 }));
        for (wrong, said) in [("0/4", "from 1/4"), ("5/4", "no shard 5"), ("3", "such as 2/8"), ("a/b", "such as 2/8")]
        {
            assert!(wrong.parse::<Shard>().is_err_and(|e| e.contains(said)), "{wrong}");
        }
    }
}
