"""Hypothesis strategies for functions of arrays, whoever computes them: NumPy, torch, JAX, minigrad.

Shapes, groups that broadcast, arrays in a domain, whole argument lists, and what two functions make of the same. This
needs the package hypothesis (``pip install 'minigrad-tape[check]'``). What they draw is what shows mistakes: values on
a grid of eighths, exact in float32 and full of zeros, ones and ties, times 1e-6 to 1e4, on axes of length 1, of equal
and of unequal lengths. All of them shrink towards few entries and small whole numbers.

>>> from hypothesis import given, settings
>>> from minigrad.checks import strategies
>>> @settings(database=None)
... @given(strategies.arguments("(n,p),(p,q),(q)->(n,q)"))
... def test_shape(arguments):
...     x, W, b = arguments
...     assert (x @ W + b).shape == (len(x), len(b))
>>> test_shape()
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, NamedTuple

import hypothesis
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.checks.cases import ANY, LAYOUTS, Form, by_input, domains_of, groups, laid_out, scales, sixteenths
from minigrad.checks.subject import UsageError, subject_of
from minigrad.checks.trial import Case, copied
from minigrad.engine.signatures import argument_names, positional_parameters
from minigrad.tensor import Tensor

__all__ = [
    "LAYOUTS", "Pair", "arguments", "arrays", "broadcastable", "dtypes", "grid", "laid_out", "layouts", "pairs",
    "shapes", "tensors",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

GRID = 8  # values are eighths: exact in float32, and often equal, zero or one
BOUND = 3  # within [-3, 3], where no function saturates so far that rounding hides its derivative
FLOATS: tuple[Any, ...] = (np.float32, np.float64)
seeds = st.integers(0, 2**32)
EXPONENTS = 0, 0, 0, -3, -6, 2, 4  # of ten, by which data are scaled
SCALES = 1e-6, 1e4
TABLE = 255  # values at most, as a byte chooses


# ---------------------------------------------------------------------------------------------------------- shapes
def shapes(min_side: int = 1, max_side: int = 3, max_dims: int = 5, *, min_dims: int = 0) -> st.SearchStrategy[Shape]:
    """A shape of at most `max_dims` axes; () among them. With ``min_side=0`` some are of empty arrays."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """float64 or float32: those in which gradients are computed."""
    return st.sampled_from([np.dtype(dtype) for dtype in reversed(FLOATS)])


@functools.cache
def broadcastable(
    count: int | None = None, *, signature: str | None = None, min_side: int = 1, max_side: int = 3, max_dims: int = 3
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """`count` shapes that broadcast, in every pattern; or, for a gufunc `signature`, one that fits each of its inputs.

    >>> broadcastable(2).example()  # doctest: +SKIP
    ((3, 1), (2,))
    """
    if signature is None or not any(groups(signature)):
        count = count or len(groups(signature or "->()"))
        drawn = hnp.mutually_broadcastable_shapes(
            num_shapes=count, min_side=min_side, max_side=max_side, max_dims=max_dims
        )
    else:
        drawn = hnp.mutually_broadcastable_shapes(
            signature=signature, min_side=min_side, max_side=max_side, max_dims=max_dims
        )
    return drawn.map(lambda drawn: drawn.input_shapes)


# ---------------------------------------------------------------------------------------------------------- values
@functools.cache
def grid(low: float = -np.inf, high: float = np.inf) -> Array:
    """The eighths in the open interval (low, high), simplest first; the halves so often that many numbers are equal."""
    eighths = np.array(sorted(range(-BOUND * GRID, BOUND * GRID + 1), key=lambda i: (i % GRID > 0, abs(i), -i))) / GRID
    inside = eighths[(low < eighths) & (eighths < high)]
    if not len(inside):
        return sixteenths(low, high)
    halves = inside[inside * 2 % 1 == 0]
    return np.concatenate([*[halves] * (len(inside) // max(len(halves), 1)), inside])


@st.composite
def of_values(draw: st.DrawFn, shape: Shape, dtype: Any, values: Array) -> Array:
    """An array of any of `values` (at most 256), shrinking towards the first. It is one draw, which is fast."""
    choices = np.frombuffer(draw(bytes_of(math.prod(shape))), np.uint8)
    return np.asarray(np.asarray(values)[choices % len(values)].astype(dtype).reshape(shape))


@functools.cache
def bytes_of(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


@functools.cache
def powers(low: float, high: float) -> list[float]:
    """1 so often that half of what is drawn is of that scale, and the other powers of ten in [low, high]."""
    exponents = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    others = [10.0**e for e in sorted(exponents, key=abs) if e]
    return ([1.0] * max(len(others), 1) if low <= 1 <= high else []) + others or [low]


@functools.cache
def table(dtype: np.dtype[Any], low: float, high: float, scale: float) -> Array:
    """Values in the open interval (low, high), simplest first; of the scale, if that has any there."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        least = math.floor(low) + 1 if low >= info.min else info.min
        most = math.ceil(high) - 1 if high <= info.max else info.max
        values = np.array(sorted(range(-BOUND, BOUND + 1), key=lambda i: (abs(i), -i))) * max(round(scale), 1)
        values = values[(least <= values) & (values <= most)]
        if not values.size and least <= most:  # all of them are far from 0
            start = least if abs(least) <= abs(most) else max(most - TABLE + 1, least)
            values = np.array(sorted(range(start, min(most, start + TABLE - 1) + 1), key=abs))
    elif dtype.kind == "f":
        values = grid(low, high) * scale
        rounded = values.astype(dtype)
        values = values[(low < rounded) & (rounded < high)]
    else:
        raise UsageError(f"arrays: {dtype} is no dtype of floats or integers, nor bool")
    if not values.size and scale != 1:
        return table(dtype, low, high, 1.0)
    return values


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    dtype: Any = np.float64,
    domain: Any = ANY,
    scale: float | tuple[float, float] = SCALES,
    length: int = 0,
    *,
    allow_nan: bool = False,
    allow_infinity: bool = False,
    density: float = 1.0,
) -> Array:
    """An array in a domain.

    Args:
        shape: a strategy of shapes will do; None for any of no axis to five.
        dtype: of floats or integers, or bool; None for float32 or float64.
        domain: an open interval, of whose eighths, or integers, the values are taken; bool for a mask; a function that
            maps any array into the domain; or a letter, as in a signature, for integers that index an axis of `length`.
        scale: what the values are multiplied by, where that stays in the interval: a number, or an interval of which
            powers of ten are drawn.
        allow_nan, allow_infinity: whether some floats are nan, or infinite.
        density: the share of the entries that may be other than zero; 0.1 makes arrays to be stored as sparse ones.

    Raises:
        UsageError: there is no number of that dtype in the interval.

    >>> arrays((2, 3), np.int32, domain=(0, 10)).example()  # doctest: +SKIP
    array([[1, 1, 3], [2, 1, 1]], dtype=int32)
    """
    if shape is None or isinstance(shape, st.SearchStrategy):
        shape = draw(shapes() if shape is None else shape)
    dtype = draw(dtypes()) if dtype is None else np.dtype(dtype)
    scale = draw(st.sampled_from(powers(*scale))) if isinstance(scale, tuple) else scale
    if domain is bool or dtype.kind == "b":
        return draw(of_values(shape, bool, np.array([False, True])))
    if isinstance(domain, str):
        return draw(of_values(shape, np.int64, np.arange(length)))
    mapped = callable(domain)
    values = grid() if mapped else table(dtype, *domain, scale)
    if not values.size and dtype == np.float32:
        dtype, values = np.dtype(np.float64), grid(*domain)  # in so narrow an interval
    if not values.size:
        raise UsageError(f"arrays: there is no {dtype} in the open interval {domain}")
    special = ([np.nan] * allow_nan + [np.inf, -np.inf] * allow_infinity) * (dtype.kind == "f")
    values = np.concatenate([values, np.repeat(special, 1 + len(values) // 16)]) if special else values
    drawn = draw(of_values(shape, dtype, values))
    drawn = np.array(domain(drawn), order="C") if mapped else drawn
    if density < 1:
        empty = np.random.default_rng(draw(seeds)).permutation(drawn.size)[math.ceil(density * drawn.size) :]
        drawn.reshape(-1)[empty] = 0  # it is contiguous
    return drawn


@st.composite
def tensors(
    draw: st.DrawFn,
    /,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    dtype: Any = None,
    requires_grad: bool | None = None,
    **options: Any,
) -> Tensor:
    """A Tensor of such an array (see `arrays`); a leaf with a gradient or without, as one is drawn if None is said."""
    return Tensor(
        draw(arrays(shape, dtype, **options)), draw(st.booleans()) if requires_grad is None else requires_grad
    )


# ---------------------------------------------------------------------------------------------------------- layouts
layouts = st.sampled_from(LAYOUTS)


# --------------------------------------------------------------------------------------------------- argument lists
one_in_four = st.sampled_from([False, False, False, True])


@st.composite
def cases(
    draw: st.DrawFn,
    /,
    form: Form,
    dtypes: Sequence[Any] = FLOATS,
    least: int = 1,
    scale: Sequence[float] = (1.0,),
    max_dims: int = 3,
    simple: bool = False,
    max_side: int = 3,
    **options: Any,
) -> Case:
    """Inputs of a form. A dtype of None draws one for each input, a tuple has each; `least` is the shortest axis."""
    text = ",".join(f"({','.join(group)})" for group in form.groups) + "->()"
    most = max_dims if form.batched else 0
    several = broadcastable(signature=text, min_side=least, max_side=max_side, max_dims=most)
    drawn = draw(several.filter(form.allows))
    lengths = {
        axis.rstrip("?"): n
        for group, shape in zip(form.groups, drawn, strict=True)
        for axis, n in zip(reversed(group), reversed(shape), strict=False)
    }
    indices = [math.prod(shape) for shape, domain in zip(drawn, form.domains, strict=True) if lengths.get(domain) == 0]
    hypothesis.assume(not any(indices))  # into an axis of no length
    dtype, factor = draw(st.sampled_from(dtypes)), draw(st.sampled_from(scale))
    inputs: list[Array | None] = []
    for position, (domain, shape) in enumerate(zip(form.domains, drawn, strict=True)):
        if position in form.optional and draw(one_in_four):
            inputs.append(None)
            continue
        length = lengths[domain] if isinstance(domain, str) else 0
        one = dtype[position] if isinstance(dtype, tuple) else dtype
        one = draw(st.sampled_from(FLOATS)) if one is None else one
        inputs.append(draw(arrays(shape, one, domain, factor, length, **options)))
    able = [i for i, x in enumerate(inputs) if x is not None and x.dtype.kind == "f" and i not in form.constant]
    named = {axis: n for axis, n in lengths.items() if not axis.isdigit()}
    results = form.results(drawn, named)
    return Case(tuple(inputs), tuple(able), named, 0 if simple else draw(seeds), form.elementwise, simple, results)


def arguments(
    signature: str,
    domain: Mapping[Any, Any] | Sequence[Any] | None = None,
    dtype: Any = np.float64,
    batched: bool = False,
    *,
    of: Callable[..., Any] | None = None,
    scale: float | tuple[float, float] = SCALES,
    min_side: int = 1,
    max_side: int = 3,
    max_dims: int = 5,
    allow_nan: bool = False,
    allow_infinity: bool = False,
    density: float = 1.0,
) -> st.SearchStrategy[tuple[Any, ...]]:
    """A whole argument list for a gufunc signature such as "(n,p),(p,q),(q)->(n,q)".

    Args:
        domain: for an input its interval, bool, a letter of the signature or a function (see `arrays`): a dict by name,
            as `check` takes it, or by position, or all of them in order.
        dtype: of all inputs, or like `domain` of each; None for any of float32 and float64, each input its own.
        batched: whether axes in front of those of the signature broadcast. Inputs that are all () always do.
        of: the function whose parameters name the inputs. Where they have no names, a dict of all of them is in order.
        scale: a number, or the interval from which one scale for all inputs is drawn.
        min_side, max_side: the lengths of axes; with 0 some arrays are empty.
        max_dims: how many axes there are at most in front of those of the signature.
        allow_nan, allow_infinity, density: see `arrays`.

    Raises:
        UsageError: a domain is none, or of no input.

    >>> from hypothesis import find
    >>> find(arguments("(n),(n)->()", {"x": (0, 10), "keep": bool}), lambda arguments: True)
    (array([1.]), array([False]))
    """
    count = len(groups(signature))
    known = (
        subject_of(of).names(count)
        if isinstance(of, type)
        else argument_names(positional_parameters(of) if of else [], count)
    )
    names = known + [f"input {i}" for i in range(len(known), count)]
    if not known and isinstance(domain, Mapping) and len(domain) == count and all(isinstance(k, str) for k in domain):
        names = list(domain)
    several = isinstance(dtype, Mapping | list | tuple)
    chosen = tuple(by_input("dtype", dtype, names, np.float64)) if several else dtype
    return cases(
        Form(signature, domains_of(signature, domain, names), batched=batched),
        [chosen],
        min_side,
        powers(*scale) if isinstance(scale, tuple) else [scale],
        max_dims,
        max_side=max_side,
        allow_nan=allow_nan,
        allow_infinity=allow_infinity,
        density=density,
    ).map(lambda case: case.inputs)


class Pair(NamedTuple):
    """The results of a function and of its reference for the same arguments."""

    arguments: tuple[Any, ...]
    result: Any
    reference: Any


def pairs(
    function: Callable[..., Any], reference: Callable[..., Any], signature: str, *args: Any, **options: Any
) -> st.SearchStrategy[Pair]:
    """What a function and its reference make of an argument list; each gets arrays of its own.

    Args:
        signature: of both; what follows it is as `arguments` has it, and the parameters of `function` name the inputs.

    >>> from hypothesis import given, settings
    >>> @settings(database=None)
    ... @given(pairs(np.log1p, lambda x: np.log(1 + x), "()->()", [(-1, np.inf)], scale=1))
    ... def test_log1p(pair):
    ...     np.testing.assert_allclose(pair.result, pair.reference)
    >>> test_log1p()
    """

    def both(inputs: tuple[Any, ...]) -> Pair:
        return Pair(inputs, function(*copied(inputs)), reference(*copied(inputs)))

    return arguments(signature, *args, **{"of": function, **options}).map(both)


# ------------------------------------------------------------------------------------------------------------ search
class Enough(BaseException):
    """Ends a search. It is no Exception, so that Hypothesis lets it through."""


def explore(strategy: st.SearchStrategy[Any], seed: int, count: int, look: Callable[[Any], None], shrink: bool) -> None:
    """Call `look` with drawn examples, the same for the same seed; where it raises, shrink if asked to."""

    def search() -> None:
        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate, *[hypothesis.Phase.shrink] * shrink],
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
            report_multiple_bugs=False,
        )
        @hypothesis.given(strategy)
        def run(example: Any) -> None:
            look(example)

        run()

    if not hypothesis.currently_in_test_context():
        search()
        return
    with ThreadPoolExecutor(1) as elsewhere:  # a test under @given holds no other: its health check forbids it
        elsewhere.submit(copy_context().run, search).result()


def exponents(form: Form, of_ten: Sequence[int]) -> list[float]:
    """The scales at which a form is searched."""
    return [10.0**e for e in of_ten] if scales(form) else [1.0]


def drawn(form: Form, seed: int, count: int) -> list[Case]:
    """So many cases of a form, at any scale that its domains allow."""
    found: list[Case] = []
    explore(cases(form, scale=exponents(form, EXPONENTS), max_dims=2), seed, count, found.append, shrink=False)
    return found


def smallest(form: Form, seed: int, fails: Callable[[Case], bool], count: int = 60, most: int = 3000) -> Case | None:
    """The smallest case found at which `fails` holds; None if it does at none of `count`.

    Shrinking ends when the trials have cost `most`: each costs its entries, and of many entries their square, as a
    numerical derivative does.
    """
    best: list[Case] = []
    tried = 0

    def look(case: Case) -> None:
        nonlocal tried
        entries = int(complexity(case)[0])
        tried += entries + entries**2 // 16 if best else 0
        if tried > most:
            raise Enough
        if not fails(case):
            return
        if not best or complexity(case) < complexity(best[0]):
            best[:] = [case]
        raise AssertionError

    with suppress(
        AssertionError, Enough, hypothesis.errors.Flaky
    ):  # what never fails twice alike was found all the same
        explore(
            cases(form, [np.float64, np.float32], scale=exponents(form, (0, -6, 4)), max_dims=2, simple=True),
            seed,
            count,
            look,
            shrink=True,
        )
    return best[0] if best else None


def complexity(case: Case) -> tuple[float, ...]:
    """How hard a case is for people to read: few entries are easy, then round small numbers."""
    entries = [x.reshape(-1) for x in case.inputs if isinstance(x, np.ndarray)]
    values = np.concatenate(entries).astype(np.float64)
    return len(values), float((values % 1 != 0).sum()), float(abs(values).sum())
