"""What do second derivatives cost? Logistic regression with 100 weights: gradient, Hessian times vector, full Hessian.

Run as `python -m benchmarks.higher_order`. The loss is the mean of ln(1 + exp z) - y z over 1,000 rows, with z = X w.
By hand the three are a line or two of NumPy each; minigrad, torch.func and jax (compiled by jax.jit) derive them from
the loss. All sides must find the same before anything is timed. torch and jax go forward over reverse, and all rows of
their Hessian at once; minigrad has one mode, reverse, and takes the rows one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad import binary_cross_entropy_with_logits, compile, grad, hessian, hvp
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Table, assert_agreement, command, measure, repeated, say

ROWS, WEIGHTS = 1000, 100
GRADIENT, PRODUCT, HESSIAN = "gradient", "Hessian times vector", "Hessian"
Array = np.ndarray[Any, Any]
Side = Callable[[Array, Array, Array, Array], dict[str, Callable[[], Any]]]


def data() -> tuple[Array, Array, Array, Array]:
    """X (1000, 100), y (1000,) of zeros and ones, w (100,) and v (100,)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, WEIGHTS))
    w, v = rng.normal(size=WEIGHTS) / np.sqrt(WEIGHTS), rng.normal(size=WEIGHTS)
    return X, (rng.random(ROWS) < 1 / (1 + np.exp(-X @ w))).astype(float), w, v


# ------------------------------------------------------------------------------------------------------ the sides
# Each takes X, y, w, v and gives a function without arguments for each of the three derivatives at w.
def by_hand(X: Array, y: Array, w: Array, v: Array) -> dict[str, Callable[[], Any]]:
    def probability() -> Array:
        return 1 / (1 + np.exp(-(X @ w)))

    def gradient() -> Array:
        return X.T @ ((probability() - y) / len(y))

    def curvature() -> Array:
        p = probability()
        return p * (1 - p) / len(y)

    return {
        GRADIENT: gradient,
        PRODUCT: lambda: X.T @ (curvature() * (X @ v)),
        HESSIAN: lambda: (X.T * curvature()) @ X,
    }


def on_the_tape(X: Array, y: Array, w: Array, v: Array) -> dict[str, Callable[[], Any]]:
    def loss(w: Any) -> Any:
        return binary_cross_entropy_with_logits(X @ w, y)

    slope, curvature = grad(loss), hessian(loss)
    return {GRADIENT: lambda: slope(w), PRODUCT: lambda: hvp(loss, (w,), (v,))[0], HESSIAN: lambda: curvature(w)}


def compiled(X: Array, y: Array, w: Array, v: Array) -> dict[str, Callable[[], Any]]:
    """Programs of the gradient and of the product; the Hessian is the product with one unit vector after the other."""

    def loss(w: Any, X: Any, y: Any) -> Any:
        return binary_cross_entropy_with_logits(X @ w, y)

    def product_of(w: Any, v: Any, X: Any, y: Any) -> Any:
        return hvp(lambda w: loss(w, X, y), (w,), (v,))[0]

    slope, product, units = compile(loss, grad=True), compile(product_of), np.eye(len(w))
    return {
        GRADIENT: lambda: slope(w, X, y)[1],
        PRODUCT: lambda: product(w, v, X, y),
        HESSIAN: lambda: np.stack([product(w, unit, X, y) for unit in units]),
    }


def in_torch(X: Array, y: Array, w: Array, v: Array) -> dict[str, Callable[[], Any]]:
    torch = peers.torch()
    from torch.nn.functional import binary_cross_entropy_with_logits

    Xt, yt, wt, vt = map(torch.from_numpy, (X, y, w, v))

    def loss(w: Any) -> Any:
        return binary_cross_entropy_with_logits(Xt @ w, yt)

    slope, curvature = torch.func.grad(loss), torch.func.hessian(loss)
    return {
        GRADIENT: lambda: slope(wt),
        PRODUCT: lambda: torch.func.jvp(slope, (wt,), (vt,))[1],
        HESSIAN: lambda: curvature(wt),
    }


def in_jax(X: Array, y: Array, w: Array, v: Array) -> dict[str, Callable[[], Any]]:
    jax = peers.jax()

    def loss(w: Any, X: Any, y: Any) -> Any:
        z = X @ w
        return (jax.nn.softplus(z) - y * z).mean()

    def product(w: Any, v: Any, X: Any, y: Any) -> Any:
        return jax.jvp(lambda w: jax.grad(loss)(w, X, y), (w,), (v,))[1]

    X, y, w, v = map(jax.numpy.asarray, (X, y, w, v))
    slope, times, curvature = jax.jit(jax.grad(loss)), jax.jit(product), jax.jit(jax.hessian(loss))
    return {
        GRADIENT: lambda: slope(w, X, y).block_until_ready(),
        PRODUCT: lambda: times(w, v, X, y).block_until_ready(),
        HESSIAN: lambda: curvature(w, X, y).block_until_ready(),
    }


HAND = "by hand in NumPy"
SIDES: dict[str, Side] = {HAND: by_hand, "minigrad": on_the_tape, "minigrad, compiled": compiled}
if peers.has("torch"):
    SIDES["torch.func"] = in_torch
if peers.has("jax"):
    SIDES["jax.jit"] = in_jax


def start() -> dict[str, dict[str, Iterator[Any]]]:
    """For each derivative, every side."""
    made = {name: side(*data()) for name, side in SIDES.items()}
    return {
        what: {name: repeated(functions[what]) for name, functions in made.items()}
        for what in (GRADIENT, PRODUCT, HESSIAN)
    }


HEADER = ["derivative", "side", "µs", "quartiles", "over by hand"]
TITLE = f"""\
Logistic regression, {ROWS:,} rows, {WEIGHTS} weights, float64, one thread.
Medians of interleaved rounds; before them, all sides agreed.
over by hand: time of this side over that of the formula by hand; its quartiles over the rounds stand beside it."""


def run(rounds: int = ROUNDS) -> Table:
    """The table of all sides and derivatives; half of the `rounds` will do for the Hessian."""
    rows: list[list[Cell]] = []
    for what, sides in start().items():
        say(f"higher_order: {what}")
        assert_agreement(sides, [f"the {what}"], steps=1)
        timings = measure(sides, -(-rounds // 2) if what == HESSIAN else rounds, 0.02 if what == HESSIAN else 0.005)
        rows += [[], *([what, name, *timings.cells(name, HAND)] for name in sides)]
    return Table(TITLE, HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return command("higher_order", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
