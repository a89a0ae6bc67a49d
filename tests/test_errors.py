"""Errors that teach: each names the cause, the line that is to blame, and the rewrite. And how lines are known."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from students import leaf, line_of

import minigrad
from minigrad import Function, Tensor, gradients, no_grad, tape
from minigrad.engine.errors import CUTS
from minigrad.engine.places import Place

HERE = Path(__file__)
ROOT = HERE.parents[1]


def place_of(comment: str) -> str:
    return f"{HERE}:{line_of(HERE, comment)}"


def refused(action, *args) -> str:
    """The message of the one error of the engine's own kinds that `action` raises."""
    with pytest.raises((RuntimeError, TypeError, ValueError)) as caught:
        action(*args)
    return str(caught.value)


# ------------------------------------------------------------------------------- does not require grad, cause by cause
def no_leaf_array():
    data = Tensor([1.0, 2.0])  # no leaf
    return (data * np.ones(2)).sum()


def no_leaf_constants():
    return minigrad.multiply(np.ones(2), 3.0)  # constants


def hidden():
    x = leaf(1.0, 2.0)
    with no_grad():
        y = x * x  # hidden
    return y.sum() + 1.0


def hidden_step():
    x = leaf(1.0, 2.0)
    with no_grad():
        positive = x > 0  # hidden step
    return positive.sum()


def step_of_hidden():
    x = leaf(1.0, 2.0)
    with no_grad():
        y = x * x  # hidden value
    return y > 0


def hidden_sum():
    positive = leaf(1.0, 2.0) > 0
    with no_grad():
        return positive.sum()  # hidden sum


def detached():
    x = leaf(1.0, 2.0)
    y = (x * x).detach()  # detached
    return (y * 2).sum()


def through_numpy():
    x = leaf(1.0, 2.0)
    y = Tensor(np.exp((x * x).numpy()))  # numpy
    return y.sum()


def through_item():
    x = leaf(3.0)
    return Tensor((x * x).item()) * 2  # item


def through_data():
    x = leaf(3.0)
    return Tensor((x * x).data)  # data


def compared():
    x = leaf(1.0, -2.0)
    positive = x > 0  # compared
    return positive.sum()


def stepped():
    x = leaf(1.0, -2.0)
    return (np.sign(x * x) * 2.0).sum()  # stepped


def integer():
    count = Tensor([1, 2, 3])  # integer
    return count.sum()


def boolean():
    return Tensor([True, False])  # boolean


def cast_to_integer():
    x = leaf(1.5, 2.5)
    return x.astype(np.int64).sum()  # cast


def flat():
    seen = []

    def f(x):
        seen.append(minigrad.grad(lambda z: 3 * z)(x))  # flat
        return x * 1

    minigrad.grad(f)(2.0)
    return seen[0] * 2.0


CAUSES = [  # the function, the line it blames, the expression it shows, the words of its cause
    (no_leaf_array, "no leaf", "Tensor([1.0, 2.0])", "no leaf requires grad.*requires_grad=True there"),
    (no_leaf_constants, "constants", "minigrad.multiply(np.ones(2), 3.0)", "computed from arrays and numbers only"),
    (hidden, "hidden", "x * x", r"computed under no_grad\(\)"),
    (hidden_step, "hidden step", "x > 0", r"computed under no_grad\(\)"),
    (step_of_hidden, "hidden value", "x * x", r"computed under no_grad\(\)"),
    (hidden_sum, "hidden sum", "positive.sum()", r"computed under no_grad\(\)"),
    (detached, "detached", "(x * x).detach()", r"\.detach\(\) ends the history"),
    (
        through_numpy,
        "numpy",
        "Tensor(np.exp((x * x).numpy()))",
        r"\.numpy\(\), \.item\(\) and \.data end the history",
    ),
    (through_item, "item", "Tensor((x * x).item())", r"\.numpy\(\), \.item\(\) and \.data end the history"),
    (through_data, "data", "Tensor((x * x).data)", r"\.numpy\(\), \.item\(\) and \.data end the history"),
    (compared, "compared", "x > 0", "from greater .* constant nearly everywhere and has no derivative"),
    (stepped, "stepped", "np.sign(x * x)", "from sign .* constant nearly everywhere and has no derivative"),
    (integer, "integer", "Tensor([1, 2, 3])", "integer or boolean tensor .* only floats have derivatives"),
    (boolean, "boolean", "Tensor([True, False])", "integer or boolean tensor .* only floats have derivatives"),
    (cast_to_integer, "cast", "x.astype(np.int64)", "constant nearly everywhere and has no derivative"),
    (flat, "flat", "minigrad.grad(lambda z: 3 * z)(x)", "a derivative that does not change"),
]
each_cause = pytest.mark.parametrize(("make", "line", "text", "words"), CAUSES, ids=[row[0].__name__ for row in CAUSES])


@each_cause
def test_why_a_result_does_not_require_grad(make, line, text, words):
    result = make()
    x = leaf(1.0)
    asked = [
        lambda: result.backward(),
        lambda: gradients(result, [x]),
        lambda: gradients(x * 2, [result]),
        lambda: result.register_hook(print),
    ]
    for ask in asked:
        message = refused(ask)
        assert "does not require grad, because" in message
        assert f"{place_of(line)} ({text})" in message
        assert re.search(words, message)


@each_cause
def test_the_cause_survives_what_comes_after(make, line, text, words):
    result = make()
    for _ in range(3):
        result = (result * np.ones(2) + 1).sum()
    message = refused(result.backward)
    assert f"{place_of(line)} ({text})" in message
    assert re.search(words, message)


def test_what_a_leaf_is_and_what_a_result():
    assert "nothing to differentiate: leaf of shape () made at" in refused(Tensor(1.0).backward)
    assert "nothing to differentiate: tensor of shape () made at" in refused((Tensor(1.0) * 2).backward)
    assert "nothing to differentiate: greater of shape () made at" in refused((leaf(1.0) > 0).backward)


def test_a_long_expression_is_not_shown():
    x = leaf(1.0, 2.0)
    y = np.exp(x) * np.exp(x) * np.exp(x) * np.exp(x) * np.exp(x) * np.exp(x) * np.exp(x)  # long
    assert f"multiply of shape (2,) made at {place_of('long')}, has 2" in refused(y.backward)


def test_each_cause_has_a_message_of_its_own():
    said = {re.sub(r"/.*?\)", "", refused(make().backward).split("because")[1]) for make, *_ in CAUSES}
    kinds = len(CUTS)
    assert len(said) >= kinds  # the steps name their operation


def test_of_several_causes_the_one_that_was_not_meant_is_named():
    """A constant beside a tensor that was cut is what one has everywhere; the cut is the news."""
    x = leaf(2.0)
    constant, step = Tensor(1.0), Tensor([1, 2]).sum()
    with no_grad():
        unrecorded = x * x
    for cut, word in [(x.detach(), "detached"), (unrecorded, "no_grad"), (step, "integer")]:
        for result in (constant * cut, cut * constant, (constant * constant) + (cut * constant)):
            assert word in refused(result.backward).split("because")[1]


def test_the_last_step_on_the_way_is_blamed():
    x = leaf(1.0, 2.0)
    first = np.sign(x) * 1.0
    assert "from sign" in refused((first > 0).sum().backward)


@pytest.mark.parametrize("value", [3.0, np.ones(2), [1.0], None, "loss"])
def test_only_tensors_are_differentiated(value):
    x = leaf(1.0)
    for ask in (lambda: gradients(value, [x]), lambda: gradients(x * 1, [value])):
        message = refused(ask)
        assert f"only a Tensor can be differentiated, and this is a {type(value).__name__}" in message


def test_requires_grad_of_an_integer():
    assert "real floating dtype" in refused(Tensor, [1, 2], True)
    assert "int64" in refused(Tensor, [1, 2], True)
    assert "complex128" in refused(Tensor, [1j], True)
    assert "Tensor(3.0), or x.astype(float)" in refused(Tensor, [1, 2], True)


def test_an_unused_input():
    x = leaf(1.0)
    unused = Tensor(2.0, requires_grad=True)  # unused
    message = refused(gradients, x * x, [x, unused])
    place = f"{place_of('unused')} (Tensor(2.0, requires_grad=True))"
    assert f"does not depend on the leaf of shape () made at {place}" in message
    assert "allow_unused=True" in message


# ----------------------------------------------------------------------------------------- misuse, each with a rewrite
def assign_entry():
    x = leaf(1.0, 2.0)
    x[0] = 5.0


def assign_masked():
    y = leaf(1.0, 2.0) * 2
    y[y.data > 1] = 0.0


def update_leaf():
    w = leaf(1.0, 2.0)
    w -= 0.1 * np.ones(2)


def multiply_leaf():
    w = leaf(1.0, 2.0)
    w *= 2


def vector_backward():
    x = leaf(1.0, 2.0)
    (x * x).backward()


def vector_condition():
    if leaf(1.0, 2.0) > 0:
        pass


def vector_loop():
    while leaf(1.0, 2.0):
        pass


def vector_and():
    x = leaf(1.0, 2.0)
    assert x > 0 and x < 3  # noqa: PT018


def integer_of_traced():
    x = leaf(3.7)
    return int(x * 2)


def wrong_cotangent():
    x = leaf(1.0, 2.0)
    (x * x).backward(np.ones(3))


def array_of_traced():
    return np.asarray(leaf(1.0, 2.0) * 2)


def unknown_function():
    return np.histogram(leaf(1.0, 2.0))


def unknown_ufunc():
    return np.spacing(leaf(1.0, 2.0))


def write_into_array():
    a = np.ones(2)
    a += leaf(1.0, 2.0)


def rebound_result():
    y = leaf(1.0) * 2
    y.data = 3.0


def flag_of_result():
    y = leaf(1.0) * 2
    y.requires_grad = True


MISUSES = [  # the action, the exception, what is said, the rewrite
    (assign_entry, TypeError, "cannot be assigned into", r"np\.where\(mask, new, t\) or np\.concatenate"),
    (assign_masked, TypeError, "cannot be assigned into", r"np\.where\(mask, new, t\)"),
    (
        update_leaf,
        RuntimeError,
        "in-place sub on a leaf that requires grad",
        r"with minigrad\.no_grad\(\): w -= lr \* w\.grad",
    ),
    (multiply_leaf, RuntimeError, "in-place mul on a leaf that requires grad", r"with minigrad\.no_grad\(\)"),
    (
        vector_backward,
        RuntimeError,
        r"starts from one number, .* multiply of shape \(2,\).*\(x \* x\), has 2",
        r"\.sum\(\) or \.mean",
    ),
    (vector_condition, ValueError, r"shape \(2,\) is neither true nor false", r"np\.where\(condition, a, b\)"),
    (vector_loop, ValueError, r"shape \(2,\) is neither true nor false", r"\(t > 0\)\.sum\(\) > 0"),
    (vector_and, ValueError, r"shape \(2,\) is neither true nor false", r"`if` needs one number"),
    (integer_of_traced, TypeError, r"int\(\) would take .* of the multiply .*\(x \* 2\)", r"\.item\(\), \.numpy\(\)"),
    (wrong_cotangent, ValueError, r"gradient has shape \(3,\), and belongs to the multiply of shape \(2,\)", r"x \* x"),
    (array_of_traced, TypeError, "would be off the tape without a word", r"t\.detach\(\)\.numpy\(\)"),
    (unknown_function, TypeError, "histogram is not an operation of minigrad", r"t\.detach\(\)\.numpy\(\)"),
    (unknown_ufunc, TypeError, "np.spacing is not an operation of minigrad", r"t\.detach\(\)\.numpy\(\)"),
    (write_into_array, TypeError, "off the tape", "np.add"),
    (rebound_result, ValueError, "cannot be rebound: it is a result, not a leaf", "compute a new tensor"),
    (
        flag_of_result,
        ValueError,
        "requires_grad is set on leaves, and this is a result",
        r"t\.detach\(\) makes a leaf of it",
    ),
]


@pytest.mark.parametrize(("action", "kind", "said", "rewrite"), MISUSES, ids=[row[0].__name__ for row in MISUSES])
def test_misuse_says_what_to_write_instead(action, kind, said, rewrite):
    with pytest.raises(kind) as caught:
        action()
    assert re.search(said, str(caught.value))
    assert re.search(rewrite, str(caught.value))


def test_every_misuse_has_its_own_message():
    said = {row[0].__name__: refused(row[0]) for row in MISUSES}
    alike = {"vector_condition": "vector_loop", "vector_and": "vector_loop", "assign_masked": "assign_entry"}
    messages = [message for name, message in said.items() if name not in alike]
    assert len(set(messages)) == len(messages)
    for name, other in alike.items():
        assert said[name] == said[other]


def test_the_rewrites_work():
    w = leaf(1.0, 2.0)
    (w * w).sum().backward()
    with no_grad():
        w -= 0.5 * w.grad
    assert w.requires_grad
    np.testing.assert_array_equal(w.data, [0, 0])
    x = leaf(1.0, -2.0)
    assert ((x > 0).sum() > 0) == True  # noqa: E712 - a Tensor, which is not the object True
    assert np.where(x > 0, x, 0.0).requires_grad
    assert int(leaf(3.7).item()) == 3
    assert int(Tensor(3.7)) == 3
    with no_grad():
        assert int(leaf(3.7) * 2) == 7
    assert bool(leaf(1.0) > 0)


def test_a_rebound_input_names_the_operation_and_its_line():
    w = leaf(2.0)
    y = w * w  # forward of w
    w.data = np.array(3.0)
    message = refused(lambda: gradients(y, [w], create_graph=True))
    assert (
        f"multiply: the data of input 0 was rebound after the forward at {place_of('forward of w')} (w * w)" in message
    )
    assert "before the update, or run the forward again" in message


# ------------------------------------------------------------------------------------------------ a student's backward
def linear(gradients_of):
    class Linear(Function):
        @staticmethod
        def forward(ctx, x, W, bias):
            ctx.save_for_backward(x, W)
            return x @ W + bias

        @staticmethod
        def backward(ctx, grad):
            return gradients_of(*ctx.saved_tensors, grad)

    return Linear


WRONG = [
    (
        lambda x, W, g: (g @ W.T, x.T @ g),
        r"Linear\.backward returned 2 gradients.* 3 inputs \(x, W, bias\); none for bias:",
    ),
    (lambda x, W, g: g @ W.T, r"returned 1 gradient, .*none for W, bias:"),
    (lambda x, W, g: (g @ W.T, x.T @ g, g.sum(0), None), r"returned 4 gradients.* 3 inputs \(x, W, bias\): return one"),
    (
        lambda x, W, g: (g @ W.T, x.T @ g, g),
        r"shape \(5, 2\) for input 2 \(bias\) of shape \(2,\): .* sum over axis 0 .*unbroadcast\(grad, \(2,\)\)",
    ),
    (
        lambda x, W, g: (g @ W.T, x.T @ g, g[None]),
        r"shape \(1, 5, 2\) for input 2 \(bias\) of shape \(2,\): .* sum over axes \(0, 1\)",
    ),
    (
        lambda x, W, g: (g @ W.T, g.T @ x, g.sum(0)),
        r"shape \(2, 3\) for input 1 \(W\) of shape \(3, 2\): each gradient has",
    ),
    (
        lambda x, W, g: (g @ W.T, x.T @ g, g.sum(0).astype(np.float32)),
        r"dtype float32 for input 2 \(bias\) of dtype float64",
    ),
]


@pytest.mark.parametrize(
    ("call", "note"),
    [
        (lambda x: x + np.ones(5), "add: a (2, 3) float64, b (5,) float64."),
        (lambda x: x ** [1, 2], "power: a (2, 3) float64, b [1, 2]."),
        (lambda x: x.sum(axis=5), "sum: x (2, 3) float64, axis=5, keepdims=False."),
        (lambda x: x.reshape(4), "reshape: x (2, 3) float64, shape=4."),
        (
            lambda x: np.concatenate([x, np.ones((4, 2))]),
            "concatenate: xs[0] (2, 3) float64, xs[1] (4, 2) float64, axis=0.",
        ),
        (np.linalg.inv, "inv: x (2, 3) float64."),
    ],
)
def test_numpys_own_errors_name_the_operation_and_what_it_got(call, note):
    with pytest.raises((ValueError, np.linalg.LinAlgError)) as caught:
        call(Tensor(np.ones((2, 3)), requires_grad=True))
    assert caught.value.__notes__ == [f"In the forward of {note}"]


@pytest.mark.parametrize(("gradients_of", "said"), WRONG)
@pytest.mark.parametrize("create_graph", [False, True])
def test_wrong_gradients_of_a_student(gradients_of, said, create_graph):
    x, W, b = (Tensor(np.ones(shape), requires_grad=True) for shape in [(5, 3), (3, 2), (2,)])
    y = linear(gradients_of).apply(x, W, b)  # applied
    with pytest.raises(RuntimeError) as caught:
        gradients(y.sum(), [x, W, b], create_graph=create_graph)
    assert re.search(said, str(caught.value))
    (note,) = caught.value.__notes__
    assert note.startswith("In the backward of Linear of shape (5, 2) made at ")
    assert f"{place_of('applied')} (linear(gradients_of).apply(x, W, b))" in note


def test_the_right_gradients_pass():
    x, W, b = (Tensor(np.ones(shape), requires_grad=True) for shape in [(5, 3), (3, 2), (2,)])
    linear(lambda x, W, g: (g @ W.T, x.T @ g, g.sum(0))).apply(x, W, b).sum().backward()
    np.testing.assert_array_equal(b.grad, [5, 5])


def test_an_error_inside_a_student_backward_gets_the_line_of_the_forward():
    x, W, b = (Tensor(np.ones(shape), requires_grad=True) for shape in [(5, 3), (3, 2), (2,)])
    y = linear(lambda x, W, g: g @ W).apply(x, W, b)  # broken
    with pytest.raises(ValueError, match="matmul") as caught:
        y.sum().backward()
    assert place_of("broken") in caught.value.__notes__[0]


# ------------------------------------------------------------------------------------------- a script, run by itself
SCRIPT = """\
import numpy as np
import minigrad
from minigrad import Function, Tensor, no_grad


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        raise ArithmeticError("not yet")


def predict(w):
    with no_grad():
        hidden = w * 2
    return (
        Square.apply(hidden) if FORGET
        else Square.apply(
            w
        )
    )


w = Tensor([1.0, 2.0], requires_grad=True)
FORGET = __import__("sys").argv[1] == "forget"
loss = predict(w).sum()
loss.backward()
"""


@pytest.mark.parametrize("argument", ["forget", "raise"])
def test_a_script_that_fails_shows_the_line(argument, tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "train.py", argument]
    run = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert re.search(r'File ".*train.py", line 31, in <module>\n +loss.backward\(\)', run.stderr)
    last = run.stderr.strip().splitlines()[-1]
    if argument == "forget":
        assert re.search(r"no_grad\(\) at \S*train.py:19 \(w \* 2\)", last)
    else:
        assert re.search(
            r"In the backward of Square of shape \(2,\) made at \S*train.py:22 \(Square.apply\( w \)\)", last
        )


# ------------------------------------------------------------------------------------------- where a tensor was made
def ends(comment: str) -> int:
    return int(place_of(comment).rsplit(":", 1)[1])


def nodes(y: Tensor) -> dict[str, Place]:
    """The places of the operations on the tape of y, by name."""
    return {t.op.name: t.where for t in tape(y) if t.op is not None}


def check(place: Place, text: str, line: int | None = None, function: str | None = None) -> None:
    """The place says `text`, and its lines and columns cut just that out of the file."""
    assert place.file == str(HERE)
    source = HERE.read_bytes().splitlines()
    cut = source[place.line - 1 : place.end_line]
    cut[-1] = cut[-1][: place.end_column]
    cut[0] = cut[0][place.column :]
    assert " ".join(part.decode().strip() for part in cut) == text == place.text
    assert line in (None, place.line)
    assert function in (None, place.function)


def test_operators_functions_and_methods():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = -(a * b) + np.exp(a) / b.sum() ** 2 - minigrad.tanh(a)  # many
    found = nodes(y)
    line = ends("many")
    for name, text in {
        "multiply": "a * b",
        "negative": "-(a * b)",
        "exp": "np.exp(a)",
        "sum": "b.sum()",
        "square": "b.sum() ** 2",
        "divide": "np.exp(a) / b.sum() ** 2",
        "add": "-(a * b) + np.exp(a) / b.sum() ** 2",
        "tanh": "minigrad.tanh(a)",
    }.items():
        check(found[name], text, line, "test_operators_functions_and_methods")


def test_leaves_indices_properties_and_losses():
    x = Tensor(np.ones((2, 3)), requires_grad=True)  # leaf
    check(x.where, "Tensor(np.ones((2, 3)), requires_grad=True)", ends("leaf"))
    check(x.detach().where, "x.detach()")
    check(x[0, 1:].where, "x[0, 1:]")
    check(x.T.where, "x.T")
    check((np.ones(2) @ x).where, "np.ones(2) @ x")
    check((1.0 - x).where, "1.0 - x")
    check((x > 0).where, "x > 0")
    check(np.concatenate([x, x]).where, "np.concatenate([x, x])")
    check(minigrad.mse_loss(x, np.zeros((2, 3))).where, "minigrad.mse_loss(x, np.zeros((2, 3)))")
    (g,) = gradients(x.sum(), [x])
    check(g.where, "gradients(x.sum(), [x])")
    x = x * 1
    x += 2
    check(x.where, "x += 2")


def test_all_that_a_composed_operation_records_is_one_expression():
    x = leaf(1.0, 2.0, 3.0)
    y = minigrad.layer_norm(x, (3,)) + x.var()  # composed
    for node in tape(y):
        if node.op is not None:
            assert node.where.line == ends("composed")
            assert node.where.text in (
                "minigrad.layer_norm(x, (3,))",
                "x.var()",
                "minigrad.layer_norm(x, (3,)) + x.var()",
            )


def test_expressions_of_several_lines():
    x = leaf(1.0, 2.0)
    y = np.multiply(  # opens
        x,
        np.exp(x)  # inside
        + 1,
    )
    found = nodes(y)
    check(found["exp"], "np.exp(x)", ends("inside"))
    assert (found["add"].line, found["add"].end_line) == (ends("inside"), ends("inside") + 1)
    assert found["multiply"].line == ends("opens")
    assert found["multiply"].end_line == ends("opens") + 4
    assert re.fullmatch(r"np\.multiply\( .* x, np\.exp\(x\) .* \+ 1, \)", found["multiply"].text)


def test_comprehensions_lambdas_and_nested_functions():
    x = leaf(1.0, 2.0)
    ys = [np.exp(x) * k for k in range(2)]
    for y in ys:
        check(y.where, "np.exp(x) * k")
        check(nodes(y)["exp"], "np.exp(x)")
    total = sum(np.tanh(t) for t in (x, x))
    check(nodes(total)["tanh"], "np.tanh(t)", function="<genexpr>")
    check(nodes(total)["add"], "sum(np.tanh(t) for t in (x, x))")
    check((lambda t: np.sin(t) + 1)(x).where, "np.sin(t) + 1", function="<lambda>")

    def outer(t):
        def inner(u):
            return u * u  # inner

        return inner(t).sum()  # outer

    y = outer(x)
    check(y.where, "inner(t).sum()", ends("outer"), "outer")
    check(nodes(y)["multiply"], "u * u", ends("inner"), "inner")


def test_letters_outside_ascii():
    θ = leaf(1.0, 2.0)
    ŷ = np.exp(θ) * θ  # Greek
    check(nodes(ŷ)["exp"], "np.exp(θ)", ends("Greek"))
    check(ŷ.where, "np.exp(θ) * θ")


def test_a_class_and_a_decorated_function():
    class Model:
        def __init__(self):
            self.w = leaf(1.0, 2.0)

        def __call__(self, x):
            return self.w * x

    @no_grad()
    def quiet(t):
        return t * 2

    y = Model()(np.ones(2))
    check(y.where, "self.w * x", function="__call__")
    check(quiet(y).where, "t * 2", function="quiet")


def test_recorded_sweeps_show_the_forward():
    x = leaf(0.5)
    y = np.tanh(x)  # forward
    (slope,) = gradients(y * y, [x], create_graph=True)
    texts = {t.where.text for t in tape(slope) if t.op is not None}
    assert texts == {"np.tanh(x)", "y * y"}
    (second,) = gradients(slope, [x], create_graph=True)
    assert {t.where.text for t in tape(second) if t.op is not None} == texts
    check((second * 2).where, "second * 2")


def test_code_without_a_source():
    scope: dict[str, Any] = {"Tensor": Tensor}
    exec(compile("x = Tensor([1.0, 2.0])\ny = (x *\n     2)\n", "<a cell>", "exec"), scope)
    place = scope["y"].where
    assert (place.file, place.line, place.end_line, place.column, place.end_column) == ("<a cell>", 2, 3, 5, 6)
    assert place.text == ""
    assert str(place) == "<a cell>:2"
    message = refused(scope["y"].sum().backward)
    assert "made at <a cell>:1 came from" in message


def test_without_columns(tmp_path):
    """``python -X no_debug_ranges``: the whole line is shown."""
    program = (
        "from minigrad import Tensor\ny = Tensor(1.0) * 2; z = 3\nprint(y.where.line, y.where.column, y.where.text)\n"
    )
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "no_debug_ranges", "train.py"]
    run = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, check=True)
    assert run.stdout == "2 None y = Tensor(1.0) * 2; z = 3\n"


ATOMS = st.sampled_from(["a", "b", "2.0", "np.ones(2)"])


def compound(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(parts, parts)
    return st.one_of(
        st.tuples(parts, st.sampled_from(["+", "*", "-"]), parts).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        parts.map(lambda t: f"np.exp(\n    {t}\n)"),
        parts.map(lambda t: f"(-{t})"),
        pair.map(lambda t: f"np.maximum({t[0]},\n  {t[1]})"),
        parts.map(lambda t: f"[ü * 1 for ü in [{t}]][0]"),
    )


@given(st.recursive(ATOMS, compound, max_leaves=8))
def test_any_expression(expression):
    """What a node's place cuts out of the source computes, by itself, the value of that node."""
    source = f"result = ({expression})\n"
    scope = {"np": np, "a": leaf(0.5, 0.25), "b": leaf(0.125, -0.5)}
    with np.errstate(over="ignore"):
        exec(compile(source, "<drawn>", "exec"), scope)
        result = scope["result"]
        lines = [line.encode() for line in source.splitlines()]
        for node in tape(result) if type(result) is Tensor else []:
            if node.op is None:
                continue
            place = node.where
            assert place.file == "<drawn>"
            cut = lines[place.line - 1 : place.end_line]
            cut[-1] = cut[-1][: place.end_column]
            cut[0] = cut[0][place.column :]
            text = b"\n".join(cut).decode()
            if "ü" in text.replace("[ü * 1 for ü in", ""):  # inside of a comprehension ü is what it runs over
                assert text == "ü * 1"
                continue
            value = eval(f"({text})", {**scope})
            np.testing.assert_array_equal(value.data, node.data)


def test_help_and_docstrings_have_no_holes():
    for name in ("grad", "value_and_grad", "vjp", "jvp", "hvp", "jacobian", "hessian", "strict", "gradients", "Tensor"):
        documented = textwrap.dedent(getattr(minigrad, name).__doc__)
        assert ">>>" in documented or name == "gradients"
        assert documented.strip().splitlines()[0].endswith((".", ":"))
