"""Where do the microseconds of a training step go? Linear + MSE on the tape, part by part.

Run as `python -m benchmarks.profile`. A part is what one program takes beyond another that does less: recording is the
forward on Tensors less the same NumPy on arrays. Each difference is taken within a round, so that the parts add up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness import ROUNDS, Cell, Table, command, measure, positive, say
from benchmarks.step import HAND, LR, OPERATIONS, SIDES, problem
from minigrad import Tensor, linear, mse_loss, tape
from minigrad.backprop import is_differentiable, sweep
from minigrad.guards import seed

PARTS = {  # part of a step: the program that contains it, and those that do all but this
    "forward, the NumPy": ("forward",),
    "recording it": ("recorded", "forward"),
    "listing the tape": ("listed", "recorded"),
    "backward, the NumPy": ("rules",),
    "walking the tape": ("swept", "listed", "rules"),
    "handing over the gradients": ("backward", "swept"),
    "update, the NumPy": ("update",),
    "updating Tensors": ("step", "backward", "update"),
}


def programs(batch: int) -> dict[str, Callable[[], Any]]:
    """Programs that do more and more of a step."""
    x, y, W_array, b_array = problem(batch)
    W, b = Tensor(W_array, requires_grad=True), Tensor(b_array, requires_grad=True)
    layer, criterion = linear.operation, mse_loss.operation
    yhat, one, mean = layer.forward(x, W_array, b_array), np.ones(()), criterion.defaults
    (d_yhat, _), (_, d_W, d_b) = criterion.rules, layer.rules

    def forward() -> Any:
        return criterion.forward(layer.forward(x, W_array, b_array), y, **mean)

    def rules() -> Any:
        g = d_yhat(one, one, yhat, y, **mean)
        return d_W(g, yhat, x, W_array, b_array), d_b(g, yhat, x, W_array, b_array).sum(0)

    dW, db = rules()

    def update() -> Any:
        return W_array - LR * dW, b_array - LR * db

    def recorded() -> Tensor:
        return mse_loss(linear(x, W, b), y)

    def listed() -> Any:
        return tape(recorded())

    def swept() -> Any:
        loss = recorded()
        return sweep(loss, seed(loss, None, (), False), is_differentiable, (), False)

    def backward() -> None:
        recorded().backward()
        W.grad = b.grad = None

    return {f.__name__: f for f in (forward, rules, update, recorded, listed, swept, backward)}


def repeated(function: Callable[[], Any]) -> Iterator[Any]:
    while True:
        yield function()


HEADER = ["part", "µs", "% of the step"]
TITLE = """\
Linear + MSE on the tape, batch {batch}: where the time of a step goes. Medians of interleaved rounds."""


def run(rounds: int = ROUNDS, batch: int = 32) -> Table:
    """The parts of a step at one batch size, the step, and the same step by hand."""
    say(f"profile: batch {batch}")
    sides = {name: repeated(function) for name, function in programs(batch).items()}
    sides |= {name: SIDES[side](*problem(batch)) for name, side in (("step", OPERATIONS), ("by hand", HAND))}
    timings = measure(sides, rounds)
    whole = timings.microseconds("step")

    def row(what: str, containing: str, *others: str) -> list[Cell]:
        seconds = [timings.seconds[name] for name in (containing, *others)]
        µs = 1e6 * median(first - sum(rest) for first, *rest in zip(*seconds, strict=True))
        return [what, µs, 100 * µs / whole]

    rows = [row(part, *names) for part, names in PARTS.items()]
    return Table(TITLE.format(batch=batch), HEADER, [[], *rows, [], row("the step", "step"), row("by hand", "by hand")])


def main(arguments: Sequence[str] | None = None) -> int:
    batch = {"type": positive, "default": 32, "metavar": "ROWS", "help": "rows in a step (default 32)"}
    return command("profile", run, __doc__, arguments, batch=batch)


if __name__ == "__main__":
    sys.exit(main())
