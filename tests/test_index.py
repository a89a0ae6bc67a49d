"""Indexing in all its forms, and what is built on it, against the positions that NumPy reads.

Values and cotangents are whole numbers, so that sums are exact and equality means equality.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad
from minigrad import Tensor, gradients
from minigrad.ops.registry import REGISTRY

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@st.composite
def advanced(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """For each axis a number, a slice, integers (repeated, negative) or a mask; np.newaxis and ... between."""
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=4))
    masked = draw(st.booleans())
    chosen = draw(st.integers(1, 4))  # all masks of one index choose equally many entries, so that they broadcast
    index: list[Any] = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        kind = draw(st.sampled_from(["number", "slice", "array", "array"]))
        if kind == "number":
            index.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            index.append(draw(st.slices(n)))
        elif masked and chosen <= n:
            mask = np.zeros(n, bool)
            mask[draw(st.permutations(range(n)))[:chosen]] = True
            index.append(mask)
        else:
            size = (chosen,) if masked else common
            index.append(draw(hnp.arrays(np.int64, size, elements=st.integers(-n, n - 1))))
    all_axes = len(index) == len(shape)  # else what comes behind an ellipsis meets other axes than those drawn for
    if draw(st.booleans()):
        index.insert(draw(st.integers(0, len(index))), None)
    if draw(st.booleans()):
        index.insert(draw(st.integers(0, len(index))) if all_axes else len(index), Ellipsis)
    return tuple(index)


@st.composite
def uses(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    shape = draw(shapes)
    mask = hnp.arrays(bool, shape) | hnp.arrays(bool, shape[:1])
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    index = draw(basic | advanced(shape) | mask | hnp.integer_array_indices(shape))
    return np.arange(np.prod(shape), dtype=draw(st.sampled_from([np.float32, np.float64]))).reshape(shape), index


def added(shape: tuple[int, ...], index: Any, values: np.ndarray) -> np.ndarray:
    """Entry by entry: the values, added where `index` reads."""
    total = np.zeros(shape, values.dtype)
    positions = np.arange(total.size).reshape(shape)[index]
    for position, value in zip(np.ravel(positions), np.ravel(values), strict=True):
        total.flat[position] += value
    return total


def whole(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).integers(-9, 10, shape)).astype(dtype)


def check(x: np.ndarray, index: Any, given_index: Any) -> None:
    """Value, gradient, and the derivative of the gradient to the cotangent."""
    t = Tensor(x, requires_grad=True)
    y = t[given_index]
    np.testing.assert_array_equal(y.data, x[index], strict=True)
    g = Tensor(whole(y.shape, x.dtype, 1), requires_grad=True)
    (slope,) = gradients(y, t, create_graph=True, gradient=g)
    np.testing.assert_array_equal(slope.data, added(x.shape, index, g.data), strict=True)
    np.testing.assert_array_equal(gradients(y, t, gradient=g)[0].data, slope.data, strict=True)
    u = whole(x.shape, x.dtype, 2)
    (back,) = gradients((slope * slope * u).sum(), g)
    np.testing.assert_array_equal(back.data, (2 * slope.data * u)[index], strict=True)


@given(uses())
def test_any_index(use):
    x, index = use
    check(x, index, index)


@given(uses())
def test_tensors_as_indices(use):
    x, index = use
    items = index if type(index) is tuple else (index,)
    check(x, index, tuple(Tensor(i) if isinstance(i, np.ndarray) else i for i in items))


LISTS = [0, 0, 2], [True, False, True], [], ([0, 1], [1, 1])


@pytest.mark.parametrize("index", [*LISTS, np.int64(2), (np.int8(-1), None)])
def test_lists_and_numbers(index):
    check(np.arange(6.0).reshape(3, 2), index, index)


@pytest.mark.parametrize("index", [True, False, np.array(True)])
def test_a_single_truth_value_is_a_mask(index):
    check(np.arange(3.0), index, index)


def test_number_without_axes():
    check(np.array(3.0), (), ())
    check(np.array(3.0), ..., ...)
    check(np.array(3.0), None, None)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("add_at", lambda g, y, x, *indices, index, shape: 1.001 * g[index_of(index, indices)]),
        ("getitem", lambda g, y, x, *indices, index: assigned(g, x.shape, index_of(index, indices))),
    ],
)
def test_the_check_notices(monkeypatch, name, wrong):
    """A wrong adjoint of the adjoint; and one that assigns where it should add."""
    rules = [wrong, *[None] * 3]
    monkeypatch.setattr(REGISTRY[name], "rules", rules)
    with pytest.raises(AssertionError):
        check(np.arange(3.0), [0, 0, 2], [0, 0, 2])


def index_of(static: Any, arrays: Any) -> Any:
    return minigrad.ops.index.together(static, arrays)


def assigned(g: Any, shape: tuple[int, ...], index: Any) -> np.ndarray:
    total = np.zeros(shape)
    total[index] = g.data
    return Tensor(total, requires_grad=True)


def test_arrays_are_inputs_and_the_rest_is_static():
    x, rows = Tensor(np.ones((3, 4)), requires_grad=True), np.array([0, 0])
    y = x[rows, None, 1:]
    assert [t is x or t is rows for t in y.inputs] == [True, True]
    assert y.params["index"][1:] == (None, slice(1, None))


def test_mask_of_a_comparison():
    x = Tensor([-1.0, 2.0, 3.0], requires_grad=True)
    np.square(x[x > 0]).sum().backward()
    assert x.grad.tolist() == [0.0, 4.0, 6.0]


def test_iteration_and_unpacking():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x
    (a * b).sum().backward()
    assert x.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert [row.data.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(TypeError, match="unsized"):
        iter(Tensor(3.0))


X = Tensor(np.zeros((3, 4)), requires_grad=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: X[1.5], IndexError, "integers or booleans, and this has dtype float64"),
        (lambda: X[Tensor([1.0])], IndexError, "dtype float64"),
        (lambda: X[3], IndexError, "index 3 is out of bounds for axis 0 with size 3"),
        (lambda: X[0, 0, 0], IndexError, "too many indices"),
        (lambda: np.take_along_axis(X, np.array([0]), 1), ValueError, r"\(1,\) need as many axes as x"),
        (lambda: np.take_along_axis(X, None, 1), ValueError, r"\(\) need as many axes as x"),
        (lambda: np.argpartition(Tensor(1.0), 0), ValueError, "axis -1 is out of bounds"),
        (lambda: np.fft.rfft2(Tensor([1.0, 2.0])), ValueError, "axis -2 is out of bounds"),
        (lambda: np.split(X, 2), ValueError, "axis 0 of length 3 does not divide into 2"),
        (lambda: np.pad(X, 1, mode="mean"), TypeError, "mode='mean' is not supported"),
        (lambda: np.pad(X, (1, 2, 3)), ValueError, "not an int"),
        (lambda: np.pad(X, -1), ValueError, "negative"),
        (lambda: np.repeat(X, 2, axis=2), ValueError, "axis 2 is out of bounds"),
        (lambda: X.flatten("A"), TypeError, "'F', column by column, and not 'A'"),
        (lambda: X.squeeze(0), ValueError, "squeeze"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------------------------------- what is built on indices
def check_against_torch(function: Any, twin: Any, *arrays: np.ndarray) -> None:
    """One tensor, or a list of them, with their gradients; all numbers are whole."""
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    twins = [torch.tensor(a, requires_grad=True) for a in arrays]
    got, want = function(*leaves), twin(*twins)
    got, want = (list(r) if isinstance(r, list | tuple) else [r] for r in (got, want))
    assert len(got) == len(want)
    for y, t in zip(got, want, strict=True):
        np.testing.assert_array_equal(y.data, t.detach().numpy(), strict=True)
    weights = [whole(y.shape, y.dtype, i) for i, y in enumerate(got)]
    sum((y * y * w).sum() for y, w in zip(got, weights, strict=True)).backward()
    sum((t * t * torch.tensor(w)).sum() for t, w in zip(want, weights, strict=True)).backward()
    for x, t in zip(leaves, twins, strict=True):
        np.testing.assert_array_equal(x.grad, t.grad.numpy(), strict=True)


@pytest.mark.parametrize(
    ("where", "lengths", "axis"),
    [(3, (2, 2, 2), 0), ([1, 4], (1, 3, 2), 0), ((2,), (2, 1), -1), (1, (6,), 0), ([0, 6], (0, 6, 0), 0)],
)
def test_split(where, lengths, axis):
    x = whole((6, 3), np.float64, 0)
    check_against_torch(lambda t: np.split(t, where, axis), lambda t: torch.split(t, lengths, axis), x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate_pieces_of_different_lengths(axis):
    x, y, z = (np.moveaxis(whole((n, 3), np.float32, n), 0, axis) for n in (2, 0, 5))
    check_against_torch(
        lambda *xs: np.concatenate(xs, axis), lambda *xs: torch.cat(xs, axis), *map(np.ascontiguousarray, (x, y, z))
    )


def test_concatenate_flattens_without_an_axis():
    x, y = whole((2, 3), np.float64, 0), whole((4,), np.float64, 1)
    check_against_torch(
        lambda a, b: np.concatenate([a, b], axis=None), lambda a, b: torch.cat([a.reshape(-1), b]), x, y
    )


@pytest.mark.parametrize("width", [1, (1, 2), ((0, 1), (2, 0)), ((1, 0),)])
def test_pad_widths(width):
    x = whole((2, 3), np.float64, 0)
    y = np.pad(Tensor(x, requires_grad=True), width, constant_values=7.0)
    np.testing.assert_array_equal(y.data, np.pad(x, width, constant_values=7.0), strict=True)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_repeat_each_its_own_number_of_times(axis):
    x = whole((3, 3), np.float64, 0)
    check_against_torch(
        lambda t: t.repeat([2, 0, 1], axis), lambda t: t.repeat_interleave(torch.tensor([2, 0, 1]), axis), x
    )


def test_take_along_no_axis():
    x, i = whole((2, 3), np.float64, 0), np.array([5, 0, 5])
    check_against_torch(lambda t: np.take_along_axis(t, i, axis=None), lambda t: t.take(torch.tensor(i)), x)


def test_take_along_axis_broadcasts():
    x, i = whole((2, 3), np.float64, 0), np.array([[2, 2, 0, 1]])
    y = np.take_along_axis(Tensor(x), i, axis=1)
    np.testing.assert_array_equal(y.data, np.take_along_axis(x, i, axis=1), strict=True)


def test_many_slices_of_one_array_are_added_up_in_one(monkeypatch):
    """And into no array of anybody else's. A recorded sweep adds them one by one."""
    calls, add_at = [], REGISTRY["add_at"]
    forward = add_at.forward
    monkeypatch.setattr(add_at, "forward", lambda *args, **kwargs: calls.append(1) or forward(*args, **kwargs))
    x, y = (Tensor(np.arange(12.0).reshape(4, 3) - i, requires_grad=True) for i in (0, 5))
    inner = x * y
    shared = inner + x  # inner and x get its cotangent, one array
    total = (shared * shared).sum() + sum((inner[i] * i).sum() for i in range(4)) + inner[:, 1:].sum() * x[::2, 0].sum()
    total = total + shared[2, 1] + shared[-2] @ shared[0] + inner[[0, 0, 1]].sum() + inner[..., None].sum() + x.T[1, 2]
    plain = gradients(total, [x, y])
    assert len(calls) == 5  # the first of each of inner, shared, x.T and x, and what has an array for an index
    for ours, want in zip(plain, gradients(total, [x, y], create_graph=True), strict=True):
        np.testing.assert_array_equal(ours.data, want.data)
