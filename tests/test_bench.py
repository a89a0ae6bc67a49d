"""`minigrad bench` and what it shares with `python -m benchmarks`: results in files, changes, functions of users."""

from __future__ import annotations

import csv
import json
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from benchmarks import __main__ as everything
from minigrad import cli
from minigrad.bench import harness, instructions, results, sides
from minigrad.bench.harness import Ratio, Table, Timings
from minigrad.bench.results import OURS, Results, changes

ROOT = Path(everything.__file__).parents[1]
EXAMPLE = ROOT / "examples" / "benchmark.py"


def timed(hand, ours):
    """A table of two sides, whose seconds by round are given."""
    timings = Timings(["hand", "ours"])
    timings.seconds = {"hand": list(hand), "ours": list(ours)}
    rows = [[name, *timings.cells(name, "hand")] for name in timings.seconds]
    return Table("T", ["side", "µs", "quartiles", "over hand"], rows)


def written(path, table, name="b"):
    path.write_text(Results({name: (table, 1.0)}, 2, ROOT).json(), encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------------------------- files
def test_the_file_has_all_rounds_twice(tmp_path):
    """As pyperf reads them, and in our tables."""
    found = json.loads(written(tmp_path / "a.json", timed([1e-6, 2e-6], [3e-6, 4e-6])).read_text())
    assert found["version"] == "1.0"
    named = {one["metadata"]["name"]: one["runs"][0]["values"] for one in found["benchmarks"]}
    assert named == {"b: hand": [1e-6, 2e-6], "b: ours": [3e-6, 4e-6]}
    assert found["metadata"]["unit"] == "second"
    for value in found["metadata"].values():  # what pyperf takes: numbers, and text of one line
        assert isinstance(value, int) or (value and "\n" not in value)
    assert found[OURS]["benchmarks"]["b"]["rows"][1][3]["rounds"] == pytest.approx([3, 2])


def test_the_csv_has_a_line_for_each_round():
    text = Results({"b": (timed([1e-6, 2e-6], [3e-6, 4e-6]), 1.0)}, 2, ROOT).csv()
    lines = list(csv.DictReader(text.splitlines()))
    ours = [line for line in lines if line["case"] == "ours"]
    assert [(line["figure"], line["round"], float(line["value"])) for line in ours] == [
        ("µs", "1", 3e-6),
        ("µs", "2", 4e-6),
        ("over hand", "1", pytest.approx(3)),
        ("over hand", "2", pytest.approx(2)),
    ]


def test_the_commit_and_whether_it_is_dirty(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@b"]
    assert results.commit(tmp_path) is None
    file = tmp_path / "f"
    for words in ["init", "-q"], ["add", "f"], ["commit", "-qm", "f"]:
        file.write_text("1")
        subprocess.run([*git, *words], check=True)
    clean = results.commit(tmp_path)
    assert len(clean["id"]) >= 40
    assert clean["dirty"] is False
    file.write_text("2")
    assert results.commit(tmp_path) == {"id": clean["id"], "dirty": True}


# ------------------------------------------------------------------------------------------------------ what changed
def noisy(factor, seed, rounds=40):
    random = np.random.default_rng(seed)
    hand = random.uniform(0.9, 1.1, rounds)
    return timed(hand, 2 * factor * hand * random.uniform(0.98, 1.02, rounds))


@pytest.mark.parametrize(("factor", "worse", "better"), [(1.0, 0, 0), (1.03, 0, 0), (1.2, 1, 0), (0.8, 0, 1)])
def test_a_change_beyond_the_noise_is_told(tmp_path, capsys, factor, worse, better):
    files = [written(tmp_path / name, noisy(f, i)) for i, (name, f) in enumerate([("a.json", 1.0), ("b.json", factor)])]
    assert everything.main(["--compare", *map(str, files)]) == worse
    assert f"{worse} of 1 are worse, {better} better." in capsys.readouterr().out


def test_runs_tell_how_runs_differ(tmp_path, capsys):
    """Each run is off by some per cent of its own: of single ones that is a change, of folders it is none."""
    random = np.random.default_rng(0)
    folders = {name: tmp_path / name for name in ("a", "same", "slower")}
    for name, folder in folders.items():
        folder.mkdir()
        for run in range(5):
            factor = random.uniform(0.95, 1.05) * (1.2 if name == "slower" else 1)
            written(folder / f"{run}.json", noisy(factor, random.integers(1 << 32)))
    assert everything.main(["--compare", str(folders["a"]), str(folders["same"])]) == 0
    assert everything.main(["--compare", str(folders["a"]), str(folders["slower"])]) == 1
    single = [changes(folders["a"] / f"{i}.json", folders["same"] / f"{i}.json", 0)[1] for i in range(5)]
    assert any(single), "which is why single files have a tolerance"
    assert "beyond 0 %" in capsys.readouterr().out
    (tmp_path / "none").mkdir()
    assert everything.main(["--compare", str(tmp_path / "none"), str(folders["a"])]) == 2
    assert "is a folder without a file of results" in capsys.readouterr().err


def test_of_a_ratio_that_is_to_be_large_less_is_worse(tmp_path):
    def table(value):
        return Table("T", ["side", "torch over"], [["ours", Ratio(value, ">=", None, (value,) * 8)]])

    a, b = (written(tmp_path / f"{name}.json", table(value)) for name, value in [("a", 4.0), ("b", 3.0)])
    assert changes(a, b, 5)[1] == ["b, ours, torch over"]
    assert changes(b, a, 5)[1] == []


def test_few_rounds_are_not_judged(tmp_path):
    a, b = (written(tmp_path / f"{name}.json", noisy(f, 0, rounds=3)) for name, f in [("a", 1.0), ("b", 9.0)])
    table, worse = changes(a, b, 5)
    assert worse == []
    assert "1 have fewer than 5 rounds and are not judged." in table.notes


def test_the_interval_covers_the_change_as_often_as_it_says():
    """Of 100 pairs of runs between which nothing changed, a 90 % interval misses the truth in some, and in few."""
    random = np.random.default_rng(1)
    found = [results.interval(*np.exp(random.normal(size=(2, 20)) / 20), 0.9) for _ in range(100)]
    inside = sum(low <= 1 <= high for low, high in found)
    assert 80 <= inside <= 99


# --------------------------------------------------------------------------------------------- a benchmark of one's own
def test_the_example_runs_from_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = [f"sums.{kind}" for kind in ("json", "csv", "svg")]
    asked = ["--rounds", "1", "--json", names[0], "--csv", names[1], "-o", names[2]]
    for _ in range(2):  # what is ours is replaced
        assert everything.main([str(EXAMPLE), *asked]) == 0
    assert "over a loop" in capsys.readouterr().out
    assert all((tmp_path / name).stat().st_size for name in names)
    assert list(results.read(tmp_path / "sums.json")["benchmarks"]) == ["benchmark"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "mine.py is no benchmark: it has no function run(rounds) that returns a Table"),
        ("def run(rounds):\n    return 1", "mine.py: run returned a int, and no Table"),
        ("def run(rounds):\n    return 1 / 0", "mine.py did not run to its end:"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("def run(", "mine.py cannot be loaded:"),
    ],
)
def test_a_broken_benchmark_is_told_in_its_own_lines(tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(text)
    assert everything.main(["mine.py"]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "harness.py" not in printed


# ------------------------------------------------------------------------------------------------------- minigrad bench
FILE = """\
import numpy as np
from minigrad import Function

scale = np.full(3, 0.5)

def softplus(z):
    return np.log1p(np.exp(z))

def loss(x, W):
    return np.mean(softplus(x @ W * scale))

def odd(x):
    return np.convolve(x, x)

class Twice(Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x
    @staticmethod
    def backward(ctx, g):
        return 2 * g

class Thrice(Twice):
    @staticmethod
    def backward(ctx, g):
        return 3 * g
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    cheap = {name: side for name, side in sides.SIDES.items() if "numba" not in name and "jax" not in name}
    monkeypatch.setattr(sides, "SIDES", cheap)
    return "mine.py"


def test_a_function_in_every_library(file, tmp_path, capsys):
    words = [f"{file}:loss", "--signature", "(n,p),(p,q)->()", "--size", "n=4,q=3", "--rounds", "1"]
    assert cli.main(["bench", *words, "-o", "f.png", "--json", "f.json"]) == 0
    printed = capsys.readouterr().out
    assert "x float64 (4, 32), W float64 (32, 3)" in printed
    rows = [row[0] for row in results.read(tmp_path / "f.json")["benchmarks"]["mine.py:loss"]["rows"]]
    assert rows == [name for name in sides.SIDES if f"{name} is not among them" not in printed]
    assert {sides.ALONE, sides.TAPE, "minigrad, compiled", "torch"} <= {*rows}
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_all_libraries_find_the_gradients_of_the_tape():
    """JAX among them, where it is installed; numba has tests of its own. What is wrong in one is named."""
    names = {"np": np}
    exec("def f(x, W):\n    return np.sum(np.tanh(x @ W) ** 2)", names)
    inputs = [np.random.default_rng(0).normal(size=shape) for shape in ((3, 2), (2, 2))]
    expected = sides.on_the_tape(names["f"], inputs, (0, 1))()
    for name, side in ((name, side) for name, side in sides.SIDES.items() if "numba" not in name):
        try:
            found = side(names["f"], inputs, (0, 1))()
        except ModuleNotFoundError:
            continue
        assert sides.disagreement(found, expected, ["the value", "x", "W"]) is None, name
    wrong = [expected[0], expected[1] * (1 + 1e-6), expected[2]]
    assert sides.disagreement(wrong, expected, ["the value", "x", "W"]).startswith("x is another than on the tape")


def test_what_does_not_run_or_finds_something_else_is_listed(file, capsys):
    assert cli.main(["bench", f"{file}:odd", "--signature", "(n)->(m)", "--rounds", "1"]) == 0
    assert "torch is not among them: AttributeError: " in capsys.readouterr().out


def test_a_side_that_finds_something_else_is_no_success(file, monkeypatch, capsys):
    monkeypatch.setitem(sides.SIDES, "torch", lambda fn, inputs, of: lambda: (np.float64(1), np.ones(3)))
    assert cli.main(["bench", f"{file}:Twice", "--signature", "(n)->(n)", "--size", "n=3", "--rounds", "1"]) == 1
    assert "torch is not among them: the value is another than on the tape, by up to" in capsys.readouterr().out


def test_a_ctrl_c_keeps_the_rounds_until_then(file, monkeypatch, capsys):
    clock, calls = harness.clock, []

    def stopping(side, steps):
        calls.append(steps)
        if len(calls) > 40:
            raise KeyboardInterrupt
        return clock(side, 1)

    monkeypatch.setattr(harness, "clock", stopping)
    monkeypatch.setattr(harness, "slice_length", lambda side, seconds: 1)
    assert cli.main(["bench", f"{file}:loss", "--arg", "x=4,2", "--arg", "W=2,3", "--json", "f.json"]) == 130
    printed, said = capsys.readouterr()
    assert "minigrad, compiled" in printed
    assert said.endswith("stopped by Ctrl-C: the figures are of the rounds until then\n")
    rounds = {len(one["runs"][0]["values"]) for one in json.loads(Path("f.json").read_text())["benchmarks"]}
    assert rounds == {40 // len(json.loads(Path("f.json").read_text())["benchmarks"])}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine.py:nothing"], "has no 'nothing'"),
        (["mine.py:scale"], "is a ndarray, and no function"),
        (["mine.py:loss"], "there is no example for the argument 'x'"),
        (["mine.py:Twice"], "is a class: say --signature"),
        (["mine.py:loss", "--size", "n=3"], "of a --signature, which is not given"),
        (["mine.py:loss", "--signature", "(n,p),(p)->()", "--size", "k=3"], "the letters of the signature are: n, p"),
        (["mine.py:loss", "--signature", "n"], "needed is one group of axes for each input"),
        (["mine.py:loss", "--arg", "x=4,2", "--arg", "W=2,3", "--grad-of", "V"], "has no argument 'V'"),
        (["mine.py:loss", "--arg", "x=4,2", "--arg", "W=2,3:int64", "--grad-of", "W"], "W holds no floats"),
        (["mine.py:loss", "--csv", "mine.py"], "mine.py is what the command reads: --force replaces it"),
    ],
)
def test_wrong_usage(file, words, message, capsys):
    assert cli.main(["bench", *words]) == 2
    assert message in capsys.readouterr().err
    assert Path("mine.py").read_text() == FILE


# -------------------------------------------------------------------------------------------------------- instructions
def test_instructions_need_valgrind_and_say_so(monkeypatch, capsys):
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    assert everything.main(["step", "--instructions"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(settings.default.max_examples < 1000, reason="in the thorough profile: NumPy starts in valgrind")
@pytest.mark.skipif(not shutil.which("valgrind") or platform.machine() != "x86_64", reason="needs valgrind, on x86-64")
def test_counts_are_of_the_work_and_not_of_the_clock(tmp_path):
    program = tmp_path / "count.py"
    program.write_text(
        "import itertools, sys\n"
        "from minigrad.bench.instructions import counted\n"
        "def side(n):\n"
        "    while True:\n"
        "        yield sum(range(n))\n"
        "one, two = (counted(side(n), 2) for n in (20_000, 40_000))\n"
        "sys.exit(0 if 1.8 < two[1] / one[1] < 2.2 and abs(one[0] / one[1] - 1) < 0.1 else 3)\n"
    )
    assert instructions.restarted([str(program)]) == 0
