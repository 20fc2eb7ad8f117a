"""Mistakes in packed words: bit order, byte order, polarity, tails, and what a packed product counts."""

from typing import Any

import numpy as np

from ...notation import Array
from ...ops.binarize import binarize
from ...ops.bitpack import binarize_packed, pack, pack_loops, packed_dot, packed_matmul, unpack, unpack_loops
from .mistake import mistakes

# fmt: off


def ones_in_the_tail(x: Array) -> Array:
    """Packed as if the channels beyond the last were -1."""
    packed, used = pack(x), x.shape[-1] % 64
    if used:
        packed[..., -1] |= np.uint64(2**64 - 2**used)
    return packed


def bits_of(packed: Array, C: int, bitorder: Any = "little") -> Array:
    """The bits of words as 0 and 1: uint8 (..., C)."""
    return np.unpackbits(np.ascontiguousarray(packed, "<u8").view(np.uint8), axis=-1, count=C, bitorder=bitorder)


def two_halves(a: Array) -> Array:
    """The first and the second half of the rows, (2, half, words); the first row again if their number is odd."""
    return np.resize(a, (2, (len(a) + 1) // 2, a.shape[1]))


def digits_in_one_piece(a: Array, b: Array, n: int) -> Array:
    """Two rows in the two digits of a float, which are separated once, however many signs were added up."""
    low, high = unpack(two_halves(a), n)
    total = (high + low / 4096) @ unpack(b, n).T
    return np.concatenate([(total - np.rint(total)) * 4096, np.rint(total)])[: len(a)].astype(np.int32)


MSB_FIRST = ("numpy/numpy#9398", "ska-sa/katdal#55", "openvinotoolkit/openvino#4278")
BIG_ENDIAN = ("kpu/kenlm#293", "noporpoise/BitArray#8")
POLARITY = ("MatthieuCourbariaux/BinaryNet#5", "Xilinx/finn#31", "openvinotoolkit/openvino#4093")
TAIL = "64 channels pass, 65 fail: products are too small by twice the number of bits that are no channels"

MISTAKES = (
    *mistakes(
        pack_loops,
        ("most significant bit first within each byte: np.packbits as it comes",
         "i[-1] % WORD_BITS", "i[-1] % WORD_BITS ^ 7",
         "products of two sides packed alike are right; files and kernels from elsewhere give noise", *MSB_FIRST),
        ("the first channel in the highest bit of the word", "i[-1] % WORD_BITS", "63 - i[-1] % WORD_BITS",
         "products of two sides packed alike are right; one side packed by another library gives noise"),
        ("bytes of a word in reverse: big-endian words", "i[-1] % WORD_BITS", "i[-1] % WORD_BITS ^ 56",
         "channels are shifted by groups of eight; two sides packed alike still agree, one side alone gives noise",
         *BIG_ENDIAN),
        ("32-bit halves of a word exchanged", "i[-1] % WORD_BITS", "i[-1] % WORD_BITS ^ 32",
         "up to 32 channels look as if they were shifted by 32; two sides packed alike still agree"),
        ("1 means +1", "x[i] < 0", "x[i] > 0",
         "two sides packed alike still agree; one side alone turns the sign of every product", *POLARITY),
        ("leaves ones in the tail", ones_in_the_tail, TAIL, "larq/compute-engine#132"),
        ("drops the channels beyond the last whole byte", "x[i] < 0", "x[i] < 0 and i[-1] < C // 8 * 8",
         "right wherever the channels are a multiple of 8; otherwise the last few always count as +1",
         "openvinotoolkit/openvino#14649"),
        ("shifts a 32-bit 1: channel 32 lands on bit 0", "i[-1] % WORD_BITS", "i[-1] % 32",
         "right up to 32 channels; beyond, two channels share a bit and the upper half of every word is empty",
         "tyler/bitset#3", "ptitSeb/box64#3483"),
        ("32-bit words", lambda x: pack(x).view(np.uint32)[..., : -(-x.shape[-1] // 32)],
         "the same bytes, but another shape and dtype: a 64-bit kernel reads past the end or refuses",
         "larq/compute-engine#446"),
        ("bytes, not words", lambda x: np.packbits(x < 0, axis=-1, bitorder="little"),
         "the same bits, but rows that end in the middle of a word"),
        ("packs all rows as one: no fresh word for a row", lambda x: pack(x.reshape(-1)),
         "right where the channels are a multiple of 64, but for the shape; elsewhere bits of two rows share a word"),
        ("packs along the rows, not the channels", lambda x: pack(np.ascontiguousarray(np.moveaxis(x, 0, -1))),
         "an error about shapes, or words that hold 64 pixels of one channel", "huawei-noah/bolt#131"),
        ("signed words", lambda x: pack(x).view(np.int64),
         "right until channel 63 is -1: then the word is negative, and a shift to the right copies its sign",
         "larq/compute-engine#428"),
    ),
    *mistakes(
        unpack_loops,
        ("bit 1 read as +1", "-1.0 if word >> (i[-1] % WORD_BITS) & 1 else 1.0",
         "1.0 if word >> (i[-1] % WORD_BITS) & 1 else -1.0",
         "every sign is turned; two sides unpacked alike still give right products", *POLARITY),
        ("most significant bit first within each byte: np.unpackbits as it comes", "% WORD_BITS)", "% WORD_BITS ^ 7)",
         "channels are mirrored in groups of eight; with fewer, the wrong end of the byte is read", *MSB_FIRST),
        ("the first channel from the highest bit of the word", "(i[-1] % WORD_BITS)", "(63 - i[-1] % WORD_BITS)",
         "channels are mirrored in groups of 64; with fewer, the empty end of the word is read and all is +1"),
        ("bytes of a word in reverse: big-endian words", "% WORD_BITS)", "% WORD_BITS ^ 56)",
         "up to 56 channels read only zeros of the tail first; groups of eight channels change places", *BIG_ENDIAN),
        ("32-bit halves of a word exchanged", "% WORD_BITS)", "% WORD_BITS ^ 32)",
         "up to 32 channels are all +1; with 64, two halves have changed places"),
        ("gives 0 and 1 in place of +1 and -1", "-1.0 if word >> (i[-1] % WORD_BITS) & 1 else 1.0",
         "word >> (i[-1] % WORD_BITS) & 1", "products are never negative", "MatthieuCourbariaux/BinaryNet#5"),
        ("1 - 2 b in uint8: -1 becomes 255",
         lambda packed, C, dtype=np.float32: (1 - 2 * bits_of(packed, C)).astype(dtype),
         "half of the values are 255", "numpy/numpy#21237"),
        ("forgets to cut off the tail", "C))", "64 * packed.shape[-1]))",
         "right with 64 channels; with 65 there are 128, and the last 63 are +1"),
    ),
    *mistakes(
        binarize_packed,
        ("leaves ones in the tail", lambda x, tau: ones_in_the_tail(binarize(x, tau)[0]), TAIL,
         "larq/compute-engine#132"),
        ("a tie counts as -1", "x < tau", "x <= tau",
         "packed and float network agree on random floats, and differ where a value equals its threshold",
         "larq/compute-engine#132"),
        ("packs the sign bit of x - tau, so -0.0 becomes -1", "x < tau", "np.signbit(x - tau)",
         "a few bits differ from the float network, where a negative number was rounded to zero or multiplied by it"),
        ("1 means +1", "x < tau", "x >= tau",
         "two sides packed alike still agree; one side alone turns the sign of every product", *POLARITY),
        ("ignores the threshold", "x < tau", "x < 0",
         "right while all thresholds are 0; trained ones lose accuracy in the packed network alone"),
        ("adds the threshold", "x < tau", "x < -tau",
         "right while all thresholds are 0; otherwise bits between -tau and tau are wrong"),
        ("bytes, not words", lambda x, tau: np.packbits(x < tau, axis=-1, bitorder="little"),
         "the same bits, but rows that end in the middle of a word"),
        ("the first channel's threshold for all", "x < tau", "x < tau[0]",
         "right with one channel, or if all thresholds are equal"),
    ),
    *mistakes(
        packed_dot,
        ("adds up in half precision, exact only up to 2048",
         "n - 2 * np.bitwise_count(a ^ b).sum(-1, dtype=np.int64)",
         "np.float16(n - 2 * np.bitwise_count(a ^ b).sum(-1, dtype=np.int64)).astype(np.int32)",
         "right in all but the widest layers, where large products are off by one or two"),
    ),
    *mistakes(
        packed_matmul,
        ("the transpose of the product", "differing_bits(a, b)", "differing_bits(b, a)",
         "an error about shapes, unless there are as many rows as filters: then filters and pixels are exchanged"),
        ("reads b as (words, F)", "differing_bits(a, b)",
         "differing_bits(a, np.ascontiguousarray(b.reshape(b.shape[::-1]).T))",
         "right up to 64 channels, where both readings are the same; noise beyond"),
        ("pairs of rows, not every row with every filter", "n - 2 * differing_bits(a, b)",
         "n - 2 * np.bitwise_count(a[: len(b)] ^ b[: len(a)]).sum(-1, dtype=np.int64)",
         "one column where a table was expected, or an error about shapes"),
        ("a digit carries into the other: sums beyond 2047 in one piece", digits_in_one_piece,
         "right for rows of up to 2047 signs; longer ones are off by multiples of 4096 where most signs agree"),
        ("the halves of the rows exchanged",
         lambda a, b, n: packed_matmul(two_halves(a)[::-1].reshape(-1, a.shape[1])[: len(a)], b, n),
         "the right numbers in the wrong rows: the lower half of the image above the upper"),
    ),
)
