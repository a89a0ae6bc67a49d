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

Pair = int | Sequence[int]
Rng = np.random.Generator | None


def generator(rng: Rng) -> np.random.Generator:
    """`rng`, or one that nobody can repeat."""
    if rng is None:
        return np.random.default_rng()
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is a Generator, np.random.default_rng(seed), shared by all layers; and not {rng!r}")
    return rng


def pair(value: Pair) -> tuple[int, ...]:
    """A length for height and width each; the operation says what is wrong with other things."""
    return (value, value) if isinstance(value, int) else tuple(value)


class WeightAndBias(Module):
    """The parameters that Linear and Conv2d have in common."""

    weight: Tensor
    bias: Tensor | None

    def start(self, shape: tuple[int, ...], bias: bool, rng: Rng, dtype: npt.DTypeLike) -> None:
        """Uniform in ±1/√fan_in, fan_in being the inputs to one output: torch's kaiming_uniform_ with a = √5."""
        rng, bound = generator(rng), 1 / math.sqrt(max(math.prod(shape[1:]), 1))
        self.weight = Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
        self.bias = Parameter(rng.uniform(-bound, bound, shape[0]).astype(dtype)) if bias else None


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


class Conv2d(WeightAndBias):
    """Cross-correlation: x is (n, in_channels, h, w), weight (out_channels, in_channels, kh, kw), bias (out_channels).

    kernel_size, stride and padding are ints, or pairs for height and width.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0,
        *, bias: bool = True, rng: Rng = None, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, pair(kernel_size)
        self.stride, self.padding = pair(stride), pair(padding)
        self.start((out_channels, in_channels, *self.kernel_size), bias, rng, dtype)

    def forward(self, x: Any) -> Tensor:
        return minigrad.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)

    def extra_repr(self) -> str:
        padding = f", padding={self.padding}" if any(self.padding) else ""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}{padding}"
            + (", bias=False" if self.bias is None else "")
        )


# -------------------------------------------------------------------------------------------------------- normalisation
class LayerNorm(Module):
    """Each sample brought to mean 0 and variance 1 over its last axes, of lengths `normalized_shape`; then scaled."""

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


class BatchNorm1d(Module):
    """Each channel of (n, c) or (n, c, length) brought to mean 0 and variance 1 over the batch; then scaled.

    In training the running statistics follow those of the batches, by `momentum` a step, or as their plain mean if
    that is None; in evaluation they take the batch's place.
    """

    axes: tuple[int, ...] = (2, 3)  # how many an input may have
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
        y = minigrad.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            training=self.training or self.running_mean is None, momentum=momentum, eps=self.eps,
        )  # fmt: skip
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked = np.asarray(self.num_batches_tracked + 1)
        return y

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm2d(BatchNorm1d):
    """Each channel of (n, c, h, w) brought to mean 0 and variance 1 over batch and image; see BatchNorm1d."""

    axes = (4,)


# --------------------------------------------------------------------------------------------------- tables and chance
class Embedding(Module):
    """The rows of a table (num_embeddings, embedding_dim) that integers of any shape name. It starts normal."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, rng: Rng = None, dtype: npt.DTypeLike = np.float32
    ) -> None:
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = Parameter(generator(rng).normal(size=(num_embeddings, embedding_dim)).astype(dtype))

    def forward(self, indices: Any) -> Tensor:
        return minigrad.embedding(indices, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Dropout(Module):
    """In training each entry becomes 0 with probability p, and the others grow by 1 / (1 - p); otherwise, nothing."""

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
    """The axes from start_dim to end_dim as one: (n, c, h, w) becomes (n, c h w)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Tensor:
        shape, ndim = np.shape(x), np.ndim(x)
        first, last = self.start_dim % ndim, self.end_dim % ndim
        return minigrad.reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class MaxPool2d(Module):
    """The largest entry of each window of (n, c, h, w); the windows lie side by side unless a stride is given."""

    operation = staticmethod(minigrad.max_pool2d)

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def forward(self, x: Any) -> Tensor:
        return self.operation(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(MaxPool2d):
    """The mean of each window of (n, c, h, w); the windows lie side by side unless a stride is given."""

    operation = staticmethod(minigrad.avg_pool2d)


class ReLU(Module):
    """max(x, 0)"""

    def forward(self, x: Any) -> Tensor:
        return minigrad.relu(x)


class Tanh(Module):
    """tanh x"""

    def forward(self, x: Any) -> Tensor:
        return minigrad.tanh(x)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)"""

    def forward(self, x: Any) -> Tensor:
        return minigrad.sigmoid(x)


class LeakyReLU(Module):
    """x where it is positive, negative_slope * x elsewhere"""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return minigrad.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where it is positive, alpha * (eˣ - 1) elsewhere"""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        return minigrad.elu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Softplus(Module):
    """ln(1 + exp(beta * x)) / beta, a smooth relu; x itself where beta * x is above the threshold"""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Tensor:
        return minigrad.softplus(x, beta=self.beta, threshold=self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """eˣ / Σ eˣ along the axis `dim`"""

    operation = staticmethod(minigrad.softmax)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        return self.operation(x, axis=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """x - ln Σ eˣ along the axis `dim`"""

    operation = staticmethod(minigrad.log_softmax)
