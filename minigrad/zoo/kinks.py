"""Functions that are one formula here and another there."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import also_right, right, wrong


@right("()->()")
class ReLU(Function):
    "y = max(x, 0)"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.maximum(x, 0)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x > 0)


@wrong(ReLU, "mask", "x")
def relu_lets_everything_pass(ctx, g):
    "Passes g on where x is negative, too."
    return g * 1


@wrong(ReLU, "cotangent-nonlinear", "x")
def relu_of_the_gradient(ctx, g):
    "Applies the function itself to g: the mask belongs to x."
    return np.maximum(g, 0)


@wrong(ReLU, "mutates")
def relu_zeroes_in_place(ctx, g):
    "Writes the zeros into g, which is not its own."
    (x,) = ctx.saved_tensors
    g[x <= 0] = 0
    return g


@wrong(ReLU, "mutates", "x")
def relu_forward_in_place():
    "Forward writes the zeros into x, and the caller's array has changed."

    def forward(ctx, x):
        ctx.save_for_backward(x)
        x[x < 0] = 0
        return x * 1

    return {"forward": forward, "backward": ReLU.backward}


@wrong(ReLU, "first-call", "x")
def relu_keeps_its_mask_by_shape():
    "Keeps masks by the shape of x, to save time: the next batch has the same shape."
    masks = {}

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * masks.setdefault(x.shape, x > 0)

    return backward


@right("()->()")
class LeakyReLU(Function):
    "y = x where x > 0, x / 10 elsewhere"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.where(x > 0, x, x / 10)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return np.where(x > 0, g, g / 10)


@wrong(LeakyReLU, "left-out", "x")
def leaky_relu_does_not_leak(ctx, g):
    "The derivative of relu: none where x is negative."
    (x,) = ctx.saved_tensors
    return g * (x > 0)


@right("()->()")
class HardTanh(Function):
    "y = x between -1 and 1, and the nearer of them outside"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.clip(x, -1, 1)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (abs(x) < 1)


@wrong(HardTanh, "mask", "x")
def hardtanh_open_above(ctx, g):
    "The mask has a lower end only."
    (x,) = ctx.saved_tensors
    return g * (x > -1)


also_right(
    "relu_at_zero",
    ReLU,
    "At the kink the derivative is a convention, and 0 is the usual one.",
    np.array([[0.0, -1.0, 2.0]]),
)
also_right("hardtanh_at_its_corners", HardTanh, "The same at two kinks.", np.array([[-1.0, 0.5, 1.0]]))
