"""Each judge of a Function is judged: planted wrong backwards of Linear and MSE, and who must reject which.

The same wrong body is made a Function of minigrad and of torch. The judges:

gradcheck       minigrad.gradcheck
comparison      gradients equal those of torch's own operations
torch's         torch.autograd.gradcheck with its defaults
direct          the backward called with a stub ctx, in both libraries: shapes, dtypes, None, nothing changed

No judge sees everything. torch's gradcheck sees least: its engine sums and casts a gradient before it looks, and its
cotangents are 0 and 1. (tests/test_planted.py plants wrong rules in the operations in the same way.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from direct import assert_keeps_contract, linear_case, signed
from hypothesis import Phase, find, settings

import minigrad
from minigrad import Tensor

OPERATIONS = {  # forwards, in words that both libraries have
    "Linear": lambda x, W, b: x @ W + b,
    "MSE": lambda yhat, y: ((yhat - y) ** 2).mean(),
}


def linear_gradients(x, W, b, g):
    return g @ W.T, x.T @ g, g.sum(0)


def mse_gradients(yhat, y, g):
    slope = 2 / math.prod(yhat.shape) * (yhat - y) * g
    return slope, -slope


def changed(i: int, change: Callable[..., Any]) -> Callable[..., Any]:
    """The right gradients but for number i, which is change(gradient, g)."""

    def backward(*inputs_and_g: Any) -> tuple[Any, ...]:
        right = linear_gradients if len(inputs_and_g) == 4 else mse_gradients
        grads = list(right(*inputs_and_g))
        grads[i] = change(grads[i], inputs_and_g[-1])
        return tuple(grads)

    return backward


def after(action: Callable[..., None]) -> Callable[..., Any]:
    """The right gradients; then something is done to what the backward was given."""

    def backward(*inputs_and_g: Any) -> tuple[Any, ...]:
        right = linear_gradients if len(inputs_and_g) == 4 else mse_gradients
        # Sums and products: memory of their own, so that the action spoils nothing that is returned.
        grads = right(*inputs_and_g)
        action(*inputs_and_g)
        return grads

    return backward


def with_cotangent(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """The right gradients of another cotangent."""

    def backward(*inputs_and_g: Any) -> tuple[Any, ...]:
        *inputs, g = inputs_and_g
        return (linear_gradients if len(inputs) == 3 else mse_gradients)(*inputs, change(g))

    return backward


def single(gradient: Any) -> Any:
    return gradient.float() if isinstance(gradient, torch.Tensor) else gradient.astype(np.float32)


def spoil(array: Any) -> None:
    array *= 0


class Bug(NamedTuple):
    operation: str
    backward: Callable[..., Any]
    rejected_by: str
    square: bool = False  # planted in a layer with as many outputs as features, where the shapes hide it


ALL = "gradcheck comparison torch's"
REPAIRED = "gradcheck comparison direct"  # by torch's engine
BUGS = {
    # --- Linear: x (5, 3), W (3, 2), b (2,)
    "bias: mean for sum": Bug("Linear", changed(2, lambda db, g: g.mean(0)), ALL),
    "bias: no sum": Bug("Linear", changed(2, lambda db, g: g), REPAIRED),
    "bias: sum over all": Bug("Linear", changed(2, lambda db, g: db * 0 + g.sum()), ALL),
    "bias: of the first row": Bug("Linear", changed(2, lambda db, g: g[0]), ALL),
    "bias: None": Bug("Linear", changed(2, lambda db, g: None), ALL + " direct"),
    "bias: kept as a row": Bug("Linear", changed(2, lambda db, g: db.reshape(1, -1)), REPAIRED),
    "W: scaled by 1.001": Bug("Linear", changed(1, lambda dW, g: 1.001 * dW), "gradcheck comparison"),
    "W: off by 5e-8 of itself": Bug("Linear", changed(1, lambda dW, g: (1 + 5e-8) * dW), "gradcheck comparison"),
    "W: zeros": Bug("Linear", changed(1, lambda dW, g: 0 * dW), ALL),
    "W: sign": Bug("Linear", changed(1, lambda dW, g: -dW), ALL),
    "W: transposed": Bug("Linear", changed(1, lambda dW, g: dW.T), ALL + " direct"),
    "W: transposed, square": Bug("Linear", changed(1, lambda dW, g: dW.T), ALL, square=True),
    "W: one entry": Bug("Linear", changed(1, lambda dW, g: dW + (dW == dW.max()) * dW), ALL),
    "W: mean over the rows": Bug("Linear", changed(1, lambda dW, g: dW / len(g)), ALL),
    "W: in float32": Bug("Linear", changed(1, lambda dW, g: single(dW)), REPAIRED),
    "x: W not transposed": Bug("Linear", lambda x, W, b, g: (g @ W, x.T @ g, g.sum(0)), ALL, square=True),
    "x: None": Bug("Linear", changed(0, lambda dx, g: None), ALL + " direct"),
    "Linear: two gradients": Bug("Linear", lambda x, W, b, g: (g @ W.T, x.T @ g), ALL + " direct"),
    "Linear: forgets the cotangent": Bug("Linear", with_cotangent(lambda g: 0 * g + 1), ALL),
    "Linear: g * g": Bug("Linear", with_cotangent(lambda g: g * g), "gradcheck comparison"),
    "Linear: |g|": Bug("Linear", with_cotangent(lambda g: abs(g)), "gradcheck comparison"),
    "Linear: max(g, 0)": Bug("Linear", with_cotangent(lambda g: g * (g > 0)), "gradcheck comparison"),
    "Linear: g is cleared": Bug("Linear", after(lambda x, W, b, g: spoil(g)), "gradcheck direct"),
    "Linear: x is cleared": Bug("Linear", after(lambda x, W, b, g: spoil(x)), "gradcheck direct"),
    # --- MSE: yhat and y (5, 2)
    "MSE: divided by the rows only": Bug("MSE", with_cotangent(lambda g: 2 * g), ALL),
    "MSE: not divided": Bug("MSE", with_cotangent(lambda g: 10 * g), ALL),
    "MSE: the 2 is missing": Bug("MSE", with_cotangent(lambda g: g / 2), ALL),
    "MSE: forgets the cotangent": Bug("MSE", with_cotangent(lambda g: 0 * g + 1), "gradcheck comparison"),
    "MSE: g * g": Bug("MSE", with_cotangent(lambda g: g * g), "gradcheck comparison"),
    "MSE: |g|": Bug("MSE", with_cotangent(lambda g: abs(g)), "gradcheck comparison"),
    "MSE: sign of g": Bug("MSE", with_cotangent(lambda g: g / abs(g)), "gradcheck comparison"),
    "MSE: max(g, 0)": Bug("MSE", with_cotangent(lambda g: g * (g > 0)), "gradcheck comparison"),
    "MSE: min(g, 0)": Bug("MSE", with_cotangent(lambda g: g * (g < 0)), ALL),
    "MSE: scaled by 1.001": Bug("MSE", with_cotangent(lambda g: 1.001 * g), "gradcheck comparison"),
    "MSE: g is cleared": Bug("MSE", after(lambda yhat, y, g: spoil(g)), "gradcheck direct"),
    "y: None": Bug("MSE", changed(1, lambda dy, g: None), ALL + " direct"),
    "y: the sign of yhat's": Bug("MSE", changed(1, lambda dy, g: -dy), ALL),
    "y: zeros": Bug("MSE", changed(1, lambda dy, g: 0 * dy), ALL),
    "y: in float32": Bug("MSE", changed(1, lambda dy, g: single(dy)), REPAIRED),
    "yhat: transposed": Bug("MSE", changed(0, lambda dyhat, g: dyhat.T), ALL + " direct"),
}
RIGHT = {
    "Linear": Bug("Linear", linear_gradients, ""),
    "Linear, square": Bug("Linear", linear_gradients, "", square=True),
    "MSE": Bug("MSE", mse_gradients, ""),
}


# ----------------------------------------------------------------------------------------------------------- the judges
def planted(bug: Bug, library: Any) -> Any:
    class Planted(library):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return OPERATIONS[bug.operation](*inputs)

        @staticmethod
        def backward(ctx, grad):
            return bug.backward(*ctx.saved_tensors, grad)

    return Planted


def arrays_for(bug: Bug) -> list[np.ndarray]:
    """Shapes of distinct primes, unless the bug needs a square."""
    n, p, q = (5, 3, 3) if bug.square else (5, 3, 2)
    shapes = [(n, p), (p, q), (q,)] if bug.operation == "Linear" else [(n, q), (n, q)]
    random = np.random.default_rng(1)
    return [random.normal(size=shape) for shape in shapes]


def of_torch(arrays: list[np.ndarray], requires_grad: bool) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(a, requires_grad=requires_grad) for a in arrays)


def by_gradcheck(bug: Bug) -> bool:
    inputs = [Tensor(a, requires_grad=True) for a in arrays_for(bug)]
    try:
        minigrad.gradcheck(planted(bug, minigrad.Function).apply, inputs)
    except minigrad.GradcheckError:
        return True
    return False


def by_comparison(bug: Bug) -> bool:
    """Gradients in float64, of a right and a wrong sign of the cotangent, to within 1e-12 of their size."""
    arrays = arrays_for(bug)
    for sign in 1, -1:
        inputs, twins = [Tensor(a, requires_grad=True) for a in arrays], of_torch(arrays, True)
        want = OPERATIONS[bug.operation](*twins)
        g = sign * signed(want)
        want.backward(g)
        try:
            planted(bug, minigrad.Function).apply(*inputs).backward(g.numpy())
        except RuntimeError:  # the engine's own word about shapes and dtypes
            return True
        for x, t in zip(inputs, twins, strict=True):
            right = t.grad.numpy()
            if x.grad is None or abs(x.grad - right).max() > 1e-12 * abs(right).max():
                return True
    return False


def by_torch(bug: Bug) -> bool:
    try:
        return not torch.autograd.gradcheck(
            planted(bug, torch.autograd.Function).apply, of_torch(arrays_for(bug), True)
        )
    except RuntimeError:  # which its GradcheckError is
        return True


def directly(bug: Bug) -> bool:
    rejections = []
    arrays = arrays_for(bug)
    for library, inputs in (
        (minigrad.Function, tuple(a.copy() for a in arrays)),
        (torch.autograd.Function, of_torch(arrays, False)),
    ):
        try:
            assert_keeps_contract(planted(bug, library), inputs)
            rejections.append(False)
        except AssertionError:
            rejections.append(True)
    assert len(set(rejections)) == 1, "the two libraries are judged alike"
    return rejections[0]


JUDGES = {"gradcheck": by_gradcheck, "comparison": by_comparison, "torch's": by_torch, "direct": directly}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("judge", JUDGES)
def test_what_is_right_is_accepted(judge, name):
    assert not JUDGES[judge](RIGHT[name])


@pytest.mark.parametrize(
    ("judge", "name"), [(judge, name) for name, bug in BUGS.items() for judge in bug.rejected_by.split()]
)
def test_what_is_wrong_is_rejected(judge, name):
    assert JUDGES[judge](BUGS[name])


def test_gradcheck_rejects_all():
    assert [name for name, bug in BUGS.items() if "gradcheck" not in bug.rejected_by.split()] == []


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if bug.rejected_by == REPAIRED])
def test_why_a_backward_is_called_directly(name):
    """torch's engine has made these gradients fit before its gradcheck looks."""
    assert not by_torch(BUGS[name])


def mse_by_the_rows(yhat, y, g):
    slope = 2 / len(yhat) * (yhat - y) * g
    return slope, -slope


@pytest.mark.parametrize(
    "bug", [BUGS["bias: mean for sum"], Bug("MSE", mse_by_the_rows, ALL)], ids=["mean for sum", "divided by the rows"]
)
def test_what_one_point_may_hide_is_found_by_drawing_shapes(bug):
    """The mean over one row is the sum; with one output there are as many entries as rows."""
    function = planted(bug, minigrad.Function).apply

    def is_rejected(case):
        x, W, b, y = case
        inputs = (x, W, np.resize(b, W.shape[1])) if bug.operation == "Linear" else (x @ W, y)
        leaves = [Tensor(a, requires_grad=True) for a in inputs]
        return not minigrad.gradcheck(function, leaves, raise_exception=False)

    assert not is_rejected([np.full(shape, 1.5) for shape in ((1, 3), (3, 1), (1,), (1, 1))])
    hunt = settings(max_examples=100, database=None, derandomize=True, phases=[Phase.generate])  # nothing is shrunk
    find(linear_case(least_rows=1), is_rejected, settings=hunt)
