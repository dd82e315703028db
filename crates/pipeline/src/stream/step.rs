//! What a line of a stream comes to.

use fe_report::Nested;
use fe_train::Known;
use serde_json::{Map, Value};

/// What the guide says of a latent or a `let` at a line.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCode {
    /// Its name.
    pub name: String,
    /// The shape of one line of it.
    pub shape: Vec<usize>,
    /// What is known of it.
    pub known: Known,
    /// One draw, where it can be drawn: of counts, spikes.
    pub draw: Option<Vec<f64>>,
}

/// What is done at a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The latent or param.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f64>,
}

/// What a line comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The number of the line, from 0.
    pub line: u64,
    /// Nats of this line.
    pub free_energy: f64,
    /// Its Monte Carlo standard error, where something is drawn.
    pub free_energy_se: Option<f64>,
    /// Nats.
    pub distortion: f64,
    /// Nats.
    pub rate: f64,
    /// Expected spikes, with counts.
    pub spikes: Option<f64>,
    /// What the guide says.
    pub codes: Vec<StepCode>,
    /// What moves a state that is written ahead, as drawn; of a plan, its first position.
    pub action: Vec<Action>,
}

fn nested(shape: &[usize], values: &[f64]) -> Value {
    let array = Nested::new(shape.to_vec(), values.to_vec());
    array.ok().and_then(|a| serde_json::to_value(a).ok()).unwrap_or(Value::Null)
}

impl Step {
    /// As an object of JSON: `line`, `free_energy`, `distortion`, `rate`, `spikes`, `codes` and `action`.
    pub fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("line".into(), self.line.into());
        for (name, value) in [("free_energy", Some(self.free_energy)), ("free_energy_se", self.free_energy_se)] {
            if let Some(value) = value {
                all.insert(name.into(), value.into());
            }
        }
        all.insert("distortion".into(), self.distortion.into());
        all.insert("rate".into(), self.rate.into());
        if let Some(spikes) = self.spikes {
            all.insert("spikes".into(), spikes.into());
        }
        let codes = self.codes.iter().map(|code| {
            let mut told = Map::new();
            match &code.known {
                Known::Moments { mean, sd } => {
                    told.insert("mean".into(), nested(&code.shape, mean));
                    told.insert("sd".into(), nested(&code.shape, sd));
                }
                Known::Probabilities { values, of } => {
                    let shape = [code.shape.as_slice(), &[*values]].concat();
                    told.insert("probability".into(), nested(&shape, of));
                }
            }
            if let Some(draw) = &code.draw {
                told.insert("draw".into(), nested(&code.shape, draw));
            }
            (code.name.clone(), Value::Object(told))
        });
        all.insert("codes".into(), Value::Object(codes.collect()));
        if !self.action.is_empty() {
            let action = self.action.iter().map(|a| (a.name.clone(), nested(&a.shape, &a.values)));
            all.insert("action".into(), Value::Object(action.collect()));
        }
        Value::Object(all)
    }

    /// Its numbers by the names of columns: `z_mean[0]`, `z_sd[0]`, `a_action`.
    pub fn columns(&self) -> Vec<(String, f64)> {
        let mut all = vec![("line".to_owned(), self.line as f64), ("free_energy".to_owned(), self.free_energy)];
        all.extend(self.free_energy_se.map(|v| ("free_energy_se".to_owned(), v)));
        all.extend([("distortion".to_owned(), self.distortion), ("rate".to_owned(), self.rate)]);
        all.extend(self.spikes.map(|v| ("spikes".to_owned(), v)));
        let mut of = |name: String, shape: &[usize], values: &[f64]| {
            for (k, &v) in values.iter().enumerate() {
                all.push((format!("{name}{}", fe_report::place(shape, k, ";")), v));
            }
        };
        for code in &self.codes {
            let (name, shape) = (&code.name, code.shape.as_slice());
            match &code.known {
                Known::Moments { mean, sd } => {
                    of(format!("{name}_mean"), shape, mean);
                    of(format!("{name}_sd"), shape, sd);
                }
                Known::Probabilities { values, of: shares } => {
                    of(format!("{name}_probability"), &[shape, &[*values]].concat(), shares);
                }
            }
            if let Some(draw) = &code.draw {
                of(format!("{name}_draw"), shape, draw);
            }
        }
        for action in &self.action {
            of(format!("{}_action", action.name), &action.shape, &action.values);
        }
        all
    }
}
