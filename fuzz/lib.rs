//! What must hold of any input: of text that may be a program, and of bytes that may be a file.

use std::path::Path;

use fe_data::{Channels, Columns, Format, Reader, Source, Table, header, load};

/// Tokens and tree are made of any text; what is laid out parses, to the same tree, and is laid out already.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = fe_syntax::parse(text);
    fe_syntax::dump_tokens(text);
    match fe_syntax::format(text) {
        Err(errors) => assert_eq!(errors, parsed.diagnostics),
        Ok(once) => {
            assert_eq!(fe_syntax::format(&once).as_ref(), Ok(&once));
            assert_eq!(fe_syntax::dump(&fe_syntax::parse(&once).ast), fe_syntax::dump(&parsed.ast));
        }
    }
}

/// Each reader gives finite numbers that fit their shape and header, or an error.
pub fn readers(bytes: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("x");
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    for reader in all(&path) {
        let source = Source { reader, stages: vec![] };
        let told = header(&source);
        match load(&source) {
            Ok(array) => {
                assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
                assert!(array.values.iter().all(|v| v.is_finite()));
                assert_eq!(told.map(|h| h.shape), Ok(array.shape));
            }
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
}

fn all(path: &Path) -> Vec<Reader> {
    let table = |format| Table { path: path.into(), format, columns: Columns::AllBut(vec![]), rows: None };
    vec![
        Reader::Npy { path: path.into() },
        Reader::Npz { path: path.into(), array: None },
        Reader::Table(table(Some(Format::Text))),
        Reader::Table(table(Some(Format::Parquet))),
        Reader::Table(table(Some(Format::Arrow))),
        Reader::Json { path: path.into(), field: None },
        Reader::Idx { path: path.into() },
        Reader::Images { pattern: path.into(), channels: Channels::Grey },
    ]
}

#[cfg(test)]
mod tests {
    fn each(folder: &str, hold: fn(&[u8])) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(files.len() > 3);
        files.iter().filter(|f| f.is_file()).for_each(|f| hold(&std::fs::read(f).unwrap()));
    }

    #[test]
    fn programs_hold() {
        each("../crates/syntax/tests/all/programs", super::text);
    }

    #[test]
    fn files_hold() {
        each("../crates/data/tests/fuzz/corpus", super::readers);
        each("../crates/data/tests/tables", super::readers);
    }
}
