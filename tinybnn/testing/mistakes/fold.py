"""Mistakes in folding batch norm and sign into an integer comparison, and in the comparison itself."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.fold import Threshold, fold_batch_norm, threshold_sign
from .mistake import Mistake

# -- folding --------------------------------------------------------------------------------------------------------


def folded_after(change: Callable[..., tuple]) -> Callable:
    """The right threshold of the wrong parameters: ``change(alpha, gamma, beta, mean, var, eps)`` gives all six."""

    def fold(
        alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5
    ) -> Threshold:
        a, g, b, m, v, e = change(alpha, gamma, beta, mean, var, eps)
        return fold_batch_norm(a, g, b, m, v, n, eps=e)

    return fold


def closed(rising: Callable[[Array], Array], falling: Callable[[Array], Array]) -> Callable:
    """The closed formula: where alpha z crosses 0, made whole. With ceil and floor + 1 it is right up to rounding."""

    def fold(
        alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5
    ) -> Threshold:
        crossing = (mean - beta * np.sqrt(var + eps) / np.where(gamma == 0, 1, gamma)) / alpha
        constant = np.where(beta >= 0, -n, n + 1)
        t = np.where(gamma == 0, constant, np.where(gamma > 0, rising(crossing), falling(crossing)))
        return Threshold(t.astype(int), gamma < 0)

    return fold


def spoilt_after(change: Callable[[Threshold, Array, int], Threshold]) -> Callable:
    """The right threshold, changed by ``change(threshold, gamma, n)``."""

    def fold(
        alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5
    ) -> Threshold:
        return change(fold_batch_norm(alpha, gamma, beta, mean, var, n, eps=eps), gamma, n)

    return fold


def next_above(crossing: Array) -> Array:
    return np.floor(crossing) + 1


def never_flipped(right: Threshold, gamma: Array, n: int) -> Threshold:
    return right._replace(flip=np.zeros_like(right.flip))


def constant_plus(right: Threshold, gamma: Array, n: int) -> Threshold:
    return Threshold(np.where(gamma == 0, -n, right.t), right.flip & (gamma != 0))


def every_second_level(right: Threshold, gamma: Array, n: int) -> Threshold:
    return right._replace(t=right.t + (right.t + n) % 2)


def in_popcounts(right: Threshold, gamma: Array, n: int) -> Threshold:
    return right._replace(t=(right.t + n + 1) // 2)


# -- comparing ------------------------------------------------------------------------------------------------------


def compare_by(rule: Callable[[Array, Array, Array], Array]) -> Callable:
    """Another comparison ``rule(z, t, flip)``: where is the sign -1?"""

    def compare(z: Array, threshold: Threshold) -> Array:
        return rule(z, threshold.t, threshold.flip)

    return compare


def unsigned(z: Array, t: Array, flip: Array) -> Array:
    """What C does where one of the two is unsigned."""
    return (z.astype(np.uint32) >= t.astype(np.uint32)) == flip


def signs(z: Array, threshold: Threshold) -> Any:
    return np.where(threshold_sign(z, threshold), -1, 1)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "fold_batch_norm",
        "forgets that gamma < 0 turns the comparison",
        spoilt_after(never_flipped),
        "a fresh network folds without fault, for there gamma is 1; trained, whole channels are upside down",
        ("larq/compute-engine#391", "Xilinx/finn#687", "LeelaChessZero/lc0#779"),
    ),
    Mistake(
        "fold_batch_norm",
        "gamma < 0 turns >= into <, where <= is meant",
        closed(np.ceil, np.ceil),
        "nothing with random floats; with gamma < 0, and a threshold that is whole, ties have the wrong sign",
    ),
    Mistake(
        "fold_batch_norm",
        "a tie is -1",
        closed(next_above, np.ceil),
        "nothing with random floats; where batch norm gives exactly 0, common with round numbers, signs differ",
    ),
    Mistake(
        "fold_batch_norm",
        "makes the threshold whole by a cast, which rounds towards 0",
        closed(np.trunc, lambda crossing: np.trunc(crossing) + 1),
        "thresholds on one side of 0 are right, on the other off by one, and single activations differ",
    ),
    Mistake(
        "fold_batch_norm",
        "rounds the threshold to the nearest whole number",
        closed(np.rint, lambda crossing: np.rint(crossing) + 1),
        "every second threshold or so is off by one: single activations differ from the float network's",
    ),
    Mistake(
        "fold_batch_norm",
        "gamma = 0 is always +1",
        spoilt_after(constant_plus),
        "nothing, until a channel dies with beta < 0: it is -1 in the float network and +1 in the folded one",
        ("LeelaChessZero/lc0#779",),
    ),
    Mistake(
        "fold_batch_norm",
        "thresholds cut off at n: a filter that is never +1 fires at z = n",
        spoilt_after(lambda right, gamma, n: right._replace(t=np.clip(right.t, -n, n))),
        "hardly anything: a filter that should be silent fires where all its taps agree, and nowhere else",
    ),
    Mistake(
        "fold_batch_norm",
        "asks every second level only",
        spoilt_after(every_second_level),
        "right in the middle of the map; at its border, with padding of 0, levels in between occur, and signs differ",
    ),
    Mistake(
        "fold_batch_norm",
        "a threshold for popcounts, compared with products: z = 2 p - n",
        spoilt_after(in_popcounts),
        "almost all activations of a channel are the same after the first folded layer",
        ("Xilinx/finn#31", "openvinotoolkit/openvino#4093"),
    ),
    Mistake(
        "fold_batch_norm",
        "the wrong sign for beta: mean + beta deviation / gamma",
        folded_after(lambda a, g, b, m, v, eps: (a, g, np.where(g == 0, b, -b), m, v, eps)),
        "right where beta is 0, as it is at the start; trained, the folded network is far off",
        ("MatthieuCourbariaux/BinaryNet#32",),
    ),
    Mistake(
        "fold_batch_norm",
        "forgets the mean",
        folded_after(lambda a, g, b, m, v, eps: (a, g, b, np.zeros_like(m), v, eps)),
        "right where the mean is 0; trained, whole channels stay at one sign",
    ),
    Mistake(
        "fold_batch_norm",
        "the variance in place of its root",
        folded_after(lambda a, g, b, m, v, eps: (a, g / np.sqrt(v + eps), b, m, v, eps)),
        "right where the variance is 1 or beta is 0; products of many taps have a variance far from 1",
    ),
    Mistake(
        "fold_batch_norm",
        "forgets alpha",
        folded_after(lambda a, g, b, m, v, eps: (np.ones_like(a), g, b, m, v, eps)),
        "right in networks without scales; where alpha is below 1 thresholds are too close to 0",
    ),
    Mistake(
        "fold_batch_norm",
        "forgets eps",
        folded_after(lambda a, g, b, m, v, eps: (a, g, b, m, v, 1e-12)),
        "right except in channels that hardly vary: there thresholds are off by one or more",
    ),
    Mistake(
        "threshold_sign",
        "> in place of >=",
        compare_by(lambda z, t, flip: (z > t) == flip),
        "signs are wrong where z is exactly t, often enough to cost accuracy: z is a whole number",
    ),
    Mistake(
        "threshold_sign",
        "bits of what is positive: 1 means +1",
        compare_by(lambda z, t, flip: (z >= t) != flip),
        "every activation is turned over; two wrongs, in this layer and the next, are right again",
        ("MatthieuCourbariaux/BinaryNet#5", "Xilinx/finn#31"),
    ),
    Mistake(
        "threshold_sign",
        "ignores flip",
        compare_by(lambda z, t, flip: z < t),
        "a fresh network runs without fault, for there gamma is 1; trained, channels with gamma < 0 are upside down",
    ),
    Mistake(
        "threshold_sign",
        "turns the threshold and not the comparison",
        compare_by(lambda z, t, flip: z < np.where(flip, -t, t)),
        "channels with gamma < 0 rise where they should fall: most of their activations are wrong",
    ),
    Mistake(
        "threshold_sign",
        "compares unsigned numbers: what is negative counts as huge",
        compare_by(unsigned),
        "right where z and t have the same sign; otherwise every activation is wrong, as in C with size_t",
    ),
    Mistake(
        "threshold_sign",
        "gives -1 and +1, where bits are asked for",
        signs,
        "an error in the packing that follows; or, packed as booleans, all ones: everything is -1",
    ),
)
