"""Records of :mod:`tinybnn.metrics.labels`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...metrics import labels as metrics
from ...notation import Array
from ..laws import blind_to_doubling, ignored_do_not_count, unmoved
from ..op import Case, Law, Op, Refusal
from ..strategies import Limits, distinct, generators, one_of, whole
from .loss import labels_of

IGNORE = {"ignore": 255}


@st.composite
def confusion_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Up to 20 classes: L times the label no longer fits into the label's own 8 bits."""
    rng, shape, L = draw(generators()), draw(distinct(3, 1, 5)), draw(whole(1, 20))
    ignore = draw(limits("ignore", one_of(255, 0)))
    predicted = rng.integers(0, L, shape).astype(draw(one_of(np.uint8, np.int64)))
    return Case((predicted, labels_of(rng, shape, L, ignore), L), {"ignore": ignore})


@st.composite
def confusions(draw: st.DrawFn, limits: Limits) -> Case:
    """A table with classes that are absent, never predicted, or both."""
    rng, L = draw(generators()), draw(whole(1, 6))
    return Case((rng.integers(0, 20, (L, L)) * np.outer(rng.random(L) < 0.6, rng.random(L) < 0.6),))


def probabilities(rng: np.random.Generator, shape: int | Sequence[int], kind: str) -> Array:
    """Any; greys ``k / 255``, where thresholds lie; one alone; or none between 0 and 1."""
    greys = rng.integers(0, 256, shape) / 255
    return {"any": rng.random(shape), "grey": greys, "flat": np.full(shape, rng.random()), "hard": np.rint(greys)}[kind]


kinds = one_of("any", "grey", "flat", "hard")


@st.composite
def threshold_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, shape, ignore = draw(generators()), draw(distinct(2, 1, 5)), draw(limits("ignore", one_of(255, 7)))
    return Case((probabilities(rng, shape, draw(kinds)), labels_of(rng, shape, 2, ignore)), {"ignore": ignore})


@st.composite
def road_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, n = draw(generators()), draw(whole(1, 60))
    p, labels = probabilities(rng, n, draw(kinds)), labels_of(rng, n, 2, 255)
    return Case((metrics.threshold_counts(p, labels),))


GREYS = np.arange(256).reshape(16, 16) / 255
CHESS = (np.indices((16, 16)).sum(0) % 2).astype(np.uint8)
NOTHING = np.full((16, 16), 255, np.uint8)
TABLE = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])


def road(*labels: int) -> Case:
    """Counts of pixels that get ever smaller probabilities."""
    return Case((metrics.threshold_counts(np.linspace(1, 0, len(labels)), np.array(labels)),))


def scores(out: Any, case: Case) -> Array:
    """All scores side by side."""
    return np.asarray(out)


def shifted(predicted: Array) -> Array:
    """Another class everywhere, where there are two."""
    return np.zeros_like(predicted)


def counted(case: Case) -> int:
    """Pixels that are not ignored."""
    return int((case.args[1] != case.options["ignore"]).sum())


transposes = unmoved("truth and prediction may be exchanged", {0: np.transpose})
TABLES = (
    Refusal(Case((TABLE[:2],)), "confusion has shape (2, 3)"),
    Refusal(Case((TABLE.astype(float),)), "float64"),
)

OPS = (
    Op(
        name="confusion_matrix",
        spec=metrics.confusion_matrix_loops,
        forward=metrics.confusion_matrix,
        cases=confusion_cases,
        boundary=(
            Case((CHESS, NOTHING, 3), IGNORE),
            Case((NOTHING, NOTHING, 3), IGNORE),
            Case((np.uint8(17) + CHESS, np.uint8(17) + CHESS.T, 19), IGNORE),
        ),
        laws=(
            ignored_do_not_count(shifted),
            Law(
                "it counts every pixel that is not ignored once",
                lambda f, c: (f(*c.args, **c.options).sum(), counted(c)),
            ),
        ),
        refuses=(
            Refusal(Case((CHESS, CHESS + 3, 3)), "labels[0, 0] is 3"),
            Refusal(Case((CHESS[:3], CHESS, 3)), "has shape"),
        ),
    ),
    Op(
        name="iou_per_class",
        spec=metrics.iou_per_class_loops,
        forward=metrics.iou_per_class,
        cases=confusions,
        boundary=(Case((np.zeros((3, 3), int),)), Case((TABLE,))),
        laws=(transposes, blind_to_doubling(0)),
        refuses=TABLES,
    ),
    Op(
        name="mean_iou",
        spec=metrics.mean_iou_loops,
        forward=metrics.mean_iou,
        cases=confusions,
        boundary=(Case((np.zeros((3, 3), int),)), Case((TABLE,))),
        laws=(transposes, blind_to_doubling(0)),
        refuses=TABLES,
        roundings=lambda case: len(case.args[0]) + 2,
        result=scores,
    ),
    Op(
        name="pixel_accuracy",
        spec=metrics.pixel_accuracy_loops,
        forward=metrics.pixel_accuracy,
        cases=confusions,
        boundary=(Case((np.zeros((3, 3), int),)),),
        laws=(transposes, blind_to_doubling(0)),
        refuses=TABLES,
        result=scores,
    ),
    Op(
        name="threshold_counts",
        spec=metrics.threshold_counts_loops,
        forward=metrics.threshold_counts,
        cases=threshold_cases,
        boundary=(Case((GREYS, CHESS), IGNORE), Case((GREYS, NOTHING), IGNORE)),
        laws=(
            ignored_do_not_count(lambda p: 1 - p),
            Law(
                "at every threshold it counts every pixel once",
                lambda f, c: (np.unique(f(*c.args, **c.options).sum(1)), [counted(c)]),
            ),
        ),
        refuses=(
            Refusal(Case((GREYS + 1, CHESS)), "expected a probability in [0, 1]"),
            Refusal(Case((GREYS, CHESS + 3)), "labels[0, 0] is 3"),
        ),
    ),
    Op(
        name="road_scores",
        spec=metrics.road_scores_loops,
        forward=metrics.road_scores,
        cases=road_cases,
        boundary=(
            road(1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1),  # ten of road: recall is 3/10, 6/10, 7/10 exactly
            road(1, 0, 0, 1),  # F is 2/3 at the highest threshold, and 2/3 at the lowest
            road(0, 0, 1, 0, 0),
            road(0, 0, 0),
            road(1, 1),
        ),
        laws=(
            Law(
                "doubling the counts changes nothing",
                lambda f, c: tuple(np.nan_to_num(np.asarray(f(k * c.args[0])), nan=-1) for k in (1, 2)),
            ),
        ),
        refuses=(Refusal(Case((np.zeros((256, 3), int),)), "counts has shape (256, 3)"),),
        roundings=16,
        result=scores,
    ),
)
