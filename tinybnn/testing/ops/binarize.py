"""Records of :mod:`tinybnn.ops.binarize`, :mod:`tinybnn.ops.bitpack` and :mod:`tinybnn.ops.bitpack`."""

import numpy as np
from hypothesis import strategies as st

from ...fast.product import packed_matmul_digits, packed_matmul_popcount
from ...notation import Array
from ...ops import binarize, bitpack
from ..laws import blind_to_doubling, doubles, follows, idempotent, inverse, unmoved
from ..op import Case, Law, Op, Packed, Refusal, Words
from ..strategies import Limits, distinct, generators, integers, one_of, quantizers, reals, signs, word_edges

ZEROS = np.array([-0.0, 0.0, 5e-324, -5e-324, 1.0, -1.0])
"""Where a third value would show: both zeros, and the smallest numbers on each side of them."""


@st.composite
def sign_cases(draw: st.DrawFn, limits: Limits) -> Case:
    *outer, C = draw(distinct(3, 1, 6))
    return Case((integers(draw(generators()), *outer, draw(limits("channels", st.just(C)))) / 2,))


@st.composite
def binarize_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Rows, or maps: whatever comes before the channels."""
    rng, (*outer, C) = draw(generators()), draw(one_of(distinct(2, 1, 6), distinct(4, 1, 5)))
    C = draw(limits("channels", st.just(C)))
    return Case(
        (integers(rng, *outer, C) / 2, integers(rng, C) / 2), {"quantizer": draw(limits("quantizer", quantizers))}
    )


@st.composite
def packed_binarize_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (rows, _), C = draw(generators()), draw(distinct(2, 1, 6)), draw(limits("channels", word_edges))
    return Case((integers(rng, rows, C) / 2, integers(rng, C) / 2))


@st.composite
def weight_cases(draw: st.DrawFn, limits: Limits) -> Case:
    return Case((reals(draw(generators()), *draw(distinct(4, 1, 5))),))


@st.composite
def row_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Rows of signs, of two different numbers."""
    rng, n = draw(generators()), draw(limits("channels", word_edges))
    a, b = (signs(rng, rows, n) for rows in draw(distinct(2, 1, 5)))
    return Case((a, b))


def one_row_set(limits: Limits) -> st.SearchStrategy[Case]:
    return row_cases(limits).map(lambda case: Case(case.args[:1]))


def as_words(a: Array) -> Words:
    return Words(bitpack.pack(a), a.shape[-1])


def words_and_count(limits: Limits) -> st.SearchStrategy[Case]:
    return one_row_set(limits).map(lambda case: Case((as_words(case.args[0]), case.args[0].shape[-1])))


def two_word_sets(case: Case) -> Case:
    """Both sides packed, and how many bits a row holds."""
    return Case((*map(as_words, case.args), case.args[0].shape[-1]))


def matmul_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return row_cases(limits).map(two_word_sets)


def dot_cases(limits: Limits) -> st.SearchStrategy[Case]:
    """As many rows on the right as on the left."""
    return row_cases(limits).map(
        lambda case: two_word_sets(Case((case.args[0], np.resize(case.args[1], case.args[0].shape))))
    )


ROW, LONG = np.ones((1, 300)), np.ones((3, 4099))
"""All disagree with their opposite: beyond one byte, beyond one digit, and with rows that two do not divide."""

A, B = bitpack.pack(np.ones((2, 70))), bitpack.pack(-np.ones((2, 70)))

FAST_PRODUCTS = {"popcount": packed_matmul_popcount, "digits": packed_matmul_digits}

OPS = (
    Op(
        name="sign",
        spec=binarize.sign_loops,
        forward=binarize.sign,
        cases=sign_cases,
        boundary=(Case((ZEROS,)),),
        laws=(
            idempotent(),
            blind_to_doubling(0),
            Law("its square is 1: there is no third value", lambda f, c: (f(*c.args) ** 2, np.ones(c.args[0].shape))),
        ),
        refuses=(
            Refusal(Case((np.array([1.0, np.nan]),)), "nan"),
            Refusal(Case((np.array([1, -1]),)), "x has dtype"),
        ),
    ),
    Op(
        name="binarize",
        spec=binarize.binarize_loops,
        forward=binarize.binarize,
        backward=binarize.binarize_backward,
        packed=Packed(
            bitpack.binarize_packed,
            lambda case: Case(case.args),
            cases=packed_binarize_cases,
            boundary=(
                Case((ZEROS[:, None], np.array([-0.0]))),
                Case((np.repeat(ZEROS[:, None], 70, axis=1), np.zeros(70))),
            ),
            words=True,
        ),
        cases=binarize_cases,
        boundary=(Case((ZEROS[:, None], np.array([-0.0])), {"quantizer": binarize.clipped}),),
        laws=(
            unmoved("moving x and its threshold together changes nothing", {0: lambda x: x + 2, 1: lambda t: t + 2}),
            blind_to_doubling(0, 1),
        ),
        refuses=(
            Refusal(Case((np.ones((2, 3)), np.ones(2))), "tau has shape"),
            Refusal(Case((np.array([[np.nan]]), np.ones(1))), "nan"),
        ),
        idle=("quantizer",),
    ),
    Op(
        name="mean_abs",
        spec=binarize.mean_abs_loops,
        forward=binarize.mean_abs,
        backward=binarize.mean_abs_backward,
        cases=weight_cases,
        boundary=(Case((np.array([-0.0, 0.0, 1.0, -2.0]).reshape(1, 2, 1, 2),)),),
        laws=(doubles(0), unmoved("the sign of the weights does not count", {0: np.negative})),
        refuses=(Refusal(Case((np.ones((3, 3, 2, 1), int),)), "w has dtype"),),
        roundings=lambda case: case.args[0].size // case.args[0].shape[-1] + 1,
    ),
    Op(
        name="pack",
        spec=bitpack.pack_loops,
        forward=bitpack.pack,
        cases=one_row_set,
        boundary=(Case((-ROW,)),),
        laws=(inverse("unpacking gives the signs back", lambda y, c: bitpack.unpack(y, c.args[0].shape[-1])),),
        refuses=(Refusal(Case((np.zeros((1, 3)),)), "expected every value to be -1 or +1"),),
        words=lambda case: case.args[0].shape[-1],
    ),
    Op(
        name="unpack",
        spec=bitpack.unpack_loops,
        forward=bitpack.unpack,
        cases=words_and_count,
        laws=(inverse("packing gives the words back", lambda y, c: bitpack.pack(y.astype(float))),),
        refuses=(
            Refusal(Case((A, 129)), "expected 3 for C = 129"),
            Refusal(Case((A.astype(np.int64), 70)), "packed has dtype int64"),
        ),
    ),
    Op(
        name="packed_dot",
        spec=bitpack.packed_dot_loops,
        forward=bitpack.packed_dot,
        cases=dot_cases,
        boundary=(two_word_sets(Case((ROW, -ROW))), two_word_sets(Case((LONG, -LONG)))),
        laws=(
            Law("the two sides may be exchanged", lambda f, c: (f(c.args[1], c.args[0], c.args[2]), f(*c.args))),
            Law(
                "a row agrees with itself n times",
                lambda f, c: (f(c.args[0], *c.args[::2]), 0 * f(*c.args) + c.args[2]),
            ),
        ),
        refuses=(
            Refusal(Case((A, B, 129)), "expected 3 for n = 129"),
            Refusal(Case((A, B[:1], 70)), "b has shape"),
        ),
    ),
    Op(
        name="packed_matmul",
        spec=bitpack.packed_matmul_loops,
        forward=bitpack.packed_matmul,
        cases=matmul_cases,
        boundary=(two_word_sets(Case((ROW, -ROW))), two_word_sets(Case((LONG, -LONG)))),
        laws=(
            Law("exchanged sides give the transpose", lambda f, c: (f(c.args[1], c.args[0], c.args[2]).T, f(*c.args))),
            follows("exchanged filters exchange columns", {1: lambda b: b[::-1]}, lambda y: y[:, ::-1]),
        ),
        refuses=(
            Refusal(Case((A, B, 129)), "expected 3 for n = 129"),
            Refusal(Case((A, B.astype(np.uint32), 70)), "b has dtype uint32"),
        ),
        others={f"packed_matmul by {how}": f for how, f in FAST_PRODUCTS.items()},
    ),
)
