"""Every operation of the registry against torch. To add a block in ``minigrad/ops/`` is to add its tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    CALLED,
    COUNTERPARTS,
    MEAN_OF_NOTHING,
    OF_MATRICES,
    WITHOUT_COUNTERPART,
    applied,
    assert_first_order,
    assert_rules_run_on_tensors,
    assert_second_order,
    counterpart,
    refuses_emptiness,
    tensors,
)
from strategies import calls

from minigrad import Tensor, tape
from minigrad.ops.registry import FROM_NUMPY, REGISTRY

pytestmark = MEAN_OF_NOTHING
each_operation = pytest.mark.parametrize("name", sorted(REGISTRY))
judged = dict.fromkeys(sorted(REGISTRY.keys() - WITHOUT_COUNTERPART.keys())).keys()


@each_operation
def test_has_a_judge(name):
    """Torch has the operation, or there is a reason in writing why it has not."""
    if name in WITHOUT_COUNTERPART:
        assert len(WITHOUT_COUNTERPART[name]) > 20
        with pytest.raises(LookupError):
            counterpart(name)
    else:
        assert callable(counterpart(name))


def test_no_judge_without_an_operation():
    assert COUNTERPARTS.keys() | WITHOUT_COUNTERPART.keys() <= REGISTRY.keys()


@pytest.mark.parametrize("name", [name for name in judged if not REGISTRY[name].composed])
@given(data=st.data())
def test_values_and_gradients(name, data):
    assert_first_order(REGISTRY[name], data.draw(calls(REGISTRY[name])))


@pytest.mark.parametrize("name", sorted(judged - OF_MATRICES))  # torch has none
@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_half_precision(name, data):
    assert_first_order(REGISTRY[name], data.draw(calls(REGISTRY[name], [np.float16])))


@pytest.mark.parametrize("name", [name for name in judged if not REGISTRY[name].composed])
@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
def test_second_order(name, data):
    call = data.draw(calls(REGISTRY[name]))
    assert_rules_run_on_tensors(REGISTRY[name], call)
    assert_second_order(REGISTRY[name], call)


@pytest.mark.parametrize("name", [name for name in judged if REGISTRY[name].composed])
@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
def test_what_is_written_with_operations(name, data):
    """The same of fewer examples: its rules are those of the operations it is made of."""
    call = data.draw(calls(REGISTRY[name]))
    assert_first_order(REGISTRY[name], call)
    assert_second_order(REGISTRY[name], call)


@each_operation
def test_numpys_function_of_that_name_arrives_here(name):
    """np.exp of a Tensor is minigrad.exp; nothing that both have is left out."""
    if function := getattr(np, name, getattr(np.linalg, name, None)):
        assert FROM_NUMPY[function] is REGISTRY[name].function


def call_plainly(function, *inputs, **params):
    return function(*inputs, **params)


numpys = [(f, wrapper.operation) for f, wrapper in FROM_NUMPY.items() if hasattr(wrapper, "operation")]


@pytest.mark.parametrize(("function", "operation"), numpys, ids=[f"{f.__name__}-{op.name}" for f, op in numpys])
@settings(max_examples=10)
@given(data=st.data())
def test_numpys_function_is_the_operation(function, operation, data):
    """np.exp(t) records what minigrad.exp(t) does, static arguments and all."""
    call = data.draw(calls(operation))
    if operation.name not in WITHOUT_COUNTERPART and refuses_emptiness(operation, call):
        return
    inputs = tensors(call)
    if function is np.astype:
        y = np.astype(*inputs, call.params["dtype"])  # which it takes by position only
    else:
        y = CALLED.get(operation.name, call_plainly)(function, *inputs, **call.params)
    want = applied(operation, inputs, call.params)
    assert type(y) is Tensor
    assert [node.op for node in tape(y)] == [node.op for node in tape(want)]
    assert y.dtype == want.dtype
    np.testing.assert_array_equal(y.data, want.data)


def test_torch_is_wrong_about_power_to_second_order():
    """Why `power` has another judge there: d²(aᵇ)/da db = a**(b-1) (1 + b ln a) is 2 at (1/2, 0), and torch says 0."""
    a, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.5, 0.0))
    (slope,) = torch.autograd.grad(torch.pow(a, b), a, create_graph=True)
    assert torch.autograd.grad(slope, b) == (0.0,), "torch is right now: drop the entry in SECOND_ORDER"
