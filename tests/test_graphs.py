"""Backpropagation through graphs of every shape: what is visited, what is added up, what is kept and what is not."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import assert_agrees, exact
from strategies import arrays, grid
from students import cube_of, leaf, no_collector

import minigrad
from minigrad import Function, Tensor, gradients, no_grad, tape
from minigrad.ops.registry import REGISTRY


@contextlib.contextmanager
def counted_rules() -> Iterator[Counter[tuple[str, int]]]:
    """How often each rule is called: (operation, position of the input) -> calls."""
    calls: Counter[tuple[str, int]] = Counter()

    def counting(name: str, i: int, rule: Any) -> Any:
        def call(*args: Any, **params: Any) -> Any:
            calls[name, i] += 1
            return rule(*args, **params)

        return call

    before = {operation: operation.rules for operation in REGISTRY.values() if not operation.composed}
    for operation, rules in before.items():
        operation.rules = [rule and counting(operation.name, i, rule) for i, rule in enumerate(islice(rules, 8))]
    try:
        yield calls
    finally:
        for operation, rules in before.items():
            operation.rules = rules


@contextlib.contextmanager
def shallow_stack(room: int = 100) -> Iterator[None]:
    """A recursion over the graph would not fit here."""
    depth, frame = 0, sys._getframe()
    while frame.f_back:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + room)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


# ------------------------------------------------------------------------------------------------ random graphs, torch
class Engine:
    """The steps a random program is made of, in one engine's words.

    None makes values larger: where tanh saturates, 1 - tanh² has lost more digits than the magnitude of it tells.
    """

    def __init__(self, tanh: Callable[[Any], Any]) -> None:
        self.steps: list[Callable[[Any, Any], Any]] = [
            lambda a, b: (a + b) / 2,
            lambda a, b: (a - b) / 2,
            lambda a, b: tanh(a) * b,
            lambda a, b: a / (2 + tanh(b)),
            lambda a, b: (a.mean(0) + b) / 2,
            lambda a, b: a @ tanh(b).mT / 3 if b.shape[-2] == a.shape[-1] else a,
            lambda a, b: tanh(a),
        ]


OURS, TORCH = Engine(np.tanh), Engine(torch.tanh)


@given(
    st.lists(arrays((3, 3), np.float64, grid()) | arrays((1, 3), np.float64, grid()), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12),
    st.integers(0, 2**32),
)
def test_random_programs(leaves, steps, seed):
    """Values used many times, twice in one operation, or never: all gradients equal torch's."""

    def run(engine: Engine, values: list[Any]) -> Any:
        pool = list(values)
        for step, i, j in steps:
            pool.append(engine.steps[step](pool[-1 - i % len(pool)], pool[-1 - j % len(pool)]))
        return pool[-1]

    ours = [Tensor(a, requires_grad=True) for a in leaves]
    twins = [exact(a, requires_grad=True) for a in leaves]
    y, want = run(OURS, ours), run(TORCH, twins)
    unit = np.finfo(np.float64).eps
    assert_agrees(y.data, want, twins, unit, "y", k=256)

    g = np.random.default_rng(seed).normal(size=y.shape)
    y.backward(g)
    weight = exact(g, requires_grad=True)
    wanted = torch.autograd.grad(want, twins, weight, create_graph=True, allow_unused=True)
    for x, want_x in zip(ours, wanted, strict=True):
        assert (x.grad is None) == (want_x is None)
        if want_x is not None:
            assert_agrees(x.grad, want_x, [weight, *twins], unit, "gradient", k=256)


# ------------------------------------------------------------------------------------------------------------ fan-out
def test_fan_out_adds_up():
    x = leaf(3.0)
    y = x * x + x  # d/dx = 2 x + 1
    y.backward()
    assert x.grad == 7.0


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: x * x, lambda x: 2 * x),
        (lambda x: x + x, lambda x: np.full_like(x, 2)),
        (lambda x: x - x, np.zeros_like),
        (lambda x: x / x, np.zeros_like),
        (lambda x: np.maximum(x, x), np.ones_like),
        (lambda x: np.where(np.array([True, False]), x, x), np.ones_like),
        (lambda x: x**x, lambda x: x**x * (np.log(x) + 1)),
        (lambda x: x @ x, lambda x: 2 * x),
        (lambda x: minigrad.mse_loss(x, x), np.zeros_like),
    ],
)
def test_a_tensor_used_twice_in_one_operation(f, slope):
    x = leaf(2.0, 0.5)
    f(x).sum().backward()
    np.testing.assert_allclose(x.grad, slope(x.data), rtol=1e-15, atol=0)


def test_one_array_in_two_tensors_is_two_leaves():
    data = np.array([2.0, 3.0])
    a, b = Tensor(data, requires_grad=True), Tensor(data, requires_grad=True)
    (a * b * b).sum().backward()
    np.testing.assert_array_equal(a.grad, data**2)
    np.testing.assert_array_equal(b.grad, 2 * data**2)
    assert not np.shares_memory(a.grad, b.grad)


def test_a_tape_lists_everything_once_in_the_order_it_was_computed():
    x, constant = leaf(2.0), Tensor(3.0)
    left = x * 2
    right = left + constant
    other = np.exp(x)
    y = right * left + right
    nodes = tape(y)
    assert [t for t in nodes if t in (x, constant, left, right, y)] == [x, constant, left, right, y]
    assert len(nodes) == len(set(nodes)) == 6  # the product of right and left has no name here
    assert other not in nodes
    assert tape(y, other, x) == sorted([*nodes, other], key=lambda t: t.serial)


def test_recorded_is_not_yet_differentiable():
    """A step function puts its result on the tape, for programs must see it; no derivative reaches it."""
    x = leaf(2.0, -1.0)
    mask = x > 0
    y = mask * 3.0 + mask
    assert x in tape(y)
    assert not y.requires_grad
    assert (y * x).requires_grad
    (y * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [4, 0])


def test_no_derivative_flows_into_what_does_not_require_grad():
    x, constant = leaf(2.0), Tensor(5.0)
    (x * constant + np.array(1.0)).backward()
    assert x.grad == 5.0
    assert constant.grad is None


# ---------------------------------------------------------------------------------------------- several backward calls
def test_backward_calls_add_up_on_leaves_only():
    x = leaf(1.0, 2.0)
    middle = x * x
    y = (middle * 3).sum()
    y.backward()
    np.testing.assert_array_equal(x.grad, [6, 12])
    y.backward()
    np.testing.assert_array_equal(x.grad, [12, 24])
    middle.sum().backward()
    np.testing.assert_array_equal(x.grad, [14, 28])
    assert middle.grad is None
    assert y.grad is None


def test_the_first_gradient_is_not_the_second_ones_memory():
    x = leaf(1.0, 2.0)
    (x + x).sum().backward()
    first = x.grad
    x.zero_grad()
    assert x.grad is None
    (x * 5).sum().backward()
    np.testing.assert_array_equal(first, [2, 2])
    np.testing.assert_array_equal(x.grad, [5, 5])


def test_a_gradient_is_the_leafs_own_memory():
    """Whatever somebody does to one gradient afterwards, no other array changes with it."""
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    g = np.array([1.0, 1.0])
    y = a + b
    y.backward(g)
    a.grad *= 100
    np.testing.assert_array_equal(b.grad, [1, 1])
    np.testing.assert_array_equal(g, [1, 1])
    np.testing.assert_array_equal(a.data, [1, 2])


def test_backward_from_a_leaf():
    x = leaf(4.0)
    for want in 1.0, 2.0:
        x.backward()
        assert type(x.grad) is np.ndarray  # and no NumPy number, which arithmetic makes of arrays without axes
        assert x.grad.shape == ()
        assert x.grad == want


# -------------------------------------------------------------------------------------------------- depth, paths, width
def test_a_chain_of_100_000_operations():
    """No recursion, and every node is visited once: counted, not timed."""
    n = 100_000
    x = leaf(1.0)
    y = x
    with shallow_stack(), counted_rules() as calls:
        for _ in range(n):
            y = -y
        assert len(tape(y)) == n + 1
        y.backward()
    assert x.grad == 1.0
    assert calls == {("negative", 0): n}


def test_a_recorded_chain():
    """The same with the sweep on the tape: its nodes are as many, and their sweep visits each once."""
    n = 10_000
    x = leaf(1.0)
    y = x
    with shallow_stack(), counted_rules() as calls:
        for _ in range(n):
            y = y * 1.0
        (slope,) = gradients(y * x, [x], create_graph=True)  # the derivative of x², 2 x
        assert calls == {("multiply", 0): n + 1, ("multiply", 1): 1}
        (bend,) = gradients(slope, [x])
    assert (slope.item(), bend.item()) == (2.0, 2.0)
    assert calls["multiply", 0] + calls["multiply", 1] <= 3 * (n + 2) + n


def test_dropping_a_long_chain_does_not_crash():
    """Deallocation does not recurse into the C stack, either. In a process of its own, for it would die of it."""
    code = """if True:
        import numpy as np, minigrad
        x = minigrad.Tensor(1.0, requires_grad=True)
        y = x
        for _ in range(100_000):
            y = y + x
        z = y * 2
        del y
        (slope,) = minigrad.gradients(z, [x])
        print(slope.item())
        del z, slope, x
        print("dropped")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["200002.0", "dropped"], "")


def test_2_to_the_60_paths():
    x = leaf(1.0)
    y = x
    with counted_rules() as calls:
        for _ in range(60):
            y = y + y
        y.backward()
        assert gradients(y, [x])[0].item() == 2.0**60
    assert x.grad == 2.0**60
    assert calls == {("add", 0): 120, ("add", 1): 120}


def test_10_000_uses_of_one_tensor():
    n = 10_000
    x = leaf(1.0)
    with counted_rules() as calls:
        total = x * 0.0
        for _ in range(n):
            total = total + x
        total.backward()
    assert x.grad == n
    assert calls == {("multiply", 0): 1, ("add", 0): n, ("add", 1): n}


# -------------------------------------------------------------------------------------------------------------- memory
@pytest.mark.parametrize(
    "f", [lambda x: np.tanh(x @ x + x), cube_of(Function).apply, lambda x: minigrad.mse_loss(x, x * 2)]
)
@pytest.mark.parametrize("recorded", [False, True])
def test_no_garbage_for_the_cycle_collector(f, recorded):
    """When the last tensor of a tape is dropped, everything is freed at once, by reference counting alone."""
    with no_collector():
        x = Tensor(np.eye(2), requires_grad=True)
        y = f(x).sum()
        y.backward()
        found = gradients(y, [x], create_graph=recorded)
        if recorded:
            (found[0] * found[0]).sum().backward()
        nodes = [weakref.ref(t) for t in tape(y, *found)]
        del x, y, found
        assert [r().op for r in nodes if r() is not None] == []
        assert gc.collect() == 0


def test_a_tape_dies_with_its_last_tensor_not_before():
    x = leaf(2.0)
    middle = x * x
    y = middle * middle
    alive = weakref.ref(middle)
    with no_collector():
        del middle
        y.backward()
        assert alive() is not None  # y needs it for another backward
        y.backward()
        assert x.grad == 2 * 4 * 2.0**3
        del y
        assert alive() is None


# ------------------------------------------------------------------------------------------------------------- no_grad
def test_nothing_is_recorded_under_no_grad():
    x = leaf(2.0)
    with no_grad():
        y = x * x
    assert not y.requires_grad
    assert tape(y) == [y]
    assert (x * x).requires_grad


def test_no_grad_nests():
    x = leaf(2.0)
    with no_grad():
        with no_grad():
            pass
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_ends_with_an_exception():
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert (leaf(2.0) * 2).requires_grad


def test_no_grad_as_a_decorator():
    x = leaf(2.0)

    @no_grad()
    def predict(times):
        "Docstring."
        return x * times if times else predict(3) + predict(4)

    assert predict.__name__ == "predict"
    assert predict.__doc__ == "Docstring."
    assert predict(0).item() == 14.0
    assert not predict(0).requires_grad
    assert (x * x).requires_grad
    with pytest.raises(TypeError):
        predict()
    assert (x * x).requires_grad


def test_one_no_grad_object_used_twice():
    quiet, x = no_grad(), leaf(2.0)
    for _ in range(2):
        with quiet:
            assert not (x * x).requires_grad
        assert (x * x).requires_grad


def test_each_thread_has_its_own_no_grad():
    x = leaf(2.0)
    inside, done = threading.Event(), threading.Event()
    seen = []

    def quiet():
        with no_grad():
            inside.set()
            done.wait()
            seen.append((x * x).requires_grad)
        seen.append((x * x).requires_grad)

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait()
    here = (x * x).requires_grad  # while the other thread is under no_grad
    with no_grad():
        done.set()
        thread.join()
    assert here
    assert seen == [False, True]


def test_threads_build_their_own_graphs():
    x = leaf(1.5)
    results = []

    def work():
        y = x
        for _ in range(200):
            y = y * 1.0 + 0.0
        results.append(gradients(y * x, [x])[0].item())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [3.0] * 8


# ------------------------------------------------------------------------------------------------------------- updates
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("update", "want"),
    [
        (lambda w: w.__isub__(0.5 * np.array([2.0, 4.0])), [0.0, 0.0]),
        (lambda w: w.__iadd__(1.0), [2.0, 3.0]),
        (lambda w: w.__imul__(Tensor([3.0, 0.5])), [3.0, 1.0]),
        (lambda w: w.__itruediv__(2), [0.5, 1.0]),
    ],
)
def test_updates_under_no_grad_keep_the_leaf(update, want, dtype):
    w = leaf(1.0, 2.0, dtype=dtype)
    array = w.data
    with no_grad():
        after = update(w)
    assert after is w
    assert w.requires_grad
    assert w.dtype == dtype
    np.testing.assert_array_equal(w.data, want)
    np.testing.assert_array_equal(array, [1, 2])  # what a tape saw before does not change


def test_a_descent_step():
    w = leaf(3.0)
    for _ in range(2):
        loss = w * w
        loss.backward()
        with no_grad():
            w -= 0.25 * w.grad
        w.zero_grad()
    assert w.item() == 0.75
    assert w.requires_grad


def test_an_update_of_a_number_stays_an_array():
    w = leaf(3.0)
    with no_grad():
        w -= 1.0
    assert type(w.data) is np.ndarray
    assert w.shape == ()


def test_an_update_keeps_the_shape():
    w = leaf(3.0)
    with pytest.raises(ValueError, match=r"shape"), no_grad():
        w -= np.ones(2)
    assert w.item() == 3.0


def test_an_update_outside_no_grad_raises():
    w = leaf(3.0)
    with pytest.raises(RuntimeError, match="no_grad"):
        w -= 1.0
    assert w.item() == 3.0


def test_in_place_operators_on_results_make_results():
    x = leaf(3.0)
    total = x * 1
    total += x
    total *= 2
    total.backward()
    assert x.grad == 4.0


def test_in_place_operators_on_results_make_results_under_no_grad_too():
    """Only a leaf is updated: the result may be on a tape already."""
    x = leaf(3.0)
    y = before = x * 2
    with no_grad():
        y += 1
    assert y is not before
    assert (y.item(), before.item()) == (7.0, 6.0)
    assert not y.requires_grad
    before.backward()
    assert x.grad == 2.0


def test_rebinding_data_does_not_change_history():
    w = leaf(3.0)
    y = w * w
    w.data = np.array(100.0)
    y.backward()
    assert w.grad == 6.0
    assert gradients(y, [w])[0].item() == 6.0


def test_a_recorded_sweep_refuses_rebound_data():
    """It would multiply the new value where the forward had the old one."""
    w = leaf(3.0)
    y = w * w
    w.data = np.array(100.0)
    with pytest.raises(RuntimeError, match=r"rebound") as caught:
        gradients(y, [w], create_graph=True)
    assert f"{__file__}:" in str(caught.value)
    assert minigrad.tape(w * w)  # and recording goes on afterwards
    assert (w * w).requires_grad


# ----------------------------------------------------------------------------------------------------------- gradients
def test_gradients_leaves_grad_alone():
    x = leaf(2.0)
    (g,) = gradients(x * x, [x])
    assert type(g) is Tensor
    assert g.item() == 4.0
    assert not g.requires_grad
    assert x.grad is None


def test_gradients_of_one_input_and_of_many():
    x, w = leaf(2.0), leaf(5.0)
    assert [g.item() for g in gradients(x * w, x)] == [5.0]
    assert [g.item() for g in gradients(x * w, [w, x])] == [2.0, 5.0]
    assert [g.item() for g in gradients(x * w, (x, x))] == [5.0, 5.0]


def test_gradients_to_intermediates_and_to_the_output_itself():
    x = leaf(3.0)
    middle = x * x
    y = middle * x
    assert [g.item() for g in gradients(y, [middle, x, y])] == [3.0, 27.0, 1.0]
    assert [g.item() for g in gradients(y, [y], gradient=7.0)] == [7.0]


@pytest.mark.parametrize("recorded", [False, True])
def test_gradients_computes_only_what_leads_to_the_inputs(recorded):
    a, b, c = leaf(2.0), leaf(3.0), leaf(5.0)
    y = (a * b) * np.exp(c) + np.tanh(b)
    with counted_rules() as calls:
        gradients(y, [a], create_graph=recorded)
    wanted = {("add", 0): 1, ("multiply", 0): 2}
    assert {name: n for name, n in calls.items() if n} == wanted


def test_backward_computes_only_what_leads_to_leaves():
    a, b = leaf(2.0), Tensor(3.0)
    with counted_rules() as calls:
        (a * b + np.exp(b)).backward()
    assert calls == {("add", 0): 1, ("multiply", 0): 1}


def test_unused_inputs_raise_or_are_none():
    x, unused = leaf(2.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        gradients(x * x, [x, unused])
    g, none = gradients(x * x, [x, unused], allow_unused=True)
    assert g.item() == 4.0
    assert none is None


def test_inputs_must_require_grad():
    x, constant = leaf(2.0), Tensor(1.0)
    with pytest.raises(RuntimeError, match="require"):
        gradients(x * constant, [constant])


def test_an_output_off_the_tape():
    with pytest.raises(RuntimeError, match="require"):
        Tensor(1.0).backward()
    with pytest.raises(TypeError, match="Tensor"):
        gradients(3.0, [leaf(1.0)])


def test_a_vector_needs_a_cotangent():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match=r"\(2,\)[\s\S]*gradient="):
        y.backward()


@pytest.mark.parametrize("g", [np.array([3.0, 5.0]), [3, 5], Tensor([3.0, 5.0]), np.array([3, 5], np.float32)])
def test_cotangents(g):
    x = leaf(1.0, 2.0)
    y = x * x
    y.backward(g)
    np.testing.assert_array_equal(x.grad, [6, 20])
    x.zero_grad()
    y.backward(gradient=g)
    np.testing.assert_array_equal(x.grad, [6, 20])
    np.testing.assert_array_equal(gradients(y, [x], gradient=g)[0].data, [6, 20])
    np.testing.assert_array_equal(gradients(y, [x], create_graph=True, gradient=g)[0].data, [6, 20])


def test_a_cotangent_of_another_shape():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(ValueError, match=r"\(2, 1\)[\s\S]*\(2,\)"):
        y.backward(np.ones((2, 1)))


def test_a_result_of_one_entry_starts_from_1_in_its_own_shape():
    x = Tensor([[2.0]], requires_grad=True)
    (x * x).backward()
    np.testing.assert_array_equal(x.grad, [[4.0]])


def test_differentiating_the_cotangent():
    """The gradient is linear in the cotangent, and a recorded sweep knows it."""
    x, g = leaf(3.0), leaf(2.0)
    (slope,) = gradients(x * x, [x], create_graph=True, gradient=g)
    assert slope.item() == 12.0
    assert [t.item() for t in gradients(slope, [x, g])] == [4.0, 6.0]


def test_any_order():
    x = leaf(2.0)
    y = x * x * x * x
    for want in 32.0, 48.0, 48.0, 24.0:
        (y,) = gradients(y, [x], create_graph=True)
        assert y.item() == want


def test_backward_through_recorded_gradients():
    x = leaf(3.0)
    (slope,) = gradients(x * x * x, [x], create_graph=True)
    slope.backward()
    assert x.grad == 18.0


# -------------------------------------------------------------------------------------------------------------- dtypes
@pytest.mark.parametrize("f", [lambda w, x: (x @ w).sum(), lambda w, x: minigrad.mse_loss(x @ w, np.ones(3))])
def test_a_float32_leaf_among_float64_data(f):
    """The computation is in float64, the gradient in the leaf's dtype."""
    w, x = leaf(1.0, 2.0, dtype=np.float32), np.arange(6.0).reshape(3, 2)
    y = f(w, x)
    assert y.dtype == np.float64
    y.backward()
    assert w.grad.dtype == np.float32
    wide = leaf(1.0, 2.0)
    f(wide, x).backward()
    np.testing.assert_allclose(w.grad, wide.grad, rtol=np.finfo(np.float32).eps)
    (recorded,) = gradients(f(w, x), [w], create_graph=True)
    assert recorded.dtype == np.float32


def test_python_numbers_do_not_widen_float32():
    x = leaf(1.0, 2.0, dtype=np.float32)
    y = 2.0 * x + 1
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_counting_puts_every_rule_back():
    before = {name: operation.rules for name, operation in REGISTRY.items()}
    with counted_rules():
        assert REGISTRY["add"].rules is not before["add"]
    assert all(REGISTRY[name].rules is rules for name, rules in before.items())


def test_a_node_is_three_objects_to_the_collector():
    """The Tensor, its inputs and their values: on a long tape Python's collector walks through all that there are."""
    x = Tensor(np.ones(2), requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        before, y = len(gc.get_objects()), x
        for _ in range(100):
            y = y * x
        made = len(gc.get_objects()) - before
    finally:
        gc.enable()
    assert 200 < made < 310
