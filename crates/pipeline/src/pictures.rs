//! Pictures of a fit: what the program shows, rows of its data beside what their codes say of them, data from the priors.
//!
//! A page is not worth a failed run: what cannot be made is said in its place.

use std::sync::Arc;

use fe_check::{Program, Row, ShowStyle};
use fe_graph::{Axis, ExecutionError, InputId, NodeId, Tensor};
use fe_objective::{Choice, Shown};
use fe_report::{Document, Drawing, Pictured, Planes, Shades, Size, images};
use fe_train::{ChoiceTable, Problem, Setting, Values};

use crate::finished::Solution;
use crate::timelines;

/// The most images of one picture.
const MOST: usize = 1024;

/// The most cells of a picture of a choice over positions and states.
const LARGEST: usize = 1 << 16;

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
        let pictures = match shown.style {
            ShowStyle::Images => fitted.shown(shown).map(|p| vec![p]),
            ShowStyle::Map => fitted.map(shown),
        };
        match pictures {
            Ok(pictures) => made.shown.extend(pictures),
            Err(why) => made.missing.push(format!("{} is not shown: {why}.", shown.name)),
        }
    }
    if let Err(e) = fitted.courses(&mut made) {
        made.missing.push(format!("Choices are not shown: {e}."));
    }
    let images = problem.objective.report.shown.iter().filter(|s| s.style == ShowStyle::Images);
    let sizes: Vec<Size> = images.filter_map(|s| Size::written(&s.sizes)).collect();
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

    /// The tables of some choices.
    fn tables(&self, choices: &[&Choice]) -> Result<Vec<ChoiceTable>, ExecutionError> {
        fe_train::choice_tables(self.problem, self.values, self.setting.extra.clone(), choices)
    }

    /// What is to come and what is chosen over the cells of a grid, at the first position.
    fn map(&self, shown: &Shown) -> Result<Vec<Pictured>, String> {
        let &[rows, columns] = shown.sizes.as_slice() else { return Err("a map has two sizes".into()) };
        let size = Size::grey(rows, columns);
        let choices = &self.problem.objective.report.choices;
        let choice = choices.iter().find(|c| c.name == shown.name);
        let choice = choice.ok_or("it is no choice whose guide is exact and that sees a state")?;
        let table = self.tables(&[choice]).map_err(|e| e.to_string())?.into_iter().next().ok_or("it has no table")?;
        let seen = table.shape.iter().skip(usize::from(choice.axis().is_some()));
        let cells: usize = seen.product();
        let ([state], true) = (choice.sees.as_slice(), cells == size.values()) else {
            let names: Vec<&str> = choice.sees.iter().map(|s| s.name.as_str()).collect();
            return Err(format!(
                "what it sees, {}, has {cells} values, and a map of {rows} × {columns} has {}",
                names.join(" and "),
                size.values()
            ));
        };
        // The first cells × values numbers are those of the first position.
        let to_come: Vec<f64> = table.to_come.iter().take(cells).copied().collect();
        let at = |value: usize| table.probabilities.iter().skip(value).step_by(table.values).take(cells);
        let chosen: Vec<f64> = (0..table.values).flat_map(at).copied().collect();
        let first = if choice.axis().is_some() { ", at the first position" } else { "" };
        let value = images(&to_come, size, Some(1), Shades::Common).ok_or("it has no value")?;
        let policy = images(&chosen, size, Some(table.values), Shades::Between(0.0, 1.0)).ok_or("it has no policy")?;
        Ok(vec![
            Pictured {
                name: format!("value of {}", state.name),
                caption: format!(
                    "what is to come before {} is chosen, over {} as {rows} × {columns} cells{first}",
                    shown.name, state.name
                ),
                picture: value,
            },
            Pictured {
                name: format!("policy of {}", shown.name),
                caption: format!(
                    "the probability of each of its {} values in their order, over {} as {rows} × {columns} cells{first}",
                    table.values, state.name
                ),
                picture: policy,
            },
        ])
    }

    /// Value and policy of choices that see one state, over positions and states, where no map is asked for.
    fn courses(&self, made: &mut Pictures) -> Result<(), ExecutionError> {
        let report = &self.problem.objective.report;
        let mapped = |c: &Choice| report.shown.iter().any(|s| s.style == ShowStyle::Map && s.name == c.name);
        let wanted: Vec<&Choice> =
            report.choices.iter().filter(|c| c.axis().is_some() && c.sees.len() == 1 && !mapped(c)).collect();
        for (table, choice) in self.tables(&wanted)?.iter().zip(&wanted) {
            let (&[positions, states], Some(state)) = (table.shape.as_slice(), choice.sees.first()) else { continue };
            if positions < 2 || positions * states > LARGEST {
                continue;
            }
            let size = Size::grey(positions, states);
            let at = |value: usize| table.probabilities.iter().skip(value).step_by(table.values);
            let chosen: Vec<f64> = (0..table.values).flat_map(at).copied().collect();
            let value = images(&table.to_come, size, Some(1), Shades::Common);
            let policy = images(&chosen, size, Some(table.values), Shades::Between(0.0, 1.0));
            let (Some(value), Some(policy)) = (value, policy) else { continue };
            let axes = format!("positions down, values of {} across", state.name);
            let caption = format!("what is to come before {} is chosen: {axes}", choice.name);
            made.shown.push(Pictured { name: format!("value of {}", state.name), caption, picture: value });
            let caption = format!("the probability of each of its {} values in their order: {axes}", table.values);
            made.shown.push(Pictured { name: format!("policy of {}", choice.name), caption, picture: policy });
        }
        Ok(())
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
