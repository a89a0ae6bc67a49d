"""Function: an operation as a student writes it, with PyTorch's contract.

    class Square(Function):
        @staticmethod
        def forward(ctx, x):                # arrays in, one array out
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):            # grad is dL/dy; return dL/dx, one for each input of forward
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    y = Square.apply(x)

The engine repairs nothing here: a gradient must have the shape and dtype of its input, as that is what a student is
here to learn. A body that keeps to operators and to the methods that arrays and torch tensors share runs under
`torch.autograd.Function` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.backprop import record
from minigrad.engine import errors
from minigrad.tensor import Tensor

__all__ = ["Function"]

ARRAYS = {np.ndarray, Tensor, np.float64, np.float32, type(None)}


class Context:
    """The ctx of one call: what forward leaves for backward. Any attribute may be set on it."""

    def __init__(self, inputs: tuple[Any, ...]) -> None:
        self._inputs = inputs
        self.saved_tensors: tuple[Any, ...] = ()

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each input of forward, whether its gradient is wanted."""
        return tuple([type(x) is Tensor and x.differentiable for x in self._inputs])

    def save_for_backward(self, *arrays: Any) -> None:
        self.saved_tensors = arrays


class Function:
    """Subclass with static methods ``forward(ctx, *inputs)`` and ``backward(ctx, grad)``; call ``apply(*inputs)``."""

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is never instantiated: call {type(self).__name__}.apply(...)")

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Any:
        """Compute one array from `inputs`: arrays where apply got Tensors, everything else as it was given."""
        raise NotImplementedError(errors.NEEDS.format("forward(ctx, *inputs)"))

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """Return the cotangent of each input of forward, given that of the output; None for one without derivative."""
        raise NotImplementedError(errors.NEEDS.format("backward(ctx, grad)"))

    @classmethod
    def apply(cls, *inputs: Any) -> Tensor:
        """Run forward and record it. Tensors that require grad take part in the backward; other inputs do not."""
        return record(Application(cls, inputs), inputs, {})


class Application:
    """The operation of one node: a Function together with the ctx of this call."""

    __slots__ = "ctx", "function", "result"
    has_constants = False  # any input may have a gradient: backward will say
    owns_results = False  # a student may return what was saved, or one array for two inputs
    name = property(lambda self: self.function.__name__)

    def __init__(self, function: type[Function], inputs: tuple[Any, ...]) -> None:
        self.function, self.ctx = function, Context(inputs)

    def constant(self, x: Any, position: int) -> Any:
        return x

    def forward(self, *values: Any) -> Any:
        self.result = result = self.function.forward(self.ctx, *values)
        if type(result) is tuple:
            raise TypeError(f"{self.name}.forward returned a tuple; a Function has one output: return one array")
        return result

    def partials(
        self, node: Tensor, wanted: Callable[[Tensor], bool], g: Any, y: Any, inputs: Sequence[Any]
    ) -> Sequence[Any]:
        """Call the student's backward once, for all inputs."""
        recorded = type(g) is Tensor
        grads = self.recorded_backward(node, g, inputs) if recorded else self.function.backward(self.ctx, g)
        if type(grads) is not tuple:
            grads = tuple(grads) if type(grads) is list else (grads,)
        if len(grads) != len(inputs):
            raise errors.wrong_count(self, grads, inputs)
        found: list[Any] = []
        for x, grad in zip(node.inputs, grads):  # noqa: B905 - counted above
            use = type(x) is Tensor and wanted(x)
            found.append((grad if type(grad) in ARRAYS else np.asarray(grad)) if use else None)
        return found

    def fit(self, grad: Any, node: Tensor, i: int) -> Any:
        """Nothing is made to fit here: a gradient with another shape or dtype than its input is an error."""
        if grad.shape != node.inputs[i].shape or grad.dtype != node.inputs[i].dtype:
            raise errors.misfit(self, grad, node.inputs[i], i)
        return grad

    def recorded_backward(self, node: Tensor, g: Tensor, inputs: Sequence[Any]) -> Any:
        """Run backward on Tensors: while it runs, what was kept on ctx is the Tensor it came from."""
        ctx, values, result = self.ctx, node.values, self.result
        arrays = [v for v in values if isinstance(v, np.ndarray)]
        if len({id(v) for v in arrays}) < len(arrays):  # one array twice: on views, identity tells which was kept
            values, ctx = [v.view() if isinstance(v, np.ndarray) else v for v in values], Context(ctx._inputs)
            result = self.function.forward(ctx, *values)
            if not np.array_equal(result, node.array, equal_nan=True):
                raise RuntimeError(errors.NOT_REPEATABLE.format(name=self.name))
        source = {id(result): node} | {id(a): x for a, x in zip(values, inputs, strict=True)}
        before = dict(vars(ctx))
        try:
            for name, kept in before.items():
                setattr(ctx, name, lifted(kept, source, self, inputs))
            return self.function.backward(ctx, g)
        finally:
            vars(ctx).update(before)


def lifted(kept: Any, source: dict[int, Any], application: Application, inputs: Sequence[Any]) -> Any:
    """The Tensor that an array kept by forward came from; for an intermediate, one that knows it is one."""
    if id(kept) in source:
        return source[id(kept)]
    if isinstance(kept, tuple | list):
        return type(kept)([lifted(part, source, application, inputs) for part in kept])
    if isinstance(kept, dict):
        return {key: lifted(part, source, application, inputs) for key, part in kept.items()}
    if not (isinstance(kept, np.ndarray | np.generic) and kept.dtype.kind == "f"):
        return kept  # masks, indices and Python numbers are constants
    t = Tensor(kept)
    t.op, t.inputs, t.recorded, t.differentiable = errors.Unknown(application.name), tuple(inputs), True, True
    t.values = [x.array if type(x) is Tensor else x for x in inputs]
    return t
