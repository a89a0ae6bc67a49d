"""What a student writes, a body each, made a Function of minigrad or of torch; and the leaves it is tried on."""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import Function, Tensor, unbroadcast


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    """A tensor that requires grad: a vector of several values, or whatever the one value is."""
    return Tensor(np.array(values if len(values) > 1 else values[0], dtype), requires_grad=True)


def line_of(file: str | Path, comment: str) -> int:
    """The number of the one line of a file that ends with this comment."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if line.endswith(f"# {comment}")]
    return number


def linear_of(Function: Any) -> Any:
    class Linear(Function):
        """y = x W + b, with x (n, p), W (p, q) and b of any shape that broadcasts to (n, q)."""

        @staticmethod
        def forward(ctx, x, W, b):
            ctx.save_for_backward(x, W)
            ctx.bias_shape = b.shape
            return x @ W + b

        @staticmethod
        def backward(ctx, grad):
            x, W = ctx.saved_tensors
            return grad @ W.T, x.T @ grad, unbroadcast(grad, ctx.bias_shape)

    return Linear


def mse_of(Function: Any) -> Any:
    class MSE(Function):
        """L = sum of (yhat - y)² over all entries, divided by their number."""

        @staticmethod
        def forward(ctx, yhat, y):
            ctx.save_for_backward(yhat, y)
            error = yhat - y
            return (error * error).mean()

        @staticmethod
        def backward(ctx, grad):
            yhat, y = ctx.saved_tensors
            slope = grad * (yhat - y) * (2 / math.prod(yhat.shape))
            return slope, -slope

    return MSE


def square_of(Function: Any) -> Any:
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    return Square


def slope_saved_of(Function: Any) -> Any:
    class SlopeSaved(Function):
        """x², which saves 2 x, an intermediate."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(2 * x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (slope,) = ctx.saved_tensors
            return slope * grad

    return SlopeSaved


def cube_of(Function: Any) -> Any:
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 3 * x * x * grad

    return Cube


def exp_of(Function: Any) -> Any:
    class Exp(Function):
        """exp x, which saves its output."""

        @staticmethod
        def forward(ctx, x):
            y = np.exp(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return y * grad

    return Exp


def function_of(forward: Any, backward: Any, base: Any = Function, name: str = "Made") -> Any:
    """A Function of one input, which it saves: ``forward(x)`` and ``backward(x, grad)``."""

    class Made(base):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, grad):
            return backward(*ctx.saved_tensors, grad)

    Made.__name__ = name
    return Made


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Only reference counting frees memory here; ``gc.collect()`` looks at nothing that was there before."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
