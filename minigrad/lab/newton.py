"""Logistic and softmax regression: where the cross-entropy is least, by Newton's method."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minigrad.lab.data import FloatArray, blocks
from minigrad.lab.errors import LabError, option
from minigrad.lab.settings import TASKS
from minigrad.lab.theory import ROUNDING, Optimum

MOST_WEIGHTS = 3000  # whose Hessian, of as many rows and columns, is solved in seconds
MOST_STEPS = 100
CLOSE = 1e-13  # of the loss: a step that promises to lower it by less ends the search


def probabilities(x: FloatArray, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Of each class: x (n, p), W (p, q), b (q,) gives (n, q); where q is 1 it is that of the second of two classes."""
    return shares(np.asarray(x @ weights + bias, np.float64))


def shares(scores: FloatArray) -> FloatArray:
    """The same from scores (n, q), NaN where they are."""
    if scores.shape[1] == 1:
        part = np.exp(-np.abs(scores))
        return np.asarray(np.where(scores > 0, 1.0, part) / (1 + part))
    top = scores - scores.max(axis=1, keepdims=True)
    parts = np.exp(top)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def log_loss(
    x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray, weight: FloatArray | None = None
) -> float:
    """The mean over rows of -ln p of the class that y (n, q) names: 1 in its column, or for q = 1 that of two."""
    total = 0.0
    for rows in blocks(x):
        scores, named = np.asarray(x[rows] @ weights + bias, np.float64), y[rows]
        if scores.shape[1] == 1:
            losses = np.logaddexp(0.0, np.where(named > 0.5, -scores, scores))[:, 0]
        else:
            losses = np.logaddexp.reduce(scores, axis=1) - (scores * named).sum(1)
        total += float(losses.sum() if weight is None else weight[rows] @ losses)
    return total / len(x)


def predicted(scores: FloatArray) -> npt.NDArray[np.intp]:
    """The number of the most probable class, (n,), from scores (n, q)."""
    return np.asarray((scores[:, 0] > 0).astype(np.intp) if scores.shape[1] == 1 else scores.argmax(1))


def confusion(x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray) -> npt.NDArray[np.int64]:
    """How many rows of each class (in rows) are taken for each class (in columns): the confusion matrix."""
    q = max(y.shape[1], 2)
    counts = np.zeros(q * q, np.int64)
    for rows in blocks(x):
        with np.errstate(over="ignore", invalid="ignore"):  # of a descent that diverged
            taken = predicted(x[rows] @ weights + bias)
        counts += np.bincount(q * predicted(y[rows] - 0.5) + taken, minlength=q * q)
    return counts.reshape(q, q)


class CrossEntropy(Optimum):
    """The least of log loss + alpha/2 ‖W‖² on x (n, p), y (n, q), in float64, with `weight` (n,) of mean 1.

    y has q = 1 column of 0 and 1 for two classes (logistic regression), or one for each class, 1 where it is the row's
    (softmax). Bounds of a step hold everywhere: p (1 - p) ≤ 1/4, and for softmax the Hessian of a row is at most
    ‖z‖²/2 (Böhning, "Multinomial logistic regression algorithm", 1992).

    Raises:
        LabError: classes that can be told apart without a mistake have no least loss, unless alpha keeps W small; or
            there are more than 3,000 weights.
    """

    task = TASKS[1]
    word = "loss"

    def __init__(self, x: FloatArray, y: FloatArray, alpha: float, weight: FloatArray | None = None) -> None:
        self.rows, self.alpha, self.streamed = len(x), alpha, isinstance(x, np.memmap)
        q, columns = y.shape[1], x.shape[1] + 1
        self.loss_of = "logistic" if q == 1 else "softmax"
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
        self.negligible = ROUNDING * self.least
        for _ in range(MOST_STEPS):
            gradient, hessian, _ = self._derivatives(x, y, weight, theta, penalty)
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
        _, hessian, (squares, largest, noise) = self._derivatives(x, y, weight, theta, penalty)
        self.weights, self.bias = theta[:-1], theta[-1]
        self.eigenvalues, self._directions = np.linalg.eigh(hessian)
        curvature = 0.25 if q == 1 else 0.5
        self.full_batch_bound = 2 / (curvature * float(np.linalg.eigvalsh(squares)[-1]) + alpha)
        self.one_sample_bound = 2 / (curvature * largest + alpha)
        self._noise, self._spread = float(noise.sum()), float(np.sqrt(noise).sum())

    def _derivatives(
        self, x: FloatArray, y: FloatArray, weight: FloatArray | None, theta: FloatArray, penalty: FloatArray
    ) -> tuple[FloatArray, FloatArray, tuple[FloatArray, float, FloatArray]]:
        """Gradient and Hessian, where weights count row by row of theta.

        And of the rows z the mean of z zᵀ, the largest square, and the mean square of each entry of their gradients.
        """
        (columns, q), n = theta.shape, len(x)
        gradient, noise = np.zeros((columns, q)), np.zeros((columns, q))
        hessian, squares, largest = np.zeros((columns, q, columns, q)), np.zeros((columns, columns)), 0.0
        for rows in blocks(x):
            z = np.column_stack([x[rows], np.ones(len(x[rows]))]).astype(np.float64)
            w = np.ones(len(z)) if weight is None else weight[rows]
            p = probabilities(z[:, :-1], theta[:-1], theta[-1])
            error, wz = p - y[rows], w[:, np.newaxis] * z / n
            for k in range(q):
                for other in range(k, q):
                    part = p[:, k] * ((k == other) - p[:, other])
                    hessian[:, k, :, other] += wz.T @ (part[:, np.newaxis] * z)
            gradient += wz.T @ error
            squares += wz.T @ z
            noise += (w[:, np.newaxis] * wz * z).T @ error**2
            largest = max(largest, float((w * (z**2).sum(1)).max()))
        for k in range(q):
            for other in range(k):
                hessian[:, k, :, other] = hessian[:, other, :, k]
        flat = hessian.reshape(columns * q, columns * q) + np.diag(penalty)
        return gradient.ravel() + penalty * theta.ravel(), flat, (squares, largest, noise)

    def measure(
        self, x: FloatArray, y: FloatArray, weights: FloatArray, bias: FloatArray, weight: FloatArray | None = None
    ) -> float:
        """The log loss of any weights on any rows, with the penalty."""
        penalty = self.alpha / 2 * float(np.vdot(weights, weights))
        return log_loss(x, y, weights, bias, weight) + penalty

    def section(self, directions: FloatArray, a: FloatArray, b: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """The loss at each a and b along two directions, on the rows x and y."""
        z = np.column_stack([x, np.ones(len(x))])
        first, second = (z @ direction for direction in directions)
        scores = x @ self.weights + self.bias
        still, zero = np.eye(y.shape[1]), np.zeros(y.shape[1])
        losses = [[log_loss(scores + s * first + t * second, y, still, zero) for t in b] for s in a]
        W, (d, e) = self.weights, directions[:, :-1]
        penalty = [[float(((W + s * d + t * e) ** 2).sum()) for t in b] for s in a] if self.alpha else 0.0
        return np.asarray(losses) + self.alpha / 2 * np.asarray(penalty)
