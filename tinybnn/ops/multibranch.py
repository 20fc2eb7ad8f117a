"""Multi-branch upsampling: R binary versions of one map, added with learnt weights. The first idea of the paper.

One sign after an upsampling keeps one bit of each value. So the map is binarized R times, each time with another
threshold, another binary kernel and another scale, and a gate decides how much each branch counts::

    u_r = up_r(x)                            (1)   nearest, bilinear, ...
    s_r = sign(u_r - tau_r)                  (2)   R thresholds turn one sign into R + 1 levels
    z_r = s_r conv sgn(w_r)                  (3)   the binary convolution: nearly all of the cost, all XOR and popcount
    g_r = sigmoid(theta_r)                   (4)   per channel, or per position and channel
    y   = sum over r of g_r alpha_r * z_r    (5)   the Hadamard product, added in the order of r

The cost is exactly R times that of one branch. A gate with theta = -inf removes its branch. With theta = 0 in all
gates, y is half the sum of the branches. One branch with theta = +inf is plain binary upsampling.
"""

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..notation import HW, Array, Pair
from ..validate import (
    need_choice,
    need_dtype,
    need_finite,
    need_float,
    need_gradient,
    need_kind,
    need_pair,
    need_shape,
    need_sides,
    shown,
)
from .activation import sigmoid, sigmoid_backward
from .binarize import Quantizer, binarize, binarize_backward, channel_sum, clipped
from .binary_conv import conv2d_packed
from .bitpack import binarize_packed
from .conv import conv2d, conv2d_backward, output_size
from .upsample import NEAREST, Upsampler, upsample_bilinear_loops, upsample_nearest_loops
from .upsample_conv import upsample_conv2d, upsample_conv2d_backward, upsample_conv2d_packed

UPSAMPLER_LOOPS: dict[str, Callable[..., Array]] = {
    "nearest": upsample_nearest_loops,
    "bilinear": upsample_bilinear_loops,
    "bilinear-corners": partial(upsample_bilinear_loops, align_corners=True),
}
"""The specification of each :data:`tinybnn.ops.upsample.UPSAMPLERS`."""


def multi_branch_upsample_loops(
    x: Array, tau: Array, w: Array, alpha: Array, theta: Array, *, pad_value: int,
    scale: Pair = 2, pad: Pair = 1, upsamplers: Sequence[Upsampler] | None = None,
) -> Array:  # fmt: skip
    """Specification of :func:`multi_branch_upsample`; the upsampled map comes from its own specification."""

    def sgn(v):
        return type(v)(1 if v >= 0 else -1)  # keeps the number's type: numbers that count go on counting

    (SH, SW), (PH, PW) = (v if isinstance(v, tuple) else (v, v) for v in (scale, pad))
    R, KH, KW, C, F = w.shape
    N, H, W = len(x), SH * x.shape[1], SW * x.shape[2]
    y = np.zeros((N, H + 2 * PH - KH + 1, W + 2 * PW - KW + 1, F))
    for r in range(R):
        u = UPSAMPLER_LOOPS[upsamplers[r].name if upsamplers else "nearest"](x, scale=scale)
        for n, i, j, f in np.ndindex(y.shape):
            z = 0.0
            for kh, kw, c in np.ndindex(KH, KW, C):
                row, col = i + kh - PH, j + kw - PW
                inside = 0 <= row < H and 0 <= col < W
                s = (1.0 if u[n, row, col, c] >= tau[r, c] else -1.0) if inside else pad_value
                z += s * sgn(w[r, kh, kw, c, f])
            t = float(theta[r, f] if theta.ndim == 2 else theta[r, i, j, f])
            gate = (math.exp(t) if t < 0 else 1.0) / (1 + math.exp(-abs(t)))
            y[n, i, j, f] += gate * (alpha[r, f] * z)
    return y


# One branch: the caches of steps (1) to (3), and the sum z before scale and gate. upsampled is None if (2) came first.
Branch = namedtuple("Branch", "upsampler upsampled binarized convolved z")


class MultiBranchCache(namedtuple("MultiBranchCache", "branches w alpha gates quantizer")):
    """The R branches, the operands that the backward pass needs, and the gates ``sigmoid(theta)``."""

    @property
    def outputs(self) -> tuple[Array, ...]:
        """The output of each branch before its gate, ``alpha_r z_r``: R arrays (N, OH, OW, F)."""
        return tuple(alpha * branch.z for alpha, branch in zip(self.alpha, self.branches))


MultiBranchGrads = namedtuple("MultiBranchGrads", "dx dtau dw dalpha dtheta")


def multi_branch_upsample(
    x: Array, tau: Array, w: Array, alpha: Array, theta: Array, *, pad_value: int,
    scale: Pair = 2, pad: Pair = 1, upsamplers: Sequence[Upsampler] | None = None, quantizer: Quantizer = clipped,
) -> tuple[Array, MultiBranchCache]:  # fmt: skip
    """Upsample along R parallel binary branches and merge them through sigmoid gates.

    ``y = sum over r of sigmoid(theta_r) alpha_r * (sgn(up_r(x) - tau_r) conv sgn(w_r))``

    Exactness: agrees with :func:`multi_branch_upsample_loops` to the rounding of R gated terms;
    :func:`multi_branch_upsample_packed` gives the same numbers by ``==``.
    Source: Ding 2024, arXiv 2405.17776; status **reconstructed**: the paper describes parallel branches, learnt
    weights, a sigmoid and a Hadamard product. The places of thresholds and scales are ours.
    See also: :mod:`tinybnn.ops.upsample`.

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C); real values
    tau : float ndarray of shape (R, C); thresholds, which must start different: branches that begin equal stay equal
    w : float ndarray of shape (R, KH, KW, C, F); latent weights
    alpha : float ndarray of shape (R, F); filter scales: ``mean_abs`` of each ``w[r]``, or parameters of their own
    theta : float ndarray of shape (R, F) or (R, OH, OW, F); gates before the sigmoid; infinities are allowed
    pad_value : -1, 0 or +1; as in :func:`tinybnn.ops.binary_conv.binary_conv2d`; no default
    scale, pad : int or (rows, columns) pair
    upsamplers : tuple of R Upsampler, optional; nearest in every branch if None
    quantizer : Quantizer; of activations and weights; :data:`tinybnn.ops.binarize.real` gives the float network's layer

    Returns
    -------
    y : ndarray of shape (N, OH, OW, F); ``OH = SH H + 2 PH - KH + 1``, and likewise ``OW``

    Examples
    --------
    >>> x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
    >>> tau, w, alpha, theta = np.array([[-1.0], [1.0]]), np.ones((2, 1, 1, 1, 1)), np.ones((2, 1)), np.zeros((2, 1))
    >>> y, _ = multi_branch_upsample(x, tau, w, alpha, theta, pad_value=1, scale=(1, 2), pad=0)
    >>> y.ravel()                                        # two signs, each times its gate of 1/2: three levels
    array([-1., -1.,  0.,  0.,  1.,  1.])
    """
    op = "multi_branch_upsample"
    need_choice(op, "pad_value", pad_value, (-1, 0, 1))
    need_float(op, x=x, tau=tau, w=w, alpha=alpha, theta=theta)
    scale, upsamplers = checked(op, "R KH KW C F", x, tau, w, alpha, theta, scale, pad, upsamplers)
    signs = need_kind(op, "quantizer", quantizer, Quantizer).hard(w)
    options: dict[str, Any] = {"pad": pad, "pad_value": pad_value}
    branches = tuple(  # (1) (2) (3)
        _branch(up, x, tau[r], signs[r], scale, quantizer, options) for r, up in enumerate(upsamplers)
    )
    gates, _ = sigmoid(theta)  # (4)
    weights = gates * expand(alpha, theta)
    y = weights[0] * branches[0].z  # (5)
    for weight, branch in zip(weights[1:], branches[1:]):
        y += weight * branch.z
    return y, MultiBranchCache(branches, w, alpha, gates, quantizer)


def multi_branch_upsample_backward(dy: Array, cache: MultiBranchCache) -> MultiBranchGrads:
    """``dtheta_r = g_r (1 - g_r) dy alpha_r z_r``, summed over outputs that share a gate. ``dx`` sums over branches."""
    branches, w, alpha, gates, quantizer = cache
    need_gradient("multi_branch_upsample_backward", dy, branches[0].z.shape)
    products = ((dy * branch.z).reshape(-1, gates[0].size) for branch in branches)  # rows that share their gates
    dproduct = np.stack([channel_sum(p) for p in products]).reshape(gates.shape)  # (5), of gate times alpha
    dgates = dproduct * expand(alpha, gates)
    dalpha = np.stack([channel_sum(d) for d in dproduct * gates])
    need_finite("multi_branch_upsample_backward", total=dalpha, dy=dy)
    dtheta = sigmoid_backward(dgates, gates)  # (4)
    weights = gates * expand(alpha, gates)
    gradients = [_branch_backward(dy * weight, branch) for weight, branch in zip(weights, branches)]  # (5) (3) (2) (1)
    dx, dtau, dsigns = zip(*gradients)
    return MultiBranchGrads(sum(dx[1:], dx[0]), np.stack(dtau), np.stack(dsigns) * quantizer.dsoft(w), dalpha, dtheta)


def _branch(
    up: Upsampler, x: Array, tau: Array, signs: Array, scale: HW, quantizer: Quantizer, options: dict[str, Any]
) -> Branch:
    """Steps (1), (2) and (3) of one branch.

    Nearest upsampling only copies values, so the signs are the same before and after it. Before it there are fewer, and
    the convolution need not make the large map.
    """
    if up == NEAREST:
        s, binarized = binarize(x, tau, quantizer=quantizer)  # (2)
        z, convolved = upsample_conv2d(s, signs, scale=scale, **options)  # (1) (3)
        return Branch(up, None, binarized, convolved, z)
    u, upsampled = up.forward(x, scale=scale)  # (1)
    s, binarized = binarize(u, tau, quantizer=quantizer)  # (2)
    z, conv = conv2d(s, signs, **options)  # (3)
    return Branch(up, upsampled, binarized, conv, z)


def _branch_backward(dz: Array, branch: Branch) -> tuple[Array, Array, Array]:
    """Steps (3), (2) and (1) of one branch in reverse: the gradients of x, tau and signs."""
    if branch.upsampled is None:
        ds, dsigns = upsample_conv2d_backward(dz, branch.convolved)  # (3) (1)
        return *binarize_backward(ds, branch.binarized), dsigns  # (2)
    ds, dsigns = conv2d_backward(dz, branch.convolved)  # (3)
    du, dtau = binarize_backward(ds, branch.binarized)  # (2)
    return branch.upsampler.backward(du, branch.upsampled), dtau, dsigns  # (1)


def multi_branch_upsample_packed(
    x: Array, tau: Array, w: Array, alpha: Array, theta: Array, *, pad_value: int,
    scale: Pair = 2, pad: Pair = 1, upsamplers: Sequence[Upsampler] | None = None,
) -> Array:  # fmt: skip
    """The value of :func:`multi_branch_upsample`, of shape (N, OH, OW, F), from packed weights.

    Exactness: equals :func:`multi_branch_upsample` by ``==`` in float32 and float64, because the counts are whole
    numbers, and scale, gate and sum follow in the same order. Source: ours.

    Parameters
    ----------
    x, tau, alpha, theta, pad_value, scale, pad, upsamplers : as in :func:`multi_branch_upsample`
    w : uint64 ndarray of shape (R, F, KH, KW, ceil(C / 64)); ``pack_weights(sign(w))`` of all branches

    Examples
    --------
    >>> x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
    >>> tau, w, ones = np.array([[-1.0], [1.0]]), np.zeros((2, 1, 1, 1, 1), np.uint64), np.ones((2, 1))
    >>> multi_branch_upsample_packed(x, tau, w, ones, 0 * ones, pad_value=1, scale=(1, 2), pad=0).ravel()
    array([-1., -1.,  0.,  0.,  1.,  1.])
    """
    op = "multi_branch_upsample_packed"
    need_choice(op, "pad_value", pad_value, (-1, 0, 1))
    need_float(op, x=x, tau=tau, alpha=alpha, theta=theta)
    need_dtype(op, "w", w, np.uint64)
    scale, upsamplers = checked(op, "R F KH KW words", x, tau, w, alpha, theta, scale, pad, upsamplers)
    options: dict[str, Any] = {"pad": pad, "pad_value": pad_value}
    gates, _ = sigmoid(theta)  # (4)
    terms = []
    for r, (up, weight) in enumerate(zip(upsamplers, gates * expand(alpha, theta))):
        if up == NEAREST:
            z = upsample_conv2d_packed(binarize_packed(x, tau[r]), w[r], x.shape[-1], scale=scale, **options)
        else:
            u, _ = up.forward(x, scale=scale)  # (1)
            z = conv2d_packed(binarize_packed(u, tau[r]), w[r], x.shape[-1], **options)  # (2) (3)
        terms.append(weight * z.astype(x.dtype))
    return sum(terms[1:], terms[0])  # (5)


def expand(alpha: Array, theta: Array) -> Array:
    """``alpha`` (R, F), with axes for the positions if the gates ``theta`` have them."""
    return alpha if theta.ndim == 2 else alpha[:, None, None]


def checked(
    op: str, letters: str, x: Array, tau: Array, w: Array, alpha: Array, theta: Array,
    scale: Pair, pad: Pair, upsamplers: Sequence[Upsampler] | None,
) -> tuple[HW, tuple[Upsampler, ...]]:  # fmt: skip
    """Refuse operands that do not fit. Return the scale as a pair, and one upsampler for each of the R branches."""
    _, H, W, C = need_shape(op, "x", x, "N H W C")
    R, _ = need_shape(op, "tau", tau, "R C", C=(C, "x"))
    branches = (R, "tau")
    sizes = dict(zip(letters.split(), need_shape(op, "w", w, letters, R=branches, C=(C, "x"))))
    filters = (sizes["F"], "w")
    need_shape(op, "alpha", alpha, "R F", R=branches, F=filters)
    (SH, SW), pad = need_pair(op, "scale", scale, 1), need_pair(op, "pad", pad, 0)
    OH, OW = output_size(op, (SH * H, SW * W), (sizes["KH"], sizes["KW"]), (1, 1), pad, (1, 1))
    gates = {"R": branches, "OH": (OH, "the output"), "OW": (OW, "the output"), "F": filters}
    need_shape(op, "theta", theta, "R F" if theta.ndim == 2 else "R OH OW F", **gates)
    need_finite(op, x=x, tau=tau, w=w, alpha=alpha)
    need_sides(op, "theta", theta, "which opens no gate")
    if upsamplers is None:
        return (SH, SW), (NEAREST,) * R
    if not isinstance(upsamplers, (tuple, list)):
        raise TypeError(f"{op}: upsamplers is {shown(upsamplers)}, expected a tuple of R Upsampler")
    if len(upsamplers) != R:
        raise ValueError(f"{op}: upsamplers has {len(upsamplers)} entries, expected R = {R} from tau")
    return (SH, SW), tuple(need_kind(op, f"upsamplers[{r}]", up, Upsampler) for r, up in enumerate(upsamplers))
