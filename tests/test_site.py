"""The site: what can be said of it without building it, which .ci/site does."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import minigrad

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = re.compile(r"(lessons|reference)/|minigrad\.\*$|command$")  # by tools/docs.py


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("site_tool", ROOT / "tools" / "docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def below(page):
    """The pages that the toctrees of a page name."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for entry in re.findall(r"^(?!:)(\S+)$", tree, re.MULTILINE):
            yield (Path(page).parent / entry).as_posix()


def test_every_page_can_be_reached():
    """Along toctrees from the first; what they name is there, or is written when the site is built."""
    reached, left = set(), ["index"]
    while left:
        page = left.pop()
        reached.add(page)
        left += [name for name in below(page) if (DOCS / f"{name}.md").exists() and name not in reached]
        assert all((DOCS / f"{name}.md").exists() or GENERATED.search(name) for name in below(page)), page
    assert reached == {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}


def test_every_public_name_stands_in_the_reference_once(tool):
    entries = [(inside, name) for inside, names in tool.contents().values() for name in names]
    assert len(entries) == len(set(entries))
    named = {name for inside, name in entries if inside == "minigrad"}
    assert named == set(minigrad.__all__) - {"checks", "testing"}  # modules, which have pages of their own
    for package in ("nn", "optim", "lab", "checks", "grade"):  # what a version promises, says CHANGELOG.md
        module = importlib.import_module(f"minigrad.{package}")
        here = {name for inside, name in entries if inside == f"minigrad.{package}"} | named
        missing = {name for name in set(module.__all__) - here if not isinstance(getattr(module, name), ModuleType)}
        assert not missing, package


@pytest.mark.parametrize("name", ["multiply", "softmax", "sign", "maximum", "gelu"])
def test_an_operation_has_its_formula_its_code_and_its_kinks(tool, name):
    operation = getattr(minigrad, name).operation
    entry = tool.entry("minigrad", name)
    assert f".. autofunction:: minigrad.{name}\n" in entry
    path, line = tool.where(operation).split(":")
    here = (ROOT / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert here.startswith((f"class {name}:", f"{name} = "))
    assert here in entry
    if not operation.composed:
        formula = str(minigrad.formula(name))
        assert all(line in entry for line in formula.splitlines())
    assert ("At ties" in entry) == (f"| `{name}` |" in (DOCS / "kinks.md").read_text(encoding="utf-8"))
    assert (f"/pictures/{name}.svg" in entry) == any(operation.rules)  # no derivative passes, so no backward is drawn
    if any(operation.rules):
        assert ">loss = sum<" in tool.drawn(operation)._repr_svg_()  # with the names that its program has


def test_what_the_gallery_shows_is_a_tape():
    programs = sorted((DOCS / "gallery").glob("*.py"))
    assert programs
    for path in programs:
        names = {}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
        assert names["__doc__"].count("\n\n") == 1  # a title, and what to look at
        assert names["loss"].requires_grad
        assert names["loss"].shape == ()
