"""Mistakes in convolution: turned kernels, exchanged axes, options not heard, borders, overlaps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.conv import ConvCache, ConvGrads, ConvTransposeCache, conv2d, conv2d_backward, conv_transpose2d
from .binarize import in_float64
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies
from .upsample import pair

# -- forward --------------------------------------------------------------------------------------------------------


def conv_of(change: Callable[[Array, Array], tuple[Array, Array]]) -> Callable:
    """conv2d of operands that ``change`` has spoilt."""
    return lambda x, w, **options: conv2d(*change(x, w), **options)[0]


def conv_with(**fixed: Any) -> Callable:
    """conv2d with some options the same, whatever was asked for."""
    return lambda x, w, **options: conv2d(x, w, **options | fixed)[0]


def columns_first(x: Array, w: Array, **options: Any) -> Array:
    return conv2d(x, w, **swapped(options))[0]


def swapped(options: dict[str, Any]) -> dict[str, Any]:
    """Every (rows, columns) pair as (columns, rows), as where sizes are given as width x height."""
    return {k: v[::-1] if isinstance(v, tuple) else v for k, v in options.items()}


def loses_the_last(x: Array, w: Array, **options: Any) -> Array:
    """``(H + 2 P - K) // S`` without the + 1."""
    return conv2d(x, w, **options)[0][:, :-1, :-1]


def pads_one_side(x: Array, w: Array, *, pad: Any = 0, pad_value: float = 0.0, **options: Any) -> Array:
    """All of the padding above and to the left."""
    PH, PW = pair(pad)
    padded = np.pad(x, ((0, 0), (2 * PH, 0), (2 * PW, 0), (0, 0)), constant_values=pad_value)
    return conv2d(padded, w, **options)[0]


def channels_dealt_out(x: Array, w: Array, *, groups: int = 1, **options: Any) -> Array:
    """Channel c goes to group c % groups."""
    dealt = x.reshape(*x.shape[:3], -1, groups).swapaxes(3, 4).reshape(x.shape)
    return conv2d(dealt, w, groups=groups, **options)[0]


def first_group_for_all(x: Array, w: Array, *, groups: int = 1, **options: Any) -> Array:
    return conv2d(np.tile(x[..., : w.shape[2]], groups), w, groups=groups, **options)[0]


def read_as_nchw(x: Array) -> Array:
    N, H, W, C = x.shape
    return x.reshape(N, C, H, W).transpose(0, 2, 3, 1)


def read_as_oihw(w: Array) -> Array:
    KH, KW, C, F = w.shape
    return w.reshape(F, C, KH, KW).transpose(2, 3, 1, 0)


def taps_behind_channels(w: Array) -> Array:
    KH, KW, C, F = w.shape
    return w.reshape(C, KH, KW, F).transpose(1, 2, 0, 3)


def turned(w: Array) -> Array:
    return w[::-1, ::-1]


# -- backward -------------------------------------------------------------------------------------------------------


def grads_with(dx: Callable | None = None, dw: Callable | None = None) -> Callable:
    """conv2d's backward with a gradient changed: ``dx`` and ``dw`` take the right one, and the cache."""

    def backward(dy: Array, cache: ConvCache) -> ConvGrads:
        right = conv2d_backward(dy, cache)
        return ConvGrads(dx(right.dx, cache) if dx else right.dx, dw(right.dw, cache) if dw else right.dw)

    return backward


def kernel_not_turned(dy: Array, cache: ConvCache) -> ConvGrads:
    wrong = conv2d_backward(dy, cache._replace(w=np.ascontiguousarray(turned(cache.w))))
    return wrong._replace(dw=conv2d_backward(dy, cache).dw)


def stamps_overwrite(y: Array, w: Array, cache: ConvCache | ConvTransposeCache, size: tuple[int, int]) -> Array:
    """The transpose by stamping, where a stamp replaces what it overlaps instead of adding to it."""
    (SH, SW), (PH, PW), (DH, DW), groups = cache.stride, cache.pad, cache.dilation, cache.groups
    (_, OH, OW, _), (H, W) = y.shape, size
    x = np.zeros((len(y), H + 2 * PH, W + 2 * PW, w.shape[2] * groups), y.dtype)
    for kh, kw in np.ndindex(w.shape[:2]):
        top, left = kh * DH, kw * DW
        parts = zip(np.split(y, groups, axis=-1), np.split(w[kh, kw], groups, axis=-1))
        stamp = np.concatenate([yg @ wg.T for yg, wg in parts], axis=-1)
        x[:, top : top + (OH - 1) * SH + 1 : SH, left : left + (OW - 1) * SW + 1 : SW] = stamp
    return x[:, PH : PH + H, PW : PW + W]


def overlaps_overwritten(dy: Array, cache: ConvCache) -> ConvGrads:
    H, W = cache.x.shape[1:3]
    return ConvGrads(stamps_overwrite(dy, cache.w, cache, (H, W)), conv2d_backward(dy, cache).dw)


def keeps_the_padding(dy: Array, cache: ConvCache) -> ConvGrads:
    (PH, PW), (_, H, W, _) = cache.pad, cache.x.shape
    options: dict[str, Any] = {"stride": cache.stride, "dilation": cache.dilation, "groups": cache.groups}
    dx, _ = conv_transpose2d(dy, cache.w, size=(H + 2 * PH, W + 2 * PW), **options)
    return ConvGrads(dx, conv2d_backward(dy, cache).dw)


def forgets_the_size(dy: Array, cache: ConvCache) -> ConvGrads:
    options: dict[str, Any] = {"stride": cache.stride, "dilation": cache.dilation, "groups": cache.groups}
    dx, _ = conv_transpose2d(dy, cache.w, pad=cache.pad, **options)
    return ConvGrads(dx, conv2d_backward(dy, cache).dw)


def padding_counted_as_zero(dy: Array, cache: ConvCache) -> ConvGrads:
    return conv2d_backward(dy, cache._replace(pad_value=0.0))


def last_image_only(dy: Array, cache: ConvCache) -> ConvGrads:
    """``dw =`` in a loop over images where ``dw +=`` was meant."""
    last = conv2d_backward(dy[-1:], cache._replace(x=cache.x[-1:]))
    return conv2d_backward(dy, cache)._replace(dw=last.dw)


FLIP = ("claroche-r/DMBSR#4", "hi-abhi/tensorflow-value-iteration-networks#2", "PTB-MR/mrpro#811")
FLIP_BACK = ("vdumoulin/conv_arithmetic#4", "Theano/Theano#5170", "rasmusbergpalm/DeepLearnToolbox#169")
LAYOUT = ("tensorflow/tfjs-core#379", "tgyg-jegli/tf_texture_net#1")
SIZE = ("Lasagne/Lasagne#711", "tensorflow/tensorflow#19863", "keras-team/keras#9883")

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "conv2d",
        "turns the kernel by 180 degrees, as convolution does in signal processing",
        conv_of(lambda x, w: (x, turned(w))),
        "nothing if trained so from the start; kernels from elsewhere see everything turned",
        FLIP,
    ),
    Mistake(
        "conv2d",
        "exchanges rows and columns of the kernel",
        conv_of(lambda x, w: (x, w.transpose(1, 0, 2, 3))),
        "square kernels give the right shape: horizontal edges are found where vertical ones were meant",
        ("anishathalye/neural-style#180",),
    ),
    Mistake(
        "conv2d",
        "columns of (C, KH, KW) against a kernel of (KH, KW, C)",
        conv_of(lambda x, w: (x, taps_behind_channels(w))),
        "right with one channel, and with one tap; otherwise every tap is multiplied by some other one's weight",
    ),
    Mistake(
        "conv2d",
        "reads the kernel's memory as (F, C, KH, KW)",
        conv_of(lambda x, w: (x, read_as_oihw(w))),
        "right with one channel and one filter; loaded weights give noise, freshly trained ones do not",
        LAYOUT,
    ),
    Mistake(
        "conv2d",
        "reads the map's memory as (N, C, H, W)",
        conv_of(lambda x, w: (read_as_nchw(x), w)),
        "right with one channel, a grey image; colours come out as stripes",
        ("microsoft/MMdnn#595",),
    ),
    Mistake(
        "conv2d",
        "channels in reverse: BGR for RGB",
        conv_of(lambda x, w: (x[..., ::-1], w)),
        "grey images are right; in the first layer accuracy drops by a few points, and red and blue change places",
    ),
    Mistake(
        "conv2d",
        "ignores the stride",
        conv_with(stride=1),
        "maps do not shrink; an error about shapes, or everything is slow",
    ),
    Mistake(
        "conv2d",
        "ignores the padding",
        conv_with(pad=0),
        "maps shrink by a border in every layer, until one does not fit",
    ),
    Mistake(
        "conv2d",
        "ignores the dilation",
        conv_with(dilation=1),
        "the map is larger than expected, and each output sees a smaller field",
    ),
    Mistake(
        "conv2d",
        "pads with zeros whatever was asked",
        conv_with(pad_value=0.0),
        "the border alone is wrong, by as many pixels as are padded",
        ("MatthieuCourbariaux/BinaryNet#9",),
    ),
    Mistake(
        "conv2d",
        "reads pairs as (columns, rows)",
        columns_first,
        "right as long as stride, padding and dilation are the same both ways",
        ("mlpack/mlpack#4050", "autogluon/autogluon#438"),
    ),
    Mistake(
        "conv2d",
        "pads above and to the left only",
        pads_one_side,
        "the right shape; everything has moved down and to the right by the padding",
    ),
    Mistake(
        "conv2d",
        "loses the last row and column: forgets the + 1",
        loses_the_last,
        "the map is one too small both ways",
    ),
    Mistake(
        "conv2d",
        "deals the channels out to the groups in turn",
        channels_dealt_out,
        "right with one group, and depthwise; otherwise as if the channels had been shuffled",
    ),
    Mistake(
        "conv2d",
        "every group sees the first group's channels",
        first_group_for_all,
        "right with one group; otherwise most channels have no influence on anything",
    ),
    Mistake(
        "conv2d",
        FROM_THE_POINTER,
        conv_of(lambda x, w: (as_it_lies(x), as_it_lies(w))),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
    Mistake(
        "conv2d",
        "turns float32 into float64",
        in_float64(conv2d),
        "right values; everything after it takes twice the memory and time",
    ),
    Mistake(
        "conv2d_backward",
        "kernel not turned in dx",
        kernel_not_turned,
        "the last convolution learns, those below it hardly; right for kernels of one tap",
        FLIP_BACK,
    ),
    Mistake(
        "conv2d_backward",
        "overlapping windows overwrite each other in dx: col2im with = in place of +=",
        overlaps_overwritten,
        "right where windows do not overlap, as with stride = kernel; elsewhere gradients are too small",
    ),
    Mistake(
        "conv2d_backward",
        "no gradient for x",
        grads_with(dx=lambda dx, cache: 0 * dx),
        "layers below it never change; the loss falls a little and stays flat",
    ),
    Mistake(
        "conv2d_backward",
        "does not cut the padding off dx",
        keeps_the_padding,
        "an error about shapes in the layer below, wherever there is padding",
    ),
    Mistake(
        "conv2d_backward",
        "dx without the rows that the stride left over",
        forgets_the_size,
        "odd sizes pass and even ones fail, or the other way round: dx is smaller than x",
        SIZE,
    ),
    Mistake(
        "conv2d_backward",
        "padding counted as zero in dw",
        padding_counted_as_zero,
        "right while padding is 0; with -1 or +1 weights at the rim of the kernel learn something else",
    ),
    Mistake(
        "conv2d_backward",
        "averages dw over the batch",
        grads_with(dw=lambda dw, cache: dw / len(cache.x)),
        "with a loss that is already a mean, learning slows down as the batch grows",
    ),
    Mistake(
        "conv2d_backward",
        "dw of the last image only",
        last_image_only,
        "right for a batch of one; otherwise gradients are as noisy as those of single images",
        ("LBANN/lbann#1022",),
    ),
    Mistake(
        "conv2d_backward",
        "dw turned by 180 degrees",
        grads_with(dw=lambda dw, cache: turned(dw)),
        "right for kernels of one tap; others learn, but to something that makes the loss no smaller",
    ),
    Mistake(
        "conv2d_backward",
        "turns float32 into float64",
        in_float64(conv2d_backward),
        "right values; the whole backward pass below takes twice the memory and time",
    ),
)
