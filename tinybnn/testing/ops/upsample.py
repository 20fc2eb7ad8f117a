"""Records of :mod:`tinybnn.upsample`."""

from typing import Any

from hypothesis import strategies as st

from ... import bitpack, subpixel, upsample
from ...notation import Array
from ..op import Case, Op
from ..strategies import distinct, generators, integers, pairs, signs, word_edges

scales = st.one_of(st.integers(1, 3), pairs(1, 3))


@st.composite
def map_cases(draw: st.DrawFn) -> Case:
    return Case((integers(draw(generators()), *draw(distinct(4, 1, 5))),), {"scale": draw(scales)})


@st.composite
def bilinear_cases(draw: st.DrawFn) -> Case:
    case = draw(map_cases())
    return Case(case.args, case.options | {"align_corners": draw(st.booleans())})


@st.composite
def block_cases(draw: st.DrawFn) -> tuple[Array, Array, dict[str, Any]]:
    """A map of whole blocks, (N, SH h, SW w, C), and the same numbers as the depth it would be gathered to."""
    rng, (N, h, w, C), (SH, SW) = draw(generators()), draw(distinct(4, 1, 4)), draw(pairs(1, 3))
    return integers(rng, N, SH * h, SW * w, C), integers(rng, N, h, w, SH * SW * C), {"scale": (SH, SW)}


@st.composite
def sign_map_cases(draw: st.DrawFn) -> Case:
    rng, (N, H, W) = draw(generators()), draw(distinct(3, 1, 5))
    return Case((signs(rng, N, H, W, draw(word_edges)),), {"scale": draw(scales)})


def packed_nearest(x: Array, **options: Any) -> Array:
    """Pack, repeat the words, unpack."""
    return bitpack.unpack(upsample.upsample_nearest_packed(bitpack.pack(x), **options), x.shape[-1])


OPS = (
    Op(
        name="upsample_nearest",
        spec=upsample.upsample_nearest_loops,
        forward=upsample.upsample_nearest,
        backward=upsample.upsample_nearest_backward,
        cases=map_cases(),
    ),
    Op(
        name="upsample_nearest_packed",
        spec=upsample.upsample_nearest_loops,
        forward=upsample.upsample_nearest,
        packed=packed_nearest,
        cases=sign_map_cases(),
    ),
    Op(
        name="upsample_bilinear",
        spec=upsample.upsample_bilinear_loops,
        forward=upsample.upsample_bilinear,
        backward=upsample.upsample_bilinear_backward,
        cases=bilinear_cases(),
        roundings=8,
    ),
    Op(
        name="depth_to_space",
        spec=subpixel.depth_to_space_loops,
        forward=subpixel.depth_to_space,
        backward=subpixel.depth_to_space_backward,
        cases=block_cases().map(lambda blocks: Case((blocks[1],), blocks[2])),
    ),
    Op(
        name="space_to_depth",
        spec=subpixel.space_to_depth_loops,
        forward=subpixel.space_to_depth,
        backward=subpixel.space_to_depth_backward,
        cases=block_cases().map(lambda blocks: Case((blocks[0],), blocks[2])),
    ),
)
