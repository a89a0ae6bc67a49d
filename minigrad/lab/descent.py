"""Gradient descent, once: batch, stochastic and mini-batch descent differ only in the size of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Protocol

import numpy as np

from minigrad import Tensor, linear, mse_loss, no_grad
from minigrad.lab.data import FloatArray, LabError

METHODS = ("batch", "sgd", "minibatch")
ENGINES = ("minigrad", "torch")


class Engine(Protocol):
    """Owns the parameters and improves them a step at a time."""

    def step(self, x: FloatArray, y: FloatArray) -> None:
        """One step of gradient descent on mean((x W + b - y)²): x (m, p), y (m, q)."""

    def parameters(self) -> tuple[FloatArray, FloatArray]:
        """Copies of W (p, q) and b (q,) as they are now."""


class Tape:
    """The engine this project is about: the gradient comes from minigrad's tape."""

    def __init__(self, weights: FloatArray, bias: FloatArray, lr: float, clip_norm: float | None = None) -> None:
        self.W = Tensor(weights.copy(), requires_grad=True)
        self.b = Tensor(bias.copy(), requires_grad=True)
        self.lr, self.clip_norm = lr, clip_norm

    def step(self, x: FloatArray, y: FloatArray) -> None:
        W, b = self.W, self.b
        mse_loss(linear(x, W, b), y).backward()
        assert W.grad is not None  # backward has just filled it
        assert b.grad is not None
        lr = self.lr if self.clip_norm is None else self.lr * clip_factor(self.clip_norm, W.grad, b.grad)
        with no_grad():
            W -= lr * W.grad
            b -= lr * b.grad
        W.zero_grad()
        b.zero_grad()

    def parameters(self) -> tuple[FloatArray, FloatArray]:
        return self.W.data.copy(), self.b.data.copy()


def clip_factor(most: float, *gradients: FloatArray) -> float:
    """What to multiply gradients with, so that their norm taken together is at most `most`.

    The 1e-6 that keeps a zero norm from dividing is that of `torch.nn.utils.clip_grad_norm_`.
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    return min(1.0, most / (norm + 1e-6))


def make_engine(name: str, weights: FloatArray, bias: FloatArray, lr: float, clip_norm: float | None) -> Engine:
    """The engine called `name`, started at copies of weights (p, q) and bias (q,)."""
    if name == "minigrad":
        return Tape(weights, bias, lr, clip_norm)
    if name == "torch":
        from torch_ref.descent import Torch  # imports torch, which is no requirement of the lab

        engine: Engine = Torch(weights, bias, lr, clip_norm)
        return engine
    raise LabError(f"there is no engine {name!r}; take {' or '.join(ENGINES)}")


@dataclass(frozen=True)
class Mark:
    """Where a descent stands: counts since the start, and seconds spent in steps, not in looking on."""

    epoch: int
    steps: int
    samples: int
    seconds: float


def descend(
    engine: Engine, x: FloatArray, y: FloatArray, *, epochs: int, batch_size: int, rng: np.random.Generator
) -> Iterator[Mark]:
    """Step through x (n, p), y (n, q) `epochs` times, in a new random order each, `batch_size` rows a step.

    Yields a mark at the end of each epoch and, because most happens there, after 1, 2, 4, 8, ... steps of the
    first. Batches are made even, and so may have fewer rows than `batch_size`: the rows of a short last one
    would weigh more than the others.
    """
    n = len(x)
    count = -(-n // batch_size)
    batches = list(pairwise(n * i // count for i in range(count + 1)))
    seconds = 0.0
    for epoch in range(1, epochs + 1):
        order = rng.permutation(n) if count > 1 else slice(None)  # a full batch has no order
        xs, ys = x[order], y[order]
        began = perf_counter()
        for i, (start, stop) in enumerate(batches, 1):
            engine.step(xs[start:stop], ys[start:stop])
            if i == count or (epoch == 1 and i & (i - 1) == 0):
                seconds += perf_counter() - began
                yield Mark(epoch, (epoch - 1) * count + i, (epoch - 1) * n + stop, seconds)
                began = perf_counter()
