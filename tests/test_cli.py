"""The command `minigrad`, as a user meets it: what it prints where, and with which exit code it ends."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_lab_events import read

from minigrad import lab
from minigrad.cli import main, parser

SMALL = ["--data", "synthetic", "--epochs", "3"]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """Every test starts in an empty folder, which is where runs/ goes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder="."):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_compare_reports_and_logs(capsys):
    assert main(["compare", *SMALL]) == 0
    out, err = capsys.readouterr()
    for text in ("batch", "sgd", "minibatch", "x12", "bias", "exact", "lambda_max", "train MSE", "µs/step"):
        assert text in out
    folder = re.search(r"tensorboard --logdir (\S+)\n", out)[1]
    assert re.fullmatch(r"runs/\d{8}-\d{6}-synthetic", folder)
    assert f"picture: {folder}/losses.png\n" in out
    assert [re.sub(r"events\..*", "events", name) for name in files(folder)] == [
        "batch/checkpoint.npz", "batch/events", "losses.png", "minibatch/checkpoint.npz", "minibatch/events",
        "path.png", "results.json", "settings.json", "sgd/checkpoint.npz", "sgd/events",
    ]  # fmt: skip
    assert "sgd: epoch 3/3, train loss " in err


def test_commands_are_the_functions(capsys):
    assert main(["train", "--method", "sgd", "--data", "diabetes", "--epochs", "2", "--lr", "1e-4", "--no-log"]) == 0
    run = lab.train("diabetes", method="sgd", epochs=2, lr=1e-4)
    out = capsys.readouterr().out
    assert f"{run.train_mse:.6g}" in out
    assert f"{run.test_mse:.6g}" in out
    assert files() == []


def test_every_option_reaches_the_lab(capsys, monkeypatch):
    seen = {}

    def compare(**options):
        seen.update(options)
        raise lab.LabError("seen")

    monkeypatch.setattr(lab, "compare", compare)
    given = (
        "--data d --target t --rows 1 --features 2 --outputs 3 --drop e --categorical f --missing mean --na g"
        " --delimiter h --decimal i --no-header --encoding j --stream --clip-features none --epochs 4"
        " --workers 2 --scheduler m --backend threads --local-steps 8"
        " --batch-size 5 --schedule step --methods adam,sgd --clip-norm 6 --init random --seed 7 --dtype float32"
        " --engine torch --preset lab --logdir l --lr batch=8,sgd=9 --task classification --alpha 1 -q"
    )
    assert main(["compare", *given.split()]) == 2
    assert seen == {
        "data": "d", "target": "t", "rows": 1, "features": 2, "outputs": 3, "drop": "e", "categorical": "f",
        "missing": "mean", "na": "g", "delimiter": "h", "decimal": "i", "header": False, "encoding": "j",
        "stream": True, "workers": 2, "scheduler": "m", "backend": "threads", "local_steps": 8,
        "clip_features": None, "epochs": 4, "schedule": "step", "methods": ["adam", "sgd"],
        "batch_size": 5, "clip_norm": 6.0, "init": "random", "seed": 7, "dtype": "float32", "engine": "torch",
        "preset": "lab", "logdir": "l", "lr": {"batch": 8.0, "sgd": 9.0}, "progress": False,
        "task": "classification", "alpha": 1.0,
    }  # fmt: skip


def test_quiet_prints_the_table_of_results_only(capsys):
    assert main(["train", *SMALL, "--quiet", "--no-log"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "minibatch" in out
    assert "bias" not in out


def test_engines_print_the_same_numbers(capsys):
    tables = []
    for engine in ("minigrad", "torch"):
        assert main(["compare", *SMALL, "--engine", engine, "--quiet", "--no-log"]) == 0
        rows = re.findall(r"^ (batch|sgd|minibatch)(.*?)[\d.]+ +[\d.]+ *$", capsys.readouterr().out, re.MULTILINE)
        tables.append(rows)
    assert len(tables[0]) == 3
    assert tables[0] == tables[1]


def test_csv_with_two_targets(capsys, tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 5)).round(3)
    lines = ["size,age,fixed,price,rent", *(f"{a},{b},7,{c},{d}" for a, b, c, d, _ in rows)]
    (tmp_path / "houses.csv").write_text("\n".join(lines))
    assert main(["train", "--data", "houses.csv", "--target", "price,rent", "--epochs", "2", "--no-log"]) == 0
    out, err = capsys.readouterr()
    assert "2 targets (price, rent)" in out
    assert "left out, because constant in the training rows: fixed" in out
    assert "minigrad: warning: left out, because constant in the training rows: fixed\n" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --data nowhere.csv", "no data set or file 'nowhere.csv'"),
        ("train --data bad.csv --target b", "bad.csv: text in 'a' ('blue', 2 values): --categorical a makes"),
        ("train --data bad.csv --target c", "has no column 'c'"),
        ("train --data bad.csv", "say with --target which of its columns to predict: a, b"),
        ("train --data synthetic --lr 0", "--lr must be a number above 0"),
        ("train --data synthetic --lr -1", "--lr must be a number above 0"),
        ("train --data synthetic --lr much", "invalid float value: 'much'"),
        ("compare --data synthetic --lr sgd=much", "invalid number value: 'sgd=much'"),
        ("compare --data synthetic --lr adam=1", "--lr names adam"),
        ("train --data synthetic --batch-size 0", "--batch-size must be from 1 to the 40 training rows, got 0"),
        ("train --data synthetic --batch-size 41", "--batch-size must be from 1 to the 40 training rows, got 41"),
        ("train --data synthetic --batch-size half", "invalid int value: 'half'"),
        ("train --data synthetic --rows 1", "1 row cannot be split"),
        ("train --data synthetic --rows 999999999999999999999", "GB; take fewer --rows or --features"),
        ("train --data synthetic --epochs 999999999999999999999", "--epochs must be at most 1,000,000,000,000"),
        ("train --data synthetic --seed -1", "--seed must be 0 or more, got -1"),
        ("check math:sin --signature ()->() --seed -1", "seed must be 0 or more, got -1"),
        ("source lab --grad-of W", "--grad-of is for a file, and not for lab"),
        ("source lab --arg x=3", "--arg is for a file, and not for lab"),
        ("source lab --batch-size 0", "--batch-size must be at least 1, got 0"),
        ("source lab --clip-norm nan", "--clip-norm must be a number above 0, got nan"),
        ("source bad.py:f --dtype float32", "--dtype is for the lab's step, and not for bad.py:f"),
        ("source bad.py:f --grad-of x --order -1", "--order must be at least 1, got -1"),
        ("source bad.py:f --order 2", "--order is of the derivative by --grad-of"),
        ("train --data synthetic --clip-features wide", "invalid number value: 'wide'"),
        ("train --data synthetic --clip-norm 0", "--clip-norm must be a number above 0"),
        ("train --data synthetic --epochs 0", "--epochs must be at least 1"),
        ("train --data synthetic --logdir bad.csv", "cannot write to the log folder 'bad.csv'"),
        ("train --data synthetic --logdir bad.csv/runs", "cannot write to the log folder 'bad.csv/runs'"),
        ("train --method newton", "invalid choice: 'newton'"),
        ("train --loud", "unrecognized arguments: --loud"),
        ("fly", "invalid choice: 'fly'"),
        ("", "the following arguments are required: command"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(capsys, tmp_path, arguments, message):
    (tmp_path / "bad.csv").write_text("a,b\nblue,2\nred,3\n")
    try:
        code = main(arguments.split())
    except SystemExit as end:  # argparse's own way out
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("minigrad")
    assert err.count("\n") == 1
    assert message in err
    assert files() == ["bad.csv"]
    assert (tmp_path / "bad.csv").read_text() == "a,b\nblue,2\nred,3\n"


def test_diverged_run_is_exit_code_1_and_keeps_its_log(capsys):
    assert main(["compare", "--data", "synthetic", "--epochs", "30", "--lr", "batch=1e9"]) == 1
    out, err = capsys.readouterr()
    assert "minigrad: warning: batch: lr 1e+09 is above the largest stable step, 1." in err
    assert re.search(r"minigrad: batch diverged in epoch 1, after 40 samples: .* try --lr 1\.\d", err)
    assert re.search(r"^ sgd .* %", out, re.MULTILINE), "the other methods are carried through"
    folder = Path(re.search(r"tensorboard --logdir (\S+)\n", out)[1])
    assert read(folder / "batch")[0]["loss/train"][0] == [0, 40]


@pytest.mark.parametrize("missing", ["sklearn", "torch", "rich", "matplotlib", "tensorboardX"])
def test_missing_package_is_named(capsys, monkeypatch, missing):
    for name in [name for name in sys.modules if name.split(".")[0] in (missing, "torch_ref")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["train", *SMALL, *(["--engine", "torch"] if missing == "torch" else [])]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(rf"minigrad: this needs {missing}\S*, which is not installed: python -m pip install \S+", err)


SCRIPT = """
import numpy as np
from minigrad import Tensor

x = np.ones(3)


def f(x):
    return (x * x).sum()


f(Tensor(x, requires_grad=True)).backward()
"""


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        ("source script.py:f", "--save", "out.py"),
        ("draw script.py", "-o", "out.svg"),
        ("explore script.py", "-o", "out.html"),
    ],
)
def test_files_of_others_are_not_replaced(capsys, tmp_path, command, option, name):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / name).write_text("import minigrad  # mine, <svg class='minigrad'>")
    for given, said in ((name, "is not of this command"), ("script.py", "is what the command reads")):
        before = (tmp_path / given).read_text()
        assert main([*command.split(), option, given]) == 2
        assert capsys.readouterr().err == f"minigrad: {given} {said}: --force replaces it\n"
        assert (tmp_path / given).read_text() == before
    for force in (["--force"], []):  # and then it is ours
        assert main([*command.split(), option, name, *force]) == 0
        assert "mine" not in (tmp_path / name).read_text()
    assert main([*command.split(), option, name]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted([name, "script.py"])


def test_arguments_that_a_function_has_not(capsys, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    for option in (["--arg", "nope=3"], ["--grad-of", "nope"]):
        assert main(["source", "script.py:f", *option]) == 2
        assert capsys.readouterr().err == f"minigrad: {option[0]}: script.py:f has no argument 'nope'; it has x\n"


def test_help_has_examples_that_parse(capsys):
    from minigrad.commands.lab import EXAMPLES

    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    assert EXAMPLES in capsys.readouterr().out
    lines = [line for line in EXAMPLES.splitlines() if line.startswith("  minigrad ")]
    assert len(lines) >= 5
    for line in lines:
        words = re.split(r"  +", line.strip())[0].split()[1:]
        parser(words[0]).parse_args(words)


# As processes of their own


@pytest.fixture
def start():
    """Starts commands; none outlives its test."""
    started = []

    def command(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    yield command
    for process in started:
        if process.poll() is None:
            process.kill()


def popen(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(lab.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    command = [sys.executable, "-m", "minigrad", *arguments]
    return subprocess.Popen(command, env={**environment, **options.pop("env", {})}, **pipes, **options)


def test_module_is_the_command(start):
    process = start("--version")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"minigrad \S.*\n", out)


def test_output_into_a_pipe_is_plain_text(start):
    process = start("train", *SMALL, "--no-log", env={"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "\x1b" not in out + err
    assert "minibatch: epoch 3/3, train loss " in err
    assert max(map(len, out.splitlines())) <= 100


def test_reader_that_stops_reading_is_no_error(start):
    with start("train", *SMALL) as process:
        process.stdout.close()
        assert "Error" not in process.stderr.read()
    assert process.returncode == 0
    assert any(name.endswith("losses.png") for name in files())


@pytest.mark.skipif(sys.platform == "win32", reason="streams of a shell")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (
            "train --data synthetic --epochs 2 -q >&-",
            2,
            "minigrad: standard output is closed, and nothing was printed\n",
        ),
        ("train --data synthetic --epochs 2 -q >/dev/full", 2, "minigrad: standard output: No space left on device\n"),
        ("source lab >/dev/full", 2, "minigrad: standard output: No space left on device\n"),
        ("train --data synthetic --epochs 2 -q 2>&-", 0, ""),
        ("train --data - --target y <&-", 2, "minigrad: standard input is empty\n"),
    ],
)
def test_streams_that_are_closed_or_full(command, code, said):
    if "full" in command and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    environment = {**os.environ, "PYTHONPATH": str(Path(lab.__file__).parents[2])}
    line = f"{sys.executable} -m minigrad {command}"
    done = subprocess.run(
        line, shell=True, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (code, said)
    if "synthetic" in command:
        assert any(name.endswith("losses.png") for name in files()), "the picture is not lost with the stream"


def test_results_are_printed_whatever_becomes_of_the_files(capsys, monkeypatch):
    real = lab.experiment.EventLog.losses

    def vanishing(self, samples, train, test):
        shutil.rmtree("runs", ignore_errors=True)
        real(self, samples, train, test)

    monkeypatch.setattr(lab.experiment.EventLog, "losses", vanishing)
    assert main(["train", *SMALL, "-q"]) == 2
    out, err = capsys.readouterr()
    assert re.search(r"^ minibatch .* %", out, re.MULTILINE)
    assert "tensorboard" not in out
    assert re.fullmatch(
        r"minigrad: warning: the log in (runs/\S+)/minibatch ends here: No such file or directory\n"
        r"minigrad: warning: \1/minibatch/checkpoint.npz could not be written: No such file or directory\n"
        r"minigrad: warning: \1/results.json could not be written: No such file or directory\n"
        r"minigrad: the picture \1/losses.png could not be written: No such file or directory\n"
        r"minigrad: the picture \1/path.png could not be written: No such file or directory\n",
        err,
    )


def test_a_disk_that_is_full_costs_the_log_and_the_picture(start):
    resource = pytest.importorskip("resource")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # noqa: E731
    process = start("train", "--data", "synthetic", "--epochs", "60", "-q", preexec_fn=limit)
    out, err = process.communicate()
    assert process.returncode == 2
    assert re.search(r"^ minibatch .* %", out, re.MULTILINE)
    assert err.count("ends here: File too large") == err.count("losses.png could not be written: File too large") == 1


def test_ctrl_c_keeps_what_was_logged(start, tmp_path):
    process = start("train", "--data", "diabetes", "--method", "sgd", "--epochs", "1000000")
    for line in process.stderr:  # one line is there as soon as the descent begins
        if "epoch 0/" in line:
            break
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        logs = [path for path in tmp_path.rglob("events*") if path.stat().st_size > 10_000]  # the graph is half of it
        if logs:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    told = re.search(r"stopped by Ctrl-C in the run of sgd, after ([\d,]+) samples; what it logged is in (\S+)\n", err)
    assert told, err
    scalars, _ = read(tmp_path / told[2])
    assert scalars["loss/train"][0][-1] == scalars["loss/test"][0][-1] == int(told[1].replace(",", ""))
    assert len(scalars["loss/train"][0]) > 10
    assert f"tensorboard --logdir {Path(told[2]).parent}" in out


def test_help_comes_without_the_libraries_of_the_lab():
    code = (
        "import sys, minigrad.cli; minigrad.cli.parser().format_help(); minigrad.cli.parser('train').format_help();"
        "print(*(set(sys.modules) & {'sklearn', 'torch', 'tensorboardX', 'rich', 'matplotlib'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(lab.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
