"""What a thread is doing: recording or not, and on whose behalf."""

from __future__ import annotations

import functools
import threading
from types import CodeType
from typing import Any

__all__ = ["no_grad"]


class State:
    """The state of one thread."""

    __slots__ = "place", "recording", "watch"

    def __init__(self) -> None:
        self.recording = True  # False inside no_grad()
        self.place: tuple[CodeType, int] | None = None  # in a recorded sweep: the forward line it differentiates
        self.watch: Any = None  # what looks on at every operation: strict(), or the tracing of a program


class Here(threading.local):
    """``here.state`` is the state of the thread that asks."""

    def __init__(self) -> None:
        self.state = State()


here = Here()


def off_tape(t: Any, how: str) -> Any:
    """The array of `t`, for a use that leaves the tape; who traces a program has to know."""
    watch = here.state.watch
    return watch.leaves(t, how) if watch else t.array


def tracing() -> bool:
    """Whether this thread runs a function to make a program of it: then every sweep is recorded."""
    return here.state.watch is not None and here.state.watch.traces


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
