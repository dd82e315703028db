//! What expressions compute, against the same computed by hand.

use std::collections::HashMap;
use std::sync::Arc;

use fe_candle::{CandleExecutor, Precision};
use fe_check::{Init, Overrides, Program, Reader, sources};
use fe_graph::{Axis, Executor, Feed, NodeId, Tensor};
use fe_syntax::parse;

use crate::common::{checked, program, rendered};

/// The value of a node over axes in their declared order, with data as written and parameters at their start.
pub fn value(text: &str, program: &Program, node: NodeId, axes: &[Axis]) -> Vec<f64> {
    let sorted = |axes: &[Axis], values: Vec<f64>| {
        let shape: Vec<usize> = axes.iter().map(|a| program.graph.extent_of(a.id)).collect();
        let mut order: Vec<usize> = (0..axes.len()).collect();
        order.sort_by_key(|&k| axes[k]);
        Arc::new(Tensor::new(shape, values).unwrap().permuted(&order).unwrap())
    };
    let mut inputs = HashMap::new();
    for call in sources(&parse(text).ast, &Overrides::default()).0 {
        let Reader::Numbers { values, .. } = call.reader else { panic!("data of these tests are written out") };
        let data = program.data.iter().find(|d| d.name == call.data).unwrap();
        inputs.insert(data.input, sorted(&data.axes, values));
    }
    for p in &program.params {
        let size: usize = p.axes.iter().map(|a| program.graph.extent_of(a.id)).product();
        let start = match &p.init {
            Init::Constant(v) => vec![*v; size],
            Init::Values(v) => v.clone(),
            // A fixed pattern in place of a random start.
            _ => (0..size).map(|k| 0.1 * (k as f64 + 1.0)).collect(),
        };
        let raw = start.iter().map(|&v| p.support.unconstrain(v).unwrap()).collect();
        inputs.insert(p.input, sorted(&p.axes, raw));
    }
    let executor = CandleExecutor::new(Precision::F64, "cpu").unwrap();
    let feed = Feed { inputs, ..Feed::default() };
    let out = executor.compile(&program.graph, &[node]).unwrap().run(&feed).unwrap().remove(0);
    // From sorted axes back to the declared order.
    let mut by_name: Vec<Axis> = axes.to_vec();
    by_name.sort();
    let order: Vec<usize> = axes.iter().map(|a| by_name.iter().position(|b| a == b).unwrap()).collect();
    out.permuted(&order).unwrap().values
}

/// The `let` called `out`, its axes by name, and its values.
pub fn out(text: &str) -> (String, Vec<f64>) {
    let text = format!(
        "{text}\ndata observed[2] = [0, 0]\nlatent unseen ~ Normal(0, 1)\nobserve observed ~ Normal(unseen + 0 * sum_all(out), 1)\nfn sum_all(a) = 0"
    );
    let checked = checked(&text);
    let program = checked.program.unwrap_or_else(|| panic!("{}", rendered(&text, &checked.diagnostics)));
    let named = program.lets.iter().find(|l| l.name == "out").unwrap();
    let axes: Vec<String> = named.axes.iter().map(|&a| program.graph.axis_name(a)).collect();
    (axes.join(" "), value(&text, &program, named.node, &named.axes))
}

pub fn close(text: &str, axes: &str, expected: &[f64]) {
    let (names, values) = out(text);
    assert_eq!(names, axes, "{text}");
    assert_eq!(values.len(), expected.len(), "{text}: {values:?}");
    for (a, b) in values.iter().zip(expected) {
        assert!((a - b).abs() < 1e-12, "{text}: {values:?} is not {expected:?}");
    }
}

const A: &str = "data a[P, Q] = [[1, 2, 3], [4, 5, 6]]\n";
const B: &str = "data b[Q, R] = [[1, 0], [0, 1], [2, 2]]\n";
const F: &str = "data s[S] = [1, 10]\nlet F[S, S'] = [[1, 2], [3, 4]]\n";

#[test]
fn products() {
    close(&format!("{A}{B}let out = a @ b"), "P R", &[7.0, 8.0, 16.0, 17.0]);
    close(&format!("{A}let out = a @ transpose(a[P', Q])"), "P P'", &[14.0, 32.0, 32.0, 77.0]);
    close(&format!("{F}let out = s @ F"), "S", &[31.0, 42.0]);
    close(&format!("{F}let out = F @ s"), "S", &[21.0, 43.0]);
    close(&format!("{F}let out = F @ F"), "S S'", &[7.0, 10.0, 15.0, 22.0]);
    close(&format!("{F}let out = F @ F @ s"), "S", &[107.0, 235.0]);
    close(&format!("{F}let out = s @ s"), "", &[101.0]);
    close(&format!("{F}let out = transpose(F) @ s"), "S", &[31.0, 42.0]);
    close(&format!("{F}let out = s @ transpose(F)"), "S", &[21.0, 43.0]);
}

#[test]
fn axes_by_name() {
    close(&format!("{A}data q[Q] = [1, 10, 100]\nlet out = a * q"), "P Q", &[1.0, 20.0, 300.0, 4.0, 50.0, 600.0]);
    close(&format!("{A}data q[Q] = [1, 10, 100]\nlet out = q * a"), "Q P", &[1.0, 4.0, 20.0, 50.0, 300.0, 600.0]);
    close(&format!("{F}let out = s[S] - s[S']"), "S S'", &[0.0, -9.0, 9.0, 0.0]);
    close(&format!("{F}let out = sum(s[S] - s[S'], S)"), "S", &[9.0, -9.0]);
    close(&format!("{F}let out[S, S'] = s"), "S S'", &[1.0, 1.0, 10.0, 10.0]);
    close(&format!("{A}let out[Q, P] = a"), "Q P", &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    close(&format!("{A}let out = P * 100 + Q"), "", &[203.0]);
}

#[test]
fn reductions() {
    close(&format!("{A}let out = sum(a)"), "P", &[6.0, 15.0]);
    close(&format!("{A}let out = sum(a, P)"), "Q", &[5.0, 7.0, 9.0]);
    close(&format!("{A}let out = sum(a, P, Q)"), "", &[21.0]);
    close(&format!("{A}let out = mean(a, Q)"), "P", &[2.0, 5.0]);
    close(&format!("{A}let out = max(a, P)"), "Q", &[4.0, 5.0, 6.0]);
    close(&format!("{A}let out = min(a)"), "P", &[1.0, 4.0]);
    close(&format!("{A}let out = max(a, 3.5)"), "P Q", &[3.5, 3.5, 3.5, 4.0, 5.0, 6.0]);
    let e = |x: f64| x.exp();
    let z = e(1.0) + e(2.0) + e(3.0);
    close("data v[Q] = [1, 2, 3]\nlet out = softmax(v, Q)", "Q", &[e(1.0) / z, e(2.0) / z, e(3.0) / z]);
    close("data v[Q] = [1, 2, 3]\nlet out = logsumexp(v, Q)", "", &[z.ln()]);
}

#[test]
fn arrays() {
    close(&format!("{F}let out = diag(F)"), "S", &[1.0, 4.0]);
    close(&format!("{F}let out = diag(s)"), "S S'", &[1.0, 0.0, 0.0, 10.0]);
    close(&format!("{F}let out = eye(S) + 0 * F"), "S S'", &[1.0, 0.0, 0.0, 1.0]);
    close(&format!("{A}let out = slice(a, Q, 1, 3)"), "P 2", &[2.0, 3.0, 5.0, 6.0]);
    close(
        &format!("{A}let out = concat(a, a, Q)"),
        "P 6",
        &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 5.0, 6.0],
    );
    close(
        &format!("{A}dim V = 4\ndata u[P] = [7, 8]\nlet w[P, 1] = u\nlet out = concat(a, w, V)"),
        "P V",
        &[1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0, 8.0],
    );
}

#[test]
fn picking() {
    let index = "data c[M] : index(P) = [1, 0, 1]\n";
    close(&format!("{A}{index}let out = a[c]"), "M Q", &[4.0, 5.0, 6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    close(&format!("{A}{index}data d[M] : index(Q) = [2, 0, 1]\nlet out = a[c, d]"), "M", &[6.0, 1.0, 5.0]);
    close(&format!("{A}{index}data d[M] : index(Q) = [2, 0, 1]\nlet out = a[d, c]"), "M", &[6.0, 1.0, 5.0]);
    close(&format!("{A}let out = a[1, 2] + 0"), "", &[6.0]);
    close(&format!("{A}let out = a[1, Q]"), "Q", &[4.0, 5.0, 6.0]);
    close(&format!("{A}let out = a[P, 0]"), "P", &[1.0, 4.0]);
}

/// What a constant picks has the axes of both branches, so that nothing is summed otherwise when it is set otherwise.
#[test]
fn a_constant_picks_a_branch_and_no_axes() {
    for (c, expected) in [(1, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]), (0, [3.0, 4.0, 5.0, 6.0, 8.0, 10.0])] {
        let text = format!(
            "dim K = 3\nconst c = {c}\ndata y[N] = [1, 2]\nlet W[K] = [3, 4, 5]\nlet out = if c > 0 then y else y * W"
        );
        close(&text, "N K", &expected);
    }
}

#[test]
fn logic_and_lists() {
    close("data v[Q] = [-1, 0, 2]\nlet out = if v > 0 then v else 10 * v", "Q", &[-10.0, 0.0, 2.0]);
    close("data v[Q] = [-1, 0, 2]\nlet out = v >= 0 and not (v == 0) or v == -1", "Q", &[1.0, 0.0, 1.0]);
    close("data v[Q] = [-1, 0, 2]\nlet out = if v != 0 then [1, 2, 3] else v", "Q", &[1.0, 0.0, 3.0]);
    close("dim Q = 2\nparam p = 3\nlet out[Q] = [p, p^2] + 0", "Q", &[3.0, 9.0]);
    close("dim Q = 2\nparam p = 3\nlet out[Q, Q'] = [[p, 1], [2, -p]]", "Q Q'", &[3.0, 1.0, 2.0, -3.0]);
    close("param p : positive = 2\nlet out = -p^2 + 2^3^1 / 4", "", &[-2.0]);
    close("param p : real(1, 3) = 2.5\nlet out = p", "", &[2.5]);
}

#[test]
fn functions() {
    let x: f64 = 0.3;
    let p = "param p = 0.3\n";
    close(&format!("{p}let out = silu(p)"), "", &[x / (1.0 + (-x).exp())]);
    close(&format!("{p}let out = logit(p)"), "", &[(x / (1.0 - x)).ln()]);
    close(&format!("{p}let out = log1p(p) + expm1(p) + tanh(p)"), "", &[x.ln_1p() + x.exp_m1() + x.tanh()]);
    close(&format!("{p}let out = p |> exp |> max(2)"), "", &[2.0]);
    close(&format!("{p}fn twice(a) = a + a\nlet out = p |> twice |> twice"), "", &[1.2]);
    close(&format!("{p}let out = sin(p)^2 + cos(p)^2 + abs(-p) - relu(-p) + floor(p)"), "", &[1.3]);
}

/// Weights of this test start at 0.1, 0.2, …, row-major over [in, out].
#[test]
fn layers() {
    close(&format!("{A}let out = a |> dense(2)"), "P 2", &[2.2, 2.8, 4.9, 6.4]);
    // Onto an axis of the same name: a map from the axis to itself.
    close("data v[P, 2] = [[1, 10]]\nlet out = v |> dense(2)", "P 2", &[3.1, 4.2]);
    let text = format!("{A}fn f(h) = h |> dense(2)\nlet out = f(a) + f(a)\nlet b = f(a)");
    let text = format!("{text}\nlatent z ~ Normal(0, 1)\nlet c = sum(b + out) * z\nobserve a ~ Normal(z, 1)");
    let names: Vec<String> = program(&text).params.iter().map(|p| p.name.clone()).collect();
    assert_eq!(
        names,
        [
            "out.dense.1.weight",
            "out.dense.1.bias",
            "out.dense.2.weight",
            "out.dense.2.bias",
            "b.dense.1.weight",
            "b.dense.1.bias"
        ]
    );
}
