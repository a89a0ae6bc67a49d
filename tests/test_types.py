"""What type checkers and editors are told of minigrad is what the registry holds, and is enough to find mistakes."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad
from minigrad.ops.registry import COMPOSITIONS, REGISTRY

ROOT = Path(__file__).parents[1]
STUB = ROOT / "minigrad" / "__init__.pyi"
TENSOR = ROOT / "minigrad" / "engine" / "installed.pyi"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# As `--strict` has it, but for what those who write no types do, and rebind names from one cell to the next.
LOOSE = "--allow-untyped-defs", "--allow-untyped-calls", "--allow-any-generics", "--disable-error-code=var-annotated"
STRICT = ["--strict", "--allow-redefinition", *LOOSE]

START = """
import numpy as np
import minigrad
from minigrad import Function, Tensor, check, gradcheck, lab, nn, no_grad, optim, source, tape
from minigrad import grad, jvp, value_and_grad
x = Tensor(np.ones((3, 2)), requires_grad=True)
array = np.ones((3, 2))
def f(w: Tensor) -> Tensor: return w.sum()
class Double(Function): pass
"""
RIGHT = """
y: Tensor = ((x @ x.T + 1.0) ** 2 - array[0, 0]).mean(0, keepdims=True)
shape: tuple[int, ...] = y.shape
(g,) = minigrad.gradients(y.sum(), x)
h: Tensor = g.reshape(-1, 2)[0]
a: np.ndarray = grad(f)(array)
t: Tensor = grad(f)(x)
both: tuple[Tensor, Tensor] = value_and_grad(f)(x)
parts: list[Tensor] = minigrad.split(x, 3)
positions: tuple[np.ndarray, ...] = minigrad.where(x > 0)
chosen: Tensor = minigrad.where(x > 0, x, 0)
out: Tensor = nn.Sequential(nn.Linear(2, 3), nn.Tanh())(x)
total: Tensor = np.sum(x)
minigrad.softmax(x, dim=1)
minigrad.var(x, 0, ddof=1)
minigrad.concatenate([x, array, [[1.0, 2.0]]])
minigrad.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), stride=(1, 2))
(array @ x.T - 1).sum().backward()
np.where(x > 0, np.concatenate([x, x])[:3], 0).sum()
lab.train("diabetes").history.train.mean()
minigrad.checks.zoo
x -= 0.1 * array
"""
MISTAKES = """
minigrad.no_such_function(x)
minigrad.exp("1.0")
minigrad.exp()
minigrad.exp(x, array)
minigrad.sum(x, axs=0)
minigrad.sum(x, keepdims=0.5)
minigrad.mse_loss(x, array, reduction="average")
minigrad.softmax(x, axis="rows")
minigrad.split(x, 2).sum()
x.no_such_method()
x.sum(dims=0)
x.reshape("rows")
x.shape.backward()
x + "1"
x @ None
x.backward(retain=True)
tape(array)
grad(f, argnum=0)
grad(f)(array).backward()
value_and_grad(f)(x).sum()
nn.Linear(2)
nn.Linear(2, 3)(x).backwards()
nn.MSELoss(reduction="average")
optim.SGD(lr=0.1)
gradcheck(f, x, tolerance=1e-3)
check(Double, seeds=1)
source(f, x, order="2")
Double.aply(x)
no_grad.start()
lab.trian()
minigrad.checks.chekc(Double)
Tensor(array, grad=True)
"""


def mypy(folder, programs, *options):
    """The lines of `programs` (by file name) that mypy refuses, a set of numbers for each, and what it said."""
    for name, text in programs.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", *options, "--ignore-missing-imports", "--config-file=", *programs]
    command += ["--cache-dir", str(ROOT / ".mypy_cache")]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr or done.stdout
    lines = {name: set() for name in programs}
    for name, line in re.findall(r"^([\w.]+):(\d+): error", done.stdout, re.MULTILINE):
        lines[name].add(int(line))
    return lines, done.stdout


def environment():
    return {**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}


def pyright(folder, programs):
    """The same for pyright, where that is installed."""
    if not shutil.which("pyright"):
        pytest.skip("no pyright: python -m pip install pyright, which needs node")
    for name, text in programs.items():
        (folder / name).write_text(text, encoding="utf-8")
    settings = {
        "include": list(programs),
        "extraPaths": [str(ROOT)],
        "useLibraryCodeForTypes": False,
        "reportPossiblyUnboundVariable": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = ["pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = [d for d in json.loads(done.stdout)["generalDiagnostics"] if d["severity"] == "error"]
    lines = {name: set() for name in programs}
    for d in found:
        lines[Path(d["file"]).name].add(d["range"]["start"]["line"] + 1)
    return lines, "\n".join(f"{Path(d['file']).name}:{d['range']['start']['line'] + 1}: {d['message']}" for d in found)


def page(path):
    return "\n".join(PYTHON.findall((ROOT / path).read_text(encoding="utf-8")))


def programs():
    lessons = {f"lesson_{path.name}": path for path in (ROOT / "lessons").glob("*.py")}
    files = lessons | {path.name: path for path in (ROOT / "examples").glob("*.py")}
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    return {"readme.py": page("README.md"), "right.py": START + RIGHT, **texts}


def lines_of(code):
    """The numbers of the lines of `code` behind START."""
    first = START.count("\n") + 2
    return set(range(first, first + len(code.strip().splitlines())))


# ------------------------------------------------------------------------------------------------ what the stubs hold
def test_the_stubs_are_what_the_registry_holds():
    """If not: python tools/stubs.py."""
    command = [sys.executable, "tools/stubs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def defined(path):
    """The names that a stub defines or exports, at the top or in a class."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname for alias in node.names if alias.asname}
    return found


def test_every_public_name_and_every_method_is_in_a_stub():
    assert defined(STUB) == set(minigrad.__all__)
    functions = {name: operation.function for name, operation in REGISTRY.items()} | COMPOSITIONS
    methods = {name for name, method in vars(minigrad.Tensor).items() if method in functions.values()}
    assert {"sum", "take", "__neg__"} <= methods <= defined(TENSOR)
    assert {"__add__", "__radd__", "__iadd__", "__getitem__", "__eq__", "backward"} <= defined(TENSOR)


def test_the_package_says_what_there_is():
    assert {"exp", "grad", "gradcheck", "draw", "Tensor", "checks"} <= set(minigrad.__all__) <= set(dir(minigrad))
    assert not {"tensor", "ops", "MYPY", "views"} & set(minigrad.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", minigrad.__version__)
    code = "import pydoc, minigrad; print(pydoc.plain(pydoc.render_doc(minigrad)))"
    help = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert re.search(r"^    sum\(x, axis=None, .*\)\n        y = Σ x$", help.stdout, re.MULTILINE)
    assert f"VERSION\n    {minigrad.__version__}" in help.stdout
    assert "MYPY" not in help.stdout


# ------------------------------------------------------------------------------------------- what type checkers accept
def test_mypy_accepts_programs_and_refuses_mistakes(tmp_path):
    right = programs()
    lines, said = mypy(tmp_path, {**right, "mistakes.py": START + MISTAKES}, *STRICT)
    assert not [name for name in right if lines[name]], said
    assert lines["mistakes.py"] == lines_of(MISTAKES)


def test_pyright_accepts_programs_and_refuses_mistakes(tmp_path):
    right = programs()
    lines, said = pyright(tmp_path, {**right, "mistakes.py": START + MISTAKES})
    assert not [name for name in right if lines[name]], said
    assert lines["mistakes.py"] == lines_of(MISTAKES)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("minigrad.lo", {"log", "log1p", "logsumexp"}),
        ("t.su", {"sum"}),
        ("(t @ t).sum(0).me", {"mean"}),
        ("minigrad.exp(t).back", {"backward"}),
        ("minigrad.nn.Linear(2, 3).para", {"parameters"}),
    ],
)
def test_editors_complete_names(code, expected):
    jedi = pytest.importorskip("jedi", reason="no jedi, which IPython brings: python -m pip install jedi")
    text = f"import minigrad, minigrad.nn\nt = minigrad.Tensor([1.0])\n{code}"
    project = jedi.Project(ROOT, added_sys_path=[str(ROOT)])
    found = {completion.name for completion in jedi.Script(text, project=project).complete()}
    assert expected <= found
