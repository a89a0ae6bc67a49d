"""The process that a student's code runs in: `grade` starts it, tells it what to do, and reads what it finds.

Run as ``python -m minigrad.grade.examination``. On standard input comes one JSON object: a token, the file, the names
of the exercises. Findings leave, a line each and led by the token, through a duplicate of standard output that the file
is not told of; what it prints itself goes nowhere. That keeps prints, mistakes and crashes out of the marks. It is no
jail: code that sets out to attack the interpreter it runs in belongs into a container.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.checks import check
from minigrad.checks.backward import NOISE_RUNS, noisy
from minigrad.checks.cases import ANY, Form, designed
from minigrad.checks.diagnosis import Fault
from minigrad.checks.subject import DirectContext
from minigrad.checks.trial import Case
from minigrad.commands.userfile import UserFileError, load_file
from minigrad.engine.errors import parameter_names
from minigrad.function import Function
from minigrad.grade.exercises import EXERCISES, Exercise

MEMORY = 4 << 30  # bytes of address space; what asks for more gets a MemoryError, and the machine goes on
READABLE = 12  # entries
SLACK = 64  # a right forward is off by at most so many times its rounding: it may sum in another order
Findings = dict[str, Any]


def main() -> None:
    job = json.loads(sys.stdin.read())
    limit_memory()
    channel = os.dup(1)
    with open(os.devnull, "r+") as nowhere:
        for descriptor in 0, 1, 2:
            os.dup2(nowhere.fileno(), descriptor)

    def send(message: dict[str, Any]) -> None:
        line = f"\n{job['token']} {json.dumps(message)}\n".encode()  # on a line of its own, whatever came before
        while line:
            line = line[os.write(channel, line) :]

    send({"stage": "loading the file"})
    try:
        module = load_file(job["file"])
    except BaseException as error:  # the UserFileError tells all; others are what no program should raise
        told = isinstance(error, UserFileError)
        send({"failed": str(error) if told else f"{job['file']} cannot be loaded: {type(error).__name__}: {error}"})
    else:
        send({"stage": "it"})
        for name in job["exercises"]:
            send(findings(EXERCISES[name], getattr(module, name, None), job["seed"]))


def limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # not every system has such a limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def findings(exercise: Exercise, function: Any, seed: int) -> Findings:
    """What there is to say about a student's Function: its forward, and the faults of its backward."""
    if function is None:
        return {"forward": f"there is no {exercise.name} in the file", "faults": []}
    if not (isinstance(function, type) and issubclass(function, Function)):
        return {"forward": f"{exercise.name} is no subclass of minigrad.Function", "faults": []}
    try:
        forward = forward_problem(exercise, function, seed)
        names = parameter_names(function, len(exercise.inputs))[: len(exercise.inputs)]  # without those of a default
        ours = dict(zip(names, exercise.inputs, strict=True))
        domain = {name: exercise.domain[own] for name, own in ours.items() if own in exercise.domain}
        faults = check(function, signature=exercise.signature, domain=domain, seed=seed).faults
    except Unusable as problem:
        return {"forward": str(problem), "faults": []}
    except Exception as error:  # what the file raises has been caught where it was called
        at = traceback.extract_tb(error.__traceback__)[-1]
        bug = f"{type(error).__name__}: {error} (line {at.lineno} of {at.filename})"
        return {"forward": f"not graded: an error in minigrad, and not in the file: {bug}", "faults": []}
    except BaseException as error:  # sys.exit() of the file's own, or worse
        return {"forward": f"it ends the program: {type(error).__name__}({error})", "faults": []}
    asked = [fault for fault in faults if fault.kind != "second-order"]  # the exercises are of first derivatives
    return {"forward": forward, "faults": [described(f, ours.get(f.input or "", "")) for f in asked]}


def described(fault: Fault, name: str) -> dict[str, str]:
    unwritten = fault.kind == "raises" and "NotImplementedError" in fault.text
    return {"kind": fault.kind, "input": name, "text": "backward is not written yet" if unwritten else fault.text}


# ------------------------------------------------------------------------------------------------------ the forward
class Unusable(Exception):
    """Forward does not get through; then there is no backward to speak of."""


def forward_problem(exercise: Exercise, function: type[Function], seed: int) -> str:
    """What is wrong with forward, at the smallest inputs that show it; "" if nothing is."""
    form = Form(exercise.signature, [exercise.domain.get(name, ANY) for name in exercise.inputs])
    cases = sorted(designed(form, seed), key=lambda case: sum(map(np.size, case.inputs)))
    return next(filter(None, (wrong_forward(exercise, function, case) for case in cases)), "")


def wrong_forward(exercise: Exercise, function: type[Function], case: Case) -> str:
    inputs = case.inputs
    with np.errstate(all="ignore"):
        try:
            found = function.forward(
                DirectContext([i in case.able for i in range(len(inputs))]), *[x.copy() for x in inputs]
            )
        except NotImplementedError:
            raise Unusable("forward is not written yet") from None
        except Exception as error:
            raise Unusable(f"forward raises {type(error).__name__}: {error}") from error
        right, allowed = exact(exercise, case)
    got = np.asarray(found)
    if got.dtype.kind not in "fiu":
        raise Unusable(f"forward returns {type(found).__name__}, and an array of floats is needed")
    if got.shape != right.shape:
        shapes = ", ".join(f"{name} {x.shape}" for name, x in zip(exercise.inputs, inputs, strict=True))
        return f"forward returns the shape {got.shape} for {shapes}; needed is {right.shape}"
    with np.errstate(all="ignore"):
        wrong = ~(abs(got - right) <= allowed)
    if not wrong.any():
        return ""
    at = tuple(map(int, np.argwhere(wrong)[0]))
    entry = f"y[{', '.join(map(str, at))}]" if at else "it"
    with np.errstate(all="ignore"):
        times = got / right
    hint = ""
    if not np.isfinite(got).all():
        hint = ". e to a large number overflows, and ln 0 is infinite"
    elif np.ptp(times) <= 1e-6 * abs(times[at]):
        hint = f": {times[at]:.6g} times as much"
    return f"forward: {entry} is {got[at]:.6g} and should be {right[at]:.6g} for {shown(exercise, inputs)}{hint}"


def exact(exercise: Exercise, case: Case) -> tuple[Any, Any]:
    """The right result, in float64, and how far off a right forward may be: by its rounding, which noise measures."""
    eps = max(np.finfo(case.inputs[i].dtype).eps for i in case.able)

    def reference(change: Callable[[Any], Any]) -> Any:
        wide = [change(x).astype(np.float64) if i in case.able else x for i, x in enumerate(case.inputs)]
        return exercise.reference(*wide).data

    random = np.random.default_rng(case.seed)
    right = reference(lambda x: x)
    spread = [abs(reference(lambda x: noisy(x, random)) - right) for _ in range(NOISE_RUNS)]
    return right, SLACK * (np.max(spread, axis=0) + eps * abs(right) + np.finfo(np.float32).tiny)


def shown(exercise: Exercise, inputs: tuple[Any, ...]) -> str:
    """The inputs, if a person can read them; else their shapes and sizes."""
    if sum(x.size for x in inputs) > READABLE:
        texts = [f"of shape {x.shape}, up to {abs(x).max(initial=0):.2g}" for x in inputs]
    else:
        texts = [f"= {np.array2string(x, precision=4, separator=', ', max_line_width=1000)}" for x in inputs]
    return "; ".join(f"{name} {' '.join(text.split())}" for name, text in zip(exercise.inputs, texts, strict=True))


if __name__ == "__main__":
    main()
