"""PyTorch as the judge.

The reference is always computed in float64, also where minigrad worked in float32: every input of a test is exact in
both. What minigrad returns may differ from it by ``k * unit * magnitude``, where `unit` is the rounding unit of its
dtype and the magnitude is how far the exact result could move if every number that enters it moved by its own size::

    |f(a)| + Σ |∂f/∂a_j| |a_j|

For sums and products that is the operation evaluated on absolute values. It is large where digits cancel and small
where they do not, entry by entry, so there is no absolute tolerance behind which a small gradient could be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
import torch
from strategies import Call
from torch.nn import functional as F

import minigrad.ops.special  # noqa: F401 - the ufuncs of SciPy, which are in the registry from here on
from minigrad import Tensor, gradients, tape

K = 16  # roundings allowed on the way to one result
LONG = 64  # and where one operation is several
TIGHT = 4  # within so many units of the result itself there is nothing to explain, and no magnitude to compute

# The mean of no entries is nan here and in torch, and so is a sum of inf and -inf; NumPy adds a word about it.
MEAN_OF_NOTHING = pytest.mark.filterwarnings(
    "ignore:invalid value encountered in reduce:RuntimeWarning",
    "ignore:Mean of empty slice:RuntimeWarning",
    "ignore:invalid value encountered in (scalar )?divide:RuntimeWarning",
    "ignore:.*degrees of freedom is <= 0:UserWarning",  # torch has one, too
)

Reference = Callable[..., tuple[torch.Tensor, ...]]

# ------------------------------------------------------------------------------------- the operation in torch's words
DTYPES = {np.float32: torch.float32, np.float64: torch.float64, np.int64: torch.int64, np.bool_: torch.bool}


def dims(x: torch.Tensor, axis: Any) -> tuple[int, ...]:
    """The axes as a tuple, which torch does not replace by None everywhere."""
    return tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis).tolist())


def product(x: torch.Tensor, axes: tuple[int, ...], keepdims: bool, prod: Any = torch.prod) -> torch.Tensor:
    for i in sorted((i % x.ndim for i in axes), reverse=True):
        x = prod(x, i).unsqueeze(i) if keepdims else prod(x, i)
    return x


def multiplied(x: torch.Tensor, i: int) -> torch.Tensor:
    return reduce(torch.mul, x.unbind(i)) if x.shape[i] else torch.prod(x, i)


def broadcast(*inputs: torch.Tensor | None) -> list[torch.Tensor | None]:
    shape = torch.broadcast_shapes(*(x.shape for x in inputs if x is not None))
    return [None if x is None else x.expand(shape) for x in inputs]


def clipped(x: Any, low: Any, high: Any) -> torch.Tensor:
    """torch.clip, which is wrong at second order where a bound is broadcast against x, and wants one."""
    return x if low is None and high is None else torch.clip(x, low, high)


def weighted(loss: Any, x: Any, target: Any, weight: Any, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """A loss of class numbers; torch itself has no derivative of it to the weight, but the weight only scales."""
    if weight is None or not weight.requires_grad:
        return loss(x, target, weight, ignore_index=ignore_index, reduction=reduction)
    weights = weight[target] * (target != ignore_index)
    losses = weights * loss(x, target, ignore_index=ignore_index, reduction="none")
    return losses if reduction == "none" else losses.sum() / (weights.sum() if reduction == "mean" else 1)


def binary(x: Any, t: Any, weight: Any, pos_weight: Any, reduction: str = "mean") -> torch.Tensor:
    """As torch has it, but with derivatives to the weights."""
    hit = F.logsigmoid(x) if pos_weight is None else pos_weight * F.logsigmoid(x)
    losses = -(t * hit + (1 - t) * F.logsigmoid(-x)) * (1 if weight is None else weight)
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def ones_for_none(weight: Any, x: torch.Tensor) -> torch.Tensor:
    """Without a weight, torch's norms fail in their second derivatives."""
    return torch.ones(x.shape[1], dtype=x.dtype) if weight is None else weight


def hinge(x: Any, t: Any, p: int = 1, margin: float = 1.0, reduction: str = "none") -> torch.Tensor:
    excess = F.relu(margin - x.gather(1, t[:, None]) + x) ** p
    return excess.scatter(1, t[:, None], 0.0).mean(1)


def hinges(
    x: Any, t: Any, weight: Any, reduction: str = "mean", loss: Any = F.multi_margin_loss, **params: Any
) -> torch.Tensor:
    """As torch has it, but with a derivative to the weight."""
    wide = x.float() if x.dtype == torch.float16 else x  # which has no kernel
    losses = loss(wide, t, reduction="none", **params).to(x.dtype)
    losses = losses * (1 if weight is None else weight[t])
    return losses if reduction == "none" else losses.mean()


def standardized(x: Any, weight: Any, bias: Any, axes: Any, eps: float, channels: tuple[int, ...] = (-1,)) -> Any:
    y = (x - x.mean(axes, keepdim=True)) / torch.sqrt(x.var(axes, correction=0, keepdim=True) + eps)
    y = y if weight is None else y * weight.reshape(channels)
    return y if bias is None else y + bias.reshape(channels)


Pair = tuple[int, int]


def windows(x: torch.Tensor, size: Pair, stride: Pair, dilation: Pair, count: Any = (None, None)) -> torch.Tensor:
    (h, w), (down, along), (rows, columns) = size, dilation, count
    y = x.unfold(-2, (h - 1) * down + 1, stride[0]).unfold(-2, (w - 1) * along + 1, stride[1])
    return y[..., :rows, :columns, ::down, ::along].movedim((-2, -1), (-4, -3))


def added_windows(x: torch.Tensor, stride: Pair, dilation: Pair, shape: tuple[int, ...]) -> torch.Tensor:
    """The adjoint of `windows`."""

    def cut(image: torch.Tensor) -> torch.Tensor:
        return windows(image, tuple(x.shape[-4:-2]), stride, dilation, x.shape[-2:])

    return torch.autograd.functional.vjp(cut, torch.zeros(shape, dtype=x.dtype), x, create_graph=True)[1]


def sine_over(x: torch.Tensor) -> torch.Tensor:
    """sinc, whose second derivative at 0 torch does not have: near 0 by its series."""
    near = x.abs() < 1
    small, z = torch.where(near, x, 0), torch.pi * torch.where(near, 1, x)
    series = sum((-1) ** n * (torch.pi * small) ** (2 * n) / float(math.factorial(2 * n + 1)) for n in range(20))
    return torch.where(near, series, torch.sin(z) / z)


class Psi(torch.autograd.Function):
    """torch.digamma with all digits of its derivative; torch's trigamma is off by 5e-10."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return torch.digamma(x)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g * hurwitz(*ctx.saved_tensors, 2)


class LogGamma(torch.autograd.Function):
    """torch.lgamma, by way of Psi."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return torch.lgamma(x)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g * Psi.apply(*ctx.saved_tensors)


def hurwitz(x: torch.Tensor, s: int) -> torch.Tensor:
    return torch.special.zeta(torch.tensor(float(s), dtype=x.dtype), x)


def log_beta(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return LogGamma.apply(a) + LogGamma.apply(b) - LogGamma.apply(a + b)


def fourier(z: torch.Tensor, inverse: bool) -> torch.Tensor:
    c = torch.complex(z[0], z[1])
    y = torch.fft.ifft(c, norm="forward") if inverse else torch.fft.fft(c)
    return torch.view_as_real(y).movedim(-1, 0)


def also_half(function: Any) -> Any:
    """A function of torch that has no half precision."""
    return lambda x: function(x.float()).half() if x.dtype == torch.half else function(x)


def extreme(torchs: Any, missing: float) -> Any:
    """torch.amax or amin of what is not nan, which torch has not."""

    def called(x: torch.Tensor, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
        there = ~x.isnan()
        y = torchs(torch.where(there, x, missing), dims(x, axis), keepdims)
        return torch.where(there.any(dims(x, axis), keepdims), y, torch.nan)

    return called


COUNTERPARTS: dict[str, Callable[..., torch.Tensor]] = {
    "all": lambda x, axis=None, keepdims=False: torch.all(x, dims(x, axis), keepdims),
    "any": lambda x, axis=None, keepdims=False: torch.any(x, dims(x, axis), keepdims),
    "argsort": lambda x, axis=-1, stable=True: torch.argsort(x, dim=axis, stable=stable),
    "count_nonzero": lambda x, axis=None, keepdims=False: (x != 0).sum(dims(x, axis), keepdims),
    "cumprod": lambda x, axis=None: torch.cumprod(x.reshape(-1) if axis is None else x, axis or 0),
    "nanmax": extreme(torch.amax, -torch.inf),
    "nanmin": extreme(torch.amin, torch.inf),
    "affine": F.linear,
    "astype": lambda x, dtype: x.to(DTYPES[dtype]),
    "argmax": lambda x, axis=None, keepdims=False: torch.argmax(x, axis, keepdims),
    "argmin": lambda x, axis=None, keepdims=False: torch.argmin(x, axis, keepdims),
    "batch_norm": lambda x, W, b, training, eps=1e-5: F.batch_norm(x, None, None, W, b, training, eps=eps),
    "binary_cross_entropy_with_logits": lambda *inputs, **params: binary(*inputs, **params),
    "bounded": lambda a, b: a / b.clamp_min(1e-12),
    "bernoulli": lambda a, b: F.binary_cross_entropy(*broadcast(a, b), reduction="none"),
    "cosine_similarity": lambda x1, x2, axis=1, eps=1e-8: F.cosine_similarity(x1, x2, axis, eps),
    "group_norm": lambda x, W, b, num_groups, eps=1e-5: F.group_norm(x, num_groups, ones_for_none(W, x), b, eps),
    "hinge_embedding_loss": lambda x, t, **params: F.hinge_embedding_loss(x, t.detach(), **params),
    "instance_norm": lambda x, W, b, eps=1e-5: F.instance_norm(x, weight=ones_for_none(W, x), bias=b, eps=eps),
    "kl_div": F.kl_div,
    "margin_ranking_loss": F.margin_ranking_loss,
    "rms_norm": lambda x, W, normalized_shape, eps=None: F.rms_norm(x, normalized_shape, W, eps),
    "multi_margin_loss": lambda x, t, weight, **params: hinges(x, t, weight, **params),
    "scaled_dot_product_attention": lambda *inputs, **more: F.scaled_dot_product_attention(*inputs, **more),
    "soft_margin_loss": lambda x, t: -F.logsigmoid(t * x).mean(),  # torch's has no derivative to the target
    "triplet_margin_loss": F.triplet_margin_loss,
    "x_log_x": lambda x: torch.special.xlogy(x, x),
    "binary_cross_entropy": lambda x, t, weight=None: (
        (1 if weight is None else weight) * F.binary_cross_entropy(x, t, reduction="none")
    ).mean(),
    "cosine_embedding_loss": lambda a, b, t, **params: F.cosine_embedding_loss(a, b, t.detach(), **params),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "beta": lambda a, b: torch.exp(log_beta(a, b)),
    "betaln": log_beta,
    "cbrt": lambda x: torch.where(x < 0, -1, 1) * torch.where(x < 0, -x, x) ** (1 / 3),
    "cholesky_factor": lambda x: torch.linalg.cholesky(torch.tril(x) + torch.tril(x, -1).mT),
    "clip": lambda x, low, high: clipped(*broadcast(x, low, high)),
    "concatenate": lambda *xs, axis=0: torch.cat([x.reshape(-1) if axis is None else x for x in xs], axis or 0),
    "cumsum": lambda x, axis=None: torch.cumsum(x.reshape(-1) if axis is None else x, axis or 0),
    "convolve": lambda a, v, mode="full": F.conv1d(
        a[None, None], v.flip(0)[None, None], padding=0 if mode == "valid" else len(v) - 1
    )[0, 0],
    "det_sign": lambda x: torch.linalg.slogdet(x)[0],
    "eigenvalues": lambda x, UPLO="L": torch.linalg.eigvalsh(torch.tril(x) + torch.tril(x, -1).mT),
    "einsum": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
    "cross_entropy": lambda *inputs, **params: weighted(F.cross_entropy, *inputs, **params),
    "dropout": lambda x, mask, p=0.5: torch.where(mask, x / (1 - p) if p < 1 else 0 * x, 0.0),
    "embedding": lambda indices, weight: F.embedding(indices, weight),  # torch.embedding has the weight first
    "equal": torch.eq,  # torch.equal compares whole tensors
    "expand_dims": lambda x, axis: torch.unsqueeze(x, axis),
    "flatten": torch.flatten,
    "first_largest": lambda x: torch.zeros(x.shape, dtype=torch.bool).scatter(0, x.argmax(0, keepdim=True), True),
    "floor_divide": lambda a, b: torch.floor_divide(a.detach(), b.detach()),
    "flip": lambda x, axis=None: x.flip(tuple(range(x.ndim)) if axis is None else axis),
    "dft": lambda z, inverse: also_half(lambda z: fourier(z, inverse))(z),
    "digamma": Psi.apply,
    "gamma": lambda x: torch.exp(LogGamma.apply(x)),
    "gammaln": LogGamma.apply,
    "hurwitz": lambda x, s: also_half(lambda x: hurwitz(x, s))(x),
    "erfcx": also_half(torch.special.erfcx),
    "log_ndtr": also_half(torch.special.log_ndtr),
    "ndtri": also_half(torch.special.ndtri),
    "getitem": lambda x, *indices: x[indices],
    "heaviside": lambda x, h: torch.where(x == 0, h, (x > 0).to(torch.result_type(x, h))),  # torch's has no derivative
    "invert": torch.bitwise_not,
    "largest": lambda x: x.max(0).values,
    "layer_norm": lambda x, W, b, normalized_shape, eps=1e-5: F.layer_norm(x, normalized_shape, W, b, eps),
    "linear": lambda x, W, b: x @ W if b is None else x @ W + b,  # torch keeps W transposed
    "logabsdet": lambda x: torch.linalg.slogdet(x)[1],
    "logsumexp": lambda x, axis=None, keepdims=False: torch.logsumexp(x, dims(x, axis), keepdims),
    "log_softmax": lambda x, axis=-1: torch.log_softmax(x, axis),
    "matrix_transpose": lambda x: x.mT,
    "max": lambda x, axis=None, keepdims=False: torch.amax(x, dims(x, axis), keepdims),  # torch.max takes the first
    "min": lambda x, axis=None, keepdims=False: torch.amin(x, dims(x, axis), keepdims),
    "norm": lambda x, axis=None, keepdims=False: torch.linalg.vector_norm(x, 2, axis, keepdims),
    "nll_loss": lambda *inputs, **params: weighted(F.nll_loss, *inputs, **params),
    "overlap_add": lambda x, stride, dilation, shape: added_windows(x, stride, dilation, shape),
    "pad": lambda x, pad_width, constant_values=0: F.pad(
        x, [n for pair in reversed(pad_width) for n in pair], value=constant_values
    ),
    "pinv": lambda x, rcond=None: torch.linalg.pinv(x, rtol=rcond),
    "over": lambda a, b: torch.where(b == 0, 0 * a, a / torch.where(b == 0, 1, b)),
    "power": torch.pow,
    "prod": lambda x, axis=None, keepdims=False: product(x, dims(x, axis), keepdims),  # torch.prod has one axis
    "repeat": lambda x, repeats, axis=None: torch.repeat_interleave(x, torch.tensor(repeats), axis),
    "rel_entr": lambda a, b: torch.xlogy(a, a) - torch.xlogy(a, b),
    "rint": torch.round,
    "reshape": lambda x, shape: x.reshape(shape),
    "sinc": sine_over,
    "singular_values": torch.linalg.svdvals,
    "solve": lambda a, b: torch.linalg.solve(
        a, b.expand(*torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])
    ),
    "std": lambda x, axis=None, ddof=0, keepdims=False: torch.std(x, axis, correction=ddof, keepdim=keepdims),
    "roll": lambda x, shift, axis=None: torch.roll(x, shift, axis),
    "softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "stack": lambda *xs, axis=0: torch.stack(xs, axis),
    "swapaxes": lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    "standardize": lambda x, axis=-1, eps=0.0: standardized(x, None, None, axis, eps),
    "take_along_axis": lambda x, indices, axis=-1: torch.take_along_dim(x, indices, axis),
    "tril": lambda x, k=0: torch.tril(x, k),
    "triu": lambda x, k=0: torch.triu(x, k),
    "transpose": lambda x, axes=None: x.permute(axes or tuple(reversed(range(x.ndim)))),
    "truncated": lambda x, dtype: x.to(DTYPES[dtype]),
    "var": lambda x, axis=None, ddof=0, keepdims=False: torch.var(x, axis, correction=ddof, keepdim=keepdims),
    "windows": windows,
}
# Where torch is right to first order only, an expression of the same meaning judges the second.
SECOND_ORDER: dict[str, Callable[..., torch.Tensor]] = {
    # Without a weight, torch loses the bias in the second derivative of batch_norm, and fails in that of layer_norm.
    "batch_norm": lambda x, W, b, training, eps: standardized(x, W, b, (0, 2), eps, (-1, 1)),
    "layer_norm": lambda x, W, b, normalized_shape, eps: standardized(x, W, b, -1, eps),
    # There torch adds to what it divides by.
    "bernoulli": lambda a, b: -(b * torch.log(a) + (1 - b) * torch.log1p(-a)),
    "binary_cross_entropy": lambda x, t, weight: (
        -(t * torch.log(x) + (1 - t) * torch.log1p(-x)) * (1 if weight is None else weight)
    ).mean(),
    "multi_margin_loss": lambda *inputs, **params: hinges(*inputs, loss=hinge, **params),  # torch has no second one
    # At 0 torch divides by it.
    "copysign": lambda a, b: torch.where(torch.signbit(b), -1, 1) * a.abs(),
    # torch.prod divides and multiplies again, and keeps a rounding error where the second derivative is 0.
    "prod": lambda x, axis=None, keepdims=False: product(x, dims(x, axis), keepdims, multiplied),
    # At the threshold itself torch has the slope of the left side, and the curvature of the right.
    "softplus": lambda x, beta=1.0, threshold=20.0: torch.where(
        beta * x > threshold, x, torch.log1p(torch.exp(beta * x)) / beta
    ),
    # torch.std: 0 where the entries are equal, though its slope jumps there; its norm has nan.
    "std": lambda x, axis=None, ddof=0, keepdims=False: (
        torch.linalg.vector_norm(x - x.mean(dims(x, axis), keepdim=True), 2, dims(x, axis), keepdims)
        / (np.prod([x.shape[i] for i in dims(x, axis)]) - ddof) ** 0.5
    ),
    "power": lambda a, b: torch.exp(b * torch.log(a)),  # torch.pow: d2/dadb is 0 at b = 0, where it is 1/a
}
LENGTHS = {"norm", "std"}  # see second_terms
# LAPACK's rounding errors are small beside the whole matrix, and not beside each entry.
OF_MATRICES = {
    "inv", "solve", "det", "det_sign", "logabsdet", "pinv", "cholesky_factor", "eigenvalues", "singular_values",
}  # fmt: skip
WITHOUT_COUNTERPART: dict[str, str] = {  # name of an operation: why torch has nothing like it
    "add_at": "called by the rule of getitem, and judged as its derivative, to second order, and in test_index.py",
    **dict.fromkeys(
        ["eigensystem", "singular_system", "qr_system"],
        "the signs of columns are the library's choice; judged in test_linalg.py where they do not count",
    ),
    "sinc_slope": "called by sinc and its rule, and judged as its value and derivatives, to second order",
}
RENAMED = {"axis": "dim", "keepdims": "keepdim"}

# How an operation is called, where its inputs are not simply its first arguments.
CALLED: dict[str, Callable[..., Any]] = {
    "batch_norm": lambda function, x, weight, bias, **params: function(x, weight=weight, bias=bias, **params),
    "binary_cross_entropy_with_logits": lambda function, x, t, w, p, **more: function(x, t, w, pos_weight=p, **more),
    "concatenate": lambda function, *xs, **params: function(xs, **params),
    "group_norm": lambda function, x, weight, bias, **params: function(x, weight=weight, bias=bias, **params),
    "instance_norm": lambda function, x, weight, bias, **params: function(x, weight=weight, bias=bias, **params),
    "multi_margin_loss": lambda function, x, t, weight, **params: function(x, t, weight=weight, **params),
    "rms_norm": lambda function, x, weight, **params: function(x, weight=weight, **params),
    "dropout": lambda function, x, mask, **params: function(x, mask=mask, **params),
    "einsum": lambda function, *xs, subscripts: function(subscripts, *xs),
    "layer_norm": lambda function, x, weight, bias, **params: function(x, weight=weight, bias=bias, **params),
    "stack": lambda function, *xs, **params: function(xs, **params),
}


def applied(operation: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """What a user gets who calls the operation."""
    if operation.name in CALLED:
        return CALLED[operation.name](operation.function, *inputs, **params)
    return operation.function(*inputs, **params)


def counterpart(name: str) -> Callable[..., torch.Tensor]:
    """The torch function of that meaning, called with minigrad's parameter names."""
    if name in COUNTERPARTS:
        return COUNTERPARTS[name]
    for module in (torch, torch.nn.functional, torch.special, torch.linalg):
        if function := getattr(module, name, None):
            return lambda *inputs, **params: function(*inputs, **{RENAMED.get(k, k): v for k, v in params.items()})
    raise LookupError(
        f"no torch function is called {name}: enter its counterpart in COUNTERPARTS, or the reason why there is none "
        "in WITHOUT_COUNTERPART"
    )


def exact(array: Any, requires_grad: bool = False) -> Any:
    """An array as a torch tensor of its own memory: floats in float64, the rest as it is."""
    if array is None:
        return None
    dtype = np.float64 if array.dtype.kind == "f" else array.dtype
    return torch.from_numpy(np.array(array, dtype, order="C")).requires_grad_(requires_grad)


# ---------------------------------------------------------------------------------------------------------- comparison
def pullback(f: Reference) -> Callable[..., tuple[torch.Tensor, ...]]:
    """(cotangents, arguments) -> the cotangents of the arguments, differentiable in all of them; zero where unused."""

    def pulled(cotangents: Sequence[torch.Tensor], arguments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        pairs = [(y, g) for y, g in zip(f(*arguments), cotangents, strict=True) if y.requires_grad]
        if not pairs:
            return tuple(torch.zeros_like(a) for a in arguments)
        outputs, weights = zip(*pairs, strict=True)
        return torch.autograd.grad(outputs, arguments, weights, create_graph=True, materialize_grads=True)

    return pulled


def magnitude(want: torch.Tensor, arguments: Sequence[torch.Tensor]) -> np.ndarray:
    """|want| + Σ |∂want/∂a| |a|, entry by entry. An argument that is 0 has no size to move by."""
    sizes = want.detach().abs().reshape(-1).clone()
    for j, entry in enumerate(want.reshape(-1)):
        if entry.requires_grad:
            rows = torch.autograd.grad(entry, arguments, retain_graph=True, materialize_grads=True)
            for row, a in zip(rows, arguments, strict=True):
                sizes[j] += torch.where(a == 0, 0.0, row * a).abs().sum().detach()
    return sizes.reshape(want.shape).numpy()


def assert_agrees(
    got: Any,
    want: torch.Tensor,
    arguments: Sequence[torch.Tensor],
    unit: float,
    what: str,
    terms: float = 0.0,
    k: float = K,
) -> None:
    """`got` is `want`, a function of `arguments`, up to the roundings that its dtype cannot avoid.

    `terms` is the size of terms that always cancel, so that no argument moves their difference; `k` is how many
    roundings there may be on the way.
    """
    got, exactly = np.asarray(got), want.detach().numpy(force=True)
    assert got.shape == exactly.shape, f"{what}: shape {got.shape}, torch has {exactly.shape}"
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, exactly, what)
        return
    with np.errstate(invalid="ignore"):  # inf - inf, which compares as equal below
        error = np.abs(got.astype(np.float64) - exactly)
    agrees = (got == exactly) | (np.isnan(got) & np.isnan(exactly)) | (error <= TIGHT * unit * np.abs(exactly))
    if agrees.all():
        return
    allowed = k * unit * (magnitude(want, arguments) + terms)
    agrees |= error <= allowed
    if not agrees.all():
        at = tuple(int(i) for i in np.argwhere(~agrees)[0])
        raise AssertionError(
            f"{what}{list(at)}: got {got[at]!r}, torch says {exactly[at]!r}; off by {error[at]:.3g}, "
            f"allowed {allowed[at]:.3g}; ratio {got[at] / exactly[at] if exactly[at] else np.inf}"
        )


# --------------------------------------------------------------------------------------------- an operation under test
def tensors(call: Call) -> tuple[Any, ...]:
    """The inputs as minigrad takes them: leaves, constant Tensors or bare arrays."""
    wrapped = call.wrapped or not call.leaves
    return tuple(
        a if a is None or not (wrapped or i in call.leaves) else Tensor(a, requires_grad=i in call.leaves)
        for i, a in enumerate(call.inputs)
    )


def reference(function: Callable[..., torch.Tensor], call: Call) -> tuple[Reference, dict[int, torch.Tensor]]:
    """The torch function as a function of its floating inputs, and these by their position."""
    given = [exact(a, requires_grad=a is not None and a.dtype.kind == "f") for a in call.inputs]
    floating = {i: a for i, a in enumerate(given) if a is not None and a.requires_grad}

    def f(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs = list(given)
        for i, a in zip(floating, arguments, strict=True):
            inputs[i] = a
        return (function(*inputs, **call.params),)

    return f, floating


def refuses_emptiness(operation: Any, call: Call) -> bool:
    """Whether the operation has an error for inputs without entries. Then torch has no number for them, either."""
    if all(a is None or a.size for a in call.inputs):
        return False
    try:
        applied(operation, call.inputs, call.params)
        return False
    except ValueError:
        pass
    f, arguments = reference(counterpart(operation.name), call)
    try:
        (want,) = f(*arguments.values())
    except (RuntimeError, IndexError):
        return True
    assert want.numel() > 0, f"{operation.name} refuses what torch answers with {want}"
    assert want.isnan().all(), f"{operation.name} refuses what torch answers with {want}"
    return True


def assert_first_order(operation: Any, call: Call) -> None:
    """Value and gradients equal torch's, in the inputs' shapes and dtypes; nothing is written into, nothing shared."""
    if refuses_emptiness(operation, call):
        return
    before = [None if a is None else a.copy() for a in call.inputs]
    inputs = tensors(call)
    y = applied(operation, inputs, call.params)
    f, floating = reference(counterpart(operation.name), call)
    arguments = list(floating.values())
    (want,) = f(*arguments)
    unit = max(call.unit, np.finfo(y.dtype).eps) if y.dtype.kind == "f" else 0.0
    size, per_x = natural_size(call, y)
    whole = size if operation.name in OF_MATRICES else 0.0
    assert_agrees(y.data, want, arguments, unit, "y", whole, roundings(operation))
    assert_dtype(operation, call, y.dtype)

    g = call.cotangent(y.shape, y.dtype if y.dtype.kind == "f" else np.float64)
    given = g.copy()
    xs = [inputs[i] for i in call.leaves]
    again: Sequence[Any] = [None] * len(xs)
    grads = []
    if y.requires_grad:
        y.backward(g)
        retained, *again = gradients(y, [y, *xs], gradient=g, allow_unused=True)
        np.testing.assert_array_equal(retained.data, given, "the cotangent was written into on its way")
        grads = [retained.data, *(x.grad for x in xs if x.grad is not None), *(t.data for t in again if t is not None)]
    weight = exact(g, requires_grad=True)
    wanted = dict(zip(floating, pullback(f)([weight], arguments), strict=True))
    terms = size * per_x * np.abs(g).max(initial=0.0)
    for i, x, same in zip(call.leaves, xs, again, strict=True):
        name = f"gradient of input {i}"
        assert_agrees(
            zero_for_none(x.grad, x), wanted[i], [weight, *arguments], unit, name, terms, roundings(operation)
        )
        np.testing.assert_array_equal(
            zero_for_none(same, x), zero_for_none(x.grad, x), "gradients() and backward() differ"
        )

    np.testing.assert_array_equal(g, given, "the caller's cotangent was written into")
    for a, b in zip(call.inputs, before, strict=True):
        np.testing.assert_array_equal(a, b, "an input was written into")
    assert_owned(grads, [*call.inputs, g, y.data])


def zero_for_none(grad: Any, x: Tensor) -> np.ndarray:
    """The gradient as an array of the shape and dtype of x; None says that nothing depends on x."""
    if grad is None:
        return np.zeros(x.shape, x.dtype)
    array = grad.data if type(grad) is Tensor else grad
    assert array.dtype == x.dtype, f"a gradient of dtype {array.dtype} for an input of {x.dtype}"
    return array


def assert_dtype(operation: Any, call: Call, got: np.dtype[Any]) -> None:
    """Inputs of one dtype give torch's result dtype. (For several, NumPy and torch have each their own rules.)"""
    if len({a.dtype for a in call.inputs if a is not None and a.dtype.kind == "f"}) <= 1:
        own = [None if a is None else torch.from_numpy(np.array(a, order="C")) for a in call.inputs]
        want = counterpart(operation.name)(*own, **call.params).dtype
        assert str(want) == f"torch.{got}", f"{operation.name}: result dtype {got}, torch has {want}"


def roundings(operation: Any) -> float:
    """How many may pile up: more where an operation is written with others, or takes the logarithm of nearly 1."""
    return LONG if operation.composed or operation.name in {"log_softmax", *OF_MATRICES} else K


def natural_size(call: Call, y: Tensor) -> tuple[float, float]:
    """The size of y, and of one unit per x, where the least of the inputs counts, or 1.

    A derivative is made of terms of the size of what it derives, per x. Where they cancel whatever the inputs are, as
    in the softmax of one number or the mean of equal losses with any weights, no argument moves their difference, and
    yet their roundings remain.
    """
    sizes = [np.abs(a[a != 0]).min(initial=1.0) for a in call.inputs if a is not None and a.dtype.kind == "f"]
    value = float(np.abs(y.data[np.isfinite(y.data)], dtype=np.float64).sum()) if y.dtype.kind == "f" else 0.0
    return value, 1 / min(sizes, default=1.0)


def assert_owned(grads: Sequence[np.ndarray], others: Sequence[Any]) -> None:
    """Every gradient is writable memory of its own."""
    for i, grad in enumerate(grads):
        assert type(grad) is np.ndarray
        assert grad.flags.owndata, f"gradient {i} is a view"
        assert grad.flags.writeable, f"gradient {i} cannot be written"
        for other in [*grads[:i], *others]:
            assert other is None or not np.shares_memory(grad, other), f"gradient {i} shares its memory"


def assert_second_order(operation: Any, call: Call) -> None:
    """A recorded sweep gives the same gradients, and their derivatives to inputs and cotangent equal torch's."""
    if refuses_emptiness(operation, call):
        return
    inputs = tensors(call)
    y = applied(operation, inputs, call.params)
    if not y.requires_grad:
        return
    xs = [inputs[i] for i in call.leaves]
    g = Tensor(call.cotangent(y.shape, y.dtype), requires_grad=True)
    found = gradients(y, xs, create_graph=True, gradient=g, allow_unused=True)
    plain = gradients(y, xs, gradient=g, allow_unused=True)
    unit = max(call.unit, np.finfo(y.dtype).eps)

    f, floating = reference(SECOND_ORDER.get(operation.name) or counterpart(operation.name), call)
    arguments = list(floating.values())
    weight = exact(g.data, requires_grad=True)

    def slopes(weight: torch.Tensor, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        every = dict(zip(floating, pullback(f)([weight], arguments), strict=True))
        return tuple(every[i] for i in call.leaves)

    size, per_x = natural_size(call, y)
    largest = np.abs(g.data).max(initial=0.0)
    terms = size * per_x * largest
    for i, x, recorded, unrecorded, want in zip(call.leaves, xs, found, plain, slopes(weight, *arguments), strict=True):
        value = zero_for_none(recorded, x)
        what = f"recorded gradient of input {i}"
        assert_agrees(value, want, [weight, *arguments], unit, what, terms, roundings(operation))
        np.testing.assert_array_equal(value, zero_for_none(unrecorded, x), "recorded and unrecorded sweep differ")

    directions = [call.cotangent(x.shape, x.dtype, stream) for stream, x in enumerate(xs, 1)]
    total = sum((d * u).sum() for d, u in zip(found, directions, strict=True) if d is not None)
    second = gradients(total, [g, *xs], allow_unused=True)
    weights = [exact(u, requires_grad=True) for u in directions]
    wanted = dict(zip(["g", *floating], pullback(slopes)(weights, [weight, *arguments]), strict=True))
    way = sum(np.abs(u).sum() for u in directions)
    steepest = max((np.abs(d.data).max(initial=0.0) for d in found if d is not None), default=0.0)
    terms = way * per_x * max(size, size * per_x * largest, steepest)
    if operation.name in LENGTHS:
        terms += second_terms(y, g, xs, directions)
    for name, x, got in zip(["g", *call.leaves], [g, *xs], second, strict=True):
        value, what = zero_for_none(got, x), f"second derivative to {name}"
        assert_agrees(value, wanted[name], [*weights, weight, *arguments], unit, what, terms, roundings(operation))


def second_terms(y: Tensor, g: Tensor, xs: Sequence[Tensor], directions: Sequence[np.ndarray]) -> float:
    """The size of u/y and (u·n) n/y, whose difference is the second derivative of the length y with normal n.

    They cancel entirely where the direction u is along n. The normal is as good as the deviation of x from its mean.
    """
    shortest = y.data[y.data > 0].min(initial=np.inf)
    size = max(np.abs(x.data).max(initial=0.0) for x in xs)
    total = sum(np.abs(u).sum() for u in directions) * np.abs(g.data).max(initial=0.0)
    return float(total / shortest * (1 + size / shortest))


def assert_rules_run_on_tensors(operation: Any, call: Call) -> None:
    """Every rule, called by itself: Tensors in, a Tensor out; locked arrays in, the same numbers out."""
    if refuses_emptiness(operation, call):
        return
    for node in tape(applied(operation, tensors(call), call.params)):
        if node.op is None or node.dtype.kind != "f":
            continue
        values = [locked(a) if isinstance(a, np.ndarray) else a for a in node.values]
        lifted = [Tensor(a, a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in values]
        y, g = locked(node.data), locked(call.cotangent(node.shape, node.dtype))
        for i, (x, rule) in enumerate(zip(node.inputs, node.op.rules, strict=False)):
            if rule and isinstance(x, Tensor):
                on_arrays = rule(g, y, *values, **node.params)
                on_tensors = rule(Tensor(g, requires_grad=True), Tensor(y, requires_grad=True), *lifted, **node.params)
                name = f"{node.op.name}, rule of input {i}"
                assert type(on_tensors) is Tensor, f"{name}: Tensors in, {type(on_tensors).__name__} out"
                assert on_tensors.requires_grad, f"{name}: the derivative to the cotangent is lost"
                np.testing.assert_array_equal(on_arrays, on_tensors.data, name)


def locked(array: Any) -> np.ndarray:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy
