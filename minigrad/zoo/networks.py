"""Whole cells and networks: many lines, and one of them is wrong."""

import numpy as np

from minigrad.function import Function
from minigrad.zoo.specimen import right, wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@right("(n),(n),(n),(n),(n)->(n)")
class LSTMState(Function):
    "c' = σ(f) c + σ(i) tanh(k), and y = σ(o) tanh(c')"

    def forward(ctx, c, f, i, k, o):
        sf, si, so, tk = sigmoid(f), sigmoid(i), sigmoid(o), np.tanh(k)
        new = sf * c + si * tk
        out = np.tanh(new)
        ctx.save_for_backward(c, sf, si, so, tk, new, out)
        return so * out

    def backward(ctx, g):
        c, sf, si, so, tk, _, out = ctx.saved_tensors
        d = g * so * (1 - out**2)
        return d * sf, d * c * sf * (1 - sf), d * tk * si * (1 - si), d * si * (1 - tk**2), g * out * so * (1 - so)


@wrong(LSTMState, "missing-factor", "k", "tanh(k)")
def lstm_candidate_without_its_tanh(ctx, g):
    "k goes through a tanh."
    _, _, si, so, _, _, out = ctx.saved_tensors
    d = g * so * (1 - out**2)
    dc, df, di, _, do = LSTMState.backward(ctx, g)
    return dc, df, di, d * si, do


@wrong(LSTMState, "missing-factor", "c", "tanh(new)")
def lstm_state_without_its_tanh(ctx, g):
    "The derivative of the outer tanh is missing, for all but the output gate."
    c, sf, si, so, tk, _, out = ctx.saved_tensors
    d = g * so
    return d * sf, d * c * sf * (1 - sf), d * tk * si * (1 - si), d * si * (1 - tk**2), g * out * so * (1 - so)


@wrong(LSTMState, "missing-factor", "f", "sigmoid")
def lstm_gate_without_its_sigmoid(ctx, g):
    "The gate is differentiated as if it were not squashed."
    c, _, _, so, _, _, out = ctx.saved_tensors
    d = g * so * (1 - out**2)
    dc, _, di, dk, do = LSTMState.backward(ctx, g)
    return dc, d * c, di, dk, do


@wrong(LSTMState, "wrong-rule", "i", "sigmoid")
def lstm_gate_like_a_tanh(ctx, g):
    "1 - s² for a sigmoid."
    _, _, si, so, tk, _, out = ctx.saved_tensors
    d = g * so * (1 - out**2)
    dc, df, _, dk, do = LSTMState.backward(ctx, g)
    return dc, df, d * tk * (1 - si**2), dk, do


@wrong(LSTMState, "wrong-value", "o", "new")
def lstm_output_gate_of_the_raw_state(ctx, g):
    "The output gate is multiplied with tanh(c'), not with c'."
    _, _, _, so, _, new, _ = ctx.saved_tensors
    dc, df, di, dk, _ = LSTMState.backward(ctx, g)
    return dc, df, di, dk, g * new * so * (1 - so)


@right("(n),(n),(n)->(n)")
class GRUState(Function):
    "h' = (1 - u) h + u tanh(k), with u the sigmoid of z"

    def forward(ctx, h, z, k):
        u, t = sigmoid(z), np.tanh(k)
        ctx.save_for_backward(h, u, t)
        return (1 - u) * h + u * t

    def backward(ctx, g):
        h, u, t = ctx.saved_tensors
        return g * (1 - u), g * (t - h) * u * (1 - u), g * u * (1 - t**2)


@wrong(GRUState, "left-out", "z", "1 - u")
def gru_gate_of_one_term(ctx, g):
    "The gate stands in both terms."
    _, u, t = ctx.saved_tensors
    return g * (1 - u), g * t * u * (1 - u), g * u * (1 - t**2)


@wrong(GRUState, "sign", "z", "1 - u")
def gru_gate_adds_the_terms(ctx, g):
    "1 - u falls where u grows."
    h, u, t = ctx.saved_tensors
    return g * (1 - u), g * (t + h) * u * (1 - u), g * u * (1 - t**2)


@wrong(GRUState, "wrong-value", "h", "")
def gru_keeps_with_the_wrong_gate(ctx, g):
    "h is multiplied with 1 - u."
    h, u, t = ctx.saved_tensors
    return g * u, g * (t - h) * u * (1 - u), g * u * (1 - t**2)


@right("(n,p),(p,h),(h),(h,q),(q)->(n,q)")
class MLP(Function):
    "y = relu(x W1 + b1) W2 + b2"

    def forward(ctx, x, W1, b1, W2, b2):
        z = x @ W1 + b1
        a = np.maximum(z, 0)
        ctx.save_for_backward(x, W1, W2, z, a)
        return a @ W2 + b2

    def backward(ctx, g):
        x, W1, W2, z, a = ctx.saved_tensors
        d = (g @ W2.T) * (z > 0)
        return d @ W1.T, x.T @ d, d.sum(0), a.T @ g, g.sum(0)


@wrong(MLP, "mask", "x", "maximum")
def mlp_without_the_mask(ctx, g):
    "The derivative of relu is missing."
    x, W1, W2, _, a = ctx.saved_tensors
    d = g @ W2.T
    return d @ W1.T, x.T @ d, d.sum(0), a.T @ g, g.sum(0)


@wrong(MLP, "wrong-value", "W2", "z")
def mlp_weight_of_the_preactivation(ctx, g):
    "W2 was multiplied with a."
    x, W1, W2, z, _ = ctx.saved_tensors
    d = (g @ W2.T) * (z > 0)
    return d @ W1.T, x.T @ d, d.sum(0), z.T @ g, g.sum(0)


@wrong(MLP, "mask", "b1", "maximum")
def mlp_bias_without_the_mask(ctx, g):
    "The hidden bias gets the gradient before the mask."
    _, _, W2, _, _ = ctx.saved_tensors
    dx, dW1, _, dW2, db2 = MLP.backward(ctx, g)
    return dx, dW1, (g @ W2.T).sum(0), dW2, db2


@right("(n,d),(m,d),(m,v)->(n,v)")
class Attention(Function):
    "y = softmax(q kᵀ / 2) v"

    def forward(ctx, q, k, v):
        scores = q @ k.T / 2.0
        e = np.exp(scores - scores.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        ctx.save_for_backward(q, k, v, p)
        return p @ v

    def backward(ctx, g):
        q, k, v, p = ctx.saved_tensors
        dp = g @ v.T
        ds = p * (dp - (dp * p).sum(1, keepdims=True)) / 2
        return ds @ k, ds.T @ q, p.T @ g


@wrong(Attention, "factor", "q", "2")
def attention_without_the_scale(ctx, g):
    "The scores are divided by √d."
    q, k, v, p = ctx.saved_tensors
    dp = g @ v.T
    ds = p * (dp - (dp * p).sum(1, keepdims=True))
    return ds @ k, ds.T @ q, p.T @ g


@wrong(Attention, "left-out", "q", "sum")
def attention_of_a_constant_sum(ctx, g):
    "The softmax without its second term."
    q, k, v, p = ctx.saved_tensors
    ds = p * (g @ v.T) / 2
    return ds @ k, ds.T @ q, p.T @ g


@wrong(Attention, "diagonal", "q", "softmax")
def attention_with_a_diagonal_softmax(ctx, g):
    "p (1 - p) for the softmax."
    q, k, v, p = ctx.saved_tensors
    ds = p * (1 - p) * (g @ v.T) / 2
    return ds @ k, ds.T @ q, p.T @ g


@right("(t),()->(t)")
class Leaky(Function):
    "h[t] = w h[t - 1] + x[t]"

    def forward(ctx, x, w):
        h, states = np.zeros_like(w), []
        for v in x:
            h = w * h + v
            states.append(h)
        ctx.save_for_backward(w, np.stack(states))
        return np.stack(states)

    def backward(ctx, g):
        w, h = ctx.saved_tensors
        d, dx, dw = np.zeros_like(w), np.zeros_like(g), np.zeros_like(w)
        for t in range(len(g))[::-1]:
            d = g[t] + w * d
            dx[t] = d
            dw = dw + (d * h[t - 1] if t else 0)
        return dx, dw


@wrong(Leaky, "left-out", "x", "h")
def leaky_without_a_memory(ctx, g):
    "The state carries the gradient back in time."
    return g * 1, Leaky.backward(ctx, g)[1]


@right("(n),(n)->(n)")
class Gated(Function):
    "y[:] = a, written into zeros, plus b squared in the even places"

    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        y = np.zeros_like(a)
        y[:] = a
        y[::2] += b[::2] ** 2
        return y

    def backward(ctx, g):
        _, b = ctx.saved_tensors
        d = np.zeros_like(b)
        d[::2] = 2 * b[::2] * g[::2]
        return g * 1, d


@wrong(Gated, "power", "b", "** 2")
def gated_without_the_two(ctx, g):
    "The 2 of the square."
    _, b = ctx.saved_tensors
    d = np.zeros_like(b)
    d[::2] = b[::2] * g[::2]
    return g * 1, d


@right("(n,c)->(n,c)")
class CumulativeMean(Function):
    "y[i] is the mean of the first i + 1 rows"

    def forward(ctx, x):
        n = np.arange(1, len(x) + 1, dtype=x.dtype)[:, None]
        ctx.save_for_backward(n)
        return x.cumsum(0) / n

    def backward(ctx, g):
        (n,) = ctx.saved_tensors
        return (g / n)[::-1].cumsum(0)[::-1]


@wrong(CumulativeMean, "wrong-rule", "x", "cumsum")
def cumulative_mean_in_the_same_direction(ctx, g):
    "The adjoint of a running sum runs backwards."
    (n,) = ctx.saved_tensors
    return (g / n).cumsum(0)


@wrong(CumulativeMean, "missing-factor", "x", "n")
def cumulative_mean_of_sums(ctx, g):
    "The division is missing."
    return g[::-1].cumsum(0)[::-1] * 1


@right("(n,4)->(n,2)")
class AveragePool(Function):
    "y is the mean of each pair of neighbours"

    def forward(ctx, x):
        return (x[:, 0::2] + x[:, 1::2]) / 2

    def backward(ctx, g):
        return g.repeat(2, 1) / 2


@wrong(AveragePool, "left-out", "x", "1::2")
def average_pool_of_the_first(ctx, g):
    "Only the first of each pair gets a gradient."
    d = np.zeros((len(g), 4), g.dtype)
    d[:, 0::2] = g / 2
    return d
