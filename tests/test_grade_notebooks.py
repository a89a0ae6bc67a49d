"""Lessons and exercises as notebooks: how far a student is, and exports that other systems run."""

from __future__ import annotations

import csv
import doctest
import json
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest

from minigrad.cli import main
from minigrad.grade import assert_right, heard, load_exercises
from minigrad.grade.notebooks import cells_of, export, of_exercises, of_lesson
from minigrad.grade.submission import read
from minigrad.zoo import RIGHT, SPECIMENS

LESSONS = sorted((Path(__file__).parents[1] / "lessons").glob("[0-9]*_*.py"))
FIRST = LESSONS[0]
SHOWN = 'tags=["raises-exception"]'  # an answer that raises does not stop the notebook


def answered(path, numbers, target):
    """The lesson with the answers to some of its exercises, and one of another's that is wrong."""
    home = path.parent.parent if path.parent.name == "fr" else path.parent
    solutions = {cell.title: cell.source for cell in cells_of(home / "solutions" / path.name)}
    text = path.read_text(encoding="utf-8")
    for cell in cells_of(path):
        if cell.title.removeprefix("exercise ") in numbers:
            empty = f"# %% {cell.title} {SHOWN}\n{cell.source}"
            text = text.replace(empty, f"# %% {cell.title}\n{solutions[cell.title]}")
    if target.suffix == ".ipynb":
        jupytext.write(jupytext.reads(text, fmt="py:percent"), target)
    else:
        target.write_text(text, encoding="utf-8")


def test_progress_of_a_class(tmp_path, capsys):
    home, out = tmp_path / "class", tmp_path / "progress.csv"
    for name in ("ann", "bob", "cy"):
        (home / name).mkdir(parents=True)
    answered(FIRST, "123", home / "ann" / "1.py")
    answered(FIRST, "2", home / "bob" / "1.ipynb")
    (home / "cy" / "1.py").write_text("no cells")
    assert main(["progress", str(home), "-o", str(out)]) == 1
    printed = capsys.readouterr()
    assert "ann: 1. The chain rule on a tape: 3 of 3" in printed.out
    assert "bob: 1. The chain rule on a tape: 1 of 3" in printed.out
    assert "it has no cells" in printed.err
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["student"], row["exercise"]): row["verdict"] for row in rows}
    right, empty = "right", "not answered yet"
    assert found == {("ann", n): right for n in "123"} | {("bob", "1"): empty, ("bob", "2"): right, ("bob", "3"): empty}
    assert main(["progress", str(home / "ann"), "-o", str(out)]) == 0


def test_a_cell_that_raises_does_not_stop_it(tmp_path, capsys):
    text = FIRST.read_text(encoding="utf-8").replace("# %% exercise 1 ", "# %%\n1 / 0\n\n# %% exercise 1 ", 1)
    path = tmp_path / "lesson.py"
    path.write_text(text, encoding="utf-8")
    assert main(["progress", str(path)]) == 1
    assert "0 of 3 (1 not answered yet, 2 not answered yet, 3 not answered yet)" in capsys.readouterr().out


def test_marks_for_a_lesson(tmp_path, capsys):
    """A point for each exercise; an answer that is no Python costs its own."""
    answered(FIRST, "123", tmp_path / "lesson.py")
    text = (tmp_path / "lesson.py").read_text(encoding="utf-8")
    assert main(["grade", str(tmp_path / "lesson.py")]) == 0
    assert capsys.readouterr().out.endswith("total            3 / 3\n")
    text = text.replace("db = 2\n", "db = 2)\n").replace("(g * math.exp(a),)", "(math.exp(a) / 0,)")
    (tmp_path / "lesson.py").write_text(text, encoding="utf-8")
    assert main(["grade", str(tmp_path / "lesson.py")]) == 1
    out = capsys.readouterr().out
    assert "exercise 1       0 / 1\n    - not yet right; it stops with SyntaxError: unmatched ')'" in out
    assert "exercise 2       0 / 1\n    - not yet right; it stops with ZeroDivisionError" in out
    assert "      in <lambda>, at: exp = (math.exp, lambda g, a: (math.exp(a) / 0,))\n" in out
    assert "exercise 3       1 / 1\n" in out
    assert main(["grade", str(tmp_path / "lesson.py"), "--format", "gradescope"]) == 2
    assert "marked by its own checks" in capsys.readouterr().err


def test_marks_for_a_class_in_two_languages(tmp_path, capsys):
    """Each lesson by itself, in the language of its checks; a broken file is a row, and costs no other."""
    home, out = tmp_path / "class", tmp_path / "marks.csv"
    home.mkdir()
    answered(FIRST, "123", home / "ann.py")
    answered(FIRST.parent / "fr" / FIRST.name, "3", home / "zoé.ipynb")
    (home / "bob.ipynb").write_text("{")
    assert main(["grade", str(home), "-o", str(out), "--jobs", "2"]) == 0
    printed = capsys.readouterr()
    assert (
        "zoé: 1. La règle de la chaîne sur une bande\nexercice 1       0 / 1\n    - pas encore de réponse"
        in printed.out
    )
    assert "it is no notebook of format 4" in printed.err
    with out.open(encoding="utf-8", newline="") as file:
        rows = [(row["student"], row["exercise"].rpartition(", ")[2], row["points"]) for row in csv.DictReader(file)]
    assert rows == [
        *(("ann", f"exercise {n}", "1") for n in "123"),
        ("ann", "total", "3"),
        ("bob", "", "0"),
        *(("zoé", f"exercice {n}", str(int(n == "3"))) for n in "123"),
        ("zoé", "total", "1"),
    ]
    assert main(["grade", str(home), "-o", str(home / "ann.py")]) == 2  # what is read is not overwritten
    assert "--force replaces it" in capsys.readouterr().err


def test_a_broken_cell_of_a_python_file_costs_no_other(tmp_path):
    text = "# %%\n1 +\n\n# %% [markdown]\n# class ReLU is\n\n# %%\nclass ReLU:\n    pass\n"
    (tmp_path / "cells.py").write_text(text, encoding="utf-8")
    found = read(tmp_path / "cells.py", ["ReLU"])
    assert not found.problem
    assert [text.strip() for _, text in found.cells] == ["class ReLU:\n    pass"]


LESSON = """
# %%
import os, time
from minigrad.lesson import exercise, expect

# %% exercise 1
{}

# %% check 1
@exercise(1)
def check_1():
    expect(double(2) == 4, "twice two")

# %% exercise 2
{}

# %% check 2
@exercise(2)
def check_2():
    expect(a == 1, "one")
"""


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("double = lambda x: time.sleep(1000)", "a = 1", "1 of 2 (1 not yet right, 2 right)"),
        ("double = lambda x: 2 * x", "try: time.sleep(1000)\nexcept: pass", "1 of 2 (1 right, 2 not yet right)"),
        ("os._exit(3)", "a = 1", "1 of 2 (1 not yet right, 2 right)"),
        (
            "print('exercise 2: right')",
            "a = 2\nprint('exercise 2: right\\n' * 10**6)",
            "0 of 2 (1 not yet right, 2 not yet right)",
        ),
    ],
    ids=["in the check", "in the answer", "no process", "forged"],
)
def test_an_answer_that_does_not_end_costs_its_exercise(first, second, said, tmp_path, capsys):
    (tmp_path / "lesson.py").write_text(LESSON.format(first, second))
    assert main(["progress", str(tmp_path / "lesson.py"), "--timeout", "3"]) == 1
    assert said in capsys.readouterr().out


def test_a_lesson_that_does_not_end(tmp_path, capsys):
    (tmp_path / "lesson.py").write_text("# %%\nimport time; time.sleep(1000)\n")
    assert main(["progress", str(tmp_path / "lesson.py"), "--timeout", "1"]) == 2
    assert "it was stopped after 1 s in <cell 0>" in capsys.readouterr().err
    (tmp_path / "lesson.py").write_text(LESSON.format("time.sleep(1000)", ""))
    assert main(["grade", str(tmp_path / "lesson.py"), "--total-timeout", "1"]) == 2
    assert "it was stopped after " in capsys.readouterr().err


def test_what_the_checks_say_in_french(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MINIGRAD_LANG", "fr")
    answered(FIRST, "1", tmp_path / "lesson.py")
    text = (tmp_path / "lesson.py").read_text(encoding="utf-8").replace("db = 2\n", "db = 3\n")
    (tmp_path / "lesson.py").write_text(text, encoding="utf-8")
    assert main(["grade", str(tmp_path / "lesson.py")]) == 1
    assert "pas encore juste ; db : b sert une fois" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ exports
def test_what_has_to_be_right():
    assert_right(RIGHT["ReLU"].target, "ReLU")
    with pytest.raises(AssertionError, match=r"Write \.sum\(0\), not \.mean\(0\)"):
        assert_right(SPECIMENS["linear_bias_averaged"].target, "Linear")
    with heard("2"):
        print("exercise 1: not yet right\nexercise 2: right")
    with pytest.raises(AssertionError, match="not yet right; try"), heard("2"):
        print("exercise 1: right\nexercise 2: not yet right; try again")
    with pytest.raises(AssertionError, match="says nothing"), heard("2"):
        pass


def notebook(files, name):
    text = files[f"{name}.ipynb"]
    nbformat.validate(nbformat.reads(text, as_version=4))
    return json.loads(text)["cells"]


@pytest.mark.parametrize("path", LESSONS[:1] + LESSONS[3:4], ids=lambda path: path.stem)
def test_a_lesson_for_nbgrader(path):
    """Each exercise has a cell to answer and a locked cell of tests; with the answers all of it runs."""
    solutions = {cell.title: cell.source for cell in cells_of(path.parent / "solutions" / path.name)}
    cells = notebook(export("nbgrader", "lesson", of_lesson(cells_of(path), solutions)), "lesson")
    marked = [cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]]
    keys = {"schema_version", "grade_id", "grade", "solution", "locked", "task"}
    for known in marked:
        assert keys <= set(known) <= {*keys, "points"}
        assert known["schema_version"] == 3
        assert ("points" in known) is known["grade"] is known["locked"] is not known["solution"]
    assert len({known["grade_id"] for known in marked}) == len(marked)
    assert [known["grade_id"] for known in marked[:2]] == ["exercise_1", "test_exercise_1"]
    assert sum(known["grade"] for known in marked) == 3
    namespace = {"__name__": "__main__"}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            assert source.startswith("### BEGIN SOLUTION\n")
            assert source.endswith("\n### END SOLUTION")
        if cell["cell_type"] == "code":
            exec(source, namespace)


def run_ok(text, namespace):
    """A test file as Otter runs it: its doctests, with the student's names."""
    known = {}
    exec(text, known)
    assert known["OK_FORMAT"] is True
    test = known["test"]
    assert set(test) == {"name", "points", "suites"}
    (suite,) = test["suites"]
    assert suite["type"] == "doctest"
    (case,) = suite["cases"]
    assert case["hidden"] is False
    found = doctest.DocTestParser().get_doctest(case["code"], namespace, test["name"], None, None)
    return doctest.DocTestRunner(verbose=False).run(found, out=lambda _: None).failed == 0


def test_a_lesson_for_otter():
    files = export("otter", "lesson", of_lesson(cells_of(FIRST), {}))
    cells = notebook(files, "lesson")
    sources = ["".join(cell["source"]) for cell in cells]
    assert sources[0] == 'import otter\n\ngrader = otter.Notebook("lesson.ipynb")'
    assert sources.count('grader.check("exercise_2")') == 1
    namespace = {"__name__": "__main__"}
    for cell in cells_of(FIRST):
        if cell.kind == "code":
            exec(cell.source, namespace)
    assert not run_ok(files["tests/exercise_1.py"], dict(namespace))
    (answer,) = [c.source for c in cells_of(FIRST.parent / "solutions" / FIRST.name) if c.title == "exercise 1"]
    exec(answer, namespace)
    assert run_ok(files["tests/exercise_1.py"], dict(namespace))


@pytest.mark.parametrize("system", ["nbgrader", "otter"])
def test_a_file_of_exercises(system):
    files = export(system, "exercises", of_exercises(load_exercises(), None))
    sources = ["".join(cell["source"]) for cell in notebook(files, "exercises")]
    assert sum("class ReLU(Function):" in source for source in sources) == 1
    if system == "otter":
        assert len(files) == 11
        assert run_ok(files["tests/ReLU.py"], {"ReLU": RIGHT["ReLU"].target, "np": np})
        assert not run_ok(files["tests/ReLU.py"], {"ReLU": SPECIMENS["relu_zeroes_in_place"].target, "np": np})


def test_the_command_exports(tmp_path, capsys):
    assert main(["grade", "--export", "otter", str(FIRST), "-o", str(tmp_path / "out")]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{FIRST.stem}.ipynb", "tests"}
    assert "da = 2 + 5" not in (tmp_path / "out" / f"{FIRST.stem}.ipynb").read_text(encoding="utf-8")  # an answer
    assert main(["grade", "--export", "nbgrader"]) == 2
    assert "with -o" in capsys.readouterr().err
