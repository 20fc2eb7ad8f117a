"""Binary convolution: scale after an integer. Trained with floats that hold +-1, run on words of 64 signs.

``y = alpha * (x conv sgn(w))`` with ``x`` already binary. The inner sum is a whole number of at most KH KW C, exact
in float32 up to 2**24, and the scale comes after it. So the packed form (:mod:`tinybnn.ops.binary_conv`), which counts
disagreeing bits, owes the float form the *same* number, and after the same multiplication the same bits.
"""

from typing import NamedTuple

import numpy as np

from ..notation import Array, Pair
from ..validate import need_choice, need_float, need_shape
from .binarize import Quantizer, clipped
from .conv import ConvCache, conv2d, conv2d_backward, conv2d_loops


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
        Already binarized, every value -1 or +1 (see :func:`tinybnn.ops.binarize.binarize`). Not checked here: with a
        relaxed quantizer upstream the same code runs on real values.
    w : float ndarray of shape (KH, KW, C / groups, F)
        Latent weights; only their signs take part.
    alpha : float ndarray of shape (F,)
        The scale: ``mean_abs(w)``, or a parameter of its own.
    pad_value : -1, 0 or +1
        No default: 0 is not a binary value, and -1 and +1 are not zero.
    stride, pad, dilation, groups
        As in :func:`tinybnn.ops.conv.conv2d`.
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
    product. Equals
    ``alpha * conv2d_packed`` by ``==`` in either.
    Source: XNOR-Net, Rastegari 2016, arXiv 1603.05279, without its input scale; status exact.
    See also: :func:`tinybnn.ops.binary_conv.conv2d_packed`.

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
