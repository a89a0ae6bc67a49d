"""What counts as data, and what may require grad."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import errors
from minigrad.engine.state import off_tape

if TYPE_CHECKING:
    from minigrad.tensor import Tensor


NUMBERS = "fiubc"  # the kinds of dtypes that can be data
LAST_NUMBER = np.dtype(np.clongdouble).num  # NumPy numbers its dtypes: booleans, integers, floats, complex, the others
SCALARS = {float, int, bool, complex}
FLOATS = {float, np.float64, np.float32}  # the most common that are no arrays: looked at no further
TAKEN = {*SCALARS, np.ndarray, np.memmap}
ARRAYS: Any = (np.ndarray, np.generic, list, tuple)
OTHER_ARRAYS = {  # what computes by other rules than NumPy's arrays, and what to say instead
    "MaskedArray": "its mask would be lost; fill the gaps, m.filled(0), and choose with np.where(m.mask, 0, y)",
    "matrix": "its * is a matrix product; say np.asarray(m), and @ for products",
}


def as_numeric(data: Any) -> np.ndarray[Any, Any]:
    """`np.asarray`, for numbers only; says what it got otherwise."""
    kind = type(data)
    if kind in FLOATS:
        return np.asarray(data)
    if kind is np.ndarray and data.dtype.kind in NUMBERS:
        return data  # type: ignore[no-any-return]
    if not isinstance(data, np.generic):
        refuse_other_arrays(data)
    try:
        array = np.asarray(data)
    except ValueError as error:  # nested lists of unequal length
        raise TypeError(f"not an array of numbers: {error}") from None
    if array.dtype.kind not in NUMBERS:
        remedy = "; make floats of it first: x.astype(float), float(x), list(x)" if array.dtype == object else ""
        if not isinstance(data, np.ndarray) and hasattr(data, "__array_ufunc__"):
            remedy = "; an operator asks it how to compute, as in x / z, and np.divide(x, z) does not"
        raise TypeError(
            f"needs an array of numbers, and got {type(data).__name__} (as an array, dtype {array.dtype}){remedy}"
        )
    return array


def is_array_like(x: Any) -> bool:
    """Whether NumPy, or the library that `x` is from, could make an array of it: a table, a sparse matrix."""
    return isinstance(x, ARRAYS) or hasattr(type(x), "__array__") or hasattr(type(x), "toarray")


def is_operand(x: Any) -> bool:
    """Whether an operator has to do with `x`; if not, it leaves the other side its turn."""
    return isinstance(x, Number) or is_array_like(x)


def refuse_other_arrays(data: Any) -> None:
    """Raise TypeError for arrays, also in lists, that NumPy would take for its own and would read differently."""
    kind = type(data)
    if kind in TAKEN or isinstance(data, np.generic | str | bytes) or hasattr(data, "made_at"):
        return  # a Tensor says itself what it may become
    if isinstance(data, Sequence):
        if not SCALARS.issuperset(map(type, data)):
            for part in data:
                refuse_other_arrays(part)
    elif is_array_like(data):
        known = (OTHER_ARRAYS[c.__name__] for c in kind.__mro__ if c.__name__ in OTHER_ARRAYS)
        convert = "x.toarray()" if hasattr(kind, "toarray") else "np.asarray(x)"
        remedy = next(known, f"only NumPy's own arrays are taken; say {convert} first")
        raise TypeError(f"{kind.__module__.partition('.')[0]}.{kind.__name__} is not taken: {remedy}")


def cast(array: np.ndarray[Any, Any], dtype: Any, what: str) -> np.ndarray[Any, Any]:
    """`array` in `dtype`, if that loses no more than precision."""
    if array.dtype is dtype:
        return array
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(f"{what}: {array.dtype} cannot become {dtype} without losing more than precision")
    return array.astype(dtype, copy=False)


def replacement(leaf: Tensor, new: Any) -> np.ndarray[Any, Any]:
    """`new` as the data of `leaf`: an array of its shape, in its dtype."""
    if leaf.op is not None:
        raise ValueError(f"data of {leaf!r} cannot be rebound: it is a result, not a leaf; compute a new tensor")
    old = off_tape(leaf, "assigning to .data")
    array = as_numeric(new)
    if array.shape != old.shape:
        raise ValueError(f"data: this tensor has shape {leaf.shape}, and the new array {array.shape}")
    return array if array.dtype is old.dtype else cast(array, old.dtype, "data")


def may_require_grad(t: Tensor, flag: Any) -> bool:
    """`flag` as a bool, or the error that says why `t` cannot be told."""
    if t.op is not None:
        raise ValueError("requires_grad is set on leaves, and this is a result: t.detach() makes a leaf of it")
    if flag and t.array.dtype.kind != "f":
        raise TypeError(errors.not_real(t.dtype))
    return bool(flag)
