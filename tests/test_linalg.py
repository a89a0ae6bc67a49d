"""Decompositions and what is computed with them: on Tensors NumPy's functions answer as on arrays.

The sign of an eigenvector, of a pair of singular vectors and of a row of R is the library's choice. So what torch
judges here is computed from them in a way in which their signs do not count.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_shapes import flat, several

import minigrad
from minigrad import Tensor, gradcheck, gradients, hessian, jacobian
from minigrad.ops.registry import COMPOSITIONS
from minigrad.program.symbol import TraceError

rng = np.random.default_rng(3)
SQUARE, WIDE, TALL, BATCH, V = (3, 3), (2, 4), (4, 2), (2, 3, 3), (3,)
LA = np.linalg


def spd(x):
    """A symmetric matrix with eigenvalues above 1 that lie apart; by functions that arrays and Tensors have."""
    return x @ x.mT / 4 + np.diag(np.arange(1.0, x.shape[-1] + 1) ** 2).astype(x.dtype)


def far(x):
    """A matrix with singular values that lie apart."""
    rows, columns = x.shape[-2:]
    return x + np.eye(rows, columns, dtype=x.dtype) * 4 * np.arange(1, columns + 1, dtype=x.dtype)


CALLS = [
    # (function, how it is called, the shapes of its tensors)
    ("cholesky", lambda x: LA.cholesky(spd(x)), [BATCH]),
    ("cholesky", lambda x: LA.cholesky(spd(x), upper=True), [SQUARE]),
    ("cond", lambda x: LA.cond(far(x)), [TALL]),
    ("cond", lambda x: LA.cond(far(x), -2) + LA.cond(far(x), 1), [BATCH]),
    ("eigh", lambda x: LA.eigh(spd(x)), [SQUARE]),
    ("eigh", lambda x: LA.eigh(far(x), "U"), [BATCH]),
    ("eigvalsh", lambda x: LA.eigvalsh(far(x)), [BATCH]),
    ("eigvalsh", lambda x: LA.eigvalsh(far(x), UPLO="U"), [SQUARE]),
    ("lstsq", lambda x, y: LA.lstsq(far(x), y)[:2], [TALL, (4,)]),
    ("lstsq", lambda x, y: LA.lstsq(far(x), y, rcond=1e-9)[:2], [TALL, (4, 3)]),
    ("lstsq", lambda x, y: LA.lstsq(far(x), y)[0], [WIDE, (2,)]),
    ("matrix_power", lambda x: LA.matrix_power(far(x), -2), [BATCH]),
    ("qr", lambda x: LA.qr(far(x)), [TALL]),
    ("qr", lambda x: LA.qr(far(x)), [WIDE]),
    ("qr", lambda x: LA.qr(far(x), "complete"), [BATCH]),
    ("qr", lambda x: LA.qr(far(x), mode="r"), [WIDE]),
    ("slogdet", lambda x: LA.slogdet(x), [BATCH]),
    ("svd", lambda x: LA.svd(far(x), full_matrices=False), [WIDE]),
    ("svd", lambda x: LA.svd(far(x), False), [TALL]),
    ("svd", lambda x: LA.svd(far(x)), [BATCH]),
    ("svd", lambda x: LA.svd(far(x), compute_uv=False), [WIDE]),
    ("svdvals", lambda x: LA.svdvals(far(x)), [BATCH]),
    ("det", lambda x: LA.det(x), [BATCH]),
    ("inv", lambda x: LA.inv(x), [BATCH]),
    ("pinv", lambda x: LA.pinv(far(x)), [WIDE]),
    ("solve", lambda x, y: LA.solve(far(x), y), [SQUARE, V]),
    ("solve", lambda x, y: LA.solve(far(x), y), [BATCH, (3, 2)]),
]
each_call = pytest.mark.parametrize(
    ("function", "shapes"), [pytest.param(f, s, id=f"{name}-{i}") for i, (name, f, s) in enumerate(CALLS)]
)


def numbers(shapes, dtype=np.float64, seed=0):
    return [np.random.default_rng((seed, *s)).normal(size=s).round(2).astype(dtype) for s in shapes]


def test_norms_of_nothing():
    for ord, slope in (1, 0.0), (2, 0.0), (3, np.nan), (0.5, np.nan):
        x = Tensor(np.zeros(2), requires_grad=True)
        np.testing.assert_array_equal(gradients(LA.norm(x, ord), x)[0].data, [slope, slope])


def test_the_condition_of_a_singular_matrix():
    x = Tensor(np.diag([2.0, 0.0]), requires_grad=True)
    with np.errstate(all="ignore"):
        y = LA.cond(x)
        assert np.isposinf(y.data)
        assert not np.isfinite(gradients(y, x)[0].data).all()
    with pytest.raises(LA.LinAlgError, match="Singular"):
        LA.cond(x, 1)


def test_all_are_called_here():
    names = {name for name, *_ in CALLS}
    here = {name for name, f in COMPOSITIONS.items() if f.__module__.endswith((".decompositions", ".matrices"))}
    assert here - names == {"matrix_norm", "vector_norm"}  # with the other norms, in test_ops_numerics.py


@each_call
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_numpys(function, shapes, dtype):
    arrays = numbers(shapes, dtype)
    got, want = function(*map(Tensor, arrays)), function(*arrays)
    assert isinstance(got, tuple) == isinstance(want, tuple)
    if hasattr(want, "_fields"):
        assert type(got) is type(want)
    for y, t in zip(several(got), several(want), strict=True):
        assert type(y) is Tensor
        np.testing.assert_allclose(
            y.data, t, rtol=1e3 * np.finfo(dtype).eps, atol=1e2 * np.finfo(dtype).eps, strict=True
        )


@pytest.mark.parametrize(
    "function", [LA.inv, LA.det, LA.svdvals, LA.cholesky, LA.eigvalsh, LA.pinv, lambda x: LA.qr(x).R, LA.norm]
)
def test_half_precision_is_decomposed_in_single(function):
    """NumPy refuses it; what a user of half precision wants is the result of more digits."""
    x = spd(numbers([SQUARE])[0]).astype(np.float16)
    half = Tensor(x, requires_grad=True)
    y, want = function(half), function(x.astype(np.float32))
    np.testing.assert_allclose(y.data, want, rtol=1e-3, atol=1e-3)
    y.sum().backward()
    assert half.grad.dtype == np.float16


@each_call
def test_derivatives_are_those_of_differences(function, shapes):
    """To second order: what is checked is the gradient of the sum of cubes."""
    one = flat(function)
    xs = [Tensor(a, requires_grad=True) for a in numbers(shapes)]
    gradcheck(one, xs)

    def slopes(*xs):
        found = gradients((one(*xs) ** 3).sum(), xs, create_graph=True)
        return minigrad.concatenate([g.reshape(-1) for g in found])

    gradcheck(slopes, xs)


@pytest.mark.parametrize(("name", "function", "shapes"), CALLS)
def test_a_program_is_good_for_other_numbers(name, function, shapes):
    compiled = minigrad.compile(flat(function))
    other = numbers(shapes, seed=1)
    if name == "lstsq":  # whose rank is a number
        with pytest.raises(TraceError, match="would be a constant of the program"):
            compiled(*other)
        return
    compiled(*numbers(shapes))
    want = [np.ravel(y) for y in several(function(*other))]
    np.testing.assert_allclose(compiled(*other), np.concatenate(want), rtol=1e-12, atol=1e-13)


# ------------------------------------------------------------------------------------------------------ beside torch
def rebuilt(lib):
    """Functions of a matrix in which no sign counts, with one library's functions."""
    la = lib.linalg
    q = {"dim": (-2, -1)} if lib is torch else {"axis": (-2, -1)}

    def total(x):
        return x.sum(**q)

    def log_of(x):
        w, v = la.eigh(x @ x.mT + 1)
        return v * lib.log(abs(w) + 1)[..., None, :] @ v.mT

    def polar(x):
        u, _, v = la.svd(x, full_matrices=False)
        return u @ v

    def projected(x):
        r = la.qr(x)[1]
        return r.mT @ (r * r.mT @ r)

    def gaussian(x):
        k = x @ x.mT + 2 * (x * 0 + 1) @ (x * 0 + 1).mT
        k = k + 5 * total(x * x)[..., None, None] * lib.ones(1) * la.inv(k * 0 + lib.eye(k.shape[-1], dtype=x.dtype))
        factor = la.cholesky(k)
        return la.solve(factor, x) * la.slogdet(k)[1][..., None, None] + la.det(k)[..., None, None]

    return {"log_of": log_of, "polar": polar, "projected": projected, "gaussian": gaussian}


@pytest.mark.parametrize("name", ["log_of", "polar", "projected", "gaussian"])
@pytest.mark.parametrize("shape", [SQUARE, (2, 3, 3)], ids=str)
def test_torch_has_the_same_derivatives(name, shape):
    """Value, gradient and a product with the second derivatives, for functions in which no sign counts."""
    here, there = rebuilt(np)[name], rebuilt(torch)[name]
    start, weight, direction = far(rng.normal(size=shape)), rng.normal(size=shape), rng.normal(size=shape)
    x, twin = Tensor(start, requires_grad=True), torch.from_numpy(start.copy()).requires_grad_()
    y, want = here(x), there(twin)
    np.testing.assert_allclose(y.data, want.detach().numpy(), rtol=1e-11, atol=1e-12)
    (slope,) = gradients((y * weight).sum(), x, create_graph=True)
    (slope_there,) = torch.autograd.grad((want * torch.from_numpy(weight)).sum(), twin, create_graph=True)
    scale = np.abs(slope_there.detach().numpy()).max()
    np.testing.assert_allclose(slope.data, slope_there.detach().numpy(), rtol=1e-9, atol=1e-11 * scale)
    (second,) = gradients((slope * direction).sum(), x)
    (second_there,) = torch.autograd.grad((slope_there * torch.from_numpy(direction)).sum(), twin)
    scale = np.abs(second_there.numpy()).max()
    np.testing.assert_allclose(second.data, second_there.numpy(), rtol=1e-8, atol=1e-10 * scale)


# ---------------------------------------------------------------------------------------------------- singular points
def slope_of(function, x):
    leaf = Tensor(x, requires_grad=True)
    return gradients(function(leaf), leaf)[0].data


def test_vectors_of_equal_eigenvalues_have_no_derivative():
    """The eigenvalues have, as far as their sums determine it; the vectors have nan, in silence for no one."""
    same = np.eye(3)
    for entry in (0, 0), (0, 1):
        assert not np.isfinite(slope_of(lambda x, at=entry: LA.eigh(x).eigenvectors[at], same)).all()
        assert not np.isfinite(slope_of(lambda x, at=entry: LA.svd(x).U[at], same)).all()
        assert not np.isfinite(slope_of(lambda x, at=entry: LA.svd(x).Vh[at], same)).all()
    np.testing.assert_allclose(slope_of(lambda x: LA.eigvalsh(x).sum(), same), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(slope_of(lambda x: LA.svdvals(x).sum(), same), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(slope_of(lambda x: LA.eigh(x).eigenvalues.sum(), same), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(slope_of(lambda x: LA.svd(x).S.sum(), same), np.eye(3), atol=1e-15)


@pytest.mark.parametrize("function", [LA.inv, LA.det, lambda x: LA.slogdet(x)[1], lambda x: LA.solve(x, np.ones(2))])
def test_a_singular_matrix_raises(function):
    """The rules need the inverse: also that of det, whose derivative is then 0 or the adjugate."""
    with pytest.raises(LA.LinAlgError, match=r"[Ss]ingular"):
        slope_of(lambda x: function(x).sum(), np.ones((2, 2)))


def test_columns_that_depend_on_each_other_raise_in_qr():
    with pytest.raises(LA.LinAlgError, match=r"[Ss]ingular"):
        slope_of(lambda x: LA.qr(x).Q.sum(), np.zeros((3, 2)))


def test_a_matrix_that_is_not_positive_definite_raises():
    with pytest.raises(LA.LinAlgError, match="positive definite"):
        LA.cholesky(Tensor(-np.eye(2)))


@pytest.mark.parametrize("function", [LA.cholesky, LA.eigvalsh])
def test_only_the_triangle_that_is_read_has_a_derivative(function):
    x = spd(rng.normal(size=SQUARE))
    slope = slope_of(lambda x: (function(x) ** 2).sum(), x)
    np.testing.assert_array_equal(np.triu(slope, 1), 0)
    assert slope[np.tril_indices(3)].all()
    torn = np.tril(x) + np.triu(np.full(SQUARE, 7.0), 1)
    np.testing.assert_array_equal(slope_of(lambda x: (function(x) ** 2).sum(), torn), slope)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: LA.svd(x), ValueError, r"svd: a has shape \(2, 3\).*full_matrices=False"),
        (lambda x: LA.qr(x.mT, "complete"), ValueError, r"qr: mode='complete' of shape \(3, 2\) is not supported"),
        (lambda x: LA.qr(x, "raw"), ValueError, "qr: mode='raw'"),
        (lambda x: LA.eigh(x @ x.mT, "M"), ValueError, "eigh: UPLO is 'L', the lower triangle"),
        (lambda x: LA.matrix_power(x, 2), LA.LinAlgError, r"matrix_power: a has shape \(2, 3\), and needs square"),
        (lambda x: LA.matrix_power(x @ x.mT, 0.5), TypeError, "matrix_power: the exponent is a whole number"),
        (lambda x: LA.solve(x, x), LA.LinAlgError, "must be square"),
        (lambda x: LA.inv(x), LA.LinAlgError, "must be square"),
        (lambda x: LA.cholesky(x[0]), LA.LinAlgError, "a matrix has two axes.*this has shape"),
        (lambda x: LA.svd(x[0]), LA.LinAlgError, "a matrix has two axes.*this has shape"),
        (lambda x: np.cross(x[:, :2], x[:, :2]), ValueError, "cross: vectors of 3 entries are needed"),
        (lambda x: np.tensordot(x, x, 1), ValueError, "tensordot: axes .* do not have the same lengths"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(Tensor(rng.normal(size=(2, 3)), requires_grad=True))


def test_einsum_of_what_numpys_takes():
    """A letter twice, lists of numbers, an order of contraction: values and gradients."""
    a, b, c = (Tensor(rng.normal(size=s), requires_grad=True) for s in [(3, 3), (3, 4), (4, 3)])
    for f in [
        lambda a, b, c: np.einsum("ii->", a),
        lambda a, b, c: np.einsum("ii->i", a),
        lambda a, b, c: np.einsum("ii,ij,jj->j", a, b[:, :3], c[:3]),
        lambda a, b, c: np.einsum(a, [0, 1], b, [1, 2], [2, 0]),
        lambda a, b, c: np.einsum(a, [0, 0]),
        lambda a, b, c: np.einsum(b, [..., 1], [1, ...]),
        lambda a, b, c: np.einsum("ij,jk,kl,lm->im", a, b, c, a, optimize=True),
        lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize="greedy"),
        lambda a, b, c: np.einsum("ij,jk,ki", a, b, c, optimize=["einsum_path", (1, 2), (0, 1)]),
    ]:
        np.testing.assert_allclose(f(a, b, c).data, f(a.data, b.data, c.data), rtol=1e-12)
        gradcheck(f, [a, b, c])


def test_a_hessian_goes_through_a_solve():
    k = spd(rng.normal(size=SQUARE))

    def half_log_likelihood(x):
        return 0.5 * x @ LA.solve(k, x) + 0.5 * LA.slogdet(k)[1]

    x = rng.normal(size=3)
    np.testing.assert_allclose(hessian(half_log_likelihood)(x), LA.inv(k), rtol=1e-10)
    np.testing.assert_allclose(jacobian(lambda x: LA.solve(k, x))(x), LA.inv(k), rtol=1e-10)
