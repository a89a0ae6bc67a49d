"""minigrad in Pyodide, under Node: PYODIDE names an unpacked distribution that has numpy, and beside it the pure wheels
of hypothesis and sortedcontainers. Without it, or without Node, there is nothing to run.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDER = os.environ.get("PYODIDE")


@pytest.mark.skipif(not FOLDER or not shutil.which("node"), reason="PYODIDE names no distribution, or there is no node")
def test_what_is_said_to_run_there_runs(tmp_path):
    for package in "minigrad", "torch_ref":
        shutil.copytree(HERE.parent / package, tmp_path / package)
    wheels = [max(Path(FOLDER).glob(f"{name}-*.whl")).name for name in ("hypothesis", "sortedcontainers")]
    program = HERE / "pyodide" / "program.py"
    command = ["node", HERE / "pyodide" / "smoke.mjs", FOLDER, tmp_path, program, "numpy", *wheels]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok\n") == program.read_text(encoding="utf-8").count("done(") - 1
