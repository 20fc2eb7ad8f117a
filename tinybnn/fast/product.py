"""Matrix products of packed rows, by two exact methods. Both equal :func:`tinybnn.ops.bitpack.packed_matmul`.

**Popcount** keeps 64 signs in a word: XOR marks the bits that differ, ``bitwise_count`` counts them. It reads 1/32 of
the memory that floats take, but NumPy counts one word at a time, where a C kernel counts eight.

**Digits** let BLAS count: one product of floats gives two exact dot products (:mod:`tinybnn.fast.digits`).
"""

import numpy as np

from ..notation import Array, ceil_div
from ..ops.bitpack import need_words
from ..validate import need_shape
from .digits import HIGH, LOW, Filters, add_up, cut, look_up, row_bytes, signs

RUN = 8192
"""Rows that popcount handles at a time: many enough to hide the cost of a NumPy call, few enough for the cache."""

TILE = 1024
"""Rows of digits that are multiplied at a time, so that a product is in the cache when its digits are separated."""


def packed_matmul_popcount(a: Array, b: Array, n: int) -> Array:
    """``n - 2 popcount(a ^ b)`` for packed rows (M, words) and (F, words): int32 (M, F)."""
    need_operands("packed_matmul_popcount", a, b, n)
    return popcount_product(words_first(a), words_first(b), n)


def words_first(a: Array) -> Array:
    """Rows of words as (words, M): the same word of all rows lies side by side in memory."""
    return np.ascontiguousarray(a.T)


def popcount_product(a: Array, b: Array, n: int) -> Array:
    """The product of operands from :func:`words_first`: one word of one filter against a long run of rows.

    Up to three counts of at most 64 each are added in a byte, where adding is cheapest, before they are widened.
    """
    if a.shape[1] < b.shape[1]:  # the longer side runs
        return popcount_product(b, a, n).T
    (W, M), F = a.shape, b.shape[1]
    y = np.empty((M, F), np.int32)
    for m in range(0, M, RUN):
        run = a[:, m : m + RUN]
        differ, count, more = (np.empty(run.shape[1], dtype) for dtype in (np.uint64, np.uint8, np.uint8))
        total = np.empty((F, run.shape[1]), np.int32)
        for f in range(F):
            total[f] = n
            for k in range(0, W, 3):
                np.bitwise_count(np.bitwise_xor(run[k], b[k, f], out=differ), out=count)
                for j in range(k + 1, min(k + 3, W)):
                    count += np.bitwise_count(np.bitwise_xor(run[j], b[j, f], out=differ), out=more)
                total[f] -= count
                total[f] -= count
        y[m : m + RUN] = total.T
    return y


def packed_matmul_digits(a: Array, b: Array, n: int) -> Array:
    """The same by digits: the upper half of the rows of ``a`` are low digits, the lower half are high digits."""
    need_operands("packed_matmul_digits", a, b, n)
    return digit_product(digit_rows(a, n), digit_filters(b, n))[: len(a)]


def digit_rows(a: Array, n: int) -> Array:
    """Two rows of signs in each row of floats: (ceil(M / 2), 8 ceil(n / 8)). If M is odd, a row of +1 is added."""
    half = ceil_div(len(a), 2)
    padded = np.zeros((2 * half, a.shape[1]), np.uint64)
    padded[: len(a)] = a
    low, high = row_bytes(padded.reshape(2, half, a.shape[1]), n)
    return (look_up(HIGH, high) + look_up(LOW, low)).reshape(half, 8 * ceil_div(n, 8))


def digit_filters(b: Array, n: int) -> Filters:
    """The rows of ``b`` as float columns, one row of a kernel."""
    w = np.ascontiguousarray(signs(b, n).T)
    return Filters(w[None], cut((1, 1), len(w)))


def digit_product(x: Array, f: Filters) -> Array:
    """Both digits of every product as float32 whole numbers: first all low ones, then all high ones, (2 m, F)."""
    y = np.empty((2, len(x), f.w.shape[-1]), np.float32)
    scratch = np.empty((3, min(TILE, len(x)), f.w.shape[-1]), np.float32)
    for m in range(0, len(x), TILE):
        rows = x[m : m + TILE]
        add_up([rows], f, y[0, m : m + TILE], y[1, m : m + TILE], scratch[:, : len(rows)])
    return y.reshape(2 * len(x), f.w.shape[-1])


def need_operands(op: str, a: Array, b: Array, n: int) -> None:
    """Refuse operands that are not packed rows of ``n`` signs."""
    need_words(op, n, a=a, b=b)
    need_shape(op, "a", a, "M words")
    need_shape(op, "b", b, "F words")
