"""Sub-pixel upsampling: no arithmetic at all, channels are dealt out to positions, and gathered again on the way back.

A convolution to ``SH SW C`` channels followed by :func:`depth_to_space` is an upsampling with a learnt kernel for every
place within a block. The two functions here are each other's inverse, and each other's backward pass.
"""

import numpy as np

from .notation import Array, Pair
from .validate import need_float, need_pair, need_shape


def depth_to_space_loops(x: Array, *, scale: Pair = 2) -> Array:
    """Specification of :func:`depth_to_space`: within a pixel, positions run before channels."""
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


def depth_to_space(x: Array, *, scale: Pair = 2) -> tuple[Array, tuple[int, int]]:
    """Deal the channels of each pixel out to a block: ``y[n, h SH + a, w SW + b, c] = x[n, h, w, (a SW + b) C + c]``.

    After a convolution to SH SW C channels this is sub-pixel upsampling.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, SH SW C)
    scale : int or (rows, columns) pair

    Returns
    -------
    y : ndarray of shape (N, SH H, SW W, C)
    cache : (SH, SW)

    Raises
    ------
    ValueError
        If the channels are no multiple of SH SW.

    Notes
    -----
    Exactness: equals :func:`depth_to_space_loops` by ``==``; a permutation, undone by :func:`space_to_depth`.
    Source: Shi 2016, arXiv 1609.05158; status exact. The order is block-major, that of TensorFlow and of ONNX
    ``DCR``. PyTorch's ``pixel_shuffle`` is channel-major, ``x[..., c SH SW + a SW + b]``: weights need reordering.

    Examples
    --------
    >>> depth_to_space(np.arange(8.0).reshape(1, 1, 1, 8))[0][0, :, :, 0]        # C = 2; channel 0 of each position
    array([[0., 2.],
           [4., 6.]])
    """
    need_float("depth_to_space", x=x)
    N, H, W, depth = need_shape("depth_to_space", "x", x, "N H W depth")
    SH, SW = need_pair("depth_to_space", "scale", scale, 1)
    if depth % (SH * SW):
        raise ValueError(f"depth_to_space: x has {depth} channels, expected a multiple of {SH} x {SW}")
    blocks = x.reshape(N, H, W, SH, SW, depth // (SH * SW))
    return blocks.transpose(0, 1, 3, 2, 4, 5).copy().reshape(N, H * SH, W * SW, -1), (SH, SW)


def depth_to_space_backward(dy: Array, cache: tuple[int, int]) -> Array:
    """A permutation's transpose is its inverse."""
    return space_to_depth(dy, scale=cache)[0]


def space_to_depth(x: Array, *, scale: Pair = 2) -> tuple[Array, tuple[int, int]]:
    """Gather each block into the channels of one pixel: the inverse of :func:`depth_to_space`, by ``==``.

    Exactness: it moves values and computes none. Source: as its inverse's, TensorFlow's order; status exact.

    >>> space_to_depth(np.array([[0.0, 2.0], [4.0, 6.0]]).reshape(1, 2, 2, 1))[0].ravel()
    array([0., 2., 4., 6.])
    """
    need_float("space_to_depth", x=x)
    N, H, W, C = need_shape("space_to_depth", "x", x, "N H W C")
    SH, SW = need_pair("space_to_depth", "scale", scale, 1)
    if H % SH or W % SW:
        raise ValueError(f"space_to_depth: x is {H} x {W}, expected multiples of {SH} x {SW}")
    blocks = x.reshape(N, H // SH, SH, W // SW, SW, C)
    return blocks.transpose(0, 1, 3, 2, 4, 5).copy().reshape(N, H // SH, W // SW, -1), (SH, SW)


def space_to_depth_backward(dy: Array, cache: tuple[int, int]) -> Array:
    """The inverse again."""
    return depth_to_space(dy, scale=cache)[0]
