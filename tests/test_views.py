"""The views: what they show is what the sweep did, and they work on any tape."""

import ast
import inspect
import io
import sys

import numpy as np
import pytest
import scipy.special
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import programs, small
from strategies import arrays as arrays_of
from strategies import calls, grid
from students import square_of

import minigrad
from minigrad import Function, Tensor, formula, gradients, mse_loss, relu, table
from minigrad.engine.words import summary
from minigrad.ops.registry import REGISTRY, op
from minigrad.program.text import unparse
from minigrad.views import formula as formulas
from minigrad.views.steps import Trace

Square = square_of(Function)


class Spoils(Function):
    """Its backward works in the cotangent that it is given, which others read."""

    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, grad):
        grad *= 3
        return grad


def network(dtype=np.float64):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(5, 2)).astype(dtype)
    W = Tensor(rng.normal(size=(3, 4)).astype(dtype), requires_grad=True)
    b = Tensor(rng.normal(size=4).astype(dtype), requires_grad=True)
    V = Tensor(rng.normal(size=(4, 2)).astype(dtype), requires_grad=True)
    h = relu(x @ W + b)
    return mse_loss(Square.apply(h) @ V, y), [W, b, V]


def second_order():
    """A tape that a recorded sweep left, with a Function and the intermediate that it kept."""
    loss, parameters = network()
    grads = gradients(loss, parameters, create_graph=True)
    return sum((g * g).sum() for g in grads), parameters


# ------------------------------------------------------------------------------------------------------------- steps
def assert_is_the_sweep(output, gradient=None):
    trace = Trace(output, gradient)
    assert trace.failure is None, trace.failure
    leaves = [n for n in trace.nodes if n.op is None and n.requires_grad]
    before = [x.grad for x in leaves]
    wanted = [n for n in trace.nodes if n.requires_grad]
    real = gradients(output, wanted, gradient=gradient, allow_unused=True)
    for node, g in zip(wanted, real, strict=True):
        mine = trace.cotangents.get(node)
        assert (mine is None) == (g is None)
        if g is not None:
            assert mine.dtype == g.dtype
            assert mine.tobytes() == g.data.tobytes()  # bit for bit: the sweep's own numbers
    assert all(x.grad is g for x, g in zip(leaves, before, strict=True))
    for step in trace.steps:
        assert step.contribution.shape == step.input.shape
        assert step.contribution.dtype == step.input.dtype
        total = step.contribution if step.before is None else step.before + step.contribution
        assert np.asarray(total).tobytes() == step.total.tobytes()
    return trace


@given(programs(), st.integers(0, 99))
def test_the_steps_are_the_sweep_bit_for_bit(program, seed):
    output = program(*[Tensor(a, requires_grad=True) for a in program.leaves])
    assert_is_the_sweep(output, small(output.shape, seed))


@given(arrays_of((3, 2), np.float64, grid()), arrays_of((2,), np.float64, grid()))
def test_rounding_is_the_sweeps_too(a, b):
    a, b = Tensor(a, requires_grad=True), Tensor(b.astype(np.float32), requires_grad=True)
    y = np.tanh(a * b) + np.exp(-a) * b
    assert_is_the_sweep((y / (1 + y * y) + a * y).sum())


@pytest.mark.parametrize("program", [network, second_order, lambda: network(np.float32)])
def test_functions_second_order_and_float32(program):
    output, _ = program()
    trace = assert_is_the_sweep(output)
    assert any(step.partial.shape != step.contribution.shape for step in trace.steps)  # broadcasting was undone


def test_hooks_count_and_nothing_is_retained():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: 10 * g)
    x.register_hook(lambda g: g + 1)
    y.retain_grad()
    trace = Trace(y.sum())
    assert y.grad is None
    assert trace.cotangents[y].tolist() == [10, 10]
    assert trace.steps[-1].total.tolist() == [30, 30]
    assert trace.cotangents[x].tolist() == [31, 31]
    y.sum().backward()
    assert x.grad.tolist() == [31, 31]


def test_what_a_backward_spoils_is_shown_as_it_was():
    x = Tensor([1.0], requires_grad=True)
    y = +x
    z = y + Spoils.apply(y)
    trace = Trace(z, [1.0])
    z.backward([1.0])
    assert x.grad.tolist() == trace.cotangents[x].tolist() == [6.0]  # where 4 were right: y's share was spoiled
    assert [step.total.tolist() for step in trace.steps[:2]] == [[1.0], [1.0]]
    into_spoils = next(step for step in trace.steps if step.node.op.name == "Spoils")
    assert into_spoils.cotangent == 1.0
    assert into_spoils.partial == 3.0


def test_a_backward_that_fails_is_shown_up_to_there():
    class Short(Square):
        @staticmethod
        def backward(ctx, grad):
            return np.ones(7)

    x = Tensor([1.0, 2.0], requires_grad=True)
    trace = Trace(Short.apply(x * 2).sum())
    assert [step.node.op.name for step in trace.steps] == ["sum"]
    assert trace.failed_at.op.name == "Short"
    assert "shape (7,)" in str(trace.failure)
    assert "the backward stops at" in str(table(Short.apply(x * 2).sum()))


def test_a_tape_without_a_backward():
    x = Tensor([1.0, 2.0])
    for output in (x, x * 2, Tensor([1.0, 2.0], requires_grad=True) * 2):
        trace = Trace(output)
        assert trace.steps == []
        assert trace.failed_at is None
        assert str(trace.failure) in str(table(output))
    with pytest.raises(TypeError, match="tape of a Tensor, and got a list"):
        table([1.0])


# ------------------------------------------------------------------------------------------------------------- labels
def test_names():
    W = Tensor([[1.0]], requires_grad=True)
    weights = {"deep": Tensor([2.0], requires_grad=True)}
    loss = ((W @ np.ones((1, 1))) * weights["deep"]).sum()
    names = [row[1] for row in table(loss).forward]
    assert names == ["W", "weights['deep']", "t2", "t3", "loss"]
    trace = Trace(loss)  # without a frame: what their lines assign them to
    assert [trace.name[n] for n in trace.nodes] == ["W", "t1", "t2", "t3", "loss"]


def test_no_two_names_are_alike():
    def turn(h):
        return np.tanh(h)

    h = x = Tensor(0.5, requires_grad=True)
    for _ in range(2):
        h = turn(h)
        h = h * x
    names = list(Trace(h).name.values())
    assert names == ["t0", "t1", "h#2", "t3", "h#4"]
    around = [row[1] for row in table(h).forward]
    assert around == ["x", "t1", "h#2", "t3", "h"]
    (slope,) = gradients(x * x, x, create_graph=True)
    assert [row[1] for row in table(slope).forward][:1] == ["x"]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.float64(1.23456789), "1.235"),
        (np.array([[1, 2], [3, 4]]), "[[1 2] [3 4]]"),
        (np.zeros((0, 3)), "empty"),
        (np.arange(8) > 2, "5 of 8 true"),
        (np.array([np.nan, np.inf, 1, 1, 1, 1, 1.0]), "1 nan, 1 inf, the others 1"),
        (np.array([np.nan, 1, 2, 1, 2, 1, 2.0]), "1 nan, mean 1.5 ± 0.5, 1 to 2"),
        (np.full((3, 3), 0.1), "all 0.1"),
        (np.full(9, np.nan), "9 nan"),
    ],
)
def test_summary(array, text):
    assert summary(array) == text


# -------------------------------------------------------------------------------------------------------------- table
def test_table_of_a_network():
    loss, (W, b, V) = network()
    found = table(loss)
    assert [row[2] for row in found.forward] == [
        *["parameter"] * 3,
        "matmul(array 5×3, W)",
        "add(t3, b)",
        "relu(t4)",
        "Square(h)",
        "matmul(t6, V)",
        "mse_loss(t7, array 5×2)",
    ]
    steps = {(row[1], row[2]): row for row in found.backward}
    assert steps["t4", "b"][3:5] == ["b̄ = t̅4̅", "5×4 → 4"]
    assert steps["t6", "h"][3] == "h̄ = 2 · h · t̅6̅"  # x there is what was saved: h
    loss.backward()
    norm = np.sqrt(sum((p.grad**2).sum() for p in (W, b, V)))
    assert f"norm of the gradient over all parameters {norm:.6g}" in found.totals[1]
    kept = 12 + 4 + 8 + 15 + 10 + 4 * 20 + 10 + 1  # parameters, x and y, results; what Square saved is h itself
    assert f"the tape keeps {8 * kept / 1024:.4g} KiB" in found.totals[0]


def test_memory_is_counted_once():
    big = np.zeros(1000)
    x = Tensor(big, requires_grad=True)
    y = x.reshape(10, 100).T  # views cost nothing
    rows = table((y * y).sum()).forward
    assert [row[6] for row in rows] == ["7.812 KiB", "0 B", "0 B", "7.812 KiB", "8 B"]


def test_accumulation_is_in_the_table():
    x = Tensor(3.0, requires_grad=True)
    found = table(x * x)
    rows = found.backward
    assert [row[5] for row in rows] == ["", "3"]
    assert [row[6] for row in rows] == ["3", "6"]
    assert [row[3] for row in rows] == ["x̄ = t̅1̅ · x", "x̄ += t̅1̅ · x"]
    page = found._repr_html_()  # of a notebook: a cell for each entry, and the totals
    assert page.count("<td") == sum(map(len, found.forward + rows))
    assert page.endswith("</p>")
    assert ">x̄ += t̅1̅ · x</td>" in page


def test_what_was_undone():
    a, b = Tensor(np.ones(3, np.float32), requires_grad=True), Tensor(np.ones((2, 3)), requires_grad=True)
    rows = {row[2]: row[4] for row in table((a * b).sum()).backward}
    assert rows == {"t2": "", "a": "2×3 → 3, float64 → float32", "b": ""}


def test_plain_and_coloured(monkeypatch):
    loss, _ = network()
    found = table(loss)
    assert str(found) == found.plain()
    assert "\x1b" not in str(found)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    coloured = str(found)
    assert "\x1b[" in coloured
    assert "mse_loss" in coloured
    monkeypatch.setattr("minigrad.views.table.find_spec", lambda name: None)
    assert str(found) == found.plain()


@given(programs())
def test_any_tape_has_a_table_and_a_formula(program):
    output = program(*[Tensor(a, requires_grad=True) for a in program.leaves]).sum()
    found = table(output)
    assert len(found.forward) == len(minigrad.tape(output))
    assert "stops" not in found.plain()
    lines = formula(output).lines
    assert len(lines) >= len([n for n in minigrad.tape(output) if n.op is not None])


@pytest.mark.parametrize("program", [network, second_order])
def test_table_of_second_order(program):
    output, _ = program()
    assert "stops" not in str(table(output))
    assert formula(output).latex


# ------------------------------------------------------------------------------------------------------------ formula
EXPECTED = {
    "multiply": ["y = a · b", "ā = ȳ · b", "b̄ = ȳ · a"],
    "divide": ["y = a / b", "ā = ȳ / b", "b̄ = -ȳ · y / b"],
    "tanh": ["y = tanh x", "x̄ = ȳ · (1 - y²)"],
    "matmul": ["y = a @ b", "ā = ȳ bᵀ", "b̄ = aᵀ ȳ"],
    "relu": ["y = max(x, 0), with the derivative 0 at 0", "x̄ = ȳ if x > 0 else 0"],
    "softmax": ["y = eˣ / Σ eˣ along `axis`, which torch calls dim", "x̄ = y · (ȳ - Σ[axis] ȳ · y)"],
    "sign": ["y = -1, 0 or 1, without a derivative", "x̄ = none"],
    "inv": ["y = x⁻¹, for each matrix", "x̄ = -yᵀ ȳ yᵀ"],
    "sqrt": ["y = √x, with the derivative inf at 0", "x̄ = ȳ / (2 · y)"],
    "elu": [
        "y = x if x > 0 else alpha · (eˣ - 1)",
        "x̄ = ȳ if x > 0 else α · ȳ · exp negative",
        "where negative = x if x < 0 else 0",
    ],
    "mse_loss": [
        "L = Σ (input - target)² / N, the mean over all N entries",
        "i̅n̅p̅u̅t̅ = 2 / size(input) · ȳ · (input - target)",
        "t̅a̅r̅g̅e̅t̅ = 2 / size(input) · ȳ · (target - input)",
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_formula(name):
    assert formula(name).unicode.splitlines() == EXPECTED[name]
    assert repr(formula(getattr(minigrad, name))) == formula(name).unicode


def test_latex():
    assert formula("divide").lines[2].latex == r"\bar{b} = \frac{-\bar{y} \cdot y}{b}"
    assert formula("matmul").lines[1].latex == r"\bar{a} = \bar{y} b^{\mathsf T}"
    assert formula("relu").lines[1].latex == (
        r"\bar{x} = \begin{cases} \bar{y} & x > 0 \\ 0 & \text{otherwise} \end{cases}"
    )
    assert formula("multiply").latex.startswith("\\begin{aligned}\ny &= ")
    assert formula("multiply")._repr_latex_().startswith("$\\displaystyle \\begin")


def expressions():
    """Python expressions of sums, products, quotients, signs and squares."""
    pairs = st.tuples(st.sampled_from([ast.Add, ast.Sub, ast.Mult, ast.Div]), st.booleans())
    return st.recursive(
        st.sampled_from("abc").map(lambda name: ast.Name(name)),
        lambda inner: (
            st.tuples(inner, pairs, inner).map(lambda t: ast.BinOp(t[0], t[1][0](), t[2]))
            | inner.map(lambda x: ast.UnaryOp(ast.USub(), x))
            | inner.map(lambda x: ast.BinOp(x, ast.Pow(), ast.Constant(2)))
        ),
        max_leaves=8,
    )


@settings(max_examples=300)
@given(expressions())
def test_parentheses_stand_where_they_must(tree):
    """What is written means what it was written from."""
    written = formulas.Writer("unicode", {}, {}).write(tree)
    back = written.replace("·", "*").replace("²", "**2")
    values = {"a": 3.0, "b": 5.0, "c": -7.0}
    try:
        expected = eval(ast.unparse(ast.fix_missing_locations(ast.Expression(tree))), {}, values)
    except ZeroDivisionError:
        assume(False)
    assert eval(back, {}, values) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_operation_has_its_formula(name):
    operation = REGISTRY[name]
    lines = formula(name).lines
    left = [line.unicode.split(" = ")[0] for line in lines if not line.unicode.startswith("where ")]
    assert left[1:] == ([] if operation.composed else [formulas.bar(x, "unicode") for x in operation.inputs]) or (
        operation.composed and len(left) == 2
    )
    for line in lines:
        assert line.latex.count("{") == line.latex.count("}")


RULES = [
    pytest.param(operation, x, rule, id=f"{name}-{x}")
    for name, operation in REGISTRY.items()
    if not (operation.composed or operation.variadic)
    for x, rule in zip(operation.inputs, operation.rules, strict=True)
    if rule
]


@pytest.mark.parametrize(("operation", "x", "rule"), RULES)
@settings(max_examples=settings.default.max_examples // 10)
@given(st.data())
def test_the_formula_computes_what_the_rule_computes(operation, x, rule, data):
    """What is written was computed on letters, and on arrays it gives the rule's own numbers."""
    call = data.draw(calls(operation))
    inputs, params = operation.bind(call.inputs, call.params)
    assume(inputs[operation.inputs.index(x)] is not None)  # then nobody asks for its derivative
    try:
        y = np.asarray(operation.forward(*inputs, **params))
        g = np.asarray(np.random.default_rng(call.seed).normal(size=y.shape)).astype(y.dtype)
        with np.errstate(all="ignore"):
            expected = rule(g, y, *inputs, **params)
    except (ValueError, RuntimeWarning):  # the reduction of nothing; a vector, which never reaches the rules of matmul
        assume(False)
    assume(all(v is None or np.size(v) for v in inputs))  # letters stand for arrays that have entries
    known = dict(params)
    for name, v in [*zip(operation.inputs, inputs, strict=True), ("y", y), ("g", y)]:
        known |= {name: None} if v is None else {f"{name}.{a}": getattr(np, a)(v) for a in ("ndim", "shape", "size")}
    body = formulas.Letters(known).rule(rule, None, operation.inputs)
    space = {}
    for module in [name for name in sys.modules if name.startswith("minigrad.ops.")]:  # where helpers may live
        space = {**vars(sys.modules[module]), **space}
    space |= inspect.unwrap(rule).__globals__ | dict(zip(operation.inputs, inputs, strict=True)) | params
    space |= {"g": g, "y": y, "scipy": scipy}
    with np.errstate(all="ignore"):
        exec("\n".join([*map(unparse, body.statements), f"result = {unparse(body.result)}"]), space)
        np.testing.assert_array_equal(space["result"], expected)


def test_the_formula_of_an_operation_that_was_typed(monkeypatch):
    """There is no source, and a loop is what it computes; a branch on what nobody knows is the code."""
    monkeypatch.setattr("minigrad.ops.registry.REGISTRY", dict(REGISTRY))
    head = "@op\nclass typed:\n    def forward(x): return x\n    def d_x(g, y, x):\n        "
    space = {"op": op, "np": np}
    exec(head + "k = 0\n        while k < 2:\n            k += 1\n        return g * k", space)
    assert formula(space["typed"]).lines[-1].unicode == "x̄ = ȳ · 2"
    exec(head + "return g if x.ndim > 1 else -g", space)
    assert formula(space["typed"]).lines[-1].unicode == "x̄ = code whose source is not there"
    x = Tensor([1.0], requires_grad=True)
    assert formula(space["typed"](x)).lines[-1].unicode == "x̄ = -t̅1̅"


def test_formula_of_a_function():
    assert formula(Square).unicode == "x̄ = 2 · x · ȳ"

    class MSE(Function):
        @staticmethod
        def backward(ctx, grad):
            yhat, y = ctx.saved_tensors
            n, q = yhat.shape
            d = 2 / (n * q) * (yhat - y) * grad
            return d, None

        @staticmethod
        def forward(ctx, yhat, y):
            ctx.save_for_backward(yhat, y)
            return np.mean((yhat - y) ** 2)

    assert formula(MSE).unicode.splitlines() == [
        "y̅h̅a̅t̅ = d",
        "ȳ = none",
        "where n, q = shape(yhat)",
        "where d = 2 / (n · q) · (yhat - y) · o̅u̅t̅",
    ]


def test_formula_of_a_tape():
    x = np.ones((2, 3))
    W = Tensor(np.ones((3, 1)), requires_grad=True)
    z = x @ W
    loss = (z * z).mean()
    assert formula(loss).unicode.splitlines() == [
        "z = matmul(x, W)",
        "t2 = multiply(z, z)",
        "loss = mean(t2)",
        "t̅2̅ = broadcast_to(l̅o̅s̅s̅ / size(t2), shape(t2))",
        "z̄ = t̅2̅ · z",
        "z̄ += t̅2̅ · z",
        "W̄ = xᵀ z̄",
    ]


def test_formula_of_a_tape_knows_what_is_static():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    rows = x.sum(axis=0)
    assert formula(rows.sum()).unicode.splitlines()[-1] == "x̄ = broadcast_to(expand_dims(r̅o̅w̅s̅, axis), shape(x))"
    assert formula(x.max(keepdims=True)).unicode.splitlines()[-1] == "x̄ = shared(t̅1̅, t1, x, None, True)"


def test_a_function_without_source_says_so():
    space = {"Function": Function}
    exec("class F(Function):\n    forward = staticmethod(lambda ctx, x: x)\n    backward = forward", space)
    x = Tensor(1.0, requires_grad=True)
    assert "source is not there" in str(formula(space["F"]))
    assert "source is not there" in str(table(space["F"].apply(x)))


def test_formula_of_something_else():
    with pytest.raises(TypeError, match="takes an operation, its name, a Function or a Tensor"):
        formula(3)
