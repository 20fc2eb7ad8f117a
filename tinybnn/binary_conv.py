"""Binary convolution: scale after an integer. Trained with floats that hold +-1, run on words of 64 signs.

``y = alpha * (x conv sgn(w))`` with ``x`` already binary. The inner sum is a whole number of at most KH KW C, exact
in float32 up to 2**24, and the scale comes after it. So the packed form, which counts disagreeing bits, owes the
float form the *same* number, and after the same multiplication the same bits.
"""

from typing import NamedTuple

import numpy as np

from .binarize import Quantizer, clipped
from .bitpack import disagreements, pack, words
from .conv import ConvCache, conv2d, conv2d_backward, conv2d_loops, output_size, pad2d, windows
from .notation import Array, Pair
from .validate import need_choice, need_dtype, need_float, need_int, need_pair, need_shape


def binary_conv2d_loops(
    x: Array,
    w: Array,
    alpha: Array,
    *,
    pad_value: int,
    stride: Pair = 1,
    pad: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """Specification of :func:`binary_conv2d` for a hard quantizer: the plain convolution of signs, then the scale."""
    signs = np.empty(w.shape, w.dtype)
    for i in np.ndindex(w.shape):
        signs[i] = type(w[i])(1 if w[i] >= 0 else -1)
    y = conv2d_loops(x, signs, stride=stride, pad=pad, pad_value=pad_value, dilation=dilation, groups=groups)
    for i in np.ndindex(y.shape):
        y[i] *= alpha[i[-1]]
    return y


class BinaryConvCache(NamedTuple):
    """The latent weights and their scale, the convolution's own cache, and its integer result."""

    w: Array
    alpha: Array
    conv: ConvCache
    z: Array
    quantizer: Quantizer


class BinaryConvGrads(NamedTuple):
    """Gradients in the order of the arguments."""

    dx: Array
    dw: Array
    dalpha: Array


def binary_conv2d(
    x: Array,
    w: Array,
    alpha: Array,
    *,
    pad_value: int,
    stride: Pair = 1,
    pad: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    quantizer: Quantizer = clipped,
) -> tuple[Array, BinaryConvCache]:
    """Convolve binary activations with the signs of latent weights, then scale each filter.

    ``y[..., f] = alpha[f] * conv2d(x, sgn(w))[..., f]``

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
        Already binarized, every value -1 or +1 (see :func:`tinybnn.binarize.binarize`). Not checked here: with a
        relaxed quantizer upstream the same code runs on real values.
    w : float ndarray of shape (KH, KW, C / groups, F)
        Latent weights; only their signs take part.
    alpha : float ndarray of shape (F,)
        The scale: ``mean_abs(w)``, or a parameter of its own.
    pad_value : -1, 0 or +1
        No default: 0 is not a binary value, and -1 and +1 are not zero.
    stride, pad, dilation, groups
        As in :func:`tinybnn.conv.conv2d`.
    quantizer : Quantizer
        The surrogate of the weights' sign.

    Returns
    -------
    y : ndarray of shape (N, OH, OW, F)
    cache : BinaryConvCache

    Raises
    ------
    ValueError, TypeError
        For another ``pad_value``, or shapes and dtypes that do not fit.

    Notes
    -----
    Exactness: equals :func:`binary_conv2d_loops` by ``==`` in float64; in float32 after one rounding of ``alpha``'s
    product. Equals ``alpha * conv2d_packed`` by ``==`` in either.
    Source: XNOR-Net, Rastegari 2016, arXiv 1603.05279, without its input scale; status exact.
    See also: :func:`conv2d_packed`.

    Examples
    --------
    >>> x = np.array([1.0, -1.0, -1.0]).reshape(1, 1, 3, 1)
    >>> w = np.array([0.3, -0.2]).reshape(1, 2, 1, 1)
    >>> binary_conv2d(x, w, np.array([0.25]), pad_value=1)[0].ravel()      # 0.25 * (1 + 1), 0.25 * (-1 + 1)
    array([0.5, 0. ])
    """
    need_choice("binary_conv2d", "pad_value", pad_value, (-1, 0, 1))
    need_float("binary_conv2d", x=x, w=w, alpha=alpha)
    need_shape("binary_conv2d", "alpha", alpha, "F", F=(w.shape[-1], "w"))
    signs = quantizer.hard(w)  # (1)
    z, conv = conv2d(x, signs, stride=stride, pad=pad, pad_value=pad_value, dilation=dilation, groups=groups)  # (2)
    return z * alpha, BinaryConvCache(w, alpha, conv, z, quantizer)  # (3)


def binary_conv2d_backward(dy: Array, cache: BinaryConvCache) -> BinaryConvGrads:
    """``dw`` goes through the surrogate; where ``alpha`` is ``mean_abs(w)``, add that path too."""
    need_shape("binary_conv2d_backward", "dy", dy, " ".join(map(str, cache.z.shape)))
    dz = dy * cache.alpha  # (3)
    dalpha = np.einsum("nijf,nijf->f", dy, cache.z)
    dx, dsigns = conv2d_backward(dz, cache.conv)  # (2)
    dw = dsigns * cache.quantizer.dsoft(cache.w)  # (1)
    return BinaryConvGrads(dx, dw, dalpha)


# -- packed: inference only -----------------------------------------------------------------------------------------


def pack_activations(x: Array, groups: int = 1) -> Array:
    """Signs of shape (N, H, W, C) as words (N, H, W, groups * ceil(C / groups / 64)): each group starts a new word."""
    *outer, C = x.shape
    return pack(x.reshape(*outer, groups, C // groups)).reshape(*outer, -1)


def pack_weights(w: Array) -> Array:
    """Signs of shape (KH, KW, C / groups, F) as words (F, KH, KW, ceil(C / groups / 64)): each filter is one row."""
    return pack(np.ascontiguousarray(w.transpose(3, 0, 1, 2)))


def conv2d_packed(
    x: Array, w: Array, C: int, *, pad_value: int, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Binary convolution of packed operands, by XOR and popcount: the integer inside :func:`binary_conv2d`.

    ``y = n - 2 popcount(columns ^ w)`` with ``n = KH KW C / groups`` taps. Padding with +1 is a word of zeros, with -1
    a word of ones. Padding with 0 runs as +1, and what the padded taps added, the sum of their weights, is subtracted.

    Parameters
    ----------
    x : uint64 ndarray of shape (N, H, W, groups * ceil(C / groups / 64))
        From :func:`pack_activations`.
    w : uint64 ndarray of shape (F, KH, KW, ceil(C / groups / 64))
        From :func:`pack_weights`.
    C : int
        The true number of channels of ``x``; words do not tell.
    pad_value, stride, pad, dilation, groups
        As in :func:`binary_conv2d`.

    Returns
    -------
    ndarray of int32, shape (N, OH, OW, F)

    Raises
    ------
    ValueError, TypeError
        For words that do not fit ``C``, or another ``pad_value``.

    Notes
    -----
    Exactness: equals :func:`tinybnn.conv.conv2d_loops` on the unpacked signs by ``==``.
    Source: Rastegari 2016 for XNOR and popcount; the correction for padding with 0 is ours.

    Examples
    --------
    >>> x = np.array([1.0, -1.0, -1.0]).reshape(1, 1, 3, 1)
    >>> w = np.array([1.0, -1.0]).reshape(1, 2, 1, 1)
    >>> conv2d_packed(pack_activations(x), pack_weights(w), 1, pad_value=0, pad=(0, 1)).ravel()
    array([-1,  2,  0, -1], dtype=int32)
    """
    op = "conv2d_packed"
    stride, pad, dilation = (
        need_pair(op, "stride", stride, 1),
        need_pair(op, "pad", pad, 0),
        need_pair(op, "dilation", dilation, 1),
    )
    need_choice(op, "pad_value", pad_value, (-1, 0, 1))
    need_dtype(op, "x", x, np.uint64)
    need_dtype(op, "w", w, np.uint64)
    need_int(op, "groups", groups, 1)
    per_group = need_int(op, "C", C, 1) // groups
    F, KH, KW, _ = need_shape(op, "w", w, "F KH KW words", words=(words(per_group), f"C = {C}"))
    N, H, W, _ = need_shape(op, "x", x, "N H W words", words=(groups * words(per_group), f"C = {C}"))
    if C % groups or F % groups:
        raise ValueError(f"{op}: C = {C} and F = {F}, expected multiples of groups = {groups}")
    OH, OW = output_size(op, (H, W), (KH, KW), stride, pad, dilation)

    y = np.empty((N, OH, OW, F), np.int32)
    for g in range(groups):
        span, filters = (
            slice(g * words(per_group), (g + 1) * words(per_group)),
            slice(g * F // groups, (g + 1) * F // groups),
        )
        rows = w[filters].reshape(F // groups, -1)
        padding = pack(np.full(per_group, -1.0 if pad_value == -1 else 1.0))
        view = windows(pad2d(x[..., span], pad, padding), (KH, KW), (OH, OW), stride, dilation)
        for n in range(N):
            columns = view[n].reshape(OH * OW, -1)
            y[n, ..., filters] = (KH * KW * per_group - 2 * disagreements(columns, rows)).reshape(OH, OW, -1)
    if pad_value == 0 and any(pad):
        outside = 1 - pad2d(np.ones((1, H, W, 1)), pad, 0.0)
        tap_sums = per_group - 2 * np.bitwise_count(w).sum(
            -1, dtype=np.int64
        )  # (F, KH, KW): each tap's weights, added up
        surplus, _ = conv2d(
            outside, tap_sums.transpose(1, 2, 0)[:, :, None].astype(float), stride=stride, dilation=dilation
        )
        y -= surplus.astype(np.int32)
    return y
