"""Folding: what is left of scale, batch norm and sign after a binary convolution is one integer comparison.

::

    float      sign(gamma (alpha z - mean) / sqrt(var + eps) + beta)       z a whole number, |z| <= n
    folded     +1  where  (z >= t) != flip                                 t an integer, flip a bit, one a filter

The closed formula for ``t`` is right on paper and wrong at ties, where rounding decides. So the threshold is found by
asking the float expression itself for every whole number that can occur: exact by construction.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..notation import Array
from ..validate import need_channels, need_dtype, need_int, need_shape
from .norm import batch_norm_inference


class Threshold(NamedTuple):
    """Whole numbers ``t`` and booleans ``flip``, (F,) each: +1 where ``(z >= t) != flip``."""

    t: Array
    flip: Array


def fold_threshold(levels_to_real: Callable[[Array], Array], n: int, F: int) -> Threshold:
    """Fold ``sign(f(z))``, for whole numbers ``z`` from ``-n`` to ``n``, into an integer comparison a filter.

    Parameters
    ----------
    levels_to_real : callable
        ``f``: from integers to floats of shape (2 n + 1, F), computed as inference does, in its dtype and its order;
        in each filter it only rises or only falls.
    n, F : int
        The number of taps, KH KW C, and of filters. With padding of 0 every whole number from ``-n`` to ``n`` occurs.

    Returns
    -------
    Threshold

    Raises
    ------
    ValueError
        If the sign of a filter changes more than once, or is NaN somewhere.

    Notes
    -----
    Exactness: equals ``sign(f(z))`` by ``==`` for every ``z``, by construction: ``f`` is asked for all of them.
    The closed formula, from ``mean - beta sqrt(var + eps) / gamma``, divides by gamma, which may be 0, and rounds
    elsewhere than ``f`` does: it is wrong near ties. Source: ours, after FINN, Umuroglu 2017, arXiv 1612.07119.

    Examples
    --------
    >>> fold_threshold(lambda z: z * np.array([0.5, -0.5]) + 0.25, 3, 2)     # z >= 0, and not z >= 1
    Threshold(t=array([0, 1], dtype=int32), flip=array([False,  True]))
    """
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
    """Fold scale, batch norm and sign, ``sign(batch_norm_inference(alpha * z, ...))``, with :func:`fold_threshold`.

    Parameters
    ----------
    alpha, gamma, beta, mean, var : float ndarrays of shape (F,)
        The scale of each filter, and its batch norm in inference.
    n : int
        Taps, KH KW C: ``z`` runs from ``-n`` to ``n``.
    eps : float

    Returns
    -------
    Threshold

    Notes
    -----
    Exactness: equals the sign of the float expression by ``==`` at every level, with gamma < 0, gamma = 0 and at ties.
    Source: as for :func:`fold_threshold`.  Status: ours.

    Examples
    --------
    >>> one = np.ones(1)
    >>> fold_batch_norm(0.5 * one, -one, one, 0 * one, one, 4)     # -z / 2 + 1 >= 0, nearly: z <= 2
    Threshold(t=array([3], dtype=int32), flip=array([ True]))
    """
    need_channels("fold_batch_norm", alpha=alpha, gamma=gamma, beta=beta, mean=mean, var=var)
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
    """Where a folded sign is -1: the bits to pack, ``(z >= t) == flip``.

    Parameters
    ----------
    z : integer ndarray of shape (..., F)
    threshold : Threshold

    Returns
    -------
    ndarray of bool, of the shape of ``z``

    Notes
    -----
    Exactness: equals :func:`threshold_sign_loops` by ``==``.
    Source: FINN, Umuroglu 2017, arXiv 1612.07119, for a comparison in place of batch norm; the flip is ours.

    Examples
    --------
    >>> threshold_sign(np.array([[0, 0], [2, 2]]), Threshold(np.array([1, 1]), np.array([False, True])))
    array([[ True, False],
           [False,  True]])
    """
    need_dtype("threshold_sign", "z", z, np.integer)
    need_shape("threshold_sign", "threshold.t", threshold.t, "F", F=(z.shape[-1], "z"))
    return (z >= threshold.t) == threshold.flip
