"""Mistakes in transposed convolution: the kernel's ends exchanged, overlaps, the border, the size it cannot know."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.conv import ConvTransposeCache, ConvTransposeGrads, conv_transpose2d, conv_transpose2d_backward
from .conv import FLIP_BACK, SIZE, stamps_overwrite, turned
from .mistake import Mistake
from .upsample import pair


def transpose_of(change: Callable[[Array, Array], tuple[Array, Array]]) -> Callable:
    return lambda y, w, **options: conv_transpose2d(*change(y, w), **options)[0]


def reads_filters_before_channels(y: Array, w: Array) -> tuple[Array, Array]:
    """The kernel's memory as (KH, KW, F, C)."""
    KH, KW, C, F = w.shape
    return y, w.reshape(KH, KW, F, C).swapaxes(2, 3)


def cut_by(keep: Callable[[int, int, int, int], tuple[slice, slice]]) -> Callable:
    """The transpose without padding, and of that what ``keep(H, W, PH, PW)`` says."""

    def forward(y: Array, w: Array, *, size: Any, pad: Any = 0, **options: Any) -> Array:
        (H, W), (PH, PW) = size, pair(pad)
        full, _ = conv_transpose2d(y, w, size=(H + 2 * PH, W + 2 * PW), **options)
        rows, columns = keep(H, W, PH, PW)
        return full[:, rows, columns]

    return forward


def smallest_size(y: Array, w: Array, *, size: Any = None, **options: Any) -> Array:
    return conv_transpose2d(y, w, **options)[0]


def transpose_overwrites(y: Array, w: Array, **options: Any) -> Array:
    x, cache = conv_transpose2d(y, w, **options)
    return stamps_overwrite(y, w, cache, (x.shape[1], x.shape[2]))


def transpose_grads(dy: Callable | None = None, dw: Callable | None = None) -> Callable:
    """conv_transpose2d's backward with a gradient changed."""

    def backward(dx: Array, cache: ConvTransposeCache) -> ConvTransposeGrads:
        right = conv_transpose2d_backward(dx, cache)
        return ConvTransposeGrads(dy(right.dy, cache) if dy else right.dy, dw(right.dw, cache) if dw else right.dw)

    return backward


def transpose_kernel_turned(dx: Array, cache: ConvTransposeCache) -> ConvTransposeGrads:
    wrong = conv_transpose2d_backward(dx, cache._replace(w=np.ascontiguousarray(turned(cache.w))))
    return wrong._replace(dw=conv_transpose2d_backward(dx, cache).dw)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "conv_transpose2d",
        "turns the kernel by 180 degrees",
        transpose_of(lambda y, w: (y, turned(w))),
        "nothing if trained so from the start; kernels from elsewhere stamp everything turned",
        FLIP_BACK,
    ),
    Mistake(
        "conv_transpose2d",
        "reads the kernel as (KH, KW, F, C)",
        transpose_of(reads_filters_before_channels),
        "right where there is one channel or one filter; an error about shapes, or noise, elsewhere",
        ("apache/tvm#9336", "apache/tvm#17968", "dmlc/nnvm#218"),
    ),
    Mistake(
        "conv_transpose2d",
        "overlapping stamps overwrite each other",
        transpose_overwrites,
        "right where stamps do not overlap; elsewhere a grid of seams",
    ),
    Mistake(
        "conv_transpose2d",
        "cuts the border off one side only",
        cut_by(lambda H, W, PH, PW: (slice(2 * PH, None), slice(2 * PW, None))),
        "the right shape; everything has moved up and to the left by the padding",
    ),
    Mistake(
        "conv_transpose2d",
        "does not cut the border off",
        cut_by(lambda H, W, PH, PW: (slice(None), slice(None))),
        "the map is too large by twice the padding, and shortcuts no longer fit",
    ),
    Mistake(
        "conv_transpose2d",
        "ignores the size: takes the smallest",
        smallest_size,
        "an encoder's 32 x 32 comes back as 31 x 31",
        SIZE,
    ),
    Mistake(
        "conv_transpose2d_backward",
        "no gradient for y",
        transpose_grads(dy=lambda dy, cache: 0 * dy),
        "layers below it never change; the loss falls a little and stays flat",
    ),
    Mistake(
        "conv_transpose2d_backward",
        "kernel turned in dy",
        transpose_kernel_turned,
        "the upsampling learns, the layers below it hardly; right for kernels of one tap",
        FLIP_BACK,
    ),
    Mistake(
        "conv_transpose2d_backward",
        "dw turned by 180 degrees",
        transpose_grads(dw=lambda dw, cache: turned(dw)),
        "right for kernels of one tap; others change, and the loss does not",
    ),
    Mistake(
        "conv_transpose2d_backward",
        "averages dw over the batch",
        transpose_grads(dw=lambda dw, cache: dw / len(cache.y)),
        "with a loss that is already a mean, learning slows down as the batch grows",
    ),
)
