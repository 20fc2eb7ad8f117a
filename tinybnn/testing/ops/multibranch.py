"""Records of :mod:`tinybnn.ops.multibranch`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import multibranch
from ...ops.binarize import clipped, sign
from ...ops.binary_conv import pack_weights
from ...ops.upsample import BILINEAR, NEAREST, UPSAMPLERS
from ..laws import blind_to_doubling, doubles, images_apart
from ..op import Case, Op, Packed, Refusal, Words
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
    whole,
    word_edges,
)

few = whole(1, 3)


@st.composite
def branch_cases(draw: st.DrawFn, limits: Limits, channels: Any = few) -> Case:
    """Any number of branches, each with its own upsampler; ties at thresholds, and gates of both shapes."""
    rng, R, (N, F) = draw(generators()), draw(few), draw(pairs(1, 2))
    C, (H, W), (KH, KW) = draw(limits("channels", channels)), draw(distinct(2, 1, 3)), draw(distinct(2, 1, 3))
    (SH, SW), pad = draw(limits("scale", pairs(1, 3))), draw(limits("pad", pairs(1, 2)))
    ups = draw(limits("upsamplers", st.tuples(*R * [one_of(*UPSAMPLERS.values())])))
    # Bilinear weights round, so a tie there would be decided by rounding: those thresholds lie between.
    tau = np.stack([integers(rng, C) / 2 if up == NEAREST else reals(rng, C) for up in ups])
    per_position = (SH * H + 2 * pad[0] - KH + 1, SW * W + 2 * pad[1] - KW + 1) if draw(st.booleans()) else ()
    args = (
        integers(rng, N, H, W, C) / 2,
        tau,
        integers(rng, R, KH, KW, C, F) / 2,
        rng.integers(1, 9, (R, F)) / 8,
        reals(rng, R, *per_position, F),
    )
    options = {"pad_value": draw(limits("pad_value", pad_values)), "scale": (SH, SW), "pad": pad, "upsamplers": ups}
    return Case(args, options)


@st.composite
def trained_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(branch_cases(limits))
    return Case(case.args, case.options | {"quantizer": draw(limits("quantizer", quantizers))})


@st.composite
def packed_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(branch_cases(limits, word_edges))
    x, tau, w, alpha, theta = case.args
    return Case((x, tau, w, reals(draw(generators()), *alpha.shape), theta), case.options)


def packed_operands(case: Case) -> Case:
    """The weights of each branch as words."""
    x, tau, w, alpha, theta = case.args
    words = Words(np.stack([pack_weights(sign(branch)) for branch in w]), x.shape[-1])
    return Case((x, tau, words, alpha, theta), case.options)


def example(R: int, theta: Array, **options: Any) -> Case:
    """R branches on a small map, all of them nearest where nothing is said."""
    rng = np.random.default_rng(R)
    args = integers(rng, 2, 2, 3, 2) / 2, integers(rng, R, 2) / 2, reals(rng, R, 3, 3, 2, 2), np.ones((R, 2)), theta
    return Case(args, {"pad_value": -1, "scale": (2, 2), "pad": (1, 1), "upsamplers": R * (NEAREST,)} | options)


unborn = example(1, np.zeros((1, 2)))
unborn.args[2][...] = [0.0, -0.0]  # latent weights of exactly 0
wide_open = example(1, np.full((1, 2), np.inf))
one_shut = example(2, np.stack([np.full(2, -np.inf), np.zeros(2)]))
mixed = example(3, reals(np.random.default_rng(0), 3, 4, 6, 2), upsamplers=(NEAREST, BILINEAR, NEAREST))

ARGS = one_shut.args

OPS = (
    Op(
        name="multi_branch_upsample",
        spec=multibranch.multi_branch_upsample_loops,
        forward=multibranch.multi_branch_upsample,
        backward=multibranch.multi_branch_upsample_backward,
        packed=Packed(
            multibranch.multi_branch_upsample_packed,
            packed_operands,
            cases=packed_cases,
            boundary=(wide_open, one_shut, mixed),
        ),
        cases=trained_cases,
        boundary=tuple(Case(c.args, c.options | {"quantizer": clipped}) for c in (wide_open, one_shut, unborn)),
        laws=(blind_to_doubling(0, 1), blind_to_doubling(2), doubles(3), images_apart(0)),
        refuses=(
            Refusal(Case(ARGS, {"pad_value": 2}), "pad_value is 2"),
            Refusal(Case(ARGS), "pad_value"),
            Refusal(Case((*ARGS[:3], np.ones((3, 2)), ARGS[4]), {"pad_value": 1}), "alpha has shape (3, 2)"),
        ),
        roundings=lambda case: len(case.args[1]) + 8,
        axes="NHWC RC RHWIO RF RHWF -> NHWC",
        idle=("quantizer",),
    ),
)
