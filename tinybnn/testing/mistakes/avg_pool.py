"""Mistakes in pooling by mean: in windows, and over a grid of any size."""

from collections.abc import Callable

import numpy as np

from ...notation import Array, Pair
from ...ops import pool
from ...ops.pool import AdaptivePoolCache, AvgPoolCache
from .binarize import in_float64
from .mistake import Mistake
from .pool import (
    OVERLAP,
    OVERLAP_SYMPTOM,
    SIDE_BY_SIDE,
    SIDE_SYMPTOM,
    STEP_BY_STEP,
    STEP_MET,
    STEP_SYMPTOM,
    TURNED,
    TURNED_SYMPTOM,
    kernel_turned,
    pair,
    side_by_side,
    step_by_step,
    turned,
    windows,
    with_options,
)

# -- mean -----------------------------------------------------------------------------------------------------------


def mean_times(factor: Callable[[int, int], float]) -> Callable:
    """The mean of each window, ``factor(KH, KW)`` too large."""

    def forward(x: Array, *, kernel: Pair = 2, stride: Pair | None = None) -> Array:
        return pool.avg_pool2d(x, kernel=kernel, stride=stride)[0] * factor(*pair(kernel))

    return forward


def not_divided(dy: Array, cache: AvgPoolCache) -> Array:
    return pool.avg_pool2d_backward(dy, cache) * (cache.kernel[0] * cache.kernel[1])


def assigned(dy: Array, cache: AvgPoolCache) -> Array:
    dx = np.zeros((len(dy), *cache.size, dy.shape[-1]), dy.dtype)
    taken = windows(dx, cache.kernel, cache.stride)
    for kh, kw in np.ndindex(*cache.kernel):
        taken[..., kh, kw] = dy / (cache.kernel[0] * cache.kernel[1])
    return dx


def to_the_first_tap(dy: Array, cache: AvgPoolCache) -> Array:
    dx = np.zeros((len(dy), *cache.size, dy.shape[-1]), dy.dtype)
    windows(dx, cache.kernel, cache.stride)[..., 0, 0] = dy
    return dx


# -- mean over a grid -----------------------------------------------------------------------------------------------


def grid_by(cells: Callable[[int, int, int], tuple[int, int]]) -> Callable:
    """Average over a grid whose cell i of m is ``cells(i, n, m)``, from where to where on a line of n."""

    def line(n: int, m: int) -> Array:
        A = np.zeros((m, n))
        for i in range(m):
            first, end = cells(i, n, m)
            first = min(first, n - 1)
            A[i, first : max(end, first + 1)] = 1
        return A / A.sum(1, keepdims=True)

    def forward(x: Array, *, size: Pair) -> Array:
        A, B = (line(n, m).astype(x.dtype) for n, m in zip(x.shape[1:3], pair(size)))
        return np.einsum("ih,jw,nhwc->nijc", A, B, x)

    return forward


def one_kernel_for_all(i: int, n: int, m: int) -> tuple[int, int]:
    stride = n // m
    return i * stride, n - (m - 1 - i) * stride


def whole_to_every_pixel(dy: Array, cache: AdaptivePoolCache) -> Array:
    A, B = ((line > 0).astype(dy.dtype) for line in cache)
    return np.einsum("ih,jw,nijc->nhwc", A, B, dy)


def cells_of_one_size(dy: Array, cache: AdaptivePoolCache) -> Array:
    A, B = cache
    return whole_to_every_pixel(dy, cache) * dy.dtype.type(A.shape[0] * B.shape[0] / (A.shape[1] * B.shape[1]))


def last_cell_wins(dy: Array, cache: AdaptivePoolCache) -> Array:
    """Assigns cell by cell, where neighbours share a row or a column."""
    A, B = cache
    dx = np.zeros((len(dy), A.shape[1], B.shape[1], dy.shape[-1]), dy.dtype)
    for i, j in np.ndindex(len(A), len(B)):
        cell = (A[i, :, None] * B[j])[..., None]
        dx = np.where(cell > 0, cell * dy[:, i, None, j, None], dx)
    return dx


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "avg_pool2d",
        "the sum: does not divide",
        mean_times(lambda KH, KW: KH * KW),
        "outputs are larger by the size of the window; batch norm after it hides the mistake",
    ),
    Mistake(
        "avg_pool2d",
        "divides by the square of the rows",
        mean_times(lambda KH, KW: KW / KH),
        "right for square kernels; others are off by a factor",
    ),
    Mistake(
        "avg_pool2d",
        "the maximum in place of the mean",
        lambda x, **options: pool.max_pool2d(x, **options)[0],
        "right on constant maps; elsewhere too large, and after a ReLU nothing looks wrong",
    ),
    Mistake("avg_pool2d", SIDE_BY_SIDE, with_options(pool.avg_pool2d, side_by_side), SIDE_SYMPTOM),
    Mistake("avg_pool2d", STEP_BY_STEP, with_options(pool.avg_pool2d, step_by_step), STEP_SYMPTOM, STEP_MET),
    Mistake("avg_pool2d", TURNED, with_options(pool.avg_pool2d, kernel_turned), TURNED_SYMPTOM),
    Mistake(
        "avg_pool2d_backward",
        "does not divide by the window's size",
        not_divided,
        "gradients below grow by the size of the window at every pooling",
    ),
    Mistake(
        "avg_pool2d_backward",
        OVERLAP,
        assigned,
        OVERLAP_SYMPTOM,
    ),
    Mistake(
        "avg_pool2d_backward",
        "all to the first tap",
        to_the_first_tap,
        "the sum of the gradients is right, their places are not: the loss falls, slower",
    ),
    Mistake(
        "avg_pool2d_backward",
        "np.zeros without a dtype: float64",
        in_float64(pool.avg_pool2d_backward),
        "right values; the whole backward pass below takes twice the memory and time",
    ),
    Mistake(
        "adaptive_avg_pool2d",
        "cells end at the floor, and miss pixels",
        grid_by(lambda i, n, m: (i * n // m, (i + 1) * n // m)),
        "right where the grid divides the map; elsewhere, as from 10 to 3, most cells are a pixel short",
        ("flagos-ai/FlagGems#4915",),
    ),
    Mistake(
        "adaptive_avg_pool2d",
        "cells begin at the ceiling: none shares a pixel",
        grid_by(lambda i, n, m: (-(-i * n // m), -(-(i + 1) * n // m))),
        "right where the grid divides the map; elsewhere pixels that two cells should share count in one",
    ),
    Mistake(
        "adaptive_avg_pool2d",
        "cells all of one size, the last one takes the rest",
        grid_by(lambda i, n, m: (i * (n // m), n if i == m - 1 else (i + 1) * (n // m))),
        "right where the grid divides the map; elsewhere the last row and column of cells are much larger",
    ),
    Mistake(
        "adaptive_avg_pool2d",
        "one kernel and one stride for all cells, as in an export to plain pooling",
        grid_by(one_kernel_for_all),
        "right where the grid divides the map; elsewhere the exported network differs from the trained one",
        ("pytorch/pytorch#9711", "VCIP-RGBD/DFormer#17"),
    ),
    Mistake(
        "adaptive_avg_pool2d",
        "rows and columns of the size exchanged",
        lambda x, *, size: pool.adaptive_avg_pool2d(x, size=turned(size))[0],
        "right for square grids; others come out turned",
    ),
    Mistake(
        "adaptive_avg_pool2d_backward",
        "does not divide by the cell's size",
        whole_to_every_pixel,
        "gradients below are larger by the pixels in a cell: with a global mean, by all pixels of the map",
    ),
    Mistake(
        "adaptive_avg_pool2d_backward",
        "divides by one size for all cells",
        cells_of_one_size,
        "right where the grid divides the map; elsewhere nearly right, and only finite differences tell",
    ),
    Mistake(
        "adaptive_avg_pool2d_backward",
        "where cells share a pixel the last one wins",
        last_cell_wins,
        "right where the grid divides the map; elsewhere shared rows and columns get too little",
    ),
)
