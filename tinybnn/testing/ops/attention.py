"""Records of :mod:`tinybnn.ops.attend`, :mod:`tinybnn.ops.attention`, :mod:`tinybnn.ops.pyramid`, :mod:`tinybnn.ops.reduced_attention`.

Tokens T, keys S and width D are drawn pairwise distinct. Where keys are pooled before their sign is taken they are
real: the mean of whole numbers may be 0 in one order of summing and -1e-17 in another.
"""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import attend, attention, binarize, pyramid, reduced_attention
from ..laws import doubles, follows, images_apart, twice, unmoved
from ..op import Case, Op, Packed, Refusal
from ..strategies import Limits, distinct, generators, integers, one_of, quantizers, reals, whole


@st.composite
def score_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, A, T, S, D) = draw(generators()), draw(distinct(5, 1, 5))
    return Case((4 * integers(rng, N, A, T, S), integers(rng, N, A, S, D)))


def tokens(rng: np.random.Generator, N: int, T: int, S: int, width: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values: halves, so that dot products are exact and signs meet 0."""
    return integers(rng, N, T, width) / 2, integers(rng, N, S, width) / 2, integers(rng, N, S, width)


@st.composite
def full_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (T, S, D), A = draw(generators()), draw(distinct(3, 1, 5)), draw(whole(1, 3))
    return Case(tokens(rng, draw(whole(1, 2)), T, S, A * D), {"heads": A})


@st.composite
def linear_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """S a power of two, for then every number is exact."""
    rng, S, A = draw(generators()), draw(one_of(1, 2, 4, 8)), draw(whole(1, 3))
    T, D = draw(distinct(2, 1, 5).filter(lambda sizes: S not in sizes))
    q, k, v = tokens(rng, draw(whole(1, 2)), T, S, A * D)
    return Case((2 * q, 2 * k, v), {"heads": A})


def scales(rng: np.random.Generator, A: int) -> Array:
    """A scale for each head, no two alike: eighths, of which one may be negative."""
    return (rng.permutation(8)[:A] + rng.choice([1, -1.5])) / 8


@st.composite
def binary_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(full_cases(limits))
    A = case.options["heads"]
    return Case(
        (*case.args, scales(draw(generators()), A)), case.options | {"quantizer": draw(limits("quantizer", quantizers))}
    )


def far_apart(n: int, quantizer: binarize.Quantizer = binarize.clipped) -> Case:
    """One query of n signs, against a key that disagrees everywhere and one that disagrees everywhere but once."""
    q, k, v = -np.ones((1, 1, n)), np.ones((1, 2, n)), np.arange(2.0 * n).reshape(1, 2, n) / n
    k[0, 1, 0] = -1
    return Case((q, k, v, np.array([1.0])), {"heads": 1, "quantizer": quantizer})


@st.composite
def pyramid_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 1, 5))
    return Case((reals(rng, N, H, W, C),), {"levels": draw(limits("levels", levels))})


levels = one_of((1,), (2,), (1, 2), (3, 1), (1, 2, 3))


def maps(rng: np.random.Generator, N: int, H: int, W: int, A: int, D: int, parts: int) -> tuple[Array, ...]:
    """Tokens of a map, keys real, and a scale a head for each part."""
    q, _, v = tokens(rng, N, H * W, H * W, A * D)
    return q, reals(rng, N, H * W, A * D), v, *(scales(rng, A) for _ in range(parts))


@st.composite
def map_cases(draw: st.DrawFn, limits: Limits, parts: int) -> Case:
    rng, (H, W), A, D = draw(generators()), draw(distinct(2, 1, 4)), draw(whole(1, 2)), draw(whole(1, 3))
    options = {
        "grid": (H, W),
        "levels": draw(limits("levels", levels)),
        "heads": A,
        "quantizer": draw(limits("quantizer", quantizers)),
    }
    return Case(maps(rng, draw(whole(1, 2)), H, W, A, D, parts), options)


def one_map(parts: int, H: int, W: int, A: int = 2, D: int = 3) -> Case:
    """A map with more tokens than a word has bits, or one that every wrong version stumbles over at once."""
    args = maps(np.random.default_rng(H * W), 1, H, W, A, D, parts)
    return Case(args, {"grid": (H, W), "levels": (1, 2), "heads": A, "quantizer": binarize.polynomial})


def without_grid(case: Case) -> Case:
    """The same tokens, for an operation that does not ask where they lie."""
    q, k, v, scale = case.args
    k = np.rint(2 * k) / 2  # never pooled: signs may meet 0
    return Case((q, k, v, scale), {name: case.options[name] for name in ("heads", "quantizer")})


def one_full(T: int = 2, S: int = 3, A: int = 2, D: int = 4) -> Case:
    """Tokens that every wrong version of full attention stumbles over at once."""
    rng = np.random.default_rng(T + S)
    return Case((*tokens(rng, 2, T, S, A * D), np.array([0.5, 1.0])), {"heads": A, "quantizer": binarize.polynomial})


def unscaled(case: Case) -> Case:
    """The same tokens, for an operation without scale and quantizer."""
    return Case(case.args[:3], {"heads": case.options["heads"]})


steep = Case((np.array([1000.0, -1000.0, 999.0]).reshape(1, 1, 1, 3), np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)))


far_below = Case((np.array([1000.0, 999, -1000, -999]).reshape(1, 1, 2, 2), np.array([1.0, 2]).reshape(1, 1, 2, 1)))
"""A row of scores so far below the other that its maximum alone keeps it from vanishing."""

loud = Case((np.full((1, 1, 1), 1000.0), *2 * [np.array([1.0, 2.0]).reshape(1, 2, 1)]), {"heads": 1})
"""Scores that overflow in the exponential."""

minus_zero = Case(
    (
        np.array([-0.0, 1.0]).reshape(1, 1, 2),
        np.array([1.0, 1, -1, 1]).reshape(1, 2, 2),
        np.array([1.0, 0, 0, 1]).reshape(1, 2, 2),
        np.ones(1),
    ),
    {"heads": 1, "quantizer": binarize.clipped},
)


def wordless(case: Case) -> Case:
    """The packed forms take floats, and pack their signs themselves; they know no surrogate."""
    return Case(case.args, {k: v for k, v in case.options.items() if k != "quantizer"})


def roundings(case: Case) -> int:
    """Two or three in exp, one in the score it is taken of, then sums over keys, or over pooled pixels."""
    return 2 * case.args[1].shape[-2] + 16


def pyramid_roundings(case: Case) -> int:
    """Sums over the rows and the columns of a cell."""
    return sum(case.args[0].shape[1:3]) + 4


@st.composite
def channel_cases(draw: st.DrawFn, limits: Limits) -> Case:
    return without_grid(draw(map_cases(limits, parts=1)))


def refusals(*scales: Array, **options: Any) -> tuple[Refusal, ...]:
    """What every form of attention refuses: heads that do not divide the width, values for other keys."""
    x = np.ones((1, 4, 6))
    return (
        Refusal(Case((x, x, x, *scales), {"heads": 4, **options}), "heads = 4"),
        Refusal(Case((x, x, x[:, :3], *scales), {"heads": 1, **options}), "v has shape (1, 3, 6)"),
    )


def later(T: Array) -> Array:
    """Queries in reverse order."""
    return T[:, ::-1]


SIGNS = (one_full(), one_full(D=65), minus_zero, *(far_apart(n) for n in (63, 64, 130, 300)))
ONE, GRID = np.ones(1), {"grid": (2, 2), "levels": (1,)}
values, batch = doubles(2), images_apart(0, 1, 2)
order = follows("queries in another order give results in that order", {0: later}, later)
signs_only = unmoved("doubling queries or keys changes nothing: signs alone count", {0: twice, 1: twice})

OPS = (
    Op(
        name="attend",
        spec=attend.attend_loops,
        forward=attend.attend,
        backward=attend.attend_backward,
        cases=score_cases,
        boundary=(steep, far_below),
        laws=(doubles(1), unmoved("one more in every score changes nothing", {0: lambda scores: scores + 1})),
        refuses=(
            Refusal(Case((np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 3)))), "v has shape"),
            Refusal(Case((np.ones((1, 1, 2, 0)), np.ones((1, 1, 0, 3)))), "expected S >= 1"),
        ),
        roundings=roundings,
    ),
    Op(
        name="attention",
        spec=attention.attention_loops,
        forward=attention.attention,
        backward=attention.attention_backward,
        cases=full_cases,
        boundary=(unscaled(one_full()), loud),
        laws=(
            values,
            unmoved("queries doubled and keys halved: the same scores", {0: twice, 1: lambda k: k / 2}),
        ),
        refuses=refusals(),
        roundings=roundings,
    ),
    Op(
        name="binary_attention",
        spec=attention.binary_attention_loops,
        forward=attention.binary_attention,
        backward=attention.binary_attention_backward,
        packed=Packed(
            attention.binary_attention_packed,
            wordless,
            boundary=SIGNS,
        ),
        cases=binary_cases,
        boundary=SIGNS,
        laws=(values, signs_only),
        refuses=(*refusals(ONE), Refusal(Case((np.ones((1, 4, 6)),) * 3 + (np.ones(2),)), "scale has shape (2,)")),
        roundings=roundings,
        idle=("quantizer",),
    ),
    Op(
        name="linear_attention",
        spec=attention.linear_attention_loops,
        forward=attention.linear_attention,
        backward=attention.linear_attention_backward,
        cases=linear_cases,
        boundary=(unscaled(one_full(S=4)),),
        laws=(values, order, batch),
        refuses=refusals(),
    ),
    Op(
        name="pyramid_pool",
        spec=pyramid.pyramid_pool_loops,
        forward=pyramid.pyramid_pool,
        backward=pyramid.pyramid_pool_backward,
        cases=pyramid_cases,
        boundary=(Case((np.arange(20.0).reshape(1, 4, 5, 1),), {"levels": (1, 3)}),),
        laws=(doubles(0),),
        refuses=(Refusal(Case((np.ones((2, 2, 1)),), {"levels": (1,)}), "x has shape"),),
        roundings=pyramid_roundings,
    ),
    Op(
        name="pooled_attention",
        spec=reduced_attention.pooled_attention_loops,
        forward=reduced_attention.pooled_attention,
        backward=reduced_attention.pooled_attention_backward,
        packed=Packed(reduced_attention.pooled_attention_packed, wordless, boundary=(one_map(1, 2, 3),)),
        cases=partial(map_cases, parts=1),
        boundary=(one_map(1, 2, 3),),
        laws=(values, signs_only),
        refuses=(
            *refusals(ONE, **GRID),
            Refusal(Case((np.ones((1, 4, 6)),) * 3 + (ONE,), {"grid": (3, 2)}), "k has 4 tokens, expected H W = 6"),
        ),
        roundings=roundings,
        idle=("quantizer",),
    ),
    Op(
        name="channel_attention",
        spec=reduced_attention.channel_attention_loops,
        forward=reduced_attention.channel_attention,
        backward=reduced_attention.channel_attention_backward,
        packed=Packed(
            reduced_attention.channel_attention_packed,
            wordless,
            boundary=tuple(without_grid(one_map(1, H, W, D=2)) for H, W in ((2, 3), (7, 9), (4, 16), (5, 13))),
        ),
        cases=channel_cases,
        boundary=tuple(without_grid(one_map(1, H, W, D=2)) for H, W in ((2, 3), (7, 9), (4, 16), (5, 13))),
        laws=(values, signs_only),
        refuses=refusals(ONE),
        roundings=lambda case: roundings(case) + case.args[0].shape[-1],
        idle=("quantizer",),
    ),
    Op(
        name="two_part_attention",
        spec=reduced_attention.two_part_attention_loops,
        forward=reduced_attention.two_part_attention,
        backward=reduced_attention.two_part_attention_backward,
        packed=Packed(
            reduced_attention.two_part_attention_packed,
            wordless,
            boundary=(one_map(2, 2, 3), one_map(2, 5, 13, D=2)),
        ),
        cases=partial(map_cases, parts=2),
        boundary=(one_map(2, 2, 3), one_map(2, 5, 13, D=2)),
        laws=(values, signs_only),
        refuses=refusals(ONE, ONE, **GRID),
        roundings=lambda case: roundings(case) + case.args[0].shape[-1],
        idle=("quantizer",),
    ),
)
