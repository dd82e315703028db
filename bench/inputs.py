"""The data and the stated parameters of every work, one safetensors file each, and the objectives that NumPy can tell.

Weights lie as [in, out]. Everything is drawn by numpy.random.default_rng(0) in the order written here, so that the
same file comes out everywhere; the digits are the only real data.
"""

import gzip
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "bench"


def digits():
    """[10000, 784] in [0, 1], in the order of the file."""
    with gzip.open(ROOT / "examples" / "data" / "digits.idx.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / np.float32(255)


def dense(rng, name, rows, columns):
    """An affine layer, uniform within ±1/√rows as PyTorch starts one."""
    bound = 1 / np.sqrt(rows)
    return {
        f"{name}.weight": rng.uniform(-bound, bound, (rows, columns)),
        f"{name}.bias": rng.uniform(-bound, bound, columns),
    }


def poisson_vae(hidden=512, latents=256, rate=None):
    """Log prior rates from U(−2, −1) as in examples/poisson_vae_mnist.fe, or all log(rate)."""
    rng = np.random.default_rng(0)
    u = rng.uniform(-2, -1, latents) if rate is None else np.full(latents, np.log(rate))
    return {
        "x": digits(),
        "u": u,
        **dense(rng, "hidden", 784, hidden),
        **dense(rng, "log_gain", hidden, latents),
        **dense(rng, "logits", latents, 784),
    }


def gaussian_vae(hidden=512, latents=256):
    rng = np.random.default_rng(0)
    return {
        "x": digits(),
        **dense(rng, "hidden", 784, hidden),
        **dense(rng, "mean", hidden, latents),
        **dense(rng, "log_sd", hidden, latents),
        **dense(rng, "logits", latents, 784),
    }


def linear_poisson(D=256, K=512, N=10_000):
    """Standardised data stand in for patches: the closed form's time does not depend on their content."""
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(0, 1, (N, D)),
        "u": rng.uniform(-2, -1, K),
        "E": rng.normal(0, 0.05, (D, K)),
        "W": rng.normal(0, 0.05, (K, D)),
    }


def eight_schools():
    """A full-rank Gaussian over mu, log tau and eta, in this order; near the best one, correlations included."""
    rng = np.random.default_rng(0)
    scale_tril = np.tril(rng.uniform(-0.1, 0.1, (10, 10)), -1) + np.diag([3.2, 0.75] + [0.9] * 8)
    table = np.genfromtxt(ROOT / "examples" / "data" / "eight_schools.csv", delimiter=",", skip_header=1)
    return {
        "y": table[:, 1],
        "sigma": table[:, 2],
        "loc": np.array([4.5, 0.85] + [0.0] * 8),
        "scale_tril": scale_tril,
    }


def logistic(N=100_000, D=20):
    """y ~ Bernoulli(logits = x @ w) with w ~ Normal(0, 1) drawn; the guide stands near w with correlated errors."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(0, 1, (N, D)), rng.normal(0, 1, D)
    return {
        "x": x,
        "y": (rng.uniform(size=N) < 1 / (1 + np.exp(-x @ w))).astype(np.float64),
        "loc": w + rng.normal(0, 0.02, D),
        "scale_tril": np.tril(rng.uniform(-0.005, 0.005, (D, D)), -1) + 0.05 * np.eye(D),
    }


def write(name, tensors, precision):
    """The path of target/bench/NAME.PRECISION.safetensors, written from `tensors()` where it is not there yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.{precision}.safetensors"
    if not path.exists():
        kind = {"f32": np.float32, "f64": np.float64}[precision]
        save_file({key: np.ascontiguousarray(value, dtype=kind) for key, value in tensors().items()}, path)
    return path


def linear_poisson_value(t, rows, shortfall=0.0):
    """Free energy per row of the linear Poisson code, β = 1, sd √½: theory.md 1.4, exact for the first `rows` rows.

    `shortfall` is the part of the variance that a relaxed indicator loses: 9τ/35 for the cubic one.
    """
    x, u, E, W = t["x"][:rows], t["u"], t["E"], t["W"]
    gain = x @ E
    rate = np.exp(u + gain)
    distortion = ((x - rate @ W) ** 2).sum(1) + (1 - shortfall) * rate @ (W**2).sum(1) + x.shape[1] / 2 * np.log(np.pi)
    return float(np.mean(distortion + (np.exp(u) * (1 + np.exp(gain) * (gain - 1))).sum(1)))


def logistic_value(t):
    """Free energy per row over all rows, its Bernoulli term by Gauss–Hermite quadrature in the one scalar x·w."""
    x, y, loc, tril = t["x"], t["y"], t["loc"], t["scale_tril"]
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    mean, sd = x @ loc, np.sqrt(((x @ tril) ** 2).sum(1))
    logits = mean[:, None] + sd[:, None] * nodes
    distortion = (np.logaddexp(0, logits) - y[:, None] * logits) @ weights / weights.sum()
    rate = 0.5 * ((tril**2).sum() + loc @ loc - len(loc)) - np.log(np.diag(tril)).sum()
    return float(distortion.mean() + rate / len(x))


def eight_schools_value(t):
    """Free energy per school at the stated Gaussian: closed form but for the half-Cauchy term, by quadrature.

    E[e^(a s) f] = e^(a m + a² v / 2) E'[f] for a Gaussian s = log tau, where E' shifts every mean by a times its covariance with s.
    """
    y, sigma, loc, tril = t["y"], t["sigma"], t["loc"], t["scale_tril"]
    cov = tril @ tril.T
    tilted = lambda a: (np.exp(a * loc[1] + a * a * cov[1, 1] / 2), loc + a * cov[:, 1])
    (c1, m1), (c2, m2) = tilted(1), tilted(2)
    eta = slice(2, 10)
    theta = loc[0] + c1 * m1[eta]
    square = loc[0] ** 2 + cov[0, 0] + 2 * c1 * (m1[0] * m1[eta] + cov[0, eta]) + c2 * (m2[eta] ** 2 + np.diag(cov)[eta])
    normal = 0.5 * np.log(2 * np.pi)
    distortion = ((y**2 - 2 * y * theta + square) / (2 * sigma**2) + np.log(sigma) + normal).sum()
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    s = loc[1] + np.sqrt(cov[1, 1]) * nodes
    half_cauchy = (np.log(5 * np.pi / 2) + np.log1p(np.exp(2 * s) / 25)) @ weights / weights.sum()
    prior = (loc[0] ** 2 + cov[0, 0]) / 50 + np.log(5) + 9 * normal + 0.5 * (loc[eta] ** 2 + np.diag(cov)[eta]).sum()
    entropy = 10 * (normal + 0.5) + np.log(np.diag(tril)).sum()
    return float(distortion + prior + half_cauchy - loc[1] - entropy) / len(y)
