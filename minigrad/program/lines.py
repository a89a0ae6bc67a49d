"""A recording as the lines of a program: one for each node, in the order in which they were computed."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.engine.errors import at
from minigrad.program.recording import Draw, Recording, TraceError
from minigrad.program.specialise import Body, literal, numpys, specialise
from minigrad.tensor import Tensor

__all__ = ["Line", "lines_of", "named", "names_read", "renamed", "unparse"]

Array = np.ndarray[Any, Any]
FEW = 64  # entries of an array that a program makes by writing them out


@dataclass(eq=False)
class Line:
    """``name = text``.

    Attributes:
        value: what it is for the example arrays; its shape, dtype and layout are those of every call.
        node: the Tensor it computes.
        place: where in the user's code that was, or what it was first needed for.
        phase: "forward", "backward" or "update".
        body: for an operation whose forward has several lines these, in the names of `inputs`; then text is a call.
        inputs: what the inputs of the body are in this line.
        quiet: whether NumPy's floating-point warnings are off.
        constant: whether it depends on no argument.
        draws: whether it is a random draw: it must happen, and only once.
        helper: what to call the function that a body of several lines becomes.
        hint: what the forward of an operation calls this line, when it was taken apart.
    """

    name: str
    text: ast.expr
    value: Any
    node: Tensor
    place: Any
    phase: str
    quiet: bool = False
    body: Body | None = None
    inputs: Mapping[str, ast.expr] | None = None
    constant: bool = False
    draws: bool = False
    helper: str = ""
    hint: str = ""


def lines_of(recording: Recording) -> tuple[list[Line], dict[Tensor, str]]:
    """The lines, and what each Tensor is called: an argument by its name, another by a number after "_".

    Raises:
        TraceError: the recording depends on an array that is neither an argument nor small.
    """
    names = {a.value: a.name for a in recording.arguments if type(a.value) is Tensor}
    arrays = {id(node.array): node for node in reversed(recording.nodes)}
    cache: dict[Any, Body] = {}
    lines: list[Line] = []
    constants: set[str] = set()
    for node in recording.nodes:
        if node in recording.alias or node in names:
            continue
        names[node] = name = f"_{len(lines)}"
        common: dict[str, Any] = {
            "value": node.array,
            "node": node,
            "place": node.made_at,
            "phase": recording.phase(node),
        }
        if isinstance(node.op, Draw):
            line = Line(name, drawn(node.op), **common, draws=True)
        elif node.op is None:
            line = Line(name, constant(node), **common, constant=True)
        else:
            inputs = [read(x, names, arrays, recording.alias) for x in node.inputs]
            body, canonical = body_of(node, cache)
            substituted = dict(zip(canonical, (x for x in inputs if isinstance(x, ast.Name)), strict=True))
            line = Line(name, renamed(body.result, substituted), **common, quiet=node.serial in recording.quiet)
            if body.statements:
                line.body, line.inputs, line.helper = body, substituted, node.op.name
                line.text = ast.Call(named(node.op.name), list(substituted.values()), [])
            line.constant = all(x.id in constants for x in substituted.values())
        if line.constant:
            constants.add(name)
        lines.append(line)
    for node in recording.alias:
        names[node] = names.get(original(node, recording.alias), "")
    return settled(lines), names


def original(node: Tensor, alias: Mapping[Tensor, Tensor]) -> Tensor:
    """The Tensor that a node stands for."""
    while node in alias:
        node = alias[node]
    return node


def settled(lines: Sequence[Line]) -> list[Line]:
    """Constants stand before the first line that reads them, as if they had been made there."""
    waiting = {line.name: line for line in lines if line.constant}
    found: list[Line] = []

    def place(line: Line, reader: Line) -> None:
        for name in list(names_read(line.text)):
            if name in waiting:
                place(waiting.pop(name), reader)
        found.append(dataclasses.replace(line, phase=reader.phase, place=reader.place))

    for line in lines:
        if not line.constant:
            place(line, line)
    return found + list(waiting.values())


def read(x: Any, names: Mapping[Any, str], arrays: Mapping[int, Tensor], alias: Mapping[Tensor, Tensor]) -> Any:
    """An input of an operation: a name, or what is no array as it is."""
    if type(x) is np.ndarray:
        x = arrays[id(x)]
    return named(names[original(x, alias)]) if type(x) is Tensor else x


def body_of(node: Tensor, cache: dict[Any, Body]) -> tuple[Body, list[str]]:
    """The specialised forward of a node, and the names of its inputs there."""
    op = node.op
    values = list(node.values)
    key = op.name, repr(node.params), tuple([signature(v) for v in values])
    if key not in cache:
        *first, last = op.inputs
        inputs = dict(zip(op.inputs, values, strict=False))
        if op.variadic:
            inputs = {**dict(zip(first, values, strict=False)), last: tuple(values[len(first) :])}
        cache[key] = specialise(op.forward, inputs, node.params)
    return cache[key], cache[key].inputs


def signature(value: Any) -> Any:
    """What a specialised forward depends on."""
    return (value.shape, value.dtype.str) if isinstance(value, np.ndarray) else (type(value), repr(value))


# ----------------------------------------------------------------------------------------------------- what is made
def constant(node: Tensor) -> ast.expr:
    """An array that was made while the function ran: by what NumPy makes it, or written out if it is small."""
    text = structural(node.array) or written_out(node.array)
    if text is None:
        raise TraceError(
            f"an array of shape {node.shape} that is used at {at(node.made_at)} is neither an argument nor computed "
            "from arguments: it was drawn at random, or made by NumPy from arrays of outside. Pass it in, or pass the "
            "random generator"
        )
    return text


def structural(array: Array) -> ast.expr | None:
    """How NumPy makes an array that needs no data: zeros, ones, numbers in a row, a diagonal."""
    if not array.flags.c_contiguous or not array.size:
        return None if array.size else call("zeros", literal(array.shape), literal(array.dtype))
    kind = [] if array.dtype == np.float64 else [ast.keyword("dtype", literal(array.dtype))]
    shape = literal(array.shape if array.ndim != 1 else array.size)
    first = array.reshape(-1)[0]
    if is_uniform(array) and array.dtype.kind in "fiu":
        if array.ndim == 0:
            return ast.Call(literal(array.dtype), [number(array)], [])
        if first in (0, 1) and not np.signbit(first):
            return call("ones" if first else "zeros", shape, keywords=kind)
        return call("full", shape, number(array), keywords=kind if array.dtype != np.int64 else [])
    if array.dtype.kind in "iu" and same(array.reshape(-1), np.arange(array.size, dtype=array.dtype)):
        made = call("arange", literal(array.size), keywords=[] if array.dtype == np.int64 else kind)
        return made if array.ndim == 1 else ast.Call(ast.Attribute(made, "reshape", ast.Load()), [shape], [])
    if array.ndim == 2 and same(array, np.eye(*array.shape, dtype=array.dtype)):
        return call("eye", *[literal(n) for n in dict.fromkeys(array.shape)], keywords=kind)
    return None


def written_out(array: Array) -> ast.expr | None:
    """A small array as its entries."""
    if array.size > FEW or not array.flags.c_contiguous or array.dtype.kind not in "fiub":
        return None
    return call("array", literal(array.tolist()), literal(array.dtype))


def call(name: str, *arguments: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.expr:
    return ast.Call(numpys(name), list(arguments), list(keywords))


def is_uniform(value: Any) -> bool:
    """Whether all entries have the same bits."""
    flat = np.asarray(value).reshape(-1)
    return flat.tobytes() == flat[:1].tobytes() * len(flat)


def number(value: Any) -> ast.expr:
    """The first entry of an array as a Python number, in as few digits as its dtype needs."""
    first = value.reshape(-1)[0]
    return literal(float(str(first)) if first.dtype.kind == "f" and np.isfinite(first) else first.item())


def same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def drawn(op: Draw) -> ast.expr:
    keywords = [ast.keyword(name, literal(value)) for name, value in op.kwargs.items()]
    return ast.Call(ast.Attribute(named(op.generator), op.method, ast.Load()), [literal(x) for x in op.args], keywords)


# ---------------------------------------------------------------------------------------------------------- the text
def named(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def renamed(tree: Any, names: Mapping[str, Any]) -> Any:
    """A copy of a syntax tree with other expressions in the place of names; what is assigned to gets another name."""
    if isinstance(tree, list):
        return [renamed(part, names) for part in tree]
    if isinstance(tree, ast.Name):
        new = names.get(tree.id, tree)
        return new if isinstance(tree.ctx, ast.Load) or new is tree else ast.Name(new.id, tree.ctx)
    if not isinstance(tree, ast.AST) or not tree._fields:
        return tree
    return tree.__class__(**{field: renamed(value, names) for field, value in ast.iter_fields(tree)})


def names_read(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id != "np":
            yield node.id


def unparse(tree: ast.AST) -> str:
    return ast.unparse(tree if isinstance(tree, ast.expr) else ast.fix_missing_locations(tree))
