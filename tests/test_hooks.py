"""Hooks on tensors, and gradients that stay at results."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from students import leaf, no_collector, square_of

from minigrad import Function, Tensor, gradients, no_grad, strict, tape


@pytest.fixture(params=["backward", "gradients", "recorded"])
def sweep(request):
    """A sweep from y to the inputs xs, and the gradients it finds, as arrays."""

    def backward(y, *xs):
        before = [x.grad for x in xs]
        for x in xs:
            x.grad = None
        y.backward()
        found = [x.grad for x in xs]
        for x, grad in zip(xs, before, strict=True):
            x.grad = grad
        return found

    def of(y, *xs):
        return [g.data for g in gradients(y, xs, create_graph=request.param == "recorded")]

    return backward if request.param == "backward" else of


# ------------------------------------------------------------------------------------------------------- what it gets
def test_a_hook_sees_the_cotangent(sweep):
    x = leaf(1.0, 2.0)
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append(("y", g)))
    x.register_hook(lambda g: seen.append(("x", g)))
    (found,) = sweep((y * 3).sum(), x)
    assert [name for name, _ in seen] == ["y", "x"]
    for (_, g), want in zip(seen, ([3, 3], [6, 12]), strict=True):
        np.testing.assert_array_equal(g.data if type(g) is Tensor else g, want)
    np.testing.assert_array_equal(found, [6, 12])


def test_it_is_called_once_a_sweep_when_all_paths_have_arrived(sweep):
    x = leaf(2.0)
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    assert sweep(y * y + 3 * y, x) == [44.0]
    assert seen == [11.0]
    sweep(y * y, x)
    assert seen == [11.0, 8.0]


def test_a_hook_at_the_root_and_one_that_no_cotangent_reaches(sweep):
    x, unused = leaf(3.0), leaf(1.0)
    y, aside = x * x, unused * 2
    called = []
    y.register_hook(lambda g: called.append("root") or 10 * g)
    for t in (unused, aside):
        t.register_hook(lambda g: called.append("unused"))
    assert sweep(y, x) == [60.0]
    assert called == ["root"]


def test_hooks_of_a_leaf_that_is_the_root():
    x = leaf(3.0)
    x.register_hook(lambda g: 5 * g)
    x.backward()
    assert x.grad == 5.0
    assert gradients(x, [x])[0].item() == 5.0


def test_an_array_in_a_plain_sweep_and_a_tensor_in_a_recorded_one():
    x = leaf(1.0, 2.0, dtype=np.float32)
    kinds = []
    x.register_hook(lambda g: kinds.append((type(g), g.dtype, g.shape)))
    y = (x * x).sum()
    y.backward()
    gradients(y, [x])
    gradients(y, [x], create_graph=True)
    array, tensor = ((kind, np.float32, (2,)) for kind in (np.ndarray, Tensor))
    assert kinds == [array, array, tensor]


def test_of_a_plain_sweep_a_hook_gets_a_copy_that_it_cannot_write():
    x = leaf(1.0, 2.0)
    y, seen = x + 1, []

    def hook(g):
        with pytest.raises(ValueError, match="read-only"):
            g *= 2
        seen.append(g)
        return g

    y.register_hook(hook)
    x.register_hook(hook)
    y.backward([1.0, 1.0])
    for g in seen:
        assert not np.shares_memory(g, x.grad)
    x.grad[:] = 7.0
    np.testing.assert_array_equal(seen, [[1, 1], [1, 1]])


# -------------------------------------------------------------------------------------------------- order, replacement
@given(st.lists(st.sampled_from(["double", "keep", "negate", "halve"]), max_size=6), st.integers(0, 5))
def test_hooks_act_in_the_order_of_their_registration(names, removed):
    """As torch's do."""
    hooks = {"double": lambda g: 2 * g + 1, "keep": lambda g: None, "negate": lambda g: -g, "halve": lambda g: g / 2}
    x, twin = leaf(1.0, 2.0), torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    for root in (x, twin):
        y = root * root
        handles = [y.register_hook(hooks[name]) for name in names]
        if removed < len(handles):
            handles[removed].remove()
        y.retain_grad()
        (y * 3).sum().backward()
        if root is x:
            middle = y.grad
    np.testing.assert_array_equal(x.grad, twin.grad.numpy())
    np.testing.assert_array_equal(middle, y.grad.numpy())


def test_what_a_hook_returns_goes_on_from_there(sweep):
    x = leaf(1.0, 2.0)
    y = x * x
    y.register_hook(lambda g: g * [0.0, 10.0])
    np.testing.assert_array_equal(sweep((y * 3).sum(), x)[0], [0, 120])


@pytest.mark.parametrize(
    "new", [[5, 6], (5.0, 6.0), np.array([5, 6]), np.array([5, 6], np.float32), Tensor([5.0, 6.0])], ids=repr
)
@pytest.mark.parametrize("at", ["leaf", "result"])
def test_it_may_return_anything_that_is_numbers_of_that_shape(new, at, sweep):
    x = leaf(1.0, 2.0)
    y = +x
    (x if at == "leaf" else y).register_hook(lambda g: new)
    (found,) = sweep(y.sum(), x)
    np.testing.assert_array_equal(found, [5, 6])
    assert found.dtype == np.float64
    assert type(found) is np.ndarray
    if type(new) is not Tensor:
        assert not np.shares_memory(found, np.asarray(new))


def test_the_gradient_of_a_leaf_is_its_own_memory():
    x = leaf(1.0, 2.0)
    mine = np.array([5.0, 6.0])
    x.register_hook(lambda g: mine)
    (x * x).sum().backward()
    assert not np.shares_memory(x.grad, mine)
    x.grad[0] = 0.0
    np.testing.assert_array_equal(mine, [5, 6])
    assert x.grad.flags.owndata


def test_numbers_stay_arrays():
    x = leaf(3.0)
    x.register_hook(lambda g: 2.0)
    x.retain_grad()  # a leaf has its gradient anyway; twice would be wrong
    (x * x).backward()
    assert type(x.grad) is np.ndarray
    assert (x.grad, x.grad.shape) == (2.0, ())


@pytest.mark.parametrize("new", [np.ones(3), 1.0, np.ones((1, 2)), Tensor(np.ones((2, 1)))])
def test_a_wrong_shape(new, sweep):
    x = leaf(1.0, 2.0)
    y = x * x
    y.register_hook(lambda g: new)
    with pytest.raises(ValueError, match=r"a hook returned shape .* of multiply of shape \(2,\) made at .*\(x \* x\)"):
        sweep(y.sum(), x)
    assert x.grad is None


def test_what_is_no_numbers(sweep):
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: "nothing")
    with pytest.raises(TypeError, match="numbers"):
        sweep((x * x).sum(), x)


def test_an_error_in_a_hook_comes_through(sweep):
    x = leaf(1.0)
    y = x * x

    def hook(g):
        raise KeyError("mine")

    handle = y.register_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        sweep(y, x)
    handle.remove()
    assert sweep(y, x) == [2.0]


# ----------------------------------------------------------------------------------------------------------- removal
def test_remove(sweep):
    x = leaf(1.0)
    y = x * x
    first, second = y.register_hook(lambda g: 2 * g), y.register_hook(lambda g: g + 1)
    assert sweep(y, x) == [6.0]
    first.remove()
    assert sweep(y, x) == [4.0]
    first.remove()
    second.remove()
    assert sweep(y, x) == [2.0]


def test_one_function_registered_twice_is_two_hooks(sweep):
    x = leaf(1.0)

    def double(g):
        return 2 * g

    first, _ = x.register_hook(double), x.register_hook(double)
    assert sweep(x * 1, x) == [4.0]
    first.remove()
    assert sweep(x * 1, x) == [2.0]


def test_a_hook_that_removes_itself_does_not_skip_the_next(sweep):
    x = leaf(1.0)
    handles = []

    def once(g):
        handles[0].remove()
        return 2 * g

    handles.append(x.register_hook(once))
    x.register_hook(lambda g: g + 1)
    assert sweep(x * 1, x) == [3.0]
    assert sweep(x * 1, x) == [2.0]


# ---------------------------------------------------------------------------------------------------- recorded sweeps
def test_a_hook_is_differentiated_in_a_recorded_sweep():
    """y = x³ with its cotangent squared: the gradient is 3x² u², at u = 2y it is 12 x⁸."""
    x = leaf(1.5)
    y = x * x * x
    y.register_hook(lambda g: g * g)
    (g,) = gradients(y * y, [x], create_graph=True)
    assert g.item() == pytest.approx(12 * 1.5**8)
    handleless = [t for t in tape(g) if t.hooks]
    assert handleless == [y]
    y.hooks.functions.clear()  # the second derivative goes through y again
    assert gradients(g, [x])[0].item() == pytest.approx(96 * 1.5**7)


def test_retained_gradients_of_a_recorded_sweep_are_arrays():
    x = leaf(3.0)
    y = x * x
    y.retain_grad()
    gradients(2 * y, [x], create_graph=True)
    assert type(y.grad) is np.ndarray
    assert y.grad == 2.0


# --------------------------------------------------------------------------------------------------------- retain_grad
def test_retain_grad_adds_over_sweeps(sweep):
    x = leaf(1.0, 2.0)
    y = x * x
    (3 * y).sum().backward()
    assert y.grad is None
    y.retain_grad()
    y.retain_grad()
    for times in (1, 2, 3):
        sweep((3 * y).sum(), x)
        np.testing.assert_array_equal(y.grad, [3.0 * times] * 2)
        assert y.grad.dtype == np.float64
    y.zero_grad()
    assert y.grad is None
    sweep(y.sum(), x)
    np.testing.assert_array_equal(y.grad, [1, 1])


def test_retained_gradients_share_memory_with_nothing():
    x = leaf(1.0, 2.0)
    y, z = x + 1, x + 2
    for t in (y, z):
        t.retain_grad()
    g = np.array([1.0, 2.0])
    (y + z).backward(g)
    arrays = [g, x.grad, y.grad, z.grad]
    for i, a in enumerate(arrays):
        assert a.flags.owndata
        assert a.flags.writeable
        assert not any(np.shares_memory(a, b) for b in arrays[:i])


def test_retain_grad_of_a_number_and_after_the_hooks(sweep):
    x = leaf(3.0)
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: 5 * g)
    for total in (5.0, 10.0):
        sweep(y, x)
        assert (type(y.grad), y.grad, y.grad.shape) == (np.ndarray, total, ())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_retained_gradients_have_the_tensors_dtype(dtype):
    x = leaf(1.0, 2.0, dtype=dtype)
    y = x * x
    y.retain_grad()
    (y * np.array([1.0, 2.0])).sum().backward()
    assert y.grad.dtype == dtype


def test_through_functions():
    x = leaf(1.0, 2.0)
    y = square_of(Function).apply(x)
    y.retain_grad()
    y.register_hook(lambda g: np.array([10.0, 10.0]))
    with strict():
        y.sum().backward()
    np.testing.assert_array_equal(y.grad, [10, 10])
    np.testing.assert_array_equal(x.grad, [20, 40])
    (slope,) = gradients(y.sum(), [x], create_graph=True)
    np.testing.assert_array_equal(gradients(slope.sum(), [x])[0].data, [20, 20])


# ----------------------------------------------------------------------------------------------------- what has none
@pytest.mark.parametrize("ask", [lambda t: t.register_hook(print), lambda t: t.retain_grad()])
def test_a_tensor_that_no_cotangent_reaches_says_why(ask):
    x = leaf(1.0)
    with no_grad():
        hidden = x * 2
    for t, why in [
        (Tensor(1.0), "no leaf requires grad"),
        (x.detach(), "detached"),
        (hidden, "no_grad"),
        (x > 0, "greater"),
    ]:
        with pytest.raises(RuntimeError, match=rf"does not require grad.*{why}"):
            ask(t)


def test_no_garbage():
    """Reference counting frees a tape with hooks; a hook may even hold on to another tensor of it."""
    with no_collector():
        x = leaf(1.0, 2.0)
        y = x * x
        handle = y.register_hook(lambda g: g * 2)
        y.register_hook(lambda g, x=x: g * x.data)
        y.retain_grad()
        y.sum().backward()
        gradients(y.sum(), [x], create_graph=True)
        alive = [weakref.ref(t) for t in (x, y, y.hooks)]
        del x, y
        assert alive[1]() is None  # the handle keeps the hooks, and they what they hold, but not their tensor
        handle.remove()
        del handle
        assert [ref() for ref in alive] == [None] * 3
