"""What are arrays good for? The GPT of lesson 7, trained on a tape of numbers and on minigrad's tape of arrays.

Run as `python -m benchmarks.gpt`. The tape of numbers is that of lesson 1, as fast as plain Python makes it: a row is
an object with slots, which keeps its local derivatives. Both sides descend on the same names from the same parameters,
and must agree on the loss and all parameters before anything is timed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from minigrad import value_and_grad
from minigrad.bench.harness import ROUNDS, Range, Ratio, Table, assert_agreement, command, measure, say
from minigrad.grade.notebooks import cells_of

LESSON = Path(__file__).parents[1] / "lessons" / "7_attention.py"
LR = 0.05
MANY = 32
SCALAR, ONE, BATCH = "a tape of numbers", "minigrad, a name a step", f"minigrad, {MANY} names a step"
PARTS = "names", "attention", "model"  # the cells of the lesson that a training needs


def lesson() -> dict[str, Any]:
    """The names that these cells define."""
    names: dict[str, Any] = {}
    for cell in cells_of(LESSON):
        if cell.title in PARTS:
            exec(cell.source, names)
    return names


# ---------------------------------------------------------------------------------------------------- a tape of numbers
tape: list[Number] = []


class Number:
    """A value and its gradient, and what it was made of, with the local derivatives."""

    __slots__ = "grad", "inputs", "partials", "value"

    def __init__(self, value: float, inputs: tuple[Number, ...] = (), partials: tuple[float, ...] = ()) -> None:
        self.value, self.grad, self.inputs, self.partials = value, 0.0, inputs, partials
        if inputs:
            tape.append(self)

    def __add__(self, other: Number) -> Number:
        return Number(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other: Number) -> Number:
        return Number(self.value * other.value, (self, other), (other.value, self.value))

    def of(self, value: float, derivative: float) -> Number:
        """A function of this number alone."""
        return Number(value, (self,), (derivative,))


def backward(loss: Number) -> None:
    loss.grad = 1.0
    for row in reversed(tape):
        for x, partial in zip(row.inputs, row.partials, strict=True):
            x.grad += partial * row.grad
    tape.clear()


def total(numbers: Sequence[Number]) -> Number:
    found = numbers[0]
    for number in numbers[1:]:
        found = found + number
    return found


def times(x: Sequence[Number], W: Sequence[Sequence[Number]]) -> list[Number]:
    """A row times a matrix."""
    return [total([a * row[j] for a, row in zip(x, W, strict=True)]) for j in range(len(W[0]))]


def softmax(x: Sequence[Number]) -> list[Number]:
    largest = max(number.value for number in x)
    powers = [number.of(e := math.exp(number.value - largest), e) for number in x]
    whole = total(powers)
    inverse = whole.of(1 / whole.value, -1 / whole.value**2)
    return [e * inverse for e in powers]


def layer_norm(x: Sequence[Number], gain: Sequence[Number], bias: Sequence[Number]) -> list[Number]:
    whole, n = total(x), len(x)
    mean = whole.of(-whole.value / n, -1 / n)
    centred = [a + mean for a in x]
    squares = total([c * c for c in centred])
    spread = squares.value / n + 1e-5
    scale = squares.of(spread**-0.5, -0.5 * spread**-1.5 / n)
    return [g * c * scale + b for g, c, b in zip(gain, centred, bias, strict=True)]


def loss_of(p: dict[str, Any], codes: Sequence[int], following: Sequence[int], heads: int) -> Number:
    """The cross-entropy of one name; `p` has lists of Numbers in the shapes of the lesson."""
    keys: list[list[Number]] = []
    values: list[list[Number]] = []
    losses = []
    for t, code in enumerate(codes):
        x = [a + b for a, b in zip(p["letter"][code], p["place"][t], strict=True)]
        width = len(x)
        part = width // heads
        qkv = times(layer_norm(x, p["gain1"], p["bias1"]), p["qkv"])
        q = qkv[:width]
        keys.append(qkv[width : 2 * width])
        values.append(qkv[2 * width :])
        mixed = []
        for first in range(0, width, part):
            own = range(first, first + part)
            inner = [total([q[i] * k[i] for i in own]) for k in keys]
            weights = softmax([s.of(s.value / math.sqrt(part), 1 / math.sqrt(part)) for s in inner])
            mixed += [total([w * v[i] for w, v in zip(weights, values, strict=True)]) for i in own]
        x = [a + b for a, b in zip(x, times(mixed, p["together"]), strict=True)]
        hidden = times(layer_norm(x, p["gain2"], p["bias2"]), p["up"])
        bent = [h.of(max(h.value, 0.0), float(h.value > 0)) for h in hidden]
        x = [a + b for a, b in zip(x, times(bent, p["down"]), strict=True)]
        chances = softmax(times(layer_norm(x, p["gain3"], p["bias3"]), p["scores"]))
        right = chances[following[t]]
        losses.append(right.of(-math.log(right.value), -1 / right.value))
    whole = total(losses)
    return whole.of(whole.value / len(losses), 1 / len(losses))


# ----------------------------------------------------------------------------------------------------------- the sides
def numbers_of(array: Any) -> Any:
    return [numbers_of(row) for row in array] if np.ndim(array) else Number(float(array))


def leaves(nested: Any) -> Iterator[Number]:
    if isinstance(nested, Number):
        yield nested
    else:
        for part in nested:
            yield from leaves(part)


def on_numbers(names: dict[str, Any]) -> Iterator[Any]:
    """Yields the loss and all parameters after each step."""
    p = {key: numbers_of(array) for key, array in names["start"](np.random.default_rng(0)).items()}
    parameters = [*leaves(p.values())]
    for name in cycle(names["NAMES"]):
        codes, following, _ = names["batch"]([name])
        n = len(name) + 1
        loss = loss_of(p, codes[0, :n].tolist(), following[0, :n].tolist(), names["HEADS"])
        backward(loss)
        for x in parameters:
            x.value -= LR * x.grad
            x.grad = 0.0
        yield loss.value, [x.value for x in parameters]


def on_arrays(names: dict[str, Any], size: int) -> Iterator[Any]:
    """The same with minigrad, `size` names a step."""
    p = names["start"](np.random.default_rng(0))
    step, order = value_and_grad(names["loss_of"]), cycle(names["NAMES"])
    while True:
        loss, slopes = step(p, *names["batch"]([next(order) for _ in range(size)]))
        for key, slope in slopes.items():
            p[key] -= LR * slope
        yield loss, np.concatenate([array.ravel() for array in p.values()])


HEADER = ["side", "µs a name", "quartiles", "numbers over it"]
TITLE = """\
A step of gradient descent for a GPT of {size:,} parameters, float64, one thread. Medians of interleaved rounds.
numbers over it: how many times as long a name takes on the tape of numbers; its quartiles over the rounds beside it."""


def run(rounds: int = ROUNDS) -> Table:
    """A row for each side, after both tapes have agreed."""
    say("gpt: numbers and arrays")
    names = lesson()
    both = {SCALAR: on_numbers(names), ONE: on_arrays(names, 1)}
    assert_agreement(both, ["the loss", "the parameters"], steps=2, rtol=1e-9)
    timings = measure(both | {BATCH: on_arrays(names, MANY)}, rounds)
    rows = []
    for side, size in ((SCALAR, 1), (ONE, 1), (BATCH, MANY)):
        ratios = [size * ratio for ratio in timings.ratios(SCALAR, side)]
        low, _, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
        bound = 100.0 if side == BATCH else None
        rows.append([side, timings.microseconds(side) / size, Range(low, high), Ratio(median(ratios), ">=", bound)])
    parameters = sum(array.size for array in names["start"](np.random.default_rng(0)).values())
    return Table(TITLE.format(size=parameters), HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return command("gpt", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
