"""What happened in a backward: the sweep again, one edge at a time, with everything it computes kept to be looked at.

Every view reads this one model. The arithmetic is the operations' own (`partials` and `fit`), in the order of
`backprop.sweep`, so the numbers shown are the sweep's, bit for bit. Nobody's `.grad` changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad.backprop import tape
from minigrad.engine.guards import seed
from minigrad.engine.hooks import Hooks
from minigrad.engine.names import constant, names_of
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


class Trace:
    """A tape and its backward.

    Args:
        output: any tensor. One that cannot be differentiated has a tape and no steps, and `failure` says why.
        gradient: the cotangent to start with, as in ``output.backward(gradient)``.
        names: what to call some tensors and arrays, see `labels.names_around`.
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
        # A student's backward may write into what it is given, and would change what was shown before.
        self.kept = np.array if any(not getattr(n.op, "owns_results", True) for n in self.nodes) else np.asarray
        if not run:
            return
        try:
            self.sweep(seed(output, gradient, (), False))
        except Exception as error:  # it is shown where it happened
            self.failure = error

    def sweep(self, g: Any) -> None:
        cotangents: dict[Tensor, Any] = {self.output: g}
        for node in reversed(self.nodes):
            if node not in cotangents:
                continue
            self.failed_at = node
            g = with_hooks(node, cotangents.pop(node))
            self.cotangents[node] = cotangent = self.kept(g)
            if node.op is None:
                continue
            partials = node.op.partials(node, lambda x: x.differentiable, g, node.array, node.values)
            for i, partial in enumerate(partials):
                if partial is None:
                    continue
                x = node.inputs[i]
                shown, before = self.kept(partial), cotangents.get(x)
                if partial.shape != x.shape or partial.dtype is not x.dtype:
                    partial = node.op.fit(partial, node, i)
                cotangents[x] = partial if before is None else before + partial
                step = Step(node, i, cotangent, shown, self.kept(partial), before, self.kept(cotangents[x]))
                step = step._replace(before=None if before is None else self.kept(before))
                self.steps.append(step)
                self.sent[node].append(step)
        self.failed_at = None

    def called(self, x: Any, value: Any) -> str:
        """The name of an input, or its value if it is a constant without one."""
        return self.name[x] if type(x) is Tensor else constant(value, self.given_names)


def with_hooks(node: Tensor, g: Any) -> Any:
    """What the hooks of `node` make of its cotangent; but looking at a backward retains no gradient."""
    if not node.hooks:
        return g
    hooks = Hooks()
    hooks.functions = node.hooks.functions
    return hooks(node, g)
