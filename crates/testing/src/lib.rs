//! For tests: a program's text to its objective, and the objective's values at given parameters.
//!
//! ```
//! let model = fe_testing::model("latent z ~ Normal(0, 1)\ndata x[N] = [0.5]\nobserve x ~ Normal(z, 1)\n");
//! assert_eq!(model.objective.terms.len(), 2);
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod point;

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::{Header, Overrides, Program, Reader};
use fe_graph::{InputId, Tensor};
use fe_objective::Objective;

pub use point::Point;

/// An array that stands in for a file.
#[derive(Clone, Debug)]
pub struct Array {
    /// The name of the `data` declaration.
    pub name: String,
    /// What the file would say of itself.
    pub header: Header,
    /// Its numbers, row-major.
    pub values: Vec<f64>,
}

impl Array {
    /// An array of real numbers.
    pub fn new(name: &str, shape: &[usize], values: Vec<f64>) -> Self {
        let header = Header { shape: shape.to_vec(), ..Header::default() };
        Self { name: name.to_owned(), header, values }
    }
}

/// A program with its objective and its data.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the text means.
    pub program: Program,
    /// Its free energy.
    pub objective: Objective,
    /// A tensor for each data input, row-major over its sorted axes.
    pub data: HashMap<InputId, Arc<Tensor>>,
}

/// A program whose data are written in it, and its objective.
pub fn compile(source: &str) -> (Program, Objective) {
    let Model { program, objective, .. } = model(source);
    (program, objective)
}

/// A program whose data are written in it.
pub fn model(source: &str) -> Model {
    model_with(source, &[])
}

/// A program whose data are written in it or given here, by the names declared.
///
/// # Panics
/// Where the program is wrong, with all that is said of it: a test that compiles a program means a right one.
pub fn model_with(source: &str, arrays: &[Array]) -> Model {
    let parsed = fe_syntax::parse(source);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let overrides = Overrides::default();
    let (calls, found) = fe_check::sources(&parsed.ast, &overrides);
    assert!(found.is_empty(), "{found:?}");
    let mut headers = HashMap::new();
    let mut values = HashMap::new();
    for call in calls {
        let given = arrays.iter().find(|a| a.name == call.data);
        let (header, numbers) = match (given, call.reader) {
            (Some(array), _) => (array.header.clone(), array.values.clone()),
            (None, Reader::Numbers { shape, values }) => (Header { shape, ..Header::default() }, values),
            (None, reader) => panic!("`{}` reads {reader:?}, and no array of that name is given", call.data),
        };
        headers.insert(call.data.clone(), header);
        values.insert(call.data, numbers);
    }
    let checked = fe_check::check(&parsed.ast, &headers, &overrides, "test");
    let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let objective = fe_objective::derive(&program, source).unwrap_or_else(|e| panic!("{e:?}"));
    let tensor = |d: &fe_check::Data| {
        let shape = d.axes.iter().map(|a| program.graph.extent_of(a.id)).collect();
        let sorted = fe_graph::axis::sorted(&d.axes);
        let order: Vec<usize> = sorted.iter().filter_map(|a| d.axes.iter().position(|own| own == a)).collect();
        let numbers = values.get(&d.name).cloned().unwrap_or_default();
        let tensor = Tensor { shape, values: numbers };
        (d.input, Arc::new(tensor.permuted(&order).unwrap_or(tensor)))
    };
    let data = program.data.iter().map(tensor).collect();
    Model { program, objective, data }
}
