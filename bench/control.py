"""Control by `fe run` beside pymdp and beside dynamic programming in NumPy: the grid, the T-maze and the tiger.

For each: the answer of each side, processor time of a call, and what had to be left out. `fe` is timed as a process of its own,
from start to end, with the page and all else that a run writes; NumPy and pymdp within one, without imports, pymdp's first call
(which compiles) apart from the rest. One thread each; the least of several, in processor time, so that a busy machine counts less.
"""

import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import equinox
import jax.numpy as jnp
import numpy as np
from pymdp.agent import Agent

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "examples" / "control"


def command():
    """The binary that is measured."""
    named = os.environ.get("FE")
    built = [ROOT / "target" / kind / "fe" for kind in ("release", "debug")]
    return named or next(str(b) for b in built if b.exists())


def children():
    """Processor seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fe(program, *settings):
    """F or what is minimised, the document, and seconds of the process: the least of three."""
    least, document = float("inf"), None
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            sets = [word for s in settings for word in ("--set", s)]
            started = children()
            words = [command(), "run", str(PROGRAMS / program), "--quiet", "--threads", "1", "--out", f"{folder}/run", *sets]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            least = min(least, children() - started)
            document = json.loads(Path(f"{folder}/run/fit.json").read_text())
    return document["objective_value"], document, least


def timed(call, repeats=5):
    """The answer, seconds of the first call, and the least of some more."""
    started = time.process_time()
    answer = call()
    first = time.process_time() - started
    rest = []
    for _ in range(repeats):
        started = time.process_time()
        answer = call()
        rest.append(time.process_time() - started)
    return answer, first, min(rest)


def soft(prior, values, alpha):
    """-alpha log sum prior exp(-values / alpha) over the last axis."""
    least = values.min(-1, keepdims=True)
    return least[..., 0] - alpha * np.log((prior * np.exp((least - values) / alpha)).sum(-1))


def row(problem, side, answer, seconds, note=""):
    print(f"| {problem} | {side} | {answer} | {seconds} | {note} |", flush=True)


def milliseconds(seconds):
    return f"{1000 * seconds:.3g} ms"


def agent(likelihoods, transitions, preferences, start, length, gamma, curious):
    """An agent of one batch whose policies are all sequences of its controls."""
    batch = lambda arrays: [jnp.asarray(a)[None] for a in arrays]
    return Agent(
        A=batch(likelihoods),
        B=batch(transitions),
        C=batch(preferences),
        D=batch(start),
        policy_len=length,
        gamma=gamma,
        use_utility=True,
        use_states_info_gain=curious,
        batch_size=1,
    )


def policies(one, start):
    """The probabilities of all policies, before anything is observed."""
    beliefs = [jnp.asarray(d)[None, None] for d in start]
    return np.asarray(inferred(one, beliefs))[0]


@equinox.filter_jit
def inferred(one, beliefs):
    """Compiled as a whole, which is the quickest way to call it."""
    return one.infer_policies(beliefs)[0]


def grid():
    moves = np.array(json.loads((PROGRAMS / "grid.json").read_text())["move"])
    states, actions = moves.shape
    cost = np.full(states, 0.5)
    cost[-1] = 0.0

    def backward(steps=101):
        value = np.zeros(states)
        for _ in range(steps):
            value = cost + soft(np.full(actions, 1 / actions), value[moves], 1.0)
        return value[0]

    value, _, seconds = timed(backward)
    row("grid, 101 steps", "NumPy, value iteration", f"{value:.10f}", milliseconds(seconds))
    answer, _, seconds = fe("grid.fe")
    row("grid, 101 steps", "fe", f"{answer:.10f}", milliseconds(seconds), "the whole command")

    transitions = np.zeros((states, states, actions))
    for s in range(states):
        for a in range(actions):
            transitions[moves[s, a], s, a] = 1.0
    start = np.eye(states)[0]
    for length in (3, 5):
        one = agent([np.eye(states)], [transitions], [-cost], [start], length, 1.0, False)
        found, first, seconds = timed(lambda: policies(one, [start]), 3)
        note = f"all {actions**length} sequences of {length} steps; compiled in {first:.1f} s. The goal is 18 steps away"
        row(f"grid, {length} steps", "pymdp", f"p of the best {found.max():.3g}", milliseconds(seconds), note)


def t_maze():
    seen = np.zeros((5, 4, 2))
    seen[0, 0] = 1.0
    seen[1:3, 1] = [[0.98, 0.02], [0.02, 0.98]]
    seen[1:3, 2] = [[0.02, 0.98], [0.98, 0.02]]
    seen[3, 3, 0] = seen[4, 3, 1] = 1.0
    wish = np.array([0.0, 3.0, -3.0, 0.0, 0.0])
    preference = wish - np.log(1.0 + np.exp(3.0) + np.exp(-3.0))

    def enumerated():
        joint = seen.transpose(1, 2, 0) / 2
        alone = joint.sum(1)
        ratio = np.where(joint > 0, joint / np.maximum(alone[:, None] / 2, 1e-300), 1.0)
        worth = (joint * np.log(ratio)).sum((1, 2)) + alone @ preference
        weights = np.exp(16 * (worth - worth.max()))
        return weights / weights.sum()

    told = lambda p: ", ".join(f"{x:.6g}" for x in p)
    p, _, seconds = timed(enumerated)
    row("T-maze, one visit", "NumPy, enumerated", told(p), milliseconds(seconds))
    _, document, seconds = fe("t_maze.fe")
    row("T-maze, one visit", "fe", told(document["posterior"]["P(a)"]["mean"]), milliseconds(seconds), "the whole command")
    places = np.zeros((4, 4, 4))
    for a in range(4):
        places[a, :, a] = 1.0
    sides = np.eye(2)[:, :, None]
    start = [np.eye(4)[0], np.full(2, 0.5)]
    one = agent([seen], [places, sides], [preference], start, 1, 16.0, True)
    found, first, seconds = timed(lambda: policies(one, start), 5)
    row("T-maze, one visit", "pymdp", told(found), milliseconds(seconds), f"γ = 16; compiled in {first:.1f} s")


def tiger():
    hears = np.array([[[0.85, 0.15], [0.5, 0.5], [0.5, 0.5]], [[0.15, 0.85], [0.5, 0.5], [0.5, 0.5]]])
    cost = np.array([[1.0, 100.0, -10.0], [1.0, -10.0, 100.0]])

    def believed(b=0.5, left=4):
        if left == 0:
            return 0.0
        after = believed(0.5, left - 1)
        values = b * cost[0] + (1 - b) * cost[1] + after
        p = b * hears[0, 0] + (1 - b) * hears[1, 0]
        values[0] += sum(q * believed(b * h / q, left - 1) for q, h in zip(p, hears[0, 0])) - after
        return soft(np.full(3, 1 / 3), values, 1.0)

    value, _, seconds = timed(believed)
    row("tiger, 4 steps", "NumPy, recursion over beliefs", f"{value:.10f}", milliseconds(seconds))
    answer, document, seconds = fe("tiger.fe")
    first = document["posterior"]["P(a)"]["mean"][0]
    note = "the whole command; first action " + ", ".join(f"{x:.4g}" for x in first)
    row("tiger, 4 steps", "fe", f"{answer:.10f}", milliseconds(seconds), note)

    # Where the tiger is, and what was done last, which what is paid is read from.
    stays = np.zeros((2, 2, 3))
    stays[:, :, 0] = np.eye(2)
    stays[:, :, 1:] = 0.5
    done = np.zeros((3, 3, 3))
    for a in range(3):
        done[a, :, a] = 1.0
    sound = hears.transpose(2, 0, 1)
    paid = np.zeros((3, 2, 3))
    for s in range(2):
        for a in range(3):
            paid[{1.0: 0, 100.0: 1, -10.0: 2}[cost[s, a]], s, a] = 1.0
    start = [np.full(2, 0.5), np.eye(3)[0]]
    one = Agent(
        A=[jnp.asarray(sound)[None], jnp.asarray(paid)[None]],
        B=[jnp.asarray(stays)[None], jnp.asarray(done)[None]],
        C=[jnp.zeros((1, 2)), jnp.asarray([[-1.0, -100.0, 10.0]])],
        D=[jnp.asarray(d)[None] for d in start],
        A_dependencies=[[0, 1], [0, 1]],
        B_dependencies=[[0], [1]],
        B_action_dependencies=[[0], [0]],
        num_controls=[3],
        policy_len=4,
        gamma=1.0,
        use_utility=True,
        use_states_info_gain=True,
        batch_size=1,
    )
    found, first, seconds = timed(lambda: policies(one, start), 3)
    marginal = found.reshape(3, -1).sum(1)
    note = f"all 81 sequences, none of which hears; compiled in {first:.1f} s; first action "
    note += ", ".join(f"{x:.4g}" for x in marginal)
    row("tiger, 4 steps", "pymdp", "another objective", milliseconds(seconds), note)


print("| problem | side | answer | a call | |\n|---|---|---|---|---|")
grid()
t_maze()
tiger()
