"""Losses: how wrong a prediction is, as one number with a gradient, from logits.

::

    cross_entropy           L classes     mean of  log(sum over l of exp(z[l])) - z[t]
    binary_cross_entropy    one logit     mean of  log(1 + exp(z)) - t z
    dice                    one logit     1 - overlap of sigmoid(z) with t, over the whole batch at once

A label equal to ``ignore`` removes its pixel from every sum, count and gradient, even if its logits are NaN; the other
pixels are *counted*. Without counted pixels, the loss and the gradient are 0; other libraries give NaN. No loss takes
the exponential of a positive number, so nothing overflows. A loss is a scalar of the dtype of the logits.
"""

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..notation import IGNORE, Array
from ..validate import need_finite, need_float, need_labels, need_number, shown
from .activation import sigmoid, sigmoid_backward


def cross_entropy_loops(
    logits: Array, labels: Array, *, class_weights: Sequence[float] | Array | None = None, ignore: int | None = IGNORE
) -> float:
    """Specification of :func:`cross_entropy`: for each pixel, minus the log of the softmax of the true class."""
    total = weight = 0.0
    for i in np.ndindex(labels.shape):
        if labels[i] == ignore:
            continue
        v = 1.0 if class_weights is None else class_weights[int(labels[i])]
        top = max(logits[i])
        log_sum = top + math.log(sum(math.exp(z - top) for z in logits[i]))
        total += v * (log_sum - logits[i][labels[i]])
        weight += v
    return total / weight if weight else 0.0


# For the P counted pixels: probability (P, L), labels (P,), weights (P,).
CrossEntropyCache = namedtuple("CrossEntropyCache", "counted probability labels weights")


def cross_entropy(
    logits: Array, labels: Array, *, class_weights: Sequence[float] | Array | None = None, ignore: int | None = IGNORE
) -> tuple[np.floating, CrossEntropyCache]:
    """The weighted mean of ``-log softmax(logits)[label]``.

    ``loss = (sum over i of v[t_i] (log(sum over l of exp(z[i, l])) - z[i, t_i])) / (sum over i of v[t_i])`` over the
    counted pixels ``i``, where ``t_i`` is the label of a pixel and ``v`` holds the weights of the classes.

    Exactness: agrees with :func:`cross_entropy_loops` to the rounding of one sum. Adding one number to all logits of
    a pixel changes nothing; the gradient of a pixel sums to 0 over its classes.
    Source: textbook; status exact. As in PyTorch, the denominator is the sum of the weights; another convention takes
    the number of pixels. If the weights of all counted pixels are 0, the loss is 0.
    See also: :func:`binary_cross_entropy`, which is the case of the logits (0, z).

    Parameters
    ----------
    logits : float ndarray of shape (..., L)
    labels : integer ndarray of shape (...); 0..L-1 or ``ignore``
    class_weights : sequence of L finite numbers >= 0, all 1 by default; doubling all of them changes nothing

    Examples
    --------
    >>> logits = np.log([[1.0, 3.0], [1.0, 1.0], [7.0, 9.0]])
    >>> loss, _ = cross_entropy(logits, np.array([1, 0, 255]))
    >>> print(np.exp(2 * loss).round(9))                                     # 1 / (3/4 * 1/2)
    2.666666667
    """
    op = "cross_entropy"
    need_float(op, logits=logits)
    *shape, L = logits.shape
    counted = need_labels(op, "labels", labels, tuple(shape), L, ignore)
    v = np.array([1.0] * L if class_weights is None else _weights(op, class_weights, L), logits.dtype)
    need_finite(op, logits=logits, where=counted[..., None])
    z, t = _selected(counted, logits), _selected(counted, labels)  # (1)
    z = z - np.ascontiguousarray(z.T).max(0)[:, None]  # (2); NumPy is slow along many short rows
    e = np.exp(z)
    total = e.sum(-1, keepdims=True)
    surprise = np.log(total[:, 0]) - z[np.arange(len(t)), t]  # (3)
    weights = v[t]
    loss = (weights * surprise).sum() / (weights.sum() or 1)  # (4)
    return loss, CrossEntropyCache(counted, e / total, t, weights)


def _weights(op: str, class_weights: Sequence[float] | Array, L: int) -> list[float]:
    values = class_weights.tolist() if isinstance(class_weights, np.ndarray) else class_weights
    if not isinstance(values, (tuple, list)) or len(values) != L:
        raise ValueError(f"{op}: class_weights is {shown(class_weights)}, expected {L} numbers, as logits has classes")
    return [need_number(op, f"class_weights[{label}]", v, low=0) for label, v in enumerate(values)]


def cross_entropy_backward(dloss: Array | float, cache: CrossEntropyCache) -> Array:
    """``dz[i, l] = dloss v[t_i] (softmax(z_i)[l] - [l = t_i]) / (sum of v)``, and 0 at ignored pixels."""
    counted, probability, t, weights = cache
    dloss = _scalar("cross_entropy_backward", dloss)
    dz = probability.copy()
    dz[np.arange(len(t)), t] -= 1  # (3), (2)
    dz *= (dz.dtype.type(dloss) * weights / (weights.sum() or 1))[:, None]  # (4)
    dlogits = np.zeros((*counted.shape, dz.shape[-1]), dz.dtype)
    dlogits[counted] = dz  # (1)
    return dlogits


def binary_cross_entropy_loops(logits: Array, targets: Array, *, ignore: int | None = IGNORE) -> float:
    """Specification of :func:`binary_cross_entropy`: minus the log of the probability of the true class."""
    total, count = 0.0, 0
    for i in np.ndindex(targets.shape):
        if targets[i] != ignore:
            z: Any = logits[i] if targets[i] == 0 else -logits[i]
            total += math.log1p(math.exp(z)) if z < 0 else z + math.log1p(math.exp(-z))
            count += 1
    return total / count if count else 0.0


# counted is a map of booleans; the others hold one value for each counted pixel.
BinaryCache = namedtuple("BinaryCache", "counted probability targets")


def binary_cross_entropy(
    logits: Array, targets: Array, *, ignore: int | None = IGNORE
) -> tuple[np.floating, BinaryCache]:
    """The mean of ``-log sigmoid(z)`` where the target is 1 and of ``-log sigmoid(-z)`` where it is 0.

    ``loss = (sum over i of max(z_i, 0) - t_i z_i + log(1 + exp(-|z_i|))) / P`` over the P counted pixels.

    Exactness: agrees with :func:`binary_cross_entropy_loops` to the rounding of one sum.
    Source: textbook; status exact.

    Parameters
    ----------
    logits : float ndarray of any shape
    targets : integer ndarray of the same shape; 0, 1 or ``ignore``

    Examples
    --------
    >>> loss, _ = binary_cross_entropy(np.log([1.0, 1.0, 3.0]), np.array([0, 1, 255]))
    >>> print(np.exp(-loss).round(9))
    0.5
    """
    need_float("binary_cross_entropy", logits=logits)
    counted = need_labels("binary_cross_entropy", "targets", targets, logits.shape, 2, ignore)
    need_finite("binary_cross_entropy", logits=logits, where=counted)
    z, t = _selected(counted, logits), _selected(counted, targets).astype(logits.dtype)  # (1)
    surprise = np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z)))  # (2)
    loss = surprise.sum() / z.dtype.type(max(len(z), 1))  # (3)
    return loss, BinaryCache(counted, sigmoid(z)[0], t)


def binary_cross_entropy_backward(dloss: Array | float, cache: BinaryCache) -> Array:
    """``dz = dloss (sigmoid(z) - t) / P``, and 0 at ignored pixels."""
    counted, p, t = cache
    dloss = _scalar("binary_cross_entropy_backward", dloss)
    dlogits = np.zeros(counted.shape, p.dtype)
    dlogits[counted] = (p - t) * (p.dtype.type(dloss) / p.dtype.type(max(len(p), 1)))  # (3), (2), (1)
    return dlogits


def dice_loops(logits: Array, targets: Array, *, smooth: float = 1.0, ignore: int | None = IGNORE) -> float:
    """Specification of :func:`dice`."""
    overlap = sizes = 0.0
    for i in np.ndindex(targets.shape):
        if targets[i] != ignore:
            p = (1 + math.tanh(logits[i] / 2)) / 2
            overlap += p * int(targets[i])
            sizes += p + int(targets[i])
    return 1 - (2 * overlap + smooth) / (sizes + smooth)


DiceCache = namedtuple("DiceCache", "counted probability targets above below")  # above / below: the fraction


def dice(
    logits: Array, targets: Array, *, smooth: float = 1.0, ignore: int | None = IGNORE
) -> tuple[np.floating, DiceCache]:
    """One minus the soft overlap: ``1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)``, ``p = sigmoid(z)``.

    The sums run over the counted pixels of the whole batch, so a small object in one image counts little next to a
    large one in another. But the background cannot outweigh an object, however few pixels the object has.

    Exactness: agrees with :func:`dice_loops` to the rounding of the sums.
    Source: Milletari 2016 (V-Net), arXiv 1606.04797; status ours: the paper squares ``p`` in the denominator and has no
    ``smooth``.

    Parameters
    ----------
    logits, targets, ignore : as in :func:`binary_cross_entropy`
    smooth : float, at least 1e-6; without object and prediction, it prevents 0/0 and makes the loss 0

    Examples
    --------
    >>> loss, _ = dice(np.array([0.0, 0.0, 0.0]), np.array([1, 0, 255]))     # p = 1/2: 1 - (1 + 1) / (1 + 1 + 1)
    >>> print(loss.round(9))
    0.333333333
    """
    need_float("dice", logits=logits)
    need_number("dice", "smooth", smooth, low=1e-6)
    counted = need_labels("dice", "targets", targets, logits.shape, 2, ignore)
    need_finite("dice", logits=logits, where=counted)
    t = _selected(counted, targets).astype(logits.dtype)  # (1)
    p, _ = sigmoid(_selected(counted, logits))  # (2)
    above = 2 * (p * t).sum() + p.dtype.type(smooth)  # (3)
    below = p.sum() + t.sum() + p.dtype.type(smooth)
    return 1 - above / below, DiceCache(counted, p, t, above, below)  # (4)


def dice_backward(dloss: Array | float, cache: DiceCache) -> Array:
    """``dp = -dloss (2 t below - above) / below^2`` and ``dz = dp p (1 - p)``; 0 at ignored pixels."""
    counted, p, t, above, below = cache
    dloss = _scalar("dice_backward", dloss)
    dp = (above / below - 2 * t) * (p.dtype.type(dloss) / below)  # (4), (3)
    dlogits = np.zeros(counted.shape, p.dtype)
    dlogits[counted] = sigmoid_backward(dp, p)  # (2), (1)
    return dlogits


def _scalar(op: str, dloss: Array | float) -> float:
    """The gradient of a loss as a number; an array without axes is one too."""
    return need_number(op, "dloss", dloss.item() if type(dloss) is np.ndarray and dloss.ndim == 0 else dloss)


def _selected(counted: Array, values: Array) -> Array:
    """The counted values along one axis; they are not copied if every pixel counts."""
    return values.reshape(counted.size, *values.shape[counted.ndim :]) if counted.all() else values[counted]
