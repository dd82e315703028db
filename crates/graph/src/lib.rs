//! The tensor IR with named axes: operations, derivatives, simplification, and the executor trait.
