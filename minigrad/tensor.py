"""Tensor: an array, its gradient, and how it was made.

A leaf is a Tensor that somebody made from data. Every other Tensor on the tape was made by an operation and remembers
it: the operation, its inputs, the arrays those inputs held at that moment, and the line of code. That is all that
reverse-mode differentiation needs; `backprop.py` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from minigrad.engine import errors
from minigrad.engine.conversions import Converted
from minigrad.engine.hooks import Handle, Hooks, hooks_of
from minigrad.engine.installed import Installed
from minigrad.engine.numeric import as_numeric, may_require_grad, replacement
from minigrad.engine.places import Place, Placed, caller
from minigrad.engine.state import here, off_tape

__all__ = ["Tensor"]

Array = np.ndarray[Any, Any]
next_serial = count().__next__


class Tensor(Placed, Converted, Installed):
    """An array that takes part in differentiation.

    Args:
        data: an array, a number or nested lists of numbers. An array is not copied, and never written into.
        requires_grad: whether `backward` shall leave a gradient here. Needs a real floating dtype.

    Attributes:
        data: the array. Assigning another one of the same shape rebinds it: the tensor stays the same leaf, and tapes
            that were recorded before keep the array they saw.
        grad: None, or an array with the shape and dtype of `data` that shares memory with nothing, to which each
            `backward` adds until `zero_grad`.
        requires_grad: True when a derivative reaches this tensor.

    Raises:
        TypeError: `data` holds no real numbers, or `requires_grad` and no floats.

    There are four kinds of Tensor, told apart by three of the slots below:

                                                        op        recorded    differentiable
        data, a leaf: Tensor(x)                         None      False       False
        a parameter, a leaf that requires grad          None      True        True
        a result on the tape: w * x                     set       True        True, but for steps such as w > 0
        a result off the tape: x * x, under no_grad     None      False       False

    `recorded` decides whether what is computed from a tensor goes on the tape, `differentiable` whether a cotangent is
    sent to it; `cut` says why not. (While a program is traced its data are leaves that are recorded, too: no gradient
    of them is wanted, but what is computed from them is.)

    `backward` is installed by backprop.py, and each operator and method by its operation in ops/: a Tensor knows how it
    was made, and nothing of derivatives. How it becomes a number or an array stands in engine/conversions.py.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    array([6., 8.])
    """

    __slots__ = (
        "__weakref__",
        "array",  # what `data` returns
        "cut",  # why no derivative reaches a result, and where it was cut off; None for others
        "differentiable",  # what `requires_grad` returns
        "grad",
        "hooks",  # what register_hook and retain_grad asked for
        "inputs",  # a tuple, what the operation was given: Tensors, arrays, numbers; () for a leaf
        "op",  # the operation that made it; None for a leaf
        "params",  # the operation's static arguments
        "recorded",  # True when operations on this tensor go on the tape
        "serial",  # creation order, which is a topological order
        "values",  # the arrays and numbers that `inputs` stood for at that moment
    )

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            raise TypeError("Tensor(data): data is a Tensor already; t.detach() makes a new leaf with the same data")
        self.array: Array = as_numeric(data)
        self.grad: Any = None
        self.hooks: Hooks | None = None
        self.op: Any = None
        self.cut: Any = None
        self.inputs, self.values, self.params = (), (), {}
        self.serial = next_serial()
        self.code, self.instruction = here.state.place or caller(2)
        self.requires_grad = requires_grad

    @property
    def data(self) -> Array:
        return off_tape(self, ".data")  # type: ignore[no-any-return]

    @data.setter
    def data(self, new: Any) -> None:
        self.array = replacement(self, new)

    @property
    def requires_grad(self) -> bool:
        return self.differentiable

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self.differentiable = self.recorded = may_require_grad(self, flag)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the entries."""
        return self.array.dtype  # type: ignore[no-any-return]

    @property
    def T(self) -> Tensor:
        """All axes reversed, as `numpy.ndarray.T`."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged, as `numpy.ndarray.mT`."""
        return self.matrix_transpose()

    @property
    def where(self) -> Place:
        """The user's expression that made this tensor."""
        return Place.of(self.made_at)

    def detach(self) -> Tensor:
        """A new leaf with the same data and no history."""
        leaf = Tensor(self.array)
        leaf.cut = "detached", caller(2)
        return leaf

    def retain_grad(self) -> None:
        """Let every sweep that comes by add to `grad` here too, although this is a result and no leaf."""
        hooks_of(self).retain = self.op is not None

    def register_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """In every sweep call ``hook(g)`` with the cotangent, until ``remove()`` of the handle that is returned.

        What the hook returns replaces g, unless it is None. In a recorded sweep g is a Tensor, otherwise an array.
        """
        return hooks_of(self).add(hook)

    def zero_grad(self) -> None:
        """Forget the gradient: `grad` becomes None, as in torch."""
        self.grad = None

    def __repr__(self) -> str:
        body = np.array2string(self.array, separator=", ", prefix="Tensor(", threshold=60)
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self.dtype}"
        origin = f", op={self.op.name}" if self.op is not None else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({body}{dtype}{origin})"

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """NumPy, whose functions record when they are given a Tensor: the `xp` of the array API standard."""
        return np

    def __len__(self) -> int:
        return len(self.array)

    def __setitem__(self, index: Any, value: Any) -> None:
        if here.state.beyond is None:
            raise TypeError(errors.ASSIGNMENT)
        here.state.beyond.write(self, index, value)

    __hash__ = object.__hash__  # by identity: tensors are nodes of a graph

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise TypeError(errors.has_history(self))
        return restored, (self.array, self.grad, self.differentiable)


def restored(array: Array, grad: Array | None, requires_grad: bool) -> Tensor:
    """A leaf that was pickled or copied. Its hooks stayed behind."""
    leaf = Tensor(array, requires_grad)
    leaf.grad = grad if grad is None else grad.copy()
    return leaf
