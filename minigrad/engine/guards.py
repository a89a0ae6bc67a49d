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
    shape, dtype = output.array.shape, output.array.dtype
    if dtype.kind != "f":
        raise TypeError(errors.not_real(dtype))
    if gradient is None and output.array.size == 1:
        shared = not shape and output.op is not None and output not in keep
        gradient = ONES[dtype.char] if shared else np.ones(shape, dtype)
        return Tensor(gradient) if create_graph else gradient
    if type(gradient) is Tensor:
        cast(gradient.array, dtype, "gradient")
    elif gradient is not None:
        gradient = np.array(cast(as_numeric(gradient), dtype, "gradient"))
    if gradient is None or gradient.shape != shape:
        raise errors.wrong_seed(output, gradient)
    if create_graph:
        return gradient.astype(dtype) if type(gradient) is Tensor else Tensor(gradient)
    return gradient.array.astype(dtype) if type(gradient) is Tensor else gradient


def differentiable_tensors(inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`inputs` as a tuple, if each requires grad."""
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for x in tensors:
        if type(x) is not Tensor or not x.differentiable:
            raise errors.not_differentiable(x)
    return tensors


def goals(inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The `inputs` of a backward as a tuple, if there are any and each requires grad."""
    tensors = differentiable_tensors(inputs)
    if not tensors:
        raise ValueError("backward: inputs=() names no tensor; leave it out for all leaves")
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


def added_in_place(node: Tensor, g: Any, cotangents: dict[Tensor, Any], sums: set[Tensor]) -> bool:
    """Whether the cotangent g of a slice went onto that of its array, which another slice had made: one of `sums`."""
    x = node.inputs[0]
    if x in sums and x in cotangents and node.op.onto(cotangents[x], g, *node.values, **node.params):
        return True
    sums.add(x)
    return False


def handed_out(cotangents: dict[Tensor, Any], inputs: Sequence[Tensor], allow_unused: bool) -> tuple[Any, ...]:
    """The cotangents of `inputs` as `gradients` returns them: Tensors, or with `allow_unused` None."""
    if not allow_unused:
        for x in inputs:
            if x not in cotangents:
                raise errors.unused(x)
    found = [cotangents.get(x) for x in inputs]
    return tuple([g if g is None or type(g) is Tensor else Tensor(g) for g in found])


def added(grad: Any, g: Any) -> Any:
    """The sum of a gradient and g, which comes next: a Tensor if g is one, of a recorded sweep; otherwise an array."""
    if type(grad) is Tensor and type(g) is not Tensor:
        grad = grad.array
    total = g if grad is None else grad + g
    if type(total) is np.ndarray:
        return total
    return np.asarray(total) if isinstance(total, np.generic) else total  # a number, where NumPy adds arrays of no axes
