"""Backpropagation: record what is computed, then send cotangents back along it.

The *tape* of a result is everything it was computed from, in the order it was computed. The *cotangent* of a value v
is dL/dv, how much the result L changes with v. The sweep walks the tape backwards; at each node it asks the operation
what the node's cotangent g makes of the cotangents of its inputs, and adds up what reaches a value on several paths.

The rules of the operations are plain NumPy text, and Tensors answer to NumPy. So one sweep runs on two kinds of value:
on the arrays that were saved, which is fast, or on the Tensors themselves (``create_graph=True``), which records the
sweep as a tape of its own: gradients of gradients.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Sequence
from operator import attrgetter
from types import NoneType
from typing import Any, TypeVar

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.tensor import Tensor, as_numeric, caller, mode, next_serial

__all__ = ["gradients", "no_grad", "tape"]

F = TypeVar("F", bound=Callable[..., Any])
PLAIN = {np.ndarray, float, int, bool, np.float64, np.float32, NoneType}  # enters an operation as it is
new = Tensor.__new__
is_differentiable = attrgetter("differentiable")
by_serial = attrgetter("serial")


def record(op: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    """Run ``op.forward`` on the arrays of `inputs`, and remember how the result was made."""
    values: list[Any] = []
    recorded = differentiable = False
    for x, rule in zip(inputs, op.rules):  # noqa: B905 - a variadic operation has a rule for every input there may be
        if type(x) is Tensor:
            values.append(x.array)
            if x.recorded:
                recorded = True
                if x.differentiable and rule:
                    differentiable = True
        else:
            values.append(x if type(x) in PLAIN else op.constant(x, len(values)))
    array = op.forward(*values, **params)
    y = new(Tensor)
    y.array = array if type(array) is np.ndarray else single(array, op)
    y.grad = None
    y.made_at = caller(3)
    y.serial = next_serial()
    if recorded and mode.recording:
        y.op, y.inputs, y.values, y.params = op, inputs, values, params
        y.recorded, y.differentiable = True, differentiable
    else:
        y.op, y.inputs, y.values, y.params = None, (), (), {}
        y.recorded = y.differentiable = False
    return y


def single(result: Any, op: Any) -> np.ndarray[Any, Any]:
    """NumPy returns a scalar where no axis is left; a Tensor always holds an array."""
    if isinstance(result, np.generic):
        return np.asarray(result)
    if isinstance(result, tuple | list):
        raise TypeError(f"{op.name}: forward returned a {type(result).__name__}; return one array")
    return as_numeric(result)


class no_grad:
    """``with no_grad():`` or ``@no_grad()``: nothing that this thread computes inside is recorded."""

    def __enter__(self) -> None:
        self.before, mode.recording = mode.recording, False

    def __exit__(self, *exception: object) -> None:
        mode.recording = self.before

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def unrecorded(*args: Any, **kwargs: Any) -> Any:
            with no_grad():
                return function(*args, **kwargs)

        return unrecorded  # type: ignore[return-value]


def tape(*outputs: Tensor) -> list[Tensor]:
    """Everything `outputs` were computed from, and they themselves, in the order it was computed."""
    seen, nodes = set(outputs), list(outputs)
    for node in nodes:  # which grows meanwhile
        for x in node.inputs:
            if type(x) is Tensor and x not in seen:
                seen.add(x)
                nodes.append(x)
    nodes.sort(key=by_serial)
    return nodes


def sweep(
    output: Tensor, g: Any, wanted: Callable[[Tensor], bool], keep: Container[Tensor], create_graph: bool
) -> dict[Tensor, Any]:
    """Send `g`, the cotangent of `output`, back to every tensor that is `wanted`.

    Returns the cotangents of the leaves and of the tensors in `keep`; arrays among them are memory of their own.
    """
    cotangents = {output: g}
    before = (mode.recording, mode.place) if create_graph else None
    try:
        for node in reversed(tape(output)):
            op = node.op
            if op is None or node not in cotangents:
                continue
            g = cotangents[node] if node in keep else cotangents.pop(node)
            if create_graph:
                mode.recording, mode.place = True, node.made_at
                y, values = node, as_recorded(node)
            else:
                y, values = node.array, node.values
            for x, partial in op.partials(node, wanted, g, y, values):
                shape = x.array.shape
                if partial.shape != shape:
                    partial = unbroadcast(partial, shape)
                if partial.dtype is not x.array.dtype:
                    partial = partial.astype(x.array.dtype)
                if x in cotangents:
                    partial = cotangents[x] + partial
                elif (x.op is None or x in keep) and not create_graph:
                    if partial is g or partial.base is not None or not op.owns_results:
                        partial = partial.copy()  # a rule returns g itself, a view, or fresh memory
                cotangents[x] = partial
    except Exception as error:
        error.add_note(f"This was the backward of {op.name}, called at {node.where}.")
        raise
    finally:
        if before:
            mode.recording, mode.place = before
    return cotangents


def as_recorded(node: Tensor) -> list[Any]:
    """The inputs of a node, for rules that are to be recorded: a Tensor where there was one."""
    for i, (x, value) in enumerate(zip(node.inputs, node.values, strict=True)):
        if type(x) is Tensor and x.array is not value:
            raise RuntimeError(
                f"{node.op.name}: the data of input {i} was rebound after the forward at {node.where}, so a recorded sweep "
                "would mix old values with new ones. Compute the gradients before the update, or run the forward again"
            )
    return [x if type(x) is Tensor else value for x, value in zip(node.inputs, node.values, strict=True)]


def seed(output: Tensor, gradient: Any) -> Any:
    """The cotangent a sweep starts with: `gradient`, or 1 for a scalar."""
    if type(output) is not Tensor:
        raise TypeError(f"only a Tensor can be differentiated, and this is a {type(output).__name__}")
    if not output.differentiable:
        raise RuntimeError(f"nothing to differentiate: {output!r} does not require grad")
    if output.dtype.kind != "f":
        raise TypeError(f"only real floating results can be differentiated, and this one is {output.dtype}")
    if gradient is None:
        if output.size != 1:
            raise RuntimeError(
                f"backward starts from a scalar, and this tensor has shape {output.shape}: take .sum() or .mean() "
                "first, or pass gradient=, the cotangent of each entry"
            )
        return np.ones(output.shape, output.dtype) if output.shape else np.array(1, output.dtype)
    array = gradient.array if type(gradient) is Tensor else as_numeric(gradient)
    if array.shape != output.shape:
        raise ValueError(f"gradient has shape {array.shape}, and the tensor it belongs to {output.shape}")
    if type(gradient) is Tensor:
        return gradient.astype(output.dtype) if gradient.dtype != output.dtype else gradient
    return array.astype(output.dtype)  # a copy: it may end as the gradient of somebody


def backward(output: Tensor, gradient: Any = None) -> None:
    """Add dL/dx to ``x.grad`` for every leaf x that requires grad, where L is ``(output * gradient).sum()``.

    Args:
        gradient: the cotangent of `output`, of its shape; may be left out when `output` has one entry.

    Raises:
        RuntimeError: `output` has several entries and no gradient was given, or nothing requires grad.
    """
    g = seed(output, gradient)
    cotangents = sweep(output, g.array.copy() if type(g) is Tensor else g, is_differentiable, (), False)
    for x, g in cotangents.items():
        g = np.asarray(g)
        x.grad = g if x.grad is None else np.asarray(x.grad + g)


Tensor.backward = backward


def gradients(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    create_graph: bool = False,
    *,
    gradient: Any = None,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `output` with respect to `inputs`, as `torch.autograd.grad` returns them; no ``.grad`` changes.

    Args:
        output: a scalar, or any tensor together with `gradient`, its cotangent.
        inputs: tensors that require grad, leaves or not. Only the partials that lead to them are computed.
        create_graph: record the sweep, so that the gradients can be differentiated again.
        allow_unused: None for an input that `output` does not depend on, instead of an error.

    Returns:
        A tuple with a Tensor for each input, of its shape and dtype.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for i, x in enumerate(inputs):
        if type(x) is not Tensor or not x.differentiable:
            raise RuntimeError(f"gradients: input {i}, {x!r}, does not require grad")
    g = seed(output, gradient)
    keep = set(inputs)
    leading = set(inputs)  # the tensors from which a derivative leads to some input
    for node in tape(output):
        if node.differentiable and not leading.isdisjoint(x for x in node.inputs if type(x) is Tensor):
            leading.add(node)
    if create_graph and type(g) is not Tensor:
        g = Tensor(g)
    elif not create_graph and type(g) is Tensor:
        g = g.array.copy()
    cotangents = sweep(output, g, leading.__contains__, keep, create_graph)
    missing = [i for i, x in enumerate(inputs) if x not in cotangents]
    if missing and not allow_unused:
        raise RuntimeError(
            f"gradients: the output does not depend on input {missing[0]}, {inputs[missing[0]]!r}; "
            "allow_unused=True returns None for such inputs"
        )
    found = [cotangents.get(x) for x in inputs]
    return tuple(g if g is None or type(g) is Tensor else Tensor(g) for g in found)
