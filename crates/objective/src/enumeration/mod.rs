//! Finite latents, summed out exactly: variable elimination over the terms that read them, along chains by combining
//! neighbouring steps in pairs, so that T steps take log T rounds.
//!
//! Each term is a log factor; eliminating a latent adds up the factors that read it and takes log Σ exp over its
//! values. What is left at the end is log Z, the log of the joint density with every finite latent summed out, a
//! function of all other latents. By its derivative in a factor come the probabilities that the factor is met with
//! (Darwiche, 2003; forward–backward is the same along a chain), so that
//!
//! distortion = −Σ M f, rate = Σ M (log q − log p), distortion + rate = −log Z.

mod picks;
mod reads;
mod together;

use std::collections::{HashMap, HashSet};

use fe_check::Latent;
use fe_graph::{Axis, Binary, NodeId, NoiseKind, Recurrence, Site, axis};
use fe_syntax::Span;

use crate::deriver::Deriver;
use crate::elimination::{Points, weighs_all_the_same};
use crate::enumerated::{Enumeration, Source, Summed};
use crate::guide::types::Posterior;
use crate::messages;
use crate::objective::Underivable;
pub(crate) use picks::moved_down;
use together::Together;

/// The most numbers in one table of joint values.
pub(crate) const TABLE_LIMIT: usize = 1 << 24;

/// Log probabilities are cut off here, below which nothing is ever met: so that impossible values stay finite.
const LEAST: f64 = -1e30;

/// The sites of the noise by which a latent that is summed out is drawn.
pub(crate) fn sites(latent: &Latent) -> [Site; 2] {
    [Site::named(&latent.name), Site::named(&format!("{}.between", latent.name))]
}

/// A latent to be summed out.
struct Finite<'a> {
    number: usize,
    latent: &'a Latent,
    values: Axis,
    /// What the places along that axis stand for.
    value: NodeId,
    /// Of a latent that is integrated at points, these.
    points: Option<Points>,
    /// Where elements are taken together, their joint values.
    together: Option<Together>,
    /// Values one step earlier, and the axis of steps, where some term reads them.
    before: Option<(Axis, Axis)>,
}

impl Finite<'_> {
    /// The axes along which its elements are summed out one by one.
    fn plates(&self) -> Vec<Axis> {
        let together = self.together.as_ref().map_or(&[][..], |t| &t.axes);
        axis::difference(&axis::sorted(&self.latent.axes), together)
    }
}

/// A log factor: the node that stands for it while latents are eliminated, and its value.
struct Factor {
    source: Source,
    proxy: NodeId,
    value: NodeId,
}

/// A latent after its elimination: its table, and the sum over its values.
struct Eliminated {
    table: NodeId,
    message: NodeId,
}

impl<'a> Deriver<'a> {
    /// Whether a latent is summed out.
    pub(crate) fn is_enumerated(&self, k: usize) -> bool {
        matches!(self.realised.posteriors.get(k), Some(Posterior::Enumerated))
    }

    /// Nodes of the latents that are summed out.
    pub(crate) fn enumerated_nodes(&self) -> HashSet<NodeId> {
        let latents = self.program.latents.iter().enumerate();
        latents.filter(|(k, _)| self.is_enumerated(*k)).map(|(_, l)| l.node).collect()
    }

    /// Sums out every finite latent whose guide is left to the compiler.
    pub(crate) fn enumerate(&mut self) -> Result<Enumeration, Underivable> {
        let nodes = self.enumerated_nodes();
        if nodes.is_empty() {
            return Ok(Enumeration::default());
        }
        self.guides_leave_alone(&nodes)?;
        if !self.realised.in_turn.is_empty() {
            return self.in_turn(&nodes);
        }
        let (mut finite, factors) = self.read_by_terms(&nodes)?;
        // Those of most axes first, and of these the last declared: each is then summed out given those it depends on.
        // Chains come after what hangs on their single steps.
        finite.sort_by_key(|f| (std::cmp::Reverse(f.plates().len()), f.before.is_some(), std::cmp::Reverse(f.number)));
        let (factors, mut pool): (Vec<Factor>, Vec<NodeId>) = factors.into_iter().unzip();
        let mut eliminated: Vec<Eliminated> = vec![];
        for k in 0..finite.len() {
            let (Some(one), later) = (finite.get(k), finite.get(k + 1..).unwrap_or_default()) else { continue };
            let before = self.g.set_origin(self.g.origin_of(one.latent.node));
            eliminated.push(self.eliminate(one, later, &mut pool)?);
            self.g.set_origin(before);
        }
        let row = self.program.row.map(|r| Axis::plain(r.axis));
        let local = row.filter(|r| finite.iter().all(|f| f.plates().contains(r)));
        let mut by_row = self.g.constant(0.0);
        let mut total = self.g.constant(0.0);
        for &rest in &pool {
            if let Some(row) = local {
                let part = self.g.sum_to(rest, &[row]);
                by_row = self.g.add(by_row, part);
            }
            let rest = self.g.sum_all_but(rest, &[]);
            total = self.g.add(total, rest);
        }
        let mut wanted: Vec<NodeId> = factors.iter().map(|f| f.proxy).collect();
        wanted.extend(eliminated.iter().map(|e| e.table));
        let span = finite.first().map(|f| f.latent.span).unwrap_or_default();
        let met = self.g.gradient(total, &wanted);
        let met = met.map_err(|e| messages::no_derivative("the sum over finite latents", &e, span))?;
        // Where distortion and rate weigh the same, their sum is −log Z, and no derivative of a probability survives.
        let plain = weighs_all_the_same(self.program);
        let values: HashMap<NodeId, NodeId> = factors.iter().map(|f| (f.proxy, f.value)).collect();
        let resolve = |d: &mut Self, node: NodeId| d.g.substitute(&[node], &values).first().copied().unwrap_or(node);
        let by_row = local.map(|_| resolve(self, by_row));
        let mut result = Enumeration { log_partition: Some(resolve(self, total)), by_row, ..Enumeration::default() };
        let mut met = met.into_iter();
        for factor in &factors {
            let Some(m) = met.next() else { continue };
            let m = resolve(self, m);
            let m = if plain { self.g.stop(m) } else { m };
            let product = self.g.mul(m, factor.value);
            let over: Vec<Axis> =
                finite.iter().flat_map(|f| [Some(f.values), f.before.map(|b| b.0)]).flatten().collect();
            let over = axis::intersection(self.g.axes_of(product), &axis::sorted(&over));
            let expected = self.g.sum(product, &over);
            result.expected.insert(factor.source, expected);
        }
        let mut drawn: HashMap<usize, NodeId> = HashMap::new();
        let met: Vec<NodeId> = met.collect();
        for (k, ((one, e), &m)) in finite.iter().zip(&eliminated).zip(&met).enumerate().rev() {
            let e = Eliminated { table: resolve(self, e.table), message: resolve(self, e.message) };
            let m = resolve(self, m);
            let prior = result.expected.get(&Source::Prior(one.number)).copied();
            let later = Later { of: finite.get(k + 1..).unwrap_or_default(), drawn: &drawn };
            let (summed, place) = self.summed(one, &e, m, plain, &later, prior);
            drawn.extend(place.map(|d| (one.number, d)));
            result.latents.insert(one.number, summed);
        }
        Ok(result)
    }

    /// A guide that reads a latent that is summed out would need it drawn first.
    fn guides_leave_alone(&self, nodes: &HashSet<NodeId>) -> Result<(), Underivable> {
        for (latent, posterior) in self.program.latents.iter().zip(&self.realised.posteriors) {
            if let Posterior::Family(q) | Posterior::Prior(q) = posterior
                && q.args.iter().any(|&a| self.g.depends_on(a, nodes))
            {
                let span = latent.guide_span.unwrap_or(latent.span);
                return Err(messages::guide_reads_summed_out(&latent.name, span));
            }
        }
        Ok(())
    }

    /// Adds up the factors that read a latent, and sums over its values.
    fn eliminate(&mut self, one: &Finite, later: &[Finite], pool: &mut Vec<NodeId>) -> Result<Eliminated, Underivable> {
        let own = one.plates();
        let (involved, rest): (Vec<NodeId>, Vec<NodeId>) = pool
            .iter()
            .partition(|&&n| self.g.has_axis(n, one.values) || one.before.is_some_and(|b| self.g.has_axis(n, b.0)));
        let mut kept = axis::union(&own, &[one.values]);
        if let Some((before, _)) = one.before {
            kept = axis::union(&kept, &[before]);
        }
        for &node in &involved {
            for other in later {
                let axes = [Some(other.values), other.before.map(|b| b.0)];
                let axes: Vec<Axis> = axes.into_iter().flatten().filter(|&a| self.g.has_axis(node, a)).collect();
                if axes.is_empty() {
                    continue;
                }
                let crossed = other.plates().iter().any(|a| !own.contains(a))
                    || one.before.is_some_and(|(_, steps)| other.plates().contains(&steps));
                if crossed {
                    return Err(messages::crossed(&one.latent.name, &other.latent.name, one.latent.span));
                }
                kept = axis::union(&kept, &axes);
            }
        }
        let size = self.numbers_at_once(&kept);
        if size > TABLE_LIMIT {
            return Err(messages::too_many_values(&one.latent.name, one.latent.span, size, TABLE_LIMIT));
        }
        let mut table = self.g.full(0.0, &kept);
        for node in involved {
            let axes = axis::intersection(self.g.axes_of(node), &kept);
            let part = self.g.sum_to(node, &axes);
            table = self.g.add(table, part);
        }
        table = self.g.broadcast(table, &kept);
        let message = match one.before {
            None => self.g.logsumexp(table, &[one.values]),
            Some((before, steps)) => self.along(table, steps, before, one.values)?,
        };
        *pool = rest;
        pool.push(message);
        Ok(Eliminated { table, message })
    }

    /// log Σ exp over all paths of a chain, from a table over its steps, the value before, and the value now. At the
    /// first step the value before has no say.
    fn along(&mut self, table: NodeId, steps: Axis, before: Axis, now: Axis) -> Result<NodeId, Underivable> {
        let (length, count) = (self.g.extent_of(steps.id), self.g.extent_of(now.id));
        let rest: usize = self.g.axes_of(table).iter().map(|a| self.g.extent_of(a.id)).fold(1, usize::saturating_mul);
        if rest / 2 * count > TABLE_LIMIT / 4 {
            return self.step_by_step(table, steps, before, now);
        }
        let middle = Axis::private(now.id);
        let (mut table, mut steps, mut length) = (table, steps, length);
        while length > 1 {
            let half = length / 2;
            let (pairs, two) = (self.axis("pairs", half), self.axis("two", 2));
            let (even, along) = if length % 2 == 0 {
                (table, steps)
            } else {
                let even = self.axis("even", 2 * half);
                (self.g.slice(table, steps, 0, even), even)
            };
            let paired = self.g.reshape(even, &[along], &[pairs, two]);
            let (first, second) = (self.g.pick(paired, two, 0), self.g.pick(paired, two, 1));
            let (first, second) = (self.g.rename(first, &[(now, middle)]), self.g.rename(second, &[(before, middle)]));
            let both = self.g.add(first, second);
            let mut joined = self.g.logsumexp(both, &[middle]);
            let mut joined_axis = pairs;
            if length % 2 == 1 {
                let (one, longer) = (self.axis("last", 1), self.axis("steps", half + 1));
                let last = self.g.slice(table, steps, length - 1, one);
                joined = self.g.concat((joined, pairs), (last, one), longer);
                joined_axis = longer;
            }
            (table, steps, length) = (joined, joined_axis, half + length % 2);
        }
        let table = self.g.pick(table, steps, 0);
        let table = self.g.pick(table, before, 0);
        Ok(self.g.logsumexp(table, &[now]))
    }

    /// The same by the forward recursion, for tables too large to combine in pairs.
    fn step_by_step(&mut self, table: NodeId, steps: Axis, before: Axis, now: Axis) -> Result<NodeId, Underivable> {
        let first = self.g.pick(table, before, 0);
        let axes = self.g.axes_of(first).to_vec();
        let (_, stand_in) = self.g.input("forward", &axis::union(&axes, &[steps]));
        let earlier = self.one_earlier(stand_in, steps);
        let from = self.g.rename(earlier, &[(now, before)]);
        let moved = self.g.add(from, table);
        let moved = self.g.logsumexp(moved, &[before]);
        let (place, zero) = (self.g.iota(steps), self.g.constant(0.0));
        let start = self.g.equal(place, zero);
        let value = self.g.select(start, first, moved);
        let stepped = self.g.recur(steps, &[Recurrence { stand_in, value }]);
        let last = self.g.extent_of(steps.id).saturating_sub(1);
        let forward = stepped
            .ok()
            .and_then(|s| s.values.first().copied())
            .ok_or_else(|| messages::mixes_some_elements(Span::default()))?;
        let end = self.g.pick(forward, steps, last);
        Ok(self.g.logsumexp(end, &[now]))
    }

    /// A tensor one position on: at each the value before; at the first the first.
    fn one_earlier(&mut self, x: NodeId, steps: Axis) -> NodeId {
        let (place, zero) = (self.g.iota(steps), self.g.constant(0.0));
        let index = self.g.shift(place, -1.0);
        let index = self.g.binary(Binary::Max, index, zero);
        self.g.gather(x, index, steps)
    }

    fn axis(&mut self, name: &str, extent: usize) -> Axis {
        Axis::plain(self.g.add_axis(name, extent))
    }

    /// Rates, probabilities and draws of a latent that was summed out, and the place of a draw along its axis of values.
    fn summed(
        &mut self,
        one: &Finite,
        e: &Eliminated,
        m: NodeId,
        plain: bool,
        later: &Later,
        expected: Option<NodeId>,
    ) -> (Summed, Option<NodeId>) {
        let own = one.plates();
        let weight = if plain { self.g.stop(m) } else { m };
        // E log q(z | what is not yet summed out) = Σ M (table − message)
        let through = self.g.mul(weight, e.table);
        let through = self.g.sum_all_but(through, &[]);
        let met = match one.before {
            None => weight,
            Some((_, steps)) => self.g.pick(weight, steps, 0),
        };
        let axes = self.g.axes_of(e.message).to_vec();
        let met = self.g.sum_to(met, &axes);
        let out = self.g.mul(met, e.message);
        let out = self.g.sum_all_but(out, &[]);
        let log_q = self.g.sub(through, out);
        // By elements: E log q(z_t | z_{t−1}) from the probabilities of pairs.
        let small = self.g.constant(1e-30);
        let (pairs, before) = (self.g.binary(Binary::Max, m, small), self.g.sum(m, &[one.values]));
        let before = self.g.binary(Binary::Max, before, small);
        let (log_pairs, log_before) = (self.g.log(pairs), self.g.log(before));
        let conditional = self.g.sub(log_pairs, log_before);
        let entropy = self.g.mul(m, conditional);
        let mut rate = match &one.together {
            None => self.g.sum_to(entropy, &own),
            Some(together) => together.entropies(&mut self.g, m, &own),
        };
        if let Some(expected) = expected {
            rate = self.g.sub(rate, expected);
        }
        let whole = axis::union(&own, &[one.values]);
        let probabilities = self.g.sum_to(m, &whole);
        let site = Site::named(&one.latent.name);
        let marginal_draw = self.pick_by(probabilities, one.values, &own, site);
        if let Some(points) = one.points {
            let draw = self.between(&points, (probabilities, marginal_draw), one.latent, &own);
            let values = one.values;
            return (Summed { log_q, probabilities, values, rate, draw: Some(draw), marginal_draw: draw }, Some(draw));
        }
        // Given the draws of those summed out after it.
        let draw = match one.before {
            None => self.given(e.table, later).map(|t| {
                let p = self.g.softmax(t, &[one.values]);
                self.pick_by(p, one.values, &own, site)
            }),
            Some(before) => self.given(m, later).and_then(|pairs| self.path(pairs, before, one.values, &own, site)),
        };
        let Some(together) = &one.together else {
            return (Summed { log_q, probabilities, values: one.values, rate, draw, marginal_draw }, draw);
        };
        let each = one.latent.support.bounds().1 as usize + 1;
        let values = Axis::plain(self.g.add_axis(&format!("values of {}", one.latent.name), each));
        let probabilities = together.marginals(&mut self.g, probabilities, values);
        let marginal_draw = together.taken(&mut self.g, marginal_draw);
        let elements = draw.map(|place| together.taken(&mut self.g, place));
        (Summed { log_q, probabilities, values, rate, draw: elements, marginal_draw }, draw)
    }

    /// A value of a latent that is integrated at points, from their probabilities and the place of one.
    fn between(
        &mut self,
        points: &Points,
        (probabilities, place): (NodeId, NodeId),
        latent: &Latent,
        own: &[Axis],
    ) -> NodeId {
        let drawn = self.g.substitute(&[points.value, points.log_width, probabilities], &self.draws);
        let &[value, log_width, probabilities] = drawn.as_slice() else { return place };
        let [_, site] = sites(latent);
        let within = self.g.noise(NoiseKind::Uniform, site, &axis::union(&[Axis::SAMPLE], own));
        Points { value, log_width, ..*points }.drawn(&mut self.g, probabilities, place, within)
    }

    /// A table at the draws of latents that are summed out later; `None` where one of them has none.
    fn given(&mut self, table: NodeId, later: &Later) -> Option<NodeId> {
        let mut table = table;
        for other in later.of {
            let drawn = later.drawn.get(&other.number).copied();
            if self.g.has_axis(table, other.values) {
                table = self.g.gather(table, drawn?, other.values);
            }
            if let Some((before, steps)) = other.before
                && self.g.has_axis(table, before)
            {
                let earlier = self.value_before(drawn?, steps);
                table = self.g.gather(table, earlier, before);
            }
        }
        Some(table)
    }

    /// The value of a chain a step before each; 0 at the first, where it has no say.
    fn value_before(&mut self, chain: NodeId, steps: Axis) -> NodeId {
        let (place, zero) = (self.g.iota(steps), self.g.constant(0.0));
        let first = self.g.equal(place, zero);
        let earlier = self.one_earlier(chain, steps);
        self.g.select(first, zero, earlier)
    }

    /// A path of a chain, drawn a step at a time from the probabilities of neighbouring pairs given everything: what comes
    /// after a step is in them already.
    fn path(
        &mut self,
        pairs: NodeId,
        (before, steps): (Axis, Axis),
        values: Axis,
        own: &[Axis],
        site: Site,
    ) -> Option<NodeId> {
        let pairs = self.g.substitute(&[pairs], &self.draws).first().copied()?;
        let (_, stand_in) = self.g.input("path", &axis::union(&[Axis::SAMPLE], own));
        let earlier = self.value_before(stand_in, steps);
        let now = self.g.gather(pairs, earlier, before);
        let all = self.g.sum(now, &[values]);
        let shares = self.g.div(now, all);
        let value = self.pick_by(shares, values, own, site);
        let stepped = self.g.recur(steps, &[Recurrence { stand_in, value }]).ok()?;
        stepped.values.first().copied()
    }

    /// A value drawn by its probabilities.
    pub(crate) fn pick_by(&mut self, probabilities: NodeId, values: Axis, own: &[Axis], site: Site) -> NodeId {
        let p = self.g.substitute(&[probabilities], &self.draws).first().copied().unwrap_or(probabilities);
        let uniform = self.g.noise(NoiseKind::Uniform, site, &axis::union(&[Axis::SAMPLE], own));
        fe_distribution::pick(&mut self.g, p, values, uniform)
    }
}

/// Latents summed out after another one, with the draws known of them.
struct Later<'b, 'a> {
    of: &'b [Finite<'a>],
    drawn: &'b HashMap<usize, NodeId>,
}
