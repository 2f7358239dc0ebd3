"""Fits the rational function that stands for tanh in single precision (recast.nn.recurrence.compiled.activations).

tanh(x) = x P(s) / Q(s) with s = x², on [0, bound], with the smallest largest relative error: beyond the bound tanh is
taken for 1. Least squares of (x P(s) - tanh(x) Q(s)) / (Q'(s) tanh(x)) are solved again and again, Q' the denominator
of the round before, with weights that grow where the error is large (Lawson's algorithm: C. L. Lawson, Contributions to
the theory of linear least maximum approximation, thesis, UCLA 1961; for rational functions Filip, Nakatsukasa,
Trefethen & Beckermann, SIAM J. Sci. Comput. 40, 2018).

Prints the coefficients, the lowest power first, and the error with and without rounding. Takes some seconds.
"""

import argparse
from typing import NamedTuple

import numpy as np

BOUND = 7.95
DEGREES = (3, 4)
ROUNDS = 300
# Added to the relative size of each error, so that no weight is lost for good.
LEAST = 1e-3

Array = np.ndarray


class Fit(NamedTuple):
    """Coefficients of P and Q, the lowest power first, the last one of Q being 1; and the largest relative error."""

    p: Array
    q: Array
    error: float


def points(bound: float) -> Array:
    """Where the error is looked at: evenly, and denser at the upper end."""
    dense = np.sin(np.linspace(1e-3, np.pi / 2, 4000)) * bound
    return np.unique(np.concatenate([dense, np.linspace(1e-3, bound, 4000)]))


def fit(bound: float = BOUND, degrees: tuple[int, int] = DEGREES, rounds: int = ROUNDS) -> Fit:
    """Fits P and Q.

    Args:
        bound: Upper end of the interval.
        degrees: Degrees of P and Q.
        rounds: How often the weights are changed.
    """
    x = points(bound)
    # Powers of numbers below 1 keep the least squares well conditioned.
    s, tanh = (x / bound) ** 2, np.tanh(x)
    of_p, of_q = (s[:, None] ** np.arange(degree + 1) for degree in degrees)
    columns = np.concatenate([x[:, None] * of_p, -tanh[:, None] * of_q[:, 1:]], axis=1)
    weights, denominator = np.ones_like(x), np.ones_like(x)
    best = Fit(np.zeros(0), np.zeros(0), np.inf)
    for _ in range(rounds):
        scale = np.sqrt(weights) / (np.abs(denominator) * tanh)
        found, *_ = np.linalg.lstsq(columns * scale[:, None], tanh * scale, rcond=None)
        p, q = found[: degrees[0] + 1], np.concatenate([[1.0], found[degrees[0] + 1 :]])
        denominator = of_q @ q
        error = np.abs(x * (of_p @ p) / denominator - tanh) / tanh
        if error.max() < best.error:
            best = Fit(p, q, float(error.max()))
        weights = weights * (error / error.max() + LEAST)
        weights /= weights.sum()
    p, q = (part / bound ** (2 * np.arange(len(part))) for part in (best.p, best.q))
    return Fit(p / q[-1], q / q[-1], best.error)


def rounded_error(found: Fit, bound: float = BOUND, number: int = 1_000_000) -> float:
    """The largest relative error where everything is computed in single precision.

    Args:
        found: The coefficients.
        bound: Upper end of the interval.
        number: Points that are looked at, beside as many that come ever closer to zero.
    """
    x = np.concatenate([np.linspace(0, bound, number + 1)[1:], np.geomspace(1e-18, bound, number)]).astype(np.float32)
    x = np.minimum(x, np.float32(bound))
    s = x * x
    numerator, denominator = (_horner(part.astype(np.float32), s) for part in (found.p, found.q))
    exact = np.tanh(x.astype(np.float64))
    return float((np.abs(x * numerator / denominator - exact) / exact).max())


def _horner(coefficients: Array, s: Array) -> Array:
    total = np.full_like(s, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * s + coefficient
    return total


def main() -> None:
    """Prints the fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    parser.add_argument("--bound", type=float, default=BOUND, help="upper end of the interval (default: %(default)s)")
    parser.add_argument(
        "--degrees", type=int, nargs=2, default=DEGREES, help="degrees of P and Q (default: %(default)s)"
    )
    options = parser.parse_args()
    found = fit(options.bound, tuple(options.degrees))
    print("P", *map(repr, found.p.tolist()), sep="\n  ")
    print("Q", *map(repr, found.q.tolist()), sep="\n  ")
    print(f"relative error {found.error:.1e}, with rounding {rounded_error(found, options.bound):.1e}")


if __name__ == "__main__":
    main()
