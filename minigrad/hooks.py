"""What happens to a cotangent when it has arrived at a tensor: `Tensor.register_hook` and `Tensor.retain_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

Hook = Callable[[Any], Any]


class Hooks:
    """The hooks of one tensor, called in the order in which they were registered; then the gradient is retained."""

    def __init__(self) -> None:
        self.functions: dict[object, Hook] = {}
        self.retain = False

    def add(self, hook: Hook) -> Handle:
        handle = Handle(self, object())
        self.functions[handle.key] = hook
        return handle

    def __call__(self, t: Tensor, g: Any) -> Any:
        for hook in tuple(self.functions.values()):
            new = hook(g)
            if new is not None:
                if np.shape(new) != t.shape:
                    raise ValueError(f"a hook returned shape {np.shape(new)} for a tensor of shape {t.shape}")
                g = new
        if self.retain:
            kept = np.asarray(g.array if hasattr(g, "array") else g)
            t.grad = kept.copy() if t.grad is None else np.asarray(t.grad + kept)
        return g


class Handle(NamedTuple):
    """What register_hook returns; ``remove()`` takes the hook off again."""

    hooks: Hooks
    key: object

    def remove(self) -> None:
        self.hooks.functions.pop(self.key, None)
