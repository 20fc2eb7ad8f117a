"""Attention whose cost grows with the number of tokens, not with its square: two ways, and their sum.

The **position part** has fewer keys: the map is averaged over coarse grids, and T queries attend to the S averages,
the anchors, 110 by default (:mod:`tinybnn.ops.pyramid`). The **channel part** exchanges tokens and channels: a channel
is a query of width T, and the D channels of a head attend to each other (:func:`tinybnn.ops.attend.transpose_heads`)::

    position   y = softmax(scale sgn(q) sgn(pool k)^T / sqrt(D)) pool v         T S D instead of T T D multiplications
    channel    y = v softmax(scale sgn(q)^T sgn(k) / sqrt(T))^T                 T D D
    two-part   y = position + channel
"""

from collections import namedtuple
from typing import Any

import numpy as np

from ..notation import HW, Array
from ..validate import need_gradient, need_hw, need_kind, need_shape
from .attend import attend_loops, need_tokens, split_gradient, transpose_heads
from .attention import (
    BinaryAttentionCache,
    BinaryAttentionGrads,
    binary_attention,
    binary_attention_backward,
    binary_attention_loops,
    binary_attention_packed,
)
from .binarize import Quantizer, clipped
from .pyramid import LEVELS, need_levels, pyramid_pool, pyramid_pool_backward, pyramid_pool_loops

# -- the position part ----------------------------------------------------------------------------------------------


def pooled_attention_loops(
    q: Array, k: Array, v: Array, scale: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
) -> Array:  # fmt: skip
    """Specification of :func:`pooled_attention` for a hard quantizer."""
    N, _, D = k.shape
    k, v = (pyramid_pool_loops(x.reshape(N, *grid, D), levels=levels) for x in (k, v))
    return binary_attention_loops(q, k, v, scale, heads=heads)


class PooledAttentionCache(namedtuple("PooledAttentionCache", "pooled_k pooled_v grid binary")):
    """The caches of the two poolings, the grid of the tokens, and the cache of the attention to the anchors."""

    @property
    def weights(self) -> Array:
        """The weight of each anchor for each query: (N, A, T, S)."""
        return self.binary.weights


def pooled_attention(
    q: Array, k: Array, v: Array, scale: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1, quantizer: Quantizer = clipped,
) -> tuple[Array, PooledAttentionCache]:  # fmt: skip
    """Binary attention of T queries to S pooled keys and values.

    ``y = binary_attention(q, pyramid_pool(k), pyramid_pool(v), scale)``. Keys are averaged first, then binarized.

    Exactness: agrees with :func:`pooled_attention_loops` to the rounding of pooling and softmax; equals
    :func:`tinybnn.ops.attention.binary_attention` by ``==`` on an H x H grid with ``levels=(H,)``.
    Source: asymmetric non-local networks, Zhu 2019, arXiv 1908.07678, with binary scores; status reconstructed.

    Parameters
    ----------
    q : float ndarray of shape (N, T, A D)
    k, v : float ndarrays of shape (N, H W, A D)
    scale : float ndarray of shape (A,)
    grid : (H, W); the map on which the tokens of ``k`` and ``v`` lie, row-major; ``H W`` must be their number
    levels : tuple of int; those of the pyramid
    heads, quantizer : as in :func:`tinybnn.ops.attention.binary_attention`

    Examples
    --------
    >>> q, kv = np.ones((1, 4, 1)), np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 4, 1)
    >>> pooled_attention(q, kv, kv, np.ones(1), grid=(2, 2), levels=(1,))[0].ravel()       # one anchor: the mean
    array([3., 3., 3., 3.])
    """
    grid = _need_grid("pooled_attention", q, k, v, grid, levels, heads, scale=scale)
    need_kind("pooled_attention", "quantizer", quantizer, Quantizer)
    pk, pooled_k = pyramid_pool(_on_map(k, grid), levels=levels)  # (1)
    pv, pooled_v = pyramid_pool(_on_map(v, grid), levels=levels)
    y, binary = binary_attention(q, pk, pv, scale, heads=heads, quantizer=quantizer)  # (2)
    return y, PooledAttentionCache(pooled_k, pooled_v, grid, binary)


def pooled_attention_backward(dy: Array, cache: PooledAttentionCache) -> BinaryAttentionGrads:
    """The gradient of an anchor goes to all pixels that it averages."""
    split_gradient("pooled_attention_backward", dy, cache.binary.q)
    dq, dpk, dpv, dscale = binary_attention_backward(dy, cache.binary)  # (2)
    (N, _, D), (H, W) = dpk.shape, cache.grid
    dk = pyramid_pool_backward(dpk, cache.pooled_k).reshape(N, H * W, D)  # (1)
    dv = pyramid_pool_backward(dpv, cache.pooled_v).reshape(N, H * W, D)
    return BinaryAttentionGrads(dq, dk, dv, dscale)


def pooled_attention_packed(
    q: Array, k: Array, v: Array, scale: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
) -> Array:  # fmt: skip
    """:func:`pooled_attention` forward: keys are pooled as floats, then their signs are packed. The same bits."""
    grid = _need_grid("pooled_attention_packed", q, k, v, grid, levels, heads, scale=scale)
    pk, pv = (pyramid_pool(_on_map(x, grid), levels=levels)[0] for x in (k, v))
    return binary_attention_packed(q, pk, pv, scale, heads=heads)


# -- the channel part -----------------------------------------------------------------------------------------------


def channel_attention_loops(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    """Specification of :func:`channel_attention` for a hard quantizer, with no axis exchanged."""
    (N, T, _), D = q.shape, q.shape[2] // heads
    y = np.zeros(q.shape, v.dtype)
    for n, a in np.ndindex(N, heads):
        head = slice(a * D, (a + 1) * D)
        affinity = np.zeros((D, D), q.dtype)
        for c, d in np.ndindex(D, D):
            dot = 0
            for p, r in zip(q[n, :, a * D + c], k[n, :, a * D + d]):
                dot += type(p)(1 if p >= 0 else -1) * type(r)(1 if r >= 0 else -1)
            affinity[c, d] = scale[a] / T**0.5 * dot
        y[n, :, head] = attend_loops(affinity, v[n, :, head].T).T
    return y


def channel_attention(
    q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped
) -> tuple[Array, BinaryAttentionCache]:
    """Binary attention with tokens and channels exchanged: ``y = v softmax(scale[a] sgn(q)^T sgn(k) / sqrt(T))^T``.

    Two channels are compared by their signs over the whole image, T of them, so scores are divided by sqrt(T).
    The cache is that of the exchanged operands; its weights are the affinities (N, A, D, D).
    Exactness: agrees with :func:`channel_attention_loops` to the rounding of softmax; equals the packed form by ``==``.
    Source: arXiv 2405.17776 names a two-part attention without its equations; the channel affinity is that of dual
    attention, Fu 2018, arXiv 1809.02983, with binary scores; status reconstructed.

    Parameters
    ----------
    q, k, v : float ndarrays of shape (N, T, A D); unlike in other attention, there must be as many keys as queries
    scale : float ndarray of shape (A,)
    heads, quantizer : as in :func:`tinybnn.ops.attention.binary_attention`

    Examples
    --------
    >>> x = np.array([[[3.0, 5.0], [-3.0, 1.0]]])
    >>> channel_attention(x, x, x, np.array([100.0]))[0].round(12)       # each channel gets its own values
    array([[[ 3.,  5.],
            [-3.,  1.]]])
    """
    _need_same_tokens("channel_attention", q, k, v, heads, scale=scale)
    need_kind("channel_attention", "quantizer", quantizer, Quantizer)
    q, k, v = (transpose_heads(x, heads) for x in (q, k, v))  # (1)
    y, cache = binary_attention(q, k, v, scale, heads=heads, quantizer=quantizer)  # (2)
    return transpose_heads(y, heads), cache  # (3)


def channel_attention_backward(dy: Array, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    """Exchanging tokens and channels is a permutation, so its backward pass exchanges them again."""
    N, heads, D, T = cache.q.shape
    need_gradient("channel_attention_backward", dy, (N, T, heads * D), finite=True)
    dq, dk, dv, dscale = binary_attention_backward(transpose_heads(dy, heads), cache)  # (3), (2)
    dq, dk, dv = (transpose_heads(d, heads) for d in (dq, dk, dv))  # (1)
    return BinaryAttentionGrads(dq, dk, dv, dscale)


def channel_attention_packed(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    """:func:`channel_attention` forward: exchanged tokens pack along T, so words run over the image. The same bits."""
    _need_same_tokens("channel_attention_packed", q, k, v, heads, scale=scale)
    q, k, v = (transpose_heads(x, heads) for x in (q, k, v))
    return transpose_heads(binary_attention_packed(q, k, v, scale, heads=heads), heads)


# -- both -----------------------------------------------------------------------------------------------------------


def two_part_attention_loops(
    q: Array, k: Array, v: Array, scale_position: Array, scale_channel: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
) -> Array:  # fmt: skip
    """Specification of :func:`two_part_attention` for a hard quantizer."""
    position = pooled_attention_loops(q, k, v, scale_position, grid=grid, levels=levels, heads=heads)
    return position + channel_attention_loops(q, k, v, scale_channel, heads=heads)


TwoPartCache = namedtuple("TwoPartCache", "position channel")
TwoPartGrads = namedtuple("TwoPartGrads", "dq dk dv dscale_position dscale_channel")


def two_part_attention(
    q: Array, k: Array, v: Array, scale_position: Array, scale_channel: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1, quantizer: Quantizer = clipped,
) -> tuple[Array, TwoPartCache]:  # fmt: skip
    """The sum of both parts: ``y = pooled_attention(q, k, v) + channel_attention(q, k, v)``.

    Per head, scores and averages take 2 T (S + D) D multiplications against 2 T T D for full attention.
    Exactness: agrees with :func:`two_part_attention_loops` to the rounding of its parts; equals
    :func:`two_part_attention_packed` by ``==``.
    Source: arXiv 2405.17776 names two parts and their cost; their form here is ours; status reconstructed.

    Parameters
    ----------
    q, k, v : float ndarrays of shape (N, H W, A D)
    scale_position, scale_channel : float ndarrays of shape (A,)
    grid, levels, heads, quantizer : as in :func:`pooled_attention`

    Examples
    --------
    >>> x, one = np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 4, 1), np.ones(1)
    >>> two_part_attention(x, x, x, one, one, grid=(2, 2), levels=(1,))[0].ravel()     # 3 + x: one anchor, one channel
    array([4., 5., 6., 9.])
    """
    options: dict[str, Any] = {"heads": heads, "quantizer": quantizer}
    scales = {"scale_position": scale_position, "scale_channel": scale_channel}
    _need_grid("two_part_attention", q, k, v, grid, levels, heads, **scales)
    _need_same_tokens("two_part_attention", q, k, v, heads)
    need_kind("two_part_attention", "quantizer", quantizer, Quantizer)
    position, cache_p = pooled_attention(q, k, v, scale_position, grid=grid, levels=levels, **options)
    channel, cache_c = channel_attention(q, k, v, scale_channel, **options)
    return position + channel, TwoPartCache(cache_p, cache_c)


def two_part_attention_backward(dy: Array, cache: TwoPartCache) -> TwoPartGrads:
    """Both parts use q, k and v, so their gradients add."""
    split_gradient("two_part_attention_backward", dy, cache.position.binary.q)
    p = pooled_attention_backward(dy, cache.position)
    c = channel_attention_backward(dy, cache.channel)
    return TwoPartGrads(p.dq + c.dq, p.dk + c.dk, p.dv + c.dv, p.dscale, c.dscale)


def two_part_attention_packed(
    q: Array, k: Array, v: Array, scale_position: Array, scale_channel: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
) -> Array:  # fmt: skip
    """:func:`two_part_attention` forward from packed signs: packed by token in one part, by channel in the other."""
    scales = {"scale_position": scale_position, "scale_channel": scale_channel}
    _need_grid("two_part_attention_packed", q, k, v, grid, levels, heads, **scales)
    _need_same_tokens("two_part_attention_packed", q, k, v, heads)
    position = pooled_attention_packed(q, k, v, scale_position, grid=grid, levels=levels, heads=heads)
    return position + channel_attention_packed(q, k, v, scale_channel, heads=heads)


def _on_map(x: Array, grid: tuple[int, int]) -> Array:
    return x.reshape(len(x), *grid, x.shape[-1])


def _need_same_tokens(op: str, q: Array, k: Array, v: Array, heads: int, **scales: Array) -> None:
    N, T, D = need_tokens(op, q, k, v, heads, **scales)
    need_shape(op, "k", k, "N T D", T=(T, "q"))


def _need_grid(
    op: str, q: Array, k: Array, v: Array, grid: HW, levels: tuple[int, ...], heads: int, **scales: Array
) -> HW:
    need_tokens(op, q, k, v, heads, **scales)
    H, W = need_hw(op, "grid", grid, 1)
    need_levels(op, levels)
    if H * W != k.shape[1]:
        raise ValueError(f"{op}: k has {k.shape[1]} tokens, expected H W = {H * W} from grid = {(H, W)}")
    return H, W
