"""Entries that are chosen: by their positions, by masks, by numbers."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.ops.index import add_at, positions
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition
from minigrad.ops.shape import along


@composition(np.take, method=True)
def take(a, indices, axis=None, *, mode="raise"):
    """The entries of a at indices along `axis`, of the flattened a by default.

    An index that is none raises; with mode "wrap" it is counted round and round, with "clip" it is the nearest.

    >>> take([1.0, 2.0, 3.0], [2, 0])
    Tensor([3., 1.])
    """
    x, indices = lifted(operand(a)), operand(indices)
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = normalize_axis_index(axis, x.ndim)
    return x[along(axis, x.ndim, within("take", indices, x.shape[axis], mode))]


def within(name, indices, length, mode):
    """Indices as `mode` has them, for an axis of that length."""
    if mode == "raise":
        return indices
    if mode == "clip":
        return np.clip(indices, 0, length - 1)
    if mode != "wrap":
        raise ValueError(f"{name}: mode is 'raise', 'wrap' or 'clip', and not {mode!r}")
    return np.remainder(indices, length)


@composition(np.delete)
def delete(arr, obj, axis=None):
    """arr without what is at the positions obj along `axis`; flattened first by default.

    >>> delete([1.0, 2.0, 3.0], 1)
    Tensor([1., 3.])
    """
    x = lifted(operand(arr))
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = normalize_axis_index(axis, x.ndim)
    return x[along(axis, x.ndim, np.delete(np.arange(x.shape[axis]), positions("delete", obj)))]


@composition(np.compress)
def compress(condition, a, axis=None):
    """The slices of a along `axis` for which the vector `condition` holds; of the flattened a by default.

    A condition that is shorter than the axis holds for nothing beyond its end.

    >>> compress([True, False, True], [1.0, 2.0, 3.0])
    Tensor([1., 3.])
    """
    x, condition = lifted(operand(a)), operand(condition)
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = normalize_axis_index(axis, x.ndim)
    if condition.ndim != 1:
        raise ValueError(f"compress: the condition is a vector, and has shape {condition.shape}")
    return x[along(axis, x.ndim, np.flatnonzero(positions("compress", condition)))]


@composition(np.extract)
def extract(condition, arr):
    """The vector of the entries of arr for which condition, an array of its size, holds.

    >>> extract([True, False, True], [1.0, 2.0, 3.0])
    Tensor([1., 3.])
    """
    return compress(operand(condition).reshape(-1), arr)


@composition(np.select)
def select(condlist, choicelist, default=0):
    """Entry by entry the choice whose condition is the first to hold; the default where none does.

    >>> select([[True, False], [True, True]], [[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 4.])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: each choice needs a condition, and {len(choicelist)} choices have {len(condlist)} conditions"
        )
    y = default
    for condition, choice in reversed([*zip(condlist, choicelist, strict=True)]):
        if operand(condition).dtype.kind != "b":
            raise TypeError(f"select: a condition is a mask, and this is {operand(condition).dtype}")
        y = np.where(lifted(operand(condition)), choice, y)
    return y


@composition(np.choose)
def choose(a, choices, *, mode="raise"):
    """Entry by entry the one of several choices that a, an array of integers, has the number of.

    A number that is none raises; with mode "wrap" it is counted round and round, with "clip" it is the nearest.

    >>> choose([1, 0], [[1.0, 2.0], [3.0, 4.0]])
    Tensor([3., 2.])
    """
    a = operand(a)
    if a.dtype.kind not in "iu":
        raise TypeError(f"choose: the first array has the numbers of choices, integers, and is {a.dtype}")
    found = positions("choose", a)
    if mode == "raise" and found.size and not 0 <= found.min() <= found.max() < len(choices):
        raise ValueError(f"choose: numbers from {found.min()} to {found.max()} for {len(choices)} choices")
    a = lifted(within("choose", a, len(choices), mode))
    y = choices[-1]
    for k in reversed(range(len(choices) - 1)):
        y = np.where(a == k, choices[k], y)
    return np.broadcast_to(y, np.broadcast_shapes(a.shape, np.shape(y))) if len(choices) == 1 else y


@composition(np.piecewise)
def piecewise(x, condlist, funclist, *args, **kw):
    """Each function (or number) of funclist at the entries of x where its condition holds, and only there.

    Where several hold the last counts; where none does, the function that is left over, or 0. As no function sees an
    entry that is not its own, none can spoil its derivative.

    >>> piecewise([-1.0, 2.0], [np.array([True, False])], [0.0, np.sqrt])
    Tensor([0.        , 1.41421356])
    """
    x = lifted(operand(x))
    single = not isinstance(condlist, list | tuple) or np.ndim(condlist[0]) < x.ndim
    masks = [np.broadcast_to(operand(c), x.shape) for c in ([condlist] if single else condlist)]
    if len(funclist) == len(masks) + 1:
        funclist = [funclist[-1], *funclist[:-1]]
        masks = [np.ones(x.shape, bool), *masks]
    if len(funclist) != len(masks):
        raise ValueError(f"piecewise: {len(masks)} conditions need as many functions or one more, not {len(funclist)}")
    y, taken = np.zeros(x.shape, x.dtype), np.zeros(x.shape, bool)
    for mask, function in reversed([*zip(masks, funclist, strict=True)]):
        own = np.logical_and(mask, np.logical_not(taken))
        part = x[own]
        value = function(part, *args, **kw) if callable(function) else function
        value = np.broadcast_to(lifted(operand(value)).astype(x.dtype), part.shape)
        y = y + add_at(value, own, index=None, shape=x.shape)
        taken = np.logical_or(taken, mask)
    return y


@composition()
def put_along_axis(arr, indices, values, axis):
    """arr with values[..., j, ...] at the position indices[..., j, ...] along `axis`: a new tensor.

    NumPy's function of that name writes into its argument, which a Tensor does not allow. No position may be named
    twice.

    >>> put_along_axis([[1.0, 2.0]], [[1]], 9.0, 1)
    Tensor([[1., 9.]])
    """
    x, where = lifted(operand(arr)), positions("put_along_axis", operand(indices))
    if axis is None:
        return put_along_axis(x.reshape(-1), where, values, 0).reshape(x.shape)
    source = np.full(x.shape, -1)
    np.put_along_axis(source, where, np.arange(where.size).reshape(where.shape), axis)
    if (source >= 0).sum() != where.size:
        raise ValueError("put_along_axis: a position is named twice")
    values = np.broadcast_to(lifted(operand(values)).astype(x.dtype), where.shape).reshape(-1)
    return np.where(source < 0, x, values[np.maximum(source, 0)])
