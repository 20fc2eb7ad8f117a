"""Mistakes in scores of labels: the table of who was taken for whom, IoU and accuracy. Roads are in ``road.py``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...metrics import labels as metrics
from ...notation import IGNORE, Array
from .loss import WHATEVER, everything, not_255, not_ignored
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies

# -- the table ------------------------------------------------------------------------------------------------------


def pair(truth: Array, prediction: Array, L: int) -> Array:
    return L * truth.astype(np.int64) + prediction


def wrapped(truth: Array, prediction: Array, L: int) -> Array:
    """L times an 8-bit label in 8 bits."""
    return np.uint8(L) * truth.astype(np.uint8) + prediction.astype(np.uint8)


def beyond_is_class_0(truth: Array, prediction: Array, L: int) -> Array:
    inside = (truth < L) & (prediction < L)
    return pair(truth * inside, prediction * inside, L)


def table_by(code: Callable = pair, counts: Callable = not_ignored) -> Callable:
    """A table of ``code(truth, prediction, L)``, one number for each pair."""

    def forward(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
        counted = counts(labels, ignore)
        pairs = code(labels[counted], predicted[counted], L).astype(np.int64)
        return np.bincount(pairs, minlength=L * L)[: L * L].reshape(L, L)

    return forward


def each_pair_once(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    counted = labels != ignore
    counts = np.zeros((L, L), np.int64)
    counts[labels[counted], predicted[counted]] += 1  # np.add.at would add every time
    return counts


def as_large_as_what_was_seen(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    counted = labels != ignore
    seen = max(labels[counted].max(initial=0), predicted[counted].max(initial=0)) + 1
    return metrics.confusion_matrix(predicted, labels, L, ignore=ignore)[:seen, :seen]


def ignores_predictions_too(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    counted = (labels != ignore) & (predicted != ignore)
    return metrics.confusion_matrix(predicted[counted], labels[counted], L, ignore=ignore)


def as_both_lie(predicted: Array, labels: Array, L: int, *, ignore: int = IGNORE) -> Array:
    return metrics.confusion_matrix(as_it_lies(predicted), as_it_lies(labels), L, ignore=ignore)


# -- scores of the table --------------------------------------------------------------------------------------------


def iou_by(below: Callable[[Array, Array, Array], Array], absent: float = np.nan) -> Callable:
    """``found / below(there, seen, found)``, and ``absent`` where that is 0."""

    def forward(confusion: Array) -> Array:
        found = confusion.diagonal()
        under = below(confusion.sum(1), confusion.sum(0), found)
        return np.divide(found, under, out=np.full(len(found), absent), where=under > 0)

    return forward


def union(there: Array, seen: Array, found: Array) -> Array:
    return there + seen - found


def true_pixels(there: Array, seen: Array, found: Array) -> Array:
    return there


def mean_of(scores: Callable, kept: Callable[[Array], Any] = lambda confusion: slice(None)) -> Callable:
    """The mean of those scores that are ``kept`` and not NaN."""

    def forward(confusion: Array) -> Any:
        some = scores(confusion)[kept(confusion)]
        some = some[~np.isnan(some)]
        return np.mean(some) if some.size else np.nan

    return forward


def dice(confusion: Array) -> Array:
    iou = metrics.iou_per_class(confusion)
    return 2 * iou / (1 + iou)


def with_a_small_number(confusion: Array) -> Array:
    found = confusion.diagonal()
    return found / (confusion.sum(0) + confusion.sum(1) - found + 1e-7)


def by_frequency(confusion: Array) -> Any:
    there = confusion.sum(1)
    return np.nansum(metrics.iou_per_class(confusion) * there) / there.sum() if there.sum() else np.nan


def pooled(confusion: Array) -> Any:
    found = confusion.trace()
    return found / (2 * confusion.sum() - found) if confusion.any() else np.nan


def zero_for_nothing(score: Callable) -> Callable:
    return lambda confusion: np.nan_to_num(score(confusion))


def with_true_negatives(confusion: Array) -> Any:
    """The mean over classes of (TP + TN) / all: a wrong pixel is wrong in two classes, and right in all others."""
    n, L = confusion.sum(), len(confusion)
    return 1 - 2 * (n - confusion.trace()) / (n * L) if n else np.nan


ABSENT_0 = "an absent class scores 0"
ABSENT_0_MET = ("Lightning-AI/torchmetrics#2866", "Lightning-AI/torchmetrics#2558", "open-mmlab/mmsegmentation#116")
ABSENT_1 = "an absent class scores 1"
ABSENT_1_MET = ("pyg-team/pytorch_geometric#1982",)
NOTHING = "0 where no pixel counts, not NaN"
NOTHING_SYMPTOM = "nothing, until an image without labels is scored alone: its 0 pulls a mean of images down"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "confusion_matrix",
        "rows and columns exchanged: columns are the truth",
        table_by(lambda truth, prediction, L: pair(prediction, truth, L)),
        "IoU and accuracy are right, they are blind to it; precision and recall change places",
        (
            "nkarasiak/dzetsaka#53",
            "accord-net/framework#669",
            "EnMAP-Box/enmap-box#1055",
            "GilLevi/AgeGenderDeepLearning#29",
        ),
    ),
    Mistake(
        "confusion_matrix",
        "counts ignored pixels, as class 0",
        table_by(beyond_is_class_0, counts=everything),
        "class 0 scores lower than it should, or higher, by what is predicted at unlabelled borders",
    ),
    Mistake(
        "confusion_matrix",
        WHATEVER,
        table_by(counts=not_255),
        "nothing while 255 is the label to ignore; a class that should be left out, as class 0, is counted",
    ),
    Mistake(
        "confusion_matrix",
        "leaves out where the ignored label is predicted, too",
        ignores_predictions_too,
        "right where it is no class; else missed pixels vanish from the table, and recall is too high",
    ),
    Mistake(
        "confusion_matrix",
        "L times the label wraps around in 8 bits",
        table_by(wrapped),
        "right up to 16 classes; with the 19 of Cityscapes the table holds pairs that never occurred",
        ("Lightning-AI/torchmetrics#1510", "open-mmlab/mmsegmentation#1969", "open-mmlab/mmsegmentation#3583"),
    ),
    Mistake(
        "confusion_matrix",
        "counts[labels, predicted] += 1: NumPy adds each pair once",
        each_pair_once,
        "the table holds only 0 and 1, however large the image",
    ),
    Mistake(
        "confusion_matrix",
        "as large as the classes that were seen, not L",
        as_large_as_what_was_seen,
        "right where the last class occurs; tables of other images have another shape and do not add",
        ("Lightning-AI/pytorch-lightning#2753",),
    ),
    Mistake("confusion_matrix", FROM_THE_POINTER, as_both_lie, POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "iou_per_class",
        ABSENT_0,
        iou_by(union, absent=0.0),
        "the mean sinks with every class that a data set does not hold, however good the prediction",
        ABSENT_0_MET,
    ),
    Mistake(
        "iou_per_class",
        ABSENT_1,
        iou_by(union, absent=1.0),
        "the mean rises with every class that a data set does not hold; one hard class seems to be solved",
        ABSENT_1_MET,
    ),
    Mistake(
        "iou_per_class",
        "a small number in the denominator",
        with_a_small_number,
        "0 for an absent class; of others only the last digits differ from those of other scorers",
    ),
    Mistake(
        "iou_per_class",
        "recall: only the true pixels are below",
        iou_by(true_pixels),
        "too high; who sees a class everywhere gets 1 for it",
    ),
    Mistake(
        "iou_per_class",
        "precision: only the predicted pixels are below",
        iou_by(lambda there, seen, found: seen),
        "too high; who sees a class at one pixel, rightly, gets 1 for it",
    ),
    Mistake(
        "iou_per_class",
        "counts the intersection twice below: not subtracted from the sum of the sizes",
        iou_by(lambda there, seen, found: there + seen),
        "never above 1/2, which a perfect prediction gets",
        ("kkweon/UNet-in-Tensorflow#11",),
    ),
    Mistake(
        "iou_per_class",
        "Dice, which is F1: 2 TP / (2 TP + FP + FN)",
        dice,
        "right at 0 and 1, too high between; the order of two predictions is the same for one class, not for a mean",
    ),
    Mistake(
        "mean_iou",
        "absent classes are in the mean, as 0",
        mean_of(iou_by(union, absent=0.0)),
        "sinks with every class that a data set does not hold, however good the prediction",
        ABSENT_0_MET,
    ),
    Mistake(
        "mean_iou",
        "absent classes are in the mean, as 1",
        mean_of(iou_by(union, absent=1.0)),
        "rises with every class that a data set does not hold",
        ABSENT_1_MET,
    ),
    Mistake(
        "mean_iou",
        "NaN as soon as one class is absent",
        lambda confusion: np.mean(metrics.iou_per_class(confusion)),
        "a number for the whole data set; NaN for most single images, and for a small test set",
        ("allenai/rslearn#696",),
    ),
    Mistake(
        "mean_iou",
        "leaves out a class that is predicted and never there",
        mean_of(metrics.iou_per_class, kept=lambda confusion: confusion.sum(1) > 0),
        "too high on a data set that lacks a class: false alarms in it cost only the class they cover",
    ),
    Mistake(
        "mean_iou",
        "leaves out class 0, as if it were background",
        mean_of(metrics.iou_per_class, kept=lambda confusion: slice(1, None)),
        "right for data sets whose class 0 is no class; of Cityscapes the road, an easy class, is missing",
    ),
    Mistake(
        "mean_iou",
        "weighs classes by their size",
        by_frequency,
        "close to the accuracy; rare classes hardly count",
    ),
    Mistake(
        "mean_iou",
        "pools the classes: all intersections over all unions",
        pooled,
        "rises and falls with the accuracy alone; rare classes hardly count",
        ("qubvel-org/segmentation_models.pytorch#226",),
    ),
    Mistake(
        "mean_iou",
        "the mean recall of the classes",
        mean_of(iou_by(true_pixels)),
        "too high: what is seen where it is not costs nothing",
    ),
    Mistake("mean_iou", NOTHING, zero_for_nothing(metrics.mean_iou), NOTHING_SYMPTOM),
    Mistake(
        "pixel_accuracy",
        "the mean over classes of their accuracy",
        mean_of(iou_by(true_pixels)),
        "lower than others report, where rare classes are missed; the same where classes are of one size",
    ),
    Mistake(
        "pixel_accuracy",
        "counts true negatives too: the mean of (TP + TN) / all over the classes",
        with_true_negatives,
        "right for two classes; with 19 a guess gets 0.9, and nothing seems to be wrong",
        ("qubvel-org/segmentation_models.pytorch#783", "haesleinhuepf/the-segmentation-game#6"),
    ),
    Mistake(
        "pixel_accuracy",
        "IoU of all classes together: wrong pixels are below twice",
        pooled,
        "right at 0 and 1, too low between",
    ),
    Mistake("pixel_accuracy", NOTHING, zero_for_nothing(metrics.pixel_accuracy), NOTHING_SYMPTOM),
)
