//! Takes tokens and comments from the source, in order, as the tree is walked.

use super::layout::Doc;
use crate::lexer::Lexed;
use crate::span::Span;
use crate::token::Lexeme;

/// Takes tokens and comments from the source, in order, as the tree is walked.
pub struct Writer<'a, 's> {
    text: &'s str,
    tokens: &'a [Lexeme<'s>],
    comments: &'a [Span],
    /// Where the last token or comment ended.
    end: usize,
    /// Whether a comment stands behind the last token.
    commented: bool,
}

impl<'a, 's> Writer<'a, 's> {
    pub fn new(text: &'s str, lexed: &'a Lexed<'s>) -> Self {
        Self { text, tokens: &lexed.tokens, comments: &lexed.comments, end: 0, commented: false }
    }

    fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.start..span.end).unwrap_or_default().trim_end()
    }

    /// Takes the next comment, if it begins before `limit`.
    fn comment(&mut self, limit: usize) -> Option<&'s str> {
        let (first, rest) = self.comments.split_first()?;
        if first.start >= limit {
            return None;
        }
        self.comments = rest;
        self.end = first.end;
        Some(self.slice(*first))
    }

    fn upcoming(&self) -> usize {
        self.tokens.first().map_or(self.text.len(), |next| next.span.start)
    }

    /// Whether the source has an empty line between the last piece and `start`.
    fn blank_before(&self, start: usize) -> bool {
        let gap = self.text.get(self.end..start).unwrap_or_default();
        gap.matches('\n').count() > 1
    }

    /// Whether a comment stands between the last token and the next.
    pub fn displaced(&self) -> bool {
        self.commented || self.comments.first().is_some_and(|next| next.start < self.upcoming())
    }

    /// The comments that stand before a statement or at the end of a block, and the empty lines among them.
    pub fn lead(&mut self, mut first: bool, parts: &mut Vec<Doc<'s>>) {
        let upcoming = self.upcoming();
        loop {
            let start = self.comments.first().map_or(upcoming, |comment| comment.start.min(upcoming));
            let more = start < upcoming || !self.tokens.is_empty();
            if !first && more && self.blank_before(start) {
                parts.push(Doc::Blank);
            }
            let Some(comment) = self.comment(upcoming) else {
                break;
            };
            parts.extend([Doc::Hard, Doc::Text(comment), Doc::Hard]);
            first = false;
        }
        self.commented = false;
    }

    /// The next token, with the comments before it and the one behind it on its line.
    pub fn token(&mut self) -> Doc<'s> {
        let Some((lexeme, rest)) = self.tokens.split_first() else {
            return Doc::Join(Vec::new());
        };
        let mut parts = Vec::new();
        if self.commented {
            parts.push(Doc::Hard);
        }
        while let Some(comment) = self.comment(lexeme.span.start) {
            parts.extend([Doc::Hard, Doc::Text(comment), Doc::Hard]);
        }
        parts.push(Doc::Text(self.slice(lexeme.span)));
        self.tokens = rest;
        self.end = lexeme.span.end;
        let next = self.comments.first().map_or(self.end, |next| next.start);
        let gap = self.text.get(self.end..next.min(self.upcoming())).unwrap_or_default();
        let behind = if gap.contains('\n') { None } else { self.comment(self.upcoming()) };
        self.commented = behind.is_some();
        parts.extend(behind.map(Doc::Suffix));
        Doc::Join(parts)
    }

    pub fn tokens(&mut self, count: usize) -> Doc<'s> {
        Doc::Join((0..count).map(|_| self.token()).collect())
    }

    /// A token of a statement outside its brackets and values, indented if a comment put it on a line of its own.
    pub fn word(&mut self) -> Doc<'s> {
        Doc::indent(vec![self.token()])
    }

    /// The comments before a closing brace; no empty line goes before the brace itself.
    pub fn lead_inside(&mut self, first: bool, parts: &mut Vec<Doc<'s>>) {
        if self.commented {
            parts.push(Doc::Hard);
        }
        self.lead(first, parts);
        if matches!(parts.last(), Some(Doc::Blank)) {
            parts.pop();
        }
    }

    /// A keyword and a space.
    pub fn keyword(&mut self) -> Doc<'s> {
        Doc::Join(vec![self.token(), Doc::Space])
    }
}
