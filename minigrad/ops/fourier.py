"""Discrete Fourier transforms of real signals, and of what they give.

A tape is of reals: its leaves are, and so is every tensor. A complex result is a `Complex`, two tensors, with the
arithmetic of complex numbers and what np.fft has; each step of it is one of real operations. So programs are written as
in NumPy: ``np.abs(np.fft.rfft(x)) ** 2``, ``np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(k))``.
"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minigrad.ops.decompositions import of_floats
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import FROM_NUMPY, op
from minigrad.ops.shape import along
from minigrad.tensor import Tensor


@op
class dft:
    """y = Σⱼ zⱼ exp(-2πijk / n) over the last axis; the real parts come first, then the imaginary ones

    With `inverse` it is exp(+2πijk / n), without a factor 1 / n: each of the two is the other's adjoint.
    """
    helper = True
    signature = "(2,n)->(2,n)"
    params = [{"inverse": False}, {"inverse": True}]
    def forward(z, *, inverse):
        c = z[0] + 1j * z[1]
        y = np.fft.ifft(c, norm="forward") if inverse else np.fft.fft(c)
        return np.stack([y.real, y.imag]).astype(z.dtype)
    def d_z(g, y, z, *, inverse):           return dft(g, inverse=not inverse)


class Complex:
    """Complex numbers as two tensors of one shape, `real` and `imag`."""

    __hash__ = None

    def __init__(self, real, imag):
        self.real, self.imag = np.broadcast_arrays(real, imag)

    shape = property(lambda self: self.real.shape)
    ndim = property(lambda self: self.real.ndim)
    size = property(lambda self: self.real.size)
    T = property(lambda self: Complex(self.real.T, self.imag.T))

    def __getitem__(self, index):
        return Complex(self.real[index], self.imag[index])

    def __neg__(self):
        return Complex(-self.real, -self.imag)

    def __abs__(self):
        return np.linalg.norm(np.stack([self.real, self.imag]), axis=0)

    def conj(self):
        return Complex(self.real, -self.imag)

    def sum(self, axis=None, keepdims=False):
        return Complex(*[np.sum(part, axis, keepdims=keepdims) for part in (self.real, self.imag)])

    def mean(self, axis=None, keepdims=False):
        return Complex(*[np.mean(part, axis, keepdims=keepdims) for part in (self.real, self.imag)])

    def reshape(self, *shape):
        return Complex(self.real.reshape(*shape), self.imag.reshape(*shape))

    def __add__(self, other):
        real, imag = parts(other)
        return Complex(self.real + real, self.imag + imag)

    def __sub__(self, other):
        real, imag = parts(other)
        return Complex(self.real - real, self.imag - imag)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        real, imag = parts(other)
        return Complex(self.real * real - self.imag * imag, self.real * imag + self.imag * real)

    def __truediv__(self, other):
        real, imag = parts(other)
        below = real * real + imag * imag
        return Complex((self.real * real + self.imag * imag) / below, (self.imag * real - self.real * imag) / below)

    def __rtruediv__(self, other):
        below = self.real * self.real + self.imag * self.imag
        above = self.conj() * other
        return Complex(above.real / below, above.imag / below)

    def __pow__(self, n):
        if type(n) is not int or n < 1:
            raise TypeError(f"a power of complex numbers has a whole exponent from 1 on here, and this is {n!r}")
        return self if n == 1 else self * self ** (n - 1)

    __radd__, __rmul__, conjugate = __add__, __mul__, conj

    def __array_ufunc__(self, ufunc, method, *inputs, **params):
        if method != "__call__" or params or ufunc not in UFUNCS:
            raise refusal(f"np.{ufunc.__name__}" if method == "__call__" else f"np.{ufunc.__name__}.{method}")
        return UFUNCS[ufunc](*inputs)

    def __array_function__(self, function, types, args, kwargs):
        if function not in FUNCTIONS:
            raise refusal(f"np.{function.__name__}")
        return FUNCTIONS[function](*args, **kwargs)

    def refused(self, *others):
        raise refusal("this operator")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __matmul__ = __rmatmul__ = refused
    __rpow__ = __mod__ = __float__ = __complex__ = refused

    def __repr__(self):
        return f"Complex({self.real!r}, {self.imag!r})"


def refusal(what):
    return TypeError(
        f"{what} is not defined here for complex numbers on the tape, which are two tensors, z.real and z.imag: say "
        "it with them. There are + - * /, whole powers, abs, conj, np.angle, sums and means, and np.fft"
    )


def parts(x):
    """The real and the imaginary part. Python's numbers stay Python's, which have no dtype of their own."""
    if type(x) is Complex or type(x) in (int, float, complex):
        return x.real, x.imag
    if type(x) is Tensor:
        if x.dtype.kind == "c":
            raise TypeError("a Tensor of complex numbers has no derivative: give its parts, or the array, x.numpy()")
        return x, np.zeros_like(x)
    x = operand(x)
    return lifted(np.array(np.real(x))), lifted(np.array(np.imag(x)))


def of_two(name):
    """The answer to NumPy's ufunc for an operator, where one side is a Complex."""
    ahead, behind = getattr(Complex, f"__{name}__"), getattr(Complex, f"__r{name}__")
    return lambda a, b: ahead(a, b) if type(a) is Complex else behind(b, a)


def angle(z, deg=False):
    """The angle of each number, 0 or π of real ones."""
    y = np.arctan2(*reversed(parts(z)))
    return np.rad2deg(y) if deg else y


UFUNCS = {
    np.absolute: Complex.__abs__, np.add: of_two("add"), np.conjugate: Complex.conj, np.divide: of_two("truediv"),
    np.multiply: of_two("mul"), np.negative: Complex.__neg__, np.square: lambda z: z * z, np.subtract: of_two("sub"),
}  # fmt: skip
FUNCTIONS = {
    np.angle: angle, np.imag: lambda z: z.imag, np.mean: Complex.mean,
    np.real: lambda z: z.real, np.shape: lambda z: z.shape, np.sum: Complex.sum,
    np.roll: lambda z, *how, **named: Complex(*[np.roll(x, *how, **named) for x in parts(z)]),
}  # fmt: skip


FROM_NUMPY |= {np.real: lambda val: parts(val)[0], np.imag: lambda val: lifted(parts(val)[1])}  # of real numbers
FROM_NUMPY |= {np.conjugate: FROM_NUMPY[np.real], np.real_if_close: lambda a, tol=100: parts(a)[0], np.angle: angle}
Tensor.real, Tensor.imag = property(FROM_NUMPY[np.real]), property(FROM_NUMPY[np.imag])
Tensor.conj = Tensor.conjugate = FROM_NUMPY[np.real]


# ---------------------------------------------------------------------------------------------------------- transforms
def installed(function):
    """Let NumPy's function of that name be answered by this one."""
    of_numpy = getattr(np.fft, function.__name__)
    FROM_NUMPY[of_numpy] = FUNCTIONS[of_numpy] = function
    return function


def scale(norm, n, inverse):
    """The factor of a transform."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"fft: norm is 'backward', 'ortho' or 'forward', and not {norm!r}")
    return n**-0.5 if norm == "ortho" else 1 / n if (norm == "forward") is not inverse else 1


def transformed(z, n, axis, norm, inverse):
    """The transform of z, cut or filled with zeros to n samples along `axis`."""
    axis = normalize_axis_index(axis, z.ndim)
    n = z.shape[axis] if n is None else n
    if n < 1:
        raise ValueError(f"fft: a transform has one sample or more, and not {n}")
    both = np.moveaxis(sized(np.stack([z.real, z.imag]), n, axis + 1), axis + 1, -1)
    both = of_floats("fft", both)
    both = np.moveaxis(dft(both, inverse=inverse), -1, axis + 1) * scale(norm, n, inverse)
    return Complex(both[0], both[1])


def sized(x, n, axis):
    """x, cut or filled with zeros to n entries along `axis`."""
    if x.shape[axis] == n:
        return x
    if x.shape[axis] > n:
        return x[along(axis, x.ndim, slice(n))]
    return np.pad(x, [(0, n - length if i == axis else 0) for i, length in enumerate(x.shape)])


@installed
def fft(a, n=None, axis=-1, norm=None):
    """The transform of a along one axis."""
    return transformed(Complex(*parts(a)), n, axis, norm, False)


@installed
def ifft(a, n=None, axis=-1, norm=None):
    """The inverse of `fft`."""
    return transformed(Complex(*parts(a)), n, axis, norm, True)


@installed
def rfft(a, n=None, axis=-1, norm=None):
    """The transform of real a along one axis, without the second half, which is the first's conjugate."""
    if type(a) is Complex:
        raise TypeError("rfft: a is real, and this is a Complex; np.fft.fft is for complex numbers")
    z = fft(a, n, axis, norm)
    half = z.shape[axis] // 2 + 1
    return z[along(axis, z.ndim, slice(half))]


@installed
def irfft(a, n=None, axis=-1, norm=None):
    """The inverse of `rfft`: n real samples, by default as many as if their number was even."""
    z = Complex(*parts(a))
    axis = normalize_axis_index(axis, z.ndim)
    n = 2 * (z.shape[axis] - 1) if n is None else n
    if n < 1:
        raise ValueError(f"irfft: there is one sample or more, and not {n}")
    half = [with_the_others(sized(part, n // 2 + 1, axis), n, axis) for part in (z.real, z.imag)]
    return transformed(Complex(*half), n, axis, norm, True).real


def with_the_others(x, n, axis):
    """The first half of n entries, doubled where the second half has another, of the same real part in the sum."""
    pieces = [slice(1), slice(1, (n + 1) // 2), slice((n + 1) // 2, n // 2 + 1)]
    own, both, middle = [x[along(axis, x.ndim, piece)] for piece in pieces]
    return np.concatenate([own, 2 * both, middle], axis)


@installed
def hfft(a, n=None, axis=-1, norm=None):
    """The real transform of a signal of which a is the first half, and the second half its conjugate backwards."""
    return irfft(Complex(*parts(a)).conj(), n, axis, OTHER_SIDE.get(norm, norm))


@installed
def ihfft(a, n=None, axis=-1, norm=None):
    """The inverse of `hfft`."""
    return rfft(a, n, axis, OTHER_SIDE.get(norm, norm)).conj()


OTHER_SIDE = {None: "forward", "backward": "forward", "forward": "backward"}  # where the factor of the inverse stands


def over_axes(name, last, rest, axes):
    """A transform along several axes: `last` along the last one of them, `rest` along the others."""

    def transform(a, s=None, axes=axes, norm=None):
        shape = np.shape(a)
        axes = tuple(range(len(shape)))[-len(s) if s is not None else 0 :] if axes is None else tuple(axes)
        axes = [normalize_axis_index(axis, len(shape)) for axis in axes]  # some of them twice, if one likes
        sizes = [None] * len(axes) if s is None else [shape[axes[i]] if n == -1 else n for i, n in enumerate(s)]
        steps = [*zip((*[rest] * (len(axes) - 1), last), axes, sizes, strict=True)]
        for one, axis, n in steps if last is irfft else reversed(steps):  # what is real comes first, or last
            a = one(a, n, axis, norm)
        return a

    transform.__name__ = name
    return installed(transform)


for one, rest in ((fft, fft), (ifft, ifft), (rfft, fft), (irfft, ifft)):
    for suffix, axes in (("n", None), ("2", (-2, -1))):
        over_axes(one.__name__ + suffix, one, rest, axes)


@installed
def fftshift(x, axes=None):
    """The entries rolled so that those of the frequency 0 stand in the middle, along all axes or these."""
    axes = (axes,) if isinstance(axes, int) else tuple(range(len(np.shape(x))) if axes is None else axes)
    return np.roll(x, [np.shape(x)[axis] // 2 for axis in axes], axes)


@installed
def ifftshift(x, axes=None):
    """The inverse of `fftshift`."""
    axes = (axes,) if isinstance(axes, int) else tuple(range(len(np.shape(x))) if axes is None else axes)
    return np.roll(x, [-(np.shape(x)[axis] // 2) for axis in axes], axes)
