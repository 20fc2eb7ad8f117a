"""Mistakes in counts at 256 thresholds, and in what the road benchmark makes of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import metrics
from ...metrics import RoadScores
from ...notation import IGNORE, Array
from .loss import everything, not_255, not_ignored
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies

# -- thresholds -----------------------------------------------------------------------------------------------------


def reached(p: Array, k: Array) -> Array:
    return p.astype(np.float32) >= (k / 255).astype(np.float32)


def counts_by(
    positive: Callable[[Array, Array], Array] = reached,
    counts: Callable[[Array, int], Array] = not_ignored,
    order: tuple[int, ...] = (0, 1, 2, 3),
) -> Callable:
    """Counts where ``positive(p, k)``; ``order`` is that of the columns."""

    def forward(probability: Array, labels: Array, *, ignore: int = IGNORE) -> Array:
        those = counts(labels, ignore)
        yes, true = positive(probability[those][:, None], np.arange(256)), labels[those][:, None] == 1
        columns = [(yes & true).sum(0), (yes & ~true).sum(0), (~yes & true).sum(0), (~yes & ~true).sum(0)]
        return np.stack([columns[c] for c in order], axis=1)

    return forward


def above(p: Array, k: Array) -> Array:
    return p.astype(np.float32) > (k / 255).astype(np.float32)


def thresholds_alone_rounded(p: Array, k: Array) -> Array:
    return p >= (k / 255).astype(np.float32)


def of_256(p: Array, k: Array) -> Array:
    return p >= k / 256


def nearest_grey(p: Array, k: Array) -> Array:
    return np.rint(255 * p) >= k


def one_bin_alone(p: Array, k: Array) -> Array:
    """A histogram: positive at the last threshold that is reached, at no other."""
    return reached(p, k) & ~(reached(p, k + 1) & (k < 255))


def histogram(probability: Array, labels: Array, *, ignore: int = IGNORE) -> Array:
    """All four columns from histograms that nobody has added up."""
    counts = counts_by(one_bin_alone)(probability, labels, ignore=ignore)
    return counts * (1, 1, 0, 0)


def from_the_top(probability: Array, labels: Array, *, ignore: int = IGNORE) -> Array:
    return metrics.threshold_counts(probability, labels, ignore=ignore)[::-1]


def through_the_pointer(probability: Array, labels: Array, *, ignore: int = IGNORE) -> Array:
    return metrics.threshold_counts(as_it_lies(probability), labels, ignore=ignore)


# -- road -----------------------------------------------------------------------------------------------------------


def harmonic(TP: Array, FP: Array, FN: Array) -> Array:
    return 2 * TP / (2 * TP + FP + FN)


def interpolated(precision: Array, recall: Array, TP: Array, road: Any) -> Any:
    return np.mean([np.max(precision[10 * TP >= r * road], initial=0) for r in range(11)])


def road_by(
    f: Callable[[Array, Array, Array], Array] = harmonic,
    average: Callable[[Array, Array, Array, Any], Any] = interpolated,
    best: Callable[[Array], Any] = np.argmax,
    fpr: Callable[[Any, Any, Any], Any] = lambda TP, FP, TN: FP / max(FP + TN, 1),
    empty: float = np.nan,
) -> Callable:
    """Road scores from other parts."""

    def forward(counts: Array) -> RoadScores:
        TP, FP, FN, TN = counts.T
        if not TP[0] + FN[0]:
            return RoadScores(*np.full(6, empty))
        precision, recall, curve = TP / np.maximum(TP + FP, 1), TP / (TP + FN), f(TP, FP, FN)
        k, mean = best(curve), average(precision, recall, TP, TP[0] + FN[0])
        false = fpr(TP[k], FP[k], TN[k]) if FP[0] + TN[0] else np.nan
        return RoadScores(curve[k], mean, precision[k], recall[k], false, 1 - recall[k])

    return forward


def saliency_f(TP: Array, FP: Array, FN: Array) -> Array:
    return 1.3 * TP / (0.3 * (TP + FN) + TP + FP)


def a_little_below(TP: Array, FP: Array, FN: Array) -> Array:
    return 2 * TP / (2 * TP + FP + FN + 1e-10)


def iou(TP: Array, FP: Array, FN: Array) -> Array:
    return TP / (TP + FP + FN)


def in_floats(precision: Array, recall: Array, TP: Array, road: Any) -> Any:
    """The devkit's own steps, three of which lie a hair above the tenth."""
    return np.mean([np.max(precision[recall >= r], initial=0) for r in np.arange(0, 1.1, 0.1)])


def uninterpolated(precision: Array, recall: Array, TP: Array, road: Any) -> Any:
    """Precision at the nearest threshold, not the best one that reaches as far."""
    return np.mean([precision[np.abs(recall - r / 10).argmin()] for r in range(11)])


def under_the_curve(precision: Array, recall: Array, TP: Array, road: Any) -> Any:
    return ((recall[:-1] - recall[1:]) * (precision[:-1] + precision[1:]) / 2).sum()


def over_thresholds(precision: Array, recall: Array, TP: Array, road: Any) -> Any:
    return np.mean(precision)


def the_highest(f: Array) -> Any:
    return len(f) - 1 - f[::-1].argmax()


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "threshold_counts",
        "positive above the threshold, not at it",
        counts_by(above),
        "right for most probabilities; of an 8-bit picture every grey is counted one threshold too low",
    ),
    Mistake(
        "threshold_counts",
        "rounds the thresholds to float32 and not the probabilities",
        counts_by(thresholds_alone_rounded),
        "right in float32; in float64 some greys k / 255 lie a hair below their own threshold",
    ),
    Mistake(
        "threshold_counts",
        "thresholds k / 256",
        counts_by(of_256),
        "nothing by eye; no probability stays below the last threshold unless it is less than 255/256",
    ),
    Mistake(
        "threshold_counts",
        "rounds to the nearest grey",
        counts_by(nearest_grey),
        "right for 8-bit pictures; of other maps half of the pixels are positive one threshold too far",
    ),
    Mistake(
        "threshold_counts",
        "counts ignored pixels as background",
        counts_by(counts=everything),
        "road that is seen in the void is called false: precision is lower than the benchmark's",
    ),
    Mistake(
        "threshold_counts",
        "ignores 255, whatever ignore says",
        counts_by(counts=not_255),
        "right as long as 255 is what is ignored; pixels with another label are taken for background",
    ),
    Mistake(
        "threshold_counts",
        "false positives and false negatives exchanged",
        counts_by(order=(0, 2, 1, 3)),
        "F and IoU are right; precision and recall have changed places",
    ),
    Mistake(
        "threshold_counts",
        "a histogram that is not added up from above",
        histogram,
        "the four counts of a threshold do not sum to the number of pixels, and curves look like noise",
    ),
    Mistake(
        "threshold_counts",
        "from threshold 255 down to 0",
        from_the_top,
        "the best F is right; the threshold that it belongs to is not, k for 255 - k",
        ("py_sod_metrics documentation",),
    ),
    Mistake("threshold_counts", FROM_THE_POINTER, through_the_pointer, POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "road_scores",
        "beta squared is 0.3, as in saliency",
        road_by(saliency_f),
        "max F favours careful networks: the best threshold is higher, recall lower than the benchmark's",
    ),
    Mistake(
        "road_scores",
        "the largest IoU, not the largest F",
        road_by(iou),
        "the threshold is right; the score is lower than the benchmark's, but for 0 and 1",
    ),
    Mistake(
        "road_scores",
        "1e-10 in the denominator",
        road_by(a_little_below),
        "nothing: scores differ in the tenth digit; doubled counts no longer give the same",
    ),
    Mistake(
        "road_scores",
        "recall in steps of 0.1, added up in floats",
        road_by(average=in_floats),
        "nothing, until recall is exactly 3/10, 6/10 or 7/10: then the average precision is a little too low",
        ("KITTI road devkit",),
    ),
    Mistake(
        "road_scores",
        "precision not interpolated",
        road_by(average=uninterpolated),
        "the average precision is a little lower than the benchmark's, wherever the curve rises",
    ),
    Mistake(
        "road_scores",
        "the area under the curve",
        road_by(average=under_the_curve),
        "the average precision is another one, near to the benchmark's for a smooth curve only",
    ),
    Mistake(
        "road_scores",
        "precision averaged over thresholds, not over recalls",
        road_by(average=over_thresholds),
        "the average precision depends on how sure a network is: stretching its probabilities changes it",
    ),
    Mistake(
        "road_scores",
        "the highest of thresholds with the same F",
        road_by(best=the_highest),
        "max F is right; precision, recall and the rates may belong to another threshold",
    ),
    Mistake(
        "road_scores",
        "scores at threshold 1/2 instead of the best",
        road_by(best=lambda f: 128),
        "lower than the benchmark's, the more so the worse a network is calibrated",
    ),
    Mistake(
        "road_scores",
        "false positives as a part of all positives",
        road_by(fpr=lambda TP, FP, TN: FP / max(FP + TP, 1)),
        "the false positive rate is 1 - precision, much larger than the benchmark's where little is road",
    ),
    Mistake(
        "road_scores",
        "0 where no pixel is road",
        road_by(empty=0.0),
        "nothing on roads; a category without any looks like a failure",
    ),
)
