"""Records of :mod:`tinybnn.ops.activation`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import activation
from ..laws import doubles, follows, idempotent, keeps_order
from ..op import ANYTHING, Case, call, record, refused
from ..strategies import Limits, distinct, generators, integers, reals


@st.composite
def channel_cases(draw: st.DrawFn, limits: Limits, vectors: tuple[Callable, ...] = ()) -> Case:
    """Multiples of 1/2, which include every kink, and for each of ``vectors`` a vector over channels."""
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5))
    C = draw(limits("channels", st.just(C)))
    return Case((integers(rng, *outer, C) / 2, *(vector(rng, C) for vector in vectors)))


def halves(rng: np.random.Generator, C: int) -> Array:
    return integers(rng, C) / 2


def far_apart(limits: Limits) -> Any:
    """Values so far apart that the sigmoid takes values from nearly 0 to nearly 1."""
    return channel_cases(limits).map(lambda case: Case((4 * case.args[0],)))


edges = call(np.array([-np.inf, -1000.0, -1.0, -0.0, 0.0, 1.0, 1000.0, np.inf]))
odd = follows("the opposite gives the opposite", {0: np.negative}, np.negative)
wrong_slope = refused("slope has shape", np.ones((2, 3)), np.ones(2))
wrong_slopes = refused("slope has shape", np.ones((2, 3)), np.ones(3), np.ones(2), np.ones(3))

# fmt: off
OPS = (
    record(activation.hardtanh, channel_cases, boundary=(edges,), laws=(idempotent(), keeps_order(), odd),
           spreads=ANYTHING),
    record(activation.prelu, partial(channel_cases, vectors=(halves,)), laws=(doubles(0),), refuses=(wrong_slope,),
           spreads=ANYTHING),
    record(activation.rprelu, partial(channel_cases, vectors=(halves, reals, halves)), spreads=ANYTHING, roundings=4,
           laws=(doubles(0, 1, 3),), refuses=(wrong_slopes,)),
    record(activation.sigmoid, far_apart, spreads=ANYTHING, roundings=4, boundary=(edges,), laws=(keeps_order(),)),
)
