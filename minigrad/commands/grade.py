"""The command `minigrad grade`: a student's file in, marks out."""

from __future__ import annotations

import argparse
import json
from typing import Any

from minigrad.commands.userfile import fail
from minigrad.grade.exercises import EXERCISES, template
from minigrad.grade.grading import grade

EXAMPLES = """\
examples:
  minigrad grade --list                     the exercises, and what each is worth
  minigrad grade --template > student.py    a file to begin with
  minigrad grade student.py                 marks, and what is wrong
  minigrad grade student.py Linear MSE      of these only
  minigrad grade student.py --json          for an autograder

The file runs in a process of its own: an endless loop or a crash costs its exercise, and what it prints goes nowhere.

exit codes: 0 full marks, 1 less, 2 the file cannot be loaded or wrong usage, 130 stopped by Ctrl-C
"""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    parser.description = "Marks for a file of Functions, with what is wrong."
    parser.epilog = EXAMPLES
    parser.add_argument("file", nargs="?", help="a Python file with classes named as the exercises are")
    parser.add_argument("exercises", nargs="*", metavar="exercise", help="grade only these (default: all)")
    parser.add_argument("--list", action="store_true", help="print the exercises and exit")
    parser.add_argument("--template", action="store_true", help="print a file to begin with and exit")
    parser.add_argument("--json", action="store_true", help="print the marks as JSON")
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="for one exercise (default 30)"
    )
    parser.add_argument(
        "--total-timeout", type=_seconds, default=300.0, metavar="SECONDS", help="for all of them (default 300)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the inputs that are tried (default 0)")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"a time in seconds is positive, and this is {text}")
    return seconds


_seconds.__name__ = "number"  # argparse puts it into "invalid ... value"


def run(options: Any) -> int:
    if options.list:
        print("\n".join(map(str, EXERCISES.values())))
        return 0
    if options.template:
        print(template(), end="")
        return 0
    if options.file is None:
        return fail(2, "grade: which file? minigrad grade student.py (--template prints one to begin with)")
    try:
        marks = grade(
            options.file,
            options.exercises or None,
            timeout=options.timeout,
            total_timeout=options.total_timeout,
            seed=options.seed,
            progress=None if options.json else lambda mark: print(mark, flush=True),
        )
    except ValueError as error:
        return fail(2, f"grade: {error}")
    print(json.dumps(marks.to_dict(), indent=2, ensure_ascii=False) if options.json else marks.sum)
    return 0 if marks else 1
