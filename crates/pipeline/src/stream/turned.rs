//! A turn that is compiled, and the values that it runs on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_check::{Header, Program, Row as RowAxis, SourceCall};
use fe_graph::{Axis, Executor, InputId, NodeId, Tensor};
use fe_objective::{GuideKind, Objective, Parameter, Readout, ReadoutOf};
use fe_syntax::Parsed;
use fe_syntax::ast::{Ast, Expr, ExprKind};
use fe_train::{Kept, TurnInput, Turning, Values};

use super::step::{Action, Step, StepCode};
use super::turn::{Lag, Over, POSITION, Turn, refused, start_name};
use super::{Row, Stream, lines, wrong};
use crate::data;
use crate::error::Error;
use crate::executor;
use crate::fit::failed;
use crate::load::{self, Loaded};
use crate::options::{ExecutorKind, Precision};

/// A turn of the loop, compiled.
pub(super) struct Turned {
    program: Program,
    objective: Objective,
    executor: Box<dyn Executor>,
    sources: Vec<SourceCall>,
    /// Data that are the same at every line.
    constants: HashMap<InputId, Arc<Tensor>>,
    extra: HashMap<InputId, Arc<Tensor>>,
    kept: Kept,
    turning: Turning,
    readouts: Vec<Readout>,
    /// Names of what is carried on, in the order of the turning's states.
    carried: Vec<String>,
    /// Latents that move what is written ahead.
    acting: HashSet<String>,
    lags: Vec<Lag>,
    /// Data that are numbers.
    numbers: Vec<(String, usize)>,
    seed: u64,
    /// Parameters of this position, where none of them has positions of its own.
    values: Option<Values>,
}

/// What a turn makes.
pub(super) struct Made {
    pub step: Step,
    /// What later turns read.
    pub carried: Vec<(String, Vec<f64>)>,
}

impl Turned {
    /// Compiles a turn.
    pub fn new(stream: &Stream, turn: Turn) -> Result<Self, Error> {
        let run = &stream.run;
        let mut headers = stream.headers.clone();
        for statement in &turn.statements {
            let fe_syntax::ast::StatementKind::Data(d) = &statement.kind else { continue };
            let name = &d.target.name.value;
            let Some(of) = turn.lags.iter().find(|l| l.name == *name).map(|l| &l.of) else {
                if name == POSITION || turn.numbers.iter().any(|n| n.0 == *name) {
                    headers.insert(name.clone(), Header { integer: true, ..Header::default() });
                }
                continue;
            };
            let shape = d.target.axes.iter().flatten().filter_map(|e| size(e, &stream.sizes)).collect();
            let like = stream.headers.get(of).cloned().unwrap_or_default();
            headers.insert(name.clone(), Header { shape, ..like });
        }
        let parsed = Parsed { ast: Ast { statements: turn.statements }, diagnostics: vec![] };
        let reading = run.reading_with(&crate::options::ReadOptions::default());
        let Loaded { mut program, sources, cache, .. } =
            load::load_parsed(parsed, &run.text, &reading, &headers, stream.rows.clone())?;
        load::centre(&mut program, &run.record.centred);
        let mut objective = fe_objective::derive(&program, &run.text.source).map_err(load::underivable)?;
        one_turn(stream, &mut program, &mut objective);
        guides_go(stream, &program, &objective)?;

        let remembered = run.remembered();
        let constant = |d: &fe_check::Data| {
            let number = turn.numbers.iter().any(|n| n.0 == d.name);
            let of_turn = number || d.name == POSITION || turn.lags.iter().any(|l| l.name == d.name);
            !of_turn && !stream.taken.iter().any(|t| t.name == d.name)
        };
        let mut still = program.clone();
        still.data.retain(constant);
        let arrays = data::load_as(&still, &sources, &[], &remembered, cache.as_deref())?;
        let executor = executor::open(Some(ExecutorKind::Cpu), Precision::F64, "cpu")?;
        let mut statistics = HashMap::new();
        for prepared in objective.prepared.iter().filter(|p| p.statistic) {
            let name = objective.graph.input_info(prepared.input).map(|i| i.name.clone()).unwrap_or_default();
            statistics.insert(name.clone(), run.array(&name)?);
        }
        let rows = if program.row.is_some() { run.record.rows } else { 1 };
        let kept = Kept { trained: rows, statistics };
        let extra = run.preconditioners(&objective)?;
        let readouts = chosen(&objective, &program, &stream.options.names)?;
        let (carried, states) = carried(stream, &program, &mut objective);
        let acting = acting(stream, &program);
        let turning = Turning::new(&objective, executor.as_ref(), readouts.clone(), states)
            .map_err(|e| Error::Internal(e.to_string()))?;
        let seed = stream.options.seed.unwrap_or(run.record.identity.seed);
        Ok(Self {
            program,
            objective,
            executor,
            sources: sources.into_iter().map(|s| s.0).collect(),
            constants: arrays.tensors,
            extra,
            kept,
            turning,
            readouts,
            carried,
            acting,
            lags: turn.lags,
            numbers: turn.numbers,
            seed,
            values: None,
        })
    }

    /// The first positions of what is written ahead.
    pub fn starts(&self, stream: &Stream) -> Result<Vec<(String, Vec<f64>)>, Error> {
        let ahead = stream.looped.over.iter().filter(|o| *o.1 == Over::Ahead).map(|o| o.0);
        let lets = &self.program.lets;
        let found: Vec<_> =
            ahead.filter_map(|name| Some((name, lets.iter().find(|l| l.name == start_name(name))?))).collect();
        let random: HashSet<NodeId> = self.program.latents.iter().map(|l| l.node).collect();
        for (name, named) in &found {
            if self.program.graph.depends_on(named.node, &random) {
                let message = format!("`{name}` starts at a random value");
                return Err(wrong(refused(named.span, message, "let it start at a number, a param or data")));
            }
        }
        let mut starts = vec![];
        for (name, named) in found {
            let mut graph = self.program.graph.clone();
            let node = graph.broadcast(named.node, &fe_graph::axis::sorted(&named.axes));
            let fault = |e: fe_graph::ExecutionError| Error::Internal(e.to_string());
            let mut compiled = self.executor.compile(&graph, &[node]).map_err(fault)?;
            let mut feed = fe_graph::Feed { inputs: self.constants.clone(), seed: self.seed, ..Default::default() };
            for param in &self.program.params {
                if graph.depends_on(node, &HashSet::from([param.node])) {
                    let value = fe_train::unconstrained(&graph, param, &stream.run.array(&param.name)?.values);
                    feed.inputs.insert(param.input, Arc::new(value));
                }
            }
            let value = compiled.run(&feed).map_err(fault)?.into_iter().next().unwrap_or_default();
            starts.push((name.clone(), fe_train::from_sorted(&graph, &named.axes, value.values).values));
        }
        Ok(starts)
    }

    /// Runs the turn on a line.
    pub fn run(&mut self, stream: &Stream, row: &Row) -> Result<Made, Error> {
        let values = match self.values.take() {
            Some(values) => values,
            None => self.values_at(stream)?,
        };
        let (mut tensors, mut carried) = (self.constants.clone(), vec![]);
        for data in &self.program.data {
            if tensors.contains_key(&data.input) {
                continue;
            }
            if let Some((_, value)) = self.numbers.iter().find(|n| n.0 == data.name) {
                tensors.insert(data.input, Arc::new(Tensor::scalar(*value as f64)));
                continue;
            }
            let raw = match (data.name == POSITION, self.lags.iter().find(|l| l.name == data.name)) {
                (true, _) => vec![stream.position as f64],
                (_, Some(lag)) => self.earlier(stream, lag)?,
                (_, None) => {
                    let taken = stream.taken.iter().find(|t| t.name == data.name);
                    let given = taken.and_then(|t| Some((t, row.get(&t.name)?)));
                    let Some((taken, given)) = given else { continue };
                    let mut raw = lines::numbers(taken, given, &stream.run.text, data.span)?;
                    if let Some(call) = self.sources.iter().find(|c| c.data == data.name) {
                        lines::standardized(&stream.run, call, &mut raw)?;
                        let extents: Vec<usize> =
                            data.axes.iter().map(|a| self.program.graph.extent_of(a.id)).collect();
                        if let Some(d) = data::misfit(&self.program, data, call, &raw, &extents) {
                            return Err(Error::Data(vec![d]));
                        }
                    }
                    if stream.depths.contains_key(&data.name) {
                        carried.push((data.name.clone(), raw.clone()));
                    }
                    raw
                }
            };
            let g = &self.program.graph;
            let shape: Vec<usize> = fe_graph::axis::sorted(&data.axes).iter().map(|a| g.extent_of(a.id)).collect();
            let values = fe_train::to_sorted(g, &data.axes, raw);
            tensors.insert(data.input, Arc::new(Tensor { shape, values }));
        }
        let input = TurnInput {
            data: tensors,
            values: &values,
            extra: &self.extra,
            kept: &self.kept,
            seed: self.seed,
            turn: stream.position,
            samples: stream.options.samples,
        };
        let output = self
            .turning
            .run(&self.objective, self.executor.as_ref(), input)
            .map_err(|e| failed(e, &self.program, &self.objective))?;
        if !self.objective.parameters.iter().any(|p| self.along(stream, p).is_some()) {
            self.values = Some(values);
        }
        carried.extend(self.carried.iter().cloned().zip(output.states.iter().cloned()));
        Ok(Made { step: self.told(stream, output)?, carried })
    }

    fn earlier(&self, stream: &Stream, lag: &Lag) -> Result<Vec<f64>, Error> {
        if stream.looped.over.get(&lag.of) == Some(&Over::Param) {
            let position = (stream.position as usize).checked_sub(lag.back);
            let parameter = self.objective.parameters.iter().find(|p| p.name == lag.of);
            let saved = stream.run.array(&lag.of)?;
            let place = parameter.and_then(|p| self.along(stream, p)).unwrap_or(0);
            return at_position(&lag.of, &saved, place, position.unwrap_or(0)).map(|t| t.values);
        }
        stream.earlier(lag).cloned().ok_or_else(|| {
            let message = format!("`{}` is not there yet at line {}", lag.name, stream.position + 1);
            wrong(refused(stream.looped.place(&lag.of), message, "say what it is there: `if t == 0 then … else …`"))
        })
    }

    /// The place of the loop's axis among a parameter's.
    fn along(&self, stream: &Stream, parameter: &Parameter) -> Option<usize> {
        let axis = stream.looped.axis.as_ref()?;
        let name = |a: &Axis| self.objective.graph.axis(a.id).map(|a| a.name.as_str());
        parameter.axes.iter().position(|a| name(a) == Some(axis))
    }

    /// The parameters at the position.
    fn values_at(&self, stream: &Stream) -> Result<Values, Error> {
        let mut values = vec![];
        for parameter in &self.objective.parameters {
            let saved = stream.run.array(&parameter.name)?;
            let here = match self.along(stream, parameter) {
                Some(place) => at_position(&parameter.name, &saved, place, stream.position as usize)?,
                None => saved,
            };
            values.push(fe_train::unconstrained_value(&self.objective.graph, parameter, &here.values));
        }
        Ok(values)
    }

    /// What is told of a turn.
    fn told(&self, stream: &Stream, output: fe_train::TurnOutput) -> Result<Step, Error> {
        let g = &self.objective.graph;
        let axis = stream.looped.axis.as_deref();
        let own = |a: &&Axis| {
            self.objective.row.is_none_or(|r| r.axis != a.id) && g.axis(a.id).map(|a| a.name.as_str()) != axis
        };
        let (mut distortion, mut rate, mut variance) = (0.0, 0.0, 0.0);
        for (term, (nats, se)) in self.objective.terms.iter().zip(&output.terms) {
            match term.kind {
                fe_objective::TermKind::Rate => rate += nats,
                _ => distortion += nats,
            }
            variance += se * se;
        }
        let mut codes = vec![];
        let mut action = vec![];
        for (readout, (known, draw)) in self.readouts.iter().zip(output.codes) {
            let shape: Vec<usize> = readout.axes.iter().filter(own).map(|a| g.extent_of(a.id)).collect();
            if let (true, Some(values)) = (self.acting.contains(&readout.name), &draw) {
                action.push(Action { name: readout.name.clone(), shape: shape.clone(), values: values.clone() });
            }
            codes.push(StepCode { name: readout.name.clone(), shape, known, draw });
        }
        for parameter in self.objective.parameters.iter().filter(|p| self.acting.contains(&p.name)) {
            let Some(place) = self.along(stream, parameter) else { continue };
            let saved = stream.run.array(&parameter.name)?;
            let here = at_position(&parameter.name, &saved, place, stream.position as usize)?;
            let shape = here.shape.iter().enumerate().filter(|(k, _)| *k != place).map(|(_, n)| *n).collect();
            action.push(Action { name: parameter.name.clone(), shape, values: here.values });
        }
        Ok(Step {
            line: stream.position,
            free_energy: distortion + rate,
            free_energy_se: (variance > 0.0).then(|| variance.sqrt()),
            distortion,
            rate,
            spikes: (!output.spikes.is_empty()).then(|| output.spikes.iter().sum()),
            codes,
            action,
        })
    }
}

/// The extent of an axis as written.
fn size(e: &Expr, sizes: &HashMap<String, usize>) -> Option<usize> {
    match e.kind.as_ref() {
        ExprKind::Name(n) => sizes.get(n).copied(),
        ExprKind::Primed { name, .. } => sizes.get(&name.value).copied(),
        ExprKind::Number { value, .. } => Some(*value as usize),
        _ => None,
    }
}

/// One row, and one position.
fn one_turn(stream: &Stream, program: &mut Program, objective: &mut Objective) {
    if let Some(row) = program.row {
        let row = RowAxis { rows: 1, ..row };
        program.graph.set_extent(row.axis, 1);
        objective.graph.set_extent(row.axis, 1);
        (program.row, objective.row) = (Some(row), Some(row));
    }
    let Some(axis) = &stream.looped.axis else { return };
    let along = |axes: &[Axis]| {
        let name = |a: &Axis| program.graph.axis(a.id).map(|x| x.name.clone());
        axes.iter().find(|a| name(a).as_ref() == Some(axis)).map(|a| a.id)
    };
    let data = program.data.iter().map(|d| d.axes.as_slice());
    let params = program.params.iter().map(|d| d.axes.as_slice());
    let latents = program.latents.iter().map(|d| d.axes.as_slice());
    let lets = program.lets.iter().map(|d| d.axes.as_slice());
    let found = data.chain(params).chain(latents).chain(lets).find_map(along);
    if let Some(id) = found {
        program.graph.set_extent(id, 1);
        objective.graph.set_extent(id, 1);
    }
}

/// Guides must be there line by line: none that is one of all rows or positions, or free at each.
fn guides_go(stream: &Stream, program: &Program, objective: &Objective) -> Result<(), Error> {
    let chained = objective.guides.chains.iter().flat_map(|c| &c.blocks).map(|b| b.name.as_str());
    let of_line = |name: &str| {
        let latent = program.latents.iter().find(|l| l.name == name);
        latent.is_some_and(|l| l.is_local(program.row) || l.chain.is_some())
    };
    let joint = objective.guides.joints.iter().flat_map(|j| &j.blocks).map(|b| b.name.as_str()).filter(|n| of_line(n));
    let help = "state its guide from what a line gives (`guide z[t] ~ Normal(x[t] @ E, …)`), or refine it";
    if let Some(name) = chained.chain(joint).next() {
        let message = format!("the guide of `{name}` is one for all lines of the fit, and has no part for new ones");
        return Err(wrong(refused(stream.looped.place(name), message, help)));
    }
    if let Some(latent) = objective.guides.latents.iter().find(|l| matches!(l.guide, GuideKind::InTurn { .. })) {
        let name = &latent.name;
        let message = format!("the guide of `{name}` follows from what is still to come, to the end of the loop");
        let help = "state it as a policy (`guide a[t] ~ Categorical(softmax(table[s[t]]))`)";
        return Err(wrong(refused(stream.looped.place(name), message, help)));
    }
    if let Some(name) = objective.guides.of_all_rows.iter().find(|n| of_line(n)) {
        let message = format!("`{name}` is summed or integrated out over the whole loop");
        return Err(wrong(refused(stream.looped.place(name), message, help)));
    }
    let observes = stream.taken.iter().any(|t| !t.optional);
    let free = |p: &&Parameter| {
        let declared = program.params.iter().any(|q| q.name == p.name);
        let axis = stream.looped.axis.as_deref();
        let along =
            p.axes.iter().any(|a| objective.graph.axis(a.id).map(|x| x.name.as_str()) == axis && axis.is_some());
        p.local || (along && !declared && observes)
    };
    if let Some(parameter) = objective.parameters.iter().find(free) {
        let message =
            format!("`{}` was fitted to each line of the fit by itself, and has no value for new ones", parameter.name);
        let name = parameter.name.split('.').next().unwrap_or_default();
        return Err(wrong(refused(stream.looped.place(name), message, help)));
    }
    Ok(())
}

/// What is told of: what is asked for, or every latent.
fn chosen(objective: &Objective, program: &Program, names: &[String]) -> Result<Vec<Readout>, Error> {
    let all = &objective.report.readouts;
    if names.is_empty() {
        let latent = |r: &&Readout| program.latents.iter().any(|l| l.name == r.name);
        return Ok(all.iter().filter(latent).cloned().collect());
    }
    let find = |name: &String| {
        all.iter().find(|r| r.name == *name).cloned().ok_or_else(|| {
            let known = all.iter().map(|r| format!("`{}`", r.name)).collect::<Vec<_>>().join(", ");
            Error::Request(format!(
                "`{name}` is no latent of a turn and no `let` that follows from one; there are {known}"
            ))
        })
    };
    names.iter().map(find).collect()
}

type Nodes = Vec<(NodeId, Vec<Axis>)>;

/// What later turns read of this one, with its nodes.
fn carried(stream: &Stream, program: &Program, objective: &mut Objective) -> (Vec<String>, Nodes) {
    let states: HashMap<NodeId, NodeId> = program
        .refinements
        .iter()
        .filter_map(|r| {
            let last = objective.descent.as_ref()?.states.iter().find(|s| s.name == r.name)?.last;
            Some((r.node, last))
        })
        .collect();
    let (mut names, mut nodes) = (vec![], vec![]);
    for name in stream.depths.keys() {
        if !matches!(stream.looped.over.get(name), Some(Over::State | Over::Ahead | Over::Hidden)) {
            continue;
        }
        // Of what is hidden, what is known.
        let hidden = stream.looped.over.get(name) == Some(&Over::Hidden);
        let refined = program.refinements.iter().find(|r| r.name == *name).map(|r| (r.node, r.axes.clone()));
        let read = objective.report.readouts.iter().find(|r| r.name == *name).and_then(|r| match r.of {
            ReadoutOf::Value { draw, .. } => Some((draw, r.axes.clone())),
            ReadoutOf::Finite { probabilities, values, .. } if hidden => {
                Some((probabilities, [[values].as_slice(), r.axes.as_slice()].concat()))
            }
            ReadoutOf::Finite { draw, .. } => Some((draw?, r.axes.clone())),
        });
        let named = program.lets.iter().find(|l| l.name == *name).map(|l| (l.node, l.axes.clone()));
        let Some((node, axes)) = refined.or(read).or(named) else { continue };
        let g = &mut objective.graph;
        let node = g.substitute(&[node], &states).first().copied().unwrap_or(node);
        let mut sorted = fe_graph::axis::sorted(&axes);
        if g.has_axis(node, Axis::SAMPLE) {
            sorted.insert(0, Axis::SAMPLE);
        }
        let node = g.broadcast(node, &sorted);
        names.push(name.clone());
        nodes.push((node, axes));
    }
    (names, nodes)
}

/// The latents that what is written ahead follows from, but for nature's own; without latents, the params of the position.
fn acting(stream: &Stream, program: &Program) -> HashSet<String> {
    let ahead = |name: &str| stream.looped.over.get(name) == Some(&Over::Ahead);
    let next: Vec<NodeId> = program.lets.iter().filter(|l| ahead(&l.name)).map(|l| l.node).collect();
    let moves = |node: NodeId| next.iter().any(|&n| program.graph.depends_on(n, &HashSet::from([node])));
    let own = program.latents.iter().filter(|l| !matches!(l.guide, fe_check::Guide::Prior));
    let latents = own.filter(|l| moves(l.node)).map(|l| l.name.clone());
    let along = |p: &&fe_check::Param| stream.looped.over.get(&p.name) == Some(&Over::Param);
    let guides: HashSet<NodeId> = program.latents.iter().map(|l| l.node).collect();
    // A param that a latent's guide reads is no action: the latent is.
    let direct = |p: &&fe_check::Param| moves(p.node) && !next.iter().any(|&n| program.graph.depends_on(n, &guides));
    latents.chain(program.params.iter().filter(along).filter(direct).map(|p| p.name.clone())).collect()
}

/// The part of an array at a position along one of its axes, which stays with one place.
fn at_position(name: &str, saved: &Tensor, place: usize, position: usize) -> Result<Tensor, Error> {
    let extent = saved.shape.get(place).copied().unwrap_or(1);
    if position >= extent {
        return Err(Error::Request(format!(
            "line {}: `{name}` has a value for each of the {extent} positions of the fit, and none beyond; fit a longer loop",
            position + 1
        )));
    }
    let inner: usize = saved.shape.iter().skip(place + 1).product();
    let outer: usize = saved.shape.iter().take(place).product();
    let mut values = Vec::with_capacity(inner * outer);
    for k in 0..outer {
        values.extend(saved.values.iter().skip((k * extent + position) * inner).take(inner));
    }
    let mut shape = saved.shape.clone();
    if let Some(n) = shape.get_mut(place) {
        *n = 1;
    }
    Ok(Tensor { shape, values })
}
