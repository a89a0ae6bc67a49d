"""What there is to say about one answer: its forward held against the reference, its backward checked.

The answer is a Subject: in a worker for a submission, and in this process for the planted mistakes of
`calibration.py`. Nothing here depends on which.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.cases import designed
from minigrad.checks.checker import check
from minigrad.checks.diagnosis import KINDS
from minigrad.checks.subject import Call, Inputs, Subject, shapes_in_words, subject_of
from minigrad.checks.trial import NOISE, NOISE_RUNS, Case, Noise, Trial
from minigrad.function import Function
from minigrad.grade.exercise import Exercise

Array = np.ndarray[Any, Any]
READABLE = 12  # entries
SLACK = 64  # a right forward is off by at most so many times its rounding: it may sum in another order
SIZES = (0.0, *[10.0**k for k in range(-16, 3)])  # of a constant, that somebody may have taken for it
LOUDER = 6  # rules that are written in another way are up to twice as loud; slopes through values, from 8 times
EXACT = 2.0**-44  # relative: what is off by less is no quotient of a large step
STEPS = [10.0**k for k in range(-10, 0)]  # of finite differences

WORDS = {  # for what may be wrong with a forward, and with the whole
    "absent": "it is not there",
    "unwritten": "it is not written yet",
    "ended": "the process ended, or was stopped",
    "error": "an error in minigrad",
    "raises": "forward raises an exception",
    "shape": "forward returns another shape",
    "values": "forward returns other numbers",
    "constant": "forward takes a constant of another size",
    "differences": "backward uses finite differences",
    **KINDS,
}


class Remark(NamedTuple):
    """One thing that is wrong: a word of WORDS, the input of the exercise that it is about ("" for all), a sentence."""

    kind: str
    input: str
    text: str


@dataclass(frozen=True)
class Findings:
    """The findings on an exercise: of the forward at most one, which may be about the whole, and of the backward."""

    forward: Remark | None = None
    faults: tuple[Remark, ...] = ()


def whole(kind: str, text: str) -> Findings:
    """Findings of an exercise that has no backward to speak of."""
    return Findings(Remark(kind, "", text))


class Reference(Subject):
    """The measure of an answer. Its forward may be asked for; the derivative of that is the true one.

    Attributes:
        target: the exercise's function, which runs on Tensors if what it is made of does.
    """

    def __init__(self, exercise: Exercise, constants: dict[str, float] | None = None) -> None:
        super().__init__(exercise.function, exercise.name, ())
        self.exercise, self.constants = exercise, constants or {}

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        call = Call()
        outputs = self.exercise.outputs(*inputs, **self.constants)
        call.returned(outputs, [i for i, y in enumerate(outputs) if y.dtype.kind == "f"])
        return call


Mistake = Callable[[list[Any], Inputs, Array], list[Any]]  # gradients, inputs and cotangent to other gradients


class RightCall(Call):
    def __init__(self, subject: Right, inputs: Inputs) -> None:
        self.subject, self.inputs = subject, [np.asarray(x) for x in inputs]
        outputs = subject.exercise.outputs(*inputs)
        real = [i for i, y in enumerate(outputs) if y.dtype.kind == "f"]
        self.returned([y * subject.scale if i in real else y for i, y in enumerate(outputs)], real)

    def backward(self, g: Array) -> list[Any]:
        return self.subject.mistake(self.subject.gradients(self.inputs, g), self.inputs, g)


class Right(Subject):
    """The right answer: the reference, and as its backward what the tape says, or a mistake in that.

    Where a reference does not run on Tensors it is the numerical derivative, which takes far longer.
    """

    def __init__(self, exercise: Exercise, mistake: Mistake = lambda found, *_: found, scale: float = 1.0) -> None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        super().__init__(exercise, exercise.name, [inspect.Parameter(name, kind) for name in exercise.inputs])
        self.exercise, self.mistake, self.scale, self.reference = exercise, mistake, scale, Reference(exercise)
        self.able = [name not in exercise.labels for name in exercise.inputs]
        self.known: dict[Any, list[Any]] = {}

    def call(self, inputs: Inputs, needs: Sequence[bool]) -> Call:
        return RightCall(self, inputs)

    def gradients(self, inputs: Inputs, g: Array) -> list[Any]:
        try:
            return list(subject_of(self.exercise.function).call(inputs, self.able).backward(g))
        except Exception:  # NumPy has more than Tensors have
            return self.numerical(inputs, g)

    def numerical(self, inputs: Inputs, g: Array) -> list[Any]:
        key = tuple((x.shape, x.dtype.str, x.tobytes()) for x in inputs)
        if key not in self.known:  # the checker asks a hundred times for the same
            trial = Trial(self, Case(tuple(inputs), tuple(np.flatnonzero(self.able)), {}))
            self.known[key] = [trial.jacobian(i).value if able else None for i, able in enumerate(self.able)]
        flat = g.reshape(-1)
        return [
            None if matrix is None else (flat @ matrix).reshape(x.shape).astype(x.dtype)
            for x, matrix in zip(inputs, self.known[key], strict=True)
        ]


def right_answer(exercise: Exercise) -> Subject:
    if isinstance(exercise.reference, type) and issubclass(exercise.reference, Function):
        return subject_of(exercise.reference)
    return Right(exercise)


def examine(exercise: Exercise, subject: Subject, seed: int = 0) -> Findings:
    """Forward, then backward."""
    forward, constants = forward_problem(exercise, subject, seed)
    if forward and forward.kind in ("raises", "unwritten", "shape"):
        return Findings(forward)
    if forward is None or forward.kind == "constant":
        subject.reference = Reference(exercise, constants)  # which no submission can lead astray
    ours = dict(zip(subject.names(len(exercise.inputs)), exercise.inputs, strict=True))
    domain = {name: exercise.domain[own] for name, own in ours.items() if own in exercise.domain}
    faults = check(subject, signature=exercise.signature, domain=domain, seed=seed).faults
    remarks = [
        Remark("unwritten", "", "backward is not written yet")
        if fault.kind == "raises" and "NotImplementedError" in fault.text
        else Remark(fault.kind, ours.get(fault.input or "", ""), fault.text)
        for fault in faults
        if fault.kind != "second-order"  # the exercises are of first derivatives
    ]
    if not any(remark.kind in ("raises", "count", "unwritten", "random", "first-call") for remark in remarks):
        named = differences(exercise, subject, seed, ours)
        remarks = [*named, *[r for r in remarks if r.input not in {n.input for n in named}]]
    return Findings(forward, tuple(remarks))


# ------------------------------------------------------------------------------------------------------ the forward
def forward_problem(exercise: Exercise, subject: Subject, seed: int) -> tuple[Remark | None, dict[str, float]]:
    """The fault of forward, at the smallest inputs that show it; and the constants for which it is right."""
    cases = sorted(designed(exercise.form, seed), key=lambda case: sum(map(np.size, case.inputs)))
    found = [(case, *attempt(exercise, subject, case)) for case in cases]
    for _, _, remark in found:
        if remark:
            return remark, {}
    wrong = next(filter(None, (wrong_forward(exercise, case, got) for case, got, _ in found)), None)
    if wrong and wrong.kind == "values":
        for name, said in exercise.constants.items():
            for size in SIZES:
                if size != said and not any(
                    wrong_forward(exercise, case, got, **{name: size}) for case, got, _ in found
                ):
                    text = f"forward: {name} is {size:g}, and the exercise says {said:g}"
                    return Remark("constant", "", text), {name: size}
    return wrong, {}


def attempt(exercise: Exercise, subject: Subject, case: Case) -> tuple[Any, Remark | None]:
    """The result of forward."""
    try:
        with np.errstate(all="ignore"):
            call = subject.call([x.copy() for x in case.inputs], [i in case.able for i in range(len(case.inputs))])
    except Exception as error:  # whatever it raises
        name = type(error).__name__
        if name == "NotImplementedError":
            return None, Remark("unwritten", "", "forward is not written yet")
        return None, Remark("raises", "", f"forward raises {name}: {error}")
    got, needed = call.y, [y.shape for y in exercise.outputs(*case.inputs)]
    if call.shapes != needed:
        shapes = ", ".join(f"{name} {x.shape}" for name, x in zip(exercise.inputs, case.inputs, strict=True))
        text = f"forward returns {shapes_in_words(call.shapes)} for {shapes}; needed is {shapes_in_words(needed)}"
        return None, Remark("shape", "", text.replace("needed is the shape ", "needed is "))
    if got.dtype.kind not in "fiu":
        return None, Remark("raises", "", f"forward returns an array of {got.dtype}, and one of floats is needed")
    return got, None


def wrong_forward(exercise: Exercise, case: Case, got: Array, **constants: float) -> Remark | None:
    right, allowed = exact(exercise, case, constants)
    inputs = case.inputs
    with np.errstate(all="ignore"):
        wrong = ~(abs(got - right) <= allowed)
        times = got / right
    if not wrong.any():
        return None
    at = tuple(map(int, np.argwhere(wrong)[0]))
    entry = f"y[{', '.join(map(str, at))}]" if at else "it"
    if len(outputs := exercise.outputs(*inputs)) > 1:
        entry = entry_of(at[0], outputs)
    hint = ""
    if not np.isfinite(got).all():
        hint = ". e to a large number overflows, and ln 0 is infinite"
    elif np.ptp(times) <= 1e-6 * abs(times[at]):
        hint = f": {times[at]:.6g} times as much"
    text = f"forward: {entry} is {got[at]:.6g} and should be {right[at]:.6g} for {shown(exercise, inputs)}{hint}"
    return Remark("values", "", text)


def entry_of(k: int, outputs: Sequence[Array]) -> str:
    """The name of an entry of the row that is made of several outputs."""
    for i, y in enumerate(outputs):
        if y.dtype.kind == "f":
            if k < y.size:
                return f"output {i}" + "".join(f"[{j}]" for j in np.unravel_index(k, y.shape))
            k -= y.size
    raise AssertionError("no entry of the row")


def exact(exercise: Exercise, case: Case, constants: dict[str, float]) -> tuple[Array, Array]:
    """The right result, in float64, and how far off a right forward may be: by its rounding, which noise measures."""
    eps = max(np.finfo(case.inputs[i].dtype).eps for i in case.able)

    def reference(change: Callable[[Any], Any]) -> Any:
        wide = [change(x).astype(np.float64) if i in case.able else x for i, x in enumerate(case.inputs)]
        return exercise.right(*wide, **constants)

    random = np.random.default_rng(case.seed)
    with np.errstate(all="ignore"):
        right = reference(lambda x: x)
        spread = [abs(reference(Noise(random)) - right) for _ in range(NOISE_RUNS)]
        return right, SLACK * (np.max(spread, axis=0) + eps * abs(right) + np.finfo(np.float32).tiny)


def shown(exercise: Exercise, inputs: Sequence[Any]) -> str:
    """The inputs, if a person can read them; else their shapes and sizes."""
    if sum(x.size for x in inputs) > READABLE:
        texts = [f"of shape {x.shape}, up to {abs(x).max(initial=0):.2g}" for x in inputs]
    else:
        texts = [f"= {np.array2string(x, precision=4, separator=', ', max_line_width=1000)}" for x in inputs]
    return "; ".join(f"{name} {' '.join(text.split())}" for name, text in zip(exercise.inputs, texts, strict=True))


# ------------------------------------------------------------------------------------------------ finite differences
@np.errstate(all="ignore")
def differences(exercise: Exercise, subject: Subject, seed: int, ours: dict[str, str]) -> list[Remark]:
    """The inputs whose gradients are difference quotients, or other slopes through values of the forward.

    Such a slope moves by the rounding of the forward over its step, where a rule moves by its own rounding: about as
    much as the right rule does at the same inputs. With a large step, it is what is computed here with that step, to
    far more digits than it is the gradient.
    """
    trials = [Trial(subject, case) for case in islice(designed(exercise.form, seed), 2)]
    right = [Trial(right_answer(exercise), trial.case) for trial in trials]
    first = trials[0]
    found = []
    for i, own in zip(first.able, (exercise.inputs[i] for i in first.able), strict=True):
        got = first.gradient(i)
        if got is None:
            continue
        true = first.compare(i).true  # of the answer's own forward, where that is a wrong one
        off = abs(got - true).max(initial=0)
        if all(louder(a, b, i) for a, b in zip(trials, right, strict=True)) or (
            off > EXACT * abs(true).max(initial=0) and quotient(first, i, got, off)
        ):
            name = first.names[i]
            text = f"d{name} is computed by finite differences, which are never exact: write the derivative"
            found.append(Remark("differences", own, text))
    return found


def louder(trial: Trial, right: Trial, i: int) -> bool:
    """Whether a gradient moves far more than the right one, at changes of one unit in the last place."""
    got = trial.gradient(i)
    if got is None:
        return False
    unit = np.finfo(got.dtype).eps * abs(got).max(initial=0)
    return bool(trial.noise[i].max(initial=0) > LOUDER * (right.noise[i].max(initial=0) + NOISE * unit))


def quotient(trial: Trial, i: int, got: Array, off: float) -> bool:
    """Whether the gradient is that of a step, forwards or to both sides, far better than it is the derivative."""
    x, flat = trial.inputs[i], trial.inputs[i].reshape(-1)

    def moved(j: int, step: float) -> Array:
        new = flat.copy()
        new[j] += step
        return trial.truth.evaluate([*trial.inputs[:i], new.reshape(x.shape), *trial.inputs[i + 1 :]]).reshape(-1)

    g = trial.cotangents.reshape(2, -1)
    y = trial.y.reshape(-1)
    for h in STEPS:
        up = np.stack([moved(j, h) for j in range(x.size)], axis=1)
        down = np.stack([moved(j, -h) for j in range(x.size)], axis=1)
        for slopes in ((up - down) / (2 * h), (up - y[:, None]) / h):
            if abs(g @ slopes - got).max(initial=0) < off / 16:
                return True
    return False
