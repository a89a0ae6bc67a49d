"""grade: marks that a teacher would give; and whatever a student's file does, every exercise gets its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minigrad import Function
from minigrad.checks import check, grade
from minigrad.cli import main
from minigrad.commands.userfile import UserFileError
from minigrad.engine.errors import parameter_names
from minigrad.grade import grading
from minigrad.grade.examination import findings
from minigrad.grade.exercises import EXERCISES, template
from minigrad.grade.grading import marked
from minigrad.zoo import RIGHT, SPECIMENS

ROOT = Path(__file__).parents[1]
PATIENCE = 8.0  # seconds for an exercise that takes half of one
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")


@pytest.fixture
def student(tmp_path):
    """Write a student's file."""

    def write(text):
        path = tmp_path / "student.py"
        head = "import os, sys\nimport numpy as np\nfrom minigrad import Function\n"
        path.write_text(head + text, encoding="utf-8")
        return path

    return write


RELU = """
class ReLU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x > 0)
"""


def relu(name="ReLU", before_forward="", before_backward=""):
    """A class that computes relu of its first input, after what else it does."""
    text = RELU.replace("class ReLU", f"class {name}").replace("(ctx, x)", "(ctx, x, *others)")
    text = text.replace("        ctx.save", f"        {before_forward or 'pass'}\n        ctx.save")
    return text.replace("        (x,)", f"        {before_backward or 'pass'}\n        (x,)")


def by_name(marks):
    return {mark.exercise.name: mark for mark in marks.marks}


# ----------------------------------------------------------------------------------------------------- the exercises
def test_there_are_ten_and_they_make_a_hundred():
    assert len(EXERCISES) == 10
    assert list(EXERCISES)[:2] == ["Linear", "MSE"]
    assert list(EXERCISES)[-2:] == ["CrossEntropy", "Conv2d"]
    assert sum(e.total for e in EXERCISES.values()) == 100
    for e in EXERCISES.values():
        assert e.signature.split("->")[0].count("(") == len(e.inputs)


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_right_has_full_marks(name):
    found = findings(EXERCISES[name], RIGHT[name].target, 0)
    assert found == {"forward": "", "faults": []}
    assert marked(EXERCISES[name], **found).earned == EXERCISES[name].total


SIMILAR = [
    "linear_weight_transposed",
    "mse_divides_by_the_rows",
    "relu_forward_in_place",
    "relu_zeroes_in_place",
    "sigmoid_at_its_input",
    "multiply_resizes",
    "logsumexp_without_an_axis",
    "softmax_as_if_a_sigmoid",
    "layer_norm_of_constants",
    "cross_entropy_is_always_last",
    "conv_bias_for_every_image",
]


@pytest.mark.parametrize("name", SIMILAR)
def test_what_is_wrong_has_not(name):
    s = SPECIMENS[name]
    e = EXERCISES[s.twin.__name__]
    mark = marked(e, **findings(e, s.target, 0))
    assert mark.earned < e.total
    assert mark.remarks
    assert mark.points["forward"] == e.points["forward"]
    if s.input:
        names = parameter_names(s.twin, len(e.inputs))
        assert mark.points[e.inputs[names.index(s.input)]] == 0


def test_only_what_is_wrong_costs():
    s, e = SPECIMENS["linear_bias_averaged"], EXERCISES["Linear"]
    assert marked(e, **findings(e, s.target, 0)).points == {"forward": 2, "x": 2, "W": 2, "b": 0}


def test_the_readme_shows_what_is_printed():
    shown = [("Linear", "linear_bias_averaged"), ("Sigmoid", "sigmoid_at_its_input")]
    marks = [marked(EXERCISES[name], **findings(EXERCISES[name], SPECIMENS[wrong].target, 0)) for name, wrong in shown]
    text = "\n".join(map(str, marks))
    assert f"```\n{text}\n```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_names_are_the_students_own():
    """Inputs are told apart by position; what is said names them as the student does."""

    class Linear(Function):
        @staticmethod
        def forward(ctx, features, weights, offset, scale=1.0):
            ctx.save_for_backward(features, weights)
            return features @ weights + offset

        @staticmethod
        def backward(ctx, grad):
            features, weights = ctx.saved_tensors
            return grad @ weights.T, -features.T @ grad, grad.sum(0)

    mark = marked(EXERCISES["Linear"], **findings(EXERCISES["Linear"], Linear, 0))
    assert mark.points == {"forward": 2, "x": 2, "W": 0, "b": 2}
    assert mark.faults[0]["kind"] == "sign"
    assert "weights" in mark.faults[0]["text"]


def forward_only(forward):
    return type("Made", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(lambda ctx, g: g * 0)})


@pytest.mark.parametrize(
    ("name", "forward", "said"),
    [
        ("MSE", lambda ctx, a, b: ((a - b) ** 2).sum(), "and should be"),
        ("MSE", lambda ctx, a, b: (a - b) ** 2, r"the shape \(.*\) for yhat .*; needed is \(\)"),
        ("LogSumExp", lambda ctx, x: np.log(np.exp(x).sum(1)), "ln 0 is infinite"),
        ("ReLU", lambda ctx, x: "x", "returns str"),
        ("ReLU", lambda ctx: 0, "takes 1 positional argument but 2 were given"),
        ("ReLU", lambda ctx, x: x.nonsense, "AttributeError"),
        ("LayerNorm", lambda ctx, x, w, b: x * w + b, "and should be"),
        ("Linear", lambda ctx, x, W, b: x.astype(np.float32) @ W + b, "and should be"),
    ],
)
def test_a_wrong_forward_is_told_and_earns_nothing(name, forward, said):
    """Not even with a backward that is right for it: the derivative of a constant is zero."""
    found = findings(EXERCISES[name], forward_only(forward), 0)
    assert marked(EXERCISES[name], **found).earned == 0
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found["forward"])


def test_zero_for_a_zero():
    constant = forward_only(lambda ctx, x: x * 0)
    assert marked(EXERCISES["ReLU"], **findings(EXERCISES["ReLU"], constant, 0)).earned == 0


def test_rounding_is_no_mistake():
    """Another order of summation, in float32 as well."""

    def forward(ctx, x, W, b):
        return sum(x[:, [i]] * W[i] for i in reversed(range(len(W)))) + b

    assert findings(EXERCISES["Linear"], forward_only(forward), 0)["forward"] == ""


def test_a_template_is_a_file_that_has_no_marks_yet(tmp_path):
    path = tmp_path / "student.py"
    path.write_text(template(), encoding="utf-8")
    marks = grade(path)
    assert marks.earned == 0
    assert marks.total == 100
    assert all(mark.forward == "forward is not written yet" for mark in marks.marks)
    for e in EXERCISES.values():
        assert f"class {e.name}(Function):" in template()
        assert f"forward(ctx, {', '.join(e.inputs)}):" in template()


def test_a_backward_that_is_not_written_yet():
    unwritten = type("ReLU", (RIGHT["ReLU"].target,), {"backward": Function.__dict__["backward"]})
    mark = marked(EXERCISES["ReLU"], **findings(EXERCISES["ReLU"], unwritten, 0))
    assert mark.points == {"forward": 2, "x": 0}
    assert mark.remarks == ["backward is not written yet"]


def test_second_derivatives_are_not_asked_for():
    class Sigmoid(RIGHT["Sigmoid"].target):
        @staticmethod
        def forward(ctx, x):
            y = RIGHT["Sigmoid"].target.forward(ctx, x)
            ctx.y = y.tolist()  # numbers, which are constants to the tape
            return y

        @staticmethod
        def backward(ctx, g):
            y = np.asarray(ctx.y, g.dtype)
            return g * y * (1 - y)

    assert [fault.kind for fault in check(Sigmoid, signature="()->()").faults] == ["second-order"]
    assert findings(EXERCISES["Sigmoid"], Sigmoid, 0)["faults"] == []


def test_what_is_missing_is_missed_first(student, monkeypatch, capsys):
    monkeypatch.setattr(grading, "find_spec", lambda name: None)
    assert main(["grade", str(student(RELU))]) == 2
    assert "this needs hypothesis" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------- what a file may be up to
def test_what_goes_wrong_in_one_exercise_costs_that_exercise(student):
    path = student(
        "import ctypes\nprint('ReLU 6 / 6')\n"
        + relu("Linear", before_forward="sys.exit(0)")
        + relu("MSE", before_forward="os._exit(0)")
        + relu("Sigmoid", before_forward="raise KeyboardInterrupt")
        + relu("Multiply", before_forward="np.ones(10**12)")
        + relu("Softmax", before_forward="nonsense")
        + relu("LayerNorm", before_forward="os.abort()")
        + relu("ReLU", before_backward="print('noise' * 10000, file=sys.stderr)")
    )
    told = {
        "Linear": "it ends the program: SystemExit(0)",
        "MSE": "it ended the process (exit code 0)",
        "Sigmoid": "it ends the program: KeyboardInterrupt()",
        "Multiply": "MemoryError",
        "Softmax": "NameError: name 'nonsense' is not defined",
        "LayerNorm": "it ended the process (",
        "Conv2d": "there is no Conv2d in the file",
    }
    marks = by_name(grade(path, [*told, "ReLU"]))
    assert list(marks) == [*told, "ReLU"]
    assert {name: mark.earned for name, mark in marks.items() if mark.earned} == {"ReLU": 6}
    for name, said in told.items():
        assert said in marks[name].forward


@posix
def test_a_crash_is_named(student):
    path = student("import ctypes\n" + relu(before_backward="ctypes.string_at(0)") + RELU.replace("ReLU", "Sigmoid"))
    marks = by_name(grade(path, ["ReLU", "Sigmoid"]))
    assert "a segmentation fault" in marks["ReLU"].forward
    assert "and should be" in marks["Sigmoid"].forward


@posix
def test_memory_has_a_limit(student):
    marks = grade(student(relu(before_backward="np.ones(10**9)")), ["ReLU"])
    assert "MemoryError" in marks.marks[0].remarks[0]
    assert marks.marks[0].points == {"forward": 2, "x": 0}


def test_an_endless_loop_is_marked(student):
    path = student(relu("Sigmoid", before_backward="while True: print('round and round')") + RELU)
    marks = by_name(grade(path, ["Sigmoid", "ReLU"], timeout=PATIENCE))
    assert marks["Sigmoid"].earned == 0
    assert f"stopped after {PATIENCE:g} s" in marks["Sigmoid"].forward
    assert marks["ReLU"].earned == 6


def test_there_is_a_time_for_the_whole_file(student):
    path = student(relu(before_forward="while True: pass") + RELU.replace("ReLU", "Sigmoid"))
    begin = time.monotonic()
    marks = grade(path, ["ReLU", "Sigmoid"], total_timeout=2.0)
    assert time.monotonic() - begin < 60  # and not for ever
    assert [mark.forward for mark in marks.marks] == ["not graded: the time for the whole file was over"] * 2


FORGERY = """
import json

forged = json.dumps({"forward": "", "faults": []})
for token in "", "0" * 32, "None":
    for descriptor in range(3, 64):
        for line in (f"{token} {forged}\\n", f"{forged}\\n", "half a line"):
            try:
                os.write(descriptor, line.encode())
            except OSError:
                pass
    print(f"{token} {forged}")
    os.system(f"echo '{token} {forged}'")
"""


def test_full_marks_cannot_be_printed(student):
    marks = grade(student(FORGERY + relu(before_backward="grad = grad * 2")), ["ReLU", "Sigmoid"])
    assert [mark.earned for mark in marks.marks] == [2, 0]
    assert marks.marks[0].faults


@posix
def test_what_a_file_starts_ends_with_it(student, tmp_path):
    noted = tmp_path / "pid"
    path = student(
        "import subprocess\n"
        "sleeper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(noted)!r}, 'w').write(str(sleeper.pid))\n" + RELU
    )
    assert grade(path, ["ReLU"])
    pid = int(noted.read_text())
    for _ in range(100):  # until the system has buried it
        if not alive(pid):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} still runs")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("sys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("os._exit(0)", "loading the file ended the process"),
        ("while True: pass", "loading the file was stopped after 2 s"),
    ],
)
def test_a_file_that_cannot_be_loaded(student, text, said):
    with pytest.raises(UserFileError, match=said) as caught:
        grade(student(text), timeout=2.0)
    assert "student.py" in str(caught.value)


# ------------------------------------------------------------------------------------------------------- the command
def test_the_command_prints_marks_and_what_is_wrong(student, capsys):
    path = student(RELU + relu("Sigmoid"))
    assert main(["grade", str(path), "ReLU"]) == 0
    assert capsys.readouterr().out == "ReLU            6 / 6\ntotal           6 / 6\n"
    assert main(["grade", str(path), "ReLU", "Sigmoid"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["ReLU            6 / 6", "Sigmoid         0 / 6"]
    assert lines[2].startswith("    - forward: ")
    assert lines[-1] == "total           6 / 12"


def test_json_is_for_autograders(student, capsys):
    path = student(relu(before_backward="grad = -grad"))
    assert main(["grade", str(path), "ReLU", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["score"], found["max_score"]) == (2, 6)
    (test,) = found["tests"]
    assert (test["name"], test["score"], test["max_score"], test["status"]) == ("ReLU", 2, 6, "failed")
    assert test["output"]
    assert test["extra_data"]["faults"][0]["kind"] == "sign"
    assert test["extra_data"]["points"] == {"forward": 2, "x": 0}


def test_list_and_template_need_no_file(capsys):
    assert main(["grade", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed and e.statement in listed for name, e in EXERCISES.items())
    assert main(["grade", "--template"]) == 0
    assert capsys.readouterr().out == template()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which file?"),
        (["nowhere.py"], "there is no file 'nowhere.py'"),
        (["{file}", "Linaer"], "did you mean Linear?"),
        (["{file}", "--timeout", "0"], "positive"),
        (["{file}", "--timeout", "soon"], "invalid number value: 'soon'"),
    ],
)
def test_wrong_usage(student, capsys, arguments, said):
    path = student(RELU)
    try:
        code = main(["grade", *[word.format(file=path) for word in arguments]])
    except SystemExit as stop:  # argparse's way
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_the_file_leaves_nothing_behind(student):
    path = student(RELU)
    grade(path, ["ReLU"])
    assert [p.name for p in path.parent.iterdir()] == ["student.py"]


def test_modules_in_the_folder_are_not_taken_for_pythons(student, monkeypatch):
    path = student(RELU)
    for name in "json.py", "numpy.py":
        (path.parent / name).write_text("raise SystemExit('this is not what it seems')")
    monkeypatch.chdir(path.parent)
    assert grade(path, ["ReLU"])


def test_it_is_a_command_of_its_own(student, tmp_path):
    """As a teacher calls it, from anywhere, with a file that imports what lies beside it."""
    (tmp_path / "helper.py").write_text("def positive(x):\n    return x > 0\n")
    path = student("from helper import positive\n" + RELU.replace("(x > 0)", "positive(x)"))
    command = [sys.executable, "-m", "minigrad", "grade", path.name, "ReLU"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ReLU            6 / 6\ntotal           6 / 6\n")
