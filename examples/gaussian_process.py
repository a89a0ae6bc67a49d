"""A Gaussian process that learns how far each input reaches: its length scales go down the gradient of the likelihood.

    python examples/gaussian_process.py

Of the three inputs the values depend on two; the scale of the third grows. (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, algorithm 2.1 and section 5.1.)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import value_and_grad


def covariance(params: Any, X: Any, Z: Any) -> Any:
    """The squared exponential kernel between the rows of X and of Z."""
    scaled = (X[:, None] - Z) * np.exp(-params["log_scales"])
    return np.exp(params["log_height"] - np.sum(scaled**2, axis=2) / 2)


def loss(params: Any, X: Any, y: Any) -> Any:
    """Minus the log marginal likelihood of a value."""
    K = covariance(params, X, X) + np.exp(params["log_noise"]) * np.eye(len(y))
    L = np.linalg.cholesky(K)
    whitened = np.linalg.solve(L, y)
    return (whitened @ whitened / 2 + np.sum(np.log(np.diag(L)))) / len(y) + np.log(2 * np.pi) / 2


def predicted(params: Any, X: Any, y: Any, Z: Any) -> tuple[Any, Any]:
    """Mean and standard deviation of the values at the rows of Z."""
    K = covariance(params, X, X) + np.exp(params["log_noise"]) * np.eye(len(y))
    across = covariance(params, X, Z)
    variances = np.exp(params["log_height"]) - np.sum(across * np.linalg.solve(K, across), axis=0)
    return across.T @ np.linalg.solve(K, y), np.sqrt(variances)


def start() -> tuple[Any, ...]:
    """Scales, height and noise of 1; 40 rows, and values that wave along the first input and bend along the second."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(40, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 4 + 0.1 * rng.normal(size=40)
    return {"log_scales": np.zeros(3), "log_height": np.array(0.0), "log_noise": np.array(0.0)}, X, y


def main(epochs: int) -> None:
    params, X, y = start()
    step = value_and_grad(loss)
    for epoch in range(epochs + 1):
        value, slope = step(params, X, y)
        if epoch % max(epochs // 4, 1) == 0:
            print(f"epoch {epoch:3}   loss {value:.4f}   length scales {np.exp(params['log_scales']).round(2)}")
        params = {name: w - 0.5 * slope[name] for name, w in params.items()}
    at = np.array([[0.5, 1.0, 0.0], [0.5, 1.0, 9.0], [9.0, 1.0, 0.0]])
    for x, mean, deviation in zip(at, *predicted(params, X, y, at), strict=True):
        print(f"at {x}   {mean:5.2f} ± {deviation:.2f}   truth {np.sin(2 * x[0]) + x[1] ** 2 / 4:5.2f}")


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=120))
