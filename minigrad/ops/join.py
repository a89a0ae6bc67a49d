"""Several arrays as one, and one as several."""

import math
from itertools import pairwise

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.engine.numeric import refuse_other_arrays
from minigrad.ops.index import getitem, positions
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op, since
from minigrad.ops.shape import along, atleast_1d, atleast_2d, atleast_3d


@op
class concatenate:
    """y = the arrays of a sequence, one behind the other along an axis they have; flattened first if axis is None

    >>> concatenate([[1.0, 2.0], [3.0]])
    Tensor([1., 2., 3.])
    """
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
    """y = the arrays of a sequence, all of one shape, one behind the other along a new axis

    >>> stack([[1.0, 2.0], [3.0, 4.0]], 1)
    Tensor([[1., 3.],
            [2., 4.]])
    """
    params = [{}, {"axis": 1}, {"axis": -1}]
    signature = "(m,n)->(k,m,n)"
    def compose(*xs, axis=0):           return np.concatenate([np.expand_dims(x, axis) for x in xs], axis)
    def public(stack, arrays, axis=0):
        return stack(*map(operand, arrays), axis=axis)


# ------------------------------------------------------------------------------------------------------------ as one
@composition(np.vstack)
def vstack(tup):
    """The arrays one below the other, along the first axis; a vector is a row.

    >>> vstack([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    return concatenate(each(atleast_2d, tup))


@composition(np.hstack)
def hstack(tup):
    """The arrays side by side, along the second axis; of vectors along the first.

    >>> hstack([[1.0, 2.0], [3.0]])
    Tensor([1., 2., 3.])
    """
    arrays = each(atleast_1d, tup)
    return concatenate(arrays, 0 if arrays[:1] and arrays[0].ndim == 1 else 1)


@composition(np.dstack)
def dstack(tup):
    """The arrays one behind the other, along the third axis; a vector (n) is (1, n, 1).

    >>> dstack([[1.0, 2.0], [3.0, 4.0]]).shape
    (1, 2, 2)
    """
    return concatenate(each(atleast_3d, tup), 2)


@composition(np.column_stack)
def column_stack(tup):
    """The arrays side by side, along the second axis; a vector is a column.

    >>> column_stack([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 3.],
            [2., 4.]])
    """
    return concatenate(each(lambda x: atleast_2d(x).T if np.ndim(x) < 2 else x, tup), 1)


def each(change, arrays):
    return [change(x) for x in arrays]


@composition(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """func1d of each vector along `axis`, called one after the other; what it returns has the place of that axis.

    >>> apply_along_axis(np.sum, 1, [[1.0, 2.0], [3.0, 4.0]])
    Tensor([3., 7.])
    """
    x = lifted(operand(arr))
    axis = normalize_axis_index(axis, x.ndim)
    x = np.moveaxis(x, axis, -1)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    if not len(rows):
        raise ValueError(f"apply_along_axis: there is no vector along axis {axis} of shape {np.shape(arr)}")
    y = np.stack([lifted(operand(func1d(row, *args, **kwargs))) for row in rows])
    y = y.reshape((*x.shape[:-1], *y.shape[1:]))
    return np.moveaxis(y, range(x.ndim - 1, y.ndim), range(axis, axis + y.ndim - x.ndim + 1))


@composition(np.append)
def append(arr, values, axis=None):
    """arr, and behind it values, along an axis they have; flattened first by default.

    >>> append([1.0, 2.0], 3.0)
    Tensor([1., 2., 3.])
    """
    return concatenate([arr, values], axis)


@composition(np.block)
def block(arrays):
    """The arrays of nested lists: the innermost lists along the last axis, those around them along the one before it.

    >>> block([[Tensor([[1.0]]), np.zeros((1, 2))], [np.ones((1, 3))]]).data
    array([[1., 0., 0.],
           [1., 1., 1.]])
    """
    levels = depth(arrays)
    ndim = max(levels, *(np.ndim(x) for x in flat(arrays)))

    def joined(part, level):
        if level:
            return concatenate([joined(x, level - 1) for x in part], -level)
        return lifted(operand(part)).reshape((1,) * (ndim - np.ndim(part)) + np.shape(part))

    return joined(arrays, levels)


def depth(arrays):
    """How deep lists are nested, which must be the same everywhere."""
    if type(arrays) is tuple:
        raise TypeError("block: the arrays are nested in lists, and this is a tuple; np.block has no use for those")
    if type(arrays) is not list:
        return 0
    depths = {depth(x) for x in arrays}
    if len(depths) != 1:
        raise ValueError(f"block: {'an empty list' if not depths else 'lists are nested deeper in some places'}")
    return 1 + depths.pop()


def flat(arrays):
    return [x for part in arrays for x in flat(part)] if type(arrays) is list else [arrays]


@composition(np.insert)
def insert(arr, obj, values, axis=None):
    """arr with values put in before the positions obj along an axis; flattened first by default.

    >>> insert([1.0, 2.0], 1, 9.0)
    Tensor([1., 9., 2.])
    """
    x, values, obj = lifted(operand(arr)), lifted(operand(values)), positions("insert", obj)
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = normalize_axis_index(axis, x.ndim)
    values = values.reshape((1,) * (x.ndim - values.ndim) + values.shape)
    if np.ndim(obj) == 0 and type(obj) is not slice:  # at one position: the first axis of values is the one inserted
        values = np.moveaxis(values, 0, axis)
    places = np.arange(x.shape[axis])
    count = max(len(np.insert(places, obj, 0)) - len(places), 0)
    count = values.shape[axis] if count == 1 else count
    values = np.broadcast_to(values, (*x.shape[:axis], count, *x.shape[axis + 1 :])).astype(x.dtype)
    order = np.insert(places, obj, len(places) + np.arange(count))
    return np.concatenate([x, values], axis)[along(axis, x.ndim, order)]


# -------------------------------------------------------------------------------------------------------- as several
@composition(np.array_split)
def array_split(ary, indices_or_sections, axis=0) -> list:
    """The list of the parts of ary along `axis`: so many nearly equal ones, the longer first, or cut before positions.

    >>> [part.data for part in array_split(Tensor([1.0, 2.0, 3.0]), 2)]
    [array([1., 2.]), array([3.])]
    """
    refuse_other_arrays(indices_or_sections)
    x, cuts = lifted(operand(ary)), indices_or_sections
    length = x.shape[axis := normalize_axis_index(axis, x.ndim)]
    if np.ndim(cuts) == 0:
        if cuts < 1:
            raise ValueError(f"array_split: the number of parts is at least 1, and is {cuts}")
        cuts = np.cumsum([len(part) for part in np.array_split(np.arange(length), cuts)])[:-1].tolist()
    return [getitem(x, along(axis, x.ndim, slice(*ends))) for ends in pairwise([0, *cuts, None])]


@composition(np.split)
def split(ary, indices_or_sections, axis=0) -> list:
    """The list of the parts of ary along `axis`: so many equal ones, or cut before each of these positions.

    >>> [part.data for part in split(Tensor([1.0, 2.0, 3.0]), [1])]
    [array([1.]), array([2., 3.])]
    """
    cuts, shape = indices_or_sections, np.shape(ary)
    length = shape[normalize_axis_index(axis, len(shape))]
    if np.ndim(cuts) == 0 and (cuts < 1 or length % cuts):
        raise ValueError(f"split: axis {axis} of length {length} does not divide into {cuts} equal parts")
    return array_split(ary, cuts, axis)


@composition(np.vsplit)
def vsplit(ary, indices_or_sections) -> list:
    """The parts along the first axis, as `split` has them.

    >>> len(vsplit(np.zeros((4, 2)), 2))
    2
    """
    return split(ary, indices_or_sections, enough("vsplit", ary, 2, 0))


@composition(np.hsplit)
def hsplit(ary, indices_or_sections) -> list:
    """The parts along the second axis, of a vector along its only one, as `split` has them.

    >>> [x.shape for x in hsplit(np.zeros((2, 3)), [1])]
    [(2, 1), (2, 2)]
    """
    return split(ary, indices_or_sections, enough("hsplit", ary, 1, min(np.ndim(ary) - 1, 1)))


@composition(np.dsplit)
def dsplit(ary, indices_or_sections) -> list:
    """The parts along the third axis, as `split` has them.

    >>> [x.shape for x in dsplit(np.zeros((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    return split(ary, indices_or_sections, enough("dsplit", ary, 3, 2))


def enough(name, ary, least, axis):
    if np.ndim(ary) < least:
        raise ValueError(f"{name}: the array needs {least} axes or more, and has shape {np.shape(ary)}")
    return axis


@composition(*since("unstack"))
def unstack(x, *, axis=0) -> tuple:
    """The tuple of the parts of x, one for each position along `axis`, without that axis.

    >>> unstack([[1.0, 2.0], [3.0, 4.0]])[1]
    Tensor([3., 4.])
    """
    return tuple(np.moveaxis(lifted(operand(x)), axis, 0))
