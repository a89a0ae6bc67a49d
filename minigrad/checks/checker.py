"""check: what a good teaching assistant would say about a backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.checks.cases import ANY, Form, designed, groups, square
from minigrad.checks.contract import ONCE, QUICK, Broken, wrong_inputs
from minigrad.checks.diagnosis import KINDS, Fault, diagnose
from minigrad.checks.report import Report, Verdict
from minigrad.checks.subject import Subject, subject_of
from minigrad.checks.trial import Case, Trial
from minigrad.ops.registry import Operation
from minigrad.tensor import Tensor

__all__ = ["check"]

GRADIENT = "gradients equal the numerical derivative"
KINK = "kinks and ties"


def check(
    target: Any,
    inputs: Any = None,
    *,
    signature: str | None = None,
    domain: dict[str, Any] | None = None,
    params: Any = None,
    against: Any = None,
    seed: int = 0,
) -> Report:
    """Check a backward, and say what is wrong with it."""
    source = target  # of signature, domain and params, where they are not given
    if hasattr(target, "target"):  # a specimen of the zoo
        target = target.target
    elif hasattr(target, "operation"):
        source = target.operation
    if inputs is not None:
        search = Search(subject_of(target, params), seed)
        search.try_case("the inputs given", given(inputs))
        return search.report()
    signature = signature or getattr(source, "signature", None)
    domain = getattr(source, "domain", {}) if domain is None else domain
    several = [params] if params is not None else getattr(source, "params", None) or [{}]
    if signature is None:
        raise ValueError(
            f"check: {subject_of(target).name} has no signature, so there is nothing to search; give inputs, or the "
            'shapes as in signature="(n,p),(p,q),(q)->(n,q)", or "(),()->()" for what works entry by entry'
        )
    search = Search(subject_of(target), seed)
    for one in several:
        search.subject = subject_of(target, one)
        form = form_of(search.subject, signature, domain, source)
        for what, case in designed(form, seed):
            if fits(case, one):
                search.try_case(what, case)
        search.look_at_square_ones(form)
    return search.report()


def form_of(subject: Subject, signature: str, domain: dict[str, Any], source: Any) -> Form:
    """The signature with what is known of each input."""
    count = len(groups(signature))
    parameters = [subject.parameter(i) for i in range(count)]
    names = [getattr(p, "name", "") for p in parameters]
    if unknown := domain.keys() - set(names):
        raise ValueError(f"domain: {', '.join(sorted(unknown))} is no input; the inputs are {', '.join(names)}")
    rules = dict(zip(range(count), source.rules, strict=False)) if isinstance(source, Operation) else {}
    return Form(
        signature,
        [domain.get(name, ANY) for name in names],
        constant=[i for i, rule in rules.items() if not rule],
        optional=[i for i, p in enumerate(parameters) if p is not None and p.default is None],
        batched=getattr(source, "batched", False),
    )


def fits(case: Case, params: dict[str, Any]) -> bool:
    """Whether the axes in `params` exist."""
    axis, (shape, *_) = params.get("axis"), [np.shape(x) for x in case.inputs]
    return axis is None or all(-len(shape) <= k < len(shape) for k in np.atleast_1d(axis))


def given(inputs: Any) -> Case:
    """The inputs of a call as a case: tensors that require grad are checked, or else every array of floats."""
    arguments = (inputs,) if isinstance(inputs, Tensor | np.ndarray) or hasattr(inputs, "requires_grad") else tuple(inputs)
    values, able = [], []
    explicit = any(getattr(x, "requires_grad", False) for x in arguments)
    for position, x in enumerate(arguments):
        wanted = getattr(x, "requires_grad", not explicit)
        value = x.data if isinstance(x, Tensor) else x.detach().numpy() if hasattr(x, "detach") else x
        values.append(value)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and wanted:
            able.append(position)
    if not able:
        raise ValueError(
            "check: no input is an array of floats or a tensor that requires grad, so there is nothing to differentiate"
        )
    return Case(tuple(values), tuple(able), {}, 0)


class Search:
    """Tries cases, and remembers what is wrong and where it was first seen."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject, self.seed = subject, seed
        self.found: dict[tuple[str, str | None], tuple[Fault, Trial]] = {}
        self.broken: dict[str, str] = {}  # verdict -> the kinds of its faults
        self.passed: dict[str, int] = {}
        self.judged: set[tuple[str, str | None]] = set()
        self.kinks = 0
        self.stopped = False
        self.trials: list[Trial] = []
        self.wrong: dict[int, list[Trial]] = {}

    @np.errstate(all="ignore")
    def try_case(self, what: str, case: Case) -> None:
        trial = Trial(self.subject, case, tuple(self.trials))
        first = not self.trials
        if not case.able or self.stopped:
            return
        try:
            usable = np.isfinite(trial.y).all()
        except Exception:
            usable = first
        if not usable:  # forward refuses what the signature allows; a backward has nothing to do with it
            return
        self.trials.append(trial)
        name = ""
        try:
            for name, promise in ({**QUICK, **ONCE} if first else QUICK).items():
                self.note(name, promise(trial), trial)
            self.compare(trial)
        except Broken as broken:
            (fault,) = broken.args
            self.note(name, [fault], trial)
            self.stopped = fault.kind in ("random", "first-call")  # what else may be wrong is not to be told from it

    def note(self, verdict: str, faults: Any, trial: Trial) -> None:
        faults = list(faults)
        for fault in faults:
            if (verdict, fault.input) in self.judged:  # which the first trial does best, as its sizes are unlike
                continue
            self.judged.add((verdict, fault.input))
            if (fault.kind, fault.input) not in self.found:
                self.found[fault.kind, fault.input] = fault, trial
            self.broken[verdict] = fault.kind
        if not faults:
            self.passed[verdict] = self.passed.get(verdict, 0) + 1

    def compare(self, trial: Trial) -> None:
        wrong = wrong_inputs(trial)
        for i in wrong:
            self.wrong.setdefault(i, []).append(trial)
        self.kinks += sum(int(trial.compare(i).kinks.sum()) for i in trial.able)
        if not wrong:
            self.passed[GRADIENT] = self.passed.get(GRADIENT, 0) + 1

    def look_at_square_ones(self, form: Form) -> None:
        if ("raises", None) in self.found and form.letters:
            trial = Trial(self.subject, square(form, self.seed))
            try:
                for promise in QUICK.values():
                    list(promise(trial))
                for i in wrong_inputs(trial):
                    for fault in diagnose([trial], i):
                        if fault.kind != "unknown":
                            self.found[fault.kind, fault.input] = fault, trial
            except Broken:
                pass

    def diagnosed(self) -> Iterator[tuple[Fault, Trial]]:
        for i, trials in self.wrong.items():
            same = [t for t in trials if t.inputs[i].dtype == trials[0].inputs[i].dtype]
            if self.subject.names(len(trials[0].inputs))[i] in {fault.input for fault, _ in self.found.values()}:
                continue  # its numbers are no longer to be judged
            for fault in diagnose(same[:2], i):
                if fault.kind == "unknown" and broadcasts(trials) and not all(broadcasts([t]) for t in self.trials):
                    fault = fault._replace(kind="broadcasting", text=fault.text.replace("no known pattern fits", "it is right without broadcasting"))
                yield fault, trials[0]

    def report(self) -> Report:
        for fault, trial in self.diagnosed():
            self.broken[GRADIENT] = fault.kind
            if (fault.kind, fault.input) not in self.found:
                self.found[fault.kind, fault.input] = fault, trial
        order = list(KINDS)
        faults = sorted((fault for fault, _ in self.found.values()), key=lambda f: order.index(f.kind))
        verdicts = [
            Verdict(name, "fault" if name in self.broken else "ok" if name in self.passed else "not checked", "")
            for name in [GRADIENT, *QUICK, *ONCE]
        ]
        if self.kinks:
            verdicts.append(Verdict(KINK, "kink", f"{self.kinks} entries where left and right derivative differ"))
        return Report(self.subject.name, tuple(faults), tuple(verdicts))


def broadcasts(trials: list[Trial]) -> bool:
    """Whether the inputs have unlike shapes in each of these."""
    return all(len({trial.inputs[i].shape for i in trial.able}) > 1 for trial in trials)
