"""The VAEs in JAX, as its experts write them: one jitted lax.scan over the steps with the state donated, optax's Adam, data on the
device, and arrivals summed by an unrolled loop, which XLA fuses with the drawing. Slower and so not taken, at batch 1000: cumsum
(1.6 times the time), a key per arrival (1.6 times), the rbg generator in the place of threefry (1.9 times).
"""

import time
from functools import partial

import protocol

args = protocol.arguments().parse_args()

import jax
import jax.numpy as jnp
import optax
from jax import lax
from safetensors.numpy import load_file

jax.config.update("jax_enable_x64", args.precision == "f64")

TEMPERATURE = 0.4


def dense(p, name, x):
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def sample_poisson(key, rate, arrivals):
    """Exponential arrival times with the cubic indicator: `arrivals` draws for every element, whatever its rate."""
    waits = jax.random.exponential(key, (arrivals, *rate.shape), rate.dtype)
    z, t = 0.0, 0.0
    for wait in waits:
        t = t + wait / rate
        u = jnp.clip(0.5 + 0.5 * (1 - t) / TEMPERATURE, 0, 1)
        z = z + u * u * (3 - 2 * u)
    return z


def bernoulli(x, logits):
    """−log p of x in [0, 1] per row."""
    return jnp.sum(jax.nn.softplus(logits) - x * logits, -1)


def poisson_rate(u, gain):
    """KL(Poisson(e^(u + gain)) ‖ Poisson(e^u)) per row."""
    return jnp.sum(jnp.exp(u) * (1 + jnp.exp(gain) * (gain - 1)), -1)


def poisson_vae(p, x, key, arrivals):
    gain = dense(p, "log_gain", jax.nn.silu(dense(p, "hidden", x)))
    z = sample_poisson(key, jnp.exp(p["u"] + gain), arrivals)
    return jnp.mean(bernoulli(x, dense(p, "logits", z)) + poisson_rate(p["u"], gain))


def gaussian_vae(p, x, key):
    h = jax.nn.silu(dense(p, "hidden", x))
    mean, log_sd = dense(p, "mean", h), dense(p, "log_sd", h)
    sd = jnp.exp(log_sd)
    z = mean + sd * jax.random.normal(key, mean.shape, mean.dtype)
    rate = jnp.sum(0.5 * (mean**2 + sd**2 - 1) - log_sd, -1)
    return jnp.mean(bernoulli(x, dense(p, "logits", z)) + rate)


def linear_poisson(p, x, _key):
    """Closed form: E‖x − zW‖² = ‖x − λW‖² + λ · diag(WWᵀ), with sd √½."""
    gain = x @ p["E"]
    rate = jnp.exp(p["u"] + gain)
    noise = rate @ jnp.sum(p["W"] ** 2, 1)
    distortion = jnp.sum((x - rate @ p["W"]) ** 2, -1) + noise + x.shape[1] / 2 * jnp.log(jnp.pi)
    return jnp.mean(distortion + poisson_rate(p["u"], gain))


stated = {name: jnp.asarray(value) for name, value in load_file(args.inputs).items()}
x = stated.pop("x")
first = x[:1000]
details = {}
if args.work == "poisson-vae":
    largest = jnp.exp(stated["u"] + dense(stated, "log_gain", jax.nn.silu(dense(stated, "hidden", first)))).max()
    details["arrivals"] = protocol.poisson_quantile(float(largest))
    loss = partial(poisson_vae, arrivals=details["arrivals"])
else:
    loss = {"gaussian-vae": gaussian_vae, "linear-poisson": linear_poisson}[args.work]

adam = optax.adam(args.lr)


@partial(jax.jit, static_argnums=2, donate_argnums=0)
def steps(state, x, count):
    def step(state, _):
        p, moments, key = state
        key, rows, noise = jax.random.split(key, 3)
        batch = x[jax.random.randint(rows, (args.batch,), 0, len(x))]
        gradient = jax.grad(loss)(p, batch, noise)
        updates, moments = adam.update(gradient, moments)
        return (optax.apply_updates(p, updates), moments, key), None

    return lax.scan(step, state, length=count)[0]


p = jax.tree.map(jnp.copy, stated)  # the originals stay for the objective
state = (p, adam.init(p), jax.random.key(0))
start = time.perf_counter()
compiled = steps.lower(state, x, args.steps).compile()
compile_s = time.perf_counter() - start


def run(count):
    global state
    state = jax.block_until_ready(compiled(state, x) if count == args.steps else steps(state, x, count))


def objective():
    value = jax.jit(loss)
    if args.work == "linear-poisson":
        return float(value(stated, first, None)), 0.0
    return protocol.average([float(value(stated, first, key)) for key in jax.random.split(jax.random.key(1), 32)])


protocol.serve(args, run, objective, compile_s, {"jax": jax.__version__, "optax": optax.__version__}, **details)
