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
here to learn. A recorded backward runs forward once more, on Tensors, so that whatever forward keeps has its history
(`engine/rerun.py`): forward should be a function of its inputs. A body that keeps to operators and to the methods that
arrays and torch tensors share runs under `torch.autograd.Function` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.backprop import record
from minigrad.engine import errors
from minigrad.engine.numeric import as_numeric
from minigrad.engine.op import Op
from minigrad.engine.rerun import Rerun
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.engine.trees import leaves
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


class Application(Op):
    """The operation of one node: a Function together with the ctx of this call.

    Attributes:
        result: what forward returned.
        rerun: the second run of forward, where a tracing has made it already.
    """

    __slots__ = "ctx", "rerun", "result", "student"
    owns_results = False
    name = property(lambda self: self.student.__name__)
    code = property(lambda self: self.student.forward)

    def __init__(self, student: type[Function], inputs: tuple[Any, ...]) -> None:
        self.student, self.ctx = student, Context(inputs)
        self.result = self.rerun = None

    def forward(self, *values: Any) -> Any:
        self.result = result = self.student.forward(self.ctx, *values)
        if type(result) is tuple:
            raise TypeError(f"{self.name}.forward returned a tuple; a Function has one output: return one array")
        return result

    def fresh(self) -> Application:
        """The same Function with an empty ctx, to run forward again."""
        return Application(self.student, self.ctx._inputs)

    def again(self, values: Sequence[Any], params: Mapping[str, Any]) -> Any:
        return self.fresh().forward(*values)

    def input_names(self, count: int) -> list[str]:
        return argument_names(positional_parameters(self.student.forward, 1), count)

    def rule_of(self, position: int) -> Callable[..., Any]:
        return self.student.backward  # type: ignore[no-any-return]

    def kept(self) -> list[np.ndarray[Any, Any]]:
        return [value for value in leaves(vars(self.ctx)) if isinstance(value, np.ndarray)]

    def partials(
        self, node: Tensor, wanted: Callable[[Tensor], bool], g: Any, y: Any, inputs: Sequence[Any]
    ) -> Sequence[Any]:
        """Call the student's backward once, for all inputs; on Tensors, after a second run of forward on `inputs`."""
        rerun = (self.rerun or Rerun(self, inputs)) if type(g) is Tensor else None
        grads = rerun.backward(node, g) if rerun else self.student.backward(self.ctx, g)
        if type(grads) is not tuple:
            grads = tuple(grads) if type(grads) is list else (grads,)
        if len(grads) != len(inputs):
            raise errors.wrong_count(self, grads, inputs)
        found: list[Any] = []
        for x, grad in zip(node.inputs, grads):  # noqa: B905 - counted above
            if not (type(x) is Tensor and wanted(x)):
                grad = None
            elif type(grad) is Tensor and type(g) is not Tensor:  # of operations that are recorded everywhere
                grad = grad.array
            found.append(grad if type(grad) in ARRAYS else as_numeric(grad))
        return rerun.surely(node, g, found) if rerun else found

    def fit(self, grad: Any, node: Tensor, i: int) -> Any:
        """Nothing is made to fit here: a gradient with another shape or dtype than its input is an error."""
        if grad.shape != node.inputs[i].shape or grad.dtype != node.inputs[i].dtype:
            raise errors.misfit(self, grad, node.inputs[i], i)
        return grad
