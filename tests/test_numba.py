"""The numba backend: the same steps in machine code, and a word where numba cannot."""

from __future__ import annotations

import numpy as np
import pytest
from test_compile import loss, sgd

import minigrad
from minigrad.lab.descent import ProgramEngine, TapeEngine, descend
from minigrad.program.recording import TraceError

pytest.importorskip("numba", reason="the extra numba is not installed")

rng = np.random.default_rng(0)


def test_batches_of_two_sizes_in_one_loop():
    x, y, W, b = rng.normal(size=(43, 4)), rng.normal(size=(43, 2)), rng.normal(size=(4, 2)), rng.normal(size=2)
    kept = W.copy(), b.copy()
    machine = minigrad.compile(loss, grad_of=("W", "b"), update=sgd, backend="numba")
    plain = minigrad.compile(loss, grad_of=("W", "b"), update=sgd)
    bounds = [0, 5, 11, 16, 22, 43 - 6, 43]
    for batches in (8, [0, 8, 11]):  # the second needs no other machine code
        got, (got_W, got_b) = machine.epoch(x, y, W, b, over=("x", "y"), batches=batches)
        want, (want_W, want_b) = plain.epoch(x, y, W, b, over=("x", "y"), batches=batches)
        np.testing.assert_allclose(got, want, rtol=1e-12)
        np.testing.assert_allclose(got_W, want_W, rtol=1e-12)
        np.testing.assert_allclose(got_b, want_b, rtol=1e-12)
    assert sum(map(len, machine.loops.values())) == 1
    np.testing.assert_array_equal(W, kept[0])
    np.testing.assert_array_equal(b, kept[1])
    assert bounds[-1] == len(x)


def test_a_network_in_single_precision():
    def net(x, W, V):
        hidden = np.tanh(x @ W)
        return np.square(hidden @ V - 0.5).mean() / 3

    x, W, V = [rng.normal(size=s).astype(np.float32) for s in ((6, 3), (3, 4), (4, 2))]
    value, found = minigrad.compile(net, grad_of=("W", "V"), backend="numba")(x, W, V)
    want, wanted = minigrad.compile(net, grad_of=("W", "V"))(x, W, V)
    np.testing.assert_allclose(value, want, rtol=1e-5)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def softmax(x):
    return minigrad.softmax(x)


def test_what_numba_cannot_take_is_named():
    line = softmax.__code__.co_firstlineno + 1
    with pytest.raises(TraceError, match=rf"numba cannot take softmax at .*test_numba.py:{line}.*fallback=True"):
        minigrad.compile(softmax, backend="numba")(np.ones((2, 3)))
    x = rng.normal(size=(2, 3))
    allowed = minigrad.compile(softmax, backend="numba", fallback=True)
    np.testing.assert_array_equal(allowed(x), minigrad.softmax(x).data)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_the_lab_takes_the_same_steps(clip_norm):
    draw = np.random.default_rng(1)
    x, y, W, b = draw.normal(size=(23, 4)), draw.normal(size=(23, 2)), draw.normal(size=(4, 2)), draw.normal(size=2)
    found, marks = [], []
    for engine in (TapeEngine(W, b, 0.05, clip_norm), ProgramEngine(W, b, 0.05, clip_norm, "numba")):
        made = descend(engine, x, y, epochs=3, batch_size=1, rng=np.random.default_rng(0))
        marks.append([(mark.epoch, mark.steps, mark.samples) for mark in made])
        found.append(engine.parameters())
    assert marks[0] == marks[1]
    for a, b in zip(*found, strict=True):
        assert np.abs(a - b).max() / np.abs(b).max() < 1e-9
