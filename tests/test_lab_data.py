"""The lab's data: carried bit for bit, read with care, prepared without test rows leaking into training."""

import gzip
import hashlib
import os

import numpy as np
import pytest

from minigrad.lab import Dataset, LabError, LabWarning, load
from minigrad.lab.data import CALIFORNIA_FILE, prepare, split, stream

DIGEST = "e36146b5bc2cac07ef1f7abe361ed17bd39ea1be4fca6061b8e475c60477e32e"


def test_california_file_is_the_verified_one():
    assert hashlib.sha256(gzip.decompress(CALIFORNIA_FILE.read_bytes())).hexdigest() == DIGEST
    assert DIGEST in CALIFORNIA_FILE.with_name("california_housing.md").read_text(encoding="utf-8")


def test_california_equals_scikit_learn_bit_for_bit():
    home = os.environ.get("SCIKIT_LEARN_DATA", "")
    if not os.path.exists(os.path.join(home, "cal_housing_py3.pkz")):
        pytest.skip("SCIKIT_LEARN_DATA names no folder with scikit-learn's copy of the table")
    from sklearn.datasets import fetch_california_housing

    theirs, ours = fetch_california_housing(data_home=home, download_if_missing=False), load("california")
    assert ours.features.tobytes() == np.ascontiguousarray(theirs.data).tobytes()
    assert ours.targets.tobytes() == theirs.target.tobytes()
    assert ours.feature_names == tuple(theirs.feature_names)
    assert ours.target_names == tuple(theirs.target_names)


def test_built_in_data_have_their_shapes():
    assert repr(load("california")) == "<Dataset california: 20640 rows, 8 features, 1 target>"
    assert repr(load("diabetes")) == "<Dataset diabetes: 442 rows, 10 features, 1 target>"
    assert repr(load("synthetic")) == "<Dataset synthetic: 50 rows, 13 features, 3 targets>"
    assert repr(load("synthetic", rows=7, features=1, outputs=2)) == "<Dataset synthetic: 7 rows, 1 feature, 2 targets>"
    assert (load("synthetic", seed=1).features == load("synthetic", seed=1).features).all()
    assert (load("synthetic", seed=1).features != load("synthetic", seed=2).features).any()


def test_arrays_and_datasets_are_data_too():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 2)), rng.normal(size=5)
    assert load((x, y)).targets.shape == (5, 1)
    assert load((x.tolist(), x)).target_names == ("y0", "y1")
    dataset = Dataset("mine", x, y[:, None], ("a", "b"), ("c",))
    assert load(dataset) is dataset
    with pytest.raises(LabError, match=r"got shapes \(5,\) and \(5, 1\)"):
        load((y, y))
    with pytest.raises(LabError, match="same number of rows"):
        load((x, y[:3]))
    x[3, 1] = np.nan
    with pytest.raises(LabError, match=r"a value is missing in 1 of 5 rows, first in row 4; by column: x1 1"):
        load((x, y))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "bosten"}, "no data set or file 'bosten'; take california, diabetes, digits, synthetic or"),
        ({"data": "california", "rows": 10}, "rows is for synthetic data; here the data are built-in data"),
        ({"data": "diabetes", "target": "age"}, "target is for files, a DataFrame and parts; here"),
        ({"data": "synthetic", "rows": 1}, "1 row cannot be split"),
        ({"data": "synthetic", "outputs": 0}, "outputs must be at least 1, got 0"),
    ],
)
def test_data_that_are_not_there(arguments, message):
    with pytest.raises(LabError, match=message):
        load(**arguments)


def test_training_rows_alone_decide_the_standardisation():
    raw = np.random.default_rng(0).normal(3, 7, size=(50, 2))
    table = prepare(load((raw, raw)), clip_features=None)  # the targets stay raw, and so show what the features were
    assert table.x_train.shape == (40, 2)
    assert table.x_test.shape == (10, 2)
    mean, deviation = table.y_train.mean(0), table.y_train.std(0)
    np.testing.assert_allclose(table.x_train, (table.y_train - mean) / deviation, rtol=1e-12)
    np.testing.assert_allclose(table.x_test, (table.y_test - mean) / deviation, rtol=1e-12)
    assert sorted([*table.y_train[:, 0], *table.y_test[:, 0]]) == sorted(raw[:, 0])


def test_clipping_is_done_and_told():
    table = prepare(load("california"), clip_features=5)
    assert abs(table.x_train).max() == 5
    assert abs(table.x_test).max() == 5
    assert any("clipped at ±5: 292 of 132,096 training values, in 234 rows" in note for note in table.notes)
    assert any("not clipped" in note for note in prepare(load("diabetes"), clip_features=None).notes)
    with pytest.raises(LabError, match="clip_features must be above 0"):
        prepare(load("diabetes"), clip_features=0)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e17])
def test_constant_columns_are_left_out_and_named(constant):
    x = np.random.default_rng(0).normal(size=(30, 3))
    x[:, 1] = constant
    with pytest.warns(LabWarning, match="left out, because constant in the training rows: x1"):
        table = prepare(load((x, x[:, 0])))
    assert table.feature_names == ("x0", "x2")
    assert table.x_train.shape == (24, 2)
    assert table.notes[-1] == "left out, because constant in the training rows: x1"
    with pytest.raises(LabError, match="every feature is constant in the 24 training rows"):
        prepare(load((x[:, 1:2], x[:, 0])))


def test_split_depends_on_the_seed_alone():
    one, same, other = (
        prepare(load("diabetes"), seed=seed, dtype=dtype) for seed, dtype in ((0, "f8"), (0, "f4"), (1, "f8"))
    )
    assert same.x_train.dtype == same.y_test.dtype == np.float32
    np.testing.assert_array_equal(one.y_train.astype(np.float32), same.y_train)
    assert (one.y_train != other.y_train).any()


def test_the_split_is_that_of_scikit_learn():
    from sklearn.model_selection import train_test_split

    for rows in (2, 3, 5, 9, 442):
        test, train = split(rows, 7)
        theirs = train_test_split(np.arange(rows), test_size=0.2, random_state=7)
        np.testing.assert_array_equal(train, theirs[0])
        np.testing.assert_array_equal(test, theirs[1])


def test_streams_of_one_seed_differ_by_name():
    draws = [
        stream(0, "split").integers(2**62),
        stream(0, "init").integers(2**62),
        stream(1, "split").integers(2**62),
    ]
    assert len(set(draws)) == 3
    assert stream(0, "split").integers(2**62) == draws[0]
