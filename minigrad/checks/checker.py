"""check: what a good teaching assistant would say about a backward."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks.cases import Form, designed, domains_of, groups, rare, square
from minigrad.checks.contract import (
    BROADCASTING,
    CONTRACT,
    GRADIENTS,
    KINKS,
    Broken,
    NotChecked,
    Promise,
    broadcast,
    differences,
    kind_of,
    wrong_inputs,
)
from minigrad.checks.diagnosis import KINDS, Fault, diagnose
from minigrad.checks.known import formula_of, recognised
from minigrad.checks.report import SAME, Example, Report, Verdict
from minigrad.checks.sampled import LARGE, Sampled
from minigrad.checks.subject import Subject, UsageError, as_called, reference_of, subject_of, to_numpy
from minigrad.checks.trial import Case, Trial
from minigrad.engine.words import counted
from minigrad.ops.operation import Operation

__all__ = ["check"]

NEVER_THE_SAME = "random", "first-call"  # what else may be wrong cannot be told then, nor shown again
SHOWN = 8  # entries that are named one by one
EXAMPLES, ENTRIES = 20, 15  # at most so many are drawn after the designed ones, with so many entries each in the mean


@np.errstate(all="ignore")  # what overflows or is invalid shows in the numbers
def check(
    target: Any,
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
    verbose: bool = False,
) -> Report:
    """Check a backward, and say what is wrong with it.

    With `inputs` it is checked there. With a `signature` it is checked at designed inputs (sizes that are distinct
    primes, zeros and ties, data near 1e-6 and 1e4, float32), then at drawn ones, and what fails is made small.

    Args:
        target: a Function (the class), a function of Tensors that returns one, a pair ``(forward, vjp)`` of functions
            of arrays with ``vjp(g, *inputs)`` a gradient for each input, a torch.autograd.Function, or an operation of
            minigrad, which brings its own signature, domain and params.
        inputs: a tensor, an array, a number, or a sequence of them. If some are tensors that require grad, these are
            differentiated, otherwise all arrays and lists of floats; numbers only where there is no array.
        signature: the shapes of the inputs in gufunc notation, such as "(n,p),(p,q),(q)->(n,q)". "(),()->()" is entry
            by entry, with broadcasting. Left out, it is an attribute of `target` or of `against`.
        domain: for an input, by its name, the open interval on which the function is defined and smooth; bool for a
            mask; a letter of the signature for integers that index its axis. Other inputs are any floats.
        params: static arguments, passed on by name.
        against: another target, of torch for instance, that must give the same values and gradients.
        surrogate: another function of the same inputs, whose derivative the backward is meant to be (straight-through,
            gradient reversal, clipping).
        seed: draws other inputs.
        max_examples: how many inputs are drawn at most, behind the designed ones; 20 if left out.
        nondet_tol: how far apart results of equal calls may be, value or gradient, where sums run in any order.
        verbose: let the report show every promise, and how sure it is.

    Returns:
        A report, which is true when nothing is wrong: ``assert check(MyFunction, ...)``.

    Raises:
        UsageError: `target` is nothing that can be checked, or there is nothing to check it at; a ValueError.

    >>> bool(check(lambda x, y: (x * y).sum(), signature="(n),(n)->()"))
    True
    """
    target, source = unpacked(target)
    signature = signature or lent(source, against)
    several = [params] if params is not None else getattr(source, "params", None) or [{}]
    for what, number in ("seed", seed), ("max_examples", max_examples), ("nondet_tol", nondet_tol):
        if number is not None and number < 0:
            raise UsageError(f"{what} must be 0 or more, got {number}")
    with Search(seed, EXAMPLES if max_examples is None else max_examples) as search:
        for one in several if inputs is None else several[:1]:
            search.subject = subject_of(target, one)
            search.subject.nondet_tol = nondet_tol
            if surrogate is not None:
                search.subject.reference = reference_of(surrogate)
            if inputs is not None:
                search.try_case(given(search.subject, inputs, seed))
            else:
                search.search(form_of(search.subject, signature, domain, source, one))
        if against is not None:
            search.compare_with(as_called(against))
        return search.report(source, verbose)


def unpacked(target: Any) -> tuple[Any, Any]:
    """The Function to be checked, and who knows its signature, domain and params: specimen, operation or itself."""
    if hasattr(target, "target") and not isinstance(target, Subject):
        return target.target, target
    return target, getattr(target, "operation", target)


def lent(source: Any, against: Any) -> str | None:
    """The signature of `against`, where there is no other: two that are to give the same take the same inputs."""
    return None if hasattr(source, "signature") else getattr(unpacked(against)[1], "signature", None)


def first_case(
    target: Any,
    inputs: Any = None,
    signature: str | None = None,
    domain: dict[str, Any] | None = None,
    seed: int = 0,
    params: dict[str, Any] | None = None,
    against: Any = None,
) -> tuple[Subject, Case]:
    """Where a check begins."""
    target, source = unpacked(target)
    params = params or next(iter(getattr(source, "params", None) or []), {})
    subject = subject_of(target, params)
    if inputs is not None:
        return subject, given(subject, inputs, seed)
    return subject, next(designed(form_of(subject, signature or lent(source, against), domain, source, params), seed))


def form_of(
    subject: Subject, signature: str | None, domain: dict[str, Any] | None, source: Any, params: dict[str, Any]
) -> Form:
    """The form of the inputs, as far as it is known."""
    known = Form.of(source, params) if isinstance(source, Operation) else None
    if known and signature is None and domain is None:
        return known
    signature = signature or getattr(source, "signature", None)
    domain = getattr(source, "domain", {}) if domain is None else domain
    if signature is None:
        raise UsageError(
            f"check: {subject.name} has no signature, so there is nothing to search; give inputs, or the shapes as in "
            'signature="(n,p),(p,q),(q)->(n,q)", or "(),()->()" for what works entry by entry'
        )
    parameters = [subject.parameter(i) for i in range(len(groups(signature)))]
    names = [getattr(p, "name", "") for p in parameters]
    form = Form(
        signature,
        domains_of(signature, domain, names),
        constant=known.constant if known else (),
        optional=[i for i, p in enumerate(parameters) if p is not None and p.default is None],
        batched=known is not None and known.batched,
        params=params,
    )
    if known:
        form.outputs = None
    return form


def given(subject: Subject, inputs: Any, seed: int) -> Case:
    """The inputs of a call as a case: tensors that require grad are differentiated, or else every array of floats.

    Lists are arrays. A number is a constant beside arrays, as in torch, and an input where there is no array.
    """
    if not isinstance(inputs, tuple | list) or (len(subject.parameters) == 1 and is_list_of_numbers(inputs)):
        inputs = (inputs,)
    explicit = any(getattr(x, "requires_grad", False) for x in inputs)
    values = [to_numpy(np.array(x) if isinstance(x, list) else x) for x in inputs]
    if not any(isinstance(x, np.ndarray) for x in values):
        values = [np.array(x) if isinstance(x, float) else x for x in values]
    able = [
        i
        for i, (x, value) in enumerate(zip(inputs, values, strict=True))
        if isinstance(value, np.ndarray)
        and value.dtype.kind == "f"
        and (not explicit or getattr(x, "requires_grad", False))
    ]
    if not able:
        raise UsageError(
            "check: no input is an array of floats or a tensor that requires grad, so there is nothing to differentiate"
        )
    return Case(tuple(values), tuple(able), {}, seed)


def is_list_of_numbers(x: Any) -> bool:
    return isinstance(x, list) and all(isinstance(v, float | int) or is_list_of_numbers(v) for v in x)


BROADCAST = "the inputs broadcast"


def properties(trial: Trial, i: int) -> list[str]:
    """The properties of an input that a mistake may depend on, in words."""
    x, name = trial.inputs[i], trial.names[i]
    found = [BROADCAST] * broadcast(trial) + [f"{name} is empty"] * (not x.size)
    return [*found, f"{name} is {x.dtype}", f"{name} has {counted(x.ndim, 'axis', 'axes')}"]


class Sighting(NamedTuple):
    """A fault, the promise that it breaks, and where it was first seen."""

    fault: Fault
    promise: Promise
    trial: Trial


class Search(contextlib.ExitStack):
    """Tries cases, and remembers what was wrong. What a student's code prints is shown at the first, and only there."""

    subject: Subject

    def __init__(self, seed: int, examples: int) -> None:
        super().__init__()
        self.seed, self.examples = seed, examples
        self.trials: list[Trial] = []
        self.found: dict[tuple[str, str | None], Sighting] = {}  # by kind and input
        self.judged: set[tuple[str, str | None]] = set()  # promise and input: what need not be said again
        self.wrong: dict[int, list[Trial]] = {}  # for an input, where its gradient has wrong numbers
        self.kept: dict[str, int] = {}  # how often a promise was found kept
        self.unchecked: dict[str, str] = {}  # why a promise was not looked at
        self.kinds: set[tuple[Any, ...]] = set()  # of the cases that were tried
        self.form: Form | None = None
        self.same: list[Promise] = []  # to give what another implementation gives
        self.stopped = False

    # ------------------------------------------------------------------------------------------------------ trying
    def try_case(self, case: Case) -> None:
        if not case.able or self.stopped:
            return
        large = self.form is None and sum(case.inputs[i].size for i in case.able) > LARGE
        trial = (Sampled if large else Trial)(self.subject, case, tuple(self.trials))
        first = not self.trials
        usable(trial)
        if first:
            with contextlib.suppress(Exception):  # which the first promise names
                trial.first_gradients  # noqa: B018
            self.enter_context(contextlib.redirect_stdout(io.StringIO()))
        elif not usable(trial) or not answers(trial):
            return  # forward refuses what the signature allows, and backward cannot help it
        self.trials.append(trial)
        new = kind_of(trial) not in self.kinds
        self.kinds.add(kind_of(trial))
        for promise in CONTRACT:
            if not (promise.always or new):
                continue
            try:
                self.note(promise, promise.look(trial), trial)
            except NotChecked as reason:
                self.unchecked.setdefault(promise.text, str(reason))
            except Broken as broken:
                self.note(promise, broken.args, trial)
                self.stopped = broken.args[0].kind in NEVER_THE_SAME
                return
            if self.found.keys() & {(kind, name) for kind in NEVER_THE_SAME for name in (None, *trial.names)}:
                self.stopped = True
                return
        wrong = wrong_inputs(trial)
        for i in wrong:
            self.wrong.setdefault(i, []).append(trial)
        self.kept[GRADIENTS] = self.kept.get(GRADIENTS, 0) + (not wrong)

    def note(self, promise: Promise, faults: Iterable[Fault], trial: Trial) -> None:
        kept, said = True, frozenset(self.judged)  # the first trial says it best, as its sizes are unlike
        for fault in faults:
            kept = False
            if (promise.text, fault.input) not in said:
                self.judged.add((promise.text, fault.input))
                self.found.setdefault((fault.kind, fault.input), Sighting(fault, promise, trial))
        self.kept[promise.text] = self.kept.get(promise.text, 0) + kept

    def search(self, form: Form) -> None:
        """The designed cases, and if all is well there, drawn ones."""
        strategies = with_hypothesis()
        self.form = form
        for case in designed(form, self.seed):
            if form.allows([np.shape(x) for x in case.inputs]):
                self.try_case(case)
        if raised := self.found.get(("raises", None)):
            self.found = {("raises", None): raised}  # where it did not, all else is a consequence
            self.look_at_squares(form)
        elif not self.stopped and not self.found and not self.wrong:
            entries = 0  # which are what a trial costs
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of NumPy, where nothing is averaged
                for case in rare(form, self.seed):
                    if form.allows([np.shape(x) for x in case.inputs]):
                        self.try_case(case)
            for case in strategies.drawn(form, self.seed, self.examples) if self.examples else ():
                if entries < ENTRIES * self.examples:
                    self.try_case(case)
                entries += sum(np.size(case.inputs[i]) for i in case.able)

    def look_at_squares(self, form: Form) -> None:
        """Where a transpose is missing, square matrices do not raise, and their numbers tell."""
        trial = Trial(self.subject, square(form, self.seed))
        try:
            for promise in CONTRACT[:RUN]:
                list(promise.look(trial))
        except Broken:
            return
        for i in wrong_inputs(trial):
            for fault in diagnose([trial], i):
                if fault.kind != "unknown":
                    self.found[fault.kind, fault.input] = Sighting(fault, NUMBERS, trial)

    def compare_with(self, other: Subject) -> None:
        promise = Promise(f"{SAME}{other.name}", partial(differences, other=other))
        self.same.append(promise)
        for trial in self.trials:
            self.note(promise, promise.look(trial), trial)

    def diagnose(self) -> None:
        """Say why numbers are wrong, for each input whose gradient has not been named for something else."""
        named = {seen.fault.input for seen in self.found.values() if seen.promise.names}
        for i, trials in self.wrong.items():
            name = trials[0].names[i]
            ignoring = ("cotangent-ignored", name) in self.found
            if name in named and not ignoring:
                continue
            if isinstance(trials[0], Sampled):
                self.note(NUMBERS, [Fault("unknown", name, trials[0].told(i))], trials[0])
                continue
            alike = [t for t in trials if t.inputs[i].dtype == trials[0].inputs[i].dtype]
            alike.sort(key=lambda t: -t.inputs[i].size)  # many entries tell more
            faults = diagnose(alike, i, ignoring)
            if ignoring:
                faults = [fault for fault in faults if fault.kind != "unknown"]
            elif faults and (only := self.only(i, trials)):
                kind = "broadcasting" if (faults[0].kind, only) == ("unknown", BROADCAST) else faults[0].kind
                text = f"{faults[0].text} It is so only where {only}: elsewhere it is right."
                faults = [faults[0]._replace(kind=kind, text=text), *faults[1:]]
            self.note(NUMBERS, faults, trials[0])

    def only(self, i: int, wrong: list[Trial]) -> str:
        """A property that all of these trials have, and none in which input i has the right gradient."""
        right = [trial for trial in self.trials if trial not in wrong and trial.inputs[i] is not None]
        for text in properties(wrong[0], i) if right else ():
            there = [text in properties(trial, i) for trial in right]
            chance = all(there) if text == BROADCAST else any(there)  # some shapes that broadcast hide it
            if all(text in properties(trial, i) for trial in wrong) and not chance:
                return text
        return ""

    # ---------------------------------------------------------------------------------------------------- smallest
    def smallest(self, seen: Sighting) -> Trial | None:
        """The smallest case found that shows the same; None where a repetition shows nothing."""
        fault, promise, trial = seen
        if fault.kind in NEVER_THE_SAME:
            return None
        if self.form is None:
            return trial
        case = with_hypothesis().smallest(
            self.form, self.seed, lambda case: shows(Trial(trial.subject, case), fault, promise)
        )
        return trial if case is None else Trial(trial.subject, case)

    # --------------------------------------------------------------------------------------------------- reporting
    def report(self, source: Any, verbose: bool = False) -> Report:
        self.diagnose()
        order = list(KINDS)
        seen = sorted(self.found.values(), key=lambda s: order.index(s.fault.kind))
        faults = tuple(s.fault for s in seen)
        small = self.smallest(seen[0]) if seen else None
        example = None
        if small and not isinstance(small, Sampled):
            example = Example.of(seen[0].fault, small, self.subject.code, given=self.form is None)
        few = [trial for trial in self.trials if not isinstance(trial, Sampled)]
        operation = source if isinstance(source, Operation) else recognised(few[:3]) if self.wrong and few else None
        formula = formula_of(operation, self.trials[0].names) if operation and self.wrong else ""
        parts = faults, self.verdicts(), example, formula, len(self.trials), self.doubts()
        sample = "".join(trial.sample() for trial in self.trials if isinstance(trial, Sampled) and trial.comparisons)
        return Report(self.subject.name, *parts, sample, verbose)

    def doubts(self) -> tuple[str, ...]:
        """Entries that could not be judged: by index at given inputs, else where it is all of an input."""
        found = []
        compared = [trial for trial in self.trials if trial.comparisons]
        for trial in compared if self.form is None else ():
            for at in np.argwhere(~trial.finite)[:SHOWN]:
                text = f"forward is {trial.y[tuple(at)]} at entry {tuple(map(int, at))} of its result"
                found.append(f"{text}: nothing can be checked there")
            for k, value in enumerate(trial.inputs):
                if isinstance(value, float) and trial.returned[0][k] is not None:
                    found.append(f"{trial.names[k]} = {value} is taken as a constant: pass np.array({value})")
        for i in dict.fromkeys(i for trial in compared for i in trial.comparisons):
            judged = [(trial, trial.compare(i).unresolved) for trial in compared if i in trial.comparisons]
            blind = all(unresolved.all() for _, unresolved in judged) and any(u.size for _, u in judged)
            name, (trial, unresolved) = judged[0][0].names[i], judged[0]
            if blind:
                found.append(f"no entry of {name}: rounding, or a function that is not smooth, hides its derivative")
            elif self.form is None and unresolved.any():
                entries = [tuple(map(int, at)) for at in np.argwhere(unresolved.reshape(trial.inputs[i].shape))]
                text = ", ".join(f"{name}[{', '.join(map(str, at))}]" for at in entries[:SHOWN])
                more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
                found.append(f"{text}{more}: an error as large as the gradient could hide there")
        return tuple(found)

    def verdicts(self) -> tuple[Verdict, ...]:
        verdicts = []
        for name in [GRADIENTS, *(promise.text for promise in (*CONTRACT, *self.same))]:
            count = self.kept.get(name, 0)
            broken = tuple(seen.fault.name for seen in self.found.values() if seen.promise.text == name)
            if broken:
                verdicts.append(Verdict(name, "fault", "", broken))
            elif not count:
                verdicts.append(Verdict(name, "not checked", self.unchecked.get(name, "")))
            else:
                verdicts.append(Verdict(name, "ok", self.certainty() if name == GRADIENTS else counted(count, "case")))
        broad = [t for t in self.trials if broadcast(t)]
        failing = tuple(seen.fault.name for seen in self.found.values() if seen.trial in broad)
        status = "not checked" if not broad else "fault" if failing else "ok"
        sure = counted(len(broad), "case") if broad else "no two inputs broadcast"
        verdicts.append(Verdict(BROADCASTING, status, sure, failing))
        kinks = sum(int(t.compare(i).kinks.sum()) for t in self.trials for i in t.comparisons)
        if kinks:
            entries = counted(kinks, "entry", "entries")
            text = f"{entries} where left and right derivative differ: any slope between is right"
            verdicts.append(Verdict(KINKS, "kink", text))
        return tuple(verdicts)

    def certainty(self) -> str:
        """How sure the numbers are: what error would have been seen."""
        seen: dict[Any, list[float]] = {}
        for trial in self.trials:
            for i, comparison in trial.comparisons.items():
                resolved = np.isfinite(comparison.allowed) & ~comparison.kinks
                largest = abs(comparison.true[resolved]).max(initial=0)
                if largest:
                    error = float(comparison.allowed[resolved].max() / largest)
                    seen.setdefault(trial.inputs[i].dtype, []).append(error)
        limits = ", ".join(f"{np.median(values):.0e} in {dtype}" for dtype, values in seen.items())
        return f"{counted(len(self.trials), 'case')}; an error of {limits} would show"


NUMBERS = Promise(GRADIENTS, lambda trial: ())  # whose faults have reasons, see `Search.diagnose`
RUN = 5  # of the contract, those that are about the form of what is returned


def with_hypothesis() -> Any:
    """The strategies; imported here, as hypothesis takes longer to import than all of minigrad."""
    try:
        from minigrad.checks import strategies
    except ModuleNotFoundError as error:
        message = (
            "check: a search needs hypothesis: python -m pip install 'minigrad-tape[check]'; with inputs= there is none"
        )
        raise ModuleNotFoundError(message, name=error.name) from error
    return strategies


def answers(trial: Trial) -> bool:
    """Whether backward returns at all, if an input has no entries: to raise there is not to have a wrong derivative."""
    if all(np.size(x) for x in trial.inputs if x is not None):
        return True
    try:
        return trial.first_gradients is not None
    except Exception:
        return False


def usable(trial: Trial) -> bool:
    """Whether forward has a finite result."""
    try:
        return bool(trial.finite.all())
    except Exception:  # whatever a student's code raises: the first promise names it
        return False


def shows(trial: Trial, fault: Fault, promise: Promise) -> bool:
    """Whether a trial breaks the same promise in the same way."""
    if not usable(trial):
        return False
    try:
        for one in dict.fromkeys([CONTRACT[0], promise]):
            if one is NUMBERS:
                i = trial.names.index(fault.input or "")
                return i in trial.able and trial.gradient(i) is not None and bool(trial.compare(i).wrong.any())
            if any(f.kind == fault.kind and f.input == fault.input for f in one.look(trial)):
                return True
    except Broken as broken:
        return bool(broken.args[0].kind == fault.kind)
    except NotChecked:
        pass
    return False
