"""The examples learn what they say they learn, the same at every run, and go on where they were stopped."""

from __future__ import annotations

import itertools
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.programs import NAMES, program
from minigrad import value_and_grad
from minigrad.engine.trees import leaves

ROOT = Path(__file__).parents[1]
DIGITS = [sys.executable, "-W", "error", str(ROOT / "examples" / "digits.py")]
HERE = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def printed(*arguments):
    """What the example prints, without the seconds."""
    done = subprocess.run([*DIGITS, *arguments], capture_output=True, text=True, check=True, env=HERE)
    assert done.stderr == ""
    return re.sub(r" +\d+\.\d s$", "", done.stdout, flags=re.MULTILINE).splitlines()


@pytest.mark.parametrize(("model", "epochs", "least"), [("mlp", 30, 97.0), ("conv", 8, 98.0)])
def test_digits_are_learned(model, epochs, least):
    lines = printed(model, "--epochs", str(epochs))
    assert lines[0] == "Sequential("
    assert [line.split("   ")[0] for line in lines if line.startswith("epoch")] == [
        f"epoch {i:2} of {epochs}" for i in range(1, epochs + 1)
    ]
    accuracy = re.fullmatch(r"test accuracy (\d+\.\d\d)%", lines[-1])
    assert float(accuracy[1]) >= least


def test_the_seed_decides_everything():
    first, again, other = (printed("--epochs", "1", "--seed", seed) for seed in "336")
    assert first == again
    assert first[-2:] != other[-2:]


def test_it_goes_on_from_a_checkpoint(tmp_path):
    file = tmp_path / "digits.npz"
    whole = printed("conv", "--epochs", "3")
    with subprocess.Popen(
        [*DIGITS, "conv", "--epochs", "3", "--checkpoint", file], stdout=subprocess.PIPE, text=True, env=HERE
    ) as run:
        while not run.stdout.readline().startswith("epoch  1"):
            assert run.poll() is None
        run.kill()
    resumed = printed("conv", "--epochs", "3", "--checkpoint", file)
    assert resumed[0] in (f"going on from {file} after epoch {i}" for i in (1, 2, 3))  # it was quick, perhaps
    assert resumed[-2:] == whole[-2:]


def failed(code, *arguments):
    done = subprocess.run([*DIGITS, *arguments], capture_output=True, text=True, check=False, env=HERE)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    return done.stderr


def test_wrong_usage_is_said_in_a_sentence(tmp_path):
    (tmp_path / "foreign").write_text("what", encoding="utf-8")
    assert "foreign was not written by minigrad.checkpoint" in failed(2, "--checkpoint", tmp_path / "foreign")
    printed("--epochs", "1", "--checkpoint", tmp_path / "mlp")
    assert "does not fit model" in failed(2, "conv", "--checkpoint", tmp_path / "mlp")
    assert "invalid choice: 'rnn'" in failed(2, "rnn")
    for wrong in (["--epochs", "0"], ["--seed", "-1"]):
        assert f"{wrong[0][2:]} is at least" in failed(2, *wrong)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c(tmp_path):
    command = [*DIGITS, "--epochs", "1000", "--checkpoint", tmp_path / "file"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=HERE) as run:
        while not run.stdout.readline().startswith("epoch"):
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate()
    assert run.returncode == 130
    assert errors == f"stopped by Ctrl-C; the same command goes on from {tmp_path / 'file'}\n"


# ------------------------------------------------------------------------------------------- programs in plain NumPy
EPOCHS = {
    "gaussian_process": 12,
    "neural_ode": 12,
    "hidden_markov": 12,
    "black_box_vi": 12,
    "lstm_text": 4,
    "kalman": 8,
}


@pytest.mark.parametrize("name", EPOCHS)
def test_programs_learn(name, capsys):
    program(name)["main"](EPOCHS[name])
    losses = [float(value) for value in re.findall(r"loss (\d+\.\d+)", capsys.readouterr().out)]
    assert len(losses) == 5
    assert losses[-1] < losses[0]


def test_the_likelihood_of_a_gaussian_process_by_another_factorisation():
    """The logarithm of a normal density with K in it: with its inverse and determinant instead of its root."""
    names = program("gaussian_process")

    def density(params, X, y):
        K = names["covariance"](params, X, X) + np.exp(params["log_noise"]) * np.eye(len(y))
        _, logarithm = np.linalg.slogdet(2 * np.pi * K)
        return (y @ np.linalg.solve(K, y) + logarithm) / 2 / len(y)

    for found, want in zip(
        *(leaves(value_and_grad(of)(*names["start"]())) for of in (names["loss"], density)), strict=True
    ):
        np.testing.assert_allclose(found, want, rtol=1e-9)


def test_a_chain_has_the_variances_of_the_density_it_draws_from():
    deviations, draws = np.array([0.5, 1.0, 2.0]), program("hmc")["draws"]
    chain = draws(lambda q: np.sum((q / deviations) ** 2) / 2, np.zeros(3), np.random.default_rng(0))
    found, taken = zip(*itertools.islice(chain, 400), strict=True)
    np.testing.assert_allclose(np.std(found, axis=0), deviations, rtol=0.12)
    np.testing.assert_allclose(np.mean(found, axis=0) / deviations, 0, atol=0.3)
    assert np.mean(taken) > 0.9


def test_scipy_takes_derivatives(capsys):
    pytest.importorskip("scipy")
    program("scipy_optimize")["main"](1000)
    lines = capsys.readouterr().out.splitlines()
    values = {(line.split()[0], line.split()[1]): int(line.split()[2]) for line in lines}
    for problem in ("rosenbrock", "rastrigin", "poisson"):
        assert values[problem, "trust-exact"] < values[problem, "L-BFGS-B"] < values[problem, "BFGS"]
    lowest = {line.split()[4] for line in lines if line.startswith("poisson")}
    assert len(lowest) == 1


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run a file of examples/ as a command; returns its exit code and what it wrote."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.delitem(sys.modules, "command", raising=False)

    def ended(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
        written = capsys.readouterr()
        return end.value.code, written.out + written.err

    yield ended
    sys.modules.pop("command", None)


@pytest.mark.parametrize("name", NAMES)
def test_programs_are_commands(name, ended):
    code, help_text = ended(name, "--help")
    assert code == 0
    assert help_text.startswith("usage: ")
    assert f"python examples/{name}.py\n" in help_text
    code, lines = ended(name, "--epochs", "1")
    assert code == 0
    assert lines
    code, error = ended(name, "--epochs", "0")
    assert code == 2
    assert error.endswith("error: epochs is at least 1, and not 0\n")


@pytest.mark.parametrize(
    ("trouble", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C\n"),
        (ModuleNotFoundError("", name="scipy"), 2, "this example needs scipy: python -m pip install scipy\n"),
    ],
)
def test_what_stops_a_program(trouble, code, told, ended, monkeypatch):
    def stopped(*args, **kwargs):
        raise trouble

    monkeypatch.setattr("minigrad.value_and_grad", stopped)
    found, error = ended("kalman")
    assert found == code
    assert error.endswith(told)
