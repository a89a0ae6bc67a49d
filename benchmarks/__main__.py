"""All benchmarks, or those that are named: tables on standard output, progress on standard error.

A name is one of ours, or a file anywhere, path/to/file.py, with a function run(rounds) that returns a Table. A complete
run writes benchmarks/results/DATE.json, with all rounds, the versions and the machine, and docs/benchmarks.png, the
picture in docs/speed.md. With --compare nothing is measured: it says what changed between two files, or two folders of
runs.

exit codes: 0 all well, 1 --compare found a ratio that is worse, 2 wrong usage or a broken file, 130 Ctrl-C
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date
from importlib import import_module
from itertools import count
from pathlib import Path
from time import perf_counter
from types import ModuleType

from minigrad.bench import instructions
from minigrad.bench.harness import Table, say
from minigrad.bench.peers import has
from minigrad.bench.results import ONE_RUN, RUNS, ResultsError, changes
from minigrad.commands.bench import keep, outputs, refusal, rounds_of
from minigrad.commands.userfile import UserFileError, load_file, running

NAMES = (
    "step", "sgd", "mlp", "conv", "transformer", "scaling", "higher_order", "programs", "gpt", "overhead", "checkers",
)  # fmt: skip
ALONE = "grading", "parallel"  # by name only: they want whole cores, and time them by the clock on the wall
ROOT = Path(__file__).parents[1]
PROGRAM = "python -m benchmarks"
AXIS = "time of a training step over that of the same step by hand in NumPy"  # of step, in docs/speed.md


def question(name: str) -> str:
    """What a benchmark measures: the first line of its file."""
    return (import_module(f"benchmarks.{name}").__doc__ or "").partition("\n")[0]


def benchmark(name: str) -> Callable[[int], Table]:
    """The function `run` of one of ours, or of a file; a UserFileError if there is none."""
    module: ModuleType = load_file(name) if name.endswith(".py") else import_module(f"benchmarks.{name}")
    if not callable(getattr(module, "run", None)):
        raise UserFileError(f"{name} is no benchmark: it has no function run(rounds) that returns a Table")

    def run(rounds: int) -> Table:
        with running(name):
            table = module.run(rounds)
        if not isinstance(table, Table):
            raise UserFileError(f"{name}: run returned a {type(table).__name__}, and no Table")
        return table

    return run if name.endswith(".py") else module.run


def unused(folder: Path) -> Path:
    """A file for today's figures; never one that is there already. Its folder is made before anything is measured."""
    folder.mkdir(exist_ok=True)
    names = (f"{date.today()}{f'-{i}' if i > 1 else ''}.json" for i in count(1))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def fail(code: int, reason: str) -> int:
    print(f"{PROGRAM}: {reason}", file=sys.stderr)
    return code


def compared(a: Path, b: Path, tolerance: float | None) -> int:
    """Print what changed; 1 if something is worse."""
    try:
        table, worse = changes(a, b, tolerance)
    except ResultsError as error:
        return fail(2, str(error))
    print(table)
    return 1 if worse else 0


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    ours = f"default: all of {', '.join(NAMES)}; by name only: {', '.join(ALONE)}"
    add("names", nargs="*", metavar="name | file.py", help=ours)
    outputs(add)
    add("--list", action="store_true", help="say what each benchmark measures, and stop")
    add(
        "--compare", nargs=2, type=Path, metavar=("A.json", "B.json"),
        help="say what changed from A to B, files or folders of runs, and stop",
    )  # fmt: skip
    add(
        "--tolerance", type=float, metavar="PERCENT",
        help=f"a change that is none, for --compare (default {ONE_RUN:g}; 0 between folders of {RUNS} runs and more)",
    )  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    known = *NAMES, *ALONE
    unknown = [name for name in options.names if name not in known and not name.endswith(".py")]
    if unknown:
        return fail(
            2, f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}, and files: path/to/file.py"
        )
    if options.compare:
        return compared(*options.compare, options.tolerance)
    names = list(dict.fromkeys(options.names)) or NAMES
    if options.list:
        width = max(map(len, known))
        print("\n".join(f"{name:{width}}  {question(name)}" for name in options.names or known))
        return 0
    files = [name for name in names if name.endswith(".py")]
    if reason := refusal(options, *files):
        return fail(2, reason)
    if options.instructions and not instructions.are_counted():
        return instructions.restarted(["-m", "benchmarks", *arguments])
    if not options.names and not (options.json or options.csv or options.output):
        options.json, options.output = unused(ROOT / "benchmarks" / "results"), ROOT / "docs" / "benchmarks.png"
    if options.output and not has("matplotlib"):
        options.output = None
    return measured(names, options)


def measured(names: Sequence[str], options: argparse.Namespace) -> int:
    """Run the benchmarks of these names; what was measured before one of them broke, or a Ctrl-C, is kept, too."""
    tables: dict[str, tuple[Table, float]] = {}
    code, reason = 0, ""
    try:
        runs = {name: benchmark(name) for name in names}  # broken files are known before anything is measured
        for i, (name, run) in enumerate(runs.items(), 1):
            say(f"[{i}/{len(names)}] {name}")
            began = perf_counter()
            table = run(rounds_of(options))
            if instructions.are_counted():
                table.notes.append(instructions.NOTE)
            tables[Path(name).stem if name.endswith(".py") else name] = table, perf_counter() - began
            print(table, end="\n\n", flush=True)
        missed = [f"{name}: {target}" for name, (table, _) in tables.items() for target in table.missed]
        print("\n  ".join(["Targets that were missed:", *missed]) if missed else "All targets were kept.")
    except KeyboardInterrupt:
        code, reason = 130, "stopped by Ctrl-C"
    except UserFileError as error:
        code, reason = 2, str(error)
    except ModuleNotFoundError as error:
        code, reason = 2, f"this needs {error.name}, which is not installed: python -m pip install '.[bench]'"
    if tables:
        files = [name for name in names if name.endswith(".py")]
        keep(options, tables, Path(files[0]).resolve().parent if files else ROOT, AXIS if "step" in tables else "time")
    return fail(code, reason) if reason else 0


if __name__ == "__main__":
    sys.exit(main())
