"""The program of a tape as machine code: the same lines, compiled by numba, alone or with the loop over the batches.

numba takes a part of NumPy. What it spells otherwise is written as it wants it; where it has nothing, the error names
the operation and the user's line. Sums are taken in another order than NumPy's, so the results are those of the tape up
to rounding.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.engine.errors import at
from minigrad.engine.trees import bare, leaves, like, mapped
from minigrad.program.buffers import Buffer, of_one_row, taken_apart, with_buffers
from minigrad.program.lines import Line
from minigrad.program.program import Program, commented, defined
from minigrad.program.recording import Recording, TraceError
from minigrad.program.text import literal, named, names_read, numpys, renamed, unparse
from minigrad.tensor import Tensor

__all__ = ["Loop", "NumbaProgram"]


class NumbaProgram(Program):
    """A program that numba has compiled: a function of arrays, which returns the arrays of the result one by one.

    Raises:
        TraceError: numba cannot compile it; the message names the operation.
    """

    def __init__(self, recording: Recording, static: Mapping[str, Any]) -> None:
        self.describe(recording, static)
        apart = taken_apart(recording, [])
        self.helpers, self.nesting = [], recording.result
        self.lines = [in_numbas_words(line) for line in apart.lines]
        self.result = ast.Tuple(list(arrays_in(apart.result)), ast.Load())
        self.text = "\n".join(self.print()) + "\n"
        examples = [bare(a.value) for a in self.arguments]
        self.machine_code = jitted(defined(self, self.text, self.name), examples, self.text, self.lines)

    def signature(self) -> str:
        return f"def {self.name}({', '.join(a.name for a in self.arguments)}):"

    def unpacking(self) -> Iterator[str]:
        return iter(())

    def body(self) -> Iterator[str]:
        for line in self.lines:
            yield commented(f"{line.name} = {unparse(line.text)}", line)

    def function(self, *arrays: Any) -> Any:
        """Run the program on its own arguments; what it found outside is supplied."""
        outside = [bare(a.held) for a in self.arguments if a.held is not None]
        found = iter(self.machine_code(*flat(self.tree, arrays), *outside))
        return mapped(lambda y: next(found) if type(y) is Tensor else y, self.nesting)


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
def in_numbas_words(line: Line) -> Line:
    """A line as numba takes it."""
    if line.body is not None:
        raise TraceError(refusal(line, "its forward has loops or writes into arrays"))
    text: Any = line.text
    match text:
        case ast.Call(ast.Attribute(x, "dot"), [y], _) if unparse(x) != "np":
            text = ast.Call(numpys("dot"), [x, y], [])
        case ast.Call(ast.Attribute(x, "sum" | "mean" as name), arguments, keywords):
            kept = any(k.arg == "keepdims" for k in keywords)
            text = ast.Call(ast.Attribute(x, "sum" if arguments or kept else name, ast.Load()), arguments, [])
            if kept:
                text = ast.Call(ast.Attribute(text, "reshape", ast.Load()), [literal(np.shape(line.value))], [])
            if name == "mean" and (arguments or kept):
                raise TraceError(refusal(line, "a mean over some of the axes; write x.sum(axis) / n"))
    if line.value.dtype == np.float32:  # to numba a Python number is a float64
        text = Single().visit(renamed(text, {}))
    return dataclasses.replace(line, text=text)


class Single(ast.NodeTransformer):
    """Python numbers among operands as numbers of single precision."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        node.left, node.right = single(node.left), single(node.right)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if unparse(node.func) in ("np.where", "np.maximum", "np.minimum", "np.power"):
            node.args = [single(a) for a in node.args]
        return node


def single(node: ast.expr) -> ast.expr:
    number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return ast.Call(numpys("float32"), [node], []) if number else node


def positional(line: Line) -> Line:
    """``out=`` as the last argument, and np.dot for matrices: numba has no other."""
    text = line.text
    if isinstance(text, ast.Call) and any(k.arg == "out" for k in text.keywords):
        of = numpys("dot") if unparse(text.func) == "np.matmul" else text.func
        text = ast.Call(of, [*text.args, *(k.value for k in text.keywords)], [])
    return dataclasses.replace(line, text=text)


def refusal(line: Line, reason: str) -> str:
    operation = getattr(line.node.op, "name", "a constant")
    return (
        f"numba cannot take {operation} at {at(line.place)}: {reason}. Leave backend= out, or say fallback=True "
        "to run the NumPy program where numba cannot"
    )


def jitted(function: Callable[..., Any], examples: Sequence[Any], text: str, lines: Sequence[Line]) -> Any:
    """`function` compiled for arguments like the examples."""
    import numba  # the extra `numba`
    from numba.core.errors import NumbaError, NumbaWarning

    compiled = numba.njit(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)  # of speed, and of what it is experimental about
        try:
            compiled.compile(tuple(map(numba.typeof, examples)))
        except NumbaError as error:
            numbers = [int(n) for n in re.findall(r"line (\d+)", str(error))]
            source = text.splitlines()
            written = {line.name: line for line in lines}
            for n in numbers:
                name = source[n - 1].strip().partition(" = ")[0] if 0 < n <= len(source) else ""
                if name in written:
                    reason = next((s for s in str(error).splitlines() if "nopython" not in s and s.strip()), "")
                    raise TraceError(refusal(written[name], f"`{unparse(written[name].text)}`; {reason}")) from error
            raise TraceError(f"numba cannot compile this program: {error}") from error
    return compiled


# -------------------------------------------------------------------------------------------------- a whole descent
class Loop:
    """A descent through batches of rows, in machine code.

    Args:
        recordings: for each number of rows that a batch may have, the recording of a step.
        over: the arguments that are cut into batches.
    """

    def __init__(self, recordings: Mapping[int, Recording], over: Sequence[str]) -> None:
        parts = [Kernel(rows, recording, over, len(recordings) > 1) for rows, recording in recordings.items()]
        self.sizes = set(recordings)
        first = next(iter(recordings.values()))
        self.tree, self.result, self.dtype = first.tree, first.result[1:], leaves(first.result)[0].dtype
        self.outside = [a.held for a in first.arguments if a.held is not None]
        given = [f"all_{a.name}" if a.name in over else a.name for a in first.arguments]
        self.text = "\n".join(self.print(first.name, given, over, parts)) + "\n"
        examples = [bare(a.value) for a in first.arguments] + [np.zeros(2, np.intp), np.zeros(1, self.dtype)]
        lines = [line for part in parts for line in part.lines]
        self.machine_code = jitted(defined(self, self.text, "descend"), examples, self.text, lines)

    def __call__(self, arrays: Sequence[Any], starts: Any) -> tuple[Any, ...]:
        values = np.empty(len(starts) - 1, self.dtype)
        new = self.machine_code(*flat(self.tree, arrays), *map(bare, self.outside), starts, values)
        return values, *like(self.result, new)

    def print(self, name: str, given: Sequence[str], over: Sequence[str], parts: Sequence[Kernel]) -> Iterator[str]:
        yield from [f'"""A descent through batches: the step of {name}, repeated."""', "", "import numpy as np", "", ""]
        yield f"def descend({', '.join([*given, 'starts', 'values'])}):"
        for part in parts:
            yield from (f"    {buffer.text}" for buffer in part.buffers)
        yield "    for i in range(values.size):"
        yield "        start, stop = starts[i], starts[i + 1]"
        for i, part in enumerate(parts):
            several = len(parts) > 1
            if several:
                yield f"        {'elif' if i else 'if'} stop - start == {part.rows}:"
            for line in [*(f"{name} = all_{name}[start:stop]" for name in over), *part.body()]:
                yield "    " * (2 + several) + line
        yield f"    return {', '.join(parts[0].returned)},"


class Kernel:
    """The step for batches of one number of rows."""

    def __init__(self, rows: int, recording: Recording, over: Sequence[str], several: bool) -> None:
        apart = taken_apart(recording, ["starts", "values", "start", "stop", "i", *(f"all_{n}" for n in over)])
        self.rows, self.updated, self.value = rows, apart.updated, apart.returned[0]
        back = {new: x for x, new in apart.updated.items()}
        self.returned = [back.get(name, name) for name in apart.returned[1:]]
        donated = {new: x for x, new in apart.updated.items()}
        lines = [in_numbas_words(of_one_row(line, apart.values)) for line in apart.lines]
        lines, self.buffers = with_buffers(lines, apart.values, apart.returned, donated, 1, False)
        self.lines = [positional(line) for line in lines]
        if several:
            new = {buffer.name: named(f"{buffer.name}_{rows}") for buffer in self.buffers}
            self.lines = [dataclasses.replace(line, text=renamed(line.text, new)) for line in self.lines]
            self.buffers = [Buffer(f"{buffer.name}_{rows}", buffer.like) for buffer in self.buffers]

    def body(self) -> Iterator[str]:
        yield from (f"{line.name} = {unparse(line.text)}" for line in self.lines)
        yield f"values[i] = {self.value}"
        yield from (f"{x} = {new}" for x, new in self.updated.items())
