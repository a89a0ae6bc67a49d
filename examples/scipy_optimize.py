"""scipy.optimize with gradients, Hessians and Hessian-vector products that nobody wrote down.

    python examples/scipy_optimize.py

Needs SciPy. Each problem goes to the methods that ask for more and more of it; fewer evaluations is what it is for.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigrad import grad, hessian, hvp

COUNTS = np.array([1.0, 0, 2, 1, 3, 2, 4, 5, 4, 8, 9, 13])
POWERS = np.linspace(-1, 1, 12)[:, None] ** np.arange(3)


def rosenbrock(x: Any) -> Any:
    """A bent valley; its lowest point is 1, 1, ..."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rastrigin(x: Any) -> Any:
    """A bowl with dents."""
    return np.sum(x**2 - 10 * np.cos(2 * np.pi * x) + 10)


def poisson(w: Any) -> Any:
    """Minus the log likelihood of counts whose logarithm of the rate is linear, up to a constant."""
    z = POWERS @ w
    return np.sum(np.exp(z) - COUNTS * z)


PROBLEMS = {rosenbrock: np.array([-1.2, 1.0, -0.5, 2.0]), rastrigin: np.array([0.2, -0.1]), poisson: np.zeros(3)}


def loss(points: Any) -> Any:
    """All problems at once."""
    x, y, w = points
    return rosenbrock(x) + rastrigin(y) + poisson(w)


def start() -> tuple[Any, ...]:
    return (list(PROBLEMS.values()),)


def main(most: int) -> None:
    from scipy.optimize import minimize

    for problem, begin in PROBLEMS.items():
        slope, curvature = grad(problem), hessian(problem)

        def product(x: Any, v: Any, problem: Any = problem) -> Any:
            return hvp(problem, (x,), (v,))[0]

        ways: dict[str, dict[str, Any]] = {
            "BFGS": {},
            "L-BFGS-B": {"jac": slope},
            "Newton-CG": {"jac": slope, "hessp": product},
            "trust-exact": {"jac": slope, "hess": curvature},
        }
        for method, derivatives in ways.items():
            found = minimize(problem, begin, method=method, options={"maxiter": most}, **derivatives)
            print(f"{problem.__name__:10} {method:11} {found.nfev:3} values   {found.fun:.6f} at {found.x.round(3)}")


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=1000, counted="iterations of a method, at most"))
