"""Makes the tables beside this file by a fixed seed: `pip install numpy pandas pyarrow`, then `python make.py` here.

All are drawn here, from the models that are stated, and are nobody's data: CC0. `reference.py` computes what the programs are
held to, from these files and nothing of `fe`.
"""

from pathlib import Path

import numpy as np
import pandas as pd

here = Path(__file__).parent


def save(name, frame, parquet=False):
    if name == "animals":
        # The documentation reads it too.
        frame.to_csv(here / "../../examples/data/animals.csv", index=False)
    elif parquet:
        frame.to_parquet(here / f"{name}.parquet", index=False, compression="zstd")
    else:
        frame.to_csv(here / f"{name}.csv", index=False)


def dates(days):
    return [(pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(d))).strftime("%Y-%m-%d") for d in days]


def animals(r):
    """Weights by species, dose, site, length and day; who survived by dose and length."""
    n = 160
    species = r.choice(["adelie", "chinstrap", "gentoo"], n)
    dose = r.choice(["low", "medium", "high"], n)
    site = r.choice([17, 300, 305], n)
    length, depth = r.normal(190, 10, n), r.normal(17, 2, n)
    day = r.integers(0, 60, n)
    mean = (
        pd.Series(species).map({"adelie": 36.0, "chinstrap": 38, "gentoo": 50}).to_numpy()
        + pd.Series(dose).map({"low": 0.0, "medium": 1, "high": 3}).to_numpy()
        + pd.Series(site).map({17: -1.0, 300: 0, 305: 1}).to_numpy()
        + 0.2 * (length - 190) + 0.5 * (depth - 17) + 0.03 * day
    )
    alive = r.random(n) < 1 / (1 + np.exp(-(0.5 + 0.08 * (length - 190) - 1.0 * (dose == "high"))))
    return pd.DataFrame({
        "species": species, "dose": dose, "site": site, "length": length.round(2), "depth": depth.round(2), "day": dates(day),
        "alive": np.where(alive, "yes", "no"), "split": np.where(np.arange(n) % 5 == 0, "test", "train"),
        "weight": (mean + r.normal(0, 2, n)).round(3),
    })


def visits(r):
    """Counts with an exposure, by ward and age; overdispersed where the ward is."""
    n = 120
    ward = r.choice(["east", "north", "west"], n)
    age, days = r.integers(20, 80, n), r.uniform(5, 50, n).round(1)
    rate = np.exp(-1.5 + 0.02 * (age - 50) + np.array([{"east": 0.0, "north": 0.5, "west": -0.3}[w] for w in ward]))
    return pd.DataFrame({"ward": ward, "age": age, "days": days, "visits": r.poisson(rate * days)})


def schools(r):
    """Pupils in schools, whose intercepts and slopes vary."""
    name = [f"s{k}" for k in range(8)]
    a, b = r.normal(0, 1, 8), r.normal(0.8, 0.3, 8)
    k = r.integers(0, 8, 200)
    hours = r.uniform(-2, 2, 200).round(3)
    score = a[k] + b[k] * hours + r.normal(0, 0.7, 200)
    return pd.DataFrame({"school": [name[j] for j in k], "hours": hours, "score": score.round(3)})


def clicks(r):
    """Whether visitors of two pages bought."""
    page = np.repeat(["old", "new"], [400, 380])
    return pd.DataFrame({"page": page, "bought": np.where(r.random(780) < np.where(page == "new", 0.16, 0.11), "yes", "no")})


def assay(r):
    """Deaths of beetles by dose, in groups."""
    log_dose = np.repeat(np.round(np.linspace(1.69, 1.89, 8), 3), 1)
    n = r.integers(40, 60, 8)
    p = 1 / (1 + np.exp(-30 * (log_dose - 1.77)))
    return pd.DataFrame({"log_dose": log_dose, "exposed": n, "died": r.binomial(n, p)})


def disasters(r):
    """Counts a year, whose rate changes once."""
    year = np.arange(1851, 1931)
    return pd.DataFrame({"year": year, "count": r.poisson(np.where(year < 1890, 3.1, 0.9))})


def machine(r):
    """A measurement each hour, of a machine that is idle or busy."""
    stay = {"idle": 0.92, "busy": 0.85}
    state, rows = "idle", []
    for hour in range(150):
        if hour and r.random() > stay[state]:
            state = "busy" if state == "idle" else "idle"
        rows.append((hour, round(r.normal(0 if state == "idle" else 3, 0.8), 3)))
    return pd.DataFrame(rows, columns=["hour", "load"])


def waits(r):
    """Waits of two kinds."""
    first = r.random(140) < 0.35
    return pd.DataFrame({"minutes": np.where(first, r.normal(54, 5, 140), r.normal(80, 6, 140)).round(2)})


def scales(r):
    """Five questions that measure one trait."""
    z = r.normal(0, 1, 120)
    loading = np.array([0.9, 0.7, -0.8, 0.5, 1.1])
    answers = 3 + z[:, None] * loading + r.normal(0, 0.6, (120, 5))
    return pd.DataFrame(answers.round(3), columns=[f"q{k + 1}" for k in range(5)]).assign(who=[f"p{k}" for k in range(120)])


def tides(r):
    """A smooth curve at uneven times."""
    t = np.sort(r.uniform(0, 10, 40)).round(3)
    return pd.DataFrame({"t": t, "height": (np.sin(t) + 0.3 * np.cos(2.5 * t) + r.normal(0, 0.15, 40)).round(4)})


def prices(r):
    """A second-order autoregression."""
    y = [0.0, 0.0]
    for _ in range(180):
        y.append(0.6 * y[-1] + 0.25 * y[-2] + r.normal(0, 0.5))
    return pd.DataFrame({"day": dates(range(180)), "price": np.round(y[2:], 4)})


def spikes(r):
    """Spikes in bins of a millisecond, by a stimulus and the cell's own past."""
    n = 600
    stimulus = np.sin(np.arange(n) / 15) + r.normal(0, 0.3, n)
    count = np.zeros(n, dtype=int)
    for t in range(n):
        past = count[t - 1] if t > 0 else 0
        count[t] = r.random() < 1 / (1 + np.exp(-(-1.5 + 1.2 * stimulus[t] - 2.0 * past)))
    return pd.DataFrame({"stimulus": stimulus.round(4), "before": np.concatenate([[0], count[:-1]]), "spike": count})


def exams(r):
    """Pupils' answers, right or wrong, to items of different difficulty."""
    ability, difficulty = r.normal(0, 1, 60), np.linspace(-1.5, 1.5, 10)
    rows = [
        (f"pupil{i}", f"item{j}", "right" if r.random() < 1 / (1 + np.exp(-(ability[i] - difficulty[j]))) else "wrong")
        for i in range(60) for j in range(10)
    ]
    return pd.DataFrame(rows, columns=["pupil", "item", "answer"])


def lives(r):
    """Months of life under two treatments, some censored at 24."""
    group = np.repeat(["drug", "placebo"], 60)
    t = np.where(group == "drug", 18.0, 9.0) * r.weibull(1.3, 120)
    return pd.DataFrame({"group": group, "months": np.minimum(t, 24.0).round(3)})


def ratings(r):
    """Ratings in words, by price."""
    price = r.normal(0, 1, 150)
    latent = -1.2 * price + r.logistic(0, 1, 150)
    word = np.array(["poor", "fair", "good", "excellent"])[np.digitize(latent, [-1.5, 0.2, 1.8])]
    return pd.DataFrame({"price": price.round(4), "rating": word})


def games(r):
    """Goals of eight teams at home and away."""
    team = [f"team {c}" for c in "ABCDEFGH"]
    attack = np.linspace(-0.4, 0.4, 8)
    rows = []
    for h in range(8):
        for a in range(8):
            if h != a:
                rows.append((team[h], team[a], r.poisson(np.exp(0.5 + attack[h] - 0.6 * attack[a]))))
    return pd.DataFrame(rows, columns=["home", "away", "goals"])


def growth(r):
    """Weights with a gap here and there in what they are explained by."""
    food = r.normal(5, 1, 90)
    weight = 2 + 0.9 * food + r.normal(0, 0.5, 90)
    frame = pd.DataFrame({"food": food.round(3), "weight": weight.round(3)})
    frame.loc[::9, "food"] = np.nan
    return frame


def bandit(r):
    """Choices of nine subjects between two arms, of different lengths, learnt from what they pay."""
    rows = []
    for k in range(9):
        value = np.array([0.5, 0.5])
        for t in range(r.integers(25, 45)):
            arm = int(r.random() < 1 / (1 + np.exp(-4 * (value[1] - value[0]))))
            pays = int(r.random() < [0.3, 0.7][arm])
            rows.append((f"S{k + 1}", ["left", "right"][arm], pays, int(t == 0)))
            value[arm] += 0.3 * (pays - value[arm])
    return pd.DataFrame(rows, columns=["subject", "choice", "reward", "first"])


def decisions(r):
    """Choices and reaction times of a drift to one of two bounds, in steps of a tenth of a millisecond, easy or hard to tell."""
    n, step, bound, start = 240, 1e-4, 1.4, 0.45
    easy = r.random(n) < 0.5
    drift = np.where(easy, 1.8, 0.7)
    at, time, ended = np.full(n, start * bound), np.full(n, 0.2), np.zeros(n, bool)
    while not ended.all():
        moves = ~ended
        at[moves] += drift[moves] * step + np.sqrt(step) * r.standard_normal(moves.sum())
        time[moves] += step
        ended = (at <= 0) | (at >= bound)
    answer = np.where(at >= bound, "right", "wrong")
    return pd.DataFrame({"task": np.where(easy, "easy", "hard"), "answer": answer, "rt": time.round(4)})


def marks(r):
    """Five marks of each student, of one ability and some luck."""
    n = 150
    ability = r.normal(0, 1, n)
    columns = {}
    for name, mean, slope in [("mechanics", 38, 8), ("vectors", 50, 9), ("algebra", 51, 9), ("analysis", 47, 10), ("statistics", 42, 11)]:
        columns[name] = (mean + slope * ability + r.normal(0, 6, n)).round(1)
    return pd.DataFrame({"student": [f"student {k}" for k in range(n)], **columns})


def braking(r):
    """Stopping distances by speed, on two roads."""
    n = 60
    speed = r.uniform(5, 25, n).round(1)
    road = r.choice(["dry", "wet"], n)
    distance = 2 + 0.6 * speed + 0.06 * speed**2 + np.where(road == "wet", 3.0, 0.0) + r.normal(0, 3, n)
    return pd.DataFrame({"speed": speed, "road": road, "distance": distance.round(2)})


for at, (make, parquet) in enumerate([
    (animals, False), (visits, True), (schools, False), (clicks, True), (assay, False), (disasters, False), (machine, False),
    (waits, False), (scales, True), (tides, False), (prices, False), (spikes, False), (exams, True), (lives, False),
    (ratings, False), (games, False), (growth, False), (bandit, False), (decisions, False), (marks, False), (braking, False),
]):
    save(make.__name__, make(np.random.default_rng(1000 + at)), parquet)
