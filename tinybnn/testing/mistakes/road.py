"""Mistakes in counts at 256 thresholds, and in the scores of a road that are made of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...metrics import labels as metrics
from ...metrics.labels import RoadScores
from ...notation import IGNORE, Array
from .loss import WHATEVER, everything, not_255, not_ignored
from .mistake import Mistake

# -- thresholds -----------------------------------------------------------------------------------------------------


def reached(p: Array, k: Array) -> Array:
    return np.asarray(p.astype(np.float32) >= (k / 255).astype(np.float32))


def counts_by(
    positive: Callable[[Array, Array], Array] = reached,
    counts: Callable = not_ignored,
    order: tuple[int, ...] = (0, 1, 2, 3),
    levels: int = 256,
) -> Callable:
    """Counts from ``positive(p, k)``; ``order`` is that of the columns."""

    def forward(probability: Array, labels: Array, *, ignore: int = IGNORE) -> Array:
        counted = counts(labels, ignore)
        yes = positive(probability[counted][:, None], np.arange(levels))
        true = labels[counted][:, None] == 1
        columns = [(yes & true).sum(0), (yes & ~true).sum(0), (~yes & true).sum(0), (~yes & ~true).sum(0)]
        return np.stack([columns[c] for c in order], axis=1)

    return forward


def above(p: Array, k: Array) -> Array:
    return np.asarray(p.astype(np.float32) > (k / 255).astype(np.float32))


def half_rounded(p: Array, k: Array) -> Array:
    return np.asarray(p >= (k / 255).astype(np.float32).astype(np.float64))


def highest_first(probability: Array, labels: Array, *, ignore: int = IGNORE) -> Array:
    return metrics.threshold_counts(probability, labels, ignore=ignore)[::-1]


# -- the road -------------------------------------------------------------------------------------------------------


def harmonic(TP: Array, FP: Array, FN: Array) -> Array:
    return 2 * TP / (2 * TP + FP + FN)


def saliency_f(TP: Array, FP: Array, FN: Array) -> Array:
    return 1.3 * TP / (0.3 * (TP + FN) + TP + FP)


def reaching(counts: Array, recall: float) -> Any:
    """The best precision among thresholds that find at least this part of the road."""
    TP, FP, FN, _ = counts.T
    return np.max(TP / np.maximum(TP + FP, 1), where=1000 * TP >= np.rint(1000 * recall) * (TP + FN), initial=0)


def eleven_points(counts: Array) -> Any:
    return np.mean([reaching(counts, r / 10) for r in range(11)])


def forty_points(counts: Array) -> Any:
    return np.mean([reaching(counts, r / 40) for r in range(1, 41)])


def divided_by_ten(counts: Array) -> Any:
    return np.sum([reaching(counts, r / 10) for r in range(11)]) / 10


def in_floats(counts: Array) -> Any:
    """Steps of the devkit, three of which lie a hair above the tenth."""
    TP, FP, FN, _ = counts.T
    precision, recall = TP / np.maximum(TP + FP, 1), TP / (TP + FN)
    return np.mean([np.max(precision[recall >= r], initial=0) for r in np.arange(0, 1.1, 0.1)])


def uninterpolated(counts: Array) -> Any:
    """Precision at the nearest threshold, not the best one that reaches as far."""
    TP, FP, FN, _ = counts.T
    precision, recall = TP / np.maximum(TP + FP, 1), TP / (TP + FN)
    return np.mean([precision[np.abs(recall - r / 10).argmin()] for r in range(11)])


def under_the_curve(counts: Array) -> Any:
    TP, FP, FN, _ = counts.T
    precision, recall = TP / np.maximum(TP + FP, 1), TP / (TP + FN)
    return ((precision[1:] + precision[:-1]) * (recall[:-1] - recall[1:]) / 2).sum()


def last_best(f: Array) -> Any:
    return len(f) - 1 - f[::-1].argmax()


def of_the_rest(TP: Any, FP: Any, FN: Any, TN: Any) -> Any:
    return FP / max(FP + TN, 1)


def road_by(
    f: Callable = harmonic,
    average: Callable = eleven_points,
    best: Callable = np.argmax,
    fpr: Callable = of_the_rest,
    nothing: float = np.nan,
) -> Callable:
    """Road scores from other parts; ``nothing`` where there is no road."""

    def forward(counts: Array) -> Any:
        TP, FP, FN, TN = counts.T
        if not TP[0] + FN[0]:
            return RoadScores(*np.full(6, nothing))
        curve = f(TP, FP, FN)
        k = best(curve)
        precision, recall = TP[k] / max(TP[k] + FP[k], 1), TP[k] / (TP[k] + FN[k])
        false = fpr(TP[k], FP[k], FN[k], TN[k]) if FP[0] + TN[0] else np.nan
        return RoadScores(curve[k], average(counts), precision, recall, false, 1 - recall)

    return forward


def recall_first(counts: Array) -> Any:
    scores = metrics.road_scores(counts)
    return scores._replace(precision=scores.recall, recall=scores.precision)


def kept_from_nothing(counts: Array) -> Any:
    """The devkit's way not to divide by 0."""
    TP, FP, FN, TN = counts.T
    precision, recall = TP / (TP + FP + 1e-10), TP / (TP + FN + 1e-10)
    f = 2 * precision * recall / (precision + recall + 1e-10)
    k = f.argmax()
    average = np.mean([np.max(precision[10 * TP >= r * (TP + FN)], initial=0) for r in range(11)])
    return RoadScores(f[k], average, precision[k], recall[k], FP[k] / (FP[k] + TN[k] + 1e-10), 1 - recall[k])


EXCHANGED_SYMPTOM = "F is right, it is blind to it; precision and recall change places"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "threshold_counts",
        "positive above the threshold, not at it",
        counts_by(above),
        "right for probabilities of any value; of 8-bit pictures every count is that of the next threshold",
    ),
    Mistake(
        "threshold_counts",
        "rounds the thresholds to float32 and not the probabilities",
        counts_by(half_rounded),
        "right in float32; in float64 about half of the greys k / 255 fall below their own threshold",
    ),
    Mistake(
        "threshold_counts",
        "thresholds k / 256",
        counts_by(lambda p, k: p >= k / 256),
        "right for 8-bit pictures; for probabilities of any value counts differ, most at high thresholds",
    ),
    Mistake(
        "threshold_counts",
        "255 thresholds, not 256",
        counts_by(lambda p, k: p >= k / 254, levels=255),
        "the best F differs from that of other scorers in its last digits; tables of others do not add",
        ("lartpang/PySODEvalToolkit#14",),
    ),
    Mistake(
        "threshold_counts",
        "rounds to the nearest grey",
        counts_by(lambda p, k: np.rint(255 * p) >= k),
        "right for 8-bit pictures; for probabilities of any value, half of them count as one threshold higher",
    ),
    Mistake(
        "threshold_counts",
        "highest threshold first",
        highest_first,
        "maxima and means over thresholds are right; a threshold that is looked up by its number is the wrong one",
        ("py_sod_metrics",),
    ),
    Mistake(
        "threshold_counts",
        "adds up from below: positive where p is at most the threshold",
        counts_by(lambda p, k: ~above(p, k)),
        "the better the network, the lower its scores; recall rises with the threshold",
    ),
    Mistake(
        "threshold_counts",
        "counts ignored pixels as background",
        counts_by(counts=everything),
        "false alarms at unlabelled borders: precision is too low",
    ),
    Mistake(
        "threshold_counts",
        WHATEVER,
        counts_by(counts=not_255),
        "nothing, until a data set marks what does not count by another number: then that is background",
    ),
    Mistake(
        "threshold_counts",
        "false positives and false negatives exchanged",
        counts_by(order=(0, 2, 1, 3)),
        EXCHANGED_SYMPTOM,
    ),
    Mistake(
        "road_scores",
        "beta squared is 0.3, as in saliency",
        road_by(f=saliency_f),
        "another threshold is the best: precision higher, recall lower than the benchmark says",
    ),
    Mistake(
        "road_scores",
        "recall in steps of 0.1, added up in floats",
        road_by(average=in_floats),
        "nothing, until a recall is exactly 3/10, 6/10 or 7/10: then the average precision is a hair too low",
        ("KITTI road devkit",),
    ),
    Mistake(
        "road_scores",
        "1e-10 in every denominator",
        kept_from_nothing,
        "nothing in the digits that are reported; but 0, not NaN, where there is no road",
        ("KITTI road devkit",),
    ),
    Mistake(
        "road_scores",
        "0 where there is no road, not NaN",
        road_by(nothing=0.0),
        "nothing, until an image without road is scored alone: its 0 pulls a mean of images down",
    ),
    Mistake(
        "road_scores",
        "precision not interpolated",
        road_by(average=uninterpolated),
        "another average precision, mostly too low, where precision does not fall steadily with recall",
    ),
    Mistake(
        "road_scores",
        "the area under the curve",
        road_by(average=under_the_curve),
        "another average precision, too low where the curve does not begin at recall 0",
        ("Cartucho/mAP#149",),
    ),
    Mistake(
        "road_scores",
        "40 recall points without 0, as KITTI has it for cars",
        road_by(average=forty_points),
        "another average precision, lower or higher, for the same counts",
        ("hailanyi/CasA#13",),
    ),
    Mistake(
        "road_scores",
        "eleven points, divided by ten",
        road_by(average=divided_by_ten),
        "an average precision above 1 for a perfect road",
        ("rafaelpadilla/Object-Detection-Metrics#167",),
    ),
    Mistake(
        "road_scores",
        "the highest of thresholds with the same F",
        road_by(best=last_best),
        "the same maximum; precision and recall are those of another threshold, if there are ties",
    ),
    Mistake(
        "road_scores",
        "scores at threshold 1/2 instead of the best",
        road_by(best=lambda f: 128),
        "lower than the benchmark, most so for a network whose probabilities are not calibrated",
        ("hlwang1124/SNE-RoadSeg#13",),
    ),
    Mistake(
        "road_scores",
        "false positives as a part of all positives",
        road_by(fpr=lambda TP, FP, FN, TN: FP / max(FP + TP, 1)),
        "the false positive rate is 1 less the precision; most others report a smaller one",
    ),
    Mistake("road_scores", "recall before precision", recall_first, EXCHANGED_SYMPTOM),
)
