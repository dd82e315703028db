"""Gradients of E (x - z W)^2 in the log rates of Poisson counts z, by estimator and temperature, against the exact one.

Eight units of rate 1 before the decoder of the test `estimators_of_counts_by_temperature` (crates/fe/tests/estimators.rs),
which holds `fe` to the same theory. Arrivals t_i are sums of unit exponentials over the rate, z = sum g((1 - t_i)/tau), and
dz/dlog(rate) = sum g'((1 - t_i)/tau) t_i/tau; `gumbel_softmax` is a softmax over counts 0 to 31; the score function takes
the mean of 7 other samples for a baseline. Printed: |mean - exact|/|exact|, its Monte Carlo error, and the variance of one
sample's gradient over |exact|^2.

Run: python bench/count_gradients.py
"""

import numpy as np
from scipy.special import expit, gammaln

W = np.array([[.9, -.3, .5, .1, -.7, .2], [-.4, .8, .1, -.6, .3, .5], [.2, .6, -.9, .4, .1, -.3], [.7, .2, .3, -.8, .5, -.1],
              [-.1, -.5, .6, .7, .4, -.2], [.3, .1, -.2, .5, -.6, .8], [-.8, .4, .2, .1, .3, .6], [.5, -.7, .4, -.2, .1, .3]])
X = np.array([.5, -1, 2, .3, -.4, 1])
RATE = 1.0
TEMPERATURES = (0.02, 0.1, 0.4, 1.0)


def compact(g, slope):
    """An indicator of u = (v + 1)/2 cut to 0..1 as functions of v."""
    def both(v):
        u = np.clip((v + 1) / 2, 0, 1)
        return g(u), np.where((v > -1) & (v < 1), slope(u) / 2, 0)
    return both


def sigmoid(v):
    s = expit(v)
    return s, s * (1 - s)


INDICATORS = {
    "cubic": compact(lambda u: 3 * u**2 - 2 * u**3, lambda u: 6 * u * (1 - u)),
    "linear": compact(lambda u: u, np.ones_like),
    "quintic": compact(lambda u: 6 * u**5 - 15 * u**4 + 10 * u**3, lambda u: 30 * u**2 * (1 - u) ** 2),
    "cosine": compact(lambda u: (1 - np.cos(np.pi * u)) / 2, lambda u: np.pi / 2 * np.sin(np.pi * u)),
    "sigmoid": sigmoid,
}


def arrivals(rng, name, tau, draws):
    """Relaxed counts and their slopes in the log rate."""
    # Arrivals matter before 1 + tau, or where a sigmoid has died out.
    reach = RATE * (1 + (tau if name != "sigmoid" else 15 * tau))
    most = int(reach + 8 * np.sqrt(reach) + 8)
    t = np.cumsum(rng.exponential(size=(draws, len(W), most)), axis=2) / RATE
    g, slope = INDICATORS[name]((1 - t) / tau)
    return g.sum(2), (slope * t).sum(2) / tau


def softmax_counts(rng, tau, draws):
    k = np.arange(32.0)
    logits = (k * np.log(RATE) - gammaln(k + 1) + rng.gumbel(size=(draws, len(W), 32))) / tau
    p = np.exp(logits - logits.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    z = p @ k
    # The logit of k has the slope k/tau in the log rate.
    return z, (p @ k**2 - z**2) / tau


def gradients(z, dz):
    return -2 * dz * ((X - z @ W) @ W.T)


def score(rng, draws, samples=8):
    z = rng.poisson(RATE, size=(draws // samples, samples, len(W))).astype(float)
    loss = ((X - z @ W) ** 2).sum(2, keepdims=True)
    baseline = (loss.sum(1, keepdims=True) - loss) / (samples - 1)
    return ((loss - baseline) * (z - RATE)), samples


def main():
    rng = np.random.default_rng(0)
    lam = np.full(len(W), RATE)
    exact = lam * (-2 * (X - lam @ W) @ W.T + (W**2).sum(1))
    size = exact @ exact

    def line(name, tau, g):
        bias = np.linalg.norm(g.mean(0) - exact) / np.sqrt(size)
        variance = g.var(0).sum() / size
        print(f"{name:15} {tau:5} bias {bias:.3f} +- {np.sqrt(variance / len(g)):.3f} variance {variance:.2f}", flush=True)

    for name in INDICATORS:
        for tau in TEMPERATURES:
            line(name, tau, np.concatenate([gradients(*arrivals(rng, name, tau, 5000)) for _ in range(8)]))
    for tau in TEMPERATURES:
        parts = [gradients(*softmax_counts(rng, tau, 5000)) for _ in range(8)]
        line("gumbel_softmax", tau, np.concatenate(parts))
    g, samples = score(rng, 400_000)
    averaged = g.mean(1)
    bias = np.linalg.norm(averaged.mean(0) - exact) / np.sqrt(size)
    variance = averaged.var(0).sum() / size * samples
    print(f"score: bias {bias:.3f} +- {np.sqrt(variance / g.size * len(W)):.3f} variance {variance:.1f} of one sample")
    for name, kappa in {"cubic": 9 / 35, "linear": 1 / 3, "quintic": 50 / 231, "cosine": 1 / 4}.items():
        short = np.linalg.norm(lam * (W**2).sum(1)) / np.sqrt(size)
        print(name, "bias by theory:", *(f"{kappa * tau * short:.3f}" for tau in TEMPERATURES))


if __name__ == "__main__":
    main()
