"""Mistakes in pooling a map to a pyramid of means: where cells end, in which order they come, who shares what."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.pool import AdaptivePoolCache
from ...ops.pyramid import LEVELS, pyramid_pool, pyramid_pool_backward
from .attend import after
from .mistake import Mistake

# -- forward --------------------------------------------------------------------------------------------------------


def touched(i: int, size: int, n: int) -> slice:
    """The right pixels of cell ``i`` of ``n``: all it touches, from the floor to the ceiling."""
    return slice(i * size // n, -(-(i + 1) * size // n))


def cells_with(
    reduce: Callable = np.mean,
    rows: Callable = touched,
    columns: Callable | None = None,
    order: tuple[int, ...] = (0, 1, 2, 3),
) -> Callable:
    """A pyramid whose cells are reduced, cut or ordered otherwise: ``rows(i, size, n)`` gives a slice."""

    def forward(x: Array, *, levels: tuple[int, ...] = LEVELS) -> Array:
        N, H, W, C = x.shape
        parts = []
        for n in levels:
            y = np.empty((N, n, n, C), x.dtype)
            for i, j in np.ndindex(n, n):
                y[:, i, j] = reduce(x[:, rows(i, H, n), (columns or rows)(j, W, n)], axis=(1, 2))
            parts.append(y.transpose(order).reshape(N, n * n, C))
        return np.concatenate(parts, axis=1)

    return forward


def to_the_floor(i: int, size: int, n: int) -> slice:
    return slice(i * size // n, max((i + 1) * size // n, i * size // n + 1))


def of_one_size(i: int, size: int, n: int) -> slice:
    """A pooling of fixed kernel and stride that gives n cells: what exporters put in the place of adaptive pooling."""
    stride = size // n
    return slice(i * stride, i * stride + size - (n - 1) * stride)


def cut_by_rows(x: Array, *, levels: tuple[int, ...] = LEVELS) -> Array:
    H = x.shape[1]
    return cells_with(columns=lambda j, W, n: touched(j, H, n))(x, levels=levels)


def equal_shares(x: Array, *, levels: tuple[int, ...] = LEVELS) -> Array:
    sums = cells_with(np.sum)(x, levels=levels)
    area = np.concatenate([np.full(n * n, x.shape[1] * x.shape[2] / n**2, x.dtype) for n in levels])
    return sums / area[:, None]


def finest_level_first(x: Array, *, levels: tuple[int, ...] = LEVELS) -> Array:
    return pyramid_pool(x, levels=levels[::-1])[0]


# -- backward -------------------------------------------------------------------------------------------------------


def only_the_last_level(dy: Array, cache: tuple) -> Array:
    levels, caches = cache
    return pyramid_pool_backward(dy[:, -(levels[-1] ** 2) :], (levels[-1:], caches[-1:]))


def averaged_over_levels(dx: Array, cache: tuple) -> Array:
    return dx / len(cache[0])


def shares_forgotten(dy: Array, cache: tuple) -> Array:
    levels, caches = cache
    whole = [AdaptivePoolCache(*((m > 0).astype(dy.dtype) for m in c)) for c in caches]
    return pyramid_pool_backward(dy, (levels, tuple(whole)))


def of_each_level(dy: Array, cache: tuple) -> Iterator[tuple[Array, AdaptivePoolCache]]:
    """The gradient of every level, (N, n, n, C), beside its pooling matrices."""
    levels, caches = cache
    parts = np.split(dy, np.cumsum([n * n for n in levels])[:-1], axis=1)
    for n, part, pooled in zip(levels, parts, caches):
        yield part.reshape(len(dy), n, n, -1), pooled


def overwritten_where_cells_overlap(dy: Array, cache: tuple) -> Array:
    total: Any = 0
    for d, (A, B) in of_each_level(dy, cache):
        dx = np.zeros((len(d), A.shape[1], B.shape[1], d.shape[3]), d.dtype)
        for i, j in np.ndindex(d.shape[1:3]):
            share = np.outer(A[i], B[j])
            dx[:, share > 0] = share[share > 0][:, None] * d[:, i, j][:, None]
        total = total + dx
    return total


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "pyramid_pool",
        "maximum, not mean",
        cells_with(np.max),
        "anchors are too large, the more so the coarser the level",
    ),
    Mistake(
        "pyramid_pool",
        "sum, not mean",
        cells_with(np.sum),
        "anchors grow with the map: trained on crops, it fails on whole images",
    ),
    Mistake(
        "pyramid_pool",
        "cells end at the floor, and miss pixels",
        cells_with(rows=to_the_floor),
        "right where the level divides the map; otherwise differs from PyTorch's adaptive pooling",
    ),
    Mistake(
        "pyramid_pool",
        "cells of one size: a fixed kernel and stride in place of adaptive pooling",
        cells_with(rows=of_one_size),
        "right where the level divides the map, so at the training size; elsewhere the exported network differs",
        ("pytorch/pytorch#9711",),
    ),
    Mistake(
        "pyramid_pool",
        "divides every cell by H W / n^2, not by its own pixels",
        equal_shares,
        "right where the level divides the map; otherwise a constant map does not stay constant",
    ),
    Mistake(
        "pyramid_pool",
        "cuts columns as if the map were square",
        cut_by_rows,
        "right on square maps; on wide ones the right side is never seen, on tall ones cells are empty: NaN",
    ),
    Mistake(
        "pyramid_pool",
        "cells column by column",
        cells_with(order=(0, 2, 1, 3)),
        "nothing while keys and values are pooled alike, for attention asks for no order; a picture is transposed",
    ),
    Mistake(
        "pyramid_pool",
        "finest level first",
        finest_level_first,
        "nothing while keys and values are pooled alike; whoever takes anchor 0 for the mean of the map gets a corner",
    ),
    Mistake(
        "pyramid_pool_backward",
        "only the last level's gradient",
        only_the_last_level,
        "right with a single level; with more the loss still falls",
    ),
    Mistake(
        "pyramid_pool_backward",
        "averages over levels, where gradients add",
        after(pyramid_pool_backward, averaged_over_levels),
        "keys and values learn too slowly, by the number of levels",
    ),
    Mistake(
        "pyramid_pool_backward",
        "hands every pixel the cell's whole gradient, not its share",
        shares_forgotten,
        "keys and values learn too fast, the more so the larger the map: training diverges when images grow",
    ),
    Mistake(
        "pyramid_pool_backward",
        "overwrites where cells overlap, in place of adding",
        overwritten_where_cells_overlap,
        "right where the level divides the map; otherwise rows shared by two cells get the second one's gradient only",
    ),
)
