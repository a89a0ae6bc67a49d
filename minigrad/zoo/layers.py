"""What networks are made of."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.function import Function
from minigrad.zoo.specimen import right, wrong


@right("(k,d),(n)->(n,d)", rows="k")
class Embedding(Function):
    "y = table[rows]"

    def forward(ctx, table, rows):
        ctx.save_for_backward(table, rows)
        return table[rows]

    def backward(ctx, g):
        table, rows = ctx.saved_tensors
        gt = np.zeros_like(table)
        np.add.at(gt, rows, g)
        return gt, None


@wrong(Embedding, "unsummed", "table")
def embedding_overwrites(ctx, g):
    "Assigns where it must add: of a row that is read twice, the last reader counts."
    table, rows = ctx.saved_tensors
    gt = np.zeros_like(table)
    gt[rows] = g
    return gt, None


@right("(n,d),(n,d)->(n,d)", keep=bool)
class Dropout(Function):
    "y = 2 x where `keep`, 0 elsewhere"

    def forward(ctx, x, keep):
        ctx.save_for_backward(keep)
        return x * keep * 2

    def backward(ctx, g):
        (keep,) = ctx.saved_tensors
        return g * keep * 2, None


@wrong(Dropout, "random")
def dropout_draws_in_backward():
    "Backward throws the dice again: it drops others than forward did."
    rng = np.random.default_rng(0)

    def backward(ctx, g):
        return g * (rng.random(g.shape) < 0.5) * 2, None

    return backward


@wrong(Dropout, "random")
def dropout_draws_in_forward():
    "The derivative is right for the mask that was drawn; but the next call draws another, and is another function."
    rng = np.random.default_rng(0)

    def forward(ctx, x, keep):
        keep = rng.random(x.shape) < 0.5
        ctx.save_for_backward(keep)
        return x * keep * 2

    return {"forward": forward, "backward": Dropout.backward}


@right("(n,c)->(n,c)")
class Softmax(Function):
    "y = eˣ / Σ eˣ in each row"

    def forward(ctx, x):
        e = np.exp(x - x.max(1, keepdims=True))
        y = e / e.sum(1, keepdims=True)
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(1, keepdims=True))


@wrong(Softmax, "diagonal", "x")
def softmax_as_if_a_sigmoid(ctx, g):
    "y (1 - y) is the diagonal of the Jacobian; every input moves every output of its row."
    (y,) = ctx.saved_tensors
    return g * y * (1 - y)


@wrong(Softmax, "mixed", "x")
def softmax_mixes_the_rows(ctx, g):
    "Sums over the batch as well: right as long as there is one row."
    (y,) = ctx.saved_tensors
    return y * (g - (g * y).sum())


@right("(n,c)->(n)")
class LogSumExp(Function):
    "y = ln Σ eˣ in each row"

    def forward(ctx, x):
        largest = x.max(1, keepdims=True)
        y = largest + np.log(np.exp(x - largest).sum(1, keepdims=True))
        ctx.save_for_backward(x, y)
        return y[:, 0]

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g[:, None] * np.exp(x - y)


@wrong(LogSumExp, "raises")
def logsumexp_without_an_axis(ctx, g):
    "g has an entry for each row, and NumPy matches it with the columns; if there are as many, in silence."
    x, y = ctx.saved_tensors
    return g * np.exp(x - y)


@right("(n,c),(n)->()", t="c")
class CrossEntropy(Function):
    "L = the mean over the rows of -ln softmax(x)[t]"

    def forward(ctx, x, t):
        z = x - x.max(1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        ctx.save_for_backward(np.exp(log_p), t)
        return -log_p[np.arange(len(t)), t].mean()

    def backward(ctx, g):
        p, t = ctx.saved_tensors
        hit = np.arange(p.shape[1]) == t[:, None]
        return g * (p - hit) / len(t), None


@wrong(CrossEntropy, "factor", "x")
def cross_entropy_forgets_the_mean(ctx, g):
    "p minus one-hot, and no division by the number of rows."
    p, t = ctx.saved_tensors
    hit = np.arange(p.shape[1]) == t[:, None]
    return g * (p - hit), None


@wrong(CrossEntropy, "cotangent-ignored", "x")
def cross_entropy_is_always_last(ctx, g):
    "Does not multiply with g, which is 1 as long as nothing follows."
    p, t = ctx.saved_tensors
    hit = np.arange(p.shape[1]) == t[:, None]
    return (p - hit) / len(t), None


@wrong(CrossEntropy, "saved")
def cross_entropy_subtracts_in_place(ctx, g):
    "p[rows, t] -= 1 changes what forward saved: the second backward finds other probabilities."
    p, t = ctx.saved_tensors
    p[np.arange(len(t)), t] -= 1
    return g * p / len(t), None


@right("(n,d),(d),(d)->(n,d)")
class LayerNorm(Function):
    "y = (x - mean) / √(variance + 10⁻⁵) * weight + bias, each row by itself"

    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        deviation = x - x.mean(1, keepdims=True)
        return deviation / np.sqrt((deviation**2).mean(1, keepdims=True) + 1e-5) * weight + bias

    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        deviation = x - x.mean(1, keepdims=True)
        sigma = np.sqrt((deviation**2).mean(1, keepdims=True) + 1e-5)
        n = deviation / sigma
        u = g * weight
        gx = (u - u.mean(1, keepdims=True) - n * (u * n).mean(1, keepdims=True)) / sigma
        return gx, (g * n).sum(0), g.sum(0)


@wrong(LayerNorm, "left-out", "x")
def layer_norm_of_constants(ctx, g):
    "Takes mean and variance for constants; both move with x."
    x, weight = ctx.saved_tensors
    deviation = x - x.mean(1, keepdims=True)
    sigma = np.sqrt((deviation**2).mean(1, keepdims=True) + 1e-5)
    return g * weight / sigma, (g * deviation / sigma).sum(0), g.sum(0)


@wrong(LayerNorm, "unsummed", "weight")
def layer_norm_weight_for_every_row(ctx, g):
    "The weight serves every row, and its gradient is the sum over them."
    x, _ = ctx.saved_tensors
    gx, _, gb = LayerNorm.backward(ctx, g)
    deviation = x - x.mean(1, keepdims=True)
    return gx, g * deviation / np.sqrt((deviation**2).mean(1, keepdims=True) + 1e-5), gb


@right("(n,c,3,4),(o,c,2,3),(o)->(n,o,2,2)")
class Conv2d(Function):
    "y[n, o] = Σ over c of the cross-correlation of x[n, c] with w[o, c], plus b[o]"

    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        windows = sliding_window_view(x, w.shape[2:], (2, 3))
        return np.einsum("nchwij,ocij->nohw", windows, w) + b[:, None, None]

    def backward(ctx, g):
        x, w = ctx.saved_tensors
        rows, columns = w.shape[2:]
        gx = np.zeros(x.shape, x.dtype)
        gw = np.zeros(w.shape, w.dtype)
        for i in range(rows):
            for j in range(columns):
                patch = np.s_[:, :, i : i + g.shape[2], j : j + g.shape[3]]
                gx[patch] += np.einsum("nohw,oc->nchw", g, w[:, :, i, j])
                gw[:, :, i, j] = np.einsum("nohw,nchw->oc", g, x[patch])
        return gx, gw, g.sum((0, 2, 3))


@wrong(Conv2d, "unsummed", "b")
def conv_bias_for_every_image(ctx, g):
    "Sums over the image, and not over the batch."
    gx, gw, _ = Conv2d.backward(ctx, g)
    return gx, gw, g.sum((2, 3))


@wrong(Conv2d, "unsummed", "x")
def conv_assigns_where_windows_overlap(ctx, g):
    "An entry stands in several windows, and each adds to its gradient; here the last one counts."
    x, w = ctx.saved_tensors
    gx = np.zeros(x.shape, x.dtype)
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            patch = np.s_[:, :, i : i + g.shape[2], j : j + g.shape[3]]
            gx[patch] = np.einsum("nohw,oc->nchw", g, w[:, :, i, j])
    return gx, *Conv2d.backward(ctx, g)[1:]
