//! The tokens of the language, as the grammar sees them.

use crate::span::Span;
use logos::Logos;

/// One token. Payloads are slices of the source.
#[derive(Logos, Clone, Copy, Debug, PartialEq)]
#[logos(skip r"[ \t\r\n\f\u{A0}\u{FEFF}]+")]
pub enum Token<'s> {
    #[token("model")]
    Model,
    #[token("dim")]
    Dim,
    #[token("const")]
    Const,
    #[token("data")]
    Data,
    #[token("param")]
    Param,
    #[token("let")]
    Let,
    #[token("latent")]
    Latent,
    #[token("guide")]
    Guide,
    #[token("observe")]
    Observe,
    #[token("loss")]
    Loss,
    #[token("meter")]
    Meter,
    #[token("for")]
    For,
    #[token("refine")]
    Refine,
    #[token("minimize")]
    Minimize,
    #[token("train")]
    Train,
    #[token("show")]
    Show,
    #[token("fn")]
    Fn,
    /// The word `price` where it opens a statement; elsewhere it is a name.
    Price,
    /// A place of no width before a line that opens with no keyword.
    Stray,
    /// The word `where` before a condition; elsewhere it is a name.
    Where,
    /// The word `all` of `all but "y"`; elsewhere it is a name.
    All,
    /// The word `but` behind it.
    But,

    #[token("if")]
    If,
    #[token("then")]
    Then,
    #[token("else")]
    Else,
    #[token("and")]
    And,
    #[token("or")]
    Or,
    #[token("not")]
    Not,

    // Words that only matter in their place; the grammar takes them as names elsewhere.
    #[token("in")]
    In,
    #[token("by")]
    By,
    #[token("from")]
    From,
    #[token("over")]
    Over,
    #[token("steps")]
    Steps,
    #[token("subject")]
    Subject,
    #[token("to")]
    To,
    #[token("as")]
    As,

    #[regex(r"[\p{XID_Start}_]\p{XID_Continue}*", priority = 1)]
    Name(&'s str),
    #[regex(r"([0-9](_?[0-9])*(\.([0-9](_?[0-9])*)?)?|\.[0-9](_?[0-9])*)([eE][+-]?[0-9]+)?", priority = 20)]
    Number(&'s str),
    /// What stands between the quotes.
    #[regex("\"[^\"\n]*\"", |lex| lex.slice().trim_matches('"'))]
    Text(&'s str),
    /// `nats`, `bits`, `spikes` or their singulars behind a number.
    Unit(&'s str),
    #[token("%")]
    Percent,
    #[token("'")]
    Prime,

    #[token("|>")]
    Pipe,
    #[token("==")]
    EqualEqual,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("@")]
    At,
    #[token("^")]
    Caret,
    #[token("=")]
    Equals,
    #[token("~")]
    Tilde,
    #[token(":")]
    Colon,
    #[token(",")]
    Comma,
    #[token("?")]
    Question,
    #[token("(")]
    OpenParen,
    #[token(")")]
    CloseParen,
    #[token("[")]
    OpenBracket,
    #[token("]")]
    CloseBracket,
    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,

    /// Stands where something was already reported.
    Invalid,

    /// A comment; kept apart from the tokens that are parsed.
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    /// A piece of another language; the lexer replaces it.
    #[token("**", |_| Slip::Power)]
    #[token("//", |_| Slip::DoubleSlash)]
    #[token("/*", |_| Slip::BlockComment)]
    #[token(";", |_| Slip::Semicolon)]
    #[token(":=", |_| Slip::Walrus)]
    #[token("+=", |_| Slip::Update)]
    #[token("-=", |_| Slip::Update)]
    #[token("*=", |_| Slip::Update)]
    #[token("/=", |_| Slip::Update)]
    #[token("&", |_| Slip::Word("and"))]
    #[token("&&", |_| Slip::Word("and"))]
    #[token("||", |_| Slip::Word("or"))]
    #[token("!", |_| Slip::Word("not"))]
    #[token("->", |_| Slip::Arrow)]
    #[token("=>", |_| Slip::Arrow)]
    #[token(".", |_| Slip::Dot)]
    #[token("\\", |_| Slip::Backslash)]
    #[token("\"\"\"", |_| Slip::TripleQuote)]
    #[token("\"", |_| Slip::Unterminated)]
    #[regex(r"[0-9][\p{XID_Continue}.]*", |_| Slip::Number, priority = 2)]
    Slip(Slip),
}

/// Pieces of other languages that the lexer knows, to say what is written here instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// `**`
    Power,
    /// `//`
    DoubleSlash,
    /// `/*`
    BlockComment,
    /// `;`
    Semicolon,
    /// `:=`
    Walrus,
    /// `+=` and its kin
    Update,
    /// `&&`, `||`, `!`, and the word that is written here
    Word(&'static str),
    /// `->`, `=>`
    Arrow,
    /// `.` that is no part of a number
    Dot,
    /// `\`
    Backslash,
    /// `"""`
    TripleQuote,
    /// `"` without a partner on its line
    Unterminated,
    /// Digits that run into letters or further points
    Number,
}

/// A token and its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lexeme<'s> {
    /// The token.
    pub token: Token<'s>,
    /// Its place.
    pub span: Span,
}

impl Token<'_> {
    /// Whether it opens a statement.
    pub fn opens_statement(self) -> bool {
        use Token::{
            Const, Data, Dim, Fn, For, Guide, Latent, Let, Loss, Meter, Minimize, Model, Observe, Param, Price, Refine,
            Show, Stray, Train,
        };
        matches!(
            self,
            Model
                | Dim
                | Const
                | Data
                | Param
                | Let
                | Latent
                | Guide
                | Observe
                | Loss
                | Meter
                | For
                | Refine
                | Minimize
                | Train
                | Show
                | Fn
                | Price
                | Stray
        )
    }

    /// Whether it is a name, or a word that is one outside its own place.
    pub fn is_word(self) -> bool {
        use Token::{As, By, From, In, Name, Over, Steps, Subject, To};
        matches!(self, Name(_) | In | By | From | Over | Steps | Subject | To | As)
    }

    /// Whether an operand can end with it.
    pub fn ends_operand(self) -> bool {
        use Token::{CloseBracket, CloseParen, Number, Percent, Prime, Text, Unit};
        self.is_word() || matches!(self, Number(_) | Text(_) | Unit(_) | Percent | Prime | CloseParen | CloseBracket)
    }

    /// Whether an operand can begin with it.
    pub fn starts_operand(self) -> bool {
        use Token::{Minus, Not, Number, OpenBracket, OpenParen, Text};
        self.is_word() || matches!(self, Number(_) | Text(_) | OpenParen | OpenBracket | Minus | Not)
    }
}

/// Whether a line break stands between two places.
pub fn line_break_between(text: &str, before: Span, after: Span) -> bool {
    text.get(before.end..after.start).is_some_and(|gap| gap.contains('\n'))
}
