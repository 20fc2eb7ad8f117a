"""Packed convolution by digits, a few rows of the output at a time.

The rows that are computed together are a tile. Its columns and counts are made, used while they are in the cache, and
overwritten by the next tile, so that the memory beyond operands and result does not grow with the image. The upper and
the lower half of an image are the two digits of one map of floats. If a nearest upsampling comes before the
convolution, the phases of :mod:`tinybnn.ops.upsample_conv` are convolved instead of the large map.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..notation import HW, Array, Pair, ceil_div
from ..ops import binary_conv, upsample_conv
from ..ops.bitpack import pack_bits
from ..ops.conv import output_size
from ..ops.upsample_conv import phase_kernel, plan_phases
from ..validate import need_pair
from .digits import HIGH, LOW, MOST, Filters, add_up, cut, look_up, row_bytes, signs
from .product import TILE


def conv2d_packed(
    x: Array, w: Array, C: int, *, pad_value: int,
    stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """:func:`tinybnn.ops.binary_conv.conv2d_packed`, faster. Several groups are convolved by the plain form."""
    if groups != 1:
        options: dict[str, Any] = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
        return binary_conv.conv2d_packed(x, w, C, pad_value=pad_value, **options)
    g = plan("conv2d_packed", x, w, C, pad_value=pad_value, stride=stride, pad=pad, dilation=dilation)
    return convolve(x, filters(w, C), g, np.int32)


def upsample_conv2d_packed(x: Array, w: Array, C: int, *, pad_value: int, scale: Pair = 2, pad: Pair = 0) -> Array:
    """:func:`tinybnn.ops.upsample_conv.upsample_conv2d_packed`, faster. A kernel of over 2047 taps is left to it."""
    if w.ndim == 4 and w.shape[1] * w.shape[2] > MOST:
        return upsample_conv.upsample_conv2d_packed(x, w, C, pad_value=pad_value, scale=scale, pad=pad)
    g = plan("upsample_conv2d_packed", x, w, C, pad_value=pad_value, pad=pad, scale=scale)
    return convolve(x, filters(w, C, g.scale), g, np.int32)


class Geometry(NamedTuple):
    """A convolution of a map of known size: ``size`` is the output's, ``small`` that of one phase."""

    C: int
    kernel: HW
    pad_value: int
    stride: HW
    dilation: HW
    scale: HW
    border: HW  # pads the map
    small: HW
    size: HW
    cut: HW  # rows and columns of the joined phases above and left of the output

    @property
    def taps(self) -> HW:
        """Rows and columns of a phase's kernel."""
        return tuple((s + k - 2) // s + 1 for s, k in zip(self.scale, self.kernel))  # type: ignore[return-value]


def plan(
    op: str, x: Array, w: Array, C: int, *, pad_value: int,
    stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, scale: Pair = 1,
) -> Geometry:  # fmt: skip
    """Refuse operands that do not fit; return the sizes."""
    binary_conv.need_packed_conv(op, x, w, C, pad_value)
    stride, dilation = need_pair(op, "stride", stride, 1), need_pair(op, "dilation", dilation, 1)
    scale, pad, kernel = need_pair(op, "scale", scale, 1), need_pair(op, "pad", pad, 0), w.shape[1:3]
    if scale == (1, 1):
        size: Any = output_size(op, x.shape[1:3], kernel, stride, pad, dilation)
        return Geometry(C, kernel, pad_value, stride, dilation, scale, pad, size, size, (0, 0))
    p = plan_phases(op, x.shape[1:3], kernel, scale, pad)
    return Geometry(C, kernel, pad_value, stride, dilation, scale, p.border, p.small, p.large, p.cut)


def filters(w: Array, C: int, scale: HW = (1, 1)) -> Filters:
    """Packed weights (F, KH, KW, words) as floats, prepared once for many images, in 8 to 32 times the memory."""
    kernel = np.ascontiguousarray(signs(w, C).transpose(1, 2, 3, 0))
    if scale != (1, 1):
        kernel = phase_kernel(kernel, scale)
    T, U, C8, F = kernel.shape
    return Filters(kernel.reshape(T, U * C8, F), cut(w.shape[1:3], C8, scale))


Tiles: TypeAlias = Iterator[tuple[tuple[int, Array], Array]]
"""``(n, rows), z``: the image, the numbers of some rows of the output, and their values (rows, columns, filters).

``z`` may be overwritten by its user, and is overwritten by the next tile.
"""


def convolve(x: Array, f: Filters, g: Geometry, dtype: type | np.dtype) -> Array:
    """The whole convolution of words: (N, OH, OW, F)."""
    y = np.empty((len(x), *g.size, f.w.shape[-1] // (g.scale[0] * g.scale[1])), dtype)
    for where, z in tiles(x, f, g):
        rows, z = place(where, z, g)
        y[rows] = z
    return y


def tiles(x: Array, f: Filters, g: Geometry, dtype: type | np.dtype = np.float32) -> Tiles:
    """The convolution tile by tile. Rows and columns are those of a phase, and phases lie side by side in the channels.

    The tiles of two convolutions of the same geometry come in the same order.
    """
    (OH, OW), F = g.small, f.w.shape[-1]
    half = ceil_div(OH, 2)
    step = min(half, max(1, TILE // OW))
    digits, scratch = np.empty((2, step * OW, F), np.float32), np.empty((3, step * OW, F), np.float32)
    for n, first, operands in columns(x, g, half, step):
        m = len(operands[0])
        low, high = digits[:, :m]
        add_up(operands, f, low, high, scratch[:, :m])
        upper = np.arange(first, first + m // OW)
        z = digits[:, :m].reshape(-1, OW, F).astype(dtype, copy=False)
        yield (n, np.concatenate([upper, half + upper])), z


def columns(x: Array, g: Geometry, half: int, step: int) -> Iterator[tuple[int, int, list[Array]]]:
    """For each tile: the image, its first row in each half, and the operand of each row of the kernel, (m, U C8)."""
    (N, H, W, _), (SH, SW), (DH, DW), (BH, BW) = x.shape, g.stride, g.dilation, g.border
    OW, (T, U) = g.small[1], g.taps
    C8, reach = 8 * ceil_div(g.C, 8), DH * (T - 1) + 1  # channels in whole bytes; input rows that one output row reads
    padded = np.zeros((N, max(H + 2 * BH, (2 * half - 1) * SH + reach), W + 2 * BW, C8 // 8), np.uint8)
    if g.pad_value == -1:
        padded[...] = row_bytes(pack_bits(np.ones(g.C, bool)), g.C)
    padded[:, BH : BH + H, BW : BW + W] = row_bytes(x, g.C)
    most = (step - 1) * SH + reach
    low, high = (np.empty((most, W + 2 * BW, C8 // 8, 8), np.float32) for _ in range(2))
    wide = np.empty((most, OW, U, C8), np.float32)
    for n in range(N):
        for first in range(0, half, step):
            rows = min(step, half - first)
            read = (rows - 1) * SH + reach
            for table, top, digit in (LOW, first, low[:read]), (HIGH, half + first, high[:read]):
                look_up(table, padded[n, top * SH :][:read], out=digit)  # (1) signs
                if g.pad_value == 0:  # outside of the map there is no sign
                    digit[: max(0, BH - top * SH)] = digit[max(0, BH + H - top * SH) :] = 0
                    digit[:, :BW] = digit[:, BW + W :] = 0
            both = np.add(low[:read], high[:read], out=low[:read]).reshape(read, -1, C8)  # (2) two digits
            for u in range(U):
                wide[:read, :, u] = both[:, u * DW :][:, : (OW - 1) * SW + 1 : SW]  # (3) columns of each kernel row
            yield n, first, [wide[:read][t * DH :: SH][:rows].reshape(rows * OW, -1) for t in range(T)]


def place(where: tuple[int, Array], z: Array, g: Geometry) -> tuple[tuple[int, Array], Array]:
    """A tile as rows of the output: phases joined, and without what is cut off or lies below the last row."""
    n, rows = where
    if g.scale != (1, 1):
        (SH, SW), (top, left) = g.scale, g.cut
        z = z.reshape(len(rows), z.shape[1], SH, SW, -1).transpose(0, 2, 1, 3, 4)
        z = z.reshape(len(rows) * SH, g.small[1] * SW, -1)[:, left : left + g.size[1]]
        rows = (rows[:, None] * SH + np.arange(SH)).ravel() - top
    kept = (rows >= 0) & (rows < g.size[0])
    return ((n, rows), z) if kept.all() else ((n, rows[kept]), z[kept])
