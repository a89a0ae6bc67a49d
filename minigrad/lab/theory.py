"""The exact solution of the least-squares problem, and what it says about descending to it.

The loss is L(W, b) = mean((x W + b - y)²) over the n q entries of y. Write z for a row of x with 1 appended.
L is quadratic with the Hessian H = 2/(n q) Σ z zᵀ, once for each output: what a constant step does is known.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.lab.data import FloatArray

# A default step is this part of its bound. Full batch: just short of the edge, where the steep and the flat
# directions shrink about equally fast. Smaller: half the bound, where the expected error shrinks fastest.
FULL_BATCH_SHARE = 0.9
PARTIAL_BATCH_SHARE = 0.5
# How far above the optimum a default run is to end, in parts of it, and how much of that may be noise.
END_SHARE = 0.015
NOISE_SHARE = 0.002
# What a default run may cost at most, unless the data are so many that these epochs cost more.
MOST_SAMPLES = 1_500_000
LEAST_EPOCHS = 10
MOST_EPOCHS = 2_000


def mse(x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray) -> float:
    """The mean over all entries of (x W + b - y)², in float64: x (n, p), y (n, q), W (p, q), b (q,)."""
    error = np.asarray(x @ weights + bias - y, np.float64)
    return float(np.vdot(error, error) / error.size)


class LeastSquares:
    """The exact optimum of the MSE on x (n, p), y (n, q), and the steps that reach it. All in float64.

    Attributes: `weights` (p, q), `bias` (q,), `mse`; `eigenvalues` (p + 1,) of the Hessian, ascending;
    `full_batch_bound` = 2/λ_max; `one_sample_bound` = q / max‖z‖², which is 2/λ for the steepest single row.
    """

    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        z = np.column_stack([x, np.ones(len(x))]).astype(np.float64)
        self.rows: int = z.shape[0]
        self.outputs: int = y.shape[1]
        solution, *_ = np.linalg.lstsq(z, y.astype(np.float64), rcond=None)
        residual = z @ solution - y
        self.weights, self.bias = solution[:-1], solution[-1]
        self.mse = mse(x, y, self.weights, self.bias)
        self.eigenvalues, self._directions = np.linalg.eigh(2 / residual.size * (z.T @ z))
        norms = (z**2).sum(1)
        self.full_batch_bound: float = 2 / float(self.eigenvalues[-1])
        self.one_sample_bound: float = self.outputs / float(norms.max())
        # Mean squared length of one row's gradient at the optimum: what keeps a constant step from settling.
        self._noise = float(np.mean((2 / self.outputs) ** 2 * (residual**2).sum(1) * norms))

    def __repr__(self) -> str:
        return (
            f"<LeastSquares: MSE {self.mse:.6g}, largest stable lr {self.full_batch_bound:.3g} "
            f"(full batch), {self.one_sample_bound:.3g} (one sample)>"
        )

    def _sampling(self, batch_size: int) -> float:
        """How much of one row's noise a batch drawn without replacement keeps: 1 for one row, 0 for all."""
        smallest = self.rows // math.ceil(self.rows / batch_size)  # batches differ by at most one row
        return (self.rows - smallest) / (smallest * max(self.rows - 1, 1))

    def step_bound(self, batch_size: int) -> float:
        """The largest step for which the expected squared distance to the optimum shrinks.

        2 / (c β + (1 - c) λ_max) with β = 2 max‖z‖²/q and c from 1 (one row) to 0 (all rows): the Hessian H_B
        of a random batch has E[H_B²] ≤ that denominator times H (Ma, Bassily and Belkin, "The power of
        interpolation", ICML 2018; here without replacement). Exact for the full batch, sufficient below it.
        """
        c = self._sampling(batch_size)
        return 1 / (c / self.one_sample_bound + (1 - c) / self.full_batch_bound)

    def default_lr(self, batch_size: int) -> float:
        """The step a run takes unless told otherwise: below its bound, with noise of a fifth of a percent.

        Near the optimum a small constant step hovers lr/4 · E‖g‖² above it, g the gradient of a random batch.
        """
        bound = self.step_bound(batch_size)
        if batch_size >= self.rows:
            return FULL_BATCH_SHARE * bound
        noise = self._sampling(batch_size) * self._noise
        quiet = 4 * NOISE_SHARE * self.mse / noise if noise else math.inf
        return min(PARTIAL_BATCH_SHARE * bound, quiet)

    def default_epochs(self, weights: FloatArray, bias: FloatArray, lr: float, batch_size: int) -> int:
        """Epochs after which a run started at `weights` and `bias` is expected within 1.5 % of the optimum.

        In each eigendirection of the Hessian the expected distance shrinks by 1 - lr λ a step, exactly so for
        the full batch; for smaller ones room is left for noise. Rounded up to tens, within limits of cost.
        """
        gap = self._directions.T @ np.vstack([weights - self.weights, bias - self.bias])
        excess = (gap**2).sum(1) * self.eigenvalues / 2
        per_epoch = math.ceil(self.rows / batch_size)
        most = max(LEAST_EPOCHS, min(MOST_EPOCHS, MOST_SAMPLES // self.rows))
        share = END_SHARE if batch_size >= self.rows else END_SHARE / 2
        for epochs in range(LEAST_EPOCHS, most, 10):
            shrunk = (1 - lr * self.eigenvalues) ** (2 * epochs * per_epoch)
            if shrunk @ excess <= share * self.mse:
                return epochs
        return most
