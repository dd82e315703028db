//! What a finished fit's guide says of rows: means and standard deviations of latents and `let`s, and the probabilities of values.

use std::path::Path;

use fe_graph::Axis;
use fe_objective::{Objective, Readout};
use fe_report::{Array, Group, inference_data, npz_arrays};
use fe_train::{Known, RowCode, RowCodes};

use crate::directory;
use crate::error::Error;
use crate::finished::Finished;
use crate::fit::failed;
use crate::new_rows::OnNewRows;
use crate::options::ReadOptions;

/// What a guide says of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// The rows, by their numbers in the data, in order; none without a row axis.
    pub rows: Vec<u64>,
    /// The name of the row axis.
    pub row_axis: Option<String>,
    /// What is said of each latent and `let`.
    pub codes: Vec<RowCode>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// The form of a file of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodesFile {
    /// NetCDF.
    Nc,
    /// NumPy's archive of arrays.
    Npz,
    /// A table, one line for each row.
    Csv,
}

impl CodesFile {
    /// The form that a file's ending says.
    ///
    /// # Errors
    /// When the ending is another.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "nc" => Ok(Self::Nc),
            "npz" => Ok(Self::Npz),
            "csv" => Ok(Self::Csv),
            _ => Err(Error::Request(format!("{}: codes are written as .nc, .npz or .csv", path.display()))),
        }
    }
}

/// The codes of a fit's own rows, or of new ones where `new` gives any; of the latents and `let`s in `names`, or else of every
/// latent that has the row axis or runs along a chain.
///
/// # Errors
/// When the data are not like those of the fit, have changed since, or a name has no code.
pub fn codes(run: &Finished, new: &ReadOptions, names: &[String]) -> Result<Codes, Error> {
    if !new.data.is_empty() || !new.arrays.is_empty() {
        let seen = OnNewRows::open(run, new)?;
        let wanted = chosen(&seen.objective, &seen.program, names)?;
        let problem = seen.problem()?;
        let values = seen.values(run, &problem)?;
        let preconditioners = run.preconditioners(&seen.objective)?;
        let found = fe_train::codes(&problem, &values, preconditioners, &wanted)
            .map_err(|e| failed(e, &seen.program, &seen.objective))?;
        return Ok(of(&seen.objective, found));
    }
    let prepared = run.prepare()?;
    if let Some(changed) = run.changed(&prepared.arrays) {
        return Err(Error::Request(format!(
            "the data of `{changed}` have changed since the fit; for the codes of other rows give them as --data {changed}=FILE"
        )));
    }
    let wanted = chosen(&prepared.objective, &prepared.program, names)?;
    let problem = prepared.problem()?;
    let end = run.solution(&problem)?;
    let found = fe_train::codes(&problem, &end.values, end.preconditioners, &wanted)
        .map_err(|e| failed(e, &prepared.program, &prepared.objective))?;
    Ok(of(&prepared.objective, found))
}

/// What is asked for, or every latent of rows and of chains.
fn chosen<'a>(
    objective: &'a Objective,
    program: &fe_check::Program,
    names: &[String],
) -> Result<Vec<&'a Readout>, Error> {
    let all = &objective.report.readouts;
    let listed = |of: &[&Readout]| of.iter().map(|r| format!("`{}`", r.name)).collect::<Vec<_>>().join(", ");
    let latent = |r: &&Readout| program.latents.iter().find(|l| l.name == r.name);
    if names.is_empty() {
        let of_rows = |r: &&Readout| latent(r).is_some_and(|l| l.is_local(program.row) || l.chain.is_some());
        let wanted: Vec<&Readout> = all.iter().filter(of_rows).collect();
        if wanted.is_empty() {
            let others: Vec<&Readout> = all.iter().collect();
            let help = match others.as_slice() {
                [] => "and nothing that follows from a latent".to_owned(),
                others => format!("name what is wanted with --latent: {}", listed(others)),
            };
            return Err(Error::Request(format!("{} has no latent that each row has its own of; {help}", program.name)));
        }
        return Ok(wanted);
    }
    let find = |name: &String| {
        all.iter().find(|r| r.name == *name).ok_or_else(|| {
            let others: Vec<&Readout> = all.iter().collect();
            Error::Request(format!(
                "`{name}` is no latent of this program and no `let` that follows from one and can be drawn; there are {}",
                listed(&others)
            ))
        })
    };
    names.iter().map(find).collect()
}

fn of(objective: &Objective, found: RowCodes) -> Codes {
    let mut notes = vec![];
    if found.without_heldout {
        notes.push(
            "rows that were held out are left out: what is known of them would follow from all rows together".into(),
        );
    }
    let drawn: Vec<String> = found.codes.iter().filter(|c| c.draws > 0).map(|c| format!("`{}`", c.name)).collect();
    if let Some(draws) = found.codes.iter().map(|c| c.draws).find(|d| *d > 0) {
        notes.push(format!("{} by {draws} draws of the guide, and not exactly", drawn.join(", ")));
    }
    let row_axis = objective.row.map(|r| objective.graph.axis_name(Axis::plain(r.axis)));
    Codes { rows: found.rows, row_axis, codes: found.codes, notes }
}

/// The arrays of a code, by what stands behind its name in files.
fn parts(code: &RowCode) -> Vec<Array> {
    let array = |what: &str, axes: Vec<String>, shape: Vec<usize>, values: &[f64]| Array {
        name: format!("{}_{what}", code.name),
        axes,
        shape,
        values: values.to_vec(),
    };
    match &code.known {
        Known::Moments { mean, sd } => vec![
            array("mean", code.axes.clone(), code.shape.clone(), mean),
            array("sd", code.axes.clone(), code.shape.clone(), sd),
        ],
        Known::Probabilities { values, of } => {
            let axes = code.axes.iter().cloned().chain([format!("{}_value", code.name)]).collect();
            let shape = code.shape.iter().copied().chain([*values]).collect();
            vec![array("probability", axes, shape, of)]
        }
    }
}

impl Codes {
    /// The arrays of all codes: `z_mean`, `z_sd`, and `z_probability` of finite latents.
    pub fn arrays(&self) -> Vec<Array> {
        self.codes.iter().flat_map(parts).collect()
    }

    /// Writes them in the form that the file's ending says.
    ///
    /// # Errors
    /// When the ending is another, a table cannot hold them, or the file cannot be written.
    pub fn write(&self, out: &Path) -> Result<(), Error> {
        let unwritten = |e: &dyn std::fmt::Display| Error::Io(format!("{} cannot be written: {e}", out.display()));
        let rows = self.row_axis.clone().map(|axis| Array {
            name: "row".into(),
            axes: vec![axis],
            shape: vec![self.rows.len()],
            values: self.rows.iter().map(|&r| r as f64).collect(),
        });
        let bytes = match CodesFile::of(out)? {
            CodesFile::Csv => self.table(out)?.into_bytes(),
            CodesFile::Npz => {
                let arrays: Vec<Array> = rows.into_iter().chain(self.arrays()).collect();
                npz_arrays(&arrays).map_err(|e| unwritten(&e))?
            }
            CodesFile::Nc => {
                let arrays = rows.into_iter().chain(self.arrays()).collect();
                let group = Group { name: "codes".into(), arrays, ..Group::default() };
                inference_data(&[group]).map_err(|e| unwritten(&e))?
            }
        };
        directory::put(out, &bytes)
    }

    /// One line for each place along the first axis, which all codes must share.
    fn table(&self, out: &Path) -> Result<String, Error> {
        let axis = self.codes.first().and_then(|c| c.axes.first());
        if let Some(other) = self.codes.iter().find(|c| c.axes.first() != axis || axis.is_none()) {
            return Err(Error::Request(format!(
                "{}: `{}` does not begin with the axis of the others, so that no table holds them all; choose with --latent, or \
                 write .npz or .nc",
                out.display(),
                other.name
            )));
        }
        let arrays = self.arrays();
        let lines = arrays.first().and_then(|a| a.shape.first()).copied().unwrap_or(0);
        let of_rows = axis == self.row_axis.as_ref();
        let mut head = vec![if of_rows { "row".to_owned() } else { axis.cloned().unwrap_or_default() }];
        head.extend(arrays.iter().flat_map(columns));
        let mut text = head.join(",") + "\n";
        for line in 0..lines {
            let number = if of_rows { self.rows.get(line).copied().unwrap_or_default() } else { line as u64 };
            text.push_str(&number.to_string());
            for array in &arrays {
                let width = array.values.len() / lines.max(1);
                for v in array.values.iter().skip(line * width).take(width) {
                    text.push_str(&format!(",{v}"));
                }
            }
            text.push('\n');
        }
        Ok(text)
    }
}

/// The columns of an array behind its first axis: `z_mean`, or `z_mean[0]`, `z_mean[1]`, …
fn columns(array: &Array) -> Vec<String> {
    let rest: Vec<usize> = array.shape.iter().skip(1).copied().collect();
    let size: usize = rest.iter().product();
    (0..size).map(|k| format!("{}{}", array.name, fe_report::place(&rest, k, ";"))).collect()
}
