"""A class: its marks to the point, whatever happens on the way."""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.cli import main
from minigrad.commands.grade import configure
from minigrad.commands.userfile import UserFileError
from minigrad.grade import folder, load_exercises
from minigrad.grade.calibration import broken, calibration
from minigrad.grade.examination import Remark
from minigrad.grade.examiner import in_sight
from minigrad.grade.exercise import Exercise
from minigrad.grade.folder import Class, nameless, write_csv, wrong_code
from minigrad.grade.formats import FORMATS
from minigrad.grade.grading import Mark, Rules
from minigrad.grade.report import page, summary
from minigrad.grade.submission import found_in, read

OURS = """
import numpy as np
from minigrad.grade import Exercise

EXERCISES = [
    Exercise("Square", "y = x²", {"forward": 1, "x": 2}, lambda x: x * x, "()->()"),
    Exercise(
        "Affine",
        "y = a x + b",
        {"forward": 1, "a": 1, "x": 1, "b": 1},
        lambda a, x, b: a * x + b,
        "(n),(n),(n)->(n)",
    ),
]
"""
# What people hand in for each, and what it is worth by the exercise: exact, since each part is right or wrong.
SQUARES = {
    "(lambda x: x * x, lambda g, x: 2 * x * g)": 3,
    "(lambda t: t ** 2, lambda g, t: 2 * g * t)": 3,
    "(lambda x: x * x, lambda g, x: x * g)": 1,
    "(lambda x: x * x, lambda g, x: 2 * x)": 1,
    "(lambda x: x * x * x, lambda g, x: 3 * x * x * g)": 0,
    "(lambda x: x.nonsense, None)": 0,
    "None": 0,
}
AFFINES = {
    "(lambda a, x, b: a * x + b, lambda g, a, x, b: (g * x, g * a, g.copy()))": 4,
    "(lambda a, x, b: a * x + b, lambda g, a, x, b: (g * x, -g * a, g.copy()))": 3,
    "(lambda a, x, b: a * x + b, lambda g, a, x, b: (x.copy(), g * a, 2 * g))": 2,
    "(lambda a, x, b: a * x + b, lambda g, a, x, b: (g * x, g * a))": 1,
    "(lambda a, x, b: a * x, lambda g, a, x, b: (g * x, g * a, None))": 0,
}
COUNT = int(os.environ.get("MINIGRAD_CLASS", "10"))  # 300 are the same, and take longer


@pytest.fixture
def ours(tmp_path):
    path = tmp_path / "ours.py"
    path.write_text(OURS, encoding="utf-8")
    return path


def handed_in(home, count, seed=0):
    """Files of a class, and what each is worth: (Square, Affine)."""
    draw, worth = random.Random(seed), {}
    home.mkdir()
    for k in range(count):
        square, affine = draw.choice(list(SQUARES)), draw.choice(list(AFFINES))
        text = f"# number {k}\nimport numpy as np\nSquare = {square}\nAffine = {affine}\n"
        if k % 8 == 7:
            (home / f"s{k:03}.py").write_text(text + "def f(:\n")
            worth[f"s{k:03}"] = (0, 0)
        elif k % 8 == 5:
            cell = {"cell_type": "code", "source": text, "metadata": {}, "outputs": []}
            (home / f"s{k:03}.ipynb").write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
            worth[f"s{k:03}"] = (SQUARES[square], AFFINES[affine])
        else:
            (home / f"s{k:03}.py").write_text(text, encoding="utf-16" if k % 8 == 3 else "utf-8")
            worth[f"s{k:03}"] = (SQUARES[square], AFFINES[affine])
    return worth


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_answer_that_was_not_examined_is_no_wrong_code(tmp_path):
    """Nobody saw that it is wrong: its process was stopped, perhaps by another answer."""
    (tmp_path / "a.py").write_text("def Double_forward(x):\n    return 3 * x\n")
    exercise = Exercise("Double", "y = 2 x", {"forward": 1, "x": 1}, lambda x: 2 * x, "()->()")
    submission = read(tmp_path / "a.py", ["Double"])
    found = [wrong_code(submission, Mark(exercise, {}, Remark(kind, "", ""))) for kind in ("values", "ended", "absent")]
    assert [bool(code) for code in found] == [True, False, False]


def test_a_class_to_the_point(tmp_path, ours, capsys):
    worth = handed_in(tmp_path / "hw", COUNT)
    out, report = tmp_path / "marks.csv", tmp_path / "class.html"
    command = [
        "grade",
        str(tmp_path / "hw"),
        "--exercises",
        str(ours),
        "--jobs",
        "2",
        "-o",
        str(out),
        "--report",
        str(report),
    ]
    assert main(command) == 0
    rows = rows_of(out)
    found = {}
    for row in rows:
        found.setdefault(row["student"], {})[row["exercise"]] = float(row["points"])
    assert found == {
        name: {"Square": square, "Affine": affine, "total": square + affine} for name, (square, affine) in worth.items()
    }
    assert {row["max_points"] for row in rows} == {"3", "4", "7"}
    assert f"{COUNT} submissions" in capsys.readouterr().out
    text = report.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "http" not in text
    assert "cannot be read: line 5: SyntaxError" in text

    # Again: nothing is graded twice, but what has changed is.
    lines = Path(f"{out}.jsonl").read_bytes().splitlines()
    assert len(lines) == COUNT + 1
    (tmp_path / "hw" / "s000.py").write_text("Square = (lambda x: x * x, lambda g, x: 2 * x * g)\n")
    assert main(command) == 0
    assert len(Path(f"{out}.jsonl").read_bytes().splitlines()) == COUNT + 2
    assert next(row for row in rows_of(out) if row["exercise"] == "total")["points"] == "3"


def small_class(tmp_path, ours, count=4):
    handed_in(tmp_path / "hw", count)
    return Class(found_in([tmp_path / "hw"]), ours, ("Square",), Rules(), frozenset([tmp_path / "hw"]))


def test_it_goes_on_where_it_was_stopped(tmp_path, ours):
    whole, journal, seen = small_class(tmp_path, ours), tmp_path / "journal", []

    def stopping(name):
        seen.append(name)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole.run(journal, 2, stopping)
    assert not multiprocessing.active_children()
    done = set(whole.places(journal))
    assert len(done) >= 2
    with journal.open("ab") as file:
        file.write(b'{"name": "s003", "dig')  # the line at which the lights went out
    places = whole.run(journal, 2, seen.append)
    assert len(places) == 4
    lines = [json.loads(line) for line in journal.read_bytes().splitlines()]
    assert sorted(line["name"] for line in lines[1:]) == sorted(places)  # each once


def test_a_journal_of_something_else_is_begun_anew(tmp_path, ours):
    whole, journal = small_class(tmp_path, ours, 2), tmp_path / "journal"
    whole.run(journal, 1, print)
    other = Class(whole.submissions, ours, ("Affine",), Rules(), whole.flat)
    assert other.places(journal) == {}
    assert whole.places(journal) == {}


def test_a_lost_examiner_costs_nobody_else(tmp_path, ours):
    """One is killed from outside while it works: what it had in hand is graded again."""
    whole, journal, killed = small_class(tmp_path, ours), tmp_path / "journal", []

    def killing(name):
        if not killed:
            killed.append(multiprocessing.active_children()[0].pid)
            os.kill(killed[0], getattr(signal, "SIGKILL", signal.SIGTERM))

    places = whole.run(journal, 2, killing)
    found = [entry.marks.problem for entry in whole.entries(journal, places)]
    assert killed
    assert len(found) == 4
    assert not any(found)


@pytest.mark.skipif(sys.platform == "win32", reason="a process is ended there, and not told to")
@pytest.mark.parametrize("where", ["told_by_itself()", "folder.graded(None)"])
def test_an_examiner_that_is_told_to_end_does(where):
    """Also where the pool would catch any exception and wait for a lock that nobody gives back."""
    code = f"""
import os, signal
from minigrad.grade import folder

def told_by_itself(_=None):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("closed", flush=True)

folder.examined = told_by_itself
signal.signal(signal.SIGTERM, folder.told)
try:
    {where}
except BaseException:
    print("it goes on")
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stdout == ("closed\n" if "graded" in where else "")  # what grading has opened


def test_names_and_places(tmp_path):
    for path in (
        "ann.py",
        "bob/hw.py",
        "cy/a.py",
        "cy/b.ipynb",
        ".ipynb_checkpoints/x.py",
        "__pycache__/y.py",
        "notes.txt",
    ):
        (tmp_path / "hw" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hw" / path).write_text("")
    (tmp_path / "outside.py").write_text("")
    (tmp_path / "hw" / "link.py").symlink_to(tmp_path / "outside.py")
    found = found_in([tmp_path / "hw"])
    assert [name for name, _, _ in found] == ["ann", "bob", "cy/a.py", "cy/b.ipynb", "link"]
    assert [bool(problem) for _, _, problem in found] == [False, False, False, False, True]
    whole = Class(found, None, (), Rules(), frozenset())
    assert "leads out of its folder" in whole.read(*found[-1]).problem


@pytest.mark.skipif(os.name != "posix", reason="links, pipes and names of bytes")
def test_what_a_folder_may_hold_besides(tmp_path):
    """Another's work, nothing at all or a pipe behind a link: each is a row that says so, with a name to print."""
    home = tmp_path / "hw"
    (home / "ann").mkdir(parents=True)
    (home / "ann" / "x.py").write_text("")
    for name, target in {"a.py": "ann/x.py", "b": "ann", "c.py": "c.py", "ann/y.py": "x.py"}.items():
        (home / name).symlink_to(target)
    os.mkfifo(home / "d.py")
    Path(os.fsdecode(bytes(home) + b"/e\xff\n\x1b.py")).write_text("(")
    found = found_in([home])
    whole = Class(found, None, (), Rules(), frozenset())
    said = {name: whole.read(name, path, problem).problem for name, path, problem in found}
    assert {name: text.split(": ")[-1] for name, text in said.items()} == {
        "a": "it is a link that leads out of its folder",
        "ann/x.py": "",
        "ann/y.py": "",
        "b": "it is a link that leads out of its folder",
        "c": "it is no file",
        "d": "it is no file",
        "e\\udcff\\n\\x1b": "'(' was never closed",
    }
    assert all(text.isprintable() for text in said.values())
    assert in_sight([], [path for _, path, _ in found])[0]


@pytest.mark.skipif(os.name != "posix", reason="os.chdir out of what is removed")
def test_too_deep_is_a_row_as_well(tmp_path, ours):
    """Code as deep as Python allows, and folders deeper than it removes."""
    deep = "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"
    code = f"def Square_forward(x):\n    return x * x\ndef Square_backward(g, x):\n    return g{' + 0' * 700}\n"
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw" / "ann.py").write_text(deep + code)
    out = tmp_path / "marks.csv"
    assert main(["grade", str(tmp_path / "hw"), "Square", "--exercises", str(ours), "-o", str(out)]) == 0
    assert [row["points"] for row in rows_of(out)] == ["1", "1"]


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: None])
def test_nothing_to_grade(make, tmp_path):
    make(tmp_path / "hw")
    with pytest.raises(UserFileError, match=r"there is no"):
        found_in([tmp_path / "hw"])


def test_others_are_no_helpers(tmp_path):
    (tmp_path / "ann.py").write_text("import bob\n")
    (tmp_path / "bob.py").write_text("secret = 1\n")
    found = found_in([tmp_path])
    whole = Class(found, None, (), Rules(), frozenset([tmp_path]))
    assert whole.read(*found[0]).helpers == ()


def test_what_is_not_ours_stays(tmp_path, ours, capsys):
    handed_in(tmp_path / "hw", 1)
    out = tmp_path / "marks.csv"
    for name, text in {
        "marks.csv": "name,grade\nann,1\n",
        "marks.csv.jsonl": '{"a": 1}\n',
        "class.html": "<p>",
    }.items():
        (tmp_path / name).write_text(text)
        command = ["grade", str(tmp_path / "hw"), "-o", str(out), "--report", str(tmp_path / "class.html")]
        assert main(command) == 2
        assert "--force replaces it" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == text
        (tmp_path / name).unlink()
    assert main(["grade", str(tmp_path / "hw"), str(tmp_path / "hw"), "--format", "vpl"]) == 2
    assert "is for one file" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- the report
def entry(name, code="", remark=None, problem=""):
    line = {"name": name, "file": f"hw/{name}.py", "problem": problem, "notes": []}
    points = {"forward": 1, "x": 0 if remark else 2}
    faults = [["sign", "x", remark]] if remark else []
    marks = [["Square", points, None, faults]]
    return folder.entry({**line, "marks": marks, "code": {"Square": ["backward 1", code]} if code else {}}, EXERCISES)


EXERCISES = {"Square": Exercise("Square", "", {"forward": 1, "x": 2}, abs, "()->()")}
CLASS = [
    entry("ann"),
    entry("<b>", "a < b", "wrong & <i>"),
    entry("=cy", "c < d", "wrong"),
    entry("d", problem="no <text>"),
]


def test_the_report_counts_and_puts_side_by_side():
    found = summary(iter(CLASS))
    assert found.earned == [3, 1, 1, 3]
    assert found.faults == {("Square", "sign"): 2}
    assert found.examples["Square", "sign"] == ("<b>", "wrong & <i>")
    assert found.same == [("Square", "backward 1", ["<b>", "=cy"])]
    assert found.unread == [("d", "no <text>")]
    assert [count for _, count in found.bins] == [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    codes = {one.marks.name: (one.marks.file, one.code["Square"][1]) for one in CLASS[1:3]}
    text = page(found, lambda student, name: codes[student])
    for word in ("a &lt; b", "c &lt; d", "&lt;b&gt;", "no &lt;text&gt;", "wrong &amp; &lt;i&gt;"):
        assert word in text
    for word in ("<b>:", "<i>", "<text>"):
        assert word not in text


def test_no_spreadsheet_takes_a_name_for_a_formula():
    file = io.StringIO()
    write_csv(file, iter(CLASS))
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert {row[0] for row in rows} == {"student", "ann", "<b>", "'=cy", "d"}
    assert rows[1] == ["ann", "Square", "3", "3", "", "hw/ann.py"]
    assert rows[2][:4] == ["ann", "total", "3", "3"]


def method(text):
    import ast

    return nameless(ast.parse(text).body[0])


def test_code_is_the_same_whatever_its_names_are():
    one = "@staticmethod\ndef backward(ctx, grad):\n    'mine'\n    x, = ctx.saved_tensors\n    return grad * x  # no\n"
    two = "def backward(c, g: int) -> int:\n    (data,) = c.saved_tensors\n    return g * data\n"
    assert method(one) == method(two)
    assert method(one) != method(two.replace("g * data", "data * g"))
    assert method(one) != method(two.replace("saved_tensors", "saved"))
    assert method("def f(x):\n    return np.exp(x)") != method("def f(x):\n    return np.log(x)")


# -------------------------------------------------------------------------------------------------------- calibration
def test_calibration(ours):
    e = load_exercises(ours)["Square"]
    assert broken(e) == ""
    rows = list(calibration(e))
    assert rows[0][0] == "the reference"
    assert rows[0][1].full
    assert all(right for _, _, right in rows), [text for text, _, right in rows if not right]
    marks = {text: mark.earned for text, mark, _ in rows}
    assert marks["forward is 1.001 times as much"] == 0
    assert marks["dx has the wrong sign"] == marks["None for dx"] == 1
    assert len(marks) >= 6


def test_what_cannot_be_a_reference(tmp_path, capsys):
    text = """
import numpy as np
from minigrad import Function
from minigrad.grade import Exercise

class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return x * grad

draw = np.random.default_rng()
points = {"forward": 1, "x": 2}
EXERCISES = [
    Exercise("A", "", points, Wrong, "()->()"),
    Exercise("B", "", points, np.log, "()->()"),
    Exercise("C", "", points, lambda x: x + draw.normal(), "()->()"),
    Exercise("D", "", points, lambda x: x.nonsense, "()->()"),
    Exercise("E", "", points, lambda x: x > 0, "()->()"),
]
"""
    path, student = tmp_path / "ours.py", tmp_path / "student.py"
    path.write_text(text)
    student.write_text("")
    said = {
        "A": "fails its own check: the gradient of x is wrong",
        "B": "returns numbers not finite",
        "C": "returns something else at a second call",
        "D": "raises AttributeError",
        "E": "returns an array of bool",
    }
    for name, words in said.items():
        assert main(["grade", "--exercises", str(path), str(student), name]) == 2
        message = capsys.readouterr().err
        assert f"exercise {name}: its reference" in message
        assert words in message
        assert message.count("\n") == 1
    assert main(["grade", "--exercises", str(path), "--check-exercises"]) == 1
    assert all(words in capsys.readouterr().out for words in ["A: its reference fails"])


# ------------------------------------------------------------------------------------------- examples and the page
ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
@pytest.mark.parametrize(
    ("files", "score", "said"),
    [
        ({"hw.py": f"Square = {list(SQUARES)[2]}\nimport helper\n", "helper.py": "x = 1\n"}, 1, "by one number"),
        ({"a/hw.ipynb": "no notebook"}, 0, "it is no notebook"),
        ({"hw.txt": ""}, 0, "there is no .py or .ipynb file"),
    ],
)
def test_the_autograder_for_gradescope(files, score, said, tmp_path, ours):
    """As Gradescope runs it, in other folders."""
    for name, text in files.items():
        (tmp_path / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "submission" / name).write_text(text)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "exercises.py").write_text(OURS, encoding="utf-8")
    here = {**os.environ, "AUTOGRADER": str(tmp_path), "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    script = ROOT / "examples" / "gradescope" / "run_autograder"
    subprocess.run(["bash", str(script)], env=here, check=True, capture_output=True)
    found = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert found["score"] == score
    assert said in json.dumps(found)
    assert (tmp_path / "source").stat().st_mode & 0o77 == 0


def test_the_examples_take_minigrad_from_a_wheel():
    for path in (ROOT / "examples" / "gradescope" / "setup.sh", ROOT / "examples" / "docker" / "Dockerfile"):
        text = path.read_text(encoding="utf-8")
        installs = [line for line in text.splitlines() if "pip install" in line]
        assert installs
        assert all("wheel" in line and not re.search(r"(^|\s)'?minigrad(\[|'|\s|$)", line) for line in installs)


def test_the_page_says_what_is():
    text = (ROOT / "docs" / "grading.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(program, names)
    assert [broken(e) for e in names["EXERCISES"]] == [""]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(FORMATS)
    options = re.findall(r"(--[a-z][a-z-]+)", text)
    parser = argparse.ArgumentParser()
    configure(parser, "grade")
    known = {name for action in parser._actions for name in action.option_strings}
    assert set(options) <= known | {"--network"}


def test_another_marker_begins_anew(tmp_path, ours, monkeypatch):
    code = tmp_path / "package" / "grade"
    code.mkdir(parents=True)
    (code / "marking.py").write_text("points = 1")
    monkeypatch.setattr("minigrad.grade.folder.__file__", str(code / "folder.py"))
    whole = Class((), ours, ("Square",), Rules(), frozenset())
    before = whole.key
    assert whole.key == before
    (code / "marking.py").write_text("points = 2")
    assert whole.key != before
