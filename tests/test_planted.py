"""The judge is judged: wrong rules, planted one by one in every operation, must all be rejected.

A planted rule that changes nothing is no bug, and is not counted: to swap the two rules of an addition, say. Whether
it changes anything is decided on numbers that have nothing to do with the strategies, lest a strategy that draws only
special cases should excuse itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from oracles import MEAN_OF_NOTHING, WITHOUT_COUNTERPART, assert_first_order, assert_second_order
from strategies import Call, calls

from minigrad import Tensor
from minigrad.checks.cases import Form
from minigrad.ops.registry import REGISTRY

pytestmark = MEAN_OF_NOTHING
Rule = Callable[..., Any]


def scaled(rules: list[Any], i: int) -> Rule:
    return lambda g, y, *xs, **params: 1.001 * rules[i](g, y, *xs, **params)


def zeroed(rules: list[Any], i: int) -> Rule:
    return lambda g, y, *xs, **params: 0 * rules[i](g, y, *xs, **params)


def cotangent_forgotten(rules: list[Any], i: int) -> Rule:
    return lambda g, y, *xs, **params: rules[i](0 * g + 1, y, *xs, **params)


def inputs_swapped(rules: list[Any], i: int) -> Rule:
    def swapped(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        j = next(j for j, rule in enumerate(rules) if rule and j != i)
        exchanged = list(xs)
        exchanged[i], exchanged[j] = xs[j], xs[i]
        return rules[i](g, y, *exchanged, **params)

    return swapped


def rules_swapped(rules: list[Any], i: int) -> Rule:
    return next(rule for j, rule in enumerate(rules) if rule and j != i)


def mean_for_sum(rules: list[Any], i: int) -> Rule:
    """As if undoing the broadcasting took the mean over the copies of an entry."""

    def averaged(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        partial = rules[i](g, y, *xs, **params)
        return partial * (xs[i].size / partial.size) if partial.size else partial

    return averaged


def sum_forgotten(rules: list[Any], i: int) -> Rule:
    """As if only the first copy of a broadcast entry counted."""

    def first(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        partial = rules[i](g, y, *xs, **params)
        if partial.shape == xs[i].shape or type(partial) is not np.ndarray:
            return partial
        partial = partial[(0,) * (partial.ndim - xs[i].ndim)]
        return partial[tuple(slice(n) for n in xs[i].shape)]

    return first


def cotangent_mutated(rules: list[Any], i: int) -> Rule:
    def mutating(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        partial = rules[i](g, y, *xs, **params) * 1
        if type(g) is np.ndarray:
            g *= 2
        return partial

    return mutating


def input_mutated(rules: list[Any], i: int) -> Rule:
    def mutating(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        partial = rules[i](g, y, *xs, **params) * 1
        if type(xs[i]) is np.ndarray and xs[i].flags.writeable:
            xs[i][...] += 1
        return partial

    return mutating


# ------------------------------------------------------ right on arrays, wrong on Tensors: seen at second order only
def scaled_when_recorded(rules: list[Any], i: int) -> Rule:
    def rule(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        partial = rules[i](g, y, *xs, **params)
        return 1.001 * partial if type(g) is Tensor else partial

    return rule


def cotangent_detached(rules: list[Any], i: int) -> Rule:
    return lambda g, y, *xs, **params: rules[i](detached(g), y, *xs, **params)


def values_detached(rules: list[Any], i: int) -> Rule:
    return lambda g, y, *xs, **params: rules[i](g, detached(y), *map(detached, xs), **params)


def detached(x: Any) -> Any:
    return x.detach() if type(x) is Tensor else x


FIRST = [scaled, zeroed, cotangent_forgotten, inputs_swapped, rules_swapped, mean_for_sum, sum_forgotten]
FIRST += [cotangent_mutated, input_mutated]
SECOND = [scaled_when_recorded, cotangent_detached, values_detached]
NEVER_HARMLESS = {scaled, zeroed, cotangent_forgotten, cotangent_mutated, input_mutated}
NEVER_HARMLESS |= {scaled_when_recorded, cotangent_detached}


# --------------------------------------------------------------------------------------------- does it change anything
def generic_inputs(operation: Any, i: int, broadcast: bool, rng: np.random.Generator) -> list[Any]:
    """Irrational numbers, all axes of length 3; with `broadcast`, input `i` lacks an axis that the others have."""
    inputs: list[Any] = []
    form = Form.of(operation, more=1)
    for j, (axes, domain) in enumerate(zip(form.groups, form.domains, strict=True)):
        shape = tuple(int(name) if name.isdigit() else 3 for name in axes)
        if form.batched:
            shape = (3,) * (3 - (broadcast and i == j)) + shape
        if domain is bool:
            inputs.append(rng.random(shape) < 0.5)
        elif isinstance(domain, str):
            inputs.append(rng.integers(0, 3, shape))
        elif callable(domain):
            inputs.append(domain(rng.uniform(-2, 2, shape)))
        else:
            inputs.append(rng.uniform(*np.clip(domain, -2, 2), shape))
    return inputs


def rules_of(operation: Any) -> list[Any]:
    """One rule for each input; two if there may be any number of inputs."""
    return list(islice(operation.rules, len(Form.of(operation, more=1).groups)))


def is_harmless(operation: Any, i: int, plant: Any) -> bool:
    """Whether the planted rule does what the right one does: same result, same derivatives."""
    if plant in NEVER_HARMLESS:
        return False
    rules = rules_of(operation)
    several = len(rules) > 1
    if plant in (inputs_swapped, rules_swapped) and sum(map(bool, rules)) == 1:
        return True  # there is no other to swap with
    for params in operation.params:
        for broadcast in (False, True) if several else (False,):
            rng = np.random.default_rng(1)
            params = {**operation.defaults, **params}
            xs = generic_inputs(operation, i, broadcast, rng)
            y = operation.forward(*xs, **params)
            g = rng.normal(size=np.shape(y))
            want = rules[i](g, y, *xs, **params)
            with np.errstate(all="ignore"):  # swapped, a power may be one of a negative number
                if plant is values_detached:  # harmless if the rule does not move with the values
                    xs = [x + 1e-6 if x.dtype.kind == "f" else x for x in xs]
                    got = rules[i](g, operation.forward(*xs, **params), *xs, **params)
                else:
                    got = plant(rules, i)(g, y, *xs, **params)
            if not np.array_equal(got, want, equal_nan=True):
                return False
    return True


# ------------------------------------------------------------------------------------------------------------ the count
@contextmanager
def planted(operation: Any, i: int, plant: Any) -> Iterator[None]:
    right = operation.rules
    rules = list(islice(right, 8))  # more inputs than any call draws
    operation.rules = [*rules[:i], plant(rules, i), *rules[i + 1 :]]
    try:
        yield
    finally:
        operation.rules = right


def is_rejected(operation: Any, call: Call, judge: Any) -> bool:
    try:
        judge(operation, copy.deepcopy(call))  # a planted rule may write into the inputs
    except Exception:  # an operation that raises is rejected, too
        return True
    return False


def rejected_call(operation: Any, judge: Any) -> Call | None:
    """The first that the judge rejects of two hundred calls, the same on every run."""
    hunt = settings(
        max_examples=200, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False
    )
    try:
        return find(calls(operation), lambda call: is_rejected(operation, call, judge), settings=hunt)
    except NoSuchExample:
        return None


with_rules = [name for name in sorted(REGISTRY.keys() - WITHOUT_COUNTERPART.keys()) if not REGISTRY[name].composed]


def plants_of(operation: Any) -> list[tuple[Any, int, Any]]:
    """The judge, the input and the bug, for every wrong rule of an operation."""
    return [
        (judge, i, plant)
        for judge, plants in ((assert_first_order, FIRST), (assert_second_order, SECOND))
        for i, rule in enumerate(rules_of(operation))
        for plant in plants
        if rule and not is_harmless(operation, i, plant)
    ]


@pytest.mark.parametrize("name", with_rules)
def test_every_planted_bug_is_noticed(name):
    """The very call that gives the wrong rule away is accepted from the right one."""
    operation = REGISTRY[name]
    missed, false_alarms = [], []
    for judge, i, plant in plants_of(operation):
        with planted(operation, i, plant):
            call = rejected_call(operation, judge)
        if call is None:
            missed.append(f"{plant.__name__} in the rule of input {i}")
        elif is_rejected(operation, call, judge):
            false_alarms.append(call)
    assert not missed, f"wrong rules of {name} pass: {missed}"
    assert not false_alarms, f"the right rules of {name} are rejected as well: {false_alarms[0]}"


def test_the_count():
    """No rule is excused: each has at least the bugs that always change something. `pytest -rP` shows the numbers."""
    rules = {(name, i) for name in with_rules for i, rule in enumerate(rules_of(REGISTRY[name])) if rule}
    plants = [(name, i, plant) for name in with_rules for _, i, plant in plants_of(REGISTRY[name])]
    print(f"{len(plants)} wrong rules, planted for {len(rules)} right ones of {len(with_rules)} operations")
    assert {(name, i) for name, i, plant in plants if plant in NEVER_HARMLESS} == rules
    assert len(plants) >= (len(NEVER_HARMLESS) + 1) * len(rules)
