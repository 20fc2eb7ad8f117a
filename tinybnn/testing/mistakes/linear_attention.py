"""Mistakes in linear attention: what its table is divided by, and which way round it is read."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops.attend import merge_heads, split_heads, transposed
from ...ops.attention import AttentionGrads, LinearAttentionCache, linear_attention, linear_attention_backward
from .attend import after
from .attention import attention_with
from .mistake import Mistake


def linear_with(rule: Callable[[Array, Array, Array], Array]) -> Callable:
    """Linear attention by another rule, of heads (N, A, T, D), (N, A, S, D), (N, A, S, D)."""

    def forward(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
        return merge_heads(rule(*(split_heads(x, heads) for x in (q, k, v))))

    return forward


def mean_over_queries(q: Array, k: Array, v: Array) -> Array:
    return q @ (transposed(k) @ v) / q.shape[2]


def not_a_mean(q: Array, k: Array, v: Array) -> Array:
    return q @ (transposed(k) @ v)


def table_transposed(q: Array, k: Array, v: Array) -> Array:
    return q @ (transposed(v) @ k) / k.shape[2]


def table_of_the_batch(q: Array, k: Array, v: Array) -> Array:
    return q @ np.einsum("nasc,nasd->acd", k, v) / k.shape[2]


def linear_in_one_head(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    return linear_attention(q, k, v)[0]


def mean_only_the_forward(grads: AttentionGrads, cache: LinearAttentionCache) -> AttentionGrads:
    S = cache.k.shape[2]
    return grads._replace(dk=grads.dk * S, dv=grads.dv * S)


def table_not_transposed(dy: Array, cache: LinearAttentionCache) -> AttentionGrads:
    dq = merge_heads(split_heads(dy, cache.q.shape[1]) @ cache.table)
    return linear_attention_backward(dy, cache)._replace(dq=dq)


def gradient_of_table_not_transposed(dy: Array, cache: LinearAttentionCache) -> AttentionGrads:
    dtable = transposed(cache.q) @ split_heads(dy, cache.q.shape[1]) / cache.k.shape[2]
    return linear_attention_backward(dy, cache)._replace(dk=merge_heads(cache.v @ dtable))


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "linear_attention",
        "divides by T, not S",
        linear_with(mean_over_queries),
        "right while there are as many keys as queries; wrong by a constant factor once keys are pooled",
    ),
    Mistake(
        "linear_attention",
        "forgets to divide by S",
        linear_with(not_a_mean),
        "activations and losses explode, the more so the larger the image: trained on crops, it fails on whole images",
        ("lucidrains/performer-pytorch#9",),
    ),
    Mistake(
        "linear_attention",
        "table transposed: v^T k for k^T v",
        linear_with(table_transposed),
        "shapes fit, D x D either way; learns as well where k and v are learnt; only a comparison shows it",
    ),
    Mistake(
        "linear_attention",
        "softmax after all",
        attention_with(),
        "time and memory grow with the square of the number of pixels; weights are positive, as they need not be here",
        ("AlexHex7/Non-local_pytorch#19",),
    ),
    Mistake(
        "linear_attention",
        "one table for the whole batch",
        linear_with(table_of_the_batch),
        "right for a batch of one; otherwise an image's result depends on who else is in the batch",
    ),
    Mistake(
        "linear_attention",
        "one head whatever was asked",
        linear_in_one_head,
        "nothing in the shapes; the table is A D x A D, A times the multiplications of A small ones",
    ),
    Mistake(
        "linear_attention_backward",
        "forgets 1 / S on the way back",
        after(linear_attention_backward, mean_only_the_forward),
        "keys and values learn S times too fast, and the more so the larger the image; queries are right",
    ),
    Mistake(
        "linear_attention_backward",
        "table not transposed for the queries",
        table_not_transposed,
        "shapes fit, D x D either way; dk and dv pass a gradient check, dq does not, unless D = 1",
    ),
    Mistake(
        "linear_attention_backward",
        "table's gradient not transposed for the keys",
        gradient_of_table_not_transposed,
        "shapes fit, D x D either way; dq and dv pass a gradient check, dk does not, unless D = 1",
    ),
)
