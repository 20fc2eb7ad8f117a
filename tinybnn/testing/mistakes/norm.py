"""Mistakes in batch norm, in its gradient, in its running statistics, and in what of it runs at inference."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops import norm
from ...ops.norm import BatchNormCache, BatchNormGrads, batch_norm_backward
from .binarize import in_float64
from .mistake import Mistake
from .prelu import mean_over, spoilt

# -- training -------------------------------------------------------------------------------------------------------


def over(axes: Callable[[int], tuple[int, ...]]) -> Callable:
    """Batch norm whose statistics are taken over other axes, told by their number."""

    def forward(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
        along = axes(x.ndim)
        std = np.sqrt(x.var(along, keepdims=True) + eps)
        return (x - x.mean(along, keepdims=True)) / std * gamma + beta

    return forward


def divided_by(deviation: Callable[[Array, float], Array]) -> Callable:
    """Batch norm by another ``deviation(rows, eps)``, of rows (n, C)."""

    def forward(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
        rows = x.reshape(-1, x.shape[-1])
        return (x - rows.mean(0)) * (gamma / deviation(rows, eps)) + beta

    return forward


def mean_of_squares(rows: Array, eps: float) -> Array:
    var = (rows * rows).mean(0) - rows.mean(0) ** 2  # two large numbers, which agree in all but their last digits
    return np.sqrt(np.maximum(var, 0) + eps)


def in_place(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    axes = tuple(range(x.ndim - 1))
    std = np.sqrt(x.var(axes) + eps)
    x -= x.mean(axes)
    x *= gamma / std
    x += beta
    return x


# -- its gradient ---------------------------------------------------------------------------------------------------


def statistics_as_constants(grads: BatchNormGrads, dy: Array, cache: BatchNormCache) -> Array:
    return dy * (cache.gamma / cache.std)


def variance_as_a_constant(grads: BatchNormGrads, dy: Array, cache: BatchNormCache) -> Array:
    return (dy - grads.dbeta / cache.rows) * (cache.gamma / cache.std)


def without_gamma(grads: BatchNormGrads, dy: Array, cache: BatchNormCache) -> Array:
    return batch_norm_backward(dy, cache._replace(gamma=np.ones_like(cache.gamma))).dx


def spends_its_cache(dy: Array, cache: BatchNormCache) -> BatchNormGrads:
    grads = batch_norm_backward(dy, cache)
    cache.centred[...] /= cache.std
    return grads


# -- running statistics ---------------------------------------------------------------------------------------------


def running(change: Callable[..., tuple[Array, Array]]) -> Callable:
    """update_running by ``change(old, mean, var, n, keep)``: the batch's mean and biased variance, of n values."""

    def update(mean: Array, var: Array, x: Array, *, momentum: float = 0.9) -> tuple[Array, Array]:
        axes = tuple(range(x.ndim - 1))
        return change((mean, var), x.mean(axes), x.var(axes), x.size // x.shape[-1], momentum)

    return update


def mixed(old: tuple[Array, Array], new: tuple[Array, Array], keep: float) -> tuple[Array, Array]:
    return keep * old[0] + (1 - keep) * new[0], keep * old[1] + (1 - keep) * new[1]


def written_into(old: tuple[Array, Array], m: Array, v: Array, n: int, keep: float) -> tuple[Array, Array]:
    for a, new in zip(old, (m, v * (n / (n - 1)))):
        a[...] = keep * a + (1 - keep) * new
    return old


# -- inference ------------------------------------------------------------------------------------------------------


def inference_by(scale: Callable[[Array, float], Array]) -> Callable:
    """Inference with ``gamma`` times another ``scale(var, eps)``."""

    def forward(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5) -> Array:
        return (x - mean) * (gamma * scale(var, eps)) + beta

    return forward


def by_this_batch(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5) -> Array:
    return norm.batch_norm(x, gamma, beta, eps=eps)[0]


def shift_before_scale(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5) -> Array:
    return (x + beta - mean) * (gamma / np.sqrt(var + eps))


def without_the_mean(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5) -> Array:
    return x * (gamma / np.sqrt(var + eps)) + beta


EPS_OUTSIDE = "eps outside the root: sqrt(var) + eps"
EPS_MET = ("keras-team/keras#10427", "Tencent/ncnn#311", "tensorflow/tensorflow#24690")
NO_ROOT = "divides by the variance, not by its root"
TWICE_AS_WIDE = "right values; everything after it takes twice the memory and time"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "batch_norm",
        "divides the variance by n - 1",
        divided_by(lambda rows, eps: np.sqrt(rows.var(0, ddof=1) + eps)),
        "outputs are a little too small, the more the fewer values a channel has; nothing else",
        ("pytorch/pytorch#60528", "pytorch/pytorch#1410"),
    ),
    Mistake(
        "batch_norm",
        "statistics over images only, one for each position",
        over(lambda ndim: (0,)),
        "right for vectors; on maps with one image in the batch every output is beta",
    ),
    Mistake(
        "batch_norm",
        "takes axis 1 for the channels, as in NCHW",
        over(lambda ndim: tuple(k for k in range(ndim) if k != 1)),
        "right for vectors; on maps each row is normalised, it trains, and predictions show stripes",
        ("keras-team/keras#1921", "DCASE-REPO/dcase2018_baseline#18", "sharathadavanne/seld-dcase2021#8"),
    ),
    Mistake(
        "batch_norm",
        "one mean and variance for all channels",
        over(lambda ndim: tuple(range(ndim))),
        "right with one channel; otherwise a channel's own mean stays in it, and some are +1 after any sign",
        ("tensorlayer/TensorLayer#1103",),
    ),
    Mistake(
        "batch_norm",
        EPS_OUTSIDE,
        divided_by(lambda rows, eps: rows.std(0) + eps),
        "equal to some digits, except in channels that hardly vary: there outputs are far too large",
        EPS_MET,
    ),
    Mistake(
        "batch_norm",
        NO_ROOT,
        divided_by(lambda rows, eps: rows.var(0) + eps),
        "right where the variance is 1; elsewhere outputs are not of variance 1, and layers blow up or fade",
    ),
    Mistake(
        "batch_norm",
        "variance as mean of squares minus square of mean",
        divided_by(mean_of_squares),
        "right for values around 0; far from 0, in float32, the variance is noise, 0 or negative, and then NaN",
        ("tenstorrent/tt-metal#45968", "google/flax#1491", "tensorflow/tensorflow#3290"),
    ),
    Mistake(
        "batch_norm",
        "gamma and beta exchanged",
        lambda x, gamma, beta, *, eps=1e-5: norm.batch_norm(x, beta, gamma, eps=eps)[0],
        "at the start, where gamma is 1 and beta 0, every output is 1",
    ),
    Mistake(
        "batch_norm",
        "writes into its input",
        in_place,
        "the layer is right; a shortcut around it carries normalised values",
    ),
    Mistake("batch_norm", "turns float32 into float64", in_float64(norm.batch_norm), TWICE_AS_WIDE),
    Mistake(
        "batch_norm_backward",
        "takes mean and variance for constants",
        spoilt(batch_norm_backward, dx=statistics_as_constants),
        "the loss falls, slower; a gradient of ones comes back as gamma / std where it should come back as 0",
    ),
    Mistake(
        "batch_norm_backward",
        "takes the variance for a constant",
        spoilt(batch_norm_backward, dx=variance_as_a_constant),
        "the loss falls; only finite differences, with a gradient that is not all ones, tell",
    ),
    Mistake(
        "batch_norm_backward",
        "forgets gamma on the way back",
        spoilt(batch_norm_backward, dx=without_gamma),
        "nothing while gamma is 1, as it is at the start and in most tests",
        ("denizyuret/Knet.jl#288",),
    ),
    Mistake(
        "batch_norm_backward",
        "dgamma from the centred values, not divided by the deviation",
        spoilt(batch_norm_backward, dgamma=lambda grads, dy, cache: grads.dgamma * cache.std),
        "gamma learns too fast in channels of large variance, too slowly in others",
    ),
    Mistake(
        "batch_norm_backward",
        "averages dgamma and dbeta instead of summing",
        spoilt(
            batch_norm_backward,
            dgamma=lambda grads, dy, cache: mean_over(grads.dgamma, dy),
            dbeta=lambda grads, dy, cache: mean_over(grads.dbeta, dy),
        ),
        "gamma and beta stay close to 1 and 0, the closer the larger the map",
    ),
    Mistake(
        "batch_norm_backward",
        "uses up its cache",
        spends_its_cache,
        "the first backward pass is right, a second one from the same cache is not",
    ),
    Mistake(
        "update_running",
        "momentum is what is replaced, as in PyTorch, not what is kept",
        running(lambda old, m, v, n, keep: mixed((m, v * (n / (n - 1))), old, keep)),
        "training is fine; evaluation follows the last batch, and accuracy jumps from one run to the next",
        ("pytorch/examples#289", "lukemelas/EfficientNet-PyTorch#3", "r9y9/tacotron_pytorch#19"),
    ),
    Mistake(
        "update_running",
        "keeps the biased variance, divided by n",
        running(lambda old, m, v, n, keep: mixed(old, (m, v), keep)),
        "nothing with large maps; with few values a channel the outputs at evaluation are too large",
        ("tenstorrent/tt-metal#55438", "ml-explore/mlx#3817", "tinygrad/tinygrad#807"),
    ),
    Mistake(
        "update_running",
        "stores the variance with eps in it, so inference adds it twice",
        running(lambda old, m, v, n, keep: mixed(old, (m, v * (n / (n - 1)) + 1e-5), keep)),
        "equal to some digits, except in channels that hardly vary: there outputs at evaluation are too small",
        ("chainer/chainer#4505", "nntrainer/nntrainer#677"),
    ),
    Mistake(
        "update_running",
        "averages deviations, not variances",
        running(lambda old, m, v, n, keep: mixed(old, (m, np.sqrt(v * (n / (n - 1)))), keep)),
        "right where the variance is 1; inference takes a root of it once more",
    ),
    Mistake(
        "update_running",
        "keeps the last batch only",
        running(lambda old, m, v, n, keep: (m, v * (n / (n - 1)))),
        "accuracy at evaluation jumps from one run to the next; with one batch over and over nothing shows",
    ),
    Mistake(
        "update_running",
        "writes into the statistics it was given",
        running(written_into),
        "right values; a saved copy of the network, if it shares the arrays, changes while training goes on",
    ),
    Mistake(
        "batch_norm_inference",
        "normalises by this batch's statistics",
        by_this_batch,
        "evaluation looks fine with large batches; one image alone gives another answer than among others",
        ("pytorch/pytorch#16793",),
    ),
    Mistake(
        "batch_norm_inference",
        "adds beta before scaling",
        shift_before_scale,
        "right in channels where gamma equals the deviation, or beta is 0; accuracy drops after export",
    ),
    Mistake(
        "batch_norm_inference",
        "forgets the mean: shift = beta",
        without_the_mean,
        "right for means of 0, as in a fresh network; a trained one gives other answers",
        ("tenstorrent/tt-metal#5317",),
    ),
    Mistake(
        "batch_norm_inference",
        "forgets eps",
        inference_by(lambda var, eps: 1 / np.sqrt(var)),
        "equal to some digits, except in channels that hardly vary; in a dead channel infinity or NaN",
        ("Tencent/ncnn#303", "chainer/chainer#2214"),
    ),
    Mistake(
        "batch_norm_inference",
        EPS_OUTSIDE,
        inference_by(lambda var, eps: 1 / (np.sqrt(var) + eps)),
        "differs from training only in channels that hardly vary, and there by much",
        EPS_MET,
    ),
    Mistake(
        "batch_norm_inference",
        NO_ROOT,
        inference_by(lambda var, eps: 1 / (var + eps)),
        "right where the variance is 1; a trained network is no better than chance",
    ),
    Mistake(
        "batch_norm_inference",
        "multiplies by the deviation: takes a stored 1 / deviation for the deviation, or the reverse",
        inference_by(lambda var, eps: np.sqrt(var + eps)),
        "right where the variance is 1; an imported network predicts one class for everything",
        ("cornell-zhang/bnn-fpga#16",),
    ),
    Mistake(
        "batch_norm_inference",
        "turns float32 into float64, as running statistics kept in float64 do",
        in_float64(norm.batch_norm_inference),
        TWICE_AS_WIDE,
    ),
)
