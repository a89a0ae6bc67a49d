"""Results in files, and what changed between two of them.

The JSON is what pyperf reads, so that its commands show and compare it, with our tables beside what pyperf knows: a
reader of that format passes over names that it does not know. It is a page of its documentation and twenty lines here,
and so needs no pyperf. Each side of each case is a benchmark of that name, each round a value.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad.bench import instructions
from minigrad.bench.harness import Cell, Range, Ratio, Table, Time, written

__all__ = ["HEADER", "OURS", "Results", "ResultsError", "changes", "read"]

Array = np.ndarray[Any, Any]
OURS = "minigrad.bench"  # a word that is in each of these files
HEADER = "benchmark,case,figure,unit,better,bound,round,value,commit"  # and so is this in each CSV
LIBRARIES = "minigrad-tape", "numpy", "numba", "torch", "jax", "jaxlib", "autograd", "mygrad", "scikit-learn"


class ResultsError(ValueError):
    """A file holds no results that can be compared."""


def versions() -> dict[str, str]:
    """Of the libraries that took part."""
    found = {}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
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


def commit(folder: Path) -> dict[str, Any] | None:
    """The commit that `folder` is at, and whether it is dirty: files that git knows are not as they are there."""
    try:
        asked = [["git", "-C", str(folder), *words] for words in (["rev-parse", "HEAD"], ["status", "-uno", "-s"])]
        found = [subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() for words in asked]
    except (OSError, subprocess.CalledProcessError):  # there is no git, or nothing that it knows
        return None
    return {"id": found[0], "dirty": bool(found[1])}


class Results:
    """What a run of some benchmarks found.

    Args:
        tables: of each benchmark, and the seconds that it took.
        rounds: how many were asked for.
        folder: where what was measured lies, whose commit is noted.
    """

    def __init__(self, tables: Mapping[str, tuple[Table, float]], rounds: int, folder: Path) -> None:
        self.tables, self.rounds, self.commit = tables, rounds, commit(folder)
        self.counted = instructions.are_counted()

    def json(self) -> str:
        """pyperf's format, version 1.0, and our tables."""
        here = machine()
        suite = {"cpu_model_name": here["processor"] or here["architecture"], "platform": here["system"]}
        suite |= {"cpu_count": here["cores"] or 1, "python_implementation": platform.python_implementation().lower()}
        suite |= {"python_version": platform.python_version(), "unit": "integer" if self.counted else "second"}
        suite |= {f"{name.replace('-', '_').replace(' ', '_')}_version": text for name, text in versions().items()}
        if self.commit:
            suite |= {"commit_id": self.commit["id"], "commit_dirty": int(self.commit["dirty"])}
        kept = {
            OURS: {
                "date": date.today().isoformat(),
                "unit": "instructions" if self.counted else "seconds",
                "commit": self.commit,
                "machine": here,
                "versions": versions(),
                "rounds": self.rounds,
                "benchmarks": {
                    name: table.json() | {"seconds": round(s, 1)} for name, (table, s) in self.tables.items()
                },
            },
            "version": "1.0",
            "metadata": suite,
            "benchmarks": [
                {"metadata": {"name": name}, "runs": [{"values": values}]} for name, values in self.timings()
            ],
        }
        return json.dumps(kept, ensure_ascii=False) + "\n"

    def timings(self) -> Iterator[tuple[str, list[float]]]:
        """The name of each time that was taken, and its rounds: seconds, or instructions."""
        for benchmark, (table, _) in self.tables.items():
            times = [(case, name, cell) for case, name, cell in table.figures() if isinstance(cell, Time)]
            several = len({name for _, name, _ in times}) > 1
            for case, name, cell in times:
                title = ": ".join([benchmark, case, *([name] if several else [])])
                yield title, [round(1e9 * s) for s in cell.rounds] if self.counted else list(cell.rounds)

    def csv(self) -> str:
        """A line for each round of each figure; a figure without rounds has a line without one."""
        file = io.StringIO()
        out = csv.writer(file, lineterminator="\n")
        out.writerow(HEADER.split(","))
        at = self.commit["id"] + "+" * self.commit["dirty"] if self.commit else ""
        for benchmark, (table, _) in self.tables.items():
            for case, name, cell in table.figures():
                ratio = cell if isinstance(cell, Ratio) else None
                unit = "" if ratio else "instructions" if self.counted else "seconds"
                better = {"<=": "less", ">=": "more"}[ratio.relation] if ratio else "less"
                rounds = cell.rounds if isinstance(cell, Ratio | Time) else ()
                scale = 1e9 if self.counted and not ratio else 1
                values = [(i, scale * x) for i, x in enumerate(rounds, 1)] or [(0, plain(cell))]
                for i, value in values:
                    known = isinstance(cell, Ratio | Time)
                    row = [benchmark, case, name, unit if known else "", better if known else ""]
                    out.writerow([*row, ratio.bound if ratio else "", i or "", value, at])
        return file.getvalue()


def plain(cell: Time | Ratio | float) -> float:
    return cell.value if isinstance(cell, Ratio) else float(cell)


# ------------------------------------------------------------------------------------------------------ what changed
LEVEL = 0.95  # of all intervals of a table together
RESAMPLES = 9999
FEWEST = 5  # rounds that say anything of how they differ
RUNS = 3  # and so many runs
ONE_RUN = 5.0  # per cent by which two runs of one program may differ, where nothing is known of that


class Kept(NamedTuple):
    """A ratio as a file has it, or several files."""

    relation: str
    rounds: tuple[float, ...]
    runs: tuple[float, ...] = ()  # the medians of the files


def together(path: Path) -> tuple[dict[str, Any], dict[tuple[str, str, str], Kept]]:
    """The results of a file, or of the first of a folder of runs, and the ratios of all of them."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ResultsError(f"{path} is a folder without a file of results, *.json")
    every = [read(file) for file in files]
    if len({results["unit"] for results in every}) > 1:
        raise ResultsError(f"{path} has files of seconds and files of instructions: they do not compare")
    found: dict[tuple[str, str, str], Kept] = {}
    for name, kept in (item for results in every for item in ratios(results).items()):
        _, rounds, runs = found.get(name, kept._replace(rounds=()))
        found[name] = Kept(kept.relation, rounds + kept.rounds, (*runs, float(np.median(kept.rounds))))
    return every[0], found


def read(path: Path) -> dict[str, Any]:
    """What `Results.json` wrote, or a ResultsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[OURS]
        ratios(found)
        return dict(found)
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # no JSON, or another's
        raise ResultsError(
            f"{path} holds no results with their rounds: python -m benchmarks --json {path.name} writes such a file"
        ) from error


def ratios(results: Mapping[str, Any]) -> dict[tuple[str, str, str], Kept]:
    """The ratios in a file that have rounds: by benchmark, case and figure."""
    found = {}
    for benchmark, table in results["benchmarks"].items():
        for row in table["rows"]:
            case = ", ".join(map(written, takewhile(lambda cell: isinstance(cell, str | int), row)))
            for name, cell in zip(table["header"], row, strict=True):
                rounds = cell.get("rounds", ()) if isinstance(cell, dict) and "relation" in cell else ()
                if {*rounds} - {1.0}:  # which is the reference itself
                    found[benchmark, case, name] = Kept(cell["relation"], tuple(rounds))
    return found


def interval(old: Array, new: Array, level: float) -> Range:
    """Where the ratio of the medians, new over old, lies at this level: a percentile bootstrap, rounds resampled.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    random = np.random.default_rng(0)
    medians = [
        np.median(rounds[random.integers(0, len(rounds), (RESAMPLES, len(rounds)))], axis=1) for rounds in (new, old)
    ]
    low, high = np.quantile(medians[0] / medians[1], [(1 - level) / 2, (1 + level) / 2])
    return Range(float(low), float(high))


def between(old: Array, new: Array, level: float) -> Range:
    """The same of the geometric means, from one figure a run: how runs differ is in it, and not only rounds.

    B. L. Welch, The generalization of "Student's" problem when several different population variances are involved,
    Biometrika 34, 1947.
    """
    means, parts, each = [], [], []
    for runs in (np.log(old), np.log(new)):
        means.append(runs.mean())
        parts.append(runs.var(ddof=1) / len(runs))
        each.append(len(runs) - 1)
    freedom = sum(parts) ** 2 / sum(v * v / n for v, n in zip(parts, each, strict=True)) if sum(parts) else 1.0
    t = np.quantile(abs(np.random.default_rng(0).standard_t(freedom, 1 << 17)), level)
    middle, reach = means[1] - means[0], t * np.sqrt(sum(parts))
    return Range(float(np.exp(middle - reach)), float(np.exp(middle + reach)))


TITLE = """\
{a} and {b}: what has become of each ratio.
change: the second over the first, of the medians of the rounds. interval: where it is with {level:.0%} confidence, all
rows together (Bonferroni): {how}
A change counts where all of its interval is beyond {tolerance:g} %."""
OF_ROUNDS = """\
a percentile bootstrap, in which the rounds of each file are drawn again and again. Of how two
runs of one program differ, as they lie in memory, the rounds of one process say nothing; a folder of runs does."""
OF_RUNS = "by Welch's t, of the medians of the runs in each folder."


def changes(a: Path, b: Path, tolerance: float | None = None) -> tuple[Table, list[str]]:
    """The table of what is in both files, and the cases that are worse in `b`.

    Args:
        a, b: files, or folders of them: each a run of the same program.
        tolerance: the change in per cent that is none. By default 0 where there are three runs of each, which tell how
            runs differ, and 5 where there are not.
    """
    (before, old), (after, new) = together(a), together(b)
    if before["unit"] != after["unit"]:
        raise ResultsError(f"{a} has {before['unit']}, {b} {after['unit']}: they do not compare")
    both = [name for name in old if name in new]
    if not both:
        raise ResultsError(f"{a} and {b} have no ratio in common")
    level = 1 - (1 - LEVEL) / len(both)
    by_runs = min(len(kept[name].runs) for kept in (old, new) for name in both) >= RUNS
    if tolerance is None:
        tolerance = 0 if by_runs else ONE_RUN
    worse: list[str] = []
    rows: list[list[Cell]] = []
    better = unclear = 0
    for name in both:
        x, y = np.array(old[name].rounds), np.array(new[name].rounds)
        change = float(np.median(y) / np.median(x))
        exact = before["unit"] == "instructions"
        judged = exact or min(len(x), len(y)) >= FEWEST
        unclear += not judged
        found: Range | None
        if by_runs:
            found = between(np.array(old[name].runs), np.array(new[name].runs), level)
        else:
            found = Range(change, change) if exact else interval(x, y, level) if judged else None
        beyond = 0
        if found and min(found.low, found.high) > 1 + tolerance / 100:
            beyond = 1
        if found and max(found.low, found.high) < 1 / (1 + tolerance / 100):
            beyond = -1
        is_worse = beyond * (1 if new[name].relation == "<=" else -1) > 0
        verdict = "" if not beyond else "worse" if is_worse else "better"
        better += verdict == "better"
        worse += [", ".join(name)] * is_worse
        rows.append([*name, float(np.median(x)), float(np.median(y)), change, None if exact else found, verdict])
    notes = [f"{len(worse)} of {len(both)} are worse, {better} better."]
    if unclear:
        notes.append(f"{unclear} have fewer than {FEWEST} rounds and are not judged.")
    for path, one, other in (a, old, new), (b, new, old):
        if alone := [", ".join(name) for name in one if name not in other]:
            notes.append(f"only in {path.name}: {len(alone)}, such as {alone[0]}")
    for what in "machine", "versions":
        x, y = before[what], after[what]
        notes += [f"{k}: {x.get(k)}, then {y.get(k)}" for k in dict.fromkeys([*x, *y]) if x.get(k) != y.get(k)]
    header = ["benchmark", "case", "figure", a.stem, b.stem, "change", "interval", "verdict"]
    how = OF_RUNS if by_runs else OF_ROUNDS
    return Table(TITLE.format(a=a, b=b, level=LEVEL, tolerance=tolerance, how=how), header, rows, notes), worse
