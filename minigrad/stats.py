"""The densities of scipy.stats, in NumPy and scipy.special, so that Tensors pass.

SciPy's own ask for them when they meet a Tensor (ops/arrivals.py): ``from scipy.stats import norm`` serves as well as
``from minigrad.stats import norm``. The names, the order of the arguments
and what they mean are SciPy's, and so are the results: a density is 0 outside of its support, and nan where a parameter
is none. An argument may be a number, an array, a list or a Tensor; they broadcast.

>>> from minigrad import Tensor
>>> mu = Tensor(1.0, requires_grad=True)
>>> norm.logpdf([0.5, 3.0], mu, 2.0).sum().backward()
>>> mu.grad
array(0.375)
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

__all__ = [
    "bernoulli", "beta", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "halfnorm", "invgamma", "laplace",
    "logistic", "lognorm", "multivariate_normal", "norm", "poisson", "t", "uniform",
]  # fmt: skip

Formula = Callable[..., Any]


class Frozen:
    """A distribution with its parameters: ``norm(0, 2).logpdf(x)`` is ``norm.logpdf(x, 0, 2)``."""

    def __init__(self, distribution: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.distribution, self.args, self.kwargs = distribution, args, kwargs

    def __getattr__(self, name: str) -> Formula:
        method = getattr(self.distribution, name)
        return lambda x: method(x, *self.args, **self.kwargs)


class Distribution:
    """The functions that are made of the logarithm of a density, or of a probability."""

    def __call__(self, *args: Any, **kwargs: Any) -> Frozen:
        return Frozen(self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        own = ", ".join(n for n in dir(self) if not n.startswith("_"))
        raise AttributeError(
            f"minigrad.stats has no {name} of this distribution, only {own}; scipy.stats has, of arrays"
        )


class Continuous(Distribution):
    """A distribution of numbers z = (x - loc) / scale.

    Args:
        log_density: ``f(z, *shape)``, for z in the support.
        low, high: the ends of the support.
        log_cdf, log_sf: the logarithms of the probabilities to be below and above, where they have a formula.

    >>> gamma.logpdf([0.5, 1.0], 2.0, scale=0.5)
    array([-0.30685282, -0.61370564])
    """

    def __init__(
        self, log_density: Formula, low: float = -np.inf, high: float = np.inf,
        log_cdf: Formula | None = None, log_sf: Formula | None = None,
    ) -> None:  # fmt: skip
        self._names = [*[*inspect.signature(log_density).parameters][1:], "loc", "scale"]
        self._log_density, self._low, self._high, self._log_cdf, self._log_sf = log_density, low, high, log_cdf, log_sf

    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """ln of the density at x; behind x stand the parameters of the shape, loc=0 and scale=1."""
        *shape, loc, scale = parameters(self._names, args, kwargs)
        y = self._at(x, self._log_density, -np.inf, -np.inf, shape, loc, scale)
        return y if scale is UNIT else y - np.log(scale)

    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The density at x."""
        return np.exp(self.logpdf(x, *args, **kwargs))

    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """ln of the probability to be at x or below."""
        *shape, loc, scale = parameters(self._names, args, kwargs)
        return self._at(x, self._log_cdf, -np.inf, 0.0, shape, loc, scale)

    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability to be at x or below."""
        return np.exp(self.logcdf(x, *args, **kwargs))

    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """ln of the probability to be above x."""
        *shape, loc, scale = parameters(self._names, args, kwargs)
        return self._at(x, self._log_sf, 0.0, -np.inf, shape, loc, scale)

    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability to be above x."""
        return np.exp(self.logsf(x, *args, **kwargs))

    def _at(
        self, x: Any, formula: Formula | None, below: float, above: float, shape: Sequence[Any], loc: Any, scale: Any
    ) -> Any:
        """`formula` at z; beyond the ends of the support `below` and `above`; nan where a parameter is not positive."""
        if formula is None:
            raise NotImplementedError("minigrad.stats has only the density of this distribution; scipy.stats has more")
        z = numbers(x) - loc
        z = z if scale is UNIT else z / scale
        if self._low > -np.inf:  # what is beyond the ends may be singular there: the formula gets something harmless
            under, over = np.less(z, self._low), np.greater(z, self._high)
            y = formula(np.where(np.logical_or(under, over), self._low + 0.5, z), *shape)
            y = np.where(under, below, np.where(over, above, y))
        else:
            y = formula(z, *shape)
        for parameter in [*shape, scale]:
            if type(parameter) in (int, float) and parameter > 0:
                continue
            y = np.where(np.greater(parameter, 0), y, np.nan)
        return y


class Discrete(Distribution):
    """A distribution of the whole numbers k - loc from 0 to `last`, a function of the shape.

    Args:
        log_mass: ``f(k, *shape)``.
        valid: whether ``*shape`` is one.

    >>> binom.pmf([0, 1, 2], 2, 0.5)
    array([0.25, 0.5 , 0.25])
    """

    def __init__(self, log_mass: Formula, last: Formula, valid: Formula) -> None:
        self._names = [*[*inspect.signature(log_mass).parameters][1:], "loc"]
        self._log_mass, self._last, self._valid = log_mass, last, valid

    def logpmf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """ln of the probability of k; behind k stand the parameters of the shape and loc=0."""
        *shape, loc = parameters(self._names, args, kwargs)
        k = numbers(k) - loc
        inside = np.logical_and(np.greater_equal(k, 0), np.less_equal(k, self._last(*shape)))
        possible = np.logical_and(inside, np.equal(np.floor(k), k))
        y = np.where(possible, self._log_mass(np.where(possible, k, 0.0), *shape), -np.inf)
        return np.where(np.logical_and(self._valid(*shape), np.logical_not(np.isnan(k))), y, np.nan)

    def pmf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of k."""
        return np.exp(self.logpmf(k, *args, **kwargs))


def parameters(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Those of these names, by position and by name."""
    found: dict[str, Any] = {"loc": 0.0, "scale": UNIT} if "scale" in names else {"loc": 0.0}
    found |= {**dict(zip(names, args, strict=False)), **kwargs}
    if len(args) > len(names) or found.keys() != set(names) or kwargs.keys() & set(names[: len(args)]):
        raise TypeError(f"needs the parameters {', '.join(names)} (of which loc=0 and scale=1), each once")
    return [numbers(found[name]) for name in names]


def numbers(x: Any) -> Any:
    """A list as an array; Tensors, arrays and numbers as they are."""
    return np.asarray(x) if isinstance(x, list | tuple) else x


UNIT = 1.0  # the scale that is not given, by which nothing is divided
LN2, LN_PI, HALF_LN_2PI = math.log(2), math.log(math.pi), math.log(2 * math.pi) / 2


# ------------------------------------------------------------------------------------------------------- of any number
def of_t(z: Any, df: Any) -> Any:
    factor = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - (np.log(df) + LN_PI) / 2
    return factor - (df + 1) / 2 * np.log1p(z * z / df)


norm = Continuous(lambda z: -z * z / 2 - HALF_LN_2PI, log_cdf=special.log_ndtr, log_sf=lambda z: special.log_ndtr(-z))
t = Continuous(of_t)
cauchy = Continuous(lambda z: -np.log1p(z * z) - LN_PI)
laplace = Continuous(lambda z: -np.abs(z) - LN2)
logistic = Continuous(
    lambda z: special.log_expit(z) + special.log_expit(-z),
    log_cdf=special.log_expit,
    log_sf=lambda z: special.log_expit(-z),
)

# -------------------------------------------------------------------------------------------------- of positive numbers
expon = Continuous(lambda z: -z, 0.0, log_cdf=lambda z: np.log(-np.expm1(-z)), log_sf=lambda z: -z)
halfnorm = Continuous(lambda z: -z * z / 2 - HALF_LN_2PI + LN2, 0.0)
gamma = Continuous(lambda z, a: special.xlogy(a - 1, z) - z - special.gammaln(a), 0.0)
chi2 = Continuous(
    lambda z, df: special.xlogy(df / 2 - 1, z) - z / 2 - special.gammaln(df / 2) - df / 2 * LN2, 0.0
)  # fmt: skip
LEAST = math.ulp(0.0)  # what is not even defined at 0 begins at the next float
invgamma = Continuous(lambda z, a: -(a + 1) * np.log(z) - special.gammaln(a) - 1 / z, LEAST)
lognorm = Continuous(lambda z, s: -np.square(np.log(z) / s) / 2 - np.log(s * z) - HALF_LN_2PI, LEAST)

# ----------------------------------------------------------------------------------------------------- between 0 and 1
uniform = Continuous(lambda z: 0 * z, 0.0, 1.0, log_cdf=np.log, log_sf=lambda z: np.log1p(-z))
beta = Continuous(
    lambda z, a, b: special.xlogy(a - 1, z) + special.xlog1py(b - 1, -z) - special.betaln(a, b), 0.0, 1.0
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- of whole numbers
def of_binom(k: Any, n: Any, p: Any) -> Any:
    ways = special.gammaln(n + 1.0) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return ways + special.xlogy(k, p) + special.xlog1py(n - k, -p)


def is_part(p: Any) -> Any:
    return np.logical_and(np.greater_equal(p, 0), np.less_equal(p, 1))


poisson = Discrete(
    lambda k, mu: special.xlogy(k, mu) - special.gammaln(k + 1) - mu,
    last=lambda mu: np.inf,
    valid=lambda mu: np.greater_equal(mu, 0),
)
bernoulli = Discrete(
    lambda k, p: special.xlogy(k, p) + special.xlog1py(1 - k, -p), last=lambda p: 1, valid=is_part
)  # fmt: skip
binom = Discrete(of_binom, last=lambda n, p: n, valid=lambda n, p: np.logical_and(np.greater_equal(n, 0), is_part(p)))


# ----------------------------------------------------------------------------------------------------------- of vectors
class Dirichlet(Distribution):
    """The distribution of k parts x of a whole; of the last one, which is what the others leave, x may be without.

    >>> dirichlet.pdf([[0.2], [0.8]], [1.0, 2.0])
    array([1.6])
    """

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """ln of the density at x, of shape (k,) or (k, n), for k parameters alpha; nan where x is no parts of 1."""
        x, alpha = numbers(x), numbers(alpha)
        if np.ndim(alpha) != 1 or np.ndim(x) not in (1, 2) or len(alpha) - len(x) not in (0, 1):
            raise ValueError(f"dirichlet: x of shape {np.shape(x)} does not fit alpha of shape {np.shape(alpha)}")
        if len(x) < len(alpha):
            x = np.concatenate([x, 1 - np.sum(x, 0, keepdims=True)])
        weights = alpha - 1 if np.ndim(x) == 1 else (alpha - 1)[:, None]
        y = np.sum(special.xlogy(weights, x), 0) + special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
        parts = np.logical_and(np.all(np.greater_equal(x, 0), 0), np.less(np.abs(np.sum(x, 0) - 1), 1e-6))
        return np.where(np.logical_and(parts, np.all(np.greater(alpha, 0))), y, np.nan)

    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density at x."""
        return np.exp(self.logpdf(x, alpha))


class MultivariateNormal(Distribution):
    """The normal distribution of vectors.

    >>> multivariate_normal.logpdf([[0.0, 0.0], [1.0, 0.0]], mean=[0.0, 0.0], cov=[4.0, 1.0])
    array([-2.53102425, -2.65602425])
    """

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """ln of the density at x, of shape (..., n), for the mean (n,), 0 by default, and the covariance matrix (n, n).

        `cov` may be the vector of the variances, or one for all. As in SciPy n is the length of the mean, or without
        one that of the matrix; where it is 1 a vector x is so many points. LinAlgError if the matrix is not positive
        definite, also where `allow_singular`: the density on a subspace has no derivative to a matrix that leaves it.
        """
        x, cov = numbers(x), numbers(cov)
        n = len(cov) if mean is None and np.ndim(cov) else 1
        if mean is not None:
            mean = np.reshape(numbers(mean), -1)
            n = len(mean)
        x = np.expand_dims(x, -1) if n == 1 and np.ndim(x) < 2 else x
        d = x if mean is None else x - mean
        cov = cov if np.ndim(cov) == 2 else cov * np.eye(n)
        if np.shape(cov) != (n, n) or np.shape(x)[-1:] != (n,):
            raise ValueError(
                f"multivariate_normal: x of shape {np.shape(x)} and cov of shape {np.shape(cov)} do not fit a mean of "
                f"{n} numbers"
            )
        root = np.linalg.cholesky(cov)
        z = np.linalg.solve(root, d[..., None])[..., 0]
        return np.squeeze(-np.sum(z * z, -1) / 2 - np.sum(np.log(np.diagonal(root))) - n * HALF_LN_2PI)

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The density at x."""
        return np.exp(self.logpdf(x, mean, cov, allow_singular))


dirichlet = Dirichlet()
multivariate_normal = MultivariateNormal()


# ------------------------------------------------------------------------------- what SciPy's own distributions ask for
FROZEN = {"multivariate_normal_frozen": ("mean", "cov"), "dirichlet_frozen": ("alpha",)}


def answer(method: str) -> Formula:
    """The answer to a method of scipy.stats, by the class of the distribution; none to those that are not here."""

    def answered(self: Any, *args: Any, **kwargs: Any) -> Any:
        name, _, _ = type(self).__name__.rpartition("_")
        if name not in __all__ or not type(self).__module__.startswith("scipy.stats."):
            return NotImplemented
        ours = globals()[name]
        if parameters := FROZEN.get(type(self).__name__):
            ours = ours(*[getattr(self, parameter) for parameter in parameters])
        return getattr(ours, method)(*args, **kwargs)

    return answered


METHODS = {
    "rv_continuous": ["__call__", "logpdf", "pdf", "logcdf", "cdf", "logsf", "sf"],
    "rv_discrete": ["__call__", "logpmf", "pmf"],
    "_multivariate.multivariate_normal_gen": ["__call__", "logpdf", "pdf"],
    "_multivariate.multivariate_normal_frozen": ["logpdf", "pdf"],
    "_multivariate.dirichlet_gen": ["__call__", "logpdf", "pdf"],
    "_multivariate.dirichlet_frozen": ["logpdf", "pdf"],
}
ANSWERS = {"scipy.stats": {f"{kind}.{m}": answer(m) for kind, methods in METHODS.items() for m in methods}}
