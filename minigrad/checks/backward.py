"""A backward of many operations, watched while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.backprop import tape
from minigrad.tensor import Tensor


class GradcheckError(AssertionError):
    """A gradient is not what the numerical derivative says, or a backward did what no backward may."""


class Watched:
    """Takes the place of the operation of a node, and sees that a backward changes nothing that it is given."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def partials(self, node: Tensor, wanted: Any, g: Any, y: Any, inputs: Sequence[Any]) -> Any:
        given = {"the incoming cotangent": g, "its output": y} | {f"its input {i}": v for i, v in enumerate(inputs)}
        before = {what: v.copy() for what, v in given.items() if isinstance(v, np.ndarray)}
        found = self.op.partials(node, wanted, g, y, inputs)
        for what, copy in before.items():
            if not np.array_equal(given[what], copy, equal_nan=copy.dtype.kind in "fc"):
                raise GradcheckError(f"the backward of {self.op.name} changes {what} in place, and others read it")
        return found


def watch(output: Tensor) -> None:
    for node in tape(output):
        if node.op is not None:
            node.op = Watched(node.op)
