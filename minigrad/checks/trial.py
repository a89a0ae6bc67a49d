"""One trial: a function at one set of inputs, run, and held against the numerical derivative.

Three numbers decide on an entry: what the backward gives, what the numerical derivative says, and how far apart the two
may be when the backward is right. The third is measured as well: the numerical derivative comes with an estimate of its
own error (`engine/numerical.py`), and the rounding of the backward shows when the whole function is run once more in a
wider dtype, or on inputs that are moved by one unit in the last place. So one check serves data near 1e-6 and near 1e4,
float32 and float64, and no constant hides an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.subject import Call, Subject
from minigrad.engine.numerical import CLOSER, Estimate, numerical_jacobian, step_without_size

Array = np.ndarray[Any, Any]

NOISE = 16  # a right backward is off by at most so many times what noise of one unit in the last place changes
NOISE_RUNS = 8  # in each the noise of several sources may cancel by chance
ROUNDING = 2  # or by so many times what a wider dtype changes, which is its rounding itself
TERMS = 16  # or by so many units of the sum of its terms
RESOLVED = 2.0**-10  # of the sum of its terms: what is known no better than that is not called wrong or right
NEAR = 2.0**-20  # of the inputs: so near there is another slope only at a kink
NEIGHBOURS = 2, 30  # points around a kink, for the slopes that meet there; the others only where the first differ
FEW = 5  # entries; where all of so many are wrong beyond excuse, no more are looked at


class Case(NamedTuple):
    """Inputs to try a function at.

    Attributes:
        inputs: arrays, None and constants.
        able: the positions of those that are differentiated.
        lengths: what the letters of the signature stand for.
        seed: for the cotangents.
        elementwise: whether the inputs have any shapes that broadcast.
        simple: whether the cotangents shall be 1, 2, 3, ..., for people to calculate with.
        results: for each output the lengths of its axes, None for one that may have any; None where no signature says.
    """

    inputs: tuple[Any, ...]
    able: tuple[int, ...]
    lengths: dict[str, int]
    seed: int = 0
    elementwise: bool = False
    simple: bool = False
    results: list[tuple[int | None, ...]] | None = None

    def without(self, position: int) -> Case:
        """The same with None for an input that may be left out."""
        inputs = tuple(None if i == position else x for i, x in enumerate(self.inputs))
        return self._replace(inputs=inputs, able=tuple(i for i in self.able if i != position))


class Discrepancy(NamedTuple):
    """The gradient of one input beside the numerical one; arrays (2, size of the input), for each of two cotangents."""

    got: Array | None  # None where its shape is not that of the input, or nothing was returned
    true: Array
    error: Array
    allowed: Array
    terms: Array  # the sum of the terms of `true`, each taken positive: what an error is small or large against
    kinks: Array  # (size), where the function has a kink
    nothing: float = 0.0  # so small a gradient is none

    @property
    def wrong(self) -> Array:
        """Which entries are wrong; all that are not zero if nothing was returned."""
        with np.errstate(all="ignore"):
            off = abs((0 if self.got is None else self.got) - self.true)
            return np.asarray(~(off <= self.allowed) & np.isfinite(self.allowed))

    @property
    def unresolved(self) -> Array:
        """(size): the entries of which nothing can be said, as an error could be as large as they are."""
        certain = np.maximum(RESOLVED * self.terms, RESOLVED**2 * self.terms.max(initial=0))
        kept = self.allowed <= certain + 2 * self.nothing
        doubtful: Array = ~(kept | self.wrong)
        return np.asarray(doubtful.any(axis=0) & ~self.kinks)


class Trial:
    """The behaviour of a subject at one case. Everything is computed when somebody asks, and once.

    Attributes:
        truth: the subject whose derivative is the right one; `subject` itself, unless it has another reference.
        step: the largest step of the numerical derivative; None takes it from the inputs.
    """

    noise_runs = NOISE_RUNS
    calls = 128  # that must all be alike: a counter or a cache shows when it is full

    def __init__(
        self, subject: Subject, case: Case, earlier: Sequence[Trial] = (), *, step: float | None = None
    ) -> None:
        self.subject, self.case, self.earlier, self.step = subject, case, earlier, step
        self.truth = subject.reference or subject
        self.inputs, self.able = case.inputs, case.able
        self.names = subject.names(len(self.inputs))
        self.needs = tuple(i in self.able for i in range(len(self.inputs)))
        self.random = np.random.default_rng((case.seed, 0x6D67))  # a stream that nobody's data come from
        self.jacobians: dict[int, Estimate] = {}
        self.comparisons: dict[int, Discrepancy] = {}

    def run(self, inputs: Sequence[Any] | None = None, needs: Sequence[bool] | None = None) -> Call:
        """Forward, on copies of the inputs."""
        return self.subject.call(copied(inputs or self.inputs), needs or self.needs)

    def pull(self, g: Any, inputs: Sequence[Any] | None = None, needs: Sequence[bool] | None = None) -> list[Any]:
        """Forward and backward, on copies of everything: what the backward returns, one by one as it came."""
        return copied(self.run(inputs, needs).backward(np.array(g)))

    @cached_property
    def first(self) -> tuple[Call, Array]:
        """The first call, and a copy of its result."""
        call = self.run()
        return call, np.array(call.y)

    @property
    def y(self) -> Array:
        return self.first[1]

    @cached_property
    def finite(self) -> Array:
        """Where the result is finite; elsewhere it has no derivative."""
        return np.isfinite(self.y)

    @cached_property
    def cotangents(self) -> Array:
        """Two, (2, *y.shape), of opposite signs and unequal sizes between 1/2 and 2; or 1, 2, ... and -2, -4, ...

        Zero where the result is not finite, lest these entries spoil the others.
        """
        if self.case.simple:
            numbers = np.arange(1, self.y.size + 1).reshape(self.y.shape)
            return (np.stack([numbers, -2 * numbers]) * self.finite).astype(self.y.dtype)
        size = self.random.uniform(0.5, 2, (2, *self.y.shape))
        sign = self.random.choice([-1, 1], self.y.shape)
        return (np.stack([sign, -sign] * size) * self.finite).astype(self.y.dtype)

    @cached_property
    def first_gradients(self) -> list[Any]:
        """The gradients of the first call's backward."""
        return copied(self.first[0].backward(np.array(self.cotangents[0])))

    @cached_property
    def returned(self) -> list[list[Any]]:
        """The gradients for each cotangent, each after a forward of its own."""
        return [self.first_gradients, self.pull(self.cotangents[1])]

    # -------------------------------------------------------------------------------------------- the reference
    @property
    def widest(self) -> Any:
        """The dtype in which the whole function is run once more, for its rounding."""
        return self.subject.wide

    @cached_property
    def wide(self) -> Any:
        """The widest dtype that forward keeps."""
        wide = self.truth.wide
        if np.finfo(wide).eps < np.finfo(np.float64).eps:
            with suppress(Exception):  # not every function takes long double; other errors have come up before
                if self.truth.evaluate(self.widened(wide)).dtype == wide:
                    return wide
        return np.float64

    def widened(self, dtype: Any, inputs: Sequence[Any] | None = None) -> list[Any]:
        return [x.astype(dtype) if i in self.able else x for i, x in enumerate(copied(inputs or self.inputs))]

    def jacobian_at(
        self, inputs: Sequence[Any], i: int, entries: Sequence[tuple[int, ...]] | None = None, closer: float = 1
    ) -> Estimate:
        """dy/dx of input i, as matrices (y.size, x.size), or (y.size, number of entries)."""
        wide = self.widened(self.wide, inputs)

        def f(moved: Array) -> Array:
            y = self.truth.evaluate([*copied(wide[:i]), moved, *copied(wide[i + 1 :])])
            return y if y.dtype == self.wide else y.astype(self.wide)

        step = self.step or step_without_size(wide[i], wide)
        value, error, jump = numerical_jacobian(f, wide[i], step, entries, closer, self.truth.nondet_tol)
        shapes = [np.shape(x) for x in inputs if isinstance(x, np.ndarray)]
        if entries is None and self.case.elementwise and self.y.shape == np.broadcast_shapes(*shapes):
            positions = np.broadcast_to(np.arange(wide[i].size).reshape(wide[i].shape), self.y.shape).reshape(-1, 1)
            others = positions != np.arange(wide[i].size)
            if not (abs(value[others]) > 0).any():  # the rounding of other entries is no error of this one
                value, error = np.where(others, 0, value), np.where(others, 0, error)
        silent = ~self.finite.reshape(-1, 1)  # their cotangents are zero
        return Estimate(*(np.where(silent, 0, part) for part in (value, error, jump)))

    def jacobian(self, i: int) -> Estimate:
        if i not in self.jacobians:
            self.jacobians[i] = self.jacobian_at(self.inputs, i)
        return self.jacobians[i]

    # ------------------------------------------------------------------------------------------- the comparison
    def compare(self, i: int) -> Discrepancy:
        if i not in self.comparisons:
            self.comparisons[i] = self.comparison(i)
        return self.comparisons[i]

    @np.errstate(all="ignore")
    def comparison(self, i: int) -> Discrepancy:
        """Called wrong is what is wrong after every excuse: rounding, steps too large, a kink where slopes meet."""
        x, jacobian, got = self.inputs[i], self.jacobian(i), self.gradient(i)
        true, error, terms = self.applied(jacobian)
        jumps = abs(jacobian.jump)
        steep = abs(jacobian.value).max(initial=0)
        kinks = (jumps > RESOLVED * steep) & (jacobian.error - jumps / 2 < jumps / 8)
        units = [np.finfo(a.dtype).eps for a in (x, self.y, got) if a is not None]
        nothing = float(np.sqrt(np.finfo(x.dtype).tiny))  # as a sigmoid has where its exponential is cut off
        allowed = error + nothing + TERMS * max(units) * terms + self.subject.nondet_tol
        if got is not None and not self.finite.all():  # 0 · inf: nothing that could be asked for
            allowed = np.where(np.isfinite(got), allowed, np.inf)
        found = Discrepancy(got, true, error, allowed, terms, kinks.any(axis=0), nothing)
        if got is not None and found.wrong.any():
            noise = self.noise[i]
            if self.truth is not self.subject:  # a backward that answers a wider dtype with anything is not excused
                small = max(RESOLVED**2, NOISE**2 * np.finfo(x.dtype).eps) * abs(self.cotangents).max(
                    initial=0
                )  # what cancels
                noise = np.minimum(noise, max(RESOLVED * terms.max(initial=0), small))
            found = found._replace(allowed=allowed + noise)
        if found.wrong.any():
            found = self.looked_at_closely(found, i)
        if found.wrong.any():
            found = self.between_slopes(found, i)
        return found

    def applied(self, jacobian: Estimate) -> tuple[Array, Array, Array]:
        """The gradients for both cotangents, their errors, and the sums of their terms."""
        g = self.cotangents.reshape(2, -1).astype(self.wide)
        return g @ jacobian.value, abs(g) @ jacobian.error, abs(g) @ abs(jacobian.value)

    def looked_at_closely(self, found: Discrepancy, i: int) -> Discrepancy:
        """Large steps may leap over a jump or a wave: an entry is wrong if it is for small steps as well."""
        parts: dict[str, Any] = {name: np.array(getattr(found, name)) for name in ("true", "error", "allowed", "terms")}
        wrong = np.flatnonzero(found.wrong.any(axis=0))
        for columns in (wrong[:FEW], wrong[FEW:]):
            close = self.jacobian_at(self.inputs, i, entries_of(self.inputs[i], columns), CLOSER)
            true, error, terms = self.applied(close)
            allowed = found.allowed[:, columns] - found.error[:, columns] + error
            got = None if found.got is None else found.got[:, columns]
            right = ~found._replace(got=got, true=true, allowed=allowed).wrong.any(axis=0)
            if self.truth.nondet_tol:  # of which small steps make so much that it hides any slope
                right &= (abs(true - found.true[:, columns]) > allowed).any(axis=0)
            for part, new in zip(parts.values(), (true, error, allowed, terms), strict=True):
                part[:, columns[right]] = new[:, right]
            if not right.any():
                break
        return found._replace(**parts)

    def between_slopes(self, found: Discrepancy, i: int) -> Discrepancy:
        """At a kink every slope between those that meet there is right, though no single entry moves across it."""
        values = np.concatenate([abs(self.inputs[j]).reshape(-1) for j in self.able])
        if len(np.unique(values)) == len(values) and values.all():
            return found  # numbers in general position are not on a kink
        true, allowed, kinks = np.array(found.true), np.array(found.allowed), np.array(found.kinks)
        random, wide = np.random.default_rng((self.case.seed, 3)), self.widened(self.wide)
        wrong, x = np.flatnonzero(found.wrong.any(axis=0)), self.inputs[i].reshape(-1)
        tied = np.setdiff1d(np.flatnonzero(np.isin(x, x[wrong])), wrong)[:FEW]  # which change when these do not
        for columns in (np.append(wrong[:FEW], tied), wrong[FEW:]):
            entries, slopes = entries_of(self.inputs[i], columns), [found.true[:, columns]]
            for count in NEIGHBOURS:
                for _ in range(count):
                    there = [
                        x + NEAR * (abs(x).max(initial=0) or 1) * random.normal(size=x.shape) if j in self.able else x
                        for j, x in enumerate(wide)
                    ]
                    with suppress(Exception):  # outside of the domain
                        near, error, terms = self.applied(self.jacobian_at(there, i, entries, closer=64 / NEAR))
                        slopes += [np.where(error <= RESOLVED * terms, near, slopes[0])]
                low, high = np.min(slopes, axis=0), np.max(slopes, axis=0)
                size = np.maximum(abs(low), abs(high)).max(initial=found.terms.max(initial=0))
                bent = high - low > RESOLVED * size
                if not bent.any():
                    return found._replace(true=true, allowed=allowed, kinks=kinks)
            true[:, columns] = np.where(bent, (low + high) / 2, true[:, columns])
            allowed[:, columns] += np.where(bent, (high - low) / 2 + RESOLVED * size, 0)
            kinks[columns] |= bent.any(axis=0)
        return found._replace(true=true, allowed=allowed, kinks=kinks)

    def gradient(self, i: int) -> Array | None:
        """The gradients of input i for both cotangents, (2, x.size), if they have the shape of x."""
        parts: list[Any] = [grads[i] if i < len(grads) else None for grads in self.returned]
        if any(part is None or part.shape != self.inputs[i].shape for part in parts):
            return None
        return as_floats(np.stack(parts).reshape(2, -1))

    # ---------------------------------------------------------------------------------------------- its rounding
    @cached_property
    def noise(self) -> dict[int, Array]:
        """For each input how far its gradients may be off by rounding.

        A wider dtype shows all of it. Where there is none, noise does: on the inputs, and on what waits for the
        backward. Equal numbers are moved alike, lest a mask that was made by equality come out as rounding.
        """
        before = {i: self.gradient(i) for i in self.able}
        noise = {i: np.zeros((2, self.inputs[i].size)) for i in self.able}

        def note(moved: list[list[Any]], weight: float) -> None:
            for i, base in before.items():
                for row, grads in enumerate(moved):
                    part = grads[i] if i < len(grads) else None
                    if base is not None and part is not None and part.shape == self.inputs[i].shape:
                        noise[i][row] = np.fmax(noise[i][row], weight * abs(part.reshape(-1) - base[row]))

        random = np.random.default_rng((self.case.seed, 1))
        for _ in range(self.noise_runs):
            change = Noise(random)
            inputs = [change(x) if i in self.able else x for i, x in enumerate(self.inputs)]
            note([self.pull(change(g), inputs) for g in self.cotangents], NOISE)
        wide, unit = self.widest, min(np.finfo(self.inputs[i].dtype).eps for i in self.able)
        if np.finfo(wide).eps < unit:
            with suppress(Exception):  # not every backward takes long double; this one was fine without
                note([self.pull(g.astype(wide), self.widened(wide)) for g in self.cotangents], ROUNDING)
                return noise
        for _ in range(self.noise_runs):  # larger noise, of which a small part counts, as a jump is no rounding
            root = float(np.sqrt(unit))
            change, moved = Noise(random, 1 / root), []
            for g in self.cotangents:
                call = self.run()
                call.disturb(change)
                moved.append(call.backward(change(g)))
            note(moved, NOISE * root)
        return noise


class Noise:
    """Moves arrays up or down by one to two units in the last place, or by `times` as much; equal numbers alike."""

    def __init__(self, random: np.random.Generator, times: float = 1.0) -> None:
        self.sizes, self.signs = random.uniform(2**20, 2**21, 2)
        self.times = times

    def __call__(self, array: Array) -> Array:
        mantissa = abs(np.frexp(array)[0]).astype(np.float64)
        units = (1 + mantissa * self.sizes % 1) * np.where(mantissa * self.signs % 1 < 0.5, -1, 1)
        return np.asarray(
            (array * (1 + np.longdouble(np.finfo(array.dtype).eps) * self.times * units)).astype(array.dtype)
        )


def entries_of(x: Array, columns: Array) -> list[tuple[int, ...]]:
    return [tuple(map(int, np.unravel_index(k, x.shape))) for k in columns]


def as_floats(array: Array) -> Array:
    """Integers, booleans and complex numbers as floats; a promise of its own says that they should be floats."""
    return array if array.dtype.kind == "f" else array.real.astype(np.float64)


def copied(values: Sequence[Any]) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]
