//! What is swept: `beta=0.01..8:12`, `K=32,128,512`, `budget=2,5,10 spikes`.

use fe_syntax::ast::{Ast, StatementKind};

use crate::error::{Error, OptionName};
use crate::options::Assignment;

/// The most points that a range may have.
const MOST: usize = 10_000;

/// A name of the program and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// The `const` or `dim`.
    pub name: String,
    /// Its values, in the order given, each once.
    pub values: Vec<f64>,
    /// Their unit, where one was given.
    pub unit: Option<String>,
    /// Whether it is the size of an axis.
    pub is_dim: bool,
}

impl Over {
    /// The assignment of one of the values.
    pub fn set(&self, value: f64) -> Assignment {
        let unit = self.unit.as_ref().map(|u| format!(" {u}")).unwrap_or_default();
        Assignment::new(&self.name, &format!("{value}{unit}"))
    }
}

/// Reads `NAME=VALUES`: values separated by commas, ranges `a..b:n` among them, a unit behind them all.
pub fn parse(given: &str, program: &Ast) -> Result<Over, Error> {
    let wrong = |why: String| Error::Option(OptionName::Over, format!("{given}: {why}"));
    let form = "it takes NAME=VALUES, such as beta=0.01..8:12, K=32,128,512 or \"budget=2,5,10 spikes\"";
    let (name, list) = given.split_once('=').ok_or_else(|| wrong(form.into()))?;
    let (name, list) = (name.trim().to_owned(), list.trim());
    let is_dim = kind(&name, program).map_err(&wrong)?;
    let (list, unit) = match list.rsplit_once(char::is_whitespace) {
        Some((numbers, word)) if word.chars().all(char::is_alphabetic) => (numbers.trim(), Some(word.to_owned())),
        _ => (list, None),
    };
    let mut values: Vec<f64> = vec![];
    for item in list.split(',').map(str::trim) {
        for value in range(item, is_dim).map_err(|why| wrong(format!("{why}; {form}")))? {
            // A range of whole numbers may come to one twice.
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    if let (true, Some(unit)) = (is_dim, &unit) {
        return Err(wrong(format!("`{name}` is the size of an axis, and has no unit `{unit}`")));
    }
    Ok(Over { name, values, unit, is_dim })
}

/// Whether a name is a `dim`, or else a `const`.
fn kind(name: &str, program: &Ast) -> Result<bool, String> {
    let mut known = vec![];
    for statement in &program.statements {
        let (declared, is_dim) = match &statement.kind {
            StatementKind::Dim { name, .. } => (name, true),
            StatementKind::Const { name, .. } => (name, false),
            _ => continue,
        };
        if declared.value == name {
            return Ok(is_dim);
        }
        known.push(format!("`{}`", declared.value));
    }
    Err(match known.as_slice() {
        [] => "the program has no `const` and no `dim` to sweep: name the number, `const beta = 1`".into(),
        known => format!("the program has no `const` or `dim` called `{name}`; it has {}", known.join(", ")),
    })
}

/// A number, or the points of `a..b:n`: evenly in the logarithm where both ends are positive, else evenly.
fn range(item: &str, whole: bool) -> Result<Vec<f64>, String> {
    let number = |text: &str| {
        let value = text.trim().replace('_', "").parse::<f64>().ok().filter(|v| v.is_finite());
        value.ok_or_else(|| format!("`{}` is not a number", text.trim()))
    };
    let Some((from, rest)) = item.split_once("..") else {
        let value = number(item)?;
        return if whole && value.fract() != 0.0 {
            Err(format!("`{item}` is no size of an axis"))
        } else {
            Ok(vec![value])
        };
    };
    let (to, count) = rest.split_once(':').ok_or_else(|| format!("`{item}` does not say how many points: a..b:n"))?;
    let count: usize = count.trim().parse().map_err(|_| format!("`{}` is not a number of points", count.trim()))?;
    if !(2..=MOST).contains(&count) {
        return Err(format!("a range has from 2 to {MOST} points, not {count}"));
    }
    let (from, to) = (number(from)?, number(to)?);
    let logarithmic = from > 0.0 && to > 0.0;
    let point = |k: usize| {
        let part = k as f64 / (count - 1) as f64;
        let value = match (k, logarithmic) {
            (0, _) => from,
            (k, _) if k + 1 == count => to,
            (_, true) => from * (to / from).powf(part),
            (_, false) => from + (to - from) * part,
        };
        if whole { value.round() } else { value }
    };
    Ok((0..count).map(point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(given: &str) -> Result<Over, String> {
        let program = fe_syntax::parse("dim K = 4\nconst beta = 1\nconst budget = 20 bits\n").ast;
        parse(given, &program).map_err(|e| e.brief())
    }

    #[test]
    fn ranges_are_even_in_the_logarithm_where_they_can_be() {
        let values = |given: &str| over(given).map(|o| o.values).unwrap_or_default();
        let found = values("beta=0.01..100:5");
        for (found, expected) in found.iter().zip([0.01, 0.1, 1.0, 10.0, 100.0]) {
            assert!((found / expected - 1.0).abs() < 1e-12, "{found}");
        }
        assert_eq!(values("beta=0..1:3"), [0.0, 0.5, 1.0]);
        assert_eq!(values("K=1..4:7, 9"), [1.0, 2.0, 3.0, 4.0, 9.0]);
        assert_eq!(values("K=3,3"), [3.0]);
    }

    #[test]
    fn a_unit_belongs_to_all_values() {
        let found = over("budget = 2, 5..10:2 bits");
        let found = found.as_ref().map(|o| o.values.iter().map(|&v| o.set(v).to_string()).collect::<Vec<_>>());
        assert_eq!(found, Ok(vec!["budget=2 bits".into(), "budget=5 bits".into(), "budget=10 bits".into()]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (given, said) in [
            ("beta", "NAME=VALUES"),
            ("gamma=1", "`K`, `beta`, `budget`"),
            ("beta=1..2", "how many points"),
            ("beta=1..2:1", "from 2 to 10000"),
            ("beta=one", "`one` is not a number"),
            ("K=2.5", "no size"),
            ("K=2,3 bits", "no unit"),
            ("beta=", "`` is not a number"),
        ] {
            assert!(over(given).is_err_and(|m| m.contains(said)), "{given}: {:?}", over(given));
        }
    }
}
