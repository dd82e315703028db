"""What is read of a fit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np


def outgoing(arrays: list[tuple[str, list[str], list[int], bytes]]) -> dict[str, np.ndarray]:
    """Arrays by name, from the extension module's bytes."""
    return {name: np.frombuffer(values, dtype=np.float64).reshape(shape).copy() for name, _, shape, values in arrays}


def axes(arrays: list[tuple[str, list[str], list[int], bytes]]) -> dict[str, tuple[str, ...]]:
    """The names of their axes."""
    return {name: tuple(along) for name, along, _, _ in arrays}


def tensors(raw: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file: the length of a header, the header, and what it places."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    types = {"F64": np.float64, "F32": np.float32}

    def of(entry: dict[str, Any]) -> np.ndarray:
        first, last = (8 + size + offset for offset in entry["data_offsets"])
        return np.frombuffer(raw[first:last], dtype=types[entry["dtype"]]).reshape(entry["shape"]).astype(np.float64)

    return {name: of(entry) for name, entry in header.items() if name != "__metadata__" and entry["dtype"] in types}


@dataclass(frozen=True)
class Param:
    """A parameter as fitted. ``se`` is its standard error by the curvature, or ``None``."""

    value: np.ndarray
    se: np.ndarray | None


@dataclass(frozen=True)
class Verdict:
    """Whether a fit can be relied on: ``trusted`` is ``None`` where something was held to no check."""

    converged: bool
    trusted: bool | None
    khat: float | None
    notes: list[str]
    everything: dict[str, Any] = field(repr=False, default_factory=dict)

    def __bool__(self) -> bool:
        return self.trusted is True


@dataclass(frozen=True)
class Loo:
    """Leave-one-out cross-validation, nats: ``rows`` and ``khat`` by row."""

    elpd: float
    se: float
    p_loo: float
    unreliable: int
    rows: np.ndarray = field(repr=False)
    khat: np.ndarray = field(repr=False)


class Arrays(dict):
    """Arrays by name, as attributes too, with the names of their axes and what the reader should know."""

    axes: dict[str, tuple[str, ...]]
    notes: list[str]

    def __init__(self, arrays: list[tuple[str, list[str], list[int], bytes]], notes: list[str]) -> None:
        super().__init__(outgoing(arrays))
        self.axes = axes(arrays)
        self.notes = notes

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def frame(self) -> Any:
        """A pandas frame of what begins with the axis of the first array: a line for each row."""
        import pandas

        names = list(self)
        first = self.axes[names[0]][:1] if names else ()
        columns: dict[str, np.ndarray] = {}
        for name in names:
            if self.axes[name][:1] != first or not first:
                continue
            flat = self[name].reshape(len(self[name]), -1)
            for k in range(flat.shape[1]):
                place = np.unravel_index(k, self[name].shape[1:]) if self[name].ndim > 1 else ()
                label = f"{name}[{', '.join(str(int(i)) for i in place)}]" if place else name
                columns[label] = flat[:, k]
        return pandas.DataFrame(columns)


def _coordinate(levels: list[str] | None, size: int) -> Any:
    """Levels, as numbers where each is a whole one as it is written; else the places along the axis."""
    if levels is None:
        return np.arange(size)
    try:
        numbers = [int(level) for level in levels]
    except ValueError:
        return levels
    return np.array(numbers) if [str(number) for number in numbers] == levels else levels


def inference_data(groups: list[Any]) -> Any:
    """ArviZ' InferenceData, or xarray's DataTree, of the groups of draws and data."""
    import arviz
    import xarray

    made = {}
    for name, draws, chains, arrays, attributes, labels in groups:
        chains, levels = max(chains, 1), dict(labels)
        variables, coords = {}, {}
        for variable, along, shape, values in arrays:
            lead = ["chain", "draw"] if draws else []
            sizes = ([chains, draws] if draws else []) + list(shape)
            array = np.frombuffer(values, dtype=np.float64).reshape(sizes).copy()
            dims = lead + [a.replace("'", "_prime") for a in along]
            variables[variable.replace("'", "_prime")] = (dims, array)
            named = {d: levels[d] if len(levels.get(d, ())) == n else None for d, n in zip(dims, sizes)}
            coords.update({d: _coordinate(named[d], n) for d, n in zip(dims, sizes)})
        made[name] = xarray.Dataset(variables, coords=coords, attrs=dict(attributes))
    if hasattr(arviz, "InferenceData"):
        return arviz.InferenceData(**made)
    return xarray.DataTree.from_dict({f"/{name}": dataset for name, dataset in made.items()})
