"""Upsampling: four linear ways to enlarge a map; each backward pass is the exact transpose.

::

    upsample_nearest     copies each value into a block           commutes with sign: packed, it repeats words
    upsample_bilinear    interpolates between values              two conventions for the position of the corners
    depth_to_space       moves channels to positions              a permutation
    conv_transpose2d     uses a learnt kernel                     in :mod:`tinybnn.ops.conv`

``scale`` is an integer or a (rows, columns) pair. An :class:`Upsampler` is a pair of functions with a name, for code
that takes an upsampling as an option.
"""

from collections import namedtuple
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..notation import HW, Array, Pair
from ..validate import need_dtype, need_finite, need_float, need_gradient, need_kind, need_pair, need_shape


def upsample_nearest_loops(x: Array, *, scale: Pair = 2) -> Array:
    """Specification of :func:`upsample_nearest`: each position reads the value of its block."""
    SH, SW = scale if isinstance(scale, tuple) else (scale, scale)
    N, H, W, C = x.shape
    y = np.empty((N, H * SH, W * SW, C))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = x[n, i // SH, j // SW, c]
    return y


NearestCache = namedtuple("NearestCache", "size scale")  # size is that of the input


def upsample_nearest(x: Array, *, scale: Pair = 2) -> tuple[Array, NearestCache]:
    """Copy each value into a block of SH x SW: ``y[n, i, j, c] = x[n, i // SH, j // SW, c]``.

    Exactness: equals :func:`upsample_nearest_loops` by ``==``. It commutes with every function of single pixels, as
    ``sign``, a threshold or a 1x1 convolution; before the upsampling, such a step costs SH SW times less.
    Source: textbook; status exact. See also: :func:`upsample_nearest_packed`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    scale : int or (rows, columns) pair; ``SH`` and ``SW``, at least 1; the result is (N, SH H, SW W, C)

    Examples
    --------
    >>> upsample_nearest(np.array([1.0, 2.0]).reshape(1, 1, 2, 1))[0][0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    need_float("upsample_nearest", x=x)
    _, H, W, _ = need_shape("upsample_nearest", "x", x, "N H W C")
    SH, SW = need_pair("upsample_nearest", "scale", scale, 1)
    return x.repeat(SH, axis=1).repeat(SW, axis=2), NearestCache((H, W), (SH, SW))


def upsample_nearest_backward(dy: Array, cache: NearestCache) -> Array:
    """Each value was copied SH SW times, so the gradients of its copies add."""
    (H, W), (SH, SW) = cache
    need_gradient("upsample_nearest_backward", dy, f"N {H * SH} {W * SW} C")
    dx: Any = sum(dy[:, i::SH, j::SW] for i in range(SH) for j in range(SW))
    return dx


def upsample_nearest_packed(words: Array, *, scale: Pair = 2) -> Array:
    """Nearest upsampling of packed signs: it repeats words, each of which holds 64 channels.

    The result is uint64 of shape (N, SH H, SW W, ceil(C / 64)).
    Exactness: ``upsample_nearest_packed(pack(sign(x)))`` equals ``pack(sign(upsample_nearest(x)))`` by ``==``.
    Source: ours. Bilinear upsampling has no packed form, because the signs of its result depend on the values.

    Parameters
    ----------
    words : uint64 ndarray of shape (N, H, W, ceil(C / 64))
    scale : int or (rows, columns) pair

    Examples
    --------
    >>> upsample_nearest_packed(np.array([[[[5], [6]]]], np.uint64), scale=(1, 2)).ravel()
    array([5, 5, 6, 6], dtype=uint64)
    """
    op = "upsample_nearest_packed"
    need_dtype(op, "words", words, np.uint64)
    need_shape(op, "words", words, "N H W words")
    SH, SW = need_pair(op, "scale", scale, 1)
    return words.repeat(SH, axis=1).repeat(SW, axis=2)


def upsample_bilinear_loops(x: Array, *, scale: Pair = 2, align_corners: bool = False) -> Array:
    """Specification of :func:`upsample_bilinear`: weigh the four neighbours by nearness."""
    SH, SW = scale if isinstance(scale, tuple) else (scale, scale)
    N, H, W, C = x.shape
    y = np.empty((N, H * SH, W * SW, C))
    for n, i, j, c in np.ndindex(y.shape):
        if align_corners:
            row, col = i * (H - 1) / max(H * SH - 1, 1), j * (W - 1) / max(W * SW - 1, 1)
        else:
            row, col = min(max((i + 0.5) / SH - 0.5, 0), H - 1), min(max((j + 0.5) / SW - 0.5, 0), W - 1)
        top, left = int(row), int(col)
        bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
        down, over = row - top, col - left
        above = x[n, top, left, c] * (1 - over) + x[n, top, right, c] * over
        below = x[n, bottom, left, c] * (1 - over) + x[n, bottom, right, c] * over
        y[n, i, j, c] = above * (1 - down) + below * down
    return y


BilinearCache = namedtuple("BilinearCache", "rows columns")  # the matrices A and B


def upsample_bilinear(x: Array, *, scale: Pair = 2, align_corners: bool = False) -> tuple[Array, BilinearCache]:
    """Interpolate linearly along rows and columns: ``y[n, i, j, c] = sum over h, w of A[i, h] B[j, w] x[n, h, w, c]``.

    ``A`` is (SH H, H), ``B`` is (SW W, W), and ``y`` is (N, SH H, SW W, C). ``A[i, h] = max(0, 1 - |p - h|)``, where
    output row ``i`` lies at row ``p`` of the input::

        align_corners=False    p = (i + 1/2) / SH - 1/2, clamped to [0, H - 1]    half-pixel centres: pixels are squares
        align_corners=True     p = i (H - 1) / (SH H - 1)                         pixels are points

    Exactness: agrees with :func:`upsample_bilinear_loops` to a few roundings; for integers, with half-pixel centres and
    a scale that is a power of two, by ``==``. It does **not** commute with sign: weights 1/4 and 3/4 make +1/4 of
    ``[4, -1]``, and -1/2 of its signs.
    Source: textbook; status exact. ``align_corners`` as in PyTorch; OpenCV and Pillow do what False does.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    scale : int or (rows, columns) pair
    align_corners : bool; what coincides in both maps: the centres of the corner pixels, or (False) the outer edges

    Examples
    --------
    >>> x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> upsample_bilinear(x, scale=(1, 2))[0].ravel()
    array([0., 1., 3., 4.])
    >>> upsample_bilinear(x, scale=(1, 2), align_corners=True)[0].ravel().round(3)
    array([0.   , 1.333, 2.667, 4.   ])
    """
    need_float("upsample_bilinear", x=x)
    _, H, W, _ = need_shape("upsample_bilinear", "x", x, "N H W C")
    SH, SW = need_pair("upsample_bilinear", "scale", scale, 1)
    need_kind("upsample_bilinear", "align_corners", align_corners, bool)
    need_finite("upsample_bilinear", x=x)
    A, B = (interpolation(n, s, align_corners).astype(x.dtype) for n, s in ((H, SH), (W, SW)))
    return B @ mix_rows(A, x), BilinearCache(A, B)  # (1) (2)


def upsample_bilinear_backward(dy: Array, cache: BilinearCache) -> Array:
    """The same two products, transposed and in reverse order."""
    A, B = cache
    N, OH, _, C = need_gradient("upsample_bilinear_backward", dy, f"N {len(A)} {len(B)} C", finite=True)
    (H, W), dtall = (A.shape[1], B.shape[1]), B.T @ dy  # (2)
    return (A.T @ dtall.reshape(N, OH, W * C)).reshape(N, H, W, C)  # (1)


def interpolation(n: int, scale: int, align_corners: bool) -> Array:
    """The matrix (scale n, n) that resamples a line of ``n`` values: each row has at most two weights; their sum is 1.

    >>> interpolation(2, 2, False)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    i = np.arange(scale * n)
    p = i * (n - 1) / max(scale * n - 1, 1) if align_corners else np.clip((i + 0.5) / scale - 0.5, 0, n - 1)
    return np.maximum(0, 1 - np.abs(p[:, None] - np.arange(n)))


def mix_rows(A: Array, x: Array) -> Array:
    """``A`` times the rows of ``x`` (N, H, W, C), by the two weights of each row of ``A``.

    A matrix product would round in another way for another H. So a band of rows has the bits that it has in the whole.
    """
    i, top = np.arange(len(A)), (A > 0).argmax(1)
    bottom = np.minimum(top + 1, A.shape[1] - 1)
    first, second = (weights[:, None, None] for weights in (A[i, top], A[i, bottom] * (bottom > top)))
    return x[:, top] * first + x[:, bottom] * second


class Upsampler(NamedTuple):
    """A pair with a name: ``forward(x, *, scale) -> (y, cache)`` and ``backward(dy, cache) -> dx``."""

    name: str
    forward: Callable[..., tuple[Array, Any]]
    backward: Callable[[Array, Any], Array]


NEAREST = Upsampler("nearest", upsample_nearest, upsample_nearest_backward)
BILINEAR = Upsampler("bilinear", upsample_bilinear, upsample_bilinear_backward)
BILINEAR_CORNERS = BILINEAR._replace(name="bilinear-corners", forward=partial(upsample_bilinear, align_corners=True))

UPSAMPLERS = {up.name: up for up in (NEAREST, BILINEAR, BILINEAR_CORNERS)}
"""The upsamplers without weights that keep the number of channels; a branch can use any of them."""


def depth_to_space_loops(x: Array, *, scale: Pair = 2) -> Array:
    """Specification of :func:`depth_to_space`: the channels of a pixel are ordered by position first."""
    SH, SW = scale if isinstance(scale, tuple) else (scale, scale)
    N, H, W, depth = x.shape
    C = depth // (SH * SW)
    y = np.empty((N, H * SH, W * SW, C))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = x[n, i // SH, j // SW, (i % SH * SW + j % SW) * C + c]
    return y


def space_to_depth_loops(x: Array, *, scale: Pair = 2) -> Array:
    """Specification of :func:`space_to_depth`."""
    SH, SW = scale if isinstance(scale, tuple) else (scale, scale)
    N, H, W, C = x.shape
    y = np.empty((N, H // SH, W // SW, SH * SW * C))
    for n, i, j, c in np.ndindex(x.shape):
        y[n, i // SH, j // SW, (i % SH * SW + j % SW) * C + c] = x[n, i, j, c]
    return y


def depth_to_space(x: Array, *, scale: Pair = 2) -> tuple[Array, HW]:
    """Distribute the channels of a pixel over a block: ``y[n, h SH + a, w SW + b, c] = x[n, h, w, (a SW + b) C + c]``.

    After a convolution to SH SW C channels this is sub-pixel upsampling. The result has shape (N, SH H, SW W, C).
    Exactness: equals :func:`depth_to_space_loops` by ``==``; :func:`space_to_depth` is the inverse permutation.
    Source: Shi 2016, arXiv 1609.05158; status exact. The order is block-major, as in TensorFlow and in ONNX ``DCR``.
    PyTorch's ``pixel_shuffle`` is channel-major, ``x[..., c SH SW + a SW + b]``: weights need reordering.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, SH SW C)
    scale : int or (rows, columns) pair; as a pair, (SH, SW), it is the cache

    Examples
    --------
    >>> depth_to_space(np.arange(8.0).reshape(1, 1, 1, 8))[0][0, :, :, 0]        # C = 2; channel 0 of each position
    array([[0., 2.],
           [4., 6.]])
    """
    N, H, W, SH, SW, C = _need_depth("depth_to_space", "x", x, scale)
    blocks = x.reshape(N, H, W, SH, SW, C)
    return blocks.transpose(0, 1, 3, 2, 4, 5).copy().reshape(N, H * SH, W * SW, C), (SH, SW)


def depth_to_space_backward(dy: Array, cache: tuple[int, int]) -> Array:
    """The transpose of a permutation is its inverse."""
    _need_blocks("depth_to_space_backward", "dy", dy, cache)
    return space_to_depth(dy, scale=cache)[0]


def space_to_depth(x: Array, *, scale: Pair = 2) -> tuple[Array, HW]:
    """Gather each block into the channels of one pixel: the inverse of :func:`depth_to_space`, by ``==``.

    Exactness: it only moves values. Source: TensorFlow's order, as for its inverse; status exact.

    >>> space_to_depth(np.array([[0.0, 2.0], [4.0, 6.0]]).reshape(1, 2, 2, 1))[0].ravel()
    array([0., 2., 4., 6.])
    """
    N, H, W, SH, SW, C = _need_blocks("space_to_depth", "x", x, scale)
    blocks = x.reshape(N, H, SH, W, SW, C)
    return blocks.transpose(0, 1, 3, 2, 4, 5).copy().reshape(N, H, W, SH * SW * C), (SH, SW)


def space_to_depth_backward(dy: Array, cache: tuple[int, int]) -> Array:
    """The transpose of a permutation is its inverse."""
    _need_depth("space_to_depth_backward", "dy", dy, cache)
    return depth_to_space(dy, scale=cache)[0]


def _need_depth(op: str, name: str, x: Array, scale: Pair) -> tuple[int, ...]:
    """Refuse channels that do not fill whole blocks; return N, H, W, SH, SW and the channels of a block's pixel."""
    need_float(op, **{name: x})
    N, H, W, depth = need_shape(op, name, x, "N H W depth")
    SH, SW = need_pair(op, "scale", scale, 1)
    if depth % (SH * SW):
        raise ValueError(f"{op}: {name} has {depth} channels, expected a multiple of {SH} x {SW}")
    return N, H, W, SH, SW, depth // (SH * SW)


def _need_blocks(op: str, name: str, x: Array, scale: Pair) -> tuple[int, ...]:
    """Refuse a map that is not cut into whole blocks; return N, rows and columns of blocks, SH, SW and C."""
    need_float(op, **{name: x})
    N, H, W, C = need_shape(op, name, x, "N H W C")
    SH, SW = need_pair(op, "scale", scale, 1)
    if H % SH or W % SW:
        raise ValueError(f"{op}: {name} is {H} x {W}, expected multiples of {SH} x {SW}")
    return N, H // SH, W // SW, SH, SW, C
