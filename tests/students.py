"""Linear and MSE as a student writes them: one body, made a Function of minigrad or of torch."""

from __future__ import annotations

import math
from typing import Any

from minigrad import unbroadcast


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
