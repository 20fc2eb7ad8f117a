"""Record of :mod:`tinybnn.ops.multibranch`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import multibranch
from ...ops.binarize import clipped, sign
from ...ops.binary_conv import pack_weights
from ...ops.upsample import BILINEAR, NEAREST, UPSAMPLERS
from ..laws import blind_to_doubling, doubles, images_apart
from ..op import Case, Packed, Words, call, record, refused
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
    whole,
    word_edges,
)

few = whole(1, 3)


@st.composite
def branch_cases(draw: st.DrawFn, limits: Limits, channels: Any = few) -> Case:
    """Up to three branches, each with its own upsampler; values equal to thresholds; gates of both shapes."""
    rng, R, (N, F) = draw(generators()), draw(few), draw(pairs(1, 2))
    C, (H, W), (KH, KW) = draw(limits("channels", channels)), draw(distinct(2, 1, 3)), draw(distinct(2, 1, 3))
    scale, pad = draw(limits("scale", pairs(1, 3))), draw(limits("pad", pairs(1, 2)))
    ups = draw(limits("upsamplers", st.tuples(*R * [one_of(*UPSAMPLERS.values())])))
    # Bilinear weights round, so rounding would decide whether a value reaches a threshold: these thresholds are reals.
    tau = np.stack([integers(rng, C) / 2 if up == NEAREST else reals(rng, C) for up in ups or R * [NEAREST]])
    sizes = zip(pair_of(scale), (H, W), pair_of(pad), (KH, KW))
    per_position = [s * n + 2 * p - K + 1 for s, n, p, K in sizes] if draw(st.booleans()) else ()
    x, w = integers(rng, N, H, W, C) / 2, integers(rng, R, KH, KW, C, F) / 2
    alpha, theta = rng.integers(1, 9, (R, F)) / 8, reals(rng, R, *per_position, F)
    pad_value = draw(limits("pad_value", pad_values))
    return call(x, tau, w, alpha, theta, pad_value=pad_value, scale=scale, pad=pad, upsamplers=ups)


@st.composite
def trained_cases(draw: st.DrawFn, limits: Limits) -> Case:
    args, options = draw(branch_cases(limits))
    return call(*args, **options, quantizer=draw(limits("quantizer", quantizers)))


@st.composite
def packed_cases(draw: st.DrawFn, limits: Limits) -> Case:
    (x, tau, w, alpha, theta), options = draw(branch_cases(limits, word_edges))
    return call(x, tau, w, reals(draw(generators()), *alpha.shape), theta, **options)


def packed_operands(case: Case) -> Case:
    """The weights of each branch as words."""
    x, tau, w, alpha, theta = case.args
    words = Words(np.stack([pack_weights(sign(branch)) for branch in w]), x.shape[-1])
    return Case((x, tau, words, alpha, theta), case.options)


def example(R: int, theta: Array, **options: Any) -> Case:
    """R branches on a small map; all of them use nearest upsampling unless ``options`` say otherwise."""
    rng = np.random.default_rng(R)
    args = integers(rng, 2, 2, 3, 2) / 2, integers(rng, R, 2) / 2, reals(rng, R, 3, 3, 2, 2), np.ones((R, 2)), theta
    return Case(args, {"pad_value": -1, "scale": (2, 2), "pad": (1, 1), "upsamplers": R * (NEAREST,)} | options)


zero_weights = example(1, np.zeros((1, 2)))
zero_weights.args[2][...] = [0.0, -0.0]
wide_open, one_shut = example(1, np.full((1, 2), np.inf)), example(2, np.stack([np.full(2, -np.inf), np.zeros(2)]))
mixed = example(3, reals(np.random.default_rng(0), 3, 4, 6, 2), upsamplers=(NEAREST, BILINEAR, NEAREST))
X, TAU, KERNEL, ALPHA, THETA = one_shut.args

# fmt: off
OPS = (
    record(multibranch.multi_branch_upsample, trained_cases, axes="NHWC RC RHWIO RF RHWF -> NHWC", idle=("quantizer",),
           packed=Packed(multibranch.multi_branch_upsample_packed, packed_operands, cases=packed_cases,
                         boundary=(wide_open, one_shut, mixed)),
           boundary=tuple(call(*c.args, **c.options, quantizer=clipped) for c in (wide_open, one_shut, zero_weights)),
           laws=(blind_to_doubling(0, 1), blind_to_doubling(2), doubles(3), images_apart(0)),
           roundings=lambda case: len(case.args[1]) + 8,
           refuses=(refused("pad_value is 2", X, TAU, KERNEL, ALPHA, THETA, pad_value=2),
                    refused("pad_value", X, TAU, KERNEL, ALPHA, THETA),
                    refused("alpha has shape (3, 2)", X, TAU, KERNEL, np.ones((3, 2)), THETA, pad_value=1))),
)
