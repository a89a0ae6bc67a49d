"""minigrad.check: passes what is right, and of what is wrong it says what, where, and at which small inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from students import linear_of, mse_of

import minigrad
import torch_ref
from minigrad import Function, Tensor, check, unbroadcast
from minigrad.checks.contract import CONTRACT, GRADIENTS
from minigrad.checks.diagnosis import KINDS

LINEAR, MSE, EACH, PAIR = "(n,p),(p,q),(q)->(n,q)", "(n,q),(n,q)->()", "()->()", "(),()->()"
POSITIVE = {"x": (0.0, np.inf)}


def made(forward, backward, **attributes):
    """A Function that saves its inputs: forward(*inputs), backward(g, *inputs) and, if it wants it, y."""

    class Made(Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    for name, value in attributes.items():
        setattr(Made, name, value)
    return Made


def named(function, *names):
    """The same with names for its parameters."""
    namespace = {"body": function.forward}
    exec(f"def forward(ctx, {', '.join(names)}): return body(ctx, {', '.join(names)})", namespace)
    function.forward = staticmethod(namespace["forward"])
    return function


def unary(forward, backward):
    return named(made(forward, backward), "x")


def linear_with(backward):
    return named(made(lambda x, W, b: x @ W + b, backward), "x", "W", "b")


def mse_with(backward):
    return named(made(lambda yhat, y: ((yhat - y) ** 2).mean(), backward), "yhat", "y")


def product_with(backward):
    return named(made(lambda a, b: a * b, backward), "a", "b")


def kinds(report):
    return [(fault.kind, fault.input) for fault in report.faults]


def status(report, words):
    (verdict,) = (v for v in report.verdicts if words in v.name)
    return verdict.status


# ------------------------------------------------------------------------------------------------------ what is right
def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class SetUp(torch.autograd.Function):
    """The newer style of torch."""

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.cos()


def torch_product(a, b):
    return torch.mul(a, b)


RIGHT = {
    "Linear": (linear_of(Function), {"signature": LINEAR}),
    "MSE": (mse_of(Function), {"signature": MSE}),
    "Linear of torch": (linear_of(torch.autograd.Function), {"signature": LINEAR}),
    "MSE of torch": (mse_of(torch.autograd.Function), {"signature": MSE}),
    "torch_ref.Linear": (torch_ref.Linear, {"signature": LINEAR}),
    "torch_ref.MSE": (torch_ref.MSE, {"signature": MSE}),
    "torch, setup_context": (SetUp, {"signature": EACH}),
    "a function of torch tensors": (torch_product, {"signature": PAIR}),
    "apply": (linear_of(Function).apply, {"signature": LINEAR}),
    "a function of Tensors": (lambda x, y: minigrad.tanh(x @ y).sum(), {"signature": "(n,k),(k,m)->()"}),
    "a pair": ((lambda x: x**3, lambda g, x: 3 * g * x**2), {"signature": EACH}),
    "a pair of two inputs": ((np.outer, lambda g, a, b: (g @ b, a @ g)), {"signature": "(m),(n)->(m,n)"}),
    "a specimen": (
        SimpleNamespace(target=unary(np.log, lambda g, x: g / x), signature=EACH, domain=POSITIVE),
        {},
    ),
    "an operation": (minigrad.logsumexp, {"params": {"axis": -1}}),
    "an operation with a mask": (minigrad.where, {}),
    "an operation with indices": (minigrad.take_along_axis, {"params": {"axis": 1}}),
    "an operation that is not long double's": (minigrad.inv, {}),
    "relu": (minigrad.relu, {}),
    "product, broadcasting": (
        product_with(lambda g, a, b: (unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape))),
        {"signature": PAIR},
    ),
    "softmax": (
        unary(softmax, lambda g, x: (y := softmax(x)) * (g - (g * y).sum(-1, keepdims=True))),
        {"signature": "(n,k)->(n,k)"},
    ),
    "None for integers": (
        named(
            made(lambda table, i: table[i], lambda g, table, i: (np.add.at(d := 0 * table, i, g), (d, None))[1]),
            "t",
            "i",
        ),
        {"signature": "(k,d),(n)->(n,d)", "domain": {"i": "k"}},
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name):
    target, options = RIGHT[name]
    report = check(target, **options)
    assert report, report
    assert status(report, GRADIENTS) == "ok"
    assert {v.status for v in report.verdicts} <= {"ok", "not checked", "kink"}


def test_all_promises_are_looked_at():
    for report in (check(linear_of(Function), signature=LINEAR), check(torch_ref.Linear, signature=LINEAR)):
        assert [v.status for v in report.verdicts if v.name in {GRADIENTS, *(p.text for p in CONTRACT)}] == ["ok"] * 14
    target, options = RIGHT["product, broadcasting"]
    assert status(check(target, **options), "broadcasting") == "ok"


def test_inputs_instead_of_a_search():
    x, W, b = (np.random.default_rng(0).normal(size=shape) for shape in ((4, 3), (3, 2), (2,)))
    assert check(linear_of(Function), (x, W, b))
    assert check(torch_ref.Linear, (torch.tensor(x), torch.tensor(W, requires_grad=True), torch.tensor(b)))
    only_b = check(linear_with(lambda g, x, W, b: (None, None, g.sum(0))), (x, W, Tensor(b, requires_grad=True)))
    assert only_b, "inputs that do not require grad are constants"
    assert kinds(check(linear_with(lambda g, x, W, b: (None, None, g.sum(0))), (x, W, b))) == [
        ("missing", "x"),
        ("missing", "W"),
    ]
    assert check(minigrad.tanh, x)


def test_nothing_that_was_passed_in_changes():
    x = Tensor(np.arange(3.0), requires_grad=True)
    check(unary(np.sin, lambda g, x: g * np.cos(x)), x)
    assert x.grad is None
    assert x.data.tolist() == [0, 1, 2]


def test_kinks_are_no_fault_and_have_a_verdict():
    relu = unary(lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0))
    at_zero = check(relu, np.array([0.0, 1.0, -1.0]))
    assert at_zero
    assert status(at_zero, "kinks") == "kink"
    assert "1 entry where left and right" in at_zero.verdicts[-1].sure
    assert "kinks and ties" not in [v.name for v in check(relu, np.array([1.0, -1.0])).verdicts]
    beyond = unary(lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x == 0, 3, x > 0).astype(x.dtype))
    assert kinds(check(beyond, signature=EACH)) == [("region", "x")]
    assert "x == 0" in check(beyond, signature=EACH).faults[0].text
    assert "kinks and ties" not in [v.name for v in check(mse_of(Function), (np.ones((2, 1)),) * 2).verdicts]


# ------------------------------------------------------------------------------------------------------- what is wrong
class Counted(Function):
    """A backward that is right until it has been called so many times."""

    limit = 100
    calls = 0

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @classmethod
    def backward(cls, ctx, g):
        cls.calls += 1
        return 2 * g if cls.calls <= cls.limit else 4 * g


class OnTheClass(Function):
    @staticmethod
    def forward(ctx, x):
        OnTheClass.x = x
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * OnTheClass.x * g


MASKS = {}


class MaskOfTheFirst(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mask = MASKS.setdefault(x.shape, x > 0)
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.mask


class UsesUpWhatItSaved(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.slope = 2 * x
        return x * x

    @staticmethod
    def backward(ctx, g):
        ctx.slope *= g
        return ctx.slope.copy()


class KeepsItsSlope(torch.autograd.Function):
    """torch takes for constant what forward has computed; minigrad runs forward once more."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(2 * x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (slope,) = ctx.saved_tensors
        return slope * g


class OnlyIfBothAreNeeded(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b, g * a) if all(ctx.needs_input_grad) else (None, None)


class FromTheOutput(Function):
    @staticmethod
    def forward(ctx, x):
        y = np.tanh(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, _ = ctx.saved_tensors
        return g * (1 - x * x)


def scaled_in_place(array, c):
    array *= c
    return array


def assigned(table, i, g):
    d = 0 * table
    d[i] = g
    return d


def var(x):
    return ((x - x.mean()) ** 2).sum() / x.size


random = np.random.default_rng(0)
WRONG = {  # what it is called, what is to be said of which input, the function, how it is checked
    "MSE divides by the rows": ("factor", "yhat", mse_with(lambda g, p, y: (d := 2 / len(p) * (p - y) * g, -d)), MSE),
    "MSE without the 2": ("power", "yhat", mse_with(lambda g, p, y: (d := (p - y) * g / p.size, -d)), MSE),
    "a thousandth too much": ("factor", "x", unary(np.sin, lambda g, x: 1.001 * g * np.cos(x)), EACH),
    "twice a relu": ("factor", "x", unary(lambda x: np.maximum(x, 0), lambda g, x: 2 * g * (x > 0)), EACH),
    "the sign of the target": ("sign", "y", mse_with(lambda g, p, y: (d := 2 * (p - y) * g / p.size, 1 * d)), MSE),
    "a bias for each row": ("unsummed", "b", linear_with(lambda g, x, W, b: (g @ W.T, x.T @ g, g)), LINEAR),
    "the first row's bias": ("unsummed", "b", linear_with(lambda g, x, W, b: (g @ W.T, x.T @ g, g[0])), LINEAR),
    "a mean bias": ("averaged", "b", linear_with(lambda g, x, W, b: (g @ W.T, x.T @ g, g.mean(0))), LINEAR),
    "dW transposed": ("transposed", "W", linear_with(lambda g, x, W, b: (g @ W.T, g.T @ x, g.sum(0))), LINEAR),
    "W not transposed": ("transposed", "x", linear_with(lambda g, x, W, b: (g @ W, x.T @ g, g.sum(0))), LINEAR),
    "two exchanged": ("swapped", "x", linear_with(lambda g, x, W, b: (x.T @ g, g @ W.T, g.sum(0))), LINEAR),
    "a product's": ("swapped", "a", product_with(lambda g, a, b: (g * a, g * b)), "(n),(n)->(n)"),
    "no g": ("cotangent-ignored", "x", unary(np.sin, lambda g, x: np.cos(x)), EACH),
    "g squared": (
        "cotangent-nonlinear", "yhat", mse_with(lambda g, p, y: (d := 2 * (p - y) * g * g / p.size, -d)), MSE,
    ),
    "|g|": ("cotangent-nonlinear", "x", unary(np.sin, lambda g, x: abs(g) * np.cos(x)), EACH),
    "g clipped": ("cotangent-nonlinear", "x", unary(np.sin, lambda g, x: np.clip(g, -1, 1) * np.cos(x)), EACH),
    "exp of exp": ("at-output", "x", unary(np.exp, lambda g, x: g * np.exp(np.exp(x))), EACH),
    "1 - x²": ("at-input", "x", FromTheOutput, EACH),
    "zero": ("zero", "x", unary(np.sin, lambda g, x: 0 * g), EACH),
    "None": ("missing", "y", mse_with(lambda g, p, y: (2 * (p - y) * g / p.size, None)), MSE),
    "softmax as if a sigmoid": (
        "diagonal", "x", unary(softmax, lambda g, x: g * softmax(x) * (1 - softmax(x))), "(n,k)->(n,k)",
    ),
    "hundred calls": ("first-call", "x", Counted, EACH),
    "kept on the class": ("first-call", "x", OnTheClass, EACH),
    "a mask kept by shape": ("first-call", "x", MaskOfTheFirst, EACH),
    "n - 1": ("bessel", "x", unary(var, lambda g, x: g * 2 * (x - x.mean()) / (x.size - 1)), "(n)->()"),
    "sorted order kept": ("missing-factor", "x", unary(np.sort, lambda g, x: g), "(n)->(n)"),
    "eps forgotten": ("eps", "x", unary(lambda x: np.log(x + 1e-6), lambda g, x: g / x), EACH),
    "eps of the backward": ("eps", "x", unary(np.log, lambda g, x: g / (x + x.dtype.type(1e-6))), EACH),
    "three axes": ("factor", "x", unary(np.sin, lambda g, x: g * np.cos(x) * (1.5 if x.ndim == 3 else 1)), EACH),
    "no entries": ("shape", "x", unary(np.negative, lambda g, x: -g if x.size else np.zeros(1)), "(n)->(n)"),
    "-0.0": ("region", "x", unary(np.negative, lambda g, x: np.where(np.signbit(x) > (x < 0), 0, -g)), EACH),
    "float32 inside": (
        "precision", "x", unary(np.sin, lambda g, x: (g * np.cos(x.astype(np.float32))).astype(x.dtype)), EACH,
    ),
    "leaks nothing": ("left-out", "x", unary(lambda x: np.where(x > 0, x, x / 8), lambda g, x: g * (x > 0)), EACH),
    "no derivative of tanh": ("missing-factor", "x", unary(lambda x: np.tanh(3 * x), lambda g, x: 3 * g), EACH),
    "the rule of tan": ("wrong-rule", "x", unary(np.tanh, lambda g, x: g * (1 + np.tanh(x) ** 2)), EACH),
    "twice the path": ("counted", "x", unary(lambda x: x + np.sin(x), lambda g, x: g * (1 + 2 * np.cos(x))), EACH),
    "a mask left out": ("mask", "x", unary(lambda x: np.maximum(x, 0), lambda g, x: 1 * g), EACH),
    "the wrong weight": (
        "wrong-value", "w",
        named(made(lambda x, w: np.sin(x) @ w, lambda g, x, w: (np.outer(g, w) * np.cos(x), x.T @ g)), "x", "w"),
        "(n,p),(p)->(n)",
    ),
    "a penalty too many": (
        "added", "x", unary(lambda x: np.exp(x).sum(), lambda g, x: g * (np.exp(x) + x / 4)), "(n)->()",
    ),
    "sums over the batch": (
        "mixed", "x", unary(softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum())), "(n,k)->(n,k)",
    ),
    "the last column": (
        "region", "x", unary(np.sin, lambda g, x: g * np.cos(x) * (np.arange(x.shape[-1]) < x.shape[-1] - 1)),
        "(n,k)->(n,k)",
    ),
    "prod by division": ("region", "x", unary(np.prod, lambda g, x: g * np.prod(x) / x), "(n)->()"),
    "changes g": ("mutates", None, unary(lambda x: 3 * x, lambda g, x: scaled_in_place(g, 3).copy()), EACH),
    "changes x": ("mutates", "x", unary(lambda x: x * x, lambda g, x: g * scaled_in_place(x, 2)), EACH),
    "forward changes x": ("mutates", "x", unary(lambda x: scaled_in_place(x, 2).copy(), lambda g, x: 2 * g), EACH),
    "uses up what it saved": ("saved", "x", UsesUpWhatItSaved, EACH),
    "one array twice": (
        "aliased", "b", named(made(lambda a, b: a + b, lambda g, a, b: (g, g)), "a", "b"), "(n),(n)->(n)",
    ),
    "no axis kept": ("shape", "x", unary(lambda x: x.sum(), lambda g, x: g), "(n)->()"),
    "float32 out": ("dtype", "x", unary(np.sin, lambda g, x: (g * np.cos(x)).astype(np.float32)), EACH),
    "dropout": ("random", None, unary(lambda x: x * (random.random(x.shape) < 0.5), lambda g, x: g), EACH),
    "random backward": ("random", "x", unary(lambda x: x * 1, lambda g, x: g * (random.random(x.shape) < 0.5)), EACH),
    "reads memory": (
        "layout", "x", unary(np.sin, lambda g, x: (g.ravel() * np.cos(x.ravel("K"))).reshape(x.shape)), "(n,k)->(n,k)",
    ),
    "both or none": ("partial", "a", OnlyIfBothAreNeeded, "(n),(n)->(n)"),
    "cut to size": (
        "broadcasting", "a",
        product_with(lambda g, a, b: (np.resize(g * b, a.shape), np.resize(g * a, b.shape))), PAIR,
    ),
    "a slope that is kept": ("second-order", "x", KeepsItsSlope, EACH),
    "one gradient of three": ("count", None, linear_with(lambda g, x, W, b: (g @ W.T,)), LINEAR),
    "raises": ("raises", None, unary(np.sin, lambda g, x: g * x.nothing), EACH),
    "nonsense": ("unknown", "x", unary(np.sin, lambda g, x: g * np.cos(x) + np.sin(7 * x) * g), EACH),
    "overwrites": (
        "unsummed", "table",
        named(made(lambda table, i: table[i], lambda g, t, i: (assigned(t, i, g), None)), "table", "i"),
        "(k,d),(n)->(n,d)",
    ),
}  # fmt: skip
DOMAINS = {"eps forgotten": POSITIVE, "eps of the backward": POSITIVE, "overwrites": {"i": "k"}}


@pytest.mark.parametrize("name", WRONG)
def test_says_what_is_wrong(name):
    kind, of, target, signature = WRONG[name]
    report = check(target, signature=signature, domain=DOMAINS.get(name))
    assert not report
    assert report.faults[0].kind == kind, report
    assert report.faults[0].input == of, report
    assert "fault" in [v.status for v in report.verdicts]


def test_a_mean_of_nothing_is_no_fault_and_warns_nobody():
    """The suite has warnings as errors; forward is nan where there are no entries, and nothing can be said of it."""
    assert check(lambda x: (x * x).mean(), signature="(n)->()", max_examples=0)
    assert check(
        (lambda x: np.asarray(np.mean(x)), lambda g, x: [g / x.dtype.type(len(x)) * np.ones_like(x)]),
        signature="(n)->()", max_examples=0,
    )  # fmt: skip


def test_the_array_api_names_numpy():
    def mean_of_tanh(x):
        xp = x.__array_namespace__()
        return xp.mean(xp.tanh(xp.permute_dims(x, (1, 0))))

    assert check(mean_of_tanh, signature="(n,p)->()", max_examples=0)


def test_every_kind_of_fault_is_seen():
    assert {kind for kind, *_ in WRONG.values()} | {"differs", "unchecked"} == set(KINDS)


SENTENCES = {
    "MSE divides by the rows": ["q = ", "divide by the number of entries, n·q, not by the number of rows, n"],
    "a thousandth too much": ["1.001 times"],
    "a bias for each row": ["shape (5, 2)", "sum over axis 0"],
    "a mean bias": [".sum(0), not .mean(0)", "3 times too small"],
    "g squared": ["four times"],
    "|g|": ["negated"],
    "hundred calls": ["call number 101"],
    "leaks nothing": ["the path through `x / 8`", "is left out"],
    "no derivative of tanh": ["`np.tanh(3 * x)`", "which is 1 - y²,", "is missing"],
    "the rule of tan": ["rule of tan", "1 - y²"],
    "twice the path": ["`np.sin(x)`", "counts twice"],
    "a mask left out": ["the derivative of `np.maximum(x, 0)`", "where x > 0", "is missing"],
    "the wrong weight": ["given `x` instead of", "np.sin(x)"],
    "a penalty too many": ["off by 0.25·x"],
    "sums over the batch": ["along axis 0", "forward keeps apart"],
    "the last column": ["index -1 (the last) of axis 1"],
    "prod by division": ["x == 0", "not finite"],
    "dropout": ["randomness", "mask"],
    "n - 1": ["Bessel", "n - 1"],
    "one gradient of three": ["1 gradient, and forward has 3 inputs (x, W, b)"],
    "nonsense": ["no known pattern", "should be"],
    "reads memory": ["column-major"],
    "uses up what it saved": ["what forward saved"],
    "no axis kept": ["broadcast_to"],
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence(name):
    Counted.calls = 0
    _, _, target, signature = WRONG[name]
    text = check(target, signature=signature, domain=DOMAINS.get(name)).faults[0].text
    for words in SENTENCES[name]:
        assert words in text


def test_several_faults_are_listed():
    wrong = linear_with(lambda g, x, W, b: (-2 * g @ W.T, g.T @ x, g.mean(0)))
    report = check(wrong, signature=LINEAR)
    assert set(kinds(report)) == {("factor", "x"), ("sign", "x"), ("transposed", "W"), ("averaged", "b")}
    both = check(mse_with(lambda g, p, y: (d := 2 * (p - y) / len(p), -d)), signature=MSE)
    assert set(kinds(both)) == {(kind, name) for kind in ("cotangent-ignored", "factor") for name in ("yhat", "y")}
    shared = mse_with(lambda g, p, y: (d := 2 * (p - y) * g / len(p), d))
    assert set(kinds(check(shared, signature=MSE))) == {
        ("factor", "yhat"),
        ("factor", "y"),
        ("sign", "y"),
        ("aliased", "y"),
    }


def test_what_torch_would_repair_is_seen():
    class Unsummed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, W, b):
            ctx.save_for_backward(x, W)
            return x @ W + b

        @staticmethod
        def backward(ctx, g):
            x, W = ctx.saved_tensors
            return (g @ W.T).float(), x.T @ g, g

    x, W, b = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((4, 3), (3, 2), (2,)))
    assert torch.autograd.gradcheck(lambda W, b: Unsummed.apply(x.detach(), W, b), (W, b)), (
        "torch's own gradcheck does not see it"
    )
    assert kinds(check(Unsummed, signature=LINEAR)) == [("unsummed", "b"), ("dtype", "x")]


def test_what_forward_keeps_is_right_to_second_order_in_minigrad():
    class Kept(Function):
        forward, backward = staticmethod(KeepsItsSlope.forward), staticmethod(KeepsItsSlope.backward)

    assert status(check(Kept, signature=EACH), "second order") == "ok"


# ------------------------------------------------------------------------------------------------ small, and the same
AT_ONE_POINT = "factor", "zero", "region", "cotangent-nonlinear"  # what a mean of two, say, cannot be told from


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("MSE divides by the rows", {"yhat": (1, 2), "y": (1, 2)}),
        ("a mean bias", {"x": (2, 1), "W": (1, 1), "b": (1,)}),
        ("leaks nothing", {"x": ()}),
        ("g squared", {"yhat": (1, 1), "y": (1, 1)}),
        ("a thousandth too much", {"x": ()}),
        ("float32 out", {"x": ()}),
    ],
)
def test_the_example_is_small_and_runs_as_it_stands(name, shapes, capsys):
    kind, of, target, signature = WRONG[name]
    report = check(target, signature=signature)
    namespace = {"Made": target}
    exec(report.example.code, namespace)
    assert {key: namespace[key].shape for key in shapes} == shapes
    again = check(target, [namespace[key] for key in shapes])
    assert of in [fault.input for fault in again.faults]
    assert kind in [fault.kind for fault in again.faults] or again.faults[0].kind in AT_ONE_POINT
    assert capsys.readouterr().out.startswith("check of Made: ")


def test_the_two_gradients_stand_side_by_side():
    report = check(WRONG["MSE divides by the rows"][2], signature=MSE)
    table = report.example.table
    assert report.example.input == "yhat"
    for row, right, wrong in zip(*table, strict=True):
        for a, b, bad in zip(row, right, wrong, strict=True):
            assert float(a) == pytest.approx(2 * float(b))
            assert bad == (float(b) != 0)


def test_the_same_for_the_same_seed():
    for target, signature in ((mse_of(Function), MSE), (WRONG["a mean bias"][2], LINEAR)):
        first, second, other = (check(target, signature=signature, seed=seed) for seed in (3, 3, 4))
        assert first.to_json() == second.to_json()
        assert kinds(first) == kinds(other)


# -------------------------------------------------------------------------------------------------- how small an error
SMOOTH = {
    "sin": (np.sin, np.cos),
    "square": (np.square, lambda x: 2 * x),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
}
scales = st.integers(-6, 4)


@given(
    st.sampled_from(["sin", "square", "tanh", "reciprocal"]),
    scales,
    st.integers(0, 2**32),
    st.sampled_from([1e-5, -1e-5]),
)
@example("tanh", 1, 0, 1e-5)
def test_an_error_of_1e_5_is_seen_at_every_scale(name, exponent, seed, error):
    forward, slope = SMOOTH[name]
    size = 10.0**exponent
    x = np.random.default_rng(seed).uniform(0.5, 2, (2, 2)) * size * np.random.default_rng(seed).choice([-1, 1], (2, 2))
    if name == "tanh":
        x /= max(size, 1)  # it has no slope to be wrong about further out
    right, wrong = unary(forward, lambda g, x: g * slope(x)), unary(forward, lambda g, x: (1 + error) * g * slope(x))
    assert check(right, x)
    assert kinds(check(wrong, x))[0][1] == "x"


@given(scales, st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32))
def test_what_is_right_passes_at_every_scale_and_in_both_dtypes(exponent, dtype, seed):
    random, size = np.random.default_rng(seed), 10.0**exponent
    draw = [(random.integers(-8, 9, shape) / 8 * size).astype(dtype) for shape in ((3, 2), (2, 2), (2,), (3, 2))]
    x, W, b, y = draw
    assert check(linear_of(Function), (x, W, b))
    assert check(mse_of(Function), (x, y))
    assert check(minigrad.maximum, (x, y))
    assert check(lambda x: minigrad.log_softmax(x).sum(0), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saturated_function_passes(dtype):
    sigmoid = unary(lambda x: 1 / (1 + np.exp(-x)), lambda g, x: g * (s := 1 / (1 + np.exp(-x))) * (1 - s))
    for x in np.linspace(4, 40, 12, dtype=dtype):
        assert check(sigmoid, np.array([x, -x]))


# ------------------------------------------------------------------------------------------------- another to compare
def test_against_torch():
    report = check(linear_of(Function), signature=LINEAR, against=torch_ref.Linear)
    assert report
    assert status(report, "those of Linear (torch)") == "ok"
    assert check(mse_of(Function), signature=MSE, against=torch.nn.functional.mse_loss)
    assert check(minigrad.tanh, against=torch.tanh)
    assert check(minigrad.tanh, np.ones(3), against=lambda x: minigrad.tanh(x))


def test_against_something_else():
    report = check(
        mse_of(Function), signature=MSE, against=lambda a, b: torch.nn.functional.mse_loss(a, b, reduction="sum")
    )
    assert kinds(report) == [("differs", None)]
    assert "the value is" in report.faults[0].text
    half = WRONG["MSE divides by the rows"][2]
    assert ("differs", "yhat") in kinds(check(mse_of(Function), signature=MSE, against=half))
    report = check(unary(np.sin, lambda g, x: g * np.cos(x)), np.ones(3), against=lambda x: minigrad.sin(x)[:2])
    assert "shape" in report.faults[0].text
    report = check(unary(np.sin, lambda g, x: g * np.cos(x)), np.ones(3), against=lambda x: x.nothing)
    assert "raises" in report.faults[0].text


# --------------------------------------------------------------------------------------------------------- the report
@pytest.fixture(scope="module")
def reports():
    return [
        check(mse_of(Function), signature=MSE),
        *(check(WRONG[n][2], signature=WRONG[n][3]) for n in ("a mean bias", "nonsense")),
    ]


def test_the_text(reports):
    for report in reports:
        text = repr(report)
        prose = [line for line in text.splitlines() if not line.startswith("    ")]
        assert max(map(len, prose)) < 80
        assert text == "\n".join(line.rstrip() for line in text.splitlines())
    good, mean, _ = map(repr, reports)
    assert good.startswith("check of MSE: ok\n")
    assert mean.startswith("check of Made: averaged of b\n")
    assert "db returned, * wrong" in mean
    assert "verbose=True, or -v, lists them" in mean
    reports[1].verbose = True
    whole = repr(reports[1])
    reports[1].verbose = False
    assert "linear: y = x @ W + b" in whole
    assert "dx = g @ W.T" in whole
    assert whole.count("  ok    ") > 5


def test_the_operation_is_recognised_by_its_values():
    formula = check(WRONG["MSE divides by the rows"][2], signature=MSE).formula
    assert formula.startswith("mse_loss: ")
    assert "(input is yhat, target is y)" in formula
    assert not check(WRONG["nonsense"][2], np.ones(2)).formula.startswith("cos")
    assert check(WRONG["n - 1"][2], signature="(n)->()").formula.startswith("var: ")
    assert not check(unary(lambda x: np.sin(x) * 1.5, lambda g, x: g), signature=EACH).formula


def test_for_machines(reports):
    for report in reports:
        read = json.loads(report.to_json())
        assert read["ok"] is bool(report)
        assert [f["kind"] for f in read["faults"]] == [f.kind for f in report.faults]
        assert {v["status"] for v in read["verdicts"]} <= {"ok", "fault", "not checked", "kink"}
    assert read["example"]["table"]["wrong"]


def test_for_notebooks():
    shady = unary(np.sin, lambda g, x: g)
    shady.__name__ = "<script>"
    page = check(shady, np.ones(2))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.startswith("<pre")
    assert page.endswith("</pre>")


def test_show(reports, capsys, monkeypatch):
    for report in reports:
        report.show()
        assert capsys.readouterr().out.rstrip() == repr(report), "what is no terminal gets no colours"
        monkeypatch.setitem(sys.modules, "rich.console", None)
        report.show()
        assert capsys.readouterr().out.rstrip() == repr(report), "nor does one without rich"
        monkeypatch.undo()
    monkeypatch.setenv("FORCE_COLOR", "1")
    reports[1].show()
    assert "\x1b[1;31maveraged of b" in capsys.readouterr().out


FAILING = """
import numpy as np
from minigrad import Function, check

class Sine(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.sin(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return -g * np.cos(x)

def test_sine():
    assert check(Sine, signature="()->()")
"""


def test_the_message_of_a_failing_assert_is_the_report(tmp_path):
    (tmp_path / "test_it.py").write_text(FAILING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    message = [line[1:].strip() for line in done.stdout.splitlines() if line.startswith("E")]
    assert message[0] == "AssertionError: check of Sine: sign of x"
    assert "dx has the wrong sign: it is exactly the negative of the gradient." in message
    assert "print(check(Sine, (x,)))" in message


def plainly_asserted(report, how):
    """An assertion as Python compiles it, and not as pytest does; what it raises, or None."""
    try:
        exec(how, {"report": report})
    except AssertionError as error:
        return str(error)
    return None


def test_an_assert_without_pytest():
    wrong, right = (
        check(unary(np.sin, lambda g, x: g), np.ones(2)),
        check(unary(np.sin, lambda g, x: g * np.cos(x)), np.ones(2)),
    )
    assert plainly_asserted(wrong, "assert report") == repr(wrong)
    assert plainly_asserted(wrong, "assert 1 and report") == repr(wrong)
    assert plainly_asserted(wrong, "assert report, 'mine'") == "mine"
    for asked in ("assert not report", "bool(report)", "if report: pass", "assert (report or 1)"):
        assert plainly_asserted(wrong, asked) is None
    assert plainly_asserted(right, "assert report") is None


# ----------------------------------------------------------------------------------------------------------- bad calls
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: check(mse_of(Function)),
            ValueError,
            "MSE has no signature, so there is nothing to search; give inputs",
        ),
        (lambda: check(mse_of(Function), signature="(n,q)"), ValueError, "one group of axes for each input"),
        (lambda: check(np.exp, np.arange(3)), ValueError, "nothing to differentiate"),
        (
            lambda: check(mse_of(Function), signature=MSE, domain={"z": bool}),
            ValueError,
            "z is no input; the inputs are yhat, y",
        ),
        (lambda: check(3), ValueError, "3 cannot be checked"),
        (lambda: check(int), ValueError, "class int is no Function"),
    ],
)
def test_bad_calls(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_what_is_no_derivative():
    assert kinds(check(unary(lambda x: x > 0, lambda g, x: g), signature=EACH)) == [("raises", None)]
    assert kinds(check(unary(lambda x: (x, x), lambda g, x: g), signature=EACH)) == [("raises", None)]
    assert "for each output" in check(unary(lambda x: (x, x), lambda g, x: g), signature=EACH).faults[0].text
    report = check(minigrad.sign)
    assert report
    assert status(report, GRADIENTS) == "not checked"


def test_without_hypothesis(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "minigrad.checks.strategies", raising=False)
    monkeypatch.delattr("minigrad.checks.strategies", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"minigrad-tape\[check\]"):
        check(mse_of(Function), signature=MSE)
    assert check(mse_of(Function), (np.ones((2, 2)), np.zeros((2, 2))))
