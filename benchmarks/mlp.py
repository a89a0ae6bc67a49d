"""What does a training step of a small network cost? 784-256-10, batch 64: forward, cross-entropy, backward, update.

Run as `python -m benchmarks.mlp`. All sides hold the weights as torch does, one row for each output, take the same
steps with one thread each, and compute the loss at each; before anything is timed they must have arrived at the same
weights, in float64, where only a mistake can set them apart. They are timed in float32. The floor is the step by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import advance, measure, table
from benchmarks.step import Ratio, as_vector
from minigrad import Tensor, affine, cross_entropy, nn, no_grad, optim, relu

SIZES, BATCH, LR = (784, 256, 10), 64, 0.1
Array = np.ndarray[Any, Any]
Steps = Iterator[tuple[Any, ...]]  # the loss, and the four parameters after the step
Side = Callable[..., Steps]


# ---------------------------------------------------------------------------------------------------------- the sides
# Each takes x (64, 784), the labels (64,), and W1 (256, 784), b1, W2 (10, 256), b2 that it may keep.
def by_hand(x: Array, labels: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Steps:
    rows = np.arange(len(x))
    while True:
        h = x @ W1.T + b1
        a = np.maximum(h, 0)
        z = a @ W2.T + b2
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, labels]).mean()
        dz = e / total
        dz[rows, labels] -= 1
        dz /= len(x)
        dh = (dz @ W2) * (h > 0)
        W2 -= LR * (dz.T @ a)
        b2 -= LR * dz.sum(axis=0)
        W1 -= LR * (dh.T @ x)
        b1 -= LR * dh.sum(axis=0)
        yield loss, W1, b1, W2, b2


def modules(x: Array, labels: Array, *weights: Array) -> Steps:
    model = nn.Sequential(nn.Linear(*SIZES[:2], dtype=x.dtype), nn.ReLU(), nn.Linear(*SIZES[1:], dtype=x.dtype))
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
    loss_of = nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimizer = optim.SGD(parameters, lr=LR)
    while True:
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        yield loss, *parameters


def operations(x: Array, labels: Array, *weights: Array) -> Steps:
    """The same without nn and optim."""
    W1, b1, W2, b2 = parameters = [Tensor(array, requires_grad=True) for array in weights]
    while True:
        loss = cross_entropy(affine(relu(affine(x, W1, b1)), W2, b2), labels)
        loss.backward()
        with no_grad():
            for p in parameters:
                p -= LR * p.grad
                p.zero_grad()
        yield loss, *parameters


def torch_modules(x: Array, labels: Array, *weights: Array) -> Steps:
    import torch

    torch.set_num_threads(1)
    x, labels = torch.from_numpy(x), torch.from_numpy(labels)
    dtype = x.dtype
    model = torch.nn.Sequential(
        torch.nn.Linear(*SIZES[:2], dtype=dtype), torch.nn.ReLU(), torch.nn.Linear(*SIZES[1:], dtype=dtype)
    )
    model.load_state_dict(dict(zip(model.state_dict(), map(torch.from_numpy, weights), strict=True)))
    loss_of = torch.nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=LR)
    while True:
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        yield loss, *parameters


HAND, MODULES, TORCH = "by hand in NumPy", "minigrad, nn + optim", "torch, nn + optim"
SIDES: dict[str, Side] = {HAND: by_hand, MODULES: modules, "minigrad, operations": operations}
if find_spec("torch"):
    SIDES[TORCH] = torch_modules
AT_MOST, FASTER = 1.15, 1.0  # what is promised of nn + optim: times the step by hand, and times faster than torch


def start(dtype: Any = np.float32) -> dict[str, Steps]:
    """Every side, at the same weights before the same images."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((BATCH, SIZES[0])).astype(dtype), rng.integers(0, SIZES[-1], BATCH)
    weights = []
    for p, q in pairwise(SIZES):
        weights += [rng.uniform(-1, 1, (q, p)).astype(dtype) / p**0.5, np.zeros(q, dtype)]
    return {name: side(x, labels, *[w.astype(dtype) for w in weights]) for name, side in SIDES.items()}


def assert_agreement(sides: dict[str, Steps], steps: int = 10) -> None:
    """Take `steps` steps on every side: loss and weights must be those of the first side, up to rounding.

    Raises:
        AssertionError: names the side and what differs.
    """
    expected: list[Array] = []
    for name, side in sides.items():
        found = [as_vector(value) for value in advance(side, steps)]
        expected = expected or found
        for what, got, wanted in zip(("the loss", "W1", "b1", "W2", "b2"), found, expected, strict=True):
            message = f"{name}: {what} after {steps} steps is not that of {next(iter(sides))}"
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12, err_msg=message)


HEADER = ["side", "µs/step", "over by hand", "quartiles", "torch over it"]
EXPLANATION = """\
784-256-10 perceptron, batch 64, float32: forward, cross-entropy, backward, SGD update; one thread.
Medians of {rounds} interleaved rounds; before them, all sides agreed on the loss and the weights in float64.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mlp",
        description="Time the training step of a small perceptron: by hand in NumPy, on minigrad, and on torch.",
    )
    parser.add_argument("--rounds", type=int, default=40, help="rounds in which every side runs once (default 40)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds counts from 1")

    assert_agreement(start(np.float64))
    timings = measure(start(), options.rounds, 0.02)
    rows, missed = [], False
    for name in SIDES:
        low, high = timings.quartiles(name, HAND)
        over = Ratio(timings.ratio(name, HAND), "<=", AT_MOST if name == MODULES else None)
        faster = (
            [Ratio(timings.ratio(TORCH, name), ">=", FASTER if name == MODULES else None)] if TORCH in SIDES else []
        )
        missed |= any(ratio.missed for ratio in (over, *faster))
        quartiles = f"{low:.2f}-{high:.2f}"
        rows.append([name, f"{timings.microseconds(name):.0f}", str(over), quartiles, *map(str, faster)])
    print(EXPLANATION.format(rounds=options.rounds))
    print(table(HEADER[: len(rows[0])], rows))
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
