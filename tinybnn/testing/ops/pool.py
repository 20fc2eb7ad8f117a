"""Records of :mod:`tinybnn.ops.pool`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...ops import pool
from ..laws import doubles, follows, images_apart
from ..op import Case, Law, Op, Packed, Refusal
from ..strategies import Limits, distinct, generators, integers, one_of, pairs, reals, signs, whole, word_edges
from .upsample import packed_map


@st.composite
def windows(draw: st.DrawFn, limits: Limits) -> dict[str, Any]:
    """A kernel, not square, and a stride smaller or larger than it, or none."""
    kernel = draw(limits("kernel", distinct(2, 1, 3).map(tuple)))
    return {"kernel": kernel, "stride": draw(limits("stride", one_of(None, whole(1, 3), pairs(1, 3))))}


@st.composite
def map_cases(draw: st.DrawFn, limits: Limits, values: Callable = integers, channels: Any = None) -> Case:
    rng, (N, H, W, C), options = draw(generators()), draw(distinct(4, 1, 4)), draw(windows(limits))
    KH, KW = pair(options["kernel"])
    C = draw(limits("channels", st.just(C) if channels is None else channels))
    return Case((values(rng, N, H + KH - 1, W + KW - 1, C),), options)


def sign_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return map_cases(limits, signs, word_edges)


@st.composite
def padded_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(map_cases(limits))
    KH, KW = pair(case.options["kernel"])
    pad = draw(limits("pad", st.tuples(whole(0, KH - 1), whole(0, KW - 1))))
    return Case((case.args[0] - 4,), case.options | {"pad": pad})  # all below 0: padding with 0 would win


@st.composite
def adaptive_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 7))
    C = draw(limits("channels", st.just(C)))
    return Case((reals(rng, N, H, W, C),), {"size": draw(limits("size", one_of(whole(1, 4), pairs(1, 8))))})


def pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


board = Case((np.arange(30.0).reshape(1, 5, 6, 1) % 7,), {"kernel": (2, 3), "stride": (1, 2)})
MAP = board.args
KERNELS = (
    Refusal(Case(MAP, {"kernel": 9}), "kernel"),
    Refusal(Case(MAP, {"kernel": 2, "stride": 0}), "stride is 0"),
    Refusal(Case((MAP[0][0],), {"kernel": 2}), "x has shape (5, 6, 1)"),
)

OPS = (
    Op(
        name="max_pool2d",
        spec=pool.max_pool2d_loops,
        forward=pool.max_pool2d,
        backward=pool.max_pool2d_backward,
        packed=Packed(pool.max_pool2d_packed, packed_map, cases=sign_cases, words=True),
        cases=padded_cases,
        boundary=(
            Case(MAP, board.options | {"pad": (0, 0)}),
            Case(MAP, {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}),
        ),
        laws=(
            images_apart(0),
            doubles(0),
            follows("one more everywhere gives one more", {0: lambda x: x + 1}, lambda y: y + 1),
        ),
        refuses=KERNELS,
        axes="NHWC -> NHWC",
    ),
    Op(
        name="avg_pool2d",
        spec=pool.avg_pool2d_loops,
        forward=pool.avg_pool2d,
        backward=pool.avg_pool2d_backward,
        cases=map_cases,
        boundary=(board,),
        laws=(
            images_apart(0),
            doubles(0),
            Law("a constant map keeps its value", lambda f, c: (np.unique(f(0 * c.args[0] + 3, **c.options)), [3.0])),
        ),
        refuses=KERNELS,
        roundings=2,
        axes="NHWC -> NHWC",
    ),
    Op(
        name="adaptive_avg_pool2d",
        spec=pool.adaptive_avg_pool2d_loops,
        forward=pool.adaptive_avg_pool2d,
        backward=pool.adaptive_avg_pool2d_backward,
        cases=adaptive_cases,
        laws=(
            doubles(0),
            Law(
                "a grid of the map's own size is the map",
                lambda f, c: (f(c.args[0], size=c.args[0].shape[1:3]), c.args[0]),
            ),
        ),
        refuses=(Refusal(Case(MAP, {"size": 0}), "size is 0"), Refusal(Case((MAP[0][0],), {"size": 1}), "x has shape")),
        roundings=lambda case: case.args[0].shape[1] + case.args[0].shape[2] + 4,
        axes="NHWC -> NHWC",
    ),
)
