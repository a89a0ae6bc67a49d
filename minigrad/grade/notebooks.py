"""Notebooks: what a lesson consists of, which of its exercises are solved, and exports for nbgrader and Otter.

A lesson has cells "exercise 1" to be answered and cells "check 1" below them, which print a verdict.
"""

from __future__ import annotations

import ast
import io
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from minigrad.checks.subject import subject_of
from minigrad.engine.words import translated
from minigrad.grade.examination import examine
from minigrad.grade.examiner import Gone, Limits, Worker
from minigrad.grade.exercise import Exercise, load_exercises, skeleton
from minigrad.grade.grading import marked
from minigrad.grade.submission import Submission, notebook_cells, only_python, percent_cells, text_of
from minigrad.lesson_fr import FRENCH

__all__ = ["NotebookCell", "Progress", "assert_right", "cells_of", "export", "heard", "progress_of", "progress_of_all"]

VERDICTS = "right", "not yet right", "not answered yet"
MEANT = {word: verdict for verdict in VERDICTS for word in (verdict, FRENCH[verdict])}
SAID = re.compile(rf"^exerci[sc]e (\d+) ?: ({'|'.join(sorted(MEANT, key=len, reverse=True))})", re.MULTILINE)
CHECK = r"^@exercise\((\d+)[,)]"
TOLD = re.compile(rf"{SAID.pattern}(.*(?:\n(?!exerci[sc]e \d+ ?: ).*)*)", re.MULTILINE)  # and the lines below


class NotebookCell(NamedTuple):
    kind: str  # "code" or "markdown"
    title: str
    source: str


class Progress(NamedTuple):
    """A lesson as a student has left it.

    Attributes:
        title: what it is called.
        words: from English to the language in which its checks have answered.
        verdicts: of each exercise the verdict, in English, and what follows it.
    """

    title: str
    words: Mapping[str, str]
    verdicts: dict[str, tuple[str, str]]

    @property
    def points(self) -> int:
        return sum(verdict == "right" for verdict, _ in self.verdicts.values())


def cells_of(path: Path) -> list[NotebookCell]:
    """The cells of a notebook, or of a Python file in the percent format; a ValueError if it cannot be read."""
    text = text_of(path)
    if path.suffix == ".ipynb":
        notebook_cells(text)  # which says what is wrong with it
        cells = json.loads(text)["cells"]
        names = [str(c.get("metadata", {}).get("title", "")) for c in cells]
        return [NotebookCell(c["cell_type"], names[i], "".join(c["source"])) for i, c in enumerate(cells)]
    found = []
    for head, body in percent_cells(text):
        kind = "markdown" if "[markdown]" in head else "code"
        source = re.sub(r"^# ?", "", body, flags=re.MULTILINE) if kind == "markdown" else body
        title, _, _ = head.replace("[markdown]", "").partition("tags=")
        found.append(NotebookCell(kind, title.strip(), source.strip("\n")))
    if not found:
        raise ValueError("it has no cells")
    return found


def title_of(cells: Sequence[NotebookCell], path: Path) -> str:
    """The title of a lesson: its first heading."""
    headings = [re.match(r"# +(.+)", cell.source) for cell in cells if cell.kind == "markdown"]
    return next((found[1].strip() for found in headings if found), path.stem)


def is_lesson(path: Path) -> bool:
    """Whether there are checks of exercises in a file."""
    try:
        return any(cell.kind == "code" and "@exercise(" in cell.source for cell in cells_of(path))
    except (OSError, ValueError):
        return False


def progress_of(path: Path, limits: Limits, total: float) -> Progress:
    """Run a lesson as a student has left it.

    It runs in a process of its own, as a submission does, but has all of minigrad. A verdict is what the lesson's own
    check prints, in its own cell: it tells a student where they are. An answer or a check that does not come to an end
    costs its exercise: the lesson runs once more without it.

    Args:
        limits: its `time` is for one cell.
        total: seconds for all of it.

    Raises:
        ValueError: it cannot be read, or a cell that belongs to no exercise does not come to an end, or there was no
            more time; the message says which.
    """
    cells = cells_of(path)
    left = [
        (f"<cell {i}>", only_python(cell.source), exercise_of(cell))
        for i, cell in enumerate(cells)
        if cell.kind == "code"
    ]
    verdicts = {number: ("no verdict", "") for _, _, number in left if number}
    ended: dict[str, str] = {}
    deadline = monotonic() + total
    while True:
        said, why = ran(path, [[label, text] for label, text, _ in left], limits, deadline)
        if not why:
            break
        label, _, number = left[len(said)]
        if not number or monotonic() >= deadline:
            raise ValueError(f"{why} in {label}")
        ended[number] = why
        left = left[: len(said)] + [cell for cell in left[len(said) :] if cell[2] != number]
    words: Mapping[str, str] = {}
    raised: dict[str, str] = {}
    for (_, text, own), printed in zip(left, said, strict=True):
        if stopped := re.search(r"^(\w+(?:Error|Exit): .*)\s*\Z", printed, re.MULTILINE):
            raised[own] = stopped[1].removesuffix(": ")  # by the answer, whose name is not defined then
        checked = re.findall(CHECK, text, re.MULTILINE)  # what any other cell prints is no verdict
        for number, verdict, more in TOLD.findall(printed):
            if number in checked:
                words = {} if verdict in VERDICTS else FRENCH
                more = translated(f"it stops with {raised[number]}", words) if number in raised else more.strip("; \n")
                verdicts[number] = MEANT[verdict], "" if MEANT[verdict] == "right" else more
    verdicts |= {number: ("not yet right", translated(why, words)) for number, why in ended.items()}
    return Progress(title_of(cells, path), words, verdicts)


def progress_of_all(
    found: Iterable[tuple[str, Path, str]], limits: Limits, total: float, jobs: int = 1
) -> Iterator[tuple[str, Path, Progress | str]]:
    """Of each file, as `found_in` gives them: whose it is, its path, and its progress or why there is none."""

    def one(entry: tuple[str, Path, str]) -> tuple[str, Path, Progress | str]:
        name, path, problem = entry
        try:
            return name, path, problem or progress_of(path, limits, total)
        except (OSError, ValueError) as error:
            return name, path, str(error)

    with ThreadPoolExecutor(jobs) as pool:  # they wait for processes
        yield from pool.map(one, found)


def exercise_of(cell: NotebookCell) -> str:
    """The number of the exercise that a cell answers or checks, or ""."""
    found = re.match(r"(?:exercise|check) (\d+)", cell.title) or re.search(CHECK, cell.source, re.MULTILINE)
    return found[1] if found else ""


def ran(path: Path, code: Sequence[list[str]], limits: Limits, deadline: float) -> tuple[list[str], str]:
    """The output of the cells, up to the first that does not come to its end; and why that did not, or ""."""
    said: list[str] = []
    with Worker(Submission(path.stem, path, tuple((a, b) for a, b in code)), limits, gate=False) as worker:
        for cell in code:
            worker.deadline = min(monotonic() + limits.time, deadline)
            try:
                said += map(str, worker.ask("run", [cell]))
            except Gone as gone:
                return said, f"it was stopped after {limits.time:g} s" if str(gone) == "over" else str(gone)
    return said, ""


# ----------------------------------------------------------------------------------------------- in other notebooks
@contextmanager
def heard(number: str) -> Iterator[None]:
    """A check in here has to say that exercise `number` is right; else an AssertionError tells what it said.

    >>> from minigrad.lesson import exercise, expect
    >>> with heard("2"):
    ...     exercise(2)(lambda: expect(1 + 1 == 2, "count again"))
    """
    with redirect_stdout(io.StringIO()) as out:
        yield
    text = out.getvalue()
    if MEANT.get(dict(SAID.findall(text)).get(number, "")) != "right":
        raise AssertionError(text.strip() or f"exercise {number}: the check says nothing")


def assert_right(answer: Any, name: str, exercises_file: str | Path | None = None) -> None:
    """An AssertionError with the remarks, unless `answer` has full marks in the exercise; all in this process.

    >>> from minigrad.zoo.kinks import ReLU
    >>> assert_right(ReLU, "ReLU")
    """
    exercise = load_exercises(exercises_file)[name]
    mark = marked(exercise, examine(exercise, subject_of(answer)))
    if not mark.full:
        raise AssertionError(str(mark))


# ------------------------------------------------------------------------------------------------------------ exports
class Question(NamedTuple):
    """One question: name, points, the cell with the answer, and the code that raises unless it is right."""

    name: str
    points: float
    answer: str
    test: str


def of_exercises(exercises: Mapping[str, Exercise], file: str | None) -> list[str | Question]:
    """Text and questions of a file of exercises; hidden ones are left out."""
    parts: list[str | Question] = ["# Exercises", "```python\nimport numpy as np\nfrom minigrad import Function\n```"]
    argument = f", {file!r}" if file else ""
    for e in exercises.values():
        if not e.hidden:
            test = f"from minigrad.grade import assert_right\n\nassert_right({e.name}, {e.name!r}{argument})"
            parts += [f"**{e.name}** ({e.total:g} points). {e.statement}\n\n{e.shapes or e.signature}"]
            parts += [Question(e.name, e.total, skeleton(e).strip("\n"), test)]
    return parts


def of_lesson(cells: Sequence[NotebookCell], answers: Mapping[str, str]) -> list[NotebookCell | Question]:
    """The cells of a lesson, each exercise with its check as a question."""
    parts: list[NotebookCell | Question] = []
    checks = {c.title: c.source for c in cells if c.title.startswith("check ")}
    for cell in cells:
        if cell.title.startswith("exercise ") and (check := checks.get(cell.title.replace("exercise", "check"))):
            number = cell.title.split()[1]
            head = f"from minigrad.grade import heard\n\nwith heard({number!r}):\n"
            test = head + textwrap.indent(check, "    ")
            parts.append(Question(f"exercise_{number}", 1, answers.get(cell.title, cell.source), test))
        elif cell.title not in checks:
            parts.append(cell)
    return parts


def cell(kind: str, source: str, **metadata: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"cell_type": kind, "metadata": metadata, "source": source.splitlines(keepends=True)}
    return found | {"outputs": [], "execution_count": None} if kind == "code" else found


def for_nbgrader(name: str, grade: bool, points: float = 0) -> dict[str, Any]:
    """The metadata of a cell with an answer, or of one with tests (nbgrader's "JSON Metadata Format")."""
    known = {
        "schema_version": 3,
        "grade_id": name,
        "grade": grade,
        "solution": not grade,
        "locked": grade,
        "task": False,
    }
    return {"nbgrader": known | ({"points": points} if grade else {})}


def export(system: str, name: str, parts: Sequence[Any]) -> dict[str, str]:
    """Files by their names: a notebook for `system`, "nbgrader" or "otter", and for Otter its test files."""
    cells, files = [], {}
    if system == "otter":
        cells.append(cell("code", f'import otter\n\ngrader = otter.Notebook("{name}.ipynb")'))
    for part in parts:
        if isinstance(part, str):
            code = part.startswith("```python")
            cells.append(cell("code", part[10:-4]) if code else cell("markdown", part))
        elif isinstance(part, NotebookCell):
            cells.append(cell(part.kind, part.source, **({"title": part.title} if part.title else {})))
        elif system == "nbgrader":
            answer = f"### BEGIN SOLUTION\n{part.answer}\n### END SOLUTION"
            cells.append(cell("code", answer, **for_nbgrader(part.name, False)))
            cells.append(cell("code", part.test, **for_nbgrader(f"test_{part.name}", True, part.points)))
        else:
            cells.append(cell("code", part.answer))
            cells.append(cell("code", f'grader.check("{part.name}")'))
            files[f"tests/{part.name}.py"] = ok_test(part)
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    return {f"{name}.ipynb": json.dumps(whole, indent=1, ensure_ascii=False) + "\n", **files}


def ok_test(question: Question) -> str:
    """A test file in OK format (Otter's "Python Format"): one suite, whose cases are doctests."""
    lines, prompts = question.test.splitlines(), []
    for node in ast.parse(question.test).body:
        first, *rest = lines[node.lineno - 1 : node.end_lineno]
        prompts += [f">>> {first}", *[f"... {line}".rstrip() for line in rest]]
    code = "\n".join(prompts)
    test = {
        "name": question.name,
        "points": question.points,
        "suites": [
            {
                "cases": [{"code": code + "\n", "hidden": False, "locked": False}],
                "scored": True,
                "setup": "",
                "teardown": "",
                "type": "doctest",
            }
        ],
    }
    return f"OK_FORMAT = True\n\ntest = {test!r}\n"
