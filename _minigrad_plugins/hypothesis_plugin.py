"""What Hypothesis knows of minigrad's types: ``from_type(minigrad.Tensor)``, and shapes and dtypes to draw.

Hypothesis calls `register` when it is imported; minigrad does when it is imported behind Hypothesis. Neither imports
the other.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

TYPES = (
    ("minigrad", "Tensor", "tensors"),
    ("minigrad.testing", "Shape", "shapes"),
    ("minigrad.testing", "DType", "dtypes"),
)


def register() -> None:
    """Register a strategy for each type whose module has been imported."""
    from hypothesis.strategies import register_type_strategy

    for module, name, strategy in TYPES:
        if found := getattr(sys.modules.get(module), name, None):
            register_type_strategy(found, partial(made, strategy))


def made(strategy: str, _: type) -> Any:
    """The strategy of that name: the module is imported when one is drawn from."""
    from minigrad.checks import strategies

    return getattr(strategies, strategy)()
