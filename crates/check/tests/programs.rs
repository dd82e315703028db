//! The nine programs of the language's definition.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;

#[test]
fn nine() {
    for text in ALL {
        let c = checked(text);
        println!("{}", rendered(text, &c.diagnostics));
    }
}
