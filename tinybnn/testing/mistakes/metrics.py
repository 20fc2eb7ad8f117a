"""Mistakes in scores of labels: who is in the table, and what becomes of classes that are not there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import metrics
from ...notation import IGNORE, Array
from .loss import everything, not_255, not_ignored
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies

# -- the table ------------------------------------------------------------------------------------------------------


def code(truth: Array, prediction: Array, L: int) -> Array:
    return L * truth.astype(np.int64) + prediction


def confusion_by(
    pairs: Callable[[Array, Array, int], Array] = code, counts: Callable[[Array, int], Array] = not_ignored
) -> Callable:
    """A table of ``pairs(truth, prediction, L)``, one number for each pixel that counts."""

    def forward(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
        those = counts(labels, ignore)
        numbers = pairs(labels[those], predicted[those], L).astype(np.int64)
        return np.bincount(numbers, minlength=L * L)[: L * L].reshape(L, L)

    return forward


def exchanged(truth: Array, prediction: Array, L: int) -> Array:
    return code(prediction, truth, L)


def wrapped(truth: Array, prediction: Array, L: int) -> Array:
    """L times an 8-bit label, in 8 bits."""
    return np.uint8(L) * truth + prediction.astype(np.uint8)


def ignored_as_class_0(truth: Array, prediction: Array, L: int) -> Array:
    inside = (truth < L) & (prediction < L)
    return code(truth * inside, prediction * inside, L)


def each_pair_once(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    """NumPy takes all indices first and then writes: of equal ones the last wins."""
    counts, those = np.zeros((L, L), np.int64), labels != ignore
    counts[labels[those], predicted[those]] += 1
    return counts


def classes_that_occur(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    those = labels != ignore
    found = 1 + int(max(labels[those].max(initial=0), predicted[those].max(initial=0)))
    return metrics.confusion_matrix(predicted, labels, L, ignore=ignore)[:found, :found]


def predictions_ignored_too(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    return metrics.confusion_matrix(predicted, np.where(predicted == ignore, ignore, labels), L, ignore=ignore)


def through_the_pointer(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    return metrics.confusion_matrix(as_it_lies(predicted), labels, L, ignore=ignore)


# -- IoU ------------------------------------------------------------------------------------------------------------


def union(there: Array, seen: Array, found: Array) -> Array:
    return there + seen - found


def iou_by(
    below: Callable[[Array, Array, Array], Array] = union, absent: float = np.nan, times: int = 1, smooth: float = 0
) -> Callable:
    """``times found / below(there, seen, found)``, and ``absent`` where that is 0."""

    def forward(confusion: Array) -> Array:
        found = times * confusion.diagonal() + smooth
        under = below(confusion.sum(1), confusion.sum(0), confusion.diagonal()) + smooth
        return np.divide(found, under, out=np.full(len(found), absent), where=under > 0)

    return forward


def mean_of(iou: Callable, keep: Callable[[Array], Any] = lambda confusion: slice(None)) -> Callable:
    """The mean over classes ``keep(confusion)`` that have a score."""

    def forward(confusion: Array) -> Any:
        kept = iou(confusion)[keep(confusion)]
        kept = kept[~np.isnan(kept)]
        return np.mean(kept) if kept.size else np.nan

    return forward


def whose_truth_is_there(confusion: Array) -> Array:
    return confusion.sum(1) > 0


def without_class_0(confusion: Array) -> slice:
    return slice(1, None)


def by_frequency(confusion: Array) -> Any:
    iou, there = metrics.iou_per_class(confusion), confusion.sum(1)
    return np.nansum(iou * there) / there.sum() if there.sum() else np.nan


def of_all_classes_together(confusion: Array) -> Any:
    """The sum of intersections over the sum of unions."""
    return confusion.trace() / (2 * confusion.sum() - confusion.trace()) if confusion.any() else np.nan


# -- accuracy -------------------------------------------------------------------------------------------------------


def with_true_negatives(confusion: Array) -> Any:
    """Each class against the rest, averaged."""
    if not confusion.any():
        return np.nan
    wrong = confusion.sum(0) + confusion.sum(1) - 2 * confusion.diagonal()
    return np.mean(1 - wrong / confusion.sum())


def a_little_below(confusion: Array) -> Any:
    return confusion.trace() / (confusion.sum() + 1e-6)


ABSENT_0 = "an absent class scores 0"
ABSENT_1 = "an absent class scores 1"
F1 = "F1, which is Dice, in place of IoU"
F1_SYMPTOM = "0 and 1 are right; in between every score is too good, up to 0.17"
SMOOTHED = "1 added above and below"
SMOOTHED_SYMPTOM = "nearly right for large classes; small ones score too well, and absent ones 1"
TOGETHER = "one ratio of all classes together: intersections over unions"
TOGETHER_SYMPTOM = "large classes decide; far too good where rare classes are missed"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "confusion_matrix",
        "rows and columns exchanged",
        confusion_by(exchanged),
        "IoU and accuracy are right, they are blind to it; what is called recall is precision",
        ("nkarasiak/dzetsaka#53", "EnMAP-Box/enmap-box#1055", "royshil/FoodcamClassifier#7"),
    ),
    Mistake(
        "confusion_matrix",
        "counts ignored pixels, as class 0",
        confusion_by(ignored_as_class_0, everything),
        "the IoU of class 0 is off, and all scores are lower than the benchmark's own",
        ("DrSleep/tensorflow-deeplab-resnet#10",),
    ),
    Mistake(
        "confusion_matrix",
        "ignores 255, whatever ignore says",
        confusion_by(counts=not_255),
        "right as long as 255 is what is ignored; another label is counted as the class of that number",
    ),
    Mistake(
        "confusion_matrix",
        "leaves out what is predicted as the ignored label, too",
        predictions_ignored_too,
        "right with 255, which is never predicted; with another label, misses vanish and scores rise",
    ),
    Mistake(
        "confusion_matrix",
        "L times the label wraps around in 8 bits",
        confusion_by(wrapped),
        "right up to 16 classes; with Cityscapes' 19 the last classes are counted as others",
    ),
    Mistake(
        "confusion_matrix",
        "counts[labels, predicted] += 1: each pair counts once",
        each_pair_once,
        "a table of 0 and 1, however many pixels there are; scores look like noise",
    ),
    Mistake(
        "confusion_matrix",
        "as many classes as occur",
        classes_that_occur,
        "right for most images; the table of one without the last class does not add to the others",
        ("Lightning-AI/pytorch-lightning#2753",),
    ),
    Mistake("confusion_matrix", FROM_THE_POINTER, through_the_pointer, POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "iou_per_class",
        ABSENT_0,
        iou_by(absent=0.0),
        "a class that is nowhere looks like one that is always missed, and pulls every mean down",
        ("Lightning-AI/torchmetrics#2892",),
    ),
    Mistake(
        "iou_per_class",
        ABSENT_1,
        iou_by(absent=1.0),
        "classes that are nowhere are perfect: the fewer a data set holds, the better its mean",
    ),
    Mistake(
        "iou_per_class",
        "recall: false positives do not count",
        iou_by(lambda there, seen, found: there),
        "scores are too good; a network that predicts one class everywhere gets 1 for it",
    ),
    Mistake(
        "iou_per_class",
        "precision: missed pixels do not count",
        iou_by(lambda there, seen, found: seen),
        "scores are too good; a class that is found in one sure pixel gets 1",
    ),
    Mistake(
        "iou_per_class",
        "the intersection is not taken off the union",
        iou_by(lambda there, seen, found: there + seen),
        "a perfect prediction scores 1/2",
    ),
    Mistake("iou_per_class", F1, iou_by(lambda there, seen, found: there + seen, times=2), F1_SYMPTOM),
    Mistake("iou_per_class", SMOOTHED, iou_by(smooth=1), SMOOTHED_SYMPTOM),
    Mistake(
        "mean_iou",
        "absent classes are in the mean, as 0",
        mean_of(iou_by(absent=0.0)),
        "scores of small sets are far too low, and a perfect prediction has less than 1",
        ("Lightning-AI/torchmetrics#2892",),
    ),
    Mistake(
        "mean_iou",
        "absent classes are in the mean, as 1",
        mean_of(iou_by(absent=1.0)),
        "scores of small sets are far too good",
    ),
    Mistake(
        "mean_iou",
        "one absent class makes it NaN",
        lambda confusion: np.mean(metrics.iou_per_class(confusion)),
        "right on the whole data set, NaN on most single images",
        ("allenai/rslearn#696",),
    ),
    Mistake(
        "mean_iou",
        "leaves out a class that is predicted and never there",
        mean_of(metrics.iou_per_class, whose_truth_is_there),
        "right on a whole data set; on single images inventing a class costs too little",
        ("qubvel/segmentation_models#553",),
    ),
    Mistake(
        "mean_iou",
        "leaves out class 0",
        mean_of(metrics.iou_per_class, without_class_0),
        "another number, lower where class 0 is an easy background; on a street it is the road that is missing",
    ),
    Mistake("mean_iou", "weighs classes by their size", by_frequency, "far too good: road and sky decide it"),
    Mistake(
        "mean_iou",
        TOGETHER,
        of_all_classes_together,
        TOGETHER_SYMPTOM,
        ("qubvel-org/segmentation_models.pytorch#226",),
    ),
    Mistake(
        "mean_iou",
        F1,
        mean_of(iou_by(lambda there, seen, found: there + seen, times=2)),
        F1_SYMPTOM,
    ),
    Mistake("mean_iou", SMOOTHED, mean_of(iou_by(smooth=1)), SMOOTHED_SYMPTOM),
    Mistake(
        "pixel_accuracy",
        "the mean over classes of their accuracy",
        mean_of(iou_by(lambda there, seen, found: there)),
        "another number, mostly lower: rare classes weigh as much as large ones",
    ),
    Mistake(
        "pixel_accuracy",
        "0 where no pixel counts",
        lambda confusion: confusion.trace() / max(confusion.sum(), 1),
        "nothing, until an image holds void alone: it counts as all wrong in a mean over images",
    ),
    Mistake(
        "pixel_accuracy",
        "a small number in the denominator",
        a_little_below,
        "nothing by eye; a perfect prediction has a little less than 1, and void alone has 0",
    ),
    Mistake(
        "pixel_accuracy",
        "true negatives count: each class against the rest",
        with_true_negatives,
        "far too good, the more classes there are: with ten, guessing has more than 0.8",
    ),
    Mistake("pixel_accuracy", TOGETHER, of_all_classes_together, "lower than it is, but for 0 and 1"),
)
