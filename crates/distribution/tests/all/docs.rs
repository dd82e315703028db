//! The table of families in the docs is the one the families give.

use std::path::Path;

#[test]
fn the_docs_list_the_families_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/families.md");
    let page = std::fs::read_to_string(&path).expect("docs/families.md");
    let table = fe_distribution::table();
    assert!(page.contains(&table), "docs/families.md should hold this table:\n\n{table}");
}
