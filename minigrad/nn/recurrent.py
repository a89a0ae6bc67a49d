"""Cells: one step of a recurrent network. A loop over the steps is the network.

>>> from minigrad import nn
>>> cell = nn.GRUCell(3, 4, rng=np.random.default_rng(0))
>>> h = None
>>> for x in np.ones((5, 2, 3)):  # five steps of a batch of two
...     h = cell(x, h)
>>> h.shape
(2, 4)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.layers import Rng, generator
from minigrad.nn.module import Module, Parameter


class Cell(Module):
    """The parameters of `gates` maps of the input (n, input_size) and of the state (n, hidden_size), stacked.

    weight_ih is (gates hidden_size, input_size), weight_hh (gates hidden_size, hidden_size), bias_ih and bias_hh are
    (gates hidden_size): uniform in ±1/√hidden_size.
    """

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.input_size, self.hidden_size = input_size, hidden_size
        rng, bound, rows = generator(rng), 1 / math.sqrt(max(hidden_size, 1)), self.gates * hidden_size

        def uniform(*shape: int) -> Tensor:
            return Parameter(rng.uniform(-bound, bound, shape).astype(dtype))

        self.weight_ih, self.weight_hh = uniform(rows, input_size), uniform(rows, hidden_size)
        self.bias_ih = uniform(rows) if bias else None
        self.bias_hh = uniform(rows) if bias else None

    def of_input(self, x: Any) -> Tensor:
        return minigrad.affine(x, self.weight_ih, self.bias_ih)

    def of_state(self, h: Any) -> Tensor:
        return minigrad.affine(h, self.weight_hh, self.bias_hh)

    def nothing(self, x: Any) -> npt.NDArray[Any]:
        """The state before the first step."""
        return np.zeros((*np.shape(x)[:-1], self.hidden_size), self.weight_hh.dtype)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (", bias=False" if self.bias_ih is None else "")


class RNNCell(Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it

    >>> from minigrad import nn
    >>> cell = nn.RNNCell(3, 4, rng=np.random.default_rng(0))
    >>> cell(np.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity is 'tanh' or 'relu', and not {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        total = self.of_input(input) + self.of_state(self.nothing(input) if hx is None else hx)
        return minigrad.tanh(total) if self.nonlinearity == "tanh" else minigrad.relu(total)

    def extra_repr(self) -> str:
        return super().extra_repr() + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")


class LSTMCell(Cell):
    """(h, c)' of (h, c): c' = f c + i g and h' = o tanh c', where i, f, g, o are the four gates

    i, f and o are sigmoids, and g is a tanh, of W_ih x + b_ih + W_hh h + b_hh.

    >>> from minigrad import nn
    >>> cell = nn.LSTMCell(3, 4, rng=np.random.default_rng(0))
    >>> h, c = cell(np.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        h, c = (self.nothing(input),) * 2 if hx is None else hx
        i, f, g, o = np.split(self.of_input(input) + self.of_state(h), 4, axis=-1)
        c = minigrad.sigmoid(f) * c + minigrad.sigmoid(i) * minigrad.tanh(g)
        return minigrad.sigmoid(o) * minigrad.tanh(c), c


class GRUCell(Cell):
    """h' = (1 - z) n + z h with n = tanh(W_in x + b_in + r (W_hn h + b_hn)), where the gates r and z are sigmoids

    >>> from minigrad import nn
    >>> cell = nn.GRUCell(3, 4, rng=np.random.default_rng(0))
    >>> cell(np.ones((2, 3))).shape
    (2, 4)
    """

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        h = self.nothing(input) if hx is None else hx
        (xr, xz, xn), (hr, hz, hn) = (np.split(y, 3, axis=-1) for y in (self.of_input(input), self.of_state(h)))
        r, z = minigrad.sigmoid(xr + hr), minigrad.sigmoid(xz + hz)
        n = minigrad.tanh(xn + r * hn)
        new: Tensor = n + z * (h - n)
        return new
