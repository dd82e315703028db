//! Terms in the notation of a paper, and reasons in words.

use fe_check::{Importance, JointKind, Latent, Observe, Program, Schedule};
use fe_distribution::{Family, KlText, LikelihoodText};
use fe_graph::{Binary, Graph, Indicator, NodeId, Op, Origin};
use fe_syntax::Span;

use crate::quadrature;
use crate::relaxed;

/// The text of a span on one line.
pub(crate) fn text(source: &str, span: Span) -> String {
    let slice = source.get(span.start..span.end).unwrap_or_default();
    slice.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands behind the first `=` or `~` of a statement.
pub(crate) fn right_hand_side(source: &str, span: Span) -> String {
    let statement = text(source, span);
    statement.split_once(['=', '~']).map_or(statement.clone(), |(_, right)| right.trim().to_owned())
}

/// At most 60 characters, the last of them an ellipsis where more would follow.
fn shortened(text: String) -> String {
    if text.chars().count() <= 60 {
        return text;
    }
    let kept: String = text.chars().take(59).collect();
    format!("{}…", kept.trim_end())
}

/// A number and its noun: `1 array`, `2 arrays`.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Why an expectation is not known: the operation it stopped at and what it acts on.
pub(crate) fn blocked(g: &Graph, node: NodeId, program: &Program, source: &str) -> String {
    let operation = match &g.node(node).op {
        Op::Unary(u) => format!("{u:?}").to_lowercase(),
        Op::Binary(Binary::Mul) => "a product".into(),
        Op::Binary(Binary::Div) => "a quotient".into(),
        Op::Binary(Binary::Pow) => "a power".into(),
        Op::Binary(Binary::Less | Binary::LessEqual | Binary::Equal) => "a comparison".into(),
        Op::Binary(b) => format!("{b:?}").to_lowercase(),
        Op::Contract(_) => "a product of dependent values".into(),
        Op::Input(_) => return "its guide depends on other latents".into(),
        Op::Sum(_) => "a sum of dependent values".into(),
        _ => "an operation".into(),
    };
    // Origin 0 is the whole program, which is no place.
    let place = program
        .origins
        .get(g.origin_of(node).0 as usize)
        .filter(|_| g.origin_of(node) != Origin::default())
        .map(|&s| shortened(text(source, s)))
        .filter(|t| !t.is_empty());
    match place {
        Some(place) => format!("the expectation of {operation} in `{place}` is not known in closed form"),
        None => format!("the expectation of {operation} is not known in closed form"),
    }
}

fn indices(latent: &Latent) -> &'static str {
    if latent.axes.is_empty() { "" } else { "Σ " }
}

/// KL(q ‖ p) of a registered pair.
pub(crate) fn kl(latent: &Latent, q: &dyn Family, p: &dyn Family) -> String {
    let (z, sum) = (&latent.name, indices(latent));
    let head = format!("KL(q({z}) ‖ p({z}))");
    match q.kl_text().filter(|_| q.name() == p.name()) {
        Some(KlText { summand, legend }) => format!("{head} = {sum}{summand},   {}", legend(z)),
        None => format!("{head} = {sum}KL({} ‖ {})", q.name(), p.name()),
    }
}

/// The rate of a latent of a joint guide.
pub(crate) fn joint_rate(latent: &Latent, kind: Option<JointKind>, non_centred: bool) -> String {
    let z = &latent.name;
    let sum = indices(latent);
    if non_centred {
        return format!("E_q[log q({z}) − log p({z})] = E_q[−log p(u)] − {sum}(log L_ii + ½ log 2πe)");
    }
    let jacobian = match latent.support {
        fe_distribution::Support::Real => String::new(),
        _ => format!(" − log|d{z}/du|"),
    };
    let sum = indices(latent);
    let entropy = match kind {
        Some(JointKind::LowRank { .. }) => format!("{sum}(log C_ii D_ii + ½ log 2πe) − ½ log|I + VᵀD⁻²V|"),
        Some(JointKind::Flow { .. }) => format!("{sum}(log L_ii + E log|dT_i/dε_i| + ½ log 2πe)"),
        _ => format!("{sum}(log L_ii + ½ log 2πe)"),
    };
    format!("E_q[log q({z}) − log p({z})] = E_q[−log p({z}){jacobian}] − {entropy}")
}

/// A bound from importance weights: what it is, how it is estimated, and its bias.
pub(crate) fn importance(spec: Importance, local: bool) -> [String; 4] {
    let Importance { alpha, draws } = spec;
    let (z, of) = if local { ("z_n", "each row by itself") } else { ("z", "all rows together") };
    let data = if local { "x_n" } else { "x" };
    let weight = format!("w = p({data}, {z})/q({z}) of {}", plural(draws, "draw"));
    let (bound, bias) = if alpha == 0.0 {
        (
            format!("−E log (1/{draws}) Σ w"),
            "none; the bound itself lies above −log evidence by about Var w/(2k (E w)²)".to_owned(),
        )
    } else {
        let order = 1.0 - alpha;
        let bias =
            format!("with {draws} draws the divergence of order {alpha} is estimated with a bias that falls as 1/k");
        (format!("−(1/{order}) E log (1/{draws}) Σ w^{order}"), bias)
    };
    [
        format!("{bound},   {weight}, {of}"),
        "estimator: pathwise through every draw".into(),
        "because:   the gradient of the bound as written, by plain reparameterisation, is unbiased for it".into(),
        format!("bias:      {bias}"),
    ]
}

/// Why a likelihood term is closed.
pub(crate) fn why_closed(observe: &Observe) -> String {
    let family = observe.distribution.family;
    match family.likelihood_text().and_then(|t| t.why) {
        Some(why) => why.into(),
        None => format!("the log density of {} is linear in statistics whose means are known", family.name()),
    }
}

/// Why an expectation is taken by quadrature.
pub(crate) fn by_quadrature() -> String {
    let points = quadrature::POINTS;
    format!("smooth functions of one Gaussian number for each element, by Gauss–Hermite at {points} points")
}

/// The likelihood term.
pub(crate) fn distortion(observe: &Observe, closed: bool, expectations: bool, source: &str) -> String {
    let (x, density) = (&observe.name, right_hand_side(source, observe.span));
    let mut text = format!("E_q[−log p({x})],   p = {density}");
    let body = match (closed, observe.distribution.family.likelihood_text()) {
        (true, Some(LikelihoodText { formula, call, .. })) => format!("= {formula},   x = {x}, p = {call}"),
        (true, None) => String::new(),
        (false, _) => "≈ mean over samples z ~ q".into(),
    };
    if !body.is_empty() {
        text = format!("{text}\n{body}");
    }
    if expectations {
        text = format!("{text}\nvalues of {x} between 0 and 1 are taken as expectations of binary data");
    }
    text
}

/// The bias of counts relaxed by a softmax, which has no closed form.
pub(crate) fn softmax_bias(temperature: Schedule) -> String {
    format!(
        "training relaxes counts (Gumbel–softmax over 0 to {}, τ = {}): mean and variance are those of no count, and nearer to \
         the exact ones the smaller τ is; larger counts are left out; figures are taken at τ = 0",
        crate::relaxation::VALUES - 1,
        temperature.last()
    )
}

/// The bias that relaxed counts bring to the gradient, in closed form (Campbell's theorem; arXiv 2602.03896). Figures
/// are always taken at temperature 0, where counts are exact.
pub(crate) fn relaxation_bias(indicator: Indicator, temperature: Schedule) -> String {
    let tau = temperature.last();
    let percent = |x: f64| format!("{:.1} %", 100.0 * x);
    let name = format!("{indicator:?}").to_lowercase();
    let changes = match temperature {
        Schedule::Constant(_) => "",
        _ => " at its end",
    };
    match relaxed::compact(indicator) {
        Some(c) if tau <= 1.0 => format!(
            "training relaxes counts ({name}, τ = {tau}{changes}): their mean is exact, their variance short by {} = {}; \
             figures are taken at τ = 0",
            c.short,
            percent(c.kappa * tau)
        ),
        // What the window gains after t = 1 is more than what it lacks before t = 0, where nothing can arrive.
        Some(_) => {
            let of = relaxed::moments(indicator, tau);
            format!(
                "training relaxes counts ({name}, τ = {tau}{changes}): with τ > 1 their mean is too large by {}, their variance \
                 {:.3} λ; figures are taken at τ = 0",
                percent(of.mean - 1.0),
                of.variance
            )
        }
        None => {
            let soft = relaxed::sigmoid_excess(tau);
            let short = relaxed::sigmoid_shortfall(tau) - soft;
            format!(
                "training relaxes counts ({name}, τ = {tau}{changes}): their mean is too large by {}, their variance short by {}; \
                 figures are taken at τ = 0",
                percent(soft),
                percent(short)
            )
        }
    }
}
