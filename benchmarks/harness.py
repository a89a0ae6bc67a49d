"""Measure several ways to do one thing, side by side in one process.

A *side* is an endless iterator that does one unit of work for each `next()`. A generator is the natural way
to write one: its set-up runs once, its names are fast locals, and between two steps it keeps exactly what a
training loop keeps.

What makes the figures comparable:

- **Interleaved rounds.** Each round runs a slice of every side, in an order that changes from round to
  round, so that a machine that slows down slows all sides down. What is reported is the median over rounds
  of the ratio to the reference *in the same round*.
- **Processor time.** The clock is that of the process: it stands while another program has the processor. Where
  every side keeps to one thread, as here, that is the time of day on a machine that has nothing else to do.
- **Equal time.** A slice takes about the same time on every side, so that fast sides are not the noisy ones.
- **Equal state.** Before its slice a side runs a few steps that are not timed: caches and allocator are its
  own. The garbage collector is emptied before the clock starts and left on while it runs, so each side pays
  for the cyclic garbage that it makes itself. What existed before (the modules, all sides) is out of the
  collector's sight.
- **A heap that has seen data.** glibc gives memory above a threshold back to the system at each `free`, and
  fetches it back, page by page, at the next step: at 20,640 rows that costs more than the arithmetic. The
  threshold is 128 KB in a process that has just started and rises for good once a larger array is freed, as
  happens in any program that has loaded its data. `settle_malloc` frees such an array first, so that every
  side is measured in the state of a real program.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from statistics import median, quantiles
from time import process_time
from typing import Any

import numpy as np

__all__ = ["Timings", "advance", "measure", "settle_malloc", "table"]

Side = Iterator[Any]
LARGEST_THRESHOLD = 32 << 20  # bytes; glibc raises its threshold no further (DEFAULT_MMAP_THRESHOLD_MAX)


class Timings:
    """Seconds a step for each side, one figure a round: `seconds[name][round]`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in names}

    def microseconds(self, name: str) -> float:
        """The median time of a step."""
        return 1e6 * median(self.seconds[name])

    def ratios(self, name: str, reference: str) -> list[float]:
        """How many times as long a step of `name` takes as one of `reference`, round by round."""
        return [a / b for a, b in zip(self.seconds[name], self.seconds[reference], strict=True)]

    def ratio(self, name: str, reference: str) -> float:
        return median(self.ratios(name, reference))

    def quartiles(self, name: str, reference: str) -> tuple[float, float]:
        """The quartiles between which half of the rounds' ratios lie."""
        ratios = self.ratios(name, reference)
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        return low, high


def settle_malloc() -> None:
    """Allocate and free one large array: see the last point of this module's docstring."""
    np.empty(LARGEST_THRESHOLD - (1 << 16), np.uint8)


def advance(side: Side, steps: int) -> Any:
    """Take `steps` >= 1 steps; returns what the last one yielded."""
    result = None
    for result in islice(side, steps):  # noqa: B007 - only the last is wanted
        pass
    return result


def clock(side: Side, steps: int) -> float:
    """Seconds of processor time for `steps` steps."""
    begin = process_time()
    advance(side, steps)
    return process_time() - begin


def slice_length(side: Side, seconds: float) -> int:
    """How many steps of `side` take about `seconds`. The first one is not counted: it pays for the set-up."""
    advance(side, 1)
    steps = 1
    while (taken := clock(side, steps)) < seconds / 4:
        steps *= 2
    return max(1, round(steps * seconds / taken))


def measure(sides: Mapping[str, Side], rounds: int = 40, seconds: float = 0.005) -> Timings:
    """Run every side for about `seconds` in each of `rounds` rounds."""
    settle_malloc()
    names = list(sides)
    steps = {name: slice_length(side, seconds) for name, side in sides.items()}
    timings = Timings(names)
    gc.collect()
    gc.freeze()
    try:
        for i in range(rounds):
            for name in names[i % len(names) :] + names[: i % len(names)]:
                gc.collect()
                advance(sides[name], steps[name] // 4 + 1)
                timings.seconds[name].append(clock(sides[name], steps[name]) / steps[name])
    finally:
        gc.unfreeze()
    return timings


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text, the first aligned left; a row that is empty becomes a rule."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(header, *filter(None, rows), strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        return "  ".join([cells[0].ljust(widths[0]), *padded[1:]]).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line(header), *(line(row) if row else rule for row in rows)])
