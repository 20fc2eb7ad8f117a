"""Mistakes in attention over channels: which axis is compared, which one softmax runs over, and what is divided by."""

import math
from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops.attend import merge_heads, split_heads, transpose_heads, transposed
from ...ops.attention import BinaryAttentionCache, BinaryAttentionGrads, binary_attention, binary_attention_packed
from ...ops.binarize import Quantizer, clipped, sign
from ...ops.reduced_attention import channel_attention, channel_attention_backward
from .attend import after, softmax
from .binary_attention import dscale_forgotten
from .mistake import Mistake
from .packed_attention import (
    count_against_a_dirty_tail,
    count_the_tail,
    count_unsigned,
    packed_with,
    zero_packs_as_minus,
)


def channel_with(weights: Callable[[Array, Array, int], Array]) -> Callable:
    """Channel attention with other weights (N, A, D, D): a function of the integers, the scale and T."""

    def forward(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped) -> Array:
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        affinity = transposed(sign(q)) @ sign(k)
        return merge_heads(v @ transposed(weights(affinity, scale[:, None, None], q.shape[2])))

    return forward


def not_transposed(affinity: Array, scale: Array, T: int) -> Array:
    return transposed(softmax(scale / math.sqrt(T) * affinity))


def over_the_wrong_axis(affinity: Array, scale: Array, T: int) -> Array:
    return softmax(scale / math.sqrt(T) * affinity, -2)


def divided_by_width(affinity: Array, scale: Array, T: int) -> Array:
    return softmax(scale / math.sqrt(affinity.shape[-1]) * affinity)


def divided_by_tokens(affinity: Array, scale: Array, T: int) -> Array:
    return softmax(scale / T * affinity)


def not_divided(affinity: Array, scale: Array, T: int) -> Array:
    return softmax(scale * affinity)


def taken_from_the_maximum(affinity: Array, scale: Array, T: int) -> Array:
    energy = scale / math.sqrt(T) * affinity
    return softmax(energy.max(-1, keepdims=True) - energy)


def attends_to_tokens(
    q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped
) -> Array:
    return binary_attention(q, k, v, scale, heads=heads, quantizer=quantizer)[0]


def channels_of_all_heads(
    q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped
) -> Array:
    return channel_attention(q, k, v, scale[:1], quantizer=quantizer)[0]


def affinity_transposed(dy: Array, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    spoilt = cache._replace(attended=cache.attended._replace(weights=transposed(cache.weights)))
    return channel_attention_backward(dy, cache)._replace(dv=channel_attention_backward(dy, spoilt).dv)


def one_dscale(grads: BinaryAttentionGrads, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    return grads._replace(dscale=np.full_like(grads.dscale, grads.dscale.sum()))


def dscale_by_width(grads: BinaryAttentionGrads, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    A, D, T = cache.q.shape[1:]
    return grads._replace(dscale=grads.dscale * grads.dscale.dtype.type(math.sqrt(T / D)))


def channels_packed_with(**how: Callable) -> Callable:
    """Channel attention that packs tokens otherwise, or counts them otherwise."""
    inner = packed_with(**how)

    def packed(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
        q, k, v = (transpose_heads(x, heads) for x in (q, k, v))
        return transpose_heads(inner(q, k, v, scale, heads=heads), heads)

    return packed


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "channel_attention",
        "affinity not transposed on its way to the values",
        channel_with(not_transposed),
        "shapes fit, D x D either way; where q = k it trains as well, and only a comparison shows it",
        ("heykeetae/Self-Attention-GAN#11", "CASIA-IVA-Lab/DANet#64"),
    ),
    Mistake(
        "channel_attention",
        "softmax over the wrong axis",
        channel_with(over_the_wrong_axis),
        "shapes fit, D x D either way; a channel's weights do not sum to 1, so a constant map does not stay constant",
    ),
    Mistake(
        "channel_attention",
        "highest weight for the least alike: maximum minus score",
        channel_with(taken_from_the_maximum),
        "meant to keep exp from overflowing; no channel looks at itself, and published networks were trained so",
        ("CASIA-IVA-Lab/DANet#106", "CASIA-IVA-Lab/DANet#62", "dmlc/gluon-cv#1444"),
    ),
    Mistake(
        "channel_attention",
        "scores divided by sqrt(D), not sqrt(T)",
        channel_with(divided_by_width),
        "softmax looks at one channel alone, the more so the larger the image",
    ),
    Mistake(
        "channel_attention",
        "scores not divided at all",
        channel_with(not_divided),
        "each channel looks at itself alone: the layer does nothing, and its scale gets hardly any gradient",
    ),
    Mistake(
        "channel_attention",
        "scores divided by T, not by its square root",
        channel_with(divided_by_tokens),
        "weights are nearly even: every channel of a head comes out as about the same mean",
    ),
    Mistake(
        "channel_attention",
        "attends to tokens after all",
        attends_to_tokens,
        "shapes fit; time and memory grow with the square of the number of pixels",
    ),
    Mistake(
        "channel_attention",
        "channels of all heads attend to each other",
        channels_of_all_heads,
        "right with one head; with more the other heads' scales do nothing, and get no gradient",
    ),
    Mistake(
        "channel_attention_backward",
        "affinity transposed on the way back to the values",
        affinity_transposed,
        "shapes fit, D x D either way; dq, dk and dscale pass a gradient check, dv does not",
    ),
    Mistake(
        "channel_attention_backward",
        "one dscale for all heads",
        after(channel_attention_backward, one_dscale),
        "right with one head; with more all scales move alike and stay equal if they began so",
    ),
    Mistake(
        "channel_attention_backward",
        "dscale divided by sqrt(D), not sqrt(T)",
        after(channel_attention_backward, dscale_by_width),
        "scales learn too fast, the more so the larger the image; everything else passes a gradient check",
    ),
    Mistake(
        "channel_attention_backward",
        "dscale forgotten",
        after(channel_attention_backward, dscale_forgotten),
        "scales stay at their initial value; the loss falls all the same",
    ),
    Mistake(
        "channel_attention_packed",
        "packs along channels, not along tokens",
        binary_attention_packed,
        "shapes fit: it is attention between tokens, whose time grows with the square of their number",
    ),
    Mistake(
        "channel_attention_packed",
        "takes tail bits for tokens",
        channels_packed_with(count=count_the_tail),
        "nothing: all of a channel's scores grow alike, and softmax takes it out again; only rounding differs",
    ),
    Mistake(
        "channel_attention_packed",
        "leaves a one in the tail",
        channels_packed_with(count=count_against_a_dirty_tail),
        "maps of 64 tokens are wrong in the last one; on smaller ones all scores shift alike, which softmax hides",
    ),
    Mistake(
        "channel_attention_packed",
        "unsigned counts: T - 2 popcount wraps around below 0",
        channels_packed_with(count=count_unsigned),
        "right where a channel agrees with every other on half of the map or more; otherwise the unlike get all weight",
    ),
    Mistake(
        "channel_attention_packed",
        "treats 0 as -1",
        channels_packed_with(q_bits=zero_packs_as_minus, k_bits=zero_packs_as_minus),
        "the exported network differs from the trained one wherever a query or key is exactly 0",
    ),
)
