"""The cell magic ``%%fe``: a cell that is a program, fitted to data of the notebook."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

import fe


def arguments(line: str) -> argparse.Namespace:
    """What stands behind ``%%fe``."""
    parser = argparse.ArgumentParser(prog="%%fe", add_help=False, exit_on_error=False)
    parser.add_argument("--data", help="a dict or a frame of the notebook")
    parser.add_argument("--out", default="fit", help="the name that the fit is given")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args(shlex.split(line))


def register(ipython: Any) -> None:
    """Makes the magic known to a notebook."""

    def cell(line: str, body: str) -> Any:
        asked = arguments(line)
        data = ipython.user_ns[asked.data] if asked.data else None
        values = dict(pair.split("=", 1) for pair in asked.set)
        fit = fe.Model(body + "\n").fit(data, set=values, seed=asked.seed, steps=asked.steps)
        ipython.user_ns[asked.out] = fit
        return fit

    ipython.register_magic_function(cell, magic_kind="cell", magic_name="fe")
