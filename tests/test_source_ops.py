"""Every operation of the registry as a program: forward and gradient, pasted into an empty file, give the tape's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import MEAN_OF_NOTHING, WITHOUT_COUNTERPART, applied, refuses_emptiness
from strategies import Call, calls

from minigrad import Tensor, gradients, source
from minigrad.ops.registry import REGISTRY

pytestmark = MEAN_OF_NOTHING


def pasted(program: Any) -> Any:
    """The function that the text defines in an empty file where only NumPy can be imported."""
    space: dict[str, Any] = {}
    exec(str(program), space)
    return space[program.name]


def assert_same_bits(got: Any, want: Any, what: str) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, on the tape {want.shape}"
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, on the tape {want.dtype}"
    same = got.tobytes() == want.tobytes() or np.array_equal(got, want, equal_nan=got.dtype.kind == "f")
    assert same, f"{what}: {got!r}, on the tape {want!r}"


def others(operation: Any, call: Call) -> list[Any]:
    """Inputs of the same shapes, dtypes and layouts: of the other sign where the domain has one."""
    found: list[Any] = []
    for i, a in enumerate(call.inputs):
        if a is None:
            found.append(a)
            continue
        name = operation.inputs[min(i, len(operation.inputs) - 1)]
        domain = operation.domain.get(name, (-np.inf, np.inf))
        other = np.empty_like(a)
        if a.dtype.kind == "f":
            other[...] = -a * 0.75 if domain in ((-np.inf, np.inf), (-1.5, 1.5)) else np.flip(a) * 0.75
        elif a.dtype == bool:
            other[...] = ~a
        else:
            other[...] = np.flip(a)
        found.append(other)
    return found


@pytest.mark.parametrize("name", sorted(REGISTRY.keys() - WITHOUT_COUNTERPART.keys()))
@settings(max_examples=12)
@given(data=st.data())
def test_forward_and_gradient(name, data):
    operation = REGISTRY[name]
    call = data.draw(calls(operation))
    if refuses_emptiness(operation, call):
        return
    present = [i for i, a in enumerate(call.inputs) if a is not None]

    def whole(arrays: Any) -> list[Any]:
        inputs: list[Any] = [None] * len(call.inputs)
        for i, a in zip(present, arrays, strict=True):
            inputs[i] = a
        return inputs

    def value(*arrays):
        inputs = [Tensor(a) if isinstance(a, np.ndarray) else a for a in whole(arrays)]
        return applied(operation, inputs, call.params)

    def weighed(g, *arrays):
        return (g * applied(operation, whole(arrays), call.params)).sum()

    example = [call.inputs[i] for i in present]
    run = pasted(source(value, *example))
    y = value(*example)
    g = call.cotangent(y.shape, y.dtype if y.dtype.kind == "f" else np.float64)
    leaves = [present.index(i) + 1 for i in call.leaves]
    grad_of = leaves if y.dtype.kind == "f" and any(operation_rule(operation, i) for i in call.leaves) else None
    both = pasted(source(weighed, g, *example, grad_of=grad_of)) if grad_of else None
    for inputs in (example, [a for a in others(operation, call) if a is not None]):
        assert_same_bits(run(*inputs), value(*inputs).data, name)
        if both is None:
            continue
        tensors = [Tensor(a, requires_grad=i + 1 in leaves) for i, a in enumerate(inputs)]
        loss = weighed(Tensor(g), *tensors)
        wanted = gradients(loss, [tensors[i - 1] for i in leaves], allow_unused=True) if loss.requires_grad else []
        got_loss, got = both(g, *inputs)
        assert_same_bits(got_loss, loss.data, f"{name} in a sum")
        for i, (a, b) in enumerate(zip(got, wanted, strict=False)):
            assert_same_bits(a, np.zeros(inputs[leaves[i] - 1].shape, inputs[leaves[i] - 1].dtype) if b is None else b.data, f"gradient {i} of {name}")


def operation_rule(operation: Any, i: int) -> bool:
    rules = iter(operation.rules)
    return bool([rule for rule, _ in zip(rules, range(i + 1), strict=False)][-1])
