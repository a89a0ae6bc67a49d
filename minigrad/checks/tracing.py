"""The true tape of a forward that was written for arrays: it runs once on Tensors, and every step is kept.

What is kept is looked at, never differentiated again. So a forward may do here what a program may not: branch on
values, write into arrays that it has just made, and call functions of NumPy that are no operations. Of these the
derivative is taken numerically. Whether the tape is the truth is asked afterwards: its Jacobian is the numerical one,
or it is not used (`linear.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from minigrad.backprop import record
from minigrad.checks.subject import MINIGRAD, NUMPY, InProcess, Pair, Subject, as_one, to_tensor
from minigrad.engine.numeric import as_numeric
from minigrad.engine.numerical import numerical_jacobian
from minigrad.engine.op import Op
from minigrad.engine.outputs import packed
from minigrad.engine.places import Placed, caller
from minigrad.engine.state import Watch, here
from minigrad.function import Application, Context
from minigrad.tensor import Tensor, next_serial

Array = np.ndarray[Any, Any]
SLOTS = [name for name in (*Placed.__slots__, *Tensor.__slots__) if name != "__weakref__"]


class Untraceable(Exception):
    """A forward does not run on Tensors, or the tape of it is of no use."""


def trace(subject: Subject, inputs: Sequence[Any], able: Sequence[int]) -> tuple[Tensor, list[Any]]:
    """The output of the subject's forward with its tape, and the inputs as it got them.

    Raises:
        Untraceable: it raises on Tensors, returns something else than one, or is of another library.
    """
    if not isinstance(subject, InProcess) or subject.adapter not in (NUMPY, MINIGRAD):
        raise Untraceable(f"{subject.name} is of another library")
    xs = [to_tensor(x, i in able) for i, x in enumerate(inputs)]
    given, function = subject.arguments(xs), subject.function
    with Follower():
        try:
            ctx = Context(tuple(given))
            if isinstance(function, Pair):
                y = on_tensors(function.of_arrays)(*given, **subject.named)
            elif function is not None:
                y = on_tensors(function.forward)(ctx, *given, **subject.named)
            else:
                y = (subject.apply or subject.target)(*given, **subject.named)
            if isinstance(y, tuple):
                y = tuple([x for x in map(stacked, y) if not any(x is constant for constant in ctx._constants)])
                here.state.place = next((x.made_at for x in y[::-1] if type(x) is Tensor), None)
                y = as_one(MINIGRAD, tuple(map(unchanged, y)), subject.name)
            y = stacked(y)
        except Exception as error:  # whatever a student's code raises where it gets Tensors for arrays
            raise Untraceable(f"forward raises on Tensors: {type(error).__name__}: {error}") from error
    if type(y) is not Tensor or not y.differentiable:
        raise Untraceable("forward returns what no derivative reaches")
    return y, xs


class Follower(Watch):
    """Keeps what is computed, constants too, and goes on where the engine has no operation."""

    def __init__(self) -> None:
        self.made: list[Tensor] = []

    def __enter__(self) -> Follower:
        state = here.state
        self.before = state.beyond, state.recording, state.place
        state.beyond, state.recording, state.place = self, True, None
        super().__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__()
        here.state.beyond, here.state.recording, here.state.place = self.before

    def forward(self, op: Any, y: Tensor, inputs: Any, values: Any, params: Any) -> None:
        if y.op is None:
            y.op, y.inputs, y.values, y.params, y.recorded = op, inputs, list(values), params, True
        self.made.append(y)
        if isinstance(op, Application):  # a Function inside of a function of Tensors: its own steps instead
            result = on_tensors(op.student.forward)(Context(inputs), *inputs)
            out = packed(result) if op.pieces else result
            y.op, y.inputs, y.values, y.serial = Foreign(np.positive, {}), (out,), [out.array], next_serial()

    def write(self, t: Tensor, index: Any, value: Any, add: Any = None) -> None:
        """``t[index] = value``: from now on t is what came of it, and what was computed from t before, of the old t."""
        old, new = Tensor.__new__(Tensor), record(Written(index, add), (t, value), {})
        for name in SLOTS:
            setattr(old, name, getattr(t, name))
            setattr(t, name, getattr(new, name))
        for node in [*self.made, t]:
            node.inputs = tuple([old if x is t else x for x in node.inputs])
        self.made += [old, t]

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """A function of NumPy that is no operation: a node if it returns floats, a constant otherwise."""
        if "out" in kwargs:
            (out,) = kwargs["out"] if isinstance(kwargs["out"], tuple) else (kwargs["out"],)
            where = kwargs.get("where", True)
            y = function(*args, **{k: v for k, v in kwargs.items() if k not in ("out", "where")})
            out[...] = y if where is True else np.where(where, y, out)
            return out
        if getattr(function, "__name__", "") == "at" and len(args) == 3:  # np.add.at(x, index, value)
            t, index, value = args
            return self.write(t, index, value, function)
        tensors = [x for a in args for x in (a if isinstance(a, list | tuple) else (a,)) if type(x) is Tensor]
        op = Foreign(function, kwargs, args)
        y = Tensor(op.forward(*[x.array for x in tensors]))
        y.made_at = caller(2)
        if y.array.dtype.kind == "f":
            y.op, y.inputs, y.values, y.recorded = op, tuple(tensors), [x.array for x in tensors], True
            y.differentiable = any(x.differentiable for x in tensors)
            self.made.append(y)
        return y


class Written(Op):
    """The operation of ``x[index] = v``, or of ``add(x, index, v)``, np.add.at for instance."""

    name = "="

    def __init__(self, index: Any, add: Any = None) -> None:
        self.index = tuple(map(raw, index)) if isinstance(index, tuple) else raw(index)
        self.add = add

    def constant(self, x: Any, position: int) -> Any:
        return as_numeric(x)

    def forward(self, x: Array, v: Any) -> Array:
        y = x.copy()
        if self.add is None:
            y[self.index] = v
        else:
            self.add(y, self.index, v)
        return y

    def jacobian(self, i: int, values: Sequence[Any]) -> Array:
        """(*y.shape, *input.shape): entries of x stay, or those of v come."""
        x, v = (np.asarray(value) for value in values)
        if self.add is not None:
            wide = [a.astype(np.longdouble) for a in (x, v)]
            found = numerical_jacobian(
                lambda a: self.forward(*[a if k == i else w for k, w in enumerate(wide)]), wide[i]
            )
            return np.asarray(found.value, float)
        written = np.full(x.shape, -1)
        written[self.index] = np.arange(v.size).reshape(v.shape)
        if i:
            return np.asarray(written.reshape(-1, 1) == np.arange(v.size), float).reshape(*x.shape, *v.shape)
        return np.asarray(np.diag((written < 0).reshape(-1).astype(float)).reshape(*x.shape, *x.shape))


class Foreign(Op):
    """The operation of a node that NumPy computes and no rule differentiates: its partials are numerical ones."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any], args: Sequence[Any] | None = None) -> None:
        self.function, self.kwargs, self.args = function, {k: raw(v) for k, v in kwargs.items()}, args
        self.name = getattr(function, "__name__", "function")

    def forward(self, *values: Any, **_: Any) -> Array:
        left = iter(values)

        def filled(a: Any) -> Any:
            if isinstance(a, list | tuple):
                return type(a)([filled(x) for x in a])
            return next(left) if type(a) is Tensor else a

        args = values if self.args is None else [filled(a) for a in self.args]
        return np.asarray(self.function(*args, **self.kwargs))

    def at(self, i: int, values: list[Any], x: Array) -> Array:
        return self.forward(*values[:i], x, *values[i + 1 :])

    def jacobian(self, i: int, values: Sequence[Any]) -> Array:
        """(*y.shape, *input.shape), in long double where the function takes it, as those of np.linalg do not.

        Raises:
            Untraceable: the function raises near these values.
        """
        for dtype in (np.longdouble, np.float64):
            wide = [v.astype(dtype) if v.dtype.kind == "f" else v for v in values]
            try:
                found = numerical_jacobian(partial(self.at, i, wide), wide[i])
            except Exception as error:
                refused = error
            else:
                return np.asarray(found.value, float)
        raise Untraceable(f"{self.name} has no numerical derivative") from refused


# ------------------------------------------------------------------------------------------------------ numpy's name
def raw(x: Any) -> Any:
    return x.array if type(x) is Tensor else x


def stacked(x: Any) -> Any:
    """A nesting of lists that holds Tensors as one Tensor."""
    if not isinstance(x, list | tuple):
        return x
    parts = [stacked(part) for part in x]
    return np.stack(parts) if any(type(part) is Tensor for part in parts) else x


def fresh(make: Callable[..., Array]) -> Callable[..., Any]:
    """np.zeros and its kin: an array that will be written into has to be a Tensor."""

    def made(*args: Any, **kwargs: Any) -> Any:
        array = make(*map(raw, args), **{k: raw(v) for k, v in kwargs.items()})
        if array.dtype.kind != "f":
            return array
        y = Tensor(array)
        y.recorded, y.made_at = True, caller(2)
        return y

    return made


def array(x: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """np.array and its kin, of nestings that hold Tensors."""
    x = stacked(x)
    if type(x) is Tensor:
        return x.copy() if dtype is None else x.astype(dtype)
    return np.array(x, dtype, **kwargs)


def unchanged(x: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """np.asarray and its kin."""
    x = stacked(x)
    return x if type(x) is Tensor and dtype is None else array(x, dtype, **kwargs)


def joining(join: Callable[..., Any]) -> Callable[..., Any]:
    return lambda parts, *args, **kwargs: join([stacked(part) for part in parts], *args, **kwargs)


MADE: dict[Any, Any] = {
    make: fresh(make)
    for make in (np.zeros, np.ones, np.empty, np.full, np.zeros_like, np.ones_like, np.empty_like, np.full_like)
}
MADE |= dict.fromkeys((np.asarray, np.ascontiguousarray, np.asanyarray), unchanged) | {np.array: array}
MADE |= {join: joining(join) for join in (np.stack, np.concatenate, np.vstack, np.hstack)}


def replacement(x: Any) -> Any:
    return MADE.get(x, x) if callable(x) and type(x).__hash__ is not None else x


class Numpy(ModuleType):
    """NumPy, but what makes arrays makes Tensors."""

    def __getattr__(self, name: str) -> Any:
        return replacement(getattr(np, name))


STAND_IN = Numpy("numpy")


def on_tensors(function: Any) -> Any:
    """The same code, where numpy is STAND_IN: also for the functions of its module that it calls."""
    spaces: dict[int, dict[str, Any]] = {}

    def moved(f: FunctionType) -> FunctionType:
        if id(f.__globals__) not in spaces:
            space = spaces[id(f.__globals__)] = dict(f.__globals__)
            for name, value in list(space.items()):
                if value is np:
                    space[name] = STAND_IN
                elif type(value) is FunctionType and value.__globals__ is f.__globals__:
                    space[name] = moved(value)
                else:
                    space[name] = replacement(value)
        copy = FunctionType(f.__code__, spaces[id(f.__globals__)], f.__name__, f.__defaults__, f.__closure__)
        copy.__kwdefaults__ = f.__kwdefaults__
        return copy

    return moved(function) if type(function) is FunctionType else function
