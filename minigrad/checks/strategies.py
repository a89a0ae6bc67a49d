"""Hypothesis strategies for functions of arrays: shapes, groups that broadcast, arrays in a domain, argument lists.

This needs the package hypothesis (``pip install 'minigrad-tape[check]'``). What they draw is what shows mistakes:
values on a grid of eighths, exact in float32 and full of zeros, ones and ties, on axes of length 1, of equal and of
unequal lengths. All of them shrink towards few entries and small whole numbers.

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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.checks.cases import ANY, LAYOUTS, Form, groups, laid_out, scales, sixteenths
from minigrad.checks.trial import Case

__all__ = ["LAYOUTS", "arguments", "arrays", "broadcastable", "grid", "laid_out", "layouts", "shapes"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

GRID = 8  # values are eighths: exact in float32, and often equal, zero or one
BOUND = 3  # within [-3, 3], where no function saturates so far that rounding hides its derivative
FLOATS: tuple[Any, ...] = (np.float32, np.float64)
EXPONENTS = 0, 0, 0, -3, -6, 2, 4  # of ten, by which data are scaled


# ---------------------------------------------------------------------------------------------------------- shapes
def shapes(min_side: int = 1, max_side: int = 3, max_dims: int = 3) -> st.SearchStrategy[Shape]:
    """A shape of at most `max_dims` axes; () among them."""
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side)


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


def arrays(
    shape: Shape, dtype: Any = np.float64, domain: Any = ANY, scale: float = 1.0, length: int = 0
) -> st.SearchStrategy[Array]:
    """An array in a domain.

    Args:
        domain: an open interval, of whose eighths the values are taken; bool for a mask; a function that maps any array
            into the domain; or a letter, as in a signature, for integers that index an axis of `length`.
        scale: what the values of an interval are multiplied by.
    """
    if domain is bool:
        return of_values(shape, bool, np.array([False, True]))
    if isinstance(domain, str):
        return of_values(shape, np.int64, np.arange(length))
    if callable(domain):
        return of_values(shape, dtype, grid()).map(domain)
    values = grid(*domain) * scale
    rounded = values.astype(dtype)
    inside = ((domain[0] < rounded) & (rounded < domain[1])).all()
    return of_values(shape, dtype if inside else np.float64, values)


# ---------------------------------------------------------------------------------------------------------- layouts
layouts = st.sampled_from(LAYOUTS)


# --------------------------------------------------------------------------------------------------- argument lists
seeds = st.integers(0, 2**32)
one_in_four = st.sampled_from([False, False, False, True])


@st.composite
def cases(
    draw: st.DrawFn,
    form: Form,
    dtypes: Sequence[Any] = FLOATS,
    least: int = 1,
    exponents: Sequence[int] = (0,),
    max_dims: int = 3,
    simple: bool = False,
) -> Case:
    """Inputs of a form. A dtype of None draws one for each input; `least` is the shortest axis."""
    text = ",".join(f"({','.join(group)})" for group in form.groups) + "->()"
    most = max_dims if form.batched else 0
    drawn = draw(broadcastable(signature=text, min_side=least, max_dims=most).filter(form.allows))
    lengths = {
        axis.rstrip("?"): n
        for group, shape in zip(form.groups, drawn, strict=True)
        for axis, n in zip(reversed(group), reversed(shape), strict=False)
    }
    dtype = draw(st.sampled_from(dtypes))
    scale = 10.0 ** draw(st.sampled_from(exponents)) if scales(form) else 1.0
    inputs: list[Array | None] = []
    for position, (domain, shape) in enumerate(zip(form.domains, drawn, strict=True)):
        if position in form.optional and draw(one_in_four):
            inputs.append(None)
            continue
        length = lengths[domain] if isinstance(domain, str) else 0
        inputs.append(draw(arrays(shape, dtype or draw(st.sampled_from(FLOATS)), domain, scale, length)))
    able = [i for i, x in enumerate(inputs) if x is not None and x.dtype.kind == "f" and i not in form.constant]
    named = {axis: n for axis, n in lengths.items() if not axis.isdigit()}
    results = form.results(drawn, named)
    return Case(tuple(inputs), tuple(able), named, 0 if simple else draw(seeds), form.elementwise, simple, results)


def arguments(
    signature: str, domain: Sequence[Any] | None = None, dtype: Any = np.float64, batched: bool = False
) -> st.SearchStrategy[tuple[Any, ...]]:
    """A whole argument list for a gufunc signature such as "(n,p),(p,q),(q)->(n,q)".

    Args:
        domain: for each input in order an interval, bool, or a letter of the signature (see `arrays`).
        dtype: of the floats; None for any of float32 and float64, each input its own.
        batched: whether axes in front of those of the signature broadcast. Inputs that are all () always do.
    """
    return cases(Form(signature, domain, batched=batched), [dtype]).map(lambda case: case.inputs)


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


def drawn(form: Form, seed: int, count: int) -> list[Case]:
    """So many cases of a form, at any scale that its domains allow."""
    found: list[Case] = []
    explore(cases(form, exponents=EXPONENTS, max_dims=2), seed, count, found.append, shrink=False)
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
            cases(form, [np.float64, np.float32], exponents=(0, -6, 4), max_dims=2, simple=True),
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
