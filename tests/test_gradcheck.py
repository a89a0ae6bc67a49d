"""gradcheck: passes what is right at every scale and in every dtype, and says what is wrong with what is not."""

from __future__ import annotations

import numpy as np
import pytest
from direct import linear_case
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import LAYOUTS, laid_out
from students import function_of, leaf

import minigrad
from minigrad import Function, GradcheckError, Tensor, gradcheck, gradients
from minigrad.checks import numerical_derivative, numerical_gradient

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
wide_dtypes = pytest.mark.parametrize("wide", [np.float64, np.longdouble])


def normal(*shape, dtype=np.float64, scale=1.0, seed=0):
    return Tensor((np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype), requires_grad=True)


def function(forward, backward):
    return function_of(forward, backward).apply


def failure(*args, **kwargs):
    """The message of the error that gradcheck raises."""
    with pytest.raises(GradcheckError) as caught:
        gradcheck(*args, **kwargs)
    return str(caught.value)


slope_of_1_001 = function(lambda x: x * 1, lambda x, g: (1.001 * g).astype(g.dtype))
relu = function(lambda x: np.maximum(x, 0), lambda x, g: g * (x > 0))


# ------------------------------------------------------------------------------------------- the numerical derivative
CURVES = {  # function, derivative, points, bound on the relative error
    "log": (np.log, lambda x: 1 / x, [1e-6, 1.0, 1e4], 1e-9),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), [1e-6, 3.0, 1e4], 1e-9),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2, [0.0, 1e-6, 0.5, -3.0], 1e-9),
    "a cube": (lambda x: x * x * x, lambda x: 3 * x * x, [0.0, -2.0], 1e-9),
    "arctanh, near the end of its domain": (np.arctanh, lambda x: 1 / (1 - x * x), [0.95, 0.9999], 1e-5),
    "a fast wave": (lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x), [1.0, 3.0], 1e-5),
    "relu, not far from its kink": (lambda x: np.maximum(x - 1, 0), lambda x: x * 0 + 1, [1.001, 1.5], 1e-5),
}


@wide_dtypes
@pytest.mark.parametrize("name", CURVES)
def test_numerical_derivative_is_within_its_error(name, wide):
    f, derivative, points, bound = CURVES[name]
    for point in points:
        x = np.asarray(point, wide)
        found, error = numerical_derivative(f, x, ())
        right = derivative(x)
        assert abs(found - right) <= error + np.finfo(wide).eps * abs(right)
        assert error <= bound * abs(right) + 1e-20, "so large an error could hide a factor"


@wide_dtypes
def test_numerical_derivative_takes_its_step_from_the_entry_or_from_the_largest(wide):
    x = np.asarray([1e-9, 1.0, 0.0], wide)
    found, error = numerical_derivative(np.log, x, (0,))
    assert error[0] <= 1e-9 * found[0]
    found, error = numerical_derivative(lambda x: np.log(x + 2e-6), x * 1e-6, (2,))
    assert abs(found[2] - 0.5e6) <= error[2] <= 1e-9 * found[2]


@wide_dtypes
def test_numerical_derivative_where_rounding_leaves_no_digits(wide):
    """tanh x is 1 to the last digit but a few; what cannot be known is said to be unknown."""
    for point in (15.0, 25.0, 100.0):
        x = np.asarray(point, wide)
        found, error = numerical_derivative(np.tanh, x, ())
        assert abs(found - 1 / np.cosh(x) ** 2) <= error


@wide_dtypes
@pytest.mark.parametrize("digits", [0.7, 1, 2, 3, 4, 5])
def test_numerical_derivative_where_the_entry_is_nearly_lost_in_rounding(wide, digits):
    """Small steps do not move (c + x) - c any more; that does not make its derivative zero."""
    c = 1 / np.finfo(wide).eps  # where numbers are 1 apart
    found, error = numerical_derivative(lambda x: (c + x) - c, np.asarray(10**digits, wide), ())
    assert abs(found - 1) <= error


@wide_dtypes
@pytest.mark.parametrize("point", [1 - 1e-1, 1 - 1e-3, 1 - 1e-5, 1 - 1e-9, 1, 1 + 1e-9, 1 + 1e-5])
def test_numerical_derivative_reaches_over_a_kink(wide, point):
    x = np.asarray(point, wide)
    found, error = numerical_derivative(lambda x: np.maximum(x - 1, 0), x, ())
    assert abs(found - (x > 1)) <= error
    assert error <= 20


@wide_dtypes
def test_numerical_derivative_outside_the_domain(wide):
    found, error = numerical_derivative(np.log, np.asarray(-1.0, wide), ())
    assert np.isnan(found)
    assert np.isinf(error)


def test_numerical_derivative_has_the_shape_of_the_function():
    x = np.arange(6.0).reshape(2, 3)
    found, error = numerical_derivative(lambda x: x.T[:, :1], x, (0, 1))
    assert found.tolist() == [[0], [1], [0]]
    assert error.shape == (3, 1)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_numerical_gradient_adds_up_the_terms():
    x = np.array([2.0, 3.0])
    g = np.array([[1.0, -1.0, 0.5], [0.0, 0.0, 1.0]])
    found, _, magnitude = numerical_gradient(lambda x: np.stack([x[0], 4 * x[0], x[1]]), x, g)
    np.testing.assert_allclose(found, [[-3, 0.5], [0, 1]], rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(magnitude, [[5, 0.5], [0, 1]], rtol=1e-10, atol=1e-15)


# ----------------------------------------------------------------------------------------------------- what is right
@given(linear_case(), st.integers(-6, 4), st.sampled_from([np.float32, np.float64]), st.sampled_from(LAYOUTS))
def test_passes_linear_at_every_scale(arrays, exponent, dtype, layout):
    x, W, b, _ = (leaf(laid_out(np.asarray(a * 10.0**exponent, dtype), layout)) for a in arrays)
    assert gradcheck(minigrad.linear, (x, W, b))


@given(linear_case(least_rows=1), st.integers(-6, 4), st.sampled_from([np.float32, np.float64]))
@example(([[0.0]], [[0.0]], [0.0], [[1.0]]), -4, np.float32)  # only the target says what a small step is
@example(([[0.0]], [[0.0]], [0.0], [[0.0]]), 0, np.float32)  # half a parabola: its slopes halve with the step
def test_passes_a_composed_loss_at_every_scale(arrays, exponent, dtype):
    """Grids are full of zeros, equal values and kinks."""
    scale = 10.0**exponent
    inputs = [leaf(np.asarray(a) * scale, dtype=dtype) for a in arrays]

    def loss(x, W, b, y):
        h = minigrad.tanh(minigrad.linear(x / scale, W / scale, b / scale))
        return minigrad.mse_loss(minigrad.maximum(h, 0.0) * scale, y)

    assert gradcheck(loss, inputs)


@given(linear_case(least_rows=1), st.integers(-6, 4), st.sampled_from([np.float32, np.float64]))
def test_finds_a_factor_of_1_001_at_every_scale(arrays, exponent, dtype):
    *_, y = (leaf((a + 4) * 10.0**exponent, dtype=dtype) for a in arrays)  # between 1 and 7 scales: no gradient is zero
    message = failure(lambda y: minigrad.square(slope_of_1_001(y)), y)
    assert "ratio 1.001," in message


@dtypes
@pytest.mark.parametrize("point", [9.0, 15.0, 18.5, 25.0])
def test_passes_a_saturated_tanh(dtype, point):
    """1 - y² has hardly a correct digit left, and no formula of the result's magnitude knows."""
    for x in np.linspace(point, point + 0.5, 20):
        assert gradcheck(minigrad.tanh, leaf(x, dtype=dtype))
        assert gradcheck(lambda x: 1 - minigrad.tanh(x), leaf(x, dtype=dtype))


class TanhOfOutput(Function):
    @staticmethod
    def forward(ctx, x):
        y = np.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * (1 - y * y)


SATURATED = {
    "tanh": function(np.tanh, lambda x, g: g * (1 - np.tanh(x) ** 2)),
    "tanh, from its output": TanhOfOutput.apply,
    "sigmoid": function(lambda x: 1 / (1 + np.exp(-x)), lambda x, g: g * (s := 1 / (1 + np.exp(-x))) * (1 - s)),
}


@dtypes
@pytest.mark.parametrize("name", SATURATED)
def test_passes_a_saturated_function_that_computes_all_inside(dtype, name):
    """Nothing on the tape shows the rounding inside of a Function."""
    f = SATURATED[name]
    for x in np.linspace(4, 40, 60):
        assert gradcheck(f, leaf(x, dtype=dtype))
    assert "ratio 1.001" in failure(lambda x: slope_of_1_001(f(x)), leaf(1.0, dtype=dtype))


@dtypes
def test_passes_what_loses_digits_on_its_way(dtype):
    """1 + x² is rounded, and its logarithm has lost what the rounding of it took."""
    for x in np.linspace(0.01, 0.09, 60):
        assert gradcheck(lambda x: minigrad.square(minigrad.log(1 + x * x)), leaf(x, dtype=dtype))


@dtypes
def test_passes_a_difference_that_cancels(dtype):
    x = normal(4, dtype=dtype)
    assert gradcheck(lambda x: 1000 * x + x * x - 1000 * x, x)


def test_passes_what_underflows_on_its_way():
    """The derivative of x / (x² + s²) at x = s is a difference whose second term is below the smallest float32."""
    assert gradcheck(lambda x: x / (x * x + 1e32), leaf(1e16, dtype=np.float32))
    assert gradcheck(minigrad.exp, leaf([-95.0, -110.0], dtype=np.float32))


@dtypes
def test_passes_what_cancels_inside_of_one_operation(dtype):
    """x @ W + b is one node of the tape; how much its terms lose is not to be seen on it."""
    for seed in range(60):
        x, W = normal(1, 3, dtype=dtype, scale=10, seed=seed), normal(3, 1, dtype=dtype, scale=10, seed=seed + 100)
        b = leaf(0.999 * -(x.data @ W.data)[0], dtype=dtype)
        assert gradcheck(lambda x, W, b: minigrad.square(minigrad.linear(x, W, b)), (x, W, b))


@pytest.mark.parametrize("shapes", [[(0, 3), (3, 2), (2,)], [(4, 0), (0, 2), (2,)], [(4, 3), (3, 0), (0,)]])
def test_passes_inputs_of_no_entries(shapes):
    report = gradcheck(minigrad.linear, [normal(*shape) for shape in shapes])
    assert [r.shape for r in report.inputs] == shapes


def test_at_a_kink_every_value_between_the_two_slopes_is_right():
    zero = leaf([0.0, 1.0, -1.0])
    half = function(lambda x: np.maximum(x, 0), lambda x, g: g * ((x > 0) + 0.5 * (x == 0)))
    far = function(lambda x: np.maximum(x, 0), lambda x, g: g * ((x > 0) + 3 * (x == 0)))
    assert gradcheck(relu, zero)
    assert gradcheck(half, zero).inputs[0].unresolved == 1
    assert "entry (0,)" in failure(far, zero)


def test_second_derivatives_are_checked_by_a_function_that_computes_the_first():
    def slope(x, W):
        return gradients(minigrad.tanh(x @ W).sum(), x, create_graph=True)[0]

    assert gradcheck(slope, (normal(3, 2), normal(2, 2, seed=1)))


def test_nothing_that_was_passed_in_changes():
    x, constant = normal(3), np.arange(3.0)
    before = x.data.copy()
    gradcheck(lambda x, c: x * c, (x, constant))
    assert x.grad is None
    assert x.op is None
    np.testing.assert_array_equal(x.data, before)
    np.testing.assert_array_equal(constant, np.arange(3.0))


def test_only_tensors_that_require_grad_are_checked():
    report = gradcheck(lambda a, b, c, d: a * b * c * d, (normal(2), Tensor([1.0, 2.0]), np.ones(2), 3.0))
    assert [r.name for r in report.inputs] == ["input 0 (a)"]


# ----------------------------------------------------------------------------------------- what is wrong, and the words
def wrong_linear(**changes):
    class Linear(Function):
        @staticmethod
        def forward(ctx, x, W, b):
            ctx.save_for_backward(x, W)
            return x @ W + b

        @staticmethod
        def backward(ctx, grad):
            x, W = ctx.saved_tensors
            right = {"x": grad @ W.T, "W": x.T @ grad, "b": grad.sum(0)}
            return tuple(changes[k](v, grad) if k in changes else v for k, v in right.items())

    return Linear.apply


LAYER = normal(5, 3), normal(3, 2, seed=1), normal(2, seed=2)


def test_the_error_names_input_entry_values_and_ratio():
    def one_entry(dW, g):
        dW = dW.copy()
        dW[2, 1] *= 1.5
        return dW

    message = failure(wrong_linear(W=one_entry), LAYER)
    assert message.startswith(
        "gradcheck of Linear: input 1 (W): 1 of 6 entries are wrong; at entry (2, 1) the backward"
    )
    got, right = (float(message.split(words)[1].split()[0].rstrip(":")) for words in ("gives ", " is "))
    assert got / right == pytest.approx(1.5)
    assert "ratio 1.5," in message


def test_the_error_says_what_a_forgotten_factor_is():
    assert "input 2 (b): 2 of 2 entries" in (message := failure(wrong_linear(b=lambda db, g: g.mean(0)), LAYER))
    assert "ratio 0.2," in message


def test_the_error_says_none():
    message = failure(wrong_linear(W=lambda dW, g: None), LAYER)
    assert "input 1 (W): 6 of 6" in message
    assert "gives None" in message


def test_none_for_some_cotangents_is_none():
    shy = function(lambda x: x * 1, lambda x, g: g if g > 0 else None)
    assert "gives None" in failure(shy, leaf(2.0))


def test_none_is_right_where_the_derivative_is_zero():
    constant = function(lambda x: x * 0 + 1, lambda x, g: None)
    assert gradcheck(lambda x, y: constant(x) * y, (normal(3), normal(3, seed=1)))


def test_a_function_that_leaves_the_tape():
    assert "gives None" in failure(lambda x: Tensor(x.numpy() * 2), normal(3))


def test_every_wrong_input_is_named():
    message = failure(wrong_linear(x=lambda dx, g: 2 * dx, b=lambda db, g: -db), LAYER)
    assert "input 0 (x)" in message
    assert "ratio 2," in message
    assert "input 1" not in message
    assert "input 2 (b)" in message
    assert "ratio -1," in message


def test_an_error_of_the_backward_is_kept():
    with pytest.raises(GradcheckError, match=r"shape \(5, 2\) for input 2 \(b\) of shape \(2,\)") as caught:
        gradcheck(wrong_linear(b=lambda db, g: g), LAYER)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert not gradcheck(wrong_linear(b=lambda db, g: g), LAYER, raise_exception=False)


def test_it_is_an_assertion():
    assert issubclass(GradcheckError, AssertionError)


def doubled(array):
    array *= 2
    return array


CHANGES = {
    "changes the incoming cotangent in place": function(lambda x: x * 3, lambda x, g: 1.5 * doubled(g)),
    "changes its input 0 in place": function(lambda x: x * x, lambda x, g: g * doubled(x)),
}


def test_a_backward_changes_no_output():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = np.exp(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            y *= grad
            return y.copy()

    assert "changes its output in place" in failure(Exp.apply, normal(3))


@pytest.mark.parametrize("words", CHANGES)
def test_a_backward_changes_nothing_it_is_given(words):
    assert words in failure(CHANGES[words], normal(3))
    assert words in failure(lambda x: CHANGES[words](minigrad.tanh(x)) * 2, normal(3))


def test_a_forward_changes_nothing_it_is_given():
    clip = function(lambda x: np.maximum(x, 0, out=x).copy(), lambda x, g: g * (x > 0))
    assert "forward writes into its input 0 (x)" in failure(clip, leaf([-1.0, 2.0]))


def test_a_saved_intermediate_that_is_used_up():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(2 * x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (slope,) = ctx.saved_tensors
            slope *= grad
            return slope.copy()

    assert not gradcheck(Square.apply, normal(3), raise_exception=False)


def test_randomness_is_named():
    random = np.random.default_rng(0)
    dropout = function(lambda x: x * (random.random(x.shape) < 0.5), lambda x, g: g)
    assert "randomness" in failure(dropout, normal(20))
    forgetful = function(lambda x: x * 1, lambda x, g: g * (random.random(x.shape) < 0.5))
    assert "randomness" in failure(forgetful, normal(20))
    calls = iter([True, True])  # one for each of two cotangents
    tired = function(lambda x: x * 1, lambda x, g: g if next(calls, False) else None)
    assert "at call number" in failure(tired, normal(3))


def test_a_point_outside_the_domain():
    with np.errstate(invalid="ignore"):
        assert "is nan at entry (1,) of its result" in failure(minigrad.log, leaf([1.0, -1.0]))
        assert "not finite around it" in failure(minigrad.sqrt, leaf([1.0, 0.0]))


# ------------------------------------------------------------------------------------------------- precision, arguments
def test_a_function_that_casts_to_float64_is_checked_in_float64():
    sine = function(lambda x: np.sin(x.astype(np.float64)), lambda x, g: g * np.cos(x))
    wrong = function(lambda x: np.sin(x.astype(np.float64)), lambda x, g: 1.001 * g * np.cos(x))
    assert gradcheck(sine, normal(3)).method == "Richardson extrapolation in float64"
    assert "ratio 1.001," in failure(wrong, normal(3))


def test_a_function_that_knows_no_long_double_is_checked_in_float64():
    """numpy.linalg raises a TypeError for long double."""

    inverse = function(np.linalg.inv, lambda x, g: -np.linalg.inv(x).T @ g @ np.linalg.inv(x).T)
    report = gradcheck(inverse, normal(3, 3))
    assert report.method == "Richardson extrapolation in float64"


@pytest.mark.skipif(np.finfo(np.longdouble).eps == np.finfo(np.float64).eps, reason="long double is float64 here")
def test_long_double_is_used_where_it_is_wider():
    assert gradcheck(minigrad.exp, normal(3)).method == "Richardson extrapolation in long double"


@dtypes
def test_a_platform_without_long_double(monkeypatch, dtype):
    monkeypatch.setattr(np, "longdouble", np.float64)
    inputs = [normal(*shape, dtype=dtype) for shape in ((4, 3), (3, 2), (2,))]
    assert gradcheck(minigrad.linear, inputs).method == "Richardson extrapolation in float64"
    assert "ratio 1.001," in failure(lambda x: minigrad.exp(slope_of_1_001(x)), normal(3, dtype=dtype))


def test_a_call_written_for_torch():
    a, b = normal(4, 3), normal(3, 2)
    assert gradcheck(lambda a, b: a @ b, (a, b), eps=1e-6, atol=1e-4)
    assert gradcheck(lambda a, b: a @ b, (a, b), eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=False)


def test_rtol_and_atol_take_the_place_of_the_measured_allowance():
    x = leaf([1.0, 3.0])
    assert "ratio 1.001," in failure(slope_of_1_001, x)
    assert gradcheck(slope_of_1_001, x, rtol=2e-3)
    assert gradcheck(slope_of_1_001, x, atol=4e-3)
    assert not gradcheck(slope_of_1_001, x, rtol=0.5e-3, raise_exception=False)
    assert not gradcheck(slope_of_1_001, x, atol=0.2e-3, raise_exception=False)
    assert not gradcheck(minigrad.tanh, leaf(0.3, dtype=np.float32), rtol=1e-12, raise_exception=False)


def test_eps_is_the_largest_step():
    seen = []

    def f(x):
        seen.append(float(x.data))
        return x * x

    gradcheck(f, leaf(3.0), eps=1e-3)
    assert max(seen) - 3 == pytest.approx(1e-3)


def test_a_report_tells_what_was_checked():
    report = gradcheck(minigrad.linear, LAYER)
    assert report
    lines = repr(report).splitlines()
    assert lines[0].startswith("gradcheck of linear: ok (Richardson extrapolation in ")
    assert "input 1 (W), (3, 2) float64: ok" in lines[2]
    assert 0 < max(r.ratio for r in report.inputs) <= 1
    report = gradcheck(wrong_linear(b=lambda db, g: 2 * db), LAYER, raise_exception=False)
    assert not report
    assert "FAILED" in repr(report)
    assert "input 2 (b), (2,) float64: 2 of 2 entries are wrong" in repr(report)


def test_nothing_to_check():
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(minigrad.exp, np.ones(3))
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(minigrad.exp, (Tensor([1.0]),))


@pytest.mark.parametrize(
    ("fn", "words"),
    [(lambda x: x.data, "ndarray"), (lambda x: [x, x], "list"), (lambda x: x > 0, "Tensor of bool")],
)
def test_what_is_no_floating_tensor(fn, words):
    with pytest.raises(TypeError, match=words):
        gradcheck(fn, normal(3))


def test_inputs_without_a_parameter_name():
    assert "input 1 (xs1)" in failure(lambda *xs: xs[0] * slope_of_1_001(xs[1]), (normal(2), normal(2, seed=1)))
