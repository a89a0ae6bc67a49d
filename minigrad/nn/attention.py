"""Attention, and the layer of a transformer that is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import minigrad
from minigrad import Tensor
from minigrad.nn.layers import Dropout, LayerNorm, Linear, Rng, generator
from minigrad.nn.module import Module, Parameter


class MultiheadAttention(Module):
    """Queries look at keys and take their values, in `num_heads` subspaces of the embed_dim features.

    Called with query (m, n, e), key and value (k, n, e), where n is the batch: (n, m, e) and (n, k, e) with
    batch_first, and without a batch (m, e) and (k, e). Returns the output, of the shape of query, and the attention
    weights (n, m, k), the mean of those of the heads, (n, num_heads, m, k) without average_attn_weights, or None
    without need_weights. As in torch, and unlike in scaled_dot_product_attention, a mask of booleans is True where a
    query may *not* look: attn_mask (m, k) or (n num_heads, m, k), key_padding_mask (n, k). A mask of floats is added.
    With is_causal the i-th query looks at the first i keys at most. Keys have kdim features, and values vdim, if given.

    >>> from minigrad import nn
    >>> attention = nn.MultiheadAttention(4, num_heads=2, batch_first=True, rng=np.random.default_rng(0))
    >>> x = np.ones((1, 3, 4))
    >>> y, looks = attention(x, x, x)
    >>> y.shape, looks.shape
    ((1, 3, 4), (1, 3, 3))
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, *, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False, rng: Rng = None, dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: num_heads={num_heads} does not divide embed_dim={embed_dim}")
        rng = generator(rng)
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.rng = rng
        widths = embed_dim, kdim or embed_dim, vdim or embed_dim
        self.maps = ["in_proj_weight"] if len({*widths}) == 1 else [f"{name}_proj_weight" for name in "qkv"]
        for name, width in zip(self.maps, widths, strict=False):
            shape = (3 * embed_dim if len(self.maps) == 1 else embed_dim), width
            bound = math.sqrt(6 / max(sum(shape), 1))  # torch's xavier_uniform_
            setattr(self, name, Parameter(rng.uniform(-bound, bound, shape).astype(dtype)))
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=rng, dtype=dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data = np.zeros(embed_dim, dtype)

    def forward(
        self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
        attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        shapes = [np.shape(x) for x in (query, key, value)]
        if len({len(shape) for shape in shapes}) != 1 or len(shapes[0]) not in (2, 3):
            raise ValueError(f"MultiheadAttention: query, key and value have 2 axes or 3, and here the shapes {shapes}")
        turned = not self.batch_first and len(shapes[0]) == 3
        query, key, value = (np.swapaxes(x, 0, 1) if turned else x for x in (query, key, value))
        maps: Any = [getattr(self, name) for name in self.maps]
        weights = maps if len(maps) == 3 else minigrad.split(maps[0], 3)
        biases = (None,) * 3 if self.in_proj_bias is None else minigrad.split(self.in_proj_bias, 3)
        q, k, v = (
            self.by_head(minigrad.affine(x, W, b)) for x, W, b in zip((query, key, value), weights, biases, strict=True)
        )
        if is_causal:
            later = np.triu(np.ones((q.shape[-2], k.shape[-2]), bool), 1)
            attn_mask = (
                later
                if attn_mask is None
                else self.mask(attn_mask, None, (), q.dtype) + np.where(later, -np.inf, np.zeros((), q.dtype))
            )
        mask = self.mask(attn_mask, key_padding_mask, q.shape[:-3], q.dtype)
        chance: dict[str, Any] = {"dropout_p": self.dropout if self.training else 0.0, "rng": self.rng}
        if not need_weights:
            looks, y = None, minigrad.scaled_dot_product_attention(q, k, v, mask, **chance)
        else:  # with unit vectors for values, what comes out is the weights
            looks = minigrad.scaled_dot_product_attention(q, k, np.eye(k.shape[-2], dtype=k.dtype), mask, **chance)
            y = looks @ v
        y = y.swapaxes(-2, -3)
        y = self.out_proj(y.reshape(*y.shape[:-2], self.embed_dim))
        looks = looks.mean(-3) if looks is not None and average_attn_weights else looks
        return minigrad.swapaxes(y, 0, 1) if turned else y, looks

    def by_head(self, x: Tensor) -> Tensor:
        """(..., m, e) as (..., num_heads, m, e / num_heads)"""
        heads: Tensor = x.reshape(*x.shape[:-1], self.num_heads, self.embed_dim // self.num_heads)
        return minigrad.swapaxes(heads, -2, -3)

    def mask(self, attn_mask: Any, key_padding_mask: Any, batch: tuple[int, ...], dtype: Any) -> Any:
        """Both masks as one of floats, which is added to the scores (n, num_heads, m, k)."""
        total = None
        for mask, is_padding in (attn_mask, False), (key_padding_mask, True):
            if mask is None:
                continue
            kind = mask.dtype if isinstance(mask, Tensor) else np.asarray(mask).dtype
            if kind.kind not in "bf":
                raise TypeError(f"MultiheadAttention: a mask is of booleans, or of floats to add, and not of {kind}")
            added = minigrad.where(mask, -np.inf, np.zeros((), dtype)) if kind.kind == "b" else mask
            shape = np.shape(added)
            if is_padding:
                added = minigrad.reshape(added, (*shape[:-1], 1, 1, shape[-1]))
            elif len(shape) == 3 and batch:
                added = minigrad.reshape(added, (*batch, self.num_heads, *shape[1:]))
            total = added if total is None else total + added
        return total


class TransformerEncoderLayer(Module):
    """x + attention of x, normalised; then x + two linear maps of it with an activation between, normalised.

    With norm_first it is x + attention of the normalised x, and so on. `activation` is "relu", "gelu" or a function.
    Called with src, as MultiheadAttention takes it, and its two masks.

    >>> from minigrad import nn
    >>> layer = nn.TransformerEncoderLayer(4, nhead=2, dim_feedforward=8, rng=np.random.default_rng(0))
    >>> layer(np.ones((3, 1, 4))).shape
    (3, 1, 4)
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = minigrad.relu, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True, *, rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        if isinstance(activation, str):
            if activation not in ("relu", "gelu"):
                raise ValueError(f"{type(self).__name__}: activation is 'relu', 'gelu' or a function, not {activation}")
            activation = minigrad.relu if activation == "relu" else minigrad.gelu
        rng = generator(rng)
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, dtype=dtype
        )  # fmt: skip
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1, self.dropout2 = Dropout(dropout, rng=rng), Dropout(dropout, rng=rng)
        self.activation, self.norm_first = activation, norm_first

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        def attended(x: Any) -> Any:
            y, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(y)

        def fed_forward(x: Any) -> Any:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = src
        if self.norm_first:
            x = x + attended(self.norm1(x))
            return x + fed_forward(self.norm2(x))  # type: ignore[no-any-return]
        x = self.norm1(x + attended(x))
        return self.norm2(x + fed_forward(x))
