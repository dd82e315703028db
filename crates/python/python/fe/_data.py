"""Data of any kind that a caller may have, as the extension module takes them: columns by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._errors import DataError

#: Shape, f64 elements, what they are, levels of text, names of columns.
Incoming = tuple[list[int], bytes, str, "list[str] | None", list[str]]

#: A datum of a program: its name, what its reader names, and of one that takes all columns but some, these.
Source = tuple[str, list[str], "list[str] | None"]


def _sorted(levels: set[str]) -> list[str]:
    """As numbers where all of them are, else by their characters."""
    try:
        return sorted(levels, key=lambda level: (float(level), level))
    except ValueError:
        return sorted(levels)


def _levels(values: list[Any], levels: list[str] | None, name: str) -> Incoming:
    """Text as indices of its levels: in the order stated, else sorted as the command sorts them. What is missing is NaN."""

    def missing(v: Any) -> bool:
        return v is None or v != v or v is getattr(_pandas(), "NA", object())

    texts = [None if missing(v) else str(v) for v in values]
    known = levels if levels is not None else _sorted({t for t in texts if t is not None})
    place = {level: float(k) for k, level in enumerate(known)}
    try:
        codes = np.array([np.nan if t is None else place[t] for t in texts], dtype=np.float64)
    except KeyError as e:
        raise DataError(f"`{name}` holds {e.args[0]!r}, which is none of its levels") from None
    return [len(texts)], codes.tobytes(), "text", known, []


def _pandas() -> Any:
    import sys

    return sys.modules.get("pandas")


def _stated(column: Any) -> list[str] | None:
    """The levels that a categorical column states, in its order."""
    categories = getattr(getattr(column, "dtype", None), "categories", None)
    if categories is None:
        return None
    if hasattr(categories, "to_list"):
        return [str(c) for c in categories.to_list()]
    return [str(c) for c in categories]


def array(column: Any, name: str) -> Incoming:
    """An array, list, number or column of a frame: shape, bytes of f64, what the elements are, and levels of text."""
    stated = _stated(column)
    if stated is not None:
        values = column.to_list() if hasattr(column, "to_list") else list(column)
        return _levels(values, stated, name)
    if hasattr(column, "to_numpy") and not isinstance(column, np.ndarray):
        column = column.to_numpy()
    elif hasattr(column, "__arrow_c_array__") or hasattr(column, "__arrow_c_stream__"):
        column = _arrow(column)
    values = np.asarray(column)
    kind = values.dtype.kind
    if kind == "O":
        flat = [v for v in values.ravel().tolist() if v is not None and v == v]
        if flat and all(isinstance(v, str) for v in flat):
            kind = "U"
        else:
            values = np.array([np.nan if v is None else v for v in values.ravel().tolist()], dtype=np.float64)
            values, kind = values.reshape(np.shape(column)), "f"
    if kind in "US" or values.dtype.name.startswith(("str", "String")):
        if values.ndim != 1:
            raise DataError(f"`{name}` is text with {values.ndim} axes: give one column of it at a time")
        return _levels(values.tolist(), None, name)
    if kind not in "fiub":
        raise DataError(f"`{name}` holds {values.dtype}, which is no number; dates become numbers by an origin of your choice")
    element = {"f": "real", "i": "integer", "u": "integer", "b": "bool"}[kind]
    numbers = np.ascontiguousarray(values, dtype=np.float64)
    return list(numbers.shape), numbers.tobytes(), element, None, []


def _arrow(column: Any) -> Any:
    """What shares its memory by the Arrow interface alone, read by pyarrow or polars where one of them is there."""
    try:
        import pyarrow

        return pyarrow.array(column).to_numpy(zero_copy_only=False)
    except ImportError:
        import polars

        return polars.Series(column).to_numpy()


def _columns(data: Any) -> Mapping[str, Any] | None:
    """The columns of a frame, or the entries of a dict, by name; ``None`` of anything else."""
    if isinstance(data, Mapping):
        return data
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        return {str(c): data[c] for c in data.columns}
    if hasattr(data, "column_names"):
        return {str(c): data.column(c) for c in data.column_names}
    if hasattr(data, "data_vars"):
        return {str(c): data[c].values for c in data.data_vars}
    return None


def _matrix(columns: Mapping[str, Any], names: list[str], name: str) -> Incoming:
    """Columns as a matrix, which knows their names."""
    read = [array(columns[c], c) for c in names]
    text = next((c for c, r in zip(names, read) if r[2] == "text"), None)
    if text is not None:
        raise DataError(f"`{name}` is a matrix of numbers, and the column {text!r} is text")
    vectors = [np.frombuffer(r[1]).reshape(r[0]) for r in read]
    if any(v.ndim != 1 or len(v) != len(vectors[0]) for v in vectors):
        raise DataError(f"`{name}` is a matrix of columns, which are as long as each other: {', '.join(names)}")
    element = "integer" if all(r[2] in ("integer", "bool") for r in read) else "real"
    matrix = np.column_stack(vectors)
    return list(matrix.shape), matrix.tobytes(), element, None, names


def _numbers(column: Any, name: str) -> bool:
    """Whether a column holds numbers."""
    try:
        shape, _, element, _, _ = array(column, name)
    except (DataError, TypeError, ValueError):
        return False
    return element != "text" and len(shape) == 1


def given(data: Any, sources: list[Source]) -> dict[str, Incoming]:
    """The arrays of a program's data among what a caller has.

    A datum takes the column of its own name, or those that its reader names in a file; one that reads all columns but some, all of
    numbers but these. Columns of a frame that the program does
    not read are left alone; an entry of a dict that it does not read is an error.
    """
    if data is None:
        return {}
    columns = _columns(data)
    if columns is None:
        raise DataError(f"data are a dict of arrays or a frame with named columns, not {type(data).__name__}")
    found: dict[str, Incoming] = {}
    used: set[str] = set()
    for name, read, left_out in sources:
        if name in columns:
            found[name] = array(columns[name], name)
            used.add(name)
        elif read and all(c in columns for c in read):
            used.update(read)
            if len(read) == 1:
                found[name] = array(columns[read[0]], name)
            else:
                found[name] = _matrix(columns, read, name)
        elif left_out is not None:
            rest = [c for c in columns if c not in left_out and _numbers(columns[c], c)]
            used.update(rest)
            if rest:
                found[name] = _matrix(columns, rest, name)
    if isinstance(data, Mapping):
        for name in data:
            if name not in used:
                known = ", ".join(n for n, *_ in sources) or "none"
                raise DataError(f"the program has no data called `{name}`; it reads {known}")
    return found
