"""``import minigrad`` imports NumPy and nothing else that is not Python's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    "torch",
    "sklearn",
    "tensorboardX",
    "tensorboard",
    "rich",
    "matplotlib",
    "hypothesis",
    "pytest",
    "scipy",
    "pandas",
]


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `statement`."""
    code = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_minigrad_imports_only_numpy():
    loaded = modules_after("import minigrad") - modules_after("import json, sys")
    assert "numpy" in loaded
    assert loaded.isdisjoint(HEAVY)
    foreign = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign == {"minigrad", "numpy"}


def test_training_imports_what_it_needs(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["x,y", *(f"{i % 7},{i}" for i in range(60)), ""]))
    ran = "import io, contextlib, sys\nfrom minigrad.cli import main\n"
    for data, more in ("synthetic", ["--rows", "60"]), (str(table), ["--target", "y", "--no-log"]):
        words = ["train", "--data", data, "--logdir", str(tmp_path), "--epochs", "2", *more]
        ran += f"with contextlib.redirect_stdout(io.StringIO()): assert main({words!r}) == 0\n"
    loaded = modules_after(ran)
    assert {"tensorboardX", "matplotlib"} <= loaded  # the log and the picture were written
    assert loaded.isdisjoint({"torch", "sklearn", "scipy", "openpyxl", "pandas", "asyncio", "threadpoolctl", "numba"})


def test_views_are_imported_when_they_are_called():
    told = "print([name for name in sys.modules if name.startswith('minigrad.views.')])"
    command = [sys.executable, "-c", f"import sys, minigrad\n{told}\nminigrad.table\n{told}"]
    before, after = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert before == "[]"
    assert "minigrad.views.table" in after
    assert "minigrad.views.explore" not in after


def test_checkers_are_imported_when_they_are_named():
    for statement in "from minigrad import gradcheck", "minigrad.checks.zoo", "from minigrad import *; check":
        told = "print('minigrad.checks.checker' in sys.modules)"
        command = [sys.executable, "-c", f"import sys, minigrad\n{told}\n{statement}\n{told}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\nTrue\n", statement


def test_a_view_is_one_file(tmp_path, monkeypatch, capsys):
    """That of CONTRIBUTING, in a folder of the views, is a name of minigrad and a command."""
    import minigrad
    from minigrad.cli import main

    page = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (tmp_path / "depth.py").write_text(re.search(r"```py\n(.*?)```", page, re.DOTALL)[1])
    script = tmp_path / "script.py"
    script.write_text("import minigrad as m\nm.exp(m.Tensor([1.0], requires_grad=True) * 2).sum().backward()\n")
    monkeypatch.setattr(minigrad.views, "__path__", [*minigrad.views.__path__, str(tmp_path)])
    with pytest.raises(AttributeError, match="no attribute 'width'"):
        minigrad.width  # noqa: B018
    try:
        w = minigrad.Tensor([1.0], requires_grad=True)
        assert minigrad.depth(w) == 0
        assert minigrad.depth(w * 2.0 + w) == 2
        assert {"depth", "table", "Tensor"} <= set(dir(minigrad))
        assert {"depth", "table", "Tensor"} <= set(minigrad.__all__)
        assert main(["depth", str(script)]) == 0
        assert capsys.readouterr().out == "3\n"
        with pytest.raises(SystemExit):
            main(["--help"])
        assert "depth     how deep a tape is\n" in capsys.readouterr().out
    finally:
        del vars(minigrad)["depth"], sys.modules["minigrad.views.depth"]


def test_the_look_into_another_interpreter_sees_what_is_loaded():
    assert "hypothesis" in modules_after("import minigrad, hypothesis")


def test_public_names():
    """What ``from minigrad import *`` gives is public; every operation is among it."""
    import minigrad
    from minigrad.ops.registry import REGISTRY

    for name in ["Tensor", "Function", "gradients", "no_grad", "tape", "unbroadcast"]:
        assert hasattr(minigrad, name)
    for name, operation in REGISTRY.items():
        if not operation.helper and operation.function.__module__ != "minigrad.ops.special":  # those are SciPy's names
            assert getattr(minigrad, name) is operation.function
