"""Derivatives of functions: grad, elementwise_grad, vjp, jvp, jacobian, hessian, hessian_diag, hvp.

Each takes a function of arrays, or of nested lists, tuples and dicts of arrays, and gives derivatives in the same
nesting: arrays where it was called with arrays, Tensors where it was called with Tensors. Where something outside is
being differentiated that a result depends on, the result is on the tape. So they nest: ``grad(grad(f))`` is the second
derivative. ``no_grad`` around a transform means that its result is not recorded; the derivative is the same.

None in a nesting is an argument that is not there. An argument that the output does not depend on has zeros for its
derivative, and so have all arguments of an output that is constant; what has left the tape on its way is refused.

There is one set of rules, those of reverse mode. Forward mode is two reverse sweeps: the cotangents that a sweep gives
are linear in the cotangent u it starts with, x̄ = Jᵀu, and the derivative of <x̄, v> with respect to u is Jv.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from minigrad.backprop import sweep, tape
from minigrad.engine import errors
from minigrad.engine.state import ENDED, enable_grad, here, tracing
from minigrad.engine.trees import bare, branches, leaves, mapped
from minigrad.engine.words import counted
from minigrad.tensor import Tensor, next_serial

__all__ = [
    "elementwise_grad", "grad", "hessian", "hessian_diag", "hvp", "jacobian", "jvp", "value_and_grad", "vjp",
]  # fmt: skip

TALL = 4  # times as many entries of the output as of the arguments: measured on fits with 4 and 16 arguments, rows and
# columns take the same time at twice as many, and columns half of it at five times
Fn = Callable[..., Any]
Argnums = int | Sequence[int]
Array = np.ndarray[Any, Any]
Pullback = Callable[[Any], tuple[Any, ...]]


class Derivative(Protocol):
    """A function by its first argument, to a type checker: of an array it is an array, of a Tensor a Tensor."""

    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> Tensor: ...
    @overload
    def __call__(self, x: Array | float, /, *args: Any, **kwargs: Any) -> Array: ...
    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class ValueAndDerivative(Protocol):
    """The same, beside the value."""

    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]: ...
    @overload
    def __call__(self, x: Array | float, /, *args: Any, **kwargs: Any) -> tuple[Array, Array]: ...
    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]: ...


# ------------------------------------------------------------------------------------------------ nested arguments
def arrays_in(tree: Any) -> list[Any]:
    """The leaves of a nesting but for None, which stands for an argument that is not there."""
    return [x for x in leaves(tree) if x is not None]


def nested(tree: Any, values: Iterable[Any]) -> Any:
    """The nesting of `tree`, with the next one of `values` in place of each of its arrays; None stays."""
    values = iter(values)
    return mapped(lambda x: None if x is None else next(values), tree)


def matched(values: Any, tree: Any, name: str) -> list[Any]:
    """The arrays in `values`, in the order of `tree`, whose nesting and shapes they must have."""
    parts = branches(tree)
    if tree is None:
        if values is not None:
            raise ValueError(f"{name} must be None, as what it belongs to, and is {values!r}")
        return []
    if parts is None:
        if np.shape(values) != np.shape(tree):
            raise ValueError(f"{name} has shape {np.shape(values)}, and belongs to an array of shape {np.shape(tree)}")
        return [values]
    if isinstance(tree, dict):
        if not isinstance(values, dict) or values.keys() != tree.keys():
            raise ValueError(f"{name} must be a dict with the keys {list(tree)}, and is {values!r}")
    elif not isinstance(values, list | tuple) or len(values) != len(tree):
        raise ValueError(f"{name} must be a {type(tree).__name__} of length {len(tree)}, and is {values!r}")
    return [v for key, part in parts for v in matched(values[key], part, f"{name}[{key!r}]")]


# --------------------------------------------------------------------------------------------- one call of a function
class Evaluation:
    """One call of `fn` on variables of our own, so that they are told from every other use of the same arrays.

    Attributes:
        tree: the arguments that are differentiated.
        variables: a Tensor for each array in `tree`.
        output: what fn returned, a Tensor or a nesting of Tensors; `outputs` is the list of these.
        aux: a list of what fn returned beside it, with has_aux.
        wrapped: whether fn was called with Tensors.
        open: whether the output depends on something outside that is being differentiated.
        alone: whether every derivative leads to one of the variables.
    """

    def __init__(
        self, fn: Fn, args: Sequence[Any], argnums: Sequence[int], has_aux: bool = False, kwargs: Any = None
    ) -> None:
        before = next_serial()
        self.tree = tuple([args[i] for i in argnums])
        self.variables: list[Tensor] = []
        inputs = list(args)
        with enable_grad:
            for i in argnums:
                inputs[i] = mapped(self.varied, args[i])
            result = fn(*inputs, **(kwargs or {}))
        if has_aux and not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"has_aux=True: the function must return (output, aux), and it returned {result!r}")
        output = result[0] if has_aux else result
        self.aux: list[Any] = [result[1]] if has_aux else []
        self.outputs = [differentiable(y, output, before) for y in arrays_in(output) or [output]]
        self.output: Any = nested(output, self.outputs)
        self.wrapped = any([type(x) is Tensor for x in arrays_in(self.tree)])
        roots = [x for x in tape(*self.outputs) if x.op is None and x.differentiable]
        self.alone = set(self.variables).issuperset(roots)
        self.open = any([x.serial < before and (x.cut is None or x.cut[0] != "finished") for x in roots])
        for x in self.variables:  # nobody else can differentiate by them any more
            x.cut = "finished", x.made_at

    def varied(self, x: Any) -> Tensor | None:
        """A variable with the value of `x`, which nobody else has; what `x` depends on is in its history."""
        if x is None:
            return None
        if type(x) is int:
            x = float(x)  # 3 is a number, and numbers are floats
        self.variables.append(variable(x))
        return self.variables[-1]

    def number(self, transform: str) -> Tensor:
        """The output, if it is a single number."""
        if type(self.output) is not Tensor or self.output.size != 1:
            raise errors.not_a_number(transform, self.output)
        return self.output

    def pull(self, cotangents: Sequence[Any], record: bool) -> list[Any]:
        """Jᵀu, the cotangents of the variables, for u the `cotangents` of the outputs."""
        with enable_grad:
            return derivatives(joined(self.outputs), self.variables, record, joined(cotangents), self.alone)

    def records(self, others: Sequence[Any] = ()) -> bool:
        """Whether a result that depends on `others`, too, belongs on the tape."""
        if self.open or (others and any([type(t) is Tensor and t.differentiable for t in others])):
            return here.state.recording or tracing()
        return tracing()

    def given(self, tree: Any, results: Sequence[Any], others: Sequence[Any] = ()) -> Any:
        """`results` as the caller gets them, nested as `tree`. What is no Tensor stays what it is."""
        if not self.records(others):
            if self.open:  # under no_grad()
                here.state.left = next_serial()
            tensors = self.wrapped or (others and any([type(t) is Tensor for t in others]))
            results = [(t if is_leaf(t) else Tensor(bare(t))) if tensors else bare(t) for t in results]
        return nested(tree, results)

    def beside(self, others: Sequence[Any] = ()) -> list[Any]:
        """`aux`, as the caller gets it."""
        return [mapped(lambda t: self.given(t, [t], others) if type(t) is Tensor else t, aux) for aux in self.aux]


def variable(x: Any) -> Tensor:
    """A Tensor to differentiate by, with the value of x and what it depends on: a leaf, if nothing reaches x."""
    if type(x) is not Tensor:
        return Tensor(x, requires_grad=True)
    return +x if x.differentiable else Tensor(x.array, requires_grad=True)


def is_leaf(t: Any) -> bool:
    return type(t) is Tensor and not t.op


def differentiable(y: Any, output: Any, before: int) -> Tensor:
    """A part of the `output` of a function, as a Tensor; it was called when serials stood at `before`.

    What never was on the tape is constant, and so are the floats that a small change does not change: their derivative
    is zero. Where something left the tape in this call it would be zero in silence, and is refused.
    """
    left = here.state.left > before
    if type(y) is not Tensor:
        array = np.asarray(y) if isinstance(y, int | float | np.number | np.ndarray) else np.array(None)
        if left or array.dtype.kind not in "fiu":
            raise errors.no_history(y, output)
        return flat(array if array.dtype.kind == "f" else array.astype(float))
    if not (y.differentiable or is_flat(y)) and (left or y.dtype.kind != "f" or errors.cause_of(y)[0] in ENDED):
        raise errors.not_differentiable(y)
    return y


def flat(derivative: Any) -> Tensor:
    """A derivative that does not change, such as that of a linear function: its own derivative is zero."""
    result = Tensor(derivative)
    result.cut = "flat", result.made_at
    return result


def is_flat(t: Tensor) -> bool:
    return bool(errors.cause_of(t)[0] == "flat")


def derivatives(y: Tensor, xs: Sequence[Tensor], record: bool, u: Any = None, alone: bool = False) -> list[Any]:
    """The gradients of y with respect to xs: zeros where y does not depend on one. Tensors with `record`, or arrays.

    `alone` says that all of y's derivatives lead to xs, so that the sweep need not find out which do.
    """
    found = sweep(y, u, xs, record, alone) if xs and y.differentiable else {}
    if not record:
        return [np.asarray(found[x]) if x in found else np.zeros_like(x.array) for x in xs]
    slopes = [found[x] if x in found else Tensor(np.zeros_like(x.array)) for x in xs]
    return [g if g.differentiable else flat(g.array) for g in slopes]


def joined(values: Sequence[Any]) -> Any:
    """Several outputs are one long vector: then one sweep serves them all."""
    return values[0] if len(values) == 1 else np.concatenate([np.reshape(v, -1) for v in values])


def units(y: Tensor) -> Iterator[tuple[tuple[int, ...], Any]]:
    """For each entry of y its index, and the array of y's shape that is 1 there and 0 elsewhere."""
    for index in np.ndindex(y.shape):
        unit = np.zeros_like(y.array)
        unit[index] = 1
        yield index, unit


def inner(xs: Sequence[Tensor], vs: Sequence[Any]) -> Tensor:
    """<x, v>, a single number."""
    with enable_grad:
        products = [(x * v).sum() for x, v in zip(xs, vs, strict=True)]
        return functools.reduce(operator.add, products, Tensor(0.0))


def is_one(argnums: Argnums) -> bool:
    """Whether one argument is differentiated, so that the result is no tuple."""
    return not isinstance(argnums, Sequence | np.ndarray)


def selected(argnums: Argnums, args: Sequence[Any]) -> tuple[int, ...]:
    """`argnums` as a tuple that counts from the front."""
    if type(argnums) is int and argnums == 0 and args:
        return (0,)
    several: Any = (argnums,) if is_one(argnums) else argnums
    try:
        chosen = tuple([operator.index(i) for i in several])
    except TypeError:
        what = "the position of an argument, or a sequence of these"
        raise TypeError(f"argnums={argnums!r}: it is {what}") from None
    for i in chosen:
        if not -len(args) <= i < len(args):
            given = counted(len(args), "positional argument")
            raise ValueError(
                f"argnums={argnums}: the function was called with {given}, and only those are differentiated"
            )
    chosen = tuple([i % len(args) for i in chosen])
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"argnums={argnums} names an argument twice")
    return chosen


def sequence(primals: Any, transform: str) -> Sequence[Any]:
    """`primals`, if it is a list or tuple of arguments."""
    if not isinstance(primals, list | tuple):
        raise TypeError(
            f"{transform}: primals is the tuple of all arguments, and this is a {type(primals).__name__}. For one "
            f"argument write {transform}(fn, (x,), (v,))"
        )
    return primals


# --------------------------------------------------------------------------------------------------- the transforms
@overload
def value_and_grad(fn: Fn, argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> ValueAndDerivative: ...
@overload
def value_and_grad(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., tuple[Any, Any]]: ...
def value_and_grad(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., tuple[Any, Any]]:
    """A function that returns ``(fn(...), its gradient)``.

    Args:
        fn: returns a single number (a Tensor of one entry), or ``(number, aux)`` with has_aux.
        argnums: which positional argument to differentiate, an array or a nesting of arrays; the gradient is nested in
            the same way, and has the shapes and dtypes of the arrays. A sequence gives a tuple of gradients.
        has_aux: return ``((number, aux), gradient)``.

    Raises:
        RuntimeError: fn returned more than one number, or one that no derivative reaches.
        TypeError: fn returned no Tensor, or an argument to differentiate is not of real floats.

    >>> import numpy as np
    >>> def loss(params, x):
    ...     return np.sum((x @ params["W"] - 1.0) ** 2)
    >>> value_and_grad(loss)({"W": np.array([1.0, 2.0])}, np.eye(2))
    (array(1.), {'W': array([0., 2.])})
    """

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return both(fn, argnums, has_aux, args, kwargs)

    return differentiated


def both(fn: Fn, argnums: Argnums, has_aux: bool, args: Sequence[Any], kwargs: Any) -> tuple[Any, Any]:
    """The value of fn, with `aux` if it has that, and the gradient."""
    run = Evaluation(fn, args, selected(argnums, args), has_aux, kwargs)
    numbers = [run.number("grad"), *run.pull([None], run.records())]
    value, found = run.given((run.output, run.tree), numbers)
    slope = found[0] if is_one(argnums) else found
    return (value, *run.beside()) if has_aux else value, slope


@overload
def grad(fn: Fn, argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> Derivative: ...
@overload
def grad(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn: ...
def grad(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn:
    """A function that returns the gradient of `fn`; with has_aux, ``(gradient, aux)``. Arguments as `value_and_grad`.

    Raises:
        RuntimeError, TypeError, ValueError: as `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    array(12.)
    >>> grad(grad(lambda x: x**3))(2.0)
    array(12.)
    >>> grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0)
    (array(5.), array(2.))
    """

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, found = both(fn, argnums, has_aux, args, kwargs)
        return (found, value[1]) if has_aux else found

    return differentiated


@overload
def elementwise_grad(fn: Fn, argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> Derivative: ...
@overload
def elementwise_grad(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn: ...
def elementwise_grad(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn:
    """A function that returns the gradient of the sum of the output's entries.

    Where each entry of the output comes from one entry of the input, it is that entry's derivative. Arguments as
    `value_and_grad`, but for the output, which is one array of any shape.

    Raises:
        TypeError: an argument to differentiate is not of real floats.
        ValueError: `argnums` names an argument that was not given by position.

    >>> import numpy as np
    >>> elementwise_grad(np.sin)(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """

    @functools.wraps(fn)
    def total(*args: Any, **kwargs: Any) -> Any:
        found = fn(*args, **kwargs)
        return (np.sum(found[0]), *found[1:]) if has_aux else np.sum(found)

    return grad(total, argnums, has_aux)


@overload
def vjp(fn: Fn, *primals: Any, has_aux: Literal[False] = False) -> tuple[Any, Pullback]: ...
@overload
def vjp(fn: Fn, *primals: Any, has_aux: Literal[True]) -> tuple[Any, Pullback, Any]: ...
def vjp(fn: Fn, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``(fn(*primals), pullback)``, where ``pullback(u)`` is the tuple of cotangents Jᵀu, one for each primal.

    The cotangent u is nested as the output, and has its shapes. The pullback may be called several times. With has_aux,
    ``(value, pullback, aux)``.

    Raises:
        TypeError: a primal is not of real floats.
        ValueError: from the pullback, u is not nested and shaped as the output.

    >>> value, pullback = vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> pullback(10.0)
    (array(50.), array(20.))
    """
    run = Evaluation(fn, primals, range(len(primals)), has_aux)

    def pullback(u: Any) -> tuple[Any, ...]:
        us = matched(u, run.output, "the cotangent")
        found: tuple[Any, ...] = run.given(run.tree, run.pull(us, run.records(us)), us)
        return found

    value = run.given(run.output, run.outputs)
    return value, pullback, *run.beside()


@overload
def jvp(
    fn: Fn, primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[False] = False
) -> tuple[Any, Any]: ...
@overload
def jvp(fn: Fn, primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[True]) -> tuple[Any, Any, Any]: ...
def jvp(fn: Fn, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """``(fn(*primals), Jv)``: how the output moves when the primals move along `tangents`, nested as they are.

    Two sweeps, for any number of inputs and outputs. With has_aux, ``(value, Jv, aux)``.

    Raises:
        TypeError: a primal is not of real floats.
        ValueError: the tangents are not nested and shaped as the primals.

    >>> jvp(lambda x: x**3, (2.0,), (0.5,))
    (array(8.), array(6.))
    """
    run = Evaluation(fn, sequence(primals, "jvp"), range(len(primals)), has_aux)
    vs = matched(tangents, primals, "tangents")
    us = [variable(np.zeros_like(y.array)) for y in run.outputs]
    moved = derivatives(inner(run.pull(us, True), vs), us, run.records(vs))
    value = run.given(run.output, run.outputs, vs)
    derivative = run.given(run.output, moved, vs)
    return value, derivative, *run.beside(vs)


def hvp(fn: Fn, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of `fn` at `primals` times `tangents`, nested as the primals; no Hessian is formed.

    Raises:
        RuntimeError: fn returned more than one number.
        TypeError: a primal is not of real floats.
        ValueError: the tangents are not nested and shaped as the primals.

    >>> hvp(lambda x, y: x * x * y, (3.0, 5.0), (1.0, 0.0))
    (array(10.), array(6.))
    """
    run = Evaluation(fn, sequence(primals, "hvp"), range(len(primals)))
    run.number("hvp")
    vs = matched(tangents, primals, "tangents")
    moved = derivatives(inner(run.pull([None], True), vs), run.variables, run.records(vs))
    result: tuple[Any, ...] = run.given(run.tree, moved, vs)
    return result


def jacobian(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn:
    """A function that returns the Jacobian of `fn`: an array of shape ``output.shape + argument.shape``.

    One reverse sweep for each entry of the output; where that has far more entries than the arguments, as the residuals
    of a fit have, one for each entry of these, of the pullback, which is linear in its cotangent. Where argument or
    output are nested, so is the result: the nesting of the output, with the nesting of the arguments in place of each
    of its arrays. With has_aux, ``(jacobian, aux)``.

    Raises:
        TypeError: an argument to differentiate is not of real floats.
        ValueError: `argnums` names an argument that was not given by position.

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = Evaluation(fn, args, selected(argnums, args), has_aux, kwargs)

        def of(y: Tensor) -> Any:
            found = run.given(run.tree, columns(run, y) if is_tall(run, y) else rows(run, y))
            return found[0] if is_one(argnums) else found

        result = nested(run.output, map(of, run.outputs))
        return (result, *run.beside()) if has_aux else result

    return differentiated


def rows(run: Evaluation, y: Tensor) -> list[Any]:
    """The Jacobian of y by each variable, a sweep from each entry of y."""
    sweeps = [derivatives(y, run.variables, run.records(), unit, run.alone) for _, unit in units(y)]
    blocks: list[Any] = [flat(np.zeros(y.shape + x.shape, x.dtype)) for x in run.variables]
    for i, of_x in enumerate(zip(*sweeps, strict=True)):
        rowwise: Any = np.stack(of_x)
        blocks[i] = rowwise.reshape(blocks[i].shape)
    return blocks


def columns(run: Evaluation, y: Tensor) -> list[Any]:
    """The same by a sweep from each entry of Jᵀu, which is linear in u."""
    u, record = variable(np.zeros_like(y.array)), run.records()
    blocks: list[Any] = []
    for x, pulled in zip(run.variables, derivatives(y, run.variables, True, u), strict=True):
        columnwise: Any = np.stack([derivatives(pulled, [u], record, unit)[0] for _, unit in units(x)], -1)
        block = columnwise.reshape(y.shape + x.shape)
        blocks.append(block if block.dtype == x.dtype else block.astype(x.dtype))
    return blocks


def is_tall(run: Evaluation, y: Tensor) -> bool:
    """Whether `columns` is worth a sweep that is recorded, and all on the way can be recorded: a Function need not."""
    sizes = [x.size for x in run.variables]
    return all(sizes) and y.size > TALL * sum(sizes) and not any(t.op and t.op.student for t in tape(y))


@overload
def hessian(fn: Fn, argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> Derivative: ...
@overload
def hessian(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn: ...
def hessian(fn: Fn, argnums: Argnums = 0, has_aux: bool = False) -> Fn:
    """A function that returns the Hessian of `fn`, shape ``argument.shape + argument.shape``: `jacobian` of `grad`.

    Raises:
        RuntimeError, TypeError, ValueError: as `value_and_grad`.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] * x[0] * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return jacobian(grad(fn, argnums, has_aux), argnums, has_aux)


@overload
def hessian_diag(fn: Fn, argnums: Literal[0] = 0) -> Derivative: ...
@overload
def hessian_diag(fn: Fn, argnums: Argnums = 0) -> Fn: ...
def hessian_diag(fn: Fn, argnums: Argnums = 0) -> Fn:
    """A function that returns the diagonal of the Hessian of `fn`, nested and shaped as the argument.

    One reverse sweep for each entry of the argument, and no Hessian is formed.

    Raises:
        RuntimeError, TypeError, ValueError: as `value_and_grad`.

    >>> import numpy as np
    >>> hessian_diag(lambda x: x[0] * x[0] * x[1] + x[1] ** 3)(np.array([3.0, 5.0]))
    array([10., 30.])
    """

    @functools.wraps(fn)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = Evaluation(fn, args, selected(argnums, args), kwargs=kwargs)
        run.number("hessian_diag")

        def of(x: Tensor, slope: Tensor) -> Any:
            rows = [derivatives(slope, [x], run.records(), unit)[0][i] for i, unit in units(x)]
            return np.reshape(np.stack(rows), x.shape) if rows else bare(slope)

        found = run.given(run.tree, list(map(of, run.variables, run.pull([None], True))))
        return found[0] if is_one(argnums) else found

    return differentiated
