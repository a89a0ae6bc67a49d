"""Do time and memory grow in proportion? With the number of operations, with the size of arrays, and when compiled.

Run as `python -m benchmarks.scaling`. Forward and backward of a chain of products: from 100 operations to 1,000,000, on
arrays of 8 entries; then 20 operations on arrays of 10 entries to 1,000,000; then what it takes to compile a chain, and
after how many calls that has paid for itself. A cost that has grown as n^1 since the row before is linear, one that has
grown as n^0 is constant. The power of a whole series is fitted to its last rows, where what grows outweighs the rest.
"""

from __future__ import annotations

import math
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import linear_regression
from typing import Any

import numpy as np

from minigrad import Tensor, compile
from minigrad.bench.harness import ROUNDS, Cell, Ratio, Table, advance, command, measure, say

ENTRIES, LENGTH = 8, 20  # of an array while operations are counted; of a chain while entries are
OPERATIONS = tuple(10**k for k in range(2, 7))
SIZES = tuple(10**k for k in range(1, 7))
COMPILED = 10, 100, 1000  # operations in a chain that is compiled
LAST = 3  # rows of a series, from its end, in which what grows outweighs what is constant
LINEAR = 1.1  # the exponent of a series; caches cost something beyond 1
Side = Iterator[None]


def chain(length: int, entries: int) -> Side:
    """Forward and backward of x w w w ..., and then everything is freed."""
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=entries), requires_grad=True)
    w = Tensor(1 + 1e-3 * rng.normal(size=entries) / math.sqrt(length), requires_grad=True)
    g = np.ones(entries)
    while True:
        y = product(x, w, length)
        y.backward(g)
        del y
        x.grad = w.grad = None
        yield


def product(x: Any, w: Any, length: int) -> Any:
    for _ in range(length):
        x = x * w
    return x


def compiling(length: int) -> Side:
    """Trace a chain, make a program of it, and call that once."""
    x, w = np.ones(ENTRIES), np.ones(ENTRIES)
    while True:
        compile(lambda x, w: product(x, w, length).sum(), grad_of=("x", "w"))(x, w)
        yield


def calling(length: int) -> Side:
    """Call the program of a chain."""
    x, w = np.ones(ENTRIES), np.ones(ENTRIES)
    program = compile(lambda x, w: product(x, w, length).sum(), grad_of=("x", "w"))
    while True:
        program(x, w)
        yield


def memory(side: Side) -> int:
    """The most bytes that Python and NumPy held at once during a step, beyond what they held before."""
    advance(side, 1)  # what is allocated once and kept is there now
    tracemalloc.start()
    try:
        advance(side, 1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def exponents(ns: Sequence[int], costs: Sequence[float]) -> list[float | None]:
    """For each row, the k of a cost that has grown as n^k since the row before; None for the first."""
    logs = [(math.log(n), math.log(cost)) for n, cost in zip(ns, costs, strict=True)]
    return [None, *((c1 - c0) / (n1 - n0) for (n0, c0), (n1, c1) in pairwise(logs))]


def fit(ns: Sequence[int], costs: Sequence[float]) -> Ratio:
    """The k of the line that fits the logarithms of the last rows best, which is to be 1 or little more."""
    logs = [[math.log(number) for number in column[-LAST:]] for column in (ns, costs)]
    return Ratio(linear_regression(*logs).slope, "<=", LINEAR)


def series(what: str, sides: dict[int, Side], rounds: int) -> list[list[Cell]]:
    """A row for each n, and one for the exponents that fit the last rows."""
    ns, most = list(sides), []
    for n, side in sides.items():
        say(f"scaling: memory, {n:,} {what}")
        most.append(memory(side))
    say(f"scaling: time, {what}")
    timings = measure({str(n): side for n, side in sides.items()}, rounds)
    times = [timings.microseconds(str(n)) for n in ns]
    columns = zip(ns, times, exponents(ns, times), most, exponents(ns, most), strict=True)
    rows = [[what, n, time, 1e3 * time / n, k, size / 1e3, size / n, j, None] for n, time, k, size, j in columns]
    return [[], *rows, [what, f"last {LAST}", None, None, fit(ns, times), None, None, fit(ns, most), None]]


def compilation(ns: Sequence[int], rounds: int) -> list[list[Cell]]:
    """A row for each length of a chain, and one for the exponent that fits the last rows."""
    say("scaling: compilation")
    makers = {"compile": compiling, "compiled": calling, "tape": lambda n: chain(n, ENTRIES)}
    timings = measure({f"{name} {n}": make(n) for n in ns for name, make in makers.items()}, rounds)
    times, compiled, tape = ([timings.microseconds(f"{name} {n}") for n in ns] for name in makers)
    rows: list[list[Cell]] = []
    for n, time, k, fast, slow in zip(ns, times, exponents(ns, times), compiled, tape, strict=True):
        pays = round(time / (slow - fast)) if slow > fast else None
        rows.append(["operations, compiling", n, time, 1e3 * time / n, k, None, None, None, pays])
    last = ["operations, compiling", f"last {LAST}", None, None, fit(ns, times), None, None, None, None]
    return [[], *rows, last]


HEADER = ["n of", "n", "µs", "ns/n", "time ~ n^", "kB", "bytes/n", "memory ~ n^", "calls that pay"]
TITLE = f"""\
Forward and backward of a chain of products: n operations on {ENTRIES} entries, and {LENGTH} operations on n entries.
µs: the median of interleaved rounds. kB: the most that Python and NumPy held at once, as tracemalloc counts it.
~ n^: the power of n with which the cost has grown since the row before; below, what fits the last {LAST} rows.
calls that pay: after so many calls, compiling and calling the program has taken less time than the tape."""


def run(
    rounds: int = ROUNDS,
    operations: Sequence[int] = OPERATIONS,
    sizes: Sequence[int] = SIZES,
    compiled: Sequence[int] = COMPILED,
) -> Table:
    """The table of all series; the longest chains take seconds, so an eighth of the `rounds` will do."""
    rounds = -(-rounds // 8)
    rows = series("operations", {n: chain(n, ENTRIES) for n in operations}, rounds)
    rows += series("entries", {n: chain(LENGTH, n) for n in sizes}, rounds)
    return Table(TITLE, HEADER, rows + compilation(compiled, rounds))


def main(arguments: Sequence[str] | None = None) -> int:
    return command("scaling", run, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
