"""The models of tests/cases against their references: the tables of docs/trust.md. Needs nothing but Python and a built `fe`.

    python3 bench/trust.py [--fe target/release/fe] [--seeds 3] [NAME …]
    python3 bench/trust.py --verdicts --seeds 20 [NAME …]

The first table holds errors, k̂ and seconds; the second, with --verdicts, what the verdict says under redraws: how often a fit is
right, how often it is trusted, misses that nothing tells of, and alarms at fits that are right.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

root = Path(__file__).parent.parent

# A number is right within these: of means in standard deviations, of standard deviations as a part.
RIGHT = (0.1, 0.1)
# A fit that is closer than this is no reason for an alarm.
CLOSE = (0.1, 0.05)


@dataclass
class Fit:
    guide: tuple  # the largest error of a mean and of a standard deviation
    read: tuple
    khat: float | None
    khat_wide: float | None
    trusted: bool | None
    seconds: float


def flat(value):
    return [x for v in value for x in flat(v)] if isinstance(value, list) else [value]


def references(program):
    """The numbers that a program's header holds it to."""
    found = re.findall(r"^# reference: (\w+)\[(\d+)\] = (\S+) ± (\S+)$", program.read_text(), re.M)
    return [(name, int(place), float(mean), float(sd)) for name, place, mean, sd in found]


def error(table, references):
    """The largest difference of a mean in standard deviations, and of a standard deviation as a part."""
    means, sds = 0.0, 0.0
    for name, place, mean, sd in references:
        own = {key: flat(table[name][key])[place] for key in ("mean", "sd")}
        means, sds = max(means, abs(own["mean"] - mean) / sd), max(sds, abs(own["sd"] / sd - 1))
    return means, sds


def fitted(fe, program, seed):
    with tempfile.TemporaryDirectory() as out:
        begun = time.perf_counter()
        command = [fe, "run", str(program), "--out", f"{out}/run", "--threads", "1", "--seed", str(seed), "--quiet"]
        subprocess.run(command, check=True, capture_output=True, cwd=root)
        seconds = time.perf_counter() - begun
        fit = json.loads(Path(f"{out}/run/fit.json").read_text())
    verdict, wanted = fit["verdict"], references(program)
    guide, read = fit["posterior"], fit["posterior_resampled"] or fit["posterior"]
    errors = error(guide, wanted), error(read, wanted)
    return Fit(*errors, verdict["khat"], verdict["khat_wide"], verdict["trusted"], seconds)


def within(errors, limits):
    return all(e <= limit for e, limit in zip(errors, limits))


def accuracy(name, fits):
    shown = lambda errors: "{:.2f} sd, {:.0%}".format(*(max(e[k] for e in errors) for k in (0, 1)))
    middle = lambda v: f"{statistics.median(v):.2f}" if (v := [x for x in v if x is not None]) else "—"
    trusted = f"{sum(f.trusted is True for f in fits)} of {len(fits)}"
    hats = middle([f.khat for f in fits]), middle([f.khat_wide for f in fits])
    seconds = f"{statistics.median([f.seconds for f in fits]):.1f}"
    return [name, shown([f.guide for f in fits]), shown([f.read for f in fits]), *hats, trusted, seconds]


def counts(fits):
    """Fits that are right, trusted, missed in silence, close, close and flagged, and of the verdict that most of them have."""
    right = [within(f.read, RIGHT) for f in fits]
    close = [within(f.read, CLOSE) for f in fits]
    trusted = [f.trusted is True for f in fits]
    silent = sum(t and not r for t, r in zip(trusted, right))
    alarms = sum(c and not t for t, c in zip(trusted, close))
    same = max(sum(trusted), len(fits) - sum(trusted))
    return sum(right), sum(trusted), silent, sum(close), alarms, same


def verdicts(name, fits):
    right, trusted, silent, close, alarms, same = counts(fits)
    return [name, f"{right} of {len(fits)}", str(trusted), str(silent), f"{alarms} of {close}", f"{same / len(fits):.0%}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fe", default="target/release/fe")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--verdicts", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    row = lambda cells: print("| " + " | ".join(cells) + " |", flush=True)
    if args.verdicts:
        row(["model", "right", "trusted", "trusted and wrong", "flagged of those close", "same verdict"])
    else:
        row(["model", "error of the guide", "of the table to read", "k̂", "of the wider proposal", "trusted", "s"])
    print("|---|---|---|---|---|---|" + ("" if args.verdicts else "---|"))
    everything = []
    for program in sorted((root / "tests/cases").glob("*.fe")):
        if args.names and program.stem not in args.names:
            continue
        fits = [fitted(args.fe, program, seed) for seed in range(args.seeds)]
        row((verdicts if args.verdicts else accuracy)(program.stem, fits))
        everything.append(fits)
    if args.verdicts:
        row(verdicts("all", [f for fits in everything for f in fits])[:-1] + ["—"])
        # The same under redraws: of all fits, those with the verdict that most fits of their program have.
        same = sum(counts(fits)[-1] for fits in everything) / sum(map(len, everything))
        print(f"\n{same:.1%} of the fits have the verdict of most of their program's.")


main()
