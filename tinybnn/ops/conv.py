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
from ..validate import need_finite, need_float, need_gradient, need_hw, need_int, need_number, need_pair, need_shape

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
    cache, (OH, OW) = need_conv("conv2d", x, w, stride, pad, pad_value, dilation, groups)
    N, (KH, KW, _, F) = len(x), w.shape
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
    need_gradient("conv2d_backward", dy, (len(x), OH, OW, w.shape[3]))
    dx, _ = conv_transpose2d(dy, w, stride=stride, pad=pad, dilation=dilation, groups=groups, size=x.shape[1:3])
    dw = weight_gradient(dy, cache)
    need_finite("conv2d_backward", total=dw, dy=dy)
    return ConvGrads(dx, dw)


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
    op = "conv_transpose2d"
    need_float(op, y=y, w=w)
    KH, KW, Cg, F = need_shape(op, "w", w, "KH KW C F")
    N, OH, OW, _ = need_shape(op, "y", y, "N OH OW F", F=(F, "w"))
    if F % need_int(op, "groups", groups, 1):
        raise ValueError(f"{op}: w has F = {F} filters, expected a multiple of groups = {groups}")
    need_finite(op, w=w)
    checked = _geometry(op, stride, pad, dilation)
    (SH, SW), (PH, PW), (DH, DW) = checked
    EH, EW = DH * (KH - 1) + 1, DW * (KW - 1) + 1  # the extent of the dilated kernel
    smallest = (OH - 1) * SH + EH - 2 * PH, (OW - 1) * SW + EW - 2 * PW
    H, W = smallest if size is None else need_hw(op, "size", size, 1)
    if min(H, W) < 1 or output_size(op, (H, W), (KH, KW), *checked) != (OH, OW):
        raise ValueError(f"{op}: size is ({H}, {W}), expected one that conv2d maps to y's ({OH}, {OW})")
    # Value (i, j) of y goes to (i SH + EH - 1, j SW + EW - 1) of an array that an unpadded convolution reduces to the
    # padded input. The padding, PH rows and PW columns, is cut off afterwards.
    spread = np.zeros((N, H + 2 * PH + EH - 1, W + 2 * PW + EW - 1, F), y.dtype)
    spread[:, EH - 1 : EH - 1 + OH * SH : SH, EW - 1 : EW - 1 + OW * SW : SW] = y
    spread = spread[:, PH : PH + H + EH - 1, PW : PW + W + EW - 1]
    turned = w[::-1, ::-1].reshape(KH, KW, Cg, groups, F // groups).transpose(0, 1, 4, 3, 2)
    turned = turned.reshape(KH, KW, F // groups, groups * Cg)  # per group, filters become channels
    x, _ = conv2d(spread, turned, dilation=(DH, DW), groups=groups)
    return x, ConvTransposeCache(y, w, *checked, groups)


def conv_transpose2d_backward(dx: Array, cache: ConvTransposeCache) -> ConvTransposeGrads:
    """``dy`` is the convolution of ``dx``; ``dw`` is that convolution's, with ``y`` as its output gradient."""
    y, w, stride, pad, dilation, groups = cache
    C = w.shape[2] * groups
    op = "conv_transpose2d_backward"
    need_gradient(op, dx, f"{len(y)} H W {C}", "dx")
    if output_size(op, dx.shape[1:3], w.shape[:2], stride, pad, dilation) != y.shape[1:3]:
        raise ValueError(f"{op}: dx has shape {dx.shape}, which conv2d does not map to y's {y.shape[1:3]}")
    dy, conv_cache = conv2d(dx, w, stride=stride, pad=pad, dilation=dilation, groups=groups)
    dw = weight_gradient(y, conv_cache)
    need_finite(op, total=dw, dx=dx, y=y)
    return ConvTransposeGrads(dy, dw)


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


def need_conv(
    op: str, x: Array, w: Array, stride: Pair, pad: Pair, pad_value: float, dilation: Pair, groups: int
) -> tuple[ConvCache, tuple[int, ...]]:
    """Refuse what does not fit; return the cache, with options as pairs, and the size of the output."""
    need_float(op, x=x, w=w)
    _, H, W, C = need_shape(op, "x", x, "N H W C")
    KH, KW, _, F = need_shape(op, "w", w, "KH KW C F")
    if C % need_int(op, "groups", groups, 1) or F % groups:
        raise ValueError(f"{op}: {C} channels in and {F} filters, expected multiples of {groups} groups")
    need_shape(op, "w", w, "KH KW C F", C=(C // groups, "x and groups" if groups > 1 else "x"))
    need_finite(op, w=w)
    strides, pads, dilations = _geometry(op, stride, pad, dilation)
    cache = ConvCache(x, w, strides, pads, need_number(op, "pad_value", pad_value), dilations, groups)
    return cache, output_size(op, (H, W), (KH, KW), strides, pads, dilations)


def _geometry(op: str, stride: Pair, pad: Pair, dilation: Pair) -> tuple[HW, HW, HW]:
    return need_pair(op, "stride", stride, 1), need_pair(op, "pad", pad, 0), need_pair(op, "dilation", dilation, 1)
