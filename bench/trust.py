"""The models of tests/cases against their references: the first table of docs/trust.md. Needs nothing but Python and a built `fe`.

    python3 bench/trust.py [--fe target/release/fe] [--seeds 3]
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

root = Path(__file__).parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--fe", default="target/release/fe")
parser.add_argument("--seeds", type=int, default=3)
args = parser.parse_args()


def flat(value):
    return [x for v in value for x in flat(v)] if isinstance(value, list) else [value]


def error(table, references):
    """The largest difference of a mean in standard deviations, and of a standard deviation as a part."""
    means, sds = 0.0, 0.0
    for name, place, mean, sd in references:
        own = {key: flat(table[name][key])[place] for key in ("mean", "sd")}
        means, sds = max(means, abs(own["mean"] - mean) / sd), max(sds, abs(own["sd"] / sd - 1))
    return means, sds


def shown(errors):
    return "—" if not errors else "{:.2f} sd, {:.0%}".format(*(max(e[k] for e in errors) for k in (0, 1)))


print("| model | error of the guide | of the table to read | k̂ | of the wider proposal | trusted | s |")
print("|---|---|---|---|---|---|---|")
for program in sorted((root / "tests/cases").glob("*.fe")):
    text = program.read_text()
    found = re.findall(r"^# reference: (\w+)\[(\d+)\] = (\S+) ± (\S+)$", text, re.M)
    references = [(name, int(place), float(mean), float(sd)) for name, place, mean, sd in found]
    guide, read, hats, wide, trusted, seconds = [], [], [], [], 0, []
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as out:
            begun = time.perf_counter()
            command = [args.fe, "run", str(program), "--out", f"{out}/run", "--threads", "1", "--seed", str(seed)]
            subprocess.run(command, check=True, capture_output=True, cwd=root)
            seconds.append(time.perf_counter() - begun)
            fit = json.loads(Path(f"{out}/run/fit.json").read_text())
        verdict = fit["verdict"]
        trusted += verdict["trusted"] is True
        guide.append(error(fit["posterior"], references))
        read.append(error(fit["posterior_resampled"] or fit["posterior"], references))
        hats += [verdict["khat"]] if verdict["khat"] is not None else []
        wide += [verdict["khat_wide"]] if verdict["khat_wide"] is not None else []
    middle = lambda v: f"{statistics.median(v):.2f}" if v else "—"
    cells = [program.stem, shown(guide), shown(read), middle(hats), middle(wide), f"{trusted} of {args.seeds}"]
    print("| " + " | ".join([*cells, f"{statistics.median(seconds):.1f}"]) + " |", flush=True)
