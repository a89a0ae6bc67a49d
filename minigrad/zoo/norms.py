"""Softmax, normalisations and distances: what is reduced comes back to every entry."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import right, wrong


@right("(n,d),(d),(d)->(n,d)")
class BatchNorm(Function):
    "y = (x - mean) / √(variance + 10⁻³) * gamma + beta, each column by itself"

    def forward(ctx, x, gamma, beta):
        mean = x.mean(0)
        c = x - mean
        var = (c**2).mean(0)
        s = np.sqrt(var + 1e-3)
        n = c / s
        ctx.save_for_backward(c, s, n, gamma)
        return gamma * n + beta

    def backward(ctx, g):
        _, s, n, gamma = ctx.saved_tensors
        u = g * gamma
        return (u - u.mean(0) - n * (u * n).mean(0)) / s, (g * n).sum(0), g.sum(0)


def batch_norm_in_steps(ctx, g, to_mean=1.0, to_var=1.0, gamma=None):
    """The paper's way: first the variance, then the mean."""
    c, s, n, given = ctx.saved_tensors
    u = g * (given if gamma is None else gamma)
    gvar = (u * c * -0.5 / s**3).sum(0) * to_var
    gmean = -(u / s).sum(0) * to_mean
    return u / s + gvar * 2 * c / len(c) + gmean / len(c), (g * n).sum(0), g.sum(0)


@wrong(BatchNorm, "left-out", "x", "mean")
def batch_norm_of_a_constant_mean(ctx, g):
    "The mean moves with x."
    return batch_norm_in_steps(ctx, g, to_mean=0)


@wrong(BatchNorm, "left-out", "x", "var")
def batch_norm_of_a_constant_variance(ctx, g):
    "The variance moves with x."
    return batch_norm_in_steps(ctx, g, to_var=0)


@wrong(BatchNorm, "sign", "x", "mean")
def batch_norm_adds_the_mean(ctx, g):
    "The mean is subtracted, and its gradient has the other sign."
    return batch_norm_in_steps(ctx, g, to_mean=-1)


@wrong(BatchNorm, "power", "x", "var")
def batch_norm_halves_twice(ctx, g):
    "The 1/2 of the square root is there twice."
    return batch_norm_in_steps(ctx, g, to_var=0.5)


@wrong(BatchNorm, "missing-factor", "x", "gamma")
def batch_norm_without_gamma(ctx, g):
    "x is multiplied with gamma, and its gradient is not."
    return batch_norm_in_steps(ctx, g, gamma=1.0)


@wrong(BatchNorm, "wrong-value", "gamma", "n")
def batch_norm_gamma_before_the_division(ctx, g):
    "gamma is multiplied with n, and not with c."
    c, _, _, _ = ctx.saved_tensors
    gx, _, gb = BatchNorm.backward(ctx, g)
    return gx, (g * c).sum(0), gb


@wrong(BatchNorm, "eps", "x", "0.001")
def batch_norm_forgets_eps(ctx, g):
    "Backward computes the deviation anew, without the 10⁻³."
    c, _, _, gamma = ctx.saved_tensors
    s = np.sqrt((c**2).mean(0))
    n, u = c / s, g * gamma
    return (u - u.mean(0) - n * (u * n).mean(0)) / s, (g * n).sum(0), g.sum(0)


@right("(n,d),(d)->(n,d)")
class RMSNorm(Function):
    "y = x r w, with r = 1 / √(mean x² + 10⁻³) in each row"

    def forward(ctx, x, w):
        r = 1 / np.sqrt((x * x).mean(1, keepdims=True) + 1e-3)
        ctx.save_for_backward(x, w, r)
        return x * r * w

    def backward(ctx, g):
        x, w, r = ctx.saved_tensors
        u = g * w
        return r * u - r**3 * x * (u * x).mean(1, keepdims=True), (g * x * r).sum(0)


@wrong(RMSNorm, "left-out", "x", "r")
def rms_norm_of_a_constant_size(ctx, g):
    "r moves with x."
    x, w, r = ctx.saved_tensors
    return r * g * w, (g * x * r).sum(0)


@wrong(RMSNorm, "averaged", "x", "mean")
def rms_norm_sums(ctx, g):
    "A sum where the mean belongs, in the second term."
    x, w, r = ctx.saved_tensors
    u = g * w
    return r * u - r**3 * x * (u * x).sum(1, keepdims=True), (g * x * r).sum(0)


@wrong(RMSNorm, "wrong-value", "w", "r")
def rms_norm_weight_of_the_raw_input(ctx, g):
    "The weight is multiplied with x r, not with x."
    x, _, _ = ctx.saved_tensors
    return RMSNorm.backward(ctx, g)[0], (g * x).sum(0)


@right("(n,c)->(n,c)")
class SoftmaxT(Function):
    "y = softmax(x / 2) in each row"

    def forward(ctx, x):
        z = x / 2.0
        e = np.exp(z - z.max(1, keepdims=True))
        y = e / e.sum(1, keepdims=True)
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(1, keepdims=True)) / 2


@wrong(SoftmaxT, "left-out", "x", "sum")
def softmax_of_a_constant_sum(ctx, g):
    "The denominator moves with every entry of its row."
    (y,) = ctx.saved_tensors
    return g * y / 2


@wrong(SoftmaxT, "averaged", "x", "sum")
def softmax_averages(ctx, g):
    "mean for sum in the second term."
    (y,) = ctx.saved_tensors
    return y * (g - (g * y).mean(1, keepdims=True)) / 2


@wrong(SoftmaxT, "mixed", "x", "axis 0")
def softmax_over_the_batch(ctx, g):
    "Sums over the rows as well."
    (y,) = ctx.saved_tensors
    return y * (g - (g * y).sum()) / 2


@wrong(SoftmaxT, "sign", "x", "sum")
def softmax_adds_the_sum(ctx, g):
    "A plus, where the quotient rule has a minus."
    (y,) = ctx.saved_tensors
    return y * (g + (g * y).sum(1, keepdims=True)) / 2


@right("(n,d),(n,d)->(n)")
class CosineSimilarity(Function):
    "y = a·b / (|a| |b|) in each row"

    def forward(ctx, a, b):
        na = np.sqrt((a * a).sum(1))
        nb = np.sqrt((b * b).sum(1))
        y = (a * b).sum(1) / (na * nb)
        ctx.save_for_backward(a, b, na, nb, y)
        return y

    def backward(ctx, g):
        a, b, na, nb, y = (v if v.ndim == 2 else v[:, None] for v in ctx.saved_tensors)
        g = g[:, None]
        return g * (b / (na * nb) - y * a / na**2), g * (a / (na * nb) - y * b / nb**2)


@wrong(CosineSimilarity, "left-out", "a", "na")
def cosine_of_constant_lengths(ctx, g):
    "The length of a moves with a."
    _, b, na, nb, _ = (v if v.ndim == 2 else v[:, None] for v in ctx.saved_tensors)
    return g[:, None] * b / (na * nb), CosineSimilarity.backward(ctx, g)[1]


@wrong(CosineSimilarity, "wrong-value", "a", "nb")
def cosine_divides_by_one_length(ctx, g):
    "The dot product's term lacks the division by |b|."
    a, b, na, _, y = (v if v.ndim == 2 else v[:, None] for v in ctx.saved_tensors)
    return g[:, None] * (b / na - y * a / na**2), CosineSimilarity.backward(ctx, g)[1]


@right("(n,d),(k,d)->(n,k)")
class RBF(Function):
    "y = exp(-½ |x - c|²) for each row of x and each centre"

    def forward(ctx, x, centres):
        d = x[:, None, :] - centres
        y = np.exp(-0.5 * (d**2).sum(2))
        ctx.save_for_backward(d, y)
        return y

    def backward(ctx, g):
        d, y = ctx.saved_tensors
        gd = -(g * y)[:, :, None] * d
        return gd.sum(1), -gd.sum(0)


@wrong(RBF, "sign", "centres", "")
def rbf_centres_like_x(ctx, g):
    "The centres are subtracted."
    d, y = ctx.saved_tensors
    gd = -(g * y)[:, :, None] * d
    return gd.sum(1), gd.sum(0)


@wrong(RBF, "missing-factor", "x", "exp")
def rbf_without_the_exponential(ctx, g):
    "The derivative of exp is exp itself."
    d, y = ctx.saved_tensors
    gd = -g[:, :, None] * d
    return gd.sum(1), (g * y)[:, :, None].repeat(d.shape[2], 2).__mul__(d).sum(0)


@right("(n,c)->(n)")
class LogSumExp2(Function):
    "y = ln Σ eˣ in each row, without a shift"

    def forward(ctx, x):
        e = np.exp(x)
        s = e.sum(1)
        ctx.save_for_backward(e, s)
        return np.log(s)

    def backward(ctx, g):
        e, s = ctx.saved_tensors
        return (g / s)[:, None] * e


@wrong(LogSumExp2, "missing-factor", "x", "log")
def logsumexp_without_the_log(ctx, g):
    "1 / s, the derivative of the logarithm, is missing."
    e, _ = ctx.saved_tensors
    return g[:, None] * e


@wrong(LogSumExp2, "missing-factor", "x", "exp")
def logsumexp_without_the_exponential(ctx, g):
    "The derivative of exp is missing."
    e, s = ctx.saved_tensors
    return (g / s)[:, None] * np.ones_like(e)


@right("(n,c)->(n,c)")
class Standardise(Function):
    "y = (x - mean) / σ over all entries, with n - 1"

    def forward(ctx, x):
        c = x - x.mean()
        s = np.sqrt((c * c).sum() / (x.size - 1))
        ctx.save_for_backward(c, s)
        return c / s

    def backward(ctx, g):
        c, s = ctx.saved_tensors
        y = c / s
        return (g - g.mean() - y * (g * y).sum() / (c.size - 1)) / s


@wrong(Standardise, "counted", "x", "")
def standardise_divides_by_n(ctx, g):
    "n, where forward has n - 1."
    c, s = ctx.saved_tensors
    y = c / s
    return (g - g.mean() - y * (g * y).sum() / c.size) / s


@wrong(Standardise, "left-out", "x", "mean")
def standardise_of_a_constant_mean(ctx, g):
    "The mean moves with x."
    c, s = ctx.saved_tensors
    y = c / s
    return (g - y * (g * y).sum() / (c.size - 1)) / s
