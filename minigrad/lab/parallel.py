"""Data-parallel descent that is the same descent: any number of workers takes the steps of one process, to the bit.

The training rows lie in `PARTS` parts, whoever computes. At each step every part answers the weights with the sum of
the gradients of its rows of the batch, from the tape, and their number; the sums are added in the order of the parts,
and the mean is what the step goes down. Which rows of a part belong to a step follows from numbers alone, so that a
part keeps nothing from one step to the next: anybody may compute it, and again when somebody was lost.

With local steps a part takes several steps by itself, and what is added up, also where the loss is to be looked at, are
the weights that it comes to, times its rows: that is local SGD, another method (Stich, "Local SGD converges fast and
communicates little", ICLR 2019).

The same bits need the same NumPy and the same kind of processor, and BLAS with one thread everywhere.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache, reduce
from itertools import pairwise, repeat
from multiprocessing import get_context
from operator import add
from time import perf_counter
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad.engine.words import counted
from minigrad.lab.data import BLOCK, FloatArray, Prepared
from minigrad.lab.descent import TapeEngine, objective, shuffled
from minigrad.lab.errors import LabError, option
from minigrad.lab.settings import METHODS
from minigrad.lab.store import kept

PARTS = 12  # 1, 2, 3, 4, 6 and 12 workers get equally many


@dataclass(frozen=True)
class Part:
    """A stretch of the training rows: where it lies in the files of x (n, p) and y (n, q), and its number.

    `sent` are the rows themselves, for those who do not see the files.
    """

    number: int
    start: int
    stop: int
    dtype: str
    paths: tuple[str, str]
    shapes: tuple[tuple[int, int], tuple[int, int]]
    sent: tuple[FloatArray, FloatArray] | None = None

    def rows(self) -> tuple[FloatArray, FloatArray]:
        if self.sent:  # rows that were sent are added up block by block, as those in a file are, to the same bits
            x, y = self.sent
            return x.view(np.memmap), y
        x, y = (_mapped(path, self.dtype, shape) for path, shape in zip(self.paths, self.shapes, strict=True))
        return x[self.start : self.stop], y[self.start : self.stop]

    def with_rows(self) -> Part:
        """The part for those who do not see the files."""
        x, y = self.rows()
        return replace(self, sent=(np.array(x), np.array(y)))

    def batch(self, key: int, step: int, count: int) -> tuple[FloatArray, FloatArray]:
        """The rows of a step, of `count` in an epoch whose order `key` decides."""
        x, y = self.rows()
        n = self.stop - self.start
        if count == 1:
            return x, y
        order = _order(key, self.number, n, max(1, BLOCK // x.shape[1]))[n * step // count : n * (step + 1) // count]
        return x[order], y[order]


@cache
def _mapped(path: str, dtype: str, shape: tuple[int, int]) -> FloatArray:
    return np.memmap(path, dtype, "r", shape=shape)


@lru_cache(maxsize=2 * PARTS)
def _order(key: int, number: int, rows: int, block: int) -> npt.NDArray[np.intp]:
    return np.concatenate([*shuffled(rows, block, np.random.default_rng([key, number]))])


@cache
def _one_thread() -> None:
    """BLAS has one thread in this process, from now on: with more it may add up in another order."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


Answer = tuple[FloatArray, FloatArray, int]  # sums for W (p, q) and b (q,), and how many rows are in them


class Task(NamedTuple):
    """A task for the parts: the steps from `first` to `last` of those of an epoch, from these weights."""

    weights: FloatArray
    bias: FloatArray
    key: int
    first: int
    last: int
    steps: int
    lr: float
    clip_norm: float | None
    local: bool
    version: str = minigrad.__version__
    loss_of: str = "squares"
    alpha: float = 0.0


def work(parts: Sequence[Part], task: Task) -> tuple[list[Answer], float]:
    """The answers of `parts` to `task`, and the seconds that they took. Runs wherever the worker is."""
    if task.version != minigrad.__version__:
        raise LabError(
            f"a worker on {platform.node()} has minigrad {minigrad.__version__}, and here it is {task.version}: "
            "install the same version on both sides"
        )
    _one_thread()
    began = perf_counter()
    answers = []
    with np.errstate(over="ignore", invalid="ignore"):  # a loss that explodes is noticed where it is looked at
        for part in parts:
            engine = TapeEngine(
                task.weights, task.bias, task.lr, task.clip_norm, loss=objective(task.loss_of, task.alpha)
            )
            rows = 0
            for step in range(task.first, task.last):
                x, y = part.batch(task.key, step, task.steps)
                rows += len(x)
                if len(x):
                    (engine.step if task.local else engine.add_gradient)(x, y)
            gradients = engine.parameters() if task.local else (engine.W.grad, engine.b.grad)
            answers.append((*(rows * (0.0 if g is None else g) for g in gradients), rows))
    return answers, perf_counter() - began  # type: ignore[return-value]


class Crew:
    """The workers of a run, from the start of a ``with`` to its end; `name` says who they are.

    Raises LabError, here and in `ask`, where they cannot be had, or are lost.
    """

    name = "this process"

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        from threadpoolctl import threadpool_limits  # scikit-learn brings it

        self.stack.enter_context(threadpool_limits(1))
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stack.close()

    def parts_of(self, table: Prepared) -> tuple[Part, ...]:
        """The training rows as parts; rows in memory are written to files for it, which go with `table`."""
        return parts_of(table)

    def engine(self, parts: Sequence[Part], local_steps: int, *of: Any) -> Parallel:
        """The engine whose gradients this crew computes; `of` is what `descent.make_engine` takes."""
        return Parallel(self, parts, local_steps, *of)

    def hold(self, parts: Sequence[Part]) -> None:
        """Share out the parts: each worker has every so many-th."""
        self.groups = [parts[k :: self.workers] for k in range(min(self.workers, len(parts)))]

    def ask(self, task: Task) -> list[tuple[list[Answer], float]]:
        """The answers of all groups of parts, and their seconds."""
        return [work(group, task) for group in self.groups]


class Pool(Crew):
    """Threads or processes of this machine."""

    def __init__(self, workers: int, backend: str) -> None:
        super().__init__(workers)
        self.name = counted(workers, "thread") if backend == "threads" else counted(workers, "process", "processes")
        self.backend = backend

    def __enter__(self) -> Self:
        self.pool: Executor = (
            ThreadPoolExecutor(self.workers)
            if self.backend == "threads"
            else ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"))
        )
        self.stack.enter_context(self.pool)
        with self.whole():
            for started in [self.pool.submit(_one_thread) for _ in range(self.workers)]:
                started.result()
        return super().__enter__()

    @contextmanager
    def whole(self) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool:
            raise LabError(
                f"a worker process was lost, and with it the run; {option('backend', 'dask')} starts another instead"
            ) from None

    def ask(self, task: Task) -> list[tuple[list[Answer], float]]:
        with self.whole():
            return list(self.pool.map(work, self.groups, repeat(task)))


def check(methods: Sequence[str], engine: str, local_steps: int) -> None:
    """Raise LabError for what parts cannot do."""
    if engine != "minigrad":
        raise LabError(f"workers take the gradient from the tape: leave out {option('engine', engine)}")
    if local_steps < 1:
        raise LabError(f"{option('local_steps')} must be at least 1, got {local_steps}")
    for method in methods:
        if METHODS[method].rows == 1:
            raise LabError(
                f"{method} takes one row a step, and there is nothing in it to share; take minibatch or batch"
            )
        if local_steps > 1 and (METHODS[method].rows == "all" or not METHODS[method].plain):
            raise LabError(f"{option('local_steps')} is for minibatch, and not for {method}")


class Parallel(TapeEngine):
    """The tape's engine, with the gradient added up from parts, or with local steps the weights.

    Attributes: `compute` and `exchange`, the seconds in which the slowest worker computed, and those that came on top;
    `exchanges`, their number.
    """

    def __init__(
        self, crew: Crew, parts: Sequence[Part], local_steps: int,
        weights: FloatArray, bias: FloatArray, lr: float, clip_norm: float | None = None, method: str = "minibatch",
        loss_of: str = "squares", alpha: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(weights, bias, lr, clip_norm, METHODS[method])
        self.of: dict[str, Any] = {"loss_of": loss_of, "alpha": alpha}
        crew.hold(parts)
        self.crew, self.local_steps = crew, local_steps
        self.compute = self.exchange = 0.0
        self.exchanges = self.key = self.count = 0

    def memory(self) -> dict[str, Any]:
        return {"optimizer": super().memory(), "books": [self.compute, self.exchange, self.exchanges]}

    def recall(self, memory: dict[str, Any]) -> None:
        super().recall(memory["optimizer"])
        self.compute, self.exchange, self.exchanges = memory["books"]

    def stretches(
        self, x: FloatArray, y: FloatArray, count: int, rng: np.random.Generator
    ) -> Iterator[tuple[FloatArray, FloatArray, Sequence[int]]]:
        """All steps of an epoch, as `descent.descend` asks for them: each part has its own rows and orders them."""
        self.key, self.count = int(rng.integers(2**63)), count
        yield x, y, range(count + 1)

    def steps(self, x: FloatArray, y: FloatArray, bounds: Sequence[int]) -> None:
        """The steps of this epoch between the first and the last of `bounds`."""
        for first in range(bounds[0], bounds[-1], self.local_steps):
            began = perf_counter()
            task = Task(
                *self.parameters(), self.key, first, min(first + self.local_steps, bounds[-1]), self.count,
                self.lr, self.clip_norm, self.local_steps > 1, **self.of,
            )  # fmt: skip
            groups = self.crew.ask(task)
            answers: list[Any] = [None] * sum(len(found) for found, _ in groups)
            for k, (found, _) in enumerate(groups):
                answers[k :: len(groups)] = found
            rows = sum(answer[2] for answer in answers)
            W, b = (reduce(add, (answer[i] for answer in answers)) / rows for i in (0, 1))  # in the order of the parts
            if task.local:
                self.W.data[...], self.b.data[...] = W, b
            else:
                self.W.grad, self.b.grad = np.asarray(W, self.W.dtype), np.asarray(b, self.b.dtype)
                self.update()
            computed = max(seconds for _, seconds in groups)
            self.compute += computed
            self.exchange += perf_counter() - began - computed
            self.exchanges += 1

    def account(self) -> str:
        """Who computed, and how long that took and the exchange."""
        return (
            f"{counted(sum(map(len, self.crew.groups)), 'part')}, computed by {self.crew.name}: "
            f"{self.compute:.2f} s of computing and {self.exchange:.2f} s of exchange in "
            f"{counted(self.exchanges, 'exchange')}"
        )


def parts_of(table: Prepared) -> tuple[Part, ...]:
    """The training rows as parts; rows in memory are written to files for it, which go with `table`."""
    if not isinstance(table.x_train, np.memmap):
        table = kept(table)
    x, y = table.x_train, table.y_train
    bounds = [len(x) * k // PARTS for k in range(PARTS + 1)]
    files: Any = tuple(str(rows.filename) for rows in (x, y))  # type: ignore[attr-defined]
    return tuple(
        Part(k, start, stop, x.dtype.str, files, (x.shape, y.shape)) for k, (start, stop) in enumerate(pairwise(bounds))
    )
