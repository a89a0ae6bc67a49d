"""torch_ref's Linear and MSE: right by torch's own checks, and right without torch's engine to repair them."""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from direct import assert_keeps_contract, linear_case
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_agrees, exact, pullback

import torch_ref
from torch_ref import MSE, Linear, linear, mse

SHAPES_OF_BIAS = [(2,), (1,), ()]


def tensors(arrays, dtype=torch.float64, requires_grad=True):
    """Copies. (`torch.tensor` of an array without entries has strides that torch's gradcheck refuses.)"""
    copies = (torch.zeros(a.shape, dtype=dtype).copy_(torch.from_numpy(a)) for a in arrays)
    return tuple(t.requires_grad_(requires_grad) for t in copies)


def layer(rows=5, bias=(2,), dtype=torch.float64):
    """x (rows, 3), W (3, 2), b, y (rows, 2): distinct primes, so that no shape is right by chance."""
    random = np.random.default_rng(0)
    return tensors([random.normal(size=s) for s in ((rows, 3), (3, 2), bias, (rows, 2))], dtype, requires_grad=False)


@settings(max_examples=settings.default.max_examples // 4)
@given(linear_case())
def test_gradcheck_of_linear(arrays):
    x, W, b, _ = tensors(arrays)
    assert torch.autograd.gradcheck(linear, (x, W, b))
    assert torch.autograd.gradgradcheck(linear, (x, W, b))


@settings(max_examples=settings.default.max_examples // 4)
@given(linear_case(least_rows=1))
def test_gradcheck_of_mse(arrays):
    x, W, b, y = tensors(arrays)
    yhat = (x @ W + b).detach().requires_grad_()
    assert torch.autograd.gradcheck(mse, (yhat, y))
    assert torch.autograd.gradgradcheck(mse, (yhat, y))


@given(linear_case(least_rows=1), st.sampled_from([torch.float32, torch.float64]))
def test_equal_to_primitives(arrays, dtype):
    """Value and gradients are those of torch's own operations, for all inputs at once."""
    inputs, twins = tensors(arrays, dtype), [exact(a, requires_grad=True) for a in arrays]
    unit = torch.finfo(dtype).eps

    def reference(x, W, b, y):
        return (torch.nn.functional.mse_loss(x @ W + b, y),)

    x, W, b, y = inputs
    loss = mse(linear(x, W, b), y)
    assert_agrees(loss.detach().numpy(), *reference(*twins), twins, unit, "loss")
    g = torch.tensor(-1.75, dtype=dtype)
    loss.backward(g)
    weight = exact(g.numpy(), requires_grad=True)
    for i, want in enumerate(pullback(reference)([weight], twins)):
        assert_agrees(inputs[i].grad.numpy(), want, [weight, *twins], unit, f"gradient of input {i}")


@given(linear_case(), st.sampled_from([torch.float32, torch.float64]))
def test_backward_of_linear_called_directly(arrays, dtype):
    assert_keeps_contract(Linear, tensors(arrays, dtype, requires_grad=False)[:3])


@given(linear_case(least_rows=1), st.sampled_from([torch.float32, torch.float64]))
def test_backward_of_mse_called_directly(arrays, dtype):
    x, W, b, y = tensors(arrays, dtype, requires_grad=False)
    assert_keeps_contract(MSE, (x @ W + b, y))


@pytest.mark.parametrize("needs", [*itertools.product([True, False], repeat=3)])
def test_linear_computes_only_what_is_needed(needs):
    assert_keeps_contract(Linear, layer()[:3], needs)


@pytest.mark.parametrize("needs", [*itertools.product([True, False], repeat=2)])
def test_mse_computes_only_what_is_needed(needs):
    yhat, y = layer()[3], layer()[3] + 1
    assert_keeps_contract(MSE, (yhat, y), needs)


@pytest.mark.parametrize("bias", SHAPES_OF_BIAS)
def test_a_wider_bias_or_target_gets_its_own_dtype(bias):
    x, W, b, y = layer(bias=bias, dtype=torch.float32)
    assert_keeps_contract(Linear, (x, W, b.double()))
    assert_keeps_contract(MSE, (y, y.double() + 1))


@pytest.mark.parametrize("bias", SHAPES_OF_BIAS)
def test_linear_of_no_rows(bias):
    x, W, b, _ = (t.requires_grad_() for t in layer(rows=0, bias=bias))
    linear(x, W, b).sum().backward()
    assert x.grad.shape == (0, 3)
    assert not W.grad.any()
    assert b.grad.shape == bias
    assert not b.grad.any()


def test_mse_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match=r"prediction has shape \(5,\) and the target \(5, 1\)"):
        mse(torch.zeros(5), torch.zeros(5, 1))


def test_mse_refuses_no_entries():
    with pytest.raises(ValueError, match="no entries"):
        mse(torch.zeros(0, 2), torch.zeros(0, 2))


def test_linear_refuses_a_vector_of_weights():
    with pytest.raises(ValueError, match=r"reshape\(-1, 1\)"):
        linear(torch.zeros(5, 3), torch.zeros(3), torch.zeros(1))


def test_linear_refuses_a_bias_that_adds_rows():
    with pytest.raises(ValueError, match=r"bias of shape \(5, 2\)"):
        linear(torch.zeros(1, 3), torch.zeros(3, 2), torch.zeros(5, 2))


def test_the_reference_imports_nothing_of_what_it_judges():
    """It needs torch only; it shares no code with minigrad, and loads no lab."""
    names = set()
    for file in Path(torch_ref.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names |= {node.module} if isinstance(node, ast.ImportFrom) and not node.level else set()
            names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
    packages = {name.partition(".")[0] for name in names}
    assert packages - sys.stdlib_module_names == {"torch", "numpy"}
