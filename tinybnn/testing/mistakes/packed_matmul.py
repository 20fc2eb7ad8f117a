"""Mistakes in the product of packed matrices: those of one dot product, exchanged sides, and digits that run over."""

import numpy as np

from ...notation import Array
from ...ops.bitpack import packed_matmul
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies
from .product import COUNTS, FIRST_WORD, HALF_PRECISION


def of_all_rows(m: Mistake) -> Mistake:
    """``packed_matmul`` by a wrong ``packed_dot``."""

    def matmul(a: Array, b: Array, n: int) -> Array:
        return m.wrong(np.repeat(a[:, None], len(b), 1), np.repeat(b[None], len(a), 0), n)

    return m._replace(name="packed_matmul", wrong=matmul)


def matmul_from_the_pointer(a: Array, b: Array, n: int) -> Array:
    return packed_matmul(as_it_lies(a), as_it_lies(b), n)


def transposed(a: Array, b: Array, n: int) -> Array:
    return packed_matmul(b, a, n)


def words_by_filters(a: Array, b: Array, n: int) -> Array:
    """Reads the memory of ``b`` as a right operand usually lies: (words, F)."""
    return packed_matmul(a, np.ascontiguousarray(b.reshape(b.shape[::-1]).T), n)


def pairs_of_rows(a: Array, b: Array, n: int) -> Array:
    """Each row with the row of the same number only."""
    rows = min(len(a), len(b))
    return n - 2 * np.bitwise_count(a[:rows] ^ b[:rows]).sum(-1, dtype=np.int64)


MISTAKES: tuple[Mistake, ...] = (
    *map(of_all_rows, (*COUNTS, FIRST_WORD, HALF_PRECISION)),
    Mistake("packed_matmul", FROM_THE_POINTER, matmul_from_the_pointer, POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "packed_matmul",
        "the transpose of the product",
        transposed,
        "an error about shapes, unless there are as many rows as filters: then filters and pixels are exchanged",
    ),
    Mistake(
        "packed_matmul",
        "reads b as (words, F)",
        words_by_filters,
        "right up to 64 channels, where both readings are the same; noise beyond",
    ),
    Mistake(
        "packed_matmul",
        "pairs of rows, not every row with every filter",
        pairs_of_rows,
        "one column where a table was expected, or an error about shapes",
    ),
)
