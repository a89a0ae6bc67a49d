"""GradientDescentRegressor is a scikit-learn estimator: it passes all of its checks, and works in its tools."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from minigrad import lab
from minigrad.lab import GradientDescentRegressor
from minigrad.lab.data import load, prepare

X, Y = load_diabetes(return_X_y=True)
Z = StandardScaler().fit_transform(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # their data are not standardised
@parametrize_with_checks([GradientDescentRegressor()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", ["batch", "sgd", "minibatch"])
def test_comes_to_the_optimum(method):
    exact = LinearRegression().fit(Z, Y)
    model = GradientDescentRegressor(method, random_state=0).fit(Z, Y)
    optimum = np.mean((exact.predict(Z) - Y) ** 2)
    assert optimum < model.loss_ < 1.02 * optimum
    assert model.loss_ == pytest.approx(np.mean((model.predict(Z) - Y) ** 2))
    assert model.coef_.shape == exact.coef_.shape
    assert model.intercept_.shape == ()


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
