"""Over axes. `axis` is None (all), an int or a tuple; `keepdims` keeps the reduced axes with length 1."""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.ops.elementwise import over, silently
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import op

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


# --------------------------------------------------------------------------------------------------- sums and products
@op
class sum:
    "y = Σ x"
    wide = "e"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.sum(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return spread(g, x, axis, keepdims)


@op
class mean:
    "y = Σ x / n"
    wide = "e"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.mean(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return spread(g / (count(x, axis) or 1), x, axis, keepdims)


@op
class prod:
    "y = Π x"
    wide = "e"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.prod(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return kept(g, x, axis, keepdims) * others(x, axis)


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


def shifted(x, step):
    """x with its rows `step` places further down, below as many rows of ones."""
    return np.concatenate([np.ones((step, *x.shape[1:]), x.dtype)[: len(x)], x[:-step]])


@op
class cumsum:
    "yᵢ = Σ xⱼ over j ≤ i along `axis`; over all entries, row by row, if that is None"
    wide = "e"
    params = [{}, {"axis": 0}, {"axis": -1}]
    def forward(x, *, axis=None):       return x.cumsum(axis)
    def d_x(g, y, x, *, axis):          return np.flip(np.flip(g, axis).cumsum(axis), axis).reshape(x.shape)


# ------------------------------------------------------------------------------------------------ statistics and norms
@op
class var:
    """y = Σ (x - mean x)² / (n - ddof)

    The population's variance; ddof=1 gives the sample's, which is torch's default.
    """
    wide = "ebiu"
    renamed = {"correction": "ddof"}
    params = AXES
    def forward(x, *, axis=None, ddof=0, keepdims=False):
        return variance("var", x, axis, ddof, keepdims)
    def d_x(g, y, x, *, axis, ddof, keepdims):
        return kept(g * 2 / (count(x, axis) - ddof), x, axis, keepdims) * deviation(x, axis)


@op
class std:
    "y = √var x; where that is 0 its derivative is 0, too, and there is no second one"
    wide = "ebiu"
    renamed = {"correction": "ddof"}
    params = AXES
    def forward(x, *, axis=None, ddof=0, keepdims=False):
        return np.sqrt(variance("std", x, axis, ddof, keepdims))
    def d_x(g, y, x, *, axis, ddof, keepdims):
        unit = over(deviation(x, axis), kept(y, x, axis, keepdims))
        return kept(g / (count(x, axis) - ddof), x, axis, keepdims) * unit


def variance(name, x, axis, ddof, keepdims):
    n = count(x, axis)
    squares = np.square(deviation(x, axis)).sum(axis, keepdims=keepdims)
    if n <= ddof and squares.size:
        raise ValueError(
            f"{name}: ddof={ddof} needs more than {ddof} entries to each result, and axis={axis} of shape {x.shape} "
            f"has {n}"
        )
    return squares / (n - ddof)


def deviation(x, axis):
    return x - x.sum(axis, keepdims=True) / (count(x, axis) or 1)


@op
class norm:
    """y = √Σ x², the Euclidean length

    That is the 2-norm of vectors (axis is an int) and the Frobenius norm of matrices (axis is a pair); without an axis
    all entries count. Vectors have two more: ord=1 is Σ |x|, and ord=np.inf is max |x|. At x = 0 the derivative is 0,
    and there is no second one.
    """
    wide = "ebiu"
    numpy = [np.linalg.norm]
    params = AXES
    def forward(x, *, ord=None, axis=None, keepdims=False):
        return np.sqrt(np.square(x).sum(axis, keepdims=keepdims))
    def d_x(g, y, x, *, ord, axis, keepdims):
        return kept(g, x, axis, keepdims) * over(x, kept(y, x, axis, keepdims))

    def public(norm, x, ord=None, axis=None, keepdims=False):
        if ord is None and type(axis) is not tuple:
            return norm(x, axis=axis, keepdims=keepdims)
        x = lifted(operand(x))
        axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim, "axis")
        known = {1: (None, 2, 1, np.inf), 2: (None, "fro")}.get(len(axes), ())
        if ord not in known:
            raise ValueError(
                f"norm: ord={ord!r} over {len(axes)} axes of shape {x.shape} is not supported. Over one axis it may be "
                "1, 2 or np.inf, over two 'fro'; without an axis, leave it out for √Σ x² of all entries"
            )
        if ord == 1:
            return abs(x).sum(axis=axes, keepdims=keepdims)
        if ord == np.inf:
            return abs(x).max(axis=axes, keepdims=keepdims)
        return norm(x, axis=axes, keepdims=keepdims)


# ------------------------------------------------------------------------------------------------------------ extremes
@op
class max:
    "y = max x; the entries that share it share its derivative evenly, as in torch.amax"
    numpy = [np.max, np.amax]
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.max(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return shared(g, y, x, axis, keepdims)


@op
class min:
    "y = min x; the entries that share it share its derivative evenly, as in torch.amin"
    numpy = [np.min, np.amin]
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.min(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return shared(g, y, x, axis, keepdims)


@silently  # if y is nan, no entry equals it
def shared(g, y, x, axis, keepdims):
    """g, in equal parts, at the entries of x that are y; nan for all of them if that is y."""
    top = kept(y, x, axis, keepdims)
    equal = np.equal(x, top)
    share = kept(g / equal.sum(axis, keepdims=keepdims), x, axis, keepdims)
    return np.where(equal, share, np.where(np.isnan(top), top, 0))


@op
class argmax:
    "y = where the first of the largest entries is, without a derivative; in all of x, or along one axis"
    params = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]
    def forward(x, *, axis=None, keepdims=False): return x.argmax(axis, keepdims=keepdims)
    d_x = None


@op
class argmin:
    "y = where the first of the smallest entries is, without a derivative; in all of x, or along one axis"
    params = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]
    def forward(x, *, axis=None, keepdims=False): return x.argmin(axis, keepdims=keepdims)
    d_x = None


@op
class logsumexp:
    "y = ln Σ eˣ, where eˣ may be too large for a float: the largest x is taken out before"
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
