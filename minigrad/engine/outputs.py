"""Several results of one call: one flat record on the tape, of which each of them is a part.

A `Function` whose forward returns a tuple has one node, like any other: its value is all that the results hold, in one
row. Each result is a node of its own, which takes its stretch of that row. So a sweep sends the cotangents of the
results to the same place, zeros from where nothing came, and calls the student's backward once, with all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import errors
from minigrad.engine.numeric import as_numeric
from minigrad.engine.op import Op
from minigrad.tensor import Tensor

LARGEST = 2**53  # beyond this floats, which a record is of, leave integers out


class Piece(NamedTuple):
    """Where a result lies in the record, and what it is there."""

    stretch: slice
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def of(self, record: Any) -> Any:
        """The result, from a record, or its cotangent, from the cotangent of a record: arrays or Tensors."""
        y = record[self.stretch].reshape(self.shape)
        return y if y.dtype == self.dtype else y.astype(self.dtype)


def numbers_in(result: Any, name: str) -> Any:
    """The result of the forward of the Function `name`: an array or a tuple of arrays, or Tensors; or the TypeError."""
    if type(result) is list and any(hasattr(x, "shape") for x in result):
        raise TypeError(
            f"{name}.forward returned a list of {len(result)}: several outputs are a tuple, return a, b; one output "
            "that is made of several arrays is np.stack([a, b])"
        )
    if not isinstance(result, tuple):
        return result
    if not result:
        raise TypeError(f"{name}.forward returned an empty tuple: return one array, or one for each output")
    return tuple([output(x, f"{name}.forward: output {i}") for i, x in enumerate(result)])


def output(x: Any, what: str) -> Any:
    try:
        x = x if type(x) is Tensor else as_numeric(x)
    except TypeError as error:
        raise TypeError(f"{what}: {error}") from None
    if x.dtype.kind == "c":
        raise TypeError(f"{what} is complex, and only reals have cotangents: return its .real and its .imag")
    if x.dtype.kind in "iu" and x.size and max(abs(int(x.max())), abs(int(x.min()))) > LARGEST:
        raise TypeError(f"{what} holds integers beyond 2**53, and beside other outputs they are kept as floats")
    return x


def results(result: Any) -> tuple[Any, ...]:
    """The results of a forward, one by one."""
    return result if type(result) is tuple else (result,)


def packed(found: Sequence[Any]) -> Any:
    """All entries of several results in one row."""
    return np.concatenate([x.reshape(-1) for x in found])


def pieces(found: Sequence[Any]) -> Iterator[Piece]:
    """Where each of several results lies in that row."""
    stop = 0
    for x in found:
        start, stop = stop, stop + math.prod(x.shape)
        yield Piece(slice(start, stop), x.shape, x.dtype)


def cotangents(g: Any, places: Sequence[Piece]) -> list[Any]:
    """The cotangents of the results, given that of the record: arrays or Tensors."""
    return (sent(g, places) if type(g) is Tensor else None) or [piece.of(g) for piece in places]


def sent(g: Tensor, places: Sequence[Piece]) -> list[Any] | None:
    """The cotangents of the parts, if g is but their sum: no program need make a row in order to cut it again."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [g]
    while waiting:
        t = waiting.pop(0)
        name = t.op.name if type(t) is Tensor and t.op is not None else ""
        if name == "add":
            waiting = [*t.inputs, *waiting]
            continue
        if name != "concatenate" or len(t.inputs) != 3:
            return None
        before, y, after = t.inputs
        zeros = all(type(x) is np.ndarray and not x.any() for x in (before, after))
        if not zeros or y.op is None or y.op.name != "reshape":
            return None
        place, y = slice(before.size, before.size + y.size), y.inputs[0]
        i = next((i for i, p in enumerate(places) if (p.stretch, p.shape, p.dtype) == (place, y.shape, y.dtype)), None)
        if i is None:
            return None
        found[i] = found[i] + y if i in found else y
    return [found[i] if i in found else Tensor(np.zeros(p.shape, p.dtype)) for i, p in enumerate(places)]


class Part(Op):
    """The operation of one result of several: the record of the call goes in.

    Args:
        whole: the operation of the record.
        i: which result it is.
        piece: where it lies.
        differentiable: whether a derivative passes: not to integers, nor to what the student marked as constant.
    """

    __slots__ = "formula", "has_constants", "i", "name", "piece", "rules", "whole"

    def __init__(self, whole: Any, i: int, piece: Piece, differentiable: bool) -> None:
        self.whole, self.i, self.piece, self.name = whole, i, piece, f"{whole.name}[{i}]"
        self.formula = f"y = output {i} of {whole.name}"
        self.has_constants, self.rules = not differentiable, (differentiable,)

    def forward(self, outputs: Any) -> Any:
        return self.piece.of(outputs)

    def partials(
        self, node: Any, wanted: Callable[[Any], bool], g: Any, y: Any, inputs: Sequence[Any]
    ) -> Sequence[Any]:
        if not wanted(node.inputs[0]):
            return [None]
        start, stop = self.piece.stretch.start, self.piece.stretch.stop
        return [np.concatenate([np.zeros(start), g.reshape(-1), np.zeros(inputs[0].size - stop)])]

    def fit(self, partial: Any, node: Any, i: int) -> Any:
        return partial.astype(node.inputs[i].dtype)

    def input_names(self, count: int) -> list[str]:
        return ["outputs"]


def with_cotangents(student: Any, ctx: Any, gs: Sequence[Any], name: str = "") -> Any:
    """The result of a Function's backward for the cotangents of its outputs."""
    try:
        return student.backward(ctx, *gs)
    except TypeError as error:
        if error.__traceback__ and error.__traceback__.tb_next is None:  # it does not take so many
            raise errors.wrong_cotangents(name or student.__name__, student.backward, len(gs)) from None
        raise
