"""Activations between binary layers, where values are real: hardtanh, PReLU, RPReLU; and the sigmoid that opens gates.

::

    name        y                                          dy / dx                        at the kink
    hardtanh    min(max(x, -1), 1)                         1 where |x| <= 1, else 0       1 at x = -1 and x = 1
    prelu       x where x >= 0, else slope x               1 where x >= 0, else slope     1 at x = 0
    rprelu      prelu(x - shift_in, slope) + shift_out     prelu's at x - shift_in        1 at x = shift_in
    sigmoid     1 / (1 + exp(-x))                          y (1 - y)                      smooth

At a kink any slope between the two sides would do; ours are those of the straight-through mask and of ``sign``, which
both take the edge in.
"""

import math
from collections import namedtuple

import numpy as np

from ..notation import Array
from ..validate import need_channels, need_float, need_shape
from .binarize import channel_sum

# -- hardtanh -------------------------------------------------------------------------------------------------------


def hardtanh_loops(x: Array) -> Array:
    """Specification of :func:`hardtanh`."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = -1 if x[i] < -1 else 1 if x[i] > 1 else x[i]
    return y


def hardtanh(x: Array) -> tuple[Array, Array]:
    """Clip to [-1, 1]: ``y = min(max(x, -1), 1)``.

    Parameters
    ----------
    x : float ndarray of any shape

    Returns
    -------
    y : ndarray
        Same shape and dtype.
    cache : ndarray
        ``x`` itself.

    Notes
    -----
    Exactness: equals :func:`hardtanh_loops` by ``==``.
    Source: Hubara 2016, arXiv 1602.02830, section 1.3; status exact. The sign of a clipped value is the sign of the
    value: before a binary layer hardtanh changes nothing going forward, and stops gradients going back.

    Examples
    --------
    >>> hardtanh(np.array([-3.0, 0.5, 2.0]))[0]
    array([-1. ,  0.5,  1. ])
    """
    need_float("hardtanh", x=x)
    return np.clip(x, -1, 1), x


def hardtanh_backward(dy: Array, x: Array) -> Array:
    """``dx = dy`` where ``|x| <= 1``, else 0: a mask on ``x``, not a clip of the gradient."""
    need_shape("hardtanh_backward", "dy", dy, " ".join(map(str, x.shape)))
    return dy * (np.abs(x) <= 1)


# -- PReLU ----------------------------------------------------------------------------------------------------------


def prelu_loops(x: Array, slope: Array) -> Array:
    """Specification of :func:`prelu`."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = x[i] if x[i] >= 0 else slope[i[-1]] * x[i]
    return y


PReLUCache = namedtuple("PReLUCache", "x slope")
PReLUGrads = namedtuple("PReLUGrads", "dx dslope")


def prelu(x: Array, slope: Array) -> tuple[Array, PReLUCache]:
    """Leave what is positive, scale what is negative by its channel's learnt slope.

    ``y[..., c] = max(x[..., c], 0) + slope[c] min(x[..., c], 0)``

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    slope : float ndarray of shape (C,)
        Any number: 0 is ReLU, 1 the identity.

    Returns
    -------
    y : ndarray of shape (..., C)
    cache : PReLUCache

    Notes
    -----
    Exactness: equals :func:`prelu_loops` by ``==`` for finite values: one of the two terms is always 0. A selection
    with ``np.where`` takes some four times as long.
    Source: He 2015, arXiv 1502.01852, eq. 1; status exact.

    Examples
    --------
    >>> prelu(np.array([[-2.0, -2.0], [2.0, 2.0]]), np.array([0.25, 1.0]))[0]
    array([[-0.5, -2. ],
           [ 2. ,  2. ]])
    """
    need_channels("prelu", x=x, slope=slope)
    y = np.minimum(x, 0)
    y *= slope  # in place: on large maps new memory costs three times as much as the arithmetic
    y += np.maximum(x, 0)
    return y, PReLUCache(x, slope)


def prelu_backward(dy: Array, cache: PReLUCache) -> PReLUGrads:
    """``dx = dy`` where ``x >= 0``, else ``slope dy``; ``dslope`` sums ``dy x`` over what was negative."""
    x, slope = cache
    need_shape("prelu_backward", "dy", dy, " ".join(map(str, x.shape)))
    dx = ((x >= 0) * (1 - slope) + slope) * dy  # the derivative is 1 or slope; np.where takes several times as long
    return PReLUGrads(dx, channel_sum(np.minimum(x, 0) * dy))


# -- RPReLU ---------------------------------------------------------------------------------------------------------


def rprelu_loops(x: Array, shift_in: Array, slope: Array, shift_out: Array) -> Array:
    """Specification of :func:`rprelu`."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        c = i[-1]
        shifted = x[i] - shift_in[c]
        y[i] = (shifted if shifted >= 0 else slope[c] * shifted) + shift_out[c]
    return y


RPReLUGrads = namedtuple("RPReLUGrads", "dx dshift_in dslope dshift_out")


def rprelu(x: Array, shift_in: Array, slope: Array, shift_out: Array) -> tuple[Array, PReLUCache]:
    """PReLU with its kink moved, by channel: ``y = prelu(x - shift_in, slope) + shift_out``.

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    shift_in, slope, shift_out : float ndarrays of shape (C,)
        The kink lies at ``(shift_in, shift_out)``.

    Returns
    -------
    y : ndarray of shape (..., C)
    cache : PReLUCache
        Of the shifted input.

    Notes
    -----
    Exactness: agrees with :func:`rprelu_loops` to one rounding each of shift, slope and shift.
    Source: ReActNet, Liu 2020, arXiv 2003.03488, eq. 2; status exact.
    See also: :func:`tinybnn.ops.binarize.binarize`, the shifted sign of the same paper.

    Examples
    --------
    >>> one = np.ones(1)
    >>> rprelu(np.array([[0.0], [1.0], [3.0]]), one, 0.5 * one, 10 * one)[0].ravel()
    array([ 9.5, 10. , 12. ])
    """
    need_channels("rprelu", x=x, shift_in=shift_in, slope=slope, shift_out=shift_out)
    shifted = x - shift_in  # (1)
    y, cache = prelu(shifted, slope)  # (2)
    y += shift_out  # (3)
    return y, cache


def rprelu_backward(dy: Array, cache: PReLUCache) -> RPReLUGrads:
    """PReLU's, and for the two shifts: ``dshift_out`` is the sum of ``dy``, ``dshift_in`` minus that of ``dx``."""
    dx, dslope = prelu_backward(dy, cache)  # (2)
    return RPReLUGrads(dx, -channel_sum(dx), dslope, channel_sum(dy))  # (1) (3)


# -- sigmoid --------------------------------------------------------------------------------------------------------


def sigmoid_loops(x: Array) -> Array:
    """Specification of :func:`sigmoid`: an exponential that can only underflow."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        e = math.exp(-abs(x[i]))
        y[i] = 1 / (1 + e) if x[i] >= 0 else e / (1 + e)
    return y


def sigmoid(x: Array) -> tuple[Array, Array]:
    """A gate between 0 and 1: ``y = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2``.

    Parameters
    ----------
    x : float ndarray of any shape
        Infinities are allowed: they shut a gate or open it wholly.

    Returns
    -------
    y : ndarray
        Same shape and dtype.
    cache : ndarray
        ``y`` itself, for the derivative is ``y (1 - y)``.

    Notes
    -----
    Exactness: agrees with :func:`sigmoid_loops` to a few roundings of 1, in absolute terms: a gate shut further than
    that is 0. The hyperbolic tangent cannot overflow.
    Source: textbook; status exact.

    Examples
    --------
    >>> sigmoid(np.array([-np.inf, 0.0, np.inf]))[0]
    array([0. , 0.5, 1. ])
    """
    need_float("sigmoid", x=x)
    y = 0.5 * (1 + np.tanh(0.5 * x))
    return y, y


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """``dx = dy y (1 - y)``."""
    need_shape("sigmoid_backward", "dy", dy, " ".join(map(str, y.shape)))
    return dy * y * (1 - y)
