"""How much quicker a class is graded in a folder than file by file, and whether memory grows with it.

    python -m benchmarks.grading --count 24 --jobs 2

The same files are graded one by one and as a folder, in turn. The time is the wall's, and the processors' stands beside
it. A run of all benchmarks leaves this one out, since it wants a core for each job.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from minigrad.bench.harness import Cell, Ratio, Table, command, positive, say

ANSWERS = """# number {number}
import numpy as np
from minigrad import Function

class ReLU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return {factor} * grad * (x > 0)

class Linear(Function):
    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W + b

    @staticmethod
    def backward(ctx, grad):
        x, W = ctx.saved_tensors
        return grad @ W.T, x.T @ grad, grad.{reduced}(0)
"""
NAMES = "ReLU", "Linear"
NEEDED = 1.8  # times faster by the wall, with two jobs on two cores that have nothing else to do


def timed(*words: str | Path) -> tuple[float, float, float]:
    """Seconds by the wall and by the processors, and the MB of the largest process, of one command."""
    begin = perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "minigrad", "grade", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise RuntimeError(f"minigrad grade {words[0]} ended with {child.returncode}")
    return perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def handed_in(home: Path, count: int) -> list[Path]:
    """Files of which every third is wrong in one place, and every third in another."""
    home.mkdir()
    for k in range(count):
        text = ANSWERS.format(number=k, factor=1 + (k % 3 == 1), reduced="mean" if k % 3 == 2 else "sum")
        (home / f"s{k:03}.py").write_text(text, encoding="utf-8")
    return sorted(home.iterdir())


HEADER = ["what", "one by one", "as a folder", "one by one over"]
TITLE = """\
A class of {count} files is graded file by file and as a folder, by {jobs} jobs on {cores} cores: seconds, and MB.
one by one over: how many times as much; of memory, what a folder of twice as many files takes over this one."""


def run(rounds: int = 1, count: int = 24, jobs: int = 2) -> Table:
    """The table of one round, which takes minutes and so is the only one, whatever `rounds` says."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        files, twice = handed_in(home / "hw", count), home / "twice"
        handed_in(twice, 2 * count)
        half = len(files) // 2
        say("grading: file by file, then the folder, then the rest of the files, then a folder of twice as many")
        single = [timed(path, *NAMES) for path in files[:half]]
        whole = timed(home / "hw", *NAMES, "--jobs", str(jobs), "-o", home / "marks.csv")
        single += [timed(path, *NAMES) for path in files[half:]]
        double = timed(twice, *NAMES, "--jobs", str(jobs), "-o", home / "twice.csv")
    rows: list[list[Cell]] = []
    for column, name in enumerate(("wall", "processors")):
        alone = sum(one[column] for one in single)
        rows.append([name, alone, whole[column], Ratio(alone / whole[column], ">=", None if column else NEEDED)])
    rows.append(["memory", max(one[2] for one in single), whole[2], Ratio(double[2] / whole[2])])
    return Table(TITLE.format(count=count, jobs=jobs, cores=os.cpu_count()), HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    files = {"type": positive, "default": 24, "metavar": "FILES", "help": "of the class (default 24)"}
    at_once = {"type": positive, "default": 2, "help": "graded at once (default 2)"}
    return command("grading", run, __doc__, arguments, count=files, jobs=at_once)


if __name__ == "__main__":
    sys.exit(main())
