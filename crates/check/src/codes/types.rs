//! E0300 to E0399: types, supports, distributions, starts.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0300",
        "an unknown distribution",
        "No distribution has this name. Near ones are suggested; the list is in families.md.",
    ),
    (
        "E0301",
        "a distribution in lower case",
        "Distributions have capital names. Lower case, `normal` and `uniform` draw the starts of `param`s.",
    ),
    (
        "E0302",
        "a distribution by another language's name",
        "Other languages call this distribution otherwise; the message says how it is called here. Those with a link \
         in their name, such as `bernoulli_logit`, are the plain one with a named argument.",
    ),
    (
        "E0303",
        "a distribution without parentheses",
        "A distribution or guide is called, even where it takes no arguments: `FullRank()`.",
    ),
    (
        "E0304",
        "a value where a distribution is due",
        "Behind `~` stands a distribution. A value alone would say that there is no noise: give the spread around it, \
         as in `Normal(m, s)`.",
    ),
    (
        "E0305",
        "a kind of guide where a distribution is due",
        "`FullRank`, `MeanField` and the like say how a posterior is approximated. They are no priors and no \
         likelihoods.",
    ),
    (
        "E0306",
        "an argument of a distribution out of range",
        "A number outside of what the argument may be, such as a standard deviation of −1.",
    ),
    (
        "E0307",
        "an argument of a distribution that may leave its range",
        "The argument must be positive, or lie between 0 and 1, and the compiler cannot show that it does: nothing is \
         clipped in silence. Give it a type, or map it there with `exp`, `softplus` or `sigmoid`.",
    ),
    (
        "E0308",
        "probabilities that need not add up to 1",
        "Probabilities of categories add up to 1. What comes out of `softmax`, a `Dirichlet` or a `simplex` does so \
         by construction, and so does a list such as `[p, 1 - p]`; unnormalised logarithms are given as `logits`.",
    ),
    ("E0309", "a Uniform with its ends the wrong way round", "The first argument is the lower end."),
    (
        "E0310",
        "a latent whose support moves",
        "Where the ends of a distribution depend on what is fitted, its support changes under the guide, and \
         gradients do not see that. Fix the ends, or scale a latent on a fixed range.",
    ),
    (
        "E0311",
        "an unknown type",
        "No type has this name. Whole numbers are `count`, or `index(J)` where they pick along an axis.",
    ),
    ("E0312", "wrong arguments of a type", "Only `index(J)` and `real(low, high)` have arguments."),
    ("E0313", "an empty range", "The first end of a range is the lower one."),
    ("E0314", "an index along no axis", "An index counts along one axis, which stands in its brackets."),
    (
        "E0315",
        "a discrete param",
        "A `param` is moved by gradients, which whole numbers do not have. A discrete unknown is a `latent`, which is \
         summed out or sampled.",
    ),
    (
        "E0316",
        "a let that need not be of its type",
        "The type promises something of the value that its expression does not show. Map it there, or leave the type \
         away.",
    ),
    (
        "E0317",
        "a type that a prior does not have",
        "The type of a latent and the support of its prior contradict each other. The prior alone says what a latent \
         may be; a type only cuts it.",
    ),
    (
        "E0318",
        "a restricted prior whose normaliser is not known",
        "A type that cuts a prior needs the share of the prior that is left, to normalise it. For this family it has \
         no closed form: choose a prior on that range.",
    ),
    ("E0319", "wrong arguments of a starting draw", "A start is drawn by `normal(mean, sd)` or `uniform(low, high)`."),
    ("E0320", "a starting draw out of range", "A standard deviation below 0, or ends the wrong way round."),
    ("E0321", "a start of the wrong shape", "A list that starts a `param` has one element for each of its own."),
    (
        "E0322",
        "a start outside the type",
        "A `param` with a type starts inside it, and not at an end, where the map to the real line is infinite.",
    ),
    (
        "E0323",
        "a distribution where a param starts",
        "A `param` is a point without a prior: behind its `=` stands where it starts. What has a distribution is a \
         `latent`.",
    ),
    (
        "E0324",
        "data of a type that their likelihood does not give",
        "The type of the data and what the likelihood draws contradict each other, as reals under a `Poisson` do.",
    ),
    (
        "E0325",
        "an index along another axis than its likelihood's",
        "The categories of the data and of their likelihood lie along different axes.",
    ),
    (
        "E0326",
        "a value that is not known to be of a vector type",
        "The type promises a simplex, an order or a matrix of a kind, and the value is not made in a way that gives \
         one.",
    ),
    (
        "E0327",
        "wrong arguments of a distribution made of another",
        "A distribution made of another, such as `Truncated`, `Censored` or `Mixture`, is written in one form, which \
         the message shows.",
    ),
    (
        "E0328",
        "a distribution that cannot be cut, censored or mixed",
        "Cutting, censoring and mixing need the cumulative distribution, or components that are single numbers. This \
         family does not have them, or not here.",
    ),
    (
        "E0329",
        "censoring or weights of something that is no data",
        "Only data are censored or weighted. A latent is cut by `Truncated`, or by its type.",
    ),
    (
        "E0330",
        "missing values without a likelihood to infer them by",
        "A missing value drops its own likelihood. What else reads the data needs all values: the gaps are inferred where \
         `observe` states, outside of a loop, how single values that are real numbers come about, from what is declared \
         by then. Observe the data, or fill them in before.",
    ),
    (
        "E0331",
        "missing values of something that is no data",
        "`?` marks data that may be missing. What is inferred or computed is never missing.",
    ),
    (
        "E0332",
        "missing values in a vector",
        "Of a vector that is drawn whole, a part cannot be dropped, but for a `MultivariateNormal`, whose margins are \
         known. Observe the elements one by one, given what they share.",
    ),
    ("E0333", "a start of a simplex that does not add up to 1", "The shares of a simplex add up to 1."),
    (
        "E0334",
        "a start that is no such vector or matrix",
        "The start is not of the type: a simplex has positive shares, an ordered vector increases, a covariance is \
         symmetric and positive definite.",
    ),
    (
        "E0335",
        "a random start of a type that such draws need not have",
        "Random draws are made into a simplex or an order, but not into every type. Start from a number or from the \
         array itself.",
    ),
    ("E0336", "a vector's type without an axis", "The type is of a vector, and the name has no axis."),
    (
        "E0337",
        "a matrix' type without square axes",
        "A matrix of this type is square: over an axis and its primed copy, `L[K, K']`.",
    ),
    (
        "E0338",
        "a matrix drawn without square axes",
        "The distribution draws a square matrix, over an axis and its primed copy.",
    ),
    (
        "E0339",
        "too few degrees of freedom",
        "A Wishart distribution over K × K matrices has a density only with more than K − 1 degrees of freedom.",
    ),
    (
        "E0340",
        "a vector's type along the rows",
        "The elements of such a vector depend on each other, and rows are independent. Let the vector lie along \
         another axis.",
    ),
    (
        "E0341",
        "cutpoints that need not increase",
        "Ordered categories lie between cutpoints, which increase along their axis: a latent or a param of the type \
         `ordered`, numbers that increase, or data, which are checked.",
    ),
    (
        "E0342",
        "cutpoints that part another number of categories",
        "One cutpoint fewer than categories lies between them: four cutpoints part five ratings.",
    ),
    (
        "E0343",
        "one log density of many data",
        "A log density that is written out stands for each row by itself, so that rows can be weighed, left out and \
         added up. Along other axes than the rows' it may stand for a whole vector.",
    ),
];
