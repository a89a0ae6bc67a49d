"""The decorator `gradients`: what it is put on is checked once, and each gradient and each promise is a test."""

from __future__ import annotations

import os
import sys
import unittest
from collections.abc import Callable
from functools import update_wrapper
from inspect import Signature
from typing import Any, TypeVar

from minigrad.checks.checker import check, first_case
from minigrad.checks.contract import BROADCASTING, CONTRACT, GRADIENTS
from minigrad.checks.report import SAME, Report, Verdict
from minigrad.checks.subject import UsageError, as_called

__all__ = ["Gradients", "Session", "gradients"]

T = TypeVar("T")
__unittest = True  # unittest leaves the frames of such modules out of its tracebacks

NAMING = "inputs", "signature", "domain", "params", "against", "seed"
CHECKED, GRADIENT = "can be checked", "gradient of "
OF_ITS_INPUT = frozenset({GRADIENTS, *(promise.text for promise in CONTRACT if promise.names)})


class Session:
    """One run of tests: how much is tried, and what came of it, by the name of the test as pytest has it."""

    def __init__(self, max_examples: int | None = None) -> None:
        self.max_examples = max_examples
        self.reports: dict[Gradients, Report | UsageError] = {}
        self.named: dict[str, Report | UsageError] = {}


class Gradients:
    """Stands for what was decorated, and knows its tests.

    It is called and applied as `target` is, and may be checked; a class can be derived from it.

    Attributes:
        target: the Function, or the function of Tensors.
        options: those of `check`.
    """

    session = Session()  # the plugin of pytest begins another

    def __init__(self, target: Any, options: dict[str, Any]) -> None:
        self.target, self.options = target, options
        update_wrapper(self, target, updated=())
        del self.__wrapped__  # with which pytest would look for fixtures that are called as the inputs are

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.target(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        options = vars(self)["options"] if name in ("signature", "domain") else {}
        return options[name] if name in options else getattr(vars(self)["target"], name)

    def __mro_entries__(self, _: Any) -> tuple[Any, ...]:
        return (self.target,)

    def __repr__(self) -> str:
        return f"gradients({self.target!r})"

    def __set_name__(self, owner: type, name: str) -> None:
        """In a TestCase each test is a method; there is nobody to ask for them later."""
        if issubclass(owner, unittest.TestCase):
            for promise in self.tests:
                test = self.test(promise)
                setattr(owner, f"{name}[{promise}]", lambda _, test=test: test())
            delattr(owner, name)

    @property
    def tests(self) -> list[str]:
        """The names of the tests, which are the same in every process."""
        chosen = {key: value for key, value in self.options.items() if key in NAMING}
        try:
            subject, case = first_case(self.target, **chosen)
        except UsageError:  # its test says why
            return [CHECKED]
        names = subject.names(len(case.inputs))
        against = self.options.get("against")
        same = [] if against is None else [f"{SAME}{as_called(against).name}"]
        promises = [promise.text for promise in CONTRACT]
        return [*(f"{GRADIENT}{names[i]}" for i in case.able), *promises, *same, BROADCASTING]

    def judge(self, promise: str) -> Verdict:
        """What came of the test of that name: its status is "ok", "fault" or "not checked", and `sure` says why."""
        report = self.report(promise)
        if isinstance(report, UsageError):
            return Verdict(promise, "fault", str(report))
        verdicts = {verdict.name: verdict for verdict in report.verdicts}
        named = [fault.name for fault in report.faults]
        if not promise.startswith(GRADIENT):
            verdict = verdicts[promise]
            if verdict.status == "not checked":
                ended = f"not looked at: {', '.join(named)}" if named else "not applicable"
                return verdict._replace(sure=verdict.sure or ended)
            return verdict
        verdict, ours = verdicts[GRADIENTS], (promise.removeprefix(GRADIENT), None)
        broken = {fault for name in OF_ITS_INPUT for fault in verdicts[name].faults}
        faults = tuple(name for name, f in zip(named, report.faults, strict=True) if f.input in ours and name in broken)
        if verdict.status == "not checked":  # what ended the check is no pass of a gradient that was not looked at
            faults = faults or tuple(named)
        return Verdict(promise, "fault" if faults else "ok", verdict.sure, faults)

    def test(self, promise: str) -> Callable[[], None]:
        """The test of that name: it returns, is skipped, or fails with what is wrong.

        pytest reads off its attributes which marks it has, that it takes no fixture, and where it stands in a file.
        """

        def run() -> None:
            verdict, report = self.judge(promise), self.report(promise)
            if verdict.status == "not checked":
                raise unittest.SkipTest(verdict.sure)
            if verdict.status == "fault":
                fail(repr(report.of(verdict.faults)) if isinstance(report, Report) else str(report))

        known = {"__signature__": Signature(), "pytestmark": vars(self).get("pytestmark", [])}
        code = getattr(self.target, "forward", self.target)
        vars(run).update(known | ({"__wrapped__": code} if hasattr(code, "__code__") else {}))
        return run

    def report(self, promise: str) -> Report | UsageError:
        """That of `check`, which runs once in a session; or the reason why it does not."""
        reports = self.session.reports
        if self not in reports:
            try:
                reports[self] = check(self.target, **{"max_examples": self.session.max_examples, **self.options})
            except UsageError as error:
                reports[self] = error
            running = os.environ.get("PYTEST_CURRENT_TEST", "")
            self.session.named[running.partition(f"[{promise}]")[0]] = reports[self]
        return reports[self]


def gradients(
    inputs: Any = None,
    *,
    signature: str | None = None,
    domain: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    against: Any = None,
    surrogate: Any = None,
    seed: int = 0,
    max_examples: int | None = None,
    nondet_tol: float = 0.0,
) -> Callable[[T], T]:
    """A decorator that makes a test for each gradient and each promise of a backward.

    Under pytest they are called ``test_mse[gradient of yhat]``, ``test_mse[changes nothing that it is given]``; in a
    unittest.TestCase they are methods of these names. A test fails with what `check` says of it; what does not apply is
    skipped. The check runs once for all of them.

    Args:
        inputs, signature, domain, params, against, surrogate, seed, max_examples, nondet_tol: as `check` has them.

    Returns:
        A decorator of a Function (the class) or of a function of Tensors, or of what else `check` takes. What it
        returns stands for that: it is called, applied and checked as before.

    >>> from minigrad.testing import gradients
    >>> @gradients(signature="(n),(n)->()")
    ... def test_dot(a, b):
    ...     return (a * b).sum()
    >>> test_dot.tests[:2]
    ['gradient of a', 'gradient of b']
    >>> test_dot.test("gradient of a")()
    """
    options = {name: value for name, value in locals().items() if value is not None}

    def decorated(target: Any) -> Any:
        return Gradients(target.__func__ if isinstance(target, staticmethod) else target, options)

    return decorated


def fail(text: str) -> None:
    """Fail the test that is running with `text` alone: no line of this module helps anybody."""
    pytest = sys.modules.get("pytest")
    if pytest and "PYTEST_CURRENT_TEST" in os.environ:
        pytest.fail(text, pytrace=False)
    raise AssertionError(text)
