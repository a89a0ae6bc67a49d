"""Linear and MSE as `torch.autograd.Function`s, with their backward written by hand.

minigrad is compared with this file, so it shares no code with minigrad: undoing broadcasting is torch's own
`sum_to_size`, not `minigrad.unbroadcast`. Each backward returns every gradient in the shape and dtype of its input.
torch's engine would repair some mistakes there, and a gradcheck would not see them; so the tests call the two
`backward`s directly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["MSE", "Linear", "linear", "mse"]


class Linear(Function):
    """y = x @ W + b, with x (n, p), W (p, q), b (q,), (1,) or (), and y (n, q). x and W have one dtype."""

    signature = "(n,p),(p,q),(q)->(n,q)"  # for `minigrad check --against torch_ref.Linear`

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        if x.ndim != 2 or W.ndim != 2:
            raise ValueError(
                f"Linear: x has shape {tuple(x.shape)} and W {tuple(W.shape)}; needed are (n, p) and (p, q). "
                "The weights of a single output are W.reshape(-1, 1)"
            )
        y = x @ W + b
        if y.shape != (len(x), W.shape[1]):
            raise ValueError(
                f"Linear: a bias of shape {tuple(b.shape)} broadcasts the {len(x)} x {W.shape[1]} outputs to "
                f"{tuple(y.shape)}; needed is ({W.shape[1]},), (1,) or ()"
            )
        ctx.save_for_backward(x, W, b)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, W, b = ctx.saved_tensors
        needs_x, needs_W, needs_b = ctx.needs_input_grad
        g = grad.to(x.dtype)  # wider only when b is
        return (
            g @ W.T if needs_x else None,
            x.T @ g if needs_W else None,
            grad.sum_to_size(b.shape).to(b.dtype) if needs_b else None,
        )


class MSE(Function):
    """L = Σ (yhat - y)² / N, the mean over all N entries; yhat and y have one shape, and L has shape ()."""

    signature = "(n,q),(n,q)->()"

    @staticmethod
    def forward(ctx: Any, yhat: Tensor, y: Tensor) -> Tensor:
        if yhat.shape != y.shape:
            raise ValueError(
                f"MSE: the prediction has shape {tuple(yhat.shape)} and the target {tuple(y.shape)}. Broadcasting "
                "would compare entries that do not belong together; reshape one of them to the shape of the other"
            )
        if yhat.numel() == 0:
            raise ValueError(f"MSE: the mean over no entries is not defined (shape {tuple(yhat.shape)})")
        ctx.save_for_backward(yhat, y)
        return torch.mean((yhat - y) ** 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        yhat, y = ctx.saved_tensors
        needs_yhat, needs_y = ctx.needs_input_grad
        d = 2 / yhat.numel() * (yhat - y) * grad
        return d.to(yhat.dtype) if needs_yhat else None, -d.to(y.dtype) if needs_y else None


linear = Linear.apply
mse = MSE.apply
