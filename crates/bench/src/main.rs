//! Steps of a program at stated parameters, by the protocol of bench/README.md: a line of JSON when ready, then one for
//! each line of standard input.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use fe_check::OptimizerKind;
use fe_cpu::{CpuExecutor, Precision};
use fe_data::InMemory;
use fe_graph::training::{Rule, Trainer, TrainingLoop, TrainingStep};
use fe_graph::{Executor, InputId, Tensor};
use fe_objective::Objective;
use fe_pipeline::{Assignment, ReadOptions, Text};
use fe_train::batches::Batches;
use fe_train::{Problem, Setting};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

#[derive(Clone, Copy, ValueEnum)]
enum PrecisionArg {
    F32,
    F64,
}

/// Steps of a program of bench/programs.
#[derive(Parser)]
struct Args {
    /// The program.
    work: String,
    /// Data and parameters.
    #[arg(long)]
    inputs: PathBuf,
    /// Rows of a step.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Steps in one call.
    #[arg(long, default_value_t = 1)]
    steps: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Precision.
    #[arg(long, default_value = "f32")]
    precision: PrecisionArg,
    /// Rate of Adam.
    #[arg(long, default_value_t = 0.002)]
    lr: f64,
    /// Products with counts run over zeros too.
    #[arg(long)]
    dense: bool,
}

/// Runs of the objective whose mean is reported.
const DRAWS: u64 = 200;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match serve(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn source(work: &str) -> Result<&'static str, Failure> {
    Ok(match work {
        "poisson-vae" => include_str!("../../../bench/programs/poisson-vae.fe"),
        "gaussian-vae" => include_str!("../../../bench/programs/gaussian-vae.fe"),
        "linear-poisson" => include_str!("../../../bench/programs/linear-poisson.fe"),
        "eight-schools" => include_str!("../../../bench/programs/eight-schools.fe"),
        "logistic" => include_str!("../../../bench/programs/logistic.fe"),
        other => return Err(format!("there is no work called {other}").into()),
    })
}

/// Every tensor of a safetensors file, its name with underscores for dots.
fn read(path: &PathBuf) -> Result<HashMap<String, Tensor>, Failure> {
    let bytes = std::fs::read(path)?;
    let mut tensors = HashMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes)?.tensors() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            other => return Err(format!("{name} is of type {other:?}").into()),
        };
        tensors.insert(name.replace('.', "_"), Tensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}

/// The parameters as stated: those of the program by name, those of a Gaussian guide from `loc` and `scale_tril`.
fn values(o: &Objective, given: &HashMap<String, Tensor>) -> Result<Vec<Vec<f64>>, Failure> {
    let tensor = |name: &str| given.get(name).ok_or_else(|| format!("the inputs lack {name}"));
    let mut values = vec![];
    for p in &o.parameters {
        let tensor = match p.name.as_str() {
            "guide.mean" => tensor("loc")?.clone(),
            "guide.scale" => {
                // The diagonal is kept as its logarithm.
                let mut scale = tensor("scale_tril")?.clone();
                let n = scale.shape.first().copied().unwrap_or(0);
                for v in scale.values.iter_mut().step_by(n + 1) {
                    *v = v.ln();
                }
                scale
            }
            name => tensor(name)?.clone(),
        };
        values.push(fe_train::to_sorted(&o.graph, &p.axes, tensor.values));
    }
    Ok(values)
}

/// A Gaussian guide stands where it is stated, whatever its potential.
fn preconditioners(o: &Objective) -> HashMap<InputId, Arc<Tensor>> {
    let mut extra = HashMap::new();
    for joint in &o.guides.joints {
        let n = joint.dimension;
        let step = if joint.is_diagonal() { 1 } else { n + 1 };
        let shape = joint.scale_shape();
        let identity =
            (0..shape.iter().product()).map(|k: usize| f64::from(u8::from(k.is_multiple_of(step)))).collect();
        extra.insert(joint.start, Arc::new(Tensor::full(vec![n], 0.0)));
        extra.insert(joint.preconditioner, Arc::new(Tensor { shape, values: identity }));
    }
    extra
}

fn say(line: serde_json::Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// The arrays given, in the place of files; the size of the code is that of the parameters given.
fn reading(args: &Args, given: &HashMap<String, Tensor>) -> ReadOptions {
    let size = given.get("u").filter(|_| args.work == "linear-poisson").map(|u| u.len().to_string());
    let array = |t: &Tensor| Arc::new(InMemory::real(t.shape.clone(), t.values.clone()));
    // Parameters are among what is given, and data alone have declarations that read.
    let data = given.iter().filter(|(name, _)| ["x", "y", "sigma"].contains(&name.as_str()));
    ReadOptions {
        set: size.map(|size| Assignment::new("K", &size)).into_iter().collect(),
        arrays: data.map(|(name, tensor)| (name.clone(), array(tensor))).collect(),
        ..ReadOptions::default()
    }
}

fn serve(args: &Args) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let given = read(&args.inputs)?;
    let started = Instant::now();
    let text = Text::in_memory(&args.work, source(&args.work)?.into(), Path::new("."));
    let loaded = fe_pipeline::load(&text, &reading(args, &given))?;
    let program = &loaded.program;
    let objective = fe_pipeline::derive(program, &text)?;
    let (train, _) = fe_train::split(program.row.map_or(0, |r| r.rows), None, 0)?;
    let data = fe_pipeline::data::load(program, &loaded.sources, &train, None)?;
    let precision = match args.precision {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::F64 => Precision::F64,
    };
    let executor = CpuExecutor::new(precision).with_sparse(!args.dense);
    let problem = Problem::new(&objective, &executor, data.tensors, (train, vec![]), 0)?;
    let start = values(&objective, &given)?;
    let base = Setting {
        samples: 1,
        progress: 1.0,
        temperature: 0.4,
        extra: preconditioners(&objective),
        ..Setting::default()
    };
    let batch = if args.batch > 1 { args.batch } else { problem.training_rows() };
    let training = TrainingLoop {
        outputs: vec![objective.minimised.value],
        parameters: objective
            .parameters
            .iter()
            .zip(&objective.minimised.gradient)
            .zip(&start)
            .map(|((p, &g), v)| (p.input, g, v.clone()))
            .collect(),
        scalars: objective.minimised.controls.iter().map(|c| c.0).chain([objective.minimised.temperature]).collect(),
        rule: match program.train.optimizer {
            Some(OptimizerKind::Adamax) => Rule::Adamax,
            _ => Rule::Adam,
        },
        clip: None,
        feed: problem.training_feed(&base, batch),
    };
    let mut engine = executor.train(&objective.graph, &training)?.ok_or("no training")?;
    let compile_s = started.elapsed().as_secs_f64();
    say(json!({
        "ready": args.work, "compile_s": compile_s, "precision": match args.precision { PrecisionArg::F32 => "f32", PrecisionArg::F64 => "f64" },
        "versions": { "fe": env!("CARGO_PKG_VERSION") },
    }))?;
    let mut batches = Batches::new(problem.training_rows(), batch, 0);
    let mut done = 0u64;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["go", count] => {
                let count: u64 = count.parse()?;
                let clock = Instant::now();
                go(
                    engine.as_mut(),
                    &objective,
                    &mut batches,
                    (done, count),
                    (batch < problem.training_rows(), args.lr),
                )?;
                done += count;
                say(json!({ "steps": count, "seconds": clock.elapsed().as_secs_f64() }))?;
            }
            ["objective"] => {
                let (value, se) = objective_at(&problem, &start, &base, args.batch)?;
                say(json!({ "objective": value, "se": se }))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes some steps, a call for each few hundred.
fn go(
    engine: &mut dyn Trainer,
    o: &Objective,
    batches: &mut Batches,
    (done, count): (u64, u64),
    (batched, lr): (bool, f64),
) -> Result<(), Failure> {
    let scalars: Vec<f64> = o.minimised.controls.iter().map(|c| c.1.at(1.0)).chain([0.4]).collect();
    let mut step = done;
    while step < done + count {
        let until = (step + 1000).min(done + count);
        let steps: Vec<TrainingStep> = (step..until)
            .map(|step| TrainingStep {
                step,
                rate: lr,
                scalars: scalars.clone(),
                rows: batched.then(|| Arc::new(batches.batch(step).into_iter().map(|r| r as u64).collect())),
            })
            .collect();
        let made = engine.advance(&steps)?;
        if !made.finite {
            return Err(format!("step {} is not finite", step + made.made as u64).into());
        }
        step = until;
    }
    Ok(())
}

/// Mean and standard error of the objective at the stated parameters: over the first rows, or all where the work is of
/// one batch.
fn objective_at(
    problem: &Problem,
    start: &fe_train::Values,
    base: &Setting,
    batch: usize,
) -> Result<(f64, f64), Failure> {
    let o = problem.objective;
    let all = problem.training_rows();
    let rows = if batch <= 1 || o.guides.joints.iter().any(|j| j.dimension > 0) { all } else { 1000.min(all) };
    let rows = Arc::new((0..rows as u64).collect::<Vec<_>>());
    let mut compiled = problem.compile(&[o.minimised.value])?;
    let draws = if o.minimised.deterministic { 1 } else { DRAWS };
    let samples = if all < 1000 { 1000 } else { 1 };
    let mut found = vec![];
    for step in 0..draws {
        let setting = Setting { step: step + 1_000_000_000, samples, ..base.clone() };
        found.push(compiled.run(&problem.feed(start, &rows, &setting))?.first().map_or(f64::NAN, Tensor::item));
    }
    let n = found.len() as f64;
    let mean = found.iter().sum::<f64>() / n;
    let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    Ok((mean, (variance / n).sqrt()))
}
