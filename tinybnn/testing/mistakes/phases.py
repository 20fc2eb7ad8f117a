"""Mistakes in the convolution of a map made large by copying: shared taps, and phases that change places."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import HW, Array
from ...ops.conv import conv2d, pad2d
from ...ops.upsample import upsample_nearest
from ...ops.upsample_conv import (
    Phases,
    UpsampleConvCache,
    UpsampleConvGrads,
    phase_kernel,
    phase_kernel_backward,
    plan_phases,
    upsample_conv2d,
    upsample_conv2d_backward,
)
from ...ops.upsample_conv import (
    join_phases as deal_out,
)
from .mistake import Mistake
from .upsample import pair

# -- the kernel of all phases ---------------------------------------------------------------------------------------


def last_tap_only(w: Array, scale: HW) -> Array:
    """Assigns where it should add: the last of the taps that share a pixel stands for all of them."""
    kernel = phase_kernel(w, scale)
    (KH, KW, _, F), (SH, SW) = w.shape, scale
    for a, b, kh, kw in np.ndindex(SH, SW, KH, KW):
        p = (a * SW + b) * F
        kernel[(a + kh) // SH, (b + kw) // SW, :, p : p + F] = w[kh, kw]
    return kernel


def rearranged(order: tuple[int, ...]) -> Callable:
    """The last axis of the kernel, (SH, SW, F), in another ``order``."""

    def wrong(w: Array, scale: HW) -> Array:
        kernel = phase_kernel(w, scale)
        split = kernel.reshape(*kernel.shape[:3], *scale, -1)
        return split.transpose(0, 1, 2, *(3 + k for k in order)).reshape(kernel.shape)

    return wrong


def turned_phases(w: Array, scale: HW) -> Array:
    return phase_kernel(w[::-1, ::-1], scale)


def averaged_taps(w: Array, scale: HW) -> Array:
    """Divides what shares a pixel by how many they are."""
    shared = phase_kernel(np.ones_like(w), scale)
    return phase_kernel(w, scale) / np.maximum(shared, 1)


def averaged_over_phases(dkernel: Array, cache: tuple[HW, HW]) -> Array:
    kernel, scale = cache
    return phase_kernel_backward(dkernel, kernel, scale) / (scale[0] * scale[1])


def first_phase_alone(dkernel: Array, cache: tuple[HW, HW]) -> Array:
    (kernel, scale), F = cache, dkernel.shape[-1] // (cache[1][0] * cache[1][1])
    only = np.zeros_like(dkernel)
    only[..., :F] = dkernel[..., :F]
    return phase_kernel_backward(only, kernel, scale)


def filters_before_phases_back(dkernel: Array, cache: tuple[HW, HW]) -> Array:
    (kernel, scale), (T, U, C, _) = cache, dkernel.shape
    split = np.moveaxis(dkernel.reshape(T, U, C, -1, scale[0] * scale[1]), 3, 4)
    return phase_kernel_backward(split.reshape(dkernel.shape), kernel, scale)


# -- the convolution ------------------------------------------------------------------------------------------------


def by_phases(kernel_of: Callable = phase_kernel, deal: Callable = deal_out) -> Callable:
    """upsample_conv2d with another kernel, or phases dealt out in another way."""

    def forward(x: Array, w: Array, *, scale: Any = 2, pad: Any = 0, pad_value: float = 0.0) -> Array:
        phases = plan_phases("by_phases", (x.shape[1], x.shape[2]), (w.shape[0], w.shape[1]), scale, pad)
        z, _ = conv2d(x, kernel_of(w, phases.scale), pad=phases.border, pad_value=pad_value)
        return deal(z, phases)

    return forward


def last_phase_first(z: Array, phases: Phases) -> Array:
    F = z.shape[-1] // (phases.scale[0] * phases.scale[1])
    split = z.reshape(*z.shape[:3], -1, F)
    return deal_out(split[..., ::-1, :].reshape(z.shape), phases)


def columns_before_rows(z: Array, phases: Phases) -> Array:
    (SH, SW), F = phases.scale, z.shape[-1] // (phases.scale[0] * phases.scale[1])
    split = z.reshape(*z.shape[:3], SW, SH, F).swapaxes(3, 4)
    return deal_out(split.reshape(z.shape), phases)


def pads_the_small_map(x: Array, w: Array, *, scale: Any = 2, pad: Any = 0, pad_value: float = 0.0) -> Array:
    return conv2d(upsample_nearest(pad2d(x, pair(pad), pad_value), scale=scale)[0], w)[0]


def convolves_before_it_copies(x: Array, w: Array, *, scale: Any = 2, **options: Any) -> Array:
    return upsample_nearest(conv2d(x, w, **options)[0], scale=scale)[0]


def pads_with_zeros(x: Array, w: Array, *, pad_value: float = 0.0, **options: Any) -> Array:
    return upsample_conv2d(x, w, **options)[0]


def zeros_between(x: Array, w: Array, *, scale: Any = 2, **options: Any) -> Array:
    """Makes the map large with zeros between its values, as a transposed convolution does."""
    (SH, SW), (N, H, W, C) = pair(scale), x.shape
    large = np.zeros((N, H * SH, W * SW, C), x.dtype)
    large[:, ::SH, ::SW] = x
    return conv2d(large, w, **options)[0]


def grads_with(**changes: Callable) -> Callable:
    """The backward pass with gradients changed: each takes the right one and the cache."""

    def backward(dy: Array, cache: UpsampleConvCache) -> UpsampleConvGrads:
        right = upsample_conv2d_backward(dy, cache)
        return right._replace(**{name: change(getattr(right, name), cache) for name, change in changes.items()})

    return backward


def copies(cache: UpsampleConvCache) -> int:
    return cache.phases.scale[0] * cache.phases.scale[1]


def first_positions_alone(dy: Array, cache: UpsampleConvCache) -> UpsampleConvGrads:
    """Of each block only the first output sends a gradient back."""
    (SH, SW), only = cache.phases.scale, np.zeros_like(dy)
    only[:, ::SH, ::SW] = dy[:, ::SH, ::SW]
    return upsample_conv2d_backward(only, cache)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "phase_kernel",
        "one tap where several share a pixel: = in place of +=",
        last_tap_only,
        "right where no tap shares a pixel, with scale 1 or kernels of one tap; flat regions are off",
    ),
    Mistake(
        "phase_kernel",
        "averages the taps that share a pixel",
        averaged_taps,
        "flat regions get another brightness in each phase: a checkerboard",
    ),
    Mistake(
        "phase_kernel",
        "filters before phases in the last axis",
        rearranged((2, 0, 1)),
        "right with one filter, or scale 1; otherwise maps are dealt out to the wrong filters",
    ),
    Mistake(
        "phase_kernel",
        "columns before rows among the phases",
        rearranged((1, 0, 2)),
        "right where only rows, or only columns, are made large; otherwise blocks of outputs are transposed",
    ),
    Mistake(
        "phase_kernel",
        "turns the kernel by 180 degrees",
        turned_phases,
        "right for kernels of one tap and for symmetric ones",
    ),
    Mistake(
        "phase_kernel_backward",
        "averages what a tap gets from its phases",
        averaged_over_phases,
        "weights learn, but more slowly by the number of phases than those of other layers",
    ),
    Mistake(
        "phase_kernel_backward",
        "the gradient of the first phase alone",
        first_phase_alone,
        "weights learn what is right for the top left pixel of each block, and the others show a checkerboard",
    ),
    Mistake(
        "phase_kernel_backward",
        "filters before phases in the last axis",
        filters_before_phases_back,
        "right with one filter, or scale 1; otherwise filters learn from each other's gradients",
    ),
    Mistake(
        "upsample_conv2d",
        "turns the kernel by 180 degrees",
        lambda x, w, **options: upsample_conv2d(x, w[::-1, ::-1], **options)[0],
        "right for kernels of one tap and for symmetric ones",
    ),
    Mistake(
        "upsample_conv2d",
        "one tap where several share a pixel",
        by_phases(kernel_of=last_tap_only),
        "right for kernels of one tap; flat regions come out too dark or light",
    ),
    Mistake(
        "upsample_conv2d",
        "deals the last phase out first",
        by_phases(deal=last_phase_first),
        "edges are jagged: within each block the outputs have changed places",
    ),
    Mistake(
        "upsample_conv2d",
        "deals the phases out columns before rows",
        by_phases(deal=columns_before_rows),
        "right where only rows, or only columns, are made large; otherwise the outputs of a block are transposed",
    ),
    Mistake(
        "upsample_conv2d",
        "pads the small map: as many times too much as the scale says",
        pads_the_small_map,
        "the result is too large wherever there is padding",
    ),
    Mistake(
        "upsample_conv2d",
        "pads with zeros whatever was asked",
        pads_with_zeros,
        "the border alone is wrong",
        ("MatthieuCourbariaux/BinaryNet#9",),
    ),
    Mistake(
        "upsample_conv2d",
        "convolves the small map, then makes it large",
        convolves_before_it_copies,
        "right for kernels of one tap; otherwise another shape, or the right one and blocks of equal values",
    ),
    Mistake(
        "upsample_conv2d",
        "zeros between the values in place of copies",
        zeros_between,
        "a grid of dark lines: most taps meet zeros",
    ),
    Mistake(
        "upsample_conv2d_backward",
        "averages what a tap gets from its phases",
        grads_with(dw=lambda dw, cache: dw / copies(cache)),
        "weights learn, but more slowly by the number of phases than those of other layers",
    ),
    Mistake(
        "upsample_conv2d_backward",
        "averages the gradients of a pixel's copies",
        grads_with(dx=lambda dx, cache: dx / copies(cache)),
        "layers below every upsampling learn more slowly, once more for each of them",
    ),
    Mistake(
        "upsample_conv2d_backward",
        "only the first output of each block sends a gradient back",
        first_positions_alone,
        "the others are never trained: a checkerboard",
    ),
    Mistake(
        "upsample_conv2d_backward",
        "dw turned by 180 degrees",
        grads_with(dw=lambda dw, cache: dw[::-1, ::-1]),
        "right for kernels of one tap; others change, and the loss does not",
    ),
)
