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
from ..op import Case, Law, Op, Packed, Refusal, Words
from ..strategies import (
    Limits,
    distinct,
    generators,
    integers,
    one_of,
    pad_values,
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
    """Shapes and options on which a kernel fits: (x shape, w shape, options)."""
    options = {
        "stride": draw(limits("stride", pairs(1, 3))),
        "pad": draw(limits("pad", pairs(0, 3))),
        "dilation": draw(limits("dilation", pairs(1, 2))),
        "groups": draw(limits("groups", few)),
    }
    kernel, room = draw(distinct(2, 1, 3)), draw(distinct(2, 0, 3))
    spans = zip(kernel, *(v if isinstance(v, tuple) else (v, v) for v in (options["dilation"], options["pad"])))
    H, W = (max(1, (K - 1) * d + 1 - 2 * p) + more for (K, d, p), more in zip(spans, room))
    C, filters, groups = draw(limits("channels", channels)), draw(whole(1, 2)), options["groups"]
    return (draw(whole(1, 2)), H, W, groups * C), (*kernel, C, groups * filters), options


@st.composite
def conv_cases(draw: st.DrawFn, limits: Limits) -> Case:
    x, w, options = draw(geometry(limits))
    rng = draw(generators())
    pad_value = draw(limits("pad_value", one_of(0.0, -1.0, 1.0, 2.5)))
    return Case((integers(rng, *x), integers(rng, *w)), options | {"pad_value": pad_value})


@st.composite
def transpose_cases(draw: st.DrawFn, limits: Limits) -> Case:
    x, w, options = draw(geometry(limits))
    rng = draw(generators())
    rows, cols = conv.output_size(
        "transpose_cases", x[1:3], w[:2], *(options[k] for k in ("stride", "pad", "dilation"))
    )
    return Case((integers(rng, x[0], rows, cols, w[3]), integers(rng, *w)), options | {"size": x[1:3]})


@st.composite
def binary_cases(draw: st.DrawFn, limits: Limits, channels: Any = word_edges) -> Case:
    x, w, options = draw(geometry(limits, channels))
    rng = draw(generators())
    return Case((signs(rng, *x), signs(rng, *w)), options | {"pad_value": draw(limits("pad_value", pad_values))})


@st.composite
def scaled_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(binary_cases(limits, few))
    x, w = case.args
    rng = draw(generators())
    alpha = rng.integers(1, 9, w.shape[-1]) / 8
    return Case((x, reals(rng, *w.shape), alpha), case.options | {"quantizer": draw(limits("quantizer", quantizers))})


@st.composite
def copied_cases(draw: st.DrawFn, limits: Limits, values: Callable = integers, channels: Any = few) -> Case:
    """A small map, and a kernel that fits the large one."""
    rng, (N, H, W), F = draw(generators()), draw(distinct(3, 1, 4)), draw(whole(1, 2))
    scale, pad = draw(limits("scale", pairs(1, 3))), draw(limits("pad", pairs(0, 3)))
    C = draw(limits("channels", channels))
    (SH, SW), (PH, PW) = (v if isinstance(v, tuple) else (v, v) for v in (scale, pad))
    KH, KW = (draw(whole(1, min(4, s * n + 2 * p))) for s, n, p in ((SH, H, PH), (SW, W, PW)))
    options = {"scale": scale, "pad": pad, "pad_value": draw(limits("pad_value", pad_values))}
    return Case((values(rng, N, H, W, C), values(rng, KH, KW, C, F)), options)


def copied_signs(limits: Limits) -> st.SearchStrategy[Case]:
    return copied_cases(limits, signs, word_edges)


@st.composite
def kernel_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (KH, KW, C, F) = draw(generators()), draw(distinct(4, 1, 4))
    return Case((integers(rng, KH, KW, C, F), draw(limits("scale", pairs(1, 3)))))


def packed_operands(case: Case) -> Case:
    """Activations and weights as words, and the true number of channels."""
    (x, w), groups = case.args, case.options.get("groups", 1)
    C = x.shape[-1]
    words = Words(binary_conv.pack_activations(x, groups), C // groups), Words(binary_conv.pack_weights(w), C // groups)
    return Case((*words, C), case.options)


def phase_kernel(w: Array, scale: HW) -> tuple[Array, tuple[HW, HW]]:
    """The kernel, and what its backward pass asks for."""
    return upsample_conv.phase_kernel(w, scale), (w.shape[:2], scale)


WHOLE = {"stride": (1, 1), "pad": (1, 1), "dilation": (1, 1), "groups": 1, "pad_value": 0}
# Every one of 3 * 3 * 64 taps disagrees: 576 disagreements overflow an 8-bit counter twice.
all_disagree = Case((-np.ones((1, 3, 4, 64)), np.ones((3, 3, 64, 2))), WHOLE)
COPIED = {"scale": (2, 2), "pad": (1, 1), "pad_value": 0}
all_copies_disagree = Case((-np.ones((1, 2, 3, 64)), np.ones((3, 3, 64, 2))), COPIED)

LATENT = np.array([0.0, -0.0, 0.5, -0.5]).reshape(1, 1, 2, 2)
ONE_TAP = {"stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "groups": 1, "pad_value": 1, "quantizer": clipped}
latent_zeros = Case((np.ones((1, 3, 4, 2)), LATENT, np.array([0.5, 1.0])), ONE_TAP)

MAP, KERNEL = np.ones((1, 3, 4, 2)), np.ones((3, 2, 2, 1))
NONE = {"pad_value": 1}

OPS = (
    Op(
        name="conv2d",
        spec=conv.conv2d_loops,
        forward=conv.conv2d,
        backward=conv.conv2d_backward,
        packed=Packed(
            binary_conv.conv2d_packed,
            packed_operands,
            cases=binary_cases,
            boundary=(all_disagree,),
            others={"fast conv2d_packed": fast.conv2d_packed},
        ),
        cases=conv_cases,
        laws=(
            additive(1),
            images_apart(0),
            adjoint(conv.conv2d, conv.conv2d_backward, 1),
            adjoint(conv.conv2d, conv.conv2d_backward, 0, only=lambda case: case.options.get("pad_value", 0) == 0),
        ),
        refuses=(
            Refusal(Case((MAP, KERNEL[:, :, :1])), "w has shape"),
            Refusal(Case((MAP, KERNEL), {"stride": 0}), "stride is 0"),
            Refusal(Case((MAP[:, :2], KERNEL)), "spans"),
            Refusal(Case((MAP.astype(int), KERNEL)), "x has dtype"),
        ),
        axes="NHWC HWIO -> NHWC",
    ),
    Op(
        name="conv_transpose2d",
        spec=conv.conv_transpose2d_loops,
        forward=conv.conv_transpose2d,
        backward=conv.conv_transpose2d_backward,
        cases=transpose_cases,
        laws=(
            additive(0),
            additive(1),
            images_apart(0),
            adjoint(conv.conv_transpose2d, conv.conv_transpose2d_backward),
        ),
        refuses=(Refusal(Case((MAP, KERNEL), {"size": (9, 9)}), "y has shape"),),
        axes="NHWC HWIO -> NHWC",
    ),
    Op(
        name="binary_conv2d",
        spec=binary_conv.binary_conv2d_loops,
        forward=binary_conv.binary_conv2d,
        backward=binary_conv.binary_conv2d_backward,
        cases=scaled_cases,
        boundary=(latent_zeros,),
        laws=(blind_to_doubling(1), doubles(2), images_apart(0)),
        refuses=(
            Refusal(Case((MAP, KERNEL, np.ones(1)), {"pad_value": 2}), "pad_value is 2"),
            Refusal(Case((MAP, KERNEL, np.ones(1))), "pad_value"),
            Refusal(Case((MAP, KERNEL, np.ones(3)), NONE), "alpha has shape"),
        ),
        axes="NHWC HWIO F -> NHWC",
        idle=("quantizer",),
    ),
    Op(
        name="phase_kernel",
        spec=upsample_conv.phase_kernel_loops,
        forward=phase_kernel,
        backward=lambda dkernel, cache: upsample_conv.phase_kernel_backward(dkernel, *cache),
        cases=kernel_cases,
        laws=(
            additive(0),
            Law(
                "every tap lies in every phase once",
                lambda f, c: (f(*c.args).sum(), c.args[0].sum() * np.prod(c.args[1])),
            ),
        ),
        refuses=(),
    ),
    Op(
        name="upsample_conv2d",
        spec=upsample_conv.upsample_conv2d_loops,
        forward=upsample_conv.upsample_conv2d,
        backward=upsample_conv.upsample_conv2d_backward,
        packed=Packed(
            upsample_conv.upsample_conv2d_packed,
            packed_operands,
            cases=copied_signs,
            boundary=(all_copies_disagree,),
            others={"fast upsample_conv2d_packed": fast.upsample_conv2d_packed},
        ),
        cases=copied_cases,
        laws=(
            additive(1),
            images_apart(0),
            Law(
                "it is the convolution of the upsampled map",
                lambda f, c: (
                    f(*c.args, **c.options),
                    conv.conv2d(
                        upsample_nearest(c.args[0], scale=c.options["scale"])[0],
                        c.args[1],
                        pad=c.options["pad"],
                        pad_value=float(c.options["pad_value"]),
                    )[0],
                ),
            ),
        ),
        refuses=(
            Refusal(Case((MAP, np.ones((9, 9, 2, 1)))), "spans"),
            Refusal(Case((MAP, KERNEL[:, :, :1])), "w has shape"),
            Refusal(Case((MAP, KERNEL), {"scale": 0}), "scale is 0"),
        ),
        axes="NHWC HWIO -> NHWC",
    ),
)
