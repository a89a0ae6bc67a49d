"""All benchmarks, or those that are named: tables on standard output, progress on standard error.

A complete run writes benchmarks/results/DATE.json, with all figures, the versions and the machine, and draws
docs/benchmarks.png, the picture in the README. With --output FILE, any run writes FILE, and draws beside it if `step`
is among the benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from importlib import import_module, metadata
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minigrad.bench.harness import ROUNDS, Table, positive, say
from minigrad.bench.peers import has

NAMES = "step", "sgd", "mlp", "conv", "scaling", "higher_order", "programs", "gpt", "overhead", "checkers"
LIBRARIES = "minigrad", "numpy", "numba", "torch", "jax", "jaxlib", "autograd", "mygrad", "scikit-learn"
ROOT = Path(__file__).parents[1]


def question(name: str) -> str:
    """What a benchmark measures: the first line of its file."""
    return (import_module(f"benchmarks.{name}").__doc__ or "").partition("\n")[0]


def versions() -> dict[str, str]:
    """Of the libraries that took part."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload, index]
    return found | {"blas of numpy": f"{blas['name']} {blas['version']}"}


def machine() -> dict[str, Any]:
    """The processor, its cores, the operating system and Python: what a figure depends on, and no more."""
    processor, system = platform.processor(), platform.system()
    with suppress(OSError):  # there are other systems than Linux
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
        system = f"{system}, {platform.freedesktop_os_release()['PRETTY_NAME']}"
    return {
        "processor": processor,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "system": system,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def write(path: Path, rounds: int, tables: dict[str, tuple[Table, float]]) -> None:
    """Keep what was measured."""
    found = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "rounds": rounds,
        "benchmarks": {name: table.json() | {"seconds": round(took, 1)} for name, (table, took) in tables.items()},
    }
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"figures: {path}")


def unused(folder: Path) -> Path:
    """A file for today's figures; never one that is there already. Its folder is made before anything is measured."""
    folder.mkdir(exist_ok=True)
    names = (f"{date.today()}{f'-{i}' if i > 1 else ''}.json" for i in count(1))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"default: all of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=positive, default=ROUNDS, help=f"fewer are faster (default {ROUNDS})")
    parser.add_argument("--list", action="store_true", help="say what each benchmark measures, and stop")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    if options.list:
        width = max(map(len, NAMES))
        print("\n".join(f"{name:{width}}  {question(name)}" for name in options.names or NAMES))
        return 0
    output, picture = options.output, options.output and options.output.with_suffix(".png")
    if output and not output.parent.is_dir():
        parser.error(f"--output: there is no folder {output.parent}")
    if not (output or options.names):
        output, picture = unused(ROOT / "benchmarks" / "results"), ROOT / "docs" / "benchmarks.png"

    tables: dict[str, tuple[Table, float]] = {}
    names = list(dict.fromkeys(options.names)) or NAMES
    try:
        for i, name in enumerate(names, 1):
            say(f"[{i}/{len(names)}] {name}")
            began = perf_counter()
            table = import_module(f"benchmarks.{name}").run(options.rounds)
            tables[name] = table, perf_counter() - began
            print(table, end="\n\n", flush=True)
        missed = [f"{name}: {target}" for name, (table, _) in tables.items() for target in table.missed]
        print("\n  ".join(["Targets that were missed:", *missed]) if missed else "All targets were kept.")
    finally:
        if output and tables:  # what was measured before a Ctrl-C is kept, too
            write(output, options.rounds, tables)
    if picture and "step" in tables and has("matplotlib"):
        from minigrad.bench.picture import draw

        draw(tables["step"][0], picture)
        say(f"picture: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
