"""Binary convolution: a sum of signs, which is a whole number, and then a scale for each filter.

``y = alpha * (x conv sgn(w))``, where ``x`` is already binary. The sum is a whole number of at most KH KW C, which
float32 holds exactly up to 2**24, and the scale is applied after it. The packed form counts the bits that differ. It
computes the *same* whole number, so that after the same multiplication both forms agree in every bit.
"""

from collections import namedtuple

import numpy as np

from ..notation import Array, Pair
from ..validate import (
    need_choice,
    need_dtype,
    need_finite,
    need_float,
    need_gradient,
    need_int,
    need_kind,
    need_pair,
    need_pm1,
    need_shape,
)
from .binarize import Quantizer, channel_sum, clipped
from .bitpack import differing_bits, pack, words
from .conv import conv2d, conv2d_backward, conv2d_loops, need_conv, output_size, pad2d, windows


def binary_conv2d_loops(
    x: Array, w: Array, alpha: Array, *, pad_value: int,
    stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Specification of :func:`binary_conv2d` for a hard quantizer: the plain convolution of signs, then the scale."""
    signs = np.empty(w.shape, w.dtype)
    for i in np.ndindex(w.shape):
        signs[i] = type(w[i])(1 if w[i] >= 0 else -1)
    y = conv2d_loops(x, signs, stride=stride, pad=pad, pad_value=pad_value, dilation=dilation, groups=groups)
    for i in np.ndindex(y.shape):
        y[i] *= alpha[i[-1]]
    return y


BinaryConvCache = namedtuple("BinaryConvCache", "w alpha conv z quantizer")  # z is the sum, before the scale
BinaryConvGrads = namedtuple("BinaryConvGrads", "dx dw dalpha")


def binary_conv2d(
    x: Array, w: Array, alpha: Array, *, pad_value: int,
    stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1, quantizer: Quantizer = clipped,
) -> tuple[Array, BinaryConvCache]:  # fmt: skip
    """Convolve binary activations with the signs of latent weights, then scale each filter.

    ``y[..., f] = alpha[f] * conv2d(x, sgn(w))[..., f]``, of shape (N, OH, OW, F).

    Exactness: equals :func:`binary_conv2d_loops` by ``==`` in float64, and to one rounding in float32. In both it
    equals ``alpha * conv2d_packed(...)`` by ``==``.
    Source: XNOR-Net, Rastegari 2016, arXiv 1603.05279, without its input scale; status exact.
    See also: :func:`conv2d_packed`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
        Already binarized, every value -1 or +1 (see :func:`tinybnn.ops.binarize.binarize`). This is not checked,
        because with a relaxed quantizer the same code runs on real values.
    w : float ndarray of shape (KH, KW, C / groups, F); latent weights; only their signs are used
    alpha : float ndarray of shape (F,); the scale: ``mean_abs(w)``, or a parameter of its own
    pad_value : -1, 0 or +1; no default: 0 is not a binary value, and -1 and +1 are not zero; other values are refused
    stride, pad, dilation, groups : as in :func:`tinybnn.ops.conv.conv2d`
    quantizer : Quantizer; the surrogate of the weights' sign

    Examples
    --------
    >>> x = np.array([1.0, -1.0, -1.0]).reshape(1, 1, 3, 1)
    >>> w = np.array([0.3, -0.2]).reshape(1, 2, 1, 1)
    >>> binary_conv2d(x, w, np.array([0.25]), pad_value=1)[0].ravel()      # 0.25 * (1 + 1), 0.25 * (-1 + 1)
    array([0.5, 0. ])
    """
    need_choice("binary_conv2d", "pad_value", pad_value, (-1, 0, 1))
    need_float("binary_conv2d", x=x, w=w, alpha=alpha)
    need_conv("binary_conv2d", x, w, stride, pad, pad_value, dilation, groups)
    need_shape("binary_conv2d", "alpha", alpha, "F", F=(w.shape[-1], "w"))
    need_finite("binary_conv2d", x=x, alpha=alpha)
    need_kind("binary_conv2d", "quantizer", quantizer, Quantizer)
    signs = quantizer.hard(w)  # (1)
    z, conv = conv2d(x, signs, stride=stride, pad=pad, pad_value=pad_value, dilation=dilation, groups=groups)  # (2)
    return z * alpha, BinaryConvCache(w, alpha, conv, z, quantizer)  # (3)


def binary_conv2d_backward(dy: Array, cache: BinaryConvCache) -> BinaryConvGrads:
    """``dw`` goes through the surrogate. If ``alpha`` is ``mean_abs(w)``, the caller adds that path to ``dw``."""
    need_gradient("binary_conv2d_backward", dy, cache.z.shape)
    dz = dy * cache.alpha  # (3)
    dalpha = channel_sum(dy * cache.z)
    need_finite("binary_conv2d_backward", total=dalpha, dy=dy)
    dx, dsigns = conv2d_backward(dz, cache.conv)  # (2)
    dw = dsigns * cache.quantizer.dsoft(cache.w)  # (1)
    return BinaryConvGrads(dx, dw, dalpha)


def pack_activations(x: Array, groups: int = 1) -> Array:
    """Signs (N, H, W, C) as words (N, H, W, groups * ceil(C / groups / 64)). Each group starts a new word.

    A word is stored even if it holds one channel: with C = groups = 64, words take twice the memory of float32.
    """
    op = "pack_activations"
    need_float(op, x=x)
    N, H, W, C = need_shape(op, "x", x, "N H W C")
    if C % need_int(op, "groups", groups, 1):
        raise ValueError(f"{op}: x has {C} channels, expected a multiple of groups = {groups}")
    need_pm1(op, "x", x)
    return pack(x.reshape(N, H, W, groups, C // groups)).reshape(N, H, W, groups * words(C // groups))


def pack_weights(w: Array) -> Array:
    """Signs (KH, KW, C / groups, F) as words (F, KH, KW, ceil(C / groups / 64)). Each filter is one row.

    R kernels (R, KH, KW, C, F) are packed one by one, to (R, F, KH, KW, ceil(C / 64)).
    """
    need_float("pack_weights", w=w)
    need_shape("pack_weights", "w", w, "R KH KW C F" if w.ndim == 5 else "KH KW C F")
    need_pm1("pack_weights", "w", w)
    return pack(np.ascontiguousarray(np.moveaxis(w, -1, -4)))


def conv2d_packed(
    x: Array, w: Array, C: int, *, pad_value: int,
    stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Binary convolution of packed operands: the sum inside :func:`binary_conv2d`, as int32 of shape (N, OH, OW, F).

    ``y = n - 2 popcount(columns ^ w)``, where ``n = KH KW C / groups`` is the number of products in a sum. The columns
    are the words under each window. A padded pixel of +1 is a word of zeros, and one of -1 has a one for every channel.
    Padding with 0 is computed as padding with +1; afterwards the weights of all taps outside the map are subtracted.

    Exactness: equals :func:`tinybnn.ops.conv.conv2d_loops` on the unpacked signs by ``==``.
    Source: Rastegari 2016 for XNOR and popcount; the correction for padding with 0 is ours.
    See also: :func:`tinybnn.fast.conv.conv2d_packed`, which gives the same integers faster.

    Parameters
    ----------
    x : uint64 ndarray of shape (N, H, W, groups * ceil(C / groups / 64)); from :func:`pack_activations`
    w : uint64 ndarray of shape (F, KH, KW, ceil(C / groups / 64)); from :func:`pack_weights`
    C : int; the true number of channels of ``x``, which the words do not tell
    pad_value, stride, pad, dilation, groups : as in :func:`binary_conv2d`

    Examples
    --------
    >>> x = np.array([1.0, -1.0, -1.0]).reshape(1, 1, 3, 1)
    >>> w = np.array([1.0, -1.0]).reshape(1, 2, 1, 1)
    >>> conv2d_packed(pack_activations(x), pack_weights(w), 1, pad_value=0, pad=(0, 1)).ravel()
    array([-1,  2,  0, -1], dtype=int32)
    """
    op = "conv2d_packed"
    Cg = need_packed_conv(op, x, w, C, pad_value, groups)
    stride, dilation = need_pair(op, "stride", stride, 1), need_pair(op, "dilation", dilation, 1)
    pad, kernel, n = need_pair(op, "pad", pad, 0), w.shape[1:3], w.shape[1] * w.shape[2] * Cg
    OH, OW = output_size(op, x.shape[1:3], kernel, stride, pad, dilation)
    border = pack(np.full((groups, Cg), -1.0 if pad_value == -1 else 1.0)).ravel()
    y = []
    for xg, wg in zip(np.split(pad2d(x, pad, border), groups, axis=-1), np.split(w, groups)):
        columns = windows(xg, kernel, (OH, OW), stride, dilation).reshape(len(x) * OH * OW, wg[0].size)  # im2col
        y.append((n - 2 * differing_bits(columns, wg.reshape(len(wg), -1))).reshape(len(x), OH, OW, len(wg)))
    z = np.concatenate(y, axis=-1)
    if pad_value == 0:
        outside = pad2d(np.zeros((1, *x.shape[1:3], 1)), pad, 1.0)
        tap_sums = (Cg - 2 * np.bitwise_count(w).sum(-1, dtype=np.int64)).transpose(1, 2, 0)[:, :, None]
        z -= conv2d(outside, tap_sums * 1.0, stride=stride, dilation=dilation)[0].astype(np.int32)
    return z


def need_packed_conv(op: str, x: Array, w: Array, C: int, pad_value: int, groups: int = 1) -> int:
    """Refuse words that do not fit one another, or ``C``; return the channels of one group."""
    need_dtype(op, "x", x, np.uint64)
    need_dtype(op, "w", w, np.uint64)
    need_int(op, "groups", groups, 1)
    Cg = need_int(op, "C", C, 1) // groups
    F, *_ = need_shape(op, "w", w, "F KH KW words", words=(words(Cg), f"C = {C}"))
    need_shape(op, "x", x, "N H W words", words=(groups * words(Cg), f"C = {C}"))
    if C % groups or F % groups:
        raise ValueError(f"{op}: C = {C} and F = {F}, expected multiples of groups = {groups}")
    need_choice(op, "pad_value", pad_value, (-1, 0, 1))
    return Cg
