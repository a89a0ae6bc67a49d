"""The true tape in numbers: the Jacobian of every step, and of everything in front of it and behind it.

A backward is linear in its cotangent, so all of it is matrices. With A the gradients of a node for a few cotangents, L
the Jacobian of the node by one of its inputs, and B that of this input by the inputs of the function, a path through
this edge adds A L B to the gradients. Whoever puts another L' there gets gradients that are off by A (L' - L) B: no
sweep is needed to know what a mistake at an edge would have made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minigrad.backprop import tape
from minigrad.broadcasting import stretched_axes
from minigrad.checks.tracing import Untraceable, trace
from minigrad.checks.trial import Trial, as_floats
from minigrad.ops.operation import Operation
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]

LONGEST = 1000  # entries of the inputs
LARGEST = 1 << 22  # entries of all local Jacobians together; a larger tape is not taken apart
CLOSE = 1e-8  # relative: far above the rounding of float64, and no two mistakes are so alike by chance


class Edge(NamedTuple):
    """From a node to one of its inputs: positions on the tape, and the position among the node's inputs."""

    node: int
    slot: int
    input: int


class Local:
    """The Jacobian of a node by one of its inputs: a matrix; or the diagonal of one, as of what works entry by entry.

    Attributes:
        diagonal: of the shape of the node, or None.
        matrix: (node.size, input.size); of a diagonal one computed when it is asked for.
    """

    def __init__(self, node: Array, x: Array, diagonal: Array | None = None, matrix: Array | None = None) -> None:
        self.node, self.x, self.diagonal = node, x, diagonal
        self.given = matrix

    @cached_property
    def matrix(self) -> Array:
        if self.given is not None:
            return self.given
        assert self.diagonal is not None
        return self.diagonal.reshape(-1, 1) * stretched(np.eye(self.x.size), self.x.shape, self.node.shape)

    def times(self, b: Array) -> Array:
        """L b, for a matrix with a row for each entry of the input."""
        if self.diagonal is None:
            return self.matrix @ b
        return np.asarray(self.diagonal.reshape(-1, 1) * stretched(b, self.x.shape, self.node.shape))

    def after(self, a: Array) -> Array:
        """a L, for a matrix with a column for each entry of the node."""
        if self.diagonal is None:
            return np.asarray(a @ self.matrix)
        g = (a * self.diagonal.reshape(-1)).reshape(-1, *self.node.shape)
        axes = tuple(k + 1 for k in stretched_axes(self.x.shape, self.node.shape))
        return np.asarray(g.sum(axes)).reshape(len(a), -1)

    def scaled(self, c: float) -> Local:
        """The Jacobian, times a number."""
        if self.diagonal is None:
            return Local(self.node, self.x, None, c * self.matrix)
        return Local(self.node, self.x, c * self.diagonal)

    def size(self) -> Local:
        """The Jacobian of absolute values."""
        if self.diagonal is None:
            return Local(self.node, self.x, None, abs(self.matrix))
        return Local(self.node, self.x, abs(self.diagonal))


def stretched(b: Array, narrow: tuple[int, ...], wide: tuple[int, ...]) -> Array:
    """The rows of b, one for each entry of an array, for the entries that broadcasting makes of it."""
    if narrow == wide:
        return b
    rows = np.broadcast_to(np.arange(b.shape[0]).reshape(narrow), wide).reshape(-1)
    return np.asarray(b[rows])


class Linear:
    """The tape of one trial, in float64.

    Attributes:
        nodes: the Tensors, in the order in which they were computed.
        columns: for each differentiated input its columns in a Jacobian.
        rows: the cotangents, (k, output.size); a few tell as much as the unit vectors, as nobody chose them.
        got: the gradients that the backward returns for them, (k, N).
        truth: the true ones.
        jacobians: for each node that of the node by the inputs, (node.size, N).
        adjoints: for each node the true gradients of the node, (k, node.size).
        shares: for each edge what it adds to the gradients of its input.
        locals: for each edge its Local.
    """

    def __init__(self, trial: Trial, verify: bool = True) -> None:
        inputs = [x.astype(np.float64) if getattr(x, "dtype", bool) == np.float32 else x for x in trial.inputs]
        self.trial, self.able = trial, trial.able
        if sum(np.size(inputs[i]) for i in trial.able) > LONGEST:
            raise Untraceable("there are too many entries")
        output, self.inputs = trace(trial.truth, inputs, trial.able)
        self.nodes = tape(output)
        self.at = {node: i for i, node in enumerate(self.nodes)}
        self.output = self.at[output]
        self.edges = [
            Edge(i, k, self.at[x])
            for i, node in enumerate(self.nodes)
            if node.differentiable
            for k, x in enumerate(node.inputs)
            if type(x) is Tensor and x.differentiable
        ]
        size = sum(self.nodes[e.node].size * (self.nodes[e.node].size + self.nodes[e.input].size) for e in self.edges)
        starts = np.cumsum([0, *[np.size(inputs[i]) for i in self.able]])
        self.columns = {i: slice(*starts[k : k + 2]) for k, i in enumerate(self.able)}
        self.size = int(starts[-1])
        if size > LARGEST:
            raise Untraceable("the tape is too large to be taken apart")
        self.locals = {e: self.local(e) for e in self.edges}
        self.rows = cotangents(trial)
        # What cancels altogether (the largest entry that a softmax subtracts) would not, if a path beside it were cut.
        dead = self.cancelled()
        self.edges = [e for e in self.edges if not {e.node, e.input} & dead]
        self.jacobians = self.forwards(self.locals)
        self.adjoints = self.backwards(self.locals)
        self.shares = {e: self.locals[e].after(self.adjoints[e.node]) for e in self.edges}
        self.truth = self.gradients(self.adjoints)
        self.scale = max(abs(self.truth).max(initial=0), 1e-300)
        if not np.isfinite(self.truth).all():
            raise Untraceable("a gradient is not finite")
        self.known = np.ones(self.size, bool)
        if verify:
            self.compare_with_the_numerical_one()
        self.got = self.implied(inputs)
        self.off = (self.got - self.truth) * self.known
        self.limit = CLOSE * max(self.scale, abs(self.got).max(initial=0))

    # ------------------------------------------------------------------------------------------- local Jacobians
    def local(self, e: Edge, values: Sequence[Any] | None = None, y: Any = None, like: Local | None = None) -> Local:
        """The Jacobian of an edge; with other values of the node's inputs, or another output, in its rule.

        `like` is the one with the right values: it says whether the rule works entry by entry.
        """
        node = self.nodes[e.node]
        x, op = node.inputs[e.slot].array, node.op
        values = node.values if values is None else values
        y = node.array if y is None else y
        if not isinstance(op, Operation):
            return self.without_rule(e, values)
        rule = next(r for k, r in enumerate(op.rules) if k == e.slot)

        def pulled(g: Array) -> Array:
            return np.asarray(rule(g, y, *values, **node.params))

        if like is not None and like.diagonal is not None:
            return Local(node.array, x, np.broadcast_to(pulled(np.ones(node.shape)), node.shape))
        one = pulled(np.ones(node.shape)) if like is None else np.zeros(0)
        if one.shape == node.shape and np.broadcast_shapes(one.shape, x.shape) == one.shape:
            g = np.random.default_rng(0).uniform(1, 2, node.shape)
            if np.array_equal(np.isfinite(one), np.isfinite(pulled(g))) and np.allclose(pulled(g), g * one, 1e-12, 0):
                return Local(node.array, x, one)
        matrix = np.zeros((node.size, x.size))
        for row, unit in enumerate(np.eye(node.size)):
            matrix[row] = op.fit(pulled(unit.reshape(node.shape)), node, e.slot).reshape(-1)
        return Local(node.array, x, None, matrix)

    def without_rule(self, e: Edge, values: Sequence[Any]) -> Local:
        node = self.nodes[e.node]
        x = node.inputs[e.slot].array
        matrix = node.op.jacobian(e.slot, values).reshape(node.size, x.size)
        if x.shape == node.shape and not (matrix - np.diag(np.diagonal(matrix))).any():
            return Local(node.array, x, np.diagonal(matrix).reshape(x.shape))
        return Local(node.array, x, None, matrix)

    def forwards(self, links: Mapping[Edge, Local]) -> list[Array]:
        """For each node its Jacobian by the inputs, from the first to the last."""
        found = [np.zeros((node.size, self.size)) for node in self.nodes]
        for i, columns in self.columns.items():
            if (k := self.at.get(self.inputs[i])) is not None:
                found[k][:, columns] = np.eye(self.nodes[k].size)
        for e in self.edges:
            found[e.node] = found[e.node] + links[e].times(found[e.input])
        return found

    def backwards(self, links: Mapping[Edge, Local]) -> list[Array]:
        """For each node its gradients, from the last to the first."""
        found = [np.zeros((len(self.rows), node.size)) for node in self.nodes]
        found[self.output] = self.rows
        for e in reversed(self.edges):
            found[e.input] = found[e.input] + links[e].after(found[e.node])
        return found

    def gradients(self, adjoints: list[Array]) -> Array:
        """Those of the inputs, side by side."""
        found = np.zeros((len(self.rows), self.size))
        for i, columns in self.columns.items():
            if (k := self.at.get(self.inputs[i])) is not None:
                found[:, columns] = adjoints[k]
        return found

    def cancelled(self) -> set[int]:
        """The nodes on which the output does not depend, although paths lead from them to it."""
        adjoints, terms = self.backwards(self.locals), np.zeros(len(self.nodes))
        for e in self.edges:
            terms[e.input] += self.locals[e].size().after(abs(adjoints[e.node])).max(initial=0)
        return {i for i, a in enumerate(adjoints) if abs(a).max(initial=0) <= 1e-12 * terms[i] != 0}

    def between(self, start: int) -> dict[int, Array]:
        """The Jacobian by one node of all that were computed from it."""
        found = {start: np.eye(self.nodes[start].size)}
        for e in self.edges:
            if e.input in found and e.node > start:
                step = self.locals[e].times(found[e.input])
                found[e.node] = found[e.node] + step if e.node in found else step
        return found

    # ------------------------------------------------------------------------------------------- what is returned
    def implied(self, inputs: list[Any]) -> Array:
        """The gradients that the backward returns; of an input that gets none of its shape, the true ones."""
        found = returned(self.trial, inputs, self.rows)
        return np.hstack([found.get(i, self.truth[:, columns]) for i, columns in self.columns.items()])

    def compare_with_the_numerical_one(self) -> None:
        """Where forward takes numbers off the tape, the tape is not the truth."""
        for i, columns in self.columns.items():
            found = self.trial.compare(i)
            self.known[columns] = ~found.kinks  # there any slope between two is right
            off = abs(self.truth[:2, columns] - found.true.astype(np.float64))
            slack = found.allowed.astype(np.float64) + 1e-6 * (found.terms.astype(np.float64) + self.scale)
            if not ((off <= slack) | found.kinks).all():
                raise Untraceable("the tape of forward is not all of it")

    # ------------------------------------------------------------------------------------------------- comparing
    def change(self, changed: Mapping[Edge, Local]) -> Array:
        """By how much the gradients would be off, with other Jacobians at these edges."""
        behind = 0
        for node in {e.node for e in changed}:
            behind |= self.behind[node]
        if any(behind >> e.input & 1 for e in changed):  # one of them is on the way to another
            return (self.gradients(self.backwards({**self.locals, **changed})) - self.truth) * self.known
        parts = (
            (new.after(self.adjoints[e.node]) - self.shares[e]) @ self.jacobians[e.input] for e, new in changed.items()
        )
        return np.asarray(sum(parts) * self.known)

    @cached_property
    def behind(self) -> list[int]:
        """For each node those that were computed from it, and itself, as bits."""
        found = [1 << i for i in range(len(self.nodes))]
        for e in reversed(self.edges):
            found[e.input] |= found[e.node]
        return found

    def explained(self, change: Array, i: int) -> bool:
        """Whether the gradient of input i is off by this."""
        columns = self.columns[i]
        return bool((abs(change[:, columns] - self.off[:, columns]) <= self.limit).all())


def cotangents(trial: Trial) -> Array:
    """Those of the trial, and others of fresh signs, as rows."""
    size, random = trial.y.size, np.random.default_rng((trial.case.seed, 7))
    others = random.uniform(0.5, 2, (min(2, size - 1), size)) * random.choice([-1, 1], (min(2, size - 1), size))
    return np.vstack([trial.cotangents.reshape(2, -1), others * trial.finite.reshape(-1)]).astype(np.float64)


def returned(trial: Trial, inputs: Sequence[Any], rows: Array) -> dict[int, Array]:
    """The gradients that a backward makes of the rows of a matrix, for each input that gets some of its shape.

    Raises:
        Untraceable: there are too many entries, or something is not finite.
    """
    if len(rows) > LONGEST or len(rows) * sum(np.size(inputs[i]) for i in trial.able) > LARGEST:
        raise Untraceable("the Jacobian is too large")
    calls = [trial.pull(row.reshape(trial.y.shape), inputs) for row in rows]
    found: dict[int, Array] = {}
    for i in trial.able:
        parts: list[Any] = [grads[i] if i < len(grads) else None for grads in calls]
        if all(part is not None and part.shape == np.shape(inputs[i]) for part in parts):
            found[i] = as_floats(np.stack(parts).reshape(len(rows), -1)).astype(np.float64)
            if not np.isfinite(found[i]).all():
                raise Untraceable("a gradient is not finite")
    return found
