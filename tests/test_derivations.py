"""docs/derivations.md, line by line: each formula against its definition and against the tape.

The definitions are polynomials of degree at most 2 in any one entry, and for those the central difference with step 1
*is* the derivative. Taken in rational arithmetic it has no rounding either: the formulas must hold exactly. The three
dimensions are distinct primes, so that no sum over the wrong axis and no wrong divisor can go unnoticed.
"""

from fractions import Fraction

import numpy as np
import pytest

from minigrad import Tensor, gradients, linear, mse_loss, square

n, p, q = 5, 2, 3
N = n * q
ROWS, FEATURES, OUTPUTS = range(n), range(p), range(q)


def exact(shape, seed):
    """Small random integers as fractions."""
    integers = np.random.default_rng(seed).integers(-9, 10, shape)
    return np.vectorize(Fraction, otypes=[object])(integers)


def slopes(f, *arguments, of):
    """The derivative of the number `f(*arguments)` to every entry of argument number `of`: exact up to degree 2."""
    found = np.empty(arguments[of].shape, object)
    for entry in np.ndindex(found.shape):
        above, below = ([a.copy() for a in arguments] for _ in range(2))
        above[of][entry] += 1
        below[of][entry] -= 1
        found[entry] = (f(*above) - f(*below)) / 2
    return found


def on_the_tape(function, *arguments, cotangent=1.0):
    """The gradients to all arguments as the engine computes them, in float64."""
    leaves = [Tensor(np.asarray(a, float), requires_grad=True) for a in arguments]
    result = function(*leaves)
    return [g.numpy() for g in gradients(result, leaves, gradient=np.full(result.shape, cotangent, float))]


def assert_equal(found, wanted):
    """Equal, exactly among fractions; what the tape computed, up to rounding: a few eps of the largest entry."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    if found.dtype == wanted.dtype == object:
        assert (found == wanted).all()
    else:
        wanted = wanted.astype(float)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=8 * np.finfo(float).eps * np.abs(wanted).max())


# ----------------------------------------------------------------------------------------------------- definitions
def definition_of_linear(X, W, b):
    """Ŷ_ik = Σ_j X_ij W_jk + b_k, in Python's sums."""
    rows, outputs = range(X.shape[0]), range(W.shape[1])
    bias = np.broadcast_to(b, W.shape[1])
    Yhat = [[add_up(X[i, j] * W[j, k] for j in range(len(W))) + bias[k] for k in outputs] for i in rows]
    return np.array(Yhat, object)


def definition_of_mse(Yhat, Y):
    """L = (1/N) Σ_i Σ_k (Ŷ_ik - Y_ik)²."""
    entries = list(np.ndindex(Y.shape))
    return add_up((Yhat[e] - Y[e]) ** 2 for e in entries) / Fraction(len(entries))


def add_up(terms):
    total = Fraction(0)
    for term in terms:
        total += term
    return total


def weighted_linear(G):
    """A loss of which G is the cotangent of Ŷ: Σ_ik G_ik Ŷ_ik."""
    return lambda X, W, b: add_up(G[i, k] * Y for (i, k), Y in np.ndenumerate(definition_of_linear(X, W, b)))


X, W, b, Y = exact((n, p), 1), exact((p, q), 2), exact((q,), 3), exact((n, q), 4)
Yhat = definition_of_linear(X, W, b)
G = exact((n, q), 5)  # any cotangent of Ŷ: Linear's formulas hold whatever loss follows


# --------------------------------------------------------------------------------- the rule that everything uses
def test_chain_rule():
    A, c, x = exact((q, p), 6), exact((q,), 7), exact((p,), 8)
    y = A @ x
    ybar = slopes(lambda y: add_up(c * y**2), y, of=0)
    jacobian = np.array([slopes(lambda x, k=k: (A @ x)[k], x, of=0) for k in OUTPUTS])  # ∂h_k/∂x_i at [k, i]
    xbar = slopes(lambda x: add_up(c * (A @ x) ** 2), x, of=0)
    assert_equal(xbar, [add_up(ybar[k] * jacobian[k, i] for k in OUTPUTS) for i in FEATURES])
    (found,) = on_the_tape(lambda x: (c.astype(float) * square(A.astype(float) @ x)).sum(), x)
    assert_equal(found, xbar)


# ------------------------------------------------------------------------------------------- one row, one output
def scalar_prediction(x, w, b):
    return add_up(x * w) + b[()]


def scalar_loss(yhat, y):
    return (yhat[()] - y[()]) ** 2


@pytest.fixture
def scalars():
    """x (p,), w (p,), b (), y () and the prediction ŷ ()."""
    x, w, b, y = exact((p,), 10), exact((p,), 11), exact((), 12), exact((), 13)
    return x, w, np.array(b, object), np.array(y, object), np.array(add_up(x * w) + b, object)


def test_scalar_loss_to_prediction(scalars):
    *_, y, yhat = scalars
    formula = 2 * (yhat - y)
    assert_equal(slopes(scalar_loss, yhat, y, of=0), np.array(formula, object))
    assert_equal(on_the_tape(mse_loss, yhat, y)[0], formula)


def test_scalar_loss_to_target(scalars):
    *_, y, yhat = scalars
    formula = -2 * (yhat - y)
    assert_equal(slopes(scalar_loss, yhat, y, of=1), np.array(formula, object))
    assert_equal(on_the_tape(mse_loss, yhat, y)[1], formula)


def test_scalar_linear(scalars):
    x, w, b, _, _ = scalars
    found = on_the_tape(linear, x.reshape(1, p), w.reshape(p, 1), b)
    for i, formula in enumerate((w, x, np.array(Fraction(1), object))):
        assert_equal(slopes(scalar_prediction, x, w, b, of=i), formula)
        assert_equal(found[i].reshape(formula.shape), formula)


def test_scalar_chain(scalars):
    x, w, b, y, yhat = scalars

    def loss(x, w, b):
        return (scalar_prediction(x, w, b) - y[()]) ** 2

    def loss_on_the_tape(x, w, b):
        return mse_loss(linear(x.reshape(1, p), w.reshape(p, 1), b), y.astype(float).reshape(1, 1))

    found = on_the_tape(loss_on_the_tape, x, w, b)
    d = 2 * (yhat - y)
    for i, formula in enumerate((d * w, d * x, np.array(d, object))):
        assert_equal(slopes(loss, x, w, b, of=i), formula)
        assert_equal(found[i], formula)


# ------------------------------------------------------------------------------------------------ entry by entry
def by_entry(shape, formula):
    """The array whose entry [i, k] is formula(i, k)."""
    found = np.empty(shape, object)
    for entry in np.ndindex(*shape):
        found[entry] = formula(*entry)
    return found


def test_mse_to_prediction():
    formula = by_entry((n, q), lambda i, k: Fraction(2, N) * (Yhat[i, k] - Y[i, k]))
    assert_equal(slopes(definition_of_mse, Yhat, Y, of=0), formula)
    assert_equal(on_the_tape(mse_loss, Yhat, Y)[0], formula)


def test_mse_to_target():
    formula = by_entry((n, q), lambda i, k: -Fraction(2, N) * (Yhat[i, k] - Y[i, k]))
    assert_equal(slopes(definition_of_mse, Yhat, Y, of=1), formula)
    assert_equal(on_the_tape(mse_loss, Yhat, Y)[1], formula)


def test_linear_to_input():
    formula = by_entry((n, p), lambda i, j: add_up(G[i, k] * W[j, k] for k in OUTPUTS))
    assert_equal(slopes(weighted_linear(G), X, W, b, of=0), formula)
    assert_equal(linear_on_the_tape(b)[0], formula)


def test_linear_to_weight():
    formula = by_entry((p, q), lambda j, k: add_up(X[i, j] * G[i, k] for i in ROWS))
    assert_equal(slopes(weighted_linear(G), X, W, b, of=1), formula)
    assert_equal(linear_on_the_tape(b)[1], formula)


def test_linear_to_bias():
    formula = by_entry((q,), lambda k: add_up(G[i, k] for i in ROWS))
    assert_equal(slopes(weighted_linear(G), X, W, b, of=2), formula)
    assert_equal(linear_on_the_tape(b)[2], formula)


@pytest.mark.parametrize("shape", [(1,), ()])
def test_linear_to_a_bias_of_one_entry(shape):
    bias = np.full(shape, Fraction(3), object)
    formula = np.full(shape, add_up(G[i, k] for i in ROWS for k in OUTPUTS), object)
    assert_equal(slopes(weighted_linear(G), X, W, bias, of=2), formula)
    assert_equal(linear_on_the_tape(bias)[2], formula)


def linear_on_the_tape(bias):
    """The gradients of Linear to X, W and `bias`, for the cotangent G."""
    return on_the_tape(lambda X, W, b: (linear(X, W, b) * G.astype(float)).sum(), X, W, bias)


# --------------------------------------------------------------------------------------------------- as matrices
@pytest.mark.parametrize("Lbar", [Fraction(1), Fraction(-3), Fraction(5, 4)])
def test_matrix_mse(Lbar):
    formula = 2 * Lbar / N * (Yhat - Y)

    def scaled(Yhat, Y):
        return Lbar * definition_of_mse(Yhat, Y)

    found = on_the_tape(mse_loss, Yhat, Y, cotangent=float(Lbar))
    assert_equal(slopes(scaled, Yhat, Y, of=0), formula)
    assert_equal(slopes(scaled, Yhat, Y, of=1), -formula)
    assert_equal(found[0], formula)
    assert_equal(found[1], -formula)


def test_matrix_linear():
    ones = np.full((1, n), Fraction(1), object)
    for i, formula in enumerate((G @ W.T, X.T @ G, (ones @ G).reshape(q))):
        assert_equal(slopes(weighted_linear(G), X, W, b, of=i), formula)
        assert_equal(linear_on_the_tape(b)[i], formula)


def test_matrix_chain():
    ones = np.full((1, n), Fraction(1), object)
    E = X @ W + b - Y

    def loss(W, b):
        return definition_of_mse(definition_of_linear(X, W, b), Y)

    found = on_the_tape(lambda W, b: mse_loss(linear(X.astype(float), W, b), Y.astype(float)), W, b)
    for i, formula in enumerate((Fraction(2, N) * X.T @ E, Fraction(2, N) * (ones @ E).reshape(q))):
        assert_equal(slopes(loss, W, b, of=i), formula)
        assert_equal(found[i], formula)
