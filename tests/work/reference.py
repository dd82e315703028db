"""What the programs beside this file are held to, computed from their tables by numpy and scipy and nothing of `fe`:
`pip install numpy scipy pandas pyarrow`, then `python reference.py` here writes `expected.json`.

`figures` are paths of `fit.json` with a value and how far from it a fit may be; `predictions` what `fe predict` says of the rows
of `new/NAME.csv`; `codes` what `fe codes` says of the rows of the fit.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

here = Path(__file__).parent
expected = {}


def table(name):
    path = here / ("../../examples/data/animals.csv" if name == "animals" else f"{name}.csv")
    return pd.read_csv(path) if path.exists() else pd.read_parquet(here / f"{name}.parquet")


def note(name, figures=None, predictions=None, codes=None, given=None):
    expected[name] = {
        "figures": {k: [float(v), float(t)] for k, (v, t) in (figures or {}).items()},
        "given": given or {},
        "predictions": {k: [np.asarray(v, float).tolist(), float(t)] for k, (v, t) in (predictions or {}).items()},
        "codes": {k: [np.asarray(v, float).tolist(), float(t)] for k, (v, t) in (codes or {}).items()},
    }


def minimum(f, start):
    """The minimum of a smooth function, to the last digits."""
    found = optimize.minimize(f, start, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).x
    for _ in range(3):
        found = optimize.minimize(f, found, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}).x
    return found


def curvature(f, x, h=1e-4):
    """Second derivatives by central differences."""
    n = len(x)
    e = np.eye(n) * h
    one = lambda i, j: (f(x + e[i] + e[j]) - f(x + e[i] - e[j]) - f(x - e[i] + e[j]) + f(x - e[i] - e[j])) / (4 * h * h)
    return np.array([[one(i, j) for j in range(n)] for i in range(n)])


def errors(f, x):
    return np.sqrt(np.diag(np.linalg.inv(curvature(f, x))))


def gaussian(design, y, mean, sd, noise):
    """The posterior of coefficients of a linear model, of known noise, and its log evidence."""
    precision = design.T @ design / noise**2 + np.diag(1 / np.asarray(sd) ** 2)
    cov = np.linalg.inv(precision)
    at = cov @ (design.T @ y / noise**2 + np.asarray(mean) / np.asarray(sd) ** 2)
    marginal = design @ np.diag(np.asarray(sd) ** 2) @ design.T + noise**2 * np.eye(len(y))
    return at, cov, stats.multivariate_normal(design @ np.asarray(mean), marginal).logpdf(y)


def onehot(column, levels):
    return np.array([[float(v == l) for l in levels] for v in column])


def regression():
    doses = ["low", "medium", "high"]

    def design(d):
        days = (pd.to_datetime(d["day"]) - pd.Timestamp("2024-01-31")).dt.days.to_numpy(float)
        measures = np.column_stack([d["length"] - 190, d["depth"] - 17])
        parts = [onehot(d["species"], ["adelie", "chinstrap", "gentoo"]), onehot(d["dose"], doses), onehot(d["site"], [17, 300, 305])]
        return np.column_stack([*parts, measures, days])

    d = table("animals")
    train, test = d[d["split"] == "train"], d[d["split"] == "test"]
    mean = [40] * 3 + [0] * 9
    sd = [10] * 3 + [3] * 3 + [2] * 3 + [1] * 2 + [0.1]
    at, cov, evidence = gaussian(design(train), train["weight"].to_numpy(), mean, sd, 2.0)
    se = np.sqrt(np.diag(cov))
    names = [*(f"a.{{}}.{k}" for k in range(3)), *(f"b.{{}}.{k}" for k in range(3)), *(f"c.{{}}.{k}" for k in range(3)),
             "w.{}.0", "w.{}.1", "trend.{}"]
    # Tables are of 8192 draws on a lattice: a few hundredths of a standard deviation.
    figures = {f"posterior.{n.format('mean')}": (v, 0.03 * s) for n, v, s in zip(names, at, se)}
    figures |= {f"posterior.{n.format('sd')}": (s, 0.03 * s) for n, s in zip(names, se)}
    contrast = np.zeros(12)
    contrast[[5, 3]] = 1, -1
    figures["posterior.more.mean"] = contrast @ at, 0.03 * np.sqrt(contrast @ cov @ contrast)
    figures["posterior.more.sd"] = np.sqrt(contrast @ cov @ contrast), 0.03 * np.sqrt(contrast @ cov @ contrast)
    figures["free_energy_total"] = -evidence, 1e-4
    # Of rows held out: −E log p under the posterior.
    X = design(test)
    spread = np.einsum("ij,jk,ik->i", X, cov, X)
    loss = 0.5 * np.log(2 * np.pi * 4) + ((test["weight"].to_numpy() - X @ at) ** 2 + spread) / 8
    figures["heldout.distortion"] = loss.mean(), 1e-4
    new = d.iloc[[3, 50, 77]]
    new.to_csv(here / "new/regression.csv", index=False)
    X = design(new)
    sd = np.sqrt(4 + np.einsum("ij,jk,ik->i", X, cov, X))
    note("regression", figures, {"weight_mean": (X @ at, 0.08), "weight_sd": (sd, 0.02)},
         given={k: "new/regression.csv" for k in ["species", "dose", "site", "day", "x"]})


def survival_of_animals():
    d = table("animals")
    length = ((d["length"] - d["length"].mean()) / d["length"].std(ddof=1)).to_numpy()
    high, y = (d["dose"] == "high").to_numpy(float), (d["alive"] == "yes").to_numpy(float)
    X = np.column_stack([np.ones(len(d)), length, high])
    f = lambda b: np.sum(np.logaddexp(0, X @ b) - y * (X @ b))
    at = minimum(f, np.zeros(3))
    se = errors(f, at)
    figures = {}
    for name, v, s in zip(["level", "slope", "effect"], at, se):
        figures |= {f"params.{name}.value": (v, 1e-4), f"params.{name}.se": (s, 1e-3 * s)}
    figures["free_energy_total"] = f(at), 1e-6
    new = pd.DataFrame({"length": [180.0, 205.0], "dose": ["high", "low"]})
    new.to_csv(here / "new/survival_of_animals.csv", index=False)
    scaled = (new["length"] - d["length"].mean()) / d["length"].std(ddof=1)
    p = special.expit(at[0] + at[1] * scaled + at[2] * (new["dose"] == "high"))
    note("survival_of_animals", figures, {"alive_mean": (p, 1e-4), "alive_sd": (np.sqrt(p * (1 - p)), 1e-4)},
         given={k: "new/survival_of_animals.csv" for k in ["high", "length"]})


def visits():
    d = table("visits")
    X = np.column_stack([onehot(d["ward"], ["east", "north", "west"]), d["age"] - 50])
    y, days = d["visits"].to_numpy(), d["days"].to_numpy()
    f = lambda b: np.sum(days * np.exp(X @ b) - y * (X @ b + np.log(days)) + special.gammaln(y + 1))
    at = minimum(f, np.array([-1.5, -1, -1.8, 0.02]))
    se = np.sqrt(np.diag(np.linalg.inv(X.T @ (X * (days * np.exp(X @ at))[:, None]))))
    names = ["a.{}.0", "a.{}.1", "a.{}.2", "b.{}"]
    path = lambda n, what: "params." + n.split(".")[0] + "." + what + n[len(n.split(".{}")[0]) + 3:]
    figures = {path(n, "value"): (v, 1e-5) for n, v in zip(names, at)}
    figures |= {path(n, "se"): (s, 1e-3 * s) for n, s in zip(names, se)}
    figures["free_energy_total"] = f(at), 1e-5
    new = pd.DataFrame({"ward": ["west", "east"], "age": [40, 70], "days": [10.0, 30.0]})
    new.to_csv(here / "new/visits.csv", index=False)
    rate = new["days"] * np.exp([at[2] - 10 * at[3], at[0] + 20 * at[3]])
    note("visits", figures, {"visits_mean": (rate, 1e-4), "visits_sd": (np.sqrt(rate), 1e-4)},
         given={k: "new/visits.csv" for k in ["ward", "age", "days"]})


def schools():
    d = table("schools")
    names = [f"s{k}" for k in range(8)]
    S, h = onehot(d["school"], names), d["hours"].to_numpy()
    # m, slope, and what each school departs by.
    X = np.column_stack([np.ones(len(d)), h, S, S * h[:, None]])
    at, cov, evidence = gaussian(X, d["score"].to_numpy(), np.zeros(18), [1, 1] + [1] * 8 + [0.3] * 8, 0.7)
    figures = {"free_energy_total": (-evidence, 1e-4)}
    # Leave-one-out of a Gaussian, from the inverse of its covariance; that of the fit is by reweighted draws.
    marginal = X @ np.diag(np.r_[1, 1, np.ones(8), np.full(8, 0.09)]) @ X.T + 0.49 * np.eye(len(d))
    inverse = np.linalg.inv(marginal)
    off, var = inverse @ d["score"].to_numpy() / np.diag(inverse), 1 / np.diag(inverse)
    figures["loo.elpd"] = -0.5 * np.sum(np.log(2 * np.pi * var) + off**2 / var), 0.1
    for k in range(8):
        for name, base, own in (("a", 0, 2 + k), ("b", 1, 10 + k)):
            c = np.zeros(18)
            c[[base, own]] = 1
            s = np.sqrt(c @ cov @ c)
            figures |= {f"posterior.{name}.mean.{k}": (c @ at, 0.03 * s), f"posterior.{name}.sd.{k}": (s, 0.03 * s)}
    new = pd.DataFrame({"school": ["s3", "s9"], "hours": [1.0, -0.5]})
    new.to_csv(here / "new/schools.csv", index=False)
    known, unseen = np.zeros(18), np.zeros(18)
    known[[0, 1, 5, 13]] = 1
    unseen[[0, 1]] = 1, -0.5
    mean = [known @ at, unseen @ at]
    # A school that was not seen is drawn from its prior.
    var = [known @ cov @ known + 0.49, unseen @ cov @ unseen + 1 + 0.25 * 0.09 + 0.49]
    note("schools", figures, {"score_mean": (mean, 0.09), "score_sd": (np.sqrt(var), 0.05)},
         given={k: "new/schools.csv" for k in ["school", "hours"]})


def clicks():
    d = table("clicks")
    figures, means, variances, evidence = {}, [], [], 0.0
    for k, page in enumerate(["new", "old"]):
        yes = int(((d["page"] == page) & (d["bought"] == "yes")).sum())
        n = int((d["page"] == page).sum())
        q = stats.beta(1 + yes, 1 + n - yes)
        means.append(q.mean())
        variances.append(q.var())
        evidence += special.betaln(1 + yes, 1 + n - yes)
        figures |= {f"posterior_resampled.p.mean.{k}": (q.mean(), 0.05 * q.std()), f"posterior_resampled.p.sd.{k}": (q.std(), 0.05 * q.std())}
    sd = np.sqrt(sum(variances))
    figures |= {"posterior_resampled.lift.mean": (means[0] - means[1], 0.05 * sd), "posterior_resampled.lift.sd": (sd, 0.05 * sd)}
    figures["log_evidence.value"] = evidence, 0.01
    note("clicks", figures)


def assay():
    d = table("assay")
    x, n, y = d["log_dose"].to_numpy() - 1.8, d["exposed"].to_numpy(), d["died"].to_numpy()
    choose = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
    f = lambda b: np.sum(n * np.logaddexp(0, b[0] + b[1] * x) - y * (b[0] + b[1] * x) - choose)
    at = minimum(f, np.array([1.0, 30.0]))
    X = np.column_stack([np.ones(8), x])
    p = special.expit(X @ at)
    se = np.sqrt(np.diag(np.linalg.inv(X.T @ (X * (n * p * (1 - p))[:, None]))))
    figures = {"params.a.value": (at[0], 1e-4), "params.b.value": (at[1], 1e-3), "params.a.se": (se[0], 1e-3), "params.b.se": (se[1], 5e-3)}
    # The dose that half of them survive, by the delta method.
    slope = np.array([-1 / at[1], at[0] / at[1] ** 2])
    cov = np.linalg.inv(X.T @ (X * (n * p * (1 - p))[:, None]))
    figures |= {"params.median.value": (1.8 - at[0] / at[1], 1e-6), "params.median.se": (np.sqrt(slope @ cov @ slope), 1e-5)}
    figures["free_energy_total"] = f(at), 1e-6
    new = pd.DataFrame({"log_dose": [1.75, 1.85], "exposed": [100, 20]})
    new.to_csv(here / "new/assay.csv", index=False)
    p, n = special.expit(at[0] + at[1] * (new["log_dose"] - 1.8)), new["exposed"]
    note("assay", figures, {"died_mean": (n * p, 1e-3), "died_sd": (np.sqrt(n * p * (1 - p)), 1e-3)},
         given={"dose": "new/assay.csv", "exposed": "new/assay.csv"})


def disasters():
    d = table("disasters")
    year, y = d["year"].to_numpy(), d["count"].to_numpy()
    weights, early, late = [], [], []
    for s in year:
        before = year < s
        parts = []
        for rows in (before, ~before):
            a, b = 2 + y[rows].sum(), 1 + rows.sum()
            parts.append((special.gammaln(a) - a * np.log(b), a / b))
        weights.append(parts[0][0] + parts[1][0])
        early.append(parts[0][1])
        late.append(parts[1][1])
    constant = -2 * special.gammaln(2) - special.gammaln(y + 1).sum() - np.log(len(year))
    evidence = special.logsumexp(weights) + constant
    w = np.exp(np.array(weights) - special.logsumexp(weights))
    figures = {"log_evidence.value": (evidence, 0.02)}
    figures |= {"posterior_resampled.early.mean": (w @ early, 0.02), "posterior_resampled.late.mean": (w @ late, 0.01)}
    note("disasters", figures)


def machine():
    y = table("machine")["load"].to_numpy()
    stay, level = np.array([[0.92, 0.08], [0.15, 0.85]]), np.array([0.0, 3.0])
    likely = stats.norm(level, 0.8).pdf(y[:, None])
    forward, total = [], 0.0
    now = np.array([0.5, 0.5])
    for t, p in enumerate(likely):
        now = (now if t == 0 else now @ stay) * p
        total += np.log(now.sum())
        now = now / now.sum()
        forward.append(now)
    back, smooth = np.ones(2), [None] * len(y)
    for t in range(len(y) - 1, -1, -1):
        smooth[t] = forward[t] * back / (forward[t] * back).sum()
        back = stay @ (likely[t] * back)
        back = back / back.sum()
    note("machine", {"free_energy_total": (-total, 1e-6)}, codes={"s_probability": (np.array(smooth).ravel(), 1e-6)})


def waits():
    y = table("waits")["minutes"].to_numpy()

    def parts(q):
        w = np.exp(q[0]) / (1 + np.exp(q[0]))
        m, s = np.array([q[1], q[1] + np.exp(q[2])]), np.exp(q[3:5])
        return np.array([w, 1 - w]), m, s

    def joint(q):
        w, m, s = parts(q)
        return np.log(w) + stats.norm(m, s).logpdf(y[:, None])

    f = lambda q: -special.logsumexp(joint(q), axis=1).sum()
    at = minimum(f, np.array([-0.5, 55, 3.2, 1.6, 1.8]))
    w, m, s = parts(at)
    figures = {f"params.{n}.value.{k}": (v[k], 1e-3) for n, v in (("w", w), ("m", m), ("s", s)) for k in range(2)}
    figures["free_energy_total"] = f(at), 1e-5
    share = np.exp(joint(at) - special.logsumexp(joint(at), axis=1)[:, None])
    note("waits", figures, codes={"kind_probability": (share.ravel(), 1e-4)})


def scales():
    y = table("scales")[[f"q{k + 1}" for k in range(5)]].to_numpy()

    def f(q):
        cov = np.outer(q[:5], q[:5]) + np.diag(np.exp(2 * q[5:]))
        return -stats.multivariate_normal(y.mean(0), cov).logpdf(y).sum()

    # By expectation and maximisation, which gains with every step.
    cov = np.cov(y.T, bias=True)
    load, noise = np.array([1, 0.7, -0.8, 0.5, 1.1]), np.full(5, 0.5)
    for _ in range(20000):
        share = (load / noise) / (1 + np.sum(load**2 / noise))
        second = 1 - share @ load + share @ cov @ share
        load = cov @ share / second
        noise = np.diag(cov) - load * (share @ cov)
    at = np.r_[load, 0.5 * np.log(noise)]
    # The sign of the trait is the program's: its start has the first loading positive.
    at[:5] *= np.sign(at[0])
    figures = {"free_energy_total": (f(at), 1e-4)}
    figures |= {f"params.loading.value.{k}": (at[k], 1e-4) for k in range(5)}
    figures |= {f"params.noise.value.{k}": (np.exp(at[5 + k]), 1e-4) for k in range(5)}
    precision = 1 + np.sum(at[:5] ** 2 / np.exp(2 * at[5:]))
    score = (y - y.mean(0)) @ (at[:5] / np.exp(2 * at[5:])) / precision
    # Codes of what is integrated out are of 4096 draws: five standard errors.
    sd = precision**-0.5
    note("scales", figures, codes={"z_mean": (score, 5 * sd / 64), "z_sd": (np.full(len(y), sd), 5 * sd / 90)})


def spikes():
    d = table("spikes")
    X = np.column_stack([np.ones(len(d)), d["stimulus"], d["before"]])
    y = d["spike"].to_numpy(float)
    f = lambda b: np.sum(np.logaddexp(0, X @ b) - y * (X @ b))
    at = minimum(f, np.zeros(3))
    p = special.expit(X @ at)
    se = np.sqrt(np.diag(np.linalg.inv(X.T @ (X * (p * (1 - p))[:, None]))))
    figures = {"free_energy_total": (f(at), 1e-6)}
    for name, v, s in zip(["level", "gain", "history"], at, se):
        figures |= {f"params.{name}.value": (v, 1e-4), f"params.{name}.se": (s, 1e-3 * s)}
    note("spikes", figures)


def exams():
    d = table("exams")
    pupils, items = sorted(d["pupil"].unique()), sorted(d["item"].unique())
    i, j = d["pupil"].map(pupils.index).to_numpy(), d["item"].map(items.index).to_numpy()
    y = (d["answer"] == "right").to_numpy(float)
    prior = np.r_[np.ones(60), np.full(10, 0.25)]

    def f(q):
        e = q[i] - q[60 + j]
        g = special.expit(e) - y
        slope = np.bincount(i, g, 70) - np.bincount(60 + j, g, 70) + prior * q
        return np.sum(np.logaddexp(0, e) - y * e) + 0.5 * np.sum(prior * q * q), slope

    at = optimize.minimize(f, np.zeros(70), jac=True, method="L-BFGS-B", options={"gtol": 1e-10, "ftol": 1e-15, "maxiter": 3000}).x
    constant = 70 * 0.5 * np.log(2 * np.pi) + 10 * np.log(2)
    figures = {"free_energy_total": (f(at)[0] + constant, 1e-5)}
    figures |= {f"posterior.ability.mean.{k}": (at[k], 1e-4) for k in (0, 17, 59)}
    figures |= {f"posterior.difficulty.mean.{k}": (at[60 + k], 1e-4) for k in range(10)}
    note("exams", figures)


def lives():
    d = table("lives")
    y, drug = d["months"].to_numpy(), (d["group"] == "drug").to_numpy()

    def f(q):
        shape, scale = np.exp(q[0]), np.where(drug, np.exp(q[1]), np.exp(q[2]))
        log_survival = -((y / scale) ** shape)
        density = np.log(shape / scale) + (shape - 1) * np.log(y / scale) + log_survival
        return -np.where(y >= 24, log_survival, density).sum()

    at = minimum(f, np.log([1.2, 18, 9]))
    figures = {"params.shape.value": (np.exp(at[0]), 1e-4), "params.scale.value.0": (np.exp(at[1]), 1e-3),
               "params.scale.value.1": (np.exp(at[2]), 1e-3), "free_energy_total": (f(at), 1e-6)}
    note("lives", figures)


def ratings():
    d = table("ratings")
    x, y = d["price"].to_numpy(), d["rating"].map(["poor", "fair", "good", "excellent"].index).to_numpy()

    def f(q):
        cut = np.r_[-np.inf, q[1] + np.r_[0, np.cumsum(np.exp(q[2:4]))], np.inf]
        p = special.expit(cut[y + 1] - q[0] * x) - special.expit(cut[y] - q[0] * x)
        return -np.log(p).sum()

    at = minimum(f, np.array([-1.0, -1.5, 0.5, 0.5]))
    cut = at[1] + np.r_[0, np.cumsum(np.exp(at[2:4]))]
    figures = {"params.slope.value": (at[0], 1e-4), "free_energy_total": (f(at), 1e-6)}
    figures |= {f"params.cut.value.{k}": (cut[k], 1e-4) for k in range(3)}
    new = pd.DataFrame({"price": [-1.0, 1.0]})
    new.to_csv(here / "new/ratings.csv", index=False)
    up = special.expit(cut[None, :] - at[0] * new["price"].to_numpy()[:, None])
    p = np.diff(np.column_stack([np.zeros(2), up, np.ones(2)]), axis=1)
    note("ratings", figures, {"rating_probability": (p.ravel(), 0.032)}, given={"price": "new/ratings.csv"})


def games():
    d = table("games")
    teams = sorted(d["home"].unique())
    X = np.column_stack([np.ones(len(d)), onehot(d["home"], teams), -onehot(d["away"], teams)])
    y = d["goals"].to_numpy()
    prior = np.r_[1.0, np.full(16, 4.0)]
    f = lambda b: (np.sum(np.exp(X @ b) - y * (X @ b) + special.gammaln(y + 1)) + 0.5 * np.sum(prior * b * b),
                   X.T @ (np.exp(X @ b) - y) + prior * b)
    at = optimize.minimize(f, np.zeros(17), jac=True, method="L-BFGS-B", options={"gtol": 1e-10, "ftol": 1e-15}).x
    constant = 17 * 0.5 * np.log(2 * np.pi) + 16 * np.log(0.5)
    figures = {"free_energy_total": (f(at)[0] + constant, 1e-5), "posterior.level.mean": (at[0], 1e-4)}
    figures |= {f"posterior.attack.mean.{k}": (at[1 + k], 1e-4) for k in range(8)}
    figures |= {f"posterior.defence.mean.{k}": (at[9 + k], 1e-4) for k in range(8)}
    new = pd.DataFrame({"home": ["team H", "team B"], "away": ["team A", "team H"]})
    new.to_csv(here / "new/games.csv", index=False)
    rate = np.exp([at[0] + at[8] - at[9], at[0] + at[2] - at[16]])
    note("games", figures, {"goals_mean": (rate, 1e-3)}, given={"home": "new/games.csv", "away": "new/games.csv"})


def growth():
    d = table("growth")
    x, y = d["food"].to_numpy(), d["weight"].to_numpy()
    there = ~np.isnan(x)

    def f(q):
        usual, spread, level, slope, noise = q[0], np.exp(q[1]), q[2], q[3], np.exp(q[4])
        both = stats.norm(usual, spread).logpdf(x[there]) + stats.norm(level + slope * x[there], noise).logpdf(y[there])
        gaps = stats.norm(level + slope * usual, np.hypot(noise, slope * spread)).logpdf(y[~there])
        return -both.sum() - gaps.sum()

    at = minimum(f, np.array([5, 0, 2, 0.9, -0.7]))
    names = ["usual", "spread", "level", "slope", "noise"]
    figures = {f"params.{n}.value": (v, 2e-3) for n, v in zip(names, [at[0], np.exp(at[1]), at[2], at[3], np.exp(at[4])])}
    figures["free_energy_total"] = f(at), 1e-4
    note("growth", figures)


def tides():
    d = table("tides")
    t, y = d["t"].to_numpy(), d["height"].to_numpy()

    def f(q):
        size, reach, noise = np.exp(q)
        K = size**2 * np.exp(-0.5 * (t[:, None] - t[None]) ** 2 / reach**2) + (noise**2 + 1e-6) * np.eye(len(t))
        return -stats.multivariate_normal(np.zeros(len(t)), K).logpdf(y)

    at = minimum(f, np.log([1, 1, 0.2]))
    figures = {f"params.{n}.value": (np.exp(v), 1e-3) for n, v in zip(["size", "reach", "noise"], at)}
    figures["free_energy_total"] = f(at), 1e-5
    new = pd.DataFrame({"t": [0.5, 3.3, 7.25, 9.9]})
    new.to_csv(here / "new/tides.csv", index=False)
    size, reach, noise = np.exp(at)
    k = lambda a, b: size**2 * np.exp(-0.5 * (a[:, None] - b[None]) ** 2 / reach**2)
    curve = k(new["t"].to_numpy(), t) @ np.linalg.solve(k(t, t) + (noise**2 + 1e-6) * np.eye(len(t)), y)
    figures |= {f"params.curve.value.{i}": (v, 1e-4) for i, v in enumerate(curve)}
    note("tides", figures)


def cells():
    d = table("animals")
    d = d[d["alive"] == "yes"]
    species, doses = ["adelie", "chinstrap", "gentoo"], ["low", "medium", "high"]
    groups = d.groupby(["species", "dose"])["weight"]
    means, counts = groups.mean(), groups.size()
    left = d["weight"] - [means[s, k] for s, k in zip(d["species"], d["dose"])]
    spread = np.sqrt(np.mean(left**2))
    figures = {f"params.m.value.{i}.{j}": (means[s, k], 1e-5) for i, s in enumerate(species) for j, k in enumerate(doses)}
    figures |= {f"params.m.se.{i}.{j}": (spread / np.sqrt(counts[s, k]), 1e-3) for i, s in enumerate(species) for j, k in enumerate(doses)}
    figures["params.spread.value"] = spread, 1e-5
    figures["params.effect.value"] = means["gentoo", "high"] - means["gentoo", "low"], 1e-5
    figures["params.effect.se"] = spread * np.sqrt(1 / counts["gentoo", "high"] + 1 / counts["gentoo", "low"]), 1e-3
    note("cells", figures)


def robust():
    d = table("animals")
    d = d[d["species"] == "gentoo"]
    x, y = d["length"].to_numpy() - 190, d["weight"].to_numpy()
    f = lambda q: -stats.t(4, q[0] + q[1] * x, np.exp(q[2])).logpdf(y).sum()
    at = minimum(f, np.array([y.mean(), 0.2, 1.0]))
    se = errors(f, at)
    figures = {"params.level.value": (at[0], 1e-4), "params.slope.value": (at[1], 1e-5), "params.scale.value": (np.exp(at[2]), 1e-4)}
    figures |= {"params.level.se": (se[0], 1e-3 * se[0]), "params.slope.se": (se[1], 1e-3 * se[1])}
    figures["free_energy_total"] = f(at), 1e-6
    note("robust", figures)


def overdispersed():
    d = table("visits")
    W, days, y = onehot(d["ward"], ["east", "north", "west"]), d["days"].to_numpy(), d["visits"].to_numpy()

    def f(q):
        mean, shape = days * np.exp(W @ q[:3]), np.exp(q[3])
        return -stats.nbinom(shape, shape / (shape + mean)).logpmf(y).sum()

    at = minimum(f, np.array([-1.5, -1, -1.8, 1.5]))
    figures = {f"params.a.value.{k}": (at[k], 1e-4) for k in range(3)}
    figures |= {"params.shape.value": (np.exp(at[3]), 1e-2), "free_energy_total": (f(at), 1e-5)}
    note("overdispersed", figures)


def prices():
    y = table("prices")["price"].to_numpy()
    X = np.column_stack([y[1:-1], y[:-2]])
    at = np.linalg.lstsq(X, y[2:], rcond=None)[0]
    noise = np.sqrt(np.mean((y[2:] - X @ at) ** 2))
    se = noise * np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
    n = len(y) - 2
    figures = {"params.a.value": (at[0], 1e-5), "params.b.value": (at[1], 1e-5), "params.noise.value": (noise, 1e-5)}
    figures |= {"params.a.se": (se[0], 1e-4), "params.b.se": (se[1], 1e-4)}
    figures["free_energy_total"] = n * (0.5 * np.log(2 * np.pi * noise**2) + 0.5), 1e-6
    note("prices", figures)


def bandit():
    d = table("bandit")
    arm = (d["choice"] == "right").to_numpy(int)
    reward, first = d["reward"].to_numpy(float), d["first"].to_numpy()

    def f(q):
        rate, weight, total = special.expit(q[0]), np.exp(q[1]), 0.0
        for k, (a, pays, begins) in enumerate(zip(arm, reward, first)):
            if begins:
                value = [0.5, 0.5]
            total += np.logaddexp(0.0, weight * (value[1 - a] - value[a]))
            value[a] += rate * (pays - value[a])
        return total

    at = minimum(f, np.array([0.0, 0.0]))
    rate, weight = special.expit(at[0]), np.exp(at[1])
    direct = lambda p: f(np.array([special.logit(p[0]), np.log(p[1])]))
    se = errors(direct, np.array([rate, weight]))
    figures = {"params.rate.value": (rate, 1e-5), "params.weight.value": (weight, 1e-4), "free_energy_total": (f(at), 1e-6)}
    figures |= {"params.rate.se": (se[0], 1e-3 * se[0]), "params.weight.se": (se[1], 1e-3 * se[1])}
    note("bandit", figures)


def decisions():
    d = table("decisions")
    right, rt = (d["answer"] == "right").to_numpy(), d["rt"].to_numpy()
    C = onehot(d["task"], ["easy", "hard"])
    k = np.arange(1, 400)[:, None]

    def f(q):
        bound, start, before = np.exp(q[2]), special.expit(q[3]), 0.25 * special.expit(q[4])
        v = C @ q[:2]
        drift, z, t = np.where(right, -v, v), np.where(right, 1 - start, start), rt - before
        if (t <= 0).any():
            return 1e10
        # Feller's series of sines.
        waves = (k * np.sin(k * np.pi * z) * np.exp(-(k**2) * np.pi**2 * t / (2 * bound**2))).sum(axis=0)
        if (waves <= 0).any():
            return 1e10
        return -(np.log(np.pi / bound**2) - drift * bound * z - drift**2 * t / 2 + np.log(waves)).sum()

    at = minimum(f, np.array([1.0, 1.0, 0.2, 0.0, 0.5]))
    figures = {"params.v.value.0": (at[0], 1e-4), "params.v.value.1": (at[1], 1e-4), "params.bound.value": (np.exp(at[2]), 1e-4)}
    figures |= {"params.start.value": (special.expit(at[3]), 1e-4), "params.before.value": (0.25 * special.expit(at[4]), 1e-4)}
    figures["free_energy_total"] = f(at), 1e-5
    note("decisions", figures)


def marks():
    d = table("marks")
    x = d[["mechanics", "vectors", "algebra", "analysis", "statistics"]].to_numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    n, dims = x.shape
    values, vectors = np.linalg.eigh(x.T @ x / n)
    noise = np.sqrt(values[:-1].mean())
    W = np.abs(vectors[:, -1]) * np.sqrt(values[-1] - noise**2)
    precision = 1 + W @ W / noise**2
    cov = np.outer(W, W) + noise**2 * np.eye(dims)
    figures = {f"params.W.value.{k}": (W[k], 1e-4) for k in range(dims)} | {"params.noise.value": (noise, 1e-5)}
    figures |= {f"params.E.value.{k}": (W[k] / noise**2 / precision, 1e-4) for k in range(dims)}
    figures |= {"params.s.value": (precision**-0.5, 1e-5)}
    figures["free_energy_total"] = -stats.multivariate_normal(np.zeros(dims), cov).logpdf(x).sum(), 1e-5
    mean = x @ W / noise**2 / precision
    note("marks", figures, codes={"ability_mean": (mean, 1e-3), "ability_sd": (np.full(n, precision**-0.5), 1e-4)})


def braking(curved):
    d = table("braking")
    speed, y = d["speed"].to_numpy() - 15, d["distance"].to_numpy()
    X = np.column_stack([onehot(d["road"], ["dry", "wet"]), speed] + ([speed**2] if curved else []))
    prior = np.array([20.0, 20, 0, 0][: X.shape[1]]), np.array([20.0, 20, 5, 1][: X.shape[1]])
    at, cov, evidence = gaussian(X, y, *prior, 3.0)
    figures = {"free_energy_total": (-evidence, 1e-6), "posterior.slope.mean": (at[2], 1e-2), "posterior.slope.sd": (cov[2, 2] ** 0.5, 1e-2)}
    note("braking_curved" if curved else "braking_straight", figures)
    # Each row given all others.
    left = []
    for k in range(len(y)):
        others = np.arange(len(y)) != k
        at, cov, _ = gaussian(X[others], y[others], *prior, 3.0)
        left.append(stats.norm(X[k] @ at, np.sqrt(9 + X[k] @ cov @ X[k])).logpdf(y[k]))
    return np.array(left)


def models():
    straight, curved = braking(False), braking(True)
    n, difference = len(straight), straight - curved
    best, worse = curved.sum(), straight.sum()
    figures = {"fits.0.elpd": (best, 0.05), "fits.1.elpd": (worse, 0.05), "fits.1.difference": (worse - best, 0.05)}
    figures["fits.1.difference_se"] = np.sqrt(n * difference.var(ddof=1)), 0.03
    figures["fits.0.se"] = np.sqrt(n * curved.var(ddof=1)), 0.03
    expected["braking"] = {"compared": {k: [float(v), float(t)] for k, (v, t) in figures.items()}}


for program in [regression, survival_of_animals, visits, schools, clicks, assay, disasters, machine, waits, scales, spikes, exams,
                lives, ratings, games, growth, tides, prices, cells, robust, overdispersed, bandit, decisions, marks, models]:
    program()
(here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
