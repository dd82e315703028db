//! E0480 to E0489: refinement.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0481",
        "a descent that starts from something random",
        "A descent belongs to the guide, and the guide reads no latent through it. It starts from params, data and \
         numbers, and in a loop from its own state at the last position.",
    ),
    ("E0482", "an unknown descent", "A state moves `by natural_gradient`, `by gradient` or `by proximal`."),
    (
        "E0483",
        "a wrong option of a descent",
        "The options are `step`, `limit`, `guard`, `samples`, `average` and `through`, each by its name.",
    ),
    (
        "E0484",
        "a state that not exactly one guide reads",
        "What is refined is the potential of one guide: exactly one guide reads it, and nothing else does but, in a loop, \
         a prior at a later position.",
    ),
    (
        "E0485",
        "a state that does not go element by element with its latent",
        "Each element of a state is the potential of one element of its latent: they have the same axes, and the guide \
         mixes no elements.",
    ),
    (
        "E0486",
        "options of a descent that exclude each other",
        "A guard would compare free energies, which repeat without draws only. Without a gradient through the descent nothing \
         is fitted that has a say through its steps alone: a fitted step, the start of an encoder, an average over steps.",
    ),
    (
        "E0487",
        "states of one descent that are stated differently",
        "States of one program move together, a step at a time, on one objective: they take as many steps, of the same \
         kind, in the same loop.",
    ),
    (
        "E0488",
        "a natural gradient without Fisher information",
        "The natural gradient is taken in the metric of the guide's Fisher information, which is registered for some \
         families, and which a point does not have.",
    ),
    (
        "E0489",
        "a proximal step without its map",
        "A proximal step moves a potential whose image under the prior's proximal map is the point: it needs a point guide, \
         `= point(v)`, and a prior whose map is known.",
    ),
];
