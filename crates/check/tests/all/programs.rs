//! The nine programs of the language's definition, elaborated.

use std::collections::HashMap;

use crate::common::*;
use fe_check::{Functional, Guide, Header, Init, OptimizerKind, Overrides, Program, Row, Schedule, check, sources};
use fe_distribution::Support;
use fe_graph::{AxisId, NodeId, Origin};
use fe_syntax::parse;

fn axes(p: &Program, axes: &[fe_graph::Axis]) -> String {
    axes.iter().map(|&a| p.graph.axis_name(a)).collect::<Vec<_>>().join(" ")
}

/// Everything that a program says, its expressions as one listing of the graph.
fn summary(p: &Program) -> String {
    let mut text = format!("model {} {:?}\nrow {:?}\n", p.name, p.title, p.row);
    let mut nodes: Vec<NodeId> = vec![];
    for d in &p.data {
        text.push_str(&format!("data {}[{}] : {:?}\n", d.name, axes(p, &d.axes), d.support));
        nodes.push(d.node);
    }
    for q in &p.params {
        text.push_str(&format!("param {}[{}] : {:?} = {:?}\n", q.name, axes(p, &q.axes), q.support, q.init));
    }
    for l in &p.latents {
        let guide = match &l.guide {
            Guide::Stated(d) => {
                nodes.extend(&d.args);
                d.family.name().to_string()
            }
            other => format!("{other:?}"),
        };
        let prior = l.prior.family.name();
        text.push_str(&format!("latent {}[{}] : {:?} ~ {prior}, guide {guide}\n", l.name, axes(p, &l.axes), l.support));
        nodes.extend(&l.prior.args);
    }
    for o in &p.observes {
        text.push_str(&format!("observe {}[{}] ~ {}\n", o.name, axes(p, &o.axes), o.distribution.family.name()));
        nodes.extend(&o.distribution.args);
    }
    for l in &p.losses {
        text.push_str(&format!("loss {}\n", l.name));
        nodes.push(l.node);
    }
    for l in &p.lets {
        text.push_str(&format!("let {}[{}]\n", l.name, axes(p, &l.axes)));
        nodes.push(l.node);
    }
    text.push_str(&format!("minimize {} = {:?}\n\n", p.objective.text, p.objective.terms));
    text + &p.graph.dump(&nodes)
}

#[test]
fn eight_schools() {
    let p = program(EIGHT_SCHOOLS);
    assert_eq!(p.row, Some(Row { axis: AxisId(1), rows: 8 }));
    assert_eq!(p.graph.axes()[1].name, "J");
    // A datum used as a spread is checked to be positive while loading.
    assert_eq!(p.data.iter().map(|d| d.support).collect::<Vec<_>>(), [Support::Real, Support::Positive]);
    let local: Vec<bool> = p.latents.iter().map(|l| l.is_local(p.row)).collect();
    assert_eq!(local, [false, false, true]);
    insta::assert_snapshot!(summary(&p));
}

#[test]
fn poisson_vae() {
    let p = program(POISSON_VAE);
    assert_eq!(p.row.unwrap().rows, 100_000);
    assert_eq!(p.row.unwrap().axis, AxisId(1));
    assert_eq!(p.train.batch, Some(1000));
    assert_eq!(p.train.optimizer, Some(OptimizerKind::Adamax));
    assert_eq!(p.train.lr, Some(Schedule::Constant(0.005)));
    assert_eq!(p.shows[0].sizes, [16, 16]);
    assert!(matches!(p.latents[0].guide, Guide::Stated(_)));
    insta::assert_snapshot!(summary(&p));
}

#[test]
fn relu_vae() {
    let p = program(RELU_VAE);
    assert_eq!(p.meters.len(), 1);
    insta::assert_snapshot!(summary(&p));
}

#[test]
fn deep() {
    let p = program(DEEP);
    assert_eq!(p.name, "program");
    assert_eq!(p.data[0].support, Support::Unit);
    assert_eq!(p.graph.extent_of(p.data[0].axes[1].id), 784);
    let names: Vec<&str> = p.params.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(names.len(), 14);
    for expected in ["h.dense.2.weight", "z.guide.dense.1.bias", "z.guide.dense.2.weight", "x.observe.dense.3.weight"] {
        assert!(names.contains(&expected), "{names:?}");
    }
    // The spread of a unit-variance input is kept: sd = √(1/fan in).
    let first = p.params.iter().find(|q| q.name == "h.dense.1.weight").unwrap();
    assert_eq!(first.init, Init::Normal { mean: 0.0, sd: (1.0f64 / 784.0).sqrt() });
}

#[test]
fn source_coding() {
    let p = program(SOURCE_CODING);
    assert_eq!(p.row.unwrap().rows, 100_000);
    assert_eq!(
        p.objective.terms,
        [(Schedule::Constant(1.0), Functional::Distortion(None)), (Schedule::Constant(0.5), Functional::Rate(None))]
    );
    insta::assert_snapshot!(summary(&p));
}

#[test]
fn descents_mixtures_chains_and_control_are_checked_in_silence() {
    assert!(codes(DESCENT).is_empty());
    assert!(codes(MIXTURE).is_empty());
    assert!(codes(WALK).is_empty());
    assert!(codes(CONTROL).is_empty());
}

/// Every origin of the graph has a place, and the place of a product is the product's.
#[test]
fn origins() {
    let p = program(POISSON_VAE);
    for node in p.graph.reachable(&p.observes[0].distribution.args) {
        let Origin(k) = p.graph.origin_of(node);
        assert!((k as usize) < p.origins.len());
    }
    let Origin(k) = p.graph.origin_of(p.observes[0].distribution.args[0]);
    let span = p.origins[k as usize];
    assert_eq!(&POISSON_VAE[span.start..span.end], "z @ W");
}

#[test]
fn overrides() {
    let text = "const s = 2\ndim K = 3\ndata x[N] = csv(\"x.csv\", \"x\")\nlatent w[K] ~ Normal(0, s)\n\
                observe x ~ Normal(sum(w), s)\n";
    let set = |pairs: &[(&str, &str)]| {
        let set = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        checked_with(text, &Overrides { set, ..Overrides::default() })
    };
    let p = set(&[("s", "0.5"), ("K", "1_000")]).program.unwrap();
    assert_eq!(p.graph.extent_of(p.latents[0].axes[0].id), 1000);
    assert_eq!(p.graph.constant_value(p.latents[0].prior.args[1]), Some(0.5));
    let code = |pairs| {
        let checked = set(pairs);
        checked.wrong_overrides.iter().chain(&checked.diagnostics).map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!(code(&[("t", "1")]), ["E0113"]);
    assert_eq!(code(&[("w", "1")]), ["E0113"]);
    assert_eq!(code(&[("s", "one")]), ["E0114"]);
    assert_eq!(code(&[("K", "1.5")]), ["E0203"]);
    assert_eq!(code(&[("s", "-1")]), ["E0306", "E0306"]);
}

/// A file that could not be read is not complained about again, and gives no program.
#[test]
fn a_missing_header_is_silent() {
    for text in [EIGHT_SCHOOLS, POISSON_VAE, RELU_VAE, DEEP, SOURCE_CODING] {
        let c = check(&parse(text).ast, &HashMap::new(), &Overrides::default(), "program");
        assert!(c.diagnostics.is_empty(), "{}", rendered(text, &c.diagnostics));
        assert!(c.program.is_none());
    }
}

#[test]
fn the_row_axis() {
    let row =
        |text: &str| program(text).row.map(|r| (program(text).graph.axes()[r.axis.0 as usize].name.clone(), r.axis.0));
    let m = "latent m ~ Normal(0, 1)\n";
    // First in every observed array, and the first axis of the graph, whatever is declared before.
    let text = format!("dim K = 2\ndata c[K] = [1, 2]\ndata x[N, K] = [[1, 2]]\n{m}observe x ~ Normal(m * c, 1)");
    assert_eq!(row(&text), Some(("N".into(), 1)));
    // Arrays that disagree have none.
    let text = format!("data x[N] = [1]\ndata y[M] = [1, 2]\n{m}observe x ~ Normal(m, 1)\nobserve y ~ Normal(m, 1)");
    assert_eq!(row(&text), None);
    // Through a let.
    let text = format!("data x[N] = [1, 2]\nlet y = 2 * x\n{m}observe y ~ Normal(m, 1)");
    assert_eq!(row(&text), Some(("N".into(), 1)));
    // Where nothing is observed, what a loss reads.
    let text = format!("data x[N] = [1, 2]\n{m}loss d = (x - m)^2");
    assert_eq!(row(&text), Some(("N".into(), 1)));
    // A single number has no rows.
    let text = format!("data x = json(\"x.json\", \"x\")\n{m}observe x ~ Normal(m, 1)");
    let headers = HashMap::from([("x".to_owned(), Header::default())]);
    let c = check(&parse(&text).ast, &headers, &Overrides::default(), "program");
    assert_eq!(c.program.unwrap().row, None);
}

/// The same program twice is the same graph.
#[test]
fn elaboration_is_deterministic() {
    for text in [EIGHT_SCHOOLS, POISSON_VAE, RELU_VAE, DEEP, SOURCE_CODING] {
        assert_eq!(summary(&program(text)), summary(&program(text)));
    }
}

#[test]
fn sources_in_order() {
    let (calls, diagnostics) = sources(&parse(EIGHT_SCHOOLS).ast, &Overrides::default());
    assert!(diagnostics.is_empty());
    assert_eq!(calls.iter().map(|c| c.data.as_str()).collect::<Vec<_>>(), ["y", "sigma"]);
    assert_eq!(&EIGHT_SCHOOLS[calls[0].path_span.start..calls[0].path_span.end], "\"eight_schools.csv\"");
    let text = "const n = 5\ndata x[N] = normal_draws(0, 1, count = 2 * n) |> standardize\n\
                data y[N] = cvs(\"y.csv\")\ndata z[N] = csv(5)";
    let (calls, diagnostics) = sources(&parse(text).ast, &Overrides::default());
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].stages.len(), 1);
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0602", "E0606"]);
}
