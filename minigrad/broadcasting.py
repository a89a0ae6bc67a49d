"""Undo broadcasting: once, for the whole engine.

When NumPy computes ``x @ W + b`` with ``b`` of shape (q,), it reads every entry of ``b`` once per row. An entry that
was read n times has n paths to the loss, and its gradient is the sum over them. So the rule of the addition may say
``d_b = g``, of shape (n, q), and the sum over the rows is added on the way to ``b``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["unbroadcast"]


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes along which an input of ``shape`` was broadcast.

    Only methods that arrays, Tensors and torch tensors share are used, so a student's ``backward`` may call this under
    either engine. Returns `g` itself where there is nothing to sum.

    Raises:
        ValueError: `shape` cannot have been broadcast to ``g.shape``.

    >>> import numpy as np
    >>> unbroadcast(np.ones((5, 3)), (3,))
    array([5., 5., 5.])
    """
    new = len(g.shape) - len(shape)  # axes that broadcasting put in front
    if new == 1 and g.shape[1:] == shape:
        return g.sum(0)  # the rows of a batch: by far the most common case, worth its own line
    if g.shape == shape:
        return g
    if new < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[new:], strict=True)):
        raise ValueError(f"unbroadcast: an input of shape {shape} cannot have been broadcast to {tuple(g.shape)}")
    return g.sum(stretched_axes(shape, g.shape)).reshape(shape)


def stretched_axes(shape: Sequence[int], wide: Sequence[int]) -> tuple[int, ...]:
    """The axes of the shape `wide` along which broadcasting used the entries of an array of `shape` again.

    >>> stretched_axes((3, 1), (5, 3, 4))
    (0, 2)
    """
    new = len(wide) - len(shape)
    return (*range(new), *[new + i for i, n in enumerate(shape) if n != wide[new + i]])
