"""What the page on descents says, measured: `python measure.py FE kodak24_gray.npz [part ...]`, NumPy only.

Programs and results lie in the folder `measured`; parts are frozen, lca, trained and online."""

import json
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
OUT = Path("measured")
FE = sys.argv[1]
CONSTANT = 32 * math.log(math.pi)  # Of a Normal of variance 1/2 in 64 dimensions.
LCA_CONSTANT = 32 * math.log(2 * math.pi)  # Of a Normal of variance 1.
SEEDS = (0, 1, 2)


def fe(*arguments):
    done = subprocess.run([FE, *map(str, arguments)], cwd=OUT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def run(program, out, seed=0, steps=None, **values):
    shutil.rmtree(OUT / out, ignore_errors=True)
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    few = [] if steps is None else ["--steps", steps]
    fe("run", f"{program}.fe", "--quiet", "--threads", 1, "--seed", seed, "--out", out, *few, *settings)
    return json.loads((OUT / out / "fit.json").read_text())


def trace(run_name, steps):
    """Columns of every step of a descent, by name."""
    fe("eval", run_name, "--set", f"T={steps}", "--trace", "steps.csv", "--json")
    return np.genfromtxt(OUT / "steps.csv", delimiter=",", names=True)


def freeze(run_name):
    """Parameters of a run become data."""
    held = (OUT / run_name / "params.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", held[:8])
    for name, of in json.loads(held[8 : 8 + length]).items():
        if name in ("u", "W", "E"):
            begin, end = (8 + length + at for at in of["data_offsets"])
            kind = {"F64": "<f8", "F32": "<f4"}[of["dtype"]]
            np.save(OUT / f"{name}.npy", np.frombuffer(held[begin:end], kind).astype("f8").reshape(of["shape"]))


def prepare(images):
    """The first nineteen photographs to train on, the last five held out."""
    OUT.mkdir(exist_ok=True)
    pictures = np.load(images)["images"]
    np.savez(OUT / "photographs.npz", train=pictures[:19], heldout=pictures[19:])
    for program in HERE.glob("*.fe"):
        shutil.copy(program, OUT)


def amortised(seed, beta=1):
    """An encoder's free energy, zeros and R² on rows held out; its parameters become data."""
    run("amortised", "amortised", seed, beta=beta)
    freeze("amortised")
    fit = run("encoder", "encoder", steps=0)
    u, weights = np.load(OUT / "u.npy"), np.load(OUT / "E.npy")
    zeros = np.exp(-np.exp(u + heldout() @ weights)).mean()
    return fit["free_energy"] - CONSTANT, zeros, fit["r2"]


def frozen():
    for seed in SEEDS:
        encoder = amortised(seed)[0]
        print(f"seed {seed}: amortised {encoder:.3f}")
        limits = {}
        for program in ("frozen", "plain"):
            for size in (0.05, 0.1, 0.2):
                run(program, "descent", steps=0, size=size)
                free = trace("descent", 2000)["free_energy"] - CONSTANT
                limits[program, size] = free[-1]
                at = " ".join(f"{free[t]:.3f}" for t in (1, 4, 16, 64, 256, 2000))
                # Rounding of a sum of 64 squares over 300 rows.
                print(f"  {program} step {size}: {at}; rises {int((np.diff(free) > 1e-9).sum())}")
        gap = abs(limits["frozen", 0.05] - limits["frozen", 0.2])
        below = encoder - limits["frozen", 0.05]
        print(f"  limits of .05 and .2 differ by {gap:.1e}; below the encoder by {below:.3f}")


def recurrence(x, atoms, threshold, steps, size):
    """Competition as it is written down: codes, zeros, R², energy."""
    drive, inhibition = x @ atoms.T, atoms @ atoms.T
    shrink = lambda v: np.sign(v) * np.maximum(np.abs(v) - threshold, 0)
    v = np.zeros_like(drive)
    for _ in range(steps):
        a = shrink(v)
        # The limit of a step, as the program has it.
        v = v + np.tanh(size * (drive - a @ inhibition - (v - a)))
    a = shrink(v)
    rest = ((x - a @ atoms) ** 2).sum(1)
    return (a == 0).mean(), 1 - rest.sum() / (x**2).sum(), (rest / 2 + threshold * np.abs(a).sum(1)).mean()


def lca():
    for seed in SEEDS:
        x, curve = heldout(), []
        zeros, r2 = amortised(seed)[1:]
        atoms = np.load(OUT / "W.npy")
        atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
        print(f"seed {seed}: encoder, β 1: zeros {zeros:.3f} R2 {r2:.3f}")
        for threshold in (0.1, 0.2, 0.3, 0.5, 0.7, 1):
            run("lca", "competition", steps=0, T=16, threshold=threshold)
            rows = trace("competition", 4000)
            for steps in (1000, 2000, 4000):
                print(f"  θ {threshold}, {steps} steps: zeros {rows['zeros'][steps]:.4f} R2 {rows['r2'][steps]:.4f}")
            # A Laplace prior's density is an energy up to log(θ/2) for each of 128 codes.
            energy = rows["free_energy"][2000] - LCA_CONSTANT + 128 * math.log(threshold / 2)
            ours = recurrence(x, atoms, threshold, 2000, 0.1)
            apart = (rows["zeros"][2000] - ours[0], rows["r2"][2000] - ours[1], energy / ours[2] - 1)
            print("    from the recurrence: " + " ".join(f"{abs(difference):.1e}" for difference in apart))
            curve.append((rows["zeros"][2000], rows["r2"][2000]))
        for beta in (2, 4, 8):
            zeros, r2 = amortised(seed, beta)[1:]
            real = np.interp(zeros, *zip(*curve))
            print(f"  encoder, β {beta}: zeros {zeros:.3f} R2 {r2:.3f}; competition at these zeros {real:.3f}")


def heldout():
    """The rows as the reader gives them."""
    run("rows", "rows", steps=0)
    fe("codes", "rows", "--latent", "z", "--out", "rows.npz")
    return np.load(OUT / "rows.npz")["z_mean"]


def trained():
    for seed in SEEDS:
        for program in ("trained", "trained_all"):
            fit = run(program, "fit", seed)
            freeze("fit")
            run("settled", "settled", steps=0)
            free = trace("settled", 1000)["free_energy"] - CONSTANT
            at = " ".join(f"{t}: {free[t]:.3f}" for t in (4, 16, 64, 1000))
            print(f"seed {seed} {program}: F at {at}; rises {int((np.diff(free) > 1e-9).sum())}"
                  f" ({fit['seconds']:.0f} s)")
        run("trained_all", "four", seed, T=4)
        freeze("four")
        run("settled", "settled", steps=0)
        free = trace("settled", 1000)["free_energy"] - CONSTANT
        print(f"seed {seed} four steps: F at 4 {free[4]:.3f}, at 16 {free[16]:.3f}, at 1000 {free[1000]:.3f}")


def online():
    for seed in SEEDS:
        run("online", "fond", seed)
        freeze("fond")
        run("frames", "frames", steps=0, T=1000)
        fe("codes", "frames", "--latent", "z", "--out", "codes.npz")
        rates = np.load(OUT / "codes.npz")["z_mean"]
        atoms, x = np.load(OUT / "W.npy"), heldout()
        said = []
        for t in (1, 4, 16, 64, 256, 1000):
            rest = ((x - rates[:, t - 1] @ atoms) ** 2).sum()
            said.append(f"{np.exp(-rates[:, t - 1]).mean():.3f}/{1 - rest / (x**2).sum():.3f}")
        print(f"seed {seed} FOND zeros/R2 {' '.join(said)}")


def spiking():
    for seed in SEEDS:
        run("spiking", "spiking", seed)
        freeze("spiking")
        run("spikes", "spikes", steps=0)
        free = trace("spikes", 1000)["free_energy"] - CONSTANT
        fe("eval", "spikes", "--set", "T=1000", "--out", "rows.csv", "--json")
        rows = np.genfromtxt(OUT / "rows.csv", delimiter=",", names=True)["free_energy"] - CONSTANT
        print(f"seed {seed} spiking: F(16) {free[16]:.3f} F(1000) {free[1000]:.3f}; finite in"
              f" {int(np.isfinite(rows).sum())} of {len(rows)} rows, largest {rows.max():.1f}")


prepare(sys.argv[2])
for part in sys.argv[3:] or ("frozen", "lca", "trained", "online", "spiking"):
    globals()[part]()
