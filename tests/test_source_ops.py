"""Every operation as a program: forward and gradient, pasted into an empty file or compiled, give the tape's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CALLED, MEAN_OF_NOTHING, WITHOUT_COUNTERPART, refuses_emptiness
from strategies import Call, calls

import minigrad
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
            other[...] = -a if domain in ((-np.inf, np.inf), (-1.5, 1.5)) else np.flip(a)
            stays = callable(domain) or (type(domain) is tuple and domain[0] > 0)
            other *= 1 if stays else 0.75  # or it might leave the domain
        elif a.dtype == bool:
            other[...] = ~a
        else:
            other[...] = np.flip(a)
        found.append(other)
    return found


judged = sorted(REGISTRY.keys() - WITHOUT_COUNTERPART.keys())


@pytest.mark.parametrize("name", [name for name in judged if not REGISTRY[name].composed])
@settings(max_examples=settings.default.max_examples // 20)
@given(data=st.data())
def test_forward_and_gradient(name, data):
    assert_a_program_says_it(name, data)


@pytest.mark.parametrize("name", [name for name in judged if REGISTRY[name].composed])
@settings(max_examples=settings.default.max_examples // 40)
@given(data=st.data())
def test_forward_and_gradient_of_what_is_written_with_operations(name, data):
    assert_a_program_says_it(name, data)


def assert_a_program_says_it(name, data):
    operation = REGISTRY[name]
    call = data.draw(calls(operation))
    if refuses_emptiness(operation, call):
        return
    present = [i for i, a in enumerate(call.inputs) if a is not None]
    function, params, count = operation.function, call.params, len(call.inputs)
    apply = CALLED.get(name)  # a program looks through all that its function reaches: here as little as may be

    def value(*arrays):
        found = iter(arrays)
        inputs = [next(found) if i in present else None for i in range(count)]
        return apply(function, *inputs, **params) if apply else function(*inputs, **params)

    def weighed(g, *arrays):
        return (g * value(*arrays)).sum()

    example = [call.inputs[i] for i in present]
    other = [a for a in others(operation, call) if a is not None]
    y = value(*map(Tensor, example))
    run, compiled = pasted(source(value, *example)), minigrad.compile(value)
    first = np.array(compiled(*example))
    kept = compiled(*example)
    for inputs in (example, other):
        want = value(*map(Tensor, inputs)).data
        assert_same_bits(run(*inputs), want, f"{name} as source")
        assert_same_bits(compiled(*inputs), want, f"{name} compiled")
    assert_same_bits(kept, first, "a result, after another call")

    if y.dtype.kind != "f" or not any(has_rule(operation, i) for i in call.leaves):
        return
    g = call.cotangent(y.shape, y.dtype)
    leaves = [present.index(i) + 1 for i in call.leaves]
    both = pasted(source(weighed, g, *example, grad_of=leaves))
    compiled = minigrad.compile(weighed, grad_of=leaves)
    for inputs in (example, other):
        tensors = [Tensor(a, requires_grad=i + 1 in leaves) for i, a in enumerate(inputs)]
        loss = weighed(Tensor(g), *tensors)
        xs = [tensors[i - 1] for i in leaves]
        found = gradients(loss, xs, allow_unused=True) if loss.requires_grad else [None] * len(xs)
        wanted = [np.zeros_like(x.data) if d is None else d.data for x, d in zip(xs, found, strict=True)]
        for way, program in (("as source", both), ("compiled", compiled)):
            got_loss, got = program(g, *inputs)
            assert_same_bits(got_loss, loss.data, f"{name} in a sum, {way}")
            for i, (a, b) in enumerate(zip(got, wanted, strict=True)):
                assert_same_bits(a, b, f"gradient {i} of {name}, {way}")


def has_rule(operation: Any, i: int) -> bool:
    rules = iter(operation.rules)
    return bool([rule for rule, _ in zip(rules, range(i + 1), strict=False)][-1])
