"""Whether exercises measure what they should: the reference earns full marks, and planted mistakes cost some."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.checks.cases import designed
from minigrad.checks.contract import wrong_inputs
from minigrad.checks.subject import Call, Inputs, Subject, subject_of
from minigrad.checks.trial import Case, Trial
from minigrad.function import Function
from minigrad.grade.examination import Reference, examine
from minigrad.grade.exercise import Exercise
from minigrad.grade.grading import Mark, marked

__all__ = ["broken", "calibration"]

Array = np.ndarray[Any, Any]
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


def broken(exercise: Exercise) -> str:
    """Why the reference cannot be one, after a look at one set of inputs; "" if it can."""
    case = next(designed(exercise.form, 0))
    try:
        y = exercise.right(*case.inputs)
    except Exception as error:  # the teacher's code
        return f"its reference raises {type(error).__name__}: {error}"
    if y.dtype.kind != "f" or not np.isfinite(y).all():
        return f"its reference returns {'an array of ' + str(y.dtype) if y.dtype.kind != 'f' else 'numbers not finite'}"
    if not np.array_equal(y, exercise.right(*case.inputs)):
        return "its reference returns something else at a second call"
    answer = right_answer(exercise)
    if not isinstance(answer, Right):
        trial = Trial(answer, case)
        try:
            wrong = [trial.names[i] for i in wrong_inputs(trial)]
        except Exception as error:  # the teacher's code
            return f"the backward of its reference raises {type(error).__name__}: {error}"
        if wrong:
            return f"its reference fails its own check: the gradient of {', '.join(wrong)} is wrong"
    return ""


def planted(exercise: Exercise) -> Iterator[tuple[str, str, Right]]:
    """Mistakes that people make: in words, the part that they must cost, and who makes them."""

    def one(i: int, change: Callable[[Array, Array], Any]) -> Mistake:
        return lambda found, inputs, g: [change(d, inputs[i]) if j == i else d for j, d in enumerate(found)]

    def overwritten(found: list[Any], inputs: Inputs, g: Array) -> list[Any]:
        g *= 2
        return found

    yield "forward is 1.001 times as much", "forward", Right(exercise, scale=1.001)
    able = [i for i, name in enumerate(exercise.inputs) if name not in exercise.labels]
    for i in able:
        name = exercise.inputs[i]
        yield f"d{name} has the wrong sign", name, Right(exercise, one(i, lambda d, x: -d))
        yield f"d{name} is 2 times too large", name, Right(exercise, one(i, lambda d, x: 2 * d))
        yield f"None for d{name}", name, Right(exercise, one(i, lambda d, x: None))
        yield f"d{name} is transposed", name, Right(exercise, one(i, lambda d, x: d.T.reshape(x.shape)))
        yield f"d{name} is divided by its rows", name, Right(exercise, one(i, lambda d, x: d / (x.shape or (2,))[0]))
        yield f"d{name} leaves out one entry", name, Right(exercise, one(i, without_the_last))
    if len(able) > 1:
        i, j = able[:2]
        names = [exercise.inputs[i], exercise.inputs[j]]

        def exchanged(found: list[Any], inputs: Inputs, g: Array) -> list[Any]:
            return [found[j] if k == i else found[i] if k == j else d for k, d in enumerate(found)]

        yield f"d{names[0]} and d{names[1]} are exchanged", names[0], Right(exercise, exchanged)
    yield "backward writes into grad", "", Right(exercise, overwritten)


def without_the_last(d: Array, x: Array) -> Array:
    new = d.copy()
    new.reshape(-1)[-1:] = 0
    return new


def calibration(exercise: Exercise, seed: int = 0) -> Iterator[tuple[str, Mark, bool]]:
    """What the reference earns, and what each planted mistake does; and whether that is as it should be.

    A mistake has to cost the part that it is in, if that is worth anything. Where a mistake makes no difference (a
    transpose, of a vector) it is left out.
    """
    found = marked(exercise, examine(exercise, right_answer(exercise), seed))
    yield "the reference", found, found.full
    for text, part, answer in planted(exercise):
        if part and part != "forward" and harmless(exercise, answer, seed):
            continue
        mark = marked(exercise, examine(exercise, answer, seed))
        lost = mark.earned < exercise.total if not part else mark.points[part] == 0
        yield text, mark, lost or not exercise.points.get(part, 1)


def harmless(exercise: Exercise, answer: Right, seed: int) -> bool:
    """Whether the mistake changes nothing where it is looked for."""
    for case in designed(exercise.form, seed):
        y = exercise.right(*case.inputs)
        g = np.ones(y.shape, y.dtype)
        right = answer.gradients(case.inputs, g)
        for a, b in zip(right, answer.mistake(list(right), case.inputs, g), strict=True):
            if (a is None) != (b is None) or (a is not None and (a.dtype != b.dtype or not np.array_equal(a, b))):
                return False
    return True
