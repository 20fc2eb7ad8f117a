"""Records of :mod:`tinybnn.ops.norm` and :mod:`tinybnn.ops.fold`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import fold, norm
from ...ops.binarize import sign_loops
from ..laws import blind_to_doubling, doubles, follows, unmoved
from ..op import ANYTHING, MANY, Case, Law, call, record, refused
from ..strategies import Limits, distinct, generators, integers, one_of, reals

# -- batch norm -----------------------------------------------------------------------------------------------------


ROUNDINGS = 8
"""Mean, difference, variance, root, and a few more. A mean that is corrected once, or a sum in float64, has one."""


def batch_roundings(case: Case) -> float:
    """The same, in units of the terms of ``x scale + shift``, which are as large as x gamma / deviation."""
    x, gamma = case.args[:2]
    x = x.reshape(-1, x.shape[-1])
    largest = np.abs(gamma) * np.abs(x).max(0) / np.sqrt(x.var(0) + case.options["eps"])
    return ROUNDINGS * max(1.0, float(largest.max()))


@st.composite
def batch_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (rows, columns, C) = draw(generators()), draw(distinct(3, 1, 5))
    C = draw(limits("channels", st.just(C)))
    x = integers(rng, rows + 2 * (rows * columns < 3), columns, C)  # at least three values per channel
    return call(x, reals(rng, C), reals(rng, C), eps=draw(limits("eps", one_of(1e-5, 0.5))))


@st.composite
def running_cases(draw: st.DrawFn, limits: Limits) -> Case:
    x, mean, var = draw(batch_cases(limits)).args
    return call(mean, var**2, x, momentum=draw(limits("momentum", one_of(0.0, 0.5, 0.9, 1.0))))


def update_running(mean: Array, var: Array, x: Array, *, momentum: float = 0.9) -> tuple[Array, Array]:
    """The library's function, but of the batch itself, from which the specification starts."""
    cache = norm.batch_norm(x, np.ones_like(mean), np.zeros_like(mean))[1]
    return norm.update_running(mean, var, cache, momentum=momentum)


def update_running_loops(mean: Array, var: Array, x: Array, *, momentum: float = 0.9) -> Array:
    return np.stack(norm.update_running_loops(mean, var, x, momentum=momentum))


def statistics(rng: np.random.Generator, C: int, eps: float) -> tuple[Array, Array, Array, Array]:
    """Gamma, which may be 0, beta, mean and variance. Standard deviations are powers of two: nothing is rounded."""
    return integers(rng, C), integers(rng, C) / 2, integers(rng, C) / 4, 4.0 ** rng.integers(-1, 2, C) - eps


@st.composite
def inference_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5))
    C = draw(limits("channels", st.just(C)))
    return call(reals(rng, *outer, C), *statistics(rng, C, 0.125), eps=0.125)


# -- folding --------------------------------------------------------------------------------------------------------


def filters(rng: np.random.Generator, n: int, F: int) -> Case:
    """F filters of n taps. Nothing is rounded, and many values are exactly 0 before the sign."""
    return call((1 + rng.permutation(F)) / 8, *statistics(rng, F, 0.125), n, eps=0.125)


@st.composite
def fold_cases(draw: st.DrawFn, limits: Limits) -> Case:
    n, F = draw(distinct(2, 1, 9))
    return filters(draw(generators()), n, F)


def every_level(n: int, F: int) -> Array:
    """All whole numbers from -n to n, in each of F filters."""
    return np.repeat(np.arange(-n, n + 1.0)[:, None], F, axis=1)


def fold_loops(alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5) -> Array:
    """Where the sign of a scaled and normalised level is -1. The threshold must give the same at every level."""
    real = norm.batch_norm_inference_loops(alpha * every_level(n, len(alpha)), gamma, beta, mean, var, eps=eps)
    return sign_loops(real) < 0


def folded(threshold: Any, case: Case) -> Array:
    """What a threshold ``(t, flip)`` gives at every level."""
    t, flip = (np.asarray(part) for part in threshold)
    return (every_level(case.args[5], len(case.args[0])) >= t) == flip


@st.composite
def threshold_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (rows, F) = draw(generators()), draw(distinct(2, 1, 6))
    z = rng.integers(-4, 5, (rows, F)).astype(np.int32)
    return call(z, fold.Threshold(rng.integers(-4, 6, F).astype(np.int32), rng.integers(0, 2, F).astype(bool)))


# -- records --------------------------------------------------------------------------------------------------------

ONE, TWO, MAP = np.ones(1), np.ones(2), np.ones((3, 2))
one_after_the_other = np.stack([MANY[:500], np.full(500, 823.0)], axis=1)
many_rows = call(one_after_the_other, TWO, 0 * TWO, eps=1e-5)
many_channels = call(1000 + np.arange(195.0).reshape(3, 65) % 7, np.ones(65), np.zeros(65), eps=1e-5)
high_above_zero = call(4096 + np.array([[0.0], [1.0], [2.0], [5.0]]), np.ones(1), np.zeros(1), eps=1e-5)
four_thresholds = fold.Threshold(np.array([-2, 3, -2, 3], np.int32), np.array([False, False, True, True]))
OPPOSITE = dict.fromkeys((0, 1, 3), np.negative)
mirrored = unmoved("the opposite of x and of gamma: the same", dict.fromkeys((0, 1), np.negative))
mirrored_mean = unmoved("the opposite of x, of gamma and of the mean: the same", OPPOSITE)
mirrored_alpha = unmoved("the opposite of alpha and of the mean, and of gamma: the same", OPPOSITE)
channels_apart = Law(
    "a channel alone gives what it gives among others",
    lambda f, c: (f(*(a[..., :1] for a in c.args), **c.options), f(*c.args, **c.options)[..., :1]),
)
old_stay = Law(
    "with a momentum of 1 the old statistics stay", lambda f, c: (f(*c.args, momentum=1.0), np.stack(c.args[:2]))
)
moved_together = unmoved(
    "moving z and the threshold together changes nothing", {0: lambda z: z + 1, 1: lambda t: t._replace(t=t.t + 1)}
)
flipped = follows("flip swaps the signs", {1: lambda t: t._replace(flip=~t.flip)}, np.logical_not)

# fmt: off
OPS = (
    record(norm.batch_norm, batch_cases, boundary=(high_above_zero, many_rows, many_channels),
           roundings=batch_roundings, laws=(doubles(1, 2), mirrored, channels_apart),
           refuses=(refused("gamma has shape (1,)", MAP, ONE, TWO), refused("eps", MAP, TWO, TWO, eps=0.0))),
    record(update_running, running_cases, laws=(old_stay,), result=lambda out, case: np.stack(out),
           roundings=ROUNDINGS, boundary=(call(TWO, TWO, one_after_the_other, momentum=0.5),),
           refuses=(refused("momentum is 1.5", TWO, TWO, MAP, momentum=1.5), refused("2", TWO, TWO, MAP[:1]))),
    record(norm.batch_norm_inference, inference_cases, laws=(doubles(1, 2), mirrored_mean), roundings=4,
           spreads=ANYTHING, refuses=(refused("mean has shape (1,)", MAP, TWO, TWO, ONE, TWO),)),
    record(fold.fold_batch_norm, fold_cases, spec=fold_loops, result=folded,
           boundary=tuple(filters(np.random.default_rng(n), n, 9) for n in (1, 8, 63)),
           laws=(blind_to_doubling(1, 2), mirrored_alpha),
           refuses=(refused("gamma", ONE, TWO, ONE, ONE, ONE, 3), refused("nan", ONE, ONE * np.nan, ONE, ONE, ONE, 3))),
    record(fold.threshold_sign, threshold_cases, laws=(moved_together, flipped),
           boundary=(call(every_level(4, 4).astype(np.int32), four_thresholds),),
           refuses=(refused("z has dtype float64", MAP, fold.Threshold(np.ones(2, int), np.ones(2, bool))),)),
)
