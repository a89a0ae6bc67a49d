"""A program as loops: what a compiler makes of lines that work on whole arrays.

NumPy goes through memory once for each line, and each line leaves an array behind: at 20,640 rows that costs more than
the arithmetic. Here the lines are taken as formulas for one entry (see entries.py), and lines that go through the same
axis share one loop, so that a row is read once and what one line hands to the next is a number in a register. This is
called fusion. It decides four things, in this order:

1. **Which loop.** A line joins the loop of the lines it reads, if what it needs of them is there: the entries of the
   same turn, finished. A sum over the axis of the loop is finished only behind it, and so what reads the sum begins
   another loop. The rule is applied again inside of the loop, to the axes that are left.
2. **What is kept.** What is read in the same turn only is a number. What is read in another loop is kept in an array,
   of the axes in which the two loops differ.
3. **How many rows a turn takes.** Four, where rows are added up in an array: see `unrolls`.
4. **What is left to NumPy.** Large products of matrices, since nothing written in a page is as fast as BLAS; and what
   has no formula.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np

from minigrad.program.buffers import Apart
from minigrad.program.entries import STARTS, Entries, Item, NoFormula, at, linear, looked_up, matrices, reads, viewing
from minigrad.program.lines import Line
from minigrad.program.simplify import LONGEST
from minigrad.program.text import literal, named, names_read, numpys, renamed, unparse

__all__ = ["Loops", "Printed"]

SMALL = 4096  # turns of all loops of a line together, below which the order of the loops does not matter
COPIES, MANY = 4, 64  # rows that a turn takes of a loop through many, if they are added up in an array
SHORT = 40  # lines of a loop that may be written out for each of these rows: numba takes 10 ms for a line
Printed = tuple[str, "Line | None"]  # a line of text, and the line of the program that it is part of


@dataclass(eq=False)
class Turns:
    """A loop: ``for variable in range(size)``, and what it does at each turn."""

    size: int
    body: list[Any] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    read: set[tuple[str, int]] = field(default_factory=set)


@dataclass(eq=False)
class Start:
    """Where a sum is set to zero: before the outermost loop that adds to it."""

    item: Item


@dataclass(eq=False)
class Call:
    """A line that stays a call of NumPy's."""

    line: Line
    text: ast.expr


class Loops:
    """The lines of a program as loops, and calls of NumPy between them.

    Attributes:
        body: the outermost loops and calls, in order.
        arrays: for each name how much of it is kept: the axes of the array, None for all of them as they are.
        placed: for the result of an update the parameter whose memory it is written into.
    """

    def __init__(
        self, apart: Apart, arguments: Mapping[str, Any], taken: Collection[str] = (), in_place: bool = False
    ) -> None:
        self.arguments = arguments
        self.entries = Entries(dict(apart.values), set(arguments), taken)
        self.values = self.entries.values
        self.body: list[Any] = []
        self.items: dict[str, list[Item]] = {}
        self.whole = set(apart.returned)
        for line in apart.lines:
            self.add(line)
        for line in apart.lines:
            if line.name in self.whole and line.name in self.entries.views:
                self.copied(line)
        self.placed = self.in_place(apart) if in_place else {}
        self.arrays = {name: self.kept(name) for name in self.items}

    def result(self, text: ast.expr) -> ast.expr:
        """What is returned, which needs no copy where it is a number."""
        match text:
            case ast.Call(ast.Attribute(ast.Name(name) as y, "copy")) if name in self.items and not self.is_array(name):
                return y
        return text

    # ---------------------------------------------------------------------------------------------- formulas and calls
    def add(self, line: Line) -> None:
        """One line, as formulas where it has them."""
        line = self.with_copies(line.but(text=self.entries.as_product(line.text)))
        if self.is_view(line):
            self.entries.views[line.name] = line.text
            return
        try:
            for item in self.entries.items(line):
                self.place(item, self.body, [])
        except NoFormula:
            text = self.spelled_out(self.in_numbas_words(line.text))
            self.whole.update(names_read(text))
            self.body.append(Call(replace(line, text=text), text))

    def is_view(self, line: Line) -> bool:
        """Whether a line is read through: a view, or a constant with a formula."""
        try:
            if any(True for _ in names_read(line.text)):
                return viewing(line.text) and bool(self.entries.affine(line.text))
            value = np.asarray(line.value)
            return bool(self.entries.constant(line.text, value, [ast.Constant(0)] * value.ndim))
        except NoFormula:
            return False

    def with_copies(self, line: Line) -> Line:
        """The line, with a line of their own for the reshapes in it that put axes together."""
        found: dict[str, str] = {}
        for node in list(ast.walk(line.text)):
            match node:
                case ast.Call(ast.Attribute(_, "reshape"), _, _) if node is not line.text and viewing(node):
                    try:
                        self.entries.affine(node)
                    except NoFormula:
                        name = self.entries.fresh(f"{line.name}_{len(found) + 1}")
                        value = self.entries.value(node)
                        self.values[name] = value
                        self.add(replace(line, name=name, text=node, value=value, body=None))
                        found[unparse(node)] = name
        return replace(line, text=exchanged(line.text, found)) if found else line

    def spelled_out(self, text: ast.expr) -> ast.expr:
        """A text that reads arrays, where it read views that have no line."""
        while read := {n: self.entries.views[n] for n in names_read(text) if n in self.entries.views}:
            text = renamed(text, read)
        return text

    def in_numbas_words(self, text: ast.expr) -> ast.expr:
        """A call as numba takes it: of two matrices np.dot, which it hands to BLAS as it is; a sort of one axis."""
        match text:
            case ast.Call(ast.Attribute(ast.Name("np"), "argsort") as function, [x, *_]):
                stable = ast.keyword("kind", ast.Constant("mergesort"))
                return ast.Call(function, [x], [stable]) if np.ndim(self.entries.value(x)) == 1 else text
        product = matrices(text)
        if not product or any(np.ndim(self.entries.value(x)) > 2 for x in product[:2]):
            return text
        return ast.Call(numpys("dot"), list(product[:2]), [])

    def copied(self, line: Line) -> None:
        """A view that is returned, as an array of its own."""
        view = self.entries.views[line.name]
        index = [self.entries.axis(n) for n in np.shape(line.value)]
        value = self.entries.entry(named(line.name), index)
        del self.entries.views[line.name]
        self.place(self.entries.item(replace(line, text=view), index, value), self.body, [])

    # ------------------------------------------------------------------------------------------------- which loop
    def place(self, item: Item, body: list[Any], path: list[Turns]) -> None:
        """Put an item where it belongs in `body`, which is inside of the loops of `path`."""
        if not path:
            self.items.setdefault(item.name, []).append(item)
        left = [axis for axis in item.axes if axis not in item.bound]
        if not left:
            item.path = path
            body.append(item)
            return
        needed = {name for name, _ in item.read}
        needed |= set() if item.starts else {item.name}
        held = {name for name in [item.name] if not item.starts}  # which others read as it was before
        first = max(
            (i for i, node in enumerate(body) if names_of(node) & needed or held & read_in(node)),
            default=0,
        )
        loops = [(spot, node) for spot, node in enumerate(body) if spot >= first and isinstance(node, Turns)]
        able = [(spot, node, axis) for spot, node in loops for axis in left if self.joins(item, node, axis, left)]
        gains = [one for one in able if self.reads_the_same(item, one[1], one[2])]
        other = [one for one in able if one[2] == left[0]][-1:]
        if not gains and not other:
            body.append(Turns(self.entries.sizes[left[0]]))
        spot, node, axis = (gains or other or [(len(body) - 1, body[-1], left[0])])[0]
        self.bind(item, axis, node, body, spot, path)

    def bind(self, item: Item, axis: str, node: Turns, body: list[Any], spot: int, path: list[Turns]) -> None:
        """Let a loop go through an axis of an item, and place the item inside."""
        summed = item.how and item.position(axis) is None
        if summed and item.starts and all(item.position(a) is not None for a in item.bound):
            body.insert(spot, Start(item))
        item.bound[axis] = node
        node.names.add(item.name)
        for name, index in item.read:
            node.read.update((name, p) for p in positions_of(axis, index))
        self.place(item, node.body, [*path, node])

    def joins(self, item: Item, node: Turns, axis: str, left: Sequence[str]) -> bool:
        """Whether an item can go through `axis` in a loop that is there: what it reads is finished at the same turn."""
        sizes = self.entries.sizes
        if sizes[axis] != node.size:
            return False
        if axis != left[0] and np.prod([sizes[a] for a in left], dtype=float) > SMALL:
            return False
        own = [] if item.starts else [(item.name, item.index)]
        before = [other for other in items_in(node.body) if own and item.name in {name for name, _ in other.read}]
        there = {axis for other in before for axis, loop in other.bound.items() if loop is node}
        if any(
            positions_of(through, index) != positions_of(axis, item.index)
            for other in before
            for name, index in other.read
            if name == item.name
            for through in there & other.bound.keys()
        ):
            return False
        return all(
            maker.position(through) is not None and maker.position(through) in positions_of(axis, index)
            for name, index in [*item.read, *own]
            if name in node.names
            for maker in self.items[name]
            for through, loop in maker.bound.items()
            if loop is node
        )

    def reads_the_same(self, item: Item, node: Turns, axis: str) -> bool:
        """Whether an item reads what is computed or read at each turn of a loop, too."""
        return any(
            name in node.names or any((name, p) in node.read for p in positions_of(axis, index))
            for name, index in item.read
        )

    # ------------------------------------------------------------------------------------------------- what is kept
    def readers(self, name: str) -> list[Item]:
        return [item for items in self.items.values() for item in items if any(n == name for n, _ in item.read)]

    def kept(self, name: str) -> list[int] | None:
        """The axes of an array that are kept; all of it (None) where it leaves the loops."""
        makers = self.items[name]
        if name in self.whole:
            return None
        readers = self.readers(name)
        paths = [item.path for item in [*makers, *readers]]
        shared = len(makers[0].path)
        for path in paths:
            same = [a is b for a, b in zip(makers[0].path, path, strict=False)]
            shared = min(shared, same.index(False) if False in same else len(same))
        gone = set(map(id, makers[0].path[:shared]))
        shape = np.shape(self.values[name])
        dropped = {makers[0].position(axis) for axis, loop in makers[0].bound.items() if id(loop) in gone}
        written = [item.index for item in makers]
        indices = [*written, *(index for item in readers for n, index in item.read if n == name)]
        used = {p for p, n in enumerate(shape) if n != 1 or any(looked_up(index[p]) for index in indices)}
        return sorted(used - dropped)

    def in_place(self, apart: Apart) -> dict[str, str]:
        """The results of an update that can be written over the parameter at once."""
        order = list(items_in(self.body))
        found = {}
        for x, new in apart.updated.items():
            made = self.items.get(new, [])
            if len(made) != 1 or x in apart.returned or new not in self.whole or not np.ndim(self.values[x]):
                continue
            one = made[0]
            if np.shape(self.values[x]) != np.shape(self.values[new]) or one.how:
                continue
            called = any(x in names_read(node.text) for node in self.body if isinstance(node, Call))
            before = all(
                (item.path is one.path or item.path == one.path)
                and all(unparse_all(i, item) == unparse_all(one.index, one) for n, i in reads(item.value) if n == x)
                if order.index(item) >= order.index(one)
                else self.over_before(item, one)
                for item in self.readers(x)
            )
            if before and not called and apart.returned.count(new) == 1:
                found[new] = x
        return found

    def over_before(self, item: Item, one: Item) -> bool:
        """Whether the loops of an item end before those of another begin, or read what that writes later."""
        return not item.path or not one.path or item.path[0] is not one.path[0] or item.path == one.path

    # ------------------------------------------------------------------------------------------------- the text
    def allocations(self) -> Iterator[str]:
        """The arrays that are kept, beside those that a call makes."""
        for name, axes in self.arrays.items():
            if ((axes is None and np.ndim(self.values[name])) or axes) and name not in self.placed:
                yield f"{name} = {unparse(self.allocation(name))}"

    def allocation(self, name: str) -> ast.expr:
        value, axes = np.asarray(self.values[name]), self.arrays[name]
        shape = value.shape if axes is None else tuple([value.shape[p] for p in axes])
        size = literal(shape if len(shape) != 1 else shape[0])
        kind = [] if value.dtype == np.float64 else [literal(value.dtype)]
        return ast.Call(ast.Attribute(named("np"), "empty", ast.Load()), [size, *kind], [])

    def print(self, taken: Collection[str], cut: Mapping[str, str] | None = None) -> Iterator[Printed]:
        """The loops as text. No variable is called as one of `taken`.

        Args:
            cut: for an argument that has some of the rows of an array, what this is called; they begin at `start`.
        """
        self.cut = cut or {}
        self.used = {*taken, *self.values, *self.arguments}
        self.variables = [v for v in [*"ijklmnopqrst", *(f"i{n}" for n in range(20))] if v not in self.used]
        items = [item for items in self.items.values() for item in items]
        self.uses = Counter(name for item in items for name, _ in item.read)
        yield from self.printed(self.body, [])

    def printed(self, body: Sequence[Any], path: list[Turns], copies: int = 1) -> Iterator[Printed]:
        waiting: dict[tuple[str, int], ast.expr] = {}
        for node in body:
            if isinstance(node, Turns):
                inside = [*path, node]
                if copies == 1 and self.unrolls(node, path):
                    yield from self.turns(f"range(0, {node.size // COPIES * COPIES}, {COPIES})", inside, COPIES)
                    if node.size % COPIES:
                        yield from self.turns(f"range({node.size // COPIES * COPIES}, {node.size})", inside)
                else:
                    yield from self.turns(f"range({self.length(node, copies)})", inside, copies)
            elif isinstance(node, Call):
                yield f"{node.line.name} = {unparse(node.text)}", node.line
            elif isinstance(node, Start):
                yield self.started(node.item, path, copies), None
            else:
                yield from self.written(node, waiting, body, copies)

    def turns(self, through: str, path: list[Turns], copies: int = 1) -> Iterator[Printed]:
        yield f"for {self.variables[len(path) - 1]} in {through}:", None
        yield from ((f"    {text}", line) for text, line in self.printed(path[-1].body, path, copies))

    def unrolls(self, node: Turns, path: Sequence[Turns]) -> bool:
        """Whether a loop takes several rows a turn: it is long, and adds rows up in an array.

        Each addition there would wait for the one before, through memory; several rows are added up in registers first.
        """
        items = list(items_in(node.body))
        across = [item for item in items if self.is_across(item, node)]
        local = [item for item in items if item not in across]
        return (
            not path
            and node.size >= MANY
            and len(items) <= SHORT
            and all(item.how == "add" and item.starts for item in across)
            and any(self.is_array(item.name) for item in across)
            and all(not self.is_array(item.name) or node in self.loops_of(item) for item in local)
            and not {self.copy(item.name, r) for item in local for r in range(1, COPIES)} & self.used
        )

    def is_across(self, item: Item, node: Turns) -> bool:
        """Whether an item adds up over the turns of a loop, or writes at another place than its turn."""
        return any(loop is node and item.position(axis) is None for axis, loop in item.bound.items())

    def loops_of(self, item: Item) -> list[Turns]:
        """The loops that choose which entry of what is kept an item writes."""
        axes = self.arrays[item.name]
        spots = {axis: item.position(axis) for axis in item.bound}
        return [item.bound[axis] for axis, p in spots.items() if p is not None and (axes is None or p in axes)]

    def copy(self, name: str, r: int) -> str:
        """What a number of a loop is called for row r of those that a turn takes."""
        return f"{name}_{r}" if r else name

    def length(self, node: Turns, copies: int) -> str:
        """The turns of a loop; not as a number where the compiler would write out the few turns instead of vectors."""
        shapes = sorted((name, p) for name, p in node.read if name in self.arguments)
        if copies == 1 or not shapes:
            return str(node.size)
        name, p = shapes[0]
        return f"{self.cut.get(name, name)}.shape[{p}]"

    def started(self, item: Item, path: list[Turns], copies: int) -> str:
        dtype = np.asarray(self.values[item.name]).dtype
        start = STARTS[item.how]
        first = self.entries.number_like(literal(float(start) if dtype.kind == "f" else start), dtype)
        there = {axis for axis, loop in item.bound.items() if loop in path}
        index = [e if set(names_read(e)) & self.entries.sizes.keys() <= there else ast.Slice() for e in item.index]
        targets = (unparse(self.named(item, at(item.name, index), {}, r)) for r in range(copies))
        return f"{' = '.join(targets)} = {unparse(first)}"

    def is_array(self, name: str) -> bool:
        return bool(self.arrays[name] or (self.arrays[name] is None and np.ndim(self.values[name])))

    def stored(self, name: str) -> str:
        return self.placed.get(name, name)

    def written(
        self, item: Item, waiting: dict[tuple[str, int], ast.expr], body: Sequence[Any], copies: int
    ) -> Iterator[Printed]:
        """An item as a line; one that a single line of this body reads waits until it is part of that."""
        values = [self.named(item, item.value, waiting, r) for r in range(copies)]
        alone = len(self.items[item.name]) == 1
        plain = alone and not item.how and not self.is_array(item.name) and item.name not in self.whole
        if plain and self.uses[item.name] == 1 and len(unparse(values[0])) < LONGEST // 2:
            reader = self.readers(item.name)[0]
            if reader in body and not set(names_read(values[0])) & set(self.placed.values()):
                waiting.update({(item.name, r): value for r, value in enumerate(values)})
                return
        if copies > 1 and self.is_across(item, item.path[0]):
            values = [reduce(lambda total, value: ast.BinOp(total, ast.Add(), value), values)]
        for r, value in enumerate(map(unparse, values)):
            target = unparse(self.named(item, at(item.name, item.index), waiting, r))
            if item.how in ("maximum", "minimum"):
                yield f"{target} = np.{item.how}({target}, {value})", item.line
            else:
                yield f"{target} {({'add': '+', 'multiply': '*', '': ''})[item.how]}= {value}", item.line

    def named(self, item: Item, node: Any, waiting: dict[tuple[str, int], ast.expr], r: int = 0) -> Any:
        """A formula with the variables of the loops, reading what is kept; for row r of those that a turn takes."""
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and isinstance(node.value, ast.Name):
            name, index = node.value.id, [self.named(item, e, waiting, r) for e in node.slice.elts]
            if (name, r) in waiting:
                return waiting.pop((name, r))
            if name in self.arrays:
                axes = self.arrays[name]
                index = index if axes is None else [index[p] for p in axes]
                own = r and item.path and any(maker.path[:1] == item.path[:1] for maker in self.items[name])
                return entry_of(self.copy(name, r) if own and not index else self.stored(name), index)
            if name in self.cut:
                first = linear(0, [(1, named("start")), (1, index[0])])
                return ast.Subscript(named(self.cut[name]), one_or_all([first, *index[1:]]), ast.Load())
            if name in self.arguments or index:
                return ast.Subscript(named(name), one_or_all(index), ast.Load())
            return named(name)
        if isinstance(node, ast.Name) and node.id in item.bound:
            depth = item.path.index(item.bound[node.id])
            variable = named(self.variables[depth])
            return ast.BinOp(variable, ast.Add(), literal(r)) if r and not depth else variable
        if isinstance(node, list):
            return [self.named(item, part, waiting, r) for part in node]
        if not isinstance(node, ast.AST) or not node._fields:
            return node
        return type(node)(**{k: self.named(item, v, waiting, r) for k, v in ast.iter_fields(node)})


def positions_of(axis: str, index: Sequence[ast.expr]) -> list[int]:
    """Where an axis is an index by itself."""
    return [p for p, e in enumerate(index) if isinstance(e, ast.Name) and e.id == axis]


def entry_of(name: str, index: list[ast.expr]) -> ast.expr:
    return ast.Subscript(named(name), one_or_all(index), ast.Load()) if index else named(name)


def one_or_all(index: list[ast.expr]) -> ast.expr:
    return index[0] if len(index) == 1 else ast.Tuple(index, ast.Load())


def unparse_all(index: Sequence[ast.expr], item: Item) -> list[str]:
    """An index as text that is the same where the loops are the same."""
    new = {axis: named(f"loop{item.path.index(loop)}") for axis, loop in item.bound.items()}
    return [unparse(renamed(e, new)) for e in index]


def names_of(node: Any) -> set[str]:
    """The names that a part of a body computes."""
    if isinstance(node, Turns):
        return node.names
    if isinstance(node, Start):
        return set()
    return {node.line.name} if isinstance(node, Call) else {node.name}


def read_in(node: Any) -> set[str]:
    """The names that a part of a body reads."""
    if isinstance(node, Call):
        return set(names_read(node.text))
    found = items_in([node])
    return {name for item in found for name, _ in item.read}


def items_in(body: Sequence[Any]) -> Iterator[Item]:
    for node in body:
        if isinstance(node, Turns):
            yield from items_in(node.body)
        elif isinstance(node, Item):
            yield node


def exchanged(tree: Any, names: Mapping[str, str]) -> Any:
    """A syntax tree with names in the place of the expressions that read like this."""
    if isinstance(tree, list):
        return [exchanged(part, names) for part in tree]
    if isinstance(tree, ast.expr) and unparse(tree) in names:
        return named(names[unparse(tree)])
    if not isinstance(tree, ast.AST) or not tree._fields:
        return tree
    return type(tree)(**{k: exchanged(v, names) for k, v in ast.iter_fields(tree)})
