"""Run a function once on Tensors, and keep everything that it computed: the recording a program is printed from.

While a function is traced, every operation is recorded, also on constants and under no_grad; every sweep records
itself; and a student's `Function` runs on Tensors, so that its NumPy calls are seen. What leaves the tape is refused.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np

from minigrad.backprop import tape
from minigrad.engine.errors import at, not_a_number
from minigrad.engine.names import assigned_to
from minigrad.engine.numeric import as_numeric
from minigrad.engine.op import Op
from minigrad.engine.outputs import Part, packed, results
from minigrad.engine.places import caller, raised_at
from minigrad.engine.rerun import Rerun, same
from minigrad.engine.signatures import argument_names
from minigrad.engine.state import Watch, here
from minigrad.engine.trees import leaves, like, mapped
from minigrad.engine.words import counted
from minigrad.function import Application
from minigrad.program.outside import SIMPLE, arrays_outside
from minigrad.program.symbol import TraceError
from minigrad.program.text import numbered
from minigrad.tensor import Tensor, next_serial
from minigrad.transforms import arrays_in, derivatives, nested

__all__ = ["Argument", "Recording", "TraceError", "trace", "trace_tape"]

Array = np.ndarray[Any, Any]


@dataclass
class Argument:
    """An array that a program does not compute.

    Attributes:
        name: what the program calls it.
        value: the Tensor that stands for it while the function is traced, or a random generator.
        held: for what the function found outside of its arguments the Tensor or array, None for its own arguments.
    """

    name: str
    value: Any
    held: Any = None


@dataclass
class Recording:
    """The traces that one run of a function left.

    Attributes:
        name: of the function.
        tree: for each positional argument that holds arrays, its name and its nesting of Arguments.
        arguments: all of them; those found outside come last.
        nodes: every Tensor that the results were computed from, in the order it was computed.
        result: what the program returns, a nesting of Tensors.
        alias: for a Tensor that another stands for (the result of a student's Function, the body's own result).
        quiet: serials of the nodes that were computed without floating-point warnings.
        starts: the serial numbers with which the phases "forward", "backward" and "update" begin.
        updated: the parameters, and what the update made of them.
        cotangents: (order, x, g): g is the cotangent of x in the first sweep, the second, ...
        lines: what `lines_of` makes of it, once it has.
    """

    name: str
    tree: list[tuple[str, Any]] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    nodes: list[Tensor] = field(default_factory=list)
    result: Any = None
    alias: dict[Tensor, Tensor] = field(default_factory=dict)
    quiet: set[int] = field(default_factory=set)
    starts: list[tuple[str, int]] = field(default_factory=list)
    cotangents: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)
    updated: tuple[list[Tensor], list[Any]] = field(default_factory=lambda: ([], []))
    lines: Any = None

    def phase(self, node: Tensor) -> str:
        return next((name for name, serial in reversed(self.starts) if serial <= node.serial), "forward")


# -------------------------------------------------------------------------------------------------- the look-out
class Tracing(Watch):
    """Looks on while a function is traced.

    Attributes:
        made: everything recorded since the start, so that no array is freed and its identity given to another.
        holder: by the identity of an array, the Tensor that holds it: `detach()` and the transforms make leaves of it.
    """

    traces = True

    def __init__(self) -> None:
        self.made: list[Tensor] = []
        self.holder: dict[int, Tensor] = {}
        self.alias: dict[Tensor, Tensor] = {}
        self.quiet: set[int] = set()
        self.draws: list[Tensor] = []
        self.serial = next_serial()

    def __enter__(self) -> Tracing:
        state = here.state
        self.errors = np.geterr()
        self.before = state.recording, state.place
        state.recording, state.place = True, None
        return super().__enter__()  # type: ignore[no-any-return]

    def __exit__(self, *exception: Any) -> None:
        super().__exit__()
        here.state.recording, here.state.place = self.before

    def hold(self, t: Tensor) -> Tensor:
        self.made.append(t)
        self.holder.setdefault(id(t.array), t)
        return t

    def tensor_of(self, array: Array, made_at: Any = None) -> Tensor:
        """The Tensor that stands for an array."""
        if id(array) not in self.holder:
            t = self.hold(Tensor(array))
            t.made_at = made_at or t.made_at
        return self.holder[id(array)]

    def forward(
        self, op: Any, y: Tensor, inputs: tuple[Any, ...], values: Sequence[Any], params: dict[str, Any]
    ) -> None:
        """Record what the engine has not, because no derivative reaches it."""
        if y.op is None:
            y.op, y.inputs, y.values, y.params, y.recorded = op, inputs, list(values), params, True
        self.hold(y)
        if np.geterr() != self.errors:
            self.quiet.add(y.serial)
        if isinstance(op, Application):
            self.open(y)
        elif isinstance(op, Part):
            self.alias[y] = op.whole.rerun.result[op.i]

    def open(self, y: Tensor) -> None:
        """Run the forward of a student's Function again, on Tensors: `y` stands for its result."""
        rerun = Rerun(y.op, [self.hold(Tensor(x)) if type(x) is np.ndarray else x for x in y.inputs])
        if rerun.failure is not None:
            raise rerun.failure
        for out, before in zip_longest(results(rerun.result), results(y.op.result)):
            if type(out) is not Tensor or not same(out.array, before):
                raise TraceError(
                    f"{y.op.name}.forward at {at(y.made_at)} cannot be traced: run on Tensors it "
                    f"returns {'other numbers' if type(out) is Tensor else f'a {type(out).__name__}'}. Compute the "
                    "result with NumPy functions that minigrad has, and no chance"
                )
        y.op.rerun = rerun
        self.alias[y] = packed(results(rerun.result)) if y.op.pieces else results(rerun.result)[0]

    def arrives(self, node: Tensor, g: Any) -> None:
        if type(g) is not Tensor:
            raise TraceError(
                f"a sweep inside of the function, at {at(caller(2))}, is not recorded. Leave the sweep "
                "to grad_of=, or say gradients(..., create_graph=True), or use minigrad.grad"
            )

    def leaves(self, t: Tensor, how: str) -> None:
        raise TraceError(
            f"{how} at {at(caller(3))} leaves the tape, so what is computed from it would be a constant "
            "of the program. Compute with the Tensor itself; np.where(condition, a, b) chooses by value"
        )


# -------------------------------------------------------------------------------------------------------- chance
class Draw(Op):
    """The operation of a random draw: a method of a generator that is an argument of the program."""

    name = "draw"

    def __init__(self, generator: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.generator, self.method, self.args, self.kwargs = generator, method, args, kwargs


DRAWS = ("random", "standard_normal", "normal", "uniform", "integers", "permutation", "exponential", "choice")


class Generator(np.random.Generator):
    """A copy of a random generator, whose draws are recorded."""

    def __init__(self, original: np.random.Generator, name: str, tracing: Tracing) -> None:
        super().__init__(copy.deepcopy(original.bit_generator))
        self.called, self.tracing = name, tracing

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or not hasattr(np.random.Generator, name):
            return found
        if name not in DRAWS:
            raise TraceError(f"Generator.{name} at {at(caller(2))} cannot be traced: use one of {', '.join(DRAWS)}")
        return partial(self.draw, name, found)

    def draw(self, method: str, function: Any, *args: Any, **kwargs: Any) -> Tensor:
        if any(isinstance(x, Tensor | np.ndarray) for x in (*args, *kwargs.values())):
            raise TraceError(f"Generator.{method} at {at(caller(2))} has an array as an argument, which is not traced")
        y = Tensor(function(*args, **kwargs))
        y.op, y.recorded = Draw(self.called, method, args, kwargs), True
        self.tracing.draws.append(self.tracing.hold(y))
        return y


# ------------------------------------------------------------------------------------------------------ one run
def trace(
    fn: Callable[..., Any],
    examples: Sequence[Any],
    static: Mapping[str, Any],
    grad_of: Any = None,
    order: int = 1,
    update: Callable[..., Any] | None = None,
    moved: bool = False,
) -> Recording:
    """Run `fn` on `examples`, then its sweeps and its update, and keep what was computed.

    Args:
        moved: run on other numbers of the same shapes instead: what differs then depends on values.
    """
    recording = Recording(name_of(fn))
    own = len(examples) if update is None else accepted(fn, len(examples))
    names = [*parameter_names(fn, own), *parameter_names(update, 2 + len(examples) - own)[2:]]
    with np.errstate(all="ignore" if moved else None), Tracing() as tracing:
        recording.starts = [("forward", tracing.serial)]
        inputs = [given(recording, tracing, name, x, moved) for name, x in zip(names, examples, strict=True)]
        wanted = selected(grad_of, names[:own], inputs[:own], lambda: arrays_outside(fn))
        try:
            value = fn(*inputs[:own], **static)
            swept(recording, as_results(recording, tracing, value), wanted, order, update, inputs[own:])
        except TraceError:
            raise
        except Exception as error:
            where = at(raised_at(error))
            error.add_note(f"While {recording.name} was traced: it ran on Tensors in the place of arrays. At {where}")
            raise
    return complete(recording, tracing, {**arrays_outside(update), **arrays_outside(fn)})


def complete(recording: Recording, tracing: Tracing, around: Mapping[int, tuple[str, Any]]) -> Recording:
    """The recording with all that its result was computed from."""
    recording.alias, recording.quiet = tracing.alias, tracing.quiet
    recording.nodes = reached([y for y in leaves(recording.result) if type(y) is Tensor] + tracing.draws, tracing)
    name_what_is_outside(recording, tracing, around)
    return recording


def swept(
    recording: Recording,
    value: Any,
    wanted: Any,
    order: int,
    update: Callable[..., Any] | None,
    more: Sequence[Any] = (),
) -> None:
    """Make the result of the recording that of the function, its sweeps and its update."""
    recording.result = value
    if wanted is not None:
        recording.result = value, *differentiated(recording, value, wanted, order)
    if update is not None:
        recording.result = (value, *updated(recording, update, wanted, more))


def as_results(recording: Recording, tracing: Tracing, value: Any) -> Any:
    """The result of a function, with Tensors for all of its arrays; numbers and words beside these are constants."""
    value = mapped(lambda y: tracing.tensor_of(y) if type(y) is np.ndarray else y, value)
    parts = leaves(value)
    for y in parts:
        if type(y) is not Tensor and not (isinstance(y, SIMPLE) and any(type(part) is Tensor for part in parts)):
            raise TraceError(
                f"{recording.name} returned a {type(y).__name__}, and a program computes arrays: it left the "
                "tape, or does not depend on its arguments"
            )
    return value


def differentiated(recording: Recording, value: Any, wanted: Any, order: int) -> Iterator[Any]:
    """The gradient of `value`, nested as `wanted`; then the gradient of the sum of its entries, and so on."""
    if type(value) is not Tensor or value.size != 1:
        raise not_a_number("grad_of", value)
    xs = arrays_in(wanted)
    for i in range(order):
        recording.starts.append(("backward", next_serial()))
        with Cotangents() as watch:
            grads = derivatives(value, xs, True)
        for x, g in zip(xs, grads, strict=True):
            recording.cotangents.append((i + 1, x, g))
        recording.cotangents += [(i + 1, x, g) for x, g in watch.found.items()]
        yield nested(wanted, grads)
        value = sum((g.sum() for g in grads[1:]), grads[0].sum())


def updated(recording: Recording, update: Callable[..., Any], wanted: Any, more: Sequence[Any]) -> tuple[Any, ...]:
    """The new parameters; and the rest of the tuple that an update may return if it got more than these."""
    if wanted is None:
        raise TypeError("update= needs grad_of=: the arguments that it updates")
    recording.starts.append(("update", next_serial()))
    new = update(wanted, recording.result[1], *more)
    found = new if more and isinstance(new, tuple) else (new,)
    recording.updated = leaves(wanted) + leaves(more), leaves(found)
    return found


class Cotangents(Watch):
    """The cotangents that arrive at each node of a sweep, kept for their names."""

    def __init__(self) -> None:
        self.found: dict[Tensor, Any] = {}

    def arrives(self, node: Tensor, g: Any) -> None:
        self.found[node] = g


def trace_tape(
    output: Tensor,
    variables: Mapping[str, Any],
    grad_of: Any = None,
    order: int = 1,
    update: Callable[..., Any] | None = None,
) -> Recording:
    """The tape that `output` has, then its sweeps and its update. `variables` give names to leaves and arrays."""
    around = {id(x): (name, x) for name, x in variables.items() if isinstance(x, Tensor | np.ndarray)}
    for leaf in tape(output):
        if leaf.op is None and id(leaf) not in around and id(leaf.array) in around:
            around[id(leaf)] = around[id(leaf.array)][0], leaf
    recording = Recording(around.get(id(output), ("program",))[0])
    if not recording.name.isidentifier():
        recording.name = "program"
    opened = []
    with Tracing() as tracing:
        recording.starts = [("forward", tracing.serial)]
        wanted = selected(grad_of, (), (), lambda: around)
        for node in tape(output):
            tracing.hold(node)
            if isinstance(node.op, Part):
                tracing.alias[node] = node.op.whole.rerun.result[node.op.i]
            if isinstance(node.op, Application):
                opened.append(node.op)
                first = len(tracing.made)
                tracing.open(node)
                new = tracing.made[first:]
                for i, inner in enumerate(new):  # its body was computed when the node was
                    inner.serial = node.serial - 1 + (i + 1) / (len(new) + 1)  # type: ignore[assignment]
        try:
            swept(recording, output, wanted, order, update)
        finally:
            for op in opened:
                op.rerun = None
    return complete(recording, tracing, around)


# ------------------------------------------------------------------------------------------------ what goes in
def given(recording: Recording, tracing: Tracing, name: str, example: Any, moved: bool) -> Any:
    """An argument as the function gets it while it is traced: Tensors for arrays; what else there is, is static."""
    inputs: list[Any] = []
    tree: list[Argument | None] = []
    for path, x in paths(example, name):
        if isinstance(x, Tensor | np.ndarray | np.generic):
            array = as_numeric(x.array if type(x) is Tensor else x).view()  # an identity of its own
            t = Tensor(other_numbers(array) if moved else array)
            t.recorded = True
            inputs.append(tracing.hold(t))
        elif isinstance(x, np.random.Generator):
            inputs.append(Generator(x, path, tracing))
        else:
            inputs.append(x)
            tree.append(None)
            continue
        taken = {argument.name for argument in recording.arguments}
        argument = Argument(next(n for n in numbered(path) if n not in taken), inputs[-1])
        recording.arguments.append(argument)
        tree.append(argument)
    if any(tree):
        recording.tree.append((name, like(example, tree)))
    return like(example, inputs)


def paths(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a nesting in order, each with a name."""
    if isinstance(tree, list | tuple):
        for i, part in enumerate(tree):
            yield from paths(part, f"{name}{i}")
    elif isinstance(tree, dict):
        for key, part in tree.items():
            yield from paths(part, key if isinstance(key, str) and key.isidentifier() else f"{name}_{key}")
    else:
        yield re.sub(r"\W", "_", name), tree


def other_numbers(array: Array) -> Array:
    """Other numbers that an operation which takes those of `array` takes, too; in the same layout."""
    other = np.empty_like(array)
    other[...] = np.flip(array) * 0.875 if array.dtype.kind == "f" else np.flip(array)
    return other


def selected(
    grad_of: Any, names: Sequence[str], inputs: Sequence[Any], around: Callable[[], Mapping[int, tuple[str, Any]]]
) -> Any:
    """The Tensors that `grad_of` names, nested as the arguments are, which now require grad; a tuple for a sequence.

    What is `around` the function is looked for only where no argument has the name.
    """
    if grad_of is None:
        return None
    if isinstance(grad_of, list | tuple):
        return tuple([selected(one, names, inputs, around) for one in grad_of])
    if type(grad_of) is Tensor:
        return grad_of
    found: dict[str, Any] = dict(zip(names, inputs, strict=True))
    place = isinstance(grad_of, int) and -len(inputs) <= grad_of < len(inputs)
    if not place and grad_of not in found:
        found = {name: x for name, x in around().values() if type(x) is Tensor} | found
    x = inputs[grad_of] if place else found.get(grad_of)
    tensors = [t for t in leaves(x) if type(t) is Tensor]
    if not tensors and isinstance(x, SIMPLE) and x is not None:
        raise ValueError(
            f"grad_of={grad_of!r}: this argument is {x!r}, a static {type(x).__name__}, and gradients are of arrays of "
            f"floats. Pass np.asarray({x!r})"
        )
    if not tensors:
        arrays = [name for name, x in found.items() if any(type(t) is Tensor for t in leaves(x))]
        raise ValueError(f"grad_of={grad_of!r} is no array argument; there are {', '.join(arrays) or 'none'}")
    for t in tensors:
        t.requires_grad = True
    return x


def name_of(fn: Any) -> str:
    fn = fn.func if isinstance(fn, partial) else fn
    name = getattr(fn, "__name__", type(fn).__name__)
    return name if name.isidentifier() else "program"


def parameters(fn: Any) -> list[inspect.Parameter]:
    try:
        found = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # NumPy's functions have none
        return [inspect.Parameter("x", inspect.Parameter.VAR_POSITIONAL)]
    return [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]


def accepted(fn: Any, count: int) -> int:
    """How many of `count` examples are arguments of fn; those behind are for the update."""
    found = parameters(fn)
    return count if any(p.kind is p.VAR_POSITIONAL for p in found) else min(count, len(found))


def parameter_names(fn: Any, count: int) -> list[str]:
    """The names of the first `count` positional parameters; ``*xs`` counts as xs0, xs1, ..."""
    names = [] if fn is None else argument_names(parameters(fn), count)
    if len(names) < count and fn is not None:
        raise TypeError(f"{name_of(fn)} takes {counted(len(names), 'positional argument')}, and got {count}")
    return names


# ------------------------------------------------------------------------------------------- what was found outside
def reached(roots: Sequence[Tensor], tracing: Tracing) -> list[Tensor]:
    """All that the roots were computed from, and they themselves, in the order it was computed, aliases resolved."""
    seen, nodes = set(roots), list(roots)
    for node in nodes:  # which grows meanwhile
        if node.op is None and node.serial >= tracing.serial:
            holder = tracing.holder.get(id(node.array), node)
            if holder is not node:
                tracing.alias[node] = holder
        for x in [tracing.alias[node]] if node in tracing.alias else node.inputs:
            if type(x) is np.ndarray:
                x = tracing.tensor_of(x, node.made_at)
            if type(x) is Tensor and x not in seen:
                seen.add(x)
                nodes.append(x)
    return sorted(nodes, key=lambda node: (node.op is not None or node in tracing.alias, node.serial))


def name_what_is_outside(recording: Recording, tracing: Tracing, around: Mapping[int, tuple[str, Any]]) -> None:
    """Make arguments of the Tensors and arrays that were there before; what was made on the way is a constant."""
    known = {id(argument.value) for argument in recording.arguments}
    for node in recording.nodes:
        if node.op is not None or node in recording.alias or id(node) in known:
            continue
        made = node.serial >= tracing.serial
        name = around[id(node)][0] if id(node) in around else name_of_memory(node.array, around)
        if name is None and made:
            continue
        taken = {argument.name for argument in recording.arguments}
        new = next(n for n in numbered(name or variable(node) or "array") if n not in taken)
        recording.arguments.append(Argument(new, node, node.array if made else node))


def variable(node: Tensor) -> str:
    """The variable that the user's line assigned the node to, "" where it is none."""
    name = assigned_to(node.made_at)
    return name if name.isidentifier() else ""  # and no attribute of something


def name_of_memory(array: Any, around: Mapping[int, tuple[str, Any]]) -> str | None:
    """The name of an array, or of the array that it is a view of."""
    while array is not None:
        if id(array) in around:
            return around[id(array)][0]
        array = getattr(array, "base", None)
    return None
