"""Mistakes in full attention: its scale, its heads, its axes."""

import math
from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops.attend import attend, merge_heads, split_heads, transposed
from ...ops.attention import AttentionCache, AttentionGrads, attention, attention_backward
from .attend import after, over_queries, without_maximum
from .mistake import Mistake

# -- full, forward --------------------------------------------------------------------------------------------------


def mean(scores: Array, v: Array) -> Array:
    """The right weighted mean."""
    return attend(scores, v)[0]


def scores_of(q: Array, k: Array) -> Array:
    """The right scores, of heads (N, A, T, D) and (N, A, S, D)."""
    return q @ transposed(k) / math.sqrt(q.shape[-1])


def attention_with(
    scores: Callable = scores_of, split: Callable = split_heads, merge: Callable = merge_heads, mean: Callable = mean
) -> Callable:
    """Attention with other scores, another mean, or heads cut and merged otherwise."""

    def forward(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
        q, k, v = (split(x, heads) for x in (q, k, v))
        return merge(mean(scores(q, k), v))

    return forward


def unscaled(q: Array, k: Array) -> Array:
    return q @ transposed(k)


def divided_by_width(q: Array, k: Array) -> Array:
    return q @ transposed(k) / q.shape[-1]


def divided_by_all_heads(q: Array, k: Array) -> Array:
    return q @ transposed(k) / math.sqrt(q.shape[1] * q.shape[-1])


def divided_by_number_of_heads(q: Array, k: Array) -> Array:
    return q @ transposed(k) / math.sqrt(q.shape[1])


def multiplied(q: Array, k: Array) -> Array:
    return q @ transposed(k) / q.shape[-1] ** -0.5


def in_double(q: Array, k: Array) -> Array:
    return q @ transposed(k) / np.sqrt(q.shape[-1])  # np.sqrt of an int is a float64, and no weak one


def scaled_after_softmax(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    return attention_with(unscaled)(q, k, v, heads=heads) / math.sqrt(q.shape[-1] // heads)


def split_interleaved(x: Array, heads: int) -> Array:
    """Head a takes channels a, a + A, a + 2 A ..."""
    N, T, width = x.shape
    return x.reshape(N, T, width // heads, heads).transpose(0, 3, 1, 2)


def merge_interleaved(x: Array) -> Array:
    N, A, T, D = x.shape
    return x.transpose(0, 2, 3, 1).reshape(N, T, D * A)


def split_by_reshape(x: Array, heads: int) -> Array:
    N, T, width = x.shape
    return x.reshape(N, heads, T, width // heads)


def merge_by_reshape(x: Array) -> Array:
    N, A, T, D = x.shape
    return x.reshape(N, T, A * D)


def heads_left_behind(x: Array, heads: int) -> Array:
    """Heads stay the last but one axis, where a matrix product takes them for tokens."""
    N, T, width = x.shape
    return x.reshape(N, T, heads, width // heads)


def in_one_head(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    return attention(q, k, v)[0]


def keys_for_values(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    return attention(q, v, k, heads=heads)[0]


def as_it_lies_in_memory(q: Array, k: Array, v: Array, *, heads: int = 1) -> Array:
    """What a kernel sees that gets an address and believes in row-major order."""
    q, k, v = (x.ravel(order="K").reshape(x.shape) for x in (q, k, v))
    return attention(q, k, v, heads=heads)[0]


# -- full, backward -------------------------------------------------------------------------------------------------


def unscaled_on_the_way_back(grads: AttentionGrads, cache: AttentionCache) -> AttentionGrads:
    root = math.sqrt(cache.q.shape[-1])
    return grads._replace(dq=grads.dq * root, dk=grads.dk * root)


def double_on_the_way_back(grads: AttentionGrads, cache: AttentionCache) -> AttentionGrads:
    return grads._replace(dq=grads.dq * np.float64(1), dk=grads.dk * np.float64(1))


def keys_and_values_exchanged(grads: AttentionGrads, cache: AttentionCache) -> AttentionGrads:
    return grads._replace(dk=grads.dv, dv=grads.dk)


def queries_and_keys_not_learnt(grads: AttentionGrads, cache: AttentionCache) -> AttentionGrads:
    return grads._replace(dq=0 * grads.dq, dk=0 * grads.dk)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "attention",
        "forgets 1 / sqrt(D)",
        attention_with(unscaled),
        "softmax looks at one key alone, the more so the wider the heads; gradients vanish, ported weights do worse",
        ("delzac/cntkx#10", "mlc-ai/mlc-llm#3426", "PAIR-code/tiny-transformers#71"),
    ),
    Mistake(
        "attention",
        "overflows: forgets to subtract the maximum",
        attention_with(mean=without_maximum),
        "nothing, until a score passes 88 in float32 or 709 in float64: then NaN, mostly late in training",
        ("NVIDIA/FasterTransformer#43", "pytorch/executorch#18407"),
    ),
    Mistake(
        "attention",
        "divides by D, not by its square root",
        attention_with(divided_by_width),
        "weights are nearly even, every token gets about the same mean; also where q, k and scores are all scaled",
    ),
    Mistake(
        "attention",
        "divides by the square root of all heads' width",
        attention_with(divided_by_all_heads),
        "right with one head; with A heads scores are sqrt(A) too small, and weights copied from elsewhere do worse",
        ("omihub777/ViT-CIFAR#11", "chelsea0x3b/dfdx#171", "juho-lee/set_transformer#18"),
    ),
    Mistake(
        "attention",
        "divides by the square root of the number of heads",
        attention_with(divided_by_number_of_heads),
        "the right answer still wins in a demonstration, by a wrong margin; features differ from the reference's",
        ("tenstorrent/tt-metal#56789",),
    ),
    Mistake(
        "attention",
        "multiplies by sqrt(D): divides by D ** -0.5",
        attention_with(multiplied),
        "softmax is a hard maximum from the first step on; almost no gradient reaches queries and keys",
        ("esceptico/perceiver-io#9",),
    ),
    Mistake(
        "attention",
        "scales after the softmax, not before it",
        scaled_after_softmax,
        "results are too small by sqrt(D), and softmax is as sharp as if nothing were scaled",
        ("FrancescoSaverioZuppichini/ViT#2", "FrancescoSaverioZuppichini/ViT#6"),
    ),
    Mistake(
        "attention",
        "np.sqrt(D) is a float64, and turns float32 into float64",
        attention_with(in_double),
        "values are right; from NumPy 2 on everything after the layer takes twice the memory and time",
        ("bh107/bohrium#16", "netket/netket#1218"),
    ),
    Mistake(
        "attention",
        "softmax over queries, not keys",
        attention_with(mean=over_queries),
        "a query's weights do not sum to 1, a key's do; training works around it, so no loss curve shows it",
        ("labmlai/annotated_deep_learning_paper_implementations#146",),
    ),
    Mistake(
        "attention",
        "interleaves heads: head a takes every A-th channel, from channel a on",
        attention_with(split=split_interleaved, merge=merge_interleaved),
        "trains as well as ever; weights taken from another implementation give rubbish with more than one head",
    ),
    Mistake(
        "attention",
        "merges heads interleaved",
        attention_with(merge=merge_interleaved),
        "right with one head; with more a linear layer behind it learns the permutation, so only a comparison shows it",
    ),
    Mistake(
        "attention",
        "cuts heads by a reshape alone, without a transpose",
        attention_with(split=split_by_reshape, merge=merge_by_reshape),
        "right with one head; with more a head sees a part of the tokens, each cut into pieces that pose as tokens",
        ("reczoo/FuxiCTR#30", "hyunwoongko/transformer#15"),
    ),
    Mistake(
        "attention",
        "merges heads by a reshape alone, without transposing back",
        attention_with(merge=merge_by_reshape),
        "shapes fit and easy tasks are still learnt; tokens get pieces of other tokens' results",
        ("jsbaan/transformer-from-scratch#6", "jadore801120/attention-is-all-you-need-pytorch#7"),
    ),
    Mistake(
        "attention",
        "heads attend to each other, not tokens: the head axis was not brought forward",
        attention_with(split=heads_left_behind, merge=lambda x: x.reshape(*x.shape[:2], -1)),
        "no error while keys are as many as queries; a pixel's result does not depend on any other pixel",
    ),
    Mistake(
        "attention",
        "one head whatever was asked",
        in_one_head,
        "nothing: shapes are the same, and 8 heads do exactly as well as one",
    ),
    Mistake(
        "attention",
        "keys and values exchanged",
        keys_for_values,
        "learns as well where both are learnt projections of the same tokens; shows only with weights from elsewhere",
    ),
    Mistake(
        "attention",
        "reads memory in row-major order, whatever the strides",
        as_it_lies_in_memory,
        "all tests with fresh arrays pass; a transposed or Fortran-ordered map comes out scrambled",
    ),
    Mistake(
        "attention_backward",
        "forgets 1 / sqrt(D) on the way back",
        after(attention_backward, unscaled_on_the_way_back),
        "queries and keys learn sqrt(D) times too fast; an optimizer that divides by the gradient's size hides it",
    ),
    Mistake(
        "attention_backward",
        "np.float64 on the way back turns float32 gradients into float64",
        after(attention_backward, double_on_the_way_back),
        "values are right; after one update the weights are float64, and training takes twice the memory",
    ),
    Mistake(
        "attention_backward",
        "hands the keys' gradient to the values",
        after(attention_backward, keys_and_values_exchanged),
        "shapes fit; the loss falls a little at first and then does not",
    ),
    Mistake(
        "attention_backward",
        "no gradient through the weights: queries and keys are not learnt",
        after(attention_backward, queries_and_keys_not_learnt),
        "the loss falls, by the values alone; where the network looks stays as it was initialised",
    ),
)
