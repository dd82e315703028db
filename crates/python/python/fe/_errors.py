"""What goes wrong, as exceptions. Each carries the diagnostics with their spans."""

from __future__ import annotations

import json
from typing import Any


class Error(Exception):
    """Anything that ends the way from a program to its fit.

    ``diagnostics`` is a list of dicts: ``code``, ``severity``, ``message``, ``help`` and ``labels``, each label with its ``message``
    and its place, ``start`` and ``end`` in bytes, ``line`` and ``column`` from 1.
    """

    def __init__(self, text: str, coloured: str = "", diagnostics: list[dict[str, Any]] | None = None) -> None:
        super().__init__(text.rstrip("\n"))
        self.coloured = coloured or text
        self.diagnostics = diagnostics or []

    def _render_traceback_(self) -> list[str]:
        """In a notebook: the message with its spans, and no trace of calls into the package."""
        return [self.coloured]


class ProgramError(Error):
    """The program is wrong."""


class RequestError(Error, ValueError):
    """What is asked for cannot be had of this program or fit."""


class DataError(Error, ValueError):
    """The data are wrong or missing."""


class FitError(Error):
    """The fit failed: a value stopped being finite."""


class FileError(Error, OSError):
    """A file could not be read or written."""


class Fault(Error):
    """A fault of the compiler itself, to be reported."""


_KINDS = {
    "program": ProgramError,
    "request": RequestError,
    "option": RequestError,
    "data": DataError,
    "fit": FitError,
    "io": FileError,
    "fault": Fault,
}


def of(kind: str, plain: str, coloured: str, diagnostics: str) -> Error:
    """The exception of a kind, as the extension module raises it."""
    return _KINDS[kind](plain, coloured, json.loads(diagnostics)["diagnostics"])
