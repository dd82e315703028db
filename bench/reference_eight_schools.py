"""The best full-rank Gaussian for eight schools, without Monte Carlo.

Program: mu ~ Normal(0, 5), tau ~ HalfCauchy(5), eta[8] ~ Normal(0, 1), y ~ Normal(mu + tau * eta, sigma).
The guide is one Gaussian on v = (mu, u = log tau, eta), 10 dimensions, mean m and covariance S.

Given u the log joint is quadratic in (mu, eta), and exp(k u) only tilts the Gaussian:

    E[exp(k u) f(v)] = exp(k m_u + k^2 S_uu / 2) E[f(v + k S_:u)]

so every term of F = E_q[log q - log p] is closed, but for E log(1 + tau^2 / 25), which is Gauss-Hermite
quadrature in u. As a check, F is computed again with (mu, eta given u) in closed form and all of u by
quadrature. Gradients are complex-step derivatives, exact to rounding. The evidence and the exact
posterior moments are integrals over tau alone, mu and eta being Gaussian given tau.

Run: python bench/reference_eight_schools.py
"""

import json

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize

Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
DIM = 10  # mu, u, eta[8]
MU, U, ETA = 0, 1, np.arange(2, DIM)
BELOW = np.tril_indices(DIM, -1)
LOG_2PI = np.log(2 * np.pi)
LOG_CAUCHY = np.log(2 / (5 * np.pi))  # HalfCauchy(5) at 0


def gauss_hermite(nodes):
    """Nodes and weights for an expectation over N(0, 1)."""
    t, w = np.polynomial.hermite.hermgauss(nodes)
    return np.sqrt(2) * t, w / np.sqrt(np.pi)


def unpack(p):
    """Flat parameters (mean, log diagonal, rest of the Cholesky factor) to mean and covariance."""
    chol = np.diag(np.exp(p[DIM : 2 * DIM]))
    chol[BELOW] = p[2 * DIM :]
    return p[:DIM], chol @ chol.T


def entropy(p):
    """Entropy of the guide, nats."""
    return 0.5 * DIM * (1 + LOG_2PI) + np.sum(p[DIM : 2 * DIM])


def free_energy(p, rule=gauss_hermite(200)):
    """F in nats for all the data: an analytic function of p, so complex-step derivatives apply."""
    m, cov = unpack(p)
    nodes, weights = rule
    second = cov + np.outer(m, m)
    a, b = m + cov[U], m + 2 * cov[U]  # means under the tilts exp(u), exp(2u)
    tau1 = np.exp(m[U] + cov[U, U] / 2)
    tau2 = np.exp(2 * m[U] + 2 * cov[U, U])
    square = (  # E (y - mu - tau eta)^2
        Y**2
        - 2 * Y * (m[MU] + tau1 * a[ETA])
        + second[MU, MU]
        + 2 * tau1 * (cov[MU, ETA] + a[MU] * a[ETA])
        + tau2 * (cov[ETA, ETA] + b[ETA] ** 2)
    )
    distortion = np.sum(0.5 * LOG_2PI + np.log(SIGMA) + square / (2 * SIGMA**2))
    u = m[U] + np.sqrt(cov[U, U]) * nodes
    log_tau = LOG_CAUCHY - weights @ np.log1p(np.exp(2 * u) / 25) + m[U]
    log_mu = -0.5 * LOG_2PI - np.log(5.0) - second[MU, MU] / 50
    log_eta = np.sum(-0.5 * LOG_2PI - second[ETA, ETA] / 2)
    return distortion - log_tau - log_mu - log_eta - entropy(p)


def free_energy_by_quadrature(p, nodes):
    """F again: (mu, eta given u) in closed form at each Gauss-Hermite node of u."""
    m, cov = unpack(p)
    x, weights = gauss_hermite(nodes)
    u = m[U] + np.sqrt(cov[U, U]) * x
    mean = m[:, None] + np.outer(cov[U] / cov[U, U], u - m[U])  # E[v | u], DIM x nodes
    given = cov - np.outer(cov[U], cov[U]) / cov[U, U]  # Cov[v | u]
    tau = np.exp(u)
    mse = (Y[:, None] - mean[MU] - tau * mean[ETA]) ** 2
    mse += given[MU, MU] + 2 * tau * given[MU, ETA][:, None] + tau**2 * given[ETA, ETA][:, None]
    log_p = -np.sum(0.5 * LOG_2PI + np.log(SIGMA)[:, None] + mse / (2 * SIGMA[:, None] ** 2), axis=0)
    log_p += LOG_CAUCHY - np.log1p(tau**2 / 25) + u
    log_p += -0.5 * LOG_2PI - np.log(5.0) - (mean[MU] ** 2 + given[MU, MU]) / 50
    log_p += np.sum(-0.5 * LOG_2PI - (mean[ETA] ** 2 + given[ETA, ETA][:, None]) / 2, axis=0)
    return -weights @ log_p - entropy(p)


def gradient(p, step=1e-30):
    """Complex-step gradient of `free_energy`."""
    q = p.astype(complex)
    out = np.empty_like(p)
    for i in range(p.size):
        q[i] += 1j * step
        out[i] = free_energy(q).imag / step
        q[i] = p[i]
    return out


def best_gaussian(starts=12, seed=0):
    """Best parameters over several random starts, and the F that each start reached."""
    rng = np.random.default_rng(seed)
    size = 2 * DIM + len(BELOW[0])
    fits = []
    for _ in range(starts):
        p = np.concatenate([rng.normal(0, 1.5, DIM), rng.normal(-0.5, 0.5, DIM), rng.normal(0, 0.2, size - 2 * DIM)])
        for _ in range(3):  # restarts drop a poor curvature memory
            p = minimize(free_energy, p, jac=gradient, method="L-BFGS-B",
                         options={"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30}).x
        fits.append((free_energy(p), p))
    return min(fits, key=lambda fit: fit[0])[1], sorted(f for f, _ in fits)


def exact_posterior():
    """-log evidence, and posterior mean and sd of mu and tau, by quadrature over u = log tau."""

    def given_tau(u):
        variance = SIGMA**2 + np.exp(2 * u)
        precision = 1 / 25 + np.sum(1 / variance)
        mean = np.sum(Y / variance) / precision
        log_y = -0.5 * np.sum(LOG_2PI + np.log(variance) + Y**2 / variance)
        log_y += 0.5 * precision * mean**2 - 0.5 * np.log(25 * precision)
        return log_y + LOG_CAUCHY - np.log1p(np.exp(2 * u) / 25) + u, mean, 1 / precision

    def integral(f):
        def integrand(u):
            log_p, mean, variance = given_tau(u)
            return np.exp(log_p + 30) * f(np.exp(u), mean, variance)

        pieces = [-40, -10, -4, -1, 0, 1, 2, 3, 4, 6, 10, 40]
        return sum(quad(integrand, lo, hi, epsabs=0, epsrel=1e-12)[0] for lo, hi in zip(pieces, pieces[1:]))

    z = integral(lambda tau, m, v: 1)
    moments = {}
    for name, first, second in [
        ("mu", lambda tau, m, v: m, lambda tau, m, v: m * m + v),
        ("tau", lambda tau, m, v: tau, lambda tau, m, v: tau * tau),
        ("log_tau", lambda tau, m, v: np.log(tau), lambda tau, m, v: np.log(tau) ** 2),
    ]:
        mean = integral(first) / z
        moments[name] = {"mean": mean, "sd": np.sqrt(integral(second) / z - mean**2)}
    return 30 - np.log(z), moments


def main():
    p, reached = best_gaussian()
    m, cov = unpack(p)
    evidence, exact = exact_posterior()
    variance = cov[U, U]
    tau = np.exp(m[U] + variance / 2)
    result = {
        "best_free_energy": free_energy(p),
        "same_by_quadrature": {n: free_energy_by_quadrature(p, n) for n in (64, 128)},
        "gradient_norm": np.linalg.norm(gradient(p)),
        "reached_from_each_start": reached,
        "minus_log_evidence": evidence,
        "kl_gap": free_energy(p) - evidence,
        "guide": {
            "mu": {"mean": m[MU], "sd": np.sqrt(cov[MU, MU])},
            "log_tau": {"mean": m[U], "sd": np.sqrt(variance)},
            "tau": {"mean": tau, "sd": tau * np.sqrt(np.expm1(variance)), "median": np.exp(m[U])},
            "eta_mean": m[ETA].tolist(),
            "eta_sd": np.sqrt(np.diag(cov)[ETA]).tolist(),
        },
        "exact_posterior": exact,
    }
    print(json.dumps(result, indent=2, default=float))


if __name__ == "__main__":
    main()
