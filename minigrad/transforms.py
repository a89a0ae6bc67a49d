"""Derivatives of functions: grad, vjp, jvp, jacobian, hessian, hvp.

Each takes a function of arrays, or of nested lists, tuples and dicts of arrays, and gives back arrays in the same
nesting: arrays where it was called with arrays, Tensors on the tape where something it depends on is itself being
differentiated. So they nest: ``grad(grad(f))`` is the second derivative.

There is one set of rules, those of reverse mode. Forward mode is two reverse sweeps: the cotangents that a sweep gives
are linear in the cotangent u it starts with, x̄ = Jᵀu, and the derivative of <x̄, v> with respect to u is Jv.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.backprop import gradients, tape
from minigrad.state import here
from minigrad.tensor import Tensor

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


# ------------------------------------------------------------------------------------------------ nested arguments
def leaves(tree: Any) -> list[Any]:
    """The arrays in a nesting of lists, tuples and dicts, in order."""
    if isinstance(tree, list | tuple):
        return [leaf for part in tree for leaf in leaves(part)]
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in leaves(part)]
    return [tree]


def like(tree: Any, values: Iterable[Any]) -> Any:
    """The nesting of `tree`, with `values` in place of its arrays."""
    values = iter(values)

    def build(part: Any) -> Any:
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*[build(p) for p in part])
        if isinstance(part, list | tuple):
            return type(part)([build(p) for p in part])
        if isinstance(part, dict):
            return {key: build(p) for key, p in part.items()}
        return next(values)

    return build(tree)


# --------------------------------------------------------------------------------------------- one call of a function
class Call:
    """One call of `fn` on variables of our own, so that they are told from every other use of the same arrays.

    Attributes:
        variables: a Tensor for each array that is differentiated.
        output: what fn returned, a Tensor or a nesting of Tensors.
        aux: what fn returned beside it, with has_aux.
        nested: whether the result depends on something else that is being differentiated, and so has to be recorded.
    """

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], argnums: tuple[int, ...], has_aux: bool) -> None:
        chosen = [args[i] for i in argnums]
        self.tree = chosen
        self.variables = [self.variable(x) for x in leaves(chosen)]
        inputs = list(args)
        for i, x in zip(argnums, like(chosen, self.variables), strict=True):
            inputs[i] = x
        result = fn(*inputs)
        if has_aux and not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"has_aux=True: the function must return (output, aux), and it returned {result!r}")
        self.output: Any = result[0] if has_aux else result
        self.aux: Any = result[1] if has_aux else None
        self.outputs = leaves(self.output)
        for y in self.outputs:
            if type(y) is not Tensor:
                raise TypeError(
                    f"the function returned a {type(y).__name__}, and only Tensors have a history to differentiate: "
                    "compute with the arguments as they are, without .numpy(), .item() or float()"
                )
        ours = set(self.variables)
        self.nested = here.state.recording and any(
            x.differentiable and x not in ours and (x.op is None) for x in tape(*self.outputs)
        )

    @staticmethod
    def variable(x: Any) -> Tensor:
        if type(x) is Tensor and x.differentiable:
            same: Tensor = +x
            return same
        return Tensor(x.array if type(x) is Tensor else as_float(x), requires_grad=True)

    def pull(self, y: Tensor, gradient: Any = None, record: bool = False) -> list[Any]:
        """The cotangents of the variables; zeros where `y` does not depend on one."""
        found = gradients(y, self.variables, self.nested or record, gradient=gradient, allow_unused=True)
        return [Tensor(np.zeros_like(x.array)) if g is None else g for x, g in zip(self.variables, found, strict=True)]

    def give(self, tensors: Iterable[Any]) -> list[Any]:
        """Tensors if the call is nested, otherwise their arrays."""
        return [t if self.nested or type(t) is not Tensor else t.array for t in tensors]


def as_float(x: Any) -> Any:
    """A Python int is meant as a number, and numbers are differentiated as floats."""
    return float(x) if type(x) is int else x


def selected(argnums: int | Sequence[int], args: tuple[Any, ...]) -> tuple[int, ...]:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in chosen:
        if not -len(args) <= i < len(args):
            raise ValueError(f"argnums={argnums}: the function was called with {len(args)} positional arguments")
    return tuple(i % len(args) for i in chosen)


def with_keywords(fn: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    return functools.partial(fn, **kwargs) if kwargs else fn


# --------------------------------------------------------------------------------------------------- the transforms
def value_and_grad(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that returns ``(fn(...), its gradient)``.

    Args:
        fn: returns a single number (a Tensor of one entry), or ``(number, aux)`` with has_aux.
        argnums: which positional argument to differentiate; a sequence gives a tuple of gradients.
        has_aux: return ``((number, aux), gradient)``.

    Raises:
        RuntimeError: fn returned more than one number, or one that no derivative reaches.
    """

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = Call(with_keywords(fn, kwargs), args, selected(argnums, args), has_aux)
        found = like(call.tree, call.give(call.pull(call.output)))
        value = call.give([call.output])[0]
        return (value, call.aux) if has_aux else value, found[0] if isinstance(argnums, int) else tuple(found)

    return differentiated


def grad(fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `fn`; with has_aux, ``(gradient, aux)``. Arguments as `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    array(12.)
    >>> grad(grad(lambda x: x**3))(2.0)
    array(12.)
    """
    both = value_and_grad(fn, argnums, has_aux)

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return differentiated


def vjp(fn: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``(fn(*primals), pullback)``, where ``pullback(u)`` is the tuple of cotangents Jᵀu, one for each primal.

    The pullback may be called several times. With has_aux, ``(value, pullback, aux)``.
    """
    call = Call(fn, primals, tuple(range(len(primals))), has_aux)

    def pullback(u: Any) -> tuple[Any, ...]:
        call.nested = call.nested or (type(u) is Tensor and u.recorded)
        return tuple(like(call.tree, call.give(call.pull(call.output, u))))

    value = call.give([call.output])[0]
    return (value, pullback, call.aux) if has_aux else (value, pullback)


def jvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``(fn(*primals), Jv)``: how the output moves when the primals move along `tangents`, nested as they are."""
    call = Call(fn, tuple(primals), tuple(range(len(primals))), False)
    u = Tensor(np.zeros_like(call.output.array), requires_grad=True)
    moved = along(call.pull(call.output, u, record=True), primals, tangents)
    (derivative,) = gradients(moved, u, call.nested, allow_unused=True) if moved.differentiable else (None,)
    if derivative is None:
        derivative = Tensor(np.zeros_like(call.output.array))
    value, derivative = call.give([call.output, derivative])
    return value, derivative


def hvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of `fn` at `primals` times `tangents`, nested as the primals; no Hessian is formed."""
    call = Call(fn, tuple(primals), tuple(range(len(primals))), False)
    moved = along(call.pull(call.output, record=True), primals, tangents)
    if not moved.differentiable:  # a linear function
        return tuple(like(call.tree, call.give(Tensor(np.zeros_like(x.array)) for x in call.variables)))
    return tuple(like(call.tree, call.give(call.pull(moved))))


def along(cotangents: list[Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Tensor:
    """<cotangents, tangents>, a single number."""
    moves = leaves(list(tangents))
    if [np.shape(x) for x in leaves(list(primals))] != [np.shape(v) for v in moves]:
        raise ValueError(
            f"primals have shapes {[np.shape(x) for x in leaves(list(primals))]}, and tangents "
            f"{[np.shape(v) for v in moves]}: they must match, argument by argument (give both as tuples)"
        )
    products: list[Tensor] = [(g * v).sum() for g, v in zip(cotangents, moves, strict=True)]
    return functools.reduce(operator.add, products)


def jacobian(fn: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `fn`: an array of shape ``output.shape + argument.shape``.

    One reverse sweep for each entry of the output. Where argument or output are nested, so is the result: the nesting
    of the output, with the nesting of the arguments in place of each of its arrays.
    """

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = Call(with_keywords(fn, kwargs), args, selected(argnums, args), False)
        def rows(y: Tensor) -> Any:
            units = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
            pulled = [call.pull(y, unit) for unit in units] if y.differentiable else []
            blocks: list[Any] = [np.zeros(y.shape + x.shape) for x in call.variables]
            for i, column in enumerate(zip(*pulled, strict=True)):  # one sweep a row; a column for each variable
                blocks[i] = np.stack(column).reshape(blocks[i].shape)
            nested = like(call.tree, call.give(blocks))
            return nested[0] if isinstance(argnums, int) else tuple(nested)

        return like(call.output, [rows(y) for y in call.outputs])

    return differentiated


def hessian(fn: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns the Hessian of `fn`, shape ``argument.shape + argument.shape``: `jacobian` of `grad`."""
    return jacobian(grad(fn, argnums), argnums)
