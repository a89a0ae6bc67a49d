"""Marks in the forms of other systems: each is held against a file in `formats/`, and that against the system's rules.

To write the files anew after a change that is meant: ``python tests/test_grade_formats.py``.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from minigrad.cli import main
from minigrad.grade.examination import Remark
from minigrad.grade.exercise import Exercise
from minigrad.grade.formats import FORMATS
from minigrad.grade.grading import Mark, Marks, nothing
from minigrad.grade.submission import Submission

FOLDER = Path(__file__).parent / "formats"
ENVIRONMENT = {
    "CLASSROOM": "autodiff",
    "ASSIGNMENT": "hw1",
    "SUBMISSION_TAG": "submit/2026-01-02",
    "COMMIT_URL": "https://example.org/commit/1",
    "RELEASE_URL": "https://example.org/release/1",
}
EXERCISES = {
    e.name: e
    for e in (
        Exercise("ReLU", "y = max(x, 0)", {"forward": 2, "x": 4}, abs, "()->()"),
        Exercise("Log", "y = ln x", {"forward": 1, "x": 2.5}, abs, "()->()"),
        Exercise("Secret", "y = √x", {"forward": 1, "x": 2}, abs, "()->()", hidden=True),
    )
}
SOME = Marks(
    "ann",
    "hw/ann.py",
    (
        Mark(EXERCISES["ReLU"], {"forward": 2, "x": 4}),
        Mark(EXERCISES["Log"], {"forward": 1, "x": 0}, None, (Remark("sign", "x", "dx has the <wrong> sign & more."),)),
        Mark(EXERCISES["Secret"], {"forward": 0, "x": 0}, Remark("absent", "", "there is no Secret in the file")),
    ),
    notes=("line 3: NameError: name 'a' is not defined (print(a))",),
)
NONE = nothing(
    Submission("bob", Path("hw/bob.py")), EXERCISES, "bob.py cannot be read: line 2: SyntaxError: invalid <x>"
)
BOTH = {"some": SOME, "none": NONE}


def written(name, marks):
    text = FORMATS[name].write(marks, "full")
    return re.sub(r'"datetime": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', '"datetime": "2026-01-02T03:04:05Z"', text)


def golden(name, which):
    suffix = {"junit": "xml", "text": "txt", "vpl": "txt"}.get(name, "json")
    return FOLDER / f"{name}_{which}.{suffix}"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REVIEW_URL", raising=False)


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("name", FORMATS)
def test_it_is_written_as_it_always_was(name, which):
    assert written(name, BOTH[which]) == golden(name, which).read_text(encoding="utf-8")


def loaded(name, which):
    return json.loads(golden(name, which).read_text(encoding="utf-8"))


def only(found, required, optional=()):
    assert set(required) <= set(found) <= {*required, *optional}, set(found)


@pytest.mark.parametrize("which", BOTH)
def test_the_rules_of_gradescope(which):
    """A score of the whole is needed unless each test has one; the words for what is seen, and how it is written."""
    found = loaded("gradescope", which)
    top = "score", "output", "output_format", "visibility", "stdout_visibility", "tests"
    only(found, top, ("execution_time", "test_name_format", "test_output_format", "extra_data", "leaderboard"))
    visible = {"hidden", "after_due_date", "after_published", "visible"}
    assert {found["visibility"], found["stdout_visibility"]} <= visible
    texts = {"text", "html", "simple_format", "md", "ansi"}
    assert found["output_format"] in texts
    for test in found["tests"]:
        only(
            test,
            ("score", "max_score", "name"),
            ("status", "name_format", "number", "output", "output_format", "tags", "visibility", "extra_data"),
        )
        assert type(test["score"]) in (int, float)
        assert 0 <= test["score"] <= test["max_score"]
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] in visible
        assert test["output_format"] in texts
        assert isinstance(test["tags"], list)
        assert isinstance(test["number"], str)
    assert found["score"] == sum(test["score"] for test in found["tests"])
    assert [test["visibility"] for test in found["tests"]] == ["visible", "visible", "after_published"]


@pytest.mark.parametrize("which", BOTH)
def test_the_rules_of_prairielearn(which):
    """The score is from 0 to 1; what is not gradable says why in format_errors; a megabyte at most."""
    found = loaded("prairielearn", which)
    only(found, ("score", "gradable", "tests"), ("message", "output", "images", "format_errors"))
    assert 0 <= found["score"] <= 1
    assert found["gradable"] is (which == "some")
    assert ("format_errors" in found) is (which == "none")
    assert all(isinstance(error, str) and error for error in found.get("format_errors", []))
    for test in found["tests"]:
        only(test, ("name", "points", "max_points"), ("description", "message", "output", "images"))
    assert golden("prairielearn", which).stat().st_size < 1 << 20


@pytest.mark.parametrize("which", BOTH)
def test_the_rules_of_classroom50(which):
    """Identity, times and whole numbers, which are sums of those of the tests."""
    found = loaded("classroom50", which)
    texts = ("schema", "classroom", "assignment", "submission", "commit", "release", "review", "datetime")
    only(found, (*texts, "score", "max-score", "tests"), ("output", "graded_at"))
    assert found["schema"] == "classroom50/result/v1"
    assert all(isinstance(found[name], str) and found[name] for name in texts)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["datetime"])
    for test in found["tests"]:
        only(test, ("test-name", "passed", "score", "max-score"), ("output",))
        assert type(test["passed"]) is bool
        assert {type(test["score"]), type(test["max-score"])} == {int}
    for name in ("score", "max-score"):
        assert type(found[name]) is int
        assert found[name] == sum(test[name] for test in found["tests"])


@pytest.mark.parametrize("which", BOTH)
def test_the_rules_of_coderunner(which):
    """Only fields that a combinator grader may have; a format for each column that is no control; nothing unescaped."""
    found = loaded("coderunner", which)
    allowed = (
        "prologuehtml epiloguehtml testresults columnformats feedbackhtml showdifferences graderstate instructorhtml"
    )
    only(found, ("fraction",), allowed.split())
    assert 0 <= found["fraction"] <= 1
    head, *rows = found["testresults"]
    assert len([name for name in head if name not in ("iscorrect", "ishidden")]) == len(found["columnformats"])
    assert set(found["columnformats"]) <= {"%s", "%h"}
    assert all(len(row) == len(head) for row in rows)
    assert "<wrong>" not in str(found)
    assert "<x>" not in str(found)


@pytest.mark.parametrize("which", BOTH)
def test_the_rules_of_vpl(which):
    """Comments stand between two lines of their own; the grade is on the last line that begins with its mark."""
    lines = golden("vpl", which).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "<|--"
    assert lines.index("--|>") == len(lines) - 2
    (grade,) = [line for line in lines if line.startswith("Grade :=>>")]
    assert grade == lines[-1]
    assert 0 <= float(grade.removeprefix("Grade :=>> ")) <= 100


@pytest.mark.parametrize("which", BOTH)
def test_the_rules_of_junit(which):
    (suite,) = ET.fromstring(golden("junit", which).read_text(encoding="utf-8").split("?>")[1])
    cases = suite.findall("testcase")
    failed = [case for case in cases if case.find("failure") is not None]
    assert (suite.tag, suite.attrib["tests"], suite.attrib["failures"]) == (
        "testsuite",
        str(len(cases)),
        str(len(failed)),
    )
    assert all({"name", "classname"} <= set(case.attrib) for case in cases)
    assert all(case.find("failure").attrib["message"] for case in failed)


CODES = {"text": 2, "json": 2, "junit": 2}  # the others end with 0 whenever there is a result


@pytest.mark.parametrize("name", FORMATS)
def test_there_is_a_result_for_a_file_that_cannot_be_read(name, tmp_path, capsys):
    path, out = tmp_path / "broken.py", tmp_path / "out" / "result"
    path.write_text("def f(:")
    assert main(["grade", str(path), "--format", name, "-o", str(out)]) == CODES.get(name, 0)
    text = out.read_text(encoding="utf-8")
    assert "SyntaxError" in text
    if name in ("gradescope", "json"):
        assert json.loads(text)["score"] == 0
    assert main(["grade", str(path), "--format", name, "-o", str(out)]) == CODES.get(name, 0)  # its own it replaces
    assert capsys.readouterr().out == ""


def test_what_is_not_ours_is_not_replaced(tmp_path, capsys):
    path, out = tmp_path / "broken.py", tmp_path / "thesis.txt"
    path.write_text("def f(:")
    out.write_text("years of work")
    for name in ("text", "vpl", "json"):
        assert main(["grade", str(path), "--format", name, "-o", str(out)]) == 2
        assert out.read_text() == "years of work"
    assert "--force replaces it" in capsys.readouterr().err
    assert main(["grade", str(path), "--format", "vpl", "-o", str(out), "--force"]) == 0


@pytest.mark.parametrize("hints", ["none", "kind"])
@pytest.mark.parametrize("name", FORMATS)
def test_hints_are_kept_in_every_format(name, hints):
    text = FORMATS[name].write(SOME, hints)
    assert "dx has" not in text
    assert ("right, but for its sign" in text) is (hints == "kind")


if __name__ == "__main__":
    import os

    os.environ.update(ENVIRONMENT)
    for name in FORMATS:
        for which, marks in BOTH.items():
            golden(name, which).write_text(written(name, marks), encoding="utf-8")
