"""Records of :mod:`tinybnn.multibranch`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ... import multibranch, multibranch_packed
from ...binarize import clipped, sign
from ...notation import Array
from ...packed_conv import pack_weights
from ...upsample import BILINEAR, NEAREST, UPSAMPLERS
from ..op import Case, Op, ignoring
from ..strategies import distinct, generators, integers, pad_values, pairs, quantizers, reals, word_edges

few = st.integers(1, 3)


@st.composite
def branch_cases(draw: st.DrawFn, channels: st.SearchStrategy[int] = few) -> Case:
    """Any number of branches, each with its own upsampler; ties at thresholds, and gates of both shapes."""
    rng, R, C, (N, F) = draw(generators()), draw(few), draw(channels), draw(pairs(1, 2))
    (H, W), (KH, KW) = draw(distinct(2, 1, 3)), draw(distinct(2, 1, 3))
    (SH, SW), pad = draw(pairs(1, 3)), draw(pairs(1, 2))
    ups = tuple(draw(st.sampled_from(list(UPSAMPLERS.values()))) for _ in range(R))
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
    options = {"pad_value": draw(pad_values), "scale": (SH, SW), "pad": pad, "upsamplers": ups}
    return Case(args, options)


@st.composite
def trained_cases(draw: st.DrawFn) -> Case:
    case = draw(branch_cases())
    return Case(case.args, case.options | {"quantizer": draw(quantizers)})


@st.composite
def packed_cases(draw: st.DrawFn) -> Case:
    case = draw(branch_cases(word_edges))
    x, tau, w, alpha, theta = case.args
    return Case((x, tau, w, reals(draw(generators()), *alpha.shape), theta), case.options)


def packed_branches(x: Array, tau: Array, w: Array, alpha: Array, theta: Array, **options: Any) -> Array:
    """Pack the weights of each branch and run the packed form."""
    words = np.stack([pack_weights(sign(branch)) for branch in w])
    return multibranch_packed.multi_branch_upsample_packed(x, tau, words, alpha, theta, **options)


def simulated(*args: Array, **options: Any) -> Array:
    """The value of the float form."""
    return multibranch.multi_branch_upsample(*args, **options)[0]


def example(R: int, theta: Array, **options: Any) -> Case:
    """R branches on a small map, with defaults where nothing is said."""
    rng = np.random.default_rng(R)
    args = integers(rng, 2, 2, 3, 2) / 2, integers(rng, R, 2) / 2, reals(rng, R, 3, 3, 2, 2), np.ones((R, 2)), theta
    return Case(args, {"pad_value": -1} | options)


wide_open = example(1, np.full((1, 2), np.inf))
one_shut = example(2, np.stack([np.full(2, -np.inf), np.zeros(2)]))
mixed = example(3, reals(np.random.default_rng(0), 3, 4, 6, 2), upsamplers=(NEAREST, BILINEAR, NEAREST))

OPS = (
    Op(
        name="multi_branch_upsample",
        spec=ignoring(multibranch.multi_branch_upsample_loops, "quantizer"),
        forward=multibranch.multi_branch_upsample,
        backward=multibranch.multi_branch_upsample_backward,
        cases=trained_cases(),
        boundary=tuple(Case(c.args, c.options | {"quantizer": clipped}) for c in (wide_open, one_shut)),
        roundings=8,
    ),
    Op(
        name="multi_branch_upsample_packed",
        spec=simulated,
        forward=multibranch.multi_branch_upsample,
        packed=packed_branches,
        cases=packed_cases(),
        boundary=(wide_open, one_shut, mixed),
        roundings=8,
    ),
)
