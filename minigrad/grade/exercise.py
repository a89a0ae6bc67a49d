"""What an exercise is, and the file that a teacher writes them in.

from minigrad.grade import Exercise

EXERCISES = [
    Exercise(
        "Swish",
        "y = x / (1 + e⁻ˣ), entry by entry",
        points={"forward": 2, "x": 4},
        reference=lambda x: x / (1 + np.exp(-x)),
        signature="()->()",
    ),
]
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.checks.cases import ANY, Form, groups
from minigrad.checks.subject import DirectContext
from minigrad.commands.userfile import UserFileError, load_file
from minigrad.engine.outputs import packed, results
from minigrad.function import Function
from minigrad.tensor import Tensor

__all__ = ["Exercise", "builtin", "load_exercises", "template"]

Array = np.ndarray[Any, Any]


class ExerciseError(ValueError):
    """An exercise cannot be what it says; the message is for its teacher."""


@dataclass(frozen=True)
class Exercise:
    """A Function to write.

    Attributes:
        name, statement: what to call it, and what it computes.
        points: what a right forward is worth ("forward"), and the right gradient of each input, by its name; the inputs
            are in this order.
        reference: what computes it: a function of arrays, an operation of minigrad, or a right Function. A number that
            it takes by keyword, such as ``*, eps=1e-5``, is a constant of the exercise: who takes another size of it
            loses the points of the forward alone.
        signature, domain: the shapes of the inputs and where the function is smooth, as `minigrad.check` takes them.
        shapes: the shapes in words, for the student; by default the signature.
        labels: the names of inputs that have no derivative and no points; they come last.
        hidden: whether it is in no list and no template.

    Raises:
        ExerciseError: these do not fit together; a ValueError.

    >>> print(Exercise("Twice", "y = 2 x", {"forward": 1, "x": 2}, lambda x: 2 * x, "()->()"))
    Twice (3 points): y = 2 x
      forward(ctx, x) with shapes ()->()
    """

    name: str
    statement: str
    points: Mapping[str, float]
    reference: Any = field(repr=False)
    signature: str
    domain: Mapping[str, Any] = field(default_factory=dict)
    shapes: str = ""
    labels: tuple[str, ...] = ()
    hidden: bool = False

    def __post_init__(self) -> None:
        def wrong(reason: str) -> ExerciseError:
            return ExerciseError(f"exercise {self.name}: {reason}")

        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise ExerciseError(f"an exercise is called as its class is, and {self.name!r} is no name of a class")
        if not isinstance(self.points, Mapping) or not self.points:
            raise wrong(f'points are a dict such as {{"forward": 2, "x": 4}}, and these are {self.points!r}')
        for part, worth in self.points.items():
            if isinstance(worth, bool) or not isinstance(worth, int | float) or not (isfinite(worth) and worth >= 0):
                raise wrong(f"points are numbers from 0, and those of {part} are {worth!r}")
        if not callable(getattr(self.reference, "forward", self.reference)):
            raise wrong(f"the reference is a function of arrays or a Function, and this is {self.reference!r}")
        try:
            count = len(groups(self.signature))
        except (ValueError, AttributeError, TypeError) as error:
            raise wrong(str(error)) from error
        if count != len(self.inputs):
            given = ", ".join(self.inputs) or "none"
            raise wrong(f"the signature {self.signature} has {count} inputs, and points and labels name {given}")
        if unknown := [name for name in self.domain if name not in self.inputs]:
            raise wrong(f"domain: {', '.join(unknown)} is no input; the inputs are {', '.join(self.inputs)}")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*[name for name in self.points if name != "forward"], *self.labels)

    @property
    def total(self) -> float:
        return sum(self.points.values())

    @property
    def form(self) -> Form:
        return Form(self.signature, [self.domain.get(name, ANY) for name in self.inputs])

    @property
    def function(self) -> Callable[..., Any]:
        """The reference as a function of arrays."""
        if isinstance(self.reference, type) and issubclass(self.reference, Function):
            needs = [False] * len(self.inputs)
            return lambda *inputs: self.reference.forward(DirectContext(needs), *inputs)
        return self.reference  # type: ignore[no-any-return]

    def outputs(self, *inputs: Any, **constants: float) -> list[Array]:
        """The right results of forward, one array after the other."""
        with np.errstate(all="ignore"):
            result = self.function(*[x.copy() if isinstance(x, np.ndarray) else x for x in inputs], **constants)
        return [np.asarray(y.data if isinstance(y, Tensor) else y) for y in results(result)]

    def right(self, *inputs: Any, **constants: float) -> Array:
        """The right result of forward; of several outputs those of floats, in one row."""
        outputs = self.outputs(*inputs, **constants)
        return outputs[0] if len(outputs) == 1 else packed([y for y in outputs if y.dtype.kind == "f"])

    @property
    def constants(self) -> dict[str, float]:
        """The numbers that the reference takes by keyword."""
        try:
            known = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):  # written in C
            return {}
        return {p.name: p.default for p in known if p.kind is p.KEYWORD_ONLY and type(p.default) is float}

    def __str__(self) -> str:
        head = f"{self.name} ({self.total:g} points): {self.statement}"
        shapes = self.shapes or f"shapes {self.signature}"
        return f"{head}\n  forward(ctx, {', '.join(self.inputs)}) with {shapes}"


def builtin() -> Path:
    return Path(__file__).with_name("exercises.py")


def load_exercises(path: str | Path | None = None) -> dict[str, Exercise]:
    """The exercises of a file, by name; of minigrad's own without one.

    Raises:
        UserFileError: there is no such file, it cannot be run, or what it has is no list of exercises.

    >>> list(load_exercises())[:4]
    ['Linear', 'MSE', 'ReLU', 'Sigmoid']
    """
    path = builtin() if path is None else Path(path)
    try:
        found = getattr(load_file(path), "EXERCISES", None)
    except UserFileError as error:
        if isinstance(error.__cause__, ExerciseError):  # its own sentence says it
            raise UserFileError(f"{path}: {error.__cause__}") from error
        raise
    if not isinstance(found, list | tuple) or not found or not all(isinstance(e, Exercise) for e in found):
        raise UserFileError(f"{path}: a file of exercises has a list EXERCISES of minigrad.grade.Exercise(...)")
    names = [e.name for e in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserFileError(f"{path}: there are {names.count(twice[0])} exercises called {twice[0]}")
    return {e.name: e for e in found}


HEAD = '''\
"""Exercises in backpropagation. Write each forward and each backward; leave out what you do not want graded yet.

forward(ctx, ...) gets NumPy arrays and returns one; what backward needs is saved with ctx.save_for_backward(...).
backward(ctx, grad) gets dL/dy and returns one gradient for each input of forward, of the shape and dtype of that input.
Where several outputs are asked for, forward returns a tuple, and backward gets a gradient for each of them.

    minigrad grade student.py               marks, and what is wrong
    minigrad grade student.py {names}    of these only
"""

import numpy as np

from minigrad import Function
'''

CLASS = '''

class {name}(Function):
    """{statement}

    {shapes}.
    """

    @staticmethod
    def forward(ctx, {inputs}):
        raise NotImplementedError

    @staticmethod
    def backward(ctx, {grads}):
        raise NotImplementedError  # return {gradients}
'''


def skeleton(e: Exercise) -> str:
    """The class of an exercise, its methods to be written."""
    count = len(groups(e.signature, output=True))
    return CLASS.format(
        name=e.name,
        statement=e.statement,
        shapes=e.shapes or f"shapes {e.signature}",
        inputs=", ".join(e.inputs),
        grads=", ".join(f"grad{i}" for i in range(count)) if count > 1 else "grad",
        gradients=", ".join("None" if name in e.labels else f"dL/d{name}" for name in e.inputs),
    )


def template(exercises: Mapping[str, Exercise] | None = None) -> str:
    """A file to begin with: each exercise as a class whose methods are to be written; hidden ones are left out."""
    shown = [e for e in (load_exercises() if exercises is None else exercises).values() if not e.hidden]
    return HEAD.format(names=" ".join(e.name for e in shown[:2])) + "".join(map(skeleton, shown))
