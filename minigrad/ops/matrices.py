"""Inverses, determinants, powers and norms of matrices."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.ops.decompositions import of_floats, svdvals
from minigrad.ops.elementwise import over
from minigrad.ops.operation import lifted, operand
from minigrad.ops.reduce import AXES, kept
from minigrad.ops.registry import composition, op

SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


def dominant(x):
    """A matrix of full rank: entries of x up to 3 do not outweigh the diagonal. Where the tests take theirs from."""
    return x + 10 * np.eye(*x.shape[-2:], dtype=x.dtype)


@op
class inv:
    """y = x⁻¹, for each matrix

    >>> inv([[2.0, 0.0], [0.0, 4.0]])
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    wide = "e"
    numpy = [np.linalg.inv]
    signature = "(n,n)->(n,n)"
    batched = True
    domain = {"x": dominant}
    def forward(x):         return np.linalg.inv(x)
    def d_x(g, y, x):       return -(y.mT @ g @ y.mT)


@op
class solve:
    """y = a⁻¹ b, for each matrix; b has columns, and is a vector where it has one axis

    >>> solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
    Tensor([1. , 0.5])
    """
    wide = "e"
    numpy = [np.linalg.solve]
    signature = "(n,n),(n,m)->(n,m)"
    batched = True
    domain = {"a": dominant}
    def forward(a, b):      return np.linalg.solve(a, b)
    def d_a(g, y, a, b):    return -(np.linalg.solve(a.mT, g) @ y.mT)
    def d_b(g, y, a, b):    return np.linalg.solve(a.mT, g)

    def public(solve, a, b):
        b = operand(b)
        return solve(a, b) if b.ndim != 1 else solve(a, b.reshape(-1, 1))[..., 0]


@op
class det:
    """y = det x, for each matrix; the rule needs x⁻¹, and raises where there is none

    >>> det([[2.0, 0.0], [0.0, 4.0]])
    Tensor(8.)
    """
    wide = "e"
    numpy = [np.linalg.det]
    signature = "(n,n)->()"
    batched = True
    domain = {"x": dominant}
    def forward(x):         return np.linalg.det(x)
    def d_x(g, y, x):       return np.expand_dims(g * y, (-2, -1)) * np.linalg.inv(x).mT


@op
class det_sign:
    "y = the sign of det x, which has no derivative"
    helper = True
    wide = "e"
    signature = "(n,n)->()"
    batched = True
    domain = {"x": dominant}
    def forward(x):         return np.linalg.slogdet(x)[0]
    d_x = None


@op
class logabsdet:
    "y = ln |det x|; the rule needs x⁻¹, and raises where there is none"
    helper = True
    wide = "e"
    signature = "(n,n)->()"
    batched = True
    domain = {"x": dominant}
    def forward(x):         return np.linalg.slogdet(x)[1]
    def d_x(g, y, x):       return np.expand_dims(g, (-2, -1)) * np.linalg.inv(x).mT


@composition(np.linalg.slogdet)
def slogdet(a):
    """The pair (sign, logabsdet) with det a = sign · exp(logabsdet); the sign has no derivative.

    >>> [x.item() for x in slogdet([[1.0, 0.0], [0.0, 1.0]])]
    [1.0, 0.0]
    """
    x = of_floats("slogdet", a)
    return SlogdetResult(det_sign(x), logabsdet(x))


@op
class pinv:
    """y = x⁺, the pseudoinverse (Moore and Penrose) of each matrix

    Singular values up to `rcond` times the largest count as 0, by default 1e-15. The derivative (Golub and Pereyra,
    SIAM J. Numer. Anal. 10, 1973) is for changes that keep the rank; there is no other.

    >>> pinv([[2.0, 0.0], [0.0, 4.0]]).data.round(6).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    wide = "e"
    numpy = [np.linalg.pinv]
    signature = "(m,n)->(n,m)"
    batched = True
    domain = {"x": dominant}
    params = [{}, {"rcond": 1e-3}]
    def forward(x, *, rcond=None):
        return np.linalg.pinv(x, rcond)
    def d_x(g, y, x, *, rcond):
        left, right = g.mT @ y @ y.mT, y.mT @ y @ g.mT
        return left - x @ (y @ left) + right - (right @ y) @ x - y.mT @ g @ y.mT


@composition(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    """The x of least length with the least |a x - b|², the sums of these squares, and a's rank and singular values.

    As in NumPy the sums are empty where a has not more rows than columns, or not the full rank. Rank and singular
    values are plain, so that a compiled program cannot contain this: pinv(a) @ b is x.

    >>> lstsq([[1.0], [1.0]], [1.0, 3.0])[0].data.round(6)
    array([2.])
    """
    a, b = of_floats("lstsq", a), of_floats("lstsq", b, 1)
    _, _, rank, values = np.linalg.lstsq(a.data, b.data, rcond)
    eps = np.finfo(a.dtype).eps * max(a.shape) if rcond is None else rcond
    x = pinv(a, rcond=float(eps)) @ b
    rows, columns = a.shape
    whole = rows > columns and rank == columns
    columns_of_b = b.reshape(rows, -1)
    squares = ((a @ x).reshape(rows, -1) - columns_of_b) ** 2
    return x, squares.sum(0) if whole else squares.sum(0)[:0], rank, values


@composition(np.linalg.matrix_power)
def matrix_power(a, n):
    """aⁿ for each square matrix, by repeated squaring; of a⁻¹ where n is negative.

    >>> matrix_power([[1.0, 1.0], [0.0, 1.0]], 3)
    Tensor([[1., 3.],
            [0., 1.]])
    """
    if not isinstance(n, int | np.integer):
        raise TypeError(f"matrix_power: the exponent is a whole number, and this is {n!r}")
    x, power = lifted(operand(a)), abs(n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: a has shape {x.shape}, and needs square matrices")
    x = inv(x) if n < 0 else x
    if power == 0:
        return lifted(np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape).copy())
    result = None
    while power:
        if power % 2:
            result = x if result is None else result @ x
        power //= 2
        x = x @ x if power else x
    return result


# -------------------------------------------------------------------------------------------------------------- norms
@op
class norm:
    """y = √Σ x², the Euclidean length

    That is the 2-norm of vectors (axis is an int) and the Frobenius norm of matrices (axis is a pair); without an axis
    all entries count. `ord` is NumPy's: of vectors any power, ±np.inf and 0; of matrices 1, -1, 2, -2, ±np.inf, "fro"
    and "nuc". At x = 0 the derivative is 0, and there is no second one.

    >>> norm([3.0, 4.0])
    Tensor(5.)
    """
    wide = "ebiu"
    numpy = [np.linalg.norm]
    params = AXES
    def forward(x, *, ord=None, axis=None, keepdims=False):
        return np.sqrt(np.square(x).sum(axis, keepdims=keepdims))
    def d_x(g, y, x, *, ord, axis, keepdims):
        return kept(g, x, axis, keepdims) * over(x, kept(y, x, axis, keepdims))

    def public(norm, x, ord=None, axis=None, keepdims=False):
        if ord is None and not isinstance(axis, tuple | list):
            return norm(x, axis=axis, keepdims=keepdims)
        x = lifted(operand(x))
        x = x if x.dtype.kind == "f" else x.astype(float)
        axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim, "axis")
        if ord in {1: (None, 2), 2: (None, "fro")}.get(len(axes), ()):
            return norm(x, axis=axes, keepdims=keepdims)
        number = isinstance(ord, int | float | np.integer | np.floating)
        if len(axes) == 1 and number:
            y = of_vectors(x, ord, axes[0])
        elif len(axes) == 2 and ord in (1, -1, 2, -2, np.inf, -np.inf, "nuc"):
            y = of_matrices(np.moveaxis(x, axes, (-2, -1)), ord)
        else:
            raise ValueError(
                f"norm: ord={ord!r} over {len(axes)} axes of shape {x.shape} is not supported. Over one axis it is a "
                "number, over two 1, -1, 2, -2, np.inf, -np.inf, 'fro' or 'nuc'; else leave it out, for √Σ x²"
            )
        return np.expand_dims(y, axes) if keepdims else y


def of_vectors(x, ord, axis):
    """Norms along one axis."""
    if ord == 0:
        return (x != 0).sum(axis).astype(x.dtype)
    if abs(ord) == np.inf:
        return np.abs(x).max(axis) if ord > 0 else np.abs(x).min(axis)
    return np.abs(x).sum(axis) if ord == 1 else (np.abs(x) ** ord).sum(axis) ** (1 / ord)


def of_matrices(x, ord):
    """Norms of the last two axes."""
    if ord == "nuc":
        return svdvals(x).sum(-1)
    values = svdvals(x) if abs(ord) == 2 else np.abs(x).sum(-2 if abs(ord) == 1 else -1)
    return values.max(-1) if ord > 0 else values.min(-1)


@composition(np.linalg.cond)
def cond(x, p=None):
    """The norm of each matrix, of order p, times that of its inverse: the condition number.

    By default, and of order 2, it is the largest singular value over the least, of any matrix; of order -2 the least
    over the largest. Another order raises LinAlgError where there is no inverse.

    >>> cond([[2.0, 0.0], [0.0, 4.0]])
    Tensor(2.)
    """
    x = of_floats("cond", x)
    if p in (None, 2, -2):
        values = svdvals(x)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))


@composition(np.linalg.vector_norm)
def vector_norm(x, *, axis=None, keepdims=False, ord=2):
    """The norm of all entries, or along axes, as those of one vector.

    >>> vector_norm([3.0, 4.0])
    Tensor(5.)
    """
    x = lifted(operand(x))
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim, "axis")
    rest = [i for i in range(x.ndim) if i not in axes]
    y = norm(x.transpose(*rest, *axes).reshape((*[x.shape[i] for i in rest], -1)), ord, -1)
    return np.expand_dims(y, axes) if keepdims else y


@composition(np.linalg.matrix_norm)
def matrix_norm(x, *, keepdims=False, ord="fro"):
    """The norm of each matrix.

    >>> matrix_norm([[3.0, 0.0], [0.0, 4.0]])
    Tensor(5.)
    """
    return norm(x, ord, (-2, -1), keepdims)
