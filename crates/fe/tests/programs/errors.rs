//! The wrong and doubtful programs under `tests/errors`, each with everything that is said of it: by `fe check`, or by `fe run`
//! where its header says `# command: run`.

use crate::common::{code, root, run, snapshots, stderr};
use crate::fits::Program;
use crate::trials::{Tier, Trials};

/// What the built command says, and how it exits.
fn said(program: &Program) -> String {
    let (file, out) = (format!("{}.fe", program.name), tempfile::tempdir().unwrap());
    let arguments = match program.header("command") {
        None => vec!["check", &file],
        Some("run") => vec!["run", &file, "--quiet", "--out", out.path().to_str().unwrap()],
        Some(other) => panic!("{} is for no such command: {other}", program.name),
    };
    let output = run(&program.folder, &arguments);
    assert!(!stderr(&output).is_empty(), "{} passes in silence", program.name);
    format!("exit code {}\n\n{}", code(&output), stderr(&output))
}

/// Each program, and how many of them are wrong by what was reviewed.
pub fn trials(trials: &mut Trials) {
    for program in Program::all_of("tests/errors") {
        trials.add(format!("errors::{}", program.name), Tier::Everyday, move || {
            assert!(program.source.starts_with("# "), "the first line says what it shows");
            let settings = snapshots("tests/errors", &program.source);
            settings.bind(|| insta::assert_snapshot!(program.name.clone(), said(&program)));
        });
    }
    trials.add("errors::most are wrong", Tier::Everyday, || {
        let reviewed = std::fs::read_dir(root().join("tests/errors/snapshots")).unwrap();
        let texts = reviewed.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        let wrong = texts.filter(|text| !text.contains("\nexit code 0\n")).count();
        assert!(wrong >= 60, "only {wrong} wrong programs");
    });
}
