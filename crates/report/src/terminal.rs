//! The ledger of a fit, as text for a terminal.

use crate::document::{Document, Latent, LeaveOneOut, Term, TermKind};
use crate::figures::{adding_decimals, bits, count, duration, fixed, maybe, percent, plural, quantity, significant};
use crate::layout::{Align, NO_BREAK, Page, Span, Table, Tone, elide};
use crate::posterior;
use crate::verdict::{MeanField, Starts, Verdict};

/// The objective when a program states none; it needs no line of its own.
pub(crate) const DEFAULT_OBJECTIVE: &str = "distortion + rate";

/// Narrowest and widest page.
pub(crate) const WIDTH: (usize, usize) = (60, 120);

/// From this width on, there is room for longer headings, and for the reason beside each estimator.
const ROOMY: usize = 110;

/// Columns for a name before its middle is left out.
pub(crate) const NAME: usize = 24;

/// How far the line under a table is set in.
const INDENT: usize = 2;

/// Where the text of the closing paragraphs begins.
pub(crate) const LABEL: usize = 11;

/// The whole report of a fit, within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn terminal(document: &Document, width: usize, colour: bool) -> String {
    let mut page = Page::new(width.clamp(WIDTH.0, WIDTH.1), colour);
    heading(&mut page, document);
    free_energy(&mut page, document);
    code(&mut page, document);
    split(&mut page, document);
    meters(&mut page, document);
    held_out(&mut page, document);
    prices(&mut page, document);
    constraints(&mut page, document);
    posteriors(&mut page, document);
    leave_one_out(&mut page, document);
    verdict(&mut page, document);
    page.into_text()
}

fn heading(page: &mut Page, document: &Document) {
    let mut name = vec![Span::strong(&document.model)];
    name.extend(document.title.iter().map(|title| Span::plain(format!(" · {title}"))));
    page.paragraph(Span::plain(""), 0, &name);
    let mut facts = Vec::new();
    if document.rows > 1 {
        facts.push(plural(document.rows, "row"));
    }
    facts.push(match &document.optimizer {
        Some(optimizer) => format!("{} of {optimizer}", plural(document.steps, "step")),
        None => plural(document.steps, "step"),
    });
    facts.push(duration(document.seconds));
    facts.extend(document.executor.clone());
    facts.extend(document.nonzero_fraction.map(|part| format!("{} of counts not 0", percent(part))));
    facts.extend(document.threads.map(|threads| plural(threads, "thread")));
    // Lines are broken between facts, after the point.
    let facts: Vec<String> = facts.iter().map(|fact| fact.replace(' ', NO_BREAK)).collect();
    page.paragraph(Span::plain(""), 0, &[Span::faint(facts.join(&format!("{NO_BREAK}· ")))]);
}

fn free_energy(page: &mut Page, document: &Document) {
    let decimals = terms(page, document);
    evidence(page, document, decimals);
    if document.objective.trim() != DEFAULT_OBJECTIVE {
        let per_row = if document.rows > 1 { " nats per row" } else { " nats" };
        let text = format!("{} = {}{per_row}", document.objective.trim(), fixed(document.objective_value, decimals));
        page.paragraph(Span::plain("  minimised:"), 13, &[Span::plain(text)]);
    }
    for term in document.terms.iter().filter(|term| term.biased) {
        let text = match &term.bias {
            Some(bias) => format!("{}, in training: {bias}", term.name),
            None => format!("{}, in training, by an unknown amount", term.name),
        };
        page.paragraph(Span::new("  biased:", Tone::Doubtful), 13, &[Span::plain(text)]);
    }
}

/// Decimals with which the terms and their sums, as written, add up.
pub(crate) fn adding(document: &Document) -> usize {
    let (distortions, rates) = parts(document);
    let halves = document
        .account
        .local_rate
        .zip(document.account.global_rate)
        .map_or(vec![document.account.rate], |(l, g)| vec![l, g]);
    adding_decimals(&[
        (&distortions, document.account.distortion),
        (&rates, document.account.rate),
        (&halves, document.account.rate),
        (&[document.account.distortion, document.account.rate], document.account.free_energy),
    ])
}

/// The nats of distortions, and of rates.
fn parts(document: &Document) -> (Vec<f64>, Vec<f64>) {
    let part = |rate: bool| -> Vec<f64> {
        let terms = document.terms.iter().filter(|term| (term.kind != TermKind::Distortion) == rate);
        terms.map(|term| term.nats).collect()
    };
    (part(false), part(true))
}

/// Whether the sums of distortions and of rates are worth a line each: they are more than one term.
pub(crate) fn has_sums(document: &Document) -> bool {
    let (distortions, rates) = parts(document);
    distortions.len() > 1 || rates.len() > 1 || document.account.local_rate.zip(document.account.global_rate).is_some()
}

/// The table of the terms and their sums; gives the decimals of its figures.
pub(crate) fn terms(page: &mut Page, document: &Document) -> usize {
    let decimals = adding(document);
    let nats = |value: f64| fixed(value, decimals);
    let se = |se: Option<f64>| Span::faint(se.map_or_else(String::new, |se| significant(se, 2)));

    let title = if document.rows > 1 { "free energy per row" } else { "free energy" };
    let right = |name| (name, Align::Point);
    let mut table = Table::new(title, &[right("nats"), right("± se"), right("bits"), ("estimator", Align::Wrap)]);
    for term in &document.terms {
        // A penalty is no information.
        let information = if term.kind == TermKind::Penalty { String::new() } else { nats(bits(term.nats)) };
        let tone = if term.biased { Tone::Doubtful } else { Tone::Faint };
        table.row(
            &Span::plain(format!("{:<10}  {}", kind(term.kind), elide(&term.name, NAME))),
            [
                Span::plain(nats(term.nats)),
                se(term.se),
                Span::plain(information),
                Span::new(estimator(term, page.width), tone),
            ],
        );
    }
    table.rule();
    if has_sums(document) {
        let mut sum = |label: &str, value: f64, information: String| {
            table.row(&Span::plain(label), [Span::plain(nats(value)), Span::plain(""), Span::plain(information)]);
        };
        sum("D", document.account.distortion, nats(bits(document.account.distortion)));
        sum("R", document.account.rate, nats(document.account.rate_bits()));
        if let Some((local, global)) = document.account.local_rate.zip(document.account.global_rate) {
            sum("  local", local, nats(bits(local)));
            sum("  global / rows", global, nats(bits(global)));
        }
    }
    let information = Span::plain(nats(bits(document.account.free_energy)));
    table.row(
        &Span::strong("F = D + R"),
        [Span::strong(nats(document.account.free_energy)), se(document.account.free_energy_se), information],
    );

    page.blank();
    page.table(&table);
    decimals
}

pub(crate) fn kind(kind: TermKind) -> &'static str {
    match kind {
        TermKind::Distortion => "distortion",
        TermKind::Rate => "rate",
        TermKind::Penalty => "penalty",
    }
}

fn estimator(term: &Term, width: usize) -> String {
    let mut text = term.estimator.clone();
    if term.biased {
        text.push_str(", biased");
    }
    if width >= ROOMY && !term.reason.is_empty() {
        text.push_str(": ");
        text.push_str(&term.reason);
    }
    text
}

fn evidence(page: &mut Page, document: &Document, decimals: usize) {
    page.paragraph(Span::plain(""), INDENT, &[Span::plain(bound(document, decimals))]);
}

/// What the free energy says about the evidence.
pub(crate) fn bound(document: &Document, decimals: usize) -> String {
    let total = document.account.free_energy_total.unwrap_or(f64::NAN);
    // One decimal place less for each power of ten of the rows, so that no digit is shown that the figures lack.
    let powers = document.rows.max(1).ilog10() as usize;
    let total_decimals = decimals.saturating_sub(powers);
    let rows = if document.rows > 1 { format!(" over all {} rows", count(document.rows)) } else { String::new() };
    let penalised = document.terms.iter().any(|term| term.kind == TermKind::Penalty);
    let mut text = if penalised {
        format!("F = {} nats{rows}; with a penalty in it, no bound on the evidence", fixed(total, total_decimals))
    } else {
        format!("log evidence ≥ {} nats{rows}", fixed(-total, total_decimals))
    };
    if document.account.up_to_constant {
        text.push_str("; known up to a constant, as a Flat prior is not normalised");
    }
    text
}

fn code(page: &mut Page, document: &Document) {
    let tells = |latent: &&Latent| {
        latent.energy.is_some() || latent.zeros.is_some() || latent.lifetime_sparsity.is_some() || latent.of.is_some()
    };
    if !document.latents.values().any(|latent| tells(&latent)) {
        return;
    }
    let wide = page.width >= ROOMY;
    let (lifetime, population) = sparsities(page);
    let columns = [
        ("per row", Align::Point),
        ("prior", Align::Point),
        ("per unit", Align::Point),
        ("nats/spike", Align::Point),
        ("zeros", Align::Point),
        (lifetime, Align::Point),
        (population, Align::Point),
        ("active", Align::Right),
    ];
    let mut table = Table::new(if document.account.energy.is_some() { "spikes" } else { "code" }, &columns);
    let three = |value: f64| fixed(value, 3);
    for (name, latent) in document.latents.iter().filter(|(_, latent)| tells(latent)) {
        let active = match (latent.active, latent.of) {
            (Some(active), Some(of)) if wide => format!("{} of {}", count(active), count(of)),
            (Some(active), Some(of)) => format!("{}/{}", count(active), count(of)),
            _ => String::new(),
        };
        table.row(
            &Span::plain(elide(name, NAME)),
            [
                filled(latent.energy, |spikes| significant(spikes, 4)),
                filled(latent.prior_energy, |spikes| significant(spikes, 4)),
                filled(latent.energy.filter(|_| wide && latent.dimension > 1), |spikes| {
                    significant(spikes / latent.dimension as f64, 3)
                }),
                filled(latent.nats_per_spike, |nats| significant(nats, 3)),
                filled(latent.zeros, percent),
                filled(latent.lifetime_sparsity, three),
                filled(latent.population_sparsity, three),
                Span::plain(active),
            ],
        );
    }
    if document.latents.values().filter(|latent| latent.energy.is_some()).count() > 1 {
        let four = |spikes| significant(spikes, 4);
        let prior = filled(document.account.prior_energy, four);
        table.row(&Span::strong("energy"), [Span::strong(maybe(document.account.energy, four)), prior]);
    }
    page.blank();
    page.table(&table);
}

/// The rates of Poisson latents by what their spikes say and what they cost.
fn split(page: &mut Page, document: &Document) {
    let splits = document.latents.iter().filter_map(|(name, latent)| Some((name, latent.rate, latent.split?)));
    let splits: Vec<_> = splits.collect();
    if splits.is_empty() {
        return;
    }
    let columns = ["r f(λ/r)", "λ log(λ/r)", "− λ", "+ r", "mean f", "suppressed", "excited"];
    let mut table = Table::new("rate", &columns.map(|name| (name, Align::Point)));
    for (name, rate, split) in splits {
        let four = |value: f64| significant(value, 4);
        table.row(
            &Span::plain(elide(name, NAME)),
            [
                four(rate),
                four(split.log_ratio),
                four(split.minus_spikes),
                four(split.prior_spikes),
                significant(split.mean_f, 3),
                four(split.suppressed),
                four(split.excited),
            ]
            .map(Span::plain),
        );
    }
    page.blank();
    page.table(&table);
}

/// What the spikes cost, by the user's assumption.
fn prices(page: &mut Page, document: &Document) {
    if document.prices.is_empty() {
        return;
    }
    let columns = ["a spike", "per row", "prior", "per bit", "held out"];
    let mut table = Table::new("price", &columns.map(|name| (name, Align::Right)));
    let four = |value: f64| quantity(value, 4);
    for price in &document.prices {
        table.row(
            &Span::plain(elide(&price.unit, NAME)),
            [
                Span::plain(format!("{:e}", price.per_spike).replace('-', "−")),
                Span::plain(four(price.per_row)),
                filled(price.prior_per_row, four),
                filled(price.per_bit, four),
                filled(price.heldout_per_row, four),
            ],
        );
    }
    table.remark(Span::faint("the price of a spike is the program's assumption"));
    page.blank();
    page.table(&table);
}

/// The cell of a figure; empty where it has no meaning.
pub(crate) fn filled(value: Option<f64>, write: impl Fn(f64) -> String) -> Span {
    Span::plain(value.map_or_else(String::new, write))
}

/// Headings of the two sparsities.
fn sparsities(page: &Page) -> (&'static str, &'static str) {
    if page.width >= ROOMY { ("lifetime sparsity", "population sparsity") } else { ("lifetime", "population") }
}

fn meters(page: &mut Page, document: &Document) {
    if document.meters.is_empty() {
        return;
    }
    let (lifetime, population) = sparsities(page);
    let columns = ["mean", "zeros", lifetime, population].map(|name| (name, Align::Point));
    let mut table = Table::new("meters", &columns);
    for (name, meter) in &document.meters {
        let three = |value: f64| fixed(value, 3);
        let figures = [
            significant(meter.mean, 3),
            percent(meter.zeros),
            maybe(meter.lifetime_sparsity, three),
            maybe(meter.population_sparsity, three),
        ];
        table.row(&Span::plain(elide(name, NAME)), figures.map(Span::plain));
    }
    page.blank();
    page.table(&table);
}

fn held_out(page: &mut Page, document: &Document) {
    let Some(held) = &document.heldout else { return };
    let decimals = adding_decimals(&[(&[held.account.distortion, held.account.rate], held.account.free_energy)]);
    let columns = ["F", "D", "R", "spikes", "prior", "R²"].map(|name| (name, Align::Point));
    let mut table = Table::new("held out", &columns);
    let label = held.rows.map_or_else(|| "per row".into(), |rows| plural(rows, "row"));
    let figures = [
        fixed(held.account.free_energy, decimals),
        fixed(held.account.distortion, decimals),
        fixed(held.account.rate, decimals),
    ];
    let spikes =
        [held.account.energy, held.account.prior_energy].map(|spikes| filled(spikes, |spikes| significant(spikes, 4)));
    let r2 = filled(held.account.r2, |r2| fixed(r2, 3));
    table.row(&Span::plain(label), figures.map(Span::plain).into_iter().chain(spikes).chain([r2]));
    page.blank();
    page.table(&table);
}

fn constraints(page: &mut Page, document: &Document) {
    if document.constraints.is_empty() {
        return;
    }
    let columns = [("reached", Align::Right), ("multiplier", Align::Point), ("", Align::Left)];
    let mut table = Table::new("subject to", &columns);
    for bound in &document.constraints {
        let (word, tone) = if bound.met { ("met", Tone::Good) } else { ("not met", Tone::Bad) };
        table.row(
            &Span::plain(&bound.expr),
            [
                Span::plain(format!("{} {}", significant(bound.value, 4), bound.unit)),
                Span::plain(significant(bound.multiplier, 3)),
                Span::new(word, tone),
            ],
        );
    }
    page.blank();
    page.table(&table);
}

fn posteriors(page: &mut Page, document: &Document) {
    // Titles of one length keep the columns of the two tables under each other.
    for (title, posterior) in
        [("posterior", Some(&document.posterior)), ("resampled", document.posterior_resampled.as_ref())]
    {
        if let Some(posterior) = posterior.filter(|posterior| !posterior.is_empty()) {
            page.blank();
            posterior::print(page, title, posterior);
        }
    }
}

fn leave_one_out(page: &mut Page, document: &Document) {
    if let Some(loo) = &document.loo {
        page.blank();
        page.paragraph(Span::strong("loo"), LABEL, &[Span::plain(left_out(loo))]);
    }
}

/// One line: what the model would have said of each row without having seen it.
pub(crate) fn left_out(loo: &LeaveOneOut) -> String {
    let rows = loo.khat.values().len();
    let mut text = format!("elpd {:.1} ± {:.1} nats, {:.1} effective parameters", loo.elpd, loo.se, loo.p_loo);
    if loo.unreliable > 0 {
        text.push_str(&format!("; {} of {rows} rows cannot be left out by reweighting (k̂ > 0.7)", loo.unreliable));
    }
    text.replace('-', "−")
}

fn verdict(page: &mut Page, document: &Document) {
    let verdict = &document.verdict;
    let (word, tone) = if verdict.converged { ("converged", Tone::Good) } else { ("not converged", Tone::Bad) };
    let mut spans = vec![Span::new(word, tone)];
    if let Some(test) = &verdict.test {
        spans.push(Span::plain(format!(": {test}")));
    }
    if let Some(khat) = verdict.khat {
        let (tone, meaning) = posterior::khat_meaning(khat, verdict);
        spans.push(Span::plain("; "));
        spans.push(Span::new(format!("k̂{NO_BREAK}{}", fixed(khat, 2)), tone));
        if let Some(effective) = verdict.effective.filter(|_| !verdict.resampled()) {
            spans.push(Span::plain(format!(", {} of draws effective", percent(effective).replace(' ', NO_BREAK))));
        }
        spans.push(Span::plain(format!(": {meaning}")));
    }
    page.blank();
    page.paragraph(Span::strong("verdict"), LABEL, &spans);
    for (label, text, tone) in checks(verdict) {
        page.paragraph(Span::strong(label), LABEL, &[Span::new(text, tone)]);
    }
    for note in &verdict.notes {
        page.paragraph(Span::strong("note"), LABEL, &[Span::plain(note)]);
    }
}

/// What was checked beside convergence and k̂: a line each.
pub(crate) fn checks(verdict: &Verdict) -> Vec<(&'static str, String, Tone)> {
    let mut lines = vec![];
    if let Some(starts) = &verdict.starts {
        let tone = if starts.alone() { Tone::Bad } else { Tone::Plain };
        lines.push(("starts", agreement(starts), tone));
    }
    if let Some(draws) = &verdict.draws {
        let text = format!(
            "another set of {} draws moves means by at most {} sd and sds by at most {}",
            count(draws.count),
            // What is smaller is of no account.
            significant(draws.means.max(0.001), 2),
            significant(100.0 * draws.sds.max(0.001), 2) + NO_BREAK + "%",
        );
        lines.push(("draws", text, if draws.too_few() { Tone::Bad } else { Tone::Plain }));
    }
    if let Some(mean_field) = &verdict.mean_field {
        let MeanField { worst, factor } = mean_field;
        let text = if *factor < 1.05 {
            "by linear response, the mean-field guide understates no standard deviation by more than 5 %".into()
        } else {
            let factor = significant(*factor, 3);
            format!(
                "the mean-field guide understates the worst standard deviation, of {worst}, by a factor of {factor}, by linear response"
            )
        };
        lines.push(("spread", text, Tone::Plain));
    }
    lines
}

fn agreement(starts: &Starts) -> String {
    let Starts { count: all, agreeing, unfinished, spread, higher, apart } = *starts;
    let finished = all.saturating_sub(unfinished);
    let mut text = match higher {
        Some(gap) => {
            let others = finished.saturating_sub(agreeing);
            format!(
                "{others} of {all} starts ended up to {} nats higher: there is more than one optimum, and {agreeing} found the \
                 lowest",
                significant(gap, 2)
            )
        }
        // What is within rounding is not told apart.
        None => format!("{agreeing} of {all} starts agree within {} nats", significant(spread.max(0.001), 1)),
    };
    if unfinished > 0 {
        text.push_str(&format!("; {unfinished} had not converged when ended"));
    }
    if apart {
        text.push_str(
            "; those that agree lie more than a standard deviation apart: optima of equal depth, as where labels can be \
             exchanged, of which the guide holds one",
        );
    }
    text
}
