//! Lexer, parser and formatter.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fe_fuzz::text(bytes));
