"""What the backward of a function gives: watched while it runs, repeated, and run on noisy values.

The noise measures rounding. A right backward is off by about as much as its result moves when every intermediate value,
forward and backward, moves by one unit in the last place. No formula of the result's size knows that: the rule of
tanh, 1 - y², has no correct digit left where y is near 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minigrad.backprop import gradients, tape
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]

ARRAYS: Any = (np.ndarray, np.generic)
NOISE_RUNS = 8  # in each the noise of several sources may cancel by chance


class GradcheckError(AssertionError):
    """A gradient is not what the numerical derivative says, or a backward did what no backward may."""


class Gradient(NamedTuple):
    """What the backward gave for one input, for each of two cotangents: arrays (2, *shape)."""

    value: Array | None
    noise: Array  # the largest change by noise of one unit in the last place or two


def is_checked(x: Any) -> bool:
    return type(x) is Tensor and x.requires_grad


def on_leaves(arguments: Sequence[Any], change: Callable[[Array], Array]) -> list[Any]:
    """The arguments, with new leaves for those that are checked."""
    return [Tensor(change(x.data), requires_grad=True) if is_checked(x) else x for x in arguments]


def evaluate(fn: Callable[..., Tensor], arguments: Sequence[Any]) -> Tensor:
    output = fn(*arguments)
    if type(output) is not Tensor or output.dtype.kind != "f":
        what = f"a Tensor of {output.dtype}" if type(output) is Tensor else f"a {type(output).__name__}"
        raise TypeError(f"gradcheck: the function returned {what}; needed is one Tensor of a real floating dtype")
    return output


def draw_cotangents(output: Tensor, random: np.random.Generator) -> Array:
    """Two cotangents, (2, *output.shape), of opposite signs and unequal magnitudes between 1/2 and 2.

    A backward that is not linear in its cotangent (g², |g|, sign g, max(g, 0)) is wrong for one of them at least.
    """
    size = random.uniform(0.5, 2, (2, *output.shape))
    sign = random.choice([-1, 1], output.shape)
    return np.stack([sign, -sign] * size).astype(output.dtype)


def run_backward(fn: Callable[..., Tensor], arguments: Sequence[Any]) -> tuple[Array, dict[int, Gradient]]:
    """The cotangents, and for the number of each checked input its gradients.

    Raises:
        GradcheckError: the backward fails, changes what it is given, or is not the same twice.
    """
    random = np.random.default_rng(list(b"gradcheck"))  # a stream that nobody's data come from
    inputs = on_leaves(arguments, np.copy)
    output, again = evaluate(fn, inputs), evaluate(fn, inputs)
    if differ(output.data, again.data):
        raise GradcheckError("two calls with the same inputs give different results: is there randomness inside?")
    cotangents = draw_cotangents(output, random)

    replace_operations(output, Watched)
    found, second = (sweeps(output, inputs, cotangents) for _ in range(2))
    for i, value in found.items():
        if differ(value, second[i]):
            raise GradcheckError(f"two backward calls with the same cotangent give input {i} different gradients")
        if not np.array_equal(inputs[i].data, arguments[i].data, equal_nan=True):
            raise GradcheckError(f"the function changes its input {i} in place")

    noise = {i: np.zeros((2, *arguments[i].shape)) for i in found}
    for _ in range(NOISE_RUNS):
        with np.errstate(all="ignore"):
            inputs = on_leaves(arguments, lambda x: noisy(x, random))  # for what cancels inside of an operation
            output = evaluate(fn, inputs)
            compute_again(output, random)
            replace_operations(output, lambda op: Noisy(op, random))
            for i, moved in sweeps(output, inputs, cotangents).items():
                if moved is not None and found[i] is not None:
                    noise[i] = np.fmax(noise[i], abs(moved - found[i]))
    return cotangents, {i: Gradient(value, noise[i]) for i, value in found.items()}


def sweeps(output: Tensor, inputs: Sequence[Any], cotangents: Array) -> dict[int, Any]:
    """For each checked input its gradients, one for each cotangent, or None if none arrives."""
    checked = {i: x for i, x in enumerate(inputs) if is_checked(x)}
    if not output.requires_grad:
        return dict.fromkeys(checked)
    try:
        rows = [gradients(output, [*checked.values()], gradient=g, allow_unused=True) for g in cotangents]
    except GradcheckError:
        raise
    except Exception as error:
        raise GradcheckError(f"the backward fails: {type(error).__name__}: {error}") from error
    columns = zip(checked, zip(*rows, strict=True), strict=True)
    return {i: None if any(g is None for g in column) else np.stack([g.data for g in column]) for i, column in columns}


class StandIn:
    """Takes the place of the operation of a node, for sweeps."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)


class Watched(StandIn):
    """Sees that a backward changes nothing that it is given."""

    def partials(self, node: Tensor, wanted: Any, g: Any, y: Any, inputs: Sequence[Any]) -> Any:
        given = {"the incoming cotangent": g, "its output": y} | {f"its input {i}": v for i, v in enumerate(inputs)}
        before = {what: v.copy() for what, v in given.items() if isinstance(v, np.ndarray)}
        found = self.op.partials(node, wanted, g, y, inputs)
        for what, copy in before.items():
            if not np.array_equal(given[what], copy, equal_nan=True):
                raise GradcheckError(f"the backward of {self.op.name} changes {what} in place, and others read it")
        return found


class Noisy(StandIn):
    """Makes what a backward reads and what it returns a little wrong: fl(v) = v (1 + ε) + η.

    What a Function computes inside is out of reach. It is run once more on the same values in long double, and the
    difference is the rounding of its inside.
    """

    def __init__(self, op: Any, random: np.random.Generator) -> None:
        super().__init__(op)
        self.random = random

    def partials(self, node: Tensor, wanted: Any, g: Any, y: Any, inputs: Sequence[Any]) -> Any:
        change = partial(noisy, random=self.random)
        kept = vars(self.op.ctx) if hasattr(self.op, "ctx") else {}  # where the backward of a Function reads
        g, y, *inputs = each([g, y, *inputs], change)
        kept.update({name: each(value, change) for name, value in kept.items()})
        exact = found = self.op.partials(node, wanted, g, y, inputs)
        if kept:
            before = dict(kept)
            kept.update({name: each(value, widened) for name, value in kept.items()})
            with suppress(Exception):  # not every backward takes long double; this one was fine without
                exact = self.op.partials(node, wanted, *each([g, y, inputs], widened))
            kept.update(before)
        return [self.wrong(f, e) for f, e in zip(found, exact, strict=True)]

    def wrong(self, found: Any, exact: Any) -> Any:
        if found is None or found.dtype.kind != "f":
            return found
        limits = np.finfo(found.dtype)
        smallest = limits.tiny * limits.eps  # times several, so that few of the sums of two are zero
        inside = abs(found - exact) + 8 * smallest
        return found + (inside * units(found.shape, self.random)).astype(found.dtype)


def compute_again(output: Tensor, random: np.random.Generator) -> None:
    """Run the tape of `output` forward, each result a little wrong for those that come after it."""
    for node in tape(output):
        if hasattr(node.op, "forward"):
            node.values = [x.data if type(x) is Tensor else v for x, v in zip(node.inputs, node.values, strict=True)]
            node.array = each(np.asarray(node.op.forward(*node.values, **node.params)), partial(noisy, random=random))


def replace_operations(output: Tensor, stand_in: Callable[[Any], StandIn]) -> None:
    for node in tape(output):
        if node.op is not None:
            node.op = stand_in(node.op)


def each(value: Any, change: Callable[[Array], Array]) -> Any:
    """`value` with every array of floats in it changed; tuples and lists are entered."""
    if isinstance(value, tuple | list):
        return type(value)([each(v, change) for v in value])
    return change(value) if isinstance(value, ARRAYS) and value.dtype.kind == "f" else value


def noisy(array: Array, random: np.random.Generator) -> Array:
    """`array`, up or down by one to two units in the last place."""
    eps = np.longdouble(np.finfo(array.dtype).eps)
    return (array * (1 + eps * units(array.shape, random))).astype(array.dtype)


def widened(array: Array) -> Array:
    return array.astype(np.longdouble)


def units(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """One to two, up or down."""
    drawn: Array = random.uniform(1, 2, shape) * random.choice([-1, 1], shape)
    return drawn


def differ(a: Array | None, b: Array | None) -> bool:
    """By more than the last digits, which threads may change."""
    if a is None or b is None:
        return a is not b
    return not np.allclose(a, b, rtol=0, atol=np.sqrt(np.finfo(a.dtype).eps) * abs(a).max(initial=0), equal_nan=True)
