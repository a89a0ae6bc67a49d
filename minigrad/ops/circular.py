"""Circular and hyperbolic functions, their inverses, and what belongs to angles: entry by entry."""

import math

import numpy as np

from minigrad.ops.elementwise import over, silently
from minigrad.ops.registry import op

UNIT = (-1.0, 1.0)


@op
class sin:
    """y = sin x

    >>> sin([-1.0, 0.0, 2.0])
    Tensor([-0.84147098,  0.        ,  0.90929743])
    """
    def forward(x):         return np.sin(x)
    def d_x(g, y, x):       return g * np.cos(x)


@op
class cos:
    """y = cos x

    >>> cos([-1.0, 0.0, 2.0])
    Tensor([ 0.54030231,  1.        , -0.41614684])
    """
    def forward(x):         return np.cos(x)
    def d_x(g, y, x):       return -g * np.sin(x)


@op
class tan:
    """y = tan x

    >>> tan([-1.0, 0.0, 2.0])
    Tensor([-1.55740772,  0.        , -2.18503986])
    """
    domain = {"x": (-1.5, 1.5)}
    def forward(x):         return np.tan(x)
    def d_x(g, y, x):       return g * (1 + y * y)


@op
class arctan:
    """y = arctan x

    >>> arctan([-1.0, 0.0, 2.0])
    Tensor([-0.78539816,  0.        ,  1.10714872])
    """
    def forward(x):         return np.arctan(x)
    @silently  # x * x may be infinite, and the slope is 0 then
    def d_x(g, y, x):       return g / (1 + x * x)


@op
class arcsin:
    """y = arcsin x, with the derivative inf at -1 and 1

    >>> arcsin([-1.0, 0.0, 1.0])
    Tensor([-1.57079633,  0.        ,  1.57079633])
    """
    domain = {"x": UNIT}
    def forward(x):         return np.arcsin(x)
    @silently
    def d_x(g, y, x):       return g / np.sqrt(1 - x * x)


@op
class arccos:
    """y = arccos x, with the derivative -inf at -1 and 1

    >>> arccos([-1.0, 0.0, 1.0])
    Tensor([3.14159265, 1.57079633, 0.        ])
    """
    domain = {"x": UNIT}
    def forward(x):         return np.arccos(x)
    @silently
    def d_x(g, y, x):       return -g / np.sqrt(1 - x * x)


@op
class arctan2:
    """y = the angle of the point with the coordinates b and a: arctan(a / b) where b > 0; at the origin its slope is 0

    >>> arctan2([3.0, -4.0], 2.0)
    Tensor([ 0.98279372, -1.10714872])
    """
    def forward(a, b):      return np.arctan2(a, b)
    def d_a(g, y, a, b):    return g * over(b, a * a + b * b)
    def d_b(g, y, a, b):    return -g * over(a, a * a + b * b)


@op
class hypot:
    """y = √(a² + b²), without an overflow on the way; with the derivative nan at the origin

    >>> hypot([3.0, -4.0], 2.0)
    Tensor([3.60555128, 4.47213595])
    """
    domain = {"a": (0.0, np.inf)}
    def forward(a, b):      return np.hypot(a, b)
    def d_a(g, y, a, b):    return g * (a / np.where(np.equal(y, 0), np.nan, y))
    def d_b(g, y, a, b):    return g * (b / np.where(np.equal(y, 0), np.nan, y))


@op
class deg2rad:
    """y = π x / 180

    >>> deg2rad([90.0, 180.0])
    Tensor([1.57079633, 3.14159265])
    """
    numpy = [np.deg2rad, np.radians]
    def forward(x):         return np.deg2rad(x)
    def d_x(g, y, x):       return np.deg2rad(g)


@op
class rad2deg:
    """y = 180 x / π

    >>> rad2deg([0.0, np.pi])
    Tensor([  0., 180.])
    """
    numpy = [np.rad2deg, np.degrees]
    def forward(x):         return np.rad2deg(x)
    def d_x(g, y, x):       return np.rad2deg(g)


@op
class sinc:
    """y = sin πx / πx, and 1 at 0

    >>> sinc([0.0, 0.5])
    Tensor([1.        , 0.63661977])
    """
    def compose(x):         return sinc_slope(x, n=0)


@op
class sinc_slope:
    """y = the n-th derivative of sin πx / πx

    The derivatives of x s(x) = sin(πx) / π are x s⁽ᵏ⁾ + k s⁽ᵏ⁻¹⁾ = πᵏ⁻¹ sin(πx + kπ/2). Near 0, where they cancel, the
    series has it.
    """
    helper = True
    params = [{"n": 0}, {"n": 1}, {"n": 2}]
    def forward(x, *, n):
        near = np.less(np.abs(x), 1)
        inner, outer = np.where(near, x, 0), np.where(near, 1, x)
        series, y = 0 * inner, np.sin(np.pi * outer) / (np.pi * outer)
        for m in range(20 + n // 2, (n - 1) // 2, -1):  # the coefficient of x to the power 2m - n
            c = (-1) ** m * np.pi ** (2 * m) / math.factorial(2 * m - n) / (2 * m + 1)
            series = series * inner**2 + c
        for k in range(1, n + 1):
            y = (np.pi ** (k - 1) * np.sin(np.pi * outer + k * np.pi / 2) - k * y) / outer
        return np.where(near, series * inner if n % 2 else series, y)
    def d_x(g, y, x, *, n):     return g * sinc_slope(x, n=n + 1)


# ---------------------------------------------------------------------------------------------------------- hyperbolic
@op
class sinh:
    """y = sinh x

    >>> sinh([-1.0, 0.0, 2.0])
    Tensor([-1.17520119,  0.        ,  3.62686041])
    """
    def forward(x):         return np.sinh(x)
    def d_x(g, y, x):       return g * np.cosh(x)


@op
class cosh:
    """y = cosh x

    >>> cosh([-1.0, 0.0, 2.0])
    Tensor([1.54308063, 1.        , 3.76219569])
    """
    def forward(x):         return np.cosh(x)
    def d_x(g, y, x):       return g * np.sinh(x)


@op
class tanh:
    """y = tanh x

    >>> tanh([-1.0, 0.0, 2.0])
    Tensor([-0.76159416,  0.        ,  0.96402758])
    """
    def forward(x):         return np.tanh(x)
    def d_x(g, y, x):       return g * (1 - y * y)


@op
class arcsinh:
    """y = arcsinh x

    >>> arcsinh([-1.0, 0.0, 2.0])
    Tensor([-0.88137359,  0.        ,  1.44363548])
    """
    def forward(x):         return np.arcsinh(x)
    def d_x(g, y, x):       return g / np.hypot(1, x)


@op
class arccosh:
    """y = arccosh x, with the derivative inf at 1

    >>> arccosh([1.0, 2.0])
    Tensor([0.       , 1.3169579])
    """
    domain = {"x": (1.0, np.inf)}
    def forward(x):         return np.arccosh(x)
    @silently
    def d_x(g, y, x):       return g / np.sqrt(x * x - 1)


@op
class arctanh:
    """y = arctanh x

    >>> arctanh([0.0, 0.5])
    Tensor([0.        , 0.54930614])
    """
    domain = {"x": UNIT}
    def forward(x):         return np.arctanh(x)
    @silently
    def d_x(g, y, x):       return g / (1 - x * x)
