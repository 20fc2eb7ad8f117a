"""Records of :mod:`tinybnn.saliency` and :mod:`tinybnn.structure`."""

import numpy as np
from hypothesis import strategies as st

from ... import saliency, structure
from ..op import Case, Op, itself
from ..strategies import distinct, generators
from .metrics import CHESS, GREYS, kinds, probabilities


@st.composite
def image_cases(draw: st.DrawFn) -> Case:
    """A prediction and a mask: a box with frayed edges, nothing, or everything; as booleans or as numbers."""
    rng, (H, W) = draw(generators()), draw(distinct(2, 1, 6))
    rows, columns = np.ogrid[:H, :W]
    box = (rows >= rng.integers(0, H)) & (columns >= rng.integers(0, W)) ^ (rng.random((H, W)) < 0.1)
    target = draw(st.sampled_from([box, box, box, np.zeros_like(box), np.ones_like(box)]))
    return Case((probabilities(rng, (H, W), draw(kinds)), target.astype(draw(st.sampled_from([bool, np.uint8])))))


@st.composite
def with_option(draw: st.DrawFn, name: str, values: list[float]) -> Case:
    case = draw(image_cases())
    return Case(case.args, {name: draw(st.sampled_from(values))})


@st.composite
def curve_cases(draw: st.DrawFn) -> Case:
    return Case((draw(generators()).random((draw(st.integers(1, 5)), 256)),))


LAST = np.zeros((3, 4), np.uint8)
LAST[2, 3] = 1  # its centroid lies in the last row and column: three of the four parts are empty
TIE = np.zeros((4, 5), np.uint8)
TIE[1:3, 2:4] = 1  # its centroid lies half-way between rows 1 and 2, columns 2 and 3

IMAGES = (
    (GREYS, CHESS),
    (np.full((4, 5), 0.1), TIE),  # three times 0.1, divided by three, is not 0.1
    (np.linspace(0, 1, 12).reshape(3, 4), LAST),
    (np.linspace(0, 1, 20).reshape(4, 5), TIE),
    (np.array([[0.25]]), np.array([[1]])),
    (np.array([[0.25]]), np.array([[0]])),
)

OPS = (
    Op(
        name="mae",
        spec=saliency.mae_loops,
        forward=saliency.mae,
        cases=image_cases(),
        boundary=tuple(Case(image) for image in IMAGES),
        roundings=4,
        result=itself,
    ),
    Op(
        name="f_curve",
        spec=saliency.f_curve_loops,
        forward=saliency.f_curve,
        cases=with_option("beta2", [0.3, 1.0, 0.0]),
        boundary=tuple(Case(image, {"beta2": 0.3}) for image in IMAGES),
        roundings=8,
        result=itself,
    ),
    Op(
        name="max_f",
        spec=saliency.max_f_loops,
        forward=saliency.max_f,
        cases=curve_cases(),
        roundings=4,
        result=itself,
    ),
    Op(
        name="s_measure",
        spec=structure.s_measure_loops,
        forward=structure.s_measure,
        cases=with_option("alpha", [0.5, 0.0, 0.25, 1.0]),
        boundary=tuple(Case(image, {"alpha": 0.25}) for image in IMAGES),
        roundings=32,
        result=itself,
    ),
    Op(
        name="e_curve",
        spec=saliency.e_curve_loops,
        forward=saliency.e_curve,
        cases=image_cases(),
        boundary=tuple(Case(image) for image in IMAGES),
        roundings=32,
        result=itself,
    ),
    Op(
        name="e_measure",
        spec=saliency.e_measure_loops,
        forward=saliency.e_measure,
        cases=image_cases(),
        boundary=tuple(Case(image) for image in IMAGES),
        roundings=32,
        result=itself,
    ),
)
