"""Attention: each token gets a weighted mean of the values of all tokens.

The dot products of queries ``q`` and keys ``k`` are the scores, softmax turns a row of scores into weights that sum to
1, and the weights average the values ``v``. In each head, with T queries, S keys and width D::

    full     y = softmax(q k^T / sqrt(D)) v                       2 T S D multiplications
    binary   y = softmax(scale sgn(q) sgn(k)^T / sqrt(D)) v       T S D by XOR and popcount, T S D real
    linear   y = q (k^T v) / S                                    (T + S) D D: no T x S array is ever made

The first two differ in their scores and end in :func:`tinybnn.ops.attend.attend`. Forms that shrink S are in
:mod:`tinybnn.ops.reduced_attention`.
"""

import math
from collections import namedtuple

import numpy as np

from ..notation import Array
from ..validate import need_kind
from .attend import (
    attend,
    attend_backward,
    attend_loops,
    merge_heads,
    need_tokens,
    pack_heads,
    packed_dots,
    split_gradient,
    split_heads,
    transposed,
)
from .binarize import Quantizer, channel_sum, clipped

# -- full -----------------------------------------------------------------------------------------------------------


def attention_loops(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    """Specification of :func:`attention`."""
    (N, T, _), (S, D) = q.shape, (k.shape[1], k.shape[2] // heads)
    y = np.zeros(q.shape, v.dtype)
    for n, a in np.ndindex(N, heads):
        head = slice(a * D, (a + 1) * D)
        scores = np.zeros((T, S), q.dtype)
        for t, s, d in np.ndindex(T, S, D):
            scores[t, s] += q[n, t, a * D + d] * k[n, s, a * D + d]
        y[n, :, head] = attend_loops(scores / math.sqrt(D), v[n, :, head])
    return y


class AttentionCache(namedtuple("AttentionCache", "q k attended")):
    """Queries and keys as heads, and the cache of the weighted mean."""

    @property
    def weights(self) -> Array:
        """The weight of each key for each query: (N, A, T, S)."""
        return self.attended.weights


AttentionGrads = namedtuple("AttentionGrads", "dq dk dv")


def attention(q: Array, k: Array, v: Array, *, heads: int = 1) -> tuple[Array, AttentionCache]:
    """Full softmax attention, in each head: ``y = softmax(q k^T / sqrt(D)) v``.

    All T x S scores are in memory at once. If q and k have variance 1, sqrt(D) gives their scores variance 1 too.
    Exactness: agrees with :func:`attention_loops` to the rounding of sums of D and of S terms.
    Source: Vaswani 2017, arXiv 1706.03762, eq. 1, and its heads without their projections; status exact.
    See also: :func:`tinybnn.ops.reduced_attention.pooled_attention`, whose S is small.

    Parameters
    ----------
    q : float ndarray of shape (N, T, A D)
    k, v : float ndarrays of shape (N, S, A D); S may differ from T
    heads : int; A, the number of runs of the last axis, each attending on its own; the width is a multiple of A

    Examples
    --------
    >>> k, v = np.ones((1, 2, 4)), np.array([[[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0]]])
    >>> attention(np.ones((1, 1, 4)), k, v)[0]               # both keys score alike: the mean
    array([[[2., 3., 4., 5.]]])
    """
    need_tokens("attention", q, k, v, heads)
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    scores = q @ transposed(k) / math.sqrt(q.shape[-1])  # (1)
    y, attended = attend(scores, v)  # (2)
    return merge_heads(y), AttentionCache(q, k, attended)


def attention_backward(dy: Array, cache: AttentionCache) -> AttentionGrads:
    """``dq`` is ``dscores`` times the keys, ``dk`` its transpose times the queries."""
    q, k, attended = cache
    dscores, dv = attend_backward(split_gradient("attention_backward", dy, q), attended)  # (2)
    dscores = dscores / math.sqrt(q.shape[-1])
    return AttentionGrads(*map(merge_heads, (dscores @ k, transposed(dscores) @ q, dv)))  # (1)


# -- binary scores --------------------------------------------------------------------------------------------------


def binary_attention_loops(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    """Specification of :func:`binary_attention` for a hard quantizer. A sign stays a number of its value's type."""
    (N, T, _), (S, D) = q.shape, (k.shape[1], k.shape[2] // heads)
    y = np.zeros(q.shape, v.dtype)
    for n, a in np.ndindex(N, heads):
        head = slice(a * D, (a + 1) * D)
        scores = np.zeros((T, S), q.dtype)
        for t, s in np.ndindex(T, S):
            dot = 0
            for p, r in zip(q[n, t, head], k[n, s, head]):
                dot += type(p)(1 if p >= 0 else -1) * type(r)(1 if r >= 0 else -1)
            scores[t, s] = scale[a] / math.sqrt(D) * dot
        y[n, :, head] = attend_loops(scores, v[n, :, head])
    return y


class BinaryAttentionCache(namedtuple("BinaryAttentionCache", "q k q_signs k_signs dots factor attended quantizer")):
    """Queries and keys as heads, their signs, dot products and factor; the cache of the weighted mean."""

    @property
    def weights(self) -> Array:
        """The weight of each key for each query: (N, A, T, S)."""
        return self.attended.weights


BinaryAttentionGrads = namedtuple("BinaryAttentionGrads", "dq dk dv dscale")


def binary_attention(
    q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped
) -> tuple[Array, BinaryAttentionCache]:
    """Attention whose scores count agreeing signs: ``y = softmax(scale[a] (sgn(q) sgn(k)^T) / sqrt(D)) v``.

    Weights and values stay real: a weight of one bit would select a key or drop it, and could not average.
    Exactness: agrees with :func:`binary_attention_loops` to the rounding of softmax; equals
    :func:`binary_attention_packed` by ``==``, because ``scale / sqrt(D)`` multiplies the same integer.
    Source: Hamming scores with learnt scales of q and k as in BinaryFormer, Heinrich 2025. arXiv 2405.17776 says,
    without equations, that attention is binarized with learnt scales; status reconstructed.

    Parameters
    ----------
    q : float ndarray of shape (N, T, A D); latent: only its signs are used; NaN is refused, in ``k`` too
    k, v : float ndarrays of shape (N, S, A D); keys are latent, values real
    scale : float ndarray of shape (A,)
        Learnt: the scale of q times the scale of k, one a head. Scores lie within ``scale * sqrt(D)`` of 0.
    heads : as in :func:`attention`
    quantizer : Quantizer; of q and k; :data:`tinybnn.ops.binarize.real` gives float attention with a learnt temperature

    Examples
    --------
    >>> q, k = np.array([[[0.5, -2.0]]]), np.array([[[0.1, -0.1], [-3.0, 3.0]]])           # dot products 2 and -2
    >>> binary_attention(q, k, k, np.array([9.0]))[0].round(6)                             # the first key's value
    array([[[ 0.1, -0.1]]])
    """
    need_tokens("binary_attention", q, k, v, heads, scale=scale)
    need_kind("binary_attention", "quantizer", quantizer, Quantizer)
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    q_signs, k_signs = quantizer.hard(q), quantizer.hard(k)  # (1)
    dots = q_signs @ transposed(k_signs)  # (2)
    factor = scale[:, None, None] / math.sqrt(q.shape[-1])
    y, attended = attend(dots * factor, v)  # (3)
    return merge_heads(y), BinaryAttentionCache(q, k, q_signs, k_signs, dots, factor, attended, quantizer)


def binary_attention_backward(dy: Array, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    """``dq`` and ``dk`` go through the surrogate; ``dscale`` sums over images and scores, one number a head."""
    q, k, q_signs, k_signs, dots, factor, attended, quantizer = cache
    dscores, dv = attend_backward(split_gradient("binary_attention_backward", dy, q), attended)  # (3)
    dscale = channel_sum((dscores * dots).sum((2, 3))) / math.sqrt(q.shape[-1])
    ddots = dscores * factor
    dq_signs, dk_signs = ddots @ k_signs, transposed(ddots) @ q_signs  # (2)
    dq, dk = dq_signs * quantizer.dsoft(q), dk_signs * quantizer.dsoft(k)  # (1)
    return BinaryAttentionGrads(merge_heads(dq), merge_heads(dk), merge_heads(dv), dscale)


def binary_attention_packed(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    """:func:`binary_attention` forward by XOR and popcount, from the same arguments.

    Exactness: equals :func:`binary_attention` with any hard quantizer by ``==``, in float32 and in float64: the same
    integers, and after them the same arithmetic in the same order.
    Source: as :func:`binary_attention`. See also: :func:`tinybnn.ops.attend.packed_dots`.
    """
    need_tokens("binary_attention_packed", q, k, v, heads, scale=scale)
    D = q.shape[-1] // heads
    dots = packed_dots(pack_heads(q, heads), pack_heads(k, heads), D)
    factor = scale[:, None, None] / math.sqrt(D)
    y, _ = attend(dots.astype(v.dtype) * factor, split_heads(v, heads))
    return merge_heads(y)


# -- linear ---------------------------------------------------------------------------------------------------------


def linear_attention_loops(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    """Specification of :func:`linear_attention`: in each head a D x D table, then its product with q."""
    (N, T, _), (S, D) = q.shape, (k.shape[1], k.shape[2] // heads)
    y = np.zeros(q.shape, v.dtype)
    for n, a in np.ndindex(N, heads):
        table = np.zeros((D, D), v.dtype)
        for s, c, d in np.ndindex(S, D, D):
            table[c, d] += k[n, s, a * D + c] * v[n, s, a * D + d]
        for t, c, d in np.ndindex(T, D, D):
            y[n, t, a * D + d] += q[n, t, a * D + c] * (table[c, d] / S)
    return y


LinearAttentionCache = namedtuple("LinearAttentionCache", "q k v table")  # table is the mean of k^T v, (N, A, D, D)


def linear_attention(q: Array, k: Array, v: Array, *, heads: int = 1) -> tuple[Array, LinearAttentionCache]:
    """Attention without softmax, bracketed so that no query meets a key: ``y = q (k^T v) / S`` in each head.

    ``(q k^T) v / S`` is the same number, for 2 T S D multiplications a head instead of (T + S) D D.
    Exactness: equals :func:`linear_attention_loops`, and the other bracketing, by ``==`` on small integers when S is a
    power of two; otherwise agrees to the rounding of its sums.
    Source: Efficient Attention, Shen 2018, arXiv 1812.01243, without its softmax: weights may be negative and need not
    sum to 1; status reconstructed.

    Parameters
    ----------
    q : float ndarray of shape (N, T, A D)
    k, v : float ndarrays of shape (N, S, A D)
    heads : as in :func:`attention`

    Examples
    --------
    >>> q, k, v = np.array([[[2.0]]]), np.array([[[1.0], [3.0]]]), np.array([[[5.0], [1.0]]])
    >>> linear_attention(q, k, v)[0].item()                  # 2 (1 5 + 3 1) / 2
    8.0
    """
    need_tokens("linear_attention", q, k, v, heads)
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    table = transposed(k) @ v / k.shape[2]  # (1)
    return merge_heads(q @ table), LinearAttentionCache(q, k, v, table)  # (2)


def linear_attention_backward(dy: Array, cache: LinearAttentionCache) -> AttentionGrads:
    """Each of the two matrix products gives each of its factors a gradient, still without a T x S array."""
    q, k, v, table = cache
    dy = split_gradient("linear_attention_backward", dy, q)
    dq, dtable = dy @ transposed(table), transposed(q) @ dy / k.shape[2]  # (2)
    dk, dv = v @ transposed(dtable), k @ dtable  # (1)
    return AttentionGrads(*map(merge_heads, (dq, dk, dv)))
