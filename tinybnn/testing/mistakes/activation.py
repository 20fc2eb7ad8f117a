"""Mistakes in hardtanh and in the sigmoid, forward and backward."""

import numpy as np

from ...notation import Array
from ...ops.activation import hardtanh, hardtanh_backward, sigmoid_backward
from .binarize import CLIP, NO_MASK, in_float64
from .mistake import Mistake

# -- hardtanh -------------------------------------------------------------------------------------------------------


def clipped_in_place(x: Array) -> Array:
    return np.clip(x, -1, 1, out=x)


# -- sigmoid --------------------------------------------------------------------------------------------------------


def clipped_gates(x: Array) -> Array:
    """Meant against overflow; but no gate shuts, or opens, wholly."""
    return 1 / (1 + np.exp(-np.clip(x, -15, 15)))


def overflowing(x: Array) -> Array:
    e = np.exp(x)  # infinite from 89 on in float32
    return e / (1 + e)


def sigmoid_of_the_result(dy: Array, y: Array) -> Array:
    return sigmoid_backward(dy, 1 / (1 + np.exp(-y)))


def input_for_the_result(dy: Array, y: Array) -> Array:
    x = np.log(y / (1 - y))
    return dy * x * (1 - x)


def spends_its_cache(dy: Array, y: Array) -> Array:
    y *= 1 - y
    return dy * y


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "hardtanh",
        "clips below at 0",
        lambda x: np.clip(x, 0, 1),
        "nothing negative comes through: a sign that follows finds +1 everywhere",
        ("MatthieuCourbariaux/BinaryNet#18",),
    ),
    Mistake(
        "hardtanh",
        "ReLU in its place: nothing is negative any more",
        lambda x: np.maximum(x, 0),
        "the sign that follows gives +1 everywhere, so a binary layer says nothing about its input: no convergence",
        ("itayhubara/BinaryNet.pytorch#20",),
    ),
    Mistake(
        "hardtanh",
        "the smooth tanh",
        lambda x: np.tanh(x),
        "signs that follow are the same; everywhere else values are smaller, and gradients fade well within [-1, 1]",
    ),
    Mistake(
        "hardtanh",
        "writes into its input",
        clipped_in_place,
        "the layer is right; a backward pass that masks by x finds nothing beyond 1 any more, and masks nothing",
    ),
    Mistake(
        "hardtanh",
        "turns float32 into float64",
        in_float64(lambda x: hardtanh(x)[0]),
        "right values; everything after it takes twice the memory and time",
    ),
    Mistake(
        "hardtanh_backward",
        "clips the gradient instead of masking by x",
        lambda dy, x: np.clip(dy, -1, 1),
        "gradients are mostly small, so nothing is clipped: it behaves as if there were no mask",
        CLIP,
    ),
    Mistake(
        "hardtanh_backward",
        "masks by the gradient, not by x",
        lambda dy, x: dy * (np.abs(dy) <= 1),
        "gradients are mostly small, so all pass; the few large ones, which matter most, are dropped",
        CLIP,
    ),
    Mistake(
        "hardtanh_backward",
        "no mask: the gradient passes everywhere (or the mask looks at the clipped value)",
        lambda dy, x: dy,
        "it trains, at first; values drift far beyond 1, where no update changes their sign",
        NO_MASK,
    ),
    Mistake(
        "hardtanh_backward",
        "the mask is strict: nothing passes at |x| = 1",
        lambda dy, x: dy * (np.abs(x) < 1),
        "nothing in most networks; latent weights that were clipped to exactly 1 get no gradient, and stay there",
    ),
    Mistake(
        "hardtanh_backward",
        "passes what is outside",
        lambda dy, x: dy - hardtanh_backward(dy, x),
        "hardly any gradient at the start, when most values are small: the loss stays flat",
    ),
    Mistake(
        "hardtanh_backward",
        "the slope of the smooth tanh",
        lambda dy, x: dy * (1 - np.tanh(x) ** 2),
        "it trains, slower: gradients shrink at every layer, wherever values are not close to 0",
    ),
    Mistake(
        "hardtanh_backward",
        "turns float32 into float64",
        in_float64(hardtanh_backward),
        "right values; the whole backward pass below takes twice the memory and time",
    ),
    Mistake(
        "sigmoid",
        "forgets to halve: a tanh twice as steep",
        lambda x: (1 + np.tanh(x)) / 2,
        "0, 1/2 and 1 are right; in between gates are too decided, and a learnt theta is half as large",
    ),
    Mistake(
        "sigmoid",
        "forgets the minus sign: 1 / (1 + exp(x))",
        lambda x: 1 / (1 + np.exp(x)),
        "open gates are shut and shut ones open; trained from the start nothing shows, theta has the other sign",
    ),
    Mistake(
        "sigmoid",
        "clips x against overflow, too early",
        clipped_gates,
        "gates at -inf let a little through: a branch that was switched off still leaks",
    ),
    Mistake(
        "sigmoid",
        "exp(x) / (1 + exp(x)): NaN where exp overflows",
        overflowing,
        "nothing, until a value passes 88 in float32 or 709 in float64: then NaN",
        ("clab/dynet#1525", "hail-is/hail#10606"),
    ),
    Mistake(
        "sigmoid",
        "the hard sigmoid: clip((x + 1) / 2, 0, 1)",
        lambda x: np.clip((x + 1) / 2, 0, 1),
        "1/2 at 0, and otherwise off by up to 0.27; beyond 1 no gradient passes, gates get stuck",
    ),
    Mistake(
        "sigmoid_backward",
        "takes the cache for x: a sigmoid of the sigmoid",
        sigmoid_of_the_result,
        "all gradients lie between 0.19 and 0.25 of dy, however far a gate is shut: nothing looks wrong",
        ("rasmusbergpalm/DeepLearnToolbox#165",),
    ),
    Mistake(
        "sigmoid_backward",
        "x (1 - x): the input where the result belongs",
        input_for_the_result,
        "right nowhere in particular: gradients of either sign, and huge for large x; the loss diverges",
        ("BoltzmannEntropy/interviews.ai#4", "BoltzmannEntropy/interviews.ai#15"),
    ),
    Mistake(
        "sigmoid_backward",
        "the slope of tanh: 1 - y^2",
        lambda dy, y: dy * (1 - y * y),
        "three times too large at x = 0, and shut gates learn at full speed",
    ),
    Mistake(
        "sigmoid_backward",
        "forgets a factor y",
        lambda dy, y: dy * (1 - y),
        "open gates learn as they should; shut ones learn too fast",
    ),
    Mistake(
        "sigmoid_backward",
        "uses up its cache, which is also the result",
        spends_its_cache,
        "the first backward pass is right, a second one is not; and whoever kept y finds slopes in it",
    ),
)
