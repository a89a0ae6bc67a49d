"""Marks in the form that other systems read: one function a system, from Marks to text.

Each is made to the rules of the system's own documentation, which its docstring names. A submission's own words are on
one line (`examiner.plain`), and escaped where a format has markup; none of them can be taken for a mark.
"""

from __future__ import annotations

import html
import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime
from math import floor
from typing import Any, NamedTuple

from minigrad.grade.grading import Mark, Marks

__all__ = ["FORMATS", "HEADER", "Format", "cell"]

HEADER = ["student", "exercise", "points", "max_points", "remarks", "file"]  # of the CSV of a class


def dumped(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def output(mark: Mark, hints: str) -> str:
    return "\n".join(mark.remarks(hints))


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def number(x: float) -> float:
    """Whole numbers without a point; of the others no digits that rounding made."""
    return int(x) if x == int(x) else round(x, 6)


def as_text(marks: Marks, hints: str) -> str:
    return marks.text(hints) + "\n"


def as_json(marks: Marks, hints: str) -> str:
    """All that is known, for programs; the names are those of Gradescope, and what it has no name for is extra_data."""
    found = gradescope_results(marks, hints)
    found["max_score"] = number(marks.total)
    found["file"] = marks.file
    if hints == "full":
        for test, mark in zip(found["tests"], marks.marks, strict=True):
            test["extra_data"] = {
                "points": {name: number(worth) for name, worth in mark.points.items()},
                "forward": mark.forward and mark.forward._asdict(),
                "faults": [fault._asdict() for fault in mark.faults],
            }
    return dumped(found)


def gradescope_results(marks: Marks, hints: str) -> dict[str, Any]:
    return {
        "score": number(marks.earned),
        "output": marks.explanation(hints),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": mark.exercise.name,
                "number": str(position),
                "score": number(mark.earned),
                "max_score": number(mark.exercise.total),
                "status": "passed" if mark.full else "failed",
                "output": output(mark, hints),
                "output_format": "text",
                "tags": [],
                "visibility": "after_published" if mark.exercise.hidden else "visible",
            }
            for position, mark in enumerate(marks.marks, 1)
        ],
    }


def gradescope(marks: Marks, hints: str) -> str:
    """results.json (Gradescope's "Autograder Specifications")."""
    return dumped(gradescope_results(marks, hints))


def prairielearn(marks: Marks, hints: str) -> str:
    """results/results.json (PrairieLearn's "External Grading"): a score from 0 to 1, and at most 1 MB."""
    found: dict[str, Any] = {
        "gradable": not marks.problem,
        "score": share(marks),
        "message": marks.explanation(hints),
        "tests": [
            {
                "name": mark.exercise.name,
                "description": "" if mark.exercise.hidden else mark.exercise.statement,
                "points": number(mark.earned),
                "max_points": number(mark.exercise.total),
                "message": output(mark, hints)[:8000],
                "output": "",
            }
            for mark in marks.marks
        ],
    }
    if marks.problem:
        found["format_errors"] = [marks.problem]
    return dumped(found)


def share(marks: Marks) -> float:
    return number(marks.earned / marks.total) if marks.total else 0


def classroom50(marks: Marks, hints: str) -> str:
    """result.json (Classroom 50's "Advanced Autograding"): whole points, and who and what from the environment.

    Points are rounded down, exercise by exercise, so that nobody has full marks who has not.
    """
    known = os.environ.get
    tests: list[dict[str, Any]] = [
        {
            "test-name": mark.exercise.name,
            "passed": mark.full,
            "score": floor(mark.earned),
            "max-score": floor(mark.exercise.total),
            "output": output(mark, hints),
        }
        for mark in marks.marks
    ]
    commit = known("COMMIT_URL", "")
    return dumped(
        {
            "schema": "classroom50/result/v1",
            "classroom": known("CLASSROOM", ""),
            "assignment": known("ASSIGNMENT", ""),
            "submission": known("SUBMISSION_TAG", ""),
            "commit": commit,
            "release": known("RELEASE_URL", ""),
            "review": known("REVIEW_URL") or commit,
            "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "score": sum(test["score"] for test in tests),
            "max-score": sum(test["max-score"] for test in tests),
            "tests": tests,
            **({"output": marks.explanation(hints)} if marks.explanation(hints) else {}),
        }
    )


def coderunner(marks: Marks, hints: str) -> str:
    """The output of a combinator template grader (CodeRunner's documentation): a fraction from 0 to 1, and a table."""

    def remarks(mark: Mark) -> str:
        return "".join(f"<div>{html.escape(text)}</div>" for text in mark.remarks(hints))

    head = ["iscorrect", "Exercise", "Mark", "Remarks", "ishidden"]
    rows = [
        [
            mark.full,
            mark.exercise.name,
            f"{mark.earned:g} / {mark.exercise.total:g}",
            remarks(mark),
            mark.exercise.hidden,
        ]
        for mark in marks.marks
    ]
    told = marks.explanation(hints)
    return dumped(
        {
            "fraction": share(marks),
            "prologuehtml": f"<p>{html.escape(told)}</p>" if told else "",
            "testresults": [head, *rows],
            "columnformats": ["%s", "%s", "%h"],
            "epiloguehtml": "",
        }
    )


def vpl(marks: Marks, hints: str) -> str:
    """The output of vpl_evaluate.sh (VPL's "Advanced features"): comments between two marks, and a grade of 100."""
    lines = []
    for mark in marks.marks:
        lines.append(f"-{mark.exercise.name}: {mark.earned:g} / {mark.exercise.total:g}")
        lines += [f" {text}" for text in mark.remarks(hints)]  # no line of its begins with what begins a grade
    if told := marks.explanation(hints):
        lines.append(f" {told}")
    return "\n".join(["<|--", *lines, "--|>", f"Grade :=>> {number(100 * share(marks)):g}", ""])


def junit(marks: Marks, hints: str) -> str:
    """JUnit's XML, as CI systems read it: a suite with a case for each exercise."""
    failed = sum(not mark.full for mark in marks.marks)
    suite = ET.Element(
        "testsuite", name="minigrad grade", tests=str(len(marks.marks)), failures=str(failed), errors="0", skipped="0"
    )
    for mark in marks.marks:
        case = ET.SubElement(suite, "testcase", classname=marks.name, name=mark.exercise.name)
        if not mark.full:
            earned = f"{mark.earned:g} of {mark.exercise.total:g} points"
            ET.SubElement(case, "failure", message=earned, type="points").text = output(mark, hints)
    if told := marks.explanation(hints):
        ET.SubElement(suite, "system-out").text = told
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


class Format(NamedTuple):
    """A system: how its result is written, by what words a file is known as such a result, and whether the exit code
    is to say if all marks are full, or 0 whenever there is a result."""

    write: Callable[[Marks, str], str]
    ours: str
    strict: bool


FORMATS = {
    "text": Format(as_text, "total  ", True),
    "json": Format(as_json, '"max_score"', True),
    "gradescope": Format(gradescope, '"stdout_visibility"', False),
    "prairielearn": Format(prairielearn, '"gradable"', False),
    "classroom50": Format(classroom50, "classroom50/result/v1", False),
    "coderunner": Format(coderunner, '"fraction"', False),
    "vpl": Format(vpl, "Grade :=>>", False),
    "junit": Format(junit, "minigrad grade", True),
}
