"""Mistakes in making maps large: nearest upsampling, of values and of words, and bilinear."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import HW, Array
from ...ops.binarize import sign
from ...ops.upsample import (
    BilinearCache,
    NearestCache,
    upsample_bilinear,
    upsample_bilinear_backward,
    upsample_nearest_backward,
)
from .mistake import Mistake


def pair(v: Any) -> HW:
    return v if isinstance(v, tuple) else (v, v)


# -- nearest: the same mistakes with floats and with words ----------------------------------------------------------


def tiles(x: Array, *, scale: Any = 2) -> Array:
    SH, SW = pair(scale)
    return np.tile(x, (1, SH, SW, 1))


def axes_of_nchw(x: Array, *, scale: Any = 2) -> Array:
    SH, SW = pair(scale)
    return x.repeat(SH, axis=2).repeat(SW, axis=3)


def along_the_channels(x: Array, *, scale: Any = 2) -> Array:
    """Repeats the last axis, and reads on as if that were columns."""
    (SH, SW), (N, H, W, C) = pair(scale), x.shape
    return x.repeat(SH, axis=1).repeat(SW, axis=3).reshape(N, H * SH, W * SW, C)


def zeros_between(x: Array, *, scale: Any = 2) -> Array:
    (SH, SW), (N, H, W, C) = pair(scale), x.shape
    y = np.zeros((N, H * SH, W * SW, C), x.dtype)
    y[:, ::SH, ::SW] = x
    return y


def corners_aligned(x: Array, *, scale: Any = 2) -> Array:
    """The nearest of positions that lie between the centres of the corners."""
    (SH, SW), (_, H, W, _) = pair(scale), x.shape
    rows, columns = (np.round(corners(np.arange(n * s), n, s)).astype(int) for n, s in ((H, SH), (W, SW)))
    return x[:, rows][:, :, columns]


def rows_by_the_columns(x: Array, *, scale: Any = 2) -> Array:
    SH, SW = pair(scale)
    return x.repeat(SW, axis=1).repeat(SH, axis=2)


NEAREST = (
    Mistake(
        "upsample_nearest",
        "tiles the map instead of repeating its values",
        tiles,
        "small copies of the image side by side",
    ),
    Mistake(
        "upsample_nearest",
        "rows by the columns' scale",
        rows_by_the_columns,
        "right for one number as the scale; a pair gives the other shape",
    ),
    Mistake(
        "upsample_nearest",
        "repeats axes 2 and 3, those of (N, C, H, W)",
        axes_of_nchw,
        "wider, not taller, and with more channels; an error about shapes in the next layer",
    ),
    Mistake(
        "upsample_nearest",
        "repeats along the channels, then reads them as columns",
        along_the_channels,
        "right with one channel, or one word; otherwise channels are mixed, in stripes",
    ),
    Mistake(
        "upsample_nearest",
        "zeros between the values in place of copies",
        zeros_between,
        "a grid of single points on an empty map; in words, of points on a map of +1",
    ),
    Mistake(
        "upsample_nearest",
        "aligns the corners: pixels at the border are copied less often",
        corners_aligned,
        "right for scale 2; from 3 on the blocks of large maps differ in size, and the outermost are the smallest",
    ),
)

# -- nearest, backward ----------------------------------------------------------------------------------------------


def averages_copies(dy: Array, cache: NearestCache) -> Array:
    return upsample_nearest_backward(dy, cache) / (cache.scale[0] * cache.scale[1])


def one_copy_only(dy: Array, cache: NearestCache) -> Array:
    return dy[:, :: cache.scale[0], :: cache.scale[1]]


def sums_tiles(dy: Array, cache: NearestCache) -> Array:
    """The transpose of tiling."""
    (H, W), (SH, SW) = cache
    return dy.reshape(len(dy), SH, H, SW, W, -1).sum((1, 3))


# -- bilinear -------------------------------------------------------------------------------------------------------


def half_pixel(i: Array, n: int, s: int) -> Array:
    return (i + 0.5) / s - 0.5


def corners(i: Array, n: int, s: int) -> Array:
    return i * (n - 1) / max(n * s - 1, 1)


def bilinear_at(position: Callable[[Array, int, int], Array], clamp: bool = True, both: bool = False) -> Callable:
    """Row ``i`` of n * s lies at ``position(i, n, s)`` of n; with ``both`` also where corners are to be aligned."""

    def matrix(n: int, s: int, dtype: Any) -> Array:
        p = position(np.arange(n * s), n, s)
        p = np.clip(p, 0, n - 1) if clamp else p
        return np.maximum(0, 1 - np.abs(p[:, None] - np.arange(n))).astype(dtype)

    def forward(x: Array, *, scale: Any = 2, align_corners: bool = False) -> Array:
        if align_corners and not both:
            return upsample_bilinear(x, scale=scale, align_corners=True)[0]
        SH, SW = pair(scale)
        return np.einsum("ih,jw,nhwc->nijc", matrix(x.shape[1], SH, x.dtype), matrix(x.shape[2], SW, x.dtype), x)

    return forward


def rounded(x: Array, *, scale: Any = 2, align_corners: bool = False) -> Array:
    """The nearer of the two neighbours, where both are to be mixed."""
    position = corners if align_corners else half_pixel
    return bilinear_at(lambda i, n, s: np.round(position(i, n, s)), both=True)(x, scale=scale)


def signs_first(x: Array, **options: Any) -> Array:
    return upsample_bilinear(sign(x), **options)[0]


def samples_the_gradient(dy: Array, cache: BilinearCache) -> Array:
    """Every SH-th and SW-th gradient, made larger: as if going down were sampling."""
    (tall, H), (wide, W) = cache.rows.shape, cache.columns.shape
    return dy[:, :: tall // H, :: wide // W] * (tall // H) * (wide // W)


def averages_the_gradient(dy: Array, cache: BilinearCache) -> Array:
    (tall, H), (wide, W) = cache.rows.shape, cache.columns.shape
    return upsample_bilinear_backward(dy, cache) / ((tall // H) * (wide // W))


def rows_alone(dy: Array, cache: BilinearCache) -> Array:
    """The columns' weights forgotten: their gradients are added up in blocks."""
    (N, tall, wide, C), W = dy.shape, cache.columns.shape[1]
    blocks = dy.reshape(N, tall, W, wide // W, C).sum(3)
    return np.einsum("ih,niwc->nhwc", cache.rows, blocks)


HALF_PIXEL = ("pytorch/pytorch#10604", "tensorflow/tensorflow#33691")

MISTAKES: tuple[Mistake, ...] = (
    *NEAREST,
    Mistake(
        "upsample_nearest_backward",
        "averages the gradients of the copies",
        averages_copies,
        "layers below every upsampling learn more slowly, once more for each of them",
        ("davisking/dlib#336",),
    ),
    Mistake(
        "upsample_nearest_backward",
        "takes the gradient of one copy only",
        one_copy_only,
        "it trains, on a part of the error: what is wrong in the other copies is never corrected",
    ),
    Mistake(
        "upsample_nearest_backward",
        "adds up tiles, not blocks",
        sums_tiles,
        "right for maps of one pixel; otherwise gradients arrive at the wrong places, and layers below learn nothing",
    ),
    *(m._replace(name="upsample_nearest_packed") for m in NEAREST),
    Mistake(
        "upsample_bilinear",
        "forgets the half-pixel shift",
        bilinear_at(lambda i, n, s: i / s),
        "the result has moved up and to the left by half a pixel of the small map, less half of the large one",
        HALF_PIXEL,
    ),
    Mistake(
        "upsample_bilinear",
        "shifts by half a pixel the wrong way",
        bilinear_at(lambda i, n, s: (i - 0.5) / s + 0.5),
        "the result has moved up and to the left by a pixel of the small map, less one of the large",
    ),
    Mistake(
        "upsample_bilinear",
        "aligns the corners whatever was asked",
        lambda x, *, scale=2, align_corners=False: upsample_bilinear(x, scale=scale, align_corners=True)[0],
        "small differences everywhere, largest half-way to the border; they depend on the size of the map",
        ("pytorch/pytorch#5511", "pytorch/pytorch#5927"),
    ),
    Mistake(
        "upsample_bilinear",
        "never aligns the corners",
        lambda x, *, scale=2, align_corners=False: upsample_bilinear(x, scale=scale)[0],
        "networks trained with aligned corners lose some accuracy, mostly along edges",
        ("tenstorrent/tt-metal#27001", "intel/webml-polyfill#400"),
    ),
    Mistake(
        "upsample_bilinear",
        "rounds to the nearest value",
        rounded,
        "blocks in place of slopes",
    ),
    Mistake(
        "upsample_bilinear",
        "reads zeros beyond the edge in place of the edge itself",
        bilinear_at(half_pixel, clamp=False),
        "the outermost rows and columns are too dark; all else is right",
    ),
    Mistake(
        "upsample_bilinear",
        "takes the signs first",
        signs_first,
        "as when sign and upsampling are exchanged in a packed network: right only where neighbours agree",
    ),
    Mistake(
        "upsample_bilinear_backward",
        "samples the gradient instead of transposing",
        samples_the_gradient,
        "it trains, on a part of the error; a gradient check fails at once",
    ),
    Mistake(
        "upsample_bilinear_backward",
        "averages: divides the gradient by the scale",
        averages_the_gradient,
        "layers below every upsampling learn more slowly, once more for each of them",
    ),
    Mistake(
        "upsample_bilinear_backward",
        "treats columns as copies",
        rows_alone,
        "right where only rows are made large; otherwise gradients are off by a fraction of a pixel",
    ),
)
