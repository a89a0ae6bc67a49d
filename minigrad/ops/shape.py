"""The same entries in another arrangement."""

from itertools import pairwise

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.engine.numeric import refuse_other_arrays
from minigrad.ops.index import getitem
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import FROM_NUMPY, op


def sizes_or_tuple(arguments):
    """(2, 3) and ((2, 3),) both mean the tuple (2, 3), as in NumPy's methods."""
    return arguments[0] if len(arguments) == 1 else arguments


def along(axis, ndim, index):
    """The index that applies `index` to one axis and takes all of the others."""
    return (slice(None),) * normalize_axis_index(axis, ndim) + (index,)


@op
class reshape:
    "y = x in another shape; one length may be -1"
    params = [{"shape": -1}]
    def forward(x, *, shape):           return x.reshape(shape)
    def d_x(g, y, x, *, shape):         return g.reshape(x.shape)
    def public(reshape, x, *sizes, shape=None, order="C"):
        if sizes:
            if type(sizes[-1]) is str:  # np.reshape(x, (2, 3), "F")
                *sizes, order = sizes
            shape = sizes_or_tuple(sizes)
        if order == "C":
            return reshape(x, shape=shape)
        if order != "F":
            raise TypeError(f"reshape: order is 'C', row by row, or 'F', column by column, and not {order!r}")
        columns = shape[::-1] if isinstance(shape, tuple | list) else shape
        return reshape(lifted(operand(x)).T, shape=columns).T


@op
class transpose:
    "y = x with its axes in another order; all reversed by default"
    params = [{}, {"axes": (1, 2, 0)}, {"axes": (-1, 0, 1)}]
    signature = "(k,m,n)->()"
    def forward(x, *, axes=None):       return np.transpose(x, axes)
    def d_x(g, y, x, *, axes):          return np.transpose(g, axes and inverse(axes))
    def public(transpose, x, *order, axes=None):
        axes = sizes_or_tuple(order) if order else axes
        return transpose(x) if axes is None else transpose(x, axes=axes)


def inverse(axes):
    """The order of axes that brings them back to where they were; a tuple, as static parameters are."""
    return tuple(np.argsort(np.mod(axes, len(axes))).tolist())


@op
class swapaxes:
    "y = x with two axes exchanged"
    params = [{"axis1": 0, "axis2": -1}, {"axis1": -2, "axis2": 1}]
    signature = "(m,n)->(n,m)"
    batched = True
    def forward(x, *, axis1, axis2):    return x.swapaxes(axis1, axis2)
    def d_x(g, y, x, *, axis1, axis2):  return g.swapaxes(axis1, axis2)


@op
class matrix_transpose:
    "y = x with its last two axes exchanged: one transposed matrix for each"
    signature = "(m,n)->(n,m)"
    batched = method = True
    def forward(x):                     return x.mT
    def d_x(g, y, x):                   return g.mT


@op
class expand_dims:
    "y = x with axes of length 1 inserted"
    params = [{"axis": 0}, {"axis": -1}]
    def forward(x, *, axis):            return np.expand_dims(x, axis)
    def d_x(g, y, x, *, axis):          return g.reshape(x.shape)


@op
class squeeze:
    "y = x without axes of length 1: all of them, or those that `axis` names"
    params = [{}, {"axis": 0}, {"axis": (0, -1)}]
    signature = "(1,n,1)->(n)"
    def forward(x, *, axis=None):       return x.squeeze(axis)
    def d_x(g, y, x, *, axis):          return g.reshape(x.shape)


@op
class ravel:
    "y = the entries of x in one axis: row by row, or column by column if order is 'F'"
    def compose(x, *, order="C"):       return x.reshape(-1, order=order)


@op
class flatten:
    "y = the entries of x in one axis: row by row, or column by column if order is 'F'"
    def compose(x, *, order="C"):       return x.reshape(-1, order=order)


@op
class broadcast_to:
    "y = x, repeated along the axes that `shape` has more of"
    params = [{"shape": (2, 3)}]
    signature = "(3)->(2,3)"
    def forward(x, *, shape):           return np.broadcast_to(x, shape)
    def d_x(g, y, x, *, shape):         return g


@op
class flip:
    "y = x with its entries in the opposite order along `axis`; along all axes by default"
    params = [{}, {"axis": 0}, {"axis": (0, -1)}]
    signature = "(m,n)->(m,n)"
    batched = True
    def forward(x, *, axis=None):       return np.flip(x, axis)
    def d_x(g, y, x, *, axis):          return np.flip(g, axis)


@op
class concatenate:
    "y = the arrays of a sequence, one behind the other along an axis they have; flattened first if axis is None"
    params = [{}, {"axis": -1}, {"axis": None}]
    signature = "(m,n)->(k,n)"
    def forward(*xs, axis=0):           return np.concatenate(xs, axis)
    def d_xs(i, g, y, *xs, axis):
        if axis is None:
            return g[stretch(i, [x.size for x in xs])].reshape(xs[i].shape)
        return g[along(axis, g.ndim, stretch(i, [x.shape[axis] for x in xs]))]
    def public(concatenate, arrays, axis=0):
        return concatenate(*map(operand, arrays), axis=axis)


def stretch(i, lengths):
    """Where the i-th of pieces of these lengths lies, one behind the other."""
    ends = np.cumsum(lengths).tolist()
    return slice(ends[i] - lengths[i], ends[i])


@op
class stack:
    "y = the arrays of a sequence, all of one shape, one behind the other along a new axis"
    params = [{}, {"axis": 1}, {"axis": -1}]
    signature = "(m,n)->(k,m,n)"
    def compose(*xs, axis=0):           return np.concatenate([np.expand_dims(x, axis) for x in xs], axis)
    def public(stack, arrays, axis=0):
        return stack(*map(operand, arrays), axis=axis)


def split(ary, indices_or_sections, axis=0):
    """The list of the parts of ary along `axis`: so many equal ones, or cut before each of these positions.

    >>> [part.data for part in split(Tensor([1.0, 2.0, 3.0]), [1])]
    [array([1.]), array([2., 3.])]
    """
    refuse_other_arrays(indices_or_sections)
    x = lifted(operand(ary))
    length = x.shape[axis := normalize_axis_index(axis, x.ndim)]
    cuts = indices_or_sections
    if np.ndim(cuts) == 0:
        if cuts < 1 or length % cuts:
            raise ValueError(f"split: axis {axis} of length {length} does not divide into {cuts} equal parts")
        cuts = [i * (length // cuts) for i in range(1, cuts)]
    return [getitem(x, along(axis, x.ndim, slice(*ends))) for ends in pairwise([0, *cuts, None])]


FROM_NUMPY[np.split] = split


@op
class pad:
    """y = x within a margin of `constant_values`, or of entries of x where mode says so

    `pad_width` is an int, (before, after) or one such pair for each axis, and `constant_values` is likewise. The modes
    "edge", "reflect", "symmetric" and "wrap" are NumPy's.
    """
    params = [{"pad_width": ((0, 2), (1, 0))}, {"pad_width": ((1, 1), (0, 0)), "constant_values": 3.0}]
    signature = "(m,n)->(k,l)"
    def forward(x, *, pad_width, constant_values=0):
        shape = [before + n + after for n, (before, after) in zip(x.shape, pad_width, strict=True)]
        y = np.full(shape, constant_values, x.dtype)
        y[inside(x.shape, pad_width)] = x
        return y
    def d_x(g, y, x, *, pad_width, constant_values):
        return g[inside(x.shape, pad_width)]

    def public(pad, x, pad_width, mode="constant", *, constant_values=0):
        if mode not in ("constant", *INDEXED):
            raise TypeError(f"pad: mode={mode!r} is not supported, only 'constant' and {', '.join(map(repr, INDEXED))}")
        x = operand(x)
        refuse_other_arrays([pad_width, constant_values])
        try:
            widths = np.broadcast_to(np.asarray(pad_width, np.intp), (x.ndim, 2)).tolist()
        except (TypeError, ValueError):
            raise ValueError(
                f"pad: pad_width={pad_width!r} is not an int, (before, after), or such a pair for each of {x.ndim} axes"
            ) from None
        if any(n < 0 for pair in widths for n in pair):
            raise ValueError(f"pad: pad_width={pad_width!r} has a negative entry; x[1:-1] takes a margin away")
        if mode != "constant":
            for axis, width in enumerate(widths):
                x = lifted(x)[along(axis, x.ndim, np.pad(np.arange(x.shape[axis]), width, mode))]
            return x
        if np.ndim(constant_values) == 0:
            return pad(x, pad_width=tuple(map(tuple, widths)), constant_values=constant_values)
        values = np.broadcast_to(constant_values, (x.ndim, 2)).tolist()
        for axis, side in np.ndindex(x.ndim, 2):  # later axes have the corners
            one = np.zeros((x.ndim, 2), int)
            one[axis, side] = widths[axis][side]
            x = pad(x, pad_width=one.tolist(), constant_values=values[axis][side])
        return x


INDEXED = "edge", "reflect", "symmetric", "wrap"  # each entry of the margin is one of x


def inside(shape, pad_width):
    """Where the padded array lies."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, pad_width, strict=True))


@op
class repeat:
    "y = x with each entry along `axis` repeated, so many times or each its own number of times; flattened by default"
    params = [{"repeats": 2}, {"repeats": 3, "axis": -1}, {"repeats": (0, 1, 2), "axis": 0}]
    signature = "(3,n)->(k,n)"
    def compose(x, *, repeats, axis=None):
        if axis is None or x.ndim == 0:
            x, axis = x.reshape(-1), axis or 0
        axis = normalize_axis_index(axis, x.ndim)
        return x[along(axis, x.ndim, np.repeat(np.arange(x.shape[axis]), repeats))]
