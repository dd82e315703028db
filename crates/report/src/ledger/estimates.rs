//! The parameters that were estimated: a line for each element, with its standard error.

use super::Tone;
use super::cell::{Cell, Number};
use super::posterior::Form;
use super::table::{Column, Kind, Label, Table};
use crate::document::{Document, Estimate, InFile};
use crate::figures::{count, decimals, plural};

/// Significant digits of a standard error.
const SE_DIGITS: i32 = 2;

/// The parameters of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimates<'a> {
    document: &'a Document,
}

impl<'a> Estimates<'a> {
    /// Those of a document, where there are any.
    pub(super) fn of(document: &'a Document) -> Option<Self> {
        let any = !document.params.is_empty() || !document.params_in_file.is_empty();
        any.then_some(Self { document })
    }

    /// Their table in some form.
    pub(crate) fn table(&self, form: Form) -> Table {
        let kind = if form.aligned { Kind::Point } else { Kind::Right };
        let columns = [
            Column::new("estimate", kind),
            Column::new("se", kind).page("standard error"),
            Column::word("").page("where"),
        ];
        let mut table = Table::new("params", "Parameters, as fitted", columns);
        for (name, estimate) in &self.document.params {
            let size = estimate.value.values().len();
            // Many numbers without an error are a network's, which nobody reads one by one.
            if size > form.whole && estimate.se.is_none() {
                table.row(Label::Name(name.clone()), elsewhere(estimate.value.shape(), "fit.json"));
                continue;
            }
            let shown = if size > form.whole { form.beginning } else { size };
            for element in 0..shown {
                let label = Label::Element(
                    name.clone(),
                    estimate.value.named_place(element, &estimate.axes, &self.document.labels),
                );
                table.row(label, cells(estimate, element));
            }
            if shown < size {
                table.remark_on(&format!("… {} more of ", count((size - shown) as u64)), name, " in fit.json");
            }
        }
        for InFile { name, shape } in self.document.params_in_file.iter().filter(|p| !p.name.contains('.')) {
            table.row(Label::Name(name.clone()), elsewhere(shape, "params.safetensors"));
        }
        let layers: Vec<&InFile> = self.document.params_in_file.iter().filter(|p| p.name.contains('.')).collect();
        if !layers.is_empty() {
            let weights: u64 = layers.iter().map(|w| w.shape.iter().product::<u64>()).sum();
            let said = format!("{}, in params.safetensors", plural(weights, "number"));
            let label = plural(layers.len() as u64, "array");
            table.row(Label::Text(format!("{label} of layers")), [Cell::empty(), Cell::empty(), Cell::text(said)]);
        }
        if let Some(why) = &self.document.params_without_errors {
            table.remark(format!("without standard errors: {why}"));
        }
        table
    }
}

/// An array that stands in a file: its extents, and which.
fn elsewhere<T: ToString>(shape: &[T], file: &str) -> [Cell; 3] {
    let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let said = format!("{} numbers, in {file}", shape.join(" × "));
    [Cell::empty(), Cell::empty(), Cell::text(said).toned(Tone::Faint)]
}

/// The value of an element with as many digits as its error has a say in, and that error.
fn cells(estimate: &Estimate, element: usize) -> [Cell; 2] {
    let value = estimate.value.values().get(element).copied().unwrap_or(f64::NAN);
    let se = estimate.se.as_ref().and_then(|se| se.values().get(element).copied()).filter(|se| se.is_finite());
    let places = se.filter(|se| (1e-9..1e9).contains(se)).map(|se| decimals(se, SE_DIGITS));
    let error = Cell::of(se, |se| Number::Drawn(se, places)).toned(Tone::Faint);
    [Number::Drawn(value, places).into(), error]
}
