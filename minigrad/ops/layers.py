"""What the layers of a network compute. Names and arguments are those of torch.nn.functional."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.engine.state import tracing
from minigrad.ops.operation import operand
from minigrad.ops.registry import op
from minigrad.tensor import Tensor


@op
class softmax:
    "y = eˣ / Σ eˣ along `axis`, which torch calls dim"
    wide = "ebiu"
    renamed = {"dim": "axis"}
    params = [{}, {"axis": 0}]
    def forward(x, *, axis=-1):
        e = np.exp(below_zero(x, axis))
        return e / e.sum(axis, keepdims=True)
    def d_x(g, y, x, *, axis):          return y * (g - (g * y).sum(axis, keepdims=True))


@op
class log_softmax:
    "y = x - ln Σ eˣ along `axis`, which torch calls dim"
    wide = "ebiu"
    renamed = {"dim": "axis"}
    params = [{}, {"axis": 0}]
    def forward(x, *, axis=-1):
        z = below_zero(x, axis)
        return z - np.log(np.exp(z).sum(axis, keepdims=True)) if z.size else z
    def d_x(g, y, x, *, axis):          return g - np.exp(y) * g.sum(axis, keepdims=True)


def below_zero(x, axis):
    """x without its maximum, which changes no softmax: exp of it cannot overflow, and its sum is at least 1."""
    return x - x.max(axis, keepdims=True, initial=-np.inf)


# ------------------------------------------------------------------------------------------------------ normalisation
def standardized(deviation, variance, weight, bias, eps):
    """A deviation from the mean in units of its standard deviation, scaled and shifted."""
    y = deviation / np.sqrt(variance + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def check_shapes(name, needed, **arrays):
    for argument, array in arrays.items():
        if array is not None and np.shape(array) != needed:
            raise ValueError(f"{name}: {argument} has shape {np.shape(array)}, and needs {needed}")


@op
class layer_norm:
    """y = (x - mean) / √(variance + eps) * weight + bias, each sample by itself

    Mean and variance are over the last axes, whose lengths are `normalized_shape`; weight and bias have that shape.
    """
    wide = "ebiu"
    params = [{"normalized_shape": (3,), "eps": 0.5}, {"normalized_shape": (3,), "eps": 2.0}]
    signature = "(n,3),(3),(3)->(n,3)"
    def compose(input, weight=None, bias=None, *, normalized_shape=(), eps=1e-5):
        shape = (normalized_shape,) if np.ndim(normalized_shape) == 0 else tuple(normalized_shape)
        if input.shape[input.ndim - len(shape) :] != shape:
            raise ValueError(f"layer_norm: normalized_shape {shape} is not how the input's shape {input.shape} ends")
        check_shapes("layer_norm", shape, weight=weight, bias=bias)
        axes = tuple(range(-len(shape), 0))
        deviation = input - input.mean(axes, keepdims=True)
        return standardized(deviation, np.square(deviation).mean(axes, keepdims=True), weight, bias, eps)
    def public(layer_norm, input, normalized_shape, weight=None, bias=None, eps=1e-5):
        return layer_norm(input, weight, bias, normalized_shape=normalized_shape, eps=eps)


@op
class batch_norm:
    """y = (x - mean) / √(variance + eps) * weight + bias, each channel by itself

    input is (n, c) or (n, c, d1, ...); weight and bias are (c). In training, mean and variance are those of the batch;
    otherwise they are running_mean and running_var, arrays of shape (c). In training these, if given, are updated in
    place: new = (1 - momentum) * old + momentum * that of the batch, where the variance has the divisor N - 1.
    """
    wide = "ebiu"
    params = [{"training": True, "eps": 0.5}, {"training": True, "eps": 2.0}]
    signature = "(3,2,2),(2),(2)->(3,2,2)"
    def compose(
        input, weight=None, bias=None, *, running_mean=None, running_var=None, training=False, momentum=0.1, eps=1e-5
    ):
        if input.ndim < 2:
            raise ValueError(f"batch_norm: the input needs the axes (n, c, ...), and has shape {input.shape}")
        n, channels, *rest = input.shape
        for array in running_mean, running_var:
            if array is not None and type(array) is not np.ndarray:
                kind = type(array).__name__
                raise TypeError(f"batch_norm: running statistics are arrays, which it updates in place, not {kind}")
        check_shapes("batch_norm", (channels,), running_mean=running_mean, running_var=running_var)
        check_shapes("batch_norm", (channels,), weight=weight, bias=bias)
        per_channel = (channels, *[1] * len(rest))
        weight, bias = [p if p is None else p.reshape(per_channel) for p in (weight, bias)]
        if not training:
            if running_mean is None or running_var is None:
                raise ValueError("batch_norm: running_mean and running_var are needed, or training=True")
            mean = running_mean.reshape(per_channel)
            deviation = input - (mean if tracing() else mean.copy())  # the tape keeps it, training changes it
            return standardized(deviation, running_var.reshape(per_channel), weight, bias, eps)
        axes = (0, *range(2, input.ndim))
        count = n * math.prod(rest)
        if count < 2:
            raise ValueError(f"batch_norm: training needs two values a channel, and the input has shape {input.shape}")
        mean = input.mean(axes, keepdims=True)
        deviation = input - mean
        variance = np.square(deviation).mean(axes, keepdims=True)
        for running, new, scale in (running_mean, mean, 1), (running_var, variance, count / (count - 1)):
            if running is not None:
                running += momentum * (new.data.reshape(channels) * scale - running)
        return standardized(deviation, variance, weight, bias, eps)
    def public(
        batch_norm, input, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1,
        eps=1e-5,
    ):
        return batch_norm(
            input, weight, bias, running_mean=running_mean, running_var=running_var, training=training,
            momentum=momentum, eps=eps,
        )


# ------------------------------------------------------------------------------------------------------------ windows
@op
class windows:
    """y[..., i, j, r, s] = x[..., r * stride + i, s * stride + j]: all windows of `size` over the last two axes

    Its adjoint adds them up where they overlap.
    """
    helper = True
    params = [{"size": (2, 3), "stride": (2, 1)}, {"size": (1, 2), "stride": (1, 3)}]
    signature = "(n,3,4)->()"
    def forward(x, *, size, stride):
        y = sliding_window_view(x, size, (-2, -1))[..., :: stride[0], :: stride[1], :, :]
        return np.moveaxis(y, (-2, -1), (-4, -3))
    def d_x(g, y, x, *, size, stride):          return overlap_add(g, stride=stride, shape=x.shape)


@op
class overlap_add:
    "y = 0, then y[..., r * stride + i, s * stride + j] += x[..., i, j, r, s]: the adjoint of windows"
    helper = True
    params = [{"stride": (2, 1), "shape": (3, 3, 4)}]
    signature = "(3,2,3,1,2)->()"
    def forward(x, *, stride, shape):
        y = np.zeros(shape, x.dtype)
        (height, width), (rows, columns) = stride, x.shape[-2:]
        for i, j in np.ndindex(x.shape[-4:-2]):
            y[..., i : i + rows * height : height, j : j + columns * width : width] += x[..., i, j, :, :]
        return y
    def d_x(g, y, x, *, stride, shape):         return windows(g, size=x.shape[-4:-2], stride=stride)


@op
class largest:
    "y = the largest of x[0], x[1], ... entry by entry; of several, the derivative goes to the first"
    helper = True
    signature = "(4,m,n)->(m,n)"
    def forward(x):                             return x.max(0)
    def d_x(g, y, x):                           return np.where(first_largest(x), g, 0)


@op
class first_largest:
    "y[k] = whether x[k] is the first of the largest of x[0], x[1], ...; nan counts as largest"
    helper = True
    signature = "(4,m,n)->(4,m,n)"
    d_x = None
    def forward(x):
        top = x.max(0)
        missing = np.ones(top.shape, bool)
        y = np.zeros(x.shape, bool)
        for k in range(len(x)):
            y[k] = missing & ((x[k] == top) | (x[k] != x[k]))
            missing[...] &= ~y[k]
        return y


def windows_of(name, x, size, stride, padding, outside=0):
    """The windows of a padded image (n, c, h, w), of shape (n, c, *size, rows, columns)."""
    if np.ndim(x) != 4:
        raise ValueError(f"{name}: the input needs the axes (n, c, h, w), and has shape {np.shape(x)}")
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=outside)
    if any(window > length for window, length in zip(size, x.shape[2:], strict=True)):
        raise ValueError(f"{name}: a window of {size} does not fit into {x.shape[2:]}, padding included")
    return windows(x, size=size, stride=stride)


def pair(name, argument, value, least):
    """An int as the tuple (n, n): for height and width."""
    both = (value,) * 2 if isinstance(value, int | np.integer) else value
    if type(both) not in (tuple, list) or len(both) != 2 or not all(isinstance(n, int | np.integer) for n in both):
        raise TypeError(f"{name}: {argument} is an int or a pair of ints, for height and width, and not {value!r}")
    if min(both) < least:
        raise ValueError(f"{name}: {argument} is at least {least}, and is {value}")
    return tuple(both)


@op
class conv2d:
    """y[n, o] = Σ weight[o, c] * windows of input[n, c] + bias[o]: the cross-correlation

    input is (n, c, h, w), weight (o, c, kh, kw), bias (o); y is (n, o, rows, columns), with rows = (h + 2 padding - kh)
    // stride + 1. stride and padding are ints, or pairs for height and width.
    """
    params = [{}, {"stride": 2, "padding": 1}, {"stride": (1, 2), "padding": (0, 2)}]
    signature = "(n,2,3,4),(3,2,2,3),(3)->()"
    def compose(input, weight, bias=None, *, stride=1, padding=0):
        stride, padding = pair("conv2d", "stride", stride, 1), pair("conv2d", "padding", padding, 0)
        if np.ndim(weight) != 4 or (np.ndim(input) == 4 and weight.shape[1] != input.shape[1]):
            raise ValueError(
                f"conv2d: weight has shape {np.shape(weight)}, and needs the axes (o, c, kh, kw), with the c of "
                f"the input (n, c, h, w), of shape {np.shape(input)}"
            )
        outputs = weight.shape[0]
        check_shapes("conv2d", (outputs,), bias=bias)
        entries = windows_of("conv2d", input, weight.shape[2:], stride, padding)
        n, *taps, rows, columns = entries.shape
        matrix = entries.reshape(n, math.prod(taps), rows * columns)
        y = (weight.reshape(outputs, math.prod(taps)) @ matrix).reshape(n, outputs, rows, columns)
        return y if bias is None else y + bias.reshape(outputs, 1, 1)


@op
class max_pool2d:
    """y = the largest entry of each window of (n, c, h, w); of several, the derivative goes to the first

    The windows lie side by side if stride is left out. Padding never wins; it is at most half a window.
    """
    params = [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": 1, "padding": 1}]
    signature = "(n,2,3,4)->()"
    def compose(input, *, kernel_size, stride=None, padding=0):
        size, stride, padding = pooling("max_pool2d", kernel_size, stride, padding)
        least = np.iinfo(input.dtype).min if input.dtype.kind in "iu" else -np.inf
        columns = windows_of("max_pool2d", input, size, stride, padding, least).transpose(2, 3, 0, 1, 4, 5)
        return largest(columns.reshape(size[0] * size[1], *columns.shape[2:]))


@op
class avg_pool2d:
    """y = the mean of each window of (n, c, h, w)

    The windows lie side by side if stride is left out. Padding counts, as zeros; it is at most half a window.
    """
    params = [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": 1, "padding": 1}]
    signature = "(n,2,3,4)->()"
    def compose(input, *, kernel_size, stride=None, padding=0):
        size, stride, padding = pooling("avg_pool2d", kernel_size, stride, padding)
        return windows_of("avg_pool2d", input, size, stride, padding).mean((2, 3))


def pooling(name, kernel_size, stride, padding):
    size, padding = pair(name, "kernel_size", kernel_size, 1), pair(name, "padding", padding, 0)
    if any(2 * margin > length for margin, length in zip(padding, size, strict=True)):
        raise ValueError(f"{name}: padding {padding} is more than half of the window {size}")
    return size, size if stride is None else pair(name, "stride", stride, 1), padding


# ------------------------------------------------------------------------------------------------ tables and chance
@op
class embedding:
    "y = weight[indices]: the rows of a table (m, d) that integers of any shape name"
    signature = "(n),(k,d)->(n,d)"
    domain = {"indices": "k"}
    d_indices = None
    def compose(indices, weight):
        numbers = indices.array if type(indices) is Tensor else np.asarray(indices)
        rows = len(weight)
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"embedding(indices, weight): the indices are integers, and these are {numbers.dtype}")
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < rows:
            raise IndexError(f"embedding: indices from {numbers.min()} to {numbers.max()} in a table of {rows} rows")
        return weight[indices]


@op
class dropout:
    """y = x / (1 - p) where `mask` holds, 0 elsewhere; in expectation x

    The mask is given, or drawn with probability 1 - p from `rng`, a np.random.Generator. Nothing is dropped unless
    `training`.
    """
    params = [{}, {"p": 0.25}, {"p": 1.0}]
    domain = {"mask": bool}
    signature = "(m,n),(m,n)->(m,n)"
    d_mask = None
    def compose(x, mask, *, p=0.5):
        return np.where(mask, x * (1 / (1 - p) if p < 1 else 0.0), 0)
    def public(dropout, x, p=0.5, training=True, *, rng=None, mask=None):
        x = operand(x)
        if not 0 <= p <= 1:
            raise ValueError(f"dropout: p is the probability to drop an entry, from 0 to 1, and is {p}")
        if not training:
            return x if type(x) is Tensor else Tensor(x)
        if mask is None:
            if not isinstance(rng, np.random.Generator):
                raise TypeError("dropout: give it chance, rng=np.random.default_rng(seed), or a mask=")
            mask = rng.random(x.shape) >= p
        if np.shape(mask) != x.shape:
            raise ValueError(f"dropout: the mask has shape {np.shape(mask)}, and x has {x.shape}")
        return dropout(x, mask, p=p)
