"""What the properties are tried on: for every operation of the registry, inputs that it is defined on.

Nothing here knows a particular operation. A block in ``minigrad/ops/`` says what it takes (its signature, domain and
params), and `calls` draws from that. The arrays are those of `minigrad.checks.strategies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minigrad.checks.cases import Form
from minigrad.checks.strategies import FLOATS, LAYOUTS, cases, grid, laid_out, layouts, one_in_four
from minigrad.checks.strategies import of_values as arrays

__all__ = ["FLOATS", "LAYOUTS", "Call", "arrays", "calls", "grid", "laid_out"]


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


@st.composite
def calls(draw: st.DrawFn, operation: Any, dtypes: Sequence[Any] = (*FLOATS, None)) -> Call:
    """Any use of `operation` that it is defined for."""
    params = draw(st.sampled_from(operation.params)) if len(operation.params) > 1 else operation.params[0]
    form = Form.of(operation, params, more=draw(st.integers(0, 2)) if operation.variadic else 0)
    indexed = any(isinstance(domain, str) for domain in form.domains)  # then there is an entry for each index
    least = 0 if not indexed and draw(one_in_four) else 1
    case = draw(cases(form, dtypes, least))
    inputs = tuple(a if a is None else laid_out(a, draw(layouts)) for a in case.inputs)

    able = [i for i, a in enumerate(inputs) if a is not None and a.dtype.kind == "f"]
    leaves = tuple(able)
    if len(able) > 1 and draw(st.booleans()):
        chosen = draw(st.integers(1, 2 ** len(able) - 1))  # a bit for each of them, at least one set
        leaves = tuple(i for bit, i in enumerate(able) if chosen >> bit & 1)
    return Call(inputs, params, leaves, draw(st.booleans()), case.seed)
