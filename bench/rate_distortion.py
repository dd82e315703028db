"""Sources whose rate-distortion curve is known, beside which `fe` is held. Uses none of `fe`.

bernoulli   P(x = 1) = 3/10, Hamming loss: R(D) = h(p) - h(D); R is inverted by bisection.
discrete    five letters and an asymmetric loss, by Blahut and Arimoto (1972): at a slope s,
            q(b | a) = r(b) exp(-s d(a, b)) / Z(a),   r(b) = sum_a p(a) q(b | a),
            until the bracket of Arimoto's bounds closes; s by bisection for each rate. The multiplier of the budget is 1/s
            nats of loss for a nat of rate.
alarm       x events in the proportions of Poisson(2), a count z ~ Poisson(lambda(x)) of prior rate r, loss exp(x - z), and at
            most E spikes in the mean: minimise E exp(x - z) + KL, which is exp(x - k lambda) + lambda log(lambda/r) - lambda + r
            with k = 1 - 1/e. Stationary: k exp(x - k lambda) = log(lambda/r) + mu, and r = mean lambda = E. So lambda(x) is
            a root in one unknown and mu one more, both by bisection. Beside it what any code could reach at the same price
            of a spike: a guide of any form under that prior, and any prior as well (Blahut-Arimoto over counts 0 to 80).

Run: python bench/rate_distortion.py
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp, xlogy

LN2 = np.log(2)


def entropy(d):
    """Binary entropy in bits."""
    return -(xlogy(d, d) + xlogy(1 - d, 1 - d)) / LN2


def bernoulli(p, bits):
    """Distortion and multiplier per bit at a rate: -dD/dR = 1/log2((1 - D)/D)."""
    d = brentq(lambda d: entropy(p) - entropy(d) - bits, 1e-12, p)
    return d, 1 / np.log2((1 - d) / d)


def blahut_arimoto(p, cost, s, tolerance=1e-10):
    """Distortion, rate in nats and the gap of the bounds, at slope s."""
    least = cost.min(axis=1, keepdims=True)
    weight = np.exp(-s * (cost - least))
    r = np.full(cost.shape[1], 1 / cost.shape[1])
    for _ in range(200_000):
        z = weight @ r
        c = (p / z) @ weight
        if np.log(c.max()) - xlogy(r * c, c).sum() < tolerance:
            break
        r = np.where(r * c < 1e-250, 0, r * c)
    q = r * weight / z[:, None]
    rate = (p[:, None] * (xlogy(q, q) - xlogy(q, p @ q))).sum()
    return (p[:, None] * q * cost).sum(), rate, np.log(c.max()) - xlogy(r * c, c).sum()


def discrete(bits):
    p = np.array([8, 5, 3, 2, 2]) / 20
    cost = np.array([[0, 1, 2, 4, 8], [3, 0, 1, 2, 4], [6, 3, 0, 1, 2], [9, 6, 3, 0, 1], [12, 9, 6, 3, 0]], float)
    s = brentq(lambda s: blahut_arimoto(p, cost, s)[1] - bits * LN2, 0.25, 30, xtol=1e-10)
    d, rate, gap = blahut_arimoto(p, cost, s)
    return d, rate / LN2, LN2 / s, gap


EVENTS = np.arange(7.0)
SHARES = np.array([7, 13, 13, 9, 5, 2, 1]) / 50


def alarm(spikes):
    """Loss, rate, price of a spike and the rates of the best Poisson code."""
    k = 1 - np.exp(-1)

    def rates(mu):
        def slope(log_rate, x):
            return log_rate - np.log(spikes) + mu - k * np.exp(x - k * np.exp(log_rate))
        return np.exp([brentq(slope, -40, 5, args=(x,), xtol=1e-14) for x in EVENTS])

    mu = brentq(lambda mu: SHARES @ rates(mu) - spikes, -2, 38, xtol=1e-13)
    lam = rates(mu)
    loss = SHARES @ np.exp(EVENTS - k * lam)
    return loss, SHARES @ (xlogy(lam, lam / spikes) - lam) + spikes, mu, lam


def any_code(mu, spikes):
    """Least loss + rate + mu spikes over guides of any form: with the prior Poisson(spikes), and with any prior."""
    z = np.arange(81.0)
    cost = np.exp(EVENTS[:, None] - z) + mu * z
    prior = z * np.log(spikes) - spikes - gammaln(z + 1)
    d, rate, _ = blahut_arimoto(SHARES, cost, 1.0)
    return -SHARES @ logsumexp(prior - cost, axis=1), d + rate


def main():
    print("bernoulli, p = 0.3: bits, D, multiplier per bit")
    for bits in (0.1, 0.3, 0.5, 0.7):
        print(bits, *bernoulli(0.3, bits))
    print("discrete: bits, D, bits reached, multiplier per bit, gap of the bounds")
    for bits in (0.25, 0.5, 1, 1.5):
        print(bits, *discrete(bits))
    print("alarm: spikes, loss, rate, multiplier, loss + rate; at that price a guide of any form; any prior too")
    for spikes in (1, 2, 4, 8):
        loss, rate, mu, lam = alarm(spikes)
        tilted, free = any_code(mu, spikes)
        print(spikes, loss, rate, mu, loss + rate, tilted - mu * spikes, free - mu * spikes)
        print("  rates", lam)


if __name__ == "__main__":
    main()
