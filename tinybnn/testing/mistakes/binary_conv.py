"""Mistakes in binary convolution as it is trained: latent weights, scales, surrogates, a third value at the border."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.binarize import mean_abs
from ...ops.binary_conv import BinaryConvCache, BinaryConvGrads, binary_conv2d, binary_conv2d_backward
from ...ops.conv import conv2d, conv2d_backward
from .binarize import CLIP, NO_MASK, in_float64
from .mistake import Mistake


def with_scale(change: Callable[[Array, Array], Array]) -> Callable:
    """binary_conv2d with another scale: ``change(w, alpha)``."""
    return lambda x, w, alpha, **options: binary_conv2d(x, w, change(w, alpha), **options)[0]


def with_weights(read: Callable[[Array], Array]) -> Callable:
    """binary_conv2d that reads its latent weights otherwise than by their sign."""

    def forward(x: Array, w: Array, alpha: Array, *, quantizer: Any = None, **options: Any) -> Array:
        return conv2d(x, read(w), **options)[0] * alpha

    return forward


def padded_with(value: int) -> Callable:
    return lambda x, w, alpha, **options: binary_conv2d(x, w, alpha, **options | {"pad_value": value})[0]


def grads_with(**changes: Callable) -> Callable:
    """The backward pass with gradients changed: each takes ``dy``, the cache and the right gradients."""

    def backward(dy: Array, cache: BinaryConvCache) -> BinaryConvGrads:
        right = binary_conv2d_backward(dy, cache)
        return right._replace(**{name: change(dy, cache, right) for name, change in changes.items()})

    return backward


def dsigns(dy: Array, cache: BinaryConvCache) -> Array:
    """The gradient of the weights' signs, before any surrogate."""
    return conv2d_backward(dy * cache.alpha, cache.conv).dw


def without_alpha(dy: Array, cache: BinaryConvCache) -> BinaryConvGrads:
    return binary_conv2d_backward(dy, cache._replace(alpha=np.ones_like(cache.alpha)))


def back_through_latent_weights(dy: Array, cache: BinaryConvCache, right: BinaryConvGrads) -> Array:
    return conv2d_backward(dy * cache.alpha, cache.conv._replace(w=cache.w)).dx


def by_the_clip(dy: Array, cache: BinaryConvCache, right: BinaryConvGrads) -> Array:
    return dsigns(dy, cache) * (np.abs(cache.w) <= 1)


MAGIC = (
    "jiecaoyu/XNOR-Net-PyTorch#47",
    "jiecaoyu/XNOR-Net-PyTorch#72",
    "jiecaoyu/XNOR-Net-PyTorch#126",
    "jiecaoyu/XNOR-Net-PyTorch#41",
)

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "binary_conv2d",
        "a latent weight of 0 read as -1",
        with_weights(lambda w: np.where(w > 0, w.dtype.type(1), w.dtype.type(-1))),
        "nothing, until a weight is exactly 0, as one is that started so",
    ),
    Mistake(
        "binary_conv2d",
        "ternary weights: np.sign of a latent weight of 0",
        with_weights(np.sign),
        "nothing, until a weight is exactly 0; packed it has no third value, and differs",
    ),
    Mistake(
        "binary_conv2d",
        "convolves latent weights, not their signs",
        with_weights(lambda w: w),
        "it trains better than a binary network should; the packed network is far worse than it",
    ),
    Mistake(
        "binary_conv2d",
        "padding read as 0: a third value",
        padded_with(0),
        "the packed network differs from it at the border of every map, and nowhere else",
        (
            "larq/compute-engine#49",
            "larq/compute-engine#541",
            "MatthieuCourbariaux/BinaryNet#9",
            "cornell-zhang/bnn-fpga#22",
        ),
    ),
    Mistake(
        "binary_conv2d",
        "padding read as +1",
        padded_with(1),
        "the border alone differs from a network that was trained with zero padding",
        ("larq/compute-engine#49",),
    ),
    Mistake(
        "binary_conv2d",
        "padding read as -1",
        padded_with(-1),
        "the border alone differs from a network that was trained with zero padding",
        ("daBNN documentation",),
    ),
    Mistake(
        "binary_conv2d",
        "forgets the scale",
        with_scale(lambda w, alpha: np.ones_like(alpha)),
        "right after batch norm in training, but running statistics and folded thresholds no longer fit",
    ),
    Mistake(
        "binary_conv2d",
        "one scale for all filters",
        with_scale(lambda w, alpha: np.full_like(alpha, alpha.mean())),
        "batch norm after it makes up for it in training; loaded weights lose accuracy",
        ("jiecaoyu/XNOR-Net-PyTorch#69",),
    ),
    Mistake(
        "binary_conv2d",
        "computes the scale anew from the weights, whatever was given",
        with_scale(lambda w, alpha: mean_abs(w)[0]),
        "a learnt scale has no effect on anything",
    ),
    Mistake(
        "binary_conv2d",
        "turns float32 into float64",
        in_float64(binary_conv2d),
        "right values; everything after it takes twice the memory and time",
    ),
    Mistake(
        "binary_conv2d_backward",
        "forgets alpha on the way back",
        without_alpha,
        "gradients of the layers below are larger by 1 / alpha, once more in every layer",
    ),
    Mistake(
        "binary_conv2d_backward",
        "goes back to x through the latent weights, not their signs",
        grads_with(dx=back_through_latent_weights),
        "layers below learn slowly: latent weights are small, so their gradients are",
    ),
    Mistake(
        "binary_conv2d_backward",
        "no mask: the gradient passes as if the weights were real",
        grads_with(dw=lambda dy, cache, right: dsigns(dy, cache)),
        "it trains; latent weights grow without bound, and after a while hardly any changes its sign",
        NO_MASK,
    ),
    Mistake(
        "binary_conv2d_backward",
        "the mask of the clip, whatever surrogate was asked for",
        grads_with(dw=by_the_clip),
        "changing the surrogate of the weights changes nothing in training",
    ),
    Mistake(
        "binary_conv2d_backward",
        "clips the gradient instead of masking by w",
        grads_with(dw=lambda dy, cache, right: np.clip(dsigns(dy, cache), -1, 1)),
        "gradients are mostly small, so nothing is clipped: it behaves as if there were no mask",
        CLIP,
    ),
    Mistake(
        "binary_conv2d_backward",
        "differentiates sign itself: no gradient for w",
        grads_with(dw=lambda dy, cache, right: 0 * right.dw),
        "binary weights are after training what they were before; only scales and batch norm learn",
        ("MatthieuCourbariaux/BinaryConnect#7",),
    ),
    Mistake(
        "binary_conv2d_backward",
        "multiplies dw by 1e9, as XNOR-Net's code does",
        grads_with(dw=lambda dy, cache, right: right.dw * right.dw.dtype.type(1e9)),
        "the same with Adam, which divides it out again, but that weight decay has no effect; plain SGD diverges",
        MAGIC,
    ),
    Mistake(
        "binary_conv2d_backward",
        "no gradient for alpha",
        grads_with(dalpha=lambda dy, cache, right: 0 * right.dalpha),
        "scales are after training what they were before",
    ),
    Mistake(
        "binary_conv2d_backward",
        "counts alpha twice in dalpha",
        grads_with(dalpha=lambda dy, cache, right: right.dalpha * cache.alpha),
        "right for a scale of 1; small scales hardly move",
    ),
    Mistake(
        "binary_conv2d_backward",
        "averages dalpha over positions and batch",
        grads_with(dalpha=lambda dy, cache, right: right.dalpha / dy[..., 0].size),
        "scales hardly move, the less the larger the map",
    ),
)
