//! Reports as text for a terminal.

pub(crate) mod layout;
mod table;

use crate::document::Document;
use crate::ledger::{Form, Ledger, Line, NO_BREAK, Posterior, Span, Table, Tone, Topic};
use layout::Page;

/// Narrowest and widest page.
const WIDTH: (usize, usize) = (60, 120);

/// Columns for a name before its middle is left out.
pub(crate) const NAME: usize = 24;

/// The indent of a line under a table.
const INDENT: usize = 2;

/// The column at which the text of a labelled statement begins.
const STATEMENT: usize = 13;

/// The column at which the text of the closing paragraphs begins.
pub(crate) const LABEL: usize = 11;

/// Up to 12 elements of one array are all shown, and 8 where it has more.
const FORM: Form = Form { whole: 12, beginning: 8, aligned: true };

/// Columns for the intervals: not drawn below the first, no wider than the second.
const PLOT: (usize, usize) = (24, 40);

/// The whole report of a fit, within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn terminal(document: &Document, width: usize, colour: bool) -> String {
    let ledger = Ledger::of(document);
    let mut page = Page::within(width, colour);
    page.heading(ledger.model, ledger.title);
    page.facts(&ledger.facts);
    page.blank();
    page.ledger(&ledger.account);
    for line in &ledger.statements {
        page.statement(line);
    }
    for table in &ledger.tables {
        page.blank();
        page.ledger(table);
    }
    if let Some(estimates) = &ledger.estimates {
        page.blank();
        page.ledger(&estimates.table(FORM));
    }
    for posterior in &ledger.posteriors {
        page.blank();
        page.posterior(posterior);
    }
    page.checks(&ledger.checks);
    page.into_text()
}

impl Page {
    /// A page of a width that text can be read in.
    pub(crate) fn within(width: usize, colour: bool) -> Self {
        Self::new(width.clamp(WIDTH.0, WIDTH.1), colour)
    }

    /// The name of a model and its title.
    pub(crate) fn heading(&mut self, model: &str, title: Option<&str>) {
        let title = title.map(|title| Span::plain(format!(" · {title}")));
        let spans: Vec<Span> = [Span::strong(model)].into_iter().chain(title).collect();
        self.paragraph(Span::plain(""), 0, &spans);
    }

    /// Facts side by side; lines are broken between them, after the point.
    pub(crate) fn facts(&mut self, facts: &[String]) {
        let facts: Vec<String> = facts.iter().map(|fact| fact.replace(' ', NO_BREAK)).collect();
        self.paragraph(Span::plain(""), 0, &[Span::faint(facts.join(&format!("{NO_BREAK}· ")))]);
    }

    /// A table of typed cells.
    pub(crate) fn ledger(&mut self, table: &Table) {
        let laid = table.laid(table::room(self.width), 0);
        self.table(&laid);
    }

    /// A paragraph with its label.
    pub(crate) fn labelled(&mut self, label: &str, spans: &[Span]) {
        self.paragraph(Span::strong(label), LABEL, spans);
    }

    /// Notes, set apart from what stands before them.
    pub(crate) fn notes<'a>(&mut self, notes: impl IntoIterator<Item = &'a str>) {
        for (place, note) in notes.into_iter().enumerate() {
            if place == 0 {
                self.blank();
            }
            self.labelled("note", &[Span::plain(note)]);
        }
    }

    /// A line under the table of the account.
    fn statement(&mut self, line: &Line) {
        let (lead, indent) = match line.topic {
            Topic::Minimised => (Span::plain("  minimised:"), STATEMENT),
            Topic::Biased => (Span::new("  biased:", Tone::Doubtful), STATEMENT),
            _ => (Span::plain(""), INDENT),
        };
        self.paragraph(lead, indent, &line.spans);
    }

    /// The table of a posterior: with intervals if they fit, and if even the numbers do not, without aligning their
    /// points.
    fn posterior(&mut self, posterior: &Posterior) {
        let room = table::room(self.width);
        let aligned = posterior.table(FORM);
        let bare = aligned.laid(room, 0);
        let [wide, narrow] = bare.widths();
        let plot = self.width.saturating_sub(wide + 4).min(PLOT.1);
        if plot >= PLOT.0 {
            self.table(&aligned.laid(room, plot));
        } else if narrow <= self.width {
            self.table(&bare);
        } else {
            self.table(&posterior.table(Form { aligned: false, ..FORM }).laid(room, 0));
        }
    }

    /// The closing paragraphs. What the importance weights say goes on in the line of the verdict.
    fn checks(&mut self, lines: &[Line]) {
        let mut lines = lines.iter().peekable();
        while let Some(line) = lines.next() {
            let mut spans = line.spans.clone();
            if let Some(weights) = lines.next_if(|next| next.topic == Topic::Weights) {
                spans.push(Span::plain("; "));
                spans.extend(weights.spans.iter().cloned());
            }
            if matches!(line.topic, Topic::LeftOut | Topic::Verdict) {
                self.blank();
            }
            self.labelled(line.topic.label(), &spans);
        }
    }
}

impl Topic {
    fn label(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Minimised => "minimised",
            Self::Biased => "biased",
            Self::LeftOut => "loo",
            Self::Verdict | Self::Weights => "verdict",
            Self::Chains => "chains",
            Self::Starts => "starts",
            Self::Modes => "modes",
            Self::Draws => "draws",
            Self::Descent => "refined",
            Self::Spread => "spread",
            Self::Fault | Self::Note => "note",
        }
    }
}
