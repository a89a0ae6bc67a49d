"""What the derivative is where there is none: a table of agreed answers, torch's.

At a tie, a kink or the edge of a domain the derivative is a convention. Each row is one: what the operation and its
gradients are there (the cotangent is 1). Elsewhere nothing is filtered away: the strategies draw zeros and ties all the
time, and where torch and minigrad have one answer anyway no row is needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import counterpart, exact

from minigrad import Tensor, gradients
from minigrad.ops.registry import REGISTRY

inf, nan = np.inf, np.nan

TABLE = [
    # operation   inputs           value    gradients
    ("maximum", (2.0, 2.0), 2.0, (0.5, 0.5)),  # a tie is split
    ("maximum", (inf, inf), inf, (0.5, 0.5)),
    ("maximum", (0.0, -0.0), 0.0, (0.5, 0.5)),
    ("power", (0.0, 0.0), 1.0, (0.0, 0.0)),  # x**0 is the constant 1, also at 0
    ("power", (0.0, 1.0), 0.0, (1.0, 0.0)),  # 0**b is the constant 0 for b > 0
    ("power", (0.0, 2.0), 0.0, (0.0, 0.0)),
    ("power", (0.0, 0.5), 0.0, (inf, 0.0)),
    ("power", (-2.0, 3.0), -8.0, (12.0, nan)),  # to the exponent there is none
    ("power", (-2.0, 0.0), 1.0, (0.0, nan)),
    ("power", (-2.0, 0.5), nan, (nan, nan)),
    ("sqrt", (0.0,), 0.0, (inf,)),  # a vertical tangent
    ("sqrt", (-1.0,), nan, (nan,)),
    ("log", (0.0,), -inf, (inf,)),
    ("log", (-1.0,), nan, (-1.0,)),
    ("divide", (1.0, 0.0), inf, (inf, -inf)),
    ("divide", (0.0, 0.0), nan, (inf, nan)),
    ("exp", (1000.0,), inf, (inf,)),  # overflow
    ("exp", (-1000.0,), 0.0, (0.0,)),
    ("tanh", (1000.0,), 1.0, (0.0,)),  # saturation
    ("tanh", (-inf,), -1.0, (0.0,)),
    ("square", (0.0,), 0.0, (0.0,)),
    ("l1_loss", (2.0, 2.0), 0.0, (0.0, 0.0)),
    ("huber_loss", (3.0, 2.0), 0.5, (1.0, -1.0)),  # where the parabola meets the line
    ("minimum", (2.0, 2.0), 2.0, (0.5, 0.5)),
    ("minimum", (-inf, -inf), -inf, (0.5, 0.5)),
    ("abs", (0.0,), 0.0, (0.0,)),
    ("sign", (0.0,), 0.0, (0.0,)),
    ("relu", (0.0,), 0.0, (0.0,)),
    ("leaky_relu", (0.0,), 0.0, (0.01,)),  # zero belongs to the negative side
    ("elu", (0.0,), 0.0, (1.0,)),
    ("elu", (-1000.0,), -1.0, (0.0,)),
    ("elu", (1000.0,), 1000.0, (1.0,)),
    ("softplus", (20.0,), 20.000000002061153, (0.9999999979388464,)),  # the threshold
    ("softplus", (1000.0,), 1000.0, (1.0,)),
    ("softplus", (-1000.0,), 0.0, (0.0,)),
    ("sigmoid", (1000.0,), 1.0, (0.0,)),
    ("sigmoid", (-1000.0,), 0.0, (0.0,)),
    ("expm1", (-inf,), -1.0, (0.0,)),
    ("log1p", (-1.0,), -inf, (inf,)),
    ("arctan", (inf,), np.pi / 2, (0.0,)),
    ("clip", (-1.0, -1.0, 1.0), -1.0, (1.0, 0.0, 0.0)),  # at a bound it is the input's
    ("clip", (1.0, -1.0, 1.0), 1.0, (1.0, 0.0, 0.0)),
    ("clip", (3.0, -1.0, 1.0), 1.0, (0.0, 0.0, 1.0)),
    ("max", ([2.0, 2.0, 1.0],), 2.0, ([0.5, 0.5, 0.0],)),
    ("min", ([2.0, 1.0, 1.0],), 1.0, ([0.0, 0.5, 0.5],)),
    ("prod", ([0.0, 3.0, 2.0],), 0.0, ([6.0, 0.0, 0.0],)),
    ("prod", ([0.0, 0.0, 2.0],), 0.0, ([0.0, 0.0, 0.0],)),
    ("norm", ([0.0, 0.0],), 0.0, ([0.0, 0.0],)),
    ("std", ([3.0, 3.0],), 0.0, ([0.0, 0.0],)),
    ("logsumexp", ([1000.0, -1000.0],), 1000.0, ([1.0, 0.0],)),
    ("logsumexp", ([-inf, 0.0],), 0.0, ([0.0, 1.0],)),
    ("logsumexp", ([-inf, -inf],), -inf, ([nan, nan],)),
    ("logsumexp", ([inf, 0.0],), inf, ([nan, 0.0],)),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's words for 1/0 and overflow
@pytest.mark.parametrize(("name", "inputs", "value", "slopes"), TABLE, ids=lambda v: str(v).replace(" ", ""))
def test_agreed_answers(name, inputs, value, slopes):
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = REGISTRY[name].function(*leaves)
    np.testing.assert_array_equal(y.data, value)
    for g, slope in zip(slopes_of(y, leaves), slopes, strict=True):
        np.testing.assert_array_equal(g, slope)

    twins = [exact(np.array(x), requires_grad=True) for x in inputs]
    want = counterpart(name)(*twins)
    np.testing.assert_array_equal(want.item(), value, "torch has another value: the table is out of date")
    theirs = torch.autograd.grad(want, twins, materialize_grads=True)
    for t, slope in zip(theirs, slopes, strict=True):
        np.testing.assert_array_equal(t.numpy(force=True), slope, "torch has another gradient")


def slopes_of(y, leaves):
    """The gradients of y, 0 where none reaches a leaf."""
    if not y.requires_grad:
        return [np.zeros(x.shape) for x in leaves]
    return [g.data for g in gradients(y, leaves)]


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


def page_row(name, inputs, value, slopes):
    """A row of the table as docs/kinks.md has it."""

    def plain(numbers):
        return ", ".join(str(n) for n in numbers)

    return f"| `{name}` | {plain(inputs)} | {value} | {plain(slopes)} |"


def test_the_page_is_this_table():
    """docs/kinks.md is for reading; what is agreed stands here."""
    page = (Path(__file__).parents[1] / "docs" / "kinks.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [page_row(*row) for row in TABLE]
