"""Scores of labels: IoU from a confusion matrix, and the scores of a road at 256 thresholds.

Both are computed from tables of integers::

    labels          confusion_matrix    (L, L)      -> iou_per_class, mean_iou, pixel_accuracy
    probabilities   threshold_counts    (256, 4)    -> road_scores: MaxF, average precision, ...

For a data set, add the tables of all images and then compute the score; papers do not report the mean of the scores of
single images. A score whose denominator is 0 is NaN.
:mod:`tinybnn.metrics.saliency` has the scores of salient objects, which are computed image by image.
"""

import math
from typing import NamedTuple

import numpy as np

from ..notation import IGNORE, Array
from ..validate import need_array, need_dtype, need_float, need_int, need_labels, need_probability, need_shape


def confusion_matrix_loops(predicted: Array, labels: Array, L: int, *, ignore: int | None = IGNORE) -> Array:
    """Specification of :func:`confusion_matrix`: each pixel adds 1 to one entry."""
    counts = np.zeros((L, L), np.int64)
    for i in np.ndindex(labels.shape):
        if labels[i] != ignore:
            counts[labels[i], predicted[i]] += 1
    return counts


def confusion_matrix(predicted: Array, labels: Array, L: int, *, ignore: int | None = IGNORE) -> Array:
    """How many pixels of class r were predicted as class c: ``counts[r, c] = #{i : labels[i] = r, predicted[i] = c}``.

    The result is int64 of shape (L, L).
    Exactness: equals :func:`confusion_matrix_loops` by ``==``.
    Source: textbook; status exact. Rows and columns as in scikit-learn and in the Cityscapes scorer.

    Parameters
    ----------
    predicted : integer ndarray of any shape; 0..L-1 wherever the label counts, any number elsewhere
    labels : integer ndarray of the same shape; 0..L-1 or ``ignore``

    Examples
    --------
    >>> confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 255]), 2)
    array([[1, 1],
           [0, 1]])
    """
    op = "confusion_matrix"
    need_int(op, "L", L, 1)
    need_dtype(op, "predicted", predicted, np.integer)
    counted = need_labels(op, "labels", labels, predicted.shape, L, ignore)
    need_labels(op, "predicted", np.where(counted, predicted, 0), labels.shape, L)
    pairs = L * labels[counted].astype(np.int64) + predicted[counted].astype(np.int64)  # uint8 would wrap at L = 17
    return np.bincount(pairs, minlength=L * L).reshape(L, L)


def iou_per_class_loops(confusion: Array) -> Array:
    """Specification of :func:`iou_per_class`."""
    L = len(confusion)
    iou = np.empty(L)
    for c in range(L):
        found = int(confusion[c, c])
        missed = sum(int(confusion[c, k]) for k in range(L) if k != c)
        mistaken = sum(int(confusion[k, c]) for k in range(L) if k != c)
        union = found + missed + mistaken
        iou[c] = found / union if union else math.nan
    return iou


def iou_per_class(confusion: Array) -> Array:
    """Intersection over union of each class: ``iou[c] = TP / (TP + FP + FN)``.

    The result is float64 of shape (L,): NaN for a class that neither occurs nor is predicted, 0 if only predicted.
    Exactness: equals :func:`iou_per_class_loops` by ``==``. Exchanging truth and prediction changes nothing.
    Source: Everingham 2010 (Pascal VOC), and the scorer of Cityscapes, Cordts 2016, arXiv 1604.01685; status exact.

    Parameters
    ----------
    confusion : integer ndarray of shape (L, L); summed over all images

    Examples
    --------
    >>> iou_per_class(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    array([0.75, 0.8 ,  nan])
    """
    _need_confusion("iou_per_class", confusion)
    found = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - found
    return np.divide(found, union, out=np.full(len(found), np.nan), where=union > 0)


def mean_iou_loops(confusion: Array) -> float:
    """Specification of :func:`mean_iou`."""
    ious = [v for v in iou_per_class_loops(confusion) if not math.isnan(v)]
    return sum(ious) / len(ious) if ious else math.nan


def mean_iou(confusion: Array) -> float:
    """The mean of :func:`iou_per_class` over the classes whose IoU is not NaN; NaN where no pixel counts.

    Exactness: agrees with :func:`mean_iou_loops` to the rounding of one sum. Source: as :func:`iou_per_class`, exact.

    Examples
    --------
    >>> print(mean_iou(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])))
    0.775
    """
    _need_confusion("mean_iou", confusion)
    iou = iou_per_class(confusion)
    occurs = ~np.isnan(iou)
    return np.mean(iou[occurs]) if occurs.any() else np.float64(np.nan)


def pixel_accuracy_loops(confusion: Array) -> float:
    """Specification of :func:`pixel_accuracy`."""
    right, count = sum(int(confusion[c, c]) for c in range(len(confusion))), sum(int(v) for v in confusion.flat)
    return right / count if count else math.nan


def pixel_accuracy(confusion: Array) -> float:
    """The share of the counted pixels whose class is right: ``trace / sum``; NaN where no pixel counts.

    Large classes dominate it: in a street, road and buildings alone are most of the pixels.
    Exactness: equals :func:`pixel_accuracy_loops` by ``==``. Source: textbook; status exact.

    Examples
    --------
    >>> print(pixel_accuracy(np.array([[3, 1], [0, 4]])))
    0.875
    """
    _need_confusion("pixel_accuracy", confusion)
    return confusion.trace() / confusion.sum() if confusion.any() else np.float64(np.nan)


def _need_confusion(op: str, confusion: Array) -> None:
    need_array(op, "confusion", confusion)
    need_shape(op, "confusion", confusion, "L L", L=(len(confusion), "its rows"))
    need_dtype(op, "confusion", confusion, np.integer)


THRESHOLDS = (np.arange(256) / 255).astype(np.float32)
"""``k / 255``, the greys of an 8-bit image, in float32."""


def threshold_counts_loops(probability: Array, labels: Array, *, ignore: int | None = IGNORE) -> Array:
    """Specification of :func:`threshold_counts`: each pixel is compared with each threshold."""
    counts = np.zeros((256, 4), np.int64)
    for i in np.ndindex(labels.shape):
        for k in range(256):
            if labels[i] != ignore:
                positive, true = np.float32(probability[i]) >= np.float32(k / 255), labels[i] == 1
                counts[k, (0 if true else 1) if positive else (2 if true else 3)] += 1
    return counts


def threshold_counts(probability: Array, labels: Array, *, ignore: int | None = IGNORE) -> Array:
    """True and false positives and negatives at each threshold: a pixel is positive at ``k`` where ``p >= k / 255``.

    Probabilities and thresholds are first rounded to float32. So ``p = k / 255`` is always positive at ``k``: in
    float32, in float64, and from an 8-bit image. A float64 up to 3e-8 below a threshold is positive there too.
    The result is int64 of shape (256, 4); its columns are TP, FP, FN, TN.

    Exactness: equals :func:`threshold_counts_loops` by ``==``.
    Source: Fritsch 2013 and the KITTI road devkit; status from code. The rounding to float32 is ours.
    See also: :func:`road_scores`; :func:`tinybnn.metrics.saliency.f_curve`.

    Parameters
    ----------
    probability : float ndarray of any shape; the probability of class 1, in [0, 1] wherever the label counts
    labels : integer ndarray of the same shape; 0, 1 or ``ignore``

    Examples
    --------
    >>> threshold_counts(np.array([0.0, 0.5, 1.0]), np.array([0, 1, 1]))[[0, 127, 128, 255]]
    array([[2, 1, 0, 0],
           [2, 0, 0, 1],
           [1, 0, 1, 1],
           [1, 0, 1, 1]])
    """
    need_float("threshold_counts", probability=probability)
    counted = need_labels("threshold_counts", "labels", labels, probability.shape, 2, ignore)
    need_probability("threshold_counts", "probability", np.where(counted, probability, 0))
    p, true = probability[counted].astype(np.float32), labels[counted] == 1
    level = np.searchsorted(THRESHOLDS, p, side="right") - 1  # the last threshold that p reaches
    TP, FP = (np.bincount(level[of], minlength=256)[::-1].cumsum()[::-1] for of in (true, ~true))
    return np.stack([TP, FP, TP[0] - TP, FP[0] - FP], axis=1)


class RoadScores(NamedTuple):
    """The six scores of the KITTI road benchmark; the last four are those at the threshold with the largest F."""

    max_f: float
    average_precision: float
    precision: float
    recall: float
    fpr: float
    fnr: float


def road_scores_loops(counts: Array) -> Array:
    """Specification of :func:`road_scores`."""
    rows = [[int(v) for v in row] for row in counts]
    road, rest = rows[0][0] + rows[0][2], rows[0][1] + rows[0][3]
    if road == 0:
        return np.full(6, math.nan)
    best, best_f, average = 0, -1.0, 0.0
    for k, (TP, FP, FN, _) in enumerate(rows):
        f = 2 * TP / (2 * TP + FP + FN)
        if f > best_f:
            best, best_f = k, f
    for tenth in range(11):
        reached = [TP / (TP + FP) for TP, FP, _, _ in rows if TP and 10 * TP >= tenth * road]
        average += max(reached, default=0.0) / 11
    TP, FP, FN, _ = rows[best]
    precision = TP / (TP + FP) if TP else 0.0
    return np.array([best_f, average, precision, TP / road, FP / rest if rest else math.nan, FN / road])


def road_scores(counts: Array) -> RoadScores:
    """The scores of a road in float64, from its counts at 256 thresholds.

    ::

        precision P = TP / (TP + FP)        F = 2 P R / (P + R) = 2 TP / (2 TP + FP + FN)
        recall    R = TP / (TP + FN)        max_f = max over thresholds of F
        FPR = FP / (FP + TN)                average_precision = 1/11 sum over r = 0, 1/10, ..., 1
        FNR = FN / (TP + FN)                                    of the largest P among thresholds with R >= r

    P is 0 where no pixel is positive. Of thresholds with the same F, the lowest counts. All scores are NaN where no
    pixel is road, and ``fpr`` is NaN where every pixel is.
    Exactness: agrees with :func:`road_scores_loops` to the rounding of one mean.
    Source: Fritsch 2013 and the KITTI road devkit; status from code, with two differences. No 1e-10 is added to
    denominators. ``R >= r`` is compared in whole numbers, because the devkit's ``np.arange(0, 1.1, 0.1)`` misses a
    recall of exactly 3/10, 6/10 or 7/10; that changed the average precision of 13 of 400 random maps, by up to 7.3e-4.
    All other scores agreed to 1e-10. The official scores are computed in bird's-eye view; those of the image are called
    "perspective".

    Parameters
    ----------
    counts : integer ndarray of shape (256, 4); of :func:`threshold_counts`, summed over all images of a category

    Examples
    --------
    >>> counts = threshold_counts(np.array([0.0, 0.5, 1.0]), np.array([0, 1, 1]))
    >>> [round(float(v), 3) for v in road_scores(counts)]
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    need_shape("road_scores", "counts", counts, "256 4")
    need_dtype("road_scores", "counts", counts, np.integer)
    TP, FP, FN, TN = counts.astype(np.int64).T
    road, rest = TP[0] + FN[0], FP[0] + TN[0]
    if road == 0:
        return RoadScores(*np.full(6, np.nan))
    f = 2 * TP / (2 * TP + FP + FN)
    precision = TP / np.maximum(TP + FP, 1)
    average = np.mean([np.max(precision, where=10 * TP >= r * road, initial=0) for r in range(11)])
    k = f.argmax()
    fpr = FP[k] / rest if rest else np.float64(np.nan)
    return RoadScores(f[k], average, precision[k], TP[k] / road, fpr, FN[k] / road)
