"""Every notebook of the examples is executed, as it stands; ``UPDATE_NOTEBOOKS=1`` keeps what it shows."""

from __future__ import annotations

import os
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))

#: Seconds on two cores.
LIMIT = 120


def shown(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """The kinds of what each cell shows."""
    return [[o.output_type for o in cell.get("outputs", [])] for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    began = time.monotonic()
    # A cell that raises ends it, with the cell and what it raised.
    NotebookClient(notebook, timeout=4 * LIMIT, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    took = time.monotonic() - began
    if os.environ.get("UPDATE_NOTEBOOKS"):
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        nbformat.write(notebook, path)
        kept = notebook
    assert shown(kept) == shown(notebook), f"{path.name} shows other things than are kept: UPDATE_NOTEBOOKS=1 keeps these"
    # Somebody else may be at work on this machine: its own processor time is what counts there.
    assert took < LIMIT or os.getloadavg()[0] > (os.cpu_count() or 1) + 1, f"{path.name} takes {took:.0f} s"


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
