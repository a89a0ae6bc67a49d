"""A trial with many entries: random directions find the wrong inputs, and a sample of entries is looked at closely.

For a right gradient G of L = Σ g·f, and any direction v, the derivative of L along v is <G, v>: that takes a dozen
calls of f, however many entries there are. A direction moves all entries by ± their own size, so that one wrong entry
of a million stands out as far as it is wrong by more than a millionth of the gradient's length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from minigrad.checks.trial import RESOLVED, Discrepancy, Trial, copied, entries_of
from minigrad.engine.numerical import derivative
from minigrad.engine.words import counted

__all__ = ["LARGE", "Sampled"]

Array = np.ndarray[Any, Any]

LARGE = 300  # entries of all inputs; up to so many, each is looked at
DIRECTIONS = 3
CLOSELY = 4, 12  # entries of an input, at least and at most
WORK = 2**20  # divided by the entries of inputs and result it says how many
STEP = 2.0**-10  # along a direction, relative to the entries
DIGITS = {2: 0.1, 4: 1e-3, 8: 1e-6}  # of the length of a gradient, by the bytes of its entries


class SampledDiscrepancy(Discrepancy):
    """Its entries are known where `allowed` is finite."""

    @property
    def unresolved(self) -> Array:
        vague = np.isfinite(self.error) & (self.error > RESOLVED * self.terms)
        return np.asarray(vague.any(axis=0) & ~self.kinks)


class Sampled(Trial):
    """A trial at more entries than can be looked at one by one."""

    calls, noise_runs = 4, 2
    wide = widest = np.float64  # long double takes too long

    @cached_property
    def looked_at(self) -> dict[int, Array]:
        """For each input the entries of its sample, that of the largest gradient among them."""
        random = np.random.default_rng((self.case.seed, 4))
        count = WORK // (self.y.size + sum(self.inputs[i].size for i in self.able))
        found = {}
        for i in self.able:
            size, got = self.inputs[i].size, self.gradient(i)
            chosen = random.choice(size, min(int(np.clip(count, *CLOSELY)), size), replace=False)
            if got is not None and size:
                chosen[0] = abs(got[0]).argmax()
            found[i] = np.unique(chosen)
        return found

    def loss(self, i: int) -> Callable[[Array], Array]:
        """The change of L for both cotangents, as a function of input i."""
        wide = self.widened(np.float64)
        g = self.cotangents.reshape(2, -1).astype(np.float64)

        def f(moved: Array) -> Array:
            return np.asarray(self.truth.evaluate([*copied(wide[:i]), moved, *copied(wide[i + 1 :])]), np.float64)

        middle = f(wide[i].copy())
        return lambda moved: g @ np.where(self.finite, f(moved) - middle, 0).reshape(-1)

    def along(self, i: int, v: Array) -> tuple[Array, Array]:
        """By how much <G, v> is off for both cotangents, and how far it may be."""
        x, loss, got = self.inputs[i].astype(np.float64), self.loss(i), self.gradient(i)
        slope, error, _ = derivative(lambda t: loss(x + t * v), np.zeros(()), (), STEP)
        parts = (np.zeros((2, x.size)) if got is None else got) * v.reshape(-1)
        length = np.sqrt((parts.astype(np.float64) ** 2).sum(axis=1)) + abs(slope)
        return abs(parts.sum(axis=1) - slope), error + self.digits(i) * length

    def digits(self, i: int) -> float:
        """The relative rounding that is allowed in a gradient."""
        return DIGITS[min(8, self.inputs[i].dtype.itemsize)]

    @np.errstate(all="ignore")
    def comparison(self, i: int) -> Discrepancy:
        x, got = self.inputs[i].astype(np.float64), self.gradient(i)
        random = np.random.default_rng((self.case.seed, 5, i))
        size = np.where(x == 0, abs(x).max(initial=0) or 1, abs(x))
        steps = [size * random.choice([-1, 1], x.shape) for _ in range(DIRECTIONS)]
        with progress(DIRECTIONS + len(self.looked_at[i]), self.names[i]) as advance:
            off = False
            for v in steps:
                distance, allowed = self.along(i, v)
                off |= bool((distance > allowed).any())
                advance()
            found = self.closely(i, self.looked_at[i], advance)
        if off and not found.wrong.any():
            self.looked_at[i] = np.union1d(self.looked_at[i], self.hunted(i, steps[0]))
            found = self.closely(i, self.looked_at[i])
        if found.wrong.any() and got is not None:
            found = found._replace(allowed=found.allowed + self.noise[i])
        self.off[i] = off
        return found

    @cached_property
    def off(self) -> dict[int, bool]:
        """Whether the gradient of an input is wrong along a direction."""
        return {}

    def hunted(self, i: int, v: Array) -> Array:
        """An entry at which a direction goes wrong: by halves."""
        entries = np.arange(v.size)
        while len(entries) > 1:
            half = entries[: len(entries) // 2]
            part = np.zeros(v.size)
            part[half] = v.reshape(-1)[half]
            distance, allowed = self.along(i, part.reshape(v.shape))
            entries = half if (distance > allowed).any() else entries[len(half) :]
        return entries

    def closely(self, i: int, columns: Array, advance: Callable[[], None] = lambda: None) -> Discrepancy:
        x, loss, got = self.inputs[i].astype(np.float64), self.loss(i), self.gradient(i)
        given = np.zeros((2, x.size)) if got is None else got
        true, error = np.array(given, np.float64), np.full((2, x.size), np.inf)
        kinks = np.zeros(x.size, bool)
        for k, entry in zip(columns, entries_of(x, columns), strict=True):
            slope, off, jump = derivative(loss, x, entry)
            true[:, k], error[:, k] = slope, off
            kinks[k] = bool((abs(jump) > RESOLVED * abs(slope)).any())
            advance()
        terms = abs(true)
        nothing = float(np.sqrt(np.finfo(x.dtype).tiny))
        allowed = error + self.digits(i) * terms + nothing
        return SampledDiscrepancy(got, true, error, allowed, terms, kinks, nothing)

    def told(self, i: int) -> str:
        """The fault of the gradient of input i, as far as a sample tells."""
        name, found = self.names[i], self.compare(i)
        columns = np.flatnonzero(found.wrong.any(axis=0))
        if not len(columns) or found.got is None:
            return f"d{name} is wrong along random directions, and none of the entries that were looked at is."
        row = int(found.wrong.any(axis=1).argmax())
        shown = [
            f"d{name}[{', '.join(map(str, at))}] is {found.got[row, k]:.6g}, should be {found.true[row, k]:.6g}"
            for k, at in zip(columns[:3], entries_of(self.inputs[i], columns[:3]), strict=True)
        ]
        ratios = found.got[row, columns] / found.true[row, columns]
        alike = np.isfinite(ratios).all() and np.ptp(ratios) <= RESOLVED * abs(ratios).max()
        times = f" It is {ratios[0]:.6g} times the gradient there." if alike and len(columns) > 1 else ""
        of = f"{len(columns)} of the {counted(len(self.looked_at[i]), 'entry', 'entries')} that were looked at"
        return f"d{name} is wrong at {of}: {'; '.join(shown)}.{times} A smaller input, or a signature, tells more."

    def sample(self) -> str:
        """The sentence on how much was looked at."""
        parts = [
            f"{len(self.looked_at[i])} of the {self.inputs[i].size:,} entries of {self.names[i]}" for i in self.able
        ]
        return f"{DIRECTIONS} random directions for each input, and closely " + ", ".join(parts)


@contextlib.contextmanager
def progress(steps: int, name: str) -> Iterator[Callable[[], None]]:
    """A bar, in a terminal that has rich; the value is called after each step."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ModuleNotFoundError:
        yield lambda: None
        return
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"check: the gradient of {name}", total=steps)
        yield lambda: bar.advance(task)
