//! Wrong and missing data, through the built binary: exit code 3, with the file, the row and the column named.

use crate::common::*;

/// An npy file of version 1: a header as given, and what follows it.
fn npy(header: &str, body: &[u8]) -> Vec<u8> {
    let padded = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(padded.len()).unwrap().to_le_bytes());
    bytes.extend(padded.bytes());
    bytes.extend(body);
    bytes
}

/// Asserts that `fe run` ends with 3, and shows what it says.
#[track_caller]
fn says(name: &str, file: (&str, &[u8]), program: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file.0), file.1).unwrap();
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let output = run(folder.path(), &["run", "model.fe"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert!(!folder.path().join("runs/model/fit.json").exists());
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, stderr(&output)) });
}

/// A program that reads one column.
fn column(path: &str, declared: &str, likelihood: &str) -> String {
    format!("data x[N]{declared} = csv(\"{path}\", \"x\")\nlatent m ~ Normal(0, 1)\nobserve x ~ {likelihood}\n")
}

fn real(path: &str) -> String {
    column(path, "", "Normal(m, 1)")
}

/// A program that reads an array.
fn array(reader: &str) -> String {
    format!("data x[N] = {reader}\nlatent m ~ Normal(0, 1)\nobserve x ~ Normal(m, 1)\n")
}

#[test]
fn a_missing_file() {
    says("missing_file", ("y.csv", b"x\n1\n"), &real("x.csv"));
    says("missing_folder", ("y.csv", b"x\n1\n"), &real("data/x.csv"));
}

#[test]
fn a_table_that_is_not_one() {
    says("empty_csv", ("x.csv", b""), &real("x.csv"));
    says("header_only_csv", ("x.csv", b"x,y\n"), &real("x.csv"));
    says("ragged_csv", ("x.csv", b"x,y\n1,2\n3\n4,5\n"), &real("x.csv"));
    says("missing_column", ("x.csv", b"X1,y\n1,2\n"), &real("x.csv"));
    says("empty_cell", ("x.csv", b"x,y\n1,2\n,3\n"), &real("x.csv"));
    says("not_text_csv", ("x.csv", b"x\n\xff\xfe\n"), &real("x.csv"));
}

#[test]
fn an_array_that_is_not_whole() {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (10,), }";
    let body: Vec<u8> = [1.0_f64, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    says("truncated_npy", ("x.npy", &npy(header, &body)), &array("npy(\"x.npy\")"));
    says("empty_npy", ("x.npy", b""), &array("npy(\"x.npy\")"));
    says("not_npy", ("x.npy", b"x,y\n1,2\n"), &array("npy(\"x.npy\")"));
    let text = "{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }";
    says("text_npy", ("x.npy", &npy(text, &[0; 12])), &array("npy(\"x.npy\")"));
    let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }";
    says("huge_npy", ("x.npy", &npy(huge, &body)), &array("npy(\"x.npy\")"));
    let body: Vec<u8> = [1.0_f64, f64::NAN].iter().flat_map(|v| v.to_le_bytes()).collect();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
    says("nan_npy", ("x.npy", &npy(header, &body)), &array("npy(\"x.npy\")"));
}

#[test]
fn other_formats() {
    says("missing_field", ("x.json", br#"{ "y": [1, 2], "z": [3] }"#), &array("json(\"x.json\", \"x\")"));
    says("not_json", ("x.json", b"{ \"x\": [1, 2,, 3] }"), &array("json(\"x.json\", \"x\")"));
    says("not_idx", ("x.idx", b"\x00\x00\x07\x01\x00\x00\x00\x02"), &array("idx(\"x.idx\")"));
    let pictures = "data x[N, D] = images(\"*.png\")\nparam m[D] = 0\nobserve x ~ Normal(m, 1)\n";
    says("not_an_image", ("x.png", b"a picture"), pictures);
    says("no_images", ("x.jpg", b"a picture"), pictures);
}

#[test]
fn a_datum_that_its_likelihood_cannot_give() {
    let csv: &[u8] = b"x,y\n3,0\n2.5,1\n4,1\n";
    says("half_a_count", ("x.csv", csv), &column("x.csv", " : count", "Poisson(exp(m))"));
    says("half_a_count_by_likelihood", ("x.csv", csv), &column("x.csv", "", "Poisson(exp(m))"));
    let csv: &[u8] = b"x,y\n3,0\n-1,1\n4,1\n";
    says("negative", ("x.csv", csv), &column("x.csv", "", "Gamma(2, exp(m))"));
    says("no_truth", ("x.csv", csv), &column("x.csv", "", "Bernoulli(logits = m)"));
    let index = "dim J = 4\ndata x[N] : index(J) = csv(\"x.csv\", \"x\")\ndata y[N] = csv(\"x.csv\", \"y\")\n\
                 latent m[J] ~ Normal(0, 1)\nobserve y ~ Normal(m[x], 1)\n";
    says("index_from_one", ("x.csv", b"x,y\n1,0\n4,1\n2,1\n"), index);
    let matrix =
        "data x[N, D] : unit = csv(\"x.csv\", \"a\", \"b\")\nparam m[D] = 0\nobserve x ~ Bernoulli(logits = m)\n";
    says("place_in_a_matrix", ("x.csv", b"a,b\n0,1\n1,255\n"), matrix);
}

#[test]
fn counts_that_do_not_add_up_to_their_trials() {
    let of = |likelihood: &str| {
        format!(
            "dim K = 2\ndata x[N, K] : count = csv(\"x.csv\")\nlatent p[K] ~ Dirichlet(1)\nobserve x ~ {likelihood}\n"
        )
    };
    let csv = b"a,b\n1,2\n2,2\n";
    says("totals_of_other_trials", ("x.csv", csv), &of("Multinomial(3, p)"));
    says("totals_under_shares", ("x.csv", csv), &of("DirichletMultinomial(4, p)"));
}

#[test]
fn a_count_below_the_end_of_its_truncation() {
    says(
        "below_truncation",
        ("x.csv", b"x\n2\n0\n"),
        &column("x.csv", " : count", "Truncated(Poisson(exp(m)), low = 1)"),
    );
}

#[test]
fn a_row_that_its_vectors_type_cannot_have() {
    let folder = tempfile::tempdir().unwrap();
    let program = |data: &str| {
        format!("dim K = 3\ndata x[N, K] = {data}\nparam p[K] : simplex = uniform(0, 1)\nobserve x ~ OneHot(p)\n")
    };
    for (data, right) in [("[[0, 1, 0], [1, 0, 0]]", true), ("[[0, 1, 0], [1, 1, 0]]", false)] {
        std::fs::write(folder.path().join("p.fe"), program(data)).unwrap();
        let output = run(folder.path(), &["run", "p.fe", "--quiet", "--json"]);
        assert_eq!(code(&output), if right { 0 } else { 3 }, "{data}: {}", stderr(&output));
        let named =
            stderr(&output).contains("what `x` holds from N = 1, K = 0 on is not one of vectors of one 1 among zeros");
        assert_eq!(named, !right, "{}", stderr(&output));
    }
}

#[test]
fn every_wrong_file_of_a_program_is_named_at_once() {
    let program = "data x[N] = csv(\"x.csv\", \"x\")\ndata y[N] = csv(\"y.csv\", \"y\")\n\
                   latent m ~ Normal(0, 1)\nobserve x ~ Normal(m, 1)\nobserve y ~ Normal(m, 1)\n";
    says("two_files", ("z.csv", b"z\n1\n"), program);
}

#[test]
fn arrays_that_share_an_axis_and_not_its_size() {
    // The program's own axes meet the files: a mistake of either, found before anything is fitted.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.csv"), "x\n1\n2\n").unwrap();
    std::fs::write(folder.path().join("y.csv"), "y\n1\n2\n3\n").unwrap();
    let program = "data x[N] = csv(\"x.csv\", \"x\")\ndata y[N] = csv(\"y.csv\", \"y\")\n\
                   latent m ~ Normal(0, 1)\nobserve x ~ Normal(m, y)\n";
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let output = run(folder.path(), &["run", "model.fe"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("axis `N` has 2 elements, and `y` has 3 along it"), "{}", stderr(&output));
}
