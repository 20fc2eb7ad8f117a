"""Mistakes in cross-entropy, and such as are made in any loss. Those in gradients stand in ``loss_gradient.py``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import IGNORE, Array
from ...ops import loss
from .binarize import in_float64
from .mistake import Mistake

# -- any loss -------------------------------------------------------------------------------------------------------


def not_ignored(labels: Array, ignore: int) -> Array:
    return np.asarray(labels != ignore)


def not_255(labels: Array, ignore: int) -> Array:
    return np.asarray(labels != 255)


def everything(labels: Array, ignore: int) -> Array:
    return np.ones(labels.shape, bool)


def image_by_image(forward: Callable) -> Callable:
    """The mean of the losses of single images, in which a pixel weighs more the more of its image is ignored."""

    def averaged(logits: Array, labels: Array, **options: Any) -> Any:
        return np.mean([forward(z[None], t[None], **options)[0] for z, t in zip(logits, labels)])

    return averaged


def by_a_mask(forward: Callable) -> Callable:
    """Ignored pixels multiplied by 0, where they should be left out."""

    def masked(logits: Array, labels: Array, *, ignore: int = IGNORE, **options: Any) -> Any:
        return forward(logits, labels, ignore=ignore, **options)[0] + (0 * logits[labels == ignore]).sum()

    return masked


# -- cross-entropy --------------------------------------------------------------------------------------------------


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def log_softmax(z: Array, axis: int = -1) -> Array:
    z = z - z.max(axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


def unshifted(z: Array) -> Array:
    """The logarithm of softmax as it is written."""
    e = np.exp(z)
    return np.log(e / e.sum(-1, keepdims=True))


def shifted_by_one_maximum(z: Array) -> Array:
    """Far below the largest logit of the map, all of a pixel's exponentials are 0."""
    e = np.exp(z - z.max())
    return np.log(e / e.sum(-1, keepdims=True))


def log_of_rounded(z: Array) -> Array:
    return np.log(softmax(z) + z.dtype.type(1e-7))


def weighted_mean(surprise: Array, weights: Array, labels: Array) -> Any:
    return (surprise * weights).sum() / (weights.sum() or 1)


def cross_entropy_by(
    mean: Callable = weighted_mean, log: Callable = log_softmax, counts: Callable = not_ignored
) -> Any:
    """Cross-entropy from other parts: ``mean(surprise, weights, labels)`` and a log-softmax of the whole map."""

    def forward(logits: Array, labels: Array, *, class_weights: Any = None, ignore: int = IGNORE) -> Any:
        L = logits.shape[-1]
        v = np.ones(L, logits.dtype) if class_weights is None else np.array(class_weights, logits.dtype)
        counted = counts(labels, ignore)
        t = labels[counted] % L  # an ignored label that is counted becomes some class
        return mean(-log(logits)[counted][np.arange(len(t)), t], v[t], labels)

    return forward


def writes_into_its_input(logits: Array, labels: Array, **options: Any) -> Any:
    logits -= logits.max(-1, keepdims=True)
    return loss.cross_entropy(logits, labels, **options)[0]


def unweighted(logits: Array, labels: Array, *, class_weights: Any = None, ignore: int = IGNORE) -> Any:
    return loss.cross_entropy(logits, labels, ignore=ignore)[0]


def over_classes_too(logits: Array, labels: Array, **options: Any) -> Any:
    """``mean(one_hot * log_softmax)`` over all its elements."""
    return loss.cross_entropy(logits, labels, **options)[0] / logits.dtype.type(logits.shape[-1])


IGNORED_MET = (
    "open-mmlab/mmsegmentation#1409",
    "IBM/pytorch-seq2seq#125",
    "qubvel-org/segmentation_models.pytorch#852",
)
OVER_ALL = "means over all pixels instead of those that count"
OVER_ALL_SYMPTOM = "the loss is smaller the more of an image is ignored; maps that are labelled throughout are right"
BY_IMAGE = "averages each image, then the images"
BY_IMAGE_SYMPTOM = "right where all pixels count alike; else another batch size gives another loss for the same images"
WHATEVER = "ignores 255, whatever ignore says"
MASKED = "multiplies ignored pixels by 0: what is NaN there stays NaN"
MASKED_SYMPTOM = "nothing, until a logit overflows at a pixel that does not count; from then on the loss is NaN"
SUMS = "sums instead of averaging"
SUMS_SYMPTOM = (
    "the loss grows with the image and the batch; a learning rate that suits one crop diverges on a larger one"
)

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "cross_entropy",
        "softmax twice: takes probabilities for logits",
        lambda logits, labels, **options: loss.cross_entropy(softmax(logits), labels, **options)[0],
        "trains, slowly: with L classes the loss never falls below log(1 + (L - 1) / e), however sure the network is",
        ("Lightning-Universe/lightning-bolts#654", "tflearn/tflearn#562", "jaehong31/CGES#1", "ariecattan/SciCo#2"),
    ),
    Mistake("cross_entropy", MASKED, by_a_mask(loss.cross_entropy), MASKED_SYMPTOM),
    Mistake(
        "cross_entropy",
        "counts ignored pixels, as some class",
        cross_entropy_by(counts=everything),
        "that class is seen at every unlabelled border; the loss stays above what it should fall to",
    ),
    Mistake(
        "cross_entropy",
        WHATEVER,
        cross_entropy_by(counts=not_255),
        "nothing, until a data set marks what does not count by another number: then that is trained as a class",
    ),
    Mistake(
        "cross_entropy",
        OVER_ALL,
        cross_entropy_by(lambda s, v, labels: (s * v).sum() / (v.sum() / max(v.size, 1) * labels.size or 1)),
        OVER_ALL_SYMPTOM,
        IGNORED_MET,
    ),
    Mistake(
        "cross_entropy",
        "divides by the number of pixels: the sum of the weights is not in the denominator",
        cross_entropy_by(lambda s, v, labels: (s * v).sum() / max(v.size, 1)),
        "right without class weights; with them another loss than PyTorch's, which grows with the weights",
        ("pytorch/pytorch#40560", "pytorch/pytorch#61309", "pytorch/pytorch#50528", "pytorch/pytorch#8062"),
    ),
    Mistake(
        "cross_entropy",
        "forgets the class weights",
        unweighted,
        "rare classes are missed as before, whatever weight they are given",
    ),
    Mistake("cross_entropy", SUMS, cross_entropy_by(lambda s, v, _: (s * v).sum()), SUMS_SYMPTOM),
    Mistake(
        "cross_entropy",
        "averages over the classes too: divides by L",
        over_classes_too,
        "the loss is L times too small, and so are the gradients; more classes need a larger learning rate",
        ("jax-ml/jax#1023",),
    ),
    Mistake("cross_entropy", BY_IMAGE, image_by_image(loss.cross_entropy), BY_IMAGE_SYMPTOM),
    Mistake(
        "cross_entropy",
        "NaN where every pixel is ignored: 0 / 0",
        cross_entropy_by(lambda s, v, labels: (s * v).sum() / v.sum()),
        "trains until the first crop without a label; from then on every weight is NaN",
        ("pytorch/pytorch#70348", "pytorch/pytorch#75181", "pytorch/pytorch#116349", "OpenRLHF/OpenRLHF#583"),
    ),
    Mistake(
        "cross_entropy",
        "softmax over the columns instead of the classes",
        cross_entropy_by(log=lambda z: log_softmax(z, axis=-2)),
        "the loss falls, but classes compete along a row of the image and not within a pixel",
        ("MrGiovanni/ModelsGenesis#8", "hfslyc/AdvSemiSeg#73", "HRNet/HRNet-Semantic-Segmentation#271"),
    ),
    Mistake(
        "cross_entropy",
        "exp overflows: no maximum taken out",
        cross_entropy_by(log=unshifted),
        "right while logits are small; once one passes 88 in float32, the loss is NaN",
        ("FluxML/NNlib.jl#68", "tensorflow/models#181", "numenta/nupic-legacy#3819"),
    ),
    Mistake(
        "cross_entropy",
        "one maximum for the whole map, not one a pixel",
        cross_entropy_by(log=shifted_by_one_maximum),
        "right while all pixels are about as sure; where one is far surer than another, the other's loss is NaN",
        ("manassharma07/crysx_nn#7",),
    ),
    Mistake(
        "cross_entropy",
        "log of a softmax that has rounded to 0, and a small number against it",
        cross_entropy_by(log=log_of_rounded),
        "right in the first digits; a pixel that is wholly wrong costs 16 at most, so outliers hardly count",
    ),
    Mistake(
        "cross_entropy",
        "writes into its input",
        writes_into_its_input,
        "the loss is right; whoever looks at the logits afterwards finds none above 0",
    ),
    Mistake(
        "cross_entropy",
        "turns float32 into float64",
        in_float64(loss.cross_entropy),
        "right values; with a gradient from it, everything below takes twice the memory and time",
    ),
)
