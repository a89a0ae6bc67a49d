"""The two of linear regression: the layer and the mean squared error."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import also_right, right, wrong


@right("(n,p),(p,q),(q)->(n,q)")
class Linear(Function):
    "y = x W + b"

    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W + b

    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W.T, x.T @ g, g.sum(0)


@wrong(Linear, "unsummed", "b")
def linear_bias_for_every_row(ctx, g):
    "The bias was read once a row, and the sum over the rows is missing."
    x, W = ctx.saved_tensors
    return g @ W.T, x.T @ g, g


@wrong(Linear, "unsummed", "b")
def linear_bias_from_the_first_row(ctx, g):
    "Gets the bias into shape by taking the first row, where the sum over the rows is needed."
    x, W = ctx.saved_tensors
    return g @ W.T, x.T @ g, g[0]


@wrong(Linear, "averaged", "b")
def linear_bias_averaged(ctx, g):
    "The mean over the rows in place of the sum: right as long as there is one row."
    x, W = ctx.saved_tensors
    return g @ W.T, x.T @ g, g.mean(0)


@wrong(Linear, "averaged", "W")
def linear_averages_again(ctx, g):
    "Divides by the batch size, which the loss has done already."
    x, W = ctx.saved_tensors
    return g @ W.T, x.T @ g / len(x), g.sum(0)


@wrong(Linear, "transposed", "W")
def linear_weight_transposed(ctx, g):
    "The product the other way round: (q, p) for a W of (p, q), unseen as long as W is square."
    x, W = ctx.saved_tensors
    return g @ W.T, g.T @ x, g.sum(0)


@wrong(Linear, "swapped", "x")
def linear_in_the_wrong_order(ctx, g):
    "Returns the gradient of W first; forward has x first."
    x, W = ctx.saved_tensors
    return x.T @ g, g @ W.T, g.sum(0)


@wrong(Linear, "raises")
def linear_forgets_to_transpose(ctx, g):
    "W is not transposed, and the shapes do not fit."
    x, W = ctx.saved_tensors
    return g @ W, x.T @ g, g.sum(0)


@wrong(Linear, "missing", "b")
def linear_without_bias(ctx, g):
    "None for an input that has a derivative."
    x, W = ctx.saved_tensors
    return g @ W.T, x.T @ g, None


@wrong(Linear, "count")
def linear_returns_two(ctx, g):
    "Two gradients for three inputs."
    x, W = ctx.saved_tensors
    return g @ W.T, x.T @ g


@wrong(Linear, "first-call", "W")
def linear_adds_up():
    "Adds its gradients up over the calls, as .grad does: the first one is right."
    total = []

    def backward(ctx, g):
        x, W = ctx.saved_tensors
        total.append(x.T @ g)
        return g @ W.T, sum(t for t in total if t.shape == W.shape), g.sum(0)

    return backward


@wrong(Linear, "first-call", "x")
def linear_keeps_its_input_on_the_class():
    "Keeps x with the Function and not on ctx: a second layer overwrites what the first one saved."
    kept = {}

    def forward(ctx, x, W, b):
        kept["x"], kept["W"] = x, W
        return x @ W + b

    def backward(ctx, g):
        return g @ kept["W"].T, kept["x"].T @ g, g.sum(0)

    return {"forward": forward, "backward": backward}


@right("(n,q),(n,q)->()")
class MSE(Function):
    "L = Σ (yhat - y)² / N over all N entries"

    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    def backward(ctx, g):
        yhat, y = ctx.saved_tensors
        d = 2 / yhat.size * (yhat - y) * g
        return d, -d


@wrong(MSE, "factor", "yhat")
def mse_divides_by_the_rows(ctx, g):
    "Divides by the number of rows, not of entries: right as long as there is one output."
    yhat, y = ctx.saved_tensors
    d = 2 / len(yhat) * (yhat - y) * g
    return d, -d


@wrong(MSE, "factor", "yhat")
def mse_does_not_divide(ctx, g):
    "The derivative of the sum of squares, where forward took the mean."
    yhat, y = ctx.saved_tensors
    d = 2 * (yhat - y) * g
    return d, -d


@wrong(MSE, "power", "yhat")
def mse_without_the_two(ctx, g):
    "The 2 of the square is missing."
    yhat, y = ctx.saved_tensors
    d = (yhat - y) / yhat.size * g
    return d, -d


@wrong(MSE, "sign", "yhat")
def mse_the_other_way_round(ctx, g):
    "The difference taken the other way round: descent climbs."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (y - yhat) * g
    return d, -d


@wrong(MSE, "sign", "y")
def mse_same_sign_for_both(ctx, g):
    "The minus before y is forgotten."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (yhat - y) * g
    return d, d * 1


@wrong(MSE, "missing", "y")
def mse_target_is_a_constant(ctx, g):
    "None for y, as targets are not trained; who checks y gets an error."
    yhat, y = ctx.saved_tensors
    return 2 / yhat.size * (yhat - y) * g, None


@wrong(MSE, "zero", "y")
def mse_zeros_for_the_target(ctx, g):
    "Zeros for y, as targets are not trained."
    yhat, y = ctx.saved_tensors
    return 2 / yhat.size * (yhat - y) * g, np.zeros_like(y)


@wrong(MSE, "cotangent-ignored", "yhat")
def mse_is_always_last(ctx, g):
    "Takes itself for the end of the graph, where g is 1: half of the loss has the same gradient."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (yhat - y)
    return d, -d


@wrong(MSE, "cotangent-nonlinear", "yhat")
def mse_takes_g_twice(ctx, g):
    "Multiplies with g in two places; as long as g is 1 it does not show."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (yhat - y) * g
    return d * g, -d * g


@wrong(MSE, "cotangent-nonlinear", "yhat")
def mse_with_the_size_of_g(ctx, g):
    "Takes |g|: right for a loss that counts with a plus."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (yhat - y) * abs(g)
    return d, -d


@wrong(MSE, "cotangent-nonlinear", "yhat")
def mse_clips_its_gradient(ctx, g):
    "Clips the incoming gradient, which is the optimizer's affair."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (yhat - y) * np.clip(g, -1, 1)
    return d, -d


@wrong(MSE, "precision", "yhat")
def mse_in_single_precision(ctx, g):
    "Goes through float32 on the way: 7 digits of 16 are right."
    yhat, y = (a.astype(np.float32) for a in ctx.saved_tensors)
    d = (2 / yhat.size * (yhat - y)).astype(g.dtype) * g
    return d, -d


@wrong(MSE, "dtype", "yhat")
def mse_returns_single_precision(ctx, g):
    "float32 for float64 inputs; torch casts it back before anybody can see it."
    yhat, y = ctx.saved_tensors
    d = (2 / yhat.size * (yhat - y) * g).astype(np.float32)
    return d, -d


@wrong(MSE, "partial")
def mse_asks_for_yhat_only(ctx, g):
    "Skips the work if yhat needs no gradient, and has then nothing to negate for y."
    yhat, y = ctx.saved_tensors
    d = 2 / yhat.size * (yhat - y) * g if ctx.needs_input_grad[0] else None
    return d, -d


RNG = np.random.default_rng(0)
also_right(
    "linear_in_float32",
    Linear,
    "Differences in float32 are good for three digits, and the backward for seven.",
    *(RNG.normal(size=shape).astype(np.float32) for shape in [(5, 3), (3, 2), 2]),
)
also_right(
    "mse_in_float32",
    MSE,
    "The same for a loss.",
    *(RNG.normal(size=(5, 3)).astype(np.float32) for _ in range(2)),
)
