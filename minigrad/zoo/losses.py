"""Losses: one number, and everything that it depends on."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import POSITIVE, right, wrong

UNIT = 0.0, 1.0


@right("(n),(n)->()", p=UNIT, t=UNIT)
class BinaryCrossEntropy(Function):
    "L = -mean(t ln p + (1 - t) ln(1 - p))"

    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()

    def backward(ctx, g):
        p, t = ctx.saved_tensors
        return g * (p - t) / (p * (1 - p)) / len(p), -g * (np.log(p) - np.log(1 - p)) / len(p)


@wrong(BinaryCrossEntropy, "left-out", "p", "log(1 - p)")
def bce_has_one_half(ctx, g):
    "The term of the negatives is left out."
    p, t = ctx.saved_tensors
    return -g * t / p / len(p), BinaryCrossEntropy.backward(ctx, g)[1]


@wrong(BinaryCrossEntropy, "sign", "p", "1 - p")
def bce_forgets_the_inner_minus(ctx, g):
    "The derivative of 1 - p is -1."
    p, t = ctx.saved_tensors
    return -g * (t / p + (1 - t) / (1 - p)) / len(p), BinaryCrossEntropy.backward(ctx, g)[1]


@wrong(BinaryCrossEntropy, "left-out", "t", "1 - t")
def bce_target_has_one_half(ctx, g):
    "1 - t depends on t, too."
    p, _ = ctx.saved_tensors
    return BinaryCrossEntropy.backward(ctx, g)[0], -g * np.log(p) / len(p)


@right("(n,d),(d),(n)->()")
class Ridge(Function):
    "L = mean (x w - y)² + 0.1 |w|²"

    def forward(ctx, x, w, y):
        e = x @ w - y
        ctx.save_for_backward(x, w, e)
        return (e**2).mean() + 0.1 * (w**2).sum()

    def backward(ctx, g):
        x, w, e = ctx.saved_tensors
        d = 2 * g * e / len(e)
        return np.outer(d, w), x.T @ d + 0.2 * g * w, -d


@wrong(Ridge, "left-out", "w", "w**2")
def ridge_without_the_penalty(ctx, g):
    "The penalty is in the loss only."
    x, w, e = ctx.saved_tensors
    d = 2 * g * e / len(e)
    return np.outer(d, w), x.T @ d, -d


@wrong(Ridge, "power", "w", "w**2")
def ridge_penalty_without_the_two(ctx, g):
    "The 2 of the square is missing, in the penalty."
    x, w, e = ctx.saved_tensors
    d = 2 * g * e / len(e)
    return np.outer(d, w), x.T @ d + 0.1 * g * w, -d


@wrong(Ridge, "missing-factor", "w", "0.1")
def ridge_penalty_without_its_weight(ctx, g):
    "The 0.1 of the penalty is missing."
    x, w, e = ctx.saved_tensors
    d = 2 * g * e / len(e)
    return np.outer(d, w), x.T @ d + 2 * g * w, -d


@right("(n,d),(d),(n)->()")
class Least(Function):
    "L = mean (x w - y)²"

    def forward(ctx, x, w, y):
        e = x @ w - y
        ctx.save_for_backward(x, w, e)
        return (e**2).mean()

    def backward(ctx, g):
        x, w, e = ctx.saved_tensors
        d = 2 * g * e / len(e)
        return np.outer(d, w), x.T @ d, -d


@wrong(Least, "added", "w", "w")
def least_squares_decays(ctx, g):
    "Adds the gradient of a penalty that the loss has not."
    x, w, e = ctx.saved_tensors
    d = 2 * g * e / len(e)
    return np.outer(d, w), x.T @ d + 0.3 * g * w, -d


@wrong(Least, "power", "x", "**2")
def least_squares_without_the_two(ctx, g):
    "The 2 of the square is missing in two of three."
    x, w, e = ctx.saved_tensors
    d = g * e / len(e)
    return np.outer(d, w), x.T @ d, -2 * d


@right("(n),(n)->()", p=POSITIVE, q=POSITIVE)
class KL(Function):
    "L = Σ p (ln p - ln q)"

    def forward(ctx, p, q):
        ctx.save_for_backward(p, q)
        return (p * (np.log(p) - np.log(q))).sum()

    def backward(ctx, g):
        p, q = ctx.saved_tensors
        return g * (np.log(p / q) + 1), -g * p / q


@wrong(KL, "left-out", "p", "log(p)")
def kl_loses_the_one(ctx, g):
    "p stands in the logarithm, too: + 1."
    p, q = ctx.saved_tensors
    return g * np.log(p / q), -g * p / q


@wrong(KL, "missing-factor", "q", "p")
def kl_forgets_p(ctx, g):
    "The logarithm is multiplied with p."
    p, q = ctx.saved_tensors
    return g * (np.log(p / q) + 1), -g / q


@right("(n),(n)->()")
class Hinge(Function):
    "L = mean max(0, 1 - y f)"

    def forward(ctx, f, y):
        z = 1 - y * f
        ctx.save_for_backward(f, y, z)
        return np.maximum(0, z).mean()

    def backward(ctx, g):
        f, y, z = ctx.saved_tensors
        on = g * (z > 0) / len(z)
        return -on * y, -on * f


@wrong(Hinge, "mask", "f", "maximum")
def hinge_counts_every_row(ctx, g):
    "Rows beyond the margin have no gradient."
    f, y, z = ctx.saved_tensors
    return -g * y / len(z), -g * (z > 0) * f / len(z)


@wrong(Hinge, "mask", "f", "maximum")
def hinge_the_wrong_rows(ctx, g):
    "Those beyond the margin instead of the others."
    f, y, z = ctx.saved_tensors
    return -g * (z < 0) * y / len(z), -g * (z > 0) * f / len(z)


@right("(n),(n)->()")
class Huber(Function):
    "L = mean of e²/2 where |e| < 1, |e| - 1/2 elsewhere"

    def forward(ctx, x, y):
        e = x - y
        ctx.save_for_backward(e)
        return np.where(abs(e) < 1, 0.5 * e**2, abs(e) - 0.5).mean()

    def backward(ctx, g):
        (e,) = ctx.saved_tensors
        d = g * np.clip(e, -1, 1) / len(e)
        return d, -d


@wrong(Huber, "mask", "x", "abs")
def huber_without_the_sign(ctx, g):
    "On the linear part the derivative is the sign, and 1 stands there."
    (e,) = ctx.saved_tensors
    return g * np.where(abs(e) < 1, e, 1) / len(e), -g * np.clip(e, -1, 1) / len(e)


@wrong(Huber, "mask", "x", "where")
def huber_is_never_linear(ctx, g):
    "e everywhere, as of a square."
    (e,) = ctx.saved_tensors
    return g * e / len(e), -g * np.clip(e, -1, 1) / len(e)


@right("(n,d),(n,d),(n,d)->()")
class TripletLoss(Function):
    "L = mean max(0, |a - p|² - |a - n|² + 1)"

    def forward(ctx, a, p, n):
        dp = a - p
        dn = a - n
        h = (dp**2).sum(1) - (dn**2).sum(1) + 1
        ctx.save_for_backward(dp, dn, h)
        return np.maximum(0, h).mean()

    def backward(ctx, g):
        dp, dn, h = ctx.saved_tensors
        w = 2 * g * (h > 0)[:, None] / len(h)
        return w * (dp - dn), -w * dp, w * dn


@wrong(TripletLoss, "left-out", "a", "dn")
def triplet_anchor_of_the_positive(ctx, g):
    "The anchor stands in both distances."
    dp, dn, h = ctx.saved_tensors
    w = 2 * g * (h > 0)[:, None] / len(h)
    return w * dp, -w * dp, w * dn


@wrong(TripletLoss, "sign", "n", "")
def triplet_negative_without_its_minus(ctx, g):
    "Two minus signs make a plus."
    dp, dn, h = ctx.saved_tensors
    w = 2 * g * (h > 0)[:, None] / len(h)
    return w * (dp - dn), -w * dp, -w * dn


@right("(n),(n)->()", p=UNIT, t=UNIT)
class DiceLoss(Function):
    "L = 1 - (2 p·t + 1) / (Σp + Σt + 1)"

    def forward(ctx, p, t):
        top = 2 * (p * t).sum() + 1
        bottom = p.sum() + t.sum() + 1
        ctx.save_for_backward(p, t, top, bottom)
        return 1 - top / bottom

    def backward(ctx, g):
        p, t, top, bottom = ctx.saved_tensors
        return -g * (2 * t / bottom - top / bottom**2), -g * (2 * p / bottom - top / bottom**2)


@wrong(DiceLoss, "left-out", "p", "bottom")
def dice_of_a_constant_size(ctx, g):
    "The denominator moves with p."
    _, t, _, bottom = ctx.saved_tensors
    return -g * 2 * t / bottom, DiceLoss.backward(ctx, g)[1]


@wrong(DiceLoss, "counted", "p", "bottom")
def dice_divides_once(ctx, g):
    "The quotient rule divides by the square."
    _, t, top, bottom = ctx.saved_tensors
    return -g * (2 * t / bottom - top / bottom), DiceLoss.backward(ctx, g)[1]


@right("(n),(n)->()", t=bool)
class FocalLoss(Function):
    "L = -mean (1 - q)² ln q, with q the probability of the truth"

    def forward(ctx, x, t):
        p = 1 / (1 + np.exp(-x))
        q = np.where(t, p, 1 - p)
        ctx.save_for_backward(t, p, q)
        return -((1 - q) ** 2 * np.log(q)).mean()

    def backward(ctx, g):
        t, p, q = ctx.saved_tensors
        gq = -g * ((1 - q) ** 2 / q - 2 * (1 - q) * np.log(q)) / len(q)
        return np.where(t, gq, -gq) * p * (1 - p), None


@wrong(FocalLoss, "left-out", "x", "1 - q")
def focal_of_a_constant_weight(ctx, g):
    "(1 - q)² moves with x, too."
    t, p, q = ctx.saved_tensors
    gq = -g * ((1 - q) ** 2 / q) / len(q)
    return np.where(t, gq, -gq) * p * (1 - p), None


@wrong(FocalLoss, "sign", "x", "1 - p")
def focal_without_the_side(ctx, g):
    "Where the truth is 0, q is 1 - p, and moves the other way."
    _, p, q = ctx.saved_tensors
    gq = -g * ((1 - q) ** 2 / q - 2 * (1 - q) * np.log(q)) / len(q)
    return gq * p * (1 - p), None


@right("(n,c),(n)->()", t="c")
class SoftmaxLoss(Function):
    "L = -mean ln softmax(x)[t], with a shift by the largest"

    def forward(ctx, x, t):
        z = x - x.max(1, keepdims=True)
        e = np.exp(z)
        s = e.sum(1, keepdims=True)
        p = e / s
        ctx.save_for_backward(p, t)
        return -np.log(p[np.arange(len(t)), t]).mean()

    def backward(ctx, g):
        p, t = ctx.saved_tensors
        hit = np.arange(p.shape[1]) == t[:, None]
        return g * (p - hit) / len(t), None


@wrong(SoftmaxLoss, "left-out", "x", "")
def softmax_loss_without_the_labels(ctx, g):
    "p, and nothing subtracted."
    p, t = ctx.saved_tensors
    return g * p / len(t), None


@wrong(SoftmaxLoss, "left-out", "x", "sum")
def softmax_loss_of_the_labels_only(ctx, g):
    "The labels, and the sum for a constant."
    p, t = ctx.saved_tensors
    hit = np.arange(p.shape[1]) == t[:, None]
    return -g * hit / len(t), None


@wrong(SoftmaxLoss, "region", "x", "t")
def softmax_loss_assigns_at_the_label(ctx, g):
    "= where -= belongs, at the label."
    p, t = ctx.saved_tensors
    d = p.copy()
    d[np.arange(len(t)), t] = -1
    return g * d / len(t), None
