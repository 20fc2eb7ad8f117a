"""Exact ways to multiply matrices of signs, with one interface and the same whole numbers.

**Popcount** keeps 64 signs in a word: XOR marks what disagrees, ``bitwise_count`` adds it up, and a dot product of
``n`` signs is ``n`` minus twice that count. It reads 1/32 of the memory that floats take. NumPy counts one word at a
time, where a C kernel counts eight (see ``docs/speed.md``).

**Digits** make BLAS count: two rows of signs go into one row of floats, as digits of base 4096, and one product of
floats is two exact dot products (:mod:`tinybnn.fast.digits`). **Triples** are three, of base 256 (:mod:`tinybnn.fast.triples`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array
from ..ops.bitpack import need_words, words
from ..validate import need_shape
from .digits import Filters, add_up, cut, digits, parts, signs
from .triples import triple_dots, triple_filters, triple_rows
from .workspace import borrow


class Product(NamedTuple):
    """A way to multiply packed rows of ``n`` signs: prepare each side once, then take all dot products."""

    name: str
    left: Callable[[Array, int], Any]
    right: Callable[[Array, int], Any]
    dots: Callable[[Any, Any, int, Array], Array]
    rows: int  # of the left side to prepare at a time

    def __repr__(self) -> str:
        return self.name.upper()


def packed_matmul_loops(a: Array, b: Array, n: int) -> Array:
    """Specification of :func:`packed_matmul`, with Python integers: every row of ``a`` against every row of ``b``."""
    y: Array = np.empty((len(a), len(b)), np.int64)
    for m, f in np.ndindex(y.shape):
        y[m, f] = n - 2 * sum(bin(int(p) ^ int(q)).count("1") for p, q in zip(a[m], b[f]))
    return y


def packed_matmul(a: Array, b: Array, n: int, *, form: Product | None = None) -> Array:
    """The matrix product of packed rows: ``y[m, f] = n - 2 popcount(a[m] ^ b[f])``.

    Parameters
    ----------
    a : uint64 ndarray of shape (M, words)
    b : uint64 ndarray of shape (F, words)
        Both row-packed, with ``ceil(n / 64)`` words a row: ``b`` is the *transpose* of a usual right operand.
    n : int
        The true number of values in a row.
    form : Product, optional
        :data:`POPCOUNT`, :data:`DIGITS` or :data:`TRIPLES`; the one that :func:`faster` names if None.

    Returns
    -------
    ndarray of shape (M, F)
        int16 where that holds ``n``, int32 otherwise.

    Raises
    ------
    ValueError, TypeError
        For words that do not fit ``n``.

    Notes
    -----
    Exactness: equals :func:`packed_matmul_loops` by ``==``, in every form.
    Source: popcount, Hubara 2016, arXiv 1602.02830, status exact; digits are Kronecker substitution, old in computer
    algebra; for signs in floats, and with bytes for digits, ours.
    See also: :func:`tinybnn.ops.bitpack.packed_dot`.

    Examples
    --------
    >>> from tinybnn.ops.bitpack import pack
    >>> a, b = pack(np.array([[1.0, 1.0], [-1.0, 1.0]])), pack(np.array([[1.0, -1.0]]))
    >>> packed_matmul(a, b, 2)
    array([[ 0],
           [-2]], dtype=int16)
    """
    need_words("packed_matmul", n, a=a, b=b)
    M, _ = need_shape("packed_matmul", "a", a, "M words")
    F, _ = need_shape("packed_matmul", "b", b, "F words")
    form = form or faster(M, F, n)
    y: Array = np.empty((M, F), narrow(n))
    right = form.right(b, n)
    for m in range(0, M, form.rows):
        form.dots(form.left(a[m : m + form.rows], n), right, n, y[m : m + form.rows])
    return y


def narrow(n: int) -> type:
    """The integers that a dot product of ``n`` signs is kept in: the fewer bytes, the faster it is moved."""
    return np.int16 if n < 2**15 else np.int32


def faster(M: int, F: int, n: int, *, stored: int | None = None, looked_up: int | None = None) -> Product:
    """Which of the two to take for M rows, F filters and n signs a row, in ``stored`` words, ``looked_up`` as floats.

    Nanoseconds as they were measured on one machine: a call of NumPy, a word and an addition for popcount; a sign
    looked up, a product and a digit for digits. Only their proportions matter, and either choice is right. Triples are
    faster still where a left side is prepared once and multiplied often, and are not chosen here.

    >>> faster(4096, 64, 576).name, faster(4096, 4, 576).name
    ('digits', 'popcount')
    """
    short, long = sorted((M, F))
    popcount = (stored or words(n)) * short * (1500 * -(-long // RUN) + 0.65 * long)
    digits = 30_000 + 0.35 * M * (looked_up or n) + M * F * (n / 140 + 0.8)
    return POPCOUNT if popcount < digits else DIGITS


# -- popcount -------------------------------------------------------------------------------------------------------

RUN = 8192
"""Words handled at a time: long enough that NumPy's half microsecond a call is little, short enough for the cache."""


def word_runs(a: Array, n: int) -> Array:
    """Words outermost, (words, M): the same word of all rows lies side by side."""
    return np.ascontiguousarray(a.T)


def popcount_dots(a: Array, b: Array, n: int, y: Array) -> Array:
    """``n - 2 popcount(a ^ b)``, one word of one filter against a long run of rows, into ``y``, (M, F).

    Three counts of at most 64 are added in a byte, where adding is cheapest, before they are widened. Every call is
    one-dimensional: broadcasting over rows is far slower.
    """
    if a.shape[1] < b.shape[1]:  # the longer side runs
        return popcount_dots(b, a, n, y.T).T
    (W, M), F = a.shape, b.shape[1]
    with borrow() as space:
        for m in range(0, M, RUN):
            runs = a[:, m : m + RUN]
            x = space.array("xor", runs.shape[1:], np.uint64)
            p, q = space.array("counts", (2, len(x)), np.uint8)
            totals = space.array("totals", (F, len(x)), y.dtype)
            for f, total in enumerate(totals):
                total[...] = 0
                for k in range(0, W, 3):
                    np.bitwise_count(np.bitwise_xor(runs[k], b[k, f], out=x), out=p)
                    for j in range(k + 1, min(k + 3, W)):
                        np.bitwise_count(np.bitwise_xor(runs[j], b[j, f], out=x), out=q)
                        p += q
                    total += p
                total *= -2
                total += n
            y[m : m + RUN] = totals.T
    return y


POPCOUNT = Product("popcount", word_runs, word_runs, popcount_dots, RUN)
"""64 signs to a word: XOR, and a count."""

# -- digits ---------------------------------------------------------------------------------------------------------

TILE = 1024
"""Rows of floats multiplied at a time, so that a product is still in cache when its digits are told apart."""


def digit_rows(a: Array, n: int) -> Array:
    """The upper half of the rows as low digits, the lower half as high ones."""
    return digits(*parts(a, n, 2))


def digit_filters(b: Array, n: int) -> Filters:
    """Signs as columns, one row of a kernel."""
    w = np.ascontiguousarray(signs(b, n).T)
    return Filters(w[None], cut((1, 1), len(w)))


def digit_dots(x: Array, b: Filters, n: int, y: Array) -> Array:
    """Both digits of every product, into ``y``, (M, F)."""
    with borrow() as space:
        for m in range(0, len(x), TILE):
            tile = x[m : m + TILE]
            upper, lower = y[m : m + len(tile)], y[len(x) + m :][: len(tile)]
            if y.dtype == np.float32 and len(lower) == len(tile):
                add_up([tile], b, upper, lower, space)
            else:
                low, high = space.array("digits", (2, len(tile), y.shape[1]), np.float32)
                add_up([tile], b, low, high, space)
                upper[...], lower[...] = low, high[: len(lower)]
    return y


DIGITS = Product("digits", digit_rows, digit_filters, digit_dots, 2 * TILE)
"""Two dot products in one of floats."""

TRIPLES = Product("triples", triple_rows, triple_filters, triple_dots, 3 * TILE)
"""Three dot products in one of floats."""


def forms(name: str, function: Callable, *others: Product) -> dict[str, Callable]:
    """``function`` with each way to count for its ``form``, by a name that says which.

    >>> list(forms("conv2d_packed", print))
    ['conv2d_packed by popcount', 'conv2d_packed by digits']
    """
    return {f"{name} by {form.name}": partial(function, form=form) for form in (POPCOUNT, DIGITS, *others)}
