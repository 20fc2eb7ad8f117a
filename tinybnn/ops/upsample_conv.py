"""Nearest upsampling and then a convolution, computed on the small map.

Nearest upsampling by S copies each pixel into a block of S x S. The outputs of a convolution of the large map form
S x S *phases*, one for each place in a block. In one phase, the same *taps* (positions of the kernel) always read the
same small pixel, so their weights can be added beforehand. With S = 2 and a kernel of three taps::

    kernel row      w0   w1   w2
    phase 0         w0 + w1 | w2           each output reads two pixels of the small map
    phase 1         w0 | w1 + w2

So one convolution of the small map, with a small kernel for each phase, gives exactly the same outputs. With S = 2 and
a 3x3 kernel it takes 16 products where the large map takes 36, and it copies a ninth as much. But a sum of signs is
not a sign: these weights go up to 4, so packed code cannot use them.
"""

from collections import namedtuple
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..notation import HW, Array, Pair, ceil_div
from ..validate import need_finite, need_float, need_gradient, need_number, need_pair, need_shape
from .binary_conv import conv2d_packed, need_packed_conv
from .conv import conv2d, conv2d_backward, conv2d_loops
from .upsample import upsample_nearest_loops, upsample_nearest_packed


def upsample_conv2d_loops(x: Array, w: Array, *, scale: Pair = 2, pad: Pair = 0, pad_value: float = 0.0) -> Array:
    """Specification of :func:`upsample_conv2d`: make the large map, then convolve it."""
    return conv2d_loops(upsample_nearest_loops(x, scale=scale), w, pad=pad, pad_value=pad_value)


UpsampleConvCache = namedtuple("UpsampleConvCache", "conv kernel phases")
UpsampleConvGrads = namedtuple("UpsampleConvGrads", "dx dw")


def upsample_conv2d(
    x: Array, w: Array, *, scale: Pair = 2, pad: Pair = 0, pad_value: float = 0.0
) -> tuple[Array, UpsampleConvCache]:
    """Convolve a nearest-upsampled map: ``conv2d(upsample_nearest(x, scale), w, pad, pad_value)``, at small size.

    Exactness: equals :func:`upsample_conv2d_loops` by ``==`` while every sum is an integer below 2**24 (float32) or
    2**53 (float64), as with binary operands; otherwise to the rounding of a sum of KH KW C terms.
    Source: ours. Shi 2016, arXiv 1609.07009, uses the same regrouping of learnt kernels to relate sub-pixel convolution
    to deconvolution.
    See also: :func:`upsample_conv2d_packed`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    w : float ndarray of shape (KH, KW, C, F)
    scale, pad : int or (rows, columns) pair; padding is added to the large map, and the kernel must fit into that
    pad_value : float

    Returns
    -------
    y : ndarray of shape (N, OH, OW, F); ``OH = SH H + 2 PH - KH + 1``, and likewise ``OW``

    Examples
    --------
    >>> x, w = np.array([1.0, 10.0]).reshape(1, 1, 2, 1), np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    >>> upsample_conv2d(x, w, scale=(1, 2), pad=(0, 1))[0].ravel()     # 1 1 10 10 under 1 2 3, zeros outside
    array([ 5., 33., 51., 30.])
    """
    op = "upsample_conv2d"
    need_float(op, x=x, w=w)
    _, H, W, C = need_shape(op, "x", x, "N H W C")
    KH, KW, _, _ = need_shape(op, "w", w, "KH KW C F", C=(C, "x"))
    need_finite(op, x=x, w=w)
    need_number(op, "pad_value", pad_value)
    phases = plan_phases(op, (H, W), (KH, KW), scale, pad)
    kernel = phase_kernel(w, phases.scale)  # (1)
    z, conv = conv2d(x, kernel, pad=phases.border, pad_value=pad_value)  # (2)
    return join_phases(z, phases), UpsampleConvCache(conv, (KH, KW), phases)  # (3)


def upsample_conv2d_backward(dy: Array, cache: UpsampleConvCache) -> UpsampleConvGrads:
    """Undo the three steps. A weight gets the gradients of all sums that it is part of."""
    conv, kernel, phases = cache
    F = conv.w.shape[-1] // (phases.scale[0] * phases.scale[1])
    need_gradient("upsample_conv2d_backward", dy, (len(conv.x), *phases.large, F))
    try:
        dx, dkernel = conv2d_backward(split_phases(dy, phases), conv)  # (3) (2)
    except ValueError:
        need_finite("upsample_conv2d_backward", dy=dy)  # the same error, in the caller's words
        raise
    return UpsampleConvGrads(dx, phase_kernel_backward(dkernel, kernel, phases.scale))  # (1)


def upsample_conv2d_packed(x: Array, w: Array, C: int, *, pad_value: int, scale: Pair = 2, pad: Pair = 0) -> Array:
    """The same of packed signs, int32 of shape (N, OH, OW, F): repeat the words, then count the bits that differ.

    Exactness: equals :func:`upsample_conv2d_loops` on the unpacked signs by ``==``. Source: ours.
    See also: :func:`tinybnn.fast.conv.upsample_conv2d_packed`, which gives the same integers faster.

    Parameters
    ----------
    x, w, C, pad_value : as in :func:`tinybnn.ops.binary_conv.conv2d_packed`, with one group
    scale, pad : as in :func:`upsample_conv2d`

    Examples
    --------
    >>> from tinybnn import pack_activations, pack_weights
    >>> x, w = np.array([1.0, -1.0]).reshape(1, 1, 2, 1), np.ones((1, 3, 1, 1))        # 1 1 -1 -1, under 1 1 1
    >>> upsample_conv2d_packed(pack_activations(x), pack_weights(w), 1, pad_value=1, scale=(1, 2)).ravel()
    array([ 1, -1], dtype=int32)
    """
    op = "upsample_conv2d_packed"
    need_packed_conv(op, x, w, C, pad_value)
    plan_phases(op, x.shape[1:3], w.shape[1:3], scale, pad)  # refuses a kernel that is too large
    return conv2d_packed(upsample_nearest_packed(x, scale=scale), w, C, pad_value=pad_value, pad=pad)


@lru_cache
def shared_taps(K: int, S: int) -> Array:
    """``A[a, t, k]`` is 1 where tap ``k`` of phase ``a`` reads pixel ``t``: ``(a + k) // S == t``.

    >>> shared_taps(3, 2)[1]                             # in phase 1 the last two of three taps share a pixel
    array([[1., 0., 0.],
           [0., 1., 1.]], dtype=float32)
    """
    a, t, k = np.ogrid[:S, : (S + K - 2) // S + 1, :K]
    taps = ((a + k) // S == t).astype(np.float32)
    taps.flags.writeable = False  # it is kept, and handed out again
    return taps


def phase_kernel_loops(w: Array, scale: HW) -> Array:
    """Specification of :func:`phase_kernel`: in each phase, every tap is added to the pixel it reads."""
    (KH, KW, C, F), (SH, SW) = w.shape, scale
    kernel = np.zeros(((SH + KH - 2) // SH + 1, (SW + KW - 2) // SW + 1, C, SH * SW * F))
    for a, b, kh, kw, c, f in np.ndindex(SH, SW, KH, KW, C, F):
        kernel[(a + kh) // SH, (b + kw) // SW, c, (a * SW + b) * F + f] += w[kh, kw, c, f]
    return kernel


def phase_kernel(w: Array, scale: HW) -> Array:
    """The kernels of all phases side by side: (KH, KW, C, F) to (T, U, C, SH SW F), ordered by phase, then by filter.

    >>> phase_kernel(np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1), (1, 2))[0, :, 0]
    array([[ 11.,   1.],
           [100., 110.]])
    """
    need_finite("phase_kernel", w=w)
    (KH, KW, C, F), (SH, SW) = w.shape, scale
    A, B = (shared_taps(K, S).astype(w.dtype, copy=False) for K, S in ((KH, SH), (KW, SW)))
    T, U = A.shape[1], B.shape[1]
    rows = (A.reshape(SH * T, KH) @ w.reshape(KH, KW * C * F)).reshape(SH * T, KW, C * F)  # (1)
    kernel = (B.reshape(SW * U, KW) @ rows).reshape(SH, T, SW, U, C, F)  # (2)
    return kernel.transpose(1, 3, 4, 0, 2, 5).reshape(T, U, C, SH * SW * F)  # (3)


def phase_kernel_backward(dkernel: Array, kernel: HW, scale: HW) -> Array:
    """The transposed sums: tap ``k`` is part of one pixel in each phase, so SH SW gradients add."""
    need_finite("phase_kernel_backward", dkernel=dkernel)
    (T, U, C, _), (KH, KW), (SH, SW) = dkernel.shape, kernel, scale
    A, B = (shared_taps(K, S).astype(dkernel.dtype, copy=False) for K, S in ((KH, SH), (KW, SW)))
    dkernel = dkernel.reshape(T, U, C, SH, SW, -1).transpose(3, 0, 4, 1, 2, 5)  # (3)
    drows = B.reshape(SW * U, KW).T @ dkernel.reshape(SH * T, SW * U, -1)  # (2)
    return (A.reshape(SH * T, KH).T @ drows.reshape(SH * T, -1)).reshape(KH, KW, C, -1)  # (1)


class Phases(NamedTuple):
    """Sizes, rows before columns: the map is padded by ``border``, and each phase then has size ``small``. Joined, the
    phases have ``cut`` rows and columns too many at the top and left of the result, whose size is ``large``.
    """

    scale: HW
    border: HW
    small: HW
    cut: HW
    large: HW


def plan_phases(op: str, size: HW, kernel: HW, scale: Pair, pad: Pair) -> Phases:
    """The border of whole small pixels that covers the padding, and how much of the result is cut off again."""
    scale, pad = need_pair(op, "scale", scale, 1), need_pair(op, "pad", pad, 0)
    large = tuple(s * n + 2 * p - k + 1 for s, n, p, k in zip(scale, size, pad, kernel))
    if min(large) < 1:
        padded = tuple(s * n + 2 * p for s, n, p in zip(scale, size, pad))
        raise ValueError(f"{op}: the kernel spans {kernel}, expected at most the padded large map's {padded}")
    # The border holds the padding, and all that the last output of any phase reads.
    reach = tuple((s + k - 2) // s for s, k in zip(scale, kernel))
    border = tuple(ceil_div(max(p, p + s * r - k + 1), s) for p, s, r, k in zip(pad, scale, reach, kernel))
    small = tuple(n + 2 * b - r for n, b, r in zip(size, border, reach))
    cut = tuple(b * s - p for b, s, p in zip(border, scale, pad))
    return Phases(scale, *((rows, columns) for rows, columns in (border, small, cut, large)))


def places(phases: Phases) -> Iterator[tuple[tuple, tuple]]:
    """For each phase, which positions of its own map are used, and which positions of the result they become."""
    for phase in np.ndindex(phases.scale):
        small, large = [slice(None)], [slice(None)]  # all images
        for a, S, cut, size in zip(phase, phases.scale, phases.cut, phases.large):
            first = (a - cut) % S
            large.append(slice(first, size, S))
            start = (first + cut) // S
            small.append(slice(start, start + len(range(first, size, S))))
        yield tuple(small), tuple(large)


def join_phases(z: Array, phases: Phases) -> Array:
    """Phases side by side in the channels, (N, h, w, SH SW F), as one map (N, OH, OW, F)."""
    F = z.shape[-1] // (phases.scale[0] * phases.scale[1])
    y = np.empty((len(z), *phases.large, F), z.dtype)
    for p, (small, large) in enumerate(places(phases)):
        y[large] = z[small][..., p * F : (p + 1) * F]
    return y


def split_phases(dy: Array, phases: Phases) -> Array:
    """The transpose of :func:`join_phases`: positions that were not used get the gradient 0."""
    F = dy.shape[-1]
    dz = np.zeros((len(dy), *phases.small, phases.scale[0] * phases.scale[1] * F), dy.dtype)
    for p, (small, large) in enumerate(places(phases)):
        dz[small][..., p * F : (p + 1) * F] = dy[large]
    return dz
