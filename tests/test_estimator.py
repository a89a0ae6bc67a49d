"""GradientDescentRegressor is a scikit-learn estimator: it passes all of its checks, and works in its tools."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from minigrad import lab
from minigrad.lab import GradientDescentClassifier, GradientDescentRegressor
from minigrad.lab.data import load, prepare
from minigrad.lab.newton import CrossEntropy

X, Y = load_diabetes(return_X_y=True)
Z = StandardScaler().fit_transform(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # their data are not standardised
@parametrize_with_checks([GradientDescentRegressor(), GradientDescentClassifier("adam", epochs=60)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", ["batch", "minibatch", "nesterov", "adam"])
def test_comes_to_the_optimum(method):
    exact = LinearRegression().fit(Z, Y)
    model = GradientDescentRegressor(method, random_state=0).fit(Z, Y)
    optimum = np.mean((exact.predict(Z) - Y) ** 2)
    assert optimum < model.loss_ < 1.02 * optimum
    assert model.loss_ == pytest.approx(np.mean((model.predict(Z) - Y) ** 2))
    assert model.coef_.shape == exact.coef_.shape
    assert model.intercept_.shape == ()


@pytest.mark.filterwarnings("ignore:.*shortens its steps")
def test_takes_the_steps_of_the_lab():
    run = lab.train("diabetes", method="batch", lr=0.01, epochs=30, clip_norm=50.0, seed=4)
    table = prepare(load("diabetes"), seed=4)
    model = GradientDescentRegressor("batch", lr=0.01, epochs=30, clip_norm=50.0).fit(table.x_train, table.y_train)
    np.testing.assert_array_equal(model.coef_.T, run.weights)
    np.testing.assert_array_equal(model.intercept_, run.bias)
    assert model.loss_ == run.train_mse


def test_several_outputs():
    both = np.column_stack([Y, -Y])
    model = GradientDescentRegressor("batch").fit(Z, both)
    assert model.coef_.shape == (2, 10)
    assert model.predict(Z).shape == both.shape
    np.testing.assert_allclose(model.predict(Z)[:, 0], -model.predict(Z)[:, 1])


def test_in_a_pipeline_and_a_grid_search():
    pipeline = make_pipeline(StandardScaler(), GradientDescentRegressor("batch", random_state=0))
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.45
    grid = {"gradientdescentregressor__lr": [1e-6, 0.1], "gradientdescentregressor__epochs": [1, 300]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_ == {"gradientdescentregressor__lr": 0.1, "gradientdescentregressor__epochs": 300}
    assert search.score(X, Y) > 0.45


def test_repeatable_and_kept():
    model = GradientDescentRegressor("sgd", epochs=2, random_state=3).fit(Z, Y)
    again = clone(model).fit(Z, Y)
    other = clone(model).set_params(random_state=4).fit(Z, Y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.coef_, model.coef_)
    np.testing.assert_array_equal(loaded.predict(Z), model.predict(Z))
    assert (other.coef_ != model.coef_).any()


def test_single_precision_stays_single():
    model = GradientDescentRegressor("batch").fit(Z.astype(np.float32), Y)
    assert model.coef_.dtype == model.predict(Z.astype(np.float32)).dtype == np.float32


def test_epochs_that_are_not_enough_are_told():
    X = np.column_stack([Z[:, 0], Z[:, 0] + 0.003 * Z[:, 1]])
    y = X @ [5.0, -5.0] + 1e-3 * Z[:, 2]
    with pytest.warns(ConvergenceWarning, match=r"2,000 epochs, the most .* condition number .* or take epochs=\d+"):
        GradientDescentRegressor("batch").fit(X, y)


IRIS, CANCER = (
    (StandardScaler().fit_transform(x), y) for x, y in (get(return_X_y=True) for get in (load_iris, load_breast_cancer))
)


@pytest.mark.parametrize(("x", "y"), [IRIS, CANCER], ids=["softmax", "logistic"])
@pytest.mark.parametrize("method", ["minibatch", "momentum"])
def test_classifier_comes_to_the_optimum_of_logistic_regression(x, y, method):
    model = GradientDescentClassifier(method, random_state=0).fit(x, y)
    exact = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-10, max_iter=1000).fit(x, y)
    optimum = np.mean(-np.log(exact.predict_proba(x)[np.arange(len(x)), y])) + 0.005 * (exact.coef_**2).sum()
    assert optimum < model.loss_ < 1.02 * optimum
    targets = np.eye(3)[y] if y.max() == 2 else y[:, np.newaxis].astype(float)
    newton = CrossEntropy(x, targets, 0.01)
    assert newton.least == pytest.approx(optimum, rel=1e-9)
    np.testing.assert_allclose(newton.weights, exact.coef_.T, atol=1e-5)
    assert model.coef_.shape == exact.coef_.shape
    assert (model.predict(x) == exact.predict(x)).mean() > 0.98
    np.testing.assert_allclose(model.predict_proba(x).sum(1), 1)
    np.testing.assert_allclose(model.predict_proba(x), exact.predict_proba(x), atol=0.1)


@pytest.mark.parametrize("weighs", ["balanced", {0: 3.0, 2: 0.25}], ids=["balanced", "mapping"])
def test_classes_weigh_as_in_logistic_regression(weighs):
    x, y = load_iris(return_X_y=True)
    x, y = StandardScaler().fit_transform(x)[:120, :2], y[:120]  # fewer of the last class
    rows = np.random.default_rng(0).integers(0, 3, len(x)).astype(float)
    each = len(y) / (3 * np.bincount(y)) if weighs == "balanced" else np.array([3.0, 1.0, 0.25])
    exact = LogisticRegression(C=1 / (0.01 * each[y].sum()), class_weight=weighs, tol=1e-10).fit(x, y)
    model = GradientDescentClassifier("nesterov", epochs=300, batch_size=120, class_weight=weighs).fit(x, y)
    np.testing.assert_allclose(model.decision_function(x), exact.decision_function(x), atol=0.02)
    told = {"epochs": 2, "batch_size": 30, "random_state": 0}
    weighed = GradientDescentClassifier(class_weight=weighs, **told).fit(x, y, rows)
    repeated = np.repeat(np.arange(len(x)), rows.astype(int))
    again = GradientDescentClassifier(class_weight=weighs, **told).fit(x[repeated], y[repeated])
    np.testing.assert_allclose(weighed.coef_, again.coef_, rtol=1e-9)
    assert (weighed.coef_ != GradientDescentClassifier(**told).fit(x, y, rows).coef_).any()


@pytest.mark.parametrize(
    ("weighs", "message"),
    [("balanced", "give class_weight as a mapping"), ({0: -1.0}, "numbers from 0 on"), ({9: 2.0, 0: 1.0}, "9|class")],
)
def test_weights_of_classes_that_cannot_be(weighs, message):
    model = GradientDescentClassifier(class_weight=weighs)
    with pytest.raises(ValueError, match=message):
        model.partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])


def test_classes_that_can_be_told_apart_need_a_penalty():
    with pytest.raises(lab.LabError, match=r"alpha=0\.001 keeps the weights small"):
        GradientDescentClassifier(alpha=0.0).fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])


@pytest.mark.parametrize("method", ["sgd", "minibatch", "adam"])
def test_partial_fits_are_the_epochs_of_a_fit(method):
    for model, x, y in (
        (GradientDescentRegressor(method, lr=0.01, epochs=3, random_state=1), Z[:50], Y[:50]),
        (GradientDescentClassifier(method, lr=0.01, epochs=3, random_state=1), *IRIS),
    ):
        parts = clone(model)
        for _ in range(3):
            parts = pickle.loads(pickle.dumps(parts.partial_fit(x, y)))
        whole = model.fit(x, y)
        np.testing.assert_array_equal(parts.coef_, whole.coef_)
        np.testing.assert_array_equal(parts.intercept_, whole.intercept_)
        assert parts.n_iter_ == 3


def test_warm_start_goes_on_where_a_fit_ended():
    warm, cold = (GradientDescentRegressor("batch", lr=0.01, epochs=5, warm_start=on) for on in (True, False))
    once = clone(cold).set_params(epochs=10).fit(Z, Y)
    np.testing.assert_array_equal(warm.fit(Z, Y).fit(Z, Y).coef_, once.coef_)
    assert (cold.fit(Z, Y).fit(Z, Y).coef_ != once.coef_).any()


@pytest.mark.parametrize(
    "model", [GradientDescentRegressor("sgd", epochs=4), GradientDescentClassifier("adam", epochs=4)]
)
def test_a_weight_of_two_is_a_row_twice(model):
    x, y = IRIS
    weight = np.arange(len(x)) % 3
    weighted = clone(model).set_params(random_state=0).fit(x, y, weight)
    repeated = clone(model).set_params(random_state=0).fit(x.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_array_equal(weighted.coef_, repeated.coef_)
    assert (weighted.coef_ != clone(model).set_params(random_state=0).fit(x, y).coef_).any()
    with pytest.raises(lab.LabError, match="must not be negative"):
        clone(model).fit(x, y, weight - 1)


def test_partial_fit_is_told_the_classes_first():
    x, y = IRIS
    model = GradientDescentClassifier("sgd").partial_fit(x[:60], y[:60], classes=[0, 1, 2])
    assert model.coef_.shape == (3, 4)
    with pytest.raises(lab.LabError, match="7 is none of the classes"):
        model.partial_fit(x[:2], [1, 7])
    with pytest.raises(lab.LabError, match="y has 2 outputs, and the model 1"):
        GradientDescentRegressor().partial_fit(x, y).partial_fit(x, x[:, :2])


ERRORS = [
    ({"method": "newton"}, "there is no method 'newton'; take batch or sgd or minibatch"),
    ({"lr": 0}, "lr must be above 0, got 0"),
    ({"epochs": 0}, "epochs must be above 0"),
    ({"batch_size": -1}, "batch_size must be above 0"),
    ({"engine": "abacus"}, "there is no engine 'abacus'"),
    (
        {"method": "batch", "lr": 5.0, "epochs": 2000},
        r"diverged in epoch \d+ with lr 5, where the largest stable step is 0.2",
    ),
]


@pytest.mark.parametrize(("settings", "message"), ERRORS, ids=[message[:30] for _, message in ERRORS])
def test_errors(settings, message):
    with pytest.raises(lab.LabError, match=message):
        GradientDescentRegressor(**settings).fit(Z, Y)


def test_scikit_learn_is_imported_when_it_is_used():
    program = (
        "import sys; from minigrad import lab; assert 'sklearn' not in sys.modules; "
        "lab.GradientDescentRegressor; assert 'sklearn' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Regressor'"):
        lab.Regressor  # noqa: B018
