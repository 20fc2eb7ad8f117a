"""Batch norm: a pair for training, and one multiplication and one addition for inference.

::

    batch_norm               y = gamma (x - mean) / sqrt(var + eps) + beta     mean and var of this batch
    update_running           running averages of mean and var                  over the batches of a training
    batch_norm_inference     y = x * scale + shift                             mean and var fixed: two numbers a channel

Before a sign, even these two numbers become one integer: ``fold.py``.
"""

import math
from collections import namedtuple

import numpy as np

from ..notation import Array
from ..validate import need_channels, need_finite, need_gradient, need_number
from .binarize import channel_sum


def batch_norm_loops(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    """Specification of :func:`batch_norm`: for each channel, the mean, then the variance around it."""
    *outer, C = x.shape
    y = np.empty(x.shape)
    for c in range(C):
        values = x[..., c].ravel()
        mean = math.fsum(values) / len(values)
        var = sum((v - mean) ** 2 for v in values) / len(values)
        for i in np.ndindex(*outer):
            y[i + (c,)] = gamma[c] * ((x[i + (c,)] - mean) / (var + eps) ** 0.5) + beta[c]
    return y


BatchNormCache = namedtuple("BatchNormCache", "centred gamma std mean var rows")  # rows: the number of values a channel
BatchNormGrads = namedtuple("BatchNormGrads", "dx dgamma dbeta")


def batch_norm(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> tuple[Array, BatchNormCache]:
    """Normalise each channel by the mean and variance of the batch, then scale and shift it by learnt numbers.

    ``y[..., c] = gamma[c] (x[..., c] - mean[c]) / sqrt(var[c] + eps) + beta[c]``, with ``mean`` and the biased ``var``
    over all axes but the channels.

    Exactness: agrees with :func:`batch_norm_loops` to a few roundings. The mean is subtracted before squaring:
    ``mean(x^2) - mean(x)^2`` would lose every digit of a small variance around a large mean. Subtracting it leaves a
    mean of its roundings, which is subtracted too.
    Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 1; status exact.
    See also: :func:`update_running`, :func:`batch_norm_inference`.

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    gamma, beta : float ndarrays of shape (C,)
    eps : float; added to the variance, at least 1e-12

    Examples
    --------
    >>> y, cache = batch_norm(np.array([[1.0], [3.0]]), np.array([10.0]), np.array([5.0]), eps=1e-12)
    >>> y.ravel().round(6), cache.mean, cache.var
    (array([-5., 15.]), array([2.]), array([1.]))
    """
    need_channels("batch_norm", x=x, gamma=gamma, beta=beta)
    need_number("batch_norm", "eps", eps, low=1e-12)
    rows = x.size // x.shape[-1]
    count = max(rows, 1)  # an empty batch has mean and variance 0
    mean = channel_sum(x) / count  # (1)
    need_finite("batch_norm", total=mean, x=x)
    centred = x - mean  # (2)
    rest = channel_sum(centred) / count  # far from 0 one rounding of the mean is large beside a small deviation
    centred -= rest
    mean = mean + rest
    var = channel_sum(centred * centred) / count  # (3)
    std = np.sqrt(var + eps)  # (4)
    y = centred * (gamma / std)  # (5)
    y += beta  # (6); in place, here and below: for a large map, new memory costs more than the arithmetic
    return y, BatchNormCache(centred, gamma, std, mean, var, rows)


def batch_norm_backward(dy: Array, cache: BatchNormCache) -> BatchNormGrads:
    """``dx = gamma / std (dy - dbeta / n - centred dgamma / (n std))``, where ``dgamma = sum(dy centred) / std``.

    Two terms are subtracted, because each ``x`` also changes the mean and the variance of its channel. So ``dx`` has
    neither a constant part nor a part along ``centred``.
    """
    centred, gamma, std, _, _, rows = cache
    need_gradient("batch_norm_backward", dy, centred.shape)
    dbeta, dgamma = channel_sum(dy), channel_sum(dy * centred) / std  # (6) (5)
    need_finite("batch_norm_backward", total=dbeta, dy=dy)
    count = max(rows, 1)
    dx = centred * (-dgamma / (count * std)) + dy  # (5) (4) (3) (2) (1), in one
    dx -= dbeta / count
    dx *= gamma / std
    return BatchNormGrads(dx, dgamma, dbeta)


def update_running_loops(mean: Array, var: Array, x: Array, *, momentum: float = 0.9) -> tuple[Array, Array]:
    """Specification of :func:`update_running`, from the batch itself."""
    new_mean, new_var = np.empty(len(mean)), np.empty(len(var))
    for c in range(len(mean)):
        values = x[..., c].ravel()
        m = math.fsum(values) / len(values)
        v = sum((value - m) ** 2 for value in values) / (len(values) - 1)
        new_mean[c] = momentum * mean[c] + (1 - momentum) * m
        new_var[c] = momentum * var[c] + (1 - momentum) * v
    return new_mean, new_var


def update_running(mean: Array, var: Array, cache: BatchNormCache, *, momentum: float = 0.9) -> tuple[Array, Array]:
    """The running mean and variance after one more batch, as new arrays: ``momentum * old + (1 - momentum) * batch``.

    Exactness: agrees with :func:`update_running_loops` to the rounding of its sums.
    Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 2; status exact. The variance is the unbiased one,
    ``n / (n - 1) var``, as in PyTorch; Keras uses the biased one unless its fused kernel runs.

    Parameters
    ----------
    mean, var : float ndarrays of shape (C,)
    cache : BatchNormCache; an empty batch changes nothing; a single value a channel has no variance and is refused
    momentum : float in [0, 1], the share of the old value; PyTorch's is that of the new one: 0.1 there is 0.9 here

    Examples
    --------
    >>> _, cache = batch_norm(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1))
    >>> update_running(np.zeros(1), np.ones(1), cache, momentum=0.5)       # the batch: mean 2, unbiased variance 2
    (array([1.]), array([1.5]))
    """
    need_channels("update_running", **{"cache.mean": cache.mean, "mean": mean, "var": var})
    need_number("update_running", "momentum", momentum, 0, 1)
    if cache.rows == 0:
        return mean.copy(), var.copy()
    if cache.rows == 1:
        raise ValueError("update_running: the batch had 1 value a channel, expected at least 2 for a variance")
    unbiased = cache.var * (cache.rows / (cache.rows - 1))
    return momentum * mean + (1 - momentum) * cache.mean, momentum * var + (1 - momentum) * unbiased


def batch_norm_inference_loops(
    x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5
) -> Array:
    """Specification of :func:`batch_norm_inference`."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        c = i[-1]
        y[i] = gamma[c] * ((x[i] - mean[c]) / (var[c] + eps) ** 0.5) + beta[c]
    return y


def batch_norm_inference(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5) -> Array:
    """Batch norm with fixed statistics: ``y[..., c] = x[..., c] scale[c] + shift[c]``, with :func:`scale_shift`.

    Exactness: **is** ``x * scale + shift`` in the dtype of ``x``, so packed code can give the same bits. Agrees with
    :func:`batch_norm_inference_loops` to a few roundings of ``mean * scale``.
    Source: Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 2; status exact.
    See also: :func:`tinybnn.ops.fold.fold_batch_norm`.

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    gamma, beta, mean, var : float ndarrays of shape (C,); a negative variance is refused
    eps : as in :func:`batch_norm`

    Examples
    --------
    >>> one = np.ones(1)
    >>> batch_norm_inference(np.array([[3.0], [4.0]]), 6 * one, 5 * one, 3 * one, 3 * one, eps=1).ravel()
    array([5., 8.])
    """
    need_channels("batch_norm_inference", x=x, gamma=gamma, beta=beta, mean=mean, var=var)
    need_variance("batch_norm_inference", var, eps)
    scale, shift = scale_shift(gamma, beta, mean, var, eps=eps)
    return x * scale + shift


def scale_shift(gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5) -> tuple[Array, Array]:
    """The two numbers a channel: ``scale = gamma / sqrt(var + eps)`` and ``shift = beta - mean scale``.

    >>> scale_shift(np.array([6.0]), np.array([5.0]), np.array([3.0]), np.array([3.0]), eps=1)
    (array([3.]), array([-4.]))
    """
    need_channels("scale_shift", gamma=gamma, beta=beta, mean=mean, var=var)
    need_finite("scale_shift", gamma=gamma)
    need_variance("scale_shift", var, eps)
    scale = gamma / np.sqrt(var + eps)
    return scale, beta - mean * scale


def need_variance(op: str, var: Array, eps: float) -> None:
    """Refuse a negative variance, and an ``eps`` that does not keep its square root from 0."""
    need_number(op, "eps", eps, low=1e-12)
    if (var < 0).any():
        c = int(np.argmax(var < 0))
        raise ValueError(f"{op}: var[{c}] is {var[c]}, expected a variance >= 0")
