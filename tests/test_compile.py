"""compile: the tape's results without a tape, whatever is called in which order, in as many threads as there are."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Function, Tensor, linear, mse_loss
from minigrad.engine.trees import leaves
from minigrad.lab.descent import ProgramEngine, TapeEngine, descend
from minigrad.ops.images import windows
from minigrad.program.recording import TraceError

rng = np.random.default_rng(0)


def loss(x, y, W, b):
    return mse_loss(linear(x, W, b), y)


def sgd(parameters, gradients):
    return [p - 0.01 * g for p, g in zip(parameters, gradients, strict=True)]


def data(rows: int = 32, dtype: Any = np.float64) -> list[Any]:
    draw = np.random.default_rng(rows).normal
    return [draw(size=shape).astype(dtype) for shape in ((rows, 8), (rows, 1), (8, 1), (1,))]


def on_the_tape(x, y, W, b):
    W, b = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
    value = loss(x, y, W, b)
    value.backward()
    return value.data, [W.data - 0.01 * W.grad, b.data - 0.01 * b.grad]


def assert_same(got, want):
    assert np.shape(got[0]) == ()
    for a, b in zip([got[0], *got[1]], [want[0], *want[1]], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_step(dtype):
    step = minigrad.compile(loss, grad_of=("W", "b"), update=sgd)
    for rows in (32, 1, 32, 7, 32):
        arrays = data(rows, dtype)
        before = [a.copy() for a in arrays]
        assert_same(step(*arrays), on_the_tape(*arrays))
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(step.programs) == 3
    assert "out=buffer1" in str(step)


def test_it_traces_once_for_each_signature():
    runs = []

    @minigrad.compile
    def f(x, *, power=2):
        runs.append((x.shape, x.dtype.name, power))
        return x**power

    for _ in range(3):
        assert f(np.array([1.0, 2.0]))[1] == 4.0
        assert f(np.array([1.0, 2.0]), power=3)[1] == 8.0
        assert f(np.array([1.0, 2.0], np.float32)).dtype == np.float32
        assert f(Tensor([1.0, 2.0]))[1] == 4.0
        assert f(np.array([3.0]))[0] == 9.0
    assert len(f.programs) == 4
    assert len(runs) == 2 * len(set(runs)) == 8  # each is run again, on other numbers


def test_a_changed_static_argument_is_traced_again():
    f = minigrad.compile(lambda x, k: x * k)
    assert [f(np.array([2.0]), k)[0] for k in (3, 4.0, 3, 5)] == [6.0, 8.0, 6.0, 10.0]
    assert len(f.programs) == 3
    assert f(np.array([2.0]), np.array([7.0]))[0] == 14.0


def test_results_are_not_overwritten_by_the_next_call():
    @minigrad.compile(grad_of="x")
    def f(x):
        y = np.exp(x) * x
        return (y * y).sum()

    a, b = rng.normal(size=(2, 50, 3))
    _, first = f(a)
    kept = first.copy()
    f(b)
    np.testing.assert_array_equal(first, kept)
    first[...] = 0.0
    np.testing.assert_array_equal(f(a)[1], kept)


def test_views_of_a_buffer_keep_it():
    """What the transpose of a result is read for comes after what would reuse its memory."""

    @minigrad.compile
    def f(x):
        y = x + 1.0
        turned = y.T
        z = (x * 2.0) - (x * 3.0)
        return (turned @ z) + turned @ y

    for _ in range(2):
        x = rng.normal(size=(4, 4))
        np.testing.assert_array_equal(f(x), (x + 1.0).T @ (x * 2.0 - x * 3.0) + (x + 1.0).T @ (x + 1.0))


def test_windows_of_a_buffer_keep_it():
    """A view whose base is no array: NumPy's sliding windows."""

    def f(x):
        seen = windows(x * 2.0, size=(2, 2), stride=(1, 1), dilation=(1, 1))
        return seen * (x * 3.0).sum()

    compiled = minigrad.compile(f)
    for _ in range(2):
        x = rng.normal(size=(4, 4))
        np.testing.assert_array_equal(compiled(x), f(Tensor(x)).data)


def test_no_array_is_returned_twice():
    f = minigrad.compile(lambda a, b: ((a + b) * 2.0).sum(), grad_of=("a", "b"))
    _, (da, db) = f(np.ones(3), np.ones(3))
    da += 1.0
    assert db.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("order", ["C", "F"])
def test_buffers_have_the_layout_of_the_tape(order):
    """A sum is taken in the order of the layout: in another one it has other bits."""

    def f(x):
        return (x * 1.5 + 0.1).sum(0)

    compiled = minigrad.compile(f)
    values = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32)
    for array in (np.asarray(values, order=order), np.asarray(values, order="F" if order == "C" else "C")):
        got = compiled(array), compiled(array)
        want = f(Tensor(array)).data
        assert got[0].tobytes() == got[1].tobytes() == want.tobytes()
    assert f(Tensor(np.ascontiguousarray(values))).data.tobytes() != f(Tensor(np.asfortranarray(values))).data.tobytes()


def test_threads_share_a_compiled_function():
    @minigrad.compile
    def f(x):
        y = np.tanh(x)
        for _ in range(5):
            y = np.sin(y) * x + y
        return y

    inputs = [rng.normal(size=(300, 300)) for _ in range(4)]
    wanted = [np.array(f(x)) for x in inputs]
    wrong = []

    def work(i):
        for _ in range(10):
            if not np.array_equal(f(inputs[i]), wanted[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_a_call_that_fails_leaves_the_next_one_right():
    f = minigrad.compile(lambda x: np.exp(x * 2.0) + np.log(x))
    x = np.array([1.0, 2.0])
    want = f(x)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        f(np.array([-1.0, 2.0]))
    np.testing.assert_array_equal(f(x), want)


# ------------------------------------------------------------------------------------------------------ outside
weights = Tensor(rng.normal(size=3), requires_grad=True)
table = rng.normal(size=3)


def test_a_tensor_of_outside_is_read_at_each_call():
    f = minigrad.compile(lambda x: (x * weights).sum(), grad_of=[weights])
    before, x = weights.data, np.ones(3)
    try:
        for scale in (1.0, 2.0, 3.0):
            weights.data = scale * before
            value, (slope,) = f(x)
            np.testing.assert_array_equal(value, (x * weights.data).sum())
            np.testing.assert_array_equal(slope, x)
    finally:
        weights.data = before


def test_an_array_of_outside_is_refused_by_name_and_line():
    def f(x):
        return x * table

    with pytest.raises(TraceError, match=f"f uses the array table.*test_compile.py:{f.__code__.co_firstlineno + 1}"):
        minigrad.compile(f)(np.ones(3))
    for constants in ([table], ["table"]):
        np.testing.assert_array_equal(minigrad.compile(f, constants=constants)(np.ones(3)), table)


def test_a_view_of_an_array_of_outside_is_refused():
    with pytest.raises(TraceError, match="uses the array table"):
        minigrad.compile(lambda x: x * table[::-1])(np.ones(3))


def test_running_statistics_are_refused_or_given():
    mean, var = np.zeros(2), np.ones(2)
    with pytest.raises(TraceError):
        minigrad.compile(lambda x: minigrad.batch_norm(x, mean, var, training=True))(rng.normal(size=(4, 2)))
    assert mean.tolist() == [0.0, 0.0]
    evaluated = minigrad.compile(lambda x: minigrad.batch_norm(x, mean, var), constants=[mean, var])
    x = rng.normal(size=(4, 2))
    evaluated(x)
    mean += 1.0
    np.testing.assert_array_equal(evaluated(x), minigrad.batch_norm(x, mean, var).data)


# ------------------------------------------------------------------------------------- what is outside and changes
K, ACT = 2.0, np.tanh
SETTINGS = {"rate": 2.0, "rates": [1.0, 2.0], "deep": SimpleNamespace(rate=2.0)}
MODULE = ModuleType("settings_of_a_test")
MODULE.rate = 2.0  # type: ignore[attr-defined]
SMALL = np.array([2.0, 3.0])
NAMES = {2.0}


class Scaled(Function):
    scale = 2.0

    @staticmethod
    def forward(ctx, x):
        return x * Scaled.scale

    @staticmethod
    def backward(ctx, grad):
        return grad * Scaled.scale


class Model:
    bias = 1.0

    def __init__(self):
        self.scale, self.layers = 2.0, deque([3.0])

    @property
    def twice(self):
        return self.scale * 2

    def scaled(self):
        return self.scale * self.layers[0]

    def __call__(self, x):
        return x * self.scaled() + self.twice + self.bias


def defaulted(x, k=2.0, *, s=SETTINGS["rates"]):
    return x * k * s[0]


def nested(x):
    def inner(y):
        return deeper(y)

    return inner(x)


def deeper(y):
    return y * K


def set_global(name, value):
    globals()[name] = value


MODEL = Model()
OUTSIDE = {  # a function, and what happens between two calls
    "global": (lambda x: x * K, lambda: set_global("K", 3.0)),
    "sign of zero": (lambda x: x * SETTINGS["zero"], lambda: SETTINGS.update(zero=0.0)),
    "function": (lambda x: ACT(x), lambda: set_global("ACT", np.exp)),
    "of what it calls": (nested, lambda: set_global("K", 5.0)),
    "entry of a dict": (lambda x: x * SETTINGS["rate"], lambda: SETTINGS.update(rate=3.0)),
    "entry of a list": (lambda x: x * SETTINGS["rates"][1], lambda: SETTINGS["rates"].__setitem__(1, 5.0)),
    "a list grows": (lambda x: x * len(SETTINGS["rates"]), lambda: SETTINGS["rates"].append(5.0)),
    "attribute": (lambda x: x * SETTINGS["deep"].rate, lambda: setattr(SETTINGS["deep"], "rate", 3.0)),
    "of a module": (lambda x: x * MODULE.rate, lambda: setattr(MODULE, "rate", 3.0)),
    "of a class": (MODEL, lambda: setattr(Model, "bias", 3.0)),
    "in the place of the class's": (MODEL, lambda: setattr(MODEL, "bias", 4.0)),
    "of a callable": (MODEL, lambda: setattr(MODEL, "scale", 3.0)),
    "of a bound method": (MODEL.__call__, lambda: MODEL.layers.append(MODEL.layers.popleft() + 1)),
    "of a Function": (lambda x: Scaled.apply(x), lambda: setattr(Scaled, "scale", 3.0)),
    "default": (defaulted, lambda: setattr(defaulted, "__defaults__", (7.0,))),
    "mutable default": (defaulted, lambda: SETTINGS["rates"].__setitem__(0, 9.0)),
    "partial": (partial(lambda x, s: x * s["rate"], s=SETTINGS), lambda: SETTINGS.update(rate=4.0)),
    "number of an array": (lambda x: x * float(SMALL.sum()), lambda: SMALL.__setitem__(0, 5.0)),
    "set": (lambda x: x * sum(NAMES), lambda: NAMES.add(5.0)),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_has_changed_outside_is_traced_again(name):
    f, change = OUTSIDE[name]
    SETTINGS["zero"] = -0.0
    compiled, x = minigrad.compile(f), np.array([1.0, -2.0])
    for _ in range(2):
        before = compiled(x)
        assert before.tobytes() == f(Tensor(x)).data.tobytes()
    change()
    for _ in range(2):
        got = compiled(x)
        assert got.tobytes() == f(Tensor(x)).data.tobytes()
        assert got.tobytes() != before.tobytes()
    assert len(compiled.programs) == 2
    assert got.tobytes() == compiled(Tensor(x)).tobytes()


def test_a_cell_that_changes_and_comes_back():
    k, log = 2.0, []

    @minigrad.compile
    def f(x):
        log.append(k)  # what it writes itself is not looked at
        return x * k

    for k in (2.0, 3.0, float("2"), 3.0):
        assert f(np.ones(1))[0] == k
    assert len(log) == 4  # two runs for each of two programs


def test_static_objects_are_compared_by_what_they_hold():
    f = minigrad.compile(lambda x, model: model(x))
    model, x = Model(), np.ones(2)
    first = f(x, model)
    model.scale = 5.0
    assert f(x, model)[0] != first[0]
    assert len(f.programs) == 2
    g = minigrad.compile(lambda x, k: x * k)
    assert [str(g(np.ones(1), k)[0]) for k in (0.0, -0.0, float("nan"), float("nan"))] == ["0.0", "-0.0", "nan", "nan"]
    assert len(g.programs) == 3


# ------------------------------------------------------------------------------------------------------- the results
def test_results_are_memory_of_their_own():
    x, kept = np.array([1.0, 2.0]), Tensor([5.0, 6.0])
    f = minigrad.compile(
        lambda x: {"x": x, "again": [x, x[1:]], "kept": kept, "n": 3, "none": None, "ones": np.ones(2)}
    )
    for _ in range(2):
        got = f(x)
        assert (got["n"], got["none"]) == (3, None)
        assert [a.tolist() for a in (got["x"], *got["again"], got["kept"])] == [
            [1.0, 2.0],
            [1.0, 2.0],
            [2.0],
            [5.0, 6.0],
        ]
        for a in (got["x"], *got["again"], got["kept"], got["ones"]):
            a += 1.0
    assert x.tolist() == [1.0, 2.0]
    assert kept.data.tolist() == [5.0, 6.0]
    assert minigrad.compile(lambda x: x)(x).tolist() == [1.0, 2.0]
    _, slope = minigrad.compile(lambda x: x.sum(), grad=True)(x)
    slope += 1.0  # and no read-only view of a single one


def test_the_history_of_a_result_does_not_end_in_silence():
    f = minigrad.compile(lambda x: x * 2)
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"returns arrays.*t\.detach\(\)"):
        f(x * 3)
    assert f(x)[0] == f((x * 1).detach())[0] == 2.0
    value, slope = minigrad.compile(lambda x: f(x).sum() * 2, grad=True)(np.ones(2))
    assert (value, slope.tolist()) == (8.0, [4.0, 4.0])


@pytest.mark.parametrize("transform", [minigrad.jacobian, lambda f: minigrad.hessian(lambda x: f(x).sum())])
def test_transforms_of_many_entries(transform):
    f, x = transform(lambda x: (x @ x.T) ** 2), np.random.default_rng(0).normal(size=(9, 3))
    np.testing.assert_array_equal(minigrad.compile(f)(x), f(x))


@pytest.mark.parametrize(
    "transform",
    [
        lambda x, v: minigrad.jvp(lambda x: np.sin(x) * x.sum(), (x,), (v,)),
        lambda x, v: minigrad.vjp(lambda x: np.sin(x) * x.sum(), x)[1](v),
        lambda x, v: minigrad.hvp(lambda x: np.sum(np.exp(x) * x), (x,), (v,)),
        lambda x, v: minigrad.hessian_diag(lambda x: np.sum(np.exp(x) * v))(x),
        lambda x, v: minigrad.jacobian(lambda x, v: (x[0] * v, None), argnums=(0, 1))(x[:1], v),
    ],
)
def test_transforms_along_a_direction(transform):
    """The program is made of the first numbers, and has to be right for others."""
    program, (x, v, w) = minigrad.compile(transform), np.random.default_rng(0).normal(size=(3, 4))
    for point, direction in ((x, v), (v, w)):
        assert leaves(program(point, direction)) == [
            y if y is None else pytest.approx(y, rel=1e-13) for y in leaves(transform(point, direction))
        ]


# ------------------------------------------------------------------------------------------------------- the options
def test_grad_is_by_the_first_argument():
    value, slope = minigrad.compile(lambda x, y: (x * y).sum(), grad=True)(np.array([2.0]), np.array([5.0]))
    assert (value, slope.tolist()) == (10.0, [5.0])


def test_donated_memory_is_written_into():
    x, y, W, b = data()
    want = on_the_tape(x, y, W, b)
    step = minigrad.compile(loss, grad_of=("W", "b"), update=sgd, donate=("W",))
    got = step(x, y, W, b)
    assert got[1][0] is W
    assert_same(got, want)
    with pytest.raises(ValueError, match="donate='V' is no argument of loss"):
        minigrad.compile(loss, donate=["V"])(x, y, W, b)


def test_a_momentum_goes_along():
    def momentum(w, g, v, lr):
        v = 0.9 * v + g
        return w - lr * v, v

    step = minigrad.compile(lambda w, x: ((w * x - 1.0) ** 2).sum(), grad_of="w", update=momentum)
    w, v, x = np.ones(3), np.zeros(3), np.array([1.0, 2.0, 3.0])
    expected, speed = w, v
    for _ in range(3):
        _, w, v = step(w, x, v, np.asarray(0.01))
        speed = 0.9 * speed + 2 * (expected * x - 1.0) * x
        expected = expected - 0.01 * speed
    np.testing.assert_allclose(w, expected, rtol=1e-12)
    rows = rng.normal(size=(10, 3))
    epoch = minigrad.compile(lambda w, x: ((w * x - 1.0) ** 2).mean(), grad_of="w", update=momentum)
    values, a, b = epoch.epoch(w, rows, v, np.asarray(0.01), over=["x"], batches=3)
    for i, start in enumerate((0, 3, 6, 9)):
        value, w, v = epoch(w, rows[start : start + 3], v, np.asarray(0.01))
        assert values[i] == value
    np.testing.assert_array_equal(a, w)
    np.testing.assert_array_equal(b, v)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": ["z"], "batches": 1}, "the arguments are x, y, W, b"),
        ({"over": ["x", "W"], "batches": 1}, "these arguments have 8 and 32 rows"),
        ({"over": ["x", "y"], "batches": [0, 40]}, "of the 32 that there are"),
        ({"over": ["x", "y"], "batches": [4, 4]}, "each batch has rows"),
    ],
)
def test_an_epoch_that_cannot_be(options, message):
    step = minigrad.compile(loss, grad_of=("W", "b"), update=sgd)
    with pytest.raises(ValueError, match=message):
        step.epoch(*data(), **options)
    with pytest.raises(TypeError, match="update="):
        minigrad.compile(loss).epoch(*data(), over=["x"], batches=1)


def test_a_generator_goes_along():
    f = minigrad.compile(lambda x, rng: minigrad.dropout(x, 0.5, rng=rng))
    ours, theirs, x = np.random.default_rng(1), np.random.default_rng(1), np.ones(20)
    for _ in range(3):
        np.testing.assert_array_equal(f(x, ours), minigrad.dropout(x, 0.5, rng=theirs).data)
    assert len(f.programs) == 1


def test_wrong_use_is_explained():
    with pytest.raises(ValueError, match="no backend 'cuda'"):
        minigrad.compile(loss, backend="cuda")
    with pytest.raises(TypeError, match="is a list"):
        minigrad.compile([1])
    with pytest.raises(TypeError, match="must be hashable"):
        minigrad.compile(lambda x, s: x)(np.ones(2), {1, 2})


# ----------------------------------------------------------------------------------------------------------- the lab
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize(("size", "q"), [(43, 1), (1, 3), (8, 2)])
def test_the_lab_takes_the_same_steps(size, q, clip_norm):
    draw = np.random.default_rng(q)
    x, y, W, b = draw.normal(size=(43, 4)), draw.normal(size=(43, q)), draw.normal(size=(4, q)), draw.normal(size=q)
    found, marks = [], []
    for engine in (
        TapeEngine(W, b, 0.05, clip_norm),
        ProgramEngine(W, b, 0.05, clip_norm),
        ProgramEngine(W, b, 0.05001, clip_norm),
    ):
        made = descend(engine, x, y, epochs=3, batch_size=size, rng=np.random.default_rng(0))
        marks.append([(mark.epoch, mark.steps, mark.samples) for mark in made])
        found.append(engine.parameters())
    assert marks[0] == marks[1]
    error = [max(np.abs(p - q).max() / np.abs(q).max() for p, q in zip(f, found[0], strict=True)) for f in found]
    assert error[1] < 1e-9 < error[2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_choice_by_a_mask_keeps_the_bits_and_the_layout(dtype):
    """Where a derivative is 0 it is no -0 and no nan; the axes of the buffers are in any order."""
    special = np.array([np.nan, np.inf, -np.inf, -1.0, 1.0, -0.0], dtype)
    x, g = np.resize(special, (7, 6, 8)), np.resize(special[::-1], (6, 8, 7))

    def f(x, g):
        return (minigrad.relu(x.transpose(1, 2, 0)) * g).sum()

    step = minigrad.compile(f, grad_of="x", update=lambda x, dx: x - dx)
    t = Tensor(x, requires_grad=True)
    with np.errstate(invalid="ignore"):
        f(t, Tensor(g)).backward()
        assert step(x, g)[1].tobytes() == (x - t.grad).tobytes()
    assert ".view(np." in str(step)
    assert "np.where" not in str(step)


@pytest.mark.parametrize("mask", [(0, -np.inf), (True, False), (0.0, 1.0), (-0.0, 3.0)])
@pytest.mark.parametrize("k", [-3, 0, 2])
def test_a_mask_of_any_size_can_be_written(mask, k):
    def f(x):
        return np.where(np.equal(np.where(np.tri(12, 9, k, dtype=bool), *mask), 0), x, 2 * x).sum()

    def added(x):
        return x + np.where(np.tri(12, 9, k, dtype=bool), *mask)

    x = np.arange(108.0).reshape(12, 9)
    for fn in (f, added):
        np.testing.assert_array_equal(minigrad.compile(fn)(x), np.asarray(fn(Tensor(x))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_choice_without_branches_keeps_the_bits(dtype):
    def f(x, g):
        return (minigrad.relu(x) * g).sum() + (np.where(x > 0, g, 0) * x).sum() + x.mean(0).mean()

    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -2.0], dtype)
    x, g = np.meshgrid(special, special)
    with np.errstate(invalid="ignore"):
        found = minigrad.compile(f, grad_of=("x", "g"))(x, g)[1]
        wanted = minigrad.value_and_grad(f, (0, 1))(x, g)[1]
        slopes = np.where(x > 0, g, 0) * 1
        relu = minigrad.value_and_grad(lambda x: (minigrad.relu(x) * g).sum())(x)[1]
    for a, b in [*zip(found, wanted, strict=True), (relu, slopes)]:
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a)[a == 0], np.signbit(b)[b == 0])
