"""Records of :mod:`tinybnn.ops.upsample`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import bitpack, upsample
from ..laws import additive, adjoint, doubles, images_apart, inverse
from ..op import ANYTHING, Case, Packed, Words, call, record, refused
from ..strategies import Limits, distinct, generators, integers, one_of, pair_of, pairs, signs, whole, word_edges

scales = one_of(whole(1, 3), pairs(1, 3))


@st.composite
def map_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 5))
    C = draw(limits("channels", st.just(C)))
    return call(integers(rng, N, H, W, C), scale=draw(limits("scale", scales)))


@st.composite
def bilinear_cases(draw: st.DrawFn, limits: Limits) -> Case:
    args, options = draw(map_cases(limits))
    return call(*args, **options, align_corners=draw(limits("align_corners", st.booleans())))


@st.composite
def block_cases(draw: st.DrawFn, limits: Limits) -> tuple[Array, Array, dict[str, Any]]:
    """A map of whole blocks, (N, SH h, SW w, C), a map of the shape that gathers them into depth, and the scale."""
    rng, (N, h, w, C), scale = draw(generators()), draw(distinct(4, 1, 4)), draw(limits("scale", pairs(1, 3)))
    SH, SW = pair_of(scale)
    return integers(rng, N, SH * h, SW * w, C), integers(rng, N, h, w, SH * SW * C), {"scale": scale}


def deep_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return block_cases(limits).map(lambda blocks: Case((blocks[1],), blocks[2]))


def wide_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return block_cases(limits).map(lambda blocks: Case((blocks[0],), blocks[2]))


@st.composite
def sign_map_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W) = draw(generators()), draw(distinct(3, 1, 5))
    x = signs(rng, N, H, W, draw(limits("channels", word_edges)))
    return call(x, scale=draw(limits("scale", scales)))


def packed_map(case: Case) -> Case:
    """The map of signs as words."""
    (x,) = case.args
    return Case((Words(bitpack.pack(x), x.shape[-1]),), case.options)


def every_block(y: Array, case: Case) -> Array:
    """One pixel of each block."""
    SH, SW = pair_of(case.options["scale"])
    return y[:, ::SH, ::SW]


MAP, NHWC = np.ones((1, 2, 3, 4)), {"axes": "NHWC -> NHWC"}
no_scale = refused("scale is 0", MAP, scale=0)
nearest = adjoint(upsample.upsample_nearest, upsample.upsample_nearest_backward)
deep = adjoint(upsample.depth_to_space, upsample.depth_to_space_backward)
wide = adjoint(upsample.space_to_depth, upsample.space_to_depth_backward)
holds_the_map = inverse("one pixel of each block is the map", every_block)
undo_deep = inverse("space_to_depth undoes it", lambda y, c: upsample.space_to_depth(y, **c.options)[0])
undo_wide = inverse("depth_to_space undoes it", lambda y, c: upsample.depth_to_space(y, **c.options)[0])

# fmt: off
OPS = (
    record(upsample.upsample_nearest, map_cases, laws=(additive(0), images_apart(0), nearest, holds_the_map), **NHWC,
           spreads=ANYTHING,
           packed=Packed(upsample.upsample_nearest_packed, packed_map, cases=sign_map_cases, words=True),
           refuses=(no_scale,)),
    record(upsample.upsample_bilinear, bilinear_cases, laws=(doubles(0),), refuses=(no_scale,), roundings=8, **NHWC),
    record(upsample.depth_to_space, deep_cases, spreads=ANYTHING, laws=(images_apart(0), deep, undo_deep), **NHWC,
           refuses=(refused("x has 4 channels", MAP, scale=3), no_scale)),
    record(upsample.space_to_depth, wide_cases, spreads=ANYTHING, laws=(images_apart(0), wide, undo_wide), **NHWC,
           refuses=(refused("x is 2 x 3", MAP, scale=2), no_scale)),
)
