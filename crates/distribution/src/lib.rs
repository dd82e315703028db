//! Probability families as graph expressions, one file each.
