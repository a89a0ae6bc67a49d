"""What the lab promises about optimum and steps, held against descents that actually run."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from minigrad.lab import LeastSquares, load
from minigrad.lab.data import stream
from minigrad.lab.descent import TapeEngine, descend
from minigrad.lab.theory import mse


def standardised(name, clip=np.inf):
    """All rows of a built-in data set, not split, with the population standard deviation."""
    dataset = load(name)
    return StandardScaler().fit_transform(dataset.features).clip(-clip, clip), dataset.targets


def problem(rows=40, p=3, q=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, p)) * rng.uniform(0.5, 2, p)
    return x, x @ rng.normal(size=(p, q)) + rng.normal(size=(rows, q))


def zeros(x, y):
    return np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1])


def after(x, y, *, lr, epochs, batch_size=None, start=None):
    """Weights and bias after a descent with the tape, from zeros."""
    engine = TapeEngine(*(start or zeros(x, y)), lr)
    for _ in descend(engine, x, y, epochs=epochs, batch_size=batch_size or len(x), rng=np.random.default_rng(0)):
        pass
    return engine.parameters()


# Known answers: float64, all rows, not split.
@pytest.mark.parametrize(
    ("name", "clip", "optimum"),
    [
        ("california", np.inf, 0.5243209861846072),
        ("california", 5, 0.4882),
        ("diabetes", np.inf, 2859.6963475867506),
    ],
)
def test_exact_optimum(name, clip, optimum):
    x, y = standardised(name, clip)
    exact = LeastSquares(x, y)
    assert exact.mse == pytest.approx(optimum, rel=1e-10 if clip == np.inf else 1e-4)
    assert exact.mse == pytest.approx(mse(x, y, exact.weights, exact.bias), rel=1e-12)


def test_curvature_of_california():
    exact = LeastSquares(*standardised("california"))
    assert exact.eigenvalues[[0, -1]] == pytest.approx([0.0912, 4.0539], abs=5e-5)
    assert exact.full_batch_bound == pytest.approx(0.493, abs=5e-4)
    assert exact.one_sample_bound == pytest.approx(1 / 14307, rel=1e-3)
    assert LeastSquares(*standardised("diabetes")).eigenvalues[-1] == pytest.approx(8.0484, abs=5e-5)


@pytest.mark.parametrize(("name", "loss"), [("california", 0.7113954793601069), ("diabetes", 3315.066530264704)])
def test_batch_descent_from_zeros_is_the_known_one(name, loss):
    x, y = standardised(name)
    assert mse(x, y, *after(x, y, lr=0.01, epochs=100)) == pytest.approx(loss, rel=1e-12)


def test_batch_descent_on_clipped_features():
    x, y = standardised("california", 5)
    assert mse(x, y, *after(x, y, lr=0.3, epochs=200)) == pytest.approx(0.4886, abs=1e-4)


@pytest.mark.parametrize("q", [1, 3])
def test_optimum_is_scikit_learns(q):
    x, y = problem(q=q)
    exact, theirs = LeastSquares(x, y), LinearRegression().fit(x, y)
    np.testing.assert_allclose(exact.weights, theirs.coef_.T, rtol=1e-10)
    np.testing.assert_allclose(exact.bias, theirs.intercept_, rtol=1e-10)


@pytest.mark.parametrize("q", [1, 2, 5])
def test_full_batch_tips_over_at_its_bound(q):
    x, y = problem(q=q)
    exact = LeastSquares(x, y)
    losses = [mse(x, y, *after(x, y, lr=share * exact.full_batch_bound, epochs=2000)) for share in (0.99, 1.01)]
    assert losses[0] == pytest.approx(exact.mse, rel=1e-9)
    assert losses[1] > 1e9 * exact.mse


@pytest.mark.parametrize("q", [1, 2, 5])
def test_one_sample_tips_over_at_its_bound(q):
    x, y = problem(q=q)
    exact = LeastSquares(x, y)
    steepest = np.argmax((x**2).sum(1))
    row = x[steepest : steepest + 1], y[steepest : steepest + 1]
    losses = [mse(*row, *after(*row, lr=share * exact.one_sample_bound, epochs=2000)) for share in (0.99, 1.01)]
    assert losses[0] < 1e-9
    assert losses[1] > 1e9


def test_bound_goes_from_one_sample_to_full_batch():
    exact = LeastSquares(*problem(rows=24))
    bounds = [exact.step_bound(size) for size in (1, 2, 3, 4, 6, 8, 12, 24)]
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(exact.one_sample_bound)
    assert bounds[-1] == pytest.approx(exact.full_batch_bound)
    # 20 rows of 24 make two batches, and those have 12 rows
    assert exact.step_bound(20) == exact.step_bound(12)
    assert exact.default_lr(20) == exact.default_lr(12)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_noise_is_as_predicted(batch_size):
    """A constant step hovers above the optimum at the predicted height, averaged over many fresh batches."""
    x, y = problem(rows=40, p=2, q=2)
    exact = LeastSquares(x, y)
    lr = exact.default_lr(batch_size)
    rng = np.random.default_rng(1)
    engine = TapeEngine(exact.weights, exact.bias, lr)
    excess = []
    for _ in range(20_000):
        rows = rng.choice(len(x), batch_size, replace=False)
        engine.step(x[rows], y[rows])
        excess.append(mse(x, y, *engine.parameters()) / exact.mse - 1)
    assert np.mean(excess[2000:]) == pytest.approx(0.002, rel=0.4)


@pytest.mark.parametrize("seed", range(3))
def test_default_epochs_of_a_full_batch_are_the_fewest_tens(seed):
    x, y = problem(rows=30, p=8, seed=seed)
    x[:, 0] += 3 * x[:, 1]  # makes it slow
    exact = LeastSquares(x, y)
    lr = exact.default_lr(30)
    epochs = exact.default_epochs(*zeros(x, y), lr, 30)
    assert mse(x, y, *after(x, y, lr=lr, epochs=epochs)) <= 1.015 * exact.mse
    if epochs > 10:
        assert mse(x, y, *after(x, y, lr=lr, epochs=epochs - 10)) > 1.015 * exact.mse


def test_features_that_are_nearly_one_are_told_and_their_end_foretold():
    x, y = problem(rows=30, p=3, q=1)
    x[:, 2] = x[:, 0] + 1e-9 * x[:, 2]
    exact = LeastSquares(x, y)
    assert sorted(exact.dependent()) == [0, 2]
    assert exact.condition > 1e17
    start, lr = zeros(x, y), exact.default_lr(30)
    ended = mse(x, y, *after(x, y, lr=lr, epochs=2000)) / exact.mse - 1
    assert exact.predicted(*start, lr, 30, 2000) == pytest.approx(ended, rel=1e-3)


def test_the_distance_of_the_targets_makes_no_optimum_zero():
    x, y = problem(rows=30, p=2, q=1)
    near, far = LeastSquares(x, y), LeastSquares(x, y + 1e12)
    assert far.least == pytest.approx(near.least, rel=1e-2)
    assert far.least > far.negligible
    assert far.default_epochs(*zeros(x, y), 0.1, 30) > near.default_epochs(*zeros(x, y), 0.1, 30)


def test_defaults_survive_an_optimum_of_zero():
    x = stream(0, "test").normal(size=(10, 2))
    exact = LeastSquares(x, np.zeros((10, 1)))
    assert exact.mse == 0
    assert 0 < exact.default_lr(1) <= exact.one_sample_bound
    assert exact.default_epochs(*zeros(x, x[:, :1]), exact.default_lr(1), 1) == 10
    assert exact.default_epochs(np.ones((2, 1)), np.ones(1), exact.default_lr(1), 1) <= 2000
