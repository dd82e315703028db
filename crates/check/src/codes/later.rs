//! E0700 to E0799: what the language has, and this version does not lower yet.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0703",
        "an estimator that is not in this version",
        "The estimator is part of the language and cannot be asked for yet; where it applies, the compiler takes it \
         by itself.",
    ),
    (
        "E0705",
        "a vector type that is not in this version",
        "Ordered latents exist on the real line. On another range, leave the order away.",
    ),
    (
        "E0710",
        "a distribution that is not in this version",
        "The distribution is known by name and has not been written yet. Its −log density may stand as a `loss`.",
    ),
];
