//! Dropout: part of a layer is left out at each step of the training, and nothing at any figure.

use fe_graph::{NoiseKind, Site};

use super::{Arguments, Called};
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::value::Value;

impl<'a> Checker<'a> {
    /// `x |> dropout(p)`: in what is minimised each element is 0 with probability p, and else divided by 1 − p (Srivastava
    /// et al. 2014); figures, held-out rows and samples are of x itself.
    pub(super) fn dropout(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let Some(Arguments { x, given: [Some(share)] }) = self.arguments(called, inputs, ["share"], 1) else {
            return Value::poison(span);
        };
        let Some(p) = self.plain_number(share, "the share of `dropout`") else { return Value::poison(span) };
        if !(0.0..1.0).contains(&p) {
            return self.fail(messages::dropout_share(p, share.span), span);
        }
        if x.poison {
            return x;
        }
        let site = Site::named(&self.layer_site(called.layer));
        let training = match self.found.training {
            Some((_, node)) => node,
            None => self.found.training.insert(self.graph.input("training", &[])).1,
        };
        let g = &mut self.graph;
        let axes = g.axes_of(x.node).to_vec();
        let (noise, share) = (g.noise(NoiseKind::Uniform, site, &axes), g.constant(p));
        let kept = g.less(share, noise);
        let scaled = g.scale(kept, 1.0 / (1.0 - p));
        let one = g.constant(1.0);
        let factor = g.select(training, scaled, one);
        let node = g.mul(x.node, factor);
        self.layered(&x, node, x.axes.clone(), span)
    }
}
