"""Fits all programs with two builds of `fe`, and says where the results differ. See `run` beside it."""

import argparse
import concurrent.futures
import gzip
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What differs between two runs of one build, or is not a result.
VOLATILE = {"seconds", "threads", "fe_version"}

# Files of a run directory that are compared.
FILES = ["fit.json", "params.safetensors", "trace.csv"]


def digits(folder):
    """The first 200 digits of the gallery's, every fourth pixel each way, as a file."""
    data = gzip.decompress((ROOT / "examples/data/digits.idx.gz").read_bytes())
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    side, count, coarse = 28, 200, 7
    size = side * side
    assert size * shape[0] == len(data) - 4 - 4 * axes
    pixels = data[4 + 4 * axes :]
    few = bytearray(b"\0\0\x08\x02" + struct.pack(">II", count, coarse * coarse))
    for k in range(count):
        image = pixels[k * size : (k + 1) * size]
        few += bytes(image[4 * (i // coarse) * side + 4 * (i % coarse)] for i in range(coarse * coarse))
    file = folder / "digits.idx"
    file.write_bytes(few)
    return file


def shortened(path, few):
    """A program and the options it is run with: less data, narrower layers and few steps where it is large."""
    source, options = path.read_text(), []
    if "posteriors" in path.parts:
        return source, options
    if "train {" in source:
        options += ["--steps", "20"]
    if "patches(" in source:
        source = source.replace("count = 40_000", "count = 1_000")
        source = source.replace("patches_in_all = 100_000", "patches_in_all = 2_000")
    if "idx(" in source:
        source = source.replace("dense(256)", "dense(24)").replace("dense(128)", "dense(16)")
        options += ["--data", f"x={few}"]
    return source, options


def programs():
    """Every program, by the name of its results."""
    found = []
    for folder in ["tests/exact", "examples", "tests/posteriors"]:
        found += sorted((ROOT / folder).glob("*.fe"))
    found += sorted((ROOT / "examples").glob("*/*.fe"))
    return {str(p.relative_to(ROOT).with_suffix("")).replace("/", "."): p for p in found}


def fit(fe, name, path, results, few):
    """Fits a program and keeps what is compared; the exit code and what was said, where it failed."""
    source, options = shortened(path, few)
    kept = results / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as out:
        command = [fe, "run", "-", "--quiet", "--threads", "1", "--out", out, *options]
        environment = {**os.environ, "NO_COLOR": "1", "FE_CACHE": ""}
        done = subprocess.run(command, cwd=path.parent, input=source, text=True, capture_output=True, env=environment)
        if done.returncode != 0:
            (kept / "failed").write_text(f"exit code {done.returncode}\n{done.stderr}")
            return
        for file in FILES:
            shutil.copy(pathlib.Path(out) / file, kept / file)


def results_of(build, chosen, jobs, keep):
    """The folder of a build's results: itself where it is a folder, else the build is run."""
    if build.is_dir():
        return build
    if not os.access(build, os.X_OK):
        sys.exit(f"{build} is neither a folder nor a program")
    few = digits(keep)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(fit, build.resolve(), name, path, keep, few) for name, path in chosen.items()]
        for done, task in enumerate(concurrent.futures.as_completed(tasks), 1):
            task.result()
            if sys.stderr.isatty():
                print(f"\r{build}: {done} of {len(tasks)}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return keep


def differences(before, after, place, words):
    """Pairs of a place and what changed there."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(k for k in after if k not in before)]:
            if key in VOLATILE:
                continue
            here = f"{place}.{key}" if place else key
            if key not in before or key not in after:
                yield here, "is new" if key in after else "is gone"
            else:
                yield from differences(before[key], after[key], here, words)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield place, f"{len(before)} entries, now {len(after)}"
        for k, pair in enumerate(zip(before, after)):
            yield from differences(*pair, f"{place}[{k}]", words)
    elif isinstance(before, str) and isinstance(after, str):
        if words and before != after:
            yield place, f"“{before}”, now “{after}”"
    elif type(before) is not type(after) or before != after:
        yield place, f"{before!r}, now {after!r}"


def tensors(data):
    """Shapes and bytes of a safetensors file, by name."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    return {n: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])].hex()) for n, t in header.items()}


def numbers_of(file):
    """A result's file as nested data."""
    if file.suffix == ".json":
        return json.loads(file.read_text())
    if file.suffix == ".csv":
        header, *rows = [line.split(",") for line in file.read_text().splitlines()]
        return [dict(zip(header, row)) for row in rows]
    return {n: {"type": t, "shape": s, "values": v} for n, (t, s, v) in tensors(file.read_bytes()).items()}


def compare(name, before, after, words):
    """What differs in one program's results."""
    failed = [(folder / name / "failed") for folder in (before, after)]
    if any(f.exists() for f in failed):
        said = [f.read_text() if f.exists() else "fitted" for f in failed]
        return [] if said[0] == said[1] else [f"{said[0].strip()}\nnow {said[1].strip()}"]
    found = []
    for file in FILES:
        pair = [numbers_of(folder / name / file) for folder in (before, after)]
        # Columns of a trace are numbers in text.
        for place, change in differences(*pair, "", words or file != "fit.json"):
            shown = change if len(change) < 200 else "other values"
            found.append(f"{file}: {place}: {shown}")
    return found


def main():
    parser = argparse.ArgumentParser(prog="tests/same/run", description=__doc__)
    parser.add_argument("builds", nargs="+", type=pathlib.Path, metavar="BUILD")
    parser.add_argument("--save", action="store_true", help="save results of the first in the folder that is named second")
    parser.add_argument("--only", default="", metavar="PART", help="programs in whose names this stands")
    parser.add_argument("--words", action="store_true", help="leave differences of words out")
    parser.add_argument("--jobs", type=int, default=2, help="programs fitted at a time")
    args = parser.parse_args()
    if len(args.builds) != 2:
        parser.error("two builds are compared")
    chosen = {name: path for name, path in programs().items() if args.only in name}
    if not chosen:
        parser.error(f"no program has `{args.only}` in its name")
    if args.save:
        args.builds[1].mkdir(parents=True, exist_ok=True)
        results_of(args.builds[0], chosen, args.jobs, args.builds[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        keep = [pathlib.Path(folder) / side for side in ("before", "after")]
        for k in keep:
            k.mkdir()
        before, after = (results_of(b, chosen, args.jobs, k) for b, k in zip(args.builds, keep))
        known = [n for n in chosen if (before / n).exists() and (after / n).exists()]
        for name in sorted(set(chosen) - set(known)):
            print(f"{name}: is on one side only")
        different = 0
        for name in known:
            found = compare(name, before, after, not args.words)
            different += bool(found)
            if found:
                more = [f"and {len(found) - 12} more"] if len(found) > 12 else []
                print(f"{name}\n" + "\n".join(f"    {line}" for line in [*found[:12], *more]))
        print(f"{len(known)} programs compared: {different} differ" if different else f"{len(known)} programs: the same")
        sys.exit(bool(different) or len(known) < len(chosen))


main()
