"""The numba backend: the same steps in machine code, and a word where numba cannot."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CALLED, MEAN_OF_NOTHING, WITHOUT_COUNTERPART, refuses_emptiness
from strategies import calls
from test_compile import loss, sgd
from test_source_ops import has_rule, others

import minigrad
from minigrad import Tensor, gradients, source
from minigrad.engine.trees import leaves
from minigrad.lab.descent import ProgramEngine, TapeEngine, descend
from minigrad.ops.registry import REGISTRY
from minigrad.program import entries
from minigrad.program.recording import TraceError

pytest.importorskip("numba", reason="the extra numba is not installed")
pytestmark = MEAN_OF_NOTHING

rng = np.random.default_rng(0)


def test_batches_of_two_sizes_in_one_loop(monkeypatch):
    monkeypatch.setattr(entries, "LARGE", 40)  # a product in 8 rows is left to BLAS and one in 3 is a loop: other names
    x, y, W, b = rng.normal(size=(43, 4)), rng.normal(size=(43, 2)), rng.normal(size=(4, 2)), rng.normal(size=2)
    kept = W.copy(), b.copy()
    machine = minigrad.compile(loss, grad_of=("W", "b"), update=sgd, backend="numba")
    plain = minigrad.compile(loss, grad_of=("W", "b"), update=sgd)
    bounds = [0, 5, 11, 16, 22, 43 - 6, 43]
    for batches in (8, [0, 8, 11]):  # the second needs no other machine code
        got, (got_W, got_b) = machine.epoch(x, y, W, b, over=("x", "y"), batches=batches)
        want, (want_W, want_b) = plain.epoch(x, y, W, b, over=("x", "y"), batches=batches)
        np.testing.assert_allclose(got, want, rtol=1e-12)
        np.testing.assert_allclose(got_W, want_W, rtol=1e-12)
        np.testing.assert_allclose(got_b, want_b, rtol=1e-12)
    assert sum(map(len, machine.loops.values())) == 1
    np.testing.assert_array_equal(W, kept[0])
    np.testing.assert_array_equal(b, kept[1])
    assert bounds[-1] == len(x)


def test_a_network_in_single_precision():
    def net(x, W, V):
        hidden = np.tanh(x @ W)
        return np.square(hidden @ V - 0.5).mean() / 3

    x, W, V = [rng.normal(size=s).astype(np.float32) for s in ((6, 3), (3, 4), (4, 2))]
    value, found = minigrad.compile(net, grad_of=("W", "V"), backend="numba")(x, W, V)
    want, wanted = minigrad.compile(net, grad_of=("W", "V"))(x, W, V)
    np.testing.assert_allclose(value, want, rtol=1e-5)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def erf(x):
    return minigrad.erf(x)


def argsort(x):
    return np.argsort(x, 0)  # of several axes: an assertion inside of numba, without a word or a line


@pytest.mark.parametrize("f", [erf, argsort])
def test_what_numba_cannot_take_is_named(f):
    line = f.__code__.co_firstlineno + 1
    with pytest.raises(TraceError, match=rf"numba cannot take {f.__name__} at .*_numba.py:{line}.*fallback=True"):
        minigrad.compile(f, backend="numba")(np.ones((2, 3)))
    x = rng.normal(size=(2, 3))
    allowed = minigrad.compile(f, backend="numba", fallback=True)
    np.testing.assert_array_equal(allowed(x), np.asarray(f(x)))


def test_masks_and_sorts():
    def f(x):
        return (x[np.arange(4) % 2 == 0] ** 2).sum() + (np.sort(x) * np.arange(4)).sum()

    x = rng.normal(size=4)
    np.testing.assert_allclose(minigrad.compile(minigrad.grad(f), backend="numba")(x), minigrad.grad(f)(x))


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_the_lab_takes_the_same_steps(clip_norm):
    draw = np.random.default_rng(1)
    x, y, W, b = draw.normal(size=(23, 4)), draw.normal(size=(23, 2)), draw.normal(size=(4, 2)), draw.normal(size=2)
    found, marks = [], []
    for engine in (TapeEngine(W, b, 0.05, clip_norm), ProgramEngine(W, b, 0.05, clip_norm, "numba")):
        made = descend(engine, x, y, epochs=3, batch_size=1, rng=np.random.default_rng(0))
        marks.append([(mark.epoch, mark.steps, mark.samples) for mark in made])
        found.append(engine.parameters())
    assert marks[0] == marks[1]
    for a, b in zip(*found, strict=True):
        assert np.abs(a - b).max() / np.abs(b).max() < 1e-9


# ------------------------------------------------------------------------------------------------------- the loops
def as_python(program):
    """The loops as Python runs them: the text is the same, and an operation takes milliseconds and no second."""
    lines = [line for line in str(program).splitlines() if not line.startswith(("@numba", "import numba"))]
    lines = [re.sub(r" = 0\.0$", " = np.float64(0)", line) for line in lines]  # which may be divided by nothing
    space = {}
    exec("\n".join(lines), space)
    return space[program.name]


def assert_close(got, want, what):
    got, want = np.asarray(got), np.asarray(want)
    tolerance = 1e-9 if want.dtype == np.float64 else 2e-3
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance / 10, err_msg=what)


judged = sorted(REGISTRY.keys() - WITHOUT_COUNTERPART.keys())
KINDS = "clip", "conv2d", "cross_entropy", "getitem", "logsumexp", "matmul", "max", "max_pool2d", "mean", "where"


@pytest.mark.parametrize("name", judged if settings.default.max_examples > 1000 else KINDS)
@settings(max_examples=3)
@given(data=st.data())
def test_the_loops_of_every_operation(name, data):
    operation = REGISTRY[name]
    call = data.draw(calls(operation))
    if refuses_emptiness(operation, call):
        return
    present = [i for i, a in enumerate(call.inputs) if a is not None]
    apply = CALLED.get(name, lambda function, *inputs, **params: function(*inputs, **params))

    def weighed(g, *arrays):
        found = iter(arrays)
        inputs = [next(found) if i in present else None for i in range(len(call.inputs))]
        y = apply(operation.function, *inputs, **call.params)
        return (g * y).sum(), y

    example = [call.inputs[i] for i in present]
    other = [a for a in others(operation, call) if a is not None]
    y = weighed(1.0, *map(Tensor, example))[1]
    differentiable = y.dtype.kind == "f" and any(has_rule(operation, i) for i in call.leaves)
    own = [present.index(i) + 1 for i in call.leaves] if differentiable else []
    g = call.cotangent(y.shape, y.dtype) if differentiable else np.ones(y.shape)
    of = 0 if differentiable else 1
    run = as_python(source(lambda *a: weighed(*a)[of], g, *example, grad_of=own or None, backend="numba"))
    for inputs in (example, other):
        tensors = [Tensor(a, requires_grad=i + 1 in own) for i, a in enumerate(inputs)]
        value = weighed(Tensor(g), *tensors)[of]
        with np.errstate(invalid="ignore"):  # a sum of both infinities
            got, *slopes = run(g, *inputs)
        assert_close(got, value.data, name)
        xs = [tensors[i - 1] for i in own]
        wanted = gradients(value, xs, allow_unused=True) if value.requires_grad else [None] * len(xs)
        for a, x, d in zip(slopes, xs, wanted, strict=True):
            assert_close(a, np.zeros_like(x.data) if d is None else d.data, f"gradient of {name}")


def test_rows_are_added_up_four_at_a_time():
    x, y, W, b = rng.normal(size=(67, 4)), rng.normal(size=(67, 1)), rng.normal(size=(4, 1)), rng.normal(size=1)
    program = source(loss, x, y, W, b, grad_of=("W", "b"), backend="numba")
    assert "range(0, 64, 4)" in str(program)
    assert "range(64, 67)" in str(program)
    value, dW, db = as_python(program)(x, y, W, b)
    want, (want_W, want_b) = source(loss, x, y, W, b, grad_of=("W", "b"))(x, y, W, b)
    np.testing.assert_allclose(value, want, rtol=1e-12)
    np.testing.assert_allclose(dW, want_W, rtol=1e-12)
    np.testing.assert_allclose(db, want_b, rtol=1e-12)


SUMS = "ij,jk->ik", "ij,kj->ki", "ij,ij->", ",ij->ij", "ij,->j", "ii,i->i", "ij,jk,k->i", "ij,i->ij"


@pytest.mark.parametrize("large", [1, 10_000])
def test_sums_of_products_with_letters(large, monkeypatch):
    """Two of them are products of matrices, which BLAS has where they are large."""
    monkeypatch.setattr(entries, "LARGE", large)
    products = 0
    for subscripts in SUMS:
        xs = [rng.normal(size=3 * np.ones(len(name), int)) for name in subscripts.partition("->")[0].split(",")]

        def squares(*xs, subscripts=subscripts):
            return (np.einsum(subscripts, *xs) ** 2).sum()

        of = list(range(len(xs)))
        program = source(squares, *xs, grad_of=of, backend="numba")
        assert "einsum" not in str(program).partition("  # ")[0]
        products += str(program).count("np.dot(")
        value, *slopes = as_python(program)(*xs)
        want, wanted = minigrad.value_and_grad(squares, tuple(of))(*xs)
        for got, other in zip((value, *slopes), (want, *wanted), strict=True):
            np.testing.assert_allclose(got, other, rtol=1e-12)
    assert products == (6 if large == 1 else 0)


def entry_by_entry(x, y):
    z = np.where(x > y, x / y, np.maximum(x, y)) + np.exp(-np.abs(x)) * np.sign(y)
    parts = -x, np.sqrt(x), np.log(y), x**3, np.tanh(z), x[::-1] * y, np.minimum(x, 0), np.clip(x, -1, None)
    return z, *parts, x.max(0), x.min(1), z.sum(), x.mean(1, keepdims=True), x.T, x.reshape(-1), np.prod(y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nan_infinity_and_the_sign_of_zero_stay(dtype):
    run = minigrad.compile(entry_by_entry, backend="numba")
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.0, 1e-300], dtype)
    x, y = special[rng.integers(0, 8, (2, 7, 5))]
    others = (np.asfortranarray(x), np.repeat(y, 2, 1)[:, ::2]) if dtype == np.float64 else (y, x)
    for a, b in ((x, y), others):
        with np.errstate(all="ignore"):
            wanted = [part.data for part in entry_by_entry(Tensor(a), Tensor(b))]
            found = run(a, b)
        for got, want in zip(found, wanted, strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(got, want, rtol=1e-4 if dtype == np.float32 else 1e-12)
        for got, want in list(zip(found, wanted, strict=True))[1:5]:  # which of 0 and -0 is the larger is not said
            np.testing.assert_array_equal(np.signbit(got)[want == 0], np.signbit(want)[want == 0])


def test_a_position_that_there_is_not():
    run = minigrad.compile(lambda x, i: x[i] * 2, backend="numba")
    x = rng.normal(size=(4, 3))
    np.testing.assert_array_equal(run(x, np.array([3, -4])), 2 * x[[3, 0]])
    with pytest.raises(IndexError, match="out of bounds"):
        run(x, np.array([0, 4]))


def test_a_sum_of_equal_entries_counts_them():
    x, g = rng.normal(size=4), rng.normal(size=(3, 0))

    def sums(x, g):
        wide = np.broadcast_to(x, (3, 4))
        return wide.sum(0), wide.mean(1), wide.prod(0), wide.T @ np.ones(3), np.broadcast_to(g, (2, 3, 0)).sum((0, 2))

    for got, want in zip(as_python(source(sums, x, g, backend="numba"))(x, g), sums(x, g), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


# --------------------------------------------------------------------------------------------- expressions at random
ONE = {
    "tanh": np.tanh,
    "bell": lambda a: np.exp(-a * a),
    "abs": abs,
    "relu": lambda a: np.maximum(a, 0),
    "mask": lambda a: np.where(a > 0.1, a, -0.5 * a),
    "sum 0": lambda a: a.sum(0),
    "sum -1": lambda a: a.sum(-1, keepdims=True),
    "sum": lambda a: a.sum(),
    "mean": lambda a: a.mean(0),
    "means": lambda a: a.mean(-1, keepdims=True) if a.size else a,
    "max": lambda a: a.max(-1),
    "min": lambda a: a.min(0, keepdims=True),
    "softmax": minigrad.softmax,
    "T": lambda a: a.T,
    "tail": lambda a: a[1:],
    "back": lambda a: a[..., ::-1],
    "first": lambda a: a[0],
    "take": lambda a: a[np.array([0, -1, 0])],
    "column": lambda a: a[:, np.newaxis],
    "flat": lambda a: a.reshape(-1),
    "pad": lambda a: np.pad(a, 1),
    "differences": lambda a: np.diff(a, axis=0),
}
TWO = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: 0.5 - a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (1 + b * b),
    "maximum": np.maximum,
    "where": lambda a, b: np.where(a > b, b, 2 * a),
    "matmul": lambda a, b: a @ b,
    "of itself": lambda a, b: a.T @ b,
    "concatenate": lambda a, b: np.concatenate([a, b]),
}
FEW = [0, 1, 1, 2, 3, 3, 5]  # entries along an axis; the first axis may be one that is taken four rows a turn


def expression(seed):
    """A function of some arrays, which takes a few steps to its result, and the arrays."""
    draw = np.random.default_rng(seed)
    rows, n, m = draw.choice([*FEW, 67]), draw.choice(FEW), draw.choice(FEW)
    dtype = draw.choice([np.float64, np.float32])
    inputs = [draw.normal(size=s).astype(dtype) for s in ((rows, n), (n, m), (n,), (rows, 1), ())]
    steps, known = [], list(inputs)
    while len(steps) < 6:
        name = draw.choice([*ONE, *TWO])
        of = draw.integers(0, len(known), 1 if name in ONE else 2).tolist()
        try:
            y = (ONE | TWO)[name](*[known[i] for i in of])
        except (ValueError, IndexError):  # these shapes do not go together
            continue
        if np.size(y) < 500 and np.ndim(y) < 4 and y.dtype == dtype and not np.abs(y).max(initial=0) > 1e3:
            steps.append((name, of))
            known.append(np.asarray(getattr(y, "data", y)))

    def parts(*arrays):
        known = list(arrays)
        for name, of in steps:
            known.append((ONE | TWO)[name](*[known[i] for i in of]))
        return known[len(arrays) :]

    return parts, inputs, [f"{name} of {', '.join(map(str, of))}" for name, of in steps]


def weighed(parts):
    """A number that each of the steps has a part in."""
    return lambda *arrays: sum((0.3 + 0.1 * i) * (y * y).sum() for i, y in enumerate(parts(*arrays)))


def assert_loops(seed, run):
    """The loops of an expression, in the hands of `run`, find what the tape finds, and its gradients."""
    parts, inputs, steps = expression(seed)
    if seed % 2:
        got = run(source(parts, *inputs, backend="numba"))(*inputs)
        wanted = parts(*map(Tensor, inputs))
    else:
        tensors = [Tensor(x, requires_grad=True) for x in inputs]
        value = weighed(parts)(*tensors)
        got = run(source(weighed(parts), *inputs, grad_of=[*range(len(inputs))], backend="numba"))(*inputs)
        slopes = gradients(value, tensors, allow_unused=True)
        wanted = [value, *(np.zeros_like(x) if g is None else g for x, g in zip(inputs, slopes, strict=True))]
    for i, (a, b) in enumerate(zip(leaves(got), wanted, strict=True)):
        b = getattr(b, "data", b)
        assert np.shape(a) == np.shape(b)
        assert_close(a, b, f"result {i} of expression {seed}, {steps}")


@pytest.mark.parametrize("seed", range(2000 if settings.default.max_examples > 1000 else 14))
def test_the_loops_of_expressions(seed):
    assert_loops(seed, as_python)


@pytest.mark.parametrize("seed", [5, 130])
def test_the_machine_code_of_expressions(seed):
    assert_loops(seed, lambda program: program)


def a_title_of_two_lines(x):
    m_sum = np.exp(x)
    m = m_sum.mean()
    return m * m_sum.sum()


FOUND = {
    "a part of a line has the name of another": (a_title_of_two_lines, 4),
    "several lines write into one entry": (lambda x: (np.tanh(x)[np.array([0, 0])] ** 2).sum(), 1),
    "a position behind an offset": (lambda x: (x[1:][np.array([0, -1, 0])] ** 2).sum(), 3),
    "four rows of a choice": (lambda x: (np.where(x > 0, x, np.tanh(x[0])) * x).sum(), (67, 2)),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_expressions_have_found(what):
    f, shape = FOUND[what]
    x = rng.normal(size=shape)
    run = as_python(source(f, x, grad_of=0, backend="numba"))
    for a, b in zip(run(x), minigrad.value_and_grad(f)(x), strict=True):
        assert_close(a, b, what)


def test_a_position_in_an_axis_of_one_entry():
    run = as_python(source(lambda x, i: np.tanh(x)[i], np.ones(1), np.array([0, 0]), backend="numba"))
    with pytest.raises(IndexError, match="out of bounds"):
        run(np.ones(1), np.array([0, 3]))
