"""Adapters between tinybnn's arrays and a candidate's: other layouts, other words, other libraries.

``check`` uses NHWC, NumPy, and 64-bit words in which a bit of 1 means -1. An :class:`Adapter` converts each argument
on its way in and each result on its way out, so the kernel itself need not be changed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..notation import WORD_BITS, Array, ceil_div
from .op import Words, array_of


class Adapter(NamedTuple):
    """``give`` converts one argument, an array or :class:`Words`. ``take(result, expected)`` converts one result."""

    give: Callable[[Any], Any]
    take: Callable[[Any, Any], Any]


PLAIN = Adapter(array_of, lambda result, expected: result)
"""tinybnn's own convention: words are passed as arrays."""


def dlpack(from_dlpack: Callable[[Array], Any]) -> Adapter:
    """Arrays of any library that supports DLPack: ``dlpack(torch.from_dlpack)``, ``dlpack(jax.dlpack.from_dlpack)``.

    Memory is shared, so the check notices a candidate that writes into its inputs. Other values are passed unchanged.

    >>> check("sign", lambda x: x.sign() + (x == 0), adapter=dlpack(torch.from_dlpack))   # doctest: +SKIP
    """

    def give(a: Any) -> Any:
        a = array_of(a)
        return from_dlpack(a) if isinstance(a, np.ndarray) else a

    def take(result: Any, expected: Any) -> Any:
        result = result.detach() if hasattr(result, "detach") else result
        return np.from_dlpack(result) if hasattr(result, "__dlpack__") else result

    return Adapter(give, take)


def words(bits: int = 32, one_means: int = -1, order: str = "lsb") -> Adapter:
    """Words of 8, 16, 32 or 64 bits; a bit of 1 means ``one_means``, -1 or +1; ``order`` says which bit is channel 0.

    Tail bits are zero in every convention. ``words(32)`` is Larq Compute Engine's.

    >>> give, _ = words(bits=8, one_means=+1, order="msb")
    >>> give(Words(np.array([0b110], np.uint64), 3))           # + - -: the first bit alone is 1
    array([128], dtype=uint8)
    """
    if bits not in (8, 16, 32, 64) or one_means not in (-1, 1) or order not in ("lsb", "msb"):
        raise ValueError(
            f"words: bits = {bits}, one_means = {one_means}, order = {order!r}, "
            "expected 8, 16, 32 or 64; -1 or +1; 'lsb' or 'msb'"
        )

    def converted(negative: Array) -> Array:
        return negative if one_means == -1 else ~negative

    def give(a: Any) -> Any:
        if not isinstance(a, Words):
            return a
        return from_bits(converted(to_bits(a.array, a.n, WORD_BITS, "lsb")), bits, order)

    def take(result: Any, expected: Any) -> Any:
        if not isinstance(expected, Words):
            return result
        result = np.asarray(result)
        if result.dtype.kind not in "iu" or result.dtype.itemsize * 8 != bits:
            raise TypeError(f"{result.dtype}, expected uint{bits} words")
        found = to_bits(result, ceil_div(expected.n, bits) * bits, bits, order)  # the tail bits are checked too
        found[..., : expected.n] = converted(found[..., : expected.n])
        return from_bits(found, WORD_BITS, "lsb")

    return Adapter(give, take)


def to_bits(words: Array, n: int, bits: int, order: str) -> Array:
    """Booleans (..., rows, n) of words (..., rows * words): several rows of n bits may share the last axis."""
    a_row = ceil_div(n, bits)
    in_bytes = np.ascontiguousarray(words).astype(f"<u{bits // 8}").view(np.uint8)
    flat = np.unpackbits(in_bytes, axis=-1, bitorder="little").astype(bool)
    split = flat.reshape(*words.shape[:-1], words.shape[-1] // a_row, a_row, bits)
    split = split if order == "lsb" else split[..., ::-1]
    return split.reshape(*split.shape[:-2], a_row * bits)[..., :n]


def from_bits(rows: Array, bits: int, order: str) -> Array:
    """Words (..., rows * words) of booleans (..., rows, n)."""
    *outer, n = rows.shape
    a_row = ceil_div(n, bits)
    padded = np.zeros((*outer, a_row * bits), bool)
    padded[..., :n] = rows
    split = padded.reshape(*outer, a_row, bits)
    split = split if order == "lsb" else split[..., ::-1]
    in_bytes = np.packbits(split, axis=-1, bitorder="little")
    return in_bytes.view(f"<u{bits // 8}")[..., 0].reshape(*outer[:-1], -1)


# -- layouts --------------------------------------------------------------------------------------------------------

LAYOUTS = ("NHWC", "NCHW")
CHANNELS_FIRST = {"NHWC": "NCHW", "HWIO": "OIHW", "RHWIO": "ROIHW", "RHWF": "RFHW"}
"""The order of axes in libraries that have channels first."""


def moved(a: Any, axes: str, back: bool = False) -> Any:
    """An array with these axes, converted to channels first; with ``back``, converted from there."""
    there = CHANNELS_FIRST.get(axes)
    if there is None or not hasattr(a, "ndim") or a.ndim != len(axes):
        return a
    a = np.asarray(a)
    return a.transpose([there.index(k) for k in axes] if back else [axes.index(k) for k in there])
