"""Logistic and softmax regression: where the cross-entropy is least, by Newton's method."""

from __future__ import annotations

import numpy as np

from minigrad.lab.data import FloatArray
from minigrad.lab.errors import LabError, option
from minigrad.lab.theory import Optimum

MOST_WEIGHTS = 3000  # whose Hessian, of as many rows and columns, is solved in seconds
MOST_STEPS = 100
CLOSE = 1e-13  # of the loss: a step that promises to lower it by less ends the search


def probabilities(x: FloatArray, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Of each class: x (n, p), W (p, q), b (q,) gives (n, q); where q is 1 it is that of the second of two classes."""
    scores = np.asarray(x @ weights + bias, np.float64)
    if scores.shape[1] == 1:
        return np.asarray(np.exp(-np.logaddexp(0.0, -scores)))
    return np.asarray(np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)))


def log_loss(
    x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray, weight: FloatArray | float = 1.0
) -> float:
    """The mean over rows of -ln p of the class that y (n, q) names: 1 in its column, or for q = 1 that of two."""
    scores = np.asarray(x @ weights + bias, np.float64)
    if scores.shape[1] == 1:
        return float(np.mean(weight * np.logaddexp(0.0, np.where(y > 0.5, -scores, scores))[:, 0]))
    return float(np.mean(weight * (np.logaddexp.reduce(scores, axis=1) - (scores * y).sum(1))))


class CrossEntropy(Optimum):
    """The least of log loss + alpha/2 ‖W‖² on x (n, p), y (n, q), in float64, with `weight` (n,) of mean 1.

    y has q = 1 column of 0 and 1 for two classes (logistic regression), or one for each class, 1 where it is the row's
    (softmax). Bounds of a step hold everywhere: p (1 - p) ≤ 1/4, and for softmax the Hessian of a row is at most
    ‖z‖²/2 (Böhning, "Multinomial logistic regression algorithm", 1992).

    Raises:
        LabError: classes that can be told apart without a mistake have no least loss, unless alpha keeps W small; or
            there are more than 3,000 weights.
    """

    def __init__(self, x: FloatArray, y: FloatArray, alpha: float, weight: FloatArray | None = None) -> None:
        self.rows, self.alpha = len(x), alpha
        z = np.column_stack([x, np.ones(len(x))]).astype(np.float64)
        w = np.ones(len(x)) if weight is None else weight
        (n, columns), q = z.shape, y.shape[1]
        if columns * q > MOST_WEIGHTS:
            raise LabError(
                f"{columns - 1:,} features and {q} classes are {columns * q:,} weights; Newton's method takes at most "
                f"{MOST_WEIGHTS:,}: leave out features ({option('drop')})"
            )
        penalty = alpha * np.repeat([1.0] * (columns - 1) + [0.0], q)
        # Softmax does not change when all classes of a feature are shifted alike; this keeps their sum at zero.
        still = np.kron(np.eye(columns), np.ones((q, q))) if q > 1 else np.zeros((columns, columns))
        theta = np.zeros((columns, q))
        self.least = self.measure(x, y, theta[:-1], theta[-1], weight)
        for _ in range(MOST_STEPS):
            error, hessian = self._derivatives(z, y, w, theta, penalty)
            gradient = (z.T @ (w[:, np.newaxis] * error)).ravel() / n + penalty * theta.ravel()
            try:
                step = np.linalg.solve(hessian + still, gradient)
            except np.linalg.LinAlgError:
                step = np.linalg.lstsq(hessian + still, gradient, rcond=None)[0]
            promised = gradient @ step / 2
            size = 1.0
            while size > 1e-10:  # a step in full may go too far while the loss is no parabola
                new = theta - size * step.reshape(theta.shape)
                least = self.measure(x, y, new[:-1], new[-1], weight)
                if least <= self.least - size * promised / 2:
                    theta, self.least = new, least
                    break
                size /= 2
            if promised <= CLOSE * max(self.least, 1e-3) or size <= 1e-10:
                break
        if alpha == 0 and (self.least < 1e-6 or promised > 1e-9 * self.least):
            raise LabError(
                "the classes can be told apart without a mistake, so that the loss falls for ever: "
                f"{option('alpha', 1e-3)} keeps the weights small"
            )
        error, hessian = self._derivatives(z, y, w, theta, penalty)
        self.weights, self.bias = theta[:-1], theta[-1]
        self.eigenvalues, self._directions = np.linalg.eigh(hessian)
        curvature = 0.25 if q == 1 else 0.5
        squared = w[:, np.newaxis] * z**2
        self.full_batch_bound = 2 / (
            curvature * float(np.linalg.eigvalsh(z.T @ (w[:, np.newaxis] * z) / n)[-1]) + alpha
        )
        self.one_sample_bound = 2 / (curvature * float(squared.sum(1).max()) + alpha)
        noise = squared.T @ (w[:, np.newaxis] * error**2) / n
        self._noise, self._spread = float(noise.sum()), float(np.sqrt(noise).sum())

    def _derivatives(
        self, z: FloatArray, y: FloatArray, w: FloatArray, theta: FloatArray, penalty: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """p - y, which is the derivative by the scores, and the Hessian; weights count row by row of theta."""
        (n, columns), q = z.shape, y.shape[1]
        p = probabilities(z[:, :-1], theta[:-1], theta[-1])
        hessian = np.empty((columns, q, columns, q))
        for k in range(q):
            for other in range(k, q):
                part = p[:, k] * ((k == other) - p[:, other])
                hessian[:, k, :, other] = hessian[:, other, :, k] = z.T @ ((w * part / n)[:, np.newaxis] * z)
        return p - y, hessian.reshape(columns * q, columns * q) + np.diag(penalty)

    def measure(
        self, x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray, weight: FloatArray | None = None
    ) -> float:
        """The log loss of any weights on any rows, with the penalty."""
        penalty = self.alpha / 2 * float(np.vdot(weights, weights))
        return log_loss(x, y, weights, bias, 1.0 if weight is None else weight) + penalty
