"""The lab's descents as a scikit-learn estimator, for pipelines, grid searches and cross-validation."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from minigrad.lab.data import check_scale
from minigrad.lab.descent import descend, make_engine, rows_a_step
from minigrad.lab.errors import LabError, unknown
from minigrad.lab.settings import METHODS, MINIBATCH
from minigrad.lab.theory import FAR, LeastSquares, mse, percent


class GradientDescentRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Linear regression by gradient descent on the mean squared error.

    The features should be standardised, as for any descent: put a StandardScaler before it in a Pipeline.

    Args:
        method: "batch" (all rows a step), "sgd" (one) or "minibatch" (`batch_size` rows a step).
        lr: the step; by default it comes from the data, and is stable (`LeastSquares.default_lr`).
        epochs: passes over the rows; by default enough to end within 1.5 % of the optimum, as predicted
            (`LeastSquares.default_epochs`).
        batch_size: rows a step of "minibatch".
        clip_norm: the most that the norm of a step's gradient may be; None for no limit.
        engine: "minigrad", or another that computes the same steps.
        random_state: of the order of the rows: an int, a RandomState, or None for another order at each fit.

    Attributes:
        coef_: the weights, (features,), or (outputs, features) for y with two axes.
        intercept_: a number, or (outputs,).
        loss_: the mean squared error on the training rows.
        lr_, n_iter_: the step that was taken, and the epochs.

    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from minigrad.lab import GradientDescentRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), GradientDescentRegressor(random_state=0)).fit(X, y)
    >>> f"{model.score(X, y):.2f}"
    '0.51'
    """

    def __init__(
        self,
        method: str = "minibatch",
        *,
        lr: float | None = None,
        epochs: int | None = None,
        batch_size: int = MINIBATCH,
        clip_norm: float | None = None,
        engine: str = "minigrad",
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.clip_norm = clip_norm
        self.engine = engine
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Descend from zero weights on X (n, p) and y (n,) or (n, q).

        Raises:
            ValueError: X or y is unsuitable, or a setting is; or the descent diverged, as a step that is too long
                makes it.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True)
        targets = np.asarray(y, X.dtype).reshape(len(X), -1)
        for name, part in (("y", targets), ("X", X)):
            check_scale(name, part, X.dtype)
        self._check()
        batch_size = rows_a_step(self.method, len(X), self.batch_size)
        exact = LeastSquares(X, targets)
        start = np.zeros_like(exact.weights, X.dtype), np.zeros_like(exact.bias, X.dtype)
        far = float(np.abs(np.vstack([exact.weights, exact.bias])).mean()) or 1.0
        how = METHODS[self.method], (1.0,)
        self.lr_ = exact.default_lr(batch_size, *how, far) if self.lr is None else float(self.lr)
        self.n_iter_ = self.epochs or exact.default_epochs(*start, self.lr_, batch_size, *how)
        predicted = exact.predicted(*start, self.lr_, batch_size, self.n_iter_, *how)
        if self.epochs is None and predicted > FAR:
            needed = exact.needed_epochs(*start, self.lr_, batch_size, *how)
            warnings.warn(
                f"{self.n_iter_:,} epochs, the most by default, are predicted to end {percent(predicted)} above the "
                f"optimum: the condition number of the features is {exact.condition:.2g}. Standardise them, leave out "
                "what nearly depends on others" + (f", or take epochs={needed}" if needed else ""),
                ConvergenceWarning,
                stacklevel=2,
            )
        engine = make_engine(self.engine, *start, self.lr_, self.clip_norm, self.method)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is noticed below, and said better
            for now in descend(engine, X, targets, epochs=self.n_iter_, batch_size=batch_size, rng=rng):
                weights, bias = engine.parameters()
                if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
                    raise LabError(
                        f"the descent diverged in epoch {now.epoch} with lr {self.lr_:.3g}, where the largest stable "
                        f"step is {exact.step_bound(batch_size, how[0]):.3g}. Leave lr out, or standardise the features"
                    )
        self.loss_ = mse(X, targets, weights, bias)
        self.coef_ = weights[:, 0] if y.ndim == 1 else weights.T
        self.intercept_ = bias[0] if y.ndim == 1 else bias
        return self

    def _check(self) -> None:
        """Raise LabError for a setting that makes no sense."""
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        for name in "lr", "epochs", "batch_size", "clip_norm":
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise LabError(f"{name} must be above 0, got {value}")

    def predict(self, X: Any) -> Any:
        """The predictions for X (n, p): (n,), or (n, q) where it was fitted to y (n, q)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return X @ self.coef_.T + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
