"""What the properties are tried on: for every operation of the registry, inputs that it is defined on.

Nothing here knows a particular operation. A block in ``minigrad/ops/`` says what it takes (its signature, domain and
params), and `calls` draws from that.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

GRID = 8  # values are eighths: exact in float32, and often equal, zero or one
BOUND = 3  # within [-3, 3], where no function saturates so far that rounding hides its derivative
FLOATS = np.float32, np.float64


@dataclass(frozen=True)
class Call:
    """One use of an operation.

    Attributes:
        inputs: arrays; None where an optional input is left out.
        params: static arguments.
        leaves: the positions of the inputs that are tensors with requires_grad.
        wrapped: whether the other inputs are Tensors too, or bare arrays.
        seed: for the cotangents.
    """

    inputs: tuple[np.ndarray | None, ...]
    params: dict[str, Any]
    leaves: tuple[int, ...]
    wrapped: bool
    seed: int

    @property
    def unit(self) -> float:
        """The rounding unit of the least precise input."""
        return max((np.finfo(a.dtype).eps for a in self.inputs if a is not None and a.dtype.kind == "f"), default=0.0)

    def cotangent(self, shape: tuple[int, ...], dtype: Any, stream: int = 0) -> np.ndarray:
        """Normal numbers that have nothing to do with the inputs."""
        return np.asarray(np.random.default_rng((self.seed, stream)).normal(size=shape)).astype(dtype)


def grid(low: float = -np.inf, high: float = np.inf) -> st.SearchStrategy[float]:
    """Eighths in the open interval (low, high), half of them whole or half numbers, so that equal values are common."""

    def multiples(step: int) -> st.SearchStrategy[float]:
        first = max(-BOUND * GRID // step, int(np.floor(low * GRID / step)) + 1 if np.isfinite(low) else -(10**9))
        last = min(BOUND * GRID // step, int(np.ceil(high * GRID / step)) - 1 if np.isfinite(high) else 10**9)
        return st.integers(first, last).map(lambda i: i * step / GRID) if first <= last else st.nothing()

    return multiples(GRID // 2) | multiples(1)


def arrays(shape: tuple[int, ...], dtype: Any, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(dtype, shape, elements=elements, fill=st.nothing())


LAYOUTS = "plain", "column-major", "backwards", "every second", "read-only"


def arranged(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values, laid out in memory in another way."""
    if layout == "column-major":
        return np.asfortranarray(array)
    if layout == "backwards":
        return np.flip(np.flip(array).copy())
    if layout == "every second" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "read-only":
        array.flags.writeable = False
    return array


@dataclass(frozen=True)
class Input:
    """What a block says of one input.

    Attributes:
        axes: the axes that the signature names, such as ["n?", "k"]; none if the operation works entry by entry.
        domain: an open interval; bool for a mask; a name of an axis, for integers that index it; or a function that
            maps any array into the domain.
        optional: whether it may be None.
    """

    name: str
    axes: list[str]
    domain: Any
    optional: bool


def inputs_of(operation: Any, more: int = 0) -> list[Input]:
    """The inputs of an operation; if it takes any number of the last one, `more` of that.

    A signature with more inputs than forward has names takes just so many.
    """
    parameters = inspect.signature(operation.forward).parameters
    before, _ = operation.signature.split("->")
    axes = [re.findall(r"[^,]+", names) for names in re.findall(r"\((.*?)\)", before)]
    given = operation.inputs + operation.inputs[-1:] * (len(axes) - len(operation.inputs))
    kinds = [
        Input(name, names, operation.domain.get(name, (-np.inf, np.inf)), parameters[name].default is None)
        for name, names in zip(given, axes, strict=True)
    ]
    return kinds + kinds[-1:] * more if operation.variadic and given == operation.inputs else kinds


def broadcasts(operation: Any) -> bool:
    """Whether axes in front of those of the signature broadcast. Entry by entry they always do."""
    return operation.batched or set(operation.signature) <= set("()->,")


def shapes(operation: Any, kinds: list[Input], least: int) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """A shape for each input: all broadcasting patterns, no axes, axes of length 1 and, now and then, `least`."""
    signature = ",".join(f"({','.join(kind.axes)})" for kind in kinds) + "->()"

    def of_least(side: int) -> st.SearchStrategy[Any]:
        sides: dict[str, Any] = {"min_side": side, "max_side": 3, "max_dims": 3 if broadcasts(operation) else 0}
        if any(kind.axes for kind in kinds):
            return hnp.mutually_broadcastable_shapes(signature=signature, **sides)
        return hnp.mutually_broadcastable_shapes(num_shapes=len(kinds), **sides)

    return st.sampled_from([1, 1, 1, least]).flatmap(of_least).map(lambda drawn: drawn.input_shapes)


def fits(shape: tuple[int, ...], params: dict[str, Any]) -> bool:
    """Whether the axes in `params` exist."""
    axis = params.get("axis")
    return axis is None or all(-len(shape) <= i < len(shape) for i in np.atleast_1d(axis))


@st.composite
def calls(draw: st.DrawFn, operation: Any) -> Call:
    """Any use of `operation` that it is defined for."""
    kinds = inputs_of(operation, draw(st.integers(0, 2)) if operation.variadic else 0)
    least = 1 if any(isinstance(kind.domain, str) for kind in kinds) else 0  # there is an entry for each index
    params = draw(st.sampled_from(operation.params))
    drawn = draw(shapes(operation, kinds, least).filter(lambda drawn: fits(drawn[0], params)))
    lengths = {
        name: n
        for kind, shape in zip(kinds, drawn, strict=True)
        for name, n in zip(reversed(kind.axes), reversed(shape), strict=False)
    }
    dtype = draw(st.sampled_from([*FLOATS, None]))  # None: each input its own

    inputs: list[np.ndarray | None] = []
    for kind, shape in zip(kinds, drawn, strict=True):
        if kind.optional and draw(st.booleans()):
            inputs.append(None)
            continue
        if kind.domain is bool:
            array = draw(arrays(shape, bool, st.booleans()))
        elif isinstance(kind.domain, str):
            array = draw(arrays(shape, np.int64, st.integers(0, lengths[kind.domain] - 1)))
        else:
            interval = () if callable(kind.domain) else kind.domain
            array = draw(arrays(shape, dtype or draw(st.sampled_from(FLOATS)), grid(*interval)))
            array = kind.domain(array) if callable(kind.domain) else array
        inputs.append(arranged(array, draw(st.sampled_from(LAYOUTS))))

    able = [i for i, a in enumerate(inputs) if a is not None and a.dtype.kind == "f"]
    leaves = draw(st.sets(st.sampled_from(able), min_size=1)) if able else ()
    return Call(tuple(inputs), params, tuple(sorted(leaves)), draw(st.booleans()), draw(st.integers(0, 2**32)))
