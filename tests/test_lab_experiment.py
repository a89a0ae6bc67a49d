"""Runs: where defaults end, what the books say, when a run stops."""

import inspect
import math
import warnings

import numpy as np
import pytest

from minigrad import lab
from minigrad.lab import Interrupted, LabError, LabWarning, descent, experiment
from minigrad.lab.data import load, prepare
from minigrad.lab.theory import mse

METHODS = ("batch", "sgd", "minibatch")


@pytest.mark.parametrize("method", ["batch", "minibatch"])
def test_defaults_end_within_two_percent_on_california(method):
    run = lab.train(method=method)
    assert 0 <= run.above_optimum < 0.02
    assert run.diverged is None


@pytest.mark.filterwarnings("ignore:.*nothing foretold it:minigrad.lab.LabWarning")  # of two epochs with clipped steps
@pytest.mark.parametrize("how", [{}, {"dtype": "float32", "clip_norm": 0.5}, {"outputs": 1, "schedule": "linear"}])
def test_many_steps_are_those_of_a_program_to_the_same_bits(how, monkeypatch):
    """By default the tape takes few steps; none of a method that remembers is taken by a program."""
    how = {"data": "synthetic", "epochs": 2} | how
    taped = lab.compare(**how)
    monkeypatch.setattr(experiment, "MOST_TAPED", 79)
    programs = lab.compare(**how)
    for one, other in zip(taped.runs, programs.runs, strict=True):
        assert (one.settings.engine, other.settings.engine) == ("minigrad", "compiled")
        assert one.weights.tobytes() + one.bias.tobytes() == other.weights.tobytes() + other.bias.tobytes()
    for others in {"methods": ["sgd", "momentum"]}, {"methods": ["minibatch"]}:
        assert {run.settings.engine for run in lab.compare(**how | others).runs} == {"minigrad"}


@pytest.mark.parametrize(("data", "seed"), [("diabetes", 0), ("synthetic", 1)])
def test_comparisons_end_within_two_percent_on_equal_budgets(data, seed):
    runs = lab.compare(data, seed=seed, init="random").runs
    assert [run.method for run in runs] == list(METHODS)
    assert all(-1e-12 < run.above_optimum < 0.02 for run in runs)
    assert len({run.samples for run in runs}) == 1
    assert len({run.history.train[0] for run in runs}) == 1


MORE = ["momentum", "nesterov", "adagrad", "rmsprop", "adam"]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("method", MORE)
def test_methods_come_to_the_optimum_by_their_defaults(method, schedule):
    run = lab.train("diabetes", method=method, schedule=schedule)
    assert -1e-12 < run.above_optimum < 0.02
    assert run.settings.schedule == schedule


@pytest.mark.parametrize("method", ["batch", "momentum", "nesterov"])
@pytest.mark.parametrize("schedule", ["constant", "linear", "step"])
def test_what_is_predicted_of_momentum_and_schedules_comes(method, schedule):
    x, y = collinear()
    size = {} if method == "batch" else {"batch_size": 48}
    run = lab.train((x, y), method=method, schedule=schedule, epochs=480 if method == "batch" else 96, **size)
    assert run.settings.predicted > 1e-3
    assert run.above_optimum == pytest.approx(run.settings.predicted, rel=0.1)


@pytest.mark.parametrize("method", ["momentum", "nesterov"])
def test_momentum_explodes_just_above_its_bound(method):
    settings = {"method": method, "batch_size": 40, "epochs": 300}
    bound = lab.train("synthetic", **settings).settings.step_bound
    assert lab.train("synthetic", lr=0.98 * bound, **settings).diverged is None
    with pytest.warns(LabWarning, match="above the largest stable step"):
        assert lab.train("synthetic", lr=1.02 * bound, **settings).diverged


def test_adaptive_run_that_did_not_arrive_is_told():
    with pytest.warns(LabWarning, match=r"adam: 3 epochs ended .* try epochs=12 or schedule='cosine'"):
        lab.train("synthetic", method="adam", epochs=3)


def test_books_of_a_run():
    run = lab.train("synthetic", method="minibatch", epochs=7, batch_size=16, lr=0.05, init="random", seed=5)
    table = prepare(load("synthetic", seed=5), seed=5)
    history, exact = run.history, run.exact
    assert history.samples.tolist() == [0, 13, 26, 40, 80, 120, 160, 200, 240, 280]
    assert len(history.train) == len(history.test) == len(history.samples)
    assert (run.samples, run.steps) == (7 * 40, 7 * 3)
    # both losses belong to the weights that the run hands out
    assert run.train_mse == mse(table.x_train, table.y_train, run.weights, run.bias)
    assert run.test_mse == mse(table.x_test, table.y_test, run.weights, run.bias)
    assert exact.mse == mse(table.x_train, table.y_train, exact.weights, exact.bias)
    assert (history.train >= exact.mse).all()
    assert run.above_optimum == pytest.approx(run.train_mse / exact.mse - 1)
    assert run.microseconds_per_step == pytest.approx(1e6 * run.seconds / 21)
    assert list(run.named_weights) == [*table.feature_names, "bias"]
    assert (run.named_weights["x3"] == run.weights[3]).all()
    assert (run.named_weights["bias"] == run.bias).all()
    assert run.folder is None


def test_runs_repeat_and_depend_on_the_seed():
    one, same, other = (lab.train("diabetes", method="sgd", epochs=1, seed=seed) for seed in (0, 0, 1))
    assert (one.weights == same.weights).all()
    assert one.exact.mse != other.exact.mse


def test_a_method_runs_alone_as_in_a_comparison():
    alone = lab.train("synthetic", method="sgd", epochs=3)
    assert (alone.weights == lab.compare("synthetic", epochs=3)["sgd"].weights).all()


def test_float32_is_kept():
    run = lab.train("diabetes", method="minibatch", dtype="float32", epochs=30)
    assert run.weights.dtype == run.bias.dtype == np.float32
    assert run.history.train.dtype == np.float64
    assert run.train_mse == pytest.approx(lab.train("diabetes", method="minibatch", epochs=30).train_mse, rel=1e-3)


def test_preset_of_the_lab_report():
    plans = {run.method: run.settings for run in lab.compare("synthetic", preset="lab")}
    assert {name: (plan.lr, plan.epochs, plan.clip_norm) for name, plan in plans.items()} == {
        "batch": (0.01, 100, None), "sgd": (1e-4, 100, 1.0), "minibatch": (1e-4, 100, 1.0),
    }  # fmt: skip
    assert [plan.batch_size for plan in plans.values()] == [40, 1, 32]
    mine = lab.train("synthetic", method="sgd", preset="lab", lr=1e-3, epochs=2).settings
    assert (mine.lr, mine.epochs, mine.clip_norm) == (1e-3, 2, 1.0)


def test_steps_by_method():
    runs = lab.compare("synthetic", lr={"sgd": 1e-3}, epochs=1, methods=["batch", "sgd"])
    assert runs["sgd"].settings.lr == 1e-3
    assert runs["batch"].settings.lr == runs["batch"].settings.default_lr
    with pytest.raises(KeyError):
        runs["minibatch"]
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("method", "lr", "clip_features"),
    [
        ("batch", 0.6, 5.0),
        ("sgd", 0.2, 5.0),
        ("minibatch", 1.0, 5.0),
        ("sgd", 0.01, None),
        ("batch", 1e200, 5.0),
    ],
)
def test_exploding_run_is_stopped_and_told(method, lr, clip_features):
    with pytest.warns(LabWarning, match=rf"{method}: lr .* is above the largest stable step"):
        run = lab.train("california", method=method, lr=lr, epochs=60, clip_features=clip_features)
    assert run.samples < 60 * 16512
    assert not run.train_mse <= 10 * run.history.train[0]
    assert (run.history.train[:-1] <= 10 * run.history.train[0]).all()
    epoch = math.ceil(run.samples / 16512)
    assert run.diverged.startswith(f"{method} diverged in epoch {epoch}, after {run.samples:,} samples")
    assert f"the largest stable step is {run.settings.step_bound:.3g}; try lr=" in run.diverged
    assert ("clip_features=5" in run.diverged) == (clip_features is None)
    assert run.diverged in repr(run)


def test_loss_that_is_no_number_stops_a_run(monkeypatch):
    step = descent.TapeEngine.step

    def planted(self, x, y):
        step(self, x, y * np.nan if len(x) == 1 else y)

    monkeypatch.setattr(descent.TapeEngine, "step", planted)
    runs = lab.compare("synthetic", epochs=4)
    assert [bool(run.diverged) for run in runs] == [False, True, False]
    assert math.isnan(runs["sgd"].train_mse)
    assert runs["sgd"].samples == 1


def test_stable_steps_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bound = lab.train("synthetic", epochs=1, method="batch").exact.full_batch_bound
        lab.train("synthetic", epochs=1, method="batch", lr=0.999 * bound)
    with pytest.warns(LabWarning):
        lab.train("synthetic", epochs=1, method="batch", lr=1.001 * bound)


def collinear(rows=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3))
    x[:, 2] = x[:, 1] + 0.05 * x[:, 2]
    return x, x @ [1.0, 5.0, -5.0] + 0.03 * rng.normal(size=rows)


def test_epochs_that_are_not_enough_are_told_with_what_would_be():
    x, y = collinear()
    with pytest.warns(LabWarning, match=r"2,000 epochs, the most by default, .* x[12], x[12] are nearly made") as told:
        run = lab.train((x, y), method="batch")
    assert run.above_optimum == pytest.approx(run.settings.predicted, rel=1e-6)  # what is predicted comes
    assert run.above_optimum > 0.02
    assert f"{run.exact.condition:.2g}" in str(told[0].message)
    assert "above the optimum" in repr(run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        needed = int(str(told[0].message).rpartition("epochs=")[2])  # the remedies work
        assert 0 < lab.train((x, y), method="batch", epochs=needed).above_optimum <= 0.015
        assert lab.train((x, y), method="batch", epochs=needed - 10).above_optimum > 0.015
        assert lab.train((x[:, :2], y), method="batch").above_optimum <= 0.02
        lab.train((x, y), method="batch", epochs=3)  # as asked


def test_what_nothing_foretold_is_told_afterwards():
    x, y = collinear()
    with pytest.warns(LabWarning, match=r"above the optimum, and nothing foretold it; clip_norm=0.01 shortens its"):
        lab.train((x[:, :2], y), method="batch", clip_norm=0.01)


def test_an_exact_fit_is_told_with_its_reason():
    x, y = collinear()
    known = lab.train((np.column_stack([x, y]), 2 * y + 1), epochs=1)
    assert "zero: x3 alone makes up the targets: is a target among the features?" in " ".join(repr(known).split())
    few = lab.train((x[:5], y[:5]), epochs=1)
    assert "zero: 4 training rows and 3 features, which make up any targets" in " ".join(repr(few).split())


@pytest.mark.parametrize(("dtype", "stream"), [("float64", False), ("float32", False), ("float64", True)])
@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e160, 1e302, 3e306])
def test_features_of_any_size_are_the_same(scale, dtype, stream):
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.integers(-9, 10, size=(40, 3)).astype(float), np.frexp(scale)[1])  # exact, even below 1e-308
    y = rng.normal(size=40)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        settings = {"epochs": 3, "dtype": dtype, "stream": stream}
        run, plain = (lab.train((part, y), **settings) for part in (x, np.sign(x) * np.abs(x / x.max()) * 9))
    np.testing.assert_allclose(run.weights, plain.weights, rtol=1e-5)
    repr(run)


@pytest.mark.parametrize(
    ("size", "dtype", "message"),
    [
        (1e162, "float64", r"the targets reach \S+e\+162, and the squares of that are no float64 numbers: divide"),
        (1e-199, "float64", r"the targets differ by no more than \S+e-19\d, .* divide them by 1e-19\d first"),
        (1e25, "float32", "no float32 numbers"),
    ],
)
def test_targets_whose_squares_are_no_numbers_are_refused(size, dtype, message):
    x, y = collinear()
    with pytest.raises(LabError, match=message) as told:
        lab.train((x, y * size), dtype=dtype, epochs=1)
    factor = float(str(told.value).split("divide them by ")[1].split()[0])
    lab.train((x, y * size / factor), dtype=dtype, epochs=1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("far", "dtype", "more"), [(1e6, "float32", ", or take dtype='float64'"), (1e15, "float64", "")]
)
def test_targets_that_hardly_differ_are_refused(far, dtype, more, stream):
    x, y = collinear()
    with pytest.raises(LabError, match=rf"hardly tells apart: subtract \S+ first{more}$") as told:
        lab.train((x, y + far), dtype=dtype, epochs=1, stream=stream)
    middle = float(str(told.value).split("subtract ")[1].split()[0])
    lab.train((x, y + far - middle), dtype=dtype, epochs=1, stream=stream)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "newton"}, "no method 'newton'; take batch or sgd or minibatch or momentum"),
        ({"schedule": "zigzag"}, "no schedule 'zigzag'; take constant or step"),
        ({"method": "adam", "engine": "numba"}, "engine='numba' takes plain steps only; adam needs engine='minigrad'"),
        ({"method": "adam", "preset": "lab"}, "preset='lab' has no settings for adam"),
        ({"init": "ones"}, "no init 'ones'"),
        ({"dtype": "float16"}, "no dtype 'float16'"),
        ({"engine": "jax"}, "no engine 'jax'"),
        ({"preset": "mine"}, "no preset 'mine'; take lab"),
        ({"lr": 0}, "lr must be a number above 0, got 0"),
        ({"lr": -1.0}, "lr must be a number above 0"),
        ({"lr": math.nan}, "lr must be a number above 0, got nan"),
        ({"lr": math.inf}, "lr must be a number above 0, got inf"),
        ({"clip_norm": 0.0}, "clip_norm must be a number above 0"),
        ({"clip_features": -1.0}, "clip_features must be above 0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be from 1 to the 40 training rows, got 0"),
        ({"batch_size": 41}, "batch_size must be from 1 to the 40 training rows, got 41"),
        ({"batch_size": 4, "method": "sgd"}, "batch_size is for minibatch; sgd takes one row a step"),
        ({"batch_size": 4, "method": "batch"}, "batch_size is for minibatch; batch takes all rows a step"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"rows": 1}, "1 row cannot be split"),
    ],
)
def test_what_cannot_be_done(options, message, tmp_path):
    with pytest.raises(LabError, match=message):
        lab.train("synthetic", logdir=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_comparison_that_cannot_be_made():
    with pytest.raises(LabError, match="lr names adam, but the methods are batch, sgd, minibatch"):
        lab.compare("synthetic", lr={"adam": 1.0})
    with pytest.raises(LabError, match="at least one method, and none twice"):
        lab.compare("synthetic", methods=["sgd", "sgd"])


def test_train_takes_what_compare_takes():
    own, common = (list(inspect.signature(f).parameters.items()) for f in (lab.train, lab.compare))
    assert [name for name, _ in own[:3]] == ["data", "method", "lr"]
    assert own[3:] == common[3:]
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        lab.train("synthetic", speed=3)


def test_batch_of_all_rows_is_batch_descent():
    batch = lab.train("synthetic", method="batch", epochs=9)
    minibatch = lab.train("synthetic", method="minibatch", batch_size=40, epochs=9)
    assert (batch.weights == minibatch.weights).all()


def test_interrupted_run_hands_over_what_there_was(monkeypatch):
    step, count = descent.TapeEngine.step, 0

    def planted(self, x, y):
        nonlocal count
        count += len(x) == 1
        if count > 25:
            raise KeyboardInterrupt
        step(self, x, y)

    monkeypatch.setattr(descent.TapeEngine, "step", planted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        lab.compare("synthetic", epochs=2)
    assert isinstance(stopped.value, Interrupted)
    batch, sgd = stopped.value.result.runs
    assert batch.samples == 80
    assert sgd.history.samples.tolist() == [0, 1, 2, 4, 8, 16]
    assert sgd.steps == 16
    table = prepare(load("synthetic"))
    assert sgd.train_mse == mse(table.x_train, table.y_train, sgd.weights, sgd.bias)
