"""Records of :mod:`tinybnn.metrics.saliency` and :mod:`tinybnn.metrics.saliency`."""

from functools import partial

import numpy as np
from hypothesis import strategies as st

from ...metrics import saliency
from ...metrics import saliency as structure
from ..laws import follows, twice, unmoved
from ..op import Case, Law, Op, Refusal
from ..strategies import Limits, distinct, generators, one_of, whole
from .metrics import CHESS, GREYS, kinds, probabilities, scores


@st.composite
def image_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """A prediction and a mask: a box with frayed edges, nothing, or everything; as booleans or as numbers."""
    rng, (H, W) = draw(generators()), draw(distinct(2, 1, 6))
    rows, columns = np.ogrid[:H, :W]
    box = (rows >= rng.integers(0, H)) & (columns >= rng.integers(0, W)) ^ (rng.random((H, W)) < 0.1)
    target = draw(one_of(box, np.zeros_like(box), np.ones_like(box), box, box))
    return Case((probabilities(rng, (H, W), draw(kinds)), target.astype(draw(one_of(bool, np.uint8)))))


@st.composite
def with_option(draw: st.DrawFn, limits: Limits, name: str, values: tuple[float, ...]) -> Case:
    case = draw(image_cases(limits))
    return Case(case.args, {name: draw(limits(name, one_of(*values)))})


@st.composite
def curve_cases(draw: st.DrawFn, limits: Limits) -> Case:
    return Case((draw(generators()).random((draw(whole(1, 5)), 256)),))


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
PICTURES = tuple(Case(image) for image in IMAGES)
WRONG = (
    Refusal(Case((GREYS + 1, CHESS)), "expected a probability in [0, 1]"),
    Refusal(Case((GREYS, CHESS + 1)), "target"),
    Refusal(Case((GREYS[:3], CHESS)), "target has shape (16, 16)"),
)


def pixels(case: Case) -> int:
    """Sums over all pixels, and a few operations more."""
    return case.args[0].size + 16


columns_and_rows = unmoved("rows and columns may be exchanged", {0: np.transpose, 1: np.transpose})


def when_equal(value: float) -> Law:
    """The score of a prediction that is the mask itself."""
    return Law(
        f"a prediction that is the mask scores {value:g}",
        lambda f, c: (f(c.args[1].astype(float), c.args[1], **c.options), value),
    )


OPS = (
    Op(
        name="mae",
        spec=saliency.mae_loops,
        forward=saliency.mae,
        cases=image_cases,
        boundary=PICTURES,
        laws=(when_equal(0.0),),
        refuses=WRONG,
        roundings=pixels,
        result=scores,
    ),
    Op(
        name="f_curve",
        spec=saliency.f_curve_loops,
        forward=saliency.f_curve,
        cases=partial(with_option, name="beta2", values=(0.3, 1.0, 0.0)),
        boundary=tuple(Case(image, {"beta2": 0.3}) for image in IMAGES),
        laws=(columns_and_rows,),
        refuses=WRONG,
        roundings=8,
    ),
    Op(
        name="max_f",
        spec=saliency.max_f_loops,
        forward=saliency.max_f,
        cases=curve_cases,
        laws=(
            follows("doubling every curve doubles the score", {0: twice}, twice),
            unmoved("thresholds may be told in any order", {0: lambda curves: curves[:, ::-1]}),
        ),
        refuses=(Refusal(Case((np.ones((0, 256)),)), "curves"),),
        roundings=lambda case: len(case.args[0]) + 1,
        result=scores,
    ),
    Op(
        name="s_measure",
        spec=structure.s_measure_loops,
        forward=structure.s_measure,
        cases=partial(with_option, name="alpha", values=(0.5, 0.0, 0.25, 1.0)),
        boundary=tuple(Case(image, {"alpha": 0.25}) for image in IMAGES),
        laws=(
            Law(
                "a prediction that misses everything scores 0",
                lambda f, c: (f(1.0 - (c.args[1] > -1), 1 + 0 * c.args[1].astype(int), **c.options), 0.0),
            ),
        ),
        refuses=WRONG,
        roundings=lambda case: 2 * pixels(case),
        result=scores,
    ),
    Op(
        name="e_curve",
        spec=saliency.e_curve_loops,
        forward=saliency.e_curve,
        cases=image_cases,
        boundary=PICTURES,
        laws=(columns_and_rows,),
        refuses=WRONG,
        roundings=pixels,
    ),
    Op(
        name="e_measure",
        spec=saliency.e_measure_loops,
        forward=saliency.e_measure,
        cases=image_cases,
        boundary=PICTURES,
        laws=(columns_and_rows,),
        refuses=WRONG,
        roundings=lambda case: pixels(case) + 256,  # thresholds
        result=scores,
    ),
)
