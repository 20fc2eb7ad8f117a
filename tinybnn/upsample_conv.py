"""A convolution of a map made large by copying, without making it large.

Nearest upsampling by 2 and a 3x3 kernel: each output sees 3 x 3 values, but only 2 x 2 different ones. With the taps
added up that share a pixel (:mod:`tinybnn.phases`), one convolution of the small map, with a filter for each phase,
gives all outputs: 16 products where the large map takes 36, and a ninth of the copying. It is exact. But a sum of
signs is no sign: weights reach +-4, and a kernel that counts disagreeing bits cannot use them.
"""

from typing import NamedTuple

from .conv import ConvCache, conv2d, conv2d_backward, conv2d_loops
from .notation import HW, Array, Pair
from .phases import Phases, deal_out, gather_up, phase_kernel, phase_kernel_backward, plan_phases
from .upsample import upsample_nearest_loops
from .validate import need_float, need_shape


def upsample_conv2d_loops(x: Array, w: Array, *, scale: Pair = 2, pad: Pair = 0, pad_value: float = 0.0) -> Array:
    """Specification of :func:`upsample_conv2d`: make the large map, then convolve it."""
    return conv2d_loops(upsample_nearest_loops(x, scale=scale), w, pad=pad, pad_value=pad_value)


class UpsampleConvCache(NamedTuple):
    """The cache of the small convolution, the kernel's size, and where the phases' outputs went."""

    conv: ConvCache
    kernel: HW
    phases: Phases


class UpsampleConvGrads(NamedTuple):
    """Gradients in the order of the arguments."""

    dx: Array
    dw: Array


def upsample_conv2d(
    x: Array, w: Array, *, scale: Pair = 2, pad: Pair = 0, pad_value: float = 0.0
) -> tuple[Array, UpsampleConvCache]:
    """Convolve a nearest-upsampled map: ``conv2d(upsample_nearest(x, scale), w, pad, pad_value)``, at small size.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    w : float ndarray of shape (KH, KW, C, F)
    scale : int or (rows, columns) pair
        ``SH`` and ``SW``, of the upsampling.
    pad : int or (rows, columns) pair
        Added around the large map.
    pad_value : float

    Returns
    -------
    y : ndarray of shape (N, OH, OW, F)
        ``OH = SH H + 2 PH - KH + 1``, and likewise ``OW``.
    cache : UpsampleConvCache

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, or a kernel larger than the padded large map.

    Notes
    -----
    Exactness: equals :func:`upsample_conv2d_loops` by ``==`` while every sum is a whole number below 2**24 (float32) or
    2**53 (float64), as with binary operands; otherwise to the rounding of a sum of KH KW C terms.
    Source: ours; the same regrouping, for learnt kernels, is how sub-pixel convolution is related to deconvolution in
    Shi 2016, arXiv 1609.07009.
    See also: :func:`tinybnn.subpixel.depth_to_space`.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([1.0, 10.0]).reshape(1, 1, 2, 1), np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    >>> upsample_conv2d(x, w, scale=(1, 2), pad=(0, 1))[0].ravel()     # 1 1 10 10 under 1 2 3, zeros outside
    array([ 5., 33., 51., 30.])
    """
    op = "upsample_conv2d"
    need_float(op, x=x, w=w)
    _, H, W, C = need_shape(op, "x", x, "N H W C")
    KH, KW, _, F = need_shape(op, "w", w, "KH KW C F", C=(C, "x"))
    phases = plan_phases(op, (H, W), (KH, KW), scale, pad)
    z, conv = conv2d(x, phase_kernel(w, phases.scale), pad=phases.border, pad_value=pad_value)  # (1) (2)
    return deal_out(z, phases), UpsampleConvCache(conv, (KH, KW), phases)  # (3)


def upsample_conv2d_backward(dy: Array, cache: UpsampleConvCache) -> UpsampleConvGrads:
    """Gather the phases, go back through the small convolution; a weight gets what every sum it took part in gets."""
    conv, kernel, phases = cache
    F = conv.w.shape[-1] // (phases.scale[0] * phases.scale[1])
    need_shape("upsample_conv2d_backward", "dy", dy, " ".join(map(str, (len(conv.x), *phases.large, F))))
    dx, dkernel = conv2d_backward(gather_up(dy, phases), conv)  # (3) (2)
    return UpsampleConvGrads(dx, phase_kernel_backward(dkernel, kernel, phases.scale))  # (1)
