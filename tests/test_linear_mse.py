"""Linear and MSE in three forms, which agree with each other and with torch.

primitives  composed from ``@``, ``+``, ``-``, ``*`` and ``mean``
operations  `minigrad.linear` and `minigrad.mse_loss`
students    ``class Linear(Function)`` and ``class MSE(Function)``
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_agrees, assert_owned, exact, pullback
from strategies import FLOATS, LAYOUTS, arrays, grid, laid_out
from students import linear_of, mse_of

import minigrad
from minigrad import Tensor, gradients


class Form(NamedTuple):
    linear: Callable[..., Tensor]
    mse: Callable[..., Tensor]


def squared_mean(yhat: Tensor, y: Any) -> Tensor:
    error = yhat - y
    return (error * error).mean()


FORMS = {
    "primitives": Form(lambda x, W, b: x @ W + b, squared_mean),
    "operations": Form(minigrad.linear, minigrad.mse_loss),
    "students": Form(linear_of(minigrad.Function).apply, mse_of(minigrad.Function).apply),
}
TORCH = Form(lambda x, W, b: x @ W + b, torch.nn.functional.mse_loss)
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)

batches = st.sampled_from([1, 2, 5, 0, 40])
widths = st.integers(1, 3)
dtypes = st.sampled_from(FLOATS)


@st.composite
def layers(draw: st.DrawFn, least_rows: int = 0) -> list[np.ndarray]:
    """x (n, p), W (p, q), b of (q,), (1,) or (), y (n, q), in one dtype."""
    n = max(draw(batches), least_rows)
    p, q = draw(widths), draw(widths)
    bias = draw(st.sampled_from([(q,), (1,), ()]))
    dtype = draw(dtypes)
    drawn = []
    for shape in (n, p), (p, q), bias, (n, q):
        if n * p > 20 and shape[:1] == (n,):  # many rows: seeded normals, entry by entry would take long
            values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).astype(dtype)
        else:
            values = draw(arrays(shape, dtype, grid()))
        drawn.append(laid_out(values, draw(st.sampled_from(LAYOUTS))))
    return drawn


def assert_gradients_agree(
    f: Callable[..., Tensor], reference: Callable[..., Any], given_arrays: list[np.ndarray], seed: int
) -> None:
    """Value and gradients of f equal those of the torch function; shapes, dtypes and memory are the leaves' own."""
    leaves = [Tensor(a, requires_grad=True) for a in given_arrays]
    y = f(*leaves)
    twins = [exact(a, requires_grad=True) for a in given_arrays]
    want = reference(*twins)
    unit = np.finfo(given_arrays[0].dtype).eps
    assert y.dtype == given_arrays[0].dtype
    assert_agrees(y.data, want, twins, unit, "y")

    g = np.random.default_rng(seed).normal(size=y.shape).astype(y.dtype)
    y.backward(np.asarray(g))
    weight = exact(np.asarray(g), requires_grad=True)
    wanted = pullback(lambda *args: (reference(*args),))([weight], twins)
    for i, (x, want_x) in enumerate(zip(leaves, wanted, strict=True)):
        assert x.grad is not None
        assert x.grad.dtype == x.dtype
        assert_agrees(x.grad, want_x, [weight, *twins], unit, f"gradient of input {i}")
    assert_owned([x.grad for x in leaves], [*given_arrays, g, y.data])


@each_form
@given(layers(), st.integers(0, 2**32))
def test_linear(form, arrays, seed):
    x, W, b, _ = arrays
    assert_gradients_agree(form.linear, TORCH.linear, [x, W, b], seed)


@each_form
@given(layers(least_rows=1), st.integers(0, 2**32))
def test_mse(form, arrays, seed):
    x, W, b, y = arrays
    yhat = np.asarray(x @ W + b)  # in float32 a rounded number, but the same number for both sides
    assert_gradients_agree(form.mse, TORCH.mse, [yhat, y], seed)


@given(layers(least_rows=1))
def test_the_forms_agree_to_the_last_digits(arrays):
    """In float64 the three differ by roundings of single operations, far below what any descent would notice."""
    x, W, b, y = (a.astype(np.float64) for a in arrays)
    results = []
    for form in FORMS.values():
        leaves = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
        loss = form.mse(form.linear(x, *leaves), y)
        results.append([loss.data, *(g.data for g in gradients(loss, leaves))])
    size = [abs(x) @ abs(W) + abs(b) + abs(y)]
    scales = [np.mean(size[0] ** 2), abs(x).T @ size[0] / y.size, size[0].sum() / y.size]
    for other in results[1:]:
        for a, b, scale in zip(results[0], other, scales, strict=True):
            assert np.all(abs(a - b) <= 16 * np.finfo(np.float64).eps * scale)


@each_form
@given(layers(least_rows=1), st.integers(0, 2**32))
def test_second_order(form, arrays, seed):
    """The Hessian of the training loss along a random direction."""
    x, W, b, y = arrays
    rng = np.random.default_rng(seed)
    directions = [np.asarray(rng.normal(size=a.shape)).astype(a.dtype) for a in (W, b)]

    leaves = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
    loss = form.mse(form.linear(x, *leaves), y)
    slopes = gradients(loss, leaves, create_graph=True)
    found = gradients((slopes[0] * directions[0]).sum() + (slopes[1] * directions[1]).sum(), leaves)

    twins = [exact(a, requires_grad=True) for a in arrays]
    ways = [exact(v, requires_grad=True) for v in directions]

    def slope(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(TORCH.mse(TORCH.linear(x, W, b), y), [W, b], create_graph=True)

    _, *wanted, _ = pullback(slope)(ways, twins)
    for name, leaf, got, want in zip("Wb", leaves, found, wanted, strict=True):
        assert got.dtype == leaf.dtype
        assert_agrees(got.data, want, [*ways, *twins], np.finfo(W.dtype).eps, f"second derivative to {name}")


def test_linear_without_a_bias():
    x, W = np.arange(6.0).reshape(3, 2), Tensor(np.ones((2, 2)), requires_grad=True)
    minigrad.linear(x, W).sum().backward()
    np.testing.assert_array_equal(minigrad.linear(x, W).data, x @ W.data)
    np.testing.assert_array_equal(W.grad, x.T @ np.ones((3, 2)))


@each_form
def test_linear_of_no_rows(form):
    """No rows, no slope: zeros, not an error and not None."""
    W, b = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    y = form.linear(np.ones((0, 3)), W, b)
    assert y.shape == (0, 2)
    y.sum().backward()
    np.testing.assert_array_equal(W.grad, np.zeros((3, 2)))
    np.testing.assert_array_equal(b.grad, np.zeros(2))


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 0)])
def test_mse_loss_of_no_entries_raises(shape):
    with pytest.raises(ValueError, match=r"no entries"):
        minigrad.mse_loss(Tensor(np.ones(shape), requires_grad=True), np.ones(shape))


@pytest.mark.parametrize(
    ("prediction", "target"), [((5, 1), (5,)), ((5,), (5, 1)), ((5, 2), (5,)), ((4, 2), (1, 2)), ((3,), ())]
)
def test_mse_loss_never_broadcasts(prediction, target):
    """(n, 1) against (n,) would compare every prediction with every target: both shapes are named, and what to do."""
    with pytest.raises(ValueError, match=r"shape") as caught:
        minigrad.mse_loss(Tensor(np.ones(prediction), requires_grad=True), np.ones(target))
    assert str(prediction) in str(caught.value)
    assert str(target) in str(caught.value)
    assert "reshape" in str(caught.value)


@pytest.mark.parametrize("outputs", [1, 3])
def test_mse_divides_by_rows_times_outputs(outputs):
    """The factor is 2 / (rows * outputs): dividing by the rows alone is right for one output, and only for one."""
    yhat, y = np.full((5, outputs), 2.0), np.full((5, outputs), 0.5)
    for form in FORMS.values():
        t = Tensor(yhat, requires_grad=True)
        loss = form.mse(t, y)
        loss.backward()
        assert loss.item() == 2.25
        np.testing.assert_allclose(t.grad, np.full((5, outputs), 2 * 1.5 / (5 * outputs)), rtol=1e-15)
