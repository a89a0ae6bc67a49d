"""The ufuncs of scipy.special, for those who have SciPy.

This file is read when the first of them meets a Tensor: SciPy has been imported by then, and never by the engine. What
scipy.special has in Python, such as its logsumexp, makes arrays of its arguments and so takes no Tensor; `minigrad` has
a function of that name.
"""

import math

import numpy as np
from scipy import special

from minigrad.ops.activations import erf, erfc, logsigmoid, sigmoid
from minigrad.ops.elementwise import POSITIVE, cbrt, edge, exp2, expm1, log1p, silently
from minigrad.ops.registry import FROM_NUMPY, op

FROM_NUMPY |= {
    special.cbrt: cbrt, special.erf: erf, special.erfc: erfc, special.exp2: exp2, special.expit: sigmoid,
    special.expm1: expm1, special.log1p: log1p, special.log_expit: logsigmoid,
}  # fmt: skip

ROOT_2PI = math.sqrt(2 * math.pi)


def ufunc(block):
    """The operation that answers to scipy.special's ufunc of that name. It computes in single precision or double."""
    block.wide, block.numpy = "ebiu", getattr(block, "numpy", [getattr(special, block.__name__)])
    return op(block)


# ------------------------------------------------------------------------------------------------------ gamma functions
@ufunc
class gammaln:
    "y = ln |Γ(x)|"
    domain = {"x": POSITIVE}
    def forward(x):             return special.gammaln(x)
    def d_x(g, y, x):           return g * special.psi(x)


@ufunc
class gamma:
    "y = Γ(x), which is (x - 1)! for whole numbers"
    domain = {"x": POSITIVE}
    def forward(x):             return special.gamma(x)
    def d_x(g, y, x):           return g * y * special.psi(x)


@ufunc
class digamma:
    "y = Γ′(x) / Γ(x)"
    domain = {"x": POSITIVE}
    def forward(x):             return special.psi(x)
    def d_x(g, y, x):           return g * hurwitz(x, s=2)


@op
class hurwitz:
    "y = Σ 1 / (x + n)ˢ over n = 0, 1, 2, ...; the derivatives of the digamma function, but for a factor"
    wide = "ebiu"
    helper = True
    domain = {"x": POSITIVE}
    params = [{"s": 2}, {"s": 3}]
    def forward(x, *, s):       return special.zeta(s, x).astype(x.dtype)
    def d_x(g, y, x, *, s):     return g * -s * hurwitz(x, s=s + 1)


@ufunc
class beta:
    "y = Γ(a) Γ(b) / Γ(a + b)"
    domain = {"a": POSITIVE, "b": POSITIVE}
    def forward(a, b):          return special.beta(a, b)
    def d_a(g, y, a, b):        return g * y * (special.psi(a) - special.psi(a + b))
    def d_b(g, y, a, b):        return g * y * (special.psi(b) - special.psi(a + b))


@ufunc
class betaln:
    "y = ln |Γ(a) Γ(b) / Γ(a + b)|"
    domain = {"a": POSITIVE, "b": POSITIVE}
    def forward(a, b):          return special.betaln(a, b)
    def d_a(g, y, a, b):        return g * (special.psi(a) - special.psi(a + b))
    def d_b(g, y, a, b):        return g * (special.psi(b) - special.psi(a + b))


# ----------------------------------------------------------------------------------------- modified Bessel functions
@ufunc
class i0:
    "y = I₀(x)"
    numpy = [special.i0, np.i0]
    def forward(x):             return special.i0(x)
    def d_x(g, y, x):           return g * special.i1(x)


@ufunc
class i1:
    "y = I₁(x)"
    def forward(x):             return special.i1(x)
    def d_x(g, y, x):  # its slope at 0 is 1/2, and so is that of I₁(x) / x
        nought = np.equal(x, 0)
        return g * (special.i0(x) - np.where(nought, 1 / 2, y / np.where(nought, 1, x)))


# ----------------------------------------------------------------------------------------------- normal distribution
@ufunc
class ndtr:
    "y = Φ(x), how much of the normal distribution is below x"
    def forward(x):             return special.ndtr(x)
    @silently
    def d_x(g, y, x):           return g * np.exp(-x * x / 2) / ROOT_2PI


@ufunc
class log_ndtr:
    "y = ln Φ(x), also where Φ(x) is too small for a float"
    def forward(x):             return special.log_ndtr(x)
    def d_x(g, y, x):  # on either side of 0 the quotient of density and Φ is exact in another form
        left = np.less(x, 0)
        far = 2 / special.erfcx(np.where(left, x, 0) * -math.sqrt(1 / 2))
        near = np.exp(-np.square(np.where(left, 0, x)) / 2 - np.where(left, 0, y))
        return g * np.where(left, far, near) / ROOT_2PI


@ufunc
class erfcx:
    "y = exp(x²) erfc(x), also where erfc(x) is too small for a float"
    domain = {"x": (-2.0, np.inf)}
    def forward(x):             return special.erfcx(x)
    @silently
    def d_x(g, y, x):           return g * (2 * x * y - 2 / math.sqrt(math.pi))


@ufunc
class ndtri:
    "y = the x for which Φ(x) is p"
    domain = {"p": (0.0, 1.0)}
    def forward(p):             return special.ndtri(p)
    @silently
    def d_p(g, y, p):           return g * np.exp(y * y / 2) * ROOT_2PI


@ufunc
class erfinv:
    "y = the z for which erf(z) is x"
    domain = {"x": (-1.0, 1.0)}
    def forward(x):             return special.erfinv(x)
    @silently
    def d_x(g, y, x):           return g * np.exp(y * y) * (math.sqrt(math.pi) / 2)


# ----------------------------------------------------------------------------------------- probabilities, logarithms
@ufunc
class logit:
    "y = ln(p / (1 - p))"
    domain = {"p": (0.0, 1.0)}
    def forward(p):             return special.logit(p)
    @silently
    def d_p(g, y, p):           return g / (p * (1 - p))


@ufunc
class xlogy:
    "y = a ln b, and 0 where a is 0; there the derivative to a is ln b, but 0 where that is none, as in torch"
    domain = {"b": POSITIVE}
    def forward(a, b):          return special.xlogy(a, b)
    @silently
    def d_a(g, y, a, b):
        none = np.equal(a, 0) * np.less_equal(b, 0)
        return g * (np.log(np.where(none, 1, b)) + edge(b, none * np.equal(b, 0)))
    @silently
    def d_b(g, y, a, b):        return g * a / b


@ufunc
class xlog1py:
    "y = a ln(1 + b), and 0 where a is 0; there the derivative to a is ln(1 + b), but 0 where that is none, as in torch"
    domain = {"b": (-1.0, np.inf)}
    def forward(a, b):          return special.xlog1py(a, b)
    @silently
    def d_a(g, y, a, b):
        none = np.equal(a, 0) * np.less_equal(b, -1)
        return g * (np.log1p(np.where(none, 0, b)) + edge(b + 1, none * np.equal(b, -1)))
    @silently
    def d_b(g, y, a, b):        return g * a / (1 + b)


@ufunc
class entr:
    "y = -x ln x, and 0 where x is 0"
    domain = {"x": POSITIVE}
    def forward(x):             return special.entr(x)
    @silently
    def d_x(g, y, x):           return -g * (np.log(x) + 1)


@ufunc
class rel_entr:
    "y = a ln(a / b), and 0 where a is 0"
    domain = {"a": POSITIVE, "b": POSITIVE}
    def forward(a, b):          return special.rel_entr(a, b)
    @silently
    def d_a(g, y, a, b):        return g * (np.log(a / b) + 1)
    @silently
    def d_b(g, y, a, b):        return -g * a / b


def divergence(a, b):
    """y = a ln(a / b) - a + b, which scipy.special calls kl_div; the loss of that name is torch's."""
    return special.rel_entr(a, b) - a + b


FROM_NUMPY[special.kl_div] = divergence
