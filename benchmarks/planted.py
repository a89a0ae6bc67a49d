"""A second zoo, which nobody wrote: every operation of minigrad, with a mistake planted in one of its rules.

A function is made of each operation: y, its sine, and beside it a path that has nothing to do with it, lest a wrong
number at the operation be one of the whole gradient. Its backward is the engine's own sweep, in which one rule of the
operation does what people do: it is left out, doubled, halved, has the wrong sign, passes the cotangent on as it is,
reads the output for the input or the other way round, is given exchanged inputs, or divides where it has to multiply.
The checker has found it when its sentence is about the line of the operation. What changes nothing is no mistake.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from minigrad.backprop import gradients
from minigrad.checks.cases import Form, designed
from minigrad.checks.diagnosis import diagnose
from minigrad.checks.subject import Pair, row, subject_of
from minigrad.checks.trial import Trial
from minigrad.ops.operation import Operation
from minigrad.ops.registry import REGISTRY
from minigrad.tensor import Tensor

Rule = Callable[..., Any]


def scaled(c: float) -> Callable[[Rule, int], Rule]:
    return lambda rule, i: lambda g, y, *xs, **params: c * rule(g, y, *xs, **params)


def as_it_is(rule: Rule, i: int) -> Rule:
    return lambda g, y, *xs, **params: 1 * g if np.shape(g) == np.shape(xs[i]) else rule(g, y, *xs, **params)


def squared(rule: Rule, i: int) -> Rule:
    def twice(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        once = rule(g, y, *xs, **params)
        return rule(once, y, *xs, **params) if np.shape(once) == np.shape(g) else once

    return twice


def at_output(rule: Rule, i: int) -> Rule:
    def moved(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        x = y if np.shape(y) == np.shape(xs[i]) else xs[i]
        return rule(g, y, *xs[:i], x, *xs[i + 1 :], **params)

    return moved


def at_input(rule: Rule, i: int) -> Rule:
    return lambda g, y, *xs, **params: rule(g, xs[i] if np.shape(y) == np.shape(xs[i]) else y, *xs, **params)


def exchanged(rule: Rule, i: int) -> Rule:
    def swapped(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        j = next((j for j, x in enumerate(xs) if j != i and np.shape(x) == np.shape(xs[i])), i)
        new = list(xs)
        new[i], new[j] = xs[j], xs[i]
        return rule(g, y, *new, **params)

    return swapped


MISTAKES: dict[str, Callable[[Rule, int], Rule]] = {
    "left out": scaled(0),
    "twice": scaled(2),
    "half": scaled(0.5),
    "negated": scaled(-1),
    "passed on": as_it_is,
    "applied twice": squared,
    "at the output": at_output,
    "at the input": at_input,
    "inputs exchanged": exchanged,
}


class Planted(NamedTuple):
    """A mistake in the rule of one input of an operation."""

    operation: Operation
    params: dict[str, Any]
    input: int
    mistake: str

    @property
    def name(self) -> str:
        return f"{self.operation.name}{self.params or ''}, {self.operation.input_name(self.input)}: {self.mistake}"


def everything() -> Iterator[Planted]:
    for operation in REGISTRY.values():
        if operation.composed or operation.helper or operation.statics.keys() - operation.defaults.keys():
            continue
        for params in operation.params[:2]:
            for i, rule in zip(range(len(operation.inputs)), operation.rules, strict=False):
                for mistake in MISTAKES if rule else ():
                    yield Planted(operation, params, i, mistake)


def function_of(planted: Planted) -> Pair:
    """The function and its wrong backward."""
    operation, params = planted.operation, planted.params
    call = row(operation)

    def around(y: Any, xs: Any) -> Any:
        return np.sin(y) + 0.125 * sum((x * x).sum() for x in xs if x is not None and x.dtype.kind == "f")

    def forward(*xs: Any) -> Any:
        y = call(*xs, **params)
        return around(y, xs)

    def vjp(g: Any, *arrays: Any) -> list[Any]:
        floats = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arrays]
        xs = [Tensor(a, requires_grad=True) if f else a for a, f in zip(arrays, floats, strict=True)]
        y = call(*xs, **params)
        output = around(y, xs)
        y.op = copy.copy(operation)
        y.op.rules = list(islice(operation.rules, len(xs)))
        y.op.rules[planted.input] = MISTAKES[planted.mistake](y.op.rules[planted.input], planted.input)
        found = iter(gradients(output, [x for x, f in zip(xs, floats, strict=True) if f], gradient=g))
        return [next(found).data if f else None for f in floats]

    return Pair(forward, vjp)


def verdict(planted: Planted) -> str:
    """What the checker says of a mistake; "" of one that changes nothing."""
    form = Form.of(planted.operation, planted.params)
    pair = function_of(planted)
    trials = []
    for case in list(designed(form, 0))[:2]:
        trial = Trial(subject_of((pair.of_arrays, pair.vjp)), case)
        if planted.input in trial.able and np.isfinite(trial.gradient(planted.input)).all():  # else it is told as nan
            trials += [trial] if trial.compare(planted.input).wrong.any() else []
    return diagnose(trials, planted.input)[0].text if trials else ""


def is_found(said: str) -> bool:
    """Whether a sentence is about the operation's line."""
    return "y = call(*xs, **params)" in said or "`y`" in said
