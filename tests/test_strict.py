"""The careful mode: each promise of `strict`, and that it says nothing where all is well."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import MEAN_OF_NOTHING, WITHOUT_COUNTERPART, applied, refuses_emptiness, tensors
from strategies import calls
from students import function_of, leaf, line_of, linear_of, mse_of, no_collector

import minigrad
from minigrad import Function, Tensor, gradients, no_grad, strict, tape
from minigrad.ops.registry import REGISTRY

HERE = __file__


def at(comment: str) -> str:
    return f"{HERE}:{line_of(HERE, comment)} "


def notes(caught: Any) -> str:
    return "\n".join(getattr(caught.value, "__notes__", []))


# ------------------------------------------------------------------------------------------------- no false alarms
def broadcasts_between_ranks(op: Any, shapes: list[tuple[int, ...]], result: tuple[int, ...]) -> bool:
    """What strict() promises to refuse, said once more."""
    elementwise = all(c in "(),->" for c in op.signature)
    return elementwise and len({len(s) for s in shapes if s}) > 1 and result not in shapes


def sweeps(y: Tensor, g: Any) -> list[Any]:
    """A plain sweep, a recorded one, and a sweep over that; all numbers that they made."""
    leaves = [t for t in tape(y) if t.op is None and t.requires_grad]
    y.backward(g)
    found = gradients(y, leaves, create_graph=True, gradient=g, allow_unused=True)
    total = sum((d * 2.0).sum() for d in found if d is not None)
    if type(total) is Tensor and total.requires_grad:
        found += gradients(total, leaves, allow_unused=True)
    return [t.grad for t in leaves] + [t.data for t in found if t is not None]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@MEAN_OF_NOTHING
@pytest.mark.parametrize("name", sorted(REGISTRY.keys() - WITHOUT_COUNTERPART.keys()))
@settings(max_examples=settings.default.max_examples // 10)
@given(data=st.data())
def test_right_operations_pass(name, data):
    """It raises where a number stops being finite or ranks are mixed, and nowhere else; nothing else changes."""
    operation = REGISTRY[name]
    call = data.draw(calls(operation))
    if refuses_emptiness(operation, call):
        return
    writeable = [a is not None and a.flags.writeable for a in call.inputs]
    plain = applied(operation, tensors(call), call.params)
    g = call.cotangent(plain.shape, plain.dtype) if plain.requires_grad else None
    results = [plain.data, *([] if g is None else sweeps(plain, g))]
    finite = all(np.isfinite(a).all() for a in results if a is not None and a.dtype.kind == "f")
    steps = [(node.op, node.values, node.shape) for node in tape(plain) if node.op is not None]
    steps += [(operation, call.inputs, plain.shape)] if not operation.composed else []
    mixed = any(
        broadcasts_between_ranks(op, [np.shape(v) for v in values if v is not None], shape)
        for op, values, shape in steps
    )
    expected = (
        pytest.raises(FloatingPointError)
        if not finite
        else pytest.raises(ValueError, match="hardly meant")
        if mixed
        else contextlib.nullcontext()
    )
    again = []
    with expected, strict():
        y = applied(operation, tensors(call), call.params)
        again = [y.data, *([] if g is None else sweeps(y, g))]
    for a, b in zip(again, results, strict=bool(again)):
        np.testing.assert_array_equal(a, b)
    assert [a is not None and a.flags.writeable for a in call.inputs] == writeable


def test_students_functions_pass():
    Linear, MSE = linear_of(Function), mse_of(Function)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    W, b = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in [(3, 2), (2,)])
    with strict():
        for _ in range(3):
            loss = MSE.apply(Linear.apply(x, W, b), y)
            loss.backward()
            gradients(loss, [W, b], create_graph=True)
            with no_grad():
                for w in (W, b):
                    w -= 0.1 * w.grad
            W.zero_grad()
            b.zero_grad()
    assert loss.item() < 100


def test_transforms_pass():
    def f(x, y):
        return (np.sin(x) * y * y).sum()

    x, y = np.ones((2, 3)), np.full(3, 2.0)
    with strict():
        minigrad.hessian(f, (0, 1))(x, y)
        minigrad.jvp(minigrad.grad(f), (x, y), (x, y))
        minigrad.hvp(f, (x, y), (x, y))
    x[0] = y[0] = 0.0


# ---------------------------------------------------------------------------------------------------- NaN and infinity
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("f", "name", "value"),
    [
        (lambda x: np.log(x), "log", "-inf"),
        (lambda x: x / x, "divide", "nan"),
        (lambda x: np.exp(1000 + x), "exp", "inf"),
        (lambda x: np.sqrt(x - 1), "sqrt", "nan"),
        (lambda x: minigrad.power(x, -1.0), "power", "inf"),
        (lambda x: x.astype(np.float32) * np.float32(1e38) + np.float32(2e38), "add", "inf"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_born_in_a_forward(f, name, value, recorded):
    x = Tensor(np.array([[2.0, 0.0]]), requires_grad=recorded)
    with pytest.raises(FloatingPointError) as caught, strict():
        f(x)
    message = str(caught.value)
    assert message.startswith(f"{name} made at {HERE}:")
    assert "in the forward" in message
    assert value in message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_entry_and_the_line_of_a_birth():
    x = leaf(1.0, 4.0, 0.0)
    with pytest.raises(FloatingPointError) as caught, strict():
        y = x * 2
        np.log(y).sum()  # birth
    message = str(caught.value)
    assert f"log made at {at('birth')}(np.log(y))" in message
    assert "-inf was made of finite numbers, at entry [2] of shape (3,)" in message


def test_what_is_infinite_from_the_start_was_not_born():
    mask = np.array([0.0, -np.inf])
    with strict():
        x = leaf(1.0, 2.0)
        y = minigrad.softmax(x + mask)
        y.backward(np.ones(2))
        np.pad(x, 1, constant_values=np.inf)
        assert (x * np.nan).requires_grad
    np.testing.assert_array_equal(x.grad, [0.0, 0.0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("create_graph", [False, True])
def test_born_in_a_backward(create_graph):
    x = leaf(4.0, 0.0)
    with pytest.raises(FloatingPointError) as caught, strict():
        root = np.sqrt(x)  # root
        y = root * 3
        gradients(y.sum(), [x], create_graph=create_graph)
    message = str(caught.value)
    phase = "divide made at {}, in a recorded backward" if create_graph else "sqrt made at {}, in the backward"
    assert phase.format(f"{at('root')}(np.sqrt(x))") in message
    assert f"In the backward of sqrt of shape (2,) made at {at('root')}" in notes(caught)
    assert "inf was made" in message
    assert "at entry [1]" in message


def test_born_in_a_students_backward():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad * np.nan

    with (
        pytest.raises(FloatingPointError, match=r"Wrong made at .* in the backward: nan .* by the rule of input 0"),
        strict(),
    ):
        Wrong.apply(leaf(1.0)).backward()


def test_a_cotangent_that_is_not_finite_before_its_rules():
    x = leaf(1.0, 0.0)
    for how in ("given", "hook", "sum"):
        with pytest.raises(FloatingPointError, match=r"multiply made at .* before its rules.*at entry \[1\]"), strict():
            y = x * 2
            if how == "hook":
                y.register_hook(lambda g: g * [1.0, np.inf])
            if how == "sum":
                z = y * np.array([1.0, 1e308]) + y * np.array([1.0, 1e308])
                with np.errstate(over="ignore"):
                    z.backward([1.0, 1.0])
            y.backward([1.0, np.nan] if how == "given" else [1.0, 1.0])


def test_the_pattern_around_a_singular_branch_passes():
    with strict():
        x = leaf(4.0, 0.0)
        positive = x > 0
        safe = np.where(positive, x, 1.0)
        y = np.where(positive, np.sqrt(safe), 0.0)
        y.backward([1.0, 1.0])
    np.testing.assert_array_equal(x.grad, [0.25, 0.0])


# --------------------------------------------------------------------------------------------------- locks
def test_arrays_and_their_bases_are_locked_until_the_block_ends():
    base = np.ones((3, 4))
    view = base[1:, ::2]
    free = np.zeros(3)
    with strict():
        x = Tensor(view, requires_grad=True)
        assert base.flags.writeable  # nothing is recorded yet
        y = x * np.ones(2)
        for array in (base, view, y.data, y.values[1]):
            assert not array.flags.writeable
        y.sum().backward()
        del y
        assert not base.flags.writeable
        free[0] = 1.0
        x.grad[0] = 7.0  # what was handed out is the user's
    for array in (base, view):
        assert array.flags.writeable
    base[:] = view[:] = 0.0


def test_results_are_locked_too():
    with strict():
        y = np.exp(leaf(1.0, 2.0))
        with pytest.raises(ValueError, match="read-only"):
            y.data[0] = 0.0
    y.data[0] = 0.0


def test_what_is_not_on_the_tape_stays_free():
    a = np.ones(3)
    with strict():
        with no_grad():
            y = leaf(1.0) * a
        z = Tensor(a) * 2
        for free in (a, y.data, z.data):
            free[0] = 2.0


def test_what_was_read_only_stays_so():
    a = np.ones(3)
    a.flags.writeable = False
    with strict():
        leaf(1.0) * a
    assert not a.flags.writeable
    b = np.ones(3)
    older, b.flags.writeable = b[:2], False  # a writeable view of a read-only array: locked, it would stay locked
    with strict():
        leaf(1.0) * older
    assert older.flags.writeable
    assert not b.flags.writeable


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.frombuffer(bytearray(24)),
        lambda: np.frombuffer(bytes(24)),
        lambda: torch.zeros(3, dtype=torch.float64).numpy(),
        lambda: np.broadcast_to(np.ones(1), 3),
        lambda: np.ones((3, 2)).T[0],
        lambda: np.ones(3).view(np.matrix).A1,
    ],
)
def test_memory_of_others_is_as_writeable_afterwards_as_before(make):
    a = make()
    before = a.flags.writeable
    with strict():
        (leaf(1.0) * a[:2]).sum().backward()
        (leaf(1.0) * a).sum().backward()
    assert a.flags.writeable == before


def test_memory_of_others_is_locked_where_that_can_be_undone_and_summed_elsewhere():
    a, b = np.frombuffer(bytearray(24)), torch.zeros(3, dtype=torch.float64).numpy()
    with pytest.raises(ValueError, match="changed after the forward"), strict():
        y = leaf(1.0) * a * b[:2].sum() * b
        assert not a.flags.writeable
        b[0] = 5.0
        y.sum().backward()


def test_an_exception_unlocks():
    a = np.ones(3)
    with pytest.raises(KeyError), strict():
        leaf(1.0) * a
        raise KeyError
    a[0] = 2.0
    with strict():
        leaf(1.0) * a
        assert not a.flags.writeable
    a[0] = 3.0


def test_blocks_in_blocks():
    a, b = np.ones(4), np.ones(4)
    view = a[:2]
    careful = strict()
    with careful:
        leaf(1.0) * a
        with strict(), careful:
            leaf(1.0) * b
            leaf(1.0) * view
        assert not a.flags.writeable
        assert not b.flags.writeable
        with pytest.raises(FloatingPointError), np.errstate(divide="ignore"):
            np.log(leaf(0.0))  # the inner block has not ended the outer one
    for array in (a, b, view):
        array[0] = 2.0
    with np.errstate(divide="ignore"):
        np.log(leaf(0.0))


def test_views_taken_inside_stay_read_only():
    """As the docstring says: nobody keeps a list of them."""
    a = np.ones(4)
    with strict():
        leaf(1.0) * a
        view = a[:2]
    assert not view.flags.writeable
    assert a[:2].flags.writeable


def test_a_tape_that_is_dropped_is_freed_inside_the_block():
    with no_collector(), strict():
        a = np.ones(3)
        y = leaf(1.0) * a
        y.sum().backward()
        alive = [weakref.ref(y), weakref.ref(a), weakref.ref(y.data)]
        del y, a
        assert [ref() for ref in alive] == [None] * 3


def in_thread(function):
    errors: list[BaseException] = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def test_each_thread_has_its_own_block():
    with strict():

        def elsewhere():
            a = np.ones(3)
            with np.errstate(divide="ignore"):
                np.log(leaf(0.0) * a)
            a[0] = 2.0

        thread, errors = in_thread(elsewhere)
        thread.join()
        assert not errors


@pytest.mark.parametrize("first", [0, 1])
def test_an_array_locked_by_two_threads_is_free_after_both(first):
    base = np.ones(6)
    view = base[:3]
    arrays = [base, view]
    ready, done = threading.Event(), threading.Event()

    def other():
        with strict():
            leaf(1.0) * arrays[first]
            ready.set()
            done.wait(10)

    with strict():
        leaf(1.0) * arrays[1 - first]
        thread, errors = in_thread(other)
        assert ready.wait(10)
    held = base if first == 0 else view
    assert not held.flags.writeable  # the other block has not ended
    assert not base.flags.writeable
    done.set()
    thread.join()
    assert not errors
    assert base.flags.writeable
    assert view.flags.writeable


def test_of_two_threads_the_outer_one_ends_last_too():
    base, own = np.ones(6), np.ones(3)
    view = base[:3]

    with strict():
        leaf(1.0) * view

        def other():
            with strict():
                leaf(1.0) * base
                leaf(1.0) * own

        thread, errors = in_thread(other)
        thread.join()
        assert not errors
        assert own.flags.writeable
        assert not base.flags.writeable
        assert not view.flags.writeable
    assert base.flags.writeable
    assert view.flags.writeable


# ------------------------------------------------------------------------------------------ who needs the array
class Module:
    def __init__(self, W):
        self.W = W


W = np.ones((2, 2))


def write_name(w, module, params):
    w[0] = 5.0


def write_from_name(w, module, params):
    five = 5.0
    w[0] = five


def write_attribute(w, module, params):
    module.W[0] = 5.0


def write_entry(w, module, params):
    params["layers"][1][0] = 5.0


def write_entry_by_variable(w, module, params):
    key = "layers"
    for i in range(1, 2):
        params[key][i] *= 5.0


def write_computed_entry(w, module, params):
    layers = params["layers"]
    layers[len(layers) - 2][0] = 5.0


def write_out(w, module, params):
    np.add(1.0, 2.0, out=module.W)


def write_in_numpy(w, module, params):
    np.fill_diagonal(w, 5.0)


def write_in_cython(w, module, params):
    np.random.default_rng(0).shuffle(module.W)


def write_method(w, module, params):
    module.W.sort()


def write_after_except(w, module, params):
    try:
        len(5)
    except TypeError as error:  # at whose end the interpreter clears the name, on no line at all
        str(error)
    w[0] = 5.0


def write_lines(w, module, params):
    np.multiply(
        w,
        5.0,
        out=w,
    )


def write_nested(w, module, params):
    def inner():
        w.fill(5.0)

    inner()


WRITERS = [
    (write_name, "w"),
    (write_from_name, "w"),
    (write_attribute, "module.W"),
    (write_entry, "params['layers'][1]"),
    (write_entry_by_variable, "params['layers'][1]"),
    (write_computed_entry, "layers[0]"),
    (write_out, "module.W"),
    (write_in_numpy, "a"),  # what NumPy calls it where it writes
    (write_in_cython, "module.W"),
    (write_method, "module.W"),
    (write_after_except, "w"),
    (write_lines, "w"),
    (write_nested, "w"),
]


@pytest.mark.parametrize(("write", "name"), WRITERS, ids=[write.__name__ for write, _ in WRITERS])
def test_numpys_error_says_who_needs_the_array(write, name):
    w = np.ones((2, 2))
    with pytest.raises(ValueError, match="read-only") as caught, strict():
        y = leaf(3.0) * w  # needs w
        z = y * w
        write(w, Module(w[:1]), {"layers": [w[0], w[1]]})
    assert z.requires_grad
    (note,) = caught.value.__notes__
    assert note.startswith(f"{name} is needed for the backward of multiply of shape (2, 2)")
    assert f"made at {at('needs w')}(leaf(3.0) * w). Write into a copy." in note


def test_the_note_for_a_tensor_and_for_a_tape_that_is_gone():
    w = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match="read-only") as caught, strict():
        np.exp(w).sum().backward()  # gone
        w.data -= 0.1 * w.grad
    assert f"exp of shape (2,) made at {at('gone')}(np.exp(w))" in notes(caught)


def test_the_array_that_is_only_read_is_not_blamed():
    a, b = np.ones(2), np.ones(2)
    with pytest.raises(ValueError, match="read-only") as caught, strict():
        leaf(1.0) * a * b
        a[0] = b[0]
    (note,) = caught.value.__notes__
    assert note.startswith("a is needed")


def test_the_note_without_a_source():
    scope = {"Tensor": Tensor, "strict": strict, "w": np.ones(2)}
    code = "with strict():\n    y = Tensor(1.0, requires_grad=True) * w\n    w[0] = 2.0\n"
    with pytest.raises(ValueError, match="read-only") as caught:
        exec(compile(code, "<no source>", "exec"), scope)
    assert "w is needed for the backward of multiply of shape (2,) made at <no source>:2." in notes(caught)


def test_errors_of_other_arrays_have_no_note():
    other = np.ones(2)
    other.flags.writeable = False
    with pytest.raises(ValueError, match="read-only") as caught, strict():
        leaf(1.0) * np.ones(2)
        other[0] = 1.0
    assert notes(caught) == ""
    with pytest.raises(ValueError, match="another") as caught, strict():
        w = np.ones(2)
        leaf(1.0) * w
        raise ValueError("another", w)
    assert notes(caught) == ""


def test_a_students_backward_that_writes_into_what_it_saved():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x * 2)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (twice,) = ctx.saved_tensors
            twice *= grad
            return twice

    with pytest.raises(ValueError, match="read-only") as caught, strict():
        Wrong.apply(leaf(1.0, 2.0)).backward([1.0, 1.0])
    assert "twice is needed for the backward of Wrong" in notes(caught)


# ------------------------------------------------------------------------------------------------------ checksums
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_write_through_an_older_view_is_noticed(create_graph):
    base = np.ones(4)
    older = base[:2]
    with pytest.raises(ValueError, match="changed after the forward") as caught, strict():
        x = leaf(2.0)
        y = x * base  # summed
        older[0] = 5.0
        gradients(y.sum(), [x], create_graph=create_graph)
    message = str(caught.value)
    assert f"multiply made at {at('summed')}(x * base), in the backward" in message
    assert "view older than strict()" in message


@pytest.mark.parametrize("which", ["input", "output", "saved"])
def test_every_array_that_a_backward_reads_is_summed(which):
    buffer, views = np.ones(2), {}

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            slope, y = 2 * x, x * x
            views.update(input=x, output=y, saved=slope)
            ctx.save_for_backward(slope)
            views.update({name: memoryview(array) for name, array in views.items()})
            return y

        @staticmethod
        def backward(ctx, grad):
            return ctx.saved_tensors[0] * grad

    with pytest.raises(ValueError, match=r"Square made at .* changed after the forward"), strict():
        y = Square.apply(Tensor(buffer, requires_grad=True))
        np.asarray(views[which])[0] = 7.0
        y.backward([1.0, 1.0])


def test_a_change_after_the_sweep_or_of_other_arrays_is_none():
    base, other = np.ones(4), np.ones(4)
    older, others = base[:2], other[:2]
    with strict():
        y = leaf(2.0) * base
        others[0] = 5.0
        y.sum().backward()
        older[0] = 5.0


# ------------------------------------------------------------------------------------------------- mixed ranks
@pytest.mark.parametrize(
    ("a", "b"), [((3, 1), (3,)), ((3,), (3, 1)), ((2, 1, 3), (4, 1)), ((1, 1), (2,)), ((0, 1), (0,))]
)
@pytest.mark.parametrize(
    "operate", [np.subtract, np.multiply, np.maximum, np.greater, lambda a, b: np.where(a > 0, a, b)]
)
def test_broadcasting_between_ranks(a, b, operate):
    x = Tensor(np.ones(a), requires_grad=True)
    with pytest.raises(ValueError, match="hardly meant") as caught, strict():
        operate(x, np.ones(b))
    message = str(caught.value)
    assert f"made at {HERE}:" in message
    assert f"{a} and " in message
    assert str(b) in message
    assert f"broadcast to {np.broadcast_shapes(a, b)}" in message
    assert "Reshape" in message
    operate(x, np.ones(b))  # outside it is NumPy's business


@pytest.mark.parametrize(
    ("a", "b"), [((5, 2), (2,)), ((5, 2), ()), ((5, 1), (1, 2)), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 4)), ((5, 2), (1,))]
)
def test_broadcasting_that_is_meant(a, b):
    x, y = (Tensor(np.ones(shape), requires_grad=True) for shape in (a, b))
    with strict():
        (x * y).sum().backward()
        (y - x).sum().backward()
        np.where(x > 0, x, y).sum().backward()


def test_losses_refuse_mixed_ranks_at_all_times():
    x, y = Tensor(np.ones((3, 1)), requires_grad=True), np.ones(3)
    for loss in (minigrad.mse_loss, minigrad.l1_loss, minigrad.huber_loss, minigrad.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match=r"\(3, 1\).*\(3,\)"):
            loss(x, y)


# ------------------------------------------------------------------------------------------- what a rule returns
@contextlib.contextmanager
def planted(rule, name="multiply"):
    """`rule` in place of that of the first input of an operation."""
    operation = REGISTRY[name]
    before, operation.rules = operation.rules, [rule, *list(operation.rules)[1:]]
    try:
        yield
    finally:
        operation.rules = before


PLANTED = [
    (lambda g, y, a, b: (g * b).astype(np.float32), "returned dtype float32, for an input of float64"),
    (lambda g, y, a, b: (g * b).astype(np.int64), "returned dtype int64"),
    (lambda g, y, a, b: (g * b).astype(np.complex128), "returned dtype complex128"),
    (lambda g, y, a, b: (g * b).sum(0), r"returned shape \(3,\), for an input of shape \(2, 3\)"),
    (lambda g, y, a, b: (g * b).T, r"returned shape \(3, 2\), for an input of shape \(2, 3\)"),
    (
        lambda g, y, a, b: (g * b)[None] * np.ones((4, 1, 1)),
        r"returned shape \(4, 2, 3\), for an input of shape \(2, 3\)",
    ),
    (lambda g, y, a, b: b, "returned memory of an input"),
    (lambda g, y, a, b: b[::-1], "returned memory of an input"),
    (lambda g, y, a, b: y, "returned memory of an input or of the output"),
    (lambda g, y, a, b: 1.0, "returned a float; a cotangent is an array"),
]


@pytest.mark.parametrize(("rule", "message"), PLANTED)
def test_planted_rules(rule, message):
    a, b = (Tensor(np.arange(1.0, 7.0).reshape(2, 3), requires_grad=True) for _ in range(2))
    with planted(rule), pytest.raises(RuntimeError) as caught, strict():
        y = a * b  # planted
        y.backward(np.ones((2, 3)))
    place = f"multiply made at {at('planted')}(a * b), in the backward: the rule of input 0 "
    assert str(caught.value).startswith(place)
    assert caught.match(message)


@pytest.mark.parametrize(
    ("rule", "message"), [row for row in PLANTED if "dtype" not in row[1] and "float" not in row[1]]
)
def test_planted_rules_in_a_recorded_sweep(rule, message):
    a, b = (Tensor(np.arange(1.0, 7.0).reshape(2, 3), requires_grad=True) for _ in range(2))
    with planted(rule), pytest.raises(RuntimeError, match=message), strict():
        gradients((a * b).sum(), [a, b], create_graph=True)


def test_a_rule_whose_cotangent_does_not_broadcast_back():
    """The partial has the shape of the output, as it may; but the input was not broadcast to that."""
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with (
        planted(lambda g, y, x, *, shape: g, "reshape"),
        pytest.raises(RuntimeError, match=r"shape \(6,\), .* \(2, 3\)"),
        strict(),
    ):
        x.reshape(6).backward(np.ones(6))


def test_a_wider_dtype_is_cast_and_a_narrower_cotangent_is_no_loss():
    a, b = leaf(1.0, 2.0, dtype=np.float32), leaf(1.0, 2.0)
    with strict():
        (a * b).sum().backward()
        (b.astype(np.float32) * a).sum().backward()
        with planted(lambda g, y, a, b: (g * b).astype(a.dtype)):
            (a * b).sum().backward()
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64


def test_a_cotangent_that_is_an_input_passes():
    """An addition hands g on as it is. That it holds the numbers of an input is no concern of its rule."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with strict():
        (x + y).backward(x.data)
        gradients(x + y, [x, y], create_graph=True, gradient=x.detach())
        gradients(x + y, [x, y], create_graph=True, gradient=x)


def test_students_gradients_are_held_to_memory_and_have_their_own_errors():
    def returning(make):
        return function_of(lambda x: x * x, make, name="Wrong")

    x = leaf(1.0, 2.0)
    for make, message in [
        (lambda x, g: x, "rule of input 0 returned memory of an input"),
        (lambda x, g: np.ones(3), r"Wrong.backward returned a gradient of shape \(3,\)"),
        (lambda x, g: (2 * x * g).astype(np.float32), "Wrong.backward returned a gradient of dtype float32"),
    ]:
        with pytest.raises(RuntimeError, match=message), strict():
            returning(make).apply(x).backward([1.0, 1.0])
    with strict():
        returning(lambda x, g: g).apply(x).backward([1.0, 1.0])
