"""Records of :mod:`tinybnn.conv` and :mod:`tinybnn.binary_conv`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ... import binary_conv, conv, packed_conv, phases, upsample_conv
from ...notation import Array
from ...product import forms
from ..op import Case, Op, ignoring
from ..strategies import distinct, generators, integers, pad_values, pairs, quantizers, reals, signs, word_edges

few = st.integers(1, 3)


@st.composite
def geometry(draw: st.DrawFn, channels: st.SearchStrategy[int]) -> tuple[tuple, tuple, dict[str, Any]]:
    """Shapes and options on which a kernel fits: (x shape, w shape, options)."""
    groups, per_group, filters = draw(st.integers(1, 3)), draw(channels), draw(st.integers(1, 2))
    KH, KW = draw(distinct(2, 1, 3))
    H, W = draw(distinct(2, 5, 8))
    options = dict(stride=draw(pairs(1, 3)), pad=draw(pairs(0, 3)), dilation=draw(pairs(1, 2)), groups=groups)
    return (draw(st.integers(1, 2)), H, W, groups * per_group), (KH, KW, per_group, groups * filters), options


@st.composite
def conv_cases(draw: st.DrawFn) -> Case:
    x, w, options = draw(geometry(st.integers(1, 3)))
    rng = draw(generators())
    return Case(
        (integers(rng, *x), integers(rng, *w)), options | {"pad_value": draw(st.sampled_from([-1.0, 0.0, 1.0, 2.5]))}
    )


@st.composite
def transpose_cases(draw: st.DrawFn) -> Case:
    x, w, options = draw(geometry(st.integers(1, 3)))
    rng = draw(generators())
    rows, cols = conv.output_size(
        "transpose_cases", x[1:3], w[:2], *(options[k] for k in ("stride", "pad", "dilation"))
    )
    return Case((integers(rng, x[0], rows, cols, w[3]), integers(rng, *w)), options | {"size": x[1:3]})


@st.composite
def binary_cases(draw: st.DrawFn, channels: st.SearchStrategy[int] = word_edges) -> Case:
    x, w, options = draw(geometry(channels))
    rng = draw(generators())
    return Case((signs(rng, *x), signs(rng, *w)), options | {"pad_value": draw(pad_values)})


@st.composite
def scaled_cases(draw: st.DrawFn) -> Case:
    case = draw(binary_cases(st.integers(1, 3)))
    x, w = case.args
    rng = draw(generators())
    alpha = rng.integers(1, 9, w.shape[-1]) / 8
    return Case((x, reals(rng, *w.shape), alpha), case.options | {"quantizer": draw(quantizers)})


@st.composite
def copied_cases(draw: st.DrawFn, values: Callable, channels: st.SearchStrategy[int] = few) -> Case:
    """A small map, and a kernel that fits the large one."""
    rng, (N, H, W), F = draw(generators()), draw(distinct(3, 1, 4)), draw(st.integers(1, 2))
    (SH, SW), pad, C = draw(pairs(1, 3)), draw(pairs(0, 3)), draw(channels)
    KH, KW = (draw(st.integers(1, min(4, s * n + 2 * p))) for s, n, p in ((SH, H, pad[0]), (SW, W, pad[1])))
    options = {"scale": (SH, SW), "pad": pad, "pad_value": draw(pad_values)}
    return Case((values(rng, N, H, W, C), values(rng, KH, KW, C, F)), options)


def packed_signs(x: Array, w: Array, groups: int = 1, **options: Any) -> Array:
    """Pack both operands and convolve the words."""
    words = packed_conv.pack_activations(x, groups), packed_conv.pack_weights(w)
    return packed_conv.conv2d_packed(*words, x.shape[-1], groups=groups, **options)


def packed_copies(x: Array, w: Array, **options: Any) -> Array:
    """Pack both operands and convolve the words' copies."""
    words = packed_conv.pack_activations(x), packed_conv.pack_weights(w)
    return packed_conv.upsample_conv2d_packed(*words, x.shape[-1], **options)


# Every one of 3 * 3 * 64 taps disagrees: 576 disagreements overflow an 8-bit counter twice.
all_disagree = Case((-np.ones((1, 3, 4, 64)), np.ones((3, 3, 64, 2))), {"pad": 1, "pad_value": 0})
all_copies_disagree = Case((-np.ones((1, 2, 3, 64)), np.ones((3, 3, 64, 2))), {"scale": 2, "pad": 1, "pad_value": 0})

OPS = (
    Op(
        name="conv2d",
        spec=conv.conv2d_loops,
        forward=conv.conv2d,
        backward=conv.conv2d_backward,
        cases=conv_cases(),
    ),
    Op(
        name="conv_transpose2d",
        spec=conv.conv_transpose2d_loops,
        forward=conv.conv_transpose2d,
        backward=conv.conv_transpose2d_backward,
        cases=transpose_cases(),
    ),
    Op(
        name="binary_conv2d",
        spec=ignoring(binary_conv.binary_conv2d_loops, "quantizer"),
        forward=binary_conv.binary_conv2d,
        backward=binary_conv.binary_conv2d_backward,
        cases=scaled_cases(),
    ),
    *(
        Op(
            name=name,
            spec=conv.conv2d_loops,
            forward=conv.conv2d,
            packed=partial(packed_signs, form=form),
            cases=binary_cases(),
            boundary=(all_disagree,),
        )
        for name, form in forms("conv2d_packed").items()
    ),
    Op(
        name="phase_kernel",
        spec=phases.phase_kernel_loops,
        forward=lambda w, scale: (phases.phase_kernel(w, scale), (w.shape[:2], scale)),
        backward=lambda dkernel, cache: phases.phase_kernel_backward(dkernel, *cache),
        cases=copied_cases(integers).map(lambda case: Case((case.args[1],), {"scale": case.options["scale"]})),
    ),
    Op(
        name="upsample_conv2d",
        spec=upsample_conv.upsample_conv2d_loops,
        forward=upsample_conv.upsample_conv2d,
        backward=upsample_conv.upsample_conv2d_backward,
        cases=copied_cases(integers),
    ),
    *(
        Op(
            name=name,
            spec=upsample_conv.upsample_conv2d_loops,
            forward=upsample_conv.upsample_conv2d,
            packed=partial(packed_copies, form=form),
            cases=copied_cases(signs, word_edges),
            boundary=(all_copies_disagree,),
        )
        for name, form in forms("upsample_conv2d_packed").items()
    ),
)
