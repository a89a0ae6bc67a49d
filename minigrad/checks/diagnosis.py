"""Why a gradient is wrong: by hypotheses on the whole of it, and by mistakes at the steps of the forward.

A hypothesis says what the backward would have returned, had a certain mistake been made: computed from the true
Jacobian, the cotangent and the values, it is an array like any other, and either it is what was returned, to rounding,
or it is not. WHOLE holds those that explain a gradient at a glance: it is zero, another input's, right but for a
number. Then mistakes are planted in the tape of the forward (`planting.py`), and REST is what is tried after them, or
where the forward leaves no tape. `diagnose` tries each on two draws where there are two. Where none fits it says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from minigrad.broadcasting import stretched_axes
from minigrad.checks.french import spoken, titled
from minigrad.checks.linear import returned
from minigrad.checks.planting import conditions, explain
from minigrad.checks.tracing import Untraceable
from minigrad.checks.trial import TERMS, Trial, as_floats, copied
from minigrad.engine.signatures import argument_names, positional_parameters

__all__ = ["KINDS", "Fault", "diagnose"]

Array = np.ndarray[Any, Any]

KINDS = {  # the words for what may be wrong; of several, the first explains the others, or hides them
    "random": "the same call gives another result",
    "first-call": "right at first, and not at a later call",
    "mutates": "writes into an array that it was given",
    "saved": "writes into an array that forward saved",
    "count": "another number of gradients than of inputs",
    "missing": "None for an input that has a derivative",
    "swapped": "the gradients of two inputs, or the cotangents of two outputs, are exchanged",
    "cotangent-ignored": "the incoming cotangent is left out",
    "cotangent-nonlinear": "not linear in the incoming cotangent",
    "zero": "zero, where it is not",
    "sign": "right, but for its sign",
    "averaged": "a mean where a sum belongs",
    "bessel": "n - 1 where n belongs, or n where n - 1 belongs",
    "factor": "too large or too small by one number, a size of the shapes perhaps",
    "power": "a slip of the power rule",
    "left-out": "a path from the input to the output is not followed",
    "missing-factor": "a factor of the forward, or the derivative of a function on the way, is not multiplied in",
    "counted": "a path, or a factor, counts by a wrong number",
    "mask": "the mask of what chooses between values is missing, or from the wrong side",
    "wrong-value": "a derivative is given another value than forward's",
    "wrong-rule": "the derivative of another function",
    "added": "a term too much, or one too few",
    "mixed": "entries are coupled that forward keeps apart",
    "diagonal": "only the diagonal of the Jacobian is used",
    "transposed": "rows where columns should be, a factor that should be transposed, entries in the wrong places",
    "unsummed": "the input was used several times, and not all of the cotangents are added up",
    "at-output": "the derivative is evaluated at the output instead of the input",
    "at-input": "the derivative is evaluated at the input instead of the output",
    "eps": "a small constant is in the forward or in the backward, and not in the other",
    "dtype": "not of the dtype of its input",
    "precision": "computed in a narrower dtype than its input's",
    "region": "wrong exactly in one region: where x < 0, x == 0, at one index of an axis, ...",
    "shape": "not of the shape of its input",
    "raises": "an exception",
    "unchecked": "forward has no finite result, and nothing can be checked",
    "broadcasting": "wrong when the inputs broadcast",
    "partial": "wrong when only some of the inputs need a gradient",
    "layout": "wrong for arrays that lie in memory in another way",
    "aliased": "two gradients are one array",
    "second-order": "the derivative of the derivative is wrong",
    "differs": "not what the function it is compared with gives",
    "unknown": "wrong, and no pattern fits",
}


CONSTANTS = {"ln 2": math.log(2), "ln 10": math.log(10), "√2": math.sqrt(2), "√π": math.sqrt(math.pi)}
CONSTANTS |= {"π": math.pi, "180/π": 180 / math.pi}
KNOWN = 1e-4  # relative error of a numerical derivative that still tells one mistake from another


FURTHER = "sign", "averaged", "missing-factor", "counted"  # of planted mistakes, those that come to a number


class Fault(NamedTuple):
    """One thing that is wrong: a word of KINDS, the input's name (or None), and a sentence that says what to do."""

    kind: str
    input: str | None
    text: str

    @property
    def name(self) -> str:
        return f"{self.kind} of {self.input}" if self.input else self.kind

    def __str__(self) -> str:
        return f"{titled(self.name)}\n  {spoken(self.text)}"


class Guess(NamedTuple):
    """The gradient that a mistake would have made. `label` tells guesses of one hypothesis apart."""

    array: Array
    text: str
    label: str = ""
    error: Any = 0.0  # how far off the array may be itself
    also: tuple[tuple[str, str], ...] = ()  # other faults that it takes to explain the gradient: kind and text


class Evidence:
    """A wrong gradient, and everything that may explain it. Arrays are (2, size): one row for each cotangent."""

    def __init__(self, trial: Trial, i: int, ignoring: bool = False) -> None:
        self.trial, self.i = trial, i
        self.x, self.y, self.name = trial.inputs[i], trial.y, trial.names[i]
        self.d = f"d{self.name}"
        self.g = trial.cotangents.reshape(2, -1)
        comparison = trial.compare(i)
        if ignoring:  # the cotangent: what else is wrong shows against the gradient for a cotangent of ones
            self.g = np.ones_like(self.g)
            comparison = comparison._replace(
                true=self.g @ self.jacobian, allowed=comparison.allowed + self.terms / 2**20
            )
        self.got, self.true = comparison.got, comparison.true
        self.allowed, self.kinks = comparison.allowed, comparison.kinks
        self.wrong = comparison.wrong

    @cached_property
    def jacobian(self) -> Array:
        value = self.trial.jacobian(self.i).value
        return np.where(np.isfinite(value), value, 0)

    @cached_property
    def implied(self) -> Array | None:
        """The Jacobian that the backward implies, from unit cotangents; None where it cannot be had."""
        try:
            units = np.eye(self.y.size, dtype=self.y.dtype)
            return returned(self.trial, self.trial.inputs, units)[self.i].reshape(self.jacobian.shape)
        except Untraceable:
            return None

    @cached_property
    def terms(self) -> Array:
        return abs(self.g) @ abs(self.jacobian)

    @np.errstate(all="ignore")
    def fits(self, guess: Array, error: Any = 0.0, got: Array | None = None) -> bool:
        """Whether the guess is what was returned, up to rounding, in every entry that is known well enough to say."""
        got = self.got if got is None else got
        if got is None or guess.shape != got.shape:
            return False
        known = self.known & ~(error > KNOWN * abs(guess))
        guess = guess.astype(got.dtype)  # where what is too large is infinite
        eps = max(np.finfo(self.x.dtype).eps, np.finfo(self.y.dtype).eps)
        finite = np.isfinite(guess) & np.isfinite(got)
        slack = (self.relative_error + 8 * TERMS * eps) * np.maximum(abs(guess), abs(got)) + 4 * self.floor + error
        close = np.where(finite, abs(guess - got) <= slack, ~np.isfinite(guess) & ~np.isfinite(got))
        explained = 2 * (known & self.wrong).sum() >= self.wrong.sum()
        return bool(explained and known.any() and (close | ~known).all())

    @cached_property
    def floor(self) -> Array:
        """The allowance for rounding, but not that of a kink, which would admit anything."""
        return np.where(self.kinks | ~np.isfinite(self.allowed), 0, self.allowed)

    @cached_property
    def relative_error(self) -> Array:
        """Of the numerical derivative."""
        with np.errstate(all="ignore"):
            error = abs(self.g) @ self.trial.jacobian(self.i).error
            return np.where(self.kinks | (self.terms == 0), 0, error / self.terms)

    @cached_property
    def known(self) -> Array:
        """The entries that tell something; at a kink, those that are wrong even there."""
        lost = self.wrong & ~np.isfinite(self.true if self.got is None else self.got)
        return (self.relative_error < KNOWN) & (self.wrong | ~self.kinks) | lost

    @cached_property
    def sizes(self) -> dict[str, float]:
        """Numbers that a factor may be, by their names: sizes of axes, products of them, 2."""
        lengths = dict(self.trial.case.lengths)
        if not lengths:
            for name, value in zip(self.trial.names, self.trial.inputs, strict=True):
                if isinstance(value, np.ndarray):
                    lengths.update({f"{name}.shape[{k}]": n for k, n in enumerate(value.shape)})
        lengths = {name: n for name, n in lengths.items() if n > 1}
        found: dict[str, float] = {"2": 2.0, **CONSTANTS}
        for count in (1, 2, 3):
            for names in combinations(lengths, count):
                found["·".join(names)] = float(math.prod(lengths[name] for name in names))
        return found

    def probe(self, inputs: list[Any]) -> list[Any] | None:
        """The gradient of this input at another point, for both cotangents; None if it cannot be had."""
        try:
            with np.errstate(all="ignore"):
                found = [self.trial.pull(g, inputs)[self.i] for g in self.trial.cotangents]
        except Exception:  # outside of its domain, perhaps; then it is no evidence
            return None
        return None if any(part is None or part.shape != self.x.shape for part in found) else found


Hypothesis = Callable[[Evidence], Iterator[Guess]]
Hypotheses = list[tuple[str, Hypothesis]]  # each with the kind of fault that it explains; the first that fits wins
WHOLE: Hypotheses = []
REST: Hypotheses = []


def hypothesis(kind: str, table: Hypotheses = REST) -> Callable[[Hypothesis], Hypothesis]:
    """Enter a function in a table."""

    def enter(function: Hypothesis) -> Hypothesis:
        table.append((kind, function))
        return function

    return enter


# ------------------------------------------------------------------------------------------------------- the table
@hypothesis("zero", WHOLE)
def nothing(e: Evidence) -> Iterator[Guess]:
    yield Guess(0 * e.true, f"{e.d} is zero everywhere, and the output does depend on {e.name}.")


@hypothesis("region", WHOLE)
def not_finite(e: Evidence) -> Iterator[Guess]:
    """nan and inf where the derivative is a number, and what may have made them."""
    if e.got is None or not (bad := ~np.isfinite(e.got) & e.wrong).any() or (e.wrong != bad).any():
        return
    wrong = bad.any(axis=0).reshape(e.x.shape)
    y = np.broadcast_to(e.y, e.x.shape) if stretch_to(e.y.shape, e.x.shape) else np.ones(e.x.shape)
    reasons = [(f"where {e.name} == 0", "0/0, or a logarithm of 0, times 0", e.x == 0)]
    for other, value in zip(e.trial.names, e.trial.inputs, strict=True):
        if isinstance(value, np.ndarray) and value is not e.x and stretch_to(value.shape, e.x.shape):
            zero = np.broadcast_to(value == 0, e.x.shape)
            reasons.append((f"where {other} == 0", "0/0, or a logarithm of 0, times 0", zero))
    most = np.log(np.finfo(e.x.dtype).max)
    for far in (abs(e.x) > most, e.x < -most, e.x > most):
        reasons.append((f"where |{e.name}| is too large for e^|{e.name}|, which overflows", "inf/inf", far))
    reasons.append(("where the output is 0", "0/0", y == 0))
    for where, what, mask in reasons:
        if (wrong <= mask).all() and not (mask & ~wrong).any():
            text = f"{e.d} is not finite exactly {where} ({what}), and the derivative there is a number"
            remedy = "Write it with the output y, or with e^-|x|."
            if what != "inf/inf":
                remedy = "Put another number there first: np.where before the operation, not behind it."
            yield Guess(e.got, f"{text}. {remedy}", where)
    which = "everywhere" if wrong.all() else f"at {wrong.sum()} of {wrong.size} entries"
    yield Guess(e.got, f"{e.d} is not finite {which}, and the derivative is: look for a division by 0, or inf - inf.")


@hypothesis("region", WHOLE)
def ties(e: Evidence) -> Iterator[Guess]:
    values, counts = np.unique(e.x, return_counts=True)
    equal = np.isin(e.x, values[counts > 1]).reshape(-1)
    wrong = e.wrong.any(axis=0)
    together = ((e.jacobian != 0).sum(axis=1) > 1).any()  # else an entry has its kink by itself
    if e.got is not None and together and wrong.any() and (wrong <= (equal & e.kinks)).all():
        yield Guess(
            e.got,
            f"{e.d} is wrong exactly where entries of {e.name} are equal (ties): those that share the place of the "
            "largest, say, share one cotangent. Split it, or give it to one of them.",
        )


@hypothesis("sign", WHOLE)
def negated(e: Evidence) -> Iterator[Guess]:
    yield Guess(-e.true, f"{e.d} has the wrong sign: it is exactly the negative of the gradient.")


@hypothesis("averaged", WHOLE)
def mean_for_sum(e: Evidence) -> Iterator[Guess]:
    axes = stretched(e)
    n = math.prod(e.y.shape[k] for k in axes)
    if n > 1:
        over = axes[0] if len(axes) == 1 else axes
        yield Guess(
            e.true / n,
            f"{e.d} is a mean where a sum belongs: broadcasting used each entry of {e.name} {n} times, along axis "
            f"{over}, and {e.d} is {n} times too small. Write .sum({over}), not .mean({over}).",
            str(over),
        )


@hypothesis("averaged", WHOLE)
def mean_over_uses(e: Evidence) -> Iterator[Guess]:
    uses = np.unique(each := (e.jacobian != 0).sum(axis=0))
    if uses.size > 1 and uses[-1] > 1:
        yield Guess(
            e.true / np.maximum(each, 1),
            f"{e.d} is a mean where a sum belongs: entries of {e.name} are used up to {uses[-1]} times, and what each "
            "of them gets is divided by that: add up, and do not divide.",
        )
    if uses.size == 1 and uses[0] > 2:
        n = int(uses[0])
        yield Guess(
            e.true / n,
            f"{e.d} is a mean where a sum belongs: each entry of {e.name} goes into {n} entries of the output (rows, "
            f"positions), and {e.d} is {n} times too small: add them up, and do not divide.",
        )


@hypothesis("bessel", WHOLE)
def bessel(e: Evidence) -> Iterator[Guess]:
    for name, n in e.sizes.items():
        if n > 2:  # of two, n / (n - 1) is 2, which may be anything
            for c, has, needs in ((n / (n - 1), f"{name} - 1", name), ((n - 1) / n, name, f"{name} - 1")):
                yield Guess(
                    c * e.true,
                    f"{e.d} divides by {has} where the forward divides by {needs} (Bessel's correction): "
                    f"it is {c:.6g} times what it should be. Give forward and backward the same divisor, {needs}.",
                    f"{name}{has}",
                )


@hypothesis("factor", WHOLE)
def factor(e: Evidence) -> Iterator[Guess]:
    c = ratio(e)
    if c is None:
        return
    sizes = e.sizes
    for sign in (1, -1):
        for name, n in sizes.items():
            for scale, text in ((1, ""), (2, "2·"), (0.5, "half of ")):
                if name == "2" and scale != 1:
                    continue
                yield from sized(e, sign * n * scale, f"{text}{name}", n * scale, sign, True)
                yield from sized(e, sign / (n * scale), f"{text}{name}", n * scale, sign, False)
    for names in combinations(sizes, 2):
        a, b = (sizes[name] for name in names)
        for c_named, text in ((a / b, f"{names[0]}/({names[1]})"), (b / a, f"{names[1]}/({names[0]})")):
            yield Guess(
                c_named * e.true,
                f"{e.d} is {text} = {c_named:.6g} times the gradient: it divides by the wrong size.",
                text,
            )


@hypothesis("factor")
def some_number(e: Evidence) -> Iterator[Guess]:
    c = ratio(e)
    if c is not None:
        yield Guess(c * e.true, f"{e.d} is {c:.6g} times the gradient, in every entry.", f"{c:.6g}")


def sized(e: Evidence, c: float, name: str, n: float, sign: int, large: bool) -> Iterator[Guess]:
    how = "large" if large else "small"
    what = f"{name} = {n:g}" if name != "2" else "2"
    remedy = f"divide by {name}" if large else f"multiply by {name}"
    entries, rows = entries_and_rows(e)
    if large and e.y.size == 1 and name in entries:
        remedy = (
            f"divide by the number of entries, {'·'.join([*rows, name])}, not by the number of rows, {'·'.join(rows)}"
        )
    elif name == "2":
        remedy = (
            "one factor 2 too many"
            if large
            else "the derivative of a square is 2 times its base: a factor 2 is missing"
        )
    yield Guess(
        c * e.true,
        f"{e.d} is {what} times too {how}: {remedy}.",
        f"{c > 0}{name}{large}",
        also=(("sign", f"{e.d} has the wrong sign, too."),) if sign < 0 else (),
    )


def entries_and_rows(e: Evidence) -> tuple[list[str], list[str]]:
    """The names of the axes of the input behind the first, and of the first, if the signature has them."""
    letters = {n: name for name, n in e.trial.case.lengths.items()}
    named = [letters.get(n, "") for n in e.x.shape]
    return ([name for name in named[1:] if name], named[:1]) if all(named) and len(set(named)) > 1 else ([], [])


@hypothesis("cotangent-ignored", WHOLE)
def ignored(e: Evidence) -> Iterator[Guess]:
    one = np.ones_like(e.g)
    yield Guess(one @ e.jacobian, f"{e.d} does not depend on the incoming cotangent: multiply by grad (chain rule).")


POWERS: dict[str, Callable[[Array], Array]] = {
    "its square": np.square,
    "its absolute value": np.abs,
    "its sign": np.sign,
    "its positive part": lambda g: np.maximum(g, 0),
    "it, clipped to [-1, 1]": lambda g: np.clip(g, -1, 1),
    "its square root": lambda g: np.sqrt(abs(g)),
    "its inverse": lambda g: 1 / g,
}


@hypothesis("cotangent-nonlinear", WHOLE)
def another_function_of_it(e: Evidence) -> Iterator[Guess]:
    for name, f in POWERS.items():
        yield Guess(
            f(e.g) @ e.jacobian,
            f"{e.d} is not linear in the incoming cotangent: where grad belongs, the backward uses {name}.",
            name,
        )


@hypothesis("averaged", WHOLE)
def mean_of_the_cotangent(e: Evidence) -> Iterator[Guess]:
    mean = np.broadcast_to(e.g.mean(axis=1, keepdims=True), e.g.shape)
    if e.y.size > 1:
        yield Guess(mean @ e.jacobian, f"{e.d} uses the mean of the incoming cotangent: each entry has one of its own.")


@hypothesis("diagonal")
def only_the_diagonal(e: Evidence) -> Iterator[Guess]:
    if e.y.size == e.x.size > 1:
        yield Guess(
            e.g * np.diagonal(e.jacobian),
            f"{e.d} uses only the diagonal of the Jacobian: each output depends on other entries of {e.name}, too "
            "(for a softmax: y * (grad - (grad * y).sum(-1, keepdims=True))).",
        )


@hypothesis("transposed", WHOLE)
def transposed(e: Evidence) -> Iterator[Guess]:
    if e.x.ndim >= 2:
        square = e.true.reshape(2, *e.x.shape)
        turned = np.swapaxes(square, -1, -2)
        yield Guess(turned.reshape(2, -1), f"{e.d} is transposed: its rows are the columns of the gradient. Write .T.")


@hypothesis("transposed")
def shifted(e: Evidence) -> Iterator[Guess]:
    """The right numbers, moved along an axis: what moves in and out is not looked at."""
    if e.got is None:
        return
    got, true = (a.reshape(2, *e.x.shape) for a in (e.got, e.true))
    along = [(axis,) for axis in range(e.x.ndim)] + list(combinations(range(e.x.ndim), 2))
    for axes, by in product(along, (1, -1, 2, -2)):
        if min(e.x.shape[axis] for axis in axes) - abs(by) < 2:
            continue
        guess, to, place = got.copy(), [slice(None)] * got.ndim, [slice(None)] * got.ndim
        for axis in axes:
            to[axis + 1] = slice(max(by, 0), e.x.shape[axis] + min(by, 0))
            place[axis + 1] = slice(max(-by, 0), e.x.shape[axis] - max(by, 0))
        guess[tuple(to)] = true[tuple(place)]
        where = " and ".join(map(str, axes))
        yield Guess(
            guess.reshape(2, -1),
            f"{e.d} has the right numbers, moved by {abs(by)} along axis {where}: cut the padding off on both sides, "
            "or look at where a slice begins.",
            f"{where} {by}",
        )


@hypothesis("swapped", WHOLE)
def of_another_input(e: Evidence) -> Iterator[Guess]:
    for j in e.trial.able:
        if j != e.i and e.trial.inputs[j].shape == e.x.shape:
            other = e.trial.names[j]
            yield Guess(
                e.trial.compare(j).true,
                f"{e.d} is the gradient of {other}: return the gradients in the order of forward's inputs.",
                other,
            )


@hypothesis("left-out", WHOLE)
def of_the_other_outputs(e: Evidence) -> Iterator[Guess]:
    """Of several outputs the cotangent of one is not used."""
    rows = {i: piece.stretch for i, piece in e.trial.first[0].pieces.items()}
    for i in rows:
        g = e.g.copy()
        g[:, rows[i]] = 0
        text = f"{e.d}: {cotangent(e, i)} is not used, and {e.name} has an effect on that output, too."
        yield Guess(g @ e.jacobian, text, f"output {i}")


@hypothesis("swapped", WHOLE)
def of_outputs_exchanged(e: Evidence) -> Iterator[Guess]:
    rows = {i: piece.stretch for i, piece in e.trial.first[0].pieces.items()}
    for i, j in combinations(rows, 2):
        g = e.g.copy()
        if g[:, rows[i]].shape == g[:, rows[j]].shape:
            g[:, rows[i]], g[:, rows[j]] = e.g[:, rows[j]], e.g[:, rows[i]]
            both = f"{cotangent(e, i)} and {cotangent(e, j)}"
            text = f"{e.d}: {both} are exchanged; they come in the order of the outputs."
            yield Guess(g @ e.jacobian, text, f"outputs {i} and {j}")


def cotangent(e: Evidence, i: int) -> str:
    """That of output i in words, with the name that the backward has for it."""
    backward = getattr(getattr(e.trial.subject, "function", None), "backward", None)
    names = argument_names(positional_parameters(backward, 1), i + 1) if backward else []
    return f"the cotangent of output {i}" + (f" (`{names[i]}`)" if i < len(names) else "")


@hypothesis("unsummed")
def one_term_of_a_sum(e: Evidence) -> Iterator[Guess]:
    if e.got is None:
        return
    terms = (e.g[:, :, None] * e.jacobian[None]).reshape(2, *e.y.shape, e.x.size)
    several = (e.jacobian != 0).sum(axis=0) > 1
    for axes in [(), *[(k,) for k in range(1, e.y.ndim + 1)]]:  # the terms may come in sums already
        groups = terms.sum(axis=axes).reshape(2, -1, e.x.size)
        if groups.shape[1] > 1 and ((groups[0] != 0).sum(axis=0) > 1)[several].any():
            best = abs(groups - e.got[:, None, :]).sum(axis=0).argmin(axis=0)  # the nearest, one for both cotangents
            chosen = np.take_along_axis(groups, np.broadcast_to(best, (2, 1, best.size)), axis=1)[:, 0]
            yield Guess(
                np.where(several, chosen, e.true),
                f"{e.d} has one term where a sum belongs: forward uses entries of {e.name} several times, and all of "
                "their cotangents must be added up (.sum over the axis; np.add.at(d, index, grad) where "
                "d[index] = grad or d[index] += grad keeps only the last).",
            )


@hypothesis("at-output")
def at_the_output(e: Evidence) -> Iterator[Guess]:
    if e.y.shape != e.x.shape:
        return
    moved = with_input(e, e.y.astype(e.x.dtype))
    try:
        jacobian = e.trial.jacobian_at(moved, e.i)
    except Exception:  # the output may lie outside of the domain; then this is not it
        return
    if flat(jacobian.value):
        return
    yield Guess(
        e.g @ jacobian.value,
        f"{e.d} takes the derivative at the output y instead of the input {e.name}: use the saved {e.name}.",
        error=abs(e.g) @ jacobian.error,
    )


@hypothesis("at-input")
def at_the_input(e: Evidence) -> Iterator[Guess]:
    """At inputs that are themselves outputs, x' = f(x), a rule φ(y) that is given x' for y is right for x."""
    if e.y.shape != e.x.shape or (found := e.probe(with_input(e, e.y.astype(e.x.dtype)))) is None:
        return
    if e.fits(e.true, got=as_floats(np.stack(found).reshape(2, -1))):
        yield Guess(
            e.got if e.got is not None else e.true,
            f"{e.d} puts the input {e.name} where the derivative is written in terms of the output y: save y, and use "
            "that.",
        )


@hypothesis("first-call")
def stale(e: Evidence) -> Iterator[Guess]:
    for earlier in e.trial.earlier:
        if earlier.inputs[e.i].shape != e.x.shape or earlier.y.shape != e.y.shape:
            continue
        if not flat(earlier.jacobian(e.i).value):
            yield Guess(
                e.g @ earlier.jacobian(e.i).value,
                f"{e.d} is the one that belonged to the inputs of an earlier call: something is kept between calls (a "
                "mask, a cache by shape?). Keep what backward needs on ctx, never on the class or in a global.",
            )


@hypothesis("precision")
def narrower(e: Evidence) -> Iterator[Guess]:
    if e.got is None or e.x.dtype == np.float32:
        return
    with np.errstate(all="ignore"):
        off = abs(e.got - e.true)
    for dtype in (np.float32, np.float16):
        unit = np.finfo(dtype).eps
        small = (off <= 8 * unit * e.terms.max(initial=0)).all()
        if small and off.max() > 0 and relative(e, np.nanmedian) < 8 * unit and not steady(e, off):
            yield Guess(
                e.got,
                f"{e.d} has only the digits of {np.dtype(dtype)} (relative error {relative(e):.1g}), though its dtype "
                f"is {e.x.dtype}: a {np.dtype(dtype)} array or .astype is on the way. Keep everything in the input's "
                "dtype.",
                str(np.dtype(dtype)),
            )
            return


def steady(e: Evidence, off: Array) -> bool:
    """Whether the gradient is off by about as much at inputs close by: rounding is not."""
    inputs = [x * x.dtype.type(1 + 2**-6) if k in e.trial.able else x for k, x in enumerate(copied(e.trial.inputs))]
    try:
        jacobian, got = e.trial.jacobian_at(inputs, e.i), e.probe(inputs)
    except Exception:  # outside of the domain, perhaps: then nothing is known of it
        return False
    if got is None:
        return False
    there = abs(np.stack(got).reshape(2, -1) - e.g @ jacobian.value)
    return bool((abs(there - off) <= off.max() / 8).all())


VALUES: dict[str, Callable[[Array], Array]] = {
    "{x} == 0": lambda x: x == 0,
    "{x} is -0.0": lambda x: (x == 0) & np.signbit(x),
    "{x} < 0": lambda x: x < 0,
    "{x} <= 0": lambda x: x <= 0,
    "{x} > 0": lambda x: x > 0,
    "|{x}| > 1": lambda x: abs(x) > 1,
    "|{x}| < 1": lambda x: abs(x) < 1,
    "{x} > 1": lambda x: x > 1,
    "{x} < -1": lambda x: x < -1,
}
PAIRS: dict[str, Callable[[Array, Array], Array]] = {
    "{other} == 0": lambda x, other: other == 0,
    "{other} < 0": lambda x, other: other < 0,
    "{x} == {other}": lambda x, other: x == other,
    "{x} < {other}": lambda x, other: x < other,
    "{x} > {other}": lambda x, other: x > other,
}


@hypothesis("region")
def region(e: Evidence) -> Iterator[Guess]:
    yield from wrong_within(e, regions(e))


def wrong_within(e: Evidence, parts: Iterator[tuple[str, Array]]) -> Iterator[Guess]:
    if e.got is None:
        return
    wrong = e.wrong.any(axis=0).reshape(e.x.shape)
    if wrong.all() or not wrong.any():
        return
    seen = wrong | (e.true.reshape(2, *e.x.shape) != 0).any(
        axis=0
    )  # where the gradient is 0, many mistakes do not show
    parts = list(parts)  # type: ignore[assignment]
    for where, mask in [*parts, *((where, mask & seen) for where, mask in parts)]:
        if (mask == wrong).all():
            there = e.got.reshape(2, *e.x.shape)[:, wrong]
            true = e.true.reshape(2, *e.x.shape)[:, wrong]
            how = described(there, true, e)
            label = where.partition(" (")[0]
            yield Guess(e.got, f"{e.d} is wrong exactly {where}{how}; it is right everywhere else.", label)


def regions(e: Evidence) -> Iterator[tuple[str, Array]]:
    """Parts of the input, each with its name and a mask: by values first, then by places."""
    x = e.x
    for name, test in VALUES.items():
        yield f"where {name.format(x=e.name)}", test(x)
    for j, other in enumerate(e.trial.inputs):
        if j != e.i and isinstance(other, np.ndarray) and other.dtype.kind == "f" and stretch_to(other.shape, x.shape):
            for name, compare in PAIRS.items():
                where = name.format(x=e.name, other=e.trial.names[j])
                yield f"where {where}", compare(x, np.broadcast_to(other, x.shape))
    values, counts = np.unique(x, return_counts=True)
    yield f"where entries of {e.name} are equal (ties)", np.isin(x, values[counts > 1])
    for axis, n in enumerate(x.shape):
        for index in range(n) if n > 1 else ():
            mask = np.zeros(x.shape, bool)
            mask[(slice(None),) * axis + (index,)] = True
            place = "-1 (the last)" if index == n - 1 else "0 (the first)" if index == 0 else str(index)
            yield f"at index {place} of axis {axis} of {e.name}", mask
            yield f"at all but index {place} of axis {axis} of {e.name}", ~mask
    for name, t in zip(e.trial.names, e.trial.inputs, strict=True):
        if isinstance(t, np.ndarray) and t.dtype.kind in "iu" and x.ndim > 1 and t.shape == x.shape[:-1]:
            chosen = np.arange(x.shape[-1]) == t[..., None]
            yield f"at the entries that {name} names, {e.name}[..., {name}] (= where += or -= belongs?)", chosen
            yield f"at all entries but those that {name} names", ~chosen
            some = chosen & e.wrong.any(axis=0).reshape(x.shape)
            yield f"at some of the entries that {name} names, {e.name}[..., {name}] (= where += or -= belongs?)", some
        elif isinstance(t, np.ndarray) and t.dtype.kind == "b" and stretch_to(t.shape, x.shape):
            yield f"where {name} holds", np.broadcast_to(t, x.shape)
            yield f"where {name} does not hold", ~np.broadcast_to(t, x.shape)
    if e.y.shape == x.shape:
        yield "where the output is 0", e.y == 0
    for where, mask in conditions(e.trial, x.shape):
        yield f"where {where}", mask
        yield f"where not {where}", ~mask
    yield f"at the largest entry of {e.name}", x == x.max()


@hypothesis("transposed")
def flipped(e: Evidence) -> Iterator[Guess]:
    """The wrong way round along some axes: the gradient, or another input that it is computed with."""
    for axes in subsets(e.x.shape):
        turned = np.flip(e.true.reshape(2, *e.x.shape), tuple(k + 1 for k in axes)).reshape(2, -1)
        where = " and ".join(map(str, axes))
        yield Guess(turned, f"{e.d} is the wrong way round along axis {where}: flip it.", where)
    for j, other in enumerate(e.trial.inputs):
        if j == e.i or not isinstance(other, np.ndarray) or other.dtype.kind != "f":
            continue
        for axes in subsets(other.shape):
            inputs = copied(e.trial.inputs)
            inputs[j] = np.ascontiguousarray(np.flip(other, axes))
            try:
                found = e.trial.jacobian_at(inputs, e.i)
            except Exception:  # forward may not be defined there; then this is not it
                continue
            name, where = e.trial.names[j], " and ".join(map(str, axes))
            yield Guess(
                e.g @ found.value,
                f"{e.d} is computed with {name} the wrong way round along axis {where}: flip it there (the derivative "
                "of a correlation is a convolution, and the other way round).",
                f"{name} {where}",
                abs(e.g) @ found.error,
            )


def subsets(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The axes that may be flipped together: each by itself, and all, or the last two as of an image."""
    longer = tuple(k for k, n in enumerate(shape) if n > 1)
    return list(dict.fromkeys([*((k,) for k in longer), longer, longer[-2:]])) if longer else []


@hypothesis("transposed")
def matrix_transposed(e: Evidence) -> Iterator[Guess]:
    # A factor that should be transposed: in J, an axis of y and an axis of x are exchanged.
    shape, k = (*e.y.shape, *e.x.shape), e.y.ndim
    for a, b in product(range(k), range(k, len(shape))):
        if shape[a] == shape[b] > 1:
            turned = np.swapaxes(e.jacobian.reshape(shape), a, b).reshape(e.y.size, e.x.size)
            yield Guess(
                e.g @ turned,
                f"{e.d} is computed with a matrix that should be transposed (as grad @ W instead of grad @ W.T): it "
                "passes only for square ones.",
                f"{a}{b - k}",
            )


@hypothesis("transposed")
def misplaced(e: Evidence) -> Iterator[Guess]:
    """The right numbers in other places."""
    if e.got is None or e.x.size < 3:
        return
    got, true = (np.sort(a, axis=1) for a in (e.got, e.true))
    distinct = (abs(np.diff(true, axis=1)) > KNOWN * abs(true).max()).sum(axis=1).min() > 1
    moved = (abs(e.got - e.true) > 10 * KNOWN * abs(true).max()).any()  # what is but imprecise stays in its place
    if distinct and moved and (abs(got - true) <= KNOWN * abs(true).max()).all():
        yield Guess(
            e.got,
            f"{e.d} has the right numbers, in the wrong places: entries are moved (by an index the wrong way round, a "
            "reshape for a transpose, a tile for a repeat).",
        )


@hypothesis("transposed")
def symmetric(e: Evidence) -> Iterator[Guess]:
    """Right for a symmetric matrix, and for no other."""
    for j, a in enumerate(e.trial.inputs):
        if j == e.i or np.ndim(a) != 2 or a.shape[0] != a.shape[1] or a.dtype.kind != "f" or len(a) < 2:
            continue
        inputs = copied(e.trial.inputs)
        inputs[j] = (a + a.T) / 2
        found = e.probe(inputs)
        try:
            there = e.trial.jacobian_at(inputs, e.i)
        except Exception:  # forward may not be defined there; then this is not it
            continue
        got = None if found is None else as_floats(np.stack(found).reshape(2, -1))
        if got is not None and e.fits(e.g @ there.value, abs(e.g) @ there.error, got):
            name = e.trial.names[j]
            text = f"{e.d} is right only where {name} is symmetric: somewhere {name}.T belongs ({name} + {name}.T for "
            yield Guess(e.got if e.got is not None else e.true, f"{text}2 {name} in a quadratic form).", name)


def contradicted(e: Evidence, label: str) -> bool:
    """Whether values of a region were right in an earlier case: a draw of large numbers has no x > 0 but x > 3."""
    test = {f"where {name.format(x=e.name)}": test for name, test in VALUES.items()}.get(label)
    for trial in e.trial.earlier:
        if test and trial.gradient(e.i) is not None:
            found = trial.compare(e.i)
            right = (found.true != 0).any(axis=0) & ~found.wrong.any(axis=0)
            if (right & test(trial.inputs[e.i]).reshape(-1)).any():
                return True
    return False


def thresholds(x: Array, wrong: Array, name: str) -> Iterator[tuple[str, Array]]:
    low, high = x[wrong].min(), x[wrong].max()
    if (x[~wrong] < low).all():
        yield f"where {name} is large (from {x[~wrong].max():.3g} or {low:.3g} on)", wrong
    if (x[~wrong] > high).all():
        yield f"where {name} is small (up to {high:.3g} or {x[~wrong].min():.3g})", wrong


@hypothesis("mixed")
def mixed(e: Evidence) -> Iterator[Guess]:
    """Which entries of x meet which of the output, in the truth and in what the backward implies."""
    if e.got is None or e.implied is None:
        return
    true, got = ((abs(j) > 1e-9 * abs(j).max(initial=0)) for j in (e.jacobian, e.implied))
    shape = (*e.y.shape, *e.x.shape)
    for a, b in product(range(e.y.ndim), range(e.x.ndim)):
        n = e.y.shape[a]
        if n != e.x.shape[b] or n < 2:
            continue
        place = [1] * len(shape)
        place[a] = place[e.y.ndim + b] = n
        across = np.broadcast_to(np.reshape(~np.eye(n, dtype=bool), place), shape).reshape(true.shape)
        if (got & across).any() and not (true & across).any():
            yield Guess(
                e.got,
                f"{e.d} mixes entries along axis {b} of {e.name}, which forward keeps apart: a sum or a mean of the "
                f"backward goes over axis {b}, too, or over the wrong axis.",
                f"{a}{b}",
            )
        if (true & across).any() and not (got & across).any():
            yield Guess(
                e.got,
                f"{e.d} keeps entries along axis {b} of {e.name} apart, and forward mixes them: what each of them does "
                f"to the others, by a sum or a mean over axis {b}, is missing.",
                f"apart {a}{b}",
            )


@hypothesis("region")
def rows(e: Evidence) -> Iterator[Guess]:
    """The cotangents that arrive, and those that do not."""
    if e.got is None or e.implied is None:
        return
    limit = 1e-7 * max(abs(e.jacobian).max(initial=0), abs(e.implied).max(initial=0))
    wrong = (abs(e.implied - e.jacobian) > limit).any(axis=1).reshape(e.y.shape)
    lost = not e.implied[wrong.reshape(-1)].any()
    how = "are lost" if lost else "are passed on in a wrong way"
    if here := box(wrong):
        yield Guess(e.got, f"{e.d}: the cotangents {here} of the output {how}; all others are right.", here)
    if here := box(~wrong):
        text = f"{e.d}: only the cotangents {here} of the output arrive as they should; all others {how}"
        yield Guess(e.got, f"{text} (a return inside of a loop? only the first window?).", here)


@hypothesis("mixed")
def coupled(e: Evidence) -> Iterator[Guess]:
    """Right wherever both are not zero: entries that should not meet, or such that should and do not."""
    if e.got is None or e.implied is None:
        return
    limit = KNOWN * max(abs(e.jacobian).max(initial=0), 1e-300)
    true, got = abs(e.jacobian) > limit, abs(e.implied) > limit
    if not true.any() or not got.any():
        return
    more, less = (got & ~true).sum(), (true & ~got).sum()
    right = (abs(e.implied - e.jacobian) <= limit)[true & got].all()
    if right and more and not less:
        yield Guess(
            e.got,
            f"{e.d} is right where the output depends on {e.name}, and it is not 0 where it does not: a mask is "
            "missing, or an index that picks entries.",
            "more",
        )
    if right and less and not more and (true & got).any():
        yield Guess(
            e.got,
            f"{e.d} is right where it is not 0, and entries of the output that depend on others of {e.name} give them "
            f"nothing: {less} of {true.sum()} of their partial derivatives are left out.",
            "less",
        )


@hypothesis("averaged")
def over_its_own_axes(e: Evidence) -> Iterator[Guess]:
    """A gradient whose entries are sums or means of the right ones."""
    for axes in subsets(e.x.shape):
        true = e.true.reshape(2, *e.x.shape)
        over = tuple(k + 1 for k in axes)
        where = "everything" if axes == tuple(range(e.x.ndim)) else "axis " + " and ".join(map(str, axes))
        for what, reduce in (("sum", np.sum), ("mean", np.mean)):
            guess = np.broadcast_to(reduce(true, axis=over, keepdims=True), true.shape)
            yield Guess(
                guess.reshape(2, -1),
                f"{e.d} is the {what} of the gradient over {where}: each entry of {e.name} has a gradient of its own. "
                "Look at the axis of a sum.",
                f"{what}{axes}",
            )


@hypothesis("region")
def beyond(e: Evidence) -> Iterator[Guess]:
    """Large or small entries: of a few, some are always the largest, so all else is tried before."""
    yield from wrong_within(e, thresholds(e.x, e.wrong.any(axis=0).reshape(e.x.shape), e.name))


def box(mask: Array) -> str:
    """Where a mask holds, if that is at one index of some axes, and everywhere along the others."""
    if not mask.any() or mask.all():
        return ""
    at = [np.unique(indices) for indices in np.nonzero(mask)]
    fixed = [(axis, indices[0]) for axis, indices in enumerate(at) if indices.size == 1 < mask.shape[axis]]
    box = np.ones(mask.shape, bool)
    for axis, index in fixed:
        box &= np.expand_dims(np.arange(mask.shape[axis]) == index, [k for k in range(mask.ndim) if k != axis])
    return "at " + " and ".join(f"index {index} of axis {axis}" for axis, index in fixed) if (box == mask).all() else ""


def stretch_to(narrow: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    """Whether broadcasting makes `wide` of `narrow`."""
    new = len(wide) - len(narrow)
    return new >= 0 and all(n in (1, m) for n, m in zip(narrow, wide[new:], strict=True))


def described(got: Array, true: Array, e: Evidence) -> str:
    """In what way these entries are wrong, if there is a short word for it."""
    if (got == 0).all():
        return ", where it is 0"
    if not np.isfinite(got).all():
        return ", where it is not finite"
    if (true == 0).all():
        return ", where it should be 0"
    with np.errstate(all="ignore"):
        c = got / true
    if np.isfinite(c).all() and np.ptp(c) <= 1e-6 * abs(c).max():
        return f", where it is {c.flat[0]:.6g} times the gradient"
    return ""


# ------------------------------------------------------------------------------------------------------------- tools
def stretched(e: Evidence) -> tuple[int, ...]:
    """The axes of y along which each entry of x was used again, if broadcasting did it."""
    x, y = e.x.shape, e.y.shape
    if not stretch_to(x, y):
        return ()
    axes = stretched_axes(x, y)
    uses = (e.jacobian != 0).sum(axis=0).max(initial=0)
    return axes if uses <= math.prod(y[k] for k in axes) else ()


def ratio(e: Evidence) -> float | None:
    """The number that the gradient was multiplied by, in every entry."""
    if e.got is None or not np.isfinite(e.got).all():
        return None
    true = np.where(e.known, e.true, 0)
    weight = float((true * true).sum())
    c = float((e.got * true).sum()) / weight if weight else 0.0
    return c if c and e.fits(c * e.true) else None


def relative(e: Evidence, over: Callable[[Array], Any] = np.nanmax) -> float:
    """The largest relative error; or the median, which an input that was rounded beside a slope of 0 does not spoil."""
    with np.errstate(all="ignore"):
        return float(over(np.where(e.terms > 0, abs(e.got - e.true) / e.terms, 0)))


def flat(jacobian: Array) -> bool:
    """Whether all slopes are one number, and no entry is masked: it does not tell at which input they were taken."""
    there = abs(jacobian) > KNOWN * abs(jacobian).max(initial=0)
    slopes = jacobian[there]
    return bool(there.any(axis=0).all()) and bool(np.ptp(slopes) <= KNOWN * abs(slopes).max())


def with_input(e: Evidence, x: Array) -> list[Any]:
    return [x if j == e.i else value for j, value in enumerate(copied(e.trial.inputs))]


def diagnose(trials: list[Trial], i: int, ignoring: bool = False) -> list[Fault]:
    """Why the gradient of input i is wrong in these trials: what explains two of them, the most specific first.

    If it is known to be ignoring its cotangent: what else is wrong, or nothing.
    """
    trials_of_any_size = trials
    unlike = [t for t in trials[1:] if t.y.shape != trials[0].y.shape or t.inputs[i].shape != trials[0].inputs[i].shape]
    trials = [trials[0], *[*unlike, *trials[1:]][:1]]  # where sizes differ they tell factors apart
    evidence = [Evidence(trial, i, ignoring) for trial in trials]
    first = evidence[0]
    if not first.wrong.any():
        return []
    planted = None if ignoring else planted_in(trials, i)
    faults = [] if planted and planted.kind == "power" else fitting(WHOLE, evidence)
    if planted and planted.kind == "averaged" and faults and faults[0].kind == "factor":
        faults = []  # a number that may have come from anywhere
    if faults and planted and planted.kind in FURTHER:  # the number is right, and here is where it may come from
        *others, last = faults
        where = planted.text.partition(": ")[2]
        return [*others, last._replace(text=f"{last.text} This would do it: {where}")]
    faults = faults or ([planted] if planted else [])
    if not faults and (text := only_for_small(trials_of_any_size, i)):
        return [Fault("eps", first.name, f"{first.d} {text}{others_right(trials, i)}")]
    if not faults:
        faults = fitting(REST, evidence)
        if faults and faults[0].kind == "region" and len(evidence) == 1:
            faults = fitting(REST, [*evidence, *elsewhere(first)])
    if faults:
        return [faults[0]._replace(text=faults[0].text + others_right(trials, i)), *faults[1:]]
    text = f"{first.d} is wrong, and no known pattern fits: {entries(first)}.{others_right(trials, i)}"
    return [Fault("unknown", first.name, text)]


SMALL = 1e-4  # inputs of this size and below; a constant that is added to others hardly shows


def only_for_small(trials: list[Trial], i: int) -> str:
    """That small inputs alone make it quite wrong, in words; or ""."""
    errors: dict[bool, float] = {False: 0.0, True: 0.0}
    for trial in trials:
        found, size = trial.compare(i), abs(trial.inputs[i]).max(initial=0)
        if size and found.got is not None and found.wrong.any() and np.isfinite(found.got).all():
            off = float(abs(found.got - found.true).max() / (abs(found.true).max() or 1))
            errors[bool(size < SMALL)] = max(off, errors[bool(size < SMALL)])
    if errors[True] < KNOWN or errors[True] < 1000 * errors[False]:
        return ""
    near = f"and off by {errors[False]:.1g} of itself near 1" if errors[False] else "and right elsewhere"
    return (
        f"is wrong for small {trials[0].names[i]}: off by {errors[True]:.1g} of itself near 1e-06, {near}. Look for a "
        "small constant (eps) that is added, or a bound below, in the backward and not in the forward, or in the "
        "forward alone."
    )


def elsewhere(e: Evidence) -> Iterator[Evidence]:
    """The same with the entries of each input in another order: a region that few entries lie in by chance moves."""
    random = np.random.default_rng((e.trial.case.seed, 5))
    inputs = [
        random.permuted(x.reshape(-1)).reshape(x.shape) if k in e.trial.able else x
        for k, x in enumerate(e.trial.inputs)
    ]
    try:
        other = Evidence(Trial(e.trial.subject, e.trial.case._replace(inputs=tuple(inputs))), e.i)
        wrong = other.wrong.any() and other.got is not None
    except Exception:  # outside of the domain, perhaps: then one draw has to do
        return
    if wrong:
        yield other


def planted_in(trials: list[Trial], i: int) -> Fault | None:
    """The mistake at a step of the forward that gives this gradient."""
    wrong = [k for k in trials[0].able if any(t.gradient(k) is not None and t.compare(k).wrong.any() for t in trials)]
    found = explain(tuple(trials), tuple(wrong)).get(i)
    name = trials[0].names[i]
    if found is None:
        return None
    return Fault(found.mistake.kind, name, found.text(name))


def others_right(trials: list[Trial], i: int) -> str:
    """Which gradients are right; said with that of the first that is not."""
    wrong = [k for k in trials[0].able if any(t.compare(k).wrong.any() for t in trials)]
    right = [f"d{trials[0].names[k]}" for k in trials[0].able if k not in wrong]
    if not right or i != wrong[0]:
        return ""
    *most, last = right
    return f" {', '.join(most)} and {last} are right." if most else f" {last} is right."


def fitting(table: Hypotheses, evidence: list[Evidence]) -> list[Fault]:
    first = evidence[0]
    for kind, function in table:
        guesses = [[guess for guess in function(e) if e.fits(guess.array, guess.error)] for e in evidence]
        if kind == "region":
            guesses = [
                [g for g in some if not contradicted(e, g.label)] for some, e in zip(guesses, evidence, strict=True)
            ]
        if kind == "region":  # another draw may lie in it with all of its entries
            guesses = [guesses[0], *filter(None, guesses[1:])]
        common = set.intersection(*({guess.label for guess in found} for found in guesses))
        for guess in guesses[0]:
            if guess.label in common:
                many = len(evidence) == 1 and len(guesses[0]) > 1 and kind in ("factor", "bessel")
                text = guess.text + " (Or another size: inputs with unlike sizes, or a signature, would tell.)" * many
                return [Fault(kind, first.name, text) for kind, text in ((kind, text), *guess.also)]
    return []


def entries(e: Evidence) -> str:
    if e.got is None:
        return "it has not the shape of its input"
    wrong = np.argwhere(e.wrong[0].reshape(e.x.shape))
    rows = wrong if len(wrong) else np.argwhere(e.wrong.any(axis=0).reshape(e.x.shape))
    got, true = (a[0].reshape(e.x.shape) for a in (e.got, e.true))
    parts = [
        f"{e.d}[{', '.join(map(str, at))}] is {got[tuple(at)]:.6g}, should be {true[tuple(at)]:.6g}" for at in rows[:3]
    ]
    return f"{e.wrong.any(axis=0).sum()} of {e.x.size} entries are wrong; " + "; ".join(parts)
