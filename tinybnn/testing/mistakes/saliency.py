"""Mistakes in the scores of one object: MAE, F and E; those in S are in :mod:`.structure`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import saliency
from ...metrics import threshold_counts
from ...notation import Array
from .binarize import in_float64
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies

# -- what comes before ----------------------------------------------------------------------------------------------


def stretched(p: Array) -> Array:
    low, high = p.min(), p.max()
    return (p - low) / (high - low) if high > low else p


def just_below(p: Array) -> Array:
    """Every grey falls below its own threshold, as if ``>`` had been asked."""
    return np.maximum(np.nextafter(p.astype(np.float32), np.float32(0)), 0)


def cut_to_greys(p: Array) -> Array:
    """Loses up to one grey, and all of it where 255 p is a hair below a whole number."""
    return (255 * p).astype(np.uint8) / 255


def after(function: Callable, first: Callable[[Array], Array]) -> Callable:
    """The right score of a prediction to which something was done before."""

    def forward(probability: Array, target: Array, **options: Any) -> Any:
        return function(first(probability).astype(probability.dtype), target, **options)

    return forward


# -- MAE ------------------------------------------------------------------------------------------------------------


def mae_by(mean: Callable[[Array, Array], Any]) -> Callable:
    """Another ``mean(p, t)``."""

    def forward(probability: Array, target: Array) -> Any:
        return probability.dtype.type(mean(probability.astype(np.float64), target.astype(np.float64)))

    return forward


def balanced(p: Array, t: Array) -> Any:
    return np.mean([np.abs(p - t)[t == side].mean() for side in (0, 1) if (t == side).any()])


# -- F --------------------------------------------------------------------------------------------------------------


def f_by(f: Callable[[Array, Array, float], Array], nothing: float = 0.0) -> Callable:
    """``f(precision, recall, beta2)`` at each threshold; ``nothing`` where nothing was found."""

    def forward(probability: Array, target: Array, *, beta2: float = 0.3) -> Array:
        TP, FP, FN, _ = threshold_counts(probability, target.astype(np.uint8)).T
        found = TP > 0
        P, R = TP / np.where(found, TP + FP, 1), TP / np.where(found, TP + FN, 1)
        value = np.where(found, f(np.where(found, P, 1), np.where(found, R, 1), beta2), nothing)
        return value.astype(probability.dtype)

    return forward


def weighted(P: Array, R: Array, beta2: float) -> Array:
    return (1 + beta2) * P * R / (beta2 * P + R)


def from_the_top(curve: Callable) -> Callable:
    """A curve from k = 255 down to 0."""

    def forward(probability: Array, target: Array, **options: Any) -> Array:
        return curve(probability, target, **options)[::-1]

    return forward


def of_own_thresholds(curves: Array) -> Any:
    return curves.dtype.type(curves.astype(np.float64).max(1).mean())


# -- E --------------------------------------------------------------------------------------------------------------


def e_by(
    enhance: Callable[[Array], Array] = lambda a: (1 + a) ** 2 / 4,
    divisor: Callable[[int], int] = lambda n: max(n - 1, 1),
    centred: bool = True,
    constant: bool = True,
) -> Callable:
    """The curve from other parts; ``constant`` says whether an empty and a full mask have a rule of their own."""

    def forward(probability: Array, target: Array) -> Array:
        p, t = probability.astype(np.float32).ravel(), target.ravel().astype(np.float64)
        masks = (p >= (np.arange(256) / 255).astype(np.float32)[:, None]).astype(np.float64)
        if constant and t.min() == t.max():
            total = (masks == t).sum(1)
        else:
            a, b = (masks - masks.mean(1, keepdims=True), t - t.mean()) if centred else (masks, t)
            below = a**2 + b**2
            total = enhance(np.divide(2 * a * b, below, out=np.zeros_like(below), where=below > 0)).sum(1)
        return (total / divisor(t.size)).astype(probability.dtype)

    return forward


def e_of(number: Callable[[Array, Array], Any]) -> Callable:
    """``number(curve, p)`` in the place of the curve's mean."""

    def forward(probability: Array, target: Array) -> Any:
        p = probability.astype(np.float64)
        return probability.dtype.type(number(saliency.e_curve(p, target), p))

    return forward


def at_twice_the_mean(curve: Array, p: Array) -> Any:
    return curve[int(np.ceil(255 * min(1, 2 * p.mean())))]


def over_n(probability: Array, target: Array) -> Any:
    curve = e_by(divisor=lambda n: n)(probability.astype(np.float64), target)
    return probability.dtype.type(curve.mean())


STRETCHED = "stretches the prediction to [0, 1]"
STRETCHED_SYMPTOM = "scores are as py_sod_metrics gives them by default: better for a network that is never sure"
STRETCHED_MET = ("py_sod_metrics documentation",)
ABOVE = "positive above the threshold, not at it"
ABOVE_SYMPTOM = "right for most probabilities; of an 8-bit picture every grey is counted one threshold too low"
CUT = "cuts to 8 bits first: 255 p rounded down"
CUT_SYMPTOM = "right for pictures that were read from 8 bits with care; otherwise a curve that is shifted by a grey"
TOP = "from threshold 255 down to 0"
TOP_SYMPTOM = "maximum and mean are right; a threshold read off the curve is 255 - k, and precision too seems to fall"
TOP_MET = ("py_sod_metrics documentation",)
WIDE = "turns float32 into float64"
WIDE_SYMPTOM = "right values, twice as wide as asked"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "mae",
        "the root of the mean square",
        mae_by(lambda p, t: np.sqrt(((p - t) ** 2).mean())),
        "another number, larger wherever the errors of pixels differ",
    ),
    Mistake(
        "mae",
        "the mean difference with its sign",
        mae_by(lambda p, t: abs((p - t).mean())),
        "far too good: what is too bright makes up for what is too dark",
    ),
    Mistake("mae", STRETCHED, after(saliency.mae, stretched), STRETCHED_SYMPTOM, STRETCHED_MET),
    Mistake(
        "mae",
        "cuts the prediction at 1/2 first",
        after(saliency.mae, lambda p: p >= 0.5),
        "right for hard masks; otherwise better for a network that is right and unsure, worse for one that is wrong so",
    ),
    Mistake(
        "mae",
        "object and background weigh the same",
        mae_by(balanced),
        "right where each covers half of the image; much larger for a small object",
    ),
    Mistake(
        "mae",
        "divides by 255 a mask that is 0 and 1 already",
        mae_by(lambda p, t: np.abs(p - t / 255).mean()),
        "a prediction that is the mask does not score 0; an empty prediction is nearly perfect",
    ),
    Mistake(
        "mae",
        "holds greys 0..255 against a mask of 0 and 1",
        mae_by(lambda p, t: np.abs(255 * p - t).mean()),
        "scores above 1",
    ),
    Mistake("mae", WIDE, in_float64(saliency.mae), WIDE_SYMPTOM),
    Mistake(
        "f_curve",
        "squares what is already squared",
        f_by(lambda P, R, beta2: weighted(P, R, beta2**2)),
        "right for beta2 = 1; with 0.3 recall hardly counts",
    ),
    Mistake(
        "f_curve",
        "precision and recall exchanged: beta2 beneath the wrong one",
        f_by(lambda P, R, beta2: weighted(R, P, beta2)),
        "right for beta2 = 1; with 0.3 it is recall that counts, and large masks score well",
    ),
    Mistake(
        "f_curve",
        "the harmonic mean, whatever beta2 says",
        f_by(lambda P, R, beta2: weighted(P, R, 1)),
        "right for beta2 = 1; lower than others report where precision is the better of the two",
    ),
    Mistake("f_curve", ABOVE, after(saliency.f_curve, just_below), ABOVE_SYMPTOM),
    Mistake("f_curve", CUT, after(saliency.f_curve, cut_to_greys), CUT_SYMPTOM),
    Mistake("f_curve", STRETCHED, after(saliency.f_curve, stretched), STRETCHED_SYMPTOM, STRETCHED_MET),
    Mistake("f_curve", TOP, from_the_top(saliency.f_curve), TOP_SYMPTOM, TOP_MET),
    Mistake(
        "f_curve",
        "1 where nothing was found",
        f_by(weighted, nothing=1.0),
        "the maximum is 1 for nearly every image: at the highest threshold nothing is found",
    ),
    Mistake(
        "f_curve",
        "NaN where nothing was found: 0 / 0",
        f_by(weighted, nothing=np.nan),
        "the mean over images is NaN at high thresholds, and so is the maximum",
    ),
    Mistake(
        "f_curve",
        FROM_THE_POINTER,
        after(saliency.f_curve, as_it_lies),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
    Mistake("f_curve", WIDE, in_float64(saliency.f_curve), WIDE_SYMPTOM),
    Mistake(
        "max_f",
        "each image at its own best threshold, averaged after",
        of_own_thresholds,
        "right for one image; with more, better than others report, as no threshold has to do for all",
        ("lartpang/PySODEvalToolkit#14",),
    ),
    Mistake(
        "max_f",
        "the best of all images",
        lambda curves: curves.max(),
        "right for one image; 1 for most data sets, whose easiest image decides",
    ),
    Mistake(
        "max_f",
        "the mean over thresholds",
        lambda curves: curves.mean(0).mean(),
        "that is mean F: lower, and another column in most tables",
        ("jiwei0921/SOD-CNNs-based-code-summary-#2",),
    ),
    Mistake(
        "max_f",
        "axes exchanged: the best image's mean over thresholds",
        lambda curves: curves.mean(1).max(),
        "lower for one image, and higher the more images there are",
    ),
    Mistake(
        "max_f",
        "the threshold, not the score there: argmax",
        lambda curves: curves.dtype.type(curves.mean(0).argmax() / 255),
        "a plausible number in [0, 1] that gets no better with training",
    ),
    Mistake(
        "max_f",
        "at threshold 1/2",
        lambda curves: curves[:, 128].mean(),
        "lower than others report, the more so the worse a network is calibrated",
    ),
    Mistake(
        "e_curve",
        "divides by n, as the paper says",
        e_by(divisor=lambda n: n),
        "nothing: lower by 1 part in n, in the fifth digit of a photograph; a perfect mask scores exactly 1",
    ),
    Mistake(
        "e_curve",
        "alignment not squared",
        e_by(enhance=lambda a: (1 + a) / 2),
        "0 and 1 are right; where masks agree in part the score is too good",
    ),
    Mistake(
        "e_curve",
        "means not taken off",
        e_by(centred=False),
        "background that is rightly empty scores 1/4 for each pixel: small objects score badly",
    ),
    Mistake(
        "e_curve",
        "an empty mask like any other",
        e_by(constant=False),
        "right wherever there is an object; without one every prediction scores 1/4",
    ),
    Mistake("e_curve", ABOVE, after(saliency.e_curve, just_below), ABOVE_SYMPTOM),
    Mistake("e_curve", CUT, after(saliency.e_curve, cut_to_greys), CUT_SYMPTOM),
    Mistake("e_curve", STRETCHED, after(saliency.e_curve, stretched), STRETCHED_SYMPTOM, STRETCHED_MET),
    Mistake("e_curve", TOP, from_the_top(saliency.e_curve), TOP_SYMPTOM, TOP_MET),
    Mistake(
        "e_curve",
        FROM_THE_POINTER,
        after(saliency.e_curve, as_it_lies),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
    Mistake(
        "e_measure",
        "the maximum over thresholds, not the mean",
        e_of(lambda curve, p: curve.max()),
        "better than mean E, and called by the same name in many tables",
        ("Hanqer/Evaluate-SOD#4", "GewelsJI/SINet-V2#2"),
    ),
    Mistake(
        "e_measure",
        "one mask, at 1/2",
        e_of(lambda curve, p: curve[128]),
        "right for hard masks but for one part in 256; otherwise it ignores how sure a network is",
    ),
    Mistake(
        "e_measure",
        "one mask, at twice the mean: the adaptive E",
        e_of(at_twice_the_mean),
        "another number that goes by the same name; timid networks score as well as sure ones",
        ("GewelsJI/SINet-V2#2", "mczhuge/SOCToolbox#1"),
    ),
    Mistake(
        "e_measure",
        "divides by n, as the paper says",
        over_n,
        "nothing: lower by 1 part in n, in the fifth digit of a photograph",
    ),
    Mistake("e_measure", STRETCHED, after(saliency.e_measure, stretched), STRETCHED_SYMPTOM, STRETCHED_MET),
    Mistake(
        "e_measure",
        FROM_THE_POINTER,
        after(saliency.e_measure, as_it_lies),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
)
