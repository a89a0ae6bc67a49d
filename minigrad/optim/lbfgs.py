"""LBFGS: steps along an estimate of Newton's direction, for losses without noise."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad import Tensor, enable_grad
from minigrad.optim.optimizers import Array, Optimizer, bare

ARMIJO, CURVATURE = 1e-4, 0.9  # how far the loss must fall, and how flat it must get, as usual for Newton's steps
MOST_POINTS = 25  # of one line search


class LBFGS(Optimizer):
    """Newton's method with a Hessian that the last changes of w and g tell (Liu and Nocedal, 1989).

    Call ``step(closure)``: the closure zeroes the gradients, computes the loss, calls its ``backward`` and returns it.
    One step is up to max_iter iterations on the same loss, and ends sooner where no entry of the gradient is above
    tolerance_grad, or where w or the loss changes by less than tolerance_change. Without a line search each iteration
    goes lr along the direction; ``line_search_fn="strong_wolfe"`` looks for a point that is lower and flatter (Nocedal
    and Wright, Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6).

    >>> from minigrad import optim
    >>> w = Tensor([-1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.LBFGS([w], max_iter=100, tolerance_change=1e-12, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    104.0
    >>> w.data.round(6)
    array([1., 1.])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad, tolerance_change=tolerance_change, history_size=history_size,
            line_search_fn=line_search_fn,
        )  # fmt: skip

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS steps for all parameters together, and has no groups")
        super().add_param_group(param_group)

    def check(self, **settings: Any) -> None:
        super().check(**settings)
        for name in ("max_iter", "max_eval", "history_size"):
            if settings[name] < 1:
                raise ValueError(f"LBFGS: {name} is at least 1, and not {settings[name]!r}")
        if settings["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn is 'strong_wolfe' or None, not {settings['line_search_fn']!r}")

    def shape_of_state(self, p: Tensor) -> tuple[int, ...]:
        return (sum(p.size for p in self.parameters),)

    def gathered(self) -> tuple[Array, Array]:
        """All parameters as one vector, and their gradients; 0 where there is none."""
        arrays = [(p.data, np.zeros_like(p.data) if p.grad is None else bare(p.grad)) for p in self.parameters]
        w, g = (np.concatenate([np.ravel(array) for array in column]) for column in zip(*arrays, strict=True))
        return w, g

    def scatter(self, w: Array) -> None:
        """Give the parameters their parts of the vector w."""
        begin = 0
        for p in self.parameters:
            p.data = w[begin : begin + p.size].reshape(p.shape).astype(p.dtype)
            begin += p.size

    def moved(self, *_: Any, **settings: Any) -> Any:
        raise TypeError(f"{self.name}: a step moves all parameters together, so that one alone has no next value")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go down; returns the loss before the step.

        Raises:
            TypeError: there is no closure.
        """
        if closure is None:
            raise TypeError("LBFGS looks at the loss several times in a step: call step(closure)")
        settings = self.settings(self.param_groups[0])
        state = self.state.setdefault(self.parameters[0], {"func_evals": 0, "n_iter": 0})
        small, evaluations = settings["tolerance_change"], 0

        def point(w: Array, d: Array, t: float) -> Point:
            """The loss at w + t d, its gradient, and its slope along d."""
            nonlocal evaluations
            evaluations += 1
            self.scatter(w + t * d)
            loss = enable_grad(closure)()
            _, g = self.gathered()
            return Point(t, float(bare(loss)), g, float(g @ d), loss)

        w, _ = self.gathered()
        here = first = point(w, np.zeros_like(w), 0.0)
        for i in range(settings["max_iter"]):
            if np.abs(here.g).max(initial=0) <= settings["tolerance_grad"]:
                break
            self.remember(here.g, settings["history_size"])
            state["n_iter"] += 1
            d = self.direction(here.g)
            t = settings["lr"] * (min(1.0, 1 / float(np.abs(here.g).sum())) if state["n_iter"] == 1 else 1.0)
            before, here = here, Point(0.0, here.loss, here.g, float(here.g @ d), here.returned)
            state.update(d=d, prev_flat_grad=here.g, prev_loss=here.loss)
            if here.slope > -small:
                state["t"] = t
                break
            w, _ = self.gathered()
            if settings["line_search_fn"]:
                here = strong_wolfe(functools.partial(point, w, d), here, t, d, small)
                self.scatter(w + here.t * d)
            elif i + 1 < settings["max_iter"]:
                here = point(w, d, t)
            else:  # nobody will look at the loss there
                here = here._replace(t=t)
                self.scatter(w + t * d)
            state["t"] = here.t
            stands = np.abs(here.t * d).max() <= small or abs(here.loss - before.loss) < small
            if stands or evaluations >= settings["max_eval"]:
                break
        state["func_evals"] += evaluations
        return first.returned

    def remember(self, g: Array, most: int) -> None:
        """The change y of the gradient along the last step s tells the curvature yᵀs there, if it is positive."""
        state = self.state[self.parameters[0]]
        if "d" not in state:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return
        y, s = g - state["prev_flat_grad"], float(state["t"]) * state["d"]
        curvature = float(y @ s)
        if curvature > 1e-10:
            for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1 / curvature)):
                state[name] = [*state[name], value][-most:]
            state["H_diag"] = curvature / float(y @ y)

    def direction(self, g: Array) -> Any:
        """-H g, by two loops over what is remembered (Nocedal and Wright, algorithm 7.4)."""
        state = self.state[self.parameters[0]]
        d, shares = -g, []
        past = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        for y, s, rho in reversed(past):
            shares.append(float(rho) * float(s @ d))
            d = d - shares[-1] * y
        d = d * float(state["H_diag"])
        for (y, s, rho), share in zip(past, reversed(shares), strict=True):
            d = d + (share - float(rho) * float(y @ d)) * s
        return d


class Point(NamedTuple):
    """A point of a line: how far along it is, the loss there, its gradient, the slope along the line."""

    t: float
    loss: float
    g: Array
    slope: float
    returned: Any  # by the closure


def strong_wolfe(point: Callable[[float], Point], start: Point, t: float, d: Array, small: float) -> Point:
    """A point of the line that fulfils the strong Wolfe conditions, or the lowest one that was found.

    `low` is the lowest point so far that fulfils the first. Where `high` is known, such a point lies between them.
    """
    low, high = start, None
    for _ in range(MOST_POINTS):
        here = point(t)
        if not here.loss <= start.loss + ARMIJO * here.t * start.slope or (here.loss >= low.loss and low is not start):
            high = here
        elif abs(here.slope) <= -CURVATURE * start.slope:
            return here
        else:
            if here.slope * ((here.t if high is None else high.t) - low.t) >= 0:
                high = low
            low = here
        if high is None:
            t = 2 * here.t
        else:
            width = high.t - low.t
            if abs(width) * np.abs(d).max() < small:
                break
            t = low.t + width * min(max(lowest(low, high), 0.1), 0.9)
    return low


def lowest(low: Point, high: Point) -> float:
    """Where the cubic with the losses and slopes of both is lowest, from 0 at `low` to 1; the middle if nowhere."""
    width = high.t - low.t
    a, b, rise = low.slope * width, high.slope * width, high.loss - low.loss
    cube, square = a + b - 2 * rise, 3 * rise - 2 * a - b
    root = square * square - 3 * a * cube
    below = square + math.sqrt(root) if root >= 0 else 0.0
    return -a / below if below and math.isfinite(below) else 0.5
