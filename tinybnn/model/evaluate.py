"""Scores of any predictor on any data set, by the metrics of the data set's own task."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..data.samples import Dataset, Sample
from ..metrics.labels import confusion_matrix, iou_per_class, mean_iou, road_scores, threshold_counts
from ..metrics.saliency import e_measure, f_curve, mae, max_f, s_measure
from ..notation import HW, IGNORE, Array, Pair, ceil_div
from ..ops.activation import sigmoid
from ..validate import need_array, need_choice, need_int, need_pair, need_shape
from .cost import anchors
from .net import Config, Network

BAND = 2**18
"""Pixels of an image that are predicted at a time. In the float simulation they take some 200 MB."""


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
    m = need_int("pad_to_multiple", "m", m, 1)
    missing = (0, -H % m), (0, -W % m), (0, 0)
    return np.pad(image, missing, mode="symmetric") if np.any(missing) else image, (H, W)


def crop_back(array: Array, size: Pair) -> Array:
    """The part ``array[:H, :W]`` of a prediction ``(H', W', ...)`` that belongs to the image of ``size = (H, W)``."""
    need_array("crop_back", "array", array)
    H, W = need_pair("crop_back", "size", size, 1)
    if array.ndim < 2 or array.shape[0] < H or array.shape[1] < W:
        raise ValueError(f"crop_back: array has shape {array.shape}, expected at least ({H}, {W}) in front")
    return array[:H, :W]


def predict(logits_of: Callable[[Array], Array], image: Array, stride: int) -> Array:
    """Logits (H, W, L) of an image (H, W, 3) of any size: pad it to a multiple of ``stride``, predict, crop the logits.

    ``logits_of`` is a function from a batch (1, H, W, 3) to logits (1, H, W, L).
    """
    bands = [logits for _, logits in predict_bands(logits_of, image, stride)]
    return bands[0] if len(bands) == 1 else np.concatenate(bands)


def predict_bands(
    logits_of: Callable[[Array], Array], image: Array, stride: int, pixels: int = BAND
) -> Iterator[tuple[slice, Array]]:
    """The logits of :func:`predict` from top to bottom, some rows at a time: ``(rows, logits[rows])``.

    A :class:`tinybnn.model.net.Network` computes bands of about ``pixels`` pixels, so that its memory grows with the
    map of low resolution alone. Any other function computes the whole image.

    Exactness: a binary network gives the same bits for every ``pixels``: its binary layers are exact, and its float
    layers multiply row by row. The float twin multiplies several rows at once, so its bands agree to rounding.
    Gates per position and upsampling with aligned corners need the whole map, so their decoder runs in one band.
    """
    need_int("predict_bands", "pixels", pixels, 1)
    padded, (H, W) = pad_to_multiple(image, stride)
    x, end = padded[None], 0
    for logits in logits_in_bands(logits_of, x, pixels) if isinstance(logits_of, Network) else [logits_of(x)]:
        start, end = end, min(H, end + logits.shape[1])
        yield slice(start, end), logits[0, : end - start, :W]


def logits_in_bands(network: Network, x: Array, pixels: int) -> Iterator[Array]:
    """The logits of an image whose sides are multiples of the stride, band by band: (1, rows, W, L)."""
    (_, H, W, _), stride, (encoding, decoding) = x.shape, network.config.stride, halos(network.config)
    units = ceil_div(H, stride)
    rows = ceil_div(units, min(units, ceil_div(H * W, pixels)))
    try:
        encoded = list(in_bands(network.encode, x, stride, 4 * rows, encoding))  # takes a quarter of decode's memory
        low = network.attend(np.concatenate(encoded, axis=1))
        yield from in_bands(network.decode, low, 1, units if decoding is None else rows, decoding or 0)
    except MemoryError:
        need = f"{memory_needed(network, (H, W)):,.0f} MB"
        raise ValueError(f"predict: {H} x {W} pixels need about {need} of memory, more than there are") from None


def halos(config: Config) -> tuple[int, int | None]:
    """Rows of the low resolution beyond a band that encoder and decoder read; None if a row's result needs them all.

    A 3x3 convolution reads one row more on each side. Counted in rows of the low resolution, that is at most 1 for the
    stem and the halvings together, and 2 for all other blocks of the encoder. Each upsampling block needs half of what
    the next one needs and half a row more, and interpolation one more: together 1, or 2.
    """
    whole = config.upsample == "bilinear-corners" or config.gate == "position" and config.branches > 1
    return 2 * config.depth - 1, None if whole else 1 + (config.upsample == "bilinear")


def in_bands(f: Callable[[Array], Array], x: Array, unit: int, rows: int, halo: int) -> Iterator[Array]:
    """The rows of ``f(x)``, ``rows`` units at a time; a unit is ``unit`` rows of ``x``.

    ``f`` gets each band with ``halo`` more units on both sides, as far as there are any, and their results are cut off.
    So only the true border is padded as a border.
    """
    units = ceil_div(x.shape[1], unit)
    for first in range(0, units, rows):
        last = min(units, first + rows)
        top, bottom = max(0, first - halo), min(units, last + halo)
        y = f(x[:, unit * top : unit * bottom])
        scale = y.shape[1] // (bottom - top)
        yield y[:, scale * (first - top) : scale * (last - top)]


def memory_needed(network: Network, size: HW) -> float:
    """About how many MB :func:`predict_bands` needs for an image of ``size`` (H, W), together with the image itself.

    Attention needs the most, or a band in the decoder. How many maps and scores are in memory at once was measured.
    """
    (H, W), c = size, network.config
    T, D = ceil_div(H, c.stride) * ceil_div(W, c.stride), c.width * 2**c.stages
    keys = {"full": T, "pooled": anchors(c.levels), "two-part": anchors(c.levels)}.get(c.attention, 0)
    attention = (11 if network.packed else 24) * T * D + 3.5 * c.heads * T * keys
    halo = halos(c)[1]
    pixels = H * W if halo is None else min(H * W, BAND + 2 * halo * c.stride * W)
    maps = (5 + 2 * c.branches) * (1 if c.upsample == "nearest" else 1.5) * (0.7 if network.packed else 1)
    decoder = pixels * (maps * c.width + 2 * c.classes) + 2 * T * D
    return 4 * (6 * H * W + max(attention, decoder)) / 1e6


def differing_logits(
    one: Callable[[Array], Array], other: Callable[[Array], Array], samples: Dataset | Sequence[Sample], stride: int
) -> int:
    """How many logits of all samples differ, by ``==``, between two forms of a network, each as in :func:`predict`."""
    pairs = ((predict(form, image, stride) for form in (one, other)) for image, *_ in samples)
    return sum(int((a != b).sum()) for a, b in pairs)


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
    need_choice("evaluate", "task", task, ("labels", "road", "saliency"))
    need_int("evaluate", "len(samples)", len(samples), 1)
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
