"""Mistakes in multi-branch upsampling: at the thresholds, in the branches, at the gates, in the sum."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...notation import Array, Pair
from ...ops.activation import sigmoid
from ...ops.binarize import binarize, identity
from ...ops.binary_conv import binary_conv2d
from ...ops.multibranch import MultiBranchCache, MultiBranchGrads, multi_branch_upsample, multi_branch_upsample_backward
from ...ops.upsample import NEAREST, Upsampler
from .mistake import Mistake
from .prelu import mean_over, spoilt

NAMES = "x", "tau", "w", "alpha", "theta"

# -- forward --------------------------------------------------------------------------------------------------------


def changed(function: Callable, **changes: Callable) -> Callable:
    """``function`` with some arguments or options spoilt: ``name=function of the argument``."""

    def wrong(*args: Array, **options: Any) -> Array:
        args = tuple(changes[name](arg) if name in changes else arg for name, arg in zip(NAMES, args))
        out = function(*args, **{k: changes[k](v) if k in changes else v for k, v in options.items()})
        return out[0] if isinstance(out, tuple) else out

    return wrong


def answers(cache: MultiBranchCache) -> list[Array]:
    return [alpha * branch.z for alpha, branch in zip(cache.alpha, cache.branches)]


def first_for_all(a: Array) -> Array:
    return np.repeat(a[:1], len(a), axis=0)


def merged_by(rule: Callable[[Array, Array], Array]) -> Callable:
    """The right branches, (R, N, OH, OW, F), merged by ``rule(theta, branches)``.

    Gates get the axes that they lack; infinite ones are bent to 50, whose sigmoid is 1 and whose exponential is finite.
    """

    def forward(*args: Array, **options: Any) -> Array:
        branches = np.stack(answers(multi_branch_upsample(*args, **options)[1]))
        R, *positions, F = args[4].shape
        theta = np.clip(args[4], -50, 50).reshape(R, 1, *(positions or (1, 1)), F)
        return rule(theta, branches).astype(args[0].dtype)

    return forward


def gate(theta: Array) -> Array:
    return sigmoid(theta)[0]


def softmax_over_branches(theta: Array, y: Array) -> Array:
    e = np.exp(theta)
    return (e / e.sum(0) * y).sum(0)


def softmax_over_channels(theta: Array, y: Array) -> Array:
    e = np.exp(theta)
    return (e / e.sum(-1, keepdims=True) * y).sum(0)


def mean_through_the_closed_part(theta: Array, y: Array) -> Array:
    g = gate(theta)
    return (g * y + (1 - g) * y.mean(0)).sum(0)


def sign_before_upsampling(
    x: Array,
    tau: Array,
    w: Array,
    alpha: Array,
    theta: Array,
    *,
    pad_value: int,
    scale: Pair = 2,
    pad: Pair = 1,
    upsamplers: Sequence[Upsampler] | None = None,
) -> Array:
    y: Any = 0
    for r, up in enumerate(upsamplers or (NEAREST,) * len(tau)):
        s = up.forward(binarize(x, tau[r])[0], scale=scale)[0]
        y = y + gate(theta)[r] * binary_conv2d(s, w[r], alpha[r], pad_value=pad_value, pad=pad)[0]
    return y


# -- backward -------------------------------------------------------------------------------------------------------


def without_the_sigmoid(grads: MultiBranchGrads, dy: Array, cache: MultiBranchCache) -> Array:
    shared = tuple(range(dy.ndim - cache.gates[0].ndim))
    return np.stack([(dy * y).sum(shared) for y in answers(cache)])


def averaged_gates(grads: MultiBranchGrads, dy: Array, cache: MultiBranchCache) -> Array:
    return grads.dtheta * (cache.gates[0].size / dy.size)


def last_branch_only(grads: MultiBranchGrads, dy: Array, cache: MultiBranchCache) -> Array:
    parts = ("branches", "w", "alpha", "gates")
    last = cache._replace(**{name: getattr(cache, name)[-1:] for name in parts})
    return multi_branch_upsample_backward(dy, last).dx


def gates_replaced(change: Callable[[Array], Array]) -> Callable:
    """Sends ``dy`` into the branches through other gates; the gates' own gradient stays right."""

    def backward(dy: Array, cache: MultiBranchCache) -> MultiBranchGrads:
        good = multi_branch_upsample_backward(dy, cache)
        other = multi_branch_upsample_backward(dy, cache._replace(gates=change(cache.gates)))
        return other._replace(dtheta=good.dtheta)

    return backward


def alpha_without_gate(grads: MultiBranchGrads, dy: Array, cache: MultiBranchCache) -> Array:
    return multi_branch_upsample_backward(dy, cache._replace(gates=np.ones_like(cache.gates))).dalpha


def weights_without_mask(grads: MultiBranchGrads, dy: Array, cache: MultiBranchCache) -> Array:
    return multi_branch_upsample_backward(dy, cache._replace(quantizer=identity)).dw


def spends_its_cache(dy: Array, cache: MultiBranchCache) -> MultiBranchGrads:
    """Scales each answer where it lies."""
    grads = multi_branch_upsample_backward(dy, cache)
    for look, alpha in zip(cache.looks, cache.alpha):
        look.z[...] *= alpha
    return grads


ONE_FOR_ALL = "branches see the same: with three of them no more levels than with one"

FORWARD = (
    (
        "one threshold for all branches",
        changed(multi_branch_upsample, tau=first_for_all),
        ONE_FOR_ALL,
    ),
    (
        "adds the threshold",
        changed(multi_branch_upsample, tau=np.negative),
        "nothing for thresholds at 0, or for pairs +t and -t of branches that are alike; loaded weights do not fit",
    ),
    (
        "one kernel for all branches",
        changed(multi_branch_upsample, w=first_for_all),
        "nothing at the start if branches begin alike; then all but one kernel get no say",
    ),
    (
        "alpha forgotten",
        changed(multi_branch_upsample, alpha=np.ones_like),
        "outputs are whole numbers times gates, mostly far too large; batch norm after it hides it in training",
    ),
    (
        "pads with zeros whatever was asked",
        changed(multi_branch_upsample, pad_value=lambda value: 0),
        "right inside the map; packed code that pads with +1 or -1 differs along it",
    ),
    (
        "nearest in every branch whatever was asked",
        changed(multi_branch_upsample, upsamplers=lambda ups: None),
        "blocks in the output where a bilinear branch should have drawn a line; nothing else",
    ),
    (
        "takes the sign before upsampling",
        sign_before_upsampling,
        "right with nearest, which commutes with sign; a bilinear branch then sees fractions, or the signs of signs",
    ),
    (
        "gates in reverse order",
        changed(multi_branch_upsample, theta=lambda theta: theta[::-1]),
        "right with one branch or with gates that are alike, as at the start; trained weights give other results",
    ),
    (
        "the gates' rows upside down",
        changed(multi_branch_upsample, theta=lambda theta: theta[:, ::-1] if theta.ndim == 4 else theta),
        "right with gates per channel; gates per position open at the mirrored place",
    ),
    (
        "gate without sigmoid",
        merged_by(lambda theta, y: (theta * y).sum(0)),
        "at theta = 0 the output is 0 and no gradient reaches a branch; a negative theta turns its branch over",
    ),
    (
        "a hard gate, 0 or 1",
        merged_by(lambda theta, y: ((theta > 0) * y).sum(0)),
        "branches switch on and off at once, and theta gets no gradient",
    ),
    (
        "one gate outside the sum",
        merged_by(lambda theta, y: gate(theta.mean(0)) * y.sum(0)),
        "right with one branch; with more, none can be switched off alone",
    ),
    (
        "softmax over branches: they compete",
        merged_by(softmax_over_branches),
        "gates add up to 1: with one branch theta does nothing, and no two branches can be open at once",
    ),
    (
        "softmax over channels",
        merged_by(softmax_over_channels),
        "outputs shrink with the number of channels, and channels take gates from one another",
    ),
    (
        "the closed part of a gate lets the mean of all branches through, as in Group-Net",
        merged_by(mean_through_the_closed_part),
        "right with gates wide open; a branch at theta = -inf is not gone but replaced by the mean",
    ),
    (
        "the last branch overwrites the others",
        merged_by(lambda theta, y: gate(theta)[-1] * y[-1]),
        "right with one branch; with three no better than with one",
    ),
    (
        "averages the branches",
        merged_by(lambda theta, y: (gate(theta) * y).mean(0)),
        "right with one branch; with more, outputs are too small by their number, and batch norm hides it",
    ),
)

BACKWARD = (
    (
        "dtheta without g (1 - g)",
        spoilt(multi_branch_upsample_backward, dtheta=without_the_sigmoid),
        "gates move four times too fast at theta = 0, and ones that are shut go on moving",
    ),
    (
        "dtheta averaged over what shares a gate",
        spoilt(multi_branch_upsample_backward, dtheta=averaged_gates),
        "gates hardly move, the less the larger the map: after training they are still half open",
    ),
    (
        "dx of the last branch only: each assigns, none adds",
        spoilt(multi_branch_upsample_backward, dx=last_branch_only),
        "right with one branch; with more the layers below learn for the last one only",
    ),
    (
        "gates forgotten on the way back",
        gates_replaced(np.ones_like),
        "branches that are shut, and have no part in the output, learn and send gradients like open ones",
    ),
    (
        "each branch takes its neighbour's gate on the way back",
        gates_replaced(lambda gates: np.roll(gates, 1, 0)),
        "right with one branch or with gates that are alike, as at the start",
    ),
    (
        "one gradient for the thresholds of all branches",
        spoilt(
            multi_branch_upsample_backward,
            dtau=lambda grads, dy, cache: np.repeat(grads.dtau.sum(0, keepdims=True), len(grads.dtau), axis=0),
        ),
        "thresholds keep their distance from one another, however long one trains",
    ),
    (
        "averages dtau instead of summing",
        spoilt(multi_branch_upsample_backward, dtau=lambda grads, dy, cache: mean_over(grads.dtau, dy)),
        "thresholds hardly move, the less the larger the map",
    ),
    (
        "no gradient for alpha",
        spoilt(multi_branch_upsample_backward, dalpha=lambda grads, dy, cache: 0 * grads.dalpha),
        "scales that are parameters of their own stay as they were initialised",
    ),
    (
        "dalpha without the gate",
        spoilt(multi_branch_upsample_backward, dalpha=alpha_without_gate),
        "scales of branches that are shut learn like those of open ones",
    ),
    (
        "no mask for the latent weights",
        spoilt(multi_branch_upsample_backward, dw=weights_without_mask),
        "latent weights drift far beyond 1, where no update changes their sign, unless they are clipped",
    ),
    (
        "uses up its cache",
        spends_its_cache,
        "the first backward pass is right, a second one from the same cache is not",
    ),
)

MISTAKES: tuple[Mistake, ...] = (
    *(Mistake("multi_branch_upsample", *entry) for entry in FORWARD),
    *(Mistake("multi_branch_upsample_backward", *entry) for entry in BACKWARD),
)
