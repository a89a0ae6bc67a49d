"""The public strategies: what they draw fits, and reaches what hides mistakes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from minigrad.checks import strategies as ours
from minigrad.checks.cases import Form
from minigrad.ops.registry import REGISTRY

SIGNATURES = [
    "(n,p),(p,q),(q)->(n,q)",
    "(n,q),(n,q)->()",
    "(3,n),(n)->(3)",
    "(k?,m),(m)->(k?)",
    "()->()",
    "(),(),()->()",
]
quietly = settings(database=None, max_examples=300)


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
