"""Time to an answer: `fe run` against NumPyro's NUTS (1,000 draws after 1,000 of warm-up, one chain, compiling included) on the
programs of bench/answers, in turn, each a process of its own on one core. Prints a table for docs/trust.md.

    bench/.venv/bin/python bench/answers.py [--rounds 3] [--only radon,glm-hmm] [--fe target/release/fe]
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

root = Path(__file__).parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--only", default="")
parser.add_argument("--fe", default="target/release/fe")
parser.add_argument("--limit", type=float, default=600)
args = parser.parse_args()

one = {**os.environ, "OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu"}
core = ["taskset", "-c", "0"]
programs = sorted(p.stem for p in (root / "bench/answers").glob("*.fe"))
programs = [p for p in programs if not args.only or p in args.only.split(",")]


def flat(value):
    return [x for v in value for x in flat(v)] if isinstance(value, list) else [value]


def ours(name, seed):
    with tempfile.TemporaryDirectory() as out:
        begun = time.perf_counter()
        program = root / f"bench/answers/{name}.fe"
        command = [*core, args.fe, "run", str(program), "--out", f"{out}/run", "--threads", "1", "--seed", str(seed)]
        subprocess.run(command, check=True, capture_output=True, timeout=args.limit, cwd=root)
        seconds = time.perf_counter() - begun
        return seconds, json.loads(Path(f"{out}/run/fit.json").read_text())


def theirs(name, seed):
    command = [*core, str(root / "bench/.venv/bin/python"), "bench/peers/nuts_numpyro.py", name, "--seed", str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=args.limit, env=one, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


def worst(table, reference):
    """The largest difference of a mean, in the reference's standard deviations, and of the logarithm of one."""
    means, sds = 0.0, 0.0
    for name, known in reference.items():
        if name not in table:
            continue
        for m, s, mean, sd in zip(*(flat(t[key]) for t in (table[name], known) for key in ("mean", "sd"))):
            if sd > 0:
                means, sds = max(means, abs(m - mean) / sd), max(sds, abs(s / sd - 1))
    return means, sds


print("| model | error of the guide | of the table to read | k̂, wider | trusted | `fe`, s | NUTS, s | NUTS, least ess | ratio |")
print("|---|---|---|---|---|---|---|---|---|")
for name in programs:
    fits, nuts, fit, peer = [], [], None, None
    for k in range(args.rounds):
        try:
            seconds, fit = ours(name, k)
            fits.append(seconds)
        except subprocess.TimeoutExpired:
            fits.append(float("inf"))
        peer = theirs(name, k)
        nuts.append(peer["seconds"])
    a, b = statistics.median(fits), statistics.median(nuts)
    if fit is None:
        print(f"| {name} | | | | | > {args.limit:.0f} | {b:.1f} | {peer['least_ess']:.0f} | |", flush=True)
        continue
    errors = []
    for table in (fit["posterior"], fit["posterior_resampled"]):
        errors.append("—" if table is None else "{:.2f} sd, {:.0%}".format(*worst(table, peer["table"])))
    verdict = fit["verdict"]
    hats = ", ".join("—" if verdict[k] is None else f"{verdict[k]:.2f}" for k in ("khat", "khat_wide"))
    cells = [name, *errors, hats, verdict["trusted"], f"{a:.1f}", f"{b:.1f}", f"{peer['least_ess']:.0f}", f"{b / a:.1f}"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
