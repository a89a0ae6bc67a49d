"""What counts as data, and what may require grad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import errors
from minigrad.engine.state import off_tape

if TYPE_CHECKING:
    from minigrad.tensor import Tensor


def as_numeric(data: Any) -> np.ndarray[Any, Any]:
    """`np.asarray`, for numbers only; says what it got otherwise."""
    if type(data) is np.ndarray and data.dtype.kind in "fiubc":
        return data
    try:
        array = np.asarray(data)
    except ValueError as error:  # nested lists of unequal length
        raise TypeError(f"not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"needs an array of numbers, and got {type(data).__name__} (as an array, dtype {array.dtype})")
    return array


def replacement(leaf: Tensor, new: Any) -> np.ndarray[Any, Any]:
    """`new` as the data of `leaf`: an array of its shape, in its dtype."""
    if leaf.op is not None:
        raise ValueError(f"data of {leaf!r} cannot be rebound: it is a result, not a leaf; compute a new tensor")
    off_tape(leaf, "assigning to .data")
    array = as_numeric(new)
    if array.shape != leaf.shape:
        raise ValueError(f"data: this tensor has shape {leaf.shape}, and the new array {array.shape}")
    return array.astype(leaf.dtype, copy=False)


def may_require_grad(t: Tensor, flag: Any) -> bool:
    """`flag` as a bool, or the error that says why `t` cannot be told."""
    if t.op is not None:
        raise ValueError("requires_grad is set on leaves, and this is a result: t.detach() makes a leaf of it")
    if flag and t.array.dtype.kind != "f":
        raise TypeError(errors.not_real(t.dtype))
    return bool(flag)
