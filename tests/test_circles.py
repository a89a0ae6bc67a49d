"""The shape of the package: imports run one way, inside of functions too, and what is read first is short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import minigrad

ROOT = Path(minigrad.__file__).parent
# Looked up when a name is asked for: what most programs never use is not imported with the rest.
LAZY = {("minigrad", "__getattr__"), ("minigrad.checks", "__getattr__")}


def name_of(file: Path) -> str:
    parts = ("minigrad", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: str, tree: ast.AST, inside: str = "") -> set[str]:
    """The names that a module imports, also inside of functions; not what only type checkers read."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef) and (module, node.name) in LAZY:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports from {'.' * node.level}{node.module}: write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        found |= imports(module, node)
    return found


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that import each other, of two at least, by way of others perhaps."""
    reached = {module: {module} for module in graph}
    for module, seen in reached.items():
        todo = [module]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
    found = {frozenset(b for b in reached[a] if a in reached[b]) for a in graph}
    return sorted((set(group) for group in found if len(group) > 1), key=sorted)


def graph_of(sources: dict[str, str]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for module, source in sources.items():
        graph[module] = set()
        for name in imports(module, ast.parse(source)):
            while name and name not in sources:  # a name in a module
                name = name.rpartition(".")[0]
            graph[module] |= {name} - {"", module}
    return graph


def test_no_import_runs_in_a_circle():
    sources = {name_of(file): file.read_text("utf-8") for file in sorted(ROOT.rglob("*.py"))}
    assert len(sources) > 90
    assert circles(graph_of(sources)) == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("import p.b", "from p.b import c\nfrom p.a import d"),
        ("from p import b", "def later():\n    import p.a as x"),
        ("import q\nfrom p.b import *", "class A:\n    from p.a import x"),
    ],
)
def test_a_circle_is_noticed(a, b):
    assert circles(graph_of({"p": "", "p.a": a, "p.b": b})) == [{"p.a", "p.b"}]
    assert circles(graph_of({"p": "", "p.a": a, "p.b": "import p"})) == []


def lines_of_code(path: Path) -> int:
    """Without blank lines, comments and docstrings."""
    text = path.read_text("utf-8")
    docs: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            docs.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = [line.strip() for i, line in enumerate(text.splitlines(), 1) if i not in docs]
    return len([line for line in lines if line and not line.startswith("#")])


def test_the_reading_path_is_short():
    lines = [lines_of_code(ROOT / f"{name}.py") for name in ("backprop", "tensor", "function", "broadcasting")]
    assert lines[0] <= 120
    assert sum(lines) <= 350
