"""The lab's descents as scikit-learn estimators, for pipelines, grid searches and cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from minigrad.lab.data import FloatArray, check_scale
from minigrad.lab.descent import TapeEngine, check_engine, descend, make_engine, rows_a_step
from minigrad.lab.errors import LabError, unknown
from minigrad.lab.newton import CrossEntropy, probabilities
from minigrad.lab.settings import METHODS, MINIBATCH
from minigrad.lab.theory import CONSTANT, FAR, LeastSquares, Optimum, percent

FLOATS = [np.float64, np.float32]


class _Descent(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Common to both estimators: they descend from zero weights, or from where they are, and keep the books."""

    alpha: float = 0.0

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
        warm_start: bool = False,
    ) -> None:
        self.method = method
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.clip_norm = clip_norm
        self.engine = engine
        self.random_state = random_state
        self.warm_start = warm_start

    def _check(self) -> None:
        """Raise LabError for a setting that makes no sense."""
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        check_engine(self.engine, self.method)
        for name in "lr", "epochs", "batch_size", "clip_norm":
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise LabError(f"{name} must be above 0, got {value}")
        if not 0 <= self.alpha < np.inf:
            raise LabError(f"alpha must be a number from 0 on, got {self.alpha}")

    def _optimum(self, X: FloatArray, targets: FloatArray, weight: FloatArray | None) -> Optimum:
        raise NotImplementedError

    def _descend(self, X: FloatArray, targets: FloatArray, sample_weight: Any, loss_of: str, one_epoch: bool) -> None:
        """Go down from `_weights` and `_bias`, or from zero, and leave the new ones there."""
        self._check()
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weight is not None and ((weight < 0).any() or not weight.any()):
            raise LabError("sample_weight must not be negative, nor zero for all rows")
        X, targets, weight = merged(X, targets, weight)
        known = hasattr(self, "_weights")
        if not (known and one_epoch and hasattr(self, "lr_")):
            exact = self._optimum(X, targets, weight)
        if not (known and (one_epoch or self.warm_start)):
            self._weights, self._bias = np.zeros_like(exact.weights, X.dtype), np.zeros_like(exact.bias, X.dtype)
            known = False
        how = METHODS[self.method], CONSTANT
        batch_size = rows_a_step(self.method, len(X), self.batch_size)
        start = self._weights, self._bias
        if not (known and one_epoch):
            far = float(np.abs(np.vstack(start) - np.vstack([exact.weights, exact.bias])).mean()) or 1.0
            self.lr_ = exact.default_lr(batch_size, *how, far) if self.lr is None else float(self.lr)
            self._bound = exact.step_bound(batch_size, how[0])
            self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
            self._memory: dict[str, Any] = {}
            self.n_iter_ = 0
        epochs = 1 if one_epoch else self.epochs or exact.default_epochs(*start, self.lr_, batch_size, *how)
        if not one_epoch and self.epochs is None:
            self._doubt(exact, epochs, exact.predicted(*start, self.lr_, batch_size, epochs, *how), batch_size)
        rows = targets if weight is None else np.column_stack([targets, weight]).astype(X.dtype)
        of: Any = loss_of, self.alpha, weight is not None
        engine = make_engine(self.engine, *start, self.lr_, self.clip_norm, self.method, *of)
        if isinstance(engine, TapeEngine) and self._memory:
            engine.recall(self._memory)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is noticed below, and said better
            for now in descend(engine, X, rows, epochs=epochs, batch_size=batch_size, rng=self._rng):
                weights, bias = engine.parameters()
                if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
                    raise LabError(
                        f"the descent diverged in epoch {now.epoch} with lr {self.lr_:.3g}, where the largest stable "
                        f"step is {self._bound:.3g}. Leave lr out, or standardise the features"
                    )
        self._weights, self._bias = weights, bias
        if isinstance(engine, TapeEngine):
            self._memory = engine.memory()
        self.n_iter_ = self.n_iter_ + 1 if one_epoch else epochs
        if not one_epoch:
            self.loss_ = exact.measure(X, targets, weights, bias, weight)

    def _doubt(self, exact: Optimum, epochs: int, predicted: float, batch_size: int) -> None:
        """Warn if a run by default is predicted to end far from the optimum."""
        if predicted > FAR:
            needed = exact.needed_epochs(self._weights, self._bias, self.lr_, batch_size, METHODS[self.method])
            warnings.warn(
                f"{epochs:,} epochs, the most by default, are predicted to end {percent(predicted)} above the "
                f"optimum: the condition number of the features is {exact.condition:.2g}. Standardise them, leave out "
                "what nearly depends on others" + (f", or take epochs={needed}" if needed else ""),
                ConvergenceWarning,
                stacklevel=4,
            )


def merged(X: FloatArray, targets: FloatArray, weight: FloatArray | None) -> tuple[Any, Any, Any]:
    """Rows of which none is there twice, and their weights, of mean 1; None if all are alike.

    A row of weight 2 and a row that is there twice are the same to a descent that sees only what is returned here.
    """
    rows = np.column_stack([X, targets])
    found, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if weight is None and len(found) == len(rows):
        return X, targets, None
    total = np.bincount(number.ravel(), weight, len(found))
    first, total = first[total > 0], total[total > 0]
    alike = total.min() == total.max()
    return X[first], targets[first], None if alike else total / total.mean()


class GradientDescentRegressor(RegressorMixin, _Descent):  # type: ignore[misc]
    """Linear regression by gradient descent on the mean squared error.

    The features should be standardised, as for any descent: put a StandardScaler before it in a Pipeline.

    Args:
        method: "batch" (all rows a step), "sgd" (one) or "minibatch" (`batch_size` rows a step); or, with as many rows,
            "momentum", "nesterov", "adagrad", "rmsprop" or "adam".
        lr: the step; by default it comes from the data, and is stable (`LeastSquares.default_lr`).
        epochs: passes over the rows; by default enough to end within 1.5 % of the optimum, as predicted
            (`LeastSquares.default_epochs`).
        batch_size: rows a step of all methods but "batch" and "sgd".
        clip_norm: the most that the norm of a step's gradient may be; None for no limit.
        engine: "minigrad", or another that computes the same steps.
        random_state: of the order of the rows: an int, a RandomState, or None for another order at each fit.
        warm_start: begin a fit at the weights of the one before it.

    Attributes:
        coef_: the weights, (features,), or (outputs, features) for y with two axes.
        intercept_: a number, or (outputs,).
        loss_: the mean squared error on the training rows, with their weights.
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Descend on X (n, p) and y (n,) or (n, q), from zero weights unless `warm_start`.

        A row of `sample_weight` 2 counts as two rows: rows that are equal are one row, whose weights are added.

        Raises:
            ValueError: X or y is unsuitable, or a setting is; or the descent diverged, as a step that is too long
                makes it.
        """
        return self._fit(X, y, sample_weight, one_epoch=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch on these rows, from the weights there are. With `lr` given, so many of them are `fit` of so many.

        The step comes from the rows of the first call, unless it is given. Raises what `fit` raises.
        """
        return self._fit(X, y, sample_weight, one_epoch=True)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, one_epoch: bool) -> Self:
        first = not (one_epoch and hasattr(self, "coef_"))
        X, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, y_numeric=True, reset=first)
        targets = np.asarray(y, X.dtype).reshape(len(X), -1)
        for name, part in (("y", targets), ("X", X)):
            check_scale(name, part, X.dtype)
        if hasattr(self, "_weights") and self._weights.shape != (X.shape[1], targets.shape[1]):
            if one_epoch:
                raise LabError(f"y has {targets.shape[1]} outputs, and the model {self._weights.shape[1]}")
            del self._weights, self._bias  # of another problem
        self._descend(X, targets, sample_weight, "squares", one_epoch)
        self.coef_ = self._weights[:, 0] if y.ndim == 1 else self._weights.T
        self.intercept_ = self._bias[0] if y.ndim == 1 else self._bias
        return self

    def _optimum(self, X: FloatArray, targets: FloatArray, weight: FloatArray | None) -> Optimum:
        return LeastSquares(X, targets, weight)

    def predict(self, X: Any) -> Any:
        """The predictions for X (n, p): (n,), or (n, q) where it was fitted to y (n, q)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        return X @ self.coef_.T + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class GradientDescentClassifier(ClassifierMixin, _Descent):  # type: ignore[misc]
    """Logistic regression, and for more than two classes softmax regression, by gradient descent on the cross-entropy.

    The features should be standardised. What is not said here is as in `GradientDescentRegressor`.

    Args:
        alpha: of the penalty alpha/2 ‖W‖², which the loss has beside the mean log loss. LogisticRegression's C is
            1 / (alpha n) for n rows. Without one, classes that can be told apart without a mistake have no least loss.
        class_weight: what rows of a class weigh: a mapping from class to weight, 1 where there is none; "balanced", for
            classes that weigh the same in all; or None. It multiplies `sample_weight`.

    Attributes:
        classes_: the classes, sorted.
        coef_, intercept_: (1, features) and (1,) for two classes, and else a row for each class.
        loss_: the log loss on the training rows, with the penalty.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from minigrad.lab import GradientDescentClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), GradientDescentClassifier(random_state=0)).fit(X, y)
    >>> f"{model.score(X, y):.2f}"
    '0.95'
    """

    classes_: Any

    def __init__(
        self,
        method: str = "minibatch",
        *,
        alpha: float = 0.01,
        class_weight: Mapping[Any, float] | str | None = None,
        lr: float | None = None,
        epochs: int | None = None,
        batch_size: int = MINIBATCH,
        clip_norm: float | None = None,
        engine: str = "minigrad",
        random_state: Any = None,
        warm_start: bool = False,
    ) -> None:
        super().__init__(
            method, lr=lr, epochs=epochs, batch_size=batch_size, clip_norm=clip_norm, engine=engine,
            random_state=random_state, warm_start=warm_start,
        )  # fmt: skip
        self.alpha = alpha
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Descend on X (n, p) and the classes y (n,), from zero weights unless `warm_start`.

        Raises:
            ValueError: X or y is unsuitable, or a setting is; or the descent diverged.
        """
        return self._fit(X, y, sample_weight, None, one_epoch=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch on these rows, from the weights there are.

        The first call is told all `classes`, if these rows do not have them all. Raises what `fit` raises.
        """
        return self._fit(X, y, sample_weight, classes, one_epoch=True)

    def _fit(self, X: Any, y: Any, sample_weight: Any, classes: Any, *, one_epoch: bool) -> Self:
        first = not (one_epoch and hasattr(self, "coef_"))
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=first)
        check_classification_targets(y)
        check_scale("X", X, X.dtype)
        known = None if first else self.classes_
        given = np.unique(y) if classes is None else np.unique(classes)
        if known is not None and classes is not None and not np.array_equal(given, known):
            raise LabError(f"classes are {given}, and were {known} in the first call")
        found = given if known is None else known
        if len(found) < 2:
            raise LabError(f"y has {len(found)} class, and a classifier needs two or more")
        if strange := [label for label in np.unique(y) if label not in found]:
            raise LabError(f"{strange[0]} is none of the classes {found}, which partial_fit was told first")
        if not one_epoch and hasattr(self, "_weights"):
            same = np.array_equal(found, self.classes_) and self._weights.shape[0] == X.shape[1]
            if not (self.warm_start and same):
                del self._weights, self._bias
        self.classes_ = found
        targets = np.asarray(y[:, np.newaxis] == found, X.dtype)
        if self.class_weight is not None:
            sample_weight = self._weighed(y, targets, sample_weight, one_epoch)
        two = len(found) == 2
        self._descend(X, targets[:, 1:] if two else targets, sample_weight, "logistic" if two else "softmax", one_epoch)
        self.coef_, self.intercept_ = self._weights.T, self._bias
        return self

    def _weighed(self, y: Any, targets: FloatArray, sample_weight: Any, one_epoch: bool) -> FloatArray:
        """The weights of rows (n,) times those of their classes, which are columns of `targets`."""
        weight = _check_sample_weight(sample_weight, y, dtype=np.float64)
        if self.class_weight != "balanced":
            each = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            if not (np.isfinite(each).all() and (each >= 0).all()):
                raise LabError(f"class_weight must be numbers from 0 on, got {self.class_weight}")
        elif one_epoch:
            raise LabError(
                "partial_fit sees a part of the rows and cannot balance their classes: give class_weight as a mapping"
            )
        else:
            there = weight @ targets  # rows of weight 2 are two rows here, too
            each = np.divide(there.sum() / len(there), there, out=np.zeros(len(there)), where=there > 0)
        return np.asarray(weight * (targets @ each))

    def _optimum(self, X: FloatArray, targets: FloatArray, weight: FloatArray | None) -> Optimum:
        return CrossEntropy(X, targets, self.alpha, weight)

    def decision_function(self, X: Any) -> Any:
        """The scores x W + b: (n,) for two classes, above 0 for the second, and else (n, classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> Any:
        """The most probable class of each row of X (n, p)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, (n, classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        p = probabilities(X, self.coef_.T, self.intercept_)
        return np.column_stack([1 - p, p]) if len(self.classes_) == 2 else p

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))
