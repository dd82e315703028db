//! The page of a run: what is on it, and that nothing in it can reach out or break out.

use crate::fits;
use fe_report::{
    Block, Cell, Column, Document, Label, LeaveOneOut, Nested, Pictured, RunPage, Shades, Size, Table, TraceRow,
    images, run_page, terminal,
};

fn trace() -> Vec<TraceRow> {
    let at = |k: u64| {
        let part = (-(k as f64) / 8.0).exp();
        let (distortion, rate) = (40.0 + 60.0 * part, 30.0 * (1.0 - part));
        TraceRow {
            step: 100 * k,
            seconds: k as f64 * 0.5,
            free_energy: Some(distortion + rate),
            distortion: Some(distortion),
            rate: Some(rate),
            energy: Some(25.0 * (1.0 - part)),
            heldout_free_energy: k.is_multiple_of(5).then_some(distortion + rate + 1.0),
        }
    };
    (0..31).map(at).collect()
}

fn page(document: &Document, source: &str) -> String {
    let trace = trace();
    let wave = |k: u32| (f64::from(k) * 0.7).sin();
    let picture =
        images(&(0..64 * 32).map(wave).collect::<Vec<_>>(), Size::grey(8, 8), None, Shades::Symmetric).unwrap();
    let pictured = Pictured { name: "W".into(), caption: "32 images of 8 × 8".into(), picture };
    let run = RunPage {
        document,
        trace: &trace,
        fit: vec![],
        globals: vec![],
        shown: vec![pictured],
        reconstructions: vec![],
        samples: vec![],
        along: vec![],
        missing: vec![],
        explanation: Some("F = KL(q(z) ‖ p(z)) + E_q[−log p(x)]".into()),
        source,
        verification: None,
        about: vec![("seed".into(), "0".into())],
    };
    run_page(&run).html()
}

/// The text between tags.
fn text(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    let pieces = body.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    pieces.collect::<Vec<_>>().join("\u{1}")
}

#[test]
fn every_figure_of_the_ledger_is_on_the_page() {
    for (name, document) in fits::all() {
        let html = page(&document, "model m");
        let text = text(&html);
        for term in &document.terms {
            assert!(text.contains(&term.name) && text.contains(&term.estimator), "{name}: {}", term.name);
        }
        for bound in &document.constraints {
            assert!(text.contains(&bound.expr.replace('<', "&lt;")), "{name}: {}", bound.expr);
        }
        for note in &document.verdict.notes {
            assert!(text.contains(&note.replace('<', "&lt;").replace('>', "&gt;")), "{name}: {note}");
        }
        let converged = text.contains("Converged, and every check of the fit passed.");
        assert_eq!(converged, document.verdict.judged() == Some(true), "{name}");
        let of_units = document.latents.values().filter_map(|l| l.units.as_ref());
        let histograms: usize = of_units.map(|u| usize::from(u.rate.is_some()) + usize::from(u.energy.is_some())).sum();
        let left_out = if document.loo.is_some() { 2 } else { 0 };
        // Of what has no latents F is the distortion, and there is no rate.
        let course = if document.latents.is_empty() { 2 } else { 4 };
        assert_eq!(html.matches("<svg").count(), histograms + left_out + course, "{name}");
    }
}

/// Two thousand marks at most, with the limit that k̂ is held to.
#[test]
fn rows_left_out_are_marks_of_two_charts() {
    for (rows, said) in [(40usize, "k̂ of each row left out"), (5000, "k̂ of one row in 3 left out")] {
        let [(_, mut document), ..] = fits::all();
        let numbers =
            |scale: f64| Nested::new(vec![rows], (0..rows).map(|k| scale * (k as f64).sin()).collect()).unwrap();
        document.loo = Some(LeaveOneOut { rows: numbers(2.0), khat: numbers(0.5), ..LeaveOneOut::default() });
        let html = page(&document, "model m");
        let section = html.rsplit_once("Rows left out").unwrap().1;
        assert!(section.contains(said) && section.contains("not to be relied on above 0.7"), "{rows}");
        let marks = section.split_once("Course of the fit").unwrap().0.matches("<circle").count();
        // One mark of each row that is shown, in each chart.
        assert_eq!(marks, 2 * rows.div_ceil(rows.div_ceil(2000)), "{rows}");
    }
}

/// Both are of one ledger: what a terminal says in numbers, the page says in the same.
#[test]
fn every_number_of_the_terminal_is_on_the_page() {
    for (name, document) in fits::all() {
        let page = text(&page(&document, "model m")).replace('\u{a0}', " ").replace("&lt;", "<").replace("&gt;", ">");
        let report = terminal(&document, 120, false);
        // A page shows more elements of a large array, and so leaves others to the file.
        let lines = report.lines().filter(|line| !line.contains("more of"));
        let words = lines.flat_map(str::split_whitespace).filter(|word| !word.contains('…'));
        let numbers: Vec<&str> = words.filter(|word| word.contains(|c: char| c.is_ascii_digit())).collect();
        assert!(numbers.len() > 30, "{name}");
        for number in numbers {
            assert!(page.contains(number), "{name}: {number}");
        }
    }
}

#[test]
fn written_terms_add_up_to_the_written_sum() {
    let document = fits::poisson_vae();
    let html = page(&document, "");
    let table = html.split_once("<caption>Free energy per row</caption>").unwrap().1.split_once("</table>").unwrap().0;
    let nats: Vec<f64> = table
        .split("<tr")
        .skip(2)
        .map(|row| {
            let cell = row.split_once("<td class=\"figure\">").unwrap().1.split_once('<').unwrap().0;
            cell.replace(',', "").replace('−', "-").parse().unwrap()
        })
        .collect();
    let (sum, terms) = (nats.last().unwrap(), &nats[..document.terms.len()]);
    assert!((terms.iter().sum::<f64>() - sum).abs() < 1e-9, "{nats:?}");
}

#[test]
fn a_page_reaches_for_nothing() {
    let html = page(&fits::poisson_vae(), "# see https://example.org/\nmodel m");
    // The name space of SVG is a name; what stands in a text is no address.
    let html = html.replace("http://www.w3.org/2000/svg", "").replace("# see https://example.org/", "");
    for reach in ["http:", "https:", "//", "<script", "<link", "@import", "<iframe", "url(", "src=\"/"] {
        let found = html.find(reach).map(|at| html[at.saturating_sub(60)..].chars().take(120).collect::<String>());
        // Base64 has slashes of its own.
        let allowed = reach == "//"
            && found.as_ref().is_some_and(|_| html.replace("data:image/png;base64,", "").len() < html.len());
        assert!(found.is_none() || allowed, "{reach}: {found:?}");
    }
    assert!(html.contains("Content-Security-Policy"));
}

#[test]
fn texts_of_a_program_stay_text() {
    let bad = "</title><script>alert(1)</script><img src=x onerror=alert(2)>";
    let mut document = fits::poisson_vae();
    document.title = Some(bad.into());
    document.model = "\"><b onclick=alert(3)>".into();
    document.objective = format!("distortion + {bad}");
    document.verdict.notes.push(bad.into());
    document.terms[0].name = bad.into();
    document.terms[0].reason = bad.into();
    let html = page(&document, &format!("model m \"{bad}\"\n# </code></pre>{bad}\n"));
    for tag in ["<script", "<img src=x", "<b onclick", "</title><"] {
        assert!(!html.replace("</title><style>", "").contains(tag), "{tag}");
    }
    assert!(html.matches("&lt;script&gt;alert(1)").count() >= 6);
    // Charts have names of their own.
    assert_eq!(html.matches("</code></pre>").count(), 2);
}

#[test]
fn empty_columns_and_sections_are_left_out() {
    let mut table = Table::new("t", "t", [Column::point("a"), Column::word("b")]);
    table.row(Label::Name("x".into()), [Cell::text("1"), Cell::text("")]);
    let section = fe_report::Section { title: "s".into(), blocks: vec![Block::Table(table)] };
    let html = fe_report::Page { title: "p".into(), sections: vec![section], ..Default::default() }.html();
    assert!(html.contains(">a</th>") && !html.contains(">b</th>"));
    let bare = page(&fits::eight_schools(), "");
    assert!(!bare.contains(">Reconstructions<") && !bare.contains(">Samples<"));
}
