"""Simplifications that keep the bits: what a careful person leaves out when writing a program by hand.

Each pass takes lines and returns lines that give the same bits, in the same layout: sums are taken in the order of the
layout. Nothing is rearranged: floating-point arithmetic is not associative, and x + 0 is not x where x is -0.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.program.lines import Line
from minigrad.program.text import (
    LIBRARIES,
    is_uniform,
    libraries,
    literal,
    named,
    names_in,
    names_read,
    number,
    numpys,
    renamed,
    structural,
    unparse,
    written_out,
)

__all__ = ["Simplifier", "inlined", "is_view", "nested"]

LONGEST = 56  # characters of a line that several are put into
OPERATIONS = ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare
PARTS = ast.expr, ast.keyword
VIEWS = {"reshape", "swapaxes", "squeeze", "transpose", "expand_dims", "broadcast_to", "moveaxis", "flip"}


def evaluate(text: ast.expr, values: Mapping[str, Any]) -> Any:
    tree = ast.fix_missing_locations(ast.Expression(text))
    with np.errstate(all="ignore"):
        return eval(compile(tree, "<line>", "eval"), libraries(), values)


def same_array(a: Any, b: Any) -> bool:
    """Equal bits in equal layouts; the stride of an axis of length 1 says nothing."""
    a, b = np.asarray(a), np.asarray(b)
    strides = [(s, t) for n, s, t in zip(a.shape, a.strides, b.strides, strict=False) if n > 1]
    return a.shape == b.shape and a.dtype == b.dtype and all(s == t for s, t in strides) and a.tobytes() == b.tobytes()


class Simplifier:
    """Runs the passes.

    Attributes:
        lines: the program so far.
        values: the example arrays by name, of arguments and lines.
        instead: for the name of a line that has gone, the name to read instead.
        inner: the names of lines that were part of another.
    """

    def __init__(self, lines: Sequence[Line], values: Mapping[str, Any], roots: Iterable[str]) -> None:
        self.lines, self.roots = list(lines), set(roots)
        self.values = {**values, **{line.name: line.value for line in lines}}
        self.constants = {line.name for line in lines if line.constant}
        self.instead: dict[str, str] = {}
        self.inner: set[str] = set()

    def run(self, open_all: bool = False) -> list[Line]:
        """The simplified lines, where nothing is computed twice; with `open_all`, each is one operation."""
        self.open_all = open_all
        self.take(self.each(self.folded))
        whole = self.lines
        self.take(self.opened())
        self.take(self.split())
        if self.lines is not whole:
            self.take(self.each(lambda line: line))
        if not open_all:
            kept = {*map(self.now, self.roots)}
            self.lines = inlined(self.lines, lambda line: line.name in self.inner and line.name not in kept)
        return self.lines

    def take(self, lines: Iterable[Line]) -> None:
        """Go on with these lines, as far as they are needed, if a pass has changed any."""
        new = list(lines)
        if new != self.lines:  # a line is equal to itself only
            self.lines = live(new, map(self.now, self.roots))

    def now(self, name: str) -> str:
        """The name to read for `name`, now that lines have gone."""
        while name in self.instead:
            name = self.instead[name]
        return name

    def read(self, line: Line) -> Line:
        """The line, reading what is there."""
        changed = {n: named(self.now(n)) for n in names_read(line.text) if n in self.instead}
        return line.but(text=renamed(line.text, changed)) if changed else line

    def each(self, change: Callable[[Line], Line | None]) -> Iterator[Line]:
        """The lines after `change`, which gives None for one that goes. Lines that say the same become one."""
        said: dict[Any, str] = {}
        for line in self.lines:
            new = change(self.read(line))
            if new is None:
                continue
            key = id(new.body), unparse(new.text)
            if key in said and not new.draws:
                self.instead[new.name] = said[key]
            else:
                said[key] = new.name
                yield new

    # ------------------------------------------------------------------------------------------- constants and ones
    def folded(self, line: Line) -> Line | None:
        """A line with constants written as numbers, if it is still needed."""
        if line.constant:
            text = folded_constant(line)
            return line.but(text=text, quiet=False, body=line.body if text is line.text else None)
        if line.body is not None:
            return line
        text = self.with_numbers(line)
        if isinstance(text, ast.Attribute) and text.attr == "mT" and line.value.ndim == 2:
            text = ast.Attribute(text.value, "T", ast.Load())
        rest = unit(text)
        if rest is None and isinstance(text, ast.Call) and unparse(text.func) == "np.broadcast_to":
            rest = text.args[0]
        if rest is None and isinstance(text, ast.Call) and isinstance(text.func, ast.Attribute):
            rest = text.func.value if text.func.attr in ("reshape", "astype") else None
        own = isinstance(rest, ast.Name) and (line.name not in self.roots or rest.id.startswith("_"))
        if isinstance(rest, ast.Name) and own and same_array(self.values[rest.id], line.value):
            self.instead[line.name] = rest.id  # but what is returned is no argument
            return None
        text = self.without_unit(text)
        return line if text is line.text else line.but(text=text)

    def without_unit(self, text: ast.expr) -> ast.expr:
        """x for x * 1 and x / 1, where the layout is that of x, too."""
        rest = unit(text)
        if rest is not None and same_array(evaluate(rest, self.values), evaluate(text, self.values)):
            return rest
        return text

    def with_numbers(self, line: Line) -> ast.expr:
        """The text of a line with a Python number for each constant array of one value, where that changes nothing."""
        text = line.text
        parts: list[ast.expr] = []
        if isinstance(text, ast.BinOp) and not isinstance(text.op, ast.MatMult):
            parts = [text.left, text.right]
        elif isinstance(text, ast.Call) and unparse(text.func) in ("np.where", "np.maximum", "np.minimum"):
            parts = text.args
        for part in parts:
            if not isinstance(part, ast.Name) or part.id not in self.constants:
                continue
            value = np.asarray(self.values[part.id])
            if not value.size or not is_uniform(value):
                continue
            new = renamed(text, {part.id: number(value)})
            if any(True for _ in names_read(new)) and same_array(evaluate(new, self.values), line.value):
                text = new
        return text

    # ---------------------------------------------------------------------------------------- nothing computed twice
    def opened(self) -> Iterator[Line]:
        """Forwards of several lines, taken apart where one of their expressions is needed elsewhere, too."""
        if self.open_all or not any(line.body for line in self.lines):
            yield from (part for line in self.lines for part in self.parts(line))
            return
        apart = [self.parts(line) for line in self.lines]
        own = [{key for part in parts for key in keys(part.text)} for parts in apart]
        seen = Counter(key for mine in own for key in mine)
        for line, parts, mine in zip(self.lines, apart, own, strict=True):
            yield from parts if any(seen[key] > 1 for key in mine) else [line]

    def parts(self, line: Line) -> list[Line]:
        """A forward of several lines as lines of the program, if it can be taken apart."""
        if line.body is None or not line.body.straight:
            return [line]
        assert isinstance(line.text, ast.Call)
        names, found = dict(zip(line.body.inputs, line.text.args, strict=True)), []
        for i, s in enumerate(line.body.statements):
            assert isinstance(s, ast.Assign)
            assert isinstance(s.targets[0], ast.Name)
            own = s.targets[0].id
            hint = "" if re.fullmatch(r"t\d+", own) else own
            found.append(self.part(line, f"{line.name}_{i}", renamed(s.value, names), hint))
            names[own] = named(found[-1].name)
        text = self.without_unit(renamed(line.body.result, names))
        return [*found, line.but(text=text, body=None)]

    def part(self, line: Line, name: str, text: ast.expr, hint: str = "") -> Line:
        """A line for an expression that `line` needs."""
        value = self.values[name] = evaluate(text, self.values)
        return line.but(name=name, text=text, value=value, body=None, hint=hint)

    def split(self) -> Iterator[Line]:
        """Every operation on a line of its own."""
        for line in self.lines:
            parts: list[Line] = []
            whole = line.body is not None or line.draws or line.constant
            text = line.text if whole else self.without_operations(line.text, line, parts)
            self.inner.update(part.name for part in parts)
            yield from [*parts, line if text is line.text else line.but(text=text)]

    def without_operations(self, node: Any, line: Line, parts: list[Line]) -> Any:
        """An expression with names in the place of the operations inside; `parts` get these."""

        def named_part(inner: Any) -> Any:
            if isinstance(inner, ast.Name) or not isinstance(inner, PARTS):
                return inner
            text = self.without_operations(inner, line, parts)
            if not is_work(text):
                return text
            parts.append(self.part(line, f"{line.name}_{len(parts)}p", text))
            return named(parts[-1].name)

        old = [getattr(node, field, None) for field in node._fields]
        new = [list(map(named_part, part)) if isinstance(part, list) else named_part(part) for part in old]
        return node if new == old else type(node)(*new)


def is_work(node: ast.AST) -> bool:
    """Whether an expression is worth a name: it computes something, and of arrays."""
    if not isinstance(node, OPERATIONS) or LIBRARIES.issuperset(names_in(node)):
        return False
    return not is_view(node)


def is_view(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VIEWS


def keys(text: ast.expr) -> Iterator[str]:
    return (unparse(node) for node in ast.walk(text) if is_work(node))


def folded_constant(line: Line) -> ast.expr:
    """A constant as it is made directly, in the layout that it has."""
    value = np.asarray(line.value)
    flat = value.size > 1 and all(s == 0 for n, s in zip(value.shape, value.strides, strict=True) if n > 1)
    if flat and is_uniform(value) and value.dtype.kind in "fiu":
        return ast.Call(
            numpys("broadcast_to"), [ast.Call(literal(value.dtype), [number(value)], []), literal(value.shape)], []
        )
    return structural(value) or written_out(value) or line.text


def unit(text: ast.expr) -> ast.expr | None:
    """x, if the text is x * 1, 1 * x or x / 1."""
    match text:
        case ast.BinOp(rest, ast.Mult() | ast.Div(), ast.Constant(1)) | ast.BinOp(ast.Constant(1), ast.Mult(), rest):
            return rest
    return None


def live(lines: Iterable[Line], roots: Iterable[str]) -> list[Line]:
    """Without the lines that nothing needs."""
    needed, found = set(roots), []
    for line in reversed(list(lines)):
        if line.name in needed or line.draws:
            needed.update(names_in(line.text))
            found.append(line)
    return found[::-1]


def inlined(lines: Sequence[Line], inner: Callable[[Line], bool]) -> list[Line]:
    """Lines that only one other reads and for which `inner` holds, written into it."""
    uses = Counter(name for line in lines for name in names_read(line.text))
    texts: dict[str, ast.expr] = {}
    found = []
    for line in lines:
        line = line.but(text=renamed(line.text, texts))
        if uses[line.name] == 1 and inner(line):
            texts[line.name] = line.text
        else:
            found.append(line)
    return found


def nested(lines: Sequence[Line], kept: set[str]) -> list[Line]:
    """Lines that only one other reads, written into it where that stays short. `kept` have names that say something."""
    uses = Counter(name for line in lines for name in names_read(line.text))
    waiting: dict[str, Line] = {}
    found: dict[str, Line] = {}
    for line in lines:
        mine = {n: waiting[n] for n in names_read(line.text) if n in waiting}
        for name, part in mine.items():
            new = renamed(line.text, {name: part.text})
            together = dict.fromkeys(names_read(new))
            fits = len(unparse(new)) <= LONGEST and sum(isinstance(n, OPERATIONS) for n in ast.walk(new)) <= 4
            if fits and line.body is None and line.phase == part.phase and line.quiet == part.quiet and together:
                line = line.but(text=new)
                del found[part.name]
            del waiting[name]
        found[line.name] = line
        if uses[line.name] == 1 and line.name not in kept and not line.draws and line.body is None:
            waiting[line.name] = line
    return list(found.values())
