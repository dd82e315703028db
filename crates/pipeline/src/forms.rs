//! The two forms of a hierarchy: latents as location + scale · u, and as they are written. Both are fitted, and the lower is kept.

use fe_check::Program;
use fe_train::{FirstMinimum, FitError, Monitor, Problem, State, Unread, Values};

use crate::checkpoint::Checkpoints;
use crate::error::Error;
use crate::fit::failed;
use crate::timings::{Clock, Stage};

/// A program in one form, as a problem.
pub(crate) struct Form<'a> {
    pub problem: Problem<'a>,
    pub program: &'a Program,
    /// Latents that are as written, and could be otherwise.
    pub centred: Vec<String>,
}

/// Who watches a fit, and what is kept of it.
pub(crate) struct Watch<'w, 'c> {
    pub monitor: &'w mut dyn Monitor,
    pub checkpoints: &'w mut Checkpoints<'c>,
    pub clock: &'w Clock,
}

/// The form that was kept.
pub(crate) struct Kept<'a> {
    pub best: Unread,
    pub form: Form<'a>,
    pub note: Option<String>,
}

impl Form<'_> {
    /// Its first minimum; `number` is that of its checkpoints.
    fn first(&self, number: usize, from: Option<Values>, watch: &mut Watch) -> Result<Option<FirstMinimum>, FitError> {
        let mut keeper = watch.checkpoints.of(number);
        fe_train::first_minimum(&self.problem, &self.program.train, from, watch.monitor, &mut keeper)
    }

    /// Its minimum, from some values, or from where it stands.
    fn whole(
        &self,
        number: usize,
        (from, state): (Option<Values>, Option<State>),
        watch: &mut Watch,
    ) -> Result<Unread, FitError> {
        let mut keeper = watch.checkpoints.of(number);
        let mut keeper = fe_train::From::new(state, &mut keeper);
        fe_train::minimise(&self.problem, &self.program.train, from, watch.monitor, &mut keeper)
    }

    /// Its minimum, where there is no other form.
    ///
    /// # Errors
    /// When a value stops being finite, or what `train` asks cannot be done.
    pub fn alone(&self, from: Option<Values>, watch: &mut Watch) -> Result<Unread, Error> {
        self.whole(0, (from, None), watch).map_err(|e| failed(e, self.program, self.problem.objective))
    }
}

/// The lower of two forms, of which the first is location + scale · u and may start at some values. Of large fits the one that is
/// lower at their first minima is gone on with: what they differ by is there already, and more draws and checks would be for nothing.
///
/// # Errors
/// When the first cannot be fitted.
pub(crate) fn lower<'a>(
    (first, second): (Form<'a>, Form<'a>),
    from: Option<Values>,
    watch: &mut Watch,
) -> Result<Kept<'a>, Error> {
    let failing = |form: &Form, e| failed(e, form.program, form.problem.objective);
    let begun = first.first(0, from.clone(), watch).map_err(|e| failing(&first, e))?;
    let reached = begun.as_ref().and_then(|f| f.objective);
    // Where it cannot be fitted as written there is nothing to choose.
    let other = reached.and_then(|_| second.first(1, None, watch).ok().flatten());
    if let Some((a, b)) = reached.zip(other.as_ref().and_then(|f| f.objective)) {
        let note = Some(choice(&second.centred, (a, b), " at the first minimum of each"));
        let (number, form, from, state) = if b < a { (1, second, None, other) } else { (0, first, from, begun) };
        let best = form.whole(number, (from, state.map(|f| f.state)), watch).map_err(|e| failing(&form, e))?;
        return Ok(Kept { best, form, note });
    }
    let mut best = first.whole(0, (from, begun.map(|f| f.state)), watch).map_err(|e| failing(&first, e))?;
    if best.interrupted() {
        return Ok(Kept { best, form: first, note: None });
    }
    watch.clock.enter(Stage::Fit);
    let Ok(found) = second.whole(1, (None, other.map(|f| f.state)), watch) else {
        return Ok(Kept { best, form: first, note: None });
    };
    if found.interrupted() {
        best.interrupt();
    }
    let note = Some(choice(&second.centred, (best.objective(), found.objective()), ""));
    if found.objective() < best.objective() {
        return Ok(Kept { best: found, form: second, note });
    }
    Ok(Kept { best, form: first, note })
}

/// Which of two fits was kept, that with latents as location + scale · u or as written, by what was minimised.
fn choice(names: &[String], (non_centred, centred): (f64, f64), place: &str) -> String {
    let names = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let (kept, low, high) = match centred < non_centred {
        true => ("as written", centred, non_centred),
        false => ("as location + scale · u", non_centred, centred),
    };
    format!(
        "{names}: fitted both as written and as location + scale · u; kept {kept}, {low:.4} against {high:.4} a row{place}"
    )
}
