"""What the codes of examples/representation keep of which digit it is: nearest neighbours in the codes of MNIST.

Trains the four programs on the 60,000 training digits with `fe run`, reads params.safetensors, and works out the encoder in
NumPy on the 10,000 test digits. Features are log(rate / prior rate) of Poisson counts, the location of Gaussian and Laplace
codes, the logits of classes. Of the first 5,000 test digits N are labelled, of the last 5,000 each takes the most
frequent label of its 5 nearest ones (ties: the least label); accuracies are means over 5 draws of the N.

Run: python bench/neighbours.py target/release/fe ../shared/data/mnist.npz [--epochs 30] [--codes poisson gaussian]
Without the archive it says so and ends. Each code takes about two minutes on an idle core.
"""

import argparse
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent


def write_idx(path, images):
    """Bytes [images, rows, columns] in the format of the MNIST files."""
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as out:
        out.write(struct.pack(">BBBB", 0, 0, 8, images.ndim) + struct.pack(">3I", *images.shape) + images.tobytes())


def tensors(path):
    """The arrays of a safetensors file by name."""
    raw = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    kinds = {"F32": "<f4", "F64": "<f8"}

    def array(entry):
        start, end = entry["data_offsets"]
        return np.frombuffer(raw[8 + size + start:8 + size + end], kinds[entry["dtype"]]).reshape(entry["shape"])

    return {name: array(entry).astype(float) for name, entry in header.items()}


def features(parameters, latent, x):
    """What the guide's first head says of each row."""
    def dense(name, h):
        return h @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    for layer in ("h.dense.1", "h.dense.2"):
        x = dense(layer, x)
        x = x / (1 + np.exp(-x))
    return dense(f"{latent}.guide.dense.1", x)


def accuracy(code, labels, count, draws=5, k=5):
    """Of the last half of the rows, by `count` labelled rows of the first."""
    half = len(code) // 2
    asked, truth = code[half:], labels[half:]
    found = []
    for seed in range(draws if count < half else 1):
        known = np.random.default_rng(seed).choice(half, count, replace=False)
        points = code[known]
        distance = (points ** 2).sum(1) - 2 * asked @ points.T
        nearest = labels[known][np.argsort(distance, axis=1, kind="stable")[:, :k]]
        votes = np.stack([(nearest == digit).sum(1) for digit in range(10)], axis=1)
        found.append((votes.argmax(1) == truth).mean())
    return np.mean(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fe", type=pathlib.Path)
    parser.add_argument("mnist", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--codes", nargs="*", default=["poisson", "gaussian", "laplace", "categorical"])
    options = parser.parse_args()
    if not options.mnist.exists():
        sys.exit(f"SKIPPED: {options.mnist} is absent")
    mnist = np.load(options.mnist)
    x, labels = mnist["test_x"].reshape(-1, 784) / 255, mnist["test_y"]
    counts = (200, 1000, 5000)
    print("code          D       R  active   " + "".join(f"{n:>8}" for n in counts) + "  seconds")
    print(f"{'pixels':38}" + "".join(f"{accuracy(x, labels, n):8.3f}" for n in counts), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_idx(folder / "train.idx.gz", mnist["train_x"])
        for code in options.codes:
            program = ROOT / f"examples/representation/{code}.fe"
            run = [options.fe.resolve(), "run", program, "--data", "x=train.idx.gz", "--epochs", str(options.epochs),
                   "--threads", str(options.threads), "--out", code, "--quiet", "--json"]
            fit = json.loads(subprocess.run(run, cwd=folder, check=True, capture_output=True).stdout)
            (latent, ledger), = fit["latents"].items()
            z = features(tensors(folder / code / "params.safetensors"), latent, x)
            figures = "".join(f"{accuracy(z, labels, n):8.3f}" for n in counts)
            active = f"{ledger['active']}/{ledger['of']}"
            print(f"{code:11}{fit['distortion']:7.2f}{fit['rate']:8.2f}{active:>8}    {figures}{fit['seconds']:9.0f}", flush=True)


if __name__ == "__main__":
    main()
