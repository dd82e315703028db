//! Tokens, precedence and every statement.

use fe_syntax::ast::{ExprKind, StatementKind};
use fe_syntax::{dump, dump_tokens, parse};

/// The dump of `let x = …` without its head.
fn expr(text: &str) -> String {
    let parsed = parse(&format!("let x = {text}"));
    assert_eq!(parsed.diagnostics, [], "{text}");
    let dump = dump(&parsed.ast);
    dump.strip_prefix("(let x = ").unwrap().strip_suffix(")\n").unwrap().to_owned()
}

fn statement(text: &str) -> String {
    let parsed = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    dump(&parsed.ast).trim_end().to_owned()
}

fn codes(text: &str) -> Vec<&'static str> {
    parse(text).diagnostics.iter().map(|it| it.code).collect()
}

#[test]
fn tokens() {
    insta::assert_snapshot!(dump_tokens("dim K = 100_000  # so many\nlet λ_1 = x[N'] * 2.4e-9 |> f(\"a b\", c = 10%)"), @r#"
    dim name:K = number:100_000
    let name:λ_1 = name:x [ name:N ' ] * number:2.4e-9 |> name:f ( text:"a b" , name:c = number:10 % )
    "#);
    assert_eq!(
        dump_tokens("a==b!=c<=d>=e<f>g|>h"),
        "name:a == name:b != name:c <= name:d >= name:e < name:f > name:g |> name:h\n"
    );
    assert_eq!(dump_tokens(".5 1. 1e3 1.5E+2"), "number:.5 number:1. number:1e3 number:1.5E+2\n");
    assert_eq!(dump_tokens("latents latent"), "name:latents latent\n");
    assert_eq!(dump_tokens("\u{FEFF}a\u{A0}b\tc\r\nd"), "name:a name:b name:c\nname:d\n");
}

#[test]
fn numbers_are_read() {
    let value = |text: &str| {
        let parsed = parse(&format!("const x = {text}"));
        match &parsed.ast.statements[0].kind {
            StatementKind::Const { value, .. } => match &*value.kind {
                ExprKind::Number { value, .. } => *value,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(value("100_000"), 100_000.0);
    assert_eq!(value("2.4e9"), 2.4e9);
    assert_eq!(value(".5"), 0.5);
    assert_eq!(value("1."), 1.0);
    assert_eq!(value("1e-3"), 0.001);
}

#[test]
fn precedence() {
    assert_eq!(expr("a or b and c"), "(or a (and b c))");
    assert_eq!(expr("not a and b"), "(and (not a) b)");
    assert_eq!(expr("not a == b"), "(not (== a b))");
    assert_eq!(expr("not not a"), "(not (not a))");
    assert_eq!(expr("a + b == c * d"), "(== (+ a b) (* c d))");
    assert_eq!(expr("a - b - c"), "(- (- a b) c)");
    assert_eq!(expr("a + b * c @ d / e"), "(+ a (/ (@ (* b c) d) e))");
    assert_eq!(expr("-a * b"), "(* (- a) b)");
    assert_eq!(expr("a * -b"), "(* a (- b))");
    assert_eq!(expr("a - -b"), "(- a (- b))");
    assert_eq!(expr("-a^2"), "(- (^ a 2))");
    assert_eq!(expr("a^b^c"), "(^ a (^ b c))");
    assert_eq!(expr("2^-a^b"), "(^ 2 (- (^ a b)))");
    assert_eq!(expr("a[i]^b[j]"), "(^ ([] a i) ([] b j))");
    assert_eq!(expr("-a[i][j]"), "(- ([] ([] a i) j))");
    assert_eq!(expr("a |> f |> g(1)"), "(|> (|> a f) (g 1))");
    assert_eq!(expr("-a |> f"), "(|> (- a) f)");
    assert_eq!(expr("if a then b |> f else c + d"), "(if a (|> b f) (+ c d))");
    assert_eq!(expr("if a then b else if c then d else e"), "(if a b (if c d e))");
    assert_eq!(expr("if a then if b then c else d else e"), "(if a (if b c d) e)");
    assert_eq!(expr("(a + b) |> f"), "(|> (() (+ a b)) f)");
    assert_eq!(expr("a + (b |> f)"), "(+ a (() (|> b f)))");
    assert_eq!(expr("f(a |> g, k = if a then b else c)"), "(f (|> a g) :k (if a b c))");
}

#[test]
fn two_readings_are_an_error() {
    assert_eq!(codes("let x = a + b |> f"), ["E0095"]);
    assert_eq!(codes("let x = a == b |> f"), ["E0095"]);
    assert_eq!(codes("let x = a |> f + b"), ["E0096"]);
    assert_eq!(codes("let x = a < b < c"), ["E0080"]);
    assert_eq!(codes("let x = a == b != c"), ["E0080"]);
    let parsed = parse("let x = a + b |> f");
    let help = parsed.diagnostics[0].help.clone().unwrap();
    assert_eq!(help, "write `(a + b) |> f` or `a + (b |> f)`");
}

#[test]
fn atoms() {
    assert_eq!(expr("as[1, 28, 28]"), "(as[] 1 28 28)");
    assert_eq!(expr("as + by"), "(+ as by)");
    assert_eq!(expr("x[N', t-1, 0]"), "([] x N' (- t 1) 0)");
    assert_eq!(expr("x[N'']"), "([] x N'')");
    assert_eq!(expr("x[64']"), "([] x 64')");
    assert_eq!(expr("[[1, 0], [0.1, -1]]"), "[[1 0] [0.1 (- 1)]]");
    assert_eq!(expr("f()"), "(f)");
    assert_eq!(expr("20 bits + 1 nat - 3 spikes + 10%"), "(+ (- (+ 20:bits 1:nats) 3:spikes) 10%)");
    assert_eq!(expr("bits + spikes * nats"), "(+ bits (* spikes nats))");
    assert_eq!(expr("\"a\\b # c\""), "\"a\\\\b # c\"");
    assert_eq!(expr("rate(z) + energy"), "(+ (rate z) energy)");
}

#[test]
fn statements() {
    let model = "model eight_schools \"Eight schools\"";
    assert_eq!(statement(model), "(model eight_schools \"Eight schools\")");
    assert_eq!(statement("dim T = 50  dim S = 2"), "(dim T = 50)\n(dim S = 2)");
    assert_eq!(statement("const b = 20 bits"), "(const b = 20:bits)");
    assert_eq!(statement("data x[N] : real(0, 20)? = f()"), "(data x[N] : real 0 20? = (f))");
    assert_eq!(statement("data c : index(J) = c0 - 1"), "(data c : index J = (- c0 1))");
    assert_eq!(statement("param price = 0"), "(param price = 0)");
    assert_eq!(statement("latent z ~ Poisson(r) by score"), "(latent z ~ (Poisson r) by score)");
    assert_eq!(statement("latent s[t+1] ~ Normal(0, by) by by"), "(latent s[(+ t 1)] ~ (Normal 0 by) by by)");
    assert_eq!(statement("guide mu, tau ~ FullRank()"), "(guide mu tau ~ (FullRank))");
    assert_eq!(statement("guide * ~ Laplace()"), "(guide * ~ (Laplace))");
    assert_eq!(statement("guide * = prior"), "(guide * = prior)");
    assert_eq!(statement("guide *= prior"), "(guide * = prior)");
    assert_eq!(statement("guide a[t] = point"), "(guide a[t] = point)");
    assert_eq!(statement("loss c[N, 3, S'] = x"), "(loss c[N 3 S'] = x)");
    assert_eq!(statement("price spike = 2.4e9 ATP price e = 1"), "(price spike = 2.4e9 ATP)\n(price e = 1)");
    assert_eq!(statement("price spike = 2 bits"), "(price spike = 2:bits)");
    assert_eq!(
        statement("refine v[N] from from over over steps by m(average = true, step = 0.1)"),
        "(refine v[N] from from over over by (m :step 0.1) average true)"
    );
    assert_eq!(
        statement("minimize rate subject to a <= 1 bit, b <= 2"),
        "(minimize rate subject-to (<= a 1:bits) subject-to (<= b 2))"
    );
    assert_eq!(statement("minimize subject subject to to <= 1"), "(minimize subject subject-to (<= to 1))");
    assert_eq!(statement("train {}"), "(train)");
    assert_eq!(statement("train { steps = 5  in = 10 % by = 3 }"), "(train :steps 5 :in 10% :by 3)");
}

#[test]
fn chains() {
    assert_eq!(statement("for t in T from 5 { let s[t] = 1 }"), "(for t in T from 5\n  (let s[t] = 1)\n)");
    assert_eq!(statement("for in in in' {}"), "(for in in in'\n)");
    assert_eq!(codes("for t in T { train { batch = 3 } }"), ["E0040"]);
    assert_eq!(codes("for t in T { for s in S { let x = 3 } }"), ["E0040"]);
}

#[test]
fn places_are_exact() {
    let text = "dim K = 3\nlatent  z[N, K] ~ Normal(0, 1 + x)  # c\n";
    let parsed = parse(text);
    let slice = |span: fe_syntax::Span| &text[span.start..span.end];
    assert_eq!(slice(parsed.ast.statements[1].span), "latent  z[N, K] ~ Normal(0, 1 + x)");
    let StatementKind::Latent { target, prior, .. } = &parsed.ast.statements[1].kind else { panic!() };
    assert_eq!(slice(target.span), "z[N, K]");
    assert_eq!(slice(prior.span), "Normal(0, 1 + x)");
    let ExprKind::Call { arguments, .. } = &*prior.kind else { panic!() };
    assert_eq!(slice(arguments[1].value.span), "1 + x");
}
