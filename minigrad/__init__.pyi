"""minigrad: a small tape-based reverse-mode autodiff engine in NumPy, made to be read. Written by tools/stubs.py from what the registry holds."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from minigrad.engine.installed import Array, Operand
from minigrad import checks as checks
from minigrad import testing as testing
from minigrad.backprop import gradients as gradients
from minigrad.backprop import tape as tape
from minigrad.broadcasting import unbroadcast as unbroadcast
from minigrad.checks.checker import check as check
from minigrad.checks.gradcheck import GradcheckError as GradcheckError
from minigrad.checks.gradcheck import gradcheck as gradcheck
from minigrad.engine.state import enable_grad as enable_grad
from minigrad.engine.state import no_grad as no_grad
from minigrad.function import Function as Function
from minigrad.program.source import compile as compile
from minigrad.program.source import source as source
from minigrad.remat import remat as remat
from minigrad.strict import strict as strict
from minigrad.tensor import Tensor as Tensor
from minigrad.transforms import elementwise_grad as elementwise_grad
from minigrad.transforms import grad as grad
from minigrad.transforms import hessian as hessian
from minigrad.transforms import hessian_diag as hessian_diag
from minigrad.transforms import hvp as hvp
from minigrad.transforms import jacobian as jacobian
from minigrad.transforms import jvp as jvp
from minigrad.transforms import value_and_grad as value_and_grad
from minigrad.transforms import vjp as vjp
from minigrad.views.debug import debug as debug
from minigrad.views.draw import draw as draw
from minigrad.views.explain import explain as explain
from minigrad.views.explore import explore as explore
from minigrad.views.formula import formula as formula
from minigrad.views.table import table as table

__version__: str

def abs(x: Operand) -> Tensor:
    """y = |x|, with the derivative 0 at 0"""
def adaptive_avg_pool1d(input: Operand, output_size: int | Sequence[int]) -> Tensor:
    """y = the means of output_size parts of (n, c, l) or (c, l), as nearly equal as they can be"""
def adaptive_avg_pool2d(input: Operand, output_size: int | Sequence[int]) -> Tensor:
    """y = the means of output_size parts of (n, c, h, w) or (c, h, w), as nearly equal as they can be"""
def adaptive_max_pool2d(input: Operand, output_size: int | Sequence[int]) -> Tensor:
    """y = the largest entries of output_size parts of (n, c, h, w) or (c, h, w); of several equal, that of the first"""
def add(a: Operand, b: Operand) -> Tensor:
    """y = a + b"""
def affine(x: Operand, weight: Operand, bias: Operand | None = None) -> Tensor:
    """y = x @ weight.T + bias, with the weight as torch keeps it: a row for each output"""
def all(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False, where: Operand = True) -> Tensor:
    """y = whether every x is true, or not 0; without a derivative"""
def any(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False, where: Operand = True) -> Tensor:
    """y = whether any x is true, or not 0; without a derivative"""
def append(arr: Operand, values: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """arr, and behind it values, along an axis they have; flattened first by default."""
def apply_along_axis(func1d: Any, axis: int | Sequence[int] | None, arr: Operand, *args: Operand, **kwargs: Any) -> Tensor:
    """func1d of each vector along `axis`, called one after the other; what it returns has the place of that axis."""
def arccos(x: Operand) -> Tensor:
    """y = arccos x, with the derivative -inf at -1 and 1"""
def arccosh(x: Operand) -> Tensor:
    """y = arccosh x, with the derivative inf at 1"""
def arcsin(x: Operand) -> Tensor:
    """y = arcsin x, with the derivative inf at -1 and 1"""
def arcsinh(x: Operand) -> Tensor:
    """y = arcsinh x"""
def arctan(x: Operand) -> Tensor:
    """y = arctan x"""
def arctan2(a: Operand, b: Operand) -> Tensor:
    """y = the angle of the point with the coordinates b and a: arctan(a / b) where b > 0; at the origin its slope is 0"""
def arctanh(x: Operand) -> Tensor:
    """y = arctanh x"""
def argmax(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Tensor:
    """y = where the first of the largest entries is, without a derivative; in all of x, or along one axis"""
def argmin(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Tensor:
    """y = where the first of the smallest entries is, without a derivative; in all of x, or along one axis"""
def argpartition(a: Operand, kth: Any, axis: int | Sequence[int] | None = -1, kind: str = "introselect") -> Tensor:
    """The positions of the entries that `partition` puts there, without a derivative."""
def argsort(x: Operand, axis: int | Sequence[int] | None = -1, kind: Any = None, *, stable: None | bool = None) -> Tensor:
    """y = the positions of the entries along `axis`, from the least to the largest, without a derivative"""
def array_split(ary: Operand, indices_or_sections: Any, axis: int | Sequence[int] | None = 0) -> list[Tensor]:
    """The list of the parts of ary along `axis`: so many nearly equal ones, the longer first, or cut before positions."""
def astype(x: Operand, dtype: npt.DTypeLike | None, *, copy: bool = True) -> Tensor:
    """y = x in another dtype; an integer or boolean one is a step, without a derivative"""
@overload
def atleast_1d(ary: Operand, /) -> Tensor:
    """Each array with as many axes of length 1 as it needs to have 1."""
@overload
def atleast_1d(*arys: Operand) -> tuple[Tensor, ...]:
    """Each array with as many axes of length 1 as it needs to have 1."""
@overload
def atleast_2d(ary: Operand, /) -> Tensor:
    """Each array with as many axes of length 1 as it needs to have 2."""
@overload
def atleast_2d(*arys: Operand) -> tuple[Tensor, ...]:
    """Each array with as many axes of length 1 as it needs to have 2."""
@overload
def atleast_3d(ary: Operand, /) -> Tensor:
    """Each array with as many axes of length 1 as it needs to have 3."""
@overload
def atleast_3d(*arys: Operand) -> tuple[Tensor, ...]:
    """Each array with as many axes of length 1 as it needs to have 3."""
def average(a: Operand, axis: int | Sequence[int] | None = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Tensor:
    """Σ weights * a / Σ weights, the mean by default; with `returned` the pair of that and Σ weights."""
def avg_pool1d(input: Operand, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] | str = 0, ceil_mode: bool = False, count_include_pad: bool = True) -> Tensor:
    """y = the mean of each window of (n, c, l) or (c, l); its settings are those of avg_pool2d"""
def avg_pool2d(input: Operand, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] | str = 0, ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None) -> Tensor:
    """y = the mean of each window of (n, c, h, w) or (c, h, w)"""
def batch_norm(input: Operand, running_mean: Any = None, running_var: Any = None, weight: Operand | None = None, bias: Operand | None = None, training: bool = False, momentum: float | None = 0.1, eps: float = 1e-05) -> Tensor:
    """y = (x - mean) / √(variance + eps) * weight + bias, each channel by itself"""
def binary_cross_entropy(input: Operand, target: Operand, weight: Operand | None = None, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = -Σ w (t ln x + (1 - t) ln(1 - x)) / N for probabilities x and targets t, from 0 to 1, over all N entries"""
def binary_cross_entropy_with_logits(input: Operand, target: Operand, weight: Operand | None = None, *, pos_weight: Operand | None = None, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = -Σ w (pos_weight t ln σ(x) + (1 - t) ln(1 - σ(x))) / N for input x and target t, over all N entries"""
def bincount(x: Operand, weights: Any = None, minlength: int = 0) -> Tensor:
    """For each whole number, from 0 on, the sum of the weights of the entries of x that are it, or their number."""
def bitwise_and(a: Operand, b: Operand) -> Tensor:
    """y = a & b, for masks and integers, without a derivative"""
def bitwise_or(a: Operand, b: Operand) -> Tensor:
    """y = a | b, for masks and integers, without a derivative"""
def bitwise_xor(a: Operand, b: Operand) -> Tensor:
    """y = a ^ b, for masks and integers, without a derivative"""
def block(arrays: Iterable[Operand]) -> Tensor:
    """The arrays of nested lists: the innermost lists along the last axis, those around them along the one before it."""
def broadcast_arrays(*args: Operand) -> tuple[Tensor, ...]:
    """The tuple of all arrays in the shape that they have together."""
def broadcast_to(x: Operand, shape: int | Sequence[int] | None) -> Tensor:
    """y = x, repeated along the axes that `shape` has more of"""
def cbrt(x: Operand) -> Tensor:
    """y = ∛x, with the derivative inf at 0"""
def ceil(x: Operand) -> Tensor:
    """y = ⌈x⌉, the smallest whole number that is not below x, without a derivative"""
def cholesky(a: Operand, *, upper: bool = False) -> Tensor:
    """L with L Lᵀ = a, or with `upper` U with Uᵀ U = a, for each matrix."""
def choose(a: Operand, choices: Iterable[Operand], *, mode: str = "raise") -> Tensor:
    """Entry by entry the one of several choices that a, an array of integers, has the number of."""
def clip(a: Operand, a_min: Operand | None = None, a_max: Operand | None = None, *, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """y = a, raised to a_min where it is less and lowered to a_max where it is more"""
def column_stack(tup: Iterable[Operand]) -> Tensor:
    """The arrays side by side, along the second axis; a vector is a column."""
def compress(condition: Any, a: Operand, axis: int | Sequence[int] | None = None) -> Tensor:
    """The slices of a along `axis` for which the vector `condition` holds; of the flattened a by default."""
def concatenate(arrays: Iterable[Operand], axis: int | Sequence[int] | None = 0) -> Tensor:
    """y = the arrays of a sequence, one behind the other along an axis they have; flattened first if axis is None"""
def cond(x: Operand, p: Operand | None = None) -> Tensor:
    """The norm of each matrix, of order p, times that of its inverse: the condition number."""
def conv1d(input: Operand, weight: Operand, bias: Operand | None = None, stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str = 0, dilation: int | Sequence[int] = 1, groups: int = 1) -> Tensor:
    """y[n, o] = Σ weight[o, c] * windows of input[n, c] + bias[o]: the cross-correlation of sequences"""
def conv2d(input: Operand, weight: Operand, bias: Operand | None = None, stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str = 0, dilation: int | Sequence[int] = 1, groups: int = 1) -> Tensor:
    """y[n, o] = Σ weight[o, c] * windows of input[n, c] + bias[o]: the cross-correlation"""
def conv_transpose1d(input: Operand, weight: Operand, bias: Operand | None = None, stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str = 0, output_padding: int | Sequence[int] = 0, groups: int = 1, dilation: int | Sequence[int] = 1) -> Tensor:
    """y = the adjoint of conv1d with these settings, applied to input, + bias"""
def conv_transpose2d(input: Operand, weight: Operand, bias: Operand | None = None, stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str = 0, output_padding: int | Sequence[int] = 0, groups: int = 1, dilation: int | Sequence[int] = 1) -> Tensor:
    """y = the adjoint of conv2d with these settings, applied to input, + bias: it adds up the windows it spreads"""
def convolve(a: Operand, v: Operand, mode: str = "full") -> Tensor:
    """y[k] = Σ a[i] v[k - i]"""
def copy(a: Operand, order: str = "K") -> Tensor:
    """a, as a node of its own. (In whatever order its memory is: no result says that.)"""
def copysign(a: Operand, b: Operand) -> Tensor:
    """y = |a| with the sign of b, to which there is no derivative; with the derivative 0 at a = 0"""
def corrcoef(x: Operand, y: Any = None, rowvar: bool = True) -> Tensor:
    """The correlations of the rows of x, and of y beneath them; of columns, unless `rowvar`."""
def correlate(a: Operand, v: Operand, mode: str = "valid") -> Tensor:
    """y[k] = Σ a[i + k] v[i] of two vectors, for the k that `convolve` has in this mode."""
def cos(x: Operand) -> Tensor:
    """y = cos x"""
def cosh(x: Operand) -> Tensor:
    """y = cosh x"""
def cosine_embedding_loss(input1: Operand, input2: Operand, target: Operand, margin: float = 0, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ l / N, where l is 1 - cos(input1, input2) if the target is 1, and max(cos - margin, 0) if it is -1"""
@overload
def cosine_similarity(x1: Operand, x2: Operand, axis: int | Sequence[int] | None = 1, eps: float = 1e-08) -> Tensor:
    """y = Σ x1 x2 / (‖x1‖ ‖x2‖) along `axis`, which torch calls dim; no length counts as less than eps"""
@overload
def cosine_similarity(x1: Operand, x2: Operand, dim: int | Sequence[int] | None = 1, eps: float = 1e-08) -> Tensor:
    """y = Σ x1 x2 / (‖x1‖ ‖x2‖) along `axis`, which torch calls dim; no length counts as less than eps"""
def count_nonzero(x: Operand, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """y = how many x are not 0, without a derivative"""
def cov(m: Operand, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariances of the rows of m, and of y beneath them; of columns, unless `rowvar`."""
def cross(a: Operand, b: Operand, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | Sequence[int] | None = None) -> Tensor:
    """a × b, of vectors of three entries."""
def cross_entropy(input: Operand, target: Operand, weight: Operand | None = None, *, ignore_index: int = -100, reduction: Literal["mean", "sum", "none"] = "mean", label_smoothing: float = 0.0) -> Tensor:
    """L = -Σ w[t] ln p[i, t] / Σ w[t] with p = softmax(input) and t = target[i]"""
def cumprod(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None) -> Tensor:
    """yᵢ = Π xⱼ over j ≤ i along `axis`; over all entries, row by row, if that is None"""
def cumsum(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None) -> Tensor:
    """yᵢ = Σ xⱼ over j ≤ i along `axis`; over all entries, row by row, if that is None"""
def cumulative_prod(x: Operand, *, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, include_initial: bool = False) -> Tensor:
    """The products up to each entry along `axis`; with include_initial behind a 1, the product of nothing."""
def cumulative_sum(x: Operand, *, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, include_initial: bool = False) -> Tensor:
    """The sums up to each entry along `axis`; with include_initial behind a 0, the sum of nothing."""
def deg2rad(x: Operand) -> Tensor:
    """y = π x / 180"""
def delete(arr: Operand, obj: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """arr without what is at the positions obj along `axis`; flattened first by default."""
def det(x: Operand) -> Tensor:
    """y = det x, for each matrix; the rule needs x⁻¹, and raises where there is none"""
def diag(v: Operand, k: int = 0) -> Tensor:
    """The k-th diagonal of a matrix, or the matrix with this vector as its k-th diagonal."""
def diagflat(v: Operand, k: int = 0) -> Tensor:
    """The matrix with all entries of v, in a row, as its k-th diagonal."""
def diagonal(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The entries whose index along axis2 is that along axis1 plus `offset`, as the last axis."""
def diff(a: Operand, n: int = 1, axis: int | Sequence[int] | None = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """The n-th differences a[i + 1] - a[i] along `axis`, of a with `prepend` before it and `append` behind it."""
def divide(a: Operand, b: Operand) -> Tensor:
    """y = a / b"""
def dot(a: Operand, b: Operand) -> Tensor:
    """y = a · b"""
def dropout(x: Operand, p: Operand = 0.5, training: bool = True, *, rng: np.random.Generator | None = None, mask: Operand | None = None) -> Tensor:
    """y = x / (1 - p) where `mask` holds, 0 elsewhere; in expectation x"""
def dsplit(ary: Operand, indices_or_sections: Any) -> list[Tensor]:
    """The parts along the third axis, as `split` has them."""
def dstack(tup: Iterable[Operand]) -> Tensor:
    """The arrays one behind the other, along the third axis; a vector (n) is (1, n, 1)."""
def ediff1d(ary: Operand, to_end: Any = None, to_begin: Any = None) -> Tensor:
    """The differences of all entries in a row, behind to_begin and before to_end."""
def eigh(a: Operand, UPLO: str = "L") -> Tensor:
    """The pair (eigenvalues, eigenvectors) of a symmetric matrix: ascending, and the columns of a matrix."""
def eigvalsh(a: Operand, UPLO: str = "L") -> Tensor:
    """The eigenvalues of a symmetric matrix, ascending. Equal ones have the derivatives that their sums determine."""
def einsum(*operands: Any, optimize: bool = False) -> Tensor:
    """y = Σ x · x' · ..., over the indices that `subscripts` does not name after the arrow"""
def elu(x: Operand, alpha: float = 1.0) -> Tensor:
    """y = x if x > 0 else alpha * (eˣ - 1)"""
def embedding(indices: Operand, weight: Operand, padding_idx: Any = None) -> Tensor:
    """y = weight[indices]: the rows of a table (m, d) that integers of any shape name"""
def equal(a: Operand, b: Operand) -> Tensor:
    """y = a == b, without a derivative"""
def erf(x: Operand) -> Tensor:
    """y = 2/√π ∫ exp(-t²) dt from 0 to x"""
def erfc(x: Operand) -> Tensor:
    """y = 1 - erf x, exact where that is small"""
def exp(x: Operand) -> Tensor:
    """y = eˣ"""
def exp2(x: Operand) -> Tensor:
    """y = 2ˣ"""
def expand_dims(x: Operand, axis: int | Sequence[int] | None) -> Tensor:
    """y = x with axes of length 1 inserted"""
def expm1(x: Operand) -> Tensor:
    """y = eˣ - 1, exact for small x"""
def extract(condition: Any, arr: Operand) -> Tensor:
    """The vector of the entries of arr for which condition, an array of its size, holds."""
def flatten(x: Operand, order: str = "C") -> Tensor:
    """y = the entries of x in one axis: row by row, or column by column if order is 'F'"""
def flip(x: Operand, axis: int | Sequence[int] | None = None) -> Tensor:
    """y = x with its entries in the opposite order along `axis`; along all axes by default"""
def fliplr(m: Operand) -> Tensor:
    """m with left and right exchanged: flipped along its second axis."""
def flipud(m: Operand) -> Tensor:
    """m upside down: flipped along its first axis."""
def floor(x: Operand) -> Tensor:
    """y = ⌊x⌋, the largest whole number that is not above x, without a derivative"""
def floor_divide(a: Operand, b: Operand) -> Tensor:
    """y = ⌊a / b⌋, without a derivative"""
def fmax(a: Operand, b: Operand) -> Tensor:
    """y = the larger of a and b, or the one that is not nan; at a tie the derivative is that of a, as in torch"""
def fmin(a: Operand, b: Operand) -> Tensor:
    """y = the smaller of a and b, or the one that is not nan; at a tie the derivative is that of a, as in torch"""
def fmod(a: Operand, b: Operand) -> Tensor:
    """y = a - b trunc(a / b), which has the sign of a, as C has it"""
def full_like(a: Operand, fill_value: Any, dtype: npt.DTypeLike | None = None, *, shape: int | Sequence[int] | None = None) -> Tensor:
    """fill_value in the shape and dtype of a."""
def gelu(x: Operand, approximate: str = "none") -> Tensor:
    """y = x Φ(x), where Φ is the distribution function of the normal distribution"""
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: npt.DTypeLike | None = None, axis: int | Sequence[int] | None = 0) -> Tensor:
    """`num` numbers from start to stop, of one sign, each the same multiple of the one before."""
def getitem(x: Operand, *index: Any) -> Tensor:
    """y = x[index]"""
def gradient(f: Any, *varargs: Any, axis: int | Sequence[int] | None = None, edge_order: int = 1) -> Tensor:
    """Along each axis, or those of `axis`, the slope of the samples f: a tuple if there are several."""
def greater(a: Operand, b: Operand) -> Tensor:
    """y = a > b, without a derivative"""
def greater_equal(a: Operand, b: Operand) -> Tensor:
    """y = a >= b, without a derivative"""
def group_norm(input: Operand, num_groups: int, weight: Operand | None = None, bias: Operand | None = None, eps: float = 1e-05) -> Tensor:
    """y = (x - mean) / √(variance + eps) * weight + bias, each group of channels of each sample by itself"""
def hardtanh(x: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """y = x, raised to min_val and lowered to max_val; the derivative is 0 outside of them and at both, as in torch"""
def heaviside(x: Operand, h: Operand) -> Tensor:
    """y = 0 where x < 0, 1 where x > 0, and h where x is 0; to x there is no derivative"""
def hinge_embedding_loss(input: Operand, target: Operand, margin: float = 1.0, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ l / N, where l is the input (a distance) if the target is 1, and max(margin - input, 0) if it is -1"""
def hsplit(ary: Operand, indices_or_sections: Any) -> list[Tensor]:
    """The parts along the second axis, of a vector along its only one, as `split` has them."""
def hstack(tup: Iterable[Operand]) -> Tensor:
    """The arrays side by side, along the second axis; of vectors along the first."""
def huber_loss(input: Operand, target: Operand, reduction: Literal["mean", "sum", "none"] = "mean", delta: float = 1.0) -> Tensor:
    """L = Σ h(input - target) / N, the mean over all N entries"""
def hypot(a: Operand, b: Operand) -> Tensor:
    """y = √(a² + b²), without an overflow on the way; with the derivative nan at the origin"""
def inner(a: Operand, b: Operand) -> Tensor:
    """Σ over the last axis of both, for each pair of the other entries; a number multiplies."""
def insert(arr: Operand, obj: Any, values: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """arr with values put in before the positions obj along an axis; flattened first by default."""
def instance_norm(input: Operand, running_mean: Any = None, running_var: Any = None, weight: Operand | None = None, bias: Operand | None = None, use_input_stats: bool = True, momentum: float | None = 0.1, eps: float = 1e-05) -> Tensor:
    """y = (x - mean) / √(variance + eps) * weight + bias, each channel of each sample by itself"""
def interp(x: Operand, xp: Operand, fp: Operand, left: Any = None, right: Any = None, *, period: Any = None) -> Tensor:
    """The polygon through the points (xp, fp), at x; beyond its ends left and right, the end points by default."""
def inv(x: Operand) -> Tensor:
    """y = x⁻¹, for each matrix"""
def invert(x: Operand) -> Tensor:
    """y = ~x, for masks and integers, without a derivative"""
def isfinite(x: Operand) -> Tensor:
    """y = whether x is neither nan nor infinite, without a derivative"""
def isinf(x: Operand) -> Tensor:
    """y = whether x is infinite, without a derivative"""
def isnan(x: Operand) -> Tensor:
    """y = whether x is nan, without a derivative"""
def kl_div(input: Operand, target: Operand, *, reduction: Literal["mean", "sum", "none", "batchmean"] = "mean", log_target: bool = False) -> Tensor:
    """L = Σ target (ln target - input) / N for log-probabilities `input`: the divergence of it from the target"""
def kron(a: Operand, b: Operand) -> Tensor:
    """Kronecker's product: every entry of a times all of b, in blocks."""
def l1_loss(input: Operand, target: Operand, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ |input - target| / N, the mean over all N entries"""
def layer_norm(input: Operand, normalized_shape: int | Sequence[int], weight: Operand | None = None, bias: Operand | None = None, eps: float = 1e-05) -> Tensor:
    """y = (x - mean) / √(variance + eps) * weight + bias, each sample by itself"""
def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Tensor:
    """y = x if x > 0 else negative_slope * x"""
def less(a: Operand, b: Operand) -> Tensor:
    """y = a < b, without a derivative"""
def less_equal(a: Operand, b: Operand) -> Tensor:
    """y = a <= b, without a derivative"""
def linear(x: Operand, W: Operand, b: Operand | None = None) -> Tensor:
    """y = x @ W + b"""
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: npt.DTypeLike | None = None, axis: int | Sequence[int] | None = 0) -> Tensor:
    """`num` numbers from start to stop at equal distances, along a new axis; the last is stop, if `endpoint`."""
def log(x: Operand) -> Tensor:
    """y = ln x"""
def log10(x: Operand) -> Tensor:
    """y = log₁₀ x"""
def log1p(x: Operand) -> Tensor:
    """y = ln(1 + x), exact for small x"""
def log2(x: Operand) -> Tensor:
    """y = log₂ x"""
@overload
def log_softmax(x: Operand, axis: int | Sequence[int] | None = -1) -> Tensor:
    """y = x - ln Σ eˣ along `axis`, which torch calls dim"""
@overload
def log_softmax(x: Operand, dim: int | Sequence[int] | None = -1) -> Tensor:
    """y = x - ln Σ eˣ along `axis`, which torch calls dim"""
def logaddexp(a: Operand, b: Operand) -> Tensor:
    """y = ln(eᵃ + eᵇ), where the exponentials may be too large for a float"""
def logaddexp2(a: Operand, b: Operand) -> Tensor:
    """y = log₂(2ᵃ + 2ᵇ), where the powers may be too large for a float"""
def logical_and(a: Operand, b: Operand) -> Tensor:
    """y = a and b, entry by entry, without a derivative"""
def logical_not(x: Operand) -> Tensor:
    """y = not x, entry by entry, without a derivative"""
def logical_or(a: Operand, b: Operand) -> Tensor:
    """y = a or b, entry by entry, without a derivative"""
def logical_xor(a: Operand, b: Operand) -> Tensor:
    """y = a or b, but not both, entry by entry, without a derivative"""
def logsigmoid(x: Operand) -> Tensor:
    """y = ln(1 / (1 + e⁻ˣ))"""
def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10.0, dtype: npt.DTypeLike | None = None, axis: int | Sequence[int] | None = 0) -> Tensor:
    """The powers of the base whose exponents are those of `linspace`."""
def logsumexp(x: Operand, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """y = ln Σ eˣ, where eˣ may be too large for a float: the largest x is taken out before"""
def lstsq(a: Operand, b: Operand, rcond: Any = None) -> Tensor:
    """The x of least length with the least |a x - b|², the sums of these squares, and a's rank and singular values."""
def margin_ranking_loss(input1: Operand, input2: Operand, target: Operand, margin: float = 0, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ max(margin - target (input1 - input2), 0) / N: a target of 1 says that input1 is to be larger, -1 input2"""
def matmul(a: Operand, b: Operand) -> Tensor:
    """y = a @ b"""
def matrix_norm(x: Operand, *, keepdims: bool = False, ord: str = "fro") -> Tensor:
    """The norm of each matrix."""
def matrix_power(a: Operand, n: Any) -> Tensor:
    """aⁿ for each square matrix, by repeated squaring; of a⁻¹ where n is negative."""
def matrix_transpose(x: Operand) -> Tensor:
    """y = x with its last two axes exchanged: one transposed matrix for each"""
def matvec(x1: Any, x2: Any) -> Tensor:
    """Each matrix times its vector: (..., m, n) and (..., n) give (..., m)."""
def max(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """y = max x; the entries that share it share its derivative evenly, as in torch.amax"""
def max_pool1d(input: Operand, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] | str = 0, dilation: int | Sequence[int] = 1, ceil_mode: bool = False) -> Tensor:
    """y = the largest entry of each window of (n, c, l) or (c, l); of several, the derivative goes to the first"""
def max_pool2d(input: Operand, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] | str = 0, dilation: int | Sequence[int] = 1, ceil_mode: bool = False) -> Tensor:
    """y = the largest entry of each window of (n, c, h, w) or (c, h, w); of several, the derivative goes to the first"""
def maximum(a: Operand, b: Operand) -> Tensor:
    """y = max(a, b), the larger of two; a tie is split in halves, as in torch"""
def mean(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False, where: Operand = True) -> Tensor:
    """y = Σ x / n"""
def median(a: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Tensor:
    """The entry in the middle, or the mean of the two there."""
def meshgrid(*xi: Operand, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of all points of a grid: a tuple with an array for each of the vectors xi."""
def min(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """y = min x; the entries that share it share its derivative evenly, as in torch.amin"""
def minimum(a: Operand, b: Operand) -> Tensor:
    """y = min(a, b), the smaller of two; a tie is split in halves, as in torch"""
def mish(x: Operand) -> Tensor:
    """y = x tanh(ln(1 + eˣ))"""
def moveaxis(a: Operand, source: Any, destination: Any) -> Tensor:
    """a with the axes `source` at the places `destination`, and the others in the order they had."""
def mse_loss(input: Operand, target: Operand, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ (input - target)² / N, the mean over all N entries"""
def multi_dot(arrays: Iterable[Operand]) -> Tensor:
    """The product of vectors and matrices, from left to right; the first and the last may be vectors."""
def multi_margin_loss(input: Operand, target: Operand, p: Operand = 1, margin: float = 1.0, weight: Operand | None = None, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ w[t] max(margin - input[i, t] + input[i, j], 0)ᵖ / (n c) with t = target[i], over all i and all j but t"""
def multiply(a: Operand, b: Operand) -> Tensor:
    """y = a * b"""
def nan_to_num(x: Operand, *, nan: float = 0.0, posinf: None | float = None, neginf: None | float = None) -> Tensor:
    """y = x, with `nan`, `posinf` and `neginf` in the place of what is not finite; there the derivative is 0"""
def nancumprod(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None) -> Tensor:
    """The products of what is not nan, up to each entry."""
def nancumsum(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None) -> Tensor:
    """The sums of what is not nan, up to each entry."""
def nanmax(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """y = max x of what is not nan; of nothing nan"""
def nanmean(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False, where: Operand = True) -> Tensor:
    """The mean of what is not nan; nan of nothing."""
def nanmedian(a: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Tensor:
    """The median of what is not nan; nan of nothing."""
def nanmin(x: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """y = min x of what is not nan; of nothing nan"""
def nanpercentile(a: Operand, q: Any, axis: int | Sequence[int] | None = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The percentile of what is not nan; nan of nothing."""
def nanprod(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """The product of what is not nan; 1 of nothing."""
def nanquantile(a: Operand, q: Any, axis: int | Sequence[int] | None = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The quantile of what is not nan; nan of nothing."""
def nanstd(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, ddof: int = 0, keepdims: bool = False, where: Operand = True, mean: Any = None, correction: Any = None) -> Tensor:
    """The standard deviation of what is not nan."""
def nansum(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """The sum of what is not nan; 0 of nothing."""
def nanvar(a: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, ddof: int = 0, keepdims: bool = False, where: Operand = True, mean: Any = None, correction: Any = None) -> Tensor:
    """The variance of what is not nan."""
def negative(x: Operand) -> Tensor:
    """y = -x"""
def nll_loss(input: Operand, target: Operand, weight: Operand | None = None, *, ignore_index: int = -100, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = -Σ w[t] input[i, t] / Σ w[t] with t = target[i]: the mean of the negative log-likelihoods"""
def norm(x: Operand, ord: Any = None, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
    """y = √Σ x², the Euclidean length"""
def not_equal(a: Operand, b: Operand) -> Tensor:
    """y = a != b, without a derivative"""
def outer(a: Operand, b: Operand) -> Tensor:
    """y = a bᵀ, every entry of a times every entry of b, of shape (a.size, b.size)"""
def pad(x: Operand, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Tensor:
    """y = x within a margin of `constant_values`, or of entries of x where mode says so"""
def partition(a: Operand, kth: Any, axis: int | Sequence[int] | None = -1, kind: str = "introselect") -> Tensor:
    """The entries along `axis` with the kth, or each of several, in its place, none larger before and none less behind."""
def percentile(a: Operand, q: Any, axis: int | Sequence[int] | None = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The quantile of q hundredths."""
def piecewise(x: Operand, condlist: Iterable[Operand], funclist: Any, *args: Operand, **kw: Any) -> Tensor:
    """Each function (or number) of funclist at the entries of x where its condition holds, and only there."""
def pinv(x: Operand, rcond: None | float = None) -> Tensor:
    """y = x⁺, the pseudoinverse (Moore and Penrose) of each matrix"""
def pixel_shuffle(input: Operand, upscale_factor: int) -> Tensor:
    """y[..., c, r h + i, r w + j] = input[..., c r² + i r + j, h, w] with r = upscale_factor: channels become pixels"""
def pixel_unshuffle(input: Operand, downscale_factor: int) -> Tensor:
    """y[..., c r² + i r + j, h, w] = input[..., c, r h + i, r w + j] with r = downscale_factor: pixels become channels"""
def polyfit(x: Operand, y: Any, deg: Any, rcond: Any = None, *, w: Any = None) -> Tensor:
    """The coefficients, the highest power first, of the polynomial of degree `deg` with the least squares at (x, y)."""
def polyval(p: Operand, x: Operand) -> Tensor:
    """p[0] xⁿ⁻¹ + ... + p[n-1], by Horner's scheme."""
def positive(x: Operand) -> Tensor:
    """y = +x, the same value as a node of its own"""
def power(a: Operand, b: Operand) -> Tensor:
    """y = a ** b"""
def prod(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """y = Π x"""
def ptp(a: Operand, axis: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Tensor:
    """The largest entry less the smallest."""
def put_along_axis(arr: Operand, indices: Any, values: Any, axis: int | Sequence[int] | None) -> Tensor:
    """arr with values[..., j, ...] at the position indices[..., j, ...] along `axis`: a new tensor."""
def qr(a: Operand, mode: str = "reduced") -> Tensor:
    """The pair (Q, R) with a = Q R, orthonormal columns and an upper triangle; with mode="r" R alone."""
def quantile(a: Operand, q: Any, axis: int | Sequence[int] | None = None, *, method: str = "linear", keepdims: bool = False) -> Tensor:
    """The entry that so large a part q of all is below; between two, on the line from the one to the other."""
def rad2deg(x: Operand) -> Tensor:
    """y = 180 x / π"""
def ravel(x: Operand, order: str = "C") -> Tensor:
    """y = the entries of x in one axis: row by row, or column by column if order is 'F'"""
def reciprocal(x: Operand) -> Tensor:
    """y = 1 / x"""
def relu(x: Operand) -> Tensor:
    """y = max(x, 0), with the derivative 0 at 0"""
def remainder(a: Operand, b: Operand) -> Tensor:
    """y = a % b, that is a - b ⌊a / b⌋, which has the sign of b"""
def repeat(x: Operand, repeats: int | Sequence[int] | Array, axis: int | Sequence[int] | None = None) -> Tensor:
    """y = x with each entry along `axis` repeated, so many times or each its own number of times; flattened by default"""
def reshape(x: Operand, *sizes: int | Sequence[int], shape: int | Sequence[int] | None = None, order: str = "C") -> Tensor:
    """y = x in another shape; one length may be -1"""
def resize(a: Operand, new_shape: int | Sequence[int]) -> Tensor:
    """The entries of a in any other shape: row by row, from the start again when they come to an end."""
def rint(x: Operand) -> Tensor:
    """y = the whole number that is nearest to x; of two the even one, without a derivative"""
def rms_norm(input: Operand, normalized_shape: int | Sequence[int], weight: Operand | None = None, eps: None | float = None) -> Tensor:
    """y = x / √(mean of x² + eps) * weight, each sample by itself"""
def roll(x: Operand, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Tensor:
    """y = x with its entries moved on by `shift` along `axis`, those at the end to the start; flattened by default"""
def rollaxis(a: Operand, axis: int | Sequence[int] | None, start: int = 0) -> Tensor:
    """a with one axis moved to lie before the axis `start`."""
def rot90(m: Operand, k: int = 1, axes: int | Sequence[int] | None = ...) -> Tensor:
    """m turned k times by 90 degrees, from the first of two axes towards the second."""
def round(x: Operand, decimals: int = 0) -> Tensor:
    """y = x, rounded to so many decimals, half to even, without a derivative"""
def scaled_dot_product_attention(query: Operand, key: Operand, value: Operand, attn_mask: Operand | None = None, dropout_p: float = 0.0, is_causal: bool = False, *, scale: None | float = None, rng: np.random.Generator | None = None) -> Tensor:
    """y = softmax(query @ key.mT * scale) @ value, the softmax along the keys"""
def searchsorted(a: Operand, v: Operand, side: str = "left") -> Tensor:
    """y = for each entry of v, before how many entries of the ascending vector a it belongs, without a derivative"""
def select(condlist: Iterable[Operand], choicelist: Iterable[Operand], default: Operand = 0) -> Tensor:
    """Entry by entry the choice whose condition is the first to hold; the default where none does."""
def sigmoid(x: Operand) -> Tensor:
    """y = 1 / (1 + e⁻ˣ)"""
def sign(x: Operand) -> Tensor:
    """y = -1, 0 or 1, without a derivative"""
def signbit(x: Operand) -> Tensor:
    """y = whether the sign of x is negative, that of -0.0 too, without a derivative"""
def silu(x: Operand) -> Tensor:
    """y = x / (1 + e⁻ˣ)"""
def sin(x: Operand) -> Tensor:
    """y = sin x"""
def sinc(x: Operand) -> Tensor:
    """y = sin πx / πx, and 1 at 0"""
def sinh(x: Operand) -> Tensor:
    """y = sinh x"""
def sliding_window_view(x: Operand, window_shape: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """All windows of this shape, over all axes of x or over these: first where a window begins, then what is in it."""
def slogdet(a: Operand) -> Tensor:
    """The pair (sign, logabsdet) with det a = sign · exp(logabsdet); the sign has no derivative."""
def smooth_l1_loss(input: Operand, target: Operand, *, reduction: Literal["mean", "sum", "none"] = "mean", beta: float = 1.0) -> Tensor:
    """L = Σ h(input - target) / N, the mean over all N entries"""
def soft_margin_loss(input: Operand, target: Operand, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ ln(1 + exp(-target input)) / N for targets 1 and -1, the mean over all N entries"""
@overload
def softmax(x: Operand, axis: int | Sequence[int] | None = -1) -> Tensor:
    """y = eˣ / Σ eˣ along `axis`, which torch calls dim"""
@overload
def softmax(x: Operand, dim: int | Sequence[int] | None = -1) -> Tensor:
    """y = eˣ / Σ eˣ along `axis`, which torch calls dim"""
def softplus(x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """y = ln(1 + exp(beta * x)) / beta, a smooth relu"""
def softsign(x: Operand) -> Tensor:
    """y = x / (1 + |x|)"""
def solve(a: Operand, b: Operand) -> Tensor:
    """y = a⁻¹ b, for each matrix; b has columns, and is a vector where it has one axis"""
def sort(a: Operand, axis: int | Sequence[int] | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    """The entries along `axis` from the least to the largest; of the flattened a if that is None."""
def split(ary: Operand, indices_or_sections: Any, axis: int | Sequence[int] | None = 0) -> list[Tensor]:
    """The list of the parts of ary along `axis`: so many equal ones, or cut before each of these positions."""
def sqrt(x: Operand) -> Tensor:
    """y = √x, with the derivative inf at 0"""
def square(x: Operand) -> Tensor:
    """y = x * x"""
def squeeze(x: Operand, axis: int | Sequence[int] | None = None) -> Tensor:
    """y = x without axes of length 1: all of them, or those that `axis` names"""
def stack(arrays: Iterable[Operand], axis: int | Sequence[int] | None = 0) -> Tensor:
    """y = the arrays of a sequence, all of one shape, one behind the other along a new axis"""
@overload
def std(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, ddof: int = 0, keepdims: bool = False, where: Operand = True, mean: Any = None) -> Tensor:
    """y = √var x; where that is 0 its derivative is 0, too, and there is no second one"""
@overload
def std(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, correction: int = 0, keepdims: bool = False, where: Operand = True, mean: Any = None) -> Tensor:
    """y = √var x; where that is 0 its derivative is 0, too, and there is no second one"""
def subtract(a: Operand, b: Operand) -> Tensor:
    """y = a - b"""
def sum(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False, initial: Any = None, where: Operand = True) -> Tensor:
    """y = Σ x"""
def svd(a: Operand, full_matrices: bool = True, compute_uv: bool = True) -> Tensor:
    """The triple (U, S, Vh) with a = U diag(S) Vh, S descending; with compute_uv=False S alone."""
def svdvals(x: Operand) -> Tensor:
    """The singular values of each matrix, descending."""
def swapaxes(x: Operand, axis1: int, axis2: int) -> Tensor:
    """y = x with two axes exchanged"""
def take(a: Operand, indices: Any, axis: int | Sequence[int] | None = None, *, mode: str = "raise") -> Tensor:
    """The entries of a at indices along `axis`, of the flattened a by default."""
def take_along_axis(x: Operand, indices: Operand, axis: int | Sequence[int] | None = -1) -> Tensor:
    """y[..., j, ...] = x[..., indices[..., j, ...], ...] along `axis`, where all other positions are the same"""
def tan(x: Operand) -> Tensor:
    """y = tan x"""
def tanh(x: Operand) -> Tensor:
    """y = tanh x"""
def tensordot(a: Operand, b: Operand, axes: int | Sequence[int] | None = 2) -> Tensor:
    """Σ over pairs of axes: the last `axes` of a with the first of b, or those that two lists name."""
def tile(A: Operand, reps: int | Sequence[int]) -> Tensor:
    """A as often as reps says along each axis, one copy behind the other."""
def trace(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal."""
def transpose(x: Operand, *order: int | Sequence[int], axes: int | Sequence[int] | None = None) -> Tensor:
    """y = x with its axes in another order; all reversed by default"""
def trapezoid(y: Any, x: Operand | None = None, dx: float = 1.0, axis: int | Sequence[int] | None = -1) -> Tensor:
    """∫ y dx by the trapezoidal rule, along `axis`; the samples stand at x, or at distances dx."""
def tril(x: Operand, k: int = 0) -> Tensor:
    """y = x below and on its k-th diagonal, 0 above; for each matrix"""
def triplet_margin_loss(anchor: Operand, positive: Operand, negative: Operand, margin: float = 1.0, p: Operand = 2, eps: float = 1e-06, swap: bool = False, *, reduction: Literal["mean", "sum", "none"] = "mean") -> Tensor:
    """L = Σ max(d(anchor, positive) - d(anchor, negative) + margin, 0) / N, the mean over N triplets of vectors"""
def triu(x: Operand, k: int = 0) -> Tensor:
    """y = x above and on its k-th diagonal, 0 below; for each matrix"""
def trunc(x: Operand) -> Tensor:
    """y = x without the digits behind the point, without a derivative"""
def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: int | Sequence[int] | None = None, *, equal_nan: bool = True) -> Tensor:
    """The entries of ar that differ, in order, or the slices along `axis`; a tuple of these and whatever is asked for."""
def unstack(x: Operand, *, axis: int | Sequence[int] | None = 0) -> tuple[Tensor, ...]:
    """The tuple of the parts of x, one for each position along `axis`, without that axis."""
def unwrap(p: Operand, discont: Any = None, axis: int | Sequence[int] | None = -1, *, period: float = 6.283185307179586) -> Tensor:
    """p without jumps along `axis`: where a step is larger than discont, multiples of the period make it the least."""
def vander(x: Operand, N: Any = None, increasing: bool = False) -> Tensor:
    """The powers of a vector as columns, N of them, the highest first unless `increasing`."""
@overload
def var(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, ddof: int = 0, keepdims: bool = False, where: Operand = True, mean: Any = None) -> Tensor:
    """y = Σ (x - mean x)² / (n - ddof)"""
@overload
def var(x: Operand, axis: int | Sequence[int] | None = None, dtype: npt.DTypeLike | None = None, *, correction: int = 0, keepdims: bool = False, where: Operand = True, mean: Any = None) -> Tensor:
    """y = Σ (x - mean x)² / (n - ddof)"""
def vdot(a: Operand, b: Operand) -> Tensor:
    """Σ a b over all entries, of arrays of the same size."""
def vecdot(x1: Any, x2: Any, *, axis: int | Sequence[int] | None = -1) -> Tensor:
    """Σ x1 x2 along one axis, where the others broadcast."""
def vecmat(x1: Any, x2: Any) -> Tensor:
    """Each vector times its matrix: (..., m) and (..., m, n) give (..., n)."""
def vector_norm(x: Operand, *, axis: int | Sequence[int] | None = None, keepdims: bool = False, ord: int = 2) -> Tensor:
    """The norm of all entries, or along axes, as those of one vector."""
def vsplit(ary: Operand, indices_or_sections: Any) -> list[Tensor]:
    """The parts along the first axis, as `split` has them."""
def vstack(tup: Iterable[Operand]) -> Tensor:
    """The arrays one below the other, along the first axis; a vector is a row."""
@overload
def where(condition: Operand) -> tuple[npt.NDArray[np.intp], ...]:
    """y = a where condition holds, b elsewhere; of a condition alone, the positions where it holds, off the tape"""
@overload
def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """y = a where condition holds, b elsewhere; of a condition alone, the positions where it holds, off the tape"""
