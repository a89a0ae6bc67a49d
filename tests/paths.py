"""Many paths to one leaf: a sum whose bits tell in which order it was formed. Run in processes of its own, too."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor, gradients


def many_paths(x: Any) -> Tensor:
    """Terms of many magnitudes that meet in one leaf: their sum depends on the order in which it is formed."""
    terms = [np.sin(x * (1.0 + i)) * 10.0 ** (i % 7) for i in range(40)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return (total * total).sum()


def bits() -> str:
    x = Tensor(np.linspace(0.1, 1.3, 5), requires_grad=True)
    y = many_paths(x)
    y.backward()
    (first,) = gradients(y, [x], create_graph=True)
    (second,) = gradients(first.sum(), [x])
    assert x.grad is not None
    return b"".join(a.tobytes() for a in (y.data, x.grad, first.data, second.data)).hex()
