"""Losses as modules: settings, and the loss of that name in ``minigrad/ops/loss.py``, of a prediction and a target."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.module import Module


class Loss(Module):
    """`reduction` is "mean", "sum", or "none" for the losses one by one."""

    def __init__(self, *, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{type(self).__name__}: reduction is 'mean', 'sum' or 'none', and not {reduction!r}")
        self.reduction = reduction

    def keep(self, **weights: Any) -> None:
        """Weights are part of the state, as in torch, and may be left out."""
        for name, weight in weights.items():
            self.register_buffer(name, None if weight is None else np.array(weight))


class MSELoss(Loss):
    """The mean of (input - target)²."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The mean of |input - target|."""

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(Loss):
    """Half the square of an error up to `delta`, and a straight line beyond."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class NLLLoss(Loss):
    """Of log-probabilities (n, c, ...) and class numbers (n, ...): minus those of the right classes, their mean."""

    operation = staticmethod(minigrad.nll_loss)
    weight: npt.NDArray[Any] | None

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        self.keep(weight=weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return self.operation(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )  # fmt: skip


class CrossEntropyLoss(NLLLoss):
    """The same of any numbers (logits), whose softmax along the classes are the probabilities."""

    operation = staticmethod(minigrad.cross_entropy)


class BCEWithLogitsLoss(Loss):
    """The cross-entropy of sigmoid(input) with targets from 0 to 1."""

    weight: npt.NDArray[Any] | None
    pos_weight: npt.NDArray[Any] | None

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction=reduction)
        self.keep(weight=weight, pos_weight=pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )
