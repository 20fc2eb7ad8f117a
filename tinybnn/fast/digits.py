"""Two dot products of signs in one float: BLAS does twice its work.

A dot product of ``n`` signs is a whole number between ``-n`` and ``n``. Float32 holds whole numbers up to 2**24
exactly, which is room for two of them, as two digits. So two rows of signs are written into one row of floats, and one
matrix product gives two results::

    x = high + low / 4096          x @ w = (high @ w) + (low @ w) / 4096

While ``n`` is at most 2047, the second term is less than one half. So rounding gives the first result, and what
rounding took away gives the second. Every step is exact, because all values are multiples of 1/4096 below 2**12. A sum
of more than 2047 signs is cut into pieces. Zeros are exact too: padding with 0 adds nothing.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from ..notation import HW, Array, ceil_div
from ..ops.upsample_conv import phase_kernel

BASE = 4096
"""The weight of the high digit in units of the low one."""

MOST = BASE // 2 - 1
"""The most signs in a sum whose two digits can be separated."""

HIGH = 1 - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.float32)
"""The eight signs of every byte as high digits, (256, 8)."""

LOW = HIGH / BASE
"""The eight signs of every byte as low digits, (256, 8)."""


def row_bytes(packed: Array, n: int) -> Array:
    """The bytes that hold the first ``n`` bits of each row of words: uint8, (..., ceil(n / 8))."""
    return np.ascontiguousarray(packed, "<u8").view(np.uint8)[..., : ceil_div(n, 8)]


def look_up(table: Array, bytes_: Array, out: Array | None = None) -> Array:
    """The eight table values of every byte, (..., 8): several times faster than computing them."""
    return table.take(bytes_, axis=0, out=out, mode="clip")  # "clip" saves a check: every byte is in range


def signs(packed: Array, n: int) -> Array:
    """Packed rows as -1 and +1 in float32, (..., 8 ceil(n / 8)); 0 beyond ``n``, so that the tail adds nothing."""
    w = look_up(HIGH, row_bytes(packed, n)).reshape(*packed.shape[:-1], -1)
    w[..., n:] = 0
    return w


Piece: TypeAlias = tuple[tuple[int, slice], ...]
"""Products that are added before their digits are separated: (row of the kernel, columns) each."""


@lru_cache
def cut(kernel: HW, C: int, scale: HW = (1, 1)) -> tuple[Piece, ...]:
    """Cut a sum over (KH, KW, C) signs into pieces of at most 2047, whole rows of the kernel where they fit.

    ``scale`` is that of a nearest upsampling whose taps are added (:mod:`tinybnn.ops.upsample_conv`). Then one column
    is the sum of several signs, and of how many depends on the phase.

    >>> cut((3, 3), 64)                                             # 576 signs: three rows, one piece
    (((0, slice(0, 192, None)), (1, slice(0, 192, None)), (2, slice(0, 192, None))),)
    """
    taps = phase_kernel(np.ones((*kernel, 1, 1)), scale)[:, :, 0].repeat(C, axis=1)  # (rows, columns, phases)
    if taps.max() > MOST:
        size = f"{kernel[0]} x {kernel[1]}"
        raise ValueError(f"cut: {int(taps.max())} taps of a {size} kernel share a pixel, expected at most {MOST}")
    pieces: list[Piece] = []
    used = np.full(taps.shape[-1], MOST)  # signs in the last piece, by phase
    for row, columns in enumerate(taps):
        runs = ceil_div(int(columns.sum(0).max()), MOST)
        while max(run.sum(0).max() for run in np.array_split(columns, runs)) > MOST:
            runs += 1
        start = 0
        for run in np.array_split(columns, runs):
            part, used = (row, slice(start, start + len(run))), used + run.sum(0)
            if used.max() > MOST:
                pieces.append(())
                used = run.sum(0)
            pieces[-1] += (part,)
            start += len(run)
    return tuple(pieces)


class Filters(NamedTuple):
    """Whole numbers ``w`` (rows, columns, F), signs or sums of signs, and the pieces in which they are summed."""

    w: Array
    pieces: tuple[Piece, ...]


def add_up(rows: Sequence[Array], f: Filters, low: Array, high: Array, scratch: Array) -> None:
    """Write the two dot products of each row of digits with each filter into ``low`` and ``high``: float32, (m, F).

    ``rows`` holds the operand of each row of the kernel, (m, columns); ``scratch`` is memory for work, (3, m, F).
    """
    product, more_low, more_high = scratch
    for i, ((row, columns), *others) in enumerate(f.pieces):
        total, rounded = (more_low, more_high) if i else (low, high)
        np.matmul(rows[row][:, columns], f.w[row, columns], out=total)
        for row, columns in others:
            total += np.matmul(rows[row][:, columns], f.w[row, columns], out=product)
        total -= np.rint(total, out=rounded)
        if i:
            low += total
            high += rounded
    low *= BASE
