use super::*;

fn run(text: &str) -> Vec<Named> {
    RUN_FILES.into_iter().map(|name| (name, format!("{text} {name}").into_bytes())).collect()
}

/// What each file of a folder holds, by name.
fn held(folder: &Path) -> Vec<(String, String)> {
    let mut held = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        held.push((name, std::fs::read_to_string(entry.path()).unwrap_or_else(|_| "a folder".into())));
    }
    held.sort();
    held
}

fn whole(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        run(text).into_iter().map(|(name, bytes)| (name.to_owned(), String::from_utf8(bytes).unwrap())).collect();
    files.sort();
    files
}

fn written(folder: &Path, text: &str) {
    Writing::begin(folder).unwrap().commit(&run(text), false).unwrap();
}

#[test]
fn a_run_takes_the_place_of_another_and_leaves_nothing_else() {
    let there = tempfile::tempdir().unwrap();
    let folder = there.path().join("run");
    written(&folder, "first");
    assert_eq!(held(&folder), whole("first"));
    for old in [VERIFICATION, CHAINS] {
        std::fs::write(folder.join(old), "of the first").unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    written(&folder, "second");
    let mut expected = whole("second");
    expected.push(("notes.txt".into(), "mine".into()));
    expected.sort();
    assert_eq!(held(&folder), expected);
    assert_eq!(held(there.path()).len(), 1, "{:?}", held(there.path()));
}

#[test]
fn two_do_not_write_one_run() {
    let there = tempfile::tempdir().unwrap();
    let folder = there.path().join("run");
    written(&folder, "first");
    let writing = Writing::begin(&folder).unwrap();
    let error = Writing::begin(&folder).unwrap_err().brief();
    assert!(error.contains(&format!("is being written by process {}", std::process::id())), "{error}");
    // What is there can be read in the meantime.
    settle(&folder).unwrap();
    assert!(is_begun(&folder));
    drop(writing);
    assert!(!is_begun(&folder));
    assert_eq!(held(&folder), whole("first"));
    written(&folder, "second");
}

#[test]
fn a_run_that_was_all_made_is_completed_from_any_moment() {
    // Every file is either moved already or not: as a process that was killed leaves it.
    for moved in 0..RUN_FILES.len() {
        let there = tempfile::tempdir().unwrap();
        let folder = there.path().join("run");
        written(&folder, "first");
        let part = part_of(&folder);
        std::fs::create_dir_all(&part).unwrap();
        for (name, bytes) in run("second") {
            std::fs::write(part.join(name), bytes).unwrap();
        }
        if moved > 0 {
            std::fs::remove_file(folder.join(FIT)).unwrap();
        }
        for name in RUN_FILES.into_iter().take(moved) {
            std::fs::rename(part.join(name), folder.join(name)).unwrap();
        }
        settle(&folder).unwrap();
        assert_eq!(held(&folder), whole("second"), "{moved} moved");
        assert!(!part.exists());
    }
}

#[test]
fn a_run_that_was_not_all_made_leaves_the_one_before() {
    let there = tempfile::tempdir().unwrap();
    let folder = there.path().join("run");
    written(&folder, "first");
    let part = part_of(&folder);
    std::fs::create_dir_all(&part).unwrap();
    for (name, bytes) in run("second").into_iter().take(4) {
        std::fs::write(part.join(name), bytes).unwrap();
    }
    std::fs::write(part.join(".tmpAbc"), "half").unwrap();
    std::fs::write(folder.join(".tmpXyz"), "half").unwrap();
    settle(&folder).unwrap();
    drop(Writing::begin(&folder).unwrap());
    assert_eq!(held(&folder), whole("first"));
    assert_eq!(held(there.path()).len(), 1);
}

#[test]
fn a_checkpoint_stays_until_the_fit_has_ended() {
    let there = tempfile::tempdir().unwrap();
    let folder = there.path().join("run");
    let writing = Writing::begin(&folder).unwrap();
    assert_eq!(writing.checkpoint(), None);
    writing.keep(b"one").unwrap();
    writing.keep(b"two").unwrap();
    drop(writing);
    assert!(is_begun(&folder));
    // Ended early: it goes with the run.
    let writing = Writing::begin(&folder).unwrap();
    assert_eq!(writing.checkpoint().as_deref(), Some(b"two".as_slice()));
    writing.commit(&run("early"), true).unwrap();
    assert!(!is_begun(&folder) && folder.join(FIT).exists());
    let writing = Writing::begin(&folder).unwrap();
    assert_eq!(writing.checkpoint().as_deref(), Some(b"two".as_slice()));
    writing.keep(b"three").unwrap();
    assert_eq!(writing.checkpoint().as_deref(), Some(b"three".as_slice()));
    writing.commit(&run("whole"), false).unwrap();
    assert_eq!(held(&folder), whole("whole"));
    assert_eq!(held(there.path()).len(), 1);
}

#[test]
fn a_folder_is_named_where_its_path_does_not_name_it() {
    let there = tempfile::tempdir().unwrap();
    assert_eq!(part_of(&there.path().join("run")), there.path().join("run.part"));
    assert_eq!(part_of(Path::new("runs/x")), Path::new("runs/x.part"));
    let own = part_of(Path::new("."));
    assert!(own.is_absolute() && own.to_string_lossy().ends_with(".part"), "{own:?}");
}
