"""The loss about its optimum on the plane of its two steepest directions, the ways of descents on it, their noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.lab.data import FloatArray
from minigrad.lab.descent import TapeEngine, objective
from minigrad.lab.theory import Optimum

if TYPE_CHECKING:
    from minigrad.lab.report import Run

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
    exact: Optimum, directions: FloatArray, runs: Sequence[Run], x: FloatArray, y: FloatArray, rng: np.random.Generator
) -> Landscape:
    """The loss around the ways of `runs`, and the noise of its gradient, on rows x (n, p) and y (n, q)."""
    paths = np.vstack([run.history.path for run in runs])
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


def animation(runs: Sequence[Run]) -> str:
    """A page of its own with the ways of `runs` in motion, over samples seen; it needs no network."""
    from minigrad.lab.report import STYLES
    from minigrad.views.explore import digest

    found: Any = runs[0].landscape
    style, script, template = (
        resources.files("minigrad.lab").joinpath("page", f"animation.{kind}").read_text("utf-8")
        for kind in ("css", "js", "html")
    )
    data = {
        "along": rounded(found.along), "above": rounded(found.above), "least": runs[0].exact.least,
        "runs": [
            {
                "name": run.name, "colour": STYLES[run.method][0], "samples": run.history.samples.tolist(),
                "path": rounded(run.history.path), "loss": rounded(run.history.train),
            }
            for run in runs
        ],
    }  # fmt: skip
    word = runs[0].exact.word
    parts = {
        "policy": f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; base-uri 'none'",
        "title": escaped(f"{runs[0].settings.data}: descents to the least {word}"),
        "style": style,
        "script": script,
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    }
    for name, part in parts.items():
        template = template.replace("{{" + name + "}}", part)
    return template


def rounded(numbers: FloatArray) -> Any:
    """Numbers to six digits, null where there is none."""
    found = np.vectorize(lambda x: float(f"{x:.6g}") if np.isfinite(x) else None, otypes=[object])(numbers)
    return found.tolist()


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
