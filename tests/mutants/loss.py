"""Wrong versions of the losses."""

import numpy as np

from tinybnn import loss
from tinybnn.loss import BinaryCache, CrossEntropyCache

from .mutant import Mutant

# -- cross-entropy --------------------------------------------------------------------------------------------------


def log_softmax(z, axis=-1):
    z = z - z.max(axis, keepdims=True, initial=-np.inf)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


def cross_entropy_with(mean=None, log_softmax=log_softmax, counts=lambda labels, ignore: labels != ignore):
    """Cross-entropy from other parts: ``mean(surprise, weights, labels)`` and a log-softmax of the whole map."""

    def forward(logits, labels, *, class_weights, ignore):
        v = np.ones(logits.shape[-1]) if class_weights is None else np.array(class_weights)
        counted = counts(labels, ignore)
        z, t = log_softmax(logits)[counted], labels[counted] % logits.shape[-1]
        surprise, weights = -z[np.arange(len(t)), t], v.astype(z.dtype)[t]
        value = mean(surprise, weights, labels) if mean else (surprise * weights).sum() / (weights.sum() or 1)
        return value, CrossEntropyCache(counted, np.exp(z), t, weights)

    return forward


def unshifted(z):
    """The logarithm of softmax as it is written."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        e = np.exp(z)
        return np.log(e / e.sum(-1, keepdims=True))


def class_gradient_with(change):
    """The gradient after ``change(cache, dloss)`` has returned another cache, or another upstream gradient."""
    return lambda dloss, cache: loss.cross_entropy_backward(*change(dloss, cache))


def without_true_class(dloss, cache):
    dlogits = np.zeros((*cache.counted.shape, cache.probability.shape[-1]))
    dlogits[cache.counted] = cache.probability * (dloss * cache.weights / (cache.weights.sum() or 1))[:, None]
    return dlogits


def softmax_at_ignored_pixels(dloss, cache):
    """Leaves the uniform guess where the label gave nothing to subtract."""
    dlogits = loss.cross_entropy_backward(dloss, cache)
    dlogits[~cache.counted] = dloss / dlogits.shape[-1]
    return dlogits


# -- one logit ------------------------------------------------------------------------------------------------------


def binary_with(mean=None, surprise=None, counts=lambda t, ignore: t != ignore):
    def forward(logits, targets, *, ignore):
        counted = counts(targets, ignore)
        z, t = logits[counted], (targets[counted] == 1).astype(logits.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            each = surprise(z, t) if surprise else np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z)))
        value = mean(each, targets) if mean else each.sum() / z.dtype.type(max(len(z), 1))
        return value, BinaryCache(counted, (1 + np.tanh(z / 2)) / 2, t)

    return forward


def through_the_probability(z, t):
    """Takes the log of a sigmoid that has already rounded to 0 or 1, and hides it behind a small number."""
    p, small = (1 + np.tanh(z / 2)) / 2, z.dtype.type(1e-7)
    return -(t * np.log(p + small) + (1 - t) * np.log(1 - p + small))


def as_for_a_squared_error(dloss, cache):
    dlogits = loss.binary_cross_entropy_backward(dloss, cache)
    dlogits[cache.counted] *= cache.probability * (1 - cache.probability)
    return dlogits


def dice_with(fraction, counts=lambda t, ignore: t != ignore):
    """Another ``fraction(p, t, smooth)`` of the counted pixels; ``counts`` says which these are."""

    def forward(logits, targets, *, smooth, ignore):
        counted = counts(targets, ignore)
        p, t = (1 + np.tanh(logits[counted] / 2)) / 2, (targets[counted] == 1).astype(logits.dtype)
        return logits.dtype.type(1) - fraction(p, t, logits.dtype.type(smooth)), None

    return forward


def plain(p, t, s):
    return (2 * (p * t).sum() + s) / (p.sum() + t.sum() + s)


def squared(p, t, s):
    return (2 * (p * t).sum() + s) / ((p * p).sum() + t.sum() + s)


def jaccard(p, t, s):
    return ((p * t).sum() + s) / (p.sum() + t.sum() - (p * t).sum() + s)


def forgets_the_denominator(dloss, cache):
    """Differentiates the overlap and takes the sizes for constants."""
    counted, p, t, _, below = cache
    dlogits = np.zeros(counted.shape)
    dlogits[counted] = -dloss * 2 * t / below * p * (1 - p)
    return dlogits


def everything(labels, ignore):
    return np.ones(labels.shape, bool)


MUTANTS = (
    Mutant("cross_entropy", "forward", "counts ignored pixels, as some class", cross_entropy_with(counts=everything)),
    Mutant(
        "cross_entropy",
        "forward",
        "ignores 255, whatever ignore says",
        cross_entropy_with(counts=lambda labels, ignore: labels != 255),
    ),
    Mutant(
        "cross_entropy",
        "forward",
        "means over all pixels instead of those that count",
        cross_entropy_with(lambda s, v, labels: (s * v).sum() / (v.sum() / max(v.size, 1) * labels.size or 1)),
    ),
    Mutant(
        "cross_entropy",
        "forward",
        "the sum of the weights is not in the denominator",
        cross_entropy_with(lambda s, v, labels: (s * v).sum() / max(v.size, 1)),
    ),
    Mutant("cross_entropy", "forward", "sums instead of averaging", cross_entropy_with(lambda s, v, _: (s * v).sum())),
    Mutant(
        "cross_entropy",
        "forward",
        "softmax over the columns instead of the classes",
        cross_entropy_with(log_softmax=lambda z: log_softmax(z, axis=-2)),
    ),
    Mutant(
        "cross_entropy", "forward", "exp overflows: no maximum taken out", cross_entropy_with(log_softmax=unshifted)
    ),
    Mutant(
        "cross_entropy",
        "backward",
        "not divided by the sum of the weights",
        class_gradient_with(lambda dloss, cache: (dloss * (cache.weights.sum() or 1), cache)),
    ),
    Mutant(
        "cross_entropy",
        "backward",
        "the class weights only in the denominator",
        class_gradient_with(
            lambda dloss, cache: (
                dloss * len(cache.weights) / (cache.weights.sum() or 1),
                cache._replace(weights=np.ones_like(cache.weights)),
            )
        ),
    ),
    Mutant("cross_entropy", "backward", "does not subtract 1 at the true class", without_true_class),
    Mutant("cross_entropy", "backward", "a gradient at ignored pixels", softmax_at_ignored_pixels),
    Mutant(
        "cross_entropy",
        "backward",
        "takes the gradient from above to be 1",
        class_gradient_with(lambda dloss, cache: (1.0, cache)),
    ),
    Mutant("binary_cross_entropy", "forward", "counts ignored pixels as 0", binary_with(counts=everything)),
    Mutant(
        "binary_cross_entropy",
        "forward",
        "means over all pixels instead of those that count",
        binary_with(mean=lambda each, targets: each.sum() / each.dtype.type(targets.size)),
    ),
    Mutant(
        "binary_cross_entropy",
        "forward",
        "exp overflows: log(1 + exp(z)) as it is written",
        binary_with(surprise=lambda z, t: np.log1p(np.exp(z)) - t * z),
    ),
    Mutant(
        "binary_cross_entropy", "forward", "log of a rounded sigmoid", binary_with(surprise=through_the_probability)
    ),
    Mutant(
        "binary_cross_entropy",
        "backward",
        "multiplied by the slope of the sigmoid besides",
        as_for_a_squared_error,
    ),
    Mutant(
        "binary_cross_entropy",
        "backward",
        "not divided by the number of pixels",
        lambda dloss, cache: loss.binary_cross_entropy_backward(dloss * max(len(cache.targets), 1), cache),
    ),
    Mutant("dice", "forward", "counts ignored pixels as 0", dice_with(plain, counts=everything)),
    Mutant("dice", "forward", "squares the probability in the denominator", dice_with(squared)),
    Mutant(
        "dice",
        "forward",
        "forgets the 2: an overlap of one half at most",
        dice_with(lambda p, t, s: ((p * t).sum() + s) / (p.sum() + t.sum() + s)),
    ),
    Mutant(
        "dice",
        "forward",
        "smooth below only: something is lost where nothing is",
        dice_with(lambda p, t, s: 2 * (p * t).sum() / (p.sum() + t.sum() + s)),
    ),
    Mutant("dice", "forward", "intersection over union", dice_with(jaccard)),
    Mutant("dice", "backward", "the sizes taken for constants", forgets_the_denominator),
    Mutant(
        "dice",
        "backward",
        "the sign of a score, not of a loss",
        lambda dloss, cache: -loss.dice_backward(dloss, cache),
    ),
)
