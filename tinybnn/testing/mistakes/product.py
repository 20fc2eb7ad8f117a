"""Mistakes in the dot product of packed signs: from popcount to product, tails, counters, halves of words."""

from typing import Any

import numpy as np

from ...notation import Array
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies, exchange_halves

LOW_HALF = np.uint64(0xFFFFFFFF)


def popcount(words: Array, dtype: Any = np.int64) -> Array:
    """Bits of 1 in each row of words, counted in ``dtype``."""
    return np.bitwise_count(words).sum(-1, dtype=dtype)


def in_half_precision(a: Array, b: Array, n: int) -> Array:
    return (n - 2 * popcount(a ^ b)).astype(np.float16).astype(np.int32)


def disagreements_as_agreements(a: Array, b: Array, n: int) -> Array:
    return 2 * popcount(a ^ b) - n


def xnor_where_xor_was_meant(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(~(a ^ b))


def xnor_counts_the_tail(a: Array, b: Array, n: int) -> Array:
    return 2 * popcount(~(a ^ b)) - n


def all_bits_are_channels(a: Array, b: Array, n: int) -> Array:
    return 64 * a.shape[-1] - 2 * popcount(a ^ b)


def agreements_alone(a: Array, b: Array, n: int) -> Array:
    return n - popcount(a ^ b)


def disagreements_alone(a: Array, b: Array, n: int) -> Array:
    return popcount(a ^ b)


def counted_by_and(a: Array, b: Array, n: int) -> Array:
    return popcount(a & b)


def and_for_xor(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(a & b)


def counter_of_eight_bits(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(a ^ b, np.uint8).astype(np.int64)


def result_of_eight_bits(a: Array, b: Array, n: int) -> Array:
    return (n - 2 * popcount(a ^ b)).astype(np.int8)


def doubled_unsigned(a: Array, b: Array, n: int) -> Array:
    """``n - 2 p`` without a sign: negative products wrap round."""
    return (n - 2 * popcount(a ^ b)).astype(np.uint32)


def low_halves_only(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount((a ^ b) & LOW_HALF)


def first_word_only(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(a[..., :1] ^ b[..., :1])


def whole_words_only(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount((a ^ b)[..., : n // 64])


def halves_of_one_side(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(a ^ exchange_halves(b))


def bytes_of_one_side(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(a ^ np.ascontiguousarray(b).byteswap())


def bits_of_one_side(a: Array, b: Array, n: int) -> Array:
    octets = np.ascontiguousarray(b).view(np.uint8)
    mirrored = np.packbits(np.unpackbits(octets, axis=-1), axis=-1, bitorder="little")
    return n - 2 * popcount(a ^ mirrored.view(np.uint64))


def from_the_pointer(a: Array, b: Array, n: int) -> Array:
    return n - 2 * popcount(as_it_lies(a) ^ as_it_lies(b))


FORMULA = ("tensorpack/tensorpack#26", "JDAI-CV/dabnn#40", "Xilinx/finn#31")
TAIL = ("JDAI-CV/dabnn#28",)

COUNTS: tuple[Mistake, ...] = (
    Mistake(
        "packed_dot",
        "2 popcount - n after XOR: counts disagreements as agreements",
        disagreements_as_agreements,
        "every product has the wrong sign and the right size; a row with itself gives -n",
        FORMULA,
    ),
    Mistake(
        "packed_dot",
        "n - 2 popcount after XNOR",
        xnor_where_xor_was_meant,
        "every product has the wrong sign; with 65 channels also the wrong size, for the tail agrees",
        FORMULA,
    ),
    Mistake(
        "packed_dot",
        "2 popcount - n after XNOR, the tail counted as agreement",
        xnor_counts_the_tail,
        "64 channels pass, 65 fail: every product is too large by twice the bits that are no channels",
        TAIL,
    ),
    Mistake(
        "packed_dot",
        "n is the number of bits stored, tail included",
        all_bits_are_channels,
        "64 channels pass, 65 fail: every product is too large by the bits that are no channels",
        ("larq/compute-engine#527", *TAIL),
    ),
    Mistake(
        "packed_dot",
        "the number of agreements, without 2 p - n",
        agreements_alone,
        "products are never negative, and half as far apart as they should be",
        ("Xilinx/finn#31", "MatthieuCourbariaux/BinaryNet#5"),
    ),
    Mistake(
        "packed_dot",
        "the number of disagreements, without n - 2 p",
        disagreements_alone,
        "products are never negative, and the more alike two rows are the smaller",
        ("JDAI-CV/dabnn#40",),
    ),
    Mistake(
        "packed_dot",
        "AND and popcount, as for bits that mean 0 and 1",
        counted_by_and,
        "products are never negative; only places where both sides are -1 count",
        ("tensorpack/tensorpack#26",),
    ),
    Mistake(
        "packed_dot",
        "AND in place of XOR",
        and_for_xor,
        "rows of +1 always give n, whatever the other side is",
        ("tensorpack/tensorpack#26",),
    ),
    Mistake(
        "packed_dot",
        "8-bit counter overflows beyond 255",
        counter_of_eight_bits,
        "right up to 255 disagreeing bits; a 3x3 layer over 64 channels has up to 576, and now and then is off by 512",
    ),
    Mistake(
        "packed_dot",
        "result kept in 8 bits",
        result_of_eight_bits,
        "right between -128 and 127, where most products of random rows lie; large ones change sign",
    ),
    Mistake(
        "packed_dot",
        "unsigned result: negative products wrap round",
        doubled_unsigned,
        "half of the outputs are about four thousand million",
        ("numpy/numpy#21237",),
    ),
    Mistake(
        "packed_dot",
        "32-bit popcount of a 64-bit word",
        low_halves_only,
        "right up to 32 channels; beyond, differences in the upper half of every word are not seen",
        ("AlexeyAB/darknet#2382",),
    ),
    Mistake(
        "packed_dot",
        "forgets the last word where it is not full",
        whole_words_only,
        "right for multiples of 64 channels; otherwise the last few count as if they always agreed",
    ),
    Mistake(
        "packed_dot",
        "one side's bytes in reverse: big-endian words",
        bytes_of_one_side,
        "products look like those of random rows: around 0",
    ),
    Mistake(
        "packed_dot",
        "one side's bits in the other order within a byte",
        bits_of_one_side,
        "products look like those of random rows, except where neighbouring channels are alike",
        ("numpy/numpy#9398",),
    ),
    Mistake(
        "packed_dot",
        "one side's 32-bit halves exchanged",
        halves_of_one_side,
        "products look like those of random rows; with 32 channels or fewer everything meets the empty half",
    ),
)
"""What goes wrong between words and a whole number, in every kernel that counts bits."""

FIRST_WORD = Mistake(
    "packed_dot",
    "forgets every word but the first",
    first_word_only,
    "right up to 64 channels; beyond, they count as if they always agreed",
)

HALF_PRECISION = Mistake(
    "packed_dot",
    "adds up in half precision, exact only up to 2048",
    in_half_precision,
    "right in all but the widest layers, where large products are off by one or two",
)

MISTAKES: tuple[Mistake, ...] = (
    *COUNTS,
    FIRST_WORD,
    HALF_PRECISION,
    Mistake("packed_dot", FROM_THE_POINTER, from_the_pointer, POINTER_SYMPTOM, POINTER_MET),
)
