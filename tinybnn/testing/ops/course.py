"""Records of single steps of :mod:`tinybnn.model.optim`, as the course asks for them: one array, and what becomes of it."""

import numpy as np
from hypothesis import strategies as st

from ...model import optim
from ...notation import Array
from ...validate import need_float, need_shape
from ..laws import follows, twice
from ..op import Case, Law, Op, Refusal
from ..strategies import Limits, distinct, generators, integers, one_of, reals, signs


def need_alike(op: str, w: Array, **others: Array) -> None:
    """Refuse arrays of another shape or dtype than the weight's own."""
    need_float(op, w=w, **others)
    for name, a in others.items():
        need_shape(op, name, a, " ".join(map(str, w.shape)))


# -- latent weights -------------------------------------------------------------------------------------------------


def latent_step_loops(w: Array, g: Array, *, lr: float) -> Array:
    """Specification: one step down the gradient, and back into [-1, 1]."""
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
    """Quarters and eighths, of which many end at -1 or +1 exactly; or latent weights as they come."""
    rng, shape, lr = draw(generators()), draw(distinct(3, 1, 5)), draw(limits("lr", one_of(0.5, 0.125, 0.1, 1.0)))
    round_numbers = rng.integers(-4, 5, shape) / 4, integers(rng, *shape) / 2
    return Case(draw(one_of(round_numbers, (rng.uniform(-1, 1, shape), reals(rng, *shape)))), {"lr": lr})


# -- Bop ------------------------------------------------------------------------------------------------------------


def bop_step_loops(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
    """Specification: the average takes the gradient in; a weight flips where it is large and has the weight's sign."""
    new = np.empty(w.shape)
    for i in np.ndindex(w.shape):
        average = (1 - gamma) * m[i] + gamma * g[i]
        agrees = (average >= 0) == (w[i] >= 0)
        new[i] = -w[i] if agrees and abs(average) > threshold else w[i]
    return new


def bop_step(w: Array, m: Array, g: Array, *, gamma: float, threshold: float) -> Array:
    """The library's own; the new average is its state, and not asked for."""
    need_alike("bop_step", w, m=m, g=g)
    optimizer = optim.bop(("w",), gamma=gamma, threshold=threshold)
    return optimizer.step({"w": w}, {"w": g}, {"bop/w": m}, lr=0.0, t=1)[0]["w"]


@st.composite
def bop_cases(draw: st.DrawFn, limits: Limits) -> Case:
    """Averages are eighths, so nothing is rounded, and some lie on the threshold itself."""
    rng, shape = draw(generators()), draw(distinct(3, 1, 5))
    options = {
        "gamma": draw(limits("gamma", one_of(0.25, 0.5, 1.0))),
        "threshold": draw(limits("threshold", one_of(0.5, 0.25, 0.0))),
    }
    return Case((signs(rng, *shape), integers(rng, *shape) / 2, integers(rng, *shape)), options)


EDGE = np.array([1.0, -1.0, 1.0, -1.0, 0.0, -0.0, 0.0, 0.75, -0.75])
PUSH = np.array([-1.0, 1.0, 1.0, -1.0, 0.0, 0.0, 2.0, -0.5, 0.5])
BEYOND = np.array([1.5, -1.5, 3.0])  # as fresh weights may be that are drawn too wide
PLUS_MINUS = np.array([1.0, -1.0] * 5)
EVIDENCE = np.repeat([0.5, -0.5, 0.0, 0.25, -0.75], 2)
TWO, THREE = np.ones(2), np.ones(3)

OPS = (
    Op(
        name="latent_step",
        spec=latent_step_loops,
        forward=latent_step,
        cases=latent_cases,
        boundary=(
            Case((EDGE, PUSH), {"lr": 0.5}),
            Case((EDGE, 8 * PUSH), {"lr": 0.125}),
            Case((BEYOND, BEYOND), {"lr": 0.5}),
        ),
        laws=(
            follows(
                "the opposite weights and gradients: the opposite", dict.fromkeys((0, 1), np.negative), np.negative
            ),
            Law(
                "twice the gradient at half the rate: the same",
                lambda f, c: (f(c.args[0], 2 * c.args[1], lr=c.options["lr"] / 2), f(*c.args, **c.options)),
            ),
            Law("without a gradient nothing moves", lambda f, c: (f(c.args[0], 0 * c.args[1], **c.options), c.args[0])),
        ),
        refuses=(
            Refusal(Case((THREE, TWO), {"lr": 0.5}), "g has shape (2,)"),
            Refusal(Case((THREE, THREE.astype(int)), {"lr": 0.5}), "g has dtype int64"),
        ),
        roundings=4,
    ),
    Op(
        name="bop_step",
        spec=bop_step_loops,
        forward=bop_step,
        cases=bop_cases,
        boundary=(
            Case((PLUS_MINUS, EVIDENCE, EVIDENCE), {"gamma": 0.25, "threshold": 0.5}),
            Case((PLUS_MINUS, EVIDENCE, -EVIDENCE), {"gamma": 0.25, "threshold": 0.25}),
            Case((PLUS_MINUS, 0 * EVIDENCE, EVIDENCE), {"gamma": 0.5, "threshold": 0.0}),
        ),
        laws=(
            follows(
                "the opposite weights, averages and gradients: the opposite",
                dict.fromkeys((0, 1, 2), np.negative),
                np.negative,
            ),
            Law(
                "doubling average, gradient and threshold changes nothing",
                lambda f, c: (
                    f(c.args[0], *map(twice, c.args[1:]), **c.options | {"threshold": 2 * c.options["threshold"]}),
                    f(*c.args, **c.options),
                ),
            ),
            Law(
                "below a threshold that nothing reaches no weight flips",
                lambda f, c: (f(*c.args, **c.options | {"threshold": 4.0}), c.args[0]),
            ),
        ),
        refuses=(Refusal(Case((THREE, THREE, TWO), {"gamma": 0.5, "threshold": 0.5}), "g has shape (2,)"),),
    ),
)
