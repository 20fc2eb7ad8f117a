"""Sixty-four binary values in one **word**, a ``uint64``: packing, and the dot product by XOR and popcount.

Two values of +-1 multiply to +1 where they agree and to -1 where they differ. So a dot product of ``n`` of them
is ``n`` minus twice the number of places where they differ, and XOR marks exactly those places::

    dot(a, b) = n - 2 * popcount(a ^ b)

Bit 1 means -1, and the least significant bit comes first. The **tail bits**, those of the last word that hold no value,
are zero on both sides, so they never differ (see ``notation``).
"""

import numpy as np

from ..notation import WORD_BITS, Array, ceil_div
from ..validate import need_dtype, need_finite, need_float, need_int, need_pm1, need_shape, need_sides, shown


def words(n: int) -> int:
    """How many 64-bit words hold ``n`` bits: ``ceil(n / 64)``."""
    return ceil_div(n, WORD_BITS)


def pack_loops(x: Array) -> Array:
    """Specification of :func:`pack`: set bit ``c % 64`` of word ``c // 64`` where channel ``c`` is -1."""
    *outer, C = x.shape
    packed = np.zeros((*outer, words(C)), np.uint64)
    for i in np.ndindex(x.shape):
        if x[i] < 0:
            packed[i[:-1] + (i[-1] // WORD_BITS,)] |= np.uint64(1 << (i[-1] % WORD_BITS))
    return packed


def pack(x: Array) -> Array:
    """Pack values of -1 and +1 along the last axis into ``uint64`` words, of shape (..., ceil(C / 64)).

    Exactness: equals :func:`pack_loops` by ``==``, on little- and big-endian machines.
    Source: ours. The bytes are those of Larq Compute Engine, whose words have 32 bits.

    Parameters
    ----------
    x : float ndarray of shape (..., C); any value but -1 and +1 is refused; binarize first

    Examples
    --------
    >>> pack(np.array([-1.0, 1.0, -1.0, -1.0]))          # bits 0, 2 and 3: 1 + 4 + 8
    array([13], dtype=uint64)
    """
    need_float("pack", x=x)
    need_pm1("pack", "x", x)
    return pack_bits(x < 0)


def pack_bits(negative: Array) -> Array:
    """Pack booleans along the last axis, True for -1: the second half of :func:`pack`.

    >>> pack_bits(np.array([True, False, True]))
    array([5], dtype=uint64)
    """
    need_dtype("pack_bits", "negative", negative, np.bool_)
    *outer, C = negative.shape
    packed = np.zeros((*outer, 8 * words(C)), np.uint8)
    # If C is a multiple of 8, no byte holds bits of two rows, and one long row is packed four times as fast.
    rows = negative if C % 8 else negative.reshape(-1)
    packed[..., : ceil_div(C, 8)] = np.packbits(rows, axis=-1, bitorder="little").reshape(*outer, ceil_div(C, 8))
    return packed.view("<u8").astype(np.uint64, copy=False)


def binarize_packed(x: Array, tau: Array) -> Array:
    """Threshold and pack at once: the words of ``pack(binarize(x, tau)[0])``, without the floats of +-1 in between.

    Exactness: equals ``pack(binarize(x, tau)[0])`` by ``==`` for finite ``tau``; NaN is refused. Source: ours.

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    tau : float ndarray of shape (C,)

    Examples
    --------
    >>> binarize_packed(np.array([0.2, 0.2, -0.0]), np.array([0.1, 0.3, 0.0]))       # +1, -1, +1
    array([2], dtype=uint64)
    """
    need_float("binarize_packed", x=x, tau=tau)
    need_shape("binarize_packed", "tau", tau, "C", C=(x.shape[-1], "x"))
    need_sides("binarize_packed", "x", x)
    need_finite("binarize_packed", tau=tau)
    return pack_bits(x < tau)


def unpack_loops(packed: Array, C: int) -> Array:
    """Specification of :func:`unpack`."""
    x = np.empty((*packed.shape[:-1], C))
    for i in np.ndindex(x.shape):
        word = int(packed[i[:-1] + (i[-1] // WORD_BITS,)])
        x[i] = -1.0 if word >> (i[-1] % WORD_BITS) & 1 else 1.0
    return x


def unpack(packed: Array, C: int, dtype: type | np.dtype = np.float32) -> Array:
    """Undo :func:`pack`: the ``C`` values of -1 and +1 in each row of words, as ``dtype`` of shape (..., C).

    Exactness: equals :func:`unpack_loops` by ``==``; ``unpack(pack(x), C)`` is ``x``. Source: ours.

    Parameters
    ----------
    packed : uint64 ndarray of shape (..., ceil(C / 64))
    C : int; the number of values in a row, which the words do not tell
    dtype : float dtype

    Examples
    --------
    >>> unpack(np.array([13], np.uint64), 4)
    array([-1.,  1., -1., -1.], dtype=float32)
    """
    need_dtype("unpack", "packed", packed, np.uint64)
    need_int("unpack", "C", C, 1)
    if not isinstance(dtype, (type, np.dtype)) or dtype not in (np.float32, np.float64):
        raise TypeError(f"unpack: dtype is {shown(dtype)}, expected float32 or float64")
    if packed.shape[-1] != words(C):
        raise ValueError(f"unpack: packed has {packed.shape[-1]} words a row, expected {words(C)} for C = {C}")
    bits = np.unpackbits(np.ascontiguousarray(packed, "<u8").view(np.uint8), axis=-1, count=C, bitorder="little")
    return 1 - 2 * bits.astype(dtype)


def packed_dot_loops(a: Array, b: Array, n: int) -> Array:
    """Specification of :func:`packed_dot`, with Python integers."""
    dot = np.empty(a.shape[:-1], np.int64)
    for i in np.ndindex(dot.shape):
        dot[i] = n - 2 * sum(bin(int(p) ^ int(q)).count("1") for p, q in zip(a[i], b[i]))
    return dot


def packed_dot(a: Array, b: Array, n: int) -> Array:
    """Dot products of packed rows: ``n - 2 popcount(a ^ b)``, summed over the words.

    The result is int64 of shape (...), between ``-n`` and ``n``, with the parity of ``n``.
    Exactness: equals :func:`packed_dot_loops`, and the dot product of the unpacked rows, by ``==``.
    Source: Hubara 2016, arXiv 1602.02830; status exact.

    Parameters
    ----------
    a, b : uint64 ndarrays of shape (..., ceil(n / 64)); equal shapes, tail bits zero
    n : int; the true number of values in a row

    Examples
    --------
    >>> a, b = pack(np.array([-1.0, 1.0, 1.0])), pack(np.array([-1.0, -1.0, 1.0]))
    >>> packed_dot(a, b, 3)                              # 1 - 1 + 1
    np.int64(1)
    """
    need_words("packed_dot", n, a=a, b=b)
    if a.shape != b.shape:
        raise ValueError(f"packed_dot: b has shape {b.shape}, expected {a.shape} from a")
    return n - 2 * np.bitwise_count(a ^ b).sum(-1, dtype=np.int64)


def packed_matmul_loops(a: Array, b: Array, n: int) -> Array:
    """Specification of :func:`packed_matmul`, with Python integers: every row of ``a`` against every row of ``b``."""
    y: Array = np.empty((len(a), len(b)), np.int64)
    for m, f in np.ndindex(y.shape):
        y[m, f] = n - 2 * sum(bin(int(p) ^ int(q)).count("1") for p, q in zip(a[m], b[f]))
    return y


def packed_matmul(a: Array, b: Array, n: int) -> Array:
    """The matrix product of packed rows: ``y[m, f] = n - 2 popcount(a[m] ^ b[f])``, int32 of shape (M, F).

    Exactness: equals :func:`packed_matmul_loops` by ``==``. Source: Hubara 2016, arXiv 1602.02830; status exact.
    See also: :mod:`tinybnn.fast.product`, which gives the same integers faster.

    Parameters
    ----------
    a : uint64 ndarray of shape (M, words); rows of ``ceil(n / 64)`` words
    b : uint64 ndarray of shape (F, words); rows like those of ``a``: the transpose of a usual right operand
    n : int; as in :func:`packed_dot`

    Examples
    --------
    >>> a, b = pack(np.array([[1.0, 1.0], [-1.0, 1.0]])), pack(np.array([[1.0, -1.0]]))
    >>> packed_matmul(a, b, 2)
    array([[ 0],
           [-2]], dtype=int32)
    """
    need_words("packed_matmul", n, a=a, b=b)
    need_shape("packed_matmul", "a", a, "M words")
    need_shape("packed_matmul", "b", b, "F words")
    return n - 2 * differing_bits(a, b)


def differing_bits(a: Array, b: Array) -> Array:
    """How many bits differ between rows of ``a`` (..., M, words) and of ``b`` (..., F, words): int32 (..., M, F).

    The loop takes one word of all rows at a time, so that no array (M, F, words) is made.

    >>> differing_bits(np.array([[0b111], [0b100]], np.uint64), np.array([[0b110]], np.uint64))
    array([[1],
           [1]], dtype=int32)
    """
    count = np.zeros((*a.shape[:-1], b.shape[-2]), np.int32)
    for k in range(a.shape[-1]):
        count += np.bitwise_count(a[..., :, None, k] ^ b[..., None, :, k])
    return count


def need_words(op: str, n: int, **rows: Array) -> None:
    """Refuse rows that are not ``uint64`` words, or that have another number of words than ``n`` bits take."""
    need_int(op, "n", n, 1)
    for name, array in rows.items():
        need_dtype(op, name, array, np.uint64)
        if array.shape[-1] != words(n):
            raise ValueError(f"{op}: {name} has {array.shape[-1]} words a row, expected {words(n)} for n = {n}")
