"""The programs of bench/answers in NumPyro, as its experts write them, by NUTS: 1,000 draws after 1,000 of warm-up, one chain.
Prints one line of JSON: seconds from the start of the process, means, standard deviations, and the least effective number of draws.
"""

import time

start = time.perf_counter()

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC, NUTS
from numpyro.infer.reparam import LocScaleReparam

numpyro.enable_x64()
folder = Path(__file__).parent.parent / "answers"


def load(name):
    return {key: np.array(value, dtype=float) for key, value in json.loads((folder / name).read_text()).items()}


def radon(county, floor, uranium, y):
    g0, g1 = numpyro.sample("g0", dist.Normal(0, 2)), numpyro.sample("g1", dist.Normal(0, 2))
    b = numpyro.sample("b", dist.Normal(0, 2))
    tau, s = numpyro.sample("tau", dist.HalfNormal(1)), numpyro.sample("s", dist.HalfNormal(1))
    with numpyro.plate("counties", len(uranium)):
        a = numpyro.sample("a", dist.Normal(g0 + g1 * uranium, tau))
    numpyro.sample("y", dist.Normal(a[county.astype(int)] + b * floor, s), obs=y)


def q_learning(choice, reward, took):
    ma, sa = numpyro.sample("ma", dist.Normal(0, 1)), numpyro.sample("sa", dist.HalfNormal(1))
    mb, sb = numpyro.sample("mb", dist.Normal(1, 1)), numpyro.sample("sb", dist.HalfNormal(1))
    with numpyro.plate("subjects", choice.shape[1]):
        la, lb = numpyro.sample("la", dist.Normal(ma, sa)), numpyro.sample("lb", dist.Normal(mb, sb))
    alpha, beta = jax.nn.sigmoid(la), jnp.exp(lb)

    def trial(q, now):
        reward, took = now
        return q + alpha[:, None] * took * (reward[:, None] - q), q[:, 1] - q[:, 0]

    _, apart = jax.lax.scan(trial, jnp.zeros((choice.shape[1], 2)), (reward, took))
    seen = ~np.isnan(choice)
    with numpyro.handlers.mask(mask=seen):
        numpyro.sample("y", dist.Bernoulli(logits=beta * apart), obs=np.where(seen, choice, 0))


def two_parameter_irt(p, i, y):
    p, i = p.astype(int), i.astype(int)
    sa, sb = numpyro.sample("sa", dist.HalfNormal(1)), numpyro.sample("sb", dist.HalfNormal(1))
    mb = numpyro.sample("mb", dist.Normal(0, 1))
    with numpyro.plate("persons", p.max() + 1):
        theta = numpyro.sample("theta", dist.Normal(0, 1))
    with numpyro.plate("items", i.max() + 1):
        a, b = numpyro.sample("a", dist.LogNormal(0, sa)), numpyro.sample("b", dist.Normal(mb, sb))
    numpyro.sample("y", dist.Bernoulli(logits=a[i] * (theta[p] - b[i])), obs=y)


def glm_hmm(x, y):
    free = numpyro.sample("free", dist.ImproperUniform(dist.constraints.ordered_vector, (), (2,)))
    numpyro.factor("prior", dist.Normal(0, 1).log_prob(free).sum())
    w = jnp.exp(free)
    c = numpyro.sample("c", dist.Normal(0, 2).expand([2]).to_event(1))
    stay = numpyro.sample("stay", dist.Beta(9, 1).expand([2]).to_event(1))
    log_p = jnp.log(jnp.diag(stay) + (1 - stay)[:, None] * (1 - jnp.eye(2)))
    seen = ~np.isnan(y)
    logits = w * x[..., None] + c
    emitted = jnp.where(seen[..., None], dist.Bernoulli(logits=logits).log_prob(np.where(seen, y, 0)[..., None]), 0.0)

    def step(forward, now):
        return jax.scipy.special.logsumexp(forward[..., None] + log_p, axis=-2) + now, None

    first = jnp.log(jnp.full(2, 0.5)) + emitted[0]
    last, _ = jax.lax.scan(step, first, emitted[1:])
    numpyro.factor("y", jax.scipy.special.logsumexp(last, axis=-1).sum())


def stochastic_volatility(y):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    phi = numpyro.deterministic("phi", 2 * numpyro.sample("half", dist.Beta(20, 1.5)) - 1)
    sigma = numpyro.sample("sigma", dist.HalfNormal(0.5))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([len(y)]).to_event(1))

    def step(h, now):
        h = mu + phi * (h - mu) + sigma * now
        return h, h

    first = mu + sigma / jnp.sqrt(1 - phi**2) * z[0]
    _, rest = jax.lax.scan(step, first, z[1:])
    h = numpyro.deterministic("h", jnp.concatenate([first[None], rest]))
    numpyro.sample("y", dist.Normal(0, jnp.exp(h / 2)), obs=y)


def gaussian_process(x, y):
    amplitude, noise = numpyro.sample("amplitude", dist.HalfNormal(2)), numpyro.sample("noise", dist.HalfNormal(1))
    length = numpyro.sample("length", dist.LogNormal(0, 1))
    k = amplitude**2 * jnp.exp(-((x[:, None] - x) ** 2) / (2 * length**2)) + noise**2 * jnp.eye(len(x))
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), covariance_matrix=k), obs=y)


# Effects around their means are sampled as standard ones, where that is the better form.
around = {name: LocScaleReparam(0) for name in ["a", "la", "lb"]}
models = {
    "radon": (numpyro.handlers.reparam(radon, config=around), "radon.json"),
    "q-learning": (numpyro.handlers.reparam(q_learning, config=around), "rl.json"),
    "two-parameter-irt": (two_parameter_irt, "irt2pl.json"),
    "glm-hmm": (glm_hmm, "glmhmm.json"),
    "stochastic-volatility": (stochastic_volatility, "sv200.json"),
    "gaussian-process": (gaussian_process, "gp.json"),
}
model, data = models[args.program]
sampler = MCMC(NUTS(model), num_warmup=1000, num_samples=1000, progress_bar=False)
sampler.run(jax.random.key(args.seed), **load(data))
draws = {name: np.asarray(value, dtype=float) for name, value in sampler.get_samples().items()}
if "free" in draws:
    draws["lw"] = draws.pop("free")
if args.program == "q-learning":
    draws["alpha"], draws["beta"] = 1 / (1 + np.exp(-draws["la"])), np.exp(draws["lb"])
ess = min(float(np.min(effective_sample_size(value[None]))) for value in draws.values())
table = {name: {"mean": value.mean(0).tolist(), "sd": value.std(0).tolist()} for name, value in draws.items()}
print(json.dumps({"seconds": time.perf_counter() - start, "least_ess": ess, "table": table}))
