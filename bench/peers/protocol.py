"""What every peer speaks, and fe-bench too: see "The protocol" in bench/README.md."""

import argparse
import json
import math
import statistics
import sys
import time


def arguments():
    """The common arguments; a peer adds its own before `parse_args`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("--inputs")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "f64"], default="f32")
    parser.add_argument("--lr", type=float, default=0.002)
    return parser


def say(**line):
    print(json.dumps(line), flush=True)


def poisson_quantile(rate, tail=1e-5):
    """The smallest n with P(Poisson(rate) > n) ≤ tail: the arrivals that a relaxed sampler draws for every element."""
    n, term = 0, math.exp(-rate)
    total = term
    while 1 - total > tail:
        n += 1
        term *= rate / n
        total += term
    return n


def serve(args, run, objective, compile_s, versions, **more):
    """Answers lines of standard input until it ends.

    `run(K)` takes K steps and returns when they are done. `objective()` is a pair: the value at the stated parameters (an
    average, where it is sampled) and its standard error. `compile_s` is the time from traced to runnable.
    """
    say(ready=args.work, compile_s=compile_s, versions=versions, precision=args.precision, **more)
    for line in sys.stdin:
        match line.split():
            case ["go", count]:
                start = time.perf_counter()
                run(int(count))
                say(steps=int(count), seconds=time.perf_counter() - start)
            case ["objective"]:
                value, error = objective()
                say(objective=value, se=error)


def average(draws):
    """Mean and standard error of independent draws."""
    return statistics.fmean(draws), statistics.stdev(draws) / math.sqrt(len(draws))
