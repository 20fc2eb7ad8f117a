"""Crops and augmentation. After this page a folder of large images is an endless stream of small, varied batches.

Every function takes an image ``(H, W, C)`` with its label map ``(H, W)`` and returns both, so that they cannot come
apart. Nothing is written into an argument, and chance comes only from the Generator that is handed in::

    x, labels = draw_batch(samples, np.random.default_rng([seed, step]), 8, 64)

gives the same bits whenever it is called: a resumed run needs no memory of the batches before.
"""

from typing import Any

import numpy as np
from numpy.random import Generator

from ..notation import IGNORE, Array, Pair
from ..validate import need_choice, need_float, need_int, need_number, need_pair, need_shape


def _need_pair(op: str, image: Array, label: Array) -> tuple[int, int]:
    H, W, _ = need_shape(op, "image", image, "H W C")
    need_float(op, image=image)
    need_shape(op, "label", label, "H W", H=(H, "image"), W=(W, "image"))
    return H, W


def _mirror(i: Array, size: int) -> Array:
    """Positions inside ``range(size)`` for any integers, as between two mirrors: ... 1 0 | 0 1 2 | 2 1 0 | 0 ..."""
    i = i % (2 * size)
    return np.minimum(i, 2 * size - 1 - i)


def random_crop(image: Array, label: Array, size: Pair, rng: Generator) -> tuple[Array, Array]:
    """One window of a fixed size: ``y[i, j] = image[top + i, left + j]``, the corner drawn evenly.

    Where the image is smaller than the window it falls anywhere inside it: the image goes on mirrored at its edges,
    the label goes on as 255, so that what was made up is never scored.

    Parameters
    ----------
    image : float ndarray of shape (H, W, C)
    label : integer ndarray of shape (H, W)
    size : int or (rows, columns) pair
    rng : numpy.random.Generator

    Returns
    -------
    image : ndarray of shape (rows, columns, C)
    label : ndarray of shape (rows, columns)

    Notes
    -----
    Exactness: values are copied; by ``==`` a window of ``np.pad(image, mode="symmetric")``.
    Source: ours.

    Examples
    --------
    >>> image, label = random_crop(np.ones((2, 2, 3)), np.zeros((2, 2), np.uint8), (1, 3), np.random.default_rng(0))
    >>> image.shape, label
    ((1, 3, 3), array([[  0,   0, 255]], dtype=uint8))
    """
    H, W = _need_pair("random_crop", image, label)
    OH, OW = need_pair("random_crop", "size", size, 1)
    top, left = (int(rng.integers(min(0, n - o), max(0, n - o) + 1)) for n, o in ((H, OH), (W, OW)))
    rows, cols = top + np.arange(OH)[:, None], left + np.arange(OW)
    inside = (rows >= 0) & (rows < H) & (cols >= 0) & (cols < W)
    rows, cols = _mirror(rows, H), _mirror(cols, W)
    return image[rows, cols], np.where(inside, label[rows, cols], label.dtype.type(IGNORE))


def hflip(image: Array, label: Array) -> tuple[Array, Array]:
    """Left and right exchanged: ``y[i, j] = image[i, W - 1 - j]``, in views. Its own inverse.

    >>> hflip(np.zeros((1, 2, 3)), np.array([[4, 5]]))[1]
    array([[5, 4]])
    """
    _need_pair("hflip", image, label)
    return image[:, ::-1], label[:, ::-1]


def random_scale(
    image: Array, label: Array, rng: Generator, *, low: float = 0.5, high: float = 2.0
) -> tuple[Array, Array]:
    """Both resized by one factor between ``low`` and ``high``, evenly drawn in its logarithm.

    The image is interpolated (Pillow's bilinear, which averages when it shrinks), the label takes its nearest
    pixel: between class 3 and class 5 lies no class 4. Both put pixel centres at ``i + 1/2``, so they stay aligned.

    Parameters
    ----------
    image : float ndarray of shape (H, W, C)
    label : uint8 ndarray of shape (H, W)
    rng : numpy.random.Generator
    low, high : float
        With ``low = high = 1`` the pair returns as it is.

    Returns
    -------
    image : ndarray of shape (round(s H), round(s W), C)
        At least one pixel a side.
    label : ndarray of shape (round(s H), round(s W))

    Notes
    -----
    Exactness: the label by ``==`` equals ``label[floor((i + 1/2) H / OH), floor((j + 1/2) W / OW)]`` but where
    that lies on a border between two pixels; the image is Pillow's float32 arithmetic.
    Source: ours.
    """
    H, W = _need_pair("random_scale", image, label)
    need_number("random_scale", "low", low, 1e-3, 1e3)
    need_number("random_scale", "high", high, low, 1e3)
    scale = low * (high / low) ** rng.random()
    return resize(image, label, (max(1, round(scale * H)), max(1, round(scale * W))))


def resize(image: Array, label: Array, size: Pair) -> tuple[Array, Array]:
    """Both at ``size = (rows, columns)``: the image bilinear, the label nearest. :func:`random_scale` says the rest."""
    from PIL import Image

    H, W = _need_pair("resize", image, label)
    OH, OW = need_pair("resize", "size", size, 1)
    need_choice("resize", "label.dtype", str(label.dtype), ("uint8",))
    if (OH, OW) == (H, W):
        return image, label
    planes: list[Any] = [
        Image.fromarray(plane).resize((OW, OH), Image.Resampling.BILINEAR) for plane in image.transpose(2, 0, 1)
    ]
    nearest = Image.fromarray(label).resize((OW, OH), Image.Resampling.NEAREST)
    return np.stack(planes, -1).astype(image.dtype, copy=False), np.array(nearest)


def colour_jitter(
    image: Array, label: Array, rng: Generator, *, brightness: float = 0.2, contrast: float = 0.2
) -> tuple[Array, Array]:
    """Another exposure: ``y = clip(c (b image - m) + m, 0, 1)``, m the mean of ``b image``; the label stays.

    ``b`` is drawn evenly from ``1 - brightness .. 1 + brightness``, ``c`` likewise from ``contrast``. With both
    amounts 0 the image returns as it is.
    """
    _need_pair("colour_jitter", image, label)
    need_number("colour_jitter", "brightness", brightness, 0, 1)
    need_number("colour_jitter", "contrast", contrast, 0, 1)
    b, c = 1 + np.array([brightness, contrast]) * rng.uniform(-1, 1, 2)
    if b == c == 1:
        return image, label
    bright = image * image.dtype.type(b)
    mean = bright.mean(dtype=np.float64).astype(image.dtype)
    return np.clip((bright - mean) * image.dtype.type(c) + mean, 0, 1), label


def recolour(image: Array, label: Array, rng: Generator, *, grey: float = 0.25) -> tuple[Array, Array]:
    """Other paints, the same shapes: channels exchanged, each bent by a power of its own; the label stays.

    ``y[..., c] = image[..., order[c]] ** power[c]`` with powers from 1/2 to 2, evenly drawn in their logarithm, and
    with probability ``grey`` the mean of the channels in all three. For data of few objects, where colour would be
    learnt by heart.
    """
    _need_pair("recolour", image, label)
    need_number("recolour", "grey", grey, 0, 1)
    power = (2 ** rng.uniform(-1, 1, image.shape[-1:])).astype(image.dtype)
    y = image[..., rng.permutation(image.shape[-1])] ** power
    return np.broadcast_to(y.mean(-1, keepdims=True), y.shape) if rng.random() < grey else y, label


def draw_batch(
    samples: Any, rng: Generator, batch_size: int, crop: Pair, *,
    scale: tuple[float, float] = (0.75, 1.5), flip: float = 0.5, jitter: float = 0.2, paint: float = 0.0,
) -> tuple[Array, Array]:  # fmt: skip
    """One training batch: samples drawn with replacement, each scaled, cropped, perhaps flipped, and recoloured.

    Parameters
    ----------
    samples : sequence of Sample, or of (image, label) pairs
        A :class:`tinybnn.data.samples.Dataset` reads only what is drawn.
    rng : numpy.random.Generator
        ``np.random.default_rng([seed, step])`` makes each step's batch a function of its number alone.
    batch_size : int
        N.
    crop : int or (rows, columns) pair
    scale : (low, high) pair of float
        ``(1, 1)`` leaves sizes alone.
    flip : float
        Probability of :func:`hflip`.
    jitter : float
        Brightness and contrast of :func:`colour_jitter`.
    paint : float
        Probability of :func:`recolour`.

    Returns
    -------
    x : ndarray of shape (N, rows, columns, C)
        float32.
    labels : ndarray of shape (N, rows, columns)
        uint8, 255 ignored.

    Notes
    -----
    Exactness: the same generator state gives the same bits, whichever batches were drawn before.
    Source: ours; scale, crop and flip are the field's habit.
    """
    N = need_int("draw_batch", "batch_size", batch_size, 1)
    size = need_pair("draw_batch", "crop", crop, 1)
    need_number("draw_batch", "flip", flip, 0, 1)
    need_number("draw_batch", "paint", paint, 0, 1)
    need_int("draw_batch", "len(samples)", len(samples), 1)
    low, high = scale
    images, labels = [], []
    for i in rng.integers(len(samples), size=N):
        image, label = samples[int(i)][:2]
        image, label = random_scale(image, label, rng, low=low, high=high)
        image, label = random_crop(image, label, size, rng)
        if rng.random() < flip:
            image, label = hflip(image, label)
        if paint and rng.random() < paint:
            image, label = recolour(image, label, rng)
        image, label = colour_jitter(image, label, rng, brightness=jitter, contrast=jitter)
        images.append(image)
        labels.append(label)
    return np.stack(images).astype(np.float32, copy=False), np.stack(labels)


def pad_to_multiple(image: Array, m: int) -> tuple[Array, tuple[int, int]]:
    """The image continued, mirrored, below and to the right until both sides are multiples of ``m``.

    A network that halves its input three times wants multiples of 8; photographs are 321 x 481.
    :func:`crop_back` undoes it.

    Parameters
    ----------
    image : ndarray of shape (H, W, C)
    m : int

    Returns
    -------
    padded : ndarray of shape (m ceil(H / m), m ceil(W / m), C)
    size : (H, W)

    Notes
    -----
    Exactness: ``padded[:H, :W] == image``, and the whole equals ``np.pad(mode="symmetric")``.
    Source: ours.

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
    rows, cols = (_mirror(np.arange(-(-n // m) * m), n) for n in (H, W))
    return image[rows[:, None], cols], (H, W)


def crop_back(array: Array, size: Pair) -> Array:
    """The part of a prediction that belongs to the image: ``array[:H, :W]``, for ``(H', W', ...)`` of any depth."""
    H, W = need_pair("crop_back", "size", size, 1)
    if array.ndim < 2 or array.shape[0] < H or array.shape[1] < W:
        raise ValueError(f"crop_back: array has shape {array.shape}, expected at least ({H}, {W}) in front")
    return array[:H, :W]
