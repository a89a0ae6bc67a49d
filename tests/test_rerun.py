"""Second derivatives through what a student's forward kept: right, or refused with the line, in whatever it keeps it.

Each forward here returns x², entry by entry, and keeps what backward needs for 2 x g. So (F(x) x).sum() is the sum of
x³, whose Hessian has 6 x on its diagonal, and third derivatives are 6.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import OrderedDict, deque, namedtuple
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from minigrad import Function, Tensor, gradients, hessian, no_grad, source, strict

X = np.array([3.0, -0.5, 2.0])
CHANCE = np.random.default_rng(5)
Pair = namedtuple("Pair", "word slope")


@dataclass(frozen=True)
class Frozen:
    slope: object


class Slots:
    __slots__ = ("slope",)

    def __init__(self, slope):
        self.slope = slope


class Own:
    def __init__(self, slope):
        self.deep = {"list": [slope]}


def function(forward, backward):
    return type("Student", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def derivatives(student, x=X):
    """The first, second and third derivatives of the sum of F(x) x, by sums over rows."""
    t = Tensor(x, requires_grad=True)
    (first,) = gradients((student.apply(t) * t).sum(), [t], create_graph=True)
    (second,) = gradients(first.sum(), [t], create_graph=True)
    (third,) = gradients(second.sum(), [t])
    return first.data, second.data, third.data


def assert_right(student, x=X):
    for got, want in zip(derivatives(student, x), (3 * x * x, 6 * x, np.full_like(x, 6)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(hessian(lambda x: (student.apply(x) * x).sum())(x), np.diag(6 * x), rtol=1e-12)


def line_of(function, text):
    code = function.__code__
    with open(code.co_filename, encoding="utf-8") as file:
        lines = file.readlines()
    return next(i for i in range(code.co_firstlineno, len(lines) + 1) if text in lines[i - 1])


def assert_refused(student, text, x=X):
    """The first derivative is right all the same, and the error names the line of forward with `text`."""
    t = Tensor(x, requires_grad=True)
    y = (student.apply(t) * t).sum()
    (first,) = gradients(y, [t], create_graph=True)
    np.testing.assert_allclose(first.data, 3 * x * x)
    with pytest.raises(RuntimeError, match=re.escape(f"{__file__}:{line_of(student.forward, text)}")) as caught:
        gradients(first.sum(), [t])
    assert "intermediate of Student" in str(caught.value)
    assert "Save only inputs or the output" in str(caught.value)
    np.testing.assert_array_equal(gradients(y, [t])[0].data, first.data)  # ctx is what it was


# ------------------------------------------------------------------------------------------------- wherever it is kept
HOLDERS = {
    "attribute": (lambda s: s, lambda h: h),
    "list": (lambda s: [s], lambda h: h[0]),
    "tuple in tuple": (lambda s: (1, ("word", s)), lambda h: h[1][1]),
    "dict": (lambda s: {"slope": s}, lambda h: h["slope"]),
    "ordered dict": (lambda s: OrderedDict(slope=s), lambda h: h["slope"]),
    "deque": (lambda s: deque([s], maxlen=1), lambda h: h[0]),
    "namespace": (lambda s: SimpleNamespace(slope=s), lambda h: h.slope),
    "named tuple": (lambda s: Pair("word", s), lambda h: h.slope),
    "frozen dataclass": (Frozen, lambda h: h.slope),
    "slots": (Slots, lambda h: h.slope),
    "object": (Own, lambda h: h.deep["list"][0]),
    "closure": (lambda s: lambda: s, lambda h: h()),
    "default": (lambda s: lambda s=s: s, lambda h: h()),
    "partial": (lambda s: partial(lambda s: s, s), lambda h: h()),
    "method": (lambda s: [s].__getitem__, lambda h: h(0)),
    "generator": (lambda s: iter([s, s, s, s]), next),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_intermediate_has_its_history_in_whatever_keeps_it(holder):
    keep, take = HOLDERS[holder]

    def forward(ctx, x):
        ctx.kept = keep(2 * x)
        return x * x

    assert_right(function(forward, lambda ctx, g: take(ctx.kept) * g))


@pytest.mark.parametrize("holder", [h for h in HOLDERS if h not in ("method", "generator")])
def test_a_number_that_left_the_tape_is_refused_in_whatever_keeps_it(holder):
    keep, take = HOLDERS[holder]

    def forward(ctx, x):
        ctx.kept = keep(np.array([v.item() for v in 2 * x]))  # the line
        return x * x

    assert_refused(function(forward, lambda ctx, g: take(ctx.kept) * g), "# the line")


@pytest.mark.parametrize("where", ["class", "closure", "list in a closure", "function"])
def test_an_intermediate_outside_of_ctx(where):
    cell, box = None, []

    def forward(ctx, x):
        nonlocal cell
        if where == "class":
            student.slope = 2 * x
        elif where == "function":
            forward.slope = 2 * x
        elif where == "closure":
            cell = 2 * x
        else:
            box[:] = [2 * x]
        return x * x

    def kept():
        slopes = {"class": lambda: student.slope, "function": lambda: forward.slope, "closure": lambda: cell}
        return slopes.get(where, lambda: box[0])()

    student = function(forward, lambda ctx, g: g * kept())
    assert_right(student)
    assert type(kept()) is np.ndarray, "the second run leaves no Tensors behind"
    t = Tensor(X, requires_grad=True)
    (student.apply(t) * t).sum().backward()
    np.testing.assert_array_equal(t.grad, 3 * X * X)


def test_what_forward_leaves_outside_is_that_of_the_inputs_as_they_are():
    """Also where moved inputs told what depends on them."""
    box = {}

    def forward(ctx, x):
        box["slope"] = 2 * x
        ctx.kept = float(np.asarray(x).sum())
        return x * x

    t = Tensor(X, requires_grad=True)
    y = function(forward, lambda ctx, g: g * box["slope"] * (ctx.kept / ctx.kept)).apply(t)
    np.testing.assert_array_equal(gradients(y.sum(), [t], create_graph=True)[0].data, 2 * X)
    np.testing.assert_array_equal(box["slope"], 2 * X)


# --------------------------------------------------------------------------------------------- whatever forward does
def into_zeros(ctx, x):
    ctx.save_for_backward(x)
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i] ** 2
    return y


def into_zeros_then_saves(ctx, x):
    ctx.eps, ctx.two = 1e-300, 2.0
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i] ** 2
    ctx.save_for_backward(x)
    return y


def copied(ctx, x):
    ctx.save_for_backward(x.copy())
    return x.copy() ** 2


def as_array(ctx, x):
    x = np.asarray(x)
    ctx.save_for_backward(x)
    return x * x


def by_math(ctx, x):
    ctx.save_for_backward(x)
    return np.array([math.pow(v, 2) for v in x])


def lacking(ctx, x):
    ctx.save_for_backward(x)
    return np.fft.ifft(np.fft.fft(x * x)).real * 0 + x * x


def numpy_only(ctx, x):
    assert isinstance(x, np.ndarray)
    ctx.save_for_backward(x)
    return x * x


def in_place(ctx, x):
    y = x * 1.0
    y *= x
    ctx.save_for_backward(x)
    return y


def assigned(ctx, x):
    y = np.empty_like(x)
    y[...] = x * x
    ctx.save_for_backward(x)
    return y


def copies(ctx, x):
    ctx.save_for_backward(np.array(x))
    y = np.asarray(x) ** 2
    ctx.kept = y.copy(), {"x": x.copy()}
    return y


def output_kept(ctx, x):
    y = np.zeros(3)
    y[:] = [v * v for v in x]
    ctx.kept = [y, {"x": x}]
    return y


def intermediate_before_writing(ctx, x):
    ctx.kept = x / 2
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i] ** 2
    return y


def twice_x(ctx, g):
    return 2 * ctx.saved_tensors[0] * g


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (into_zeros, twice_x),
        (into_zeros_then_saves, lambda ctx, g: (ctx.two * ctx.saved_tensors[0] + ctx.eps) * g),
        (copied, twice_x),
        (as_array, twice_x),
        (by_math, twice_x),
        (lacking, twice_x),
        (numpy_only, twice_x),
        (in_place, twice_x),
        (assigned, twice_x),
        (copies, twice_x),
        (copies, lambda ctx, g: 2 * ctx.kept[0] / ctx.kept[1]["x"] * g),
        (output_kept, lambda ctx, g: 2 * ctx.kept[0] / ctx.kept[1]["x"] * g),
        (intermediate_before_writing, lambda ctx, g: 4 * ctx.kept * g),
    ],
)
def test_what_forward_does_takes_no_history_from_what_has_one(forward, backward):
    assert_right(function(forward, backward))


def floats(ctx, x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i] ** 2  # the line
    ctx.kept = 2 * np.sqrt(y) * np.sign(np.asarray(x))
    return y


def python_floats(ctx, x):
    ctx.kept = [float(2 * v) for v in x]  # the line
    return x * x


def taken_out(ctx, x):
    ctx.kept = np.array([(2 * v).item() for v in x])  # the line
    return x * x


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (floats, lambda ctx, g: ctx.kept * g),
        (python_floats, lambda ctx, g: np.stack(ctx.kept) * g if type(g) is Tensor else np.array(ctx.kept) * g),
        (taken_out, lambda ctx, g: ctx.kept * g),
    ],
)
def test_a_value_that_left_the_tape_is_refused_by_line(forward, backward):
    assert_refused(function(forward, backward), "# the line")


def test_a_lost_value_that_backward_does_not_use_is_no_fault():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.norm = float(np.asarray(x).sum())
        return x * x

    assert_right(function(forward, twice_x))


@pytest.mark.parametrize(
    "keep", [lambda v: v.tobytes(), lambda v: array("d", v), memoryview, lambda v: [*map(Fraction, v.tolist())]]
)
def test_numbers_that_no_tensor_holds_are_refused_at_once(keep):
    def forward(ctx, x):
        ctx.kept = keep(np.array([v.item() for v in 2 * x]))  # the line
        ctx.constant = keep(np.ones(3))
        return x * x

    def backward(ctx, g):
        return np.array(ctx.kept if type(ctx.kept) is list else np.frombuffer(ctx.kept), float) * g

    student = function(forward, backward)
    t = Tensor(X, requires_grad=True)
    y = student.apply(t).sum()
    np.testing.assert_array_equal(gradients(y, [t])[0].data, 2 * X)
    with pytest.raises(RuntimeError, match=str(line_of(forward, "# the line"))):
        gradients(y, [t], create_graph=True)


def test_complex_numbers_have_their_history():
    def forward(ctx, x):
        ctx.kept = np.fft.fft(x)
        return np.sum(np.abs(ctx.kept) ** 2)

    def backward(ctx, g):
        return 2 * 3 * np.real(np.fft.ifft(ctx.kept)) * g

    student = function(forward, backward)
    t = Tensor(X, requires_grad=True)
    student.apply(t).backward()
    np.testing.assert_allclose(t.grad, 6 * X)
    np.testing.assert_allclose(hessian(student.apply)(X), 6 * np.eye(3), atol=1e-12)


# ------------------------------------------------------------------------------------------------------------- chance
def dropout(ctx, x):
    ctx.mask = (CHANCE.random(x.shape) < 0.5) / 0.5
    return x * x * ctx.mask


def dropout_by_bool(ctx, x):
    ctx.mask = CHANCE.random(x.shape) < 0.5
    return x * x * ctx.mask


def dropout_into_zeros(ctx, x):
    ctx.mask = CHANCE.random(x.shape) < 0.5
    y = np.zeros(3)
    y[ctx.mask] = np.asarray(x * x)[ctx.mask]
    return y


@pytest.mark.parametrize("forward", [dropout, dropout_by_bool, dropout_into_zeros])
def test_a_mask_by_chance_is_that_of_the_first_run(forward):
    def both(ctx, x):
        ctx.save_for_backward(x)
        return forward(ctx, x)

    t = Tensor(X, requires_grad=True)
    y = function(both, lambda ctx, g: 2 * ctx.saved_tensors[0] * ctx.mask * g).apply(t)
    mask = y.data / X**2
    (first,) = gradients((y * t).sum(), [t], create_graph=True)
    np.testing.assert_allclose(first.data, 3 * X * X * mask)
    np.testing.assert_allclose(gradients(first.sum(), [t])[0].data, 6 * X * mask)


def test_a_product_with_chance_is_refused():
    def forward(ctx, x):
        ctx.kept = 2 * x * np.random.default_rng().normal()  # the line
        return x * ctx.kept / 2

    student = function(forward, lambda ctx, g: ctx.kept * g)
    t = Tensor(X, requires_grad=True)
    y = student.apply(t)
    (first,) = gradients(y.sum(), [t], create_graph=True)
    np.testing.assert_allclose(first.data, 2 * y.data / X)
    with pytest.raises(RuntimeError, match=rf"{line_of(forward, '# the line')}[\s\S]*another result"):
        gradients(first.sum(), [t])


# ------------------------------------------------------------------------------------------- several inputs, and others
@pytest.mark.parametrize("loop", [False, True])
def test_one_array_as_two_inputs(loop):
    """f(a, b) = a² b, whose mixed derivative is 2 a, and its derivative by a twice 2 b."""

    def forward(ctx, a, b, word):
        ctx.save_for_backward(b, a)
        ctx.needs = ctx.needs_input_grad
        y = np.zeros(3) if loop else None
        for i in range(3 * loop):
            y[i] = a[i] ** 2 * b[i]
        return y if loop else a**2 * b

    def backward(ctx, g):
        b, a = ctx.saved_tensors
        assert ctx.needs == ctx.needs_input_grad == (True, True, False)
        return 2 * a * b * g, a * a * g, None

    student = function(forward, backward)
    a, b = Tensor(X, requires_grad=True), Tensor(X, requires_grad=True)
    (slope,) = gradients(student.apply(a, b, "word").sum(), [a], create_graph=True)
    assert [g.data.tolist() for g in gradients(slope.sum(), [a, b])] == [(2 * X).tolist()] * 2
    t = Tensor(X, requires_grad=True)
    (slope,) = gradients(student.apply(t, t, "word").sum(), [t], create_graph=True)
    np.testing.assert_array_equal(gradients(slope.sum(), [t])[0].data, 6 * X)


def test_integers_and_constants_that_are_kept():
    def forward(ctx, x, index, weights, factor):
        ctx.save_for_backward(x, index, weights)
        ctx.factor, ctx.n, ctx.eps = factor, len(x), 1e-300
        return (x * x * weights * factor)[index]

    def backward(ctx, g):
        x, index, weights = ctx.saved_tensors
        spread = np.zeros((ctx.n, len(index)))
        spread[index, range(len(index))] = 1.0
        return 2 * x * weights * ctx.factor * (spread @ g) + ctx.eps * 0, None, None, None

    index, weights = np.array([2, 0, 2]), np.array([1.0, 5.0, 0.5])
    t = Tensor(X, requires_grad=True)
    y = function(forward, backward).apply(t, index, weights, 3.0)
    (first,) = gradients(y.sum(), [t], create_graph=True)
    counts = np.array([1.0, 0.0, 2.0])
    np.testing.assert_allclose(first.data, 6 * X * weights * counts)
    np.testing.assert_allclose(gradients(first.sum(), [t])[0].data, 6 * weights * counts)


def test_a_branch_and_a_step_are_constants():
    def forward(ctx, x):
        ctx.sign = 1.0 if x.sum() > 0 else -1.0
        ctx.positive, ctx.largest = x > 0, int(np.argmax(X))
        ctx.save_for_backward(x)
        return x * x * ctx.sign

    student = function(forward, lambda ctx, g: 2 * ctx.saved_tensors[0] * ctx.sign * g)
    assert_right(student)


def test_a_function_in_a_function():
    square = function(into_zeros, twice_x)

    def forward(ctx, x):
        ctx.kept = square.apply(x) / x
        return ctx.kept * x

    assert_right(function(forward, lambda ctx, g: 2 * ctx.kept * g))


def test_a_forward_under_strict():
    with strict():
        assert_right(function(intermediate_before_writing, lambda ctx, g: 4 * ctx.kept * g))


def test_strict_leaves_the_arrays_of_an_object_alone():
    """What forward keeps in a nesting is needed; an object on ctx has a life of its own."""
    layer = SimpleNamespace(running=np.zeros(3))

    def forward(ctx, x):
        layer.running += x
        ctx.layer, ctx.kept = layer, [x.copy()]
        return x * x

    with strict():
        for times in (1, 2):
            y = function(forward, lambda ctx, g: 2 * ctx.kept[0] * g).apply(Tensor(X, requires_grad=True))
            np.testing.assert_array_equal(layer.running, times * X)
        with pytest.raises(ValueError, match="read-only"):
            y.op.ctx.kept[0][0] = 5.0


def test_a_program_has_second_derivatives_through_an_intermediate():
    def forward(ctx, x):
        ctx.kept = SimpleNamespace(slope=2 * x)
        return x * x

    student = function(forward, lambda ctx, g: ctx.kept.slope * g)
    program = source(lambda x: (student.apply(x) * x).sum(), X, grad_of="x", order=2)
    _, first, second = program(X + 1)
    np.testing.assert_allclose(first, 3 * (X + 1) ** 2)
    np.testing.assert_allclose(second, 6 * (X + 1))


# ---------------------------------------------------------------------------------- past the tape, wherever that may be
STORE, BEFORE = {}, np.zeros(3)


def in_an_array_of_before(ctx, x):
    BEFORE[:] = 2 * x


def of_objects(ctx, x):
    ctx.kept = np.empty(3, object)
    ctx.kept[:] = [2 * v for v in x]


def under_no_grad(ctx, x):
    with no_grad():
        ctx.kept = 2 * x


def in_part(ctx, x):
    ctx.kept = 2 * x * (x.sum().item() / x.sum())


PAST_THE_TAPE = {
    "a global dict": (lambda ctx, x: STORE.update(kept=[float(2 * v) for v in x]), lambda ctx: np.array(STORE["kept"])),
    "an array of before": (in_an_array_of_before, lambda ctx: BEFORE.copy()),
    "a text": (
        lambda ctx, x: setattr(ctx, "kept", " ".join(repr(float(2 * v)) for v in x)),
        lambda ctx: np.array(ctx.kept.split(), float),
    ),
    "keys": (lambda ctx, x: setattr(ctx, "kept", {float(2 * v): 0 for v in x}), lambda ctx: np.array(list(ctx.kept))),
    "objects": (of_objects, lambda ctx: np.stack([np.float64(v) for v in ctx.kept])),
    "no_grad": (under_no_grad, lambda ctx: ctx.kept),
    "in part": (in_part, lambda ctx: ctx.kept),
}


@pytest.mark.parametrize("way", PAST_THE_TAPE)
def test_a_number_that_got_past_the_tape_is_no_constant(way):
    keep, take = PAST_THE_TAPE[way]

    def forward(ctx, x):
        keep(ctx, x)
        return x * x

    student, t = function(forward, lambda ctx, g: take(ctx) * g), Tensor(X, requires_grad=True)
    y = (student.apply(t) * t).sum()
    with suppress(TypeError):  # a Tensor may refuse at once
        (first,) = gradients(y, [t], create_graph=True)
        np.testing.assert_allclose(first.data, 3 * X * X)
        with pytest.raises(RuntimeError, match="intermediate of Student"):
            gradients(first.sum(), [t])
    np.testing.assert_allclose(gradients(y, [t])[0].data, 3 * X * X)


def test_numbers_that_are_constants_and_ties_take_no_second_derivative_away():
    def constants(ctx, x):
        ctx.factor, STORE["kept"] = 2.0, len(x) / 2
        ctx.save_for_backward(x)
        return x * x

    student = function(constants, lambda ctx, g: ctx.factor * STORE["kept"] / 1.5 * ctx.saved_tensors[0] * g)
    assert_right(student)
    t = Tensor(X, requires_grad=True)
    product = type("Product", (Function,), {"forward": staticmethod(products), "backward": staticmethod(factors)})
    (first,) = gradients(product.apply(t, t).sum(), [t], create_graph=True)
    np.testing.assert_allclose(gradients(first.sum(), [t])[0].data, 2)

    def largest(ctx, x):
        ctx.at, ctx.one = int(np.argmax(x)), 1.0
        return x[ctx.at] * ctx.one

    student = function(largest, lambda ctx, g: np.where(np.arange(3) == ctx.at, ctx.one, 0.0) * g)
    got = hessian(lambda x: (student.apply(x) * x).sum())(np.ones(3))
    np.testing.assert_array_equal(got, [[2, 1, 1], [1, 0, 0], [1, 0, 0]])


def products(ctx, x, y):
    ctx.kept, ctx.one = (np.asarray(x), np.asarray(y)), 1.0
    return np.asarray(x) * np.asarray(y)


def factors(ctx, g):
    return ctx.kept[1] * g, ctx.kept[0] * g


def test_a_backward_with_a_method_that_tensors_have_not_says_so():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0].byteswap() * g

    with pytest.raises(TypeError, match=r"Student\.backward cannot be recorded.*test_rerun\.py.*byteswap"):
        hessian(lambda x: function(forward, backward).apply(x).sum())(X)
