"""Entry by entry, with NumPy's broadcasting."""

import numpy as np

from minigrad.engine.numeric import NUMBERS
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import op
from minigrad.tensor import Tensor

POSITIVE = (0.0, np.inf)

# For rules that are infinite or undefined where y is not. NumPy warns of what is singular in the forward, where the
# user has written it; that the slope of √x at 0 is inf is an agreed answer, and needs no warning.
silently = np.errstate(divide="ignore", over="ignore", invalid="ignore")


@op
class add:
    "y = a + b"
    operator = "__add__"
    def forward(a, b):      return np.add(a, b)
    def d_a(g, y, a, b):    return g
    def d_b(g, y, a, b):    return g


@op
class subtract:
    "y = a - b"
    operator = "__sub__"
    def forward(a, b):      return np.subtract(a, b)
    def d_a(g, y, a, b):    return g
    def d_b(g, y, a, b):    return -g


@op
class multiply:
    "y = a * b"
    operator = "__mul__"
    def forward(a, b):      return np.multiply(a, b)
    def d_a(g, y, a, b):    return g * b
    def d_b(g, y, a, b):    return g * a


@op
class divide:
    "y = a / b"
    operator = "__truediv__"
    domain = {"b": POSITIVE}
    def forward(a, b):      return np.divide(a, b)
    def d_a(g, y, a, b):    return g / b
    def d_b(g, y, a, b):    return -g * y / b


@op
class negative:
    "y = -x"
    operator = "__neg__"
    def forward(x):         return np.negative(x)
    def d_x(g, y, x):       return -g


@op
class positive:
    "y = +x, the same value as a node of its own"
    operator = "__pos__"
    def forward(x):         return np.positive(x)
    def d_x(g, y, x):       return g


@op
class power:
    """y = a ** b

    At a = 0 the derivative to b is 0 unless b is negative, and at b = 0 the derivative to a is 0, also where a is 0: as
    in torch.
    """
    operator = "__pow__"
    domain = {"a": POSITIVE}
    def forward(a, b):      return np.power(a, b)
    @silently
    def d_a(g, y, a, b):    return g * power_slope(a, b)
    @silently
    def d_b(g, y, a, b):    return g * y * power_log(a, b)

    def public(power, a, b):  # the square has a simpler rule, defined everywhere
        if type(b) in (int, float) and b == 2 and operand(a).dtype.kind in ("f" if type(b) is float else "fiu"):
            return square(a)
        return power(a, b)


def power_slope(a, b):
    """b * a ** (b - 1); where b is 0 it is b / a, and 0 even if 1 / a is infinite."""
    if type(b) in (int, float):
        return b * a ** (b - 1 if b else 0)
    flat = np.equal(b, 0)
    slope = b * a ** np.where(flat, 0, b - 1) + edge(b - 1, np.equal(a, 0) * np.equal(b, 1))
    return np.where(flat, over(np.where(flat, b, 0), np.where(flat, a, 1)), slope)


def power_log(a, b):
    """ln a, but 0 where a is 0 and b is not negative."""
    zero = np.equal(a, 0) * np.greater_equal(b, 0)
    return np.log(np.where(zero, 1, a)) + edge(a, zero)


def edge(x, here):
    """0; and where `here` holds, as it may where x is 0, without a derivative."""
    return over(np.where(here, x, 0), np.where(here, x, 1))


@op
class over:
    """y = a / b, and 0 where b is 0

    Of all slopes that a cone has at its tip this is the one in the middle. It has none itself there: its derivative is
    nan.
    """
    helper = True
    domain = {"b": POSITIVE}
    @silently
    def forward(a, b):
        tip = np.equal(b, 0)
        return np.where(tip, 0 * a, a / np.where(tip, 1, b))
    @silently
    def d_a(g, y, a, b):    return np.where(np.equal(b, 0), np.nan, g / b)
    @silently
    def d_b(g, y, a, b):    return np.where(np.equal(b, 0), np.nan, -g * y / b)


@op
class square:
    "y = x * x"
    def forward(x):         return np.square(x)
    def d_x(g, y, x):       return 2 * g * x


@op
class sqrt:
    "y = √x, with the derivative inf at 0"
    domain = {"x": POSITIVE}
    def forward(x):         return np.sqrt(x)
    @silently
    def d_x(g, y, x):       return g / (2 * y)


@op
class abs:
    "y = |x|, with the derivative 0 at 0"
    operator = "__abs__"
    def forward(x):         return np.absolute(x)
    def d_x(g, y, x):       return g * np.sign(x)


# ------------------------------------------------------------------------------------------ exponentials and logarithms
@op
class exp:
    "y = eˣ"
    def forward(x):         return np.exp(x)
    def d_x(g, y, x):       return g * y


@op
class expm1:
    "y = eˣ - 1, exact for small x"
    def forward(x):         return np.expm1(x)
    def d_x(g, y, x):       return g * np.exp(x)


@op
class log:
    "y = ln x"
    domain = {"x": POSITIVE}
    def forward(x):         return np.log(x)
    def d_x(g, y, x):       return g / x


@op
class log1p:
    "y = ln(1 + x), exact for small x"
    domain = {"x": (-1.0, np.inf)}
    def forward(x):         return np.log1p(x)
    def d_x(g, y, x):       return g / (1 + x)


# ------------------------------------------------------------------------------------------------------------- circular
@op
class sin:
    "y = sin x"
    def forward(x):         return np.sin(x)
    def d_x(g, y, x):       return g * np.cos(x)


@op
class cos:
    "y = cos x"
    def forward(x):         return np.cos(x)
    def d_x(g, y, x):       return -g * np.sin(x)


@op
class tan:
    "y = tan x"
    domain = {"x": (-1.5, 1.5)}
    def forward(x):         return np.tan(x)
    def d_x(g, y, x):       return g * (1 + y * y)


@op
class arctan:
    "y = arctan x"
    def forward(x):         return np.arctan(x)
    @silently  # x * x may be infinite, and the slope is 0 then
    def d_x(g, y, x):       return g / (1 + x * x)


# ---------------------------------------------------------------------------------------------------------- activations
@op
class tanh:
    "y = tanh x"
    def forward(x):         return np.tanh(x)
    def d_x(g, y, x):       return g * (1 - y * y)


@op
class sigmoid:
    "y = 1 / (1 + e⁻ˣ)"
    def forward(x):
        falling = np.exp(np.where(np.real(x) < 0, x, np.negative(x)))  # e^-|x|, which cannot overflow
        return np.where(np.real(x) < 0, falling, 1) / (1 + falling)
    def d_x(g, y, x):       return g * y * (1 - y)


@op
class relu:
    "y = max(x, 0), with the derivative 0 at 0"
    def forward(x):         return np.maximum(x, 0)
    def d_x(g, y, x):       return np.where(np.greater(x, 0), g, 0)


@op
class leaky_relu:
    "y = x if x > 0 else negative_slope * x"
    params = [{}, {"negative_slope": 0.25}]
    def forward(x, *, negative_slope=0.01):         return np.where(np.greater(x, 0), x, negative_slope * x)
    def d_x(g, y, x, *, negative_slope):            return np.where(np.greater(x, 0), g, negative_slope * g)


@op
class elu:
    "y = x if x > 0 else alpha * (eˣ - 1)"
    params = [{}, {"alpha": 0.5}]
    def forward(x, *, alpha=1.0):       return np.where(np.greater(x, 0), x, alpha * np.expm1(np.minimum(x, 0)))
    def d_x(g, y, x, *, alpha):
        negative = np.where(np.less(x, 0), x, 0)  # so that the exponential of the other branch cannot overflow
        return np.where(np.greater(x, 0), g, alpha * g * np.exp(negative))


@op
class softplus:
    """y = ln(1 + exp(beta * x)) / beta, a smooth relu

    Where beta * x is above `threshold` it is x, as in torch.
    """
    params = [{}, {"beta": 2.0, "threshold": 3.0}]
    def forward(x, *, beta=1.0, threshold=20.0):
        z = np.multiply(beta, x)
        return np.where(z > threshold, x, np.log1p(np.exp(np.minimum(z, threshold))) / beta)
    def d_x(g, y, x, *, beta, threshold):  # 1 - exp(-beta * y) is sigmoid(beta * x)
        return np.where(np.greater(beta * x, threshold), g, -g * np.expm1(-beta * y))


# --------------------------------------------------------------------------------------------------- one of several
@op
class maximum:
    "y = max(a, b), the larger of two; a tie is split in halves, as in torch"
    def forward(a, b):      return np.maximum(a, b)
    def d_a(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.less(a, b), 0, g))
    def d_b(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.less(b, a), 0, g))


@op
class minimum:
    "y = min(a, b), the smaller of two; a tie is split in halves, as in torch"
    def forward(a, b):      return np.minimum(a, b)
    def d_a(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.greater(a, b), 0, g))
    def d_b(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.greater(b, a), 0, g))


@op
class clip:
    """y = a, raised to a_min where it is less and lowered to a_max where it is more

    A bound may be None. At a bound the derivative to a is 1, as in torch. Where a_min is more than a_max, y is a_max.
    """
    numpy = [np.clip, np._core.umath.clip]  # the latter for the method of NumPy's arrays
    domain = {"a_min": (-1.0, 0.0), "a_max": (0.0, 1.0)}
    def forward(a, a_min=None, a_max=None):         return np.clip(a, a_min, a_max)
    def d_a(g, y, a, a_min, a_max):                 return np.where(np.equal(a, y), uncrossed(g, y, a_min), 0)
    def d_a_min(g, y, a, a_min, a_max):             return np.where(np.less(a, y), uncrossed(g, y, a_min), 0)
    def d_a_max(g, y, a, a_min, a_max):
        return np.where(np.greater(a, y), g, 0 if a_min is None else np.where(np.less(y, a_min), g, 0))

    def public(clip, a, a_min=None, a_max=None, *, min=None, max=None):  # NumPy has two names for each bound
        if (min is not None and a_min is not None) or (max is not None and a_max is not None):
            raise TypeError("clip: a bound was given twice, as a_min and min or as a_max and max")
        return clip(a, a_min if min is None else min, a_max if max is None else max)


def uncrossed(g, y, a_min):
    """g; 0 where y is less than a_min, as then it is a_max, whatever a is."""
    return g if a_min is None else np.where(np.less(y, a_min), 0, g)


@op
class where:
    """y = a where condition holds, b elsewhere

    Both branches are computed, and where one of them is singular its derivative is 0 * inf, which is nan. So make its
    argument harmless first, then choose:

    >>> x = Tensor([0.0, 2.0], requires_grad=True)
    >>> y = np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0)
    >>> y.sum().backward()
    >>> x.grad
    array([0. , 0.5])
    """
    domain = {"condition": bool}
    def forward(condition, a, b):           return np.where(condition, a, b)
    d_condition = None
    def d_a(g, y, condition, a, b):         return np.where(condition, g, 0)
    def d_b(g, y, condition, a, b):         return np.where(condition, 0, g)


# ---------------------------------------------------- steps: constant nearly everywhere, and so without a derivative
def step(formula, function, **block):
    """The operation y = function(x) or y = function(a, b), entry by entry; `block` is what else it says of itself."""
    if function.nin == 1:
        block |= {"forward": lambda x: function(x), "d_x": None}
    else:
        block |= {"forward": lambda a, b: function(a, b), "d_a": None, "d_b": None}
    return op(type(function.__name__, (), {"__doc__": f"y = {formula}, without a derivative", **block}))


MASKS = {"a": bool, "b": bool}

sign = step("-1, 0 or 1", np.sign)
isnan = step("whether x is nan", np.isnan)
isfinite = step("whether x is neither nan nor infinite", np.isfinite)

equal = step("a == b", np.equal, operator="__eq__", comparison=True)
not_equal = step("a != b", np.not_equal, operator="__ne__", comparison=True)
less = step("a < b", np.less, operator="__lt__", comparison=True)
less_equal = step("a <= b", np.less_equal, operator="__le__", comparison=True)
greater = step("a > b", np.greater, operator="__gt__", comparison=True)
greater_equal = step("a >= b", np.greater_equal, operator="__ge__", comparison=True)

logical_and = step("a and b, entry by entry", np.logical_and, domain=MASKS)
logical_or = step("a or b, entry by entry", np.logical_or, domain=MASKS)
logical_not = step("not x, entry by entry", np.logical_not, domain={"x": bool})
bitwise_and = step("a & b, for masks and integers", np.bitwise_and, operator="__and__", domain=MASKS)
bitwise_or = step("a | b, for masks and integers", np.bitwise_or, operator="__or__", domain=MASKS)
invert = step("~x, for masks and integers", np.invert, operator="__invert__", domain={"x": bool})


# --------------------------------------------------------------------------------------------------------------- dtypes
@op
class astype:
    "y = x in another dtype; an integer or boolean one is a step, without a derivative"
    params = [{"dtype": np.float64}, {"dtype": np.float32}]
    numpy = [np.astype]
    words = np.ndarray.astype
    def forward(x, *, dtype):       return x.astype(dtype)
    def d_x(g, y, x, *, dtype):     return g
    def public(astype, x, dtype, *, copy=True):
        if not copy and type(x) is Tensor and x.dtype == dtype:
            return x
        kind = np.dtype(dtype).kind
        if kind not in NUMBERS:
            raise TypeError(f"astype: a Tensor holds numbers, and dtype {np.dtype(dtype)} is for something else")
        return astype(x, dtype=dtype) if kind in "fc" else truncated(lifted(x), dtype=dtype)


@op
class truncated:
    "y = x in an integer or boolean dtype, without a derivative"
    helper = True
    params = [{"dtype": np.int64}, {"dtype": np.bool_}]
    def forward(x, *, dtype): return x.astype(dtype)
    d_x = None
