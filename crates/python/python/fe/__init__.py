"""Free Energy: probabilistic programs compiled to their free energy, fitted, and accounted for.

>>> import fe
>>> model = fe.Model("regression.fe")
>>> fit = model.fit({"x": x, "y": y}, seed=0)
>>> fit.F, fit.terms, fit.verdict, fit.params
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import warnings as _warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _fe
from ._data import Source, given as _given
from ._errors import DataError, Error, Fault, FileError, FitError, ProgramError, RequestError
from ._pool import shared as _shared
from ._results import Arrays, Loo, Param, Verdict, inference_data as _inference_data, tensors as _tensors

__version__ = _fe.__version__
__all__ = [
    "Arrays", "DataError", "Error", "Fault", "FileError", "Fit", "FitError", "Loo", "Model", "Param", "ProgramError",
    "RequestError", "Stream", "Sweep", "Verdict", "check", "compare", "load",
]  # fmt: skip


def _text(program: str | os.PathLike[str]) -> tuple[str, str, str]:
    """A program's text, what messages call it, and the folder that paths in it are relative to."""
    name = os.fspath(program)
    if "\n" not in name and (name.endswith(".fe") or isinstance(program, os.PathLike)):
        path = Path(name)
        try:
            return path.read_text(encoding="utf-8"), name, str(path.parent)
        except OSError as e:
            raise FileError(f"{name} cannot be read: {e.strerror}") from None
        except UnicodeDecodeError:
            raise FileError(f"{name} is not UTF-8 text") from None
    return name, "program", "."


def _set(values: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (values or {}).items()}


def check(program: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """What is to be said of a program, as diagnostics with their spans; none of one that is right."""
    return json.loads(_fe.check(*_text(program)))["diagnostics"]


class Model:
    """A program: the path of a ``.fe`` file, or its text."""

    def __init__(self, program: str | os.PathLike[str]) -> None:
        self.source, self._file, self._folder = _text(program)
        self._model = _fe.Model(self.source, self._file, self._folder)

    def __repr__(self) -> str:
        return f"fe.Model({self._file!r})"

    def check(self) -> list[dict[str, Any]]:
        """As :func:`check`."""
        return json.loads(_fe.check(self.source, self._file, self._folder))["diagnostics"]

    def _read(self, data: Any, files: Mapping[str, Any] | None, values: dict[str, str]) -> tuple[Any, dict[str, str]]:
        return _given(data, self._model.sources(values)), {n: os.fspath(f) for n, f in (files or {}).items()}

    def fit(
        self,
        data: Any = None,
        *,
        set: Mapping[str, Any] | None = None,
        seed: int | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        threads: int | None = None,
        precision: str | None = None,
        files: Mapping[str, str | os.PathLike[str]] | None = None,
        progress: Callable[[int, int | None, float], None] | None = None,
    ) -> Fit:
        """Fits the program: the same numbers as ``fe run``, bit for bit.

        ``data`` is a dict of arrays, or a pandas, polars or arrow frame, an xarray Dataset: columns by the names of the program's
        data, or those that its readers name. What it leaves out is read from files as the program says; ``files`` names others.
        ``set`` gives values of ``const`` and ``dim``. ``progress(step, of, objective)`` is called a few times a second.
        """
        values = _set(set)
        arrays, paths = self._read(data, files, values)
        made = self._model.fit(
            arrays, paths, values,
            seed=seed, steps=steps, epochs=epochs, threads=threads, precision=precision, progress=progress,
        )  # fmt: skip
        if said := made.warnings():
            _warnings.warn("\n" + said, stacklevel=2)
        return Fit(made)

    def sweep(
        self,
        over: Mapping[str, Sequence[Any]],
        data: Any = None,
        *,
        set: Mapping[str, Any] | None = None,
        seed: int | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        threads: int | None = None,
        precision: str | None = None,
        files: Mapping[str, str | os.PathLike[str]] | None = None,
        folder: str | os.PathLike[str] | None = None,
        pool: Any = None,
        shards: int | None = None,
    ) -> Sweep:
        """Fits over values of a ``const`` or ``dim``, or of two: ``m.sweep({"beta": [0.1, 1, 8]}, data)``.

        ``folder`` keeps the sweep's directory; without one nothing is kept but what is given back. With ``pool`` the fits are made
        by its workers, in so many ``shards``: an executor of ``concurrent.futures``, a dask ``Client``, a submitit ``Executor`` or the
        ``ray`` module, whose workers see ``folder`` and have this package. The numbers are the same, bit for bit.
        """
        if shards is not None and (pool is None or shards < 1):
            raise RequestError("`shards` is how many a pool works on: give a `pool` too, and at least 1")
        values = _set(set)
        arrays, paths = self._read(data, files, values)
        asked = [f"{name}={','.join(str(v) for v in vs)}" for name, vs in over.items()]
        with tempfile.TemporaryDirectory() as aside:
            where = os.path.abspath(folder) if folder is not None else aside
            wishes = {"seed": seed, "steps": steps, "epochs": epochs, "threads": threads, "precision": precision}
            if pool is not None:
                # From wherever a worker is.
                paths = {name: os.path.abspath(path) for name, path in paths.items()}
                points = math.prod(len(vs) for vs in over.values())
                _shared(
                    pool, shards, points, source=self.source, file=self._file, base=os.path.abspath(self._folder),
                    over=asked, arrays=arrays, paths=paths, values=values, folder=where, wishes=wishes,
                )  # fmt: skip
            found = self._model.sweep(asked, arrays, paths, values, where, resume=pool is not None, **wishes)
        return Sweep(json.loads(found))

    def stream(
        self,
        data: Any = None,
        *names: str,
        set: Mapping[str, Any] | None = None,
        files: Mapping[str, str | os.PathLike[str]] | None = None,
        **options: Any,
    ) -> Stream:
        """A stream whose parameters stay at their start; of a fitted program, :meth:`Fit.stream`.

        ``data`` says how large the program's data are, and holds what a line does not give.
        """
        values = _set(set)
        arrays, paths = self._read(data, files, values)
        # A plan is made by its first fit.
        made = self._model.fit(arrays, paths, values, steps=None if options.get("plan") else 0)
        return Fit(made).stream(*names, **options)


class Fit:
    """A finished fit."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self._sources: list[Source] = made.sources()
        self.document: dict[str, Any] = json.loads(made.document())

    @property
    def F(self) -> float:
        """The free energy, nats per row."""
        return _number(self.document["free_energy"])

    @property
    def D(self) -> float:
        """The distortion, nats per row."""
        return _number(self.document["distortion"])

    @property
    def R(self) -> float:
        """The rate, nats per row."""
        return _number(self.document["rate"])

    @property
    def terms(self) -> dict[str, dict[str, Any]]:
        """The terms of the free energy by ``"rate z"``, ``"distortion x"``: nats per row, standard error, estimator, reason."""
        return {f"{t['kind']} {t['name']}": t for t in self.document["terms"]}

    @property
    def verdict(self) -> Verdict:
        """Whether the fit can be relied on."""
        v = self.document["verdict"]
        return Verdict(v["converged"], v["trusted"], v["khat"], v["notes"], v)

    @property
    def params(self) -> dict[str, Param]:
        """The program's parameters with their standard errors, where these could be had, weights of layers too."""

        def of(p: dict[str, Any]) -> Param:
            se = p.get("se")
            return Param(_array(p["value"]), None if se is None else _array(se))

        found = {name: of(p) for name, p in self.document["params"].items()}
        large = [p["name"] for p in self.document.get("params_in_file", [])]
        if large and (raw := self._made.file("params.safetensors")) is not None:
            saved = _tensors(bytes(raw))
            found |= {name: Param(saved[name], None) for name in large if name in saved}
        return found

    @property
    def posterior(self) -> dict[str, dict[str, np.ndarray]]:
        """Mean, sd and quantiles of each latent, from the table to read: the resampled one where there is one."""
        table = self.document.get("posterior_resampled") or self.document["posterior"]
        return {name: {key: _array(v) for key, v in of.items()} for name, of in table.items()}

    def loo(self) -> Loo:
        """Leave-one-out cross-validation; an error where the program's rows do not allow it."""
        loo = self.document.get("loo")
        if loo is None:
            raise RequestError("this fit has no leave-one-out: rows depend on more than shared latents, or come in batches")
        return Loo(loo["elpd"], loo["se"], loo["p_loo"], loo["unreliable"], _array(loo["rows"]), _array(loo["khat"]))

    def summary(self, width: int = 100) -> str:
        """The ledger as the command prints it."""
        return self._made.ledger(width, False)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        page = self.html.replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" style="width:100%;height:36em;border:0" sandbox></iframe>'

    @property
    def html(self) -> str:
        """The report, one page that stands alone."""
        return bytes(self._made.file("report.html")).decode()

    @property
    def idata(self) -> Any:
        """ArviZ' InferenceData (xarray's DataTree with later versions) of draws, estimates and data."""
        if groups := self._made.groups():
            return _inference_data(groups)
        import arviz

        return arviz.from_netcdf(os.path.join(self._made.folder(), "posterior.nc"))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the run's directory, as ``fe run`` does."""
        self._made.save(os.fspath(folder))

    def pictures(self, folder: str | os.PathLike[str]) -> int:
        """Writes every picture of the page into a folder as SVG, for a paper, and gives how many they are."""
        return self._made.pictures(os.fspath(folder))

    def _new(self, data: Any, files: Mapping[str, Any] | None) -> tuple[Any, dict[str, str]]:
        return _given(data, self._sources), {n: os.fspath(f) for n, f in (files or {}).items()}

    def codes(self, *names: str, data: Any = None, files: Mapping[str, Any] | None = None) -> Arrays:
        """What the guide says of each row: ``z_mean``, ``z_sd``, or ``z_probability`` of finite latents; of new rows with ``data``."""
        arrays, paths = self._new(data, files)
        found, _, notes = self._made.codes(arrays, paths, list(names))
        return Arrays(found, notes)

    def predict(
        self,
        data: Any = None,
        *,
        interval: float = 0.9,
        count: int = 4000,
        seed: int | None = None,
        ahead: int | None = None,
        draws: bool = False,
        files: Mapping[str, Any] | None = None,
    ) -> Arrays:
        """What is observed at new rows, which ``data`` describes without it: ``y_mean``, ``y_sd``, ``y_q5``, ``y_q50``, ``y_q95``.

        Groups that the fit has not seen are drawn from their priors, which ``notes`` say. ``ahead`` continues a chain.
        """
        arrays, paths = self._new(_without(data, self._observed(), self._sources), files)
        return Arrays(*self._made.predict(arrays, paths, interval, count, seed, ahead, draws))

    def _observed(self) -> set[str]:
        return {t["name"] for t in self.document["terms"] if t["kind"] == "distortion"}

    def eval(self, data: Any = None, *, set: Mapping[str, Any] | None = None, files: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Free energy, distortion and rate of new rows, or of the fit's own; each by itself in ``["by_row"]``."""
        arrays, paths = self._new(data, files)
        return json.loads(self._made.eval(arrays, paths, _set(set)))

    def stream(
        self, *names: str, samples: int = 64, seed: int | None = None, plan: bool = False, steps: int = 50, starts: int = 2
    ) -> Stream:
        """The program turned one line at a time, its state carried: online inference, or a controller in a loop.

        ``names`` are the latents and ``let`` values to tell of, by default every latent. With ``plan`` the parameters are fitted again
        at each line, from where they were, moved by one position.
        """
        return Stream(self._made.stream(list(names), samples, seed, (steps, starts) if plan else None))

    def sample(self, count: int = 1000, seed: int | None = None) -> dict[str, np.ndarray]:
        """New data for each of so many draws of the guide, draws first."""
        (_, draws, _, arrays, _, _), = self._made.sample(count, seed)
        return {n: np.frombuffer(v, dtype=np.float64).reshape([draws, *s]).copy() for n, _, s, v in arrays}


class Stream:
    """A program or a fit in the course of a stream: ``answer = stream.step(x)``."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self.notes: list[str] = made.notes()
        self.taken: dict[str, bool] = dict(made.taken())

    def step(self, value: Any = None, /, **given: Any) -> dict[str, Any]:
        """Answers a line: ``step(frame)`` where lines give one thing, else ``step(x=…, s=…)``; what may be left out goes on by itself.

        The answer has ``free_energy``, ``distortion`` and ``rate`` in nats, ``spikes``, ``codes`` by latent with ``mean``, ``sd`` and a
        ``draw``, and the ``action`` that moves the states.
        """
        if value is not None:
            needed = [name for name, optional in self.taken.items() if not optional]
            if len(needed) != 1:
                raise RequestError(f"lines give {', '.join(self.taken) or 'nothing'}: name what is given, as in step(x=...)")
            given = {needed[0]: value, **given}
        line = json.dumps({name: _listed(v) for name, v in given.items()})
        answer = json.loads(self._made.step(line))
        answer["codes"] = {name: {k: _array(v) for k, v in of.items()} for name, of in answer["codes"].items()}
        if "action" in answer:
            answer["action"] = {name: _array(v) for name, v in answer["action"].items()}
        return answer


class Sweep:
    """The fits of a sweep, and the certificate of its curve."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @property
    def points(self) -> list[dict[str, Any]]:
        """A dict for each fit: what was swept, F, D, R, whether it converged."""
        return self.document["points"]

    @property
    def certificate(self) -> list[dict[str, Any]]:
        """For each pair of neighbours, whether the curve is as that of minima has to be."""
        return self.document["certificate"]

    def frame(self) -> Any:
        """The points as a pandas frame; what is nested in them is left out."""
        import pandas

        flat = [{k: v for k, v in p.items() if not isinstance(v, (dict, list))} for p in self.points]
        return pandas.DataFrame(flat)

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def load(run: str | os.PathLike[str]) -> Fit:
    """A finished run, from its directory."""
    return Fit(_fe.load(os.fspath(run)))


def compare(fits: Mapping[str, Fit]) -> list[dict[str, Any]]:
    """Fits to the same rows by leave-one-out, the best first: elpd, its difference from the best, and the error of that."""
    documents = [(name, json.dumps(fit.document)) for name, fit in fits.items()]
    return json.loads(_fe.compare(documents))["fits"]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _listed(value: Any) -> Any:
    """Nested lists of numbers or text, ``None`` standing for NaN."""
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        return array.tolist()
    numbers = array.astype(np.float64)
    return np.where(np.isnan(numbers), None, numbers.astype(object)).tolist()


def _array(value: Any) -> np.ndarray:
    """Nested lists, ``None`` standing for NaN."""
    return np.array(value, dtype=np.float64)


def _without(data: Any, observed: set[str], sources: list[Source]) -> Any:
    """A frame without the columns of what is observed: a prediction does not read them."""
    if data is None or isinstance(data, Mapping):
        return data
    left_out = {c for name, read, _ in sources if name in observed for c in [name, *read]}
    kept = [c for c in data.columns if str(c) not in left_out] if hasattr(data, "columns") else None
    return data if kept is None else data[kept]


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext fe`` gives notebooks the cell magic ``%%fe``."""
    from ._magic import register

    register(ipython)
