"""Mistakes in single steps of training: with latent weights, and with Bop, which has none."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops.binarize import sign
from ..ops.course import bop_step, latent_step
from .binarize import in_float64
from .mistake import Mistake

# -- latent weights -------------------------------------------------------------------------------------------------


def clipped_sum(move: Callable[[Array, Array, float], Array]) -> Callable:
    """``clip(move(w, g, lr), -1, 1)``."""
    return lambda w, g, *, lr: np.clip(move(w, g, lr), -1, 1)


def latent_in_place(w: Array, g: Array, *, lr: float) -> Array:
    w -= lr * g
    return np.clip(w, -1, 1, out=w)


# -- Bop ------------------------------------------------------------------------------------------------------------


def flips_where(rule: Callable[[Array, Array, float], Array]) -> Callable:
    """Bop that flips where another ``rule(w, average, threshold)`` says."""

    def step(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
        return np.where(rule(w, (1 - gamma) * m + gamma * g, threshold), -w, w)

    return step


def averaged(average: Callable[[Array, Array, float], Array]) -> Callable:
    """Bop that looks at another ``average(m, g, gamma)``."""

    def step(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
        return bop_step(w, average(m, g, gamma), g, gamma=0.0, threshold=threshold)

    return step


def bop_in_place(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
    m *= 1 - gamma
    m += gamma * g
    return bop_step(w, m, g, gamma=0.0, threshold=threshold)


WIDE_SYMPTOM = "right values; weights, and all that is computed from them, take twice the memory and time"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "latent_step",
        "does not clip: latent weights run off beyond 1",
        lambda w, g, *, lr: w - lr * g,
        "it learns at first; then fewer and fewer signs flip, for the way back to 0 gets longer with every step",
        ("larq/larq#29", "itayhubara/BinaryNet.pytorch#32", "itayhubara/BinaryNet.pytorch#29", "allenai/XNOR-Net#25"),
    ),
    Mistake(
        "latent_step",
        "clips before the step, not after it",
        lambda w, g, *, lr: np.clip(w, -1, 1) - lr * g,
        "hardly anything: a weight is up to one step beyond 1, where a strict mask gives it no gradient",
    ),
    Mistake(
        "latent_step",
        "clips the gradient, not the weight",
        lambda w, g, *, lr: w - lr * np.clip(g, -1, 1),
        "as without a clip, and large gradients count no more than small ones",
        ("itayhubara/BinaryNet.pytorch#29",),
    ),
    Mistake(
        "latent_step",
        "climbs: adds the gradient",
        clipped_sum(lambda w, g, lr: w + lr * g),
        "the loss rises from the first step on",
    ),
    Mistake(
        "latent_step",
        "forgets the learning rate",
        clipped_sum(lambda w, g, lr: w - g),
        "signs flip to and fro at every step, and the loss jumps",
    ),
    Mistake(
        "latent_step",
        "steps from the sign, not from the latent weight",
        clipped_sum(lambda w, g, lr: sign(w) - lr * g),
        "nothing ever flips at a small rate: what earlier steps have gathered is forgotten each time",
    ),
    Mistake(
        "latent_step",
        "keeps the sign and throws the latent weight away",
        lambda w, g, *, lr: sign(latent_step(w, g, lr=lr)),
        "nothing ever flips at a rate below 1 / |g|: from -1 or +1 no single step reaches 0",
    ),
    Mistake(
        "latent_step",
        "no step for weights at -1 and +1 themselves",
        clipped_sum(lambda w, g, lr: w - lr * g * (np.abs(w) < 1)),
        "weights that have once been clipped never come back; from step to step more of them are stuck",
    ),
    Mistake(
        "latent_step",
        "weight decay within: w - lr (g + w)",
        clipped_sum(lambda w, g, lr: w - lr * (g + w)),
        "latent weights stay small, so signs flip easily, until the end: more noise, not smaller weights",
    ),
    Mistake(
        "latent_step",
        "writes into the weights it was given",
        latent_in_place,
        "right values; a copy of the network that shares the arrays, a best one so far, goes on changing",
    ),
    Mistake("latent_step", "turns float32 into float64", in_float64(latent_step), WIDE_SYMPTOM),
    Mistake(
        "bop_step",
        "flips at the threshold itself: >= in place of >",
        flips_where(lambda w, m, threshold: (np.abs(m) >= threshold) & ((m >= 0) == (w >= 0))),
        "nothing with random floats; with a threshold of 0, weights without a gradient flip at every step",
    ),
    Mistake(
        "bop_step",
        "flips where the average has the other sign than the weight",
        flips_where(lambda w, m, threshold: (np.abs(m) > threshold) & ((m >= 0) != (w >= 0))),
        "the loss rises: a weight that is right is flipped, and a wrong one stays",
    ),
    Mistake(
        "bop_step",
        "flips whatever the sign of the average",
        flips_where(lambda w, m, threshold: np.abs(m) > threshold),
        "weights with strong evidence flip to and fro at every step",
    ),
    Mistake(
        "bop_step",
        "forgets the absolute value: only large positive averages flip",
        flips_where(lambda w, m, threshold: (m > threshold) & ((m >= 0) == (w >= 0))),
        "weights go from +1 to -1 and none comes back; in the end most are -1",
    ),
    Mistake(
        "bop_step",
        "ignores the threshold: every weight takes the sign against its average",
        flips_where(lambda w, m, threshold: (m != 0) & ((m >= 0) == (w >= 0))),
        "many more flips, and they do not get fewer: each change of an average's sign is one",
    ),
    Mistake(
        "bop_step",
        "gamma is what is kept, not what is replaced",
        averaged(lambda m, g, gamma: gamma * m + (1 - gamma) * g),
        "with a gamma near 0 the average is the last gradient: signs flip with every batch",
    ),
    Mistake(
        "bop_step",
        "looks at this gradient alone, not at its average",
        averaged(lambda m, g, gamma: g),
        "signs flip with every batch, and the loss stays noisy",
    ),
    Mistake(
        "bop_step",
        "looks at the old average: this gradient comes a step late",
        averaged(lambda m, g, gamma: m),
        "hardly anything with a small gamma; the first step never flips",
    ),
    Mistake(
        "bop_step",
        "does not forget: adds gamma g to the whole of the old average",
        averaged(lambda m, g, gamma: m + gamma * g),
        "averages grow without end, so old evidence outweighs new: flips become rare, as without a clip",
    ),
    Mistake(
        "bop_step",
        "gamma only on what is kept: (1 - gamma) m + g",
        averaged(lambda m, g, gamma: (1 - gamma) * m + g),
        "averages are 1 / gamma times too large, so a threshold from elsewhere stops nothing",
    ),
    Mistake(
        "bop_step",
        "writes into the average it was given",
        bop_in_place,
        "right signs; a saved state, if it shares the array, changes, and a resumed run is another",
    ),
    Mistake("bop_step", "turns float32 into float64", in_float64(bop_step), WIDE_SYMPTOM),
)
