//! Finite latents summed out in time order: against dynamic programming written out, and against figures known in closed form.

use fe_objective::TermKind;
use fe_testing::Model;

/// What a program comes to at its start: what is minimised, distortion, rate.
fn figures(source: &str) -> (f64, f64, f64) {
    let model = fe_testing::model(source);
    let point = model.start();
    let of = |rate: bool| -> f64 {
        let own = model.objective.terms.iter().filter(|t| (t.kind == TermKind::Rate) == rate);
        own.map(|t| model.number(&point, t.sum)).sum()
    };
    (model.value(&point), of(false), of(true))
}

/// The probabilities of a latent's values, as the table has them.
fn probabilities(model: &Model, name: &str) -> Vec<f64> {
    let point = model.start();
    let name = format!("P({name})");
    let reported = model.objective.report.posterior.iter().find(|r| r.name == name).unwrap();
    model.at(&point, &[reported.node]).remove(0).values
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() < tolerance, "{found} is not {expected}: {:e}", found - expected);
}

fn list(values: &[f64]) -> String {
    let all: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
    format!("[{}]", all.join(", "))
}

/// A table of rows.
fn rows(values: &[f64], width: usize) -> String {
    let all: Vec<String> = values.chunks(width).map(list).collect();
    format!("[{}]", all.join(", "))
}

/// A pays nothing; B pays 2 or loses 10, equally likely.
fn lottery(chance: &str) -> String {
    format!(
        "dim A = 2\ndim O = 2\nlet even[A] = [0.5, 0.5]\nlet coin[O] = [0.5, 0.5]\nlet reward[A, O] = [[0, 0], [2, -10]]\n\
         latent a : index(A) ~ Categorical(even)\nguide a = exact\n\
         latent o : index(O) ~ Categorical(coin)\nguide o = {chance}\nloss cost = -reward[a, o]\n"
    )
}

#[test]
fn the_lottery_in_both_readings() {
    let fixed = fe_testing::model(&lottery("prior"));
    close(fixed.value(&fixed.start()), 0.6749972526421355, 1e-12);
    close(probabilities(&fixed, "a")[1], 0.017986209962091562, 1e-12);
    let inferred = fe_testing::model(&lottery("exact"));
    close(inferred.value(&inferred.start()), -0.8532552404996653, 1e-12);
    close(probabilities(&inferred, "a")[1], 0.786987072166304, 1e-12);
}

/// Numbers between 0 and 1, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn some(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }

    fn shares(&mut self, rows: usize, width: usize) -> Vec<f64> {
        let mut all = vec![];
        for _ in 0..rows {
            let one: Vec<f64> = (0..width).map(|_| 0.05 + self.next()).collect();
            let sum: f64 = one.iter().sum();
            all.extend(one.iter().map(|v| v / sum));
        }
        all
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A decision problem of random numbers.
struct Problem {
    states: usize,
    actions: usize,
    steps: usize,
    start: Vec<f64>,
    /// Over (state, action, next state).
    moves: Vec<f64>,
    prior: Vec<f64>,
    /// Over (state, action).
    cost: Vec<f64>,
    end: Vec<f64>,
    alpha: f64,
}

impl Problem {
    fn new(numbers: &mut Numbers) -> Self {
        let (states, actions, steps) = (2 + numbers.below(5), 2 + numbers.below(2), 1 + numbers.below(5));
        Self {
            states,
            actions,
            steps,
            start: numbers.shares(1, states),
            moves: numbers.shares(states * actions, states),
            prior: numbers.shares(1, actions),
            cost: numbers.some(states * actions).iter().map(|v| 3.0 * v).collect(),
            end: numbers.some(states).iter().map(|v| 4.0 * v).collect(),
            alpha: [0.1, 0.5, 1.0, 3.0][numbers.below(4)],
        }
    }

    fn declared(&self) -> String {
        let Self { states, actions, steps, .. } = self;
        let moves: Vec<String> = self.moves.chunks(actions * states).map(|b| rows(b, *states)).collect();
        format!(
            "dim T = {steps}\ndim S = {states}\ndim A = {actions}\nlet begin[S] = {}\nlet P[S, A, S'] = [{}]\n\
             let free[A] = {}\nlet paid[S, A] = {}\nlet last[S] = {}\n",
            list(&self.start),
            moves.join(", "),
            list(&self.prior),
            rows(&self.cost, *actions),
            list(&self.end)
        )
    }

    /// The program, its actions guided so and its chance so.
    fn source(&self, chance: &str, choice: &str) -> String {
        format!(
            "{}latent s[0] : index(S) ~ Categorical(begin)\nfor t in T {{\n  latent a[t] : index(A) ~ Categorical(free)\n  \
             guide a[t] {choice}\n  latent s[t+1] : index(S) ~ Categorical(P[s[t], a[t]])\n  loss cost = paid[s[t], a[t]]\n}}\n\
             guide s = {chance}\nloss end = last[s[T]]\nminimize distortion + {:?} * rate\n",
            self.declared().replace("latent s[0] : index(S)", "latent s[0]"),
            self.alpha
        )
        .replace("latent s[0] : index(S)", "latent s[0]")
    }

    /// −α log Σ p exp(−v/α)
    fn soft(&self, p: &[f64], v: &[f64]) -> f64 {
        let least = v.iter().copied().fold(f64::INFINITY, f64::min);
        let sum: f64 = p.iter().zip(v).map(|(p, v)| p * ((least - v) / self.alpha).exp()).sum();
        least - self.alpha * sum.ln()
    }

    /// What is to come from the first position, chance kept as it is or chosen too.
    fn value(&self, kept: bool) -> f64 {
        let over = |p: &[f64], v: &[f64]| {
            if kept { p.iter().zip(v).map(|(p, v)| p * v).sum() } else { self.soft(p, v) }
        };
        let mut v = self.end.clone();
        for _ in 0..self.steps {
            let of = |s: usize| -> f64 {
                let each: Vec<f64> = (0..self.actions)
                    .map(|a| {
                        let k = s * self.actions + a;
                        let next = &self.moves[k * self.states..(k + 1) * self.states];
                        self.cost[k] + over(next, &v)
                    })
                    .collect();
                self.soft(&self.prior, &each)
            };
            v = (0..self.states).map(of).collect();
        }
        over(&self.start, &v)
    }

    /// The same where a choice sees nothing: the best of all sequences.
    fn open(&self) -> f64 {
        let count = self.actions.pow(self.steps as u32);
        let (mut p, mut v) = (vec![], vec![]);
        for sequence in 0..count {
            let mut belief = self.start.clone();
            let (mut share, mut paid, mut rest) = (1.0, 0.0, sequence);
            for _ in 0..self.steps {
                let a = rest % self.actions;
                rest /= self.actions;
                share *= self.prior[a];
                let mut next = vec![0.0; self.states];
                for s in 0..self.states {
                    let k = s * self.actions + a;
                    paid += belief[s] * self.cost[k];
                    for j in 0..self.states {
                        next[j] += belief[s] * self.moves[k * self.states + j];
                    }
                }
                belief = next;
            }
            paid += belief.iter().zip(&self.end).map(|(b, e)| b * e).sum::<f64>();
            p.push(share);
            v.push(paid);
        }
        self.soft(&p, &v)
    }
}

#[test]
fn random_decisions_against_dynamic_programming() {
    let mut numbers = Numbers(7);
    for _ in 0..40 {
        let problem = Problem::new(&mut numbers);
        let (fixed, distortion, rate) = figures(&problem.source("prior", "= exact"));
        close(fixed, problem.value(true), 1e-10);
        close(distortion + problem.alpha * rate, fixed, 1e-10);
        let (inferred, ..) = figures(&problem.source("exact", "= exact"));
        close(inferred, problem.value(false), 1e-10);
        if problem.actions.pow(problem.steps as u32) <= 81 {
            close(figures(&problem.source("prior", "= exact()")).0, problem.open(), 1e-10);
        }
        // Who sees the state by name knows as much.
        if problem.steps <= 3 {
            close(figures(&problem.source("prior", "= exact(s)")).0, problem.value(true), 1e-10);
        }
    }
}
