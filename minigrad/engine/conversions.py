"""How a Tensor becomes a number, an array or a text: the ways by which its values leave the tape."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import errors
from minigrad.engine.state import off_tape

if TYPE_CHECKING:
    from minigrad.engine.installed import Entry


class Converted:
    """The base class of Tensor with these; `self` is a Tensor everywhere."""

    __slots__ = ()

    def item(self: Any) -> Any:
        """The single entry as a Python number; ends the history. ValueError unless there is one entry."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one entry, and this one has shape {self.shape}")
        return off_tape(self, ".item()").item()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The array itself, not a copy; ends the history."""
        return off_tape(self, ".numpy()")  # type: ignore[no-any-return]

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[Entry]]:
        if self.recorded and self.dtype.kind == "f":  # positions and masks have no gradient to lose
            raise TypeError(errors.as_array(self))
        return np.array(off_tape(self, "np.asarray()"), dtype=dtype, copy=copy)

    def __bool__(self: Any) -> bool:
        if self.size != 1:
            raise ValueError(errors.ambiguous_truth(self))
        return bool(off_tape(self, "a branch on its value"))

    def __float__(self) -> float:
        return converted(self, float)  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return converted(self, int)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return converted(self, complex)  # type: ignore[no-any-return]

    def __index__(self) -> int:
        return converted(self, operator.index)  # type: ignore[no-any-return]

    def __round__(self, *digits: Any) -> Any:
        return converted(self, round, *digits)

    def __trunc__(self) -> Any:
        return converted(self, math.trunc)

    def __floor__(self) -> Any:
        return converted(self, math.floor)

    def __ceil__(self) -> Any:
        return converted(self, math.ceil)

    def __format__(self: Any, spec: str) -> str:
        if not spec:
            return str(self)
        if self.size == 1:
            return format(self.array.item(), spec)
        return np.array2string(self.array, separator=", ", formatter={"all": lambda entry: format(entry, spec)})


def converted(t: Any, convert: Callable[..., Any], *args: Any) -> Any:
    """The number that Python, NumPy and `math` take out of an object with one entry: refused on the tape."""
    array = off_tape(t, f"{convert.__name__}()")
    if t.recorded:
        raise TypeError(errors.as_number(t, convert.__name__))
    if array.size != 1:
        raise TypeError(f"{convert.__name__}() needs a tensor of one entry, and this one has shape {t.shape}")
    return convert(array.item(), *args)
