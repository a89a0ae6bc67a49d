"""Losses: a number that says how far off a prediction is."""

import numpy as np

from minigrad.ops.registry import op


@op
class mse_loss:
    """L = Σ (yhat - target)² / N, the mean over all N entries

    yhat and target have the same shape; nothing is broadcast.
    """
    signature = "(n,q),(n,q)->()"
    def forward(yhat, target):              return (error := errors(yhat, target)).dot(error) / error.size
    def d_yhat(g, y, yhat, target):         return 2 / yhat.size * (yhat - target) * g
    def d_target(g, y, yhat, target):       return 2 / yhat.size * (target - yhat) * g


def errors(yhat, target):
    """The differences as a vector, if the two have one shape and are not empty."""
    a, b = getattr(yhat, "shape", ()), getattr(target, "shape", ())
    if a != b:
        raise ValueError(mismatch("mse_loss", a, b))
    if 0 in a:
        raise ValueError(f"mse_loss: the mean over no entries is not defined (shape {a})")
    return np.subtract(yhat, target).reshape(-1)


def mismatch(loss, prediction, target):
    """What to say when broadcasting would compare every prediction with every target."""
    advice = "reshape one of them to the shape of the other"
    if sorted(n for n in prediction if n != 1) == sorted(n for n in target if n != 1):
        advice = f"target.reshape({prediction}) or yhat.reshape({target}) makes them one shape"
    return (
        f"{loss}: the prediction has shape {prediction} and the target {target}. Broadcasting would compare entries "
        f"that do not belong together; {advice}"
    )
