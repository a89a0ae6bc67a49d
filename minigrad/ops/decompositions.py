"""Matrix decompositions.

A decomposition is one operation, whose result has all factors of a matrix in one row: LAPACK is called once, the
factors are slices of that row, and the rule gets their cotangents in a row, too, zeros for those that nothing needed.
"""

import math

import numpy as np

from minigrad.ops.elementwise import silently
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import composition, op

EighResult, SVDResult, QRResult = (type(f(np.eye(1))) for f in (np.linalg.eigh, np.linalg.svd, np.linalg.qr))


def of_floats(name, a, axes=2):
    """a as a Tensor of single or double precision, in which NumPy decomposes."""
    x = lifted(operand(a))
    if x.ndim < axes:
        raise np.linalg.LinAlgError(f"{name}: a matrix has two axes, or more of a batch, and this has shape {x.shape}")
    return x if x.dtype.kind == "f" and x.dtype.char != "e" else x.astype(np.float32 if x.dtype.char == "e" else float)


def triangle(s, UPLO="L"):
    """The derivative for one triangle of a symmetric matrix, of which the other is not read, given that for both."""
    return np.tril(s) + np.triu(s, 1).mT if UPLO in "Ll" else np.triu(s) + np.tril(s, -1).mT


def named(name, UPLO):
    """UPLO, if it names a triangle."""
    if UPLO not in ("L", "U", "l", "u"):
        raise ValueError(f"{name}: UPLO is 'L', the lower triangle, or 'U', the upper, and not {UPLO!r}")
    return UPLO


def apart(x):
    """A symmetric matrix with eigenvalues far from each other. Where the tests take theirs from."""
    return (x + x.mT) / 2 + 20 * np.diag(np.arange(1, x.shape[-1] + 1)).astype(x.dtype)


def ranked(x):
    """A matrix with singular values far from each other. Where the tests take theirs from."""
    rows, columns = x.shape[-2:]
    return x + 20 * np.eye(rows, columns, dtype=x.dtype) * np.arange(1, columns + 1, dtype=x.dtype)


def tall(x):
    """`ranked`, of no more columns than rows."""
    return ranked(x[..., : x.shape[-2]])


def mirrored(x):
    """The symmetric matrix with the lower triangle of x."""
    return np.tril(x) + np.tril(x, -1).mT


def in_a_row(*factors):
    """Matrices, one for each of a batch, as rows of all their entries."""
    rows = [x.copy() for x in factors]  # in C's order: LAPACK has that of columns, which numba does not reshape
    return np.concatenate([x.reshape(*x.shape[:-2], math.prod(x.shape[-2:])) for x in rows], -1)


def from_a_row(row, i, *shapes):
    """Of the matrices of these shapes that `in_a_row` joined the i-th, or its cotangent."""
    start = sum(map(math.prod, shapes[:i]))
    return row[..., start : start + math.prod(shapes[i])].reshape(*row.shape[:-1], *shapes[i])


def over_if_sent(g, x, by):
    """x / by; where by is 0, and g, the cotangent of the whole factor, too: 0, as nothing depends on that factor."""
    nothing = (by == 0) & (np.abs(g).sum((-2, -1), keepdims=True) == 0)
    return np.where(nothing, 0, x / np.where(nothing, 1, by))


def over_gaps(g, x, values):
    """x[i, j] / (values[j] - values[i]), and 0 for i = j."""
    gaps = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    same = np.eye(values.shape[-1], dtype=bool)
    return np.where(same, 0, over_if_sent(g, x, np.where(same, 1, gaps)))


@op
class cholesky_factor:
    "y = L, lower triangular, with L Lᵀ = x, which is symmetric and positive definite"
    helper = True
    signature = "(n,n)->(n,n)"
    batched = True
    domain = {"x": apart}
    def forward(x):         return np.linalg.cholesky(x)
    def d_x(g, y, x):  # S. F. Walter, thesis (2011), and Murray, arXiv:1602.07527
        p = y.mT @ g
        s = np.linalg.solve(y.mT, (np.tril(p) + np.tril(p, -1)) / 2)
        return triangle(np.linalg.solve(y.mT, s.mT))


@composition(np.linalg.cholesky)
def cholesky(a, *, upper=False):
    """L with L Lᵀ = a, or with `upper` U with Uᵀ U = a, for each matrix.

    Only the lower triangle of a is read, or the upper, and so only that has a derivative, which there counts for both.

    Source: Murray, Differentiation of the Cholesky decomposition, arXiv 1602.07527.

    >>> cholesky([[4.0, 0.0], [0.0, 9.0]])
    Tensor([[2., 0.],
            [0., 3.]])
    """
    x = of_floats("cholesky", a)
    return cholesky_factor(x.mT).mT if upper else cholesky_factor(x)


@op
class eigenvalues:
    "y = λ, ascending, with x v = λ v, of a symmetric matrix"
    helper = True
    signature = "(n,n)->(n)"
    batched = True
    domain = {"x": apart}
    def forward(x, *, UPLO="L"):        return np.linalg.eigvalsh(x, UPLO)
    def d_x(g, y, x, *, UPLO):
        v = eigen_factor(eigensystem(x, UPLO=UPLO), 1, x)
        return triangle((v * np.expand_dims(g, -2)) @ v.mT, UPLO)


@op
class eigensystem:
    "y = λ, ascending, then V by rows, with x V = V diag(λ), of a symmetric matrix"
    helper = True
    signature = "(n,n)->(m)"
    batched = True
    domain = {"x": apart}
    def forward(x, *, UPLO="L"):
        values, v = np.linalg.eigh(x, UPLO)
        return in_a_row(np.expand_dims(values, -2), v)
    @silently
    def d_x(g, y, x, *, UPLO):  # Giles (2008)
        (values, v), (g_values, g_v) = ([eigen_factor(row, i, x) for i in range(2)] for row in (y, g))
        return triangle((v * np.expand_dims(g_values, -2) + v @ over_gaps(g_v, v.mT @ g_v, values)) @ v.mT, UPLO)


def eigen_factor(row, i, x):
    """λ or V, from the row that `eigensystem` makes of x."""
    return from_a_row(row, i, x.shape[-1:], x.shape[-2:])


@composition(np.linalg.eigvalsh)
def eigvalsh(a, UPLO="L"):
    """The eigenvalues of a symmetric matrix, ascending. Equal ones have the derivatives that their sums determine.

    Only the triangle that UPLO names is read, and has a derivative, which there counts for both.

    >>> eigvalsh([[1.0, 0.0], [0.0, 2.0]])
    Tensor([1., 2.])
    """
    return eigenvalues(of_floats("eigvalsh", a), UPLO=named("eigvalsh", UPLO))


@composition(np.linalg.eigh)
def eigh(a, UPLO="L"):
    """The pair (eigenvalues, eigenvectors) of a symmetric matrix: ascending, and the columns of a matrix.

    Only the triangle that UPLO names is read, and has a derivative, which there counts for both. The sign of each
    eigenvector is LAPACK's choice. Where two eigenvalues are equal their eigenvectors have no derivative: it is nan or
    infinite.

    Source: Giles, An extended collection of matrix derivative results, 2008.

    >>> eigh([[1.0, 0.0], [0.0, 2.0]])[0]
    Tensor([1., 2.])
    """
    x, UPLO = of_floats("eigh", a), named("eigh", UPLO)
    row = eigensystem(x, UPLO=UPLO)
    return EighResult(eigen_factor(row, 0, x), eigen_factor(row, 1, x))


@op
class singular_values:
    "y = σ, descending, with x = U diag(σ) Vᵀ"
    helper = True
    signature = "(m,n)->(k)"
    batched = True
    domain = {"x": ranked}
    def forward(x):         return np.linalg.svd(x, compute_uv=False)
    def d_x(g, y, x):
        row = singular_system(x)
        return (singular_factor(row, 0, x) * np.expand_dims(g, -2)) @ singular_factor(row, 2, x)


@op
class singular_system:
    "y = U by rows, then σ, descending, then Vᵀ by rows, with x = U diag(σ) Vᵀ"
    helper = True
    signature = "(m,n)->(k)"
    batched = True
    domain = {"x": ranked}
    def forward(x):
        u, values, vh = np.linalg.svd(x, full_matrices=False)
        return in_a_row(u, np.expand_dims(values, -2), vh)
    @silently
    def d_x(g, y, x):  # Townsend, Differentiating the singular value decomposition (2016)
        (u, values, vh), (g_u, g_values, g_vh) = ([singular_factor(row, i, x) for i in range(3)] for row in (y, g))
        left, right = over_gaps(g_u, u.mT @ g_u, values**2), over_gaps(g_vh, vh @ g_vh.mT, values**2)
        row, column = np.expand_dims(values, -2), np.expand_dims(values, -1)
        within = u * np.expand_dims(g_values, -2) + u @ ((left + left.mT) * row + column * (right + right.mT))
        beyond = over_if_sent(g_u, g_u - u @ (u.mT @ g_u), row) @ vh
        return within @ vh + beyond + u @ over_if_sent(g_vh, g_vh - (g_vh @ vh.mT) @ vh, column)


def singular_factor(row, i, x):
    """U, σ or Vᵀ, from the row that `singular_system` makes of x."""
    rows, columns = x.shape[-2:]
    k = min(rows, columns)
    return from_a_row(row, i, (rows, k), (k,), (k, columns))


@composition(np.linalg.svd)
def svd(a, full_matrices=True, compute_uv=True):
    """The triple (U, S, Vh) with a = U diag(S) Vh, S descending; with compute_uv=False S alone.

    The sign of each pair of vectors is LAPACK's choice. Where two singular values are equal, or one is 0, the vectors
    have no derivative: it is nan or infinite.

    Source: Giles, An extended collection of matrix derivative results, 2008.

    Raises:
        ValueError: full_matrices, which is NumPy's default, of a matrix that is not square: the vectors that are added
            to complete U or Vh depend on nothing in a, and have no derivative.

    >>> svd([[3.0, 0.0], [0.0, 2.0]])[1]
    Tensor([3., 2.])
    """
    x = of_floats("svd", a)
    if not compute_uv:
        return singular_values(x)
    if full_matrices and x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"svd: a has shape {x.shape}, and a does not determine all columns of square U and V; full_matrices=False "
            "has those that it determines"
        )
    row = singular_system(x)
    return SVDResult(*[singular_factor(row, i, x) for i in range(3)])


@composition(np.linalg.svdvals)
def svdvals(x):
    """The singular values of each matrix, descending.

    >>> svdvals([[3.0, 0.0], [0.0, 2.0]])
    Tensor([3., 2.])
    """
    return singular_values(of_floats("svdvals", x))


@op
class qr_system:
    "y = Q by rows, then R by rows, with x = Q R, of a matrix with as many rows as columns, or more"
    helper = True
    signature = "(m,n)->(k)"
    batched = True
    domain = {"x": tall}
    def forward(x):         return in_a_row(*np.linalg.qr(x))
    def d_x(g, y, x):  # Walter and Lehmann, Algorithmic differentiation of linear algebra functions (2010)
        (q, r), (g_q, g_r) = ([qr_factor(row, i, x) for i in range(2)] for row in (y, g))
        return np.linalg.solve(r, (g_q + q @ mirrored(r @ g_r.mT - g_q.mT @ q)).mT).mT


def qr_factor(row, i, x):
    """Q or R, from the row that `qr_system` makes of x."""
    return from_a_row(row, i, x.shape[-2:], (x.shape[-1],) * 2)


@composition(np.linalg.qr)
def qr(a, mode="reduced"):
    """The pair (Q, R) with a = Q R, orthonormal columns and an upper triangle; with mode="r" R alone.

    Where columns depend on those before them the rule finds R singular, and raises.

    Source: Walter and Lehmann, Algorithmic differentiation of linear algebra functions, arXiv 1001.1654.

    Raises:
        ValueError: another mode; "complete" of a matrix with more rows than columns, since a does not determine the
            columns that complete Q.

    >>> [x.shape for x in qr(np.ones((3, 2)))]
    [(3, 2), (2, 2)]
    """
    x = of_floats("qr", a)
    rows, columns = x.shape[-2:]
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and rows > columns):
        raise ValueError(
            f"qr: mode={mode!r} of shape {x.shape} is not supported: 'reduced' and 'r' are, and 'complete' where there "
            "are not more rows than columns"
        )
    first = x[..., :rows]
    row = qr_system(first)
    q, r = qr_factor(row, 0, first), qr_factor(row, 1, first)
    if columns > rows:
        r = np.concatenate([r, q.mT @ x[..., rows:]], axis=-1)
    return r if mode == "r" else QRResult(q, r)
