//! Program to free energy: terms, estimators with reasons, one graph.
