"""Scores of any predictor on any data set: what a prediction is worth, by the metrics of the data set's own task."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.augment import crop_back, pad_to_multiple
from ..data.samples import Dataset, Sample
from ..metrics.labels import confusion_matrix, iou_per_class, mean_iou, road_scores, threshold_counts
from ..metrics.saliency import e_measure, f_curve, mae, max_f, s_measure
from ..notation import Array


def predict(logits_of: Callable[[Array], Array], image: Array, stride: int) -> Array:
    """Logits of one image of any size: mirrored up to a multiple of ``stride``, predicted, cropped back.

    Parameters
    ----------
    logits_of : callable
        From a batch (1, H, W, 3) to logits (1, H, W, L).
    image : ndarray of shape (H, W, 3)

    Returns
    -------
    ndarray of shape (H, W, L)
    """
    padded, size = pad_to_multiple(image, stride)
    return crop_back(logits_of(padded[None])[0], size)


def differing_logits(
    one: Callable[[Array], Array], other: Callable[[Array], Array], samples: Dataset | Sequence[Sample], stride: int
) -> int:
    """How many logits of all samples differ, by ``==``, between two forms of a network, each as in :func:`predict`."""
    batches = (pad_to_multiple(image, stride)[0][None] for image, *_ in samples)
    return sum(int((one(x) != other(x)).sum()) for x in batches)


def probability(logits: Array) -> Array:
    """Of class 1 against class 0, for networks of two classes: ``sigmoid(z1 - z0)``."""
    return 0.5 * (1 + np.tanh((logits[..., 1] - logits[..., 0]) / 2))


def evaluate(
    logits_of: Callable[[Array], Array],
    samples: Dataset | Sequence[Sample],
    *,
    task: str,
    classes: Sequence[str],
    stride: int,
) -> dict[str, float]:
    """Scores by name, each a float, in the order in which they are worth reading.

    Parameters
    ----------
    logits_of : callable
        As in :func:`predict`.
    samples : sequence of Sample
    task : "labels", "road" or "saliency"
        Labels: mIoU and the IoU of each class. Road: MaxF, AP and the rest, in perspective view. Saliency: IoU of the
        object, MAE, max-F, S-measure, E-measure.
    classes : sequence of str
    stride : int
    """
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    counts: Any = 0
    rows = []
    for image, label, _ in samples:
        logits = predict(logits_of, image, stride)
        confusion += confusion_matrix(logits.argmax(-1), label, len(classes))
        if task == "road":
            counts = counts + threshold_counts(probability(logits), label)
        if task == "saliency":
            p, t = probability(logits), label == 1
            rows.append((mae(p, t), f_curve(p, t), s_measure(p, t), e_measure(p, t)))
    ious = iou_per_class(confusion)
    if task == "labels":
        return {"mIoU": float(mean_iou(confusion))} | {f"IoU {c}": float(v) for c, v in zip(classes, ious)}
    if task == "road":
        return {"IoU": float(ious[1])} | {k: float(v) for k, v in road_scores(counts)._asdict().items()}
    errors, curves, s, e = zip(*rows)
    return {
        "IoU": float(ious[1]),
        "MAE": float(np.mean(errors)),
        "max-F": float(max_f(curves)),
        "S": float(np.mean(s)),
        "E": float(np.mean(e)),
    }
