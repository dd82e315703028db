//! Layers of pictures against the same computed by loops.

use fe_check::Init;

use crate::common::program;
use crate::meaning::{close, value};

const X: &str = "data x[N, 16] = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3]]";

fn x() -> Vec<f64> {
    X.split(&['[', ']', ',', '='][..]).skip(3).filter_map(|n| n.trim().parse().ok()).collect()
}

/// Weights of these tests: 0.1, 0.2, … in declared order.
fn weight(at: usize) -> f64 {
    0.1 * (at as f64 + 1.0)
}

/// Sums of two rows' pictures of 4 × 4 with kernels of 3 × 3, for two channels.
fn convolved(stride: usize) -> Vec<f64> {
    let (x, small) = (x(), 4 / stride);
    let mut all = vec![];
    for (n, o, p, q) in
        (0..2 * 2 * small * small).map(|k| (k / small / small / 2, k / small / small % 2, k / small % small, k % small))
    {
        let mut total = 0.0;
        for (i, j) in (0..9).map(|k| (k / 3, k % 3)) {
            let (h, w) = (p * stride + i, q * stride + j);
            if (1..5).contains(&h) && (1..5).contains(&w) {
                total += x[n * 16 + (h - 1) * 4 + w - 1] * weight(o * 9 + i * 3 + j);
            }
        }
        all.push(total);
    }
    all
}

#[test]
fn convolutions() {
    close(&format!("{X}\nlet out = x |> as[1, 4, 4] |> conv(2)"), "N 2 4 high 4 wide", &convolved(1));
    close(
        &format!("{X}\nlet out = x |> as[1, 4, 4] |> conv(2, kernel = 3, stride = 2)"),
        "N 2 2 high 2 wide",
        &convolved(2),
    );
    let one: Vec<f64> = x().iter().map(|x| 0.1 * x).collect();
    close(&format!("{X}\nlet out = x |> as[1, 4, 4] |> conv(1, kernel = 1)"), "N 1 4 high 4 wide", &one);
}

#[test]
fn a_deconv_lays_kernels_down() {
    let x = x();
    let mut expected = vec![0.0; 2 * 64];
    for (n, p, q, i, j) in (0..2 * 16 * 16).map(|k| (k / 256, k / 64 % 4, k / 16 % 4, k / 4 % 4, k % 4)) {
        let (h, w) = (2 * p + i, 2 * q + j);
        if (1..9).contains(&h) && (1..9).contains(&w) {
            expected[n * 64 + (h - 1) * 8 + w - 1] += x[n * 16 + p * 4 + q] * weight(i * 4 + j);
        }
    }
    close(&format!("{X}\nlet out = x |> as[1, 4, 4] |> deconv(1)"), "N 1 8 high 8 wide", &expected);
}

#[test]
fn squares_and_their_opposite() {
    let x = x();
    let squares = |f: &dyn Fn([f64; 4]) -> f64| -> Vec<f64> {
        (0..8)
            .map(|k| {
                let at = k / 4 * 16 + k / 2 % 2 * 8 + k % 2 * 2;
                f([x[at], x[at + 1], x[at + 4], x[at + 5]])
            })
            .collect()
    };
    let mean = squares(&|s| s.iter().sum::<f64>() / 4.0);
    let top = squares(&|s| s.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v)));
    close(&format!("{X}\nlet out = x |> as[1, 4, 4] |> pool(2)"), "N 1 2 high 2 wide", &mean);
    close(&format!("{X}\nlet out = x |> as[1, 4, 4] |> max_pool(2)"), "N 1 2 high 2 wide", &top);
    let all: Vec<f64> = x.chunks(16).map(|r| r.iter().sum::<f64>() / 16.0).collect();
    close(&format!("{X}\nlet out = x |> as[1, 4, 4] |> pool"), "N 1", &all);
    let larger: Vec<f64> = (0..32).map(|k| x[k / 8 / 2 * 4 + k % 8 / 2]).collect();
    let x_of_d = X.replace("16]", "D]");
    close(&format!("{x_of_d}\nlet out = slice(x, D, 0, 8) |> as[1, 2, 4] |> upsample(2)"), "N 1 4 high 8 wide", &{
        let second: Vec<f64> = (0..32).map(|k| x[16 + k / 8 / 2 * 4 + k % 8 / 2]).collect();
        [larger, second].concat()
    });
}

#[test]
fn shapes() {
    // The rows stay, and so does nothing else: without an observed axis N there are none.
    close(&format!("{X}\nlet out = x |> as[2, 2, 4] |> flatten"), "32", &x());
    let of_rows = format!(
        "{X}\nlet out = x |> as[2, 2, 4] |> flatten\nlatent m ~ Normal(0, 1)\nobserve x ~ Normal(m + 0 * out, 1)"
    );
    let program = program(&of_rows);
    let named = program.lets.iter().find(|l| l.name == "out").unwrap();
    let names: Vec<String> = named.axes.iter().map(|&a| program.graph.axis_name(a)).collect();
    assert_eq!(names, ["N", "16"]);
    assert_eq!(value(&of_rows, &program, named.node, &named.axes), x());
    close(&format!("{X}\ndim H = 4\nlet out = x |> as[1, H, 4] |> as[H, H']"), "N H H'", &x());
    // Channels first, whatever order the file has.
    let turned: Vec<f64> = (0..32).map(|k| x()[k / 16 * 16 + k % 16 % 4 * 4 + k % 16 / 4]).collect();
    close(&format!("{X}\ndim H = 4\ndim C = 4\nlet h = x |> as[H, C]\nlet out[N, C, H] = h"), "N C H", &turned);
}

/// Mean 0 and variance 1 in each group of channels, over the picture.
#[test]
fn norms() {
    let normal = |size: usize| -> Vec<f64> {
        let x = x();
        let groups = x.chunks(size).flat_map(|g| {
            let mean = g.iter().sum::<f64>() / size as f64;
            let variance = g.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / size as f64;
            g.iter().map(move |v| (v - mean) / (variance + 1e-5).sqrt()).collect::<Vec<_>>()
        });
        groups.collect()
    };
    let h = format!("{X}\nlet h = x |> as[4, 2, 2]");
    close(&format!("{h}\nlet out = h |> norm(1)"), "N 4 2 high 2 wide", &normal(16));
    close(&format!("{h}\nlet out = h |> norm(groups = 2)"), "N 4 2 high 2 wide", &normal(8));
    close(&format!("{h}\nlet out = h |> norm(groups = 4)"), "N 4 2 high 2 wide", &normal(4));
    close(&format!("{X}\nlet out = x |> norm(4)"), "N 16", &normal(4));
}

/// Squeeze-and-excite (Hu, Shen, Sun 2018): the means of the channels, through a narrow network, are gates of the channels.
#[test]
fn channels_are_excited_by_what_is_squeezed() {
    let x = x();
    let mut expected = vec![];
    for row in x.chunks(16) {
        let means: Vec<f64> = row.chunks(4).map(|c| c.iter().sum::<f64>() / 4.0).collect();
        let narrow = [0, 1].map(|k| means.iter().enumerate().map(|(c, m)| 0.1 * m * weight(2 * c + k)).sum::<f64>());
        for (c, channel) in row.chunks(4).enumerate() {
            let gate = narrow[0].max(0.0) * weight(c) + narrow[1].max(0.0) * weight(4 + c) - 1.0;
            expected.extend(channel.iter().map(|v| v / (1.0 + (-gate).exp())));
        }
    }
    let excited = "fn excite(h) = h * sigmoid((0.1 * (h |> pool) |> dense(2) |> relu |> dense(4)) - 1)";
    close(&format!("{X}\n{excited}\nlet out = x |> as[4, 2, 2] |> excite"), "N 4 2 high 2 wide", &expected);
}

/// The last convolution of a residual block starts at 0, and each of eight blocks has one; others by He's rule, fan in 4.
#[test]
fn residual_blocks_start_as_the_identity() {
    let text = format!(
        "{X}\nfn block(h) = h + (h |> norm(groups = 2) |> relu |> conv(4, kernel = 1) |> relu |> conv(4, kernel = 1))\n\
         let out = x |> as[4, 2, 2] |> repeat(8, block)"
    );
    close(&text, "N 4 2 high 2 wide", &x());
    let program = program(&format!(
        "{text}\ndata y[N] = [0, 0]\nlatent z ~ Normal(0, 1)\nobserve y ~ Normal(z + (out |> pool |> dense(1)) @ one, 1)\nparam one[1] = 1"
    ));
    let start = |name: &str| program.params.iter().find(|p| p.name == name).map(|p| p.init.clone());
    for k in 0..8 {
        assert_eq!(start(&format!("out.conv.{}.weight", 2 * k + 2)), Some(Init::Constant(0.0)));
        let he = Init::Normal { mean: 0.0, sd: (2.0f64 / 4.0).sqrt() };
        assert_eq!(start(&format!("out.conv.{}.weight", 2 * k + 1)), Some(he));
        assert_eq!(start(&format!("out.norm.{}.scale", k + 1)), Some(Init::Constant(1.0)));
    }
    assert_eq!(start("out.conv.17.weight"), None);
}
