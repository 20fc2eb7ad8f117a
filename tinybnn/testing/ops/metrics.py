"""Records of :mod:`tinybnn.metrics.labels`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...metrics import labels as metrics
from ...notation import Array
from ..laws import blind_to_doubling, ignored_do_not_count, unmoved
from ..op import Case, Law, call, record, refused
from ..strategies import Limits, distinct, generators, one_of, whole
from .loss import labels_of


@st.composite
def confusion_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Up to 20 classes: a label times the number of classes no longer fits into the label's own 8 bits."""
    rng, shape, L = draw(generators()), draw(distinct(3, 1, 5)), draw(whole(1, 20))
    ignore = draw(limits("ignore", one_of(255, 0)))
    predicted = rng.integers(0, L, shape).astype(draw(one_of(np.uint8, np.int64)))
    return call(predicted, labels_of(rng, shape, L, ignore), L, ignore=ignore)


@st.composite
def confusions(draw: st.DrawFn, limits: Limits) -> Case:
    """A table with classes that are absent, never predicted, or both."""
    rng, L = draw(generators()), draw(whole(1, 6))
    return call(rng.integers(0, 20, (L, L)) * np.outer(rng.random(L) < 0.6, rng.random(L) < 0.6))


def probabilities(rng: np.random.Generator, shape: int | Sequence[int], kind: str) -> Array:
    """Any numbers; greys ``k / 255``, which are also the thresholds; a single value; or only 0 and 1."""
    greys = rng.integers(0, 256, shape) / 255
    return {"any": rng.random(shape), "grey": greys, "flat": np.full(shape, rng.random()), "hard": np.rint(greys)}[kind]


kinds = one_of("any", "grey", "flat", "hard")


@st.composite
def threshold_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, shape, ignore = draw(generators()), draw(distinct(2, 1, 5)), draw(limits("ignore", one_of(255, 7)))
    return call(probabilities(rng, shape, draw(kinds)), labels_of(rng, shape, 2, ignore), ignore=ignore)


@st.composite
def road_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, n = draw(generators()), draw(whole(1, 60))
    p, labels = probabilities(rng, n, draw(kinds)), labels_of(rng, n, 2, 255)
    return call(metrics.threshold_counts(p, labels))


def road(*labels: int) -> Case:
    """Counts of pixels with these labels, whose probabilities decrease from 1 to 0."""
    return call(metrics.threshold_counts(np.linspace(1, 0, len(labels)), np.array(labels)))


def scores(out: Any, case: Case) -> Array:
    """All scores in one array."""
    return np.asarray(out)


def counted(case: Case) -> int:
    """The number of pixels that are not ignored."""
    return int((case.args[1] != case.options["ignore"]).sum())


GREYS = np.arange(256).reshape(16, 16) / 255
CHESS, NOTHING = (np.indices((16, 16)).sum(0) % 2).astype(np.uint8), np.full((16, 16), 255, np.uint8)
TABLE, EMPTY = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), np.zeros((3, 3), int)

transposes = unmoved("truth and prediction may be swapped", {0: np.transpose})
not_square = refused("confusion has shape (2, 3)", TABLE[:2])
counts_once = Law(
    "it counts every pixel that is not ignored once", lambda f, c: (f(*c.args, **c.options).sum(), counted(c))
)
counts_at_each = Law(
    "at every threshold it counts every pixel once",
    lambda f, c: (np.unique(f(*c.args, **c.options).sum(1)), [counted(c)]),
)
doubled_counts = Law(
    "doubling the counts changes nothing",
    lambda f, c: tuple(np.nan_to_num(np.asarray(f(k * c.args[0])), nan=-1) for k in (1, 2)),
)
TABLES = {"laws": (transposes, blind_to_doubling(0)), "refuses": (not_square,)}

# fmt: off
OPS = (
    record(metrics.confusion_matrix, confusion_cases, laws=(ignored_do_not_count(np.zeros_like), counts_once),
           boundary=(call(CHESS, NOTHING, 3, ignore=255), call(NOTHING, NOTHING, 3, ignore=255),
                     call(np.uint8(17) + CHESS, np.uint8(17) + CHESS.T, 19, ignore=255)),
           refuses=(refused("labels[0, 0] is 3", CHESS, CHESS + 3, 3), refused("has shape", CHESS[:3], CHESS, 3))),
    record(metrics.iou_per_class, confusions, boundary=(call(EMPTY), call(TABLE)), **TABLES),
    record(metrics.mean_iou, confusions, boundary=(call(EMPTY), call(TABLE)), **TABLES, result=scores,
           roundings=lambda case: len(case.args[0]) + 2),
    record(metrics.pixel_accuracy, confusions, boundary=(call(EMPTY),), **TABLES, result=scores),
    record(metrics.threshold_counts, threshold_cases, laws=(ignored_do_not_count(lambda p: 1 - p), counts_at_each),
           boundary=(call(GREYS, CHESS, ignore=255), call(GREYS, NOTHING, ignore=255)),
           refuses=(refused("expected a probability in [0, 1]", GREYS + 1, CHESS),
                    refused("labels[0, 0] is 3", GREYS, CHESS + 3))),
    record(metrics.road_scores, road_cases, laws=(doubled_counts,), roundings=16, result=scores,
           boundary=(road(1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1),  # recall is exactly 3/10, 6/10, 7/10
                     road(1, 0, 0, 1),  # F is 2/3 at the highest and at the lowest threshold
                     road(0, 0, 1, 0, 0), road(0, 0, 0), road(1, 1)),
           refuses=(refused("counts has shape (256, 3)", np.zeros((256, 3), int)),)),
)
