"""Matrix decompositions.

Each factor is an operation, and computes the whole decomposition for itself: what a rule needs of the others is then an
operation of the input, too, and derivatives of any order follow.
"""

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


def beside(values):
    """1 / (values[j] - values[i]) for i ≠ j, and 0 for i = j."""
    gaps = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    same = np.eye(values.shape[-1], dtype=bool)
    return np.where(same, 0, 1 / np.where(same, 1, gaps))


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
        v = eigenvectors(x, UPLO=UPLO)
        return triangle((v * np.expand_dims(g, -2)) @ v.mT, UPLO)


@op
class eigenvectors:
    "y = V, whose columns are the eigenvectors of a symmetric matrix; at equal eigenvalues the rule has nan or inf"
    helper = True
    signature = "(n,n)->(n,n)"
    batched = True
    domain = {"x": apart}
    def forward(x, *, UPLO="L"):        return np.linalg.eigh(x, UPLO)[1]
    @silently
    def d_x(g, y, x, *, UPLO):
        return triangle(y @ (beside(eigenvalues(x, UPLO=UPLO)) * (y.mT @ g)) @ y.mT, UPLO)


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
    return EighResult(eigenvalues(x, UPLO=UPLO), eigenvectors(x, UPLO=UPLO))


@op
class singular_values:
    "y = σ, descending, with x = U diag(σ) Vᵀ"
    helper = True
    signature = "(m,n)->(k)"
    batched = True
    domain = {"x": ranked}
    def forward(x):         return np.linalg.svd(x, compute_uv=False)
    def d_x(g, y, x):       return (left_vectors(x) * np.expand_dims(g, -2)) @ right_vectors(x)


@op
class left_vectors:
    "y = U of x = U diag(σ) Vᵀ; where two singular values are equal or one is 0 the rule has nan or inf"
    helper = True
    signature = "(m,n)->(m,k)"
    batched = True
    domain = {"x": ranked}
    def forward(x):         return np.linalg.svd(x, full_matrices=False)[0]
    @silently
    def d_x(g, y, x):  # Townsend, Differentiating the singular value decomposition (2016)
        values, v = np.expand_dims(singular_values(x), -2), right_vectors(x)
        c = beside(singular_values(x) ** 2) * (y.mT @ g)
        return (y @ ((c + c.mT) * values) + (g - y @ (y.mT @ g)) / values) @ v


@op
class right_vectors:
    "y = Vᵀ of x = U diag(σ) Vᵀ; where two singular values are equal or one is 0 the rule has nan or inf"
    helper = True
    signature = "(m,n)->(k,n)"
    batched = True
    domain = {"x": ranked}
    def forward(x):         return np.linalg.svd(x, full_matrices=False)[2]
    @silently
    def d_x(g, y, x):
        values, u = np.expand_dims(singular_values(x), -1), left_vectors(x)
        c = beside(singular_values(x) ** 2) * (y @ g.mT)
        return u @ (values * (c + c.mT) @ y + (g - (g @ y.mT) @ y) / values)


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
    return SVDResult(left_vectors(x), singular_values(x), right_vectors(x))


@composition(np.linalg.svdvals)
def svdvals(x):
    """The singular values of each matrix, descending.

    >>> svdvals([[3.0, 0.0], [0.0, 2.0]])
    Tensor([3., 2.])
    """
    return singular_values(of_floats("svdvals", x))


@op
class qr_orthogonal:
    "y = Q of x = Q R, of a matrix with as many rows as columns, or more"
    helper = True
    signature = "(m,n)->(m,n)"
    batched = True
    domain = {"x": tall}
    def forward(x):         return np.linalg.qr(x)[0]
    def d_x(g, y, x):  # Walter and Lehmann, Algorithmic differentiation of linear algebra functions (2010)
        return np.linalg.solve(qr_triangular(x), (g - y @ mirrored(g.mT @ y)).mT).mT


@op
class qr_triangular:
    "y = R of x = Q R, of a matrix with as many rows as columns, or more"
    helper = True
    signature = "(m,n)->(n,n)"
    batched = True
    domain = {"x": tall}
    def forward(x):         return np.linalg.qr(x, "r")
    def d_x(g, y, x):       return np.linalg.solve(y, (qr_orthogonal(x) @ mirrored(y @ g.mT)).mT).mT


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
    q, r = qr_orthogonal(first), qr_triangular(first)
    if columns > rows:
        r = np.concatenate([r, q.mT @ x[..., rows:]], axis=-1)
    return r if mode == "r" else QRResult(q, r)
