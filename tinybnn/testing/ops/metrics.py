"""Records of :mod:`tinybnn.metrics`."""

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from ... import metrics
from ...notation import Array
from ..op import Case, Op, itself
from ..strategies import distinct, generators
from .loss import labels_of

IGNORE = {"ignore": 255}


def shown(score: Callable) -> Callable:
    """``score`` with -1 for NaN, which would equal nothing, not even itself."""
    return lambda *args: np.nan_to_num(np.asarray(score(*args)), nan=-1)


@st.composite
def confusion_cases(draw: st.DrawFn) -> Case:
    """Up to 20 classes: L times the label no longer fits into the label's own 8 bits."""
    rng, shape, L = draw(generators()), draw(distinct(3, 1, 5)), draw(st.integers(1, 20))
    ignore = draw(st.sampled_from([255, 0]))
    predicted = rng.integers(0, L, shape).astype(draw(st.sampled_from([np.uint8, np.int64])))
    return Case((predicted, labels_of(rng, shape, L, ignore), L), {"ignore": ignore})


@st.composite
def confusions(draw: st.DrawFn) -> Case:
    """A table with classes that are absent, never predicted, or both."""
    rng, L = draw(generators()), draw(st.integers(1, 6))
    return Case((rng.integers(0, 20, (L, L)) * np.outer(rng.random(L) < 0.6, rng.random(L) < 0.6),))


def probabilities(rng: np.random.Generator, shape: int | Sequence[int], kind: str) -> Array:
    """Any; greys ``k / 255``, where thresholds lie; one alone; or none between 0 and 1."""
    greys = rng.integers(0, 256, shape) / 255
    return {"any": rng.random(shape), "grey": greys, "flat": np.full(shape, rng.random()), "hard": np.rint(greys)}[kind]


kinds = st.sampled_from(["any", "grey", "flat", "hard"])


@st.composite
def threshold_cases(draw: st.DrawFn) -> Case:
    rng, shape, ignore = draw(generators()), draw(distinct(2, 1, 5)), draw(st.sampled_from([255, 7]))
    return Case((probabilities(rng, shape, draw(kinds)), labels_of(rng, shape, 2, ignore)), {"ignore": ignore})


@st.composite
def road_cases(draw: st.DrawFn) -> Case:
    rng, n = draw(generators()), draw(st.integers(1, 60))
    p, labels = probabilities(rng, n, draw(kinds)), labels_of(rng, n, 2, 255)
    return Case((metrics.threshold_counts(p, labels),))


GREYS = np.arange(256).reshape(16, 16) / 255
CHESS = (np.indices((16, 16)).sum(0) % 2).astype(np.uint8)
NOTHING = np.full((16, 16), 255, np.uint8)


def road(*labels: int) -> Case:
    """Counts of pixels that get ever smaller probabilities."""
    return Case((metrics.threshold_counts(np.linspace(1, 0, len(labels)), np.array(labels)),))


OPS = (
    Op(
        name="confusion_matrix",
        spec=metrics.confusion_matrix_loops,
        forward=metrics.confusion_matrix,
        cases=confusion_cases(),
        boundary=(
            Case((CHESS, NOTHING, 3), IGNORE),
            Case((NOTHING, NOTHING, 3), IGNORE),
            Case((np.uint8(17) + CHESS, np.uint8(17) + CHESS.T, 19), IGNORE),
        ),
        result=itself,
    ),
    Op(
        name="iou_per_class",
        spec=shown(metrics.iou_per_class_loops),
        forward=metrics.iou_per_class,
        cases=confusions(),
        boundary=(Case((np.zeros((3, 3), int),)), Case((np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]),))),
        result=shown(np.asarray),
    ),
    Op(
        name="mean_iou",
        spec=shown(metrics.mean_iou_loops),
        forward=metrics.mean_iou,
        cases=confusions(),
        boundary=(Case((np.zeros((3, 3), int),)), Case((np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]),))),
        roundings=8,
        result=shown(np.asarray),
    ),
    Op(
        name="pixel_accuracy",
        spec=shown(metrics.pixel_accuracy_loops),
        forward=metrics.pixel_accuracy,
        cases=confusions(),
        boundary=(Case((np.zeros((3, 3), int),)),),
        result=shown(np.asarray),
    ),
    Op(
        name="threshold_counts",
        spec=metrics.threshold_counts_loops,
        forward=metrics.threshold_counts,
        cases=threshold_cases(),
        boundary=(Case((GREYS, CHESS), IGNORE), Case((GREYS, NOTHING), IGNORE)),
        result=itself,
    ),
    Op(
        name="road_scores",
        spec=shown(metrics.road_scores_loops),
        forward=metrics.road_scores,
        cases=road_cases(),
        boundary=(
            road(1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1),  # ten of road: recall is 3/10, 6/10, 7/10 exactly
            road(1, 0, 0, 1),  # F is 2/3 at the highest threshold, and 2/3 at the lowest
            road(0, 0, 1, 0, 0),
            road(0, 0, 0),
            road(1, 1),
        ),
        roundings=16,
        result=shown(np.asarray),
    ),
)
