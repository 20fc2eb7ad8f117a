"""Wrong versions of anchors, and of attention to anchors, over channels, and in two parts."""

import math

import numpy as np

from tinybnn import attention, reduced_attention
from tinybnn.attend import exchange, merge_heads, split_heads, transposed
from tinybnn.binarize import sign
from tinybnn.bitpack import pack
from tinybnn.pyramid import LEVELS, pyramid_pool, pyramid_pool_backward

from .attention import (
    count_against_a_dirty_tail,
    count_the_tail,
    disagreements,
    packed_with,
    softmax_over,
    wrong,
    zero_packs_as_minus,
)

# -- pyramid --------------------------------------------------------------------------------------------------------


def cells_with(reduce, last=lambda i, n, level: -(-(i + 1) * n // level), order=lambda y: y):
    """A pyramid whose cells are reduced, ended or ordered otherwise."""

    def forward(x, *, levels=LEVELS):
        N, H, W, C = x.shape
        parts = []
        for n in levels:
            y = np.empty((N, n, n, C), x.dtype)
            for i, j in np.ndindex(n, n):
                rows = slice(i * H // n, max(last(i, H, n), i * H // n + 1))
                cols = slice(j * W // n, max(last(j, W, n), j * W // n + 1))
                y[:, i, j] = reduce(x[:, rows, cols], axis=(1, 2))
            parts.append(order(y).reshape(N, n * n, C))
        return np.concatenate(parts, axis=1), None

    return forward


def finest_level_first(x, *, levels=LEVELS):
    return pyramid_pool(x, levels=levels[::-1])


def only_the_last_level(dy, cache):
    levels, caches = cache
    return pyramid_pool_backward(dy[:, -(levels[-1] ** 2) :], (levels[-1:], caches[-1:]))


# -- reduced --------------------------------------------------------------------------------------------------------


def pooled_with(keys, values=None):
    """Pooled attention whose keys (and values) are pooled by another rule: ``rule(map, levels)``."""

    def forward(q, k, v, scale, *, grid, levels=LEVELS, heads=1, quantizer=None):
        k, v = (x.reshape(len(x), *grid, -1) for x in (k, v))
        pk, pv = keys(k, levels), (values or (lambda x, n: pyramid_pool(x, levels=n)[0]))(v, levels)
        return attention.binary_attention(q, pk, pv, scale, heads=heads)

    return forward


def not_pooled(q, k, v, scale, *, grid, levels=LEVELS, heads=1, quantizer=None):
    return attention.binary_attention(q, k, v, scale, heads=heads)


def pooled_maximum(x, levels):
    return cells_with(np.max)(x, levels=levels)[0]


def pooled_signs(x, levels):
    return pyramid_pool(sign(x), levels=levels)[0]


def columns_first(x, levels):
    return pyramid_pool(x.transpose(0, 2, 1, 3), levels=levels)[0]


def channel_with(weights):
    """Channel attention with other weights (N, A, D, D): a function of the integers, the scale and T."""

    def forward(q, k, v, scale, *, heads=1, quantizer=None):
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        affinity = transposed(sign(q)) @ sign(k)
        return merge_heads(v @ transposed(weights(affinity, scale[:, None, None], q.shape[2]))), None

    return forward


def affinity_transposed_on_the_way_back(dy, cache):
    good = reduced_attention.channel_attention_backward(dy, cache)
    spoilt = cache._replace(attended=cache.attended._replace(weights=transposed(cache.weights)))
    return good._replace(dv=reduced_attention.channel_attention_backward(dy, spoilt).dv)


def one_scale_for_all(good):
    return good._replace(dscale=np.full_like(good.dscale, good.dscale.sum()))


def channels_packed_as_tokens(q, k, v, scale, *, heads=1, quantizer=None):
    return attention.binary_attention_packed(q, k, v, scale, heads=heads)


def channels_packed_with(count, bits=lambda x: pack(sign(x))):
    inner = packed_with(count, bits)

    def packed(q, k, v, scale, *, heads=1, quantizer=None):
        q, k, v = (exchange(x, heads) for x in (q, k, v))
        return exchange(inner(q, k, v, scale, heads=heads), heads)

    return packed


def two_part_with(join):
    def forward(q, k, v, scale_position, scale_channel, *, grid, levels=LEVELS, heads=1, quantizer=None):
        options = {"grid": grid, "levels": levels}
        position, _ = reduced_attention.pooled_attention(q, k, v, scale_position, heads=heads, **options)
        channel, _ = reduced_attention.channel_attention(q, k, v, scale_channel, heads=heads)
        return join(position, channel), None

    return forward


def scales_exchanged(q, k, v, scale_position, scale_channel, **options):
    return reduced_attention.two_part_attention(q, k, v, scale_channel, scale_position, **options)


def one_branch_of_the_fork(dy, cache):
    position = reduced_attention.pooled_attention_backward(dy, cache.position)
    good = reduced_attention.two_part_attention_backward(dy, cache)
    return good._replace(dq=position.dq, dk=position.dk)


def values_fork_forgotten(dy, cache):
    good = reduced_attention.two_part_attention_backward(dy, cache)
    return good._replace(dv=reduced_attention.pooled_attention_backward(dy, cache.position).dv)


def packed_position_alone(q, k, v, scale_position, scale_channel, *, quantizer=None, **options):
    return reduced_attention.pooled_attention_packed(q, k, v, scale_position, **options)


def packed_signs_before_pooling(q, k, v, scale, *, grid, levels=LEVELS, heads=1, quantizer=None):
    return reduced_attention.pooled_attention_packed(q, sign(k), v, scale, grid=grid, levels=levels, heads=heads)


def tokens_and_channels_packed_alike(q, k, v, scale_position, scale_channel, *, quantizer=None, heads=1, **options):
    position = reduced_attention.pooled_attention_packed(q, k, v, scale_position, heads=heads, **options)
    return position + attention.binary_attention_packed(q, k, v, scale_channel, heads=heads)


MUTANTS = (
    *wrong(
        "pyramid_pool",
        "forward",
        ("maximum, not mean", cells_with(np.max)),
        ("sum, not mean", cells_with(np.sum)),
        ("cells end at the floor, and miss pixels", cells_with(np.mean, last=lambda i, n, level: (i + 1) * n // level)),
        ("cells column by column", cells_with(np.mean, order=lambda y: y.transpose(0, 2, 1, 3))),
        ("finest level first", finest_level_first),
    ),
    *wrong(
        "pyramid_pool",
        "backward",
        ("only the last level's gradient", only_the_last_level),
        ("averages over levels", lambda d, c: pyramid_pool_backward(d, c) / len(c[0])),
    ),
    *wrong(
        "pooled_attention",
        "forward",
        ("keys and values not pooled", not_pooled),
        ("pools keys by maximum", pooled_with(pooled_maximum)),
        ("pools values by maximum", pooled_with(lambda k, n: pyramid_pool(k, levels=n)[0], pooled_maximum)),
        ("takes signs before pooling", pooled_with(pooled_signs)),
        ("keys column by column, values row by row", pooled_with(columns_first)),
    ),
    *wrong(
        "pooled_attention",
        "backward",
        ("no gradient through the pooled keys",
         lambda d, c: (g := reduced_attention.pooled_attention_backward(d, c))._replace(dk=0 * g.dk)),
        ("values' gradient divided by S once more",
         lambda d, c: (g := reduced_attention.pooled_attention_backward(d, c))._replace(dv=g.dv / c.weights.shape[-1])),
    ),
    *wrong(
        "pooled_attention",
        "packed",
        ("takes signs before pooling", packed_signs_before_pooling),
        ("ignores all levels but the first", lambda *args, levels, quantizer, **options: (
            reduced_attention.pooled_attention_packed(*args, levels=levels[:1], **options))),
    ),
    *wrong(
        "channel_attention",
        "forward",
        ("affinity transposed", channel_with(lambda a, s, T: transposed(softmax_over(s * a / math.sqrt(T), -1)))),
        ("softmax over the wrong axis", channel_with(lambda a, s, T: softmax_over(s * a / math.sqrt(T), -2))),
        ("scores divided by sqrt(D)", channel_with(lambda a, s, T: softmax_over(s * a / math.sqrt(a.shape[-1]), -1))),
        ("scores divided by T", channel_with(lambda a, s, T: softmax_over(s * a / T, -1))),
        ("attends to tokens after all", attention.binary_attention),
    ),
    *wrong(
        "channel_attention",
        "backward",
        ("affinity transposed on the way back", affinity_transposed_on_the_way_back),
        ("one dscale for all heads",
         lambda d, c: one_scale_for_all(reduced_attention.channel_attention_backward(d, c))),
        ("dscale forgotten",
         lambda d, c: (g := reduced_attention.channel_attention_backward(d, c))._replace(dscale=0 * g.dscale)),
    ),
    *wrong(
        "channel_attention",
        "packed",
        ("packs along channels", channels_packed_as_tokens),
        ("takes tail bits for tokens", channels_packed_with(count_the_tail)),
        ("leaves a one in the tail", channels_packed_with(count_against_a_dirty_tail)),
        ("treats 0 as -1", channels_packed_with(lambda a, b, T: T - 2 * disagreements(a, b), zero_packs_as_minus)),
    ),
    *wrong(
        "two_part_attention",
        "forward",
        ("channel part forgotten", two_part_with(lambda position, channel: position)),
        ("position part forgotten", two_part_with(lambda position, channel: channel)),
        ("parts averaged", two_part_with(lambda position, channel: (position + channel) / 2)),
        ("the two scales exchanged", scales_exchanged),
    ),
    *wrong(
        "two_part_attention",
        "backward",
        ("q and k: only one branch of the fork", one_branch_of_the_fork),
        ("v: only one branch of the fork", values_fork_forgotten),
    ),
    *wrong(
        "two_part_attention",
        "packed",
        ("channel part forgotten", packed_position_alone),
        ("channel part packed along channels", tokens_and_channels_packed_alike),
    ),
)  # fmt: skip
