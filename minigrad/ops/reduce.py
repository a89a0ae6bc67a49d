"""Over axes. `axis` is None (all), an int or a tuple; `keepdims` keeps the reduced axes with length 1."""

import numpy as np

from minigrad.ops.registry import op

AXES = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]


def spread(g, x, axis, keepdims):
    """A reduction's cotangent, copied to every entry that was reduced."""
    return np.broadcast_to(g if keepdims or axis is None or x.ndim == 0 else np.expand_dims(g, axis), x.shape)


@op
class sum:
    "y = Σ x"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.sum(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return spread(g, x, axis, keepdims)


@op
class mean:
    "y = Σ x / n"
    params = AXES
    def forward(x, *, axis=None, keepdims=False):       return x.mean(axis, keepdims=keepdims)
    def d_x(g, y, x, *, axis, keepdims):                return spread(g * (y.size / x.size), x, axis, keepdims)
