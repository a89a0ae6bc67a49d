"""The names that a function has for its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["argument_names", "positional_parameters"]


def positional_parameters(function: Callable[..., Any], skip: int = 0) -> list[inspect.Parameter]:
    """The parameters of `function` that take positional arguments, without the first `skip` of them.

    None where Python does not know them, as of some functions that are written in C.
    """
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)][skip:]


def argument_names(parameters: Sequence[inspect.Parameter], count: int) -> list[str]:
    """The names that `parameters` have for the first `count` positional arguments; ``*xs`` are xs0, xs1, ...

    Fewer than `count`, where the function does not take so many.
    """
    names: list[str] = []
    for p in parameters:
        names += [f"{p.name}{i}" for i in range(count - len(names))] if p.kind is p.VAR_POSITIONAL else [p.name]
    return names[:count]
