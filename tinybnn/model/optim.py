"""Optimizers as pure functions of dicts: SGD with momentum, Adam, and Bop, which flips binary weights directly.

Behind every binary weight is a **latent weight**, a float of which only the sign is used. Its size is an inertia: how
much evidence it takes to flip the sign. So it is clipped to [-1, 1], or some would never flip again. Bop drops the
latent weight and keeps the evidence itself. Every ``step`` returns new dicts and writes into none::

    params, state = adam.step(params, gradients, state, lr=1e-3, t=1)
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from ..notation import Array
from ..validate import need_choice, need_number


class Optimizer(NamedTuple):
    """``init(params) -> state`` and ``step(params, gradients, state, *, lr, t) -> (params, state)``."""

    name: str
    init: Callable[..., dict[str, Array]]
    step: Callable[..., tuple[dict[str, Array], dict[str, Array]]]


def sgd(momentum: float = 0.9) -> Optimizer:
    """``m = momentum m + g``, ``p = p - lr m``."""
    need_number("sgd", "momentum", momentum, 0, 1)

    def init(params):
        return {f"m/{k}": np.zeros_like(v) for k, v in params.items()}

    def step(params, gradients, state, *, lr, t):
        m = {k: momentum * state[f"m/{k}"] + g for k, g in gradients.items()}
        return {k: p - lr * m[k] for k, p in params.items()}, {f"m/{k}": v for k, v in m.items()}

    return Optimizer("sgd", init, step)


def adam(beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam (Kingma 2015, arXiv 1412.6980, algorithm 1) with its bias correction; ``t`` counts from 1."""
    for name, value in {"beta1": beta1, "beta2": beta2, "eps": eps}.items():
        need_number("adam", name, value, 0, 1)

    def init(params):
        return {f"{moment}/{k}": np.zeros_like(v) for moment in "mv" for k, v in params.items()}

    def step(params, gradients, state, *, lr, t):
        m = {k: beta1 * state[f"m/{k}"] + (1 - beta1) * g for k, g in gradients.items()}
        v = {k: beta2 * state[f"v/{k}"] + (1 - beta2) * g * g for k, g in gradients.items()}
        rate, floor = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t), eps * (1 - beta2**t) ** 0.5
        updated = {k: p - rate * m[k] / (np.sqrt(v[k]) + floor) for k, p in params.items()}
        return updated, {f"m/{k}": a for k, a in m.items()} | {f"v/{k}": a for k, a in v.items()}

    return Optimizer("adam", init, step)


def bop(
    binary: Collection[str], gamma: float = 1e-3, threshold: float = 1e-6, other: Optimizer | None = None
) -> Optimizer:
    """Bop (Helwegen 2019, arXiv 1906.02107, algorithm 1) for the keys in ``binary``, ``other`` for the rest.

    ``m = (1 - gamma) m + gamma g``; a weight flips where ``|m| > threshold`` and ``m`` has the sign of the weight: then
    flipping lowers the loss. The learning rate has no effect on these weights. ``g`` must be the gradient of the sign
    itself: a surrogate whose slope at -1 and +1 is 0, such as the polynomial, lets none through.
    """
    need_number("bop", "gamma", gamma, 0, 1)
    need_number("bop", "threshold", threshold, 0)
    other = other or adam()
    binary = frozenset(binary)

    def split(d):
        return {k: v for k, v in d.items() if k in binary}, {k: v for k, v in d.items() if k not in binary}

    def init(params):
        ours, rest = split(params)
        return {f"bop/{k}": np.zeros_like(v) for k, v in ours.items()} | other.init(rest)

    def step(params, gradients, state, *, lr, t):
        ours, rest = split(params)
        rest, rest_state = other.step(rest, split(gradients)[1], state, lr=lr, t=t)
        m = {k: (1 - gamma) * state[f"bop/{k}"] + gamma * gradients[k] for k in ours}
        flipped = {k: np.where((np.abs(m[k]) > threshold) & ((m[k] >= 0) == (w >= 0)), -w, w) for k, w in ours.items()}
        return {k: (flipped | rest)[k] for k in params}, {f"bop/{k}": v for k, v in m.items()} | rest_state

    return Optimizer("bop", init, step)


def clip_latent(params: dict[str, Array], binary: Collection[str]) -> dict[str, Array]:
    """Latent weights clipped to [-1, 1]; all other parameters unchanged."""
    return {k: np.clip(v, -1, 1) if k in binary else v for k, v in params.items()}


def learning_rate(schedule: str, progress: float) -> float:
    """The factor on the base rate after a fraction ``progress`` of the steps.

    ``constant``: 1. ``cosine``: from 1 to 0 along half a cosine. ``step``: 1, from 1/2 on 0.1, from 3/4 on 0.01.

    >>> [learning_rate("cosine", p) for p in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    need_choice("learning_rate", "schedule", schedule, ("constant", "cosine", "step"))
    if schedule == "cosine":
        return round(0.5 * (1 + float(np.cos(np.pi * progress))), 12)
    return 1.0 if schedule == "constant" or progress < 0.5 else 0.1 if progress < 0.75 else 0.01
