"""Tensor: an array, its gradient, and how it was made.

A leaf is a Tensor that somebody made from data. Every other Tensor on the tape was made by an operation and remembers
it: the operation, its inputs, the arrays those inputs held at that moment, and the line of code. That is all that
reverse-mode differentiation needs; `backprop.py` does the rest.
"""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable
from itertools import count, islice
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

__all__ = ["Tensor"]

ENGINE = "minigrad", "minigrad.ops", "minigrad.nn"  # packages whose frames are not the user's
next_serial = count().__next__


class Mode(threading.local):
    """What this thread is doing. Each thread starts with these defaults."""

    recording: bool = True  # False inside no_grad()
    place: tuple[CodeType, int] | None = None  # set by a recorded sweep: the forward line that it differentiates


mode = Mode()


def caller(depth: int) -> tuple[CodeType, int]:
    """The innermost line outside the engine, `depth` frames up or more, as (code, instruction offset).

    That is cheap to take; `Tensor.where` makes a file, a line and columns of it when somebody asks.
    """
    if mode.place:
        return mode.place
    frame: FrameType = sys._getframe(depth)
    while frame.f_globals.get("__package__") in ENGINE and frame.f_back:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


class Place(NamedTuple):
    """A stretch of source code. Lines count from 1, columns from 0 (in bytes of UTF-8), as in `ast`."""

    file: str
    function: str
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Tensor:
    """An array that takes part in differentiation.

    Args:
        data: an array, a number or nested lists of numbers. An array is not copied (as `torch.from_numpy`):
            minigrad itself never writes into it.
        requires_grad: whether `backward` shall leave a gradient here. Needs a real floating dtype.

    Attributes:
        data: the array. Assigning another array of the same shape to a leaf rebinds it: the tensor stays the same
            leaf, and tapes that were recorded before keep the array they saw.
        grad: None, or an array with the shape and dtype of `data` that shares memory with nothing. Gradients add up
            here over `backward` calls until `zero_grad`.
        requires_grad: True when a derivative reaches this tensor.

    Raises:
        TypeError: data that is not numeric, or requires_grad for integers, bools or complex numbers.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    array([6., 8.])
    """

    __slots__ = (
        "__weakref__",
        "array",  # what `data` returns
        "differentiable",  # what `requires_grad` returns
        "grad",
        "inputs",  # what the operation was given: Tensors, arrays, numbers; () for a leaf
        "made_at",  # (code, instruction offset), see caller()
        "op",  # the operation that made it; None for a leaf
        "params",  # the operation's static arguments
        "recorded",  # True when operations on this tensor go on the tape
        "serial",  # creation order, which is a topological order
        "values",  # the arrays and numbers that `inputs` stood for at that moment
    )

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            raise TypeError("Tensor(data): data is already a Tensor; t.detach() makes a new leaf with the same data")
        self.array: np.ndarray[Any, Any] = as_numeric(data)
        self.grad: np.ndarray[Any, Any] | None = None
        self.op: Any = None
        self.inputs: tuple[Any, ...] = ()
        self.values: Any = ()
        self.params: dict[str, Any] = {}
        self.serial = next_serial()
        self.made_at = caller(2)
        self.requires_grad = requires_grad

    # ------------------------------------------------------------------------------------------ what it holds
    @property
    def data(self) -> np.ndarray[Any, Any]:
        return self.array

    @data.setter
    def data(self, new: Any) -> None:
        if self.op is not None:
            raise ValueError(f"data of {self!r} cannot be rebound: it is a result, not a leaf; compute a new tensor")
        new = as_numeric(new)
        if new.shape != self.array.shape:
            raise ValueError(f"data: this tensor has shape {self.shape}, the new array {new.shape}")
        self.array = new.astype(self.array.dtype, copy=False)

    @property
    def requires_grad(self) -> bool:
        return self.differentiable

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if self.op is not None and flag != self.differentiable:
            raise ValueError(
                "requires_grad is a property of leaves, and this tensor is a result: "
                "use t.detach() for a leaf with its data"
            )
        if flag and self.array.dtype.kind != "f":
            raise TypeError(
                f"requires_grad=True needs a real floating dtype, and this tensor is {self.dtype}: "
                "derivatives are limits, and need numbers that can change by a little. Use floats: 3.0, or x.astype(float)"
            )
        self.differentiable = self.recorded = bool(flag)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def T(self) -> Tensor:
        """All axes reversed, as `numpy.ndarray.T`."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged, as `numpy.ndarray.mT`."""
        return self.matrix_transpose()

    def item(self) -> Any:
        """The single entry as a Python number; ends the history. ValueError unless size is 1."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one entry, and this one has shape {self.shape}")
        return self.array.item()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The array itself, not a copy; ends the history."""
        return self.array

    def detach(self) -> Tensor:
        """A new leaf with the same data and no history."""
        return Tensor(self.array)

    def zero_grad(self) -> None:
        """Forget the gradient: `grad` is None, as in torch."""
        self.grad = None

    @property
    def where(self) -> Place:
        """The user's line that made this tensor, with the columns of the expression."""
        code, instruction = self.made_at
        position = next(islice(code.co_positions(), instruction // 2, None))
        line, end_line, column, end_column = position
        return Place(code.co_filename, code.co_name, line, end_line, column, end_column)

    # ---------------------------------------------------------------------------------- Python's and NumPy's side
    def __repr__(self) -> str:
        body = np.array2string(self.array, separator=", ", prefix="Tensor(", threshold=60)
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self.dtype}"
        origin = f", op={self.op.name}" if self.op is not None else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({body}{dtype}{origin})"

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    __hash__ = object.__hash__  # by identity: tensors are nodes of a graph

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.recorded:
            raise TypeError(
                "np.asarray of a tensor that requires grad would leave the tape without a word; "
                "say t.detach() or t.numpy() when that is what you want"
            )
        return np.array(self.array, dtype=dtype, copy=copy)

    if TYPE_CHECKING:  # installed by backprop.py and, one block an operation, by ops/
        backward: Callable[..., None]
        sum: Callable[..., Tensor]
        mean: Callable[..., Tensor]
        reshape: Callable[..., Tensor]
        transpose: Callable[..., Tensor]
        matrix_transpose: Callable[..., Tensor]
        astype: Callable[..., Tensor]

        def __add__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __add__


def as_numeric(data: Any) -> np.ndarray[Any, Any]:
    """`np.asarray`, for numbers only; names what it got otherwise."""
    if type(data) is np.ndarray and data.dtype.kind in "fiubc":
        return data
    try:
        array = np.asarray(data)
    except ValueError as error:  # NumPy's word for nested lists of unequal length
        raise TypeError(f"not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiubc":
        raise TypeError(
            f"expected an array of numbers, a number or nested lists of numbers, got {type(data).__name__} "
            f"(as an array: dtype {array.dtype})"
        )
    return array


def updating(name: str) -> Callable[[Tensor, Any], Tensor]:
    """`w -= step` and its kin: a new array for a leaf under no_grad, otherwise the plain operator (`w = w - step`)."""
    compute = cast(Callable[[Any, Any], Any], getattr(operator, name))

    def update(self: Tensor, other: Any) -> Tensor:
        if self.op is not None or (mode.recording and not self.differentiable):
            return cast(Tensor, compute(self, other))
        if mode.recording:
            raise RuntimeError(
                f"in-place {name} on a leaf that requires grad would make it a non-leaf: its old self would keep the gradient. "
                "Write `with minigrad.no_grad(): w -= lr * w.grad`"
            )
        new = compute(self.array, other.array if type(other) is Tensor else other)
        if new.shape == self.array.shape and new.dtype is self.array.dtype:
            self.array = new
        else:
            self.data = new
        return self

    return update


for name in "add", "sub", "mul", "truediv":
    setattr(Tensor, f"__i{name}__", updating(name))
