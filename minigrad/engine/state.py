"""What a thread is doing: recording or not, on whose behalf, and who looks on.

A *watch* sees everything that the engine does in one thread, from the start of a ``with`` to its end. The checks of
`strict()`, the tracing of a program, the views of a backward and the checkers are watches; there is no other way to
look into a sweep, so what they show is what happened. Any number may be open, one in the other, and the engine tells
each of them, in the order in which they were opened:

    forward     an operation has made a result
    begins      a sweep is about to start
    arrives     the cotangent of a node is complete, and its rules come next
    partials    the rules of the node have run
    edge        the partial of one input has been made to fit, and added to what had come before
    ends        the sweep is over
    leaves      an array leaves the tape

A watch changes nothing, and what it raises ends what it looked at.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, TypeVar, overload

__all__ = ["Watch", "enable_grad", "no_grad"]

F = TypeVar("F", bound=Callable[..., Any])


class State:
    """The state of one thread."""

    __slots__ = "before", "beyond", "left", "place", "recording", "watches"

    def __init__(self) -> None:
        self.recording = True  # False inside no_grad()
        self.before: list[bool] = []  # what each switch that is open found
        self.place: tuple[CodeType, int] | None = None  # in a recorded sweep: the forward line it differentiates
        self.beyond: Any = None  # who follows a forward where the tape has no operation: the checker, which only looks
        self.watches: tuple[Watch, ...] = ()  # those that are open, the outermost first
        self.left = -1  # the highest serial there was when last a value, and with it a gradient, left the tape


class Here(threading.local):
    """``here.state`` is the state of the thread that asks."""

    def __init__(self) -> None:
        self.state = State()


here = Here()


class Watch:
    """Looks on at what this thread does while it is open. A subclass has the methods for what it wants to see.

    Arrays and cotangents are the engine's own and not copies: who keeps one keeps it as it is, and a student's
    `Function` may write into it later. In a recorded sweep cotangents are Tensors.
    """

    traces = False  # whether every sweep shall be recorded, as a program is made of what happens

    def __enter__(self) -> Any:
        here.state.watches += (self,)
        return self

    def __exit__(self, *exception: Any) -> None:
        here.state.watches = tuple([watch for watch in here.state.watches if watch is not self])

    def forward(self, op: Any, y: Any, inputs: Any, values: Any, params: Any) -> None:
        """`op` made the Tensor y of `inputs`, whose arrays and numbers are `values`; ``y.op`` is None off the tape."""

    def begins(self, output: Any, gradient: Any, inputs: Any) -> None:
        """A sweep from `output` was asked for: by `gradients` for these inputs, by ``backward`` where there are none.

        `gradient` is what the caller passed, and nothing is checked yet.
        """

    def arrives(self, node: Any, g: Any) -> None:
        """All of the cotangent g of `node`, result or leaf, has come together, and its hooks have run."""

    def partials(self, node: Any, g: Any, partials: Any) -> None:
        """The rules of `node` made `partials` of g: one for each input, None where none was wanted."""

    def edge(self, node: Any, i: int, partial: Any, contribution: Any, before: Any, total: Any) -> None:
        """`partial` went to input i as `contribution`, of that input's shape and dtype; ``total`` is the sum with
        `before`, what other edges had brought, None for the first.
        """

    def ends(self, output: Any) -> None:
        """The sweep from `output` came to its end, without an error."""

    def leaves(self, t: Any, how: str) -> None:
        """The array of the Tensor t is handed to somebody who works off the tape; `how` names the way."""


ENDED = ("detached", "no_grad")  # the cuts of a tensor whose history somebody ended


def tell(watches: tuple[Watch, ...], event: str, *what: Any) -> None:
    for watch in watches:
        getattr(watch, event)(*what)


def off_tape(t: Any, how: str) -> Any:
    """The array of `t`, for a use that leaves the tape."""
    state = here.state
    if t.serial > state.left and (t.differentiable or (t.cut and t.cut[0] in ENDED)):
        state.left = t.serial
    if state.watches:
        tell(state.watches, "leaves", t, how)
    return t.array


def tracing() -> bool:
    """Whether this thread runs a function to make a program of it."""
    watches = here.state.watches
    return bool(watches) and any([watch.traces for watch in watches])


class Switch:
    """``with no_grad():``, ``@no_grad()`` or ``@no_grad``: nothing that this thread computes inside is recorded.

    ``enable_grad`` is used in the same ways: what is computed inside is recorded, also inside of no_grad(). Of a
    generator, coroutine or asynchronous generator that a decorated function returns, each step is inside, and nothing
    between the steps. A ``with`` belongs to its thread: what runs there while a generator or a task waits in it, after
    ``yield`` or ``await``, is inside, too, so decorate these instead.

    Raises:
        TypeError: what is decorated is no function.

    >>> from minigrad import no_grad
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     w -= 0.5
    >>> w
    Tensor([0.5, 1.5], requires_grad=True)
    """

    __slots__ = "name", "recording"

    def __init__(self, name: str, recording: bool) -> None:
        self.name, self.recording = name, recording

    def __enter__(self) -> None:
        state = here.state
        state.before.append(state.recording)
        state.recording = self.recording

    def __exit__(self, *exception: object) -> None:
        state = here.state
        state.recording = state.before.pop()

    @overload
    def __call__(self) -> Switch: ...
    @overload
    def __call__(self, function: F) -> F: ...

    def __call__(self, function: Any = None) -> Any:
        if function is None:
            return self
        if isinstance(function, type | staticmethod | classmethod) or not callable(function):
            raise TypeError(
                f"{self.name} decorates functions, and this is {function!r}: write it above each method of a "
                "class, and below @staticmethod, @classmethod or @property"
            )

        def switched(*args: Any, **kwargs: Any) -> Any:
            with self:
                result = function(*args, **kwargs)
            later = LATER.get(type(result))
            return later(Steps(self.recording, result)) if later else result

        # What looks at functions tells a generator from a coroutine by the function.
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from switched(*args, **kwargs))

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await switched(*args, **kwargs)

        kinds = [(inspect.isgeneratorfunction, generator), (inspect.iscoroutinefunction, coroutine)]
        found: Any = next((kind for is_kind, kind in kinds if is_kind(function)), switched)
        return functools.wraps(function)(found)

    def __repr__(self) -> str:
        return self.name


no_grad, enable_grad = Switch("no_grad", False), Switch("enable_grad", True)


class Steps:
    """The steps of a generator or coroutine: each in a state of its own, and the caller stays in the other."""

    def __init__(self, recording: bool, inner: Any) -> None:
        self.inside, self.inner = (recording, list[bool]()), inner

    def __iter__(self) -> Steps:
        return self

    __await__ = __iter__

    def taken(self, step: Any, *args: Any) -> Any:
        state = here.state
        outside = state.recording, state.before
        state.recording, state.before = self.inside
        try:
            return step(*args)
        finally:
            self.inside = state.recording, state.before
            state.recording, state.before = outside

    def __next__(self) -> Any:
        return self.taken(self.inner.send, None)

    def send(self, value: Any) -> Any:
        return self.taken(self.inner.send, value)

    def throw(self, *error: Any) -> Any:
        return self.taken(self.inner.throw, *error)

    def close(self) -> None:
        self.taken(self.inner.close)


def generated(steps: Steps) -> Any:
    return (yield from steps)


async def awaited(steps: Steps) -> Any:
    return await steps


async def generated_later(steps: Steps) -> AsyncIterator[Any]:
    inner = steps.inner
    steps.inner = inner.asend(None)
    try:
        while True:
            value = await steps
            try:
                steps.inner = inner.asend((yield value))
            except GeneratorExit:
                raise
            except BaseException as error:  # was thrown in, and the generator may go on with it
                steps.inner = inner.athrow(error)
    except StopAsyncIteration:
        return
    finally:
        steps.inner = inner.aclose()
        await steps


LATER: dict[type, Any] = {
    GeneratorType: generated,
    CoroutineType: awaited,
    AsyncGeneratorType: generated_later,
}
