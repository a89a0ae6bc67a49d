"""Sums, means, extremes, and what moves entries about."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import POSITIVE, also_right, right, wrong


@right("(n,d)->()")
class Sum(Function):
    "y = Σ x"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sum()

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * np.ones_like(x)


@wrong(Sum, "shape", "x")
def sum_hands_on_a_number(ctx, g):
    "Every entry has the gradient g, so it returns g: one number for an array."
    return g * 1


@right("(n,d)->(d)")
class ColumnMean(Function):
    "y = the mean over the rows"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mean(0)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / len(x) * np.ones_like(x)


@wrong(ColumnMean, "factor", "x")
def mean_forgets_the_count(ctx, g):
    "The derivative of the sum."
    (x,) = ctx.saved_tensors
    return g * np.ones_like(x)


@wrong(ColumnMean, "region", "x")
def mean_loop_starts_at_one(ctx, g):
    "A loop over the rows that leaves out the first."
    (x,) = ctx.saved_tensors
    gx = np.zeros_like(x)
    for i in range(1, len(x)):
        gx[i] = g / len(x)
    return gx


@right("(n,d)->(d)")
class Variance(Function):
    "y = Σ (x - mean)² / n over the rows"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return ((x - x.mean(0)) ** 2).mean(0)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 / len(x) * (x - x.mean(0)) * g


@wrong(Variance, "bessel", "x")
def variance_with_n_minus_one(ctx, g):
    "Divides by n - 1, and forward by n."
    (x,) = ctx.saved_tensors
    return 2 / max(len(x) - 1, 1) * (x - x.mean(0)) * g


@right("(n,d)->(d)")
class ColumnProduct(Function):
    "y = the product over the rows"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.prod(0)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        before, after = np.ones_like(x), np.ones_like(x)
        before[1:], after[:-1] = x[:-1].cumprod(0), x[:0:-1].cumprod(0)[::-1]
        return g * before * after


@wrong(ColumnProduct, "region", "x")
def product_divides_by_zero(ctx, g):
    "y / x is the product of the others, unless x is 0."
    (x,) = ctx.saved_tensors
    with np.errstate(all="ignore"):
        return g * x.prod(0) / x


@right("(n,d)->()", x=POSITIVE)
class Norm(Function):
    "y = √ Σ x², away from 0"

    def forward(ctx, x):
        y = np.sqrt((x**2).sum())
        ctx.save_for_backward(x, y)
        return y

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * x / y


@wrong(Norm, "second-order", "x")
def norm_detached(ctx, g):
    "Detaches what it saved: right, but to the tape it is a constant, and so the second derivative is wrong."
    x, y = (value.detach() if hasattr(value, "detach") else value for value in ctx.saved_tensors)
    return g * x / y


@right("(n,d)->()")
class Largest(Function):
    "y = the largest entry; of several, the derivative goes to the first"

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.max()

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        gx = np.zeros(x.shape, x.dtype)
        gx[np.unravel_index(x.argmax(), x.shape)] = g
        return gx


@wrong(Largest, "layout", "x")
def largest_writes_into_a_copy(ctx, g):
    "reshape(-1) of zeros_like(x) is a view if x is row by row in memory, and else a copy that is thrown away."
    (x,) = ctx.saved_tensors
    gx = np.zeros_like(x)
    gx.reshape(-1)[x.argmax()] = g
    return gx


@right("(n,d)->(d,n)")
class Transpose(Function):
    "y = xᵀ"

    def forward(ctx, x):
        return x.T

    def backward(ctx, g):
        return g.T


@wrong(Transpose, "transposed", "x")
def transpose_stays_transposed(ctx, g):
    "Moving entries about has a derivative: moving them back."
    return g * 1


@wrong(Transpose, "transposed", "x")
def transpose_by_reshape(ctx, g):
    "reshape gives the right shape, and leaves the entries in the order they had."
    return g.reshape(g.shape[::-1])


also_right(
    "largest_of_equals", Largest, "Of equal entries one may have it all.", np.array([[2.0, 1.0, 2.0], [0.0, 2.0, -1.0]])
)
