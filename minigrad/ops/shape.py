"""The same entries in another arrangement."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.engine.numeric import refuse_other_arrays
from minigrad.engine.state import off_tape
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op
from minigrad.tensor import Tensor


def sizes_or_tuple(arguments):
    """(2, 3) and ((2, 3),) both mean the tuple (2, 3), as in NumPy's methods."""
    return arguments[0] if len(arguments) == 1 else arguments


def along(axis, ndim, index):
    """The index that applies `index` to one axis and takes all of the others."""
    return (slice(None),) * normalize_axis_index(axis, ndim) + (index,)


@op
class reshape:
    """y = x in another shape; one length may be -1

    >>> reshape([1.0, 2.0, 3.0, 4.0], (2, 2))
    Tensor([[1., 2.],
            [3., 4.]])
    """
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
    """y = x with its axes in another order; all reversed by default

    >>> transpose([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]])
    """
    params = [{}, {"axes": (1, 2, 0)}, {"axes": (-1, 0, 1)}]
    signature = "(k,m,n)->()"
    def forward(x, *, axes=None):       return np.transpose(x, axes)
    def d_x(g, y, x, *, axes):          return np.transpose(g, axes and inverse(axes))
    def public(transpose, x, *order, axes=None):
        axes = sizes_or_tuple(order) if order else axes
        return transpose(x) if axes is None else transpose(x, axes=axes)


def inverse(axes):
    """The order of axes that brings them back to where they were; a tuple, as static parameters are."""
    found = [0] * len(axes)
    for i, axis in enumerate(axes):
        found[axis] = i
    return tuple(found)


@op
class swapaxes:
    """y = x with two axes exchanged

    >>> swapaxes(np.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    params = [{"axis1": 0, "axis2": -1}, {"axis1": -2, "axis2": 1}]
    signature = "(m,n)->(n,m)"
    batched = True
    def forward(x, *, axis1, axis2):    return x.swapaxes(axis1, axis2)
    def d_x(g, y, x, *, axis1, axis2):  return g.swapaxes(axis1, axis2)


@composition(np.moveaxis)
def moveaxis(a, source, destination):
    """a with the axes `source` at the places `destination`, and the others in the order they had.

    >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    return renumbered(np.moveaxis, a, source, destination)


@composition(np.rollaxis)
def rollaxis(a, axis, start=0):
    """a with one axis moved to lie before the axis `start`.

    >>> rollaxis(np.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    return renumbered(np.rollaxis, a, axis, start)


def renumbered(function, a, *where):
    """`function` of NumPy only gives axes another order. Axes whose lengths are their numbers tell which."""
    x = lifted(operand(a))
    return np.transpose(x, function(np.empty(range(x.ndim)), *where).shape)


@op
class matrix_transpose:
    """y = x with its last two axes exchanged: one transposed matrix for each

    >>> matrix_transpose([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]])
    """
    numpy = [np.matrix_transpose, np.linalg.matrix_transpose]
    signature = "(m,n)->(n,m)"
    batched = method = True
    def forward(x):                     return x.mT
    def d_x(g, y, x):                   return g.mT


@op
class expand_dims:
    """y = x with axes of length 1 inserted

    >>> expand_dims([1.0, 2.0], 1)
    Tensor([[1.],
            [2.]])
    """
    params = [{"axis": 0}, {"axis": -1}]
    def forward(x, *, axis):            return np.expand_dims(x, axis)
    def d_x(g, y, x, *, axis):          return g.reshape(x.shape)


@op
class squeeze:
    """y = x without axes of length 1: all of them, or those that `axis` names

    >>> squeeze([[1.0, 2.0]])
    Tensor([1., 2.])
    """
    params = [{}, {"axis": 0}, {"axis": (0, -1)}]
    signature = "(1,n,1)->(n)"
    def forward(x, *, axis=None):       return x.squeeze(axis)
    def d_x(g, y, x, *, axis):          return g.reshape(x.shape)


def at_least(function):
    """One of NumPy's functions that add axes of length 1: it finds the shape."""

    def called(*arys):
        found = [operand(x) for x in arys]
        found = [lifted(x).reshape(function(np.broadcast_to(0, x.shape)).shape) for x in found]
        return found[0] if len(found) == 1 else tuple(found)

    called.__name__ = function.__name__
    axes, example = int(function.__name__[-2]), f">>> {function.__name__}(7.0).shape"
    called.__doc__ = f"Each array with as many axes of length 1 as it needs to have {axes}.\n\n{example}\n{(1,) * axes}"
    return composition(function)(called)


atleast_1d, atleast_2d, atleast_3d = map(at_least, (np.atleast_1d, np.atleast_2d, np.atleast_3d))


@op
class ravel:
    """y = the entries of x in one axis: row by row, or column by column if order is 'F'

    >>> ravel([[1.0, 2.0], [3.0, 4.0]], "F")
    Tensor([1., 3., 2., 4.])
    """
    def compose(x, *, order="C"):       return x.reshape(-1, order=order)


@op
class flatten:
    """y = the entries of x in one axis: row by row, or column by column if order is 'F'

    Shapes: x of any, the result (x.size,).

    >>> flatten([[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 2., 3., 4.])
    """
    def compose(x, *, order="C"):       return x.reshape(-1, order=order)


@op
class broadcast_to:
    """y = x, repeated along the axes that `shape` has more of

    >>> broadcast_to([1.0, 2.0], (2, 2))
    Tensor([[1., 2.],
            [1., 2.]])
    """
    params = [{"shape": (2, 3)}]
    signature = "(3)->(2,3)"
    def forward(x, *, shape):           return np.broadcast_to(x, shape)
    def d_x(g, y, x, *, shape):         return g


@composition(np.broadcast_arrays)
def broadcast_arrays(*args) -> tuple:
    """The tuple of all arrays in the shape that they have together.

    >>> [x.shape for x in broadcast_arrays(np.zeros((2, 1)), np.zeros(3))]
    [(2, 3), (2, 3)]
    """
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(lifted(operand(x)), shape) for x in args)


@composition(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy") -> tuple:
    """The coordinates of all points of a grid: a tuple with an array for each of the vectors xi.

    All have an axis for each vector, and with `sparse` length 1 along those of the others. The first two axes are
    those of xi[1] and xi[0] if `indexing` is "xy", and in order if it is "ij".

    >>> [x.shape for x in meshgrid([1.0, 2.0], [3.0, 4.0, 5.0])]
    [(3, 2), (3, 2)]
    """
    open_grid = np.meshgrid(*[np.arange(np.size(x)) for x in xi], sparse=True, indexing=indexing)
    found = tuple(lifted(operand(x)).reshape(grid.shape) for x, grid in zip(xi, open_grid, strict=True))
    return found if sparse else broadcast_arrays(*found)


@op
class flip:
    """y = x with its entries in the opposite order along `axis`; along all axes by default

    >>> flip([3.0, 1.0, 2.0])
    Tensor([2., 1., 3.])
    """
    params = [{}, {"axis": 0}, {"axis": (0, -1)}]
    signature = "(m,n)->(m,n)"
    batched = True
    def forward(x, *, axis=None):       return np.flip(x, axis)
    def d_x(g, y, x, *, axis):          return np.flip(g, axis)


@composition(np.flipud)
def flipud(m):
    """m upside down: flipped along its first axis.

    >>> flipud([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[3., 4.],
            [1., 2.]])
    """
    return np.flip(lifted(operand(m)), 0)


@composition(np.fliplr)
def fliplr(m):
    """m with left and right exchanged: flipped along its second axis.

    >>> fliplr([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[2., 1.],
            [4., 3.]])
    """
    return np.flip(lifted(operand(m)), 1)


@composition(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
    """m turned k times by 90 degrees, from the first of two axes towards the second.

    >>> rot90([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[2., 4.],
            [1., 3.]])
    """
    x = lifted(operand(m))
    first, second = axes
    if (first - second) % x.ndim == 0:
        raise ValueError(f"rot90: the two axes {axes} of shape {x.shape} are one")
    if k % 2 == 0:
        return np.flip(x, axes) if k % 4 else x
    return np.flip(x, second).swapaxes(*axes) if k % 4 == 1 else np.flip(x.swapaxes(*axes), second)


@op
class roll:
    """y = x with its entries moved on by `shift` along `axis`, those at the end to the start; flattened by default

    >>> roll([1.0, 2.0, 3.0], 1)
    Tensor([3., 1., 2.])
    """
    params = [{"shift": 1}, {"shift": -1, "axis": -1}, {"shift": (1, 2), "axis": (0, 1)}]
    signature = "(m,n)->(m,n)"
    def forward(x, *, shift, axis=None):        return np.roll(x, shift, axis)
    def d_x(g, y, x, *, shift, axis):           return np.roll(g, back(shift), axis)


def back(shift):
    """The shift that brings entries back to where they were."""
    return tuple([-n for n in shift]) if type(shift) is tuple else -shift


@op
class pad:
    """y = x within a margin of `constant_values`, or of entries of x where mode says so

    `pad_width` is an int, (before, after) or one such pair for each axis, and `constant_values` is likewise. The modes
    "edge", "reflect", "symmetric" and "wrap" are NumPy's.

    >>> pad([1.0, 2.0], 1)
    Tensor([0., 1., 2., 0.])
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
    """y = x with each entry along `axis` repeated, so many times or each its own number of times; flattened by default

    >>> repeat([1.0, 2.0], 2)
    Tensor([1., 1., 2., 2.])
    """
    params = [{"repeats": 2}, {"repeats": 3, "axis": -1}, {"repeats": (0, 1, 2), "axis": 0}]
    signature = "(3,n)->(k,n)"
    def compose(x, *, repeats, axis=None):
        if axis is None or x.ndim == 0:
            x, axis = x.reshape(-1), axis or 0
        axis = normalize_axis_index(axis, x.ndim)
        return x[along(axis, x.ndim, np.repeat(np.arange(x.shape[axis]), repeats))]


@composition(np.tile)
def tile(A, reps):
    """A as often as reps says along each axis, one copy behind the other.

    >>> tile([1.0, 2.0], 2)
    Tensor([1., 2., 1., 2.])
    """
    reps = off_tape(reps, "tile") if type(reps) is Tensor else reps
    x, reps = lifted(operand(A)), tuple(np.atleast_1d(reps).tolist())
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    reps = (1,) * (x.ndim - len(reps)) + reps
    copies = np.broadcast_to(
        x.reshape([n for length in shape for n in (1, length)]),
        [n for pair in zip(reps, shape, strict=True) for n in pair],
    )
    return copies.reshape([count * length for count, length in zip(reps, shape, strict=True)])


@composition(np.resize)
def resize(a, new_shape):
    """The entries of a in any other shape: row by row, from the start again when they come to an end.

    >>> resize([1.0, 2.0, 3.0], 5)
    Tensor([1., 2., 3., 1., 2.])
    """
    x = lifted(operand(a)).reshape(-1)
    return x[np.resize(np.arange(x.size), new_shape)]


@composition(np.copy, method=True)
def copy(a, order="K"):
    """a, as a node of its own. (In whatever order its memory is: no result says that.)

    >>> copy([1.0, 2.0])
    Tensor([1., 2.])
    """
    x = lifted(operand(a))
    return +x if x.dtype.kind != "b" else x.astype(bool)


@composition(np.full_like)
def full_like(a, fill_value, dtype=None, *, shape=None):
    """fill_value in the shape and dtype of a.

    >>> full_like([1.0, 2.0], 7.0)
    Tensor([7., 7.])
    """
    like = operand(a)
    value = lifted(operand(fill_value)).astype(like.dtype if dtype is None else dtype)
    return np.broadcast_to(value, like.shape if shape is None else shape)
