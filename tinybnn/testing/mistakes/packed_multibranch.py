"""Mistakes in multi-branch upsampling on words: padding, ties, tails, and sums that give other bits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.bitpack import pack
from ...ops.multibranch import multi_branch_upsample_packed
from ...ops.upsample import NEAREST
from .mistake import Mistake
from .multibranch import changed, first_for_all, gate


def packed_with(**fixed: Any) -> Callable:
    """The packed form with some options replaced."""

    def packed(*args: Array, **options: Any) -> Array:
        return multi_branch_upsample_packed(*args, **options | fixed)

    return packed


def with_words(change: Callable[[Array, Array], Array]) -> Callable:
    """The packed form of ``change(words, mask)``; the mask has ones at the bits that are channels."""

    def packed(x: Array, tau: Array, w: Array, alpha: Array, theta: Array, **options: Any) -> Array:
        mask = pack(-np.ones(x.shape[-1]))
        return multi_branch_upsample_packed(x, tau, change(w, mask), alpha, theta, **options)

    return packed


def in_reverse(*args: Array, upsamplers: Any = None, **options: Any) -> Array:
    x, *by_branch = args
    reverse = [a[::-1] for a in by_branch]
    return multi_branch_upsample_packed(x, *reverse, upsamplers=upsamplers and upsamplers[::-1], **options)


def scaled_before_the_gate(
    x: Array, tau: Array, w: Array, alpha: Array, theta: Array, *, upsamplers: Any = None, **options: Any
) -> Array:
    """``g (alpha z)`` for ``(g alpha) z``."""
    y: Any = 0
    for r, up in enumerate(upsamplers or (NEAREST,) * len(tau)):
        wide_open = np.full((1, w.shape[1]), np.inf, x.dtype)
        one = x, tau[r : r + 1], w[r : r + 1], alpha[r : r + 1], wide_open
        y = y + gate(theta)[r] * multi_branch_upsample_packed(*one, upsamplers=(up,), **options)
    return y


def in_double(x: Array, tau: Array, w: Array, alpha: Array, theta: Array, **options: Any) -> Array:
    wide = (a.astype(np.float64) for a in (alpha, theta))
    x_, tau_ = x.astype(np.float64), tau.astype(np.float64)
    return multi_branch_upsample_packed(x_, tau_, w, *wide, **options).astype(x.dtype)


PACKED = (
    (
        "padding read as +1, whatever was asked",
        packed_with(pad_value=1),
        "right inside the map, and nothing at all where +1 was asked; with 0 or -1 its border differs",
    ),
    (
        "padding read as -1, whatever was asked",
        packed_with(pad_value=-1),
        "right inside the map; along it one tap in three or more has the wrong sign",
    ),
    (
        "repeats words where the branch is bilinear",
        packed_with(upsamplers=None),
        "right with nearest, which commutes with sign; a bilinear branch shows blocks",
    ),
    (
        "strict comparison at the threshold",
        changed(multi_branch_upsample_packed, tau=lambda tau: np.nextafter(tau, np.inf)),
        "nothing with random floats; wherever a value equals its threshold packed and float layer differ",
    ),
    (
        "one branch's words for all",
        changed(multi_branch_upsample_packed, w=first_for_all),
        "right with one branch; with more, exported results have little to do with the float layer's",
    ),
    (
        "weights packed with 1 for +1",
        with_words(lambda words, mask: words ^ mask),
        "every branch gives the opposite: outputs have the right size and the wrong sign",
    ),
    (
        "ones in the tail of the weights' words",
        with_words(lambda words, mask: words | ~mask),
        "64 channels pass, 65 fail: every tap counts the bits that are no channels",
    ),
    (
        "adds the branches in reverse order: other bits",
        in_reverse,
        "equal to all but the last digits; a test by == fails now and then, with three branches or more",
    ),
    (
        "scales by alpha, then by the gate: other bits",
        scaled_before_the_gate,
        "equal to all but the last digits; a test by == fails now and then",
    ),
    (
        "computes in float64 and rounds at the end: other bits",
        in_double,
        "nearer to the truth than the float32 layer, and so not equal to it: a test by == fails in float32 only",
    ),
)

MISTAKES: tuple[Mistake, ...] = tuple(Mistake("multi_branch_upsample_packed", *entry) for entry in PACKED)
