"""Records of :mod:`tinybnn.ops.norm` and :mod:`tinybnn.ops.fold`."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...notation import Array
from ...ops import fold, norm
from ...ops.binarize import sign_loops
from ..laws import blind_to_doubling, doubles, follows, unmoved
from ..op import Case, Law, Op, Refusal
from ..strategies import Limits, distinct, generators, integers, one_of, reals


def roundings(case: Case) -> int:
    """Two sums over a channel's values, one of squares; a mean up to three times the deviation; a few more."""
    return 2 * (case.args[0].size // case.args[0].shape[-1]) + 8


def batch_roundings(case: Case) -> float:
    """The same, in units of what is added up: ``x scale + shift`` rounds in units of x gamma / deviation."""
    x, gamma = case.args[:2]
    x = x.reshape(-1, x.shape[-1])
    largest = np.abs(gamma) * np.abs(x).max(0) / np.sqrt(x.var(0) + case.options["eps"])
    return roundings(case) * max(1.0, float(largest.max()))


@st.composite
def batch_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (rows, columns, C) = draw(generators()), draw(distinct(3, 1, 5))
    C = draw(limits("channels", st.just(C)))
    x = integers(rng, rows + 2 * (rows * columns < 3), columns, C)  # of fewer than three values nothing is left
    return Case((x, reals(rng, C), reals(rng, C)), {"eps": draw(limits("eps", one_of(1e-5, 0.5)))})


@st.composite
def running_cases(draw: st.DrawFn, limits: Limits) -> Case:
    x, mean, var = draw(batch_cases(limits)).args
    return Case((mean, var**2, x), {"momentum": draw(limits("momentum", one_of(0.0, 0.5, 0.9, 1.0)))})


def statistics(rng: np.random.Generator, C: int, eps: float) -> tuple[Array, Array, Array, Array]:
    """Gamma, of which one may be 0, beta, mean and variance. Roots are powers of two: nothing is ever rounded."""
    return integers(rng, C), integers(rng, C) / 2, integers(rng, C) / 4, 4.0 ** rng.integers(-1, 2, C) - eps


@st.composite
def inference_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5))
    C = draw(limits("channels", st.just(C)))
    return Case((reals(rng, *outer, C), *statistics(rng, C, 0.125)), {"eps": 0.125})


def filters(rng: np.random.Generator, n: int, F: int) -> Case:
    """F filters of n taps. Nothing is rounded, so ties are many, and exact."""
    return Case(((1 + rng.permutation(F)) / 8, *statistics(rng, F, 0.125), n), {"eps": 0.125})


@st.composite
def fold_cases(draw: st.DrawFn, limits: Limits) -> Case:
    n, F = draw(distinct(2, 1, 9))
    return filters(draw(generators()), n, F)


def every_level(n: int, F: int) -> Array:
    """All whole numbers from -n to n, in each of F filters."""
    return np.repeat(np.arange(-n, n + 1.0)[:, None], F, axis=1)


def fold_loops(alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, n: int, *, eps: float = 1e-5) -> Array:
    """What folding must reproduce at every level: where the sign of normalised, scaled whole numbers is -1."""
    real = norm.batch_norm_inference_loops(alpha * every_level(n, len(alpha)), gamma, beta, mean, var, eps=eps)
    return sign_loops(real) < 0


def folded(threshold: Any, case: Case) -> Array:
    """What a threshold ``(t, flip)`` makes of every level."""
    t, flip = (np.asarray(part) for part in threshold)
    z = every_level(case.args[5], len(case.args[0]))
    return (z >= t) == flip


def update_running(mean: Array, var: Array, x: Array, *, momentum: float = 0.9) -> tuple[Array, Array]:
    """The library's function from the batch itself, which the specification starts from."""
    return norm.update_running(
        mean, var, norm.batch_norm(x, np.ones_like(mean), np.zeros_like(mean))[1], momentum=momentum
    )


def update_running_loops(mean: Array, var: Array, x: Array, *, momentum: float = 0.9) -> Array:
    return np.stack(norm.update_running_loops(mean, var, x, momentum=momentum))


def running_statistics(out: Any, case: Case) -> Array:
    return np.stack(out)


@st.composite
def threshold_cases(draw: st.DrawFn, limits: Limits) -> Case:
    rng, (rows, F) = draw(generators()), draw(distinct(2, 1, 6))
    z = rng.integers(-4, 5, (rows, F)).astype(np.int32)
    return Case((z, fold.Threshold(rng.integers(-4, 6, F).astype(np.int32), rng.integers(0, 2, F).astype(bool))))


high_above_zero = Case((4096 + np.array([[0.0], [1.0], [2.0], [5.0]]), np.ones(1), np.zeros(1)), {"eps": 1e-5})
around_thresholds = Case(
    (
        every_level(4, 4).astype(np.int32),
        fold.Threshold(np.array([-2, 3, -2, 3], np.int32), np.array([False, False, True, True])),
    )
)
ONE, TWO, MAP = np.ones(1), np.ones(2), np.ones((3, 2))

OPS = (
    Op(
        name="batch_norm",
        spec=norm.batch_norm_loops,
        forward=norm.batch_norm,
        backward=norm.batch_norm_backward,
        cases=batch_cases,
        boundary=(high_above_zero,),
        laws=(
            doubles(1, 2),
            unmoved("the opposite of x and of gamma: the same", {0: np.negative, 1: np.negative}),
        ),
        refuses=(
            Refusal(Case((MAP, ONE, TWO)), "gamma has shape (1,)"),
            Refusal(Case((MAP, TWO, TWO), {"eps": 0.0}), "eps"),
        ),
        roundings=batch_roundings,
    ),
    Op(
        name="update_running",
        spec=update_running_loops,
        forward=update_running,
        cases=running_cases,
        laws=(
            Law(
                "with a momentum of 1 the old statistics stay",
                lambda f, c: (f(*c.args, momentum=1.0), np.stack(c.args[:2])),
            ),
        ),
        refuses=(
            Refusal(Case((TWO, TWO, MAP), {"momentum": 1.5}), "momentum is 1.5"),
            Refusal(Case((TWO, TWO, MAP[:1])), "2"),
        ),
        roundings=lambda case: roundings(Case(case.args[2:])),
        result=running_statistics,
    ),
    Op(
        name="batch_norm_inference",
        spec=norm.batch_norm_inference_loops,
        forward=norm.batch_norm_inference,
        cases=inference_cases,
        laws=(
            doubles(1, 2),
            unmoved("the opposite of x, of gamma and of the mean: the same", dict.fromkeys((0, 1, 3), np.negative)),
        ),
        refuses=(Refusal(Case((MAP, TWO, TWO, ONE, TWO)), "mean has shape (1,)"),),
        roundings=4,
    ),
    Op(
        name="fold_batch_norm",
        spec=fold_loops,
        forward=fold.fold_batch_norm,
        cases=fold_cases,
        boundary=tuple(filters(np.random.default_rng(n), n, 9) for n in (1, 8, 63)),
        laws=(
            blind_to_doubling(1, 2),
            follows(
                "the opposite of alpha and of the mean, and of gamma: the same",
                dict.fromkeys((0, 1, 3), np.negative),
                np.asarray,
            ),
        ),
        refuses=(
            Refusal(Case((ONE, TWO, ONE, ONE, ONE, 3)), "gamma"),
            Refusal(Case((ONE, ONE * np.nan, ONE, ONE, ONE, 3)), "nan"),
        ),
        result=folded,
    ),
    Op(
        name="threshold_sign",
        spec=fold.threshold_sign_loops,
        forward=fold.threshold_sign,
        cases=threshold_cases,
        boundary=(around_thresholds,),
        laws=(
            unmoved(
                "moving z and the threshold together changes nothing",
                {0: lambda z: z + 1, 1: lambda threshold: threshold._replace(t=threshold.t + 1)},
            ),
            follows("flip exchanges the signs", {1: lambda t: t._replace(flip=~t.flip)}, np.logical_not),
        ),
        refuses=(
            Refusal(Case((np.ones((2, 3)), fold.Threshold(np.ones(3, int), np.ones(3, bool)))), "z has dtype float64"),
        ),
    ),
)
