"""Nested arguments: lists, tuples and dicts of leaves. Whatever else there is, an array or None, is a leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minigrad.tensor import Tensor

__all__ = ["bare", "branches", "leaves", "like", "mapped", "subscripts"]

NESTINGS = list, tuple, dict


def branches(tree: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a list, tuple or dict with their indices or keys; None for a leaf."""
    if not isinstance(tree, NESTINGS):
        return None
    return list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))


def leaves(tree: Any) -> list[Any]:
    """The leaves of a nesting, in order.

    >>> leaves({"W": [1, 2], "b": (3,)})
    [1, 2, 3]
    """
    if not isinstance(tree, NESTINGS):
        return [tree]
    found: list[Any] = []
    for part in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(part, NESTINGS):
            found += leaves(part)
        else:  # without a call for each leaf, which doubles the cost
            found.append(part)
    return found


def subscripts(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf after what leads to it from `name`.

    >>> list(subscripts({"W": [1, 2], "b": 3}, "params"))
    [("params['W'][0]", 1), ("params['W'][1]", 2), ("params['b']", 3)]
    """
    parts = branches(tree)
    if parts is None:
        yield name, tree
    for key, part in parts or ():
        yield from subscripts(part, f"{name}[{key!r}]")


def mapped(change: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting with ``change(leaf)`` in place of each leaf.

    >>> mapped(len, {"W": ["long", ""], "b": ("er",)})
    {'W': [4, 0], 'b': (2,)}
    """
    if not isinstance(tree, NESTINGS):
        return change(tree)
    if isinstance(tree, dict):
        return {key: mapped(change, part) for key, part in tree.items()}
    parts = [mapped(change, part) for part in tree]
    # a named tuple takes its parts one by one
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def like(tree: Any, values: Iterable[Any]) -> Any:
    """The nesting of `tree`, with the next one of `values` in place of each of its leaves."""
    values = iter(values)
    return mapped(lambda _: next(values), tree)


def bare(tree: Any) -> Any:
    """The same nesting with arrays in place of Tensors.

    >>> bare([Tensor([1.0, 2.0]), 3])
    [array([1., 2.]), 3]
    """
    if type(tree) is Tensor:
        return tree.array
    return mapped(bare, tree) if isinstance(tree, NESTINGS) else tree
