"""Sampled functions: between samples, and along them."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from minigrad.ops.matrices import pinv
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op
from minigrad.ops.shape import along


@op
class convolve:
    """y[k] = Σ a[i] v[k - i]

    a and v are vectors. In the mode "full" y has an entry for each k to which there are terms, in "valid" for each k to
    which there are min(n, m) of them, and in "same" as many as the longer one, those in the middle.

    >>> convolve([1.0, 2.0, 3.0], [1.0, 1.0])
    Tensor([1., 3., 5., 3.])
    """
    params = [{"mode": "full"}, {"mode": "valid"}]
    signature = "(5),(3)->()"
    def forward(a, v, *, mode="full"):      return np.convolve(a, v, mode)
    def d_a(g, y, a, v, *, mode):           return np.convolve(g, v[::-1], "valid" if mode == "full" else "full")
    def d_v(g, y, a, v, *, mode):
        if mode == "full":
            return np.convolve(g, a[::-1], "valid")
        return np.convolve(a, g[::-1], "valid")[::-1]
    def public(convolve, a, v, mode="full"):
        a, v = np.atleast_1d(lifted(operand(a))), np.atleast_1d(lifted(operand(v)))
        if a.ndim > 1 or v.ndim > 1 or not (a.size and v.size):
            raise ValueError(f"convolve: needs two vectors that are not empty, and got shapes {a.shape} and {v.shape}")
        if a.size < v.size:
            a, v = v, a
        if mode != "same":
            return convolve(a, v, mode=mode)
        return convolve(a, v, mode="full")[(start := (v.size - 1) // 2) : start + a.size]


@composition(np.correlate)
def correlate(a, v, mode="valid"):
    """y[k] = Σ a[i + k] v[i] of two vectors, for the k that `convolve` has in this mode.

    >>> correlate([1.0, 2.0, 3.0], [1.0, 1.0])
    Tensor([3., 5.])
    """
    a, v = np.atleast_1d(lifted(operand(a))), np.atleast_1d(lifted(operand(v)))
    return convolve(a, v[::-1], mode) if a.size >= v.size else correlate(v, a, mode)[::-1]


@op
class searchsorted:
    """y = for each entry of v, before how many entries of the ascending vector a it belongs, without a derivative

    >>> searchsorted([1.0, 2.0, 3.0], 2.5)
    Tensor(2)
    """
    params = [{}, {"side": "right"}]
    signature = "(n),(k)->(k)"
    d_a = d_v = None
    def forward(a, v, *, side="left"):      return np.searchsorted(a, v, side)


@composition(np.interp)
def interp(x, xp, fp, left=None, right=None, *, period=None):
    """The polygon through the points (xp, fp), at x; beyond its ends left and right, the end points by default.

    xp ascends, unless there is a period. At a point the derivative is that of the segment behind it, at the last that
    of the segment before it.

    >>> interp(1.5, [1.0, 2.0], [10.0, 20.0])
    Tensor(15.)
    """
    x, xp, fp = (lifted(operand(part)).astype(float) for part in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(f"interp: xp and fp are vectors of one length, and have shapes {xp.shape} and {fp.shape}")
    if period is not None:
        if not period:
            raise ValueError("interp: the period must not be 0")
        left = right = None
        x, xp, period = np.remainder(x, abs(period)), np.remainder(xp, abs(period)), abs(period)
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    last = xp.size - 1
    i = np.clip(searchsorted(xp, x, side="right"), min(1, last), last)
    start, end = xp[i - 1], xp[i]
    width = np.where(end == start, 1, end - start)
    y = fp[i - 1] + (fp[i] - fp[i - 1]) / width * (x - start)
    y = np.where(x < xp[0], fp[0] if left is None else left, y)
    return np.where(x > xp[-1], fp[-1] if right is None else right, y)


@composition(np.diff)
def diff(a, n=1, axis=-1, prepend=None, append=None):
    """The n-th differences a[i + 1] - a[i] along `axis`, of a with `prepend` before it and `append` behind it.

    >>> diff([3.0, 1.0, 2.0])
    Tensor([-2.,  1.])
    """
    x = lifted(operand(a))
    axis = normalize_axis_index(axis, x.ndim)
    if n < 0:
        raise ValueError(f"diff: n, how often differences are taken, is at least 0, and is {n}")
    across = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    ends = [lifted(np.zeros(across, operand(e).dtype)) + e if e is not None and np.ndim(e) == 0 else e
            for e in (prepend, append)]  # fmt: skip
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    x = np.concatenate(parts, axis) if len(parts) > 1 else x
    change = np.not_equal if x.dtype.kind == "b" else np.subtract
    for _ in range(n):
        x = change(x[along(axis, x.ndim, slice(1, None))], x[along(axis, x.ndim, slice(-1))])
    return x


@composition(np.ediff1d)
def ediff1d(ary, to_end=None, to_begin=None):
    """The differences of all entries in a row, behind to_begin and before to_end.

    >>> ediff1d([3.0, 1.0, 2.0])
    Tensor([-2.,  1.])
    """
    x = lifted(operand(ary)).reshape(-1)
    parts = [lifted(operand(part)) for part in (to_begin, diff(x), to_end) if part is not None]
    return np.concatenate([part.reshape(-1).astype(x.dtype) for part in parts])


@composition(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers from start to stop at equal distances, along a new axis; the last is stop, if `endpoint`.

    With `retstep` the pair of them and the distance.

    >>> linspace(Tensor(1.0), 2.0, 3)
    Tensor([1. , 1.5, 2. ])
    """
    ends = [x if type(x) in (int, float) else operand(x) for x in (start, stop)]
    kind = np.result_type(1.0, *[getattr(x, "dtype", x) for x in ends])  # Python's numbers have no dtype of their own
    start, stop = np.broadcast_arrays(*[lifted(operand(x)).astype(kind) for x in ends])
    step = (stop - start) / (num - 1 if endpoint and num > 1 else num or 1)
    places = np.arange(num, dtype=step.dtype).reshape(-1, *[1] * step.ndim)
    y = np.moveaxis(start + places * step, 0, axis)
    y = y if dtype is None else y.astype(dtype)
    return (y, step) if retstep else y


@composition(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """The powers of the base whose exponents are those of `linspace`.

    >>> logspace(0.0, 2.0, 3)
    Tensor([  1.,  10., 100.])
    """
    if np.ndim(base):
        start, stop, base = np.broadcast_arrays(start, stop, base)
        base = np.expand_dims(base, axis)
    y = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


@composition(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from start to stop, of one sign, each the same multiple of the one before.

    >>> geomspace(1.0, 4.0, 3)
    Tensor([1., 2., 4.])
    """
    start, stop = np.broadcast_arrays(start, stop)
    y = start * (stop / start) ** linspace(np.zeros(start.shape), 1.0, num, endpoint)
    y = np.moveaxis(y, 0, axis)
    return y if dtype is None else y.astype(dtype)


@composition(np.vander)
def vander(x, N=None, increasing=False):
    """The powers of a vector as columns, N of them, the highest first unless `increasing`.

    >>> vander([2.0, 3.0], 3)
    Tensor([[4., 2., 1.],
            [9., 3., 1.]])
    """
    x = lifted(operand(x))
    x = x.astype(np.promote_types(x.dtype, int))
    powers = range(x.size if N is None else N)
    return np.stack([x**n for n in (powers if increasing else reversed(powers))], 1)


@composition(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """∫ y dx by the trapezoidal rule, along `axis`; the samples stand at x, or at distances dx.

    >>> trapezoid([3.0, 1.0, 2.0])
    Tensor(3.5)
    """
    y = lifted(operand(y))
    axis = normalize_axis_index(axis, y.ndim)
    if x is not None:
        dx = diff(x, axis=axis if np.ndim(x) > 1 else -1)
        dx = dx.reshape((-1,) + (1,) * (y.ndim - 1 - axis)) if np.ndim(x) == 1 else dx
    ahead, back = y[along(axis, y.ndim, slice(1, None))], y[along(axis, y.ndim, slice(-1))]
    return (dx * (ahead + back) / 2).sum(axis)


@composition(np.gradient)
def gradient(f, *varargs, axis=None, edge_order=1):
    """Along each axis, or those of `axis`, the slope of the samples f: a tuple if there are several.

    The samples stand at distance 1, or at the distances that are given, one for all axes or one for each: a number, or
    the vector of the places. Inside it is the slope of the parabola through a sample and its two neighbours; at either
    end that of the line through two samples, or with edge_order=2 of the parabola through three.

    >>> gradient([3.0, 1.0, 2.0])
    Tensor([-2. , -0.5,  1. ])
    """
    x = lifted(operand(f))
    x = x if x.dtype.kind == "f" else x.astype(float)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    places = varargs * len(axes) if len(varargs) == 1 and np.ndim(varargs[0]) == 0 else varargs or (1.0,) * len(axes)
    if len(places) != len(axes):
        raise TypeError(f"gradient: {len(axes)} axes need one distance or {len(axes)}, and {len(varargs)} are given")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is 1 or 2, and not {edge_order!r}")
    pairs = zip(axes, places, strict=True)
    found = [np.swapaxes(slopes(np.swapaxes(x, 0, i), place, edge_order), 0, i) for i, place in pairs]
    return found[0] if len(found) == 1 else tuple(found)


def slopes(y, place, edge_order):
    """`gradient` along the first axis."""
    if len(y) <= edge_order:
        raise ValueError(f"gradient: an axis of length {len(y)} has too few samples; it needs {edge_order + 1}")
    if np.ndim(place) > 1 or (np.ndim(place) == 1 and len(place) != len(y)):
        raise ValueError(f"gradient: {len(y)} samples need so many places, and they have shape {np.shape(place)}")
    h = diff(place) if np.ndim(place) else np.broadcast_to(operand(place), len(y) - 1)
    h = h.astype(y.dtype).reshape((-1,) + (1,) * (y.ndim - 1))
    steep = (y[1:] - y[:-1]) / h
    if np.ndim(place):
        inner = (h[1:] * steep[:-1] + h[:-1] * steep[1:]) / (h[1:] + h[:-1])
    else:  # where the sample between the two takes no part, though it be nan
        inner = (y[2:] - y[:-2]) / (h[1:] + h[:-1])
    ends = steep[:1], steep[-1:]
    if edge_order == 2:  # as far beyond the next slope as that is beyond the one inside
        ends = 2 * steep[:1] - inner[:1], 2 * steep[-1:] - inner[-1:]
    return np.concatenate([ends[0], inner, ends[1]])


@composition(np.unwrap)
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    """p without jumps along `axis`: where a step is larger than discont, multiples of the period make it the least.

    discont is half a period at least, and by default. No derivative passes through the multiples.

    >>> unwrap([0.0, 3.0, 7.0], period=4.0)
    Tensor([ 0., -1., -1.])
    """
    x = lifted(operand(p))
    step = diff(x, axis=axis)
    least = np.remainder(step + period / 2, period) - period / 2
    least = np.where(np.logical_and(least == -period / 2, step > 0), period / 2, least)
    turns = np.where(np.abs(step) < (period / 2 if discont is None else discont), 0, least - step)
    first = along(axis, x.ndim, slice(1))
    return x + np.concatenate([np.zeros_like(x, turns.dtype)[first], np.cumsum(turns, axis)], axis)


@composition(np.polyfit)
def polyfit(x, y, deg, rcond=None, *, w=None):
    """The coefficients, the highest power first, of the polynomial of degree `deg` with the least squares at (x, y).

    Each difference counts times its entry of w. y may have several columns.

    >>> polyfit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).data.round(6)
    array([2., 1.])
    """
    x, y = lifted(operand(x)) + 0.0, lifted(operand(y)) + 0.0
    if x.ndim != 1 or y.ndim not in (1, 2) or len(x) != len(y) or not len(x):
        raise ValueError(f"polyfit: x is a vector, y one or a matrix with as many rows, not {x.shape} and {y.shape}")
    powers = vander(x, deg + 1)
    if w is not None:
        powers, y = powers * np.expand_dims(w, 1), (y.T * w).T
    size = np.sqrt(np.sum(powers * powers, 0))
    rcond = len(x) * float(np.finfo(x.dtype).eps) if rcond is None else rcond
    return ((pinv(powers / size, rcond=rcond) @ y).T / size).T


@composition(np.polyval)
def polyval(p, x):
    """p[0] xⁿ⁻¹ + ... + p[n-1], by Horner's scheme.

    >>> polyval([1.0, 0.0, 2.0], 3.0)
    Tensor(11.)
    """
    p, x = lifted(operand(p)), lifted(operand(x))
    y = np.zeros(x.shape, x.dtype)
    for coefficient in p:
        y = y * x + coefficient
    return y
