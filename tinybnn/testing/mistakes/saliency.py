"""Mistakes in scores of one object: MAE, F and E. Those in the S-measure stand in ``structure.py``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...metrics import saliency
from ...metrics.labels import threshold_counts
from ...notation import Array
from .binarize import in_float64
from .mistake import Mistake

# -- MAE ------------------------------------------------------------------------------------------------------------


def unchanged(p: Array) -> Array:
    return p


def stretched(p: Array) -> Array:
    return np.asarray((p - p.min()) / (p.max() - p.min())) if p.max() > p.min() else p


def decided(p: Array) -> Array:
    return np.asarray(p >= 0.5, p.dtype)


def mean_absolute(d: Array, t: Array) -> Any:
    return np.abs(d).mean()


def balanced(d: Array, t: Array) -> Any:
    return np.mean([np.abs(d[part]).mean() for part in (t, ~t) if part.any()])


def mae_by(mean: Callable = mean_absolute, change: Callable[[Array], Array] = unchanged) -> Callable:
    """Another ``mean(p - t, t)``, after ``change`` of the prediction."""

    def forward(probability: Array, target: Array) -> Any:
        p = change(probability.astype(np.float64))
        return probability.dtype.type(mean(p - target, target == 1))

    return forward


def in_8_bits(probability: Array, target: Array) -> Any:
    """The difference of two pictures, in which -1 is 255."""
    d = np.uint8(np.rint(255 * probability)) - np.uint8(255) * target.astype(np.uint8)
    return probability.dtype.type(np.abs(d).mean() / 255)


# -- F --------------------------------------------------------------------------------------------------------------


def weighted(P: Array, R: Array, beta2: float) -> Array:
    return (1 + beta2) * P * R / (beta2 * P + R)


def f_by(f: Callable = weighted, change: Callable[[Array], Array] = unchanged, empty: float = 0.0) -> Callable:
    """``f(precision, recall, beta2)`` at each threshold; ``empty`` where nothing was found."""

    def forward(probability: Array, target: Array, *, beta2: float = 0.3) -> Array:
        TP, FP, FN, _ = threshold_counts(change(probability), target.astype(np.uint8)).T
        found = TP > 0
        P, R = TP / np.where(found, TP + FP, 1), TP / np.where(found, TP + FN, 1)
        value = np.where(found, f(np.where(found, P, 1), np.where(found, R, 1), beta2), empty)
        return value.astype(probability.dtype)

    return forward


def just_below(p: Array) -> Array:
    """Every grey falls below its own threshold, as if ``>`` had been asked."""
    return np.asarray(np.nextafter(p.astype(np.float32), np.float32(0)), np.float32)


def highest_first(curve: Callable) -> Callable:
    return lambda probability, target, **options: curve(probability, target, **options)[::-1]


def of_stretched(score: Callable) -> Callable:
    return lambda probability, target, **options: score(stretched(probability), target, **options)


def of_own_thresholds(curves: Array) -> Any:
    return curves.dtype.type(curves.astype(np.float64).max(1).mean())


# -- E --------------------------------------------------------------------------------------------------------------


def squared(a: Array) -> Array:
    return (1 + a) ** 2 / 4


def curve_by(
    enhance: Callable[[Array], Array] = squared,
    divisor: Callable[[int], int] = lambda n: max(n - 1, 1),
    centred: bool = True,
    constant: bool = True,
    reaches: Callable = np.greater_equal,
) -> Callable:
    """E from other parts; without ``constant``, an empty or a full mask is like any other."""

    def forward(probability: Array, target: Array) -> Array:
        p, t = probability.astype(np.float32).ravel(), target.ravel().astype(np.float64)
        masks = reaches(p, (np.arange(256) / 255).astype(np.float32)[:, None]).astype(np.float64)
        if constant and t.min() == t.max():
            total = (masks == t).sum(1)
        else:
            a, b = (masks - masks.mean(1, keepdims=True), t - t.mean()) if centred else (masks, t)
            below = a**2 + b**2
            total = enhance(np.divide(2 * a * b, below, out=np.zeros_like(below), where=below > 0)).sum(1)
        return np.asarray(total / divisor(t.size), probability.dtype)

    return forward


def at_twice_the_mean(probability: Array, target: Array) -> Any:
    """The adaptive E: of one mask, cut at twice the mean probability."""
    p = probability.astype(np.float64)
    mask = p >= min(2 * p.mean(), 1)
    return probability.dtype.type(saliency.e_curve(mask.astype(np.float64), target)[1])


STRETCHED = "stretches the prediction to [0, 1]"
STRETCHED_MET = ("py_sod_metrics",)
ABOVE = "positive above the threshold, not at it"
ABOVE_SYMPTOM = "right for probabilities of any value; of 8-bit pictures every value is that of the next threshold"
FIRST = "highest threshold first"
FIRST_SYMPTOM = "maximum and mean are right; a threshold that is looked up by its number is the wrong one"
WIDE = "turns float32 into float64"
WIDE_SYMPTOM = "right values; tables of scores are of another dtype than what they were made from"
KINDS_MET = ("GewelsJI/SINet-V2#2",)

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "mae",
        "root of the mean square",
        mae_by(lambda d, t: np.sqrt((d**2).mean())),
        "the same for a prediction as far off everywhere; larger where a few pixels are wholly wrong",
    ),
    Mistake(
        "mae",
        "the mean difference, with its sign",
        mae_by(lambda d, t: abs(d.mean())),
        "0 for any prediction that is as large as the object, wherever it lies",
    ),
    Mistake(
        "mae",
        "subtracts 8-bit pictures: differences below 0 wrap around",
        in_8_bits,
        "right on the ground; on the object a small error counts as a large one, and MAE grows with the object",
    ),
    Mistake(
        "mae",
        STRETCHED,
        mae_by(change=stretched),
        "better than it is, for a network that never says 0 or 1; the same for one that says both",
        STRETCHED_MET,
    ),
    Mistake(
        "mae",
        "decides at 1/2 first",
        mae_by(change=decided),
        "the part of wrong pixels: a timid network that is right everywhere gets 0",
    ),
    Mistake(
        "mae", "object and background weigh the same", mae_by(balanced), "larger than others report, for small objects"
    ),
    Mistake("mae", WIDE, in_float64(saliency.mae), WIDE_SYMPTOM),
    Mistake(
        "f_curve",
        "squares beta2, which is squared already: 0.3 becomes 0.09",
        f_by(lambda P, R, beta2: weighted(P, R, beta2**2)),
        "right for beta 1; scores are nearly the precision alone, and higher than others report for cautious networks",
        ("AceCoooool/DSS-pytorch#26",),
    ),
    Mistake(
        "f_curve",
        "1 + beta above, beta squared below",
        f_by(lambda P, R, beta2: weighted(P, R, beta2) * (1 + beta2**0.5) / (1 + beta2)),
        "right for beta 1; else even a perfect mask does not score 1",
        ("hhromic/python-bcubed#1",),
    ),
    Mistake(
        "f_curve",
        "precision and recall exchanged",
        f_by(lambda P, R, beta2: weighted(R, P, beta2)),
        "right for beta 1; else who sees the object everywhere gains, and who is cautious loses",
    ),
    Mistake(
        "f_curve",
        "beta 1, whatever is asked",
        f_by(lambda P, R, beta2: weighted(P, R, 1)),
        "other numbers than the papers', which mean 0.3, though of the same order",
        ("WenjunHui1/TSP-SAM#4",),
    ),
    Mistake("f_curve", ABOVE, f_by(change=just_below), ABOVE_SYMPTOM),
    Mistake("f_curve", FIRST, highest_first(saliency.f_curve), FIRST_SYMPTOM, STRETCHED_MET),
    Mistake(
        "f_curve",
        STRETCHED,
        f_by(change=stretched),
        "the maximum hardly changes, the mean does: better than it is, for a network that never says 1",
        STRETCHED_MET,
    ),
    Mistake(
        "f_curve",
        "1 where nothing was found",
        f_by(empty=1.0),
        "the best threshold is the one at which nothing is seen, and the maximum is 1",
    ),
    Mistake(
        "f_curve",
        "NaN where nothing was found: 0 / 0",
        f_by(empty=np.nan),
        "one image without an object, or without a sure pixel, makes the mean of the data set NaN",
        ("ArcherFMY/sal_eval_toolbox#3",),
    ),
    Mistake("f_curve", WIDE, in_float64(saliency.f_curve), WIDE_SYMPTOM),
    Mistake(
        "max_f",
        "each image at its own best threshold, averaged after",
        of_own_thresholds,
        "never lower, mostly higher than others report; right for one image",
        ("lartpang/PySODEvalToolkit#14", "xuebinqin/BASNet#19"),
    ),
    Mistake("max_f", "the best of all images", lambda curves: curves.max(), "1 as soon as one image is easy"),
    Mistake(
        "max_f",
        "the mean over thresholds",
        lambda curves: curves.mean(0).mean(),
        "the mean F, lower than the maximum; papers report either under the name of F",
        ("jiwei0921/SOD-CNNs-based-code-summary-#2",),
    ),
    Mistake(
        "max_f",
        "at threshold 1/2",
        lambda curves: curves[:, 128].mean(),
        "lower than others report, most so for a network whose probabilities are not calibrated",
        ("hlwang1124/SNE-RoadSeg#13",),
    ),
    Mistake(
        "e_curve",
        "divides by n, as the paper says",
        curve_by(divisor=lambda n: n),
        "a perfect mask scores 1; on images of usual size only the last digits differ from others",
        ("DengPingFan/E-measure#1",),
    ),
    Mistake(
        "e_curve",
        "alignment not squared",
        curve_by(enhance=lambda a: (1 + a) / 2),
        "right for a perfect mask, too high for others: a mask drawn at random gets about 1/2, not less",
    ),
    Mistake(
        "e_curve",
        "alignment not divided by 4",
        curve_by(enhance=lambda a: (1 + a) ** 2),
        "four times too high, except for empty and full masks",
    ),
    Mistake(
        "e_curve",
        "means not taken off",
        curve_by(centred=False),
        "pixels that are rightly left out count 1/4: a small object scores little even when it is met exactly",
    ),
    Mistake(
        "e_curve",
        "an empty mask like any other",
        curve_by(constant=False),
        "an image without an object scores 1/4 at every threshold, whatever is seen in it",
    ),
    Mistake("e_curve", ABOVE, curve_by(reaches=np.greater), ABOVE_SYMPTOM),
    Mistake("e_curve", FIRST, highest_first(saliency.e_curve), FIRST_SYMPTOM, STRETCHED_MET),
    Mistake(
        "e_curve",
        STRETCHED,
        of_stretched(saliency.e_curve),
        "the maximum hardly changes, the mean does: better than it is, for a network that never says 1",
        STRETCHED_MET,
    ),
    Mistake("e_curve", WIDE, in_float64(saliency.e_curve), WIDE_SYMPTOM),
    Mistake(
        "e_measure",
        "the maximum over thresholds, not the mean",
        lambda probability, target: saliency.e_curve(probability, target).max(),
        "never lower, mostly higher; papers report either under the name of E",
        KINDS_MET,
    ),
    Mistake(
        "e_measure",
        "one mask, at twice the mean: the adaptive E",
        at_twice_the_mean,
        "near the mean E, higher or lower; papers report either under the name of E",
        KINDS_MET,
    ),
    Mistake(
        "e_measure",
        "one mask, at 1/2",
        lambda probability, target: saliency.e_curve(probability, target)[128],
        "mostly higher, as if the network were sure of what it says",
    ),
    Mistake(
        "e_measure",
        "leaves out threshold 0, at which everything is positive",
        lambda probability, target: probability.dtype.type(saliency.e_curve(probability, target)[1:].mean()),
        "a little too high, unless the object covers the image: by 1/256 at most of what a perfect mask scores",
    ),
    Mistake(
        "e_measure",
        STRETCHED,
        of_stretched(saliency.e_measure),
        "better than it is, for a network that never says 0 or 1; the same for one that says both",
        STRETCHED_MET,
    ),
)
