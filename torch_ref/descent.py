"""The lab's descents in PyTorch: the engine of `--engine torch`, and the three descents written by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from .functions import MSE, Linear


class Torch:
    """A `minigrad.lab.descent.Engine` with torch tensors W (p, q) and b (q,), and torch's gradient."""

    def __init__(self, weights: npt.NDArray, bias: npt.NDArray, lr: float, clip_norm: float | None = None) -> None:
        self.W = torch.tensor(weights, requires_grad=True)
        self.b = torch.tensor(bias, requires_grad=True)
        self.lr, self.clip_norm = lr, clip_norm

    def step(self, x: npt.NDArray, y: npt.NDArray) -> None:
        """One step of gradient descent on the mean squared error: x (m, p), y (m, q), not copied."""
        step(torch.from_numpy(x), torch.from_numpy(y), self.W, self.b, self.lr, self.clip_norm)

    def parameters(self) -> tuple[npt.NDArray, npt.NDArray]:
        return self.W.detach().numpy().copy(), self.b.detach().numpy().copy()


def step(x, y, W, b, lr, clip_norm=None) -> None:
    """Improve W (p, q) and b (q,) in place by one step on the rows x (m, p), y (m, q)."""
    MSE.apply(Linear.apply(x, W, b), y).backward()
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_([W, b], clip_norm)
    with torch.no_grad():
        W -= lr * W.grad
        b -= lr * b.grad
    W.grad = b.grad = None


def batch(x, y, W, b, *, lr, epochs, clip_norm=None) -> None:
    """Batch descent: each step sees all rows, x (n, p), y (n, q); W (p, q) and b (q,) change in place."""
    for _ in range(epochs):
        step(x, y, W, b, lr, clip_norm)


def sgd(x, y, W, b, *, lr, epochs, rng: np.random.Generator, clip_norm=None) -> None:
    """Stochastic descent: each step sees one row, in an order that `rng` draws anew each epoch."""
    for _ in range(epochs):
        for i in rng.permutation(len(x)):
            step(x[i : i + 1], y[i : i + 1], W, b, lr, clip_norm)


def minibatch(x, y, W, b, *, lr, epochs, batch_size, rng: np.random.Generator, clip_norm=None) -> None:
    """Mini-batch descent: each step sees at most `batch_size` rows, in batches as even as they can be."""
    count = -(-len(x) // batch_size)
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(x)))
        for k in range(count):
            rows = order[len(x) * k // count : len(x) * (k + 1) // count]
            step(x[rows], y[rows], W, b, lr, clip_norm)
