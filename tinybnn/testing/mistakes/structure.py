"""Mistakes in the S-measure: its contrasts, the place of its cut, and what becomes of masks that do not vary."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import structure
from ...notation import Array
from .binarize import in_float64
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies
from .saliency import STRETCHED, STRETCHED_MET, STRETCHED_SYMPTOM, WIDE, WIDE_SYMPTOM, after, stretched

# -- parts ----------------------------------------------------------------------------------------------------------


def covariance(a: Array, b: Array) -> float:
    a, b = a - a.flat[0], b - b.flat[0]
    return ((a - a.mean()) * (b - b.mean())).sum() / max(a.size - 1, 1)


def contrast_by(deviation: Callable[[float, int], float]) -> Callable[[Array], float]:
    """The contrast with ``deviation(variance, n)`` in its denominator."""
    return lambda v: 2 * v.mean() / (v.mean() ** 2 + 1 + deviation(covariance(v, v), v.size))


def of_sample(variance: float, n: int) -> float:
    return math.sqrt(variance)


def of_population(variance: float, n: int) -> float:
    return math.sqrt(variance * max(n - 1, 1) / n)


def likeness(p: Array, t: Array) -> float:
    x, y = p.mean(), t.mean()
    below = (x**2 + y**2) * (covariance(p, p) + covariance(t, t))
    return 4 * x * y * covariance(p, t) / below if below else 1.0


def noisy_likeness(p: Array, t: Array) -> float:
    """0/0 only where a rounded mean happens to leave nothing."""
    x, y, n = p.mean(), t.mean(), max(p.size - 1, 1)
    xx, yy, xy = ((p - x) ** 2).sum() / n, ((t - y) ** 2).sum() / n, ((p - x) * (t - y)).sum() / n
    below = (x**2 + y**2) * (xx + yy)
    return 4 * x * y * xy / below if below else 1.0


def likeness_or_nothing(p: Array, t: Array) -> float:
    varies = covariance(p, p) + covariance(t, t) and p.mean() + t.mean()
    return likeness(p, t) if varies else 0.0


def behind_the_centroid(at: Array, size: int) -> int:
    return int(np.rint(at.mean())) + 1


def before_the_centroid(at: Array, size: int) -> int:
    return int(np.rint(at.mean()))


def half_up(at: Array, size: int) -> int:
    return math.floor(at.mean() + 0.5) + 1


def cut_off(at: Array, size: int) -> int:
    return int(at.mean()) + 1


def middle_of_the_image(at: Array, size: int) -> int:
    return (size + 1) // 2


def by_size(part: Array, whole: Array) -> float:
    return part.size / whole.size


def one_minus_mae(p: Array, t: Array) -> Any:
    return 1 - np.abs(p - t).mean()


# -- the whole ------------------------------------------------------------------------------------------------------


def s_by(
    contrast: Callable[[Array], float] = contrast_by(of_sample),
    background: Callable[[Array], Array] = lambda p: 1 - p,
    share_of_object: Callable[[Array], Any] = np.mean,
    likeness: Callable[[Array, Array], float] = likeness,
    cut: Callable[[Array, int], int] = behind_the_centroid,
    share: Callable[[Array, Array], float] = by_size,
    constant: Callable[[Array, Array], Any] = one_minus_mae,
    lowest: float = 0.0,
) -> Callable:
    """The S-measure from other parts."""

    def forward(probability: Array, target: Array, *, alpha: float = 0.5) -> Any:
        p, t = probability.astype(np.float64), target.astype(np.float64)
        if t.min() == t.max():
            return probability.dtype.type(constant(p, t))
        mu = share_of_object(t)
        objects = mu * contrast(p[t == 1]) + (1 - mu) * contrast(background(p[t == 0]))
        row, column = (cut(at, size) for at, size in zip(np.nonzero(t), t.shape))
        parts = [(i, j) for i in np.s_[:row, row:] for j in np.s_[:column, column:]]
        regions = sum(share(p[at], p) * likeness(p[at], t[at]) for at in parts if p[at].size)
        return probability.dtype.type(max(lowest, alpha * objects + (1 - alpha) * regions))

    return forward


def alpha_of_regions(probability: Array, target: Array, *, alpha: float = 0.5) -> Any:
    return structure.s_measure(probability, target, alpha=1 - alpha)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "s_measure",
        "alpha weighs the regions",
        alpha_of_regions,
        "right for alpha = 1/2, which everybody takes; otherwise the two halves have changed places",
    ),
    Mistake(
        "s_measure",
        "divides by n: the deviation of a population",
        s_by(contrast_by(of_population)),
        "nothing by eye: in the fourth digit of a photograph; a little more for small objects",
    ),
    Mistake(
        "s_measure",
        "twice the deviation: forgets that lambda is 1/2",
        s_by(contrast_by(lambda variance, n: 2 * math.sqrt(variance))),
        "right for hard masks that are right; lower wherever the prediction varies",
    ),
    Mistake(
        "s_measure",
        "background contrasted as if it were object",
        s_by(background=lambda p: p),
        "a prediction that is everywhere 1 scores well, a perfect one about as much as its object covers",
    ),
    Mistake(
        "s_measure",
        "object and background weigh the same",
        s_by(share_of_object=lambda t: 0.5),
        "right where each covers half of the image; for a small object it counts for far too much",
    ),
    Mistake(
        "s_measure",
        "cuts before the centroid, not behind it",
        s_by(cut=before_the_centroid),
        "nothing by eye: the four parts are one row and column off",
    ),
    Mistake(
        "s_measure",
        "rounds a centroid half up, as MATLAB does",
        s_by(cut=half_up),
        "right but where the centroid lies exactly half-way: symmetric masks of even size",
        ("DengPingFan/S-measure#1",),
    ),
    Mistake(
        "s_measure",
        "int() of the centroid: rounded down",
        s_by(cut=cut_off),
        "right for half of all masks, otherwise the four parts are one row or column off",
    ),
    Mistake(
        "s_measure",
        "cuts at the middle of the image, not of the object",
        s_by(cut=middle_of_the_image),
        "right for objects in the middle, as they are in most data sets",
    ),
    Mistake(
        "s_measure",
        "the four parts weigh the same",
        s_by(share=lambda part, whole: 0.25),
        "right where the object is in the middle; near the border thin parts decide",
    ),
    Mistake(
        "s_measure",
        "rounding makes a constant vary",
        s_by(likeness=noisy_likeness),
        "the same image scores otherwise on another machine: where both are constant, 0/0 is 1 or noise by chance",
    ),
    Mistake(
        "s_measure",
        "a part that is rightly empty scores 0",
        s_by(likeness=likeness_or_nothing),
        "a perfect prediction scores less than 1 wherever a corner holds nothing",
    ),
    Mistake(
        "s_measure",
        "NaN for an empty or a full mask: the mean of no pixel",
        s_by(constant=lambda p, t: math.nan),
        "nothing, until one mask of a data set is empty: then the mean of all is NaN",
        ("DengPingFan/S-measure#2",),
    ),
    Mistake(
        "s_measure",
        "0 for an empty or a full mask",
        s_by(constant=lambda p, t: 0.0),
        "right wherever there is an object; images without one count as failures, however right the prediction",
    ),
    Mistake(
        "s_measure",
        "MAE itself for an empty or a full mask, not 1 minus it",
        s_by(constant=lambda p, t: np.abs(p - t).mean()),
        "right wherever there is an object; without one, seeing it everywhere scores best",
    ),
    Mistake(
        "s_measure",
        "may be negative: no max with 0",
        s_by(lowest=-math.inf),
        "nothing, until a prediction is the reverse of its mask",
    ),
    Mistake("s_measure", STRETCHED, after(structure.s_measure, stretched), STRETCHED_SYMPTOM, STRETCHED_MET),
    Mistake("s_measure", FROM_THE_POINTER, after(structure.s_measure, as_it_lies), POINTER_SYMPTOM, POINTER_MET),
    Mistake("s_measure", WIDE, in_float64(structure.s_measure), WIDE_SYMPTOM),
)
