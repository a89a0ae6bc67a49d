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
import torch

from minigrad import Function, hessian
from minigrad.checks.subject import subject_of
from minigrad.cli import main
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.grade import Exercise, grade, grading, submission
from minigrad.grade.examination import examine, forward_problem
from minigrad.grade.exercise import load_exercises, template
from minigrad.grade.grading import marked
from minigrad.zoo import RIGHT, SPECIMENS

ROOT = Path(__file__).parents[1]
EXERCISES = load_exercises()
PATIENCE = 8.0  # seconds for an exercise that takes half of one
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")


@pytest.fixture
def student(tmp_path, brief):
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


def mark_of(exercise, target, follow=0.0):
    """What one of our own gets, in this process."""
    return marked(exercise, examine(exercise, subject_of(target)), follow)


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


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_right_has_full_marks(name):
    mark = mark_of(EXERCISES[name], RIGHT[name].target)
    assert mark.full, mark
    assert mark.remarks() == []


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
    mark = mark_of(e, s.target)
    assert mark.earned < e.total
    assert mark.remarks()
    assert mark.points["forward"] == e.points["forward"]
    if s.input:
        names = argument_names(positional_parameters(s.twin.forward, 1), len(e.inputs))
        assert mark.points[e.inputs[names.index(s.input)]] == 0


def test_only_what_is_wrong_costs():
    s, e = SPECIMENS["linear_bias_averaged"], EXERCISES["Linear"]
    assert mark_of(e, s.target).points == {"forward": 2, "x": 2, "W": 2, "b": 0}


def test_the_page_on_grading_shows_what_is_printed():
    shown = [("Linear", "linear_bias_averaged"), ("Sigmoid", "sigmoid_at_its_input")]
    marks = [mark_of(EXERCISES[name], SPECIMENS[wrong].target) for name, wrong in shown]
    text = "\n".join(map(str, marks))
    assert f"```\n{text}\n```" in (ROOT / "docs" / "grading.md").read_text(encoding="utf-8")


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

    mark = mark_of(EXERCISES["Linear"], Linear)
    assert mark.points == {"forward": 2, "x": 2, "W": 0, "b": 2}
    assert mark.faults[0].kind == "sign"
    assert "weights" in mark.faults[0].text


def forward_only(forward):
    return type("Made", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(lambda ctx, g: g * 0)})


@pytest.mark.parametrize(
    ("name", "forward", "said"),
    [
        ("MSE", lambda ctx, a, b: ((a - b) ** 2).sum(), "and should be"),
        ("MSE", lambda ctx, a, b: (a - b) ** 2, r"the shape \(.*\) for yhat .*; needed is \(\)"),
        ("LogSumExp", lambda ctx, x: np.log(np.exp(x).sum(1)), "ln 0 is infinite"),
        ("ReLU", lambda ctx, x: "x", "an array of numbers, and got str"),
        ("ReLU", lambda ctx: 0, "takes 1 positional argument but 2 were given"),
        ("ReLU", lambda ctx, x: x.nonsense, "AttributeError"),
        ("LayerNorm", lambda ctx, x, w, b: x * w + b, "and should be"),
        ("Linear", lambda ctx, x, W, b: x.astype(np.float32) @ W + b, "and should be"),
    ],
)
def test_a_wrong_forward_is_told_and_earns_nothing(name, forward, said):
    """Not even with a backward that is right for it: the derivative of a constant is zero."""
    mark = mark_of(EXERCISES[name], forward_only(forward))
    assert mark.earned == 0
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(mark.forward.text)


def test_zero_for_a_zero():
    constant = forward_only(lambda ctx, x: x * 0)
    assert mark_of(EXERCISES["ReLU"], constant).earned == 0


def test_rounding_is_no_mistake():
    """Another order of summation, in float32 as well."""

    def forward(ctx, x, W, b):
        return sum(x[:, [i]] * W[i] for i in reversed(range(len(W)))) + b

    assert mark_of(EXERCISES["Linear"], forward_only(forward)).forward is None


def test_a_template_is_a_file_that_has_no_marks_yet(tmp_path):
    path = tmp_path / "student.py"
    path.write_text(template(), encoding="utf-8")
    marks = grade(path)
    assert marks.earned == 0
    assert marks.total == 100
    assert all(mark.forward.text == "forward is not written yet" for mark in marks.marks)
    for e in EXERCISES.values():
        assert f"class {e.name}(Function):" in template()
        assert f"forward(ctx, {', '.join(e.inputs)}):" in template()


def test_a_backward_that_is_not_written_yet():
    unwritten = type("ReLU", (RIGHT["ReLU"].target,), {"backward": Function.__dict__["backward"]})
    mark = mark_of(EXERCISES["ReLU"], unwritten)
    assert mark.points == {"forward": 2, "x": 0}
    assert mark.remarks() == ["backward is not written yet"]


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

    with pytest.raises(TypeError, match="off the tape"):
        hessian(Sigmoid.apply)(np.array(0.5))
    assert mark_of(EXERCISES["Sigmoid"], Sigmoid).full


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
        "Linear": "forward raises SystemExit: 0 (line ",
        "MSE": "it ended the process (exit code 0)",
        "Sigmoid": "forward raises KeyboardInterrupt: (line ",
        "Multiply": "MemoryError: Unable to allocate",
        "Softmax": "NameError: name 'nonsense' is not defined",
        "LayerNorm": "it ended the process (",
        "Conv2d": "there is no Conv2d in the file",
    }
    marks = by_name(grade(path, [*told, "ReLU"]))
    assert list(marks) == [*told, "ReLU"]
    assert {name: mark.earned for name, mark in marks.items() if mark.earned} == {"ReLU": 6}
    for name, said in told.items():
        assert said in marks[name].forward.text


@posix
def test_a_crash_is_named(student):
    path = student("import ctypes\n" + relu(before_backward="ctypes.string_at(0)") + RELU.replace("ReLU", "Sigmoid"))
    marks = by_name(grade(path, ["ReLU", "Sigmoid"]))
    assert "a segmentation fault" in marks["ReLU"].forward.text
    assert "and should be" in marks["Sigmoid"].forward.text


@posix
def test_memory_has_a_limit(student):
    marks = grade(student(relu(before_backward="np.ones(10**9)")), ["ReLU"])
    assert "MemoryError" in marks.marks[0].remarks()[0]
    assert marks.marks[0].points == {"forward": 2, "x": 0}


def test_an_endless_loop_is_marked(student):
    path = student(relu("Sigmoid", before_backward="while True: print('round and round')") + RELU)
    marks = by_name(grade(path, ["Sigmoid", "ReLU"], timeout=PATIENCE))
    assert marks["Sigmoid"].earned == 0
    assert f"stopped after {PATIENCE:g} s" in marks["Sigmoid"].forward.text
    assert marks["ReLU"].earned == 6


def test_there_is_a_time_for_the_whole_file(student):
    path = student(relu(before_forward="while True: pass") + RELU.replace("ReLU", "Sigmoid"))
    begin = time.monotonic()
    marks = grade(path, ["ReLU", "Sigmoid"], total_timeout=2.0)
    assert time.monotonic() - begin < 60  # and not for ever
    assert [mark.forward.text for mark in marks.marks] == ["not graded: the time for the whole file was over"] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:", "line 4: SyntaxError"),
        ("os._exit(0)", "it ended the process (exit code 0)"),
        ("while True: pass", "it was stopped after 4 s"),
    ],
)
def test_a_file_that_cannot_be_loaded(student, text, said):
    marks = grade(student(text), ["ReLU", "MSE"], timeout=4.0)
    assert marks.earned == 0
    assert said in marks.problem
    assert "student.py" in marks.problem
    assert [mark.forward.text for mark in marks.marks] == [marks.problem] * 2
    assert str(marks).count(marks.problem) <= 3


@pytest.mark.parametrize(
    "text", ["1 / 0", "sys.exit(0)", "raise KeyboardInterrupt", "from nowhere import x", "print(a)"]
)
def test_what_raises_when_it_is_loaded_costs_nothing(student, text):
    """Check cells, leftovers: what was defined before and what is defined behind them counts."""
    marks = grade(student(RELU + f"\n{text}\n\nif __name__ == '__main__':\n    raise SystemExit\n"), ["ReLU", "MSE"])
    assert by_name(marks)["ReLU"].full
    assert "line " in marks.explanation()
    assert text.split("(")[0].split()[0] in marks.notes[0]


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


def test_json_is_for_programs(student, capsys):
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
    path.write_text(path.read_text() + "\nimport json\n")
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


# ------------------------------------------------------------------------------------------ what an answer may be
TORCH = """
import torch

class ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x > 0)
"""
SETUP = """
import torch

class Multiply(torch.autograd.Function):
    @staticmethod
    def forward(left, right):
        return left * right

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        left, right = ctx.saved_tensors
        return (grad * right).sum_to_size(left.shape), (grad * left).sum_to_size(right.shape)
"""
PAIR = "ReLU = (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0))\n"
PAIR_OF_NAMES = """
def ReLU_forward(x):
    return np.maximum(x, 0)

def ReLU_backward(g, x):
    return g * (x > 0)
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [(RELU, "ReLU"), (TORCH, "ReLU"), (SETUP, "Multiply"), (PAIR, "ReLU"), (PAIR_OF_NAMES, "ReLU")],
    ids=["Function", "torch", "setup_context", "pair", "two functions"],
)
def test_an_answer_may_be(student, text, name):
    marks = grade(student(text), [name])
    assert marks, marks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ReLU = 3", "ReLU is a int; it may be a class with forward and backward"),
        ("ReLU = ...", "there is no ReLU in the file"),
        ("class ReLU: pass", "ReLU is a type; it may be"),
        ("class ReLU:\n    def forward(ctx, x): return x", "ReLU has no backward"),
    ],
)
def test_what_is_no_answer(student, text, said):
    (mark,) = grade(student(text), ["ReLU"]).marks
    assert said in mark.forward.text


LINEAR = """
class Linear(Function):
    @staticmethod
    def forward(ctx, x, W, b, scale=1.0):
        ctx.save_for_backward(x, W)
        return x @ W + b

    @staticmethod
    def backward(ctx, grad):
        x, W = ctx.saved_tensors
        return grad @ W.T, x.T @ grad, grad.sum(0), None
"""


def test_a_none_for_a_default_is_fine(student):
    assert grade(student(LINEAR), ["Linear"])


def test_the_checker_sees_through_the_wire(student):
    """What it knows of a Function in its own process, it knows of one in another."""
    path = student(
        RELU.replace("return grad * (x > 0)", "grad *= x > 0\n        return grad")
        + RELU.replace("ReLU", "Multiply")
        .replace("(ctx, x)", "(ctx, a, b)")
        .replace("save_for_backward(x)", "f(a, b)")
        .replace("np.maximum(x, 0)", "a * b")
        .replace("ctx.f(a, b)", "ctx.ab = a, b")
        .replace("(x,) = ctx.saved_tensors", "a, b = ctx.ab")
        .replace("return grad * (x > 0)", "a *= 2\n        return grad * b / 1, grad * a")
    )
    marks = by_name(grade(path, ["ReLU", "Multiply"]))
    assert [fault.kind for fault in marks["ReLU"].faults] == ["mutates"]
    assert "writes into the input a" in str(marks["Multiply"])


def layer_norm(eps, wrong=""):
    class LayerNorm(RIGHT["LayerNorm"].target):
        @staticmethod
        def forward(ctx, x, w, b):
            s = 1 / np.sqrt(x.var(1, keepdims=True) + eps)
            h = (x - x.mean(1, keepdims=True)) * s
            ctx.save_for_backward(h, s, w)
            return h * w + b

        @staticmethod
        def backward(ctx, g):
            h, s, w = ctx.saved_tensors
            d = g * w
            dx = s * (d - d.mean(1, keepdims=True) - h * (d * h).mean(1, keepdims=True))
            return (-dx if wrong else dx), (g * h).sum(0), g.sum(0)

    return LayerNorm


@pytest.mark.parametrize("eps", [1e-3, 1e-8])
def test_another_eps_costs_the_forward_alone(eps):
    e = EXERCISES["LayerNorm"]
    mark = mark_of(e, layer_norm(eps))
    assert mark.points == {**e.points, "forward": 0}
    assert mark.remarks() == [f"forward: eps is {eps:g}, and the exercise says 1e-05"]
    assert mark_of(e, layer_norm(eps, "wrong")).points == {**e.points, "forward": 0, "x": 0}
    assert mark_of(e, layer_norm(1e-5)).full


class SumOfSquares(Function):
    """Where MSE is asked: no mean, and a backward that is right for that."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return ((a - b) ** 2).sum()

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return 2 * g * (a - b), 2 * g * (b - a)


@pytest.mark.parametrize(("follow", "earned"), [(0.0, 0), (0.5, 3), (1.0, 6)])
def test_follow_through(follow, earned):
    mark = mark_of(EXERCISES["MSE"], SumOfSquares, follow)
    assert mark.earned == earned
    assert mark.points["forward"] == 0
    assert mark.faults == ()


@pytest.mark.parametrize(
    ("hints", "said"),
    [("none", []), ("kind", ["a mean where a sum belongs (b)"]), ("full", ["Write .sum(0), not .mean(0)."])],
)
def test_how_much_is_said(hints, said):
    mark = mark_of(EXERCISES["Linear"], SPECIMENS["linear_bias_averaged"].target)
    remarks = mark.remarks(hints)
    assert len(remarks) == len(said)
    assert all(word in remark for word, remark in zip(said, remarks, strict=True))


# ------------------------------------------------------------------------------------------------- exercises of a file
OURS = """
import numpy as np
from minigrad import Function, tanh
from minigrad.grade import Exercise

class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad

EXERCISES = [
    Exercise("Log", "y = ln x", {"forward": 1, "x": 2}, np.log, "()->()", domain={"x": (0, np.inf)}),
    Exercise("Tanh", "y = tanh x", {"forward": 1, "x": 2.5}, tanh, "()->()"),
    Exercise("Square", "y = x²", {"forward": 1, "x": 2}, Square, "()->()", hidden=True),
]
"""


def test_exercises_of_a_teachers_own(student, tmp_path, capsys):
    ours = tmp_path / "ours.py"
    ours.write_text(OURS, encoding="utf-8")
    pairs = {
        "Log": ("np.log(x)", "g / x"),
        "Tanh": ("np.tanh(x)", "g * (1 - np.tanh(x) ** 2)"),
        "Square": ("x ** 2", "x * g"),
    }
    path = student("".join(f"{name} = (lambda x: {f}, lambda g, x: {b})\n" for name, (f, b) in pairs.items()))
    assert main(["grade", "--exercises", str(ours), str(path)]) == 1
    said = capsys.readouterr().out
    assert "Log             3 / 3\nTanh          3.5 / 3.5\nSquare          1 / 3\n" in said
    assert said.endswith("total         7.5 / 9.5\n")
    assert main(["grade", "--exercises", str(ours), "--list"]) == 0
    listed = capsys.readouterr().out
    assert "Log (3 points): y = ln x\n  forward(ctx, x) with shapes ()->()" in listed
    assert "Square" not in listed
    assert main(["grade", "--exercises", str(ours), "--template", "-o", str(tmp_path / "new.py")]) == 0
    text = (tmp_path / "new.py").read_text(encoding="utf-8")
    assert "class Tanh(Function):" in text
    assert "Square" not in text


POLAR = "Polar", "x = r cos a, y = r sin a", {"forward": 1, "r": 1, "a": 1}
BOTH = "(r * np.cos(a), r * np.sin(a))"


def test_exercises_with_two_outputs(student, tmp_path, capsys):
    names = ["Forgets", "Single", "List"]
    ours, signature = tmp_path / "ours.py", "(n,n),(n,n)->(n,n),(n,n)"
    exercises = [f"Exercise({name!r}, *{POLAR[1:]}, lambda r, a: {BOTH}, {signature!r})" for name in names]
    head = "import numpy as np\nfrom minigrad.grade import Exercise\n"
    ours.write_text(f"{head}EXERCISES = [{', '.join(exercises)}]", encoding="utf-8")
    right = "(g[0] * np.cos(a) + g[1] * np.sin(a), g[1] * r * np.cos(a) - g[0] * r * np.sin(a))"
    pairs = {
        "Forgets": (BOTH, right.replace(" + g[1] * np.sin(a)", "")),
        "Single": ("r * np.cos(a)", "(g, g)"),
        "List": ("[r, a]", "(g, g)"),
    }
    path = student("".join(f"{name} = (lambda r, a: {f}, lambda g, r, a: {b})\n" for name, (f, b) in pairs.items()))
    main(["grade", "--timeout", "300", "--exercises", str(ours), str(path)])
    said = " ".join(capsys.readouterr().out.split())
    for text in (
        "Forgets 2 / 3 - dr: the cotangent of output 1 is not used",
        "Single 0 / 3 - forward returns the shape (1, 1) for r (1, 1), a (1, 1); needed is the shapes (1, 1), (1, 1)",
        "List 0 / 3 - forward raises TypeError: forward returned a list; return one array, or several as a tuple",
    ):
        assert text in said
    known = load_exercises(ours)
    assert "def backward(ctx, grad0, grad1):" in template(known)
    wrong = subject_of((lambda r, a: (r * np.cos(a), r * np.cos(a)), lambda g, r, a: (r, a)))
    assert "forward: output 1[0][0] is" in forward_problem(known["Single"], wrong, 0)[0].text


def exercise(**changes):
    known = {"name": "A", "statement": "", "points": {"forward": 1, "x": 1}, "reference": np.sin, "signature": "()->()"}
    return Exercise(**{**known, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"points": {"forward": 1, "x": "two"}}, "points are numbers from 0, and those of x are 'two'"),
        ({"points": {"forward": True, "x": 2}}, "those of forward are True"),
        ({"points": {"forward": 1, "x": float("nan")}}, "those of x are nan"),
        ({"points": {"forward": 1, "x": -1}}, "those of x are -1"),
        ({"points": 5}, "points are a dict"),
        ({"points": {"forward": 1, "x": 1, "y": 1}}, "has 1 inputs, and points and labels name x, y"),
        ({"signature": "n->n"}, "needed is one group of axes"),
        ({"domain": {"z": (0, 1)}}, "domain: z is no input; the inputs are x"),
        ({"reference": 3}, "the reference is a function of arrays or a Function"),
        ({"name": "a b"}, "'a b' is no name of a class"),
    ],
)
def test_an_exercise_that_cannot_be(changes, said):
    with pytest.raises(ValueError, match="exercise") as caught:
        exercise(**changes)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OURS.replace('"Tanh"', '"Log"'), "there are 2 exercises called Log"),
        ("EXERCISES = []", "has a list EXERCISES"),
        ("x = 1", "has a list EXERCISES"),
        ("1 / 0", "ZeroDivisionError"),
        (OURS.replace("2.5", "'x'"), "exercise Tanh: points are numbers"),
    ],
)
def test_a_file_of_exercises_that_is_none(text, said, student, tmp_path, capsys):
    ours = tmp_path / "ours.py"
    ours.write_text(text, encoding="utf-8")
    assert main(["grade", "--exercises", str(ours), str(student(RELU))]) == 2
    assert said in capsys.readouterr().err


def test_a_worker_that_does_not_start_is_the_teachers_matter(student, monkeypatch, capsys):
    monkeypatch.setattr(sys, "executable", "/bin/false" if os.name == "posix" else "nowhere")
    assert main(["grade", str(student(RELU)), "ReLU"]) == 2
    assert "the worker does not start" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ reading files
def test_text_in_any_clothes(tmp_path):
    text = "import numpy as np\nfrom minigrad import Function\n" + RELU + "\n# ä\n"
    for name, raw in {
        "powershell": text.encode("utf-16"),
        "without_mark": text.encode("utf-16-le"),
        "mark": text.encode("utf-8-sig"),
        "old": ("# -*- coding: latin-1 -*-\n" + text).encode("latin-1"),
        "windows": text.replace("\n", "\r\n").encode(),
    }.items():
        path = tmp_path / f"{name}.py"
        path.write_bytes(raw)
        found = submission.read(path, ["ReLU"])
        assert found.problem == "", name
        assert "class ReLU" in found.cells[0][1]
        assert found.cells[0][1].endswith("# ä\n")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"x = '\xff\xfe\x00'", "it is no text"),
        (b"# coding: klingon\n", "it is no text"),
        (b"# coding: punycode\n# -a", "it is no text"),  # which takes a day for a long file
        (b"x" * (11 << 20), "it has 11 MB, and at most 10 are read"),
    ],
)
def test_what_is_no_text(raw, said, tmp_path):
    path = tmp_path / "student.py"
    path.write_bytes(raw)
    marks = grade(path, ["ReLU"])
    assert said in marks.problem
    assert marks.earned == 0


def notebook(*cells):
    kinds = [{"cell_type": "code", "source": text.splitlines(keepends=True), "metadata": {}} for text in cells]
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "# x", "metadata": {}}, *kinds]})


def test_a_notebook_is_its_cells_that_define_the_answers(tmp_path):
    path = tmp_path / "student.ipynb"
    path.write_text(
        notebook(
            "%matplotlib inline\nimport numpy as np\nfrom minigrad import Function",
            "def positive(x):\n    return x > 0",
            "broken (",
            "raise RuntimeError('training')",
            "slow = [k for k in range(10 ** 12)]",
            RELU.replace("(x > 0)", "positive(x)"),
            "1 / 0",
        )
    )
    assert [label for label, _ in submission.read(path, ["ReLU"]).cells] == ["cell 1", "cell 2", "cell 6"]
    assert grade(path, ["ReLU"])


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"cells": [{"cell_type": "code"}]}', "[" * 100000])
def test_what_is_no_notebook(text, tmp_path):
    path = tmp_path / "student.ipynb"
    path.write_text(text)
    assert "it is no notebook" in submission.read(path, ["ReLU"]).problem


def test_the_teachers_file_is_no_helper(student, tmp_path):
    (tmp_path / "ours.py").write_text(OURS, encoding="utf-8")
    (tmp_path / "helper.py").write_text("import ours\n")
    path = student("import helper\nfrom ours import *\n")
    found = submission.read(path, [], closed=tmp_path / "ours.py")
    assert [name for name, _ in found.helpers] == ["helper.py"]


# ----------------------------------------------------------------------------------------- where there are no processes
def test_in_a_browser_it_is_one_process_and_says_so(student, monkeypatch):
    path = student(
        RELU.replace("import os", "")
        + LINEAR.replace("grad.sum(0)", "grad.mean(0)")
        + "from minigrad import sigmoid\nSigmoid = (lambda x: sigmoid(x), lambda g, x: g)\n"
    )
    before = sys.modules["minigrad"]
    monkeypatch.setattr(sys, "platform", "emscripten")
    marks = grade(path, ["ReLU", "Linear", "Sigmoid"])
    monkeypatch.undo()
    assert [mark.earned for mark in marks.marks] == [6, 6, 0]
    assert "minigrad.sigmoid is not offered" in marks.marks[2].forward.text
    assert "nothing protects the marks" in str(marks)
    assert sys.modules["minigrad"] is before
    assert not any(type(finder).__name__ == "Gate" for finder in sys.meta_path)
    x = torch.ones(2, requires_grad=True)
    (x * x).sum().backward()  # torch of this process keeps its engine
    assert x.grad.tolist() == [2, 2]
    assert "nothing protects" not in str(grade(path, ["ReLU"]))


def test_marks_are_not_lost_with_the_file_that_cannot_be_written(student, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file, and no folder")
    path = student(RELU.replace("import os", ""))
    assert main(["grade", str(path), "ReLU", "--format", "json", "-o", str(tmp_path / "taken" / "marks.json")]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["score"] == 6
    assert "the marks stand on standard output" in err
    assert err.count("\n") == 1
