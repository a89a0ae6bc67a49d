"""Who looks on at the operations of a thread sees each of them, and every use that leaves the tape."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, gradients, no_grad, strict
from minigrad.engine.state import Watch, here, tracing
from minigrad.views.steps import Trace


class Notes(Watch):
    """Notes what it is told."""

    traces = True

    def __init__(self) -> None:
        self.operations, self.left, self.sweep = [], [], []

    def forward(self, op, y, inputs, values, params):
        assert len(inputs) == len(values)
        self.operations.append(op.name)

    def begins(self, output, gradient, inputs):
        self.sweep.append(("begins", output, gradient, tuple(inputs)))

    def arrives(self, node, g):
        self.sweep.append(("arrives", node, plain(g)))

    def partials(self, node, g, partials):
        self.operations.append(f"backward of {node.op.name}")
        self.sweep.append(("partials", node, plain(g), [plain(partial) for partial in partials]))

    def edge(self, node, i, partial, contribution, before, total):
        self.sweep.append(("edge", node, i, *map(plain, (partial, contribution, before, total))))

    def ends(self, output):
        self.sweep.append(("ends", output))

    def leaves(self, t, how):
        self.left.append(how)


def plain(g):
    """A cotangent as nested lists, in a recorded sweep too."""
    return None if g is None else (g.array if type(g) is Tensor else g).tolist()


def test_every_operation_is_seen_also_of_constants_and_under_no_grad():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with Notes() as watch:
        assert tracing()
        (Tensor([1.0]) + w.detach() * w).sum().backward()
        with no_grad():
            assert (-w).op is None
    assert not tracing()
    assert watch.operations == [
        "multiply", "add", "sum", "backward of sum", "backward of add", "backward of multiply", "negative",
    ]  # fmt: skip


def assign(t):
    t.data = [3.0]


def update(t):
    with no_grad():
        t -= 1.0


@pytest.mark.parametrize(
    ("use", "how"),
    [
        (lambda t: t.item(), ".item()"),
        (float, "float()"),
        (lambda t: t.numpy(), ".numpy()"),
        (lambda t: t.data, ".data"),
        (bool, "a branch on its value"),
        (assign, "assigning to .data"),
        (update, "an update in place"),
    ],
)
def test_every_use_that_leaves_the_tape_is_seen(use, how):
    t = Tensor(np.array([2.0]))
    with Notes() as watch:
        use(t)
    assert watch.left == [how]


@pytest.mark.parametrize("create_graph", [False, True])
def test_every_edge_of_a_sweep_is_seen(create_graph):
    """The partial before broadcasting is undone and after, what had come before it, and the sum."""
    w, x = Tensor([1.0, 2.0], requires_grad=True), np.ones((3, 2))
    y = w * x + w
    w.register_hook(lambda g: g * 10.0)
    with Notes() as watch:
        gradients(y, [w], create_graph, gradient=np.ones((3, 2)))
    ones, product = [[1.0, 1.0]] * 3, y.inputs[0]
    assert watch.sweep[1:] == [
        ("arrives", y, ones),
        ("partials", y, ones, [ones, ones]),
        ("edge", y, 0, ones, ones, None, ones),
        ("edge", y, 1, ones, [3.0, 3.0], None, [3.0, 3.0]),
        ("arrives", product, ones),
        ("partials", product, ones, [ones, None]),
        ("edge", product, 0, ones, [3.0, 3.0], [3.0, 3.0], [6.0, 6.0]),
        ("arrives", w, [60.0, 60.0]),
        ("ends", y),
    ]
    assert watch.sweep[0][:2] == ("begins", y)
    assert watch.sweep[0][3] == (w,)


def test_a_sweep_that_fails_does_not_end():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with Notes() as watch, pytest.raises(RuntimeError, match="starts from one number"):
        w.backward()
    assert watch.sweep == [("begins", w, None, ())]


def test_watches_nest():
    """Each sees everything until its own block ends, in whichever order the blocks end."""
    w = Tensor([1.0, 2.0], requires_grad=True)
    first, second = Notes(), Notes()
    with first:
        second.__enter__()
        y = w * w
    y.sum()
    second.__exit__()
    y.sum()
    assert (first.operations, second.operations) == (["multiply"], ["multiply", "sum"])
    assert here.state.watches == ()


def test_strict_inside_of_what_looks_on_and_what_looks_on_inside_of_strict():
    w = Tensor([0.0], requires_grad=True)
    with Notes() as outer, strict(), Notes() as inner, np.errstate(divide="ignore"):
        with pytest.raises(FloatingPointError):
            np.log(w)
        y = (w * w).sum()
        trace = Trace(y)
        assert not y.inputs[0].array.flags.writeable
    assert [step.total.tolist() for step in trace.steps] == [[1.0], [0.0], [0.0]]
    assert outer.operations[:1] == ["log"]
    assert inner.operations == ["multiply", "sum", "backward of sum", "backward of multiply"]
