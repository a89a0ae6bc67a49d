"""The plugin of pytest: tests made by `minigrad.testing.gradients`, and options. (PYTEST_DONT_REWRITE)

Nothing of minigrad is imported before a test file has done so: no run that does without it is slower, and what is
measured by coverage is not imported before the measuring begins.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

SCHEMA = '"format": "minigrad-report"'  # by which a file is known as one that may be replaced
FOUND = "minigrad_reports"  # what a worker of pytest-xdist hands over


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    # pytest compiles the assertions of all that a plugin's distribution has anew, which makes `import minigrad` slower,
    # and has no other way to decline. (Where it was imported before, the word in its docstring saves a warning.)
    getattr(pluginmanager.rewrite_hook, "_must_rewrite", set()).difference_update(("minigrad", "_minigrad_plugins"))
    group = parser.getgroup("minigrad", "gradients")
    group.addoption(
        "--minigrad-max-examples",
        metavar="N",
        type=natural,
        help="inputs that are drawn for each check, behind the designed ones (default 20)",
    )
    group.addoption(
        "--minigrad-report", metavar="FILE.json", type=Path, help="write what the checks of gradients have found there"
    )


def natural(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


natural.__name__ = "number"  # which argparse puts into "invalid ... value"


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("minigrad_report")
    if path is None:
        return
    if path.is_dir():
        raise pytest.UsageError(f"--minigrad-report: {path} is a folder; needed is the name of a file")
    if path.is_file():
        from minigrad.commands.outputs import refused

        if refused(path, SCHEMA, False):
            raise pytest.UsageError(f"--minigrad-report: {path} is no report of minigrad, and is not replaced")
    config.pluginmanager.register(Writing(path), "minigrad-report")


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> list[pytest.Function] | None:
    """The tests of what was decorated, whatever it is called."""
    testing = sys.modules.get("minigrad.testing")
    if testing is None or not isinstance(obj, testing.Gradients):
        return None
    return [
        pytest.Function.from_parent(collector, name=f"{name}[{test}]", callobj=obj.test(test)) for test in obj.tests
    ]


def pytest_collection_finish(session: pytest.Session) -> None:
    if testing := sys.modules.get("minigrad.testing.decorator"):
        testing.Gradients.session = testing.Session(session.config.getoption("minigrad_max_examples"))


def reports() -> dict[str, Any]:
    """What was found in this process: of each test its report, or why there is none."""
    testing = sys.modules.get("minigrad.testing.decorator")
    found = testing.Gradients.session.named if testing else {}
    return {
        test: {"error": str(one)} if isinstance(one, ValueError) else {"report": one.to_dict()}
        for test, one in found.items()
    }


class Writing:
    """The file, into which what the workers of pytest-xdist have found goes as well."""

    def __init__(self, path: Path) -> None:
        self.path, self.found = path, dict[str, Any]()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.found |= getattr(node, "workeroutput", {}).get(FOUND, {})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[FOUND] = reports()
            return
        import json

        from minigrad.commands.outputs import replacing

        found = sorted((self.found | reports()).items())
        whole = {
            "format": "minigrad-report",
            "version": 1,
            "checks": [{"test": test, **one} for test, one in found],
        }
        with replacing(self.path) as file:
            file.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
