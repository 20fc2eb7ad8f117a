"""Records of :mod:`tinybnn.norm`."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from ... import bitpack, fold, norm
from ...binarize import sign, sign_loops
from ...notation import Array
from ..op import Case, Op, itself
from ..strategies import distinct, generators, integers, reals

ROUNDINGS = 16
"""Sums of at most 60 terms, and a mean that may be several times the deviation around it. Seen: at most 3."""


@st.composite
def batch_cases(draw: st.DrawFn) -> Case:
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5).filter(lambda sizes: sizes[0] * sizes[1] > 2))
    return Case((integers(rng, *outer, C), reals(rng, C), reals(rng, C)), {"eps": draw(st.sampled_from([1e-5, 0.5]))})


@st.composite
def running_cases(draw: st.DrawFn) -> Case:
    x, mean, var = draw(batch_cases()).args
    return Case((mean, var**2, x), {"momentum": draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))})


def statistics(rng: np.random.Generator, C: int, eps: float) -> tuple[Array, Array, Array, Array]:
    """Gamma, of which one may be 0, beta, mean and variance. Roots are powers of two: nothing is ever rounded."""
    return integers(rng, C), integers(rng, C) / 2, integers(rng, C) / 4, 4.0 ** rng.integers(-1, 2, C) - eps


@st.composite
def inference_cases(draw: st.DrawFn) -> Case:
    rng, (*outer, C) = draw(generators()), draw(distinct(3, 1, 5))
    return Case((reals(rng, *outer, C), *statistics(rng, C, 0.125)), {"eps": 0.125})


def every_level(rng: np.random.Generator, n: int, F: int) -> Case:
    """All whole numbers from -n to n, in each of F filters: ties are many, and exact."""
    z = np.repeat(np.arange(-n, n + 1.0)[:, None], F, axis=1)
    return Case((z, (1 + rng.permutation(F)) / 8, *statistics(rng, F, 0.125)), {"n": n, "eps": 0.125})


@st.composite
def fold_cases(draw: st.DrawFn) -> Case:
    n, F = draw(distinct(2, 1, 9))
    return every_level(draw(generators()), n, F)


@st.composite
def threshold_cases(draw: st.DrawFn) -> Case:
    rng, (rows, F) = draw(generators()), draw(distinct(2, 1, 6))
    z = rng.integers(-4, 5, (rows, F)).astype(np.int32)
    return Case((z, rng.integers(-4, 6, F).astype(np.int32), rng.integers(0, 2, F).astype(bool)))


def sign_of(sign: Callable, normalise: Callable) -> Callable:
    """What folding must reproduce, in real numbers: ``sign(normalise(alpha * z))``."""
    return lambda z, alpha, *statistics, n, eps: sign(normalise(alpha * z, *statistics, eps=eps))


def folded(z: Array, alpha: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, n: int, eps: float) -> Array:
    """Fold, compare whole numbers, pack what is negative, unpack."""
    threshold = fold.fold_batch_norm(alpha, gamma, beta, mean, var, n, eps=eps)
    return bitpack.unpack(bitpack.pack_bits(fold.threshold_sign(z.astype(np.int32), threshold)), z.shape[-1])


high_above_zero = Case((4096 + np.array([[0.0], [1.0], [2.0], [5.0]]), np.ones(1), np.zeros(1)), {"eps": 1e-5})

OPS = (
    Op(
        name="batch_norm",
        spec=norm.batch_norm_loops,
        forward=norm.batch_norm,
        backward=norm.batch_norm_backward,
        cases=batch_cases(),
        boundary=(high_above_zero,),
        roundings=ROUNDINGS,
    ),
    Op(
        name="update_running",
        spec=lambda *args, **options: np.stack(norm.update_running_loops(*args, **options)),
        forward=lambda mean, var, x, **options: norm.update_running(
            mean, var, norm.batch_norm(x, np.ones_like(mean), np.zeros_like(mean))[1], **options
        ),
        cases=running_cases(),
        roundings=ROUNDINGS,
        result=np.stack,
    ),
    Op(
        name="batch_norm_inference",
        spec=norm.batch_norm_inference_loops,
        forward=norm.batch_norm_inference,
        cases=inference_cases(),
        roundings=4,
        result=itself,
    ),
    Op(
        name="fold_batch_norm",
        spec=sign_of(sign_loops, norm.batch_norm_inference_loops),
        forward=sign_of(sign, norm.batch_norm_inference),
        packed=folded,
        cases=fold_cases(),
        boundary=tuple(every_level(np.random.default_rng(n), n, 9) for n in (1, 8, 63)),
        result=itself,
    ),
    Op(
        name="threshold_sign",
        spec=lambda z, *threshold: fold.threshold_sign_loops(z, fold.Threshold(*threshold)),
        forward=lambda z, *threshold: fold.threshold_sign(z, fold.Threshold(*threshold)),
        cases=threshold_cases(),
        result=itself,
    ),
)
