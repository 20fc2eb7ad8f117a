"""Pooling: the maximum, the mean, and the mean over a grid of any size; packed, the maximum of 64 signs at once.

A *tap* is one of the KH x KW positions in a window. What all windows read at one tap is a smaller map: every SH-th row
and SW-th column of the input, starting at the tap. The first two operations combine these maps and copy no window.
"""

from collections import namedtuple
from collections.abc import Iterator

import numpy as np

from ..notation import HW, Array, Pair
from ..validate import need_dtype, need_finite, need_float, need_gradient, need_pair, need_shape, need_sides
from .binarize import RUN
from .conv import output_size, pad2d


def max_pool2d_loops(x: Array, *, kernel: Pair = 2, stride: Pair | None = None, pad: Pair = 0) -> Array:
    """Specification of :func:`max_pool2d`: of all taps inside the map, keep the largest."""
    stride = kernel if stride is None else stride
    (KH, KW), (SH, SW), (PH, PW) = (v if isinstance(v, tuple) else (v, v) for v in (kernel, stride, pad))
    N, H, W, C = x.shape
    y = np.empty((N, (H + 2 * PH - KH) // SH + 1, (W + 2 * PW - KW) // SW + 1, C))
    for n, i, j, c in np.ndindex(y.shape):
        best = None
        for kh, kw in np.ndindex(KH, KW):
            row, col = i * SH + kh - PH, j * SW + kw - PW
            if 0 <= row < H and 0 <= col < W and (best is None or x[n, row, col, c] > best):
                best = x[n, row, col, c]
        y[n, i, j, c] = best
    return y


MaxPoolCache = namedtuple("MaxPoolCache", "x y kernel stride pad")


def max_pool2d(x: Array, *, kernel: Pair = 2, stride: Pair | None = None, pad: Pair = 0) -> tuple[Array, MaxPoolCache]:
    """The largest value in each window: ``y[n, i, j, c] = max over kh, kw of x[n, i SH + kh - PH, j SW + kw - PW, c]``.

    Exactness: equals :func:`max_pool2d_loops` by ``==``. It commutes with ``sign`` and every other rising function.
    Source: textbook; status exact. See also: :func:`max_pool2d_packed`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C); NaN is refused
    kernel, stride, pad : int or (rows, columns) pair
        Without a stride, windows are side by side: the stride is the kernel. Padding of -inf is added on each side; it
        must be smaller than the kernel, so that no window holds only padding.

    Returns
    -------
    y : ndarray of shape (N, OH, OW, C); ``OH = (H + 2 PH - KH) // SH + 1``, and likewise ``OW``

    Examples
    --------
    >>> max_pool2d(np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 6.0]]).reshape(1, 2, 3, 1), stride=1)[0].ravel()
    array([5., 6.])
    """
    need_float("max_pool2d", x=x)
    need_shape("max_pool2d", "x", x, "N H W C")
    pad = need_pair("max_pool2d", "pad", pad, 0)
    kernel, stride, size = _geometry("max_pool2d", x, kernel, stride, pad)
    if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
        raise ValueError(f"max_pool2d: pad is {pad}, expected less than the kernel's {kernel}")
    need_sides("max_pool2d", "x", x, "which is neither larger nor smaller than a number")
    padded = pad2d(x, pad, -np.inf)
    y = _reduce(np.maximum, padded, kernel, stride, size)
    return y, MaxPoolCache(x, y, kernel, stride, pad)


def max_pool2d_backward(dy: Array, cache: MaxPoolCache) -> Array:
    """Each gradient goes to the largest value of its window; at a *tie*, if several are largest, to the first.

    The loop visits the taps row by row, and ``left`` is what no earlier tap has taken. Overlapping windows add.
    """
    x, y, kernel, stride, (PH, PW) = cache
    need_gradient("max_pool2d_backward", dy, y.shape)
    padded = pad2d(x, (PH, PW), np.nan)  # NaN equals nothing: beside -inf, padding of -inf would take its gradient
    dpadded, left = np.zeros_like(padded), dy
    for tap, dtap in zip(*(_taps(a, kernel, stride, y.shape[1:3]) for a in (padded, dpadded))):
        largest = tap == y
        dtap += np.where(largest, left, 0)
        left = np.where(largest, 0, left)
    return dpadded[:, PH : padded.shape[1] - PH, PW : padded.shape[2] - PW]


def max_pool2d_packed(words: Array, *, kernel: Pair = 2, stride: Pair | None = None) -> Array:
    """The largest of packed signs: -1 only where all signs are -1. A bit of 1 means -1, so it is AND.

    The result is uint64 of shape (N, OH, OW, ceil(C / 64)).
    Exactness: ``max_pool2d_packed(pack(x))`` equals ``pack(max_pool2d(x))`` by ``==`` for ``x`` of -1 and +1.
    Source: ours. The mean of signs is not a sign, so average pooling has no packed form.

    Parameters
    ----------
    words : uint64 ndarray of shape (N, H, W, ceil(C / 64))
    kernel, stride : as in :func:`max_pool2d`; there is no padding

    Examples
    --------
    >>> max_pool2d_packed(np.array([0b011, 0b110], np.uint64).reshape(1, 1, 2, 1), kernel=(1, 2)).ravel()
    array([2], dtype=uint64)
    """
    need_dtype("max_pool2d_packed", "words", words, np.uint64)
    need_shape("max_pool2d_packed", "words", words, "N H W words")
    return _reduce(np.bitwise_and, words, *_geometry("max_pool2d_packed", words, kernel, stride))


def avg_pool2d_loops(x: Array, *, kernel: Pair = 2, stride: Pair | None = None) -> Array:
    """Specification of :func:`avg_pool2d`."""
    stride = kernel if stride is None else stride
    (KH, KW), (SH, SW) = (v if isinstance(v, tuple) else (v, v) for v in (kernel, stride))
    N, H, W, C = x.shape
    y = np.empty((N, (H - KH) // SH + 1, (W - KW) // SW + 1, C))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = sum(x[n, i * SH + kh, j * SW + kw, c] for kh, kw in np.ndindex(KH, KW)) / (KH * KW)
    return y


AvgPoolCache = namedtuple("AvgPoolCache", "size kernel stride")  # size is that of the input


def avg_pool2d(x: Array, *, kernel: Pair = 2, stride: Pair | None = None) -> tuple[Array, AvgPoolCache]:
    """The mean of each window: ``y[n, i, j, c] = sum over kh, kw of x[n, i SH + kh, j SW + kw, c] / (KH KW)``.

    Exactness: agrees with :func:`avg_pool2d_loops` to the rounding of KH KW terms. Source: textbook; status exact.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    kernel, stride : as in :func:`max_pool2d`; no padding, because it is unclear whether that counts in a mean

    Returns
    -------
    y : ndarray of shape (N, OH, OW, C); ``OH = (H - KH) // SH + 1``, and likewise ``OW``

    Examples
    --------
    >>> avg_pool2d(np.array([[1.0, 5.0], [3.0, 4.0]]).reshape(1, 2, 2, 1))[0].ravel()
    array([3.25])
    """
    need_float("avg_pool2d", x=x)
    need_shape("avg_pool2d", "x", x, "N H W C")
    kernel, stride, size = _geometry("avg_pool2d", x, kernel, stride)
    (KH, KW), (SH, SW), (OH, OW) = kernel, stride, size
    rows = _reduce(np.add, x, (KH, 1), (SH, 1), (OH, x.shape[2]))  # (1)
    y = _reduce(np.add, rows, (1, KW), (1, SW), (OH, OW)) / (KH * KW)  # (2)
    return y, AvgPoolCache(x.shape[1:3], kernel, stride)


def avg_pool2d_backward(dy: Array, cache: AvgPoolCache) -> Array:
    """Each value added ``1 / (KH KW)`` of itself to every window that holds it."""
    (H, W), kernel, stride = cache
    OH, OW = output_size("avg_pool2d_backward", (H, W), kernel, stride, (0, 0), (1, 1))
    N, _, _, C = need_gradient("avg_pool2d_backward", dy, f"N {OH} {OW} C")
    dx, share = np.zeros((N, H, W, C), dy.dtype), dy / (kernel[0] * kernel[1])
    for dtap in _taps(dx, kernel, stride, (OH, OW)):
        dtap += share
    return dx


def adaptive_avg_pool2d_loops(x: Array, *, size: Pair) -> Array:
    """Specification of :func:`adaptive_avg_pool2d`: cell (i, j) is the mean of all pixels it touches."""
    OH, OW = size if isinstance(size, tuple) else (size, size)
    N, H, W, C = x.shape
    y = np.empty((N, OH, OW, C))
    for n, i, j, c in np.ndindex(y.shape):
        rows = range(i * H // OH, -(-(i + 1) * H // OH))
        cols = range(j * W // OW, -(-(j + 1) * W // OW))
        y[n, i, j, c] = sum(x[n, row, col, c] for row in rows for col in cols) / (len(rows) * len(cols))
    return y


AdaptivePoolCache = namedtuple("AdaptivePoolCache", "rows columns")  # the matrices A and B


def adaptive_avg_pool2d(x: Array, *, size: Pair) -> tuple[Array, AdaptivePoolCache]:
    """Average a map to any size, (N, OH, OW, C): ``y[n, i, j, c] = sum over h, w of A[i, h] B[j, w] x[n, h, w, c]``.

    Output row ``i`` is the mean of the input rows ``floor(i H / OH)`` to ``ceil((i + 1) H / OH) - 1``, which are all
    rows it touches; so neighbours share a row if OH does not divide H. Columns likewise.

    Exactness: agrees with :func:`adaptive_avg_pool2d_loops` to a few roundings; at its own size, a map is copied.
    Source: cells as in PyTorch; status exact. The two matrices are ours.
    See also: :func:`tinybnn.ops.pyramid.pyramid_pool`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    size : int or (rows, columns) pair; ``OH`` and ``OW``; a size larger than the map is allowed and repeats values

    Examples
    --------
    >>> adaptive_avg_pool2d(np.array([1.0, 2.0, 6.0]).reshape(1, 1, 3, 1), size=(1, 2))[0].ravel()
    array([1.5, 4. ])
    """
    need_float("adaptive_avg_pool2d", x=x)
    N, H, W, C = need_shape("adaptive_avg_pool2d", "x", x, "N H W C")
    OH, OW = need_pair("adaptive_avg_pool2d", "size", size, 1)
    need_finite("adaptive_avg_pool2d", x=x)
    A, B = cells(H, OH).astype(x.dtype), cells(W, OW).astype(x.dtype)
    low = (A @ x.reshape(N, H, W * C)).reshape(N, OH, W, C)  # (1)
    return B @ low, AdaptivePoolCache(A, B)  # (2)


def adaptive_avg_pool2d_backward(dy: Array, cache: AdaptivePoolCache) -> Array:
    """The same two products, transposed and in reverse order."""
    A, B = cache
    N, OH, _, C = need_gradient("adaptive_avg_pool2d_backward", dy, f"N {len(A)} {len(B)} C", finite=True)
    (H, W), dlow = (A.shape[1], B.shape[1]), B.T @ dy  # (2)
    return (A.T @ dlow.reshape(N, OH, W * C)).reshape(N, H, W, C)  # (1)


def cells(n: int, m: int) -> Array:
    """The matrix (m, n) that averages a line of ``n`` values to ``m``.

    >>> cells(3, 2)
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]])
    """
    i, h = np.arange(m)[:, None], np.arange(n)
    touched = ((h + 1) * m > i * n) & (h * m < (i + 1) * n)  # value h is [h, h + 1) / n, cell i is [i, i + 1) / m
    return touched / touched.sum(1, keepdims=True)


def _geometry(op: str, x: Array, kernel: Pair, stride: Pair | None, pad: HW = (0, 0)) -> tuple[HW, HW, tuple[int, ...]]:
    """Kernel and stride as pairs, and the size of the output."""
    kernel = need_pair(op, "kernel", kernel, 1)
    stride = kernel if stride is None else need_pair(op, "stride", stride, 1)
    return kernel, stride, output_size(op, x.shape[1:3], kernel, stride, pad, (1, 1))


def _taps(x: Array, kernel: HW, stride: HW, size: tuple[int, ...]) -> Iterator[Array]:
    """Views of ``x``, one for each tap in row-major order: what all windows read there, (N, OH, OW, C)."""
    (SH, SW), (OH, OW) = stride, size
    for kh, kw in np.ndindex(*kernel):
        yield x[:, kh : kh + (OH - 1) * SH + 1 : SH, kw : kw + (OW - 1) * SW + 1 : SW]


def _reduce(ufunc: np.ufunc, x: Array, kernel: HW, stride: HW, size: tuple[int, ...]) -> Array:
    """Combine all taps by ``ufunc``."""
    return _combined(ufunc, list(_taps(x, kernel, stride, size)))


def _combined(ufunc: np.ufunc, maps: list[Array]) -> Array:
    """In runs, then runs of their results, as :func:`tinybnn.ops.binarize.channel_sum` adds rows."""
    if len(maps) > RUN:
        maps = [_combined(ufunc, maps[i : i + RUN]) for i in range(0, len(maps), RUN)]
        return _combined(ufunc, maps)
    y = maps[0].copy()
    for other in maps[1:]:
        ufunc(y, other, out=y)
    return y
