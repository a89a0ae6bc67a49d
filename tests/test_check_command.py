"""`minigrad check`: what it says, and its exit codes."""

from __future__ import annotations

import json

import pytest

from minigrad.cli import main

STUDENT = """
import numpy as np
from minigrad import Function

class Mean(Function):
    signature = "(n)->()"

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mean()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return np.full_like(x, g / x.size)

class Sum(Mean):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return np.full_like(x, g)

class Log(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / x

class Sine(Function):
    @staticmethod
    def forward(ctx, x):
        raise ValueError("not today")
"""


@pytest.fixture
def student(tmp_path):
    path = tmp_path / "student.py"
    path.write_text(STUDENT)
    return str(path)


def test_nothing_is_wrong(student, capsys):
    assert main(["check", f"{student}:Mean"]) == 0
    assert capsys.readouterr().out.startswith("check of Mean: ok\n")


def test_something_is_wrong(student, capsys):
    assert main(["check", f"{student}:Sum"]) == 1
    out = capsys.readouterr().out
    assert "factor of x" in out
    assert "n = 5 times too large" in out
    assert "print(check(Sum, (x,)))" in out


def test_json(student, capsys):
    assert main(["check", f"{student}:Sum", "--json"]) == 1
    read = json.loads(capsys.readouterr().out)
    assert read["faults"][0]["kind"] == "factor"
    assert read["ok"] is False


def test_signature_domain_and_seed(student, capsys):
    assert main(["check", f"{student}:Log", "--signature", "()->()", "--domain", "x=0:", "--seed", "3"]) == 0
    assert main(["check", f"{student}:Log"]) == 2
    assert "Log has no signature" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["check", f"{student}:Log", "--signature", "()->()", "--domain", "x"])
    assert stop.value.code == 2
    assert "invalid domain value: 'x'" in capsys.readouterr().err


def test_against(student, capsys):
    assert main(["check", f"{student}:Mean", "--against", "torch:mean"]) == 0
    assert "values and gradients are those of mean" in capsys.readouterr().out
    assert main(["check", f"{student}:Mean", "--against", f"{student}:Sum"]) == 1
    assert "differs of x" in capsys.readouterr().out


def test_the_signature_comes_from_what_it_is_compared_with(student, capsys):
    assert main(["check", f"{student}:Log", "--against", "minigrad.log", "--domain", "x=0:"]) == 0
    assert "values and gradients are those of log" in capsys.readouterr().out
    assert main(["check", "minigrad.zoo.regression:Linear", "--against", "torch_ref.Linear"]) == 0
    assert "values and gradients are those of Linear (torch)" in capsys.readouterr().out


def test_an_operation_of_minigrad(capsys):
    assert main(["check", "minigrad.tanh"]) == 0
    assert "check of tanh: ok" in capsys.readouterr().out


def test_what_raises_is_a_fault(student, capsys):
    assert main(["check", f"{student}:Sine", "--signature", "()->()"]) == 1
    assert "forward raises ValueError: not today" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["nowhere.py:X", "student.py", "minigrad:nothing", "json:dumps:x"])
def test_what_cannot_be_loaded(target, student, capsys, monkeypatch):
    assert main(["check", target.replace("student.py", student)]) == 2
    assert capsys.readouterr().err.startswith("minigrad: ")


def test_a_file_that_fails(tmp_path, capsys):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert main(["check", f"{tmp_path / 'broken.py'}:X"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "exit codes: 0 nothing is wrong, 1 something is, 2" in out
    for option in ("--signature", "--domain", "--against", "--seed", "--json"):
        assert option in out
