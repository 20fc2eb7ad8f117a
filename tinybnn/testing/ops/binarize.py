"""Records of :mod:`tinybnn.binarize` and :mod:`tinybnn.bitpack`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ... import binarize, bitpack, product
from ...notation import Array
from ..op import Case, Op, ignoring, itself
from ..strategies import distinct, generators, integers, quantizers, reals, signs, word_edges

ZEROS = np.array([-0.0, 0.0, 5e-324, -5e-324, 1.0, -1.0])
"""Where a third value would show: both zeros, and the smallest numbers on each side of them."""


@st.composite
def sign_cases(draw: st.DrawFn) -> Case:
    return Case((integers(draw(generators()), *draw(distinct(3, 1, 6))) / 2,))


@st.composite
def binarize_cases(draw: st.DrawFn) -> Case:
    rng, (rows, C) = draw(generators()), draw(distinct(2, 1, 6))
    return Case((integers(rng, rows, C) / 2, integers(rng, C) / 2), {"quantizer": draw(quantizers)})


@st.composite
def weight_cases(draw: st.DrawFn) -> Case:
    return Case((reals(draw(generators()), *draw(distinct(4, 1, 5))),))


@st.composite
def row_cases(draw: st.DrawFn) -> Case:
    rng, n = draw(generators()), draw(word_edges)
    a, b = (signs(rng, rows, n) for rows in draw(distinct(2, 1, 5)))
    return Case((a, b))


ROW, LONG = np.ones((1, 300)), np.ones((3, 4099))
"""All disagree with their opposite: beyond one byte, beyond one digit, and with rows that two do not divide."""

OPS = (
    Op(
        name="sign",
        spec=binarize.sign_loops,
        forward=binarize.sign,
        packed=lambda x: bitpack.unpack(bitpack.pack(binarize.sign(x)), x.shape[-1]),
        cases=sign_cases(),
        boundary=(Case((ZEROS,)),),
        result=itself,
    ),
    Op(
        name="binarize",
        spec=ignoring(binarize.binarize_loops, "quantizer"),
        forward=binarize.binarize,
        backward=binarize.binarize_backward,
        packed=lambda x, tau, **_: bitpack.unpack(bitpack.binarize_packed(x, tau), x.shape[-1], dtype=x.dtype),
        cases=binarize_cases(),
        boundary=(Case((ZEROS[:, None], np.array([-0.0])), {"quantizer": binarize.clipped}),),
    ),
    Op(
        name="mean_abs",
        spec=binarize.mean_abs_loops,
        forward=binarize.mean_abs,
        backward=binarize.mean_abs_backward,
        cases=weight_cases(),
        roundings=125,
    ),
    Op(
        name="pack",
        spec=bitpack.pack_loops,
        forward=bitpack.pack,
        cases=row_cases().map(lambda case: Case(case.args[:1])),
        result=itself,
    ),
    Op(
        name="unpack",
        spec=lambda x: bitpack.unpack_loops(bitpack.pack(x), x.shape[-1]),
        forward=lambda x: bitpack.unpack(bitpack.pack(x), x.shape[-1], dtype=x.dtype),
        cases=row_cases().map(lambda case: Case(case.args[:1])),
        result=itself,
    ),
    Op(
        name="packed_dot",
        spec=lambda a, b: (a * b).sum(-1),
        forward=lambda a, b: packed_rows(bitpack.packed_dot_loops, a, b).astype(a.dtype),
        packed=lambda a, b: packed_rows(bitpack.packed_dot, a, b),
        cases=row_cases().map(lambda case: Case((case.args[0], np.resize(case.args[1], case.args[0].shape)))),
        boundary=(Case((ROW, -ROW)),),
        result=itself,
    ),
    *(
        Op(
            name=name,
            spec=lambda a, b: a @ b.T,
            forward=lambda a, b: packed_rows(product.packed_matmul_loops, a, b).astype(a.dtype),
            packed=lambda a, b, form=form: packed_rows(product.packed_matmul, a, b, form=form),
            cases=row_cases(),
            boundary=(Case((ROW, -ROW)), Case((LONG, -LONG))),
            result=itself,
        )
        for name, form in product.forms("packed_matmul", product.TRIPLES).items()
    ),
)


def packed_rows(function: Callable, a: Array, b: Array, **options: Any) -> Array:
    """``function`` on the packed rows of ``a`` and ``b``."""
    return function(bitpack.pack(a), bitpack.pack(b), a.shape[-1], **options)
