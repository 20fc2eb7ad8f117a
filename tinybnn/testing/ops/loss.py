"""Records of :mod:`tinybnn.ops.loss`."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import loss
from ..laws import ignored_do_not_count
from ..op import MANY, Case, Law, call, of_a_sum, record, refused
from ..strategies import Limits, distinct, generators, one_of, reals


def labels_of(rng: np.random.Generator, shape: int | Sequence[int], L: int, ignore: int) -> Array:
    """Classes of pixels; about a quarter of the pixels are ignored."""
    return np.where(rng.random(shape) < 0.25, ignore, rng.integers(0, L, shape)).astype(np.uint8)


@st.composite
def class_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Logits, labels and perhaps weights, of which one may be 0. The ignored label may also be that of a class."""
    rng, (N, H, W, L) = draw(generators()), draw(distinct(4, 1, 5))
    ignore = draw(limits("ignore", one_of(255, 0)))
    weights = draw(limits("class_weights", one_of(None, np.array([0.0, 2.0, 0.5, 3.0, 1.0])[:L])))
    logits = 3 * reals(rng, N, H, W, L)
    return call(logits, labels_of(rng, (N, H, W), L, ignore), class_weights=weights, ignore=ignore)


@st.composite
def target_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, shape, ignore = draw(generators()), draw(distinct(3, 1, 5)), draw(limits("ignore", one_of(255, 7)))
    return call(3 * reals(rng, *shape), labels_of(rng, shape, 2, ignore), ignore=ignore)


@st.composite
def dice_cases(draw: st.DrawFn, limits: Limits) -> Case:
    args, options = draw(target_cases(limits))
    return call(*args, **options, smooth=draw(limits("smooth", one_of(1.0, 1e-3, 10.0))))


def extremes(*shape: int) -> Array:
    """Logits whose plain exponential overflows in either precision."""
    return np.resize([800.0, -800.0, 100.0, -100.0, 0.0], shape)


def roundings(case: Case) -> int:
    """A few in each exponential and logarithm, and sums over classes and pixels."""
    return of_a_sum(case.args[0].size) + 16


def dice_roundings(case: Case) -> float:
    """The same, but rounding errors of probabilities are divided by a denominator that may be as small as smooth."""
    return roundings(case) / min(1.0, case.options["smooth"])


def opposite(target: Array) -> Array:
    """The other one of the two classes; ignored pixels stay as they are."""
    return np.where(target < 2, 1 - target, target).astype(target.dtype)


def nan_where_ignored(logits: Array, labels: Array) -> Array:
    """Logits of ignored pixels do not count, whatever they are; but 0 times NaN is NaN."""
    logits = logits.copy()
    logits[labels == 255] = np.nan
    return logits


NOTHING = np.full((2, 3), 255, np.uint8)
LABELS, TARGETS = np.array([[0, 3, 255], [2, 0, 1]], np.uint8), np.array([[0, 1, 255], [1, 0, 1]], np.uint8)
SEVENS = np.where(TARGETS == 255, 7, TARGETS).astype(np.uint8)
ONES, UNEVEN, LOGITS = np.ones((2, 3)), np.arange(6.0).reshape(2, 3) - 2.5, np.arange(24.0).reshape(2, 3, 4) % 5
CLASSES, PLAIN, SMOOTH = {"class_weights": None, "ignore": 255}, {"ignore": 255}, {"ignore": 255, "smooth": 1.0}

nothing_counts = Law(
    "where every pixel is ignored it is 0",
    lambda f, c: (f(c.args[0], np.full_like(c.args[1], c.options["ignore"]), **c.options), 0.0),
)
other_side = Law(
    "the opposite logits and targets: the same",
    lambda f, c: (f(-c.args[0], opposite(c.args[1]), **c.options), f(*c.args, **c.options)),
)
ignored = ignored_do_not_count(np.negative)

# fmt: off
OPS = (
    record(loss.cross_entropy, class_cases, laws=(ignored, nothing_counts), roundings=roundings,
           boundary=(call(np.ones((2, 3, 4)), NOTHING, **CLASSES), call(extremes(2, 3, 4), LABELS, **CLASSES),
                     call(extremes(2, 3, 4), LABELS, class_weights=[0.0] * 4, ignore=255),
                     call(LOGITS, LABELS % 5, class_weights=[1, 2, 0.5, 3], ignore=0),
                     call(np.stack([0 * MANY, MANY], 1), np.zeros(5000, np.uint8), **CLASSES),
                     call(nan_where_ignored(LOGITS, LABELS), LABELS, **CLASSES)),
           refuses=(refused("labels[0, 1] is 3", np.ones((2, 3, 3)), LABELS),
                    refused("labels has shape (2, 3)", np.ones((2, 4, 4)), LABELS))),
    record(loss.binary_cross_entropy, target_cases, laws=(ignored, nothing_counts, other_side), roundings=roundings,
           boundary=(call(ONES, NOTHING, **PLAIN), call(extremes(2, 3), TARGETS, **PLAIN),
                     call(UNEVEN, SEVENS, ignore=7), call(MANY, np.zeros(5000, np.uint8), **PLAIN),
                     call(nan_where_ignored(UNEVEN, TARGETS), TARGETS, **PLAIN)),
           refuses=(refused("targets[0, 1] is 3", ONES, LABELS),)),
    record(loss.dice, dice_cases, laws=(ignored, nothing_counts), roundings=dice_roundings,
           boundary=(call(ONES, NOTHING, **SMOOTH), call(extremes(2, 3), TARGETS, **SMOOTH),
                     call(ONES, 0 * NOTHING, **SMOOTH), call(nan_where_ignored(UNEVEN, TARGETS), TARGETS, **SMOOTH)),
           refuses=(refused("targets[0, 1] is 3", ONES, LABELS), refused("smooth", ONES, TARGETS, smooth=-1.0))),
)
