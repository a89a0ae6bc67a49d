"""A Kalman filter that learns how noisy the world is: the gradient goes through the filter to both variances.

    python examples/kalman.py

A point moves with a speed that changes a little, and its place is measured. The likelihood is that of the filter's
predictions. (Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, 1989, section 3.4.)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import value_and_grad

F, H = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 0.0])  # how place and speed move on, and what is seen
UNIT = np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]])  # what a step adds to their covariance, for a variance of 1
FIRST = np.zeros(2), 10 * np.eye(2)  # mean and covariance before the first step


def loss(params: Any, measured: Any) -> Any:
    """Minus the mean log likelihood of a measurement, up to a constant."""
    Q, r = np.exp(params["log_q"]) * UNIT, np.exp(params["log_r"])
    m, P = FIRST
    total = 0.0
    for y in measured:
        m, P = F @ m, F @ P @ F.T + Q
        surprise, s = y - H @ m, H @ P @ H + r
        gain = P @ H / s
        m, P = m + gain * surprise, P - gain[:, None] * (H @ P)
        total = total + (np.log(s) + surprise**2 / s) / 2
    return total / len(measured)


def start() -> tuple[Any, ...]:
    """Variances of 1, and 40 places that were measured with a variance of 4, of a speed that changes by 0.01."""
    rng = np.random.default_rng(0)
    places = np.cumsum(np.cumsum(0.1 * rng.normal(size=40)))
    return {"log_q": np.array(0.0), "log_r": np.array(0.0)}, places + 2 * rng.normal(size=40)


def main(epochs: int) -> None:
    params, measured = start()
    step = value_and_grad(loss)
    for epoch in range(epochs + 1):
        value, slope = step(params, measured)
        if epoch % max(epochs // 4, 1) == 0:
            q, r = np.exp(params["log_q"]), np.exp(params["log_r"])
            print(f"epoch {epoch:3}   loss {value:.4f}   variances {q:.3f}, {r:.3f}")
        params = {name: w - 1.0 * slope[name] for name, w in params.items()}


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=100))
