"""Writes math_table.csv: function, x, the f64 nearest to the value, and the rest of the value in units in the last
place. Needs mpmath.

    python math_table.py 800 > math_table.csv
"""

import random
import sys

from mpmath import mp, mpf

mp.prec = 300


def nearest(y):
    """The f64 nearest to y: mpmath's own conversion truncates subnormal numbers."""
    if abs(y) >= mpf(2) ** -1022:
        return float(y)
    return float(mp.nint(mp.ldexp(y, 1074))) * 5e-324


def rest(y, value):
    """y - value in units in the last place of value."""
    exponent = max(mp.frexp(value)[1] - 1, -1022)
    return float(mp.ldexp(y - mpf(value), 52 - exponent))


def wide(f):
    """sin and cos of large arguments, and values that cancel, need as many bits more as the exponent has."""

    def g(x):
        with mp.workprec(1500):
            return f(x)

    return g


FUNCTIONS = {
    "exp": mp.exp,
    "log": mp.log,
    "log1p": mp.log1p,
    "expm1": mp.expm1,
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x))),
    "sin": wide(mp.sin),
    "cos": wide(mp.cos),
    "log_gamma": lambda x: mp.re(mp.loggamma(x)),
    "digamma": lambda x: mp.psi(0, x),
}

# From the first exponent of two to the second, and uniformly between two bounds.
MAGNITUDES = {
    "exp": [(-60, 9)],
    "log": [(-1074, 1023), (-1074, -1023)],
    "log1p": [(-60, 0), (0, 1023)],
    "expm1": [(-60, 9)],
    "tanh": [(-60, 5)],
    "sigmoid": [(-60, 9)],
    "softplus": [(-60, 9)],
    "sin": [(-60, 0), (0, 1023)],
    "cos": [(-60, 0), (0, 1023)],
    "log_gamma": [(-1074, -2), (1, 1013)],
    "digamma": [(-1020, -2), (1, 1023)],
}
RANGES = {
    "exp": [(-745, 709.7), (-1, 1), (-745, -708)],
    "log": [(0.5, 2), (0.99, 1.01), (0, 10)],
    "log1p": [(-1, 1), (-0.5, 3)],
    "expm1": [(-2, 2), (-38, 709.7), (-1, 1)],
    "tanh": [(-2, 2), (0.5, 0.6), (-20, 20)],
    "sigmoid": [(-8, 8), (-2, 2), (-745, 40)],
    "softplus": [(-8, 8), (-2, 2), (-745, 40)],
    "sin": [(-4, 4), (-1e4, 1e4)],
    "cos": [(-4, 4), (-1e4, 1e4)],
    "log_gamma": [(0, 1), (1, 3), (3, 12), (0.9, 1.1), (1.9, 2.1), (-6, 0), (-200, 0)],
    "digamma": [(0, 1), (1, 3), (3, 12), (1.4, 1.5), (-6, 0), (-200, 0)],
}
NEGATIVE = {"exp", "expm1", "tanh", "sigmoid", "softplus", "sin", "cos"}


def points(name, count):
    kinds = [("magnitude", b) for b in MAGNITUDES[name]] + [("range", b) for b in RANGES[name]]
    for i in range(count):
        kind, (low, high) = kinds[i % len(kinds)]
        if kind == "range":
            yield random.uniform(low, high)
        else:
            x = nearest(mpf(random.uniform(1, 2)) * mpf(2) ** random.randint(low, high - 1))
            yield -x if name in NEGATIVE and random.random() < 0.5 else x


def main():
    random.seed(20240229)
    count = int(sys.argv[1])
    for name, function in FUNCTIONS.items():
        for x in points(name, count):
            y = function(mpf(x))
            value = nearest(y)
            print(f"{name},{x!r},{value!r},{rest(y, value):.4f}")


main()
