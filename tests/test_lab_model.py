"""A model is saved with what it needs to predict, and says the same from any of its files."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from minigrad import lab
from minigrad.cli import main


@pytest.fixture
def houses(tmp_path, monkeypatch):
    """A table with a category, a scale far from 1 and an outlier that is clipped, in the folder that is current."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"size": 1e4 * rng.normal(size=60), "age": rng.normal(size=60), "kind": ["flat", "house"] * 30}
    )
    table.loc[3, "age"] = 50.0
    table["price"] = table["size"] / 1e4 - table["age"] + 2.0 * (table["kind"] == "house")
    table.to_csv("houses.csv", index=False)
    return table


TRAIN = [
    "train",
    "--data",
    "houses.csv",
    "--target",
    "price",
    "--categorical",
    "auto",
    "--no-log",
    "-q",
    "--epochs",
    "20",
]


def test_what_is_saved_predicts_as_what_was_trained(houses, capsys):
    run = lab.train("houses.csv", target="price", categorical="auto", epochs=20)
    assert main([*TRAIN, "--save", "model.npz", "--export", "torch"]) == 0
    assert main([*TRAIN, "--save", "model.json"]) == 0
    x = houses[["size", "age"]].to_numpy()
    x = np.column_stack([x, houses["kind"] == "house"]).astype(float)
    expected = run.model.predict(x)
    assert abs(expected).max() > 1
    order = houses[["price", "kind", "age", "size"]]
    order.to_csv("new.csv", sep=";", index=False)  # in another order, and with more than is needed
    for model in ("model.npz", "model.json"):
        assert main(["predict", model, "new.csv", "-o", "out.csv"]) == 0
        np.testing.assert_allclose(pd.read_csv("out.csv")[["price"]].to_numpy(), expected, rtol=1e-12)
    module = runpy.run_path("model_torch.py")
    assert module["FEATURES"] == ["size", "age", "kind=house"]
    np.testing.assert_allclose(module["Model"]()(torch.tensor(x)).numpy(), expected, rtol=1e-12)
    assert "model_torch.py" in capsys.readouterr().out


@pytest.mark.parametrize("stream", [True, False])
def test_the_scaling_is_that_of_the_training_rows(stream, houses):
    x, y = houses[["size", "age"]].to_numpy(), houses["price"].to_numpy()
    run = lab.train((x, y), stream=stream, epochs=3, clip_features=None)
    mse = np.mean((run.model.predict(x)[:, 0] - y) ** 2)
    share = 1 - run.exact.rows / 60  # of the rows, which are for the test
    assert mse == pytest.approx((1 - share) * run.train_mse + share * run.test_mse, rel=1e-9)


def test_rows_with_a_gap_have_no_prediction(houses, capsys):
    main([*TRAIN, "--save", "model.npz"])
    houses.loc[[1, 4], "age"] = np.nan
    houses.to_csv("new.csv", index=False)
    capsys.readouterr()
    assert main(["predict", "model.npz", "new.csv"]) == 0
    out, err = capsys.readouterr()
    assert [i for i, line in enumerate(out.splitlines()[1:]) if line in ("", '""')] == [1, 4]
    assert "2 rows of 60 without a prediction" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict houses.csv houses.csv", "a model is a file .npz or .json"),
        ("predict other.json houses.csv", "other.json is no model that minigrad saved"),
        ("predict absent.npz houses.csv", "absent.npz is no model that minigrad saved: No such file"),
        ("predict model.npz other.csv", "a column that the model needs is not in it: size, kind"),
        ("predict model.npz houses.csv -o houses.csv", "houses.csv is what the command reads: --force"),
        ("predict model.npz houses.csv -o other.json", "other.json is not of this command"),
        (" ".join([*TRAIN, "--save", "other.json"]), "other.json is not of this command: --force replaces it"),
        (" ".join([*TRAIN, "--save", "model.pkl"]), "--save takes a file .npz or .json, and not model.pkl"),
        (" ".join([*TRAIN, "--save", "no/model.npz"]), "there is no folder no"),
        (" ".join([*TRAIN, "--export", "torch"]), "--export goes with --save"),
    ],
)
def test_refusals(words, message, houses, capsys):
    main([*TRAIN, "--save", "model.npz"])
    houses[["age"]].to_csv("other.csv", index=False)
    Path("other.json").write_text("{}")
    capsys.readouterr()
    assert main(words.split()) == 2
    assert message in capsys.readouterr().err
    assert Path("other.json").read_text() == "{}"
