//! What is drawn of a program whose lines are too long to be looked at.

use std::ops::Range;

use fe_syntax::Diagnostic;

use crate::position;

/// A line of more bytes is cut.
const LONGEST: usize = 240;

/// Bytes that are left on either side of what a message points at.
const AROUND: usize = 60;

/// Bytes of what it points at itself that are left on either end.
const INSIDE: usize = 60;

/// A program with parts of its lines left out, and where the rest went.
pub struct Excerpt<'s> {
    source: &'s str,
    /// What is left.
    pub text: String,
    /// Bytes of the source that are left out, in order.
    cuts: Vec<Range<usize>>,
}

/// Stands for what is left out.
const GAP: &str = "…";

impl<'s> Excerpt<'s> {
    /// Of the program that a message is about; none where no line that it points at is long.
    pub fn of(source: &'s str, diagnostic: &Diagnostic) -> Option<Self> {
        let mut ends: Vec<usize> = diagnostic.labels.iter().flat_map(|l| [l.span.start, l.span.end]).collect();
        ends.extend([diagnostic.span().start, diagnostic.span().end]);
        ends.iter_mut().for_each(|at| *at = (*at).min(source.len()));
        ends.sort_unstable();
        ends.dedup();
        let mut cuts = vec![];
        let mut from = 0;
        for line in source.split_inclusive('\n') {
            let here = from..from + line.len();
            from = here.end;
            let on: Vec<usize> = ends.iter().copied().filter(|at| here.contains(at)).collect();
            if line.len() > LONGEST && !on.is_empty() {
                let text = line.trim_end_matches(['\n', '\r']).len();
                cuts.extend(Self::cuts(source, here.start..here.start + text, &on));
            }
        }
        if cuts.is_empty() {
            return None;
        }
        let (mut text, mut at) = (String::new(), 0);
        for cut in &cuts {
            text.push_str(source.get(at..cut.start).unwrap_or_default());
            text.push_str(GAP);
            at = cut.end;
        }
        text.push_str(source.get(at..).unwrap_or_default());
        Some(Self { source, text, cuts })
    }

    /// What is left out of a line, around these places on it.
    fn cuts(source: &str, line: Range<usize>, places: &[usize]) -> Vec<Range<usize>> {
        let mut kept: Vec<Range<usize>> = vec![];
        for &at in places {
            let near = at.saturating_sub(AROUND).max(line.start)..(at + INSIDE).min(line.end);
            match kept.last_mut() {
                Some(last) if near.start <= last.end + GAP.len() => last.end = near.end,
                _ => kept.push(near),
            }
        }
        let edges = std::iter::once(line.start).chain(kept.iter().map(|k| k.end));
        let next = kept.iter().map(|k| k.start).chain([line.end]);
        let whole = |at: usize| (at..=line.end).find(|&b| source.is_char_boundary(b)).unwrap_or(line.end);
        edges.zip(next).map(|(a, b)| whole(a)..whole(b)).filter(|cut| cut.len() > GAP.len()).collect()
    }

    /// Where a byte of the source is in what is left.
    pub fn place(&self, byte: usize) -> usize {
        let mut gone = 0;
        for cut in &self.cuts {
            if byte < cut.start {
                break;
            }
            if byte < cut.end {
                return cut.start - gone;
            }
            gone += cut.len() - GAP.len();
        }
        byte - gone
    }

    /// A drawn message with the column of the source in its heading.
    pub fn told(&self, drawn: &str, byte: usize) -> String {
        let ((line, column), (_, shown)) = (position(self.source, byte), position(&self.text, self.place(byte)));
        drawn.replacen(&format!(":{line}:{shown} ]"), &format!(":{line}:{column} ]"), 1)
    }
}
