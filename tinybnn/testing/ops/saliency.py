"""Records of :mod:`tinybnn.metrics.saliency`."""

from functools import partial

import numpy as np
from hypothesis import strategies as st

from ...metrics import saliency
from ..laws import follows, ignored_do_not_count, twice, unmoved
from ..op import Case, Law, call, of_a_sum, record, refused
from ..strategies import Limits, distinct, generators, one_of, whole
from .metrics import CHESS, GREYS, kinds, probabilities, scores


@st.composite
def image_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """A prediction and a mask of booleans or of numbers: a box with noise at its edges, nothing, or everything.

    In some masks of numbers a third of the pixels is ignored, but not all of them.
    """
    rng, (H, W) = draw(generators()), draw(distinct(2, 1, 6))
    rows, columns = np.ogrid[:H, :W]
    box = (rows >= rng.integers(0, H)) & (columns >= rng.integers(0, W)) ^ (rng.random((H, W)) < 0.1)
    target = draw(one_of(box, np.zeros_like(box), np.ones_like(box), box, box))
    target = target.astype(draw(one_of(bool, np.uint8)))
    if target.dtype == np.uint8 and draw(one_of(False, True)):
        ignored = rng.random((H, W)) < 1 / 3
        target[ignored & (rng.permutation(H * W) > 0).reshape(H, W)] = 255
    return call(probabilities(rng, (H, W), draw(kinds)), target)


@st.composite
def with_option(draw: st.DrawFn, limits: Limits, name: str, values: tuple[float, ...]) -> Case:
    return Case(draw(image_cases(limits)).args, {name: draw(limits(name, one_of(*values)))})


@st.composite
def curve_cases(draw: st.DrawFn, limits: Limits) -> Case:
    return call(draw(generators()).random((draw(whole(1, 5)), 256)))


def pixels(case: Case) -> int:
    """Sums over all pixels, and a few operations more."""
    return of_a_sum(case.args[0].size) + 16


LAST, TIE = np.zeros((3, 4), np.uint8), np.zeros((4, 5), np.uint8)
LAST[2, 3] = 1  # the centroid is in the last row and column: three of the four parts are empty
TIE[1:3, 2:4] = 1  # the centroid is half-way between rows 1 and 2, and between columns 2 and 3
BORDER = np.pad(TIE, ((1, 2), (3, 0)), constant_values=255)  # an odd number of rows and columns before the first

IMAGES = (
    (GREYS, CHESS),
    (np.full((4, 5), 0.1), TIE),  # three times 0.1, divided by three, is not 0.1
    (np.linspace(0, 1, 12).reshape(3, 4), LAST),
    (np.linspace(0, 1, 20).reshape(4, 5), TIE),
    (np.linspace(0, 1, BORDER.size).reshape(BORDER.shape), BORDER),
    (np.array([[0.25]]), np.array([[1]])),
    (np.array([[0.25]]), np.array([[0]])),
)
PICTURES = tuple(call(*image) for image in IMAGES)
LARGE = call(np.full((50, 100), np.float32(0.7), float), np.zeros((50, 100), bool))  # see MANY
WRONG = (
    refused("expected a probability in [0, 1]", GREYS + 1, CHESS),
    refused("target", GREYS, CHESS + 1),
    refused("target is 255 everywhere", GREYS, CHESS | 255),
    refused("target has shape (16, 16)", GREYS[:3], CHESS),
)

swapped_axes = unmoved("rows and columns may be swapped", {0: np.transpose, 1: np.transpose})
any_order = unmoved("thresholds may come in any order", {0: lambda curves: curves[:, ::-1]})
doubled = follows("doubling every curve doubles the score", {0: twice}, twice)
blind = ignored_do_not_count(lambda p: 1 - p)
perfect = Law(
    "a prediction that is the mask scores 0",
    lambda f, c: (f(c.args[1].astype(float), c.args[1], **c.options), 0.0),
)
nothing_right = Law(
    "a prediction that misses everything scores 0",
    lambda f, c: (f(1.0 - (c.args[1] > -1), 1 + 0 * c.args[1].astype(int), **c.options), 0.0),
)

# fmt: off
OPS = (
    record(saliency.mae, image_cases, laws=(perfect, blind), refuses=WRONG,
           boundary=(*PICTURES, LARGE),
           roundings=pixels, result=scores),
    record(saliency.f_curve, partial(with_option, name="beta2", values=(0.3, 1.0, 0.0)), roundings=8,
           boundary=tuple(call(*image, beta2=0.3) for image in IMAGES), laws=(swapped_axes, blind), refuses=WRONG),
    record(saliency.max_f, curve_cases, laws=(doubled, any_order), refuses=(refused("curves", np.ones((0, 256))),),
           roundings=lambda case: len(case.args[0]) + 1, result=scores),
    record(saliency.s_measure, partial(with_option, name="alpha", values=(0.5, 0.0, 0.25, 1.0)),
           boundary=tuple(call(*image, alpha=0.25) for image in IMAGES), laws=(nothing_right, blind), refuses=WRONG,
           roundings=lambda case: 2 * pixels(case), result=scores),
    record(saliency.e_curve, image_cases, boundary=PICTURES, laws=(swapped_axes, blind), refuses=WRONG,
           roundings=pixels),
    record(saliency.e_measure, image_cases, boundary=PICTURES, laws=(swapped_axes, blind), refuses=WRONG, result=scores,
           roundings=lambda case: pixels(case) + 256),  # a mean over 256 thresholds
)
