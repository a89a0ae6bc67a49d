"""The plugin of pytest: one test for each gradient and each promise, its options, and that it costs nothing unused."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import find
from hypothesis import strategies as st

import minigrad
from _minigrad_plugins import hypothesis_plugin
from minigrad import Function, check
from minigrad.checks.contract import BROADCASTING, CONTRACT
from minigrad.testing import Gradients, conformance, decorator, gradients

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
HERE = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))},
    "PYTHONPATH": str(ROOT),
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # it is given by name, as it may not be installed
}
PLUGIN = "-p", "_minigrad_plugins.pytest_plugin"
SCHEMA = json.loads((ROOT / "minigrad" / "testing" / "report.schema.json").read_text(encoding="utf-8"))
FILE = """
import pytest, unittest
import numpy as np
from minigrad import Function
from minigrad.testing import gradients

INPUTS = np.arange(6.0).reshape(3, 2), np.ones((3, 2))

@gradients(INPUTS)
class MSE(Function):
    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        return ((prediction - target) ** 2).mean()
    @staticmethod
    def backward(ctx, grad):
        prediction, target = ctx.saved_tensors
        d = (prediction - target) * grad
        return 2 / len(prediction) * d, -2 / prediction.size * d

class TestMore:
    @pytest.mark.xfail
    @gradients(signature="(n),(n)->(")
    def test_bad(a, b):
        return a * b

class Unit(unittest.TestCase):
    test_dot = gradients(signature="(n),(n)->()")(lambda a, b: (a * b).sum())

def test_stands_for_the_class():
    assert MSE.apply(*INPUTS).item() == 31 / 6
"""


def run(folder, *options, file=FILE):
    (folder / "test_it.py").write_text(file)
    command = [sys.executable, "-W", "error", "-m", "pytest", *PLUGIN, *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=HERE, check=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run on two workers, with warnings as errors, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    workers = "-p", "xdist", "-n", "2", "-W", "error", "-v", "-rs"
    return run(folder, *workers, "--minigrad-report=report.json", "--minigrad-max-examples=1"), folder


def outcomes(text):
    return {name: word for word, name in re.findall(r"^\[gw\d\].* ([A-Z]+) test_it.py::(.+?) *$", text, re.MULTILINE)}


def test_one_test_for_each_gradient_and_promise(done):
    result, _ = done
    found = outcomes(result.stdout)
    assert {name for name, word in found.items() if word == "FAILED"} == {"MSE[gradient of prediction]"}
    assert {name.partition("[")[2][:-1] for name in found if name.startswith("MSE[")} == {
        "gradient of prediction",
        "gradient of target",
        *(promise.text for promise in CONTRACT),
        BROADCASTING,
    }
    assert found["MSE[gradient of target]"] == found["Unit::test_dot[gradient of b]"] == "PASSED"
    assert found["MSE[right under broadcasting]"] == "SKIPPED"
    assert found["TestMore::test_bad[can be checked]"] == "XFAIL", "with the mark of the function"
    assert found["test_stands_for_the_class"] == "PASSED"


def test_the_cause_is_the_text_of_the_failure(done):
    result, _ = done
    names = {}
    exec(FILE, names)
    report = check(names["MSE"].target, names["INPUTS"])
    text = result.stdout.partition("= FAILURES =")[2].partition("\n===")[0]
    title, worker, *lines = text.splitlines()[1:]
    assert "MSE[gradient of prediction]" in title
    assert worker.startswith("[gw")
    assert lines == repr(report.of(["factor of prediction"])).splitlines(), "and nothing else, no line of ours"
    assert "no two inputs broadcast" in result.stdout


def test_the_report_keeps_to_its_schema(done):
    _, folder = done
    whole = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(whole, SCHEMA)
    *found, bad = sorted(whole["checks"], key=lambda one: "error" in one)
    assert bad["test"] == "test_it.py::TestMore::test_bad"
    assert "one group of axes for each input" in bad["error"]
    found = {one["test"]: one["report"] for one in found}
    assert {name: report["ok"] for name, report in found.items()} == {
        "test_it.py::MSE": False,
        "test_it.py::Unit::test_dot": True,
    }
    assert found["test_it.py::Unit::test_dot"]["cases"] == 8 + 1, "the designed ones and one that is drawn"
    report = found["test_it.py::MSE"]
    for change in {"faults": "none"}, {"ok": None}, {"more": 1}, {"verdicts": [{"name": "x"}]}:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(whole | {"checks": [{"test": "x", "report": report | change}]}, SCHEMA)


@pytest.fixture
def here(pytester, monkeypatch):
    """A run in this process, which costs less."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*options, file="def test(): pass"):
        pytester.makepyfile(test_it=file)
        return pytester.runpytest_inprocess(*PLUGIN, *options)

    return run


def test_only_reports_are_replaced(done, here, pytester):
    mine, new = pytester.path / "mine.json", pytester.path / "new.json"
    mine.write_text("{}")
    for path, words in (mine, "is no report of minigrad"), (pytester.path, "is a folder"):
        refused = here(f"--minigrad-report={path}")
        assert refused.ret == 4
        refused.stderr.fnmatch_lines(f"ERROR: --minigrad-report: {path} {words}*")
    assert mine.read_text() == "{}"
    new.write_bytes((done[1] / "report.json").read_bytes())
    assert here(f"--minigrad-report={new}").ret == 0
    assert json.loads(new.read_text())["checks"] == []
    assert here("--minigrad-max-examples=-1").ret == 4


UNUSED = """
import sys
def test():
    assert {name.partition(".")[0] for name in sys.modules}.isdisjoint({"minigrad", "numpy", "hypothesis", "torch"})
    assert "_minigrad_plugins.pytest_plugin" in sys.modules
"""


def test_nothing_is_imported_until_it_is_used(tmp_path):
    done = run(tmp_path, "--minigrad-max-examples=1", file=UNUSED)
    assert done.returncode == 0, done.stdout


ASSERTIONS = """
import numpy as np
from minigrad import check
report = check(lambda x, y: x.detach() * y, (np.ones(2), np.ones(2)))
def test_message():
    assert report, "mine"
def test_more():
    assert 1 and report
"""


def test_in_a_longer_assertion_a_report_is_its_first_line(here):
    done = here(file=ASSERTIONS)
    lines = [line[4:].strip() for line in done.outlines if line.startswith("E ")]
    assert lines == [
        "AssertionError: mine",
        "assert check of <lambda>: missing of x",
        "assert (1 and check of <lambda>: missing of x)",
    ]


def test_tests_can_be_chosen(here):
    done = here("-v", "-k", "target or bad", "test_it.py::MSE", "test_it.py::TestMore", file=FILE)
    chosen = re.findall("test_it.py::(.*) [A-Z]+ ", done.stdout.str())
    assert chosen == ["MSE[gradient of target]", "TestMore::test_bad[can be checked]"]
    done = here("-q", "--collect-only", "test_it.py::MSE[gradient of target]", file=FILE)
    assert done.outlines[0] == "test_it.py::MSE[gradient of target]"


def test_unittest_by_itself(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")

    class Unit(unittest.TestCase):
        test_dot = gradients((np.ones(3), np.ones(3)))(lambda a, b: (a * b.detach()).sum())

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Unit).run(result)
    failures = {test.id().rpartition(".")[2]: text for test, text in result.failures}
    assert failures.keys() == {"test_dot[gradient of b]", "test_dot[every differentiable input has a gradient]"}
    for text in failures.values():
        assert text.splitlines()[0] == "AssertionError: check of <lambda>: missing of b", "and no line of a traceback"
    assert result.testsRun == len(outcomes_of(lambda a, b: a * b, inputs=(np.ones(3), np.ones(3))))


# --------------------------------------------------------------------------------------------------- in this process
def outcome(test):
    try:
        test()
    except unittest.SkipTest as reason:
        return f"skipped: {reason}"
    except (AssertionError, pytest.fail.Exception) as error:
        return str(error)
    return "passed"


def outcomes_of(target, **options):
    one = gradients(**options)(target)
    return {name: outcome(one.test(name)) for name in one.tests}


def function(forward, backward, name="Student"):
    return type(name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def test_the_check_runs_once(monkeypatch):
    runs = []
    monkeypatch.setattr(decorator, "check", lambda *args, **options: runs.append(1) or check(*args, **options))
    assert set(outcomes_of(lambda x: x * x, inputs=np.ones(2)).values()) >= {"passed"}
    assert runs == [1]


def test_what_ends_a_check_is_no_pass_of_a_gradient():
    """Where the backward raises, no gradient was looked at, and choosing its test alone must not be green."""

    def backward(ctx, g):
        raise RuntimeError("not yet")

    found = outcomes_of(function(lambda ctx, x: x * 2, backward), inputs=np.ones(2))
    assert "RuntimeError: not yet" in found["gradient of x"]
    assert "RuntimeError: not yet" in found["runs, and returns a gradient for each input"]
    assert found["changes nothing that it is given"] == "skipped: not looked at: raises"


def test_a_fault_is_that_of_its_own_promise():
    def backward(ctx, g):
        g *= 2
        return g

    found = outcomes_of(function(lambda ctx, x: x * 2, backward), inputs=np.ones(2))
    broken = {name for name, text in found.items() if text.startswith("check of")}
    assert broken == {"changes nothing that it is given"}

    found = outcomes_of(function(lambda ctx, x: x * 2, lambda ctx, g: (2 * g).sum()), inputs=np.ones(2))
    assert "shape" in found["gradient of x"]
    assert "shape" in found["shapes are those of the inputs"]


def test_what_cannot_be_checked_is_one_test_that_says_why():
    for target, options, words in (
        (lambda x: x, {}, "has no signature"),
        (3, {"signature": "()->()"}, "cannot be checked"),
        (lambda x: x, {"signature": "()->()", "domain": {"y": bool}}, "y is no input"),
    ):
        assert words in outcomes_of(target, **options)["can be checked"]


def test_inputs_without_a_derivative_have_no_test():
    names = gradients(signature="(n),(n),(n)->()", domain={"mask": bool, "at": "n"})(lambda x, mask, at: x).tests
    assert [name for name in names if name.startswith("gradient")] == ["gradient of x"]
    names = gradients(against=minigrad.tanh)(minigrad.tanh).tests
    assert names[0] == "gradient of x"
    assert "values and gradients are those of tanh" in names


def test_it_has_the_options_of_check():
    ours, theirs = (inspect.signature(f).parameters for f in (gradients, check))
    assert list(ours) == [name for name in theirs if name not in ("target", "verbose")]
    assert {name: p.default for name, p in ours.items()} == {name: theirs[name].default for name in ours}


def test_what_is_decorated_can_be_used_as_before():
    @gradients(signature="(n)->(n)")
    class Double(Function):
        """Twice."""

        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    class Derived(Double):
        pass

    assert isinstance(Double, Gradients)
    assert (Double.__name__, Double.__doc__, Double.__module__) == ("Double", "Twice.", __name__)
    assert Derived.__bases__ == (Double.target,)
    assert Double.apply(np.ones(2)).numpy().tolist() == [2, 2]
    assert check(Double, max_examples=0), "it knows its signature"
    with pytest.raises(AttributeError, match="'Double' has no attribute 'other'"):
        Double.other  # noqa: B018
    assert gradients(signature="()->()")(np.sin)(0.0) == 0
    gradients(signature="()->()", max_examples=0)(staticmethod(lambda x: x * x)).test("gradient of x")()


# --------------------------------------------------------------------------------------------------------- Hypothesis
def drawn_from_types():
    assert type(find(st.from_type(minigrad.Tensor), lambda x: x.size > 1 and x.requires_grad)) is minigrad.Tensor
    assert find(st.from_type(minigrad.testing.Shape), lambda shape: len(shape) == 4) == (1, 1, 1, 1)
    assert find(st.from_type(minigrad.testing.DType), lambda dtype: True).kind == "f"


def test_hypothesis_draws_from_types():
    """Where minigrad came first; `register` is what the entry point calls: see test_wheel.py."""
    hypothesis_plugin.register()
    drawn_from_types()


FIRST = """
import sys
from hypothesis import find, strategies as st
import _minigrad_plugins.hypothesis_plugin as plugin
plugin.register()
assert {"minigrad", "numpy"}.isdisjoint(sys.modules)
import minigrad, minigrad.testing
"""


def test_hypothesis_draws_from_types_that_come_later(tmp_path):
    program = f"{FIRST}{inspect.getsource(drawn_from_types)}\ndrawn_from_types()"
    environment = {**HERE, "HYPOTHESIS_NO_PLUGINS": "1"}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -------------------------------------------------------------------------------------------------------- conformance
FOREIGN = """
import numpy as np

class Plain:
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.sin(x)
    def backward(ctx, g):
        return g * np.cos(*ctx.saved_tensors)

random = np.random.default_rng(0)

def shaken(x):
    return 2 * x + 1e-6 * random.uniform(-1, 1, x.shape)

def vjp(g, x):
    return [FACTOR * g + 1e-6 * random.uniform(-1, 1, x.shape)]

FACTOR = 2
right = shaken, vjp
wrong = shaken, lambda g, x: [2.1 * part for part in vjp(g, x)]
"""


@pytest.fixture
def conform(tmp_path, capsys):
    (tmp_path / "foreign.py").write_text(FOREIGN)

    def run(name, *options):
        code = conformance.main([f"{tmp_path / 'foreign.py'}:{name}", "--max-examples", "0", *options])
        return code, capsys.readouterr()

    return run


def rows(text):
    """The table: promise and verdict."""
    return {cells[2].strip(): cells[1].strip() for line in text.splitlines() if len(cells := line.split("│")) == 5}


def test_a_table_of_a_foreign_implementation(conform):
    code, said = conform("Plain", "--signature", "()->()")
    found = rows(said.out)
    assert code == 0
    assert found["gradient of x"] == found["changes nothing that it is given"] == "ok"
    assert found["right when only some inputs need a gradient"] == "not checked"
    assert list(found) == gradients(signature="()->()")(lambda x: x).tests
    assert "check of Plain: ok" in said.out
    code, said = conform("Plain", "--signature", "()->()", "--json")
    jsonschema.validate(json.loads(said.out), SCHEMA["$defs"]["report"] | {"$defs": SCHEMA["$defs"]})


def test_what_is_not_deterministic(conform):
    """Within its tolerance it is right, and what is wrong by more is wrong."""
    signature = "--signature", "(n)->(n)"
    code, said = conform("right", *signature)
    assert code == 1
    assert rows(said.out)["the same at the second call and at the hundredth"] == "fault"
    assert conform("right", *signature, "--nondet-tol", "1e-5")[0] == 0
    code, said = conform("wrong", *signature, "--nondet-tol", "1e-5")
    assert code == 1
    assert rows(said.out)["gradient of x"] == "fault"
    assert rows(said.out)["the same at the second call and at the hundredth"] == "ok"


def test_exit_code_2_of_what_cannot_be_checked(conform):
    assert conform("nothing")[0] == 2
    code, said = conform("Plain")
    assert code == 2
    assert "has no signature" in said.err
    assert conform("random", "--signature", "()->()")[0] == 2


@pytest.mark.parametrize("library", ["jax", "autograd"])
def test_functions_of_other_libraries(library):
    module = pytest.importorskip(library)
    numpy = importlib.import_module(f"{library}.numpy")
    before = library == "jax" and module.config.jax_enable_x64

    def scaled(x, at):
        return numpy.sin(x)[at]

    try:
        target = conformance.adapted(scaled)
        inputs = np.array([0.5, 1.5, 2.5]), np.array([0, 0, 1])
        assert outcomes_of(target, inputs=inputs)["gradient of x"] == "passed"
        doubled = target[0], lambda g, *xs: target[1](2 * g, *xs)
        assert "check of scaled" in outcomes_of(doubled, inputs=inputs)["gradient of x"]
    finally:
        if library == "jax":
            module.config.update("jax_enable_x64", before)
