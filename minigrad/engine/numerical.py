"""Derivatives without a tape: by evaluating the function, with an estimate of how far off they may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["numerical_derivative", "numerical_gradient", "numerical_jacobian"]

Array = np.ndarray[Any, Any]

LEVELS = 6  # steps in one extrapolation
RATIO = 1.9  # of one step to the next; with 2, round numbers would be rounded alike at each, and agree on a wrong slope
DESCENTS = 4  # extrapolations at ever smaller steps, until one converges; twice as many where none does
BENT = 2.0**-10  # of the difference of the slopes at the largest step: what is left of it at step zero is a kink
CLOSER = 2**10  # times smaller is a step that hardly meets a jump
ELSEWHERE = -0.754877666, 0.569840291  # of the largest step: at no round number, as steps of a staircase are there
SAFETY = 20  # the error of an extrapolation is taken as so many times its last correction
SPREAD = 2.2  # times as far off as the slope at its smallest step may noise put an extrapolation: ∏ (r + 1) / (r - 1)


class Estimate(NamedTuple):
    """A derivative, how far off it may be, and by how much the right one exceeds the left: a kink, if that is not 0."""

    value: Array
    error: Array
    jump: Array


def numerical_derivative(
    f: Callable[[Array], Array], x: Array, index: tuple[int, ...], step: float | None = None
) -> tuple[Array, Array]:
    """The derivative of f(x) by the single entry x[index], and how far off it may be.

    Central differences at shrinking steps, extrapolated to step zero (Richardson 1911; the error as in Ridders 1982).

    Args:
        f: array to array; computes in the dtype of `x`, and may return nan outside its domain.
        x: an array of floats; is not changed.
        step: the largest step; smaller ones follow where they do not converge. By default an eighth of the entry's
            magnitude, or for an entry of zero an eighth of the largest entry's (of 1 if all are zero).

    Returns:
        (derivative, error), both of the shape of f(x). The error covers truncation, the rounding of f, and a kink:
        there the derivative is the mean of the left and the right one, and the error reaches to both. Where f is
        finite at no step the derivative is nan and the error inf.

    >>> from minigrad import checks
    >>> slope, error = checks.numerical_derivative(np.sin, np.array([0.0]), (0,))
    >>> f"{slope[0]:.9f}", bool(error[0] < 1e-9)
    ('1.000000000', True)
    """
    value, error, _ = derivative(f, x, index, step)
    return value, error


@np.errstate(all="ignore")  # a step may leave the domain; what is not finite there is not used
def derivative(
    f: Callable[[Array], Array],
    x: Array,
    index: tuple[int, ...],
    step: float | None = None,
    closer: float = 1,
    noise: float = 0,
) -> Estimate:
    """The same with the jump, from steps `closer` times smaller."""
    middle = f(x)
    centre, eps = x[index], np.finfo(middle.dtype).eps
    largest = (step or (abs(centre) or abs(x).max() or x.dtype.type(1)) / 8) / x.dtype.type(closer)
    best, best_error = np.full(middle.shape, np.nan, middle.dtype), np.full(middle.shape, np.inf, middle.dtype)
    steepest, best_jump = np.zeros(middle.shape, middle.dtype), np.zeros(middle.shape, middle.dtype)

    def at(value: Any) -> Array:
        moved = x.copy()  # each time, as f may return a view of it
        moved[index] = value
        return f(moved)

    for descent in range(2 * DESCENTS):
        slopes, jumps, rounding = [], [], []
        steps = largest / RATIO ** np.arange(LEVELS * descent, LEVELS * (descent + 1))
        if descent >= DESCENTS and (np.isfinite(best_error).all() or steps[-1] < CLOSER * eps * abs(centre)):
            break
        for h in steps:
            up, down = centre + h, centre - h
            above, below = at(up), at(down)
            slopes.append((above - below) / (up - down))
            jumps.append((above - middle) / (up - centre) - (middle - below) / (centre - down))
            rounding.append(eps * (abs(above) + abs(below)) / (up - down))
        # A function that moves over large steps and stands still over small ones may have lost the entry in rounding;
        # not so if it does move over small steps from elsewhere, beyond a kink.
        sizes = np.fmax.reduce(np.abs(slopes))
        steepest = np.fmax(steepest, sizes)
        still = np.equal(slopes, 0).any(axis=0)
        if (still & (steepest > 0)).any():
            near = h / CLOSER
            far = [at(centre + way * largest + near) - at(centre + way * largest - near) for way in ELSEWHERE]
            still &= ~(np.abs(far) > 0).any(axis=0)
        moves = sizes > CLOSER * rounding[-1]
        moves &= ~(np.diff(np.abs(slopes), axis=0) <= 0).all(axis=0)  # they do go to 0, beside a kink with a flat side
        for count in range(2, LEVELS + 1) if noise else (LEVELS,):  # small steps make noise large
            slope, correction = extrapolate(np.stack(slopes[:count]), steps[:count] ** 2)
            jump, _ = extrapolate(np.stack(jumps[:count]), steps[:count])
            shaken = SPREAD * noise / steps[count - 1]
            correction = np.maximum(correction - 2 * shaken, 0)
            # Where it moves by more than rounding and does not converge, smaller steps may show any slope: steps this
            # large have leapt over waves, or across a jump.
            lost = moves & (SAFETY * correction > sizes / 4)
            for h, smaller in zip(steps[count:], slopes[count:], strict=True):  # few steps may agree by chance
                lost |= abs(smaller - slope) > abs(slopes[count - 1] - slope) + 2 * (shaken + noise / h)
            error = SAFETY * (correction + rounding[count - 1]) + shaken + abs(jump) / 2
            error = np.where(lost, np.inf, error) + SAFETY * steepest * still
            better = error < best_error
            if noise:  # where they contradict each other, small steps have the last word
                better |= abs(slope - best) > error + best_error
            best, best_error = np.where(better, slope, best), np.where(better, error, best_error)
            bent = abs(jump) > BENT * np.fmax.reduce(np.abs(jumps))  # else the slopes on both sides only drift apart
            bent &= abs(jump) > 16 * shaken
            best_jump = np.where(better, np.where(bent, jump, 0), best_jump)
        straight = not (correction.any() or np.any(jumps))  # at all steps: smaller ones have but more rounding
        if best_error.sum() <= 2**-16 * abs(best).sum() or straight:
            break
    return Estimate(best, best_error, best_jump)


def step_without_size(x: Array, others: Iterable[Any]) -> float | None:
    """The largest step for an `x` of zeros, which says nothing of its scale: the other inputs of the function may."""
    if abs(x).max(initial=0) > 0:
        return None
    sizes = [abs(a[np.isfinite(a)]).max(initial=0) for a in others if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    return max(sizes, default=0) / 8 or None


def extrapolate(values: Array, t: Array) -> tuple[Array, Array]:
    """The polynomial in t through `values`, at zero, and the last correction (Neville's scheme)."""
    for n in range(1, len(t)):
        before = values
        ratio = (t[:-n] / t[n:]).reshape(-1, *[1] * (values.ndim - 1))
        values = before[1:] + (before[1:] - before[:-1]) / (ratio - 1)
    return values[0], abs(before - values).max(axis=0)


def numerical_jacobian(
    f: Callable[[Array], Array],
    x: Array,
    step: float | None = None,
    entries: Iterable[tuple[int, ...]] | None = None,
    closer: float = 1,
    noise: float = 0,
) -> Estimate:
    """The derivatives of each entry of f(x) by `entries` of x, or by all of them: matrices (f(x).size, entries).

    Two evaluations of one f(x) may be apart by `noise`.
    """
    columns = [
        derivative(f, x, index, step, closer, noise) for index in (np.ndindex(x.shape) if entries is None else entries)
    ]
    if not columns:
        return Estimate(*np.zeros((3, f(x).size, 0), x.dtype))
    return Estimate(*(np.stack([a.reshape(-1) for a in part], axis=1) for part in zip(*columns, strict=True)))


def numerical_gradient(
    f: Callable[[Array], Array],
    x: Array,
    cotangents: Array,
    step: float | None = None,
    closer: float = 1,
    noise: float = 0,
) -> tuple[Array, Array, Array]:
    """The gradients by x of Σ g · f(x), for each g along the first axis of `cotangents`, (k, *f(x).shape).

    Returns:
        (gradients, errors, magnitudes), each (k, *x.shape). A magnitude is the gradient's sum over the entries of f(x)
        with every term taken positive: what an error is small or large against.

    >>> from minigrad import checks
    >>> gradients, errors, _ = checks.numerical_gradient(np.square, np.array([1.0, 2.0]), np.array([[1.0, 1.0]]))
    >>> np.round(gradients, 9)
    array([[2., 4.]])
    """
    g = cotangents.reshape(len(cotangents), -1).astype(x.dtype)
    slope, error, _ = numerical_jacobian(f, x, step, closer=closer, noise=noise)
    shape = (len(g), *x.shape)
    return (g @ slope).reshape(shape), (abs(g) @ error).reshape(shape), (abs(g) @ abs(slope)).reshape(shape)
