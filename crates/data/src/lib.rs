//! Readers and preprocessing: headers first, then named arrays.
