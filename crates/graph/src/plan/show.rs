//! A plan in words: `fe explain --plan`.

use std::collections::BTreeMap;

use super::lower::cost;
use super::{Load, PANEL, Phase, Plan, Product, Region, View, Work};
use crate::axis::Axis;
use crate::graph::Graph;

/// The cost of some work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Multiplications and additions of matrix products.
    pub product_flops: u64,
    /// Element-wise operations, in additions.
    pub element_flops: u64,
    /// Elements read from and written to buffers.
    pub moved: u64,
}

impl std::ops::Add for Cost {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self {
            product_flops: self.product_flops + o.product_flops,
            element_flops: self.element_flops + o.element_flops,
            moved: self.moved + o.moved,
        }
    }
}

fn product_cost(p: &Product) -> Cost {
    let main = [&p.m, &p.n, &p.k];
    let flops = p.outer.iter().chain(&p.summed).chain(main).fold(2u64, |n, l| n.saturating_mul(l.extent as u64));
    let moved = p.left.size() + p.right.size() + p.into.size();
    Cost { product_flops: flops, element_flops: 0, moved: moved as u64 }
}

fn region_cost(r: &Region) -> Cost {
    let size = r.space.iter().fold(1usize, |n, a| n.saturating_mul(a.1));
    let code: usize = r.code.iter().map(|i| cost(i.map)).sum::<usize>() + r.folds.len();
    let loads = r.loads.iter().map(|l| if let Load::View(v) = l { v.size() } else { 0 }).sum::<usize>();
    let stores = r.stores.iter().map(|s| s.1.size()).sum::<usize>();
    Cost { product_flops: 0, element_flops: size.saturating_mul(code) as u64, moved: (loads + stores) as u64 }
}

impl Work {
    /// Its cost over all rows.
    pub fn cost(&self) -> Cost {
        let element = |each: usize, v: &View| Cost {
            element_flops: (each * v.size()) as u64,
            moved: v.size() as u64,
            ..Cost::default()
        };
        match self {
            Self::Region(r) => region_cost(r),
            Self::Product(p) => product_cost(p),
            Self::Noise { into, .. } => element(30, into),
            Self::Arrivals { rate, into, .. } => element(60 * into.len(), rate),
            Self::Gather { into, .. } => element(2, into),
            Self::Scatter { from, .. } => element(2, from),
            Self::Overlay { from, .. } => element(1, from),
            Self::Factor { from, column, .. } => {
                let n = from.dims.iter().find(|d| d.axis == *column).map_or(1, |d| d.extent);
                element(n, from)
            }
            Self::Scan { operands, .. } => operands.iter().map(|v| element(20, v)).fold(Cost::default(), |a, b| a + b),
        }
    }
}

impl Phase {
    /// Its cost.
    pub fn cost(&self) -> Cost {
        let tiled = self.tiled.iter().map(product_cost);
        let all = self.rows.iter().chain(&self.once).map(Work::cost).chain(tiled);
        all.fold(Cost::default(), |a, b| a + b)
    }
}

impl Plan {
    /// A readable listing: phases, regions, buffers, bytes and flops, with `width` bytes an element.
    pub fn describe(&self, graph: &Graph, width: usize) -> String {
        let mut text = String::new();
        let name = |a: Axis| if a == PANEL { "panel".to_owned() } else { graph.axis_name(a) };
        match &self.parallel {
            Some((axis, panels)) => {
                let rows = panels.iter().map(|p| p.len()).max().unwrap_or(0);
                text += &format!("rows: {} in {} panels of at most {rows}\n", name(*axis), panels.len());
            }
            None => text += "nothing is divided: one thread\n",
        }
        let stored: usize = self.buffers.iter().map(|b| b.size * width).sum();
        text += &format!(
            "memory: {} in {} buffers, {} with places shared\n",
            bytes(stored),
            self.buffers.len(),
            bytes(self.arena * width)
        );
        for (title, phases) in [("when data change", &self.steady), ("every step", &self.phases)] {
            if phases.is_empty() {
                continue;
            }
            let total = phases.iter().map(Phase::cost).fold(Cost::default(), |a, b| a + b);
            text += &format!(
                "\n{title}: {} phases, {} in matrix products, {} in loops, {} moved\n",
                phases.len(),
                count(total.product_flops, "flop"),
                count(total.element_flops, "flop"),
                bytes(total.moved as usize * width)
            );
            for (k, phase) in phases.iter().enumerate() {
                text += &format!("  phase {}\n", k + 1);
                for (kind, list) in [("each panel", &phase.rows), ("once", &phase.once)] {
                    let mut regions: BTreeMap<usize, String> = BTreeMap::new();
                    for (at, work) in list.iter().enumerate() {
                        regions.insert(at, self.line(work, &name));
                    }
                    for line in regions.values() {
                        text += &format!("    {kind:<10}  {line}\n");
                    }
                }
                for product in &phase.tiled {
                    text += &format!("    {:<10}  {}\n", "in tiles", product_line(product, &name));
                }
            }
        }
        text
    }

    fn line(&self, work: &Work, name: &dyn Fn(Axis) -> String) -> String {
        let axes = |v: &View| v.dims.iter().map(|d| name(d.axis)).collect::<Vec<_>>().join(", ");
        match work {
            Work::Region(r) => {
                let space: Vec<String> = r.space.iter().map(|a| name(a.0)).collect();
                let mut counts: Vec<(String, usize)> = vec![];
                for i in &r.code {
                    let word = format!("{:?}", i.map).to_lowercase().replace("unary(", "").replace("binary(", "");
                    let word = word.trim_end_matches(')').to_owned();
                    match counts.iter_mut().find(|c| c.0 == word) {
                        Some(c) => c.1 += 1,
                        None => counts.push((word, 1)),
                    }
                }
                let words: Vec<String> =
                    counts.into_iter().map(|(w, n)| if n == 1 { w } else { format!("{n} {w}") }).collect();
                format!(
                    "loop [{}]: {}; reads {}, writes {}, folds {}",
                    space.join(", "),
                    if words.is_empty() { "copy".to_owned() } else { words.join(", ") },
                    r.loads.iter().filter(|l| matches!(l, Load::View(_))).count(),
                    r.stores.len(),
                    r.folds.len()
                )
            }
            Work::Product(p) => product_line(p, name),
            Work::Noise { kind, into, .. } => format!("noise {} [{}]", format!("{kind:?}").to_lowercase(), axes(into)),
            Work::Arrivals { indicator, rate, into, .. } => {
                let orders: Vec<String> = into.iter().map(|o| o.0.to_string()).collect();
                let indicator = format!("{indicator:?}").to_lowercase();
                format!("arrivals {indicator}, orders {} [{}]", orders.join(" "), axes(rate))
            }
            Work::Gather { into, .. } => format!("gather [{}]", axes(into)),
            Work::Overlay { from, into, .. } => format!("overlay [{}] on [{}]", axes(from), axes(into)),
            Work::Scatter { into, .. } => format!("scatter [{}]", axes(into)),
            Work::Factor { kind, into, .. } => format!("{kind:?} [{}]", axes(into)).to_lowercase(),
            Work::Scan { scan, .. } => format!("loop over {}", name(scan.axis)),
        }
    }
}

fn product_line(p: &Product, name: &dyn Fn(Axis) -> String) -> String {
    let axes = |v: &View| v.dims.iter().map(|d| name(d.axis)).collect::<Vec<_>>().join(", ");
    let spikes = match (p.sparse, &p.mask) {
        (true, _) => ", on the spikes alone where they are few",
        (false, Some(_)) => ", for the spikes alone where they are few",
        (false, None) => "",
    };
    format!(
        "product [{}] · [{}] → [{}], {}{spikes}",
        axes(&p.left),
        axes(&p.right),
        axes(&p.into),
        count(product_cost(p).product_flops, "flop")
    )
}

fn bytes(n: usize) -> String {
    let n = n as f64;
    match n {
        _ if n < 1024.0 => format!("{n} B"),
        _ if n < 1024.0 * 1024.0 => format!("{:.1} KiB", n / 1024.0),
        _ => format!("{:.1} MiB", n / 1024.0 / 1024.0),
    }
}

fn count(n: u64, unit: &str) -> String {
    let x = n as f64;
    match x {
        _ if x < 1e3 => format!("{n} {unit}"),
        _ if x < 1e6 => format!("{:.1} k{unit}", x / 1e3),
        _ if x < 1e9 => format!("{:.1} M{unit}", x / 1e6),
        _ => format!("{:.2} G{unit}", x / 1e9),
    }
}
