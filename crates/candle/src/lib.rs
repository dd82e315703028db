//! Runs a graph on candle tensors: the portable and reference executor.
