"""What can be checked, behind one face: arrays go in, and out come a result and the call that takes its cotangent back.

A Function, of minigrad or of torch, is called directly, with a ctx of the checker's own. An engine between the two
would repair shapes and dtypes, or raise, before anybody has looked at what the backward returned.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.backprop import gradients, record
from minigrad.checks.backward import Noisy, Watched, compute_again, each, noisy, replace_operations
from minigrad.engine.numeric import as_numeric
from minigrad.function import Context, Function
from minigrad.ops.registry import Operation, lifted
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]
Inputs = Sequence[Any]  # arrays, None, and constants of any kind


class UsageError(ValueError):
    """A check was called so that there is nothing to check; no error of the function, nor of the checker."""


class Subject:
    """A function of arrays that knows its backward.

    Attributes:
        name, names: what to call it, and its parameters.
        direct: whether a backward is called directly, so that what it returns is seen as it is.
        wide: the dtype in which `evaluate` may be asked for a reference, the widest that can be had.
        any_layout: whether its arrays may be read-only, or run backwards.
    """

    direct = any_layout = True
    wide: Any = np.longdouble

    def __init__(self, target: Any, name: str, parameters: Any) -> None:
        self.target, self.name, self.parameters = target, name, parameters

    @property
    def code(self) -> str:
        """How to write it."""
        return self.name

    def names(self, count: int) -> list[str]:
        names: list[str] = []
        for p in self.parameters:
            names += [f"{p.name}{i}" for i in range(count - len(names))] if p.kind is p.VAR_POSITIONAL else [p.name]
        return names[:count] + [f"input {i}" for i in range(len(names), count)]

    def parameter(self, position: int) -> Any:
        """The parameter of an input; the last one, if that takes any number."""
        return self.parameters[min(position, len(self.parameters) - 1)] if self.parameters else None

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        """Run forward; `needs` says for each input whether its gradient is wanted."""
        raise NotImplementedError

    def evaluate(self, inputs: Inputs) -> Array:
        return self.call(inputs, [False] * len(inputs)).y

    def second(self, inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]) -> list[Any]:
        """The gradients of Σ direction · gradient, by a backward that is recorded; an exception where there is none."""
        raise TypeError("functions of arrays leave no tape")


class Call:
    """A forward that has run.

    Attributes:
        y: what it returned, an array.
    """

    y: Array

    def backward(self, g: Array) -> list[Any]:
        """What the backward returns, one by one: arrays or None."""
        raise NotImplementedError

    def kept(self) -> list[Array]:
        """The arrays that wait for the backward."""
        return []

    def disturb(self, random: np.random.Generator) -> None:
        """Make what waits for the backward a little wrong, as if each of it had been rounded once more."""


# ------------------------------------------------------------------------------------------------------- a Function
class DirectContext(Context):
    """The ctx of a call that no engine makes."""

    def __init__(self, needs: Sequence[bool]) -> None:
        super().__init__(())
        self._needs = tuple(needs)

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        return self._needs

    @property
    def saved(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class FunctionCall(Call):
    def __init__(self, function: Any, inputs: Inputs, needs: Sequence[bool]) -> None:
        self.function, self.ctx = function, DirectContext(needs)
        result = function.forward(self.ctx, *inputs)
        if isinstance(result, tuple | list):
            raise TypeError(f"forward returned a {type(result).__name__}; a Function has one output: return one array")
        self.y = as_numeric(result)

    def backward(self, g: Array) -> list[Any]:
        return [part if part is None else as_numeric(part) for part in as_list(self.function.backward(self.ctx, g))]

    def kept(self) -> list[Array]:
        return arrays_in(list(self.ctx.saved.values()))

    def disturb(self, random: np.random.Generator) -> None:
        vars(self.ctx).update(each_of(self.ctx.saved, lambda a: noisy(a, random)))


def second_by_minigrad(
    apply: Callable[..., Tensor], inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]
) -> list[Any]:
    xs = [Tensor(x, requires_grad=True) if i in able else x for i, x in enumerate(inputs)]
    leaves = [xs[i] for i in able]
    found = gradients(apply(*xs), leaves, create_graph=True, gradient=g, allow_unused=True)
    total = sum((u * d).sum() for u, d in zip(found, directions, strict=True) if u is not None)
    if not getattr(total, "requires_grad", False):  # the gradients are constant
        return [None] * len(leaves)
    return [u if u is None else u.data for u in gradients(total, leaves, allow_unused=True)]


class OfFunction(Subject):
    """A subclass of minigrad.Function."""

    def second(self, inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]) -> list[Any]:
        return second_by_minigrad(self.target.apply, inputs, able, g, directions)

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return FunctionCall(self.target, inputs, needs)


# ------------------------------------------------------------------------------------------ a pair of NumPy functions
class PairCall(Call):
    def __init__(self, pair: Any, inputs: Inputs) -> None:
        forward, self.vjp = pair
        self.inputs = inputs
        self.y = as_numeric(forward(*inputs))

    def backward(self, g: Array) -> list[Any]:
        return [part if part is None else as_numeric(part) for part in as_list(self.vjp(g, *self.inputs))]


class OfPair(Subject):
    """``(forward, vjp)``: forward(*inputs) returns an array, and vjp(g, *inputs) a gradient for each of the inputs."""

    @property
    def code(self) -> str:
        return f"({', '.join(map(name_of, self.target))})"

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return PairCall(self.target, inputs)


# ---------------------------------------------------------------------------------------------- a function of Tensors
def as_tensor(x: Any, needed: bool) -> Any:
    """Floats as a Tensor; masks, indices and constants as they are."""
    return Tensor(x, requires_grad=needed) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


class TensorCall(Call):
    def __init__(self, function: Any, inputs: Inputs, needs: Sequence[bool], params: dict[str, Any]) -> None:
        self.inputs = [as_tensor(x, needed) for x, needed in zip(inputs, needs, strict=True)]
        self.output = function(*self.inputs, **params)
        if type(self.output) is not Tensor:
            raise TypeError(f"the function returned a {type(self.output).__name__}; needed is one Tensor")
        self.y = self.output.data
        self.needed = [x for x, needed in zip(self.inputs, needs, strict=True) if needed]
        self.watched = False

    def backward(self, g: Array) -> list[Any]:
        if not self.output.requires_grad:
            return [None] * len(self.inputs)
        if not self.watched:
            replace_operations(self.output, Watched)
            self.watched = True
        found = iter(gradients(self.output, self.needed, gradient=g, allow_unused=True))
        per_input = [next(found) if type(x) is Tensor and x.requires_grad else None for x in self.inputs]
        return [part if part is None else part.data for part in per_input]

    def disturb(self, random: np.random.Generator) -> None:
        compute_again(self.output, random)
        replace_operations(self.output, lambda op: Noisy(op, random))
        self.watched = True


class OfTensors(Subject):
    """A function of Tensors that returns one."""

    direct = False

    def __init__(self, target: Any, name: str, parameters: Any, params: dict[str, Any] | None = None) -> None:
        super().__init__(target, name, parameters)
        self.params = params or {}

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return TensorCall(self.target, inputs, needs, self.params)

    def second(self, inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]) -> list[Any]:
        return second_by_minigrad(partial(self.target, **self.params), inputs, able, g, directions)

    def evaluate(self, inputs: Inputs) -> Array:
        result = self.target(*[as_tensor(x, False) for x in inputs], **self.params)
        return np.asarray(result.data)


# --------------------------------------------------------------------------------------------------------- PyTorch's
def to_torch(x: Any) -> Any:
    import torch

    return torch.as_tensor(x) if isinstance(x, np.ndarray) else x  # which shares the memory: what is written is seen


def from_torch(x: Any) -> Any:
    return x.detach().numpy() if hasattr(x, "detach") else x


class TorchCall(FunctionCall):
    """A torch.autograd.Function, called directly: torch's engine would sum and cast what its backward returns."""

    def __init__(self, function: Any, inputs: Inputs, needs: Sequence[bool]) -> None:
        self.function, self.ctx = function, TorchContext(needs)
        given = [to_torch(x) for x in inputs]
        if takes_ctx(function):
            result = function.forward(self.ctx, *given)
        else:
            result = function.forward(*given)
            function.setup_context(self.ctx, tuple(given), result)
        if isinstance(result, tuple | list):
            raise TypeError(f"forward returned a {type(result).__name__}; only Functions of one output can be checked")
        self.y = as_numeric(from_torch(result))

    def backward(self, g: Array) -> list[Any]:
        parts = as_list(self.function.backward(self.ctx, to_torch(g)))
        return [part if part is None else as_numeric(from_torch(part)) for part in parts]

    def kept(self) -> list[Array]:
        return arrays_in([from_torch(a) for value in self.ctx.saved.values() for a in as_list(value)])

    def disturb(self, random: np.random.Generator) -> None:
        def changed(value: Any) -> Any:
            if isinstance(value, tuple | list):
                return type(value)([changed(v) for v in value])
            floating = hasattr(value, "is_floating_point") and value.is_floating_point()
            return to_torch(noisy(from_torch(value), random)) if floating else value

        vars(self.ctx).update({name: changed(value) for name, value in self.ctx.saved.items()})


class TorchContext(DirectContext):
    """What torch's ctx has besides."""

    def mark_dirty(self, *_: Any) -> None: ...
    def mark_non_differentiable(self, *_: Any) -> None: ...
    def set_materialize_grads(self, _: bool) -> None: ...
    def save_for_forward(self, *_: Any) -> None: ...


def second_by_torch(
    apply: Callable[..., Any], inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]
) -> list[Any]:
    import torch

    xs = [to_torch(x) for x in inputs]
    leaves = [xs[i].requires_grad_() for i in able]
    find: Any = partial(torch.autograd.grad, allow_unused=True)
    found = find(apply(*xs), leaves, to_torch(g), create_graph=True)
    total: Any = sum((u * to_torch(d)).sum() for u, d in zip(found, directions, strict=True) if u is not None)
    if not getattr(total, "requires_grad", False):  # the gradients are constant
        return [None] * len(leaves)
    return [from_torch(u) for u in find(total, leaves)]


class OfTorchFunction(Subject):
    """A subclass of torch.autograd.Function. torch has no long double, so the reference is in float64."""

    wide, any_layout = np.float64, False

    def second(self, inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]) -> list[Any]:
        return second_by_torch(self.target.apply, inputs, able, g, directions)

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return TorchCall(self.target, inputs, needs)


class TorchTensorCall(Call):
    def __init__(self, function: Any, inputs: Inputs, needs: Sequence[bool]) -> None:
        self.inputs = [to_torch(x) for x in inputs]
        self.needed = [i for i, needed in enumerate(needs) if needed]
        for i in self.needed:
            self.inputs[i] = self.inputs[i].clone().requires_grad_()
        self.output = function(*self.inputs)
        self.y = as_numeric(from_torch(self.output))

    def backward(self, g: Array) -> list[Any]:
        import torch

        found: list[Any] = [None] * len(self.inputs)
        if self.output.requires_grad:
            needed = [self.inputs[i] for i in self.needed]
            parts = torch.autograd.grad(self.output, needed, to_torch(g), retain_graph=True, allow_unused=True)
            for i, part in zip(self.needed, parts, strict=True):
                found[i] = from_torch(part)
        return found


class OfTorchTensors(Subject):
    """A function of torch tensors, through torch's own engine."""

    direct, wide, any_layout = False, np.float64, False

    def second(self, inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]) -> list[Any]:
        return second_by_torch(self.target, inputs, able, g, directions)

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return TorchTensorCall(self.target, inputs, needs)


# ------------------------------------------------------------------------------------------------- what a target is
def subject_of(target: Any, params: dict[str, Any] | None = None) -> Subject:
    """The subject that `target` is; TypeError for what cannot be checked."""
    if isinstance(target, Subject):
        return target
    applied = getattr(target, "__self__", None)  # MyFunction, of MyFunction.apply
    if isinstance(applied, type) and getattr(target, "__name__", "") == "apply":
        target = applied
    if isinstance(target, type):
        forward: Any = getattr(target, "forward", None)
        if issubclass(target, Function):
            return OfFunction(target, target.__name__, parameters_of(forward)[1:])
        if any(map(is_torchs, target.__mro__)):
            return OfTorchFunction(target, target.__name__, parameters_of(forward)[takes_ctx(target) :])
        raise UsageError(f"check: the class {target.__name__} is no Function; write class {target.__name__}(Function)")
    if isinstance(target, tuple) and len(target) == 2 and all(map(callable, target)):
        return OfPair(target, name_of(target[0]), parameters_of(target[0]))
    if isinstance(operation := getattr(target, "operation", target), Operation):
        return OfTensors(row(operation), operation.name, input_parameters(operation), params)
    if callable(target) and speaks_torch(target):
        return OfTorchTensors(target, name_of(target), parameters_of(target))
    if callable(target):
        return OfTensors(target, name_of(target), parameters_of(target), params)
    raise UsageError(
        f"check: {target!r} cannot be checked; give a Function (the class), a function of Tensors, a pair (forward, "
        "vjp) of functions of arrays, a torch.autograd.Function, or an operation of minigrad"
    )


def speaks_torch(function: Any) -> bool:
    """Whether it is a function of torch's, or one that names torch."""
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    named = [name for name in code.co_names if name == "torch" or is_torchs(known.get(name))] if code else []
    return bool(named) or is_torchs(function)


def is_torchs(thing: Any) -> bool:
    module = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return str(module).split(".")[0] == "torch"


def takes_ctx(function: Any) -> bool:
    """Whether forward of a torch Function takes ctx, as it does unless there is a setup_context."""
    from torch.autograd import Function as TorchFunction

    return bool(function.setup_context is TorchFunction.setup_context)


def row(operation: Operation) -> Callable[..., Tensor]:
    """An operation as its block has it, before `public` has made it convenient."""
    if "?" in operation.signature:  # where an axis is missing, `public` puts it there: the rules want matrices
        return operation.function

    def apply(*inputs: Any, **params: Any) -> Any:
        static = {**operation.defaults, **params}
        if operation.composed:
            return operation.forward(*map(lifted, inputs), **static)
        return record(operation, inputs, static)

    return apply


def input_parameters(operation: Operation) -> list[Any]:
    return [p for p in parameters_of(operation.forward) if p.kind is not p.KEYWORD_ONLY]


def parameters_of(function: Any) -> list[Any]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a callable written in C may have no signature
        return []


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", repr(function)))


def as_list(returned: Any) -> list[Any]:
    return list(returned) if isinstance(returned, tuple | list) else [returned]


def arrays_in(value: Any) -> list[Array]:
    if isinstance(value, tuple | list):
        return [array for part in value for array in arrays_in(part)]
    if isinstance(value, dict):
        return arrays_in(list(value.values()))
    return [value] if isinstance(value, np.ndarray) else []


def each_of(values: dict[str, Any], change: Callable[[Array], Array]) -> dict[str, Any]:
    return {name: each(value, change) for name, value in values.items()}
