"""Symbols: whatever Python a forward is written in, its program computes what it computes, or a line is named."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, source
from minigrad.ops.registry import REGISTRY, op
from minigrad.program.symbol import TraceError, body_of
from minigrad.program.text import unparse

X = np.array([[1.0, 3.0, 2.0], [5.0, 0.0, 2.0]])

RIGHT = {  # bodies of a forward, as one would type them; there is no source of what is executed
    "loop": "top = x[:, 0]\nfor k in range(1, x.shape[1]):\n    top = np.maximum(top, x[:, k])\nreturn top",
    "while": "y, k = x, 0\nwhile k < 3:\n    y, k = y * x, k + 1\nreturn y",
    "rows": "return np.stack([np.exp(row) * k for k, row in enumerate(x)])",
    "lambda": "f = lambda a: a + 1\nreturn f(f(x))",
    "branch on a shape": "return x * 2 if len(x) > 1 and x.ndim == 2 else x * 3",
    "written into": "y = np.zeros(x.shape[0])\nfor i in range(len(x)):\n    y[i] = x[i].sum()\nreturn y",
    "added up": "y = np.zeros(len(x))\nfor k in range(x.shape[1]):\n    y += x[:, k]\nreturn y",
    "part of it": "y = x.copy()\ny[0] *= 2\ny[:, 1] += x[:, 0]\ny **= 2\ny.sort()\nreturn y",
    "through a view": "y = np.ones(x.shape)\nv = y[0]\nbefore = y[0, 0] * x\nv[...] = x[1]\nreturn before + y",
    "np.add.at": "y = np.zeros(3)\nnp.add.at(y, np.array([0, 0, 2]), x[0])\nreturn y",
    "out": "y = np.empty(x.shape)\nnp.multiply(x, 3, out=y)\nreturn y - x",
    "several results": "q, r = np.divmod(x, 2)\nu, s, v = np.linalg.svd(x, full_matrices=False)\nreturn (q - r) * s[0]",
    "powers": "return x**2 + x**0.5 - 2**x + x % 2 // 1",
    "a choice": "return np.where(np.allclose(x, x), x, 0) + (x > 1) * ~(x < 2)",
    "itself": "return x",
    "nothing of it": "return np.arange(3.0)",
}
WRONG = {
    "branch": ("y = x * 2\nreturn y if y.sum() > 0 else x", 2, "np.where"),
    "float": ("return x * float(x.max())", 1, "np.where"),
    "item": ("return x * x.max().item()", 1, "np.where"),
    "length": ("n = int(x.sum())\nreturn x[:n]", 1, "np.where"),
    "range": ("for _ in range(x.argmax()):\n    x = x * 2\nreturn x", 1, "np.where"),
    "entries": ("return x[x > 1]", 1, "positions as an argument"),
    "unique": ("return np.unique(x)", 1, "positions as an argument"),
    "its input": ("x[0] = 1\nreturn x", 1, "Write into a copy"),
    "math": ("import math\nreturn x * math.sin(x[0, 0])", 2, "np.where"),
    "caught": ("try:\n    return x * bool(x[0, 0])\nexcept Exception:\n    return x", 2, "np.where"),
    "not NumPy": ("return x * 2 if isinstance(x, np.ndarray) else x", None, "type of an input"),
}


TYPED = """
@op
class doubled_rows:
    "y"
    signature = "(n,k)->(n)"
    def forward(x):
        total = x[:, 0]
        for k in range(1, x.shape[1]):
            total = total + x[:, k]
        return np.exp(total) * total * unit
    def d_x(g, y, x):
        return np.broadcast_to(g[:, None] * unit, x.shape)
"""


def forward_of(body: str) -> Any:
    space: dict[str, Any] = {"np": np}
    exec("def forward(x):\n    " + body.replace("\n", "\n    "), space)
    return space["forward"]


@pytest.mark.parametrize("name", RIGHT)
def test_a_forward_is_its_program_on_other_numbers(name):
    forward = forward_of(RIGHT[name])
    body = body_of(forward, {"x": X}, {}, np.asarray(forward(X.copy())))
    text = "\n    ".join([*map(unparse, body.statements), f"return {unparse(body.result)}"])
    space: dict[str, Any] = {"np": np}
    exec(f"def program(x):\n    {text}", space)
    for other in (X, np.flip(X) * 0.75 + 1):
        want = np.asarray(forward(other.copy()))
        got = np.asarray(space["program"](other.copy()))
        assert (got.dtype, got.shape, got.tobytes()) == (want.dtype, want.shape, want.tobytes()), text


@pytest.mark.parametrize("name", WRONG)
def test_what_values_decide_is_refused_by_line(name):
    body, line, remedy = WRONG[name]
    forward = forward_of(body)
    with pytest.raises(TraceError) as error:
        body_of(forward, {"x": X}, {}, np.asarray(forward(X.copy())))
    assert remedy in str(error.value)
    assert line is None or f"<string>:{line + 1} " in str(error.value)


def test_an_operation_that_was_typed(monkeypatch):
    """Names come from the bytecode, where there is no source."""
    monkeypatch.setattr("minigrad.ops.registry.REGISTRY", dict(REGISTRY))
    space: dict[str, Any] = {"np": np, "op": op, "unit": 1.0}
    exec(TYPED, space)
    f = space["doubled_rows"]
    compiled = minigrad.compile(lambda x: f(x).sum(), grad=True)
    for unit in (1.0, 2.0):  # the block reads it, so the program looks it up
        space["unit"] = unit
        for x in (X, -X):
            value, slope = compiled(x)
            assert value == f(Tensor(x)).data.sum()
            assert slope.tolist() == np.full(X.shape, unit).tolist()
    assert "total2 = total + x[:, 1]" in str(source(lambda x: f(x), X))


def test_a_mask_of_values_has_no_length():
    f = lambda x: x[x > 1].mean()  # noqa: E731
    with pytest.raises(TraceError, match=r"test_symbols.py.*np.flatnonzero"):
        source(f, X, grad_of="x")
    fixed = np.array([[True, False, True], [False, True, False]])
    program = source(lambda x: x[np.array(fixed.tolist())].sum(), X)
    assert program(-X) == -3.0


def test_the_loops_of_the_engine_are_unrolled():
    image = np.arange(16.0).reshape(1, 1, 4, 4)
    text = str(source(lambda x: minigrad.max_pool2d(x, 2).sum(), image, grad_of="x"))
    assert len(re.findall(r"\+= x\[", text)) == 4
