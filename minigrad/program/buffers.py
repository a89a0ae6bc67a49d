"""A program that allocates once: one operation a line, its result in a buffer, a buffer for several results in turn.

A buffer is free again after the last line that reads what it holds, or a view of it. It has the memory layout that the
result had on the tape, since the order of a sum follows the layout. What is returned is never a buffer.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.ops.elementwise import BITS
from minigrad.program.lines import Line
from minigrad.program.program import Text, helpers_of, owner
from minigrad.program.recording import Recording
from minigrad.program.simplify import inlined, is_view
from minigrad.program.text import OPERATORS, libraries, literal, named, names_read, numpys, unparse
from minigrad.tensor import Tensor

__all__ = ["Apart", "Buffer", "faster", "taken_apart", "with_buffers"]

ARITHMETIC = ast.BinOp, ast.UnaryOp, ast.Compare  # makes memory of its own
UFUNCS = {op: name for name, op in OPERATORS.items()}
MANY = 256  # entries from which on a choice is worth three views
REDUCTIONS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}


@dataclass
class Buffer:
    """Memory for results of one shape, dtype and layout."""

    name: str
    like: Any

    @property
    def text(self) -> str:
        """How it is allocated."""
        axes = by_stride(self.like)
        lengths = tuple([self.like.shape[i] for i in axes])
        shape = literal(lengths if self.like.ndim != 1 else self.like.size)
        dtype = "" if self.like.dtype == np.float64 else f", {unparse(literal(self.like.dtype))}"
        turned = "" if axes == sorted(axes) else f".transpose({', '.join(str(axes.index(i)) for i in sorted(axes))})"
        return f"{self.name} = np.empty({unparse(shape)}{dtype}){turned}"


@dataclass
class Apart:
    """A recording as lines of one operation each, with their final names.

    Attributes:
        helpers: the functions that some of the lines call.
        result: what is returned, and `returned` the names in it.
        updated: for the name of a parameter, that of what the update made of it.
        values: what arguments and lines are for the examples, views being views of each other as in every call.
    """

    lines: list[Line]
    helpers: list[ast.stmt]
    result: ast.expr
    updated: dict[str, str]
    values: dict[str, Any]

    @property
    def returned(self) -> list[str]:
        return [node.id for node in ast.walk(self.result) if isinstance(node, ast.Name)]


def taken_apart(recording: Recording, taken: Sequence[str]) -> Apart:
    """The simplified lines of a recording, taken apart; no line is called as one of `taken`."""
    text = Text(recording)
    text.simplified(open_all=True)
    now = text.now
    kept = {now[y] for y in text.results}
    text.lines = inlined(text.lines, lambda line: line.name not in kept and not line.constant and of_view(line.text))
    lines, result = text.named(taken)
    final = {old.name: new.name for old, new in zip(text.lines, lines, strict=True)}
    updated = {now[x]: final.get(now[new], now[new]) for x, new in zip(*recording.updated, strict=False)}
    helpers = helpers_of(lines, [*taken, *text.taken])
    space = libraries()
    exec("\n".join(map(unparse, helpers)), space)
    values = {a.name: a.value.array if type(a.value) is Tensor else a.value for a in recording.arguments}
    with np.errstate(all="ignore"):
        for line in lines:
            known = line.draws or (isinstance(line.text, ARITHMETIC) and line.value.base is None)
            values[line.name] = line.value if known else eval(unparse(line.text), space, values)
    return Apart(lines, helpers, result, updated, values)


def of_view(text: ast.expr) -> bool:
    """Whether a line is a view, like x.T: it may stand where it is read."""
    return isinstance(text, ast.Attribute) or is_view(text)


def as_reduction(node: Any) -> Any:
    """x.sum(0) as np.add.reduce(x, 0), which it calls, and which takes ``out=`` without a detour."""
    match node:
        case ast.Call(ast.Attribute(x, name), arguments, keywords) if name in REDUCTIONS and unparse(x) != "np":
            axis = arguments or [ast.Constant(None)]
            return ast.Call(numpys(f"{REDUCTIONS[name]}.reduce"), [x, *axis], keywords)
    return node


def as_ufunc(node: Any) -> Any:
    """a + b as np.add(a, b)."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in UFUNCS:
            return ast.Call(numpys(UFUNCS[type(op)]), [left, right], [])
        case ast.Compare(left, [op], [right]) if type(op) in UFUNCS:
            return ast.Call(numpys(UFUNCS[type(op)]), [left, right], [])
        case ast.UnaryOp(ast.USub(), operand):
            return ast.Call(numpys("negative"), [operand], [])
    return node


def as_product_of_bits(node: Any, values: Mapping[str, Any]) -> ast.Call | None:
    """np.where(mask, x, 0) of floats as a product of bits, as `masked` has it on the tape; this has ``out=``, too."""
    match node:
        case ast.Call(func, [ast.Name(mask), x, ast.Constant(0)]) if unparse(func) == "np.where" and shows(x):
            floats, chosen = values[next(names_read(x))], values[mask]
            arrays = isinstance(floats, np.ndarray) and isinstance(chosen, np.ndarray)
            if arrays and chosen.dtype == bool and floats.dtype in BITS and chosen.size >= MANY:
                return ast.Call(numpys("multiply"), [viewed(x, BITS[floats.dtype]), named(mask)], [])
    return None


def shows(node: ast.expr) -> bool:
    """Whether an expression is an array that has a name, or a view of one: its dtype is that of the array."""
    moved = isinstance(node, ast.Call) and unparse(node.func) == "np.transpose"
    return isinstance(node, ast.Name) or of_view(node) or moved


def viewed(array: ast.expr, dtype: Any) -> ast.expr:
    return ast.Call(ast.Attribute(array, "view", ast.Load()), [literal(dtype)], [])


def faster(lines: Sequence[Line], values: Mapping[str, Any]) -> tuple[list[Line], list[tuple[str, ast.expr]]]:
    """The lines with the quicker of two spellings of one thing, and the numbers that they need, as (name, text).

    NumPy converts a Python number each time it meets an array, and an array of no axes never; where it has to
    broadcast, it takes twice the time. x.dot(W) calls the routine that np.matmul calls for contiguous matrices, with
    less around it.
    """
    numbers: dict[str, str] = {}

    def number(node: ast.expr, other: ast.expr, dtype: Any) -> ast.expr:
        if not isinstance(node, ast.Constant) or type(node.value) not in (int, float) or dtype.kind != "f":
            return node
        if not isinstance(other, ast.Name) or not values[other.id].ndim or values[other.id].dtype != dtype:
            return node
        text = unparse(ast.Call(numpys("array"), [node, *([] if dtype == np.float64 else [literal(dtype)])], []))
        return named(numbers.setdefault(text, f"number{len(numbers) + 1}"))

    found = []
    for line in lines:
        line = of_sum(of_one_row(line, values), values)
        match line.text:
            case ast.BinOp(left, ast.MatMult(), right) if matrix(left, values) and matrix(right, values):
                line = line.but(text=ast.Call(ast.Attribute(left, "dot", ast.Load()), [right], []))
            case ast.BinOp(left, op, right) if type(op) in UFUNCS and not isinstance(op, ast.MatMult):
                dtype = line.value.dtype
                left, right = [of_this_shape(side, line.value, values) for side in (left, right)]
                text = ast.BinOp(number(left, right, dtype), op, number(right, left, dtype))
                line = line.but(text=text)
        found.append(line)
    return found, [(name, ast.parse(text, mode="eval").body) for text, name in numbers.items()]


def of_this_shape(node: ast.expr, result: Any, values: Mapping[str, Any]) -> ast.expr:
    """An operand with the shape of the result, if all it lacks is axes of length 1: then NumPy need not broadcast."""
    value = values[node.id] if isinstance(node, ast.Name) else None
    if not isinstance(value, np.ndarray) or not 0 < value.ndim < result.ndim or value.size != result.size:
        return node
    if not value.flags.c_contiguous:
        return node
    return ast.Call(ast.Attribute(node, "reshape", ast.Load()), [literal(result.shape)], [])


def of_one_row(line: Line, values: Mapping[str, Any]) -> Line:
    """A sum over an axis of length 1 as the view that it is."""
    match line.text:
        case ast.Call(ast.Attribute(ast.Name(x), "sum"), [ast.Constant(int(axis))], []):
            value = values[x]
            if (
                value.shape[axis] == 1
                and value.flags.c_contiguous
                and value.dtype == line.value.dtype
                and value.ndim > 1
            ):
                shape = line.value.shape if line.value.ndim > 1 else line.value.size
                text = ast.Call(ast.Attribute(named(x), "reshape", ast.Load()), [literal(shape)], [])
                values[line.name] = value.reshape(shape)  # type: ignore[index]
                return line.but(text=text)
    return line


def of_sum(line: Line, values: Mapping[str, Any]) -> Line:
    """x.mean(axis) as a sum and a division, which it is behind a page of Python."""
    match line.text:
        case ast.Call(ast.Attribute(ast.Name(x), "mean"), [] | [_], keywords):
            value, given = values[x], {k.arg: k.value for k in keywords}
            axis = [*line.text.args, given.pop("axis", ast.Constant(None))][0]
            if given.keys() <= {"keepdims"} and value.size and value.dtype == line.value.dtype:
                total = ast.Call(numpys("add.reduce"), [named(x), axis], [k for k in keywords if k.arg == "keepdims"])
                return line.but(text=ast.BinOp(total, ast.Div(), literal(value.size // line.value.size)))
    return line


def matrix(node: ast.expr, values: Mapping[str, Any]) -> bool:
    """Whether an operand is a matrix of floats in the order of rows or columns, or the transpose of one."""
    value = values[next(names_read(node))] if isinstance(node, ast.Name | ast.Attribute) else None
    if not isinstance(value, np.ndarray) or value.ndim != 2 or not value.size or value.dtype.char not in "fd":
        return False
    return value.flags.c_contiguous or value.flags.f_contiguous


def takes_out(text: ast.expr) -> tuple[bool, bool]:
    """Whether a call has an ``out=``, and whether it works entry by entry, so that this may be one of its inputs."""
    if not isinstance(text, ast.Call):
        return False, False
    if isinstance(text.func, ast.Attribute) and text.func.attr == "dot" and len(text.args) == 1:
        return True, False
    path = unparse(text.func)
    function = ufunc(path)
    if function is None:
        return False, False
    if path.endswith(".reduce"):
        return True, False
    return len(text.args) == function.nin, function.signature is None


@lru_cache(maxsize=256)
def ufunc(path: str) -> np.ufunc | None:
    """The ufunc of one result that a text calls by this path, or the reduce of which; None where it is no such."""
    found = getattr(np, path.removeprefix("np.").removesuffix(".reduce"), None)
    return found if isinstance(found, np.ufunc) and found.nout == 1 else None


def with_buffers(
    lines: Sequence[Line],
    values: Mapping[str, Any],
    returned: Sequence[str],
    donated: Mapping[str, str],
    least: int = 2,
    reductions: bool = True,
) -> tuple[list[Line], list[Buffer]]:
    """The lines with ``out=``, and the buffers that they need.

    Args:
        values: the example arrays of arguments and lines, by name.
        returned: the names of the results.
        donated: for the name of a result, the argument whose memory it may have.
        reductions: whether a sum may be a np.add.reduce, which takes ``out=``, and a choice a product of bits.
        least: entries of a result that is worth a buffer; NumPy's ``out=`` is slow for one.
    """
    roots = roots_of(values)
    last = {roots.get(name, name): i for i, line in enumerate(lines) for name in names_read(line.text)}
    kept = {roots.get(name, name) for name in returned}
    buffers: list[Buffer] = []
    holds: dict[str, Buffer] = {}  # by the root of what is in it now
    free: dict[Any, list[Buffer]] = {}
    found = []
    for i, line in enumerate(lines):
        out: ast.expr | None = None
        text = as_reduction(line.text) if reductions else line.text
        masked = as_product_of_bits(text, values) if reductions else None
        call = masked or as_ufunc(text)
        able, in_place = takes_out(call)
        able &= isinstance(line.value, np.ndarray) and roots[line.name] == line.name and line.body is None
        read = list(names_read(line.text))
        if able and line.name in kept:
            argument = donated.get(line.name, "")
            fits = argument in values and layout(values[argument]) == layout(line.value) and line.value.size >= least
            if fits and in_place and last.get(argument) == i:
                out = named(argument)
        elif able and compact(line.value) and line.value.size >= least:
            key = layout(line.value)
            dying = [n for n in read if n in holds and last[n] == i and layout(values[n]) == key] if in_place else []
            # Not if another input is a view of it, as in x + x.T: NumPy would copy that first, and numba would not.
            dying = [n for n in dying if all(m == n or roots.get(m) != n for m in read)]
            if dying:
                buffer = holds.pop(dying[0])
            elif free.get(key):
                buffer = free[key].pop()
            else:
                buffer = Buffer(f"buffer{len(buffers) + 1}", line.value)
                buffers.append(buffer)
            holds[line.name] = buffer
            out = named(buffer.name)
        for name in {roots.get(name) for name in [*read, line.name]}:
            if name in holds and last.get(name, i) <= i:
                free.setdefault(layout(holds[name].like), []).append(holds.pop(name))
        if out is not None and masked:
            new = ast.Call(call.func, call.args, [ast.keyword("out", viewed(out, BITS[line.value.dtype]))])
            line = line.but(text=viewed(new, line.value.dtype))
        elif out is not None:
            new = ast.Call(call.func, call.args, [*call.keywords, ast.keyword("out", out)])
            line = line.but(text=new)
        elif line.body is None:
            line = line.but(text=text)
        found.append(line)
    return found, buffers


def roots_of(values: Mapping[str, Any]) -> dict[str, str]:
    """For each name which line or argument made the memory of its value: itself, unless it is a view."""
    memory: dict[int, str] = {}
    return {name: memory.setdefault(owner(value), name) for name, value in values.items()}


def layout(value: Any) -> Any:
    return value.shape, value.dtype, value.strides


def compact(value: Any) -> bool:
    """Whether an array of this shape can be allocated in this layout: with its axes in some order, without a gap."""
    return bool(value.ndim and value.size and value.transpose(by_stride(value)).flags.c_contiguous)


def by_stride(value: Any) -> list[int]:
    """The axes of an array, the one with the longest steps first; where nothing decides, as they are."""
    if value.flags.c_contiguous:
        return [*range(value.ndim)]
    return sorted(range(value.ndim), key=lambda i: -value.strides[i])
