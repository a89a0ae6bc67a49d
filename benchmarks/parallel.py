"""What do workers gain? The same descent by 1, 2, ... workers, beside what Amdahl's law allows them.

Run as `python -m benchmarks.parallel`, with --picture FILE for a plot. All take the same steps, of many rows, to the
same bits, which is made sure of. What one worker spends on the exchange no other can take off it: with a share s of
exchange, N workers are at most 1 / (s + (1 - s) / N) times as fast as one. Dask takes part where it is installed. A run
of all benchmarks leaves this one out, since it wants a core for each worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from minigrad import lab
from minigrad.bench.harness import ROUNDS, Cell, Table, command, say
from minigrad.bench.peers import has

HEADER = ["backend", "workers", "s", "computing s", "exchange s", "speed-up", "Amdahl allows"]
TITLE = """\
Data-parallel descent on {rows:,} rows of {features} features: {steps} steps of {batch:,} rows, on {cores} cores.
Medians of {rounds} runs in turns, seconds in steps; all came to the same bits. Speed-up: over one worker."""


def amdahl(share: float, workers: int) -> float:
    """How many times as fast `workers` are at most, if this share of the time is not theirs to divide."""
    return 1 / (share + (1 - share) / workers)


def run(
    rounds: int = ROUNDS,
    rows: int = 400_000,
    features: int = 50,
    batch: int = 80_000,
    workers: Sequence[int] = (1, 2, 3, 4),
    backends: Sequence[str] = ("threads", "processes", "dask"),
    picture: Path | None = None,
) -> Table:
    """The table of all backends; a run takes a second, so an eighth of the `rounds` will do."""
    rounds = max(1, rounds // 8)
    backends = [name for name in backends if name != "dask" or has("distributed")]
    data = lab.load("synthetic", rows=rows, features=features, outputs=1)
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    bits = set()
    for turn in range(rounds):
        say(f"parallel: round {turn + 1} of {rounds}")
        for backend in backends:
            for n in workers:
                made = lab.train(data, epochs=4, batch_size=batch, backend=backend, workers=n)
                assert made.work is not None
                bits.add(made.weights.tobytes())
                found.setdefault((backend, n), []).append((made.seconds, *made.work))
    assert len(bits) == 1, "the weights are not the same to the bit"
    lines: list[list[Cell]] = []
    for backend in backends:
        lines.append([])
        one, _, alone = (median(values) for values in zip(*found[backend, workers[0]], strict=True))
        for n in workers:
            seconds, computing, exchange = (median(values) for values in zip(*found[backend, n], strict=True))
            lines.append([backend, n, seconds, computing, exchange, one / seconds, amdahl(alone / one, n)])
    made_of = {"rows": rows, "features": features, "steps": made.steps, "batch": batch}
    table = Table(TITLE.format(**made_of, cores=os.cpu_count(), rounds=rounds), HEADER, lines)
    if picture:
        draw(table, picture)
    return table


def draw(table: Table, path: Path) -> None:
    """The speed-up of each backend over its workers, and dashed what Amdahl's law allows it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for backend in dict.fromkeys(str(row[0]) for row in table.rows if row):
        rows = [row for row in table.rows if row and row[0] == backend]
        workers, gained, allowed = ([row[i] for row in rows] for i in (1, 5, 6))
        (line,) = axes.plot(workers, gained, marker="o", label=backend)
        axes.plot(workers, allowed, linestyle="--", linewidth=1, color=line.get_color())
    axes.plot(workers, workers, color="0.8", linewidth=1, zorder=0)
    axes.set(xlabel="workers", ylabel="times as fast as one", xticks=workers)
    axes.set_title("speed-up; dashed: what Amdahl's law allows", loc="left", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str] | None = None) -> int:
    return command("parallel", run, __doc__, arguments, picture={"type": Path, "metavar": "FILE", "help": "a plot"})


if __name__ == "__main__":
    sys.exit(main())
