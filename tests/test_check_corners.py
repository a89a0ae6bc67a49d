"""minigrad.check where mistakes hide and right ones look wrong: masks, ties, kinks, far out, no numbers, odd calls."""

from __future__ import annotations

import contextlib
import io
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd.function import once_differentiable

from minigrad import Function, Tensor, check, gradcheck
from minigrad.checks.subject import UsageError


def made(forward, backward):
    """A Function of x (and more): forward(x, ...), and backward(g, x, ..., y)."""

    class Made(Function):
        @staticmethod
        def forward(ctx, x, *more):
            y = forward(x, *more)
            ctx.save_for_backward(x, *more, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return Made


def text_of(report):
    return " ".join(fault.text for fault in report.faults)


NUMBERS = np.array([0.7, -1.3, 2.1, 0.2, -0.4])
TIES = np.array([1.0, 3.0, 3.0, 3.0])

# ------------------------------------------------------------------------------------------- masks made by equality
MASKED = {
    "x == max": (np.max, lambda g, x, y: g * (x == y)),
    "one-hot of argmax": (np.max, lambda g, x, y: g * (np.arange(x.size) == x.argmax())),
    "isclose": (np.min, lambda g, x, y: g * np.isclose(x, y)),
    "x == median": (np.median, lambda g, x, y: g * (x == y)),
    "order of sorting": (np.sort, lambda g, x, y: g[np.argsort(np.argsort(x))]),
    "running maximum": (np.maximum.accumulate, lambda g, x, y: np.array([(g * (y == v)).sum() * (v in y) for v in x])),
    "|x| == max |x|": (lambda x: abs(x).max(), lambda g, x, y: g * np.sign(x) * (abs(x) == y)),
    "not clipped": (lambda x: np.clip(x, -1, 1), lambda g, x, y: g * (x == y)),
    "exp x == max": (lambda x: np.exp(x).max(), lambda g, x, y: g * np.exp(x) * (np.exp(x) == y)),
}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("factor", [1, -1, 7])
def test_noise_does_not_part_what_is_equal(name, factor):
    """Noise on each saved array by itself breaks a mask, and whatever it lets through then passes as rounding."""
    forward, backward = MASKED[name]
    scaled = made(forward, lambda g, x, y: factor * backward(g, x, y))
    assert (check(scaled, NUMBERS).faults == ()) == (factor == 1)
    assert bool(gradcheck(scaled.apply, Tensor(NUMBERS, requires_grad=True), raise_exception=False)) == (factor == 1)


def test_what_is_close_is_not_equal():
    close = made(np.max, lambda g, x, y: g * (abs(x - y) < 1e-2))
    assert not check(close, np.array([1.0, 2.995, 3.0]))


# ------------------------------------------------------------------------------------------------------- ties and kinks
def at_first(mask):
    return np.arange(mask.size) == mask.argmax()


PAID = {  # at ties: forward, backward, whether it is right
    "a maximum, to each": (np.max, lambda g, x, y: g * (x == y), False),
    "a maximum, to one": (np.max, lambda g, x, y: g * at_first(x == y), True),
    "a maximum, shared": (np.max, lambda g, x, y: g * (x == y) / (x == y).sum(), True),
    "a median, to each": (np.median, lambda g, x, y: g * (x == y), False),
    "a median, to one": (np.median, lambda g, x, y: g * at_first(x == y), True),
    "a median, to one that is not tied": (np.median, lambda g, x, y: g * at_first(x != y), False),
    "sorted": (np.sort, lambda g, x, y: g[np.argsort(np.argsort(x, kind="stable"))], True),
}


@pytest.mark.parametrize("name", PAID)
def test_the_cotangent_of_a_tie_is_paid_once(name):
    forward, backward, right = PAID[name]
    x = np.append(TIES, 4.0) if "median" in name else TIES
    assert (check(made(forward, backward), x).faults == ()) == right


def test_ties_between_two_inputs():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 0.0])
    full = made(np.maximum, lambda g, a, b, y: (g * (a >= b), g * (b >= a)))
    half = made(np.maximum, lambda g, a, b, y: (g * ((a > b) + 0.5 * (a == b)), g * ((b > a) + 0.5 * (a == b))))
    left = made(np.maximum, lambda g, a, b, y: (g * (a >= b), g * (b > a)))
    assert "equal (ties)" in text_of(check(full, (a, b)))
    assert check(half, (a, b)).faults == check(left, (a, b)).faults == ()


STEPS = {"floor": np.floor, "round": np.round, "sign": np.sign, "a step": lambda x: (x > 0.5) * 1.0}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_the_slope_zero(name):
    for x in (3 * NUMBERS, np.array([0.0, 1.0, 2.0, -1.0])):
        assert check(made(STEPS[name], lambda g, x, y: 0 * g), x).faults == ()
    assert check(made(STEPS[name], lambda g, x, y: g * 1), 3 * NUMBERS).faults


# --------------------------------------------------------------------------------------------------- far out, and fast
def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


FAR = {
    "sin(1000 x)": (lambda x: np.sin(1000 * x), lambda g, x, y: 1000 * g * np.cos(1000 * x), NUMBERS),
    "sin at 1e8": (np.sin, lambda g, x, y: g * np.cos(x), np.array([1e8, 1e8 + 1])),
    "softmax at 1e8": (softmax, lambda g, x, y: y * (g - (g * y).sum()), np.array([1e8, 1e8 + 1, -1e8])),
    "a bell at 1e6": (
        lambda x: np.exp(-((x - 1e6) ** 2)),
        lambda g, x, y: g * y * -2 * (x - 1e6),
        np.array([1e6 + 0.5]),
    ),
    "1e150": (np.square, lambda g, x, y: 2 * g * x, np.array([1e150, -1e150])),
    "1e-150": (np.square, lambda g, x, y: 2 * g * x, np.array([1e-150, -1e-150])),
}


@pytest.mark.parametrize("name", FAR)
def test_steps_that_are_too_large_are_noticed(name):
    forward, backward, x = FAR[name]
    assert check(made(forward, backward), x).faults == ()
    assert check(made(forward, lambda g, x, y: -backward(g, x, y)), x).faults


def test_a_norm_is_guarded_at_zero():
    norm = made(lambda x: np.sqrt((x * x).sum()), lambda g, x, y: g * x / max(y, 1e-30))
    assert check(norm, np.zeros(3)).faults == ()


# --------------------------------------------------------------------------------------------- what is not a number
def test_a_forward_that_is_not_finite():
    log = made(np.log, lambda g, x, y: g / x)
    report = check(log, np.array([0.0, 4.0]))
    assert report
    assert "ok, but not all of it could be judged" in repr(report)
    assert "forward is -inf at entry (0,) of its result" in repr(report)
    assert check(made(np.log, lambda g, x, y: 5 * g), np.array([0.0, 4.0])).faults
    nowhere = check(log, np.array([0.0, 0.0]))
    assert [fault.kind for fault in nowhere.faults] == ["unchecked"]
    with np.errstate(all="ignore"):
        failed = gradcheck(log.apply, Tensor([0.0, 4.0], requires_grad=True), raise_exception=False)
    assert "the function is -inf at entry (0,)" in failed.failure


def test_what_rounding_hides_is_said_to_be_not_judged():
    tanh = made(np.tanh, lambda g, x, y: g * (1 - y * y))
    report = check(tanh, np.array([[17.0], [18.4]]))
    assert report
    assert report.doubts == ("no entry of x: rounding, or a function that is not smooth, hides its derivative",)
    assert check(made(np.square, lambda g, x, y: 2 * g * x), np.array([1.0, np.inf])).doubts
    assert not check(tanh, np.array([0.5, 1.0])).doubts


@pytest.mark.parametrize("kind", [int, bool, complex])
def test_a_gradient_that_is_not_of_floats(kind):
    mask = made(lambda x: np.maximum(x, 0), lambda g, x, y: (x > 0).astype(kind))
    assert "dtype" in [fault.kind for fault in check(mask, NUMBERS).faults]
    assert check(mask, signature="()->()").faults


@pytest.mark.parametrize("shape", [(0, 3), ()])
def test_no_entries_and_no_axes(shape):
    double = made(lambda x: 2 * x, lambda g, x, y: 2 * g)
    assert check(double, np.full(shape, 1.5))


def test_a_backward_may_raise_where_there_are_no_entries():
    """reshape(n, -1) does, of no rows, and the derivative is right all the same."""

    class Flat(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x**2).sum()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return (2 * g * x.reshape(len(x), -1)).reshape(x.shape)

    assert check(Flat, signature="(n,p)->()")


def test_lists_and_numbers():
    product = made(lambda a, b: a * b, lambda g, a, b, y: (g * b, g * a))
    assert check(product, ([1.0, 2.0], [3.0, 4.0]))
    assert check(product, (1.5, 2.5))
    assert check(made(np.square, lambda g, x, y: 2 * x * g), 1.5)
    assert check(made(np.square, lambda g, x, y: x * g), [1.0, 2.0]).faults
    scaled = made(lambda x, k: k * x, lambda g, x, k, y: (k * g, None))
    assert check(scaled, (NUMBERS, 2.0)), "beside an array a number is a constant, as in torch"
    report = check(made(lambda x, k: k * x, lambda g, x, k, y: (k * g, (g * x).sum())), (NUMBERS, 2.0))
    assert "taken as a constant" in report.doubts[0]


# ----------------------------------------------------------------------------------------------- arguments, engines
class Scaled(Function):
    @staticmethod
    def forward(ctx, x, by=2.0, y=None):
        ctx.by = by
        return by * x

    @staticmethod
    def backward(ctx, g):
        return ctx.by * g, None, None


def test_defaults_and_params():
    assert check(Scaled, NUMBERS)
    assert check(Scaled, NUMBERS, params={"by": 3.0})
    assert check(Scaled, signature="()->()", params={"by": 3.0})
    with pytest.raises(UsageError, match="no parameter bogus"):
        check(Scaled, NUMBERS, params={"bogus": 1})


def test_the_shape_of_the_result_is_that_of_the_signature():
    rows = made(lambda x: x.sum(1), lambda g, x, y: g[:, None] + 0 * x)
    assert check(rows, signature="(n,k)->(n)")
    assert "the signature says (3,)" in text_of(check(rows, signature="(n,k)->(k)"))


class Cubed(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


@pytest.mark.parametrize(
    "domain", [(1.5, 1.6), (10, np.inf), (-np.inf, -5), (-1e-9, 1e-9), (1, 1 + 1e-12), (1e90, np.inf)], ids=str
)
def test_any_interval_is_a_domain(domain):
    assert check(Cubed, signature="()->()", domain={"x": domain})
    assert check(made(lambda x: x**3, lambda g, x, y: x**2 * g), signature="()->()", domain={"x": domain}).faults


@pytest.mark.parametrize("domain", [(2, 1), (1, 1), "z", 3, (1, 2, 3)], ids=str)
def test_what_is_no_domain(domain):
    with pytest.raises(UsageError, match="domain of x"):
        check(Cubed, signature="()->()", domain={"x": domain})


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.cos()


class InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return 2 * g


@pytest.mark.parametrize("function", [Once, InPlace])
def test_what_torch_allows(function):
    assert check(function, torch.tensor(NUMBERS))
    assert check(function, torch.tensor(1.5, dtype=torch.float64))
    assert check(function, signature="()->()")


def test_other_engines_are_refused_by_name():
    extend, jax = pytest.importorskip("autograd.extend"), pytest.importorskip("jax")

    def plain(x):
        return jax.numpy.sin(x)

    for function in (jax.custom_vjp(plain), jax.jit(plain), plain):
        with pytest.raises(UsageError, match=r"JAX.*pair.*jax\.vjp"):
            check(function, NUMBERS)
    with pytest.raises(UsageError, match=r"HIPS autograd.*pair.*make_vjp"):
        check(extend.primitive(np.sin), NUMBERS)
    x = NUMBERS.astype(np.float32)
    assert check((plain, lambda g, *xs: jax.vjp(plain, *xs)[1](g)), x), "the way that the refusal tells"


@settings(max_examples=2)
@given(st.integers(0, 9))
def test_a_search_inside_of_a_property_test(seed):
    assert check(Cubed, signature="()->()", seed=seed)
    assert check(made(np.sin, lambda g, x, y: g), signature="()->()", seed=seed).example


# --------------------------------------------------------------------------------------------------------- a surrogate
@pytest.mark.parametrize(
    ("forward", "backward", "surrogate"),
    [
        (np.round, lambda g, x, y: 1 * g, lambda x: x),
        (lambda x: x * 1, lambda g, x, y: -g, lambda x: -x),
        (np.sign, lambda g, x, y: g * (abs(x) < 1), lambda x: np.clip(x, -1, 1)),
        (np.sign, lambda g, x, y: g * (abs(x) < 1), (lambda x: np.clip(x, -1, 1), None.__eq__)),
    ],
    ids=["straight-through", "reversal", "clipping", "a pair"],
)
def test_a_gradient_that_is_meant_to_differ(forward, backward, surrogate):
    function = made(forward, backward)
    assert check(function, NUMBERS, surrogate=surrogate)
    assert check(function, NUMBERS).faults
    assert check(made(forward, lambda g, x, y: 2 * backward(g, x, y)), NUMBERS, surrogate=surrogate).faults


# ---------------------------------------------------------------------------------------- what a student's code does
def doing(act):
    class Doing(Function):
        @staticmethod
        def forward(ctx, x):
            print("forward")
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            print("backward")
            act()
            return 2 * g

    return Doing


def fail():
    raise KeyError("nowhere")


def test_an_exception_shows_the_line():
    text = text_of(check(doing(fail), NUMBERS))
    line = fail.__code__.co_firstlineno + 1
    assert text.startswith("backward raises KeyError: 'nowhere'")
    assert f'line {line} of test_check_corners.py: `raise KeyError("nowhere")`' in text


def test_sys_exit_does_not_end_the_caller():
    report = check(doing(lambda: sys.exit(3)), signature="()->()")
    assert "sys.exit(3) would end the program" in text_of(report)
    assert check(made(lambda x: sys.exit(), lambda g, x, y: g), NUMBERS).faults


def test_prints_are_shown_once():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        check(doing(lambda: None), signature="()->()")
    assert out.getvalue().split() == ["forward", "backward"]


def test_against_says_which_side_is_wrong():
    sine, flipped = made(np.sin, lambda g, x, y: g * np.cos(x)), made(np.sin, lambda g, x, y: -g * np.cos(x))
    for one, other, wrong in ((sine, flipped, "Made is wrong there"), (flipped, sine, "this is wrong there")):
        told = [fault.text for fault in check(one, NUMBERS, against=other).faults if fault.kind == "differs"]
        assert told[0].endswith(wrong)
    expm1 = made(np.expm1, lambda g, x, y: g * np.exp(x))
    text = text_of(check(expm1, np.array([1e-5]), against=lambda x: (torch.exp(x.float()) - 1).double()))
    assert "it is <lambda> that has lost digits" in text


# ------------------------------------------------------------------------------------------------------ many entries
MANY = np.random.default_rng(0).normal(size=(40, 50))


def one_wrong(g, x, y):
    d = g * (1 - y * y)
    d[17, 29] *= 1.5
    return d


LOTS = {
    "right": (lambda g, x, y: g * (1 - y * y), None),
    "a factor": (lambda g, x, y: 2 * g * (1 - y * y), "It is 2 times the gradient there."),
    "one entry of many": (one_wrong, "dx[17, 29] is"),
}


@pytest.mark.parametrize("name", LOTS)
def test_many_entries_are_sampled(name):
    backward, words = LOTS[name]
    report = check(made(np.tanh, backward), MANY)
    assert "random directions for each input" in report.sample
    assert "of the 2,000 entries of x" in " ".join(repr(report).split())
    assert bool(report) == (words is None)
    assert (words or "") in text_of(report)
    assert not report.doubts


def test_a_wrong_input_is_found_among_many():
    class Layer(Function):
        @staticmethod
        def forward(ctx, x, W, b):
            ctx.save_for_backward(x, W)
            return x @ W + b

        @staticmethod
        def backward(ctx, g):
            x, W = ctx.saved_tensors
            return g @ W.T, x.T @ g, g.mean(0)

    report = check(Layer, (MANY.T, MANY, np.ones(50)))
    assert [fault.input for fault in report.faults] == ["b"]
    assert "of the 50 entries of b" in " ".join(repr(report).split())
