"""Scores of salient objects, image by image: MAE, F-measure, S-measure and E-measure.

::

    mae          distance of the probabilities from the mask               0 is best
    f_curve      precision and recall as one number, at 256 thresholds     1 is best; over images: max_f
    e_curve      alignment of two masks, at 256 thresholds                 n / (n - 1) is best; its mean: e_measure
    s_measure    structure: contrast of object and ground, and of parts    1 is best

All compute in float64 and return the dtype of the probabilities. The score of a data set is the mean over its images.
Pixels whose target is ``ignore`` are left out of every sum and count: a border of them changes nothing, by ``==``. The
scorers that papers use know no such pixels; without them all scores are theirs.
Predictions are used as they are. Many other scorers (``py_sod_metrics`` by default) first stretch each prediction to
[0, 1], and a network that is never sure gains by that: :func:`tinybnn.model.evaluate.evaluate` can do so too.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..notation import IGNORE, Array
from ..validate import need_finite, need_float, need_mask, need_number, need_shape
from .labels import threshold_counts


def mae_loops(probability: Array, target: Array, *, ignore: int | None = IGNORE) -> float:
    """Specification of :func:`mae`."""
    total: Any = 0.0
    counted = [i for i in np.ndindex(target.shape) if target[i] != ignore]
    for i in counted:
        total += 1 - probability[i] if target[i] else probability[i]
    return total / len(counted)


def mae(probability: Array, target: Array, *, ignore: int | None = IGNORE) -> np.floating:
    """Mean absolute error of one image: ``mean |p - t|``; a scalar in [0, 1] of the dtype of ``probability``.

    Exactness: agrees with :func:`mae_loops` to the rounding of one sum. Source: Perazzi 2012; status exact, but
    ``ignore`` is ours, here and below.

    Parameters
    ----------
    probability : float ndarray of shape (H, W); in [0, 1] wherever the target counts
    target : ndarray of shape (H, W); booleans, or integers 0, 1 and ``ignore``, at least one of which counts

    Examples
    --------
    >>> print(mae(np.array([[0.5, 1.0]]), np.array([[0, 1]])))
    0.25
    """
    p, t = _counted("mae", probability, target, ignore)
    return probability.dtype.type(np.abs(p.astype(np.float64) - t).mean())


def _counted(op: str, probability: Array, target: Array, ignore: int | None) -> tuple[Array, Array]:
    """The pixels that count, in a row: their probabilities, and whether each is the object."""
    counted = need_mask(op, probability, target, ignore)
    return probability[counted], target[counted] == 1


def f_curve_loops(probability: Array, target: Array, *, beta2: float = 0.3, ignore: int | None = IGNORE) -> Array:
    """Specification of :func:`f_curve`: make a mask at each threshold, compare it with the target."""
    f = np.zeros(256)
    for k in range(256):
        seen = both = there = 0
        for i in np.ndindex(target.shape):
            if target[i] == ignore:
                continue
            positive = np.float32(probability[i]) >= np.float32(k / 255)
            seen, both, there = seen + bool(positive), both + bool(positive and target[i]), there + bool(target[i])
        if both:
            precision, recall = both / seen, both / there
            f[k] = (1 + beta2) * precision * recall / (beta2 * precision + recall)
    return f


def f_curve(probability: Array, target: Array, *, beta2: float = 0.3, ignore: int | None = IGNORE) -> Array:
    """F of one image at each threshold ``k / 255``: ``F[k] = (1 + beta2) P R / (beta2 P + R)``.

    A pixel is positive where ``p >= k / 255``, rounded as in :func:`tinybnn.metrics.labels.threshold_counts`. The
    result has shape (256,). F is 0 where no pixel of the object is found, so all 256 are 0 for an empty mask.
    Exactness: agrees with :func:`f_curve_loops` to a few roundings.
    Source: Achanta 2009; thresholds and the empty mask as in ``py_sod_metrics``, whose curve begins with k = 255;
    status from code. See also: :func:`max_f`.

    Parameters
    ----------
    probability, target : ndarrays of shape (H, W); as in :func:`mae`
    beta2 : float >= 0, beta squared; with 0.3, precision weighs more than recall; 1 gives their harmonic mean

    Examples
    --------
    >>> f_curve(np.array([[0.2, 0.6, 1.0]]), np.array([[0, 1, 1]]))[[0, 100, 200]].round(4)
    array([0.7222, 1.    , 0.8125])
    """
    p, t = _counted("f_curve", probability, target, ignore)
    beta2 = float(need_number("f_curve", "beta2", beta2, low=0))
    TP, FP, FN, _ = threshold_counts(p, t.astype(np.uint8)).T
    below = beta2 * (TP + FN) + TP + FP  # (1 + beta2) P R / (beta2 P + R), multiplied out
    return ((1 + beta2) * TP / np.where(TP, below, 1)).astype(probability.dtype)


def max_f_loops(curves: Array | Sequence[Array]) -> float:
    """Specification of :func:`max_f`."""
    best = 0.0
    for k in range(256):
        best = max(best, sum(float(curve[k]) for curve in curves) / len(curves))
    return best


def max_f(curves: Array | Sequence[Array]) -> np.floating:
    """The F of a data set at its best threshold, which all images share: ``max over k of (mean over images of F[k])``.

    Exactness: agrees with :func:`max_f_loops` to the rounding of one mean.
    Source: as ``py_sod_metrics``; status from code. Two other numbers have the same name: one F from the precision and
    recall averaged over the images (older), and the mean of each image's own maximum, which is never below this number.

    Parameters
    ----------
    curves : float ndarray of shape (images, 256), or a sequence of curves; the result has their dtype

    Examples
    --------
    >>> a, b = np.zeros(256), np.zeros(256)
    >>> a[10], b[20], b[10] = 1.0, 1.0, 0.5
    >>> print(max_f([a, b]))                                        # at k = 10, not the mean of the two maxima
    0.75
    """
    rows: Any = curves
    if isinstance(curves, (tuple, list)):
        for i, curve in enumerate(curves):
            need_shape("max_f", f"curves[{i}]", curve, "256")
        rows = np.reshape(curves, (len(curves), 256))
    need_float("max_f", curves=rows)
    need_shape("max_f", "curves", rows, "images 256")
    need_finite("max_f", curves=rows)
    return rows.dtype.type(rows.mean(0, dtype=np.float64).max())


def e_curve_loops(probability: Array, target: Array, *, ignore: int | None = IGNORE) -> Array:
    """Specification of :func:`e_curve`: subtract its mean from each mask, and compare pixel by pixel."""
    pixels = [(p, t) for p, t in zip(probability.flat, target.flat) if t != ignore]
    n = len(pixels)
    there = sum(bool(t) for _, t in pixels)
    e = np.zeros(256)
    for k in range(256):
        mask = [bool(np.float32(p) >= np.float32(k / 255)) for p, _ in pixels]
        for positive, (_, true) in zip(mask, pixels):
            if there in (0, n):
                e[k] += positive == bool(true)
            else:
                a, b = positive - sum(mask) / n, bool(true) - there / n
                e[k] += (1 + 2 * a * b / (a**2 + b**2)) ** 2 / 4
    return e / max(n - 1, 1)


def e_curve(probability: Array, target: Array, *, ignore: int | None = IGNORE) -> Array:
    """Enhanced alignment of one image at each threshold ``k / 255``.

    ::

        a = mask - mean(mask)          E[k] = 1 / (n - 1) sum over pixels of (1 + 2 a b / (a^2 + b^2))^2 / 4
        b = t - mean(t)

    The result has shape (256,), and n is the number of pixels that count. Pixels are positive as in :func:`f_curve`.
    For an empty or a full mask, E is the number of pixels on which both masks agree, over n - 1. For a single pixel,
    n - 1 is replaced by 1.
    Exactness: agrees with :func:`e_curve_loops` to a few roundings.
    Source: Fan 2018, arXiv 1805.10421; status from code. The paper divides by n. The MATLAB code, ``py_sod_metrics``
    and this function divide by n - 1, so a perfect mask scores n / (n - 1), the largest value.

    Examples
    --------
    >>> e_curve(np.array([[0.2, 0.6, 1.0, 0.0]]), np.array([[0, 1, 1, 0]]))[[0, 100]].round(3)
    array([0.333, 1.333])
    """
    p, t = _counted("e_curve", probability, target, ignore)
    TP, FP, FN, TN = threshold_counts(p, t.astype(np.uint8)).T
    n, there = t.size, TP[0] + FN[0]
    if there in (0, n):
        total = TP + TN
    else:
        seen, true = (TP + FP) / n, there / n
        parts = ((TP, 1 - seen, 1 - true), (FP, 1 - seen, -true), (FN, -seen, 1 - true), (TN, -seen, -true))
        total = sum(count * (1 + 2 * a * b / (a**2 + b**2)) ** 2 / 4 for count, a, b in parts)
    return (total / max(n - 1, 1)).astype(probability.dtype)


def e_measure_loops(probability: Array, target: Array, *, ignore: int | None = IGNORE) -> float:
    """Specification of :func:`e_measure`."""
    return sum(e_curve_loops(probability, target, ignore=ignore)) / 256


def e_measure(probability: Array, target: Array, *, ignore: int | None = IGNORE) -> np.floating:
    """The **mean** E-measure of one image: the mean of :func:`e_curve` over the 256 thresholds.

    The maximum E of a data set is :func:`max_f` of the curves of its images. The adaptive E, at twice the mean
    probability, is not here. Papers report any of the three as "E-measure", so say which one you report.
    Exactness: agrees with :func:`e_measure_loops` to the rounding of one mean.
    Source: as :func:`e_curve`; status from code.

    Examples
    --------
    >>> t = np.array([[0, 1, 1, 0]])
    >>> print(e_measure(t.astype(float), t).round(3))                # 4/3 at all thresholds but 0, where it is 1/3
    1.329
    """
    need_mask("e_measure", probability, target, ignore)
    return probability.dtype.type(e_curve(probability.astype(np.float64), target, ignore=ignore).mean())


def s_measure_loops(probability: Array, target: Array, *, alpha: float = 0.5, ignore: int | None = IGNORE) -> float:
    """Specification of :func:`s_measure`; covariances are sums over pairs, so a constant has exactly 0."""

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

    counted = [i for i in np.ndindex(target.shape) if target[i] != ignore]
    top, left = (min(i[axis] for i in counted) for axis in (0, 1))
    pixels = [(i - top, j - left, float(probability[i, j]), int(target[i, j])) for i, j in counted]
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


def s_measure(probability: Array, target: Array, *, alpha: float = 0.5, ignore: int | None = IGNORE) -> np.floating:
    """Structure: ``S = max(0, alpha S_object + (1 - alpha) S_region)``; a scalar in [0, 1].

    ::

        S_object = mu O(p inside) + (1 - mu) O(1 - p outside)      mu: the share of the image that the object covers
        O(v)     = 2 m / (m^2 + 1 + s)                             m, s: mean and standard deviation of v
        S_region = sum over four parts of (size / n) Q(part)       cut behind the row and the column of the centroid
        Q        = 4 x y s_xy / ((x^2 + y^2) (s_xx + s_yy))        means, variances, covariance of p and t; 1 for 0/0

    Variances divide by n - 1; the variance of a single value is 0. The centroid is rounded half to even, as in
    ``py_sod_metrics``; MATLAB rounds half up. Its row and column are counted from the first row and column in which a
    pixel counts, so that an ignored border is as if cut off. If the centroid is in the last row or column, some parts
    have no pixel. They count 0 here; ``py_sod_metrics`` gives NaN. S is not continuous: a part without object counts 1
    if p is constant in it, and 0 otherwise. For an empty and for a full mask, S is ``1 - MAE``.
    Exactness: agrees with :func:`s_measure_loops` to the rounding of sums.
    Source: Fan 2017, arXiv 1708.00786; rounding and n - 1 as in ``py_sod_metrics``; status from code.

    Parameters
    ----------
    probability, target : ndarrays of shape (H, W); as in :func:`mae`
    alpha : float in [0, 1]

    Examples
    --------
    >>> t = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    >>> print(s_measure(t.astype(float), t), s_measure(np.full((2, 4), 0.5), t))
    1.0 0.525
    """
    p, t = _counted("s_measure", probability, target, ignore)
    p = p.astype(np.float64)
    need_number("s_measure", "alpha", alpha, low=0, high=1)
    if t.all() or not t.any():
        return probability.dtype.type(1 - np.abs(p - t).mean())
    objects = t.mean() * _contrast(p[t]) + (1 - t.mean()) * _contrast(1 - p[~t])
    i, j = (at - at.min() for at in np.nonzero(target != ignore))
    row, column = (np.rint(at[t].mean()) for at in (i, j))
    parts = [((i > row) == below) & ((j > column) == right) for below in (False, True) for right in (False, True)]
    regions = sum(part.mean() * _likeness(p[part], t[part]) for part in parts if part.any())
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
    a, b = a - a.flat[0], b - b.flat[0]  # so that the variance of a constant is exactly 0
    return ((a - a.mean()) * (b - b.mean())).sum() / max(a.size - 1, 1)
