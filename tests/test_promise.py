"""Every number that reaches a result is recorded, or refused with the remedy.

Of a tensor on the tape only what says so leaves it: item(), numpy(), data, detach(), a comparison in `if`, its repr.
NumPy and Python take numbers out of objects in many ways, and each of them is tried here: alone, in the table of steps,
and in random programs of such steps.
"""

from __future__ import annotations

import array
import asyncio
import cmath
import copy
import inspect
import json
import math
import operator
import pickle
import re
import statistics
import struct
import threading
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad
from minigrad import Tensor, enable_grad, grad, nn, no_grad, optim
from minigrad.engine.numerical import numerical_gradient
from minigrad.program.symbol import TraceError

AT = np.array([0.7, -1.3, 2.1])


def leaf(data):
    return Tensor(np.array(data, float), requires_grad=True)


# ----------------------------------------------------------------------------------------------------- random programs
def written(write, *shape):
    """A step that writes its input into an array of ones with `write`, and goes on with the array."""

    def step(v):
        target = np.ones(shape)
        write(target, v)
        return target

    return step


def assign(index):
    return lambda target, v: target.__setitem__(index, v)


NUMBER, ROW = (lambda v: v.size == 1), (lambda v: v.shape == (3,))
REMEDY = re.compile(r"\.item\(\)|\.detach\(\)|required argument is not a float")  # struct speaks for itself

RECORDED = {  # name: what a step takes, what it makes of it
    "negative": (np.size, operator.neg),
    "exp": (np.size, lambda v: np.exp(v / 4)),
    "tanh": (np.size, np.tanh),
    "abs": (np.size, abs),
    "sin": (np.size, lambda v: np.sin(v) * v),
    "square": (np.size, lambda v: v**2),
    "power": (np.size, lambda v: (v * v + 1) ** 0.5),
    "reflected": (np.size, lambda v: 1.5 - v / 3),
    "array first": (np.size, lambda v: np.full(3, 0.5) * v if v.ndim < 2 else 0.5 * v),
    "sum": (np.size, np.sum),
    "mean": (np.size, lambda v: v.mean()),
    "max": (np.size, np.max),
    "minimum": (np.size, lambda v: np.minimum(v, 0.25)),
    "clip": (np.size, lambda v: np.clip(v, -1, 1)),
    "where": (np.size, lambda v: np.where(v > 0, v, 3 * v)),
    "var": (np.size, np.var),
    "norm": (np.size, lambda v: np.linalg.norm(np.reshape(v, -1)) if v.size > 1 else v),
    "first": (ROW, lambda v: v[0]),
    "backwards": (ROW, lambda v: v[::-1]),
    "gather": (ROW, lambda v: v[[2, 0, 2]]),
    "mask": (ROW, lambda v: v[v > v.mean()]),
    "by argmax": (ROW, lambda v: v[v.argmax()]),
    "matmul": (ROW, lambda v: v @ np.diag([1.0, 2.0, 3.0]) @ v),
    "outer": (ROW, lambda v: np.reshape(v, (3, 1)) * v),
    "transpose": (np.size, lambda v: v.T),
    "stack": (NUMBER, lambda v: np.stack([v, 2 * v, v * v])),
    "concatenate": (ROW, lambda v: np.concatenate([v, v[1:]])),
    "loop": (ROW, lambda v: sum(w * w for w in v)),
    "prod": (ROW, math.prod),
    "sorted": (ROW, lambda v: np.stack(sorted(v))),
    "largest": (ROW, max),
    "branch": (NUMBER, lambda v: v * 2 if v > 0.1 else v * v),
    "in place": (np.size, lambda v: operator.imul(v * 1, 3.0)),
    "objects": (ROW, lambda v: np.frompyfunc(lambda number: v[1] * number, 1, 1)([1.0, 2.0]).sum()),
    "logspace": (NUMBER, lambda v: np.logspace(0, v, 4)),
    "interp": (NUMBER, lambda v: np.interp(v, [-9.0, 9.0], [-9.0, 9.0])),
    "array by floor": (ROW, lambda v: np.arange(9.0)[np.floor(v).astype(int) + 2] * v),
    "array by argmax": (ROW, lambda v: np.arange(3.0)[v.argmax()] * v),
    "array by mask": (ROW, lambda v: np.arange(3.0)[v > 0].sum() * v),
}
REFUSED = {
    "entry": (NUMBER, written(assign((0, 1)), 2, 2)),
    "row": (ROW, written(assign(0), 2, 3)),
    "where positive": (np.size, written(lambda a, v: a.__setitem__(a > 0, v.reshape(-1)[0]), 3)),
    "everywhere": (ROW, written(assign(...), 3)),
    "list of entries": (ROW, written(lambda a, v: a.__setitem__([0, 1], [v[0], v[1]]), 3)),
    "flat": (NUMBER, written(lambda a, v: a.flat.__setitem__(1, v), 3)),
    "fill": (NUMBER, written(lambda a, v: a.fill(v), 3)),
    "put": (NUMBER, written(lambda a, v: np.put(a, 1, v), 3)),
    "copyto": (ROW, written(np.copyto, 3)),
    "place": (ROW, written(lambda a, v: np.place(a, a > 0, v), 3)),
    "add.at": (NUMBER, written(lambda a, v: np.add.at(a, 1, v), 3)),
    "out": (ROW, written(lambda a, v: np.multiply(v, 2.0, out=a), 3)),
    "array in place": (ROW, written(operator.imul, 3)),
    "fromiter": (ROW, lambda v: np.fromiter(v, float)),
    "array of two": (NUMBER, lambda v: np.array([v, v * v])),
    "array": (np.size, lambda v: np.asarray(v) * 2),
    "float32": (NUMBER, lambda v: np.float64(v) * v),
    "full": (NUMBER, lambda v: np.full(3, v)),
    "mean of a list": (NUMBER, lambda v: np.mean([v, v * v])),
    "dot of an array": (ROW, lambda v: np.ones(3).dot(v)),
    "vectorize": (ROW, lambda v: np.vectorize(math.sin)(v)),
    "apply_along_axis": (ROW, lambda v: np.apply_along_axis(lambda row: row[0] * v, 0, np.ones((2, 3))).sum()),
    "math.sin": (NUMBER, lambda v: math.sin(v) * v),
    "math.hypot": (NUMBER, lambda v: math.hypot(v, 1.0)),
    "math.fsum": (ROW, math.fsum),
    "cmath": (NUMBER, lambda v: cmath.exp(v).real),
    "float": (NUMBER, lambda v: float(v) * v),
    "complex": (NUMBER, lambda v: complex(v).real * v),
    "round": (NUMBER, lambda v: round(float(np.float64(v)), 1) + v),
    "floor": (NUMBER, lambda v: math.floor(v) + v),
    "int": (NUMBER, lambda v: int(v) * v),
    "fmean": (ROW, statistics.fmean),
    "statistics.mean": (ROW, lambda v: statistics.mean(v)),
    "struct": (NUMBER, lambda v: struct.unpack("d", struct.pack("d", v))[0] * v),
    "array.array": (NUMBER, lambda v: array.array("d", [v])[0] * v),
    "list by argmax": (ROW, lambda v: [1.0, 2.0, 3.0][v.argmax()] * v),
    "range": (ROW, lambda v: sum(range(v.argmax() + 1)) * v),
    "rounded text": (NUMBER, lambda v: float("%.3f" % v) * v),  # noqa: UP031
}
STEPS = RECORDED | REFUSED


def run(program, x):
    """Registers start with x; a step takes the register that it names, and adds one. All of them make the result."""
    registers = [x]
    for name, register in program:
        fits, step = STEPS[name]
        v = registers[register % len(registers)]
        if not fits(v):
            return None
        registers.append(np.asarray(made) if isinstance(made := step(v), float | int) else made)
    return sum(np.sum(v) * (i + 1.25) for i, v in enumerate(registers))


def numerically(program):
    """The gradient at AT and how sure it is; the program in NumPy."""
    with np.errstate(all="ignore"):
        slopes, errors, _ = numerical_gradient(lambda x: np.asarray(run(program, x)), AT, np.ones(1))
    return slopes[0], errors[0]


def agrees(program):
    got = grad(lambda x: run(program, x))(AT)
    want, error = numerically(program)
    sure = np.isfinite(want) & (error < 1e-5 * (1 + abs(want)))
    np.testing.assert_allclose(got[sure], want[sure], rtol=1e-4, atol=1e-4)
    return sure.any()


def programs_of(name):
    """The step alone, on what it takes: x, or an entry, or the entry made a number of one entry more."""
    if STEPS[name][0] is NUMBER:
        return [("first", 0), (name, 1)], [("sum", 0), ("tanh", 1), (name, 2)]
    return [(name, 0)], [("tanh", 0), (name, 1)]


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded_has_the_gradient(name):
    assert all(agrees(program) for program in programs_of(name))


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_lose_a_gradient_is_refused(name):
    for program in programs_of(name):
        assert np.isfinite(run(program, AT))  # NumPy takes it
        with pytest.raises((TypeError, ValueError, struct.error)) as caught:
            grad(lambda x, program=program: run(program, x))(AT)
        said = [caught.value, caught.value.__cause__, caught.value.__context__]
        if name not in ("flat", "statistics.mean"):  # which say something of their own instead
            assert any(REMEDY.search(str(error)) for error in said), caught.value


@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5)), min_size=1, max_size=6))
def test_a_random_program_has_the_numerical_gradient_or_raises(program):
    value = None
    with suppress(TypeError, ValueError, IndexError):  # NumPy does not take every program
        value = run(program, AT)
    assume(value is not None and np.isfinite(value))
    refused = any(name in REFUSED for name, _ in program)
    with suppress(TypeError, ValueError, struct.error) if refused else nullcontext():
        agrees(program)


# ------------------------------------------------------------------------------------------------ a number on the tape
ON_THE_TAPE = {
    "leaf": lambda: leaf(1.5),
    "leaf of one entry": lambda: leaf([[1.5]]),
    "leaf of two": lambda: leaf([1.5, 2.5]),
    "result": lambda: leaf(1.5) * 2,
    "position": lambda: leaf([1.5, 2.5]).argmax(),
    "condition": lambda: leaf(1.5) > 0,
}
CONVERSIONS = [
    *(float, int, complex, round, math.floor, math.ceil, math.trunc, math.sin, cmath.exp, math.factorial),
    *(range, bin, chr, operator.index, bytes, np.zeros),
    lambda x: complex(0, x),
    lambda x: round(x, 2),
    lambda x: [1, 2, 3][x],
    lambda x: "abc"[:x],
    lambda x: "ab" * x,
    lambda x: np.arange(3)[x:],
    lambda x: np.arange(3.0).reshape(x),
    lambda x: math.hypot(x, 1),
    lambda x: "%d" % x,  # noqa: UP031
    lambda x: json.dumps(x),
    lambda x: Decimal(x),
    lambda x: array.array("d", [x]),
    lambda x: np.random.default_rng(0).normal(x),
    lambda x: np.zeros(2).__setitem__(0, x),
    lambda x: np.zeros(2).__iadd__(x),
]
WHOLE = [  # which make an array of the whole tensor
    *(np.float32, np.int64, np.complex128, np.asarray, np.array),
    lambda x: np.array([x, x], dtype=object),
    lambda x: np.testing.assert_allclose(x, 1.5),
    lambda x: np.ma.ones(2) * x,
]


@pytest.mark.parametrize("convert", CONVERSIONS, ids=range(len(CONVERSIONS)))
@pytest.mark.parametrize("kind", ON_THE_TAPE)
def test_no_conversion_leaves_the_tape(kind, convert):
    with pytest.raises((TypeError, ValueError)):
        convert(ON_THE_TAPE[kind]())


@pytest.mark.parametrize("convert", WHOLE, ids=range(len(WHOLE)))
@pytest.mark.parametrize("kind", ["leaf", "leaf of one entry", "leaf of two", "result"])
def test_no_array_is_made_on_the_tape(kind, convert):
    with pytest.raises((TypeError, ValueError)):
        convert(ON_THE_TAPE[kind]())


@pytest.mark.parametrize("use", [np.asarray, lambda i: np.arange(3.0)[i]])
def test_positions_do_not_leave_a_program(use):
    """As arrays they may: but in a program, what they are for one input is not what they are for the next."""
    assert use(leaf([1.5, 2.5]).argmax()) == 1
    with pytest.raises(TraceError, match=r"leaves the tape.* a constant of the program"):
        minigrad.compile(lambda x: x * np.sum(use(x.argmax())))(np.array([1.5, 2.5]))


@pytest.mark.parametrize("kind", ["leaf", "leaf of one entry", "result"])
def test_the_refusal_names_the_exits(kind):
    x = ON_THE_TAPE[kind]()
    for convert, words in [
        (float, "float"),
        (math.sin, r"np\.sin\(x\)"),
        (complex, "complex"),
        (operator.index, "index"),
    ]:
        with pytest.raises(TypeError, match=words) as caught:
            convert(x)
        assert all(
            exit in str(caught.value) for exit in (".item()", ".numpy()", ".data", ".detach()", "test_promise.py")
        )
    for of_two, words in [(np.array, r"np\.stack\(\[x, y\]\)"), (np.mean, r"np\.stack"), (np.ones(2).dot, "w @ x")]:
        with pytest.raises(TypeError, match=words):
            of_two([x, x])
    assert float(x.item()) == x.numpy().item() == x.data.item() == float(x.detach())
    assert not x.detach().requires_grad


def test_a_constant_is_a_number():
    for t in Tensor(1.5), leaf(1.5).detach(), Tensor([[1.5]]):
        assert (float(t), int(t), complex(t), math.floor(t), math.ceil(t), round(t)) == (1.5, 1, 1.5, 1, 2, 2)
        assert math.sin(t) == math.sin(1.5)
    assert [1, 2, 3][Tensor(2)] == 3
    with pytest.raises(TypeError):
        [1, 2, 3][Tensor(2.0)]
    with pytest.raises(TypeError, match=r"\(2,\)"):
        float(Tensor([1.0, 2.0]))


def test_formatting_and_comparing_are_allowed():
    x = leaf(2.0)
    assert (f"{x:.3f}", f"{x * 2:8.2e}", f"{leaf([[2.0]]):.1f}") == ("2.000", "4.00e+00", "2.0")
    assert f"{leaf([1.0, 2.5]):.2f}" == "[1.00, 2.50]"
    assert f"{x}" == str(x) == "Tensor(2., requires_grad=True)"
    low, high = sorted([x * 2, x])
    assert low is x
    assert max(low, high) is high
    assert [low, high].index(high) == 1
    assert x in (None, "text", x)
    assert object() not in [x]


# ------------------------------------------------------------------------------------------------------- other arrays
class Table:
    """What data frames and arrays of other libraries have in common."""

    def __array__(self, dtype=None, copy=None):
        return np.ones(2)


class Pair(NamedTuple):
    first: Any
    second: Any


class Sparse:
    def toarray(self):
        return np.ones(2)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MATRIX = np.matrix([[1.0, 2.0]])
OTHERS = {
    "masked array": (np.ma.array([1.0, 2.0], mask=[0, 1]), r"MaskedArray .*np\.where\(m\.mask"),
    "masked": ([1.0, np.ma.masked], "MaskedConstant .*mask"),
    "masked in a pair": (Pair(np.ma.ones(2), deque([np.ma.ones(2)])), "MaskedArray .*mask"),
    "masked in a list": ([np.ma.array([1.0, 2.0], mask=[0, 1])], "MaskedArray .*mask"),
    "matrix": (MATRIX, r"matrix .*np\.asarray\(m\)"),
    "objects": (np.array([1, 2], object), r"object.*astype\(float\)"),
    "texts": (np.array(["1", "2"]), "numbers"),
    "times": (np.array([1, 2], "m8[s]"), "numbers"),
    "records": (np.zeros(2, "f8,f8"), "numbers"),
    "table": (Table(), r"Table .*np\.asarray\(x\)"),
    "sparse": (Sparse(), r"Sparse .*toarray\(\)"),
    "fractions": ([Fraction(1, 2)], r"float\(x\)"),
}
USES = {
    "Tensor": Tensor,
    "times": lambda a: leaf([1.0, 2.0]) * a,
    "times constant": lambda a: Tensor([1.0, 2.0]) * a,
    "matmul": lambda a: leaf([1.0, 2.0]) @ a,
    "function": lambda a: minigrad.add(leaf([1.0, 2.0]), a),
    "ufunc": lambda a: np.multiply(leaf([1.0, 2.0]), a),
    "where": lambda a: np.where(a, leaf([1.0, 2.0]), 0.0),
    "stack": lambda a: np.stack([leaf([1.0, 2.0]), a]),
    "loss": lambda a: minigrad.mse_loss(leaf([1.0, 2.0]), a),
    "seed": lambda a: (leaf([1.0, 2.0]) * 1).backward(a),
    "data": lambda a: setattr(leaf([1.0, 2.0]), "data", a),
    "grad": lambda a: grad(lambda x: (x * x).sum())(a) if not isinstance(a, list) else Tensor(a),
    "parameter": nn.Parameter,
    "linear": lambda a: minigrad.linear(a, leaf([[1.0], [2.0]])),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("other", OTHERS)
def test_other_arrays_are_refused_by_name(other, use):
    array, words = OTHERS[other]
    with pytest.raises(TypeError, match=words):
        USES[use](array)


MASKED = np.ma.array([1, 2], mask=[0, 1])
STATIC = {
    "repeat": lambda m: np.repeat(leaf([1.0, 2.0]), m),
    "pad": lambda m: np.pad(leaf([1.0, 2.0]), m),
    "margin": lambda m: np.pad(leaf([1.0, 2.0]), 1, constant_values=m),
    "split": lambda m: np.split(leaf([1.0, 2.0, 3.0]), m),
    "axis": lambda m: np.sum(leaf([[[1.0, 2.0]]]), axis=m[1:].reshape(())),
    "axes": lambda m: np.sum(leaf([[[1.0, 2.0]]]), axis=m),
    "reshape": lambda m: leaf([1.0, 2.0]).reshape(m),
    "parameter": lambda m: nn.BatchNorm1d(2).load_state_dict({"weight": m * np.float32(1)}, strict=False),
    "optimizer": lambda m: stepped().load_state_dict(with_momentum(stepped().state_dict(), m)),
    "program": lambda m: again(minigrad.compile(lambda x: (x * x).sum()), m),
    "program, called by name": lambda m: again(minigrad.compile(lambda x, k=1: (x * x).sum() * k), m, k=2),
}


def stepped():
    w = nn.Parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    w.grad = np.ones(2)
    optimizer.step()
    return optimizer


def with_momentum(state, momentum):
    state["state"][0]["momentum_buffer"] = momentum
    return state


def again(step, m, **static):
    step(np.asarray(m), **static)
    return step(m, **static)


@pytest.mark.parametrize("use", STATIC)
def test_a_mask_is_not_lost_in_an_argument(use):
    STATIC[use](MASKED.data)
    with pytest.raises((TypeError, ValueError), match=r"MaskedArray.*mask"):
        STATIC[use](MASKED)


def test_a_mask_on_the_left_is_named_in_the_remedy():
    with pytest.raises(TypeError, match=r"m\.filled\(0\) \* x for a masked m \* x"):
        MASKED * leaf([1.0, 2.0])


def test_a_matrix_is_refused_by_a_program_that_knows_its_shape():
    with pytest.raises(TypeError, match="matrix"):
        again(minigrad.compile(lambda x: x * x), MATRIX)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("g", [np.array([1j, 1]), [1j, 1], Tensor([1j, 1])], ids=["array", "list", "tensor"])
def test_a_complex_cotangent_is_refused(g):
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    y.register_hook(lambda _: g)
    _, pull = minigrad.vjp(np.sin, x.data)
    update = lambda: operator.isub(x, g)  # noqa: E731
    for use in (lambda: (x * 1).backward(g), (y * 1).sum().backward, lambda: pull(g), no_grad(update)):
        with pytest.raises(TypeError, match="complex"):
            use()
    assert x.grad is None
    np.testing.assert_array_equal(x.data, [1, 2])


@pytest.mark.parametrize("dtype", [object, "S8", "m8[s]", "f8,f8"])
def test_data_are_numbers_only(dtype):
    with pytest.raises(TypeError, match="a Tensor holds numbers"):
        leaf([1.0, 2.0]).astype(dtype)


def test_any_sequence_of_numbers_is_data():
    for data in (
        (1.0, 2.0),
        range(1, 3),
        deque([1, 2]),
        Pair(1.0, 2.0),
        array.array("d", [1, 2]),
        memoryview(np.arange(1, 3)),
    ):
        assert (Tensor(data) * 2).data.tolist() == [2, 4]


def test_a_backward_that_returns_another_kind_of_array_is_refused():
    class Masks(minigrad.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return np.ma.array(2 * grad, mask=[0, 1])

    with pytest.raises(TypeError, match="MaskedArray"):
        Masks.apply(leaf([1.0, 2.0])).sum().backward()


def test_data_keeps_its_kind():
    """A float does not become an integer by way of .data or an update in place."""
    t = Tensor([1, 2])
    with pytest.raises(TypeError, match="float64 cannot become int64"), no_grad():
        t *= 1.5
    with pytest.raises(TypeError, match="float64 cannot become int64"):
        t.data = [1.5, 2.5]
    w = Tensor(np.ones(2, np.float32))
    w.data = np.array([1, 2])
    assert w.dtype == np.float32


# ------------------------------------------------------------------------------------------------------------ operators
BINARY = ["add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv", "divmod"]


@pytest.mark.parametrize("name", BINARY)
def test_a_foreign_type_gets_its_turn(name):
    other = type("Other", (), {f"__r{name}__": lambda self, t: ("theirs", t), f"__{name}__": lambda self, t: "left"})()
    call = divmod if name == "divmod" else getattr(operator, name)
    for x in leaf([1.0, 2.0]), leaf(1.0) * 2:
        assert call(x, other) == ("theirs", x)
        assert call(other, x) == "left"
        for nothing in object(), None, {}:
            with pytest.raises(TypeError, match="unsupported operand"):
                call(x, nothing)
    assert leaf(1.0).__eq__(other) is NotImplemented
    assert (leaf(1.0) == other, leaf(1.0) != other) == (False, True)


IN_PLACE = {
    **dict.fromkeys(("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"), (2.0, np.float64)),
    "matmul": (np.array([[0.0, 1.0], [1.0, 0.0]]), np.float64),
    **dict.fromkeys(("and", "or", "xor", "lshift", "rshift"), (3, np.int64)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_every_operator_in_place_updates_a_leaf(name):
    other, dtype = IN_PLACE[name]
    array = np.array([3, 5], dtype)
    w = p = Tensor(array, requires_grad=dtype is np.float64)
    update = getattr(operator, f"i{name}")
    with no_grad():
        w = update(w, other)
    assert w is p
    assert w.requires_grad == (dtype is np.float64)
    np.testing.assert_array_equal(w.data, update(array.copy(), other))
    np.testing.assert_array_equal(array, [3, 5])  # what others hold is not written into
    if w.requires_grad:
        with pytest.raises(RuntimeError, match=rf"in-place {name} on a leaf that requires grad"):
            update(w, other)


# ------------------------------------------------------------------------------------------------------------- no_grad
def records():
    return (leaf(1.0) * 2).requires_grad


def test_a_generator_under_no_grad_records_between_its_steps_only():
    @no_grad
    def numbers():
        got = yield records()
        with enable_grad():
            yield got, records()
            yield records()
        try:
            yield records()
        except KeyError:
            yield "caught", records()
        return records()

    steps = numbers()
    assert (next(steps), records()) == (False, True)
    assert (steps.send(5), records()) == ((5, True), True)
    with no_grad():  # what is open outside does not meet what is open inside
        assert (next(steps), records()) == (True, False)
        assert (next(steps), records()) == (False, False)
    assert records()
    assert steps.throw(KeyError()) == ("caught", False)
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value is False
    assert records()
    assert inspect.isgeneratorfunction(numbers)


def test_coroutines_and_asynchronous_generators_under_no_grad():
    @no_grad()
    async def numbers():
        try:
            yield records()
            await asyncio.sleep(0)
            with enable_grad():
                got = yield records()
                yield got, records()
            try:
                yield records()
            except KeyError:
                yield "caught"
        finally:
            await asyncio.sleep(0)
            closed.append(records())

    @no_grad()
    async def once():
        first = records()
        await asyncio.sleep(0)
        return first, records()

    async def main():
        steps = numbers()
        assert (await anext(steps), records()) == (False, True)
        assert (await anext(steps), records()) == (True, True)
        assert (await steps.asend(3), records()) == ((3, True), True)
        assert (await anext(steps), records()) == (False, True)
        assert await steps.athrow(KeyError()) == "caught"
        assert closed == []
        await steps.aclose()
        assert [step async for step in numbers()] == [False, True, (None, True), False]
        assert await asyncio.gather(once(), once()) == [(False, False)] * 2
        assert records()

    closed: list[bool] = []
    asyncio.run(main())
    assert closed == [False, False]
    assert inspect.iscoroutinefunction(once)


def test_no_grad_in_every_way():
    class Model:
        @no_grad
        def method(self):
            return records()

        @classmethod
        @no_grad()
        def of_class(cls):
            return records()

        def __call__(self):
            yield records()

    @enable_grad()
    def recording():
        return records()

    @no_grad()
    def recursive(depth):
        return [records(), *(recursive(depth - 1) if depth else [])]

    off = no_grad()
    assert not any([Model().method(), Model.of_class(), *no_grad(Model())(), *off(lambda: (records() for _ in "ab"))()])
    assert recursive(3) == [False] * 4
    with off, off, enable_grad(), off:
        assert (records(), recording()) == (False, True)
    assert records()
    with ThreadPoolExecutor(2) as threads:  # both are inside of the same one at once
        meet = threading.Barrier(2)

        def inside():
            with off:
                meet.wait(10)
                found = records()
            return found, records()

        assert [f.result() for f in [threads.submit(inside) for _ in range(2)]] == [(False, True)] * 2
    for wrong in Model, staticmethod(records), 3:
        with pytest.raises(TypeError, match="no_grad decorates functions"):
            no_grad()(wrong)


# ------------------------------------------------------------------------------------------------------------- copies
COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "protocol 2": lambda x: pickle.loads(pickle.dumps(x, 2)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_leaves_and_models_are_copied(copied):
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    x.register_hook(print)
    y, again, constant = copied([x, x, (x * 2).detach()])
    assert y is again
    assert (y.requires_grad, y.op, y.hooks, constant.requires_grad) == (True, None, None, False)
    for a, b in (y.data, x.data), (y.grad, x.grad):
        np.testing.assert_array_equal(a, b)
        assert not np.shares_memory(a, b)
    (y * y).sum().backward()
    np.testing.assert_array_equal((x.grad, y.grad), ([2, 4], [4, 8]))
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Dropout(0.5, rng=rng), nn.BatchNorm1d(3))
    twin = copied(model)
    rows = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(twin(rows).data, model(rows).data)  # the generator is a copy, too
    assert [name for name, _ in twin.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}


@pytest.mark.parametrize("copied", [*COPIES.values(), copy.copy], ids=[*COPIES, "copy"])
def test_a_result_of_any_depth_says_detach(copied):
    y = leaf(1.0)
    for depth in range(5001):
        y = y + 1.0
        if depth in (0, 5000):
            for holder in y, [y], {"y": y}:
                if copied is not copy.copy or holder is y:
                    with pytest.raises(TypeError, match=r"t\.detach\(\) is a leaf"):
                        copied(holder)
