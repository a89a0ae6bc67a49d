"""Normalisation: values brought to mean 0 and variance 1, or to size 1. Names are those of torch.nn.functional."""

import math

import numpy as np

from minigrad.engine.state import tracing
from minigrad.ops.calling import static
from minigrad.ops.elementwise import silently
from minigrad.ops.registry import op


def standardized(deviation, variance, weight, bias, eps):
    """A deviation from the mean in units of its standard deviation, scaled and shifted."""
    return scaled(deviation / np.sqrt(variance + eps), weight, bias)


def scaled(y, weight, bias):
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def check_shapes(name, needed, **arrays):
    for argument, array in arrays.items():
        if array is not None and array.shape != needed:
            raise ValueError(f"{name}: {argument} has shape {array.shape}, and needs {needed}")


@op
class standardize:
    "y = (x - mean) / √(variance + eps), along `axis`"
    helper = True
    params = [{"axis": -1, "eps": 0.5}, {"axis": (0, 1), "eps": 2.0}]
    signature = "(m,3)->(m,3)"
    def forward(x, *, axis=-1, eps=0.0):
        deviation = x - mean(x, axis)
        return deviation / spread(deviation, axis, eps)
    @silently
    def d_x(g, y, x, *, axis, eps):
        deviation = x - mean(x, axis)
        return (g - mean(g, axis) - y * mean(g * y, axis)) / spread(deviation, axis, eps)


def mean(x, axis):
    """NumPy's, in one call less: on few entries it is mostly Python."""
    total = x.sum(axis, keepdims=True)
    return total / (x.size // max(total.size, 1))


def spread(deviation, axis, eps):
    return np.sqrt(mean(np.square(deviation), axis) + eps)


@op
class layer_norm:
    """y = (x - mean) / √(variance + eps) * weight + bias, each sample by itself

    Source: Ba, Kiros and Hinton, arXiv 1607.06450.

    Shapes: mean and variance are over the last axes of input, whose lengths are `normalized_shape`; weight and bias
    have that shape.

    >>> layer_norm([1.0, 3.0], 2, eps=0.0)
    Tensor([-1.,  1.])
    """
    wide = "ebiu"
    params = [{"normalized_shape": (3,), "eps": 0.5}, {"normalized_shape": (3,), "eps": 2.0}]
    signature = "(n,3),(3),(3)->(n,3)"
    def compose(input, weight=None, bias=None, *, normalized_shape=(), eps=1e-5):
        axes = normalized_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
        return scaled(standardize(input, axis=axes, eps=eps), weight, bias)
    def public(layer_norm, input, normalized_shape, weight=None, bias=None, eps=1e-5):
        return layer_norm(input, weight, bias, normalized_shape=normalized_shape, eps=eps)


@op
class rms_norm:
    """y = x / √(mean of x² + eps) * weight, each sample by itself

    Source: Zhang and Sennrich, arXiv 1910.07467.

    Shapes: the mean is over the last axes of input, whose lengths are `normalized_shape`; weight has that shape. By
    default eps is the rounding unit of the dtype that it is computed in.

    >>> rms_norm([1.0, 7.0], 2, eps=0.0)
    Tensor([0.2, 1.4])
    """
    wide = "ebiu"
    params = [{"normalized_shape": (3,), "eps": 0.5}, {"normalized_shape": (3,), "eps": 2.0}]
    signature = "(n,3),(3)->(n,3)"
    def compose(input, weight=None, *, normalized_shape=(), eps=None):
        axes = normalized_axes("rms_norm", input, normalized_shape, weight=weight)
        eps = float(np.finfo(input.dtype).eps) if eps is None else eps
        return standardized(input, np.square(input).mean(axes, keepdims=True), weight, None, eps)
    def public(rms_norm, input, normalized_shape, weight=None, eps=None):
        return rms_norm(input, weight, normalized_shape=normalized_shape, eps=eps)


def normalized_axes(name, input, normalized_shape, **scales):
    """The last axes of the input, of lengths `normalized_shape`, counted from the end."""
    shape = (normalized_shape,) if np.ndim(normalized_shape) == 0 else tuple(normalized_shape)
    if input.shape[input.ndim - len(shape) :] != shape:
        raise ValueError(f"{name}: normalized_shape {shape} is not how the input's shape {input.shape} ends")
    check_shapes(name, shape, **scales)
    return tuple(range(-len(shape), 0))


# -------------------------------------------------------------------------------------------------- channel by channel
@op
class group_norm:
    """y = (x - mean) / √(variance + eps) * weight + bias, each group of channels of each sample by itself

    Source: Wu and He, arXiv 1803.08494.

    Shapes: input is (n, c) or (n, c, d1, ...); num_groups divides c; weight and bias are (c).

    >>> group_norm([[1.0, 3.0]], 1, eps=0.0)
    Tensor([[-1.,  1.]])
    """
    wide = "ebiu"
    params = [{"num_groups": 2, "eps": 0.5}, {"num_groups": 1, "eps": 2.0}]
    signature = "(2,4,1),(4),(4)->()"
    def compose(input, weight=None, bias=None, *, num_groups=1, eps=1e-5):
        weight, bias = per_channel("group_norm", input, weight, bias)
        if type(num_groups) is not int or num_groups < 1 or input.shape[1] % num_groups:
            raise ValueError(f"group_norm: num_groups={num_groups!r} does not divide {input.shape[1]} channels")
        n, *lengths = input.shape
        x = input.reshape(n, num_groups, math.prod(lengths) // num_groups)
        y = standardize(x, axis=-1, eps=eps)
        return scaled(y.reshape(input.shape), weight, bias)
    def public(group_norm, input, num_groups, weight=None, bias=None, eps=1e-5):
        return group_norm(input, weight, bias, num_groups=static(num_groups), eps=eps)


@op
class batch_norm:
    """y = (x - mean) / √(variance + eps) * weight + bias, each channel by itself

    Source: Ioffe and Szegedy, arXiv 1502.03167.

    Shapes: input is (n, c) or (n, c, d1, ...); weight and bias are (c). In training, mean and variance are those of the
    batch; otherwise they are running_mean and running_var, arrays of shape (c). In training these, if given, are
    updated in place: new = (1 - momentum) * old + momentum * that of the batch, where the variance has the divisor N -
    1.

    >>> batch_norm([[1.0], [3.0]], training=True, eps=0.0)
    Tensor([[-1.],
            [ 1.]])
    """
    wide = "ebiu"
    params = [{"training": True, "eps": 0.5}, {"training": True, "eps": 2.0}]
    signature = "(3,2,2),(2),(2)->(3,2,2)"
    def compose(
        input, weight=None, bias=None, *, running_mean=None, running_var=None, training=False, momentum=0.1, eps=1e-5
    ):
        axes = (0, *range(2, input.ndim)) if training else None
        return by_statistics("batch_norm", input, weight, bias, axes, running_mean, running_var, momentum, eps)
    def public(
        batch_norm, input, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1,
        eps=1e-5,
    ):
        return batch_norm(
            input, weight, bias, running_mean=running_mean, running_var=running_var, training=training,
            momentum=momentum, eps=eps,
        )


@op
class instance_norm:
    """y = (x - mean) / √(variance + eps) * weight + bias, each channel of each sample by itself

    Source: Ulyanov, Vedaldi and Lempitsky, arXiv 1607.08022.

    Shapes: input is (n, c, d1, ...); weight and bias are (c). Mean and variance are the sample's own with
    use_input_stats; otherwise they are running_mean and running_var, arrays of shape (c), which with it, if given, are
    updated in place, as batch_norm does, by the mean of the samples' own.

    >>> instance_norm([[[1.0, 3.0]]], eps=0.0)
    Tensor([[[-1.,  1.]]])
    """
    wide = "ebiu"
    params = [{"eps": 0.5}, {"eps": 2.0}]
    signature = "(2,2,3),(2),(2)->()"
    def compose(
        input, weight=None, bias=None, *, running_mean=None, running_var=None, use_input_stats=True, momentum=0.1,
        eps=1e-5,
    ):
        axes = tuple(range(2, input.ndim)) if use_input_stats else None
        return by_statistics("instance_norm", input, weight, bias, axes, running_mean, running_var, momentum, eps)
    def public(
        instance_norm, input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
        momentum=0.1, eps=1e-5,
    ):
        return instance_norm(
            input, weight, bias, running_mean=running_mean, running_var=running_var, use_input_stats=use_input_stats,
            momentum=momentum, eps=eps,
        )


def per_channel(name, input, weight, bias):
    """weight and bias in shapes that broadcast against (n, c, ...)."""
    if input.ndim < 2:
        raise ValueError(f"{name}: the input needs the axes (n, c, ...), and has shape {input.shape}")
    channels, *rest = input.shape[1:]
    check_shapes(name, (channels,), weight=weight, bias=bias)
    return [p if p is None else p.reshape(channels, *[1] * len(rest)) for p in (weight, bias)]


def by_statistics(name, input, weight, bias, axes, running_mean, running_var, momentum, eps):
    """Each channel by its mean and variance over `axes`; by the running ones if that is None."""
    weight, bias = per_channel(name, input, weight, bias)
    channels, *rest = input.shape[1:]
    for array in running_mean, running_var:
        if array is not None and type(array) is not np.ndarray:
            kind = type(array).__name__
            raise TypeError(f"{name}: running statistics are arrays, which it updates in place, not {kind}")
    check_shapes(name, (channels,), running_mean=running_mean, running_var=running_var)
    if axes is None:
        if running_mean is None or running_var is None:
            own = "training=True" if name == "batch_norm" else "use_input_stats=True"
            raise ValueError(f"{name}: running_mean and running_var are needed, or {own}")
        shape = (channels, *[1] * len(rest))
        mean = running_mean.reshape(shape)
        deviation = input - (mean if tracing() else mean.copy())  # the tape keeps it, training changes it
        return standardized(deviation, running_var.reshape(shape), weight, bias, eps)
    count = math.prod([input.shape[axis] for axis in axes])
    if count < 2:
        raise ValueError(f"{name}: {TOO_FEW[name]}, and the input has shape {input.shape}")
    mean = input.mean(axes, keepdims=True)
    deviation = input - mean
    variance = np.square(deviation).mean(axes, keepdims=True)
    for running, new, scale in (running_mean, mean, 1), (running_var, variance, count / (count - 1)):
        if running is not None:
            running += momentum * (new.data.mean(0).reshape(channels) * scale - running)
    return standardized(deviation, variance, weight, bias, eps)


TOO_FEW = {
    "batch_norm": "training needs two values a channel",
    "instance_norm": "it needs two values a channel of a sample",
}
