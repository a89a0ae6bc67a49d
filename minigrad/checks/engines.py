"""One function in two engines: a check against another implementation, and one class body under both engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.checks.diagnosis import Fault
from minigrad.checks.subject import OfTorchFunction, OfTorchTensors, Subject, subject_of
from minigrad.checks.trial import TERMS, Trial, copied
from minigrad.engine.places import Place
from minigrad.function import Function

__all__ = ["both_engines", "differences"]

LONG = 64  # roundings on the way to one value, where one operation is several


def engine_of(target: Any) -> Subject:
    """The other side of a comparison: a torch Function as its users call it, with torch's engine behind it."""
    subject = subject_of(target)
    if isinstance(subject, OfTorchFunction):
        return OfTorchTensors(subject.target.apply, f"{subject.name} (torch)", subject.parameters)
    return subject


def differences(trial: Trial, other: Subject) -> Iterator[Fault]:
    """What another implementation gives for the same inputs, where it is not the same."""
    try:
        call = other.call(copied(trial.inputs), trial.needs)
        y = np.asarray(call.y)
        grads = call.backward(np.array(trial.cotangents[0], y.dtype).reshape(y.shape))
    except Exception as error:
        yield Fault("differs", None, f"{other.name} raises where this does not: {type(error).__name__}: {error}")
        return
    if y.shape != trial.y.shape:
        yield Fault("differs", None, f"the result has shape {trial.y.shape}, and that of {other.name} has {y.shape}")
        return
    size = abs(trial.y) + sum(
        (abs(trial.jacobian(i).value) @ abs(trial.inputs[i].reshape(-1))).reshape(y.shape) for i in trial.able
    )
    unit = max(np.finfo(y.dtype).eps, np.finfo(trial.y.dtype).eps)
    if (abs(y - trial.y) > LONG * unit * size).any():
        worst = np.unravel_index((abs(y - trial.y) / size).argmax(), y.shape)
        at = f" at entry {tuple(map(int, worst))}" if worst else ""
        yield Fault(
            "differs", None, f"the value{at} is {trial.y[worst]:.6g}, and that of {other.name} is {y[worst]:.6g}"
        )
        return
    for i in trial.able:
        mine, theirs = trial.gradient(i), grads[i]
        if mine is None or (theirs is not None and theirs.shape != trial.inputs[i].shape):
            continue
        comparison = trial.compare(i)
        there = 0 * mine[0] if theirs is None else theirs.reshape(-1)
        allowed = comparison.allowed[0] + comparison.error[0] + TERMS * unit * abs(mine[0])
        off = (abs(mine[0] - there) > 2 * allowed) & np.isfinite(comparison.true[0])
        if off.any():
            k = int(off.argmax())
            entry = tuple(map(int, np.unravel_index(k, trial.inputs[i].shape)))
            yield Fault(
                "differs",
                trial.names[i],
                f"the gradient of {trial.names[i]} at entry {entry} is {mine[0][k]:.6g}, and that of {other.name} is "
                f"{there[k]:.6g}; the numerical derivative is {float(comparison.true[0][k]):.6g}",
            )


# ------------------------------------------------------------------------------------------------ one body, two bases
LIBRARIES = "minigrad", "torch", "numpy"
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
    """
    import torch

    from minigrad.checks.checker import check, first_case
    from minigrad.checks.report import Report

    here, there = rebased(function, Function), rebased(function, torch.autograd.Function)
    case = first_case(here, inputs, signature, domain, seed)
    needs = [i in case.able for i in range(len(case.inputs))]
    failures: dict[str, Fault] = {}
    for engine, other, subject in (
        ("minigrad", "torch", subject_of(here)),
        ("torch", "minigrad", OfTorchTensors(there.apply, there.__name__, [])),
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
    """What does not run in one engine, by its place in the user's code."""
    values = {"torch": "torch's tensors", "minigrad": "NumPy's arrays"}
    message = f"{type(error).__name__}: {error}"
    place, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__", "").split(".")[0] not in LIBRARIES:
            place = Place.of((step.tb_frame.f_code, step.tb_lasti))  # the innermost line that is the user's
        step = step.tb_next
    if place is None:
        return f"{engine} does not run it, and {other} does: {message}"
    return (
        f"`{place.text}` (line {place.line}) runs on {values[other]} and not on {values[engine]}: {message}. "
        f"Both have {SHARED}."
    )
