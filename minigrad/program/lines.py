"""A recording as the lines of a program: one for each node, in the order in which they were computed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from types import FunctionType
from typing import Any

import numpy as np

from minigrad.engine.errors import at
from minigrad.engine.trees import mapped
from minigrad.program.recording import Draw, Recording, trace
from minigrad.program.symbol import Body, TraceError, body_of
from minigrad.program.text import literal, named, names_read, renamed, unparse
from minigrad.tensor import Tensor

__all__ = ["Line", "lines_of", "trace_twice"]

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class Line:
    """``name = text``.

    Attributes:
        value: what it is for the example arrays; its shape, dtype and layout are those of every call.
        node: the Tensor it computes.
        place: where in the user's code that was, or what it was first needed for.
        phase: "forward", "backward" or "update".
        body: for an operation whose forward has several lines these; then text is a call with its inputs.
        quiet: whether NumPy's floating-point warnings are off.
        constant: whether it depends on no argument.
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
    constant: bool = False
    hint: str = ""

    @property
    def draws(self) -> bool:
        """Whether it is a random draw: it must happen, and only once."""
        return isinstance(self.node.op, Draw)

    def but(self, **changes: Any) -> Line:
        """A copy with some attributes changed; dataclasses.replace asks for each of the ten by its name."""
        new = Line.__new__(Line)
        new.__dict__.update(self.__dict__, **changes)
        return new


def lines_of(recording: Recording) -> tuple[list[Line], dict[Tensor, str]]:
    """The lines, and what each Tensor is called: an argument by its name, another by a number after "_".

    Raises:
        TraceError: the recording depends on an array that is neither an argument nor small.
    """
    if recording.lines is None:
        recording.lines = made_lines(recording)
    lines, names = recording.lines
    return list(lines), names


def made_lines(recording: Recording) -> tuple[list[Line], dict[Tensor, str]]:
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
            line = Line(name, drawn(node.op), **common)
        elif node.op is None:
            line = Line(name, constant(node), **common, constant=True)
        else:
            inputs = [read(x, names, arrays, recording.alias) for x in node.inputs]
            body = forward_of(node, cache)
            of_arrays = [literal(x) for x, v in zip(inputs, node.values, strict=True) if isinstance(v, np.ndarray)]
            substituted = dict(zip(body.inputs, of_arrays, strict=True))  # names, but for NumPy's True and False
            line = Line(name, renamed(body.result, substituted), **common, quiet=node.serial in recording.quiet)
            if body.statements:
                line.body = body
                line.text = ast.Call(named(node.op.name), list(substituted.values()), [])
            line.constant = all(x.id in constants for x in of_arrays if isinstance(x, ast.Name))
            if any(getattr(substituted[mask], "id", None) not in constants for mask in body.masks):
                raise TraceError(
                    f"{node.op.name} at {at(node.made_at)}: how many entries a mask takes depends on its values, and a "
                    "program is for one length. Choose with np.where(mask, a, b), or make the positions an argument, "
                    "np.flatnonzero(mask)"
                )
        if line.constant:
            constants.add(name)
        lines.append(line)
    for node in recording.alias:
        names[node] = names.get(original(node, recording.alias), "")
    return settled(lines), names


def trace_twice(
    fn: Any, examples: Any, static: Mapping[str, Any], grad_of: Any, order: int, update: Callable[..., Any] | None
) -> Recording:
    """The recording of `fn`, if it does the same on other numbers of the same shapes."""
    if not callable(fn):
        raise TypeError(f"source(fn, *examples): fn is a function or a Tensor, and this is a {type(fn).__name__}")
    recording = trace(fn, examples, static, grad_of, order, update)
    if not recording.tree:
        raise TypeError(f"source({recording.name}, *examples): there is no array among the examples")
    again = trace(fn, examples, static, grad_of, order, update, moved=True)
    lines_of(recording)
    if structure(recording) == structure(again):
        return recording
    for (a, place), (b, _) in zip_longest(statements(recording), statements(again), fillvalue=("nothing", None)):
        if a != b:
            where = f"at {at(place)} it computes" if place else "it returns"
            raise TraceError(
                f"{recording.name} cannot become a program: {where} {a} for the examples, and {b} when it is run again "
                "on other numbers of the same shapes. Something there depends on the numbers, on chance or on an "
                "earlier call. Choose by value with np.where; draw from a np.random.Generator that is an argument; "
                "pass a changing number as np.asarray(number)"
            )
    return recording


def structure(recording: Recording) -> list[Any]:
    """All that the text of a recording is made of, so that two which have the same need not be printed."""
    names: dict[Any, Any] = {a.value: a.name for a in recording.arguments if type(a.value) is Tensor}
    alias = recording.alias
    arrays = {id(node.array): node for node in reversed(recording.nodes)}
    found: list[Any] = []
    for node in recording.nodes:
        if node in alias or node in names:
            continue
        names[node] = len(found)
        if isinstance(node.op, Draw):
            found.append(unparse(drawn(node.op)))
        elif node.op is None:
            found.append((node.array.strides, whole(node.array)))
        else:
            inputs = [arrays.get(id(x), x) if type(x) is np.ndarray else x for x in node.inputs]
            read = [names[original(x, alias)] if type(x) is Tensor else whole(x) for x in inputs]
            found.append((node.op, node.shape, node.params and repr(node.params), read))
    result = mapped(lambda y: names[original(y, alias)] if type(y) is Tensor else whole(y), recording.result)
    return [*found, repr(result)]


def whole(x: Any) -> Any:
    """All of a constant, to compare: the text of an array leaves out digits, and entries."""
    return (x.shape, x.dtype, x.tobytes()) if isinstance(x, np.ndarray) else (type(x), repr(x))


def statements(recording: Recording) -> Iterator[tuple[str, Any]]:
    """The computation of a recording, line by line with the user's places, and its result."""
    lines, names = lines_of(recording)
    yield from ((f"`{unparse(line.text)}`", line.place) for line in lines)
    yield repr(mapped(lambda y: names[y] if type(y) is Tensor else y, recording.result)), None


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
        found.append(line if line is reader else line.but(phase=reader.phase, place=reader.place))

    for line in lines:
        if not line.constant:
            place(line, line)
    return found + list(waiting.values())


def read(x: Any, names: Mapping[Any, str], arrays: Mapping[int, Tensor], alias: Mapping[Tensor, Tensor]) -> Any:
    """An input of an operation: a name, or what is no array as it is."""
    if type(x) is np.ndarray:
        x = arrays[id(x)]
    return named(names[original(x, alias)]) if type(x) is Tensor else x


BODIES: dict[Any, Body] = {}  # of the library's own operations, for whatever program comes next
MANY = 4096  # of these, after which it is emptied


def forward_of(node: Tensor, cache: dict[Any, Body]) -> Body:
    """The body of a node's forward."""
    op = node.op
    values = list(node.values)
    key = op, repr(node.params), tuple([signature(v) for v in values])
    if fixed(op.forward):
        cache = BODIES
        if len(cache) > MANY:
            cache.clear()
    if key not in cache:
        *first, last = op.inputs
        inputs = dict(zip(op.inputs, values, strict=False))
        if op.variadic:
            inputs = {**dict(zip(first, values, strict=False)), last: tuple(values[len(first) :])}
        try:
            cache[key] = body_of(op.forward, inputs, node.params, node.array)
        except TraceError as error:
            raise TraceError(f"{op.name} at {at(node.made_at)} cannot become a program: {error}") from None
    return cache[key]


@lru_cache(maxsize=1024)
def fixed(forward: Any) -> bool:
    """Whether nothing but its arguments decides what a forward computes: a user's may read variables of outside."""
    if type(forward) is not FunctionType:
        return isinstance(forward, np.ufunc)
    return str(forward.__module__).startswith("minigrad.") and not forward.__closure__


def signature(value: Any) -> Any:
    """The part of a value that a specialised forward depends on."""
    return (value.shape, value.dtype) if isinstance(value, np.ndarray) else (type(value), repr(value))


# ----------------------------------------------------------------------------------------------------- what is made
def constant(node: Tensor) -> ast.expr:
    """An array that was made while the function ran: by what NumPy makes it, or written out if it is small."""
    try:
        return literal(node.array)
    except TypeError:
        raise TraceError(
            f"an array of shape {node.shape} that is used at {at(node.made_at)} is neither an argument nor computed "
            "from arguments: it was drawn at random, or made by NumPy from arrays of outside. Pass it in, or pass the "
            "random generator"
        ) from None


def drawn(op: Draw) -> ast.expr:
    keywords = [ast.keyword(name, literal(value)) for name, value in op.kwargs.items()]
    return ast.Call(ast.Attribute(named(op.generator), op.method, ast.Load()), [literal(x) for x in op.args], keywords)
