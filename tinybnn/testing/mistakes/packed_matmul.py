"""Mistakes in the product of packed matrices: those of one dot product, exchanged sides, and digits that run over."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...fast.digits import Filters, signs
from ...fast.product import DIGITS, TRIPLES, Product, packed_matmul
from ...fast.triples import TripleFilters
from ...notation import Array
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies
from .product import COUNTS, FIRST_WORD, HALF_PRECISION, TAIL


def of_all_rows(m: Mistake) -> Mistake:
    """``packed_matmul`` by a wrong ``packed_dot``."""

    def matmul(a: Array, b: Array, n: int, *, form: Any = None) -> Array:
        return m.wrong(np.repeat(a[:, None], len(b), 1), np.repeat(b[None], len(a), 0), n)

    return m._replace(name="packed_matmul", wrong=matmul)


def matmul_from_the_pointer(a: Array, b: Array, n: int, *, form: Any = None) -> Array:
    return packed_matmul(as_it_lies(a), as_it_lies(b), n)


def transposed(a: Array, b: Array, n: int, *, form: Any = None) -> Array:
    return packed_matmul(b, a, n)


def words_by_filters(a: Array, b: Array, n: int, *, form: Any = None) -> Array:
    """Reads the memory of ``b`` as a right operand usually lies: (words, F)."""
    return packed_matmul(a, np.ascontiguousarray(b.reshape(b.shape[::-1]).T), n)


def pairs_of_rows(a: Array, b: Array, n: int, *, form: Any = None) -> Array:
    """Each row with the row of the same number only."""
    rows = min(len(a), len(b))
    return n - 2 * np.bitwise_count(a[:rows] ^ b[:rows]).sum(-1, dtype=np.int64)


# -- inside the forms -----------------------------------------------------------------------------------------------


def by_form(spoilt: Product, **changes: Any) -> Callable:
    """``packed_matmul`` by digits or triples, with a part of the form changed."""
    wrong = spoilt._replace(**changes)
    return lambda a, b, n, *, form=None: packed_matmul(a, b, n, form=wrong)


def digits_in_one_piece(b: Array, n: int) -> Filters:
    """Told apart once, however many signs were added up."""
    f = DIGITS.right(b, n)
    return f._replace(pieces=(tuple(part for piece in f.pieces for part in piece),))


def halves_of_rows_exchanged(a: Array, b: Array, n: int, y: Array) -> Array:
    """The high digit's rows before the low one's."""
    DIGITS.dots(a, b, n, y)
    both = np.zeros((2 * len(a), y.shape[1]), y.dtype)
    both[: len(y)] = y
    y[...] = np.roll(both, len(a), axis=0)[: len(y)]
    return y


def tails_count(b: Array, n: int) -> Filters:
    """Filters whose tail is +1, as it is in a word: it meets the +1 of the other side's."""
    w = signs(b, 64 * b.shape[1])[:, : 8 * -(-n // 8)]
    return DIGITS.right(b, n)._replace(w=w.T[None])


def triples_in_one_piece(b: Array, n: int) -> TripleFilters:
    """Read once, however many bits disagree; their biases added up in one row at the end."""
    f, w = TRIPLES.right(b, n), DIGITS.right(b, n).w[0]
    biases = sum(f.w[piece.stop - 1] for piece in f.pieces)
    return f._replace(w=np.concatenate([w, np.asarray(biases)[None]]), pieces=(slice(0, len(w) + 1),))


def rows_of_one_piece(a: Array, n: int) -> Array:
    """What those filters meet: a single one at the end of each row."""
    x, f = TRIPLES.left(a, n), TRIPLES.right(a, n)
    return np.delete(x, [piece.stop - 1 for piece in f.pieces[:-1]], axis=1)


def triples_without_biases(b: Array, n: int) -> TripleFilters:
    f = TRIPLES.right(b, n)
    w = f.w.copy()
    w[[piece.stop - 1 for piece in f.pieces]] = 0
    return f._replace(w=w)


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
    Mistake(
        "packed_matmul",
        "a digit carries into the other: sums beyond 2047 in one piece",
        by_form(DIGITS, right=digits_in_one_piece),
        "right for rows of up to 2047 signs; longer ones are off by multiples of 4096 where most signs agree",
    ),
    Mistake(
        "packed_matmul",
        "the halves of the rows exchanged",
        by_form(DIGITS, dots=halves_of_rows_exchanged),
        "the right numbers in the wrong rows: the lower half of the image above the upper",
    ),
    Mistake(
        "packed_matmul",
        "the tail is added up",
        by_form(DIGITS, right=tails_count),
        "right for multiples of 8 signs; otherwise too large by the bits that fill up the last byte",
        TAIL,
    ),
    Mistake(
        "packed_matmul",
        "a byte carries into the next: sums beyond 255 in one piece",
        by_form(TRIPLES, right=triples_in_one_piece, left=rows_of_one_piece),
        "right for rows of up to 255 signs; longer ones spoil the product beside them",
    ),
    Mistake(
        "packed_matmul",
        "forgets the biases of the filter's -1: bytes borrow",
        by_form(TRIPLES, right=triples_without_biases),
        "filters of +1 alone are right; every -1 lowers the product, and bytes below 0 borrow from their neighbour",
    ),
)
