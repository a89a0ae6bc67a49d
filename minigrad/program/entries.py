"""What one entry of a line is, as a formula of the entries of other arrays: ``y = x @ W + b`` entry by entry.

An array program says what happens to whole arrays. A loop says what happens to one entry, and a compiler goes from the
first to the second before it can do anything else. Four kinds of lines have such a formula:

- entry by entry: ``t[i, j] = a[i, j] + b[j]``, where broadcasting is an index that does not change;
- views compute nothing. ``x.T[i, j]`` is ``x[j, i]``, and every slice, window or transpose is an index of this kind,
  a number and steps; so it is read where the array is read, and has no line of its own;
- sums and products: ``y[i, j] += x[i, k] * W[k, j]`` for all k; a largest entry in the same way;
- what is written into a part of an array, as the gradient of a slice: ``y[1 + i] += g[i]``.

Everything else stays a call of NumPy's, between the loops.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np

from minigrad.program.lines import Line
from minigrad.program.program import owner
from minigrad.program.simplify import OPERATIONS, VIEWS, evaluate
from minigrad.program.symbol import Body
from minigrad.program.text import (
    is_uniform,
    libraries,
    literal,
    named,
    names_read,
    number,
    numbered,
    numpys,
    renamed,
    unparse,
)

__all__ = ["Entries", "Item", "reads"]

WINDOWS = {"sliding_window_view"}
STARTS = {"add": 0, "multiply": 1, "maximum": -np.inf, "minimum": np.inf}
SUMS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "mean": "add"}
LARGE = 4096  # multiplications of a product of matrices from which on the routines of BLAS win
BOOLEAN = ast.BitAnd | ast.BitOr | ast.BitXor


class NoFormula(Exception):
    """A line, or an operand, has no formula for its entries."""


@dataclass(eq=False)
class Item:
    """``name[index] = value``, or ``+= value``, for all values of the axes.

    Attributes:
        index: one expression of the axes for each axis of the array; a constant 0 where that has the length 1.
        axes: those that go through more than one value, in the order in which memory has them.
        how: "" to assign, or the ufunc that adds up. An axis that is not in the index is summed over.
        starts: whether nothing has been written into the array before.
    """

    name: str
    line: Line
    index: list[ast.expr]
    axes: list[str]
    value: ast.expr
    how: str = ""
    starts: bool = True
    path: list[Any] = field(default_factory=list)
    bound: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def read(self) -> list[tuple[str, list[ast.expr]]]:
        """The entries that it reads, also to know where it writes."""
        return [r for e in [self.value, *self.index] for r in reads(e)]

    def position(self, axis: str) -> int | None:
        """Which axis of the array this axis is, None if it is summed over or only a part of an index."""
        return next((p for p, e in enumerate(self.index) if isinstance(e, ast.Name) and e.id == axis), None)


def reads(tree: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """The entries that a formula reads: the name of the array and the index."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Tuple):
            yield node.value.id, node.slice.elts


def at(name: str, index: Sequence[ast.expr]) -> ast.expr:
    return ast.Subscript(named(name), ast.Tuple(list(index), ast.Load()), ast.Load())


def looked_up(index: ast.expr) -> bool:
    """Whether an index is a position out of an array."""
    return any(isinstance(node, ast.Call) for node in ast.walk(index))


def linear(offset: int, terms: Sequence[tuple[int, ast.expr]]) -> ast.expr:
    """``offset + factor * term + ...``"""
    parts: list[ast.expr] = []
    for factor, term in terms:
        if isinstance(term, ast.Constant) and isinstance(term.value, int):
            offset += factor * term.value
        elif factor or looked_up(term):  # which is out of bounds wherever it is
            parts.append(term if factor == 1 else ast.BinOp(literal(factor), ast.Mult(), term))
    if offset or not parts:
        parts.append(literal(offset))
    total = parts[0]
    for part in parts[1:]:
        total = ast.BinOp(total, ast.Add(), part)
    return total


class Entries:
    """The formulas of the lines of a program.

    Attributes:
        values: the example arrays by name.
        sizes: how many values each axis goes through.
        views: the lines that are views, which are read through.
        taken: names that nothing else may have.
    """

    def __init__(self, values: dict[str, Any], arguments: set[str], taken: Collection[str] = ()) -> None:
        self.values, self.arguments, self.taken = values, arguments, taken
        self.sizes: dict[str, int] = {}
        self.views: dict[str, ast.expr] = {}
        self.checks = False

    # ------------------------------------------------------------------------------------------------- the entries
    def axis(self, size: int) -> ast.expr:
        """A new axis; one of length 1 is the index 0."""
        if size == 1:
            return ast.Constant(0)
        name = f"axis{len(self.sizes)}"
        self.sizes[name] = size
        return named(name)

    def fresh(self, name: str) -> str:
        """The name for a part of a line, with a number if the program has one like it."""
        return next(n for n in numbered(name) if n not in self.values and n not in self.taken)

    def value(self, node: ast.expr) -> Any:
        """What an expression is for the examples."""
        if isinstance(node, ast.Name):
            return self.values[node.id]
        names = set(names_read(node))
        return evaluate(node, {name: self.values[name] for name in names if name in self.values})

    def array(self, node: ast.expr) -> Any:
        """The same, of which there is one: not the several results of a decomposition."""
        value = self.value(node)
        if not isinstance(value, np.ndarray | np.generic):
            raise NoFormula(unparse(node))
        return np.asarray(value)

    def entry(self, node: ast.expr, index: Sequence[ast.expr]) -> ast.expr:
        """The entry of an expression at an index; what is broadcast is read at 0."""
        if not any(True for _ in names_read(node)):
            value = np.asarray(evaluate(node, {}))
            if value.ndim == 0:
                return node
            return self.constant(node, value, index)
        value = self.array(node)
        index = list(index)[len(index) - value.ndim :]
        index = [ast.Constant(0) if n == 1 and not looked_up(i) else i for n, i in zip(value.shape, index, strict=True)]
        if isinstance(node, ast.Name) and node.id not in self.views:
            if node.id in self.arguments or value.ndim:
                return at(node.id, index)
            return at(node.id, [])
        node = self.views[node.id] if isinstance(node, ast.Name) else node
        if not any(True for _ in names_read(node)):
            return self.constant(node, value, index)
        if isinstance(node, ast.Subscript) and any(True for _ in names_read(node.slice)):
            return self.entry(node.value, self.positions(self.array(node.value).shape, node.slice, index))
        name, offsets, steps = self.affine(node)
        inner = [linear(o, [(s[p], i) for s, i in zip(steps, index, strict=True)]) for p, o in enumerate(offsets)]
        return self.entry(named(name), inner)

    def constant(self, node: ast.expr, value: Any, index: Sequence[ast.expr]) -> ast.expr:
        """An entry of an array that depends on nothing: a number, or the index itself."""
        if value.size and is_uniform(value):
            return self.number_like(number(value), value.dtype)
        steps = value.reshape(-1)
        if value.dtype == np.int64 and value.size and np.array_equal(steps, np.arange(value.size)):
            factors = [math.prod(value.shape[p + 1 :]) for p in range(value.ndim)]
            return linear(0, list(zip(factors, index, strict=True)))
        raise NoFormula(unparse(node))

    def affine(self, node: ast.expr) -> tuple[str, list[int], list[list[int]]]:
        """A view as the array it is of, the index of its first entry, and for each of its axes the steps there.

        Raises:
            NoFormula: the expression is no view, or its index is no sum of steps: reshape may put axes together.
        """
        if not viewing(node):
            raise NoFormula(unparse(node))
        name = next(names_read(node))
        shape = self.array(named(name)).shape
        like = np.empty(shape, np.int8)  # a view has the same indices whatever the array is; here a step is a byte
        whole = ast.Subscript(node, ast.Constant(Ellipsis), ast.Load())
        view = evaluate(arrays_always(whole), {name: like})
        if owner(view) != id(like):
            raise NoFormula(unparse(node))
        if not view.size:
            return name, [0] * len(shape), [[0] * len(shape)] * view.ndim
        start = view.__array_interface__["data"][0] - like.__array_interface__["data"][0]
        offsets = [int(i) for i in np.unravel_index(start, shape)] if shape else []
        steps = []
        for n, stride in zip(view.shape, view.strides, strict=True):
            far = np.unravel_index(abs(stride) if n > 1 else 0, shape) if shape else ()
            steps.append([int(i) * (1 if stride > 0 else -1) for i in far])
        for p, n in enumerate(shape):
            reach = [s[p] * (m - 1) for s, m in zip(steps, view.shape, strict=True)]
            if offsets[p] + sum(r for r in reach if r > 0) >= n or offsets[p] + sum(r for r in reach if r < 0) < 0:
                raise NoFormula(unparse(node))
        return name, offsets, steps

    # ------------------------------------------------------------------------------------------------- the formulas
    def items(self, line: Line) -> list[Item]:
        """The line as formulas of its entries.

        Raises:
            NoFormula: it has none.
        """
        text: Any = line.text
        if line.body is not None:
            return self.of_statements(line, line.body)
        if line.draws or not isinstance(line.value, np.ndarray | np.generic):
            raise NoFormula(unparse(text))
        if line.value.dtype.kind not in "fiub":
            raise NoFormula(unparse(text))
        if product := matrices(text):
            return [self.product(line, *product)]
        match text:
            case ast.Call(ast.Attribute(x, name), arguments, keywords) if name in SUMS and unparse(x) != "np":
                return self.reduction(line, x, name, arguments, keywords)
            case ast.Call(ast.Attribute(inner, "reshape"), _, _):
                return [self.rearranged(line, inner)]
            case ast.Call(ast.Attribute(ast.Name("np"), "einsum"), [ast.Constant(str(subscripts)), *factors], []):
                return [self.contraction(line, subscripts, factors)]
        index = [self.axis(n) for n in line.value.shape]
        return [self.item(line, index, self.scalar(line, text, index))]

    def item(
        self,
        line: Line,
        index: list[ast.expr],
        value: ast.expr,
        how: str = "",
        name: str = "",
        through: Sequence[ast.expr] = (),
    ) -> Item:
        """An item that goes through the axes of its index, and through more: a sum may be of equal entries."""
        names = dict.fromkeys(n for e in [*index, value, *through] for n in names_read(e) if n in self.sizes)
        made = Item(name or line.name, line, index, list(names), value, how)
        made.axes = self.in_order(made)
        if how and all(made.position(axis) is not None for axis in made.axes):
            made.how = ""  # nothing to add up
        return made

    def of_statements(self, line: Line, body: Body) -> list[Item]:
        """A forward of several statements, which write into parts of arrays that they have made."""
        text, result = line.text, body.result
        assert isinstance(text, ast.Call)
        match result:
            case ast.Call(ast.Attribute(ast.Name() as summed, "astype"), _, _):
                result = summed
            case ast.Name():
                pass
            case _:
                raise NoFormula(unparse(text))
        places: dict[str, ast.expr] = {}
        new: dict[str, ast.expr] = dict(zip(body.inputs, text.args, strict=True))
        space = {**libraries(), **{name: self.value(x) for name, x in new.items()}}
        found: list[Item] = []
        for statement in body.statements:
            with np.errstate(all="ignore"):
                exec(unparse(statement), space)
            match statement:
                case ast.Assign([ast.Name(own)], ast.Subscript(numbers, where)) if not any(
                    name in new for name in names_read(numbers)
                ):  # np.arange(size).reshape(shape)[where], which are the positions of [where] in memory
                    places[own] = where
                case ast.Expr(
                    ast.Call(
                        ast.Attribute(_, "at"),
                        [
                            ast.Call(ast.Attribute(ast.Name(own), "reshape")),
                            ast.Call(ast.Attribute(ast.Name(there), "reshape")),
                            ast.Call(ast.Attribute(value, "reshape")),
                        ],
                    )
                ) if there in places and "np.add.at(" in unparse(statement):
                    found.append(
                        self.part(line, new[own], renamed(places[there], new), renamed(value, new), "add", True)
                    )
                case ast.Expr(
                    ast.Call(ast.Attribute(ast.Attribute(_, "add"), "at"), [ast.Name(own), where, value])
                ) if own in new:
                    found.append(self.part(line, new[own], renamed(where, new), renamed(value, new), "add", True))
                case ast.Assign([ast.Name(own)], made):
                    same = own == result.id and space[own].dtype == line.value.dtype
                    name = line.name if same else self.fresh(f"{line.name}_{own}")
                    if own in new:
                        raise NoFormula(unparse(text))
                    self.values[name] = value = space[own]
                    part = replace(line, name=name, text=renamed(made, new), value=value, body=None)
                    computed = any(name in self.values for name in names_read(part.text))
                    found += self.items(part) if computed else [self.filled(part)]
                    new[own] = named(name)
                case ast.Assign([ast.Subscript(ast.Name(own), where)], value):
                    found.append(self.part(line, new[own], renamed(where, new), renamed(value, new)))
                case ast.AugAssign(ast.Subscript(ast.Name(own), where), ast.Add(), value):
                    found.append(self.part(line, new[own], renamed(where, new), renamed(value, new), "add"))
                case ast.AugAssign(ast.Subscript(ast.Name(own), where), op, value):
                    place = ast.Subscript(named(own), where, ast.Load())
                    whole = renamed(ast.BinOp(place, op, value), new)
                    found.append(self.part(line, new[own], renamed(where, new), whole))
                case _:
                    raise NoFormula(unparse(statement))
        if unparse(new[result.id]) != line.name:
            axes = [self.axis(n) for n in line.value.shape]
            value = ast.Call(literal(line.value.dtype), [self.entry(new[result.id], axes)], [])
            found.append(self.item(line, axes, value))
        return found

    def filled(self, line: Line) -> Item:
        """An array that is made to be written into."""
        value, text = np.asarray(line.value), line.text
        match text:
            case ast.Call(ast.Attribute(ast.Name("np"), "zeros" | "empty"), _, _):
                start: Any = 0
            case ast.Call(ast.Attribute(ast.Name("np"), "ones"), _, _):
                start = 1
            case ast.Call(ast.Attribute(ast.Name("np"), "full"), [_, fill, *_], []) if not any(
                True for _ in names_read(fill)
            ):
                start = evaluate(fill, {})
            case _:
                raise NoFormula(unparse(text))
        first = self.number_like(literal(value.dtype.type(start).item()), value.dtype)
        return self.item(line, [self.axis(n) for n in value.shape], first)

    def part(
        self, line: Line, of: ast.expr, where: ast.expr, value: ast.expr, how: str = "", often: bool = False
    ) -> Item:
        """What is written into ``of[where]``; only np.add.at may name a place twice and means both."""
        if not isinstance(of, ast.Name) or of.id in self.arguments or of.id in self.views:
            raise NoFormula(unparse(of))
        shape = self.array(of).shape
        place = ast.Subscript(of, where, ast.Load())
        if any(True for _ in names_read(where)):
            if not often:
                raise NoFormula(unparse(place))
            axes = [self.axis(n) for n in self.array(place).shape]
            index = self.positions(shape, where, axes)
        else:
            _, offsets, steps = self.affine(place)
            axes = [self.axis(n) for n in self.array(arrays_always(place)).shape]
            index = [linear(o, [(s[p], i) for s, i in zip(steps, axes, strict=True)]) for p, o in enumerate(offsets)]
        part = replace(line, value=np.asarray(self.values[of.id]))
        item = self.item(part, index, self.operand(part, value, axes), how, of.id, axes)
        item.how, item.starts = how, False
        return item

    def in_order(self, item: Item) -> list[str]:
        """The axes of an item, the one with the largest steps through memory first."""
        steps = dict.fromkeys(item.axes, 0)
        for name, index in [*reads(item.value), (item.name, item.index)]:
            value = np.asarray(self.values[name])
            strides = value.strides if name in self.arguments else np.empty(value.shape, value.dtype).strides
            for stride, part in zip(strides, index, strict=False):
                for axis in set(names_read(part)) & steps.keys():
                    steps[axis] += abs(stride)
        return sorted(item.axes, key=lambda axis: -steps[axis])

    def number_like(self, node: ast.expr, dtype: Any) -> ast.expr:
        """A number of this dtype: to numba a Python number is a float64 or an int64."""
        if dtype in (np.float64, np.int64, np.bool_):
            return node
        return ast.Call(literal(np.dtype(dtype)), [node], [])

    def operand(self, line: Line, node: ast.expr, index: Sequence[ast.expr]) -> ast.expr:
        if isinstance(node, OPERATIONS) and any(True for _ in names_read(node)) and not viewing(node):
            shape = self.array(node).shape
            inner = list(index)[len(index) - len(shape) :]
            inner = [ast.Constant(0) if n == 1 else i for n, i in zip(shape, inner, strict=True)]
            return self.scalar(line, node, inner)
        found = self.entry(node, index)
        plain = isinstance(found, ast.Constant) or (isinstance(found, ast.UnaryOp) and plain_number(found))
        return self.number_like(found, np.float32) if plain and line.value.dtype == np.float32 else found

    def scalar(self, line: Line, node: Any, index: Sequence[ast.expr]) -> ast.expr:
        """The formula of a line that works entry by entry."""
        kinds = {self.array(n).dtype.kind for n in parts_of(node)}
        match node:
            case ast.BinOp(left, ast.Pow(), ast.Constant(int(exponent))) if exponent == 2 and "b" not in kinds:
                x = self.operand(line, left, index)
                return self.cast(line, ast.BinOp(x, ast.Mult(), x))
            case ast.BinOp(left, op, right) if not isinstance(op, ast.MatMult | ast.LShift | ast.RShift | ast.FloorDiv):
                if line.value.dtype == bool and not isinstance(op, BOOLEAN):
                    raise NoFormula(unparse(node))
                sides = [self.operand(line, side, index) for side in (left, right)]
                return self.cast(line, ast.BinOp(sides[0], op, sides[1]))
            case ast.Compare(left, [op], [right]):
                return ast.Compare(self.operand(line, left, index), [op], [self.operand(line, right, index)])
            case ast.UnaryOp(ast.USub() | ast.UAdd() as op, x) if kinds <= {"f", "i"}:
                return self.cast(line, ast.UnaryOp(op, self.operand(line, x, index)))
            case ast.UnaryOp(ast.Invert(), x) if kinds == {"b"}:
                return ast.UnaryOp(ast.Not(), self.operand(line, x, index))
            case ast.Call(ast.Attribute(ast.Name("np"), "where"), [mask, a, b], []):
                test, yes, no = [self.operand(line, x, index) for x in (mask, a, b)]
                return self.cast(line, ast.IfExp(test, yes, no))
            case ast.Call(ast.Attribute(ast.Name("np"), name), arguments, []) if entrywise(name, len(arguments)):
                found = [self.operand(line, x, index) for x in arguments]
                return self.cast(line, ast.Call(numpys(name), found, []))
            case ast.Call(ast.Attribute(x, "astype"), [_], []):
                return ast.Call(literal(line.value.dtype), [self.operand(line, x, index)], [])
            case ast.Call(ast.Attribute(x, "copy"), [], []):
                return self.operand(line, x, index)
            case ast.Call(ast.Attribute(ast.Name("np"), "clip"), [x, low, high], []):
                clipped = self.operand(line, x, index)
                for how, bound in (("maximum", low), ("minimum", high)):
                    if not (isinstance(bound, ast.Constant) and bound.value is None):
                        clipped = ast.Call(numpys(how), [clipped, self.operand(line, bound, index)], [])
                return self.cast(line, clipped)
            case ast.Call(ast.Attribute(ast.Name("np"), "real"), [x], []) if kinds == {"f"}:
                return self.operand(line, x, index)
        return self.entry(node, index)

    def cast(self, line: Line, node: ast.expr) -> ast.expr:
        """An integer of fewer than 64 bits, which numba would compute with 64."""
        dtype = line.value.dtype
        short = dtype.kind in "iu" and dtype != np.int64
        return ast.Call(literal(dtype), [node], []) if short else node

    def positions(self, shape: tuple[int, ...], where: ast.expr, index: Sequence[ast.expr]) -> list[ast.expr]:
        """The index in an array of this shape of what ``x[where]`` has at `index`; `where` has arrays of positions."""
        parts = list(where.elts) if isinstance(where, ast.Tuple) else [where]
        if any(isinstance(p, ast.Constant) and p.value in (None, True, False) for p in parts):
            raise NoFormula(unparse(where))
        ellipsis = [i for i, p in enumerate(parts) if isinstance(p, ast.Constant) and p.value is Ellipsis]
        missing = len(shape) - (len(parts) - len(ellipsis))
        spot = ellipsis[0] if ellipsis else len(parts)
        parts[spot : spot + len(ellipsis)] = [ast.Slice()] * missing
        arrays = [None if isinstance(p, ast.Slice) else np.asarray(self.value(p)) for p in parts]
        given = [a for a in arrays if a is not None]
        if any(a.dtype.kind not in "iu" for a in given):
            raise NoFormula(unparse(where))
        ndim = len(np.broadcast_shapes(*(a.shape for a in given)))
        spots = [i for i, a in enumerate(arrays) if a is not None]
        together = spots[-1] - spots[0] == len(spots) - 1
        before = spots[0] if together else 0
        chosen, rest = list(index)[before : before + ndim], [*index[:before], *index[before + ndim :]]
        found, left = [], iter(rest)
        for n, part in zip(shape, parts, strict=True):
            if isinstance(part, ast.Slice):
                start, _, step = evaluate(slice_of(part), {}).indices(n)
                found.append(linear(start, [(step, next(left))]))
            else:
                found.append(self.checked(self.entry(part, chosen), n))
        return found

    def checked(self, position: ast.expr, n: int) -> ast.expr:
        if isinstance(position, ast.Constant) and isinstance(position.value, int) and 0 <= position.value < n:
            return position
        if isinstance(position, ast.Name) and self.sizes.get(position.id, n + 1) <= n:
            return position
        self.checks = True
        return ast.Call(named("checked"), [position, ast.Constant(n)], [])

    def reduction(self, line: Line, x: ast.expr, name: str, arguments: Any, keywords: Any) -> list[Item]:
        given = {k.arg: k.value for k in keywords} | ({"axis": arguments[0]} if arguments else {})
        start = evaluate(given.pop("initial"), {}) if "initial" in given else STARTS[SUMS[name]]
        if given.keys() - {"axis", "keepdims", "dtype"} or len(arguments) > 1 or start != STARTS[SUMS[name]]:
            raise NoFormula(unparse(line.text))
        of = self.array(x)
        axis = evaluate(given["axis"], {}) if "axis" in given else None
        given_axes = range(of.ndim) if axis is None else axis if isinstance(axis, tuple) else [axis]
        over = {a % of.ndim for a in given_axes} if of.ndim else set()
        dtype = line.value.dtype
        if dtype.kind == "b" or (of.dtype.kind in "iu" and name in ("max", "min")):
            raise NoFormula(unparse(line.text))
        index = [self.axis(n) for n in of.shape]
        kept = "keepdims" in given and evaluate(given["keepdims"], {})
        if kept:
            out = [ast.Constant(0) if p in over else e for p, e in enumerate(index)]
        else:
            out = [e for p, e in enumerate(index) if p not in over]
        value = self.entry(x, index)
        if of.dtype != dtype and name != "mean":
            value = ast.Call(literal(dtype), [value], [])
        how, count = SUMS[name], math.prod(of.shape[p] for p in over)
        if name != "mean":
            return [self.item(line, out, value, how, through=index)]
        total = self.fresh(f"{line.name}_sum")
        self.values[total] = line.value
        first = self.item(line, out, value, how, total, index)
        new = [self.axis(n) for n in line.value.shape]
        mean = ast.BinOp(at(total, new), ast.Div(), self.number_like(literal(count), dtype))
        return [first, self.item(line, new, mean)]

    def product(self, line: Line, a: ast.expr, b: ast.expr, dot: bool) -> Item:
        """A product of matrices, vectors, or stacks of matrices."""
        A, B = self.array(a), self.array(b)
        if not A.ndim or not B.ndim or (dot and max(A.ndim, B.ndim) > 2):
            raise NoFormula(unparse(line.text))
        if {A.dtype.kind, B.dtype.kind} - {"f", "i"}:
            raise NoFormula(unparse(line.text))
        rows, n, columns = A.shape[-2] if A.ndim > 1 else 1, A.shape[-1], B.shape[-1] if B.ndim > 1 else 1
        blas = A.ndim == B.ndim == 2 and A.dtype == B.dtype and A.dtype.kind == "f"
        if blas and min(rows, columns, n) > 1 and rows * n * columns > LARGE:
            raise NoFormula("BLAS")
        k = self.axis(n)
        index = [self.axis(m) for m in line.value.shape]
        stack = index[: max(A.ndim, B.ndim) - 2]
        inner = index[len(stack) :]
        i, j = inner[: A.ndim > 1], inner[len(inner) - (B.ndim > 1) :]
        left = self.entry(a, [*stack, *i, k][-A.ndim :])
        right = self.entry(b, [*stack, k, *j][-B.ndim :])
        return self.item(line, index, ast.BinOp(left, ast.Mult(), right), "add", through=[k])

    def contraction(self, line: Line, subscripts: str, factors: Sequence[ast.expr]) -> Item:
        """A sum of products, as np.einsum has it: each letter is an axis."""
        *names, out = subscripts.replace("->", ",").split(",")
        arrays = [self.array(x) for x in factors]
        if any(a.dtype.kind not in "fi" for a in arrays):
            raise NoFormula(unparse(line.text))
        lengths: dict[str, int] = {}
        for name, a in zip(names, arrays, strict=True):
            lengths |= {k: n for k, n in zip(name, a.shape, strict=True) if lengths.get(k, 1) == 1}
        axes = {k: self.axis(n) for k, n in lengths.items()}
        entries = [self.entry(x, [axes[k] for k in name]) for name, x in zip(names, factors, strict=True)]
        value = reduce(lambda a, b: ast.BinOp(a, ast.Mult(), b), entries)
        return self.item(line, [axes[k] for k in out], value, "add", through=[*axes.values()])

    def as_product(self, text: ast.expr) -> ast.expr:
        """A product of matrices that is written as a sum: BLAS may have it."""
        match text:
            case ast.Call(ast.Attribute(ast.Name("np"), "einsum"), [ast.Constant(str(subscripts)), a, b], []):
                left, right, out = subscripts.replace("->", ",").split(",")
                if any(len(name) != 2 or name[0] == name[1] for name in (left, right, out)):
                    return text
                if out[0] in right:
                    a, b, left, right = b, a, right, left
                k = "".join({*left} & {*right})
                if {*out} != {*left} ^ {*right} or out[0] not in left:
                    return text
                a = a if left[1] == k else ast.Attribute(a, "T", ast.Load())
                b = b if right[0] == k else ast.Attribute(b, "T", ast.Load())
                if self.array(a).shape[1] == self.array(b).shape[0]:
                    return ast.BinOp(a, ast.MatMult(), b)
        return text

    def rearranged(self, line: Line, inner: ast.expr) -> Item:
        """A reshape that puts axes together, as a copy: an axis for each of the array's, and the index has the sums."""
        old, new = self.array(inner).shape, line.value.shape
        axes = [self.axis(n) for n in old]
        index: list[ast.expr] = []
        spot = 0
        for n in new:
            first, size = spot, 1
            while size < n and spot < len(old):
                size *= old[spot]
                spot += 1
            if size != n:
                raise NoFormula(unparse(line.text))
            factors = [math.prod(old[p + 1 : spot]) for p in range(first, spot)]
            index.append(linear(0, list(zip(factors, axes[first:spot], strict=True))))
            while spot < len(old) and old[spot] == 1:
                spot += 1
        if spot != len(old):
            raise NoFormula(unparse(line.text))
        return self.item(line, index, self.entry(inner, axes), through=axes)


# ------------------------------------------------------------------------------------------------------- the patterns
def viewing(node: ast.expr) -> bool:
    """Whether an expression only looks at the one array that it names, in other shapes."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(x, "T" | "mT"):
            return viewing(x)
        case ast.Call(ast.Attribute(x, name), arguments, _) if name in VIEWS | WINDOWS:
            library = unparse(x) in ("np", "np.lib.stride_tricks")
            return viewing(arguments[0] if library else x)
        case ast.Subscript(x, index):
            return not any(True for _ in names_read(index)) and "[" not in unparse(index) and viewing(x)
    return False


def arrays_always(node: Any) -> Any:
    """An expression of views in which x[0] is an array of no axes, and no number: x[0, ...]."""
    if isinstance(node, ast.Subscript):
        index = node.slice
        parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
        if not any(isinstance(p, ast.Constant) and p.value is Ellipsis for p in parts):
            parts.append(ast.Constant(Ellipsis))
        return ast.Subscript(arrays_always(node.value), ast.Tuple(parts, ast.Load()), ast.Load())
    if isinstance(node, ast.Attribute):
        return ast.Attribute(arrays_always(node.value), node.attr, ast.Load())
    if isinstance(node, ast.Call):
        return ast.Call(arrays_always(node.func), [arrays_always(a) for a in node.args], node.keywords)
    return node


def slice_of(part: ast.Slice) -> ast.expr:
    return ast.Call(named("slice"), [x or ast.Constant(None) for x in (part.lower, part.upper, part.step)], [])


def matrices(text: Any) -> tuple[ast.expr, ast.expr, bool] | None:
    """The two factors of a product of matrices, and whether it is np.dot."""
    match text:
        case ast.BinOp(a, ast.MatMult(), b):
            return a, b, False
        case ast.Call(ast.Attribute(ast.Name("np"), "matmul" | "dot" as name), [a, b], []):
            return a, b, name == "dot"
        case ast.Call(ast.Attribute(a, "dot"), [b], []) if unparse(a) != "np":
            return a, b, True
    return None


def entrywise(name: str, count: int) -> bool:
    """Whether np.name works entry by entry on so many arrays."""
    function = getattr(np, name, None)
    if not isinstance(function, np.ufunc):
        return False
    return function.signature is None and function.nin == count and function.nout == 1


def plain_number(node: ast.UnaryOp) -> bool:
    return isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)


def parts_of(node: Any) -> list[ast.expr]:
    """The operands that name an array."""
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp):
        parts = [node.operand]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        parts = node.args
    else:
        parts = []
    return [p for p in parts if any(True for _ in names_read(p))]
