//! The page of a sweep.

use super::{Block, Drawing, Fact, Headline, Page, Section};
use crate::figures::{duration, plural};
use crate::ledger::Tone;
use crate::sweep::{Sweep, pairs, points, sweep_pictures, verdict};

/// The page of a sweep of this program.
pub fn sweep_page(sweep: &Sweep, source: &str) -> Page {
    let charts: Vec<Drawing> = sweep_pictures(sweep).into_iter().map(|(_, chart)| Drawing::Lines(chart)).collect();
    let notes = sweep.notes.iter().map(|note| ("note".to_owned(), note.clone()));
    let mut sections = vec![
        Section { title: "Summary".into(), blocks: summary(sweep) },
        Section { title: "Curves".into(), blocks: vec![Block::Charts(charts)] },
        Section { title: "Fits".into(), blocks: vec![Block::Table(points(sweep))] },
    ];
    if !sweep.certificate.is_empty() {
        sections.push(Section { title: "Certificate".into(), blocks: vec![Block::Table(pairs(sweep))] });
    }
    sections.push(Section { title: "Program".into(), blocks: vec![Block::Program(source.into())] });
    let runs = sweep.points.iter().map(|p| (sweep.place(p), p.run.clone()));
    let about: Vec<Fact> = runs.chain(notes).map(Into::into).collect();
    sections.push(Section { title: "Runs and notes".into(), blocks: vec![Block::Facts(about)] });
    let facts = [
        sweep.title.as_ref().map(|_| sweep.model.clone()),
        Some(plural(sweep.points.len() as u64, "fit")),
        Some(duration(sweep.seconds)),
        Some(format!("{} at a time, {} each", sweep.jobs, plural(sweep.threads, "thread"))),
    ];
    Page {
        title: sweep.title.clone().unwrap_or_else(|| sweep.model.clone()),
        facts: facts.into_iter().flatten().collect(),
        sections,
        footer: format!("Written by fe {}.", sweep.fe_version),
    }
}

fn summary(sweep: &Sweep) -> Vec<Block> {
    let converged = sweep.points.iter().filter(|p| p.converged).count();
    let headline = |name: &str, value: String, unit: String| Headline { name: name.into(), value, unit };
    let mut blocks = vec![Block::Headline(vec![
        headline("fits", sweep.points.len().to_string(), format!("{converged} converged")),
        headline("swept", sweep.over.join(", "), sweep.units.iter().flatten().cloned().collect::<Vec<_>>().join(", ")),
    ])];
    blocks.push(Block::Prose(format!("Minimised: {} per row.", sweep.objective.trim())));
    if let Some(of) = &sweep.certifies {
        let said = verdict(sweep);
        let text = format!("{}: {of} between neighbouring weights.", said.text);
        blocks.push(Block::Notice(said.tone, "The certificate".into(), text));
    }
    for p in &sweep.points {
        if let Some(why) = &p.failed {
            blocks.push(Block::Notice(Tone::Bad, "Failed:".into(), format!("{}: {why}", sweep.place(p))));
        }
    }
    blocks
}
