//! The page of a sweep.

use super::{Block, Cell, Drawing, Headline, Kind, Mood, Page, Section, Table};
use crate::figures::{duration, fixed, percent, plural, significant};
use crate::sweep::{FLOOR, Pair, Point, Sweep, sweep_pictures, verdict, zeros};

/// The page of a sweep of this program.
pub fn sweep_page(sweep: &Sweep, source: &str) -> Page {
    let charts: Vec<Drawing> = sweep_pictures(sweep).into_iter().map(|(_, chart)| Drawing::Lines(chart)).collect();
    let notes: Vec<(String, String)> = sweep.notes.iter().map(|n| ("note".to_owned(), n.clone())).collect();
    let mut sections = vec![
        Section { title: "Summary".into(), blocks: summary(sweep) },
        Section { title: "Curves".into(), blocks: vec![Block::Charts(charts)] },
        Section { title: "Fits".into(), blocks: vec![Block::Table(points(sweep))] },
    ];
    if !sweep.certificate.is_empty() {
        sections.push(Section { title: "Certificate".into(), blocks: vec![Block::Table(pairs(sweep))] });
    }
    sections.push(Section { title: "Program".into(), blocks: vec![Block::Program(source.into())] });
    let about: Vec<(String, String)> =
        sweep.points.iter().map(|p| (name(sweep, p), p.run.clone())).chain(notes).collect();
    sections.push(Section { title: "Runs and notes".into(), blocks: vec![Block::Facts(about)] });
    let subtitle = [
        sweep.title.as_ref().map(|_| sweep.model.clone()),
        Some(plural(sweep.points.len() as u64, "fit")),
        Some(duration(sweep.seconds)),
        Some(format!("{} at a time, {} each", sweep.jobs, plural(sweep.threads, "thread"))),
    ];
    Page {
        title: sweep.title.clone().unwrap_or_else(|| sweep.model.clone()),
        subtitle: subtitle.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        sections,
        footer: format!("Written by fe {}.", sweep.fe_version),
    }
}

fn name(sweep: &Sweep, p: &Point) -> String {
    p.at.iter().map(|(n, v)| sweep.said(n, *v)).collect::<Vec<_>>().join(", ")
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
        let (said, tone) = verdict(sweep);
        blocks.push(Block::Notice(
            Mood::from(tone),
            "The certificate".into(),
            format!("{said}: {of} between neighbouring weights."),
        ));
    }
    for p in &sweep.points {
        if let Some(why) = &p.failed {
            blocks.push(Block::Notice(Mood::Bad, "Failed:".into(), format!("{}: {why}", name(sweep, p))));
        }
    }
    blocks
}

fn points(sweep: &Sweep) -> Table {
    let columns =
        ["F", "D", "R, nats", "R, bits", "spikes", "prior spikes", "nats/spike", "zeros", "held out F", "held out R²"];
    let columns = columns.map(|c| (c.to_owned(), Kind::Figure));
    let mut table = Table::new("Figures per row", columns.into_iter().chain([("converged".to_owned(), Kind::Word)]));
    let figure = |v: f64| Cell::Text(if v.is_finite() { fixed(v, 4) } else { String::new() });
    let maybe = |v: Option<f64>| Cell::Text(v.map(|v| significant(v, 4)).unwrap_or_default());
    for p in &sweep.points {
        let held = p.heldout.as_ref();
        let state = match (&p.failed, p.converged) {
            (Some(_), _) => Cell::Said(Mood::Bad, "failed".into()),
            (None, false) => Cell::Said(Mood::Doubtful, "no".into()),
            (None, true) => Cell::Text("yes".into()),
        };
        table.row(
            name(sweep, p),
            [
                figure(p.account.free_energy),
                figure(p.account.distortion),
                figure(p.account.rate),
                figure(p.account.rate / std::f64::consts::LN_2),
                maybe(p.account.energy),
                maybe(p.account.prior_energy),
                maybe(p.account.energy.filter(|e| *e > 0.0).map(|e| p.account.rate / e)),
                Cell::Text(zeros(p).map(percent).unwrap_or_default()),
                figure(held.map_or(f64::NAN, |h| h.account.free_energy)),
                maybe(held.and_then(|h| h.account.r2)),
                state,
            ],
        );
    }
    table
}

fn pairs(sweep: &Sweep) -> Table {
    let columns = [
        ("slope", Kind::Figure),
        ("±", Kind::Figure),
        ("at least", Kind::Figure),
        ("at most", Kind::Figure),
        ("", Kind::Word),
    ];
    let caption = sweep.certifies.clone().unwrap_or_default();
    let mut table = Table::new(&caption, columns);
    for pair in &sweep.certificate {
        let [low, high] = pair.within;
        let digits = |v: Option<f64>, n: i32| Cell::Text(v.map(|v| significant(v, n)).unwrap_or_default());
        table.row(
            pair_name(sweep, pair),
            [digits(pair.slope, 4), digits(pair.error, 2), digits(Some(low), 4), digits(Some(high), 4), outcome(pair)],
        );
    }
    table
        .remarks
        .push(format!("Pairs that differ by less than {FLOOR} have collapsed onto each other and are skipped."));
    table
}

fn outcome(pair: &Pair) -> Cell {
    match (pair.holds, pair.beaten, pair.violation) {
        (Some(true), ..) => Cell::Said(Mood::Good, "holds".into()),
        (Some(false), Some(beaten), Some(lacks)) => {
            Cell::Said(Mood::Bad, format!("{beaten} is beaten by {} nats", significant(lacks, 3)))
        }
        (Some(false), ..) => Cell::Said(Mood::Bad, "violated".into()),
        (None, ..) => Cell::Text("skipped".into()),
    }
}

fn pair_name(sweep: &Sweep, pair: &Pair) -> String {
    let first = sweep.over.first().map_or("", String::as_str);
    let along = sweep.over.get(1).zip(pair.along).map(|(n, v)| format!(", {}", sweep.said(n, v))).unwrap_or_default();
    format!("{} to {}{along}", sweep.said(first, pair.from), pair.to)
}
