"""SciPy's special functions and densities: on Tensors they answer as on arrays, and are differentiated.

The ufuncs of scipy.special are in the registry, whose tests try them with all the others.
"""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

import minigrad
from minigrad import Tensor, gradcheck, gradients, stats

X = np.array([-1.5, -0.2, 0.0, 0.3, 0.7, 1.0, 2.5, 7.0, np.nan])
INSIDE = np.array([0.21, 0.6, 0.9])
SHAPES = {
    "norm": [()], "t": [(3.5,), (-1.0,)], "cauchy": [()], "laplace": [()], "logistic": [()], "expon": [()],
    "halfnorm": [()], "gamma": [(2.5,), (0.5,), (0.0,)], "chi2": [(3.0,)], "invgamma": [(2.0,)], "lognorm": [(0.7,)],
    "uniform": [()], "beta": [(2.0, 3.0), (0.5, 0.5), (1.0, 1.0), (1.0, -1.0)],
}  # fmt: skip
COUNTS = {
    "poisson": [(2.3,), (0.0,), (-1.0,)], "bernoulli": [(0.3,), (0.0,), (1.0,), (1.5,)],
    "binom": [(4, 0.3), (4, 1.0), (4, -0.1)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # SciPy's and NumPy's words for ln 0
@pytest.mark.parametrize(("name", "shape"), [(n, shape) for n, shapes in SHAPES.items() for shape in shapes])
def test_densities_are_scipys(name, shape):
    """At and beyond the ends of the support, for nan, and for parameters that are none."""
    ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
    for loc, scale in (0.0, 1.0), (0.3, 2.0), (0.0, -1.0):
        for method in "logpdf", "pdf", "logcdf", "cdf", "logsf", "sf":
            try:
                got = getattr(ours, method)(X, *shape, loc, scale=scale)
            except NotImplementedError:
                assert "cdf" in method or "sf" in method
                continue
            want = getattr(theirs, method)(X, *shape, loc, scale=scale)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15, err_msg=f"{method} {loc} {scale}")
    if all(parameter > 0 for parameter in shape):
        values = [INSIDE, *map(np.array, shape), np.array(0.1), np.array(1.3)]
        gradcheck(ours.logpdf, [Tensor(v, requires_grad=True) for v in values])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "shape"), [(n, shape) for n, shapes in COUNTS.items() for shape in shapes])
def test_probabilities_are_scipys(name, shape):
    ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
    k = np.array([-1, 0, 1, 2, 2.5, np.nan, 5.0])
    for loc in 0, 1:
        np.testing.assert_allclose(ours.logpmf(k, *shape, loc), theirs.logpmf(k, *shape, loc), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(ours.pmf(k, *shape, loc), theirs.pmf(k, *shape, loc), rtol=1e-12, atol=1e-15)
    if 0 < shape[-1] < 1:
        gradcheck(lambda p: ours.logpmf([0, 1], *shape[:-1], p), Tensor(shape[-1], requires_grad=True))


@pytest.mark.parametrize("name", ["norm", "expon", "logistic", "uniform"])
def test_distribution_functions_have_the_density_for_a_slope(name):
    ours = getattr(stats, name)
    x = Tensor(INSIDE, requires_grad=True)
    for y, sign in (ours.cdf(x), 1), (ours.sf(x), -1):
        np.testing.assert_allclose(gradients(y.sum(), x)[0].data, sign * ours.pdf(INSIDE), rtol=1e-13)
    deep = Tensor(-40.0, requires_grad=True)
    assert gradients(stats.norm.logcdf(deep), deep)[0].data == pytest.approx(40.025, rel=1e-3)  # where cdf is 0


def test_dirichlet():
    alpha = np.array([1.0, 2.0, 0.5])
    x = np.random.default_rng(0).dirichlet(alpha, 4).T
    for parts in x, x[:, 0], x[:-1, 1]:
        np.testing.assert_allclose(stats.dirichlet.logpdf(parts, alpha), scipy.stats.dirichlet.logpdf(parts, alpha))
    gradcheck(stats.dirichlet.logpdf, [Tensor(x[:2], requires_grad=True), Tensor(alpha, requires_grad=True)])
    assert np.isnan(stats.dirichlet.logpdf([0.5, 0.6, 0.1], alpha))
    with pytest.raises(ValueError, match=r"x of shape \(1,\) does not fit alpha of shape \(3,\)"):
        stats.dirichlet.logpdf([0.5], alpha)


def test_multivariate_normal():
    rng = np.random.default_rng(0)
    x, mean, root = rng.normal(size=(4, 3)), rng.normal(size=3), np.tril(rng.normal(size=(3, 3))) + 3 * np.eye(3)
    cov = root @ root.T
    for given in ((mean,), (mean, 2.0), (mean, np.array([1.0, 2.0, 3.0])), (mean, cov), (None, cov)):
        want = scipy.stats.multivariate_normal.logpdf(x, *given)
        np.testing.assert_allclose(stats.multivariate_normal.logpdf(x, *given), want, rtol=1e-13)
        np.testing.assert_allclose(stats.multivariate_normal.pdf(x[0], *given), np.exp(want[0]), rtol=1e-12)
    for points, *given in ((x[0],), (x[0], 0.5, 2.0), (x[:, :1], [0.5]), (0.3, None, 4.0)):  # so many, of one number
        want = scipy.stats.multivariate_normal.logpdf(points, *given)
        np.testing.assert_allclose(stats.multivariate_normal.logpdf(points, *given), want, rtol=1e-13, strict=True)
    leaves = [Tensor(a, requires_grad=True) for a in (x, mean, root)]
    gradcheck(lambda x, mean, root: stats.multivariate_normal(mean, root @ root.T).logpdf(x), leaves)
    with pytest.raises(np.linalg.LinAlgError):
        stats.multivariate_normal.logpdf(x, mean, -np.eye(3))
    with pytest.raises(ValueError, match=r"x of shape \(4, 3\) and cov of shape \(2, 2\)"):
        stats.multivariate_normal.logpdf(x, mean, np.eye(2))


def test_a_density_outside_of_its_support_does_not_spoil_a_gradient():
    x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    for density in stats.lognorm(0.7), stats.gamma(2.5), stats.invgamma(2.0):
        slope = gradients(density.pdf(x).sum(), x)[0].data
        assert slope[0] == 0
        assert np.isfinite(slope[2])


def test_a_frozen_density_in_a_program():
    program = minigrad.compile(lambda x, mu: stats.norm(mu, 2.0).logpdf(x).sum(), grad_of="mu")
    for mu in np.array(0.5), np.array(-1.0):
        value, slope = program(INSIDE, mu)
        assert value == pytest.approx(scipy.stats.norm.logpdf(INSIDE, mu, 2.0).sum(), rel=1e-13)
        assert slope == pytest.approx((INSIDE - mu).sum() / 4, rel=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.norm.ppf(0.5), "no ppf of this distribution, only cdf, logcdf, logpdf, logsf, pdf, sf"),
        (lambda: stats.gamma.cdf(1.0, 2.0), "only the density of this distribution"),
        (lambda: stats.norm.logpdf(1, 2, 3, 4), r"needs the parameters loc, scale \("),
        (lambda: stats.gamma.logpdf(1.0), "needs the parameters a, loc, scale"),
        (lambda: stats.norm.logpdf(1.0, 0.0, loc=0.0), "each once"),
    ],
)
def test_what_a_density_is_not_asked(call, message):
    with pytest.raises((TypeError, AttributeError, NotImplementedError), match=message):
        call()


# ------------------------------------------------------------------------------------------------------ scipy.special
def test_names_that_stand_for_operations():
    x = Tensor([0.3, 0.6], requires_grad=True)
    for name, ours in [("erf", "erf"), ("erfc", "erfc"), ("expit", "sigmoid"), ("log_expit", "logsigmoid"),
                       ("log1p", "log1p"), ("expm1", "expm1"), ("exp2", "exp2"), ("cbrt", "cbrt")]:  # fmt: skip
        y = getattr(scipy.special, name)(x)
        np.testing.assert_array_equal(y.data, getattr(minigrad, ours)(x).data)
        np.testing.assert_allclose(y.data, getattr(scipy.special, name)(x.data), rtol=1e-14)
    gradcheck(scipy.special.kl_div, [x, Tensor([0.4, 0.5], requires_grad=True)])


@pytest.mark.parametrize("call", [scipy.stats.weibull_min.logpdf, scipy.linalg.expm, scipy.stats.norm.ppf])
def test_what_scipy_makes_arrays_of(call):
    with pytest.raises(TypeError, match=f"scipy's {call.__name__} makes arrays of .* what docs/from-autograd.md lists"):
        call(Tensor([[1.0]], requires_grad=True), *[0.5] * (call is not scipy.linalg.expm))


def test_an_array_that_a_user_makes_under_scipy_is_the_users():
    from scipy.optimize import approx_fprime

    w = Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"Write np\.stack"):
        approx_fprime(np.ones(1), lambda v: float(np.array([w, w]).sum()))


def test_the_ufunc_without_a_rule_is_refused():
    with pytest.raises(TypeError, match="the ufunc j0 is not an operation of minigrad"):
        scipy.special.j0(Tensor(1.0, requires_grad=True))


def test_a_program_says_where_its_functions_are():
    text = str(minigrad.source(lambda x: scipy.special.digamma(x).sum(), INSIDE, grad_of=0))
    assert "import scipy.special\n" in text
    assert "scipy.special.zeta(2, x)" in text
    assert "scipy" not in str(minigrad.source(lambda x: np.log(x).sum(), INSIDE))


# ------------------------------------------------------------------------------- what SciPy has in Python, and asks for
RNG = np.random.default_rng(0)
V, A, B = RNG.normal(size=3), RNG.normal(size=(3, 3)) + 3 * np.eye(3), RNG.normal(size=(3, 2))
S, P = A @ A.T, np.array([0.5, 1.5, 2.5])
linalg, signal, special, of = scipy.linalg, scipy.signal, scipy.special, scipy.stats
POS = {"assume_a": "pos", "lower": True}


def weighted(a, b):
    return special.logsumexp(a, 1, b), *special.logsumexp(a - 3.0, axis=0, b=-b, keepdims=True, return_sign=True)


def decay(y, t, rates, ends):
    return np.dot(rates, y - ends[0]) + ends[1] * t


def trajectory(y0, rates, end, tfirst=False):
    slope = (lambda t, y, *args: decay(y, t, *args)) if tfirst else decay
    times = np.array([0.0, 0.3, 0.5])
    return scipy.integrate.odeint(slope, y0, times, (rates, [end, 2.0]), rtol=1e-10, atol=1e-10, tfirst=tfirst)


ASKED = {
    "logsumexp": (lambda x: (special.logsumexp(x), special.logsumexp(x, (0, 1)), special.logsumexp(a=x, axis=1)), A),
    "logsumexp-weighted": (weighted, A, np.abs(B[:, :1])),
    "logsumexp-none": (lambda x: special.logsumexp(x, b=np.array([1.0, 0.0, 2.0])), A),
    "softmax": (lambda x: (special.softmax(x), special.softmax(x, axis=0), special.log_softmax(x, (0, 1))), A),
    "multigammaln": (lambda a: special.multigammaln(a, 3), P + 2),
    "cholesky": (lambda a: (linalg.cholesky(a), linalg.cholesky(a, lower=True, check_finite=False)), S),
    "cho_solve": (lambda a, b: linalg.cho_solve(linalg.cho_factor(a), b), S, B),
    "cho_solve-lower": (lambda a, b: linalg.cho_solve(linalg.cho_factor(a, True), b), S, V),
    "solve_triangular": (lambda a, b: linalg.solve_triangular(a, b, overwrite_b=True), A, B),
    "solve_triangular-unit": (lambda a, b: linalg.solve_triangular(a, b, "T", True, unit_diagonal=True), A, V),
    "solve": (lambda a, b: (linalg.solve(a, b, **POS), linalg.solve(a, b, transposed=True)), S, B),
    "solve-read": (lambda a, b: (linalg.solve(a, b, assume_a="sym"), linalg.solve(a, b, assume_a="diagonal")), A, V),
    "inv": (lambda a: (linalg.inv(a), linalg.det(a), linalg.norm(a), linalg.norm(a, 1, axis=(0, 1))), S),
    "spectra": (lambda a: (linalg.eigvalsh(a), linalg.eigh(a, eigvals_only=True, lower=False), linalg.svdvals(a)), S),
    "svd": (lambda a: (abs(linalg.svd(a, full_matrices=False)[0]), abs(linalg.eigh(a)[1])), S),
    "block_diag": (lambda a, b: linalg.block_diag(a, b, 2.0), B, V),
    "convolve": (lambda a, b: [signal.convolve(a, b, mode) for mode in ("full", "same", "valid")], P, V[:2]),
    "convolve-longer": (lambda a, b: [signal.convolve(b, a, mode) for mode in ("full", "same", "valid")], P, V[:2]),
    "convolve-planes": (lambda a, b: [signal.convolve(a, b, mode=mode) for mode in ("full", "same", "valid")], A, B),
    "odeint": (trajectory, V[:2], B[:2], np.array(0.4)),
    "odeint-times": (lambda t: scipy.integrate.odeint(lambda y, t: t - y, 1.5, t, rtol=1e-10, atol=1e-10), P),
    "trapezoid": (lambda y: scipy.integrate.trapezoid(y, dx=0.5, axis=0), B),
    "norm": (lambda x, m: (of.norm.logpdf(x, m, scale=2.0), of.norm.cdf(x), of.norm(m, 2.0).sf(x)), V, V[0]),
    "gamma": (lambda x, a: (of.gamma.logpdf(x, a), of.gamma(2.0).pdf(x)), P, P[1]),
    "poisson": (lambda mu: (of.poisson.logpmf([1, 2], mu), of.binom(5, mu / 3).pmf(2)), P[1]),
    "multivariate_normal": (lambda x, m, a: of.multivariate_normal.logpdf(x, m, a @ a.T, True), B.T, V, A),
    "multivariate_normal-frozen": (lambda x: of.multivariate_normal(P, S).pdf(x), B.T),
    "dirichlet": (lambda a: (of.dirichlet.logpdf([0.2, 0.3, 0.5], a), of.dirichlet(a).pdf([0.2, 0.3, 0.5])), P),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_scipy_asks_for(name):
    call, *arrays = ASKED[name]
    leaves = [Tensor(np.asarray(x), requires_grad=True) for x in arrays]
    ours, theirs = [y if isinstance(y, list | tuple) else (y,) for y in (call(*leaves), call(*arrays))]
    for y, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(y.data, want, rtol=1e-9, atol=1e-12)
        assert y.where.file == __file__
    gradcheck(lambda *xs: np.concatenate([y.ravel() for y in ours_of(call(*xs)) if y.requires_grad]), leaves)


def ours_of(result):
    return result if isinstance(result, list | tuple) else (result,)


def test_convolve_along_axes_that_scipys_has_not():
    """On tensors and on arrays: along the axes of images, with their channels summed."""
    images, kernels = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(3, 2, 2, 3))
    arguments = {"axes": ([2, 3], [2, 3]), "dot_axes": ([1], [0]), "mode": "valid"}
    y = signal.convolve(images, kernels, **arguments)
    want = [[sum(map(signal.convolve, x, w, ["valid"] * 3)) for w in kernels.swapaxes(0, 1)] for x in images]
    np.testing.assert_allclose(y, want, rtol=1e-12)
    np.testing.assert_array_equal(signal.convolve(Tensor(images), kernels, **arguments).data, y)


def test_odeint_of_single_precision():
    w = Tensor(np.float32([1, 2]), requires_grad=True)
    y = scipy.integrate.odeint(lambda y, t, w: -w * y, w, [0, 1], args=(w,))
    y[1].sum().backward()  # w exp(-w)
    assert w.grad.dtype == np.float32
    np.testing.assert_allclose(w.grad, (1 - w.data) * np.exp(-w.data), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: linalg.eigh(x, type=2), "type of scipy.* is not supported, and was 2"),
        (lambda x: linalg.solve(x, x, assume_a="banded"), "assume_a is one of upper triangular, .*'banded'"),
        (lambda x: special.logsumexp(x, axs=1), "unexpected keyword argument 'axs'"),
        (lambda x: special.logsumexp(x.data, axs=1), "unexpected keyword argument 'axs'"),
        (lambda x: of.gamma.cdf(x, 2.0), "only the density"),
        (lambda x: signal.convolve(x, x[0]), r"not 2 axes of shape \(3, 3\) with 1 of shape \(3,\)"),
        (lambda x: of.multivariate_normal(x[0], np.ones((3, 3))).logpdf(x[0]), "positive definite"),
        (lambda x: minigrad.hessian(lambda y: trajectory(y, B[:2], 0.4).sum())(V[:2]), "odeint: .* second derivative"),
        (lambda x: special.logsumexp([x, x]), r"^as an array, .* Write np\.stack"),
    ],
)
def test_what_scipy_does_not_get(call, message):
    with pytest.raises((TypeError, ValueError, NotImplementedError, np.linalg.LinAlgError), match=message):
        call(Tensor(S, requires_grad=True))


def test_a_function_of_scipys_stays_what_it_was_to_others():
    assert str(inspect.signature(special.logsumexp)) == "(a, axis=None, b=None, keepdims=False, return_sign=False)"
    assert special.logsumexp.__doc__.lstrip().startswith("Compute the log of the sum of exponentials")
    assert pickle.loads(pickle.dumps(special.logsumexp)) is special.logsumexp
    assert type(special.logsumexp([0.0, 1.0])) is np.float64

    class Own(scipy.stats.rv_continuous):  # under a name that is SciPy's
        def _logpdf(self, x):
            return -x

    assert Own(name="norm").logpdf(2.0) == -2.0
    with pytest.raises(TypeError, match="scipy's logpdf makes arrays"):
        Own(name="norm").logpdf(Tensor(2.0, requires_grad=True))


def test_the_engine_does_not_import_scipy():
    """And it teaches SciPy whichever comes first, once."""
    code = (
        "import sys, minigrad, numpy as np\nassert 'scipy' not in sys.modules\n"
        "x = minigrad.Tensor(3.0, requires_grad=True)\nfrom scipy.special import gammaln, logsumexp\n"
        "gammaln(x).backward()\nprint(x.grad)\n"
        "code, was = logsumexp.__code__, logsumexp.__wrapped__\nassert not hasattr(was, '__wrapped__')\n"
        "for name in [n for n in sys.modules if n.split('.')[0] == 'minigrad']: del sys.modules[name]\n"
        "import minigrad as second\n"
        "for m in minigrad, second: assert logsumexp(m.Tensor([3.0], requires_grad=True)).requires_grad"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(found) == pytest.approx(1.5 - np.euler_gamma)
