//! Every claim in the header of every program of `examples/control`.

use serde_json::Value;

use crate::common::{at, done, root};
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials, claims};

fn program(name: &str) -> Program {
    Program::named(&format!("examples/control/{name}"))
}

/// Fits a program; it has converged.
fn fitted(program: &Program, options: &Options) -> Value {
    let fit = document(program, options);
    assert_eq!(fit["verdict"]["converged"], Value::Bool(true), "{}: {}", program.name, fit["verdict"]);
    fit
}

fn example(name: &str) -> Value {
    fitted(&program(name), &Options::default())
}

/// A figure within a distance of what it should be.
fn close(fit: &Value, path: &str, expected: f64, tolerance: f64) {
    let found = at(fit, path);
    assert!((found - expected).abs() <= tolerance, "{path} is {found}, not {expected}: {:e}", found - expected);
}

/// Soft value iteration over the maze: what is to come at the start, from these costs a step and so many steps.
fn maze(q: f64, steps: usize) -> f64 {
    let text = std::fs::read_to_string(root().join("examples/control/grid.json")).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    let moves: Vec<Vec<usize>> = serde_json::from_value(found["move"].clone()).unwrap();
    let mut value = vec![0.0f64; moves.len()];
    for _ in 0..steps {
        let of = |(s, to): (usize, &Vec<usize>)| {
            let sum: f64 = to.iter().map(|&next| 0.25 * (-value[next]).exp()).sum();
            if s == 44 { -sum.ln() } else { q - sum.ln() }
        };
        value = moves.iter().enumerate().map(of).collect();
    }
    value[0]
}

/// −log z of the start, z = exp(−q) P z; and soft values at other prices, by a recursion written out elsewhere.
fn grid() {
    let fit = example("grid");
    close(&fit, "free_energy_total", maze(0.5, 101), 1e-10);
    // The horizons from which more steps change nothing.
    for (q, steps) in [(0.5, 101), (2.0, 42), (1.0, 63)] {
        assert!((maze(q, steps) - maze(q, 400)).abs() < 1e-10, "{q}");
    }
    close(&fit, "free_energy_total", 27.0057363536, 1e-8);
    close(&fit, "rate", 12.909579033774598, 1e-8);
    let text = done(&root().join("examples/control"), &["explain", "grid.fe"]);
    let said = "in time order, last step first: 102 steps, each of tables of at most 8100 numbers";
    assert!(text.contains(said), "{text}");
    for (alpha, value) in
        [(0.01, 9.24953298500158), (0.1, 11.48975580696504), (0.5, 19.6720382954512), (2.0, 37.97803224253476)]
    {
        let fit = fitted(&program("grid"), &Options::default().set(format!("alpha={alpha}")));
        close(&fit, "objective_value", value, 1e-8);
    }
    for (q, steps, value) in [(2.0, 40, 59.7705547306), (1.0, 63, 39.3440765909)] {
        let fit = fitted(&program("grid"), &Options::default().set(format!("q={q}")).set(format!("T={steps}")));
        close(&fit, "free_energy_total", value, 1e-8);
    }
}

/// The price of control as a bound: at the rate that q = 0.5 takes, the multiplier is 1 and the cost the same.
fn grid_within_a_budget() {
    let bounded = program("grid");
    let source =
        bounded.source.replace("distortion + alpha * rate(a)", "distortion subject to rate(a) <= 12.909579 nats");
    let fit = fitted(&bounded.with(source), &Options::default());
    close(&fit, "rate", 12.909579, 2e-5);
    close(&fit, "distortion", 14.0961573, 1e-4);
    close(&fit, "constraints.0.multiplier", 1.0, 1e-4);
}

/// Chance that is kept, and chance that is bent.
fn slippery_floors() {
    let fit = example("slippery");
    close(&fit, "free_energy_total", 66.7026996259, 1e-8);
    close(&fit, "distortion", 43.01381527, 1e-8);
    close(&fit, "rate", 23.68888435, 1e-8);
    let other = fitted(&program("slippery"), &Options::default().set("q=0.5").set("T=100"));
    close(&other, "free_energy_total", 30.1581542449, 1e-8);
    close(&other, "distortion", 15.72545658, 1e-8);
    close(&example("slippery_inferred"), "free_energy_total", 59.7705547306, 1e-8);
}

fn lotteries() {
    let fit = example("lottery");
    close(&fit, "free_energy_total", 0.6749972526421355, 1e-10);
    close(&fit, "posterior.P(a).mean.1", 0.017986209962091562, 1e-10);
    let fit = example("lottery_inferred");
    close(&fit, "free_energy_total", -0.8532552404996653, 1e-10);
    close(&fit, "posterior.P(a).mean.1", 0.786987072166304, 1e-10);
}

fn t_mazes() {
    let fit = example("t_maze");
    close(&fit, "objective_value", 2.4226723208, 1e-9);
    close(&fit, "distortion", 3.0509457635, 1e-9);
    for (place, p) in [1.077e-5, 0.147056, 0.147056, 0.705877].into_iter().enumerate() {
        close(&fit, &format!("posterior.P(a).mean.{place}"), p, 1e-6);
    }
    let fit = example("t_maze_two");
    close(&fit, "free_energy_total", 4.7843426182, 1e-9);
    for (place, p) in [0.066948, 0.300241, 0.300241, 0.332570].into_iter().enumerate() {
        close(&fit, &format!("posterior.P(a).mean.0.{place}"), p, 1e-6);
    }
    let fit = example("t_maze_blind");
    close(&fit, "free_energy_total", 6.1018915270, 1e-9);
    (0..4).for_each(|place| close(&fit, &format!("posterior.P(a).mean.0.{place}"), 0.25, 1e-9));
}

/// By a recursion over beliefs, written out elsewhere.
fn tiger() {
    close(&example("tiger"), "objective_value", 1.726365311894261, 1e-9);
    let fit = fitted(&program("tiger"), &Options::default().set("T=3").set("alpha=0.1"));
    close(&fit, "objective_value", -2.390416313399566, 1e-9);
}

/// The fitted policy against the best there is.
fn actor() {
    let fit = example("actor");
    let best = program("actor");
    let source = best.source.replace("guide a[t] ~ Categorical(softmax(table[t, s[t]], A))", "guide a[t] = exact");
    let exact = at(&fitted(&best.with(source), &Options::default()), "free_energy_total");
    close(&fit, "free_energy_total", exact, 1e-6);
}

/// Riccati's recursion for the regulator: the gains, the cost from the start, and ½ Σ log (R + B′PB)/R.
fn riccati() -> (Vec<[f64; 2]>, f64, f64) {
    let (b, r) = ([0.005, 0.1], 0.1);
    let mut p = [[10.0, 0.0], [0.0, 1.0]];
    let (mut gains, mut determinant) = (vec![], 0.0);
    for _ in 0..50 {
        let pb = [p[0][0] * b[0] + p[0][1] * b[1], p[1][0] * b[0] + p[1][1] * b[1]];
        let whole = r + b[0] * pb[0] + b[1] * pb[1];
        // A = [[1, .1], [0, 1]].
        let bpa = [pb[0], 0.1 * pb[0] + pb[1]];
        let pa = [[p[0][0], 0.1 * p[0][0] + p[0][1]], [p[1][0], 0.1 * p[1][0] + p[1][1]]];
        let apa = [[pa[0][0], pa[0][1]], [0.1 * pa[0][0] + pa[1][0], 0.1 * pa[0][1] + pa[1][1]]];
        let weight = [1.0, 0.1];
        for i in 0..2 {
            for j in 0..2 {
                p[i][j] = apa[i][j] - bpa[i] * bpa[j] / whole + if i == j { weight[i] } else { 0.0 };
            }
        }
        gains.push([bpa[0] / whole, bpa[1] / whole]);
        determinant += 0.5 * f64::ln(whole / r);
    }
    gains.reverse();
    (gains, 0.5 * p[0][0], determinant)
}

/// −log Z by a determinant; of noise that is kept by Riccati's recursion, of noise that is inferred by one that takes it for
/// another input; and Kalman's recursion beside Riccati's.
fn regulators() {
    close(&example("regulator_open"), "free_energy_total", 11.0468940015, 1e-6);
    let open = program("regulator_open");
    let apart = open.with(format!("{}guide a ~ MeanField()\n", open.source));
    let fit = fitted(&apart, &Options::default());
    close(&fit, "free_energy_total", 62.7849635, 1e-5);
    close(&fit, "posterior.a.sd.0", 0.391316, 1e-3);
    close(&fit, "posterior.a.mean.0", -2.762341514719034, 1e-3);
    let (gains, start, determinant) = riccati();
    assert!((start - 4.5387729).abs() < 1e-6 && (start + determinant - 11.0468940015).abs() < 1e-9, "{start}");
    assert!((gains[0][0] - 2.7623415).abs() < 1e-6 && (gains[0][1] - 2.5075374).abs() < 1e-6, "{:?}", gains[0]);
    let fit = example("regulator_noisy");
    close(&fit, "free_energy_total", 11.1369138821, 1e-6);
    // The gains are those without noise; at the start the speed is 0, and says nothing of its own.
    close(&fit, "params.gain.value.0.0", -gains[0][0], 1e-3);
    for (t, gain) in gains.iter().enumerate().take(10).skip(1) {
        (0..2).for_each(|k| close(&fit, &format!("params.gain.value.{t}.{k}"), -gain[k], 1e-3));
    }
    assert_eq!(fit["verdict"]["trusted"], Value::Bool(true), "{}", fit["verdict"]);
    close(&example("regulator_inferred"), "free_energy_total", 11.0563237199, 1e-6);
    let fit = example("lqg");
    close(&fit, "free_energy_total", 12.0090655091, 1e-6);
    // Kept chance makes the guide a controller, which is held to its other starts and to no k̂.
    assert_eq!(fit["verdict"]["trusted"], Value::Bool(true), "{}", fit["verdict"]);
    assert!(fit["verdict"]["khat"].is_null(), "{}", fit["verdict"]);
}

/// The exact law of rates, and the curve of cost against spikes.
fn spiking() {
    for (beta, cost, spikes) in [(0.05, 10.160155, 11.596061), (0.2, 11.665298, 9.778136), (1.0, 20.606052, 4.739820)] {
        let fit = fitted(&program("spiking"), &Options::default().set(format!("beta={beta}")));
        close(&fit, "distortion", cost, 1e-5);
        close(&fit, "energy", spikes, 1e-5);
    }
    // Here one of two rates is 1e-22, and nothing hangs on it.
    let fit = fitted(&program("spiking"), &Options::default().set("beta=0.01"));
    close(&fit, "distortion", 9.272337669, 1e-4 * 9.27);
    close(&fit, "energy", 21.923919687, 1e-4 * 21.9);
    // From a rest of 1 the curve runs the other way: rate is then the distance from that, and no energy.
    let mut last = 0.0;
    for (beta, cost, spikes) in [(0.1, 11.090037848, 75.982641917), (1.0, 15.425900600, 96.524059681)] {
        let fit = fitted(&program("spiking"), &Options::default().set(format!("beta={beta}")).set("r=1"));
        close(&fit, "distortion", cost, 1e-5);
        close(&fit, "energy", spikes, 1e-4);
        assert!(at(&fit, "energy") > last);
        last = at(&fit, "energy");
    }
}

/// r⁺ r⁻ = r² exp(−H w²/β) at every step, H being the curvature of the cost in a push there. L-BFGS sees a slope that falls with
/// the rate, and leaves the smallest rates off, the more the lower the price; a descent by natural gradients sees each in its own
/// scale.
fn spiking_law() {
    let by_natural_gradient = "refine plus[T] from log(r) over 6000 steps by natural_gradient(step = 0.03)\n\
                               refine minus[T] from log(r) over 6000 steps by natural_gradient(step = 0.03)\n";
    let fixed = program("spiking");
    let source = fixed.source.replace("param plus[T] = -3\n", "").replace("param minus[T] = -3\n", "");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("law.fe"), format!("{source}{by_natural_gradient}")).unwrap();
    for (beta, objective) in [(0.2, Some(16.246383262214096)), (1.0, None)] {
        done(folder.path(), &["run", "law.fe", "--quiet", "--set", &format!("beta={beta}"), "--out", "fit"]);
        let text = std::fs::read_to_string(folder.path().join("fit/fit.json")).unwrap();
        let fit: Value = serde_json::from_str(&text).unwrap();
        if let Some(objective) = objective {
            close(&fit, "objective_value", objective, 1e-10);
        }
        done(folder.path(), &["codes", "fit", "--out", "codes.csv"]);
        let codes = std::fs::read_to_string(folder.path().join("codes.csv")).unwrap();
        let mut lines = codes.lines().map(|l| l.split(',').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let place = |name: &str| head.iter().position(|h| *h == name).unwrap();
        let (up, down) = (place("up_mean"), place("down_mean"));
        for (t, line) in lines.enumerate() {
            // A push of 1 at t, carried to the end.
            let (mut place, speed, mut curvature) = (0.005, 0.1, 0.1);
            for step in t + 1..=50 {
                let (a, b) = if step == 50 { (10.0, 1.0) } else { (1.0, 0.1) };
                curvature += a * place * place + b * speed * speed;
                place += 0.1 * speed;
            }
            let found: f64 = line[up].parse::<f64>().unwrap() * line[down].parse::<f64>().unwrap();
            let law = 0.02 * 0.02 * f64::exp(-curvature * 0.0625 / beta);
            assert!((found / law - 1.0).abs() < 1e-6, "{t}: {found} and {law}");
        }
    }
}

/// Above the best of all controllers on the lattice of states, which dynamic programming gives; well below the open loop.
fn spiking_loop() {
    let fit = document(&program("spiking_loop"), &Options::default());
    let found = at(&fit, "objective_value");
    assert!(found > 15.0469752668 && found <= 15.7, "{found}");
    // At a low price it is finite too, above its own bound, and below the open loop.
    let cheap = document(&program("spiking_loop"), &Options::default().set("beta=0.01"));
    let found = at(&cheap, "objective_value");
    assert!(found > 6.5939497454 && found < 10.0347834061, "{found}");
}

/// Smooth starts find what pays by resonance: doing nothing costs 400.
fn pendulum() {
    let cost = at(&document(&program("pendulum"), &Options::default()), "free_energy_total");
    assert!(cost <= 200.0, "{cost}");
}

/// Expectiles of four numbers are roots of piecewise linear equations.
fn expectiles() {
    let fit = example("expectiles");
    for (k, value) in [11.0 / 6.0, 2.5, 3.5, 5.0, 6.5].into_iter().enumerate() {
        close(&fit, &format!("posterior.V.mean.{k}"), value, 1e-6);
    }
}

/// The conjugate posterior, and the deadbeat controller that is certain of its mean, on the true plant without noise.
fn neuron() {
    let fit = example("neuron");
    close(&fit, "log_evidence.value", 45.12125424, 1e-6);
    let mut w = [0.0; 4];
    for (k, (mean, sd)) in [1.88623997, -0.86561172, 0.18502836, -0.02770809]
        .into_iter()
        .zip([0.060951, 0.066396, 0.018016, 0.022677])
        .enumerate()
    {
        close(&fit, &format!("posterior.w.mean.{k}"), mean, 1e-6);
        close(&fit, &format!("posterior.w.sd.{k}"), sd, 1e-6);
        w[k] = at(&fit, &format!("posterior.w.mean.{k}"));
    }
    let run = |controlled: bool| {
        let (mut y, mut y_before, mut u_before) = (1.0f64, 1.0f64, 0.0f64);
        for _ in 0..40 {
            let u = if controlled { -(w[0] * y + w[1] * y_before + w[3] * u_before) / w[2] } else { 0.0 };
            let next = 2.0 * y - 0.99 * y_before + 0.2 * u - 0.08 * u_before;
            (y, y_before, u_before) = (next, y, u);
        }
        y.abs()
    };
    assert!(run(true) < 1e-3 * run(false), "{} {}", run(true), run(false));
}

/// A grid over the three numbers for each capacity has log evidence −152.013.
fn memory() {
    let fit = example("memory");
    assert_eq!(fit["verdict"]["trusted"], Value::Bool(true), "{}", fit["verdict"]);
    close(&fit, "log_evidence.value", -152.013, 0.3);
    for (name, mean, sd) in [("alpha", 0.151, 0.053), ("fade", 0.212, 0.109), ("trust", 0.543, 0.205)] {
        close(&fit, &format!("posterior_resampled.{name}.mean"), mean, 0.15 * sd);
        close(&fit, &format!("posterior_resampled.{name}.sd"), sd, 0.15 * sd);
    }
    for (k, p) in [0.169, 0.284, 0.287, 0.260].into_iter().enumerate() {
        close(&fit, &format!("posterior_resampled.P(k).mean.{k}"), p, 0.02);
    }
}

/// What the header of every program says.
pub fn trials(trials: &mut Trials) {
    claims!(
        trials,
        Tier::Everyday,
        grid,
        grid_within_a_budget,
        slippery_floors,
        lotteries,
        t_mazes,
        tiger,
        actor,
        expectiles
    );
    claims!(trials, Tier::Everyday, neuron);
    claims!(trials, Tier::Slow, regulators, spiking, spiking_law, spiking_loop, pendulum, memory);
    for program in Program::all_of("examples/control") {
        trials.add(format!("control::{} is short", program.name), Tier::Everyday, move || {
            let lines = program.source.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).count();
            assert!(lines <= 25, "{lines} lines");
        });
    }
}
