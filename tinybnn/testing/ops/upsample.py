"""Records of :mod:`tinybnn.ops.upsample` and :mod:`tinybnn.ops.upsample`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import bitpack, upsample
from ...ops import upsample as subpixel
from ..laws import additive, adjoint, doubles, images_apart, inverse
from ..op import Case, Op, Packed, Refusal, Words
from ..strategies import Limits, distinct, generators, integers, one_of, pairs, signs, whole, word_edges

scales = one_of(whole(1, 3), pairs(1, 3))


@st.composite
def map_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 5))
    C = draw(limits("channels", st.just(C)))
    return Case((integers(rng, N, H, W, C),), {"scale": draw(limits("scale", scales))})


@st.composite
def bilinear_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(map_cases(limits))
    return Case(case.args, case.options | {"align_corners": draw(limits("align_corners", st.booleans()))})


@st.composite
def block_cases(draw: st.DrawFn, limits: Limits) -> tuple[Array, Array, dict[str, Any]]:
    """A map of whole blocks, (N, SH h, SW w, C), and the same numbers as the depth it would be gathered to."""
    rng, (N, h, w, C), scale = draw(generators()), draw(distinct(4, 1, 4)), draw(limits("scale", pairs(1, 3)))
    SH, SW = scale if isinstance(scale, tuple) else (scale, scale)
    return integers(rng, N, SH * h, SW * w, C), integers(rng, N, h, w, SH * SW * C), {"scale": scale}


def deep_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return block_cases(limits).map(lambda blocks: Case((blocks[1],), blocks[2]))


def wide_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return block_cases(limits).map(lambda blocks: Case((blocks[0],), blocks[2]))


@st.composite
def sign_map_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W) = draw(generators()), draw(distinct(3, 1, 5))
    x = signs(rng, N, H, W, draw(limits("channels", word_edges)))
    return Case((x,), {"scale": draw(limits("scale", scales))})


def packed_map(case: Case) -> Case:
    """The map of signs as words."""
    (x,) = case.args
    return Case((Words(bitpack.pack(x), x.shape[-1]),), case.options)


MAP = np.ones((1, 2, 3, 4))
SCALES = (
    Refusal(Case((MAP,), {"scale": 0}), "scale is 0"),
    Refusal(Case((MAP[0],), {"scale": 2}), "x has shape (2, 3, 4)"),
    Refusal(Case((MAP.astype(int),), {"scale": 2}), "x has dtype int64"),
)

OPS = (
    Op(
        name="upsample_nearest",
        spec=upsample.upsample_nearest_loops,
        forward=upsample.upsample_nearest,
        backward=upsample.upsample_nearest_backward,
        packed=Packed(upsample.upsample_nearest_packed, packed_map, cases=sign_map_cases, words=True),
        cases=map_cases,
        laws=(
            additive(0),
            images_apart(0),
            adjoint(upsample.upsample_nearest, upsample.upsample_nearest_backward),
            inverse("every so many pixels it holds the map", lambda y, c: y[:, :: rows_of(c), :: columns_of(c)]),
        ),
        refuses=SCALES,
        axes="NHWC -> NHWC",
    ),
    Op(
        name="upsample_bilinear",
        spec=upsample.upsample_bilinear_loops,
        forward=upsample.upsample_bilinear,
        backward=upsample.upsample_bilinear_backward,
        cases=bilinear_cases,
        laws=(doubles(0),),
        refuses=SCALES,
        roundings=8,
        axes="NHWC -> NHWC",
    ),
    Op(
        name="depth_to_space",
        spec=subpixel.depth_to_space_loops,
        forward=subpixel.depth_to_space,
        backward=subpixel.depth_to_space_backward,
        cases=deep_cases,
        laws=(
            images_apart(0),
            adjoint(subpixel.depth_to_space, subpixel.depth_to_space_backward),
            inverse("space_to_depth undoes it", lambda y, c: subpixel.space_to_depth(y, **c.options)[0]),
        ),
        refuses=(Refusal(Case((MAP,), {"scale": 3}), "x has 4 channels"), SCALES[0]),
        axes="NHWC -> NHWC",
    ),
    Op(
        name="space_to_depth",
        spec=subpixel.space_to_depth_loops,
        forward=subpixel.space_to_depth,
        backward=subpixel.space_to_depth_backward,
        cases=wide_cases,
        laws=(
            images_apart(0),
            adjoint(subpixel.space_to_depth, subpixel.space_to_depth_backward),
            inverse("depth_to_space undoes it", lambda y, c: subpixel.depth_to_space(y, **c.options)[0]),
        ),
        refuses=(Refusal(Case((MAP,), {"scale": 2}), "x is 2 x 3"), SCALES[0]),
        axes="NHWC -> NHWC",
    ),
)


def rows_of(case: Case) -> int:
    scale = case.options["scale"]
    return scale[0] if isinstance(scale, tuple) else scale


def columns_of(case: Case) -> int:
    scale = case.options["scale"]
    return scale[1] if isinstance(scale, tuple) else scale
