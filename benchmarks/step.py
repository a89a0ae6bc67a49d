"""What does a training step cost? Linear regression: forward, loss, backward, update.

Run as `python -m benchmarks.step`. All sides do the same mathematics on 8 features and 1 output in float64:
from the same weights they take the same steps and compute the loss at each; before anything is timed, they
must have arrived at the same weights. The floor is the step by hand in NumPy. numba, torch, jax, HIPS autograd and
MyGrad take part where they are installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import minigrad
from benchmarks.harness import advance, measure, table
from minigrad import Function, Tensor, linear, mse_loss, nn, no_grad, optim

FEATURES = 8
BATCHES = 1, 32, 1024, 20640
LR = 0.01
Array = np.ndarray[Any, Any]
Steps = Iterator[tuple[Any, Any, Any]]  # the loss, and the weights after the step
Side = Callable[[Array, Array, Array, Array], Steps]


# ---------------------------------------------------------------------------------------------- the sides
# Each takes x (n, p), y (n, q), and W (p, q), b (q,) that it may keep, and yields (loss, W, b) after each
# step. What is not a step (wrapping arrays, making an optimizer) stands before the loop and is not timed.
def by_hand(x: Array, y: Array, W: Array, b: Array) -> Steps:
    while True:
        yhat = x @ W + b
        d = yhat - y
        loss = (d**2).mean()
        g = 2 * d / d.size
        W -= LR * (x.T @ g)
        b -= LR * g.sum(axis=0)
        yield loss, W, b


def by_hand_in_place(x: Array, y: Array, W: Array, b: Array) -> Steps:
    """The same with every array but the loss allocated once."""
    d, squares = np.empty_like(y), np.empty_like(y)
    dW, db = np.empty_like(W), np.empty_like(b)
    while True:
        np.matmul(x, W, out=d)
        d += b
        d -= y
        loss = np.multiply(d, d, out=squares).mean()
        d *= 2 / d.size
        np.matmul(x.T, d, out=dW)
        dW *= LR
        W -= dW
        d.sum(axis=0, out=db)
        db *= LR
        b -= db
        yield loss, W, b


def on_the_tape(loss_of: Callable[[Array, Array, Tensor, Tensor], Tensor]) -> Side:
    """minigrad's loop around one of the three forms of the loss."""

    def steps(x: Array, y: Array, weights: Array, bias: Array) -> Steps:
        W, b = Tensor(weights, requires_grad=True), Tensor(bias, requires_grad=True)
        while True:
            loss = loss_of(x, y, W, b)
            loss.backward()
            with no_grad():
                W -= LR * W.grad
                b -= LR * b.grad
            W.zero_grad()
            b.zero_grad()
            yield loss, W, b

    return steps


def modules(x: Array, y: Array, W: Array, b: Array) -> Steps:
    model, loss_of = nn.Linear(*W.shape, dtype=W.dtype), nn.MSELoss()
    model.load_state_dict({"weight": W.T, "bias": b})
    optimizer = optim.SGD(model.parameters(), lr=LR)
    while True:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        yield loss, model.weight, model.bias


def sgd(parameters: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
    return [p - LR * g for p, g in zip(parameters, gradients, strict=True)]


def program(backend: str) -> Any:
    """The step as the program that its tape prints."""

    def loss(x: Any, y: Any, W: Any, b: Any) -> Tensor:
        return mse_loss(linear(x, W, b), y)

    return minigrad.compile(loss, grad_of=("W", "b"), update=sgd, backend=backend)


def compiled(x: Array, y: Array, W: Array, b: Array) -> Steps:
    step = program("numpy")
    while True:
        loss, (W, b) = step(x, y, W, b)
        yield loss, W, b


def compiled_by_numba(x: Array, y: Array, W: Array, b: Array) -> Steps:
    step = program("numba")
    while True:
        loss, (W, b) = step(x, y, W, b)
        yield loss, W, b


class Linear(Function):
    """yhat = x W + b, as a student writes it."""

    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W + b

    @staticmethod
    def backward(ctx, grad):
        x, W = ctx.saved_tensors
        needs_x, needs_W, needs_b = ctx.needs_input_grad
        return (
            grad @ W.T if needs_x else None,
            x.T @ grad if needs_W else None,
            grad.sum(0) if needs_b else None,
        )


class MSE(Function):
    """The mean of (yhat - y)² over all entries, as a student writes it."""

    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        needs_yhat, needs_y = ctx.needs_input_grad
        d = (2 / yhat.size * grad) * (yhat - y)
        return d if needs_yhat else None, -d if needs_y else None


def torch_primitives(x: Array, y: Array, W: Array, b: Array) -> Steps:
    import torch

    torch.set_num_threads(1)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    W, b = torch.from_numpy(W).requires_grad_(), torch.from_numpy(b).requires_grad_()
    while True:
        loss = ((x @ W + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            W -= LR * W.grad
            b -= LR * b.grad
        W.grad = b.grad = None
        yield loss, W, b


def torch_functional(x: Array, y: Array, W: Array, b: Array) -> Steps:
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    weight = torch.from_numpy(W.T.copy()).requires_grad_()  # torch's linear keeps W as (q, p)
    bias = torch.from_numpy(b).requires_grad_()
    optimizer = torch.optim.SGD([weight, bias], lr=LR)
    while True:
        loss = F.mse_loss(F.linear(x, weight, bias), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield loss, weight, bias


def jax_jit(x: Array, y: Array, W: Array, b: Array) -> Steps:
    import jax

    jax.config.update("jax_enable_x64", True)

    def mse(parameters: Any, x: Any, y: Any) -> Any:
        W, b = parameters
        return ((x @ W + b - y) ** 2).mean()

    @jax.jit
    def step(parameters: Any, x: Any, y: Any) -> Any:
        loss, (dW, db) = jax.value_and_grad(mse)(parameters, x, y)
        W, b = parameters
        return loss, (W - LR * dW, b - LR * db)

    x, y, parameters = jax.numpy.asarray(x), jax.numpy.asarray(y), (jax.numpy.asarray(W), jax.numpy.asarray(b))
    while True:
        loss, parameters = step(parameters, x, y)
        yield loss.block_until_ready(), *parameters


def hips_autograd(x: Array, y: Array, W: Array, b: Array) -> Steps:
    import autograd.numpy as anp
    from autograd import value_and_grad

    def mse(W: Any, b: Any) -> Any:
        return anp.mean((anp.dot(x, W) + b - y) ** 2)

    loss_and_gradients = value_and_grad(mse, argnum=(0, 1))
    while True:
        loss, (dW, db) = loss_and_gradients(W, b)
        W -= LR * dW
        b -= LR * db
        yield loss, W, b


def mygrad(x: Array, y: Array, W: Array, b: Array) -> Steps:
    import mygrad as mg

    W, b = mg.tensor(W), mg.tensor(b)
    while True:
        loss = mg.mean((x @ W + b - y) ** 2)
        loss.backward()
        W.data -= LR * W.grad
        b.data -= LR * b.grad
        W.null_grad()
        b.null_grad()
        yield loss, W, b


HAND = "by hand in NumPy"
COMPILED, NUMBA, JAX = "minigrad, compiled", "minigrad, numba", "jax.jit"
OPERATIONS, FUNCTIONS = "minigrad, operations", "minigrad, Functions"
SIDES: dict[str, Side] = {
    HAND: by_hand,
    "by hand, no allocation": by_hand_in_place,
    OPERATIONS: on_the_tape(lambda x, y, W, b: mse_loss(linear(x, W, b), y)),
    FUNCTIONS: on_the_tape(lambda x, y, W, b: MSE.apply(Linear.apply(x, W, b), y)),
    "minigrad, nn + optim": modules,
    "minigrad, primitives": on_the_tape(lambda x, y, W, b: ((x @ W + b - y) ** 2).mean()),
    COMPILED: compiled,
}
if find_spec("numba"):
    SIDES[NUMBA] = compiled_by_numba
TORCH: dict[str, Side] = {}
if find_spec("torch"):
    TORCH = {"torch, primitives": torch_primitives, "torch, F + optim.SGD": torch_functional}
    SIDES |= TORCH
JAX_JIT: dict[str, Side] = {}
if find_spec("jax"):
    JAX_JIT = {JAX: jax_jit}
    SIDES |= JAX_JIT
PEERS = {**TORCH, **JAX_JIT}
if find_spec("autograd"):
    SIDES["HIPS autograd"] = hips_autograd
if find_spec("mygrad"):
    SIDES["MyGrad"] = mygrad

# -------------------------------------------------------------------------------------------- the targets
PROMISED = OPERATIONS, FUNCTIONS, COMPILED
AT_MOST = {  # side: batch: times the step by hand
    OPERATIONS: {1: 1.8, 32: 1.8, 20640: 1.3},
    FUNCTIONS: {1: 1.8, 32: 1.8, 20640: 1.3},
    COMPILED: {1: 0.9, 32: 0.9, 1024: 1.0, 20640: 1.0},
}
FASTER = {  # side: batch: times faster than a peer, by the first word of its name; told for each of its forms
    OPERATIONS: {1: {"torch": 5.0}, 32: {"torch": 5.0}},
    FUNCTIONS: {1: {"torch": 5.0}, 32: {"torch": 5.0}},
    COMPILED: {1: {"torch": 10.0, "jax": 2.0}, 32: {"torch": 10.0, "jax": 2.0}},
}


def promised(name: str, batch: int, peer: str) -> float | None:
    """How many times faster than `peer` the side `name` is to be."""
    bounds = FASTER.get(name, {}).get(batch, {})
    return next((bound for word, bound in bounds.items() if peer.startswith(word)), None)


def start(batch: int) -> dict[str, Steps]:
    """Every side, at the same weights before the same rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, FEATURES))
    y = x @ rng.standard_normal((FEATURES, 1)) + rng.standard_normal((batch, 1))
    W, b = rng.standard_normal((FEATURES, 1)), rng.standard_normal(1)
    return {name: side(x, y, W.copy(), b.copy()) for name, side in SIDES.items()}


def assert_agreement(sides: dict[str, Steps], steps: int = 20) -> None:
    """Take `steps` steps on every side: loss and weights must be those of the first side, up to rounding.

    Raises:
        AssertionError: names the side and what differs.
    """
    expected: list[Array] = []
    for name, side in sides.items():
        found = [as_vector(value) for value in advance(side, steps)]
        expected = expected or found
        for what, got, wanted in zip(("the loss", "W", "b"), found, expected, strict=True):
            message = f"{name}: {what} after {steps} steps is not that of {next(iter(sides))}"
            np.testing.assert_allclose(got, wanted, rtol=1e-10, err_msg=message)


def as_vector(value: Any) -> Array:
    """A copy of what a side yields: a NumPy number or array, or a tensor of any of the libraries."""
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    return array.reshape(-1).copy()


class Ratio(NamedTuple):
    """A measured ratio, and the bound it is to keep; None where nothing was promised."""

    value: float
    relation: str = "<="
    bound: float | None = None

    @property
    def missed(self) -> bool:
        if self.bound is None:
            return False
        return self.value > self.bound if self.relation == "<=" else self.value < self.bound

    def __str__(self) -> str:
        if self.bound is None:
            return f"{self.value:.2f}" + " " * len(" >= 1.0 miss")
        return f"{self.value:.2f} {self.relation} {self.bound} {'miss' if self.missed else 'hit '}"


class Row(NamedTuple):
    """One side at one batch size."""

    batch: int
    name: str
    microseconds: float
    over_hand: Ratio  # how many times as long as the step by hand, the median over rounds
    quartiles: tuple[float, float]  # of the same
    peers_over: list[Ratio]  # how many times as long as this side each of PEERS takes

    @property
    def ratios(self) -> list[Ratio]:
        return [self.over_hand, *self.peers_over]

    def cells(self) -> list[str]:
        low, high = self.quartiles
        return [
            f"{self.batch:>5}  {self.name}",
            f"{self.microseconds:.1f}",
            f"{low:.2f}-{high:.2f}",
            *map(str, self.ratios),
        ]


HEADER = ["batch  side", "µs/step", "quartiles", "over by hand", *(name.replace(",", ":") for name in PEERS)]
EXPLANATION = """\
Linear + MSE: forward, backward, update; {features} features, 1 output, float64, one BLAS thread.
Medians of {rounds} interleaved rounds; before them, all sides agreed on the loss and the weights.
over by hand: time of this side over that of the step by hand; its quartiles over the rounds stand beside it.
torch: ..., jax: time of that peer over that of this side, so more is better for this side.
"""


def compare(batch: int, rounds: int, seconds: float = 0.005) -> list[Row]:
    """Measure every side at one batch size, after asserting that all of them do the same."""
    assert_agreement(start(batch))
    timings = measure(start(batch), rounds, seconds)
    rows = []
    for name in SIDES:
        rows.append(
            Row(
                batch,
                name,
                timings.microseconds(name),
                Ratio(timings.ratio(name, HAND), "<=", AT_MOST.get(name, {}).get(batch)),
                timings.quartiles(name, HAND),
                [Ratio(timings.ratio(peer, name), ">=", promised(name, batch, peer)) for peer in PEERS],
            )
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.step",
        description="Time the training step of linear regression: by hand in NumPy, on minigrad's tape in four "
        "forms and as a compiled program, on torch in two forms, and on jax, HIPS autograd and MyGrad, where these are "
        "installed.",
    )
    parser.add_argument(
        "--batch", type=int, nargs="+", default=BATCHES, metavar="ROWS", help="default: 1 32 1024 20640"
    )
    parser.add_argument("--rounds", type=int, default=40, help="rounds in which every side runs once (default 40)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args(arguments)
    if min(options.batch) < 1 or options.rounds < 1:
        parser.error("--batch and --rounds count from 1")

    rows = [row for batch in options.batch for row in compare(batch, options.rounds)]
    print(EXPLANATION.format(features=FEATURES, rounds=options.rounds))
    lines: list[list[str]] = []
    for row in rows:
        lines += [[], row.cells()] if row.name == HAND else [row.cells()]  # a rule before each batch size
    print(table(HEADER, lines))
    return 1 if options.check and any(ratio.missed for row in rows for ratio in row.ratios) else 0


if __name__ == "__main__":
    sys.exit(main())
