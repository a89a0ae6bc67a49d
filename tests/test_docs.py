"""What the pages say is so: their code runs and prints what stands below it, their tree and their names exist."""

import ast
import doctest
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.bench.harness import written
from minigrad.bench.results import OURS
from minigrad.checks.cases import Form, designed
from minigrad.ops.arrivals import taught
from minigrad.ops.registry import COMPOSITIONS, FROM_NUMPY, REGISTRY

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DERIVATIONS = (ROOT / "docs" / "derivations.md").read_text(encoding="utf-8")
CODE = re.compile(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)
PICTURE_LIMIT = 150_000  # bytes


RUN = r"""
import json, linecache, os, sys, tempfile
for program in json.loads(sys.stdin.read()):
    linecache.cache["page"] = len(program), None, program.splitlines(True), "page"  # as if it were a file
    os.chdir(tempfile.mkdtemp(dir=sys.argv[1]))
    try:
        exec(compile(program, "page", "exec"), {"__name__": "page"})
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
    print("\0")
"""


def printed(programs, folder):
    """What each program prints and, if an exception ends it, the name and message of that; all in one process."""
    command = [sys.executable, "-W", "error", "-c", RUN, folder]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}  # of this checkout, wherever minigrad may be installed from
    text, pipe = json.dumps(programs), subprocess.PIPE
    done = subprocess.run(command, input=text, stdout=pipe, text=True, cwd=folder, env=here, check=True)
    *outputs, rest = done.stdout.split("\0\n")
    assert (len(outputs), rest) == (len(programs), "")
    return outputs


def assert_matches(found, expected, page="the page"):
    """As in doctest: ... stands for anything, and runs of white space are equal to one space."""
    left, pieces = " ".join(found.split()), " ".join(expected.split()).split("...")
    message = f"printed\n{found}\nwhere {page} has\n{expected}"
    if len(pieces) == 1:
        assert left == pieces[0], message
        return
    first, *middle, last = pieces
    assert left.startswith(first), message
    left = left[len(first) :]
    for piece in middle:  # the first place that fits leaves the most for those that come after it
        _, here, left = left.partition(piece)
        assert here or not piece, f"{piece!r} is missing in what was {message}"
    assert left.endswith(last), message


GUIDES = {"docs/from-autograd.md": "autograd", "docs/from-jax.md": "jax", "docs/from-torch.md": "torch"}


PAGES = {
    "README.md": 2,
    "CONTRIBUTING.md": 2,
    "docs/how-to/networks.md": 1,
    "docs/how-to/derivatives.md": 1,
    "docs/explanation/promise.md": 1,
    "docs/how-to/write-a-function.md": 3,
    "docs/how-to/check-in-pytest.md": 2,
    "docs/how-to/export-to-torch.md": 2,
    "docs/how-to/read-as-numpy.md": 2,
    "docs/how-to/your-data.md": 1,
    "docs/explanation/sweep.md": 3,
}


@pytest.mark.parametrize("pages", [PAGES, dict(zip(GUIDES, (5, 3, 2), strict=True))], ids=["pages", "guides"])
def test_code_prints_what_stands_below_it(pages, tmp_path):
    found = [CODE.findall((ROOT / page).read_text(encoding="utf-8")) for page in pages]
    assert list(map(len, found)) == list(pages.values())
    outputs = printed(["\n".join(code for code, _ in blocks) for blocks in found], tmp_path)
    for page, blocks, output in zip(pages, found, outputs, strict=True):
        assert_matches(output, "".join(expected for _, expected in blocks), page)


def test_what_a_page_must_not_get_away_with(tmp_path):
    assert printed(["print(1)\nraise ValueError('no: 2')", "print(3)"], tmp_path) == ["1\nValueError: no: 2\n", "3\n"]
    assert_matches("a  1.25\nb\n", "a 1.2... b")
    for found in ("a 1.3\nb", "a 1.25", "a 1.25 b c", "xa 1.25 b"):
        with pytest.raises(AssertionError):
            assert_matches(found, "a 1.2... b")


def examples(module):
    """The doctests of a module, found in what it defines itself."""
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


MODULES = [m.name for m in pkgutil.walk_packages(minigrad.__path__, "minigrad.") if not m.name.endswith("__main__")]


def public():
    """What ``from minigrad import *`` gives."""
    names = {}
    exec("from minigrad import *", names)
    return names


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    runner = doctest.DocTestRunner()
    for test in examples(importlib.import_module(name)):
        test.globs = {**public(), "np": np, **test.globs}  # what a reader has imported
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("module", ["nn", "nn.utils", "optim", "optim.lr_scheduler", "lab", "checks", "grade"])
def test_every_public_name_of_a_part_has_an_example(module):
    """They are run above, with the modules that define them."""
    part = importlib.import_module(f"minigrad.{module}")
    found = {name: getattr(part, name) for name in part.__all__}
    for name, thing in found.items():
        if callable(thing) and not (isinstance(thing, type) and issubclass(thing, BaseException)):
            assert ">>> " in (inspect.getdoc(thing) or ""), name


def test_every_public_function_has_an_example_that_runs():
    """In its docstring: the operations in their blocks."""
    names, without, runner = public(), [], doctest.DocTestRunner()
    for name, found in names.items():
        if not callable(found) or (isinstance(found, type) and issubclass(found, Exception)):
            continue
        test = doctest.DocTestParser().get_doctest(inspect.getdoc(found), {**names, "np": np}, name, None, 0)
        without += [name] * (not test.examples)
        if name in SAYS_ALL:  # those of others are run above, with their modules
            runner.run(test)
    assert without == []
    assert runner.failures == 0


OPERATIONS = [operation for operation in REGISTRY.values() if not operation.helper]
SAYS_ALL = {*COMPOSITIONS, *(operation.name for operation in OPERATIONS)}


def test_every_public_docstring_says_what_it_takes_and_raises():
    """Of operations from sentences that hold for all of their kind, which the next test tries; of others by hand."""
    for name, found in public().items():
        if callable(found) and not (isinstance(found, type) and issubclass(found, Exception)):
            text = inspect.getdoc(found)
            assert text.count("Raises:\n    ") == 1, name
            assert [text.count(f"\n{word}: ") for word in ("Shapes", "Dtypes")] == [int(name in SAYS_ALL)] * 2, name


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_what_docstrings_say_of_dtypes(dtype):
    """Of operations that NumPy has not; with NumPy's the others are compared in test_ops.py."""
    for operation in OPERATIONS:
        says = inspect.getdoc(operation.function)
        if "of the inputs, the widest" in says and (dtype == np.float32 or "integers are taken in float64" in says):
            case = valid(operation)
            inputs = [a if a is None or a.dtype.kind != "f" else a.astype(dtype) for a in case]
            result = operation.function(**dict(zip(operation.inputs, inputs, strict=True)), **operation.params[0])
            assert result.dtype == (dtype if dtype == np.float32 else np.float64), operation


def valid(operation):
    """Inputs that an operation is defined for."""
    return next(designed(Form.of(operation, operation.params[0]), 0)).inputs


def test_what_docstrings_say_of_errors():
    for operation in OPERATIONS:
        call, says, params = operation.function, inspect.getdoc(operation.function), operation.params[0]
        count = max(operation.required, 1)
        with pytest.raises(TypeError):
            call(*["text"] * count, **params)
        if "ValueError: the shapes" in says and len(operation.inputs) > 1:
            inputs = dict(zip(operation.inputs, valid(operation), strict=True))
            *_, last = (name for name, a in inputs.items() if a is not None)
            with pytest.raises(ValueError):  # noqa: PT011 - its words are NumPy's, with a note of ours
                call(**inputs | {last: np.ones((7, 11, 13, 17), inputs[last].dtype)}, **params)
        if "AxisError" in says:
            with pytest.raises(np.exceptions.AxisError):
                call(*[np.ones((2, 2))] * count, **params | {"axis": 9})
        if "`reduction` is none" in says:
            with pytest.raises(ValueError, match="reduction"):
                call(*valid(operation)[:count], **params | {"reduction": "average"})


def test_what_is_explained_by_example():
    documented = {test.name for name in MODULES for test in examples(importlib.import_module(name))}
    for name in (
        "Tensor",
        "strict",
        "unbroadcast",
        "grad",
        "value_and_grad",
        "vjp",
        "jvp",
        "hvp",
        "jacobian",
        "hessian",
    ):
        assert f"{getattr(minigrad, name).__module__}.{name}" in documented


LINKED = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/install.md",
    "docs/derivations.md",
    "docs/profile.md",
    "docs/speed.md",
    *GUIDES,
)


@pytest.mark.parametrize("page", LINKED)
def test_links_and_names_of_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    names = re.findall(r"`((?:\.ci|minigrad|torch_ref|benchmarks|tests|docs)/[\w./]*)`", text)
    assert links or names
    for path in links + names:
        assert not path.startswith("http")
        assert ((ROOT / page).parent / path).exists() or (ROOT / path).exists(), f"{page} names {path}"


def test_modules_that_pages_run_exist():
    for name in re.findall(r"python -m (benchmarks[\w.]*)", README):
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_the_layout_is_that_of_the_tree():
    layout = re.search(r"## Layout\n\n```\n(.*?)```", README, re.DOTALL)[1]
    lines = re.findall(r"^(|  )((?:\w+(?:\.py|/)(?:, )?)+)", layout, re.MULTILINE)
    named = {f"minigrad/{name}" if indent else name for indent, names in lines for name in names.split(", ")}
    for name in named:
        path = ROOT / name
        assert path.is_dir() if name.endswith("/") else path.is_file(), name
    modules = (path for path in (ROOT / "minigrad").iterdir() if not path.name.startswith(("_", ".")))
    there = {f"minigrad/{path.name}{'/' * path.is_dir()}" for path in modules if path.is_dir() or path.suffix == ".py"}
    assert {name for name in named if name.startswith("minigrad/")} == there | {"minigrad/"}


def test_the_pictures_are_there_and_small():
    speed = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\((?:docs/)?(.*?)\)", README + speed)
    assert {"losses.png", "benchmarks.png", "graph.svg"} <= set(pictures)
    for picture in pictures:
        data = (ROOT / "docs" / picture).read_bytes()
        assert data.startswith(b"\x89PNG" if picture.endswith(".png") else b"<?xml")
        assert len(data) < PICTURE_LIMIT


def test_the_table_of_programs_is_what_was_measured():
    files = sorted((ROOT / "benchmarks" / "results").iterdir())
    kept = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    kept = [run.get(OURS, run) for run in kept]
    *_, table = [run["benchmarks"]["programs"] for run in kept if "programs" in run["benchmarks"]]
    rows = [dict(zip(table["header"], row, strict=True)) for row in table["rows"] if row]
    measured = {(row["program"].replace("_", " "), row["side"]): row for row in rows}
    sides = {"tape": "minigrad", "compiled": "minigrad, compiled"}
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    (_, *names), *lines = table_lines(page.partition("\n\nLong loops")[0])  # the table that stands before these words
    assert {program for program, *_ in lines} == {program for program, _ in measured}
    for program, *figures in lines:
        for name, figure in zip(names, figures, strict=True):
            rival, _, side = name.partition(" / ")
            assert figure == written(measured[program, sides[side]][f"{rival} over"]["value"]), (program, name)


def test_examples_at_a_prompt():
    """They are doctests."""
    page = (ROOT / "docs" / "how-to" / "see-a-tape.md").read_text(encoding="utf-8")
    found = doctest.DocTestParser().get_doctest(page.replace("```", ""), public(), "see-a-tape", None, 0)
    assert found.examples
    assert doctest.DocTestRunner().run(found).failed == 0


def table_lines(text):
    """The cells of each line of a page's tables, but for the rule below a head."""
    rows = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return [row for row in cells if set(row) != {"---"}]


# ----------------------------------------------------------------------------------------- docs/from-*.md: the guides
NOT_OF_TENSORS = "numpy", "numpy.eye", "numpy.random.default_rng"  # what makes arrays


def resolved(name):
    """What a dotted name stands for, a module or what is in one."""
    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:i]))
        except ModuleNotFoundError:
            continue
        for part in parts[i:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def named(cell):
    """The names in a cell of a guide: nothing else stands there."""
    names = re.findall(r"`([\w.]+)`", cell)
    assert cell == ", ".join(f"`{name}`" for name in names)
    return names


@pytest.mark.parametrize("page", GUIDES)
def test_names_of_a_guide_exist_on_both_sides(page):
    pytest.importorskip(GUIDES[page])
    resolved("minigrad.ops.special")  # which is read when the first tensor meets SciPy
    (_, ours, _), *lines = table_lines((ROOT / page).read_text(encoding="utf-8"))
    assert ours == "minigrad"
    assert len(lines) > 20
    for theirs, ours, remark in lines:
        assert named(theirs)
        for name in named(theirs):
            assert name.partition(".")[0] == GUIDES[page]
            resolved(name)
        assert named(ours) or remark, f"{theirs}: what is not here has a remark that says what to write"
        for name in named(ours):
            assert name.partition(".")[0] in ("minigrad", "numpy", "scipy", "builtins")
            found = resolved(name)
            if name.startswith(("numpy", "scipy")) and name not in NOT_OF_TENSORS:
                if name.startswith("scipy.stats"):
                    found = type(found).logpdf
                assert found in FROM_NUMPY or found in taught, f"{name} does not answer to Tensors"


# ------------------------------------------------------------------------------------------------ docs/derivations.md
def formula_lines():
    return [row for row in table_lines(DERIVATIONS) if row != ["", "formula", "test"]]


def test_each_formula_names_its_test():
    tree = ast.parse((ROOT / "tests" / "test_derivations.py").read_text(encoding="utf-8"))
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    named = [re.fullmatch(r"`(test_\w+)`", row[-1])[1] for row in formula_lines()]
    assert named == tests  # all of them, in the same order, each once


def test_no_formula_stands_outside_the_tables():
    """Only the two definitions are stated without a test: they are what the tests differentiate."""
    outside = [line for line in DERIVATIONS.splitlines() if not line.startswith("|")]
    assert not [line for line in outside if "∂" in line and "= ∂L/∂V" not in line]
    assert len([line for line in outside if line.startswith("    ")]) == 2


# --------------------------------------------------------------------------------- CHANGELOG, CITATION and the version
def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]
    changes = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited == minigrad.__version__
    assert changes[:1] in (["Unreleased"], [cited])
    assert cited in changes
