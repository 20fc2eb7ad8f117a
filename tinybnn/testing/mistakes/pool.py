"""Mistakes in pooling by maximum: of floats, and of 64 signs at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import HW, Array, Pair
from ...ops import pool
from ...ops.conv import pad2d
from ...ops.pool import MaxPoolCache
from .binarize import in_float64
from .mistake import Mistake
from .packing import FROM_THE_POINTER, POINTER_MET, POINTER_SYMPTOM, as_it_lies

# -- windows --------------------------------------------------------------------------------------------------------


def pair(value: Pair) -> HW:
    return value if isinstance(value, tuple) else (value, value)


def turned(value: Any) -> Any:
    """Rows and columns exchanged."""
    return value[::-1] if isinstance(value, tuple) else value


def windows(x: Array, kernel: Pair, stride: Pair | None) -> Array:
    """All windows, (N, OH, OW, C, KH, KW): a view, so that what is written here is written into ``x``."""
    SH, SW = pair(kernel if stride is None else stride)
    view = np.lib.stride_tricks.sliding_window_view(x, pair(kernel), axis=(1, 2), writeable=True)
    return view[:, ::SH, ::SW]


def with_options(pooling: Callable, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable:
    """A pooling whose options are spoilt first."""

    def forward(x: Array, **options: Any) -> Array:
        out = pooling(x, **change({"stride": None} | options))
        return out[0] if isinstance(out, tuple) else out

    return forward


def side_by_side(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"stride": None}


def step_by_step(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"stride": 1 if options["stride"] is None else options["stride"]}


def kernel_turned(options: dict[str, Any]) -> dict[str, Any]:
    stride = options["kernel"] if options["stride"] is None else options["stride"]
    return options | {"kernel": turned(options["kernel"]), "stride": stride}


# -- maximum --------------------------------------------------------------------------------------------------------


def max_of_padded(padding: Callable[[Array, HW, HW, HW], Array]) -> Callable:
    """The maximum after ``padding(x, pad, kernel, stride)`` of another kind."""

    def forward(x: Array, *, kernel: Pair = 2, stride: Pair | None = None, pad: Pair = 0) -> Array:
        step = pair(kernel if stride is None else stride)
        return pool.max_pool2d(padding(x, pair(pad), pair(kernel), step), kernel=kernel, stride=step)[0]

    return forward


def grown(x: Array, top: int, bottom: int, left: int, right: int) -> Array:
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=-np.inf)


def at_the_far_side(x: Array, pad: HW, kernel: HW, stride: HW) -> Array:
    return grown(x, 0, 2 * pad[0], 0, 2 * pad[1])


def ceil_mode(x: Array, pad: HW, kernel: HW, stride: HW) -> Array:
    """Grown until a last window fits that is only partly on the map."""
    more = [-(n + 2 * p - k) % s for n, p, k, s in zip(x.shape[1:3], pad, kernel, stride)]
    return grown(x, pad[0], pad[0] + more[0], pad[1], pad[1] + more[1])


def mean_for_maximum(x: Array, *, kernel: Pair = 2, stride: Pair | None = None, pad: Pair = 0) -> Array:
    return windows(pad2d(x, pair(pad), 0.0), kernel, stride).mean((-2, -1))


def never_below_zero(x: Array, **options: Any) -> Array:
    return np.maximum(pool.max_pool2d(x, **options)[0], 0)


def through_the_pointer(x: Array, **options: Any) -> Array:
    return pool.max_pool2d(as_it_lies(x), **options)[0]


def max_backward_by(share: Callable[[Array, Array, Array], Array]) -> Callable:
    """Every window adds ``share(dy, taps, y)``, (N, OH, OW, C, KH, KW), or what broadcasts to it."""

    def backward(dy: Array, cache: MaxPoolCache) -> Array:
        dpadded = np.zeros_like(cache.padded)
        given = windows(cache.padded, cache.kernel, cache.stride)
        shares = np.broadcast_to(share(dy[..., None, None], given, cache.y[..., None, None]), given.shape)
        taken = windows(dpadded, cache.kernel, cache.stride)
        for kh, kw in np.ndindex(*cache.kernel):
            taken[..., kh, kw] += shares[..., kh, kw]
        return without_padding(dpadded, cache.pad)

    return backward


def without_padding(dpadded: Array, pad: HW) -> Array:
    return dpadded[:, pad[0] : dpadded.shape[1] - pad[0], pad[1] : dpadded.shape[2] - pad[1]]


def first_tap(dy: Array, taps: Array, y: Array) -> Array:
    return dy * (np.arange(taps[0, 0, 0, 0].size).reshape(taps.shape[-2:]) == 0)


def last_window_wins(dy: Array, cache: MaxPoolCache) -> Array:
    dpadded = np.zeros_like(cache.padded)
    given, taken = (windows(a, cache.kernel, cache.stride) for a in (cache.padded, dpadded))
    for kh, kw in np.ndindex(*cache.kernel):
        taken[..., kh, kw] = np.where(given[..., kh, kw] == cache.y, dy, taken[..., kh, kw])
    return without_padding(dpadded, cache.pad)


def border_left_on(dy: Array, cache: MaxPoolCache) -> Array:
    """Cuts the padding off the far side only."""
    dx = pool.max_pool2d_backward(dy, cache)
    wide = np.pad(dx, ((0, 0), (cache.pad[0], 0), (cache.pad[1], 0), (0, 0)))
    return wide[:, : dx.shape[1], : dx.shape[2]]


# -- maximum of packed signs ----------------------------------------------------------------------------------------


def packed_by(ufunc: np.ufunc, start: Callable[[Array], Array] = lambda y: y) -> Callable:
    """Another operation on words in place of AND, and what is done to the result."""

    def packed(words: Array, *, kernel: Pair = 2, stride: Pair | None = None) -> Array:
        return start(ufunc.reduce(windows(words, kernel, stride), axis=(-2, -1)))

    return packed


SIDE_BY_SIDE = "ignores the stride: windows always side by side"
SIDE_SYMPTOM = "right wherever the stride is the kernel; with 3x3 windows at stride 2 the map comes out too small"
STEP_BY_STEP = "stride 1 where none is given, not the kernel"
STEP_SYMPTOM = "maps come out almost as large as they went in; the next layer refuses the shape, or runs much longer"
STEP_MET = ("nntrainer/nntrainer#2144", "distdl/distdl#203", "google/flax#2029")
TURNED = "rows and columns of the kernel exchanged"
TURNED_SYMPTOM = "right for square kernels; others give another shape, or other values"
OVERLAP = "where windows overlap the last one wins, none adds"
OVERLAP_SYMPTOM = "right for windows side by side; where they overlap gradients are lost, and the loss falls slower"

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "max_pool2d",
        "pads with zeros: they win over negative values",
        max_of_padded(lambda x, pad, kernel, stride: pad2d(x, pad, 0.0)),
        "right after a ReLU, or without padding; otherwise the map's border is never negative",
        ("pytorch/pytorch#33384", "pytorch/pytorch#41294", "zylo117/Yet-Another-EfficientDet-Pytorch#352"),
    ),
    Mistake(
        "max_pool2d",
        "the maximum starts from 0: no window is ever negative",
        never_below_zero,
        "right after a ReLU; otherwise a hidden ReLU: after a sign, pooled maps are +1 everywhere",
        ("uxlfoundation/oneDNN#1677", "tensorflow/tfjs#4854"),
    ),
    Mistake(
        "max_pool2d",
        "all padding at the far side, as TensorFlow's SAME has it at stride 2",
        max_of_padded(at_the_far_side),
        "the shape is right; each window is shifted by the padding, so values of a converted network differ everywhere",
        ("onnx/onnx#388", "taehoonlee/tensornets#25"),
    ),
    Mistake(
        "max_pool2d",
        "rounds the size up: a last window that is only partly on the map",
        max_of_padded(ceil_mode),
        "right where windows fit exactly; otherwise one row and column too many, 57 for 56",
        ("MTLab/onnx2caffe#3", "torch/nn#116", "starimeL/PytorchConverter#18"),
    ),
    Mistake(
        "max_pool2d",
        "the mean in place of the maximum",
        mean_for_maximum,
        "right on constant maps; with signs, values between -1 and +1 appear",
    ),
    Mistake("max_pool2d", SIDE_BY_SIDE, with_options(pool.max_pool2d, side_by_side), SIDE_SYMPTOM),
    Mistake("max_pool2d", STEP_BY_STEP, with_options(pool.max_pool2d, step_by_step), STEP_SYMPTOM, STEP_MET),
    Mistake("max_pool2d", TURNED, with_options(pool.max_pool2d, kernel_turned), TURNED_SYMPTOM),
    Mistake("max_pool2d", FROM_THE_POINTER, through_the_pointer, POINTER_SYMPTOM, POINTER_MET),
    Mistake(
        "max_pool2d_backward",
        "all equal maxima get the gradient, each of them the whole",
        max_backward_by(lambda dy, taps, y: dy * (taps == y)),
        "gradients are too large wherever values tie, as signs nearly always do; no finite difference shows it",
        ("Theano/Theano#5248", "tensorflow/tensorflow#4886"),
    ),
    Mistake(
        "max_pool2d_backward",
        "spreads the gradient over the window",
        max_backward_by(lambda dy, taps, y: dy / taps[0, 0, 0, 0].size),
        "the gradient of a mean: the loss falls, slower; its sum is right, its places are not",
    ),
    Mistake(
        "max_pool2d_backward",
        "the whole gradient to every tap",
        max_backward_by(lambda dy, taps, y: dy),
        "gradients below grow by the size of the window at every pooling; values that lost are moved too",
    ),
    Mistake(
        "max_pool2d_backward",
        "always to the first tap",
        max_backward_by(first_tap),
        "the loss falls a little and stays: three of four pixels never get a gradient",
    ),
    Mistake(
        "max_pool2d_backward",
        OVERLAP,
        last_window_wins,
        OVERLAP_SYMPTOM,
        ("ROCm/composable_kernel#750",),
    ),
    Mistake(
        "max_pool2d_backward",
        "takes the border's gradient for the map's",
        border_left_on,
        "right without padding; with it all gradients are shifted by the padding",
    ),
    Mistake(
        "max_pool2d_backward",
        "np.zeros without a dtype: float64",
        in_float64(pool.max_pool2d_backward),
        "right values; the whole backward pass below takes twice the memory and time",
    ),
    Mistake(
        "max_pool2d_packed",
        "OR, as where 1 means +1: the smallest sign, not the largest",
        packed_by(np.bitwise_or),
        "right where a window agrees; far too many -1 after every pooling",
        ("larq/compute-engine#54",),
    ),
    Mistake(
        "max_pool2d_packed",
        "XOR, which belongs to the product",
        packed_by(np.bitwise_xor),
        "about half of all bits are wrong, in windows of two and more",
    ),
    Mistake(
        "max_pool2d_packed",
        "the largest word as a number",
        packed_by(np.maximum),
        "right for one channel where windows agree; with more, the highest channel decides for all",
    ),
    Mistake(
        "max_pool2d_packed",
        "begins with zeros: AND keeps nothing",
        packed_by(np.bitwise_and, np.zeros_like),
        "every sign is +1 after the first pooling",
    ),
    Mistake("max_pool2d_packed", SIDE_BY_SIDE, with_options(pool.max_pool2d_packed, side_by_side), SIDE_SYMPTOM),
    Mistake(
        "max_pool2d_packed", STEP_BY_STEP, with_options(pool.max_pool2d_packed, step_by_step), STEP_SYMPTOM, STEP_MET
    ),
    Mistake("max_pool2d_packed", TURNED, with_options(pool.max_pool2d_packed, kernel_turned), TURNED_SYMPTOM),
)
