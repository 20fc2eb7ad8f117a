"""Wrong versions of nearest, bilinear and sub-pixel upsampling."""

import numpy as np

from tinybnn import bitpack, upsample
from tinybnn.upsample import BilinearCache, upsample_bilinear, upsample_nearest
from tinybnn.validate import need_pair

from .mutant import Mutant


def exchanged(scale):
    return need_pair("mutant", "scale", scale, 1)[::-1]


def tiles(x, *, scale):
    SH, SW = need_pair("mutant", "scale", scale, 1)
    return np.tile(x, (1, SH, SW, 1)), None


def nearest_backward_with(change):
    def backward(dy, cache):
        return change(upsample.upsample_nearest_backward(dy, cache), dy, *cache.scale)

    return backward


def packed_words_tiled(x, *, scale):
    SH, SW = need_pair("mutant", "scale", scale, 1)
    return bitpack.unpack(np.tile(bitpack.pack(x), (1, SH, SW, 1)), x.shape[-1])


def packed_last_axis_repeated(x, *, scale):
    """Repeats words along the channels, then reads on as if they were columns."""
    SH, SW = need_pair("mutant", "scale", scale, 1)
    words = bitpack.pack(x).repeat(SH, axis=1)
    N, H, W, k = words.shape
    return bitpack.unpack(words.repeat(SW, axis=3).reshape(N, H, W * SW, k), x.shape[-1])


def bilinear_with(position):
    """Bilinear upsampling with another rule for where row ``i`` lies: ``position(i, n, scale, align_corners)``."""

    def matrix(n, scale, align_corners, dtype):
        p = np.clip(position(np.arange(n * scale), n, scale, align_corners), 0, n - 1)
        return np.maximum(0, 1 - np.abs(p[:, None] - np.arange(n))).astype(dtype)

    def forward(x, *, scale, align_corners):
        SH, SW = need_pair("mutant", "scale", scale, 1)
        A, B = matrix(x.shape[1], SH, align_corners, x.dtype), matrix(x.shape[2], SW, align_corners, x.dtype)
        return np.einsum("ih,jw,nhwc->nijc", A, B, x), BilinearCache(A, B)

    return forward


def half_pixel(i, n, s):
    return (i + 0.5) / s - 0.5


def corners(i, n, s):
    return i * (n - 1) / max(n * s - 1, 1)


def edges_fade(x, *, scale, align_corners):
    """Reads zero outside the map instead of clamping."""
    if align_corners:
        return upsample_bilinear(x, scale=scale, align_corners=True)
    SH, SW = need_pair("mutant", "scale", scale, 1)
    A, B = (
        np.maximum(0, 1 - np.abs(half_pixel(np.arange(n * s), n, s)[:, None] - np.arange(n))).astype(x.dtype)
        for n, s in ((x.shape[1], SH), (x.shape[2], SW))
    )
    return np.einsum("ih,jw,nhwc->nijc", A, B, x), BilinearCache(A, B)


def interpolates_the_gradient(dy, cache):
    """Takes every SH-th, SW-th gradient, as if going down were sampling."""
    (tall, H), (wide, W) = cache.rows.shape, cache.columns.shape
    return dy[:, :: tall // H, :: wide // W] * (tall // H) * (wide // W)


def channel_major(x, *, scale):
    """PyTorch's pixel_shuffle."""
    (SH, SW), (N, H, W, depth) = need_pair("mutant", "scale", scale, 1), x.shape
    blocks = x.reshape(N, H, W, depth // (SH * SW), SH, SW)
    return blocks.transpose(0, 1, 4, 2, 5, 3).reshape(N, H * SH, W * SW, -1), (SH, SW)


def channel_major_inverse(x, *, scale):
    (SH, SW), (N, H, W, C) = need_pair("mutant", "scale", scale, 1), x.shape
    blocks = x.reshape(N, H // SH, SH, W // SW, SW, C)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(N, H // SH, W // SW, -1), (SH, SW)


def columns_first(x, *, scale):
    (SH, SW), (N, H, W, C) = need_pair("mutant", "scale", scale, 1), x.shape
    blocks = x.reshape(N, H // SH, SH, W // SW, SW, C)
    return blocks.transpose(0, 1, 3, 4, 2, 5).reshape(N, H // SH, W // SW, -1), (SH, SW)


def merely_reshaped(x, *, scale):
    (SH, SW), (N, H, W, depth) = need_pair("mutant", "scale", scale, 1), x.shape
    return x.reshape(N, H * SH, W * SW, depth // (SH * SW)), (SH, SW)


MUTANTS = (
    Mutant("upsample_nearest", "forward", "tiles the map instead of repeating its values", tiles),
    Mutant(
        "upsample_nearest",
        "forward",
        "rows by the columns' scale",
        lambda x, *, scale: upsample_nearest(x, scale=exchanged(scale)),
    ),
    Mutant(
        "upsample_nearest",
        "backward",
        "averages the copies' gradients",
        nearest_backward_with(lambda good, dy, SH, SW: good / (SH * SW)),
    ),
    Mutant(
        "upsample_nearest",
        "backward",
        "takes the gradient of one copy only",
        nearest_backward_with(lambda good, dy, SH, SW: dy[:, ::SH, ::SW]),
    ),
    Mutant("upsample_nearest_packed", "packed", "tiles the map of words", packed_words_tiled),
    Mutant("upsample_nearest_packed", "packed", "repeats words along the channels", packed_last_axis_repeated),
    Mutant(
        "upsample_bilinear",
        "forward",
        "forgets the half-pixel shift",
        bilinear_with(lambda i, n, s, c: corners(i, n, s) if c else i / s),
    ),
    Mutant(
        "upsample_bilinear",
        "forward",
        "shifts by half a pixel the wrong way",
        bilinear_with(lambda i, n, s, c: corners(i, n, s) if c else (i - 0.5) / s + 0.5),
    ),
    Mutant(
        "upsample_bilinear",
        "forward",
        "the two corner conventions exchanged",
        bilinear_with(lambda i, n, s, c: half_pixel(i, n, s) if c else corners(i, n, s)),
    ),
    Mutant(
        "upsample_bilinear",
        "forward",
        "rounds to the nearest value",
        bilinear_with(lambda i, n, s, c: np.round(corners(i, n, s) if c else half_pixel(i, n, s))),
    ),
    Mutant("upsample_bilinear", "forward", "reads zeros beyond the edge", edges_fade),
    Mutant("upsample_bilinear", "backward", "samples the gradient instead of transposing", interpolates_the_gradient),
    Mutant("depth_to_space", "forward", "channel-major order, that of pixel_shuffle", channel_major),
    Mutant("depth_to_space", "forward", "reshapes without moving the block's axes", merely_reshaped),
    Mutant(
        "depth_to_space",
        "backward",
        "gathers channel-major what was dealt out block-major",
        lambda dy, cache: channel_major_inverse(dy, scale=cache)[0],
    ),
    Mutant("space_to_depth", "forward", "channel-major order, that of pixel_unshuffle", channel_major_inverse),
    Mutant("space_to_depth", "forward", "columns before rows within a block", columns_first),
    Mutant(
        "space_to_depth",
        "backward",
        "deals out channel-major what was gathered block-major",
        lambda dy, cache: channel_major(dy, scale=cache)[0],
    ),
)
