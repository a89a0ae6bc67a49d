"""The command `minigrad grade`: students' files in, marks out."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

from minigrad.commands.outputs import refused, replacing, write
from minigrad.commands.userfile import UserFileError, fail
from minigrad.engine.words import translated
from minigrad.grade.calibration import broken, calibration
from minigrad.grade.examiner import Limits, WorkerError, without_processes
from minigrad.grade.exercise import Exercise, load_exercises, template
from minigrad.grade.formats import FORMATS, HEADER, cell
from minigrad.grade.grading import HINTS, Rules, chosen, closed_files, grade_submission
from minigrad.grade.notebooks import Progress, cells_of, export, is_lesson, of_exercises, of_lesson, progress_of_all
from minigrad.grade.report import OURS, page, show, summary
from minigrad.grade.submission import SUFFIXES, found_in, main_file, read

if TYPE_CHECKING:
    from minigrad.grade.folder import Class

EXAMPLES = """\
examples:
  minigrad grade --list                         the exercises, and what each is worth
  minigrad grade --template -o student.py       a file to begin with
  minigrad grade student.py                     marks, and what is wrong
  minigrad grade student.ipynb Linear MSE       of these only
  minigrad grade student.py --exercises ours.py --hints kind
  minigrad grade student.py --format gradescope -o /autograder/results/results.json
  minigrad grade hw/ --jobs 2 -o marks.csv --report class.html
  minigrad grade --exercises ours.py --check-exercises
  minigrad grade 1_chain_rule.ipynb             a lesson: a point for each exercise that its check calls right
  minigrad grade class/ --jobs 2 -o marks.csv   the same for a folder of lessons, each in the language of its checks
  minigrad grade --export nbgrader lessons/3_function.py -o source/lesson3/

The file runs in a process of its own, which gets arrays and returns arrays: it cannot reach the marks, and an endless
loop or a crash costs its exercise. What it prints goes nowhere. A lesson, if no names are given, is marked by its own
checks, which run beside the answers: that tells where somebody is, and is no examination.

Of a folder or of several files each is graded as if it were alone; a row of the CSV is an exercise of a student, or a
total. Stopped, or with new files in the folder, the same command goes on: what has been found is kept in FILE.jsonl.

exit codes: 0 full marks, 1 less, 2 the file cannot be loaded or wrong usage, 130 stopped by Ctrl-C. In the formats of
gradescope, prairielearn, classroom50, coderunner and vpl 0 also for less: the marks are in the result, which says why a
file cannot be loaded, too. 0 also for a folder, when all of it is graded.
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
    add("--check-exercises", action="store_true", help="what their references earn, and what planted mistakes cost")
    add("--template", action="store_true", help="write a file to begin with and exit")
    add(
        "--export",
        choices=("nbgrader", "otter"),
        help="write the exercises, or the lessons named, as notebooks into -o",
    )
    add("--format", choices=FORMATS, default="text", help="what the marks are written for (default text)")
    add("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    add("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    add("--force", action="store_true", help="replace what stands there, whatever it is")
    add("--jobs", type=count, default=1, metavar="N", help="of several files, how many are graded at once (default 1)")
    add("--report", type=Path, metavar="FILE", help="of several files, write the class report there, as HTML")
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


def count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"a number of jobs is at least 1, and this is {text}")
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


seconds.__name__ = part.__name__ = count.__name__ = "number"  # argparse puts it into "invalid ... value"


def run(options: Any) -> int:
    exercises = load_exercises(options.exercises)
    if options.list:
        print("\n".join(str(e) for e in exercises.values() if not e.hidden))
        return 0
    if options.template:
        return write(template(exercises), options.output, "Exercises in backpropagation", options.force)
    if options.export:
        return export_notebooks(exercises, options)
    paths = [Path(word) for word in options.words if is_path(word)]
    names = [word for word in options.words if not is_path(word)]
    if paths and not names and not options.exercises:
        found = found_in(paths)
        if 2 * sum(is_lesson(path) for _, path, problem in found if not problem) >= len(found):
            return lessons(found, options)
    try:
        wanted = chosen(exercises, names)
    except ValueError as error:
        return fail(2, f"grade: {error}")
    if options.check_exercises:
        return check_exercises(wanted)
    if not paths:
        return fail(2, "grade: which file? minigrad grade student.py (--template writes one to begin with)")
    for e in wanted.values() if options.exercises else ():
        if reason := broken(e):
            return fail(2, f"grade: {options.exercises}: exercise {e.name}: {reason}")
    rules = Rules(
        dataclasses.replace(Limits(time=options.timeout), **options.limits),
        options.total_timeout,
        options.seed,
        options.follow_through,
    )
    try:
        if len(paths) > 1 or (paths[0].is_dir() and options.format == "text"):
            return several(paths, wanted, rules, options)
        return one(paths[0], wanted, rules, options)
    except WorkerError as error:
        return fail(2, f"grade: {error}")


def export_notebooks(exercises: dict[str, Exercise], options: Any) -> int:
    """Notebooks for another system: of lessons if there are any, else of the exercises."""
    if options.output is None:
        return fail(2, "grade: --export writes into a folder: say which, with -o")
    files: dict[str, str] = {}
    for path in map(Path, options.words):
        answers = path.parent / "solutions" / path.name
        try:
            known = {cell.title: cell.source for cell in cells_of(answers)} if answers.exists() else {}
            hidden = known if options.export == "nbgrader" else {}  # which hands them out without the answers
            files |= export(options.export, path.stem, of_lesson(cells_of(path), hidden))
        except (OSError, ValueError) as error:
            return fail(2, f"grade: {path}: {error}")
    if not options.words:
        name = options.exercises.stem if options.exercises else "exercises"
        file = options.exercises and options.exercises.name
        files = export(options.export, name, of_exercises(exercises, file))
    for file, text in files.items():
        if code := write(text, options.output / file, "minigrad", options.force):
            return code
    return 0


def is_path(word: str) -> bool:
    return word.endswith(SUFFIXES) or "/" in word or "\\" in word or Path(word).exists()


def check_exercises(exercises: dict[str, Exercise]) -> int:
    """Print what the references earn and what mistakes cost: a table for each exercise."""
    good = True
    for e in exercises.values():
        if reason := broken(e):
            good = False
            print(f"{e.name}: {reason}")
            continue
        for text, mark, right in calibration(e):
            good &= right
            line = f"{e.name:14}{mark.earned:4g} / {e.total:<4g} {text}"
            print(line if right else f"{line}: too much" if mark.earned else f"{line}: too little", flush=True)
            if not right:
                print("\n".join(f"    {remark}" for remark in mark.remarks()))
    return 0 if good else 1


def one(path: Path, exercises: dict[str, Exercise], rules: Rules, options: Any) -> int:
    """Marks for one file; in a folder that is graded for another system, the one with the answers."""
    if not path.exists():
        raise UserFileError(f"there is no file {str(path)!r}")
    form = FORMATS[options.format]
    live = options.format == "text" and options.output is None
    submission = (main_file if path.is_dir() else read)(path, list(exercises), closed=options.exercises)
    marks = grade_submission(
        submission,
        exercises,
        rules,
        closed_files(options.exercises),
        (lambda mark: print(mark.text(options.hints), flush=True)) if live else None,
    )
    if live:
        print("\n".join(filter(None, [marks.explanation(options.hints), marks.sum])))
    else:
        text = form.write(marks, options.hints)
        try:
            code = write(text, options.output, form.ours, options.force)
        except OSError as error:  # the marks are not lost with the file
            print(text, end="")
            code = fail(2, f"grade: {error}: the marks stand on standard output")
        if code:
            return code
    if not form.strict:
        return 0
    return 2 if marks.problem else 0 if marks else 1


def lessons(found: list[tuple[str, Path, str]], options: Any) -> int:
    """Each exercise of each lesson for itself: a point where its own check says right, in the language of the check."""
    if options.format != "text" or options.report:
        return fail(2, "grade: a lesson is marked by its own checks: that is printed, or written to -o as text or CSV")
    ours = ",".join(HEADER) if len(found) > 1 else "total  "
    if options.output and (reason := refused(options.output, ours, options.force, *(path for _, path, _ in found))):
        return fail(2, f"grade: {reason}")
    limits = dataclasses.replace(Limits(time=options.timeout), **options.limits)
    marked, rows = [], []
    try:
        for name, path, one in progress_of_all(found, limits, options.total_timeout, options.jobs):
            if isinstance(one, str):
                rows.append([name, "", "0", "", one, str(path)])
                fail(2, f"grade: {path}: {one}")
                continue
            marked.append(one)
            rows += [[name, *row, str(path)] for row in rows_of(one, options.hints)]
            if len(found) > 1:
                print(f"{name}: {one.title}\n{marks_of(one, options.hints)}", flush=True)
    except WorkerError as error:
        return fail(2, f"grade: {error}")
    if not marked:
        return 2
    if len(found) == 1:
        text = marks_of(marked[0], options.hints)
        return write(text, options.output, ours, options.force) or int(marked[0].points < len(marked[0].verdicts))
    if options.output:
        with replacing(options.output) as file:
            csv.writer(file).writerows([HEADER, *([cell(part) for part in row] for row in rows)])
    return 0


def rows_of(one: Progress, hints: str) -> Iterator[list[str]]:
    """Exercise, points, the most that there are, and a remark: for each exercise, and the total."""
    for number, (verdict, more) in one.verdicts.items():
        exercise = translated(f"{one.title}, exercise {number}", one.words)
        yield [exercise, str(int(verdict == "right")), "1", said(verdict, more, one.words, hints)]
    yield ["total", str(one.points), str(len(one.verdicts)), ""]


def marks_of(one: Progress, hints: str) -> str:
    """The marks of a lesson, a line for each exercise, and below it what its check has said."""
    lines = []
    for number, (verdict, more) in one.verdicts.items():
        lines.append(f"{translated(f'exercise {number}', one.words):14}{int(verdict == 'right'):4} / 1")
        if remark := said(verdict, more, one.words, hints):
            lines.append(indent(remark, "      ").replace("      ", "    - ", 1))
    return "\n".join([*lines, f"{'total':14}{one.points:4} / {len(one.verdicts)}"]) + "\n"


def said(verdict: str, more: str, words: Mapping[str, str], hints: str) -> str:
    """What a student is told of an exercise that is not right."""
    if verdict == "right" or hints == "none":
        return ""
    told = translated(verdict, words)
    return told + translated("; ", words) + more if more and hints == "full" else told


def several(paths: list[Path], exercises: dict[str, Exercise], rules: Rules, options: Any) -> int:
    """Marks for a class."""
    if without_processes():
        return fail(2, "grade: several files are graded by several processes, and there is one here: name one file")
    from rich.console import Console

    from minigrad.grade.folder import Class, write_csv

    if options.format != "text":
        return fail(2, f"grade: --format {options.format} is for one file; of several there is a CSV, with -o")
    for path, ours in ((options.output, ",".join(HEADER)), (options.report, OURS)):
        if path and (reason := refused(path, ours, options.force, *paths)):
            return fail(2, f"grade: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(f"{options.output}.jsonl") if options.output else Path(folder, "journal")
        if reason := refused(journal, '"minigrad": "grade"', options.force, *paths):
            return fail(2, f"grade: {reason}")
        flat = frozenset(path for path in paths if path.is_dir()) | {path.parent for path in paths if path.is_file()}
        whole = Class(found_in(paths, options.exercises), options.exercises, tuple(exercises), rules, flat)
        journal.parent.mkdir(parents=True, exist_ok=True)
        try:
            places = run_with_progress(whole, journal, options.jobs)
        except KeyboardInterrupt:
            if options.output:
                done = len(whole.places(journal))
                print(f"{done} of {len(whole.submissions)} are graded; the same command goes on", file=sys.stderr)
            raise
        if options.output:
            with replacing(options.output) as file:
                write_csv(file, whole.entries(journal, places), options.hints)
        found = summary(whole.entries(journal, places))
        show(found, Console())
        if options.report:

            def text_of(student: str, name: str) -> tuple[str, str]:
                (entry,) = whole.entries(journal, {student: places[student]})
                return entry.marks.file, entry.code[name][1]

            with replacing(options.report) as file:
                file.write(page(found, text_of))
    return 0


def run_with_progress(whole: Class, journal: Path, jobs: int) -> dict[str, int]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.fields[name]}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(whole.submissions), name="")
        return whole.run(journal, jobs, lambda name: bar.update(task, advance=1, name=name))
