"""Tools for all gradients together, between backward and step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minigrad import Tensor

__all__ = ["clip_grad_norm_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Scale the gradients so that their norm, taken as one vector, is at most `max_norm`; return what it was.

    As in torch, the factor is max_norm / (norm + 1e-6) where that is less than 1. A norm that is infinite or nan makes
    the gradients useless, and with `error_if_nonfinite` raises RuntimeError before it does.

    >>> from minigrad import nn
    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> nn.utils.clip_grad_norm_(w, max_norm=1.0)
    10.0
    >>> w.grad.round(3)
    array([0.6, 0.8])
    """
    owners = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    found = [(p, p.grad) for p in owners if p.grad is not None]
    norms = [np.linalg.norm(g.reshape(-1), norm_type) for _, g in found if g.size]
    norm = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {norm}; a step before was too long, perhaps")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:  # so written, nan reaches the gradients, as in torch
        for p, g in found:
            p.grad = np.asarray(g * factor)
    return norm
