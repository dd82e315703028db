//! What is done to the values of one array at once: levels made of them, and dates counted.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::column::sort;
use crate::error::{DataError, Kind};
use crate::{Content, Element, Stage};

/// The most levels that numbers make: more of them are a measurement.
const MOST_LEVELS: usize = 100_000;

const SECONDS_A_DAY: f64 = 86_400.0;

/// Whether a stage looks at the values before their number of levels is known.
pub(crate) fn needs_values(stage: &Stage) -> bool {
    matches!(stage, Stage::Categories(_) | Stage::Days(_))
}

/// Applies the stages that make other values of single ones.
pub(crate) fn apply(path: Option<&Path>, mut content: Content, stages: &[Stage]) -> Result<Content, DataError> {
    for stage in stages {
        content = match stage {
            Stage::Categories(order) => categories(content, order),
            Stage::Days(since) => days(content, since),
            Stage::Whiten | Stage::Standardize => Ok(content),
        }
        .map_err(|error| DataError { file: path.map(Path::to_owned), ..error })?;
    }
    Ok(content)
}

/// The values as levels: in the order stated, else sorted.
fn categories(mut content: Content, order: &[String]) -> Result<Content, DataError> {
    let named = named(&content)?;
    let mut found: Vec<&String> = named.iter().flatten().collect();
    sort(&mut found, |level| level);
    found.dedup();
    if found.len() > MOST_LEVELS {
        return Err(DataError::new(Kind::Level, format!("{} different values are no categories", found.len())));
    }
    let levels: Vec<String> = match order {
        [] => content.levels.take().unwrap_or_else(|| found.into_iter().cloned().collect()),
        stated => {
            if let Some(other) = found.iter().find(|level| !stated.contains(**level)) {
                return Err(DataError::new(Kind::Level, format!("the level `{other}` is not among those stated"))
                    .help(format!("`categories` states {}", stated.join(", "))));
            }
            stated.to_vec()
        }
    };
    let places: std::collections::HashMap<&String, usize> = levels.iter().enumerate().map(|(k, l)| (l, k)).collect();
    let code = |level: &Option<String>| level.as_ref().and_then(|l| places.get(l)).map_or(f64::NAN, |k| *k as f64);
    content.values = named.iter().map(code).collect();
    content.header.element = Element::Text;
    content.header.levels = Some(levels.clone());
    content.levels = Some(levels);
    Ok(content)
}

/// The name of each value; none where it is missing.
fn named(content: &Content) -> Result<Vec<Option<String>>, DataError> {
    let name = |value: f64| match (&content.levels, content.header.element) {
        (Some(levels), _) => Ok(levels.get(value as usize).cloned()),
        (None, Element::Bool) => Ok(Some(if value == 0.0 { "false" } else { "true" }.to_owned())),
        // Whole numbers with a gap among them are kept as real ones.
        (None, _) if value.fract() == 0.0 => Ok(Some(value.to_string())),
        _ => Err(DataError::new(Kind::Level, format!("{value} is no whole number, and no category"))
            .help("categories are texts or whole numbers; round the column, or keep it as a number")),
    };
    content.values.iter().map(|&v| if v.is_nan() { Ok(None) } else { name(v) }).collect()
}

/// Dates as days since another.
fn days(mut content: Content, since: &str) -> Result<Content, DataError> {
    let Some(zero) = seconds(since) else {
        return Err(DataError::new(Kind::Date, format!("`{since}` is no date"))
            .help("write year-month-day, as in `days(\"2020-01-31\")`"));
    };
    let Some(levels) = content.levels.take() else {
        return Err(DataError::new(Kind::Date, "numbers are no dates").help(
            "`days` reads dates such as 2020-01-31 or 2020-01-31T12:30:00; leave it out, and numbers stay as they are",
        ));
    };
    let mut numbers = Vec::with_capacity(levels.len());
    for (code, level) in levels.iter().enumerate() {
        let Some(at) = seconds(level) else {
            let error = DataError::new(Kind::Date, format!("`{level}` is no date"))
                .help("dates have the form 2020-01-31 or 2020-01-31T12:30:00");
            let first = content.values.iter().position(|value| *value == code as f64);
            return Err(match first {
                Some(position) => error.at(crate::place(&content.header, &content.rows, position)),
                None => error,
            });
        };
        numbers.push((at - zero) / SECONDS_A_DAY);
    }
    for value in content.values.iter_mut().filter(|v| !v.is_nan()) {
        *value = numbers.get(*value as usize).copied().unwrap_or(f64::NAN);
    }
    let whole = numbers.iter().all(|n| n.fract() == 0.0);
    content.header.element = if whole { Element::Integer } else { Element::Real };
    content.header.levels = None;
    Ok(content)
}

/// Seconds since 1970 of a date, or of a date and a time of day; with a zone, at Greenwich.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let of = |at: NaiveDateTime| at.and_utc();
    let whole = |at: DateTime<chrono::Utc>| at.timestamp() as f64 + f64::from(at.timestamp_subsec_nanos()) * 1e-9;
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return date.and_hms_opt(0, 0, 0).map(|at| whole(of(at)));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(whole(at.to_utc()));
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|at| whole(of(at)))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    /// Seconds as GNU date gives them: `date -u -d 2000-03-01 +%s`.
    #[test]
    fn dates_are_counted_as_elsewhere() {
        for (text, expected) in [
            ("1970-01-01", Some(0.0)),
            ("2000-03-01", Some(951_868_800.0)),
            ("1969-12-31", Some(-86_400.0)),
            ("2020-02-29T12:30:00", Some(1_582_979_400.0)),
            ("2020-02-29 12:30", Some(1_582_979_400.0)),
            ("2020-02-29T12:30:00Z", Some(1_582_979_400.0)),
            ("2020-02-29T12:30:00+02:00", Some(1_582_972_200.0)),
            ("2020-02-29T12:30:00.25", Some(1_582_979_400.25)),
            ("2021-02-29", None),
            ("29.02.2020", None),
            ("12", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
