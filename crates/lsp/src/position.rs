//! Places of a text: bytes as the compiler counts them, lines and UTF-16 units as editors do.

use fe_syntax::Span;
use lsp_types::{Position, Range};

/// The beginnings of a text's lines.
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(k, _)| k + 1);
        Self { starts: std::iter::once(0).chain(after).collect() }
    }

    /// Where a byte stands; past the end, the end.
    pub fn position(&self, text: &str, byte: usize) -> Position {
        let byte = byte.min(text.len());
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = text.get(start..byte).unwrap_or_default();
        let units: usize = before.chars().map(char::len_utf16).sum();
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), character: u32::try_from(units).unwrap_or(u32::MAX) }
    }

    /// The byte at a place; past the end of its line, the end.
    pub fn byte(&self, text: &str, at: Position) -> usize {
        let Some(&start) = self.starts.get(at.line as usize) else { return text.len() };
        let line = text.get(start..).unwrap_or_default().split('\n').next().unwrap_or_default();
        let mut units = 0;
        for (k, c) in line.char_indices() {
            if units >= at.character as usize {
                return start + k;
            }
            units += c.len_utf16();
        }
        start + line.len()
    }

    pub fn range(&self, text: &str, span: Span) -> Range {
        Range { start: self.position(text, span.start), end: self.position(text, span.end) }
    }
}

/// The path of a `file:` address.
pub fn path(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("file://")?;
    // Between the slashes may stand a machine; on Windows a drive follows a third one.
    let path = rest.find('/').map_or("", |k| rest.get(k..).unwrap_or_default());
    let mut bytes = vec![];
    let mut left = path.bytes();
    while let Some(byte) = left.next() {
        let digit = |b: Option<u8>| b.and_then(|b| (b as char).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (digit(left.next())?, digit(left.next())?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            other => bytes.push(other),
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    let drive = path.as_bytes().get(2) == Some(&b':');
    Some(if drive { path.trim_start_matches('/').to_owned() } else { path })
}
