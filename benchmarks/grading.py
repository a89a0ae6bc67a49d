"""How much quicker a class is graded in a folder than file by file, and whether memory grows with it.

    python -m benchmarks.grading --count 24 --jobs 2

The same files are graded one by one and as a folder, in turn. Needed is a ratio of 1.8 with two jobs on two cores that
have nothing else to do; the time is the wall's, and the processors' stands beside it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from minigrad.bench.harness import positive, say

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=positive, default=24, help="files of the class (default 24)")
    parser.add_argument("--jobs", type=positive, default=2, help="graded at once (default 2)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        files, twice = handed_in(home / "hw", options.count), home / "twice"
        handed_in(twice, 2 * options.count)
        half = len(files) // 2
        say("file by file, then the folder, then the rest of the files, then a folder of twice as many")
        single = [timed(path, *NAMES) for path in files[:half]]
        whole = timed(home / "hw", *NAMES, "--jobs", str(options.jobs), "-o", home / "marks.csv")
        single += [timed(path, *NAMES) for path in files[half:]]
        double = timed(twice, *NAMES, "--jobs", str(options.jobs), "-o", home / "twice.csv")
    for name, column in (("wall", 0), ("processors", 1)):
        alone = sum(one[column] for one in single)
        print(f"{name:12}{alone:8.1f} s one by one{whole[column]:8.1f} s as a folder{alone / whole[column]:8.2f} times")
    print(f"memory      {whole[2]:8.0f} MB of {options.count} files{double[2]:8.0f} MB of {2 * options.count}")


if __name__ == "__main__":
    main()
