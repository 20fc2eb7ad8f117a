"""Wrong versions of multi-branch upsampling: at the thresholds, in the branches, at the gates, in the sum."""

import numpy as np

from tinybnn.activation import sigmoid
from tinybnn.binarize import binarize, clipped
from tinybnn.binary_conv import binary_conv2d
from tinybnn.multibranch import multi_branch_upsample, multi_branch_upsample_backward
from tinybnn.testing.ops.multibranch import packed_branches
from tinybnn.upsample import NEAREST

from .mutant import Mutant


def forward_with(**changes):
    """The forward with some arguments spoilt: ``name=function of the argument``."""
    names = "x", "tau", "w", "alpha", "theta"

    def forward(*args, **options):
        args = [changes[name](arg) if name in changes else arg for name, arg in zip(names, args)]
        return multi_branch_upsample(*args, **{k: changes.get(k, lambda v: v)(v) for k, v in options.items()})

    return forward


def merged_by(rule):
    """The right branches, merged by ``rule(theta, branches)``; infinite gates are bent to 50, whose sigmoid is 1."""

    def forward(*args, **options):
        _, cache = multi_branch_upsample(*args, **options)
        return rule(np.clip(args[4], -50, 50), np.stack(cache.branches)).astype(args[0].dtype), cache

    return forward


def per_branch(theta, branches):
    """Gates broadcast against branches of shape (R, N, OH, OW, F)."""
    R, *positions, F = theta.shape
    return theta.reshape(R, 1, *(positions or (1, 1)), F)


def no_sigmoid(theta, y):
    return (per_branch(theta, y) * y).sum(0)


def one_gate_outside(theta, y):
    return sigmoid(per_branch(theta, y).mean(0))[0] * y.sum(0)


def softmax(theta, y):
    e = np.exp(per_branch(theta, y))
    return (e / e.sum(0) * y).sum(0)


def group_net(theta, y):
    """Soft gates between a branch and the mean of all, Group-Net's."""
    g = sigmoid(per_branch(theta, y))[0]
    return (g * y + (1 - g) * y.mean(0)).sum(0)


def last_overwrites(theta, y):
    return sigmoid(per_branch(theta, y))[0][-1] * y[-1]


def averaged(theta, y):
    return (sigmoid(per_branch(theta, y))[0] * y).mean(0)


def sign_before_upsampling(x, tau, w, alpha, theta, *, pad_value, scale, pad, upsamplers, quantizer):
    gates, _ = sigmoid(theta)
    y = 0
    for r, up in enumerate(upsamplers or (NEAREST,) * len(tau)):
        s, _ = up.forward(binarize(x, tau[r])[0], scale=scale)
        y = y + gates[r] * binary_conv2d(s, w[r], alpha[r], pad_value=pad_value, pad=pad)[0]
    return y, None


def defaults(**options):
    return {"scale": 2, "pad": 1, "upsamplers": None, "quantizer": clipped} | options


def gate_gradient_unsquashed(dy, cache):
    good = multi_branch_upsample_backward(dy, cache)
    shared = tuple(range(dy.ndim - cache.gates[0].ndim))
    return good._replace(dtheta=np.stack([(dy * y).sum(shared) for y in cache.branches]))


def gate_gradient_averaged(dy, cache):
    """Averages over what shares a gate."""
    good = multi_branch_upsample_backward(dy, cache)
    return good._replace(dtheta=good.dtheta * (cache.gates[0].size / dy.size))


def last_branch_only(dy, cache):
    """Each branch assigns dx, none adds to it."""
    good = multi_branch_upsample_backward(dy, cache)
    last = cache._replace(**{k: getattr(cache, k)[-1:] for k in ("looks", "w", "alpha", "gates", "sigmoid")})
    return good._replace(dx=multi_branch_upsample_backward(dy, last).dx)


def gates_forgotten(dy, cache):
    """Sends dy itself into every branch."""
    good = multi_branch_upsample_backward(dy, cache)
    return multi_branch_upsample_backward(dy, cache._replace(gates=np.ones_like(cache.gates)))._replace(
        dtheta=good.dtheta
    )


def branches_exchanged(dy, cache):
    """The gates of the neighbour on the way back."""
    good = multi_branch_upsample_backward(dy, cache)
    return multi_branch_upsample_backward(dy, cache._replace(gates=np.roll(cache.gates, 1, 0)))._replace(
        dtheta=good.dtheta
    )


def thresholds_shared(dy, cache):
    good = multi_branch_upsample_backward(dy, cache)
    return good._replace(dtau=np.broadcast_to(good.dtau.sum(0), good.dtau.shape))


def writes_into_its_cache(dy, cache):
    cache.looks[0].z[...] *= 2
    return multi_branch_upsample_backward(dy, cache)


def packed_with(**changes):
    """The packed form with some options replaced."""

    def packed(*args, **options):
        return packed_branches(*args, **options | changes)

    return packed


def packed_in_reverse(x, tau, w, alpha, theta, *, upsamplers=None, **options):
    upsamplers = upsamplers and upsamplers[::-1]
    return packed_branches(x, tau[::-1], w[::-1], alpha[::-1], theta[::-1], upsamplers=upsamplers, **options)


def scaled_before_the_gate(x, tau, w, alpha, theta, **options):
    """``g (alpha z)`` for ``(g alpha) z``."""
    y, gates = 0, sigmoid(theta)[0]
    for r, up in enumerate(options.pop("upsamplers", None) or (NEAREST,) * len(tau)):
        one = x, tau[r : r + 1], w[r : r + 1], alpha[r : r + 1], np.full((1, w.shape[-1]), np.inf, x.dtype)
        y = y + gates[r] * packed_branches(*one, upsamplers=(up,), **options)
    return y


def packed_strictly(x, tau, *args, **options):
    return packed_branches(x, np.nextafter(tau, np.inf), *args, **options)


def packed_first_kernel_only(x, tau, w, *args, **options):
    return packed_branches(x, tau, np.broadcast_to(w[:1], w.shape), *args, **options)


FORWARD = {
    "one threshold for all branches": forward_with(tau=lambda t: np.broadcast_to(t[:1], t.shape).copy()),
    "adds the threshold": forward_with(tau=np.negative),
    "one kernel for all branches": forward_with(w=lambda w: np.broadcast_to(w[:1], w.shape).copy()),
    "alpha forgotten": forward_with(alpha=np.ones_like),
    "pads with zeros whatever was asked": forward_with(pad_value=lambda v: 0),
    "nearest in every branch whatever was asked": forward_with(upsamplers=lambda v: None),
    "gates in reverse order": forward_with(theta=lambda t: t[::-1]),
    "the gates' rows upside down": forward_with(theta=lambda t: t[:, ::-1] if t.ndim == 4 else t),
    "gate without sigmoid": merged_by(no_sigmoid),
    "one gate outside the sum": merged_by(one_gate_outside),
    "softmax over branches: they compete": merged_by(softmax),
    "Group-Net's gate: the closed part lets the mean through": merged_by(group_net),
    "the last branch overwrites the others": merged_by(last_overwrites),
    "averages the branches": merged_by(averaged),
    "takes the sign before upsampling": lambda *args, **o: sign_before_upsampling(*args, **defaults(**o)),
}

BACKWARD = {
    "dtheta without g (1 - g)": gate_gradient_unsquashed,
    "dtheta averaged over what shares a gate": gate_gradient_averaged,
    "dx of the last branch only": last_branch_only,
    "gates forgotten on the way back": gates_forgotten,
    "each branch takes its neighbour's gate": branches_exchanged,
    "one threshold's gradient for all branches": thresholds_shared,
    "writes into its cache": writes_into_its_cache,
}

PACKED = {
    "padding read as +1": packed_with(pad_value=1),
    "padding read as -1": packed_with(pad_value=-1),
    "repeats words where the branch is bilinear": packed_with(upsamplers=None),
    "strict comparison at the threshold": packed_strictly,
    "one branch's words for all": packed_first_kernel_only,
    "adds the branches in reverse order: other bits": packed_in_reverse,
    "scales by alpha, then by the gate: other bits": scaled_before_the_gate,
    "latent weights packed upside down": lambda x, t, w, *args, **o: packed_branches(x, t, -w, *args, **o),
}

MUTANTS = (
    *(Mutant("multi_branch_upsample", "forward", reason, wrong) for reason, wrong in FORWARD.items()),
    *(Mutant("multi_branch_upsample", "backward", reason, wrong) for reason, wrong in BACKWARD.items()),
    *(Mutant("multi_branch_upsample_packed", "packed", reason, wrong) for reason, wrong in PACKED.items()),
)
