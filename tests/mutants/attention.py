"""Wrong versions of the weighted mean, of full, of binary and of linear attention."""

import math

import numpy as np

from tinybnn import attention
from tinybnn.attend import AttendGrads, attend, attend_backward, merge_heads, split_heads, transposed
from tinybnn.binarize import sign
from tinybnn.bitpack import pack, pack_bits, words

from .mutant import Mutant


def wrong(op, rung, *table):
    """Mutants of one rung of one operation, from pairs of a reason and a wrong version."""
    return tuple(Mutant(op, rung, reason, candidate) for reason, candidate in table)


def softmax_over(scores, axis):
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# -- attend ---------------------------------------------------------------------------------------------------------


def attend_over_queries(scores, v):
    return softmax_over(scores, -2) @ v, None


def attend_without_maximum(scores, v):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(scores)
        return e / e.sum(-1, keepdims=True) @ v, None


def attend_unnormalised(scores, v):
    return np.exp(scores - scores.max(-1, keepdims=True)) @ v, None


def softmax_without_the_row_sum(dy, cache):
    return AttendGrads(cache.weights * (dy @ transposed(cache.v)), transposed(cache.weights) @ dy)


def softmax_as_if_elementwise(dy, cache):
    w = cache.weights
    return AttendGrads(w * (1 - w) * (dy @ transposed(cache.v)), transposed(w) @ dy)


# -- full -----------------------------------------------------------------------------------------------------------


def full_with(scores=lambda q, k: q @ transposed(k) / math.sqrt(q.shape[-1]), split=split_heads, merge=merge_heads):
    """Full attention with other scores, or heads cut otherwise."""

    def forward(q, k, v, *, heads=1):
        q, k, v = (split(x, heads) for x in (q, k, v))
        return merge(attend(scores(q, k), v)[0]), None

    return forward


def split_interleaved(x, heads):
    """Head a takes channels a, a + A, a + 2 A ..."""
    N, T, width = x.shape
    return x.reshape(N, T, width // heads, heads).transpose(0, 3, 1, 2)


def merge_interleaved(x):
    N, A, T, D = x.shape
    return x.transpose(0, 2, 3, 1).reshape(N, T, D * A)


def full_in_one_head(q, k, v, *, heads=1):
    return attention.attention(q, k, v)


def unscaled_on_the_way_back(dy, cache):
    good = attention.attention_backward(dy, cache)
    root = math.sqrt(cache.q.shape[-1])
    return good._replace(dq=good.dq * root, dk=good.dk * root)


def keys_and_values_exchanged(dy, cache):
    good = attention.attention_backward(dy, cache)
    return good._replace(dk=good.dv, dv=good.dk)


# -- binary ---------------------------------------------------------------------------------------------------------


def binary_with(scores):
    """Binary attention with ``scores(q, k, scale)`` in place of its own; scale comes as (A, 1, 1)."""

    def forward(q, k, v, scale, *, heads=1, quantizer=None):
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        return merge_heads(attend(scores(q, k, scale[:, None, None]), v)[0]), None

    return forward


def dots(q, k):
    return sign(q) @ transposed(sign(k))


def ternary(q, k, scale):
    return scale * (np.sign(q) @ transposed(np.sign(k))) / math.sqrt(q.shape[-1])


def binary_backward_with(change):
    """binary_attention's backward after ``change(gradients, dy, cache)``."""

    def backward(dy, cache):
        return change(attention.binary_attention_backward(dy, cache), dy, cache)

    return backward


def no_surrogate(good, dy, cache):
    dscores = attend_backward(split_heads(dy, len(cache.factor)), cache.attended).dscores * cache.factor
    return good._replace(dq=merge_heads(dscores @ cache.k_signs), dk=merge_heads(transposed(dscores) @ cache.q_signs))


def scale_only_the_forward(good, dy, cache):
    dq, dk, dv, _ = attention.binary_attention_backward(dy, cache._replace(factor=np.ones_like(cache.factor)))
    return good._replace(dq=dq, dk=dk)


def packed_with(count, bits=lambda x: pack(sign(x))):
    """The packed form with another way from words (T, words) and (S, words) to an integer."""

    def packed(q, k, v, scale, *, heads=1, quantizer=None):
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        D, scores = q.shape[-1], np.empty((*q.shape[:3], k.shape[2]), v.dtype)
        for i in np.ndindex(*q.shape[:2]):
            scores[i] = count(bits(q[i]), bits(k[i]), D)
        return merge_heads(attend(scores * (scale[:, None, None] / math.sqrt(D)), v)[0])

    return packed


def disagreements(a, b):
    """How many bits differ between every row of ``a`` and every row of ``b``."""
    return np.bitwise_count(a[:, None] ^ b).sum(-1, dtype=np.int64)


def count_agreements(a, b, D):
    return 2 * disagreements(a, b) - D


def count_the_tail(a, b, D):
    return 64 * words(D) - 2 * disagreements(a, b)


def count_in_eight_bits(a, b, D):
    return D - 2 * np.bitwise_count(a[:, None] ^ b).sum(-1, dtype=np.uint8).astype(int)


def count_against_a_dirty_tail(a, b, D):
    return D - 2 * disagreements(a | np.uint64(1 << 63), b)


def zero_packs_as_minus(x):
    return pack_bits(x <= 0)


def scale_before_the_root(q, k, v, scale, *, heads=1, quantizer=None):
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    return merge_heads(attend(scale[:, None, None] * dots(q, k) / math.sqrt(q.shape[-1]), v)[0])


# -- linear ---------------------------------------------------------------------------------------------------------


def linear_with(rule):
    def forward(q, k, v, *, heads=1):
        return merge_heads(rule(*(split_heads(x, heads) for x in (q, k, v)))), None

    return forward


def mean_only_the_forward(dy, cache):
    good, S = attention.linear_attention_backward(dy, cache), cache.k.shape[2]
    return good._replace(dk=good.dk * S, dv=good.dv * S)


def table_not_transposed(dy, cache):
    good = attention.linear_attention_backward(dy, cache)
    return good._replace(dq=merge_heads(split_heads(dy, cache.q.shape[1]) @ cache.table))


MUTANTS = (
    *wrong(
        "attend",
        "forward",
        ("softmax over queries, not keys", attend_over_queries),
        ("overflows: forgets to subtract the maximum", attend_without_maximum),
        ("does not divide by the row's sum", attend_unnormalised),
    ),
    *wrong(
        "attend",
        "backward",
        ("softmax without the row sum", softmax_without_the_row_sum),
        ("softmax as if elementwise, w (1 - w)", softmax_as_if_elementwise),
        ("weights as constants", lambda d, c: attend_backward(d, c)._replace(dscores=np.zeros_like(c.weights))),
    ),
    *wrong(
        "attention",
        "forward",
        ("forgets 1 / sqrt(D)", full_with(lambda q, k: q @ transposed(k))),
        ("divides by D", full_with(lambda q, k: q @ transposed(k) / q.shape[-1])),
        ("divides by the square root of all heads' width", full_with(
            lambda q, k: q @ transposed(k) / math.sqrt(q.shape[1] * q.shape[-1]))),
        ("interleaves heads", full_with(split=split_interleaved, merge=merge_interleaved)),
        ("merges heads interleaved", full_with(merge=merge_interleaved)),
        ("one head whatever was asked", full_in_one_head),
    ),
    *wrong(
        "attention",
        "backward",
        ("forgets 1 / sqrt(D) on the way back", unscaled_on_the_way_back),
        ("hands the keys' gradient to the values", keys_and_values_exchanged),
    ),
    *wrong(
        "binary_attention",
        "forward",
        ("real scores", binary_with(lambda q, k, s: s * (q @ transposed(k)) / math.sqrt(q.shape[-1]))),
        ("ternary: sign(0) = 0 in scores", binary_with(ternary)),
        ("forgets the scale", binary_with(lambda q, k, s: dots(q, k) / math.sqrt(q.shape[-1]))),
        ("one scale for all heads", binary_with(lambda q, k, s: s[:1] * dots(q, k) / math.sqrt(q.shape[-1]))),
        ("forgets 1 / sqrt(D)", binary_with(lambda q, k, s: s * dots(q, k))),
        ("binary queries, real keys", binary_with(
            lambda q, k, s: s * (sign(q) @ transposed(k)) / math.sqrt(q.shape[-1]))),
    ),
    *wrong(
        "binary_attention",
        "backward",
        ("dscale forgotten", binary_backward_with(lambda g, d, c: g._replace(dscale=0 * g.dscale))),
        ("dscale without 1 / sqrt(D)", binary_backward_with(
            lambda g, d, c: g._replace(dscale=g.dscale * math.sqrt(c.q.shape[-1])))),
        ("averages dscale over images", binary_backward_with(
            lambda g, d, c: g._replace(dscale=g.dscale / len(d)))),
        ("passes gradients as if q and k were real", binary_backward_with(no_surrogate)),
        ("forgets the scale on the way back", binary_backward_with(scale_only_the_forward)),
    ),
    *wrong(
        "binary_attention",
        "packed",
        ("counts disagreements as agreements", packed_with(count_agreements)),
        ("takes tail bits for channels", packed_with(count_the_tail)),
        ("leaves a one in the tail", packed_with(count_against_a_dirty_tail)),
        ("8-bit counter overflows beyond 255", packed_with(count_in_eight_bits)),
        ("treats 0 as -1", packed_with(lambda a, b, D: D - 2 * disagreements(a, b), zero_packs_as_minus)),
        ("nearly: scale times integer before the division by sqrt(D)", scale_before_the_root),
    ),
    *wrong(
        "linear_attention",
        "forward",
        ("divides by T, not S", linear_with(lambda q, k, v: q @ (transposed(k) @ v) / q.shape[2])),
        ("forgets to divide by S", linear_with(lambda q, k, v: q @ (transposed(k) @ v))),
        ("table transposed", linear_with(lambda q, k, v: q @ (transposed(v) @ k) / k.shape[2])),
        ("softmax after all", full_with()),
    ),
    *wrong(
        "linear_attention",
        "backward",
        ("forgets 1 / S on the way back", mean_only_the_forward),
        ("table not transposed for the queries", table_not_transposed),
    ),
)  # fmt: skip
