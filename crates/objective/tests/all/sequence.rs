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

    /// What an action costs on the chances of each state, and the chances after it.
    fn moved(&self, belief: &[f64], a: usize) -> (f64, Vec<f64>) {
        let (mut paid, mut next) = (0.0, vec![0.0; self.states]);
        for (s, share) in belief.iter().enumerate() {
            let k = s * self.actions + a;
            paid += share * self.cost[k];
            for (slot, p) in next.iter_mut().zip(&self.moves[k * self.states..]) {
                *slot += share * p;
            }
        }
        (paid, next)
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
                let (cost, next) = self.moved(&belief, a);
                paid += cost;
                belief = next;
            }
            paid += belief.iter().zip(&self.end).map(|(b, e)| b * e).sum::<f64>();
            p.push(share);
            v.push(paid);
        }
        self.soft(&p, &v)
    }
}

/// Whether the slow tier runs.
fn full() -> bool {
    std::env::var_os("FE_FULL").is_some() || std::env::var_os("CI").is_some()
}

/// Problems of up to six states, three actions and five steps, at four temperatures: 120 in the slow tier, 30 every day.
#[test]
fn random_decisions_against_dynamic_programming() {
    for seed in 0..if full() { 4 } else { 1 } {
        decisions(7 + 100 * seed, 30);
    }
}

fn decisions(seed: u64, count: usize) {
    let mut numbers = Numbers(seed);
    for _ in 0..count {
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

/// A T-maze of four places, seen once: what is preferred by 0, 3 and −3, a cue that tells the side.
fn t_maze(objective: &str) -> String {
    format!(
        "dim Q = 4\ndim C = 2\ndim O = 5\nlet even[Q] = 1 / Q\nlet side[C] = 1 / C\nlet wish[O] = [0, 3, -3, 0, 0]\n\
         let preference[O] = wish - log(exp(0) + exp(3) + exp(-3))\n\
         let seen[Q, C, O] = [[[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], [[0, 0.98, 0.02, 0, 0], [0, 0.02, 0.98, 0, 0]], \
         [[0, 0.02, 0.98, 0, 0], [0, 0.98, 0.02, 0, 0]], [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]]\n\
         latent c : index(C) ~ Categorical(side)\nguide c = prior\nlatent a : index(Q) ~ Categorical(even)\nguide a = exact()\n\
         latent o : index(O) ~ Categorical(seen[a, c])\nguide o = prior\nloss cost = -preference[o]\nminimize {objective}\n"
    )
}

#[test]
fn information_is_worth_what_it_tells() {
    let curious = fe_testing::model(&t_maze("distortion + 0.0625 * rate(a) - information(c, o)"));
    close(curious.value(&curious.start()), 2.4226723208, 1e-9);
    let p = probabilities(&curious, "a");
    for (found, expected) in p.iter().zip([1.077e-5, 0.147056, 0.147056, 0.705877]) {
        close(*found, expected, 1e-6);
    }
    let gain = &curious.objective.minimised.gains[0];
    close(curious.number(&curious.start(), gain.sum), 2.0 * p[1] * 0.5951080669 + p[3] * 2f64.ln(), 1e-9);
    let plain = fe_testing::model(&t_maze("distortion + 0.0625 * rate(a)"));
    probabilities(&plain, "a").iter().for_each(|p| close(*p, 0.25, 1e-12));
    close(figures(&t_maze("distortion + 0.0625 * rate(a)")).1, 3.0509457635, 1e-9);
}

/// Two doors and a tiger over some steps.
fn tiger(steps: usize, alpha: f64) -> String {
    format!(
        "dim T = {steps}\ndim S = 2\ndim A = 3\ndim O = 2\nlet half[S] = 1 / S\nlet third[A] = 1 / A\n\
         let P[S, A, S'] = [[[1, 0], [0.5, 0.5], [0.5, 0.5]], [[0, 1], [0.5, 0.5], [0.5, 0.5]]]\n\
         let hears[S, A, O] = [[[0.85, 0.15], [0.5, 0.5], [0.5, 0.5]], [[0.15, 0.85], [0.5, 0.5], [0.5, 0.5]]]\n\
         let cost[S, A] = [[1, 100, -10], [1, -10, 100]]\nfor t in T {{\n\
         latent s[t] : index(S) ~ Categorical(if t == 0 then half else P[s[t-1], a[t-1]])\n\
         latent a[t] : index(A) ~ Categorical(third)\nlatent o[t] : index(O) ~ Categorical(hears[s[t], a[t]])\n\
         loss paid = cost[s[t], a[t]]\n}}\nguide s, o = prior\nguide a = exact(o)\n\
         minimize distortion + {alpha:?} * rate(a)\n"
    )
}

/// What is to come when the tiger is believed to be left with probability b.
fn believed(b: f64, left: usize, alpha: f64) -> f64 {
    let Some(left) = left.checked_sub(1) else { return 0.0 };
    let mut listen = 1.0;
    for heard in [0.85, 0.15] {
        let p = b * heard + (1.0 - b) * (1.0 - heard);
        listen += p * believed(b * heard / p, left, alpha);
    }
    let anew = believed(0.5, left, alpha);
    let values = [listen, 100.0 * b - 10.0 * (1.0 - b) + anew, 100.0 * (1.0 - b) - 10.0 * b + anew];
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let sum: f64 = values.iter().map(|v| ((least - v) / alpha).exp() / 3.0).sum();
    least - alpha * sum.ln()
}

#[test]
fn the_tiger_by_beliefs() {
    for (steps, alpha) in [(1, 1.0), (2, 1.0), (3, 0.1), (4, 1.0), (4, 5.0)] {
        close(figures(&tiger(steps, alpha)).0, believed(0.5, steps, alpha), 1e-9);
    }
    let model = fe_testing::model(&tiger(3, 1.0));
    for name in ["s", "a", "o"] {
        let p = probabilities(&model, name);
        close(p.iter().sum::<f64>(), 3.0, 1e-12);
    }
}

/// A stated policy, its value and its derivative; at the best one the value is that of the exact guide.
#[test]
fn a_stated_policy_is_evaluated() {
    let mut numbers = Numbers(11);
    for _ in 0..6 {
        let problem = Problem::new(&mut numbers);
        let declared = format!(
            "param table[T, S, A] = 0\n{}",
            problem.source("prior", "~ Categorical(softmax(table[t, s[t]], A))")
        );
        let model = fe_testing::model(&declared);
        let mut point = model.start();
        point.scatter(&model);
        let (slopes, differences) = (model.gradient(&point), model.differences(&point, 1e-5));
        for (slope, difference) in slopes.iter().zip(&differences) {
            slope.values.iter().zip(&difference.values).for_each(|(a, b)| close(*a, *b, 1e-7));
        }
        assert!(model.value(&point) > problem.value(true));
    }
}

/// A multiplier as the weight of a rate: at it the exact guide is the one of that weight.
#[test]
fn an_exact_guide_follows_the_multiplier() {
    let mut numbers = Numbers(3);
    let problem = Problem::new(&mut numbers);
    let plain = problem.source("prior", "= exact");
    let bounded = plain.replace(
        &format!("minimize distortion + {:?} * rate", problem.alpha),
        "minimize distortion subject to rate(a) <= 0.3 nats",
    );
    let model = fe_testing::model(&bounded);
    let mut point = model.start();
    point.put(model.objective.minimised.bounds[0].multiplier, problem.alpha);
    close(model.value(&point), problem.value(true) - 0.3 * problem.alpha, 1e-10);
}

/// What is refused, with a word of what is said.
#[test]
fn what_cannot_be_summed_out_in_time_order() {
    let said = |source: &str| -> String {
        let parsed = fe_syntax::parse(source);
        let checked = fe_check::check(&parsed.ast, &Default::default(), &Default::default(), "test");
        match fe_objective::derive(&checked.program.expect(source), source) {
            Err(fe_objective::Underivable::Refused { code, .. }) => code.to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(said(&lottery("prior").replace("loss", "minimize distortion + 0 * rate\nloss")), "E0842");
}

/// A problem whose state is seen through noise alone: observations of random chances of each state.
fn hidden(problem: &Problem, seen: &[f64], kinds: usize) -> String {
    let Problem { states, .. } = problem;
    let source = problem.source("prior", "= exact(o)");
    let (before, loop_body) = source.split_once("latent s[0]").unwrap();
    let body = loop_body.replace("  latent a[t]", "  latent o[t] : index(O) ~ Categorical(H[s[t]])\n  latent a[t]");
    let table = rows(seen, kinds);
    assert_eq!(seen.len(), states * kinds);
    format!(
        "dim O = {kinds}\nlet H[S, O] = {table}\n{before}latent s[0]{}",
        body.replace("guide s = prior", "guide s, o = prior")
    )
}

/// What is to come after some history, from the unnormalised chances of each state with it; and the chance of the history.
fn after(problem: &Problem, belief: &[f64], left: usize, seen: &[f64], kinds: usize) -> f64 {
    let share: f64 = belief.iter().sum();
    if share <= 0.0 {
        return 0.0;
    }
    if left == 0 {
        return belief.iter().zip(&problem.end).map(|(b, e)| b * e).sum::<f64>() / share;
    }
    let mut value = 0.0;
    for o in 0..kinds {
        let here: Vec<f64> = (0..problem.states).map(|s| belief[s] * seen[s * kinds + o]).collect();
        let chance: f64 = here.iter().sum();
        let each: Vec<f64> = (0..problem.actions)
            .map(|a| {
                let (paid, next) = problem.moved(&here, a);
                paid / chance + after(problem, &next, left - 1, seen, kinds)
            })
            .collect();
        value += chance / share * problem.soft(&problem.prior, &each);
    }
    value
}

/// Problems of up to six hidden states, three observations and five steps: 80 in the slow tier, 20 every day.
#[test]
fn random_hidden_states_against_a_recursion_over_histories() {
    let mut numbers = Numbers(23);
    let (mut tried, mut longest, mut widest) = (0, 0, 0);
    let (count, most) = if full() { (80, 7000) } else { (20, 3000) };
    while tried < count {
        let problem = Problem::new(&mut numbers);
        let kinds = 2 + numbers.below(2);
        let seen = numbers.shares(problem.states, kinds);
        if (problem.actions * kinds).pow(problem.steps as u32) * problem.states > most {
            continue;
        }
        tried += 1;
        (longest, widest) = (longest.max(problem.steps), widest.max(problem.states));
        let expected = after(&problem, &problem.start, problem.steps, &seen, kinds);
        close(figures(&hidden(&problem, &seen, kinds)).0, expected, 1e-10);
    }
    assert!(!full() || (longest, widest) == (5, 6), "{longest} {widest}");
}

impl Problem {
    /// What a policy that is certain of its actions, one for each step and state, costs, and what it pays in α-weighed nats.
    fn certain(&self, policy: &dyn Fn(usize, usize) -> usize) -> (f64, f64) {
        let (mut belief, mut cost, mut rate) = (self.start.clone(), 0.0, 0.0);
        for t in 0..self.steps {
            let mut next = vec![0.0; self.states];
            for (s, share) in belief.iter().enumerate() {
                let a = policy(t, s);
                let k = s * self.actions + a;
                cost += share * self.cost[k];
                rate -= share * self.alpha * self.prior[a].ln();
                for (slot, p) in next.iter_mut().zip(&self.moves[k * self.states..]) {
                    *slot += share * p;
                }
            }
            belief = next;
        }
        (cost + belief.iter().zip(&self.end).map(|(b, e)| b * e).sum::<f64>(), rate)
    }
}

/// All policies that are certain, one after another: none is better than the exact guide, and at a low temperature the best of
/// them is as good, to what its rate weighs.
#[test]
fn no_policy_of_all_is_better() {
    let mut numbers = Numbers(41);
    let mut tried = 0;
    while tried < if full() { 20 } else { 8 } {
        let mut problem = Problem::new(&mut numbers);
        let places = problem.states * problem.steps;
        if (problem.actions as f64).powi(places as i32) > 10_000.0 {
            continue;
        }
        tried += 1;
        problem.alpha = [1e-3, 0.5][tried % 2];
        let found = figures(&problem.source("prior", "= exact")).0;
        let (mut least, mut cheapest, mut paid) = (f64::INFINITY, f64::INFINITY, 0.0);
        for number in 0..problem.actions.pow(places as u32) {
            let policy =
                |t: usize, s: usize| number / problem.actions.pow((t * problem.states + s) as u32) % problem.actions;
            let (cost, rate) = problem.certain(&policy);
            least = f64::min(least, cost + rate);
            if cost < cheapest {
                (cheapest, paid) = (cost, rate);
            }
        }
        assert!(found <= least + 1e-10 && found >= cheapest - 1e-10, "{found}: {cheapest} to {least}");
        if problem.alpha == 1e-3 {
            assert!(found - cheapest <= paid + 1e-10 && paid < 0.03, "{found}, {cheapest} and {paid}");
        }
    }
}

/// The tables of choices, over states: what is to come and the policy, against dynamic programming.
#[test]
fn tables_of_choices_are_those_of_dynamic_programming() {
    let mut numbers = Numbers(5);
    for _ in 0..8 {
        let problem = Problem::new(&mut numbers);
        let model = fe_testing::model(&problem.source("prior", "= exact"));
        let choices = &model.objective.report.choices;
        assert_eq!(choices.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a"]);
        let found = model.at(&model.start(), &[choices[0].to_come.unwrap(), choices[0].probabilities, choices[0].rate]);
        let (states, actions) = (problem.states, problem.actions);
        let mut next = problem.end.clone();
        for t in (0..problem.steps).rev() {
            let mut here = vec![];
            for s in 0..states {
                let each: Vec<f64> = (0..actions)
                    .map(|a| {
                        let k = s * actions + a;
                        let moves = &problem.moves[k * states..(k + 1) * states];
                        problem.cost[k] + moves.iter().zip(&next).map(|(p, v)| p * v).sum::<f64>()
                    })
                    .collect();
                let value = problem.soft(&problem.prior, &each);
                here.push(value);
                let mut rate = 0.0;
                for (a, v) in each.iter().enumerate() {
                    let ratio = (value - v) / problem.alpha;
                    let q = problem.prior[a] * ratio.exp();
                    rate += q * ratio;
                    // Axes are in the order of their making: the loop, the states, the actions.
                    let at = [(t * states + s) * actions + a, (t * actions + a) * states + s];
                    assert!(at.iter().any(|&k| (found[1].values[k] - q).abs() < 1e-10), "{t} {s} {a}: {q}");
                }
                close(found[0].values[t * states + s], value, 1e-10);
                close(found[2].values[t * states + s], rate, 1e-10);
            }
            next = here;
        }
    }
}
