"""Mistakes in convolution of packed signs: what padding is, what its taps count, groups, and all of popcount."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.binary_conv import conv2d_packed
from ...ops.bitpack import pack
from ...ops.conv import output_size, pad2d, windows
from ...ops.upsample import upsample_nearest_packed
from ...ops.upsample_conv import upsample_conv2d_packed
from .conv import swapped
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies
from .product import COUNTS
from .upsample import pair

# -- a convolution on any product -----------------------------------------------------------------------------------


def products(
    dot: Callable, x: Array, w: Array, C: int, *, stride: Any = 1, pad: Any = 0, dilation: Any = 1, pad_value: int
) -> Array:
    """One group: ``dot(window, filter, n)`` everywhere, where padding is -1 or +1."""
    F, KH, KW, _ = w.shape
    geometry = pair(stride), pair(pad), pair(dilation)
    size: Any = output_size("products", x.shape[1:3], (KH, KW), *geometry)
    padded = pad2d(x, pair(pad), pack(np.full(C, float(pad_value))))
    view = windows(padded, (KH, KW), size, pair(stride), pair(dilation))
    rows = view.reshape(*view.shape[:3], 1, -1)
    return np.concatenate([dot(rows, np.broadcast_to(f.reshape(-1), rows.shape), KH * KW * C) for f in w], axis=-1)


def conv_on(dot: Callable) -> Callable:
    """``conv2d_packed`` on a wrong dot product, and right in everything else."""

    def wrong(x: Array, w: Array, C: int, *, pad_value: int, groups: int = 1, **options: Any) -> Array:
        if pad_value == 0:
            plus, zero = (conv2d_packed(x, w, C, pad_value=p, groups=groups, **options) for p in (1, 0))
            return wrong(x, w, C, pad_value=1, groups=groups, **options) - (plus - zero)
        sides = zip(np.split(x, groups, axis=-1), np.split(w, groups))
        parts = [products(dot, xg, wg, C // groups, pad_value=pad_value, **options) for xg, wg in sides]
        return np.concatenate(parts, axis=-1)

    return wrong


def on_copies(conv: Callable) -> Callable:
    """``upsample_conv2d_packed`` by a wrong ``conv2d_packed``."""

    def wrong(x: Array, w: Array, C: int, *, scale: Any = 2, **options: Any) -> Array:
        return conv(upsample_nearest_packed(x, scale=scale), w, C, **options)

    return wrong


# -- what goes in ---------------------------------------------------------------------------------------------------


def with_options(**fixed: Any) -> Callable:
    """Some options the same, whatever was asked for."""
    return lambda x, w, C, **options: conv2d_packed(x, w, C, **options | fixed)


def of_operands(change: Callable[[Array, Array], tuple[Array, Array]]) -> Callable:
    """The convolution of words that ``change`` has spoilt."""
    return lambda x, w, C, **options: conv2d_packed(*change(x, w), C, **options)


def from_the_pointer(convolution: Callable) -> Callable:
    return lambda x, w, C, **options: convolution(as_it_lies(x), as_it_lies(w), C, **options)


def columns_first(x: Array, w: Array, C: int, **options: Any) -> Array:
    return conv2d_packed(x, w, C, **swapped(options))


def first_group_for_all(x: Array, w: Array, C: int, *, groups: int = 1, **options: Any) -> Array:
    return conv2d_packed(np.tile(x[..., : w.shape[3]], groups), w, C, groups=groups, **options)


def taps_before_filters(w: Array) -> Array:
    """The memory of the weights as (KH, KW, F, words)."""
    F, KH, KW, W = w.shape
    return np.ascontiguousarray(w.reshape(KH, KW, F, W).transpose(2, 0, 1, 3))


def first_words(a: Array, words: int) -> Array:
    """Every word but the first of each group left empty."""
    split = a.reshape(*a.shape[:-1], -1, words).copy()
    split[..., 1:] = 0
    return split.reshape(a.shape)


# -- padding --------------------------------------------------------------------------------------------------------


def padded_with_ones(x: Array, w: Array, C: int, *, pad_value: int, pad: Any = 0, **options: Any) -> Array:
    """Pads -1 with words of 64 ones, and convolves the wider map; digits would not look at the tail."""
    if pad_value != -1:
        return conv2d_packed(x, w, C, pad_value=pad_value, pad=pad, **options)
    wide = pad2d(x, pair(pad), np.full(1, 2**64 - 1, np.uint64))
    return conv2d_packed(wide, w, C, pad_value=1, **options)


def skipped_taps_count(x: Array, w: Array, C: int, *, pad_value: int, groups: int = 1, **options: Any) -> Array:
    """Leaves out the taps that lie outside, and still takes the popcount from the full n."""
    y = conv2d_packed(x, w, C, pad_value=pad_value, groups=groups, **options)
    if pad_value != 0:
        return y
    inside = conv2d_packed(np.zeros_like(x), np.zeros_like(w), C, pad_value=0, groups=groups, **options)
    return y + w.shape[1] * w.shape[2] * (C // groups) - inside


# -- of a map made large --------------------------------------------------------------------------------------------


def pads_the_small_map(x: Array, w: Array, C: int, *, pad_value: int, scale: Any = 2, pad: Any = 0, **_: Any) -> Array:
    (SH, SW), (PH, PW) = pair(scale), pair(pad)
    return upsample_conv2d_packed(x, w, C, pad_value=pad_value, scale=scale, pad=(SH * PH, SW * PW))


def convolves_before_it_copies(x: Array, w: Array, C: int, *, scale: Any = 2, **options: Any) -> Array:
    (SH, SW), small = pair(scale), conv2d_packed(x, w, C, **options)
    return small.repeat(SH, axis=1).repeat(SW, axis=2)


def tiles(x: Array, w: Array, C: int, *, scale: Any = 2, **options: Any) -> Array:
    SH, SW = pair(scale)
    return conv2d_packed(np.tile(x, (1, SH, SW, 1)), w, C, **options)


PADDING = (
    Mistake(
        "conv2d_packed",
        "padding read as +1: words of zeros, and no correction",
        with_options(pad_value=1),
        "equal to the float network but for the border of every map",
        ("larq/compute-engine#49", "larq/compute-engine#70", "larq/compute-engine#571"),
    ),
    Mistake(
        "conv2d_packed",
        "padding read as 0",
        with_options(pad_value=0),
        "equal to a float network with zero padding; one that pads with -1 or +1 differs at the border",
    ),
    Mistake(
        "conv2d_packed",
        "padding read as -1",
        with_options(pad_value=-1),
        "the border alone is wrong: every tap beyond it counts with its sign turned",
        ("daBNN documentation",),
    ),
)

EVERYWHERE: tuple[Mistake, ...] = (
    *(m._replace(name="conv2d_packed", wrong=conv_on(m.wrong)) for m in COUNTS),
    *PADDING,
    Mistake(
        "conv2d_packed",
        "pads -1 with whole words of ones, tail included",
        padded_with_ones,
        "64 channels pass; with 65 the border alone is too small by twice the tail, for each tap outside",
    ),
    Mistake(
        "conv2d_packed",
        "leaves out the taps beyond the border, but counts them in n",
        skipped_taps_count,
        "with padding 0 the border alone is too large, by the channels of each tap outside",
    ),
    Mistake(
        "conv2d_packed",
        "forgets every word of a pixel but the first",
        of_operands(lambda x, w: (first_words(x, w.shape[3]), first_words(w, w.shape[3]))),
        "right up to 64 channels; beyond, they count as if they always agreed",
    ),
    Mistake(
        "conv2d_packed",
        "turns the kernel by 180 degrees",
        of_operands(lambda x, w: (x, w[:, ::-1, ::-1])),
        "right for kernels of one tap and for symmetric ones",
    ),
    Mistake(
        "conv2d_packed",
        "reads the weights as (KH, KW, F, words), the order of the float kernel",
        of_operands(lambda x, w: (x, taps_before_filters(w))),
        "right with one filter, or with one tap; otherwise filters are mixed",
    ),
)

MISTAKES: tuple[Mistake, ...] = (
    *EVERYWHERE,
    Mistake("conv2d_packed", FROM_THE_POINTER, from_the_pointer(conv2d_packed), POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "conv2d_packed",
        "ignores the stride",
        with_options(stride=1),
        "maps do not shrink; an error about shapes further on",
    ),
    Mistake(
        "conv2d_packed",
        "ignores the dilation",
        with_options(dilation=1),
        "the map is larger than expected, and each output sees a smaller field",
    ),
    Mistake(
        "conv2d_packed",
        "reads pairs as (columns, rows)",
        columns_first,
        "right as long as stride, padding and dilation are the same both ways",
        ("mlpack/mlpack#4050",),
    ),
    Mistake(
        "conv2d_packed",
        "every group sees the first group's words",
        first_group_for_all,
        "right with one group; otherwise most channels have no influence on anything",
    ),
    *(m._replace(name="upsample_conv2d_packed", wrong=on_copies(m.wrong)) for m in EVERYWHERE),
    Mistake(
        "upsample_conv2d_packed",
        FROM_THE_POINTER,
        from_the_pointer(upsample_conv2d_packed),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
    Mistake(
        "upsample_conv2d_packed",
        "pads the small map: as many times too much as the scale says",
        pads_the_small_map,
        "the result is too large wherever there is padding",
    ),
    Mistake(
        "upsample_conv2d_packed",
        "convolves the small map, then makes it large",
        convolves_before_it_copies,
        "right for kernels of one tap; otherwise another shape, or the right one and blocks of equal values",
    ),
    Mistake(
        "upsample_conv2d_packed",
        "tiles the map instead of repeating its pixels",
        tiles,
        "small copies of the image side by side",
    ),
    Mistake(
        "upsample_conv2d_packed",
        "rows by the columns' scale",
        lambda x, w, C, *, scale, **options: upsample_conv2d_packed(x, w, C, scale=pair(scale)[::-1], **options),
        "right for one number as the scale; a pair gives the other shape",
    ),
)
