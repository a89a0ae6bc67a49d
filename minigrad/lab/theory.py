"""The exact solution of a problem, first of all of least squares, and what it says about descending to it.

The loss is L(W, b) = mean((x W + b - y)²) over the n q entries of y. Write z for a row of x with 1 appended.
L is quadratic with the Hessian H = 2/(n q) Σ z zᵀ, once for each output: what a constant step does is known.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.lab.data import FloatArray, blocks
from minigrad.lab.settings import METHODS, TASKS, Method

# A default step is this part of its bound. Full batch: just short of the edge, where the steep and the flat
# directions shrink about equally fast. Smaller: half the bound, where the expected error shrinks fastest.
FULL_BATCH_SHARE = 0.9
PARTIAL_BATCH_SHARE = 0.5
# How far above the optimum a default run is to end, in parts of it, and how much of that may be noise.
END_SHARE = 0.015
NOISE_SHARE = 0.002
FAR = 0.02  # a run that ends farther above the optimum has not come to an end
# What a default run may cost at most, unless the data are so many that these epochs cost more.
MOST_SAMPLES = 1_500_000
LEAST_EPOCHS = 10
MOST_EPOCHS = 2_000
ROUNDING = 1e-9  # of the loss of the best constant: below this an optimum is as good as zero
WAYS = 4  # so many times the farthest way is a run of steps that adapt
MEMORY = {"Adam": 3000, "RMSprop": 300}  # steps after which a squared gradient counts for a twentieth
PLAIN = METHODS["minibatch"]
CONSTANT = (1.0,)  # the parts of lr that a schedule takes, one after the other


def mse(x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray) -> float:
    """The mean over all entries of (x W + b - y)², in float64: x (n, p), y (n, q), W (p, q), b (q,)."""
    squares = 0.0
    for rows in blocks(x):
        error = np.asarray(x[rows] @ weights + bias - y[rows], np.float64)
        squares += float(np.vdot(error, error))
    return squares / y.size


def percent(share: float) -> str:
    """A part of the optimum as one says it."""
    return f"{100 * share:,.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def remaining(parts: FloatArray, steps: int, method: Method) -> FloatArray:
    """The part that so many steps leave of a distance d to the optimum, for each eigenvalue λ of the Hessian.

    `parts` has lr λ, a row for each part of the schedule. A step makes m u + d of the sum u of earlier gradients (over
    λ), and takes lr λ u from d; or, where it is Nesterov's, lr λ (d + m u). Without momentum that is (1 - lr λ) d.
    """
    m: float = method.more.get("momentum", 0.0)
    state = np.ones((parts.shape[1], 2, 1)) * [[1.0], [0.0]]  # d and u
    for i, part in enumerate(parts):
        ahead = (1 + m, m * m) if "nesterov" in method.more else (1.0, m)
        turn = np.stack([1 - ahead[0] * part, -ahead[1] * part, 1 + 0 * part, m + 0 * part], axis=1).reshape(-1, 2, 2)
        count = steps * (i + 1) // len(parts) - steps * i // len(parts)
        state = np.linalg.matrix_power(turn, count) @ state
    return np.asarray(state[:, 0, 0])


class Moments:
    """Mean and scatter, Σ (row - mean)(row - mean)ᵀ, of rows that come in blocks, in float64.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979): two
    sets of rows have the scatter of each, and that of their means. No large numbers are subtracted from each other.
    """

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.mean = np.zeros(columns)
        self.scatter = np.zeros((columns, columns))

    def add(self, rows: FloatArray) -> None:
        """Take in a block of rows (m, columns)."""
        mean = rows.mean(axis=0, dtype=np.float64)
        apart, centred = mean - self.mean, rows - mean
        count = self.count + len(rows)
        self.scatter += centred.T @ centred + self.count * len(rows) / count * np.outer(apart, apart)
        self.mean += len(rows) / count * apart
        self.count = count


def normal_equations(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """W (p, q), b (q,) with the least squares of x W + b - y, from one pass over the rows; Σ z zᵀ; the variance of y.

    Where features depend on each other, the smallest weights that do it, as `numpy.linalg.lstsq` has them.
    """
    p = x.shape[1]
    moments = Moments(p + y.shape[1])
    for rows in blocks(x):
        moments.add(np.column_stack([x[rows], y[rows]]).astype(np.float64))
    scatter, mean = moments.scatter[:p, :p], moments.mean
    values, vectors = np.linalg.eigh(scatter)
    there = values > p * np.finfo(float).eps * values[-1]
    W = vectors[:, there] @ (vectors[:, there].T @ moments.scatter[:p, p:] / values[there, np.newaxis])
    one = np.append(mean[:p], 1.0)
    z = len(x) * np.outer(one, one)
    z[:p, :p] += scatter
    return W, mean[p:] - mean[:p] @ W, z, float(np.trace(moments.scatter[p:, p:])) / y.size


class Optimum:
    """Where a loss is least, and what its Hessian H there says about descending to it.

    Attributes: `weights` (p, q), `bias` (q,), and the loss `least`; `eigenvalues` of H, ascending; `full_batch_bound`
    and `one_sample_bound`, the largest stable steps on all rows and on the steepest one.
    """

    task = TASKS[0]
    loss_of = "squares"  # for `descent.objective`
    word = "MSE"
    alpha = 0.0
    streamed = False
    error = 0.0  # the relative one that rounding may leave in the optimum
    resolution = float(np.finfo(float).eps)  # of eigenvalues: what is below this part of the largest is zero

    rows: int
    weights: FloatArray
    bias: FloatArray
    least: float
    negligible: float  # a loss that is as good as zero
    eigenvalues: FloatArray
    full_batch_bound: float
    one_sample_bound: float
    _directions: FloatArray
    _noise: float
    _spread: float

    def measure(
        self, x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray, weight: FloatArray | None = None
    ) -> float:
        """The loss of any weights on any rows; a subclass says."""
        raise NotImplementedError

    def _sampling(self, batch_size: int) -> float:
        """How much of one row's noise a batch drawn without replacement keeps: 1 for one row, 0 for all."""
        smallest = self.rows // math.ceil(self.rows / batch_size)  # batches differ by at most one row
        return (self.rows - smallest) / (smallest * max(self.rows - 1, 1))

    def noise(self, batch_size: int) -> float:
        """The mean square of what the gradient of a batch is long at the optimum, drawn without replacement."""
        return (self.rows - batch_size) / (batch_size * max(self.rows - 1, 1)) * self._noise

    def steepest(self, weights: FloatArray, bias: FloatArray) -> FloatArray:
        """The two directions (2, p + 1, q), of length 1, in which the loss is steepest at the optimum.

        Where the Hessian is the same for each output, they are those of the outputs that `weights` and `bias` lie in.
        """
        gap = np.vstack([weights - self.weights, bias - self.bias])
        found = []
        for direction in self._directions[:, :-3:-1].T:
            direction = direction.reshape(len(gap), -1)
            if direction.shape[1] < gap.shape[1]:
                part = direction.T @ gap
                length = float(np.linalg.norm(part))
                direction = direction @ (part / length if length else np.eye(1, gap.shape[1]))
            found.append(direction if np.vdot(direction, gap) >= 0 else -direction)
        return np.array(found)

    def section(self, directions: FloatArray, a: FloatArray, b: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """The loss, up to a constant, at each a and b along the two `steepest` directions, which is quadratic."""
        steep = self.eigenvalues[:-3:-1]
        return np.asarray(np.add.outer(steep[0] * a**2, steep[1] * b**2) / 2)

    def step_bound(self, batch_size: int, method: Method = PLAIN) -> float:
        """The largest step for which the expected squared distance to the optimum shrinks.

        2 / (c β + (1 - c) λ_max) with β = 2 max‖z‖²/q and c from 1 (one row) to 0 (all rows): the Hessian H_B
        of a random batch has E[H_B²] ≤ that denominator times H (Ma, Bassily and Belkin, "The power of
        interpolation", ICML 2018; here without replacement). Exact for the full batch, sufficient below it.

        Momentum m bears 1 + m times the λ_max, Nesterov's (1 + m) / (1 + 2 m) times: there an eigenvalue of the step
        in `remaining` comes to -1. The noise of batches it adds up to 1 / (1 - m) times as much. Methods that adapt
        their steps have no such bound.
        """
        if method.adaptive:
            return math.inf
        c = self._sampling(batch_size)
        m: float = method.more.get("momentum", 0.0)
        steep = (1 + m) / (1 + 2 * m) if "nesterov" in method.more else 1 + m
        return 1 / (c / ((1 - m) * self.one_sample_bound) + (1 - c) / (steep * self.full_batch_bound))

    def default_lr(
        self, batch_size: int, method: Method = PLAIN, shape: Sequence[float] = CONSTANT, far: float = 1.0
    ) -> float:
        """The step a run takes unless told otherwise: below its bound, with noise of a fifth of a percent.

        Near the optimum a small constant step hovers lr/4 · E‖g‖² above it, g the gradient of a random batch; with
        momentum m it is lr / (1 - m) that counts. Steps that adapt have lr / √E[g_i²] for lr in each direction.
        AdaGrad, whose steps become shorter by themselves, is given the mean distance that a weight has to go, `far`,
        the others at most a tenth of it. A schedule, too, may begin with what would be too noisy at the end.
        """
        if method.optimizer == "Adagrad":
            return far
        m: float = method.more.get("momentum", 0.0)
        noise = self._sampling(batch_size) * self._noise
        if method.adaptive:
            noise = math.sqrt(self._sampling(batch_size)) * self._spread
        loud = len(shape) == 1 and noise
        quiet = (1 - m) * 4 * NOISE_SHARE * self.least / noise if loud else math.inf
        if method.adaptive:
            return min(far / 10, quiet) or far / 10
        bound = self.step_bound(batch_size, method)
        return FULL_BATCH_SHARE * bound if batch_size >= self.rows else min(PARTIAL_BATCH_SHARE * bound, quiet)

    def _excess(self, weights: FloatArray, bias: FloatArray) -> FloatArray:
        """How far the loss is above the optimum, in each eigendirection of the Hessian, where it is quadratic."""
        gap = np.vstack([weights - self.weights, bias - self.bias]).astype(np.float64)
        gap = self._directions.T @ gap.reshape(len(self._directions), -1)
        return np.asarray((gap**2).sum(1) * self.eigenvalues / 2)

    def _left(
        self, weights: FloatArray, bias: FloatArray, lr: float, batch_size: int, epochs: int,
        method: Method = PLAIN, shape: Sequence[float] = CONSTANT,
    ) -> float:  # fmt: skip
        """How far above the optimum a run from `weights` and `bias` is expected to end.

        In each eigendirection of the Hessian the expected distance shrinks by 1 - lr λ a step, exactly so for the full
        batch; for smaller ones noise comes on top.
        """
        excess = self._excess(weights, bias)
        steps = epochs * math.ceil(self.rows / batch_size)
        parts = np.multiply.outer(lr * np.asarray(shape), self.eigenvalues)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # of a step that is too long
            return float(remaining(parts, steps, method) ** 2 @ excess)

    def predicted(
        self, weights: FloatArray, bias: FloatArray, lr: float, batch_size: int, epochs: int,
        method: Method = PLAIN, shape: Sequence[float] = CONSTANT,
    ) -> float:  # fmt: skip
        """How far above the optimum a run is expected to end, in parts of it; 0 where the optimum is nearly zero, and
        for steps that adapt, of which nothing is known beforehand."""
        if method.adaptive:
            return 0.0
        left = self._left(weights, bias, lr, batch_size, epochs, method, shape)
        return left / self.least if self.least > self.negligible else 0.0

    def needed_epochs(
        self, weights: FloatArray, bias: FloatArray, lr: float, batch_size: int,
        method: Method = PLAIN, shape: Sequence[float] = CONSTANT,
    ) -> int | None:  # fmt: skip
        """Epochs, in tens, after which a run is expected within 1.5 % of the optimum; None if over 671 million.

        For small batches half of that is left for noise. Steps that adapt are given the epochs of those that do not,
        but several times what it takes to get to the farthest weight in steps of lr, and to forget the first gradients.
        """
        share = END_SHARE if batch_size >= self.rows else END_SHARE / 2
        if method.adaptive:
            plain = self.needed_epochs(
                weights, bias, self.default_lr(batch_size, PLAIN, shape), batch_size, PLAIN, shape
            )
            farthest = max(float(np.abs(weights - self.weights).max()), float(np.abs(bias - self.bias).max()))
            way = 0.0 if method.optimizer == "Adagrad" else max(WAYS * farthest / lr, MEMORY[method.optimizer])
            return plain and max(plain, 10 * math.ceil(way / (10 * math.ceil(self.rows / batch_size))))

        def reached(tens: int) -> bool:
            left = self._left(weights, bias, lr, batch_size, 10 * tens, method, shape)
            return left <= share * max(self.least, self.negligible)

        tens = next((2**k for k in range(27) if reached(2**k)), None)
        return tens and 10 * bisect_left(range(tens), True, lo=max(tens // 2, 1), key=reached)

    def default_epochs(self, weights: FloatArray, bias: FloatArray, lr: float, batch_size: int, *how: Any) -> int:
        """The epochs needed, within limits of cost."""
        most = max(LEAST_EPOCHS, min(MOST_EPOCHS, MOST_SAMPLES // self.rows))
        return min(self.needed_epochs(weights, bias, lr, batch_size, *how) or most, most)

    @property
    def _flattest(self) -> int:
        """The number of the smallest eigenvalue that is not zero."""
        least = len(self.eigenvalues) * self.resolution * self.eigenvalues[-1]
        return int(np.searchsorted(self.eigenvalues, least, side="right"))

    @property
    def condition(self) -> float:
        """The condition number of the Hessian: its largest eigenvalue over its smallest that is not zero."""
        return float(self.eigenvalues[-1] / self.eigenvalues[self._flattest])

    def dependent(self) -> list[int]:
        """The features that nearly make up each other: those that share in the flattest direction of the loss."""
        direction = self._directions[:, self._flattest].reshape(len(self.weights) + 1, -1)
        part = np.linalg.norm(direction[:-1], axis=1)
        return [int(i) for i in np.argsort(-part, kind="stable") if part[i] > 0.25 * part.max()]


class LeastSquares(Optimum):
    """The exact optimum of the MSE on x (n, p), y (n, q), and the steps that reach it. All in float64.

    With `weight` (n,) of mean 1 it is that of mean(weight (x W + b - y)²). Of rows in a file the optimum comes from the
    normal equations, in passes that hold one block of them in memory.

    Attributes: `weights` (p, q), `bias` (q,), `mse`; `eigenvalues` (p + 1,) of the Hessian, ascending;
    `full_batch_bound` = 2/λ_max; `one_sample_bound` = q / max‖z‖², which is 2/λ for the steepest single row.

    >>> from minigrad import lab
    >>> run = lab.train("synthetic", epochs=1)
    >>> run.exact.weights.shape, bool(run.exact.mse < run.train_mse)
    ((13, 3), True)
    """

    def __init__(self, x: FloatArray, y: FloatArray, weight: FloatArray | None = None) -> None:
        self.rows: int = len(x)
        self.outputs: int = y.shape[1]
        self.streamed = isinstance(x, np.memmap)
        if self.streamed:
            self.weights, self.bias, squares, variance = normal_equations(x, y)
            self.eigenvalues, self._directions = np.linalg.eigh(2 / y.size * squares)
        else:
            root = 1.0 if weight is None else np.sqrt(weight)[:, np.newaxis]
            z = root * np.column_stack([x, np.ones(len(x))]).astype(np.float64)
            solution, *_ = np.linalg.lstsq(z, root * y.astype(np.float64), rcond=None)
            self.weights, self.bias = solution[:-1], solution[-1]
            # Of z and not of zᵀz, whose small eigenvalues would be rounding where features nearly depend on each other.
            triangle = np.linalg.qr(z, mode="r")
            _, singular, rows_of_v = np.linalg.svd(triangle, full_matrices=True)
            self.eigenvalues = np.zeros(z.shape[1])
            self.eigenvalues[z.shape[1] - len(singular) :] = 2 / y.size * singular[::-1] ** 2
            self._directions = rows_of_v[::-1].T
            self.resolution = len(z) * float(np.finfo(float).eps) ** 2  # about that of lstsq, for singular values
            middle = np.average(y.astype(np.float64), axis=0, weights=weight)
            variance = self.measure(x, y, np.zeros_like(self.weights), middle, weight)
        self.least = self.measure(x, y, self.weights, self.bias, weight)
        square = variance + float(np.square(np.mean(y, axis=0, dtype=np.float64)).mean())
        rounding = 100 * float(np.finfo(y.dtype).eps) ** 2 * square
        self.negligible = max(ROUNDING * (variance if variance > rounding else square), rounding)
        largest = noise = 0.0
        spread = np.zeros((x.shape[1] + 1, self.outputs))
        for rows in blocks(x):
            squared = np.column_stack([x[rows].astype(np.float64) ** 2, np.ones(len(x[rows]))])
            residual = x[rows] @ self.weights + self.bias - y[rows]
            if weight is not None:
                squared, residual = weight[rows, np.newaxis] * squared, np.sqrt(weight[rows, np.newaxis]) * residual
            norms = squared.sum(1)
            largest = max(largest, float(norms.max()))
            noise += float((residual**2).sum(1) @ norms)
            spread += squared.T @ residual**2
        self.full_batch_bound: float = 2 / float(self.eigenvalues[-1])
        self.one_sample_bound: float = self.outputs / largest
        # Mean squared length of one row's gradient at the optimum: what keeps a constant step from settling.
        self._noise = (2 / self.outputs) ** 2 * noise / len(x)
        # And the root of it in each weight, added up.
        self._spread = 2 / self.outputs * float(np.sqrt(spread / len(x)).sum())

    def loss(self, weights: FloatArray, bias: FloatArray) -> float:
        """The MSE at `weights` and `bias`, up to rounding: it is quadratic, so that no row has to be read for it."""
        return self.least + float(self._excess(weights, bias).sum())

    def __repr__(self) -> str:
        return (
            f"<LeastSquares: MSE {self.mse:.6g}, largest stable lr {self.full_batch_bound:.3g} "
            f"(full batch), {self.one_sample_bound:.3g} (one sample)>"
        )

    @property
    def mse(self) -> float:
        """The mean squared error at the optimum."""
        return self.least

    def measure(
        self, x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray, weight: FloatArray | None = None
    ) -> float:
        """The loss of any weights on any rows."""
        if weight is None:
            return mse(x, y, weights, bias)
        return float(np.mean(weight[:, np.newaxis] * (x @ weights + bias - y) ** 2))

    @property
    def error(self) -> float:  # type: ignore[override]
        """Normal equations multiply that of rounding by the condition."""
        return self.condition * np.finfo(float).eps if self.streamed else 0.0
