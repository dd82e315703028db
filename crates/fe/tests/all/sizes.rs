//! Every whole number that a program or a command takes, at 0, −1, a billion and 10¹⁸: each is used or refused, in a message, and
//! none is a fault of the compiler, an abort, or more memory than was said.

use std::fmt::Write as _;
use std::path::Path;

use crate::common::{code, fe, full, stderr};

const NUMBERS: [&str; 4] = ["0", "-1", "1_000_000_000", "1_000_000_000_000_000_000"];

/// Data, a latent and its likelihood, before what is tried.
const SMALL: &str = "data y[N] = [1, 2, 4]\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)\n";

/// Where a number stands, and the program, the number being `{}`; with `~` in front it stands after [`SMALL`].
const PLACES: [(&str, &str); 34] = [
    ("dim of a param", "~dim K = {}\nparam w[K] = 0"),
    ("size of an axis", "~param w[{}] = 0"),
    ("dim of a latent", "dim K = {}\ndata y[N] = [1, 2]\nlatent w[K] ~ Normal(0, 1)\nobserve y ~ Normal(sum(w, K), 1)"),
    (
        "dim of a square",
        "dim K = {}\ndata y[N] = [1, 2]\nlatent w[K, K'] ~ Normal(0, 1)\nobserve y ~ Normal(sum(sum(w, K'), K), 1)",
    ),
    (
        "dim of a loop",
        "dim T = {}\ndata y = 1\nlatent s[0] ~ Normal(0, 1)\nfor t in T { latent s[t+1] ~ Normal(0.5 * s[t], 1) }\nobserve y ~ Normal(s[2], 1)",
    ),
    (
        "dim of a finite latent",
        "dim S = {}\nlatent p[S] ~ Dirichlet(1)\nlatent s : index(S) ~ Categorical(p)\ndata y[N] = [1]\nobserve y ~ Normal(s, 1)",
    ),
    ("`arange`", "~dim K = {}\nlet a = sum(arange(K), K)\nmeter a"),
    (
        "`eye`",
        "data y[N] = [1, 2]\ndim K = {}\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m * sum(sum(eye(K), K'), K), 1)",
    ),
    ("an index", "data y[N] = [1, 2]\nlatent m[N] ~ Normal(0, 1)\nobserve y ~ Normal(m[{}], 1)"),
    ("a power", "data y[N] = [1, 2]\nlatent m ~ Normal(0, 1)\nlet p = y ^ {}\nobserve y ~ Normal(m, 1)"),
    (
        "`samples`",
        "data y[N] = [1, 2]\nlatent z ~ Gamma(2, 1)\nobserve y ~ Normal(sin(z), 1)\ntrain { optimizer = adam  samples = {}  steps = 2 }",
    ),
    ("`batch`", "~train { batch = {}  steps = 2 }"),
    ("`seed`", "~train { seed = {} }"),
    ("`holdout`", "~train { holdout = {} }"),
    ("`iwae`", "~minimize iwae(k = {})"),
    ("`renyi`", "~minimize renyi(alpha = 0.5, k = {})"),
    ("`Flow`", "~guide m ~ Flow(layers = {})"),
    (
        "`LowRank`",
        "dim K = 3\ndata y[N] = [1]\nlatent m[K] ~ Normal(0, 1)\nobserve y ~ Normal(sum(m, K), 1)\nguide m ~ LowRank(rank = {})",
    ),
    ("`draws` of `NUTS`", "~guide * ~ NUTS(draws = {})"),
    ("`warmup` of `NUTS`", "~guide * ~ NUTS(warmup = {})"),
    ("`chains` of `NUTS`", "~guide * ~ NUTS(chains = {})"),
    (
        "`over` of `refine`",
        "data x[N, D] = [[1, 2], [3, 4]]\ndim K = 2\nparam a[K, D] = normal(0, 1)\nlatent z[N, K] ~ Normal(0, 1)\n\
         observe x ~ Normal(z @ a, 1)\nrefine v[N, K] from 0 over {} steps by gradient\nguide z ~ Normal(v, 1)",
    ),
    (
        "`dense`",
        "dim H = {}\ndata x[N, D] = [[1, 2], [3, 4]]\ndata y[N] = [1, 2]\nlet h = x |> dense(H)\nobserve y ~ Normal(sum(h, H), 1)",
    ),
    (
        "`count` of `normal_draws`",
        "data y[N] = normal_draws(0, 1, count = {})\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)",
    ),
    (
        "`seed` of `normal_draws`",
        "data y[N] = normal_draws(0, 1, count = 3, seed = {})\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)",
    ),
    (
        "`frames` of `bars`",
        "data y[N, T, D] = bars(size = 4, angles = 4, frames = {})\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)",
    ),
    (
        "`size` of `bars`",
        "data y[N, T, D] = bars(size = {}, angles = 4, frames = 4)\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)",
    ),
    (
        "`angles` of `bars`",
        "data y[N, T, D] = bars(size = 4, angles = {}, frames = 4)\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)",
    ),
    ("trials of `Binomial`", "data y[N] : count = [0, 0]\nlatent p ~ Beta(1, 1)\nobserve y ~ Binomial({}, p)"),
    ("a count", "data y[N] : count = [{}]\nlatent m ~ Gamma(1, 1)\nobserve y ~ Poisson(m)"),
    ("`steps`", "~train { optimizer = adam  steps = {} }"),
    ("`epochs`", "~train { optimizer = adam  epochs = {} }"),
    ("`starts`", "~train { starts = {} }"),
    ("`const`", "~const c = {}\nlet d = c * m\nmeter d"),
];

/// Those that say how long a fit is to last: a billion is what was asked for, and ends by a signal. They are checked only.
const LENGTHS: [&str; 4] = ["`steps`", "`epochs`", "`starts`", "`seed`"];

/// Options of `fe run`, each with its number; those of lengths are left out.
const OPTIONS: [&str; 4] = ["--seed", "--threads", "--memory", "--checkpoint"];

/// The exit code, and of a refusal what is said first and what helps.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = fe(folder).args(arguments).output().unwrap();
    let (code, text) = (code(&output), stderr(&output));
    assert!([0, 1, 2, 3, 4].contains(&code), "fe {}: {code}\n{text}", arguments.join(" "));
    assert!(!text.contains("fault of the compiler"), "{text}");
    if code == 0 {
        return "done".to_owned();
    }
    let first = text.lines().find(|l| l.contains("Error") || l.contains("error:")).unwrap_or(&text);
    let mut after = text.lines().skip_while(|l| *l != first);
    let help = after.find_map(|l| l.split_once("Help: ")).map(|h| format!("; {}", h.1)).unwrap_or_default();
    format!("exit code {code}: {}{help}", first.trim())
}

#[test]
fn every_whole_number_is_used_or_refused() {
    if !full() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::new();
    for (place, program) in PLACES {
        writeln!(table, "{place}").unwrap();
        for number in NUMBERS {
            let own = program.trim_start_matches('~').replace("{}", number);
            let text = if program.starts_with('~') { format!("{SMALL}{own}\n") } else { format!("{own}\n") };
            std::fs::write(folder.path().join("m.fe"), text).unwrap();
            let run = ["run", "m.fe", "--memory", "4GB", "--force", "--quiet", "--threads", "1", "--out", "run"];
            let arguments = if LENGTHS.contains(&place) { &["check", "m.fe"][..] } else { &run[..] };
            writeln!(table, "  {number}: {}", said(folder.path(), arguments)).unwrap();
        }
    }
    std::fs::write(folder.path().join("m.fe"), SMALL).unwrap();
    for option in OPTIONS {
        writeln!(table, "{option}").unwrap();
        for number in NUMBERS {
            let plain = number.replace('_', "");
            let given = format!("{option}={plain}");
            let arguments = ["run", "m.fe", "--force", "--quiet", "--out", "run", &given];
            writeln!(table, "  {number}: {}", said(folder.path(), &arguments)).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}
