//! Where a fit stands, kept beside its directory now and then, so that another process can go on from there.

use std::time::{Duration, Instant};

use fe_train::{ChainKeeper, Keeper, Moment, Sampling, State};
use serde::{Deserialize, Serialize};

use crate::directory::{self, Writing};
use crate::error::Error;
use crate::record::Identity;

/// The number of this form of a checkpoint.
const SCHEMA: u32 = 3;

/// A fit that took longer is kept when it has ended too, before its posterior is read.
const LONG: Duration = Duration::from_secs(2);

/// The file.
#[derive(Serialize, Deserialize)]
struct Saved {
    schema: u32,
    of: Of,
    /// One fit, or two where a hierarchy is fitted both ways.
    fits: Vec<State>,
    /// What chains have, where they have begun.
    chains: Option<Sampling>,
}

/// What a checkpoint is of: one that differs is not gone on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Of {
    /// What decides the numbers, as JSON.
    identity: String,
    /// The program.
    source: String,
}

/// What was found of an earlier fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing.
    Nothing,
    /// A fit of another program, or with other options, data or version.
    Other,
    /// The same fit, after so many steps.
    Same(u64),
}

/// The checkpoints of a fit.
pub struct Checkpoints<'a> {
    /// Where they are written; nowhere in memory.
    place: Option<Place<'a>>,
    /// Where an earlier fit stood, whole, and as it is taken up.
    earlier: Vec<Option<State>>,
    /// Where this one stands.
    fits: Vec<State>,
    /// What chains have, an earlier fit's until they go on.
    chains: Option<Sampling>,
    every: Duration,
    began: Instant,
    last: Instant,
    /// Why one could not be written.
    failed: Option<Error>,
}

struct Place<'a> {
    writing: &'a mut Writing,
    of: Of,
}

/// What a fit of this program with these options is told by.
fn of(source: &str, identity: &Identity) -> Result<Of, Error> {
    let identity = serde_json::to_string(identity).map_err(|e| Error::Internal(format!("a checkpoint: {e}")))?;
    Ok(Of { identity, source: source.to_owned() })
}

/// A checkpoint, where it is of this fit.
fn read(bytes: &[u8], of: &Of) -> Option<Saved> {
    let saved: Saved = postcard::from_bytes(bytes).ok()?;
    (saved.schema == SCHEMA && saved.of == *of).then_some(saved)
}

/// Whether a folder has a checkpoint of this fit, which another process may be writing.
///
/// # Errors
/// When the identity cannot be written, which no fit's is.
pub fn is_of(folder: &std::path::Path, source: &str, identity: &Identity) -> Result<bool, Error> {
    let of = of(source, identity)?;
    Ok(directory::checkpoint(folder).is_some_and(|bytes| read(&bytes, &of).is_some()))
}

impl<'a> Checkpoints<'a> {
    /// None: the fit is in memory alone.
    pub fn none() -> Self {
        let now = Instant::now();
        let every = Duration::MAX;
        let (earlier, fits) = (vec![], vec![]);
        Self { place: None, earlier, fits, chains: None, every, began: now, last: now, failed: None }
    }

    /// Of a run that is being made, one every so often; 0 for one at every step.
    ///
    /// # Errors
    /// When the identity cannot be written, which no fit's is.
    pub fn new(writing: &'a mut Writing, source: &str, identity: &Identity, every: Duration) -> Result<Self, Error> {
        let of = of(source, identity)?;
        Ok(Self { place: Some(Place { writing, of }), every, ..Self::none() })
    }

    /// Goes on from where an earlier fit stood, if that was this one.
    pub fn resume(&mut self) -> Earlier {
        let Some(Place { writing, of }) = &self.place else { return Earlier::Nothing };
        let Some(bytes) = writing.checkpoint() else { return Earlier::Nothing };
        let Some(saved) = read(&bytes, of) else { return Earlier::Other };
        let steps = saved.fits.iter().map(State::steps).sum();
        self.earlier = saved.fits.into_iter().map(Some).collect();
        self.chains = saved.chains;
        Earlier::Same(steps)
    }

    /// Forgets where an earlier fit stood.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(&mut self) -> Result<(), Error> {
        self.place.as_mut().map_or(Ok(()), |p| p.writing.forget())
    }

    /// Why a checkpoint could not be written, where that was so.
    pub fn failure(self) -> Option<Error> {
        self.failed
    }

    /// Those of the first fit, or of the second.
    pub(crate) fn of(&mut self, number: usize) -> OfFit<'_, 'a> {
        OfFit { all: self, number }
    }

    /// Those of the chains that follow the fit.
    pub(crate) fn of_chains(&mut self) -> OfChains<'_, 'a> {
        OfChains { all: self }
    }

    fn due(&self) -> bool {
        self.place.is_some() && self.last.elapsed() >= self.every
    }

    fn write(&mut self) {
        let Some(Place { writing, of }) = &mut self.place else { return };
        let (fits, chains) = (std::mem::take(&mut self.fits), self.chains.take());
        let saved = Saved { schema: SCHEMA, of: of.clone(), fits, chains };
        let bytes = postcard::to_stdvec(&saved).map_err(|e| Error::Internal(format!("a checkpoint: {e}")));
        if let Err(e) = bytes.and_then(|bytes| writing.keep(&bytes)) {
            self.failed = Some(e);
        }
        (self.fits, self.chains) = (saved.fits, saved.chains);
        // From when it was written, so that a slow disk does not take all the time.
        self.last = Instant::now();
    }
}

/// The checkpoints of one of the fits.
pub(crate) struct OfFit<'b, 'a> {
    all: &'b mut Checkpoints<'a>,
    number: usize,
}

impl Keeper for OfFit<'_, '_> {
    fn earlier(&mut self) -> Option<State> {
        self.all.earlier.get_mut(self.number).and_then(Option::take)
    }

    fn due(&self) -> bool {
        self.all.due()
    }

    fn keep(&mut self, state: State, moment: Moment) {
        let all = &mut *self.all;
        if all.place.is_none() {
            return;
        }
        match all.fits.get_mut(self.number) {
            Some(place) => *place = state,
            None => all.fits.push(state),
        }
        if moment != Moment::Ended || all.began.elapsed() > LONG {
            all.write();
        }
    }
}

/// The checkpoints of chains.
pub(crate) struct OfChains<'b, 'a> {
    all: &'b mut Checkpoints<'a>,
}

impl ChainKeeper for OfChains<'_, '_> {
    fn earlier(&mut self) -> Option<Sampling> {
        self.all.chains.clone()
    }

    fn due(&self) -> bool {
        self.all.due()
    }

    fn keep(&mut self, sampling: Sampling) {
        self.all.chains = Some(sampling);
        self.all.write();
    }
}
