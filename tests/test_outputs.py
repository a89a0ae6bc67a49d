"""Functions with several outputs: on the tape, in higher orders, in programs and views, in the checker."""

import numpy as np
import pytest
import torch

import minigrad
from minigrad import Function, Tensor, check, gradcheck, gradients, no_grad, source
from minigrad import compile as compiled

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(size=(2, 3)) for _ in range(3)]


def cell(x, h, c, tanh=np.tanh):
    """A small LSTM cell: both of its outputs go on to the next step."""
    gate = 1 / (1 + 2.7182818 ** -(x + h))
    new = gate * c + (1 - gate) * tanh(x)
    return gate * tanh(new), new


class Cell(Function):
    @staticmethod
    def forward(ctx, x, h, c):
        gate, t = 1 / (1 + np.exp(-(x + h))), np.tanh(x)
        new = gate * c + (1 - gate) * t
        out = np.tanh(new)
        ctx.save_for_backward(gate, t, c, out)
        return gate * out, new

    @staticmethod
    def backward(ctx, d_h, d_c):
        gate, t, c, out = ctx.saved_tensors
        d_c = d_c + d_h * gate * (1 - out * out)
        d_z = (d_h * out + d_c * (c - t)) * gate * (1 - gate)
        return d_z + d_c * (1 - gate) * (1 - t * t), 1 * d_z, d_c * gate


def plain(x, h, c):
    gate, t = 1 / (1 + np.exp(-(x + h))), np.tanh(x)
    new = gate * c + (1 - gate) * t
    return gate * np.tanh(new), new


USES = {
    "both": lambda h, c: (h * c).sum(),
    "the first": lambda h, c: (h * h).sum(),
    "the second": lambda h, c: (c * c).sum(),
    "the first twice": lambda h, c: (h * h + c * h).sum() + h.sum(),
    "one is detached": lambda h, c: (h.detach() * c * c).sum(),
}


@pytest.mark.parametrize("use", USES)
def test_three_orders_are_those_of_the_same_steps_on_the_tape(use):
    def orders(function):
        leaves = [Tensor(x, requires_grad=True) for x in ROWS]
        h, c = function(*leaves)
        value, found = USES[use](*function(leaves[0], h, c)), []
        for _ in range(3):
            slopes = gradients(value, leaves, create_graph=True)
            found += [g.data for g in slopes]
            value = sum((g * g).sum() for g in slopes)
        return found

    for got, right in zip(orders(Cell.apply), orders(plain), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-11)


class Svd(Function):
    """Reduced, for square matrices with singular values apart from each other."""

    @staticmethod
    def forward(ctx, a):
        u, s, vt = np.linalg.svd(a)
        ctx.save_for_backward(u, s, vt)
        return u, s, vt

    @staticmethod
    def backward(ctx, gu, gs, gvt):
        u, s, vt = ctx.saved_tensors
        f = 1 / (s**2 - s[:, None] ** 2 + np.eye(len(s))) * (1 - np.eye(len(s)))
        ju, jv = f * (u.T @ gu), f * (vt @ gvt.T)
        return u @ ((ju + ju.T) * s + np.diag(gs) + s[:, None] * (jv + jv.T)) @ vt


def test_a_forward_that_runs_on_arrays_alone():
    """torch.linalg.svd has the same signs here, as both call LAPACK; a loss without signs is compared."""
    a = RNG.normal(size=(4, 4))
    weights = RNG.normal(size=(3, 4, 4))

    def loss(u, s, vt, w):
        return ((u @ vt) * w[0]).sum() + (s * w[1][0]).sum() + ((u * u) * w[2]).sum()

    x = Tensor(a, requires_grad=True)
    loss(*Svd.apply(x), weights).backward()
    t = torch.tensor(a, requires_grad=True)
    loss(*torch.linalg.svd(t), torch.tensor(weights)).backward()
    np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=1e-9)


class Smallest(Function):
    @staticmethod
    def forward(ctx, x):
        where = x.argmin(-1)
        rows = np.arange(len(x))
        ctx.kept = x.shape, rows, where
        return x[rows, where], where

    @staticmethod
    def backward(ctx, grad, nothing):
        assert nothing.dtype.kind == "i"
        assert not nothing.any()
        shape, rows, where = ctx.kept
        dx = np.zeros(shape)
        dx[rows, where] = grad
        return dx


def test_integers_are_constants():
    x = Tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    value, where = Smallest.apply(x)
    assert where.dtype == np.int64
    assert not where.requires_grad
    (value * x[np.arange(2), where]).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 2], [4, 0]])
    with pytest.raises(RuntimeError, match=r"Smallest\[1\].*no derivative"):
        where.sum().backward()


def test_dtypes_are_kept():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x.astype(np.float32), x, x > 0

        @staticmethod
        def backward(ctx, narrow, wide, mask):
            assert (narrow.dtype, wide.dtype, mask.dtype) == (np.float32, np.float64, np.bool_)
            return narrow + wide

    x = Tensor([1.0, -2.0], requires_grad=True)
    narrow, wide, mask = Both.apply(x)
    assert (narrow.dtype, wide.dtype, mask.dtype) == (np.float32, np.float64, np.bool_)
    (narrow * 3).sum().backward()
    (wide * mask).sum().backward()
    np.testing.assert_array_equal(x.grad, [4, 3])


def test_what_an_output_may_be():
    class Odd(Function):
        @staticmethod
        def forward(ctx, x):
            y = 2 * x
            ctx.mark_non_differentiable(mark := x * x)
            return x, y, y, mark, x.sum(), 1.5

        @staticmethod
        def backward(ctx, dx, dy, same, nothing, total, number):
            assert not np.any(nothing)
            return dx + 2 * (dy + same) + total

    x = Tensor([1.0, 2.0], requires_grad=True)
    itself, y, same, mark, total, number = Odd.apply(x)
    assert (total.shape, number.data) == ((), 1.5)
    assert not mark.requires_grad
    (itself + 10 * y + 100 * same + mark * 7).sum().backward()
    np.testing.assert_array_equal(x.grad, [221, 221])
    x.zero_grad()
    (total * 3).backward()
    np.testing.assert_array_equal(x.grad, [3, 3])
    itself.data[0] = 5  # the input is not written into
    assert x.data[0] == 1


def test_one_output_in_a_tuple_and_one_that_is_marked():
    class One(Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 2,)

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad

    class Step(One):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.mark_non_differentiable(y)
            return y

    x = Tensor(3.0, requires_grad=True)
    (y,) = One.apply(x)
    y.backward()
    assert x.grad == 2
    assert not Step.apply(x).requires_grad


def test_hooks_retained_gradients_and_sweeps_again():
    leaves = [Tensor(x, requires_grad=True) for x in ROWS]
    h, c = Cell.apply(*leaves)
    h.register_hook(lambda g: 3 * g)
    c.retain_grad()
    loss = (h + c * c).sum()
    for _ in range(2):
        loss.backward()
    np.testing.assert_allclose(c.grad, 2 * 2 * c.data)
    right = gradients((3 * plain(*leaves)[0] + plain(*leaves)[1] ** 2).sum(), leaves)
    for x, g in zip(leaves, right, strict=True):
        np.testing.assert_allclose(x.grad, 2 * g.data, rtol=1e-12)


def test_nothing_is_recorded_under_no_grad():
    with no_grad():
        h, c = Cell.apply(*[Tensor(x, requires_grad=True) for x in ROWS])
    assert [y.requires_grad for y in (h, c)] == [False, False]
    assert h.inputs == c.inputs == ()


def test_as_torch_has_it():
    """The body of an example of torch's documentation, under both engines."""

    def body(base):
        class Cube(base):
            @staticmethod
            def forward(ctx, x):
                result, slope = x**3, 3 * x**2
                ctx.save_for_backward(x, slope)
                return result, slope

            @staticmethod
            def backward(ctx, grad, grad_slope):
                x, slope = ctx.saved_tensors
                return grad * slope + grad_slope * 6 * x

        return Cube

    def orders(apply, x, grad):
        found = []
        for i in range(2):
            y = apply(x)[i].sum()
            for _ in range(3):
                (y,) = grad(y, x, create_graph=True)
                found.append(float(y.detach()))
        return found

    ours = orders(body(Function).apply, Tensor(2.0, requires_grad=True), gradients)
    theirs = orders(body(torch.autograd.Function).apply, torch.tensor(2.0, requires_grad=True), torch.autograd.grad)
    assert ours == theirs == [12, 12, 6, 12, 6, 0]


MISTAKES = {
    "a list": (lambda ctx, x: [x, x], None, r"Wrong\.forward returned a list of 2: several outputs are a tuple"),
    "nothing": (lambda ctx, x: (), None, r"empty tuple"),
    "None in it": (lambda ctx, x: (x, None), None, r"Wrong\.forward: output 1: needs an array of numbers.*NoneType"),
    "complex": (lambda ctx, x: (x, x + 1j), None, r"output 1 is complex.*\.real and its \.imag"),
    "long integers": (lambda ctx, x: (x, np.array(2**60)), None, r"output 1 holds integers beyond 2\*\*53"),
    "one cotangent for two": (
        lambda ctx, x: (x, x), lambda ctx, g: g, r"takes \(ctx, g\).*a tuple of 2.*backward\(ctx, grad0, grad1\)",
    ),
    "two for one": (lambda ctx, x: x, lambda ctx, g, h: g, r"takes \(ctx, g, h\).*one array.*backward\(ctx, grad\)"),
    "None for unused": (
        lambda ctx, x: (ctx.set_materialize_grads(False), x)[1:], None, r"set_materialize_grads\(False\).*zeros",
    ),
    "an error of the student's": (lambda ctx, x: (x, x), lambda ctx, g, h: g + "h", r"ufunc"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_errors_teach(name):
    forward, backward, says = MISTAKES[name]
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward or (lambda ctx, *gs: gs[0]))}
    with pytest.raises(TypeError, match=says):
        minigrad.engine.outputs.results(type("Wrong", (Function,), methods).apply(leaf(2.0)))[0].backward()


def leaf(x):
    return Tensor(x, requires_grad=True)


# ----------------------------------------------------------------------------------------------- programs and views
def two_steps(x, h, c):
    h, c = Cell.apply(x, h, c)
    h, c = Cell.apply(x, h, c)
    return (h * h + c).sum()


def test_programs_have_the_body_and_its_backward():
    leaves = [Tensor(x, requires_grad=True) for x in ROWS]
    loss = two_steps(*leaves)
    loss.backward()
    run = compiled(two_steps, grad_of=("x", "h", "c"))
    value, slopes = run(*ROWS)
    assert "concatenate" not in str(run)  # the cotangents of the outputs go on as they are
    np.testing.assert_allclose(value, loss.item())
    for g, x in zip(slopes, leaves, strict=True):
        np.testing.assert_allclose(g, x.grad, rtol=1e-12)


def test_machine_code():
    pytest.importorskip("numba", reason="the extra numba is not installed")

    class Product(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx, product, total):
            x, y = ctx.saved_tensors
            return product * y + total, product * x + total

    def loss(x, y):
        product, total = Product.apply(x, y)
        return (product * total).sum()

    value, slope = compiled(loss, grad_of=0, backend="numba")(np.array([2.0]), np.array([5.0]))
    assert (value, *slope) == (70.0, 45.0)


def test_a_constant_output_is_computed_by_the_program():
    class Sign(Function):
        @staticmethod
        def forward(ctx, x):
            mask = x > 0
            ctx.save_for_backward(mask)
            return np.where(mask, x, 0), mask

        @staticmethod
        def backward(ctx, grad, _):
            (mask,) = ctx.saved_tensors
            return grad * mask

    def loss(x):
        y, mask = Sign.apply(x)
        return (y * x + mask * x).sum()

    run = compiled(loss, grad_of=0)
    run(np.array([1.0, -2.0]))
    value, slope = run(np.array([-1.0, 3.0]))
    assert (value, *slope) == (12.0, 0.0, 7.0)


def test_the_program_of_a_tape():
    leaves = [Tensor(x, requires_grad=True) for x in ROWS]
    h, c = Cell.apply(*leaves)
    loss = (h * c).sum()
    program = source(loss, grad_of=leaves[0])
    assert "Cell" not in str(program)
    loss.backward()
    value, slope = program()
    np.testing.assert_allclose(value, loss.item())
    np.testing.assert_allclose(slope, leaves[0].grad, rtol=1e-12)


def test_views_name_the_outputs():
    x, h, c = (Tensor(row, requires_grad=True) for row in ROWS)
    new_h, new_c = Cell.apply(x, h, c)
    loss = (new_h * new_c).sum()
    table = str(minigrad.table(loss))
    assert "Cell[0](" in table
    rules = str(minigrad.formula(loss))
    assert "in entries 0 to 5, 0 in the others" in rules
    bar = "".join(letter + "\u0305" for letter in "new_h")
    assert f"where d_c = {''.join(letter + chr(0x305) for letter in 'new_c')} + {bar} · gate" in rules
    assert "+ d_c · (c - t)" in rules  # the name has another value by then
    only = str(minigrad.formula(new_c.sum()))
    assert "0\u0304 · gate" in only


# ------------------------------------------------------------------------------------------------------- the checker
def changed(backward):
    return type("Wrong", (Cell,), {"backward": staticmethod(backward)})


FOUND = {
    "the second is forgotten": (
        lambda ctx, d_h, d_c: Cell.backward(ctx, d_h, 0 * d_c),
        "left-out",
        "the cotangent of output 1 (`d_c`) is not used",
    ),
    "the first is forgotten": (
        lambda ctx, d_h, d_c: Cell.backward(ctx, 0 * d_h, d_c),
        "left-out",
        "output 0 (`d_h`) is not used",
    ),
    "exchanged": (
        lambda ctx, d_c, d_h: Cell.backward(ctx, d_h, d_c),
        "swapped",
        "output 0 (`d_c`) and the cotangent of output 1 (`d_h`) are exchanged",
    ),
    "one for two": (lambda ctx, g: (g, g, g), "raises", "def backward(ctx, grad0, grad1)"),
}


@pytest.mark.parametrize("name", FOUND)
def test_check_says_which_cotangent(name):
    backward, kind, says = FOUND[name]
    report = check(changed(backward), ROWS)
    assert {fault.kind for fault in report.faults} == {kind}
    assert says in report.faults[0].text


def test_check_searches_by_a_signature():
    assert check(Cell, signature="(n),(n),(n)->(n),(n)")
    (fault,) = check(Cell, signature="(n),(n),(n)->(n),()").faults
    assert "forward returns the shapes (5,), (5,)" in fault.text


@pytest.mark.parametrize("factor", [2, 3])
def test_check_of_other_things_with_several_outputs(factor):
    def both(x):
        return x * x, x**3

    def vjp(gs, x):
        return (gs[0] * 2 * x + gs[1] * factor * x * x,)

    class Torch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.mark_non_differentiable(mark := x + 1)
            return x * x, mark, x**3

        @staticmethod
        def backward(ctx, a, _, b):
            return vjp((a, b), *ctx.saved_tensors)

    x = np.array([1.0, 2.0])
    assert bool(check((both, vjp), [x])) is (factor == 3)
    assert bool(check(Torch, [x])) is (factor == 3)


def test_gradcheck_and_check_of_functions_of_tensors():
    x = Tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    assert gradcheck(Smallest.apply, x)
    assert gradcheck(lambda x: (x * x, x.sum()), x)
    assert check(lambda x: (x * x, x.sum()), [x.data])
    assert not gradcheck(lambda x: (x * x, (x.detach() * x).sum()), x, raise_exception=False)
    with pytest.raises(TypeError, match="none of the 2 outputs"):
        gradcheck(lambda x: (x > 0, x < 0), x)
