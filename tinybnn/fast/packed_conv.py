"""Convolution of packed signs: the whole numbers inside a binary convolution, from words.

How it is done, and how to have it tile by tile, is in :mod:`tinybnn.fast.packed_tiles`.
"""

import numpy as np

from ..notation import Array, Pair
from ..ops.bitpack import pack
from .packed_tiles import convolve, plan_conv, prepare
from .product import Product


def pack_activations(x: Array, groups: int = 1) -> Array:
    """Signs of shape (N, H, W, C) as words (N, H, W, groups * ceil(C / groups / 64)): each group starts a new word."""
    *outer, C = x.shape
    return pack(x.reshape(*outer, groups, C // groups)).reshape(*outer, -1)


def pack_weights(w: Array) -> Array:
    """Signs of shape (KH, KW, C / groups, F) as words (F, KH, KW, ceil(C / groups / 64)): each filter is one row."""
    return pack(np.ascontiguousarray(w.transpose(3, 0, 1, 2)))


def conv2d_packed(
    x: Array,
    w: Array,
    C: int,
    *,
    pad_value: int,
    stride: Pair = 1,
    pad: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    form: Product | None = None,
) -> Array:
    """Binary convolution of packed operands: the integer inside :func:`tinybnn.ops.binary_conv.binary_conv2d`.

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
        As in :func:`tinybnn.ops.binary_conv.binary_conv2d`.
    form : Product, optional
        How to count: :data:`tinybnn.ops.bitpack.POPCOUNT` or :data:`tinybnn.ops.bitpack.DIGITS`; the faster if None.

    Returns
    -------
    ndarray of int32, shape (N, OH, OW, F)

    Raises
    ------
    ValueError, TypeError
        For words that do not fit ``C``, or another ``pad_value``.

    Notes
    -----
    Exactness: equals :func:`tinybnn.ops.conv.conv2d_loops` on the unpacked signs by ``==``, with either product.
    Source: Rastegari 2016 for XNOR and popcount; the correction for padding with 0 is ours.

    Examples
    --------
    >>> x = np.array([1.0, -1.0, -1.0]).reshape(1, 1, 3, 1)
    >>> w = np.array([1.0, -1.0]).reshape(1, 2, 1, 1)
    >>> conv2d_packed(pack_activations(x), pack_weights(w), 1, pad_value=0, pad=(0, 1)).ravel()
    array([-1,  2,  0, -1], dtype=int32)
    """
    g = plan_conv(
        "conv2d_packed", x, w, C, pad_value=pad_value, stride=stride, pad=pad, dilation=dilation, groups=groups
    )
    return convolve(x, prepare(w, g, form), g, np.int32)


def upsample_conv2d_packed(
    x: Array, w: Array, C: int, *, pad_value: int, scale: Pair = 2, pad: Pair = 0, form: Product | None = None
) -> Array:
    """The same of a map that nearest upsampling would make large: :func:`conv2d_packed` of ``upsample_nearest_packed``.

    Digits count at small size, where each tap of a phase is a sum of signs (:mod:`tinybnn.ops.upsample_conv`). Popcount cannot,
    and repeats the words.

    Parameters
    ----------
    x, w, C, pad_value, form
        As in :func:`conv2d_packed`.
    scale, pad
        As in :func:`tinybnn.ops.upsample_conv.upsample_conv2d`.

    Returns
    -------
    ndarray of int32, shape (N, OH, OW, F)

    Notes
    -----
    Exactness: equals :func:`tinybnn.ops.upsample_conv.upsample_conv2d_loops` on the unpacked signs by ``==``.
    Source: ours.

    Examples
    --------
    >>> x = np.array([1.0, -1.0]).reshape(1, 1, 2, 1)                              # 1 1 -1 -1, under 1 1 1
    >>> upsample_conv2d_packed(pack_activations(x), pack_weights(np.ones((1, 3, 1, 1))), 1, pad_value=1,
    ...                        scale=(1, 2)).ravel()
    array([ 1, -1], dtype=int32)
    """
    g = plan_conv("upsample_conv2d_packed", x, w, C, pad_value=pad_value, pad=pad, scale=scale)
    return convolve(x, prepare(w, g, form), g, np.int32)
