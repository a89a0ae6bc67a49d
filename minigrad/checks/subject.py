"""What can be checked, behind one face: arrays go in, and out come a result and the call that takes its cotangent back.

A Function, of minigrad or of torch, is called directly, with a ctx of the checker's own. An engine between the two
would repair shapes and dtypes, or raise, before anybody has looked at what the backward returned.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minigrad.backprop import gradients, record
from minigrad.engine.numeric import as_numeric
from minigrad.engine.outputs import Piece, numbers_in, packed, pieces, results, with_cotangents
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.engine.trees import leaves, mapped
from minigrad.function import Context, Function
from minigrad.ops.operation import Operation, lifted
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]
Inputs = Sequence[Any]  # arrays, None, and constants of any kind


class UsageError(ValueError):
    """A check was called so that there is nothing to check; no error of the function, nor of the checker."""


class Exited(RuntimeError):
    """A student's sys.exit as an exception, so that it ends no check, and no grading."""


# ---------------------------------------------------------------------------------------------------------- adapters
class Adapter(NamedTuple):
    """The values that a function computes with: how they are made of arrays, read again, and differentiated.

    Attributes:
        to: an input as such a value; the second argument says whether its gradient is wanted.
        back: what was computed, as an array; what is none stays as it is.
        join: the entries of several results in one row.
        grad: the gradients of an output by a list of values for a cotangent, None where no derivative arrives; the
            last argument says whether the sweep is recorded.
        extended: whether it computes in long double, too.
        any_layout: whether arrays may be read-only, or run backwards.
    """

    to: Callable[[Any, bool], Any]
    back: Callable[[Any], Any]
    join: Callable[[Sequence[Any]], Any]
    grad: Callable[[Any, list[Any], Any, bool], Sequence[Any]]
    extended: bool = True
    any_layout: bool = True


def to_tensor(x: Any, needed: bool) -> Any:
    """Floats as a Tensor; masks, indices and constants as they are."""
    return Tensor(x, requires_grad=needed) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def by_minigrad(output: Any, inputs: list[Any], g: Any, recorded: bool) -> Sequence[Any]:
    return gradients(output, inputs, recorded, gradient=g, allow_unused=True)


def to_torch(x: Any, needed: bool) -> Any:
    import torch

    if not isinstance(x, np.ndarray):
        return x
    tensor = torch.as_tensor(x)  # which shares the memory: what is written is seen
    return tensor.clone().requires_grad_() if needed else tensor


def by_torch(output: Any, inputs: list[Any], g: Any, recorded: bool) -> Sequence[Any]:
    import torch

    keep = {"create_graph": recorded, "retain_graph": True, "allow_unused": True}
    return torch.autograd.grad(output, inputs, to_torch(g, False), **keep)


def to_numpy(x: Any) -> Any:
    """The array of a Tensor of minigrad, of a tensor of torch, or of an array of JAX; all else as it is."""
    if isinstance(x, np.ndarray | np.generic | float | int | None):
        return x
    if type(x) is Tensor:
        return x.data
    if hasattr(x, "detach"):
        return x.detach().numpy()
    return np.array(x) if comes_from(x, "jax") else x


def joined_by_torch(results: Sequence[Any]) -> Any:
    import torch

    return torch.cat([y.reshape(-1) for y in results])


MINIGRAD = Adapter(to_tensor, to_numpy, packed, by_minigrad)
TORCH = Adapter(to_torch, to_numpy, joined_by_torch, by_torch, False, False)
NUMPY = Adapter(lambda x, _: x, to_numpy, packed, by_minigrad)  # a Function of minigrad: its body takes arrays


# ----------------------------------------------------------------------------------------------------------- subjects
class Subject:
    """A function of arrays that knows its backward.

    Attributes:
        target, name, parameters: what is checked, what to call it, and what its inputs are called.
        reference: the subject whose derivative the backward is to be; None where it is its own.
        direct: whether a backward is called directly, so that what it returns is seen as it is.
        wide: the dtype in which `evaluate` may be asked for a reference, the widest that can be had.
        any_layout: whether its arrays may be read-only, or run backwards.
        nondet_tol: how far apart the results of equal calls may be.
    """

    direct = any_layout = True
    nondet_tol = 0.0
    wide: Any = np.longdouble
    reference: Subject | None = None

    def __init__(self, target: Any, name: str, parameters: Sequence[Any]) -> None:
        self.target, self.name, self.parameters = target, name, parameters

    @property
    def code(self) -> str:
        """How to write it."""
        return f"({', '.join(map(name_of, self.target))})" if isinstance(self.target, tuple) else self.name

    def names(self, count: int) -> list[str]:
        names = argument_names(self.parameters, count)
        return names + [f"input {i}" for i in range(len(names), count)]

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
        raise TypeError("it leaves no tape")


class InProcess(Subject):
    """A function in this process.

    Attributes:
        adapter: what its body computes with.
        apply: the function of tensors; None if there is none.
        function: the Function whose forward and backward are called as they stand; None where an engine does it.
        fixed, named: the values of parameters that take no inputs, by position and by name.
    """

    def __init__(
        self,
        target: Any,
        name: str,
        forward: Callable[..., Any],
        adapter: Adapter,
        apply: Callable[..., Any] | None,
        params: dict[str, Any] | None = None,
        *,
        function: Any = None,
        skip: int = 0,
    ) -> None:
        self.named = dict(params or {})
        self.every = positional_parameters(forward, skip)
        super().__init__(target, name, [p for p in self.every if p.name not in self.named])
        self.fixed = [(i, self.named.pop(p.name)) for i, p in enumerate(self.every) if p.name in self.named]
        if unknown := [key for key in self.named if not takes_by_name(forward, key)]:
            raise UsageError(f"check: params: {name} has no parameter {', '.join(unknown)}")
        self.adapter, self.apply, self.function = adapter, apply, function
        self.direct, self.any_layout = function is not None, adapter.any_layout
        self.takes_ctx = function is not None and takes_ctx(function)
        self.wide = np.longdouble if adapter.extended else np.float64

    def arguments(self, inputs: Inputs) -> list[Any]:
        """The inputs, with what is fixed in its place between them."""
        given = list(inputs)
        for position, value in self.fixed:
            given += [p.default for p in self.every[len(given) : position]]
            given.insert(position, value)
        return given

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return (DirectCall if self.direct else EngineCall)(self, inputs, needs)

    def second(self, inputs: Inputs, able: Sequence[int], g: Array, directions: Sequence[Array]) -> list[Any]:
        if self.apply is None:
            raise TypeError("functions of arrays leave no tape")
        if self.direct and comes_from(self.function.backward, "torch"):
            raise TypeError("backward is marked once_differentiable")
        adapter = MINIGRAD if self.adapter is NUMPY else self.adapter
        xs = [adapter.to(x, i in able) for i, x in enumerate(inputs)]
        wanted = [xs[i] for i in able]
        output = as_one(adapter, student(self.apply, *self.arguments(xs), **self.named), self.name)
        parts = adapter.grad(output, wanted, g, True)
        weighed = zip(parts, directions, strict=True)
        total: Any = sum((u * adapter.to(d, False)).sum() for u, d in weighed if u is not None)
        if not getattr(total, "requires_grad", False):  # the gradients are constant
            return [None] * len(wanted)
        return [adapter.back(u) for u in adapter.grad(total, wanted, None, False)]


class Call:
    """A forward that has run.

    Attributes:
        outputs: the arrays that it returned.
        y: the one output; of several those that have a derivative, in one row.
        pieces: for each of these, by its number, where it lies in that row; empty where there is one output.
        dirty: the inputs that it says it has written into.
    """

    y: Array
    outputs: Sequence[Array]
    pieces: Mapping[int, Piece]
    dirty: Sequence[Any] = ()

    def returned(self, outputs: Sequence[Array], kept: Iterable[int]) -> None:
        """Take note of the outputs, of which those `kept` have a derivative."""
        self.outputs, self.pieces, self.y = outputs, {}, outputs[0]
        if len(outputs) > 1:
            real = {i: outputs[i] for i in kept}
            self.pieces = dict(zip(real, pieces(list(real.values())), strict=True))
            self.y = packed(list(real.values()))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [y.shape for y in self.outputs]

    def cotangents(self, g: Array) -> list[Array]:
        """That of each output, zeros for one without a derivative, if g is that of y."""
        if len(self.outputs) == 1:
            return [g]
        return [self.pieces[i].of(g) if i in self.pieces else np.zeros_like(y) for i, y in enumerate(self.outputs)]

    def backward(self, g: Array) -> list[Any]:
        """The gradients that the backward returns, one by one: arrays or None."""
        raise NotImplementedError

    def kept(self) -> list[Array]:
        """The arrays that wait for the backward."""
        return []

    def disturb(self, change: Callable[[Array], Array]) -> None:
        """Change what waits for the backward."""


def shapes_in_words(shapes: Sequence[tuple[int, ...]]) -> str:
    return ("the shape " if len(shapes) == 1 else "the shapes ") + ", ".join(map(str, shapes))


def student(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of a student's function, which ends no program."""
    try:
        return function(*args, **kwargs)
    except SystemExit as end:
        raise Exited(f"SystemExit: sys.exit({end.code!r}) would end the program") from end


class DirectContext(Context):
    """The ctx of a call that no engine makes; with what torch's has besides."""

    def __init__(self, needs: Sequence[bool]) -> None:
        super().__init__(())
        self._needs = tuple(needs)
        self._dirty: tuple[Any, ...] = ()

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        return self._needs

    @property
    def saved(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def mark_dirty(self, *inputs: Any) -> None:
        self._dirty = inputs

    def set_materialize_grads(self, _: bool) -> None: ...
    def save_for_forward(self, *_: Any) -> None: ...


class DirectCall(Call):
    """A Function, called without an engine: it would sum and cast what the backward returns."""

    def __init__(self, subject: InProcess, inputs: Inputs, needs: Sequence[bool]) -> None:
        self.subject, function, adapter = subject, subject.function, subject.adapter
        given = subject.arguments([adapter.to(x, False) for x in inputs])
        wanted = list(needs)
        for position, _ in subject.fixed:
            wanted.insert(position, False)
        self.ctx = DirectContext(wanted)
        if subject.takes_ctx:
            result = student(function.forward, self.ctx, *given, **subject.named)
        else:
            result = student(function.forward, *given, **subject.named)
            student(function.setup_context, self.ctx, tuple(given), result)
        outputs, kept = outputs_of(adapter, result, subject.name), [0]
        if len(outputs) > 1:
            kept = with_derivative(adapter, result, subject.name, self.ctx._constants)
        self.returned(outputs, kept)
        self.dirty = [adapter.back(x) for x in self.ctx._dirty]

    def backward(self, g: Array) -> list[Any]:
        adapter, function = self.subject.adapter, self.subject.function
        given = [adapter.to(one, False) for one in self.cotangents(g)]
        returned = student(with_cotangents, function, self.ctx, given, self.subject.name)
        parts = list(returned) if isinstance(returned, tuple | list) else [returned]
        for position, _ in reversed(self.subject.fixed):
            del parts[position : position + 1]
        return [part if part is None else as_numeric(adapter.back(part)) for part in parts]

    def kept(self) -> list[Array]:
        found = [self.subject.adapter.back(value) for value in leaves(list(self.ctx.saved.values()))]
        return [value for value in found if isinstance(value, np.ndarray)]

    def disturb(self, change: Callable[[Array], Array]) -> None:
        adapter = self.subject.adapter

        def changed(value: Any) -> Any:
            array = adapter.back(value)
            floats = isinstance(array, np.ndarray | np.generic) and array.dtype.kind == "f"
            return adapter.to(change(array), False) if floats else value

        vars(self.ctx).update(mapped(changed, self.ctx.saved))


class EngineCall(Call):
    """A function of tensors, with the engine that differentiates it."""

    def __init__(self, subject: InProcess, inputs: Inputs, needs: Sequence[bool]) -> None:
        adapter = self.adapter = subject.adapter
        self.inputs = [adapter.to(x, needed) for x, needed in zip(inputs, needs, strict=True)]
        result = student(subject.apply or subject.target, *subject.arguments(self.inputs), **subject.named)
        self.needed = [i for i, needed in enumerate(needs) if needed]
        self.output = as_one(adapter, result, subject.name)
        outputs = [as_numeric(adapter.back(y)) for y in results(result)]
        self.returned(outputs, with_derivative(adapter, outputs, subject.name) if len(outputs) > 1 else [0])

    def backward(self, g: Array) -> list[Any]:
        found: list[Any] = [None] * len(self.inputs)
        if self.output.requires_grad and self.needed:
            wanted = [self.inputs[i] for i in self.needed]
            parts = student(self.adapter.grad, self.output, wanted, g, False)
            for i, part in zip(self.needed, parts, strict=True):
                found[i] = self.adapter.back(part)
        return found


def real(adapter: Adapter, y: Any) -> bool:
    """Whether a result has floats, which a derivative can reach."""
    y = adapter.back(y)
    return isinstance(y, float) or (isinstance(y, np.ndarray | np.generic) and y.dtype.kind == "f")


def outputs_of(adapter: Adapter, result: Any, name: str) -> list[Array]:
    """The results of a forward, as arrays."""
    result = tuple(map(adapter.back, result)) if isinstance(result, tuple) else adapter.back(result)
    return list(map(as_numeric, results(numbers_in(result, name))))


def as_one(adapter: Adapter, result: Any, name: str) -> Any:
    """The results of a function of tensors as one tensor: of several those that have a derivative, in one row."""
    if adapter is MINIGRAD:
        for y in results(result):
            if type(y) is not Tensor:
                raise TypeError(f"the function returned a {type(y).__name__}; needed is a Tensor, or a tuple of them")
    if not isinstance(result, tuple) or len(result) == 1:
        return results(result)[0]
    return adapter.join([result[i] for i in with_derivative(adapter, result, name)])


def with_derivative(adapter: Adapter, outputs: Sequence[Any], name: str, constants: Sequence[Any] = ()) -> list[int]:
    """Which of several outputs are of floats, and not among those that the student marked as constants."""
    found = [i for i, y in enumerate(outputs) if real(adapter, y) and not any(y is x for x in constants)]
    if not found:
        raise TypeError(f"none of the {len(outputs)} outputs of {name} has a derivative")
    return found


class Pair:
    """``(forward, vjp)`` in the form of a Function: vjp(g, *inputs) returns a gradient for each of the inputs.

    Where forward returns a tuple, g is a tuple, too.
    """

    def __init__(self, forward: Callable[..., Any], vjp: Callable[..., Any]) -> None:
        self.of_arrays, self.vjp = forward, vjp

    def forward(self, ctx: Any, *inputs: Any, **params: Any) -> Any:
        ctx._given = inputs, params
        return self.of_arrays(*inputs, **params)

    def backward(self, ctx: Any, *gs: Array) -> Any:
        inputs, params = ctx._given
        return self.vjp(gs if len(gs) > 1 else gs[0], *inputs, **params)


# ------------------------------------------------------------------------------------------------- what a target is
PAIRS = "check((forward, vjp), inputs), where vjp(g, *inputs) returns a gradient for each input"
FOREIGN = {
    "jax": f"{{name}} is a function of JAX, whose values minigrad cannot follow; check its arrays as a pair: {PAIRS}; "
    "vjp may be lambda g, *xs: jax.vjp({name}, *xs)[1](g), in 64 bits (jax_enable_x64)",
    "autograd": f"{{name}} is a function of HIPS autograd, whose rules minigrad cannot see; check them as a pair: "
    f"{PAIRS}; vjp may be lambda g, *xs: autograd.make_vjp({{name}}, argnum)(*xs)[0](g) for each argnum",
}


def subject_of(target: Any, params: dict[str, Any] | None = None) -> Subject:
    """The subject that `target` is; a UsageError for what cannot be checked."""
    if isinstance(target, Subject):
        return target
    applied = getattr(target, "__self__", None)  # MyFunction, of MyFunction.apply
    if isinstance(applied, type) and getattr(target, "__name__", "") == "apply":
        target = applied
    if isinstance(target, type):
        adapter = TORCH if any(comes_from(cls, "torch") for cls in target.__mro__) else NUMPY
        if adapter is NUMPY and not issubclass(target, Function):
            name = target.__name__
            raise UsageError(f"check: the class {name} is no Function; write class {name}(Function)")
        forward, apply = target.forward, target.apply  # type: ignore[attr-defined]
        skip = int(takes_ctx(target))
        return InProcess(target, target.__name__, forward, adapter, apply, params, function=target, skip=skip)
    if isinstance(target, tuple) and len(target) == 2 and all(map(callable, target)):
        return InProcess(target, name_of(target[0]), target[0], NUMPY, None, params, function=Pair(*target))
    if isinstance(operation := getattr(target, "operation", target), Operation):
        return InProcess(target, operation.name, operation.forward, MINIGRAD, row(operation), params)
    if not callable(target):
        raise UsageError(
            f"check: {target!r} cannot be checked; give a Function (the class), a function of Tensors, a pair "
            "(forward, vjp) of functions of arrays, a torch.autograd.Function, or an operation of minigrad"
        )
    for library, advice in FOREIGN.items():
        if speaks(target, library):
            raise UsageError(f"check: {advice.format(name=name_of(target))}")
    return InProcess(target, name_of(target), target, TORCH if speaks(target, "torch") else MINIGRAD, target, params)


def as_called(target: Any) -> Subject:
    """A Function of torch as its users call it, with torch's engine behind it; others as they are."""
    subject = subject_of(target)
    if not (isinstance(subject, InProcess) and subject.adapter is TORCH and subject.direct):
        return subject
    name, forward = f"{subject.name} (torch)", subject.function.forward
    return InProcess(subject.apply, name, forward, TORCH, subject.apply, skip=int(takes_ctx(subject.function)))


def reference_of(target: Any) -> Subject:
    """The subject of a reference, of which only the values are wanted: a function of arrays will do."""
    if isinstance(target, type | tuple) or hasattr(target, "operation") or speaks(target, "torch"):
        return subject_of(target)
    return InProcess(target, name_of(target), target, NUMPY, None, function=Pair(target, target))


def speaks(function: Any, library: str) -> bool:
    """Whether it is a function of a library, or one that names it."""
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    named = [name == library or comes_from(known.get(name), library) for name in code.co_names] if code else []
    held = [comes_from(cell.cell_contents, library) for cell in getattr(function, "__closure__", None) or ()]
    return comes_from(function, library) or any(named) or any(held)


def comes_from(thing: Any, library: str) -> bool:
    """Whether a module, class, function or object is one of a library's, or wrapped by it."""
    if isinstance(thing, ModuleType):
        homes: list[Any] = [thing.__name__]
    else:
        homes = [getattr(thing, "__module__", None), type(thing).__module__]
        homes += [getattr(thing, "__globals__", {}).get("__name__")]
    return any(str(home).split(".")[0] in (library, f"{library}lib") for home in homes)


def takes_ctx(function: Any) -> bool:
    """Whether forward of a Function takes ctx, as it does unless there is a setup_context of torch's newer style."""
    own = getattr(function, "setup_context", None)
    return own is None or own.__module__.split(".")[0] == "torch"


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


def takes_by_name(function: Any, name: str) -> bool:
    """Whether `name` is a keyword of `function`; of one that is written in C nobody knows."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind is p.VAR_KEYWORD or (p.kind is p.KEYWORD_ONLY and p.name == name) for p in found)


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", repr(function)))
