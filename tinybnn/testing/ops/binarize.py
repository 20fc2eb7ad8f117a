"""Records of :mod:`tinybnn.ops.binarize` and :mod:`tinybnn.ops.bitpack`."""

import numpy as np
from hypothesis import strategies as st

from ...fast.product import packed_matmul_digits, packed_matmul_popcount
from ...notation import Array
from ...ops import binarize, bitpack
from ..laws import blind_to_doubling, doubles, follows, idempotent, inverse, unmoved
from ..op import INFINITE, MANY, Case, Law, Packed, Words, call, of_a_sum, record, refused
from ..strategies import Limits, distinct, generators, integers, one_of, quantizers, reals, signs, word_edges


@st.composite
def sign_cases(draw: st.DrawFn, limits: Limits) -> Case:
    *outer, C = draw(distinct(3, 1, 6))
    return call(integers(draw(generators()), *outer, draw(limits("channels", st.just(C)))) / 2)


@st.composite
def binarize_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Rows or maps: any number of axes may come before the channels."""
    rng, (*outer, C) = draw(generators()), draw(one_of(distinct(2, 1, 6), distinct(4, 1, 5)))
    C = draw(limits("channels", st.just(C)))
    quantizer = draw(limits("quantizer", quantizers))
    return call(integers(rng, *outer, C) / 2, integers(rng, C) / 2, quantizer=quantizer)


@st.composite
def packed_binarize_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (rows, _), C = draw(generators()), draw(distinct(2, 1, 6)), draw(limits("channels", word_edges))
    return call(integers(rng, rows, C) / 2, integers(rng, C) / 2)


@st.composite
def weight_cases(draw: st.DrawFn, limits: Limits) -> Case:
    return call(reals(draw(generators()), *draw(distinct(4, 1, 5))))


@st.composite
def row_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Two sets of rows of signs, with different numbers of rows."""
    rng, n = draw(generators()), draw(limits("channels", word_edges))
    return call(*(signs(rng, rows, n) for rows in draw(distinct(2, 1, 5))))


def one_row_set(limits: Limits) -> st.SearchStrategy[Case]:
    return row_cases(limits).map(lambda case: Case(case.args[:1]))


def as_words(a: Array) -> Words:
    return Words(bitpack.pack(a), a.shape[-1])


def words_and_count(limits: Limits) -> st.SearchStrategy[Case]:
    return one_row_set(limits).map(lambda case: call(as_words(case.args[0]), case.args[0].shape[-1]))


def packed_rows(a: Array, b: Array) -> Case:
    """Both sets of rows packed, and the number of bits in a row."""
    return call(as_words(a), as_words(b), a.shape[-1])


def matmul_cases(limits: Limits) -> st.SearchStrategy[Case]:
    return row_cases(limits).map(lambda case: packed_rows(*case.args))


def dot_cases(limits: Limits) -> st.SearchStrategy[Case]:
    """As many rows on the right as on the left."""
    return row_cases(limits).map(lambda case: packed_rows(case.args[0], np.resize(case.args[1], case.args[0].shape)))


def bits(case: Case) -> int:
    """The number of bits in a row."""
    return case.args[0].shape[-1]


ZEROS = np.array([-0.0, 0.0, 5e-324, -5e-324, 1.0, -1.0])
"""A third value would show here: both zeros, and the smallest numbers on each side of them."""

SIDES = packed_rows(np.ones((1, 300)), -np.ones((1, 300))), packed_rows(np.ones((3, 4099)), -np.ones((3, 4099)))
"""All signs differ: more than a byte can count, more than one digit holds, and an odd number of rows."""

A, B = bitpack.pack(np.ones((2, 70))), bitpack.pack(-np.ones((2, 70)))
EDGE_ROWS = call(ZEROS[:, None], np.array([-0.0])), call(np.repeat(ZEROS[:, None], 70, axis=1), np.zeros(70))
FAST = {"packed_matmul by popcount": packed_matmul_popcount, "packed_matmul by digits": packed_matmul_digits}

two_values = Law("its square is 1: there is no third value", lambda f, c: (f(*c.args) ** 2, np.ones(c.args[0].shape)))
moved_together = unmoved(
    "moving x and its threshold together changes nothing", {0: lambda x: x + 2, 1: lambda t: t + 2}
)
swapped_sides = Law("the two sides may be swapped", lambda f, c: (f(c.args[1], c.args[0], c.args[2]), f(*c.args)))
transposed = Law("swapped sides give the transpose", lambda f, c: (f(c.args[1], c.args[0], c.args[2]).T, f(*c.args)))
with_itself = Law(
    "a row agrees with itself n times", lambda f, c: (f(c.args[0], *c.args[::2]), 0 * f(*c.args) + c.args[2])
)
reordered = follows("reversed filters give reversed columns", {1: lambda b: b[::-1]}, lambda y: y[:, ::-1])

# fmt: off
OPS = (
    record(binarize.sign, sign_cases, boundary=(call(ZEROS),), laws=(idempotent(), blind_to_doubling(0), two_values),
           spreads=INFINITE, refuses=(refused("nan", np.array([1.0, np.nan])),)),
    record(binarize.binarize, binarize_cases, idle=("quantizer",), laws=(moved_together, blind_to_doubling(0, 1)),
           spreads=INFINITE, boundary=(call(ZEROS[:, None], np.array([-0.0]), quantizer=binarize.clipped),),
           packed=Packed(bitpack.binarize_packed, lambda case: Case(case.args), cases=packed_binarize_cases,
                         boundary=EDGE_ROWS, words=True),
           refuses=(refused("tau has shape", np.ones((2, 3)), np.ones(2)),
                    refused("nan", np.array([[np.nan]]), np.ones(1)))),
    record(binarize.mean_abs, weight_cases,
           boundary=(call(np.array([-0.0, 0.0, 1.0, -2.0]).reshape(1, 2, 1, 2)), call(MANY.reshape(10, 10, 50, 1))),
           laws=(doubles(0), unmoved("the sign of the weights does not count", {0: np.negative})),
           roundings=lambda case: of_a_sum(case.args[0].size // case.args[0].shape[-1]) + 1),
    record(bitpack.pack, one_row_set, boundary=(call(-np.ones((1, 300))),), words=bits,
           laws=(inverse("unpacking gives the signs back", lambda y, c: bitpack.unpack(y, bits(c))),),
           refuses=(refused("expected every value to be -1 or +1", np.zeros((1, 3))),)),
    record(bitpack.unpack, words_and_count, refuses=(refused("expected 3 for C = 129", A, 129),),
           laws=(inverse("packing gives the words back", lambda y, c: bitpack.pack(y.astype(float))),)),
    record(bitpack.packed_dot, dot_cases, boundary=SIDES, laws=(swapped_sides, with_itself),
           refuses=(refused("expected 3 for n = 129", A, B, 129), refused("b has shape", A, B[:1], 70))),
    record(bitpack.packed_matmul, matmul_cases, boundary=SIDES, laws=(transposed, reordered), others=FAST,
           refuses=(refused("expected 3 for n = 129", A, B, 129),)),
)
