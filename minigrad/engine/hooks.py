"""What happens to a cotangent when it has arrived at a tensor: `Tensor.register_hook` and `Tensor.retain_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigrad.engine import errors
from minigrad.engine.numeric import as_numeric, cast
from minigrad.engine.state import Watch, tell

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

Hook = Callable[[Any], Any]


class Hooks:
    """The hooks of one tensor, called in the order in which they were registered; then the gradient is retained."""

    def __init__(self) -> None:
        self.functions: dict[object, Hook] = {}
        self.retain = False

    def __bool__(self) -> bool:
        """Whether anybody still asks: a sweep has nothing to do here where all hooks are off again."""
        return self.retain or bool(self.functions)

    def add(self, hook: Hook) -> Handle:
        handle = Handle(self, object())
        handle.put_back(hook)
        return handle

    def __call__(self, t: Tensor, g: Any) -> Any:
        recorded = type(g) is type(t)
        for hook in tuple(self.functions.values()):
            new = hook(g if recorded else read_only(g))
            if new is not None:
                g = replacement(new, t, recorded)
        if self.retain:
            kept = np.array(g.array if recorded else g)
            t.grad = kept if t.grad is None else np.asarray(t.grad + kept)
        return g


def hooks_of(t: Tensor) -> Hooks:
    """The hooks of `t`, which no cotangent reaches unless it requires grad."""
    if not t.differentiable:
        raise errors.not_differentiable(t)
    if t.hooks is None:
        t.hooks = Hooks()
    return t.hooks


def read_only(g: Any) -> Any:
    """A copy for a hook: g may be needed elsewhere, so writing into it is refused."""
    copy = np.array(g)
    copy.setflags(write=False)  # flags.writeable makes a string each time, and Python's method cache keeps many of them
    return copy


def replacement(new: Any, t: Tensor, recorded: bool) -> Any:
    """The result of a hook, as a cotangent of `t`: of its shape and dtype, and memory of its own."""
    array = new.array if type(new) is type(t) else as_numeric(new)
    if array.shape != t.shape:
        raise ValueError(f"a hook returned shape {array.shape} for the cotangent of {errors.described(t)}")
    array = cast(array, t.dtype, "what a hook returned")
    if recorded:
        return new.astype(t.dtype) if type(new) is type(t) else type(t)(array)
    return np.array(array)


class Handle(NamedTuple):
    """A hook that was registered; ``remove()`` takes it off again, and ``put_back(hook)`` registers it anew."""

    hooks: Hooks
    key: object

    def remove(self) -> None:
        self.hooks.functions.pop(self.key, None)

    def put_back(self, hook: Hook) -> None:
        self.hooks.functions[self.key] = hook


def arrived(node: Tensor, g: Any, watches: tuple[Watch, ...]) -> Any:
    """The cotangent of `node` after its hooks, now that all of it is there."""
    g = node.hooks(node, g) if node.hooks else g
    if watches:
        tell(watches, "arrives", node, g)
    return g
