"""Random programs on whole numbers, small enough to be exact in float64.

Two ways to compute one thing then give the same bits, and no tolerance stands between a bug and its discovery. What
keeps the numbers small is a *majorant* of each value: a polynomial with coefficients >= 0 in r that bounds every entry
as long as no entry of a leaf exceeds r. Its derivative bounds the sum of the derivatives to all entries of leaves.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from strategies import arrays
from students import cube_of

import minigrad
from minigrad import Function, Tensor

LARGEST = 4  # no entry of a leaf is larger
EXACT = 2.0**40  # for a majorant at 2 * LARGEST; it leaves 13 bits for cotangents, sums over entries, several sweeps
MOST_ENTRIES = 12
LEAF = Polynomial([0, 1])  # its majorant

Shape = tuple[int, ...]


CUBES = {minigrad: cube_of(Function), torch: cube_of(torch.autograd.Function)}


class Step(NamedTuple):
    """
    Attributes:
        run: what is computed of one or two operands; the first argument is minigrad or torch.
        bound: the majorant of the result, from the number of entries of a, and the majorants of the operands.
        fits: which shapes of the operands it is for.
    """

    run: Callable[..., Any]
    bound: Callable[..., Polynomial]
    fits: Callable[..., bool]

    @property
    def operands(self) -> int:
        return len(inspect.signature(self.fits).parameters)


def broadcastable(a: Shape, b: Shape) -> bool:
    try:
        return math.prod(np.broadcast_shapes(a, b)) <= MOST_ENTRIES
    except ValueError:
        return False


def multipliable(a: Shape, b: Shape) -> bool:
    return 0 < len(a) <= 2 and 0 < len(b) <= 2 and a[-1] == b[0]


def joinable(a: Shape, b: Shape) -> bool:
    return math.prod(a) + math.prod(b) <= MOST_ENTRIES


def anything(a: Shape) -> bool:
    return True


STEPS = {
    "a + b": Step(lambda xp, a, b: a + b, lambda n, p, q: p + q, broadcastable),
    "a - b": Step(lambda xp, a, b: a - b, lambda n, p, q: p + q, broadcastable),
    "a * b": Step(lambda xp, a, b: a * b, lambda n, p, q: p * q, broadcastable),
    "larger": Step(lambda xp, a, b: xp.where(a > b, a, b), lambda n, p, q: p + q, broadcastable),
    "a @ b": Step(lambda xp, a, b: a @ b, lambda n, p, q: p * q * n, multipliable),
    "join": Step(lambda xp, a, b: xp.concatenate([a.reshape(-1), b.reshape(-1)]), lambda n, p, q: p + q, joinable),
    "a * a": Step(lambda xp, a: a * a, lambda n, p: p * p, anything),
    "a + a": Step(lambda xp, a: a + a, lambda n, p: p + p, anything),
    "a.T @ a": Step(lambda xp, a: a.mT @ a, lambda n, p: p * p * n, lambda a: len(a) == 2),
    "-a": Step(lambda xp, a: -a, lambda n, p: p, anything),
    "3 - 2 a": Step(lambda xp, a: 3.0 - 2.0 * a, lambda n, p: 2 * p + 3, anything),
    "relu": Step(lambda xp, a: xp.relu(a), lambda n, p: p, anything),
    "Cube": Step(lambda xp, a: CUBES[xp].apply(a), lambda n, p: p**3, anything),
    "sum": Step(lambda xp, a: a.sum(), lambda n, p: p * n, anything),
    "sum(0)": Step(lambda xp, a: a.sum(0), lambda n, p: p * n, lambda a: len(a) > 0),
    "flat": Step(lambda xp, a: a.reshape(-1), lambda n, p: p, anything),
    "some": Step(lambda xp, a: a.reshape(-1)[[0, -1, 0]], lambda n, p: p, anything),
    "twice": Step(lambda xp, a: xp.broadcast_to(a, (2, *a.shape)), lambda n, p: p, lambda a: joinable(a, a)),
}

shapes = st.sampled_from([(), (1,), (2,), (3,), (1, 3), (2, 1), (2, 3), (3, 2)])
whole = np.array(sorted(range(-LARGEST, LARGEST + 1), key=abs))
leaf_arrays = shapes.flatmap(lambda shape: arrays(shape, np.float64, whole))
which = st.integers(0, 2) | st.integers(0, 10**6)  # an index into a list, the latest first, as long as it is by then
choices = st.tuples(st.sampled_from(list(STEPS)), which, which)


def chosen(step: Step, shapes: Sequence[Shape], i: int, j: int) -> list[int]:
    """The operands that i and j mean among values of these shapes; none if the step does not fit."""
    latest = range(len(shapes) - 1, -1, -1)
    a = latest[i % len(shapes)]
    if step.operands == 1:
        return [a] if step.fits(shapes[a]) else []
    partners = [b for b in latest if step.fits(shapes[a], shapes[b])]
    return [a, partners[j % len(partners)]] if partners else []


def small(shape: Shape, seed: int) -> np.ndarray:
    """A cotangent or a direction."""
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(float)


# ----------------------------------------------------------------------------------------------- programs as functions
@dataclass
class Program:
    """A function of its leaves: ``program(*leaves)`` is the last value it computes.

    Attributes:
        leaves: arrays.
        steps: the name of a step and its operands, as indices into all values, of which the leaves are the first.
    """

    leaves: list[np.ndarray]
    steps: list[tuple[str, tuple[int, ...]]]

    def __call__(self, *leaves: Any) -> Any:
        return self.values(leaves, range(len(self.steps)))[-1]

    def values(self, leaves: Sequence[Any], order: Sequence[int]) -> list[Any]:
        """All values, with the steps taken in another order."""
        values: dict[int, Any] = dict(enumerate(leaves))
        for k in order:
            name, operands = self.steps[k]
            values[len(leaves) + k] = STEPS[name].run(minigrad, *[values[i] for i in operands])
        return [values[i] for i in range(len(leaves) + len(self.steps))]

    def used(self) -> set[int]:
        """The leaves that the result depends on."""
        needed = {len(self.leaves) + len(self.steps) - 1}
        for k in reversed(range(len(self.steps))):
            if len(self.leaves) + k in needed:
                needed |= set(self.steps[k][1])
        return needed & set(range(len(self.leaves)))


@st.composite
def programs(draw: st.DrawFn, most_steps: int = 10) -> Program:
    program = Program(draw(st.lists(leaf_arrays, min_size=1, max_size=3)), [])
    values: list[Any] = [Tensor(a) for a in program.leaves]
    bounds = [LEAF] * len(values)
    for name, *indices in [*draw(st.lists(choices, min_size=3, max_size=most_steps)), ("-a", 0, 0)]:
        step = STEPS[name]
        operands = chosen(step, [v.shape for v in values], *indices)
        if not operands:
            continue
        bound = step.bound(values[operands[0]].size, *[bounds[i] for i in operands])
        if bound(2 * LARGEST) <= EXACT:
            program.steps.append((name, tuple(operands)))
            values.append(step.run(minigrad, *[values[i] for i in operands]))
            bounds.append(bound)
    return program
