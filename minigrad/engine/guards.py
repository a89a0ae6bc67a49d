"""What a sweep makes sure of: before it starts, and of what it hands out."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from minigrad.engine import errors
from minigrad.engine.numeric import as_numeric, cast
from minigrad.tensor import Tensor

ONES = {char: np.ones((), char) for char in "efdg"}  # shared by all sweeps, so nobody may write
for one in ONES.values():
    one.flags.writeable = False


def recorded_inputs(node: Tensor) -> list[Any]:
    """The inputs of a node for rules that will be recorded: the Tensors themselves, if they still hold what it saw."""
    for i, (x, value) in enumerate(zip(node.inputs, node.values, strict=True)):
        if type(x) is Tensor and x.array is not value:
            raise errors.rebound(node, i)
    return [x if type(x) is Tensor else value for x, value in zip(node.inputs, node.values, strict=True)]


def seed(output: Tensor, gradient: Any, keep: Container[Tensor], create_graph: bool) -> Any:
    """The cotangent a sweep starts with: `gradient`, or 1 for a single number."""
    if type(output) is not Tensor or not output.differentiable:
        raise errors.not_differentiable(output)
    if output.array.dtype.kind != "f":
        raise TypeError(errors.not_real(output.dtype))
    if gradient is None and output.size == 1:
        shared = not output.shape and output.op is not None and output not in keep
        gradient = ONES[output.array.dtype.char] if shared else np.ones(output.shape, output.dtype)
    elif type(gradient) is Tensor:
        cast(gradient.array, output.dtype, "gradient")
    elif gradient is not None:
        gradient = np.array(cast(as_numeric(gradient), output.dtype, "gradient"))
    if gradient is None or gradient.shape != output.shape:
        raise errors.wrong_seed(output, gradient)
    if create_graph:
        return gradient.astype(output.dtype) if type(gradient) is Tensor else Tensor(gradient)
    return gradient.array.astype(output.dtype) if type(gradient) is Tensor else gradient


def differentiable_tensors(inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`inputs` as a tuple, if each requires grad."""
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for x in tensors:
        if type(x) is not Tensor or not x.differentiable:
            raise errors.not_differentiable(x)
    return tensors


def leading(nodes: list[Tensor], inputs: set[Tensor]) -> set[Tensor]:
    """The `inputs`, and those of `nodes` from which a derivative leads to one of them."""
    found = set(inputs)
    for node in nodes:
        if node.differentiable:
            for x in node.inputs:
                if type(x) is Tensor and x in found:
                    found.add(node)
    return found


def owned(partial: Any, g: Any, op: Any) -> Any:
    """`partial` in memory of its own, for it will be handed out: a rule may return the cotangent g or a view of it, and
    a student what was saved.
    """
    return partial if op.owns_results and partial is not g and partial.base is None else partial.copy()


def handed_out(g: Any) -> Any:
    """A cotangent as `gradients` returns it: a Tensor, or None."""
    return g if g is None or type(g) is Tensor else Tensor(g)
