"""The contract of Function: PyTorch's, on arrays, with nothing repaired."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_agrees, exact, pullback
from strategies import FLOATS, arrays, grid
from students import exp_of, leaf, linear_of, mse_of, slope_saved_of, square_of

import minigrad
from minigrad import Function, Tensor, gradients

Square, SlopeSaved = square_of(Function), slope_saved_of(Function)


def returning(grads: Any, inputs: str = "x, W, b") -> type[Function]:
    """A Function of the named inputs that returns the first, and whose backward returns `grads`."""
    namespace: dict[str, Any] = {}
    exec(f"def forward(ctx, {inputs}): return {inputs.split(',')[0]} * 1.0", namespace)

    class Wrong(Function):
        forward = staticmethod(namespace["forward"])

        @staticmethod
        def backward(ctx, grad):
            return grads

    return Wrong


# ------------------------------------------------------------------------------------------------------- what ctx holds
def test_forward_gets_arrays_and_backward_gets_them_back():
    seen = {}

    class Probe(Function):
        @staticmethod
        def forward(ctx, a, b, power, *, _unused=None):
            seen["forward"] = a, b, power
            ctx.save_for_backward(a, b)
            ctx.power = power
            ctx.anything = "a word"
            return (a * b) ** power

        @staticmethod
        def backward(ctx, grad):
            seen["backward"] = ctx.saved_tensors, grad
            a, b = ctx.saved_tensors
            assert ctx.anything == "a word"
            slope = ctx.power * (a * b) ** (ctx.power - 1) * grad
            return slope * b, slope * a, None

    a, b = leaf(1.0, 2.0), np.array([3.0, 4.0])
    y = Probe.apply(a, b, 3)
    assert seen["forward"][0] is a.data
    assert seen["forward"][1] is b
    assert seen["forward"][2] == 3
    np.testing.assert_array_equal(y.data, [27, 512])
    y.backward(np.array([1.0, 10.0]))
    saved, grad = seen["backward"]
    assert [type(s) for s in saved] == [np.ndarray, np.ndarray]
    assert saved[0] is a.data
    np.testing.assert_array_equal(grad, [1, 10])
    np.testing.assert_array_equal(a.grad, [81, 7680])


def test_needs_input_grad():
    seen = []

    class Probe(Function):
        @staticmethod
        def forward(ctx, a, b, scale):
            seen.append(ctx.needs_input_grad)
            return a * b * scale

        @staticmethod
        def backward(ctx, grad):
            seen.append(ctx.needs_input_grad)
            return grad * 0, grad * 0, None

    constant = Tensor(2.0)
    Probe.apply(leaf(1.0), constant, 3.0).backward()
    assert seen == [(True, False, False)] * 2
    assert constant.grad is None  # though backward returned one
    seen.clear()
    Probe.apply(np.ones(()), leaf(2.0), 3.0).backward()
    assert seen == [(False, True, False)] * 2


def test_a_backward_may_skip_what_is_not_needed():
    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            return grad * b if ctx.needs_input_grad[0] else None, grad * a if ctx.needs_input_grad[1] else None

    a, b = leaf(2.0), Tensor(3.0)
    Product.apply(a, b).backward()
    assert a.grad == 3.0
    assert b.grad is None


def test_non_tensor_arguments_arrive_as_they_are():
    class Pick(Function):
        @staticmethod
        def forward(ctx, x, how, options):
            ctx.save_for_backward(x)
            ctx.how = how
            assert how == "double"
            assert options == {"a": [1, 2]}
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2, None, None

    x = leaf(1.0, 2.0)
    Pick.apply(x, "double", {"a": [1, 2]}).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_two_calls_have_two_contexts():
    x, z = leaf(3.0), leaf(5.0)
    first, second = Square.apply(x), Square.apply(z)
    (first * second).backward()
    assert x.grad == 6 * 25.0
    assert z.grad == 10 * 9.0


def test_saving_twice_keeps_the_last():
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x * 0)
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    x = leaf(3.0)
    Twice.apply(x).backward()
    assert x.grad == 6.0


def test_saving_nothing():
    class Shift(Function):
        @staticmethod
        def forward(ctx, x):
            return x + 1

        @staticmethod
        def backward(ctx, grad):
            assert ctx.saved_tensors == ()
            return grad

    x = leaf(3.0)
    Shift.apply(x).backward()
    assert x.grad == 1.0


def test_a_function_is_not_instantiated():
    with pytest.raises(TypeError, match=r"Square\.apply"):
        Square()


def test_missing_methods_say_so():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty.apply(leaf(1.0))

    class Forward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="backward"):
        Forward.apply(leaf(1.0)).backward()


def test_nothing_is_recorded_without_a_leaf_or_under_no_grad():
    assert not Square.apply(Tensor(3.0)).requires_grad
    assert not Square.apply(np.array(3.0)).requires_grad
    with minigrad.no_grad():
        assert not Square.apply(leaf(3.0)).requires_grad


def test_backward_is_called_once_a_node_and_sweep():
    calls = []

    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, grad):
            calls.append(np.asarray(grad).item())
            a, b = ctx.saved_tensors
            return grad * b, grad * a

    a, b = leaf(2.0), leaf(3.0)
    y = Product.apply(a, b)
    (y * 5 + y).backward()
    assert calls == [6.0]
    y.backward(np.array(7.0))
    assert calls == [6.0, 7.0]
    assert (a.grad, b.grad) == (39.0, 26.0)


def test_a_mutated_cotangent_does_not_reach_other_sweeps():
    """Nothing is cached by the identity of the cotangent."""

    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, grad):
            result = grad * 3
            grad *= 0
            return result

    x = leaf(1.0, 2.0)
    y = Bad.apply(x)
    g = np.ones(2)
    for times in 1, 2:
        y.backward(g)
        np.testing.assert_array_equal(x.grad, [3 * times] * 2)
        np.testing.assert_array_equal(g, [1, 1])


# --------------------------------------------------------------------------------------------------------------- dtypes
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble, np.complex128])
def test_the_dtype_that_comes_in_goes_through_the_forward(dtype):
    """Long double and complex are what exact oracles feed in; casting would quietly ruin them."""
    seen = []

    class Probe(Function):
        @staticmethod
        def forward(ctx, x):
            seen.append(x.dtype)
            return x * x

    x = np.array([1.0, 2.0]).astype(dtype)
    if dtype is np.complex128:
        x = x + 1e-20j
    y = Probe.apply(x)
    assert seen == [dtype]
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.data, x * x)
    if dtype is np.complex128:
        assert (y.data.imag > 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_gradients_come_in_the_dtype_of_the_input(dtype):
    x = leaf(1.0, 3.0, dtype=dtype)
    Square.apply(x).sum().backward()
    assert x.grad.dtype == dtype
    np.testing.assert_array_equal(x.grad, np.array([2, 6], dtype))


# --------------------------------------------------------------------------------------------------------------- errors
def backward_error(function: Any, *inputs: Any) -> str:
    y = function.apply(*inputs)
    with pytest.raises(RuntimeError) as caught:
        y.backward(np.ones(y.shape))
    note = " ".join(getattr(caught.value, "__notes__", []))
    assert f"{__file__}:" in str(caught.value) + note, "the line of the forward is named"
    return str(caught.value)


x53, W32, b2 = (Tensor(np.ones(shape), requires_grad=True) for shape in [(5, 3), (3, 2), (2,)])


@pytest.mark.parametrize("grads", [np.ones((5, 3)), (np.ones((5, 3)),), [np.ones((5, 3)), np.ones((3, 2))]])
def test_too_few_gradients_name_the_parameters(grads):
    message = backward_error(returning(grads), x53, W32, b2)
    count = len(grads) if isinstance(grads, tuple | list) else 1
    assert f"Wrong.backward returned {count} gradient" in message
    assert "3 inputs" in message
    assert "x, W, b" in message


def test_too_many_gradients():
    message = backward_error(returning((np.ones((5, 3)), None), "x"), x53)
    assert "returned 2 gradients" in message
    assert "1 input" in message


def test_variadic_parameters_have_names():
    class Sum(Function):
        @staticmethod
        def forward(ctx, *xs):
            return sum(xs)

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    assert "xs0, xs1, xs2" in backward_error(Sum, b2, b2, b2)


@pytest.mark.parametrize(
    ("got", "needed", "axes"),
    [
        ((5, 2), (2,), "axis 0"),
        ((5, 2), (1,), "axes (0, 1)"),
        ((5, 2), (), "axes (0, 1)"),
        ((5, 2), (5, 1), "axis 1"),
        ((5, 2), (1, 2), "axis 0"),
    ],
)
def test_a_forgotten_sum_names_shapes_axes_and_parameter(got, needed, axes):
    message = backward_error(
        returning((None, np.ones(got)), "x, bias"), x53, Tensor(np.ones(needed), requires_grad=True)
    )
    assert "input 1 (bias)" in message
    assert str(got) in message
    assert str(needed) in message
    assert f"sum over {axes}" in message
    assert "unbroadcast" in message


def test_a_transposed_gradient_names_both_shapes_and_no_axes():
    message = backward_error(returning((None, np.ones((2, 3)), None)), x53, W32, b2)
    assert "input 1 (W)" in message
    assert "(2, 3)" in message
    assert "(3, 2)" in message
    assert "sum over" not in message


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble, np.complex128])
def test_a_gradient_of_another_dtype(dtype):
    message = backward_error(returning(np.ones((5, 3), dtype), "x"), x53)
    assert "input 0 (x)" in message
    assert str(np.dtype(dtype)) in message
    assert "float64" in message


def test_the_second_of_two_equal_inputs_is_named():
    """One tensor given twice: the error names the parameter whose gradient is wrong."""
    message = backward_error(returning((np.ones(2), np.ones((5, 2))), "x, bias"), b2, b2)
    assert "input 1 (bias)" in message


def test_none_is_no_derivative():
    x, W = leaf(2.0), leaf(3.0)
    y = returning((None, np.array(4.0)), "x, W").apply(x, W)
    y.backward()
    assert x.grad is None
    assert W.grad == 4.0
    with pytest.raises(RuntimeError, match="allow_unused"):
        gradients(y, [x])


def test_a_number_is_a_gradient_of_a_number():
    x = leaf(2.0)
    returning(4.0, "x").apply(x).backward()
    assert type(x.grad) is np.ndarray
    assert x.grad == 4.0
    assert x.grad.shape == ()


def test_one_array_returned_for_two_inputs_becomes_two_gradients():
    """Nor does a gradient share memory with what was saved."""

    class Add(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    class Slope(Function):
        @staticmethod
        def forward(ctx, x, constant):
            ctx.save_for_backward(constant)
            return (x * constant).sum()

        @staticmethod
        def backward(ctx, grad):
            return ctx.saved_tensors[0], None

    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    Add.apply(a, b).backward(np.ones(2))
    assert not np.shares_memory(a.grad, b.grad)
    x, constant = leaf(1.0, 2.0), np.array([5.0, 6.0])
    Slope.apply(x, constant).backward()
    x.grad *= 0
    np.testing.assert_array_equal(constant, [5, 6])


@pytest.mark.parametrize("f", [lambda x: x, lambda x: x[...], lambda x: x.T, lambda x: x.reshape(2)])
def test_a_forward_that_returns_its_input_or_a_view(f):
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return f(x)

        @staticmethod
        def backward(ctx, grad):
            return grad

    x = leaf(1.0, 2.0)
    y = Same.apply(x)
    (y * 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [3, 3])
    z = leaf(1.0, 2.0)
    (g,) = gradients((Same.apply(z) * z).sum(), [z], create_graph=True)
    np.testing.assert_array_equal(gradients(g.sum(), [z])[0].data, [2, 2])


# --------------------------------------------------------------------------------------------------------- second order
def test_second_order_through_saved_inputs():
    x = leaf(3.0)
    (slope,) = gradients(Square.apply(x) * x, [x], create_graph=True)
    (bend,) = gradients(slope, [x], create_graph=True)
    (third,) = gradients(bend, [x])
    assert (slope.item(), bend.item(), third.item()) == (27.0, 18.0, 6.0)


def test_second_order_through_a_saved_output():
    x = leaf(0.5)
    (slope,) = gradients(exp_of(Function).apply(x), [x], create_graph=True)
    (bend,) = gradients(slope, [x], create_graph=True)
    (third,) = gradients(bend, [x])
    assert slope.item() == bend.item() == third.item() == np.exp(0.5)


def test_a_saved_intermediate_has_its_history():
    """f(x) = x * Sq(x) = x³ has f'' = 6 x = 18 at 3. PyTorch says 12 when Sq saved 2 x, silently."""
    x = leaf(3.0)
    (slope,) = gradients(x * SlopeSaved.apply(x), [x], create_graph=True)
    assert slope.item() == 27.0
    assert gradients(slope, [x])[0].item() == 18.0

    t = torch.tensor(3.0, requires_grad=True)
    (slope_t,) = torch.autograd.grad(t * slope_saved_of(torch.autograd.Function).apply(t), t, create_graph=True)
    assert torch.autograd.grad(slope_t, t)[0] == 12.0


def test_an_input_kept_as_an_attribute_is_that_input():
    class Kept(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * ctx.x * grad

    x = leaf(3.0)
    (slope,) = gradients(Kept.apply(x) * x, [x], create_graph=True)
    assert gradients(slope, [x])[0].item() == 18.0


def test_unrelated_second_derivatives_work_beside_a_saved_intermediate():
    x, w = leaf(3.0), leaf(2.0)
    y = SlopeSaved.apply(x) * w * w  # x² w²
    slope_x, slope_w = gradients(y, [x, w], create_graph=True)
    assert (slope_x.item(), slope_w.item()) == (24.0, 36.0)
    assert gradients(slope_x, [w])[0].item() == 24.0  # 4 x w, does not go through what was saved
    assert gradients(slope_w, [w])[0].item() == 18.0  # 2 x²
    assert gradients(slope_w, [x])[0].item() == 24.0  # through the output, whose derivative backward gives
    assert gradients(slope_x, [x])[0].item() == 8.0  # 2 w²


def test_masks_and_indices_are_constants():
    class Relu(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.positive = x > 0
            return x * ctx.positive

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.positive

    x = leaf(-1.0, 2.0)
    (slope,) = gradients((Relu.apply(x) * x).sum(), [x], create_graph=True)
    np.testing.assert_array_equal(slope.data, [0, 4])
    np.testing.assert_array_equal(gradients(slope.sum(), [x])[0].data, [0, 2])


def test_a_plain_sweep_after_a_recorded_one():
    """The context goes back to holding arrays."""
    kinds = []

    class Probe(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.x = x
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            kinds.append((type(x), type(ctx.x), type(grad)))
            return 2 * x * grad

    x = leaf(1.0, 2.0)
    y = Probe.apply(x)
    g = np.ones(2)
    gradients(y, [x], gradient=g)
    gradients(y, [x], gradient=g, create_graph=True)
    gradients(y, [x], gradient=g)
    assert kinds == [(np.ndarray,) * 3, (Tensor,) * 3, (np.ndarray,) * 3]


def test_one_array_passed_twice():
    """Each argument is told from the other, though they are one array."""

    class Quotient(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a / b

        @staticmethod
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            return grad / b, -grad * a / (b * b)

    data = np.array([2.0, 4.0])
    a, b = Tensor(data, requires_grad=True), Tensor(data, requires_grad=True)
    slope_a, slope_b = gradients(Quotient.apply(a, b).sum(), [a, b], create_graph=True)
    np.testing.assert_array_equal(slope_a.data, 1 / data)
    np.testing.assert_array_equal(slope_b.data, -1 / data)
    np.testing.assert_array_equal(gradients(slope_a.sum(), [b])[0].data, -1 / data**2)
    np.testing.assert_array_equal(gradients(slope_b.sum(), [b])[0].data, 2 / data**2)
    assert gradients(slope_a.sum(), [a], allow_unused=True) == (None,)  # 1/b does not depend on a

    t = Tensor(data, requires_grad=True)
    y = Quotient.apply(t, t).sum()  # constant 1
    (slope,) = gradients(y, [t], create_graph=True)
    np.testing.assert_array_equal(slope.data, [0, 0])
    np.testing.assert_array_equal(gradients(slope.sum(), [t])[0].data, [0, 0])


# ------------------------------------------------------------------------------------------- one body under two engines
@given(
    st.sampled_from(FLOATS).flatmap(
        lambda dtype: st.tuples(
            *(arrays(shape, dtype, grid()) for shape in [(4, 3), (3, 2), (4, 2)]),
            st.sampled_from([(2,), (1,), ()]).flatmap(lambda shape: arrays(shape, dtype, grid())),
        )
    )
)
def test_the_same_body_under_torch(drawn):
    """`students.py` defines Linear and MSE once; as torch.autograd.Function they give what they give here."""
    x, W, y, b = drawn
    ours = [Tensor(a, requires_grad=True) for a in (x, W, b, y)]
    linear, mse = linear_of(Function), mse_of(Function)
    loss = mse.apply(linear.apply(*ours[:3]), ours[3])
    found = gradients(loss, ours)

    twins = [exact(a, requires_grad=True) for a in (x, W, b, y)]
    linear_t, mse_t = linear_of(torch.autograd.Function), mse_of(torch.autograd.Function)

    def of_bodies(x: Any, W: Any, b: Any, y: Any) -> tuple[torch.Tensor, ...]:
        return (mse_t.apply(linear_t.apply(x, W, b), y),)

    one = torch.ones((), dtype=torch.float64)
    unit = np.finfo(x.dtype).eps
    (want,) = of_bodies(*twins)
    assert_agrees(loss.data, want, twins, unit, "loss")
    for name, got, want_grad in zip("xWby", found, pullback(of_bodies)([one], twins), strict=True):
        assert_agrees(got.data, want_grad, twins, unit, f"gradient of {name}")
