"""A few anchors for a whole map: its means over grids from coarse to fine.

Level n divides the map into n x n cells. Levels 1, 3, 6, 8 give 1 + 9 + 36 + 64 = 110 anchors for a map of any size, so
attention to anchors instead of pixels costs 110 for each query.
"""

import numpy as np

from ..notation import Array
from ..validate import need_finite, need_float, need_gradient, need_int, need_shape, shown
from .pool import adaptive_avg_pool2d, adaptive_avg_pool2d_backward

LEVELS = (1, 3, 6, 8)
"""The pyramid of asymmetric non-local networks: 110 anchors."""


def pyramid_pool_loops(x: Array, *, levels: tuple[int, ...] = LEVELS) -> Array:
    """Specification of :func:`pyramid_pool`: cell (i, j) of a level is the mean of all pixels it touches."""
    N, H, W, C = x.shape
    y = np.zeros((N, sum(level**2 for level in levels), C), x.dtype)
    for n, c in np.ndindex(N, C):
        s = 0
        for level in levels:
            for i, j in np.ndindex(level, level):
                rows = range(i * H // level, -((i + 1) * -H // level))
                cols = range(j * W // level, -((j + 1) * -W // level))
                y[n, s, c] = sum(x[n, row, col, c] for row in rows for col in cols) / (len(rows) * len(cols))
                s += 1
    return y


def pyramid_pool(x: Array, *, levels: tuple[int, ...] = LEVELS) -> tuple[Array, tuple]:
    """Average a map over grids: one anchor for each cell of each level, level after level.

    Exactness: agrees with :func:`pyramid_pool_loops` to the rounding of its sums. A level H on an H x H map copies it.
    Source: asymmetric non-local networks, Zhu 2019, arXiv 1908.07678; status exact. Cells as in PyTorch.
    See also: :func:`tinybnn.ops.pool.adaptive_avg_pool2d`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    levels : tuple of int; each cell averages the pixels it touches, so cells may overlap

    Returns
    -------
    y : ndarray of shape (N, S, C); ``S`` is the sum of the squares of the levels, and cells are in row-major order
    cache : the levels and the pooling cache of each

    Examples
    --------
    >>> pyramid_pool(np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 2, 2, 1), levels=(1, 2))[0].ravel()
    array([3., 1., 2., 3., 6.])
    """
    need_float("pyramid_pool", x=x)
    N, _, _, C = need_shape("pyramid_pool", "x", x, "N H W C")
    need_levels("pyramid_pool", levels)
    need_finite("pyramid_pool", x=x)
    pooled = [(n, *adaptive_avg_pool2d(x, size=n)) for n in levels]
    y = np.concatenate([y.reshape(N, n * n, C) for n, y, _ in pooled], axis=1)
    return y, (levels, tuple(cache for *_, cache in pooled))


def pyramid_pool_backward(dy: Array, cache: tuple) -> Array:
    """Every level read the whole map, so the gradients of the levels add."""
    levels, caches = cache
    N, _, C = need_gradient("pyramid_pool_backward", dy, f"N {sum(n * n for n in levels)} C", finite=True)
    parts = np.split(dy, np.cumsum([n * n for n in levels])[:-1], axis=1)
    dxs = (adaptive_avg_pool2d_backward(d.reshape(N, n, n, C), c) for n, d, c in zip(levels, parts, caches))
    return sum(dxs, dy.dtype.type(0))


def need_levels(op: str, levels: tuple[int, ...]) -> None:
    """Refuse all but a tuple of whole numbers of at least 1, at least one of them."""
    if not isinstance(levels, (tuple, list)) or not levels:
        raise ValueError(f"{op}: levels is {shown(levels)}, expected a tuple of whole numbers")
    for i, level in enumerate(levels):
        need_int(op, f"levels[{i}]", level, 1)
