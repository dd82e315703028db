//! A program's source, a line at a time, with its words told apart.

use maud::{Markup, html};

/// Words that begin or join statements.
const WORDS: [&str; 34] = [
    "model", "dim", "const", "data", "param", "let", "latent", "guide", "observe", "loss", "meter", "for", "refine",
    "minimize", "train", "show", "fn", "if", "then", "else", "and", "or", "not", "in", "by", "from", "over", "steps",
    "subject", "to", "as", "price", "true", "false",
];

/// The kind of a piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Comment,
    Text,
    Number,
    Word,
    Other,
}

/// The lines of a program.
pub(super) fn lines(source: &str) -> Markup {
    html! {
        @for line in source.lines() {
            span class="line" {
                @for (piece, text) in pieces(line) {
                    @match piece {
                        Piece::Other => (text),
                        Piece::Comment => span class="comment" { (text) },
                        Piece::Text => span class="text" { (text) },
                        Piece::Number => span class="number" { (text) },
                        Piece::Word => span class="word" { (text) },
                    }
                }
            }
            "\n"
        }
    }
}

/// A line in pieces, which joined are the line.
fn pieces(line: &str) -> Vec<(Piece, &str)> {
    let mut list = vec![];
    let mut rest = line;
    let within = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(first) = rest.chars().next() {
        let run = |take: &dyn Fn(char) -> bool| rest.find(|c| !take(c)).unwrap_or(rest.len());
        let (piece, length) = match first {
            '#' => (Piece::Comment, rest.len()),
            '"' => (Piece::Text, rest.get(1..).and_then(|r| r.find('"')).map_or(rest.len(), |end| end + 2)),
            c if c.is_ascii_digit() => (Piece::Number, number(rest)),
            c if within(c) => {
                let length = run(&within);
                let known = rest.get(..length).is_some_and(|word| WORDS.contains(&word));
                (if known { Piece::Word } else { Piece::Other }, length)
            }
            _ => (Piece::Other, run(&|c| !within(c) && c != '#' && c != '"')),
        };
        let (text, after) = rest.split_at_checked(length.max(first.len_utf8())).unwrap_or((rest, ""));
        list.push((piece, text));
        rest = after;
    }
    list
}

/// How long the number is that a text begins with: `40_000`, `0.5`, `2.4e-9`. A range `0..8` begins with 0.
fn number(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len())
    };
    let is = |at: usize, wanted: &dyn Fn(u8) -> bool| text.as_bytes().get(at).is_some_and(|&b| wanted(b));
    let mut end = digits(0);
    if is(end, &|b| b == b'.') && is(end + 1, &|b| b.is_ascii_digit()) {
        end = digits(end + 1);
    }
    if is(end, &|b| b == b'e' || b == b'E') {
        let sign = usize::from(is(end + 1, &|b| b == b'-' || b == b'+'));
        if is(end + 1 + sign, &|b| b.is_ascii_digit()) {
            end = digits(end + 1 + sign);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Vec<(Piece, &str)> {
        pieces(line).into_iter().filter(|(piece, text)| *piece != Piece::Other && !text.trim().is_empty()).collect()
    }

    #[test]
    fn pieces_are_told_apart_and_nothing_is_lost() {
        use Piece::{Comment, Number, Text, Word};
        let line = "let W2 = npy(\"a # b\") * 2.5e-3 # data, \"x\"";
        assert_eq!(told(line), [(Word, "let"), (Text, "\"a # b\""), (Number, "2.5e-3"), (Comment, "# data, \"x\"")]);
        assert_eq!(told("beta = 0.01..8 + 40_000e"), [(Number, "0.01"), (Number, "8"), (Number, "40_000")]);
        for line in [line, "β̂ ~ Normal(ü, \"open", "", "é#", "1.", "1e+"] {
            assert_eq!(pieces(line).into_iter().map(|p| p.1).collect::<String>(), line);
        }
    }

    #[test]
    fn source_is_escaped() {
        let html = lines("model x \"<script>\"\n# </code>&\n").into_string();
        assert_eq!(html.matches("class=\"line\"").count(), 2);
        assert!(!html.contains("<script>") && !html.contains("</code>") && html.contains("&lt;script&gt;"));
    }
}
