//! The only writers to standard output and standard error. A reader that has left, as in `fe explain … | head`, is no fault.

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use fe_pipeline::Text;
use fe_syntax::Diagnostic;

use crate::failure::Failure;
use crate::render;

/// Writes to standard output.
///
/// # Errors
/// When it cannot be written, as on a full disk.
pub fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(visible(text, render::colour_on_stdout()).as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Io(format!("standard output cannot be written: {e}")))
        }
        _ => Ok(()),
    }
}

/// Writes to standard error; there is nowhere to say that it failed.
pub fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(visible(text, render::colour_on_stderr()).as_bytes());
}

/// A text whose control characters are seen and not obeyed, colours apart where there are any: names of a program, levels of
/// its data and paths may hold them.
fn visible(text: &str, colours: bool) -> Cow<'_, str> {
    let obeyed = |c: char| {
        let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() && !matches!(c, '\n' | '\t') || direction
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(obeyed) {
        let (before, after) = rest.split_at(at);
        shown.push_str(before);
        let colour = after.strip_prefix("\u{1b}[").filter(|_| colours).and_then(|code| {
            let end = code.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            code.get(end..)?.starts_with('m').then_some(2 + end + 1)
        });
        let length = colour.unwrap_or_else(|| after.chars().next().map_or(1, char::len_utf8));
        let (own, following) = after.split_at(length.min(after.len()));
        match (colour, own.chars().next()) {
            (None, Some(c)) => shown.push(picture(c)),
            _ => shown.push_str(own),
        }
        rest = following;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The sign of a control character.
fn picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Writes diagnostics of a program to standard error.
pub fn diagnostics(text: &Text, diagnostics: &[Diagnostic]) {
    err(&render::text(&text.file, &text.source, diagnostics, render::colour_on_stderr()));
}

/// Columns of the terminal; `COLUMNS` wins, and 100 elsewhere.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse::<usize>().ok());
    columns
        .or_else(|| console::Term::stdout().size_checked().map(|(_, w)| usize::from(w)))
        .unwrap_or(100)
        .clamp(60, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_colours_kept() {
        assert_eq!(visible("plain\ttext\n", true), "plain\ttext\n");
        assert_eq!(visible("\u{1b}[31mred\u{1b}[0m", true), "\u{1b}[31mred\u{1b}[0m");
        assert_eq!(visible("\u{1b}[31mred", false), "\u{241b}[31mred");
        assert_eq!(visible("a\u{1b}]0;title\u{7}b\u{7f}", true), "a\u{241b}]0;title\u{2407}b\u{2421}");
        assert_eq!(visible("\u{1b}[2Jgone\r\u{9b}x", true), "\u{241b}[2Jgone\u{240d}\u{fffd}x");
        assert_eq!(visible("x\u{202e}y\u{1b}", true), "x\u{fffd}y\u{241b}");
    }
}
