//! Loads a checked program's data into tensors, and checks every value against its type and its likelihood.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fe_check::{Data, Observe, Program, SourceCall};
use fe_data::Statistic;
use fe_distribution::Support;
use fe_graph::{InputId, Tensor};
use fe_syntax::Diagnostic;

use crate::error::Error;
use crate::load::data_diagnostic;

/// Loaded data.
#[derive(Clone)]
pub struct Arrays {
    /// A tensor for each data input, row-major over its sorted axes.
    pub tensors: HashMap<InputId, Arc<Tensor>>,
    /// SHA-256 of what was read, by name.
    pub hashes: Vec<(String, String)>,
    /// Levels of text columns, by name.
    pub levels: Vec<(String, Vec<String>)>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// How many numbers there are.
    pub numbers: usize,
    /// Whether any was taken from the cache.
    pub cached: bool,
    /// What `standardize` subtracted and divided by, by name, for each column.
    pub statistics: Vec<(String, Vec<Statistic>)>,
}

impl Arrays {
    /// The levels of text that axes run over, by the axis' name.
    pub fn labels(&self, program: &Program) -> fe_report::Labels {
        let of = |(axis, labels): (&fe_graph::AxisId, &Vec<String>)| {
            let fits = program.graph.extent_of(*axis) == labels.len();
            fits.then(|| (program.graph.axis_name(fe_graph::Axis::plain(*axis)), labels.clone()))
        };
        program.labels.iter().filter_map(of).collect()
    }
}

/// What a finished fit knows of its data that new ones are to be seen with, by name.
#[derive(Default)]
pub struct Remembered {
    /// Of `standardize`.
    pub statistics: HashMap<String, Vec<Statistic>>,
    /// Levels of text columns, in the order of their indices.
    pub levels: HashMap<String, Vec<String>>,
}

/// Reads every array of a program; statistics are taken from the training rows.
pub fn load(
    program: &Program,
    sources: &[(SourceCall, Option<fe_data::Source>)],
    train: &[u64],
    cache: Option<&Path>,
) -> Result<Arrays, Error> {
    load_as(program, sources, train, &Remembered::default(), cache)
}

/// Data that were read for one program, for others that read the same.
#[derive(Default)]
pub struct Shared(Mutex<Option<Read>>);

struct Read {
    sources: Vec<(SourceCall, Option<fe_data::Source>)>,
    train: Vec<u64>,
    inputs: Vec<(String, InputId, Vec<usize>)>,
    arrays: Arrays,
}

fn inputs(program: &Program) -> Vec<(String, InputId, Vec<usize>)> {
    let extents = |d: &Data| d.axes.iter().map(|a| program.graph.extent_of(a.id)).collect();
    program.data.iter().map(|d| (d.name.clone(), d.input, extents(d))).collect()
}

impl Shared {
    /// As [`load`]; what was read last is used again where a program wants the same of the same files.
    pub fn load(
        &self,
        program: &Program,
        sources: &[(SourceCall, Option<fe_data::Source>)],
        train: &[u64],
        cache: Option<&Path>,
    ) -> Result<Arrays, Error> {
        let mut kept = self.0.lock().map_err(|_| Error::Internal("the data are lost".into()))?;
        let inputs = inputs(program);
        if let Some(read) = kept.as_ref()
            && (read.sources.as_slice(), read.train.as_slice(), &read.inputs) == (sources, train, &inputs)
        {
            return Ok(Arrays { cached: true, ..read.arrays.clone() });
        }
        let arrays = load(program, sources, train, cache)?;
        *kept = Some(Read { sources: sources.to_vec(), train: train.to_vec(), inputs, arrays: arrays.clone() });
        Ok(arrays)
    }
}

/// As [`load`], with what a finished fit remembers in the place of new statistics and levels.
pub fn load_as(
    program: &Program,
    sources: &[(SourceCall, Option<fe_data::Source>)],
    train: &[u64],
    remembered: &Remembered,
    cache: Option<&Path>,
) -> Result<Arrays, Error> {
    let mut arrays = Arrays {
        tensors: HashMap::new(),
        hashes: vec![],
        levels: vec![],
        notes: vec![],
        numbers: 0,
        cached: false,
        statistics: vec![],
    };
    let mut wrong = vec![];
    for data in &program.data {
        let Some((call, source)) = sources.iter().find(|(c, _)| c.data == data.name) else {
            return Err(Error::Internal(format!("`{}` has no source", data.name)));
        };
        let values = match source {
            None => numbers(call),
            Some(source) => {
                let with_rows =
                    program.row.is_some_and(|r| data.axes.first().is_some_and(|a| a.id == r.axis && a.primes == 0));
                let rows = with_rows.then(|| train.iter().map(|&r| r as usize).collect());
                let allow_missing = data.optional;
                let statistics = remembered.statistics.get(&data.name).cloned();
                let cache = cache.map(Path::to_owned);
                let options = fe_data::Options { rows, cache, allow_missing, statistics };
                match fe_data::load_with(source, &options) {
                    Ok(array) => match relevelled(program, data, call, array, remembered) {
                        Ok(array) => read(data, array, &mut arrays),
                        Err(d) => {
                            wrong.push(*d);
                            continue;
                        }
                    },
                    Err(e) => {
                        wrong.push(data_diagnostic(&e, call));
                        continue;
                    }
                }
            }
        };
        let extents: Vec<usize> = data.axes.iter().map(|a| program.graph.extent_of(a.id)).collect();
        let size: usize = extents.iter().product();
        if size != values.len() {
            let message = format!("`{}` holds {} numbers, not {size}", data.name, values.len());
            wrong.push(Diagnostic::error("D0030", message, call.span, "the file does not match its header"));
            continue;
        }
        if let Some(d) = misfit(program, data, call, &values, &extents) {
            wrong.push(d);
        }
        arrays.numbers += size;
        let values = fe_train::to_sorted(&program.graph, &data.axes, values);
        let shape = fe_graph::axis::sorted(&data.axes).iter().map(|a| program.graph.extent_of(a.id)).collect();
        arrays.tensors.insert(data.input, Arc::new(Tensor { shape, values }));
    }
    if wrong.is_empty() { Ok(arrays) } else { Err(Error::Data(wrong)) }
}

/// Numbers written in the program.
fn numbers(call: &SourceCall) -> Vec<f64> {
    match &call.reader {
        fe_check::Reader::Numbers { values, .. } => values.clone(),
        _ => vec![],
    }
}

/// Text as indices along its axis, whose levels may be those of several columns; of new data, as its levels had them in the fit.
fn relevelled(
    program: &Program,
    data: &Data,
    call: &SourceCall,
    mut array: fe_data::Array,
    remembered: &Remembered,
) -> Result<fe_data::Array, Box<Diagnostic>> {
    let of_axis = data.index.filter(|_| array.levels.is_some()).and_then(|axis| program.labels.get(&axis));
    let Some(known) = remembered.levels.get(&data.name).or(of_axis) else { return Ok(array) };
    let mut places = vec![];
    for level in array.levels.iter().flatten() {
        let Some(place) = known.iter().position(|k| k == level) else {
            let message = format!("the new `{}` holds the level `{level}`, which the fit has not seen", data.name);
            let d = Diagnostic::error("R0012", message, call.span, format!("read from {}", described(call)));
            return Err(Box::new(d.help(format!("the levels of the fit are {}", known.join(", ")))));
        };
        places.push(place as f64);
    }
    for value in array.values.iter_mut().filter(|v| !v.is_nan()) {
        *value = places.get(*value as usize).copied().unwrap_or(f64::NAN);
    }
    array.levels = Some(known.clone());
    Ok(array)
}

/// Keeps what is to be known of an array besides its values.
fn read(data: &Data, array: fe_data::Array, arrays: &mut Arrays) -> Vec<f64> {
    arrays.hashes.push((data.name.clone(), array.sha256));
    arrays.cached |= array.cached;
    if !array.statistics.is_empty() {
        arrays.statistics.push((data.name.clone(), array.statistics));
    }
    if let Some(levels) = array.levels {
        arrays.levels.push((data.name.clone(), levels));
    }
    if !array.left_out.is_empty() {
        let (name, columns) = (&data.name, array.columns.join(", "));
        arrays.notes.push(format!("`{name}` takes {columns}, and leaves out {}", array.left_out.join(", ")));
    }
    if array.redrawn > 0 {
        arrays.notes.push(format!("{} flat patches of `{}` were drawn again", array.redrawn, data.name));
    }
    array.values
}

/// The first value outside the declared type, or outside the support of the likelihood that observes it as it is.
pub(crate) fn misfit(
    program: &Program,
    data: &Data,
    call: &SourceCall,
    values: &[f64],
    extents: &[usize],
) -> Option<Diagnostic> {
    let plain = program.graph.node(data.node).op == fe_graph::Op::Input(data.input);
    let by_type = plain.then_some((data.support, "its type".to_owned()));
    let observed = |o: &&Observe| plain && o.value == data.node;
    let by_likelihood = program.observes.iter().find(observed).and_then(|o| {
        let support = o.distribution.support(&program.graph)?;
        // Bernoulli takes an expectation.
        let support = if support == Support::Bool { Support::Unit } else { support };
        Some((support, format!("the support of {}", o.distribution.family.name())))
    });
    let last = extents.last().copied().unwrap_or(1);
    if let Some(d) =
        program.observes.iter().find(observed).and_then(|o| cut_off(program, data, call, o, values, extents))
    {
        return Some(d);
    }
    for (support, whose) in by_type.into_iter().chain(by_likelihood) {
        if let Some(k) = values.iter().position(|&v| !(support.contains_value(v) || data.optional && v.is_nan())) {
            let value = values.get(k).copied().unwrap_or(f64::NAN);
            let place = place(program, data, k, extents);
            let message = format!("`{}` is {value} at {place}, outside {whose}, {}", data.name, support.describe());
            let help = match support {
                Support::Unit => "scale it to 0…1 (`/ 255` for bytes), or use another likelihood",
                Support::Count => "counts are whole numbers from 0; use another likelihood for real values",
                Support::Index(_) => "an index counts from 0; write `- 1` after a source that counts from 1",
                _ => "correct the file, or declare another type or likelihood",
            };
            return Some(
                Diagnostic::error("D0031", message, call.span, format!("read from {}", described(call))).help(help),
            );
        }
        // Each element may be one, and the vector or matrix they make is none.
        if support.rank() > 0
            && let Some(k) = support.first_outside(values, last)
        {
            let start = k * last.saturating_pow(support.rank() as u32);
            let place = place(program, data, start, extents);
            let message = format!("what `{}` holds from {place} on is not one of {}", data.name, support.describe());
            let read = format!("read from {}", described(call));
            let help = "correct the file, or declare another type or likelihood";
            return Some(Diagnostic::error("D0031", message, call.span, read).help(help));
        }
    }
    None
}

/// The first value beyond the ends of a truncation.
fn cut_off(
    program: &Program,
    data: &Data,
    call: &SourceCall,
    observe: &Observe,
    values: &[f64],
    extents: &[usize],
) -> Option<Diagnostic> {
    let (low, high) = observe.distribution.ends(&program.graph)?;
    let k = values.iter().position(|&v| v < low || v > high)?;
    let (value, place) = (values.get(k).copied().unwrap_or(f64::NAN), place(program, data, k, extents));
    let ends = match (low.is_finite(), high.is_finite()) {
        (true, false) => format!("from {low} up"),
        (false, _) => format!("up to {high}"),
        (true, true) => format!("from {low} to {high}"),
    };
    let message = format!("`{}` is {value} at {place}, and its likelihood is truncated to what lies {ends}", data.name);
    let help = "give what is not to count the weight 0, as in `Weighted(Truncated(…), w)` with a w of 0 there and 1 elsewhere, \
                or leave it out of the file";
    Some(Diagnostic::error("D0032", message, call.span, format!("read from {}", described(call))).help(help))
}

fn described(call: &SourceCall) -> String {
    use fe_check::Reader;
    match &call.reader {
        Reader::Npy { path } | Reader::Npz { path, .. } | Reader::Table { path, .. } | Reader::Json { path, .. } => {
            path.clone()
        }
        Reader::Input => "what was given".into(),
        Reader::Idx { path } | Reader::Images { path, .. } | Reader::Patches { path, .. } => path.clone(),
        Reader::NormalDraws { .. } => "normal_draws".into(),
        Reader::Bars { .. } => "bars".into(),
        Reader::Numbers { .. } => "the program".into(),
    }
}

fn place(program: &Program, data: &Data, element: usize, extents: &[usize]) -> String {
    let mut rest = element;
    let mut parts = vec![];
    for (axis, &extent) in data.axes.iter().zip(extents).rev() {
        parts.push(format!("{} = {}", program.graph.axis_name(*axis), rest % extent.max(1)));
        rest /= extent.max(1);
    }
    parts.reverse();
    if parts.is_empty() { "its only value".into() } else { parts.join(", ") }
}
