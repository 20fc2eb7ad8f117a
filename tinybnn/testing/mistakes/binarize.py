"""Mistakes in signs, and in what stands in for their derivative."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops import binarize
from ...ops.binarize import BinarizeCache, BinarizeGrads
from .mistake import Mistake

# -- signs ----------------------------------------------------------------------------------------------------------


def into_its_input(x: Array) -> Array:
    x[x >= 0] = 1
    x[x < 0] = -1
    return x


def shifted_in_place(x: Array, tau: Array, *, quantizer: Any = None) -> Array:
    x -= tau
    return binarize.sign(x)


def binarize_by(rule: Callable[[Array, Array], Array]) -> Callable:
    """The forward of binarize with another comparison."""

    def forward(x: Array, tau: Array, *, quantizer: Any = None) -> Array:
        return rule(x, tau).astype(x.dtype)

    return forward


def in_float64(function: Callable) -> Callable:
    """The right numbers in the wrong dtype: what one Python float, or ``np.where(..., 1.0, -1.0)``, does to arrays."""

    def widened(*args: Any, **options: Any) -> Any:
        out = function(*args, **options)
        if hasattr(out, "_fields"):  # gradients; a value with its cache has none
            return type(out)(*(part.astype(np.float64) for part in out))
        return (out[0] if isinstance(out, tuple) else out).astype(np.float64)

    return widened


# -- their gradient -------------------------------------------------------------------------------------------------


def backward_by(slope: Callable[[Array, BinarizeCache], Array]) -> Callable:
    """The backward pass of binarize with another ``dx = slope(dy, cache)``."""

    def backward(dy: Array, cache: BinarizeCache) -> BinarizeGrads:
        dx = slope(dy, cache)
        return BinarizeGrads(dx, -binarize.channel_sum(dx))

    return backward


def polynomial_without_end(dy: Array, cache: BinarizeCache) -> Array:
    if "polynomial" in cache.quantizer.name:
        return dy * (2 - 2 * np.abs(cache.shifted))
    return dy * cache.quantizer.dsoft(cache.shifted)


def dtau_by(change: Callable[[Array, Array, Array], Array]) -> Callable:
    """The backward pass of binarize with another ``dtau = change(dtau, dx, dy)``."""

    def backward(dy: Array, cache: BinarizeCache) -> BinarizeGrads:
        dx, dtau = binarize.binarize_backward(dy, cache)
        return BinarizeGrads(dx, change(dtau, dx, dy))

    return backward


def spends_its_cache(dy: Array, cache: BinarizeCache) -> BinarizeGrads:
    """Saves an array by keeping the slope where the input was."""
    cache.shifted[...] = cache.quantizer.dsoft(cache.shifted)
    dx = dy * cache.shifted
    return BinarizeGrads(dx, -binarize.channel_sum(dx))


ZERO_IS_TERNARY = (
    "larq/larq#32",
    "itayhubara/BinaryNet.pytorch#23",
    "liuzechun/ReActNet#11",
    "IntelLabs/distiller#198",
    "jiecaoyu/XNOR-Net-PyTorch#72",
    "Xilinx/brevitas#116",
    "yaysummeriscoming/BinaryNet_and_XNORNet#1",
)
CLIP = ("AngusG/cleverhans-attacking-bnns#2", "itayhubara/BinaryNet.pytorch#29")
NO_MASK = ("itayhubara/BinaryNet.tf#8", "itayhubara/BinaryNet.pytorch#29", "MatthieuCourbariaux/BinaryNet#17")

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "sign",
        "ternary: sign(0) = 0",
        lambda x: np.sign(x),
        "training works; the exported network, which has no third value, differs from it wherever a value is exactly 0",
        ZERO_IS_TERNARY,
    ),
    Mistake(
        "sign",
        "treats 0 as -1",
        lambda x: np.where(x > 0, 1, -1).astype(x.dtype),
        "random inputs never show it; after a ReLU, or in zero padding, where 0 is common, every such value is wrong",
        ("larq/compute-engine#132",),
    ),
    Mistake(
        "sign",
        "reads the sign bit, so -0.0 becomes -1",
        lambda x: np.copysign(x.dtype.type(1), x),
        "a few bits differ from the reference, where a negative number was multiplied by 0 or rounded to it",
    ),
    Mistake(
        "sign",
        "the two signs exchanged",
        lambda x: np.where(x >= 0, -1, 1).astype(x.dtype),
        "a network trained with it works; no weights from elsewhere do",
        ("es-ude/elastic-ai.creator#253",),
    ),
    Mistake(
        "sign",
        "gives 0 and 1 in place of -1 and +1",
        lambda x: (x >= 0).astype(x.dtype),
        "dot products are never negative, and activations after batch norm look shifted by a constant",
        ("MatthieuCourbariaux/BinaryNet#5",),
    ),
    Mistake(
        "sign",
        "x / |x|: NaN at 0",
        lambda x: x / np.abs(x),
        "the loss is NaN from the first batch with a dead unit on",
    ),
    Mistake(
        "sign",
        "returns booleans",
        lambda x: x >= 0,
        "an error further on, or sums in which False counts as 0",
    ),
    Mistake(
        "sign",
        "returns integers",
        lambda x: np.where(x >= 0, 1, -1),
        "right values; products with floats turn into float64, or the next layer refuses the dtype",
    ),
    Mistake(
        "sign",
        "turns float32 into float64",
        in_float64(binarize.sign),
        "right values; everything after it takes twice the memory and time",
    ),
    Mistake(
        "sign",
        "writes into its input",
        into_its_input,
        "this layer is right; shortcuts, the gradient's mask and the latent weights now hold signs in place of values",
    ),
    Mistake(
        "binarize",
        "strict comparison at the threshold",
        binarize_by(lambda x, t: np.where(x > t, 1, -1)),
        "nothing with random floats; wherever a value equals its threshold the sign is wrong",
        ("larq/compute-engine#132",),
    ),
    Mistake(
        "binarize",
        "ternary at the threshold",
        binarize_by(lambda x, t: np.sign(x - t)),
        "a third value, 0, appears where an input equals its threshold; packing refuses it or makes it +1",
        ZERO_IS_TERNARY,
    ),
    Mistake(
        "binarize",
        "adds the threshold",
        binarize_by(lambda x, t: np.where(x + t >= 0, 1, -1)),
        "nothing while thresholds are 0; they then learn the opposite sign, or accuracy falls as they grow",
    ),
    Mistake(
        "binarize",
        "ignores the threshold",
        binarize_by(lambda x, t: np.where(x >= 0, 1, -1)),
        "nothing while thresholds are 0, as they are at the start; trained weights lose accuracy when loaded",
    ),
    Mistake(
        "binarize",
        "the first channel's threshold for all",
        binarize_by(lambda x, t: np.where(x >= t[0], 1, -1)),
        "right with one channel, or with thresholds that are all alike",
    ),
    Mistake(
        "binarize",
        "turns float32 into float64",
        in_float64(binarize.binarize),
        "right values; everything after it takes twice the memory and time",
    ),
    Mistake(
        "binarize",
        "subtracts tau in place: writes into x",
        shifted_in_place,
        "the layer alone is right; whatever else reads x, a shortcut or a second branch, gets it shifted",
    ),
    Mistake(
        "binarize_backward",
        "differentiates sign itself: no gradient",
        backward_by(lambda dy, cache: 0 * dy),
        "no gradient reaches the layers below: only the last layers learn, and the loss soon stays flat",
    ),
    Mistake(
        "binarize_backward",
        "no mask: the gradient passes everywhere",
        backward_by(lambda dy, cache: dy),
        "it trains, at first; values drift far from 0, where no update changes their sign, and accuracy is lower",
        NO_MASK,
    ),
    Mistake(
        "binarize_backward",
        "the mask is strict: nothing passes at |x - tau| = 1",
        backward_by(lambda dy, cache: dy * (cache.quantizer.dsoft(cache.shifted) * (np.abs(cache.shifted) != 1))),
        "nothing in most networks; what was clipped to exactly 1 gets no gradient, and stays there",
        ("jiecaoyu/XNOR-Net-PyTorch#56",),
    ),
    Mistake(
        "binarize_backward",
        "clips the gradient instead of masking by x",
        backward_by(lambda dy, cache: np.clip(dy, -1, 1)),
        "gradients are mostly small, so nothing is clipped: it behaves as if there were no mask",
        CLIP,
    ),
    Mistake(
        "binarize_backward",
        "the mask of the clip, whatever surrogate was asked for",
        backward_by(lambda dy, cache: dy * (np.abs(cache.shifted) <= 1)),
        "changing the surrogate changes nothing at all in training",
    ),
    Mistake(
        "binarize_backward",
        "the polynomial's slope without an end: negative beyond 1",
        backward_by(polynomial_without_end),
        "beyond 1 gradients have the wrong sign; other surrogates are right",
    ),
    Mistake(
        "binarize_backward",
        "multiplies by the surrogate, not by its slope",
        backward_by(lambda dy, cache: dy * cache.quantizer.soft(cache.shifted)),
        "gradients have the sign of the activation: the loss rises, or wanders",
    ),
    Mistake(
        "binarize_backward",
        "forgets the minus sign of dtau",
        dtau_by(lambda dtau, dx, dy: -dtau),
        "thresholds run away from where they should be; with a small learning rate only accuracy tells",
    ),
    Mistake(
        "binarize_backward",
        "averages dtau instead of summing",
        dtau_by(lambda dtau, dx, dy: dtau * dtau.size / dy.size),
        "thresholds hardly move, the less the larger the batch",
    ),
    Mistake(
        "binarize_backward",
        "sums dtau over the first axis alone",
        dtau_by(lambda dtau, dx, dy: -dx.sum(axis=0)),
        "right for rows of features; for maps the update broadcasts, and thresholds have a shape of their own",
    ),
    Mistake(
        "binarize_backward",
        "no gradient for tau",
        dtau_by(lambda dtau, dx, dy: 0 * dtau),
        "thresholds are after training what they were before",
    ),
    Mistake(
        "binarize_backward",
        "one dtau for all channels",
        dtau_by(lambda dtau, dx, dy: np.full_like(dtau, dtau.sum())),
        "all thresholds stay equal, however long one trains",
    ),
    Mistake(
        "binarize_backward",
        "dtau without the mask",
        dtau_by(lambda dtau, dx, dy: -binarize.channel_sum(dy)),
        "thresholds are pulled by values far beyond their reach, and drift",
    ),
    Mistake(
        "binarize_backward",
        "uses up its cache",
        spends_its_cache,
        "nothing in a plain training loop; a second backward pass, as for a gradient check, gives other numbers",
    ),
    Mistake(
        "binarize_backward",
        "turns float32 into float64",
        in_float64(binarize.binarize_backward),
        "right values; the whole backward pass below takes twice the memory and time",
    ),
)
