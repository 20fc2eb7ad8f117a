"""Records of :mod:`tinybnn.loss`."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ... import loss
from ...notation import Array
from ..op import Case, Op
from ..strategies import distinct, generators, reals


def labels_of(rng: np.random.Generator, shape: int | Sequence[int], L: int, ignore: int) -> Array:
    """Classes of pixels, about a quarter of them ignored."""
    return np.where(rng.random(shape) < 0.25, ignore, rng.integers(0, L, shape)).astype(np.uint8)


@st.composite
def class_cases(draw: st.DrawFn) -> Case:
    """Logits, labels, and perhaps weights, one of which may be 0; what is ignored may also be a true class."""
    rng, (N, H, W, L) = draw(generators()), draw(distinct(4, 1, 5))
    ignore = draw(st.sampled_from([255, 0]))
    weights = draw(st.sampled_from([None, np.array([0.0, 2.0, 0.5, 3.0, 1.0])[:L]]))
    options = {"class_weights": weights, "ignore": ignore}
    return Case((3 * reals(rng, N, H, W, L), labels_of(rng, (N, H, W), L, ignore)), options)


@st.composite
def target_cases(draw: st.DrawFn) -> Case:
    rng, shape, ignore = draw(generators()), draw(distinct(3, 1, 5)), draw(st.sampled_from([255, 7]))
    return Case((3 * reals(rng, *shape), labels_of(rng, shape, 2, ignore)), {"ignore": ignore})


@st.composite
def dice_cases(draw: st.DrawFn) -> Case:
    case = draw(target_cases())
    return Case(case.args, case.options | {"smooth": draw(st.sampled_from([1.0, 1e-3, 10.0]))})


def extremes(shape: tuple[int, ...]) -> Array:
    """Logits at which a careless exponential overflows, in either precision."""
    return np.resize([800.0, -800.0, 100.0, -100.0, 0.0], shape)


NOTHING = np.full((2, 3), 255, np.uint8)
CLASSES = {"class_weights": None, "ignore": 255}
LABELS = np.array([[0, 3, 255], [2, 0, 1]], np.uint8)
TARGETS = np.array([[0, 1, 255], [1, 0, 1]], np.uint8)

OPS = (
    Op(
        name="cross_entropy",
        spec=loss.cross_entropy_loops,
        forward=loss.cross_entropy,
        backward=loss.cross_entropy_backward,
        cases=class_cases(),
        boundary=(
            Case((np.ones((2, 3, 4)), NOTHING), CLASSES),
            Case((extremes((2, 3, 4)), LABELS), CLASSES),
            Case((extremes((2, 3, 4)), LABELS), {"class_weights": [0.0] * 4, "ignore": 255}),
        ),
        roundings=16,
    ),
    Op(
        name="binary_cross_entropy",
        spec=loss.binary_cross_entropy_loops,
        forward=loss.binary_cross_entropy,
        backward=loss.binary_cross_entropy_backward,
        cases=target_cases(),
        boundary=(
            Case((np.ones((2, 3)), NOTHING), {"ignore": 255}),
            Case((extremes((2, 3)), TARGETS), {"ignore": 255}),
        ),
        roundings=16,
    ),
    Op(
        name="dice",
        spec=loss.dice_loops,
        forward=loss.dice,
        backward=loss.dice_backward,
        cases=dice_cases(),
        boundary=tuple(
            Case((z, t), {"ignore": 255, "smooth": 1.0})
            for z, t in ((np.ones((2, 3)), NOTHING), (extremes((2, 3)), TARGETS), (np.ones((2, 3)), 0 * NOTHING))
        ),
        roundings=16,
    ),
)
