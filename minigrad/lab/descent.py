"""Gradient descent, once: batch, stochastic and mini-batch descent differ only in the size of a batch.

Other methods differ in what an optimizer of minigrad.optim makes of the gradient.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from operator import add
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from minigrad import (
    Tensor,
    compile,
    linear,
    log_softmax,
    mse_loss,
    no_grad,
    optim,
    softplus,
)
from minigrad.lab.data import FloatArray, blocks, rows_in_memory
from minigrad.lab.errors import LabError, option, unknown
from minigrad.lab.settings import ENGINES, METHODS, MINIBATCH, Method

EXACT = 40.0  # from here on softplus(x) is x in every dtype
RUNS = 64  # stretches of neighbours in a block


class Engine(Protocol):
    """Owns the parameters and improves them a step at a time, at the rate `lr`."""

    lr: float

    def step(self, x: FloatArray, y: FloatArray) -> None:
        """One step of gradient descent on mean((x W + b - y)²): x (m, p), y (m, q)."""

    def parameters(self) -> tuple[FloatArray, FloatArray]:
        """Copies of W (p, q) and b (q,) as they are now."""


def loss(x: Any, y: Any, W: Any, b: Any) -> Any:
    """The mean of (x W + b - y)², which a step goes down."""
    yhat = linear(x, W, b)
    return mse_loss(yhat, y)


def objective(loss_of: str, alpha: float = 0.0, weighted: bool = False) -> Callable[..., Any]:
    """The loss that is descended: "squares", or the cross-entropy "logistic" or "softmax", with alpha/2 ‖W‖².

    Where rows have weights, they are the last column of y, so that they come along in whatever order.
    """
    if loss_of == "squares" and not alpha and not weighted:
        return loss

    def penalised(x: Any, y: Any, W: Any, b: Any) -> Any:
        y, w = (y[:, :-1], y[:, -1:]) if weighted else (y, None)
        scores = linear(x, W, b)
        if loss_of == "squares":
            losses = (scores - y) ** 2
        elif loss_of == "logistic":  # -ln of the share of the class that y names, 0 or 1, in fewest operations
            losses = softplus((1 - 2 * y) * scores, threshold=EXACT)
        else:
            losses = (log_softmax(scores, 1) * -y).sum(1, keepdims=True)
        found = (losses if w is None else w * losses).mean()
        return found + alpha / 2 * (W * W).sum() if alpha else found

    return penalised


def update(parameters: Sequence[Any], gradients: Sequence[Any], lr: Any) -> list[Any]:
    """One step against the gradient."""
    return [p - lr * g for p, g in zip(parameters, gradients, strict=True)]


def clipped_rate(gradients: Sequence[Any], lr: Any, most: Any) -> Any:
    """The rate at which a step is `lr` times the gradient, scaled so that its norm, taken together, is at most `most`.

    The 1e-6 that keeps a zero norm from dividing is that of `torch.nn.utils.clip_grad_norm_`.
    """
    norm = np.sqrt(reduce(add, [(g * g).sum() for g in gradients]))
    return lr * np.minimum(1, most / (norm + 1e-6))


def clipped_update(parameters: Sequence[Any], gradients: Sequence[Any], lr: Any, most: Any) -> list[Any]:
    """One step against the gradient, clipped."""
    return update(parameters, gradients, clipped_rate(gradients, lr, most))


class TapeEngine:
    """The engine this project is about: the gradient comes from minigrad's tape."""

    def __init__(
        self,
        weights: FloatArray,
        bias: FloatArray,
        lr: float,
        clip_norm: float | None = None,
        method: Method = METHODS["minibatch"],
        loss: Callable[..., Any] = loss,
    ) -> None:
        self.loss = loss
        self.W, self.b = (Tensor(part.copy(), requires_grad=True) for part in (weights, bias))
        self.lr, self.clip_norm = lr, clip_norm
        made = None if method.plain else getattr(optim, method.optimizer)([self.W, self.b], lr=lr, **method.more)
        self.optimizer: optim.Optimizer | None = made

    def add_gradient(self, x: FloatArray, y: FloatArray) -> None:
        """Add the gradient of the loss on these rows to those of W and b."""
        W, b = self.W, self.b
        if isinstance(x, np.memmap):
            for rows in blocks(x):  # gradients add up; each part weighs as much as it has rows
                part = x[rows]
                (self.loss(part, y[rows], W, b) * (len(part) / len(x))).backward()
        else:
            self.loss(x, y, W, b).backward()

    def step(self, x: FloatArray, y: FloatArray) -> None:
        self.add_gradient(x, y)
        self.update()

    def update(self) -> None:
        """One step against the gradients that were added up."""
        W, b = self.W, self.b
        assert W.grad is not None  # backward has just filled it
        assert b.grad is not None
        if self.optimizer:
            if self.clip_norm is not None:
                part = clipped_rate((W.grad, b.grad), 1.0, self.clip_norm)
                W.grad, b.grad = part * W.grad, part * b.grad
            self.optimizer.param_groups[0]["lr"] = self.lr
            self.optimizer.step()
        else:
            lr = self.lr if self.clip_norm is None else clipped_rate((W.grad, b.grad), self.lr, self.clip_norm)
            with no_grad():
                W -= lr * W.grad
                b -= lr * b.grad
        W.zero_grad()
        b.zero_grad()

    def parameters(self) -> tuple[FloatArray, FloatArray]:
        return self.W.data.copy(), self.b.data.copy()

    def memory(self) -> dict[str, Any]:
        """The optimizer's memory of earlier steps."""
        return self.optimizer.state_dict() if self.optimizer else {}

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on as the engine did whose memory this was."""
        if self.optimizer:
            self.optimizer.load_state_dict(memory)


@cache
def program(clipped: bool, backend: str, loss_of: str = "squares", alpha: float = 0.0) -> Any:
    """The step as a program: of any rate, so that one is traced for all runs."""
    rule = clipped_update if clipped else update
    return compile(objective(loss_of, alpha), grad_of=("W", "b"), update=rule, donate=("W", "b"), backend=backend)


class ProgramEngine:
    """The same steps, as the program that the tape prints; with numba, stretches of steps at once."""

    def __init__(
        self, weights: FloatArray, bias: FloatArray, lr: float, clip_norm: float | None, backend: str = "numpy",
        loss_of: str = "squares", alpha: float = 0.0,
    ) -> None:  # fmt: skip
        self.W, self.b = weights.copy(), bias.copy()
        self.lr, self.clip_norm = lr, clip_norm
        self.run = program(clip_norm is not None, backend, loss_of, alpha)
        if backend == "numba":
            self.steps = self.many

    @property
    def numbers(self) -> list[FloatArray]:
        return [np.asarray(n, self.W.dtype) for n in (self.lr, self.clip_norm) if n is not None]

    def step(self, x: FloatArray, y: FloatArray) -> None:
        _, (self.W, self.b) = self.run(x, y, self.W, self.b, *self.numbers)

    def many(self, xs: FloatArray, ys: FloatArray, bounds: Sequence[int]) -> None:
        """A step for each batch of rows, which are those between two of `bounds`."""
        _, (self.W, self.b) = self.run.epoch(xs, ys, self.W, self.b, *self.numbers, over=("x", "y"), batches=bounds)

    def parameters(self) -> tuple[FloatArray, FloatArray]:
        return self.W.copy(), self.b.copy()

    def prepare(self, xs: FloatArray, ys: FloatArray, bounds: Sequence[int]) -> None:
        """Trace what batches of these sizes need, so that the first step takes no longer than the others."""
        start = self.W, self.b
        self.W, self.b = self.W.copy(), self.b.copy()
        sizes = np.diff(bounds)
        turn = int(np.argmax(sizes != sizes[0]))  # where the size changes, 0 if it does not
        steps(self, xs, ys, bounds[max(turn - 1, 0) : turn + 2])
        self.W, self.b = start


def rows_a_step(method: str, rows: int, minibatch: int = MINIBATCH) -> int:
    """How many of so many rows a step of `method` takes."""
    return {"all": rows, "some": min(minibatch, rows), 1: 1}[METHODS[method].rows]


def rates(schedule: str, lr: float, epochs: int) -> Callable[[int], float]:
    """The rate at each epoch, from 0 on, of a run of so many epochs that begins with `lr`.

    The formulas are those of minigrad.optim.lr_scheduler.
    """
    if schedule == "constant":
        return lambda t: lr
    of = optim.SGD([Tensor(0.0, requires_grad=True)], lr=lr)
    made: dict[str, Callable[[], optim.lr_scheduler.LRScheduler]] = {
        "step": lambda: optim.lr_scheduler.StepLR(of, -(-epochs // 3)),
        "exponential": lambda: optim.lr_scheduler.ExponentialLR(of, 0.01 ** (1 / epochs)),
        "linear": lambda: optim.lr_scheduler.LinearLR(of, 1.0, 0.01, epochs),
        "cosine": lambda: optim.lr_scheduler.CosineAnnealingLR(of, epochs),
    }
    found = made[schedule]()
    return lambda t: found.at(t, lr)


def steps(engine: Engine, xs: FloatArray, ys: FloatArray, bounds: Sequence[int]) -> None:
    """The steps between `bounds`, in whatever number the engine takes at once."""
    if many := getattr(engine, "steps", None):
        many(xs, ys, bounds)
        return
    for start, stop in pairwise(bounds):
        engine.step(xs[start:stop], ys[start:stop])


def check_engine(name: str, method: str) -> None:
    """Raise LabError unless the engine called `name` takes the steps of `method`."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    if name != "minigrad" and not METHODS[method].plain:
        raise LabError(
            f"{option('engine', name)} takes plain steps only; {method} needs {option('engine', 'minigrad')}"
        )


def make_engine(
    name: str, weights: FloatArray, bias: FloatArray, lr: float, clip_norm: float | None, method: str = "minibatch",
    loss_of: str = "squares", alpha: float = 0.0, weighted: bool = False,
) -> Engine:  # fmt: skip
    """The engine called `name`, started at copies of weights (p, q) and bias (q,), for an `objective`."""
    check_engine(name, method)
    if name == "minigrad":
        return TapeEngine(weights, bias, lr, clip_norm, METHODS[method], objective(loss_of, alpha, weighted))
    if weighted or (name == "torch" and loss_of != "squares"):
        what = "weighted rows" if weighted else "classes"
        raise LabError(f"{option('engine', name)} knows no {what}; take {option('engine', 'minigrad')}")
    if name in ("compiled", "numba"):
        backend = "numba" if name == "numba" else "numpy"
        return ProgramEngine(weights, bias, lr, clip_norm, backend, loss_of, alpha)
    engine: Engine = torch_ref().Torch(weights, bias, lr, clip_norm)
    return engine


def torch_ref(name: str = "torch_ref.descent") -> Any:
    """A module of torch_ref, which imports torch: in a wheel it is inside of minigrad, in a checkout beside it."""
    if find_spec("minigrad.torch_ref") is not None:
        return import_module(f"minigrad.{name}")
    sys.path.append(str(Path(__file__).resolve().parents[2]))  # an editable install links to minigrad alone
    try:
        return import_module(name)
    finally:
        sys.path.pop()


@dataclass(frozen=True)
class Milestone:
    """Where a descent stands: counts since the start, and seconds spent on steps and their rows, not in looking on."""

    epoch: int
    steps: int
    samples: int
    seconds: float


def shuffled(n: int, size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.intp]]:
    """The numbers of all n rows in random order, in blocks of about `size`.

    From a file rows are read in runs of neighbours, for speed. A block has runs from all over the file, so that rows
    which are sorted there come mixed all the same.
    """
    if n <= size:
        yield rng.permutation(n)
        return
    run = -(-size // RUNS)
    starts = run * rng.permutation(-(-n // run))
    for first in range(0, len(starts), RUNS):
        rows = np.add.outer(starts[first : first + RUNS], np.arange(run)).ravel()
        yield rng.permutation(rows[rows < n])


def _stretches(
    x: FloatArray, y: FloatArray, count: int, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, FloatArray, Sequence[int]]]:
    """The `count` steps of an epoch: rows in a new order and the bounds of the steps in them, a block at a time.

    Step i has the rows from n i // count to n (i + 1) // count of the order. A step that a block begins and does not
    end is the first of the next block.
    """
    n = len(x)
    if count == 1:  # a full batch has no order
        yield x, y, (0, n)
        return
    begin = step = 0
    rows = np.empty(0, np.intp)
    for block in shuffled(n, rows_in_memory(x), rng):
        rows = np.concatenate([rows, block])
        last = min(((begin + len(rows) + 1) * count - 1) // n, count)  # after it the next rows are not all there
        bounds = [n * i // count - begin for i in range(step, last + 1)]
        yield x[rows], y[rows], bounds
        rows = rows[bounds[-1] :]
        begin, step = begin + bounds[-1], last


def descend(
    engine: Engine, x: FloatArray, y: FloatArray, *, epochs: int, batch_size: int, rng: np.random.Generator,
    rate: Callable[[int], float] | None = None, since: Milestone | None = None,
) -> Iterator[Milestone]:  # fmt: skip
    """Step through x (n, p), y (n, q) `epochs` times, in a new random order each, `batch_size` rows a step.

    Yields a milestone at the end of each epoch and, because most happens there, after 1, 2, 4, 8, ... steps of the
    first. Batches are made even, and so may have fewer rows than `batch_size`: the rows of a short last one
    would weigh more than the others. `rate` has the engine's lr for each epoch, from 0 on; else it stays as it is.
    `since` is the end of the epoch after which engine and rng are to go on.
    """
    n = len(x)
    count = -(-n // batch_size)
    if prepare := getattr(engine, "prepare", None):
        there = min(n, max(rows_in_memory(x), batch_size))
        prepare(x[:there], y[:there], [n * i // count for i in range(there * count // n + 1)])
    stretches = getattr(engine, "stretches", _stretches)
    marks = {count, *(2**k for k in range(count.bit_length()) if 2**k < count)}
    done, seconds = (since.epoch, since.seconds) if since else (0, 0.0)
    if done:
        marks = {count}
    for epoch in range(done + 1, epochs + 1):
        step = 0
        began = perf_counter()
        if rate:
            engine.lr = rate(epoch - 1)
        for xs, ys, bounds in stretches(x, y, count, rng):
            first, last = step, step + len(bounds) - 1
            for mark in sorted(mark for mark in {last, *marks} if first < mark <= last):
                steps(engine, xs, ys, bounds[step - first : mark - first + 1])
                step = mark
                if mark in marks:
                    seconds += perf_counter() - began
                    yield Milestone(epoch, (epoch - 1) * count + mark, (epoch - 1) * n + n * mark // count, seconds)
                    began = perf_counter()
        marks = {count}
