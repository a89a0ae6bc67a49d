"""remat: the same numbers of any order, of less memory."""

import tracemalloc

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, gradients, no_grad, remat, source

RNG = np.random.default_rng(0)
W = Tensor(RNG.normal(size=(3, 3)), requires_grad=True)
X = RNG.normal(size=(2, 3))


def block(x):
    return np.tanh(x @ W) * np.sin(x)


def leaf(x=X):
    return Tensor(x, requires_grad=True)


@pytest.mark.parametrize("blocks", [1, 3])
def test_three_orders_through_a_chain_that_shares_a_parameter(blocks):
    def orders(step):
        x = leaf()
        y = x
        for _ in range(blocks):
            y = step(y)
        value, found = (y * y).sum(), []
        for _ in range(3):
            slopes = gradients(value, [x, W], create_graph=True)
            found += [g.data for g in slopes]
            value = sum((g * g).sum() for g in slopes)
        return found

    for got, right in zip(orders(remat(block)), orders(block), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-12)


def test_nested_arguments_and_results():
    def several(x, parts, *, scale):
        return {"a": x * parts["w"], "n": scale, "mask": x > 0}, np.exp(x[0])

    x, w = leaf(), leaf(RNG.normal(size=3))
    found, row = remat(several)(x, {"w": w, "other": None}, scale=3)
    assert found["n"] == 3
    assert not found["mask"].requires_grad
    loss = (found["a"] * found["mask"]).sum() + row.sum()
    loss.backward()
    np.testing.assert_allclose(w.grad, (X * (X > 0)).sum(0))
    np.testing.assert_allclose(x.grad, w.data * (X > 0) + np.exp(X) * [[1], [0]])


def test_the_peak_of_a_chain_falls():
    def peak(step):
        x, w = leaf(np.ones((50, 100))), leaf(np.eye(100))
        tracemalloc.start()
        y = x
        for _ in range(20):
            y = step(y, w)
        y.sum().backward()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def step(x, w):
        return np.tanh(np.sin(np.exp(-((x @ w) ** 2)) * x) + x)

    peak(step)
    assert peak(remat(step)) < peak(step) / 2


def test_chance_from_a_generator_that_is_an_argument():
    def dropped(x, rng):
        return x * (rng.random(x.shape) > 0.5)

    x = leaf(np.ones((4, 4)))
    y = remat(dropped)(x, rng := np.random.default_rng(3))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)
    again = remat(lambda x: dropped(x, rng))(x)
    with pytest.raises(RuntimeError, match=r"remat: <lambda> gave other numbers.*argument"):
        again.sum().backward()


def test_what_it_does_not_take():
    x = leaf()
    z = 2 * x
    with pytest.raises(ValueError, match=r"remat: <lambda> uses the multiply of shape \(2, 3\).*make it one"):
        remat(lambda x: x * z)(x)
    y = remat(block)(x).sum()
    before = W.data
    W.data = before.copy()
    with pytest.raises(RuntimeError, match=r"the leaf of shape \(3, 3\).*were rebound"):
        y.backward()
    W.data = before


def test_no_node_where_none_is_needed():
    with no_grad():
        assert not remat(block)(leaf()).requires_grad
    assert not remat(np.sin)(Tensor(X)).requires_grad


def test_in_transforms_programs_and_views():
    def loss(x):
        return remat(block)(x).sum()

    got, right = (minigrad.hessian(f)(X).detach() for f in (loss, lambda x: block(x).sum()))  # W is differentiable
    np.testing.assert_allclose(got, right, rtol=1e-12)
    _, slope = minigrad.compile(loss, grad_of=0)(X)
    x = leaf()
    total = loss(x)
    total.backward()
    np.testing.assert_allclose(slope, x.grad, rtol=1e-12)
    assert "np.tanh(x @ W) * np.sin(x)" in str(source(total))
    table = str(minigrad.table(total))  # the sweep inside of the node is none of its steps
    assert "Remat(block, x, W)" in table
    assert "tanh" not in table
    with minigrad.strict():
        loss(x).backward()
