"""Mistakes in packing signs into words and out of them: bit order, byte order, polarity, tails, and memory."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.bitpack import pack, words
from .mistake import Mistake

# -- words that others do not read ----------------------------------------------------------------------------------


def octets(x: Array, bitorder: Any = "little") -> Array:
    """The bits as whole words' bytes, (..., 8 words), the tail zero."""
    C = x.shape[-1]
    bytes_ = np.zeros((*x.shape[:-1], 8 * words(C)), np.uint8)
    bytes_[..., : -(-C // 8)] = np.packbits(x < 0, axis=-1, bitorder=bitorder)
    return bytes_


def msb_first(x: Array) -> Array:
    return octets(x, "big").view("<u8")


def big_endian(x: Array) -> Array:
    return octets(x).view(">u8").astype(np.uint64)


def highest_bit_first(x: Array) -> Array:
    """Channel 0 in bit 63, as when a word is shifted left for every channel."""
    return octets(x, "big").view(">u8").astype(np.uint64)


def exchange_halves(packed: Array) -> Array:
    return packed >> np.uint64(32) | packed << np.uint64(32)


def shifted_by_32_bits_of_one(x: Array) -> Array:
    """``1 << c`` where 1 has 32 bits: the machine shifts by c % 32."""
    packed = pack(x)
    return (packed | packed >> np.uint64(32)) & np.uint64(0xFFFFFFFF)


def ones_in_the_tail(x: Array) -> Array:
    packed, used = pack(x), x.shape[-1] % 64
    if used:
        packed[..., -1] |= np.uint64(2**64 - 2**used)
    return packed


def whole_bytes_only(x: Array) -> Array:
    kept = x.copy()
    kept[..., x.shape[-1] // 8 * 8 :] = 1
    return pack(kept)


def words_of_32_bits(x: Array) -> Array:
    return octets(x).view("<u4")[..., : -(-x.shape[-1] // 32)]


def bytes_as_they_are(x: Array) -> Array:
    return np.packbits(x < 0, axis=-1, bitorder="little")


def along_the_rows(x: Array) -> Array:
    return pack(np.ascontiguousarray(np.moveaxis(x, 0, -1)))


PACKERS: tuple[Mistake, ...] = (
    Mistake(
        "pack",
        "most significant bit first within each byte: np.packbits as it comes",
        msb_first,
        "products of two sides packed alike are right; files and kernels from elsewhere give noise",
        ("numpy/numpy#9398", "ska-sa/katdal#55", "openvinotoolkit/openvino#4278"),
    ),
    Mistake(
        "pack",
        "the first channel in the highest bit of the word",
        highest_bit_first,
        "products of two sides packed alike are right; one side packed by another library gives noise",
    ),
    Mistake(
        "pack",
        "bytes of a word in reverse: big-endian words",
        big_endian,
        "channels are shifted by groups of eight; two sides packed alike still agree, one side alone gives noise",
        ("kpu/kenlm#293", "noporpoise/BitArray#8"),
    ),
    Mistake(
        "pack",
        "32-bit halves of a word exchanged",
        lambda x: exchange_halves(pack(x)),
        "up to 32 channels look as if they were shifted by 32; two sides packed alike still agree",
    ),
    Mistake(
        "pack",
        "1 means +1",
        lambda x: pack(-x),
        "two sides packed alike still agree; one side alone turns the sign of every product",
        ("MatthieuCourbariaux/BinaryNet#5", "Xilinx/finn#31", "openvinotoolkit/openvino#4093"),
    ),
    Mistake(
        "pack",
        "leaves ones in the tail",
        ones_in_the_tail,
        "64 channels pass, 65 fail: products are too small by twice the number of bits that are no channels",
        ("larq/compute-engine#132",),
    ),
    Mistake(
        "pack",
        "drops the channels beyond the last whole byte",
        whole_bytes_only,
        "right wherever the channels are a multiple of 8; otherwise the last few always count as +1",
        ("openvinotoolkit/openvino#14649",),
    ),
    Mistake(
        "pack",
        "shifts a 32-bit 1: channel 32 lands on bit 0",
        shifted_by_32_bits_of_one,
        "right up to 32 channels; beyond, two channels share a bit and the upper half of every word is empty",
        ("tyler/bitset#3", "ptitSeb/box64#3483"),
    ),
    Mistake(
        "pack",
        "32-bit words",
        words_of_32_bits,
        "the same bytes, but another shape and dtype: a 64-bit kernel reads past the end or refuses",
        ("larq/compute-engine#446",),
    ),
    Mistake(
        "pack",
        "bytes, not words",
        bytes_as_they_are,
        "the same bits, but rows that end in the middle of a word",
    ),
    Mistake(
        "pack",
        "packs all rows as one: no fresh word for a row",
        lambda x: pack(x.reshape(-1)),
        "right where the channels are a multiple of 64, but for the shape; elsewhere bits of two rows share a word",
    ),
    Mistake(
        "pack",
        "packs along the rows, not the channels",
        along_the_rows,
        "an error about shapes, or words that hold 64 pixels of one channel",
        ("huawei-noah/bolt#131",),
    ),
    Mistake(
        "pack",
        "signed words",
        lambda x: pack(x).view(np.int64),
        "right until channel 63 is -1: then the word is negative, and a shift to the right drags ones in",
        ("larq/compute-engine#428",),
    ),
)
"""Words that are wrong whatever the signs come from."""

# -- memory ---------------------------------------------------------------------------------------------------------


def as_it_lies(a: Array) -> Array:
    """What a kernel reads from a bare pointer: the first values in memory, whatever ``a.strides`` say."""
    if a.flags.c_contiguous:
        return a
    owner = a if a.base is None else np.asarray(a.base)
    return owner.ravel(order="K")[: a.size].reshape(a.shape)


FROM_THE_POINTER = "reads from the pointer, whatever the strides"
POINTER_SYMPTOM = "right for fresh arrays; slices and transposed arrays give rubbish without any error"
POINTER_MET = ("mzechmeister/serval#8", "fwilliams/numpyeigen#40", "pyccel/pyccel#1288")

# -- out of words ---------------------------------------------------------------------------------------------------


def bits(packed: Array, C: int, bitorder: Any = "little", order: str = "<u8") -> Array:
    """The bits of words as 0 and 1, (..., C): uint8."""
    return np.unpackbits(np.ascontiguousarray(packed, order).view(np.uint8), axis=-1, count=C, bitorder=bitorder)


def unpack_by(read: Callable[[Array, int], Array]) -> Callable:
    """``unpack`` from bits that ``read`` gives in another order or number."""

    def unpack(packed: Array, C: int, dtype: Any = np.float32) -> Array:
        return 1 - 2 * read(packed, C).astype(dtype)

    return unpack


def half_words(packed: Array, C: int) -> Array:
    """32 channels from each word."""
    low = bits(packed & np.uint64(0xFFFFFFFF), packed.shape[-1] * 64)
    return low.reshape(*packed.shape[:-1], -1, 64)[..., :32].reshape(*packed.shape[:-1], -1)[..., :C]


MISTAKES: tuple[Mistake, ...] = (
    *PACKERS,
    Mistake("pack", FROM_THE_POINTER, lambda x: pack(as_it_lies(x)), POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "unpack",
        "bit 1 read as +1",
        unpack_by(lambda packed, C: 1 - bits(packed, C)),
        "every sign is turned; two sides unpacked alike still give right products",
        ("MatthieuCourbariaux/BinaryNet#5", "Xilinx/finn#31", "openvinotoolkit/openvino#4093"),
    ),
    Mistake(
        "unpack",
        "most significant bit first within each byte: np.unpackbits as it comes",
        unpack_by(lambda packed, C: bits(packed, C, "big")),
        "channels are mirrored in groups of eight; with fewer than eight, the wrong end of the byte is read",
        ("numpy/numpy#9398", "ska-sa/katdal#55", "openvinotoolkit/openvino#4278"),
    ),
    Mistake(
        "unpack",
        "the first channel from the highest bit of the word",
        unpack_by(lambda packed, C: bits(packed, C, "big", ">u8")),
        "channels are mirrored in groups of 64; with fewer, the empty end of the word is read and all is +1",
    ),
    Mistake(
        "unpack",
        "bytes of a word in reverse: big-endian words",
        unpack_by(lambda packed, C: bits(packed, C, order=">u8")),
        "up to 56 channels read only zeros of the tail first; groups of eight channels change places",
        ("kpu/kenlm#293", "noporpoise/BitArray#8"),
    ),
    Mistake(
        "unpack",
        "32-bit halves of a word exchanged",
        unpack_by(lambda packed, C: bits(exchange_halves(packed), C)),
        "up to 32 channels are all +1; with 64, two halves have changed places",
    ),
    Mistake(
        "unpack",
        "reads 32 channels from each word",
        unpack_by(half_words),
        "right up to 32 channels; beyond, a channel's sign is that of another, or there are too few",
    ),
    Mistake(
        "unpack",
        "gives 0 and 1 in place of +1 and -1",
        lambda packed, C, dtype=np.float32: bits(packed, C).astype(dtype),
        "products are never negative",
        ("MatthieuCourbariaux/BinaryNet#5",),
    ),
    Mistake(
        "unpack",
        "1 - 2 b in uint8: -1 becomes 255",
        lambda packed, C, dtype=np.float32: (1 - 2 * bits(packed, C)).astype(dtype),
        "half of the values are 255",
        ("numpy/numpy#21237",),
    ),
    Mistake(
        "unpack",
        "forgets to cut off the tail",
        unpack_by(lambda packed, C: bits(packed, 64 * packed.shape[-1])),
        "right with 64 channels; with 65 there are 128, and the last 63 are +1",
    ),
    Mistake(
        "unpack",
        FROM_THE_POINTER,
        unpack_by(lambda packed, C: bits(as_it_lies(packed), C)),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
)
