"""Multi-branch upsampling: several crude binary views of one map, added up through gates. The heart of this project.

One sign after an upsampling keeps one bit of each value. So look R times, each time with another threshold, another
binary kernel and another scale, and let a gate decide how much each look counts::

    u_r = up_r(x)                            (1)   nearest, bilinear, ...
    s_r = sign(u_r - tau_r)                  (2)   R thresholds turn one sign into R + 1 levels
    y_r = alpha_r * (s_r conv sgn(w_r))      (3)   the binary convolution; what costs, and all of it is XOR and popcount
    g_r = sigmoid(theta_r)                   (4)   per channel, or per position and channel
    y   = g_1 * y_1 + ... + g_R * y_R        (5)   the Hadamard product, added in the order of r

What it costs is exactly R times one branch. A gate at theta = -inf removes its branch; all gates at theta = 0 give half
the sum; one branch with its gate wide open, theta = +inf, is plain binary upsampling.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .activation import sigmoid, sigmoid_backward
from .binarize import BinarizeCache, Quantizer, binarize, binarize_backward, clipped
from .binary_conv import BinaryConvCache, binary_conv2d, binary_conv2d_backward, conv2d_packed
from .bitpack import binarize_packed
from .conv import output_size
from .notation import Array, Pair
from .upsample import NEAREST, Upsampler, upsample_bilinear_loops, upsample_nearest_loops, upsample_nearest_packed
from .validate import need_dtype, need_float, need_int, need_pair, need_shape

UPSAMPLER_LOOPS: dict[str, Callable[..., Array]] = {
    "nearest": upsample_nearest_loops,
    "bilinear": upsample_bilinear_loops,
    "bilinear-corners": partial(upsample_bilinear_loops, align_corners=True),
}
"""The specification of each :data:`tinybnn.upsample.UPSAMPLERS`."""


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
    """One entry a branch in each field; ``binarized``, ``branches`` and ``gates`` are worth a picture."""

    upsamplers: tuple[Upsampler, ...]
    upsampled: tuple[Any, ...]
    binarized: tuple[BinarizeCache, ...]
    convolved: tuple[BinaryConvCache, ...]
    branches: tuple[Array, ...]
    gates: Array
    sigmoid: Array


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

    ``y = sum over r of sigmoid(theta_r) * (alpha_r * (sgn(up_r(x) - tau_r) conv sgn(w_r)))``

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
        As in :func:`tinybnn.binary_conv.binary_conv2d`; no default.
    scale, pad : int or (rows, columns) pair
    upsamplers : tuple of R Upsampler, optional
        Nearest in every branch if None.
    quantizer : Quantizer
        For activations and weights alike. With :data:`tinybnn.binarize.real` this is the float network's layer.

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
    :func:`multi_branch_upsample_packed` gives the same numbers by ``==``.
    Source: Ding 2024, arXiv 2405.17776; status **reconstructed**: the paper tells of parallel branches, learnt weights,
    a sigmoid and a Hadamard product. Where thresholds and scales stand is ours.
    See also: :mod:`tinybnn.upsample`.

    Examples
    --------
    >>> x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
    >>> tau, w, alpha, theta = np.array([[-1.0], [1.0]]), np.ones((2, 1, 1, 1, 1)), np.ones((2, 1)), np.zeros((2, 1))
    >>> y, _ = multi_branch_upsample(x, tau, w, alpha, theta, pad_value=1, scale=(1, 2), pad=0)
    >>> y.ravel()                                        # two signs, each through a half-open gate: three levels
    array([-1., -1.,  0.,  0.,  1.,  1.])
    """
    op = "multi_branch_upsample"
    need_float(op, x=x, tau=tau, w=w, alpha=alpha, theta=theta)
    scale, upsamplers = _checked(op, "R KH KW C F", x, tau, w, alpha, theta, scale, pad, upsamplers)
    R = len(upsamplers)
    u, upsampled = zip(*(up.forward(x, scale=scale) for up in upsamplers))  # (1)
    s, binarized = zip(*(binarize(u[r], tau[r], quantizer=quantizer) for r in range(R)))  # (2)
    options: dict[str, Any] = {"pad_value": pad_value, "pad": pad, "quantizer": quantizer}
    branches, convolved = zip(*(binary_conv2d(s[r], w[r], alpha[r], **options) for r in range(R)))  # (3)
    gates, squashed = sigmoid(theta)  # (4)
    y = sum(gates[r] * branches[r] for r in range(R))  # (5)
    return y, MultiBranchCache(upsamplers, upsampled, binarized, convolved, branches, gates, squashed)


def multi_branch_upsample_backward(dy: Array, cache: MultiBranchCache) -> MultiBranchGrads:
    """``dtheta_r = g_r (1 - g_r) dy y_r``, summed over what shares a gate; ``dx`` adds what R branches send back."""
    upsamplers, upsampled, binarized, convolved, branches, gates, squashed = cache
    need_shape("multi_branch_upsample_backward", "dy", dy, " ".join(map(str, branches[0].shape)))
    R, shared = len(branches), tuple(range(dy.ndim - gates[0].ndim))  # a gate serves all images, perhaps all positions
    dgates = np.stack([(dy * branches[r]).sum(shared) for r in range(R)])  # (5)
    dtheta = sigmoid_backward(dgates, squashed)  # (4)
    ds, dw, dalpha = zip(*(binary_conv2d_backward(dy * gates[r], convolved[r]) for r in range(R)))  # (5) (3)
    du, dtau = zip(*(binarize_backward(ds[r], binarized[r]) for r in range(R)))  # (2)
    dx: Any = 0
    for r in range(R):
        dx = dx + upsamplers[r].backward(du[r], upsampled[r])  # (1) x forks into R branches
    return MultiBranchGrads(dx, np.stack(dtau), np.stack(dw), np.stack(dalpha), dtheta)


# -- packed: inference only -----------------------------------------------------------------------------------------


def multi_branch_upsample_packed(
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
    """The same on words of 64 signs. A nearest branch takes its signs at low resolution and repeats the words.

    Parameters
    ----------
    x, tau, alpha, theta, pad_value, scale, pad, upsamplers
        As in :func:`multi_branch_upsample`.
    w : uint64 ndarray of shape (R, F, KH, KW, ceil(C / 64))
        ``pack_weights(sign(w[r]))`` of each branch.

    Returns
    -------
    ndarray of shape (N, OH, OW, F), of the dtype of ``x``

    Notes
    -----
    Exactness: equals :func:`multi_branch_upsample` by ``==`` in float32 and float64: the counts are whole numbers, and
    scale, gate and sum follow in the same order.
    Source: ours.

    Examples
    --------
    >>> x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
    >>> tau, w, ones = np.array([[-1.0], [1.0]]), np.zeros((2, 1, 1, 1, 1), np.uint64), np.ones((2, 1))
    >>> multi_branch_upsample_packed(x, tau, w, ones, 0 * ones, pad_value=1, scale=(1, 2), pad=0).ravel()
    array([-1., -1.,  0.,  0.,  1.,  1.])
    """
    op = "multi_branch_upsample_packed"
    need_float(op, x=x, tau=tau, alpha=alpha, theta=theta)
    need_dtype(op, "w", w, np.uint64)
    scale, upsamplers = _checked(op, "R F KH KW words", x, tau, w, alpha, theta, scale, pad, upsamplers)
    gates, _ = sigmoid(theta)  # (4)
    y: Any = 0
    for r, up in enumerate(upsamplers):
        if up == NEAREST:
            s = upsample_nearest_packed(binarize_packed(x, tau[r]), scale=scale)  # (2) (1)
        else:
            s = binarize_packed(up.forward(x, scale=scale)[0], tau[r])  # (1) (2)
        z = conv2d_packed(s, w[r], x.shape[-1], pad_value=pad_value, pad=pad)
        y = y + gates[r] * (z.astype(x.dtype) * alpha[r])  # (3) (5)
    return y


def _checked(
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
