"""Stan's ADVI and Pathfinder on the reference posteriors: Stan 2.35 as its headers stand in the wheel of httpstan, compiled with
driver.cpp once for each program in stan/. Seconds are of the fit alone; compiling takes one or two minutes a program, once.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent / "stan"
BUILT = HERE.parent.parent / ".venv/stan"
METHODS = ("meanfield", "fullrank", "pathfinder")


def wheel():
    return Path(distribution("httpstan").locate_file("httpstan"))


def compiled(program):
    """The fitting command of a program, compiled where it is older than what it is made of."""
    made = BUILT / program
    parts = [HERE / f"{program}.stan", HERE / "driver.cpp"]
    if made.exists() and all(made.stat().st_mtime > p.stat().st_mtime for p in parts):
        return made
    BUILT.mkdir(parents=True, exist_ok=True)
    header, stan = BUILT / f"{program}.hpp", wheel()
    os.chmod(stan / "stanc", 0o755)
    subprocess.run([stan / "stanc", "--name=posterior", f"--o={header}", parts[0]], check=True)
    flags = ["-std=c++17", "-O2", "-w", "-DSTAN_THREADS", "-D_REENTRANT", "-DBOOST_DISABLE_ASSERTS"]
    libraries = [f"-L{stan / 'lib'}", "-ltbb", f"-Wl,-rpath,{stan / 'lib'}"]
    command = ["g++", *flags, f'-DMODEL="{header}"', f"-I{stan / 'include'}", parts[1], "-o", made, *libraries]
    print(f"compiling {program}.stan", file=sys.stderr, flush=True)
    subprocess.run(command, check=True)
    return made


def fit(program, data, method, seed):
    """Mean and sd of every parameter, and seconds; `None` for the figures where the method failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({k: np.asarray(v).tolist() for k, v in data.items()}, file)
        file.flush()
        done = subprocess.run([compiled(program), file.name, method, str(seed)], capture_output=True, text=True)
    if done.returncode != 0:
        return None, float("nan")
    found = json.loads(done.stdout)
    figures = found["parameters"] if found["code"] == 0 else None
    return figures, found["seconds"]


if __name__ == "__main__":
    for source in sorted(HERE.glob("*.stan")):
        compiled(source.stem)
