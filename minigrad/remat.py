"""remat: keep what goes into a function instead of all that it computes, and compute that again in the backward.

A chain of n such blocks keeps the n inputs and the intermediates of one block, instead of those of all. The price is a
second forward of each. Others call it checkpointing: jax.checkpoint, or jax.remat, and torch.utils.checkpoint.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.backprop import tape
from minigrad.engine import errors
from minigrad.engine.rerun import close
from minigrad.engine.state import enable_grad, here, tracing
from minigrad.engine.trees import bare, leaves, like
from minigrad.function import Function
from minigrad.tensor import Tensor, next_serial
from minigrad.transforms import derivatives, joined, variable

__all__ = ["remat"]

Fn = Callable[..., Any]


def remat(fn: Fn) -> Fn:
    """The same function, of which only inputs and outputs are kept for the backward, where it runs a second time.

    Args:
        fn: takes and returns Tensors, or nestings of these, and whatever else it needs. Parameters that it finds
            elsewhere, as a module does, get their gradients as well. It must do the same at its second run: of a
            np.random.Generator among its arguments a copy is kept, from before the first.

    Raises:
        ValueError: fn uses a tensor that was computed outside and is no argument.
        RuntimeError: the second run gave other numbers than the first, or a parameter was rebound since.

    >>> import numpy as np
    >>> x = Tensor([0.0, 1.0], requires_grad=True)
    >>> remat(lambda x: np.exp(np.sin(x)))(x).sum().backward()
    >>> x.grad
    array([1.        , 1.25338077])
    """

    @functools.wraps(fn)
    def called(*args: Any, **kwargs: Any) -> Any:
        if tracing() or not here.state.recording:  # a program has its own memory
            return fn(*args, **kwargs)
        block = Block(fn, (args, kwargs))
        tensors = [y for y in leaves(block.result) if type(y) is Tensor]
        if not any(y.differentiable for y in tensors):
            return block.result
        found = Remat.apply(block, *block.inputs, *block.parameters(tensors))
        outputs = iter(found if type(found) is tuple else [found])
        result, block.result = block.result, None
        return like(result, [next(outputs) if type(y) is Tensor else y for y in leaves(result)])

    return called


class Block:
    """One call of a function.

    Attributes:
        inputs: the leaves of its arguments; a generator as it was before.
        result: what the first run returned, with the tape of that run, until it is recorded as one node.
    """

    def __init__(self, fn: Fn, arguments: Any) -> None:
        self.fn, self.arguments, given = fn, arguments, leaves(arguments)
        self.inputs = [copy.deepcopy(x) if isinstance(x, np.random.Generator) else x for x in given]
        self.begun = next_serial()
        own = [variable(x.array) if differentiable(x) else x for x in given]
        self.result: Any = self.run(own)

    def __repr__(self) -> str:
        return getattr(self.fn, "__name__", type(self.fn).__name__)

    def run(self, values: Sequence[Any]) -> Any:
        args, kwargs = like(self.arguments, values)
        return self.fn(*args, **kwargs)

    def again(self, values: Sequence[Any]) -> list[Tensor]:
        """The Tensors that the function returns for other values of its inputs, which are Tensors where these are."""
        pairs = zip(self.inputs, values, strict=True)
        made = [Tensor(v) if type(x) is Tensor and type(v) is not Tensor else copy_of(v) for x, v in pairs]
        return [y for y in leaves(self.run(made)) if type(y) is Tensor]

    def parameters(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The tensors that the function has found outside of its arguments, and a derivative leads to."""
        found = [x for x in tape(*outputs) if x.serial < self.begun and x.differentiable]
        for x in found:
            if x.op is not None:
                raise ValueError(
                    f"remat: {self} uses the {errors.described(x)}, which is none of its arguments: make it one, so "
                    "that its cotangent gets there"
                )
        return found


class Remat(Function):
    """The node of a call: the block, its inputs, and the parameters that it found elsewhere."""

    @staticmethod
    def forward(ctx: Any, block: Block, *inputs: Any) -> Any:
        ctx.save_for_backward(*inputs)
        found, plain = block.result, not any(type(x) is Tensor for x in inputs)
        if found is None:
            outputs: Any = block.again(inputs[: len(block.inputs)])
        else:  # the first run
            outputs = [y for y in leaves(found) if type(y) is Tensor]
        ctx.outputs = tuple([y.array for y in outputs] if plain else outputs)
        return ctx.outputs if len(outputs) > 1 else ctx.outputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return pulled_back_through_a_second_run(ctx, grads)


def pulled_back_through_a_second_run(ctx: Any, grads: Sequence[Any]) -> tuple[Any, ...]:
    block, *given = ctx._inputs
    count = len(block.inputs)
    parameters = given[count:]
    for x, v in zip(parameters, ctx.saved_tensors[count:], strict=True):
        if type(v) is not Tensor and x.array is not v:
            raise RuntimeError(
                f"remat: data of the {errors.described(x)} were rebound since {block} ran, and it runs again in the "
                "backward: update parameters after it"
            )
    with enable_grad:
        values = [own(x, v) for x, v in zip(block.inputs, ctx.saved_tensors, strict=False)]
        with leaf_for_now(values):
            outputs = block.again(values)
            refuse_other_numbers(block, ctx.outputs, outputs)
            asked = [*values, *parameters]
            pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if y.differentiable]
            y, g = (joined(part) for part in zip(*pairs, strict=True))
            found = iter(derivatives(y, list(filter(differentiable, asked)), type(g) is Tensor, g))
    return (None, *[next(found) if differentiable(x) else None for x in asked])


def differentiable(x: Any) -> bool:
    return type(x) is Tensor and x.differentiable


def own(x: Any, v: Any) -> Any:
    """The value v of the input x as a variable that nobody else has, if a derivative by it is asked for."""
    return variable(v) if differentiable(x) else v


@contextmanager
def leaf_for_now(values: Sequence[Any]) -> Iterator[None]:
    """A sweep ends at these variables: what they come from may depend on the same parameters, and is not its part."""
    nodes = [x for x in values if differentiable(x)]
    origins = [(x.op, x.inputs) for x in nodes]
    try:
        for x in nodes:
            x.op, x.inputs = None, ()
        yield
    finally:
        for x, (op, inputs) in zip(nodes, origins, strict=True):
            x.op, x.inputs = op, inputs


def refuse_other_numbers(block: Block, before: Sequence[Any], now: Sequence[Tensor]) -> None:
    for a, b in zip(before, now, strict=True):
        if not close(b.array, bare(a)):
            raise RuntimeError(
                f"remat: {block} gave other numbers when it ran again for the backward: it must be a function of its "
                "inputs. Chance comes from a np.random.Generator that is an argument"
            )


def copy_of(x: Any) -> Any:
    return copy.deepcopy(x) if isinstance(x, np.random.Generator) else x
