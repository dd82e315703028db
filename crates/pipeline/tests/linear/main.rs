//! The work of understanding a program grows with its text, and not with the square of it. Bytes that are asked of the allocator
//! stand for the work: they are the same on every machine, however busy. The allocator counts for a whole process, so this is one of
//! its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../cpu/tests/allocations/counting.rs"]
mod counting;

use std::path::Path;

use fe_pipeline::{FitOptions, ReadOptions, Text, derive, load, on_threads, prepare};
use fe_train::Monitor;

use counting::asked;

/// Checks a text, derives what it is the program of, and draws what is wrong with it; gives the bytes that were asked for.
fn work(source: &str) -> usize {
    let text = Text::in_memory("m.fe", source.to_owned(), Path::new("."));
    let understood = || match load(&text, &ReadOptions::default()) {
        Ok(loaded) => _ = derive(&loaded.program, &text),
        Err(e) => _ = fe_render::text(&text.file, &text.source, e.diagnostics(), false),
    };
    on_threads(Some(1), || asked(understood)).unwrap()
}

/// Twice as much text is less than three times the work, but for what it takes at least.
fn linear(name: &str, text: impl Fn(usize) -> String) {
    const LEAST: usize = 4 << 20;
    let [one, two, four] = [1000, 2000, 4000].map(|n| work(&text(n)));
    assert!(two < 3 * one + LEAST && four < 3 * two + LEAST, "{name}: {one}, {two}, {four} bytes");
}

/// One test: what another one asks for meanwhile would be counted too.
#[test]
fn twice_the_text_is_less_than_three_times_the_work() {
    tokens_that_repeat();
    programs_that_grow();
    values_that_are_reported();
}

/// Fits a program and reports it; gives the bytes that were asked for.
fn fit(source: &str) -> usize {
    let text = Text::in_memory("m.fe", source.to_owned(), Path::new("."));
    let fitted = || {
        let prepared = prepare(&text, &ReadOptions::default(), &FitOptions::default()).unwrap();
        let fitted = prepared.fit(None, &mut Unseen).unwrap();
        assert!(prepared.document(&fitted).unwrap().posterior.len() > 1);
    };
    on_threads(Some(1), || asked(fitted)).unwrap()
}

struct Unseen;

impl Monitor for Unseen {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        true
    }

    fn note(&mut self, _: &str) {}
}

/// Each value that is reported has its draws, its moments and its quantiles.
fn values_that_are_reported() {
    const LEAST: usize = 4 << 20;
    let [one, two, four] = [50, 100, 200].map(|n| {
        let lets: String = (0..n).map(|i| format!("let a{i} = z * {i}\n")).collect();
        fit(&format!("data y[N] = [1, 2]\nlatent z ~ Normal(0, 1)\n{lets}observe y ~ Normal(z, 1)\n"))
    });
    assert!(two < 2 * one + LEAST && four < 2 * two + LEAST, "{one}, {two}, {four} bytes");
}

fn tokens_that_repeat() {
    let tokens = [
        "data ",
        "latent ",
        "let a = ",
        "observe ",
        "x ",
        "~ ",
        "( ",
        ") ",
        "[ ",
        "{ ",
        "+ ",
        "- ",
        ", ",
        "1 ",
        "1e9 ",
        "' ",
        "\" ",
        "\"'",
        "# ",
        "= ",
        "|> ",
        "if ",
        "for ",
        "in ",
        ". ",
        "x' ",
        "é ",
        "\\ ",
        "<- ",
        "train { ",
        "x + ",
        "f(x) ",
        "x[N] ",
        "\n",
        "let a = 1\n",
        "data x[N] = [1]\n",
        "latent z ~ Normal(0, 1)\n",
        "for t in T {\n",
        "guide * ~ ",
    ];
    for token in tokens {
        linear(token, |n| token.repeat(n));
    }
}

fn programs_that_grow() {
    let lines = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(line).collect::<String>();
    let data = "data y[N] = [1, 2]\nlatent z ~ Normal(0, 1)\n";
    linear("values of values", |n| {
        let lets = lines(n, &|i| format!("let a{} = a{i} + 1\n", i + 1));
        format!("{data}let a0 = z\n{lets}observe y ~ Normal(a{n}, 1)\n")
    });
    linear("values apart", |n| {
        format!("{data}{}observe y ~ Normal(z, 1)\n", lines(n, &|i| format!("let a{i} = z * {i}\n")))
    });
    linear("constants", |n| {
        format!("{}{data}observe y ~ Normal(z, 1)\n", lines(n, &|i| format!("const c{i} = {i}\n")))
    });
    linear("wrong names", |n| format!("{data}{}", lines(n, &|i| format!("let a{i} = nowhere{i}\n"))));
    linear("numbers", |n| {
        format!(
            "data y[N] = [{}]\nlatent z ~ Normal(0, 1)\nobserve y ~ Normal(z, 1)\n",
            lines(n, &|i| format!("{i}, "))
        )
    });
    linear("comments", |n| format!("{}{data}observe y ~ Normal(z, 1)\n", "# nothing\n".repeat(n)));
}
