"""Wrong versions of pooling, by maximum and by mean."""

from functools import reduce

import numpy as np

from tinybnn import bitpack, pool
from tinybnn.conv import pad2d

from .mutant import Mutant


def turned(pair):
    """Rows and columns exchanged."""
    return pair[::-1] if isinstance(pair, tuple) else pair


def max_with(change):
    """max_pool2d after ``change(options)`` has spoilt its options."""
    return lambda x, **options: pool.max_pool2d(x, **change(options))


def padded_with_zeros(x, *, pad=0, **options):
    pad = pad if isinstance(pad, tuple) else (pad, pad)
    return pool.max_pool2d(pad2d(x, pad, 0.0), **options)


def mean_in_place_of_maximum(x, *, pad=0, **options):
    return pool.avg_pool2d(pad2d(x, pad if isinstance(pad, tuple) else (pad, pad), -8.0), **options)


def without_the_last_column(x, **options):
    y, cache = pool.max_pool2d(x, **options)
    return (y[:, :, :-1] if y.shape[2] > 1 else y), cache


def max_backward_with(share):
    """A backward in which tap number k of a window takes ``share(dy, tap == y, k, taps)``; overlapping windows add."""

    def backward(dy, cache):
        padded, y, kernel, stride, (PH, PW) = cache
        dpadded, taps = np.zeros_like(padded), kernel[0] * kernel[1]
        pairs = zip(*(pool._taps(a, kernel, stride, y.shape[1:3]) for a in (padded, dpadded)))
        for k, (tap, dtap) in enumerate(pairs):
            dtap += share(dy, tap == y, k, taps)
        return dpadded[:, PH : padded.shape[1] - PH, PW : padded.shape[2] - PW]

    return backward


def last_window_wins(dy, cache):
    """Assigns where overlapping windows should add."""
    padded, y, kernel, stride, (PH, PW) = cache
    dpadded = np.zeros_like(padded)
    for tap, dtap in zip(*(pool._taps(a, kernel, stride, y.shape[1:3]) for a in (padded, dpadded))):
        dtap[...] = np.where(tap == y, dy, dtap)
    return dpadded[:, PH : padded.shape[1] - PH, PW : padded.shape[2] - PW]


def border_left_on(dy, cache):
    """Cuts the padding off the far side only."""
    dx = pool.max_pool2d_backward(dy, cache)
    wide = np.pad(dx, ((0, 0), (cache.pad[0], 0), (cache.pad[1], 0), (0, 0)))
    return wide[:, : dx.shape[1], : dx.shape[2]]


def packed_with(ufunc):
    """Pool packed words by another operation on words."""

    def packed(x, **options):
        kernel, stride, size = pool._geometry("mutant", x, options["kernel"], options["stride"])
        taps = list(pool._taps(bitpack.pack(x), kernel, stride, size))
        return bitpack.unpack(reduce(ufunc, taps), x.shape[-1])

    return packed


def packed_columns_and_rows_exchanged(x, **options):
    words = bitpack.pack(x).transpose(0, 2, 1, 3)
    pooled = pool.max_pool2d_packed(words, **{k: turned(v) for k, v in options.items()})
    return bitpack.unpack(pooled, x.shape[-1])


def packed_windows_side_by_side(x, *, kernel, stride):
    return bitpack.unpack(pool.max_pool2d_packed(bitpack.pack(x), kernel=kernel), x.shape[-1])


def sums(x, *, kernel, stride):
    y, cache = pool.avg_pool2d(x, kernel=kernel, stride=stride)
    return y * (kernel[0] * kernel[1]), cache


def square_kernel_assumed(x, *, kernel, stride):
    y, cache = pool.avg_pool2d(x, kernel=kernel, stride=stride)
    return y * (kernel[1] / kernel[0]), cache


def only_the_first_tap(dy, cache):
    dx = np.zeros((len(dy), *cache.size, dy.shape[-1]))
    next(pool._taps(dx, cache.kernel, cache.stride, dy.shape[1:3]))[...] = dy
    return dx


def grid_with(cells):
    """Average over a grid whose cell i of m is ``cells(i, n, m) -> (first, end)`` of n."""

    def line(n, m):
        A = np.zeros((m, n))
        for i in range(m):
            first, end = cells(i, n, m)
            first = min(first, n - 1)
            A[i, first : max(end, first + 1)] = 1
        return A / A.sum(1, keepdims=True)

    def forward(x, *, size):
        OH, OW = size if isinstance(size, tuple) else (size, size)
        A, B = line(x.shape[1], OH).astype(x.dtype), line(x.shape[2], OW).astype(x.dtype)
        return np.einsum("ih,jw,nhwc->nijc", A, B, x), pool.AdaptivePoolCache(A, B)

    return forward


def spread_evenly(dy, cache):
    """Gives every pixel of a cell the whole of the cell's gradient."""
    A, B = ((m > 0).astype(float) for m in cache)
    return np.einsum("ih,jw,nijc->nhwc", A, B, dy)


MUTANTS = (
    Mutant("max_pool2d", "forward", "pads with zeros", padded_with_zeros),
    Mutant("max_pool2d", "forward", "the mean", mean_in_place_of_maximum),
    Mutant("max_pool2d", "forward", "loses the last column", without_the_last_column),
    Mutant("max_pool2d", "forward", "windows always side by side", max_with(lambda o: {**o, "stride": o["kernel"]})),
    Mutant(
        "max_pool2d", "forward", "kernel's rows as columns", max_with(lambda o: {**o, "kernel": turned(o["kernel"])})
    ),
    Mutant("max_pool2d", "backward", "spreads over the window", max_backward_with(lambda d, won, k, taps: d / taps)),
    Mutant(
        "max_pool2d", "backward", "always to the first tap", max_backward_with(lambda d, won, k, taps: d * (k == 0))
    ),
    Mutant("max_pool2d", "backward", "where windows overlap, the last wins", last_window_wins),
    Mutant("max_pool2d", "backward", "gradient of the border taken for the map's", border_left_on),
    Mutant("max_pool2d_packed", "packed", "OR: the smallest sign", packed_with(np.bitwise_or)),
    Mutant("max_pool2d_packed", "packed", "XOR", packed_with(np.bitwise_xor)),
    Mutant("max_pool2d_packed", "packed", "rows and columns exchanged", packed_columns_and_rows_exchanged),
    Mutant("max_pool2d_packed", "packed", "windows always side by side", packed_windows_side_by_side),
    Mutant("avg_pool2d", "forward", "the sum", sums),
    Mutant("avg_pool2d", "forward", "divides by the square of the rows", square_kernel_assumed),
    Mutant("avg_pool2d", "forward", "the maximum", lambda x, **options: pool.max_pool2d(x, **options)),
    Mutant(
        "avg_pool2d",
        "backward",
        "does not divide",
        lambda dy, cache: pool.avg_pool2d_backward(dy, cache) * (cache.kernel[0] * cache.kernel[1]),
    ),
    Mutant("avg_pool2d", "backward", "all to the first tap", only_the_first_tap),
    Mutant(
        "adaptive_avg_pool2d",
        "forward",
        "cells end at the floor, and miss pixels",
        grid_with(lambda i, n, m: (i * n // m, (i + 1) * n // m)),
    ),
    Mutant(
        "adaptive_avg_pool2d",
        "forward",
        "cells begin at the ceiling: none shares a pixel",
        grid_with(lambda i, n, m: (-(-i * n // m), -(-(i + 1) * n // m))),
    ),
    Mutant(
        "adaptive_avg_pool2d",
        "forward",
        "cells all of one size, the last one the rest",
        grid_with(lambda i, n, m: (i * (n // m), n if i == m - 1 else (i + 1) * (n // m))),
    ),
    Mutant("adaptive_avg_pool2d", "backward", "does not divide by the cell's size", spread_evenly),
)
