"""Details of the engine that nothing else would miss: found by planting bugs (tools/mutation.sh)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from students import leaf

import minigrad
from minigrad import Function, Tensor, gradients, no_grad, unbroadcast


class Product(Function):
    """a * b; keeps its inputs, and says in `seen` what it was told of needs_input_grad."""

    seen: list[tuple[bool, ...]] = []  # noqa: RUF012 - filled anew by each test

    @staticmethod
    def forward(ctx, a, b, factor=1.0):
        ctx.save_for_backward(a, b)
        ctx.factor = factor
        return a * b * factor

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        Product.seen.append(ctx.needs_input_grad)
        return grad * b * ctx.factor, grad * a * ctx.factor, None


# ------------------------------------------------------------------------------------------------------- Function
def test_one_array_twice_beside_a_number():
    """f(x) = 3 x²: a recorded sweep tells the two arguments apart, and leaves the number alone."""
    x = leaf(np.array([2.0, np.nan]))
    Product.seen.clear()
    (g,) = gradients(Product.apply(x, x, 3.0), x, create_graph=True, gradient=np.ones(2))
    (second,) = gradients(g, x, gradient=np.ones(2))
    assert g.data[0] == 12.0
    assert second.data[0] == 6.0
    assert Product.seen[0] == (True, True, False)


def test_a_constant_stays_one_in_a_recorded_backward():
    x = leaf(2.0)
    Product.seen.clear()
    gradients(Product.apply(x, np.array(5.0), 1.0), x, create_graph=True)
    assert Product.seen[0] == (True, False, False)


def test_a_recorded_backward_runs_forward_once_more():
    calls = []

    class Counting(Product):
        @staticmethod
        def forward(ctx, a, b):
            calls.append((type(a), type(b)))
            return Product.forward(ctx, a, b)

        @staticmethod
        def backward(ctx, grad):
            return Product.backward(ctx, grad)[:2]

    x = leaf(2.0)
    (g,) = gradients(Counting.apply(x, leaf(3.0)), x, create_graph=True)
    assert g.item() == 3.0
    assert calls[:2] == [(np.ndarray, np.ndarray), (Tensor, Tensor)]
    assert set(calls[2:]) <= {(np.ndarray, np.ndarray)}  # plain runs, to see what a forward keeps elsewhere


def test_an_intermediate_beside_a_number():
    """What is kept may be used to first order, also where an input is a plain number, without an array to take."""

    class Scaled(Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(2 * factor * x)
            return factor * x * x

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0], None

    x = leaf(3.0)
    (g,) = gradients(Scaled.apply(x, 5.0), x, create_graph=True)
    assert g.item() == 30.0


def test_what_a_function_lacks_is_said_in_its_own_words():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match=r"^a Function needs a static method forward\(ctx, \*inputs\)$"):
        Empty.apply(1.0)
    with pytest.raises(NotImplementedError, match=r"^a Function needs a static method backward\(ctx, grad\)$"):
        Empty.backward(None, None)
    with pytest.raises(TypeError, match=r"^Empty is never instantiated: call Empty\.apply\(...\)$"):
        Empty()


# --------------------------------------------------------------------------------------------------------- Tensor
def test_repr_of_rows_is_aligned_and_long_ones_are_cut():
    assert repr(Tensor([[1.0, 2.0], [3.0, 4.0]])) == "Tensor([[1., 2.],\n        [3., 4.]])"
    assert "..." not in repr(Tensor(np.zeros(60)))
    assert "..." in repr(Tensor(np.zeros(61)))


def test_asarray_takes_a_dtype():
    assert np.asarray(Tensor([1.0, 2.0]), dtype=np.float32).dtype == np.float32
    assert Tensor([1.0, 2.0]).__array__(np.float32).dtype == np.float32  # NumPy would repair another one


def test_a_tensor_of_a_tensor_is_refused_in_full():
    message = "Tensor(data): data is a Tensor already; t.detach() makes a new leaf with the same data"
    with pytest.raises(TypeError) as caught:
        Tensor(leaf(1.0))
    assert str(caught.value) == message


def test_detach_is_blamed_where_it_was_called():
    def cut(t):
        return t.detach()

    y = cut(leaf(1.0)) * 2
    line = cut.__code__.co_firstlineno + 1
    with pytest.raises(RuntimeError, match=rf"detached at .*test_details\.py:{line}"):
        y.backward()


def test_int_of_a_traced_value_names_it():
    with pytest.raises(TypeError, match=r"int\(\) would take a number off .* that of the leaf of shape \(\) made at"):
        int(leaf(1.0))


# ---------------------------------------------------------------------------------------------------- unbroadcast
@given(npst.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3), st.data())
def test_unbroadcast_adds_up_what_reads_one_entry(shapes, data):
    """By the definition: the entries of g that stand where `x` was copied to are added to that entry of x."""
    shape, g_shape = shapes.input_shapes[0], shapes.result_shape
    g = data.draw(npst.arrays(float, g_shape, elements=st.integers(-8, 8)))
    numbers = np.broadcast_to(np.arange(np.prod(shape, dtype=int)).reshape(shape), g_shape)
    expected = np.bincount(numbers.reshape(-1), g.reshape(-1), minlength=np.prod(shape, dtype=int)).reshape(shape)
    got = unbroadcast(g, shape)
    assert got.shape == shape
    assert np.array_equal(got, expected)  # sums of small integers are exact


def test_unbroadcast_of_an_axis_in_the_middle():
    g = np.arange(24.0).reshape(2, 4, 3)
    assert np.array_equal(unbroadcast(g, (2, 1, 3)), g.sum(1, keepdims=True))
    assert np.array_equal(unbroadcast(g, (1, 4, 1)), g.sum((0, 2), keepdims=True))


@pytest.mark.parametrize(("got", "needed"), [((3,), (2,)), ((4, 3), (2, 3)), ((2, 4, 3), (4, 2)), ((1,), (2,))])
def test_unbroadcast_refuses_other_lengths(got, needed):
    with pytest.raises(ValueError, match=r"^unbroadcast: an input of shape .* cannot have been broadcast to "):
        unbroadcast(np.ones(got), needed)


def test_unbroadcast_refuses_more_axes_than_there_are():
    with pytest.raises(ValueError, match=r"an input of shape \(5, 3\) cannot have been broadcast to \(3,\)"):
        unbroadcast(np.ones(3), (5, 3))


# ------------------------------------------------------------------------------------------------------- recording
def test_the_input_that_is_no_array_of_numbers_is_named():
    with pytest.raises(TypeError, match=r"^add: input 1 \(b\): needs an array of numbers, and got str"):
        np.add(leaf(1.0), "two")


def test_no_grad_is_blamed_before_what_else_was_cut():
    """It is the last thing that the user did, and the leaf would have had its gradient without it."""
    w, data = leaf(2.0), leaf(3.0).detach()
    with no_grad():
        y = w * data
    with pytest.raises(RuntimeError, match=r"because it was computed under no_grad\(\) at "):
        y.backward()


def test_a_result_of_arrays_alone_is_blamed_where_it_was_made():
    def made():
        return minigrad.exp(np.ones(()))

    y = made() * 2.0
    line = made.__code__.co_firstlineno + 1
    with pytest.raises(RuntimeError, match=rf"no leaf requires grad: at .*test_details\.py:{line} .*arrays and num"):
        y.backward()


# ----------------------------------------------------------------------------------------------------- the sweep
def test_a_result_under_no_grad_inside_a_recorded_sweep_is_recorded():
    """create_graph records also where recording is off, and leaves it off."""
    x = leaf(3.0)
    y = x * x * x
    with no_grad():
        (g,) = gradients(y, x, create_graph=True)
        assert not (x * x).requires_grad
    assert gradients(g, x)[0].item() == 18.0


def test_a_condition_alone_makes_no_result_differentiable():
    condition = leaf([0.0, 1.0])
    y = np.where(condition, np.ones(2), np.zeros(2))
    assert not y.requires_grad


def test_gradients_of_two_results_share_no_memory():
    a, b = leaf(np.ones(3)), leaf(np.ones(3))
    h, k = a * 2.0, b * 2.0
    gh, gk = gradients(h + k, [h, k], gradient=np.ones(3))
    assert not np.shares_memory(gh.data, gk.data)
