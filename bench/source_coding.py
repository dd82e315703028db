"""The rate-distortion point of a linear-Gaussian code, against its closed form.

Program (language.md 9 at fixed beta): z ~ Normal(0, 1), guide z ~ Normal(g x, e^h), loss (x - c z)^2,
minimize distortion + beta * rate. With m2 the sample's second moment, per row and exactly,

    D = m2 (1 - c g)^2 + c^2 e^(2h),    R = (g^2 m2 + e^(2h) - 1) / 2 - h    nats.

At the optimum, for beta < 2 m2,

    e^(2h) = beta / (2 m2),  g^2 m2 = 1 - e^(2h),  c = g m2,
    D = beta / 2,  R = log(2 m2 / beta) / 2 nats,  so  D = m2 exp(-2 R) = m2 2^(-2 R_bits),

and for beta >= 2 m2 the code is silent: g = c = h = 0, D = m2, R = 0. The prior is the aggregate posterior
(g^2 m2 + e^(2h) = 1), so R is the mutual information for a Gaussian source.

Run: python bench/source_coding.py
"""

import json

import numpy as np
from scipy.optimize import minimize


def functionals(p, m2):
    """Distortion and rate (nats) per row of parameters (g, h, c)."""
    g, h, c = p
    variance = np.exp(2 * h)
    return m2 * (1 - c * g) ** 2 + c * c * variance, 0.5 * (g * g * m2 + variance - 1) - h


def gradient(p, m2, beta):
    """Gradient of distortion + beta * rate in (g, h, c)."""
    g, h, c = p
    variance = np.exp(2 * h)
    miss = 1 - c * g
    return np.array([-2 * m2 * miss * c + beta * g * m2,
                     2 * c * c * variance + beta * (variance - 1),
                     -2 * m2 * miss * g + 2 * c * variance])


def fitted(m2, beta):
    """Distortion and rate at the optimum, found numerically from g = 1, h = 0, c = 1."""

    def objective(p):
        d, r = functionals(p, m2)
        return d + beta * r

    fit = minimize(objective, [1.0, 0.0, 1.0], jac=lambda p: gradient(p, m2, beta), method="BFGS", options={"gtol": 1e-12})
    return functionals(fit.x, m2)


def closed_form(m2, beta):
    """Distortion and rate (nats) of the optimum."""
    return min(beta / 2, m2), max(0.0, 0.5 * np.log(2 * m2 / beta))


def main():
    x = np.random.default_rng(0).normal(size=100_000)
    m2 = float(np.mean(x * x))
    for beta in (0.1, 0.5, 1.5, 1.9, 2.5):
        d, r = fitted(m2, beta)
        d0, r0 = closed_form(m2, beta)
        print(json.dumps({
            "m2": m2, "beta": beta, "D": d, "R": r, "R_bits": r / np.log(2), "D_closed": d0, "R_closed": r0,
            "D_over_bound_less_1": d / (m2 * np.exp(-2 * r)) - 1,
        }))


if __name__ == "__main__":
    main()
