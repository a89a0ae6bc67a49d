"""benchmarks.checkers: each checker is asked fairly, and is credited with what it finds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import checkers, planted
from benchmarks.checkers import OURS, Score
from minigrad.zoo import RIGHT, SPECIMENS

every = pytest.mark.parametrize("checker", checkers.CHECKERS.values(), ids=checkers.CHECKERS)
PLAIN = "Linear", "MSE", "Multiply", "Softmax", "Embedding", "Transpose"  # at which nobody should cry wolf


@every
@pytest.mark.parametrize("name", PLAIN)
def test_the_wrapping_is_right(checker, name):
    assert checkers.complaint(checker, RIGHT[name]) == ""


@every
@pytest.mark.parametrize("name", ["mse_divides_by_the_rows", "softmax_as_if_a_sigmoid", "transpose_by_reshape"])
def test_the_wrapping_hides_nothing(checker, name):
    assert checkers.complaint(checker, SPECIMENS[name])


def test_the_points_are_sizes_apart_and_broadcast():
    shapes = [[a.shape for a in arrays] for arrays in checkers.points(RIGHT["Linear"])]
    assert shapes[0] == [(5, 3), (3, 2), (2,)]
    for arrays in checkers.points(RIGHT["Multiply"]):
        a, b = arrays
        assert a.dtype == b.dtype == np.float64
    assert any(a.shape != b.shape for a, b in checkers.points(RIGHT["Multiply"]))
    assert checkers.points(RIGHT["relu_at_zero"]) == [RIGHT["relu_at_zero"].inputs]


def test_a_message_is_searched_for_words():
    assert checkers.names_it("Backward is not reentrant", "random")
    assert not checkers.names_it("Jacobian mismatch for output 0", "random")
    assert not checkers.names_it("anything", "unknown")
    assert not checkers.names_it("", "factor")


@pytest.fixture
def small(monkeypatch):
    """A zoo of two, minigrad's own checkers only; returns main, to be called."""
    monkeypatch.setattr(
        checkers, "SPECIMENS", {n: SPECIMENS[n] for n in ("mse_divides_by_the_rows", "mse_takes_g_twice")}
    )
    monkeypatch.setattr(checkers, "RIGHT", {n: RIGHT[n] for n in ("Linear", "MSE")})
    monkeypatch.setattr(checkers, "CHECKERS", {"minigrad.gradcheck": checkers.by_gradcheck})
    monkeypatch.setattr(checkers, "REGISTRY", {n: checkers.REGISTRY[n] for n in ("tanh", "multiply")})
    monkeypatch.setattr(planted, "REGISTRY", {"tanh": checkers.REGISTRY["tanh"]})
    monkeypatch.setattr(checkers, "TIMED", {"MSE": 1})

    def main(*arguments):
        monkeypatch.delenv("PYTEST_CURRENT_TEST")  # in a test, check prints what it finds
        return checkers.main(arguments)

    return main


def test_the_table(small, capsys):
    assert small("--cases", "50", "--details") == 0
    printed = capsys.readouterr().out
    rows = {line.split("  ")[0]: line.split() for line in printed.splitlines() if " / " in line}
    assert list(rows)[:2] == [OURS, "minigrad.gradcheck"]
    assert rows[OURS][1:10] == ["2", "/", "2", "2", "/", "2", "0", "/", "2"]
    assert f"{OURS} of MSE " in printed
    assert "0 false alarms in " in printed
    assert "mistakes planted in the operations" in printed


def test_json(small, capsys):
    assert small("--cases", "0", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["checkers"][OURS]["missed"] == []
    assert found["specimens"] == found["right"] == 2
    assert found["registry"] == {"cases": 0, "alarms": []}


def test_a_checker_that_accepts_everything_is_found_out(small, monkeypatch, capsys):
    monkeypatch.setitem(checkers.CHECKERS, "nodding", lambda function, arrays: None)
    found = checkers.score("nodding", checkers.CHECKERS["nodding"])
    assert found.missed == list(checkers.SPECIMENS) == found.unnamed
    assert found.alarms == []


def test_a_checker_that_rejects_everything_is_found_out(small):
    def shouting(function, arrays):
        raise AssertionError("wrong by a factor")

    found = checkers.score("shouting", shouting)
    assert (found.missed, found.unnamed) == ([], ["mse_takes_g_twice"])
    assert found.alarms == ["Linear", "MSE"]


def test_who_leads(small, monkeypatch, capsys):
    good, bad = Score([], [], [], 9.0), Score(["a"], ["a", "b"], ["c"], 1.0)
    assert checkers.leads({OURS: good, "other": bad})
    assert not checkers.leads({OURS: bad, "other": good})
    for column in ("missed", "unnamed", "alarms"):
        assert not checkers.leads({OURS: good._replace(**{column: ["x"]}), "other": good})
    monkeypatch.setattr(checkers, "our_score", lambda: bad)
    assert checkers.main(["--cases", "0"]) == 0
    assert checkers.main(["--cases", "0", "--check"]) == 1


def test_cases_are_counted(capsys):
    with pytest.raises(SystemExit) as stop:
        checkers.main(["--cases", "-1"])
    assert stop.value.code == 2
    assert "--cases counts from 0" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- the second zoo
EVERY = 35  # of the planted mistakes one in so many is asked for here; `python -m benchmarks.checkers` asks for all
FOUND = 0.95


def test_planted_mistakes_are_found():
    """`pytest -rP` shows which are not."""
    said = {one.name: planted.verdict(one) for one in [*planted.everything()][::EVERY]}
    wrong = {name: text for name, text in said.items() if text}
    lost = {name: text for name, text in wrong.items() if not planted.is_found(text)}
    for name, text in lost.items():
        print(f"{name}: {text}")
    assert len(wrong) >= 25
    assert len(lost) <= (1 - FOUND) * len(wrong)


def test_what_changes_nothing_is_no_mistake():
    one = next(one for one in planted.everything() if one.name == "add, a: inputs exchanged")
    assert planted.verdict(one) == ""
    assert not planted.is_found("dx is wrong, and no known pattern fits")
