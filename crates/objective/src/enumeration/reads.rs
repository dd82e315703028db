//! How terms read the latents that are summed out: each as a log factor over their values, and what is in the way of that.

use std::collections::{HashMap, HashSet};

use fe_graph::{Axis, Binary, NodeId, Op, axis};
use fe_syntax::Span;

use super::picks::moved_down;
use super::together::{Together, joint_values};
use super::{Factor, Finite, LEAST};
use crate::deriver::Deriver;
use crate::elimination::Points;
use crate::enumerated::Source;
use crate::messages;
use crate::objective::Underivable;

/// Latents to be summed out, and the factors that read them with what stands for each in the sums.
type Read<'a> = (Vec<Finite<'a>>, Vec<(Factor, NodeId)>);

/// Why elements of a latent cannot be summed out one by one: a term mixes them along some axes.
struct Mixed {
    of: Option<(usize, Vec<Axis>)>,
    error: Underivable,
}

impl From<Underivable> for Mixed {
    fn from(error: Underivable) -> Self {
        Self { of: None, error }
    }
}

impl<'a> Deriver<'a> {
    /// The latents to be summed out, and every term that reads one as a log factor. Elements that a term mixes are taken together,
    /// where their joint values are few.
    pub(super) fn read_by_terms(&mut self, nodes: &HashSet<NodeId>) -> Result<Read<'a>, Underivable> {
        let mut together: HashMap<usize, Vec<Axis>> = HashMap::new();
        loop {
            // What is tried leaves nothing behind in the graph.
            let before = self.g.clone();
            let mut finite = self.finite(&together);
            match self.factors(nodes, &mut finite) {
                Ok(factors) => return Ok((finite, factors)),
                Err(Mixed { of: Some((number, along)), error }) => {
                    self.g = before;
                    let axes = together.entry(number).or_default();
                    let wider = axis::union(axes, &along);
                    if wider.len() == axes.len() || self.joint_values_of(number, &wider).is_none() {
                        return Err(error);
                    }
                    *axes = wider;
                }
                Err(Mixed { error, .. }) => return Err(error),
            }
        }
    }

    /// How many joint values elements of a latent have; `None` where they are too many, or not its own: points and counts
    /// without an end.
    fn joint_values_of(&self, number: usize, axes: &[Axis]) -> Option<usize> {
        let open = self.realised.points.contains_key(&number) || self.realised.counts.contains_key(&number);
        let latent = self.program.latents.get(number).filter(|_| !open)?;
        joint_values(&self.g, axes, latent.support.bounds().1 as usize + 1)
    }

    fn finite(&mut self, together: &HashMap<usize, Vec<Axis>>) -> Vec<Finite<'a>> {
        let program = self.program;
        let mut list = vec![];
        for (number, latent) in program.latents.iter().enumerate() {
            if let Some(&points) = self.realised.points.get(&number) {
                let Points { along, value, .. } = points;
                let points = Some(points);
                list.push(Finite { number, latent, values: along, value, points, together: None, before: None });
            } else if self.is_enumerated(number) {
                let (_, greatest) = latent.support.bounds();
                let largest = self.realised.counts.get(&number).copied().unwrap_or(greatest as usize);
                let count = largest + 1;
                let axes = together.get(&number);
                let together = axes.and_then(|axes| Together::new(&mut self.g, &latent.name, axes, count));
                let (values, value) = if let Some(t) = &together {
                    (t.values, t.table)
                } else {
                    let values = Axis::plain(self.g.add_axis(&format!("values of {}", latent.name), count));
                    (values, self.g.iota(values))
                };
                list.push(Finite { number, latent, values, value, points: None, together, before: None });
            }
        }
        list
    }

    /// Every term that reads a latent to be summed out, as a log factor over the latents' values.
    fn factors(&mut self, nodes: &HashSet<NodeId>, finite: &mut [Finite<'a>]) -> Result<Vec<(Factor, NodeId)>, Mixed> {
        let program = self.program;
        let mut terms: Vec<(Source, NodeId, bool, Span)> = vec![];
        for (k, latent) in program.latents.iter().enumerate() {
            let prior = self.after_distribution(&latent.prior);
            let reads = latent.prior.args.iter().any(|&a| self.g.depends_on(a, nodes)) || nodes.contains(&latent.node);
            if reads {
                let z = self.after(latent.node);
                let density = self.log_density(&prior, z, latent)?;
                terms.push((Source::Prior(k), density, latent.support.is_discrete(), latent.span));
            }
        }
        for (k, observe) in program.observes.iter().enumerate() {
            let d = self.after_distribution(&observe.distribution);
            if !d.args.iter().any(|&a| self.g.depends_on(a, nodes)) {
                continue;
            }
            let x = self.after(observe.value);
            let density = self.likelihood(&d, x, observe)?;
            let discrete = d.support(&self.g).is_some_and(|s| s.is_discrete());
            terms.push((Source::Observe(k), density, discrete, observe.span));
        }
        for (k, loss) in program.losses.iter().enumerate() {
            let cost = self.after(loss.node);
            if self.g.depends_on(cost, nodes) {
                let value = self.g.neg(cost);
                terms.push((Source::Loss(k), value, false, loss.span));
            }
        }
        let mut factors = vec![];
        for (source, node, discrete, span) in terms {
            let node = moved_down(&mut self.g, node, nodes);
            let read = self.reads(node, finite, span)?;
            let mut value = self.g.substitute(&[node], &read.values).first().copied().unwrap_or(node);
            if discrete {
                let least = self.g.constant(LEAST);
                value = self.g.binary(Binary::Max, value, least);
            }
            value = self.g.broadcast(value, &read.plates);
            let axes = self.g.axes_of(value).to_vec();
            let (_, proxy) = self.g.input("factor", &axes);
            let mut entry = proxy;
            for &(index, along) in &read.groups {
                // One value for each group: the members' factors are added up.
                let over = self.g.axes_of(index).to_vec();
                entry = self.g.scatter_add(entry, index, along, &over);
            }
            factors.push((Factor { source, proxy, value }, entry));
        }
        for one in finite.iter() {
            // Of a density, a sum over points is an integral by their distance.
            if let Some(points) = one.points {
                let axes = axis::union(&axis::sorted(&one.latent.axes), &[one.values]);
                let value = self.g.broadcast(points.log_width, &axes);
                let (_, proxy) = self.g.input("factor", &axes);
                factors.push((Factor { source: Source::Width(one.number), proxy, value }, proxy));
            }
        }
        Ok(factors)
    }

    /// How a term reads the latents: each by its own element, its element one step earlier, or that of a group.
    fn reads(&mut self, root: NodeId, finite: &mut [Finite<'a>], span: Span) -> Result<Reads, Mixed> {
        let mut reads = Reads::default();
        let mut dependent: HashSet<NodeId> = HashSet::new();
        let mut direct: HashSet<NodeId> = HashSet::new();
        let mut groups: HashMap<NodeId, (NodeId, Axis)> = HashMap::new();
        let mixed = |one: &Finite, along: Vec<Axis>| Mixed {
            of: Some((one.number, along)),
            error: messages::mixes_elements(&one.latent.name, span),
        };
        for id in self.g.reachable(&[root]) {
            if let Some(one) = finite.iter().find(|f| f.latent.node == id) {
                dependent.insert(id);
                reads.values.insert(id, one.value);
                continue;
            }
            let node = self.g.node(id).clone();
            if !node.inputs.iter().any(|i| dependent.contains(i)) {
                continue;
            }
            dependent.insert(id);
            let picked = match (&node.op, node.inputs.as_slice()) {
                (Op::Gather { axis }, &[x, index]) if !dependent.contains(&index) => finite
                    .iter()
                    .position(|f| f.latent.node == x && f.plates().contains(axis))
                    .map(|k| (k, *axis, index)),
                _ => None,
            };
            if let Some((k, along, index)) = picked {
                let Some(one) = finite.get_mut(k) else { continue };
                if self.g.shift_of(index) == Some((along, -1)) {
                    let before = match one.before {
                        Some((before, steps)) if steps == along => before,
                        Some(_) => return Err(mixed(one, vec![along])),
                        None => {
                            let count = self.g.extent_of(one.values.id);
                            let name = format!("earlier values of {}", one.latent.name);
                            let before = Axis::plain(self.g.add_axis(&name, count));
                            one.before = Some((before, along));
                            before
                        }
                    };
                    let values = self.g.iota(before);
                    reads.values.insert(id, values);
                    reads.plates = axis::union(&reads.plates, &one.plates());
                } else {
                    if groups.insert(one.latent.node, (index, along)).is_some_and(|other| other.0 != index) {
                        return Err(mixed(one, vec![along]));
                    }
                    let values = match one.points {
                        Some(points) => self.g.gather(points.value, index, along),
                        None => one.value,
                    };
                    reads.values.insert(id, values);
                    reads.plates = axis::union(&reads.plates, &node.axes);
                    if !reads.groups.contains(&(index, along)) {
                        reads.groups.push((index, along));
                    }
                }
                continue;
            }
            // What is left reads a latent, or what follows from it, as it is.
            for one in finite.iter().filter(|f| node.inputs.contains(&f.latent.node)) {
                direct.insert(one.latent.node);
                reads.plates = axis::union(&reads.plates, &one.plates());
            }
            let touched: Vec<Axis> = match &node.op {
                Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Broadcast(_) | Op::Stop => vec![],
                Op::Sum(over) | Op::Max(over) | Op::Contract(over) => over.clone(),
                Op::Gather { axis } => vec![*axis],
                Op::Rename(pairs) => pairs.iter().flat_map(|p| [p.0, p.1]).collect(),
                Op::Reshape { from, to } => [from.as_slice(), to].concat(),
                _ => node.axes.clone(),
            };
            if touched.iter().any(|a| reads.plates.contains(a)) {
                // Of a latent whose elements are picked by an index, those along the axis that it picks from.
                let along = |f: &Finite| {
                    let picked = groups
                        .get(&f.latent.node)
                        .filter(|(index, _)| self.g.axes_of(*index).iter().any(|a| touched.contains(a)));
                    axis::union(
                        &axis::intersection(&f.plates(), &touched),
                        &picked.iter().map(|p| p.1).collect::<Vec<_>>(),
                    )
                };
                let of = finite.iter().filter(|f| self.g.depends_on(id, &HashSet::from([f.latent.node])));
                let one = of.map(|f| (f, along(f))).find(|(_, along)| !along.is_empty());
                return Err(match one {
                    Some((f, along)) => mixed(f, along),
                    None => messages::mixes_some_elements(span).into(),
                });
            }
        }
        if let Some(one) = finite.iter().find(|f| f.latent.node == root) {
            direct.insert(root);
            reads.plates = axis::union(&reads.plates, &one.plates());
        }
        // A latent by its own element and by that of a group are two elements.
        if let Some(one) =
            finite.iter().find(|f| direct.contains(&f.latent.node) && groups.contains_key(&f.latent.node))
        {
            let along = groups.get(&one.latent.node).map(|g| g.1);
            return Err(mixed(one, along.into_iter().collect()));
        }
        Ok(reads)
    }
}

/// How a term reads finite latents.
#[derive(Debug, Default)]
struct Reads {
    /// What stands in the place of each read.
    values: HashMap<NodeId, NodeId>,
    /// The axes of what is read.
    plates: Vec<Axis>,
    /// Index arrays of groups, each with the axis it picks along.
    groups: Vec<(NodeId, Axis)>,
}
