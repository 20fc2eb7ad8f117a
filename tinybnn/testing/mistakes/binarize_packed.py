"""Mistakes in thresholding and packing at once."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops.binarize import binarize
from ...ops.bitpack import pack_bits
from .mistake import Mistake
from .packing import FROM_THE_POINTER, PACKERS, POINTER_MET, POINTER_SYMPTOM, as_it_lies


def after_a_threshold(m: Mistake) -> Mistake:
    """``binarize_packed`` with a wrong ``pack`` in it."""
    return m._replace(name="binarize_packed", wrong=lambda x, tau: m.wrong(binarize(x, tau)[0]))


def packed_by(rule: Callable[[Array, Array], Array]) -> Callable:
    """``binarize_packed`` by another comparison: ``rule(x, tau)`` is True for -1."""
    return lambda x, tau: pack_bits(rule(x, tau))


MISTAKES: tuple[Mistake, ...] = (
    *map(after_a_threshold, PACKERS),
    Mistake(
        "binarize_packed",
        FROM_THE_POINTER,
        packed_by(lambda x, tau: as_it_lies(x) < tau),
        POINTER_SYMPTOM,
        POINTER_MET,
    ),
    Mistake(
        "binarize_packed",
        "a tie counts as -1",
        packed_by(lambda x, tau: x <= tau),
        "packed and float network agree on random floats, and differ where a value equals its threshold",
        ("larq/compute-engine#132",),
    ),
    Mistake(
        "binarize_packed",
        "packs the sign bit of x - tau, so -0.0 becomes -1",
        packed_by(lambda x, tau: np.signbit(x - tau)),
        "a few bits differ from the float network, where a negative number was rounded to zero or multiplied by it",
    ),
    Mistake(
        "binarize_packed",
        "ignores the threshold",
        packed_by(lambda x, tau: x < 0),
        "right while all thresholds are 0; trained ones lose accuracy in the packed network alone",
    ),
    Mistake(
        "binarize_packed",
        "adds the threshold",
        packed_by(lambda x, tau: x + tau < 0),
        "right while all thresholds are 0; otherwise bits between -tau and tau are wrong",
    ),
    Mistake(
        "binarize_packed",
        "the first channel's threshold for all",
        packed_by(lambda x, tau: x < tau[0]),
        "right with one channel, or with thresholds that are all alike",
    ),
)
