"""Why a gradient is wrong: mistakes are planted in the true tape, one at a time, until one gives what was returned.

Most mistakes are one local change of the true backward: a path is left out or counted twice, a factor or the derivative
of a function is missing, a derivative is taken at another value. `linear.py` says what each of them would have made of
the gradient. What that is, to rounding and on every draw, is the diagnosis; it names the operation and the line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, combinations, product
from typing import Any, NamedTuple

import numpy as np

from minigrad.broadcasting import stretched_axes
from minigrad.checks.linear import CLOSE, Edge, Local
from minigrad.checks.survey import FEW, UNARY, Key, Link, Slope, Survey, fits_into, spelled
from minigrad.checks.tracing import Untraceable
from minigrad.checks.trial import Trial
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]
Change = Callable[[Survey], Array | None]

DRAWS = 3  # on which a mistake has to fit
LIKELY = 1.75  # the cost up to which an explanation of everything ends the search
LONG = 200  # entries of a stretch, for which other slopes are tried
PAIRED = 16  # paths that are left out two at a time
TIE = "; or, which comes to the same, "
ROUND = 1e-7  # relative: two numbers that a path may count by are the same


class Mistake(NamedTuple):
    """Something that may have been done at a place of the tape.

    Attributes:
        kind: a word of diagnosis.KINDS.
        cost: how far-fetched it is.
        change: by how much the Jacobian would be off on a tape; None where the place is not on it.
        text: what to say about it; {x} stands for the name of the input.
        proportional: whether it may be said of a gradient that is right but for one number.
    """

    kind: str
    cost: float
    change: Change
    text: str
    proportional: bool = False


class Fit(NamedTuple):
    """A mistake that fits, the inputs whose gradients it explains, and others that explain as much."""

    mistake: Mistake
    inputs: tuple[int, ...]
    also: tuple[Mistake, ...] = ()

    def text(self, name: str) -> str:
        said = [m.text for m in (self.mistake, *self.also)]
        return f"d{name}: " + TIE.join(said).replace("{x}", name) + "."


@lru_cache(maxsize=2)  # it is asked for one input after the other
@np.errstate(all="ignore")
def explain(trials: tuple[Trial, ...], wrong: tuple[int, ...]) -> dict[int, Fit]:
    """For each wrong input the mistake that explains it best, if one does; empty for a forward that leaves no tape."""
    tapes = surveys(trials)
    if not tapes:
        return {}
    first, *others = tapes
    right = [i for i in first.able if i not in wrong and trials[0].gradient(i) is not None]
    fitting: list[tuple[tuple[int, float], Fit, Array]] = []
    for stage in (likely, unlikely):
        for mistake in stage(first, wrong):
            change = mistake.change(first)
            if change is None or not np.isfinite(change).all():
                continue
            fits = (abs(change - first.off) <= first.limit).all(axis=0)
            explained = [i for i in wrong if fits[first.columns[i]].all()]
            explained = [i for i in explained if first.explains(change, i, mistake.proportional)]
            for other in others:
                moved = mistake.change(other) if explained else None
                explained = [i for i in explained if moved is not None and other.explained(moved, i)]
            if explained:
                broken = any(abs(change[:, first.columns[i]]).max(initial=0) > first.limit for i in right)
                rank = -len(explained), mistake.cost + broken
                fitting.append((rank, Fit(mistake, tuple(explained)), change))
        if any(len(e.inputs) == len(wrong) and rank[1] < LIKELY for rank, e, _ in fitting):
            break
    fitting.sort(key=lambda found: found[0])
    best: dict[int, Fit] = {}
    for i in wrong:
        for rank, explanation, _ in fitting:
            if i in explanation.inputs:
                alike = {e.mistake.text: e.mistake for r, e, _ in fitting if r == rank and i in e.inputs}
                alike.pop(explanation.mistake.text)
                best[i] = explanation._replace(also=tuple(alike.values())[:2])
                break
    return best


@lru_cache(maxsize=2)
def surveys(trials: tuple[Trial, ...]) -> list[Survey]:
    """The tapes of these trials and of others beside the first: a sentence that fits by chance fits at one of them."""
    found: list[Survey] = []
    for trial in trials[:DRAWS]:
        try:
            found.append(Survey(trial))
        except Untraceable:
            if not found:
                break  # at a singular point, perhaps: another draw is not at one
    first = trials[0]
    for draw in range(len(found), DRAWS):
        random = np.random.default_rng((first.case.seed, draw, 3))
        inputs = [moved(x, random) if i in first.able else x for i, x in enumerate(first.inputs)]
        try:
            found.append(Survey(Trial(first.subject, first.case._replace(inputs=tuple(inputs))), verify=not found))
        except Exception:  # outside of the domain, perhaps: then there are fewer draws
            if not found:
                return []
    return found


def moved(x: Array, random: np.random.Generator) -> Array:
    """By a tenth at most, so that no two entries are equal and none is zero."""
    size = np.where(x == 0, abs(x).max(initial=0) / 16, x)
    return np.asarray(size * random.uniform(0.9, 1.1, x.shape), x.dtype)


def conditions(trial: Trial, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """The comparisons that forward made on its way, entry by entry: each in words, and where it holds."""
    for t in surveys((trial,))[:1]:
        for i, node in enumerate(t.nodes):
            if node.array.dtype.kind == "b" and node.shape == shape:
                yield t.where(i), node.array


def likely(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    yield from chain(parts(t), scales(t, wrong), factors(t, wrong), missing_derivatives(t, wrong))
    yield from chain(whole(t, wrong), diagonals(t), pairs(t, wrong))


def unlikely(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    yield from chain(
        other_derivatives(t, wrong), rules(t, wrong), weights(t, wrong), constants(t), steps(t), additions(t, wrong)
    )
    yield from chain(stretches(t), products(t, wrong))


def at(place: Key, make: Callable[..., Local | None], *more: Any) -> Change:
    """The change that comes of other local Jacobians at a place: ``make(t, edge, *more)``."""

    def change(t: Survey) -> Array | None:
        if place not in t.places:
            return None
        made = {e: make(t, e, *more) for e in t.places[place]}
        found = {e: new for e, new in made.items() if new is not None}
        if len(found) < len(made):
            return None
        for e, new in found.items() if len(found) == 1 else ():
            if new.diagonal is not None and e in t.needed and t.ruled_out(e, new.diagonal - t.locals[e].diagonal):
                return None
        return t.change(found)

    return change


# ------------------------------------------------------------------------------------------- a path, and its number
class Number(NamedTuple):
    """A number by which a path may have been multiplied: in words, and its value on a tape (nan where it has none)."""

    words: str
    value: Callable[[Survey], float]
    cost: float = 0.0


def numbers(t: Survey) -> Iterator[Number]:
    """Small numbers, sizes, and single values of the tape with their squares and inverses."""
    for s, words in ((-1, "with the wrong sign"), (2, "twice"), (0.5, "half"), (-2, "twice, with the wrong sign")):
        yield Number(words, partial(constant, s))
    for name, n in t.sizes.items():
        yield Number(f"{name} = {n} times too much", partial(size, name), 0.1)
        yield Number(f"{name} = {n} times too little", partial(size, name, power=-1), 0.1)
        if n > 2:
            for less, more, sign in ((f"{name} - 1", name, 1), (name, f"{name} - 1", -1)):
                words = f"as if divided by {less} where {more} belongs"
                yield Number(words, partial(bessel, name, power=-sign), 0.2)
    for key, value in t.values.items():
        if value.size == 1 and value.dtype.kind in "fi" and abs(float(value.reshape(()))) not in (0, 1):
            for power, how in ((1, "{} times too much"), (-1, "{} times too little")):
                yield Number(how.format(f"`{t.called(key)}`"), single(key, power), 0.4)
            for power, how in ((2, "{}² times too much"), (-2, "{}² times too little")):
                yield Number(how.format(f"`{t.called(key)}`"), single(key, power), 0.6)


def constant(s: float, t: Survey) -> float:
    return s


def size(name: str, t: Survey, power: int = 1) -> float:
    return float(np.float64(t.sizes.get(name, math.nan)) ** power)


def bessel(name: str, t: Survey, power: int = 1) -> float:
    return float(np.float64(1 - 1 / t.sizes.get(name, math.nan)) ** power)


def single(key: Key, power: int) -> Callable[[Survey], float]:
    def value(t: Survey) -> float:
        found = t.values.get(key)
        return math.nan if found is None or found.size != 1 else float(np.float64(found.reshape(())) ** power)

    return value


def scales(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """One sweep gives the share P of a place; got - true = (s - 1) P gives the number s, 0 for a path left out."""
    hits: list[tuple[float, Array, Key]] = []
    for place, edges in t.places.items():
        cut = t.change({e: t.locals[e].scaled(0.0) for e in edges})
        for inputs in ([*wrong], *([i] for i in wrong)):
            columns = np.concatenate([np.arange(t.size)[t.columns[k]] for k in inputs])
            p, off = -cut[:, columns], t.off[:, columns]
            weight = float((p * p).sum())
            s = 1 + float((p * off).sum()) / weight if weight > (1e-9 * t.scale) ** 2 else 1.0
            if abs(s - 1) > CLOSE and (abs(off - (s - 1) * p) <= t.limit).all():
                hits.append((s, cut, place))
                break
    while hits:
        s, cut, _ = hits[0]
        alike = [h for h in hits if same(h[0], s) and abs(h[1] - cut).max() <= t.limit]
        hits = [h for h in hits if not any(h is other for other in alike)]
        yield from counted(t, s, [place for _, _, place in alike])


def whole(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """All of a gradient is multiplied with a single value of the tape, or divided by it."""
    for i in wrong:
        truth, off = t.truth[:, t.columns[i]], t.off[:, t.columns[i]]
        s = 1 + float((truth * off).sum() / (truth * truth).sum())
        for key, value in t.values.items() if t.is_proportional(i) else ():
            for power, words in ((1, "{}"), (2, "{}²"), (-1, "1/{}"), (-2, "1/{}²")):
                number = single(key, power)
                if value.size == 1 and value.dtype.kind == "f" and same(number(t), s):
                    text = f"it is {words.format(enclosed(t.called(key)))} times the gradient"
                    if key in t.position and key[0] != "input":
                        precedence = " (a / b * b is a, by precedence: write a / (b * b))" if power == 2 else ""
                        text += f": {t.where(t.position[key])}{precedence}"
                    yield Mistake("factor", 1.3, partial(times_truth, i=i, number=number), text, True)


def enclosed(text: str) -> str:
    return text if text.isidentifier() else f"({text})"


def times_truth(t: Survey, i: int, number: Callable[[Survey], float]) -> Array:
    change = np.zeros_like(t.truth)
    change[:, t.columns[i]] = (number(t) - 1) * t.truth[:, t.columns[i]]
    return change * t.known


def parts(t: Survey) -> Iterator[Mistake]:
    """Of what is used several times only one use counts: a step of a loop, or a row of what broadcasting made."""
    for place, edges in t.places.items():
        e = edges[0]
        if place[-1] == "all":
            for which, name in ((0, "first"), (-1, "last")):
                text = f"of the {len(edges)} steps of the loop only the {name} counts, at {t.where(e.node)}"
                change = partial(only, place=place, which=which)
                yield Mistake("unsummed", 0.9, change, f"{text}: = where += belongs, or a return inside of the loop")
        link = t.locals[e]
        if link.diagonal is None and place[-1] != "node" and (abs(link.matrix).sum(axis=0) > 1).any():
            text = (
                f"{t.where(e.node)} takes entries of `{t.name(e.input)}` several times, and of the cotangents of each "
                "only the last is kept where a sum belongs: add them up, with np.add.at(d, index, grad) for d[index] = "
                "grad or += grad"
            )
            if t.nodes[e.node].op.name == "getitem":
                yield Mistake("unsummed", 0.95, at(place, last_taken), text)
        if place[-1] in ("all", "node") or link.diagonal is None or link.x.shape == link.node.shape:
            continue
        for axis in stretched_axes(link.x.shape, link.node.shape):
            for which, name in ((0, "first"), (-1, "last")):
                text = (
                    f"{t.where(e.node)} uses `{t.name(e.input)}` {link.node.shape[axis]} times, and only the {name} of "
                    f"their cotangents is taken: add them up over axis {axis}"
                )
                yield Mistake("unsummed", 1.2, at(place, one_index, axis, which), text)


def only(t: Survey, place: Key, which: int) -> Array | None:
    edges = t.places.get(place, ())
    if len(edges) < 2:
        return None
    return t.change({e: t.locals[e].scaled(0.0) for e in edges if e is not edges[which]})


def last_taken(t: Survey, e: Edge) -> Local:
    """Of an index that takes entries several times: each goes to where it was taken last."""
    link = t.locals[e]
    later = np.cumsum(link.matrix[::-1], axis=0)[::-1]
    return Local(link.node, link.x, None, np.where(later == 1, link.matrix, 0))


def one_index(t: Survey, e: Edge, axis: int, which: int) -> Local | None:
    link = t.locals[e]
    if link.diagonal is None or axis >= link.node.ndim:
        return None
    mask = np.zeros(link.node.shape)
    mask[(slice(None),) * axis + (which,)] = 1
    return t.with_diagonal(e, link.diagonal * mask)


def pairs(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """Two paths that are left out together, or count by wrong numbers, as the mean and variance of a normalisation."""
    apart: list[tuple[Array, list[Key]]] = []
    for place, edges in t.places.items():
        cut = t.change({e: t.locals[e].scaled(0.0) for e in edges})
        if place[-1] not in ("all", "node") and abs(cut).max(initial=0) > t.limit:
            alike = next((places for other, places in apart if abs(cut - other).max() <= t.limit), None)
            if alike is None:
                apart.append((cut, alike := []))
            alike.append(place)
    known = [Number("", partial(constant, 0.0)), *numbers(t)]
    for (a, one), (b, two) in combinations(apart[:PAIRED], 2):
        for i in wrong:
            both, off = (
                m[..., t.columns[i]].reshape(-1, t.got[:, t.columns[i]].size) for m in (np.stack([a, b]), t.off)
            )
            c = np.linalg.lstsq(both.T, off[0], rcond=1e-9)[0]
            if abs(c).min() <= CLOSE or (abs(c @ both - off[0]) > t.limit).any():
                continue
            number = next((n for n in known if all(same(n.value(t), 1 - float(k)) for k in c)), None)
            if number:
                yield two_paths(t, (one, two), number)
                break


def two_paths(t: Survey, places: tuple[list[Key], list[Key]], number: Number) -> Mistake:
    first, second = (t.through([e for place in group for e in t.places[place]])[0] for group in places)
    change = partial(both_scaled, places=[group[0] for group in places], number=number)
    if not number.words:
        text = f"two paths are left out: that through {first} and that through {second}"
        return Mistake("left-out", 1.5, change, text)
    reason = ": a sum where a mean belongs" if "times too much" in number.words else ""
    text = f"two paths count {number.words}{reason}: that through {first} and that through {second}"
    return Mistake("counted", 2.3, change, text)


def both_scaled(t: Survey, places: Sequence[Key], number: Number) -> Array | None:
    if any(place not in t.places for place in places):
        return None
    return t.change({e: t.locals[e].scaled(number.value(t)) for place in places for e in t.places[place]})


def same(a: float, b: float) -> bool:
    return abs(a - b) <= ROUND * max(abs(b), 1e-2)


def counted(t: Survey, s: float, places: list[Key]) -> Iterator[Mistake]:
    """The sentence for a path with a wrong number, which may stand anywhere at these places."""
    through, name = t.through([e for place in places for e in t.places[place]])
    if same(s, 0):
        own = all(t.nodes[e.input].op is None for place in places for e in t.places[place])
        reason = "it is one of the ways from {x} to the output" if own else f"{name} depends on {{x}}, too"
        text = f"the path through {through} is left out: {reason}"
        far = 0.1 * (places[0][-1] in ("all", "node"))
        yield Mistake("left-out", 1.0 + far, scaled(places[0], Number("", partial(constant, 0.0))), text)
        return
    for place in places:
        for kind, text, factor in natural(t, t.places[place][0]):
            if same(factor(t, t.places[place][0]), s):
                change = at(place, lambda t, e, factor: t.locals[e].scaled(factor(t, e)), factor)
                yield Mistake(kind, 1.1, change, text, proportional=True)
    found = [n for n in numbers(t) if same(n.value(t), s)] or [Number(f"{s:.6g} times", partial(constant, s), 1.0)]
    for number in found:
        text = f"the path through {through} counts {number.words}"
        yield Mistake("counted", 2.0 + number.cost, scaled(places[0], number), text)


def scaled(place: Key, number: Number) -> Change:
    return at(place, lambda t, e: t.locals[e].scaled(number.value(t)))


def natural(t: Survey, e: Edge) -> Iterator[tuple[str, str, Callable[[Survey, Edge], float]]]:
    """The slips that people make at an operation: the kind, a sentence, and by which number the path counts then."""
    node, where = t.nodes[e.node], t.where(e.node)
    op = node.op.name
    if op == "negative" or (op == "subtract" and e.slot == 1):
        yield "sign", f"the minus of {where} is lost", lambda t, e: -1
    if op == "divide" and e.slot == 1:
        yield "sign", f"the minus of the quotient rule at {where} is lost", lambda t, e: -1
    exponent = 2.0 if op == "square" or is_square(node) else raised(node)
    if exponent:
        yield "power", f"the power rule of {where}: {SLIPS[0][2].format(n=f'{exponent:g}')}", lambda t, e: 1 / exponent
    if op == "mean":
        yield "counted", f"{where} divides by {entries(t, e):g}, and the backward does not: divide by it, too", entries
    if op == "sum":
        text = f"the backward takes a mean where the derivative of the sum {where} belongs"
        yield "averaged", text, lambda t, e: 1 / entries(t, e)
    if (n := uses(t, e)) > 1:
        text = f"a mean is taken where a sum belongs: {where} uses each entry of `{t.name(e.input)}` {n:g} times"
        yield "averaged", text, lambda t, e: 1 / uses(t, e)
    for b in ({"exp2": 2.0, "log2": 2.0, "log10": 10.0}.get(op), base(node) if e.slot else None):
        if b:
            text = f"ln {b:g} is missing in the derivative of {where}"
            yield "missing-factor", text, partial(logarithm, b, 1 if op.startswith("log") else -1)
    if op == "sqrt":
        yield "counted", f"the 1/2 in the derivative of {where} is missing", lambda t, e: 2
        yield "counted", f"the 1/2 in the derivative of {where} is there twice", lambda t, e: 0.5


def entries(t: Survey, e: Edge) -> float:
    """How many entries of the input are reduced to one."""
    return float(t.nodes[e.input].size / max(t.nodes[e.node].size, 1))


def uses(t: Survey, e: Edge) -> float:
    """How often broadcasting used each entry of the input; of a matrix, in how many products of a batch."""
    node, x = t.nodes[e.node], t.nodes[e.input]
    if node.op.name == "matmul" and x.ndim >= 2:
        return float(math.prod(node.shape[:-2]) / max(math.prod(x.shape[:-2]), 1))
    return float(node.size / max(x.size, 1)) if t.locals[e].diagonal is not None else 1.0


def logarithm(b: float, power: int, t: Survey, e: Edge) -> float:
    return float(math.log(b) ** power)


def base(node: Tensor) -> float | None:
    """Of an exponential function, if it is one number."""
    one = node.op.name == "power" and np.size(node.values[0]) == 1
    return float(np.reshape(node.values[0], ())) if one and np.ndim(node.values[0]) == 0 else None


def is_square(node: Tensor) -> bool:
    return node.op.name == "multiply" and node.inputs[0] is node.inputs[1]


def raised(node: Tensor) -> float | None:
    """The exponent of a power, if it is one number."""
    return float(np.reshape(node.values[1], ())) if node.op.name == "power" and np.size(node.values[1]) == 1 else None


# --------------------------------------------------------------------------------------------------- factors and masks
CHOOSING = "where", "maximum", "minimum", "fmax", "fmin", "clip", "relu", "max", "min"


def factors(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """A factor of the forward that is missing, put in twice or on the wrong side; and the masks of what chooses."""
    for place, edges in t.places.items():
        e = edges[0]
        node = t.nodes[e.node]
        op, where = node.op.name, t.where(e.node)
        if op == "where" and place[-1] == "node":
            for truth, text in ((True, "held everywhere"), (False, "held nowhere"), (None, "were turned round")):
                change = at(place, conditioned, truth)
                yield Mistake("mask", 1.3, change, f"{where} is differentiated as if its condition {text}")
        for tolerance in 10.0 ** -np.arange(1, 9) if op in ("max", "min") and place[-1] != "node" else ():
            change = at(place, nearly, tolerance)
            text = f"entries that are close to {where}, within {tolerance:g}, count as equal to it (a tolerance)"
            yield Mistake("mask", 1.25, change, text)
        for make, text in UNLIKE_A_MAXIMUM.items() if op in ("max", "min") and place[-1] != "node" else ():
            yield Mistake("mask", 1.3, at(place, make), f"{text}: {where}")
        if place[-1] == "node" or (len(edges) == 1 and not t.possible(e, wrong)):
            continue
        if any(t.locals[other].diagonal is None for other in edges):
            continue
        for slot, bound in ((1, "lower"), (2, "upper")) if op == "clip" and e.slot == 0 else ():
            change = at(place, unbounded, slot)
            yield Mistake("mask", 1.3, change, f"the {bound} bound of {where} is left out")
        if op == "divide" and e.slot == 1:
            for slot, power, text in ((1, 1, "is not squared"), (0, -1, "is not multiplied in")):
                text = f"the quotient rule of {where}: `{t.operand(e.node, slot)}` {text}"
                far = 0.7 * t.inside(e.node)
                yield Mistake("missing-factor", 1.2 + far, at(place, quotient, slot, power), text, proportional=True)
        if op == "power" and (not raised(node) or f"**{raised(node):g}" not in UNARY):
            yield from slips_of_a_power(t, place)
        if op in CHOOSING:
            text = f"the mask of {where} is left out: where something else is chosen, the derivative is 0"
            yield Mistake("mask", 1.25, at(place, lambda t, e: t.with_diagonal(e, 1.0)), text)
            change = at(place, other_side)
            yield Mistake("mask", 1.35, change, f"the mask of {where} is taken from the wrong side")
        elif op not in ("multiply", "divide", "add", "subtract", "negative") or (op == "divide" and e.slot == 1):
            for power, kind, text in ((0, "missing-factor", "is missing"), (2, "counted", "is multiplied in twice")):
                change = at(place, Survey.to_the_power, power)
                yield Mistake(kind, 1.25 + power / 8, change, f"the derivative of {where} {text}")
        elif op in ("multiply", "divide") and not is_square(node):
            other, times = t.operand(e.node, 1 - e.slot), op == "multiply"
            for power, cost, text in (
                (0, 1.15, f"`{other}` is not multiplied in" if times else f"the division by `{other}` is missing"),
                (2, 1.45, f"`{other}` is multiplied in twice" if times else f"it is divided by `{other}` twice"),
                (-1, 1.5, f"it is {'divided by' if times else 'multiplied with'} `{other}`, not the other way round"),
            ):
                if times or e.slot == 0:
                    change = at(place, Survey.to_the_power, power)
                    kind = "counted" if power else "missing-factor"
                    yield Mistake(kind, cost, change, f"{text}: {where}", proportional=True)


def quotient(t: Survey, e: Edge, slot: int, power: int) -> Local | None:
    """The Jacobian of a division by its divisor, with an operand of it once more (or less) in it."""
    value = np.asarray(t.nodes[e.node].values[slot], float)
    return t.with_diagonal(e, np.asarray(t.locals[e].diagonal) * value ** float(power))


def conditioned(t: Survey, e: Edge, truth: bool | None) -> Local | None:
    condition = np.asarray(t.nodes[e.node].values[0])
    return t.with_value(e, 0, ~condition if truth is None else np.full(condition.shape, truth))


def slips_of_a_power(t: Survey, place: Key) -> Iterator[Mistake]:
    """Of xᵇ, by its base or by its exponent, whatever they are."""
    e = t.places[place][0]
    where, x, b = t.where(e.node), t.operand(e.node, 0), t.operand(e.node, 1)
    if e.slot == 0:
        for factor, lowered, text in SLIPS[:3]:
            change = at(place, slipped, factor, lowered)
            yield Mistake("power", 1.15, change, f"the power rule of {where}: {text.format(n=f'`{b}`')}", True)
    else:
        own = f"its derivative by `{b}` is y ln `{x}`"
        change = at(place, lambda t, e: t.with_diagonal(e, t.nodes[e.node].array))
        yield Mistake("missing-factor", 1.15, change, f"ln `{x}` is not multiplied in at {where}: {own}")
        change = at(place, lambda t, e: t.with_diagonal(e, t.nodes[e.node].values[1] * base_less(t, e)))
        yield Mistake("wrong-rule", 1.2, change, f"the power rule is applied to the exponent of {where}: {own}")


def slipped(t: Survey, e: Edge, factor: Callable[[Any], Any], lowered: int) -> Local:
    x, n = (np.asarray(value, float) for value in t.nodes[e.node].values[:2])
    return t.with_diagonal(e, factor(n) * x ** (n + lowered))


def base_less(t: Survey, e: Edge) -> Array:
    x, n = (np.asarray(value, float) for value in t.nodes[e.node].values[:2])
    return np.asarray(x ** (n - 1))


def windows(t: Survey, e: Edge) -> tuple[Array, Array]:
    """Of a largest entry: which entries it is the largest of, as a matrix, and its value with all the axes."""
    link, node = t.locals[e], t.nodes[e.node]
    axis = node.params["axis"]
    y = link.node if node.params["keepdims"] or axis is None else np.expand_dims(link.node, axis)
    of = np.broadcast_to(np.arange(y.size).reshape(y.shape), link.x.shape).reshape(-1)
    return of == np.arange(y.size)[:, None], y


def nearly(t: Survey, e: Edge, tolerance: float) -> Local:
    """The Jacobian of a largest entry in whose mask entries are equal that are only close."""
    reached, y = windows(t, e)
    link = t.locals[e]
    return Local(link.node, link.x, None, reached * (abs(link.x - y) < tolerance).reshape(-1))


def to_each(t: Survey, e: Edge) -> Local:
    return Local(t.locals[e].node, t.locals[e].x, None, windows(t, e)[0].astype(float))


def evenly(t: Survey, e: Edge) -> Local:
    reached, _ = windows(t, e)
    return Local(t.locals[e].node, t.locals[e].x, None, reached / reached.sum(axis=1, keepdims=True))


def to_the_other_end(t: Survey, e: Edge) -> Local:
    """To the smallest entry for the largest, and the other way round."""
    reached, _ = windows(t, e)
    link, sign = t.locals[e], 1 if t.nodes[e.node].op.name == "max" else -1
    masked = np.where(reached, sign * link.x.reshape(-1), np.inf)
    return Local(link.node, link.x, None, (masked == masked.min(axis=1, keepdims=True)).astype(float))


def rows_for_columns(t: Survey, e: Edge) -> Local | None:
    """To the entry at the index of the largest read the wrong way round, in a square window."""
    link, axes = t.locals[e], t.nodes[e.node].params["axis"]
    axes = tuple(range(link.x.ndim)) if axes is None else axes
    if np.ndim(axes) == 0 or len(axes) != 2 or link.x.shape[axes[0]] != link.x.shape[axes[1]]:
        return None
    a, b = (axis % link.x.ndim + 1 for axis in axes)
    return Local(
        link.node, link.x, None, link.matrix.reshape(-1, *link.x.shape).swapaxes(a, b).reshape(link.matrix.shape)
    )


UNLIKE_A_MAXIMUM: dict[Callable[[Survey, Edge], Local | None], str] = {
    to_each: "every entry gets the whole cotangent, and it belongs to the one that was chosen",
    evenly: "the cotangent is spread evenly, as of a mean, and it belongs to the one entry that was chosen",
    to_the_other_end: "the entry at the other end gets the cotangent (the smallest for the largest)",
    rows_for_columns: "the index of the entry that was chosen is read the wrong way round (row and column)",
}


def other_side(t: Survey, e: Edge) -> Local:
    return t.with_diagonal(e, 1 - np.asarray(t.locals[e].diagonal))


def unbounded(t: Survey, e: Edge, slot: int) -> Local:
    values = list(t.nodes[e.node].values)
    values[slot] = None
    return t.local(e, values, np.clip(*values), like=t.locals[e])


def weights(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """A value of the tape that is a factor too much somewhere, or too little."""
    for place, edges in t.places.items():
        e = edges[0]
        if len(edges) > FEW or (len(edges) == 1 and not t.possible(e, wrong)):
            continue
        for key, w in t.values.items():
            if w.dtype.kind not in "fb" or w.size == 1 or not fits_into(w.shape, t.nodes[e.node].shape):
                continue
            for power, kind, text in ((1, "counted", "once too often"), (-1, "missing-factor", "once too little")):
                change = at(place, Survey.weighted, key, power)
                text = f"`{t.called(key)}` is multiplied in {text}, at {t.where(e.node)}"
                yield Mistake(kind, 2.1, change, text)
            for words in DERIVATIVES:
                text = f"{words}{FACTORS[words][0]} is multiplied in at {t.where(e.node)}, and forward has it not"
                change = at(place, Survey.weighted, key, 1, FACTORS[words][1])
                yield Mistake("counted", 2.2, change, text.replace("{w}", f"`{t.called(key)}`"))


# ----------------------------------------------------------------------------------------- functions of one argument
SLIPS: list[tuple[Callable[[float], float], int, str]] = [  # of d xⁿ/dx = n xⁿ⁻¹: the factor, the exponent less n
    (lambda n: 1, -1, "the exponent is not multiplied in, a factor {n} is missing"),
    (lambda n: n, 0, "the exponent is not lowered by one"),
    (lambda n: 1, 0, "it is the power itself"),
    (lambda n: n - 1, -1, "the new exponent is multiplied in, and it has to be the old one, {n}"),
    (lambda n: n + 1, -1, "{n} + 1 is multiplied in, and it has to be the exponent, {n}"),
    (lambda n: n, -2, "the exponent is lowered by two, and not by one"),
    (lambda n: n, 1, "the exponent goes up, and has to go down"),
]


FORMULAS = {  # of the output y and the input x
    "sigmoid": "y (1 - y)",
    "tanh": "1 - y²",
    "exp": "y",
    "exp2": "y ln 2",
    "log2": "1/(x ln 2)",
    "log10": "1/(x ln 10)",
    "softplus": "sigmoid x",
    "log": "1/x",
    "sin": "cos x",
    "cos": "-sin x",
    "tan": "1 + y²",
    "abs": "sign x",
    "relu": "1 where x > 0, else 0",
}


def derivative_of(link: Link, step: str) -> str:
    formula = FORMULAS.get(link.name)
    return f"the derivative of {step}, which is {formula}," if formula else f"the derivative of {step}"


def sloped(key: Key, make: Callable[..., Any], *more: Any) -> Change:
    """The change that comes of another slope of a function: ``make(t, link, *more)``."""

    def change(t: Survey) -> Array | None:
        link = t.functions.get(key)
        slope = None if link is None else make(t, link, *more)
        if link is None or slope is None:
            return None
        delta = np.broadcast_to(slope, link.slope.shape) - link.slope
        if t.ruled_out(key, delta):
            return None
        return np.asarray((t.adjoints[link.v] * delta.reshape(-1)) @ t.jacobians[link.u] * t.known)

    return change


def usable(t: Survey, wrong: Sequence[int]) -> Iterator[tuple[Key, Link, str]]:
    for key, link in t.functions.items():
        if t.solvable(key, t.adjoints[link.v], t.jacobians[link.u], wrong):
            yield key, link, t.function_name(link)


def missing_derivatives(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """The derivative of a function is not multiplied in, or is a slip of the power rule."""
    for key, link, step in usable(t, wrong):
        kind = "mask" if link.name in ("relu", "abs") else "missing-factor"
        if np.ptp(link.slope) > 0:
            change = sloped(key, lambda t, link: np.ones_like(link.slope))
            yield Mistake(kind, 1.2, change, f"{derivative_of(link, step)} is missing")
        if link.name in ("relu", "abs"):
            change = sloped(key, lambda t, link: 1 - link.slope)
            yield Mistake("mask", 1.4, change, f"the mask of {step} is taken from the wrong side")
        n = float(link.name[2:]) if link.name.startswith("**") else 0.0
        slips = {(factor(n), lowered): text for factor, lowered, text in reversed(SLIPS)} if n else {}
        slips.pop((-n, -1), None)  # no more than a sign, which may be lost anywhere
        far = 0.7 * t.inside(link.v)
        for (c, lowered), text in slips.items():
            change = sloped(key, lambda t, link, c, e: c * t.nodes[link.u].array ** e, c, n + lowered)
            yield Mistake(
                "power", 1.1 + far, change, f"the power rule of {step}: {text.format(n=f'{n:g}')}", proportional=True
            )


def other_derivatives(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """The derivative of a function is squared, inverted, taken at another value, or another function's."""
    for key, link, step in usable(t, wrong):
        slope = UNARY[link.name][1]
        for power, cost, text in ((2, 2.2, "is multiplied in twice"), (-1, 2.3, "is divided by")):
            change = sloped(key, lambda t, link, power: link.slope ** float(power), power)
            yield Mistake("counted", cost, change, f"the derivative of {step} {text}")
        u, v = t.keys[link.u], t.keys[link.v]
        for other, w in t.values.items():
            if w.shape != link.slope.shape or w.dtype.kind != "f":
                continue
            name = t.called(other)
            if other != v:
                change = sloped(key, given, other, slope)
                text = (
                    f"the derivative of {step} is written in terms of the output, and is given `{name}`: save the "
                    f"output `{t.name(link.v)}`, and use that"
                )
                yield Mistake("at-input" if other == u else "wrong-value", 1.3 if other == u else 1.6, change, text)
            if other != u:
                change = sloped(key, taken_at, other)
                text = f"the derivative of {step} is taken at `{name}` instead of `{t.name(link.u)}`"
                yield Mistake("at-output" if other == v else "wrong-value", 1.4 if other == v else 1.7, change, text)
        x = t.name(link.u)
        change = sloped(key, of_its_ends, partial(mirrored, *UNARY[link.name]))
        yield Mistake("wrong-value", 1.5, change, f"the derivative of {step} is taken at -`{x}` instead of `{x}`")
        if b := {"exp": math.e, "exp2": 2.0}.get(link.name):
            change = sloped(key, of_its_ends, lambda x, y, b=b: x * y / b)
            text = f"the power rule is applied to {step}, an exponential function"
            yield Mistake("wrong-rule", 1.3, change, f"{text}: its derivative is {FORMULAS[link.name]}")
        for name, (f, d) in UNARY.items():
            for cost, make in ((1.5, partial(proper, f, d)), (1.5, d), (1.9, partial(at_output, d))):
                change = sloped(key, of_its_ends, make)
                if name != link.name:
                    text = f"{step} is differentiated by the rule of {spelled(name)}"
                    own = f": its own derivative is {FORMULAS[link.name]}" if link.name in FORMULAS else ""
                    yield Mistake("wrong-rule", cost, change, text + own)
        for words, plain in PLAIN.items():
            change = sloped(key, of_its_ends, plain)
            ends = {"x": f"`{t.name(link.u)}`", "y": f"`{t.name(link.v)}`"}
            text = "".join(ends.get(letter, letter) for letter in words)
            yield Mistake("wrong-value", 1.45, change, f"{text} stands where {derivative_of(link, step)} belongs")


def proper(f: Callable[[Array], Array], slope: Slope, x: Array, y: Array) -> Array:
    """The derivative of another function at the same input."""
    return slope(x, f(x))


def mirrored(f: Callable[[Array], Array], slope: Slope, x: Array, y: Array) -> Array:
    return slope(-x, f(-x))


def at_output(slope: Slope, x: Array, y: Array) -> Array:
    """The rule of another function, given the output for both."""
    return slope(y, y)


PLAIN: dict[str, Slope] = {  # what is put in the place of a derivative
    "x": lambda x, y: x,
    "y": lambda x, y: y,
    "x²": lambda x, y: x * x,
    "y²": lambda x, y: y * y,
    "1/x": lambda x, y: 1 / x,
    "1 - x": lambda x, y: 1 - x,
    "1 - y": lambda x, y: 1 - y,
}


def of_its_ends(t: Survey, link: Link, make: Slope) -> Array:
    return make(t.nodes[link.u].array, t.nodes[link.v].array)


def given(t: Survey, link: Link, other: Key, slope: Slope) -> Array | None:
    """The slope of a function, where another value is put for its output."""
    w = t.values.get(other)
    return None if w is None or w.shape != link.slope.shape else slope(t.nodes[link.u].array, w)


def taken_at(t: Survey, link: Link, other: Key) -> Array | None:
    (f, slope), x = UNARY[link.name], t.values.get(other)
    return None if x is None or x.shape != link.slope.shape else slope(x, f(x))


# --------------------------------------------------------------------------------------------------------- the rules
def rules(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """A rule that is given other values of the tape than its own; and one that is left out, or applied as it stands."""
    for place, edges in t.places.items():
        e = edges[0]
        node, where = t.nodes[e.node], t.where(e.node)
        if place[-1] == "node" or node.op.student or node.op.rule_of(e.slot) is None:
            continue
        if len(edges) == 1 and not t.possible(e, wrong):
            continue
        if len({len(t.nodes[other.node].values) for other in edges}) > 1:  # indexing, by other kinds of index
            continue
        for by, text in ((1, "next"), (-1, "previous")) if place[-1] == "all" else ():
            for slot, x in enumerate(node.inputs):
                if type(x) is Tensor and slot != e.slot:
                    value = f"the `{t.operand(e.node, slot)}` of the {text} step of the loop"
                    other_step = partial(of_another_step, place=place, slot=slot, by=by)
                    yield Mistake("wrong-value", 1.55, other_step, f"the derivative of {where} is given {value}")
        for slot, old in enumerate([*node.values, node.array]):
            if not isinstance(old, np.ndarray) or old.dtype.kind != "f" or old.size == 1:
                continue
            own = owner(t, e, slot)
            for key, w in t.values.items():
                alike = w.shape == old.shape or (t.locals[e].diagonal is not None and fits_into(w.shape, node.shape))
                if w.dtype.kind != "f" or w.size == 1 or not alike:
                    continue
                if w is not old:
                    change = at(place, Survey.with_value_of, slot, key)
                    text = f"the derivative of {where} is given `{t.called(key)}` instead of {own}"
                    yield Mistake("wrong-value", 1.6, change, text)
                if w.ndim == 2 and w.shape[0] == w.shape[1] > 1:
                    change = at(place, Survey.with_value_of, slot, key, True)
                    text = f"the derivative of {where} is given `{t.called(key)}.T` instead of {own}"
                    yield Mistake("transposed" if w is old else "wrong-value", 1.6, change, text)
        for a, b in combinations(range(len(node.values)), 2):
            x, w = (np.asarray(node.values[slot]) for slot in (a, b))
            if e.slot in (a, b) and x.shape == w.shape and x.size > 1 and x.dtype.kind == w.dtype.kind == "f":
                names = [f"`{t.operand(e.node, slot)}`" for slot in (a, b)]
                text = f"the derivative of {where} takes {' for '.join(names)}, and {' for '.join(names[::-1])}"
                yield Mistake("swapped", 1.65, at(place, exchanged, a, b), text)
        if t.locals[e].diagonal is None and node.size == t.nodes[e.input].size:
            change = at(place, lambda t, e: t.square_matrix(e, lambda m: np.eye(len(m))))
            yield Mistake("missing-factor", 1.7, change, f"the derivative of {where} is missing")
            change = at(place, lambda t, e: t.square_matrix(e, lambda m: m @ m))
            yield Mistake("counted", 2.2, change, f"the derivative of {where} is applied twice")
            change = at(place, lambda t, e: t.square_matrix(e, np.transpose))
            text = f"the backward does {where} itself, where its transpose belongs (the other way round)"
            yield Mistake("wrong-rule", 1.7, change, text)


def exchanged(t: Survey, e: Edge, a: int, b: int) -> Local:
    values = list(t.nodes[e.node].values)
    values[a], values[b] = values[b], values[a]
    return t.local(e, values, like=t.locals[e])


def of_another_step(t: Survey, place: Key, slot: int, by: int) -> Array | None:
    """The change that comes of a rule in a loop that is given a value of the step behind, or of that before."""
    if place not in t.places:
        return None
    edges = [e for e in t.edges if (*t.keys[e.node][:-1], e.slot) == place[:-1]]
    series = [np.asarray(t.nodes[e.node].values[slot]) for e in edges]
    x = t.nodes[edges[-1 if by > 0 else 0].node].inputs[slot]
    while type(x) is Tensor and x.op is not None and x.op.name == "reshape":
        x = x.inputs[0]
    key = t.keys[t.at[x]] if type(x) is Tensor and x in t.at else ()
    beyond = t.position.get((*key[:-1], key[-1] + by)) if key else None
    if len(edges) < 2 or any(v.shape != series[0].shape for v in series):
        return None
    end = series[0] if beyond is None else t.nodes[beyond].array
    if end.size != series[0].size:
        return None
    end = end.reshape(series[0].shape)
    series = [*series[1:], end] if by > 0 else [end, *series[:-1]]
    made = {e: t.with_value(e, slot, v) for e, v in zip(edges, series, strict=True)}
    return t.change({e: new for e, new in made.items() if new is not None})


def steps(t: Survey) -> Iterator[Mistake]:
    """A reduction that goes over all entries when backward computes it anew."""
    for i, node in enumerate(t.nodes):
        if node.op is None or node.op.name not in ("sum", "mean") or not node.differentiable or node.size < 2:
            continue
        if len(node.inputs) == 1 and node.params.get("axis") is not None:
            text = f"{t.where(i)} goes over axis {node.params['axis']}, and in the backward over all entries"
            yield Mistake("mixed", 1.6, partial(over_all, key=t.keys[i]), text)


def over_all(t: Survey, key: Key) -> Array | None:
    return (t.again(t.position[key], reduced) - t.truth) * t.known if key in t.position else None


def reduced(node: Tensor) -> Array:
    whole = node.op.forward(*node.values, **{**node.params, "axis": None, "keepdims": False})
    return np.broadcast_to(whole, node.shape)


def owner(t: Survey, e: Edge, slot: int) -> str:
    """A value that a rule reads, with the line it comes from."""
    node = t.nodes[e.node]
    if slot == len(node.values):
        return "its output"
    x = node.inputs[slot]
    made = type(x) is Tensor and x.op is not None and t.variable(t.at[x])
    return t.where(t.at[x]) if made else f"`{t.operand(e.node, slot)}`"


# ------------------------------------------------------------------------------------------------------ of the whole
def diagonals(t: Survey) -> Iterator[Mistake]:
    """Only the diagonal of the Jacobian of one node by another."""
    for u, x in enumerate(t.nodes):
        if x.size < 2 or not x.differentiable or t.keys[u][-1] > 0:
            continue
        for v, jacobian in t.between(u).items():
            if t.nodes[v].shape != x.shape or t.keys[v][-1] > 0 or not np.diagonal(jacobian).any():
                continue
            if (jacobian - np.diag(np.diagonal(jacobian))).any():
                softmax = softmax_name(x.array, t.nodes[v].array)
                text = (
                    f"only the diagonal of the Jacobian of {softmax}{t.where(v)} by `{t.name(u)}` is used: each entry "
                    f"of it depends on other entries of `{t.name(u)}`, too"
                )
                cost = 1.3 if softmax else 2.4
                ends: dict[str, Any] = {"u": t.keys[u], "v": t.keys[v]}
                yield Mistake("diagonal", cost, partial(instead, **ends, make=only_diagonal), text)
                step = f"the Jacobian of {softmax}{t.where(v)} by `{t.name(u)}`"
                change = partial(instead, **ends, make=lambda j: np.eye(len(j)))
                yield Mistake("missing-factor", cost + 0.1, change, f"{step} is not multiplied in")
                change = partial(instead, **ends, make=lambda j: j @ j)
                yield Mistake("counted", cost + 0.2, change, f"{step} is multiplied in twice")
                for form, (words, make) in enumerate(LIKE_SOFTMAX.items() if softmax == "the softmax " else ()):
                    own = f"is {words} in the backward, and has to be y_i (δ_ij - y_j)"
                    change = partial(of_softmax, **ends, make=make)
                    yield Mistake("wrong-value", 1.4 + form / 100, change, f"{step} {own}: save the output y")


Outer = Callable[[Array, Array], Array]
LIKE_SOFTMAX: dict[str, Outer] = {  # of one row, by its input x and its output y
    "y_i (δ_ij - x_j)": lambda x, y: np.diag(y) - np.outer(y, x),
    "x_i (δ_ij - y_j)": lambda x, y: np.diag(x) - np.outer(x, y),
    "x_i (δ_ij - x_j)": lambda x, y: np.diag(x) - np.outer(x, x),
    "δ_ij - y_j": lambda x, y: np.eye(y.size) - np.outer(np.ones(y.size), y),
    "y_i (1 - y_i) on the diagonal, and y_i y_j beside it,": lambda x, y: np.diag(y - 2 * y * y) + np.outer(y, y),
    "y_i (δ_ij + y_j)": lambda x, y: np.diag(y) + np.outer(y, y),
}


def of_softmax(t: Survey, u: Key, v: Key, make: Outer) -> Array | None:
    """The change that comes of another formula for the Jacobian of a softmax of rows."""
    if u not in t.position or v not in t.position:
        return None
    x, y = (t.nodes[t.position[key]].array for key in (u, v))
    n, rows = x.shape[-1], x.size // x.shape[-1]
    blocks = np.zeros((rows, n, rows, n))
    for k, pair in enumerate(zip(x.reshape(-1, n), y.reshape(-1, n), strict=True)):
        blocks[k, :, k] = make(*pair)
    return instead(t, u, v, lambda j: blocks.reshape(x.size, x.size))


def only_diagonal(jacobian: Array) -> Array:
    return np.diag(np.diagonal(jacobian))


def instead(t: Survey, u: Key, v: Key, make: Callable[[Array], Array]) -> Array | None:
    """The change that comes of another Jacobian of one node by another of its shape."""
    if u not in t.position or v not in t.position:
        return None
    jacobian = t.between(t.position[u]).get(t.position[v])
    if jacobian is None or jacobian.shape[0] != jacobian.shape[1]:
        return None
    return np.asarray(t.adjoints[t.position[v]] @ (make(jacobian) - jacobian) @ t.jacobians[t.position[u]] * t.known)


def stretches(t: Survey) -> Iterator[Mistake]:
    """Several steps as one, where each entry of a node goes into one entry of another: their slope is lost or wrong."""
    for u, x in enumerate(t.nodes):
        if not x.differentiable or x.size < 2 or t.keys[u][-1] > 0 or not t.jacobians[u].any():
            continue
        for v, jacobian in t.between(u).items():
            if v == u or t.keys[v][-1] > 0 or ((jacobian != 0).sum(axis=0) != 1).any():
                continue
            step, far = f"the derivative of {t.where(v)} by `{t.name(u)}`", 0.02 * (not t.variable(v))
            ends: dict[str, Any] = {"u": t.keys[u], "v": t.keys[v]}
            yield Mistake("missing-factor", 1.3 + far, partial(of_slope, **ends, key=None), f"{step} is missing")
            for key, w in t.values.items():
                if w.shape == x.shape and w.dtype.kind == "f" and w.size <= LONG:
                    text = f"`{t.called(key)}` stands where {step} belongs"
                    yield Mistake("wrong-value", 1.7 + far, partial(of_slope, **ends, key=key), text)


def of_slope(t: Survey, u: Key, v: Key, key: Key | None) -> Array | None:
    """The change that comes of a value of the tape, or of ones, in the place of the slope of a stretch."""
    if u not in t.position or v not in t.position or (key is not None and key not in t.values):
        return None
    jacobian = t.between(t.position[u]).get(t.position[v])
    w = 1.0 if key is None else t.values[key].reshape(-1)
    if jacobian is None or np.size(w) not in (1, jacobian.shape[1]):
        return None
    other = (jacobian != 0) * w - jacobian
    return np.asarray(t.adjoints[t.position[v]] @ other @ t.jacobians[t.position[u]] * t.known)


FACTORS: dict[str, tuple[str, Callable[[Array], Array]]] = {  # of a gradient, with what they may have come from
    "{w}": ("", lambda w: w),
    "{w}²": ("", lambda w: w * w),
    "1 - {w}": ("", lambda w: 1 - w),
    "{w} (1 - {w})": (", as if a sigmoid with the output {w} came before", lambda w: w * (1 - w)),
    "1 - {w}²": (", as if a tanh with the output {w} came before", lambda w: 1 - w * w),
    "sigmoid({w})": ("", lambda w: 1 / (1 + np.exp(-w))),
    "s (1 - s) with s = sigmoid({w})": (
        ", the derivative of a sigmoid, once too often",
        lambda w: np.exp(-abs(w)) / (1 + np.exp(-abs(w))) ** 2,
    ),
    "exp({w})": ("", np.exp),
}


def products(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """All of a gradient is multiplied, entry by entry, with a function of a value of the tape, or divided by one."""
    for i in wrong:
        truth, off = t.truth[:, t.columns[i]], t.off[:, t.columns[i]]
        ratio = 1 + (off * truth).sum(axis=0) / np.maximum((truth * truth).sum(axis=0), 1e-300)
        if (abs(off - (ratio - 1) * truth) > t.limit).any() or t.is_proportional(i):
            continue
        for key, (words, (meaning, f)) in product(t.values, FACTORS.items()):
            for power, how in ((1, "times"), (-1, "divided by")):
                text = f"it is the gradient {how} {words}{meaning}".replace("{w}", f"`{t.called(key)}`")
                change = partial(times_entries, i=i, key=key, f=f, power=power)
                yield Mistake("factor", 2.3 + 0.1 * (key[0] != "input"), change, text)


def times_entries(t: Survey, i: int, key: Key, f: Callable[[Array], Array], power: int) -> Array | None:
    w, shape = t.values.get(key), t.inputs[i].shape
    if w is None or w.dtype.kind != "f" or w.size < 2 or not fits_into(w.shape, shape):
        return None
    change = np.zeros_like(t.truth)
    factor = np.broadcast_to(f(w) ** float(power), shape).reshape(-1)
    change[:, t.columns[i]] = (factor - 1) * t.truth[:, t.columns[i]]
    return change * t.known


DERIVATIVES = "{w} (1 - {w})", "1 - {w}²", "s (1 - s) with s = sigmoid({w})"


def softmax_name(x: Array, y: Array) -> str:
    """The name of a node that is a softmax of another's rows, or the logarithm of one."""
    e = np.exp(x - x.max())
    p = e / e.sum(-1, keepdims=True) if x.ndim else e
    for name, value in (("the softmax ", y), ("the log-softmax ", np.exp(y))):
        if (abs(value - p) <= 1e-12).all():
            return name
    return ""


def constants(t: Survey) -> Iterator[Mistake]:
    """A constant of the forward that is not there when backward computes it anew."""
    for i, node in enumerate(t.nodes):
        if node.op is None or not node.differentiable or node.op.name not in NEUTRAL:
            continue
        neutral = NEUTRAL[node.op.name]
        for slot, value in enumerate(node.values):
            constant = type(node.inputs[slot]) is not Tensor and np.size(value) == 1
            if constant and not (slot == 0 and node.op.name in ("subtract", "divide")):
                eps = np.isfinite(neutral)
                kind, cost, what = ("eps", 1.55, "a constant (eps)") if eps else ("mask", 1.65, "the bound")
                text = f"{float(np.reshape(value, ())):g}, {what} of {t.where(i)}, is not in the backward"
                yield Mistake(kind, cost, partial(without, key=t.keys[i], slot=slot, neutral=neutral), text)


NEUTRAL = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0, "maximum": -np.inf, "minimum": np.inf}


def without(t: Survey, key: Key, slot: int, neutral: float) -> Array | None:
    def computed(node: Tensor) -> Array:
        values = [neutral if k == slot else value for k, value in enumerate(node.values)]
        if not np.isfinite(neutral):  # then its rule does not know of the bound, either
            node.values = values
        return np.asarray(node.op.forward(*values, **node.params))

    return (t.again(t.position[key], computed) - t.truth) * t.known if key in t.position else None


def additions(t: Survey, wrong: Sequence[int]) -> Iterator[Mistake]:
    """A multiple of a value is added to the gradient."""
    for i in wrong:
        for key in t.values:
            basis = addend(t, i, key)
            if basis is None or not basis.any():
                continue
            c = float((t.off * basis).sum() / (basis * basis).sum())
            if abs(c) * abs(basis).max() > t.limit:
                text = (
                    f"it is off by {c:.6g}·{t.called(key)} times the cotangent: a term is added that forward has not, "
                    "or one is lost (of a penalty, perhaps)"
                )
                yield Mistake("added", 1.9, partial(addend, i=i, key=key, c=c), text)


def addend(t: Survey, i: int, key: Key, c: float = 1.0) -> Array | None:
    """The error of the Jacobian, if a value were added to the gradient of input i for each cotangent."""
    w, x, y = t.values.get(key), t.inputs[i].array, t.nodes[t.output].array
    if w is None or w.dtype.kind != "f" or w.size < 2 or not fits_into(w.shape, x.shape):
        return None
    if y.size != 1 and y.shape != x.shape:
        return None
    entries, change = np.broadcast_to(w, x.shape).reshape(-1), np.zeros_like(t.truth)
    change[:, t.columns[i]] = t.rows * entries
    return change * c * t.known
