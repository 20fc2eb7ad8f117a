"""Folding: after a binary convolution, scale, batch norm and sign become one comparison of integers.

::

    float      sign(gamma (alpha z - mean) / sqrt(var + eps) + beta)       z an integer, |z| <= n
    folded     +1  where  (z >= t) != flip                                 for each filter, an integer t and a bit flip

A *tie* is a ``z`` at which the real value is 0; rounding then decides its sign. On paper ``t`` has a closed formula,
from ``mean - beta sqrt(var + eps) / gamma``. But it divides by gamma, which may be 0, and rounds differently from the
float expression, so it is wrong near ties. Here, the float expression itself is evaluated at every possible ``z``.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..notation import Array
from ..validate import need_channels, need_dtype, need_finite, need_int, need_kind, need_shape, shown
from .norm import batch_norm_inference, need_variance


class Threshold(NamedTuple):
    """Integers ``t`` and booleans ``flip``, (F,) each: +1 where ``(z >= t) != flip``."""

    t: Array
    flip: Array


def fold_threshold(levels_to_real: Callable[[Array], Array], n: int, F: int) -> Threshold:
    """Replace ``sign(f(z))``, for integers ``z`` from ``-n`` to ``n``, by one integer comparison for each filter.

    Exactness: equals ``sign(f(z))`` by ``==`` for every ``z``, because ``f`` is evaluated at all of them.
    Source: ours, after FINN, Umuroglu 2017, arXiv 1612.07119.

    Parameters
    ----------
    levels_to_real : callable
        ``f``: from integers to floats of shape (2 n + 1, F), in the dtype and the order of operations of inference. In
        each filter it only rises or only falls: NaN, or a sign that changes twice, is refused.
    n, F : int; ``n`` products in a sum, KH KW C; with ``pad_value`` 0, every integer from ``-n`` to ``n`` occurs

    Examples
    --------
    >>> fold_threshold(lambda z: z * np.array([0.5, -0.5]) + 0.25, 3, 2)     # z >= 0, and not z >= 1
    Threshold(t=array([0, 1], dtype=int32), flip=array([False,  True]))
    """
    if not callable(levels_to_real):
        raise TypeError(f"fold_threshold: levels_to_real is {shown(levels_to_real)}, expected a function")
    n, F = need_int("fold_threshold", "n", n, 0), need_int("fold_threshold", "F", F, 1)
    real = levels_to_real(np.repeat(np.arange(-n, n + 1)[:, None], F, axis=1))
    need_shape("fold_threshold", "levels_to_real(z)", real, f"{2 * n + 1} {F}")
    positive = real >= 0
    turns = (positive[1:] != positive[:-1]).sum(0)
    for bad, what in ((np.isnan(real).any(0), "is nan somewhere"), (turns > 1, "changes its sign more than once")):
        if bad.any():
            raise ValueError(f"fold_threshold: filter {bad.argmax()} {what}, expected a rising or falling function")
    flip = positive[0]  # what begins at +1 falls, if it changes at all
    below = (positive == flip).sum(0)  # how many z lie before the change
    return Threshold((below - n).astype(np.int32), flip)


def fold_batch_norm(
    alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5
) -> Threshold:
    """Fold scale, batch norm and sign: ``sign(batch_norm_inference(alpha * z, ...))``.

    Exactness: equals the sign of the float expression by ``==`` for every ``z``, also at ties and for gamma <= 0.
    Source: as :func:`fold_threshold`; status ours.

    Parameters
    ----------
    alpha, gamma, beta, mean, var : float ndarrays of shape (F,); the scale of each filter and its batch norm
    n, eps : as in :func:`fold_threshold` and in :func:`tinybnn.ops.norm.batch_norm`

    Examples
    --------
    >>> one = np.ones(1)
    >>> fold_batch_norm(0.5 * one, -one, one, 0 * one, one, 4)     # -z / 2 + 1 >= 0, nearly: z <= 2
    Threshold(t=array([3], dtype=int32), flip=array([ True]))
    """
    need_channels("fold_batch_norm", alpha=alpha, gamma=gamma, beta=beta, mean=mean, var=var)
    need_shape("fold_batch_norm", "alpha", alpha, "F")
    need_variance("fold_batch_norm", var, eps)
    need_int("fold_batch_norm", "n", n, 0)
    need_finite("fold_batch_norm", alpha=alpha)
    norm = gamma, beta, mean, var
    return fold_threshold(lambda z: batch_norm_inference(alpha * z.astype(alpha.dtype), *norm, eps=eps), n, len(alpha))


def threshold_sign_loops(z: Array, threshold: Threshold) -> Array:
    """Specification of :func:`threshold_sign`."""
    negative = np.empty(z.shape, bool)
    for i in np.ndindex(z.shape):
        reached = z[i] >= threshold.t[i[-1]]
        negative[i] = reached if threshold.flip[i[-1]] else not reached
    return negative


def threshold_sign(z: Array, threshold: Threshold) -> Array:
    """Where a folded sign is -1, as booleans to be packed: ``(z >= t) == flip``.

    Exactness: equals :func:`threshold_sign_loops` by ``==``.
    Source: FINN, Umuroglu 2017, arXiv 1612.07119, for a comparison in place of batch norm; the flip is ours.

    Parameters
    ----------
    z : integer ndarray of shape (..., F)
    threshold : Threshold

    Examples
    --------
    >>> threshold_sign(np.array([[0, 0], [2, 2]]), Threshold(np.array([1, 1]), np.array([False, True])))
    array([[ True, False],
           [False,  True]])
    """
    need_dtype("threshold_sign", "z", z, np.integer)
    need_kind("threshold_sign", "threshold", threshold, Threshold)
    for name, array, kind in zip(("threshold.t", "threshold.flip"), threshold, (np.integer, np.bool_)):
        need_shape("threshold_sign", name, array, "F", F=(z.shape[-1], "z"))
        need_dtype("threshold_sign", name, array, kind)
    return (z >= threshold.t) == threshold.flip
