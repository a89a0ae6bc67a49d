"""Tables that are read as a stream: the same rows from any kind of file, the same optimum, in bounded memory."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from minigrad import lab
from minigrad.lab import data
from minigrad.lab.descent import descend
from minigrad.lab.store import ready
from minigrad.lab.theory import LeastSquares, mse
from tests.test_lab_descent import Watcher

ROWS = 700


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(data, "BLOCK", 600)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)) * [1, 50, 1e-3] + [0, 1e4, 2]
    x[5, 0] = 40.0  # is clipped
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x @ [1, -1, 900] + rng.normal(size=ROWS)})


def numpy_of(table):
    return [np.array(part) for part in (table.x_train, table.y_train, table.x_test, table.y_test)]


WRITERS = {
    "t.csv": lambda frame, path: frame.to_csv(path, index=False),
    "t.csv.xz": lambda frame, path: frame.to_csv(path, index=False, sep=";", decimal=","),
    "t.csv.zip": lambda frame, path: frame.to_csv(path, index=True),  # numbers of rows, in a column without a name
    "t.npy": lambda frame, path: np.save(path, frame.to_numpy()),
    "t.npz": lambda frame, path: np.savez_compressed(path, x=frame.to_numpy()[:, :3].copy("C"), y=frame["y"]),
    "t.parquet": lambda frame, path: frame.to_parquet(path, row_group_size=97),
    "t.feather": lambda frame, path: frame.to_feather(path),
    "t-*.csv": lambda frame, path: [
        frame[i : i + 300].to_csv(str(path).replace("*", str(i)), index=False) for i in range(0, ROWS, 300)
    ],
}


@pytest.mark.parametrize("name", WRITERS)
def test_any_file_gives_the_rows_that_memory_would_hold(frame, tmp_path, name):
    if name.endswith(("parquet", "feather")):
        pytest.importorskip("pyarrow")
    WRITERS[name](frame, tmp_path / name)
    table = ready(tmp_path / name, target="x3" if name == "t.npy" else "y", stream=None if "*" in name else True)
    x, y, x_test, y_test = numpy_of(table)
    train, test = frame[~(held := np.isin(frame["y"], y_test))], frame[held]
    assert len(train) + len(test) == ROWS
    assert 0.1 < len(test) / ROWS < 0.3
    for part, z, target in ((train, x, y), (test, x_test, y_test)):
        standard = (part[["a", "b", "c"]] - train[["a", "b", "c"]].mean()) / train[["a", "b", "c"]].std(ddof=0)
        np.testing.assert_allclose(z, standard.clip(-5, 5), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(target[:, 0], part["y"])
    assert any("clipped at ±5: 1 of" in note for note in table.notes)


def test_batches_of_any_size_are_a_source(frame):
    x, y = frame[["a", "b", "c"]].to_numpy(), frame["y"].to_numpy()
    pairs = ((x[i : i + 9], y[i : i + 9]) for i in range(0, ROWS, 9))
    frames = [frame[:1], frame[1:500], frame[500:]]
    ours, theirs = (lab.train(parts=parts, target=target, epochs=1) for parts, target in ((pairs, None), (frames, "y")))
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=0, atol=1e-12 * abs(frame["y"]).max())
    assert theirs.feature_names == ("a", "b", "c")


@pytest.mark.parametrize("width", [3, 40])
def test_every_row_of_a_file_is_seen_once_an_epoch_in_even_batches(tmp_path, width):
    for n, batch_size in ((1001, 7), (1000, 1), (997, 700), (1000, 64)):
        rows = np.memmap(tmp_path / "rows", float, "w+", shape=(n, width))
        rows[:] = np.arange(n)[:, np.newaxis]
        engine = Watcher()
        marks = list(descend(engine, rows, rows, epochs=2, batch_size=batch_size, rng=np.random.default_rng(0)))
        count = -(-n // batch_size)
        assert (marks[-1].steps, marks[-1].samples) == (2 * count, 2 * n)
        assert len({(mark.epoch, mark.steps) for mark in marks}) == len(marks)
        first, second = engine.batches[:count], engine.batches[count:]
        assert [len(batch) for batch in first] == list(np.diff([n * i // count for i in range(count + 1)]))
        for epoch in (first, second):
            assert sorted(itertools.chain(*epoch)) == list(range(n))
        assert first != second
    middle = np.concatenate(first[:2])  # rows that are sorted in the file come mixed: a block is from all over it
    assert middle.min() < n / 4 < 3 * n / 4 < middle.max()


def test_a_full_batch_from_a_file_is_the_same_step(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv")
    run = lab.train(tmp_path / "t.csv", target="y", stream=True, method="batch", epochs=3)
    table = ready(tmp_path / "t.csv", target="y", stream=True)
    x, y, *_ = numpy_of(table)
    W, b = np.zeros((3, 1)), np.zeros(1)
    for _ in range(3):
        error = x @ W + b - y
        W, b = W - run.settings.lr * 2 / len(x) * (x.T @ error), b - run.settings.lr * 2 * error.mean(0)
    np.testing.assert_allclose(run.weights, W, rtol=1e-9)
    assert run.train_mse == pytest.approx(mse(x, y, W, b), rel=1e-9)
    with pytest.raises(
        lab.LabError, match=r"batch: engine compiled holds the .* take engine='minigrad', or fewer rows"
    ):
        lab.train(tmp_path / "t.csv", target="y", stream=True, method="batch", engine="compiled")


@pytest.mark.parametrize("depend", [0.0, 1e-5, None])
def test_normal_equations_give_the_optimum_and_say_how_well(tmp_path, depend):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(900, 4)) + 3
    if depend is None:
        x[:, 3] = x[:, 0] - 2 * x[:, 1]
    else:
        x[:, 3] = x[:, 0] + (depend or 1) * x[:, 3]
    y = x @ rng.normal(size=(4, 2)) + rng.normal(size=(900, 2))
    there = np.memmap(tmp_path / "x", float, "w+", shape=x.shape)
    there[:] = x
    ours, theirs = LeastSquares(there, y), LeastSquares(x, y)
    accuracy = max(ours.error, 1e-9)
    assert (accuracy == 1e-9) == (depend != 1e-5)
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=0, atol=10 * accuracy * abs(theirs.weights).max())
    assert ours.mse == pytest.approx(theirs.mse, rel=1e-12)
    for name in ("full_batch_bound", "one_sample_bound", "_noise"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9)
    W, b = rng.normal(size=(4, 2)), rng.normal(size=2)
    assert ours.loss(W, b) == pytest.approx(mse(x, y, W, b), rel=accuracy)
    text = repr(lab.train((x, y), stream=True, clip_features=None, epochs=1))
    assert ("of the weights are sure" in text) == (depend == 1e-5)


def test_missing_values_of_a_stream(frame, tmp_path):
    gaps = frame.copy()
    gaps.loc[[300, 301, 450], "b"] = np.nan
    gaps.loc[650, "y"] = np.nan
    gaps.to_csv(path := tmp_path / "t.csv")
    with pytest.raises(
        lab.LabError, match=r"missing in 4 of 700 rows, first in row 301; by column: b 3, y 1\. missing="
    ):
        ready(path, target="y", stream=True)
    dropped, filled = (ready(path, target="y", stream=True, missing=how) for how in ("drop", "mean"))
    assert len(dropped.x_train) + len(dropped.x_test) == 696
    assert "4 rows of 700 left out, because a value is missing in them" in dropped.notes
    assert len(filled.x_train) + len(filled.x_test) == 699
    assert "3 missing values filled with the mean of the feature in the training rows" in filled.notes
    assert int((np.array(filled.x_train)[:, 1] == 0).sum() + (np.array(filled.x_test)[:, 1] == 0).sum()) == 3
    np.testing.assert_allclose(np.array(filled.x_train).std(0)[1:], 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"missing": "median"}, "a median needs all rows at once; for a stream take missing='mean'"),
        ({"rows": 3}, "rows is for synthetic data"),
        ({"drop": "nope"}, "has no column 'nope'"),
        ({"delimiter": "ab"}, "delimiter is one character"),
        ({"parts": [(np.ones((3, 1)), np.ones(3))], "data": "t.csv"}, "data and parts are both given"),
        ({"parts": [3], "data": "california"}, "part 1 is a int"),
        ({"parts": [], "data": "california", "target": None}, "0 complete rows cannot be split"),
        ({"parts": [(np.ones((3, n)), np.ones(3)) for n in (1, 2)], "data": "california", "target": None},
         "part 2 has the columns x0, x1, y0, and those before it x0, y0"),
        ({"stream": False, "data": "t*.csv"}, "3 files are read as a stream"),
        ({"data": "t*.csv"}, r"t2.csv has no column 'b', which features names: they are a, y"),
        ({"data": "text.csv"}, r"text.csv: cells that are no numbers in 'a' \('oh' in row 501\)"),
        ({"data": "infinite.csv"}, "infinite.csv, row 401, column 'a': inf is not a finite number"),
        ({"data": "t.xlsx"}, "t.xlsx can be read as a whole only: leave out stream"),
    ],
)  # fmt: skip
def test_what_a_stream_refuses(frame, tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    few = frame.rename(columns={"c": "d"})
    frame.drop(columns="c").to_csv("t.csv", index=False)
    few[["a", "y"]].to_csv("t2.csv", index=False)
    column = frame["a"].astype(object)
    pd.DataFrame({"a": column.where(frame.index != 500, "oh"), "y": frame["y"]}).to_csv("text.csv", index=False)
    pd.DataFrame({"a": column.where(frame.index != 400, "1e999"), "y": frame["y"]}).to_csv("infinite.csv", index=False)
    frame.to_excel("t.xlsx")
    with pytest.raises(lab.LabError, match=message):
        ready(**{"data": "t.csv", "target": "y", "stream": settings.get("parts", True) is True or None} | settings)


def test_files_of_a_stream_go_with_its_rows(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    table = ready("diabetes", stream=True, dtype="float32")
    assert table.x_train.dtype == np.float32
    assert len(list(tmp_path.iterdir())) == 1
    del table
    with pytest.raises(lab.LabError):
        ready("diabetes", stream=True, clip_features=5, dtype="float32", parts=iter([(np.ones((9, 1)), np.ones(9))]))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory, and what it counts, is Linux's")
def test_a_table_larger_than_memory_trains(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", float, (500_000, 15))
    rows[:] = rng.standard_normal((1, 15))
    rows[:, 0] = np.arange(len(rows)) % 1009
    rows[:, -1] = rows[:, 0] + np.arange(len(rows)) % 7
    script = Path(__file__).with_name("streaming_run.py")
    ran = subprocess.run(
        [sys.executable, script, tmp_path / "large.npy", "20", str(2**17)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "in memory: " in ran.stdout  # 60 MB do not fit in 20
    assert "500,000 rows, 14 features" in ran.stdout
