"""Crops and augmentation: small, varied batches from large images.

Every function takes an image ``(H, W, C)`` and its label map ``(H, W)`` and returns both, so that they stay aligned.
No argument is changed, and all chance comes from the Generator that the caller passes::

    x, labels = draw_batch(samples, np.random.default_rng([seed, step]), 8, 64)

gives the same bits at every call. A resumed run therefore needs to know nothing about earlier batches.
"""

from __future__ import annotations  # so that numpy.random is loaded when it is used, not here

from typing import Any

import numpy as np

from ..notation import HW, IGNORE, Array, Pair
from ..validate import need_choice, need_float, need_int, need_kind, need_number, need_pair, need_shape, shown
from .images import as_float


def _need_image_and_label(op: str, image: Array, label: Array, *, or_bytes: bool = False) -> HW:
    H, W, _ = need_shape(op, "image", image, "H W C")
    if not (or_bytes and image.dtype == np.uint8):
        need_float(op, image=image)
    need_shape(op, "label", label, "H W", H=(H, "image"), W=(W, "image"))
    return H, W


def random_crop(image: Array, label: Array, size: Pair, rng: np.random.Generator) -> tuple[Array, Array]:
    """One window of a fixed size at a random place: ``y[i, j] = image[top + i, left + j]``.

    An image that is smaller than the window lies at a random place inside it. Around it the window holds the mirrored
    image and the label 255, so that no invented pixel is scored.

    Exactness: equals by ``==`` a window of ``np.pad(image, ..., mode="symmetric")``. Source: ours.

    Parameters
    ----------
    image : float ndarray of shape (H, W, C)
    label : integer ndarray of shape (H, W)
    size : int or (rows, columns) pair; the results have shape (rows, columns, C) and (rows, columns)

    Examples
    --------
    >>> image, label = random_crop(np.ones((2, 2, 3)), np.zeros((2, 2), np.uint8), (1, 3), np.random.default_rng(0))
    >>> image.shape, label
    ((1, 3, 3), array([[  0,   0, 255]], dtype=uint8))
    """
    need_kind("random_crop", "rng", rng, np.random.Generator)
    H, W = _need_image_and_label("random_crop", image, label)
    return _window(image, label, (H, W), need_pair("random_crop", "size", size, 1), rng)


def _window(image: Array, label: Array, scaled: HW, size: HW, rng: np.random.Generator) -> tuple[Array, Array]:
    """A random crop of both, which are first resized to ``scaled``: only the pixels of the crop are computed."""
    (H, W), (OH, OW) = scaled, size
    top, left = (int(rng.integers(min(0, n - o), max(0, n - o) + 1)) for n, o in ((H, OH), (W, OW)))
    rows, cols = top + np.arange(OH), left + np.arange(OW)
    inside = ((rows >= 0) & (rows < H))[:, None] & (cols >= 0) & (cols < W)
    image, label = _resized(image, label, scaled, _mirror(rows, H), _mirror(cols, W))
    return image, np.where(inside, label, label.dtype.type(IGNORE))


def _mirror(i: Array, size: int) -> Array:
    """Fold any integers into ``range(size)`` as mirrors at both ends do: ... 1 0 | 0 1 2 | 2 1 0 | 0 ..."""
    i = i % (2 * size)
    return np.minimum(i, 2 * size - 1 - i)


def hflip(image: Array, label: Array) -> tuple[Array, Array]:
    """Exchange left and right: ``y[i, j] = image[i, W - 1 - j]``. The results are views.

    >>> hflip(np.zeros((1, 2, 3)), np.array([[4, 5]]))[1]
    array([[5, 4]])
    """
    _need_image_and_label("hflip", image, label)
    return image[:, ::-1], label[:, ::-1]


def random_scale(
    image: Array, label: Array, rng: np.random.Generator, *, low: float = 0.5, high: float = 2.0
) -> tuple[Array, Array]:
    """:func:`resize` both by one random factor s to ``(round(s H), round(s W))``, but at least one pixel a side.

    The factor is from ``low`` to ``high``, and its logarithm is uniform. With ``low = high = 1``, nothing changes.
    """
    need_kind("random_scale", "rng", rng, np.random.Generator)
    need_number("random_scale", "low", low, 1e-3, 1e3)
    need_number("random_scale", "high", high, low, 1e3)
    return resize(image, label, _scaled(_need_image_and_label("random_scale", image, label), rng, low, high))


def _scaled(size: HW, rng: np.random.Generator, low: float, high: float) -> HW:
    """The size (H, W) times a random factor."""
    scale = low * (high / low) ** rng.random()
    return max(1, round(scale * size[0])), max(1, round(scale * size[1]))


def resize(image: Array, label: Array, size: Pair) -> tuple[Array, Array]:
    """Resize both to ``size = (rows, columns)``: the image bilinear, the label by its nearest pixel.

    Labels are not interpolated, because the mean of the classes 3 and 5 is not class 4. In both maps the centre of
    pixel i is at ``i + 1/2``, so image and label stay aligned.

    Exactness: the label equals ``label[floor((i + 1/2) H / OH), floor((j + 1/2) W / OW)]`` by ``==``, except where that
    point is on the border of two pixels. The image is that of Pillow, which averages when it shrinks, to one rounding:
    here the columns are always made first, then the rows. Source: Pillow; status from code.

    Parameters
    ----------
    image : float ndarray of shape (H, W, C)
    label : uint8 ndarray of shape (H, W)
    size : int or (rows, columns) pair; the results have shape (rows, columns, C) and (rows, columns)
    """
    _need_image_and_label("resize", image, label)
    OH, OW = need_pair("resize", "size", size, 1)
    need_choice("resize", "label.dtype", str(label.dtype), ("uint8",))
    return _resized(image, label, (OH, OW), np.arange(OH), np.arange(OW))


def _resized(image: Array, label: Array, size: HW, rows: Array, cols: Array) -> tuple[Array, Array]:
    """These rows and columns of both at the new size. Bytes become floats, so that a crop of them costs little."""
    if size == label.shape:
        return as_float(image[rows[:, None], cols]), label[rows[:, None], cols]
    (H, W), (OH, OW) = label.shape, size
    (i, down), (j, across) = _bilinear(H, OH, rows), _bilinear(W, OW, cols)
    top, left = i.min(), j.min()
    part = as_float(image[top : i.max() + 1, left : j.max() + 1])
    wide: Any = sum(part[:, tap - left] * weight[:, None] for tap, weight in zip(j, across))
    wide = wide.astype(part.dtype)
    y: Any = sum(wide[tap - top] * weight[:, None, None] for tap, weight in zip(i, down))
    return y.astype(part.dtype), label[_nearest(H, OH)[rows][:, None], _nearest(W, OW)[cols]]


def _bilinear(n: int, o: int, at: Array) -> tuple[Array, Array]:
    """Where ``n`` values are resized to ``o``: the values (taps, len(at)) that make those ``at``, and their weights.

    The weights fall from the centre to 0 at the next value, or, where values are averaged, at the next result.
    """
    scale = n / o
    centre, support = (at + 0.5) * scale, max(scale, 1.0)
    first = np.maximum((centre - support + 0.5).astype(int), 0)
    last = np.minimum((centre + support + 0.5).astype(int), n)
    taps = first + np.arange((last - first).max())[:, None]
    weights = np.maximum(1 - np.abs((taps - centre + 0.5) * (1 / support)), 0) * (taps < last)
    return np.minimum(taps, n - 1), weights / weights.sum(0)


def _nearest(n: int, o: int) -> Array:
    """The index, of ``n``, that each of ``o`` takes; Pillow decides where two are nearest."""
    from PIL import Image

    index = Image.fromarray(np.arange(n, dtype=np.int32)[None])
    return np.asarray(index.resize((o, 1), Image.Resampling.NEAREST))[0]


def colour_jitter(
    image: Array, label: Array, rng: np.random.Generator, *, brightness: float = 0.2, contrast: float = 0.2
) -> tuple[Array, Array]:
    """Change the exposure: ``y = clip(c (b image - m) + m, 0, 1)``, where m is the mean of ``b image``.

    ``b`` is uniform from ``1 - brightness`` to ``1 + brightness``, and ``c`` likewise with ``contrast``. The label
    stays. If both amounts are 0, nothing changes.
    """
    need_kind("colour_jitter", "rng", rng, np.random.Generator)
    _need_image_and_label("colour_jitter", image, label)
    need_number("colour_jitter", "brightness", brightness, 0, 1)
    need_number("colour_jitter", "contrast", contrast, 0, 1)
    b, c = 1 + np.array([brightness, contrast]) * rng.uniform(-1, 1, 2)
    if b == c == 1:
        return image, label
    bright = image * image.dtype.type(b)
    mean = bright.mean(dtype=np.float64).astype(image.dtype)
    return np.clip((bright - mean) * image.dtype.type(c) + mean, 0, 1), label


def recolour(image: Array, label: Array, rng: np.random.Generator, *, grey: float = 0.25) -> tuple[Array, Array]:
    """Change the colours and keep the shapes: ``y[..., c] = image[..., order[c]] ** power[c]``.

    ``order`` is a random permutation; each power is from 1/2 to 2, its logarithm uniform. With probability ``grey``,
    all channels become their mean. The label stays. With data of few objects, this keeps a network from learning the
    colour of each object by heart.
    """
    need_kind("recolour", "rng", rng, np.random.Generator)
    _need_image_and_label("recolour", image, label)
    need_number("recolour", "grey", grey, 0, 1)
    power = (2 ** rng.uniform(-1, 1, image.shape[-1:])).astype(image.dtype)
    y = image[..., rng.permutation(image.shape[-1])] ** power
    return np.broadcast_to(y.mean(-1, keepdims=True), y.shape) if rng.random() < grey else y, label


def draw_batch(
    samples: Any, rng: np.random.Generator, batch_size: int, crop: Pair, *,
    scale: tuple[float, float] = (0.75, 1.5), flip: float = 0.5, jitter: float = 0.2, paint: float = 0.0,
) -> tuple[Array, Array]:  # fmt: skip
    """One training batch: draw samples with replacement; scale, crop, flip and recolour each of them.

    The crop is that of :func:`random_scale` and :func:`random_crop`, but only its own pixels are computed.
    ``x`` is float32 of shape (batch_size, rows, columns, C); ``labels`` is uint8 of shape (batch_size, rows, columns),
    and 255 is ignored. Exactness: the same state of the generator gives the same bits.
    Source: ours; scaling, cropping and flipping are common practice.

    Parameters
    ----------
    samples : sequence of Sample, or of (image, label) pairs; a ``Dataset`` reads only the samples that are drawn, and
        keeps them
    crop : int or (rows, columns) pair
    scale : (low, high) pair of float; the factors of :func:`random_scale`
    flip, paint : float; probabilities of :func:`hflip` and :func:`recolour`
    jitter : float; brightness and contrast of :func:`colour_jitter`
    """
    N = need_int("draw_batch", "batch_size", batch_size, 1)
    size = need_pair("draw_batch", "crop", crop, 1)
    for name, share in {"flip": flip, "jitter": jitter, "paint": paint}.items():
        need_number("draw_batch", name, share, 0, 1)
    if not isinstance(scale, (tuple, list)) or len(scale) != 2:
        raise ValueError(f"draw_batch: scale is {shown(scale)}, expected a (low, high) pair")
    low = need_number("draw_batch", "scale[0]", scale[0], 1e-3, 1e3)
    high = need_number("draw_batch", "scale[1]", scale[1], low, 1e3)
    need_kind("draw_batch", "rng", rng, np.random.Generator)
    if not hasattr(samples, "__len__") or not hasattr(samples, "__getitem__"):
        raise TypeError(f"draw_batch: samples is {shown(samples)}, expected a sequence of samples")
    need_int("draw_batch", "len(samples)", len(samples), 1)
    batch, read = [], getattr(samples, "stored", samples.__getitem__)
    for i in rng.integers(len(samples), size=N):
        image, label = read(int(i))[:2]
        scaled = _scaled(_need_image_and_label("draw_batch", image, label, or_bytes=True), rng, low, high)
        image, label = _window(image, label, scaled, size, rng)
        if rng.random() < flip:
            image, label = hflip(image, label)
        if paint and rng.random() < paint:
            image, label = recolour(image, label, rng)
        image, label = colour_jitter(image, label, rng, brightness=jitter, contrast=jitter)
        batch.append((image, label))
    images, labels = map(np.stack, zip(*batch))
    return images.astype(np.float32, copy=False), labels
