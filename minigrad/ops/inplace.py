"""``w -= step`` and its kin."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from minigrad.engine import errors
from minigrad.engine.state import here, off_tape
from minigrad.tensor import Tensor


def updating(name: str) -> Callable[[Tensor, Any], Tensor]:
    """``w -= step`` and its kin: under no_grad a leaf gets a new array; otherwise it is ``w = w - step``."""
    compute = cast(Callable[[Any, Any], Any], getattr(operator, f"__{name}__"))

    def update(self: Tensor, other: Any) -> Tensor:
        if here.state.recording or self.op is not None:
            if self.op is None and self.differentiable:
                raise RuntimeError(errors.in_place_on_leaf(name))
            return cast(Tensor, compute(self, other))
        array = off_tape(self, "an update in place")
        new = compute(array, other)
        if type(new) is np.ndarray and new.shape == array.shape and new.dtype is array.dtype:
            self.array = new
        else:
            self.data = new.array if type(new) is Tensor else new  # which checks the shape and keeps the dtype
        return self

    return update


for name in "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift":
    setattr(Tensor, f"__i{name}__", updating(name))
