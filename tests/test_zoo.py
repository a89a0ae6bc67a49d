"""The checker is graded by the zoo: it rejects what is wrong, says why, and leaves in peace what is right."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path

import numpy as np
import pytest

from benchmarks.checkers import is_named, points, uses
from minigrad import Tensor, gradcheck
from minigrad.checks import check
from minigrad.checks.diagnosis import KINDS
from minigrad.checks.subject import DirectContext
from minigrad.zoo import RIGHT, SPECIMENS

wrong = pytest.mark.parametrize("name", SPECIMENS)
right = pytest.mark.parametrize("name", RIGHT)
NAMED = 0.9  # of the specimens, those whose mistake is to be named
SAMPLE = 16  # uses of operations, of these not:
SLOW = {"conv2d", "max_pool2d", "avg_pool2d"}
LEAST_CASES = 270  # of how operations are used, in this run; `python -m benchmarks.checkers` has thousands


def floats(arrays):
    return [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]


def applied(function, arrays):
    """What forward returns, on copies."""
    ctx = DirectContext([a.dtype.kind == "f" for a in arrays])
    with np.errstate(all="ignore"):
        return function.forward(ctx, *[a.copy() for a in arrays])


# ------------------------------------------------------------------------------------------------------- the animals
PROMISED = {  # mistakes of the lab, and bugs that pass other checkers
    "divides by the number of rows": "mse_divides_by_the_rows",
    "None for the target": "mse_target_is_a_constant",
    "not linear in g: its square": "mse_takes_g_twice",
    "not linear in g: its absolute value": "mse_with_the_size_of_g",
    "not linear in g: clipped": "mse_clips_its_gradient",
    "multiplies the cotangent in place": "radians_in_place",
    "float32 for a float64 input": "mse_returns_single_precision",
    "a relative error of 5e-4": "radians_with_pi_by_heart",
    "wrong after a hundred calls": "radians_scaled_every_hundred_calls",
    "the bias averaged": "linear_bias_averaged",
    "the bias not summed": "linear_bias_for_every_row",
    "dropout": "dropout_draws_in_forward",
}
CRIES = "relu_at_zero", "linear_in_float32", "mse_in_float32"  # right, and rejected by other checkers


def test_the_promised_ones_are_there():
    assert set(PROMISED.values()) <= set(SPECIMENS)
    assert set(CRIES) <= set(RIGHT)
    assert len(SPECIMENS) >= 40


@wrong
def test_a_label_says_what_the_animal_is(name):
    s = SPECIMENS[name]
    assert s.kind in KINDS
    assert bool(s.says) <= bool(s.input), "a place is named for an input"
    assert s.input in ("", *inspect.signature(s.twin.forward).parameters)
    assert s.remark.endswith(".")
    assert "\n" not in s.remark
    assert s.twin.__name__ in RIGHT
    assert s.target is not s.target, "a Function that keeps a state must be made anew"


def test_every_diagnosis_has_its_specimen():
    """But for what another function gives, as there is none here, and for a forward of which nothing can be said."""
    assert {s.kind for s in SPECIMENS.values()} == KINDS.keys() - {"differs", "unchecked"}


@wrong
def test_a_specimen_computes_what_its_twin_does(name):
    s = SPECIMENS[name]
    if s.kind == "random":
        pytest.skip("forward may draw")
    for arrays in points(s):
        np.testing.assert_array_equal(applied(s.target, arrays), applied(s.twin, arrays))


@right
def test_a_twin_is_right_by_another_judge(name):
    first, *others = points(RIGHT[name])
    for arrays, dtype in [(first, np.float32), *((arrays, np.float64) for arrays in (first, *others))]:
        leaves = [Tensor(a.astype(dtype), requires_grad=True) if a.dtype.kind == "f" else a for a in arrays]
        assert gradcheck(RIGHT[name].target.apply, leaves)


# ------------------------------------------------------------------------------------------------------- the checker
@functools.cache
def report_on(name):
    return check(SPECIMENS[name])


@wrong
def test_what_is_wrong_is_rejected(name):
    report = report_on(name)
    assert not report, f"{name} passes: {SPECIMENS[name].remark}"
    assert all(fault.kind in KINDS for fault in report.faults)
    report.verbose = True
    told = " ".join(repr(report).split())
    assert all(" ".join(fault.text.split()) in told for fault in report.faults)


def test_the_cause_is_named():
    """`pytest -rP` shows which are not."""
    missed = {name for name in SPECIMENS if not is_named(report_on(name), SPECIMENS[name])}
    for name in missed:
        s = SPECIMENS[name]
        print(f"{name}: {s.kind} {s.input} expected, and it said {[f[:2] for f in report_on(name).faults]}")
    named = f"{len(SPECIMENS) - len(missed)} of {len(SPECIMENS)}"
    print(f"named: {named}")
    assert len(missed) <= (1 - NAMED) * len(SPECIMENS)
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| `minigrad.check` |"))
    caught = f"{len(SPECIMENS)} of {len(SPECIMENS)}"
    assert row == f"| `minigrad.check` | {caught} | at least {10 * NAMED:g} of 10 | 0 of {len(RIGHT)} |"


def test_another_cause_does_not_count():
    report = report_on("mse_divides_by_the_rows")
    assert is_named(report, SPECIMENS["mse_divides_by_the_rows"])
    assert not is_named(report, SPECIMENS["mse_the_other_way_round"])
    assert not is_named(report, SPECIMENS["linear_averages_again"])  # a factor, too, but of another input


@right
def test_no_false_alarm_on_what_is_right(name):
    s = RIGHT[name]
    assert check(s, s.inputs)  # without inputs a search, which begins at the points
    if name in CRIES:
        assert all(check(s.target, arrays) for arrays in points(s))


def test_no_false_alarm_on_the_operations_of_minigrad():
    """A sample, in float32 and float64, broadcast and not, near 1e-6, 1 and 1e4; the benchmark asks for all of them."""
    cheap = [use for use in uses() if use[0].name not in SLOW]
    chosen = np.random.default_rng(0).choice(len(cheap), SAMPLE, replace=False)
    reports = {}
    for operation, params in map(cheap.__getitem__, sorted(chosen)):
        reports[f"{operation.name} {params}"] = check(operation.function, params=params)
    assert not {name: report for name, report in reports.items() if not report}
    assert sum(report.cases for report in reports.values()) >= LEAST_CASES
