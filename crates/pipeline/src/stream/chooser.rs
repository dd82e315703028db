//! Exact choices in a loop with the world: the tables that the sum in time order has left, read at what each line gives.

use std::collections::{BTreeMap, BTreeSet};

use fe_check::{Guide, Program};
use fe_objective::{Choice, SeenElement, When};
use fe_syntax::{Diagnostic, Span};
use fe_train::{ChoiceTable, Known};

use super::step::{Action, Step, StepCode};
use super::{Row, StreamOptions, Taken, lines};
use crate::error::Error;
use crate::finished::Finished;
use crate::text::Text;

/// An element of a latent: its name, and its position along the loop.
type Element = (String, Option<usize>);

/// A choice with its tables.
struct Table {
    choice: Choice,
    numbers: ChoiceTable,
}

/// A program whose actions are exact, in the course of a stream.
pub struct Chooser {
    text: Text,
    tables: Vec<Table>,
    taken: Vec<Taken>,
    /// Values of each latent that a line may give.
    values: BTreeMap<String, usize>,
    places: BTreeMap<String, Span>,
    /// What was seen and done.
    known: BTreeMap<Element, usize>,
    seed: u64,
    line: u64,
}

/// Whether a program is one of choices in a world that lines tell of: what is exact is no posterior of data.
pub(super) fn is_for(program: &Program) -> bool {
    let exact = program.latents.iter().any(|l| matches!(l.guide, Guide::Exact(_)));
    exact && program.row.is_none() && program.observes.is_empty()
}

fn refused(span: Span, message: String, help: &str) -> Error {
    Error::Program(vec![Diagnostic::error("R0020", message, span, "this").help(help)])
}

fn unread(span: Span, message: String, help: String) -> Error {
    Error::Data(vec![Diagnostic::error("R0021", message, span, "this").help(help)])
}

impl Chooser {
    /// Before the first line.
    ///
    /// # Errors
    /// When a choice has no table, or the tables cannot be made.
    pub fn open(run: &Finished, options: &StreamOptions) -> Result<Self, Error> {
        let prepared = run.prepare()?;
        let problem = prepared.problem()?;
        let solution = run.solution(&problem)?;
        let choices = &prepared.objective.report.choices;
        let exact = |l: &&fe_check::Latent| matches!(l.guide, Guide::Exact(_));
        for latent in prepared.program.latents.iter().filter(exact) {
            if !choices.iter().any(|c| c.name == latent.name) {
                let message = format!("`{}` is no choice of its own: it is summed out with all else", latent.name);
                return Err(refused(latent.span, message, "keep chance with `guide … = prior`, and choose the rest"));
            }
        }
        let wanted: Vec<&Choice> = choices.iter().collect();
        let made = fe_train::choice_tables(&problem, &solution.values, solution.preconditioners, &wanted)
            .map_err(|e| Error::Internal(e.to_string()))?;
        let chosen: BTreeSet<&str> = choices.iter().map(|c| c.name.as_str()).collect();
        let g = &prepared.objective.graph;
        let seen = choices.iter().flat_map(|c| &c.sees).filter(|s| !chosen.contains(s.name.as_str()));
        let values: BTreeMap<String, usize> = seen.map(|s| (s.name.clone(), g.extent_of(s.values.id))).collect();
        let given =
            |name: &String| Taken { name: name.clone(), shape: vec![], optional: true, levels: None, columns: vec![] };
        let taken = values.keys().map(given).collect();
        let places = prepared.program.latents.iter().map(|l| (l.name.clone(), l.span)).collect();
        let tables = choices.iter().cloned().zip(made).map(|(choice, numbers)| Table { choice, numbers }).collect();
        let seed = options.seed.unwrap_or(run.record.identity.seed);
        let (text, known) = (run.text.clone(), BTreeMap::new());
        Ok(Self { text, tables, taken, values, places, known, seed, line: 0 })
    }

    /// What lines give: what choices see and have not made themselves.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The program, for messages.
    pub fn text(&self) -> &Text {
        &self.text
    }

    fn place(&self, name: &str) -> Span {
        self.places.get(name).copied().unwrap_or_default()
    }

    /// Chooses at a line.
    ///
    /// # Errors
    /// When the line lacks what a choice sees, or the loop has ended.
    pub fn step(&mut self, row: &Row) -> Result<Step, Error> {
        lines::known(&self.taken, row, &self.text)?;
        let here = usize::try_from(self.line).unwrap_or(usize::MAX);
        let at_hand = |t: &Table| match t.choice.when {
            When::Along(_) => t.numbers.shape.first().is_some_and(|&n| here < n),
            When::At(position) => position == here,
            When::Once => here == 0,
        };
        let tables: Vec<usize> = self.tables.iter().enumerate().filter(|(_, t)| at_hand(t)).map(|(k, _)| k).collect();
        if tables.is_empty() {
            return Err(Error::Request(format!(
                "line {}: nothing is left to choose, the loop of the program has ended; fit a longer one",
                here + 1
            )));
        }
        let (mut codes, mut action, mut rate, mut to_come) = (vec![], vec![], 0.0, None);
        for table in tables {
            let Some(at) = self.index(table, row, here)? else { continue };
            let Some(Table { choice, numbers }) = self.tables.get(table) else { continue };
            let shares: Vec<f64> =
                numbers.probabilities.iter().skip(at * numbers.values).take(numbers.values).copied().collect();
            let draw = fe_train::choose(&choice.name, self.seed, self.line, &shares);
            rate += numbers.rate.get(at).copied().unwrap_or(0.0);
            to_come = to_come.or(numbers.to_come.get(at).copied());
            let name = choice.name.clone();
            let (known, values) = (Known::Probabilities { values: numbers.values, of: shares }, vec![draw as f64]);
            let own = (!matches!(choice.when, When::Once)).then_some(here);
            codes.push(StepCode { name: name.clone(), shape: vec![], known, draw: Some(values.clone()) });
            action.push(Action { name: name.clone(), shape: vec![], values });
            self.known.insert((name, own), draw);
        }
        let free_energy = to_come.unwrap_or(rate);
        let distortion = free_energy - rate;
        let line = self.line;
        self.line += 1;
        let spikes = None;
        Ok(Step { line, free_energy, free_energy_se: None, distortion, rate, spikes, codes, action })
    }

    /// The place in the tables of a choice that what is known leads to.
    fn index(&mut self, table: usize, row: &Row, here: usize) -> Result<Option<usize>, Error> {
        let Some(Table { choice, numbers }) = self.tables.get(table) else { return Ok(None) };
        let (sees, name) = (choice.sees.clone(), choice.name.clone());
        let along = choice.axis().is_some();
        let extents: Vec<usize> = numbers.shape.iter().skip(usize::from(along)).copied().collect();
        let mut index = if along { here } else { 0 };
        let mut used: BTreeMap<String, Element> = BTreeMap::new();
        for (seen, extent) in sees.iter().zip(extents) {
            let element = match seen.element {
                // Before the first position nothing has a say, and all rows are alike.
                SeenElement::Back(k) => here.checked_sub(k).map(|position| (seen.name.clone(), Some(position))),
                SeenElement::At(position) => Some((seen.name.clone(), Some(position))),
                SeenElement::Only => Some((seen.name.clone(), None)),
            };
            let value = match element {
                None => 0,
                Some(element) => self.value(&element, row, &name, &mut used)?,
            };
            index = index * extent + value;
        }
        Ok(Some(index))
    }

    /// The value of an element: known, or what the line gives.
    fn value(
        &mut self,
        element: &Element,
        row: &Row,
        choice: &str,
        used: &mut BTreeMap<String, Element>,
    ) -> Result<usize, Error> {
        if let Some(&value) = self.known.get(element) {
            return Ok(value);
        }
        let name = &element.0;
        let span = self.place(name);
        let written = element.1.map_or_else(|| name.clone(), |t| format!("{name}[{t}]"));
        let taken = self.taken.iter().find(|t| t.name == *name);
        let given = taken.and_then(|t| Some((t, row.get(name)?)));
        let (Some((taken, given)), None) = (given, used.get(name)) else {
            let message = format!("`{choice}` sees `{written}` here, which no line has given");
            return Err(unread(span, message, format!("give it: {{\"{name}\": 0}}")));
        };
        let numbers = lines::numbers(taken, given, &self.text, span)?;
        let count = self.values.get(name).copied().unwrap_or(0);
        let whole = |v: &f64| v.fract() == 0.0 && *v >= 0.0 && (*v as usize) < count;
        let value = match numbers.as_slice() {
            [v] if whole(v) => *v as usize,
            _ => {
                let message = format!("`{name}` is no value that it can have");
                let last = count.saturating_sub(1);
                return Err(unread(span, message, format!("give one whole number from 0 to {last}")));
            }
        };
        used.insert(name.clone(), element.clone());
        self.known.insert(element.clone(), value);
        Ok(value)
    }
}
