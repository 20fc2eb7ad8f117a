"""Records of :mod:`.attend`, :mod:`.attention`, :mod:`.pyramid` and :mod:`.reduced_attention` in :mod:`tinybnn.ops`.

Tokens T, keys S and width D are drawn pairwise distinct. Keys that are pooled before their sign is taken are real
numbers: the mean of whole numbers may be 0 in one order of summation and -1e-17 in another.
"""

from functools import partial

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import attend, attention, binarize, pyramid, reduced_attention
from ..laws import doubles, follows, images_apart, twice, unmoved
from ..op import ANYTHING, Case, Packed, Refusal, call, of_a_sum, record, refused
from ..strategies import Limits, distinct, generators, integers, one_of, quantizers, reals, whole

# -- cases ----------------------------------------------------------------------------------------------------------


@st.composite
def score_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, A, T, S, D) = draw(generators()), draw(distinct(5, 1, 5))
    return call(4 * integers(rng, N, A, T, S), integers(rng, N, A, S, D))


def tokens(rng: np.random.Generator, N: int, T: int, S: int, width: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values. Queries and keys are multiples of 1/2: dot products are exact, and signs include 0."""
    return integers(rng, N, T, width) / 2, integers(rng, N, S, width) / 2, integers(rng, N, S, width)


@st.composite
def full_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (T, S, D), A = draw(generators()), draw(distinct(3, 1, 5)), draw(limits("heads", whole(1, 3)))
    return call(*tokens(rng, draw(whole(1, 2)), T, S, A * D), heads=A)


@st.composite
def linear_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """S is a power of two, so that every number is exact."""
    rng, S, A = draw(generators()), draw(one_of(1, 2, 4, 8)), draw(limits("heads", whole(1, 3)))
    T, D = draw(distinct(2, 1, 5).filter(lambda sizes: S not in sizes))
    q, k, v = tokens(rng, draw(whole(1, 2)), T, S, A * D)
    return call(2 * q, 2 * k, v, heads=A)


def scales(rng: np.random.Generator, A: int) -> Array:
    """A scale for each head, all different: multiples of 1/8, of which one may be negative."""
    return (rng.permutation(8)[:A] + rng.choice([1, -1.5])) / 8


@st.composite
def binary_cases(draw: st.DrawFn, limits: Limits) -> Case:
    args, options = draw(full_cases(limits))
    scale = scales(draw(generators()), options["heads"])
    return call(*args, scale, **options, quantizer=draw(limits("quantizer", quantizers)))


levels = one_of((1,), (2,), (1, 2), (3, 1), (1, 2, 3))


@st.composite
def pyramid_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 5))
    return call(reals(rng, N, H, W, C), levels=draw(limits("levels", levels)))


def maps(rng: np.random.Generator, N: int, H: int, W: int, A: int, D: int, parts: int) -> tuple[Array, ...]:
    """The tokens of a map with real keys, and for each part a scale per head."""
    q, _, v = tokens(rng, N, H * W, H * W, A * D)
    return q, reals(rng, N, H * W, A * D), v, *(scales(rng, A) for _ in range(parts))


@st.composite
def map_cases(draw: st.DrawFn, limits: Limits, parts: int) -> Case:
    rng, (H, W) = draw(generators()), draw(distinct(2, 1, 4))
    A, D = draw(limits("heads", whole(1, 2))), draw(whole(1, 3))
    chosen = {"levels": draw(limits("levels", levels)), "heads": A, "quantizer": draw(limits("quantizer", quantizers))}
    return Case(maps(rng, draw(whole(1, 2)), H, W, A, D, parts), {"grid": (H, W), **chosen})


@st.composite
def channel_cases(draw: st.DrawFn, limits: Limits) -> Case:
    return without_grid(draw(map_cases(limits, parts=1)))


def without_grid(case: Case) -> Case:
    """The same tokens for an operation that does not use their places in the map."""
    q, k, v, scale = case.args
    k = np.rint(2 * k) / 2  # never pooled here, so signs may include 0
    return Case((q, k, v, scale), {name: case.options[name] for name in ("heads", "quantizer")})


# -- cases that always run ------------------------------------------------------------------------------------------


def far_apart(n: int) -> Case:
    """One query of n signs, a key that differs from it everywhere, and a key that differs everywhere but once."""
    q, k, v = -np.ones((1, 1, n)), np.ones((1, 2, n)), np.arange(2.0 * n).reshape(1, 2, n) / n
    k[0, 1, 0] = -1
    return call(q, k, v, np.array([1.0]), heads=1, quantizer=binarize.clipped)


def one_full(T: int = 2, S: int = 3, A: int = 2, D: int = 4) -> Case:
    """Tokens on which every wrong version of full attention fails."""
    rng = np.random.default_rng(T + S)
    return call(*tokens(rng, 2, T, S, A * D), np.array([0.5, 1.0]), heads=A, quantizer=binarize.polynomial)


def one_map(parts: int, H: int, W: int, A: int = 2, D: int = 3) -> Case:
    """A map on which every wrong version fails, or one with more tokens than a word has bits."""
    args = maps(np.random.default_rng(H * W), 1, H, W, A, D, parts)
    return call(*args, grid=(H, W), levels=(1, 2), heads=A, quantizer=binarize.polynomial)


def unscaled(case: Case) -> Case:
    """The same tokens for an operation without scale and quantizer."""
    return Case(case.args[:3], {"heads": case.options["heads"]})


def column(*numbers: float) -> Array:
    return np.array(numbers).reshape(1, 1, -1, 1)


steep = call(column(1000.0, -1000.0, 999.0).reshape(1, 1, 1, 3), column(1.0, 2.0, 3.0))

far_below = call(column(1000.0, 999.0, -1000.0, -999.0).reshape(1, 1, 2, 2), column(1.0, 2.0))
"""Two rows of scores. The exponentials of the lower row vanish unless each row subtracts its own maximum."""

loud = call(np.full((1, 1, 1), 1000.0), *2 * [np.array([1.0, 2.0]).reshape(1, 2, 1)], heads=1)
"""Scores whose exponentials overflow."""

minus_zero = call(
    np.array([[[-0.0, 1.0]]]), np.array([[[1.0, 1], [-1, 1]]]), np.eye(2)[None], np.ones(1),
    heads=1, quantizer=binarize.clipped,
)  # fmt: skip

SIGNS = (one_full(), one_full(D=65), minus_zero, *(far_apart(n) for n in (63, 64, 130, 300)))
CHANNELS = tuple(without_grid(one_map(1, H, W, D=2)) for H, W in ((2, 3), (7, 9), (4, 16), (5, 13)))
ONE_PART, TWO_PARTS = (one_map(1, 2, 3),), (one_map(2, 2, 3), one_map(2, 5, 13, D=2))

# -- refusals, laws, roundings --------------------------------------------------------------------------------------

X, ONE, GRID = np.ones((1, 4, 6)), np.ones(1), {"grid": (2, 2), "levels": (1,)}


def misfits(*scales: Array, **options: object) -> tuple[Refusal, ...]:
    """What every kind of attention refuses: heads that do not divide the width, and too few values for the keys."""
    return (
        refused("heads = 4", X, X, X, *scales, heads=4, **options),
        refused("v has shape (1, 3, 6)", X, X, X[:, :3], *scales, heads=1, **options),
    )


def wordless(case: Case) -> Case:
    """The packed forms take floats and pack their signs themselves. They need no surrogate."""
    return Case(case.args, {k: v for k, v in case.options.items() if k != "quantizer"})


def roundings(case: Case) -> int:
    """Two or three in exp, one in its argument, then sums over keys or over pooled pixels."""
    return 2 * of_a_sum(case.args[1].shape[-2]) + 16


def channel_roundings(case: Case) -> int:
    return roundings(case) + of_a_sum(case.args[0].shape[-1])


def pyramid_roundings(case: Case) -> int:
    """Sums over the rows and the columns of a cell."""
    return sum(map(of_a_sum, case.args[0].shape[1:3])) + 4


def later(q: Array) -> Array:
    """Queries in reverse order."""
    return q[:, ::-1]


values, batch = doubles(2), images_apart(0, 1, 2)
order = follows("queries in another order give results in that order", {0: later}, later)
signs_only = unmoved("doubling queries or keys changes nothing: signs alone count", {0: twice, 1: twice})
shifted = unmoved("one more in every score changes nothing", {0: lambda scores: scores + 1})
same_scores = unmoved("queries doubled and keys halved: the same scores", {0: twice, 1: lambda k: k / 2})
BINARY = {"laws": (values, signs_only), "idle": ("quantizer",)}

# fmt: off
OPS = (
    record(attend.attend, score_cases, boundary=(steep, far_below), laws=(doubles(1), shifted), roundings=roundings,
           spreads=ANYTHING, refuses=(refused("v has shape", np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 3))),
                    refused("expected axes of size 1", np.ones((1, 1, 2, 0)), np.ones((1, 1, 0, 3))))),
    record(attention.attention, full_cases, boundary=(unscaled(one_full()), loud), laws=(values, same_scores),
           refuses=misfits(), roundings=roundings),
    record(attention.binary_attention, binary_cases, boundary=SIGNS, **BINARY, roundings=roundings,
           packed=Packed(attention.binary_attention_packed, wordless, boundary=SIGNS),
           refuses=(*misfits(ONE), refused("scale has shape (2,)", X, X, X, np.ones(2)))),
    record(attention.linear_attention, linear_cases, boundary=(unscaled(one_full(S=4)),), laws=(values, order, batch),
           refuses=misfits()),
    record(pyramid.pyramid_pool, pyramid_cases, boundary=(call(np.arange(20.0).reshape(1, 4, 5, 1), levels=(1, 3)),),
           laws=(doubles(0),), roundings=pyramid_roundings),
    record(reduced_attention.pooled_attention, partial(map_cases, parts=1), boundary=ONE_PART, **BINARY,
           packed=Packed(reduced_attention.pooled_attention_packed, wordless, boundary=ONE_PART), roundings=roundings,
           refuses=(*misfits(ONE, **GRID), refused("k has 4 tokens, expected H W = 6", X, X, X, ONE, grid=(3, 2)))),
    record(reduced_attention.channel_attention, channel_cases, boundary=CHANNELS, **BINARY,
           packed=Packed(reduced_attention.channel_attention_packed, wordless, boundary=CHANNELS),
           refuses=misfits(ONE), roundings=channel_roundings),
    record(reduced_attention.two_part_attention, partial(map_cases, parts=2), boundary=TWO_PARTS, **BINARY,
           packed=Packed(reduced_attention.two_part_attention_packed, wordless, boundary=TWO_PARTS),
           refuses=misfits(ONE, ONE, **GRID), roundings=channel_roundings),
)
