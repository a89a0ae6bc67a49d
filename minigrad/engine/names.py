"""Names for the nodes of a tape: the user's variables and lines, and the code of a rule."""

from __future__ import annotations

import ast
import functools
import linecache
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.places import Place
from minigrad.engine.words import number, shape
from minigrad.tensor import Tensor


# -------------------------------------------------------------------------------------------------------------- names
def names_around(frame: FrameType | None, *spaces: Mapping[str, Any]) -> dict[int, str]:
    """Names of the tensors and arrays that variables hold, by ``id``: of `frame`, of `spaces`, of the main program.

    Where a variable is a model (it has `named_parameters`), its parameters are called as it calls them.
    """
    local = [] if frame is None else [frame.f_locals, frame.f_globals]
    names: dict[int, str] = {}
    for space in (*local, *spaces, vars(sys.modules["__main__"])):
        for variable, value in list(space.items()):
            if variable.startswith("_"):  # _, __ and _3 are what a notebook calls everything
                continue
            for name, held in within(variable, value):
                if isinstance(held, Tensor | np.ndarray):
                    names.setdefault(id(held), name)
    return names


def within(variable: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield variable, value
    parameters = getattr(type(value), "named_parameters", None)
    if callable(parameters):
        for name, parameter in parameters(value):
            yield f"{variable}.{name}", parameter
    elif type(value) in (list, tuple) and len(value) <= 100:
        for i, item in enumerate(value):
            yield f"{variable}[{i}]", item
    elif type(value) is dict and len(value) <= 100:
        for key, item in value.items():
            yield f"{variable}[{key!r}]", item


def names_of(nodes: Sequence[Tensor], given: Mapping[int, str]) -> dict[Tensor, str]:
    """The name of each node, no two alike: as the variable that holds it, as its line calls it, or by its number.

    A line may make several nodes: turns of a loop, which are told apart as h#3 and h#7; and the parts of a composed
    operation, or a recorded sweep, which that line has no name for.
    """
    at: dict[Any, list[int]] = {}
    for i, node in enumerate(nodes):
        at.setdefault(node.made_at, []).append(i)
    names = {i: given[id(node)] for i, node in enumerate(nodes) if id(node) in given}
    taken = set(names.values())
    elsewhere = {re.split(r"[.\[]", name)[0] for name in given.values()} - taken  # variables that hold something else
    for made_at, made in at.items():
        name = assigned_to(made_at)
        if not name or name in elsewhere:
            continue
        run = next((k for k, (i, j) in enumerate(pairwise(made), 1) if j != i + 1), len(made))
        named = next((i for i in reversed(made) if i in names), made[run - 1])
        alike = [i for i in made if operation_name(nodes[i]) == operation_name(nodes[named]) and i not in names]
        for i in alike:
            names[i] = name if len(alike) == 1 and name not in taken else f"{name}#{i}"
            taken.add(names[i])
    return {node: names.get(i, f"t{i}") for i, node in enumerate(nodes)}


def operation_name(node: Tensor) -> str:
    return node.op.name if node.op is not None else ""


def assigned_to(made_at: tuple[CodeType, int]) -> str:
    """The variable on the left of ``name = expression``, where the expression is all that stands on the right."""
    return variable_at(*made_at)


@functools.lru_cache(maxsize=4096)
def variable_at(code: CodeType, instruction: int) -> str:
    place = Place.of((code, instruction))
    span = place.line, place.column, place.end_line, place.end_column
    return assignments(place.file, tuple(linecache.getlines(place.file))).get(span, "")


@functools.lru_cache(maxsize=64)
def assignments(file: str, lines: tuple[str, ...]) -> dict[tuple[int | None, ...], str]:
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:  # a cell with magic commands
        return {}
    found: dict[tuple[int | None, ...], str] = {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
            if isinstance(target, ast.Name | ast.Attribute):
                span = value.lineno, value.col_offset, value.end_lineno, value.end_col_offset
                found[span] = ast.unparse(target).removeprefix("self.")
    return found


def kind(node: Tensor) -> str:
    """The part that a node plays for the reader: "parameter", "data" or "result"."""
    return "result" if node.op is not None else "parameter" if node.requires_grad else "data"


# ----------------------------------------------------------------------------------------------------- inputs and code
def input_names(node: Tensor) -> list[str]:
    """The letters that the formula of the node's operation has for its inputs."""
    return node.op.input_names(len(node.inputs))  # type: ignore[no-any-return]


def constant(value: Any, names: Mapping[int, str]) -> str:
    """An input that is no Tensor: its name, or its value where that is short."""
    if id(value) in names:
        return names[id(value)]
    if isinstance(value, np.ndarray) and value.size > 1:
        return f"array {shape(value)}"
    if not isinstance(value, np.ndarray | np.generic | float | int):
        return repr(value)
    value = np.asarray(value).item()
    return f"{value:.10g}" if type(value) is float else number(value)  # a text of the program: 1.0001 is not 1


def static(node: Tensor) -> str:
    """The static arguments that differ from their defaults, as they would be written in a call."""
    defaults = node.op.defaults
    given = {k: v for k, v in node.params.items() if k not in defaults or (defaults[k] is not v and defaults[k] != v)}
    return ", ".join(f"{k}={written(v)}" for k, v in given.items())


def written(value: Any) -> str:
    if value is np.ndarray:  # a hole in an index, where an array stands
        return "·"
    if type(value) is tuple:
        return "(" + ", ".join(map(written, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, slice):
        return ":".join("" if part is None else str(part) for part in (value.start, value.stop)) + (
            f":{value.step}" if value.step is not None else ""
        )
    return "..." if value is Ellipsis else np.dtype(value).name if isinstance(value, type) else repr(value)


def line(place: Place) -> str:
    """``file.py:12``, without the folders."""
    return f"{Path(place.file).name}:{place.line}"


class Excerpt(NamedTuple):
    """The lines of code that a place is in: their text, and where in it the place's expression starts and ends."""

    first: int
    text: str
    start: int
    end: int

    def marked(self) -> list[str]:
        """The lines with their numbers, and a line of ^ under each part of the expression."""
        found, begin = [], 0
        for i, row in enumerate(self.text.split("\n")):
            number = f"{self.first + i:>5} "
            start, end = max(self.start - begin, 0), min(self.end - begin, len(row))
            found.append(number + row)
            inner = row[start:end]
            if inner.strip():
                start += len(inner) - len(inner.lstrip())
                found.append(" " * (len(number) + start) + "^" * (end - start))
            begin += len(row) + 1
        return found


def excerpt(place: Place) -> Excerpt | None:
    """None where the source is gone."""
    lines = linecache.getlines(place.file)[(place.line or 1) - 1 : place.end_line or place.line]
    if not lines:
        return None
    rows = [line.rstrip("\n").expandtabs(1) for line in lines]
    last = len(rows[-1]) if place.end_column is None else len(lines[-1].encode()[: place.end_column].decode())
    start = len(lines[0].encode()[: place.column or 0].decode())
    return Excerpt(place.line or 1, "\n".join(rows), start, sum(len(row) + 1 for row in rows[:-1]) + last)
