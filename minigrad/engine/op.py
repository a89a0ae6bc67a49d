"""What the operation of a node answers: to the engine, and to the views and checks that read a tape.

There are five kinds. An `Operation` is a row of the derivative table, one object for all of its calls (`ops/`); an
`Application` is one call of a student's `Function`, and a `Part` one of its outputs, where there are several
(`outputs.py`); a `Lost` stands for what a student kept and the tape does not know (`rerun.py`); a `Draw` is chance in a
program (`program/`). Who reads a tape asks this protocol, and never which of them it has before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

NO_DEFAULTS: dict[str, Any] = {}


class Op:
    """The operation of a node.

    Attributes:
        name: what it is called.
        formula: its definition, one line of mathematics first; "" where nobody wrote one.
        student: the `Function` that it is a call of, None for an operation of the library.
        has_constants: whether no derivative passes to some of the inputs.
        owns_results: whether a rule returns the cotangent, a view or fresh memory, and never an array that somebody
            else will keep. A student may return what was saved, or one array for two inputs.
        onto: None, or ``onto(total, g, *inputs, **params)``, which adds the cotangent of the first input to `total`, in
            place, and returns whether it did: where that costs less than a cotangent of its own, most of it zeros.
        plain: the types of inputs that are no Tensors and enter `forward` as they are; `constant` sees to the others.
        defaults: the static arguments that have a default.
        signature: the shapes of inputs and output in gufunc notation, "?" where nobody wrote one.
        batched: whether axes before those of the signature broadcast.
        variadic: whether the last name in `inputs` stands for any number of inputs.
    """

    __slots__ = ()
    name: str
    formula = ""
    student: Any = None
    has_constants = False
    owns_results = True
    onto: Any = None
    plain: frozenset[Any] = frozenset()
    defaults: dict[str, Any] = NO_DEFAULTS
    signature = "?"
    batched = variadic = False

    def constant(self, x: Any, position: int) -> Any:
        """An input that is neither a Tensor nor of a `plain` type, as `forward` takes it."""
        return x

    def forward(self, *values: Any, **params: Any) -> Any:
        """The array that the operation makes of arrays and numbers."""
        raise NotImplementedError(f"{self.name} does not run again")

    def partials(
        self, node: Any, wanted: Callable[[Any], bool], g: Any, y: Any, inputs: Sequence[Any]
    ) -> Sequence[Any]:
        """The cotangents of the inputs of `node`, given its own, `g`; None for those not `wanted`.

        On arrays `y` and `inputs` are the output and the values; in a recorded sweep all are Tensors.
        """
        raise NotImplementedError

    def fit(self, partial: Any, node: Any, i: int) -> Any:
        """`partial`, as `partials` returned it for input i, in the shape and dtype of that input."""
        return partial

    def send(self, node: Any, g: Any, position: int) -> np.ndarray[Any, Any]:
        """The vector-Jacobian product of one edge: what a cotangent `g` of `node` contributes to one input."""
        x = node.inputs[position]
        partials = self.partials(node, lambda one: one is x, np.array(g), node.array, node.values)
        return np.asarray(self.fit(partials[position], node, position))

    def again(self, values: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Run on other values; what the tape needs for its backward stays as it is."""
        return self.forward(*values, **params)

    def fresh(self) -> Op:
        """The function that records another call of the same operation."""
        return self

    def input_names(self, count: int) -> list[str]:
        """The names that the definition has for the first `count` inputs."""
        return [f"input{i}" for i in range(count)]

    def rule_of(self, position: int) -> Callable[..., Any] | None:
        """The function that makes the cotangent of one input, or a student's whole backward; None without a rule."""
        return None

    @property
    def code(self) -> Callable[..., Any] | None:
        """The function whose source is the forward."""
        return None

    def kept(self) -> list[np.ndarray[Any, Any]]:
        """The arrays that it keeps for backward beside its inputs and its output."""
        return []
