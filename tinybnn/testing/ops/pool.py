"""Records of :mod:`tinybnn.ops.pool`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...ops import pool
from ..laws import doubles, follows, images_apart
from ..op import ANYTHING, INFINITE, MANY, Case, Law, Packed, call, of_a_sum, record, refused
from ..strategies import Limits, distinct, generators, integers, one_of, pair_of, pairs, reals, signs, whole, word_edges
from .upsample import packed_map


@st.composite
def windows(draw: st.DrawFn, limits: Limits) -> dict[str, Any]:
    """A kernel that is not square, and a stride that is smaller or larger than the kernel, or None."""
    kernel = draw(limits("kernel", distinct(2, 1, 3).map(tuple)))
    return {"kernel": kernel, "stride": draw(limits("stride", one_of(None, whole(1, 3), pairs(1, 3))))}


@st.composite
def map_cases(draw: st.DrawFn, limits: Limits, values: Callable = integers, channels: Any = None) -> Case:
    rng, (N, H, W, C), options = draw(generators()), draw(distinct(4, 1, 4)), draw(windows(limits))
    KH, KW = pair_of(options["kernel"])
    C = draw(limits("channels", st.just(C) if channels is None else channels))
    return Case((values(rng, N, H + KH - 1, W + KW - 1, C),), options)


def sign_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return map_cases(limits, signs, word_edges)


@st.composite
def padded_cases(draw: st.DrawFn, limits: Limits) -> Case:
    (x,), options = draw(map_cases(limits))
    KH, KW = pair_of(options["kernel"])
    pad = draw(limits("pad", st.tuples(whole(0, KH - 1), whole(0, KW - 1))))
    return call(x - 4, **options, pad=pad)  # all values are below 0, so a padding of 0 would be the maximum


@st.composite
def adaptive_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 7))
    C = draw(limits("channels", st.just(C)))
    return call(reals(rng, N, H, W, C), size=draw(limits("size", one_of(whole(1, 4), pairs(1, 8)))))


def axis_roundings(case: Case) -> int:
    """Sums over rows and columns."""
    return sum(map(of_a_sum, case.args[0].shape[1:3])) + 4


MAP, NHWC = np.arange(30.0).reshape(1, 5, 6, 1) % 7, {"axes": "NHWC -> NHWC"}
KERNELS = refused("kernel", MAP, kernel=9), refused("stride is 0", MAP, kernel=2, stride=0)
one_more = follows("one more everywhere gives one more", {0: lambda x: x + 1}, lambda y: y + 1)
constant = Law("a constant map keeps its value", lambda f, c: (np.unique(f(0 * c.args[0] + 3, **c.options)), [3.0]))
own_size = Law(
    "a grid of the map's own size is the map", lambda f, c: (f(c.args[0], size=c.args[0].shape[1:3]), c.args[0])
)

# fmt: off
OPS = (
    record(pool.max_pool2d, padded_cases, laws=(images_apart(0), doubles(0), one_more), refuses=KERNELS, **NHWC,
           spreads=INFINITE, packed=Packed(pool.max_pool2d_packed, packed_map, cases=sign_cases, words=True),
           boundary=(call(MAP, kernel=(2, 3), stride=(1, 2), pad=(0, 0)),
                     call(MAP, kernel=(3, 3), stride=(2, 2), pad=(1, 1)))),
    record(pool.avg_pool2d, map_cases, laws=(images_apart(0), doubles(0), constant), refuses=KERNELS, **NHWC,
           spreads=ANYTHING, roundings=2,
           boundary=(call(MAP, kernel=(2, 3), stride=(1, 2)),
                     call(MANY[:500].reshape(1, 20, 25, 1), kernel=(20, 25), stride=(1, 1)))),
    record(pool.adaptive_avg_pool2d, adaptive_cases, laws=(doubles(0), own_size), **NHWC,
           refuses=(refused("size is 0", MAP, size=0),), roundings=axis_roundings),
)
