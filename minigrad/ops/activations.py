"""What stands between the layers of a network, entry by entry, and the error function that one of them is made of."""

import math

import numpy as np

from minigrad.ops.elementwise import masked, silently
from minigrad.ops.registry import op


@op
class sigmoid:
    """y = 1 / (1 + e⁻ˣ)

    >>> sigmoid([-1.0, 0.0, 2.0])
    Tensor([0.26894142, 0.5       , 0.88079708])
    """
    def forward(x):
        falling = np.exp(np.where(np.real(x) < 0, x, np.negative(x)))  # e^-|x|, which cannot overflow
        return np.where(np.real(x) < 0, falling, 1) / (1 + falling)
    def d_x(g, y, x):       return g * y * (1 - y)


@op
class relu:
    """y = max(x, 0), with the derivative 0 at 0

    >>> relu([-1.0, 0.0, 2.0])
    Tensor([0., 0., 2.])
    """
    def forward(x):         return np.maximum(x, 0)
    def d_x(g, y, x):       return masked(g, np.greater(x, 0))


@op
class leaky_relu:
    """y = x if x > 0 else negative_slope * x

    >>> leaky_relu([-1.0, 0.0, 2.0])
    Tensor([-0.01,  0.  ,  2.  ])
    """
    params = [{}, {"negative_slope": 0.25}]
    def forward(x, *, negative_slope=0.01):         return np.where(np.greater(x, 0), x, negative_slope * x)
    def d_x(g, y, x, *, negative_slope):            return np.where(np.greater(x, 0), g, negative_slope * g)


@op
class elu:
    """y = x if x > 0 else alpha * (eˣ - 1)

    Source: Clevert, Unterthiner and Hochreiter, arXiv 1511.07289.

    >>> elu([-1.0, 0.0, 2.0])
    Tensor([-0.63212056,  0.        ,  2.        ])
    """
    params = [{}, {"alpha": 0.5}]
    def forward(x, *, alpha=1.0):       return np.where(np.greater(x, 0), x, alpha * np.expm1(np.minimum(x, 0)))
    def d_x(g, y, x, *, alpha):
        negative = np.where(np.less(x, 0), x, 0)  # so that the exponential of the other branch cannot overflow
        return np.where(np.greater(x, 0), g, alpha * g * np.exp(negative))


@op
class softplus:
    """y = ln(1 + exp(beta * x)) / beta, a smooth relu

    Where beta * x is above `threshold` it is x, as in torch.

    >>> softplus([-1.0, 0.0, 2.0])
    Tensor([0.31326169, 0.69314718, 2.12692801])
    """
    params = [{}, {"beta": 2.0, "threshold": 3.0}]
    def forward(x, *, beta=1.0, threshold=20.0):
        z = np.multiply(beta, x)
        return np.where(z > threshold, x, np.log1p(np.exp(np.minimum(z, threshold))) / beta)
    def d_x(g, y, x, *, beta, threshold):  # 1 - exp(-beta * y) is sigmoid(beta * x)
        return np.where(np.greater(beta * x, threshold), g, -g * np.expm1(-beta * y))


@op
class logsigmoid:
    """y = ln(1 / (1 + e⁻ˣ))

    >>> logsigmoid([-1.0, 0.0, 2.0])
    Tensor([-1.31326169, -0.69314718, -0.12692801])
    """
    def compose(x):                     return -softplus(-x, threshold=EXACT)


EXACT = 40.0  # from here on, softplus(x) is x in every dtype


@op
class silu:
    """y = x / (1 + e⁻ˣ)

    Source: Elfwing, Uchibe and Doya, arXiv 1702.03118.

    >>> silu([-1.0, 0.0, 2.0])
    Tensor([-0.26894142,  0.        ,  1.76159416])
    """
    def compose(x):                     return x * sigmoid(x)


@op
class mish:
    """y = x tanh(ln(1 + eˣ))

    Source: Misra, arXiv 1908.08681.

    >>> mish([-1.0, 0.0, 2.0])
    Tensor([-0.30340146,  0.        ,  1.94395896])
    """
    def compose(x):                     return x * np.tanh(softplus(x, threshold=EXACT))


@op
class softsign:
    """y = x / (1 + |x|)

    >>> softsign([-1.0, 0.0, 2.0])
    Tensor([-0.5       ,  0.        ,  0.66666667])
    """
    def compose(x):                     return x / (1 + np.abs(x))


@op
class hardtanh:
    """y = x, raised to min_val and lowered to max_val; the derivative is 0 outside of them and at both, as in torch

    >>> hardtanh([-1.0, 0.0, 2.0])
    Tensor([-1.,  0.,  1.])
    """
    params = [{}, {"min_val": -0.5, "max_val": 2.0}]
    def forward(x, *, min_val=-1.0, max_val=1.0):
        return np.where(np.less(x, min_val), min_val, np.where(np.greater(x, max_val), max_val, x)).astype(x.dtype)
    def d_x(g, y, x, *, min_val, max_val):
        return np.where(np.greater(x, min_val), np.where(np.less(x, max_val), g, 0), 0)


@op
class gelu:
    """y = x Φ(x), where Φ is the distribution function of the normal distribution

    With approximate="tanh" it is x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    Source: Hendrycks and Gimpel, Gaussian error linear units, arXiv 1606.08415.

    >>> gelu([-1.0, 0.0, 2.0])
    Tensor([-0.15865525,  0.        ,  1.95449974])
    """
    params = [{}, {"approximate": "tanh"}]
    def compose(x, *, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f"gelu: approximate is 'none' or 'tanh', and not {approximate!r}")
        if approximate == "none":
            return x * erfc(x * -(0.5**0.5)) / 2
        return x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2


# ---------------------------------------------------------------------------------------------------- error functions
# ln(erfc(z) exp(z²) / t) for z >= 0 as a polynomial in s = 2t - 1 where t = 2 / (2 + z), from the highest power down:
# what interpolates it at the 27 zeros of a Chebyshev polynomial, computed in 40 digits.
TAIL = (
    4.059203416871319e-09, -1.6257634004200004e-09, -3.9153823681150644e-08, 3.996584549064402e-08,
    1.532694522477242e-07, -3.175036568175422e-07, -1.6833321758830403e-07, 1.3278447814608566e-06,
    -1.2725384918465064e-06, -3.0087258428155394e-06, 8.562827807038024e-06, 1.7065643682608049e-07,
    -3.0188008635174027e-05, 3.1732769210255435e-05, 7.140106496969276e-05, -0.00017429974539128116,
    -9.373504499208804e-05, 0.0006736782487619259, -0.00014624686098279685, -0.002345812442194841,
    0.0017589335575530585, 0.008824938553557172, -0.009872689366376865, -0.04689561023107716, 0.04734330684190415,
    0.6726432239776559, -0.6717940840566923,
)
NEAR = tuple([2 * (-1) ** n / (np.pi**0.5 * math.factorial(n) * (2 * n + 1)) for n in range(13)][::-1])  # erf(x) / x


@op
class erf:
    """y = 2/√π ∫ exp(-t²) dt from 0 to x

    >>> erf([-1.0, 0.0, 2.0])
    Tensor([-0.84270079,  0.        ,  0.99532227])
    """
    wide = "ebiu"
    def forward(x):
        near = np.less(np.abs(x), 0.5)
        inner, outer = np.where(near, x, 0), np.where(near, 1, x)
        return np.where(near, inner * np.polyval(NEAR, inner * inner), 1 - complement(outer)).astype(x.dtype)
    @silently
    def d_x(g, y, x):       return g * (2 / np.pi**0.5) * np.exp(-x * x)


@op
class erfc:
    """y = 1 - erf x, exact where that is small

    >>> erfc([-1.0, 0.0, 2.0])
    Tensor([1.84270079, 1.        , 0.00467773])
    """
    wide = "ebiu"
    def forward(x):         return complement(x).astype(x.dtype)
    @silently
    def d_x(g, y, x):       return g * (-2 / np.pi**0.5) * np.exp(-x * x)


@silently  # the square of a large number
def complement(x):
    """erfc x; to the left of 0 it is 2 - erfc(-x)."""
    left = np.less(np.real(x), 0)
    z = np.where(left, np.negative(x), x)
    t = 2 / (2 + z)
    tail = t * np.exp(np.polyval(TAIL, 2 * t - 1) - z * z)
    return np.where(left, 2 - tail, tail)
