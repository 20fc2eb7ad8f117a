"""Records of :mod:`tinybnn.ops.activation`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import activation
from ..laws import doubles, follows, idempotent, keeps_order
from ..op import Case, Op, Refusal
from ..strategies import Limits, distinct, generators, integers, reals


@st.composite
def channel_cases(draw: st.DrawFn, limits: Limits, vectors: tuple[Callable, ...] = ()) -> Case:
    """Halves, which meet every kink, and for each of ``vectors`` a vector over channels."""
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5))
    C = draw(limits("channels", st.just(C)))
    return Case((integers(rng, *outer, C) / 2, *(vector(rng, C) for vector in vectors)))


def halves(rng: np.random.Generator, C: int) -> Array:
    return integers(rng, C) / 2


def far_apart(limits: Limits) -> Any:
    """The same values, far enough apart that the sigmoid runs from nearly 0 to nearly 1."""
    return channel_cases(limits).map(lambda case: Case((4 * case.args[0],)))


edges = Case((np.array([-np.inf, -1000.0, -1.0, -0.0, 0.0, 1.0, 1000.0, np.inf]),))
MAP, WHOLE = np.ones((2, 3)), (Refusal(Case((np.ones((2, 3), int),)), "x has dtype int64"),)

OPS = (
    Op(
        name="hardtanh",
        spec=activation.hardtanh_loops,
        forward=activation.hardtanh,
        backward=activation.hardtanh_backward,
        cases=channel_cases,
        boundary=(edges,),
        laws=(idempotent(), keeps_order(), follows("the opposite gives the opposite", {0: np.negative}, np.negative)),
        refuses=WHOLE,
    ),
    Op(
        name="prelu",
        spec=activation.prelu_loops,
        forward=activation.prelu,
        backward=activation.prelu_backward,
        cases=partial(channel_cases, vectors=(halves,)),
        laws=(doubles(0),),
        refuses=(Refusal(Case((MAP, np.ones(2))), "slope has shape"),),
    ),
    Op(
        name="rprelu",
        spec=activation.rprelu_loops,
        forward=activation.rprelu,
        backward=activation.rprelu_backward,
        cases=partial(channel_cases, vectors=(halves, reals, halves)),
        laws=(doubles(0, 1, 3),),
        refuses=(Refusal(Case((MAP, np.ones(3), np.ones(2), np.ones(3))), "slope has shape"),),
        roundings=4,
    ),
    Op(
        name="sigmoid",
        spec=activation.sigmoid_loops,
        forward=activation.sigmoid,
        backward=activation.sigmoid_backward,
        cases=far_apart,
        boundary=(edges,),
        laws=(keeps_order(),),
        refuses=WHOLE,
        roundings=4,
    ),
)
