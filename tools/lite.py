"""All lessons as notebooks in the browser: ``python tools/lite.py`` writes build/lite, a JupyterLite with minigrad.

Needs the extra `docs`. Any web server can hand the folder out: ``python -m http.server -d build/lite``. Python itself
comes from a content delivery network, or with `--pyodide FOLDER` from an unpacked Pyodide distribution, which is
copied into it, so that a school needs nothing from outside.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import jupytext

import docs

FIRST = "%pip install -q {}"
BESIDE = {"sklearn": "scikit-learn", "matplotlib": "matplotlib"}  # what a lesson may import, and where it comes from
KERNEL = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
CLOSED = {"@jupyterlite/pyodide-kernel-extension:kernel": {"disablePyPIFallback": True}}


def notebooks(folder: Path) -> None:
    """The lessons, each with a cell before it that fetches minigrad and what else it imports."""
    for language in "en", "fr":
        (folder / language).mkdir(parents=True)
        for path in docs.lessons(language):
            text = path.read_text(encoding="utf-8")
            packages = ["minigrad-tape", "hypothesis", *(BESIDE[name] for name in BESIDE if f" {name}" in text)]
            notebook = docs.notebook(path, FIRST.format(" ".join(packages)))
            notebook.metadata["kernelspec"] = KERNEL
            jupytext.write(notebook, folder / language / f"{path.stem}.ipynb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=docs.BUILD / "lite", metavar="FOLDER", help="build/lite")
    parser.add_argument("--pyodide", type=Path, metavar="FOLDER", help="an unpacked Pyodide distribution to use")
    options = parser.parse_args()
    work = docs.BUILD / "lite-work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(options.output, ignore_errors=True)
    notebooks(work / "contents")
    wheels = [docs.wheel(work / "wheels")]
    if options.pyodide:  # where the build looks for it, and says so in its settings
        fits(options.pyodide)
        wheels += docs.needed(options.pyodide, "comm")  # with which the kernel talks to widgets
        shutil.copytree(options.pyodide, work / "static" / "pyodide")
        settings = {"jupyter-lite-schema-version": 0, "jupyter-config-data": {"litePluginSettings": CLOSED}}
        (work / "jupyter-lite.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--output-dir", str(options.output.resolve())]
    command += ["--contents", "contents", "--no-sourcemaps", "--no-unused-shared-packages"]
    command += [part for wheel in wheels for part in ("--piplite-wheels", str(wheel.resolve()))]
    done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout[-4000:] + "\njupyter lite build failed; above are its last lines")
    print(f"lessons: {options.output / 'lab' / 'index.html'}, to be opened from a web server")


def fits(pyodide: Path) -> None:
    """End where the kernel that is installed is for another Python than the distribution has: it would not start."""
    from jupyterlite_pyodide_kernel import constants

    info = json.loads((pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))["info"]
    wanted = getattr(constants, "PYODIDE_PYTHON_VERSION", info["python"])
    if not info["python"].startswith(wanted):
        sys.exit(
            f"{pyodide} has Python {info['python']}, and the jupyterlite-pyodide-kernel that is installed wants that "
            f"of Pyodide {constants.PYODIDE_VERSION}, {wanted}: take that one, or install the kernel for this one"
        )


if __name__ == "__main__":
    main()
