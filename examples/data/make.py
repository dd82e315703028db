"""Makes the files of this folder from the archives they come from.

    python make.py --mnist mnist.npz --kodak kodak24_gray.npz --color kodak24_rgb.npz --posteriordb posteriordb

mnist.npz         arrays train_x, train_y, test_x, test_y: the MNIST digits as uint8
kodak24_gray.npz  array images, 24 x 512 x 768 uint8: the Kodak suite in grey, in order of number
kodak24_rgb.npz   array images, 24 x 512 x 768 x 3 uint8: the same in colour
posteriordb       a folder with data/*.json and LICENCE.md

Needs numpy, zopfli and pyoxipng. The same inputs give the same bytes.
"""

import argparse
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import oxipng
import zopfli.gzip

HERE = Path(__file__).resolve().parent
# Photographs kept: the ten that compress best.
PHOTOGRAPHS = 10


def digits(archive):
    """The 10,000 test digits as gzipped idx3-ubyte: two zeros, type 08, three axes, their sizes."""
    images = np.load(archive)["test_x"]
    header = struct.pack(">4B3I", 0, 0, 0x08, 3, *images.shape)
    (HERE / "digits.idx.gz").write_bytes(zopfli.gzip.compress(header + images.tobytes()))


def photographs(archive):
    """The photographs that compress best, as 8-bit grey PNG under their numbers in the suite."""
    images = np.load(archive)["images"]
    encoded = []
    for number, image in enumerate(images, start=1):
        height, width = image.shape
        raw = oxipng.RawImage(image.tobytes(), width, height, color_type=oxipng.ColorType.grayscale(None))
        encoded.append((raw.create_optimized_png(level=6), number))
    folder = HERE / "natural"
    folder.mkdir(exist_ok=True)
    for png, number in sorted(encoded, key=lambda pair: len(pair[0]))[:PHOTOGRAPHS]:
        (folder / f"kodim{number:02d}.png").write_bytes(png)


def colours(archive):
    """Every third photograph in colour, its middle of 256 x 256 pixels, as 8-bit PNG under its number in the suite."""
    folder = HERE / "colour"
    folder.mkdir(exist_ok=True)
    for number, image in list(enumerate(np.load(archive)["images"], start=1))[::3]:
        middle = np.ascontiguousarray(image[128:384, 256:512])
        raw = oxipng.RawImage(middle.tobytes(), 256, 256, color_type=oxipng.ColorType.rgb(None))
        (folder / f"kodim{number:02d}.png").write_bytes(raw.create_optimized_png(level=6))


def posteriors(folder):
    """Data of three posteriors: two as they are, one as a table."""
    schools = json.loads((folder / "data/eight_schools.json").read_text())
    rows = zip("ABCDEFGH", schools["y"], schools["sigma"], strict=True)
    lines = ["school,y,sigma"] + [f"{school},{y},{sigma}" for school, y, sigma in rows]
    (HERE / "eight_schools.csv").write_text("\n".join(lines) + "\n")
    shutil.copyfile(folder / "data/GLM_Poisson_Data.json", HERE / "glm_poisson.json")
    shutil.copyfile(folder / "data/kidiq.json", HERE / "kidiq.json")
    shutil.copyfile(folder / "LICENCE.md", HERE / "LICENCE-posteriordb.md")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("mnist", "kodak", "color", "posteriordb"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    paths = parser.parse_args()
    digits(paths.mnist)
    photographs(paths.kodak)
    colours(paths.color)
    posteriors(paths.posteriordb)
