"""Losses as modules: settings, and the loss of that name in ``minigrad/ops/``, of a prediction and a target."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.module import Module

Reduction = Literal["mean", "batchmean", "sum", "none"]


class Loss(Module):
    """`reduction` is "mean", "sum", or "none" for the losses one by one."""

    reductions: tuple[str, ...] = "mean", "sum", "none"

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        if reduction not in self.reductions:
            *others, last = map(repr, self.reductions)
            needed = f"{', '.join(others)} or {last}"
            raise ValueError(f"{type(self).__name__}: reduction is {needed}, and not {reduction!r}")
        self.reduction: Any = reduction

    def keep(self, **weights: Any) -> None:
        """Weights are part of the state, as in torch, and may be left out."""
        for name, weight in weights.items():
            self.register_buffer(name, None if weight is None else np.array(weight))


class MSELoss(Loss):
    """The mean of (input - target)².

    >>> from minigrad import nn
    >>> nn.MSELoss()([1.0, 2.0], [1.0, 4.0])
    Tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The mean of |input - target|.

    >>> from minigrad import nn
    >>> nn.L1Loss(reduction="sum")([1.0, 2.0], [1.0, 4.0])
    Tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(Loss):
    """Half the square of an error up to `delta`, and a straight line beyond.

    >>> from minigrad import nn
    >>> nn.HuberLoss(reduction="none")([0.5, 3.0], [0.0, 0.0])
    Tensor([0.125, 2.5  ])
    """

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(Loss):
    """HuberLoss over its delta, which is called beta here.

    >>> from minigrad import nn
    >>> nn.SmoothL1Loss(reduction="none", beta=2.0)([0.5, 3.0], [0.0, 0.0])
    Tensor([0.0625, 2.    ])
    """

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class KLDivLoss(Loss):
    """The divergence of log-probabilities from a target; divided by the batch only with reduction "batchmean".

    >>> from minigrad import nn
    >>> nn.KLDivLoss(reduction="batchmean")(np.log([[0.5, 0.5]]), [[0.25, 0.75]])
    Tensor(0.13081204)
    """

    reductions = "mean", "batchmean", "sum", "none"

    def __init__(self, *, reduction: Reduction = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class NLLLoss(Loss):
    """Of log-probabilities (n, c, ...) and class numbers (n, ...): minus those of the right classes, their mean.

    >>> from minigrad import nn
    >>> nn.NLLLoss(reduction="none")(np.log([[0.5, 0.5], [0.25, 0.75]]), [0, 1])
    Tensor([0.69314718, 0.28768207])
    """

    weight: npt.NDArray[Any] | None

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        self.keep(weight=weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )  # fmt: skip


class CrossEntropyLoss(NLLLoss):
    """The same of any numbers (logits), whose softmax along the classes are the probabilities.

    Targets may be the probabilities of the classes, too, of the shape of the input. With label_smoothing they are
    mixed with equal ones.

    >>> from minigrad import nn
    >>> nn.CrossEntropyLoss()([[2.0, 0.0, 0.0]], [0])
    Tensor(0.23954477)
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip


class MultiMarginLoss(Loss):
    """The hinge loss of scores (n, c) and class numbers (n): by how much another class comes within the margin.

    >>> from minigrad import nn
    >>> nn.MultiMarginLoss()([[1.0, 0.5, 0.25]], [0])
    Tensor(0.25)
    """

    weight: npt.NDArray[Any] | None

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.p, self.margin = p, margin
        self.keep(weight=weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )  # fmt: skip


class BCELoss(Loss):
    """The cross-entropy of probabilities with targets, both from 0 to 1; BCEWithLogitsLoss loses fewer digits.

    >>> from minigrad import nn
    >>> nn.BCELoss(reduction="none")([0.5, 0.75], [0.0, 1.0])
    Tensor([0.69314718, 0.28768207])
    """

    weight: npt.NDArray[Any] | None

    def __init__(self, weight: Any = None, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.keep(weight=weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Loss):
    """The cross-entropy of sigmoid(input) with targets from 0 to 1.

    >>> from minigrad import nn
    >>> nn.BCEWithLogitsLoss(reduction="none")([0.0, 2.0], [0.0, 1.0])
    Tensor([0.69314718, 0.12692801])
    """

    weight: npt.NDArray[Any] | None
    pos_weight: npt.NDArray[Any] | None

    def __init__(self, weight: Any = None, *, reduction: Reduction = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction=reduction)
        self.keep(weight=weight, pos_weight=pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


# ------------------------------------------------------------------------------------------------------------- margins
class SoftMarginLoss(Loss):
    """The mean of ln(1 + exp(-target input)) for targets 1 and -1.

    >>> from minigrad import nn
    >>> nn.SoftMarginLoss(reduction="none")([0.0, 2.0], [1.0, -1.0])
    Tensor([0.69314718, 2.12692801])
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(Loss):
    """A distance where the target is 1, and what it lacks to the margin where the target is -1: of input and target.

    >>> from minigrad import nn
    >>> nn.HingeEmbeddingLoss(reduction="none")([0.5, 0.25], [1, -1])
    Tensor([0.5 , 0.75])
    """

    def __init__(self, margin: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return minigrad.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """How much input1 lacks to be a margin above input2 where the target is 1, and below where it is -1.

    >>> from minigrad import nn
    >>> nn.MarginRankingLoss(margin=0.25, reduction="none")([1.0, 1.0], [0.5, 2.0], [1.0, 1.0])
    Tensor([0.  , 1.25])
    """

    operation = staticmethod(minigrad.margin_ranking_loss)

    def __init__(self, margin: float = 0.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Tensor:
        return self.operation(input1, input2, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(MarginRankingLoss):
    """Of input1, input2 and target: 1 - their cosine where that is 1, the cosine above the margin where it is -1.

    >>> from minigrad import nn
    >>> nn.CosineEmbeddingLoss()([[1.0, 0.0]], [[3.0, 4.0]], [1])
    Tensor(0.4)
    """

    operation = staticmethod(minigrad.cosine_embedding_loss)


class TripletMarginLoss(Loss):
    """By how much the positive is not a margin nearer to the anchor than the negative is.

    >>> from minigrad import nn
    >>> loss = nn.TripletMarginLoss()([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 2.0]])
    >>> f'{loss.item():.3f}'
    '4.000'
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Tensor:
        return minigrad.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class CosineSimilarity(Module):
    """The cosine of the angles between x1 and x2 along the axis `dim`.

    >>> from minigrad import nn
    >>> nn.CosineSimilarity()([[1.0, 0.0]], [[3.0, 4.0]])
    Tensor([0.6])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Tensor:
        return minigrad.cosine_similarity(x1, x2, dim=self.dim, eps=self.eps)
