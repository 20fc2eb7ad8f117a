"""Letters, layouts and the four contracts every file keeps. Read this page first.

Letters
-------
One letter has one meaning, everywhere::

    N  images in a batch          T  tokens, T = H * W
    H  rows                       S  reduced tokens (anchors), S << T
    W  columns                    A  attention heads
    C  channels in                D  width of a token, per head
    F  filters, channels out      L  classes
    KH, KW  kernel rows, columns  R  branches of an upsampling

``dx`` is dLoss/dx: the same shape and dtype as ``x``. Rows come before columns; ``x`` and ``y`` are
never coordinates.

Layouts
-------
::

    activations   (N, H, W, C)     "NHWC": images arrive so, and channels pack without a transpose
    weights       (KH, KW, C, F)   "HWIO": one convolution is one matrix product on the last axis
    tokens        (N, T, D)        row-major over the grid: token t sits at row t // W, column t % W
    labels        (N, H, W)        integers, 255 is ignored
    packed        (..., words)     uint64, packed along the last axis

Float results have the dtype of the input: float64 for checks, float32 for training.

Calls
-----
::

    y, cache = conv2d(x, w, stride=1, pad=1)       options are keywords
    dx, dw   = conv2d_backward(dy, cache)          gradients in the order of the arguments

The cache and several gradients are named tuples; a docstring describes what comes before the cache. If an operation
has no ``Returns`` section, its array has the shape and dtype of the first argument. Every operation refuses arguments
whose shape or dtype is not the one in its docstring, with a ``ValueError`` or ``TypeError`` of one line: the
operation, the argument, what came, and what was expected.

A batch may be empty: ``N = 0``, or no rows of any shape (..., C), gives an empty result and gradients of 0. Every other
size is at least 1, and an array has at least one axis. Masked arrays and other subclasses of ``ndarray`` are refused,
except memory maps, because they compute differently. ``ignore`` is one whole number, or None.

The sign contract
-----------------
``sign(x) = +1`` where ``x >= 0``, else ``-1``. Both zeros, ``+0.0`` and ``-0.0``, give ``+1``, because a
binary network has no third value. NaN has no sign and raises. In the backward pass, the derivative of the
usual surrogate, ``clipped``, is 1 at ``|x| = 1`` too.

The bit contract
----------------
The bit is the sign bit: **1 means -1, 0 means +1**. The least significant bit of the first word is
channel 0; bits past the last channel (the tail) are zero. The tail reads as ``+1`` on both sides of a
product, so it never disagrees, and::

    dot(a, b) = n - 2 * popcount(a ^ b)          n the true number of channels

The padding contract
--------------------
Every call of a binary convolution names its ``pad_value``: -1, 0 or +1. There is no default, because each
choice has a cost: 0 is not a binary value (packed code corrects for it exactly), and -1 or +1 changes the
sums at the border.

The contract of infinities and NaN
----------------------------------
An operation either refuses them, with an error that names the first place, or its result is that of its
specification: they reach no value that does not depend on them::

    learnt numbers    weights, scales, slopes, thresholds, statistics: refused; only a gate may be -inf or +inf
    activations       allowed where values are moved, compared, changed one by one, or added in a window: sign,
                      binarize, activations, fixed batch norm, conv2d and its transpose, maximum and average
                      pooling, nearest upsampling, depth_to_space, the scores of attend; but NaN has no sign
                      and no order, so sign, binarize and max_pool2d refuse it
                      refused by all others: statistics, grids, bilinear weights, binary sums, attention
    logits            refused where a pixel counts; an ignored pixel may hold anything
    gradients         allowed where a backward pass only moves, scales or adds them; refused by all others

Where a sum over an array is needed anyway, only that sum is looked at, and the array only if the sum is not finite.
"""

from typing import TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = np.ndarray
"""The type of every operation's arguments and results; docstrings give the shapes and dtypes."""

Pair: TypeAlias = int | tuple[int, int]
"""One whole number for both rows and columns, or one for each."""

HW: TypeAlias = tuple[int, int]
"""A number for rows and a number for columns: a ``Pair`` after it was checked."""

WORD_BITS = 64
"""Bits in one packed word (``uint64``)."""

IGNORE = 255
"""The label that neither a loss nor a metric counts."""

Whole = TypeVar("Whole", int, np.ndarray)


def ceil_div(n: Whole, d: int) -> Whole:
    """``n / d``, rounded up: how many groups of ``d`` hold ``n`` things.

    >>> ceil_div(130, 64)
    3
    """
    return -(-n // d)
