"""Where do the microseconds of one training step go? Linear + MSE on the tape, batch 32: part by part.

Run as `python -m benchmarks.profile`. Each part is what the engine does beyond a shorter program: recording, for
example, is the forward on Tensors less the same NumPy on arrays. The parts are differences within one round, so they add
up to the step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness import ROUNDS, Cell, Table, Timings, command, measure, positive
from benchmarks.step import FEATURES, LR
from minigrad import Tensor, backprop, linear, mse_loss, no_grad, tape

FORWARD, RULES, UPDATE = "forward", "rules", "update"
RECORDED, LISTED, SWEPT, STEP = "recorded", "listed", "swept", "step"
Array = np.ndarray[Any, Any]


def data(batch: int) -> tuple[Array, Array, Array, Array]:
    """x, y, W and b, as in the benchmark of a step."""
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(shape) for shape in ((batch, FEATURES), (batch, 1), (FEATURES, 1), (1,)))


def repeated(function: Callable[[], Any]) -> Iterator[Any]:
    while True:
        yield function()


def sides(batch: int) -> dict[str, Iterator[Any]]:
    """Programs that do more and more of a step."""
    x, y, weights, bias = data(batch)
    W, b = Tensor(weights, requires_grad=True), Tensor(bias, requires_grad=True)
    layer, loss_of = linear.operation, mse_loss.operation
    mean = loss_of.defaults

    def forward() -> Any:
        """The NumPy of the forward: the bodies of the two operations, on arrays."""
        return loss_of.forward(layer.forward(x, weights, bias), y, **mean)

    yhat, one = layer.forward(x, weights, bias), np.ones(())
    (d_yhat, _), (_, d_W, d_b) = loss_of.rules, layer.rules
    slope = d_yhat(one, one, yhat, y, **mean)
    dW, db = d_W(slope, yhat, x, weights, bias), d_b(slope, yhat, x, weights, bias).sum(0)

    def rules() -> Any:
        """The NumPy of the backward: the rules of the two operations, on arrays, and the sum over the batch."""
        g = d_yhat(one, one, yhat, y, **mean)
        return d_W(g, yhat, x, weights, bias), d_b(g, yhat, x, weights, bias).sum(0)

    def update() -> Any:
        """The NumPy of the update."""
        return weights - LR * dW, bias - LR * db

    def recorded() -> Tensor:
        return mse_loss(linear(x, W, b), y)

    def listed() -> Any:
        return tape(recorded())

    def swept() -> Any:
        recorded().backward()
        W.grad = b.grad = None

    def step() -> None:
        recorded().backward()
        with no_grad():
            W.array -= 0
    ...
