"""Run a function as the program that its tape prints: traced once, then straight-line NumPy in memory of its own."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine.errors import at, described
from minigrad.engine.numeric import as_numeric
from minigrad.engine.state import off_tape, tracing
from minigrad.engine.trees import bare, leaves
from minigrad.engine.words import counted
from minigrad.program.buffers import faster, taken_apart, with_buffers
from minigrad.program.lines import trace_twice
from minigrad.program.outside import SIMPLE, Outside, comparable, places
from minigrad.program.program import Program, defined
from minigrad.program.recording import Recording, TraceError, accepted, name_of, parameter_names
from minigrad.program.text import unparse
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.program.numba_backend import Loop, NumbaProgram

__all__ = ["CompiledFunction", "CompiledProgram"]


class CompiledProgram(Program):
    """A program whose results between the first line and the last are in buffers.

    Attributes:
        allocate: the function that the text defines: it allocates the buffers, and returns the function that uses them.
        buffers: what is allocated.
        outside: by name, the Tensors and arrays that the function found outside of its arguments.
        pool: the functions that `allocate` has returned and nobody is calling now.
    """

    def __init__(self, recording: Recording, static: Any, donate: Sequence[str] = ()) -> None:
        self.describe(recording, static)
        apart = taken_apart(recording, ["allocate"])
        self.result, self.helpers = apart.result, apart.helpers
        donated = {new: x for x, new in apart.updated.items() if x in donate}
        self.constants = [line for line in apart.lines if line.constant and line.name not in apart.returned]
        hoisted = {line.name for line in self.constants}
        rest, self.numbers = faster([line for line in apart.lines if line.name not in hoisted], apart.values)
        self.lines, self.buffers = with_buffers(rest, apart.values, apart.returned, donated)
        self.text = "\n".join(self.print()) + "\n"
        self.allocate = defined(self, self.text, "allocate")
        self.outside = {a.name: a.held for a in self.arguments if a.held is not None}
        self.pool: list[Callable[..., Any]] = []
        self.function = self.bound()

    def bound(self) -> Callable[..., Any]:
        """The program as a function of its own arguments: with buffers that nobody else uses meanwhile, and with what
        it found outside."""
        names = ", ".join(name for name, _ in self.tree)
        extra = [f"{name}.array" if type(x) is Tensor else name for name, x in self.outside.items()]
        text = CALL.format(name=self.name, names=names, arrays=", ".join([names, *extra]))
        return function(text, self.name, self.outside | {"_pool": self.pool, "_allocate": self.allocate})

    def print(self) -> Iterator[str]:
        yield from self.head()
        yield from (f"    {buffer.text}" for buffer in self.buffers)
        yield from (f"    {line.name} = {unparse(line.text)}" for line in self.constants)
        yield from (f"    {name} = {unparse(text)}" for name, text in self.numbers)
        yield from ["", f"    {super().signature()}"]
        inside = [*self.unpacking(), *self.body(), self.ending()]
        yield from (f"        {line}" if line else "" for line in inside)
        yield from ["", f"    return {self.name}"]

    def signature(self) -> str:
        return "def allocate():"


class CompiledFunction:
    """A function that runs as a program: see `minigrad.compile`.

    Attributes:
        programs: the programs so far, by the shapes, dtypes, layouts and static arguments that they are for.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        options: dict[str, Any],
        constants: Sequence[Any] = (),
        donate: Sequence[str] = (),
        backend: str = "numpy",
        fallback: bool = False,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn, self.options, self.constants, self.donate = fn, options, constants, donate
        self.backend, self.fallback = backend, fallback
        self.programs: dict[Any, CompiledProgram | NumbaProgram] = {}
        self.loops: dict[Any, list[Loop]] = {}
        self.roles: dict[int, tuple[list[str], list[int]]] = {}
        self.fast: Callable[..., Any] | None = None
        self.outside = Outside(fn, options["update"])
        self.lock = threading.RLock()

    def __call__(self, *args: Any, **static: Any) -> Any:
        if self.fast is not None and not static:
            return self.fast(*args)
        return self.slow(*args, **static)

    def slow(self, *args: Any, **static: Any) -> Any:
        """Any call: find the program for it, or trace one."""
        plain = self.options["grad_of"] is None and self.options["update"] is None
        for x in leaves([args, static]):
            if type(x) is not Tensor:
                continue
            if tracing() and plain:
                return self.fn(*args, **static)  # the program that is being traced computes this, too
            if tracing() or (x.op is not None and x.differentiable):
                raise TypeError(
                    f"{name_of(self.fn)} is compiled and returns arrays, so the history of {described(x)} would end "
                    "here. Give it t.detach(), or call the function that was compiled: .__wrapped__"
                )
            off_tape(x, f"the compiled function {name_of(self.fn)}")
        given = [bare(x) for x in args]
        program = self.program(*given, **static)
        arrays = [x for x in given if any(is_array(part) for part in leaves(x))]
        return program.function(*arrays)

    def program(self, *args: Any, **static: Any) -> CompiledProgram | NumbaProgram:
        """The program for arguments like these; it is traced if there is none yet."""
        given = [bare(x) for x in args]
        key = tuple([signature(x) for x in given]), tuple(sorted((k, signature(v)) for k, v in static.items()))
        with self.lock:  # one thread traces, others wait for its program
            program = self.programs.get((key, self.outside.now()))
            if program is None:
                program = self.make(given, static)
                self.programs[key, self.outside.ran()] = program
                if not static and all(is_array(x) for x in given):
                    self.fast = self.fast or entry(self)
            return program

    def make(self, given: Sequence[Any], static: dict[str, Any]) -> CompiledProgram | NumbaProgram:
        recording = self.recording(given, static)
        if self.backend == "numba":
            from minigrad.program.numba_backend import NumbaProgram

            program = NumbaProgram(recording, static)
            try:
                assert program.machine_code
                return program
            except TraceError:
                if not self.fallback:
                    raise
        return CompiledProgram(recording, static, self.donate)

    def recording(self, given: Sequence[Any], static: dict[str, Any]) -> Recording:
        recording = trace_twice(self.fn, given, static, **self.options)
        refuse_what_is_outside(recording, self.constants)
        unknown = [name for name in self.donate if name not in {a.name for a in recording.arguments}]
        if unknown:
            raise ValueError(f"donate={unknown[0]!r} is no argument of {recording.name}")
        return recording

    def epoch(self, *args: Any, over: Sequence[str], batches: int | Sequence[int]) -> tuple[Any, ...]:
        """Step through the rows of a data set, a batch at a time; each step goes on from what the one before returned.

        With the backend "numba" the loop is machine code, too.

        Args:
            args: the arguments of a step; those in `over` have all rows.
            over: the names of the arguments that are cut along their first axis.
            batches: rows in a batch, the last of which may be smaller; or where batches begin and the last one ends.

        Returns:
            ``values, parameters`` and more, as a step does: the value of each step, an array, and what the last update
            returned.

        >>> import minigrad, numpy as np
        >>> def loss(w, x):
        ...     return ((w * x - 1) ** 2).mean()
        >>> step = minigrad.compile(loss, grad_of="w", update=lambda w, dw: w - 0.1 * dw)
        >>> values, w = step.epoch(np.array(0.0), np.ones(6), over=["x"], batches=2)
        >>> values, w.item()
        (array([1.    , 0.64  , 0.4096]), 0.488)
        """
        if self.options["update"] is None:
            raise TypeError("epoch() goes on from step to step with what update= returns, and there is none")
        if len(args) not in self.roles:
            self.roles[len(args)] = self.roles_of(len(args))
        names, returned = self.roles[len(args)]
        unknown = [name for name in over if name not in names]
        if unknown or not over:
            raise ValueError(f"over={list(over)}: the arguments are {', '.join(names)}")
        given = [bare(x) for x in args]
        rows = {len(x) for name, x in zip(names, given, strict=True) if name in over}
        if len(rows) != 1:
            raise ValueError(f"over={list(over)}: these arguments have {' and '.join(map(str, sorted(rows)))} rows")
        n = rows.pop()
        bounds: Any = batches
        if isinstance(batches, int):
            bounds = np.append(np.arange(0, n, batches), n)
        elif isinstance(batches, range):  # whose numbers NumPy would take one by one
            bounds = np.arange(batches.start, batches.stop, batches.step)
        starts = np.asarray(bounds, np.intp)
        lengths = starts[1:] - starts[:-1]
        if not lengths.size or starts[0] < 0 or starts[-1] > n or lengths.min() < 1:
            raise ValueError(f"batches={batches!r}: each batch has rows, of the {n} that there are")
        if self.backend == "numba":
            try:
                sizes = set(np.flatnonzero(np.bincount(lengths)).tolist())
                return self.compiled_epoch(names, returned, given, over, starts, sizes)
            except TraceError:
                if not self.fallback:
                    raise
        return self.looped_epoch(names, returned, given, over, starts)

    def looped_epoch(
        self, names: Sequence[str], returned: Sequence[int], given: Sequence[Any], over: Sequence[str], starts: Any
    ) -> tuple[Any, ...]:
        where = [i for i, name in enumerate(names) if name in over]
        batch, values = list(given), []
        for start, stop in pairwise(starts.tolist()):
            for i in where:
                batch[i] = given[i][start:stop]
            value, new, *more = self(*batch)
            values.append(value)
            for i, x in zip(returned, [*self.each(new), *more], strict=False):
                batch[i] = x
        return np.array(values), new, *more

    def compiled_epoch(
        self, names: Sequence[str], returned: Sequence[int], given: Sequence[Any], over: Sequence[str], starts: Any,
        sizes: set[int],
    ) -> tuple[Any, ...]:  # fmt: skip
        """The whole loop as one function; the parameters are copied before it writes into them."""
        from minigrad.program.numba_backend import Loop

        arrays = [
            np.ascontiguousarray(x) if n in over else np.array(x, order="C") if i in returned else x
            for i, (n, x) in enumerate(zip(names, given, strict=True))
        ]
        like_these = (
            tuple(over),
            tuple([signature(x[:1] if n in over else x) for n, x in zip(names, arrays, strict=True)]),
        )
        with self.lock:
            loops = self.loops.setdefault((like_these, self.outside.now()), [])
            loop = next((loop for loop in loops if sizes <= loop.sizes), None)
            if loop is None:
                recordings = {
                    size: self.recording([x[:size] if n in over else x for n, x in zip(names, arrays, strict=True)], {})
                    for size in sorted(sizes)
                }
                loop = Loop(recordings, over)
                loops.append(loop)
        return loop(arrays, starts)

    def roles_of(self, count: int) -> tuple[list[str], list[int]]:
        """The names of so many arguments, and the positions of those that a step returns: the parameters, then what the
        update got beside them."""
        own = accepted(self.fn, count)
        names = [*parameter_names(self.fn, own), *parameter_names(self.options["update"], 2 + count - own)[2:]]
        wanted = [names.index(w) if isinstance(w, str) else w for w in self.each(self.options["grad_of"])]
        return names, [*wanted, *range(own, count)]

    def each(self, x: Any) -> Sequence[Any]:
        return x if isinstance(self.options["grad_of"], list | tuple) else [x]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.programs.values())) or f"# {self.__name__} has not been called yet"  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}, {counted(len(self.programs), 'program')}>"  # type: ignore[attr-defined]


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | np.random.Generator)


def signature(x: Any) -> Any:
    """The part of an argument that a program is specialised for."""
    if isinstance(x, np.ndarray | np.generic):
        as_numeric(x)  # an array that NumPy would read differently has no program
        return x.shape, x.dtype, x.strides
    if isinstance(x, np.random.Generator):
        return np.random.Generator
    if isinstance(x, list | tuple):
        return type(x), tuple(map(signature, x))
    if isinstance(x, dict):
        return dict, tuple((key, signature(part)) for key, part in x.items())
    try:
        hash(x)
    except TypeError:
        raise TypeError(f"a static argument is part of the signature and must be hashable: {x!r}") from None
    return comparable(x) if isinstance(x, SIMPLE) else (x, tuple([(p.name, comparable(p.value)) for p in places(x)]))


def refuse_what_is_outside(recording: Recording, constants: Sequence[Any]) -> None:
    """Raise if the function uses an array of outside that is not in `constants`."""
    for a in recording.arguments:
        if not isinstance(a.held, np.ndarray):
            continue
        if any(c == a.name if isinstance(c, str) else c is a.held or c is a.held.base for c in constants):
            continue
        readers = [n for n in recording.nodes if any(x is a.value or x is a.held for x in n.inputs)]
        raise TraceError(
            f"{recording.name} uses the array {a.name} of shape {a.held.shape}, which is no argument, at "
            f"{at((readers or [a.value])[0].made_at)}: a program would not notice when {a.name} becomes another array. "
            f"Make it an argument or a Tensor, or say constants=[{a.name}] if it never does"
        )


CALL = """\
def {name}({names}):
    try:
        run = _pool.pop()
    except IndexError:  # the first call, or other threads have them all
        run = _allocate()
    result = run({arrays})
    _pool.append(run)
    return result
"""

ENTRY = """\
def {name}({names}):
    try:
        key = {key}
    except AttributeError:  # a Tensor, a number, a list
        return _slow({names})
    known, pool, unchanged = _last[0]
    if key != known or (unchanged and not unchanged()):
        return _other(key, {names})
    try:
        run = pool.pop()
    except IndexError:  # other threads have all of them
        return _other(key, {names})
    result = run({names})
    pool.append(run)
    return result
"""


def function(text: str, name: str, space: dict[str, Any]) -> Callable[..., Any]:
    exec(text, space)
    found: Callable[..., Any] = space[name]
    return found


def entry(compiled: CompiledFunction) -> Callable[..., Any]:
    """The way in for calls with arrays only: it compares shapes, dtypes and layouts with those of the last call."""
    program = next(reversed(compiled.programs.values()))
    names = [name for name, _ in program.tree]
    parts = [f"type({n})" + f", {n}.shape, {n}.dtype, {n}.strides" * (n in program.specialised) for n in names]
    known: dict[Any, Any] = {}
    last: list[Any] = [(None, None, None)]

    def other(key: Any, *arrays: Any) -> Any:
        state = compiled.outside.now()
        if (key, state) not in known:
            program = compiled.program(*arrays)
            known[key, compiled.outside.now()] = program
        else:
            program = known[key, state]
        if not program.outside:
            last[0] = key, program.pool, compiled.outside.unchanged
        return program.function(*arrays)

    text = ENTRY.format(name=program.name, names=", ".join(names), key=f"({', '.join(parts)},)")
    return function(text, program.name, {"_slow": compiled.slow, "_other": other, "_last": last})
