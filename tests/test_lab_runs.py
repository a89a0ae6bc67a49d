"""A run is repeated from the settings that are kept beside it, and `minigrad runs` lists what there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minigrad import lab
from minigrad.cli import main
from minigrad.lab import experiment, runs

SMALL = ["--data", "synthetic", "--rows", "40", "-q"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def only(pattern: str) -> Path:
    (found,) = Path().glob(pattern)
    return found


def test_a_run_is_repeated_to_the_bit(capsys):
    words = ["--seed", "3", "--method", "adam", "--epochs", "4", "--clip-features", "none", "--init", "random"]
    assert main(["train", *SMALL, *words, "--save", "first.json"]) == 0
    folder = only("runs/*-synthetic")
    assert main(["train", "--from", str(folder), "--no-log", "-q", "--save", "again.json"]) == 0
    assert Path("first.json").read_text() == Path("again.json").read_text()
    strange = json.loads(folder.joinpath("settings.json").read_text()) | {"sede": 4}
    folder.joinpath("settings.json").write_text(json.dumps(strange))
    assert main(["train", "--from", str(folder), "--no-log"]) == 2
    assert "its settings name 'sede', which is none" in capsys.readouterr().err
    del strange["sede"]
    other = strange | {"seed": 4}
    folder.joinpath("settings.json").write_text(json.dumps(other))
    assert main(["train", "--from", str(folder), "--no-log", "-q", "--save", "other.json"]) == 0
    assert Path("first.json").read_text() != Path("other.json").read_text()


def test_runs_are_listed_with_how_they_ended(capsys):
    assert main(["runs"]) == 2
    Path("runs").mkdir()
    assert main(["runs"]) == 0
    assert "there are no runs in runs" in capsys.readouterr().out
    Path("table.csv").write_text("x,y\n" + "\n".join(f"{i % 7},{i}" for i in range(40)))
    assert main(["compare", "--data", "table.csv", "--target", "y", "-q", "--methods", "batch,momentum"]) == 0
    assert main(["train", *SMALL, "--method", "batch", "--lr", "9"]) == 1
    only("runs/*-table.csv/results.json").unlink()  # as when it was killed
    capsys.readouterr()
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert out.count("not ended") == 2
    assert out.count("diverged") == 1


class Killed(BaseException):
    """As a signal that nobody handles."""


@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("minibatch", {"engine": "compiled"}),
        ("nesterov", {}),
        ("minibatch", {"data": "classes.csv", "target": "y", "task": "classification", "alpha": 0.1}),
        ("momentum", {"backend": "threads", "workers": 2, "batch_size": 20}),
        ("minibatch", {"backend": "serial", "local_steps": 2, "batch_size": 10}),
    ],
    ids=str,
)
def test_a_killed_run_goes_on_to_the_same_bits(method, how, monkeypatch):
    Path("classes.csv").write_text("x,y\n" + "\n".join(f"{i % 7},{'abc'[i % 3]}" for i in range(40)))
    words = {"data": "synthetic", "method": method, "epochs": 6, "schedule": "cosine", "init": "random"}
    words |= {"logdir": "runs", **how}
    whole = lab.train(**words)
    monkeypatch.setattr(experiment, "EVERY", 0.0)
    look, looks = experiment.Progress.__call__, 0

    def killing(self, plan, now, loss):
        nonlocal looks
        looks += 1
        if now.epoch == 5:
            raise Killed
        look(self, plan, now, loss)

    monkeypatch.setattr(experiment.Progress, "__call__", killing)
    with pytest.raises(Killed):
        lab.train(**(words | {"logdir": "killed"}))
    monkeypatch.setattr(experiment.Progress, "__call__", look)
    seen = looks
    folder = only("killed/*")
    if how:  # without the command, which draws
        lab.compare(**runs.settings(folder), resume=folder)
    else:
        assert main(["train", "--resume", str(folder), "-q"]) == 0
    results = [json.loads(only(f"{folder}/*/results.json").read_text())[method] for folder in ("runs", "killed")]
    assert [{**result, "seconds": 0} for result in results] == [{**results[0], "seconds": 0}] * 2
    assert looks == seen
    assert whole.samples == results[1]["samples"]
    with checkpoint_of("runs", method) as one, checkpoint_of("killed", method) as other:
        assert (one["parts/weights"] == other["parts/weights"]).all()
        assert (one["parts/weights"] == whole.weights).all()


def test_a_checkpoint_of_something_else_is_refused(capsys):
    assert main(["train", *SMALL, "--epochs", "2", "--method", "batch"]) == 0
    folder = only("runs/*")
    (folder / "batch" / "checkpoint.npz").write_bytes(b"PK")
    assert main(["train", "--resume", str(folder)]) == 2
    assert "checkpoint.npz is damaged or cut off" in capsys.readouterr().err


def checkpoint_of(folder: str, method: str):
    return np.load(only(f"{folder}/*/{method}/checkpoint.npz"))


def test_what_was_in_memory_cannot_be_repeated(capsys):
    lab.train(([[1.0], [2.0], [4.0], [5.0], [7.0]], [1.0, 2.0, 3.0, 3.0, 5.0]), epochs=2, logdir="runs")
    assert main(["train", "--from", str(only("runs/*"))]) == 2
    assert "the data were in memory or came through a pipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --from absent", "absent is no folder of a run: absent/settings.json: No such file"),
        ("train --from runs/r", "runs/r is a run of several methods: minigrad compare --from runs/r"),
        ("compare --from runs/r --seed 4", "--seed is in the settings of runs/r, which --from takes"),
        ("train --from runs/bad", "runs/bad/settings.json has no settings of a run"),
    ],
)
def test_refusals(words, message, capsys):
    for name, text in (("r", '{"methods": ["batch", "sgd"], "data": "synthetic"}'), ("bad", "[1]")):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "settings.json").write_text(text)
    assert main(words.split()) == 2
    assert message in capsys.readouterr().err
