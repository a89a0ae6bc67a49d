"""Function: an operation as a student writes it, with PyTorch's contract.

    class Square(Function):
        @staticmethod
        def forward(ctx, x):                # arrays in, an array out, or a tuple of arrays
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):            # dL/dy, one for each output; return dL/dx, one for each input of forward
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
from minigrad.engine.outputs import Part, Piece, cotangents, numbers_in, packed, pieces, with_cotangents
from minigrad.engine.rerun import Rerun
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.engine.trees import bare, leaves
from minigrad.tensor import Tensor

__all__ = ["Function"]

ARRAYS = {np.ndarray, np.float64, np.float32, type(None)}  # taken as they are


class Context:
    """The ctx of one call: what forward leaves for backward. Any attribute may be set on it."""

    __slots__ = "__dict__", "__weakref__", "_constants", "_inputs"  # the engine's own are not among the attributes

    def __init__(self, inputs: tuple[Any, ...]) -> None:
        self._inputs = inputs
        self._constants: tuple[Any, ...] = ()
        self.saved_tensors: tuple[Any, ...] = ()

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each input of forward, whether its gradient is wanted."""
        return tuple([type(x) is Tensor and x.differentiable for x in self._inputs])

    def save_for_backward(self, *arrays: Any) -> None:
        self.saved_tensors = arrays

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say in forward that no derivative passes through these outputs. Of integers and booleans none does anyway."""
        self._constants = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """As torch's, but for False: the cotangent of an output that was not used is zeros here, and never None."""
        if not value:
            raise TypeError(errors.MATERIALIZED)


class Function:
    """Subclass with static methods ``forward(ctx, *inputs)`` and ``backward(ctx, *grads)``; call ``apply(*inputs)``.

    A forward that returns a tuple has several outputs: apply returns a tuple, and backward gets a cotangent for each,
    zeros for an output that was not used.

    Raises:
        NotImplementedError: from apply or a sweep, a method is missing.
        RuntimeError: from a sweep, backward returned too few or too many gradients, or one of another shape or dtype
            than its input.

    >>> class Polar(Function):
    ...     @staticmethod
    ...     def forward(ctx, r, angle):
    ...         ctx.save_for_backward(r, angle)
    ...         return r * np.cos(angle), r * np.sin(angle)
    ...     @staticmethod
    ...     def backward(ctx, dx, dy):
    ...         r, angle = ctx.saved_tensors
    ...         c, s = np.cos(angle), np.sin(angle)
    ...         return c * dx + s * dy, r * (c * dy - s * dx)
    >>> r, angle = Tensor(2.0, requires_grad=True), Tensor(0.0, requires_grad=True)
    >>> x, y = Polar.apply(r, angle)
    >>> y.backward()
    >>> r.grad, angle.grad
    (array(0.), array(2.))
    """

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is never instantiated: call {type(self).__name__}.apply(...)")

    @staticmethod
    def forward(ctx: Any, *inputs: Any, **named: Any) -> Any:
        """Compute an array from `inputs`, or a tuple: arrays where apply got Tensors, all else as it was given."""
        raise NotImplementedError(errors.NEEDS.format("forward(ctx, *inputs)"))

    @staticmethod
    def backward(ctx: Any, *grads: Any, **named: Any) -> Any:
        """Return the cotangent of each input of forward, given those of its outputs; None where is no derivative."""
        raise NotImplementedError(errors.NEEDS.format("backward(ctx, grad)"))

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Run forward and record it: a Tensor, or a tuple of these.

        Tensors that require grad take part in the backward; other inputs do not.
        """
        op = Application(cls, inputs)
        y = record(op, inputs, {})
        if op.pieces:
            return tuple([record(part, (y,), {}) for part in op.parts()])
        return y.detach() if op.ctx._constants and op.is_constant(op.result) else y


class Application(Op):
    """The operation of one node: a Function together with the ctx of this call.

    Attributes:
        result: what the student's forward returned, an array or a tuple of arrays.
        pieces: where its outputs lie in the value of the node, if it returned a tuple; () otherwise.
        rerun: the second run of forward, where a tracing has made it already.
    """

    __slots__ = "ctx", "pieces", "rerun", "result", "student"
    owns_results = False
    name = property(lambda self: self.student.__name__)
    code = property(lambda self: self.student.forward)

    def __init__(self, student: type[Function], inputs: tuple[Any, ...]) -> None:
        self.student, self.ctx = student, Context(inputs)
        self.result: Any = None
        self.rerun: Any = None
        self.pieces: tuple[Piece, ...] = ()

    def forward(self, *values: Any) -> Any:
        result = self.student.forward(self.ctx, *values)
        if type(result) not in ARRAYS:
            result = numbers_in(result, self.name)
            if type(result) is tuple:
                self.pieces = tuple(pieces(result))
        self.result = result
        return packed(result) if self.pieces else result

    def is_constant(self, output: Any) -> bool:
        """Whether forward said that no derivative passes through this output."""
        return any([output is x for x in self.ctx._constants])

    def parts(self) -> list[Part]:
        """The operations that make the outputs of the value of the node."""
        real = [y.dtype.kind == "f" and not self.is_constant(y) for y in self.result]
        return [Part(self, i, piece, real[i]) for i, piece in enumerate(self.pieces)]

    def outputs(self, node: Tensor) -> list[Tensor]:
        """The outputs of the call that made `node`, once more."""
        return [record(part, (node,), {}) for part in self.parts()] if self.pieces else [node]

    def backward(self, ctx: Context, g: Any) -> Any:
        """The result of the student's backward for the cotangent of the node, which has those of all outputs."""
        return with_cotangents(self.student, ctx, cotangents(g, self.pieces) if self.pieces else (g,))

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
        grads = rerun.backward(node, g) if rerun else self.backward(self.ctx, g)
        if type(grads) is not tuple:
            grads = tuple(grads) if type(grads) is list else (grads,)
        if len(grads) != len(inputs):
            raise errors.wrong_count(self, grads, inputs)
        found: list[Any] = []
        for x, grad in zip(node.inputs, grads):  # noqa: B905 - counted above
            if not (type(x) is Tensor and wanted(x)):
                grad = None
            elif type(grad) not in ARRAYS and not (rerun and type(grad) is Tensor):
                grad = as_numeric(bare(grad))  # it may be a Tensor of operations that are recorded everywhere
            found.append(grad)
        return rerun.surely(node, g, found) if rerun else found

    def fit(self, grad: Any, node: Tensor, i: int) -> Any:
        """Nothing is made to fit here: a gradient with another shape or dtype than its input is an error."""
        if grad.shape != node.inputs[i].shape or grad.dtype != node.inputs[i].dtype:
            raise errors.misfit(self, grad, node.inputs[i], i)
        return grad
