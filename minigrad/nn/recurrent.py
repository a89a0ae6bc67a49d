"""Recurrent networks: cells, which are one step, and what goes along whole sequences with them.

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
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.layers import Rng, generator
from minigrad.nn.module import Module, Parameter

Step = Callable[[Tensor, Any, Callable[[Any], Tensor]], Any]  # W_ih x + b_ih, the state, and W_hh h + b_hh of h


def plain(name: str, nonlinearity: str) -> Step:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{name}: nonlinearity is 'tanh' or 'relu', and not {nonlinearity!r}")
    activation = minigrad.tanh if nonlinearity == "tanh" else minigrad.relu
    return lambda x, h, hidden: activation(x + hidden(h))


def lstm(x: Tensor, state: Any, hidden: Callable[[Any], Tensor]) -> tuple[Tensor, Tensor]:
    h, c = state
    i, f, g, o = np.split(x + hidden(h), 4, axis=-1)
    c = minigrad.sigmoid(f) * c + minigrad.sigmoid(i) * minigrad.tanh(g)
    return minigrad.sigmoid(o) * minigrad.tanh(c), c


def gru(x: Tensor, h: Any, hidden: Callable[[Any], Tensor]) -> Tensor:
    (xr, xz, xn), (hr, hz, hn) = (np.split(y, 3, axis=-1) for y in (x, hidden(h)))
    r, z = minigrad.sigmoid(xr + hr), minigrad.sigmoid(xz + hz)
    n = minigrad.tanh(xn + r * hn)
    new: Tensor = n + z * (h - n)
    return new


class Cell(Module):
    """The parameters of `gates` maps of the input (n, input_size) and of the state (n, hidden_size), stacked.

    weight_ih is (gates hidden_size, input_size), weight_hh (gates hidden_size, hidden_size), bias_ih and bias_hh are
    (gates hidden_size): uniform in ±1/√hidden_size.
    """

    gates = 1
    advance: Step

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

    def forward(self, input: Any, hx: Any = None) -> Any:
        def hidden(h: Any) -> Tensor:
            return minigrad.affine(h, self.weight_hh, self.bias_hh)

        x = minigrad.affine(input, self.weight_ih, self.bias_ih)
        return self.advance(x, self.nothing(input) if hx is None else hx, hidden)

    def nothing(self, x: Any) -> Any:
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
        self.advance = plain(type(self).__name__, nonlinearity)
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)
        self.nonlinearity = nonlinearity

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

    gates, advance = 4, staticmethod(lstm)

    def nothing(self, x: Any) -> Any:
        return (super().nothing(x),) * 2


class GRUCell(Cell):
    """h' = (1 - z) n + z h with n = tanh(W_in x + b_in + r (W_hn h + b_hn)), where the gates r and z are sigmoids

    >>> from minigrad import nn
    >>> cell = nn.GRUCell(3, 4, rng=np.random.default_rng(0))
    >>> cell(np.ones((2, 3))).shape
    (2, 4)
    """

    gates, advance = 3, staticmethod(gru)


# ------------------------------------------------------------------------------------------------------ along sequences
class Recurrent(Module):
    """A cell that goes along sequences, in `num_layers` layers, each of which reads what the one before it gives.

    Called with input (l, n, input_size), or (n, l, input_size) with batch_first, or one sequence (l, input_size), and
    the states before the first step, (num_layers, n, hidden_size), zeros by default. Returns the states h of the last
    layer for each step, and the states of all layers after the last. If bidirectional each layer has another cell,
    which begins at the end: there are twice as many states, and both h stand side by side. In training entries are
    dropped between the layers, with the probability `dropout`. Parameters have torch's names, ``weight_ih_l0_reverse``.
    """

    gates = 1
    advance: Step

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, *, rng: Rng = None, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if num_layers < 1 or not 0 <= dropout <= 1:
            name = type(self).__name__
            raise ValueError(f"{name}: num_layers is from 1 on, dropout from 0 to 1, not {num_layers} and {dropout}")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.rng = rng = generator(rng)
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(max(hidden_size, 1))
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * len(self.ways)
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
            for way in self.ways:
                for name, shape in shapes.items():
                    setattr(self, f"{name}_l{layer}{way}", Parameter(rng.uniform(-bound, bound, shape).astype(dtype)))

    ways = property(lambda self: ("", "_reverse") if self.bidirectional else ("",))

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Any]:
        if np.ndim(input) not in (2, 3):
            raise ValueError(f"{type(self).__name__}: the input has 2 axes or 3, and here the shape {np.shape(input)}")
        turned = self.batch_first and np.ndim(input) == 3
        x = np.swapaxes(input, 0, 1) if turned else input
        if not len(x):
            raise ValueError(f"{type(self).__name__}: a sequence has a step at least, and the input {np.shape(input)}")
        begun = self.begun(hx, np.shape(x)[1:-1])
        last: list[Any] = []
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                x = minigrad.dropout(x, self.dropout, rng=self.rng)
            both = [self.along(x, f"l{layer}{way}", begun[len(last) + i]) for i, way in enumerate(self.ways)]
            last += [state for _, state in both]
            x = minigrad.concatenate([h for h, _ in both], -1) if self.bidirectional else both[0][0]
        x = minigrad.swapaxes(x, 0, 1) if turned else x
        if isinstance(last[0], tuple):
            return x, tuple(minigrad.stack(part) for part in zip(*last, strict=True))
        return x, minigrad.stack(last)

    def begun(self, hx: Any, batch: tuple[int, ...]) -> list[Any]:
        """The states before the first step, of each layer and direction."""
        shape = (self.num_layers * len(self.ways), *batch, self.hidden_size)
        paired = self.gates == 4
        if hx is None:
            zeros = np.zeros(shape, self.weight_hh_l0.dtype)  # type: ignore[attr-defined]
            hx = (zeros, zeros) if paired else zeros
        for part in hx if paired else (hx,):
            if np.shape(part) != shape:
                raise ValueError(f"{type(self).__name__}: a state needs the shape {shape}, and has {np.shape(part)}")
        return [*zip(*hx, strict=True)] if paired else list(hx)

    def along(self, x: Any, name: str, state: Any) -> tuple[Tensor, Any]:
        """The states h of one cell for each step, and its last state."""
        kinds = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
        own: Any = [vars(self).get(f"{kind}_{name}") for kind in kinds]
        weight_ih, weight_hh, bias_ih, bias_hh = own
        found = []
        backwards = name.endswith("_reverse")
        steps = minigrad.affine(x, weight_ih, bias_ih)
        for t in reversed(range(len(steps))) if backwards else range(len(steps)):
            state = self.advance(steps[t], state, lambda h: minigrad.affine(h, weight_hh, bias_hh))
            found.append(state[0] if isinstance(state, tuple) else state)
        return minigrad.stack(found[::-1] if backwards else found), state

    def extra_repr(self) -> str:
        settings = [f"{self.input_size}, {self.hidden_size}"]
        settings += [f"num_layers={self.num_layers}"] if self.num_layers != 1 else []
        settings += [] if self.bias else ["bias=False"]
        for name in "batch_first", "dropout", "bidirectional":
            settings += [f"{name}={getattr(self, name)}"] if getattr(self, name) else []
        return ", ".join(settings)


class RNN(Recurrent):
    """RNNCell along sequences: returns (output, h), as Recurrent says.

    >>> from minigrad import nn
    >>> output, h = nn.RNN(3, 4)(np.ones((5, 2, 3)))
    >>> output.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.advance = plain("RNN", nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng=rng, dtype=dtype
        )  # fmt: skip


class LSTM(Recurrent):
    """LSTMCell along sequences: returns (output, (h, c)); the states before the first step are such a pair, too.

    >>> from minigrad import nn
    >>> output, (h, c) = nn.LSTM(3, 4, num_layers=2, batch_first=True)(np.ones((2, 5, 3)))
    >>> output.shape, h.shape, c.shape
    ((2, 5, 4), (2, 2, 4), (2, 2, 4))
    """

    gates, advance = 4, staticmethod(lstm)


class GRU(Recurrent):
    """GRUCell along sequences: returns (output, h), as Recurrent says.

    >>> from minigrad import nn
    >>> output, h = nn.GRU(3, 4, bidirectional=True)(np.ones((5, 2, 3)))
    >>> output.shape, h.shape
    ((5, 2, 8), (2, 2, 4))
    """

    gates, advance = 3, staticmethod(gru)
