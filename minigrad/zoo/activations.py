"""Activation functions: one formula, and its derivative from memory."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import right, wrong


@right("()->()")
class Tanh(Function):
    "y = tanh x"

    def forward(ctx, x):
        y = np.tanh(x)
        ctx.save_for_backward(x, y)
        return y

    def backward(ctx, g):
        _, y = ctx.saved_tensors
        return g * (1 - y * y)


@wrong(Tanh, "wrong-rule", "x", "tanh")
def tanh_by_the_rule_of_sigmoid(ctx, g):
    "y (1 - y) is the sigmoid's."
    _, y = ctx.saved_tensors
    return g * y * (1 - y)


@wrong(Tanh, "at-input", "x", "tanh")
def tanh_of_x_squared(ctx, g):
    "1 - x², where it is 1 - y²."
    x, _ = ctx.saved_tensors
    return g * (1 - x * x)


@right("()->()")
class SiLU(Function):
    "y = x s, with s the sigmoid of x"

    def forward(ctx, x):
        s = 1 / (1 + np.exp(-x))
        ctx.save_for_backward(x, s)
        return x * s

    def backward(ctx, g):
        x, s = ctx.saved_tensors
        return g * (s + x * s * (1 - s))


@wrong(SiLU, "left-out", "x", "s")
def silu_without_the_product_rule(ctx, g):
    "Only x is differentiated: s moves with x, too."
    _, s = ctx.saved_tensors
    return g * s


@wrong(SiLU, "missing-factor", "x", "x")
def silu_forgets_x(ctx, g):
    "The second term of the product rule lacks its other factor."
    _, s = ctx.saved_tensors
    return g * (s + s * (1 - s))


@wrong(SiLU, "missing-factor", "x", "sigmoid")
def silu_takes_s_for_its_argument(ctx, g):
    "The derivative of the sigmoid is not there: s + x."
    x, s = ctx.saved_tensors
    return g * (s + x)


@right("()->()")
class Gelu(Function):
    "y = x (1 + t) / 2, with t the tanh of 0.8 (x + 0.045 x³)"

    def forward(ctx, x):
        t = np.tanh(0.8 * (x + 0.045 * x**3))
        ctx.save_for_backward(x, t)
        return 0.5 * x * (1 + t)

    def backward(ctx, g):
        x, t = ctx.saved_tensors
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.8 * (1 + 3 * 0.045 * x * x))


@wrong(Gelu, "missing-factor", "x", "0.8")
def gelu_without_the_inner_factor(ctx, g):
    "The 0.8 in front of the bracket is not multiplied in."
    x, t = ctx.saved_tensors
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (1 + 3 * 0.045 * x * x))


@wrong(Gelu, "power", "x", "x**3")
def gelu_forgets_the_exponent(ctx, g):
    "The derivative of x³ without its 3."
    x, t = ctx.saved_tensors
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.8 * (1 + 0.045 * x * x))


@wrong(Gelu, "left-out", "x", "x**3")
def gelu_without_the_cube(ctx, g):
    "The cubic term is in the forward only."
    x, t = ctx.saved_tensors
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.8)


@right("()->()")
class Softsign(Function):
    "y = x / (1 + |x|)"

    def forward(ctx, x):
        d = 1 + abs(x)
        ctx.save_for_backward(x, d)
        return x / d

    def backward(ctx, g):
        _, d = ctx.saved_tensors
        return g / d**2


@wrong(Softsign, "left-out", "x", "d")
def softsign_of_a_constant_denominator(ctx, g):
    "1 / d: the denominator moves with x, too."
    _, d = ctx.saved_tensors
    return g / d


@wrong(Softsign, "mask", "x", "abs")
def softsign_forgets_the_sign(ctx, g):
    "The derivative of |x| is its sign, and 1 stands there."
    x, d = ctx.saved_tensors
    return g * (1 / d - x / d**2)


@right("()->()")
class Swish(Function):
    "y = x sigmoid(1.5 x)"

    def forward(ctx, x):
        z = 1.5 * x
        s = 1 / (1 + np.exp(-z))
        ctx.save_for_backward(x, z, s)
        return x * s

    def backward(ctx, g):
        x, _, s = ctx.saved_tensors
        return g * (s + 1.5 * x * s * (1 - s))


@wrong(Swish, "missing-factor", "x", "1.5")
def swish_without_beta(ctx, g):
    "The chain rule gives a factor 1.5."
    x, _, s = ctx.saved_tensors
    return g * (s + x * s * (1 - s))


@wrong(Swish, "at-input", "x", "sigmoid")
def swish_of_the_argument(ctx, g):
    "z (1 - z) instead of s (1 - s)."
    x, z, s = ctx.saved_tensors
    return g * (s + 1.5 * x * z * (1 - z))


@right("()->()")
class Power4(Function):
    "y = x⁴"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**4

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 4 * x**3


@wrong(Power4, "power", "x", "x**4")
def power_keeps_its_exponent(ctx, g):
    "4 x⁴: the exponent goes down by one."
    (x,) = ctx.saved_tensors
    return g * 4 * x**4


@wrong(Power4, "power", "x", "x**4")
def power_multiplies_with_the_new_exponent(ctx, g):
    "3 x³: what is multiplied with is the old exponent."
    (x,) = ctx.saved_tensors
    return g * 3 * x**3


@right("()->()")
class HardTanh(Function):
    "y = x, not below -1 nor above 1"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.clip(x, -1, 1)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (abs(x) < 1)


@wrong(HardTanh, "mask", "x", "clip")
def hard_tanh_never_saturates(ctx, g):
    "Passes everything on."
    return g * 1


@wrong(HardTanh, "mask", "x", "clip")
def hard_tanh_without_its_lower_bound(ctx, g):
    "The derivative is 0 below -1, too."
    (x,) = ctx.saved_tensors
    return g * (x < 1)


@right("(n,c),(c)->(n,c)")
class PReLU(Function):
    "y = x where x > 0, a x elsewhere, a for each column"

    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return np.where(x > 0, x, a * x)

    def backward(ctx, g):
        x, a = ctx.saved_tensors
        return g * np.where(x > 0, 1, a), (g * np.where(x > 0, 0, x)).sum(0)


@wrong(PReLU, "mask", "a", "where")
def prelu_slope_without_the_mask(ctx, g):
    "The slope gets its gradient from all entries, and belongs to the negative ones."
    x, a = ctx.saved_tensors
    return g * np.where(x > 0, 1, a), (g * x).sum(0)


@wrong(PReLU, "mask", "a", "where")
def prelu_slope_from_the_wrong_side(ctx, g):
    "The slope gets its gradient from the positive entries."
    x, a = ctx.saved_tensors
    return g * np.where(x > 0, 1, a), (g * np.where(x > 0, x, 0)).sum(0)


@wrong(PReLU, "missing-factor", "x", "a")
def prelu_without_its_slope(ctx, g):
    "On the negative side the derivative is a, and 1 stands there."
    x, _ = ctx.saved_tensors
    return g * 1, (g * np.where(x > 0, 0, x)).sum(0)
