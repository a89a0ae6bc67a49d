"""How one block makes an operation known everywhere: function, operator, method and NumPy name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from minigrad.backprop import record
from minigrad.engine import errors
from minigrad.engine.numeric import is_operand
from minigrad.engine.state import here
from minigrad.ops import docstring
from minigrad.ops.calling import Calling, whole_name
from minigrad.ops.operation import DOUBLE, Operation, lifted, narrow
from minigrad.tensor import Tensor

OPERANDS = {Tensor, np.ndarray, float, int}  # the most common; `is_operand` knows all of them
REGISTRY: dict[str, Operation] = {}
COMPOSITIONS: dict[str, Callable[..., Any]] = {}  # by name, what is written with operations and is none itself
FROM_NUMPY: dict[Any, Callable[..., Any]] = {}  # np.exp -> minigrad.exp
OF_UFUNCS: dict[Any, Callable[..., Any]] = {}  # np.add, "reduce" -> minigrad.sum
REFUSED: dict[Any, str] = {}  # np.roots -> what to do instead
WRITERS = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}


def op(block: Any) -> Callable[..., Tensor]:
    """Make an operation of a class body: its forward, its rules, and what else the block says of itself.

    ``operator = "__mul__"`` installs the operator and its reflection; ``numpy`` names the NumPy functions that arrive
    here when they meet a Tensor (by default the one of the same name); a method that NumPy's arrays have under this
    name is one of Tensors too. A block with ``compose`` instead of ``forward`` is written with other operations and
    needs no rules; it gets Tensors. ``public(apply, ...)`` stands before the operation, to bring its arguments into the
    form in which the rules are the textbook's; ``in_full(apply, ...)`` does so only for calls with arguments that the
    forward has not, and costs the others nothing. A call in the words of NumPy's function, or of the one that `words`
    has, is obeyed or refused by the name of the argument (calling.py); `renamed` says which of its names is which here.
    """
    operation = Operation(block)
    arity, defaults, bind, wide = operation.arity, operation.defaults, operation.bind, operation.wide
    public, calling = operation.public, getattr(operation, "calling", operation.call)
    in_full, fits = operation.in_full, operation.call.fits

    def apply(*inputs: Any, **params: Any) -> Tensor:
        if params or len(inputs) != arity:
            if in_full and not fits(inputs, params):
                return prepared(*inputs, **params)
            inputs, params = bind(inputs, params)
        else:
            params = defaults
        if wide and (type(x := inputs[0]) is not Tensor or x.array.dtype is not DOUBLE) and narrow(x):
            inputs, rounded = operation.widened(inputs)
            if rounded is not None:
                return apply(*inputs, **params).astype(rounded)
        try:
            return record(operation, inputs, params)
        except Exception as error:  # NumPy's, of shapes or axes, names neither the operation nor its inputs
            error.add_note(errors.in_forward(operation, inputs, params))
            raise

    def either(*inputs: Any, **params: Any) -> Any:
        if params or len(inputs) != arity:
            inputs, params = bind(inputs, params)
        else:
            params = defaults
        on_tape = any([type(x) is Tensor for x in inputs])
        return record(operation, inputs, params) if on_tape else operation.forward(*inputs, **params)

    def composed(*inputs: Any, **params: Any) -> Tensor:
        inputs, params = bind(inputs, params)
        rounded = None
        if wide and narrow(inputs[0]):
            inputs, rounded = operation.widened(inputs)
        result: Tensor = block.compose(*map(lifted, inputs), **params)
        return result if rounded is None else result.astype(rounded)

    plain = composed if operation.composed else either if operation.helper else apply

    most = calling.most

    def prepared(*args: Any, **kwargs: Any) -> Tensor:
        if (kwargs or len(args) > most) and not calling.fits(args, kwargs):
            args, kwargs = calling.translated(args, kwargs)
        result: Tensor = public(plain, *args, **kwargs)
        return result

    function: Any = plain
    if public:
        function = plain if in_full else prepared
        public.__qualname__ = operation.name  # what Python says of a missing argument
    function.__name__ = function.__qualname__ = operation.name
    function.__doc__ = docstring.of_operation(operation)
    function.__module__ = block.__module__
    function.__signature__ = calling.signature
    function.operation = operation
    operation.function = function

    REGISTRY[operation.name] = operation
    for numpy_function in operation.numpy:
        FROM_NUMPY[numpy_function] = function
    if hasattr(np.ndarray, operation.name) or hasattr(block, "method"):
        setattr(Tensor, operation.name, function)
    if hasattr(block, "operator"):
        install_operator(block, operation, plain)
    result: Callable[..., Tensor] = function
    return result


def since(*names: str) -> list[Any]:
    """The functions of NumPy's of these names, as far as an older NumPy has them."""
    return [getattr(np, name) for name in names if hasattr(np, name)]


def composition(*functions: Any, method: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let these functions of NumPy be answered by the one below, which is written with operations.

    It is no row of the derivative table: it has several results, or it only arranges what operations compute. Its
    parameters are NumPy's, by name and position; those it has not are refused by name, as an operation's are. With
    `method` it is one of Tensors, too.
    """

    def install(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [*inspect.signature(function).parameters.values()]
        calling = Calling(function.__name__, parameters, 0, next(iter(functions), None), {})

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            if not calling.fits(args, kwargs):
                args, kwargs = calling.translated(args, kwargs)
            return function(*args, **kwargs)

        theirs = next(iter(functions), getattr(np, function.__name__, None))
        called.__doc__ = docstring.of_composition(function.__doc__, theirs)
        COMPOSITIONS[function.__name__] = called
        FROM_NUMPY.update(dict.fromkeys(functions, called))
        if method:
            setattr(Tensor, function.__name__, called)
        return called

    return install


def install_operator(block: Any, operation: Operation, plain: Callable[..., Tensor]) -> None:
    """Give Tensor the operator of a block, and its reflection. What is no array of any kind gets a turn of its own."""
    name, public, defaults = block.operator, operation.public, operation.defaults
    if len(operation.inputs) == 1 or operation.variadic:
        setattr(Tensor, name, (lambda x, index: public(plain, x, index)) if public else plain)
        return

    def operator(a: Any, b: Any) -> Any:
        if type(b) not in OPERANDS and not is_operand(b):
            return NotImplemented
        if public:
            return public(plain, a, b)
        try:
            return record(operation, (a, b), defaults)
        except Exception as error:
            error.add_note(errors.in_forward(operation, (a, b), defaults))
            raise

    def reflected(b: Any, a: Any) -> Any:
        return operator(a, b) if type(a) in OPERANDS or is_operand(a) else NotImplemented

    for method, called in (operator, name), (reflected, name.replace("__", "__r", 1)):
        if method is operator or not hasattr(block, "comparison"):
            method.__name__, method.__qualname__ = called, f"Tensor.{called}"
            setattr(Tensor, called, method)


def answer(function: Any, method: str = "__call__") -> Callable[..., Any] | None:
    """What is called for a function of NumPy's, or np.add.reduce and its like; scipy.special's come when it does."""
    if function not in FROM_NUMPY and "scipy.special" in sys.modules:
        import_module("minigrad.ops.special")
    found = FROM_NUMPY.get(function)
    if method == "__call__" or not found:
        return found
    if method == "outer":  # of each entry of a with each of b
        return lambda a, b, **params: found(np.expand_dims(a, tuple(range(-np.ndim(b), 0))), b, **params)
    along = OF_UFUNCS.get((function, method))
    return along and (lambda x, axis=0, **params: along(x, axis=axis, **params))


def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **params: Any) -> Any:
    """np.exp(tensor), array * tensor: NumPy hands its ufuncs over when one input is a Tensor."""
    found = (method == "__call__" and FROM_NUMPY.get(ufunc)) or answer(ufunc, method)
    if found and "out" not in params:
        return found(*inputs, **params)
    if here.state.beyond:
        return here.state.beyond.call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, params)
    what = whole_name(ufunc) if method == "__call__" else f"{whole_name(ufunc)}.{method}"
    if "out" in params:
        raise TypeError(errors.writing(f"{what} with out=, or in place,"))
    if method == "at":
        raise TypeError(errors.writing(what))
    raise unknown(what, REFUSED.get(ufunc))


def array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """np.sum(tensor, axis=0): NumPy hands its other functions over, too."""
    if found := FROM_NUMPY.get(function) or answer(function):
        return found(*args, **kwargs)
    if here.state.beyond:
        return here.state.beyond.call(function, args, kwargs)
    if function in WRITERS:
        raise TypeError(errors.writing(whole_name(function)))
    raise unknown(whole_name(function), REFUSED.get(function))


def unknown(what: str, remedy: str | None) -> TypeError:
    """The error for a function of NumPy's that is no operation."""
    return TypeError(f"{what} is not an operation of minigrad, so it cannot be recorded; {remedy or KNOWN}")


KNOWN = "use operations that minigrad has (dir(minigrad)), or t.detach().numpy() to leave the tape"
Tensor.__array_ufunc__ = array_ufunc  # type: ignore[method-assign, assignment]
Tensor.__array_function__ = array_function  # type: ignore[method-assign, assignment]
