"""By rank: entries from the least to the largest, and what stands at a place among them."""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.engine.state import off_tape
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op
from minigrad.tensor import Tensor


@op
class argsort:
    """y = the positions of the entries along `axis`, from the least to the largest, without a derivative

    >>> argsort([3.0, 1.0, 2.0])
    Tensor([1, 2, 0])
    """
    signature = "(m,n)->(m,n)"
    params = [{"stable": True}, {"axis": 0, "stable": True}]
    def forward(x, *, axis=-1, kind=None, stable=None):     return np.argsort(x, axis, kind=kind, stable=stable)
    d_x = None


@composition(np.sort)
def sort(a, axis=-1, kind=None, *, stable=None):
    """The entries along `axis` from the least to the largest; of the flattened a if that is None.

    Equal entries, each with its own derivative, stay in the order they had.

    >>> sort([3.0, 1.0, 2.0])
    Tensor([1., 2., 3.])
    """
    x = lifted(operand(a))
    if axis is None:
        x, axis = x.reshape(-1), 0
    stable = True if kind is stable is None else stable
    return np.take_along_axis(x, np.argsort(x, axis, kind=kind, stable=stable), axis)


@composition(np.partition)
def partition(a, kth, axis=-1, kind="introselect"):
    """The entries along `axis` with the kth, or each of several, in its place, none larger before and none less behind.

    All of them are in order here, which is one of the answers that there are.

    >>> partition([3.0, 1.0, 2.0], 1)
    Tensor([1., 2., 3.])
    """
    return sort(a, within("partition", kth, np.shape(a), axis))


@composition(np.argpartition)
def argpartition(a, kth, axis=-1, kind="introselect"):
    """The positions of the entries that `partition` puts there, without a derivative.

    >>> argpartition([3.0, 1.0, 2.0], 1)
    Tensor([1, 2, 0])
    """
    return argsort(a, within("argpartition", kth, np.shape(a), axis), stable=True)


def within(name, kth, shape, axis):
    """axis, if kth are places along it."""
    length = math.prod(shape) if axis is None else shape[normalize_axis_index(axis, len(shape))]
    if any(not -length <= k < length for k in np.atleast_1d(kth)):
        raise ValueError(f"{name}: kth={kth!r} is no place among {length} entries")
    return axis


@composition(np.unique)
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True):
    """The entries of ar that differ, in order, or the slices along `axis`; a tuple of these and whatever is asked for.

    The derivative is that of the first of equal ones. How many there are depends on the entries, so that a compiled
    program cannot contain this.

    >>> unique([3.0, 1.0, 3.0])
    Tensor([1., 3.])
    """
    x = lifted(operand(ar))
    entries = off_tape(x, "unique")
    _, first, *more = np.unique(entries, True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    y = np.take(x, first, axis)
    found = ([first] if return_index else []) + more
    return (y, *found) if found else y


def in_place(name):
    def method(self, *args, **kwargs):
        raise TypeError(
            f"Tensor.{name}, as NumPy's, would work in place, and a Tensor is not written into: x = np.{name}(x)"
        )

    return method


Tensor.sort, Tensor.partition = in_place("sort"), in_place("partition")


class Ranked:
    """The entries that are reduced together, in order of size along the first axis.

    Attributes:
        entries: a Tensor.
        shape: that of the result.
    """

    def __init__(self, name, a, axis, keepdims):
        x = lifted(operand(a))
        axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
        rest = [i for i in range(x.ndim) if i not in axes]
        n, others = math.prod([x.shape[i] for i in axes]), [x.shape[i] for i in rest]
        if not n:
            raise ValueError(f"{name}: there is no entry to take, over axis={axis} of shape {x.shape}")
        self.entries = sort(np.transpose(x, (*axes, *rest)).reshape((n, *others)), 0)
        self.shape = tuple(1 if i in axes else x.shape[i] for i in range(x.ndim)) if keepdims else tuple(others)

    def result(self, y, more=()):
        """y, unless one of the entries is nan: that is the last one."""
        last = self.entries[-1]
        return np.where(np.isnan(last), last, y).reshape(more + self.shape)


@composition(np.median)
def median(a, axis=None, *, keepdims=False):
    """The entry in the middle, or the mean of the two there.

    >>> median([3.0, 1.0, 2.0])
    Tensor(2.)
    """
    ranked = Ranked("median", a, axis, keepdims)
    n = len(ranked.entries)
    return ranked.result(ranked.entries[(n - 1) // 2 : n // 2 + 1].mean(0))


PLACES = {  # of the q-quantile of n entries in their order, counted from 0
    "linear": lambda n, q: (n - 1) * q,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
    "midpoint": lambda n, q: (np.floor((n - 1) * q) + np.ceil((n - 1) * q)) / 2,
    "inverted_cdf": lambda n, q: np.ceil(n * q) - 1,
    "averaged_inverted_cdf": lambda n, q: (np.ceil(n * q) + np.floor(n * q) - 1) / 2,
    "closest_observation": lambda n, q: np.rint(n * q) - 1,
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen": lambda n, q: n * q - 1 / 2,
    "weibull": lambda n, q: (n + 1) * q - 1,
    "median_unbiased": lambda n, q: (n + 1 / 3) * q - 2 / 3,
    "normal_unbiased": lambda n, q: (n + 1 / 4) * q - 5 / 8,
}
SINGLE = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}  # never between two entries


@composition(np.quantile)
def quantile(a, q, axis=None, *, method="linear", keepdims=False):
    """The entry that so large a part q of all is below; between two, on the line from the one to the other.

    The result has the axes of q in front. The nine methods of Hyndman and Fan, and the four older ones of NumPy, say
    where in the order that is (Hyndman and Fan, "Sample quantiles in statistical packages", 1996).

    >>> quantile([1.0, 2.0, 4.0], 0.5)
    Tensor(2.)
    """
    return at_places("quantile", a, q, 1, axis, method, keepdims)


@composition(np.percentile)
def percentile(a, q, axis=None, *, method="linear", keepdims=False):
    """The quantile of q hundredths.

    >>> percentile([1.0, 2.0, 4.0], 50)
    Tensor(2.)
    """
    return at_places("percentile", a, q, 100, axis, method, keepdims)


@composition(np.nanquantile)
def nanquantile(a, q, axis=None, *, method="linear", keepdims=False):
    """The quantile of what is not nan; nan of nothing.

    >>> nanquantile([1.0, np.nan, 2.0], 0.5)
    Tensor(1.5)
    """
    return at_places("nanquantile", a, q, 1, axis, method, keepdims, skip=True)


@composition(np.nanpercentile)
def nanpercentile(a, q, axis=None, *, method="linear", keepdims=False):
    """The percentile of what is not nan; nan of nothing.

    >>> nanpercentile([1.0, np.nan, 2.0], 50)
    Tensor(1.5)
    """
    return at_places("nanpercentile", a, q, 100, axis, method, keepdims, skip=True)


@composition(np.nanmedian)
def nanmedian(a, axis=None, *, keepdims=False):
    """The median of what is not nan; nan of nothing.

    >>> nanmedian([1.0, np.nan, 2.0])
    Tensor(1.5)
    """
    return nanquantile(a, 0.5, axis, keepdims=keepdims)


def at_places(name, a, q, whole, axis, method, keepdims, skip=False):
    if type(q) is Tensor:
        raise TypeError(f"{name}: q is a number or an array and no tensor, as no derivative would reach it: q.numpy()")
    if method not in PLACES:
        raise ValueError(f"{name}: method={method!r} is none of {', '.join(PLACES)}")
    weak = type(q) in (int, float)  # these have no dtype of their own
    q = operand(q) / whole
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError(f"{name}: q lies between 0 and {whole}, and is {q * whole}")
    ranked = Ranked(name, a, axis, keepdims)
    entries, n = ranked.entries, len(ranked.entries)
    dtype = entries.dtype if method in SINGLE else np.result_type(entries.dtype, 0.0 if weak else q.dtype)
    if skip:  # there are n of them in each column, before those that are nan
        n = np.sum(np.logical_not(np.isnan(entries)), 0)
        places = PLACES[method](n, q.reshape(q.shape + (1,) * n.ndim))
        places = np.maximum(np.minimum(places, n - 1), 0).reshape(-1, *n.shape)
        sides = np.floor(places), np.ceil(places)
        lower, upper = [np.take_along_axis(entries, side.astype(int), 0).astype(dtype) for side in sides]
        part = places - sides[0]
        return np.where(part == 0, lower, lower + part.astype(dtype) * (upper - lower)).reshape(q.shape + ranked.shape)
    place = np.clip(PLACES[method](n, q), 0, n - 1)
    lower, upper = np.floor(place).astype(int), np.ceil(place).astype(int)
    y = entries[lower].astype(dtype)
    part = (place - lower).reshape(q.shape + (1,) * (entries.ndim - 1)).astype(dtype)
    return ranked.result(y + part * (entries[upper] - y) if part.any() else y, q.shape)


@composition(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None):
    """The covariances of the rows of m, and of y beneath them; of columns, unless `rowvar`.

    A column counts as often as fweights say, and is as important as aweights say. The sums are divided by the number
    of columns without `ddof`, which is 1 by default, and 0 with `bias`.

    >>> cov([[1.0, 3.0], [2.0, 0.0]])
    Tensor([[ 2., -2.],
            [-2.,  2.]])
    """
    rows = [np.atleast_2d(lifted(operand(part))) for part in (m, y) if part is not None]
    rows = [part if rowvar or len(part) == 1 else part.T for part in rows]
    x = np.concatenate(rows).astype(np.result_type(float, *[part.dtype for part in rows]))
    ddof = int(not bias) if ddof is None else ddof
    given = [operand(w) for w in (fweights, aweights) if w is not None]
    w = np.multiply(*given) if len(given) == 2 else given[0] if given else np.ones(x.shape[1])
    total = np.sum(w)
    x = x - np.sum(x * w, 1, keepdims=True) / total
    extra = ddof if aweights is None else ddof * np.sum(w * aweights) / total
    return np.squeeze((x * w) @ x.T / np.maximum(total - extra, 0))


@composition(np.corrcoef)
def corrcoef(x, y=None, rowvar=True):
    """The correlations of the rows of x, and of y beneath them; of columns, unless `rowvar`.

    >>> corrcoef([[1.0, 3.0], [2.0, 0.0]])
    Tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    deviations = np.sqrt(np.diag(c))
    return np.clip(c / deviations[:, None] / deviations, -1, 1)


@composition(np.ptp)
def ptp(a, axis=None, *, keepdims=False):
    """The largest entry less the smallest.

    >>> ptp(Tensor([3.0, 1.0, 2.0]))
    Tensor(2.)
    """
    x = lifted(operand(a))
    return np.max(x, axis, keepdims=keepdims) - np.min(x, axis, keepdims=keepdims)


@composition(np.average)
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    """Σ weights * a / Σ weights, the mean by default; with `returned` the pair of that and Σ weights.

    The weights are for each entry, or have the lengths of the axes in `axis`, in their order.

    >>> average([1.0, 3.0], weights=[3.0, 1.0])
    Tensor(1.5)
    """
    x = lifted(operand(a))
    if weights is None:
        y = np.mean(x, axis, keepdims=keepdims)
        return (y, lifted(np.full(y.shape, x.size // max(y.size, 1), y.dtype))) if returned else y
    w = lifted(operand(weights))
    if w.shape != x.shape:
        axes = () if axis is None else normalize_axis_tuple(axis, x.ndim)
        if w.shape != tuple([x.shape[i] for i in axes]):
            raise ValueError(
                f"average: weights of shape {w.shape} are neither for each entry of a, of shape {x.shape}, nor for the "
                f"positions along axis={axis}"
            )
        order = tuple(np.argsort(axes).tolist())
        w = np.transpose(w, order).reshape(tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))
        w = np.broadcast_to(w, x.shape)
    total = np.sum(w, axis, keepdims=keepdims)
    y = np.sum(x * w, axis, keepdims=keepdims) / total
    return (y, total) if returned else y
