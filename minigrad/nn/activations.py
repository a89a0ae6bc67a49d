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
    """max(x, 0)

    >>> from minigrad import nn
    >>> nn.ReLU()([-1.0, 0.0, 2.0])
    Tensor([0., 0., 2.])
    """

    operation = staticmethod(minigrad.relu)


class Tanh(Activation):
    """tanh x

    >>> from minigrad import nn
    >>> nn.Tanh()([-1.0, 0.0, 2.0])
    Tensor([-0.76159416,  0.        ,  0.96402758])
    """

    operation = staticmethod(minigrad.tanh)


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ)

    >>> from minigrad import nn
    >>> nn.Sigmoid()([-1.0, 0.0, 2.0])
    Tensor([0.26894142, 0.5       , 0.88079708])
    """

    operation = staticmethod(minigrad.sigmoid)


class LogSigmoid(Activation):
    """-ln(1 + e⁻ˣ)

    >>> from minigrad import nn
    >>> nn.LogSigmoid()([-1.0, 0.0, 2.0])
    Tensor([-1.31326169, -0.69314718, -0.12692801])
    """

    operation = staticmethod(minigrad.logsigmoid)


class SiLU(Activation):
    """x / (1 + e⁻ˣ)

    >>> from minigrad import nn
    >>> nn.SiLU()([-1.0, 0.0, 2.0])
    Tensor([-0.26894142,  0.        ,  1.76159416])
    """

    operation = staticmethod(minigrad.silu)


class Mish(Activation):
    """x tanh(ln(1 + eˣ))

    >>> from minigrad import nn
    >>> nn.Mish()([-1.0, 0.0, 2.0])
    Tensor([-0.30340146,  0.        ,  1.94395896])
    """

    operation = staticmethod(minigrad.mish)


class Softsign(Activation):
    """x / (1 + |x|)

    >>> from minigrad import nn
    >>> nn.Softsign()([-1.0, 0.0, 2.0])
    Tensor([-0.5       ,  0.        ,  0.66666667])
    """

    operation = staticmethod(minigrad.softsign)


class GELU(Activation):
    """x Φ(x), where Φ is the distribution function of the normal distribution; with "tanh" nearly so

    >>> from minigrad import nn
    >>> nn.GELU(approximate="tanh")([-1.0, 0.0, 2.0])
    Tensor([-0.15880801,  0.        ,  1.95459769])
    """

    operation = staticmethod(minigrad.gelu)
    settings = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate


class LeakyReLU(Activation):
    """x where it is positive, negative_slope * x elsewhere

    >>> from minigrad import nn
    >>> nn.LeakyReLU(0.1)([-1.0, 0.0, 2.0])
    Tensor([-0.1,  0. ,  2. ])
    """

    operation = staticmethod(minigrad.leaky_relu)
    settings = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope


class ELU(Activation):
    """x where it is positive, alpha * (eˣ - 1) elsewhere

    >>> from minigrad import nn
    >>> nn.ELU(alpha=2.0)([-1.0, 0.0, 2.0])
    Tensor([-1.26424112,  0.        ,  2.        ])
    """

    operation = staticmethod(minigrad.elu)
    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class Hardtanh(Activation):
    """x, raised to min_val and lowered to max_val

    >>> from minigrad import nn
    >>> nn.Hardtanh(0.0, 1.0)([-1.0, 0.0, 2.0])
    Tensor([0., 0., 1.])
    """

    operation = staticmethod(minigrad.hardtanh)
    settings = "min_val", "max_val"

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val


class Softplus(Activation):
    """ln(1 + exp(beta * x)) / beta, a smooth relu; x itself where beta * x is above the threshold

    >>> from minigrad import nn
    >>> nn.Softplus()([-1.0, 0.0, 2.0])
    Tensor([0.31326169, 0.69314718, 2.12692801])
    """

    operation = staticmethod(minigrad.softplus)
    settings = "beta", "threshold"

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold


class Softmax(Activation):
    """eˣ / Σ eˣ along the axis `dim`

    >>> from minigrad import nn
    >>> nn.Softmax(dim=-1)([-1.0, 0.0, 2.0])
    Tensor([0.04201007, 0.1141952 , 0.84379473])
    """

    operation = staticmethod(minigrad.softmax)
    settings = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim


class LogSoftmax(Softmax):
    """x - ln Σ eˣ along the axis `dim`

    >>> from minigrad import nn
    >>> nn.LogSoftmax(dim=-1)([-1.0, 0.0, 2.0])
    Tensor([-3.16984602, -2.16984602, -0.16984602])
    """

    operation = staticmethod(minigrad.log_softmax)
