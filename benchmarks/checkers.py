"""Who finds the wrong backwards, who says what is wrong, and who cries wolf? The zoo, one checker after another.

Run as `python -m benchmarks.checkers`. `minigrad.check` gets a Function and the shapes of its inputs, and searches. The
others get inputs, as they must: two sets of normal float64 numbers of sizes 5, 3 and 2, and for a Function that
broadcasts a third set that does. A Function is wrapped for them as one would by hand, and their settings are their
defaults (of jax and HIPS the reverse mode only, as a wrapped backward has no other). jax and HIPS autograd take part
where they are installed.

caught: of the wrong backwards, those that are rejected. named: those whose mistake the message names; for
minigrad.check that is the expected word for the expected input, for the others any of the `WORDS`. false alarms: of the
right Functions, those that are rejected. seconds: of processor time, for the whole zoo.

The zoo was written by the hand that wrote the checker. `benchmarks.planted` makes another: a mistake in a rule of each
operation, of which the checker has to name the line.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from importlib import metadata
from importlib.util import find_spec
from itertools import count, islice
from time import process_time
from typing import Any, NamedTuple, TypeVar

import numpy as np

import minigrad
from benchmarks import planted
from minigrad import Function, Tensor
from minigrad.bench.harness import ROUNDS, Cell, Ratio, Table, say
from minigrad.checks.cases import ANY, Form, designed
from minigrad.checks.planting import TIE
from minigrad.checks.subject import DirectContext
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.ops.registry import REGISTRY
from minigrad.zoo import RIGHT, SPECIMENS, Specimen

Arrays = tuple[Any, ...]
SECONDS = 1.0  # in which Linear and MSE are to be checked
TIMED = {"Linear": 3, "MSE": 3}  # how often
CASES = 5000  # of right backwards, in which there is to be no false alarm
OURS = "minigrad.check"
T = TypeVar("T")


# ------------------------------------------------------------------------------------------------- the checkers
# Each takes a Function and one set of inputs, and raises what the checker raises.
def float_positions(arrays: Arrays) -> list[int]:
    return [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]


def as_tuple(grads: Any) -> tuple[Any, ...]:
    return grads if isinstance(grads, tuple) else (grads,)


def by_check(function: type[Function], arrays: Arrays) -> None:
    report = minigrad.checks.check(function, arrays)
    if not report:
        raise AssertionError(repr(report))


def by_gradcheck(function: type[Function], arrays: Arrays) -> None:
    minigrad.gradcheck(function.apply, [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays])


def by_torch(function: type[Function], arrays: Arrays, fast_mode: bool = False) -> None:
    import torch

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.own = DirectContext(ctx.needs_input_grad)
            return torch.as_tensor(function.forward(ctx.own, *[t.detach().numpy() for t in tensors]))

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            grads = as_tuple(function.backward(ctx.own, grad.numpy()))
            return tuple(None if g is None else torch.as_tensor(g) for g in grads)

    inputs = [torch.from_numpy(a.copy()).requires_grad_(a.dtype.kind == "f") for a in arrays]
    torch.autograd.gradcheck(Wrapped.apply, inputs, fast_mode=fast_mode)


def by_torch_fast(function: type[Function], arrays: Arrays) -> None:
    by_torch(function, arrays, fast_mode=True)


def by_jax(function: type[Function], arrays: Arrays) -> None:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    logging.getLogger("jax._src.callback").setLevel(logging.CRITICAL)  # it prints what it raises
    floats = float_positions(arrays)

    def forward(*xs: Any) -> tuple[DirectContext, Any]:
        full = list(arrays)
        for i, x in zip(floats, xs, strict=True):
            full[i] = np.asarray(x)
        ctx = DirectContext([i in floats for i in range(len(full))])
        return ctx, np.asarray(function.forward(ctx, *full))

    def backward(g: Any, *xs: Any) -> tuple[Any, ...]:
        grads = as_tuple(function.backward(forward(*xs)[0], np.asarray(g)))
        if len(grads) != len(arrays):
            raise ValueError(f"{len(grads)} gradients for {len(arrays)} inputs")
        return tuple(
            np.zeros(x.shape, x.dtype) if grads[i] is None else grads[i] for i, x in zip(floats, xs, strict=True)
        )

    _, y = forward(*[arrays[i].copy() for i in floats])
    result = jax.ShapeDtypeStruct(y.shape, y.dtype)
    inputs = [jax.numpy.array(arrays[i]) for i in floats]
    likes = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in inputs)

    @jax.custom_vjp
    def wrapped(*xs: Any) -> Any:
        return jax.pure_callback(lambda *xs: forward(*xs)[1], result, *xs)

    wrapped.defvjp(
        lambda *xs: (wrapped(*xs), xs),
        lambda xs, g: jax.pure_callback(backward, likes, g, *xs),
    )
    check_grads(wrapped, inputs, order=1, modes=["rev"])


def by_hips(function: type[Function], arrays: Arrays) -> None:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    needs = [i in float_positions(arrays) for i in range(len(arrays))]

    @primitive
    def wrapped(*xs: Any) -> Any:
        return function.forward(DirectContext(needs), *xs)

    def vjp(i: int) -> Callable[..., Any]:
        def maker(ans: Any, *xs: Any) -> Callable[[Any], Any]:
            ctx = DirectContext(needs)
            function.forward(ctx, *xs)
            return lambda g: as_tuple(function.backward(ctx, g))[i]

        return maker

    defvjp(wrapped, *map(vjp, range(len(arrays))))
    check_grads(wrapped, modes=["rev"], order=1)(*[a.copy() for a in arrays])


CHECKERS: dict[str, Callable[[type[Function], Arrays], None]] = {
    "minigrad.check, same inputs": by_check,
    "minigrad.gradcheck": by_gradcheck,
}
if find_spec("torch"):
    CHECKERS |= {"torch gradcheck": by_torch, "torch gradcheck, fast": by_torch_fast}
if find_spec("jax"):
    CHECKERS["jax check_grads"] = by_jax
if find_spec("autograd"):
    CHECKERS["HIPS check_grads"] = by_hips

WORDS = {  # what a message of another checker must hold to have named the mistake
    "factor": "factor|times|ratio",
    "sign": "sign|negative",
    "transposed": "transpos|shape",
    "unsummed": "broadcast|sum |shape",
    "averaged": "mean|averag|factor|ratio",
    "cotangent-ignored": "cotangent|grad_output|linear",
    "cotangent-nonlinear": "linear",
    "at-output": "output instead|at the output",
    "at-input": "input instead|at the input",
    "zero": "zero",
    "missing": "None|undefined|not defined",
    "swapped": "swap|order|shape",
    "diagonal": "diagonal",
    "first-call": "reentrant|deterministic|second call|state|cache",
    "bessel": "n - 1|bessel|ddof",
    "eps": "eps",
    "precision": "precision|float32",
    "region": "where|kink|nan",
    "mutates": "in-?place|read-only|mutat|modif",
    "saved": "saved|reentrant|deterministic|in-?place",
    "aliased": "alias|same array|memory",
    "shape": "shape|size",
    "dtype": "dtype|type|float32",
    "random": "random|deterministic|reentrant",
    "layout": "layout|contiguous|order in memory|stride",
    "partial": "needs_input_grad|NoneType",
    "broadcasting": "broadcast",
    "second-order": "second",
    "count": "number of|gradients",
    "power": "exponent|power rule",
    "left-out": "path|left out|depends on",
    "missing-factor": "not multiplied|is missing",
    "counted": "twice|times",
    "mask": "mask",
    "wrong-value": "instead of|taken at",
    "wrong-rule": "rule of",
    "added": "is added|is off by",
    "mixed": "mixes|axis",
    "raises": "mismatch|align|broadcast",  # NumPy's own words for shapes that do not fit
}


def names_it(message: str, kind: str) -> bool:
    return bool(re.search(WORDS.get(kind, "(?!)"), message, re.IGNORECASE))


# --------------------------------------------------------------------------------------------------- the questions
class Score(NamedTuple):
    """What a checker made of the zoo: names of specimens, and the seconds of processor time that all of it took."""

    missed: list[str]
    unnamed: list[str]
    alarms: list[str]
    seconds: float

    def cells(self) -> list[Cell]:
        wrong, right = len(SPECIMENS), len(RIGHT)
        caught, named = wrong - len(self.missed), wrong - len(self.unnamed)
        return [f"{caught} / {wrong}", f"{named} / {wrong}", f"{len(self.alarms)} / {right}", self.seconds]


def points(specimen: Specimen, seed: int = 0) -> list[Arrays]:
    """The inputs that a checker without a search is asked at."""
    if specimen.inputs is not None:
        return [specimen.inputs]
    parameters = positional_parameters(specimen.twin.forward, 1)
    names = argument_names(parameters, specimen.signature.split("->")[0].count("("))
    form = Form(specimen.signature, [specimen.domain.get(name, ANY) for name in names])
    first, second, *others = (case.inputs for case in designed(form, seed))
    broadcast = (arrays for arrays in others if form.elementwise and len({a.shape for a in arrays}) > 1)
    return [first, second, *islice(broadcast, 1)]


def complaint(checker: Callable[[type[Function], Arrays], None], specimen: Specimen) -> str:
    """What a checker says at the first set of inputs where it says something; "" if it accepts all of them."""
    for arrays in points(specimen):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                checker(specimen.target, arrays)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""


def score(name: str, checker: Callable[[type[Function], Arrays], None]) -> Score:
    begin = process_time()
    said = {s.name: complaint(checker, s) for s in progress(SPECIMENS.values(), name)}
    alarms = [s.name for s in progress(RIGHT.values(), f"{name}, right Functions") if complaint(checker, s)]
    seconds = process_time() - begin
    missed = [name for name, message in said.items() if not message]
    unnamed = [name for name, message in said.items() if not names_it(message, SPECIMENS[name].kind)]
    return Score(missed, unnamed, alarms, seconds)


def our_score(seed: int = 0) -> Score:
    """minigrad.check, with nothing given but the shapes."""
    begin = process_time()
    reports = {s.name: minigrad.checks.check(s, seed=seed) for s in progress(SPECIMENS.values(), OURS)}
    alarms = [
        s.name
        for s in progress(RIGHT.values(), f"{OURS}, right Functions")
        if not minigrad.checks.check(s, s.inputs, seed=seed)
    ]
    seconds = process_time() - begin
    missed = [name for name, report in reports.items() if report]
    unnamed = [name for name, report in reports.items() if not is_named(report, SPECIMENS[name])]
    return Score(missed, unnamed, alarms, seconds)


def is_named(report: Any, specimen: Specimen) -> bool:
    """Whether one of the faults is the expected one, of the expected input, and its sentence names the place.

    That no pattern fits names nothing.
    """
    faults = [f for f in report.faults if specimen.input in ("", f.input) and f.kind != "unknown"]
    return any(f.kind == specimen.kind and specimen.says in f.text for f in faults)


def uses() -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every operation of minigrad, with each of the static arguments worth trying."""
    for operation in REGISTRY.values():
        for params in operation.params:
            if operation.statics.keys() <= {**operation.defaults, **params}.keys():  # else it cannot be called so
                yield operation, params


def registry_alarms(wanted: int) -> tuple[int, list[str]]:
    """At least so many cases of how the operations of minigrad may be used, and the false alarms among them.

    The uses come in an order that is drawn, so that few cases are a sample of all, and again with other seeds.
    """
    cases, alarms, order = 0, [], np.random.default_rng(0)
    ways = list(uses()) if wanted else []
    rounds = ((seed, *ways[k]) for seed in count() for k in order.permutation(len(ways)))
    while cases < wanted:
        seed, operation, params = next(rounds)
        report = minigrad.checks.check(operation.function, params=params, seed=seed)
        cases += report.cases
        if not report:
            alarms.append(f"{operation.name} {params or ''}: {'; '.join(fault.text for fault in report.faults)}")
        shown(f"the operations of minigrad: {cases:,} of {wanted:,} cases")
    shown("")
    return cases, alarms


def seconds_for(name: str, times_over: int) -> float:
    """What it takes to check one of the right Functions, the fastest of some times."""
    times = []
    for _ in range(times_over):
        begin = process_time()
        minigrad.checks.check(RIGHT[name])
        times.append(process_time() - begin)
    return min(times)


def progress(things: Iterable[T], what: str) -> Iterator[T]:
    """The things one by one, with a line in the terminal that says how far it is."""
    for i, thing in enumerate(things):
        shown(f"{what}: {i}" + (f" of {len(things)}" if isinstance(things, Sized) else ""))
        yield thing
    shown("")


def shown(text: str) -> None:
    """In place of the last line of the terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def leads(scores: dict[str, Score]) -> bool:
    """Whether minigrad.check is ahead of every other in each column but time, or at the end of the scale with it."""
    ours = scores[OURS]
    return all(
        len(getattr(ours, column)) <= len(getattr(other, column))
        for name, other in scores.items()
        if name != OURS
        for column in ("missed", "unnamed", "alarms")
    )


def versions() -> str:
    packages = ["numpy", "torch", "jax", "autograd"]
    return ", ".join(f"{name} {metadata.version(name)}" for name in packages if find_spec(name))


class Found(NamedTuple):
    """All that was found out."""

    scores: dict[str, Score]
    seconds: dict[str, float]  # for each of the Functions that are to be checked within SECONDS
    cases: int  # of how the operations of minigrad may be used
    alarms: list[str]  # among these
    planted: int  # mistakes in the rules of the operations
    lost: list[str]  # those whose place the checker does not name
    tied: int  # those of which it says more than one thing that would come to the same

    def table(self) -> Table:
        wrong, right = len(SPECIMENS), len(RIGHT)
        first, *others = [[name, *score.cells()] for name, score in self.scores.items()]
        times = [[f"{OURS} of {n}", "", "", "", Ratio(s, "<=", SECONDS)] for n, s in self.seconds.items()]
        title = f"{wrong} wrong backwards and {right} right ones: who finds what, names it, cries wolf."
        header = ["checker", "caught", "named", "false alarms", "seconds"]
        rows, notes = [[], first, [], *others, [], *times], []
        if self.cases:
            rows.append([f"{OURS} of minigrad's operations", "", "", Ratio(len(self.alarms), "<=", 0), None])
            notes.append(
                f"{OURS} of the operations of minigrad: {len(self.alarms)} false alarms in {self.cases:,} cases"
            )
        if self.planted:
            named = f"{self.planted - len(self.lost)} / {self.planted}"
            rows.append([f"{OURS}, mistakes planted in the operations", "", named, "", None])
            notes.append("planted: one mistake in one rule of one operation; named if the sentence is about its line")
            notes.append(f"of these {self.tied} have two explanations that come to the same, and both are said")
        return Table(title, header, rows, notes)

    def json(self) -> dict[str, Any]:
        return {
            "specimens": len(SPECIMENS),
            "right": len(RIGHT),
            "checkers": {name: score._asdict() for name, score in self.scores.items()},
            "seconds": self.seconds,
            "registry": {"cases": self.cases, "alarms": self.alarms},
            "planted": {"mistakes": self.planted, "lost": self.lost, "tied": self.tied},
            "versions": versions(),
        }


def find(cases: int, every: int = 1) -> Found:
    """All of it: at least so many right cases, and of the planted mistakes one in `every`."""
    scores = {OURS: our_score()} | {name: score(name, checker) for name, checker in CHECKERS.items()}
    times = {name: seconds_for(name, times_over) for name, times_over in TIMED.items()}
    return Found(scores, times, *registry_alarms(cases), *(planted_mistakes(every) if cases else (0, [], 0)))


def planted_mistakes(every: int = 1) -> tuple[int, list[str], int]:
    """How many planted mistakes change anything, those that are not found, and how many have two explanations."""
    wrong, lost, tied = 0, [], 0
    for one in progress(islice(planted.everything(), 0, None, every), "planted mistakes"):
        text = planted.verdict(one)
        wrong += bool(text)
        tied += TIE in text
        if text and not planted.is_found(text):
            lost.append(f"{one.name}: {text}")
    return wrong, lost, tied


def run(rounds: int = ROUNDS, cases: int = CASES) -> Table:
    """The table of all checkers. It counts what they find, which takes no `rounds`."""
    say("checkers: the zoo")
    return find(cases).table()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkers",
        description="Run wrong and right backwards through gradient checkers: who finds what, names it, cries wolf.",
    )
    parser.add_argument(
        "--cases",
        type=int,
        default=CASES,
        help=f"right cases at least, of the operations of minigrad (default {CASES}; 0 plants no mistakes, either)",
    )
    parser.add_argument("--every", type=int, default=1, help="of the planted mistakes one in so many (default all)")
    parser.add_argument("--details", action="store_true", help="say what each of them missed, and its false alarms")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 if minigrad.check does not lead or is slow")
    options = parser.parse_args(arguments)
    if options.cases < 0 or options.every < 1:
        parser.error("--cases counts from 0, and --every from 1")

    found = find(options.cases, options.every)
    if options.json:
        print(json.dumps(found.json(), indent=2))
    else:
        print(f"{found.table()}\n{versions()}")
        if options.details:
            print(details(found.scores, found.alarms))
            print("\n".join(f"  planted, and not found: {name}" for name in found.lost))
    well = leads(found.scores) and not found.table().missed
    return 1 if options.check and not well else 0


def details(scores: dict[str, Score], alarms: list[str]) -> str:
    lines = []
    for name, found in scores.items():
        lines += [f"\n{name}"]
        unnamed = [s for s in found.unnamed if s not in found.missed] if name == OURS else []
        for what, names in (("missed", found.missed), ("not named", unnamed), ("false alarms", found.alarms)):
            if names:
                lines += [f"  {what}: {', '.join(names)}"]
    return "\n".join([*lines, *(f"  false alarm: {alarm}" for alarm in alarms)])


if __name__ == "__main__":
    sys.exit(main())
