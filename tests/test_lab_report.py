"""A student's training loops for linear regression, typed as for PyTorch, and the numbers they must give."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from students import linear_of, mse_of

import minigrad
from minigrad import Function, Tensor, lab


@pytest.fixture(scope="module")
def california():
    """All rows, features standardised, targets as a column."""
    table = lab.load("california")
    return StandardScaler().fit_transform(table.features), table.targets


# The loop: the gradient of the whole table or of a part of it, clipped or not, and an update outside the tape.


def descent(loss_of, x, y, lr, epochs, batch_size, clip=np.inf):
    rng = np.random.default_rng(0)
    w = Tensor(np.zeros((x.shape[1], y.shape[1])), requires_grad=True)
    b = Tensor(np.zeros(y.shape[1]), requires_grad=True)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for i in range(0, len(x), batch_size):
            rows = order[i : i + batch_size]
            loss_of(x[rows], y[rows], w, b).backward()
            clip_grad_norm([w, b], clip)
            with minigrad.no_grad():
                w -= lr * w.grad
                b -= lr * b.grad
            w.zero_grad()
            b.zero_grad()
    return w, b


def clip_grad_norm(parameters, most):
    norm = np.sqrt(sum((p.grad**2).sum() for p in parameters))
    if norm > most:
        for p in parameters:
            p.grad *= most / norm


# Primitive operations, or two Functions of one's own.


def primitives(x, y, w, b):
    return ((x @ w + b - y) ** 2).mean()


linear, mse = linear_of(Function).apply, mse_of(Function).apply


def functions(x, y, w, b):
    return mse(linear(x, w, b), y)


def test_batch_loop(california):
    x, y = california
    w, b = descent(primitives, x, y, lr=0.01, epochs=100, batch_size=len(x))
    assert primitives(x, y, w, b).item() == pytest.approx(0.7113954793601069, rel=1e-12)
    assert w.requires_grad
    assert b.grad is None


def test_batch_loop_with_several_outputs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 13)), rng.normal(size=(50, 3))
    w, b = descent(primitives, x, y, lr=0.5, epochs=2000, batch_size=len(x))
    exact = lab.LeastSquares(x, y)
    np.testing.assert_allclose(w.numpy(), exact.weights, rtol=1e-9)
    np.testing.assert_allclose(b.numpy(), exact.bias, rtol=1e-9)


def test_functions_give_the_batch_loop_too(california):
    x, y = california
    w, b = descent(functions, x, y, lr=0.01, epochs=100, batch_size=len(x))
    assert functions(x, y, w, b).item() == pytest.approx(0.7113954793601069, rel=1e-12)


@pytest.mark.parametrize(("lr", "batch_size", "every", "most"), [(1e-3, 1, 5, 1.4), (2e-2, 32, 1, 1.1)])
def test_sgd_and_minibatch_loops(california, lr, batch_size, every, most):
    x, y = california[0][::every].clip(-5, 5), california[1][::every]
    w, b = descent(functions, x, y, lr, epochs=3, batch_size=batch_size, clip=1.0)
    loss, optimum = functions(x, y, w, b).item(), lab.LeastSquares(x, y).mse
    assert optimum < loss < most * optimum  # clipping the norm pulls a single row's steps towards the median


def test_unclipped_sgd_on_unclipped_features_explodes(california):
    """Standardising is not enough on this table; clipping the gradient's norm holds what else explodes."""
    x, y = california
    with np.errstate(all="ignore"):
        wild, b = descent(functions, x, y, lr=1e-2, epochs=1, batch_size=1)
        assert not functions(x, y, wild, b).item() < 100
    tame, b = descent(functions, x, y, lr=1e-4, epochs=1, batch_size=1, clip=1.0)
    assert functions(x, y, tame, b).item() < 3


def test_shapes_that_silently_broadcast_are_refused(california):
    """Weights of shape (8,) predict (n,), and (n,) minus targets of (n, 1) would be (n, n)."""
    x, y = california
    w = Tensor(np.zeros(8), requires_grad=True)
    with pytest.raises(ValueError, match=r"\(20640,\).*\(20640, 1\)"):
        minigrad.mse_loss(x @ w, y)
