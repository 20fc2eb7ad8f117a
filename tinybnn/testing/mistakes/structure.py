"""Mistakes in the S-measure: contrast of object and ground, and likeness of four parts."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...metrics import saliency
from ...notation import Array
from .binarize import in_float64
from .mistake import Mistake
from .saliency import STRETCHED, STRETCHED_MET, WIDE, WIDE_SYMPTOM, of_stretched

# -- the library's own parts ----------------------------------------------------------------------------------------


def covariance(a: Array, b: Array) -> float:
    a, b = a - a.flat[0], b - b.flat[0]
    return float(((a - a.mean()) * (b - b.mean())).sum() / max(a.size - 1, 1))


def contrast(v: Array) -> float:
    return float(2 * v.mean() / (v.mean() ** 2 + 1 + math.sqrt(covariance(v, v))))


def likeness(p: Array, t: Array, constant: float = 1.0) -> float:
    x, y = p.mean(), t.mean()
    below = (x**2 + y**2) * (covariance(p, p) + covariance(t, t))
    return float(4 * x * y * covariance(p, t) / below) if below else constant


def half_to_even(mean: float) -> int:
    return int(np.rint(mean)) + 1


def centroid(p: Array, t: Array) -> tuple[float, float]:
    row, column = np.nonzero(t)
    return float(row.mean()), float(column.mean())


def not_below_zero(score: float) -> float:
    return max(0.0, score)


def one_less_mae(p: Array, t: Array) -> float:
    return float(1 - np.abs(p - t).mean())


def s_by(
    contrast: Callable = contrast,
    background: Callable[[Array], Array] = lambda p: 1 - p,
    likeness: Callable = likeness,
    centroid: Callable = centroid,
    cut: Callable[[float], int] = half_to_even,
    share: Callable[[Array, Array], float] = lambda part, whole: part.size / whole.size,
    parts_without_pixels: float = 0.0,
    constant: Callable = one_less_mae,
    weight: Callable[[float], float] = lambda alpha: alpha,
    end: Callable = not_below_zero,
) -> Callable:
    """The S-measure from other parts."""

    def forward(probability: Array, target: Array, *, alpha: float = 0.5) -> Any:
        p, t, alpha = probability.astype(np.float64), target.astype(np.float64), weight(alpha)
        if t.min() == t.max():
            return probability.dtype.type(constant(p, t))
        objects = t.mean() * contrast(p[t == 1]) + (1 - t.mean()) * contrast(background(p[t == 0]))
        row, column = map(cut, centroid(p, t))
        parts = [(i, j) for i in np.s_[:row, row:] for j in np.s_[:column, column:]]
        regions = sum(share(p[at], p) * likeness(p[at], t[at]) if p[at].size else parts_without_pixels for at in parts)
        return probability.dtype.type(end(alpha * objects + (1 - alpha) * regions))

    return forward


# -- other parts ----------------------------------------------------------------------------------------------------


def contrast_of_population(v: Array) -> float:
    return float(2 * v.mean() / (v.mean() ** 2 + 1 + v.std()))


def contrast_by_variance(v: Array) -> float:
    return float(2 * v.mean() / (v.mean() ** 2 + 1 + covariance(v, v)))


def noisy_likeness(p: Array, t: Array) -> float:
    """0/0 only where a rounded mean happens to leave nothing."""
    x, y, n = p.mean(), t.mean(), max(p.size - 1, 1)
    xx, yy, xy = ((p - x) ** 2).sum() / n, ((t - y) ** 2).sum() / n, ((p - x) * (t - y)).sum() / n
    below = (x**2 + y**2) * (xx + yy)
    return float(4 * x * y * xy / below) if below else 1.0


def row_for_column(p: Array, t: Array) -> tuple[float, float]:
    return centroid(p, t)[::-1]


def of_the_prediction(p: Array, t: Array) -> tuple[float, float]:
    p = p if p.any() else np.ones_like(p)
    rows, columns = np.indices(p.shape)
    return float((rows * p).sum() / p.sum()), float((columns * p).sum() / p.sum())


def of_the_image(p: Array, t: Array) -> tuple[float, float]:
    return (p.shape[0] - 1) / 2, (p.shape[1] - 1) / 2


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "s_measure",
        "alpha weighs the regions",
        s_by(weight=lambda alpha: 1 - alpha),
        "right for alpha 1/2, which everyone takes",
    ),
    Mistake(
        "s_measure",
        "deviation of a population: divides by n",
        s_by(contrast=contrast_of_population),
        "only the last digits differ, unless the object has few pixels",
    ),
    Mistake(
        "s_measure",
        "the variance in place of the deviation",
        s_by(contrast=contrast_by_variance),
        "right for flat predictions, too high for ragged ones",
    ),
    Mistake(
        "s_measure",
        "background contrasted as if it were object",
        s_by(background=lambda p: p),
        "a perfect mask scores little, least where the object is small",
    ),
    Mistake(
        "s_measure",
        "cuts before the centroid",
        s_by(cut=lambda mean: int(np.rint(mean))),
        "differs in the third digit or later, for objects of many pixels",
    ),
    Mistake(
        "s_measure",
        "rounds a centroid half up, as MATLAB does",
        s_by(cut=lambda mean: math.floor(mean + 0.5) + 1),
        "right unless the centroid lies exactly half-way, as it does for small symmetric objects",
        ("DengPingFan/S-measure#1",),
    ),
    Mistake(
        "s_measure",
        "rounds a centroid down: int() of it",
        s_by(cut=lambda mean: int(mean) + 1),
        "differs in the third digit or later, for objects of many pixels",
    ),
    Mistake(
        "s_measure",
        "row and column of the centroid exchanged",
        s_by(centroid=row_for_column),
        "right for objects on the diagonal of the image; a perfect mask still scores 1",
    ),
    Mistake(
        "s_measure",
        "cut at the centroid of the prediction, not of the mask",
        s_by(centroid=of_the_prediction),
        "nothing for good predictions; poor ones are cut elsewhere, and score higher or lower",
    ),
    Mistake(
        "s_measure",
        "cut in the middle of the image",
        s_by(centroid=of_the_image),
        "right for objects in the middle; a perfect mask still scores 1",
    ),
    Mistake(
        "s_measure",
        "the four parts weigh the same",
        s_by(share=lambda part, whole: 0.25),
        "right for objects in the middle; a perfect mask still scores 1, unless a part has no pixel",
    ),
    Mistake(
        "s_measure",
        "NaN where a part of the image has no pixel",
        s_by(parts_without_pixels=np.nan, end=lambda score: np.maximum(0.0, score)),
        "one image whose object lies in the last row or column makes the mean of the data set NaN",
        ("py_sod_metrics",),
    ),
    Mistake(
        "s_measure",
        "rounding makes a constant vary",
        s_by(likeness=noisy_likeness),
        "a part that is rightly left empty scores 0, not 1, for some values of the prediction and sizes of the image",
    ),
    Mistake(
        "s_measure",
        "0 for parts in which nothing varies, not 1",
        s_by(likeness=lambda p, t: likeness(p, t, constant=0.0)),
        "a perfect mask does not score 1, if the object leaves one of the four parts empty",
    ),
    Mistake(
        "s_measure",
        "0 for an empty or a full mask",
        s_by(constant=lambda p, t: 0.0),
        "nothing, until a data set holds an image without an object",
    ),
    Mistake(
        "s_measure",
        "MAE for an empty or a full mask, not one less MAE",
        s_by(constant=lambda p, t: np.abs(p - t).mean()),
        "nothing, until a data set holds an image without an object: who rightly sees nothing gets 0 for it",
    ),
    Mistake(
        "s_measure",
        "may fall below 0",
        s_by(end=lambda score: score),
        "nothing for a prediction that is better than none; the inverse of a mask scores less than 0",
    ),
    Mistake(
        "s_measure",
        STRETCHED,
        of_stretched(saliency.s_measure),
        "better than it is, for a network that never says 0 or 1; the same for one that says both",
        STRETCHED_MET,
    ),
    Mistake("s_measure", WIDE, in_float64(saliency.s_measure), WIDE_SYMPTOM),
)
