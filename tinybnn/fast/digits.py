"""Two dot products of signs in one float: how BLAS is made to do twice its work.

A dot product of ``n`` signs is a whole number between ``-n`` and ``n``, and float32 holds whole numbers up to 2**24
exactly: room for two, as digits. So two rows of signs go into one row of floats, and one product of BLAS is two::

    x = high + low / 4096          x @ w = (high @ w) + (low @ w) / 4096

While ``n`` is at most 2047 the second term is less than a half. So rounding gives the first number, what rounding took
away the second, and every step is exact: all values are multiples of 1/4096 below 2**12. A sum of more than 2047 signs
is cut into pieces.

Zeros are exact too: a value that pads with 0 is no sign, and adds nothing.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from ..notation import HW, Array
from ..ops.upsample_conv import phase_kernel
from .workspace import Workspace

BASE = 4096
"""The weight of the high digit in units of the low one."""

MOST = BASE // 2 - 1
"""The most signs in a sum whose two digits can be told apart."""

SIGNS = 1 - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.float32)
"""The eight signs of every byte, (256, 8): as high digits,"""

LOW_SIGNS = SIGNS / BASE
"""and as low ones."""

# -- operands -------------------------------------------------------------------------------------------------------


def octets(packed: Array, n: int) -> Array:
    """The bytes that hold the first ``n`` bits of each row of words: uint8, (..., ceil(n / 8))."""
    return np.ascontiguousarray(packed, "<u8").view(np.uint8)[..., : -(-n // 8)]


def parts(a: Array, n: int, count: int) -> Array:
    """Rows of words in ``count`` equal parts, the last filled up with +1: bytes, (count, rows, bytes).

    >>> parts(np.array([[1], [2], [3]], np.uint64), 8, 2)[..., 0].tolist()
    [[1, 2], [3, 0]]
    """
    rows = -(-len(a) // count)
    padded = np.zeros((count * rows, a.shape[1]), np.uint64)
    padded[: len(a)] = a
    return octets(padded.reshape(count, rows, -1), n)


def look_up(table: Array, bytes_: Array, out: Array | None = None) -> Array:
    """The eight values of every byte: (..., 8). Looking signs up is several times faster than computing them."""
    return table.take(bytes_, axis=0, out=out, mode="clip")  # no byte is out of range; "clip" saves asking


def digits(low: Array, high: Array) -> Array:
    """Bytes of two rows of signs as one row of floats, eight for each byte: ``high + low / 4096``.

    >>> digits(np.array([1], np.uint8), np.array([0], np.uint8))[:2] * 4096      # signs -1, +1 and +1, +1
    array([4095., 4097.], dtype=float32)
    """
    x = look_up(SIGNS, high) + look_up(LOW_SIGNS, low)
    return x.reshape(*low.shape[:-1], -1)


def signs(packed: Array, n: int) -> Array:
    """Packed rows as +-1 in float32, (..., 8 ceil(n / 8)), and as 0 beyond ``n``: what a tail meets does not count."""
    w = look_up(SIGNS, octets(packed, n)).reshape(*packed.shape[:-1], -1)
    w[..., n:] = 0
    return w


# -- sums -----------------------------------------------------------------------------------------------------------

Piece: TypeAlias = tuple[tuple[int, slice], ...]
"""Products that are added up before their digits are told apart: of which operand, which columns."""


@lru_cache
def cut(kernel: HW, C: int, scale: HW = (1, 1)) -> tuple[Piece, ...]:
    """Cut a sum over (KH, KW, C) signs into pieces of at most 2047, whole rows of the kernel where they fit.

    ``scale`` is that of a nearest upsampling whose taps are added up (:mod:`tinybnn.ops.upsample_conv`): a column then stands for
    several signs, and for how many depends on the phase.

    >>> cut((3, 3), 64)                                             # 576 signs: three rows, one piece
    (((0, slice(0, 192, None)), (1, slice(0, 192, None)), (2, slice(0, 192, None))),)
    """
    taps = phase_kernel(np.ones((*kernel, 1, 1)), scale)[:, :, 0].repeat(C, axis=1)  # (rows, columns, phases)
    pieces: list[Piece] = []
    spent = np.full(taps.shape[-1], MOST)
    for row, columns in enumerate(taps):
        runs = -(-int(columns.sum(0).max()) // MOST)
        while max(run.sum(0).max() for run in np.array_split(columns, runs)) > MOST:
            runs += 1
        start = 0
        for run in np.array_split(columns, runs):
            part, spent = (row, slice(start, start + len(run))), spent + run.sum(0)
            if spent.max() > MOST:
                pieces.append(())
                spent = run.sum(0)
            pieces[-1] += (part,)
            start += len(run)
    return tuple(pieces)


class Filters(NamedTuple):
    """Whole numbers (rows, columns, F), signs or sums of signs, and the pieces to take them in."""

    w: Array
    pieces: tuple[Piece, ...]


def add_up(rows: Sequence[Array], f: Filters, low: Array, high: Array, space: Workspace) -> None:
    """The two dot products of each row of digits with each filter, into ``low`` and ``high``: float32, (m, F).

    ``rows`` are what each row of the kernel meets, (m, columns).
    """
    more, rounded = space.array("more", (2, *low.shape), np.float32)
    for i, ((row, columns), *others) in enumerate(f.pieces):
        total = space.array("total", low.shape, np.float32) if i else low
        np.matmul(rows[row][:, columns], f.w[row, columns], out=total)
        for row, columns in others:
            total += np.matmul(rows[row][:, columns], f.w[row, columns], out=more)
        np.rint(total, out=rounded if i else high)
        total -= rounded if i else high
        if i:
            high += rounded
            low += total
    low *= BASE
