"""Mistakes in sub-pixel shuffling: two libraries, two orders of the channels, and axes that must move."""

from collections.abc import Callable
from typing import Any

from ...notation import Array
from .mistake import Mistake
from .upsample import pair


def channel_major(x: Array, *, scale: Any = 2) -> Array:
    """PyTorch's pixel_shuffle: a channel's positions lie side by side."""
    (SH, SW), (N, H, W, depth) = pair(scale), x.shape
    blocks = x.reshape(N, H, W, depth // (SH * SW), SH, SW)
    return blocks.transpose(0, 1, 4, 2, 5, 3).reshape(N, H * SH, W * SW, -1)


def channel_major_inverse(x: Array, *, scale: Any = 2) -> Array:
    """PyTorch's pixel_unshuffle."""
    (SH, SW), (N, H, W, C) = pair(scale), x.shape
    blocks = x.reshape(N, H // SH, SH, W // SW, SW, C)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(N, H // SH, W // SW, -1)


def columns_dealt_first(x: Array, *, scale: Any = 2) -> Array:
    (SH, SW), (N, H, W, depth) = pair(scale), x.shape
    blocks = x.reshape(N, H, W, SW, SH, depth // (SH * SW))
    return blocks.transpose(0, 1, 4, 2, 3, 5).reshape(N, H * SH, W * SW, -1)


def columns_gathered_first(x: Array, *, scale: Any = 2) -> Array:
    (SH, SW), (N, H, W, C) = pair(scale), x.shape
    blocks = x.reshape(N, H // SH, SH, W // SW, SW, C)
    return blocks.transpose(0, 1, 3, 4, 2, 5).reshape(N, H // SH, W // SW, -1)


def merely_reshaped(x: Array, *, scale: Any = 2) -> Array:
    (SH, SW), (N, H, W, depth) = pair(scale), x.shape
    return x.reshape(N, H * SH, W * SW, depth // (SH * SW))


def merely_reshaped_back(x: Array, *, scale: Any = 2) -> Array:
    (SH, SW), (N, H, W, C) = pair(scale), x.shape
    return x.reshape(N, H // SH, W // SW, SH * SW * C)


def back_by(inverse: Callable) -> Callable:
    """A backward pass that permutes by ``inverse``."""
    return lambda dy, cache: inverse(dy, scale=cache)


SHUFFLE = ("onnx/onnx#2163", "PINTO0309/onnx2tf#91", "OpenPPL/ppq#504")
UNSHUFFLE = ("tensorflow/tensorflow#53291", "microsoft/onnxscript#2891")

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "depth_to_space",
        "channel-major order, that of PyTorch's pixel_shuffle (CRD)",
        channel_major,
        "right with one channel out; colours become positions and positions colours",
        SHUFFLE,
    ),
    Mistake(
        "depth_to_space",
        "columns before rows within a block",
        columns_dealt_first,
        "right where only rows, or only columns, are made large; otherwise every block is transposed",
    ),
    Mistake(
        "depth_to_space",
        "reshapes without moving the block's axes",
        merely_reshaped,
        "stripes: each pixel's channels lie side by side in a row",
        ("atriumlts/subpixel#15",),
    ),
    Mistake(
        "depth_to_space_backward",
        "gathers channel-major what was dealt out block-major",
        back_by(channel_major_inverse),
        "right with one channel out; otherwise channels below learn from each other's gradients",
        UNSHUFFLE,
    ),
    Mistake(
        "depth_to_space_backward",
        "reshapes without moving the block's axes",
        back_by(merely_reshaped_back),
        "gradients arrive at the wrong pixels, and layers below learn nothing",
    ),
    Mistake(
        "space_to_depth",
        "channel-major order, that of PyTorch's pixel_unshuffle",
        channel_major_inverse,
        "right with one channel in; loaded weights of the next layer meet channels in another order",
        UNSHUFFLE,
    ),
    Mistake(
        "space_to_depth",
        "columns before rows within a block",
        columns_gathered_first,
        "right where only rows, or only columns, are gathered; otherwise every block is transposed",
    ),
    Mistake(
        "space_to_depth",
        "reshapes without moving the block's axes",
        merely_reshaped_back,
        "a pixel holds part of a row where it should hold a block",
    ),
    Mistake(
        "space_to_depth_backward",
        "deals out channel-major what was gathered block-major",
        back_by(channel_major),
        "right with one channel in; otherwise positions and channels below exchange their gradients",
        SHUFFLE,
    ),
    Mistake(
        "space_to_depth_backward",
        "reshapes without moving the block's axes",
        back_by(merely_reshaped),
        "gradients arrive at the wrong pixels, and layers below learn nothing",
    ),
)
