"""source: text that a person would write, which gives the tape's bits; what cannot be traced is refused by line."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from students import linear_of, mse_of, slope_saved_of

import minigrad
from minigrad import Function, Tensor, gradients, mse_loss, no_grad, source
from minigrad.program.recording import TraceError

rng = np.random.default_rng(0)
Linear, MSE = linear_of(Function), mse_of(Function)


def code(program: Any) -> str:
    """The text of a program from its first function on, without comments."""
    text = str(program)
    lines = [re.sub(r"\s*# .*", "", line) for line in text[text.index("def ") :].splitlines()]
    return "\n".join(line for line in lines if line.strip()) + "\n"


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def data(dtype: Any = np.float64, rows: int = 32) -> tuple[Any, ...]:
    draw = np.random.default_rng(1).normal
    return tuple(draw(size=shape).astype(dtype) for shape in ((rows, 8), (rows, 1), (8, 1), (1,)))


def loss(x, y, W, b):
    yhat = x @ W + b
    return mse_loss(yhat, y)


def sgd(parameters, gradients):
    return [p - 0.01 * g for p, g in zip(parameters, gradients, strict=True)]


# ---------------------------------------------------------------------------------------------------- the text
def test_the_training_step_of_linear_regression():
    program = source(loss, *data(), grad_of=("W", "b"), update=sgd)
    assert (
        code(program)
        == """\
def loss(x, y, W, b):
    yhat = x @ W + b
    t1 = yhat - y
    error = t1.reshape(-1)
    loss = error.dot(error) / 32
    d_yhat = 0.0625 * t1
    db = d_yhat.sum(0)
    dW = x.T @ d_yhat
    new_W = W - 0.01 * dW
    new_b = b - 0.01 * db
    return loss, [new_W, new_b]
"""
    )
    comments = re.findall(r"# .*", str(program))
    line = loss.__code__.co_firstlineno + 1
    assert comments[:2] == ["# forward", f"# (32, 1)  test_source.py:{line}"]
    assert [c for c in comments if "(" not in c] == ["# forward", "# backward", "# update"]


def test_the_raw_recording_leaves_nothing_out():
    raw = code(source(loss, *data(), grad_of=("W", "b"), raw=True))
    assert (
        "def mse_loss(input, target):\n    error = (input - target).reshape(-1)\n    return error.dot(error) / 32"
        in raw
    )
    assert "d_loss = np.float64(1.0)" in raw
    assert "t3 = 0.0625 * d_loss" in raw


def test_a_students_function_is_printed_as_its_own_numpy():
    def step(x, y, W, b):
        yhat = Linear.apply(x, W, b)
        return MSE.apply(yhat, y)

    program = source(step, *data(), grad_of=("W", "b"))
    assert (
        code(program)
        == """\
def step(x, y, W, b):
    yhat = x @ W + b
    error = yhat - y
    loss = (error * error).mean()
    d_yhat = error * 0.0625
    dW = x.T @ d_yhat
    db = d_yhat.sum(0)
    return loss, (dW, db)
"""
    )
    line = Linear.forward.__code__.co_firstlineno + 4
    assert f"students.py:{line}" in str(program)


def test_a_forward_of_several_lines_is_printed_once():
    text = code(source(lambda x: minigrad.sigmoid(minigrad.sigmoid(x)), np.zeros(3)))
    assert text.count("def sigmoid(x):") == 1
    assert text.count("sigmoid(") == 3


def test_nested_arguments_are_unpacked():
    def f(params, x):
        return np.tanh(x @ params["W"][0] + params["b"]).sum()

    params = {"W": [np.ones((2, 2))], "b": np.zeros(2)}
    program = source(f, params, np.ones((3, 2)), grad_of="params")
    assert "W0 = params['W'][0]" in str(program)
    _, found = program(params, np.ones((3, 2)))
    assert found.keys() == {"W", "b"}
    assert found["W"][0].shape == (2, 2)


def test_the_program_says_what_it_is_for():
    text = str(source(lambda x, *, k: x * k, np.zeros((2, 3), np.float32), k=3))
    assert "Specialised for x (2, 3) float32" in text
    assert "With k=3" in text
    assert "x * 3" in text


def test_a_notebook_shows_a_program_as_code():
    program = source(lambda x: x * 3, np.zeros(2))
    assert program._repr_markdown_() == f"```python\n{program.text.strip()}\n```"


# ------------------------------------------------------------------------------------------------------ the bits
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 32])
def test_a_training_step_has_the_tapes_bits(dtype, rows):
    x, y, W, b = data(dtype, rows)
    program = source(loss, x, y, W, b, grad_of=("W", "b"), update=sgd)
    tensors = [Tensor(p, requires_grad=True) for p in (W, b)]
    for _ in range(3):
        value = loss(x, y, *tensors)
        value.backward()
        got, (W, b) = program(x, y, W, b)
        with no_grad():
            for p in tensors:
                p -= 0.01 * p.grad
                p.zero_grad()
        assert same_bits(got, value.data)
        assert same_bits(W, tensors[0].data)
        assert same_bits(b, tensors[1].data)


def test_it_runs_where_there_is_no_minigrad(tmp_path):
    x, y, W, b = data()
    path = source(loss, x, y, W, b, grad_of="W").save(tmp_path / "step.py")
    np.savez(tmp_path / "data.npz", x=x, y=y, W=W, b=b)
    script = (
        "import sys; sys.modules['minigrad'] = None\n"
        "import numpy as np; from step import loss\n"
        "print(repr(float(loss(**np.load('data.npz'))[0])))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert path.read_text().count("import") == 1
    assert float(done.stdout) == loss(x, y, Tensor(W), b).item()


def test_second_derivatives():
    x = rng.normal(size=5)
    program = source(lambda x: (np.sin(x) * x).sum(), x, grad_of="x", order=2)
    _, first, second = program(x)
    np.testing.assert_allclose(first, np.cos(x) * x + np.sin(x), rtol=1e-14)
    np.testing.assert_allclose(second, 2 * np.cos(x) - np.sin(x) * x, rtol=1e-14)
    t = Tensor(x, requires_grad=True)
    (slope,) = gradients((np.sin(t) * t).sum(), t, create_graph=True)
    assert same_bits(first, slope.data)
    assert same_bits(second, gradients(slope.sum(), t)[0].data)


def test_the_transforms_can_be_traced():
    def f(w):
        return (np.tanh(w) * w).sum()

    w, v = rng.normal(size=3), rng.normal(size=3)
    assert same_bits(source(minigrad.grad(f), w)(w), minigrad.grad(f)(w))
    assert same_bits(source(minigrad.hessian(f), w)(w), minigrad.hessian(f)(w))
    product = source(lambda w, v: minigrad.hvp(f, (w,), (v,))[0], w, v)
    assert same_bits(product(w, v), minigrad.hvp(f, (w,), (v,))[0])


def test_comparisons_are_made_anew():
    program = source(lambda x: minigrad.relu(x).sum(), np.ones(4), grad_of="x")
    assert same_bits(program(np.array([-1.0, 2.0, 0.0, -0.0]))[1], np.array([0.0, 1.0, 0.0, 0.0]))


def test_a_tape_that_exists():
    x, y, weights, bias = data()
    W, b = Tensor(weights, requires_grad=True), Tensor(bias, requires_grad=True)
    out = MSE.apply(Linear.apply(x, W, b), y)
    before = out.op
    program = source(out, grad_of=("W", "b"))
    assert {a.name for a in program.arguments} == {"W", "b", "x", "y"}
    out.backward()
    value, (dW, db) = program()
    assert same_bits(value, out.data)
    assert same_bits(dW, W.grad)
    assert same_bits(db, b.grad)
    assert out.op is before


# ------------------------------------------------------------------------------- simplifications that keep the bits
SPECIAL = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-310, 1e308, 3.0000000000000004]
LAYOUTS = [lambda a: a, np.asfortranarray, lambda a: a[::-1], lambda a: np.repeat(a, 2, 1)[:, ::2]]
EACH = {  # what is simplified, and how often an expression may stand in the text then
    "dead": (lambda x: (np.exp(x), x * 2.0)[1], {"exp": 0}),
    "times one": (lambda x: (x + x) * np.ones(x.shape, x.dtype) * 1.0, {"ones": 0, "* 1": 0}),
    "divided by one": (lambda x: (x + x) / 1.0, {"/": 0}),
    "twice": (lambda x: np.tanh(x) + np.tanh(x) * x, {"tanh": 1}),
    "twice inside": (lambda x: np.exp(x * 2.0) - x * 2.0, {"x * 2.0": 1}),
    "constants": (lambda x: x * (Tensor(np.full(x.shape, 3.0, x.dtype)) * 2.0), {"6.0": 1, "full": 0}),
    "nested": (lambda x: -(x * 3.0) + x, {"t1": 0, "result = ": 1}),
    "transposed": (lambda x: x.mT + 1.0, {"mT": 0}),
    "the same dtype": (lambda x: (x + x).astype(x.dtype) + x, {"astype": 0}),
    "the same shape": (lambda x: np.broadcast_to(x + x, x.shape).reshape(x.shape) * x, {"broadcast": 0}),
    "zero stays": (lambda x: x + 0.0, {"+ 0.0": 1}),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", EACH)
@settings(max_examples=8)
@given(drawn=st.data())
def test_a_simplification_keeps_the_bits_and_the_layout(name, drawn):
    f, counts = EACH[name]
    dtype = drawn.draw(st.sampled_from([np.float32, np.float64]))
    entries = drawn.draw(st.lists(st.sampled_from(SPECIAL), min_size=6, max_size=6))
    with np.errstate(over="ignore"):
        array = drawn.draw(st.sampled_from(LAYOUTS))(np.array(entries).astype(dtype).reshape(2, 3))
    example = drawn.draw(st.sampled_from(LAYOUTS[:1]))(np.ones((2, 3), dtype))
    program, raw = source(f, array), source(f, array, raw=True)
    if array.flags.c_contiguous:  # in other layouts, x * ones is an array in another layout than x
        for text, times in counts.items():
            assert str(program).count(text) == times, str(program)
    a, b = program.function(array), raw.function(array)
    assert same_bits(a, b)
    assert same_bits(a, f(Tensor(array)).data)
    assert a.strides == b.strides
    assert same_bits(program.function(example), raw.function(example))


@settings(max_examples=12)
@given(drawn=st.data())
def test_random_programs(drawn):
    """Chains of operations that share what they have computed: simplified, raw and on the tape they give one result."""
    steps = drawn.draw(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 9), st.integers(0, 9)), max_size=8))
    ops = {"+": np.add, "-": np.subtract, "*": np.multiply}

    def f(x, y):
        values = [x, y, x * 1.0, y - 0.5]
        for op, i, j in steps:
            values.append(ops[op](values[i % len(values)], values[j % len(values)]) * 0.5)
        return (values[-1] * values[-2]).sum() + x.sum() + y.sum()

    x, y = rng.normal(size=(3, 4)), rng.normal(size=4)
    program, raw = source(f, x, y, grad_of=("x", "y")), source(f, x, y, grad_of=("x", "y"), raw=True)
    compiled = minigrad.compile(f, grad_of=("x", "y"))
    tensors = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
    value = f(*tensors)
    wanted = [g.data for g in gradients(value, tensors)]
    for run in (program, raw, compiled, compiled):
        got, found = run(x, y)
        assert same_bits(got, value.data)
        assert all(map(same_bits, found, wanted))


# ---------------------------------------------------------------------------------------------------- what is outside
W_outside = Tensor(rng.normal(size=(8, 1)), requires_grad=True)
table = rng.normal(size=(8, 1))


def test_tensors_of_outside_are_arguments_and_read_at_each_call():
    x = data()[0]
    program = source(lambda x: (x @ W_outside).sum(), x, grad_of="W_outside")
    assert "def program(x, W_outside):" in str(program)
    assert "Found outside of the function: W_outside" in str(program)
    before, old = W_outside.data, program(x)[0]
    try:
        W_outside.data = 2 * before
        np.testing.assert_allclose(program(x)[0], 2 * old, rtol=1e-12)
    finally:
        W_outside.data = before


def test_arrays_of_outside_are_arguments():
    program = source(lambda x: x @ table, data()[0])
    assert "def program(x, table):" in str(program)
    assert same_bits(program(data()[0]), data()[0] @ table)


def test_a_generator_is_an_argument():
    def dropped(x, rng):
        return minigrad.dropout(x, 0.5, rng=rng).sum()

    x = np.ones((4, 4))
    program = source(dropped, x, np.random.default_rng(3), grad_of="x")
    assert "rng.random((4, 4))" in str(program)
    t, generator = Tensor(x, requires_grad=True), np.random.default_rng(3)
    dropped(t, generator).backward()
    again = np.random.default_rng(3)
    assert same_bits(program(x, again)[1], t.grad)
    assert again.random() == generator.random()


def test_a_draw_that_nobody_reads_still_happens():
    def f(x, rng):
        rng.normal(size=2)
        return x * rng.random(2)

    program, ours, theirs = source(f, np.ones(2), np.random.default_rng(5)), *map(np.random.default_rng, (5, 5))
    theirs.normal(size=2)
    assert same_bits(program(np.ones(2), ours), theirs.random(2))


def test_what_the_tape_does_not_warn_of_gives_no_warning():
    """The slope of √x at 0 is inf, which is an agreed answer; warnings are errors here."""
    program = source(lambda x: np.sqrt(x).sum(), np.ones(2), grad_of="x")
    assert program(np.array([0.0, 4.0]))[1].tolist() == [np.inf, 0.25]
    assert "with np.errstate(" in str(program)
    assert minigrad.compile(lambda x: np.sqrt(x).sum(), grad=True)(np.array([0.0, 4.0]))[1].tolist() == [np.inf, 0.25]


# ---------------------------------------------------------------------------------------------------------- refusals
def branch(x):
    return x if x.sum() > 0 else -x


def item(x):
    return x * x.sum().item()


def number(x):
    return x * float(x.sum())


def array(x):
    return x * x.numpy().max()


def buried(x):
    return x * x.data.max()


def behind_the_scenes(x):
    return x * float(x.array.max())


def drawn(x):
    return x * np.random.default_rng().random(x.shape)


def drawn_large(x):
    return x.sum() * np.random.default_rng(0).random((20, 20))


def drawn_number(x):
    return x * np.random.default_rng().random()


def spectrum(x):
    return np.linalg.eigvals(x)


def swept(x):
    return gradients((x * x).sum(), x)[0]


calls = []


def counted(x):
    calls.append(1)
    return x * len(calls)


@pytest.mark.parametrize(
    "f",
    [branch, item, number, array, buried, behind_the_scenes, drawn, drawn_large, drawn_number, counted],
    ids=lambda f: f.__name__,
)
def test_what_cannot_be_traced_is_refused_by_line(f):
    lines = range(f.__code__.co_firstlineno + 1, f.__code__.co_firstlineno + 3)
    with pytest.raises(TraceError) as error:
        source(f, rng.normal(size=(3, 3)))
    assert any(f"test_source.py:{line}" in str(error.value) for line in lines), str(error.value)


def test_an_operation_that_is_missing_is_refused_by_line():
    with pytest.raises(TypeError, match=r"np\.linalg\.eigvals is not an operation") as error:
        source(spectrum, np.eye(3))
    assert f"test_source.py:{spectrum.__code__.co_firstlineno + 1}" in error.value.__notes__[0]


def test_a_sweep_inside_has_to_be_recorded():
    with pytest.raises(TraceError, match="create_graph=True"):
        source(swept, np.ones(2), grad_of="x")


SlopeSaved = slope_saved_of(Function)


def test_an_intermediate_of_a_function_is_computed_and_differentiated_through():
    program = source(lambda x: (SlopeSaved.apply(x) * x).sum(), np.array([3.0, -1.0]), grad_of="x", order=2)
    _, first, second = program(np.array([2.0, 5.0]))
    np.testing.assert_array_equal(first, 3 * np.array([4.0, 25.0]))
    np.testing.assert_array_equal(second, 6 * np.array([2.0, 5.0]))


class InPlace(Function):
    @staticmethod
    def forward(ctx, x):
        y = x * 1.0
        y[0] = 0.0
        return y

    @staticmethod
    def backward(ctx, grad):
        return grad


def test_a_function_that_assigns_is_refused():
    with pytest.raises(TypeError, match="cannot be assigned into") as error:
        source(InPlace.apply, np.ones(2))
    assert f"test_source.py:{InPlace.forward.__code__.co_firstlineno + 3}" in error.value.__notes__[0]


def test_tracing_leaves_no_trace():
    for f in (loss, branch):
        try:
            source(f, *data()[: f.__code__.co_argcount])
        except TraceError:
            continue
    t = Tensor([1.0], requires_grad=True)
    assert t.numpy() == [1.0]
    assert not Tensor([1.0]).recorded
    with no_grad():
        assert (t * 2).op is None


# ------------------------------------------------------------------------------------------------------- the program
def test_other_shapes_and_dtypes_are_refused():
    program = source(loss, *data())
    with pytest.raises(ValueError, match=r"loss: x has shape \(31, 8\).*this program is for \(32, 8\)"):
        program(data()[0][1:], *data()[1:])
    with pytest.raises(ValueError, match="dtype float32"):
        program(*data(np.float32))
    with pytest.raises(TypeError, match="takes x, y, W, b"):
        program(1)


def test_tracebacks_show_its_lines():
    program = source(lambda x: np.exp(x) * 2.0, np.ones(3))
    try:
        program.function("no array")
    except TypeError as error:
        text = "".join(traceback.format_exception(error))
    assert "np.exp(x) * 2.0" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: source(loss, *data(), grad_of="V"), "grad_of='V' is no array argument; there are x, y, W, b"),
        (
            lambda: source(lambda x, k: x * k, np.ones(3), 2.0, grad_of=("k",)),
            r"k'.* is 2.0, a static.*np.asarray\(2.0",
        ),
        (lambda: source(lambda x: x * 2, np.ones(3), grad_of="x"), "one number"),
        (lambda: source(loss, *data(), update=sgd), "update= needs grad_of="),
        (lambda: source(lambda x: 2.0, np.ones(3)), "returned a float"),
        (lambda: source(lambda: Tensor(1.0)), "no array among the examples"),
        (lambda: source(3.0), "is a float"),
    ],
)
def test_wrong_use_is_explained(call, message):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        call()


# ------------------------------------------------------------------------------------------------------- the command
def minigrad_source(capsys, *arguments: str) -> tuple[int, str, str]:
    from minigrad.cli import main

    code = main(["source", *arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


def test_command(capsys, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\nfrom minigrad import Tensor\nW = np.ones((3, 1))\n"
        "def f(x, W):\n    return np.tanh(x @ W).sum()\n"
        "def g(x):\n    return x if x.sum() > 0 else -x\n"
        "value = f(Tensor(np.ones((2, 3))), Tensor(W, requires_grad=True))\n"
    )
    status, out, _ = minigrad_source(capsys, f"{file}:f", "--arg", "x=5,3", "--grad-of", "W")
    assert status == 0
    assert "dW = x.T @" in out
    status, out, _ = minigrad_source(capsys, f"{file}:value", "--grad-of", "W")
    assert status == 0
    assert "return loss, dW" in out
    status, _, err = minigrad_source(capsys, f"{file}:g", "--arg", "x=2")
    assert status == 1
    assert "mine.py:7" in err
    status, _, err = minigrad_source(capsys, f"{file}:f")
    assert status == 2
    assert "--arg x=SHAPE" in err
    status, _, err = minigrad_source(capsys, f"{file}:f", "--arg", "x")
    assert status == 2
    status, out, _ = minigrad_source(capsys, "lab", "--save", str(tmp_path / "step.py"))
    assert status == 0
    assert "new_W = W - lr * dW" in (tmp_path / "step.py").read_text()
    assert "np.sqrt" in minigrad_source(capsys, "lab", "--clip-norm", "1")[1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constants_keep_all_their_digits(dtype):
    """Where an array of equal entries is printed as a number, and where a part of the gradient does not change."""

    def program(x):
        return (x * np.full(3, 1 / 3, dtype)).sum() + (x * (1 / 7) + x * x).sum()

    x = np.array([1.0, 2.0, 4.0], dtype)
    t = Tensor(x, requires_grad=True)
    loss = program(t)
    loss.backward()
    printed = source(program, x, grad_of="x")
    for run in printed, minigrad.compile(program, grad_of="x"):
        got, slope = run(x)
        assert same_bits(got, loss.numpy())
        assert same_bits(slope, t.grad)
