"""The cases that are tried first: designed, so that what usually goes wrong shows at once.

Sizes are distinct primes, which tell factors apart; values are normal numbers, then eighths full of zeros and ties;
data are near 1, 1e-6 and 1e4. What these do not show, drawn ones may (`strategies.py`).
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.checks.subject import UsageError
from minigrad.checks.trial import Case
from minigrad.ops.operation import Operation

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

PRIMES = 5, 3, 2, 7
MANY = 50  # entries, with which a trial takes long
ANY = -np.inf, np.inf


def by_input(
    what: str, values: Mapping[Any, Any] | Sequence[Any] | None, names: Sequence[str], default: Any
) -> list[Any]:
    """For each input its value: `values` are in order, or by name or position, and then need not be there.

    Raises:
        UsageError: there is no such input, or there are too few values.
    """
    if not isinstance(values, Mapping):
        found = list(values if values is not None else [default] * len(names))
        if len(found) != len(names):
            raise UsageError(f"{what}: {len(found)} are given for {len(names)} inputs")
        return found
    if unknown := [str(key) for key in values if key not in names and key not in range(len(names))]:
        known = f"the inputs are {', '.join(names)}, or by position 0 to {len(names) - 1}"
        raise UsageError(f"{what}: {', '.join(sorted(unknown))} is no input; {known}")
    return [values.get(name, values.get(position, default)) for position, name in enumerate(names)]


def domains_of(signature: str, domain: Mapping[Any, Any] | Sequence[Any] | None, names: Sequence[str]) -> list[Any]:
    """The domain of each input, those that are left out any floats; or a UsageError."""
    letters = {axis.rstrip("?") for group in groups(signature) for axis in group}
    found = by_input("domain", domain, names, ANY)
    for name, values in zip(names, found, strict=True):
        interval = isinstance(values, tuple) and len(values) == 2 and values[0] < values[1]
        if not (interval or values is bool or callable(values) or (isinstance(values, str) and values in letters)):
            raise UsageError(
                f"domain of {name}: {values!r}; needed is an open interval (low, high) with low < high, bool for a "
                "mask, or a letter of the signature for integers that index its axis"
            )
    return found


class Form:
    """The inputs that a function takes: a signature, and what is known of each.

    ``(n,p),(p,q),(q)->(n,q)``: letters are lengths, the same letter the same length; numbers are themselves. Inputs
    that are all written () are taken entry by entry: they have any shapes that broadcast. An axis with a question mark
    may be missing, as in NumPy.

    Args:
        signature: the text.
        domains: for each input an open interval; bool for a mask; a letter, for integers that index its axis; or a
            function that maps any array into the domain.
        constant: the positions of the inputs without a derivative.
        optional: the positions of those that may be None.
        batched: whether axes in front of those of the signature broadcast, as they always do entry by entry.
        params: the static arguments; if there is an axis among them, the first input must have it.
    """

    def __init__(
        self,
        signature: str,
        domains: Sequence[Any] | None = None,
        *,
        constant: Container[int] = (),
        optional: Container[int] = (),
        batched: bool = False,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.groups = groups(signature)
        self.outputs: list[list[str]] | None = groups(signature, output=True)
        self.domains = list(domains or [ANY] * len(self.groups))
        self.constant, self.optional, self.params = constant, optional, params or {}
        self.elementwise = not any(self.groups)
        self.batched = batched or self.elementwise

    @classmethod
    def of(cls, operation: Operation, params: Mapping[str, Any] | None = None, more: int = 0) -> Form:
        """The form of an operation's inputs; where it takes any number of the last, `more` than its signature has."""
        each = groups(operation.signature)
        names = operation.inputs + operation.inputs[-1:] * (len(each) - len(operation.inputs))
        if operation.variadic and names == operation.inputs:
            each, names = each + each[-1:] * more, names + names[-1:] * more
        parameters = inspect.signature(operation.forward).parameters
        form = cls(
            ",".join(f"({','.join(group)})" for group in each) + "->()",
            [operation.domain.get(name, ANY) for name in names],
            constant=[i for i, (_, rule) in enumerate(zip(names, operation.rules, strict=False)) if not rule],
            optional=[i for i, name in enumerate(names) if parameters[name].default is None],
            batched=operation.batched,
            params=params,
        )
        form.outputs = None  # it is the operation's own business, and depends on its parameters
        return form

    def results(self, shapes: Sequence[Shape], lengths: Mapping[str, int]) -> list[tuple[int | None, ...]] | None:
        """For each output the lengths of its axes; None where nothing is known of them."""
        if self.outputs is None or self.batched != self.elementwise or any("?" in a for y in self.outputs for a in y):
            return None
        every = np.broadcast_shapes(*shapes) if self.elementwise else ()
        return [tuple(int(a) if a.isdigit() else lengths.get(a) for a in axes) or every for axes in self.outputs]

    def allows(self, shapes: Sequence[tuple[int, ...]]) -> bool:
        """Whether the axes in `params` exist."""
        axis, ndim = self.params.get("axis"), len(shapes[0])
        return axis is None or all(-ndim <= k < ndim for k in np.atleast_1d(axis))

    @property
    def letters(self) -> list[str]:
        axes = [axis.rstrip("?") for group in self.groups for axis in group]
        return list(dict.fromkeys(axis for axis in axes if not axis.isdigit()))

    def shapes(self, lengths: dict[str, int]) -> list[tuple[int, ...]]:
        every = [[axis.rstrip("?") for axis in group] for group in self.groups]
        return [tuple(int(a) if a.isdigit() else lengths[a] for a in group) for group in every]

    def entries(self, lengths: dict[str, int]) -> int:
        return sum(map(math.prod, self.shapes(lengths)))


def groups(text: str, output: bool = False) -> list[list[str]]:
    """The axes of each input of a signature, such as [["n", "p"], ["p"]], or of each output; or a UsageError."""
    group = r"\((?:\w+\??(?:,\w+\??)*)?\)"
    compact = text.replace(" ", "")
    if not re.fullmatch(rf"{group}(?:,{group})*->{group}(?:,{group})*", compact):
        raise UsageError(
            f"signature {text!r}: needed is one group of axes for each input, an arrow, and one for each output, as in "
            '"(n,p),(p,q),(q)->(n,q)" or, entry by entry, "(),()->()"'
        )
    part = compact.split("->")[output]
    return [[axis for axis in inside.split(",") if axis] for inside in re.findall(r"\((.*?)\)", part)]


def designed(form: Form, seed: int) -> Iterator[Case]:
    """Unlike sizes twice, zeros and ties, float32, small and large data; then broadcasting, or axes of length 1."""
    letters = form.letters
    rotated = (*PRIMES[1:], PRIMES[0])
    first, second = ({letter: sizes[k % len(sizes)] for k, letter in enumerate(letters)} for sizes in (PRIMES, rotated))
    for most in (3, 2):
        if form.entries(first) > MANY:
            first, second = ({k: min(n, most) for k, n in lengths.items()} for lengths in (first, second))
    one, two, more = form.shapes(first), form.shapes(second), alone(form, first)
    if form.elementwise:
        count = len(form.groups)
        one, two = [(5, 3)] * count, [(2, 3)] * count
        more = [(shapes, {}) for shapes in narrowed(count)]
    yield draw(form, one, first, seed=seed)
    yield draw(form, two, second, seed=seed + 1)
    yield draw(form, one, first, seed=seed + 2, grid=True)
    yield draw(form, one, first, seed=seed + 3, dtype=np.float32)
    for exponent in (-6, 4) if scales(form) else ():
        yield draw(form, one, first, seed=seed + 10 + exponent, scale=10.0**exponent)
    for number, (shapes, lengths) in enumerate(more):
        yield draw(form, shapes, lengths, seed=seed + 20 + number)
    for position in range(len(form.groups)):
        if position in form.optional:
            yield draw(form, one, first, seed=seed + 40 + position).without(position)


def narrowed(count: int) -> list[list[Shape]]:
    """Shapes of which one has a missing axis, one of length 1, none at all: so it broadcasts, if there are others."""
    kinds: list[Shape] = [(2,), (3, 1), ()]
    return [[(3, 2)] * i + [narrow] + [(3, 2)] * (count - i - 1) for narrow in kinds for i in range(count)]


def rare(form: Form, seed: int) -> Iterator[Case]:
    """Seldom tried: more than two axes, where any number is allowed, and of each length none."""
    if form.elementwise:
        for ndim in (3, 4, 5):
            shapes = [tuple(np.roll((2, 2, *[1] * (ndim - 2)), k + 1).tolist()) for k in range(len(form.groups))]
            yield draw(form, shapes, {}, seed=seed + 50 + ndim)
        yield draw(form, [(0, 2)] * len(form.groups), {}, seed=seed + 60)
    for number, letter in enumerate(form.letters):
        lengths = {**dict.fromkeys(form.letters, 2), letter: 0}
        if letter not in form.domains:  # there is no index into an axis of no length
            yield draw(form, form.shapes(lengths), lengths, seed=seed + 60 + number)


def alone(form: Form, lengths: dict[str, int]) -> list[tuple[list[Shape], dict[str, int]]]:
    """One length is 1, for each of them; and all of them are."""
    letters = form.letters
    ones = [{**lengths, letter: 1} for letter in letters] + [dict.fromkeys(letters, 1)] * (len(letters) > 1)
    return [(form.shapes(one), one) for one in ones]


def square(form: Form, seed: int) -> Case:
    """All lengths equal: what raises otherwise, a missing transpose perhaps, gives numbers here."""
    equal = dict.fromkeys(form.letters, 3)
    return draw(form, form.shapes(equal), equal, seed=seed)


def scales(form: Form) -> bool:
    """Whether values of any size are in the domains."""
    intervals = [domain for domain in form.domains if isinstance(domain, tuple)]
    return not any(map(callable, form.domains)) and {*sum(intervals, ())} <= {0.0, np.inf, -np.inf}


def draw(
    form: Form,
    shapes: Sequence[tuple[int, ...]],
    lengths: dict[str, int],
    *,
    seed: int,
    dtype: Any = np.float64,
    scale: float = 1.0,
    grid: bool = False,
) -> Case:
    random = np.random.default_rng((seed, 2))
    inputs: list[Any] = []
    able: list[int] = []
    for position, (domain, shape) in enumerate(zip(form.domains, shapes, strict=True)):
        if domain is bool:
            inputs.append(random.random(shape) < 0.5)
        elif isinstance(domain, str):
            inputs.append(random.integers(0, lengths[domain], shape))
        else:
            values = eighths(domain, shape, random) if grid else normal(domain, shape, random, scale)
            array = np.asarray(values, dtype)
            if not callable(domain) and not ((domain[0] < array) & (array < domain[1])).all():
                array = np.asarray(values)  # float32 rounds it out of a narrow interval
            inputs.append(domain(array) if callable(domain) else array)
            able += [position] * (position not in form.constant)
    return Case(tuple(inputs), tuple(able), lengths, seed, form.elementwise, results=form.results(shapes, lengths))


def normal(domain: Any, shape: tuple[int, ...], random: np.random.Generator, scale: float) -> Array:
    """Normal numbers, folded into the domain, and not near its ends."""
    low, high = (-np.inf, np.inf) if callable(domain) else domain
    x = np.asarray(random.normal(size=shape))
    if np.isinf(low) and np.isinf(high):
        return x * scale
    if np.isinf(high) or np.isinf(low):
        distance = (abs(x) + 0.125) * (scale if (high if np.isinf(low) else low) == 0 else 1)
        return low + distance if np.isinf(high) else high - distance
    return np.asarray(random.uniform(low + (high - low) / 16, high - (high - low) / 16, shape))


def sixteenths(low: float, high: float) -> Array:
    """Numbers in an interval that holds no round ones; near its end, if it has only one."""
    if np.isinf(high):
        high = low + max(abs(low), 1.0)
    elif np.isinf(low):
        low = high - max(abs(high), 1.0)
    return low + (high - low) * np.arange(1, 16) / 16


def eighths(domain: Any, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    low, high = (-np.inf, np.inf) if callable(domain) else domain
    values = np.arange(-16, 17) / 8
    values = values[(low < values) & (values < high)]
    if not values.size:
        return np.asarray(random.choice(sixteenths(low, high), shape))
    halves, zeros = values[values * 2 % 1 == 0], values[values == 0]
    return np.asarray(random.choice(np.concatenate([halves] * 3 + [zeros, -zeros] * 6 + [values]), shape))


# ---------------------------------------------------------------------------------------------------------- layouts
LAYOUTS = "plain", "column-major", "backwards", "every second", "read-only"


def laid_out(array: Array, layout: str) -> Array:
    """The same values, in memory in another way."""
    if layout == "column-major":
        return np.asarray(array, order="F")
    if layout == "backwards" and array.ndim:
        return np.flip(np.flip(array).copy())
    if layout == "every second" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    return array
