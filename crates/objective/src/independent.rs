//! Which parameters place a guide, and the scalars that a guide holds to be independent of all others.

use fe_graph::Axis;

use crate::guide::kind::GuideKind;
use crate::objective::{Objective, Parameter, Start};

/// Names of parameters that say where a guide is, and not how wide.
const LOCATIONS: [&str; 4] = ["mean", "location", "point", "log_rate"];

impl Parameter {
    /// Whether the program declares it, as `param`: the sites of layers, guides and descents have a dot, which no name has.
    pub fn is_declared(&self) -> bool {
        matches!(self.start, Start::Declared(_)) && !self.name.contains('.')
    }

    /// Whether it says where a guide is, on the unconstrained scale in units of its starting width.
    pub fn is_location(&self) -> bool {
        matches!(self.start, Start::Constant(_))
            && self.name.rsplit('.').next().is_some_and(|last| LOCATIONS.contains(&last))
    }
}

/// A run of scalars with a mean-field Gaussian guide on the unconstrained scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Independent {
    /// The latent.
    pub name: String,
    /// Its axes, in the order of the scalars.
    pub axes: Vec<Axis>,
    /// The parameter of their means, as a place in [`Objective::parameters`].
    pub location: usize,
    /// That of the logarithms of their standard deviations, in the same unit.
    pub log_scale: usize,
    /// The first of them in both.
    pub start: usize,
    /// How many there are.
    pub length: usize,
}

impl Objective {
    /// All scalars with a mean-field Gaussian guide.
    pub fn independent(&self) -> Vec<Independent> {
        let find = |name: String| self.parameters.iter().position(|p| p.name == name);
        let axes = |name: &str| self.guides.latents.iter().find(|l| l.name == name).map_or(vec![], |l| l.axes.clone());
        let mut found = vec![];
        for joint in self.guides.joints.iter().filter(|j| j.kind.is_diagonal()) {
            let (location, log_scale) =
                (find(format!("{}.mean", joint.name)), find(format!("{}.log_scale", joint.name)));
            let Some((location, log_scale)) = location.zip(log_scale) else { continue };
            for b in &joint.blocks {
                let (name, start, length) = (b.name.clone(), b.start, b.length);
                found.push(Independent { axes: axes(&name), name, location, log_scale, start, length });
            }
        }
        for latent in self.guides.latents.iter().filter(|l| matches!(l.guide, GuideKind::MeanField { .. })) {
            let of = |what: &str| find(format!("{}.guide.{what}", latent.name));
            let Some((location, log_scale)) = of("location").zip(of("log_scale")) else { continue };
            // A parameter lies in the order of its sorted axes.
            let axes = fe_graph::axis::sorted(&latent.axes);
            let length = axes.iter().map(|a| self.graph.extent_of(a.id)).product();
            found.push(Independent { name: latent.name.clone(), axes, location, log_scale, start: 0, length });
        }
        found
    }

    /// Whether what is minimised is, in the end, the free energy: every term once, and nothing else, without bounds.
    pub fn is_free_energy(&self) -> bool {
        use crate::objective::TermKind;
        use fe_check::Functional;
        let names = |name: &Option<String>, of: &str| name.as_ref().is_none_or(|n| n == of);
        let weight = |rate: bool, of: &str| -> f64 {
            let counted = self.minimised.spec.iter().filter(|(_, f)| match f {
                Functional::Rate(name) => rate && names(name, of),
                Functional::Distortion(name) => !rate && names(name, of),
                Functional::Energy(_) | Functional::Information(..) => false,
            });
            counted.map(|(w, _)| w.last()).sum()
        };
        let priced = self
            .minimised
            .spec
            .iter()
            .any(|(w, f)| matches!(f, Functional::Energy(_) | Functional::Information(..)) && w.last() != 0.0);
        !priced
            && self.minimised.bounds.is_empty()
            && self.terms.iter().all(|t| weight(t.kind == TermKind::Rate, &t.name) == 1.0)
    }
}
