"""One trial: a function at one set of inputs, run, and held against the numerical derivative."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.backward import NOISE_RUNS, noisy
from minigrad.checks.subject import Call, Subject
from minigrad.engine.numerical import Derivative, numerical_jacobian, step_without_size

Array = np.ndarray[Any, Any]

NOISE = 16  # a right backward is off by at most so many times what noise of one unit in the last place changes
TERMS = 16  # or by so many units of the sum of its terms
RESOLVED = 2.0**-10  # of the sum of its terms: what is known no better than that is not called wrong or right


class Case(NamedTuple):
    """Inputs to try a function at.

    Attributes:
        inputs: arrays, None and constants.
        able: the positions of those that are differentiated.
        lengths: what the letters of the signature stand for.
        seed: for the cotangents.
        elementwise: whether the inputs have any shapes that broadcast.
        simple: whether the cotangents shall be 1, 2, 3, ..., for people to calculate with.
    """

    inputs: tuple[Any, ...]
    able: tuple[int, ...]
    lengths: dict[str, int]
    seed: int = 0
    elementwise: bool = False
    simple: bool = False

    def without(self, position: int) -> Case:
        """The same with None for an input that may be left out."""
        inputs = tuple(None if i == position else x for i, x in enumerate(self.inputs))
        return self._replace(inputs=inputs, able=tuple(i for i in self.able if i != position))


class Comparison(NamedTuple):
    """The gradient of one input beside the numerical one; arrays (2, size of the input), for each of two cotangents."""

    got: Array | None  # None where its shape is not that of the input, or nothing was returned
    true: Array
    error: Array
    allowed: Array
    kinks: Array  # (size), where the function has a kink

    @property
    def wrong(self) -> Array:
        """Which entries are wrong; all that are not zero if nothing was returned."""
        with np.errstate(all="ignore"):
            off = abs((0 if self.got is None else self.got) - self.true)
            return np.asarray(~(off <= self.allowed) & np.isfinite(self.allowed))


class Trial:
    """What a subject does at one case. Everything is computed when somebody asks, and once."""

    def __init__(self, subject: Subject, case: Case, earlier: Sequence[Trial] = ()) -> None:
        self.subject, self.case, self.earlier = subject, case, earlier
        self.inputs, self.able = case.inputs, case.able
        self.names = subject.names(len(self.inputs))
        self.needs = tuple(i in self.able for i in range(len(self.inputs)))
        self.random = np.random.default_rng((case.seed, 0x6D67))  # a stream that nobody's data come from

    def run(self, inputs: Sequence[Any] | None = None, needs: Sequence[bool] | None = None) -> Call:
        """Forward, on copies of the inputs."""
        return self.subject.call(copied(inputs or self.inputs), needs or self.needs)

    def pull(self, g: Any, inputs: Sequence[Any] | None = None, needs: Sequence[bool] | None = None) -> list[Any]:
        """Forward and backward, on copies of everything: what the backward returns, one by one as it came."""
        return copied(self.run(inputs, needs).backward(np.array(g)))

    @cached_property
    def y(self) -> Array:
        return np.array(self.run().y)

    @cached_property
    def cotangents(self) -> Array:
        """Two, (2, *y.shape), of opposite signs and unequal sizes between 1/2 and 2; or 1, 2, ... and -2, -4, ..."""
        if self.case.simple:
            numbers = np.arange(1, self.y.size + 1).reshape(self.y.shape)
            return np.stack([numbers, -2 * numbers]).astype(self.y.dtype)
        size = self.random.uniform(0.5, 2, (2, *self.y.shape))
        sign = self.random.choice([-1, 1], self.y.shape)
        return np.stack([sign, -sign] * size).astype(self.y.dtype)

    @cached_property
    def returned(self) -> list[list[Any]]:
        """What the backward returns for each cotangent, each with a forward of its own."""
        return [self.pull(g) for g in self.cotangents]

    # -------------------------------------------------------------------------------------------- the reference
    @cached_property
    def wide(self) -> Any:
        """The widest dtype that forward keeps."""
        wide = self.subject.wide
        if np.finfo(wide).eps < np.finfo(np.float64).eps:
            with suppress(Exception):  # not every function takes long double; other errors have come up before
                if self.subject.evaluate(self.widened(wide)).dtype == wide:
                    return wide
        return np.float64

    def widened(self, dtype: Any) -> list[Any]:
        return [x.astype(dtype) if i in self.able else x for i, x in enumerate(copied(self.inputs))]

    def jacobian_at(self, inputs: Sequence[Any], i: int) -> Derivative:
        """dy/dx of input i, as matrices (y.size, x.size)."""
        wide = [x.astype(self.wide) if j in self.able else x for j, x in enumerate(inputs)]

        def f(moved: Array) -> Array:
            y = self.subject.evaluate([*copied(wide[:i]), moved, *copied(wide[i + 1 :])])
            return y if y.dtype == self.wide else y.astype(self.wide)

        found = numerical_jacobian(f, wide[i], step_without_size(wide[i], wide))
        value, error, jump = (part.reshape(-1, wide[i].size) for part in found)
        shapes = [np.shape(x) for x in inputs if isinstance(x, np.ndarray)]
        if self.case.elementwise and self.y.shape == np.broadcast_shapes(*shapes):
            positions = np.broadcast_to(np.arange(wide[i].size).reshape(wide[i].shape), self.y.shape).reshape(-1, 1)
            others = positions != np.arange(wide[i].size)
            if not (abs(value[others]) > 0).any():  # the rounding of other entries is no error of this one
                value, error = np.where(others, 0, value), np.where(others, 0, error)
        return Derivative(value, error, jump)

    def jacobian(self, i: int) -> Derivative:
        if i not in self.jacobians:
            self.jacobians[i] = self.jacobian_at(self.inputs, i)
        return self.jacobians[i]

    @cached_property
    def jacobians(self) -> dict[int, Derivative]:
        return {}

    def compare(self, i: int) -> Comparison:
        if i not in self.comparisons:
            self.comparisons[i] = self.comparison(i)
        return self.comparisons[i]

    @cached_property
    def comparisons(self) -> dict[int, Comparison]:
        return {}

    @np.errstate(all="ignore")
    def comparison(self, i: int) -> Comparison:
        x, jacobian = self.inputs[i], self.jacobian(i)
        g = self.cotangents.reshape(2, -1).astype(self.wide)
        true, error, terms = g @ jacobian.value, abs(g) @ jacobian.error, abs(g) @ abs(jacobian.value)
        jumps = abs(jacobian.jump)
        steep = abs(jacobian.value).max(initial=0)
        kinks = (jumps > RESOLVED * steep) & (jacobian.error - jumps / 2 < jumps / 8)
        limits = np.finfo(x.dtype)
        got = self.gradient(i)
        units = [np.finfo(a.dtype).eps for a in (x, self.y, got) if a is not None and a.dtype.kind == "f"]
        allowed = error + limits.tiny + TERMS * max(units) * terms
        found = Comparison(got, true, error, allowed, kinks.any(axis=0))
        if got is not None and found.wrong.any():  # only then does it matter how much of that may be rounding
            found = found._replace(allowed=allowed + NOISE * self.noise[i])
        return found

    def gradient(self, i: int) -> Array | None:
        """What was returned for input i and both cotangents, (2, x.size), if it has the shape of x."""
        parts: list[Any] = [grads[i] if i < len(grads) else None for grads in self.returned]
        if any(part is None or part.shape != self.inputs[i].shape for part in parts):
            return None
        return np.stack(parts).reshape(2, -1)

    # ---------------------------------------------------------------------------------------------- its rounding
    @cached_property
    def noise(self) -> dict[int, Array]:
        """For each input how much its gradients move with noise of one or two units in the last place."""
        base = {i: self.gradient(i) for i in self.able}
        noise = {i: np.zeros((2, self.inputs[i].size)) for i in self.able}

        def note(moved: list[list[Any]]) -> None:
            for i in self.able:
                before = base[i]
                if before is not None:
                    for row, grads in enumerate(moved):
                        if i < len(grads) and grads[i] is not None and grads[i].shape == self.inputs[i].shape:
                            noise[i][row] = np.fmax(noise[i][row], abs(grads[i].reshape(-1) - before[row]))

        random = np.random.default_rng((self.case.seed, 1))
        for _ in range(NOISE_RUNS):
            moved = []
            for g in self.cotangents:
                call = self.run([noisy(x, random) if i in self.able else x for i, x in enumerate(self.inputs)])
                call.disturb(random)
                moved.append(call.backward(np.array(noisy(g, random))))
            note(moved)
        if self.subject.direct:  # what it computes inside is out of reach, but in a wider dtype it has no such rounding
            with suppress(Exception):  # not every backward takes long double; this one was fine without
                wide = self.subject.wide
                note([self.pull(g.astype(wide), self.widened(wide)) for g in self.cotangents])
        return noise


def copied(values: Sequence[Any]) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]
