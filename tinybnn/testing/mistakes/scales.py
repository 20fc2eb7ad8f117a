"""Mistakes in the scales of binary weights, and in what a weight learns through its scale."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops import binarize
from .binarize import in_float64
from .mistake import Mistake


def per_filter(reduce: Callable[[Array], Array]) -> Callable:
    """A scale for each filter by another ``reduce`` of its weights, (weights, F) to (F,)."""

    def forward(w: Array) -> Array:
        return reduce(w.reshape(-1, w.shape[-1])).astype(w.dtype)

    return forward


def without_the_channels(w: Array) -> Array:
    return np.abs(w).sum((0, 1, 2)) / w.dtype.type(w.shape[0] * w.shape[1])


GRADIENT_OF_ALPHA = ("jiecaoyu/XNOR-Net-PyTorch#122",)

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "mean_abs",
        "sums |w| instead of averaging",
        per_filter(lambda w: np.abs(w).sum(0)),
        "activations are larger by the number of weights in a filter; batch norm hides it, until it is folded",
    ),
    Mistake(
        "mean_abs",
        "one scale for all filters",
        per_filter(lambda w: np.full(w.shape[-1], np.abs(w).mean())),
        "batch norm after it makes up for it in training; without batch norm accuracy is lower",
        ("jiecaoyu/XNOR-Net-PyTorch#69",),
    ),
    Mistake(
        "mean_abs",
        "forgets the absolute value",
        per_filter(lambda w: w.mean(0)),
        "scales close to 0, some of them negative: outputs vanish and some filters are turned over",
    ),
    Mistake(
        "mean_abs",
        "root mean square in place of the mean of |w|",
        per_filter(lambda w: np.sqrt((w * w).mean(0))),
        "every scale is a little too large: never smaller than the mean of |w|, and equal where all |w| are",
        ("lucamocerino/Binary-Neural-Networks-PyTorch-2.x#4",),
    ),
    Mistake(
        "mean_abs",
        "the largest |w|, as for 8-bit weights",
        per_filter(lambda w: np.abs(w).max(0)),
        "scales are set by one weight of each filter; batch norm hides it in training",
    ),
    Mistake(
        "mean_abs",
        "divides by KH KW only, not by the channels",
        without_the_channels,
        "right in the first layer of a grey image; elsewhere too large by the number of channels",
    ),
    Mistake(
        "mean_abs",
        "one scale for each input channel: keeps the wrong axis",
        lambda w: np.abs(w).mean((0, 1, 3)),
        "an error about shapes, except where a layer has as many filters as channels: there it is silently wrong",
        ("jiecaoyu/XNOR-Net-PyTorch#9",),
    ),
    Mistake(
        "mean_abs",
        "turns float32 into float64",
        in_float64(binarize.mean_abs),
        "right values; the scaled layer and all after it compute in float64",
    ),
    Mistake(
        "mean_abs_backward",
        "treats the scale as a constant: no gradient",
        lambda dalpha, w: np.zeros_like(w),
        "it trains; latent weights beyond the surrogate's reach get no gradient at all",
        GRADIENT_OF_ALPHA,
    ),
    Mistake(
        "mean_abs_backward",
        "forgets the sign of the weight",
        lambda dalpha, w: np.ones_like(w) * (dalpha / (w.size // w.shape[-1])),
        "right for positive weights; negative ones are pushed the wrong way",
        GRADIENT_OF_ALPHA,
    ),
    Mistake(
        "mean_abs_backward",
        "the weight in place of its sign",
        lambda dalpha, w: w * (dalpha / (w.size // w.shape[-1])),
        "small weights, the ones about to change sign, hardly feel the scale's gradient",
    ),
    Mistake(
        "mean_abs_backward",
        "forgets to divide by the number of weights",
        lambda dalpha, w: binarize.sign(w) * dalpha,
        "this path outweighs the one through the signs many times over",
    ),
    Mistake(
        "mean_abs_backward",
        "divides by all weights, not by one filter's",
        lambda dalpha, w: binarize.sign(w) * (dalpha / w.size),
        "right with one filter; otherwise the scale's gradient is too small by the number of filters",
    ),
    Mistake(
        "mean_abs_backward",
        "the slope of |w| at 0 taken as 0",
        lambda dalpha, w: np.sign(w) * (dalpha / (w.size // w.shape[-1])),
        "nothing, until a latent weight is exactly 0",
    ),
)
