"""Records of :mod:`tinybnn.ops.loss`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import loss
from ..laws import ignored_do_not_count
from ..op import Case, Law, Op, Refusal
from ..strategies import Limits, distinct, generators, one_of, reals


def labels_of(rng: np.random.Generator, shape: int | Sequence[int], L: int, ignore: int) -> Array:
    """Classes of pixels, about a quarter of them ignored."""
    return np.where(rng.random(shape) < 0.25, ignore, rng.integers(0, L, shape)).astype(np.uint8)


@st.composite
def class_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Logits, labels, and perhaps weights, one of which may be 0; what is ignored may also be a true class."""
    rng, (N, H, W, L) = draw(generators()), draw(distinct(4, 1, 5))
    ignore = draw(limits("ignore", one_of(255, 0)))
    weights = draw(limits("class_weights", one_of(None, np.array([0.0, 2.0, 0.5, 3.0, 1.0])[:L])))
    options = {"class_weights": weights, "ignore": ignore}
    return Case((3 * reals(rng, N, H, W, L), labels_of(rng, (N, H, W), L, ignore)), options)


@st.composite
def target_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, shape, ignore = draw(generators()), draw(distinct(3, 1, 5)), draw(limits("ignore", one_of(255, 7)))
    return Case((3 * reals(rng, *shape), labels_of(rng, shape, 2, ignore)), {"ignore": ignore})


@st.composite
def dice_cases(draw: st.DrawFn, limits: Limits) -> Case:
    case = draw(target_cases(limits))
    return Case(case.args, case.options | {"smooth": draw(limits("smooth", one_of(1.0, 1e-3, 10.0)))})


def extremes(shape: tuple[int, ...]) -> Array:
    """Logits at which a careless exponential overflows, in either precision."""
    return np.resize([800.0, -800.0, 100.0, -100.0, 0.0], shape)


def roundings(case: Case) -> int:
    """A few in each exponential and logarithm, and sums over classes and pixels."""
    return case.args[0].size + 16


def dice_roundings(case: Case) -> float:
    """The same; and what a probability is rounded by is divided by the denominator, as little as smooth."""
    return roundings(case) / min(1.0, case.options["smooth"])


def opposite(target: Array) -> Array:
    """The other one of two classes; what is neither stays."""
    return np.where(target < 2, 1 - target, target).astype(target.dtype)


def noise(x: Array) -> Array:
    """Other logits, as far from the first as these are from 0."""
    return -x


def nan_where_ignored(logits: Array, labels: Array) -> Array:
    """What stands at ignored pixels does not count, whatever it is; but 0 times NaN is NaN."""
    logits = logits.copy()
    logits[labels == 255] = np.nan
    return logits


NOTHING = np.full((2, 3), 255, np.uint8)
CLASSES = {"class_weights": None, "ignore": 255}
LABELS = np.array([[0, 3, 255], [2, 0, 1]], np.uint8)
TARGETS = np.array([[0, 1, 255], [1, 0, 1]], np.uint8)
ONES, UNEVEN = np.ones((2, 3)), np.arange(6.0).reshape(2, 3) - 2.5


def zero_where_all_is_ignored() -> Law:
    """Of no pixel at all the loss is 0, not NaN."""

    def sides(f: Any, c: Case) -> tuple[Any, float]:
        return f(c.args[0], np.full_like(c.args[1], c.options["ignore"]), **c.options), 0.0

    return Law("where every pixel is ignored it is 0", sides)


OPS = (
    Op(
        name="cross_entropy",
        spec=loss.cross_entropy_loops,
        forward=loss.cross_entropy,
        backward=loss.cross_entropy_backward,
        cases=class_cases,
        boundary=(
            Case((np.ones((2, 3, 4)), NOTHING), CLASSES),
            Case((extremes((2, 3, 4)), LABELS), CLASSES),
            Case((extremes((2, 3, 4)), LABELS), {"class_weights": [0.0] * 4, "ignore": 255}),
            Case((np.arange(24.0).reshape(2, 3, 4) % 5, LABELS % 5), {"class_weights": [1, 2, 0.5, 3], "ignore": 0}),
            Case((nan_where_ignored(np.arange(24.0).reshape(2, 3, 4) % 5, LABELS), LABELS), CLASSES),
        ),
        laws=(ignored_do_not_count(noise), zero_where_all_is_ignored()),
        refuses=(
            Refusal(Case((np.ones((2, 3, 3)), LABELS)), "labels[0, 1] is 3"),
            Refusal(Case((np.ones((2, 4, 4)), LABELS)), "labels has shape (2, 3)"),
        ),
        roundings=roundings,
    ),
    Op(
        name="binary_cross_entropy",
        spec=loss.binary_cross_entropy_loops,
        forward=loss.binary_cross_entropy,
        backward=loss.binary_cross_entropy_backward,
        cases=target_cases,
        boundary=(
            Case((ONES, NOTHING), {"ignore": 255}),
            Case((extremes((2, 3)), TARGETS), {"ignore": 255}),
            Case((UNEVEN, np.where(TARGETS == 255, 7, TARGETS).astype(np.uint8)), {"ignore": 7}),
            Case((nan_where_ignored(UNEVEN, TARGETS), TARGETS), {"ignore": 255}),
        ),
        laws=(
            ignored_do_not_count(noise),
            zero_where_all_is_ignored(),
            Law(
                "the opposite logits and targets: the same",
                lambda f, c: (f(-c.args[0], opposite(c.args[1]), **c.options), f(*c.args, **c.options)),
            ),
        ),
        refuses=(Refusal(Case((ONES, LABELS)), "targets[0, 1] is 3"),),
        roundings=roundings,
    ),
    Op(
        name="dice",
        spec=loss.dice_loops,
        forward=loss.dice,
        backward=loss.dice_backward,
        cases=dice_cases,
        boundary=tuple(
            Case((z, t), {"ignore": 255, "smooth": 1.0})
            for z, t in (
                (ONES, NOTHING),
                (extremes((2, 3)), TARGETS),
                (ONES, 0 * NOTHING),
                (nan_where_ignored(UNEVEN, TARGETS), TARGETS),
            )
        ),
        laws=(ignored_do_not_count(noise), zero_where_all_is_ignored()),
        refuses=(
            Refusal(Case((ONES, LABELS)), "targets[0, 1] is 3"),
            Refusal(Case((ONES, TARGETS), {"smooth": -1.0}), "smooth"),
        ),
        roundings=dice_roundings,
    ),
)
