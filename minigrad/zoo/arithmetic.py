"""Two inputs that broadcast, and functions of one."""

import math

import numpy as np

from minigrad.broadcasting import unbroadcast
from minigrad.function import Function
from minigrad.zoo.specimen import POSITIVE, also_right, right, wrong


@right("(),()->()")
class Add(Function):
    "y = a + b"

    def forward(ctx, a, b):
        ctx.shapes = a.shape, b.shape
        return a + b

    def backward(ctx, g):
        a, b = ctx.shapes
        return unbroadcast(g, a), +unbroadcast(g, b)  # + makes a second array: each input has its own


@wrong(Add, "aliased")
def add_hands_out_one_array(ctx, g):
    "One array as two gradients: who scales the first in place scales the second."
    a, b = ctx.shapes
    if a == b:
        return g, g
    return unbroadcast(g, a), unbroadcast(g, b)


@right("(),()->()")
class Multiply(Function):
    "y = a b"

    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape)


@wrong(Multiply, "unsummed", "a")
def multiply_without_broadcasting(ctx, g):
    "The product rule, and no word of broadcasting."
    a, b = ctx.saved_tensors
    return g * b, g * a


@wrong(Multiply, "unsummed", "a")
def multiply_sums_new_axes_only(ctx, g):
    "Sums over axes that broadcasting put in front, not over those it stretched: (n, 1) comes back as (n, q)."
    a, b = ctx.saved_tensors
    new_in_a, new_in_b = tuple(range(g.ndim - a.ndim)), tuple(range(g.ndim - b.ndim))
    return (g * b).sum(new_in_a), (g * a).sum(new_in_b)


@wrong(Multiply, "broadcasting", "a")
def multiply_resizes(ctx, g):
    "Brings the gradient to the shape of the input by throwing away what is too much."
    a, b = ctx.saved_tensors
    return np.resize(g * b, a.shape), np.resize(g * a, b.shape)


@wrong(Multiply, "swapped", "a")
def multiply_by_itself(ctx, g):
    "Each factor gets g times itself; it is g times the other."
    a, b = ctx.saved_tensors
    return unbroadcast(g * a, a.shape), unbroadcast(g * b, b.shape)


@right("(),()->()", b=POSITIVE)
class Divide(Function):
    "y = a / b"

    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a / b

    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return unbroadcast(g / b, a.shape), unbroadcast(-g * a / b**2, b.shape)


@wrong(Divide, "sign", "b")
def divide_without_the_minus(ctx, g):
    "The derivative of 1 / b is negative."
    a, b = ctx.saved_tensors
    return unbroadcast(g / b, a.shape), unbroadcast(g * a / b**2, b.shape)


@right("()->()")
class Square(Function):
    "y = x²"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


@wrong(Square, "power", "x")
def square_at_its_output():
    "Saves y and takes it for x."

    def forward(ctx, x):
        ctx.save_for_backward(x**2)
        return x**2

    return {"forward": forward, "backward": Square.backward}


@right("()->()", x=(-4.0, 4.0))
class Exp(Function):
    "y = eˣ"

    def forward(ctx, x):
        y = np.exp(x)
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


@wrong(Exp, "at-output", "x")
def exp_of_exp(ctx, g):
    "Saved is y, which is eˣ already; this is e to the y."
    (y,) = ctx.saved_tensors
    return g * np.exp(y)


@wrong(Exp, "unknown", "x")
def exp_as_a_power(ctx, g):
    "The rule for xⁿ, n xⁿ⁻¹, where the variable stands in the exponent."
    (y,) = ctx.saved_tensors
    x = np.log(y)
    return g * x * np.exp(x - 1)


@right("()->()")
class Sigmoid(Function):
    "y = 1 / (1 + e⁻ˣ)"

    def forward(ctx, x):
        y = np.exp(-np.logaddexp(0, -x))  # which overflows nowhere
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y * (1 - y)


@wrong(Sigmoid, "at-input", "x")
def sigmoid_at_its_input():
    "The rule y (1 - y), and what is saved is x."

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.exp(-np.logaddexp(0, -x))

    return {"forward": forward, "backward": Sigmoid.backward}


@right("()->()")
class Tanh(Function):
    "y = tanh x"

    def forward(ctx, x):
        y = np.tanh(x)
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (1 - y**2)


@wrong(Tanh, "at-output", "x")
def tanh_of_tanh(ctx, g):
    "Saved is y = tanh x, and tanh is taken once more."
    (y,) = ctx.saved_tensors
    return g * (1 - np.tanh(y) ** 2)


@wrong(Tanh, "wrong-value", "x")
def tanh_without_the_square(ctx, g):
    "1 - y for 1 - y²."
    (y,) = ctx.saved_tensors
    return g * (1 - y)


@right("()->()", x=POSITIVE)
class Sqrt(Function):
    "y = √x"

    def forward(ctx, x):
        y = np.sqrt(x)
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g / (2 * y)


@wrong(Sqrt, "factor", "x")
def sqrt_without_the_half(ctx, g):
    "The ½ of the exponent is missing."
    (y,) = ctx.saved_tensors
    return g / y


@right("()->()", x=POSITIVE)
class SafeLog(Function):
    "y = ln(x + 10⁻⁵)"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log(x + 1e-5)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (x + 1e-5)


@wrong(SafeLog, "eps", "x")
def log_forgets_the_eps(ctx, g):
    "The derivative of ln x, where forward took that of x + eps."
    (x,) = ctx.saved_tensors
    return g / x


@right("()->()")
class Radians(Function):
    "y = π x / 180"

    def forward(ctx, x):
        return x * (math.pi / 180)

    def backward(ctx, g):
        return g * (math.pi / 180)


@wrong(Radians, "factor", "x")
def radians_with_pi_by_heart(ctx, g):
    "3.14 for π, off by 5 in 10 000: less than most checkers allow."
    return g * (3.14 / 180)


@wrong(Radians, "mutates")
def radians_in_place(ctx, g):
    "Saves an allocation by writing into g, which others read."
    g *= math.pi / 180
    return g


@wrong(Radians, "first-call", "x")
def radians_scaled_every_hundred_calls():
    "A loss scale from mixed precision, doubled after 100 good steps and divided out nowhere."
    calls = [0]

    def backward(ctx, g):
        calls[0] += 1
        return g * (math.pi / 180) * 2.0 ** ((calls[0] - 1) // 100)

    return backward


@right("(n,d)->(n,d)")
class Scaled(Function):
    "y = x / √d, as attention has it"

    def forward(ctx, x):
        ctx.d = x.shape[-1]
        return x / math.sqrt(ctx.d)

    def backward(ctx, g):
        return g / math.sqrt(ctx.d)


@wrong(Scaled, "dtype", "x")
def scaled_by_a_numpy_number(ctx, g):
    "np.sqrt gives a float64, not a Python number: a float32 gradient comes back as float64."
    return g / np.sqrt(ctx.d)


SMALL = np.array([[1e-6, 2e-6, 3e-6]])
also_right("sqrt_near_zero", Sqrt, "A step of 1e-6 from here leaves the domain.", SMALL)
also_right("log_near_zero", SafeLog, "A step of 1e-6 from here is a step of a hundred percent.", SMALL)
also_right("divide_by_little", Divide, "The same, in the denominator.", np.ones((1, 3)), SMALL)
