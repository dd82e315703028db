//! The syntax tree: what was written, with places, and no meaning yet.

use crate::span::{Span, Spanned};

/// A name as written; a prime on an axis is kept apart, in [`AxisRef`].
pub type Name = Spanned<String>;

/// A whole program, statements in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ast {
    /// The statements.
    pub statements: Vec<Statement>,
}

/// One statement and its extent, keyword included.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it says.
    pub kind: StatementKind,
    /// From its keyword to its last token.
    pub span: Span,
}

/// The statements of the language.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each variant shows its fields in an example")]
pub enum StatementKind {
    /// `model name "title"`
    Model { name: Name, title: Option<Spanned<String>> },
    /// `dim K = 512`
    Dim { name: Name, size: Expr },
    /// `const sigma = 0.5`, `const budget = 20 bits` (the unit is part of the expression)
    Const { name: Name, value: Expr },
    /// `data x[N, D] : unit = idx("…") / 255`
    Data(Declaration),
    /// `param W[K, D] : positive = normal(0, 0.05)`
    Param(Declaration),
    /// `let h[N, K] = …`
    Let(Declaration),
    /// `latent z[N, K] : positive ~ Gamma(2, 1) by score`
    Latent { target: Target, ty: Option<Type>, prior: Expr, by: Option<Name> },
    /// `guide mu, tau ~ FullRank()`, `guide z = point`, `guide * ~ Laplace()`
    Guide { targets: Vec<Target>, star: Option<Span>, body: GuideBody, by: Option<Name> },
    /// `observe x ~ Normal(…)`, `observe y[t] ~ …`
    Observe { target: Target, distribution: Expr },
    /// `loss mse = …`
    Loss { name: Name, axes: Vec<AxisRef>, value: Expr },
    /// `meter a`
    Meter { name: Name },
    /// `price spike = 2.4e9 ATP`
    Price { name: Name, value: Expr, unit: Option<Name> },
    /// `for t in T from 5 { … }`
    For { variable: Name, axis: AxisRef, from: Option<Expr>, body: Vec<Statement> },
    /// `refine v[N, K] from u over 16 steps by natural_gradient(step = 0.1)`
    Refine { target: Target, from: Expr, steps: Expr, by: Option<Expr>, average: Option<Expr> },
    /// `minimize distortion + 4 * rate subject to energy <= 5 spikes, rate <= 20 bits`
    Minimize { objective: Expr, bounds: Vec<Expr> },
    /// `train { optimizer = adam(lr = 0.01)  batch = 100 }`
    Train { entries: Vec<TrainEntry> },
    /// `show W as images[16, 16]`
    Show { value: Expr, style: Name, sizes: Vec<Expr> },
    /// `fn block(h) = h |> dense(64) |> silu`
    Fn { name: Name, parameters: Vec<Name>, body: Expr },
    /// A statement that did not parse. It still declares its name (when one could be read), so that one mistake
    /// gives one error.
    Broken { keyword: String, name: Option<Name> },
}

/// What `data`, `param` and `let` share.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The name and axes declared.
    pub target: Target,
    /// `: positive`
    pub ty: Option<Type>,
    /// What stands after `=`.
    pub value: Expr,
}

/// A declared or referenced name with its bracketed axes or indices: `z[N, K]`, `s[t, S]`, `s[0]`, `s[t+1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The name.
    pub name: Name,
    /// The bracketed list, `None` when there is no bracket.
    pub axes: Option<Vec<Expr>>,
    /// Name and bracket.
    pub span: Span,
}

/// An axis: a name or a size written as a number, with primes.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisRef {
    /// `N`, or the digits of a size.
    pub name: Name,
    /// How many primes follow.
    pub primes: u8,
}

/// What a guide says of its latents.
#[derive(Clone, Debug, PartialEq)]
pub enum GuideBody {
    /// `~ Normal(m, s)`, `~ FullRank()`
    Distribution(Expr),
    /// `= point`, `= prior`
    Word(Name),
    /// `= point(v)`
    Call(Expr),
}

/// A type annotation.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// `real`, `positive`, `unit`, `count`, `bool`, `simplex`, `ordered`, `index`.
    pub name: Name,
    /// `(0, 20)` of a range, `(J)` of an index.
    pub arguments: Vec<Expr>,
    /// `real?`: missing values allowed.
    pub optional: bool,
    /// The whole annotation.
    pub span: Span,
}

/// `batch = 1000`
#[derive(Clone, Debug, PartialEq)]
pub struct TrainEntry {
    /// The key.
    pub key: Name,
    /// Its value.
    pub value: Expr,
}

/// An expression and its extent.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Box<ExprKind>,
    /// Where it stands.
    pub span: Span,
}

/// The expressions of the language, loosest binding first.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each variant shows its fields in an example")]
pub enum ExprKind {
    /// `if c then a else b`
    If { condition: Expr, then: Expr, otherwise: Expr },
    /// `x |> f(…)`
    Pipe { value: Expr, into: Expr },
    /// `a + b` and every other binary operator
    Binary { operator: Spanned<BinaryOperator>, left: Expr, right: Expr },
    /// `-a`, `not a`
    Unary { operator: Spanned<UnaryOperator>, operand: Expr },
    /// `x[i, N', t-1]`
    Index { value: Expr, indices: Vec<Expr> },
    /// `f(a, k = b)`; the callee is a name
    Call { function: Name, arguments: Vec<Argument> },
    /// `h |> flatten`, `mu`, `N`
    Name(String),
    /// `N'`: a name with one or more primes
    Primed { name: Name, primes: u8 },
    /// `12`, `2.4e9`, `100_000`, with an optional unit or percent sign
    Number { value: f64, text: String, unit: Option<Spanned<Unit>> },
    /// `"file.csv"`
    Text(String),
    /// `[a, b, c]`, nested for matrices
    List(Vec<Expr>),
    /// `(a)`, kept so that the formatter and the pipe rule can see it
    Parenthesised(Expr),
    /// `as[1, 28, 28]`
    Shape { function: Name, sizes: Vec<Expr> },
    /// `where split == "test"`, `all but "y"`: words that give what follows another meaning
    Clause { word: Clause, operand: Expr },
    /// Stands where an expression could not be read.
    Error,
}

/// Words before an expression that only matter in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// `where`: the rows of which a condition holds.
    Where,
    /// `all but`: the columns that are not named.
    AllBut,
}

impl Clause {
    /// How it is written.
    pub fn written(self) -> &'static str {
        match self {
            Self::Where => "where",
            Self::AllBut => "all but",
        }
    }

    /// How many words it is.
    pub fn words(self) -> usize {
        match self {
            Self::Where => 1,
            Self::AllBut => 2,
        }
    }
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// `k` of `k = b`.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// A unit written behind a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `nats`, `nat`
    Nats,
    /// `bits`, `bit`
    Bits,
    /// `spikes`, `spike`
    Spikes,
    /// `%`
    Percent,
    /// Any other word, as in `2.4e9 ATP`; only a `price` may carry it.
    Other(String),
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `@`
    MatMul,
    /// `^`
    Power,
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOperator {
    /// `-`
    Negate,
    /// `not`
    Not,
}
