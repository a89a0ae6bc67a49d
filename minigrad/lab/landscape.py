"""The loss about its optimum on the plane of its two steepest directions, the ways of descents on it, their noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigrad.lab.data import FloatArray
from minigrad.lab.descent import TapeEngine, objective
from minigrad.lab.theory import Optimum

POINTS = 41  # of the grid, along each direction
DRAWS = 32  # batches of a size, from which the noise of the gradient is measured
NUMBERS = 2**21  # that are read for one size at most
ROWS = 2000  # at most, from which a loss that is no parabola is computed


@dataclass(frozen=True, eq=False)
class Landscape:
    """What `lab.report` draws: the loss on a plane through the optimum, which lies at 0, 0.

    Attributes:
        along: (2, POINTS), where the grid lies along the steepest and the second steepest direction.
        above: (POINTS, POINTS), how far the loss is above the optimum at along[0][i], along[1][k].
        noise: for each size of a batch: rows, the mean square of what its gradient at the optimum is long, measured,
            and the same as the noise of one row foretells it.
    """

    along: FloatArray
    above: FloatArray
    noise: list[tuple[int, float, float]]


def place(exact: Optimum, directions: FloatArray, weights: FloatArray, bias: FloatArray) -> tuple[float, float]:
    """Where weights (p, q) and bias (q,) lie along two directions (2, p + 1, q) from the optimum."""
    gap = np.vstack([weights - exact.weights, bias - exact.bias])
    with np.errstate(all="ignore"):  # of a descent that diverged
        first, second = np.tensordot(directions, gap)
    return float(first), float(second)


def landscape(
    exact: Optimum, directions: FloatArray, ways: Sequence[FloatArray], x: FloatArray, y: FloatArray,
    rng: np.random.Generator,
) -> Landscape:  # fmt: skip
    """The loss around the `ways` of descents, and the noise of its gradient, on rows x (n, p) and y (n, q)."""
    paths = np.vstack(ways)
    paths = paths[(np.abs(paths) <= 3 * np.abs(paths[0]).max()).all(axis=1)]  # a descent may have left for ever
    low, high = (limit(np.vstack([paths, [[0.0, 0.0]]]), axis=0) for limit in (np.min, np.max))
    room = 0.15 * max(*(high - low), 1e-9)
    along = np.linspace(low - room, high + room, POINTS).T
    step = -(-len(x) // ROWS)
    above = exact.section(directions, along[0], along[1], x[::step], y[::step])
    return Landscape(along, np.maximum(above - above.min(), 0.0), measured(exact, x, y, rng))


def measured(exact: Optimum, x: FloatArray, y: FloatArray, rng: np.random.Generator) -> list[tuple[int, float, float]]:
    """`Landscape.noise`: batches of 1, 2, 4, 8, ... rows drawn without replacement, and their gradients on the tape."""
    engine = TapeEngine(exact.weights, exact.bias, 0.0, loss=objective(exact.loss_of, exact.alpha))
    found = []
    for size in (2**k for k in range(len(x).bit_length())):
        draws = min(DRAWS, NUMBERS // (size * x.shape[1]))
        if size >= len(x) or draws < DRAWS / 4:
            break
        squares = 0.0
        for _ in range(draws):
            rows = rng.choice(len(x), size, replace=False, shuffle=False)
            engine.add_gradient(np.asarray(x[rows], np.float64), np.asarray(y[rows], np.float64))
            for part in (engine.W, engine.b):
                squares += float((part.grad**2).sum())
                part.zero_grad()
        found.append((size, squares / draws, exact.noise(size)))
    return found
