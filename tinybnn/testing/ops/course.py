"""Records of single steps of :mod:`tinybnn.model.optim` for the course: each takes arrays and returns new weights."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from ...model import optim
from ...notation import Array
from ...validate import need_float, need_shape
from ..laws import follows, twice
from ..op import Case, Law, call, record, refused
from ..strategies import Limits, distinct, generators, integers, one_of, reals, signs


def need_alike(op: str, w: Array, **others: Array) -> None:
    """Refuse arrays whose shape or dtype differs from that of the weights."""
    need_float(op, w=w, **others)
    for name, a in others.items():
        need_shape(op, name, a, " ".join(map(str, w.shape)))


# -- latent weights -------------------------------------------------------------------------------------------------


def latent_step_loops(w: Array, g: Array, *, lr: float) -> Array:
    """Specification: one step down the gradient, then back into [-1, 1]."""
    new = np.empty(w.shape)
    for i in np.ndindex(w.shape):
        new[i] = min(max(w[i] - lr * g[i], -1.0), 1.0)
    return new


def latent_step(w: Array, g: Array, *, lr: float) -> Array:
    """The library's own: SGD without momentum, then the clip."""
    need_alike("latent_step", w, g=g)
    optimizer, params = optim.sgd(0), {"w": w}
    params, _ = optimizer.step(params, {"w": g}, optimizer.init(params), lr=lr, t=1)
    return optim.clip_latent(params, params)["w"]


@st.composite
def latent_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Multiples of 1/8, of which many end at exactly -1 or +1, or any latent weights."""
    rng, shape, lr = draw(generators()), draw(distinct(3, 1, 5)), draw(limits("lr", one_of(0.5, 0.125, 0.1, 1.0)))
    round_numbers = rng.integers(-4, 5, shape) / 4, integers(rng, *shape) / 2
    return call(*draw(one_of(round_numbers, (rng.uniform(-1, 1, shape), reals(rng, *shape)))), lr=lr)


# -- Bop ------------------------------------------------------------------------------------------------------------


def bop_step_loops(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
    """Specification: update the average with the gradient; flip a weight if the average is large and has its sign."""
    new = np.empty(w.shape)
    for i in np.ndindex(w.shape):
        average = (1 - gamma) * m[i] + gamma * g[i]
        agrees = (average >= 0) == (w[i] >= 0)
        new[i] = -w[i] if agrees and abs(average) > threshold else w[i]
    return new


def bop_step(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
    """The library's own; the new average is part of its state and is not returned."""
    need_alike("bop_step", w, m=m, g=g)
    optimizer = optim.bop(("w",), gamma=gamma, threshold=threshold)
    return optimizer.step({"w": w}, {"w": g}, {"bop/w": m}, lr=0.0, t=1)[0]["w"]


@st.composite
def bop_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Averages are multiples of 1/8, so nothing is rounded, and some are equal to the threshold."""
    rng, shape = draw(generators()), draw(distinct(3, 1, 5))
    usual = {"gamma": one_of(0.25, 0.5, 1.0), "threshold": one_of(0.5, 0.25, 0.0)}
    options = {name: draw(limits(name, values)) for name, values in usual.items()}
    return Case((signs(rng, *shape), integers(rng, *shape) / 2, integers(rng, *shape)), options)


# -- records --------------------------------------------------------------------------------------------------------

EDGE = np.array([1.0, -1.0, 1.0, -1.0, 0.0, -0.0, 0.0, 0.75, -0.75])
PUSH = np.array([-1.0, 1.0, 1.0, -1.0, 0.0, 0.0, 2.0, -0.5, 0.5])
BEYOND = np.array([1.5, -1.5, 3.0])  # new weights may be this large if they are drawn from a wide distribution
PLUS_MINUS, EVIDENCE = np.array([1.0, -1.0] * 5), np.repeat([0.5, -0.5, 0.0, 0.25, -0.75], 2)
TWO, THREE = np.ones(2), np.ones(3)


def opposite(of: str, count: int) -> Law:
    return follows(f"the opposite {of}: the opposite", dict.fromkeys(range(count), np.negative), np.negative)


def all_doubled(f: Callable, c: Case) -> tuple:
    options = c.options | {"threshold": 2 * c.options["threshold"]}
    return f(c.args[0], *map(twice, c.args[1:]), **options), f(*c.args, **c.options)


half_the_rate = Law(
    "twice the gradient at half the rate: the same",
    lambda f, c: (f(c.args[0], 2 * c.args[1], lr=c.options["lr"] / 2), f(*c.args, **c.options)),
)
no_gradient = Law(
    "without a gradient nothing moves", lambda f, c: (f(c.args[0], 0 * c.args[1], **c.options), c.args[0])
)
no_flips = Law(
    "below a threshold that nothing reaches no weight flips",
    lambda f, c: (f(*c.args, **c.options | {"threshold": 4.0}), c.args[0]),
)

# fmt: off
OPS = (
    record(latent_step, latent_cases, roundings=4,
           boundary=(call(EDGE, PUSH, lr=0.5), call(EDGE, 8 * PUSH, lr=0.125), call(BEYOND, BEYOND, lr=0.5)),
           laws=(opposite("weights and gradients", 2), half_the_rate, no_gradient),
           refuses=(refused("g has shape (2,)", THREE, TWO, lr=0.5),
                    refused("g has dtype int64", THREE, THREE.astype(int), lr=0.5))),
    record(bop_step, bop_cases,
           boundary=(call(PLUS_MINUS, EVIDENCE, EVIDENCE, gamma=0.25, threshold=0.5),
                     call(PLUS_MINUS, EVIDENCE, -EVIDENCE, gamma=0.25, threshold=0.25),
                     call(PLUS_MINUS, 0 * EVIDENCE, EVIDENCE, gamma=0.5, threshold=0.0)),
           laws=(opposite("weights, averages and gradients", 3),
                 Law("doubling average, gradient and threshold changes nothing", all_doubled), no_flips),
           refuses=(refused("g has shape (2,)", THREE, THREE, TWO, gamma=0.5, threshold=0.5),)),
)
