"""Derivatives of functions: each transform against torch, and against the others."""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_agrees, exact
from strategies import FLOATS, arrays, grid
from students import cube_of, exp_of, linear_of, mse_of, no_collector, slope_saved_of

import minigrad
from minigrad import (
    Function,
    Tensor,
    elementwise_grad,
    grad,
    gradients,
    hessian,
    hessian_diag,
    hvp,
    jacobian,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
)  # fmt: skip
from minigrad.engine.state import Watch
from minigrad.engine.trees import leaves

FEWER = settings(max_examples=settings.default.max_examples // 4)  # smooth functions, whose rules are tested elsewhere
ROUNDINGS = 256  # on the way through two or three layers, twice differentiated

# A function of two arrays of the given shapes, of np (which records) or torch.
NUMBERS = {
    "polynomial": (lambda m, x, y: (x * x * x * y).sum(), (3,), (3,)),
    "broadcast": (lambda m, x, y: (m.sin(x * y) + x / (y * y + 1)).sum(), (2, 3), (3,)),
    "network": (lambda m, x, W: (m.sin(x @ W) ** 2).mean(), (3, 2), (2, 2)),
    "linear in x": (lambda m, x, y: (x * m.exp(y)).sum(), (3,), (3,)),
    "numbers": (lambda m, x, y: m.exp(m.sin(x) * y) / 8, (), ()),
}
ARRAYS = {
    "entry by entry": (lambda m, x, y: m.sin(x) * m.exp(y), (3,), (3,)),
    "outer": (lambda m, x, y: m.cos(x)[:, None] * y * y, (2,), (3,)),
    "product": (lambda m, x, y: x @ m.sin(y), (2, 3), (3, 2)),
    "reduced": (lambda m, x, y: (x * y).sum(0) * x, (2, 3), (2, 3)),
    "unused": (lambda m, x, y: m.cos(x) * x, (2,), (3,)),
}
TO_NUMBERS = pytest.mark.parametrize("name", NUMBERS)
TO_ARRAYS = pytest.mark.parametrize("name", NUMBERS | ARRAYS)


@st.composite
def drawn(draw, name, more=0):
    """The function on np and on torch, its arguments, and `more` tangents of the same shapes."""
    f, *shapes = (NUMBERS | ARRAYS)[name]
    dtype = draw(st.sampled_from(FLOATS))
    args, *others = (tuple(draw(arrays(s, dtype, grid())) for s in shapes) for _ in range(1 + more))
    return lambda *xs: f(np, *xs), lambda *xs: f(torch, *xs), args, *others


def leaves_of(args):
    return tuple(exact(a, requires_grad=True) for a in args)


def assert_all_agree(got, want, args, *tangents):
    """Arrays, nested as tuples are, equal torch's; arrays and not Tensors, in the dtype of the arguments."""
    if isinstance(want, tuple):
        assert type(got) is tuple
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            assert_all_agree(g, w, args, *tangents)
        return
    assert type(got) is np.ndarray
    unit = float(np.finfo(got.dtype).eps)
    assert_agrees(got, want, (*args, *tangents), unit, "derivative", k=ROUNDINGS)


# -------------------------------------------------------------------------------------------------- against torch
@TO_NUMBERS
@FEWER
@given(data=st.data())
def test_value_and_grad(name, data):
    f, reference, args = data.draw(drawn(name))
    xs = leaves_of(args)
    want = reference(*xs)
    slopes = torch.autograd.grad(want, xs, create_graph=True)
    value, found = value_and_grad(f, argnums=(0, 1))(*args)
    assert_all_agree((value, found), (want, slopes), xs)
    assert [g.dtype for g in found] == [a.dtype for a in args]
    for i in (0, 1, -1, -2):
        np.testing.assert_array_equal(grad(f, i)(*args), found[i])
    np.testing.assert_array_equal(grad(f, [-1, 0])(*args)[0], found[1])


@TO_ARRAYS
@FEWER
@given(data=st.data())
def test_vjp(name, data):
    f, reference, args = data.draw(drawn(name))
    xs = leaves_of(args)
    value, pullback = vjp(f, *args)
    for stream in range(3):  # several times, each from the beginning
        u = np.random.default_rng(stream).normal(size=value.shape).astype(value.dtype)
        weight = exact(u, requires_grad=True)
        want = torch.autograd.functional.vjp(reference, xs, weight, create_graph=True)
        assert_all_agree((value, pullback(u)), want, xs, weight)


@TO_ARRAYS
@FEWER
@given(data=st.data())
def test_jvp(name, data):
    f, reference, args, tangents = data.draw(drawn(name, 1))
    xs, vs = leaves_of(args), leaves_of(tangents)
    want = torch.autograd.functional.jvp(reference, xs, vs, create_graph=True)
    assert_all_agree(jvp(f, args, tangents), want, xs, *vs)


@TO_NUMBERS
@FEWER
@given(data=st.data())
def test_hvp(name, data):
    f, reference, args, tangents = data.draw(drawn(name, 1))
    xs, vs = leaves_of(args), leaves_of(tangents)
    _, want = torch.autograd.functional.hvp(reference, xs, vs, create_graph=True)
    assert_all_agree(hvp(f, args, tangents), want, xs, *vs)


@TO_ARRAYS
@FEWER
@given(data=st.data())
def test_jacobian(name, data):
    f, reference, args = data.draw(drawn(name))
    xs = leaves_of(args)
    want = torch.autograd.functional.jacobian(reference, xs, create_graph=True)
    found = jacobian(f, argnums=(0, 1))(*args)
    assert_all_agree(found, want, xs)
    assert [b.dtype for b in found] == [a.dtype for a in args]
    np.testing.assert_array_equal(jacobian(f, -2)(*args), found[0])


@TO_NUMBERS
@FEWER
@given(data=st.data())
def test_hessian(name, data):
    f, reference, args = data.draw(drawn(name))
    xs = leaves_of(args)
    want = torch.autograd.functional.hessian(reference, xs, create_graph=True)
    assert_all_agree(hessian(f, argnums=(0, 1))(*args), want, xs)
    assert_all_agree(hessian(f, argnums=1)(*args), want[1][1], xs)


# ------------------------------------------------------------------------------------------ against each other, nested
CUBIC = NUMBERS["broadcast"][0]


def case(seed=0, *shapes):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes or ((2, 3), (3,)))


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_forward_over_reverse_equals_reverse_over_reverse():
    def f(x, y):
        return CUBIC(np, x, y)

    args, tangents = case(0), case(1)
    gradient = grad(f, argnums=(0, 1))
    _, forward_over_reverse = jvp(gradient, args, tangents)  # an output of two arrays
    reverse_over_forward = grad(lambda *xs: jvp(f, xs, tangents)[1], argnums=(0, 1))(*args)
    reverse_over_reverse = grad(
        lambda *xs: sum((g * v).sum() for g, v in zip(gradient(*xs), tangents, strict=True)), argnums=(0, 1)
    )(*args)
    pulled = vjp(gradient, *args)[1](tangents)  # the Hessian is symmetric
    full = hessian(f, argnums=(0, 1))(*args)
    for i, product in enumerate(hvp(f, args, tangents)):
        want = sum(np.tensordot(full[i][j], tangents[j], tangents[j].ndim) for j in range(2))
        for other in (forward_over_reverse, reverse_over_forward, reverse_over_reverse, pulled):
            close(other[i], want)
        close(product, want)


def test_hessian_is_the_jacobian_of_the_gradient():
    args = case()
    for i in range(2):
        want = jacobian(grad(lambda *xs: CUBIC(np, *xs), i), i)(*args)
        np.testing.assert_array_equal(hessian(lambda *xs: CUBIC(np, *xs), i)(*args), want)


def test_rows_and_columns_of_a_jacobian():
    def f(x):
        return np.sin(x) * x.sum()

    (x,) = case(0, (4,))
    full = jacobian(f)(x)
    pullback = vjp(f, x)[1]
    for i, unit in enumerate(np.eye(4)):
        close(pullback(unit)[0], full[i])
        close(jvp(f, (x,), (unit,))[1], full[:, i])


def tower(d, f, order):
    for _ in range(order):
        f = d(f)
    return f


def forward(f):
    return lambda x: jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize("ways", list(itertools.product([grad, forward, jacobian], repeat=3)))
def test_third_derivatives_in_every_order_of_the_transforms(ways):
    f: Any = np.sin
    for d in ways:
        f = d(f)
    assert type(f(0.5)) is np.ndarray
    close(f(0.5), -np.cos(0.5))


@pytest.mark.parametrize("d", [grad, forward, jacobian])
def test_derivatives_of_a_power_end_in_zeros(d):
    """x³, 3x², 6x, 6, 0, 0: a derivative that does not change any more is still a function to differentiate."""
    found = [tower(d, lambda x: x * x * x, order)(2.0) for order in range(1, 7)]
    assert all(type(y) is np.ndarray for y in found)
    np.testing.assert_array_equal(found, [12, 12, 6, 0, 0, 0])


@pytest.mark.parametrize("d", [grad, forward, jacobian])
def test_zeros_enter_other_functions(d):
    assert d(lambda x: d(lambda z: 3 * z)(x) * x + d(d(lambda z: 3 * z))(x))(2.0) == 3.0
    assert d(lambda x: -2 * d(lambda z: 3 * z)(x) + 1)(2.0) == 0.0


def test_linear_functions_have_no_curvature():
    A, x, v = case(0, (2, 3), (3,), (3,))
    np.testing.assert_array_equal(hessian(lambda x: (A @ x).sum())(x), np.zeros((3, 3)))
    (product,) = hvp(lambda x: (A @ x).sum(), (x,), (v,))
    np.testing.assert_array_equal(product, np.zeros(3))
    np.testing.assert_array_equal(jacobian(jacobian(lambda x: A @ x))(x), np.zeros((2, 3, 3)))
    np.testing.assert_array_equal(jvp(grad(lambda x: (A @ x).sum()), (x,), (v,))[1], np.zeros(3))


def test_unused_arguments_have_zeros():
    x, y = case()
    value, (dx, dy) = value_and_grad(lambda x, y: (x * x).sum(), (0, 1))(x, y.astype(np.float32))
    close((value, dx[0, 0]), ((x * x).sum(), 2 * x[0, 0]))
    assert (dy.shape, dy.dtype) == ((3,), np.float32)
    assert not dy.any()
    assert not vjp(lambda x, y: x * x, x, y)[1](x)[1].any()
    assert not jvp(lambda x, y: x * x, (x, y), (0 * x, y))[1].any()
    assert not hvp(lambda x, y: (x * x).sum(), (x, y), (x, y))[1].any()
    assert not hessian(lambda x, y: (x * x).sum(), (0, 1))(x, y)[0][1].any()


# ----------------------------------------------------------------------------------------------- perturbation confusion
def test_an_outer_variable_in_an_inner_derivative():
    """d/dx (x d/dy (x + y)) is 1 at any point; to mistake the inner variable for the outer one gives 2."""
    for d, inner in itertools.product([grad, forward, jacobian], repeat=2):
        assert d(lambda x, inner=inner: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
        assert d(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0
        assert d(lambda x, inner=inner: inner(lambda x: x * x)(x) * x)(3.0) == 12.0


def test_one_array_as_two_arguments():
    x = np.array([1.0, 2.0])
    first, second = grad(lambda a, b: (a * a * b).sum(), (0, 1))(x, x)
    np.testing.assert_array_equal(first, 2 * x * x)
    np.testing.assert_array_equal(second, x * x)
    t = Tensor(x, requires_grad=True)
    first, second = grad(lambda a, b: (a * a * b).sum(), (0, 1))(t, t)
    np.testing.assert_array_equal(second.data, x * x)
    np.testing.assert_array_equal(grad(lambda a: (a * a * t.detach()).sum())(t).data, 2 * x * x)


def test_tangents_and_cotangents_are_differentiated():
    x, v = case(0, (3,), (3,))
    close(grad(lambda v: jvp(np.sin, (x,), (v,))[1].sum())(v), np.cos(x))
    close(grad(lambda v: (hvp(lambda x: np.sin(x).sum(), (x,), (v,))[0]).sum())(v), -np.sin(x))
    _, pullback = vjp(np.sin, x)
    close(grad(lambda u: pullback(u)[0].sum())(v), np.cos(x))
    assert type(pullback(v)[0]) is np.ndarray  # also after it was called with a Tensor
    for found in (pullback(Tensor(v))[0], *jvp(np.sin, (x,), (Tensor(v),)), *hvp(np.sum, (x,), (Tensor(v),))):
        assert type(found) is Tensor
        assert not found.recorded


# ---------------------------------------------------------------------------------------------------- nested arguments
class Layer(NamedTuple):
    W: Any
    b: Any


def model(params, x):
    hidden = np.tanh(x @ params["first"].W + params["first"].b)
    scale, (shift,) = params["rest"]
    return (scale * hidden).sum() + shift * shift


def nested():
    W, b, scale = case(3, (3, 2), (2,), (2,))
    return {"first": Layer(W, b), "rest": [scale, (0.5,)]}


def test_gradients_are_nested_as_the_arguments():
    (x,) = case(0, (4, 3))
    params = nested()
    value, found = value_and_grad(model)(params, x)
    assert type(found) is dict
    assert type(found["first"]) is Layer
    assert type(found["rest"]) is list
    assert type(found["rest"][1]) is tuple
    W, b, scale = (exact(a, True) for a in (*params["first"], params["rest"][0]))
    shift = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    want = (scale * torch.tanh(exact(x) @ W + b)).sum() + shift * shift
    want.backward()
    close(value, want.detach())
    for got, leaf in zip([*found["first"], found["rest"][0], found["rest"][1][0]], [W, b, scale, shift], strict=True):
        assert type(got) is np.ndarray
        close(got, leaf.grad)


def test_tangents_are_nested_as_the_arguments():
    (x,) = case(0, (4, 3))
    params = nested()
    direction = grad(model)(params, x)
    moved = jvp(lambda p: model(p, x), (params,), (direction,))[1]
    flat = [*direction["first"], direction["rest"][0], direction["rest"][1][0]]
    close(moved, sum((g * g).sum() for g in flat))
    (product,) = hvp(lambda p: model(p, x), (params,), (direction,))
    assert type(product["first"]) is Layer
    close(product["rest"][1][0], 2 * direction["rest"][1][0])


def test_dicts_are_matched_by_key_and_not_by_order():
    primals = {"a": np.ones(2), "b": np.full(2, 3.0)}
    tangents = {"b": np.ones(2), "a": np.zeros(2)}

    def f(p):
        return (p["a"] * p["a"] * p["b"]).sum()

    assert jvp(f, (primals,), (tangents,))[1] == 2.0
    np.testing.assert_array_equal(hvp(f, (primals,), (tangents,))[0]["a"], [2.0, 2.0])
    ordered = OrderedDict(b=1.0, a=2.0)
    _, pullback = vjp(lambda x: {"a": 2 * x, "b": 3 * x}, 1.0)
    assert pullback(ordered)[0] == 7.0


def test_outputs_may_be_nested():
    def f(x, y):
        return {"sum": x + y, "products": [x * y, (x * x).sum()]}

    x, y = case(0, (2,), (2,))
    value, pullback = vjp(f, x, y)
    np.testing.assert_array_equal(value["products"][0], x * y)
    dx, dy = pullback({"sum": np.ones(2), "products": [y, 2.0]})
    close(dx, 1 + y * y + 4 * x)
    close(dy, 1 + x * y)
    value, moved = jvp(f, (x, y), (y, x))
    close(moved["sum"], x + y)
    close(moved["products"][0], x * x + y * y)
    close(moved["products"][1], 2 * (x * y).sum())
    full = jacobian(f, (0, 1))(x, y)
    close(full["products"][0][1], np.diag(x))
    close(full["products"][1][0], 2 * x)


def test_no_arrays_at_all():
    assert vjp(lambda p, x: x * x, {}, 3.0)[1](1.0) == ({}, 6.0)
    assert jacobian(lambda p, x: x * x, (0, 1))([], 3.0) == ([], 6.0)


# ------------------------------------------------------------------------------------------------------ arguments
def test_keywords_are_handed_through():
    def f(x, *, power):
        return x**power

    assert grad(f)(3.0, power=2) == 6.0
    assert value_and_grad(f)(3.0, power=2)[0] == 9.0
    assert jacobian(f)(3.0, power=2) == 6.0
    assert hessian(f)(3.0, power=3) == 18.0


def test_a_python_int_is_a_number():
    assert grad(lambda x: x * x)(3) == 6.0
    assert grad(lambda x: x * x)(3).dtype == np.float64
    assert jvp(lambda x: x * x, (3,), (1,))[1] == 6.0
    assert grad(lambda p: p[0] * p[1])([3, 4]) == [4.0, 3.0]


@pytest.mark.parametrize("x", [np.arange(3), np.array([True]), np.ones(2, complex), np.int64(3), Tensor([1, 2])])
def test_what_cannot_change_by_a_little(x):
    for d in (grad, jacobian, hessian):
        with pytest.raises(TypeError, match="real floating dtype"):
            d(lambda x: (x * x).sum())(x)


def test_a_constant_argument_may_be_anything():
    def f(x, how, index):
        return {"square": x * x}[how][index]

    np.testing.assert_array_equal(grad(f)(np.array([1.0, 2.0]), "square", 1), [0.0, 4.0])


@pytest.mark.parametrize(
    ("argnums", "message"),
    [(2, "2 positional"), (-3, "2 positional"), ((0, 2), "2 positional"), ((0, 0), "twice"), ((1, -1), "twice")],
)
def test_argnums_that_are_wrong(argnums, message):
    for d in (grad, value_and_grad, jacobian, hessian):
        with pytest.raises(ValueError, match=message):
            d(lambda x, y: x * y, argnums)(1.0, 2.0)


def test_argnums_are_whole_numbers_of_any_kind():
    def f(x, y):
        return x * y * y

    assert grad(f, np.int64(1))(1.0, 2.0) == 4.0
    assert grad(f, np.array([0, 1]))(1.0, 2.0) == (4.0, 4.0)
    for argnums in (1.0, "x", None, [0, 1.0]):
        with pytest.raises(TypeError, match=r"argnums=.*the position of an argument"):
            jacobian(f, argnums)(1.0, 2.0)


def test_arguments_to_differentiate_are_positional():
    with pytest.raises(ValueError, match=r"argnums=0: .* 0 positional arguments"):
        grad(lambda x: x * x)(x=1.0)


def test_aux():
    def f(x):
        return (x * x).sum(), {"twice": 2 * x, "name": "f"}

    x = np.array([1.0, 2.0])
    (value, aux), found = value_and_grad(f, has_aux=True)(x)
    assert value == 5.0
    np.testing.assert_array_equal(found, 2 * x)
    seen = [aux, grad(f, has_aux=True)(x)[1], vjp(f, x, has_aux=True)[2], jvp(f, (x,), (x,), has_aux=True)[2]]
    seen += [jacobian(f, has_aux=True)(x)[1], hessian(f, has_aux=True)(x)[1]]
    for aux in seen:
        assert aux["name"] == "f"
        assert type(aux["twice"]) is np.ndarray  # it does not keep the tape alive
        np.testing.assert_array_equal(aux["twice"], 2 * x)
    np.testing.assert_array_equal(hessian(f, has_aux=True)(x)[0], 2 * np.eye(2))
    for d in (grad, jacobian):
        with pytest.raises(TypeError, match=r"has_aux=True: .*\(output, aux\)"):
            d(lambda x: x.sum(), has_aux=True)(x)


def test_it_is_still_named_and_documented_as_the_function():
    def f(x):
        """A square."""
        return x * x

    for d in (grad, value_and_grad, jacobian, hessian):
        assert d(f).__name__ == "f"
        assert d(f).__doc__ == "A square."


# ------------------------------------------------------------------------------------------------- arrays and Tensors
EACH = [  # transform and function: each returns a nesting of results
    lambda f, x: value_and_grad(f)(x),
    lambda f, x: [grad(f)(x)],
    lambda f, x: (vjp(f, x)[0], *vjp(f, x)[1](1.0)),
    lambda f, x: jvp(f, (x,), (1.0,)),
    lambda f, x: hvp(f, (x,), (1.0,)),
    lambda f, x: [jacobian(f)(x)],
    lambda f, x: [hessian(f)(x)],
]
each = pytest.mark.parametrize("d", EACH)


@each
@pytest.mark.parametrize("around", [contextlib.nullcontext, no_grad])
def test_arrays_give_arrays_and_tensors_give_tensors(d, around):
    def f(x):
        return x * x * x

    with around():
        found = d(f, 2.0)
        assert all(type(y) is np.ndarray for y in found)
        wrapped = d(f, Tensor(2.0))
        assert all(type(y) is Tensor and not y.recorded for y in wrapped)
    assert [y.item() for y in wrapped] == list(found)


@each
@pytest.mark.parametrize("make", [lambda w: (lambda x: w * x * x * x, 2.0), lambda w: (lambda x: x * x * x, w)])
def test_results_are_recorded_where_something_outside_is_differentiated(d, make):
    w = Tensor(2.0, requires_grad=True)
    f, x = make(w)
    found = d(f, x)
    assert all(type(y) is Tensor and y.requires_grad for y in found)
    with no_grad():
        hidden = d(f, x)
    assert [y.requires_grad for y in hidden if type(y) is Tensor] in ([], [False] * len(hidden))
    assert [float(y) for y in hidden] == [y.item() for y in found]
    found[-1].backward()
    shift = 2.0**-20  # of w; the results are polynomials in w
    with no_grad():
        moved = [d(*make(Tensor(2.0 + s, requires_grad=True)))[-1] for s in (shift, -shift)]
    assert w.grad == pytest.approx((float(moved[0]) - float(moved[1])) / (2 * shift), rel=1e-8)


@each
def test_a_leaf_that_the_function_makes_is_its_own_affair(d):
    def f(x):
        w = Tensor(3.0, requires_grad=True)
        return w * x * x

    assert all(type(y) is np.ndarray for y in d(f, 2.0))


@each
def test_nothing_is_written_into(d):
    x = np.array(2.0)
    x.flags.writeable = False
    t = Tensor(np.array(2.0), requires_grad=True)
    d(lambda x: x * x * t, x)
    d(lambda x: x * x, t)
    assert t.grad is None
    assert t.item() == 2.0


def test_results_own_their_memory():
    x = np.ones(3)
    first, second = grad(lambda a, b: (a + b).sum(), (0, 1))(x, x)
    assert not np.shares_memory(first, second)
    for g in (first, second):
        assert g.flags.owndata
        assert g.flags.writeable


def test_no_grad_inside_the_function_is_kept_to():
    def f(x):
        with no_grad():
            constant = x * x
        return constant * x

    assert grad(f)(3.0) == 9.0
    with no_grad():
        assert grad(f)(3.0) == 9.0


@each
def test_memory_is_freed_by_reference_counting(d):
    alive = []

    def f(x):
        y = x * x * x
        alive.extend([weakref.ref(x), weakref.ref(y)])
        return y

    with no_collector():
        d(f, np.array(2.0))
        assert [ref() for ref in alive] == [None] * len(alive)
        assert alive


# ------------------------------------------------------------------------------------------------ students' Functions
@pytest.mark.parametrize("ways", list(itertools.product([grad, forward, jacobian], repeat=3)))
def test_any_order_through_functions(ways):
    f, g = cube_of(Function).apply, lambda x: x * exp_of(Function).apply(2 * x)
    for d in ways:
        f, g = d(f), d(g)
    close(f(2.0), 6.0)
    close(g(0.5), 8 * np.exp(1.0) * 0.5 + 12 * np.exp(1.0))


def test_students_linear_and_mse():
    Linear, MSE = linear_of(Function), mse_of(Function)
    W, b, x, y = case(5, (3, 2), (2,), (4, 3), (4, 2))

    def student(W, b):
        return MSE.apply(Linear.apply(x, W, b), y)

    def plain(W, b):
        return ((x @ W + b - y) ** 2).mean()

    for d in (grad, hessian):
        for got, want in zip(d(student, (0, 1))(W, b), d(plain, (0, 1))(W, b), strict=True):
            for one, other in zip(got, want, strict=True):
                close(one, other)
    for got, want in zip(hvp(student, (W, b), (W, b)), hvp(plain, (W, b), (W, b)), strict=True):
        close(got, want)
    close(jvp(student, (W, b), (W, b))[1], jvp(plain, (W, b), (W, b))[1])


def test_an_intermediate_that_a_function_kept():
    """Derivatives of any order are right in both modes."""
    square = slope_saved_of(Function).apply
    assert grad(square)(3.0) == 6.0
    assert jvp(square, (3.0,), (2.0,)) == (9.0, 12.0)
    for d in (lambda f: grad(grad(f)), lambda f: grad(forward(f)), lambda f: forward(grad(f)), hessian):
        assert d(lambda x: x * square(x))(3.0) == 18.0


# ------------------------------------------------------------------------------------------------------ no entries
def test_arrays_without_entries():
    x = np.zeros((0, 3), np.float32)
    value, found = value_and_grad(lambda x: (x * x).sum())(x)
    assert (value, found.shape) == (0.0, (0, 3))
    assert jacobian(lambda x: x * x)(x).shape == (0, 3, 0, 3)
    assert jacobian(lambda x: x * x)(x).dtype == np.float32
    assert jacobian(lambda x: x.sum(0))(x).shape == (3, 0, 3)
    assert hessian(lambda x: (x * x).sum())(x).shape == (0, 3, 0, 3)
    assert vjp(lambda x: x * x, x)[1](x)[0].shape == (0, 3)
    assert jvp(lambda x: x * x, (x,), (x,))[1].shape == (0, 3)
    assert hvp(lambda x: (x * x).sum(), (x,), (x,))[0].shape == (0, 3)


# --------------------------------------------------------------------------------------------------- errors that teach
@pytest.mark.parametrize("d", [grad, value_and_grad, hessian])
@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x * x, r"one number.* multiply of shape \(2,\) .*\(x \* x\): take \.sum\(\).* jacobian or vjp"),
        (lambda x: (x.sum(), x.mean()), r"one number.* returned a tuple.*has_aux=True"),
        (lambda x: [x.sum()], r"one number.* returned a list"),
    ],
)
def test_the_output_is_not_one_number(d, f, message):
    with pytest.raises((RuntimeError, TypeError), match=message):
        d(f)(np.array([1.0, 2.0]))


def test_hvp_names_itself():
    with pytest.raises(RuntimeError, match="hvp needs a function that returns one number"):
        hvp(lambda x: x * x, (np.ones(2),), (np.ones(2),))


AWAY = [
    (lambda x: None, "returned a NoneType"),
    (lambda x: "three", "returned a str, and only a Tensor has a history"),
    (lambda x: (x, "three"), "returned a str in a tuple.*has_aux=True"),
    (lambda x: x > 0, r"greater .*\(x > 0\), which is constant nearly everywhere"),
    (lambda x: x.detach().numpy().sum(), r"returned a float64.*left the tape.*\.numpy\(\), \.item\(\) or \.data"),
    (lambda x: (x * x).item(), "returned a float,.*left the tape"),
    (lambda x: no_grad(np.square)(x).item(), "returned a float,.*left the tape"),
    (lambda x: minigrad.compile(np.square)(x), "returned a .*left the tape|would end here"),
    (lambda x: x.detach().sum(), r"detached at .*\(x\.detach\(\)\)"),
    (lambda x: Tensor(x.item()), r"no leaf requires grad.*Tensor\(x\.item\(\)\)"),
    (lambda x: gradients(x * x, x)[0], "no leaf requires grad"),
    (lambda x: no_grad(grad(lambda z: z * x))(2.0), "no leaf requires grad|left the tape"),
    (lambda x: swept(x), "left the tape|returned a NoneType"),
]


def swept(x):
    (x * x).backward()
    return x.grad


@each
@pytest.mark.parametrize(("f", "message"), AWAY)
def test_the_output_left_the_tape(d, f, message):
    with pytest.raises((RuntimeError, TypeError), match=message):
        d(f, 2.0)


CONSTANT = [
    lambda x: 3.0,
    lambda x: 3,
    lambda x: np.float32(3),
    lambda x: Tensor(np.ones(3)).sum(),
    lambda x: np.sign(x).sum(),
    lambda x: (x > 0).mean(),
    lambda x: 0.0 if x > 0 else x,
    lambda x: grad(lambda z: z * z)(2.0),
]


@pytest.mark.parametrize("f", CONSTANT)
def test_a_constant_has_zeros(f):
    """Nothing has left the tape on the way, so zero is what the derivative is, of any order."""
    x = np.array([2.0])
    for d in (grad, elementwise_grad, hessian_diag, lambda f: lambda x: hvp(f, (x,), (x,))[0]):
        np.testing.assert_array_equal(d(f)(x), [0])
    for d in (lambda f: grad(lambda x: grad(f)(x).sum()), lambda f: lambda x: vjp(f, x)[1](1.0)[0]):
        np.testing.assert_array_equal(d(f)(x), [0])
    assert jvp(f, (x,), (x,)) == (value_and_grad(f)(x)[0], 0)
    np.testing.assert_array_equal(hessian(f)(x), [[0]])
    np.testing.assert_array_equal(jacobian(lambda x: np.arange(3))(x), np.zeros((3, 1)))
    np.testing.assert_array_equal(jacobian(lambda x: (x, 3.0))(x)[1], [0])


def test_what_left_the_tape_before_or_elsewhere_is_no_hindrance():
    w = Tensor(3.0, requires_grad=True)
    (w * w).backward()
    scale = (w * w).item()
    assert grad(lambda x: scale)(2.0) == 0
    assert grad(lambda x: x * x.item())(2.0) == 2  # the product is on the tape


def test_none_is_an_argument_that_is_not_there():
    params = {"W": np.array([1.0, 2.0]), "b": None, "rest": [None, 3.0]}

    def f(p, x):
        assert p["b"] is None
        return (p["W"] * p["W"]).sum() * p["rest"][1] * x, None

    (value, _), found = value_and_grad(f, has_aux=True)(params, 2.0)
    assert (found["b"], found["rest"]) == (None, [None, 10.0])
    np.testing.assert_array_equal(found["W"], [12, 24])
    tangents = {"W": np.ones(2), "b": None, "rest": [None, 0.0]}
    (value, none), moved = jvp(f, (params, 2.0), (tangents, 0.0))
    assert (value, none, moved) == (30, None, (36, None))
    assert vjp(f, params, 2.0)[1]((1.0, None))[0]["rest"] == [None, 10.0]
    assert jacobian(f)(params, 2.0)[0]["b"] is None
    assert hvp(lambda p, x: f(p, x)[0], (params, 2.0), (tangents, 0.0))[0]["rest"] == [None, 12.0]
    step = minigrad.compile(lambda W, b, x: (W * W).sum() * x, grad_of=("W", "b"))
    found = step(params["W"], [None, np.ones(1)], 2.0)
    assert found[1][1][0] is None
    with pytest.raises(ValueError, match=r"tangents\[0\]\['b'\] must be None"):
        jvp(f, (params, 2.0), (tangents | {"b": 1.0}, 0.0))


def test_entry_by_entry():
    (x,) = case(0, (2, 3))
    close(elementwise_grad(np.sin)(x), np.cos(x))
    found, aux = elementwise_grad(lambda x: (np.sin(x), "sin"), has_aux=True)(x)
    assert aux == "sin"
    close(found, np.cos(x))
    close(elementwise_grad(elementwise_grad(lambda y, x: np.sin(x) * y, 1), 1)(2.0, x), -2 * np.sin(x))


def test_the_diagonal_of_a_hessian():
    args = case()

    def f(x, y):
        return CUBIC(np, x, y)

    full = hessian(f, (0, 1))(*args)
    for i, found in enumerate(hessian_diag(f, (0, 1))(*args)):
        close(found.ravel(), np.diag(full[i][i].reshape(found.size, -1)))
    close(grad(lambda x: hessian_diag(lambda z: (z**4).sum())(x).sum())(args[0]), 24 * args[0])
    assert hessian_diag(lambda x: (x * x).sum())(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("d", [grad, hessian, hessian_diag, value_and_grad, jacobian])
def test_transforms_are_compiled(d):
    (x,) = case(0, (3,))

    def f(x):
        return (np.sin(x) * x[0]).sum()

    program, want = minigrad.compile(d(f)), d(f)(x)
    for _ in range(2):
        found = program(x)
        for got, wanted in zip(found, want, strict=True) if d is value_and_grad else [(found, want)]:
            close(got, wanted)


def under_no_grad(x):
    with no_grad():
        return x * x


@each
def test_the_output_was_computed_under_no_grad(d):
    with pytest.raises(RuntimeError, match=r"computed under no_grad\(\) at .*\(x \* x\)"):
        d(under_no_grad, 2.0)


@pytest.mark.parametrize("d", [jvp, hvp])
def test_primals_and_tangents_that_do_not_fit(d):
    def f(p, x):
        return (p["W"] * x).sum()

    x, params = np.ones(2), {"W": np.ones(2)}
    with pytest.raises(TypeError, match=rf"{d.__name__}: primals is the tuple of all arguments, and this is a ndarray"):
        d(np.sum, x, x)
    for tangents, message in [
        ((params,), r"tangents must be a tuple of length 2"),
        (x, r"tangents must be a tuple of length 2"),
        ((params, np.ones(3)), r"tangents\[1\] has shape \(3,\), and belongs to an array of shape \(2,\)"),
        (({"V": x}, x), r"tangents\[0\] must be a dict with the keys \['W'\]"),
        ((x, x), r"tangents\[0\] must be a dict"),
        (({"W": np.ones((2, 1))}, x), r"tangents\[0\]\['W'\] has shape \(2, 1\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            d(f, (params, x), tangents)


def test_a_cotangent_that_does_not_fit():
    _, pullback = vjp(lambda x: {"a": x, "b": [x]}, np.ones(2))
    with pytest.raises(ValueError, match=r"the cotangent\['b'\]\[0\] has shape \(\), .* \(2,\)"):
        pullback({"a": np.ones(2), "b": [1.0]})
    with pytest.raises(ValueError, match="must be a dict with the keys"):
        pullback(np.ones(2))


# --------------------------------------------------------------------------------------------- sweeps of a tape again
def test_backward_through_transforms_adds_to_the_leaf():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (grad(lambda v: (v * v * w).sum())(w) ** 2).sum()  # (2 w²)², summed
    loss.backward()
    loss.backward()
    close(w.grad, 2 * 16 * w.data**3)


def test_help_shows_what_is_public():
    for d in (grad, value_and_grad, elementwise_grad, vjp, jvp, jacobian, hessian, hessian_diag, hvp):
        assert d.__module__ == "minigrad.transforms"
        assert d is getattr(minigrad, d.__name__)
        assert ">>>" in d.__doc__


# ------------------------------------------------------------------------------------------------ backward, as torch's
def chain(library, dtype):
    """Two leaves, a result of them, and the loss."""
    a, b = (library(value, requires_grad=True, **dtype) for value in (2.0, 3.0))
    c = a * a * b
    c.retain_grad()
    return a, b, c, c * a


BACKWARDS = {
    "inputs": lambda a, b, c, loss: loss.backward(inputs=[a]),
    "one input": lambda a, b, c, loss: loss.backward(inputs=b),
    "a result as input": lambda a, b, c, loss: loss.backward(inputs=[c, b]),
    "twice": lambda a, b, c, loss: [loss.backward(retain_graph=True), loss.backward(inputs=[a, b], retain_graph=True)],
    "all": lambda a, b, c, loss: loss.backward(None, False, False, None),
    "second order": lambda a, b, c, loss: [loss.backward(create_graph=True), (a.grad * b.grad).backward(inputs=[a, b])],
    "unused": lambda a, b, c, loss: (a * a).backward(inputs=[a, b]),
}


@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")
@pytest.mark.parametrize("name", BACKWARDS)
def test_backward_takes_the_arguments_of_torch(name):
    ours, theirs = chain(Tensor, {}), chain(torch.tensor, {"dtype": torch.float64})
    for tensors in (ours, theirs):
        BACKWARDS[name](*tensors)
    for mine, its in zip(ours[:3], theirs[:3], strict=True):
        assert (mine.grad is None) == (its.grad is None)
        assert mine.grad is None or float(np.asarray(getattr(mine.grad, "array", mine.grad))) == its.grad.item()


def test_backward_of_a_gradient_that_is_recorded():
    w = Tensor([1.0, 2.0], requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    slope, w.grad = w.grad, None
    assert type(slope) is Tensor
    slope.sum().backward()
    assert w.grad.tolist() == [6, 12]
    w.grad = slope
    (w * w).sum().backward()  # adds to its number
    assert (type(w.grad), w.grad.tolist()) == (np.ndarray, [5, 16])
    with pytest.raises(ValueError, match="names no tensor"):
        w.sum().backward(inputs=[])
    with pytest.raises(RuntimeError, match="does not require grad"):
        w.sum().backward(inputs=[Tensor(1.0)])


class Sweeps(Watch):
    """How many sweeps there were."""

    count = 0

    def begins(self, output, gradient, inputs):
        self.count += 1


def residuals(params, t, y):
    return {"r": params["a"] * np.exp(-params["b"][0] * t) + params["b"][1] - y, "same": t * params["a"]}


def test_a_tall_jacobian_takes_a_sweep_for_each_parameter():
    t, y = np.linspace(0, 1, 50), np.ones(50)
    params = {"a": np.array(2.0), "b": np.array([0.5, 1.0])}
    with Sweeps() as sweeps:
        found = jacobian(residuals)(params, t, y)
    assert sweeps.count <= 2 * (1 + 3)
    decay = np.exp(-0.5 * t)
    np.testing.assert_allclose(found["r"]["a"], decay)
    np.testing.assert_allclose(found["r"]["b"], np.stack([-2 * t * decay, np.ones(50)], 1))
    np.testing.assert_allclose(found["same"]["a"], t)
    np.testing.assert_array_equal(found["same"]["b"], np.zeros((50, 2)))


def test_a_tall_jacobian_is_differentiated_and_compiled():
    t = np.linspace(0, 1, 9)

    def curve(x):
        return np.sin(x[0] * t) * x[1]

    def by_hand(x):
        return np.stack([t * np.cos(x[0] * t) * x[1], np.sin(x[0] * t)], 1)

    x = np.array([0.5, 2.0])
    np.testing.assert_allclose(jacobian(curve)(x), by_hand(x))
    slopes = [grad(lambda x, f=f: (f(x) ** 3).sum())(x) for f in (jacobian(curve), by_hand)]
    np.testing.assert_allclose(*slopes)
    np.testing.assert_allclose(minigrad.compile(jacobian(curve), constants=["t"])(x), by_hand(x))


COMPILED = {
    "grad": (grad(lambda x: (np.sin(x) * x).sum()), 1),
    "hessian": (hessian(lambda x: (np.sin(x) * x).sum() ** 2), 1),
    "hessian_diag": (hessian_diag(lambda x: (np.sin(x) * x).sum() ** 2), 1),
    "jacobian": (jacobian(lambda x: np.sin(x) * x.sum()), 1),
    "jvp": (lambda x, v: jvp(np.tanh, (x,), (v,)), 2),
    "hvp": (lambda x, v: hvp(lambda x: (x**3).sum(), (x,), (v,)), 2),
    "vjp": (lambda x, v: vjp(np.tanh, x)[1](v), 2),
    "inside": (lambda x, v: v @ hessian(lambda x: (x**3).prod())(x) @ v, 2),
}


@pytest.mark.parametrize("name", COMPILED)
def test_programs_of_transforms(name):
    function, count = COMPILED[name]
    run = minigrad.compile(function)
    for x in np.array([[0.5, 1.5, -1.0], [2.0, 0.25, 1.0]]):  # the second is not what was traced
        given = [x, np.array([1.0, -2.0, 0.5])][:count]
        for got, right in zip(leaves(run(*given)), leaves(function(*given)), strict=True):
            np.testing.assert_allclose(got, right, rtol=1e-12)
