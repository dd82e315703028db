//! The programs that define the language, and one with every statement: tree and layout.

use fe_syntax::{dump, format, parse};

#[test]
fn programs_parse_and_keep_their_tree_when_formatted() {
    for (name, text) in crate::programs_in("programs") {
        let parsed = parse(&text);
        assert_eq!(parsed.diagnostics, []);
        let once = format(&text).unwrap();
        assert_eq!(format(&once).unwrap(), once);
        assert_eq!(dump(&parse(&once).ast), dump(&parsed.ast));
        insta::with_settings!({snapshot_suffix => name}, {
            insta::assert_snapshot!(format!("{}\n-----\n{once}", dump(&parsed.ast)));
        });
    }
}

#[test]
fn broken_programs_are_left_alone() {
    let errors = format("let x = (3").unwrap_err();
    assert_eq!(errors[0].code, "E0038");
}

#[test]
fn empty_programs() {
    assert_eq!(format("").unwrap(), "");
    assert_eq!(format("\n\n  \n").unwrap(), "");
    assert_eq!(format("# only\n\n\n\n# comments").unwrap(), "# only\n\n# comments\n");
    assert_eq!(format("\r\ndim K = 3\r\n\r\n\r\ndim L = 4 # c\r\n").unwrap(), "dim K = 3\n\ndim L = 4  # c\n");
}
