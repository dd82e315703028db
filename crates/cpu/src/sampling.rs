//! Counter-based noise and Poisson counts, many elements at a time.
