"""Mistakes in batch norm, and in folding batch norm and a sign into an integer comparison."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops import fold, norm
from .mistake import mistakes


def by_formula(rising: Callable[[Array], Array], falling: Callable[[Array], Array]) -> Callable:
    """Folding by the closed formula: alpha z crosses 0 at a real number, which the two functions make whole.

    With ceil for gamma > 0, and with floor + 1 for gamma < 0, the threshold is right up to rounding.
    """

    def folded(
        alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5
    ) -> fold.Threshold:
        crossing = (mean - beta * np.sqrt(var + eps) / np.where(gamma == 0, 1, gamma)) / alpha
        constant = np.where(beta >= 0, -n, n + 1)
        t = np.where(gamma == 0, constant, np.where(gamma > 0, rising(crossing), falling(crossing)))
        return fold.Threshold(t.astype(int), gamma < 0)

    return folded


def then(threshold: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """The pieces that exchange the right ``t, flip`` of fold_batch_norm for another threshold."""
    right = "return fold_threshold", "n, len(alpha))"
    return right, ("t, flip = fold_threshold", f"n, len(alpha))\n    return Threshold({threshold})")


EPS_OUTSIDE = "eps outside the root: sqrt(var) + eps"
EPS_MET = ("keras-team/keras#10427", "Tencent/ncnn#311", "tensorflow/tensorflow#24690")
ONE_BY_ONE = "adds the values one after the other, in the precision of the input"
ONE_BY_ONE_SYMPTOM = "nothing on small maps around 0; on large ones channels far from 0 lose digit after digit"
NO_ROOT = "divides by the variance, not by its root"

# fmt: off
MISTAKES = (
    *mistakes(
        norm.batch_norm_loops,
        ("divides the variance by n - 1", "for v in values) / len(values)", "for v in values) / (len(values) - 1)",
         "outputs are a little too small, the more so the fewer values a channel has",
         "pytorch/pytorch#60528", "pytorch/pytorch#1410"),
        ("one mean and variance for all channels", "x[..., c].ravel()", "x.ravel()",
         "right with one channel; otherwise a channel keeps its own mean, and some channels are +1 after any sign",
         "tensorlayer/TensorLayer#1103"),
        (EPS_OUTSIDE, "(var + eps) ** 0.5", "(var**0.5 + eps)",
         "equal to some digits, except in channels that hardly vary: there outputs are far too large", *EPS_MET),
        ("variance as mean of squares minus square of mean",
         "sum((v - mean) ** 2 for v in values) / len(values)", "sum(v * v for v in values) / len(values) - mean**2",
         "right for values around 0; far from 0, in float32, the variance is noise, 0 or negative, and then NaN",
         "tenstorrent/tt-metal#45968", "google/flax#1491", "tensorflow/tensorflow#3290"),
    ),
    *mistakes(
        norm.batch_norm,
        ("takes mean and variance over the images only, so each position has its own",
         ("channel_sum(x) / count", "channel_sum(centred * centred) / count"), ("x.mean(0)", "(centred**2).mean(0)"),
         "right for vectors; on maps with one image in the batch every output is beta"),
        ("takes axis 1 for the channels, as in NCHW",
         ("channel_sum(x) / count", "channel_sum(centred * centred) / count"),
         ("x.mean((0, *range(2, x.ndim)), keepdims=True)", "(centred**2).mean((0, *range(2, x.ndim)), keepdims=True)"),
         "right for vectors; on maps each row is normalised, it trains, and predictions show stripes",
         "keras-team/keras#1921", "DCASE-REPO/dcase2018_baseline#18", "sharathadavanne/seld-dcase2021#8"),
        (ONE_BY_ONE, ("channel_sum(x) / count", "channel_sum(centred) / count"),
         ("np.ones(count, x.dtype) @ x.reshape(count, -1) / count", "0"), ONE_BY_ONE_SYMPTOM),
        ("gamma and beta exchanged", ("(gamma / std)", "+= beta"), ("(beta / std)", "+= gamma"),
         "at the start, where gamma is 1 and beta is 0, every output is 1"),
    ),
    *mistakes(
        norm.batch_norm_backward,
        ("takes mean and variance for constants",
         ("centred * (-dgamma / (count * std)) + dy", "dx -= dbeta / count"), ("dy.copy()", "pass"),
         "the loss falls more slowly; for a gradient of ones dx is gamma / std, and should be 0"),
        ("takes the variance for a constant", "centred * (-dgamma / (count * std)) + dy", "dy.copy()",
         "the loss falls; only finite differences show it, and only if the gradient is not all ones"),
        ("forgets gamma on the way back", "dx *= gamma / std", "dx *= 1 / std",
         "nothing while gamma is 1, as it is at the start and in most tests", "denizyuret/Knet.jl#288"),
        ("dgamma from the centred values, not divided by the deviation",
         "(dx, dgamma, dbeta)", "(dx, dgamma * std, dbeta)",
         "gamma learns too fast in channels of large variance, and too slowly in others"),
        ("averages dgamma and dbeta instead of summing", "(dx, dgamma, dbeta)", "(dx, dgamma / count, dbeta / count)",
         "gamma and beta stay close to 1 and 0, the closer the larger the map"),
    ),
    *mistakes(
        norm.update_running_loops,
        ("momentum is what is replaced, as in PyTorch, not what is kept",
         ("momentum * mean[c] + (1 - momentum) * m", "momentum * var[c] + (1 - momentum) * v"),
         ("(1 - momentum) * mean[c] + momentum * m", "(1 - momentum) * var[c] + momentum * v"),
         "training is fine; evaluation follows the last batch, and accuracy jumps from one run to the next",
         "pytorch/examples#289", "lukemelas/EfficientNet-PyTorch#3", "r9y9/tacotron_pytorch#19"),
        (ONE_BY_ONE, "math.fsum(values)", "sum(values)", ONE_BY_ONE_SYMPTOM),
        ("keeps the biased variance, divided by n", "(len(values) - 1)", "len(values)",
         "nothing with large maps; with few values in a channel the outputs at evaluation are too large",
         "tenstorrent/tt-metal#55438", "ml-explore/mlx#3817", "tinygrad/tinygrad#807"),
        ("stores the variance with eps in it, so inference adds eps twice",
         "(1 - momentum) * v", "(1 - momentum) * (v + 1e-5)",
         "equal to some digits, except in channels that hardly vary: there outputs at evaluation are too small",
         "chainer/chainer#4505", "nntrainer/nntrainer#677"),
    ),
    *mistakes(
        norm.batch_norm_inference_loops,
        ("normalises by this batch's statistics",
         "(x[i] - mean[c]) / (var[c] + eps)", "(x[i] - x[..., c].mean()) / (x[..., c].var() + eps)",
         "evaluation seems right with large batches; an image gets a different answer alone than in a batch",
         "pytorch/pytorch#16793"),
        ("adds beta before scaling",
         "(x[i] - mean[c]) / (var[c] + eps) ** 0.5) + beta[c]", "(x[i] - mean[c] + beta[c]) / (var[c] + eps) ** 0.5)",
         "right in channels where gamma equals the deviation, or beta is 0; accuracy drops after export"),
        ("forgets the mean: shift = beta", "(x[i] - mean[c])", "x[i]",
         "right for means of 0, as in a fresh network; a trained one gives other answers", "tenstorrent/tt-metal#5317"),
        ("forgets eps", "(var[c] + eps)", "var[c]",
         "equal to some digits, except in channels that hardly vary; in a dead channel infinity or NaN",
         "Tencent/ncnn#303", "chainer/chainer#2214"),
        (EPS_OUTSIDE, "(var[c] + eps) ** 0.5", "(var[c] ** 0.5 + eps)",
         "differs from training only in channels that hardly vary, and there by much", *EPS_MET),
        (NO_ROOT, "(var[c] + eps) ** 0.5", "(var[c] + eps)",
         "right where the variance is 1; a trained network is no better than chance"),
        ("multiplies by the deviation: takes a stored 1 / deviation for the deviation, or the reverse",
         "/ (var[c] + eps)", "* (var[c] + eps)",
         "right where the variance is 1; an imported network predicts one class for everything",
         "cornell-zhang/bnn-fpga#16"),
    ),
    *mistakes(
        fold.fold_batch_norm,
        ("forgets that gamma < 0 turns the comparison", *then("t, np.zeros_like(flip)"),
         "a fresh network folds correctly, because gamma is 1 there; in a trained one whole channels are inverted",
         "larq/compute-engine#391", "Xilinx/finn#687", "LeelaChessZero/lc0#779"),
        ("gamma < 0 turns >= into <, where <= is meant", by_formula(np.ceil, np.ceil),
         "nothing with random floats; with gamma < 0 and a whole threshold, ties have the wrong sign"),
        ("a tie is -1", by_formula(lambda crossing: np.floor(crossing) + 1, np.ceil),
         "nothing with random floats; where batch norm gives exactly 0, common with round numbers, signs differ"),
        ("makes the threshold whole by a cast, which rounds towards 0",
         by_formula(np.trunc, lambda crossing: np.trunc(crossing) + 1),
         "thresholds on one side of 0 are right, on the other off by one, and single activations differ"),
        ("gamma = 0 is always +1", "norm = gamma, beta,", "norm = gamma, np.where(gamma == 0, 0, beta),",
         "nothing, until a channel dies with beta < 0: it is -1 in the float network and +1 in the folded one",
         "LeelaChessZero/lc0#779"),
        ("thresholds cut off at n: a filter that is never +1 fires at z = n", *then("np.minimum(t, n), flip"),
         "hardly anything: a filter that should always be -1 is +1 where all its taps agree"),
        ("asks every second level only", *then("t + (t + n) % 2, flip"),
         "right in the middle of the map; at its border, with padding of 0, levels in between occur, and signs differ"),
        ("a threshold for popcounts, compared with products: z = 2 p - n", *then("(t + n + 1) // 2, flip"),
         "almost all activations of a channel are the same after the first folded layer",
         "Xilinx/finn#31", "openvinotoolkit/openvino#4093"),
        ("the wrong sign for beta: mean + beta deviation / gamma",
         "norm = gamma, beta,", "norm = gamma, np.where(gamma == 0, beta, -beta),",
         "right where beta is 0, as it is at the start; a trained network differs much once it is folded",
         "MatthieuCourbariaux/BinaryNet#32"),
        ("forgets the mean", "norm = gamma, beta, mean,", "norm = gamma, beta, 0 * mean,",
         "right where the mean is 0; in a trained network whole channels keep one sign"),
        ("forgets alpha", "alpha * z.astype", "z.astype",
         "right in networks without scales; where alpha is below 1 thresholds are too close to 0"),
    ),
    *mistakes(
        fold.threshold_sign_loops,
        ("> in place of >=", "z[i] >= threshold", "z[i] > threshold",
         "signs are wrong where z is exactly t, often enough to cost accuracy: z is a whole number"),
        ("bits of what is positive: 1 means +1",
         "reached if threshold.flip[i[-1]] else not reached", "not reached if threshold.flip[i[-1]] else reached",
         "every activation is inverted; if the next layer makes the same mistake, nothing shows",
         "MatthieuCourbariaux/BinaryNet#5", "Xilinx/finn#31"),
        ("ignores flip", "reached if threshold.flip[i[-1]] else not reached", "not reached",
         "a fresh network is right, because gamma is 1 there; in a trained one channels with gamma < 0 are inverted"),
        ("turns the threshold and not the comparison",
         ("threshold.t[i[-1]]", "reached if threshold.flip[i[-1]] else not reached"),
         ("threshold.t[i[-1]] * (-1 if threshold.flip[i[-1]] else 1)", "not reached"),
         "channels with gamma < 0 rise where they should fall: most of their activations are wrong"),
        ("compares unsigned numbers: what is negative counts as huge",
         "z[i] >= threshold.t[i[-1]]", "z[i].astype(np.uint32) >= threshold.t[i[-1]].astype(np.uint32)",
         "right where z and t have the same sign; otherwise every activation is wrong, as in C with size_t"),
        ("gives -1 and +1, where bits are asked for", "return negative", "return np.where(negative, -1, 1)",
         "an error in the packing that follows; or, packed as booleans, all ones: everything is -1"),
    ),
)
