"""The lessons run as they stand; their exercises can be solved as stated, and the usual mistakes are noticed.

A lesson is a jupytext percent file: what runs here is what a notebook runs, cell by cell. Beside each lesson,
`solutions/` has cells of the same titles, "exercise 1", that answer it, and cells "mistake 1: ..." that must not pass.
"""

import ast
import contextlib
import copy
import functools
import io
import linecache
import math
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import jupytext
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import minigrad
from minigrad import lesson, lesson_fr
from minigrad.checks import french as checks_fr
from minigrad.grade import grade, heard

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "lessons").glob("[0-9]*_*.py"))
FRENCH = sorted((ROOT / "lessons" / "fr").glob("[0-9]*_*.py"))
ALL = [*LESSONS, *FRENCH]
VERDICTS = "not answered yet|not yet right|right"


def name(path):
    return f"fr/{path.stem}" if path.parent.name == "fr" else path.stem


def number_of(path):
    return path.stem.partition("_")[0]


@functools.cache
def parsed(path):
    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")


def read(path):
    return copy.deepcopy(parsed(path))


def code(path):
    """Title and text of each code cell."""
    return [(cell.metadata.get("title", ""), cell.source) for cell in read(path).cells if cell.cell_type == "code"]


def prose(path):
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def answers(path, kind):
    """The cells of the solutions whose title begins with `kind`: (number of the exercise, title, text)."""
    cells = code(ROOT / "lessons" / "solutions" / path.name)
    return [(re.match(rf"{kind} (\d)", title)[1], title, text) for title, text in cells if title.startswith(kind)]


def run(cells, namespace):
    """Run code cells in one namespace, as a notebook does; what they print. Warnings are errors, as in all tests."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        for i, (title, text) in enumerate(cells):
            file = f"<cell {i} {title}>"
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # for who shows lines
            exec(compile(ast.parse(text), file, "exec"), namespace)
    return out.getvalue()


def verdicts(printed):
    """What the cells below the exercises say, by the number of the exercise."""
    return dict(re.findall(rf"^exercise (\d): ({VERDICTS})", printed, re.MULTILINE))


# Answers that are right in another form than that of the solutions, and wrong ones of a form that is easily mistaken.
RIGHT = {
    ("1_chain_rule.py", "1"): [
        "da, db = 7, 2.0",
        "import numpy as np\nda, db = np.float64(7), minigrad.Tensor(2.0)",
        "from fractions import Fraction\nda, db = Fraction(7), Fraction(2)",
    ],
    ("1_chain_rule.py", "2"): ["exp = [np.exp, lambda g, a: [g * np.exp(a)]]"],
    ("1_chain_rule.py", "3"): [
        "contributions = (6, 18, 24)",
        "contributions = np.array([18.0, 6.0, 24.0])",
        "contributions = {6, 18, 24}",
        "contributions = {'one path': 24, 'another': 6, 'a third': 18}.values()",
    ],
    ("2_linear_and_mse.py", "1"): ["dY = (-dYhat).tolist()", "dY = minigrad.Tensor(-dYhat)"],
    ("2_linear_and_mse.py", "2"): [
        "def gradient(X, W, b, Y):\n    Y -= X @ W + b\n    d = -2 / Y.size * Y\n    return [X.T @ d, d.sum(0)]"
    ],
    ("4_broadcasting.py", "1"): [
        "axes_of_A, axes_of_B = [1], [2, 0]",
        "axes_of_A, axes_of_B = 1, {0, -1}",
        "axes_of_A, axes_of_B = (-2,), np.array([-3, -1])",
    ],
    ("5_three_descents.py", "1"): ["def epoch_loss(losses, sizes):\n    return np.average(losses, weights=sizes)"],
    ("5b_digits.py", "1"): ["first_loss = 2.3026", "first_loss = minigrad.Tensor(-np.log(0.1))"],
    ("6_gradients_of_gradients.py", "1"): [
        "def derivative(f, k):\n    return derivative(lambda x: grad(f)(x).item(), 0) if k == 9 else "
        "derivative(grad(f), k - 1) if k else lambda x: float(f(x))"
    ],
    ("6_gradients_of_gradients.py", "2"): [
        "def newton(f, w):\n    return (w - np.linalg.solve(hessian(f)(w), grad(f)(w))).tolist()",
    ],
    ("7_attention.py", "1"): [
        "def mask(T):\n    return np.triu(np.full((T, T), -1e9), 1).tolist()",
        "def mask(T):\n    return minigrad.Tensor(np.log(np.tri(T) + 1e-300))",
    ],
    ("8_what_goes_wrong.py", "2"): ["def count_dead(h):\n    return len([u for u in h.T if not u.any()])"],
    ("8_what_goes_wrong.py", "3"): [
        "def clip(gradients, most):\n    length = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]))\n"
        "    return (g if length < most else g * most / length for g in gradients)"
    ],
}
WRONG = {
    ("1_chain_rule.py", "1"): ["da, db = 2, 7", "da, db = '7', '2'", "da, db = [7], [2]"],
    ("1_chain_rule.py", "2"): ["exp = (math.exp, lambda g, a: g * math.exp(a))", "exp = math.exp", "exp = (1, 2)"],
    ("1_chain_rule.py", "3"): ["contributions = 48", "contributions = [6, 18, 24, 0]", "contributions = [16, 16, 16]"],
    ("2_linear_and_mse.py", "1"): ["dY = -dYhat.ravel()", "dY = -dYhat[0]", "dY = -dYhat * np.nan"],
    ("2_linear_and_mse.py", "2"): ["def gradient(X, W, b, Y):\n    return X.T @ (2 / Y.size * (X @ W + b - Y))"],
    ("3_function.py", "3"): [
        "class Fooled(Linear):\n    pass",
        "class Fooled(MSE):\n    forward = staticmethod(lambda ctx, a, b: 2 * MSE.forward(ctx, a, b))",
    ],
    ("4_broadcasting.py", "1"): ["axes_of_A, axes_of_B = 1, (0, 0)", "axes_of_A, axes_of_B = 7, 0.5"],
    ("4_broadcasting.py", "3"): [
        "class Multiply:\n    apply = staticmethod(lambda a, b: a * b)",
        "class Multiply(minigrad.Function):\n"
        "    forward = staticmethod(lambda ctx, a, b: (ctx.save_for_backward(a, b), a + b)[1])\n"
        "    backward = staticmethod(lambda ctx, g: [unbroadcast(g, x.shape) for x in ctx.saved_tensors])",
    ],
    ("6_gradients_of_gradients.py", "1"): [
        "def derivative(f, k, h=1e-3):\n"
        "    return derivative(lambda x: (f(x + h) - f(x - h)) / (2 * h), k - 1) if k else f"
    ],
    ("6_gradients_of_gradients.py", "2"): ["def newton(f, w):\n    return w[:1]"],
    ("7_attention.py", "1"): ["def mask(T):\n    return -30 * (1 - np.tri(T))"],
    ("8_what_goes_wrong.py", "1"): ["def spread(n):\n    return -np.sqrt(2 / n)"],
}


def unusable(exercise):
    """Answers of a wrong kind to an exercise, that raise sooner or later, or do not exist since their cell raised."""
    (*_, node) = ast.parse(exercise).body
    if isinstance(node, ast.FunctionDef):
        name = node.name
        yield f"def {name}(): pass"
        for body in ("return None", "return '7'", "return [[1], [1, 2]]", "return print", "raise ValueError('no')"):
            yield f"def {name}(*arguments): {body}"
        yield f"def {name}(*arguments): exit()"
        yield f"def {name}(*arguments): return {name}(*arguments)"
    else:
        name = node.targets[0].id
        for value in ("'7'", "object()", "[[1], [1, 2]]", "float('nan')", "()", "int", "lambda *arguments: 1 / 0"):
            yield f"{name} = {value}"
    if name[0].isupper():
        forward = "forward = staticmethod(lambda ctx, x, *more: x)"
        for body in ("pass", forward, f"{forward}; backward = staticmethod(lambda ctx, g: 1 / 0)"):
            yield f"class {name}(minigrad.Function): {body}"
    yield f"{name} = None"
    yield f"del {name}"


@pytest.fixture(autouse=True)
def no_window():
    before = matplotlib.get_backend()
    matplotlib.use("agg")
    yield
    plt.close("all")
    matplotlib.use(before)


def test_there_are_nine_in_both_languages():
    assert [number_of(path) for path in LESSONS] == ["1", "2", "3", "4", "5", "5b", "6", "7", "8"]
    assert [path.name for path in FRENCH] == [path.name for path in LESSONS]


def test_the_page_for_the_teacher_lists_them():
    page = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\w?) \| \[(.*?)\]\((.*?)\)", page, re.MULTILINE)
    headings = [read(path).cells[0].source.splitlines()[0].partition(". ")[2] for path in LESSONS]
    assert [(number_of(p), heading, p.name) for p, heading in zip(LESSONS, headings, strict=True)] == rows


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_it_runs_and_its_exercises_can_be_solved(path):
    """As a student does it: run everything, then answer one exercise after the other; some answers are mistakes."""
    cells, namespace = code(path), {"__name__": "__main__"}
    checks = {title.removeprefix("check "): (title, text) for title, text in cells if title.startswith("check ")}
    assert list(checks) == list("123")
    assert verdicts(run(cells, namespace)) == dict.fromkeys(checks, "not answered yet")
    for number, check in checks.items():
        for text in (*(t for n, _, t in answers(path, "exercise") if n == number), *RIGHT.get((path.name, number), ())):
            printed = run([("right", text), check], namespace)
            assert verdicts(printed) == {number: "right"}, f"{text}\n{printed}"
        shown = printed.partition("right")[2].strip()  # what a right answer is shown, and no other
        for text in (*unusable(dict(cells)[f"exercise {number}"]), *WRONG.get((path.name, number), ())):
            printed = run([("wrong", text), check], namespace)
            assert verdicts(printed) == {number: "not yet right"}, f"{text}\n{printed}"
            assert not shown or shown not in printed
    given = answers(path, "mistake")
    assert {number for number, _, _ in given} == set(checks)
    for number, title, text in given:
        printed = run([(title, text), checks[number]], namespace)
        assert verdicts(printed) == {number: "not yet right"}, f"{title}\n{printed}"


@pytest.mark.parametrize("path", FRENCH, ids=name)
def test_the_code_of_the_translation_is_the_same(path):
    """Cell by cell; the French one has another before, which says the language."""
    original = path.parents[1] / path.name
    cells = read(path).cells
    assert [cell.metadata.get("title") for cell in cells].index("langue") == 1
    assert "MINIGRAD_LANG" in cells.pop(1).source
    assert [cell.cell_type for cell in cells] == [cell.cell_type for cell in read(original).cells]
    assert code(path)[1:] == code(original)
    for ours, theirs in zip(cells, read(original).cells, strict=True):
        formulas, lists = (
            [re.findall(pattern, cell.source, re.MULTILINE) for cell in (ours, theirs)]
            for pattern in (r"\$+[^$]+\$+", r"^#+ |^- |^\| |\*\*(?=\w)")
        )
        assert set(formulas[0]) == set(formulas[1]), theirs.source
        assert lists[0] == lists[1], theirs.source
    assert not re.search(r" [;:?!»](\s|$)", prose(path))  # but a space that does not break
    assert prose(path) != prose(original)


@pytest.mark.parametrize("path", ALL, ids=name)
def test_it_is_a_notebook_and_back(path):
    text = path.read_text(encoding="utf-8")
    notebook = read(path)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    again = jupytext.reads(jupytext.writes(notebook, "ipynb"), fmt="ipynb")
    body = text.split("# ---\n")[2]
    assert jupytext.writes(again, "py:percent").split("# ---\n")[2] == body
    assert "# %%" not in prose(path)


@pytest.mark.parametrize("path", ALL, ids=name)
def test_what_a_lesson_consists_of(path):
    cells = read(path).cells
    titles = [cell.metadata.get("title", "") for cell in cells]
    assert re.match(rf"# {number_of(path)}\. ", cells[0].source)
    assert re.search(r"^- ", cells[0].source, re.MULTILINE)  # what one will be able to do
    for i, title in enumerate(titles):
        if title.startswith("exercise "):
            assert cells[i].source.count("...") >= 1
            assert titles[i + 1] == title.replace("exercise", "check")
            assert re.search(rf"\*\*Exerci[sc]e {title[-1]}\.\*\*", cells[i - 1].source)
    files = re.findall(r"`((?:minigrad|docs|torch_ref)/[\w./]*)`", cells[-1].source)
    assert files  # what to read next
    for file in files:
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("path", ALL, ids=name)
def test_no_check_shows_an_answer(path):
    """What a solution assigns is a value: its numbers do not all stand in the check below the exercise."""
    checks, namespace = dict(code(path)), {"math": math}
    for number, _, text in answers(path, "exercise"):
        if all(isinstance(node, ast.Assign) for node in ast.parse(text).body):
            with contextlib.suppress(NameError):  # an answer in terms of the lesson's arrays
                given = {}
                exec(text, namespace, given)
                numbers = {x for value in given.values() for x in np.ravel(value) if not callable(x)}
                check = ast.parse(checks[f"check {number}"])
                constants = {node.value for node in ast.walk(check) if isinstance(node, ast.Constant)}
                assert not numbers or not numbers <= constants


def hints(path):
    """The hints of a lesson, with {} for what a check fills in."""
    for title, text in code(path):
        for node in ast.walk(ast.parse(text if title.startswith("check") else "")):
            texts = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "expect":
                texts = [node.args[1]]
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "hint":
                texts = [node.value]
            for found in texts:
                if isinstance(found, ast.Constant):
                    yield found.value
                elif isinstance(found, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in found.values]
                    yield "".join(parts).partition("\n\n")[0]


@pytest.mark.parametrize("path", FRENCH, ids=name)
def test_every_hint_is_there_in_french(path):
    found = [*hints(path)]
    assert len(found) >= 3
    for hint in found:  # and no other template takes a part of it
        assert lesson.translated(hint, lesson_fr.FRENCH) == lesson_fr.FRENCH[hint], hint


@pytest.mark.parametrize("chosen", [{"lang": "fr"}, {}], ids=["lang", "MINIGRAD_LANG"])
def test_a_verdict_in_french(chosen, monkeypatch, capsys):
    monkeypatch.setenv("MINIGRAD_LANG", "en" if chosen else "fr")

    def wrong():
        lesson.expect(False, "at x = 0.5, for sin and k = 3")

    def broken():
        return 1 / 0

    with heard("4"):
        lesson.exercise(4, **chosen)(lambda: None)
    with pytest.raises(AssertionError, match="pas encore juste"), heard("1"):
        lesson.exercise(1, **chosen)(wrong)
    for number, check in enumerate((wrong, broken, lambda: lesson.answered(...), lambda: "minigrad finds the same"), 1):
        lesson.exercise(number, **chosen)(check)
    assert capsys.readouterr().out == (
        "exercice 1 : pas encore juste ; en x = 0.5, pour sin et k = 3\n"
        "exercice 2 : pas encore juste ; l'exécution s'arrête sur ZeroDivisionError: division by zero\n"
        "exercice 3 : pas encore de réponse\n"
        "exercice 4 : juste\n\nminigrad trouve la même chose\n"
    )


class Rows(minigrad.Function):
    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        return 2 / len(yhat) * (yhat - y) * grad, None


def test_a_report_in_french(capsys):
    """Where the exercise is; elsewhere it is English, as its faults, which programs read, are everywhere."""
    report = minigrad.check(Rows, signature="(n,q),(n,q)->()")
    lesson.exercise(1, lang="fr")(lambda: report)
    french = capsys.readouterr().out
    for line in (
        "check de Rows : missing de y, factor de yhat",
        "    None pour y, et la sortie en dépend : renvoyez-lui un gradient aussi.",
        "    dyhat est q = 3 fois trop grand : divisez par le nombre de coefficients,",
    ):
        assert line in french
    assert not re.search(r"\b(is|the|should|times|kept)\b", french)
    assert report.faults[0].text.startswith("None for y, and the output")
    assert "check of Rows: missing of y" in str(report)


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (
            "dx: the derivative of `a @ W` (line 16) is given `z` instead of `a = f(z)` (line 14).",
            "dx : la dérivée de `a @ W` (ligne 16) reçoit `z` au lieu de `a = f(z)` (ligne 14).",
        ),
        (
            "dx is wrong exactly where x < 0, where it is 0; it is right everywhere else.",
            "dx est faux exactement là où x < 0, où il vaut 0 ; partout ailleurs il est juste.",
        ),
        (
            "the gradient of x is another when the inputs are column-major: the values are equal, and lie in memory in "
            "another way. Look for .ravel('K'), .reshape(order=...), .strides, or writing through a view.",
            "le gradient de x est un autre quand l'ordre en mémoire des entrées est « par colonnes » : les valeurs "
            "sont égales, mais rangées autrement en mémoire. Cherchez .ravel('K'), .reshape(order=...), .strides, ou "
            "une écriture à travers une vue.",
        ),
        (
            "dx has the wrong sign: it is exactly the negative of the gradient.",
            "dx a le mauvais signe : c'est exactement l'opposé du gradient.",
        ),
    ],
)
def test_parts_of_a_sentence_are_in_french_as_well(english, french, monkeypatch):
    monkeypatch.setenv("MINIGRAD_LANG", "fr")
    assert checks_fr.spoken(english) == french


class Entries(Rows):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / yhat.size * (yhat - y) * grad
        return d, -d


def test_nobody_is_warned_of_the_mean_of_no_entries():
    """Which the checker asks for."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert minigrad.check(Entries, signature="(n,q),(n,q)->()")
    assert not said


def test_what_is_translated_is_still_said():
    """The longest stretch of a template, or its beginning, stands in the code of the checker."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "minigrad" / "checks").glob("[!f]*.py"))
    code = re.sub(r'"\n\s*f?"', "", code)
    for template, french in checks_fr.FRENCH.items():
        assert template.count("{}") == french.count("{}"), template
        assert template != french  # it would only keep the text from those that come after it
        longest = max((part.split() for part in re.split(r"\{\}|[:;,.()]", template)), key=len)
        assert " ".join(longest[: max(2, len(longest) // 3)]) in code, template  # the rest may be put together there


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="lang is one of en, fr, and not 'de'"):
        lesson.exercise(1, lang="de")


def test_a_lesson_is_a_program():
    command = [sys.executable, "-W", "error", str(LESSONS[0])]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}  # of this checkout, wherever minigrad may be installed from
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=here).stdout
    assert verdicts(found) == dict.fromkeys("123", "not answered yet")


def test_the_pictures_are_optional(monkeypatch):
    """Without matplotlib the first of these cells says so, and no lesson imports it anywhere else."""
    cells = [(title, text) for path in LESSONS for title, text in code(path) if "matplotlib" in text]
    assert all(re.search(r"try:\n    import matplotlib.pyplot as plt\nexcept ImportError:", text) for _, text in cells)
    assert len(cells) == 3
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert "matplotlib is not installed" in run(cells[:1], {})


# ------------------------------------------------------------------------------------------------------------- marks
def graded():
    """(lesson, file, exercises) for each `minigrad grade` in the prose of a lesson that names exercises."""
    for path in LESSONS:
        for file, names in re.findall(r"`minigrad grade (\S+\.py)((?: \w+)+)`", prose(path)):
            yield pytest.param(path, file, names.split(), id=path.stem)


@pytest.mark.parametrize(("path", "file", "names"), [*graded()])
def test_marks_for_a_lesson_with_its_answers(path, file, names, tmp_path):
    """The command in the prose, on the file of a student who has answered everything."""
    assert file == path.name
    notebook, student = read(path), tmp_path / "student.py"
    solutions = {title: text for _, title, text in answers(path, "exercise")}
    for cell in notebook.cells:
        cell.source = solutions.get(cell.metadata.get("title"), cell.source)
    student.write_text(jupytext.writes(notebook, "py:percent"), encoding="utf-8")
    given = [name for name in names if f"{name} = ..." in path.read_text(encoding="utf-8")]  # by the student
    marks = grade(student, given)
    assert given
    assert marks, marks


def test_there_are_marks():
    assert len([*graded()]) == 2
