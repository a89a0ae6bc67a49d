"""``import minigrad`` imports NumPy and nothing else that is not Python's own."""

from __future__ import annotations

import json
import subprocess
import sys

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


def test_views_are_imported_when_they_are_called():
    views = ["steps", "labels", "table", "formula", "draw", "explain", "debugger", "explorer", "tensorboard"]
    code = f"import minigrad, sys\nprint([name for name in {views} if 'minigrad.views.' + name in sys.modules])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_look_into_another_interpreter_sees_what_is_loaded():
    assert "hypothesis" in modules_after("import minigrad, hypothesis")


def test_public_names():
    """What ``from minigrad import *`` gives is public; every operation is among it."""
    import minigrad
    from minigrad.ops.registry import REGISTRY

    for name in ["Tensor", "Function", "gradients", "no_grad", "tape", "unbroadcast"]:
        assert hasattr(minigrad, name)
    for name, operation in REGISTRY.items():
        if not operation.helper:
            assert getattr(minigrad, name) is operation.function
