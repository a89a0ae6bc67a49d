"""Why an entry of a gradient is what it is: backpropagation as a sum over paths."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.names import line
from minigrad.engine.words import number
from minigrad.tensor import Tensor
from minigrad.views.steps import Array, Trace, traced

MOST = 256  # paths that are all followed
WIDEST = 16  # of more, those that are followed beyond each node
ENTRIES = 4096  # of the last node before x, whose shares are told one by one


class Term(NamedTuple):
    """The share of one entry of the last node before x: ``derivative * cotangent``."""

    entry: tuple[int, ...]
    derivative: float
    cotangent: float

    @property
    def value(self) -> float:
        return self.derivative * self.cotangent


class Path(NamedTuple):
    """A chain of nodes from the output to x, and what it contributes; `terms` are all that are not zero."""

    contribution: float
    nodes: tuple[Tensor, ...]
    terms: list[Term] | None


class Explanation:
    """An entry of a gradient as a sum over paths; `str` and `print` give text.

    Attributes:
        entry: the entry of the gradient, as the sweep computes it.
        paths: those that were followed, the largest contribution first.
        count: how many paths there are.
        total: the sum of the contributions of `paths`; all of `entry`, to rounding, if `paths` are all.
    """

    def __init__(self, trace: Trace, x: Tensor, index: Any, paths: int = 5, terms: int = 5) -> None:
        if trace.failure is not None:
            raise trace.failure
        if type(x) is not Tensor or x not in trace.cotangents:
            on_tape = type(x) is Tensor and x in trace.number
            what = trace.name[x] if on_tape else f"a {type(x).__name__} that is not on its tape"
            raise RuntimeError(f"explain: no derivative leads from {trace.name[trace.output]} to {what}")
        self.trace, self.x, self.index = trace, x, position_in(x, index, trace.name[x])
        self.shown_paths, self.shown_terms = paths, terms
        self.entry = float(trace.cotangents[x][self.index])
        self.edges: dict[Tensor, list[tuple[int, Tensor]]] = {}  # those that lead to x
        ways = {x: 1}  # the number of paths from each node to x
        for step in reversed(trace.steps):  # an input's own edges come later in the sweep than those that lead to it
            if step.input in ways:
                self.edges.setdefault(step.node, []).append((step.position, step.input))
                ways[step.node] = ways.get(step.node, 0) + ways[step.input]
        self.count = ways[trace.output]
        self.paths = sorted(self.follow(), key=lambda path: -abs(path.contribution))
        self.total = float(sum(path.contribution for path in self.paths))

    def follow(self) -> list[Path]:
        """Follow the paths from the output down the tape; where there are too many, the `WIDEST` best at each node.

        Paths that have come to the same node have the same ways before them, so what they make of the entry, over all
        of these together, tells which of them matter.
        """
        start = self.trace.cotangents[self.trace.output]
        arrived: dict[Tensor, list[Any]] = {self.trace.output: [((self.trace.output,), start, None)]}
        for node in reversed(self.trace.nodes):
            if node is self.x:
                break
            chains = arrived.pop(node, [])
            if self.count > MOST and len(chains) > WIDEST:
                chains = heapq.nlargest(WIDEST, chains, key=lambda chain: abs(self.beyond(chain[0][-1], chain[1])))
            for nodes, g, _ in chains:
                edges = self.edges.get(node, [])
                for position, x in edges:
                    sent = node.op.send(node, g, position)
                    arrived.setdefault(x, []).append(((*nodes, x), sent, (node, position, g)))
        return [
            Path(float(g[self.index]), nodes, [] if edge is None else shares(edge, self.index))
            for nodes, g, edge in arrived[self.x]
        ]

    def beyond(self, node: Tensor, g: Array) -> float:
        """The contribution that all paths from `node` to x make of `g`, together."""
        cotangents = {node: g}
        for at in reversed(self.trace.nodes):
            if at in cotangents and at is not self.x:
                g, edges = cotangents.pop(at), self.edges[at]
                for position, x in edges:
                    sent = at.op.send(at, g, position)
                    cotangents[x] = cotangents[x] + sent if x in cotangents else sent
        return float(cotangents[self.x][self.index])

    def __str__(self) -> str:
        name = self.trace.name
        entry = f"{name[self.x]}{list(self.index) if self.index else ''}"
        paths = "the sum over " + (f"{self.count:,} paths" if self.count > 1 else "one path")
        parts = [f"d {name[self.trace.output]} / d {entry} = {digits(self.entry)}, {paths}"]
        for i, path in enumerate(self.paths[: self.shown_paths], 1):
            chain = " → ".join(name[node] for node in path.nodes)
            parts.append(f"\n{i}.  {digits(path.contribution)}  along {chain}")
            parts += [f"    {described(self.trace, node)}" for node in path.nodes if node.op is not None]
            parts += [f"    {text}" for text in self.listed(path, entry)]
        rest = self.paths[self.shown_paths :]
        if rest:
            more = f"the other {len(rest)} paths, together" if len(rest) > 1 else "the other path"
            parts.append(f"\n    {digits(sum(path.contribution for path in rest))}  {more}")
        several = f"all {self.count} paths" if self.count > 1 else "the path"
        followed = several if len(self.paths) == self.count else f"{len(self.paths)} of {self.count:,} paths"
        parts.append(f"\ntotal of {followed}: {digits(self.total)}; the sweep gives {digits(self.entry)}")
        parts += self.remark()
        return "\n".join(parts)

    def listed(self, path: Path, entry: str) -> list[str]:
        """The largest terms of one path, and the rest in one line."""
        if len(path.nodes) < 2:
            return ["it is the output itself: its cotangent"]
        if path.terms is None:
            return [f"its terms are not listed: {self.trace.name[path.nodes[-2]]} has more than {ENTRIES:,} entries"]
        terms = sorted(path.terms, key=lambda term: -abs(term.value))
        shown, rest = terms[: self.shown_terms], terms[self.shown_terms :]
        name = self.trace.name[path.nodes[-2]]
        texts = [
            f"{name}{list(t.entry) if t.entry else ''}: derivative to {entry} {number(t.derivative)} "
            f"· cotangent {number(t.cotangent)} = {number(t.value)}"
            for t in shown
        ]
        if rest:
            more = f"the other {len(rest):,} entries" if len(rest) > 1 else "the other entry"
            texts.append(f"{more}: {number(sum(t.value for t in rest))}")
        return texts or ["no entry has a share in it"]

    def remark(self) -> list[str]:
        """A sentence on the difference between the paths and the sweep."""
        left = self.entry - self.total
        if len(self.paths) < self.count:
            many = self.count - len(self.paths)
            return [f"not followed: {many:,} paths, {digits(left)} together"]
        size = sum(abs(t.value) for path in self.paths for t in path.terms or ()) + abs(self.entry)
        steps = sum(len(path.nodes) for path in self.paths) + max(x.size for x in self.trace.nodes)
        if abs(left) <= steps * float(np.finfo(self.x.dtype).eps) * size:
            return []
        hooked = [self.trace.name[n] for path in self.paths for n in path.nodes if n.hooks and n.hooks.functions]
        cause = f"a hook on {hooked[0]}" if hooked else "a backward that is not linear in its cotangent"
        return [f"{digits(left)} is on no path: {cause} changes what is sent"]

    def __repr__(self) -> str:
        return str(self)


def shares(edge: tuple[Tensor, int, Array], index: tuple[int, ...]) -> list[Term] | None:
    """For an edge, a node with its cotangent g: which entries of the node have which share in entry `index` of its
    input; None if there are too many to ask.
    """
    node, position, g = edge
    if node.size > ENTRIES:
        return None
    terms = []
    for at in np.ndindex(node.shape):
        one = np.zeros(node.shape, node.dtype)
        one[at] = 1
        derivative = float(node.op.send(node, one, position)[index])
        if derivative and g[at]:
            terms.append(Term(at, derivative, float(g[at])))
    return terms


def position_in(x: Tensor, index: Any, name: str) -> tuple[int, ...]:
    """`index` as a tuple of ints >= 0."""
    given = index if isinstance(index, Sequence) else (index,)
    if len(given) != x.ndim or not all(isinstance(i, int | np.integer) for i in given):
        raise IndexError(f"explain: an entry of {name}, of shape {x.shape}, has {x.ndim} numbers, and got {index!r}")
    if any(not -n <= i < n for i, n in zip(given, x.shape, strict=True)):
        raise IndexError(f"explain: {name} has the shape {x.shape}, and no entry {index!r}")
    return tuple(int(i) % n for i, n in zip(given, x.shape, strict=True))


def described(trace: Trace, node: Tensor) -> str:
    place = node.where
    return f"{trace.name[node]} = {trace.call(node)}    {line(place)}  {place.text}"


def digits(x: float) -> str:
    """A number in ten digits, at which a difference would show."""
    return f"{x:.10g}"


def explain(
    output: Tensor, x: Tensor, index: Any = (), gradient: Any = None, *, paths: int = 5, terms: int = 5
) -> Explanation:
    """Why one entry of a gradient, d output / d x[index], is what it is: the sum over the paths from output to x.

    A path is a chain of tape nodes. Of each the contribution is told and, of the last node before x, which entries
    bring how much of it.

    Args:
        output: a single number, or any tensor with `gradient`, its cotangent.
        x: any tensor on the tape of `output` that a derivative reaches.
        index: which entry of x: an int, a tuple of ints, () for a single number.
        paths, terms: how many to write out, the largest first; what is left out is told as a sum.

    Raises:
        RuntimeError: no derivative leads from output to x.
        IndexError: x has no such entry.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(explain((x * x).sum(), x, 1))  # doctest: +ELLIPSIS
    d t2 / d x[1] = 4, the sum over 2 paths
    <BLANKLINE>
    1.  2  along t2 → t1 → x
        t2 = sum(t1)...
        t1 = multiply(x, x)...
        t1[1]: derivative to x[1] 2 · cotangent 1 = 2
    ...
    """
    return Explanation(traced(output, gradient), x, index, paths, terms)
