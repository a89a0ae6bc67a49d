"""Who looks on at the operations of a thread sees each of them, and every use that leaves the tape."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, no_grad
from minigrad.engine.state import here, tracing


class Watch:
    """Notes what it is told."""

    traces = True

    def __init__(self) -> None:
        self.operations, self.left = [], []

    def __enter__(self):
        self.before, here.state.watch = here.state.watch, self
        return self

    def __exit__(self, *exception):
        here.state.watch = self.before

    def forward(self, op, y, inputs, values, params):
        assert len(inputs) == len(values)
        self.operations.append(op.name)

    def backward(self, node, g, partials):
        self.operations.append(f"backward of {node.op.name}")

    def leaves(self, t, how):
        self.left.append(how)
        return t.array


def test_every_operation_is_seen_also_of_constants_and_under_no_grad():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with Watch() as watch:
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
        (float, ".item()"),
        (lambda t: t.numpy(), ".numpy()"),
        (lambda t: t.data, ".data"),
        (bool, "a branch on its value"),
        (assign, "assigning to .data"),
        (update, "an update in place"),
    ],
)
def test_every_use_that_leaves_the_tape_is_seen(use, how):
    t = Tensor(np.array([2.0]))
    with Watch() as watch:
        use(t)
    assert watch.left == [how]
