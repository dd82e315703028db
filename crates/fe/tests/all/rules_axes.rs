//! The rules of axes, one test each: a program whose loss is the value in question, against loops; or the refusal.

use crate::common::{at, explained, fit_text, refused};

const X: [[f64; 3]; 2] = [[1.0, 2.0, 3.0], [4.0, -5.0, 6.0]];
const S: [f64; 2] = [0.5, 2.0];
const DATA: &str = "
dim K = 2
data x[N, D] = [[1, 2, 3], [4, -5, 6]]
data s[N] = [0.5, 2]
data w[D] = [0.1, 0.2, -0.3]
data F[K, K'] = [[1, 2], [3, 4]]
data v[K] = [1, 2]
dim Q = 5
";

/// The sum of a value over all its axes: a loss of data alone is summed.
fn total(value: &str) -> f64 {
    at(&fit_text(&format!("{DATA}loss value = {value}\n")), "free_energy_total")
}

fn is(value: &str, expected: f64) {
    let found = total(value);
    assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value}: {found}, not {expected}");
}

#[test]
fn elementwise_operations_take_the_union_of_axes_matched_by_name() {
    let by_rows: f64 = X.iter().zip(S).map(|(row, s)| row.iter().sum::<f64>() * s).sum();
    is("x * s", by_rows);
    is("s * x", by_rows);
    let outer: f64 = S.iter().flat_map(|s| [0.1, 0.2, -0.3].map(|w| (s * w) * (s * w))).sum();
    is("(s * w)^2", outer);
    // A number has no axes, and stands beside any.
    is("x + 1", X.iter().flatten().sum::<f64>() + 6.0);
}

#[test]
fn an_axis_that_the_left_side_of_a_tilde_lacks_is_an_error() {
    refused("dim K = 2\ndata y[N] = [1, 2, 3]\nparam b[K] = 0\nobserve y ~ Normal(b, 1)\n", "E0205");
    refused(
        "dim K = 2\ndata y[N] = [1, 2, 3]\nparam b[K] = 1\nlatent m ~ Normal(b, 1)\nobserve y ~ Normal(m, 1)\n",
        "E0205",
    );
}

#[test]
fn an_axis_that_declared_axes_lack_is_an_error_and_a_plain_let_or_loss_takes_what_comes() {
    let program = |left: &str| format!("{DATA}let {left} = s * w\nloss cost = h^2\n");
    refused(&program("h[N]"), "E0205");
    let fit = fit_text(&program("h"));
    let expected: f64 = S.iter().flat_map(|s| [0.1, 0.2, -0.3].map(|w| (s * w) * (s * w))).sum();
    assert!((at(&fit, "free_energy_total") - expected).abs() < 1e-12);
    assert!(explained(&program("h")).contains("h[N, D] = s * w"), "{}", explained(&program("h")));
}

#[test]
fn a_size_written_as_a_number_is_an_axis_named_by_that_number() {
    // Both layers lead to the axis 3, so their results are added element by element.
    let source = "data x[N, D] = [[1, 2], [3, 4]]\nlet both = (x |> dense(3)) + (x |> dense(3))\nloss cost = both^2\n";
    assert!(explained(source).contains("both[N, 3]"), "{}", explained(source));
}

#[test]
fn a_prime_is_a_second_copy_of_an_axis() {
    // F has four elements, and its diagonal two.
    is("F", 10.0);
    is("diag(F)", 5.0);
    // x on the copy: all differences.
    let differences: f64 = S.iter().flat_map(|a| S.map(|b| (a - b).powi(2))).sum();
    is("(s[N] - s[N'])^2", differences);
}

#[test]
fn where_only_the_primed_copy_is_left_the_prime_falls_away() {
    // v @ F, which is [7, 10], is over K again, and meets v element by element; an outer product would have four elements.
    let source = format!("{DATA}let moved = v @ F\nloss cost = moved * v\n");
    assert!((at(&fit_text(&source), "free_energy_total") - 27.0).abs() < 1e-12);
    assert!(explained(&source).contains("moved[K]"), "{}", explained(&source));
}

#[test]
fn arrays_are_turned_made_cut_and_joined() {
    is("(F @ v)^2", 5.0 * 5.0 + 11.0 * 11.0);
    is("(transpose(F) @ v)^2", 7.0 * 7.0 + 10.0 * 10.0);
    is("eye(K)", 2.0);
    is("sum(eye(K) * F)", 5.0);
    is("slice(x, D, 0, 2)", 1.0 + 2.0 + 4.0 - 5.0);
    is("sum(concat(v, w, Q)^2, Q)", 5.0 + 0.01 + 0.04 + 0.09);
    // The lower factor of [[4, 2], [2, 5]] is [[2, 0], [1, 2]].
    let source = format!("{DATA}let A[K, K'] = [[4, 2], [2, 5]]\nloss cost = cholesky(A)\n");
    assert!((at(&fit_text(&source), "free_energy_total") - 5.0).abs() < 1e-12);
}

#[test]
fn a_product_sums_over_the_last_axis_of_the_left_and_the_first_of_the_right() {
    let expected: f64 = X.iter().map(|row| row[0] * 0.1 + row[1] * 0.2 - row[2] * 0.3).map(|p| p * p).sum();
    is("(x @ w)^2", expected);
    // Equal up to primes: F @ F is the matrix product [[7, 10], [15, 22]].
    is("F @ F", 54.0);
    refused(&format!("{DATA}loss bad = x @ v\n"), "E0206");
}

#[test]
fn any_other_axis_that_both_sides_of_a_product_carry_is_an_error() {
    refused(
        "dim S = 2\ndata x[N, D] = [[1, 2, 3], [4, 5, 6]]\nparam a[N, S] = 1\nparam b[S, N, D] = 1\nloss bad = a @ b\n",
        "E0207",
    );
}

#[test]
fn a_reduction_names_its_axis_and_takes_the_last_where_it_does_not() {
    let squares: f64 = X.iter().map(|row| row.iter().sum::<f64>().powi(2)).sum();
    is("sum(x, D)^2", squares);
    is("sum(x)^2", squares);
    is("mean(x, D)", X.iter().map(|row| row.iter().sum::<f64>() / 3.0).sum());
    is("max(x, D)", 3.0 + 6.0);
    let lse: f64 = X.iter().map(|row| row.iter().map(|v: &f64| v.exp()).sum::<f64>().ln()).sum();
    is("logsumexp(x, D)", lse);
    is("softmax(x, D)", 2.0);
    // Along D every row's shares add up to 1, so squares tell the axis.
    let shares: f64 = X
        .iter()
        .map(|row| {
            let whole: f64 = row.iter().map(|v: &f64| v.exp()).sum();
            row.iter().map(|v| (v.exp() / whole).powi(2)).sum::<f64>()
        })
        .sum();
    is("softmax(x, D)^2", shares);
    refused(&format!("{DATA}loss bad = sum(x, K)\n"), "E0208");
}

#[test]
fn a_reduction_left_open_never_takes_the_row_axis() {
    refused("data x[N] = [1, 2, 3]\nlatent m ~ Normal(0, 1)\nobserve x ~ Normal(m - mean(x), 1)\n", "E0210");
}

const GROUPS: &str = "
dim J = 3
dim H = 2
data g[N] : index(J) = [0, 2, 2, 1]
data h[N] : index(H) = [1, 0, 1, 1]
data y[N] = [1, 1, 1, 1]
let a[H, J] = [[1, 2, 4], [10, 20, 40]]
";

#[test]
fn an_index_picks_along_its_axis_wherever_that_stands_and_its_axes_take_the_place() {
    // a[g] is over H and N.
    let at_groups = [11.0, 44.0, 44.0, 22.0];
    let source = format!("{GROUPS}let picked = a[g]\nloss cost = picked * y\n");
    assert!((at(&fit_text(&source), "free_energy_total") - at_groups.iter().sum::<f64>()).abs() < 1e-12);
    assert!(explained(&source).contains("picked[H, N]"), "{}", explained(&source));
    let other = "dim J = 3\ndim K = 2\ndata g[N] : index(J) = [0, 1]\nparam a[K] = 0\nobserve y ~ Normal(a[g], 1)\ndata y[N] = [1, 2]\n";
    refused(other, "E0208");
}

#[test]
fn several_indices_that_share_an_axis_pick_pointwise() {
    let source = format!("{GROUPS}loss cost = a[h, g] * y\n");
    assert!((at(&fit_text(&source), "free_energy_total") - (10.0 + 4.0 + 40.0 + 20.0)).abs() < 1e-12);
}

#[test]
fn a_loop_variable_picks_along_its_axis() {
    let source =
        "dim S = 2\ndata x[T, S] = [[1, 2], [3, 4], [5, 6]]\nfor t in T from 1 {\n  loss cost = x[t] * x[t-1]\n}\n";
    let expected = 1.0 * 3.0 + 2.0 * 4.0 + 3.0 * 5.0 + 4.0 * 6.0;
    assert!((at(&fit_text(source), "free_energy_total") - expected).abs() < 1e-12);
}

#[test]
fn a_list_takes_its_axes_from_the_declaration_or_the_other_branch_of_its_if() {
    // Row by row: v where s is above 1, which it is in one of two rows.
    is("if s > 1 then v else [5, 7]", 3.0 + 12.0);
    is("if s > 1 then [5, 7] else v", 3.0 + 12.0);
    let declared = format!("{DATA}let z[K] = [3, 4]\nloss cost = z * v\n");
    assert!((at(&fit_text(&declared), "free_energy_total") - 11.0).abs() < 1e-12);
    refused(&format!("{DATA}loss bad = sum([1, 2])\n"), "E0213");
}
