"""Run a function as the program that its tape prints: traced once, then straight-line NumPy in memory of its own."""

from __future__ import annotations

import ast
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.errors import at
from minigrad.tensor import Tensor
from minigrad.transforms import leaves
from minigrad.views.buffers import faster, one_operation_a_line, with_buffers, without_views
from minigrad.views.lines import unparse
from minigrad.views.program import Program, Text, bare, defined, helpers_of
from minigrad.views.source import traced
from minigrad.views.trace import Recording, TraceError

__all__ = ["Compiled", "CompiledProgram"]


class CompiledProgram(Program):
    """A program whose results between the first line and the last are in buffers.

    Attributes:
        allocate: the function that the text defines: it allocates the buffers, and returns the function that uses them.
        buffers: what is allocated.
    """

    def __init__(self, recording: Recording, static: Any, donate: Sequence[str] = ()) -> None:
        self.name, self.static = recording.name, static
        self.arguments, self.tree = recording.arguments, recording.tree
        self.specialised = {a.name: (a.value.shape, a.value.dtype) for a in self.arguments if type(a.value) is Tensor}
        text = Text(recording)
        text.simplified(open_all=True)
        text.lines = list(one_operation_a_line(text.lines, text.simplifier.values))
        text.lines = without_views(text.lines, [text.now[y] for y in text.results])
        lines, self.result = text.named(["allocate"])
        self.helpers = helpers_of(lines)
        values = self.evaluated(lines, recording)
        returned = [node.id for node in ast.walk(self.result) if isinstance(node, ast.Name)]
        updated = {text.now[new]: text.now[x] for x, new in zip(*recording.updated, strict=False)}
        donated = {self.final(text, lines, new): x for new, x in updated.items() if x in donate}
        self.constants = [line for line in lines if line.constant and line.name not in returned]
        rest, self.numbers = faster([line for line in lines if line not in self.constants], values)
        self.lines, self.buffers = with_buffers(rest, values, returned, donated)
        self.text = "\n".join(self.print()) + "\n"
        self.allocate = defined(self, self.text, "allocate")
        self.function = self.bound()

    @staticmethod
    def final(text: Text, lines: Sequence[Any], name: str) -> str:
        return next((new.name for old, new in zip(text.lines, lines, strict=True) if old.name == name), name)

    def evaluated(self, lines: Sequence[Any], recording: Recording) -> dict[str, Any]:
        """What the lines give for the example arrays, views being views of each other as in every call."""
        space: dict[str, Any] = {"np": np}
        exec("\n".join(map(unparse, self.helpers)), space)
        values = {a.name: a.value.array if type(a.value) is Tensor else a.value for a in recording.arguments}
        with np.errstate(all="ignore"):
            for line in lines:
                values[line.name] = line.value if line.draws else eval(unparse(line.text), space, values)
        return values

    def bound(self) -> Callable[..., Any]:
        """The program as a function of its own arguments: with buffers that nobody else uses meanwhile, and with what
        it found outside."""
        names = ", ".join(name for name, _ in self.tree)
        outside = {a.name: a.held for a in self.arguments if a.held is not None}
        extra = [f"{name}.array" if type(held) is Tensor else name for name, held in outside.items()]
        arrays = ", ".join([names, *extra])
        return function(CALL.format(name=self.name, names=names, arrays=arrays), self.name, outside | {
            "_pool": [], "_allocate": self.allocate,
        })  # fmt: skip

    def print(self) -> Iterator[str]:
        yield from self.head()
        yield from (f"    {buffer.text}" for buffer in self.buffers)
        yield from (f"    {line.name} = {unparse(line.text)}" for line in self.constants)
        yield from (f"    {name} = {unparse(text)}" for name, text in self.numbers)
        yield from ["", f"    {super().signature()}"]
        inside = [*self.unpacking(), *self.body(), self.ending()]
        yield from (f"        {line}" if line else "" for line in inside)
        yield from ["", f"    return {self.name}"]

    def signature(self) -> str:
        return "def allocate():"


class Compiled:
    """A function that runs as a program: see `minigrad.compile`.

    Attributes:
        programs: the programs so far, by the shapes, dtypes, layouts and static arguments that they are for.
    """

    def __init__(
        self, fn: Callable[..., Any], options: dict[str, Any], constants: Sequence[Any], donate: Sequence[str]
    ):
        functools.update_wrapper(self, fn)
        self.fn, self.options, self.constants, self.donate = fn, options, constants, donate
        self.programs: dict[Any, CompiledProgram] = {}
        self.fast: Callable[..., Any] | None = None
        self.lock = threading.RLock()

    def __call__(self, *args: Any, **static: Any) -> Any:
        if self.fast is not None and not static:
            return self.fast(*args)
        return self.slow(*args, **static)

    def slow(self, *args: Any, **static: Any) -> Any:
        """Any call: find the program for it, or trace one."""
        given = [bare(x) for x in args]
        program = self.program(*given, **static)
        arrays = [x for x in given if any(is_array(part) for part in leaves(x))]
        return program.function(*arrays)

    def program(self, *args: Any, **static: Any) -> CompiledProgram:
        """The program for arguments like these; it is traced if there is none yet."""
        given = [bare(x) for x in args]
        key = tuple([signature(x) for x in given]), tuple(sorted((k, signature(v)) for k, v in static.items()))
        with self.lock:  # one thread traces, others wait for its program
            if key not in self.programs:
                self.programs[key] = self.make(given, static)
                if not static and all(is_array(x) for x in given):
                    self.fast = self.fast or entry(self)
            return self.programs[key]

    def make(self, given: Sequence[Any], static: dict[str, Any]) -> CompiledProgram:
        recording = traced(self.fn, given, static, **self.options)
        refuse_what_is_outside(recording, self.constants)
        unknown = [name for name in self.donate if name not in {a.name for a in recording.arguments}]
        if unknown:
            raise ValueError(f"donate={unknown[0]!r} is no argument of {recording.name}")
        return CompiledProgram(recording, static, self.donate)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.programs.values())) or f"# {self.__name__} has not been called yet"  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}, {len(self.programs)} programs>"  # type: ignore[attr-defined]


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | np.random.Generator)


def signature(x: Any) -> Any:
    """What a program is specialised for."""
    if isinstance(x, np.ndarray | np.generic):
        return x.shape, x.dtype, x.strides
    if isinstance(x, np.random.Generator):
        return np.random.Generator
    if isinstance(x, list | tuple):
        return type(x), tuple(map(signature, x))
    if isinstance(x, dict):
        return dict, tuple((key, signature(part)) for key, part in x.items())
    try:
        hash(x)
    except TypeError:
        raise TypeError(f"a static argument is part of the signature and must be hashable: {x!r}") from None
    return type(x), x


def refuse_what_is_outside(recording: Recording, constants: Sequence[Any]) -> None:
    """Raise if the function uses an array of outside that is not in `constants`."""
    for a in recording.arguments:
        if not isinstance(a.held, np.ndarray) or any(c is a.held or a.name == c or c is a.held.base for c in constants):
            continue
        reader = next(n for n in recording.nodes if any(x is a.value or x is a.held for x in n.inputs))
        raise TraceError(
            f"{recording.name} uses the array {a.name} of shape {a.held.shape}, which is no argument, at "
            f"{at(reader.made_at)}: a program would not notice when {a.name} becomes another array. Make it an argument "
            f"or a Tensor, or say constants=[{a.name}] if it never does"
        )


CALL = """\
def {name}({names}):
    try:
        run = _pool.pop()
    except IndexError:  # the first call, or other threads have them all
        run = _allocate()
    result = run({arrays})
    _pool.append(run)
    return result
"""

ENTRY = """\
def {name}({names}):
    try:
        key = {key}
    except AttributeError:  # a Tensor, a number, a list
        return _slow({names})
    known, program = _last[0]
    if key == known:
        return program({names})
    return _other(key, {names})
"""


def function(text: str, name: str, space: dict[str, Any]) -> Callable[..., Any]:
    exec(text, space)
    found: Callable[..., Any] = space[name]
    return found


def entry(compiled: Compiled) -> Callable[..., Any]:
    """The way in for calls with arrays only: it compares shapes, dtypes and layouts with those of the last call."""
    program = next(reversed(compiled.programs.values()))
    names = [name for name, _ in program.tree]
    parts = [f"type({n})" if n not in program.specialised else f"{n}.shape, {n}.dtype, {n}.strides" for n in names]
    known: dict[Any, Callable[..., Any]] = {}
    last: list[Any] = [(None, None)]

    def other(key: Any, *arrays: Any) -> Any:
        if key not in known:
            known[key] = compiled.program(*arrays).function
        last[0] = key, known[key]
        return known[key](*arrays)

    text = ENTRY.format(name=program.name, names=", ".join(names), key=f"({', '.join(parts)},)")
    return function(text, program.name, {"_slow": compiled.slow, "_other": other, "_last": last})
