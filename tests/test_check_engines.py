"""One class body under both engines, and the words for what only one of them has."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from students import function_of, linear_of, mse_of

import torch_ref
from minigrad import Function
from minigrad.checks import both_engines

LINEAR, MSE, EACH = "(n,p),(p,q),(q)->(n,q)", "(n,q),(n,q)->()", "()->()"


@pytest.mark.parametrize("base", [Function, torch.autograd.Function])
def test_one_body_runs_under_both(base):
    assert both_engines(linear_of(base), signature=LINEAR)
    assert both_engines(mse_of(base), signature=MSE)
    report = both_engines(linear_of(base), (np.ones((2, 3)), np.ones((3, 2)), np.zeros(2)))
    assert report
    assert "values and gradients are those of Linear (torch)" in [v.name for v in report.verdicts]


SHARED = {  # what the docstring of both_engines promises, each in a body of its own
    "operators": (lambda x: (-x + 1) * x - x / 2, lambda x, g: (1 - 2 * x - 0.5) * g),
    "powers": (lambda x: x**3, lambda x, g: 3 * x**2 * g),
    "comparisons": (lambda x: x * (x > 0), lambda x, g: g * (x > 0)),
    "@ and .T": (lambda x: x @ x.T, lambda x, g: (g + g.T) @ x),
    ".sum": (lambda x: (x * x).sum(), lambda x, g: 2 * x * g),
    ".sum(0)": (lambda x: x.sum(0), lambda x, g: g + 0 * x),
    ".mean": (lambda x: x.mean(), lambda x, g: g / math.prod(x.shape) + 0 * x),
    ".reshape": (lambda x: x.reshape(-1), lambda x, g: g.reshape(x.shape) * 1),
    ".shape": (lambda x: x * x.shape[0], lambda x, g: g * x.shape[0]),
}


@pytest.mark.parametrize("name", SHARED)
def test_the_shared_subset(name):
    forward, backward = SHARED[name]
    result = {0: "()", 1: "(k)" if name == ".sum(0)" else "(m)", 2: "(n,m)"}[np.ndim(forward(np.ones((2, 3))))]
    report = both_engines(function_of(forward, backward), signature=f"(n,k)->{result}")
    assert report, report


ONLY_ONE = {
    "NumPy's method": (
        function_of(lambda x: x.astype(x.dtype) * 2, lambda x, g: 2 * g),
        "`x.astype`",
        "NumPy's arrays",
    ),
    "in the backward": (function_of(lambda x: 2 * x, lambda x, g: 2 * g.copy()), "`g.copy`", "NumPy's arrays"),
    "size": (
        function_of(lambda x: x.sum() / x.size, lambda x, g: g / x.size + 0 * x),
        "`x.sum() / x.size`",
        "NumPy's arrays",
    ),
    "torch's method": (
        function_of(lambda x: x.clone(), lambda x, g: g.clone(), torch.autograd.Function),
        "`x.clone`",
        "torch's tensors",
    ),
    "torch_ref": (torch_ref.MSE, "`yhat.numel`", "torch's tensors"),
}


@pytest.mark.parametrize("name", ONLY_ONE)
def test_names_what_only_one_side_has(name):
    function, expression, side = ONLY_ONE[name]
    report = both_engines(function, signature=MSE if name == "torch_ref" else EACH)
    (fault,) = report.faults
    assert fault.kind == "differs"
    assert fault.text.startswith(f"{expression} (line ")
    assert f"runs on {side} and not on" in fault.text
    assert "math.prod(x.shape)" in fault.text


def test_what_runs_on_both_and_is_not_the_same():
    """torch's std divides by n - 1."""

    def backward(x, g):
        return g * (x - x.mean()) / (x.std() * math.prod(x.shape))

    report = both_engines(function_of(lambda x: x.std(), backward), signature="(n)->()")
    assert ("differs", None) in [(f.kind, f.input) for f in report.faults]


def test_what_is_wrong_in_both_is_named():
    report = both_engines(function_of(lambda x: x * x, lambda x, g: x * g), signature=EACH)
    assert report.faults[0].kind == "power"
