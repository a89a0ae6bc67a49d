"""The public strategies: what they draw fits, and reaches what hides mistakes."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from minigrad import check
from minigrad.checks import strategies as ours
from minigrad.checks.cases import Form
from minigrad.checks.subject import UsageError
from minigrad.ops.registry import REGISTRY
from minigrad.testing import Gradients

SIGNATURES = [
    "(n,p),(p,q),(q)->(n,q)",
    "(n,q),(n,q)->()",
    "(3,n),(n)->(3)",
    "(k?,m),(m)->(k?)",
    "()->()",
    "(),(),()->()",
]
quietly = settings(database=None, max_examples=300)
until_found = settings(database=None, max_examples=5000, phases=[Phase.generate])  # as soon as there is one, it ends


@pytest.mark.parametrize("signature", SIGNATURES)
def test_arguments_fit_their_signature(signature):
    groups = [g.split(",") if g else [] for g in re.findall(r"\((.*?)\)", signature.split("->")[0])]

    @given(ours.arguments(signature))
    def fit(arguments):
        assert len(arguments) == len(groups)
        if not any(groups):
            np.broadcast_shapes(*(a.shape for a in arguments))
            return
        lengths = {}
        for group, array in zip(groups, arguments, strict=True):
            assert array.dtype == np.float64
            optional = len([axis for axis in group if axis.endswith("?")])
            assert len(group) - optional <= array.ndim <= len(group)
            for axis, n in zip(reversed(group), reversed(array.shape), strict=False):
                assert lengths.setdefault(axis, n) == n
                assert n == int(axis) if axis.isdigit() else n >= 1

    fit()


def test_domains():
    domain = [(0.0, np.inf), bool, "n", (-1.0, 1.0)]

    @given(ours.arguments("(n),(n),(m),(m)->()", domain, dtype=np.float32))
    def fit(arguments):
        positive, mask, index, small = arguments
        assert (positive > 0).all()
        assert mask.dtype == bool
        assert index.dtype.kind == "i"
        assert ((index >= 0) & (index < len(positive))).all()
        assert (abs(small) < 1).all()
        assert positive.dtype == small.dtype == np.float32

    fit()


@given(st.data())
def test_a_narrow_interval_has_values(data):
    x = data.draw(ours.arrays((3,), domain=(0.01, 0.02)))
    assert ((x > 0.01) & (x < 0.02)).all()


@given(ours.broadcastable(3))
def test_shapes_that_broadcast(shapes):
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)


def test_what_hides_mistakes_is_reached():
    """An input of no axes, axes of length 1, equal values, zeros, several outputs."""
    pairs = ours.broadcastable(2)
    assert find(pairs, lambda s: s[0] == () != s[1], settings=quietly)
    assert find(pairs, lambda s: s[0] != s[1] and len(s[0]) == len(s[1]) > 1, settings=quietly)
    arguments = ours.arguments("(n,q),(n,q)->()")
    assert find(arguments, lambda a: a[0].shape[0] > 1 and a[0].shape[1] > 1, settings=quietly)
    found = find(arguments, lambda a: a[0].size > 1 and (a[0] == 0).any() and (a[0] == a[1]).any(), settings=quietly)
    assert found[0].tolist() in ([[0.0, 0.0]], [[0.0], [0.0]]), "it shrinks to small shapes and round numbers"


@given(ours.arrays((3, 2)), ours.layouts)
def test_layouts_hold_the_same_values(array, layout):
    other = ours.laid_out(array, layout)
    assert other.tolist() == array.tolist()
    assert other.dtype == array.dtype
    expected = {
        "column-major": not other.flags.c_contiguous,
        "backwards": other.strides[0] < 0,
        "every second": other.strides[1] > other.itemsize,
        "read-only": not other.flags.writeable,
    }
    assert expected.get(layout, True)


@given(st.sampled_from(sorted(REGISTRY)), st.data())
def test_every_operation_gets_inputs_it_is_defined_on(name, data):
    operation = REGISTRY[name]
    form = Form.of(operation, operation.params[0])
    case = data.draw(ours.cases(form))
    assert len(case.inputs) == len(form.groups)
    for i in case.able:
        assert case.inputs[i].dtype.kind == "f"
        assert i not in form.constant


def test_the_same_examples_for_the_same_seed():
    form = Form("(n,p),(p,q)->(n,q)")
    drawn = [[x.tolist() for case in ours.drawn(form, seed, 10) for x in case.inputs] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_smallest():
    found = ours.smallest(Form("(n,q)->()"), 0, lambda case: case.inputs[0].sum() > 1)
    assert found.inputs[0].size == 1
    assert ours.smallest(Form("(n,q)->()"), 0, lambda case: False) is None
    flaky = iter([True] + [False] * 10**4)
    assert ours.smallest(Form("(n)->()"), 0, lambda case: next(flaky)) is not None, "what was seen once is kept"


# ------------------------------------------------------------------------------------------- operations of one's own
def seen(strategy, holds, shrink=False):
    """The first that is drawn for which it holds; the smallest of them if it is to shrink."""
    return find(strategy, holds, settings=quietly if shrink else until_found)


def within(low, high, x):
    return ((low < abs(x)) & (abs(x) < high)).any()


def test_ranks_scales_and_what_is_asked_for():
    for rank in range(6):
        assert seen(ours.arrays(), lambda x, rank=rank: x.ndim == rank).size
    for low, high in (1e-7, 1e-5), (1e3, 1e5):
        of_scale = partial(within, low, high)
        assert seen(ours.arrays(), of_scale).size
        assert seen(ours.arguments("(n),(n)->()"), lambda a, of_scale=of_scale: of_scale(a[1]))
    asked = {"allow_nan": np.isnan, "allow_infinity": np.isneginf}
    for option, holds in asked.items():
        several = ours.arguments("(n)->()", dtype=None, **{option: True})
        assert seen(several, lambda a, holds=holds: a[0].dtype == np.float32 and holds(a[0]).any())
    assert seen(ours.arguments("(n,m),(m)->()", min_side=0), lambda a: a[0].shape == (2, 0) and a[1].shape == (0,))

    @given(ours.arrays(), ours.arrays(ours.shapes(2), np.int64, scale=1), ours.arrays((8, 8), density=0.1))
    def nothing_else(x, i, few):
        assert np.isfinite(x).all()
        assert x.size
        assert abs(i).max() <= 3
        assert (few != 0).sum() <= 7

    nothing_else()


@pytest.mark.parametrize(
    ("dtype", "domain", "first"),
    [
        (np.int64, (0, 10), 1),
        (np.int8, (-np.inf, np.inf), 0),
        (np.uint8, (250, 300), 251),
        (np.int32, (-np.inf, -500), -501),
        (np.int64, (0.5, 1.5), 1),
        (np.float32, (0, 1), 0.5),
        (np.float16, (2, 3), 2.5),
        (np.float64, (1, 1 + 1e-9), 1 + 1e-9 / 16),
    ],
)
def test_numbers_of_a_dtype_in_an_interval(dtype, domain, first):
    assert seen(ours.arrays((), dtype, domain), lambda x: True, shrink=True) == np.asarray(first, dtype)

    @given(ours.arrays((3,), dtype, domain))
    def inside(x):
        assert x.dtype == dtype
        assert ((domain[0] < x) & (x < domain[1])).all()

    inside()


def test_where_there_is_no_such_number():
    for dtype, domain in (np.uint8, (255, 300)), (np.int64, (0.2, 0.8)), (complex, (0, 1)):
        with pytest.raises(UsageError, match=r"arrays: .*(no uint8|no int64|no dtype)"):
            seen(ours.arrays((), dtype, domain), lambda x: True)


def test_domains_by_name_by_position_and_in_order():
    """As `check` takes them; and `check` takes them in order."""
    first, second = (0, np.inf), bool
    for domain, options in (
        ({"x": first, "y": second}, {}),
        ({"y": second, "x": first}, {"of": lambda x, y: x}),
        ({0: first, 1: second}, {}),
        ([first, second], {"of": np.logaddexp}),
    ):

        @given(ours.arguments("(n),(n)->()", domain, **options))
        def fit(arguments):
            assert (arguments[0] > 0).all()
            assert arguments[1].dtype == bool

        fit()
    assert check(lambda x, at: np.log(x)[at], signature="(n),(k)->(k)", domain=[first, "n"], max_examples=1)
    for domain, words in (
        ({"z": bool}, "z is no input; the inputs are x, y, or by position 0 to 1"),
        ([bool], "1 are given for 2 inputs"),
        ({"x": (2, 1)}, "low < high"),
    ):
        with pytest.raises(UsageError, match=words):
            ours.arguments("(n),(n)->()", domain, of=lambda x, y: x)


def test_each_input_has_its_dtype():
    a = seen(ours.arguments("(n),(n)->()", dtype={"x": np.int8}, of=lambda x, y: x), lambda a: a[0].any())
    assert [x.dtype for x in a] == [np.int8, np.float64]


def test_pairs_get_arrays_of_their_own():
    def spoils(x):
        x += 1
        return x

    pair = seen(ours.pairs(spoils, lambda x: x + 1, "(n)->(n)"), lambda pair: pair.arguments[0].any())
    assert pair.result.tolist() == pair.reference.tolist() == (pair.arguments[0] + 1).tolist()


def test_what_fails_for_small_inputs_only_is_found():
    def unit(x):
        return x / (np.linalg.norm(x) + 1e-6)

    def off(arguments):
        (x,) = arguments
        return x.any() and abs(np.linalg.norm(unit(x)) - 1) > 1e-2

    assert seen(ours.arguments("(n)->(n)"), off)
    with pytest.raises(NoSuchExample):
        find(ours.arguments("(n)->(n)", scale=1), off, settings=settings(quietly, max_examples=50))


PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "check-in-pytest.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```py\n(import.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("library", "program"), [*zip(["numpy", "torch", "jax"], PROGRAMS, strict=True)], ids=["NumPy", "torch", "JAX"]
)
def test_the_programs_of_the_page(library, program):
    pytest.importorskip(library)
    assert re.search(rf"^import {library}\b", program, re.MULTILINE)
    names = {"__name__": "page"}
    exec(program, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    tests += [made.test(name) for made in names.values() if isinstance(made, Gradients) for name in made.tests[:2]]
    assert len(tests) >= 2
    for test in tests:
        test()
