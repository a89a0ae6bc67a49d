"""Tensor as an object: what it holds, how it looks, what it refuses, and how NumPy gets on with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOATS, arrays, grid
from students import leaf, line_of

import minigrad
from minigrad import Tensor, gradients, tape
from minigrad.ops.registry import REGISTRY

HERE = Path(__file__)


# ----------------------------------------------------------------------------------------------------- construction
@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (3, np.int64, ()),
        (3.0, np.float64, ()),
        (True, np.bool_, ()),
        (1 + 2j, np.complex128, ()),
        ([1, 2.5], np.float64, (2,)),
        ([[1, 2], [3, 4]], np.int64, (2, 2)),
        ([], np.float64, (0,)),
        (np.float32(2), np.float32, ()),
        (np.ones((2, 0), np.float16), np.float16, (2, 0)),
    ],
)
def test_what_a_tensor_is_made_from(data, dtype, shape):
    t = Tensor(data)
    assert type(t.data) is np.ndarray
    assert (t.dtype, t.shape, t.ndim, t.size) == (dtype, shape, len(shape), np.prod(shape))
    np.testing.assert_array_equal(t.data, data)
    assert not t.requires_grad
    assert t.grad is None


@pytest.mark.parametrize("data", ["text", None, [1, "a"], [[1, 2], [3]], object(), {"a": 1}, np.array([None])])
def test_what_is_not_numbers_is_refused(data):
    with pytest.raises(TypeError, match="numbers"):
        Tensor(data)


def test_a_tensor_of_a_tensor_is_refused():
    with pytest.raises(TypeError, match="detach"):
        Tensor(Tensor(1.0))


@pytest.mark.parametrize("data", [3, [1, 2], True, 1j, np.arange(3)])
def test_requires_grad_needs_real_floats(data):
    with pytest.raises(TypeError, match=r"real floating[\s\S]*(int64|bool|complex128)"):
        Tensor(data, requires_grad=True)
    t = Tensor(data)
    with pytest.raises(TypeError, match="real floating"):
        t.requires_grad = True


def test_an_array_is_not_copied():
    array = np.ones(3)
    assert Tensor(array).data is array
    assert Tensor(array).numpy() is array


def test_requires_grad_can_be_set_on_leaves_only():
    t = Tensor(2.0)
    t.requires_grad = True
    y = t * t
    y.backward()
    assert t.grad == 4.0
    with pytest.raises(ValueError, match="detach"):
        y.requires_grad = False


# ----------------------------------------------------------------------------------------------------------- the data
def test_data_can_be_rebound_on_a_leaf():
    w = leaf(1.0, 2.0, dtype=np.float32)
    w.data = np.array([3.0, 4.0])
    assert w.dtype == np.float32
    np.testing.assert_array_equal(w.data, [3, 4])
    with pytest.raises(ValueError, match=r"\(2,\)[\s\S]*\(3,\)"):
        w.data = np.ones(3)
    with pytest.raises(ValueError, match="result"):
        (w * 2).data = np.ones(2)
    with pytest.raises(TypeError, match="numbers"):
        w.data = "text"


def test_item():
    assert Tensor([[2.5]]).item() == 2.5
    assert type(Tensor(np.float32(2)).item()) is float
    assert type(Tensor(2).item()) is int
    with pytest.raises(ValueError, match=r"\(2,\)"):
        leaf(1.0, 2.0).item()


def test_detach():
    x = leaf(2.0)
    y = x * x
    d = y.detach()
    assert d.data is y.data
    assert not d.requires_grad
    assert tape(d) == [d]


def test_zero_grad():
    x = leaf(2.0)
    (x * x).backward()
    assert x.zero_grad() is None
    assert x.grad is None


def test_transposes():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    np.testing.assert_array_equal(x.T.data, x.data.T)
    np.testing.assert_array_equal(x.mT.data, x.data.mT)


def test_len_bool_float():
    assert len(Tensor([1, 2, 3])) == 3
    assert bool(Tensor(1.0))
    assert not Tensor([[0.0]])
    assert (float(Tensor(2.5)), int(Tensor(3)), complex(Tensor(2.0)), [5, 6][Tensor(1)]) == (2.5, 3, 2, 6)
    with pytest.raises(TypeError, match=r"\(2,\)"):
        float(Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"\(2,\)"):
        bool(leaf(1.0, 2.0))
    with pytest.raises(TypeError):
        len(Tensor(1.0))


def test_a_tensor_cannot_be_assigned_into():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=r"where"):
        x[0] = 5.0
    np.testing.assert_array_equal(x.data, [1, 2])


def test_tensors_are_compared_entry_by_entry_and_hashed_by_identity():
    a, b = leaf(1.0, 2.0), leaf(1.0, 3.0)
    assert (a == b).data.tolist() == [True, False]
    assert (b > a).data.tolist() == [False, True]
    assert not (a == b).requires_grad
    assert len({a, b, a}) == 2
    assert {a: "a", b: "b"}[b] == "b"


# --------------------------------------------------------------------------------------------------------------- repr
def test_repr():
    assert repr(Tensor([1.0, 2.5])) == "Tensor([1. , 2.5])"
    assert repr(Tensor(3)) == "Tensor(3)"
    assert repr(leaf(2.0)) == "Tensor(2., requires_grad=True)"
    assert repr(Tensor(np.ones(2, np.float32))) == "Tensor([1., 1.], dtype=float32)"
    assert repr(leaf(2.0) * 3) == "Tensor(6., op=multiply)"
    assert repr(Tensor(2.0) * 3) == "Tensor(6.)"


def test_repr_of_a_large_tensor_is_short():
    assert len(repr(Tensor(np.zeros((1000, 1000))))) < 500


# --------------------------------------------------------------------------------------- operators with arrays, numbers
OPERATORS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a**b,
    lambda a, b: a @ b,
]
NAMES = "add", "subtract", "multiply", "divide", "power", "matmul"
OTHERS = [2.0, 3, np.float64(2.0), np.float32(2.0), np.int64(3), np.array([2.0, 4.0]), [2.0, 4.0], Tensor([2.0, 4.0])]


@pytest.mark.parametrize("other", OTHERS, ids=lambda o: type(o).__name__ + str(np.ndim(o)))
@pytest.mark.parametrize("f", OPERATORS, ids=NAMES)
def test_operators_on_either_side(f, other):
    """Never an array of objects, always a Tensor on the tape, and the numbers that NumPy has."""
    x = leaf(1.5, 2.5)
    plain = other.data if isinstance(other, Tensor) else np.asarray(other)
    if f is OPERATORS[-1] and plain.ndim == 0:
        with pytest.raises((ValueError, TypeError)):
            f(x, other)
        return
    for y, want in (f(x, other), f(x.data, plain)), (f(other, x), f(plain, x.data)):
        assert type(y) is Tensor
        assert y.requires_grad
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y.data, want)


@pytest.mark.parametrize("f", OPERATORS, ids=NAMES)
@pytest.mark.parametrize("other", ["text", None, object(), {}], ids=lambda o: type(o).__name__)
def test_operators_with_what_is_not_numbers(f, other):
    with pytest.raises(TypeError, match=r"unsupported operand|\.item\(\)"):
        f(leaf(1.0, 2.0), other)


@given(st.sampled_from(FLOATS).flatmap(lambda dtype: st.tuples(*[arrays((2, 3), dtype, grid())] * 2)))
def test_numpys_functions_are_the_operations(pair):
    """np.exp(t) and its kin go on the tape and give what NumPy gives, in the same dtype."""
    a, b = pair
    x = Tensor(a, requires_grad=True)
    for f in [
        np.exp,
        np.tanh,
        np.square,
        np.negative,
        np.sum,
        np.mean,
        np.transpose,
        lambda x: np.add(x, b),
        lambda x: np.subtract(b, x),
        lambda x: np.maximum(x, b),
        lambda x: np.where(b > 0, x, b),
        lambda x: np.matmul(x, b.T),
        lambda x: b.T @ x,
        lambda x: np.sum(x, axis=0),
        lambda x: np.sum(x, 1),
        lambda x: np.sum(x, axis=(0, -1), keepdims=True),
        lambda x: np.mean(x, axis=-1),
        lambda x: np.reshape(x, (3, 2)),
        lambda x: np.reshape(x, -1),
        lambda x: np.transpose(x, (1, 0)),
        lambda x: np.broadcast_to(x, (2, 2, 3)),
        lambda x: np.expand_dims(x, 1),
        lambda x: x.sum(0),
        lambda x: x.sum(axis=1, keepdims=True),
        lambda x: x.mean(),
        lambda x: x.reshape(3, 2),
        lambda x: x.reshape((6,)),
        lambda x: x.reshape(-1),
        lambda x: x.transpose(),
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)),
    ]:
        y, want = f(x), f(a)
        assert type(y) is Tensor
        assert y.requires_grad
        assert y.dtype == want.dtype
        assert y.shape == want.shape
        np.testing.assert_array_equal(y.data, want)


def test_shapes_of_tensors_are_numbers():
    x = leaf(1.0, 2.0)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2,), 1, 2)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (np.spacing, "np.spacing"),
        (np.hypot.reduce, "np.hypot.reduce"),
        (lambda x: np.add.reduceat(x, [0]), "np.add.reduceat"),
        (lambda x: np.add.at(x, 0, 1.0), "np.add.at"),
        (np.frexp, "np.frexp"),
        (lambda x: np.linalg.eig(x), "np.linalg.eig"),
        (lambda x: np.add(x, x, out=np.zeros(2)), "out="),
        (lambda x: np.sum(x, out=np.zeros(())), "out"),
        (lambda x: np.zeros(2).__iadd__(x), "out="),
    ],
)
def test_what_cannot_be_recorded_is_named(f, name):
    with pytest.raises(TypeError) as caught:
        f(leaf(1.0, 2.0))
    assert name in str(caught.value)


def test_asarray_of_a_tensor_that_requires_grad_raises():
    x = leaf(1.0, 2.0)
    for f in np.asarray, np.array, lambda t: np.asarray(t, dtype=np.float32), lambda t: np.zeros(2).__setitem__(..., t):
        with pytest.raises(TypeError, match="detach"):
            f(x)
        with pytest.raises(TypeError, match="detach"):
            f(x * 2)


def test_asarray_of_a_constant():
    t = Tensor([1.0, 2.0])
    assert np.asarray(t) is t.data or np.shares_memory(np.asarray(t), t.data)
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    copied = np.array(t, copy=True)
    assert not np.shares_memory(copied, t.data)


def test_never_an_array_of_objects():
    x = leaf(1.0, 2.0)
    for f in [
        lambda: np.array([1.0, 2.0]) + x,
        lambda: np.array([1.0, 2.0]) * x,
        lambda: np.array([[1.0, 2.0]]) @ x,
        lambda: np.float64(2) * x,
        lambda: [1.0, 2.0] * x,
        lambda: (1.0, 2.0) - x,
    ]:
        assert type(f()) is Tensor
        assert f().dtype == np.float64
        assert f().requires_grad


# ------------------------------------------------------------------------------------------- where a tensor was made
def made_at(t: Tensor) -> tuple[str, int]:
    return t.where.file, t.where.line


def test_places_of_every_kind_of_call():
    a = Tensor([1.0, 2.0], requires_grad=True)  # leaf
    b = a * 2.0  # operator
    c = 2.0 - b  # reflected
    d = np.exp(c)  # function
    e = np.array([1.0, 2.0]) * d  # array first
    f = e.sum()  # method
    g = minigrad.mse_loss(e, [0.0, 0.0])  # loss
    h = e @ e  # normalised by a public function
    i = np.mean(e, axis=0)  # array function
    j = a.T  # property
    k = b**2  # public square
    comments = ["leaf", "operator", "reflected", "function", "array first", "method", "loss"]
    comments += ["normalised by a public function", "array function", "property", "public square"]
    for t, comment in zip([a, b, c, d, e, f, g, h, i, j, k], comments, strict=True):
        assert made_at(t) == (str(HERE), line_of(HERE, comment)), comment
    for node in tape(h):  # what the public function recorded on the way belongs to the same line
        assert node.where.file == str(HERE)


def test_a_place_in_a_function_application():
    class Double(minigrad.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad

    y = Double.apply(leaf(1.0))  # applied
    assert made_at(y) == (str(HERE), line_of(HERE, "applied"))


def test_a_recorded_sweep_shows_the_line_of_its_forward():
    """The gradient of a node was not made where gradients() was called, but where the node was."""
    x = leaf(3.0)
    y = np.tanh(x)  # forward
    (slope,) = gradients(y, [x], create_graph=True)
    derived = [t for t in tape(slope) if t.op is not None and t is not y]
    assert len(derived) > 1
    assert {made_at(t) for t in derived} == {(str(HERE), line_of(HERE, "forward"))}
    after = slope * 2  # after
    assert made_at(after) == (str(HERE), line_of(HERE, "after"))


def test_an_error_in_a_backward_names_the_forward_line():
    class Broken(minigrad.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            raise ArithmeticError("no")

    y = Broken.apply(leaf(1.0))  # broken
    with pytest.raises(ArithmeticError) as caught:
        y.backward()
    assert f"{HERE}:{line_of(HERE, 'broken')}" in "".join(caught.value.__notes__)


# ----------------------------------------------------------------------------------------------------- static arguments
def test_positional_arguments_bind_to_static_ones():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    np.testing.assert_array_equal(minigrad.sum(x, 0).data, x.data.sum(0))
    assert minigrad.logsumexp(x, 1, True).shape == (2, 1)
    np.testing.assert_array_equal(minigrad.reshape(x, (3, 2)).data, x.data.reshape(3, 2))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: minigrad.sum(x, axes=0),
        lambda x: minigrad.exp(),
        lambda x: minigrad.exp(x, x),
        lambda x: x.sum(0, 1, 2),
    ],
)
def test_wrong_arguments_name_the_operation_and_its_signature(f):
    with pytest.raises(TypeError, match=r"(sum\(x, (\*, )?axis|exp\(x)"):
        f(leaf(1.0, 2.0))


def test_help_reads_like_any_functions():
    assert minigrad.multiply.__name__ == "multiply"
    assert minigrad.multiply.__doc__.startswith("y = a * b")
    for name, operation in REGISTRY.items():
        assert operation.formula, f"{name} has no docstring"
        assert operation.function.__name__ == name
