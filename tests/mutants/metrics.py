"""Wrong versions of the scores of labels and roads."""

import numpy as np

from tinybnn import metrics
from tinybnn.metrics import RoadScores

from .mutant import Mutant

# -- labels ---------------------------------------------------------------------------------------------------------


def confusion_with(count, counts=lambda labels, ignore: labels != ignore):
    """A table of ``count(truth, prediction, L)``, the codes of the pairs."""

    def forward(predicted, labels, L, *, ignore):
        counted = counts(labels, ignore)
        pairs = count(labels[counted], predicted[counted], L).astype(np.int64)
        return np.bincount(pairs, minlength=L * L)[: L * L].reshape(L, L)

    return forward


def plain(truth, prediction, L):
    return L * truth.astype(np.int64) + prediction


def wrapped(truth, prediction, L):
    """L times an 8-bit label in 8 bits."""
    with np.errstate(over="ignore"):
        return np.uint8(L) * truth + prediction.astype(np.uint8)


def ignored_as_class_0(truth, prediction, L):
    inside = (truth < L) & (prediction < L)
    return L * (truth * inside).astype(np.int64) + prediction * inside


def iou_with(below, absent=np.nan):
    """``found / below(there, seen, found)``, and ``absent`` where that is 0."""

    def forward(confusion):
        found = confusion.diagonal()
        under = below(confusion.sum(1), confusion.sum(0), found)
        return np.divide(found, under, out=np.full(len(found), absent), where=under > 0)

    return forward


def union(there, seen, found):
    return there + seen - found


def mean_of(iou, keep=lambda confusion: slice(None)):
    def forward(confusion):
        kept = iou(confusion)[keep(confusion)]
        kept = kept[~np.isnan(kept)]
        return np.mean(kept) if kept.size else np.nan

    return forward


def by_frequency(confusion):
    iou, there = metrics.iou_per_class(confusion), confusion.sum(1)
    return np.nansum(iou * there) / there.sum() if there.sum() else np.nan


# -- thresholds -----------------------------------------------------------------------------------------------------


def counts_with(positive, counts=lambda labels, ignore: labels != ignore, order=(0, 1, 2, 3)):
    """Counts from ``positive(p, k)``; ``order`` is that of the columns."""

    def forward(probability, labels, *, ignore):
        counted = counts(labels, ignore)
        yes = positive(probability[counted][:, None], np.arange(256))
        true = labels[counted][:, None] == 1
        columns = [(yes & true).sum(0), (yes & ~true).sum(0), (~yes & true).sum(0), (~yes & ~true).sum(0)]
        return np.stack([columns[c] for c in order], axis=1)

    return forward


def reached(p, k):
    return p.astype(np.float32) >= np.float32(k / 255)


def road_with(f=None, average=None, best=np.argmax, fpr=lambda TP, FP, FN, TN: FP / max(FP + TN, 1)):
    """Road scores from other parts; ``average`` is that of precision, given recall."""

    def forward(counts):
        TP, FP, FN, TN = counts.T
        if not TP[0] + FN[0]:
            return np.full(6, np.nan)
        precision, recall = TP / np.maximum(TP + FP, 1), TP / (TP + FN)
        curve = (f or harmonic)(TP, FP, FN)
        k, tenths = best(curve), range(11)
        mean = (
            average(precision, recall)
            if average
            else (np.mean([np.max(precision[10 * TP >= r * (TP + FN)]) for r in tenths]))
        )
        false = fpr(TP[k], FP[k], FN[k], TN[k]) if FP[0] + TN[0] else np.nan
        return RoadScores(curve[k], mean, precision[k], recall[k], false, FN[k] / (TP[k] + FN[k]))

    return forward


def harmonic(TP, FP, FN):
    return 2 * TP / (2 * TP + FP + FN)


def saliency_f(TP, FP, FN):
    return 1.3 * TP / (0.3 * (TP + FN) + TP + FP)


def in_floats(precision, recall):
    """The devkit's own steps, three of which lie a hair above the tenth."""
    return np.mean([np.max(precision[recall >= r], initial=0) for r in np.arange(0, 1.1, 0.1)])


def uninterpolated(precision, recall):
    """Precision at the nearest threshold, not the best one that reaches as far."""
    return np.mean([precision[np.abs(recall - r / 10).argmin()] for r in range(11)])


def under_the_curve(precision, recall):
    return -np.trapezoid(precision, recall)


MUTANTS = (
    Mutant(
        "confusion_matrix",
        "forward",
        "rows and columns exchanged, to which mean IoU is blind",
        confusion_with(lambda truth, prediction, L: plain(prediction, truth, L)),
    ),
    Mutant(
        "confusion_matrix",
        "forward",
        "counts ignored pixels, as class 0",
        confusion_with(ignored_as_class_0, counts=lambda labels, ignore: np.ones(labels.shape, bool)),
    ),
    Mutant(
        "confusion_matrix",
        "forward",
        "counts whatever is in range, though told to ignore it",
        confusion_with(plain, counts=lambda labels, ignore: labels != 255),
    ),
    Mutant("confusion_matrix", "forward", "L times the label wraps around in 8 bits", confusion_with(wrapped)),
    Mutant("iou_per_class", "forward", "an absent class scores 0", iou_with(union, absent=0.0)),
    Mutant("iou_per_class", "forward", "an absent class scores 1", iou_with(union, absent=1.0)),
    Mutant("iou_per_class", "forward", "recall", iou_with(lambda there, seen, found: there)),
    Mutant("iou_per_class", "forward", "counts the intersection twice", iou_with(lambda a, b, found: a + b)),
    Mutant("mean_iou", "forward", "absent classes are in the mean, as 0", mean_of(iou_with(union, absent=0.0))),
    Mutant(
        "mean_iou",
        "forward",
        "leaves out a class that is predicted and never there",
        mean_of(metrics.iou_per_class, keep=lambda confusion: confusion.sum(1) > 0),
    ),
    Mutant("mean_iou", "forward", "weighs classes by their size", by_frequency),
    Mutant(
        "pixel_accuracy",
        "forward",
        "the mean over classes of their accuracy",
        mean_of(iou_with(lambda there, seen, found: there)),
    ),
    Mutant(
        "pixel_accuracy",
        "forward",
        "0 where no pixel counts",
        lambda confusion: confusion.trace() / max(confusion.sum(), 1),
    ),
    Mutant(
        "threshold_counts",
        "forward",
        "positive above the threshold, not at it",
        counts_with(lambda p, k: p.astype(np.float32) > np.float32(k / 255)),
    ),
    Mutant(
        "threshold_counts",
        "forward",
        "rounds the thresholds to float32 and not the probabilities",
        counts_with(lambda p, k: p >= np.float32(k / 255)),
    ),
    Mutant("threshold_counts", "forward", "thresholds k / 256", counts_with(lambda p, k: p >= k / 256)),
    Mutant(
        "threshold_counts",
        "forward",
        "rounds to the nearest grey",
        counts_with(lambda p, k: np.rint(255 * p) >= k),
    ),
    Mutant(
        "threshold_counts",
        "forward",
        "counts ignored pixels as background",
        counts_with(reached, counts=lambda labels, ignore: np.ones(labels.shape, bool)),
    ),
    Mutant(
        "threshold_counts",
        "forward",
        "false positives and false negatives exchanged",
        counts_with(reached, order=(0, 2, 1, 3)),
    ),
    Mutant("road_scores", "forward", "beta squared is 0.3, as in saliency", road_with(f=saliency_f)),
    Mutant("road_scores", "forward", "recall in steps of 0.1, added up in floats", road_with(average=in_floats)),
    Mutant("road_scores", "forward", "precision not interpolated", road_with(average=uninterpolated)),
    Mutant("road_scores", "forward", "the area under the curve", road_with(average=under_the_curve)),
    Mutant(
        "road_scores",
        "forward",
        "the highest of thresholds with the same F",
        road_with(best=lambda f: len(f) - 1 - f[::-1].argmax()),
    ),
    Mutant("road_scores", "forward", "scores at threshold 1/2 instead of the best", road_with(best=lambda f: 128)),
    Mutant(
        "road_scores",
        "forward",
        "false positives as a part of all positives",
        road_with(fpr=lambda TP, FP, FN, TN: FP / max(FP + TP, 1)),
    ),
)
