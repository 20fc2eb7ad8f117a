"""Letters, layouts and the three contracts every file keeps. Read this page first.

Letters
-------
One letter has one meaning, everywhere::

    N  images in a batch          T  tokens, T = H * W
    H  rows                       S  reduced tokens (anchors), S << T
    W  columns                    A  attention heads
    C  channels in                D  width of a token
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

Floats go in and the same float comes out: float64 for checks, float32 for training.

The sign contract
-----------------
``sign(x) = +1`` where ``x >= 0``, else ``-1``. Both zeros, ``+0.0`` and ``-0.0``, give ``+1``: a binary
network has two values and no third. NaN has no sign and raises. The straight-through mask passes
the gradient at ``|x| = 1`` exactly.

The bit contract
----------------
The bit is the sign bit: **1 means -1, 0 means +1**. The least significant bit of the first word is
channel 0; bits past the last channel (the tail) are zero. The tail reads as ``+1`` on both sides of a
product, so it never disagrees, and::

    dot(a, b) = n - 2 * popcount(a ^ b)          n the true number of channels

The padding contract
--------------------
A binary convolution names its ``pad_value``: -1, 0 or +1. There is no default, because there is no
harmless one: 0 is not a binary value (packed code corrects for it exactly), and -1 and +1 are not zero.
"""

from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
"""What every operation takes and gives; shapes and dtypes stand in the docstrings, where a reader looks for them."""

Pair: TypeAlias = int | tuple[int, int]
"""One whole number for rows and columns alike, or one for each."""

HW: TypeAlias = tuple[int, int]
"""Rows and columns, both given: what a ``Pair`` is once it is checked."""

WORD_BITS = 64
"""Bits in one packed word (``uint64``)."""

IGNORE = 255
"""The label that neither loss nor metric counts."""
