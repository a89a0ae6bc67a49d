"""What the properties are tried on: for every operation of the registry, inputs that it is defined on.

Nothing here knows a particular operation. A block in ``minigrad/ops/`` says what it takes (its signature, domain and
params), and `calls` draws from that.
"""

from __future__ import annotations

import functools
import inspect
import math
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


@functools.cache
def grid(low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """The eighths in the open interval (low, high), simplest first; the halves so often that many numbers are equal."""
    eighths = np.array(sorted(range(-BOUND * GRID, BOUND * GRID + 1), key=lambda i: (i % GRID > 0, abs(i), -i))) / GRID
    inside = eighths[(low < eighths) & (eighths < high)]
    halves = inside[inside * 2 % 1 == 0]
    return np.concatenate([*[halves] * (len(inside) // max(len(halves), 1)), inside])


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...], dtype: Any, values: np.ndarray) -> np.ndarray:
    """An array of any of `values` (at most 256), shrinking towards the first. It is one draw, which is fast."""
    choices = np.frombuffer(draw(bytes_of(math.prod(shape))), np.uint8)
    return np.asarray(values)[choices % len(values)].astype(dtype).reshape(shape)


@functools.cache
def bytes_of(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


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


@functools.cache
def shapes(signature: str, batched: bool, least: int) -> st.SearchStrategy[Any]:
    """A shape for each input: all broadcasting patterns, no axes, and axes of any length from `least`."""
    sides: dict[str, Any] = {"min_side": least, "max_side": 3, "max_dims": 3 if batched else 0}
    if set(signature) <= set("()->,"):
        drawn = hnp.mutually_broadcastable_shapes(num_shapes=signature.count("(") - 1, **sides)
    else:
        drawn = hnp.mutually_broadcastable_shapes(signature=signature, **sides)
    return drawn.map(lambda drawn: drawn.input_shapes)


def fits(shape: tuple[int, ...], params: dict[str, Any]) -> bool:
    """Whether the axes in `params` exist."""
    axis = params.get("axis")
    return axis is None or all(-len(shape) <= i < len(shape) for i in np.atleast_1d(axis))


# Drawn again and again: strategies that are made once are validated once.
seeds = st.integers(0, 2**32)
flags = st.booleans()
layouts = st.sampled_from(LAYOUTS)
one_in_four = st.sampled_from([False, False, False, True])
dtypes = st.sampled_from(FLOATS)
dtypes_or_each_its_own = st.sampled_from([*FLOATS, None])


@st.composite
def calls(draw: st.DrawFn, operation: Any) -> Call:
    """Any use of `operation` that it is defined for."""
    kinds = inputs_of(operation, draw(st.integers(0, 2)) if operation.variadic else 0)
    params = draw(st.sampled_from(operation.params)) if len(operation.params) > 1 else operation.params[0]
    indexed = any(isinstance(kind.domain, str) for kind in kinds)  # then there is an entry for each index
    least = 0 if not indexed and draw(one_in_four) else 1
    signature = ",".join(f"({','.join(kind.axes)})" for kind in kinds) + "->()"
    drawn = draw(shapes(signature, broadcasts(operation), least).filter(lambda drawn: fits(drawn[0], params)))
    lengths = {
        name: n
        for kind, shape in zip(kinds, drawn, strict=True)
        for name, n in zip(reversed(kind.axes), reversed(shape), strict=False)
    }
    dtype = draw(dtypes_or_each_its_own)

    inputs: list[np.ndarray | None] = []
    for kind, shape in zip(kinds, drawn, strict=True):
        if kind.optional and draw(one_in_four):
            inputs.append(None)
            continue
        if kind.domain is bool:
            array = draw(arrays(shape, bool, np.array([False, True])))
        elif isinstance(kind.domain, str):
            array = draw(arrays(shape, np.int64, np.arange(lengths[kind.domain])))
        else:
            interval = () if callable(kind.domain) else kind.domain
            array = draw(arrays(shape, dtype or draw(dtypes), grid(*interval)))
            array = kind.domain(array) if callable(kind.domain) else array
        inputs.append(arranged(array, draw(layouts)))

    able = [i for i, a in enumerate(inputs) if a is not None and a.dtype.kind == "f"]
    leaves = tuple(able)
    if len(able) > 1 and draw(flags):
        chosen = draw(st.integers(1, 2 ** len(able) - 1))  # a bit for each of them, at least one set
        leaves = tuple(i for bit, i in enumerate(able) if chosen >> bit & 1)
    return Call(tuple(inputs), params, leaves, draw(flags), draw(seeds))
