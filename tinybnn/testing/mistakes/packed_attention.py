"""Mistakes in binary scores by XOR and popcount: in packing signs, in counting bits, in the types of numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.attend import attend, merge_heads, pack_heads, split_heads
from ...ops.bitpack import pack_bits, words
from .binary_attention import binary_with, dots, scaled_before_the_root
from .mistake import Mistake


def disagreements(a: Array, b: Array) -> Array:
    """Bits that differ, between all words (N, A, T, words) and all words (N, A, S, words): (N, A, T, S)."""
    return np.bitwise_count(a[..., :, None, :] ^ b[..., None, :, :]).sum(-1)


def count_right(a: Array, b: Array, D: int) -> Array:
    return D - 2 * disagreements(a, b).astype(int)


def packed_with(
    count: Callable = count_right, q_bits: Callable = pack_heads, k_bits: Callable = pack_heads, dtype: Any = None
) -> Callable:
    """Packed attention that packs its signs or counts them otherwise; scores are of ``dtype`` or of the values'."""

    def packed(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
        D = q.shape[-1] // heads
        factor = scale[:, None, None] / math.sqrt(D)
        scores = np.multiply(count(q_bits(q, heads), k_bits(k, heads), D), factor, dtype=dtype or v.dtype)
        return merge_heads(attend(scores, split_heads(v, heads))[0])

    return packed


def forgets_the_root(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    return packed_with()(q, k, v, scale * math.sqrt(q.shape[-1] // heads), heads=heads)


def count_negated(a: Array, b: Array, D: int) -> Array:
    return 2 * disagreements(a, b).astype(int) - D


def count_agreements(a: Array, b: Array, D: int) -> Array:
    return D - disagreements(a, b).astype(int)


def count_unsigned(a: Array, b: Array, D: int) -> Array:
    return D - 2 * disagreements(a, b)  # uint8 counts add up to uint64, and an int beside uint64 is uint64 too


def count_the_tail(a: Array, b: Array, D: int) -> Array:
    return count_right(a, b, 64 * words(D))


def count_in_eight_bits(a: Array, b: Array, D: int) -> Array:
    return D - 2 * disagreements(a, b).astype(np.uint8).astype(int)


def count_against_a_dirty_tail(a: Array, b: Array, D: int) -> Array:
    return count_right(a | np.uint64(1 << 63), b, D)


def zero_packs_as_minus(x: Array, heads: int) -> Array:
    return pack_bits(split_heads(x, heads) <= 0)


def sign_bit_packs_as_it_is(x: Array, heads: int) -> Array:
    return pack_bits(np.signbit(split_heads(x, heads)))


def most_significant_first(x: Array, heads: int) -> Array:
    octets = np.ascontiguousarray(pack_heads(x, heads)).view(np.uint8)
    return np.packbits(np.unpackbits(octets, axis=-1), axis=-1, bitorder="little").view(np.uint64)


def heads_share_words(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    scores = scale[:, None, None] / math.sqrt(q.shape[-1] // heads) * dots(q, k)[:, None]
    return merge_heads(attend(scores, split_heads(v, heads))[0])


def scale_before_the_root(q: Array, k: Array, v: Array, scale: Array, *, heads: int = 1) -> Array:
    return binary_with(scaled_before_the_root)(q, k, v, scale, heads=heads)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "binary_attention_packed",
        "counts disagreements as agreements: 2 p - K for K - 2 p",
        packed_with(count_negated),
        "looks where it should look least: every score has the other sign",
        ("tensorpack/tensorpack#26",),
    ),
    Mistake(
        "binary_attention_packed",
        "counts agreements, 0 to D, for the dot product, -D to D",
        packed_with(count_agreements),
        "softmax hides the missing -D but not the missing factor 2: weights are too even, at half the scores",
        ("Xilinx/finn#31",),
    ),
    Mistake(
        "binary_attention_packed",
        "unsigned counts: D - 2 popcount wraps around below 0",
        packed_with(count_unsigned),
        "right where a query agrees with all keys in half of the bits or more; else unlike keys get all the weight",
    ),
    Mistake(
        "binary_attention_packed",
        "takes tail bits for channels",
        packed_with(count_the_tail),
        "nothing: all of a query's scores grow alike, and softmax takes it out again; only rounding differs",
    ),
    Mistake(
        "binary_attention_packed",
        "leaves a one in the tail",
        packed_with(count_against_a_dirty_tail),
        "heads of 64 channels are wrong in the last one; in narrower ones all scores shift alike, which softmax hides",
    ),
    Mistake(
        "binary_attention_packed",
        "8-bit counter overflows beyond 255",
        packed_with(count_in_eight_bits),
        "right up to 255 disagreeing bits; 256 count as none, so that the opposite key gets all the weight",
    ),
    Mistake(
        "binary_attention_packed",
        "treats 0 as -1",
        packed_with(q_bits=zero_packs_as_minus, k_bits=zero_packs_as_minus),
        "the exported network differs from the trained one wherever a query or key is exactly 0",
    ),
    Mistake(
        "binary_attention_packed",
        "treats 0 as -1 in keys, as +1 in queries: two packers",
        packed_with(k_bits=zero_packs_as_minus),
        "differs wherever a key is exactly 0; a token does not even agree with itself in all bits",
        ("larq/compute-engine#132",),
    ),
    Mistake(
        "binary_attention_packed",
        "packs the sign bit, so -0.0 becomes -1",
        packed_with(q_bits=sign_bit_packs_as_it_is, k_bits=sign_bit_packs_as_it_is),
        "nothing, until a multiplication by 0 of a negative number makes a -0.0: then one bit differs",
    ),
    Mistake(
        "binary_attention_packed",
        "keys packed most significant bit first, queries least",
        packed_with(k_bits=most_significant_first),
        "scores are noise, except between tokens whose bytes read alike from both ends",
        ("ska-sa/katdal#55", "numpy/numpy#9398"),
    ),
    Mistake(
        "binary_attention_packed",
        "heads share words: a dot product runs over all of them",
        heads_share_words,
        "right with one head; with more all of them look at the same places",
    ),
    Mistake(
        "binary_attention_packed",
        "forgets 1 / sqrt(D)",
        forgets_the_root,
        "the packed network looks at the nearest key alone, which the trained one does not",
    ),
    Mistake(
        "binary_attention_packed",
        "int32 scores times float32 are float64",
        packed_with(dtype=np.float64),
        "values agree to rounding, in twice the memory: the packed network is slower than it should be",
    ),
    Mistake(
        "binary_attention_packed",
        "nearly: scale times the integer, and only then divided by sqrt(D)",
        scale_before_the_root,
        "differs from the trained network in the last bits: no accuracy is lost, but == fails",
    ),
)
