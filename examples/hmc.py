"""Hamiltonian Monte Carlo: draws from a posterior, of which only the gradient of the logarithm is needed.

    python examples/hmc.py

Eight schools tried a coaching programme; how good is it, and how much do schools differ? (Rubin, Journal of Educational
Statistics, 1981.) A draw is where a ball comes to that is kicked at random and rolls over minus the log posterior.
(Neal, MCMC using Hamiltonian dynamics, 2011.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad import value_and_grad

EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])  # as estimated in each school
ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])  # the standard errors of these


def loss(q: Any) -> Any:
    """Minus the log posterior, up to a constant, of mean / 10, ln spread, and the distances of schools in spreads.

    The priors are normal: the mean has deviation 10, ln spread has mean 1 and deviation 1.
    """
    mean, spread, schools = 10 * q[0], np.exp(q[1]), q[2:]
    misfit = (EFFECTS - mean - spread * schools) / ERRORS
    return (np.sum(misfit**2) + q[0] ** 2 + (q[1] - 1) ** 2 + np.sum(schools**2)) / 2


def start() -> tuple[Any]:
    return (np.concatenate([np.array([1.0, 1.0]), np.linspace(-1, 1, 8)]),)


def draws(of: Any, q: Any, rng: np.random.Generator, step: float = 0.25, steps: int = 8) -> Iterator[tuple[Any, bool]]:
    """One draw after the other, and whether the ball was let go there, from the density exp(-of)."""
    height_and_slope = value_and_grad(of)
    height, slope = height_and_slope(q)
    while True:
        p = rng.normal(size=q.shape)
        before, there, down, p = height + p @ p / 2, q, slope, p - step / 2 * slope
        for i in range(steps):  # leapfrog
            there = there + step * p
            above, down = height_and_slope(there)
            p = p - (step if i < steps - 1 else step / 2) * down
        taken = bool(np.log(rng.random()) < before - above - p @ p / 2)
        if taken:
            q, height, slope = there, above, down
        yield q, taken


def main(epochs: int) -> None:
    rng, kept, taken = np.random.default_rng(0), [], 0
    for epoch, (q, moved) in zip(range(1, epochs + 1), draws(loss, *start(), rng), strict=False):
        kept.append(np.array([10 * q[0], np.exp(q[1])]))
        taken += moved
        if epoch % max(epochs // 4, 1) == 0:
            mean, spread = np.mean(kept, axis=0)
            print(f"draw {epoch:4}   {taken / epoch:.0%} taken   mean effect {mean:.1f}   spread {spread:.1f}")


if __name__ == "__main__":
    from command import run

    sys.exit(run(main, __doc__, epochs=500, counted="draws"))
