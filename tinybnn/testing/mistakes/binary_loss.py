"""Mistakes in the two losses of one logit: binary cross-entropy and Dice."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import IGNORE, Array
from ...ops import loss
from ...ops.activation import sigmoid
from .binarize import in_float64
from .loss import (
    BY_IMAGE,
    BY_IMAGE_SYMPTOM,
    IGNORED_MET,
    MASKED,
    MASKED_SYMPTOM,
    OVER_ALL,
    OVER_ALL_SYMPTOM,
    SUMS,
    SUMS_SYMPTOM,
    WHATEVER,
    by_a_mask,
    everything,
    image_by_image,
    not_255,
    not_ignored,
)
from .mistake import Mistake

# -- binary cross-entropy -------------------------------------------------------------------------------------------


def squash(z: Array) -> Array:
    return sigmoid(z)[0]


def stable(z: Array, t: Array) -> Array:
    return np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z)))


def plain_mean(each: Array, targets: Array) -> Any:
    return each.sum() / each.dtype.type(max(len(each), 1))


def is_object(targets: Array) -> Array:
    return np.asarray(targets == 1)


def binary_by(
    surprise: Callable = stable,
    mean: Callable = plain_mean,
    counts: Callable = not_ignored,
    truth: Callable = is_object,
) -> Callable:
    """Binary cross-entropy from other parts: ``surprise(z, t)`` of a pixel and ``mean(surprise, targets)``."""

    def forward(logits: Array, targets: Array, *, ignore: int = IGNORE) -> Any:
        counted = counts(targets, ignore)
        return mean(surprise(logits[counted], truth(targets[counted]).astype(logits.dtype)), targets)

    return forward


def through_the_probability(z: Array, t: Array) -> Array:
    """Takes the log of a sigmoid that has already rounded to 0 or 1, and hides it behind a small number."""
    p, small = squash(z), z.dtype.type(1e-7)
    return -(t * np.log(p + small) + (1 - t) * np.log(1 - p + small))


# -- Dice -----------------------------------------------------------------------------------------------------------


def dice_by(fraction: Callable, probability: Callable = squash, counts: Callable = not_ignored) -> Callable:
    """One minus another ``fraction(p, t, smooth)`` of the counted pixels, from another probability."""

    def forward(logits: Array, targets: Array, *, smooth: float = 1.0, ignore: int = IGNORE) -> Any:
        counted = counts(targets, ignore)
        t = is_object(targets[counted]).astype(logits.dtype)
        return 1 - fraction(probability(logits[counted]), t, logits.dtype.type(smooth))

    return forward


def overlap(p: Array, t: Array, s: Any) -> Any:
    return (2 * (p * t).sum() + s) / (p.sum() + t.sum() + s)


def squared(p: Array, t: Array, s: Any) -> Any:
    return (2 * (p * t).sum() + s) / ((p * p).sum() + t.sum() + s)


def jaccard(p: Array, t: Array, s: Any) -> Any:
    return ((p * t).sum() + s) / (p.sum() + t.sum() - (p * t).sum() + s)


def decided(z: Array) -> Array:
    return (z >= 0).astype(z.dtype)


COUNTS_GROUND = "counts ignored pixels as background"
MASK_255 = "a mask of 0 and 255 taken for one of 0 and 1"
TWICE = "sigmoid twice: takes probabilities for logits"
TWICE_MET = ("itakurah/focal-loss-pytorch#5", "cvg/glue-factory#89", "Turoad/lanedet#32", "yudi-mars/daisyRec#15")

MISTAKES: tuple[Mistake, ...] = (
    Mistake("binary_cross_entropy", MASKED, by_a_mask(loss.binary_cross_entropy), MASKED_SYMPTOM),
    Mistake("dice", MASKED, by_a_mask(loss.dice), MASKED_SYMPTOM),
    Mistake(
        "binary_cross_entropy",
        TWICE,
        binary_by(lambda z, t: stable(squash(z), t)),
        "the loss never falls below 0.31 on the object and 0.69 on the ground; nothing is ever seen as ground at 1/2",
        TWICE_MET,
    ),
    Mistake(
        "binary_cross_entropy",
        COUNTS_GROUND,
        binary_by(counts=everything),
        "the network learns that whatever is unlabelled is ground",
    ),
    Mistake(
        "binary_cross_entropy",
        f"{MASK_255}, no label ignored",
        binary_by(counts=everything, truth=lambda targets: targets),
        "the loss is negative and falls without end; the whole image becomes object",
        ("milesial/Pytorch-UNet#78", "milesial/Pytorch-UNet#84", "qubvel/segmentation_models#95"),
    ),
    Mistake(
        "binary_cross_entropy",
        WHATEVER,
        binary_by(counts=not_255),
        "nothing, until a data set marks what does not count by another number: then that is trained as ground",
    ),
    Mistake(
        "binary_cross_entropy",
        OVER_ALL,
        binary_by(mean=lambda each, targets: each.sum() / each.dtype.type(targets.size)),
        OVER_ALL_SYMPTOM,
        IGNORED_MET,
    ),
    Mistake(
        "binary_cross_entropy",
        SUMS,
        binary_by(mean=lambda each, targets: each.sum()),
        SUMS_SYMPTOM,
    ),
    Mistake(
        "binary_cross_entropy",
        BY_IMAGE,
        image_by_image(loss.binary_cross_entropy),
        BY_IMAGE_SYMPTOM,
    ),
    Mistake(
        "binary_cross_entropy",
        "NaN where every pixel is ignored: 0 / 0",
        binary_by(mean=lambda each, targets: each.sum() / each.dtype.type(len(each))),
        "trains until the first crop without a label; from then on every weight is NaN",
    ),
    Mistake(
        "binary_cross_entropy",
        "the object's pixels alone: the term of the ground is missing",
        binary_by(lambda z, t: t * stable(z, t)),
        "the loss falls to 0 by seeing the object everywhere",
    ),
    Mistake(
        "binary_cross_entropy",
        "exp overflows: log(1 + exp(z)) as it is written",
        binary_by(lambda z, t: np.log1p(np.exp(z)) - t * z),
        "right while logits are small; once one passes 88 in float32, the loss is infinite",
        ("pytorch/pytorch#751", "openvinotoolkit/openvino#29745"),
    ),
    Mistake(
        "binary_cross_entropy",
        "log of a sigmoid that has rounded to 0, and a small number against it",
        binary_by(through_the_probability),
        "right in the first digits; a pixel that is wholly wrong costs 16 at most, so outliers hardly count",
        ("keras-team/keras-core#196", "pytorch/pytorch#24933", "pytorch/pytorch#39435"),
    ),
    Mistake(
        "binary_cross_entropy",
        "turns float32 into float64",
        in_float64(loss.binary_cross_entropy),
        "right values; with a gradient from it, everything below takes twice the memory and time",
    ),
    Mistake(
        "dice",
        "takes logits for probabilities: no sigmoid",
        dice_by(overlap, lambda z: z),
        "the loss leaves [0, 1] and may jump in sign, where the sizes of logits cancel",
        ("jakeret/tf_unet#15", "milesial/Pytorch-UNet#271"),
    ),
    Mistake(
        "dice",
        TWICE,
        dice_by(overlap, lambda z: squash(squash(z))),
        "every pixel of the ground counts as at least half seen: the loss stays high wherever the object is small",
    ),
    Mistake(
        "dice",
        "decides at 1/2 first: the overlap of masks",
        dice_by(overlap, decided),
        "a fair score; as a loss it is flat nearly everywhere, and nothing trains",
    ),
    Mistake(
        "dice",
        "ignored pixels count in the sizes, as background",
        dice_by(overlap, counts=everything),
        "whatever is unlabelled is learnt as ground; a perfect prediction does not reach 0",
        ("open-mmlab/mmsegmentation#1088",),
    ),
    Mistake(
        "dice",
        "squares the probability in the denominator",
        dice_by(squared),
        "the same for probabilities of 0 and 1; in between a lower loss, V-Net's",
        ("faustomilletari/VNet#18", "argman/EAST#288", "MichaelFan01/STDC-Seg#43"),
    ),
    Mistake(
        "dice",
        "forgets the 2: an overlap of one half at most",
        dice_by(lambda p, t, s: ((p * t).sum() + s) / (p.sum() + t.sum() + s)),
        "the loss never falls below about 1/2, however good the prediction",
    ),
    Mistake(
        "dice",
        "smooth below only: something is lost where nothing is",
        dice_by(lambda p, t, s: 2 * (p * t).sum() / (p.sum() + t.sum() + s)),
        "the loss is 1 for an image without the object, even when nothing is seen there",
        ("aim-uofa/AdelaiDet#610", "open-mmlab/mmocr#408"),
    ),
    Mistake(
        "dice",
        "smooth doubled above: it stands inside the factor 2",
        dice_by(lambda p, t, s: 2 * ((p * t).sum() + s) / (p.sum() + t.sum() + s)),
        "the loss falls to -1, and the score rises to 2, for an image without the object",
        ("milesial/Pytorch-UNet#24",),
    ),
    Mistake(
        "dice",
        "smooth is 1, whatever is asked",
        lambda logits, targets, *, smooth=1.0, ignore=IGNORE: loss.dice(logits, targets, ignore=ignore)[0],
        "nothing at smooth 1; objects of a few pixels stay harder to learn than a smaller one would make them",
    ),
    Mistake(
        "dice",
        "intersection over union",
        dice_by(jaccard),
        "falls with the right one and has its optimum, but is larger everywhere between",
    ),
    Mistake(
        "dice",
        BY_IMAGE,
        image_by_image(loss.dice),
        "the same for one image; in a batch a small object counts as much as a large one, and the loss is another",
        (
            "NifTK/NiftyNet#22",
            "open-mmlab/mmsegmentation#2068",
            "ivadomed/ivadomed#910",
            "BloodAxe/pytorch-toolbelt#99",
        ),
    ),
    Mistake(
        "dice",
        "the score, not one minus it",
        dice_by(lambda p, t, s: 1 - overlap(p, t, s)),
        "training makes it fall, and the object vanishes",
        ("akirasosa/mobile-semantic-segmentation#24",),
    ),
    Mistake(
        "dice",
        "minus the score, not one minus it",
        dice_by(lambda p, t, s: 1 + overlap(p, t, s)),
        "the loss is negative; gradients are right, so nothing else",
        ("PengchengShi1220/cbDice#10", "MrGiovanni/UNetPlusPlus#64"),
    ),
    Mistake(
        "dice",
        "turns float32 into float64",
        in_float64(loss.dice),
        "right values; with a gradient from it, everything below takes twice the memory and time",
    ),
)
