//! Optimizers, schedules, minibatches, convergence, evaluation.
