"""Convolutions and pools: what a network computes in the windows of an image, or of a sequence.

Names and arguments are those of torch.nn.functional. An image is (n, c, h, w), or (c, h, w) without a batch; a sequence
is (n, c, l) or (c, l), and is computed as an image of height 1. A setting is an int, or a pair for height and width.
"""

import math

import numpy as np
from numpy.lib import stride_tricks
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.ops.norms import check_shapes
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op
from minigrad.ops.shape import along

AXES = {1: "l", 2: "h, w"}
NEAR = (1, 1)


@op
class windows:
    """y[..., i, j, r, s] = x[..., r * stride + i * dilation, s * stride + j * dilation]

    All windows of `size` over the last two axes, or the first `count` of them along each. Its adjoint adds them up
    where they overlap.
    """
    helper = True
    params = [
        {"size": (2, 3), "stride": (2, 1), "dilation": NEAR}, {"size": (1, 2), "stride": (1, 3), "dilation": NEAR},
        {"size": (2, 2), "stride": (1, 1), "dilation": (1, 3)},
        {"size": (2, 1), "stride": (1, 1), "dilation": NEAR, "count": (1, 3)},
        {"size": (2, 3), "stride": (2, 3), "dilation": NEAR},
    ]  # fmt: skip
    signature = "(n,3,4)->()"
    def forward(x, *, size, stride, dilation, count=(None, None)):
        if stride == size and (dilation, count) == (NEAR, (None, None)):  # side by side: the axes are only split
            rows, columns = x.shape[-2] // size[0], x.shape[-1] // size[1]
            x = x[..., : rows * size[0], : columns * size[1]]
            return np.moveaxis(x.reshape(*x.shape[:-2], rows, size[0], columns, size[1]), (-3, -1), (-4, -3))
        reach = (size[0] - 1) * dilation[0] + 1, (size[1] - 1) * dilation[1] + 1
        y = stride_tricks.sliding_window_view(x, reach, (-2, -1))
        y = y[..., :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
        return np.moveaxis(y[..., : count[0], : count[1], :, :], (-2, -1), (-4, -3))
    def d_x(g, y, x, *, size, stride, dilation, count):
        return overlap_add(g, stride=stride, dilation=dilation, shape=x.shape)


@op
class overlap_add:
    "y = 0, then y[..., r * stride + i * dilation, ...] += x[..., i, j, r, s], likewise for j and s: windows' adjoint"
    helper = True
    params = [
        {"stride": (2, 1), "dilation": NEAR, "shape": (3, 3, 4)},
        {"stride": (1, 1), "dilation": (2, 1), "shape": (3, 4, 5)},
    ]
    signature = "(3,2,3,1,2)->()"
    def forward(x, *, stride, dilation, shape):
        y = np.moveaxis(np.zeros((*shape[1:], shape[0]), x.dtype), -1, 0)  # as the batch is, which comes last inside
        (height, width), (down, along), (rows, columns) = stride, dilation, x.shape[-2:]
        for i, j in np.ndindex(x.shape[-4:-2]):
            top, left = i * down, j * along
            y[..., top : top + rows * height : height, left : left + columns * width : width] += x[..., i, j, :, :]
        return y
    def d_x(g, y, x, *, stride, dilation, shape):
        # The shape may have room for more windows than there were.
        return windows(g, size=x.shape[-4:-2], stride=stride, dilation=dilation, count=x.shape[-2:])


@composition(stride_tricks.sliding_window_view)
def sliding_window_view(x, window_shape, axis=None):
    """All windows of this shape, over all axes of x or over these: first where a window begins, then what is in it.

    Unlike NumPy's it is no view of x, and takes as much memory as it has entries.

    >>> sliding_window_view([1.0, 2.0, 4.0], 2)
    Tensor([[1., 2.],
            [2., 4.]])
    """
    y = lifted(operand(x))
    shape = window_shape if np.iterable(window_shape) else (window_shape,)
    axes = range(y.ndim) if axis is None else normalize_axis_tuple(axis, y.ndim, allow_duplicate=True)
    if len(shape) != len(axes):
        raise ValueError(f"sliding_window_view: a window of shape {shape} has other axes than {tuple(axes)} of x")
    for length, axis in zip(shape, axes, strict=True):
        if not 0 < length <= y.shape[axis]:
            raise ValueError(f"sliding_window_view: axis {axis} has {y.shape[axis]} entries, and no window of {length}")
        found = windows(y.swapaxes(axis, -1)[..., None, :], size=(1, length), stride=NEAR, dilation=NEAR)
        y = found[..., 0, :, 0, :].mT.swapaxes(axis, -2)
    return y


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


# -------------------------------------------------------------------------------------------------- what they share
def as_image(name, x, d):
    """x as (n, c, h, w): with a batch of one if it has none, and of height 1 if it is a sequence."""
    shape = x.shape
    if len(shape) == 4 == d + 2:
        return x
    if len(shape) not in (d + 1, d + 2):
        axes = AXES[d]
        raise ValueError(f"{name}: the input needs the axes (n, c, {axes}) or (c, {axes}), and has shape {shape}")
    n, c, *lengths = shape if len(shape) == d + 2 else (1, *shape)
    return x.reshape(n, c, *[1] * (2 - d), *lengths)


def as_given(y, x, d):
    """The image y without the axes that `as_image` gave to x."""
    if x.ndim == 4:
        return y
    shape = y.shape if d == 2 else (*y.shape[:2], y.shape[3])
    return y.reshape(shape[1:] if x.ndim == d + 1 else shape)


def lengths(name, argument, value, least, d):
    """A setting for height and width; for the height of a sequence the least, which changes nothing."""
    if type(value) is int and value >= least:
        return (value if d == 2 else least, value)
    given = (value,) * d if isinstance(value, int | np.integer) else value
    if type(given) not in (tuple, list) or len(given) != d or not all(isinstance(n, int | np.integer) for n in given):
        needed = "an int or a pair of ints, for height and width" if d == 2 else "an int"
        raise TypeError(f"{name}: {argument} is {needed}, and not {value!r}")
    if min(given) < least:
        raise ValueError(f"{name}: {argument} is at least {least}, and is {value}")
    return (least,) * (2 - d) + tuple(map(int, given))


def windows_of(name, x, size, stride, dilation, margins, outside=0):
    """The windows of an image with margins (before, after) around it, of shape (n, c, *size, rows, columns)."""
    if margins != NO_MARGINS:
        x = np.pad(x, ((0, 0), (0, 0), *margins), constant_values=outside)
    for n, d, length in zip(size, dilation, x.shape[2:], strict=True):
        if (n - 1) * d + 1 > length:
            spread = "" if dilation == (1, 1) else f" with the dilation {dilation}"
            raise ValueError(f"{name}: a window of {size}{spread} does not fit into {x.shape[2:]}, padding included")
    return windows(x, size=size, stride=stride, dilation=dilation)


NO_MARGINS = ((0, 0), (0, 0))


# ------------------------------------------------------------------------------------------------------ convolutions
@op
class conv1d:
    """y[n, o] = Σ weight[o, c] * windows of input[n, c] + bias[o]: the cross-correlation of sequences

    Shapes: input is (n, c, l) or (c, l), weight (o, c / groups, k), bias (o). Its settings are those of conv2d.

    >>> conv1d([[[1.0, 2.0, 3.0]]], [[[1.0, 1.0]]])
    Tensor([[[3., 5.]]])
    """
    params = [{"groups": 2}, {"groups": 2, "padding": "same", "dilation": 2}]
    signature = "(2,4,3),(2,2,2),(2)->()"
    def compose(input, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
        return convolved("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@op
class conv2d:
    """y[n, o] = Σ weight[o, c] * windows of input[n, c] + bias[o]: the cross-correlation

    Shapes: input is (n, c, h, w) or (c, h, w), weight (o, c / groups, kh, kw), bias (o); y is (n, o, rows, columns),
    with rows = (h + 2 padding - dilation (kh - 1) - 1) // stride + 1. Windows begin `stride` apart, their entries are
    `dilation` apart. stride, padding and dilation are ints, or pairs for height and width; padding may be "valid",
    which is none, or "same", which keeps height and width. Channels are split into `groups`, each of which sees no
    other.

    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))[0, 0]
    Tensor([[4., 4.],
            [4., 4.]])
    """
    params = [{}, {"stride": 2, "padding": 1}, {"stride": (1, 2), "padding": (0, 2)}]
    signature = "(n,2,3,4),(3,2,2,3),(3)->()"
    def compose(input, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
        return convolved("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def convolved(name, d, input, weight, bias, stride, padding, dilation, groups):
    kernel = check_kernel(name, d, input, weight, groups, f"(o, c / groups, {KERNELS[d]})", 1)
    x = as_image(name, input, d)
    outputs, _, *size = kernel
    check_shapes(name, (outputs,), bias=bias)
    stride, dilation = lengths(name, "stride", stride, 1, d), lengths(name, "dilation", dilation, 1, d)
    margins = margins_of(name, padding, size, stride, dilation, d)
    entries = windows_of(name, x, tuple(size), stride, dilation, margins)
    n, *taps, rows, columns = entries.shape
    apart = () if groups == 1 else (groups,)
    taps = math.prod(taps) // groups
    # With the batch last one product of matrices is for all images, and NumPy's innermost loops run over them.
    matrix = entries.transpose(1, 2, 3, 4, 5, 0).reshape(*apart, taps, rows * columns * n)
    y = (weight.reshape(*apart, outputs // groups, taps) @ matrix).reshape(outputs, rows, columns, n)
    y = y.transpose(3, 0, 1, 2)
    return as_given(y if bias is None else y + bias.reshape(outputs, 1, 1), input, d)


KERNELS = {1: "k", 2: "kh, kw"}


def check_kernel(name, d, input, weight, groups, needed, channels):
    """The shape of the weight as that of a kernel of images; its axis `channels` goes with the c of the input."""
    lengths(name, "groups", groups, 1, 1)
    c = input.shape[-d - 1] if input.ndim in (d + 1, d + 2) else None  # None: as_image will say so
    shape = weight.shape
    if len(shape) != d + 2 or 0 in shape[2:] or c not in (None, shape[channels] * (groups if channels else 1)):
        raise ValueError(
            f"{name}: weight has shape {shape}, and needs the axes {needed}, with the c of the input, of shape "
            f"{input.shape}, and groups={groups}"
        )
    if shape[0] % groups:
        what = "outputs of the weight" if channels else "channels of the input"
        raise ValueError(f"{name}: groups={groups} does not divide the {shape[0]} {what}")
    return shape if d == 2 else (*shape[:2], 1, shape[2])


def margins_of(name, padding, size, stride, dilation, d):
    """The padding as pairs (before, after) for height and width."""
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f'{name}: padding="same" keeps the length, which a stride of {stride} does not')
        reach = [(n - 1) * gap for n, gap in zip(size, dilation, strict=True)]
        return tuple([(n // 2, n - n // 2) for n in reach])
    if padding == "valid":
        return NO_MARGINS
    if isinstance(padding, str):
        raise ValueError(f"{name}: padding is 'same', 'valid' or a number, and not {padding!r}")
    return tuple([(n, n) for n in lengths(name, "padding", padding, 0, d)])


@op
class conv_transpose1d:
    """y = the adjoint of conv1d with these settings, applied to input, + bias

    Shapes: input is (n, c, l) or (c, l), weight (c, o / groups, k), bias (o). Its settings are those of
    conv_transpose2d.

    >>> conv_transpose1d([[[1.0, 2.0]]], [[[1.0, 1.0]]])
    Tensor([[[1., 3., 2.]]])
    """
    params = [{"stride": 2, "padding": 1}]
    signature = "(n,2,3),(2,2,2),(2)->()"
    def compose(input, weight, bias=None, *, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        return spread("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op
class conv_transpose2d:
    """y = the adjoint of conv2d with these settings, applied to input, + bias: it adds up the windows it spreads

    Shapes: input is (n, c, h, w) or (c, h, w), weight (c, o / groups, kh, kw), bias (o); y is (n, o, rows, columns),
    with rows = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1. Of the lengths that conv2d makes
    the same, output_padding chooses one; it is less than stride or dilation.

    >>> conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))[0, 0]
    Tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    params = [{"groups": 2, "stride": (2, 1), "padding": (0, 1)}]
    signature = "(n,2,2,2),(2,1,2,2),(2)->()"
    def compose(input, weight, bias=None, *, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        return spread("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def spread(name, d, input, weight, bias, stride, padding, output_padding, groups, dilation):
    c, each, *size = check_kernel(name, d, input, weight, groups, f"(c, o / groups, {KERNELS[d]})", 0)
    x = as_image(name, input, d)
    outputs = each * groups
    check_shapes(name, (outputs,), bias=bias)
    stride, dilation = lengths(name, "stride", stride, 1, d), lengths(name, "dilation", dilation, 1, d)
    margins, more = lengths(name, "padding", padding, 0, d), lengths(name, "output_padding", output_padding, 0, d)
    if any(m >= max(s, gap) for m, s, gap in zip(more, stride, dilation, strict=True) if m):
        raise ValueError(f"{name}: output_padding {more} is less than stride or dilation, {stride} and {dilation}")
    n, _, rows, columns = x.shape
    whole = [
        (r - 1) * s + gap * (k - 1) + 1 + m
        for r, s, gap, k, m in zip((rows, columns), stride, dilation, size, more, strict=True)
    ]
    if any(length <= 2 * margin for length, margin in zip(whole, margins, strict=True)):
        raise ValueError(f"{name}: with padding {margins} nothing is left of the result, {tuple(whole)} without it")
    apart = () if groups == 1 else (groups,)
    taps = each * math.prod(size)
    matrix = x.transpose(1, 2, 3, 0).reshape(*apart, c // groups, rows * columns * n)
    entries = (weight.reshape(*apart, c // groups, taps).mT @ matrix).reshape(outputs, *size, rows, columns, n)
    y = overlap_add(entries.transpose(5, 0, 1, 2, 3, 4), stride=stride, dilation=dilation, shape=(n, outputs, *whole))
    if any(margins):
        y = y[(..., *[slice(m, length - m) for m, length in zip(margins, whole, strict=True)])]
    return as_given(y if bias is None else y + bias.reshape(outputs, 1, 1), input, d)


# ------------------------------------------------------------------------------------------------------------- pools
@op
class max_pool1d:
    """y = the largest entry of each window of (n, c, l) or (c, l); of several, the derivative goes to the first

    Its settings are those of max_pool2d.

    Shapes: input is (n, c, l) or (c, l); the result has the number of windows in place of l.

    >>> max_pool1d([[[1.0, 4.0, 3.0, 2.0]]], 2)
    Tensor([[[4., 3.]]])
    """
    def words(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
    ): ...
    params = [{"kernel_size": 2, "ceil_mode": True}]
    signature = "(n,2,3)->()"
    def compose(input, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return largest_of("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)


@op
class max_pool2d:
    """y = the largest entry of each window of (n, c, h, w) or (c, h, w); of several, the derivative goes to the first

    The windows lie side by side if stride is left out. Padding never wins; it is at most half a window. With ceil_mode
    a last window may reach beyond the end, if it does not begin there.

    Shapes: input is (n, c, h, w) or (c, h, w); the result has the numbers of windows in place of h and w.

    >>> max_pool2d([[[[1.0, 4.0], [3.0, 2.0]]]], 2)
    Tensor([[[[4.]]]])
    """
    words = max_pool1d.operation.call.source
    params = [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": 1, "padding": 1}]
    signature = "(n,2,3,4)->()"
    def compose(input, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return largest_of("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)


def largest_of(name, d, input, kernel_size, stride, padding, dilation, ceil_mode):
    least = np.iinfo(input.dtype).min if input.dtype.kind in "iu" else -np.inf
    dilation = lengths(name, "dilation", dilation, 1, d)
    x, size, stride, margins = pooling(name, d, input, kernel_size, stride, padding, dilation, ceil_mode)
    columns = windows_of(name, x, size, stride, dilation, margins, least).transpose(2, 3, 1, 4, 5, 0)
    y = largest(columns.reshape(size[0] * size[1], *columns.shape[2:]))  # the batch is last
    return as_given(y.transpose(3, 0, 1, 2), input, d)


@op
class avg_pool1d:
    """y = the mean of each window of (n, c, l) or (c, l); its settings are those of avg_pool2d

    Shapes: input is (n, c, l) or (c, l); the result has the number of windows in place of l.

    >>> avg_pool1d([[[1.0, 3.0, 5.0, 7.0]]], 2)
    Tensor([[[2., 6.]]])
    """
    params = [{"kernel_size": 2, "padding": 1, "ceil_mode": True}]
    signature = "(n,2,3)->()"
    def compose(input, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        return mean_of("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@op
class avg_pool2d:
    """y = the mean of each window of (n, c, h, w) or (c, h, w)

    The windows lie side by side if stride is left out. Padding is at most half a window; it counts, as zeros, unless
    count_include_pad is False. With ceil_mode a last window may reach beyond the end, if it does not begin there; what
    is beyond does not count. With divisor_override the sum is divided by that instead.

    Shapes: input is (n, c, h, w) or (c, h, w); the result has the numbers of windows in place of h and w.

    >>> avg_pool2d([[[[1.0, 4.0], [3.0, 2.0]]]], 2)
    Tensor([[[[2.5]]]])
    """
    params = [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": 1, "padding": 1}]
    signature = "(n,2,3,4)->()"
    def compose(
        input, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        return mean_of(
            "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )


def mean_of(name, d, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override is what sums are divided by, and must not be 0")
    x, size, stride, margins = pooling(name, d, input, kernel_size, stride, padding, (1, 1), ceil_mode)
    entries = windows_of(name, x, size, stride, (1, 1), margins)
    if divisor_override is not None:
        y = entries.sum((2, 3)) / divisor_override
    elif all(after == before and (count_include_pad or not before) for before, after in margins):
        y = entries.mean((2, 3))
    else:
        counts = [
            counted(n, k, s, before, outputs, count_include_pad)
            for n, k, s, (before, _), outputs in zip(
                x.shape[2:], size, stride, margins, entries.shape[4:], strict=True
            )
        ]
        y = entries.sum((2, 3)) / np.outer(*counts).astype(x.dtype)
    return as_given(y, input, d)


def counted(length, size, stride, margin, outputs, count_include_pad):
    """How many entries of each window count, along one axis."""
    start = np.arange(outputs) * stride - margin
    around = margin if count_include_pad else 0
    return np.minimum(start + size, length + around) - np.maximum(start, -around)


def pooling(name, d, input, kernel_size, stride, padding, dilation, ceil_mode):
    """The image; size and stride of its windows; the margins (before, after) of its height and width."""
    x = as_image(name, input, d)
    size, padding = lengths(name, "kernel_size", kernel_size, 1, d), lengths(name, "padding", padding, 0, d)
    stride = size if stride is None else lengths(name, "stride", stride, 1, d)
    margins = []
    for n, k, s, gap, margin in zip(x.shape[2:], size, stride, dilation, padding, strict=True):
        reach = gap * (k - 1) + 1
        if 2 * margin > k:
            raise ValueError(f"{name}: padding {padding} is more than half of the window {size}")
        beyond = -(n + 2 * margin - reach) % s if ceil_mode else 0  # how far one more window would reach
        starts_inside = n + 2 * margin - reach + beyond < n + margin
        margins.append((margin, margin + beyond if starts_inside else margin))
    return x, size, stride, tuple(margins)


@op
class adaptive_avg_pool1d:
    """y = the means of output_size parts of (n, c, l) or (c, l), as nearly equal as they can be

    Shapes: input is (n, c, l) or (c, l); the result has output_size in place of l.

    >>> adaptive_avg_pool1d([[[1.0, 3.0, 5.0, 7.0]]], 2)
    Tensor([[[2., 6.]]])
    """
    params = [{"output_size": 2}]
    signature = "(n,2,3)->()"
    def compose(input, *, output_size):
        return adapted("adaptive_avg_pool1d", 1, input, output_size, np.mean)


@op
class adaptive_avg_pool2d:
    """y = the means of output_size parts of (n, c, h, w) or (c, h, w), as nearly equal as they can be

    output_size is an int, or a pair for height and width, where None keeps the length. The k-th of m parts of a length
    begins at ⌊k length / m⌋ and ends at ⌈(k + 1) length / m⌉.

    Shapes: input is (n, c, h, w) or (c, h, w); the result has output_size in place of h and w.

    >>> adaptive_avg_pool2d([[[[1.0, 4.0], [3.0, 2.0]]]], 1)
    Tensor([[[[2.5]]]])
    """
    params = [{"output_size": 2}, {"output_size": (1, 2)}]
    signature = "(n,2,3,4)->()"
    def compose(input, *, output_size):
        return adapted("adaptive_avg_pool2d", 2, input, output_size, np.mean)


@op
class adaptive_max_pool2d:
    """y = the largest entries of output_size parts of (n, c, h, w) or (c, h, w); of several equal, that of the first

    The parts are those of adaptive_avg_pool2d.

    Shapes: input is (n, c, h, w) or (c, h, w); the result has output_size in place of h and w.

    >>> adaptive_max_pool2d([[[[1.0, 4.0], [3.0, 2.0]]]], 1)
    Tensor([[[[4.]]]])
    """
    params = [{"output_size": 2}, {"output_size": (1, 2)}]
    signature = "(n,2,3,4)->()"
    def compose(input, *, output_size):
        return adapted("adaptive_max_pool2d", 2, input, output_size, lambda x, axis: largest(np.moveaxis(x, axis, 0)))


def adapted(name, d, input, output_size, reduce):
    """Along the width, then along the height: the first of equal ones is then the first in the order of reading."""
    x = as_image(name, input, d)
    height, width = x.shape[2:]
    if d == 2 and type(output_size) in (tuple, list) and len(output_size) == 2:
        output_size = [n if m is None else m for n, m in zip((height, width), output_size, strict=True)]
    rows, columns = lengths(name, "output_size", output_size, 1, d)
    if not height * width:
        raise ValueError(f"{name}: the input of shape {input.shape} has nothing to make parts of")
    for axis, n, parts in (3, width, columns), (2, height, rows):
        if n % parts == 0:
            x = reduce(x.reshape(*x.shape[:axis], parts, n // parts, *x.shape[axis + 1 :]), axis + 1)
        else:
            ends = [(k * n // parts, -(-(k + 1) * n // parts)) for k in range(parts)]
            x = np.stack([reduce(x[along(axis, 4, slice(*part))], axis) for part in ends], axis)
    return as_given(x, input, d)


# ------------------------------------------------------------------------------------------------------------ pixels
@op
class pixel_shuffle:
    """y[..., c, r h + i, r w + j] = input[..., c r² + i r + j, h, w] with r = upscale_factor: channels become pixels

    Source: Shi et al., arXiv 1609.05158.

    Shapes: input is (..., c r², h, w), the result (..., c, r h, r w).

    >>> pixel_shuffle(np.zeros((1, 4, 2, 2)), 2).shape
    (1, 1, 4, 4)
    """
    params = [{"upscale_factor": 2}]
    signature = "(2,8,1,3)->()"
    def compose(input, *, upscale_factor):
        r = factor("pixel_shuffle", "upscale_factor", input, upscale_factor)
        *lead, c, h, w = input.shape
        if c % (r * r):
            raise ValueError(f"pixel_shuffle: {r}² = {r * r} does not divide the {c} channels of {input.shape}")
        y = np.moveaxis(input.reshape(*lead, c // (r * r), r, r, h, w), (-4, -3), (-3, -1))
        return y.reshape(*lead, c // (r * r), h * r, w * r)


@op
class pixel_unshuffle:
    """y[..., c r² + i r + j, h, w] = input[..., c, r h + i, r w + j] with r = downscale_factor: pixels become channels

    Shapes: input is (..., c, r h, r w), the result (..., c r², h, w).

    >>> pixel_unshuffle(np.zeros((1, 1, 4, 4)), 2).shape
    (1, 4, 2, 2)
    """
    params = [{"downscale_factor": 2}]
    signature = "(2,1,4,2)->()"
    def compose(input, *, downscale_factor):
        r = factor("pixel_unshuffle", "downscale_factor", input, downscale_factor)
        *lead, c, h, w = input.shape
        if h % r or w % r:
            raise ValueError(f"pixel_unshuffle: {r} does not divide height and width of {input.shape}")
        y = np.moveaxis(input.reshape(*lead, c, h // r, r, w // r, r), (-3, -1), (-4, -3))
        return y.reshape(*lead, c * r * r, h // r, w // r)


def factor(name, argument, input, value):
    if input.ndim < 3:
        raise ValueError(f"{name}: the input needs the axes (..., c, h, w), and has shape {input.shape}")
    return lengths(name, argument, value, 1, 1)[1]
