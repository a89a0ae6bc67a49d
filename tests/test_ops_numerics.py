"""What the derived tests cannot know of an operation: where textbooks overflow, every pair of ranks, every set of axes.

The derived tests draw small numbers and short axes. Here are large ones, long ones and the arguments that select one of
several meanings; the judges are the same. A NumPy warning is an error, so every test here is also one of silence.
"""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import COUNTERPARTS, assert_first_order, assert_second_order, counterpart
from strategies import Call
from test_planted import generic_inputs

import minigrad
from minigrad import Tensor, gradcheck, gradients
from minigrad.ops.registry import REGISTRY

FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape)


def assert_agrees_with_torch(name, *inputs, second=True, **params):
    """The operation, its gradients and their derivatives, all inputs being leaves."""
    call = Call(inputs, params, tuple(range(len(inputs))), wrapped=True, seed=1)
    assert_first_order(REGISTRY[name], call)
    if second:
        assert_second_order(REGISTRY[name], call)


# ------------------------------------------------------------------------------- few digits, or none behind the point
MANY = 70_000  # more than the largest number in half precision, 65,504
NONE = np.zeros(MANY, np.float16)
IN_FLOATS = {
    "sum": lambda x: minigrad.sum(x / 8),
    "sum of rows": lambda x: minigrad.sum(x.reshape(-1, 2), 0) / 8,
    "mean": minigrad.mean,
    "mean of columns": lambda x: minigrad.mean(x.reshape(2, -1), 1),
    "cumsum": lambda x: minigrad.cumsum(x / 64)[-1],
    "var": minigrad.var,
    "std": lambda x: minigrad.std(x * 300),
    "norm": minigrad.norm,
    "logsumexp": minigrad.logsumexp,
    "softmax": lambda x: minigrad.softmax(x.reshape(-1, 2), 0)[0] * 1000,
    "log_softmax": lambda x: minigrad.log_softmax(x)[0],
    "mse_loss": lambda x: minigrad.mse_loss(x * 200, NONE[: x.size]) / 1000,
    "l1_loss": lambda x: minigrad.l1_loss(x, NONE[: x.size]),
    "huber_loss": lambda x: minigrad.huber_loss(x * 200, NONE[: x.size]),
    "bce": lambda x: minigrad.binary_cross_entropy_with_logits(x, NONE[: x.size]),
    "cross_entropy": lambda x: minigrad.cross_entropy(x.reshape(-1, 2), NONE[: x.size // 2].astype(int)),
    "nll_loss": lambda x: minigrad.nll_loss(x.reshape(-1, 2), NONE[: x.size // 2].astype(int)),
    "layer_norm": lambda x: minigrad.layer_norm(x, x.shape)[0],
    "batch_norm": lambda x: minigrad.batch_norm(x.reshape(-1, 1), training=True)[0],
    "a bias": lambda x: ((np.zeros((MANY, 1), np.float16) + x[:2]) / 64).sum(),
    "entries": lambda x: (x[:2][np.arange(MANY) % 2] / 64).sum(),
    "rows": lambda x: (minigrad.embedding(np.arange(MANY) % 2, x[:2].reshape(2, 1)) / 64).sum(),
    "avg_pool2d": lambda x: minigrad.avg_pool2d(x.reshape(1, 1, -1, 200), (x.size // 200, 200)),
}


@pytest.mark.parametrize("name", IN_FLOATS)
def test_many_numbers_in_half_precision(name):
    """What the numbers have in double precision, rounded: no sum or count is infinite, and no part lost."""
    x = np.random.default_rng(4).integers(4, 12, MANY).astype(np.float16) / 8
    half, double = Tensor(x, requires_grad=True), Tensor(x.astype(np.float64), requires_grad=True)
    y, want = IN_FLOATS[name](half), IN_FLOATS[name](double)
    y.sum().backward()
    want.sum().backward()
    assert y.dtype == half.grad.dtype == np.float16
    unit, tiny = np.finfo(np.float16).eps, np.finfo(np.float16).smallest_subnormal
    np.testing.assert_allclose(y.data, want.data, rtol=4 * unit)
    np.testing.assert_allclose(half.grad, double.grad, rtol=8 * unit, atol=2 * tiny)


OF_INTEGERS = {
    **{name: REGISTRY[name].function for name in ["mean", "var", "std", "norm", "logsumexp", "softmax", "log_softmax"]},
    **{name: lambda x, f=REGISTRY[name].function: f(x, x[::-1]) for name in ["mse_loss", "l1_loss", "huber_loss"]},
    "bce": lambda x: minigrad.binary_cross_entropy_with_logits(x, x > 1),
    "cross_entropy": lambda x: minigrad.cross_entropy(x.reshape(-1, 2), [0, 1]),
    "nll_loss": lambda x: minigrad.nll_loss(x.reshape(-1, 2), [0, 1]),
    "layer_norm": lambda x: minigrad.layer_norm(x, x.shape),
    "batch_norm": lambda x: minigrad.batch_norm(x.reshape(-1, 1), training=True),
}


@pytest.mark.parametrize("name", OF_INTEGERS)
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, bool])
def test_integers_are_taken_as_floats(name, dtype):
    """Not even their differences and squares overflow."""
    x = np.array([100, 0, 3, 127]).astype(dtype)
    y, want = OF_INTEGERS[name](x), OF_INTEGERS[name](x.astype(float))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.data, want.data, rtol=1e-14)


@pytest.mark.parametrize("number", [3.0, 2, [1.0, 2.0], [1, 2], np.float32(2), np.int8(3)], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "prod",
        "cumsum",
        "var",
        "std",
        "max",
        "min",
        "argmax",
        "norm",
        "logsumexp",
        "square",
        "abs",
        "ravel",
        "transpose",
        "squeeze",
        "flip",
        "exp",
    ],
)
def test_numbers_and_lists_are_arrays(name, number):
    """Where NumPy's function takes them, too, and gives the same."""
    y = REGISTRY[name].function(number)
    theirs = getattr(np, name, getattr(np.linalg, name, None))
    want = theirs(number) if theirs else np.log(np.exp(np.asarray(number) * 1.0).sum())
    assert type(y) is Tensor
    np.testing.assert_allclose(y.data, want, rtol=1e-6 if y.dtype == np.float32 else 1e-14)
    assert y.dtype == np.asarray(want).dtype


def test_a_square_is_one_in_floats_only_where_the_exponent_is():
    """As np.power: an integer to a float power is a float, and to an integer one an integer."""
    for x, b in [(np.int32(100_000), 2.0), (np.int8(100), 2.0), (np.uint8(3), 2), (np.array([True]), 2), (3, 2.0)]:
        y = Tensor(np.asarray(x)) ** b
        want = np.power(np.asarray(x), b)
        assert (y.data == want).all()
        assert y.dtype == want.dtype


# ------------------------------------------------------------------------------------------------------- large numbers
LARGE = [0.0, 1e-30, 1e-5, 0.5, 1.0, 19.0, 21.0, 37.0, 80.0, 90.0, 104.0, 700.0, 710.0, 746.0, 1e4, 1e30]


@FLOATS
@pytest.mark.parametrize("name", ["sigmoid", "softplus", "elu", "relu", "leaky_relu", "tanh", "arctan"])
def test_no_activation_overflows(name, dtype):
    """Values and gradients keep their relative precision as far as floats go; exp(-x) alone ends at 88 or 709."""
    array = np.array([*LARGE, *(-x for x in LARGE)], dtype)
    x = Tensor(array, requires_grad=True)
    y = REGISTRY[name].function(x)
    y.sum().backward()
    twin = torch.from_numpy(array.astype(np.float64)).requires_grad_()
    want = counterpart(name)(twin)
    want.sum().backward()
    info = np.finfo(dtype)
    # 1 - y loses digits where y is close to 1, here as in torch: a slope is as good as the rounding of y.
    lost = info.eps if name in ("sigmoid", "tanh") else info.tiny
    np.testing.assert_allclose(y.data, want.detach().numpy(), rtol=8 * info.eps, atol=info.tiny)
    np.testing.assert_allclose(x.grad, twin.grad.numpy(), rtol=8 * info.eps, atol=lost)


@FLOATS
@pytest.mark.parametrize("shift", [0.0, 1e3, -1e3, 1e5])
def test_logsumexp_moves_with_its_argument(dtype, shift):
    """ln Σ eˣ⁺ᶜ = c + ln Σ eˣ, and its gradient, the softmax, stays where it is."""
    array = np.array([[0.5, 1.0, -2.0], [3.0, 3.0, -50.0]], dtype)
    plain, moved = Tensor(array, requires_grad=True), Tensor(array + dtype(shift), requires_grad=True)
    y, z = minigrad.logsumexp(plain, axis=1), minigrad.logsumexp(moved, axis=1)
    unit = np.finfo(dtype).eps * (1 + abs(shift))
    np.testing.assert_allclose(z.data, y.data + shift, rtol=4 * np.finfo(dtype).eps)
    for a, b in zip(gradients(y.sum(), plain), gradients(z.sum(), moved), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=4 * unit)
        np.testing.assert_allclose(b.data.sum(1), 1.0, rtol=4 * unit)


def test_logsumexp_of_nothing_and_of_integers():
    assert minigrad.logsumexp(np.zeros((0, 2)), axis=0).data.tolist() == [-np.inf, -np.inf]
    assert minigrad.logsumexp(np.array([1, 1])).item() == 1 + np.log(2)


def test_an_infinite_slope_is_silent():
    """Agreed answers come without a warning; what is singular in the forward has NumPy's, where the user wrote it."""
    zero = Tensor(0.0, requires_grad=True)
    negative, b = Tensor(-2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    nothing = Tensor([np.nan, 1.0], requires_grad=True)
    assert gradients(np.sqrt(zero), zero)[0].item() == np.inf
    assert gradients(zero**0.5, zero)[0].item() == np.inf
    assert np.isnan(gradients(negative**b, b)[0].item())
    np.testing.assert_array_equal(gradients(nothing.max(), nothing)[0].data, [np.nan, np.nan])
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in log"):
        np.log(zero)


def test_the_pattern_in_wheres_docstring_runs():
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    example = parser.get_doctest(minigrad.where.__doc__, {"np": np, "Tensor": Tensor}, "where", None, None)
    assert runner.run(example) == (0, 4)


# --------------------------------------------------------------------------------------------------- products of arrays
def batch(ndim, ones):
    """Shapes of `ndim` axes whose axes before the last two broadcast: all of length 2, or all of length 1."""
    return ((1 if ones else 2),) * (ndim - 2)


@pytest.mark.parametrize("ones", [None, "a", "b"])
@pytest.mark.parametrize(("ranks"), list(itertools.product([1, 2, 3, 4], repeat=2)), ids=str)
def test_matmul_of_every_pair_of_ranks(ranks, ones):
    a = numbers(*batch(ranks[0], ones == "a"), *([4] if ranks[0] > 1 else []), 3)
    b = numbers(*batch(ranks[1], ones == "b"), 3, *([5] if ranks[1] > 1 else []))
    assert_agrees_with_torch("matmul", a, b)


def torch_dot(a, b):
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return torch.tensordot(a, b, ([a.ndim - 1], [max(b.ndim - 2, 0)]))


@pytest.mark.parametrize(("ranks"), list(itertools.product([0, 1, 2, 3], repeat=2)), ids=str)
def test_dot_of_every_pair_of_ranks(ranks, monkeypatch):
    monkeypatch.setitem(COUNTERPARTS, "dot", torch_dot)
    a = numbers(*[2, 4, 3][3 - ranks[0] :])
    b = numbers(*[5, 3, 2][3 - ranks[1] :] if ranks[1] != 1 else [3])
    assert_agrees_with_torch("dot", a, b)
    np.testing.assert_allclose(np.dot(Tensor(a), b).data, np.dot(a, b), rtol=1e-14)


@pytest.mark.parametrize("shapes", [((), (3,)), ((2, 3), (4,)), ((0,), (2,)), ((2, 2), (2, 1, 3))])
def test_outer_flattens(shapes):
    a, b = (numbers(*shape) for shape in shapes)
    y = np.outer(Tensor(a, requires_grad=True), b)
    np.testing.assert_array_equal(y.data, np.outer(a, b))


@st.composite
def contractions(draw):
    """Subscripts, and shapes for them: indices summed at once, shared, alone, or broadcast from length 1."""
    letters, operands = "ijkl", []
    lengths = {letter: draw(st.integers(1, 3)) for letter in letters}
    dots = draw(st.lists(st.integers(1, 3), max_size=2))
    for _ in range(draw(st.integers(1, 3))):
        names = "".join(draw(st.permutations(letters))[: draw(st.integers(0, 3))])
        shape = [draw(st.sampled_from([lengths[letter]] * 4 + [1])) for letter in names]
        if draw(st.booleans()):
            own = [draw(st.sampled_from([n, n, 1])) for n in dots[draw(st.integers(0, len(dots))) :]]
            at = draw(st.integers(0, len(names)))
            names, shape = names[:at] + "..." + names[at:], shape[:at] + own + shape[at:]
        operands.append((names, tuple(shape)))
    subscripts = ",".join(names for names, _ in operands)
    if draw(st.booleans()):
        present = sorted(set(subscripts) - set(",."))
        output = "".join(draw(st.permutations(present))[: draw(st.integers(0, len(present)))])
        subscripts += "->" + ("..." if "..." in subscripts else "") + output
    return subscripts, [shape for _, shape in operands]


@settings(max_examples=150)
@given(contraction=contractions())
@example(contraction=("i...,...->...", [(2, 3, 2), (2,)]))  # the shorter ... stands for the last axes of the longer
def test_einsum_of_any_subscripts(contraction):
    subscripts, shapes = contraction
    xs = [numbers(*shape, seed=i) for i, shape in enumerate(shapes)]
    assert_agrees_with_torch("einsum", *xs, subscripts=subscripts)


@pytest.mark.parametrize(
    ("subscripts", "inputs", "message"),
    [
        ("ii->i", [np.ones((2, 3))], r"'i' is twice in 'ii', for axes of lengths 2 and 3"),
        ("ij,jk", [np.ones((2, 2))], "'ij,jk' is for 2 operands, and got 1"),
        ("ij", [np.ones(2)], "'ij' in 'ij' does not name the 1 axes of operand 0"),
        ("i", [np.ones((2, 2))], "'i' in 'i' does not name the 2 axes of operand 0"),
        ("...i->i", [np.ones((2, 2))], r"has \.\.\. on the left, and needs it on the right"),
    ],
)
def test_einsum_refuses_by_name(subscripts, inputs, message):
    with pytest.raises(ValueError, match="einsum: .*" + message):
        np.einsum(subscripts, *map(Tensor, inputs))


def test_einsum_wants_its_subscripts_first():
    with pytest.raises(TypeError, match=r'einsum: the subscripts come first, as in einsum\("ij,jk->ik", a, b\)'):
        np.einsum(Tensor(np.ones(2)), "i")


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((2, 3), (4, 3), r"a has shape \(2, 3\) and b \(4, 3\), so rows of 3 meet columns of 4; b\.mT would fit"),
        ((3, 2), (3, 4), r"rows of 2 meet columns of 3; a\.mT would fit"),
        ((3,), (4,), "rows of 3 meet columns of 4$"),
        ((2, 3), (), r"a number is no matrix: write a \* b"),
        ((2, 4, 3), (5, 3, 1), "the axes before the last two do not broadcast"),
    ],
)
def test_matmul_says_which_shapes_do_not_fit(a, b, message):
    with pytest.raises(ValueError, match="matmul: .*" + message):
        Tensor(np.ones(a)) @ np.ones(b)


# --------------------------------------------------------------------------------------------------------- sets of axes
AXES = [None, *(axes for k in (1, 2, 3) for axes in itertools.combinations(range(3), k)), 1, -1, (-1, 0), (2, 0, 1)]
REDUCTIONS = ["sum", "mean", "prod", "max", "min", "var", "std", "norm", "logsumexp"]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_over_every_set_of_axes(name, axis, keepdims):
    if name == "norm" and axis is not None and np.size(axis) == 3:
        with pytest.raises(ValueError, match="norm: ord=None over 3 axes"):
            minigrad.norm(numbers(2, 3, 2), axis=axis)
        return
    x = np.round(numbers(2, 3, 2) * 2) / 2  # ties, and now and then a zero
    assert_agrees_with_torch(name, x, axis=axis, keepdims=keepdims, second=axis in (None, 1, (0, 2), (-1, 0)))


@pytest.mark.parametrize("ddof", [0, 1, 2])
@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(name, ddof):
    assert_agrees_with_torch(name, numbers(4, 3), axis=0, ddof=ddof)
    with pytest.raises(ValueError, match=rf"{name}: ddof=4 needs more than 4 entries .* of shape \(4, 3\) has 4"):
        REGISTRY[name].function(numbers(4, 3), axis=0, ddof=4)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # NumPy's word, also where no mean is asked for
@pytest.mark.parametrize("name", [name for name in REDUCTIONS if name not in ("max", "min")])  # those refuse, as NumPy
def test_no_results_of_no_entries(name):
    """Of an axis without entries there may be nothing to say; where there are no results, nobody asks."""
    assert REGISTRY[name].function(np.zeros((0, 0)), axis=0).shape == (0,)


@pytest.mark.parametrize("zeros", [0, 1, 2, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 17])
def test_prod_of_many(n, zeros):
    """The derived tests have axes of 3; the products before and behind an entry need as many steps as n has digits."""
    x = numbers(n)
    x[np.random.default_rng(n).permutation(n)[:zeros]] = 0
    assert_agrees_with_torch("prod", x)


NORMS = [
    ((4,), None, None), ((4,), 2, None), ((4,), 1, None), ((4,), np.inf, None), ((3, 4), None, None),
    ((3, 4), "fro", None), ((3, 4), 1, 0), ((3, 4), np.inf, -1), ((2, 3, 4), None, None), ((2, 3, 4), 2, 1),
    ((2, 3, 4), "fro", (0, 2)), ((2, 3, 4), None, (-1, 0)), ((4,), 3, None), ((4,), 0, None), ((4,), -np.inf, None),
    ((4,), 0.5, None), ((4, 2), -1.5, 0), *[((3, 4), ord, None) for ord in (1, -1, 2, -2, np.inf, -np.inf, "nuc")],
    ((2, 3, 4), -1, (2, 0)), ((2, 3, 4), 2, (0, 1)), ((2, 3, 4), "nuc", (-1, 0)),
]  # fmt: skip


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "ord", "axis"), NORMS, ids=str)
def test_norms(shape, ord, axis, keepdims):
    x = Tensor(numbers(*shape), requires_grad=True)
    y = np.linalg.norm(x, ord, axis, keepdims)
    np.testing.assert_allclose(y.data, np.linalg.norm(x.data, ord, axis, keepdims), rtol=1e-14)
    if ord == 0:
        assert not y.requires_grad
        return
    twin = torch.from_numpy(x.data.copy()).requires_grad_()
    want = torch.linalg.norm(twin, ord, axis, keepdims)
    g = numbers(*y.shape, seed=1)
    (slope,) = torch.autograd.grad(want, twin, torch.tensor(g))
    np.testing.assert_allclose(gradients(y, x, gradient=g)[0].data, slope.numpy(), rtol=1e-13, atol=1e-16)
    assert minigrad.norm(x.data, ord, axis, keepdims).data.tolist() == y.data.tolist()


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 1, (0, 2), (2, 0, 1)], ids=str)
@pytest.mark.parametrize("ord", [2, 1, 3, -np.inf])
def test_vector_norms(ord, axis, keepdims):
    """Of all entries along any axes, as of those of one vector."""
    x = Tensor(numbers(2, 3, 4), requires_grad=True)
    y = np.linalg.vector_norm(x, ord=ord, axis=axis, keepdims=keepdims)
    want = np.linalg.vector_norm(x.data, ord=ord, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(y.data, want, rtol=1e-14, strict=True)
    gradcheck(lambda x: minigrad.vector_norm(x, ord=ord, axis=axis, keepdims=keepdims), [x])


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -2, np.inf])
def test_matrix_norms(ord):
    x = Tensor(numbers(2, 3, 4), requires_grad=True)
    want = np.linalg.matrix_norm(x.data, ord=ord, keepdims=True)
    np.testing.assert_allclose(np.linalg.matrix_norm(x, ord=ord, keepdims=True).data, want, rtol=1e-14, strict=True)


@pytest.mark.parametrize(
    ("shape", "ord", "axis"),
    [((4,), "fro", None), ((4,), "nuc", 0), ((3, 4), 3, None), ((3, 4), 0, None), ((2, 3, 4), 1, None)],
)
def test_other_norms_are_refused_by_name(shape, ord, axis):
    with pytest.raises(ValueError, match=r"norm: ord=.* is not supported\. Over one axis it is a number, over two"):
        np.linalg.norm(Tensor(np.ones(shape)), ord, axis)


# ------------------------------------------------------------------------------------------------------ kinds of number
MODULES = "elementwise", "circular", "activations", "reduce", "linalg"
MINE = [
    operation
    for operation in REGISTRY.values()
    if operation.function.__module__.rpartition(".")[2] in MODULES
    and not operation.composed
    and any(operation.rules if not operation.variadic else [True])
    and operation.name != "astype"
]
NOT_ANALYTIC = {"abs", "max", "min", "maximum", "minimum", "clip", "where", "hardtanh", "nan_to_num"}
NOT_ANALYTIC |= {"fmax", "fmin", "heaviside", "copysign", "remainder", "fmod"}
NOT_ANALYTIC |= {"arctan2", "hypot", "cbrt", "logaddexp", "logaddexp2", "deg2rad", "rad2deg"}  # of reals, in NumPy
NOT_IN_LONG_DOUBLE = {"inv"}  # numpy.linalg has single and double precision


@pytest.mark.parametrize("operation", [o for o in MINE if o.name not in NOT_IN_LONG_DOUBLE], ids=lambda o: o.name)
def test_the_forward_keeps_long_double(operation):
    """Finite differences in long double are the oracle of gradcheck."""
    for params in operation.params:
        inputs = generic_inputs(operation, 0, False, np.random.default_rng(2))
        wide = [x.astype(np.longdouble) if x.dtype.kind == "f" else x for x in inputs]
        assert operation.forward(*wide, **params).dtype == np.longdouble


@pytest.mark.parametrize("operation", [o for o in MINE if o.name not in NOT_ANALYTIC], ids=lambda o: o.name)
def test_the_forward_takes_a_complex_step(operation):
    """Im f(x + ih) / h is f'(x) to all digits, with no difference taken: an oracle that is neither torch nor a rule."""
    for params in operation.params:
        params = {**operation.defaults, **params}
        xs = generic_inputs(operation, 0, False, np.random.default_rng(3))
        for i, x in enumerate(xs):
            u = numbers(*x.shape, seed=i)
            stepped = [x + 1e-30j * u if j == i else other for j, other in enumerate(xs)]
            exactly = np.imag(operation.forward(*stepped, **params)) / 1e-30
            leaf = Tensor(x, requires_grad=True)
            y = REGISTRY[operation.name].function
            inputs = [leaf if j == i else other for j, other in enumerate(xs)]
            result = y(params["subscripts"], *inputs) if "subscripts" in params else y(*inputs, **params)
            g = numbers(*result.shape, seed=9)
            (slope,) = gradients(result, leaf, gradient=g)
            np.testing.assert_allclose((slope.data * u).sum(), (g * exactly).sum(), rtol=1e-12)


def test_an_integer_dtype_ends_the_derivative():
    x = Tensor([1.5, -2.5], requires_grad=True)
    y = x.astype(int)
    assert y.data.tolist() == [1, -2]
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match=r"truncated at .* constant nearly everywhere"):
        (y * 1.0).sum().backward()
    assert type(np.astype(x, np.float32)) is type(minigrad.astype(x.data, int)) is Tensor


# --------------------------------------------------------------------------------------------------- Python's operators
def test_operators_take_a_number_or_an_array_on_either_side():
    array = np.array([-1.5, 2.0])
    t = Tensor(array, requires_grad=True)
    other = np.array([2.0, 2.0])
    for symbol in "+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=":
        for left, right in [("t", "2.0"), ("2.0", "t"), ("t", "other"), ("other", "t"), ("t", "np.float64(2)")]:
            expression = f"{left} {symbol} {right}"
            got = eval(expression)
            assert type(got) is Tensor, expression
            np.testing.assert_array_equal(got.data, eval(expression, {"t": array, "other": other, "np": np}))
    for got, want in [
        (2.0**t, 2.0**array), (t**3, array**3), (other**t, other**array), (abs(t), abs(array)), (-t, -array),
        (+t, array), (~(t > 0), array <= 0), ((t > 0) & (t < 3), [False, True]), ((t < 0) | (other > t), [True, False]),
        (np.logical_and(t > 0, t < 3), [False, True]), (np.logical_or(t < 0, t > 3), [True, False]),
        (np.logical_not(t > 0), [True, False]), (np.isnan(t), [False, False]), (np.isfinite(t), [True, True]),
    ]:  # fmt: skip
        assert type(got) is Tensor
        np.testing.assert_array_equal(got.data, want)


def test_the_names_of_clips_bounds():
    x = Tensor([-2.0, 0.5, 2.0])
    for y in np.clip(x, -1, 1), x.clip(-1, 1), x.clip(min=-1, max=1), np.clip(x, a_min=-1, a_max=1):
        assert y.data.tolist() == [-1.0, 0.5, 1.0]
    assert x.clip(max=0).data.tolist() == [-2.0, 0.0, 0.0]
    assert np.clip(x, 0, None).data.tolist() == [0.0, 0.5, 2.0]
    with pytest.raises(TypeError, match="clip: a bound was given twice"):
        minigrad.clip(x, 0, min=1)


@FLOATS
@pytest.mark.parametrize("condition", [[2, 0, -1], [0.5, 0.0, np.nan], [True, False, True]])
def test_a_condition_of_any_dtype_holds_where_it_is_not_0(condition, dtype):
    """Also for what is sent back, and in a program."""
    a, b = (Tensor(np.ones(3, dtype), requires_grad=True) for _ in range(2))
    np.where(np.array(condition), a, b).backward(np.full(3, 3, dtype))
    assert (a.grad.tolist(), b.grad.tolist()) == ([3, 0, 3], [0, 3, 0])
    slope = minigrad.compile(minigrad.grad(lambda a, c: (3 * np.where(c, a, 0)).sum()))
    assert slope(np.ones(3, dtype), np.array(condition)).tolist() == [3, 0, 3]
