//! The derived objective as text, in the notation of a paper.

use std::fmt::Write;

use fe_check::Program;
use fe_graph::Axis;

use crate::count_estimators;
use crate::formula;
use crate::objective::{Objective, Term, TermKind};
use crate::refinement;

/// The derivation: the free energy, guides, every term with its estimator, reason and bias, and the axes of names.
pub fn explain(program: &Program, objective: &Objective, source: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, program, objective, source);
    out
}

fn axes_text(objective: &Objective, axes: &[Axis]) -> String {
    if axes.is_empty() {
        return String::new();
    }
    let names: Vec<String> = axes.iter().map(|&a| objective.graph.axis_name(a)).collect();
    format!("[{}]", names.join(", "))
}

fn write(out: &mut String, program: &Program, o: &Objective, source: &str) -> std::fmt::Result {
    match &program.title {
        Some(title) => writeln!(out, "{} · {title}", program.name)?,
        None => writeln!(out, "{}", program.name)?,
    }
    match o.row {
        Some(r) => writeln!(
            out,
            "rows along {}, {} of them; every figure is per row",
            o.graph.axis_name(Axis::plain(r.axis)),
            r.rows
        )?,
        None => writeln!(out, "no row axis: every figure is for the whole")?,
    }
    writeln!(out)?;
    let symbols: Vec<String> = o.terms.iter().map(symbol).collect();
    writeln!(out, "F = {}", if symbols.is_empty() { "0".into() } else { symbols.join(" + ") })?;
    writeln!(out, "minimised: {}", program.objective.text)?;
    if let (Some(spec), Some(bound)) = (program.objective.importance, o.minimised.importance) {
        for line in formula::importance(spec, bound.local) {
            writeln!(out, "  {line}")?;
        }
    }
    for bound in &program.objective.bounds {
        writeln!(out, "subject to: {}, priced by a multiplier that the fit finds", bound.text)?;
    }
    if o.up_to_constant {
        writeln!(out, "F is known up to a constant: a Flat prior is not normalised")?;
    }
    if !o.guides.latents.is_empty() {
        writeln!(out, "\nguides")?;
        for l in &o.guides.latents {
            writeln!(out, "  {}{} : {}", l.name, axes_text(o, &l.axes), l.guide)?;
        }
    }
    let refined = refinement::explained(program, o);
    if !refined.is_empty() {
        writeln!(out, "\nrefined")?;
        for line in refined {
            writeln!(out, "  {line}")?;
        }
    }
    for term in &o.terms {
        let kind = match term.kind {
            TermKind::Rate if term.penalty => "penalty on",
            TermKind::Rate => "rate of",
            TermKind::Distortion => "distortion of",
            TermKind::Loss => "loss",
        };
        let scope = if o.row.is_none() {
            ""
        } else if term.local {
            ", summed over rows"
        } else {
            ", once for all rows"
        };
        writeln!(out, "\n{kind} {}{scope}", term.name)?;
        for line in term.formula.lines() {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "  estimator: {}", term.estimator)?;
        if !term.reason.is_empty() {
            writeln!(out, "  because:   {}", term.reason)?;
        }
        writeln!(out, "  bias:      {}", term.bias.as_deref().unwrap_or("none"))?;
    }
    for (number, line) in count_estimators::side_by_side(program, o).iter().enumerate() {
        writeln!(out, "{}{line}", if number == 0 { "\n" } else { "" })?;
    }
    let plain: Vec<&fe_check::Named> = program.lets.iter().collect();
    if !plain.is_empty() {
        writeln!(out, "\naxes")?;
        for l in plain {
            let origin = program.graph.origin_of(l.node).0 as usize;
            let value = program.origins.get(origin).map(|&s| formula::text(source, s)).filter(|v| *v != l.name);
            let value = value.map(|v| format!(" = {v}")).unwrap_or_default();
            writeln!(out, "  {}{}{value}", l.name, axes_text(o, &l.axes))?;
        }
    }
    let sampling = if o.minimised.deterministic { "deterministic: no sampling, no gradient noise" } else { "sampled" };
    let (numbers, arrays) = (formula::plural(count(o), "parameter"), formula::plural(o.parameters.len(), "array"));
    writeln!(out, "\nthe objective is {sampling}; {numbers} in {arrays}")?;
    match o.prepared.len() {
        0 => {}
        1 => writeln!(out, "1 expression of data alone is computed once, at load")?,
        n => writeln!(out, "{n} expressions of data alone are computed once, at load")?,
    }
    for note in &o.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn symbol(term: &Term) -> String {
    let n = &term.name;
    match term.kind {
        TermKind::Rate if term.penalty => format!("(−log p({n}))"),
        TermKind::Rate => format!("KL(q({n}) ‖ p({n}))"),
        TermKind::Distortion => format!("E_q[−log p({n})]"),
        TermKind::Loss => format!("E_q[{n}]"),
    }
}

fn count(o: &Objective) -> usize {
    o.parameters.iter().map(|p| p.free.iter().map(|a| o.graph.extent_of(a.id)).product::<usize>()).sum()
}
