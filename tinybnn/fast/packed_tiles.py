"""A binary convolution planned, prepared and run, tile by tile.

A tile is a few rows of the output. What a tile needs, columns and counts, is made, used while it is in cache, and
forgotten: memory beyond operands and result does not grow with the image. Tiles are handed out one by one, so that
whoever scales, adds and thresholds afterwards can do it while they are warm.

Either product of :mod:`tinybnn.ops.bitpack` can count. Popcount takes the words under a window as they are. Digits puts
the upper and the lower half of an image into one map of floats, and convolves that.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from ..notation import HW, Array, Pair
from ..ops.bitpack import pack, words
from ..ops.conv import conv2d, output_size, pad2d, windows
from ..ops.upsample import upsample_nearest_packed
from ..ops.upsample_conv import Phases, phase_kernel, plan_phases
from ..validate import need_choice, need_dtype, need_int, need_pair, need_shape
from .digits import LOW_SIGNS, MOST, SIGNS, Filters, add_up, cut, look_up, octets, signs
from .product import DIGITS, POPCOUNT, RUN, TILE, Product, faster, narrow
from .workspace import Workspace, borrow

# -- the plan -------------------------------------------------------------------------------------------------------


class Geometry(NamedTuple):
    """A convolution, checked: what it does to maps of which size."""

    C: int  # of one group
    kernel: HW
    size: HW  # of the output
    pad_value: int
    stride: HW
    pad: HW
    dilation: HW
    groups: int
    phases: Phases | None  # of a map that is made large on the way, and then scale is not 1

    @property
    def n(self) -> int:
        """Signs in one dot product."""
        return self.kernel[0] * self.kernel[1] * self.C

    @property
    def scale(self) -> HW:
        """That of the upsampling before the convolution."""
        return self.phases.scale if self.phases else (1, 1)

    @property
    def border(self) -> HW:
        """How much is padded: around the map as it is, if it is made large on the way."""
        return self.phases.border if self.phases else self.pad


def plan_conv(
    op: str, x: Array, w: Array, C: int, *, pad_value: int,
    stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1, scale: Pair = 1,
) -> Geometry:  # fmt: skip
    """Refuse what does not fit."""
    need_dtype(op, "x", x, np.uint64)
    need_dtype(op, "w", w, np.uint64)
    need_int(op, "groups", groups, 1)
    per_group = need_int(op, "C", C, 1) // groups
    F, KH, KW, _ = need_shape(op, "w", w, "F KH KW words", words=(words(per_group), f"C = {C}"))
    _, H, W, _ = need_shape(op, "x", x, "N H W words", words=(groups * words(per_group), f"C = {C}"))
    if C % groups or F % groups:
        raise ValueError(f"{op}: C = {C} and F = {F}, expected multiples of groups = {groups}")
    need_choice(op, "pad_value", pad_value, (-1, 0, 1))
    SHW, DHW = need_pair(op, "stride", stride, 1), need_pair(op, "dilation", dilation, 1)
    scales, PHW = need_pair(op, "scale", scale, 1), need_pair(op, "pad", pad, 0)
    phases = plan_phases(op, (H, W), (KH, KW), scales, PHW) if scales != (1, 1) else None
    size: Any = phases.large if phases else output_size(op, (H, W), (KH, KW), SHW, PHW, DHW)
    return Geometry(per_group, (KH, KW), size, pad_value, SHW, PHW, DHW, groups, phases)


class Kernel(NamedTuple):
    """The filters of one group, ready for a product; where popcount pads with 0, also the sum of each tap's weights."""

    form: Product
    filters: int
    weights: Any
    tap_sums: Array | None


def prepare(w: Array, g: Geometry, form: Product | None = None) -> list[Kernel]:
    """Packed weights as a product wants them, once for many images; one kernel a group.

    Digits take floats, 32 times the memory of the words, or more where taps are added up for phases.
    """
    need_choice("prepare", "form", form, (None, POPCOUNT, DIGITS))
    if form is None:
        stored = w[0].size  # every tap starts a new word
        form = faster(g.size[0] * g.size[1], len(w) // g.groups, g.n, stored=stored, looked_up=2 * g.C)
    if g.kernel[0] * g.kernel[1] > MOST:  # one pixel of phases may hold them all
        form = POPCOUNT
    return [_prepare(wg, g, form) for wg in np.split(w, g.groups)]


def _prepare(w: Array, g: Geometry, form: Product) -> Kernel:
    if form is POPCOUNT:
        sums = None
        if g.pad_value == 0 and g.pad != (0, 0):
            sums = g.C - 2 * np.bitwise_count(w).sum(-1, dtype=np.int64).transpose(1, 2, 0)[:, :, None]
        return Kernel(form, len(w), POPCOUNT.right(w.reshape(len(w), -1), g.n), sums)
    kernel = np.ascontiguousarray(signs(w, g.C).transpose(1, 2, 3, 0))
    if g.phases:
        kernel = phase_kernel(kernel, g.scale)
    T, U, C8, F = kernel.shape
    return Kernel(form, len(w), Filters(kernel.reshape(T, U * C8, F), cut(g.kernel, C8, g.scale)), None)


# -- the tiles ------------------------------------------------------------------------------------------------------

Tiles: TypeAlias = Iterator[tuple[tuple[int, Array], Array]]
"""An image and the numbers of some of its rows, ``(n, rows)``, and what belongs there: (rows, columns, filters)."""


def conv_tiles(x: Array, kernels: list[Kernel], g: Geometry, dtype: DTypeLike) -> Tiles:
    """The convolution, tile by tile: ``y[n, rows] = z``, whole rows and all filters.

    Each ``z`` is the caller's to change, until the next one comes.
    """
    parts = [raw_tiles(xg, kernel, g, dtype) for xg, kernel in zip(np.split(x, g.groups, axis=-1), kernels)]
    for (where, z), *others in zip(*parts):
        yield placed(where, np.concatenate([z, *(other for _, other in others)], axis=-1) if others else z, kernels, g)


def raw_tiles(x: Array, kernel: Kernel, g: Geometry, dtype: DTypeLike) -> Tiles:
    """The tiles of one group before they are :func:`placed`: phases still stand side by side, in the channels.

    They come in the same order for every input and kernel of one geometry and form: convolutions can be run in step.
    """
    return (_digit_tiles if kernel.form is DIGITS else _popcount_tiles)(x, kernel, g, dtype)


def gather(tiles: Tiles, y: Array) -> Array:
    """All tiles in one map ``y``, (N, OH, OW, F)."""
    for where, z in tiles:
        y[where] = z
    return y


def convolve(x: Array, kernels: list[Kernel], g: Geometry, dtype: DTypeLike) -> Array:
    """The whole convolution of words, planned and prepared: (N, OH, OW, F)."""
    (kernel, *others), (OH, OW) = kernels, g.size
    if kernel.form is DIGITS and dtype == np.float32 and not others and not g.phases:
        half = -(-OH // 2)
        y: Array = np.empty((len(x), 2, half, OW, kernel.filters), np.float32)
        with borrow() as space:
            for n, rows, operands in _digit_columns(x, g, space):  # each tile is made where it belongs
                low, high = y[n, :, rows].reshape(2, -1, kernel.filters)
                add_up(operands, kernel.weights, low, high, space)
        return y.reshape(len(x), 2 * half, OW, -1)[:, :OH]
    return gather(conv_tiles(x, kernels, g, dtype), np.empty((len(x), *g.size, sum(k.filters for k in kernels)), dtype))


def phases_of(kernel: Kernel, g: Geometry) -> int:
    """How many phases stand side by side in its raw tiles."""
    return g.scale[0] * g.scale[1] if kernel.form is DIGITS else 1


def _popcount_tiles(x: Array, kernel: Kernel, g: Geometry, dtype: DTypeLike) -> Tiles:
    """Words under each window, one below the other, against the words of all filters."""
    if g.phases:
        x = upsample_nearest_packed(x, scale=g.scale)
    view = windows(pad2d(x, g.pad, pack(_padding(g))), g.kernel, g.size, g.stride, g.dilation)
    (OH, OW), F = g.size, kernel.filters
    step = max(1, RUN // OW)
    for n, first in product(range(len(x)), range(0, OH, step)):
        rows = np.arange(first, min(first + step, OH))
        dots: Array = np.empty((len(rows) * OW, F), narrow(g.n))
        POPCOUNT.dots(POPCOUNT.left(view[n, rows].reshape(len(dots), -1), g.n), kernel.weights, g.n, dots)
        z = dots.astype(dtype).reshape(len(rows), OW, F)
        _correct(z, x, rows, kernel, g)
        yield (n, rows), z


def _digit_tiles(x: Array, kernel: Kernel, g: Geometry, dtype: DTypeLike) -> Tiles:
    """Two dot products at a time, of the upper half of an image and of the lower."""
    (OH, OW), F = (g.phases.small if g.phases else g.size), kernel.weights.w.shape[-1]
    half = -(-OH // 2)
    with borrow() as space:
        for n, rows, operands in _digit_columns(x, g, space):
            z = space.array("z", (2, len(operands[0]), F), np.float32)
            add_up(operands, kernel.weights, z[0], z[1], space)
            upper = np.arange(rows.start, rows.stop)
            yield (n, np.concatenate([upper, half + upper])), z.reshape(-1, OW, F).astype(dtype, copy=False)


def _digit_columns(x: Array, g: Geometry, space: Workspace) -> Iterator[tuple[int, slice, list[Array]]]:
    """Tile by tile: the image, the rows within each of its halves, and what each row of the kernel meets there.

    The halves are put into one map of digits, whose columns, (rows OW, KW C), meet the filters.
    """
    (N, H, W, _), (SH, SW), (DH, DW), (BH, BW) = x.shape, g.stride, g.dilation, g.border
    (OH, OW), (T, U) = (g.phases.small, g.phases.taps) if g.phases else (g.size, g.kernel)
    half, C8, reach = -(-OH // 2), 8 * -(-g.C // 8), DH * (T - 1) + 1  # input rows seen by one row of the output
    padded = np.zeros((N, max(H + 2 * BH, (2 * half - 1) * SH + reach), W + 2 * BW, C8 // 8), np.uint8)
    if g.pad_value == -1:
        padded[...] = np.packbits(_padding(g) < 0, bitorder="little")
    padded[:, BH : BH + H, BW : BW + W] = octets(x, g.C)
    step = max(1, TILE // OW)
    for n, first in product(range(N), range(0, half, step)):
        rows = min(step, half - first)
        seen = (rows - 1) * SH + reach
        low, high = space.array("looked up", (2, seen, *padded.shape[2:], 8), np.float32)
        for table, top, digit in (LOW_SIGNS, first, low), (SIGNS, half + first, high):
            look_up(table, padded[n, top * SH :][:seen], out=digit)  # (1)
            if g.pad_value == 0:  # no sign: it counts nowhere
                digit[: max(0, BH - top * SH)] = digit[max(0, BH + H - top * SH) :] = 0
                digit[:, :BW] = digit[:, BW + W :] = 0
        low += high  # (2)
        d, wide = low.reshape(seen, -1, C8), space.array("wide", (seen, OW, U, C8), np.float32)
        for u in range(U):
            wide[:, :, u] = d[:, u * DW :][:, : (OW - 1) * SW + 1 : SW]  # (3)
        yield n, slice(first, first + rows), [wide[t * DH :: SH][:rows].reshape(rows * OW, -1) for t in range(T)]


def placed(where: tuple[int, Array], z: Array, kernels: list[Kernel], g: Geometry) -> tuple[tuple[int, Array], Array]:
    """A raw tile as rows of the output: phases dealt out, and without what is cut off or lies below the last strip."""
    n, rows = where
    if g.phases and phases_of(kernels[0], g) > 1:
        (SH, SW), (_, columns, _), (top, left) = g.scale, z.shape, g.phases.cut
        z = z.reshape(len(rows), columns, SH, SW, -1).transpose(0, 2, 1, 3, 4).reshape(len(rows) * SH, columns * SW, -1)
        z = z[:, left : left + g.size[1]]
        rows = (rows[:, None] * SH + np.arange(SH)).ravel() - top
    kept = (rows >= 0) & (rows < g.size[0])
    return ((n, rows), z) if kept.all() else ((n, rows[kept]), z[kept])


def _padding(g: Geometry) -> Array:
    """One pixel of padding; 0 is no sign and runs as +1."""
    return np.full(g.C, -1.0 if g.pad_value == -1 else 1.0)


def _correct(z: Array, x: Array, rows: Array, kernel: Kernel, g: Geometry) -> None:
    """Where popcount pads with +1 for 0: take from ``z`` what that added, the sums of the taps that lay outside."""
    if kernel.tap_sums is None:
        return
    outside = 1 - pad2d(np.ones((1, *x.shape[1:3], 1), np.float32), g.pad, 0.0)
    seen = (len(rows) - 1) * g.stride[0] + g.dilation[0] * (g.kernel[0] - 1) + 1
    added, _ = conv2d(
        outside[:, rows[0] * g.stride[0] :][:, :seen],
        kernel.tap_sums.astype(np.float32),
        stride=g.stride,
        dilation=g.dilation,
    )
    np.subtract(z, added[0], out=z, casting="unsafe")  # whole numbers, whatever they are kept in
