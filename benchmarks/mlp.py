"""What does a training step of a small network cost? 784-256-10, batch 64: forward, cross-entropy, backward, update.

Run as `python -m benchmarks.mlp`. All sides hold the weights as torch does, one row for each output, take the same
steps with one thread each, and compute the loss at each; before anything is timed they must have arrived at the same
weights, in float64, where only a mistake can set them apart. They are timed in float32. The floor is the step by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad import Tensor, affine, compile, cross_entropy, nn, no_grad, optim, relu
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Table, assert_agreement, command, measure, say

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


def loss_of(x: Any, labels: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Tensor:
    return cross_entropy(affine(relu(affine(x, W1, b1)), W2, b2), labels)


def operations(x: Array, labels: Array, *weights: Array) -> Steps:
    """The same without nn and optim."""
    W1, b1, W2, b2 = parameters = [Tensor(array, requires_grad=True) for array in weights]
    while True:
        loss = loss_of(x, labels, W1, b1, W2, b2)
        loss.backward()
        with no_grad():
            for p in parameters:
                p -= LR * p.grad
                p.zero_grad()
        yield loss, *parameters


PROGRAM = compile(
    loss_of,
    grad_of=("W1", "b1", "W2", "b2"),
    update=lambda parameters, slopes: [p - LR * g for p, g in zip(parameters, slopes, strict=True)],
    donate=("W1", "b1", "W2", "b2"),
)


def compiled(x: Array, labels: Array, *weights: Array) -> Steps:
    """The operations as the program that their tape prints."""
    while True:
        loss, weights = PROGRAM(x, labels, *weights)
        yield loss, *weights


def torch_modules(x: Array, labels: Array, *weights: Array) -> Steps:
    torch = peers.torch()
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


HAND, MODULES, COMPILED, TORCH = "by hand in NumPy", "minigrad, nn + optim", "minigrad, compiled", "torch, nn + optim"
SIDES: dict[str, Side] = {
    HAND: by_hand,
    COMPILED: compiled,
    "minigrad, operations": operations,
    MODULES: modules,
}
if peers.has("torch"):
    SIDES[TORCH] = torch_modules
AT_MOST = {MODULES: 1.15, COMPILED: 1.0}  # times the step by hand
FASTER = {MODULES: 1.0, COMPILED: 1.0}  # times faster than torch


def start(dtype: Any = np.float32) -> dict[str, Steps]:
    """Every side, at the same weights before the same images."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((BATCH, SIZES[0])).astype(dtype), rng.integers(0, SIZES[-1], BATCH)
    weights = []
    for p, q in pairwise(SIZES):
        weights += [rng.uniform(-1, 1, (q, p)).astype(dtype) / p**0.5, np.zeros(q, dtype)]
    return {name: side(x, labels, *[w.astype(dtype) for w in weights]) for name, side in SIDES.items()}


def check(steps: int = 10) -> None:
    """In float64 all sides must arrive at the same loss and weights.

    Raises:
        AssertionError: names the side and what differs.
    """
    assert_agreement(start(np.float64), ("the loss", "W1", "b1", "W2", "b2"), steps)


HEADER = ["side", "µs/step", "quartiles", "over by hand", "torch over"]
TITLE = """\
784-256-10 perceptron, batch 64, float32: forward, cross-entropy, backward, SGD update; one thread.
Medians of interleaved rounds; before them, all sides agreed on the loss and the weights in float64.
torch over: time of torch over that of this side, so more is better for this side."""


def run(rounds: int = ROUNDS) -> Table:
    """The table of all sides; a step is long, so half of the `rounds` will do."""
    say("mlp: 784-256-10")
    check()
    timings = measure(start(), -(-rounds // 2), seconds=0.02)
    rows: list[list[Cell]] = []
    for name in SIDES:
        faster = timings.ratio(TORCH, name, ">=", FASTER.get(name)) if TORCH in SIDES else None
        rows.append([name, *timings.cells(name, HAND, "<=", AT_MOST.get(name)), faster])
    return Table(TITLE, HEADER, [[], *rows])


def main(arguments: Sequence[str] | None = None) -> int:
    return command("mlp", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
