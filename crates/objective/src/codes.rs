//! Every code of this phase, for the documentation.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0802",
        "a term that mixes elements of a latent that is summed out",
        "A finite latent is summed out by the term that reads it, a table of its values at a time. A term may read one \
         element of it, the element one step back in a chain, or the element that an index array picks; a sum or a mean \
         over its elements would need a table of all their values together.",
    ),
    (
        "E0803",
        "finite latents that cannot be summed out one after another",
        "Latents are summed out in turn, those of most axes first, each given those that are left. Two that cross, such \
         as a class for each row and one for each column, leave a table over all elements of both. Two states of one \
         chain are written as one index over their pairs.",
    ),
    (
        "E0804",
        "finite latents with too many values together",
        "The table that is summed over has a cell for each value of the latent, of those that hang on it, and of each \
         element. Fewer values fit, or a batch of rows.",
    ),
    (
        "E0805",
        "a guide that reads a latent that is summed out",
        "The exact conditional of a finite latent follows from everything else, so nothing else can be drawn given it. \
         The guide reads data and continuous latents.",
    ),
    (
        "E0806",
        "a sum over values that a term does not allow",
        "`by enumeration` sums over the values of one element at a time. A term that reads several elements of the \
         latent together can only be drawn, with the score function for its gradient.",
    ),
    (
        "E0807",
        "a term that has no closed form and no draws",
        "A term is taken exactly where a formula is known, and else by draws of the guide. Some families have a density \
         and moments here, but no draws in a graph; as a guide they serve terms with a formula only.",
    ),
    (
        "E0810",
        "a latent for which no guide is built by default",
        "Continuous latents get a Gaussian on their unconstrained scale, Poisson counts a Poisson guide, and finite \
         latents are summed out. Any other count needs a guide that is stated.",
    ),
    (
        "E0812",
        "a latent that a tridiagonal guide cannot hold",
        "A tridiagonal guide is a distribution on the unconstrained scale, along which each step needs a place of its own. Shares \
         that add up along the loop, and values in order along it, have none.",
    ),
    (
        "E0813",
        "a joint guide with too large a matrix",
        "A full-rank guide has a matrix over all its dimensions. Beyond the limit a guide of low rank, or of independent \
         elements, takes its place.",
    ),
    (
        "E0814",
        "one guide over rows that stand by themselves",
        "In batches, with rows held out, and under importance weights of single rows, each row is fitted or weighed \
         alone, so no guide can tie rows together. `MeanField()` gives each row its own.",
    ),
    (
        "E0816",
        "guides in a loop that cannot be drawn step by step",
        "Where guides read the past of their own latents, these are drawn a position at a time. What is read has to be \
         known by then: earlier positions, and at its own position what is declared before.",
    ),
    (
        "E0819",
        "importance weights of rows that share something random",
        "Where latents belong to rows, each row has weights of its own. A term that reads them and belongs to no row \
         cannot be shared out among the weights.",
    ),
    (
        "E0820",
        "importance weights without pathwise draws",
        "The gradient of the bound goes through each draw, so each latent has to be a smooth function of noise.",
    ),
    (
        "E0830",
        "NUTS in batches",
        "A trajectory of NUTS follows one density, of all rows. With rows in batches it would be another one at every step. \
         `fe verify` and `guide * ~ NUTS()` take programs without `batch`.",
    ),
    (
        "E0831",
        "NUTS without a posterior",
        "Of an objective with other weights, prices or bounds the guide is a code and not the posterior, so a sampler of the \
         posterior has nothing to say of it.",
    ),
    (
        "E0832",
        "NUTS beside a point",
        "A latent that is fitted as a point is not drawn. What is drawn given that point is not the posterior of the program, \
         in which the latent is uncertain.",
    ),
    (
        "E0833",
        "NUTS of a discrete latent",
        "NUTS follows the slope of a log density, and a discrete latent has none. Finite latents are summed out, and then \
         the sum has a slope in all else; counts that are drawn from a guide are not.",
    ),
    (
        "E0834",
        "nothing left for NUTS",
        "Where all latents are summed or integrated out given the data alone, the posterior is known in closed form, and the \
         table holds it.",
    ),
    (
        "E0835",
        "a guide that NUTS cannot move in",
        "NUTS moves in the noise behind the guide, so that the guide's map conditions it. That takes a guide whose density is \
         known and whose draws are smooth functions of normal noise.",
    ),
    (
        "E0836",
        "a descent without a metric",
        "A natural gradient moves each state in one argument of its guide. Two arguments that follow from one state, or an \
         argument whose information has no closed form, have no such direction.",
    ),
    (
        "E0837",
        "a descent that is not step by step",
        "Inside a loop a descent is online: at each position it starts from what was found before, and goes down what is \
         observed there.",
    ),
    (
        "E0838",
        "a descent without a message",
        "The message to a count is the effect of one more spike: known in closed form, or from a draw where the cost is \
         quadratic in it. A draw by itself has no slope in the rate, and that of a relaxed one vanishes where figures are taken.",
    ),
    (
        "E0840",
        "finite latents that cannot be summed out in time order",
        "An exact guide is found from the last step back: what is to come is a table over the values that the next step reads. So \
         terms read latents at one position, at that and the one before, or at a fixed one, and what stands in them besides \
         is data or a param.",
    ),
    (
        "E0841",
        "a prior of what a choice does not see",
        "An exact guide differs from its prior by what is to come alone. Where the prior hangs on a latent, so does the guide, \
         and has to see it.",
    ),
    (
        "E0842",
        "an exact guide whose rate weighs nothing",
        "The best guide is p exp(−V/α) with α the weight of its rate. Without a weight it is the least of V, which has no rate to \
         report and no derivative; a small weight comes as close to it as is wanted.",
    ),
    (
        "E0843",
        "information that is not known",
        "`information(c, o)` is the mutual information of two finite latents given what is chosen, summed over their values. A \
         choice that sees chance is part of what is observed, and is curious without a reward.",
    ),
    (
        "E0844",
        "several bounds beside exact guides",
        "The multiplier of a bound on a rate is the weight that the exact guide is taken at: it is found by a search, as what is \
         bounded falls when it is raised. Of two at once neither falls by itself.",
    ),
    (
        "E0845",
        "chains beside a Gaussian at its mode",
        "The guide of a chain or of vectors of groups whose likelihood is log-concave is the Gaussian at their mode given all others. \
         Chains that moved in the others alone would have the Laplace approximation for their limit, and the referee has to have \
         the posterior. Behind a latent, `by guide` keeps it in the guide, whose noise chains move in.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CODES;

    /// The table and the messages hold the same codes.
    #[test]
    fn the_table_is_complete() {
        let is_code = |w: &&str| w.len() == 5 && w.starts_with("E08");
        let used: BTreeSet<&str> = include_str!("messages.rs").split('"').filter(is_code).collect();
        let listed: Vec<&str> = CODES.iter().map(|c| c.0).collect();
        assert!(listed.is_sorted());
        assert_eq!(used.into_iter().collect::<Vec<_>>(), listed);
    }
}
