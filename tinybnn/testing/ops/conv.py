"""Records of :mod:`tinybnn.ops.conv`, :mod:`tinybnn.ops.binary_conv` and :mod:`tinybnn.ops.upsample_conv`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...fast import conv as fast
from ...notation import HW, Array
from ...ops import binary_conv, conv, upsample_conv
from ...ops.binarize import clipped
from ...ops.upsample import upsample_nearest
from ..laws import additive, adjoint, blind_to_doubling, doubles, images_apart
from ..op import ANYTHING, Case, Law, Packed, Words, call, record, refused
from ..strategies import (
    Limits,
    distinct,
    generators,
    integers,
    one_of,
    pad_values,
    pair_of,
    pairs,
    quantizers,
    reals,
    signs,
    whole,
    word_edges,
)

few = whole(1, 3)


@st.composite
def geometry(draw: st.DrawFn, limits: Limits, channels: Any = few) -> tuple[tuple, tuple, dict[str, Any]]:
    """Shapes and options such that the kernel fits on the map: (shape of x, shape of w, options)."""
    usual = {"stride": pairs(1, 3), "pad": pairs(0, 3), "dilation": pairs(1, 2), "groups": few}
    options = {name: draw(limits(name, values)) for name, values in usual.items()}
    kernel, room = draw(distinct(2, 1, 3)), draw(distinct(2, 0, 3))
    spans = zip(kernel, pair_of(options["dilation"]), pair_of(options["pad"]))
    H, W = (max(1, (K - 1) * d + 1 - 2 * p) + more for (K, d, p), more in zip(spans, room))
    C, filters, groups = draw(limits("channels", channels)), draw(whole(1, 2)), options["groups"]
    return (draw(whole(1, 2)), H, W, groups * C), (*kernel, C, groups * filters), options


@st.composite
def conv_cases(draw: st.DrawFn, limits: Limits) -> Case:
    (x, w, options), rng = draw(geometry(limits)), draw(generators())
    pad_value = draw(limits("pad_value", one_of(0.0, -1.0, 1.0, 2.5)))
    return call(integers(rng, *x), integers(rng, *w), **options, pad_value=pad_value)


@st.composite
def transpose_cases(draw: st.DrawFn, limits: Limits) -> Case:
    (x, w, options), rng = draw(geometry(limits)), draw(generators())
    steps = (pair_of(options[name]) for name in ("stride", "pad", "dilation"))
    size = conv.output_size("cases", x[1:3], w[:2], *steps)
    return call(integers(rng, x[0], *size, w[3]), integers(rng, *w), **options, size=x[1:3])


@st.composite
def binary_cases(draw: st.DrawFn, limits: Limits, channels: Any = word_edges) -> Case:
    (x, w, options), rng = draw(geometry(limits, channels)), draw(generators())
    return call(signs(rng, *x), signs(rng, *w), **options, pad_value=draw(limits("pad_value", pad_values)))


@st.composite
def scaled_cases(draw: st.DrawFn, limits: Limits) -> Case:
    (x, w), options = draw(binary_cases(limits, few))
    rng = draw(generators())
    alpha = rng.integers(1, 9, w.shape[-1]) / 8
    return call(x, reals(rng, *w.shape), alpha, **options, quantizer=draw(limits("quantizer", quantizers)))


@st.composite
def copied_cases(draw: st.DrawFn, limits: Limits, values: Callable = integers, channels: Any = few) -> Case:
    """A small map, and a kernel that fits on the upsampled map."""
    rng, (N, H, W), F = draw(generators()), draw(distinct(3, 1, 4)), draw(whole(1, 2))
    scale, pad = draw(limits("scale", pairs(1, 3))), draw(limits("pad", pairs(0, 3)))
    C = draw(limits("channels", channels))
    KH, KW = (draw(whole(1, min(4, s * n + 2 * p))) for s, n, p in zip(pair_of(scale), (H, W), pair_of(pad)))
    pad_value = draw(limits("pad_value", pad_values))
    return call(values(rng, N, H, W, C), values(rng, KH, KW, C, F), scale=scale, pad=pad, pad_value=pad_value)


def copied_signs(limits: Limits) -> st.SearchStrategy[Case]:
    return copied_cases(limits, signs, word_edges)


@st.composite
def kernel_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (KH, KW, C, F) = draw(generators()), draw(distinct(4, 1, 4))
    return call(integers(rng, KH, KW, C, F), draw(limits("scale", pairs(1, 3))))


def packed_operands(case: Case) -> Case:
    """Activations and weights as words, and the number of channels."""
    (x, w), groups = case.args, case.options.get("groups", 1)
    C = x.shape[-1]
    packed = binary_conv.pack_activations(x, groups), binary_conv.pack_weights(w)
    return Case((*(Words(a, C // groups) for a in packed), C), case.options)


def phase_kernel(w: Array, scale: HW) -> tuple[Array, tuple[HW, HW]]:
    """The kernel, and the arguments that its backward pass needs."""
    return upsample_conv.phase_kernel(w, scale), (w.shape[:2], scale)


def phase_kernel_backward(dkernel: Array, cache: tuple[HW, HW]) -> Array:
    return upsample_conv.phase_kernel_backward(dkernel, *cache)


def upsampled_first(f: Callable, c: Case) -> tuple[Array, Array]:
    (x, w), options = c.args, dict(c.options)
    large = upsample_nearest(x, scale=options.pop("scale"))[0]
    return f(*c.args, **c.options), conv.conv2d(large, w, **options)[0]


# Every one of 3 * 3 * 64 taps disagrees: 576 disagreements overflow an 8-bit counter twice.
all_disagree = call(-np.ones((1, 3, 4, 64)), np.ones((3, 3, 64, 2)),
                    stride=(1, 1), pad=(1, 1), dilation=(1, 1), groups=1, pad_value=0)  # fmt: skip
all_copies_disagree = call(-np.ones((1, 2, 3, 64)), np.ones((3, 3, 64, 2)), scale=(2, 2), pad=(1, 1), pad_value=0)
latent_zeros = call(np.ones((1, 3, 4, 2)), np.array([[[[0.0, -0.0], [0.5, -0.5]]]]), np.array([0.5, 1.0]),
                    stride=(1, 1), pad=(0, 0), dilation=(1, 1), groups=1, pad_value=1, quantizer=clipped)  # fmt: skip

MAP, KERNEL = np.ones((1, 3, 4, 2)), np.ones((3, 2, 2, 1))
misfit, still = refused("w has shape", MAP, KERNEL[:, :, :1]), refused("stride is 0", MAP, KERNEL, stride=0)
unpadded = adjoint(conv.conv2d, conv.conv2d_backward, 0, only=lambda case: case.options.get("pad_value", 0) == 0)
each_tap = Law(
    "every tap lies in every phase once", lambda f, c: (f(*c.args).sum(), c.args[0].sum() * np.prod(c.args[1]))
)

# fmt: off
OPS = (
    record(conv.conv2d, conv_cases, spreads=ANYTHING, axes="NHWC HWIO -> NHWC",
           laws=(additive(1), images_apart(0), adjoint(conv.conv2d, conv.conv2d_backward, 1), unpadded),
           packed=Packed(binary_conv.conv2d_packed, packed_operands, cases=binary_cases, boundary=(all_disagree,),
                         others={"fast conv2d_packed": fast.conv2d_packed}),
           refuses=(misfit, still, refused("spans", MAP[:, :2], KERNEL))),
    record(conv.conv_transpose2d, transpose_cases, spreads=ANYTHING, axes="NHWC HWIO -> NHWC",
           laws=(additive(0), additive(1), images_apart(0),
                 adjoint(conv.conv_transpose2d, conv.conv_transpose2d_backward)),
           refuses=(refused("y has shape", MAP, KERNEL, size=(9, 9)),)),
    record(binary_conv.binary_conv2d, scaled_cases, axes="NHWC HWIO F -> NHWC", idle=("quantizer",),
           boundary=(latent_zeros,), laws=(blind_to_doubling(1), doubles(2), images_apart(0)),
           refuses=(refused("pad_value is 2", MAP, KERNEL, np.ones(1), pad_value=2),
                    refused("pad_value", MAP, KERNEL, np.ones(1)),
                    refused("alpha has shape", MAP, KERNEL, np.ones(3), pad_value=1))),
    record(phase_kernel, kernel_cases, spec=upsample_conv.phase_kernel_loops, laws=(additive(0), each_tap)),
    record(upsample_conv.upsample_conv2d, copied_cases, axes="NHWC HWIO -> NHWC",
           laws=(additive(1), images_apart(0), Law("it is the convolution of the upsampled map", upsampled_first)),
           packed=Packed(upsample_conv.upsample_conv2d_packed, packed_operands, cases=copied_signs,
                         boundary=(all_copies_disagree,),
                         others={"fast upsample_conv2d_packed": fast.upsample_conv2d_packed}),
           refuses=(refused("spans", MAP, np.ones((9, 9, 2, 1))), misfit,
                    refused("scale is 0", MAP, KERNEL, scale=0))),
)
