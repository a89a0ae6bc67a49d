"""Whether exercises measure what they should: the reference earns full marks, and planted mistakes cost some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad.checks.cases import designed
from minigrad.checks.contract import wrong_inputs
from minigrad.checks.subject import Inputs
from minigrad.checks.trial import Trial
from minigrad.grade.examination import Mistake, Right, examine, right_answer
from minigrad.grade.exercise import Exercise
from minigrad.grade.grading import Mark, marked

__all__ = ["broken", "calibration"]

Array = np.ndarray[Any, Any]


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
    """The points of the reference and of each planted mistake, and whether that is as it should be.

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
