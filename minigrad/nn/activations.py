"""What stands between layers, as modules: settings, and the operation that has the formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigrad
from minigrad import Tensor
from minigrad.nn.module import Module


class Activation(Module):
    """An operation on one input; `settings` are its other arguments, in the order in which the repr has them."""

    operation: Callable[..., Tensor]
    settings: tuple[str, ...] = ()

    def forward(self, x: Any) -> Tensor:
        return self.operation(x, **{name: getattr(self, name) for name in self.settings})

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


class ReLU(Activation):
    """max(x, 0)"""

    operation = staticmethod(minigrad.relu)


class Tanh(Activation):
    """tanh x"""

    operation = staticmethod(minigrad.tanh)


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ)"""

    operation = staticmethod(minigrad.sigmoid)


class LogSigmoid(Activation):
    """-ln(1 + e⁻ˣ)"""

    operation = staticmethod(minigrad.logsigmoid)


class SiLU(Activation):
    """x / (1 + e⁻ˣ)"""

    operation = staticmethod(minigrad.silu)


class Mish(Activation):
    """x tanh(ln(1 + eˣ))"""

    operation = staticmethod(minigrad.mish)


class Softsign(Activation):
    """x / (1 + |x|)"""

    operation = staticmethod(minigrad.softsign)


class GELU(Activation):
    """x Φ(x), where Φ is the distribution function of the normal distribution; with "tanh" nearly so"""

    operation = staticmethod(minigrad.gelu)
    settings = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate


class LeakyReLU(Activation):
    """x where it is positive, negative_slope * x elsewhere"""

    operation = staticmethod(minigrad.leaky_relu)
    settings = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope


class ELU(Activation):
    """x where it is positive, alpha * (eˣ - 1) elsewhere"""

    operation = staticmethod(minigrad.elu)
    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class Hardtanh(Activation):
    """x, raised to min_val and lowered to max_val"""

    operation = staticmethod(minigrad.hardtanh)
    settings = "min_val", "max_val"

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val


class Softplus(Activation):
    """ln(1 + exp(beta * x)) / beta, a smooth relu; x itself where beta * x is above the threshold"""

    operation = staticmethod(minigrad.softplus)
    settings = "beta", "threshold"

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold


class Softmax(Activation):
    """eˣ / Σ eˣ along the axis `dim`"""

    operation = staticmethod(minigrad.softmax)
    settings = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim


class LogSoftmax(Softmax):
    """x - ln Σ eˣ along the axis `dim`"""

    operation = staticmethod(minigrad.log_softmax)
