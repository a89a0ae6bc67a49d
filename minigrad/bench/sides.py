"""A function of the user's in every engine that runs it: value and gradient, at the same inputs.

It is written in plain NumPy. The namespaces of JAX, HIPS autograd and torch are written after NumPy's, so the text
stays, and what its file calls `np` is another library's, in the function and in what it calls of the same file. For
torch that is array_api_compat's, where it is installed: torch's functions with the arguments of NumPy's. Arrays of the
file are tensors there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from minigrad.bench import peers
from minigrad.checks.engines import rebased
from minigrad.program.source import compile
from minigrad.transforms import value_and_grad

__all__ = ["ALONE", "SIDES", "TAPE", "disagreement", "in_namespace", "number", "reason"]

Array = np.ndarray[Any, Any]
Step = Callable[[], tuple[Any, ...]]  # the value, and the gradient by each input that is differentiated
Side = Callable[[Any, Sequence[Any], tuple[int, ...]], Step]  # of a function, its inputs, and the positions of these


def number(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, or the sum of what it returns, if that is an array: gradients are of single numbers."""

    @wraps(fn)
    def summed(*args: Any) -> Any:
        y = fn(*args)
        if isinstance(y, tuple | list | dict):
            raise TypeError(f"it returns a {type(y).__name__}: measured is a function that returns one array")
        return y.sum() if getattr(y, "ndim", 0) else y

    return summed


class Renamed:
    """The names of a file, `there`, in which another library's are in the place of NumPy's.

    Args:
        names: the globals of a function.
        namespace: what is called `np` now.
        array: makes an array of that library of one of NumPy's.
    """

    def __init__(self, names: dict[str, Any], namespace: Any, array: Callable[[Array], Any]) -> None:
        self.names, self.namespace, self.array = names, namespace, array
        self.there: dict[str, Any] = {}
        self.there |= {name: self.other(value) for name, value in names.items()}

    def other(self, value: Any) -> Any:
        """What stands for `value` there."""
        if isinstance(value, FunctionType) and value.__globals__ is self.names:
            return self.function(value)
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, ModuleType):
            root, *path = value.__name__.split(".")
            return self.found(path, value) if root == "numpy" else value
        name = getattr(value, "__name__", "")
        return self.found([name], value) if name and getattr(np, name, None) is value else value

    def found(self, path: Sequence[str], value: Any) -> Any:
        """The part of the namespace at that path; `value`, if it has none."""
        there = self.namespace
        for name in path:
            there = getattr(there, name, None)
        return value if there is None else there

    def function(self, fn: FunctionType) -> FunctionType:
        """The same text with these names."""
        found = FunctionType(fn.__code__, self.there, fn.__name__, fn.__defaults__, fn.__closure__)
        found.__kwdefaults__ = fn.__kwdefaults__
        return found


def in_namespace(fn: Any, namespace: Any, array: Callable[[Array], Any]) -> Callable[..., Any]:
    """`fn` with another library's functions in the place of NumPy's."""
    if not isinstance(fn, FunctionType):
        raise TypeError(f"a {type(fn).__name__} is no function in Python whose np could be another")
    return Renamed(fn.__globals__, namespace, array).function(fn)


# ----------------------------------------------------------------------------------------------------------- the sides
def alone(fn: Any, inputs: Sequence[Any], of: tuple[int, ...]) -> Step:
    call = getattr(fn, "apply", fn)
    return lambda: (call(*inputs),)


def on_the_tape(fn: Any, inputs: Sequence[Any], of: tuple[int, ...]) -> Step:
    return flat(value_and_grad(number(getattr(fn, "apply", fn)), of), inputs)


def compiled(backend: str) -> Side:
    def side(fn: Any, inputs: Sequence[Any], of: tuple[int, ...]) -> Step:
        of_the_file = [x for x in getattr(fn, "__globals__", {}).values() if isinstance(x, np.ndarray)]
        step = value_and_grad(number(getattr(fn, "apply", fn)), of)
        return flat(compile(step, backend=backend, constants=of_the_file), inputs)

    return side


def flat(step: Callable[..., Any], inputs: Sequence[Any]) -> Step:
    def one() -> tuple[Any, ...]:
        value, slopes = step(*inputs)
        return value, *slopes

    return one


def in_torch(fn: Any, inputs: Sequence[Any], of: tuple[int, ...]) -> Step:
    torch = peers.torch()
    try:
        from array_api_compat import torch as namespace
    except ModuleNotFoundError:
        namespace = torch
    if hasattr(fn, "apply"):
        call = number(rebased(fn, torch.autograd.Function).apply)  # a class body that both engines run
    else:
        call = number(in_namespace(fn, namespace, torch.tensor))
    tensors = [torch.tensor(x) for x in inputs]
    wanted = [tensors[i].requires_grad_() for i in of]

    def step() -> tuple[Any, ...]:
        value = call(*tensors)
        return value, *torch.autograd.grad(value, wanted)

    return step


def in_jax(fn: Any, inputs: Sequence[Any], of: tuple[int, ...]) -> Step:
    jax = peers.jax()
    step = jax.jit(jax.value_and_grad(number(in_namespace(fn, jax.numpy, jax.numpy.asarray)), of))
    arrays = [jax.numpy.asarray(x) for x in inputs]
    return flat(lambda *args: jax.block_until_ready(step(*args)), arrays)


def in_autograd(fn: Any, inputs: Sequence[Any], of: tuple[int, ...]) -> Step:
    import autograd
    import autograd.numpy

    step = autograd.value_and_grad(number(in_namespace(fn, autograd.numpy, lambda x: x)), of)
    return flat(step, inputs)


ALONE, TAPE = "the function alone", "minigrad"
SIDES: dict[str, Side] = {
    ALONE: alone,
    TAPE: on_the_tape,
    "minigrad, compiled": compiled("numpy"),
    "minigrad, numba": compiled("numba"),
    "torch": in_torch,
    "jax.jit": in_jax,
    "HIPS autograd": in_autograd,
}


def reason(error: BaseException) -> str:
    """Why a side does not run, in one line."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name} is not installed"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'without a word'}"


def disagreement(found: Sequence[Any], expected: Sequence[Any], names: Sequence[str]) -> str | None:
    """What of a side is not as on the tape, if something is not, up to rounding: the square root of its unit."""
    for name, got, wanted in zip(names, found, expected, strict=False):
        x, y = (np.asarray(z.detach() if hasattr(z, "detach") else z) for z in (got, wanted))
        if x.shape != y.shape:
            return f"{name} has the shape {x.shape}, and on the tape {y.shape}"
        if not x.size:
            continue
        largest = float(np.abs(y).max())
        unit = max(np.finfo(z.dtype).eps if z.dtype.kind == "f" else 0.0 for z in (x, y))
        worst = float(np.abs(x - y).max())
        if not (worst <= math.sqrt(unit) * largest or np.array_equal(x, y, equal_nan=True)):
            return f"{name} is another than on the tape, by up to {worst:.2g} where the largest is {largest:.2g}"
    return None
