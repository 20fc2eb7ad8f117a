"""Scores of any predictor on any data set, by the metrics of the data set's own task."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.samples import Dataset, Sample
from ..metrics.labels import confusion_matrix, iou_per_class, mean_iou, road_scores, threshold_counts
from ..metrics.saliency import e_measure, f_curve, mae, max_f, s_measure
from ..notation import HW, IGNORE, Array, Pair
from ..ops.activation import sigmoid
from ..validate import need_int, need_pair, need_shape


def pad_to_multiple(image: Array, m: int) -> tuple[Array, HW]:
    """Mirror the image below and to the right until both sides are multiples of ``m``.

    A network that halves its input three times needs multiples of 8, and photographs are 321 x 481.
    :func:`crop_back` removes the padding.

    Parameters
    ----------
    image : ndarray of shape (H, W, C)
    m : int

    Returns
    -------
    padded : ndarray of shape (m ceil(H / m), m ceil(W / m), C)
        ``padded[:H, :W]`` equals ``image`` by ``==``.
    size : (H, W)

    Examples
    --------
    >>> padded, size = pad_to_multiple(np.zeros((321, 481, 3)), 8)
    >>> padded.shape, size
    ((328, 488, 3), (321, 481))
    """
    H, W, _ = need_shape("pad_to_multiple", "image", image, "H W C")
    need_int("pad_to_multiple", "H", H, 1)
    need_int("pad_to_multiple", "W", W, 1)
    m = need_int("pad_to_multiple", "m", m, 1)
    return np.pad(image, ((0, -H % m), (0, -W % m), (0, 0)), mode="symmetric"), (H, W)


def crop_back(array: Array, size: Pair) -> Array:
    """The part ``array[:H, :W]`` of a prediction ``(H', W', ...)`` that belongs to the image of ``size = (H, W)``."""
    H, W = need_pair("crop_back", "size", size, 1)
    if array.ndim < 2 or array.shape[0] < H or array.shape[1] < W:
        raise ValueError(f"crop_back: array has shape {array.shape}, expected at least ({H}, {W}) in front")
    return array[:H, :W]


def predict(logits_of: Callable[[Array], Array], image: Array, stride: int) -> Array:
    """Logits (H, W, L) of an image (H, W, 3) of any size: pad it to a multiple of ``stride``, predict, crop the logits.

    ``logits_of`` is a function from a batch (1, H, W, 3) to logits (1, H, W, L).
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
    """The probability of class 1, for networks of two classes: ``sigmoid(z1 - z0)``."""
    return sigmoid(logits[..., 1] - logits[..., 0])[0]


def stretched(p: Array, counted: Array) -> Array:
    """A map of probabilities as ``py_sod_metrics`` scores it: rounded to 8 bits, then its range made [0, 1].

    The range is that of the pixels that count.
    """
    grey = np.rint(255 * p).astype(np.float64)
    low, high = grey[counted].min(), grey[counted].max()
    return np.clip((grey - low) / (high - low), 0, 1) if high > low else grey / 255


def evaluate(
    logits_of: Callable[[Array], Array], samples: Dataset | Sequence[Sample], *,
    task: str, classes: Sequence[str], stride: int, normalise: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Scores by name, each a float; the most important comes first.

    Parameters
    ----------
    logits_of, stride
        As in :func:`predict`.
    samples : sequence of Sample
    task : "labels", "road" or "saliency"
        Labels: mIoU and the IoU of each class. Road: MaxF, AP and the rest, in perspective view. Saliency: IoU of the
        object, MAE, max-F, S-measure, E-measure; images of which no pixel counts are left out of the last four.
    classes : sequence of str
    normalise : bool
        Only for saliency: each prediction is :func:`stretched`, except for the IoU.
    """
    if normalise and task != "saliency":
        raise ValueError(f"evaluate: normalise is for saliency, and the task is {task!r}")
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    counts: Any = 0
    rows = []
    for image, label, _ in samples:
        logits = predict(logits_of, image, stride)
        confusion += confusion_matrix(logits.argmax(-1), label, len(classes))
        if task == "road":
            counts = counts + threshold_counts(probability(logits), label)
        if task == "saliency" and (counted := label != IGNORE).any():
            p = stretched(probability(logits), counted) if normalise else probability(logits)
            rows.append((mae(p, label), f_curve(p, label), s_measure(p, label), e_measure(p, label)))
    ious = iou_per_class(confusion)
    if task == "labels":
        return {"mIoU": float(mean_iou(confusion))} | {f"IoU {c}": float(v) for c, v in zip(classes, ious)}
    if task == "road":
        return {"IoU": float(ious[1])} | {k: float(v) for k, v in road_scores(counts)._asdict().items()}
    if not rows:
        raise ValueError("evaluate: no pixel of the samples counts, expected labels other than 255")
    errors, curves, s, e = zip(*rows)
    scores = {"IoU": ious[1], "MAE": np.mean(errors), "max-F": max_f(curves), "S": np.mean(s), "E": np.mean(e)}
    return {name: float(value) for name, value in scores.items()}
