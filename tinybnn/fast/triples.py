"""Three dot products in one float, and no arithmetic to tell them apart: digits of base 256 are bytes.

Bits of 0 and 1 meet filters of +-1. At most 255 of them are one digit of base 256, and float32 holds whole numbers up
to 2**24 exactly, three such digits. So three rows of bits go into one row of floats, and one product of BLAS is three::

    x = a0 + 256 a1 + 65536 a2           x @ w = d0 + 256 d1 + 65536 d2

``d = sum(a w)`` may be negative. Plus ``m``, the number of -1 in the filter, it is how many bits disagree: a bit of 0
does so with every -1, a bit of 1 with every +1. A column of ones in ``x`` that meets a row of ``65793 m`` in ``w`` adds
``m`` to each digit. Then, as a little-endian integer, the product **is** the bytes d0, d1, d2.

A sum over more than 255 bits is cut into pieces, whose bytes are added as integers. That is what it costs beside
:mod:`tinybnn.fast.digits`: it wins where each product is long, and loses where little is done between two readings.
"""

from typing import NamedTuple

import numpy as np

from ..notation import Array
from .digits import SIGNS, look_up, parts, signs
from .workspace import borrow

UNIT = 1 + 256 + 65536
"""One in each digit."""

PLACES = tuple((1 - SIGNS) / 2 * np.float32(256**place) for place in range(3))
"""The eight bits of every byte, at the place of each digit."""

TILE = 80_000
"""Numbers multiplied at a time, so that a product is still in cache when it is read."""


class TripleFilters(NamedTuple):
    """Signs as columns, each piece's followed by its biases; and the pieces."""

    w: Array
    pieces: tuple[slice, ...]


def _edges(K: int) -> list[int]:
    cuts = -(-K // 255)
    return [K * i // cuts for i in range(cuts + 1)]


def triple_rows(a: Array, n: int) -> Array:
    """The first third of the rows, the second and the last in one array of floats, each piece followed by a one."""
    one, two, three = (look_up(place, bits) for place, bits in zip(PLACES, parts(a, n, 3)))
    x = (one + two + three).reshape(len(one), -1)
    return np.insert(x, _edges(x.shape[1])[1:], 1, axis=1)


def triple_filters(b: Array, n: int) -> TripleFilters:
    """Packed filters as signs and biases."""
    w = signs(b, n).T
    edges = _edges(len(w))
    biases = [(w[start:stop] < 0).sum(0) * np.float32(UNIT) for start, stop in zip(edges, edges[1:])]
    pieces = tuple(slice(start + i, stop + i + 1) for i, (start, stop) in enumerate(zip(edges, edges[1:])))
    return TripleFilters(np.ascontiguousarray(np.insert(w, edges[1:], biases, axis=0)), pieces)


def triple_dots(x: Array, f: TripleFilters, n: int, y: Array) -> Array:
    """``n - 2 d`` for every digit ``d``, into ``y``, (M, F), of integers that hold ``n``."""
    F = f.w.shape[1]
    step = max(256, TILE // F)
    with borrow() as space:
        for m in range(0, len(x), step):
            tile = x[m : m + step]
            total = space.array("total", (len(tile), F), np.float32)
            whole = space.array("whole", total.shape, "<i4")
            read = whole.view(np.uint8).reshape(*total.shape, 4)
            half = space.array("half", read.shape, y.dtype)  # n // 2 - d; its fourth number means nothing
            for i, piece in enumerate(f.pieces):
                np.matmul(tile[:, piece], f.w[piece], out=total)
                whole[...] = total
                np.subtract(half if i else y.dtype.type(n // 2), read, out=half)
            for third in range(3):
                rows = y[third * len(x) + m :][: len(tile)]
                np.add(half[: len(rows), :, third], half[: len(rows), :, third], out=rows)
                if n % 2:
                    rows += 1
    return y
