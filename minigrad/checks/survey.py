"""What there is on a true tape for a mistake to be about: places, values and functions, each with a name.

Keys find the same thing again on the tape of another draw, where loops may have other lengths.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.linear import Edge, Linear, Local, stretched
from minigrad.checks.trial import Trial
from minigrad.engine.names import assigned_to
from minigrad.engine.places import Place
from minigrad.ops.registry import REGISTRY
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]
Key = tuple[Any, ...]
Slope = Callable[[Array, Array], Array]

OWN = os.path.dirname(__file__)  # where a function is called that has no lines of its own, as those of NumPy
SHORT = 44  # characters of an expression that is quoted
FEW = 8  # edges of one place in the code that are looked at one by one; those of a longer loop only together


def unary() -> Iterator[tuple[str, tuple[Callable[[Array], Array], Slope]]]:
    """Functions of one argument by their names: the function, and its derivative given input and output."""
    for name in ("sigmoid", "tanh", "exp", "log", "sin", "cos", "tan", "arctan", "expm1", "log1p", "relu", "abs"):
        operation = REGISTRY[name]
        (rule,) = operation.rules
        yield name, (operation.forward, partial(by_rule, rule))
    yield "exp2", (np.exp2, lambda x, y: y * np.log(2))
    yield "log2", (np.log2, lambda x, y: 1 / (x * np.log(2)))
    yield "log10", (np.log10, lambda x, y: 1 / (x * np.log(10)))
    yield "softplus", (lambda x: np.logaddexp(0, x), lambda x, y: 1 / (1 + np.exp(-x)))
    for p in (2, 3, 4, 5, 6, -1, -2, 0.5, -0.5):
        yield f"**{p:g}", (partial(power, p), partial(power_slope, p))


def by_rule(rule: Any, x: Array, y: Array) -> Array:
    return np.asarray(rule(np.ones(np.shape(x)), y, x))


def power(p: float, x: Array) -> Array:
    return np.asarray(x**p)


def power_slope(p: float, x: Array, y: Array) -> Array:
    return np.asarray(p * x ** (p - 1))


UNARY = dict(unary())


class Link(NamedTuple):
    """A function of one argument, in one step or in several: the node v is f of the node u, entry by entry."""

    u: int
    v: int
    name: str
    slope: Array


class Survey(Linear):
    """A tape with its places, its values and its functions.

    Attributes:
        keys: of the nodes, in their order.
        places: edges that a mistake may be at: one, all of a line in a loop, all that lead to one node.
    """

    def __init__(self, trial: Trial, verify: bool = True) -> None:
        super().__init__(trial, verify)
        numbers: dict[Key, int] = defaultdict(int)
        self.keys: list[Key] = []
        for node in self.nodes:
            position = next((k for k, x in enumerate(self.inputs) if x is node), None)
            key: Key = ("input", position) if position is not None else (node.made_at, node.op and node.op.name)
            self.keys.append((*key, numbers[key]))
            numbers[key] += 1
        self.position = {key: i for i, key in enumerate(self.keys)}
        self.said: dict[int, str] = {}
        self.places = self.found_places()

    def found_places(self) -> dict[Key, list[Edge]]:
        places: dict[Key, list[Edge]] = {}
        together: dict[Key, list[Edge]] = defaultdict(list)
        leading: dict[int, list[Edge]] = defaultdict(list)
        for e in self.edges:
            link, before = self.locals[e], self.jacobians[e.input]  # a mask may be closed everywhere
            if before.any() and (link.diagonal is not None or link.times(before).any()):
                node = self.nodes[e.node]
                if node.op.name != "multiply" or node.inputs[0] is not node.inputs[1]:  # x * x is one place, not two
                    together[(*self.keys[e.node][:-1], e.slot)].append(e)
                leading[e.node].append(e)
        for key, edges in together.items():
            if len(edges) <= FEW:
                places |= {(*self.keys[e.node], e.slot): [e] for e in edges}
            if len(edges) > 1:
                places[(*key, "all")] = edges
        return places | {(*self.keys[i], "node"): edges for i, edges in leading.items() if len(edges) > 1}

    # ------------------------------------------------------------------------------------------------------ values
    @cached_property
    def values(self) -> dict[Key, Array]:
        """The arrays and the numbers of the tape."""
        found: dict[Key, Array] = {}
        for position, x in enumerate(self.inputs):
            if isinstance(x, np.ndarray) and x.dtype.kind in "fb":
                found["input", position, 0] = x
        for key, node in zip(self.keys, self.nodes, strict=True):
            if node.array.dtype.kind in "fb" and (key[-1] < FEW or node.op is None):
                found[key] = node.array
            for slot, (x, value) in enumerate(zip(node.inputs, node.values, strict=True)):
                if type(x) is Tensor or not isinstance(value, np.ndarray | float | int) or key[-1] >= FEW:
                    continue
                constant = np.asarray(value)
                if constant.dtype.kind in "fbi" and not any(v is value for v in found.values()):
                    found[*key, slot] = constant
        return found

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Lengths of axes, and products of them, by their names."""
        lengths = dict(self.trial.case.lengths)
        if not lengths:
            for name, x in zip(self.trial.names, self.trial.inputs, strict=True):
                lengths |= {f"{name}.shape[{k}]": n for k, n in enumerate(np.shape(x))}
        y = self.nodes[self.output].array
        lengths |= {f"y.shape[{k}]": n for k, n in enumerate(y.shape) if n not in lengths.values()}
        found: dict[str, int] = {}
        for count in (1, 2, 3):
            for names in combinations(lengths, count):
                if (n := math.prod(lengths[name] for name in names)) > 1:
                    found.setdefault("·".join(names), n)
        return found

    @cached_property
    def functions(self) -> dict[Key, Link]:
        """Where one node is a known function of another; the longest stretches first."""
        found = []
        for u, x in enumerate(self.nodes):
            if x.array.dtype.kind != "f" or not x.differentiable or self.keys[u][-1] >= FEW or not x.size:
                continue
            reached: dict[int, Array] = {}
            alike = [v for v in range(u + 1, len(self.nodes)) if self.nodes[v].shape == x.shape]
            for name, (f, slope) in UNARY.items() if alike else ():
                y = f(x.array)
                for v in alike if not np.array_equal(x.array, y) else ():  # of which it may be any
                    node = self.nodes[v]
                    a, b = float(y.flat[0]), float(node.array.flat[0])
                    if abs(a - b) > 1e-10 * abs(a) or not (abs(y - node.array) <= 1e-12 * abs(y) + 1e-14).all():
                        continue
                    reached = reached or self.between(u)
                    d = np.asarray(slope(x.array, node.array))
                    if v in reached and (abs(reached[v] - np.diag(d.reshape(-1))) <= 1e-9 * abs(d).max()).all():
                        found.append(Link(u, v, name, d))
        found.sort(key=lambda link: link.u - link.v)
        return {(self.keys[link.u], self.keys[link.v], link.name): link for link in found}

    def inside(self, v: int) -> bool:
        """Whether a node is the last step of a function with a name, as the quotient of a sigmoid."""
        named = (k for k in self.functions.values() if not k.name.startswith("**"))
        return any(k.v == v and all((e.node, e.input) != (k.v, k.u) for e in self.edges) for k in named)

    # ------------------------------------------------------------------------------------------------------- names
    def called(self, key: Key) -> str:
        """A value in words: an input's or a variable's name, an expression, or a number."""
        if key[0] == "input":
            return str(self.trial.names[key[1]])
        if key in self.position:
            return self.name(self.position[key])
        value = self.values[key]
        i = self.position[key[:-1]]
        return f"{float(value.reshape(())):g}" if value.size == 1 else f"a constant of {self.expression(i)}"

    def name(self, i: int) -> str:
        if self.keys[i][0] == "input":
            return str(self.trial.names[self.keys[i][1]])
        return self.variable(i) or self.expression(i)

    def variable(self, i: int) -> str:
        made_at = self.nodes[i].made_at
        own = self.nodes[i].op is None or Place.of(made_at).file.startswith(OWN)
        name = "" if own else assigned_to(made_at)
        return name if name.isidentifier() else ""

    def expression(self, i: int) -> str:
        """The user's expression that made a node, if it is short; else the operation."""
        node, place = self.nodes[i], Place.of(self.nodes[i].made_at)
        text = "" if place.file.startswith(OWN) else place.text
        return text if 0 < len(text) <= SHORT else f"the {node.op.name}" if node.op is not None else "a constant"

    def where(self, i: int) -> str:
        """A node with its line."""
        if i not in self.said:
            text, variable = self.expression(i), self.variable(i)
            if variable:
                text = variable if text.startswith("the ") else f"{variable} = {text}"
            text, place = text if text.startswith("the ") else f"`{text}`", Place.of(self.nodes[i].made_at)
            self.said[i] = text if place.file.startswith(OWN) else f"{text} (line {place.line})"
        return self.said[i]

    def operand(self, i: int, slot: int) -> str:
        x, value = self.nodes[i].inputs[slot], self.nodes[i].values[slot]
        if type(x) is Tensor:
            while x.op is not None and x.made_at == self.nodes[i].made_at and x.size == np.size(x.values[0]):
                x = x.inputs[0]  # reshaped on the way, in one expression with the node
            return self.name(self.at[x])
        return f"{float(np.reshape(value, ())):g}" if np.size(value) == 1 else self.constant_name(i, slot)

    def constant_name(self, i: int, slot: int) -> str:
        value = self.nodes[i].values[slot]
        names = [n for n, x in zip(self.trial.names, self.inputs, strict=True) if x is value]
        return names[0] if names else f"the constant of {self.expression(i)}"

    def function_name(self, link: Link) -> str:
        """A function with its place: in one step it is called as the code calls it."""
        if any(e.node == link.v and e.input == link.u for e in self.edges):
            return self.where(link.v)
        return f"the {spelled(link.name)} of `{self.name(link.u)}`, {self.where(link.v)}"

    def through(self, edges: Sequence[Edge]) -> tuple[str, str]:
        """A stretch of the tape in words, and the name of what lies on it."""
        inner = sorted({e.input for e in edges if self.nodes[e.input].op is not None})
        last = max(edges)
        if not inner:
            return f"`{self.name(last.input)}` in {self.where(last.node)}", f"`{self.name(last.input)}`"
        shown = [i for i in inner if self.variable(i)]
        shown += [inner[-1]] if inner[-1] not in shown else []
        functions = {k.name for k in self.functions.values() if k.v in inner and not k.name.startswith("**")}
        words = [self.where(i) for i in shown[-3:]]
        words[-1] += f" (with {', '.join(sorted(functions))} on it)" if functions else ""
        end = last.node
        while not self.variable(end) and len(after := [e.node for e in self.edges if e.input == end]) == 1:
            end = after[0]
        into = f", on the way to `{self.variable(end)}`," if self.variable(end) else ""
        return " and ".join(words) + into, f"`{self.name(inner[-1])}`"

    # ------------------------------------------------------------------------------------- what could be the reason
    def explains(self, change: Array, i: int, proportional: bool) -> bool:
        if abs(change[:, self.columns[i]]).max(initial=0) <= self.limit:
            return False
        return self.explained(change, i) and (proportional or not self.is_proportional(i))

    def is_proportional(self, i: int) -> bool:
        """Whether the gradient of an input is the true one but for a number: then anything on its way may be."""
        off, truth = self.off[:, self.columns[i]], self.truth[:, self.columns[i]]
        weight = float((truth * truth).sum())
        c = float((off * truth).sum()) / weight if weight else 0.0
        return bool((abs(off - c * truth) <= self.limit).all())

    def possible(self, e: Edge, wrong: Sequence[int]) -> bool:
        """Whether other numbers at an edge, whatever they are, could explain the gradient of a wrong input."""
        if e not in self.tried:
            link, a, b = self.locals[e], self.adjoints[e.node], self.jacobians[e.input]
            if link.diagonal is not None:
                self.solvable(e, a, stretched(b, link.x.shape, link.node.shape), wrong)
            else:
                self.tried[e] = any(self.spans(a, b[:, self.columns[i]], self.off[:, self.columns[i]]) for i in wrong)
        return self.tried[e]

    @cached_property
    def tried(self) -> dict[Key, bool]:
        return {}

    @cached_property
    def needed(self) -> dict[Key, list[Array]]:
        """By how much the diagonal at an edge, or of a function, has to be off: the only answer for each input."""
        return {}

    def solvable(self, key: Key, a: Array, b: Array, wrong: Sequence[int]) -> bool:
        """Whether some a diag(δ) b is by how much the gradient of a wrong input is off (least squares for δ)."""
        left, found, unique = a.T @ a, [], True
        for i in wrong:
            part, off = b[:, self.columns[i]], self.off[:, self.columns[i]]
            if not part.any():
                continue
            delta, _, rank, _ = np.linalg.lstsq(left * (part @ part.T), ((a.T @ off) * part).sum(axis=1), rcond=1e-13)
            if abs(a @ (delta[:, None] * part) - off).max() <= 1e-4 * abs(off).max():
                found.append(delta)
                unique = unique and rank == delta.size
        if found and unique:
            self.needed[key] = found
        self.tried[key] = bool(found)
        return self.tried[key]

    def ruled_out(self, key: Key, delta: Array) -> bool:
        """Whether it is known that a diagonal has to be off by something else."""
        delta = delta.reshape(-1)
        return key in self.needed and not any(
            (abs(delta - need) <= 1e-2 * abs(need).max()).all() for need in self.needed[key]
        )

    def spans(self, a: Array, b: Array, off: Array) -> bool:
        """Whether some a M b is `off`."""
        if not b.any():
            return False
        left = off - a @ (np.linalg.pinv(a, 1e-11) @ off)
        right = off - (off @ np.linalg.pinv(b, 1e-11)) @ b
        return bool(max(abs(left).max(), abs(right).max()) <= 1e-5 * abs(off).max())

    # ---------------------------------------------------------------------------------------- other local Jacobians
    def with_diagonal(self, e: Edge, diagonal: Any) -> Local:
        link = self.locals[e]
        return Local(link.node, link.x, np.broadcast_to(diagonal, link.node.shape))

    def to_the_power(self, e: Edge, p: int) -> Local:
        return self.with_diagonal(e, np.asarray(self.locals[e].diagonal) ** float(p))

    def weighted(self, e: Edge, key: Key, power: int, f: Callable[[Array], Array] = np.positive) -> Local | None:
        """The Jacobian of an edge whose cotangent was multiplied with (a function of) a value, or divided by it."""
        link, w = self.locals[e], self.values.get(key)
        if w is None or not fits_into(w.shape, link.node.shape):
            return None
        factor = f(np.broadcast_to(w, link.node.shape).astype(float)) ** float(power)
        if link.diagonal is not None:
            return self.with_diagonal(e, link.diagonal * factor)
        return Local(link.node, link.x, None, factor.reshape(-1, 1) * link.matrix)

    def with_value(self, e: Edge, slot: int, w: Any) -> Local | None:
        """The Jacobian of an edge whose rule is given another value: of an input of the node, or of the node itself."""
        node = self.nodes[e.node]
        values = [*node.values, node.array]
        by_entries = self.locals[e].diagonal is not None and fits_into(np.shape(w), node.shape)
        if w is not None and np.shape(w) != np.shape(values[slot]) and not by_entries:
            return None
        values[slot] = w
        return self.local(e, values[:-1], values[-1], like=self.locals[e])

    def with_value_of(self, e: Edge, slot: int, key: Key, transposed: bool = False) -> Local | None:
        """The same with a value of the tape, or with its transpose."""
        w = self.values.get(key)
        return None if w is None else self.with_value(e, slot, w.T if transposed else w)

    def square_matrix(self, e: Edge, make: Callable[[Array], Array]) -> Local | None:
        link = self.locals[e]
        return Local(link.node, link.x, None, make(link.matrix)) if link.node.size == link.x.size else None

    def again(self, i: int, computed: Callable[[Tensor], Array]) -> Array:
        """The gradients of a forward that is computed anew, node i in another way."""
        kept = [(node.array, node.values) for node in self.nodes]
        try:
            for k, node in enumerate(self.nodes):
                if node.op is None:
                    continue
                node.values = [
                    x.array if type(x) is Tensor and x in self.at else old
                    for x, old in zip(node.inputs, node.values, strict=True)
                ]
                node.array = computed(node) if k == i else np.asarray(node.op.forward(*node.values, **node.params))
            return self.gradients(self.backwards({e: self.local(e, like=self.locals[e]) for e in self.edges}))
        finally:
            for node, (array, values) in zip(self.nodes, kept, strict=True):
                node.array, node.values = array, values


def spelled(name: str) -> str:
    return f"x{name}" if name.startswith("**") else name


def fits_into(narrow: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    new = len(wide) - len(narrow)
    return new >= 0 and all(n in (1, m) for n, m in zip(narrow, wide[new:], strict=True))
