"""A neural ordinary differential equation: learn the field that moves a point along a spiral, through the solver.

    python examples/neural_ode.py

The field is a small network, the solver the classical Runge-Kutta method, and the loss compares the path with points
that were observed. (Chen et al., Neural Ordinary Differential Equations, NeurIPS 2018.)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import value_and_grad


def field(params: Any, y: Any) -> Any:
    """The velocity at each of the points y (n, 2)."""
    return np.tanh(y**3 @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]


def path(params: Any, y: Any, steps: int, h: float) -> Any:
    """Where the points y come to in so many steps of length h, an array (steps, n, 2)."""
    found = []
    for _ in range(steps):
        k1 = field(params, y)
        k2 = field(params, y + h / 2 * k1)
        k3 = field(params, y + h / 2 * k2)
        k4 = field(params, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        found.append(y)
    return np.stack(found)


def loss(params: Any, begin: Any, observed: Any) -> Any:
    """The mean square distance between the path from `begin` and what was observed on it."""
    return np.mean((path(params, begin, len(observed), 0.1) - observed) ** 2)


def start() -> tuple[Any, ...]:
    """Parameters that know nothing, where 8 points begin, and where they are at 6 later times."""
    rng = np.random.default_rng(0)
    begin = rng.uniform(-2, 2, size=(8, 2))
    A, y, observed = np.array([[-0.1, 2.0], [-2.0, -0.1]]), begin, []
    for _ in range(6):
        for _ in range(20):
            y = y + 0.005 * y**3 @ A
        observed.append(y)
    params = {
        "W1": 0.1 * rng.normal(size=(2, 16)),
        "b1": np.zeros(16),
        "W2": 0.1 * rng.normal(size=(16, 2)),
        "b2": np.zeros(2),
    }
    return params, begin, np.stack(observed)


def main(epochs: int) -> None:
    params, *data = start()
    step = value_and_grad(loss)
    for epoch in range(epochs + 1):
        value, slope = step(params, *data)
        if epoch % max(epochs // 4, 1) == 0:
            print(f"epoch {epoch:3}   loss {value:.4f}")
        params = {name: w - 0.2 * slope[name] for name, w in params.items()}


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=200))
