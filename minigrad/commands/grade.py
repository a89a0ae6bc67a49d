"""The command `minigrad grade`: students' files in, marks out."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from minigrad.commands.userfile import UserFileError, fail
from minigrad.grade.examiner import Limits
from minigrad.grade.exercise import load_exercises, template
from minigrad.grade.formats import FORMATS
from minigrad.grade.grading import HINTS, Rules, chosen, closed_files, grade_submission
from minigrad.grade.submission import SUFFIXES, read

EXAMPLES = """\
examples:
  minigrad grade --list                         the exercises, and what each is worth
  minigrad grade --template -o student.py       a file to begin with
  minigrad grade student.py                     marks, and what is wrong
  minigrad grade student.ipynb Linear MSE       of these only
  minigrad grade student.py --exercises ours.py --hints kind
  minigrad grade student.py --format gradescope -o /autograder/results/results.json

The file runs in a process of its own, which gets arrays and returns arrays: it cannot reach the marks, and an endless
loop or a crash costs its exercise. What it prints goes nowhere.

exit codes: 0 full marks, 1 less, 2 the file cannot be loaded or wrong usage, 130 stopped by Ctrl-C. In the formats of
gradescope, prairielearn, classroom50, coderunner and vpl 0 also for less: the marks are in the result, which says why a
file cannot be loaded, too.
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description = "Marks for files of Functions, with what is wrong."
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add(
        "words",
        nargs="*",
        metavar="file",
        help="a .py file or a notebook with classes named as the exercises are; names behind it: grade only these",
    )
    add("--exercises", type=Path, metavar="FILE", help="a file with a list EXERCISES (default: the ten of minigrad)")
    add("--list", action="store_true", help="print the exercises and exit")
    add("--template", action="store_true", help="write a file to begin with and exit")
    add("--format", choices=FORMATS, default="text", help="what the marks are written for (default text)")
    add("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    add("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    add("--force", action="store_true", help="replace what stands there, whatever it is")
    add("--hints", choices=HINTS, default="full", help="how much a student is told (default full)")
    add(
        "--follow-through",
        type=part,
        default=0.0,
        metavar="PART",
        help="of the points, for a right backward of a wrong forward, from 0 to 1 (default 0)",
    )
    add("--timeout", type=seconds, default=30.0, metavar="SECONDS", help="for one exercise (default 30)")
    add("--total-timeout", type=seconds, default=300.0, metavar="SECONDS", help="for all of one file (default 300)")
    add(
        "--limits",
        type=limits,
        default={},
        metavar="NAME=N,...",
        help="of a worker: memory and file in MB, processes, files, cpu in seconds (default memory=4096,file=16,"
        "processes=32,files=256,cpu=300)",
    )
    add("--seed", type=int, default=0, help="of the inputs that are tried (default 0)")


def seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"a time in seconds is positive, and this is {text}")
    return value


def part(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a part is a number from 0 to 1, and this is {text}")
    return value


def limits(text: str) -> dict[str, int]:
    found = {}
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        if name not in ("memory", "file", "processes", "files", "cpu"):
            raise argparse.ArgumentTypeError(f"{name!r} is no limit; they are memory, file, processes, files and cpu")
        if not value.isdecimal() or not int(value):
            raise argparse.ArgumentTypeError(f"the limit {name} is a whole number from 1, and this is {value!r}")
        found[name] = int(value) << (20 if name in ("memory", "file") else 0)
    return found


seconds.__name__ = part.__name__ = "number"  # argparse puts it into "invalid ... value"


def run(options: Any) -> int:
    exercises = load_exercises(options.exercises)
    if options.list:
        print("\n".join(str(e) for e in exercises.values() if not e.hidden))
        return 0
    if options.template:
        return write(template(exercises), options, "exercises in backpropagation")
    paths = [Path(word) for word in options.words if is_path(word)]
    names = [word for word in options.words if not is_path(word)]
    if not paths:
        return fail(2, "grade: which file? minigrad grade student.py (--template writes one to begin with)")
    try:
        wanted = chosen(exercises, names)
    except ValueError as error:
        return fail(2, f"grade: {error}")
    rules = Rules(
        dataclasses.replace(Limits(time=options.timeout), **options.limits),
        options.total_timeout,
        options.seed,
        options.follow_through,
    )
    return one(paths[0], wanted, rules, options)


def is_path(word: str) -> bool:
    return word.endswith(SUFFIXES) or "/" in word or "\\" in word or Path(word).exists()


def one(path: Path, exercises: Any, rules: Rules, options: Any) -> int:
    """Marks for one file."""
    if not path.is_file():
        raise UserFileError(f"there is no file {str(path)!r}")
    form = FORMATS[options.format]
    live = options.format == "text" and options.output is None
    submission = read(path, list(exercises), closed=options.exercises)
    try:
        marks = grade_submission(
            submission,
            exercises,
            rules,
            closed_files(options.exercises),
            (lambda mark: print(mark.text(options.hints), flush=True)) if live else None,
        )
    except RuntimeError as error:
        return fail(2, f"grade: {error}")
    if live:
        print("\n".join(filter(None, [marks.explanation(options.hints), marks.sum])))
        if marks.problem:
            print(f"minigrad: {marks.problem}", file=sys.stderr)
    elif code := write(form.write(marks, options.hints), options, "score"):
        return code
    if not form.strict:
        return 0
    return 2 if marks.problem else 0 if marks else 1


def write(text: str, options: Any, ours: str) -> int:
    """To standard output or a file, which is replaced if it is one of ours or --force is given."""
    if options.output is None:
        print(text, end="")
        return 0
    path: Path = options.output
    if path.exists() and not options.force and ours not in path.read_text(encoding="utf-8", errors="replace").lower():
        return fail(2, f"grade: {path} is not of this command: --force replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return 0
