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
import threading
from types import CodeType
from typing import Any

__all__ = ["Watch", "no_grad"]


class State:
    """The state of one thread."""

    __slots__ = "place", "recording", "watches"

    def __init__(self) -> None:
        self.recording = True  # False inside no_grad()
        self.place: tuple[CodeType, int] | None = None  # in a recorded sweep: the forward line it differentiates
        self.watches: tuple[Watch, ...] = ()  # those that are open, the outermost first


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


def tell(watches: tuple[Watch, ...], event: str, *what: Any) -> None:
    for watch in watches:
        getattr(watch, event)(*what)


def off_tape(t: Any, how: str) -> Any:
    """The array of `t`, for a use that leaves the tape."""
    tell(here.state.watches, "leaves", t, how)
    return t.array


def tracing() -> bool:
    """Whether this thread runs a function to make a program of it."""
    return any(watch.traces for watch in here.state.watches)


class no_grad:
    """``with no_grad():`` or ``@no_grad()``: nothing that this thread computes inside is recorded."""

    recording = False

    def __enter__(self) -> None:
        self.state = state = here.state
        self.before, state.recording = state.recording, self.recording

    def __exit__(self, *exception: object) -> None:
        self.state.recording = self.before

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def unrecorded(*args: Any, **kwargs: Any) -> Any:
            with no_grad():
                return function(*args, **kwargs)

        return unrecorded


class enable_grad(no_grad):
    """What this thread computes inside is recorded, also inside of no_grad()."""

    recording = True
