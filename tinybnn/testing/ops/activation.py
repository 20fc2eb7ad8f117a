"""Records of :mod:`tinybnn.activation`."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from ... import activation
from ...notation import Array
from ..op import Case, Op
from ..strategies import distinct, generators, integers, reals


@st.composite
def channel_cases(draw: st.DrawFn, *vectors: Callable) -> Case:
    """Halves, which meet every kink, and for each strategy in ``vectors`` a vector over channels."""
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5))
    return Case((integers(rng, *outer, C) / 2, *(vector(rng, C) for vector in vectors)))


def halves(rng: np.random.Generator, C: int) -> Array:
    return integers(rng, C) / 2


def gates_apart(case: Case) -> Case:
    """The same values, far enough apart that the sigmoid runs from nearly 0 to nearly 1."""
    return Case((4 * case.args[0],))


edges = Case((np.array([-np.inf, -1000.0, -1.0, -0.0, 0.0, 1.0, 1000.0, np.inf]),))

OPS = (
    Op(
        name="hardtanh",
        spec=activation.hardtanh_loops,
        forward=activation.hardtanh,
        backward=activation.hardtanh_backward,
        cases=channel_cases(),
        boundary=(edges,),
    ),
    Op(
        name="prelu",
        spec=activation.prelu_loops,
        forward=activation.prelu,
        backward=activation.prelu_backward,
        cases=channel_cases(halves),
    ),
    Op(
        name="rprelu",
        spec=activation.rprelu_loops,
        forward=activation.rprelu,
        backward=activation.rprelu_backward,
        cases=channel_cases(halves, reals, halves),
        roundings=4,
    ),
    Op(
        name="sigmoid",
        spec=activation.sigmoid_loops,
        forward=activation.sigmoid,
        backward=activation.sigmoid_backward,
        cases=channel_cases().map(gates_apart),
        boundary=(edges,),
        roundings=4,
    ),
)
