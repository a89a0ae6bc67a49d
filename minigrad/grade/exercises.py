"""The exercises of `minigrad grade`: ten Functions to write, from a layer to a convolution.

An exercise says what is to be computed; the operation of minigrad that computes it knows the answer.

>>> print(EXERCISES["ReLU"])
ReLU (6 points): y = max(x, 0), entry by entry
  forward(ctx, x) with x of any shape; y has the shape of x
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from minigrad.ops.registry import REGISTRY
from minigrad.tensor import Tensor

__all__ = ["EXERCISES", "Exercise", "template"]


@dataclass(frozen=True)
class Exercise:
    """A Function to write.

    Attributes:
        name, statement, shapes: what to call it, what it computes, and from what.
        points: what a right forward is worth ("forward"), and the right gradient of each input, by its name.
        reference: the operation of minigrad that computes it.
        signature, domain: what the inputs are, as blocks of the registry say it.
        inputs: their names; those without points have no derivative.
    """

    name: str
    statement: str
    shapes: str
    points: dict[str, int]
    reference: Callable[..., Tensor] = field(repr=False)
    signature: str
    domain: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*[name for name in self.points if name != "forward"], *self.labels)

    @property
    def total(self) -> int:
        return sum(self.points.values())

    def __str__(self) -> str:
        head = f"{self.name} ({self.total} points): {self.statement}"
        return f"{head}\n  forward(ctx, {', '.join(self.inputs)}) with {self.shapes}"


def operation(name: str, **params: Any) -> Callable[..., Tensor]:
    return partial(REGISTRY[name].function, **params)


EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for exercise in [
        Exercise(
            "Linear",
            "y = x W + b",
            "x (n, p), W (p, q), b (q,); y is (n, q)",
            {"forward": 2, "x": 2, "W": 2, "b": 2},
            operation("linear"),
            "(n,p),(p,q),(q)->(n,q)",
        ),
        Exercise(
            "MSE",
            "L = Σ (yhat - y)² / N, the mean over all N entries",
            "yhat and y (n, q); L is a number",
            {"forward": 2, "yhat": 3, "y": 3},
            operation("mse_loss"),
            "(n,q),(n,q)->()",
        ),
        Exercise(
            "ReLU",
            "y = max(x, 0), entry by entry",
            "x of any shape; y has the shape of x",
            {"forward": 2, "x": 4},
            operation("relu"),
            "()->()",
        ),
        Exercise(
            "Sigmoid",
            "y = 1 / (1 + e⁻ˣ), entry by entry",
            "x of any shape; y has the shape of x",
            {"forward": 2, "x": 4},
            operation("sigmoid"),
            "()->()",
        ),
        Exercise(
            "Multiply",
            "y = a b, entry by entry, with NumPy's broadcasting",
            "a and b of any shapes that broadcast; a gradient has the shape of its input",
            {"forward": 2, "a": 4, "b": 4},
            operation("multiply"),
            "(),()->()",
        ),
        Exercise(
            "LogSumExp",
            "y = ln Σ eˣ, the sum over each row; for entries in the thousands, too",
            "x (n, c); y is (n,)",
            {"forward": 4, "x": 6},
            operation("logsumexp", axis=1),
            "(n,c)->(n)",
        ),
        Exercise(
            "Softmax",
            "y = eˣ / Σ eˣ, the sum over each row; for entries in the thousands, too",
            "x (n, c); y is (n, c)",
            {"forward": 4, "x": 8},
            operation("softmax"),
            "(n,c)->(n,c)",
        ),
        Exercise(
            "LayerNorm",
            "y = (x - mean) / √(variance + 1e-5) * weight + bias, mean and variance of each row",
            "x (n, d), weight (d,), bias (d,); y is (n, d); the variance divides by d",
            {"forward": 4, "x": 4, "weight": 1, "bias": 1},
            lambda x, *others: operation("layer_norm")(x, x.shape[-1:], *others),
            "(n,d),(d),(d)->(n,d)",
        ),
        Exercise(
            "CrossEntropy",
            "L = the mean over the rows of -ln softmax(x)[t], t the row's class; for entries in the thousands, too",
            "x (n, c), t (n,) integers, whose gradient is None; L is a number",
            {"forward": 4, "x": 10},
            operation("cross_entropy"),
            "(n,c),(n)->()",
            {"t": "c"},
            ("t",),
        ),
        Exercise(
            "Conv2d",
            "y[n, o, i, j] = Σ x[n, c, i + r, j + s] weight[o, c, r, s] + bias[o], the sum over c, r and s",
            "x (n, c, h, w), weight (o, c, k, l), bias (o,); y is (n, o, h - k + 1, w - l + 1)",
            {"forward": 4, "x": 6, "weight": 4, "bias": 2},
            operation("conv2d"),
            "(n,c,3,4),(o,c,2,3),(o)->(n,o,2,2)",
        ),
    ]
}

HEAD = '''\
"""Exercises in backpropagation. Write each forward and each backward; leave out what you do not want graded yet.

forward(ctx, ...) gets NumPy arrays and returns one; what backward needs is saved with ctx.save_for_backward(...).
backward(ctx, grad) gets dL/dy and returns one gradient for each input of forward, of the shape and dtype of that input.

    minigrad grade student.py               marks, and what is wrong
    minigrad grade student.py Linear MSE    of these only
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
    def backward(ctx, grad):
        raise NotImplementedError  # return {gradients}
'''


def template() -> str:
    """A file to begin with: each exercise as a class whose methods are to be written."""
    classes = [
        CLASS.format(
            name=e.name,
            statement=e.statement,
            shapes=e.shapes,
            inputs=", ".join(e.inputs),
            gradients=", ".join("None" if name in e.labels else f"dL/d{name}" for name in e.inputs),
        )
        for e in EXERCISES.values()
    ]
    return HEAD + "".join(classes)
