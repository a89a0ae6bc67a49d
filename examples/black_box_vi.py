"""Black-box variational inference: fit a normal distribution to a posterior that is known but for a constant.

    python examples/black_box_vi.py

The posterior is that of a logistic regression with a normal prior. Draws of the approximation are mean + deviation *
noise, so the gradient goes through them. (Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014.)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import value_and_grad


def log_posterior(w: Any, X: Any, y: Any) -> Any:
    """ln p(w) p(y | X, w) for each row of w, up to a constant."""
    z = w @ X.T
    return np.sum(y * z - np.logaddexp(0.0, z), axis=1) - np.sum(w**2, axis=1) / 2


def loss(params: Any, X: Any, y: Any, noise: Any) -> Any:
    """Minus the evidence lower bound, estimated with as many draws as `noise` has rows."""
    draws = params["mean"] + np.exp(params["log_deviation"]) * noise
    return -np.mean(log_posterior(draws, X, y)) - np.sum(params["log_deviation"])


def start() -> tuple[Any, ...]:
    """A standard normal, 30 rows with 3 features and their labels, and the noise of 20 draws."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    y = (rng.random(30) < 1 / (1 + np.exp(-X @ np.array([2.0, -1.0, 0.0])))).astype(float)
    return {"mean": np.zeros(3), "log_deviation": np.zeros(3)}, X, y, rng.normal(size=(20, 3))


def main(epochs: int) -> None:
    params, X, y, noise = start()
    rng, step = np.random.default_rng(1), value_and_grad(loss)
    for epoch in range(epochs + 1):
        value, slope = step(params, X, y, noise)
        if epoch % max(epochs // 4, 1) == 0:
            print(f"epoch {epoch:3}   loss {value:.4f}   mean {params['mean'].round(2)}")
        params = {name: w - 0.02 * slope[name] for name, w in params.items()}
        noise = rng.normal(size=noise.shape)


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=200))
