"""The benchmarks: all sides do the same, and each is billed for its own time. The tests themselves read no clock."""

import gc
import json
import subprocess
import sys
from importlib.util import find_spec
from itertools import islice

import numpy as np
import pytest

import minigrad.backprop
from benchmarks import mlp, overhead, step
from minigrad.bench import harness


# ------------------------------------------------------------------------------------------------- step.py: the sides
@pytest.mark.parametrize("batch", [1, 32])
def test_all_sides_take_the_same_steps(batch):
    harness.assert_agreement(step.start(batch), step.YIELDED, steps=30)


def test_the_promised_sides_are_there():
    assert {step.HAND, *step.AT_MOST, *step.FASTER, *step.RIVALS} <= set(step.SIDES)
    assert [*step.TORCH, *([step.JAX] if find_spec("jax") else [])] == step.RIVALS


def wrong_rate(x, y, W, b):
    for loss, weights, bias in step.by_hand(x, y, W, b):
        weights *= 1 + 1e-6
        yield loss, weights, bias


def wrong_loss(x, y, W, b):
    for loss, weights, bias in step.by_hand(x, y, W, b):
        yield loss * (1 + 1e-6), weights, bias


@pytest.mark.parametrize(("wrong", "what"), [(wrong_rate, "W"), (wrong_loss, "the loss")])
def test_a_side_that_does_something_else_is_named(monkeypatch, wrong, what):
    monkeypatch.setitem(step.SIDES, "wrong", wrong)
    with pytest.raises(AssertionError, match=f"wrong: ({what}|the loss) after 20 steps"):
        harness.assert_agreement(step.start(4), step.YIELDED)


def test_sides_start_from_weights_of_their_own():
    first = {name: [harness.as_vector(v) for v in next(side)] for name, side in step.start(4).items()}
    again = {name: [harness.as_vector(v) for v in next(side)] for name, side in reversed(step.start(4).items())}
    for name in step.SIDES:
        for a, b in zip(first[name], again[name], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


# -------------------------------------------------------------------------------------------------- step.py: the table
def test_the_table_has_every_side_and_every_target(capsys):
    step.main(["--batch", "1", "1024", "--rounds", "2"])
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    for batch in 1, 1024:
        for name in step.SIDES:
            assert sum(line.startswith(f"{batch:5,}  {name} ") for line in lines) == 1
    assert printed.count("<= 1.8 ") == 2  # batch 1, operations and Functions
    assert printed.count(">= 5 ") == 4  # the same against two forms of torch
    assert printed.count("<= 0.9 ") == printed.count("<= 1 ") == 1  # compiled, at batch 1 and 1024
    assert printed.count(">= 10 ") == 2  # compiled at batch 1, against two forms of torch
    assert printed.count(">= 2 ") == len(step.RIVALS) - 2  # and jax, where it is installed


def test_a_missed_target_is_said_and_checked(monkeypatch, capsys):
    monkeypatch.setattr(step, "AT_MOST", {side: {1: 0.001} for side in (step.OPERATIONS, step.FUNCTIONS)})
    monkeypatch.setattr(step, "FASTER", {side: {1: (0.001, None)} for side in (step.OPERATIONS, step.FUNCTIONS)})
    assert step.main(["--batch", "1", "--rounds", "1", "--check"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("<= 0.001 miss") == 2
    assert printed.count(">= 0.001 hit") == 4
    monkeypatch.setattr(step, "AT_MOST", {})
    assert step.main(["--batch", "1", "--rounds", "1", "--check"]) == 0


@pytest.mark.parametrize("wrong", [["--batch", "0"], ["--rounds", "0"], ["--batch", "many"]])
def test_wrong_usage(wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        step.main(wrong)
    assert stop.value.code == 2
    assert f"{wrong[-1]} is not a number from 1 on" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- harness.py
class Clock:
    """A clock that stands still unless somebody works."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.pace = 1.0
        monkeypatch.setattr(harness, "process_time", lambda: self.now)

    def worker(self, seconds):
        while True:
            self.now += seconds * self.pace
            yield


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_ratios_are_those_of_the_work(clock):
    timings = harness.measure({"hand": clock.worker(0.001), "ours": clock.worker(0.0025)}, rounds=5)
    assert timings.microseconds("hand") == pytest.approx(1000)
    assert timings.ratio("ours", "hand", "<=", 2.0).value == pytest.approx(2.5)
    assert timings.ratio("ours", "hand", "<=", 2.0).missed
    assert timings.quartiles("ours", "hand") == pytest.approx((2.5, 2.5))
    assert len(timings.ratios("ours", "hand")) == 5


def test_a_machine_that_slows_down_slows_all_sides_down(clock, monkeypatch):
    def collect():  # the harness empties the collector once before each slice: four slices are a round
        slices.append(clock.now)
        clock.pace = 2.0 ** ((len(slices) - 2) // 4)

    slices = []
    sides = {name: clock.worker(seconds) for name, seconds in zip("abcd", (1e-3, 2e-3, 3e-3, 4e-3), strict=True)}
    monkeypatch.setattr(harness.gc, "collect", collect)
    timings = harness.measure(sides, rounds=6)
    assert len(slices) == 1 + 4 * 6
    assert max(timings.seconds["a"]) == pytest.approx(32 * min(timings.seconds["a"]))
    for name, ratio in zip("abcd", (1, 2, 3, 4), strict=True):
        assert timings.ratios(name, "a") == pytest.approx([ratio] * 6)


def test_each_round_begins_with_another_side():
    order = []

    def side(name):
        while True:
            if not order or order[-1] != name:
                order.append(name)
            yield

    harness.measure({name: side(name) for name in "abc"}, rounds=3, seconds=1e-5)
    assert "".join(order).endswith("abcbcacab")


def test_garbage_of_one_side_is_not_billed_to_the_next(clock):
    class Cycle:
        alive = 0

        def __init__(self):
            self.itself = self
            Cycle.alive += 1

        def __del__(self):
            Cycle.alive -= 1

    def litters():
        for _ in clock.worker(0.001):
            Cycle()
            yield

    def finds(seen):
        for _ in clock.worker(0.001):
            seen.append(Cycle.alive)
            yield

    seen = []
    gc.disable()  # so that only the harness decides when garbage is collected
    try:
        harness.measure({"litters": litters(), "finds": finds(seen)}, rounds=4, seconds=0.01)
    finally:
        gc.enable()
    assert max(seen) > 0  # while the lengths of the slices are found
    assert seen[-4 * (3 + 10) :] == [0] * 52  # four slices of ten steps, each warmed by three


def test_a_slice_takes_about_the_time_that_was_asked_for(clock):
    assert harness.slice_length(clock.worker(0.001), 0.1) == 100
    assert harness.slice_length(clock.worker(3.0), 0.1) == 1


def test_advance_returns_what_the_last_step_yielded():
    numbers = iter(range(10))
    assert harness.advance(numbers, 3) == 2
    assert list(islice(numbers, 1)) == [3]


@pytest.mark.parametrize(
    ("ratio", "missed"),
    [
        (harness.Ratio(1.8, "<=", 1.8), False),
        (harness.Ratio(1.81, "<=", 1.8), True),
        (harness.Ratio(5.0, ">=", 5.0), False),
        (harness.Ratio(4.99, ">=", 5.0), True),
        (harness.Ratio(float("nan"), "<=", 1.8), True),  # what was not measured was not kept
        (harness.Ratio(99.0), False),
    ],
)
def test_bounds(ratio, missed):
    assert ratio.missed is missed
    assert ("miss" in str(ratio)) is missed


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (0.00123456, "0.00123"),
        (0.9996, "1.00"),
        (1.0, "1.00"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (0.0, "0.00"),
        (float("inf"), "inf"),
        (-1.5, "-1.50"),
        (20640, "20,640"),
        (None, ""),
        (harness.Range(0.5, 12.0), "0.500-12.0"),
        (harness.Ratio(2.0, ">=", 300.0), "2.00 >= 300 miss"),
    ],
)
def test_figures_have_three_digits(figure, text):
    assert harness.written(figure) == text


TABLE = harness.Table(
    "A title,\nand how to read it.",
    ["rows", "side", "µs", "over by hand"],
    [[1, "one", 1.5, harness.Ratio(1.0)], [], [20640, "three", 123.4, harness.Ratio(12.5, "<=", 2.5)]],
    ["A note."],
)


PRINTED = """\
A title,
and how to read it.

  rows  side     µs      over by hand
     1  one    1.50  1.00
-------------------------------------
20,640  three   123  12.5 <= 2.5 miss

A note."""


def test_a_table_prints_itself():
    assert str(TABLE) == PRINTED


def test_a_table_keeps_its_figures():
    kept = json.loads(json.dumps(TABLE.json()))
    assert kept["header"] == TABLE.header
    assert kept["rows"] == [
        [1, "one", 1.5, {"value": 1.0, "relation": "<=", "bound": None, "rounds": [], "missed": False}],
        [20640, "three", 123.4, {"value": 12.5, "relation": "<=", "bound": 2.5, "rounds": [], "missed": True}],
    ]


def test_a_table_tells_the_targets_that_were_missed():
    assert TABLE.missed == ["20,640, three: over by hand 12.5 <= 2.5 miss"]


def test_one_blas_thread_is_asked_for_before_numpy_is_loaded():
    program = (
        "import sys, benchmarks; assert 'numpy' not in sys.modules\n"
        "import benchmarks.step, threadpoolctl\n"
        "pools = threadpoolctl.threadpool_info(); assert pools\n"
        "print({pool['num_threads'] for pool in pools})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "{1}\n"


# ------------------------------------------------------------------------------------------------------- overhead.py
@pytest.mark.parametrize("operation", ["product", "tanh"])
def test_all_engines_find_the_gradients_of_the_chain(operation):
    overhead.assert_agreement(operation)


def test_an_engine_that_finds_others_is_named(monkeypatch):
    def wrong(backward):
        for g, gw in overhead.product_by_hand(backward):
            yield g, gw * (1 + 1e-6)

    right = overhead.sides("product")
    monkeypatch.setattr(overhead, "sides", lambda operation: {**right, "wrong": wrong})
    with pytest.raises(AssertionError, match="wrong"):
        overhead.assert_agreement("product")


def test_places_are_noted_again_after_the_side_that_does_not():
    noting = minigrad.backprop.caller
    side = overhead.without_places(overhead.product)
    next(side)
    assert minigrad.backprop.caller is noting


def test_the_overhead_has_a_line_for_every_engine(capsys):
    assert overhead.main(["--rounds", "1", "--length", "100"]) == 0
    printed = capsys.readouterr().out
    for name in overhead.sides("product"):
        assert printed.count(name) >= (2 if name != overhead.HAND else 0)
    assert printed.count("<=") == 3  # forward and backward of a product, and noting places
    assert printed.count("a chain of 100, collector o") == 2


# ------------------------------------------------------------------------------------------------------------- mlp.py
def test_all_sides_take_the_steps_of_a_perceptron():
    mlp.check()
    for name, side in mlp.start().items():
        _, *weights = next(side)
        assert {harness.as_vector(w).dtype for w in weights} == {np.dtype(np.float32)}, name


def test_a_perceptron_that_does_something_else_is_named(monkeypatch):
    def wrong(*arguments):
        for loss, *weights in mlp.by_hand(*arguments):
            weights[2] *= 1 + 1e-6
            yield loss, *weights

    monkeypatch.setitem(mlp.SIDES, "wrong", wrong)
    with pytest.raises(AssertionError, match=r"wrong: (the loss|W2) after 10 steps"):
        mlp.check()


def test_the_table_of_the_perceptron(monkeypatch, capsys):
    assert mlp.main(["--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(sum(line.startswith(f"{name} ") for line in printed.splitlines()) == 1 for name in mlp.SIDES)
    monkeypatch.setattr(mlp, "AT_MOST", {mlp.COMPILED: 0.001})
    assert mlp.main(["--rounds", "1", "--check"]) == 1
    assert "<= 0.001 miss" in capsys.readouterr().out
    monkeypatch.setattr(mlp, "AT_MOST", {mlp.MODULES: 1000.0})
    monkeypatch.setattr(mlp, "FASTER", {mlp.MODULES: 0.001})
    assert mlp.main(["--rounds", "1", "--check"]) == 0
    with pytest.raises(SystemExit):
        mlp.main(["--rounds", "0"])
