"""What does stochastic descent cost? Five epochs over California Housing, one row a step: 103,200 steps.

Run as `python -m benchmarks.sgd`. All sides see the same 20,640 rows, standardised and clipped, in the same five random
orders, from zero weights at the same rate, and must arrive at the same loss before anything is timed. torch_ref is the
reference descent of this repository, in PyTorch; minigrad's sides are the engines of the lab. scikit-learn's
SGDRegressor takes the same steps: a constant rate, no penalty, no shuffling of its own. Its loss is half of the square,
so its rate is twice that of the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from minigrad import lab
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Table, advance, command, measure, say
from minigrad.lab.data import stream
from minigrad.lab.descent import make_engine, steps

EPOCHS = 5
LR = 0.01
CLIP = 5.0  # standard deviations; without it the step is too long for the outliers of this table
Array = np.ndarray[Any, Any]
Orders = Iterable[tuple[Array, Array]]  # the rows of each epoch as it takes them: x (n, p), y (n, 1)
Epochs = Iterator[tuple[Array, Array]]  # copies of W (p, 1) and b (1,) after each epoch
Side = Callable[[Orders, Array, Array], Epochs]


def data(rows: int | None = None) -> tuple[Array, Array]:
    """California Housing: the features standardised and clipped, (n, 8), and the target, (n, 1)."""
    table = lab.load("california")
    x, y = table.features[:rows], table.targets[:rows]
    return ((x - x.mean(0)) / x.std(0)).clip(-CLIP, CLIP), y


# ------------------------------------------------------------------------------------------------------ the sides
# Each takes the rows of one epoch after the other, and W (p, 1), b (1,), which it may keep; `next` is one epoch.
def by_hand(orders: Orders, W: Array, b: Array) -> Epochs:
    for x, y in orders:
        for i in range(len(x)):
            row = x[i : i + 1]
            g = 2 * (row @ W + b - y[i : i + 1])
            W -= LR * (row.T @ g)
            b -= LR * g[0]
        yield W.copy(), b.copy()


def engine(name: str) -> Side:
    """An engine of the lab: the one called numba takes all steps of an epoch at once, the others one by one."""

    def epochs(orders: Orders, W: Array, b: Array) -> Epochs:
        made = make_engine(name, W, b, LR, None)
        for x, y in orders:
            steps(made, x, y, range(len(x) + 1))
            yield made.parameters()

    return epochs


def torch_ref(orders: Orders, W: Array, b: Array) -> Epochs:
    torch = peers.torch()
    from torch_ref.descent import step

    weights, bias = torch.from_numpy(W).requires_grad_(), torch.from_numpy(b).requires_grad_()
    for x, y in orders:
        xs, ys = torch.from_numpy(x), torch.from_numpy(y)
        for i in range(len(x)):
            step(xs[i : i + 1], ys[i : i + 1], weights, bias, LR)
        yield W.copy(), b.copy()  # which share their memory with torch's


def jax_scan(orders: Orders, W: Array, b: Array) -> Epochs:
    """An epoch is one call of a compiled loop."""
    jax = peers.jax()

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        W, b = parameters
        return ((x @ W + b - y) ** 2).mean()

    def step(parameters: Any, row: Any) -> Any:
        slopes = jax.grad(loss)(parameters, *row)
        return tuple(p - LR * g for p, g in zip(parameters, slopes, strict=True)), None

    epoch = jax.jit(lambda parameters, rows: jax.lax.scan(step, parameters, rows)[0])
    parameters = W, b
    for x, y in orders:
        parameters = epoch(parameters, (x[:, None], y[:, None]))
        yield np.array(parameters[0]), np.array(parameters[1])


def sgd_regressor(orders: Orders, W: Array, b: Array) -> Epochs:
    from sklearn.linear_model import SGDRegressor

    assert not W.any()  # it starts from zeros
    assert not b.any()
    model = SGDRegressor(penalty=None, learning_rate="constant", eta0=2 * LR, shuffle=False)
    for x, y in orders:
        model.partial_fit(x, y[:, 0])
        yield model.coef_.reshape(W.shape).copy(), model.intercept_.copy()


HAND, TORCH, SKLEARN = "by hand in NumPy", "torch_ref", "SGDRegressor"
TAPE, COMPILED, NUMBA = "minigrad", "minigrad, compiled", "minigrad, numba"
SIDES: dict[str, Side] = {TORCH: torch_ref, HAND: by_hand, TAPE: engine("minigrad"), COMPILED: engine("compiled")}
if peers.has("numba"):
    SIDES[NUMBA] = engine("numba")
if peers.has("jax"):
    SIDES["jax.jit, lax.scan"] = jax_scan
SIDES[SKLEARN] = sgd_regressor

FASTER = {TAPE: 5.0, COMPILED: 12.0, NUMBA: 300.0}  # times faster than torch_ref
AT_MOST = {NUMBA: 8.0}  # times the SGDRegressor


def start(x: Array, y: Array) -> dict[str, Epochs]:
    """Every side, before the first of the five orders; after the fifth they begin again."""
    rng = stream(0, "order")
    orders = [(x[order], y[order]) for order in (rng.permutation(len(x)) for _ in range(EPOCHS))]
    return {name: side(cycle(orders), np.zeros((x.shape[1], 1)), np.zeros(1)) for name, side in SIDES.items()}


def final_losses(x: Array, y: Array) -> dict[str, float]:
    """The mean squared error over all rows after five epochs, which must be the same on all sides.

    Raises:
        AssertionError: names the side whose loss is not that of the first.
    """
    losses: dict[str, float] = {}
    for name, side in start(x, y).items():
        say(f"sgd: {EPOCHS} epochs, {name}")
        W, b = advance(side, EPOCHS)
        losses[name] = float(np.square(x @ W + b - y).mean())
        first = next(iter(losses))
        message = f"{name}: the loss after {EPOCHS} epochs is not that of {first}"
        np.testing.assert_allclose(losses[name], losses[first], rtol=1e-9, err_msg=message)
    return losses


HEADER = ["side", f"s/{EPOCHS} epochs", "µs/step", "torch_ref over", "over SGDRegressor", "final loss"]
TITLE = """\
Stochastic descent on linear regression: {rows:,} rows of 8 features, one a step, {epochs} epochs, float64, one thread.
Medians of interleaved rounds, an epoch or more each; before them, all sides agreed on the loss after {epochs} epochs.
torch_ref over: time of torch_ref over that of this side, so more is better for this side.
over SGDRegressor: time of this side over scikit-learn's."""


def run(rounds: int = ROUNDS, rows: int | None = None) -> Table:
    """The table of all sides; an epoch is long, so an eighth of the `rounds` will do."""
    x, y = data(rows)
    losses = final_losses(x, y)
    say("sgd: interleaved rounds")
    timings = measure(start(x, y), max(1, rounds // 8))
    lines: list[list[Cell]] = []
    for name in SIDES:
        epoch = timings.microseconds(name)
        lines.append(
            [
                name,
                1e-6 * EPOCHS * epoch,
                epoch / len(x),
                timings.ratio(TORCH, name, ">=", FASTER.get(name)),
                timings.ratio(name, SKLEARN, "<=", AT_MOST.get(name)),
                f"{losses[name]:.6f}",
            ]
        )
    return Table(TITLE.format(rows=len(x), epochs=EPOCHS), HEADER, [[], *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    return command("sgd", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
