"""Reductions of what is not nan: an entry that is missing takes no part, and gets no derivative."""

import numpy as np

from minigrad.ops.operation import lifted, operand
from minigrad.ops.reduce import AXES, begun, shared
from minigrad.ops.registry import composition, op


def known(x, where):
    """Which entries of x take part, and are there."""
    return np.logical_and(operand(where), np.logical_not(np.isnan(operand(x))))


@composition(np.nansum)
def nansum(a, axis=None, dtype=None, *, keepdims=False, initial=None, where=True):
    """The sum of what is not nan; 0 of nothing.

    >>> nansum(Tensor([1.0, np.nan, 2.0]))
    Tensor(3.)
    """
    return np.sum(lifted(operand(a)), axis, dtype, keepdims=keepdims, initial=initial, where=known(a, where))


@composition(np.nanprod)
def nanprod(a, axis=None, dtype=None, *, keepdims=False, initial=None, where=True):
    """The product of what is not nan; 1 of nothing.

    >>> nanprod(Tensor([3.0, np.nan, 2.0]))
    Tensor(6.)
    """
    return np.prod(lifted(operand(a)), axis, dtype, keepdims=keepdims, initial=initial, where=known(a, where))


@composition(np.nanmean)
def nanmean(a, axis=None, dtype=None, *, keepdims=False, where=True):
    """The mean of what is not nan; nan of nothing.

    >>> nanmean(Tensor([1.0, np.nan, 2.0]))
    Tensor(1.5)
    """
    return np.mean(lifted(operand(a)), axis, dtype, keepdims=keepdims, where=known(a, where))


@composition(np.nanvar)
def nanvar(a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, mean=None, correction=None):
    """The variance of what is not nan.

    >>> nanvar(Tensor([1.0, np.nan, 2.0]))
    Tensor(0.25)
    """
    ddof = ddof if correction is None else correction
    return np.var(lifted(operand(a)), axis, dtype, ddof=ddof, keepdims=keepdims, where=known(a, where), mean=mean)


@composition(np.nanstd)
def nanstd(a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, mean=None, correction=None):
    """The standard deviation of what is not nan.

    >>> nanstd(Tensor([1.0, np.nan, 2.0]))
    Tensor(0.5)
    """
    ddof = ddof if correction is None else correction
    return np.std(lifted(operand(a)), axis, dtype, ddof=ddof, keepdims=keepdims, where=known(a, where), mean=mean)


@composition(np.nancumsum)
def nancumsum(a, axis=None, dtype=None):
    """The sums of what is not nan, up to each entry.

    >>> nancumsum(Tensor([1.0, np.nan, 2.0]))
    Tensor([1., 1., 3.])
    """
    return np.cumsum(np.where(known(a, True), a, 0), axis, dtype)


@composition(np.nancumprod)
def nancumprod(a, axis=None, dtype=None):
    """The products of what is not nan, up to each entry.

    >>> nancumprod(Tensor([3.0, np.nan, 2.0]))
    Tensor([3., 3., 6.])
    """
    return np.cumprod(np.where(known(a, True), a, 1), axis, dtype)


@op
class nanmax:
    """y = max x of what is not nan; of nothing nan

    >>> nanmax([1.0, np.nan, 2.0])
    Tensor(2.)
    """
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return np.nanmax(x, axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return shared(g, y, x, axis, keepdims)
    def in_full(nanmax, x, axis=None, *, keepdims=False, initial=None, where=True):
        return begun(nanmax, np.fmax, -np.inf, x, axis, keepdims, initial, where)


@op
class nanmin:
    """y = min x of what is not nan; of nothing nan

    >>> nanmin([1.0, np.nan, 2.0])
    Tensor(1.)
    """
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return np.nanmin(x, axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return shared(g, y, x, axis, keepdims)
    def in_full(nanmin, x, axis=None, *, keepdims=False, initial=None, where=True):
        return begun(nanmin, np.fmin, np.inf, x, axis, keepdims, initial, where)
