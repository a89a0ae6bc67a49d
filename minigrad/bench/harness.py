"""Measure several ways to do one thing side by side in one process, and print what was found as a table.

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
- **Instructions instead of seconds,** where the machine has other work: `--instructions` (`instructions.py`).
- **A heap that has seen data.** glibc gives memory above a threshold back to the system at each `free`, and
  fetches it back, page by page, at the next step: at 20,640 rows that costs more than the arithmetic. The
  threshold is 128 KB in a process that has just started and rises for good once a larger array is freed, as
  happens in any program that has loaded its data. `settle_malloc` frees such an array first, so that every
  side is measured in the state of a real program.
"""

from __future__ import annotations

import argparse
import gc
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from statistics import median, quantiles
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from minigrad.bench import instructions

__all__ = [
    "ROUNDS",
    "Cell",
    "Range",
    "Ratio",
    "Stopped",
    "Table",
    "Time",
    "Timings",
    "advance",
    "assert_agreement",
    "command",
    "measure",
    "positive",
    "repeated",
    "say",
]

Side = Iterator[Any]
LARGEST_THRESHOLD = 32 << 20  # bytes; glibc raises its threshold no further (DEFAULT_MMAP_THRESHOLD_MAX)


class Time(float):
    """The median time of a step in microseconds, which remembers the seconds of each round."""

    rounds: tuple[float, ...]

    def __new__(cls, rounds: Iterable[float]) -> Time:
        found = tuple(rounds)
        self = super().__new__(cls, 1e6 * median(found))
        self.rounds = found
        return self


class Stopped(KeyboardInterrupt):
    """Ctrl-C, after some rounds: `timings` has those that were complete."""

    def __init__(self, timings: Timings) -> None:
        self.timings = timings


class Timings:
    """Seconds a step for each side, one figure a round: `seconds[name][round]`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in names}

    def microseconds(self, name: str) -> Time:
        """The median time of a step."""
        return Time(self.seconds[name])

    def ratios(self, name: str, reference: str) -> list[float]:
        """How many times as long a step of `name` takes as one of `reference`, round by round."""
        return [a / b for a, b in zip(self.seconds[name], self.seconds[reference], strict=True)]

    def ratio(self, name: str, reference: str, relation: str = "<=", bound: float | None = None) -> Ratio:
        """The median of these ratios, and what was promised of it."""
        ratios = self.ratios(name, reference)
        return Ratio(median(ratios), relation, bound, tuple(ratios))

    def quartiles(self, name: str, reference: str) -> Range:
        ratios = self.ratios(name, reference)
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        return Range(low, high)

    def cells(self, name: str, reference: str, relation: str = "<=", bound: float | None = None) -> list[Cell]:
        """Three cells: the microseconds of a step, the quartiles of its ratio to `reference`, and the ratio."""
        return [self.microseconds(name), self.quartiles(name, reference), self.ratio(name, reference, relation, bound)]


def settle_malloc() -> None:
    """Allocate and free one large array: see the last point of this module's docstring."""
    np.empty(LARGEST_THRESHOLD - (1 << 16), np.uint8)


def repeated(function: Callable[[], Any]) -> Side:
    """A side that calls `function` at each step, and yields what it returns in a tuple."""
    while True:
        yield (function(),)


def advance(side: Side, steps: int) -> Any:
    """Take `steps` >= 1 steps; returns what the last one yielded."""
    result = None
    for result in islice(side, steps):  # noqa: B007 - only the last is wanted
        pass
    return result


def assert_agreement(sides: Mapping[str, Side], what: Sequence[str], steps: int = 20, rtol: float = 1e-10) -> None:
    """Take `steps` steps on every side: what it yields then must be what the first side yields, up to rounding.

    Args:
        what: the names of what a step yields, for the message.
        rtol: the difference that is allowed, in units of the largest entry.

    Raises:
        AssertionError: names the side and what differs.
    """
    expected: list[Any] = []
    for name, side in sides.items():
        found = [as_vector(value) for value in advance(side, steps)]
        expected = expected or found
        for part, got, wanted in zip(what, found, expected, strict=True):
            message = f"{name}: {part} after {steps} steps is not that of {next(iter(sides))}"
            largest = np.abs(wanted).max(initial=0.0)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=rtol * largest, err_msg=message)


def as_vector(value: Any) -> np.ndarray[Any, Any]:
    """A copy of what a side yields: a NumPy number or array, or a tensor of any of the libraries."""
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    return array.reshape(-1).copy()


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
    """Run every side for about `seconds` in each of `rounds` rounds.

    Raises:
        Stopped: by Ctrl-C, when there was a complete round.
    """
    settle_malloc()
    names, timings = list(sides), Timings(sides)
    if instructions.are_counted():  # one to a nanosecond
        for name, side in sides.items():
            timings.seconds[name] = [1e-9 * n for n in instructions.counted(side, rounds)]
        return timings
    steps = {name: slice_length(side, seconds) for name, side in sides.items()}
    gc.collect()
    gc.freeze()
    try:
        for i in range(rounds):
            for name in names[i % len(names) :] + names[: i % len(names)]:
                gc.collect()
                advance(sides[name], steps[name] // 4 + 1)
                timings.seconds[name].append(clock(sides[name], steps[name]) / steps[name])
    except KeyboardInterrupt:
        complete = min(map(len, timings.seconds.values()))
        if not complete:
            raise
        timings.seconds = {name: found[:complete] for name, found in timings.seconds.items()}
        raise Stopped(timings) from None
    finally:
        gc.unfreeze()
    return timings


# --------------------------------------------------------------------------------------------------- what was found
class Ratio(NamedTuple):
    """A measured figure, and the bound that it is to keep; None where nothing was promised.

    `relation` says which way is better, and `rounds` has the figure of each round where there are several.
    """

    value: float
    relation: str = "<="
    bound: float | None = None
    rounds: tuple[float, ...] = ()

    @property
    def missed(self) -> bool:
        if self.bound is None:
            return False
        return not (self.value <= self.bound if self.relation == "<=" else self.value >= self.bound)

    @property
    def verdict(self) -> str:
        return "" if self.bound is None else f" {self.relation} {self.bound:g} {'miss' if self.missed else 'hit'}"

    def __str__(self) -> str:
        return written(self.value) + self.verdict


class Range(NamedTuple):
    """The quartiles of a figure over the rounds: half of them lie between."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{written(self.low)}-{written(self.high)}"


Cell = str | int | float | Ratio | Range | None  # None is empty: there is no such figure


def written(cell: Cell) -> str:
    """A figure with three digits, or with as many as stand before the point."""
    if isinstance(cell, float) and math.isfinite(cell):
        first = int(f"{cell:.2e}".partition("e")[2])  # the power of ten of the first digit, after rounding
        return f"{cell:,.{max(0, 2 - first)}f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell)


class Table:
    """What a benchmark found. It prints itself; `json` is what a file keeps of it.

    Args:
        title: what was measured, and how to read it.
        header: the name of each column.
        rows: a cell for each column; a row that is empty becomes a rule.
        notes: sentences to stand below.
    """

    def __init__(
        self, title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], notes: Sequence[str] = ()
    ) -> None:
        self.title, self.header, self.notes = title, list(header), list(notes)
        self.rows = [list(row) for row in rows]

    def figures(self) -> Iterator[tuple[str, str, Time | Ratio | float]]:
        """Each figure, after what stands before it: the words and counts that its row begins with, and the column."""
        for row in filter(None, self.rows):
            case = ", ".join(map(written, takewhile(lambda cell: isinstance(cell, str | int), row)))
            for name, cell in zip(self.header, row, strict=True):
                if isinstance(cell, float | Ratio):
                    yield case, name, cell

    @property
    def missed(self) -> list[str]:
        """The targets that were not kept."""
        cells = self.figures()
        return [f"{case}: {name} {cell}" for case, name, cell in cells if isinstance(cell, Ratio) and cell.missed]

    def json(self) -> dict[str, Any]:
        def kept(cell: Cell) -> Any:
            if isinstance(cell, Time):
                return {"value": float(cell), "rounds": cell.rounds}
            if isinstance(cell, Ratio):
                return cell._asdict() | {"missed": cell.missed}
            return cell._asdict() if isinstance(cell, Range) else cell

        rows = [[kept(cell) for cell in row] for row in self.rows if row]
        return {"title": self.title, "header": self.header, "rows": rows, "notes": self.notes}

    def __str__(self) -> str:
        columns = zip(self.header, *filter(None, self.rows), strict=True)
        head, *lines = map("  ".join, zip(*(aligned(*column) for column in columns), strict=True))
        filled = iter(lines)
        body = [next(filled) if row else "-" * len(head) for row in self.rows]
        notes = ["", *self.notes] if self.notes else []
        return "\n".join([self.title, "", *(line.rstrip() for line in (head, *body)), *notes])


def aligned(name: str, *cells: Cell) -> list[str]:
    """A column, of one width: words to the left, figures to the right, verdicts below each other."""
    if all(isinstance(cell, str) for cell in cells):
        words = [name, *map(str, cells)]
        width = max(map(len, words))
        return [word.ljust(width) for word in words]
    verdicts = [cell.verdict if isinstance(cell, Ratio) else "" for cell in cells]
    figures = [written(cell.value if isinstance(cell, Ratio) else cell) for cell in cells]
    widest, after = max(map(len, figures)), max(map(len, verdicts))
    texts = [figure.rjust(widest) + verdict.ljust(after) for figure, verdict in zip(figures, verdicts, strict=True)]
    width = max(map(len, (name, *texts)))
    return [text.rjust(width) for text in (name, *texts)]


# ----------------------------------------------------------------------------------------------------- as a command
ROUNDS = 40


def positive(text: str) -> int:
    """An argument of a command that counts from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def say(text: str) -> None:
    """Tell on standard error how far a benchmark is."""
    print(text, file=sys.stderr, flush=True)


def command(
    name: str, run: Callable[..., Table], doc: str | None, arguments: Sequence[str] | None, **options: dict[str, Any]
) -> int:
    """`python -m benchmarks.NAME`: run one benchmark and print its table; the exit code.

    Args:
        run: is called with `rounds` and the `options`.
        doc: the docstring of the module.
        arguments: the command line; None means that of the process.
        options: what the command takes beside --rounds and --check: the keywords of `add_argument` by name.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, keywords in options.items():
        parser.add_argument(f"--{option}", **keywords)
    parser.add_argument(
        "--rounds", type=positive, default=ROUNDS, help=f"rounds in which every side runs once (default {ROUNDS})"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    given = vars(parser.parse_args(arguments))
    check = given.pop("check")
    table = run(**given)
    print(table)
    return 1 if check and table.missed else 0
