"""Records of :mod:`tinybnn.pool`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ... import bitpack, pool
from ...notation import Array
from ..op import Case, Op
from ..strategies import distinct, generators, integers, pairs, reals, signs, word_edges


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """A kernel, not square, and a stride smaller or larger than it, or none."""
    kernel = tuple(draw(distinct(2, 1, 3)))
    return {"kernel": kernel, "stride": draw(st.one_of(st.none(), st.integers(1, 3), pairs(1, 3)))}


@st.composite
def map_cases(draw: st.DrawFn, values: Callable = integers, channels: st.SearchStrategy[int] | None = None) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 6).filter(lambda s: min(s[1:3]) >= 3))
    return Case((values(rng, N, H, W, C if channels is None else draw(channels)),), draw(windows()))


@st.composite
def padded_cases(draw: st.DrawFn) -> Case:
    case = draw(map_cases())
    KH, KW = case.options["kernel"]
    pad = draw(st.integers(0, KH - 1)), draw(st.integers(0, KW - 1))
    return Case((case.args[0] - 4,), case.options | {"pad": pad})  # all below 0: padding with 0 would win


@st.composite
def adaptive_cases(draw: st.DrawFn) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 7))
    return Case((reals(rng, N, H, W, C),), {"size": draw(st.one_of(st.integers(1, 4), pairs(1, 8)))})


def packed_maximum(x: Array, **options: Any) -> Array:
    """Pack, pool the words, unpack."""
    return bitpack.unpack(pool.max_pool2d_packed(bitpack.pack(x), **options), x.shape[-1])


board = Case((np.arange(30.0).reshape(1, 5, 6, 1) % 7,), {"kernel": (2, 3), "stride": (1, 2)})

OPS = (
    Op(
        name="max_pool2d",
        spec=pool.max_pool2d_loops,
        forward=pool.max_pool2d,
        backward=pool.max_pool2d_backward,
        cases=padded_cases(),
        boundary=(board, Case(board.args, {"kernel": 3, "stride": 2, "pad": 1})),
    ),
    Op(
        name="max_pool2d_packed",
        spec=pool.max_pool2d_loops,
        forward=pool.max_pool2d,
        packed=packed_maximum,
        cases=map_cases(signs, word_edges),
    ),
    Op(
        name="avg_pool2d",
        spec=pool.avg_pool2d_loops,
        forward=pool.avg_pool2d,
        backward=pool.avg_pool2d_backward,
        cases=map_cases(),
        boundary=(board,),
        roundings=2,
    ),
    Op(
        name="adaptive_avg_pool2d",
        spec=pool.adaptive_avg_pool2d_loops,
        forward=pool.adaptive_avg_pool2d,
        backward=pool.adaptive_avg_pool2d_backward,
        cases=adaptive_cases(),
        roundings=8,
    ),
)
