"""What the derivative is where there is none: a table of agreed answers, torch's.

At a tie, a kink or the edge of a domain the derivative is a convention. Each row is one: what the operation and its
gradients are there (the cotangent is 1). Elsewhere nothing is filtered away: the strategies draw zeros and ties all the
time, and where torch and minigrad have one answer anyway no row is needed.
"""

from __future__ import annotations

import numpy as np
import pytest
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
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's words for 1/0 and overflow
@pytest.mark.parametrize(("name", "inputs", "value", "slopes"), TABLE, ids=lambda v: str(v).replace(" ", ""))
def test_agreed_answers(name, inputs, value, slopes):
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = REGISTRY[name].function(*leaves)
    np.testing.assert_array_equal(y.data, value)
    np.testing.assert_array_equal([g.item() for g in gradients(y, leaves)], slopes)

    twins = [exact(np.array(x), requires_grad=True) for x in inputs]
    want = counterpart(name)(*twins)
    want.backward()
    np.testing.assert_array_equal(want.item(), value, "torch has another value: the table is out of date")
    np.testing.assert_array_equal([t.grad.item() for t in twins], slopes, "torch has another gradient")


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
