"""NumPy's functions that arrange, join, cut and choose entries: on Tensors they answer as on arrays.

They are written with operations, so their judges are the same call on arrays, differences, and the printed program on
other numbers.
"""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import minigrad
from minigrad import Tensor, gradcheck, gradients
from minigrad.engine.trees import bare
from minigrad.ops import namespace
from minigrad.ops.order import PLACES
from minigrad.ops.registry import COMPOSITIONS, FROM_NUMPY
from minigrad.program.symbol import TraceError

M, V, C = (2, 3), (4,), (2, 3, 2)
MASK = np.array([[True, False, True], [False, False, True]])
OTHERS = ~MASK
NUMBERS = np.array([[0, 2, 1], [1, 1, 0]])

# NumPy has these since 2.1 or 2.2
cumulative_sum, cumulative_prod, matvec, vecmat = [
    getattr(np, name, getattr(minigrad, name)) for name in ("cumulative_sum", "cumulative_prod", "matvec", "vecmat")
]

CALLS = [
    # (function, how it is called, the shapes of its tensors)
    ("append", lambda x, y: np.append(x, y), [M, V]),
    ("append", lambda x, y: np.append(x, y, axis=1), [M, (2, 1)]),
    ("apply_along_axis", lambda x: np.apply_along_axis(np.sort, 0, x), [M]),
    ("apply_along_axis", lambda x: np.apply_along_axis(lambda v, k, n: np.outer(v, v[k:]) ** n, 1, x, 1, n=2), [C]),
    ("argpartition", lambda x: np.take_along_axis(x, np.argpartition(x, 2, 0)[2:], 0), [(3, 2)]),
    ("array_split", lambda x: np.array_split(x, 3), [V]),
    ("array_split", lambda x: np.array_split(x, [1, 3, 5], -1), [M]),
    ("array_split", lambda x: np.array_split(x, [-1, 1]), [V]),
    ("average", lambda x, w: np.average(x, 1, np.square(w)), [M, M]),
    ("average", lambda x, w: np.average(x, weights=np.exp(w), axis=(2, 0), keepdims=True), [C, (2, 2)]),
    ("average", lambda x, w: np.average(x, 0, np.exp(w), returned=True), [M, (2,)]),
    ("average", lambda x: np.average(x), [M]),
    ("atleast_1d", lambda x, y: np.atleast_1d(x, y), [(), M]),
    ("atleast_2d", lambda x: np.atleast_2d(x), [V]),
    ("atleast_3d", lambda *xs: np.atleast_3d(*xs), [(), V, M, C]),
    ("bincount", lambda x: np.bincount([0, 2, 2, 0], x, 4).astype(x.dtype), [V]),
    ("block", lambda x, y, z: np.block([[x, y], [z]]), [M, (2, 1), V]),
    ("block", lambda x, y: np.block([x, 2.0, y]), [V, (2, 3)[:1]]),
    ("block", lambda x, y: np.block([[x], [y]]), [C, (2, 1, 2)]),
    ("broadcast_arrays", lambda x, y: np.broadcast_arrays(x, y), [(3,), (2, 1)]),
    ("choose", lambda x, y: np.choose([0, 1, 1], [x, y]), [(3,), M]),
    ("choose", lambda x, y, z: np.choose(NUMBERS, [x, y, z], mode="wrap"), [(3,), M, ()]),
    ("choose", lambda x, y: np.choose(NUMBERS, [x, y], mode="clip"), [(3,), M]),
    ("choose", lambda x: np.choose([0, 0], [x]), [(3, 1)]),
    ("column_stack", lambda x, y, z: np.column_stack([x, y, z]), [(2,), M, (2,)]),
    ("compress", lambda x: np.compress([True, False, True], x, axis=1), [M]),
    ("compress", lambda x: np.compress([0, 1, 1], x), [M]),
    ("convolve", lambda x, y: np.convolve(x, y, "same"), [(3,), V]),
    ("convolve", lambda x, y: np.convolve(x, y), [V, ()]),
    ("copy", lambda x: np.copy(x), [M]),
    ("correlate", lambda x, y: np.correlate(x, y), [(5,), (2,)]),
    ("correlate", lambda x, y: np.correlate(x, y, "full"), [(2,), V]),
    ("correlate", lambda x, y: np.correlate(x, y, "same"), [(3,), (6,)]),
    ("delete", lambda x: np.delete(x, 1), [M]),
    ("delete", lambda x: np.delete(x, [0, -1], axis=1), [M]),
    ("delete", lambda x: np.delete(x, np.s_[::2], 0), [V]),
    ("diff", lambda x: np.diff(x, 2, 0, append=1.0), [M]),
    ("diff", lambda x, y: np.diff(x, prepend=y), [M, (2, 2)]),
    ("corrcoef", lambda x, y: np.corrcoef(x, y, rowvar=False), [(4, 2), (4, 1)]),
    ("cov", lambda x, y: np.cov(x, y, ddof=0), [M, (3,)]),
    ("cov", lambda x, w: np.cov(x, fweights=[1, 2, 1], aweights=np.exp(w)), [M, (3,)]),
    ("cumulative_prod", lambda x: cumulative_prod(x, axis=-2, include_initial=True), [C]),
    ("cumulative_sum", lambda x: cumulative_sum(x), [V]),
    ("diagflat", lambda x: np.diagflat(x, -1), [(2, 1)]),
    ("ediff1d", lambda x, y: np.ediff1d(x, to_begin=y, to_end=[0.5, 2.0]), [M, (1,)]),
    ("float_power", lambda x: np.float_power(np.exp(x), [[2], [0]]).astype(x.dtype), [M]),
    ("imag", lambda x: np.imag(x) + np.real(x) * np.conj(x), [M]),
    ("geomspace", lambda x, y: np.geomspace(-np.exp(x), -np.exp(y), 3, axis=1), [(2,), (2, 1)]),
    ("linspace", lambda x, y: np.linspace(x, y, 3, axis=-1, retstep=True), [(2,), (2, 1)]),
    ("linspace", lambda x: np.linspace(x, 2, 4, endpoint=False), [()]),
    ("logspace", lambda x, b: np.logspace(x, 2, 3, base=np.exp(b)), [(2,), ()]),
    ("logspace", lambda x, b: np.logspace(x, 2, 3, base=np.exp(b), axis=1), [(3, 1), (3,)]),
    ("matvec", lambda x, y: matvec(x, y), [(2, 4, 3), (3,)]),
    ("logical_xor", lambda x: np.logical_xor(x > 0, MASK) * x, [M]),
    ("nancumprod", lambda x: np.nancumprod(np.where(MASK, np.nan, x), 0), [M]),
    ("nancumsum", lambda x: np.nancumsum(np.where(MASK, np.nan, x)), [M]),
    ("vander", lambda x: np.vander(x, 3), [V]),
    ("vander", lambda x: np.vander(x, increasing=True), [V]),
    ("cross", lambda x, y: np.cross(x, y), [M, (3,)]),
    ("cross", lambda x, y: np.cross(x, y, 0, 1, 0), [(3, 2), M]),
    ("cross", lambda x, y: np.linalg.cross(x, y, axis=0), [(3, 2), (3, 1)]),
    ("diag", lambda x: np.diag(x, -1), [M]),
    ("diag", lambda x: np.diag(x, 1) + np.diag(x, -1), [V]),
    ("diagonal", lambda x: np.diagonal(x, 1), [C]),
    ("diagonal", lambda x: x.diagonal(-1, 2, 1), [C]),
    ("diagonal", lambda x: np.linalg.diagonal(x, offset=-2), [C]),
    ("dsplit", lambda x: np.dsplit(x, 2), [C]),
    ("dstack", lambda *xs: np.dstack(xs), [(3,), (1, 3), (1, 3, 2)]),
    ("extract", lambda x: np.extract(MASK, x), [M]),
    ("fliplr", lambda x: np.fliplr(x), [C]),
    ("flipud", lambda x: np.flipud(x), [V]),
    ("full_like", lambda x, y: x * np.full_like(x, y), [M, ()]),
    ("full_like", lambda x, y: x * np.full_like(x, y, shape=(2, 3)), [(), (3,)]),
    ("gradient", lambda x: np.gradient(x, 0.5, edge_order=2, axis=1), [M]),
    ("gradient", lambda x, h: np.gradient(x, np.cumsum(np.exp(h)), 2.0), [M, (2,)]),
    ("hsplit", lambda x: np.hsplit(x, [1]), [C]),
    ("hsplit", lambda x: np.hsplit(x, 2), [V]),
    ("hstack", lambda x, y: np.hstack([x, y]), [(), V]),
    ("hstack", lambda x, y: np.hstack((x, y)), [M, (2, 1)]),
    ("inner", lambda x, y: np.inner(x, y), [C, (4, 2)]),
    ("inner", lambda x, y: np.inner(x, y), [M, ()]),
    ("insert", lambda x, y: np.insert(x, 1, y), [M, ()]),
    ("insert", lambda x, y: np.insert(x, [0, 3, 3], y, axis=1), [M, (2, 3)]),
    ("insert", lambda x, y: np.insert(x, 1, y, axis=1), [M, (2,)]),
    ("insert", lambda x, y: np.insert(x, [1], y, axis=1), [M, (2, 2)]),
    ("insert", lambda x, y: np.insert(x, -1, y, axis=0), [V, (2,)]),
    ("insert", lambda x, y: np.insert(x, np.s_[1:3], y), [V, (2,)]),
    ("interp", lambda x, f: np.interp(x, [-2.0, 0.11, 0.513, 2.0], f), [(2, 3), V]),
    ("interp", lambda x, f: np.interp(10 * x, [-2.0, 0.11, 0.513, 2.0], f, left=9.0, right=-9.0), [(5,), V]),
    ("interp", lambda x, f: np.interp(x, [5.0, 0.111, 2.4], f, period=3), [(5,), (3,)]),
    ("interp", lambda f: np.interp(0.3, [0.1, 0.5], f), [(2,)]),
    ("median", lambda x: np.median(x), [M]),
    ("median", lambda x: np.median(x, 1, keepdims=True), [M]),
    ("meshgrid", lambda x, y: np.meshgrid(x, y), [V, (2,)]),
    ("meshgrid", lambda x, y, z: np.meshgrid(x, y, z, indexing="ij", sparse=True), [V, (2,), ()]),
    ("moveaxis", lambda x: np.moveaxis(x, [0, 2], [-1, 0]), [C]),
    ("nanmean", lambda x: np.nanmean(np.where(MASK, np.nan, x), 1), [M]),
    ("nanmedian", lambda x: np.nanmedian(np.where(MASK, np.nan, x)), [M]),
    ("nanpercentile", lambda x: np.nanpercentile(np.where(MASK, np.nan, x), 30, 1), [M]),
    ("nanquantile", lambda x: np.nanquantile(np.where(MASK, np.nan, x), [0.2, 0.7], 1, keepdims=True), [M]),
    ("nanmean", lambda x: np.nanmean(np.where(MASK, np.nan, x), where=OTHERS), [M]),
    ("nanprod", lambda x: np.nanprod(np.where(MASK, np.nan, x), initial=2.0), [M]),
    ("nanstd", lambda x: np.nanstd(np.where(MASK, np.nan, x), ddof=1), [M]),
    ("nansum", lambda x: np.nansum(np.where(MASK, np.nan, x), 1, keepdims=True), [M]),
    ("nanvar", lambda x: np.nanvar(np.where(MASK, np.nan, x), 1, mean=x[:, :1]), [M]),
    ("partition", lambda x: np.partition(x, (1, -1), None)[1::4], [M]),
    ("percentile", lambda x: np.percentile(x, 30, 1), [M]),
    ("kron", lambda x, y: np.kron(x, y), [M, (2, 1)]),
    ("kron", lambda x, y: np.kron(x, y), [(2,), C]),
    *[("matrix_power", lambda x, n=n: np.linalg.matrix_power(x, n), [(2, 2, 2)]) for n in (1, 2, 3)],
    ("multi_dot", lambda *xs: np.linalg.multi_dot(xs), [M, (3, 4), (4, 1), (1, 2)]),
    ("multi_dot", lambda *xs: np.linalg.multi_dot(xs), [(2,), M, (3,)]),
    ("piecewise", lambda x: np.piecewise(x, [x < 0, x > 1], [np.square, 2.0, np.exp]), [(3, 2)]),
    ("piecewise", lambda x: np.piecewise(x, [x < 1, x < 0], [np.sin, lambda x: x**3]), [(5,)]),
    ("piecewise", lambda x: np.piecewise(x, x > 0, [np.log, lambda x: -x]), [(5,)]),
    ("polyfit", lambda y, w: np.polyfit([0.0, 1.0, 3.0], y.astype(float), 1, w=w), [(3, 2), (3,)]),
    ("polyval", lambda p, x: np.polyval(p, x), [V, M]),
    ("ptp", lambda x: np.ptp(x, 1, keepdims=True), [M]),
    ("quantile", lambda x: np.quantile(x, 0.3, (0, 2)), [C]),
    ("quantile", lambda x: np.quantile(x, 0.7, 1, method="median_unbiased", keepdims=True), [M]),
    ("resize", lambda x: np.resize(x, (3, 4)), [M]),
    ("roll", lambda x: np.roll(x, (1, -1, 2), (0, 1, 0)), [M]),
    ("rollaxis", lambda x: np.rollaxis(x, 2), [C]),
    ("rollaxis", lambda x: np.rollaxis(x, 0, 3), [C]),
    *[("rot90", lambda x, k=k: np.rot90(x, k), [M]) for k in (0, 1, 2, 3, -1)],
    ("rot90", lambda x: np.rot90(x, 1, axes=(2, 0)), [C]),
    ("select", lambda x, y: np.select([x > 0, MASK], [x, y**2], 5.0), [M, (3,)]),
    ("select", lambda x, y: np.select([MASK, OTHERS], [x, y], default=x), [M, ()]),
    ("sort", lambda x: np.sort(x), [M]),
    ("sort", lambda x: np.sort(x, None), [M]),
    ("split", lambda x: np.split(x, 2), [V]),
    ("take", lambda x: np.take(x, [5, 0, -1]), [M]),
    ("take", lambda x: np.take(x, NUMBERS, axis=1), [M]),
    ("take", lambda x: np.take(x, [-7, 4], 0, mode="wrap"), [M]),
    ("take", lambda x: np.take(x, [-7, 4], -1, mode="clip"), [M]),
    ("take", lambda x: x.take([1, 1], 0), [M]),
    ("tensordot", lambda x, y: np.tensordot(x, y), [C, (3, 2, 2)]),
    ("tensordot", lambda x, y: np.tensordot(x, y, 0), [M, (2,)]),
    ("tensordot", lambda x, y: np.tensordot(x, y, ([0, -1], [1, 0])), [C, (2, 2, 4)]),
    ("tensordot", lambda x, y: np.linalg.tensordot(x, y, axes=(1, 0)), [M, (3, 2)]),
    ("trace", lambda x: np.trace(x, 1), [M]),
    ("trace", lambda x: x.trace(0, -1, 1), [C]),
    ("trace", lambda x: np.linalg.trace(x, offset=-1), [C]),
    ("tile", lambda x: np.tile(x, 2), [M]),
    ("tile", lambda x: np.tile(x, (2, 1, 3)), [M]),
    ("tile", lambda x: np.tile(x, (3,)), [()]),
    ("trapezoid", lambda x: np.trapezoid(x, dx=0.5, axis=0), [M]),
    ("trapezoid", lambda y, x: np.trapezoid(y, x, axis=1), [C, (3,)]),
    ("unique", lambda x: np.unique(x, axis=1), [(2, 3)]),
    ("unwrap", lambda x: np.unwrap(9 * x, axis=0), [(4, 2)]),
    ("unwrap", lambda x: np.unwrap(x, 1.5, period=1), [(6,)]),
    ("unstack", lambda x: minigrad.unstack(x, axis=1), [M]),
    ("vdot", lambda x, y: np.vdot(x, y), [M, (3, 2)]),
    ("vecdot", lambda x, y: np.vecdot(x, y), [C, (2,)]),
    ("vecdot", lambda x, y: np.linalg.vecdot(x, y, axis=0), [M, (2, 1)]),
    ("vecmat", lambda x, y: vecmat(x, y), [(3,), C]),
    ("vsplit", lambda x: np.vsplit(x, 2), [M]),
    ("vstack", lambda *xs: np.vstack(xs), [(3,), M]),
    ("sliding_window_view", lambda x: sliding_window_view(x, (2, 2)), [M]),
    ("sliding_window_view", lambda x: sliding_window_view(x, (2, 1, 2), (-1, 0, -1)), [(3, 4)]),
]
# how many entries each of their results, or functions, gets depends on the numbers
NO_PROGRAM = {"piecewise": "depends on", "unique": "unique .* leaves the tape"}
each_call = pytest.mark.parametrize(
    ("function", "shapes"), [pytest.param(f, s, id=f"{name}-{i}") for i, (name, f, s) in enumerate(CALLS)]
)


def test_all_are_called_here():
    names = {name for name, *_ in CALLS} | {"put_along_axis"}
    elsewhere = (".decompositions", ".matrices")  # test_linalg.py
    assert {name for name, f in COMPOSITIONS.items() if not f.__module__.endswith(elsewhere)} <= names


def numbers(shapes, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=s)).round(2).astype(dtype) for s in shapes]


def several(y):
    return list(y) if isinstance(y, list | tuple) else [y]


def flat(function):
    """The function with its results in one vector."""
    return lambda *xs: minigrad.concatenate([y.reshape(-1) for y in several(function(*xs))])


@each_call
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_are_numpys(function, shapes, dtype):
    arrays = numbers(shapes, dtype)
    got, want = function(*map(Tensor, arrays)), function(*arrays)
    assert isinstance(got, list | tuple) == isinstance(want, list | tuple)
    for y, t in zip(several(got), several(want), strict=True):
        assert type(y) is Tensor
        np.testing.assert_allclose(y.data, t, rtol=16 * np.finfo(dtype).eps, strict=True)


@each_call
def test_derivatives_are_those_of_differences(function, shapes):
    """To second order: what is checked is the gradient of the sum of cubes. All entries move, in one direction."""
    one, step = flat(function), Tensor(0.0, requires_grad=True)
    starts, ways = numbers(shapes), numbers(shapes, seed=2)

    def moved(s):
        return [x + s * way for x, way in zip(starts, ways, strict=True)]

    gradcheck(lambda s: one(*moved(s)), step)

    def slopes(*xs):
        found = gradients((one(*xs) ** 3).sum(), xs, create_graph=True)
        return minigrad.concatenate([g.reshape(-1) for g in found])

    gradcheck(lambda s: slopes(*moved(s)), step)


@pytest.mark.parametrize(("name", "function", "shapes"), CALLS)
def test_a_program_is_good_for_other_numbers(name, function, shapes):
    compiled = minigrad.compile(flat(function), constants=[MASK, OTHERS, NUMBERS])
    other = numbers(shapes, seed=1)
    if name in NO_PROGRAM:
        with pytest.raises(TraceError, match=NO_PROGRAM[name]):
            compiled(*other)
        return
    compiled(*numbers(shapes))
    want = [np.ravel(y) for y in several(function(*other))]
    np.testing.assert_allclose(compiled(*other), np.concatenate(want), rtol=1e-14)


NO_VALUES = {"apply_along_axis", "gradient", "piecewise"}  # whose defaults are none


@pytest.mark.parametrize("name", sorted(COMPOSITIONS))
def test_parameters_are_numpys(name):
    """In their order and with their defaults; one that is missing here is refused by its name."""
    theirs = getattr(np, name, None) or getattr(np.linalg, name, None)
    if name in NO_VALUES or isinstance(theirs, np.ufunc) or not theirs:
        return
    ours = FROM_NUMPY.get(theirs, COMPOSITIONS[name])
    try:
        described = inspect.signature(theirs).parameters
    except ValueError:
        pytest.skip(f"NumPy {np.__version__} does not say which arguments np.{name} has")
    for p in inspect.signature(ours).parameters.values():
        default = described[p.name].default
        assert default == p.default or (default is np._NoValue and p.default in (None, False, True))
    needed = [p for p in inspect.signature(ours).parameters.values() if p.default is p.empty]
    with pytest.raises(TypeError, match="bogus"):
        ours(*[Tensor([1.0])] * len([p for p in needed if p.kind is p.POSITIONAL_OR_KEYWORD]), bogus=1)


@pytest.mark.parametrize("method", sorted(PLACES))
def test_each_method_of_quantile_is_numpys(method):
    """Also between two entries, at both ends, and at the places where the next one is taken."""
    x = np.array([[3.0, 1.0, 2.0, 7.0], [0.5, 4.0, -1.0, 5.0]])
    for q in [0, 1, 0.5, 0.3, np.linspace(0, 1, 9).reshape(3, 3), 1 / 3]:
        want = np.quantile(x, q, axis=1, method=method)
        np.testing.assert_allclose(
            np.quantile(Tensor(x), q, axis=1, method=method).data, want, 1e-14, 1e-14, strict=True
        )
        padded = np.where(np.isin(np.arange(6), [0, 3]), np.nan, x[:, [0, 0, 1, 0, 2, 3]])
        np.testing.assert_allclose(np.nanquantile(Tensor(padded), q, 1, method=method).data, want, 1e-14, 1e-14)
    with pytest.raises(ValueError, match=r"quantile: q lies between 0 and 1, and is 1\.5"):
        np.quantile(Tensor(x), 1.5, method=method)


def test_what_an_order_has_no_answer_to():
    x = Tensor([1.0, np.nan, 2.0], requires_grad=True)
    assert np.isnan(np.median(x).data)
    assert np.isnan(np.percentile(x, [10, 50]).data).all()
    with pytest.raises(TypeError, match="q is"):
        np.quantile(x, Tensor(0.5))
    with pytest.raises(ValueError, match="method='best' is none of linear"):
        np.quantile(x, 0.5, method="best")
    with pytest.raises(TypeError, match=r"weights of np\.quantile is not supported"):
        np.quantile(x, 0.5, weights=[1, 2, 3])
    with pytest.raises(ValueError, match="median: there is no entry"):
        np.median(x[:0])
    with pytest.raises(TypeError, match=r"x = np\.sort\(x\)"):
        x.sort()
    with pytest.raises(ValueError, match=r"average: weights of shape \(2,\)"):
        np.average(x, weights=np.ones(2))
    with pytest.raises(TypeError, match="gradient: 1 axes need one distance or 1, and 2 are given"):
        np.gradient(x, 1.0, 2.0)
    with pytest.raises(ValueError, match="gradient: 3 samples need so many places"):
        np.gradient(x, [0.0, 1.0])
    with pytest.raises(ValueError, match="gradient: an axis of length 1 has too few samples; it needs 2"):
        np.gradient(x[:1])


def test_equal_entries_keep_their_order_and_their_derivatives():
    x = Tensor([2.0, 1.0, 2.0, 1.0], requires_grad=True)
    (slope,) = gradients(np.sort(x), x, gradient=np.array([1.0, 10.0, 100.0, 1000.0]))
    assert slope.data.tolist() == [100.0, 1.0, 1000.0, 10.0]
    (slope,) = gradients(np.median(x), x)
    assert slope.data.tolist() == [0.5, 0.0, 0.0, 0.5]


OF_A_LIST = [
    "average",
    "cumprod",
    "diff",
    "median",
    "nanmean",
    "nanmedian",
    "nanprod",
    "nanstd",
    "nansum",
    "ptp",
    "sort",
]


@pytest.mark.parametrize("name", OF_A_LIST)
def test_of_a_list_they_make_tensors(name):
    """As all of minigrad's own functions do; NumPy's make arrays of it."""
    y = getattr(minigrad, name)([1.0, 3.0, 2.0])
    assert type(y) is Tensor
    np.testing.assert_allclose(y.data, getattr(np, name)([1.0, 3.0, 2.0]), rtol=1e-15)


def test_all_of_numpy_that_asks_has_an_answer():
    """docs/numpy.md has the list; what is refused says what to write instead."""
    answers, x = namespace.answers(), Tensor([1.0, 2.0], requires_grad=True)
    assert len(answers) > 350
    for name, function in namespace.public():
        if answers[name] in ("tape", "array"):
            assert function in FROM_NUMPY
            continue
        says = "would write a tensor" if answers[name] == "write" else re.escape(answers[name])
        with pytest.raises(TypeError, match=says):
            if isinstance(function, np.ufunc):
                function(*[x] * function.nin)
            else:
                x.__array_function__(function, (Tensor,), (x,), {})


def test_where_new_answers_would_be_other_ones():
    """Half precision whose sums are too large for it, samples that take no part, masks, single numbers."""
    ones = np.ones(70000, np.float16)
    assert np.average(Tensor(ones)).data == 1
    assert [x.item() for x in np.average(Tensor([[1.0, 3.0]]), returned=True)] == [2.0, 2.0]
    with np.errstate(invalid="ignore"):
        holes = np.array([1.0, np.nan, 2.0, np.inf, 0.5])
        np.testing.assert_array_equal(np.gradient(Tensor(holes)).data, np.gradient(holes))
    assert np.tile(Tensor([1.0]), Tensor([2, 1])).shape == (2, 1)
    for branches in ([Tensor([1.0])], [None, 1.0], [Tensor([1.0]), None]):
        with pytest.raises(TypeError, match="where: one of two branches is missing"):
            np.where(Tensor([1.0]) > 0, *branches)
    for call in (np.logical_and, np.hypot, np.fmod):
        with pytest.raises(TypeError, match=r"input 1 \(b\): needs an array of numbers, and got NoneType"):
            call(Tensor([1.0]), None)
    assert np.copy(Tensor(MASK)).data.tolist() == MASK.tolist()
    assert cumulative_sum(Tensor(3.0)).data.tolist() == [3.0]
    assert np.max(Tensor([1, 5]), initial=2.5, where=[True, False]).dtype == np.int64
    with np.errstate(divide="ignore"):
        assert np.isposinf(np.cov(Tensor([1.0, 3.0]), ddof=2).data)
    for product in (matvec, vecmat):
        with pytest.raises(ValueError, match=r"x. needs the axes of a matrix"):
            product(Tensor([1.0]), Tensor([1.0]))
    for shape, axis, expected in (2, None, "other axes than"), (0, 0, "no window of 0"), (3, 0, "no window of 3"):
        with pytest.raises(ValueError, match=expected):
            sliding_window_view(Tensor(np.ones((2, 2))), shape, axis)
    for name in ("partition", "argpartition"):
        with pytest.raises(ValueError, match=f"{name}: kth=3 is no place among 2 entries"):
            getattr(np, name)(Tensor([1.0, 2.0]), 3)
    with pytest.raises(ValueError, match=r"cumulative_sum: x has shape \(1, 1\), and axis= says"):
        cumulative_sum(Tensor([[1.0]]))
    with pytest.raises(ValueError, match=r"bincount: 2 numbers need as many weights, and these have \(3,\)"):
        np.bincount([0, 1], Tensor([1.0, 2.0, 3.0]))
    x = Tensor([3.0, 1.0, 3.0], requires_grad=True)
    y, index, inverse, counts = np.unique(x, True, True, True)
    assert [index.tolist(), inverse.tolist(), counts.tolist()] == [[1, 0], [1, 0, 1], [1, 2]]
    assert gradients(y, x, gradient=np.array([1.0, 10.0]))[0].data.tolist() == [10.0, 1.0, 0.0]


def test_methods_of_ufuncs():
    x, y = Tensor([[1.0, 3.0], [2.0, 0.5]], requires_grad=True), Tensor([1.0, 2.0])
    for method, arguments in [
        (np.add.reduce, ()), (np.multiply.reduce, (1,)), (np.maximum.reduce, (None,)), (np.add.accumulate, (1,)),
        (np.logaddexp.reduce, ()), (np.multiply.accumulate, ()), (np.subtract.outer, (y,)), (np.less.outer, (y,)),
    ]:  # fmt: skip
        want = method(x.data, *map(bare, arguments))
        np.testing.assert_allclose(method(x, *arguments).data, want, rtol=1e-15, strict=True)
    gradcheck(lambda x: np.subtract.outer(x, x) ** 2, x)
    with pytest.raises(TypeError, match=r"np\.subtract\.reduce is not an operation"):
        np.subtract.reduce(x)
