//! Syntax tree to program: names, axes, supports, guides; elaboration into graph expressions.
