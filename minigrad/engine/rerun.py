"""The second run of a student's forward, on Tensors, so that what it keeps for backward has a history.

A recorded backward has to know how each value that it reads came from the inputs: a constant in the place of an
intermediate would make second derivatives wrong without a word. So forward runs once more, on the Tensors that were its
inputs, and then Tensors are what it keeps, wherever and however it keeps them.

A forward may do what Tensors refuse: write into an array, take a number out. What it kept is then one of its inputs or
its result, which identity tells; or a constant, which stays what it is when the inputs move; or it is *lost*: backward
may use it, but a derivative through it is refused, with the line where its history ended.

What is kept may also be a number in a text, in a global variable, in an array that was there before. So wherever a
number may have got by the tape, the recorded gradients are moved with the inputs and compared with those of plain runs:
those that move otherwise have lost a part of their history, wherever that was.
"""

from __future__ import annotations

import copy
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from numbers import Integral, Number
from operator import attrgetter
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minigrad.engine import errors
from minigrad.engine.op import Op
from minigrad.engine.outputs import results
from minigrad.engine.places import caller, raised_at
from minigrad.engine.state import Watch, here, tracing
from minigrad.tensor import Tensor, next_serial

# By which part of themselves inputs are moved to see what depends on them; not at all in the last run, so that what
# forward leaves outside of ctx is what it was.
MOVES = 2.0**-5, 2.0**-20, 0
UNITS = 64  # in the last place of the largest entry, by which two runs on the same values may differ
BUFFERS = bytes, bytearray, memoryview, array
LEAVES = *BUFFERS, Tensor, np.ndarray, np.generic, Number, str, type, ModuleType
MANY = 1000  # entries of a container outside of ctx that are looked through
DEEP = 20  # containers in containers

Judge = Callable[[Any, Any], Any]


class Rerun:
    """The second run of one application.

    Attributes:
        result: what forward returned, None if it raised.
        ended: (made_at, how) of the first place where a number left the tape, or forward failed; None if none did.
    """

    def __init__(self, op: Any, inputs: Sequence[Any]) -> None:
        self.op, self.inputs, self.again = op, inputs, op.fresh()
        self.result, self.failure = None, None
        state, begun = here.state, next_serial()
        before, state.recording, state.place = (state.recording, state.place), True, None  # it has lines of its own
        try:
            with Exits() as exits:
                self.again.forward(*inputs)
            self.result = self.again.result
        except Exception as error:  # it may have been written for arrays only
            self.failure = error
        finally:
            state.recording, state.place = before
        self.serials = range(begun, next_serial())
        self.ended: tuple[Any, str] | None = exits.first
        if self.failure is not None and self.ended is None:
            self.ended = raised_at(self.failure), f"raised {type(self.failure).__name__} on Tensors, {self.failure}"

    def backward(self, node: Tensor, g: Tensor) -> Any:
        """Run the student's backward on what forward kept, and take back what forward left elsewhere."""
        try:
            ctx = self.op.fresh().ctx
            vars(ctx).update(Kept(self, node).attributes())
            return self.op.backward(ctx, g)
        except AttributeError as error:  # arrays have methods that Tensors have not
            raise errors.not_recordable(self.op.name, raised_at(error), error) from error
        finally:
            take_back(self.op.student, self.serials)

    def surely(self, node: Tensor, g: Tensor, found: list[Any]) -> list[Any]:
        """The gradients `found`, each with a lost part if plain runs on moved inputs give another one than the tape.

        A side is enough, as there may be a kink; and what is by chance, or fails there, tells nothing.
        """
        if tracing() or (self.ended is None and not self.doubtful()):
            return found
        wrong = [x is not None for x in found]
        for size in (MOVES[1], -MOVES[1], 0):
            random, again, known = np.random.default_rng(0), self.op.fresh(), dict[Tensor, Any]()
            values: list[Any] = []
            for x, v in zip(self.inputs, node.values, strict=True):
                if type(x) is Tensor:  # which may be several inputs
                    v = known[x] = known.get(x, moved(v, x, size, random))
                values.append(v.copy() if isinstance(v, np.ndarray) else v)
            try:
                with np.errstate(all="ignore"):
                    known[node] = np.asarray(again.forward(*values))
                    plain = again.backward(again.ctx, g.array.copy())
                plain = plain if isinstance(plain, tuple | list) else (plain,)
            except Exception:  # the student's, who may not have written it for these inputs
                off = [False] * len(found)
            else:
                with np.errstate(all="ignore"):
                    pairs = zip(found, plain, strict=True)
                    off = [x is not None and ~near(self.replayed(x, known), p) for x, p in pairs]
            if size:
                wrong = [w & o for w, o in zip(wrong, off, strict=True)]
            elif any(map(np.any, off)):
                return found
        ended = self.ended or ((self.op.student.forward.__code__, 0), "kept a number where the tape does not see it")
        return [
            x + lost(self.op.name, node, np.zeros(x.shape, x.dtype), ended) if np.any(w) else x
            for w, x in zip(wrong, found, strict=True)
        ]

    def doubtful(self) -> bool:
        """Whether a number is kept, on ctx or elsewhere, that is not on the tape."""
        found = {0: vars(self.again.ctx)} | dict(enumerate((value for value, _ in outside(self.op.student)), 1))
        return any(type(x) is not Tensor and (is_float(x) or type(x) is str) for x in leaves_of(found).values())

    def replayed(self, x: Any, known: dict[Tensor, Any]) -> Any:
        """The value of x, computed since the second run began, with other values of the inputs and of the result."""
        if type(x) is not Tensor:
            return x
        known, nodes = dict(known), {x: None}
        queue = deque(nodes)
        while queue:
            new = [v for v in queue.popleft().inputs if type(v) is Tensor and v.serial >= self.serials.start]
            queue += [v for v in new if v not in nodes]
            nodes |= dict.fromkeys(new)
        for node in sorted(nodes, key=attrgetter("serial")):
            pairs = zip(node.inputs, node.values, strict=True)
            values = [known.get(v, value) if type(v) is Tensor else value for v, value in pairs]
            known[node] = node.array if node.op is None or type(node.op) is Lost else node.op.again(values, node.params)
        return known[x]


class Exits(Watch):
    """Notes the first number that leaves the tape and may make a difference; a branch or a step makes none."""

    first: tuple[Any, str] | None = None

    def forward(self, op: Any, y: Tensor, inputs: Any, values: Any, params: Any) -> None:
        if self.first is None and y.op is None and any(type(x) is Tensor and x.differentiable for x in inputs):
            self.first = y.made_at, "computed under no_grad()"

    def leaves(self, t: Tensor, how: str) -> None:
        if self.first is None and t.differentiable and how != "a branch on its value":
            self.first = caller(2), f"took a number out, by {how}"


class Kept:
    """The values that forward kept on ctx: in the first run, in the second, and in plain runs on moved inputs."""

    def __init__(self, rerun: Rerun, node: Tensor) -> None:
        self.rerun, self.node, self.op = rerun, node, rerun.op
        self.first, self.second = by_path(self.op.ctx), by_path(rerun.again.ctx)
        self.outputs = self.op.outputs(node)
        self.plain: list[tuple[list[Any], dict[Any, Any]]] | None = None

    def attributes(self) -> dict[str, Any]:
        source = self.op if self.rerun.failure is not None else self.rerun.again
        kept = dict(vars(source.ctx))
        return rebuilt(kept, lambda path, x: self.value(path, self.first.get(path, x)))  # type: ignore[no-any-return]

    def value(self, path: Any, a: Any) -> Any:
        """The value that backward gets for `a`, which the first run kept under `path`."""
        rerun, t = self.rerun, self.second.get(path)
        if type(t) is Tensor:
            if any(t is x for x in rerun.inputs):
                return t
            for result, y in zip(results(rerun.result), self.outputs, strict=False):
                if t is result:
                    return y
            if type(a) is Tensor or close(t.array, a):
                return t
            ended = t.made_at, "gave another result when it was run again"
            return lost(self.op.name, self.node, a, ended) if is_float(a) else a
        if type(a) is Tensor or not is_float(a) or rerun.ended is None:  # nothing left the tape: it is a constant
            return a
        origins = [x for x, v in zip(rerun.inputs, self.node.values, strict=True) if v is a]
        for result, y in zip(results(self.op.result), self.outputs, strict=True):
            if a is result and not origins:
                return y
        return origins[0] if len({id(x) for x in origins}) == 1 else self.by_moving(path, a, rerun.ended)

    def by_moving(self, path: Any, a: Any, ended: Any) -> Any:
        """`a` if it stays what it is when the inputs move; the input, or the result, that it is or always equals."""
        if self.plain is None:
            self.plain = self.plain_runs()
        kept = [found.get(path) for _, found in self.plain]
        held = zip(*[values for values, _ in self.plain], strict=True)
        ways = list(zip([*self.rerun.inputs, *self.outputs], held, strict=False))
        for x, values in ways:
            if any(k is v for k, v in zip(kept, values, strict=True)):
                return x
        if len(kept) > 1:  # else nothing moved
            for x, values in [(a, (a,) * len(kept)), *ways]:
                if all(map(same, kept, values)):
                    return x
        return lost(self.op.name, self.node, a, ended)

    def plain_runs(self) -> list[tuple[list[Any], dict[Any, Any]]]:
        """Runs on copies of the arrays, and on moved copies: for each the inputs with the result, and what was kept."""
        found, random = [], np.random.default_rng(0)
        for size in MOVES:
            again, pairs = self.op.fresh(), zip(self.rerun.inputs, self.node.values, strict=True)
            inputs = [moved(v, x, size, random) if isinstance(v, np.ndarray) else v for x, v in pairs]
            with suppress(Exception), np.errstate(all="ignore"):  # moved inputs may be outside of its domain
                again.forward(*inputs)
                found.append(([*inputs, *results(again.result)], by_path(again.ctx)))
        return found


def lost(name: str, node: Tensor, a: Any, ended: Any) -> Tensor:
    """A Tensor of `a` through which no derivative passes to the inputs of `node`, a call of the Function `name`."""
    if tracing() or isinstance(a, BUFFERS) or not isinstance(a, np.ndarray | np.generic | float | complex):
        raise errors.lost(name, *ended)  # there is no Tensor of it
    t = Tensor(a)
    t.op, t.inputs, t.values = Lost(name, *ended), node.inputs, node.values
    t.recorded = t.differentiable = True
    return t


class Lost(Op):
    """The operation of a value without a history: it may be used, not differentiated through."""

    def __init__(self, function: str, made_at: Any, how: str) -> None:
        self.name, self.reason = f"an intermediate of {function}", (function, made_at, how)

    def partials(self, *_: Any) -> Any:
        raise errors.lost(*self.reason)


# ------------------------------------------------------------------------------------------------------------- values
def is_float(x: Any) -> bool:
    """Whether x has a derivative, if it depends on anything: masks, indices and sizes are constants between steps."""
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype.kind not in "biuSUMm"
    return isinstance(x, BUFFERS) or (isinstance(x, Number) and not isinstance(x, Integral))


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def close(a: Any, b: Any) -> bool:
    """Whether two runs gave the same, but for the last digits, which threads may change."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "fc" or a.shape != b.shape or a.dtype != b.dtype:
        return same(a, b)
    return bool(np.all(near(a, b)))


def near(a: Any, b: Any) -> Any:
    """Where a and b are the same, but for the last digits."""
    a, b = np.asarray(a), np.asarray(b)
    size = np.abs(b).max(initial=0, where=np.isfinite(b))
    return np.isclose(a, b, rtol=0, atol=UNITS * np.finfo(b.dtype).eps * size, equal_nan=True)


def moved(v: Any, x: Any, size: float, random: np.random.Generator) -> Any:
    """A copy of the array v, the value of the input x: every entry moved if a derivative by x is asked for."""
    if not (size and type(x) is Tensor and x.differentiable):
        return v.copy()
    least = 2.0**10 * UNITS * float(np.finfo(v.dtype).eps)  # by which even a small slope moves what depends on v
    part = np.sign(size) * min(max(abs(size), least), MOVES[0]) * random.uniform(0.5, 1, v.shape)
    largest = abs(v).max(initial=0) or 1.0
    return np.asarray(v + part * np.where(v == 0, largest, v), v.dtype)


# ------------------------------------------------------------------------------------------------------ what holds them
def by_path(ctx: Any) -> dict[Any, Any]:
    """Every value that is kept on `ctx`, by the way to it."""
    return leaves_of(dict(vars(ctx)))


def leaves_of(x: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    rebuilt(x, lambda path, leaf: found.setdefault(path, leaf))
    return found


def rebuilt(x: Any, judge: Judge, path: Any = (), seen: dict[int, Any] | None = None) -> Any:
    """`x` with ``judge(path, leaf)`` in the place of each leaf: a container or object is new where a part of it is."""
    seen = {} if seen is None else seen
    if x is None or isinstance(x, LEAVES):
        return judge(path, x)
    if len(path) > DEEP:
        return x
    if id(x) in seen:
        return seen[id(x)]
    seen[id(x)] = x
    parts, renewed = taken_apart(x)
    new = {key: rebuilt(part, judge, (*path, key), seen) for key, part in parts.items()}
    if any(new[key] is not part for key, part in parts.items()):
        seen[id(x)] = x = renewed(new)
    return x


def taken_apart(x: Any) -> tuple[dict[Any, Any], Callable[[dict[Any, Any]], Any]]:
    """The parts of x, and what makes one like x of others."""
    if isinstance(x, dict):
        return dict(x), lambda new: filled(copy.copy(x), new)
    if isinstance(x, list | deque):
        return dict(enumerate(x)), lambda new: filled(copy.copy(x), new)
    if isinstance(x, tuple | set | frozenset):
        kind = type(x)
        make = kind._make if hasattr(kind, "_make") else kind
        return dict(enumerate(x)), lambda new: make(list(new.values()))
    if isinstance(x, FunctionType):
        cells = dict(zip(x.__code__.co_freevars, x.__closure__ or (), strict=True))
        held = {name: cell.cell_contents for name, cell in cells.items() if cell != CellType()}
        return held | {"": x.__defaults__}, partial(another, x, cells)
    if isinstance(x, MethodType):
        return {"self": x.__self__, "of": x.__func__}, lambda new: MethodType(new["of"], new["self"])
    if isinstance(x, partial):
        whole = {"func": x.func, "args": x.args, "keywords": x.keywords}
        return whole, lambda new: partial(new["func"], *new["args"], **new["keywords"])
    slots = [name for kind in type(x).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ())).tolist()]
    held = {name: getattr(x, name) for name in slots if hasattr(x, name) and not name.startswith("__")}
    return held | getattr(x, "__dict__", {}), lambda new: with_attributes(copy.copy(x), new)


def filled(x: Any, new: dict[Any, Any]) -> Any:
    for key, part in new.items():
        x[key] = part
    return x


def with_attributes(x: Any, new: dict[str, Any]) -> Any:
    for name, part in new.items():
        object.__setattr__(x, name, part)  # also of a frozen dataclass
    return x


def another(function: FunctionType, cells: dict[str, CellType], new: dict[str, Any]) -> FunctionType:
    """`function` with other values in its closure, and other defaults."""
    closure = tuple([CellType(new[name]) if name in new else cell for name, cell in cells.items()])
    made = FunctionType(function.__code__, function.__globals__, function.__name__, new[""], closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def take_back(function: Any, serials: range) -> None:
    """Put arrays where the second run left Tensors outside of ctx: on the class, in a closure, in a global variable."""

    def plain(_: Any, x: Any) -> Any:
        return x.array if type(x) is Tensor and x.op is not None and x.serial in serials else x

    def replace(x: Any, put: Callable[[Any], None]) -> None:
        if isinstance(x, ModuleType | type) or (hasattr(x, "__len__") and not hasattr(x, "dtype") and len(x) > MANY):
            return
        new = rebuilt(x, plain)
        if new is not x:
            if isinstance(x, list | dict | deque):  # others hold it, too
                filled(x, new if isinstance(x, dict) else dict(enumerate(new)))
            else:
                put(new)

    for value, put in outside(function):
        replace(value, put)


def outside(function: Any) -> Iterator[tuple[Any, Callable[[Any], None]]]:
    """The values that a Function may keep elsewhere than on ctx: each, and what puts another one in its place."""
    for name, value in list(vars(function).items()):
        if not isinstance(value, staticmethod | classmethod | property) and not name.startswith("__"):
            yield value, partial(setattr, function, name)
    for code in (function.forward, function.backward):
        for name, value in list(vars(code).items()):
            yield value, partial(setattr, code, name)
        for cell in getattr(code, "__closure__", None) or ():
            if cell != CellType():
                yield cell.cell_contents, partial(setattr, cell, "cell_contents")
        space = getattr(code, "__globals__", {})
        for name in getattr(getattr(code, "__code__", None), "co_names", ()):
            if name in space:
                yield space[name], partial(space.__setitem__, name)
