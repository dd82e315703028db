"""Black-box variational inference in NumPyro, as its experts write it: AutoMultivariateNormal (full-rank), Trace_ELBO with one
particle, and all steps in one jitted lax.scan with the state donated. Rows of a minibatch come from NumPyro's own plate
(--rows plate), which draws them without repeats, or are drawn with repeats and handed to it (--rows drawn), which costs far less.
"""

import time
from functools import partial

import protocol

parser = protocol.arguments()
parser.add_argument("--rows", choices=["plate", "drawn"], default="plate")
args = parser.parse_args()

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import lax
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal
from safetensors.numpy import load_file

numpyro.enable_x64(args.precision == "f64")

given = {name: jnp.asarray(value) for name, value in load_file(args.inputs).items()}
loc, scale_tril = given.pop("loc"), given.pop("scale_tril")


def eight_schools(y, sigma, batch=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("schools", len(y)):
        eta = numpyro.sample("eta", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu + tau * eta, sigma), obs=y)


def logistic(x, y, batch=None):
    """`batch` rows of x and y; without one, x and y are themselves the batch."""
    w = numpyro.sample("w", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("rows", rows, subsample_size=batch or len(y)) as drawn:
        if batch:
            x, y = x[drawn], y[drawn]
        numpyro.sample("y", dist.Bernoulli(logits=x @ w), obs=y)


model = {"eight-schools": eight_schools, "logistic": logistic}[args.work]
rows = len(given["y"])
minibatch = args.batch if args.work == "logistic" else None
guide = AutoMultivariateNormal(model)
svi = SVI(model, guide, numpyro.optim.Adam(args.lr), Trace_ELBO())


@partial(jax.jit, static_argnums=2, donate_argnums=0)
def steps(state, given, count):
    def step(state, _):
        svi_state, key = state
        if minibatch is None or args.rows == "plate":
            return (svi.update(svi_state, **given, batch=minibatch)[0], key), None
        key, draw = jax.random.split(key)
        picked = jax.random.randint(draw, (minibatch,), 0, rows)
        batch = {name: value[picked] for name, value in given.items()}
        return (svi.update(svi_state, **batch)[0], key), None

    return lax.scan(step, state, length=count)[0]


state = (svi.init(jax.random.key(0), **given), jax.random.key(1))
start = time.perf_counter()
compiled = steps.lower(state, given, args.steps).compile()
compile_s = time.perf_counter() - start


def run(count):
    global state
    state = jax.block_until_ready(compiled(state, given) if count == args.steps else steps(state, given, count))


def objective():
    """−ELBO per row at the stated guide, over all rows."""
    stated = {"auto_loc": loc, "auto_scale_tril": scale_tril}  # latents in the model's own order, tau as its logarithm
    one = jax.jit(jax.vmap(lambda key: Trace_ELBO().loss(key, stated, model, guide, **given)))
    draws = [one(keys) for keys in jax.random.split(jax.random.key(1), (20, 20 if minibatch else 5000))]
    return protocol.average([float(value) / rows for value in np.concatenate(draws)])


protocol.serve(args, run, objective, compile_s, {"jax": jax.__version__, "numpyro": numpyro.__version__})
