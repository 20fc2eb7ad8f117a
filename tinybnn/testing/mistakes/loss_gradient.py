"""Mistakes in the gradients of the three losses."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops import loss
from ...ops.activation import sigmoid_backward
from ...ops.loss import BinaryCache, CrossEntropyCache, DiceCache
from .binarize import in_float64
from .mistake import Mistake

# -- any loss -------------------------------------------------------------------------------------------------------


def deaf_to_dloss(backward: Callable) -> Callable:
    """As if the loss were always the last step, and never one term of a sum."""
    return lambda dloss, cache: backward(1.0, cache)


def uphill(backward: Callable) -> Callable:
    return lambda dloss, cache: -backward(dloss, cache)


def over_all_pixels(backward: Callable) -> Callable:
    """A mean over ignored pixels too."""
    return lambda dloss, cache: backward(dloss * (cache.counted.sum() / cache.counted.size), cache)


def one_after_another(backward: Callable) -> Callable:
    """``dlogits[:P] = dz`` where ``dlogits[counted] = dz`` is meant."""

    def shifted(dloss: Array, cache: Any) -> Array:
        dlogits = backward(dloss, cache)
        dz = dlogits[cache.counted]
        out = np.zeros_like(dlogits)
        out.reshape(-1, *dz.shape[1:])[: len(dz)] = dz
        return out

    return shifted


# -- cross-entropy --------------------------------------------------------------------------------------------------


def gradient_by(change: Callable[[Array, Array], Array]) -> Callable:
    """``change(softmax, label)``, of the pixels that count, in the place of softmax less one at the label."""

    def backward(dloss: Array, cache: CrossEntropyCache) -> Array:
        counted, p, t, weights = cache
        dlogits = np.zeros((*counted.shape, p.shape[-1]), p.dtype)
        dlogits[counted] = change(p, t) * (p.dtype.type(dloss) * weights / (weights.sum() or 1))[:, None]
        return dlogits

    return backward


def error(p: Array, t: Array) -> Array:
    return p - np.eye(p.shape[-1], dtype=p.dtype)[t]


def minus_one_in_columns(p: Array, t: Array) -> Array:
    dz = p.copy()
    dz[:, t] -= 1  # the columns of all labels that occur, in every row
    return dz


def softmax_spent(dloss: Array, cache: CrossEntropyCache) -> Array:
    """Makes the gradient in the place of the softmax, to save a copy."""
    cache.probability[np.arange(len(cache.labels)), cache.labels] -= 1
    return gradient_by(lambda p, t: p)(dloss, cache)


def undivided_by_weights(dloss: Array, cache: CrossEntropyCache) -> Array:
    return loss.cross_entropy_backward(dloss * (cache.weights.sum() or 1), cache)


def weights_only_below(dloss: Array, cache: CrossEntropyCache) -> Array:
    scale = len(cache.weights) / (cache.weights.sum() or 1)
    return loss.cross_entropy_backward(dloss * scale, cache._replace(weights=np.ones_like(cache.weights)))


def weights_nowhere(dloss: Array, cache: CrossEntropyCache) -> Array:
    return loss.cross_entropy_backward(dloss, cache._replace(weights=np.ones_like(cache.weights)))


def guess_at_ignored_pixels(dloss: Array, cache: CrossEntropyCache) -> Array:
    """Leaves a uniform softmax where the label gave nothing to subtract."""
    dlogits = loss.cross_entropy_backward(dloss, cache)
    dlogits[~cache.counted] = dloss / dlogits.shape[-1]
    return dlogits


# -- binary cross-entropy and Dice ----------------------------------------------------------------------------------


def as_for_a_squared_error(dloss: Array, cache: BinaryCache) -> Array:
    dlogits = loss.binary_cross_entropy_backward(dloss, cache)
    dlogits[cache.counted] *= cache.probability * (1 - cache.probability)
    return dlogits


def undivided_by_pixels(dloss: Array, cache: BinaryCache) -> Array:
    return loss.binary_cross_entropy_backward(dloss * max(len(cache.targets), 1), cache)


def sigmoid_spent(dloss: Array, cache: BinaryCache) -> Array:
    dz = cache.probability
    dz -= cache.targets  # in the place of the probability, to save a copy
    return loss.binary_cross_entropy_backward(dloss, cache._replace(targets=np.zeros_like(dz)))


def dice_gradient_by(slope: Callable[[DiceCache], Array], sigmoid_slope: Callable = sigmoid_backward) -> Callable:
    """Another derivative of Dice by the probability, and of the probability by the logit."""

    def backward(dloss: Array, cache: DiceCache) -> Array:
        dlogits = np.zeros(cache.counted.shape, cache.probability.dtype)
        dlogits[cache.counted] = sigmoid_slope(slope(cache) * cache.probability.dtype.type(dloss), cache.probability)
        return dlogits

    return backward


def right_slope(cache: DiceCache) -> Array:
    return (cache.above / cache.below - 2 * cache.targets) / cache.below


DEAF = "takes the gradient from above to be 1"
DEAF_SYMPTOM = "right alone; a factor before the loss changes nothing, so a sum of losses is not weighted"
DEAF_MET = ("chainer/chainer#1175", "SeanNaren/warp-ctc#69", "SeanNaren/warp-ctc#170")
UPHILL = "the sign turned: climbs"
UPHILL_SYMPTOM = "the loss rises from the first step on, until it overflows"
ALL_BELOW = "divided by all pixels, ignored ones too"
ALL_BELOW_SYMPTOM = (
    "batches with much to ignore hardly move the weights; a gradient check on a fully labelled map passes"
)
WIDE_SYMPTOM = "right values; the whole backward pass takes twice the memory and time"
IN_A_ROW = "laid down one after another, not where their pixels are"
IN_A_ROW_SYMPTOM = "right without ignored pixels; behind the first one, every pixel learns from the label of another"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "cross_entropy_backward",
        "not divided by the sum of the weights",
        undivided_by_weights,
        "gradients grow with the image: only a tiny learning rate does not diverge",
        ("apache/mxnet#2215",),
    ),
    Mistake(
        "cross_entropy_backward",
        "the class weights only in the denominator",
        weights_only_below,
        "right without class weights; with them all classes pull alike",
    ),
    Mistake(
        "cross_entropy_backward",
        "forgets the class weights",
        weights_nowhere,
        "the loss shows the weights, training does not: rare classes are missed as before",
    ),
    Mistake(
        "cross_entropy_backward",
        "does not subtract 1 at the true class",
        gradient_by(lambda p, t: p),
        "all logits are pushed down, the right ones too; the loss does not fall",
    ),
    Mistake(
        "cross_entropy_backward",
        "dz[:, t] -= 1: subtracts 1 at the labels of all pixels",
        gradient_by(minus_one_in_columns),
        "right for one pixel, as a first test has it; on a map every class that occurs is pulled up everywhere",
    ),
    Mistake(
        "cross_entropy_backward",
        "multiplied by the slope of softmax once more",
        gradient_by(lambda p, t: error(p, t) * p * (1 - p)),
        "trains slowly, and not at all where the network is surely wrong: its gradient fades there",
    ),
    Mistake(
        "cross_entropy_backward",
        "a gradient at ignored pixels",
        guess_at_ignored_pixels,
        "unlabelled regions are pushed down in all classes; the loss itself does not show it",
    ),
    Mistake("cross_entropy_backward", ALL_BELOW, over_all_pixels(loss.cross_entropy_backward), ALL_BELOW_SYMPTOM),
    Mistake("cross_entropy_backward", IN_A_ROW, one_after_another(loss.cross_entropy_backward), IN_A_ROW_SYMPTOM),
    Mistake("cross_entropy_backward", DEAF, deaf_to_dloss(loss.cross_entropy_backward), DEAF_SYMPTOM, DEAF_MET),
    Mistake("cross_entropy_backward", UPHILL, uphill(loss.cross_entropy_backward), UPHILL_SYMPTOM),
    Mistake(
        "cross_entropy_backward",
        "uses up its cache",
        softmax_spent,
        "nothing in a plain training loop; a second backward pass gives other numbers",
    ),
    Mistake(
        "cross_entropy_backward",
        "np.zeros without a dtype: float64",
        in_float64(loss.cross_entropy_backward),
        WIDE_SYMPTOM,
    ),
    Mistake(
        "binary_cross_entropy_backward",
        "multiplied by the slope of the sigmoid besides",
        as_for_a_squared_error,
        "trains slowly, and not at all where the network is surely wrong: its gradient fades there",
        ("TuSimple/mx-maskrcnn#65",),
    ),
    Mistake(
        "binary_cross_entropy_backward",
        "not divided by the number of pixels",
        undivided_by_pixels,
        "gradients grow with the image: only a tiny learning rate does not diverge",
    ),
    Mistake(
        "binary_cross_entropy_backward",
        ALL_BELOW,
        over_all_pixels(loss.binary_cross_entropy_backward),
        ALL_BELOW_SYMPTOM,
    ),
    Mistake(
        "binary_cross_entropy_backward",
        IN_A_ROW,
        one_after_another(loss.binary_cross_entropy_backward),
        IN_A_ROW_SYMPTOM,
    ),
    Mistake(
        "binary_cross_entropy_backward",
        DEAF,
        deaf_to_dloss(loss.binary_cross_entropy_backward),
        DEAF_SYMPTOM,
        DEAF_MET,
    ),
    Mistake(
        "binary_cross_entropy_backward",
        UPHILL,
        uphill(loss.binary_cross_entropy_backward),
        UPHILL_SYMPTOM,
    ),
    Mistake(
        "binary_cross_entropy_backward",
        "uses up its cache",
        sigmoid_spent,
        "nothing in a plain training loop; a second backward pass gives other numbers",
    ),
    Mistake(
        "binary_cross_entropy_backward",
        "np.zeros without a dtype: float64",
        in_float64(loss.binary_cross_entropy_backward),
        WIDE_SYMPTOM,
    ),
    Mistake(
        "dice_backward",
        "the sizes taken for constants",
        dice_gradient_by(lambda cache: -2 * cache.targets / cache.below),
        "only the object's pixels learn: it grows until it covers the image",
    ),
    Mistake(
        "dice_backward",
        "the denominator not squared",
        dice_gradient_by(lambda cache: cache.above / cache.below - 2 * cache.targets),
        "gradients grow with the object and the image: only a tiny learning rate does not diverge",
    ),
    Mistake(
        "dice_backward",
        "without the slope of the sigmoid",
        dice_gradient_by(right_slope, lambda dp, p: dp),
        "pixels that are long sure go on being pushed: logits grow without end",
    ),
    Mistake(
        "dice_backward",
        "the sign of a score, not of a loss",
        uphill(loss.dice_backward),
        "the loss rises from the first step on, and the object vanishes",
    ),
    Mistake(
        "dice_backward",
        DEAF,
        deaf_to_dloss(loss.dice_backward),
        DEAF_SYMPTOM,
        DEAF_MET,
    ),
    Mistake("dice_backward", IN_A_ROW, one_after_another(loss.dice_backward), IN_A_ROW_SYMPTOM),
    Mistake(
        "dice_backward",
        "np.zeros without a dtype: float64",
        in_float64(loss.dice_backward),
        WIDE_SYMPTOM,
    ),
)
