"""Three dot products of signs in one float: how BLAS is made to count bits, and what it counts made legible.

Bits of 0 and 1 meet filters of +-1. At most 255 of them are one digit of base 256, and float32 holds whole numbers up
to 2**24 exactly, three such digits. So three rows of bits go into one row of floats, and one product of BLAS is three::

    x = a0 + 256 a1 + 65536 a2           x @ w = d0 + 256 d1 + 65536 d2

``d = sum(a w)`` may be negative. Plus ``m``, the number of -1 in the filter, it is how many bits disagree: a bit of 0
does so with every -1, a bit of 1 with every +1. So ``65793 m`` is added, ``m`` in each digit, and the digits are
read without any arithmetic: as a little-endian integer, that number **is** the bytes d0, d1, d2.

A sum over more than 255 bits is cut into pieces. Their bytes are added as integers.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .notation import HW, Array
from .phases import phase_kernel
from .workspace import Workspace

# -- operands -----------------------------------------------------------------------------------------------

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.float32)
"""The eight bits of every byte, (256, 8)."""

PLACES = tuple(BITS * np.float32(256**s) for s in range(3))
"""The same, at the place of each digit."""

UNIT = 1 + 256 + 65536
"""One in each digit."""

SIGNS = 1 - 2 * BITS
"""The eight signs of every byte."""


def octets(packed: Array, n: int) -> Array:
    """The bytes that hold the first ``n`` bits of each row of words: uint8, (..., ceil(n / 8))."""
    return np.ascontiguousarray(packed, "<u8").view(np.uint8)[..., : -(-n // 8)]


def digits(first: Array, second: Array, third: Array, room: Array | None = None) -> Array:
    """The bits of three arrays of bytes in one array of floats, ``a0 + 256 a1 + 65536 a2``: looked up, not computed.

    ``room`` is where to work: two arrays of float32, eight for each byte.

    >>> digits(*(np.array([byte], np.uint8) for byte in (1, 3, 0)))
    array([257., 256.,   0.,   0.,   0.,   0.,   0.,   0.], dtype=float32)
    """
    x, more = np.empty((2, *first.shape, 8), np.float32) if room is None else room
    PLACES[0].take(first, axis=0, out=x, mode="clip")  # no byte is out of range; to be told so makes it twice as fast
    for place, bits in ((PLACES[1], second), (PLACES[2], third)):
        place.take(bits, axis=0, out=more, mode="clip")
        x += more
    return x.reshape(*first.shape[:-1], -1)


def signs(packed: Array, n: int) -> Array:
    """Packed rows as +-1 in float32, (..., 8 ceil(n / 8)): beyond ``n`` they are +1, as tails are."""
    return SIGNS.take(octets(packed, n), axis=0, mode="clip").reshape(*packed.shape[:-1], -1)


# -- filters ------------------------------------------------------------------------------------------------


def narrow(n: int) -> type:
    """The integers that a dot product of ``n`` signs is kept in: the fewer bytes, the faster it is moved."""
    return np.int16 if n < 2**15 else np.int32


class Piece(NamedTuple):
    """Products that are added up before their digits are read: (operand, columns) each, and their taps by phase."""

    products: tuple[tuple[int, slice], ...]
    taps: Array

    @property
    def most(self) -> int:
        """The largest count there can be."""
        return int(max(self.taps))


@lru_cache
def cut(kernel: HW, C: int, scale: HW = (1, 1)) -> tuple[Piece, ...]:
    """Cut a sum over (KH, KW, C) taps into pieces of at most 255, whole rows of the kernel where they fit.

    ``scale`` is that of a nearest upsampling whose taps are added up (:mod:`tinybnn.phases`): a column then stands for
    several taps, and for how many depends on the phase.

    >>> [piece.products for piece in cut((3, 3), 16)]               # 144 taps: three rows, one piece
    [((0, slice(0, 48, None)), (1, slice(0, 48, None)), (2, slice(0, 48, None)))]
    """
    taps = phase_kernel(np.ones((*kernel, 1, 1)), scale)[:, :, 0].repeat(C, axis=1)  # (rows, columns, phases)
    pieces: list[Piece] = []
    for row, columns in enumerate(taps):
        runs = -(-int(columns.sum(0).max()) // 255)
        while max(run.sum(0).max() for run in np.array_split(columns, runs)) > 255:
            runs += 1
        start = 0
        for run in np.array_split(columns, runs):
            part = (row, slice(start, start + len(run))), run.sum(0)
            if pieces and (pieces[-1].taps + part[1]).max() <= 255:
                pieces[-1] = Piece((*pieces[-1].products, part[0]), pieces[-1].taps + part[1])
            else:
                pieces.append(Piece((part[0],), part[1]))
            start += len(run)
    return tuple(pieces)


class Filters(NamedTuple):
    """Whole numbers (rows, columns, F), in pieces, and for each piece 65793 times how many of its taps are -1.

    Without biases each piece's last row holds them, and meets a column of ones.
    """

    w: Array
    pieces: tuple[Piece, ...]
    biases: tuple[Array, ...] = ()

    @property
    def counter(self) -> type:
        """Integers that hold all counts and their doubles."""
        return narrow(sum(piece.most for piece in self.pieces))


def filters(w: Array, pieces: tuple[Piece, ...]) -> Filters:
    """``w`` with its biases. What is taken apart in pieces comes together again: taps minus sum is twice the -1."""
    biases = []
    for piece in pieces:
        total: Any = sum(w[row, columns].sum(0) for row, columns in piece.products)
        biases.append((np.repeat(piece.taps, w.shape[-1] // len(piece.taps)) - total) * (UNIT / 2))
    return Filters(w, pieces, tuple(b.astype(np.float32) for b in biases))


# -- counting -------------------------------------------------------------------------------------------------------


def count_digits(rows: Sequence[Array], f: Filters, n: int, space: Workspace) -> Array:
    """``n - 2 d`` for the digits d of three rows at once: integers, (3, m, F), in the workspace.

    ``rows`` are what each row of the kernel meets: digits, (m, columns).
    """
    m, F, integer = len(rows[0]), f.w.shape[-1], f.counter
    total, more = space.array("total", (2, m, F), np.float32)
    whole = space.array("whole", (m, F), "<i4")
    read = whole.view(np.uint8).reshape(m, F, 4)
    half = space.array("half", (m, F, 4), integer)  # n // 2 - d; its fourth number means nothing
    for i, piece in enumerate(f.pieces):
        for j, (row, columns) in enumerate(piece.products):
            np.matmul(rows[row][:, columns], f.w[row, columns], out=more if j else total)
            if j:
                total += more
        if f.biases:
            total += f.biases[i]
        whole[...] = total
        np.subtract(half if i else integer(n // 2), read, out=half)
    dots = space.array("dots", (3, m, F), integer)
    dots[...] = half[..., :3].transpose(2, 0, 1)  # every fourth number brought together: what follows runs faster
    dots += dots
    if n % 2:
        dots += 1
    return dots
