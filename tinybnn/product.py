"""Two exact ways to multiply matrices of signs, with one interface and the same whole numbers.

Both count disagreeing bits, and a dot product of ``n`` signs is ``n`` minus twice that count.

**Popcount** keeps 64 signs in a word: XOR marks what disagrees, ``bitwise_count`` adds it up. It reads 1/32 of the
memory that floats take. NumPy counts one word at a time, where a C kernel counts eight (see ``docs/speed.md``).

**Digits** makes BLAS count. For bits ``a`` of 0 and 1 and a filter ``w`` of +-1 with ``m`` of them -1, the number of
disagreements is ``sum(a w) + m``. At most 255 of them are one digit of base 256, and a float32 holds whole numbers up
to 2**24 exactly, three such digits. So three rows of bits go into one row of floats::

    x = a0 + 256 a1 + 65536 a2           x @ w + 65793 m = d0 + 256 d1 + 65536 d2

and one product of BLAS is three exact dot products. Reading the digits takes no arithmetic: as a little-endian
integer, that number **is** the bytes d0, d1, d2.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .bitpack import need_words
from .notation import HW, Array
from .phases import phase_kernel
from .validate import need_shape
from .workspace import Workspace, borrow


class Product(NamedTuple):
    """A way to multiply packed rows of ``n`` signs: prepare each side once, then take all dot products."""

    name: str
    left: Callable[[Array, int], Any]
    right: Callable[[Array, int], Any]
    dots: Callable[[Any, Any, int, Array], Array]
    rows: int  # of the left side to prepare at a time


def packed_matmul_loops(a: Array, b: Array, n: int) -> Array:
    """Specification of :func:`packed_matmul`, with Python integers: every row of ``a`` against every row of ``b``."""
    y = np.empty((len(a), len(b)), np.int64)
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
        :data:`POPCOUNT` or :data:`DIGITS`; the one that :func:`faster` names if None.

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
    Exactness: equals :func:`packed_matmul_loops` by ``==``, in either form.
    Source: popcount, Hubara 2016, arXiv 1602.02830, status exact; digits are Kronecker substitution, old in computer
    algebra; for signs in floats, and with bytes for digits, ours.
    See also: :func:`tinybnn.bitpack.packed_dot`.

    Examples
    --------
    >>> from tinybnn.bitpack import pack
    >>> a, b = pack(np.array([[1.0, 1.0], [-1.0, 1.0]])), pack(np.array([[1.0, -1.0]]))
    >>> packed_matmul(a, b, 2)
    array([[ 0],
           [-2]], dtype=int16)
    """
    need_words("packed_matmul", n, a=a, b=b)
    M, _ = need_shape("packed_matmul", "a", a, "M words")
    F, _ = need_shape("packed_matmul", "b", b, "F words")
    form = form or faster(M, F, n)
    right, y = form.right(b, n), np.empty((M, F), narrow(n))
    for m in range(0, M, form.rows):
        form.dots(form.left(a[m : m + form.rows], n), right, n, y[m : m + form.rows])
    return y


def narrow(n: int) -> type:
    """The integers that a dot product of ``n`` signs is kept in: the fewer bytes, the faster it is moved."""
    return np.int16 if n < 2**15 else np.int32


def faster(M: int, F: int, n: int) -> Product:
    """Which of the two to take for M rows, F filters and n signs: as measured by ``benchmarks/products.py``."""
    return DIGITS if min(M, F) >= 8 and n >= 32 else POPCOUNT


# -- popcount -------------------------------------------------------------------------------------------------------

RUN = 8192
"""Words handled at a time: long enough that NumPy's half microsecond a call is little, short enough for the cache."""


def word_runs(a: Array, n: int) -> Array:
    """Words outermost, (words, M): the same word of all rows lies side by side."""
    return np.ascontiguousarray(a.T)


def popcount_dots(a: Array, b: Array, n: int, y: Array) -> Array:
    """``n - 2 popcount(a ^ b)``, one word of one filter against a long run of rows, into ``y``, (M, F).

    Three counts of at most 64 are added in a byte, where adding is cheapest, before they are widened. Every call is
    one-dimensional: NumPy broadcasts over rows at a third of the speed.
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

# -- digits: operands -----------------------------------------------------------------------------------------------

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.float32)
"""The eight bits of every byte, (256, 8)."""

PLACES = tuple(BITS * np.float32(256**s) for s in range(3))
"""The same, at the place of each digit."""

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


# -- digits: filters ------------------------------------------------------------------------------------------------


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

    Without biases each piece ends with a column of ones in what it meets, and in its own biases.
    """

    w: Array
    pieces: tuple[Piece, ...]
    biases: tuple[Array | None, ...]

    @property
    def counter(self) -> type:
        """Integers that hold all counts and their doubles."""
        return narrow(sum(piece.most for piece in self.pieces))


def filters(w: Array, pieces: tuple[Piece, ...]) -> Filters:
    """``w`` with its biases. What is taken apart in pieces comes together again: taps minus sum is twice the -1."""
    biases = []
    for piece in pieces:
        total: Any = sum(w[row, columns].sum(0) for row, columns in piece.products)
        biases.append((np.repeat(piece.taps, w.shape[-1] // len(piece.taps)) - total) * 32896.5)
    return Filters(w, pieces, tuple(b.astype(np.float32) for b in biases))


def digit_dots_of(rows: Sequence[Array], f: Filters, n: int, space: Workspace) -> Array:
    """``n - 2 d`` for the digits d of three rows at once: integers, (3, m, F), in the workspace.

    ``rows`` are what each row of the kernel meets: digits, (m, columns).
    """
    m, F, integer = len(rows[0]), f.w.shape[-1], f.counter
    total, more = space.array("total", (2, m, F), np.float32)
    whole = space.array("whole", (m, F), "<i4")
    read = whole.view(np.uint8).reshape(m, F, 4)
    half = space.array("half", (m, F, 4), integer)  # n // 2 - d; its fourth number means nothing
    for i, (piece, bias) in enumerate(zip(f.pieces, f.biases)):
        for j, (row, columns) in enumerate(piece.products):
            np.matmul(rows[row][:, columns], f.w[row, columns], out=more if j else total)
            if j:
                total += more
        if bias is not None:
            total += bias
        whole[...] = total
        np.subtract(half if i else integer(n // 2), read, out=half)
    dots = space.array("dots", (3, m, F), integer)
    dots[...] = half[..., :3].transpose(2, 0, 1)  # every fourth number brought together: what follows runs faster
    dots += dots
    if n % 2:
        dots += 1
    return dots


# -- digits: the product --------------------------------------------------------------------------------------------

TILE = 768
"""Rows of floats multiplied at a time, so that a product is still in cache when its digits are read."""


def digit_rows(a: Array, n: int) -> tuple[Array, int]:
    """The first third of the rows, the second and the last in one array of digits; and how many rows there were.

    Each piece gets a column of ones, which brings in the bias of its filters.
    """
    third = -(-len(a) // 3)
    padded = np.zeros((3, third, a.shape[1]), np.uint64)
    padded.reshape(3 * third, -1)[: len(a)] = a
    x = digits(*octets(padded, n))
    return np.insert(x, _ends(cut((1, 1), x.shape[1])), 1, axis=1), len(a)


def digit_filters(b: Array, n: int) -> Filters:
    """Signs as columns, one row of a kernel."""
    w = np.ascontiguousarray(signs(b, n).T)
    f = filters(w[None], cut((1, 1), len(w)))
    ends = _ends(f.pieces)
    pieces, start = [], 0
    for i, (end, piece) in enumerate(zip(ends, f.pieces)):
        pieces.append(piece._replace(products=((0, slice(start, end + i + 1)),)))
        start = end + i + 1
    return Filters(np.insert(w, ends, f.biases, axis=0)[None], tuple(pieces), (None,) * len(pieces))


def _ends(pieces: tuple[Piece, ...]) -> list[int]:
    return [piece.products[-1][1].stop for piece in pieces]


def digit_dots(a: tuple[Array, int], b: Filters, n: int, y: Array) -> Array:
    """``n - 2 d`` for every digit ``d``, into ``y``, (M, F)."""
    x, M = a
    with borrow() as space:
        for m in range(0, len(x), TILE):
            for third, dots in enumerate(digit_dots_of([x[m : m + TILE]], b, n, space)):
                rows = y[third * len(x) + m :][: len(dots)]
                rows[...] = dots[: len(rows)]
    return y


DIGITS = Product("digits", digit_rows, digit_filters, digit_dots, 3 * TILE)
