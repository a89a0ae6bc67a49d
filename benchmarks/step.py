"""What does a training step cost? Linear regression: forward, loss, backward, update.

Run as `python -m benchmarks.step`. All sides do the same mathematics on 8 features and 1 output in float64:
from the same weights they take the same steps and compute the loss at each; before anything is timed, they
must have arrived at the same weights. The floor is the step by hand in NumPy. numba, torch, jax, HIPS autograd and
MyGrad take part where they are installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from minigrad import Function, Tensor, compile, linear, mse_loss, nn, no_grad, optim
from minigrad.bench import peers
from minigrad.bench.harness import ROUNDS, Cell, Table, assert_agreement, command, measure, positive, say

FEATURES = 8
BATCHES = 1, 32, 1024, 20640
YIELDED = "the loss", "W", "b"
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


@cache
def program(backend: str) -> Any:
    """The step as the program that its tape prints, with the update."""
    return compile(
        lambda x, y, W, b: mse_loss(linear(x, W, b), y),
        grad_of=("W", "b"),
        update=lambda parameters, slopes: [p - LR * g for p, g in zip(parameters, slopes, strict=True)],
        backend=backend,
    )


def compiled(backend: str) -> Side:
    def steps(x: Array, y: Array, W: Array, b: Array) -> Steps:
        step = program(backend)
        while True:
            loss, (W, b) = step(x, y, W, b)
            yield loss, W, b

    return steps


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
    torch = peers.torch()
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
    torch = peers.torch()
    from torch.nn import functional as F

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
    jax = peers.jax()

    def mse(parameters: Any, x: Any, y: Any) -> Any:
        W, b = parameters
        return ((x @ W + b - y) ** 2).mean()

    @jax.jit
    def step(parameters: Any, x: Any, y: Any) -> Any:
        loss, slopes = jax.value_and_grad(mse)(parameters, x, y)
        return loss, [p - LR * g for p, g in zip(parameters, slopes, strict=True)]

    x, y, *parameters = map(jax.numpy.asarray, (x, y, W, b))
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


HAND, IN_PLACE = "by hand in NumPy", "by hand, no allocation"
OPERATIONS, FUNCTIONS = "minigrad, operations", "minigrad, Functions"
COMPILED, NUMBA, JAX = "minigrad, compiled", "minigrad, numba", "jax.jit"
SIDES: dict[str, Side] = {
    HAND: by_hand,
    IN_PLACE: by_hand_in_place,
    COMPILED: compiled("numpy"),
    OPERATIONS: on_the_tape(lambda x, y, W, b: mse_loss(linear(x, W, b), y)),
    FUNCTIONS: on_the_tape(lambda x, y, W, b: MSE.apply(Linear.apply(x, W, b), y)),
    "minigrad, nn + optim": modules,
    "minigrad, primitives": on_the_tape(lambda x, y, W, b: ((x @ W + b - y) ** 2).mean()),
}
if peers.has("numba"):
    SIDES[NUMBA] = compiled("numba")
TORCH: dict[str, Side] = {}
if peers.has("torch"):
    TORCH = {"torch, primitives": torch_primitives, "torch, F + optim.SGD": torch_functional}
    SIDES |= TORCH
if peers.has("jax"):
    SIDES[JAX] = jax_jit
if peers.has("autograd"):
    SIDES["HIPS autograd"] = hips_autograd
if peers.has("mygrad"):
    SIDES["MyGrad"] = mygrad
RIVALS = [name for name in SIDES if name in TORCH or name == JAX]

# -------------------------------------------------------------------------------------------- the targets
AT_MOST = {  # side: batch: times the step by hand
    OPERATIONS: {1: 1.8, 32: 1.8, 20640: 1.3},
    FUNCTIONS: {1: 1.8, 32: 1.8, 20640: 1.3},
    COMPILED: {1: 0.9, 32: 0.9, 1024: 1.0, 20640: 1.0},
}
FASTER = {  # side: batch: times faster than each form of torch, and than jax
    OPERATIONS: {1: (5.0, None), 32: (5.0, None)},
    FUNCTIONS: {1: (5.0, None), 32: (5.0, None)},
    COMPILED: {1: (10.0, 2.0), 32: (10.0, 2.0)},
}


def faster(name: str, batch: int, rival: str) -> float | None:
    """How many times faster than a rival a side is to be."""
    torch, jax = FASTER.get(name, {}).get(batch, (None, None))
    return jax if rival == JAX else torch


def problem(batch: int) -> tuple[Array, Array, Array, Array]:
    """x (batch, 8), y (batch, 1), and W (8, 1), b (1,) to start from."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, FEATURES))
    y = x @ rng.standard_normal((FEATURES, 1)) + rng.standard_normal((batch, 1))
    return x, y, rng.standard_normal((FEATURES, 1)), rng.standard_normal(1)


def start(batch: int) -> dict[str, Steps]:
    """Every side, at the same weights before the same rows."""
    return {name: side(*problem(batch)) for name, side in SIDES.items()}


HEADER = ["batch", "side", "µs/step", "quartiles", "over by hand", *(f"{name} over" for name in RIVALS)]
TITLE = f"""\
Linear + MSE: forward, backward, update; {FEATURES} features, 1 output, float64, one BLAS thread.
Medians of interleaved rounds; before them, all sides agreed on the loss and the weights.
over by hand: time of this side over that of the step by hand; its quartiles over the rounds stand beside it.
... over: time of torch and of jax over that of this side, so more is better for this side."""


def compare(batch: int, rounds: int, seconds: float = 0.005) -> list[list[Cell]]:
    """Measure every side at one batch size, after asserting that all of them do the same."""
    say(f"step: batch {batch}")
    assert_agreement(start(batch), YIELDED)
    timings = measure(start(batch), rounds, seconds)
    rows: list[list[Cell]] = []
    for name in SIDES:
        by_hand = timings.cells(name, HAND, "<=", AT_MOST.get(name, {}).get(batch))
        rivals = [timings.ratio(rival, name, ">=", faster(name, batch, rival)) for rival in RIVALS]
        rows.append([batch, name, *by_hand, *rivals])
    return rows


def run(rounds: int = ROUNDS, batch: Sequence[int] = BATCHES) -> Table:
    """The table of every side at each size of `batch`."""
    rows: list[list[Cell]] = []
    for size in batch:
        rows += [[], *compare(size, rounds)]
    return Table(TITLE, HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    sizes = {"type": positive, "nargs": "+", "default": BATCHES, "metavar": "ROWS", "help": "default: 1 32 1024 20640"}
    return command("step", run, __doc__, arguments, batch=sizes)


if __name__ == "__main__":
    sys.exit(main())
