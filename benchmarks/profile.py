"""Where do the microseconds of a training step go? Linear + MSE, on the tape and compiled, part by part.

Run as `python -m benchmarks.profile`. A part is what one program takes beyond others that do less: recording is the
forward on Tensors less the same NumPy on arrays. Differences are taken within a round; docs/profile.md reads the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.step import HAND, IN_PLACE, LR, OPERATIONS, SIDES, problem
from minigrad import Tensor, compile, linear, mse_loss
from minigrad.backprop import sweep
from minigrad.bench.harness import ROUNDS, Cell, Table, command, measure, positive, repeated, say

PARTS = {  # what takes time: for the tape and compiled, the program that has it in it, less those that have all but it
    "the NumPy of the forward": (("forward",), ("ran_forward",)),
    "the NumPy of the backward": (("rules",), ("ran_backward", "ran_forward")),
    "the NumPy of the update": (("update",), ("ran", "ran_backward")),
    "recording the forward": (("recorded", "forward"), None),
    "walking along the tape": (("swept", "recorded", "rules"), None),
    "handing over the gradients": (("backward", "swept"), None),
    "updating Tensors": (("tape", "backward", "update"), None),
    "finding the program and its buffers": (None, ("compiled", "ran")),
    "the step": (("tape",), ("compiled",)),
    "the same by hand": (("by hand",), ("in place",)),
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

    def swept() -> Any:
        return sweep(recorded(), None, (), False)

    def backward() -> None:
        recorded().backward()
        W.grad = b.grad = None

    return {f.__name__: f for f in (forward, rules, update, recorded, swept, backward)}


def compiled(batch: int) -> dict[str, Callable[[], Any]]:
    """The compiled step, called as a user calls it; and its program in buffers, whole, and of parts of the step."""
    arrays = x, y, W, b = problem(batch)

    def loss(x: Any, y: Any, W: Any, b: Any) -> Tensor:
        return mse_loss(linear(x, W, b), y)

    def update(parameters: Any, slopes: Any) -> Any:
        return [p - LR * g for p, g in zip(parameters, slopes, strict=True)]

    parameters = ("W", "b")
    step = compile(loss, grad_of=parameters, update=update, donate=parameters)
    parts = step, compile(loss, grad_of=parameters), compile(loss)
    ran, ran_backward, ran_forward = (part.program(*arrays).allocate() for part in parts)
    return {
        "compiled": lambda: step(x, y, W, b),
        "ran": lambda: ran(x, y, W, b),
        "ran_backward": lambda: ran_backward(x, y, W, b),
        "ran_forward": lambda: ran_forward(x, y, W, b),
    }


HEADER = ["what takes time", "tape: µs", "%", "compiled: µs", "%"]
TITLE = """\
Linear + MSE, batch {batch}: where the time of a training step goes. Medians of interleaved rounds.
by hand: in plain NumPy beside the tape, in buffers beside the compiled step."""


def run(rounds: int = ROUNDS, batch: int = 32) -> Table:
    """The parts of a step at one batch size, the step, and the same step by hand."""
    say(f"profile: batch {batch}")
    sides = {name: repeated(function) for name, function in (programs(batch) | compiled(batch)).items()}
    for name, side in {"tape": OPERATIONS, "by hand": HAND, "in place": IN_PLACE}.items():
        sides[name] = SIDES[side](*problem(batch))
    timings = measure(sides, rounds)

    def cells(names: tuple[str, ...] | None, step: str) -> list[Cell]:
        if names is None:
            return [None, None]
        columns = [timings.seconds[name] for name in names]
        took = 1e6 * median(first - sum(rest) for first, *rest in zip(*columns, strict=True))
        return [took, 100 * took / timings.microseconds(step)]

    rows = [[part, *cells(tape, "tape"), *cells(program, "compiled")] for part, (tape, program) in PARTS.items()]
    return Table(TITLE.format(batch=batch), HEADER, [[], *rows[:-2], [], *rows[-2:]])


def main(arguments: Sequence[str] | None = None) -> int:
    batch = {"type": positive, "default": 32, "metavar": "ROWS", "help": "rows in a step (default 32)"}
    return command("profile", run, __doc__, arguments, batch=batch)


if __name__ == "__main__":
    sys.exit(main())
