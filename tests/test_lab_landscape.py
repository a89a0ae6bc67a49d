"""The plane of the two steepest directions, the ways on it, and the noise of the gradient: they are what they say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from minigrad import lab
from minigrad.cli import main
from minigrad.lab.landscape import place
from minigrad.lab.newton import CrossEntropy
from minigrad.lab.report import animation
from minigrad.lab.theory import LeastSquares

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 4)) * [4.0, 2.0, 1.0, 0.5]
CLASSES = np.eye(3)[(X[:, :3] + RNG.normal(size=(60, 3))).argmax(1)]
TASKS = {
    "squares": lambda: (LeastSquares(X, X @ RNG.normal(size=(4, 2)) + 1), 2),
    "logistic": lambda: (CrossEntropy(X, CLASSES[:, :1], 0.1), 1),
    "softmax": lambda: (CrossEntropy(X, CLASSES, 0.1), 3),
}


@pytest.mark.parametrize("task", TASKS)
def test_the_plane_is_a_section_of_the_loss(task):
    exact, q = TASKS[task]()
    y = {"squares": None, "logistic": CLASSES[:, :1], "softmax": CLASSES}[task]
    start = np.zeros((4, q)), np.zeros(q)
    first, second = directions = exact.steepest(*start)
    assert np.vdot(first, first) == pytest.approx(1)
    assert np.vdot(first, second) == pytest.approx(0, abs=1e-9)
    a, b = np.array([0.0, 0.3]), np.array([0.0, -0.2])
    found = exact.section(directions, a, b, X, y)
    theta = np.vstack([exact.weights, exact.bias])
    for i, k in ((1, 0), (0, 1), (1, 1)):
        there = theta + a[i] * first + b[k] * second
        rise = (exact.loss if y is None else lambda W, c: exact.measure(X, y, W, c))(
            there[:-1], there[-1]
        ) - exact.least
        assert found[i, k] - found[0, 0] == pytest.approx(rise, rel=1e-9)
        assert place(exact, directions, there[:-1], there[-1]) == pytest.approx((a[i], b[k]))
    assert found[1, 0] > found[0, 0] < found[0, 1]


def test_ways_and_noise():
    runs = lab.compare("synthetic", rows=400, epochs=4)
    for run in runs:
        assert run.history.path.shape == (len(run.history.samples), 2)
        np.testing.assert_array_equal(run.history.path[0], runs["batch"].history.path[0])
        assert np.linalg.norm(run.history.path[-1]) < np.linalg.norm(run.history.path[0])
    sizes, measured, predicted = np.array(runs["sgd"].landscape.noise).T
    np.testing.assert_array_equal(sizes, 2 ** np.arange(9))
    assert (np.abs(np.log2(measured / predicted)) < 1).all()
    assert predicted[-1] == pytest.approx(predicted[0] * (320 - 256) / 256 / 319)
    page = animation(runs.runs)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert [run["name"] for run in data["runs"]] == ["batch", "sgd", "minibatch"]
    assert data["runs"][1]["loss"][-1] == pytest.approx(runs["sgd"].train_mse, rel=1e-5)
    assert "://" not in page
    assert "{{" not in page


def test_commands_draw_them_also_when_a_run_diverges(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = ["--data", "synthetic", "--epochs", "3", "-q", "--lr", "1e9", "--animate", "ways.html"]
    assert main(["train", *settings, "--method", "sgd"]) == 1
    assert "page:    ways.html" in capsys.readouterr().out
    (picture,) = Path("runs").rglob("path.png")
    assert picture.stat().st_size > 10_000
    Path("ways.html").write_text("mine")
    assert main(["train", *settings, "--no-log"]) == 2
    assert "ways.html is not of this command: --force replaces it" in capsys.readouterr().err
    assert main(["train", *settings, "--no-log", "--force"]) == 1
