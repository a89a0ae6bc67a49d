"""What happened in a backward: one edge at a time, with everything it computes kept to be looked at.

Every view reads this one model. It looks on at a sweep of the engine, so the numbers shown are the sweep's. Nobody's
`.grad` changes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad.backprop import sweep, tape
from minigrad.engine.names import constant, names_around, names_of, static
from minigrad.engine.state import Watch
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]


class Step(NamedTuple):
    """One edge of the backward: from `node` to one of its inputs.

    Attributes:
        node: the result whose cotangent is sent on.
        position: which of the node's inputs it is sent to.
        cotangent: dL/dnode, complete.
        partial: what the rule made of it.
        contribution: `partial` with broadcasting and promotion undone, of the input's shape and dtype.
        before: what had reached the input on other edges; None if this is the first.
        total: ``before + contribution``.
    """

    node: Tensor
    position: int
    cotangent: Array
    partial: Array
    contribution: Array
    before: Array | None
    total: Array

    @property
    def input(self) -> Tensor:
        x: Tensor = self.node.inputs[self.position]
        return x


class Trace(Watch):
    """A tape and its backward.

    Args:
        output: any tensor. One that cannot be differentiated has a tape and no steps, and `failure` says why.
        gradient: the cotangent to start with, as in ``output.backward(gradient)``.
        names: what to call some tensors and arrays, see `names_around`.
        run: False reads the tape only, without a backward.

    Attributes:
        nodes: the tape.
        number: for each node, its place on the tape.
        name: for each node, what to call it.
        value: for each node its array when it was used, which an update may have replaced since.
        steps: the edges that the sweep went along, in its order.
        sent: for each node, the steps from it.
        cotangents: for each node that the sweep reached, dL/dnode when all of it had arrived, after its hooks.
        failure: the exception that ended the sweep, or None; it was raised at the node `failed_at`, or before the
            first one.

    >>> W = Tensor([1.0, 2.0], requires_grad=True)
    >>> trace = Trace((W * W).sum())
    >>> [(trace.number[step.node], trace.number[step.input]) for step in trace.steps]
    [(2, 1), (1, 0), (1, 0)]
    >>> trace.steps[-1].before, trace.steps[-1].total
    (array([1., 2.]), array([2., 4.]))
    """

    def __init__(
        self, output: Tensor, gradient: Any = None, names: Mapping[int, str] | None = None, run: bool = True
    ) -> None:
        if type(output) is not Tensor:
            raise TypeError(f"this view reads the tape of a Tensor, and got a {type(output).__name__}: {output!r}")
        self.output = output
        self.nodes = tape(output)
        self.number = {node: i for i, node in enumerate(self.nodes)}
        self.value: dict[Tensor, Array] = {node: node.array for node in self.nodes}
        for node in self.nodes:
            self.value.update((x, v) for x, v in zip(node.inputs, node.values, strict=True) if type(x) is Tensor)
        self.name = names_of(self.nodes, names or {})
        self.given_names = names or {}
        self.steps: list[Step] = []
        self.sent: dict[Tensor, list[Step]] = {node: [] for node in self.nodes}
        self.cotangents: dict[Tensor, Array] = {}
        self.failure: Exception | None = None
        self.failed_at: Tensor | None = None
        self.sweeps = 0  # that have begun and not ended: one inside of a student's backward is none of the steps
        # A student's backward may write into what it is given, and would change what was shown before.
        self.kept = np.array if any(n.op is not None and not n.op.owns_results for n in self.nodes) else np.asarray
        if not run:
            return
        retained = {node: node.grad for node in self.nodes if node.hooks}
        try:
            with self:
                sweep(output, gradient, (), False)
        except Exception as error:  # it is shown where it happened
            self.failure = error
        finally:  # looking at a backward retains no gradient
            for node, grad in retained.items():
                node.grad = grad

    def begins(self, output: Tensor, gradient: Any, inputs: Any) -> None:
        self.sweeps += 1

    def arrives(self, node: Tensor, g: Any) -> None:
        if self.sweeps > 1:
            return
        self.failed_at, self.cotangents[node] = node, self.kept(g)

    def edge(self, node: Tensor, i: int, partial: Any, contribution: Any, before: Any, total: Any) -> None:
        if self.sweeps > 1:
            return
        kept, start = self.kept, None if before is None else self.kept(before)
        step = Step(node, i, self.cotangents[node], kept(partial), kept(contribution), start, kept(total))
        self.steps.append(step)
        self.sent[node].append(step)

    def ends(self, output: Tensor) -> None:
        self.sweeps -= 1
        if not self.sweeps:
            self.failed_at = None

    def called(self, x: Any, value: Any) -> str:
        """The name of an input, or its value if it is a constant without one."""
        return self.name[x] if type(x) is Tensor else constant(value, self.given_names)

    def inputs(self, node: Tensor) -> list[str]:
        """The inputs of a node, as they are called."""
        return [self.called(x, value) for x, value in zip(node.inputs, node.values, strict=True)]

    def call(self, node: Tensor) -> str:
        """The operation of a node, as it would be called: ``sum(x, axis=1)``."""
        return f"{node.op.name}({', '.join([*self.inputs(node), *filter(None, [static(node)])])})"


def traced(output: Tensor, gradient: Any = None) -> Trace:
    """The tape and the backward of `output`, in the names of the code that called the view that calls this."""
    return Trace(output, gradient, names_around(sys._getframe(2)))
