"""What counts as data."""

from __future__ import annotations

from typing import Any

import numpy as np


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
