"""Build the site: ``python tools/docs.py`` writes build/site, from docs/ and from what minigrad says of itself.

Needs the extra `docs`, and no network. Warnings are errors, and a link between pages that leads nowhere is one. Beside
the pages of docs/ there are the lessons, which are run; the reference, a page for each module that exports something;
and the gallery, a tape to step through for each program in docs/gallery/. All three are written from what is there, so
there is no list to keep.

`--pyodide FOLDER` puts a Pyodide distribution beside the page on which visitors check a backward; without it that page
takes Python from a content delivery network. `--quick` does not run the lessons.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import importlib
import inspect
import linecache
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np

import minigrad
from minigrad import cli
from minigrad.backprop import record
from minigrad.checks.cases import Form, designed
from minigrad.ops.operation import lifted

BUILD = ROOT / "build"
PYODIDE = "https://cdn.jsdelivr.net/pyodide/v314.0.7/full/"
CHECKER = "hypothesis", "sortedcontainers"  # what `minigrad.check` needs beside NumPy
PUBLIC = (
    "nn", "nn.utils", "optim", "optim.lr_scheduler", "lab", "checks", "testing", "grade", "stats", "checkpoint",
    "lesson",
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the reference
def contents() -> dict[str, tuple[str, list[str]]]:
    """The pages of the reference by the module that each is of: where its names are imported from, and these."""
    pages = {module: ("minigrad", names) for module, names in sorted(by_module(minigrad).items())}
    for package in PUBLIC:
        name = f"minigrad.{package}"
        names = [other for other in exported(importlib.import_module(name)) if other not in minigrad.__all__]
        pages[name] = name, names
    return pages


def reference() -> dict[str, str]:
    """The text of each page of the reference, by its name: reStructuredText, as docstrings are read by autodoc."""
    pages = {module: page(module, inside, names) for module, (inside, names) in contents().items()}
    return {**pages, "command": command_line()}


def exported(module: ModuleType) -> list[str]:
    return [name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)]


def by_module(package: ModuleType) -> dict[str, list[str]]:
    """The names that a package exports, by the module that defines them."""
    found: dict[str, list[str]] = {}
    for name in exported(package):
        found.setdefault(getattr(package, name).__module__, []).append(name)
    return found


def page(module: str, inside: str, names: list[str]) -> str:
    """A page of the reference: what the module says of itself, and each of `names`, imported from `inside`."""
    about = inspect.cleandoc(importlib.import_module(module).__doc__)
    title = re.split(r"[:.,](?=\s|$)", about)[0].strip()
    parts = [f"{title}\n{'=' * len(title)}", f".. currentmodule:: {inside}"]
    parts += [f"``{module}`` says of itself:\n\n{literal(about)}"]
    return "\n\n".join([*parts, *(entry(inside, name) for name in names)]) + "\n"


def entry(inside: str, name: str) -> str:
    found = getattr(importlib.import_module(inside), name)
    if isinstance(found, type):
        members = "" if issubclass(found, Exception) else "\n   :members:"
        return f".. autoclass:: {inside}.{name}{members}"
    if not callable(found):
        return f".. autodata:: {inside}.{name}\n   :no-value:"
    operation = getattr(found, "operation", None)
    body = f".. autofunction:: {inside}.{name}"
    return body if operation is None else "\n\n".join([body, *map(indented, of_operation(operation))])


def of_operation(operation: Any) -> Iterator[str]:
    """What the reference has of an operation beside its docstring."""
    if not operation.composed:
        formula = str(minigrad.formula(operation.name))
        yield "The rule, as it computes on its own letters::\n\n" + indented(formula)
    if rows := KINKS.get(operation.name):
        table = ["inputs", "value", "gradients", "second derivatives"], *([f"``{c}``" for c in row] for row in rows)
        lines = "\n".join("   * - " + "\n     - ".join(row) for row in table)
        yield f"At ties, kinks and edges:\n\n.. list-table::\n   :header-rows: 1\n\n{lines}"
    if drawn(operation):
        alt = f"The tape of one {operation.name}, with values, and the gradients that its backward sends"
        yield f".. image:: /pictures/{operation.name}.svg\n   :alt: {alt}\n   :class: tape"
    yield f".. code-block:: python\n   :caption: {where(operation)}\n\n" + indented(code(operation))


def kinks() -> dict[str, list[list[str]]]:
    """The rows of docs/kinks.md, by operation."""
    found: dict[str, list[list[str]]] = {}
    for line in (ROOT / "docs" / "kinks.md").read_text(encoding="utf-8").splitlines():
        if operation := re.match(r"\| `(\w+)` \|", line):
            found.setdefault(operation[1], []).append([cell.strip() for cell in line.strip("|").split("|")[1:]])
    return found


KINKS = kinks()


def statement(operation: Any) -> tuple[Path, ast.stmt, str]:
    """What an operation is made by: its file, the class or the assignment, and the text of the file."""
    path = Path(importlib.import_module(operation.function.__module__).__file__)
    text, statements = parsed(path)
    for node in statements:
        names = [node.name] if isinstance(node, ast.ClassDef) else []
        if isinstance(node, ast.Assign):
            names = [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        if operation.name in names:
            return path, node, text
    raise LookupError(f"{path} has no block and no line that makes {operation.name}")


@functools.cache
def parsed(path: Path) -> tuple[str, list[ast.stmt]]:
    text = path.read_text(encoding="utf-8")
    return text, ast.parse(text).body


def code(operation: Any) -> str:
    """The block without its docstring, which stands above it."""
    _, found, text = statement(operation)
    lines = text.splitlines()[found.lineno - 1 : found.end_lineno]
    if isinstance(found, ast.ClassDef) and ast.get_docstring(found):
        doc = found.body[0]
        lines[doc.lineno - found.lineno : doc.end_lineno - found.lineno + 1] = []
    return "\n".join(lines)


def where(operation: Any) -> str:
    path, found, _ = statement(operation)
    return f"{path.relative_to(ROOT).as_posix()}:{found.lineno}"


@functools.cache
def drawn(operation: Any) -> Any:
    """The tape of one call, at small inputs of the shapes that the block names; None where no derivative passes."""
    params = {**operation.defaults, **operation.params[0]}
    case = next(designed(Form.of(operation, operation.params[0]), 0))
    letters = operation.inputs
    if operation.variadic:
        letters = [*letters[:-1], *(f"{letters[-1]}{i}" for i in range(len(case.inputs) - len(letters) + 1))]
    values = {
        letter: minigrad.Tensor(a, requires_grad=True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for letter, a in zip(letters, case.inputs, strict=True)
    }

    def call(*inputs: Any) -> Any:
        if operation.composed:
            return operation.forward(*map(lifted, inputs), **params)
        return record(operation, inputs, params)

    # As if it were a file, in which the picture finds the names.
    text = f"y = call({', '.join(letters)})\nloss = y.sum()\npicture = loss.requires_grad and draw(loss, backward=True)"
    linecache.cache[operation.name] = len(text), None, text.splitlines(True), operation.name
    values |= {"call": call, "draw": minigrad.draw}
    exec(compile(text, operation.name, "exec"), values)
    return values["picture"] or None


def command_line() -> str:
    """The help of the command and of each of its commands."""
    parts = ["The command line\n================", literal(cli.parser().format_help())]
    for name in cli.commands_for(None):
        (group,) = cli.parser(name)._subparsers._group_actions
        title = f"minigrad {name}"
        parts += [f"{title}\n{'-' * len(title)}", literal(group.choices[name].format_help())]
    return "\n\n".join(parts) + "\n"


def literal(text: str) -> str:
    return ".. code-block:: text\n\n" + indented(text)


def indented(text: str) -> str:
    return "\n".join("   " + line if line.strip() else "" for line in text.rstrip("\n").splitlines())


# ------------------------------------------------------------------------------------- the lessons and the gallery
def lessons(language: str) -> list[Path]:
    """The files of the lessons in "en" or "fr", in their order."""
    return sorted((ROOT / "lessons" / {"en": "", "fr": "fr"}[language]).glob("[0-9]*.py"))


def notebook(path: Path, first: str = "") -> Any:
    """A lesson as a notebook, with `first` as a cell of code before all others, if there is any."""
    import jupytext

    found = jupytext.read(path)
    found.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    if first:
        found.cells.insert(0, jupytext.reads(f"# %%\n{first}", "py:percent").cells[0])
    return found


def notebooks(folder: Path) -> None:
    """The lessons as notebooks, and their page of contents."""
    import jupytext

    for language in "en", "fr":
        for path in lessons(language):
            written = folder / path.relative_to(ROOT / "lessons").with_suffix(".ipynb")
            written.parent.mkdir(parents=True, exist_ok=True)
            jupytext.write(notebook(path), written)
    text = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\((\w+)\.py\)", r"(\1.ipynb)", text)
    tree = "```{{toctree}}\n:hidden:\n:glob:\n\n{}\n```\n"
    french = "# En français\n\nLes leçons, avec le même code.\n\n```{toctree}\n:glob:\n\n[0-9]*\n```\n"
    (folder / "index.md").write_text(f"{text}\n{tree.format('[0-9]*')}\n{tree.format('fr/index')}", encoding="utf-8")
    (folder / "fr" / "index.md").write_text(french, encoding="utf-8")


def gallery(source: Path) -> None:
    """A page to step through for each program, beside the others, and the page that leads there."""
    parts = [(source / "gallery.md").read_text(encoding="utf-8")]
    for path in sorted((source / "gallery").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        title, _, about = ast.get_docstring(ast.parse(text)).partition("\n\n")
        loss = runpy.run_path(str(path))["loss"]
        minigrad.explore(loss).save(source / "_extra" / "gallery" / f"{path.stem}.html")
        minigrad.draw(loss, backward=True).save(source / "pictures" / f"{path.stem}_tape.svg")
        link = f'<p class="start"><a href="gallery/{path.stem}.html">Step through: {title.rstrip(".").lower()}</a></p>'
        parts += [
            f"## {title.rstrip('.')}", about, f"```{{raw}} html\n{link}\n```",
            f"```{{image}} pictures/{path.stem}_tape.svg\n:alt: The tape of this program\n:class: tape\n```",
            f"```{{literalinclude}} gallery/{path.name}\n:language: python\n:start-at: import\n```",
        ]  # fmt: skip
    (source / "gallery.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def pictures(folder: Path) -> None:
    """The tape of one call of each operation that is in the reference."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in minigrad.__all__:
        operation = getattr(getattr(minigrad, name), "operation", None)
        if operation and drawn(operation):
            drawn(operation).save(folder / f"{operation.name}.svg")


# ---------------------------------------------------------------------------------------------------------- the build
def wheel(folder: Path) -> Path:
    """minigrad's wheel, made by hatchling, which needs no network."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (found,) = folder.glob("minigrad_tape-*.whl")
    return found


def checker(source: Path, pyodide: Path | None) -> None:
    """What the page needs on which a backward is checked: minigrad's wheel, and Python, from a folder or outside."""
    extra = source / "_extra"
    wheels, address = [f"wheels/{wheel(extra / 'wheels').name}"], PYODIDE
    if pyodide is None:
        wheels += CHECKER[:1]  # micropip knows what that needs
    else:
        address = "pyodide/"
        shutil.copytree(pyodide, extra / "pyodide")
        wheels += [f"pyodide/{found.name}" for found in needed(pyodide)]
    page = (source / "try.md").read_text(encoding="utf-8")
    filled = page.replace("{{pyodide}}", address).replace("{{wheels}}", " ".join(wheels))
    (source / "try.md").write_text(filled, encoding="utf-8")


def needed(pyodide: Path, *more: str) -> list[Path]:
    """The wheels in a Pyodide distribution, or put beside it, that the checker needs, and `more`."""
    if not (pyodide / "pyodide.mjs").exists() or not list(pyodide.glob("numpy-*.whl")):
        sys.exit(f"{pyodide} is no unpacked Pyodide distribution: pyodide.mjs and numpy-*.whl are missing there")
    found = {name: sorted(pyodide.glob(f"{name}-*.whl")) for name in (*CHECKER, *more)}
    if missing := [name for name, wheels in found.items() if not wheels]:
        get = f"python -m pip download --no-deps --only-binary :all: --platform any -d {pyodide} {' '.join(missing)}"
        sys.exit(f"{pyodide} has no wheel of {' and '.join(missing)}, which is needed, too; get it by\n  {get}")
    return [wheels[-1] for wheels in found.values()]


def staged(source: Path, pyodide: Path | None) -> None:
    """docs/, and beside it what is written from minigrad itself."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source)
    (source / "_extra" / "gallery").mkdir(parents=True)
    shutil.copy(ROOT / "CHANGELOG.md", source.parent)  # docs/changes.md names it
    shutil.copytree(ROOT / "minigrad", source.parent / "minigrad", dirs_exist_ok=True)  # and docs/explanation/sweep.md
    pages = reference()
    for name, text in pages.items():
        (source / "reference" / f"{name}.rst").write_text(text, encoding="utf-8")
    pictures(source / "pictures")
    gallery(source)
    checker(source, pyodide)
    notebooks(source / "lessons")


def digest() -> str:
    """Of all of minigrad: what the lessons print may change with any of it."""
    found = hashlib.sha256()
    for path in sorted((ROOT / "minigrad").rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=BUILD / "site", metavar="FOLDER", help="build/site")
    parser.add_argument("--pyodide", type=Path, metavar="FOLDER", help="an unpacked Pyodide distribution to use")
    parser.add_argument("--quick", action="store_true", help="do not run the lessons")
    options = parser.parse_args()
    source = BUILD / "docs" / "source"
    staged(source, options.pyodide)
    settings = {"nb_execution_cache_path": str(BUILD / "docs" / "executed" / digest())}
    if options.quick:
        settings["nb_execution_mode"] = "off"
    shutil.rmtree(options.output, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(BUILD / "docs" / "doctrees")]
    command += [part for key, value in settings.items() for part in ("-D", f"{key}={value}")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # of this checkout, also where the lessons run
    done = subprocess.run([*command, str(source), str(options.output)], env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    print(f"site: {options.output / 'index.html'}")


if __name__ == "__main__":
    main()
