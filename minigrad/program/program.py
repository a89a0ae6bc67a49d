"""A program: straight-line NumPy as text and as a function, printed from a recording."""

from __future__ import annotations

import ast
import builtins
import keyword
import linecache
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count, groupby
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from minigrad.engine.files import replacing
from minigrad.engine.places import Place
from minigrad.engine.trees import bare, leaves, subscripts
from minigrad.engine.words import counted
from minigrad.program.lines import Line, lines_of
from minigrad.program.recording import Recording, variable
from minigrad.program.simplify import Simplifier, nested
from minigrad.program.text import LIBRARIES, literal, named, numbered, renamed, unparse
from minigrad.tensor import Tensor

__all__ = ["Program", "defined"]

WIDTH = 48  # the column where comments begin, unless a line is longer
QUIET = 'with np.errstate(divide="ignore", over="ignore", invalid="ignore"):'
next_number = count(1).__next__


class Program:
    """NumPy text that computes what a tape computed, bit for bit. ``str(p)`` is the text, ``p(*arrays)`` runs it.

    Attributes:
        name: of the function.
        text: the program: it needs nothing but NumPy.
        function: the function that the text defines.
        arguments: the arrays that it takes; those that were found outside of the traced function come last, and a call
            of the program supplies them.
    """

    def __init__(self, recording: Recording, static: Mapping[str, Any], raw: bool = False) -> None:
        self.describe(recording, static)
        text = Text(recording)
        if not raw:
            text.simplified()
            text.nested()
        self.lines, self.result = text.named()
        self.helpers = helpers_of(self.lines, text.taken)
        self.text = "\n".join(self.print()) + "\n"
        self.function = defined(self, self.text, self.name)

    def describe(self, recording: Recording, static: Mapping[str, Any]) -> None:
        self.name, self.static = recording.name, static
        self.arguments, self.tree = recording.arguments, recording.tree
        self.specialised = {a.name: (a.value.shape, a.value.dtype) for a in self.arguments if type(a.value) is Tensor}

    def __call__(self, *arrays: Any) -> Any:
        """Run the program.

        Raises:
            TypeError: the number of arguments is not that of the program.
            ValueError: an array has not the shape or dtype that the program was specialised for.
        """
        if len(arrays) != len(self.tree):
            names = ", ".join(name for name, _ in self.tree)
            raise TypeError(f"{self.name} takes {names}, and got {counted(len(arrays), 'argument')}")
        given = [bare(x) for x in arrays]
        for (name, tree), x in zip(self.tree, given, strict=True):
            self.check(name, tree, x)
        return self.function(*given, *[bare(a.held) for a in self.arguments if a.held is not None])

    def check(self, name: str, tree: Any, given: Any) -> None:
        for argument, x in zip(leaves(tree), leaves(given), strict=False):
            if argument is None or argument.name not in self.specialised:
                continue
            shape, dtype = self.specialised[argument.name]
            if np.shape(x) != shape or np.asarray(x).dtype != dtype:
                raise ValueError(
                    f"{self.name}: {argument.name} has shape {np.shape(x)} and dtype {np.asarray(x).dtype}, and this "
                    f"program is for {shape} and {dtype}; minigrad.compile makes one for each"
                )

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<program {self.name}({', '.join(a.name for a in self.arguments)}), {counted(len(self.lines), 'line')}>"

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text.rstrip()}\n```"

    def save(self, path: str | Path) -> Path:
        """Write the text to a file, and return its path."""
        path = Path(path)
        with replacing(path) as file:
            file.write(self.text)
        return path

    # ------------------------------------------------------------------------------------------------------ the text
    def print(self) -> Iterator[str]:
        yield from self.head()
        yield from (f"    {line}" if line else "" for line in [*self.unpacking(), *self.body(), self.ending()])

    def head(self) -> Iterator[str]:
        yield f'"""{self.name}, as NumPy: printed by minigrad from a run.'
        yield ""
        yield "Specialised for " + "; ".join(
            f"{name} {shape} {dtype}" for name, (shape, dtype) in self.specialised.items()
        )
        if self.static:
            yield "With " + ", ".join(f"{name}={value!r}" for name, value in self.static.items())
        outside = [a.name for a in self.arguments if a.held is not None]
        if outside:
            yield f"Found outside of the function: {', '.join(outside)}"
        yield '"""'
        yield ""
        yield "import numpy as np"
        if any("scipy.special." in unparse(x) for x in [*self.helpers, *(line.text for line in self.lines)]):
            yield "import scipy.special"
        for helper in self.helpers:
            yield from ["", "", unparse(helper)]
        yield from ["", "", self.signature()]

    def signature(self) -> str:
        names = [name for name, _ in self.tree] + [a.name for a in self.arguments if a.held is not None]
        return f"def {self.name}({', '.join(names)}):"

    def unpacking(self) -> Iterator[str]:
        for name, tree in self.tree:
            for path, argument in subscripts(tree, name):
                if argument is not None and path != name:
                    yield f"{argument.name} = {path}"

    def body(self) -> Iterator[str]:
        for i, (phase, lines) in enumerate(groupby(self.lines, lambda line: line.phase)):
            yield from [""] * (i > 0)
            yield f"# {phase}"
            for quiet, block in groupby(lines, lambda line: line.quiet and may_warn(line.text)):
                yield from [QUIET] * quiet
                for line in block:
                    yield commented("    " * quiet + f"{line.name} = {unparse(line.text)}", line)

    def ending(self) -> str:
        parts = self.result.elts if isinstance(self.result, ast.Tuple) else [self.result]
        comma = "," if isinstance(self.result, ast.Tuple) and len(parts) == 1 else ""
        return f"return {', '.join(map(unparse, parts))}{comma}"


def commented(text: str, line: Line) -> str:
    """A line with its shape, and the user's line that it comes from."""
    return f"{text:<{WIDTH}}  # {shape_of(line.value)}  {short(*line.place)}"


def shape_of(value: Any) -> tuple[Any, ...]:
    """The shape of an array; of several results, as of a decomposition, the shapes."""
    return tuple(map(shape_of, value)) if isinstance(value, tuple) else np.shape(value)


@lru_cache(maxsize=4096)
def short(code: CodeType, instruction: int) -> str:
    """A line of the user's, without the folder of its file."""
    place = Place.of((code, instruction))
    return f"{Path(place.file).name}:{place.line}"


def may_warn(text: ast.AST) -> bool:
    """Whether NumPy could warn of a result that is infinite or undefined."""
    return any(
        isinstance(n, ast.BinOp) or (isinstance(n, ast.Call) and "np." in unparse(n.func)) for n in ast.walk(text)
    )


def defined(owner: Any, text: str, name: str) -> Any:
    """The function that `text` defines; tracebacks and the debugger show its lines as long as `owner` lives."""
    file = f"<minigrad {name} {next_number()}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    weakref.finalize(owner, linecache.cache.pop, file, None)
    space: dict[str, Any] = {"__name__": file}
    exec(compile(text, file, "exec"), space)
    return space[name]


# ------------------------------------------------------------------------------------------- from lines to good lines
class Text:
    """The lines of a program on their way to good ones, and what each Tensor of the recording is called by now."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.lines, names = lines_of(recording)
        self.results = [y for y in leaves(recording.result) if type(y) is Tensor]
        values = {a.name: a.value.array for a in recording.arguments if type(a.value) is Tensor}
        self.simplifier = Simplifier(self.lines, values, [names[y] for y in self.results])
        self.names = names

    @property
    def now(self) -> dict[Tensor, str]:
        return {node: self.simplifier.now(name) for node, name in self.names.items()}

    @property
    def taken(self) -> list[str]:
        """Names that no helper may have, and behind the first, which is the program's own, no line."""
        recording = self.recording
        return [recording.name, *(name for name, _ in recording.tree), *(a.name for a in recording.arguments)]

    def simplified(self, open_all: bool = False) -> None:
        self.lines = self.simplifier.run(open_all)

    def nested(self) -> None:
        now = self.now
        titles = titles_of(self.recording, self.lines, now)
        self.lines = nested(self.lines, titles.keys() | {now[y] for y in self.results})

    def named(self, taken: Sequence[str] = ()) -> tuple[list[Line], ast.expr]:
        """The lines with their final names, and what the program returns."""
        recording, now = self.recording, self.now
        taken = [*taken, *self.taken[1:]]
        final = final_names(taken, self.lines, titles_of(recording, self.lines, now))
        new = {old: named(name) for old, name in final.items()}
        lines = [line.but(name=final[line.name], text=renamed(line.text, new)) for line in self.lines]
        names = {node: final.get(name, name) for node, name in now.items()}
        shared = {owner(a.value.array) for a in recording.arguments if type(a.value) is Tensor}
        return lines, structure(recording.result, names, shared)


def structure(result: Any, names: Mapping[Tensor, str], shared: set[Any]) -> ast.expr:
    """The result of the program, nested as the traced function returned it; no memory twice, and none in `shared`."""
    if type(result) is Tensor:
        text, memory = named(names[result]), owner(result.array)
        copied = not result.array.flags.writeable or memory in shared
        shared.add(memory)
        return ast.Call(ast.Attribute(text, "copy", ast.Load()), [], []) if copied else text
    if isinstance(result, list | tuple):
        parts = [structure(part, names, shared) for part in result]
        return ast.List(parts, ast.Load()) if isinstance(result, list) else ast.Tuple(parts, ast.Load())
    if isinstance(result, dict):
        return ast.Dict([literal(key) for key in result], [structure(part, names, shared) for part in result.values()])
    return literal(result)


def owner(array: Any) -> int:
    """The identity of what has the memory of an array."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)


def titles_of(recording: Recording, lines: Sequence[Line], now: Mapping[Tensor, str]) -> dict[str, str]:
    """Names that say something, for lines that have one: the user's variable, or whose cotangent it is."""
    titles: dict[str, str] = {}
    own = {a.name for a in recording.arguments}
    for node, name in now.items():
        if node.op is not None and recording.phase(node) == "forward" and (title := variable(node)):
            titles.setdefault(name, title)
    if isinstance(recording.result, tuple) and recording.cotangents and type(recording.result[0]) is Tensor:
        titles.setdefault(now[recording.result[0]], "loss")
    if type(recording.result) is Tensor:
        titles.setdefault(now[recording.result], "result")
    for order, x, g in recording.cotangents:
        if type(g) is Tensor and g in now and x in now:
            of = now[x] if now[x] in own else titles.get(now[x])
            if of:
                titles.setdefault(now[g], ("d" if order == 1 else f"d{order}") + ("" if len(of) == 1 else "_") + of)
    for x, new in zip(*recording.updated, strict=False):
        if new in now:
            titles.setdefault(now[new], f"new_{now[x]}")
    for line in lines:
        if line.hint:
            titles.setdefault(line.name, line.hint)
    return {name: title for name, title in titles.items() if name not in own}


def final_names(taken: Sequence[str], lines: Sequence[Line], titles: Mapping[str, str]) -> dict[str, str]:
    """A name for each line: its title, or a number."""
    used = {*taken, *LIBRARIES, *keyword.kwlist, *dir(builtins), *(line.node.op.name for line in lines if line.body)}
    final, counted = {}, (f"t{i}" for i in count(1))
    candidates = {title: numbered(title) for title in titles.values()}
    for line in lines:
        names = candidates[titles[line.name]] if line.name in titles else counted
        final[line.name] = next(name for name in names if name not in used)
        used.add(final[line.name])
    return final


def helpers_of(lines: list[Line], taken: Sequence[str]) -> list[ast.stmt]:
    """A function for each forward of several lines, with a name that is not `taken`, and calls of them in the lines."""
    helpers: dict[int, ast.FunctionDef] = {}
    for i, line in enumerate(lines):
        if line.body is None:
            continue
        if id(line.body) not in helpers:
            used = {*taken, *(other.name for other in lines), *(helper.name for helper in helpers.values())}
            name = next(n for n in numbered(line.node.op.name) if n not in used)
            function = ast.parse(f"def {name}({', '.join(line.body.inputs)}): pass").body[0]
            assert isinstance(function, ast.FunctionDef)
            function.body = [*line.body.statements, ast.Return(line.body.result)]
            helpers[id(line.body)] = function
        assert isinstance(line.text, ast.Call)
        call = ast.Call(named(helpers[id(line.body)].name), line.text.args, [])
        lines[i] = line.but(text=call)
    return list(helpers.values())
