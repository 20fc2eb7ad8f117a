"""Multi-branch upsampling on words of 64 signs, for inference.

A branch that upsamples by copying takes its signs at low resolution. Several of them are run in step, tile by tile, and
added up while their tiles are in cache.
"""

from collections.abc import Sequence

import numpy as np

from ..notation import Array, Pair
from ..ops.activation import sigmoid
from ..ops.bitpack import binarize_packed
from ..ops.multibranch import checked, expand
from ..ops.upsample import NEAREST, Upsampler
from ..validate import need_dtype, need_float
from .packed_tiles import Geometry, Kernel, Tiles, conv_tiles, gather, phases_of, placed, plan_conv, prepare, raw_tiles


def multi_branch_upsample_packed(
    x: Array,
    tau: Array,
    w: Array,
    alpha: Array,
    theta: Array,
    *,
    pad_value: int,
    scale: Pair = 2,
    pad: Pair = 1,
    upsamplers: Sequence[Upsampler] | None = None,
) -> Array:
    """The value of :func:`tinybnn.ops.multibranch.multi_branch_upsample`, from packed weights.

    Parameters
    ----------
    x, tau, alpha, theta, pad_value, scale, pad, upsamplers
        As in :func:`tinybnn.ops.multibranch.multi_branch_upsample`.
    w : uint64 ndarray of shape (R, F, KH, KW, ceil(C / 64))
        ``pack_weights(sign(w[r]))`` of each branch.

    Returns
    -------
    ndarray of shape (N, OH, OW, F), of the dtype of ``x``

    Notes
    -----
    Exactness: equals :func:`tinybnn.ops.multibranch.multi_branch_upsample` by ``==`` in float32 and float64: the counts
    are whole numbers, and scale, gate and sum follow in the same order.
    Source: ours.

    Examples
    --------
    >>> x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
    >>> tau, w, ones = np.array([[-1.0], [1.0]]), np.zeros((2, 1, 1, 1, 1), np.uint64), np.ones((2, 1))
    >>> multi_branch_upsample_packed(x, tau, w, ones, 0 * ones, pad_value=1, scale=(1, 2), pad=0).ravel()
    array([-1., -1.,  0.,  0.,  1.,  1.])
    """
    op = "multi_branch_upsample_packed"
    need_float(op, x=x, tau=tau, alpha=alpha, theta=theta)
    need_dtype(op, "w", w, np.uint64)
    scale, upsamplers = checked(op, "R F KH KW words", x, tau, w, alpha, theta, scale, pad, upsamplers)
    maps = [x if up == NEAREST else up.forward(x, scale=scale)[0] for up in upsamplers]  # (1)
    branches = []
    for u, t, kernel, up in zip(maps, tau, w, upsamplers):
        s, taken = binarize_packed(u, t), scale if up == NEAREST else 1  # (2)
        g = plan_conv(op, s, kernel, x.shape[-1], pad_value=pad_value, pad=pad, scale=taken)
        branches.append((s, prepare(kernel, g), g))
    weights, y = sigmoid(theta)[0] * expand(alpha, theta), np.empty((len(x), *g.size, w.shape[1]), x.dtype)  # (4)
    if len(set(upsamplers)) == 1:
        return gather(branch_tiles(branches, weights), y)  # (3) (5)
    y[...] = 0  # tiles of two kinds do not meet
    for branch, weight in zip(branches, weights):
        for where, z in branch_tiles([branch], weight[None]):
            y[where] += z
    return y


def branch_tiles(branches: Sequence[tuple[Array, list[Kernel], Geometry]], weights: Array) -> Tiles:
    """Steps (3) and (5), tile by tile, for R branches of one geometry, in the order of r.

    ``weights`` (R, F) or (R, OH, OW, F) are gate times alpha. Where they are the same at every position, branches are
    added up before their phases are dealt out.
    """
    (_, kernels, g), dtype = branches[0], weights.dtype
    if weights.ndim == 2:
        wide = np.tile(weights, phases_of(kernels[0], g))
        for tiles in zip(*(raw_tiles(s, kernel, g, dtype) for s, (kernel,), g in branches)):
            yield placed(tiles[0][0], _weighted([z for _, z in tiles], wide), kernels, g)
    else:
        for tiles in zip(*(conv_tiles(*branch, dtype) for branch in branches)):
            where = tiles[0][0]
            yield where, _weighted([z for _, z in tiles], weights[:, where[1]])


def _weighted(parts: Sequence[Array], weights: Array) -> Array:
    y = np.multiply(parts[0], weights[0], out=parts[0])
    for z, weight in zip(parts[1:], weights[1:]):
        y += np.multiply(z, weight, out=z)
    return y
