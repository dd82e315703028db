"""The same linear Poisson VAE fitted by `fe` and by NumPy, from the same start, on the same patches.

Three comparisons, each of D + R and of D + beta R per row, less the likelihood's constant (D / 2) log(pi):

    at_start   fe's figures after no steps, and NumPy's for the same parameters: the closed forms alone
    at_fit     fe's figures after its fit, and NumPy's for fe's fitted parameters
    fits       fe's fit and NumPy's own fit: they differ in the order of the rows only

`seconds` are those of fitting, without reading the data and taking the figures. NumPy's threads are set by
OMP_NUM_THREADS before it starts, fe's by --threads.

Run: python bench/compare_linear_vae.py target/release/fe
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import linear_vae

BATCH, LR = 1000, 0.005  # as in linear_vae.fe


def run_fe(fe, folder, out, args, steps):
    """Run the program in `folder`; return fit.json and the parameters."""
    command = [fe, "run", folder / "linear_vae.fe", "--out", folder / out, "--steps", steps, "--seed", args.seed,
               "--set", f"K={args.units}", "--set", f"beta={args.beta}", "--threads", args.threads, "--quiet"]
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)
    fit = json.loads((folder / out / "fit.json").read_text())
    params = load_file(folder / out / "params.safetensors")
    return fit, {name: params[name].astype(np.float32) for name in ("u", "E", "W")}


def compare(fit, numpy_figures, beta, constant):
    """Both free energies and objectives, less the constant, and their relative differences."""
    d, r = fit["distortion"] - constant, fit["rate"]
    out = {"fe": {"D": d, "R": r, "seconds": fit["seconds"]}, "numpy": {k: numpy_figures[k] for k in ("D", "R")}}
    for name, weight in (("F", 1), ("objective", beta)):
        ours, theirs = d + weight * r, numpy_figures["D"] + weight * numpy_figures["R"]
        out[name] = {"fe": ours, "numpy": theirs, "relative_difference": ours / theirs - 1}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("fe", help="the fe binary")
    add("--data", default="../shared/data/kodak24_gray.npz")
    add("--images", type=int, default=19)
    add("--patch", type=int, default=16)
    add("--count", type=int, default=80_000)
    add("--units", type=int, default=256)
    add("--beta", type=float, default=1.0)
    add("--steps", type=int, default=2500)
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--tolerance", type=float, default=0.005, help="largest relative difference of the fits; exit 1 beyond")
    args = parser.parse_args()

    images = np.load(args.data)["images"][: args.images]
    patches = linear_vae.make_patches(images, args.count, args.patch, args.seed)
    constant = 0.5 * patches.shape[1] * np.log(np.pi)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "patches.npy", patches)
        shutil.copy(Path(__file__).with_name("linear_vae.fe"), folder)
        start_fit, start = run_fe(args.fe, folder, "start", args, 0)
        fit, fitted = run_fe(args.fe, folder, "fit", args, args.steps)

    result = {
        "at_start": compare(start_fit, linear_vae.evaluate(start, patches), args.beta, constant),
        "at_fit": compare(fit, linear_vae.evaluate(fitted, patches), args.beta, constant),
    }
    began = time.perf_counter()
    own = linear_vae.train(patches, start, args.beta, args.steps, BATCH, LR, seed=args.seed)
    seconds = time.perf_counter() - began
    result["fits"] = compare(fit, linear_vae.evaluate(own, patches), args.beta, constant)
    result["fits"]["numpy"]["seconds"] = seconds
    print(json.dumps(result, indent=2, default=float))
    off = max(abs(result["fits"][name]["relative_difference"]) for name in ("F", "objective"))
    if off > args.tolerance:
        sys.exit(f"the fits differ by {off:.3%}")


if __name__ == "__main__":
    main()
