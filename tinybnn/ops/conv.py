"""Convolution and its transpose: the specification, the fast pair, and why one is the other's backward pass.

A convolution is a linear map, so its gradient with respect to the input is the transposed map, and the
gradient of the transposed map is the convolution again. Two functions therefore serve in four passes::

    y  = conv2d(x, w)                  dx = conv_transpose2d(dy, w)
    x' = conv_transpose2d(y', w)       dy' = conv2d(dx', w)

and <conv2d(x, w), y> = <x, conv_transpose2d(y, w)> holds exactly on integers. As everywhere in this field,
"convolution" means cross-correlation: the kernel is not flipped. A **tap** is one position (kh, kw) of the kernel.
"""

from collections import namedtuple
from collections.abc import Iterator

import numpy as np

from ..notation import HW, Array, Pair
from ..validate import need_float, need_int, need_number, need_pair, need_shape

BAND = 150_000
"""Elements of columns copied at a time: some 600 KB of float32, which are still in cache when multiplied."""


def conv2d_loops(
    x: Array, w: Array, *, stride: Pair = 1, pad: Pair = 0, pad_value: float = 0.0, dilation: Pair = 1, groups: int = 1
) -> Array:
    """Specification of :func:`conv2d`: one multiplication a line, in the order of the formula."""
    (SH, SW), (PH, PW), (DH, DW) = (v if isinstance(v, tuple) else (v, v) for v in (stride, pad, dilation))
    N, H, W, C = x.shape
    KH, KW, Cg, F = w.shape
    OH = (H + 2 * PH - DH * (KH - 1) - 1) // SH + 1
    OW = (W + 2 * PW - DW * (KW - 1) - 1) // SW + 1
    y = np.zeros((N, OH, OW, F))
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        total = 0.0
        for kh, kw, c in np.ndindex(KH, KW, Cg):
            row, col = i * SH + kh * DH - PH, j * SW + kw * DW - PW
            inside = 0 <= row < H and 0 <= col < W
            channel = f // (F // groups) * Cg + c
            total += (x[n, row, col, channel] if inside else pad_value) * w[kh, kw, c, f]
        y[n, i, j, f] = total
    return y


ConvCache = namedtuple("ConvCache", "x w stride pad pad_value dilation groups")
ConvGrads = namedtuple("ConvGrads", "dx dw")


def conv2d(
    x: Array, w: Array, *, stride: Pair = 1, pad: Pair = 0, pad_value: float = 0.0, dilation: Pair = 1, groups: int = 1
) -> tuple[Array, ConvCache]:
    """Two-dimensional convolution, channels last.

    ``y[n, i, j, f] = sum over kh, kw, c of x[n, i SH + kh DH - PH, j SW + kw DW - PW, c] w[kh, kw, c, f]``,
    where positions outside ``x`` read ``pad_value``.

    Exactness: equals :func:`conv2d_loops` by ``==`` while every partial sum is a whole number below 2**24 (float32)
    or 2**53 (float64), as with binary operands; otherwise to the rounding of a sum of KH KW C terms.
    Source: textbook; status exact. See also: :func:`tinybnn.ops.binary_conv.conv2d_packed`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
    w : float ndarray of shape (KH, KW, C / groups, F); a kernel larger than the padded input is refused
    stride, pad, dilation : int or (rows, columns) pair; ``pad`` rows and columns are added on each side
    pad_value : float; the value of the padding; for a binary convolution it is -1, 0 or +1 and part of the network
    groups : int; ``C`` and ``F`` are cut into this many runs; each run of filters sees only its run of channels

    Returns
    -------
    y : ndarray of shape (N, OH, OW, F); ``OH = (H + 2 PH - DH (KH - 1) - 1) // SH + 1``, and likewise ``OW``

    Examples
    --------
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> conv2d(x, np.ones((2, 2, 1, 1)))[0][0, :, :, 0]       # 0 + 1 + 3 + 4, 1 + 2 + 4 + 5, ...
    array([[ 8., 12.],
           [20., 24.]])
    """
    cache = _checked("conv2d", x, w, stride, pad, pad_value, dilation, groups)
    N, H, W, C = need_shape("conv2d", "x", x, "N H W C")
    KH, KW, _, F = need_shape("conv2d", "w", w, "KH KW C F", C=(C // groups, "x and groups" if groups > 1 else "x"))
    OH, OW = output_size("conv2d", (H, W), (KH, KW), cache.stride, cache.pad, cache.dilation)
    y = np.empty((groups, N, OH, OW, F // groups), x.dtype)
    padded = pad2d(x, cache.pad, pad_value)
    for g, (xg, wg) in enumerate(_groups(groups, padded, w)):
        kernel = wg.reshape(-1, F // groups)
        for band, columns in _bands(xg, (KH, KW), (OH, OW), cache.stride, cache.dilation):
            np.matmul(columns, kernel, out=y[g][band].reshape(len(columns), -1))
    return y[0] if groups == 1 else np.concatenate(list(y), axis=-1), cache


def conv2d_by_row(x: Array, w: Array, *, stride: Pair = 1, pad: Pair = 0) -> Array:
    """:func:`conv2d` where every row of the output is a matrix product of its own.

    BLAS may round in another way if a product has more rows. Here the size of a product does not depend on the map's
    height, so a band of rows gets the bits that the whole map gives it.
    """
    stride, pad = need_pair("conv2d_by_row", "stride", stride, 1), need_pair("conv2d_by_row", "pad", pad, 0)
    OH, OW = output_size("conv2d_by_row", x.shape[1:3], w.shape[:2], stride, pad, (1, 1))
    columns = windows(pad2d(x, pad, 0.0), w.shape[:2], (OH, OW), stride, (1, 1))
    return columns.reshape(len(x), OH, OW, w[..., 0].size) @ w.reshape(-1, w.shape[-1])


def conv2d_backward(dy: Array, cache: ConvCache) -> ConvGrads:
    """``dx`` is the transposed convolution of ``dy``; ``dw`` correlates ``x`` and ``dy``. Padding gets no gradient."""
    x, w, stride, pad, _, dilation, groups = cache
    OH, OW = output_size("conv2d_backward", x.shape[1:3], w.shape[:2], stride, pad, dilation)
    need_shape("conv2d_backward", "dy", dy, f"{len(x)} {OH} {OW} {w.shape[3]}")
    dx, _ = conv_transpose2d(dy, w, stride=stride, pad=pad, dilation=dilation, groups=groups, size=x.shape[1:3])
    return ConvGrads(dx, weight_gradient(dy, cache))


def conv_transpose2d_loops(
    y: Array, w: Array, *, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1, size: HW | None = None
) -> Array:
    """Specification of :func:`conv_transpose2d`: every input stamps the kernel, scaled, onto the output."""
    (SH, SW), (PH, PW), (DH, DW) = (v if isinstance(v, tuple) else (v, v) for v in (stride, pad, dilation))
    N, OH, OW, F = y.shape
    KH, KW, Cg, _ = w.shape
    smallest = ((OH - 1) * SH + DH * (KH - 1) + 1 - 2 * PH, (OW - 1) * SW + DW * (KW - 1) + 1 - 2 * PW)
    H, W = size or smallest
    x = np.zeros((N, H, W, Cg * groups))
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        for kh, kw, c in np.ndindex(KH, KW, Cg):
            row, col = i * SH + kh * DH - PH, j * SW + kw * DW - PW
            if 0 <= row < H and 0 <= col < W:
                x[n, row, col, f // (F // groups) * Cg + c] += y[n, i, j, f] * w[kh, kw, c, f]
    return x


ConvTransposeCache = namedtuple("ConvTransposeCache", "y w stride pad dilation groups")
ConvTransposeGrads = namedtuple("ConvTransposeGrads", "dy dw")


def conv_transpose2d(
    y: Array, w: Array, *, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1, size: HW | None = None
) -> tuple[Array, ConvTransposeCache]:
    """The transpose of :func:`conv2d`, from the shape of its output back to that of its input, (N, H, W, C).

    ``x[n, i SH + kh DH - PH, j SW + kw DW - PW, c] += y[n, i, j, f] w[kh, kw, c, f]``. With stride 2 it is an
    upsampling whose kernel is learnt.

    Exactness: as :func:`conv2d`. The input is spread with ``S - 1`` zeros between its values and convolved with the
    kernel turned by 180 degrees: at stride 1 gathering is faster than adding overlapping stamps.
    Source: textbook; status exact.

    Parameters
    ----------
    y : float ndarray of shape (N, OH, OW, F)
    w : float ndarray of shape (KH, KW, C / groups, F)
        The weights of the convolution that is transposed: here they map ``F`` channels to ``C``.
    stride, pad, dilation, groups : as in :func:`conv2d`
    size : (H, W), optional
        The output size, which :func:`conv2d` must map to (OH, OW). A stride maps several sizes to one; the default is
        the smallest: ``H = (OH - 1) SH + DH (KH - 1) + 1 - 2 PH``.

    Examples
    --------
    >>> y = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> conv_transpose2d(y, np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1), stride=(1, 2))[0].ravel()
    array([  1.,  10., 102.,  20., 200.])
    """
    _, _, (SH, SW), (PH, PW), _, (DH, DW), _ = checked = _checked(
        "conv_transpose2d", y, w, stride, pad, 0.0, dilation, groups
    )
    KH, KW, Cg, F = need_shape("conv_transpose2d", "w", w, "KH KW C F")
    N, OH, OW, _ = need_shape("conv_transpose2d", "y", y, "N OH OW F", F=(F, "w"))
    EH, EW = DH * (KH - 1) + 1, DW * (KW - 1) + 1  # the extent of the dilated kernel
    H, W = size or ((OH - 1) * SH + EH - 2 * PH, (OW - 1) * SW + EW - 2 * PW)
    if output_size("conv_transpose2d", (H, W), (KH, KW), checked.stride, checked.pad, checked.dilation) != (OH, OW):
        raise ValueError(f"conv_transpose2d: size is ({H}, {W}), which conv2d does not map to y's ({OH}, {OW})")
    # Value (i, j) of y goes to (i SH + EH - 1, j SW + EW - 1) of an array that an unpadded convolution reduces to the
    # padded input. The padding, PH rows and PW columns, is cut off afterwards.
    spread = np.zeros((N, H + 2 * PH + EH - 1, W + 2 * PW + EW - 1, F), y.dtype)
    spread[:, EH - 1 : EH - 1 + OH * SH : SH, EW - 1 : EW - 1 + OW * SW : SW] = y
    spread = spread[:, PH : PH + H + EH - 1, PW : PW + W + EW - 1]
    turned = w[::-1, ::-1].reshape(KH, KW, Cg, groups, F // groups).transpose(0, 1, 4, 3, 2)
    turned = turned.reshape(KH, KW, F // groups, groups * Cg)  # per group, filters become channels
    x, _ = conv2d(spread, turned, dilation=(DH, DW), groups=groups)
    return x, ConvTransposeCache(y, w, checked.stride, checked.pad, checked.dilation, groups)


def conv_transpose2d_backward(dx: Array, cache: ConvTransposeCache) -> ConvTransposeGrads:
    """``dy`` is the convolution of ``dx``; ``dw`` is that convolution's, with ``y`` as its output gradient."""
    y, w, stride, pad, dilation, groups = cache
    C = w.shape[2] * groups
    need_shape("conv_transpose2d_backward", "dx", dx, f"{len(y)} H W {C}")
    dy, conv_cache = conv2d(dx, w, stride=stride, pad=pad, dilation=dilation, groups=groups)
    need_shape("conv_transpose2d_backward", "the convolution of dx", dy, " ".join(map(str, y.shape)))
    return ConvTransposeGrads(dy, weight_gradient(y, conv_cache))


def output_size(op: str, size: HW, kernel: HW, stride: HW, pad: HW, dilation: HW) -> tuple[int, ...]:
    """Rows and columns of a convolution's output. A kernel larger than the padded input is refused."""
    padded = tuple(n + 2 * p for n, p in zip(size, pad))
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    if any(e > n for e, n in zip(extent, padded)):
        raise ValueError(f"{op}: the kernel spans {extent}, expected at most the padded input's {padded}")
    return tuple((n - e) // s + 1 for n, e, s in zip(padded, extent, stride))


def pad2d(x: Array, pad: HW, value: float | Array) -> Array:
    """``x`` with ``pad`` (rows, columns) of ``value`` on each side; ``x`` itself if ``pad`` is 0."""
    (PH, PW), (N, H, W, C) = pad, x.shape
    if PH == PW == 0:
        return x
    padded = np.empty((N, H + 2 * PH, W + 2 * PW, C), x.dtype)
    padded[:, :PH] = padded[:, PH + H :] = padded[:, :, :PW] = padded[:, :, PW + W :] = value
    padded[:, PH : PH + H, PW : PW + W] = x
    return padded


def windows(x: Array, kernel: HW, size: HW, stride: HW, dilation: HW) -> Array:
    """The values under each placement of the kernel, (N, OH, OW, KH, KW, C): a view, no copy."""
    rows, cols = (d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    view = np.lib.stride_tricks.sliding_window_view(x, (rows, cols), axis=(1, 2))
    view = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return view[:, : size[0], : size[1]].transpose(0, 1, 2, 4, 5, 3)


def _bands(x: Array, kernel: HW, size: HW, stride: HW, dilation: HW) -> Iterator[tuple[tuple[slice, slice], Array]]:
    """Pieces of the output, each with its columns (im2col): several whole images, or several rows of one image."""
    view = windows(x, kernel, size, stride, dilation)
    N, OH, OW, KH, KW, C = view.shape
    K = KH * KW * C
    images = max(1, BAND // (OH * OW * K))
    rows = max(1, min(OH, BAND // (OW * K)))
    for n in range(0, N, images):
        for i in range(0, OH, rows):
            band = slice(n, n + images), slice(i, i + rows)
            yield band, view[band].reshape(-1, K)


def weight_gradient(dy: Array, cache: ConvCache) -> Array:
    """``dw[kh, kw, c, f]``: all values that weight (kh, kw, c) multiplied, times ``dy`` of filter f, summed."""
    x, w, stride, pad, pad_value, dilation, groups = cache
    dw = np.zeros_like(w)
    for xg, dwg, dyg in _groups(groups, pad2d(x, pad, pad_value), dw, dy):
        for band, columns in _bands(xg, w.shape[:2], dy.shape[1:3], stride, dilation):
            dwg += (columns.T @ dyg[band].reshape(-1, dyg.shape[-1])).reshape(dwg.shape)
    return dw


def _groups(groups: int, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The arrays' last axes cut into ``groups`` runs, side by side (views)."""
    return zip(*(np.split(a, groups, axis=-1) for a in arrays))


def _checked(
    op: str, x: Array, w: Array, stride: Pair, pad: Pair, pad_value: float, dilation: Pair, groups: int
) -> ConvCache:
    need_float(op, **{"y" if op == "conv_transpose2d" else "x": x, "w": w})
    need_int(op, "groups", groups, 1)
    if x.shape[-1] % groups or w.shape[-1] % groups:
        raise ValueError(
            f"{op}: {x.shape[-1]} channels in and {w.shape[-1]} filters, expected multiples of {groups} groups"
        )
    pairs = need_pair(op, "stride", stride, 1), need_pair(op, "pad", pad, 0), need_pair(op, "dilation", dilation, 1)
    return ConvCache(x, w, pairs[0], pairs[1], need_number(op, "pad_value", pad_value), pairs[2], groups)
