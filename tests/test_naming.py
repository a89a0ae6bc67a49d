"""minigrad.check names mistakes at steps that are several operations, and says nothing that a coincidence says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_check_corners import made, text_of

from minigrad import check


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def soft(x):
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def pulled(p, g):
    return p * (g - (g * p).sum(-1, keepdims=True))


def gelu(x):
    t = np.tanh(0.8 * (x + 0.04 * x**3))
    return 0.5 * x * (1 + t)


def gelu_without_inner(g, x, y):
    t = np.tanh(0.8 * (x + 0.04 * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t))


def mish(x):
    sp = np.log(1 + np.exp(x))
    return x * np.tanh(sp)


def mish_without_sigmoid(g, x, y):
    t = np.tanh(np.log(1 + np.exp(x)))
    return g * (t + x * (1 - t * t))


def log_of_softmax(x):
    p = soft(x)
    return -(np.log(p) * ONE_HOT).sum()


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def cross_entropy(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()


def correlation(x, w):
    return np.array([(x[i : i + 3] * w).sum() for i in range(4)])


def corner(g, x, y):
    d = np.zeros_like(x)
    d[::2] = g / 2
    return d


def scaled_to_the_side(x):
    """Written into a copy, as a forward of arrays may be."""
    y = x.copy()
    y[x < 0] *= 0.5
    np.add.at(y, ([0, 0], [1, 1]), x[1, :2])
    np.multiply(y, 2, out=y)
    return y


def side_forgotten(g, x, y):
    d = 2 * g
    d[1, :2] += 2 * g[0, 1]
    return d


def row_norm(x):
    m = x.mean(1, keepdims=True)
    s = np.sqrt(((x - m) ** 2).mean(1, keepdims=True))
    return (x - m) / s


def row_norm_sums(g, x, y):
    s = x.std(1, keepdims=True)
    return (g - g.sum(1, keepdims=True) - y * (g * y).sum(1, keepdims=True)) / s


def largest(x):
    return np.array([x[i : i + 2].max() for i in range(0, 6, 2)])


def recurrent(x, w):
    h, found = np.zeros(3), []
    for row in x:
        h = np.tanh(row + h @ w)
        found.append(h)
    return np.stack(found)


def one_step_late(g, x, w, h):
    dx, dw, carry = np.zeros_like(x), np.zeros_like(w), np.zeros(3)
    for k in reversed(range(len(x))):
        dx[k] = (g[k] + carry) * (1 - h[k] ** 2)
        dw += np.outer(h[k], dx[k])
        carry = dx[k] @ w.T
    return dx, dw


def biased(x, b):
    return np.square(x + b).sum()


def by_index(table):
    return table[np.array([0, 1, 1, 1])]


def mean_by_index(g, table, y):
    return np.array([g[0], g[1:].mean(0)])


def added_by_index(g, table, y):
    d = np.zeros_like(table)
    d[np.array([0, 1, 1, 1])] += g / 4
    return d


def over_norm(a):
    return a * (1 / np.sqrt((a * a).sum()))


def sign_lost(g, a, y):
    n = np.sqrt((a * a).sum())
    return g / n + y * (g * a).sum() / n**2


X = np.array([[0.3, -1.2, 0.8], [1.1, 0.4, -0.6]])
P = 1 / (1 + np.exp(-X))
ONE_HOT = np.array([[0.0, 1, 0], [1, 0, 0]])
A = np.array([[2.0, 0.3, -0.5], [1.1, 1.7, 0.2], [-0.4, 0.6, 2.4]])
x6, w3 = np.array([0.7, -1.3, 2.1, 0.2, -0.4, 0.9]), np.array([0.5, -1.0, 2.0])

NAMED = {  # forward, backward, inputs, what is said
    "inner derivative": (gelu, gelu_without_inner, [X], r"of `0.8 \* \(x .* by `x` is missing"),
    "softplus": (mish, mish_without_sigmoid, [X], "the derivative of the softplus of `x`, .* is missing"),
    "log-softmax without its exp": (
        log_softmax,
        lambda g, x, y: g - y * g.sum(-1, keepdims=True),
        [X],
        "stands where the derivative of `np.log",
    ),
    "softmax passed through": (
        log_of_softmax,
        lambda g, x, y: g * -ONE_HOT / soft(x),
        [X],
        "softmax .* is not multiplied in",
    ),
    "softmax twice": (
        log_of_softmax,
        lambda g, x, y: pulled(soft(x), g * (soft(x) - ONE_HOT)),
        [X],
        "softmax .* is multiplied in twice",
    ),
    "gradient of the logits": (
        cross_entropy,
        lambda g, p, t, y: (g * (p - t), g * np.log((1 - p) / p)),
        [P, ONE_HOT],
        r"the gradient times `p` \(1 - `p`\), as if a sigmoid",
    ),
    "divisor not squared": (
        lambda a, b: a / b,
        lambda g, a, b, y: (g / b, -g * a / b),
        [X, P],
        "the quotient rule of .*: `b` is not squared",
    ),
    "own operand, broadcast": (
        lambda a, b: a * b,
        lambda g, a, b, y: (g * a, (g * a).sum(0)),
        [X, w3],
        "given `a` instead of `b`",
    ),
    "sign of a quotient": (over_norm, sign_lost, [x6], "minus of the quotient rule|wrong sign"),
    "every bound is met": (
        lambda x: np.clip(0.2 * x, 0, 1),
        lambda g, x, y: 0.2 * g,
        [np.array([9.0, -3.0, 8.0])],
        "the mask of `np.clip.* is left out",
    ),
    "no flip": (
        correlation,
        lambda g, x, w, y: (np.convolve(g, w[::-1]), np.correlate(x, g)),
        [x6, w3],
        "w the wrong way round along axis 0",
    ),
    "tile for repeat": (
        lambda x: x.reshape(3, 2).sum(1),
        lambda g, x, y: np.tile(g, 2),
        [x6],
        "right numbers, in the wrong places",
    ),
    "2 A x": (
        lambda x, A: x @ A @ x,
        lambda g, x, A, y: (2 * g * A @ x, g * np.outer(x, x)),
        [w3, A],
        "right only where A is symmetric",
    ),
    "ones for the identity": (np.trace, lambda g, A, y: g * np.ones_like(A), [A], "is not 0 where it does not"),
    "one of a window": (
        lambda x: np.array([x[i : i + 2].mean() for i in range(0, 6, 2)]),
        corner,
        [x6],
        "3 of 6 of their partial derivatives are left out",
    ),
    "a forward that writes": (scaled_to_the_side, side_forgotten, [X], "x < 0"),
    "sums for means": (row_norm, row_norm_sums, [X], r"two paths count .* = 3 times too much: a sum where a mean"),
    "spread over a window": (largest, lambda g, x, y: np.repeat(g, 2) / 2, [x6], "spread evenly, as of a mean"),
    "all of a window": (largest, lambda g, x, y: np.repeat(g, 2), [x6], "every entry gets the whole cotangent"),
    "h[t] for h[t - 1]": (
        recurrent,
        one_step_late,
        [np.vstack([X, X * X]), A],
        "given the `h` of the next step of the loop",
    ),
    "one row of a bias": (biased, lambda g, x, b, y: (2 * g * (x + b), 2 * g * (x + b)[0]), [X, w3], "only the first"),
    "all of a bias": (
        biased,
        lambda g, x, b, y: (2 * g * (x + b), np.full(3, 2 * g * (x + b).sum())),
        [X, w3],
        "the sum of the gradient over everything",
    ),
    "mean of the uses": (by_index, mean_by_index, [X], "are used up to 3 times.* and do not divide"),
    "mean of a batch": (
        lambda a, b: a @ b,
        lambda g, a, b, y: (g @ b.T, (a.swapaxes(1, 2) @ g).mean(0)),
        [np.stack([X, X * X]), A],
        "a mean is taken where a sum belongs",
    ),
    "logarithm of 2": (np.exp2, lambda g, x, y: g * y, [X], "multiply by ln 2.*ln 2 is missing in the derivative"),
    "degrees": (lambda x: np.sin(np.deg2rad(x)), lambda g, x, y: g * np.cos(np.deg2rad(x)), [X], "divide by 180/π"),
    "power rule of 2 ** x": (np.exp2, lambda g, x, y: g * x * y / 2, [X], "the power rule is applied to"),
    "exponent not lowered": (
        lambda a, b: a**b,
        lambda g, a, b, y: (g * b * y, g * y * np.log(a)),
        [P, X],
        "power rule of .* the exponent is not lowered by one",
    ),
    "at the negative": (
        lambda x: x * np.logaddexp(0, x),
        lambda g, x, y: g * (np.log1p(np.exp(x)) + x / (1 + np.exp(x))),
        [X],
        "is taken at -`x` instead of `x`",
    ),
    "the input for the mask": (
        lambda x: np.maximum(x, 0),
        lambda g, x, y: g * np.maximum(x, 0),
        [X],
        r"`np.maximum\(x, 0\)` stands where the derivative",
    ),
    "padding kept": (
        lambda x: np.convolve(x, w3, "valid"),
        lambda g, x, y: np.pad(np.convolve(g, w3[::-1]), (1, 0))[:6],
        [x6],
        "moved by 1 along axis 0",
    ),
    "at a singular point": (
        lambda x: np.sqrt(x * x) * np.exp(x),
        lambda g, x, y: g * y,
        [np.array([0.0, 0.7, -1.3])],
        "path through",
    ),
    "bound forgotten": (
        lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
        lambda g, x, y: g * np.where(x < -3, 0, (2 * x + 3) / 6),
        [np.array([-4.0, -1, 2, 4.5, 7])],
        "6, the bound of .* is not in the backward",
    ),
    "an index twice": (
        lambda table: by_index(table).mean(0),
        added_by_index,
        [X],
        r"only the last is kept where a sum belongs: add them up, with np.add.at",
    ),
    "softmax given its input": (
        soft,
        lambda g, x, y: y * g - x * (g * y).sum(-1, keepdims=True),
        [X],
        r"is y_i \(δ_ij - x_j\) in the backward",
    ),
    "operands exchanged": (
        np.arctan2,
        lambda g, a, b, y: (g * a / (a * a + b * b), -g * a / (a * a + b * b)),
        [X, P],
        "dx1: the derivative of the arctan2 takes `x1` for `x2`, and `x2` for `x1`",
    ),
    "cropped on one side": (
        lambda x: 2 * x,
        lambda g, x, y: np.pad(2 * g, ((1, 0), (1, 0)))[:4, :4],
        [np.arange(1.0, 17).reshape(4, 4) ** 1.5],
        "moved by 1 along axis 0 and 1",
    ),
    "an operation of LAPACK": (
        np.linalg.det,
        lambda g, A, y: g * np.linalg.inv(A).T,
        [A],
        r"1/.* times the gradient",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_said(name):
    forward, backward, inputs, words = NAMED[name]
    report = check((forward, lambda g, *xs: backward(g, *xs, forward(*xs))), inputs)
    assert re.search(words, text_of(report)), text_of(report)


def test_a_slope_that_is_one_number_is_of_no_place():
    clipped = made(lambda x: np.clip(0.2 * x + 0.5, 0, 1), lambda g, x, y: 0.2 * g)
    text = text_of(check(clipped, signature="()->()"))
    assert "np.clip" in text
    assert "earlier call" not in text
    assert "output y" not in text


def test_a_region_that_other_draws_contradict_is_not_named():
    """Of numbers near 1e4 those above 0 are those above 3."""
    wrong = made(lambda x: x * x, lambda g, x, y: 2 * g * np.where(x > 3, 0.9 * x, x))
    text = text_of(check(wrong, signature="()->()"))
    assert "x is large" in text
    assert "x > 0" not in text


def test_a_forward_that_widens_has_wide_gradients():
    """np.sqrt(2) is a float64 to which float32 gives way: the forward's own width is no fault of the backward."""
    c = np.sqrt(2)
    assert check(made(lambda x: c * x, lambda g, x, y: c * g), signature="()->()")
    narrow = check(made(lambda x: 2 * x, lambda g, x, y: c * g * np.sqrt(2)), signature="()->()")
    assert [fault.kind for fault in narrow.faults] == ["dtype"]
