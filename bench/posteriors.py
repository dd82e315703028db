"""The reference posteriors of tests/posteriors: fe beside NumPyro's AutoNormal and AutoMultivariateNormal, and Stan's ADVI and
Pathfinder.

Errors are the worst over the scalars of a posterior: |mean − reference| in reference standard deviations, and
|sd / reference − 1|. Seconds are of the whole fit as its user waits for it: of `fe run` from start to exit, of NumPyro
from the first call of `SVI.run` to the last step, compilation included. NumPyro takes 20,000 steps of Adam at 0.01, one
sample each, which its own examples take. Stan runs with its defaults and ten seeds, of which the median is taken: its seconds
leave compilation out. Everything runs in f64, one after another, on the same machine.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from numpyro.infer.initialization import init_to_median

from peers import stan

numpyro.enable_x64()
ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests/posteriors"
STEPS = 20_000
SEEDS = range(1, 11)


def data(name):
    found = json.loads((FOLDER / "data" / f"{name}.json").read_text())
    return {k: jnp.array(v, dtype=float) for k, v in found.items() if isinstance(v, list)}


def flat(name, size=None, positive=False):
    support = constraints.positive if positive else constraints.real
    return numpyro.sample(name, dist.ImproperUniform(support, (), () if size is None else (size,)))


# Priors of a regression's scale, numbered as in peers/stan/regression.stan.
SCALES = {1: dist.HalfCauchy(2.5), 2: dist.HalfNormal(10)}


def regression(design, y, scale, sd):
    """A linear regression; a scale or coefficients without a prior have a flat one."""

    def model():
        width = design.shape[1]
        beta = numpyro.sample("beta", dist.Normal(0, sd).expand([width]).to_event(1)) if sd else flat("beta", width)
        sigma = numpyro.sample("sigma", SCALES[scale]) if scale else flat("sigma", positive=True)
        numpyro.sample("y", dist.Normal(design @ beta, sigma), obs=y)

    return model


def columns(*parts):
    return jnp.stack([jnp.ones_like(parts[-1]) if isinstance(p, int) else p for p in parts], axis=1)


def glm_poisson():
    d = data("GLM_Poisson_Data")
    year, c = d["year"], d["C"]

    def model():
        a = numpyro.sample("alpha", dist.Uniform(-20, 20))
        b = [numpyro.sample(f"beta{k}", dist.Uniform(-10, 10)) for k in (1, 2, 3)]
        log_rate = a + b[0] * year + b[1] * year**2 + b[2] * year**3
        numpyro.sample("C", dist.Poisson(jnp.exp(log_rate)), obs=c)

    return model


def ark():
    y = data("arK")["y"]
    past = jnp.stack([y[5 - k : len(y) - k] for k in range(1, 6)], axis=1)

    def model():
        a = numpyro.sample("alpha", dist.Normal(0, 10))
        beta = numpyro.sample("beta", dist.Normal(0, 10).expand([5]).to_event(1))
        sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
        numpyro.sample("y", dist.Normal(a + past @ beta, sigma), obs=y[5:])

    return model


def arma():
    y = data("arma")["y"]

    def model():
        mu = numpyro.sample("mu", dist.Normal(0, 10))
        phi, theta = (numpyro.sample(n, dist.Normal(0, 2)) for n in ("phi", "theta"))
        sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
        first = y[0] - (mu + phi * mu)

        def step(error, pair):
            error = pair[1] - (mu + phi * pair[0] + theta * error)
            return error, error

        _, errors = jax.lax.scan(step, first, (y[:-1], y[1:]))
        numpyro.sample("y", dist.Normal(0, sigma), obs=jnp.concatenate([first[None], errors]))

    return model


def schools(centred):
    d = data("eight_schools")

    def model():
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        if centred:
            theta = numpyro.sample("theta", dist.Normal(mu, tau).expand([8]).to_event(1))
        else:
            eta = numpyro.sample("eta", dist.Normal(0, 1).expand([8]).to_event(1))
            theta = numpyro.deterministic("theta", mu + tau * eta)
        numpyro.sample("y", dist.Normal(theta, d["sigma"]), obs=d["y"])

    return model


def gp():
    d = data("gp_pois_regr")
    x, y = d["x"], d["y"]

    def model():
        rho = numpyro.sample("rho", dist.Gamma(25, 4))
        alpha = numpyro.sample("alpha", dist.HalfNormal(2))
        sigma = numpyro.sample("sigma", dist.HalfNormal(1))
        k = alpha**2 * jnp.exp(-((x[:, None] - x) ** 2) / (2 * rho**2)) + sigma * jnp.eye(len(x))
        numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), k), obs=y)

    return model


def mixture():
    y = data("low_dim_gauss_mix")["y"]

    def model():
        mu = numpyro.sample("mu", dist.ImproperUniform(constraints.ordered_vector, (), (2,)))
        numpyro.factor("prior of mu", dist.Normal(0, 2).log_prob(mu).sum())
        sigma = numpyro.sample("sigma", dist.HalfNormal(2).expand([2]).to_event(1))
        theta = numpyro.sample("theta", dist.Beta(5, 5))
        weights = dist.Categorical(jnp.array([theta, 1 - theta]))
        numpyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(mu, sigma)), obs=y)

    return model


def regressions():
    """Design, response, number of the scale's prior, sd of the coefficients' prior."""
    kid, work = data("kidiq"), data("kidiq_with_mom_work")
    earn, nes, mesquite, blr = data("earnings"), data("nes2000"), data("mesquite"), data("sblrc")
    half = lambda v: (v - v.mean()) / (2 * v.std(ddof=1))
    hs, iq = half(work["mom_hs"]), half(work["mom_iq"])
    z = (earn["height"] - earn["height"].mean()) / earn["height"].std(ddof=1)
    male = earn["male"]
    volume = jnp.log(mesquite["diam1"] * mesquite["diam2"] * mesquite["canopy_height"])
    age = [(nes["age_discrete"] == k).astype(float) for k in (2, 3, 4)]
    party = columns(1, nes["real_ideo"], nes["race_adj"], *age, nes["educ1"], nes["gender"], nes["income"])
    return {
        "kidscore_interaction_z": (columns(1, hs, iq, hs * iq), work["kid_score"], 0, 0),
        "kidscore_momhsiq": (columns(1, kid["mom_hs"], kid["mom_iq"]), kid["kid_score"], 1, 0),
        "kidscore_momiq": (columns(1, kid["mom_iq"]), kid["kid_score"], 1, 0),
        "logearn_height": (columns(1, earn["height"]), jnp.log(earn["earn"]), 0, 0),
        "logearn_interaction_z": (columns(1, z, male, male * z), jnp.log(earn["earn"]), 0, 0),
        "logmesquite_logvolume": (columns(1, volume), jnp.log(mesquite["weight"]), 0, 0),
        "nes2000": (party, nes["partyid7"], 0, 0),
        "sblrc_blr": (blr["X"], blr["y"], 2, 10),
    }


def others():
    """For each of the other posteriors: NumPyro's model, Stan's program, and the file of Stan's data."""
    return {
        "GLM_Poisson": (glm_poisson(), "glm_poisson", "GLM_Poisson_Data"),
        "arK": (ark(), "autoregression", "arK"),
        "arma11": (arma(), "arma", "arma"),
        "eight_schools_centered": (schools(True), "schools_centred", "eight_schools"),
        "eight_schools_noncentered": (schools(False), "schools_noncentred", "eight_schools"),
        "gp_regr": (gp(), "gaussian_process", "gp_pois_regr"),
        "low_dim_gauss_mix": (mixture(), "mixture", "low_dim_gauss_mix"),
    }


def models():
    """Every posterior: NumPyro's model, Stan's program and its data."""
    made = {}
    for program, (design, y, scale, sd) in regressions().items():
        given = {"N": design.shape[0], "D": design.shape[1], "X": design, "y": y}
        given |= {"scale_prior": scale, "coefficient_sd": sd}
        made[program] = (regression(design, y, scale, sd), "regression", given)
    for program, (model, theirs, file) in others().items():
        made[program] = (model, theirs, json.loads((FOLDER / "data" / f"{file}.json").read_text()))
    return dict(sorted(made.items()))


def worst(reference, read):
    means, sds = [], []
    for name, figures in reference.items():
        mean, sd = read(name)
        means.append(abs(mean - figures["mean"]) / figures["sd"])
        sds.append(abs(sd / figures["sd"] - 1))
    return max(means), max(sds)


def place(name):
    base, _, rest = name.partition("[")
    return base, int(rest[:-1]) - 1 if rest else None


def ours(program, reference):
    with tempfile.TemporaryDirectory() as out:
        command = [ROOT / "target/release/fe", "run", FOLDER / f"{program}.fe", "--json", "--quiet", "--out", out]
        began = time.perf_counter()
        text = subprocess.run(command, check=True, capture_output=True).stdout
        seconds = time.perf_counter() - began
    fit = json.loads(text)

    def read_from(table):
        def read(name):
            base, k = place(name)
            mean, sd = (table[base][what] for what in ("mean", "sd"))
            return (mean, sd) if k is None else (mean[k], sd[k])

        return read

    guide = worst(reference, read_from(fit["posterior"]))
    resampled = fit["posterior_resampled"]
    return guide, resampled and worst(reference, read_from(resampled)), seconds, fit["verdict"]["trusted"]


def theirs(model, reference, family):
    guide = family(model, init_loc_fn=init_to_median)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    began = time.perf_counter()
    result = svi.run(jax.random.PRNGKey(0), STEPS, progress_bar=False)
    jax.block_until_ready(result.params)
    seconds = time.perf_counter() - began
    draws = guide.sample_posterior(jax.random.PRNGKey(1), result.params, sample_shape=(20_000,))
    if "eta" in draws:
        draws["theta"] = draws["mu"][:, None] + draws["tau"][:, None] * draws["eta"]

    def read(name):
        base, k = place(name)
        values = np.asarray(draws[base])
        values = values if k is None else values[:, k]
        return values.mean(), values.std()

    return worst(reference, read), seconds


def stans(program, given, method, reference):
    """The median over seeds of the errors and of the seconds, and how many seeds failed."""
    errors, seconds = [], []
    for seed in SEEDS:
        figures, took = stan.fit(program, given, method, seed)
        seconds.append(took)
        dotted = lambda name: name.replace("[", ".").rstrip("]")
        complete = figures is not None and all(dotted(n) in figures for n in reference)
        errors.append(worst(reference, lambda n: figures[dotted(n)]) if complete else (np.inf, np.inf))
    failed = sum(not np.isfinite(e[0]) for e in errors)
    return tuple(np.median(np.array(errors), axis=0)), failed, np.nanmedian(seconds)


def pair(figures):
    if figures is None:
        return "not trusted"
    if not np.isfinite(figures[0]):
        return "failed"
    return " / ".join(f"{v:.3f}" if v < 100 else f"{v:.2g}" for v in figures)


def main():
    references = json.loads((FOLDER / "reference/posteriors.json").read_text())
    heads = ["posterior", "fe, guide", "fe, resampled", "AutoMultivariateNormal", "AutoNormal"]
    heads += ["ADVI, full-rank", "ADVI, mean-field", "Pathfinder"]
    heads += ["seconds: fe", "AutoMultivariateNormal", "AutoNormal", "ADVI, full-rank", "ADVI, mean-field", "Pathfinder"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for program, (model, stan_program, given) in models().items():
        source = (FOLDER / f"{program}.fe").read_text()
        key = next(l for l in source.splitlines() if l.startswith("# reference: "))[len("# reference: ") :]
        reference = references[key]
        guide, resampled, *took = ours(program, reference)[:3]
        figures = [pair(guide), pair(resampled)]
        for family in (AutoMultivariateNormal, AutoNormal):
            errors, seconds = theirs(model, reference, family)
            figures.append(pair(errors))
            took.append(seconds)
        for method in ("fullrank", "meanfield", "pathfinder"):
            errors, failed, seconds = stans(stan_program, given, method, reference)
            figures.append(pair(errors) + (f" ({failed} of 10 failed)" if failed else ""))
            took.append(seconds)
        cells = [program, *figures, *(f"{s:.2f}" for s in took)]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
