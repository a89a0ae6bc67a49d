"""Entries by their positions: x[...], and what is written with it.

The adjoint of reading entries is adding to them: an entry that was read n times collects n cotangents. What is static
in an index (numbers, slices, ..., np.newaxis) is a parameter; arrays of integers and masks are inputs.
"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.engine.state import off_tape
from minigrad.ops.elementwise import where
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import FROM_NUMPY, composition, op
from minigrad.tensor import Tensor

HOLE = np.ndarray  # in the static part of an index: an array stands here


def apart(index):
    """The index as a static part with holes, and the arrays that stand there."""
    static, arrays = [], []
    for item in index if type(index) is tuple else (index,):
        if item is None or item is Ellipsis or isinstance(item, slice | int | np.integer):
            static.append(item)
            continue
        array = np.asarray(item, np.intp) if type(item) is list and not item else operand(item)
        if array.dtype.kind not in "iub":
            raise IndexError(f"an index is made of integers or booleans, and this has dtype {array.dtype}: {item!r}")
        static.append(HOLE)
        arrays.append(array)
    return tuple(static), arrays


def together(static, arrays):
    """The index that `apart` took apart; without a static part, the arrays alone."""
    if static is None:
        return tuple(arrays)
    if not arrays:  # the most common case: x[0], x[1:]
        return static
    left = iter(arrays)
    return tuple([next(left) if item is HOLE else item for item in static])


@op
class getitem:
    """y = x[index]

    The index is NumPy's: numbers, slices, ..., np.newaxis, masks, integer arrays, and mixtures. Arrays and Tensors
    among them are inputs without a derivative.

    Shapes: as NumPy has them for arrays.

    Dtypes: that of x.

    >>> getitem([1.0, 2.0, 3.0], slice(1, None))
    Tensor([2., 3.])
    """
    operator = "__getitem__"
    signature = "(k,k,k),(n)->(n,k,k)"
    domain = {"indices": "k"}
    def forward(x, *indices, index=None):       return x[together(index, indices)]
    def d_x(g, y, x, *indices, index):          return add_at(g, *indices, index=index, shape=x.shape)
    d_indices = None
    def onto(total, g, x, *indices, index):
        if indices or not x.ndim:  # a position may be named twice; and NumPy's numbers are not written into
            return False
        total[index] += g
        return True
    def public(getitem, x, *index):
        static, arrays = apart(index[0] if len(index) == 1 else index)
        return getitem(x, *arrays, index=static)


@op
class add_at:
    """y = 0, then y[index] += x, once for each time that a position is named

    The adjoint of x[index].
    """
    helper = True
    signature = "(n,k,k),(n)->(k,k,k)"
    def forward(x, *indices, index, shape):
        y = np.zeros(shape, np.float32 if x.dtype.char == "e" else x.dtype)  # a sum of thousands is none in half
        where = together(index, indices)
        if all(i.dtype.kind == "b" for i in indices):  # no position is named twice
            y[where] = x
        elif len(indices) == len(shape):
            np.add.at(y, where, x)
        else:  # add.at is slow where it has to move rows; entry by entry it is fast
            positions = np.arange(y.size, like=y).reshape(shape)[where]
            np.add.at(y.reshape(-1), positions.reshape(-1), x.reshape(-1))
        return y.astype(x.dtype, copy=False)
    def d_x(g, y, x, *indices, index, shape):   return g[together(index, indices)]
    d_indices = None


def positions(name, obj):
    """Static positions as NumPy takes them. Those in a Tensor leave the tape: how long a result is depends on them."""
    return off_tape(obj, f"{name} at positions in a tensor") if type(obj) is Tensor else obj


@composition(np.bincount)
def bincount(x, weights=None, minlength=0):
    """For each whole number, from 0 on, the sum of the weights of the entries of x that are it, or their number.

    >>> bincount([0, 1, 1], [1.0, 2.0, 3.0])
    Tensor([1., 5.])
    """
    numbers = np.asarray(positions("bincount", x))
    counts = np.bincount(numbers, minlength=minlength)
    if weights is None:
        return lifted(counts)
    weights = lifted(operand(weights)).astype(float)
    if weights.shape != numbers.shape:
        raise ValueError(f"bincount: {numbers.size} numbers need as many weights, and these have {weights.shape}")
    return add_at(weights, numbers, index=None, shape=counts.shape)


def entries(x):
    """The parts of x along its first axis, one after the other."""
    return map(x.__getitem__, range(len(x)))  # len() raises for a single number, where x[0] would only end the loop


Tensor.__iter__ = entries


@op
class take_along_axis:
    """y[..., j, ...] = x[..., indices[..., j, ...], ...] along `axis`, where all other positions are the same

    >>> take_along_axis([[1.0, 5.0], [4.0, 2.0]], [[1], [0]], 1)
    Tensor([[5.],
            [4.]])
    """
    signature = "(m,k),(m,n)->(m,n)"
    domain = {"indices": "k"}
    params = [{}, {"axis": 1}]
    d_indices = None
    def compose(x, indices, *, axis=-1):
        if axis is None:
            x, axis = x.reshape(-1), 0
        if np.ndim(indices) != x.ndim:
            raise ValueError(
                f"take_along_axis: indices of shape {np.shape(indices)} need as many axes as x, of shape {x.shape}"
            )
        grid = list(np.ogrid[tuple(slice(n) for n in x.shape)])
        grid[normalize_axis_index(axis, x.ndim)] = indices
        return x[tuple(grid)]


@op
class tril:
    """y = x below and on its k-th diagonal, 0 above; for each matrix

    >>> tril([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 0.],
            [3., 4.]])
    """
    params = [{}, {"k": 1}, {"k": -1}]
    signature = "(m,n)->(m,n)"
    batched = True
    def forward(x, *, k=0):             return np.tril(x, k)
    def d_x(g, y, x, *, k):             return np.tril(g, k)


@op
class triu:
    """y = x above and on its k-th diagonal, 0 below; for each matrix

    >>> triu([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [0., 4.]])
    """
    params = [{}, {"k": 1}, {"k": -1}]
    signature = "(m,n)->(m,n)"
    batched = True
    def forward(x, *, k=0):             return np.triu(x, k)
    def d_x(g, y, x, *, k):             return np.triu(g, k)


@composition(np.diagonal, method=True)
def diagonal(a, offset=0, axis1=0, axis2=1):
    """The entries whose index along axis2 is that along axis1 plus `offset`, as the last axis.

    >>> diagonal([[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 4.])
    """
    x = np.moveaxis(lifted(operand(a)), (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    start = np.maximum(0, -offset)
    i = np.arange(start, max(start, min(rows, columns - offset)))
    return x[..., i, i + offset]


@composition(np.trace, method=True)
def trace(a, offset=0, axis1=0, axis2=1):
    """The sum of a diagonal.

    >>> trace([[1.0, 2.0], [3.0, 4.0]])
    Tensor(5.)
    """
    return diagonal(a, offset, axis1, axis2).sum(-1)


@composition(np.diag)
def diag(v, k=0):
    """The k-th diagonal of a matrix, or the matrix with this vector as its k-th diagonal.

    >>> diag([1.0, 2.0])
    Tensor([[1., 0.],
            [0., 2.]])
    """
    x = lifted(operand(v))
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: v has shape {x.shape}, and needs one axis or two")
    padded = np.pad(x, (max(-k, 0), max(k, 0)))  # row i of a matrix of size + |k| rows has the entry i of this
    return where(np.eye(padded.size, k=k, dtype=bool), padded.reshape(-1, 1), np.zeros((), x.dtype))


@composition(np.diagflat)
def diagflat(v, k=0):
    """The matrix with all entries of v, in a row, as its k-th diagonal.

    >>> diagflat([[1.0], [2.0]])
    Tensor([[1., 0.],
            [0., 2.]])
    """
    return diag(lifted(operand(v)).reshape(-1), k)


# NumPy's namesakes of these take the last two axes.
FROM_NUMPY[np.linalg.diagonal] = lambda x, *, offset=0: diagonal(x, offset, -2, -1)
FROM_NUMPY[np.linalg.trace] = lambda x, *, offset=0: trace(x, offset, -2, -1)
