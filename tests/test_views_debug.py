"""The debugger and the commands, driven from standard input."""

import io
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from minigrad import Function, Tensor, debug, relu
from minigrad.cli import main
from minigrad.engine.names import excerpt, names_around
from minigrad.engine.state import here
from minigrad.views.debug import Debugger
from minigrad.views.steps import Trace


def network():
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    W = Tensor([[1.0], [0.5]], requires_grad=True)
    b = Tensor([-3.0], requires_grad=True)
    z = relu(x @ W + b)
    loss = (z * z).sum()
    return loss, names_around(sys._getframe())


def transcript(*commands, output=None, names=None):
    """What is said after each command; the first is what is said at the start."""
    if output is None:
        output, names = network()
    out = io.StringIO()
    Debugger(Trace(output, None, names), io.StringIO("\n".join(commands)), out).run()
    return out.getvalue().split("(minigrad) ")


# ----------------------------------------------------------------------------------------------------------- debugger
def test_a_step_shows_everything():
    start, at_b = transcript("jump b", "q")[:2]
    assert start.startswith("the backward of loss: 7 steps, 7 nodes")
    lines = at_b.splitlines()
    assert lines[1] == "[6/7]  t3 → b"
    assert lines[2].startswith("test_views_debug.py:")
    assert lines[3].endswith("z = relu(x @ W + b)")
    assert lines[4] == " " * lines[3].index("x @ W") + "^" * len("x @ W + b")
    assert lines[5] == "t3 = add(t2, b), to its input b = b"
    assert lines[6] == "cotangent of t3, 3×1"
    assert "rule         b̄ = t̅3̅" in lines
    assert "it gives, 3×1" in lines
    assert lines[-1] == "for b, broadcast in the forward, summed over axis 0  [14.]"


def test_accumulation_is_shown():
    (_, at_second, _) = transcript("n 2", "q")
    assert "[3/7]  t5 → z" in at_second
    assert "added to what had come to z, 3×1" in at_second
    assert "so far, d loss / d z, 3×1" in at_second
    assert "z̄ += t̅5̅ · z" in at_second


def test_there_and_back():
    said = transcript("n", "next 3", "rn", "back 2", "back 99", "next 99", "", "j 7", "j 1", "jump nobody")
    assert [text.split("]")[0].strip() for text in said[1:5]] == ["[2/7", "[5/7", "[4/7", "[2/7"]
    assert said[5] == "that would be before the first step\n"
    assert said[6] == said[7] == "that was the last step\n"  # an empty line repeats
    assert "[7/7]  t2 → W" in said[8]
    assert said[8].endswith("that was the last step\n")
    assert "[1/7]" in said[9]
    assert said[10] == "no step has 'nobody'\n"


def test_breaks_search_and_print():
    said = transcript("b W", "c", "b", "cl", "rc", "/RELU", "s matmul", "/nothing", "p W", "j W", "p W", "p x1", "b x1")
    assert said[1] == "stops at: W\n"
    assert said[2].startswith("stopped by W\n\n[7/7]  t2 → W")
    assert said[3] == "stops at: W\n"
    assert said[4] == "stops at: nothing\n"
    assert "[1/7]" in said[5]
    assert "[4/7]  z → t3" in said[6]
    assert "[7/7]  t2 → W" in said[7]
    assert said[8] == "no step has 'nothing'\n"
    assert "[7/7]" in said[10]
    assert "d loss / d W so far, 2×1" in said[11]
    assert "there is no tensor 'x1'; there are W, b, t2" in said[12]
    assert "there is no tensor 'x1'" in said[13]
    assert "nothing has come to W yet" in transcript("p W", "q")[1]


def test_list_where_and_help():
    said = transcript("n", "l", "w", "help", "h n", "h nonsense", "frobnicate", "EOF")
    rows = said[2].splitlines()
    assert len(rows) == 7
    assert [row.startswith("→") for row in rows] == [False, True] + [False] * 5
    assert said[3] == said[1]
    for name in ("next", "back", "jump", "search", "break", "continue", "list", "print", "quit"):
        assert name in said[4]
    assert "EOF" not in said[4]
    assert said[5] == "next [N] (n): the next step, or the N-th from here.\n"
    assert "No help on nonsense" in said[6]
    assert said[7] == "no command 'frobnicate'; h has a list\n"


def test_break_on_nan():
    x = Tensor([1.0, 0.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = np.sqrt(x * 0.0) * np.array([0.0, 1.0])
        said = transcript("b nan", "c", "c", output=y.sum(), names={id(x): "x", id(y): "y"})
    assert said[2].startswith("stopped by nan")
    assert "x̄" not in said[2]
    assert "sqrt(" in said[2]
    assert "stopped by" not in said[3]  # where it goes on from there is no news


def test_a_backward_that_fails():
    class Short(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad[:1]

    x = Tensor([1.0, 2.0], requires_grad=True)
    said = transcript("n", "w", output=Short.apply(x).sum())
    assert "[1/1]" in said[0]
    for text in said[0], said[1]:
        assert "the backward stops here at t1" in text
        assert "a gradient of shape (1,)" in text
    nothing = transcript("n", "l", output=x * 2)
    assert "0 steps" in nothing[0]
    assert "backward starts from one number" in nothing[0]
    assert nothing[2] == "there are no steps\n"


def test_large_arrays_are_summed_up():
    W = Tensor(np.ones((9, 9)), requires_grad=True)
    assert "it gives, 9×9: all 2" in transcript("n", output=(W * 2.0).sum())[1]


def test_the_function(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\nq\n"))
    w = Tensor([1.0], requires_grad=True)
    debug((w * w).sum())
    assert "→ w" in capsys.readouterr().out
    assert w.grad is None


def test_completion():
    output, names = network()
    debugger = Debugger(Trace(output, None, names), io.StringIO(), io.StringIO())
    assert debugger.completedefault("t", "") == ["t2", "t3", "t5"]
    assert debugger.completenames("re") == ["reverse_continue"]


# ------------------------------------------------------------------------------------------------------------ excerpt
def test_an_expression_is_marked_over_several_lines_and_beside_wide_letters():
    ä = Tensor([2.0], requires_grad=True)
    y = (
        ä * 3.0
        + ä
    )  # fmt: skip
    found = excerpt(y.where).marked()
    assert [line[6:] for line in found] == [
        "        ä * 3.0",
        "        ^^^^^^^",
        "        + ä",
        "        ^^^",
    ]
    assert excerpt(y.where).text[excerpt(y.where).start :].startswith("ä * 3.0\n")


# ----------------------------------------------------------------------------------------------------------- commands
@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="train.py"):
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        return name

    return write


LOOP = """
    from minigrad import Tensor, no_grad

    def main():
        w = Tensor([4.0], requires_grad=True)
        for _ in range(2):
            loss = (w * w).sum()
            loss.backward()
            with no_grad():
                w -= 0.25 * w.grad
            w.zero_grad()

    frame = "a name that the views have a use for, too"
    other = Tensor([3.0], requires_grad=True)
    total = (other * 2).sum()
    if __name__ == "__main__":
        main()
"""


def test_the_last_backward_of_a_script_is_shown_as_it_was(script, capsys):
    assert main(["table", script(LOOP)]) == 0
    out = capsys.readouterr().out
    assert "multiply(w, w)" in out
    assert "[2]" in out  # w in the second turn, which an update has replaced since
    assert "w̄ += t̅1̅ · w" in out
    assert here.state.watches == ()


def test_a_tensor_by_name(script, capsys):
    assert main(["table", f"{script(LOOP)}:total"]) == 0
    assert "multiply(other, 2)" in capsys.readouterr().out


def test_draw(script, capsys, tmp_path):
    assert main(["draw", script(LOOP), "-o", "g.svg", "--backward", "--lr", "0.5", "--fold", "none"]) == 0
    assert capsys.readouterr().out == "picture: g.svg\n"
    assert "→ [0]" in (tmp_path / "g.svg").read_text(encoding="utf-8")
    assert main(["draw", "train.py", "-o", "g.png"]) == 2
    assert "ends in .svg, and not 'g.png'" in capsys.readouterr().err


def test_debug_reads_standard_input(script):
    command = [sys.executable, "-W", "error", "-m", "minigrad", "debug", script(LOOP)]
    done = subprocess.run(command, input="n\nl\nq\n", capture_output=True, text=True, check=True)
    assert "[2/3]  t1 → w" in done.stdout
    assert done.stderr == ""


def test_a_script_whose_backward_fails_is_shown(script, capsys):
    wrong = """
        from minigrad import Function, Tensor

        class Wrong(Function):
            @staticmethod
            def forward(ctx, x):
                return x + 1

            @staticmethod
            def backward(ctx, grad):
                return grad[0]

        Wrong.apply(Tensor([1.0], requires_grad=True)).backward()
    """
    assert main(["table", script(wrong)]) == 0
    found = capsys.readouterr()
    assert "the backward stops at" in found.out
    assert "this is the backward that failed" in found.err


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        (LOOP, "train.py:loss", "train.py has no 'loss'"),
        (LOOP, "train.py:main", "train.py:main is a function, and only a Tensor has a tape to show"),
        (LOOP, "absent.py", "there is no file 'absent.py'"),
        ("x = 1", "train.py", "called .backward() on nothing: say which tensor to show, as train.py:NAME"),
        ("1 / 0", "train.py", "ZeroDivisionError"),
        ("raise SystemExit(3)", "train.py", "SystemExit: 3"),
    ],
)
def test_wrong_usage_is_said_and_exit_code_2(script, capsys, text, spec, message):
    script(text)
    assert main(["table", spec]) == 2
    assert message in capsys.readouterr().err
    assert here.state.watches == ()


def test_a_script_that_ends_with_exit_0_is_shown(script, capsys):
    assert main(["table", script(LOOP + "    raise SystemExit(0)\n")]) == 0
    assert "multiply(w, w)" in capsys.readouterr().out
