"""Fourier transforms: on Tensors np.fft answers as on arrays, in tensors of reals, and is differentiated."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, gradcheck, gradients

F = np.fft
PHASES = np.array([[1j], [2.0], [3 - 1j]])
CALLS = {
    "power spectrum": lambda x, k: np.abs(F.rfft(x)) ** 2,
    "convolution": lambda x, k: F.irfft(F.rfft(x) * F.rfft(k)),
    "deconvolution": lambda x, k: F.irfft(F.rfft(x, 5) / F.rfft(k, 5), 5),
    "correlation": lambda x, k: F.irfft(F.rfft(x) * F.rfft(k).conj(), n=9),
    "filter": lambda x, k: np.real(F.ifft(F.fft(x, axis=0, norm="ortho") * PHASES, axis=0)),
    "filter in front": lambda x, k: np.imag(PHASES * F.fft(x, axis=0) - k),
    "two axes": lambda x, k: np.abs(F.fft2(x) + np.conj(1j * F.fft2(k, s=(2, 8)))[:1, :4]),
    "all axes": lambda x, k: (2 * F.fftn(x, norm="forward") - k).imag,
    "inner product": lambda x, k: np.sum(F.rfft(x) * np.conj(F.rfft(k)), axis=-1).real,
    "there and back": lambda x, k: F.ifft2(F.fft2(x)).real + F.ifftn(F.fftn(k), axes=(0,)).imag,
    "quotients": lambda x, k: (1 / F.fft(x)).imag + (k / (F.fft(x) + 3j)).real,
    "powers": lambda x, k: (2 - F.fft(x) ** 3).imag + np.square(-F.fft(k)).real.mean(),
    "phase": lambda x, k: np.angle(F.rfft(x)[:, 1:3].mean(0)),
    "forward": lambda x, k: F.irfft(F.rfft(x, norm="ortho"), 7, norm="forward"),
    "planes": lambda x, k: F.irfftn(F.rfftn(x) * F.rfft2(k).conj()),
    "mirrored": lambda x, k: F.hfft(F.ihfft(x) * F.fftshift(F.ihfft(k), axes=1), 5),
}
IN_FULL = ("power spectrum", "deconvolution", "filter")  # to second order, and as programs
X, K, U, V = np.random.default_rng(0).normal(size=(4, 3, 4))


@pytest.mark.parametrize("name", CALLS)
def test_values_derivatives_and_programs(name):
    function = CALLS[name]
    x, k = Tensor(X, requires_grad=True), Tensor(K, requires_grad=True)
    y, want = function(x, k), function(X, K)
    assert type(y) is Tensor
    np.testing.assert_allclose(y.data, want, rtol=1e-12, atol=1e-13, strict=True)
    weights = np.random.default_rng(1).normal(size=want.shape)

    def weighed(x, k):
        return (function(x, k) * weights).sum() + 0 * k.sum()

    step = Tensor(0.0, requires_grad=True)  # in a direction in which everything moves
    gradcheck(lambda s: weighed(X + s * U, K + s * V), step)

    if name not in IN_FULL:
        return

    def slopes(x):
        (g,) = gradients(weighed(x, Tensor(K)), x, create_graph=True)
        return (g * np.sin(x)).sum()

    gradcheck(lambda s: slopes(X + s * U), step)
    program = minigrad.compile(lambda x, k: (function(x, k) ** 2).sum(), grad_of="x", constants=[PHASES])
    for a, b in (X, K), (K, X):
        assert program(a, b)[0] == pytest.approx((function(a, b) ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_lengths_are_numpys(norm):
    """Cut, filled, even and odd, down to one sample."""
    for n in (1, 2, 5, 6, 8):
        for a in (1, 0):
            z, want = F.rfft(Tensor(X), n, a, norm), F.rfft(X, n, a, norm)
            np.testing.assert_allclose(z.real.data + 1j * z.imag.data, want, rtol=1e-12, atol=1e-14)
            c = want + 0.25j
            for m in (n, None) if c.shape[a] > 1 else (n,):
                got = F.irfft(F.rfft(Tensor(X), n, a, norm) + 0.25j, m, a, norm)
                np.testing.assert_allclose(got.data, F.irfft(c, m, a, norm), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "rfft2", "irfft2", "hfft", "ihfft"])
def test_several_axes_and_halves_are_numpys(name):
    function, a = getattr(F, name), np.random.default_rng(0).normal(size=(3, 2, 4))
    several = [{}, {"s": (3, 6), "axes": (2, 0), "norm": "ortho"}, {"s": (-1, 5), "axes": (0, 1)}, {"axes": [1, 2]}]
    for how in several if name[-1] in "n2" else [{}, {"n": 6, "axis": 0, "norm": "forward"}, {"n": 3, "norm": "ortho"}]:
        for x in (a,) if name.startswith("r") or name == "ihfft" else (a, F.fft(a)):
            got = function(Tensor(a) if x is a else F.fft(Tensor(a)), **how)
            got = got.data if type(got) is Tensor else got.real.data + 1j * got.imag.data
            np.testing.assert_allclose(got, function(x, **how), atol=1e-14)


def test_shifts_are_numpys():
    for function in F.fftshift, F.ifftshift:
        for axes in None, 0, (1,):
            np.testing.assert_array_equal(function(Tensor(X), axes).data, function(X, axes))
            z = function(F.fft(Tensor(X)), axes)
            np.testing.assert_allclose(z.imag.data, function(F.fft(X), axes).imag, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_dtypes_are_numpys(dtype):
    x = (4 * X).astype(dtype)
    got = np.abs(F.rfft(Tensor(x)) * 2j)
    assert got.dtype == (np.float64 if dtype is np.int64 else np.float32)
    np.testing.assert_allclose(
        got.data, np.abs(F.rfft(x.astype(float)) * 2), rtol=4 * np.finfo(got.dtype).eps, atol=0.05
    )


def test_a_spectrum_of_zeros_has_the_slope_zero():
    x = Tensor(np.zeros(4), requires_grad=True)
    assert gradients(np.abs(F.rfft(x)).sum(), x)[0].data.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: np.exp(z), r"np\.exp is not defined here for complex numbers .* z\.real and z\.imag"),
        (lambda z: np.add.reduce(z), r"np\.add\.reduce is not"),
        (lambda z: np.stack([z, z]), r"np\.stack is not"),
        (lambda z: z == 0, "this operator is not"),
        (lambda z: bool(z), "this operator is not"),
        (lambda z: z @ Tensor(np.ones(4)), "this operator is not"),
        (lambda z: Tensor(np.ones(4)) @ z, "this operator is not"),
        (lambda z: z**0.5, "whole exponent from 1 on here, and this is 0.5"),
        (lambda z: F.rfft(z), "rfft: a is real, and this is a Complex"),
        (lambda z: Tensor(z), "needs an array of numbers"),
        (lambda z: np.divide(z.real, z), "an operator asks it how to compute, as in x / z"),
        (lambda z: F.fft(Tensor(np.ones(3) * 1j)), "a Tensor of complex numbers has no derivative"),
        (lambda z: F.fft(z, norm="other"), "norm is 'backward', 'ortho' or 'forward', and not 'other'"),
        (lambda z: F.fft(z, 0), "a transform has one sample or more, and not 0"),
        (lambda z: F.irfft(z[:1]), "there is one sample or more, and not 0"),
    ],
)
def test_what_complex_numbers_here_cannot(call, message):
    z = F.rfft(Tensor(np.arange(6.0), requires_grad=True))
    with pytest.raises((TypeError, ValueError), match=message):
        call(z)
