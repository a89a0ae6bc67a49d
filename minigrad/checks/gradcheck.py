"""gradcheck: every entry of every gradient against a numerical derivative.

Three numbers decide on an entry: what the backward gives, what the numerical derivative says, and how far apart the two
may be when the backward is right. The third is measured as well: the numerical derivative comes with an estimate of its
own error (`numerical.py`), and the backward is run again on noisy values to see how much rounding it suffers
(`backward.py`). So one check serves data near 1e-6 and near 1e4, float32 and float64, and no constant hides an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.backward import GradcheckError, evaluate, is_checked, on_leaves, run_backward
from minigrad.engine.numerical import numerical_gradient, step_without_size
from minigrad.function import Function
from minigrad.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck"]

Array = np.ndarray[Any, Any]

NOISE = 16  # a right backward is off by at most so many times what noise of one unit in the last place changes


class InputReport(NamedTuple):
    """What was found for one input. `ratio` is the largest |difference| / allowance; up to 1 passes."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    ratio: float
    unresolved: int  # entries at a kink, or with fewer than three certain digits in the numerical derivative
    failure: str

    def __repr__(self) -> str:
        verdict = self.failure or f"ok, largest difference / allowance {self.ratio:.2g}"
        doubt = f"; {self.unresolved} entries at a kink or not resolved" if self.unresolved else ""
        return f"{self.name}, {self.shape} {self.dtype}: {verdict}{doubt}"


class Report(NamedTuple):
    """What gradcheck looked at and found; true when all is well. `failure` is the error's message otherwise."""

    function: str
    method: str  # how the numerical derivative was made
    inputs: tuple[InputReport, ...]
    failure: str

    def __bool__(self) -> bool:
        return not self.failure

    def __repr__(self) -> str:
        head = f"gradcheck of {self.function}: {'ok' if self else 'FAILED'} ({self.method})"
        return "\n  ".join([head, *(map(repr, self.inputs) if self.inputs else [self.failure])])


def gradcheck(
    fn: Callable[..., Tensor],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float = 0.0,
    rtol: float | None = None,
    raise_exception: bool = True,
) -> Report:
    """Check the gradient of `fn` at `inputs`, in every entry of every input that requires grad.

    The gradient is that of L = Σ g · fn(*inputs), for two random cotangents g of opposite signs. The numerical
    derivative is taken in long double where the platform has one and `fn` keeps it, otherwise in float64.

    Args:
        fn: an operation, ``MyFunction.apply`` or any Python function of `inputs` that returns one Tensor, of any
            shape. It must be a function: the same inputs give the same result.
        inputs: a Tensor or a sequence. Tensors that require grad, of any floating dtype, are checked. Everything else
            (other Tensors, arrays, numbers) is a constant. `fn` gets copies of what is checked.
        eps: the largest step of the numerical derivative; by default each entry's own magnitude decides.
        atol, rtol: allow a difference of ``atol + rtol * |numerical|``, as in torch. Left out, atol is 0 and the
            measured allowance for rounding stands for rtol. The numerical derivative's own error is always allowed.
        raise_exception: False returns the report of a failure.

    Raises:
        GradcheckError: naming the input, the entry, both values and their ratio; or what the backward did wrong.
        TypeError, ValueError: the call leaves nothing to check.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> bool(gradcheck(lambda x: (x * x).sum(), x))
    True
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not any(map(is_checked, arguments)):
        raise ValueError(
            "gradcheck: no input requires grad, so there is nothing to check; "
            "pass Tensor(x, requires_grad=True) for each input that is to be checked"
        )
    name, names = describe(fn, len(arguments))
    wide = widen(fn, arguments)
    in_float64 = next(filter(is_checked, wide)).dtype == np.float64
    method = f"Richardson extrapolation in {'float64' if in_float64 else 'long double'}"
    try:
        cotangents, gradients = run_backward(fn, arguments)
    except GradcheckError as wrong:
        if raise_exception:
            wrong.args = (f"gradcheck of {name}: {wrong}",)
            raise
        return Report(name, method, (), str(wrong))

    found = []
    for i, gradient in gradients.items():

        def f(moved: Array, i: int = i) -> Array:
            return evaluate(fn, [*wide[:i], Tensor(moved, requires_grad=True), *wide[i + 1 :]]).data

        step = eps or step_without_size(wide[i].data, [x.data for x in wide if isinstance(x, Tensor)])
        expected, error, magnitude = numerical_gradient(f, wide[i].data, cotangents, step)
        tiny = np.finfo(arguments[i].dtype).tiny  # numbers below it have no relative precision
        allowed = error + tiny + atol + (NOISE * gradient.noise if rtol is None else rtol * abs(expected))
        ratio, failure = judge(gradient.value, expected, allowed)
        certain = np.maximum(1e-3 * magnitude, 1e-6 * magnitude.max(initial=0))
        unresolved = int((error > certain).any(axis=0).sum())
        found.append(InputReport(names[i], expected.shape[1:], arguments[i].dtype, ratio, unresolved, failure))
    failure = "; ".join(f"{r.name}: {r.failure}" for r in found if r.failure)
    if failure and raise_exception:
        raise GradcheckError(f"gradcheck of {name}: {failure}")
    return Report(name, method, tuple(found), failure)


def judge(given: Array | None, expected: Array, allowed: Array) -> tuple[float, str]:
    """The largest |given - expected| / allowed, and if that is above 1 what is wrong; arrays (2, *shape)."""
    with np.errstate(invalid="ignore"):
        ratio = abs((0 if given is None else given) - expected) / allowed
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    largest = float(ratio.max(initial=0))
    if largest <= 1:
        return largest, ""
    worst = np.unravel_index(ratio.argmax(), ratio.shape)
    got, right = 0.0 if given is None else float(given[worst]), float(expected[worst])
    failure = (
        f"{(ratio > 1).any(axis=0).sum()} of {ratio[0].size} entries are wrong; at entry {tuple(map(int, worst[1:]))} "
        f"the backward gives {'None' if given is None else got} and the numerical derivative is {right}"
    )
    if np.isnan(right):
        return largest, f"{failure}, as the function is not finite around it: check at a point inside its domain"
    of_both = got / right if right else np.inf
    return largest, f"{failure}: ratio {of_both:.6g}, difference {got - right:.3g}, allowed {float(allowed[worst]):.3g}"


def widen(fn: Callable[..., Tensor], arguments: Sequence[Any]) -> list[Any]:
    """The arguments, those that are checked in the widest dtype that `fn` keeps."""
    if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps:
        wide = on_leaves(arguments, lambda x: x.astype(np.longdouble))
        with suppress(Exception):  # not every function takes long double; other errors will come up again
            if evaluate(fn, wide).dtype == np.longdouble:
                return wide
    return on_leaves(arguments, lambda x: x.astype(np.float64))


def describe(fn: Any, count: int) -> tuple[str, list[str]]:
    """What to call the function and each of its inputs."""
    function: Any = getattr(fn, "__self__", None)  # of MyFunction.apply
    applied = isinstance(function, type) and issubclass(function, Function)
    try:
        parameters = [*inspect.signature(function.forward if applied else fn).parameters.values()][applied:]
    except (TypeError, ValueError):  # a callable written in C may have no signature
        parameters = []
    names: list[str] = []
    for p in parameters:
        names += [f"{p.name}{i}" for i in range(count - len(names))] if p.kind is p.VAR_POSITIONAL else [p.name]
    name = getattr(function if applied else fn, "__name__", repr(fn))
    return name, [f"input {i} ({names[i]})" if i < len(names) else f"input {i}" for i in range(count)]
