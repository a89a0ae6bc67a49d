"""What does it cost to sum the squares of some numbers? A benchmark of one's own: `python -m benchmarks benchmark.py`.

A benchmark is a file anywhere with a function run(rounds) that returns a Table. A side does one unit of work for each
`next()`; `repeated` makes one of a function. All sides are to agree before anything is timed.
"""

import numpy as np

from minigrad.bench.harness import Table, assert_agreement, measure, repeated

SIZES = 10, 1000
HEADER = ["entries", "side", "µs", "quartiles", "over a loop"]


def sides(size):
    """Three ways to do the same thing."""
    x = np.linspace(-1, 1, size)
    numbers = x.tolist()
    return {
        "a loop": repeated(lambda: sum(number * number for number in numbers)),
        "NumPy": repeated(lambda: (x * x).sum()),
        "an inner product": repeated(lambda: x @ x),
    }


def run(rounds):
    rows = []
    for size in SIZES:
        assert_agreement(sides(size), ["the sum"])
        timings = measure(sides(size), rounds)
        rows += [[], *([size, name, *timings.cells(name, "a loop")] for name in sides(size))]
    return Table("The sum of the squares of some numbers.", HEADER, rows)


if __name__ == "__main__":
    print(run(rounds=10))
