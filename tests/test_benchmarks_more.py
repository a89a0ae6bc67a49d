"""More benchmarks: all sides of each do the same, tables say what was missed, what was measured is kept. No clocks."""

import json
import re
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import __main__ as everything
from benchmarks import conv, gpt, higher_order, profile, programs, scaling, sgd, step, transformer
from minigrad.bench import harness, peers, picture, results
from minigrad.bench.harness import Ratio, Table
from minigrad.bench.results import OURS


# ------------------------------------------------------------------------------------------------------------- sgd.py
def test_all_descents_arrive_at_the_same_loss():
    assert {sgd.TORCH, sgd.HAND, sgd.SKLEARN, *sgd.FASTER} <= sgd.SIDES.keys()
    x, y = sgd.data(rows=50)
    losses = sgd.final_losses(x, y)
    assert losses.keys() == sgd.SIDES.keys()
    assert losses[sgd.TAPE] < np.square(y).mean() / 2  # they went somewhere


def test_a_descent_that_arrives_elsewhere_is_named(monkeypatch):
    def wrong(orders, W, b):
        for weights, bias in sgd.by_hand(orders, W, b):
            yield weights, bias + 1e-6

    monkeypatch.setitem(sgd.SIDES, "wrong", wrong)
    with pytest.raises(AssertionError, match="wrong: the loss after 5 epochs is not that of torch_ref"):
        sgd.final_losses(*sgd.data(rows=20))


def test_the_order_of_the_rows_matters():
    """So sides that agree have seen the rows in the same order."""
    x, y = sgd.data(rows=50)
    one, other = (harness.advance(sgd.by_hand([(x[::k], y[::k])], np.zeros((8, 1)), np.zeros(1)), 1) for k in (1, -1))
    assert not np.allclose(one[0], other[0], rtol=1e-6)


def test_the_rows_are_all_of_california_standardised_and_clipped():
    x, y = sgd.data()
    assert x.shape == (20640, 8)
    assert y.shape == (20640, 1)
    assert abs(x).max() == sgd.CLIP
    inside = abs(x).max(0) < sgd.CLIP  # the columns that were not clipped
    # A sum of 20640 numbers rounds by up to 20640 eps; the longitudes are up to 60 of their deviations from 0.
    np.testing.assert_allclose(x[:, inside].mean(0), 0, atol=60 * 20640 * np.finfo(float).eps)
    np.testing.assert_allclose(x[:, inside].std(0), 1, rtol=1e-9)


def test_the_table_of_descents(monkeypatch):
    monkeypatch.setattr(sgd, "FASTER", {sgd.TAPE: 1e9})
    monkeypatch.setattr(sgd, "AT_MOST", {sgd.TAPE: 1e-9})
    table = sgd.run(rounds=1, rows=20)
    assert [row[0] for row in table.rows if row] == list(sgd.SIDES)
    assert len(table.missed) == 2
    assert "miss" in str(table)


# ------------------------------------------------------------------------------------------------------------ conv.py
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", conv.SIZES)
def test_all_convolutional_nets_take_the_same_steps(size, dtype):
    conv.check(size, dtype, steps=4)
    for name, side in conv.start(size, dtype).items():
        for value in next(side)[1:]:
            assert harness.as_vector(value).dtype == dtype, name


def every_tie(g, p, a):
    """What `unpooled` is if each of several equal entries gets the cotangent: a common shortcut."""
    return (a == p.repeat(2, 1).repeat(2, 2)) * (g * (p > 0)).repeat(2, 1).repeat(2, 2)


@pytest.mark.parametrize("wrong", ["unpooled", "overlapped"])
def test_a_convolutional_net_that_does_something_else_is_named(monkeypatch, wrong):
    def unscaled(g, shape):
        return g.reshape(*shape[:3], 3, 3, shape[3])[:, :, :, 1, 1]  # of each neighbourhood its middle only

    monkeypatch.setattr(conv, wrong, {"unpooled": every_tie, "overlapped": unscaled}[wrong])
    with pytest.raises(AssertionError, match="is not that of by hand"):
        conv.check(8, np.float64)


def test_patches_and_its_adjoint():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 6, 3))
    g = rng.normal(size=(2 * 4 * 6, 3 * 3 * 3))
    np.testing.assert_allclose(np.vdot(conv.patches(x), g), np.vdot(x, conv.overlapped(g, x.shape)), rtol=1e-12)


def test_the_table_of_nets(monkeypatch):
    monkeypatch.setattr(conv, "AT_MOST", {conv.TAPE: 1e-9})  # and nothing of the others
    table = conv.run(rounds=1, sizes=[8])
    assert [row[1] for row in table.rows if row] == list(conv.SIDES)
    assert len(table.missed) == 1


# ---------------------------------------------------------------------------------------------------- higher_order.py
# torch.func.jvp compiles its rules with torch.jit, about which torch itself warns.
torch_warns = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")


@torch_warns
def test_all_sides_find_the_same_derivatives():
    for what, sides in higher_order.start().items():
        assert sides.keys() == higher_order.SIDES.keys()
        harness.assert_agreement(sides, [what], steps=1)


def test_the_derivatives_are_those_of_the_loss():
    """By differences of the loss and of the gradient, along v: by hand is right, and so is what agrees with it."""
    X, y, w, v = higher_order.data()
    found = {what: function() for what, function in higher_order.by_hand(X, y, w, v).items()}

    def loss(w):
        return np.mean(np.logaddexp(0, X @ w) - y * (X @ w))

    def gradient(w):
        return higher_order.by_hand(X, y, w, v)[higher_order.GRADIENT]()

    h = 1e-5  # error of a central difference: h² of the third derivative, eps / h of rounding; both below 1e-9
    slope = (loss(w + h * v) - loss(w - h * v)) / (2 * h)
    np.testing.assert_allclose(found[higher_order.GRADIENT] @ v, slope, rtol=1e-7)
    product = (gradient(w + h * v) - gradient(w - h * v)) / (2 * h)
    np.testing.assert_allclose(found[higher_order.PRODUCT], product, rtol=0, atol=1e-7 * abs(product).max())
    np.testing.assert_allclose(found[higher_order.HESSIAN] @ v, found[higher_order.PRODUCT], rtol=1e-9)


@torch_warns
def test_a_derivative_that_is_another_is_named(monkeypatch):
    def wrong(*problem):
        right = higher_order.by_hand(*problem)
        return {**right, higher_order.HESSIAN: lambda: 1.000001 * right[higher_order.HESSIAN]()}

    monkeypatch.setitem(higher_order.SIDES, "wrong", wrong)
    with pytest.raises(AssertionError, match="wrong: the Hessian"):
        higher_order.run(rounds=1)


@torch_warns
def test_the_table_of_derivatives():
    table = higher_order.run(rounds=1)
    assert [row[1] for row in table.rows if row] == 3 * list(higher_order.SIDES)


# --------------------------------------------------------------------------------------------------------- scaling.py
def test_exponents():
    ns = [10, 100, 1000]
    assert scaling.exponents(ns, [n**2 for n in ns]) == [None, pytest.approx(2), pytest.approx(2)]
    assert scaling.exponents(ns, [7, 7, 7000])[1:] == [pytest.approx(0), pytest.approx(3)]
    assert scaling.fit([1, *ns], [8000, *(5 * n**1.5 for n in ns)]).value == pytest.approx(1.5)  # the last three
    assert scaling.fit(ns, [n * n for n in ns]).missed
    assert not scaling.fit(ns, ns).missed


def test_the_memory_of_a_step_is_its_peak():
    def hoards():
        kept = np.zeros(3_000_000, np.uint8)  # before the first step: not of a step
        while True:
            for _ in range(3):
                np.zeros(1_000_000, np.uint8)
            yield kept

    assert 1_000_000 <= scaling.memory(hoards()) < 1_100_000


def test_a_chain_keeps_its_arrays_and_then_nothing():
    few, many = (scaling.memory(scaling.chain(length, 1000)) for length in (10, 20))
    assert many - few >= 10 * 8000
    side = scaling.chain(20, 1000)
    assert scaling.memory(side) == pytest.approx(scaling.memory(side), rel=0.1)


def test_the_table_of_growth_says_what_is_not_linear(monkeypatch):
    monkeypatch.setattr(scaling, "LINEAR", -1.0)
    ns = 2, 4, 8
    table = scaling.run(rounds=1, operations=ns, sizes=ns, compiled=ns)
    assert [row[1] for row in table.rows if row] == [*ns, "last 3"] * 3
    assert len(table.missed) == 5  # time and memory of two series, time of the third


# --------------------------------------------------------------------------------------------------------- profile.py
def test_the_parts_of_a_step_are_those_of_the_step():
    programs = profile.programs(batch=4)
    loss = programs["recorded"]()
    x, y, W, b = step.problem(4)
    assert loss.item() == programs["forward"]() == pytest.approx(np.square(x @ W + b - y).mean())
    cotangents = {leaf.shape: g for leaf, g in programs["swept"]().items()}
    for found in programs["rules"]():
        np.testing.assert_array_equal(found, cotangents[found.shape])


def test_the_programs_of_a_compiled_step_are_parts_of_it():
    programs = profile.compiled(batch=4)
    loss, slopes = programs["ran_backward"]()
    assert loss == programs["ran_forward"]()
    _, _, W, b = step.problem(4)
    for updated, start, slope in zip(programs["ran"]()[1], (W, b), slopes, strict=True):
        np.testing.assert_array_equal(updated, start - step.LR * slope)
    assert programs["compiled"]()[0] < loss  # it goes on from what the update left


def test_the_parts_add_up():
    table = profile.run(rounds=1, batch=2)
    *parts, whole, by_hand = filter(None, table.rows)
    assert [row[0] for row in (*parts, whole, by_hand)] == list(profile.PARTS)
    for column in 1, 3:  # the tape, compiled
        assert sum(row[column] or 0 for row in parts) == pytest.approx(whole[column])


def test_the_page_about_the_profile_has_its_parts():
    page = (Path(everything.__file__).parents[1] / "docs" / "profile.md").read_text(encoding="utf-8")
    for part in profile.PARTS:
        assert f"\n{part} " in page


# -------------------------------------------------------------------------------------------------------- __main__.py
@pytest.fixture
def fakes(monkeypatch):
    """Two benchmarks that measure nothing; `asked` is what they were called with."""
    asked = []

    def fake(name, value):
        def run(rounds):
            asked.append((name, rounds))
            return Table(f"About {name}.", ["side", "over by hand"], [["ours", Ratio(value, "<=", 2.0)]])

        module = SimpleNamespace(run=run, __doc__=f"How fast is {name}?\n")
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)

    fake("first", 1.5)
    fake("second", 2.5)
    monkeypatch.setattr(everything, "NAMES", ("first", "second"))
    monkeypatch.setattr(everything, "ALONE", ())
    return asked


def test_every_benchmark_is_in_the_list():
    files = {path.stem for path in Path(everything.__file__).parent.glob("*.py")}
    known = *everything.NAMES, *everything.ALONE
    assert set(known) == files - {"__init__", "__main__", "planted", "profile"}
    for name in known:
        assert callable(everything.benchmark(name))
        assert everything.question(name).endswith((".", "?"))


def test_a_run_prints_tables_and_keeps_figures(fakes, tmp_path, capsys):
    assert everything.main(["--rounds", "3", "--json", str(tmp_path / "found.json")]) == 0
    assert fakes == [("first", 3), ("second", 3)]
    printed, progress = capsys.readouterr()
    assert "About first." in printed
    assert printed.endswith("Targets that were missed:\n  second: ours: over by hand 2.50 <= 2 miss\n")
    assert "[2/2] second" in progress
    found = json.loads((tmp_path / "found.json").read_text())[OURS]
    assert list(found["benchmarks"]) == ["first", "second"]
    assert found["benchmarks"]["second"]["rows"][0][1]["missed"] is True
    assert found["rounds"] == 3
    assert found["versions"]["numpy"] == np.__version__
    assert found["commit"] is None or re.fullmatch("[0-9a-f]{40,}", found["commit"]["id"])


def test_the_machine_is_described_without_its_name_or_paths():
    text = json.dumps([results.machine(), results.versions()])
    assert "processor" in text
    for private in (socket.gethostname(), str(Path.home()), sys.prefix, str(Path(__file__).parents[1])):
        assert private not in text


def test_a_complete_run_has_a_file_of_its_own(fakes, monkeypatch, tmp_path):
    (tmp_path / "benchmarks").mkdir()  # the folder of results goes when its last file goes
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(everything, "ROOT", tmp_path)
    for _ in range(3):
        everything.main(["--rounds", "1"])
    names = sorted(path.stem for path in (tmp_path / "benchmarks" / "results").glob("*.json"))
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]


def test_a_part_of_the_benchmarks_is_kept_only_if_asked(fakes, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(everything, "ROOT", tmp_path)
    assert everything.main(["second", "second"]) == 0
    assert len(fakes) == 1
    assert "About second." in capsys.readouterr().out
    assert not any(tmp_path.iterdir())


def test_what_was_measured_before_an_interruption_is_kept(fakes, monkeypatch, tmp_path):
    def stopped(rounds):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["benchmarks.second"], "run", stopped)
    assert everything.main(["--json", str(tmp_path / "found.json")]) == 130
    assert list(results.read(tmp_path / "found.json")["benchmarks"]) == ["first"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["third"], "there is no benchmark 'third'; there are first, second"),
        (["--rounds", "0"], "0 is not a number from 1 on"),
        (["--rounds", "3", "--quick"], "--quick is --rounds 8"),
        (["--json", "nowhere/found.json"], "there is no folder nowhere"),
        (["-o", "found.json"], "a picture is a .png or .svg"),
        (["missing.py"], "there is no file 'missing.py'"),
        (["--json", "mine.txt"], "mine.txt is not of this command: --force replaces it"),
        (["--csv", "mine.txt"], "mine.txt is not of this command"),
        (["--compare", "mine.txt", "mine.txt"], "mine.txt holds no results with their rounds"),
        (["--compare", "missing.json", "mine.txt"], "missing.json: No such file"),
    ],
)
def test_wrong_usage_of_all(fakes, wrong, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("{}")
    try:
        code = everything.main(wrong)
    except SystemExit as stop:  # from argparse
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "{}"
    assert not fakes


def test_the_list_says_what_each_measures(fakes, capsys):
    assert everything.main(["--list"]) == 0
    assert capsys.readouterr().out.startswith("first   How fast is first?\nsecond  How fast is second?\n")
    assert not fakes


def test_the_picture_has_a_dot_for_every_side_and_batch(tmp_path):
    ratios = {
        1: {"by hand": 1.0, "minigrad": 1.5, "others": 20.0},
        1024: {"by hand": 1.0, "minigrad": 0.5, "others": 2.0},
    }
    rows = [[batch, name, Ratio(value)] for batch, found in ratios.items() for name, value in found.items()]
    figure = picture.draw(Table("", ["batch", "side", "over by hand"], [[], *rows]), tmp_path / "steps.png", "time")
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")
    assert [panel.get_title() for panel in figure.axes] == ["batch 1", "batch 1,024"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["others", "minigrad", "by hand"]  # the fastest at batch 1 on top
    for panel, found in zip(figure.axes, ratios.values(), strict=True):
        dots = panel.collections[-1].get_offsets()
        assert {labels[round(y)]: x for x, y in dots} == found
    assert {"batch", "side", "over by hand"} <= set(step.HEADER)


# -------------------------------------------------------------------------------------------------------- programs.py
# What takes seconds: to trace for `compile`, and for XLA to compile a loop that was unrolled.
DEAR = {
    programs.COMPILED: ("hidden_markov", "lstm_text", "kalman"),
    programs.JAX: ("neural_ode", "hidden_markov", "lstm_text", "kalman"),
}


@pytest.mark.parametrize("name", programs.NAMES)
def test_programs_are_the_same_everywhere(name, monkeypatch):
    cheap = {library: make for library, make in programs.SIDES.items() if name not in DEAR.get(library, ())}
    monkeypatch.setattr(programs, "SIDES", cheap)
    harness.assert_agreement(programs.start(name), programs.found_by(name), steps=1, rtol=1e-9)


def test_a_program_that_is_another_is_named(monkeypatch):
    def wrong(name):
        step = programs.on_the_tape(name)
        return lambda: (step()[0] * (1 + 1e-6), step()[1])

    monkeypatch.setattr(programs, "SIDES", {programs.OURS: programs.on_the_tape, "wrong": wrong})
    with pytest.raises(AssertionError, match="wrong: the value"):
        programs.run(rounds=1)


def test_the_table_of_programs(monkeypatch):
    """Each side has its row, and only ours are measured against the others'."""
    monkeypatch.setattr(programs, "NAMES", ("black_box_vi",))
    table = programs.run(rounds=1)
    rows, means = [row for row in table.rows if row][:-2], table.rows[-2:]
    assert [row[1] for row in rows] == [*programs.SIDES]
    for row in rows:
        assert [type(cell) is Ratio for cell in row[5:]] == [row[1] not in programs.RIVALS] * len(programs.RIVALS)
    times = {row[1]: row[2] for row in rows}
    for row, mean in zip(rows, means, strict=False):
        for rival, ratio, average in zip(programs.RIVALS, row[5:], mean[5:], strict=True):
            assert ratio.value == pytest.approx(times[rival] / times[row[1]])
            assert average.value == pytest.approx(ratio.value)
            assert ratio.bound == (1 if rival in programs.NO_SLOWER_THAN else None)


# -------------------------------------------------------------------------------------------------------------- gpt.py
def test_both_tapes_train_the_same_gpt():
    names = gpt.lesson()
    names["WIDTH"] = 8  # which `start` and `gpt` look up
    sides = {gpt.SCALAR: gpt.on_numbers(names), gpt.ONE: gpt.on_arrays(names, 1)}
    harness.assert_agreement(sides, ["the loss", "the parameters"], steps=3, rtol=1e-10)


def test_a_gpt_without_its_mask_is_noticed():
    names = gpt.lesson()
    names |= {"WIDTH": 8, "attention": lambda q, k, v: (v, None)}
    sides = {gpt.SCALAR: gpt.on_numbers(names), gpt.ONE: gpt.on_arrays(names, 1)}
    with pytest.raises(AssertionError, match="the loss after 1 steps"):
        harness.assert_agreement(sides, ["the loss", "the parameters"], steps=1, rtol=1e-10)


# ------------------------------------------------------------------------------------------------------ transformer.py
def test_the_table_of_transformers(monkeypatch):
    def no_compiler(codes, following, parameters):
        raise RuntimeError("there is no compiler")
        yield

    sides = {name: side for name, side in transformer.SIDES.items() if name != transformer.JAX}
    monkeypatch.setattr(transformer, "SIDES", {**sides, transformer.TORCH_COMPILED: no_compiler})
    monkeypatch.setattr(transformer, "AT_MOST", {transformer.TAPE: 1e-9})
    table = transformer.run(rounds=1, widths=[8])  # after all sides have agreed with the lesson
    assert [row[1] for row in table.rows if row] == [transformer.TAPE, transformer.COMPILED, transformer.EAGER]
    assert len(table.missed) == 1
    assert table.notes == ["torch.compile does not run here: RuntimeError: there is no compiler"]


@pytest.mark.skipif(not peers.has("jax"), reason="JAX is not installed")
def test_jax_trains_the_same_transformer():
    transformer.check({transformer.JAX: transformer.jax_jit}, width=4, steps=2)


def test_a_transformer_that_learns_more_than_the_names_is_named():
    def padded(codes, following, parameters):
        counted = np.where(following == transformer.IGNORED, 0, following)
        yield from transformer.on_the_tape(codes, counted, parameters)

    with pytest.raises(AssertionError, match="padded: the loss after 5 steps is not that of the lesson"):
        transformer.check({"padded": padded})
