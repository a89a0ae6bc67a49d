"""What does a training step of a small convolutional net cost? Handwritten digits, batch 32, float32.

Run as `python -m benchmarks.conv`. Convolution 3x3, relu, max pool 2x2, twice; linear; cross-entropy; a step of SGD.
The images are the 8x8 digits that scikit-learn carries, and the same enlarged to 28x28. All sides start from the same
weights, and must have arrived at the same ones, in float64, where rounding hides little, and in float32, before the
float32 steps are timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad import Tensor, compile, conv2d, cross_entropy, max_pool2d, no_grad, relu
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Table, assert_agreement, command, measure, say

BATCH = 32
CHANNELS = 8, 16
CLASSES = 10
LR = 0.1
SIZES = 8, 28
PARAMETERS = "K1", "b1", "K2", "b2", "W", "b"
Array = np.ndarray[Any, Any]
Weights = list[Array]  # kernels (o, c, 3, 3) and bias (o,) of both convolutions, W (p, 10) and b (10,)
Steps = Iterator[tuple[Any, ...]]  # the loss, and the weights after the step
Side = Callable[[Array, Array, Weights], Steps]


def data(size: int, dtype: Any) -> tuple[Array, Array]:
    """A batch of digits, (32, 1, size, size), from 0 to 1; and which digits they are, (32,)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    times = size // 8
    images = np.kron(digits.images[:BATCH] / 16, np.ones((times, times)))
    margin = (size - 8 * times) // 2
    images = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
    return images[:, np.newaxis].astype(dtype), digits.target[:BATCH]


def weights(size: int, dtype: Any) -> Weights:
    """Normal with the deviation √(2 / inputs), which keeps the size of activations; biases are zero."""
    rng = np.random.default_rng(0)
    (a, b), pixels = CHANNELS, (size // 4) ** 2
    shapes = (a, 1, 3, 3), (a,), (b, a, 3, 3), (b,), (b * pixels, CLASSES), (CLASSES,)
    inputs = 9, 0, 9 * a, 0, b * pixels, 0
    return [
        (rng.normal(size=shape) * np.sqrt(2 / n) if n else np.zeros(shape)).astype(dtype)
        for shape, n in zip(shapes, inputs, strict=True)
    ]


# ------------------------------------------------------------------------------------------------------ the sides
# Each takes x (n, 1, h, w), labels (n,) and weights that it may keep, and yields (loss, *weights) after each step.
def by_hand(x: Array, labels: Array, weights: Weights) -> Steps:
    """With the channels last: then a convolution and its backward are one product of matrices each."""
    K1, b1, K2, b2, W, b = weights
    n, _, h, w = x.shape
    (o1, o2), rows = CHANNELS, np.arange(n)
    images = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    # (o, c, 3, 3) -> (3 * 3 * c, o); and the rows of W from (c, h, w) to (h, w, c), the order of the activations.
    M1, M2 = (K.transpose(2, 3, 1, 0).reshape(-1, len(K)).copy() for K in (K1, K2))
    W = W.reshape(o2, h // 4 * (w // 4), CLASSES).transpose(1, 0, 2).reshape(W.shape).copy()
    while True:
        patches1 = patches(images)
        a1 = np.maximum(patches1 @ M1 + b1, 0).reshape(n, h, w, o1)
        p1 = pooled(a1)
        patches2 = patches(p1)
        a2 = np.maximum(patches2 @ M2 + b2, 0).reshape(n, h // 2, w // 2, o2)
        p2 = pooled(a2)
        features = p2.reshape(n, -1)
        z = features @ W + b
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, labels]).mean()

        g = e / total
        g[rows, labels] -= 1
        g /= n
        dW, db = features.T @ g, g.sum(0)
        g = unpooled((g @ W.T).reshape(p2.shape), p2, a2).reshape(-1, o2)
        dM2, db2 = patches2.T @ g, g.sum(0)
        g = unpooled(overlapped(g @ M2.T, p1.shape), p1, a1).reshape(-1, o1)
        dM1, db1 = patches1.T @ g, g.sum(0)

        for p, dp in (M1, dM1), (b1, db1), (M2, dM2), (b2, db2), (W, dW), (b, db):
            dp *= LR
            p -= dp
        K1, K2 = (M.reshape(3, 3, -1, M.shape[1]).transpose(3, 2, 0, 1) for M in (M1, M2))
        yield loss, K1, b1, K2, b2, W.reshape(-1, o2, CLASSES).transpose(1, 0, 2), b


def patches(x: Array) -> Array:
    """The 3x3 neighbourhood of each pixel of (n, h, w, c), zeros outside: (n * h * w, 3 * 3 * c)."""
    n, h, w, c = x.shape
    padded = np.zeros((n, h + 2, w + 2, c), x.dtype)
    padded[:, 1:-1, 1:-1] = x
    return sliding_window_view(padded, (3, 3), (1, 2)).transpose(0, 1, 2, 4, 5, 3).reshape(n * h * w, 9 * c)


def overlapped(g: Array, shape: tuple[int, ...]) -> Array:
    """The adjoint of `patches`: what reaches a pixel from all the neighbourhoods that it is in."""
    n, h, w, c = shape
    g = g.reshape(n, h, w, 3, 3, c)
    padded = np.zeros((n, h + 2, w + 2, c), g.dtype)
    for i in range(3):
        for j in range(3):
            padded[:, i : i + h, j : j + w] += g[:, :, :, i, j]
    return padded[:, 1:-1, 1:-1]


def pooled(a: Array) -> Array:
    """The largest of each 2x2 window of (n, h, w, c)."""
    return np.maximum(np.maximum(a[:, ::2, ::2], a[:, ::2, 1::2]), np.maximum(a[:, 1::2, ::2], a[:, 1::2, 1::2]))


def unpooled(g: Array, p: Array, a: Array) -> Array:
    """The adjoint of `pooled` and of the relu before it: g goes to the first of the largest, if that is above 0."""
    g = g * (p > 0)
    da = np.empty_like(a)
    for i in range(2):
        for j in range(2):
            won = a[:, i::2, j::2] == p
            np.multiply(g, won, out=da[:, i::2, j::2])
            g[won] = 0
    return da


def loss_of(x: Any, labels: Array, K1: Any, b1: Any, K2: Any, b2: Any, W: Any, b: Any) -> Tensor:
    """The net on the tape."""
    a = max_pool2d(relu(conv2d(x, K1, b1, padding=1)), 2)
    a = max_pool2d(relu(conv2d(a, K2, b2, padding=1)), 2)
    return cross_entropy(a.reshape(len(x), -1) @ W + b, labels)


def on_the_tape(x: Array, labels: Array, weights: Weights) -> Steps:
    parameters = [Tensor(p, requires_grad=True) for p in weights]
    while True:
        loss = loss_of(x, labels, *parameters)
        loss.backward()
        with no_grad():
            for p in parameters:
                p -= LR * p.grad
                p.zero_grad()
        yield loss, *parameters


PROGRAM = compile(
    loss_of,
    grad_of=PARAMETERS,
    update=lambda parameters, slopes: [p - LR * g for p, g in zip(parameters, slopes, strict=True)],
    donate=PARAMETERS,
)


def compiled(x: Array, labels: Array, weights: Weights) -> Steps:
    while True:
        loss, weights = PROGRAM(x, labels, *weights)
        yield loss, *weights


def in_torch(x: Array, labels: Array, weights: Weights) -> Steps:
    torch = peers.torch()
    from torch.nn import functional as F

    x, labels = torch.from_numpy(x), torch.from_numpy(labels)
    parameters = [torch.from_numpy(p).requires_grad_() for p in weights]
    optimizer = torch.optim.SGD(parameters, lr=LR)
    while True:
        K1, b1, K2, b2, W, b = parameters
        a = F.max_pool2d(F.relu(F.conv2d(x, K1, b1, padding=1)), 2)
        a = F.max_pool2d(F.relu(F.conv2d(a, K2, b2, padding=1)), 2)
        loss = F.cross_entropy(a.flatten(1) @ W + b, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield loss, *parameters


HAND, TAPE, COMPILED, TORCH = "by hand in NumPy", "minigrad", "minigrad, compiled", "torch"
SIDES: dict[str, Side] = {HAND: by_hand, TAPE: on_the_tape, COMPILED: compiled}
if peers.has("torch"):
    SIDES[TORCH] = in_torch
AT_MOST = {COMPILED: 1.0}  # times the step by hand


def start(size: int, dtype: Any) -> dict[str, Steps]:
    """Every side, at the same weights before the same images."""
    return {name: side(*data(size, dtype), weights(size, dtype)) for name, side in SIDES.items()}


def check(size: int, dtype: Any, steps: int = 10) -> None:
    """All sides must arrive at the same loss and weights, as far as rounding lets them.

    The longest sums are those of a kernel's gradient, over all pixels of the batch; a sum of n rounds by up to n eps.

    Raises:
        AssertionError: names the side and what differs.
    """
    rtol = steps * BATCH * size**2 * np.finfo(dtype).eps
    assert_agreement(start(size, dtype), ["the loss", *PARAMETERS], steps, rtol)


HEADER = ["image", "side", "µs/step", "quartiles", "over by hand", "over torch"]
TITLE = f"""\
conv 3x3, relu, max pool 2x2, twice ({" and ".join(map(str, CHANNELS))} channels), linear, cross-entropy; a step of SGD.
Batch {BATCH}, float32, one thread. Medians of interleaved rounds; before them, all sides agreed on loss and weights.
over by hand: time of this side over that of the step by hand; its quartiles over the rounds stand beside it."""


def run(rounds: int = ROUNDS, sizes: Sequence[int] = SIZES) -> Table:
    """The table of all sides for images of each size; a step is long, so half of the `rounds` will do."""
    rows: list[list[Cell]] = []
    for size in sizes:
        say(f"conv: {size} x {size}")
        check(size, np.float64)
        check(size, np.float32)
        timings = measure(start(size, np.float32), -(-rounds // 2), seconds=0.03)
        rows.append([])
        for name in SIDES:
            rows.append(
                [
                    f"{size} x {size}",
                    name,
                    *timings.cells(name, HAND, "<=", AT_MOST.get(name)),
                    timings.ratio(name, TORCH) if TORCH in SIDES else None,
                ]
            )
    return Table(TITLE, HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return command("conv", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
