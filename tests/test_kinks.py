"""What the derivative is where there is none: a table of agreed answers, torch's.

At a tie, a kink or the edge of a domain the derivative is a convention. Each row is one: what the operation, its
gradients and their derivatives are there (the cotangent is 1). At a tie or a kink the second derivative is that of the
pieces; where the function is singular it is the true one or nan, and no number of a guard's. Elsewhere nothing is
filtered away: the strategies draw zeros and ties all the time, and where torch and minigrad have one answer anyway no
row is needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import counterpart, exact
from torch.nn import functional as F

import minigrad
from minigrad import Tensor, gradients
from minigrad.ops.registry import REGISTRY

inf, nan = np.inf, np.nan

TABLE = [
    # operation, inputs, value, gradients, second derivatives: rows and columns are the entries of all inputs
    ("maximum", (2.0, 2.0), 2.0, (0.5, 0.5), 0.0),  # a tie is split
    ("maximum", (inf, inf), inf, (0.5, 0.5), 0.0),
    ("maximum", (0.0, -0.0), 0.0, (0.5, 0.5), 0.0),
    ("power", (0.0, 0.0), 1.0, (0.0, 0.0), [[nan, nan], [nan, 0.0]]),  # x**0 is the constant 1, also at 0
    ("power", (0.0, 1.0), 0.0, (1.0, 0.0), [[0.0, nan], [nan, 0.0]]),  # 0**b is the constant 0 for b > 0
    ("power", (0.0, 2.0), 0.0, (0.0, 0.0), [[2.0, 0.0], [nan, 0.0]]),
    ("power", (0.0, 0.5), 0.0, (inf, 0.0), [[-inf, nan], [nan, 0.0]]),
    ("power", (-2.0, 3.0), -8.0, (12.0, nan), [[-12.0, nan], [nan, nan]]),  # to the exponent there is none
    ("power", (-2.0, 0.0), 1.0, (0.0, nan), [[0.0, -0.5], [nan, nan]]),
    ("power", (-2.0, 0.5), nan, (nan, nan), [[nan, nan], [nan, nan]]),
    ("sqrt", (0.0,), 0.0, (inf,), -inf),  # a vertical tangent
    ("sqrt", (-1.0,), nan, (nan,), nan),
    ("log", (0.0,), -inf, (inf,), -inf),
    ("log", (-1.0,), nan, (-1.0,), -1.0),
    ("divide", (1.0, 0.0), inf, (inf, -inf), [[0.0, -inf], [-inf, inf]]),
    ("divide", (0.0, 0.0), nan, (inf, nan), [[0.0, -inf], [-inf, nan]]),
    ("exp", (1000.0,), inf, (inf,), inf),  # overflow
    ("exp", (-1000.0,), 0.0, (0.0,), 0.0),
    ("tanh", (1000.0,), 1.0, (0.0,), 0.0),  # saturation
    ("tanh", (-inf,), -1.0, (0.0,), 0.0),
    ("square", (0.0,), 0.0, (0.0,), 2.0),
    ("l1_loss", (2.0, 2.0), 0.0, (0.0, 0.0), 0.0),
    ("huber_loss", (3.0, 2.0), 0.5, (1.0, -1.0), 0.0),  # where the parabola meets the line
    ("smooth_l1_loss", (3.0, 2.0), 0.5, (1.0, -1.0), 0.0),
    ("hinge_embedding_loss", (1.0, -1.0), 0.0, (-1.0, 0.0), 0.0),  # at the margin it still is the slope inside
    (
        "margin_ranking_loss",
        (1.0, 1.0, 1.0),
        0.0,
        (-1.0, 1.0, 0.0),
        [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [-1.0, 1.0, 0.0]],
    ),
    ("soft_margin_loss", (-1000.0, 1.0), 1000.0, (-1.0, 1000.0), [[0.0, -1.0], [-1.0, 0.0]]),
    ("binary_cross_entropy", (0.0, 0.0), 0.0, (0.0, inf), [[nan, nan], [-inf, 0.0]]),
    ("binary_cross_entropy", (1.0, 1.0), 0.0, (0.0, -inf), [[nan, nan], [-inf, 0.0]]),
    ("minimum", (2.0, 2.0), 2.0, (0.5, 0.5), 0.0),
    ("minimum", (-inf, -inf), -inf, (0.5, 0.5), 0.0),
    ("abs", (0.0,), 0.0, (0.0,), 0.0),
    ("sign", (0.0,), 0.0, (0.0,), 0.0),
    ("relu", (0.0,), 0.0, (0.0,), 0.0),
    ("leaky_relu", (0.0,), 0.0, (0.01,), 0.0),  # zero belongs to the negative side
    ("elu", (0.0,), 0.0, (1.0,), 0.0),
    ("elu", (-1000.0,), -1.0, (0.0,), 0.0),
    ("elu", (1000.0,), 1000.0, (1.0,), 0.0),
    ("softplus", (20.0,), 20.000000002061153, (0.9999999979388464,), 2.061153613941851e-09),  # the threshold
    ("softplus", (1000.0,), 1000.0, (1.0,), 0.0),
    ("softplus", (-1000.0,), 0.0, (0.0,), 0.0),
    ("sigmoid", (1000.0,), 1.0, (0.0,), 0.0),
    ("sigmoid", (-1000.0,), 0.0, (0.0,), 0.0),
    ("expm1", (-inf,), -1.0, (0.0,), 0.0),
    ("log1p", (-1.0,), -inf, (inf,), -inf),
    ("arctan", (inf,), np.pi / 2, (0.0,), nan),
    ("arcsin", (1.0,), np.pi / 2, (inf,), inf),
    ("arcsin", (-1.0,), -np.pi / 2, (inf,), -inf),
    ("arccos", (1.0,), 0.0, (-inf,), -inf),
    ("arccosh", (1.0,), 0.0, (inf,), -inf),
    ("arctanh", (1.0,), inf, (inf,), inf),
    ("arctan2", (0.0, 0.0), 0.0, (0.0, 0.0), [[nan, nan], [nan, nan]]),
    ("arctan2", (0.0, -1.0), np.pi, (-1.0, 0.0), [[0.0, -1.0], [-1.0, 0.0]]),
    ("hypot", (0.0, 0.0), 0.0, (nan, nan), [[nan, nan], [nan, nan]]),
    ("cbrt", (0.0,), 0.0, (inf,), nan),  # a vertical tangent, with a curvature of either sign
    ("reciprocal", (0.0,), inf, (-inf,), inf),
    ("logaddexp", (-inf, 0.0), 0.0, (0.0, 1.0), 0.0),
    ("logaddexp", (-inf, -inf), -inf, (nan, nan), [[nan, nan], [nan, nan]]),
    ("remainder", (3.0, 1.5), 0.0, (1.0, -2.0), 0.0),  # a jump: as on its right side
    ("remainder", (-3.5, 2.0), 0.5, (1.0, 2.0), 0.0),
    ("fmod", (3.0, 1.5), 0.0, (1.0, -2.0), 0.0),
    ("fmod", (-3.5, 2.0), -1.5, (1.0, 1.0), 0.0),
    ("fmax", (1.0, 1.0), 1.0, (1.0, 0.0), 0.0),  # a tie is the first one's, unlike that of maximum
    ("fmax", (nan, 1.0), 1.0, (0.0, 1.0), 0.0),
    ("fmin", (1.0, 1.0), 1.0, (1.0, 0.0), 0.0),
    ("copysign", (0.0, -1.0), -0.0, (0.0, 0.0), 0.0),
    ("floor", (2.0,), 2.0, (0.0,), 0.0),
    ("heaviside", (0.0, 0.5), 0.5, (0.0, 1.0), 0.0),
    ("nan_to_num", (nan,), 0.0, (0.0,), 0.0),
    ("hardtanh", (1.0,), 1.0, (0.0,), 0.0),
    ("hardtanh", (-1.0,), -1.0, (0.0,), 0.0),
    ("logsigmoid", (-1000.0,), -1000.0, (1.0,), 0.0),
    ("softsign", (0.0,), 0.0, (1.0,), 0.0),
    ("silu", (-1000.0,), 0.0, (0.0,), 0.0),
    ("mish", (1000.0,), 1000.0, (1.0,), 0.0),
    ("gelu", (-1000.0,), 0.0, (0.0,), 0.0),
    ("clip", (-1.0, -1.0, 1.0), -1.0, (1.0, 0.0, 0.0), 0.0),  # at a bound it is the input's
    ("clip", (1.0, -1.0, 1.0), 1.0, (1.0, 0.0, 0.0), 0.0),
    ("clip", (3.0, -1.0, 1.0), 1.0, (0.0, 0.0, 1.0), 0.0),
    ("clip", (1.0, 2.0, 1.0), 1.0, (0.0, 0.0, 1.0), 0.0),  # crossed bounds: the upper one
    ("max", ([2.0, 2.0, 1.0],), 2.0, ([0.5, 0.5, 0.0],), 0.0),
    ("max", ([1.0, nan, 2.0],), nan, ([nan, nan, nan],), [[nan, nan, nan], [nan, nan, nan], [nan, nan, nan]]),
    ("min", ([2.0, 1.0, 1.0],), 1.0, ([0.0, 0.5, 0.5],), 0.0),
    ("prod", ([0.0, 3.0, 2.0],), 0.0, ([6.0, 0.0, 0.0],), [[0.0, 2.0, 3.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]]),
    ("prod", ([0.0, 0.0, 2.0],), 0.0, ([0.0, 0.0, 0.0],), [[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    ("nanmax", ([2.0, nan, 2.0],), 2.0, ([0.5, 0.0, 0.5],), 0.0),
    ("nanmin", ([1.0, nan, 2.0],), 1.0, ([1.0, 0.0, 0.0],), 0.0),
    ("norm", ([0.0, 0.0],), 0.0, ([0.0, 0.0],), [[nan, nan], [nan, nan]]),
    ("std", ([3.0, 3.0],), 0.0, ([0.0, 0.0],), [[nan, nan], [nan, nan]]),
    ("entr", (0.0,), 0.0, (inf,), -inf),
    ("xlogy", (0.0, 0.0), 0.0, (0.0, nan), [[0.0, nan], [inf, nan]]),  # 0 for all b, and there is no ln 0
    ("xlog1py", (0.0, -1.0), 0.0, (0.0, nan), [[0.0, nan], [inf, nan]]),
    ("ndtr", (-1000.0,), 0.0, (0.0,), 0.0),
    ("log_ndtr", (1000.0,), -0.0, (0.0,), 0.0),
    ("logit", (0.0,), -inf, (inf,), nan),
    ("erfinv", (1.0,), inf, (inf,), inf),
    ("ndtri", (0.0,), -inf, (inf,), -inf),
    ("gammaln", (0.0,), inf, (-inf,), inf),
    ("rel_entr", (0.0, 0.0), 0.0, (nan, nan), [[nan, nan], [-inf, nan]]),
    ("logsumexp", ([1000.0, -1000.0],), 1000.0, ([1.0, 0.0],), 0.0),
    ("logsumexp", ([-inf, 0.0],), 0.0, ([0.0, 1.0],), 0.0),
    ("logsumexp", ([-inf, -inf],), -inf, ([nan, nan],), [[nan, nan], [nan, nan]]),
    ("logsumexp", ([inf, 0.0],), inf, ([nan, 0.0],), [[nan, nan], [nan, nan]]),
]


TORCH_DIFFERS = {  # to second order; and where it has a number, nan may stand here
    "copysign": "it divides by the 0 whose sign is changed",
    "logaddexp": "it has nan where one of the two is -inf",
    "mish": "it has nan where the exponential overflows",
    "power": "it has nan where 0**b is 0 for all b > 0, and the mixed derivative by (-2, 0) once as nan",
    "softplus": "at the threshold it has the slope of the left side and the curvature of the right one",
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's words for 1/0 and overflow
@pytest.mark.parametrize(("name", "inputs", "value", "slopes", "second"), TABLE, ids=lambda v: str(v).replace(" ", ""))
def test_agreed_answers(name, inputs, value, slopes, second):
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = REGISTRY[name].function(*leaves)
    np.testing.assert_array_equal(y.data, value)
    for g, slope in zip(slopes_of(y, leaves), slopes, strict=True):
        np.testing.assert_array_equal(g, slope)
    curvature = curvature_of(y, leaves)
    np.testing.assert_array_equal(curvature, np.broadcast_to(second, curvature.shape))

    twins = [exact(np.array(x), requires_grad=True) for x in inputs]
    want = counterpart(name)(*twins)
    np.testing.assert_array_equal(want.item(), value, "torch has another value: the table is out of date")
    theirs = torch.autograd.grad(want, twins, create_graph=True, materialize_grads=True)
    for t, slope in zip(theirs, slopes, strict=True):
        np.testing.assert_array_equal(t.numpy(force=True), slope, "torch has another gradient")
    if name not in TORCH_DIFFERS:
        entries = [entry for t in theirs for entry in t.reshape(-1)]
        rows = [flat(torch.autograd.grad(e, twins, retain_graph=True, materialize_grads=True)) if e.requires_grad else 0
                for e in entries]  # fmt: skip
        for row, right in zip(rows, curvature, strict=True):
            known = np.where(np.isnan(right), np.nan, row)
            np.testing.assert_array_equal(known, right, "torch has other second derivatives")


def flat(grads):
    return np.concatenate([np.ravel(g.numpy(force=True)) for g in grads])


def curvature_of(y, leaves):
    """The second derivatives, a row for each entry of the leaves."""
    size = sum(x.size for x in leaves)
    if not y.requires_grad:
        return np.zeros((size, size))
    rows = []
    slopes = gradients(y, leaves, create_graph=True, allow_unused=True)
    slopes = [Tensor(np.zeros(x.shape)) if g is None else g for g, x in zip(slopes, leaves, strict=True)]
    for entry in [entry for g in slopes for entry in g.reshape(-1)]:
        found = gradients(entry, leaves, allow_unused=True) if entry.requires_grad else [None] * len(leaves)
        zeros = [np.zeros(x.shape) if g is None else g.data for g, x in zip(found, leaves, strict=True)]
        rows.append(np.concatenate([g.reshape(-1) for g in zeros]))
    return np.array(rows)


def slopes_of(y, leaves):
    """The gradients of y, 0 where none reaches a leaf."""
    if not y.requires_grad:
        return [np.zeros(x.shape) for x in leaves]
    found = gradients(y, leaves, allow_unused=True)
    return [np.zeros(x.shape) if g is None else g.data for g, x in zip(found, leaves, strict=True)]


def test_the_cotangent_of_a_tie_is_not_lost():
    """Half to each, so that maximum(x, x) is x."""
    x = Tensor([1.0, -3.0], requires_grad=True)
    y = np.maximum(x, x)
    assert [g.data.tolist() for g in gradients(y, [x], gradient=np.array([5.0, 7.0]))] == [[5.0, 7.0]]


def test_where_keeps_a_singular_branch_out_of_the_value():
    """The documented pattern: make the argument harmless first, then choose. Zero times infinity never arises."""
    x = Tensor([-1.0, 0.0, 4.0], requires_grad=True)
    positive = x > 0
    safe = np.where(positive, x, 1.0)
    y = np.where(positive, np.sqrt(safe), 0.0)
    assert y.data.tolist() == [0.0, 0.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.25]


def page_row(name, inputs, value, slopes, second):
    """A row of the table as docs/kinks.md has it."""

    def plain(numbers):
        return ", ".join(str(n) for n in numbers)

    return f"| `{name}` | {plain(inputs)} | {value} | {plain(slopes)} | {second} |"


def test_the_page_is_this_table():
    """docs/kinks.md is for reading; what is agreed stands here."""
    page = (Path(__file__).parents[1] / "docs" / "kinks.md").read_text(encoding="utf-8")
    rows = [line for line in page.split("\n## ")[0].splitlines() if line.startswith("| `")]
    assert rows == [page_row(*row) for row in TABLE]


# ------------------------------------------------------------------------------------------------ where several meet
MEETING = [
    (lambda x: (x**0).sum(), [1e-310, 0.0, np.inf], None),
    (lambda x: (x**3).sum() + (x**2.0).sum() + (x**1.5).sum(), [0.0], None),
    (lambda x: (x**0.5).sum(), [0.0], None),
    (lambda x: (x[0] ** 2 + x[1] ** 2) ** 0.5, [0.0, 0.0], None),
    (lambda x: np.linalg.norm(x) ** 2, [0.0, 0.0], lambda x: torch.linalg.norm(x) ** 2),
    (lambda x: np.linalg.norm(x.reshape(2, 2), axis=1).sum(), [0.0, 0.0, 3.0, 4.0],
     lambda x: torch.linalg.norm(x.reshape(2, 2), dim=1).sum()),
    (lambda x: np.linalg.norm(x, 1) * np.linalg.norm(x, np.inf), [0.0, 0.0],
     lambda x: torch.linalg.norm(x, 1) * torch.linalg.norm(x, np.inf)),
    (np.var, [1.0, 1.0], lambda x: torch.var(x, correction=0)),
    (np.prod, [0.0, 0.0, 2.0, 3.0], torch.prod),
    (lambda x: np.cumprod(x)[-1] + np.cumprod(x)[1], [2.0, 0.0, 3.0, 0.0],
     lambda x: torch.cumprod(x, 0)[-1] + torch.cumprod(x, 0)[1]),
    (lambda x: np.median(x) + np.ptp(x), [1.0, 1.0, 1.0], lambda x: x[1] + torch.amax(x) - torch.amin(x)),
    (lambda x: np.var(x, where=[True, True, False]), [1.0, 1.0, 5.0], lambda x: torch.var(x[:2], correction=0)),
    (np.prod, [0.0, 0.0, 0.0], torch.prod),
    (lambda x: np.cumsum(x) @ np.cumsum(x), [0.0, 0.0], lambda x: torch.cumsum(x, 0) @ torch.cumsum(x, 0)),
    (lambda x: np.max(x) ** 2, [2.0, 2.0], lambda x: torch.amax(x, 0) ** 2),
    (lambda x: (minigrad.softmax(x) ** 2).sum(), [-np.inf, 0.0, 1.0], lambda x: (torch.softmax(x, 0) ** 2).sum()),
    (lambda x: minigrad.log_softmax(x)[1], [-np.inf, 0.0, 1.0], lambda x: torch.log_softmax(x, 0)[1]),
    (minigrad.logsumexp, [-np.inf, -np.inf, 0.0], lambda x: torch.logsumexp(x, 0)),
    (lambda x: minigrad.layer_norm(x, (2,), eps=0.0)[0], [1.0, 1.0], lambda x: F.layer_norm(x, (2,), eps=0.0)[0]),
    (lambda x: minigrad.binary_cross_entropy_with_logits(x, np.array([0.0, 1.0])), [1000.0, -1000.0],
     lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor([0.0, 1.0], dtype=x.dtype))),
    (lambda x: minigrad.cross_entropy(x, np.array(0)), [1000.0, -1000.0, -np.inf],
     lambda x: F.cross_entropy(x, torch.tensor(0))),
    (lambda x: minigrad.kl_div(np.zeros(2), x, reduction="sum"), [1e-300, 0.5],
     lambda x: F.kl_div(0 * x.detach(), x, reduction="sum")),
    (lambda x: minigrad.multi_margin_loss(x, np.array(0)), [1.0, 0.0, 2.0],
     lambda x: (F.relu(1 + x - x[0])).sum() / 3 - 1 / 3),
    (lambda x: minigrad.smooth_l1_loss(x, np.zeros(3)), [1.0, -1.0, 0.0], lambda x: F.huber_loss(x, 0 * x.detach())),
    (lambda x: minigrad.huber_loss(x, np.zeros(3)), [1.0, -1.0, 0.0], lambda x: F.huber_loss(x, 0 * x.detach())),
    (lambda x: 0 * np.log(x[0]) + np.log(1 - x[0]), [0.0], lambda x: 0 * torch.log(x[0]) + torch.log(1 - x[0])),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("ours", "x", "theirs"), MEETING)
def test_of_compositions_to_second_order(ours, x, theirs):
    """Where torch has nan, or a number at a kink, so has minigrad."""
    x, twin = np.array(x), torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((theirs or ours)(twin), twin)
    np.testing.assert_allclose(minigrad.grad(ours)(x), slope, rtol=1e-12, atol=1e-15)
    want = torch.autograd.functional.hessian(theirs or ours, twin.detach())
    np.testing.assert_allclose(minigrad.hessian(ours)(x), want, rtol=1e-12, atol=1e-15)


def test_a_direction_passes_the_tip_of_a_cone():
    """The derivative to the cotangent is the agreed slope, 0, also where there is no second one."""
    x, u = np.zeros(2), np.array([1.0, 2.0])
    for f in np.linalg.norm, np.std:
        assert minigrad.jvp(f, (x,), (u,))[1] == 0.0
