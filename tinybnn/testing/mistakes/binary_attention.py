"""Mistakes in attention whose scores are made of signs: in the scores, in the scale, in the surrogates."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.attend import attend, attend_backward, merge_heads, split_heads, transposed
from ...ops.attention import BinaryAttentionCache, BinaryAttentionGrads, binary_attention_backward
from ...ops.binarize import Quantizer, clipped, sign
from .attend import after
from .attention import mean
from .mistake import Mistake

# -- forward --------------------------------------------------------------------------------------------------------


def dots(q: Array, k: Array) -> Array:
    return sign(q) @ transposed(sign(k))


def scaled(q: Array, k: Array, scale: Array) -> Array:
    """The right scores; the scale comes as (A, 1, 1)."""
    return scale / math.sqrt(q.shape[-1]) * dots(q, k)


def binary_with(scores: Callable = scaled, mean: Callable = mean) -> Callable:
    """Binary attention with other scores, or another mean."""

    def forward(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped) -> Array:
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        return merge_heads(mean(scores(q, k, scale[:, None, None]), v))

    return forward


def real_scores(q: Array, k: Array, scale: Array) -> Array:
    return scale / math.sqrt(q.shape[-1]) * (q @ transposed(k))


def real_keys(q: Array, k: Array, scale: Array) -> Array:
    return scale / math.sqrt(q.shape[-1]) * (sign(q) @ transposed(k))


def ternary(q: Array, k: Array, scale: Array) -> Array:
    return scale / math.sqrt(q.shape[-1]) * (np.sign(q) @ transposed(np.sign(k)))


def agreements(q: Array, k: Array, scale: Array) -> Array:
    D = q.shape[-1]
    return scale / math.sqrt(D) * (dots(q, k) + D) / 2


def without_scale(q: Array, k: Array, scale: Array) -> Array:
    return dots(q, k) / math.sqrt(q.shape[-1])


def one_scale(q: Array, k: Array, scale: Array) -> Array:
    return scaled(q, k, scale[:1])


def without_root(q: Array, k: Array, scale: Array) -> Array:
    return scale * dots(q, k)


def scaled_before_the_root(q: Array, k: Array, scale: Array) -> Array:
    return scale * dots(q, k) / math.sqrt(q.shape[-1])


def in_double(q: Array, k: Array, scale: Array) -> Array:
    return scale * dots(q, k) / np.sqrt(q.shape[-1])  # np.sqrt of an int is a float64, and no weak one


def scale_of_the_result(
    q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1, quantizer: Quantizer = clipped
) -> Array:
    y = binary_with(without_scale)(q, k, v, scale, heads=heads)
    return merge_heads(scale[:, None, None] * split_heads(y, heads))


def weights_of_one_bit(scores: Array, v: Array) -> Array:
    return (scores >= 0).astype(v.dtype) @ v


def values_of_one_bit(scores: Array, v: Array) -> Array:
    return attend(scores, sign(v))[0]


# -- backward -------------------------------------------------------------------------------------------------------


def dscale_forgotten(grads: Any, cache: Any) -> Any:
    return grads._replace(dscale=0 * grads.dscale)


def dscale_without_root(grads: BinaryAttentionGrads, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    return grads._replace(dscale=grads.dscale * math.sqrt(cache.q.shape[-1]))


def dscale_averaged(grads: BinaryAttentionGrads, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    return grads._replace(dscale=grads.dscale / len(cache.q))


def before_the_surrogate(dy: Array, cache: BinaryAttentionCache) -> tuple[Array, Array]:
    """Gradients of both signs, as heads."""
    ddots = attend_backward(split_heads(dy, len(cache.factor)), cache.attended).dscores * cache.factor
    return ddots @ cache.k_signs, transposed(ddots) @ cache.q_signs


def surrogate_with(change: Callable[[Array, Array, Array, Quantizer], Array]) -> Callable:
    """Backward whose dq and dk are ``change(gradient of the signs, latent, signs, quantizer)``."""

    def backward(dy: Array, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
        dq, dk = before_the_surrogate(dy, cache)
        dq, dk = (
            change(dq, cache.q, cache.q_signs, cache.quantizer),
            change(dk, cache.k, cache.k_signs, cache.quantizer),
        )
        return binary_attention_backward(dy, cache)._replace(dq=merge_heads(dq), dk=merge_heads(dk))

    return backward


def no_surrogate(gradient: Array, latent: Array, signs: Array, quantizer: Quantizer) -> Array:
    return gradient


def clip_the_gradient(gradient: Array, latent: Array, signs: Array, quantizer: Quantizer) -> Array:
    return np.clip(gradient, -1, 1)


def always_clipped(gradient: Array, latent: Array, signs: Array, quantizer: Quantizer) -> Array:
    return gradient * clipped.dsoft(latent)


def at_the_signs(gradient: Array, latent: Array, signs: Array, quantizer: Quantizer) -> Array:
    return gradient * quantizer.dsoft(signs)


def scale_only_the_forward(dy: Array, cache: BinaryAttentionCache) -> BinaryAttentionGrads:
    unscaled = binary_attention_backward(dy, cache._replace(factor=np.ones_like(cache.factor)))
    return binary_attention_backward(dy, cache)._replace(dq=unscaled.dq, dk=unscaled.dk)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "binary_attention",
        "real scores: signs not taken",
        binary_with(real_scores),
        "trains suspiciously well, as the float network it is; the packed one differs from it everywhere",
    ),
    Mistake(
        "binary_attention",
        "binary queries, real keys",
        binary_with(real_keys),
        "trains suspiciously well; the packed network differs from it, and no XOR computes these scores",
    ),
    Mistake(
        "binary_attention",
        "ternary: sign(0) = 0 in scores",
        binary_with(ternary),
        "nothing, until a query or key is exactly 0, as behind a ReLU: then the packed network differs from it",
        ("larq/larq#32", "itayhubara/BinaryNet.pytorch#23"),
    ),
    Mistake(
        "binary_attention",
        "counts agreements, 0 to D, for the dot product, -D to D",
        binary_with(agreements),
        "softmax hides the missing -D but not the missing factor 2: weights are too even, at half the scores",
        ("Xilinx/finn#31", "openvinotoolkit/openvino#4093"),
    ),
    Mistake(
        "binary_attention",
        "forgets the scale",
        binary_with(without_scale),
        "scores lie within sqrt(D) of 0, and training cannot make them wider: attention stays blurred",
        ("Efficient-ML/BiBERT#4",),
    ),
    Mistake(
        "binary_attention",
        "one scale for all heads",
        binary_with(one_scale),
        "right while all scales are alike, as they are before the first step of training; then only head 0 is right",
    ),
    Mistake(
        "binary_attention",
        "scales the result, not the scores",
        scale_of_the_result,
        "right at scale 1; a learnt scale then changes how large results are, not how sharply attention looks",
    ),
    Mistake(
        "binary_attention",
        "forgets 1 / sqrt(D)",
        binary_with(without_root),
        "softmax looks at the nearest key alone; the scale learns the root, if it gets the time",
    ),
    Mistake(
        "binary_attention",
        "np.sqrt(D) is a float64, and turns float32 into float64",
        binary_with(in_double),
        "values are right; from NumPy 2 on everything after the layer takes twice the memory and time",
        ("bh107/bohrium#16", "netket/netket#1218"),
    ),
    Mistake(
        "binary_attention",
        "weights rounded to 0 and 1 in place of softmax",
        binary_with(mean=weights_of_one_bit),
        "a query gets the sum of many values or nothing at all: results grow with the number of keys",
        ("Efficient-ML/BiBERT#2",),
    ),
    Mistake(
        "binary_attention",
        "binarizes the values as well",
        binary_with(mean=values_of_one_bit),
        "results never leave -1 to 1, whatever the values; their size, which batch norm had learnt, is lost",
    ),
    Mistake(
        "binary_attention_backward",
        "dscale forgotten",
        after(binary_attention_backward, dscale_forgotten),
        "scales stay at their initial value; the loss falls all the same",
    ),
    Mistake(
        "binary_attention_backward",
        "dscale without 1 / sqrt(D)",
        after(binary_attention_backward, dscale_without_root),
        "scales learn sqrt(D) times too fast; an optimizer that divides by the gradient's size hides it",
    ),
    Mistake(
        "binary_attention_backward",
        "averages dscale over images",
        after(binary_attention_backward, dscale_averaged),
        "right for a batch of one; the larger the batch, the slower the scales learn",
    ),
    Mistake(
        "binary_attention_backward",
        "no surrogate: gradients pass as if queries and keys were real",
        surrogate_with(no_surrogate),
        "learns at first; latent queries and keys grow without bound, and their signs stop changing",
        ("eladhoffer/quantized.pytorch#5", "itayhubara/BinaryNet.pytorch#29"),
    ),
    Mistake(
        "binary_attention_backward",
        "clips the gradient, in place of a mask where the latent value is beyond 1",
        surrogate_with(clip_the_gradient),
        "gradients are mostly small, so nothing is clipped: the same as no surrogate at all",
        ("AngusG/cleverhans-attacking-bnns#2",),
    ),
    Mistake(
        "binary_attention_backward",
        "masks by |x| <= 1 whatever surrogate was asked",
        surrogate_with(always_clipped),
        "right with the default; every other quantizer trains exactly alike, and comparing them shows no difference",
    ),
    Mistake(
        "binary_attention_backward",
        "takes the surrogate's slope at the signs, not at the latent values",
        surrogate_with(at_the_signs),
        "with the clipped surrogate the mask never closes; with the polynomial one no gradient passes at all",
    ),
    Mistake(
        "binary_attention_backward",
        "forgets the scale on the way back",
        scale_only_the_forward,
        "a negative scale turns learning around; with small scales queries and keys learn too fast",
    ),
)
