//! Pictures of a fit: what the program shows, rows of its data beside what their codes say of them, data from the priors.
//!
//! A page is not worth a failed run: what cannot be made is said in its place.

use std::sync::Arc;

use fe_check::{Program, Row};
use fe_graph::{Axis, ExecutionError, InputId, NodeId, Tensor};
use fe_objective::Shown;
use fe_report::{Document, Drawing, Pictured, Planes, Shades, Size, images};
use fe_train::{Problem, Setting, Values};

use crate::finished::Solution;
use crate::timelines;

/// The most images of one picture.
const MOST: usize = 1024;

/// Rows of data that are shown, and how many side by side.
const ROWS: usize = 24;
const ACROSS: usize = 8;

/// The pictures that could be made.
#[derive(Default)]
pub struct Pictures {
    /// Pictures of what the program shows.
    pub shown: Vec<Pictured>,
    /// Rows of data, each over its reconstruction.
    pub reconstructions: Vec<Pictured>,
    /// Data from the priors.
    pub samples: Vec<Pictured>,
    /// What happens along a loop.
    pub along: Vec<Drawing>,
    /// Reasons for pictures that are missing.
    pub missing: Vec<String>,
}

/// A fit that pictures are made of.
struct Fitted<'a> {
    problem: &'a Problem<'a>,
    values: &'a Values,
    setting: Setting,
}

/// The pictures of a fit.
pub fn pictures(program: &Program, problem: &Problem, solution: &Solution, document: &Document) -> Pictures {
    let setting = Setting { extra: solution.preconditioners.clone(), ..Setting::reporting(0, 1) };
    let fitted = Fitted { problem, values: &solution.values, setting };
    let mut made = Pictures::default();
    for shown in &problem.objective.report.shown {
        match fitted.shown(shown) {
            Ok(picture) => made.shown.push(picture),
            Err(why) => made.missing.push(format!("{} is not shown: {why}.", shown.name)),
        }
    }
    let sizes: Vec<Size> = problem.objective.report.shown.iter().filter_map(|s| Size::written(&s.sizes)).collect();
    fitted.reconstructions(&sizes, &mut made);
    fitted.samples(program, &sizes, &mut made);
    match timelines::timelines(program, problem, solution, document) {
        Ok(along) => made.along = along,
        Err(e) => made.missing.push(format!("What happens along the loop is not shown: {e}.")),
    }
    made
}

impl Fitted<'_> {
    fn run(&self, outputs: &[NodeId], rows: &Arc<Vec<u64>>) -> Result<Vec<Tensor>, ExecutionError> {
        self.problem.compile(outputs)?.run(&self.problem.feed(self.values, rows, &self.setting))
    }

    fn row(&self) -> Option<Axis> {
        self.problem.objective.row.map(|r| Axis::plain(r.axis))
    }

    /// The first rows that were trained on.
    fn trained(&self, most: usize) -> Arc<Vec<u64>> {
        Arc::new(self.problem.train.iter().take(most).copied().collect())
    }

    fn shown(&self, shown: &Shown) -> Result<Pictured, String> {
        let node = shown.node.ok_or("it depends on a latent whose mean under the guide is not known")?;
        let by_row = self.row().is_some_and(|row| shown.axes.contains(&row));
        let rows = if by_row { self.trained(ROWS) } else { self.trained(1) };
        let found = self.run(&[node], &rows).map_err(|e| e.to_string())?;
        let mut values = declared(found.first().ok_or("it has no value")?, &shown.axes).values;
        let size = Size::written(&shown.sizes).ok_or("a picture has a height and a width")?;
        let (height, width) = (size.rows, size.columns);
        let count = values.len() / size.values().max(1);
        values.truncate(MOST.min(count) * size.values());
        let picture = images(&values, size, None, Shades::Symmetric)
            .ok_or_else(|| format!("its last axis is not {height} × {width} long"))?;
        let mut caption = format!("{count} images of {height} × {width}");
        if size.planes == Planes::Color {
            caption.push_str(" in colour");
        }
        if count > MOST {
            caption.push_str(&format!(", of which the first {MOST} are shown"));
        }
        if by_row {
            caption.push_str(", of the first rows that were trained on, latents at their means");
        }
        Ok(Pictured { name: shown.name.clone(), caption, picture })
    }

    /// Rows that the fit has not seen where there are any that need no fit of their own, else rows that it was made on.
    fn reconstructed(&self) -> (Arc<Vec<u64>>, &'static str) {
        let local = self.problem.objective.parameters.iter().any(|p| p.local);
        if self.problem.heldout.is_empty() || local {
            return (self.trained(ROWS), "the first rows that were trained on");
        }
        (Arc::new(self.problem.heldout.iter().take(ROWS).copied().collect()), "rows that were held out")
    }

    fn reconstructions(&self, sizes: &[Size], made: &mut Pictures) {
        let o = self.problem.objective;
        for &(data, mean) in &o.report.decoded {
            let Some(observed) = o.report.observed.iter().find(|r| r.node == data) else { continue };
            let Some(size) = self.size(&observed.axes, sizes) else { continue };
            let (rows, which) = self.reconstructed();
            let found = match self.run(&[data, mean], &rows) {
                Ok(found) => found,
                Err(e) => {
                    made.missing.push(format!("Reconstructions of {} are not shown: {e}.", observed.name));
                    continue;
                }
            };
            let [data, mean] = found.as_slice() else { continue };
            let (data, mean) = (declared(data, &observed.axes), declared(mean, &observed.axes));
            let each = ACROSS * size.values();
            let lines = data.values.chunks(each).zip(mean.values.chunks(each));
            let pairs: Vec<f64> = lines.flat_map(|(x, m)| x.iter().chain(m).copied().collect::<Vec<f64>>()).collect();
            let Some(picture) = images(&pairs, size, Some(ACROSS), middle(&data.values)) else { continue };
            let caption = format!(
                "{} of {which}: a line of data, and under it the same decoded from the means of their codes",
                rows.len()
            );
            made.reconstructions.push(Pictured { name: observed.name.clone(), caption, picture });
        }
    }

    /// Data drawn from the priors under the fitted parameters, for as many rows as fill a picture.
    fn samples(&self, program: &Program, sizes: &[Size], made: &mut Pictures) {
        let Some(row) = program.row else { return };
        let shapes: Vec<(&str, Size)> = program
            .observes
            .iter()
            .filter_map(|observe| Some((observe.name.as_str(), self.size(&observe.axes, sizes)?)))
            .collect();
        if shapes.is_empty() {
            return;
        }
        let rows = self.trained(ROWS);
        let mut few = program.clone();
        few.graph.set_extent(row.axis, rows.len());
        few.row = Some(Row { rows: rows.len(), ..row });
        let own = |input: &InputId| {
            program.data.iter().any(|d| d.input == *input) || program.params.iter().any(|p| p.input == *input)
        };
        let mut inputs = self.problem.feed(self.values, &rows, &self.setting).inputs;
        inputs.retain(|input, _| own(input));
        let drawn = fe_train::prior_predictive(&few, self.problem.executor, &inputs, self.problem.seed, 1);
        let drawn = match drawn {
            Ok(drawn) => drawn.predictive,
            Err(e) => return made.missing.push(format!("No samples are shown: {e}.")),
        };
        for (name, size) in shapes {
            let Some(drawn) = drawn.iter().find(|d| d.name == name) else { continue };
            let Some(picture) = images(&drawn.values, size, Some(ACROSS), middle(&drawn.values)) else { continue };
            let caption = format!(
                "{} draws of the prior predictive: codes from their priors, data from the likelihood with its noise",
                rows.len()
            );
            made.samples.push(Pictured { name: name.to_owned(), caption, picture });
        }
    }

    /// The size of the images that rows of an array are, by what the program shows.
    fn size(&self, axes: &[Axis], sizes: &[Size]) -> Option<Size> {
        let (row, rest) = axes.split_first()?;
        let extents: Vec<usize> = rest.iter().map(|a| self.problem.objective.graph.extent_of(a.id)).collect();
        let fits = |size: &&Size| match extents.as_slice() {
            [all] => *all == size.values(),
            written => Size::written(written) == Some(**size),
        };
        sizes.iter().find(fits).copied().filter(|_| Some(*row) == self.row())
    }
}

/// A value over its declared axes, in their order.
fn declared(tensor: &Tensor, axes: &[Axis]) -> Tensor {
    let sorted = fe_graph::axis::sorted(axes);
    let order: Vec<usize> = axes.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
    tensor.permuted(&order).unwrap_or_else(|| tensor.clone())
}

/// Shades for data: all but the outermost hundredths of their values.
fn middle(values: &[f64]) -> Shades {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted.get((part * sorted.len().saturating_sub(1) as f64) as usize).copied();
    match (at(0.01), at(0.99)) {
        (Some(low), Some(high)) if low < high => Shades::Between(low, high),
        _ => Shades::Common,
    }
}
