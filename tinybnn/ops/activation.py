"""Activations between binary layers, where values are real: hardtanh, PReLU, RPReLU; and the sigmoid for gates.

::

    name        y                                          dy / dx                        at the kink
    hardtanh    min(max(x, -1), 1)                         1 where |x| <= 1, else 0       1 at x = -1 and x = 1
    prelu       x where x >= 0, else slope x               1 where x >= 0, else slope     1 at x = 0
    rprelu      prelu(x - shift_in, slope) + shift_out     prelu's at x - shift_in        1 at x = shift_in
    sigmoid     1 / (1 + exp(-x))                          y (1 - y)                      smooth

A *kink* is a point where the slope jumps. Any slope between those of its two sides is valid there. The choice here is
that of the straight-through mask, which passes at ``|x| = 1``, and of ``sign``, which counts 0 as positive.
"""

import math
from collections import namedtuple

import numpy as np

from ..notation import Array
from ..validate import need_channels, need_finite, need_float, need_gradient
from .binarize import channel_sum


def hardtanh_loops(x: Array) -> Array:
    """Specification of :func:`hardtanh`."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = -1 if x[i] < -1 else 1 if x[i] > 1 else x[i]
    return y


def hardtanh(x: Array) -> tuple[Array, Array]:
    """Clip to [-1, 1]: ``y = min(max(x, -1), 1)``.

    Exactness: equals :func:`hardtanh_loops` by ``==``.
    Source: Hubara 2016, arXiv 1602.02830, section 1.3; status exact. A clipped value keeps its sign, so before a binary
    layer hardtanh changes no result; it only stops gradients.

    Parameters
    ----------
    x : float ndarray of any shape

    Examples
    --------
    >>> hardtanh(np.array([-3.0, 0.5, 2.0]))[0]
    array([-1. ,  0.5,  1. ])
    """
    need_float("hardtanh", x=x)
    return np.clip(x, -1, 1), x


def hardtanh_backward(dy: Array, x: Array) -> Array:
    """``dx = dy`` where ``|x| <= 1``, else 0: the mask depends on ``x``; the gradient is not clipped."""
    need_gradient("hardtanh_backward", dy, x.shape, finite=True)
    return dy * (np.abs(x) <= 1)


def prelu_loops(x: Array, slope: Array) -> Array:
    """Specification of :func:`prelu`."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = x[i] if x[i] >= 0 else slope[i[-1]] * x[i]
    return y


PReLUCache = namedtuple("PReLUCache", "x slope")
PReLUGrads = namedtuple("PReLUGrads", "dx dslope")


def prelu(x: Array, slope: Array) -> tuple[Array, PReLUCache]:
    """Keep positive values, and multiply negative ones by their channel's learnt slope.

    ``y[..., c] = max(x[..., c], 0) + slope[c] min(x[..., c], 0)``

    Exactness: equals :func:`prelu_loops` by ``==`` for finite values, because one of the two terms is always 0.
    Source: He 2015, arXiv 1502.01852, eq. 1; status exact.

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    slope : float ndarray of shape (C,); any number: 0 gives ReLU, 1 the identity

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
    """``dx = dy`` where ``x >= 0``, else ``slope dy``; ``dslope`` is the sum of ``dy x`` over negative ``x``."""
    x, slope = cache
    need_gradient("prelu_backward", dy, x.shape)
    dx = ((x >= 0) * (1 - slope) + slope) * dy  # the derivative is 1 or slope; np.where takes several times as long
    dslope = channel_sum(np.minimum(x, 0) * dy)
    need_finite("prelu_backward", total=dslope, dy=dy)
    return PReLUGrads(dx, dslope)


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
    """PReLU with a movable kink in each channel: ``y = prelu(x - shift_in, slope) + shift_out``.

    Exactness: agrees with :func:`rprelu_loops` to one rounding each of shift, slope and shift.
    Source: ReActNet, Liu 2020, arXiv 2003.03488, eq. 2; status exact.
    See also: :func:`tinybnn.ops.binarize.binarize`, the shifted sign of the same paper.

    Parameters
    ----------
    x : float ndarray of shape (..., C)
    shift_in, slope, shift_out : float ndarrays of shape (C,); the kink is at ``(shift_in, shift_out)``

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
    """As PReLU; in addition, ``dshift_out`` is the sum of ``dy``, and ``dshift_in`` is minus the sum of ``dx``."""
    need_gradient("rprelu_backward", dy, cache.x.shape)
    dshift_out = channel_sum(dy)  # (3)
    need_finite("rprelu_backward", total=dshift_out, dy=dy)
    dx, dslope = prelu_backward(dy, cache)  # (2)
    return RPReLUGrads(dx, -channel_sum(dx), dslope, dshift_out)  # (1)


def sigmoid_loops(x: Array) -> Array:
    """Specification of :func:`sigmoid`: its exponential cannot overflow."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        e = math.exp(-abs(x[i]))
        y[i] = 1 / (1 + e) if x[i] >= 0 else e / (1 + e)
    return y


def sigmoid(x: Array) -> tuple[Array, Array]:
    """A gate between 0 and 1: ``y = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2``.

    Exactness: the difference to :func:`sigmoid_loops` is at most a few roundings of 1, so a smaller value may become 0.
    The hyperbolic tangent cannot overflow. Source: textbook; status exact.

    Parameters
    ----------
    x : float ndarray of any shape; infinite values close or open a gate completely

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
    need_gradient("sigmoid_backward", dy, y.shape, finite=True)
    return dy * y * (1 - y)
