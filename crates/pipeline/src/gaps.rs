//! Gaps of data that are filled in: of what is inferred over all of the data, the cells that are missing are told, and no other.

use fe_check::{Data, Latent, Program};
use fe_graph::{Axis, Graph, axis};
use fe_report::{Array, Labels};
use fe_train::Summary;
use fe_train::referee::Quality;

use crate::data::Arrays;

/// The missing cells behind a latent.
struct Gaps {
    /// The latent.
    name: String,
    /// The name of the axis that counts them.
    axis: String,
    /// Extents of the data, as declared.
    shape: Vec<usize>,
    /// Which elements they are, row-major over the axes as declared.
    cells: Vec<usize>,
    /// Their rows, or their places along all axes.
    labels: Vec<String>,
}

/// The missing cells of a program's data, of those that a latent stands for.
#[derive(Default)]
pub(crate) struct AllGaps(Vec<Gaps>);

impl AllGaps {
    /// Those of data as they were read.
    pub(crate) fn of(program: &Program, arrays: &Arrays) -> Self {
        let labels = arrays.labels(program);
        let one = |latent: &Latent| {
            let data = program.data.iter().find(|d| Some(d.input) == latent.fills)?;
            gaps(latent, data, &program.graph, (arrays, &labels))
        };
        Self(program.latents.iter().filter_map(one).collect())
    }

    /// The gaps of a latent whose values have the data's extents.
    fn behind(&self, name: &str, shape: &[usize]) -> Option<&Gaps> {
        self.0.iter().find(|g| g.name == name && g.shape == shape)
    }

    /// The axis of what is told of a latent, in the place of the data's.
    pub(crate) fn axes(&self, name: &str, shape: &[usize]) -> Option<Vec<String>> {
        self.behind(name, shape).map(|g| vec![g.axis.clone()])
    }

    /// A summary of the missing cells alone.
    pub(crate) fn summary(&self, s: &Summary) -> Summary {
        let Some(gaps) = self.behind(&s.name, &s.shape) else { return s.clone() };
        let of = |values: &[f64]| gaps.chosen(values);
        Summary {
            name: s.name.clone(),
            shape: vec![gaps.cells.len()],
            mean: of(&s.mean),
            sd: of(&s.sd),
            q05: of(&s.q05),
            q50: of(&s.q50),
            q95: of(&s.q95),
        }
    }

    /// How well chains have mixed, of the missing cells alone.
    pub(crate) fn quality(&self, name: &str, shape: &[usize], quality: &Quality) -> Quality {
        let Some(gaps) = self.behind(name, shape) else { return quality.clone() };
        Quality {
            mean: gaps.chosen(&quality.mean),
            sd: gaps.chosen(&quality.sd),
            rhat: gaps.chosen(&quality.rhat),
            bulk: gaps.chosen(&quality.bulk),
            tail: gaps.chosen(&quality.tail),
        }
    }

    /// Draws of the missing cells alone.
    pub(crate) fn array(&self, array: Array) -> Array {
        let Some(gaps) = self.behind(&array.name, &array.shape) else { return array };
        let size = gaps.shape.iter().product::<usize>().max(1);
        let values = array.values.chunks(size).flat_map(|draw| gaps.chosen(draw)).collect();
        Array { axes: vec![gaps.axis.clone()], shape: vec![gaps.cells.len()], values, ..array }
    }

    /// The labels of a program's axes, with those of missing cells.
    pub(crate) fn labels(&self, mut labels: Labels) -> Labels {
        labels.extend(self.0.iter().map(|g| (g.axis.clone(), g.labels.clone())));
        labels
    }
}

impl Gaps {
    fn chosen(&self, values: &[f64]) -> Vec<f64> {
        self.cells.iter().map(|&cell| values.get(cell).copied().unwrap_or(f64::NAN)).collect()
    }
}

fn gaps(latent: &Latent, data: &Data, graph: &Graph, (arrays, labels): (&Arrays, &Labels)) -> Option<Gaps> {
    let tensor = arrays.tensors.get(&data.input)?;
    let shape: Vec<usize> = latent.axes.iter().map(|a| graph.extent_of(a.id)).collect();
    // A tensor lies along its axes as they are sorted, draws along those that were declared.
    let sorted = axis::sorted(&latent.axes);
    let stride = |of: &Axis| -> Option<usize> {
        let at = sorted.iter().position(|a| a == of)?;
        Some(sorted.iter().skip(at + 1).map(|a| graph.extent_of(a.id)).product())
    };
    let strides: Vec<usize> = latent.axes.iter().map(stride).collect::<Option<_>>()?;
    let names: Vec<String> = latent.axes.iter().map(|&a| graph.axis_name(a)).collect();
    let (mut cells, mut found) = (vec![], vec![]);
    for cell in 0..shape.iter().product() {
        let place = place(cell, &shape);
        let at: usize = place.iter().zip(&strides).map(|(p, s)| p * s).sum();
        if !tensor.values.get(at)?.is_nan() {
            continue;
        }
        cells.push(cell);
        let label = |(name, &p): (&String, &usize)| {
            labels.get(name).and_then(|levels| levels.get(p)).cloned().unwrap_or_else(|| p.to_string())
        };
        found.push(names.iter().zip(&place).map(label).collect::<Vec<_>>().join(", "));
    }
    let axis = format!("{}_{}", latent.name, names.join("_"));
    Some(Gaps { name: latent.name.clone(), axis, shape, cells, labels: found })
}

/// The places of an element along each axis.
fn place(element: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = element;
    let mut places: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let at = rest % size.max(1);
            rest /= size.max(1);
            at
        })
        .collect();
    places.reverse();
    places
}
