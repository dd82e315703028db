//! E0200 to E0299: axes and sizes.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0200",
        "an unknown axis",
        "The axis is used and nowhere declared. An axis that first appears in `data` takes its size from the file; \
         any other is declared by `dim`.",
    ),
    (
        "E0201",
        "something else where an axis is due",
        "An axis stands in brackets and behind reductions, by its name. A value cannot take its place.",
    ),
    ("E0202", "an axis in quotes", "Axes are names of the program, as in `sum(x, D)`, and not texts."),
    (
        "E0203",
        "a size that is not a whole number from 1 up",
        "An axis has at least one element, and a whole number of them.",
    ),
    (
        "E0204",
        "an axis twice in one array",
        "Axes are told apart by their names, so an array has each once. A matrix from an axis to itself is `F[S, \
         S']`.",
    ),
    (
        "E0205",
        "an axis that the left side lacks",
        "An axis on the right of `~` or `=` that the left side lacks would make an outer product that nobody asked \
         for. Declare it on the left, or sum over it.",
    ),
    (
        "E0206",
        "a product over axes that differ",
        "`a @ b` sums over the last axis of `a` and the first of `b`, which must be the same axis. Sizes that happen \
         to agree are not enough. Use `transpose`, `*`, or a `sum` that names its axis.",
    ),
    (
        "E0207",
        "a product whose sides share a second axis",
        "Both sides of `@` have a further axis in common. It could be kept, or be meant twice; write `sum(a * b, K)`, \
         which keeps it.",
    ),
    ("E0208", "an axis that an array does not have", "The axis that is named is not one of this value's."),
    (
        "E0209",
        "a reduction of a single number",
        "The value is a single number, so there is nothing to sum or to go along.",
    ),
    (
        "E0210",
        "a reduction that would run over the rows unsaid",
        "A reduction without an axis takes the last one. Rows are independent and come in batches, so they are never \
         reduced without being named.",
    ),
    (
        "E0211",
        "a reduction over something that is no axis",
        "Behind the value stands the name of the axis to go along; axes have no numbers.",
    ),
    (
        "E0212",
        "a mean over all rows in a minibatch",
        "In a minibatch only some rows are seen, and a mean or maximum of a few is not that of all. Leave `batch` \
         away, or take it of data alone, which is computed once.",
    ),
    (
        "E0213",
        "a list without axes",
        "A list is numbers without names for its axes. Where a declaration gives none, name the list first: `let a[S] \
         = [1, 0]`.",
    ),
    (
        "E0214",
        "a list of the wrong length",
        "The list's length and the size of its axis differ. A `dim` may be left away where data give the axis its \
         size.",
    ),
    ("E0215", "a list with the wrong number of levels", "A list of lists has a level of brackets for each axis."),
    ("E0216", "lists of different lengths in a list", "The inner lists of an array are of one length."),
    (
        "E0217",
        "an element of a list that has the list's axis",
        "An element of the list varies along the very axis that the list itself runs over.",
    ),
    ("E0218", "an index into a single number", "Brackets pick along an axis, and a single number has none."),
    (
        "E0219",
        "an index that leaves places open",
        "Numbers pick by place, so each axis needs one, or its own name where all of it is kept.",
    ),
    (
        "E0220",
        "an index without an index type",
        "`m[area]` picks along an axis, and only the type of `area`, `index(A)`, says along which. Declare it.",
    ),
    (
        "E0221",
        "an element that is not there",
        "Elements count from 0, so an axis of n elements ends at n − 1. Programs of Stan, R and Julia count from 1.",
    ),
    (
        "E0222",
        "a slice that runs out of its axis",
        "A slice runs from its start to its end, which is not included, within the axis.",
    ),
    (
        "E0223",
        "an operation that would give an axis twice",
        "The operation would give the result an axis that it has already.",
    ),
    (
        "E0224",
        "diag of something that is no vector or square matrix",
        "`diag` makes a matrix of a vector, or takes the diagonal of one over an axis and its primed copy.",
    ),
    ("E0225", "parts that cannot be concatenated", "Joined parts lie along one axis, whose size is the sum of theirs."),
    (
        "E0226",
        "a layer on a single number",
        "A layer multiplies along the last axis of its input, so a single number cannot enter one.",
    ),
    (
        "E0227",
        "a layer along the rows",
        "A layer mixes the elements of its input's last axis. Rows are independent and are never mixed: give each row \
         an axis of its own, perhaps of one element.",
    ),
    ("E0228", "a layer without an input", "A layer is a function of what is piped into it: `x |> dense(64)`."),
    (
        "E0229",
        "axes that are not those declared",
        "The axes behind a name that was declared before may be left away. Where they are written they must be the \
         same.",
    ),
    (
        "E0230",
        "no axis of categories",
        "A distribution over categories takes a probability for each of them, along an axis that what is drawn does \
         not have.",
    ),
    (
        "E0231",
        "an index along an axis without a size",
        "An index counts along an axis whose size must be known. A column of text gives it by its levels; otherwise \
         declare the `dim`.",
    ),
    ("E0233", "a param that is too large", "The array would be larger than can be indexed. A size is probably wrong."),
    ("E0235", "an order of a single number", "Elements are ordered along an axis, and this has none."),
    (
        "E0236",
        "an order of unequal elements",
        "For exchangeable elements the probability of an order is 1/K!, which makes the prior of an ordered latent \
         known. With different priors along the axis it is not.",
    ),
    (
        "E0237",
        "an index that counts along another axis",
        "The declared type counts along one axis, and the prior's categories lie along another.",
    ),
    (
        "E0238",
        "a vector without an axis",
        "The distribution draws whole vectors, along the last axis of what is drawn. Give it one.",
    ),
    ("E0240", "a loop without a step", "The loop starts at or behind the end of its axis."),
    (
        "E0241",
        "a time outside of its axis",
        "A step reads a position before the first or behind the last. Start the loop later, or say with `if` what \
         holds at its ends.",
    ),
    (
        "E0242",
        "a past of what is local to a step",
        "What a loop computes is kept for later steps only if it is an array over the loop: `let s[t] = …`.",
    ),
    (
        "E0243",
        "a step that reads other positions",
        "A recurrence reads positions before its own, at fixed distances. A sum over the whole axis belongs outside \
         of the loop.",
    ),
    (
        "E0244",
        "a picture that has no three axes",
        "`conv`, `deconv`, `pool`, `max_pool` and `upsample` read the last three axes as channels, height and width. \
         `as[channels, height, width]` names them.",
    ),
    (
        "E0245",
        "a layer of pictures over the rows",
        "Rows are independent of one another, so no kernel reaches from one to the next. A row that is a grey picture \
         has one channel.",
    ),
    (
        "E0246",
        "a kernel larger than the picture",
        "Around a picture lie zeros, so that a kernel fits at its edges too. One that is larger than the picture would \
         see zeros on both sides of it everywhere.",
    ),
    (
        "E0247",
        "a stride that does not divide",
        "A `conv` or `pool` of stride s makes a side s times smaller, and a `deconv` s times larger, so that one undoes \
         the other. Where s does not divide the side, it would have to cut something off.",
    ),
    (
        "E0248",
        "channels that do not make groups",
        "`norm(groups = g)` takes the channels in g groups of one size, one behind the other.",
    ),
    (
        "E0249",
        "a shape of another size",
        "`as[…]` lays the elements of the last axes out over others, and neither drops nor invents any.",
    ),
    (
        "E0250",
        "a repetition of what is no function",
        "`repeat(n, f)` puts a function of the program n times one behind the other, each with parameters of its own.",
    ),
    (
        "E0251",
        "a share that dropout cannot leave out",
        "What is left is divided by its share, so some must be left: `dropout(0.1)` leaves out a tenth.",
    ),
    (
        "E0252",
        "an element by its name, of an axis without names",
        "A level of text names an element of the axis that an `index` of it counts along, and a column of a table one of \
         a matrix' last axis. Other axes are counted from 0.",
    ),
    (
        "E0253",
        "an unknown level or column",
        "No element of these axes has this name. The message lists those they have.",
    ),
    (
        "E0254",
        "a name of elements of several axes",
        "Which of the axes is meant cannot be known by the name alone. With an index for each axis, in order, it can.",
    ),
    ("E0255", "levels put in order", "Levels are compared by `==` and `!=`. For an order, compare numbers."),
    (
        "E0256",
        "a text compared with numbers",
        "A text is looked up among the levels of what it is compared with: a column of text declared as an `index`.",
    ),
    ("E0257", "a standard deviation of one element", "`sd` divides by n − 1, which is 0 of one element."),
    (
        "E0258",
        "a dot product over two axes",
        "`dot` sums the products along the last axis of both. For another axis there is `sum(a * b, D)`.",
    ),
    (
        "E0259",
        "numbers of rows",
        "Rows may come in batches, in any order, and new ones have no place among them. A number that means something, \
         such as a time, is data.",
    ),
];
