"""The exercises of `minigrad grade` as it comes: ten Functions to write, from a layer to a convolution.

It is a file as a teacher writes one, and a pattern to begin with.
"""

from collections.abc import Callable
from typing import Any

from minigrad.grade.exercise import Exercise
from minigrad.ops.registry import REGISTRY


def operation(name: str, **params: Any) -> Callable[..., Any]:
    """An operation of minigrad as the reference of an exercise."""
    function = REGISTRY[name].function
    return lambda *inputs: function(*inputs, **params)


def layer_norm(x: Any, weight: Any, bias: Any, *, eps: float = 1e-5) -> Any:
    return REGISTRY["layer_norm"].function(x, x.shape[-1:], weight, bias, eps=eps)


EXERCISES = [
    Exercise(
        "Linear",
        "y = x W + b",
        {"forward": 2, "x": 2, "W": 2, "b": 2},
        operation("linear"),
        "(n,p),(p,q),(q)->(n,q)",
        shapes="x (n, p), W (p, q), b (q,); y is (n, q)",
    ),
    Exercise(
        "MSE",
        "L = Σ (yhat - y)² / N, the mean over all N entries",
        {"forward": 2, "yhat": 3, "y": 3},
        operation("mse_loss"),
        "(n,q),(n,q)->()",
        shapes="yhat and y (n, q); L is a number",
    ),
    Exercise(
        "ReLU",
        "y = max(x, 0), entry by entry",
        {"forward": 2, "x": 4},
        operation("relu"),
        "()->()",
        shapes="x of any shape; y has the shape of x",
    ),
    Exercise(
        "Sigmoid",
        "y = 1 / (1 + e⁻ˣ), entry by entry",
        {"forward": 2, "x": 4},
        operation("sigmoid"),
        "()->()",
        shapes="x of any shape; y has the shape of x",
    ),
    Exercise(
        "Multiply",
        "y = a b, entry by entry, with NumPy's broadcasting",
        {"forward": 2, "a": 4, "b": 4},
        operation("multiply"),
        "(),()->()",
        shapes="a and b of any shapes that broadcast; a gradient has the shape of its input",
    ),
    Exercise(
        "LogSumExp",
        "y = ln Σ eˣ, the sum over each row; for entries in the thousands, too",
        {"forward": 4, "x": 6},
        operation("logsumexp", axis=1),
        "(n,c)->(n)",
        shapes="x (n, c); y is (n,)",
    ),
    Exercise(
        "Softmax",
        "y = eˣ / Σ eˣ, the sum over each row; for entries in the thousands, too",
        {"forward": 4, "x": 8},
        operation("softmax"),
        "(n,c)->(n,c)",
        shapes="x (n, c); y is (n, c)",
    ),
    Exercise(
        "LayerNorm",
        "y = (x - mean) / √(variance + 1e-5) * weight + bias, mean and variance of each row",
        {"forward": 4, "x": 4, "weight": 1, "bias": 1},
        layer_norm,
        "(n,d),(d),(d)->(n,d)",
        shapes="x (n, d), weight (d,), bias (d,); y is (n, d); the variance divides by d",
    ),
    Exercise(
        "CrossEntropy",
        "L = the mean over the rows of -ln softmax(x)[t], t the row's class; for entries in the thousands, too",
        {"forward": 4, "x": 10},
        operation("cross_entropy"),
        "(n,c),(n)->()",
        domain={"t": "c"},
        labels=("t",),
        shapes="x (n, c), t (n,) integers, whose gradient is None; L is a number",
    ),
    Exercise(
        "Conv2d",
        "y[n, o, i, j] = Σ x[n, c, i + r, j + s] weight[o, c, r, s] + bias[o], the sum over c, r and s",
        {"forward": 4, "x": 6, "weight": 4, "bias": 2},
        operation("conv2d"),
        "(n,c,3,4),(o,c,2,3),(o)->(n,o,2,2)",
        shapes="x (n, c, h, w), weight (o, c, k, l), bias (o,); y is (n, o, h - k + 1, w - l + 1)",
    ),
]
