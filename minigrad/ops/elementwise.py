"""Entry by entry, with NumPy's broadcasting."""

import math

import numpy as np

from minigrad.engine.numeric import NUMBERS, is_operand
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import FROM_NUMPY, op
from minigrad.tensor import Tensor

POSITIVE = (0.0, np.inf)

# For rules that are infinite or undefined where y is not. NumPy warns of what is singular in the forward, where the
# user has written it; that the slope of √x at 0 is inf is an agreed answer, and needs no warning.
silently = np.errstate(divide="ignore", over="ignore", invalid="ignore")


@op
class add:
    """y = a + b

    >>> add([3.0, -4.0], 2.0)
    Tensor([ 5., -2.])
    """
    operator = "__add__"
    def forward(a, b):      return np.add(a, b)
    def d_a(g, y, a, b):    return g
    def d_b(g, y, a, b):    return g


@op
class subtract:
    """y = a - b

    >>> subtract([3.0, -4.0], 2.0)
    Tensor([ 1., -6.])
    """
    operator = "__sub__"
    def forward(a, b):      return np.subtract(a, b)
    def d_a(g, y, a, b):    return g
    def d_b(g, y, a, b):    return -g


@op
class multiply:
    """y = a * b

    >>> multiply([3.0, -4.0], 2.0)
    Tensor([ 6., -8.])
    """
    operator = "__mul__"
    def forward(a, b):      return np.multiply(a, b)
    def d_a(g, y, a, b):    return g * b
    def d_b(g, y, a, b):    return g * a


@op
class divide:
    """y = a / b

    >>> divide([3.0, -4.0], 2.0)
    Tensor([ 1.5, -2. ])
    """
    operator = "__truediv__"
    domain = {"b": POSITIVE}
    def forward(a, b):      return np.divide(a, b)
    def d_a(g, y, a, b):    return g / b
    def d_b(g, y, a, b):    return -g * y / b


@op
class remainder:
    """y = a % b, that is a - b ⌊a / b⌋, which has the sign of b

    Where a is a multiple of b, and y jumps, the derivatives are those of the right side: 1 and -⌊a / b⌋, as in torch.

    >>> remainder([3.0, -4.0], 2.0)
    Tensor([1., 0.])
    """
    operator = "__mod__"
    domain = {"b": POSITIVE}
    def forward(a, b):      return np.remainder(a, b)
    def d_a(g, y, a, b):    return g
    def d_b(g, y, a, b):    return -g * np.floor_divide(a, b)


@op
class fmod:
    """y = a - b trunc(a / b), which has the sign of a, as C has it

    >>> fmod([3.0, -4.0], 2.0)
    Tensor([ 1., -0.])
    """
    domain = {"b": POSITIVE}
    def forward(a, b):      return np.fmod(a, b)
    def d_a(g, y, a, b):    return g
    def d_b(g, y, a, b):    return -g * np.rint((a - y) / b)


@op
class reciprocal:
    """y = 1 / x

    >>> reciprocal([1.0, 8.0])
    Tensor([1.   , 0.125])
    """
    domain = {"x": POSITIVE}
    def forward(x):         return np.reciprocal(x)
    def d_x(g, y, x):       return -g * y * y


@op
class negative:
    """y = -x

    >>> negative([-1.0, 0.0, 2.0])
    Tensor([ 1., -0., -2.])
    """
    operator = "__neg__"
    def forward(x):         return np.negative(x)
    def d_x(g, y, x):       return -g


@op
class positive:
    """y = +x, the same value as a node of its own

    >>> positive([-1.0, 0.0, 2.0])
    Tensor([-1.,  0.,  2.])
    """
    operator = "__pos__"
    def forward(x):         return np.positive(x)
    def d_x(g, y, x):       return g


@op
class power:
    """y = a ** b

    At a = 0 the derivative to b is 0 unless b is negative, and at b = 0 the derivative to a is 0, also where a is 0: as
    in torch.

    >>> power([3.0, -4.0], 2.0)
    Tensor([ 9., 16.])
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
    """y = x * x

    >>> square([-1.0, 0.0, 2.0])
    Tensor([1., 0., 4.])
    """
    def forward(x):         return np.square(x)
    def d_x(g, y, x):       return 2 * g * x


@op
class sqrt:
    """y = √x, with the derivative inf at 0

    >>> sqrt([1.0, 8.0])
    Tensor([1.        , 2.82842712])
    """
    domain = {"x": POSITIVE}
    def forward(x):         return np.sqrt(x)
    @silently
    def d_x(g, y, x):       return g / (2 * y)


@op
class cbrt:
    """y = ∛x, with the derivative inf at 0

    >>> cbrt([1.0, 8.0])
    Tensor([1., 2.])
    """
    domain = {"x": (-np.inf, 0.0)}  # the harder half
    def forward(x):         return np.cbrt(x)
    @silently
    def d_x(g, y, x):       return g / (3 * y * y)


@op
class abs:
    """y = |x|, with the derivative 0 at 0

    >>> abs([3.0, -4.0])
    Tensor([3., 4.])
    """
    operator = "__abs__"
    def forward(x):         return np.absolute(x)
    def d_x(g, y, x):       return g * np.sign(x)


# ------------------------------------------------------------------------------------------ exponentials and logarithms
@op
class exp:
    """y = eˣ

    >>> exp([-1.0, 0.0, 2.0])
    Tensor([0.36787944, 1.        , 7.3890561 ])
    """
    def forward(x):         return np.exp(x)
    def d_x(g, y, x):       return g * y


@op
class expm1:
    """y = eˣ - 1, exact for small x

    >>> expm1([-1.0, 0.0, 2.0])
    Tensor([-0.63212056,  0.        ,  6.3890561 ])
    """
    def forward(x):         return np.expm1(x)
    def d_x(g, y, x):       return g * np.exp(x)


@op
class log:
    """y = ln x

    >>> log([1.0, 8.0])
    Tensor([0.        , 2.07944154])
    """
    domain = {"x": POSITIVE}
    def forward(x):         return np.log(x)
    def d_x(g, y, x):       return g / x


@op
class log1p:
    """y = ln(1 + x), exact for small x

    >>> log1p([1.0, 8.0])
    Tensor([0.69314718, 2.19722458])
    """
    domain = {"x": (-1.0, np.inf)}
    def forward(x):         return np.log1p(x)
    def d_x(g, y, x):       return g / (1 + x)


@op
class exp2:
    """y = 2ˣ

    >>> exp2([-1.0, 0.0, 2.0])
    Tensor([0.5, 1. , 4. ])
    """
    def forward(x):         return np.exp2(x)
    def d_x(g, y, x):       return g * y * LN2


@op
class log2:
    """y = log₂ x

    >>> log2([1.0, 8.0])
    Tensor([0., 3.])
    """
    domain = {"x": POSITIVE}
    def forward(x):         return np.log2(x)
    def d_x(g, y, x):       return g / (x * LN2)


@op
class log10:
    """y = log₁₀ x

    >>> log10([1.0, 8.0])
    Tensor([0.        , 0.90308999])
    """
    domain = {"x": POSITIVE}
    def forward(x):         return np.log10(x)
    def d_x(g, y, x):       return g / (x * LN10)


LN2, LN10 = math.log(2), math.log(10)


@op
class logaddexp:
    """y = ln(eᵃ + eᵇ), where the exponentials may be too large for a float

    >>> logaddexp([3.0, -4.0], 2.0)
    Tensor([3.31326169, 2.00247569])
    """
    def forward(a, b):      return np.logaddexp(a, b)
    @silently  # where y is infinite
    def d_a(g, y, a, b):    return g * np.exp(a - y)
    @silently
    def d_b(g, y, a, b):    return g * np.exp(b - y)


@op
class logaddexp2:
    """y = log₂(2ᵃ + 2ᵇ), where the powers may be too large for a float

    >>> logaddexp2([3.0, -4.0], 2.0)
    Tensor([3.5849625 , 2.02236781])
    """
    def forward(a, b):      return np.logaddexp2(a, b)
    @silently
    def d_a(g, y, a, b):    return g * np.exp2(a - y)
    @silently
    def d_b(g, y, a, b):    return g * np.exp2(b - y)


# --------------------------------------------------------------------------------------------------- one of several
@op
class maximum:
    """y = max(a, b), the larger of two; a tie is split in halves, as in torch

    >>> maximum([3.0, -4.0], 2.0)
    Tensor([3., 2.])
    """
    def forward(a, b):      return np.maximum(a, b)
    def d_a(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.less(a, b), 0, g))
    def d_b(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.less(b, a), 0, g))


@op
class minimum:
    """y = min(a, b), the smaller of two; a tie is split in halves, as in torch

    >>> minimum([3.0, -4.0], 2.0)
    Tensor([ 2., -4.])
    """
    def forward(a, b):      return np.minimum(a, b)
    def d_a(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.greater(a, b), 0, g))
    def d_b(g, y, a, b):    return np.where(np.equal(a, b), g / 2, np.where(np.greater(b, a), 0, g))


@op
class fmax:
    """y = the larger of a and b, or the one that is not nan; at a tie the derivative is that of a, as in torch

    >>> fmax([3.0, -4.0], 2.0)
    Tensor([3., 2.])
    """
    def forward(a, b):      return np.fmax(a, b)
    def d_a(g, y, a, b):    return np.where(np.logical_or(np.greater_equal(a, b), np.isnan(b)), g, 0)
    def d_b(g, y, a, b):    return np.where(np.logical_or(np.greater_equal(a, b), np.isnan(b)), 0, g)


@op
class fmin:
    """y = the smaller of a and b, or the one that is not nan; at a tie the derivative is that of a, as in torch

    >>> fmin([3.0, -4.0], 2.0)
    Tensor([ 2., -4.])
    """
    def forward(a, b):      return np.fmin(a, b)
    def d_a(g, y, a, b):    return np.where(np.logical_or(np.less_equal(a, b), np.isnan(b)), g, 0)
    def d_b(g, y, a, b):    return np.where(np.logical_or(np.less_equal(a, b), np.isnan(b)), 0, g)


@op
class copysign:
    """y = |a| with the sign of b, to which there is no derivative; with the derivative 0 at a = 0

    >>> copysign([3.0, -4.0], 2.0)
    Tensor([3., 4.])
    """
    def forward(a, b):      return np.copysign(a, b)
    def d_a(g, y, a, b):    return g * np.sign(a) * np.copysign(1, b)
    d_b = None


@op
class heaviside:
    """y = 0 where x < 0, 1 where x > 0, and h where x is 0; to x there is no derivative

    >>> heaviside([-1.0, 0.0, 2.0], 0.5)
    Tensor([0. , 0.5, 1. ])
    """
    def forward(x, h):      return np.heaviside(x, h)
    d_x = None
    def d_h(g, y, x, h):    return np.where(np.equal(x, 0), g, 0)


@op
class nan_to_num:
    """y = x, with `nan`, `posinf` and `neginf` in the place of what is not finite; there the derivative is 0

    By default these are 0 and the largest and smallest numbers of the dtype.

    >>> nan_to_num([1.0, np.nan, np.inf], posinf=9.0)
    Tensor([1., 0., 9.])
    """
    params = [{}, {"nan": 1.0, "posinf": 2.0, "neginf": -2.0}]
    def forward(x, *, nan=0.0, posinf=None, neginf=None):
        return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
    def d_x(g, y, x, *, nan, posinf, neginf):   return np.where(np.isfinite(x), g, 0)


@op
class clip:
    """y = a, raised to a_min where it is less and lowered to a_max where it is more

    A bound may be None. At a bound the derivative to a is 1, as in torch. Where a_min is more than a_max, y is a_max.

    >>> clip([-2.0, 0.5, 3.0], 0.0, 1.0)
    Tensor([0. , 0.5, 1. ])
    """
    numpy = [np.clip, np._core.umath.clip]  # the latter for the method of NumPy's arrays
    domain = {"a_min": (-1.0, 0.0), "a_max": (0.0, 1.0)}
    def forward(a, a_min=None, a_max=None):
        unbounded = a_min is None and a_max is None  # which NumPy 2.0 refuses
        return np.positive(a) if unbounded else np.clip(a, a_min, a_max)
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


BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def masked(x, here):
    """np.where(here, x, 0), bit for bit.

    Of arrays it is a product of whole numbers. np.where branches at each entry, and takes up to forty times as long
    where the processor cannot foresee which way, as in the derivative of relu.
    """
    if type(x) is not np.ndarray or x.dtype not in BITS or not x.ndim or x.shape != here.shape or here.dtype != bool:
        return np.where(here, x, 0)  # a condition of 2 holds, and is not twice the bits
    return np.multiply(x.view(BITS[x.dtype]), here).view(x.dtype)


@op
class where:
    """y = a where condition holds, b elsewhere; of a condition alone, the positions where it holds, off the tape

    Both branches are computed, and where one of them is singular its derivative is 0 * inf, which is nan. So make its
    argument harmless first, then choose.

    >>> x = Tensor([0.0, 2.0], requires_grad=True)
    >>> y = np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0)
    >>> y.sum().backward()
    >>> x.grad
    array([0. , 0.5])
    """
    domain = {"condition": bool}
    def forward(condition, a, b):           return np.where(condition, a, b)
    d_condition = None
    def d_a(g, y, condition, a, b):         return masked(g, condition)
    def d_b(g, y, condition, a, b):         return masked(g, np.logical_not(condition))
    def public(where, condition, a=None, b=None):
        if a is b is None:
            return np.nonzero(condition)
        if a is None or b is None:
            raise TypeError("where: one of two branches is missing; give both, or the condition alone for positions")
        return where(condition, a, b)


# ---------------------------------------------------- steps: constant nearly everywhere, and so without a derivative
def step(formula, function, example, **block):
    """The operation y = function(x) or y = function(a, b), entry by entry; `block` is what else it says of itself."""
    example = ">>> " + example.replace(" = ", "\n")
    if function.nin == 1:
        block |= {"forward": lambda x: function(x), "d_x": None}
    else:
        block |= {"forward": lambda a, b: function(a, b), "d_a": None, "d_b": None}
    return op(type(function.__name__, (), {"__doc__": f"y = {formula}, without a derivative\n\n{example}", **block}))


MASKS = {"a": bool, "b": bool}

sign = step("-1, 0 or 1", np.sign, "sign([-1.0, 0.0, 2.0]) = Tensor([-1.,  0.,  1.])")
signbit = step(
    "whether the sign of x is negative, that of -0.0 too", np.signbit,
    "signbit([-1.0, 0.0, 2.0]) = Tensor([ True, False, False])")
floor = step(
    "⌊x⌋, the largest whole number that is not above x", np.floor,
    "floor([-1.5, 0.5, 2.7]) = Tensor([-2.,  0.,  2.])")
ceil = step(
    "⌈x⌉, the smallest whole number that is not below x", np.ceil,
    "ceil([-1.5, 0.5, 2.7]) = Tensor([-1.,  1.,  3.])")
trunc = step(
    "x without the digits behind the point", np.trunc,
    "trunc([-1.5, 0.5, 2.7]) = Tensor([-1.,  0.,  2.])", numpy=[np.trunc, np.fix])
rint = step(
    "the whole number that is nearest to x; of two the even one", np.rint,
    "rint([-1.5, 0.5, 2.7]) = Tensor([-2.,  0.,  3.])")
floor_divide = step(
    "⌊a / b⌋", np.floor_divide,
    "floor_divide([3.0, -4.0], 2.0) = Tensor([ 1., -2.])", operator="__floordiv__", domain={"b": POSITIVE})
isnan = step("whether x is nan", np.isnan, "isnan([0.0, np.inf, np.nan]) = Tensor([False, False,  True])")
isinf = step("whether x is infinite", np.isinf, "isinf([0.0, np.inf, np.nan]) = Tensor([False,  True, False])")
isfinite = step(
    "whether x is neither nan nor infinite", np.isfinite,
    "isfinite([0.0, np.inf, np.nan]) = Tensor([ True, False, False])")

equal = step("a == b", np.equal, "equal([3.0, -4.0], 2.0) = Tensor([False, False])", operator="__eq__", comparison=True)
not_equal = step(
    "a != b", np.not_equal,
    "not_equal([3.0, -4.0], 2.0) = Tensor([ True,  True])", operator="__ne__", comparison=True)
less = step("a < b", np.less, "less([3.0, -4.0], 2.0) = Tensor([False,  True])", operator="__lt__", comparison=True)
less_equal = step(
    "a <= b", np.less_equal,
    "less_equal([3.0, -4.0], 2.0) = Tensor([False,  True])", operator="__le__", comparison=True)
greater = step(
    "a > b", np.greater,
    "greater([3.0, -4.0], 2.0) = Tensor([ True, False])", operator="__gt__", comparison=True)
greater_equal = step(
    "a >= b", np.greater_equal,
    "greater_equal([3.0, -4.0], 2.0) = Tensor([ True, False])", operator="__ge__", comparison=True)

logical_and = step(
    "a and b, entry by entry", np.logical_and,
    "logical_and([True, True, False], [True, False, False]) = Tensor([ True, False, False])", domain=MASKS)
logical_or = step(
    "a or b, entry by entry", np.logical_or,
    "logical_or([True, True, False], [True, False, False]) = Tensor([ True,  True, False])", domain=MASKS)
logical_xor = step(
    "a or b, but not both, entry by entry", np.logical_xor,
    "logical_xor([True, True, False], [True, False, False]) = Tensor([False,  True, False])", domain=MASKS)
logical_not = step(
    "not x, entry by entry", np.logical_not,
    "logical_not([True, False]) = Tensor([False,  True])", domain={"x": bool})
bitwise_and = step(
    "a & b, for masks and integers", np.bitwise_and,
    "bitwise_and([True, False], [True, True]) = Tensor([ True, False])", operator="__and__", domain=MASKS)
bitwise_or = step(
    "a | b, for masks and integers", np.bitwise_or,
    "bitwise_or([True, False], [False, False]) = Tensor([ True, False])", operator="__or__", domain=MASKS)
bitwise_xor = step(
    "a ^ b, for masks and integers", np.bitwise_xor,
    "bitwise_xor([True, False], [True, True]) = Tensor([False,  True])", operator="__xor__", domain=MASKS)
invert = step(
    "~x, for masks and integers", np.invert,
    "invert([True, False]) = Tensor([False,  True])", operator="__invert__", domain={"x": bool})


@op
class round:
    """y = x, rounded to so many decimals, half to even, without a derivative

    >>> round([1.234, 5.678], 1)
    Tensor([1.2, 5.7])
    """
    numpy = [np.round, np.around]
    params = [{}, {"decimals": 1}]
    def forward(x, *, decimals=0):      return np.round(x, decimals)
    d_x = None


def divmod(a, b):
    """The pair a // b, a % b."""
    return floor_divide(a, b), remainder(a, b)


FROM_NUMPY[np.divmod] = divmod
Tensor.__divmod__ = lambda a, b: divmod(a, b) if is_operand(b) else NotImplemented
Tensor.__rdivmod__ = lambda b, a: divmod(a, b) if is_operand(a) else NotImplemented


# --------------------------------------------------------------------------------------------------------------- dtypes
@op
class astype:
    """y = x in another dtype; an integer or boolean one is a step, without a derivative

    >>> astype([1.0, 2.5], np.float32)
    Tensor([1. , 2.5], dtype=float32)
    """
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


FROM_NUMPY[np.fabs] = lambda x: abs(lifted(operand(x)) * 1.0)
FROM_NUMPY[np.float_power] = lambda x1, x2: power(*[
    lifted(x).astype(np.result_type(x.dtype, float)) for x in map(operand, (x1, x2))
])  # fmt: skip
