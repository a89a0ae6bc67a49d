"""gradcheck: every entry of every gradient against a numerical derivative, for functions of Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.contract import Broken, repeatable, runs, unmutated
from minigrad.checks.french import spoken
from minigrad.checks.subject import MINIGRAD, InProcess, subject_of
from minigrad.checks.trial import Case, Discrepancy, Trial
from minigrad.engine.signatures import argument_names
from minigrad.tensor import Tensor
from minigrad.transforms import variable

__all__ = ["GradcheckError", "gradcheck"]

Array = np.ndarray[Any, Any]


class GradcheckError(AssertionError):
    """A gradient is not what the numerical derivative says, or a backward did what no backward may."""


class InputReport(NamedTuple):
    """The findings for one input. `ratio` is the largest |difference| / allowance; up to 1 passes."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    ratio: float
    unresolved: int  # entries at a kink, or with fewer than three certain digits in the numerical derivative
    failure: str

    def __repr__(self) -> str:
        verdict = self.failure or f"ok, largest difference / allowance {self.ratio:.2g}"
        doubt = f"; {self.unresolved} entries at a kink or not resolved" if self.unresolved else ""
        return f"{self.name}, {self.shape} {self.dtype}: {spoken(verdict)}{spoken(doubt)}"


class GradcheckReport(NamedTuple):
    """The findings of gradcheck; true when all is well. `failure` is the error's message otherwise."""

    function: str
    method: str  # how the numerical derivative was made
    inputs: tuple[InputReport, ...]
    failure: str

    def __bool__(self) -> bool:
        return not self.failure

    def __repr__(self) -> str:
        head = spoken(f"gradcheck of {self.function}: {'ok' if self else 'FAILED'} ({self.method})")
        return "\n  ".join([head, *(map(repr, self.inputs) if self.inputs else [spoken(self.failure)])])


def gradcheck(
    fn: Callable[..., Tensor],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float = 0.0,
    rtol: float | None = None,
    raise_exception: bool = True,
) -> GradcheckReport:
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
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(arguments) if type(x) is Tensor and x.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck: no input requires grad, so there is nothing to check; "
            "pass Tensor(x, requires_grad=True) for each input that is to be checked"
        )

    def bound(*leaves: Any) -> Any:
        given = list(arguments)
        for i, x in zip(checked, leaves, strict=True):  # fn may differentiate inside
            given[i] = x if x.requires_grad else variable(x)
        return fn(*given)

    described = subject_of(fn)
    name = described.name
    trial = Trial(
        InProcess(bound, name, bound, MINIGRAD, bound),
        Case(tuple(arguments[i].data for i in checked), tuple(range(len(checked))), {}),
        step=eps,
    )
    called = argument_names(described.parameters, len(arguments))
    trial.calls = 8
    trial.names = [f"input {i} ({called[i]})" if i < len(called) else f"input {i}" for i in checked]
    if trial.y.dtype.kind != "f":
        raise TypeError(
            f"gradcheck: the function returned a Tensor of {trial.y.dtype}; needed is a real floating dtype"
        )
    wide = "float64" if trial.wide == np.float64 else "long double"
    report = GradcheckReport(name, f"Richardson extrapolation in {wide}", (), "")
    failure, cause = promises_broken(trial)
    if not failure:
        found = []
        for i, x in enumerate(trial.inputs):
            comparison = trial.compare(i)
            if rtol is not None:
                allowed = comparison.error + np.finfo(x.dtype).tiny + rtol * abs(comparison.true)
                comparison = comparison._replace(allowed=allowed)
            comparison = comparison._replace(allowed=comparison.allowed + atol)
            ratio, wrong = judge(comparison, x.shape)
            doubtful = int((comparison.unresolved | comparison.kinks).sum())
            found.append(InputReport(trial.names[i], x.shape, x.dtype, ratio, doubtful, wrong))
        report = report._replace(inputs=tuple(found))
        failure = "; ".join(f"{r.name}: {r.failure}" for r in found if r.failure)
    if failure and raise_exception:
        raise GradcheckError(spoken(f"gradcheck of {name}: {failure}")) from cause
    return report._replace(failure=failure)


def promises_broken(trial: Trial) -> tuple[str, BaseException | None]:
    """The first promise of the contract that is broken before any number is compared; "" if there is none."""
    try:
        for promise in (runs, unmutated, repeatable):
            for fault in promise(trial):
                return fault.text, None
    except Broken as broken:
        return broken.args[0].text, broken.__cause__
    if not trial.finite.all():
        at = tuple(map(int, np.argwhere(~trial.finite)[0]))
        what = f"the function is {trial.y[at]} at entry {at} of its result"
        return f"{what}: check at a point inside its domain", None
    return "", None


def judge(comparison: Discrepancy, shape: tuple[int, ...]) -> tuple[float, str]:
    """The largest |got - true| / allowed, and if that is above 1 what is wrong."""
    got, true, allowed, *_ = comparison.got, comparison.true, comparison.allowed
    with np.errstate(invalid="ignore"):
        ratio = abs((0 if got is None else got) - true) / allowed
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    largest = float(ratio.max(initial=0))
    if largest <= 1:
        return largest, ""
    worst = np.unravel_index(ratio.argmax(), ratio.shape)
    entry = tuple(map(int, np.unravel_index(worst[1], shape)))
    given, right = 0.0 if got is None else float(got[worst]), float(true[worst])
    failure = (
        f"{(ratio > 1).any(axis=0).sum()} of {ratio[0].size} entries are wrong; at entry {entry} "
        f"the backward gives {'None' if got is None else given} and the numerical derivative is {right}"
    )
    if np.isnan(right):
        return largest, f"{failure}, as the function is not finite around it: check at a point inside its domain"
    of_both = given / right if right else np.inf
    return (
        largest,
        f"{failure}: ratio {of_both:.6g}, difference {given - right:.3g}, allowed {float(allowed[worst]):.3g}",
    )
