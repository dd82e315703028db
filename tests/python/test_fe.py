"""The package beside the command: the same numbers, and what the package alone does."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fe
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FE = os.path.abspath(os.environ["FE"])

REGRESSION = """
data x[N] = csv("rows.csv", "x")
data g[N] : index(G) = csv("rows.csv", "g")
data y[N] = csv("rows.csv", "y")
param sigma : positive = 1
latent w ~ Normal(0, 2)
latent a[G] ~ Normal(0, 1)
observe y ~ Normal(w * x + a[g], sigma)
"""

LINE = """
data x[N] = csv("rows.csv", "x")
data y[N] = csv("rows.csv", "y")
param slope = 0
param level = 0
param sigma : positive = 1
observe y ~ Normal(level + slope * x, sigma)
"""


def rows(*names: str) -> dict[str, np.ndarray]:
    """Some columns of a table, or all."""
    t = np.arange(30)
    x = np.sin(1.7 * t) * 2
    g = np.array(["red", "green", "blue"])[t * 7 % 11 % 3]
    y = 1.5 * x + np.cos(0.9 * t) + (g == "red") * 0.5
    return {name: v for name, v in {"x": x, "g": g, "y": y}.items() if not names or name in names}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = rows()
    lines = [f"{x!r},{g},{y!r}" for x, g, y in zip(data["x"].tolist(), data["g"], data["y"].tolist())]
    (tmp_path / "rows.csv").write_text("x,g,y\n" + "\n".join(lines) + "\n")
    (tmp_path / "model.fe").write_text(REGRESSION)
    (tmp_path / "line.fe").write_text(LINE)
    return tmp_path


def command(folder: Path, *arguments: str) -> str:
    done = subprocess.run([FE, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def timeless(document: dict) -> dict:
    return {k: v for k, v in document.items() if k not in ("seconds", "threads", "run")}


def test_arrays_frames_and_the_command_give_the_same_numbers(folder: Path) -> None:
    said = json.loads(command(folder, "run", "model.fe", "--json", "--quiet", "--seed", "3", "--out", "run"))
    model = fe.Model(folder / "model.fe")
    fit = model.fit(rows(), seed=3)
    assert timeless(fit.document) == timeless(said)
    import pandas
    import polars

    for frame in (pandas.DataFrame(rows()), polars.DataFrame(rows())):
        assert timeless(model.fit(frame, seed=3).document) == timeless(said)
    # Files that the program names are read where nothing is given.
    assert timeless(model.fit(seed=3).document) == timeless(said)
    assert fit.F == said["free_energy"] and fit.F == pytest.approx(fit.D + fit.R)
    assert fit.verdict.converged and "F = D + R" in fit.summary()
    assert fit.html.startswith("<!DOCTYPE html>") and "iframe" in fit._repr_html_()


def test_large_parameters_are_given_whole() -> None:
    program = "dim L = 10_001\nparam big[L] = 0.25\ndata y[N] = [1, 2]\nobserve y ~ Normal(sum(big, L), 1)"
    big = fe.Model(program).fit().params["big"]
    assert big.value.shape == (10_001,) and big.value.sum() == pytest.approx(1.5, abs=1e-4) and big.se is None


def test_maximum_likelihood_is_that_of_least_squares(folder: Path) -> None:
    fit = fe.Model(folder / "line.fe").fit(rows("x", "y"))
    data = rows()
    design = np.column_stack([np.ones(30), data["x"]])
    found, *_ = np.linalg.lstsq(design, data["y"], rcond=None)
    residual = data["y"] - design @ found
    sigma = np.sqrt(np.mean(residual**2))
    assert fit.params["level"].value == pytest.approx(found[0], abs=1e-5)
    assert fit.params["slope"].value == pytest.approx(found[1], abs=1e-5)
    assert fit.params["sigma"].value == pytest.approx(sigma, abs=1e-5)
    errors = np.sqrt(np.diag(sigma**2 * np.linalg.inv(design.T @ design)))
    assert fit.params["level"].se == pytest.approx(errors[0], rel=1e-3)
    assert fit.params["slope"].se == pytest.approx(errors[1], rel=1e-3)
    # The information of log sigma is 2 N.
    assert fit.params["sigma"].se == pytest.approx(sigma / np.sqrt(60), rel=1e-3)


def test_predictions_know_groups_that_the_fit_has_not_seen(folder: Path) -> None:
    fit = fe.Model(folder / "model.fe").fit(rows())
    found = fit.predict({"x": [0.0, 1.0], "g": ["red", "violet"]}, draws=True)
    assert found.y_mean.shape == (2,) and found.y_draws.shape == (4000, 2)
    assert any("violet" in note for note in found.notes)
    # Of a group that was not seen the prior's standard deviation is added.
    assert found.y_sd[1] > 1 > found.y_sd[0]
    assert (found.y_q5 < found.y_q50).all() and (found.y_q50 < found.y_q95).all()
    with pytest.raises(fe.RequestError, match="what is known of new rows"):
        fit.predict({"x": [0.0]})
    with pytest.raises(fe.RequestError, match="what is predicted"):
        fit.predict({"x": [0.0], "g": ["red"], "y": [1.0]})
    import pandas

    assert len(fit.predict(pandas.DataFrame(rows()), interval=0.5).frame()) == 30


def test_codes_evaluation_and_leave_one_out(folder: Path) -> None:
    fit = fe.Model(folder / "model.fe").fit(rows())
    with pytest.raises(fe.RequestError, match="--latent: `w`, `a`"):
        fit.codes()
    codes = fit.codes("a")
    assert codes.axes["a_mean"] == ("G",) and codes.a_sd.shape == (3,)
    new = fit.eval({k: v[:5] for k, v in rows().items()})
    assert new["rows"] == 5 and len(new["by_row"]["free_energy"]) == 5
    loo = fit.loo()
    assert loo.rows.sum() == pytest.approx(loo.elpd)
    without = fe.Model(REGRESSION.replace("w * x + ", "0 * w * x + ")).fit(rows())
    table = fe.compare({"with x": fit, "without": without})
    assert [row["name"] for row in table] == ["with x", "without"] and table[1]["difference"] < 0
    assert fit.sample(10)["y"].shape == (10, 30)


def test_idata_is_arviz(folder: Path) -> None:
    arviz = pytest.importorskip("arviz")
    fit = fe.Model(folder / "model.fe").fit(rows())
    idata = fit.idata
    assert idata.posterior["a"].dims == ("chain", "draw", "G")
    assert list(idata.posterior["G"].values) == ["blue", "green", "red"]
    assert arviz.loo(idata).elpd_loo == pytest.approx(fit.loo().elpd, abs=0.2 * fit.loo().se)
    assert "observed_data" in idata.groups() and "point_estimates" in idata.groups()
    assert len(arviz.summary(idata, var_names=["w"], kind="stats")) == 1


def test_errors_are_rendered_with_their_spans(folder: Path) -> None:
    assert fe.check(folder / "model.fe") == []
    wrong = REGRESSION.replace("Normal(0, 2)", "Gausian(0, 2)")
    found = next(d for d in fe.check(wrong) if "Gausian" in d["message"])
    assert found["labels"][0]["line"] == 6
    with pytest.raises(fe.ProgramError) as raised:
        fe.Model(wrong).fit(rows())
    assert "Gausian" in str(raised.value) and "│" in str(raised.value)
    assert found["code"] in [d["code"] for d in raised.value.diagnostics]
    with pytest.raises(fe.DataError, match="no data called `z`"):
        fe.Model(REGRESSION).fit(rows() | {"z": [1.0]})
    with pytest.raises(fe.DataError):
        fe.Model(REGRESSION).fit(rows() | {"y": np.full(30, np.inf)})
    with pytest.raises(fe.FileError, match="cannot be read"):
        fe.Model("missing.fe")


def test_a_run_is_saved_and_read_by_the_command(folder: Path) -> None:
    fit = fe.Model(folder / "line.fe").fit()
    fit.save(folder / "saved")
    assert json.loads((folder / "saved" / "fit.json").read_text())["free_energy"] == fit.F
    again = fe.load(folder / "saved")
    assert again.F == fit.F and again.predict({"x": [0.0]}).y_mean == fit.predict({"x": [0.0]}).y_mean
    assert "free_energy" in command(folder, "eval", "saved", "--json")


def test_a_sweep_is_a_frame(folder: Path) -> None:
    program = LINE.replace("param sigma : positive = 1\n", "const sigma = 1\n")
    sweep = fe.Model(program).sweep({"sigma": [0.5, 1, 2]}, rows("x", "y"))
    assert [p["sigma"] for p in sweep.points] == [0.5, 1, 2] and len(sweep.frame()) == 3


SLOW = """
data x[N, D] = csv("x.csv", "a", "b")
dim K = 8
param W[K, D] = normal(0, 0.3)
latent z[N, K] ~ Normal(0, 1)
observe x ~ Normal(z @ W, 0.5)
train { optimizer = adam(lr = 0.01)  steps = 10_000_000  batch = 16 }
"""


def test_progress_is_told_and_an_interrupt_ends_a_fit() -> None:
    seen = []
    # Where the tests run in the background of a script, the signal is ignored from the start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        fe.Model(SLOW).fit({"x": np.random.default_rng(0).normal(size=(64, 2))}, progress=lambda *p: seen.append(p))
    assert seen and seen[-1][0] > 0


def test_a_cell_is_a_program() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    ipython = InteractiveShell.instance()
    ipython.run_line_magic("load_ext", "fe")
    ipython.user_ns["df"] = rows()
    ipython.run_cell_magic("fe", "--data df --out found --seed 1", REGRESSION)
    assert ipython.user_ns["found"].verdict.converged


FILTER = """
data y[T, D] = csv("rows.csv", "x", "y")
for t in T {
  let p[t] = if t == 0 then 0 else 0.9 * m[t-1]
  latent z[t] ~ Normal(p[t], 1)
  guide z[t] ~ Normal(m[t], 0.5)
  refine m[t] from p[t] over 1 steps by natural_gradient(step = 0.5)
  observe y[t] ~ Normal(z[t], 0.8)
}
"""


def test_a_stream_is_the_loop_line_by_line(folder: Path) -> None:
    data = np.stack([rows()["x"], rows()["y"]], axis=1)
    fit = fe.Model(FILTER).fit({"y": data}, steps=0)
    run = fit.stream()
    answers = [run.step(y) for y in data]
    assert sum(a["free_energy"] for a in answers) == pytest.approx(fit.F, abs=1e-10)
    assert np.allclose([a["codes"]["z"]["mean"] for a in answers], fit.codes("z")["z_mean"], atol=1e-12)
    # The command says the same.
    (folder / "filter.fe").write_text(FILTER)
    lines = "\n".join(json.dumps({"y": y.tolist()}) for y in data)
    done = subprocess.run([FE, "stream", "filter.fe"], cwd=folder, input=lines, capture_output=True, text=True, check=True)
    assert [json.loads(l)["free_energy"] for l in done.stdout.splitlines()] == [a["free_energy"] for a in answers]
    with pytest.raises(fe.DataError, match="holds 3 numbers"):
        run.step([0.1, 0.2, 0.3])
    with pytest.raises(fe.DataError, match="gives no `q`"):
        run.step(y=[0.1, 0.2], q=1)


def test_a_plan_is_made_anew_from_where_a_line_says_that_it_is() -> None:
    program = """
dim T = 20
data place = 1
data speed = 0
param a[T] = 0
let s[0] = place
let v[0] = speed
for t in T {
  let v[t+1] = v[t] + 0.1 * a[t]
  let s[t+1] = s[t] + 0.1 * v[t+1]
  loss cost = s[t+1]^2 + 0.1 * v[t+1]^2 + 0.01 * a[t]^2
}
"""
    run = fe.Model(program).stream(plan=True, starts=1)
    place, speed = 1.0, 0.0
    for _ in range(60):
        a = float(run.step(place=place, speed=speed)["action"]["a"])
        speed += 0.1 * a
        place += 0.1 * speed
    assert abs(place) < 0.01 and abs(speed) < 0.05
def test_text_has_the_levels_of_the_command_and_input_is_given(tmp_path):
    program = """
data g[N] : index(G) = input
data y[N] = input
param a[G] = 0
observe y ~ Normal(a[g], 1)
let more = a["b"] - a["10"]
"""
    g, y = ["b", "10", "9", "b", "10", "9"], [1.0, 2, 3, 3, 4, 7]
    fit = fe.Model(program).fit({"g": g, "y": y})
    # Not all are numbers, so they are sorted as texts.
    assert fit.document["labels"]["G"] == ["10", "9", "b"]
    assert np.allclose(fit.params["a"].value, [3, 5, 2], atol=1e-6)
    # What follows from params alone has its error too.
    assert fit.params["more"].value == pytest.approx(-1, abs=1e-6)
    assert fit.params["more"].se == pytest.approx(1, rel=1e-4)
    with pytest.raises(fe.DataError, match="data y=FILE"):
        fe.Model(program).fit({"g": g})


def test_pictures_of_the_page_are_files(folder: Path) -> None:
    fit = fe.Model(folder / "model.fe").fit(rows())
    count = fit.pictures(folder / "figures")
    names = sorted(p.name for p in (folder / "figures").iterdir())
    assert count == len(names) == fit.html.count("<svg") and "Free_energy_F.svg" in names
    # Of a run that was read, the page is made again, and has the same on it.
    command(folder, "run", "model.fe", "--quiet", "--out", "read", "--pictures")
    assert fe.load(folder / "read").pictures(folder / "again") == count
    for name in names:
        assert (folder / "again" / name).read_text() == (folder / "read" / "pictures" / name).read_text()


@pytest.mark.parametrize("kind", ["processes", "threads", "dask", "submitit", "submitit here", "ray"])
def test_a_sweep_on_a_pool_is_that_of_one_process(folder: Path, kind: str) -> None:
    program = LINE.replace("param sigma : positive = 1", "const sigma = 1")
    (folder / "fixed.fe").write_text(program)
    over = {"sigma": [0.5, 1, 2, 4, 8]}
    # Data in memory, which travel to the workers; and files, which they find though their folder is another.
    for model, data in ((fe.Model(program), rows("x", "y")), (fe.Model(folder / "fixed.fe"), None)):
        alone = model.sweep(over, data)
        with pooled(kind, folder) as pool:
            shared = model.sweep(over, data, pool=pool, folder=folder / f"{kind}{data is None}")

        def points(of: fe.Sweep) -> list[dict]:
            return [{k: v for k, v in p.items() if k not in ("seconds", "run")} for p in of.points]

        assert points(shared) == points(alone) and shared.certificate == alone.certificate
        # What was collected is what the workers had made: no fit is newer than the last of theirs.
        assert not (folder / f"{kind}{data is None}" / "claims").exists()
    with pytest.raises(fe.RequestError, match="no `submit`"):
        fe.Model(program).sweep(over, rows("x", "y"), pool=4)
    with pytest.raises(fe.RequestError, match="give a `pool`"):
        fe.Model(program).sweep(over, rows("x", "y"), shards=2)


@contextmanager
def pooled(kind: str, folder: Path) -> Iterator[Any]:
    """A pool of two workers. What is not installed is skipped, and pytest says so."""
    if kind == "dask":
        from dask.distributed import Client

        with Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
            yield client
    elif kind.startswith("submitit"):
        submitit = pytest.importorskip("submitit", reason="submitit is not installed: its pools are not tested")
        # Processes that submitit starts and follows by files, as it does jobs of Slurm; and its executor for debugging.
        executor = submitit.LocalExecutor if kind == "submitit" else submitit.DebugExecutor
        made = executor(folder=folder / "jobs")
        made.update_parameters(timeout_min=5)
        yield made
    elif kind == "ray":
        ray = pytest.importorskip("ray", reason="ray is not installed: its pool is not tested")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()
    elif kind == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    else:
        # Not by a fork: this process has threads.
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool


@pytest.mark.parametrize("kind", ["processes", "ray"])
def test_an_error_on_a_worker_is_that_of_the_package(folder: Path, kind: str) -> None:
    with pooled(kind, folder) as pool, pytest.raises(fe.ProgramError, match="not declared"):
        fe.Model("const s = 1\nobserve nothing ~ Normal(0, s)\n").sweep({"s": [1, 2]}, pool=pool)


WIDE = """
data x[N, D] = csv("wide.csv", all but "y")
data y[N] = csv("wide.csv", "y")
param w[D] = 0
param sigma : positive = 1
observe y ~ Normal(x @ w, sigma)
"""


def test_all_columns_but_some_come_from_frames_as_from_files(folder: Path) -> None:
    t = np.arange(24)
    wide = {"a": np.sin(t), "b": np.cos(1.3 * t), "c": t % 3, "y": np.sin(2.1 * t) + 0.2 * t}
    import pandas
    import polars

    frame = pandas.DataFrame(wide)
    frame.to_csv(folder / "wide.csv", index=False)
    (folder / "wide.fe").write_text(WIDE)
    said = json.loads(command(folder, "run", "wide.fe", "--json", "--quiet", "--out", "run"))
    model = fe.Model(folder / "wide.fe")
    fits = [model.fit(frame), model.fit(polars.DataFrame(wide)), model.fit(wide), model.fit(frame.assign(who="somebody"))]
    for fit in fits:
        assert timeless(fit.document) == timeless(said)
    # Least squares, and what it predicts; new rows are without the response, or with it.
    x, y = np.column_stack([wide[c] for c in "abc"]), wide["y"]
    w = np.linalg.lstsq(x, y, rcond=None)[0]
    assert np.allclose(fits[0].params["w"].value, w, atol=1e-5)
    new = frame.iloc[:5]
    for rows_given in (new, new.drop(columns="y")):
        assert np.allclose(fits[0].predict(rows_given).y_mean, x[:5] @ w, atol=0.2)
    with pytest.raises(fe.DataError, match="as long as each other"):
        model.fit({"a": [1.0, 2.0], "b": [1.0], "y": [1.0, 2.0]})
