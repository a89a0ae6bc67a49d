"""One class body under both engines."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.checks.checker import check, first_case
from minigrad.checks.contract import place_of
from minigrad.checks.diagnosis import Fault
from minigrad.checks.report import Report
from minigrad.checks.subject import as_called, subject_of
from minigrad.checks.trial import copied
from minigrad.function import Function

__all__ = ["both_engines"]

# ------------------------------------------------------------------------------------------------ one body, two bases
SHARED = "operators, @, .T, .sum, .mean, .reshape and .shape; the number of entries is math.prod(x.shape)"


def rebased(function: type, base: type) -> Any:
    """The body of a Function, of either engine, under another base."""
    body: dict[str, Any] = {}
    for cls in reversed(function.__mro__):
        if cls.__module__.split(".")[0] not in ("builtins", "torch", "minigrad") or cls is function:
            body |= {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__", "_backward_cls")}
    return type(base)(function.__name__, (base,), body)


def both_engines(
    function: type,
    inputs: Any = None,
    *,
    signature: str | None = None,
    domain: dict[str, Any] | None = None,
    seed: int = 0,
) -> Any:
    """Run one class body under minigrad.Function and under torch.autograd.Function, and compare them.

    A body that keeps to what both kinds of value have runs under both: operators, @, .T, .sum, .mean, .reshape, .shape;
    the number of entries is ``math.prod(x.shape)``.

    Args:
        function: a Function of either engine. The others are those of `minigrad.check`, which checks it under minigrad,
            against torch.

    Returns:
        The report of `check`. If only one engine runs the body, its one fault names the expression that does not.

    Raises:
        ModuleNotFoundError: torch is not installed.

    >>> from minigrad.zoo.regression import Linear
    >>> bool(both_engines(Linear, signature="(n,p),(p,q),(q)->(n,q)"))
    True
    """
    import torch

    here, there = rebased(function, Function), rebased(function, torch.autograd.Function)
    _, case = first_case(here, inputs, signature, domain, seed)
    needs = [i in case.able for i in range(len(case.inputs))]
    failures: dict[str, Fault] = {}
    for engine, other, subject in (
        ("minigrad", "torch", subject_of(here)),
        ("torch", "minigrad", as_called(there)),
    ):
        try:
            call = subject.call(copied(case.inputs), needs)
            call.backward(np.ones(call.y.shape, call.y.dtype))
        except Exception as error:
            failures[engine] = Fault("differs", None, only(error, engine, other))
    if len(failures) == 1:
        return Report(function.__name__, tuple(failures.values()), ())
    return check(here, inputs, signature=signature, domain=domain, against=there, seed=seed)


def only(error: Exception, engine: str, other: str) -> str:
    """The calls that do not run in one engine, by their place in the user's code."""
    values = {"torch": "torch's tensors", "minigrad": "NumPy's arrays"}
    message = f"{type(error).__name__}: {error}"
    place = place_of(error)  # the innermost line that is the user's
    if place is None:
        return f"{engine} does not run it, and {other} does: {message}"
    return (
        f"`{place.text}` (line {place.line}) runs on {values[other]} and not on {values[engine]}: {message}. "
        f"Both have {SHARED}."
    )
