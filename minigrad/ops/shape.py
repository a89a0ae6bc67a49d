"""The same entries in another arrangement."""

import numpy as np

from minigrad.ops.registry import op


def sizes_or_tuple(arguments):
    """(2, 3) and ((2, 3),) both mean the tuple (2, 3), as in NumPy's methods."""
    return arguments[0] if len(arguments) == 1 else arguments


@op
class reshape:
    "y = x in another shape; one length may be -1"
    params = [{"shape": -1}]
    def forward(x, *, shape):           return x.reshape(shape)
    def d_x(g, y, x, *, shape):         return g.reshape(x.shape)
    def public(reshape, x, *sizes, **named):
        return reshape(x, shape=sizes_or_tuple(sizes)) if sizes else reshape(x, **named)


@op
class transpose:
    "y = x with its axes in another order; all reversed by default"
    def forward(x, *, axes=None):       return np.transpose(x, axes)
    def d_x(g, y, x, *, axes):          return np.transpose(g, None if axes is None else np.argsort(np.mod(axes, x.ndim)))
    def public(transpose, x, *axes, **named):
        return transpose(x, axes=sizes_or_tuple(axes)) if axes else transpose(x, **named)


@op
class matrix_transpose:
    "y = x with its last two axes exchanged: one transposed matrix for each"
    signature = "(m,n)->(n,m)"
    batched = method = True
    def forward(x):                     return x.mT
    def d_x(g, y, x):                   return g.mT


@op
class expand_dims:
    "y = x with axes of length 1 inserted"
    params = [{"axis": 0}, {"axis": -1}]
    def forward(x, *, axis):            return np.expand_dims(x, axis)
    def d_x(g, y, x, *, axis):          return g.reshape(x.shape)


@op
class broadcast_to:
    "y = x, repeated along the axes that `shape` has more of"
    params = [{"shape": (2, 3)}]
    signature = "(3)->(2,3)"
    def forward(x, *, shape):           return np.broadcast_to(x, shape)
    def d_x(g, y, x, *, shape):         return g
