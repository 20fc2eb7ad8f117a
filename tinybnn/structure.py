"""Structure: does a prediction set the object off from its ground, and follow its shape? This page is the S-measure.

The other scores of one object, which count pixels wherever they lie, stand in :mod:`tinybnn.saliency`.
"""

import math

import numpy as np

from .notation import Array
from .validate import need_mask, need_number


def s_measure_loops(probability: Array, target: Array, *, alpha: float = 0.5) -> float:
    """Specification of :func:`s_measure`; covariances over pairs, so that what is constant has exactly none."""

    def mean(v):
        return sum(v) / len(v)

    def covariance(a, b):
        n = len(a)
        return sum((a[i] - a[j]) * (b[i] - b[j]) for i in range(n) for j in range(i)) / max(n * (n - 1), 1)

    def contrast(v):
        return 2 * mean(v) / (mean(v) ** 2 + 1 + math.sqrt(covariance(v, v)))

    def likeness(a, b):
        x, y = mean(a), mean(b)
        below = (x**2 + y**2) * (covariance(a, a) + covariance(b, b))
        return 4 * x * y * covariance(a, b) / below if below else 1.0

    pixels = [(i, j, float(probability[i, j]), int(target[i, j])) for i, j in np.ndindex(target.shape)]
    mu = mean([t for *_, t in pixels])
    if mu in (0, 1):
        return mean([p if t else 1 - p for *_, p, t in pixels])
    objects = mu * contrast([p for *_, p, t in pixels if t])
    objects += (1 - mu) * contrast([1 - p for *_, p, t in pixels if not t])
    row, column = (round(mean([pixel[axis] for pixel in pixels if pixel[3]])) for axis in (0, 1))
    parts: dict[tuple, list] = {}
    for i, j, p, t in pixels:
        parts.setdefault((i > row, j > column), []).append((p, t))
    regions = sum(len(part) / len(pixels) * likeness(*zip(*part)) for part in parts.values())
    return max(0.0, alpha * objects + (1 - alpha) * regions)


def s_measure(probability: Array, target: Array, *, alpha: float = 0.5) -> np.floating:
    """Structure: ``S = max(0, alpha S_object + (1 - alpha) S_region)``.

    ::

        S_object = mu O(p inside) + (1 - mu) O(1 - p outside)      mu the part of the image that the object covers
        O(v)     = 2 m / (m^2 + 1 + s)                             m, s mean and standard deviation of v
        S_region = sum over four parts of (size / n) Q(part)       cut behind the row and the column of the centroid
        Q        = 4 x y s_xy / ((x^2 + y^2) (s_xx + s_yy))        means, variances, covariance of p and t; 1 for 0/0

    Parameters
    ----------
    probability, target : ndarrays of shape (H, W)
    alpha : float
        In [0, 1].

    Returns
    -------
    scalar of the dtype of ``probability``, in [0, 1]
        For an empty and for a full mask, ``1 - MAE``.

    Notes
    -----
    Variances divide by n - 1, and one value alone has none. The centroid rounds half to even, as ``py_sod_metrics``
    does; MATLAB rounds half up. A part without pixels, where the centroid lies in the last row or column, counts 0;
    ``py_sod_metrics`` gives NaN there. S is not continuous: a part without object counts 1 if p is constant in it, and
    0 if p is anything else; so variances are taken from the first pixel, and what is constant has exactly none.
    Exactness: agrees with :func:`s_measure_loops` to the rounding of sums.
    Source: Fan 2017, arXiv 1708.00786; rounding and n - 1 as in ``py_sod_metrics``; status from code.

    Examples
    --------
    >>> t = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    >>> print(s_measure(t.astype(float), t), s_measure(np.full((2, 4), 0.5), t))
    1.0 0.525
    """
    t, p = need_mask("s_measure", probability, target), probability.astype(np.float64)
    need_number("s_measure", "alpha", alpha, low=0, high=1)
    if t.all() or not t.any():
        return probability.dtype.type(1 - np.abs(p - t).mean())
    objects = t.mean() * _contrast(p[t]) + (1 - t.mean()) * _contrast(1 - p[~t])
    row, column = (int(np.rint(at.mean())) + 1 for at in np.nonzero(t))
    parts = [(rows, columns) for rows in np.s_[:row, row:] for columns in np.s_[:column, column:]]
    regions = sum(p[part].size / p.size * _likeness(p[part], t[part]) for part in parts if p[part].size)
    return probability.dtype.type(max(0.0, alpha * objects + (1 - alpha) * regions))


def _contrast(v: Array) -> float:
    mean = v.mean()
    return 2 * mean / (mean**2 + 1 + math.sqrt(_covariance(v, v)))


def _likeness(p: Array, t: Array) -> float:
    t = t.astype(np.float64)
    x, y = p.mean(), t.mean()
    below = (x**2 + y**2) * (_covariance(p, p) + _covariance(t, t))
    return 4 * x * y * _covariance(p, t) / below if below else 1.0


def _covariance(a: Array, b: Array) -> float:
    a, b = a - a.flat[0], b - b.flat[0]
    return ((a - a.mean()) * (b - b.mean())).sum() / max(a.size - 1, 1)
