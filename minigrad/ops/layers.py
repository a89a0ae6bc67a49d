"""What the layers of a network compute. Names and arguments are those of torch.nn.functional."""

import numpy as np

from minigrad.ops.index import add_at
from minigrad.ops.operation import lifted, operand
from minigrad.ops.registry import op
from minigrad.tensor import Tensor


@op
class softmax:
    """y = eˣ / Σ eˣ along `axis`, which torch calls dim

    >>> softmax([0.0, 0.0])
    Tensor([0.5, 0.5])
    """
    wide = "ebiu"
    renamed = {"dim": "axis"}
    params = [{}, {"axis": 0}]
    def forward(x, *, axis=-1):
        e = np.exp(below_zero(x, axis))
        return e / e.sum(axis, keepdims=True)
    def d_x(g, y, x, *, axis):          return y * (g - (g * y).sum(axis, keepdims=True))


@op
class log_softmax:
    """y = x - ln Σ eˣ along `axis`, which torch calls dim

    >>> log_softmax([0.0, 0.0])
    Tensor([-0.69314718, -0.69314718])
    """
    wide = "ebiu"
    renamed = {"dim": "axis"}
    params = [{}, {"axis": 0}]
    def forward(x, *, axis=-1):
        z = below_zero(x, axis)
        return z - np.log(np.exp(z).sum(axis, keepdims=True)) if z.size else z
    def d_x(g, y, x, *, axis):          return g - np.exp(y) * g.sum(axis, keepdims=True)


def below_zero(x, axis):
    """x without its maximum, which changes no softmax: exp of it cannot overflow, and its sum is at least 1."""
    return x - x.max(axis, keepdims=True, initial=-np.inf)


# ------------------------------------------------------------------------------------------------ tables and chance
@op
class embedding:
    """y = weight[indices]: the rows of a table (m, d) that integers of any shape name

    Shapes: `indices` of any, weight (m, d); the result has d behind the axes of `indices`.

    To the row of number padding_idx, if there is one, no derivative passes.

    >>> embedding([2, 0], [[1.0], [2.0], [3.0]])
    Tensor([[3.],
            [1.]])
    """
    signature = "(n),(k,d)->(n,d)"
    domain = {"indices": "k"}
    d_indices = None
    def words(
        input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
    ): ...
    def forward(indices, weight, *, padding_idx=None):      return weight[indices]
    def d_weight(g, y, indices, weight, *, padding_idx):
        if padding_idx is not None:
            g = np.where(np.equal(indices, padding_idx)[..., np.newaxis], 0, g)
        return add_at(g, indices, index=None, shape=weight.shape)
    def public(embedding, indices, weight, padding_idx=None):
        indices, weight = operand(indices), operand(weight)
        numbers, rows = indices.array if type(indices) is Tensor else indices, len(weight)
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"embedding(indices, weight): the indices are integers, and these are {numbers.dtype}")
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < rows:
            raise IndexError(f"embedding: indices from {numbers.min()} to {numbers.max()} in a table of {rows} rows")
        if padding_idx is not None:
            if not isinstance(padding_idx, int | np.integer):
                raise TypeError(f"embedding: padding_idx is the number of a row, an int, and not {padding_idx!r}")
            if not -rows <= padding_idx < rows:
                raise IndexError(f"embedding: padding_idx={padding_idx} is no row of a table of {rows}")
            padding_idx %= rows
        return embedding(indices, weight, padding_idx=padding_idx)


@op
class dropout:
    """y = x / (1 - p) where `mask` holds, 0 elsewhere; in expectation x

    Source: Srivastava et al., Journal of Machine Learning Research 15, 2014.

    Shapes: x of any; the mask and the result of the same.

    The mask is given, or drawn with probability 1 - p from `rng`, a np.random.Generator. Nothing is dropped unless
    `training`.

    >>> dropout([1.0, 2.0], 0.5, mask=[True, False])
    Tensor([2., 0.])
    """
    params = [{}, {"p": 0.25}, {"p": 1.0}]
    domain = {"mask": bool}
    signature = "(m,n),(m,n)->(m,n)"
    d_mask = None
    def compose(x, mask, *, p=0.5):
        return np.where(mask, x * (1 / (1 - p) if p < 1 else 0.0), 0)
    def public(dropout, x, p=0.5, training=True, *, rng=None, mask=None):
        x = operand(x)
        if not 0 <= p <= 1:
            raise ValueError(f"dropout: p is the probability to drop an entry, from 0 to 1, and is {p}")
        if not training or (p == 0 and mask is None):
            return x if type(x) is Tensor else Tensor(x)
        if mask is None:
            if not isinstance(rng, np.random.Generator):
                raise TypeError("dropout: give it chance, rng=np.random.default_rng(seed), or a mask=")
            mask = rng.random(x.shape) >= p
        if np.shape(mask) != x.shape:
            raise ValueError(f"dropout: the mask has shape {np.shape(mask)}, and x has {x.shape}")
        return dropout(x, mask, p=p)


# --------------------------------------------------------------------------------------------------------- attention
@op
class scaled_dot_product_attention:
    """y = softmax(query @ key.mT * scale) @ value, the softmax along the keys

    Source: Vaswani et al., Attention is all you need, arXiv 1706.03762.

    Shapes: query is (..., m, e), key (..., n, e), value (..., n, d); axes before the last two broadcast. attn_mask
    broadcasts to (..., m, n): True where a query may look at a key, or numbers that are added to the scores. With
    is_causal the i-th query looks at the first i keys. By default scale is 1 / √e. Where a query may look at no key, y
    is 0.

    >>> scaled_dot_product_attention(np.ones((2, 3)), np.ones((4, 3)), np.ones((4, 5))).shape
    (2, 5)
    """
    def words(
        query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
    ): ...
    params = [{}, {"scale": 0.5}]
    signature = "(m,3),(k,3),(k,n),(m,k)->(m,n)"
    def compose(query, key, value, attn_mask=None, *, is_causal=False, scale=None):
        return of_values(attention_weights(query, key, attn_mask, is_causal, scale), value)
    def public(
        attention, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, rng=None
    ):
        if not dropout_p:
            return attention(query, key, value, attn_mask, is_causal=is_causal, scale=scale)
        weights = attention_weights(*map(lifted, map(operand, (query, key))), attn_mask, is_causal, scale)
        return of_values(dropout(weights, dropout_p, rng=rng), operand(value))


def attention_weights(query, key, attn_mask, is_causal, scale):
    """How much each query looks at each key: rows that sum to 1."""
    name = "scaled_dot_product_attention"
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"{name}: query and key need the axes (..., m, e) and (..., n, e), and have shapes {query.shape} and "
            f"{key.shape}"
        )
    scores = query @ key.mT * (max(query.shape[-1], 1) ** -0.5 if scale is None else scale)
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: is_causal is a mask of its own; give it or attn_mask")
    if is_causal:
        return softmax(np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf))
    if attn_mask is None:
        return softmax(scores)
    mask = lifted(operand(attn_mask))
    fits = all(m in (1, n) for m, n in zip(mask.shape[::-1], scores.shape[::-1], strict=False))
    if mask.ndim > scores.ndim or not fits:
        raise ValueError(f"{name}: attn_mask has shape {mask.shape}, and the scores have {scores.shape}")
    if mask.dtype.kind == "f":
        allowed = np.greater(mask, -np.inf)
        scores = scores + np.where(allowed, mask, 0)
    elif mask.dtype.kind == "b":
        allowed = mask
    else:
        raise TypeError(f"{name}: attn_mask is a mask of booleans, or floats that are added, and is {mask.dtype}")
    least = float(np.finfo(scores.dtype).min) / 2  # finite, so that where no key is allowed there is no nan on the way
    return np.where(allowed, softmax(np.where(allowed, scores, least)), 0)


def of_values(weights, value):
    if value.ndim < 2 or value.shape[-2] != weights.shape[-1]:
        raise ValueError(
            f"scaled_dot_product_attention: value needs the axes (..., n, d), with the n of {weights.shape[-1]} keys, "
            f"and has shape {value.shape}"
        )
    return weights @ value


@op
class cosine_similarity:
    """y = Σ x1 x2 / (‖x1‖ ‖x2‖) along `axis`, which torch calls dim; no length counts as less than eps

    Shapes: x1 and x2 broadcast; the result is without `axis`.

    >>> cosine_similarity([[3.0, 4.0]], [[4.0, 3.0]])
    Tensor([0.96])
    """
    wide = "ebiu"
    renamed = {"dim": "axis"}
    params = [{}, {"axis": 0}]
    signature = "(m,n),(m,n)->()"
    def compose(x1, x2, *, axis=1, eps=1e-8):
        if x1.shape != x2.shape:
            x1, x2 = np.broadcast_arrays(x1, x2)
        units = [x / np.clip(np.linalg.norm(x, axis=axis, keepdims=True), eps, None) for x in (x1, x2)]
        return (units[0] * units[1]).sum(axis)
