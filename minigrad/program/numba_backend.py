"""The program of a tape as machine code: loops, compiled by numba, alone or with the loop over the batches.

numba takes a part of Python and of NumPy, and makes of a loop what a C compiler would. What it has not raises an error
that names the operation and the user's line. Sums are taken in another order than NumPy's, so the results are those of
the tape up to rounding: of the liberties that a compiler may take with numbers it has two, to change the order of a sum
and to put a product and a sum into one instruction. NaN and infinity stay what they are.
"""

from __future__ import annotations

import ast
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from minigrad.engine.errors import at
from minigrad.engine.trees import bare, leaves, like, mapped, subscripts
from minigrad.program.buffers import taken_apart
from minigrad.program.lines import Line
from minigrad.program.loops import Loops, Printed
from minigrad.program.program import Program, commented, defined
from minigrad.program.recording import Recording, TraceError
from minigrad.program.text import literal, named, names_read, unparse
from minigrad.tensor import Tensor

__all__ = ["Loop", "NumbaProgram"]


class NumbaProgram(Program):
    """A program as loops, which numba compiles before the first call: a function of arrays, which returns the arrays of
    the result one by one.
    """

    def __init__(self, recording: Recording, static: Mapping[str, Any]) -> None:
        self.describe(recording, static)
        apart = taken_apart(recording, ["checked"])
        self.lines, self.helpers, self.nesting = apart.lines, [*map(in_numbas_words, apart.helpers)], recording.result
        self.loops = Loops(apart, values_of(recording), ["checked"])
        self.result = ast.Tuple([self.loops.result(y) for y in arrays_in(apart.result)], ast.Load())
        self.printed = list(self.inside())
        self.text = "\n".join(self.print()) + "\n"
        self.outside = [a.held for a in self.arguments if a.held is not None]

    @cached_property
    def machine_code(self) -> Any:
        """What numba has made of the text, which takes a second or more.

        Raises:
            TraceError: numba cannot compile it; the message names the operation.
        """
        first = self.text.splitlines().index(self.signature()) + 2
        examples = [bare(a.value) for a in self.arguments]
        return jitted(defined(self, self.text, self.name), examples, first, self.printed)

    @cached_property
    def function(self) -> Callable[..., Any]:
        return self.bound(self.machine_code)

    @cached_property
    def pool(self) -> list[Callable[..., Any]]:
        """The same for a CompiledFunction, which has looked at shapes, dtypes and layouts."""
        return [self.bound(self.machine_code.overloads[self.machine_code.signatures[0]].entry_point)]

    def head(self) -> Iterator[str]:
        yield from with_machine_code(super().head(), self.loops.entries.checks)

    def signature(self) -> str:
        return f"def {self.name}({', '.join(a.name for a in self.arguments)}):"

    def unpacking(self) -> Iterator[str]:
        return iter(())

    def inside(self) -> Iterator[Printed]:
        yield from ((line, None) for line in self.loops.allocations())
        yield from self.loops.print([self.name])

    def body(self) -> Iterator[str]:
        yield from (f"{commented('    ' + text, line)[4:]}" if line else text for text, line in self.printed)

    def bound(self, machine_code: Any) -> Callable[..., Any]:
        """The machine code as a function of the program's own arguments, which nests the results as they were."""
        outside = {f"_{a.name}": a.held for a in self.arguments if a.held is not None}
        flat = ["np.asarray({})" if np.ndim(bare(a.value)) == 0 else "{}" for a in self.arguments]
        own = [path for name, tree in self.tree for path, a in subscripts(tree, name) if a is not None]
        held = [f"{name}.array" if type(x) is Tensor else name for name, x in outside.items()]
        given = [how.format(name) for how, name in zip(flat, [*own, *held], strict=True)]
        results = (f"np.{y.dtype}(_y{i})" if y.ndim == 0 else f"_y{i}" for i, y in enumerate(results_of(self.nesting)))
        found = mapped(lambda y: named(next(results)) if type(y) is Tensor else y, self.nesting)
        names = ", ".join(name for name, _ in self.tree)
        text = CALL.format(
            name=self.name,
            names=names,
            given=", ".join(given),
            found="".join(f"_y{i}, " for i in range(len(results_of(self.nesting)))),
            result=unparse(literal(found)),
        )
        space: dict[str, Any] = {"np": np, "_machine_code": machine_code, **outside}
        exec(text, space)
        return space[self.name]  # type: ignore[no-any-return]


CALL = """\
def {name}({names}):
    {found}= _machine_code({given})
    return {result}
"""


def results_of(nesting: Any) -> list[Tensor]:
    return [y for y in leaves(nesting) if type(y) is Tensor]


def with_machine_code(lines: Iterable[str], checks: bool) -> Iterator[str]:
    """The head of a program in which each function is compiled."""
    for line in lines:
        line = line.replace(", as NumPy: printed", ", as loops: printed")
        if line == "import numpy as np":
            yield "import numba"
        if line.startswith("def "):
            yield from [*CHECKED.splitlines(), "", ""] if checks else []
            checks = False
            yield COMPILED
        yield line


COMPILED = '@numba.njit(error_model="numpy", fastmath={"contract", "reassoc"})'
CHECKED = f"""\
{COMPILED}
def checked(position, length):
    if position < -length or position >= length:
        raise IndexError("a position is out of bounds")
    place = np.int64(position)
    return place + length if place < 0 else place"""


def values_of(recording: Recording) -> dict[str, Any]:
    """The example arrays of the arguments."""
    return {a.name: bare(a.value) for a in recording.arguments}


def arrays_in(result: Any) -> Iterator[ast.expr]:
    """The expressions of a result, one by one."""
    match result:
        case ast.Tuple(parts) | ast.List(parts) | ast.Dict(_, parts):
            for part in parts:
                yield from arrays_in(part)
        case _ if any(True for _ in names_read(result)):
            yield result


def flat(tree: Sequence[tuple[str, Any]], arrays: Sequence[Any]) -> Iterator[Any]:
    """The arrays in nested arguments."""
    for (_, names), x in zip(tree, arrays, strict=True):
        for name, part in zip(leaves(names), leaves(x), strict=True):
            if name is not None:
                yield part


# ------------------------------------------------------------------------------------------------- numba's spelling
def in_numbas_words(tree: Any) -> Any:
    """A function as numba takes it: its shapes are tuples, and astype has no keywords."""
    if isinstance(tree, list):
        return [in_numbas_words(part) for part in tree]
    if not isinstance(tree, ast.AST) or not tree._fields:
        return tree
    fields = {k: in_numbas_words(v) for k, v in ast.iter_fields(tree)}
    match tree:
        case ast.List():
            return ast.Tuple(**fields)
        case ast.Call(ast.Attribute(_, "astype")):
            fields["keywords"] = []
    return type(tree)(**fields)


def refusal(line: Line, reason: str) -> str:
    operation = getattr(line.node.op, "name", "a constant")
    return (
        f"numba cannot take {operation} at {at(line.place)}: {reason}. Leave backend= out, or say fallback=True "
        "to run the NumPy program where numba cannot"
    )


def jitted(compiled: Any, examples: Sequence[Any], first: int, printed: Sequence[Printed]) -> Any:
    """A function of numba's, compiled for arguments like the examples; `printed` begins on line `first` of its text."""
    import numba  # the extra `numba`
    from numba.core.errors import NumbaWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)  # of speed, and of what it is experimental about
        try:
            compiled.compile(tuple(map(numba.typeof, examples)))
        except Exception as error:  # of any class: numba lets its own assertions out, too
            says = str(error) or f"{type(error).__name__} inside of numba"
            for n in lines_of(error, compiled.py_func.__code__.co_filename):
                text, line = printed[n - first] if first <= n < first + len(printed) else ("", None)
                if line is not None:
                    reason = next((s for s in says.splitlines() if "nopython" not in s and s.strip()), "")
                    raise TraceError(refusal(line, f"`{text.partition('  # ')[0].strip()}`; {reason}")) from error
            raise TraceError(f"numba cannot compile this program: {says}") from error
    return compiled


def lines_of(error: Exception, file: str) -> Iterator[int]:
    """The lines of a file that an error of numba's is about: those that it names, or that numba was at."""
    yield from map(int, re.findall(rf'{re.escape(file)}"?(?:, line | \()(\d+)', str(error)))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        loc: Any = frame.f_locals.get("loc")
        if getattr(loc, "filename", "") == file:
            yield loc.line


# -------------------------------------------------------------------------------------------------- a whole descent
class Loop:
    """A descent through batches of rows, in machine code.

    Args:
        recordings: for each number of rows that a batch may have, the recording of a step.
        over: the arguments that are cut into batches.
    """

    def __init__(self, recordings: Mapping[int, Recording], over: Sequence[str]) -> None:
        taken = ["checked", "starts", "values", "start", "stop", "step", *(f"all_{n}" for n in over)]
        parts: list[Kernel] = []
        for rows, recording in recordings.items():
            parts.append(Kernel(rows, recording, taken))
            taken += parts[-1].names
        self.sizes = set(recordings)
        first = next(iter(recordings.values()))
        self.tree, self.result, self.dtype = first.tree, first.result[1:], leaves(first.result)[0].dtype
        self.outside = [a.held for a in first.arguments if a.held is not None]
        given = [f"all_{a.name}" if a.name in over else a.name for a in first.arguments]
        self.printed = list(self.inside(over, parts, taken))
        self.text = "\n".join(self.print(first.name, given, parts)) + "\n"
        examples = [bare(a.value) for a in first.arguments] + [np.zeros(2, np.intp), np.zeros(1, self.dtype)]
        line = next(i for i, text in enumerate(self.text.splitlines()) if text.startswith("def descend("))
        self.machine_code = jitted(defined(self, self.text, "descend"), examples, line + 2, self.printed)

    def __call__(self, arrays: Sequence[Any], starts: Any) -> tuple[Any, ...]:
        values = np.empty(len(starts) - 1, self.dtype)
        new = self.machine_code(*flat(self.tree, arrays), *map(bare, self.outside), starts, values)
        return values, *like(self.result, new)

    def print(self, name: str, given: Sequence[str], parts: Sequence[Kernel]) -> Iterator[str]:
        head = [f'"""A descent through batches: the step of {name}, repeated."""', "", "import numpy as np"]
        helpers = [["", "", *unparse(helper).splitlines()] for part in parts for helper in part.helpers]
        head += [*(line for lines in helpers for line in lines), "", ""]
        head += [f"def descend({', '.join([*given, 'starts', 'values'])}):"]
        yield from with_machine_code(head, any(part.loops.entries.checks for part in parts))
        yield from (commented(f"    {text}", line) if line else f"    {text}" for text, line in self.printed)

    def inside(self, over: Sequence[str], parts: Sequence[Kernel], taken: Sequence[str]) -> Iterator[Printed]:
        yield from ((line, None) for part in parts for line in part.loops.allocations())
        yield "for step in range(values.size):", None
        yield "    start, stop = starts[step], starts[step + 1]", None
        whole = [name for name in over if any(name in part.loops.whole for part in parts)]
        cut = {name: f"all_{name}" for name in over if name not in whole}
        yield from ((f"    {name} = all_{name}[start:stop]", None) for name in whole)
        several = len(parts) > 1
        for i, part in enumerate(parts):
            if several:
                yield f"    {'elif' if i else 'if'} stop - start == {part.rows}:", None
            yield from (("    " * (1 + several) + text, line) for text, line in part.body(cut, taken))
        yield f"return {', '.join(parts[0].returned)},", None


class Kernel:
    """The step for batches of one number of rows, in names that are not `taken`: other steps stand beside it."""

    def __init__(self, rows: int, recording: Recording, taken: Sequence[str]) -> None:
        apart = taken_apart(recording, taken)
        self.rows, self.updated, self.value = rows, apart.updated, apart.returned[0]
        self.helpers = [*map(in_numbas_words, apart.helpers)]
        back = {new: x for x, new in apart.updated.items()}
        self.returned = [back.get(name, name) for name in apart.returned[1:]]
        arguments = values_of(recording)
        self.loops = Loops(apart, arguments, taken, in_place=True)
        own = self.loops.entries.values.keys() - arguments.keys()
        self.names = [*sorted(own), *(helper.name for helper in apart.helpers if isinstance(helper, ast.FunctionDef))]

    def body(self, cut: Mapping[str, str], taken: Sequence[str]) -> Iterator[Printed]:
        yield from self.loops.print(taken, cut)
        yield f"values[step] = {self.value}", None
        for x, new in self.updated.items():
            if new not in self.loops.placed:
                yield f"{x}[...] = {new}", None
