"""What functions of SciPy's answer to Tensors: ops/arrivals.py says how they come to ask.

Each has the name and the arguments that SciPy gives it, and is written with operations. The densities of scipy.stats
are in minigrad.stats, the ufuncs of scipy.special in ops/special.py.
"""

from math import log, pi, prod

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.backprop import gradients
from minigrad.engine.state import enable_grad
from minigrad.engine.trees import leaves, like
from minigrad.function import Function
from minigrad.ops import layers, reduce
from minigrad.ops.images import convolved
from minigrad.ops.operation import lifted, operand
from minigrad.tensor import Tensor

ANSWERS = {"scipy.integrate": {}, "scipy.linalg": {}, "scipy.signal": {}, "scipy.special": {}}


def answers(module):
    """Put a function among the answers of this module of SciPy's."""
    return lambda function: ANSWERS[module].setdefault(function.__name__, function)


# ------------------------------------------------------------------------------------------------------- scipy.special
@answers("scipy.special")
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """ln Σ b eᵃ, and with return_sign ln |Σ b eᵃ| and the sign of the sum."""
    if b is None and not return_sign:
        return reduce.logsumexp(a, axis, keepdims)
    a = lifted(operand(a))
    if b is not None:
        a, b = np.broadcast_arrays(np.where(np.equal(b, 0), -np.inf, a), operand(b))
    top = np.max(a, axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.exp(a - top) if b is None else b * np.exp(a - top)
    total, top = np.sum(total, axis, keepdims=keepdims), top if keepdims else np.squeeze(top, axis)
    return (np.log(np.abs(total)) + top, np.sign(total)) if return_sign else np.log(total) + top


@answers("scipy.special")
def log_softmax(x, axis=None):
    return layers.log_softmax(x, axis) if isinstance(axis, int) else x - reduce.logsumexp(x, axis, True)


@answers("scipy.special")
def softmax(x, axis=None):
    return layers.softmax(x, axis) if isinstance(axis, int) else np.exp(log_softmax(x, axis))


@answers("scipy.special")
def multigammaln(a, d):
    """The logarithm of the gamma function of d variables."""
    from scipy.special import gammaln

    return sum(gammaln(a - i / 2) for i in range(d)) + d * (d - 1) / 4 * log(pi)


# -------------------------------------------------------------------------------------------------------- scipy.linalg
def triangle(a, lower):
    return np.tril(a) if lower else np.triu(a)


@answers("scipy.linalg")
def cholesky(a, lower=False):
    return np.linalg.cholesky(a, upper=not lower)


@answers("scipy.linalg")
def cho_factor(a, lower=False):
    return cholesky(a, lower), lower


@answers("scipy.linalg")
def cho_solve(c_and_lower, b):
    c, lower = c_and_lower
    return solve_triangular(c, solve_triangular(c, b, "T" if not lower else 0, lower), 0 if not lower else "T", lower)


@answers("scipy.linalg")
def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False):
    """By the solver for full matrices."""
    a = triangle(lifted(operand(a)), lower)
    if unit_diagonal:
        a = a + np.eye(a.shape[-1]) * (1 - a)
    return np.linalg.solve(a if trans in (0, "N") else a.mT, b)


KINDS = {  # which entries of a matrix `solve` reads, by what it is told of the matrix
    None: lambda a, lower: a,
    "upper triangular": lambda a, lower: np.triu(a),
    "lower triangular": lambda a, lower: np.tril(a),
    "diagonal": lambda a, lower: a * np.eye(a.shape[-1]),
    "symmetric": lambda a, lower: triangle(a, lower) + (triangle(a, lower) - a * np.eye(a.shape[-1])).mT,
}
KINDS |= {"gen": KINDS[None], "general": KINDS[None], "sym": KINDS["symmetric"], "her": KINDS["symmetric"]}
KINDS |= {"hermitian": KINDS["symmetric"], "pos": KINDS["symmetric"], "positive definite": KINDS["symmetric"]}


@answers("scipy.linalg")
def solve(a, b, lower=False, assume_a=None, transposed=False):
    a = of_kind("solve", a, lower, assume_a)
    return np.linalg.solve(a.mT if transposed else a, b)


@answers("scipy.linalg")
def inv(a, assume_a=None, lower=False):
    return np.linalg.inv(of_kind("inv", a, lower, assume_a))


def of_kind(name, a, lower, assume_a):
    if assume_a not in KINDS:
        known = ", ".join(filter(None, KINDS))
        raise ValueError(f"{name}: of a tensor assume_a is one of {known}, and not {assume_a!r}")
    return KINDS[assume_a](lifted(operand(a)), lower)


@answers("scipy.linalg")
def det(a):
    return np.linalg.det(a)


@answers("scipy.linalg")
def norm(a, ord=None, axis=None, keepdims=False):
    return np.linalg.norm(a, ord, axis, keepdims)


@answers("scipy.linalg")
def eigh(a, *, lower=True, eigvals_only=False):
    return np.linalg.eigvalsh(a, "L" if lower else "U") if eigvals_only else np.linalg.eigh(a, "L" if lower else "U")


@answers("scipy.linalg")
def eigvalsh(a, *, lower=True):
    return np.linalg.eigvalsh(a, "L" if lower else "U")


@answers("scipy.linalg")
def svd(a, full_matrices=True, compute_uv=True):
    return np.linalg.svd(a, full_matrices, compute_uv)


@answers("scipy.linalg")
def svdvals(a):
    return np.linalg.svdvals(a)


@answers("scipy.linalg")
def block_diag(*arrs):
    """The matrices along the diagonal of one; a number or a vector counts as a row."""
    blocks = [np.atleast_2d(lifted(operand(block))) for block in arrs]
    widths = [block.shape[1] for block in blocks]
    before = np.cumsum([0, *widths])
    return np.vstack([
        np.pad(block, ((0, 0), (start, sum(widths) - start - width)))
        for block, start, width in zip(blocks, before.tolist(), widths, strict=False)
    ])  # fmt: skip


# -------------------------------------------------------------------------------------------------------- scipy.signal
@answers("scipy.signal")
def convolve(in1, in2, mode="full", *, axes=None, dot_axes=((), ())):
    """Σ in1[i] in2[k - i] along all axes, of which there are one or two.

    SciPy's has not axes and dot_axes, and autograd's has: they are pairs, for in1 and in2, of the axes along which is
    convolved, and of those that are multiplied and summed. The result has the axes of in1 that are in neither, those of
    in2, and those along which was convolved.
    """
    a, b = operand(in1), operand(in2)
    if axes is None:
        axes = range(a.ndim), range(b.ndim)
    (over_a, over_b), (dot_a, dot_b) = [
        [normalize_axis_tuple(own, x.ndim) for own, x in zip(pair, (a, b), strict=True)] for pair in (axes, dot_axes)
    ]
    d = len(over_a)
    if len(over_b) != d or d not in (1, 2) or mode not in ("full", "valid", "same"):
        raise ValueError(
            "convolve: of tensors one or two axes of each are convolved, in the mode 'full', 'valid' or 'same', and "
            f"not {len(over_a)} axes of shape {a.shape} with {len(over_b)} of shape {b.shape}, mode={mode!r}"
        )
    x, w = in_order(a, dot_a, over_a), in_order(b, dot_b, over_b)
    kept = [n for x, gone in ((a, over_a + dot_a), (b, over_b + dot_b)) for i, n in enumerate(x.shape) if i not in gone]
    sizes, kernel = x.shape[2:], w.shape[2:]
    swapped = mode == "valid" and all(k >= n for k, n in zip(kernel, sizes, strict=True))
    if swapped:
        x, w = w, x
    padding = 0 if mode == "valid" else tuple([k - 1 for k in kernel])
    w = np.flip(w, tuple(range(2, 2 + d)))
    y = convolved("convolve", d, x, w, None, 1, padding[0] if d == 1 and padding else padding, 1, 1)
    y = np.swapaxes(y, 0, 1) if swapped else y
    if mode == "same":
        y = y[:, :, *[slice((k - 1) // 2, (k - 1) // 2 + n) for k, n in zip(kernel, sizes, strict=True)]]
    return y.reshape(*kept, *y.shape[2:])


def in_order(x, dot, over):
    """x of shape (what is left, the axes `dot`, *over), of which the first two are one axis each."""
    rest = [i for i in range(x.ndim) if i not in dot + over]
    shape = prod([x.shape[i] for i in rest]), prod([x.shape[i] for i in dot]), *[x.shape[i] for i in over]
    order = (*rest, *dot, *over)
    x = x if order == tuple(range(x.ndim)) else np.transpose(x, order)
    return x if x.shape == shape else x.reshape(shape)


# ----------------------------------------------------------------------------------------------------- scipy.integrate
@answers("scipy.integrate")
def trapezoid(y, x=None, dx=1.0, axis=-1):
    return np.trapezoid(y, x, dx, axis)


@answers("scipy.integrate")
def odeint(func, y0, t, args=(), rtol=None, atol=None, h0=0.0, hmax=0.0, hmin=0.0, mxstep=0, tfirst=False):
    """SciPy's solution at the times t; its derivative is by the adjoint equation, which SciPy solves backwards.

    It is one to y0, t and whatever there is in args, to the solver's precision. Second derivatives are refused.
    """
    settings = {"rtol": rtol, "atol": atol, "h0": h0, "hmax": hmax, "hmin": hmin, "mxstep": mxstep}
    slope = (lambda y, t, *args: func(t, y, *args)) if tfirst else func
    args = tuple(args) if isinstance(args, list | tuple) else (args,)
    return Trajectory.apply(slope, settings, args, lifted(operand(y0)), lifted(operand(t)), *leaves(args))


class Trajectory(Function):
    """y(t), of shape (times, entries), for dy/dt = slope(y, t, *args) and y(t[0]) = y0."""

    def forward(ctx, slope, settings, args, y0, t, *values):
        from scipy.integrate import odeint

        ctx.slope, ctx.settings, ctx.args = slope, settings, args
        y = odeint(slope, y0, t, like(args, values), **settings)
        ctx.saved = y, y0, t, values
        return y

    def backward(ctx, g):
        """Chen et al., Neural ordinary differential equations, arXiv:1806.07366, for L = Σ g y."""
        from scipy.integrate import odeint

        if type(g) is Tensor:
            raise NotImplementedError(
                "odeint: SciPy's solver leaves no tape, so it has no second derivative and is in no program; write the "
                "loop of a solver, as the few lines of Runge-Kutta are"
            )
        y, y0, t, values = ctx.saved
        n, real = y.shape[1], [i for i, x in enumerate(values) if np.asarray(x).dtype.kind == "f"]

        def at(y, t):
            return np.asarray(ctx.slope(y, t, *like(ctx.args, values)))

        def adjoint(state, t):
            """The slopes of y, of its cotangent and of those of the arguments, in one vector."""
            state = state.copy()  # the solver writes the next one into the same array
            inputs = [Tensor(x, requires_grad=True) for x in (state[:n], *[values[i] for i in real])]
            known = dict(zip(real, inputs[1:], strict=True))
            with enable_grad:
                dy = ctx.slope(inputs[0], t, *like(ctx.args, [known.get(i, x) for i, x in enumerate(values)]))
                dy = lifted(operand(dy))
            slopes = [None] * len(inputs)
            if dy.requires_grad:
                slopes = gradients(dy, inputs, gradient=-state[n : 2 * n], allow_unused=True)
            parts = [np.zeros(x.size) if s is None else s.data.ravel() for s, x in zip(slopes, inputs, strict=True)]
            return np.concatenate([dy.data, *parts])

        state = np.concatenate([y[-1], np.zeros(n + sum(np.size(values[i]) for i in real))])
        d_t = np.zeros(t.shape)
        for i in range(len(t) - 1, 0, -1):
            state[: 2 * n] = np.concatenate([y[i], state[n : 2 * n] + g[i]])
            d_t[i] = g[i] @ at(y[i], t[i])
            state = odeint(adjoint, state, t[[i, i - 1]], **ctx.settings)[1]
        d_t[0] = -state[n : 2 * n] @ at(y[0], t[0])
        d_y0, rest = state[n : 2 * n] + g[0], state[2 * n :]
        d_values = [None] * len(values)
        for i in real:
            d_values[i], rest = rest[: np.size(values[i])], rest[np.size(values[i]) :]
        pairs = zip((d_y0, d_t, *d_values), map(operand, (y0, t, *values)), strict=True)
        return None, None, None, *[d if d is None else d.reshape(x.shape).astype(x.dtype) for d, x in pairs]
