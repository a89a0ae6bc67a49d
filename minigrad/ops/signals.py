"""Sampled functions: between samples, and along them."""

import numpy as np

from minigrad.ops.index import positions
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op


@op
class convolve:
    """y[k] = Σ a[i] v[k - i]

    a and v are vectors. In the mode "full" y has an entry for each k to which there are terms, in "valid" for each k to
    which there are min(n, m) of them, and in "same" as many as the longer one, those in the middle.
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
    """y[k] = Σ a[i + k] v[i] of two vectors, for the k that `convolve` has in this mode."""
    a, v = np.atleast_1d(lifted(operand(a))), np.atleast_1d(lifted(operand(v)))
    return convolve(a, v[::-1], mode) if a.size >= v.size else correlate(v, a, mode)[::-1]


@op
class searchsorted:
    "y = for each entry of v, before how many entries of the ascending vector a it belongs, without a derivative"
    params = [{}, {"side": "right"}]
    signature = "(n),(k)->(k)"
    d_a = d_v = None
    def forward(a, v, *, side="left"):      return np.searchsorted(a, v, side)


@composition(np.interp)
def interp(x, xp, fp, left=None, right=None, *, period=None):
    """The polygon through the points (xp, fp), at x; beyond its ends left and right, the end points by default.

    xp ascends, unless there is a period. At a point the derivative is that of the segment behind it, at the last that
    of the segment before it.
    """
    x, xp, fp = map(operand, (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(f"interp: xp and fp are vectors of one length, and have shapes {xp.shape} and {fp.shape}")
    if period is not None:
        if not period:
            raise ValueError("interp: the period must not be 0")
        left = right = None
        x, xp, period = np.remainder(x, abs(period)), np.remainder(xp, abs(period)), abs(period)
        order = np.argsort(positions("interp", xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    x, xp, fp = map(lifted, (x, xp, fp))
    last = xp.size - 1
    i = np.clip(searchsorted(xp, x, side="right"), min(1, last), last)
    start, end = xp[i - 1], xp[i]
    width = np.where(end == start, 1, end - start)
    y = fp[i - 1] + (fp[i] - fp[i - 1]) / width * (x - start)
    y = np.where(x < xp[0], fp[0] if left is None else left, y)
    return np.where(x > xp[-1], fp[-1] if right is None else right, y)


@composition(np.polyval)
def polyval(p, x):
    """p[0] xⁿ⁻¹ + ... + p[n-1], by Horner's scheme."""
    p, x = lifted(operand(p)), lifted(operand(x))
    y = np.zeros(x.shape, x.dtype)
    for coefficient in p:
        y = y * x + coefficient
    return y
