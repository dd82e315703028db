//! A finished run, read back from its directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fe_check::{Header, Program, TrainSpec};
use fe_data::Statistic;
use fe_graph::{InputId, Tensor};
use fe_objective::{Objective, Parameter};
use fe_train::Problem;
use serde_json::{Value, json};

use crate::cli::ProgramArgs;
use crate::data::{Arrays, Remembered};
use crate::failure::Failure;
use crate::program::{self, Text};

/// What a run directory says of its fit.
pub struct Finished {
    /// The program, its paths relative to where it was when it was run.
    pub text: Text,
    /// The options that it was read with.
    pub options: ProgramArgs,
    /// The seed of the fit.
    pub seed: u64,
    /// Where it is.
    pub folder: PathBuf,
    about: Value,
    parameters: Vec<u8>,
}

/// What `run.json` says of the data: enough to understand the program without their files, and to see new ones as the fit
/// saw its own.
pub fn about_data(arrays: &Arrays, headers: &HashMap<String, Header>) -> Value {
    let about = |(name, hash): &(String, String)| {
        let mut entry = json!({ "name": name, "sha256": hash });
        if let (Some(h), Some(map)) = (headers.get(name), entry.as_object_mut()) {
            map.insert("shape".into(), json!(h.shape));
            map.insert("whole_numbers".into(), json!(h.integer));
            map.insert("level_count".into(), json!(h.levels));
        }
        entry
    };
    arrays.hashes.iter().map(about).collect()
}

/// The names under which the statistics of `standardize` are saved.
pub fn statistic_names(data: &str) -> (String, String) {
    (format!("{data}.standardize.mean"), format!("{data}.standardize.sd"))
}

impl Finished {
    /// Reads a run directory.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let bytes = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path)
                .map_err(|e| Failure::Io(format!("{} cannot be read: {e}; is it a finished run?", path.display())))
        };
        let damaged = |what: &str| Failure::Io(format!("{} is damaged", folder.join(what).display()));
        let source = String::from_utf8(bytes("model.fe")?).map_err(|_| damaged("model.fe"))?;
        let about: Value = serde_json::from_slice(&bytes("run.json")?).map_err(|_| damaged("run.json"))?;
        let file = about.get("program").and_then(Value::as_str).ok_or_else(|| damaged("run.json"))?.to_owned();
        let path = Path::new(&file);
        // Paths in a program are relative to where it was when it was run.
        let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let stem = path.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy().into_owned());
        let strings = |key: &str| -> Vec<String> {
            let list = about.get("options").and_then(|o| o.get(key)).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
        };
        let options = ProgramArgs { model: file.clone(), data: strings("data"), set: strings("set") };
        Ok(Self {
            text: Text { file, source, folder: base, stem },
            options,
            seed: about.get("seed").and_then(Value::as_u64).unwrap_or(0),
            folder: folder.to_owned(),
            parameters: bytes("params.safetensors")?,
            about,
        })
    }

    /// The objective that was fitted; it changes what the program says of latents that were fitted as written.
    pub fn derive(&self, program: &mut Program) -> Result<Objective, Failure> {
        let centred = self.about.get("centred").and_then(Value::as_array).into_iter().flatten();
        let centred: Vec<String> = centred.filter_map(|v| v.as_str().map(str::to_owned)).collect();
        program::centre(program, &centred);
        fe_objective::derive(program, &self.text.source).map_err(|e| Failure::Program(vec![program::underivable(e)]))
    }

    /// The headers of the data that were read from files, and how many rows were trained on.
    pub fn headers(&self) -> Result<(HashMap<String, Header>, usize), Failure> {
        let whole = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
        let list = self.about.get("data").and_then(Value::as_array);
        let header = |entry: &Value| {
            let shape = entry.get("shape")?.as_array()?.iter().map(whole).collect::<Option<Vec<usize>>>()?;
            let integer = entry.get("whole_numbers")?.as_bool()?;
            let levels = entry.get("level_count").and_then(whole);
            Some((entry.get("name")?.as_str()?.to_owned(), Header { shape, levels, integer }))
        };
        let headers = list.map(|l| l.iter().map(header).collect::<Option<HashMap<_, _>>>());
        let rows = self.about.get("rows").and_then(whole);
        headers.flatten().zip(rows).ok_or_else(|| {
            let path = self.folder.join("run.json");
            Failure::Io(format!("{} does not say what its data were like: run the program again", path.display()))
        })
    }

    /// What the fit knows of its data that new ones are to be seen with: statistics and levels, by name.
    pub fn remembered(&self) -> Remembered {
        let mut remembered = Remembered::default();
        let names = |key: &str| self.about.get(key).and_then(Value::as_array).into_iter().flatten();
        for entry in names("levels") {
            let Some(name) = entry.get("name").and_then(Value::as_str) else { continue };
            let levels = entry.get("levels").and_then(Value::as_array).into_iter().flatten();
            let levels = levels.filter_map(|l| l.as_str().map(str::to_owned)).collect();
            remembered.levels.insert(name.to_owned(), levels);
        }
        for name in names("data").filter_map(|d| d.get("name")?.as_str()) {
            let (mean, sd) = statistic_names(name);
            if let (Ok(mean), Ok(sd)) = (self.array(&mean), self.array(&sd)) {
                let pairs = mean.values.into_iter().zip(sd.values);
                let statistics = pairs.map(|(mean, sd)| Statistic { mean, sd }).collect();
                remembered.statistics.insert(name.to_owned(), statistics);
            }
        }
        remembered
    }

    /// A saved array, in its declared order.
    pub fn array(&self, name: &str) -> Result<Tensor, Failure> {
        let path = self.folder.join("params.safetensors");
        let unread = |e: &dyn std::fmt::Display| Failure::Io(format!("{}: `{name}`: {e}", path.display()));
        let saved = safetensors::SafeTensors::deserialize(&self.parameters).map_err(|e| unread(&e))?;
        let view = saved.tensor(name).map_err(|e| unread(&e))?;
        let values: Vec<f64> =
            view.data().chunks_exact(8).filter_map(|b| Some(f64::from_le_bytes(b.try_into().ok()?))).collect();
        Ok(Tensor { shape: view.shape().to_vec(), values })
    }

    /// A fitted parameter, as a fit has it.
    pub fn parameter(&self, problem: &Problem, parameter: &Parameter) -> Result<Vec<f64>, Failure> {
        Ok(problem.unconstrained_value(parameter, &self.array(&parameter.name)?.values))
    }

    /// What stays fixed of joint Gaussians.
    pub fn anchors(&self, objective: &Objective) -> Result<HashMap<InputId, Arc<Tensor>>, Failure> {
        fe_train::preconditioners(objective, |name| self.array(name))
    }

    /// What `run.json` says.
    pub fn about(&self) -> &Value {
        &self.about
    }

    /// Puts the options of the fit in the place of what the program says of its length.
    pub fn overrides(&self, train: &mut TrainSpec) {
        let option = |name: &str| {
            let value = self.about.get("options").and_then(|o| o.get(name)).and_then(Value::as_u64);
            value.and_then(|n| usize::try_from(n).ok())
        };
        match (option("steps"), option("epochs")) {
            (None, None) => {}
            (steps, epochs) => (train.steps, train.epochs) = (steps, epochs),
        }
    }

    /// The first of the data that are not those of the fit.
    pub fn changed(&self, arrays: &Arrays) -> Option<String> {
        let list = self.about.get("data").and_then(Value::as_array);
        let hash = |name: &str| {
            let entry = list.into_iter().flatten().find(|e| e.get("name").and_then(Value::as_str) == Some(name))?;
            entry.get("sha256")?.as_str()
        };
        arrays.hashes.iter().find(|(name, now)| hash(name) != Some(now)).map(|(name, _)| name.clone())
    }
}
