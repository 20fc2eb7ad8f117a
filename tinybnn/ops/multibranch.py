"""Multi-branch upsampling: several crude binary views of one map, added up through gates. The heart of this project.

One sign after an upsampling keeps one bit of each value. So look R times, each time with another threshold, another
binary kernel and another scale, and let a gate decide how much each look counts::

    u_r = up_r(x)                            (1)   nearest, bilinear, ...
    s_r = sign(u_r - tau_r)                  (2)   R thresholds turn one sign into R + 1 levels
    z_r = s_r conv sgn(w_r)                  (3)   the binary convolution; what costs, and all of it is XOR and popcount
    g_r = sigmoid(theta_r)                   (4)   per channel, or per position and channel
    y   = sum over r of g_r alpha_r * z_r    (5)   the Hadamard product, added in the order of r

What it costs is exactly R times one branch. A gate at theta = -inf removes its branch; all gates at theta = 0 give half
the sum; one branch with its gate wide open, theta = +inf, is plain binary upsampling.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array, Pair
from ..validate import need_choice, need_float, need_int, need_pair, need_shape
from .activation import sigmoid, sigmoid_backward
from .binarize import BinarizeCache, Quantizer, binarize, binarize_backward, clipped
from .conv import conv2d, conv2d_backward, output_size
from .upsample import NEAREST, Upsampler, upsample_bilinear_loops, upsample_nearest_loops
from .upsample_conv import upsample_conv2d, upsample_conv2d_backward

UPSAMPLER_LOOPS: dict[str, Callable[..., Array]] = {
    "nearest": upsample_nearest_loops,
    "bilinear": upsample_bilinear_loops,
    "bilinear-corners": partial(upsample_bilinear_loops, align_corners=True),
}
"""The specification of each :data:`tinybnn.ops.upsample.UPSAMPLERS`."""


def multi_branch_upsample_loops(
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


class MultiBranchCache(NamedTuple):
    """What each branch saw, and what its answer was scaled with; ``branches`` and ``gates`` are worth a picture."""

    looks: tuple["Look", ...]
    w: Array
    alpha: Array
    gates: Array
    sigmoid: Array
    quantizer: Quantizer

    @property
    def branches(self) -> tuple[Array, ...]:
        """What each branch answers: ``alpha_r z_r``, (N, OH, OW, F)."""
        return tuple(alpha * look.z for alpha, look in zip(self.alpha, self.looks))


class MultiBranchGrads(NamedTuple):
    """Gradients in the order of the arguments."""

    dx: Array
    dtau: Array
    dw: Array
    dalpha: Array
    dtheta: Array


def multi_branch_upsample(
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
    quantizer: Quantizer = clipped,
) -> tuple[Array, MultiBranchCache]:
    """Upsample along R parallel binary branches and merge them through sigmoid gates.

    ``y = sum over r of sigmoid(theta_r) alpha_r * (sgn(up_r(x) - tau_r) conv sgn(w_r))``

    Parameters
    ----------
    x : float ndarray of shape (N, H, W, C)
        Real values; each branch takes their signs in its own way.
    tau : float ndarray of shape (R, C)
        Each branch's thresholds. Start them apart: branches that begin equal stay equal.
    w : float ndarray of shape (R, KH, KW, C, F)
        Latent weights.
    alpha : float ndarray of shape (R, F)
        Scales of the binary filters: ``mean_abs`` of each ``w[r]``, or parameters of their own.
    theta : float ndarray of shape (R, F) or (R, OH, OW, F)
        Gates before the sigmoid, per channel or per position and channel; infinities are allowed.
    pad_value : -1, 0 or +1
        As in :func:`tinybnn.ops.binary_conv.binary_conv2d`; no default.
    scale, pad : int or (rows, columns) pair
    upsamplers : tuple of R Upsampler, optional
        Nearest in every branch if None.
    quantizer : Quantizer
        For activations and weights alike. With :data:`tinybnn.ops.binarize.real` this is the float network's layer.

    Returns
    -------
    y : ndarray of shape (N, OH, OW, F)
        ``OH = SH H + 2 PH - KH + 1``, and likewise ``OW``.
    cache : MultiBranchCache

    Raises
    ------
    ValueError, TypeError
        For shapes, gates or upsamplers that do not fit, mixed dtypes, or NaN.

    Notes
    -----
    Exactness: agrees with :func:`multi_branch_upsample_loops` to the rounding of R gated terms;
    :mod:`tinybnn.ops.multibranch` gives the same numbers by ``==``.
    Source: Ding 2024, arXiv 2405.17776; status **reconstructed**: the paper tells of parallel branches, learnt weights,
    a sigmoid and a Hadamard product. Where thresholds and scales stand is ours.
    See also: :mod:`tinybnn.ops.upsample`.

    Examples
    --------
    >>> x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
    >>> tau, w, alpha, theta = np.array([[-1.0], [1.0]]), np.ones((2, 1, 1, 1, 1)), np.ones((2, 1)), np.zeros((2, 1))
    >>> y, _ = multi_branch_upsample(x, tau, w, alpha, theta, pad_value=1, scale=(1, 2), pad=0)
    >>> y.ravel()                                        # two signs, each through a half-open gate: three levels
    array([-1., -1.,  0.,  0.,  1.,  1.])
    """
    op = "multi_branch_upsample"
    need_choice(op, "pad_value", pad_value, (-1, 0, 1))
    need_float(op, x=x, tau=tau, w=w, alpha=alpha, theta=theta)
    scale, upsamplers = checked(op, "R KH KW C F", x, tau, w, alpha, theta, scale, pad, upsamplers)
    signs, options = quantizer.hard(w), {"scale": scale, "pad": pad, "pad_value": pad_value}
    looks = tuple(_look(up, x, tau[r], signs[r], quantizer, options) for r, up in enumerate(upsamplers))  # (1) (2) (3)
    gates, squashed = sigmoid(theta)  # (4)
    weights = gates * expand(alpha, theta)
    y = weights[0] * looks[0].z  # (5)
    for weight, look in zip(weights[1:], looks[1:]):
        y += weight * look.z
    return y, MultiBranchCache(looks, w, alpha, gates, squashed, quantizer)


def multi_branch_upsample_backward(dy: Array, cache: MultiBranchCache) -> MultiBranchGrads:
    """``dtheta_r = g_r (1 - g_r) dy alpha_r z_r``, summed over what shares a gate; ``dx`` adds what R branches send."""
    looks, w, alpha, gates, squashed, quantizer = cache
    need_shape("multi_branch_upsample_backward", "dy", dy, " ".join(map(str, looks[0].z.shape)))
    shared = "nijf,nijf->f" if gates[0].ndim == 1 else "nijf,nijf->ijf"  # who shares a gate: all images, or more
    dproduct = np.stack([np.einsum(shared, dy, look.z) for look in looks])  # (5) of gate times alpha
    dgates = np.stack([d * a for d, a in zip(dproduct, alpha)])
    dalpha = (dproduct * gates).reshape(len(looks), -1, w.shape[-1]).sum(1)
    dtheta = sigmoid_backward(dgates, squashed)  # (4)
    weights = gates * expand(alpha, gates)
    sent = [_look_back(dy * weight, look) for weight, look in zip(weights, looks)]  # (5) (3) (2) (1)
    dx, dtau, dsigns = (list(parts) for parts in zip(*sent))
    total: Any = sum(dx[1:], dx[0])  # (1) x forks into R branches
    return MultiBranchGrads(total, np.stack(dtau), np.stack(dsigns) * quantizer.dsoft(w), dalpha, dtheta)


class Look(NamedTuple):
    """What one branch saw, and ``z``, its answer before scale and gate; ``upsampled`` is None if no map was made."""

    upsampler: Upsampler
    upsampled: Any
    binarized: BinarizeCache
    convolved: Any
    z: Array


def _look(up: Upsampler, x: Array, tau: Array, signs: Array, quantizer: Quantizer, options: dict[str, Any]) -> Look:
    """Steps (1), (2), (3) of one branch.

    Nearest upsampling only copies, so there the signs may be taken first, and copies convolved without being made.
    """
    if up == NEAREST:
        s, binarized = binarize(x, tau, quantizer=quantizer)  # (2)
        z, convolved = upsample_conv2d(s, signs, **options)  # (1) (3)
        return Look(up, None, binarized, convolved, z)
    u, upsampled = up.forward(x, scale=options["scale"])  # (1)
    s, binarized = binarize(u, tau, quantizer=quantizer)  # (2)
    z, conv = conv2d(s, signs, pad=options["pad"], pad_value=options["pad_value"])  # (3)
    return Look(up, upsampled, binarized, conv, z)


def _look_back(dz: Array, look: Look) -> tuple[Array, Array, Array]:
    """Steps (3), (2), (1) of one branch: the gradients of x, tau and signs."""
    if look.upsampled is None:
        ds, dsigns = upsample_conv2d_backward(dz, look.convolved)  # (3) (1)
        return *binarize_backward(ds, look.binarized), dsigns  # (2)
    ds, dsigns = conv2d_backward(dz, look.convolved)  # (3)
    du, dtau = binarize_backward(ds, look.binarized)  # (2)
    return look.upsampler.backward(du, look.upsampled), dtau, dsigns  # (1)


def expand(alpha: Array, theta: Array) -> Array:
    """``alpha`` (R, F), with axes for the positions of gates that have them."""
    return alpha if theta.ndim == 2 else alpha[:, None, None]


def checked(
    op: str,
    letters: str,
    x: Array,
    tau: Array,
    w: Array,
    alpha: Array,
    theta: Array,
    scale: Pair,
    pad: Pair,
    upsamplers: Sequence[Upsampler] | None,
) -> tuple[tuple[int, int], tuple[Upsampler, ...]]:
    """What both forms refuse. Returns the scale as a pair, and one upsampler for each of the R branches."""
    _, H, W, C = need_shape(op, "x", x, "N H W C")
    R, _ = need_shape(op, "tau", tau, "R C", C=(C, "x"))
    need_int(op, "R, the number of branches,", R, 1)
    branches = (R, "tau")
    sizes = dict(zip(letters.split(), need_shape(op, "w", w, letters, R=branches, C=(C, "x"))))
    filters = (sizes["F"], "w")
    need_shape(op, "alpha", alpha, "R F", R=branches, F=filters)
    (SH, SW), pad = need_pair(op, "scale", scale, 1), need_pair(op, "pad", pad, 0)
    OH, OW = output_size(op, (SH * H, SW * W), (sizes["KH"], sizes["KW"]), (1, 1), pad, (1, 1))
    gates = {"R": branches, "OH": (OH, "the output"), "OW": (OW, "the output"), "F": filters}
    need_shape(op, "theta", theta, "R F" if theta.ndim == 2 else "R OH OW F", **gates)
    upsamplers = (NEAREST,) * R if upsamplers is None else tuple(upsamplers)
    if len(upsamplers) != R:
        raise ValueError(f"{op}: upsamplers has {len(upsamplers)} entries, expected R = {R} from tau")
    return (SH, SW), upsamplers
