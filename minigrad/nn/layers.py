"""Layers: parameters, and the operation that uses them. What each computes stands in ``minigrad/ops/``.

Names, arguments and first values are torch's. Two arguments are ours. ``rng``, a np.random.Generator, is where first
values and dropped entries come from: ``rng=np.random.default_rng(seed)``, one for the whole network, makes a run
repeatable. Without it each layer asks the operating system for chance of its own, and every run differs. ``dtype`` is
that of the parameters, float32 unless told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.module import Module, Parameter

Rng = np.random.Generator | None


def generator(rng: Rng) -> np.random.Generator:
    """`rng`, or one that nobody can repeat."""
    if rng is None:
        return np.random.default_rng()
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is a Generator, np.random.default_rng(seed), shared by all layers; and not {rng!r}")
    return rng


class WeightAndBias(Module):
    """The parameters that linear layers and convolutions have in common."""

    weight: Tensor
    bias: Tensor | None

    def start(
        self, shape: tuple[int, ...], bias: bool, rng: Rng, dtype: npt.DTypeLike, outputs: int | None = None
    ) -> None:
        """Uniform in ±1/√fan_in, fan_in being the inputs to one output: torch's kaiming_uniform_ with a = √5."""
        rng, bound = generator(rng), 1 / math.sqrt(max(math.prod(shape[1:]), 1))
        self.weight = Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
        outputs = shape[0] if outputs is None else outputs
        self.bias = Parameter(rng.uniform(-bound, bound, outputs).astype(dtype)) if bias else None


class Linear(WeightAndBias):
    """y = x @ weight.T + bias: x is (..., in_features), weight (out_features, in_features), bias (out_features).

    >>> from minigrad import nn
    >>> layer = nn.Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.in_features, self.out_features = in_features, out_features
        self.start((out_features, in_features), bias, rng, dtype)

    def forward(self, x: Any) -> Tensor:
        return minigrad.affine(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


# -------------------------------------------------------------------------------------------------------- normalisation
class LayerNorm(Module):
    """Each sample brought to mean 0 and variance 1 over its last axes, of lengths `normalized_shape`; then scaled.

    >>> from minigrad import nn
    >>> nn.LayerNorm(2)([[1.0, 3.0], [5.0, 5.0]]).numpy().round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True, *, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        return minigrad.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """Each sample brought to a mean square of 1 over its last axes, of lengths `normalized_shape`; then scaled.

    >>> from minigrad import nn
    >>> nn.RMSNorm(2)([[3.0, 4.0]]).numpy().round(3)
    array([[0.849, 1.131]])
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
        *, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, dtype)) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        return minigrad.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Each of num_groups groups of the channels of (n, c, ...), sample by sample, at mean 0 and variance 1; scaled.

    >>> from minigrad import nn
    >>> nn.GroupNorm(2, 4)([[1.0, 3.0, 5.0, 5.0]]).numpy().round(3)
    array([[-1.,  1.,  0.,  0.]])
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        *, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} does not divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine else None

    def forward(self, x: Any) -> Tensor:
        return minigrad.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class BatchNorm1d(Module):
    """Each channel of (n, c) or (n, c, length) brought to mean 0 and variance 1 over the batch; then scaled.

    In training the running statistics follow those of the batches, by `momentum` a step, or as their plain mean if
    that is None; in evaluation they take the batch's place.

    >>> from minigrad import nn
    >>> norm = nn.BatchNorm1d(2)
    >>> norm([[1.0, 2.0], [3.0, 6.0]]).numpy().round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> norm.running_mean
    array([0.2, 0.4], dtype=float32)
    """

    axes: tuple[int, ...] = (2, 3)  # how many an input may have
    counts = True
    running_mean: npt.NDArray[Any] | None
    running_var: npt.NDArray[Any] | None
    num_batches_tracked: npt.NDArray[np.int64] | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, *, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine else None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0) if track_running_stats else None)

    def forward(self, x: Any) -> Tensor:
        if np.ndim(x) not in self.axes:
            needed = " or ".join(map(str, self.axes))
            raise ValueError(f"{type(self).__name__} needs an input of {needed} axes, and got shape {np.shape(x)}")
        momentum = self.momentum
        if momentum is None and self.num_batches_tracked is not None:
            momentum = 1 / (float(self.num_batches_tracked) + 1)
        y = self.normalized(x, self.training or self.running_mean is None, momentum)
        if self.counts and self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked = np.asarray(self.num_batches_tracked + 1)
        return y

    def normalized(self, x: Any, own: bool, momentum: float | None) -> Tensor:
        """x by statistics of its own, or by the running ones."""
        return minigrad.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm2d(BatchNorm1d):
    """Each channel of (n, c, h, w) brought to mean 0 and variance 1 over batch and image; see BatchNorm1d.

    >>> from minigrad import nn
    >>> nn.BatchNorm2d(3)(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class InstanceNorm1d(BatchNorm1d):
    """Each channel of each sample of (n, c, l), or of (c, l), brought to mean 0 and variance 1; then scaled.

    With track_running_stats it is the running ones that count in evaluation, as in BatchNorm1d.

    >>> from minigrad import nn
    >>> nn.InstanceNorm1d(2)([[[1.0, 3.0], [5.0, 9.0]]]).numpy().round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """

    axes = (2, 3)
    counts = False  # nor does torch count the batches here

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, *, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype=dtype)

    def normalized(self, x: Any, own: bool, momentum: float | None) -> Tensor:
        batch = x if np.ndim(x) == self.axes[-1] else minigrad.expand_dims(x, 0)
        y = minigrad.instance_norm(
            batch, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps
        )
        return y if batch is x else y[0]


class InstanceNorm2d(InstanceNorm1d):
    """Each channel of each image of (n, c, h, w), or of (c, h, w), brought to mean 0 and variance 1; then scaled.

    >>> from minigrad import nn
    >>> nn.InstanceNorm2d(3)(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    axes = (3, 4)


# --------------------------------------------------------------------------------------------------- tables and chance
class Embedding(Module):
    """The rows of a table (num_embeddings, embedding_dim) that integers of any shape name. It starts normal.

    The row of number padding_idx, if there is one, starts at 0 and learns nothing.

    >>> from minigrad import nn
    >>> table = nn.Embedding(5, 2, rng=np.random.default_rng(0))
    >>> table([[0, 4, 4]]).shape
    (1, 3, 2)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"Embedding: padding_idx={padding_idx} is no row of a table of {num_embeddings}")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        weight = generator(rng).normal(size=(num_embeddings, embedding_dim)).astype(dtype)
        if padding_idx is not None:
            weight[padding_idx] = 0
        self.weight = Parameter(weight)

    def forward(self, indices: Any) -> Tensor:
        return minigrad.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Dropout(Module):
    """In training each entry becomes 0 with probability p, and the others grow by 1 / (1 - p); otherwise, nothing.

    >>> from minigrad import nn
    >>> drop = nn.Dropout(0.5, rng=np.random.default_rng(0))
    >>> drop(np.ones(6))
    Tensor([2., 0., 0., 0., 2., 2.])
    >>> drop.eval()(np.ones(6))
    Tensor([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is the probability to drop an entry, from 0 to 1, and is {p}")
        self.p, self.rng = p, generator(rng)

    def forward(self, x: Any) -> Tensor:
        return minigrad.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"


# --------------------------------------------------------------------------------------------------- without parameters
class Flatten(Module):
    """The axes from start_dim to end_dim as one: (n, c, h, w) becomes (n, c h w).

    >>> from minigrad import nn
    >>> nn.Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Tensor:
        shape, ndim = np.shape(x), np.ndim(x)
        first, last = self.start_dim % ndim, self.end_dim % ndim
        return minigrad.reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` as several, of the lengths unflattened_size: the opposite of Flatten.

    >>> from minigrad import nn
    >>> nn.Unflatten(1, (3, 4))(np.ones((2, 12))).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Any) -> Tensor:
        shape, axis = np.shape(x), self.dim % np.ndim(x)
        return minigrad.reshape(x, (*shape[:axis], *self.unflattened_size, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """x: a place for a layer that is left out

    >>> from minigrad import nn
    >>> nn.Identity()(3.0)
    3.0
    """

    def forward(self, x: Any) -> Any:
        return x
