"""Runs fe-bench and the peers in turn, round after round with the same threads, and writes bench/results.md: see README.md."""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import inputs

ROOT = inputs.ROOT
PEERS = Path(__file__).resolve().parent / "peers"
OURS = ROOT / "target" / "release" / "fe-bench"
THREADS = 2
FIRST_STEP_S = 0.15  # from the start of a process to the end of its first step
FE = "fe"
# Large temporaries are kept and used again, where glibc otherwise maps and returns them at every step.
TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}


@dataclass
class Side:
    """One program of a work, and what was measured of it."""

    name: str
    command: list
    env: dict = field(default_factory=dict)
    steps: int | None = None  # a round's, where it differs from the work's
    threads: int = THREADS
    exact: float | None = None  # its objective as NumPy knows it
    precision: str | None = None
    process: subprocess.Popen | None = None
    ready: dict = field(default_factory=dict)
    value: dict = field(default_factory=dict)
    start_s: float = 0.0
    seconds: list = field(default_factory=list)  # of a step, one for each round
    peak_mb: float = 0.0
    failure: str = ""

    @property
    def median(self):
        return statistics.median(self.seconds)

    def begin(self, work, path):
        command = [*self.command, work.program, "--inputs", path, "--batch", work.batch, "--steps", self.steps or work.steps]
        command += ["--threads", self.threads, "--precision", self.precision or work.precision, "--lr", work.lr]
        self.errors = tempfile.TemporaryFile("w+")
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(self.threads), **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, range(self.threads)),
        )
        self.ready = self.read()
        self.start_s = time.perf_counter() - began

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise RuntimeError(said[-1] if said else f"ended with status {self.process.returncode}")
        return json.loads(line)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def go(self, steps):
        answer = self.ask(f"go {steps}")
        return answer["seconds"] / answer["steps"]

    def end(self):
        if self.process and self.process.poll() is None:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            self.peak_mb = int(status.split("VmHWM:")[1].split()[0]) / 1024
            self.process.stdin.close()
            self.process.wait()

    def attempt(self, action):
        """Does `action` unless this side has failed; a failure is a line in the results, and ends nothing else."""
        if not self.failure:
            try:
                action()
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                self.failure = str(error)[:200] or type(error).__name__
                if self.process and self.process.poll() is None:
                    self.process.kill()


@dataclass
class Work:
    key: str
    title: str
    program: str
    sides: list
    targets: dict = field(default_factory=dict)  # a side's name, or the beginning of several: how many times its speed is wanted
    tensors: object = None  # a function that gives the inputs
    file: str = ""
    precision: str = "f32"
    batch: int = 1
    steps: int = 20
    rounds: int | None = None
    lr: float = 0.002
    flops: float | None = None  # of a step's matrix products, forward and backward
    note: str = ""
    row: str = ""  # its name in a table of many works, where it is in one: `table` is that table's title
    table: str = ""


def fe(*arguments, name=FE, **more):
    return Side(name, [OURS, *arguments], **more)


def peer(name, file, *arguments, **more):
    return Side(name, [sys.executable, PEERS / file, *arguments], **more)


def torch(mode, adam, env, **more):
    name = f"PyTorch {'compiled' if mode == 'compile' else mode}, {adam} Adam, {'tuned' if env else 'malloc as it is'}"
    return peer(name, "vae_torch.py", "--mode", mode, "--adam", adam, env=env, **more)


def torches():
    return [torch("eager", "default", {}), torch("eager", "fused", TUNED), torch("compile", "fused", {}), torch("compile", "fused", TUNED)]


AS_USED = "PyTorch eager, default Adam, malloc as it is"
COMPILED = "PyTorch compiled"


def vae_flops(batch, into_latents):
    """784–512–256–784: every product forward, its weight gradient, and its input gradient except for the data's."""
    first, second, last = 784 * 512, 512 * 256 * into_latents, 256 * 784
    return 2 * batch * (3 * (first + second + last) - first)


def works():
    listed = []
    for batch, steps, targets in [
        (128, 40, {"JAX": 2, COMPILED: 2.5, AS_USED: 5}),
        (1000, 8, {"JAX": 3.5, COMPILED: 2.2, AS_USED: 5}),
    ]:
        extra = [fe(name="fe, one thread", threads=1)] if batch == 1000 else []
        listed.append(
            Work(
                f"poisson-vae-{batch}",
                f"Poisson VAE 784–512–256–784, sampled, batch {batch}",
                "poisson-vae",
                [fe(), peer("JAX", "vae_jax.py"), *torches(), *extra],
                targets | ({"fe, one thread": 1.75} if extra else {}),
                inputs.poisson_vae,
                "poisson-vae",
                batch=batch,
                steps=steps,
                flops=vae_flops(batch, 1),
            )
        )
    # A relaxed count is not zero where an arrival came before 1 + τ, so the share of non-zeros is 1 − e^(−1.4 rate).
    for share in [0.01, 0.02, 0.05, 0.1, 0.2, 0.4]:
        rate = -math.log(1 - share) / 1.4
        listed.append(
            Work(
                f"spikes-{share}",
                f"Poisson VAE at {100 * share:g} % non-zero spikes, batch 1000",
                "poisson-vae",
                [fe(), fe("--dense", name="fe, dense path")],
                {"fe, dense path": 1.4} if share == 0.05 else {},
                lambda rate=rate: inputs.poisson_vae(rate=rate),
                f"poisson-vae-{share}",
                batch=1000,
                lr=0,
                flops=vae_flops(1000, 1),
                row=f"{100 * share:g} % non-zero, {256 * rate:.3g} spikes a row",
                table="Step time against spikes: Poisson VAE, batch 1000, prior rates held by a learning rate of 0",
            )
        )
    for batch, steps in [(128, 80), (1000, 12)]:
        listed.append(
            Work(
                f"gaussian-vae-{batch}",
                f"Gaussian VAE, same sizes, batch {batch}",
                "gaussian-vae",
                [fe(), peer("JAX", "vae_jax.py"), *torches()],
                {"JAX": 1.15, "PyTorch": 1.4},
                inputs.gaussian_vae,
                "gaussian-vae",
                batch=batch,
                steps=steps,
                flops=vae_flops(batch, 2),
            )
        )
    code = inputs.linear_poisson()
    closed = inputs.linear_poisson_value(code, 1000)
    relaxed = inputs.linear_poisson_value(code, 1000, shortfall=9 * 0.4 / 35)
    listed += [
        Work(
            "linear-poisson",
            "Linear Poisson VAE 256–512, batch 1000, closed form on both sides",
            "linear-poisson",
            [fe(exact=closed), peer("JAX", "vae_jax.py", exact=closed)],
            {"JAX": 1.3},
            inputs.linear_poisson,
            "linear-poisson",
            batch=1000,
            steps=30,
            flops=2 * 1000 * 5 * 256 * 512,
        ),
        Work(
            "linear-poisson-sampled",
            "The same against the sampled relaxation its authors run",
            "linear-poisson",
            [fe(exact=closed), torch("eager", "default", TUNED, steps=1, exact=relaxed)],
            {"PyTorch": 50},
            inputs.linear_poisson,
            "linear-poisson",
            batch=1000,
            steps=30,
            rounds=3,
            note="PyTorch draws 263 arrivals for each of 512,000 rates. The relaxation's variance is short by 9τ/35, so its objective is another: each is held to NumPy's exact value of its own.",
        ),
    ]
    school = inputs.eight_schools_value(inputs.eight_schools())
    for precision in ["f64", "f32"]:
        listed.append(
            Work(
                f"eight-schools-{precision}",
                f"Eight schools, full-rank, one sample a step, {precision}",
                "eight-schools",
                [fe(exact=school), peer("NumPyro", "svi_numpyro.py", exact=school)],
                {"NumPyro": 6},
                inputs.eight_schools,
                "eight-schools",
                precision=precision,
                steps=50_000,
            )
        )
    regression = inputs.logistic_value(inputs.logistic())
    listed.append(
        Work(
            "logistic",
            "Logistic regression, N = 100,000, D = 20, minibatch 1000, full-rank",
            "logistic",
            [
                fe(exact=regression),
                peer("NumPyro, its plate draws the rows", "svi_numpyro.py", "--rows", "plate", steps=40, exact=regression),
                peer("NumPyro, rows drawn with repeats", "svi_numpyro.py", "--rows", "drawn", exact=regression),
            ],
            {"NumPyro, its plate": 3, "NumPyro, rows": 3},
            inputs.logistic,
            "logistic",
            batch=1000,
            steps=3000,
        )
    )
    base = {"N": 20_000, "D": 256, "K": 512, "batch": 1000}
    for axis, sizes in {"N": [2000, 200_000], "D": [26, 2560], "K": [51, 5120], "batch": [100, 10_000], "base": [0]}.items():
        for size in sizes:
            at = base | ({axis: size} if axis != "base" else {})
            at["N"] = max(at["N"], at["batch"])
            shape = {name: at[name] for name in "NDK"}
            work = at["batch"] * at["D"] * at["K"]
            listed.append(
                Work(
                    f"cost-{axis}-{size}",
                    f"Linear Poisson code at {axis} {size}",
                    "linear-poisson",
                    [fe()],
                    {},
                    lambda shape=shape: inputs.linear_poisson(**shape),
                    "linear-poisson-" + "-".join(f"{name}{value}" for name, value in shape.items()),
                    batch=at["batch"],
                    steps=max(1, min(200, round(20 * 1000 * 256 * 512 / work))),
                    rounds=3,
                    flops=2 * 5 * work,
                    row=", ".join(f"{name} = {value:,}" for name, value in at.items()),
                    table="Cost: linear Poisson code, closed form, one size changed at a time",
                )
            )
    return listed


def measure(work, gemm, rounds):
    """Fills in the work's sides, and returns the gemm peak in flop/s over the same rounds, the best of them."""
    path = inputs.write(work.file, work.tensors, work.precision)
    for side in work.sides:
        side_path = inputs.write(work.file, work.tensors, side.precision) if side.precision else path
        side.attempt(lambda: side.begin(work, side_path))
        side.attempt(lambda: side.value.update(side.ask("objective")))
        side.attempt(lambda: side.go(side.steps or work.steps))  # not counted: caches and clocks warm up
    peaks = []
    for turn in range(work.rounds or rounds):
        peaks.append(gemm.go(10))
        # Every other round in reverse, so that no side always follows the same one.
        for side in work.sides if turn % 2 == 0 else work.sides[::-1]:
            side.attempt(lambda: side.seconds.append(side.go(side.steps or work.steps)))
    for side in work.sides:
        side.end()
    return 2 * 1024**3 / min(peaks)


def agreement(side, against, se):
    """How far the side's objective lies from `against`, and whether that is allowed."""
    difference, error = side.value["objective"] - against, math.hypot(side.value["se"], se)
    if error == 0:
        relative = abs(difference / against)
        return f"{relative:.0e} of it" + ("" if relative <= 1e-4 else " **differs**")
    return f"{difference / error:+.1f} s.e." + ("" if abs(difference) <= 3 * error else " **differs**")


def judged(side, sides):
    """Against NumPy's exact value where there is one, else against ours, else against the first side that ran."""
    if side.exact is not None:
        return agreement(side, side.exact, 0.0) + " from NumPy's exact"
    first = next(other for other in sides if other.seconds and (other.precision is None))
    return "—" if side is first else agreement(side, first.value["objective"], first.value["se"]) + f" from {first.name}"


def section(work, peak):
    """The work's own table, as lines of Markdown."""
    ours = next((side for side in work.sides if side.name == FE and side.seconds), None)
    lines = [f"### {work.title}", ""]
    if work.note:
        lines += [work.note, ""]
    lines += [
        "| | precision | step, ms: median (range) | of ours | gemm peak | objective | which is | to first step, s | compile, s | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for side in work.sides:
        if side.failure or not side.seconds:
            lines.append(f"| {side.name} | not measured: {side.failure} |")
            continue
        low, middle, high = (f"{1000 * value:.4g}" for value in (min(side.seconds), side.median, max(side.seconds)))
        ratio = f"{side.median / ours.median:.3g} ×" if ours and side is not ours else ""
        share = f"{100 * work.flops / side.median / peak:.0f} %" if work.flops else ""
        spread = f" ± {side.value['se']:.2g}" if side.value["se"] else ""
        lines.append(
            f"| {side.name} | {side.ready['precision']} | {middle} ({low}–{high}) | {ratio} | {share} | "
            f"{side.value['objective']:.6g}{spread} | {judged(side, work.sides)} | {side.start_s + side.median:.2f} | "
            f"{side.ready['compile_s']:.2f} | {side.peak_mb:.0f} |"
        )
    details = {
        key: value
        for side in work.sides
        for key, value in side.ready.items()
        if key not in ("ready", "compile_s", "versions", "precision", "threads")
    }
    lines += ["", f"Gemm peak in these rounds: {peak / 1e9:.0f} GFLOP/s (1024³, f32, oneMKL)." + "".join(f" {k}: {v}." for k, v in details.items())]
    return [*lines, ""]


def tables(works, peaks):
    """One table for every set of works that differ in a size alone, with a bar as long as the step time is on a log scale."""
    lines = []
    for title in dict.fromkeys(work.table for work in works if work.table):
        rows = [work for work in works if work.table == title]
        lines += [f"### {title}", ""]
        names = [side.name for side in rows[0].sides]
        if not names:
            lines += ["Skipped: fe-bench is not built.", ""]
            continue
        lines += ["| | " + " | ".join(f"{name}, ms | gemm peak | peak MB" for name in names) + " | |", "|---" * (3 * len(names) + 2) + "|"]
        quickest = min((side.median for work in rows for side in work.sides if side.seconds), default=1.0)
        for work in rows:
            cells = []
            for side in work.sides:
                if side.seconds:
                    share = work.flops / side.median / peaks[work.key]
                    cells.append(f"{1000 * side.median:.4g} | {100 * share:.0f} % | {side.peak_mb:.0f}")
                else:
                    cells.append(f"not measured: {side.failure} | | ")
            first = work.sides[0]
            bar = "█" * (1 + round(8 * math.log2(first.median / quickest))) if first.seconds else ""
            lines.append(f"| {work.row} | " + " | ".join(cells) + f" | {bar} |")
        lines.append("")
    return lines


def summary(works):
    """A line for each target: what was wanted, what came out."""
    lines = ["| work | against | wanted | measured | |", "|---|---|---|---|---|"]
    for work in works:
        ours = next((side for side in work.sides if side.name == FE and side.seconds), None)
        for name, wanted in work.targets.items():
            others = [side for side in work.sides if side.name.startswith(name) and side.seconds]
            if ours is None or not others:
                missing = "fe-bench" if ours is None else name
                lines.append(f"| {work.title} | {name} | ≥ {wanted} × | | skipped: {missing} did not run |")
                continue
            best = min(others, key=lambda side: side.median)
            ratio = best.median / ours.median
            lines.append(f"| {work.title} | {best.name} | ≥ {wanted} × | {ratio:.3g} × | {'reached' if ratio >= wanted else '**short**'} |")
        if ours and not work.table:
            peers = [side.start_s + side.median for side in work.sides if side.command[0] != OURS and side.seconds]
            took = ours.start_s + ours.median
            quickest = f", the quickest peer {min(peers):.1f} s" if peers else ""
            verdict = "reached" if took <= FIRST_STEP_S else "**short**"
            lines.append(f"| {work.title}: to the first step{quickest} | | ≤ {1000 * FIRST_STEP_S:.0f} ms | {1000 * took:.0f} ms | {verdict} |")
    return lines


def gallery(rounds=5):
    """Each program of examples/ by `fe run`, with no decoded data kept and again with them: reading, and from the start to the first step."""
    command = ROOT / "target" / "release" / "fe"
    if not command.exists():
        return []
    title = "From `fe run` to the first step, reading data apart, and reading them decoded before: the gallery"
    lines = ["", f"### {title}", "", f"Medians of {rounds}. Wanted: at most {1000 * FIRST_STEP_S:.0f} ms to the first step.", ""]
    lines += ["| program | to the first step, ms | | reading, ms | read again from the cache, ms |", "|---|---|---|---|---|"]
    for program in sorted((ROOT / "examples").glob("*.fe")):
        first, read, again = [], [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                for times in (read, again):
                    arguments = [command, "run", program, "--steps", "1", "--quiet", "--out", f"{folder}/run", "--threads", str(THREADS)]
                    done = subprocess.run(arguments, env=os.environ | {"FE_CACHE": f"{folder}/cache"}, capture_output=True, text=True)
                    if done.returncode:
                        lines.append(f"| {program.stem} | not measured: {done.stderr.strip().splitlines()[0]} | | | |")
                        break
                    seconds = json.loads(Path(f"{folder}/run/run.json").read_text())["seconds"]
                    times.append(seconds["data"])
                    first.append(seconds["first_step_without_data"])
                else:
                    continue
                break
        else:
            took = statistics.median(first)
            verdict = "reached" if took <= FIRST_STEP_S else "**short**"
            lines.append(f"| {program.stem} | {1000 * took:.0f} | {verdict} | {1000 * statistics.median(read):.0f} | {1000 * statistics.median(again):.0f} |")
    return lines


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="works whose key begins so; commas between several")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results.md")
    options = parser.parse_args()

    began, load = time.perf_counter(), os.getloadavg()[0]
    chosen = [work for work in works() if work.key.startswith(tuple(options.only.split(",")))]
    text, peaks, versions = [], {}, {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # so that PyTorch's compile time is a first run's
        gemm = peer("gemm", "gemm_torch.py")
        gemm.begin(Work("gemm", "", "gemm", []), "")
        gemm.go(20)
        for work in chosen:
            if not OURS.exists():
                work.sides = [side for side in work.sides if side.command[0] != OURS]
            if not work.sides:
                continue
            at = time.perf_counter()
            peaks[work.key] = measure(work, gemm, options.rounds)
            if not work.table:
                text += section(work, peaks[work.key])
            for side in work.sides:
                versions |= side.ready.get("versions", {})
            print(f"{work.key}: {time.perf_counter() - at:.0f} s", *(f"{s.name}: {s.failure}" for s in work.sides if s.failure), file=sys.stderr)
        gemm.end()
    text += tables(chosen, peaks)
    if not options.only:
        text += gallery()
    head = [
        "# Measured",
        "",
        "Written by `bench/run`; README.md says how. A ratio is a side's median step time over ours, so above 1 we are the faster.",
        "",
        f"{processor()}, {THREADS} threads, Linux {platform.release()}; Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        + f". Load before the run {load:.2f}{' (**not idle**)' if load > 0.5 else ''}; the run took {(time.perf_counter() - began) / 60:.0f} minutes.",
        "",
    ]
    options.output.write_text("\n".join([*head, "## Targets", "", *summary(chosen), "", "## Works", "", *text]).rstrip() + "\n")
    print(f"wrote {options.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
