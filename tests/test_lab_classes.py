"""A descent on the cross-entropy of classes: the same books, held against the optimum by Newton's method."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from minigrad import cli, lab
from minigrad.lab import Model
from minigrad.lab.newton import confusion, log_loss
from minigrad.lab.store import ready

IRIS = load_iris(as_frame=True)
TABLE = IRIS.data.assign(species=IRIS.target_names[IRIS.target], colour=["red", "blue", "green"] * 50)
TWO = TABLE[TABLE.species != "setosa"]
CLASSIFICATION = {"target": "species", "task": "classification", "categorical": "colour"}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "iris.csv"
    TABLE.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("table", [TABLE, TWO], ids=["softmax", "logistic"])
def test_optimum_is_that_of_scikit_learn(table):
    alpha = 0.02
    run = lab.train(table, method="batch", alpha=alpha, **CLASSIFICATION)
    rows = ready(table, **CLASSIFICATION)
    names = np.array(run.classes)
    labels = names[rows.y_train.argmax(1)] if len(names) > 2 else names[rows.y_train[:, 0].astype(int)]
    theirs = LogisticRegression(C=1 / (alpha * len(labels)), tol=1e-10, max_iter=10_000).fit(rows.x_train, labels)
    np.testing.assert_allclose(run.exact.weights.T, theirs.coef_, atol=1e-5)
    assert 0 <= run.above_optimum < 0.02
    penalty = alpha / 2 * (run.weights**2).sum()
    assert run.log_loss == pytest.approx(log_loss(rows.x_test, rows.y_test, run.weights, run.bias))
    assert run.test_loss == pytest.approx(run.log_loss + penalty)
    with pytest.raises(AttributeError, match="regression"):
        _ = run.train_mse


def test_confusion_counts_what_is_taken_for_what():
    x, y = np.array([[3.0], [-2.0], [1.0], [-1.0]]), np.array([[1.0], [1.0], [0.0], [0.0]])
    np.testing.assert_array_equal(confusion(x, y, np.ones((1, 1)), np.zeros(1)), [[1, 1], [1, 1]])
    three = np.eye(3)[[0, 1, 1, 2]]
    scores = np.eye(3)[[0, 2, 1, 2]]
    found = confusion(scores, three, np.eye(3), np.zeros(3))
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 1, 1], [0, 0, 1]])


def test_a_stream_has_the_classes_and_categories_of_all_its_rows(file):
    """The file is sorted by class, so that its first block has not seen them all."""
    whole = lab.load(file, **CLASSIFICATION)
    streamed = ready(file, stream=True, clip_features=None, **CLASSIFICATION)
    assert streamed.classes == whole.classes == tuple(IRIS.target_names)
    assert streamed.feature_names == whole.feature_names
    assert streamed.categories == whole.categories == {"colour": ("blue", "green", "red")}
    parts = [TABLE[k : k + 40] for k in range(0, 150, 40)]
    from_parts = ready("california", parts=parts, clip_features=None, **CLASSIFICATION)
    np.testing.assert_allclose(from_parts.x_train, streamed.x_train, rtol=1e-12)
    np.testing.assert_array_equal(from_parts.y_test, streamed.y_test)
    run = lab.train(parts=parts, method="batch", epochs=3, clip_features=None, **CLASSIFICATION)
    loss = log_loss(streamed.x_train, streamed.y_train, run.weights, run.bias)
    assert run.train_loss == pytest.approx(loss + 0.005 * (run.weights**2).sum())
    with pytest.raises(lab.LabError, match=r"a stream twice.* parts can be read once.*give a list"):
        ready("california", parts=iter(parts), **CLASSIFICATION)
    said = {"categorical": {"colour": ["blue", "green", "red"]}, "target": "sepal length (cm)", "drop": "species"}
    assert ready("california", parts=iter(parts), **said).categories == whole.categories
    said["categorical"] = {"colour": ["blue", "red"]}
    with pytest.raises(lab.LabError, match="'green' in row 3 is none of the values"):
        ready("california", parts=iter(parts), **said)


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (TABLE, {"target": "species"}, "task='classification' predicts classes"),
        (TABLE, {"target": "sepal length (cm),species", "task": "classification"}, "one target"),
        (TABLE.assign(id=range(150)), {"target": "id", "task": "classification"}, "150 values in 150 rows"),
        (TABLE[:50], {"target": "species", "task": "classification"}, "1 value in 50 rows"),
        ("digits", {}, "digits are for task='classification'"),
        ("diabetes", {"task": "classification"}, "diabetes are for task='regression'"),
        ("diabetes", {"alpha": 0.1}, "alpha is for task='classification'"),
        (TABLE, CLASSIFICATION | {"preset": "lab"}, "preset is for task='regression'"),
        (TABLE, CLASSIFICATION | {"alpha": -1.0}, "alpha must be"),
        (TABLE, CLASSIFICATION | {"alpha": 0.0}, "told apart without a mistake.*alpha"),
        (TABLE, CLASSIFICATION | {"engine": "torch"}, "torch.* knows no classes"),
        (TABLE.iloc[[*range(51), *range(100, 150)]], CLASSIFICATION | {"seed": 6}, "none of the training rows"),
    ],
)
def test_what_cannot_be_is_a_sentence(data, settings, message):
    with pytest.raises(lab.LabError, match=message):
        for seed in range(settings.pop("seed", 0), 20):  # until the one row is a test row
            lab.train(data, epochs=1, seed=seed, **settings)


@pytest.mark.parametrize("how", [{"engine": "compiled"}, {"backend": "serial"}])
def test_other_ways_take_the_same_steps(how):
    settings = CLASSIFICATION | {"method": "batch", "epochs": 4}
    ours, other = lab.train(TABLE, **settings), lab.train(TABLE, **settings, **how)
    np.testing.assert_allclose(other.weights, ours.weights, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("rows", "kind"), [(TABLE, "json"), (TWO, "npz")])
def test_command_trains_draws_saves_and_predicts(rows, kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows.to_csv("iris.csv", index=False)
    train = [
        "train",
        "--task",
        "classification",
        "--data",
        "iris.csv",
        "--target",
        "species",
        "--categorical",
        "colour",
    ]
    assert cli.main([*train, "--epochs", "4", "--save", f"model.{kind}", "--export", "torch", "--logdir", "runs"]) == 0
    out = capsys.readouterr().out
    assert "exact optimum, by Newton's method: loss" in out
    assert "accuracy" in out
    (folder,) = (tmp_path / "runs").iterdir()
    assert {"confusion.png", "losses.png"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "settings.json").read_text())["task"] == "classification"

    new = rows.drop(columns="species").iloc[[0, 1, 99, 2]].reset_index(drop=True)
    new.loc[1, "colour"], new.iloc[3, 0] = "violet", np.nan
    new.to_csv("new.csv", index=False)
    assert cli.main(["predict", f"model.{kind}", "new.csv", "-o", "out.csv"]) == 0
    err = capsys.readouterr().err
    assert "colour has a value in 1 row that training has not seen, such as 'violet'" in err
    assert "2 rows of 4 without a prediction" in err
    found = pd.read_csv("out.csv")
    assert found.species.isna().tolist() == [False, True, False, True]
    model = Model.load(f"model.{kind}")
    assert found.columns.tolist() == ["species", *(f"p({name})" for name in model.classes)]
    p = found.iloc[[0, 2], 1:].to_numpy()
    np.testing.assert_allclose(p.sum(1), 1)
    assert [model.classes[k] for k in p.argmax(1)] == found.species[[0, 2]].tolist()

    torch = pytest.importorskip("torch")
    space = {"__name__": "exported"}
    exec((tmp_path / "model_torch.py").read_text(), space)
    x = model.features(new, "new", [])[[0, 2]]
    np.testing.assert_allclose(space["Model"]().probabilities(torch.tensor(x)).numpy(), p, rtol=1e-12)
    assert space["CLASSES"] == list(model.classes)


def test_numbers_are_the_same_category_with_gaps_and_without():
    """A column of whole numbers becomes one of floats where a value is missing."""
    table = pd.DataFrame({"size": [1, 2, 3] * 10, "y": [0.0, 5.0, 9.0] * 10})
    model = lab.train(table, target="y", categorical="size", method="batch").model
    frame = pd.DataFrame({"size": [3, np.nan, 1]})
    features = model.features(frame, "new", [])
    np.testing.assert_array_equal(features, [[0, 1], [np.nan] * 2, [0, 0]])
