//! The rules of guides, one test each.

use crate::common::{at, explained, fit_text, refused};

const LN_2_PI: f64 = 1.837_877_066_409_345_5;

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found}, not {expected}");
}

/// A term's nats, by name and kind.
fn term(fit: &serde_json::Value, name: &str) -> f64 {
    let terms = fit["terms"].as_array().unwrap();
    terms.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("{name}: {terms:?}"))["nats"].as_f64().unwrap()
}

#[test]
fn unstated_and_continuous_up_to_256_dimensions_is_one_full_rank_gaussian() {
    let source = |n: usize| {
        format!(
            "dim J = {n}\ndata y[N] = [1, 2]\nlatent s ~ HalfNormal(1)\nlatent b[J] ~ Normal(0, 1)\nobserve y ~ Normal(sum(b), s)\n"
        )
    };
    let said = explained(&source(255));
    assert!(said.contains("s : full-rank Gaussian, 256 dimensions"), "{said}");
    assert!(said.contains("b[J] : full-rank Gaussian, 256 dimensions"), "{said}");
    // Beyond, the global ones are mean-field, which is said.
    let said = explained(&source(256));
    assert!(said.contains("b[J] : mean-field Normal"), "{said}");
    assert!(said.contains("note: the 257 global dimensions are more than 256"), "{said}");
}

#[test]
fn local_latents_join_it_unless_there_is_a_batch_or_holdout() {
    let source =
        "data y[N] = [1, 2, 3, 4]\nlatent m ~ Normal(0, 1)\nlatent z[N] ~ Normal(m, 1)\nobserve y ~ Normal(z, 1)\n";
    assert!(explained(source).contains("z[N] : full-rank Gaussian, 5 dimensions"), "{}", explained(source));
    for key in ["batch = 2", "holdout = 25%"] {
        let said = explained(&format!("{source}train {{ {key} }}\n"));
        assert!(said.contains("m : full-rank Gaussian, 1 dimension"), "{said}");
        // They take the prior's family, with parameters for each row.
        assert!(said.contains("z[N] : Normal with free parameters for each of 4"), "{said}");
    }
}

#[test]
fn counts_take_their_own_family_and_never_join_a_gaussian() {
    let source = "data y[N] = [1, 2]\nlatent m ~ Normal(0, 1)\nlatent z[N] ~ Poisson(2) by guide\nobserve y ~ Normal(z + m, 1)\n";
    let said = explained(source);
    assert!(said.contains("z[N] : Poisson with free parameters for each of 2"), "{said}");
    assert!(said.contains("m : full-rank Gaussian, 1 dimension"), "{said}");
    refused(&format!("{source}guide m, z ~ FullRank()\n"), "E0408");
}

#[test]
fn a_finite_latent_is_summed_out() {
    let source = "dim K = 2\ndata y[N] = [1, 2]\nlatent c[N] : index(K) ~ Categorical([0.5, 0.5])\nlet m[K] = [0, 1]\nobserve y ~ Normal(m[c], 1)\n";
    assert!(explained(source).contains("c[N] : the exact conditional, by enumeration"), "{}", explained(source));
}

#[test]
fn an_enumerated_latents_rate_is_the_kl_of_its_exact_conditional_and_both_parts_add_up_to_the_evidence() {
    let (prior, centre, y): ([f64; 2], [f64; 2], _) = ([0.3, 0.7], [-1.0, 1.5], [0.4, 2.0, -0.7]);
    let source = "dim K = 2\ndata y[N] = [0.4, 2, -0.7]\nlatent c[N] : index(K) ~ Categorical([0.3, 0.7])\nlet m[K] = [-1, 1.5]\nobserve y ~ Normal(m[c], 1)\n";
    let fit = fit_text(source);
    let (mut evidence, mut rate) = (0.0, 0.0);
    for y in y {
        let joint: Vec<f64> =
            (0..2).map(|k| prior[k] * (-0.5 * (y - centre[k]).powi(2) - 0.5 * LN_2_PI).exp()).collect();
        let sum: f64 = joint.iter().sum();
        evidence -= sum.ln();
        rate += (0..2).map(|k| joint[k] / sum * (joint[k] / sum / prior[k]).ln()).sum::<f64>();
    }
    close(at(&fit, "rate"), rate / 3.0, 1e-10);
    close(at(&fit, "free_energy_total"), evidence, 1e-10);
    close(3.0 * (at(&fit, "distortion") + at(&fit, "rate")), evidence, 1e-10);
}

/// Two coefficients with a correlated posterior, known in closed form: precision I + XᵀX.
const REGRESSION: &str = "
data y[N] = [0.3, 1.9, 2.2]
data x[N] = [0.5, 1, 1.5]
latent a ~ Normal(0, 1)
latent b ~ Normal(0, 1)
observe y ~ Normal(a + b * x, 1)
";

#[test]
fn the_rates_of_a_joint_guide_add_up_by_the_chain_rule_in_order_of_declaration() {
    let x: [f64; 3] = [0.5, 1.0, 1.5];
    let y = [0.3, 1.9, 2.2];
    let (p11, p12, p22) = (4.0, x.iter().sum::<f64>(), 1.0 + x.iter().map(|x| x * x).sum::<f64>());
    let det = p11 * p22 - p12 * p12;
    let (v1, v12, v2) = (p22 / det, -p12 / det, p11 / det);
    let (r1, r2) = (y.iter().sum::<f64>(), x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>());
    let (m1, m2) = (v1 * r1 + v12 * r2, v12 * r1 + v2 * r2);
    // KL(q(first) ‖ N(0, 1)), and what is left: E KL(q(second | first) ‖ N(0, 1)).
    let first = |m: f64, v: f64| 0.5 * (v + m * m - 1.0 - v.ln());
    let whole = 0.5 * (v1 + v2 + m1 * m1 + m2 * m2 - 2.0 + det.ln());
    let fit = fit_text(REGRESSION);
    close(3.0 * term(&fit, "a"), first(m1, v1), 1e-7);
    close(3.0 * term(&fit, "b"), whole - first(m1, v1), 1e-7);
    close(3.0 * at(&fit, "rate"), whole, 1e-7);
    // Declared the other way round, b comes first.
    let turned = REGRESSION.replace(
        "latent a ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)",
        "latent b ~ Normal(0, 1)\nlatent a ~ Normal(0, 1)",
    );
    let fit = fit_text(&turned);
    close(3.0 * term(&fit, "b"), first(m2, v2), 1e-7);
    close(3.0 * term(&fit, "a"), whole - first(m2, v2), 1e-7);
}

#[test]
fn a_full_rank_guide_can_be_stated_beside_others() {
    let fit = fit_text(&format!("{REGRESSION}guide a, b ~ FullRank()\n"));
    let alone = fit_text(REGRESSION);
    close(at(&fit, "free_energy_total"), at(&alone, "free_energy_total"), 1e-8);
    // Apart, their correlation is lost, and the free energy is higher by that.
    let apart = fit_text(&format!("{REGRESSION}guide a ~ FullRank()\nguide b ~ FullRank()\n"));
    assert!(at(&apart, "free_energy_total") > at(&alone, "free_energy_total") + 0.1);
}

#[test]
fn a_stated_distribution_is_the_guide() {
    let source = "data y[N] = [1, 2]\nparam m = 0\nparam s : positive = 1\nlatent z ~ Normal(0, 1)\nguide z ~ Normal(m, s)\nobserve y ~ Normal(z, 1)\n";
    let fit = fit_text(source);
    // The posterior is Normal(1, 1/3), which this guide can be; −log p(y) is that of a Normal of covariance I + 11ᵀ.
    let evidence = LN_2_PI + 0.5 * 3f64.ln() + 0.5 * (1.0 + 4.0 - 9.0 / 3.0);
    close(at(&fit, "free_energy_total"), evidence, 1e-8);
    assert!(explained(source).contains("z : Normal, as stated"));
}

#[test]
fn a_point_guide_is_the_mode_and_its_rate_is_minus_log_p_shown_as_a_penalty() {
    let source = "data y[N] = [1, 2]\nlatent z ~ Normal(0, 1)\nguide z = point\nobserve y ~ Normal(z, 1)\n";
    let fit = fit_text(source);
    // The mode is 1.
    close(2.0 * term(&fit, "z"), 0.5 * LN_2_PI + 0.5, 1e-8);
    assert_eq!(fit["terms"][0]["kind"], "penalty");
    assert!(explained(source).contains("a penalty and not information"));
}

#[test]
fn a_prior_guide_has_rate_0() {
    let source = "data y[N] = [1, 2]\nlatent z ~ Normal(0, 1)\nguide z = prior\nobserve y ~ Normal(z, 1)\n";
    let fit = fit_text(source);
    close(at(&fit, "rate"), 0.0, 0.0);
    // ½ E(y − z)² with z from the prior.
    close(2.0 * at(&fit, "distortion"), LN_2_PI + 0.5 * (2.0 + 1.0 + 4.0), 1e-9);
}

#[test]
fn a_latent_that_follows_another_and_that_a_loss_reads_needs_its_guide_stated() {
    let source =
        "data x[N] = [1, 2]\nlatent a[N] ~ Normal(0, 1)\nlatent s[N] ~ Normal(a, 0.1)\nloss cost = (s - x)^2\n";
    refused(source, "E0410");
    for guide in ["prior", "point"] {
        assert!(explained(&format!("{source}guide s = {guide}\n")).contains("rate of a"), "{guide}");
    }
}

#[test]
fn a_guide_whose_support_is_not_inside_its_priors_is_an_error() {
    refused(
        "data x[N] = [1, 2]\nlatent s ~ HalfCauchy(1)\nguide s ~ Normal(0, 1)\nobserve x ~ Normal(0, s)\n",
        "E0403",
    );
    refused(
        "data x[N] = [1, 2]\nlatent s ~ Uniform(0, 1)\nguide s ~ LogNormal(0, 1)\nobserve x ~ Normal(0, s)\n",
        "E0403",
    );
}

#[test]
fn a_guide_for_something_that_is_no_latent_is_an_error() {
    refused("data x[N] = [1, 2]\nparam m = 0\nguide m ~ Normal(0, 1)\nobserve x ~ Normal(m, 1)\n", "E0401");
}

#[test]
fn a_guide_that_reads_a_later_latent_is_an_error_and_an_earlier_one_is_not() {
    let source = |guide: &str| {
        format!(
            "data x[N] = [1, 2]\nlatent a ~ Normal(0, 1)\nlatent b ~ Normal(a, 1)\n{guide}\nobserve x ~ Normal(b, 1)\n"
        )
    };
    refused(&source("guide a ~ Normal(b, 1)"), "E0404");
    assert!(explained(&source("guide b ~ Normal(a, 1)")).contains("b : Normal, as stated"));
}

#[test]
fn two_guides_of_one_latent_are_an_error() {
    refused(&format!("{REGRESSION}guide a ~ FullRank()\nguide a = point\n"), "E0402");
}

#[test]
fn held_out_rows_refit_free_guides_with_all_else_fixed() {
    let rows: Vec<String> = (0..40).map(|k| format!("{:.2}", 2.0 + (f64::from(k) * 1.7).sin())).collect();
    let source = format!(
        "data y[N] = [{}]\nlatent z[N] ~ Normal(0, 1)\nobserve y ~ Normal(z, 0.5)\ntrain {{ holdout = 25%  steps = 4000 }}\n",
        rows.join(", ")
    );
    let fit = fit_text(&source);
    let notes = fit["verdict"]["notes"].to_string();
    assert!(notes.contains("those of held-out rows were refitted with all else fixed"), "{notes}");
    assert_eq!(at(&fit, "heldout.rows"), 10.0);
    // Each row's evidence is that of Normal(0, √1.25), to which its own guide comes once it is refitted: left at the
    // prior, the distortion alone would be twice as large.
    let values: Vec<f64> = rows.iter().map(|r| r.parse().unwrap()).collect();
    let evidence = |y: f64| 0.5 * (LN_2_PI + 1.25f64.ln() + y * y / 1.25);
    let (least, most) = values.iter().map(|&y| evidence(y)).fold((f64::MAX, 0.0f64), |(a, b), e| (a.min(e), b.max(e)));
    let found = at(&fit, "heldout.free_energy");
    assert!(least < found && found < most, "{least} {found} {most}");
}

/// A hierarchy whose effects share a scale.
const HIERARCHY: &str = "
dim J = 4
data y[J] = [2.1, -1.3, 0.4, 3.0]
latent mu ~ Normal(0, 2) by guide
latent tau ~ HalfNormal(2)
";

#[test]
fn a_latent_whose_scale_is_a_latent_is_fitted_non_centred_where_that_is_better() {
    let written = format!("{HIERARCHY}latent theta[J] ~ Normal(mu, tau) by guide\nobserve y ~ Normal(theta, 3)\n");
    let by_hand = format!(
        "{HIERARCHY}latent u[J] ~ Normal(0, 1) by guide\nlet theta = mu + tau * u\nobserve y ~ Normal(theta, 3)\n"
    );
    let (ours, other) = (fit_text(&written), fit_text(&by_hand));
    close(at(&ours, "free_energy_total"), at(&other, "free_energy_total"), 1e-6);
    // The rate is that of the latent as it is written, which is that of its u; the table is of theta.
    close(term(&ours, "theta"), term(&other, "u"), 1e-6);
    for k in 0..4 {
        close(at(&ours, &format!("posterior.theta.mean.{k}")), at(&other, &format!("posterior.theta.mean.{k}")), 1e-6);
    }
    assert!(explained(&written).contains("non-centred, as location + scale · u"), "{}", explained(&written));
    // Refused, it is worse here.
    let centred = written.replace("Normal(mu, tau) by guide", "Normal(mu, tau) by centred");
    assert!(!explained(&centred).contains("non-centred"));
    assert!(at(&fit_text(&centred), "free_energy_total") > at(&ours, "free_energy_total") + 0.01);
}

#[test]
fn with_much_data_for_each_group_it_is_kept_as_written() {
    let (groups, rows) = (4, 100);
    let index: Vec<String> = (0..groups * rows).map(|k| (k / rows).to_string()).collect();
    let value = |k: usize| (k / rows) as f64 - 1.5 + (k as f64 * 2.3).sin();
    let values: Vec<String> = (0..groups * rows).map(|k| format!("{:.3}", value(k))).collect();
    let source = format!(
        "dim J = {groups}\ndata g[N] : index(J) = [{}]\ndata y[N] = [{}]\nlatent mu ~ Normal(0, 2) by guide\nlatent tau ~ HalfNormal(2)\n\
         latent theta[J] ~ Normal(mu, tau) by guide\nobserve y ~ Normal(theta[g], 0.7)\n",
        index.join(", "),
        values.join(", ")
    );
    let fit = fit_text(&source);
    let notes = fit["verdict"]["notes"].to_string();
    assert!(notes.contains("kept as written"), "{notes}");
    let centred = fit_text(&source.replace("Normal(mu, tau) by guide", "Normal(mu, tau) by centred"));
    close(at(&fit, "free_energy_total"), at(&centred, "free_energy_total"), 1e-9);
}

#[test]
fn a_chain_is_never_non_centred() {
    let source = "data y[T] = [1, 2, 1.5]\nlatent tau ~ HalfNormal(1)\nfor t in T {\n  latent s[t] ~ Normal(if t == 0 then 0 else s[t-1], tau)\n  observe y[t] ~ Normal(s[t], 1)\n}\n";
    assert!(!explained(source).contains("non-centred"), "{}", explained(source));
}
