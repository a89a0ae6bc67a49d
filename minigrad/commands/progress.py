"""The command `minigrad progress`: which exercises of the lessons are solved."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from minigrad.commands.grade import seconds
from minigrad.commands.outputs import refused, replacing
from minigrad.commands.userfile import fail
from minigrad.grade.examiner import Limits, WorkerError
from minigrad.grade.formats import cell
from minigrad.grade.notebooks import progress_of_all
from minigrad.grade.submission import found_in

HEADER = ["student", "lesson", "exercise", "verdict", "file"]
EXAMPLES = """\
examples:
  minigrad progress 3_function.ipynb            what its checks say of each exercise
  minigrad progress class/ -o progress.csv      of each notebook in a folder, one row an exercise

A lesson is run from its first cell to its last, in a process of its own. A cell that raises does not stop it, and an
endless loop costs its exercise and no other. The verdicts are those of the checks in the notebook: right, not yet
right, not answered yet, or none. They are no marks.
exit codes: 0 all of them say right, 1 some do not, 2 nothing can be read or wrong usage, 130 stopped by Ctrl-C
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description = "Which exercises of the lessons are solved."
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        type=Path,
        metavar="file",
        help="a lesson, as a notebook or a Python file, or a folder of them",
    )
    add("-o", "--output", type=Path, metavar="FILE", help="write a CSV there")
    add("--force", action="store_true", help="replace what stands there, whatever it is")
    add("--timeout", type=seconds, default=30.0, metavar="SECONDS", help="for one cell (default 30)")
    add("--total-timeout", type=seconds, default=300.0, metavar="SECONDS", help="for one lesson (default 300)")


def run(options: Any) -> int:
    ours = ",".join(HEADER)
    if options.output and (reason := refused(options.output, ours, options.force, *options.paths)):
        return fail(2, f"progress: {reason}")
    rows, solved, problems = [], True, 0
    found = found_in(options.paths)
    try:
        for name, path, one in progress_of_all(found, Limits(time=options.timeout), options.total_timeout):
            if isinstance(one, str):
                solved, problems = False, problems + 1
                fail(2, f"progress: {path}: {one}")
                continue
            verdicts = {number: verdict for number, (verdict, _) in one.verdicts.items()}
            solved &= bool(verdicts) and one.points == len(verdicts)
            rows += [
                [cell(name), cell(one.title), number, verdict, cell(str(path))] for number, verdict in verdicts.items()
            ]
            if verdicts:
                said = ", ".join(f"{number} {verdict}" for number, verdict in verdicts.items())
                print(f"{name}: {one.title}: {one.points} of {len(verdicts)} ({said})", flush=True)
            else:
                print(f"{name}: {one.title}: there are no exercises in it")
    except WorkerError as error:
        return fail(2, f"progress: {error}")
    if options.output:
        with replacing(options.output) as file:
            csv.writer(file).writerows([HEADER, *rows])
    if problems == len(found):
        return 2
    return 0 if solved else 1
