"""Event files, read back with TensorBoard's own reader; tables and the picture."""

import re
import time

import numpy as np
import pytest
from matplotlib import image
from rich.console import Console

from minigrad import lab
from minigrad.lab import LabError, events, report


def read(folder):
    """The scalars of a run's folder, as {tag: (steps, values)}, and the tags of its plugins."""
    # Imported late: the reader brings protobuf code with warnings of its own on some versions.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    scalars = {}
    for tag in reader.Tags()["scalars"]:
        seen = reader.Scalars(tag)
        scalars[tag] = [event.step for event in seen], [event.value for event in seen]
    return scalars, reader


def test_losses_are_in_a_folder_of_each_run(tmp_path):
    comparison = lab.compare("synthetic", epochs=3, logdir=tmp_path / "new" / "runs")
    assert comparison.folder.parent == tmp_path / "new" / "runs"
    assert re.fullmatch(r"\d{8}-\d{6}-synthetic", comparison.folder.name)
    names = ["batch", "minibatch", "results.json", "settings.json", "sgd"]
    assert sorted(path.name for path in comparison.folder.iterdir()) == names
    for run in comparison:
        assert run.folder == comparison.folder / run.method
        assert len(list(run.folder.glob("events*"))) == 1
        scalars, _ = read(run.folder)
        assert set(scalars) == {"loss/train", "loss/test"}
        for tag, values in (("loss/train", run.history.train), ("loss/test", run.history.test)):
            assert scalars[tag][0] == run.history.samples.tolist()
            np.testing.assert_array_equal(np.float32(scalars[tag][1]), np.float32(values))


def test_hyper_parameters_are_in_the_same_file(tmp_path):
    from tensorboard.plugins.hparams import plugin_data_pb2

    run = lab.train("synthetic", method="minibatch", epochs=2, clip_norm=0.5, dtype="float32", logdir=tmp_path)
    _, reader = read(run.folder)
    content = reader.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert values["method"].string_value == "minibatch"
    assert values["lr"].number_value == run.settings.lr
    assert values["batch_size"].number_value == 32
    assert values["clip_norm"].number_value == 0.5
    assert values["seed"].number_value == 0
    assert values["dtype"].string_value == "float32"


def test_runs_of_the_same_second_leave_each_other_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: "20200101-000000")
    first = lab.train("synthetic", epochs=2, logdir=tmp_path)
    (kept,) = first.folder.glob("events*")
    before = kept.read_bytes()
    others = [lab.train("synthetic", epochs=1, logdir=tmp_path) for _ in range(2)]
    assert [run.folder.parent.name for run in (first, *others)] == [
        "20200101-000000-synthetic",
        "20200101-000000-synthetic-2",
        "20200101-000000-synthetic-3",
    ]
    assert kept.read_bytes() == before
    assert list(first.folder.glob("events*")) == [kept]


def test_two_logs_in_one_folder_do_not_share_a_file(tmp_path):
    with (
        events.EventLog(tmp_path / "a", {"lr": 1.0}) as one,
        events.EventLog(tmp_path / "b", {"lr": 1.0}) as two,
    ):
        one.losses(1, 2.0, 3.0)
        two.losses(1, 2.0, 3.0)
    names = {path.name for folder in ("a", "b") for path in (tmp_path / folder).iterdir()}
    assert len(names) == 2


def test_losses_can_be_read_while_the_run_goes_on(tmp_path):
    with events.EventLog(tmp_path / "run", {}) as log:
        log.losses(0, 2.0, 3.0)
        assert read(tmp_path / "run")[0] == {"loss/train": ([0], [2.0]), "loss/test": ([0], [3.0])}


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for logdir in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(LabError, match="cannot write to the log folder"):
            lab.train("synthetic", epochs=1, logdir=logdir)


def test_diverged_run_keeps_what_it_logged(tmp_path):
    with pytest.warns(lab.LabWarning):
        run = lab.train("synthetic", method="batch", lr=1e3, epochs=50, logdir=tmp_path)
    assert run.diverged
    assert read(run.folder)[0]["loss/train"][0] == run.history.samples.tolist()


@pytest.mark.parametrize("options", [{}, {"data": "diabetes", "method": "batch"}, {"data": "synthetic", "rows": 9}])
def test_picture(tmp_path, options):
    run = lab.train(**{"data": "synthetic", "epochs": 20, **options})
    path = run.plot(tmp_path / "losses.png")
    pixels = image.imread(path)
    assert pixels.shape == (600, 1440, 4)
    for method in {"batch", "minibatch"} & {run.method}:
        red, green, blue = (int(report.STYLES[method][0][i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert (abs(pixels[..., :3] - [red, green, blue]).max(-1) < 0.01).sum() > 300
    with pytest.raises(FileExistsError):
        run.plot(path)
    assert (image.imread(path) == pixels).all()


def test_picture_of_runs_that_diverged(tmp_path):
    with pytest.warns(lab.LabWarning):
        runs = lab.compare("synthetic", epochs=30, lr={"batch": 1e200, "sgd": 5.0})
    assert runs.plot(tmp_path / "losses.png").stat().st_size > 10_000


def test_tables_name_every_number():
    runs = lab.compare("diabetes", epochs=12)
    text, page = repr(runs), runs._repr_html_()
    headings = {"method", "lr", "samples", "seen", "steps", "train", "test", "MSE", "optimum", "seconds", "µs/step"}
    for heading in headings | {"exact", "weights"}:
        assert heading in text
        assert heading in page
    for name in (*lab.load("diabetes").feature_names, "bias"):
        assert re.search(rf"^ {name}( +-?[\d.]+){{4}}$", text, re.MULTILINE), name
    assert "split at random (seed 0): 353 training rows, 89 test rows" in text
    assert "largest stable lr: 0.246 for the full batch (2/lambda_max)" in text
    assert max(map(len, text.splitlines())) <= 100
    rows = "\n".join(line for line in text.splitlines() if line.startswith(" "))  # in a notebook, those of two tables
    assert all(f">{cell}</td>" in page for cell in re.findall(r"(?<= )-?\d[\d.,]*(?=[ \n])", rows))


def test_tables_of_several_outputs_name_the_target():
    text = repr(lab.train("synthetic", features=2, outputs=2, epochs=2))
    assert re.findall(r"^ (\w+) +(y\d)", text, re.MULTILINE) == [
        ("x0", "y0"), ("x1", "y0"), ("bias", "y0"), ("x0", "y1"), ("x1", "y1"), ("bias", "y1"),
    ]  # fmt: skip


def test_narrow_terminal_gets_a_tall_table(monkeypatch, capsys):
    runs = lab.compare("synthetic", epochs=2).runs
    monkeypatch.setattr(report, "_console", lambda file: Console(file=file, width=50))
    report.show(runs, brief=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 50
    assert any(re.match(r" method +batch +sgd +minibatch", line) for line in lines)
    assert any(re.match(r" train MSE( +[\d.]+){3}", line) for line in lines)


def test_perfect_fit_is_told_in_absolute_terms(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    run = lab.train((x, x @ [[1.0], [2.0]]), method="batch", epochs=10)
    assert run.exact.mse < 1e-25
    assert f" +{run.train_mse:.2g} " in repr(run)
    assert "%" not in repr(run)
    run.plot(tmp_path / "losses.png")
