"""A backward, called directly: no engine between it and the test.

PyTorch's engine sums a gradient of a broadcast shape to the shape of its input and casts a wrong dtype, before
`torch.autograd.gradcheck` looks. What it repairs is found only here. A Function of minigrad and one of torch are
called in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from strategies import arrays, grid


class Stub:
    """The ctx of one call."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *saved: Any) -> None:
        self.saved_tensors = saved


def copied(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value.copy()


def signed(y: Any, seed: int = 0) -> Any:
    """A cotangent for y."""
    g = np.random.default_rng((seed, 7)).normal(size=tuple(y.shape))
    return torch.as_tensor(g, dtype=y.dtype) if isinstance(y, torch.Tensor) else np.asarray(g, y.dtype)


def assert_keeps_contract(function: Any, inputs: tuple[Any, ...], needs: tuple[bool, ...] | None = None) -> None:
    """Each gradient that is needed has its input's shape and dtype; nothing that backward was given has changed."""
    needs = needs or (True,) * len(inputs)
    ctx = Stub(needs)
    y = function.forward(ctx, *inputs)
    g = signed(y)
    read = [g, *inputs, *ctx.saved_tensors]
    before = [copied(value) for value in read]
    grads = function.backward(ctx, g)

    assert isinstance(grads, tuple)
    assert len(grads) == len(inputs)
    for i, (x, grad, needed) in enumerate(zip(inputs, grads, needs, strict=True)):
        assert (grad is not None) == needed, f"input {i}: the gradient is {grad}, and needs_input_grad is {needed}"
        if grad is not None:
            assert grad.shape == x.shape, f"input {i}: a gradient of shape {grad.shape} for an input of {x.shape}"
            assert grad.dtype == x.dtype, f"input {i}: a gradient of {grad.dtype} for an input of {x.dtype}"
    for value, old in zip(read, before, strict=True):
        assert (value == old).all(), "the backward changed what it was given"


@st.composite
def linear_case(draw: st.DrawFn, least_rows: int = 0) -> tuple[np.ndarray, ...]:
    """x (n, p), W (p, q), b of (q,), (1,) or (), y (n, q), in float64, few enough entries for a gradcheck."""
    n, p, q = draw(st.integers(least_rows, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    bias = draw(st.sampled_from([(q,), (1,), ()]))
    return tuple(draw(arrays(shape, np.float64, grid())) for shape in ((n, p), (p, q), bias, (n, q)))
