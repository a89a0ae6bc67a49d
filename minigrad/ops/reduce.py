"""Over axes. `axis` is None (all), an int or a tuple; `keepdims` keeps the reduced axes with length 1."""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.ops.elementwise import over, silently
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op, since

AXES = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}, {"axis": (-1, -2), "keepdims": True}]


def kept(g, x, axis, keepdims):
    """An array of a reduction of x, with the reduced axes back in place, so that it broadcasts against x."""
    return g if keepdims or axis is None or x.ndim == 0 else np.expand_dims(g, axis)


def spread(g, x, axis, keepdims):
    """A reduction's cotangent, copied to every entry that was reduced."""
    return np.broadcast_to(kept(g, x, axis, keepdims), x.shape)


def count(x, axis):
    """How many entries of x are reduced to one."""
    if axis is None or x.ndim == 0:
        return x.size
    return math.prod([x.shape[i] for i in (axis if type(axis) is tuple else (axis,))])


def converted(x, dtype):
    """x in the dtype that it is to be reduced in."""
    return x if dtype is None else lifted(operand(x)).astype(dtype)


def included(x, where, neutral):
    """x with `neutral` in the place of the entries that are not to take part."""
    return x if where is True else np.where(mask_of(x, where), x, neutral)


def mask_of(x, where):
    """`where` in the shape of x."""
    if (where := operand(where)).dtype.kind != "b":
        raise TypeError(f"where= is a mask of True and False, and this is {where.dtype}")
    return np.broadcast_to(where, np.shape(x))


def proportion(x, axis, where, keepdims, ddof=0):
    """How many entries are reduced to one for each that takes part; inf if none does."""
    return count(x, axis) / np.maximum(np.sum(mask_of(x, where), axis=axis, keepdims=keepdims) - ddof, 0)


def start(initial, y):
    """The number that a reduction starts with, in the dtype of its result y."""
    if np.ndim(initial):
        raise ValueError(f"initial= is one number, and this has shape {np.shape(initial)}")
    return lifted(operand(initial)).astype(y.dtype)


# --------------------------------------------------------------------------------------------------- sums and products
@op
class sum:
    """y = Σ x

    >>> sum([[1.0, 2.0], [3.0, 4.0]], 0)
    Tensor([4., 6.])
    """
    wide = "e"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.sum(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return spread(g, x, axis, keepdims)
    def in_full(sum, x, axis=None, dtype=None, *, keepdims=False, initial=None, where=True):
        y = sum(included(converted(x, dtype), where, 0), axis=axis, keepdims=keepdims)
        return y if initial is None else y + start(initial, y)


@op
class mean:
    """y = Σ x / n

    >>> mean([[1.0, 2.0], [3.0, 4.0]], 1)
    Tensor([1.5, 3.5])
    """
    wide = "e"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.mean(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return spread(g / (count(x, axis) or 1), x, axis, keepdims)
    def in_full(mean, x, axis=None, dtype=None, *, keepdims=False, where=True):
        y = mean(included(converted(x, dtype), where, 0), axis=axis, keepdims=keepdims)
        y = y if where is True else y * proportion(x, axis, where, keepdims).astype(y.dtype)
        return y if dtype is None else y.astype(dtype)


@op
class prod:
    """y = Π x

    >>> prod([3.0, 1.0, 2.0])
    Tensor(6.)
    """
    wide = "e"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.prod(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return kept(g, x, axis, keepdims) * others(x, axis)
    def in_full(prod, x, axis=None, dtype=None, *, keepdims=False, initial=None, where=True):
        y = prod(included(converted(x, dtype), where, 1), axis=axis, keepdims=keepdims)
        return y if initial is None else y * start(initial, y)


def others(x, axis):
    """For each entry the product of the others that are reduced with it."""
    if axis is None:
        return other_rows(x.reshape(x.size)).reshape(x.shape)
    axes = normalize_axis_tuple(axis, x.ndim)
    order = (*axes, *[i for i in range(x.ndim) if i not in axes])  # with the reduced axes in front, as one
    shape = [x.shape[i] for i in order]
    rows = np.transpose(x, order).reshape((count(x, axis), *shape[len(axes) :]))
    return np.transpose(other_rows(rows).reshape(tuple(shape)), tuple(np.argsort(order).tolist()))


def other_rows(x):
    """For each row the product of those before it, times those behind. Without a division zeros are no special case."""
    return before(x) * before(x[::-1])[::-1]


def before(x):
    """For each row the product of those before it, in as many steps as the number of rows has binary digits."""
    y, step = shifted(x, 1), 1
    while step < len(x):
        y, step = y * shifted(y, step), 2 * step
    return y


def shifted(x, step, fill=1):
    """x with its rows `step` places further down, below as many rows of `fill`."""
    return np.concatenate([np.full((step, *x.shape[1:]), fill, x.dtype)[: len(x)], x[:-step]])


@op
class cumsum:
    """yᵢ = Σ xⱼ over j ≤ i along `axis`; over all entries, row by row, if that is None

    >>> cumsum([3.0, 1.0, 2.0])
    Tensor([3., 4., 6.])
    """
    wide = "e"
    params = [{}, {"axis": 0}, {"axis": -1}]
    def forward(x, *, axis=None):       return x.cumsum(axis)
    def d_x(g, y, x, *, axis):          return np.flip(np.flip(g, axis).cumsum(axis), axis).reshape(x.shape)
    def in_full(cumsum, x, axis=None, dtype=None):      return cumsum(converted(x, dtype), axis=axis)


@op
class cumprod:
    """yᵢ = Π xⱼ over j ≤ i along `axis`; over all entries, row by row, if that is None

    >>> cumprod([3.0, 1.0, 2.0])
    Tensor([3., 3., 6.])
    """
    wide = "e"
    params = [{}, {"axis": 0}, {"axis": -1}]
    def forward(x, *, axis=None):       return x.cumprod(axis)
    def d_x(g, y, x, *, axis):
        if axis is None:
            rows = x.reshape(x.size)
            return (before(rows) * behind(g, rows)).reshape(x.shape)
        rows, g = np.swapaxes(x, 0, axis), np.swapaxes(g, 0, axis)
        return np.swapaxes(before(rows) * behind(g, rows), 0, axis)
    def in_full(cumprod, x, axis=None, dtype=None):     return cumprod(converted(x, dtype), axis=axis)


def cumulative(name, accumulate, neutral, x, axis, dtype, include_initial):
    """`accumulate` along one axis, behind the number that it begins with if that is to be included."""
    x = np.atleast_1d(lifted(operand(x)))
    if axis is None and x.ndim > 1:
        raise ValueError(f"{name}: x has shape {x.shape}, and axis= says along which of {x.ndim} axes")
    axis = 0 if axis is None else axis
    y = accumulate(x, axis, dtype)
    if not include_initial:
        return y
    first = [1 if i == normalize_axis_index(axis, y.ndim) else n for i, n in enumerate(y.shape)]
    return np.concatenate([np.full(first, neutral, y.dtype), y], axis)


@composition(*since("cumulative_sum"))
def cumulative_sum(x, *, axis=None, dtype=None, include_initial=False):
    """The sums up to each entry along `axis`; with include_initial behind a 0, the sum of nothing.

    >>> cumulative_sum([3.0, 1.0, 2.0], include_initial=True)
    Tensor([0., 3., 4., 6.])
    """
    return cumulative("cumulative_sum", cumsum, 0, x, axis, dtype, include_initial)


@composition(*since("cumulative_prod"))
def cumulative_prod(x, *, axis=None, dtype=None, include_initial=False):
    """The products up to each entry along `axis`; with include_initial behind a 1, the product of nothing.

    >>> cumulative_prod([3.0, 1.0, 2.0], include_initial=True)
    Tensor([1., 3., 3., 6.])
    """
    return cumulative("cumulative_prod", cumprod, 1, x, axis, dtype, include_initial)


def behind(g, x):
    """For each row of g itself, and those behind it, each times all rows of x on the way there.

    That is the recurrence rᵢ = gᵢ + xᵢ₊₁ rᵢ₊₁, from the end, in as many steps as the number of rows has binary digits.
    """
    r, way, step = g[::-1], shifted(x[::-1], 1), 1
    while step < len(x):
        r, way, step = r + way * shifted(r, step, 0), way * shifted(way, step), 2 * step
    return r[::-1]


# ------------------------------------------------------------------------------------------------ statistics and norms
@op
class var:
    """y = Σ (x - mean x)² / (n - ddof)

    The population's variance; ddof=1 gives the sample's, which is torch's default.

    >>> var([1.0, 2.0, 6.0], ddof=1)
    Tensor(7.)
    """
    wide = "ebiu"
    renamed = {"correction": "ddof"}
    params = AXES
    def forward(x, *, axis=None, ddof=0, keepdims=False):
        return variance("var", x, axis, ddof, keepdims)
    def d_x(g, y, x, *, axis, ddof, keepdims):
        return kept(g * 2 / (count(x, axis) - ddof), x, axis, keepdims) * deviation(x, axis)
    def in_full(var, x, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, mean=None):
        if where is True and mean is None:
            return var(converted(x, dtype), axis=axis, ddof=ddof, keepdims=keepdims)
        return in_part(var, lambda p: p, x, axis, dtype, ddof, keepdims, where, mean)


@op
class std:
    """y = √var x; where that is 0 its derivative is 0, too, and there is no second one

    >>> std([3.0, 1.0, 2.0])
    Tensor(0.81649658)
    """
    wide = "ebiu"
    renamed = {"correction": "ddof"}
    params = AXES
    def forward(x, *, axis=None, ddof=0, keepdims=False):
        return np.sqrt(variance("std", x, axis, ddof, keepdims))
    def d_x(g, y, x, *, axis, ddof, keepdims):
        unit = over(deviation(x, axis), kept(y, x, axis, keepdims))
        return kept(g / (count(x, axis) - ddof), x, axis, keepdims) * unit
    def in_full(std, x, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, mean=None):
        if where is True and mean is None:
            return std(converted(x, dtype), axis=axis, ddof=ddof, keepdims=keepdims)
        return in_part(std, np.sqrt, x, axis, dtype, ddof, keepdims, where, mean)


def in_part(reduce, root, x, axis, dtype, ddof, keepdims, where, mean):
    """The variance (or its `root`) of the entries that take part, about their mean or the one that is given.

    Those that do not are put at the mean, where they count as entries but add nothing to the squares.
    """
    x = lifted(operand(x))
    floats = x.dtype if x.dtype.kind == "f" else np.float64
    rounded = np.dtype(dtype or np.result_type(floats, 0.0 if mean is None else mean))
    x = x.astype(np.result_type(rounded, np.float32))
    if mean is None:
        x = included(x, where, np.mean(x, axis=axis, keepdims=True, where=where))
        y = reduce(x, axis=axis, keepdims=keepdims)
    else:
        y = root(np.mean(np.square(included(x - mean, where, 0)), axis=axis, keepdims=keepdims))
    return (y * root(proportion(x, axis, where, keepdims, ddof)).astype(x.dtype)).astype(rounded)


def variance(name, x, axis, ddof, keepdims):
    squares = np.square(deviation(x, axis)).sum(axis, keepdims=keepdims)
    n = count(x, axis)
    if n <= ddof and squares.size:
        raise ValueError(
            f"{name}: ddof={ddof} needs more than {ddof} entries to each result, and axis={axis} of shape {x.shape} "
            f"has {n}"
        )
    return squares / (n - ddof)


def deviation(x, axis):
    total = x.sum(axis, keepdims=True)  # which knows what to say of an axis that is none
    return x - total / (count(x, axis) or 1)


# ------------------------------------------------------------------------------------------------------------ extremes
@op
class max:
    """y = max x; the entries that share it share its derivative evenly, as in torch.amax

    >>> max([[1.0, 4.0], [3.0, 2.0]], 0)
    Tensor([3., 4.])
    """
    numpy = [np.max, np.amax]
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.max(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return shared(g, y, x, axis, keepdims)
    def in_full(max, x, axis=None, *, keepdims=False, initial=None, where=True):
        return begun(max, np.maximum, -np.inf, x, axis, keepdims, initial, where)


@op
class min:
    """y = min x; the entries that share it share its derivative evenly, as in torch.amin

    >>> min([[1.0, 4.0], [3.0, 2.0]], 0)
    Tensor([1., 2.])
    """
    numpy = [np.min, np.amin]
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.min(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return shared(g, y, x, axis, keepdims)
    def in_full(min, x, axis=None, *, keepdims=False, initial=None, where=True):
        return begun(min, np.minimum, np.inf, x, axis, keepdims, initial, where)


def begun(reduce, of_two, neutral, x, axis, keepdims, initial, where):
    """The largest (or smallest) of the entries that take part and of `initial`, without which there must be some."""
    x = lifted(operand(x))
    if initial is None:
        if where is not True:
            raise ValueError(f"{reduce.__name__}: where= needs initial=, the result where no entry takes part")
        return reduce(x, axis=axis, keepdims=keepdims)
    initial = start(initial, x)
    if not count(x, axis):
        return np.sum(x, axis=axis, keepdims=keepdims).astype(x.dtype) + initial
    y = reduce(included(x, where, neutral if x.dtype.kind == "f" else initial), axis=axis, keepdims=keepdims)
    return of_two(y, initial)


def shared(g, y, x, axis, keepdims):
    """g, in equal parts, at the entries of x that are y; nan for all of them if that is y."""
    top = kept(y, x, axis, keepdims)
    equal = np.equal(x, top)
    sharers = np.maximum(equal.sum(axis, keepdims=keepdims), 1)  # if y is nan, no entry equals it
    share = kept(g / sharers, x, axis, keepdims)
    return np.where(equal, share, np.where(np.isnan(top), top, 0))


@op
class any:
    """y = whether any x is true, or not 0; without a derivative

    >>> any([False, True])
    Tensor(True)
    """
    domain = {"x": bool}
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.any(axis, keepdims=keepdims)
    d_x = None
    def in_full(any, x, axis=None, *, keepdims=False, where=True):
        return any(included(x, where, False), axis=axis, keepdims=keepdims)


@op
class all:
    """y = whether every x is true, or not 0; without a derivative

    >>> all([False, True])
    Tensor(False)
    """
    domain = {"x": bool}
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.all(axis, keepdims=keepdims)
    d_x = None
    def in_full(all, x, axis=None, *, keepdims=False, where=True):
        return all(included(x, where, True), axis=axis, keepdims=keepdims)


@op
class count_nonzero:
    """y = how many x are not 0, without a derivative

    >>> count_nonzero([3.0, 1.0, 2.0])
    Tensor(3)
    """
    params = AXES
    d_x = None
    def compose(x, *, axis=None, keepdims=False):       return np.not_equal(x, 0).sum(axis, keepdims=keepdims)


@op
class argmax:
    """y = where the first of the largest entries is, without a derivative; in all of x, or along one axis

    >>> argmax([3.0, 1.0, 2.0])
    Tensor(0)
    """
    params = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]
    def forward(x, *, axis=None, keepdims=False): return x.argmax(axis, keepdims=keepdims)
    d_x = None


@op
class argmin:
    """y = where the first of the smallest entries is, without a derivative; in all of x, or along one axis

    >>> argmin([3.0, 1.0, 2.0])
    Tensor(1)
    """
    params = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]
    def forward(x, *, axis=None, keepdims=False): return x.argmin(axis, keepdims=keepdims)
    d_x = None


@op
class logsumexp:
    """y = ln Σ eˣ, where eˣ may be too large for a float: the largest x is taken out before

    >>> logsumexp([3.0, 1.0, 2.0])
    Tensor(3.40760596)
    """
    wide = "ebiu"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):
        top = x.max(axis, keepdims=True, initial=-np.inf)
        total = np.exp(x - np.where(np.isfinite(top), top, 0)).sum(axis, keepdims=True)
        y = top + np.log(np.where(np.equal(total, 0), 1, total))  # it is 0 only where every x is -inf, as is the top
        return y if keepdims else y.squeeze(axis)
    @silently  # where y is infinite
    def d_x(g, y, x, *, axis, keepdims):
        return kept(g, x, axis, keepdims) * np.exp(x - kept(y, x, axis, keepdims))
