"""Composite pairs, the parts of a network. The forward of each reads top-down, the backward bottom-up.

A block takes its input, a dict ``p`` of parameters and a dict ``s`` of running statistics, and returns its output,
its cache and the new statistics. Its backward takes the gradient and the cache, and returns the input's gradient and
a dict with the keys of ``p``. These keys choose the variant: with ``alpha`` the weight scales are learnt, without it
they are ``mean |w|``; ``slope`` makes the activation a PReLU, and ``shift_in`` an RPReLU.

Where two paths use one value, its two gradients are added, by a ``+`` that is written here and nowhere else.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..notation import Array
from ..ops import attention, reduced_attention
from ..ops.activation import hardtanh, hardtanh_backward, prelu, prelu_backward, rprelu, rprelu_backward
from ..ops.binarize import Quantizer, binarize, binarize_backward, mean_abs, mean_abs_backward
from ..ops.binary_conv import binary_conv2d, binary_conv2d_backward
from ..ops.multibranch import multi_branch_upsample, multi_branch_upsample_backward
from ..ops.norm import batch_norm, batch_norm_backward, batch_norm_inference, scale_shift, update_running
from ..ops.pool import avg_pool2d, avg_pool2d_backward
from ..ops.upsample import Upsampler

Arrays: TypeAlias = dict[str, Array]
"""Arrays by name: parameters, gradients, running statistics."""

# -- the small parts ------------------------------------------------------------------------------------------------


def normalise(x: Array, p: Arrays, s: Arrays, train: bool) -> tuple[Array, Any, Arrays]:
    """Batch norm: with the batch's statistics in training, with the running ones afterwards."""
    if not train:
        return batch_norm_inference(x, p["gamma"], p["beta"], s["mean"], s["var"]), None, s
    y, cache = batch_norm(x, p["gamma"], p["beta"])
    mean, var = update_running(s["mean"], s["var"], cache)
    return y, cache, {"mean": mean, "var": var}


def scale_and_shift(p: Arrays, norm: Arrays, s: Arrays, train: bool) -> tuple[Array, Array | None]:
    """In training alpha, and None. Otherwise batch norm is fixed: alpha times its scale, and its shift.

    Then one multiplication and one addition a channel turn the integer of a convolution into the activation's input.
    """
    alpha = weight_scale(p)
    if train:
        return alpha, None
    scale, shift = scale_shift(norm["gamma"], norm["beta"], s["mean"], s["var"])
    return alpha * scale, shift


def shift_or_normalise(z: Array, p: Arrays, s: Arrays, shift: Array | None) -> tuple[Array, Any, Arrays]:
    """The rest after :func:`scale_and_shift`: the shift, or all of batch norm."""
    return normalise(z, p, s, train=True) if shift is None else (z + shift, None, s)


def normalise_backward(dy: Array, cache: Any) -> tuple[Array, Arrays]:
    """The gradients of :func:`normalise`: of its input, and of its parameters by name."""
    dx, dgamma, dbeta = batch_norm_backward(dy, cache)
    return dx, {"gamma": dgamma, "beta": dbeta}


def activate(x: Array, p: Arrays) -> tuple[Array, Any]:
    """RPReLU, PReLU or hardtanh, by the parameters in ``p``."""
    if "shift_in" in p:
        return rprelu(x, p["shift_in"], p["slope"], p["shift_out"])
    return prelu(x, p["slope"]) if "slope" in p else hardtanh(x)


def activate_backward(dy: Array, cache: Any, p: Arrays) -> tuple[Array, Arrays]:
    """The gradients of :func:`activate`: of its input, and of its parameters by name."""
    if "shift_in" in p:
        dx, dshift_in, dslope, dshift_out = rprelu_backward(dy, cache)
        return dx, {"shift_in": dshift_in, "slope": dslope, "shift_out": dshift_out}
    if "slope" in p:
        dx, dslope = prelu_backward(dy, cache)
        return dx, {"slope": dslope}
    return hardtanh_backward(dy, cache), {}


def weight_scale(p: Arrays) -> Array:
    """The scale of each filter: learnt, or the mean absolute latent weight. (F,), or (R, F) for R banks of filters."""
    if "alpha" in p:
        return p["alpha"]
    *R, _, _, _, F = p["w"].shape
    return np.stack([mean_abs(bank)[0] for bank in banks(p["w"])]).reshape(*R, F)


def weight_scale_backward(dw: Array, dalpha: Array, p: Arrays) -> Arrays:
    """Send ``dalpha`` to the origin of ``alpha``: its own parameter, or the weights."""
    if "alpha" in p:
        return {"w": dw, "alpha": dalpha}
    per_bank = zip(dalpha.reshape(-1, dalpha.shape[-1]), banks(p["w"]))
    return {"w": dw + np.stack([mean_abs_backward(d, bank) for d, bank in per_bank]).reshape(dw.shape)}


def banks(w: Array) -> Array:
    """Filters (..., KH, KW, C, F) as (R, KH, KW, C, F); one bank of filters becomes R = 1."""
    return w.reshape(-1, *w.shape[-4:])


def gates(p: Arrays, F: int, dtype: type | np.dtype) -> Array:
    """The gates of an upsampling before the sigmoid: learnt, or, without ``theta``, fully open: sigmoid(inf) = 1."""
    return p["theta"] if "theta" in p else np.full((len(p["tau"]), F), np.inf, dtype)


def shortcut(x: Array, F: int, stride: int) -> tuple[Array, Any]:
    """The shortcut: the input, average-pooled by the stride, and as many copies of it as fill ``F`` channels."""
    pooled, cache = avg_pool2d(x, kernel=stride) if stride > 1 else (x, None)
    return np.concatenate([pooled] * (F // x.shape[-1]), axis=-1), (cache, x.shape[-1])


def shortcut_backward(dy: Array, cache: tuple) -> Array:
    """The sum of the copies' gradients, spread over the pixels that were pooled."""
    pooling, C = cache
    dx: Any = sum(np.split(dy, dy.shape[-1] // C, axis=-1))
    return dx if pooling is None else avg_pool2d_backward(dx, pooling)


# -- the binary residual block --------------------------------------------------------------------------------------


def residual_block(
    x: Array, p: Arrays, s: Arrays, *,
    quantizer: Quantizer, pad_value: int, train: bool, stride: int = 1, residual: bool = True,
) -> tuple[Array, tuple, Arrays]:  # fmt: skip
    """Threshold, binary 3x3 convolution, batch norm, a real-valued shortcut around them, activation.

    ``y = act(bn(alpha * (sgn(x - tau) conv sgn(w))) + shortcut(x))``. The shortcut is the input itself; with stride 2
    its average pool, and where the channels double, two copies of it side by side.

    Source: the shortcut around every binary convolution is Bi-Real Net's (Liu 2018, arXiv 1808.00278), the threshold
    and the RPReLU are ReActNet's (Liu 2020, arXiv 2003.03488); status exact, their arrangement ours.
    """
    alpha, shift = scale_and_shift(p, p, s, train)
    b, binary = binarize(x, p["tau"], quantizer=quantizer)  # (1)
    z, conv = binary_conv2d(b, p["w"], alpha, pad_value=pad_value, pad=1, stride=stride, quantizer=quantizer)  # (2)
    n, norm, s = shift_or_normalise(z, p, s, shift)  # (3)
    around = None
    if residual:
        copies, around = shortcut(x, n.shape[-1], stride)  # (4)
        n = n + copies
    y, act = activate(n, p)  # (5)
    return y, (p, binary, conv, norm, around, act), s


def residual_block_backward(dy: Array, cache: tuple) -> tuple[Array, Arrays]:
    """The gradients of :func:`residual_block`: of its input, and of its parameters by name."""
    p, binary, conv, norm, around, act = cache
    dn, dp = activate_backward(dy, act, p)  # (5)
    dz, dnorm = normalise_backward(dn, norm)  # (3)
    db, dw, dalpha = binary_conv2d_backward(dz, conv)  # (2)
    dx, dtau = binarize_backward(db, binary)  # (1)
    if around is not None:
        dx = dx + shortcut_backward(dn, around)  # (4)
    return dx, dp | dnorm | weight_scale_backward(dw, dalpha, p) | {"tau": dtau}


# -- attention at low resolution ------------------------------------------------------------------------------------


class AttentionKind(NamedTuple):
    """One kind of attention: the pair and the packed form, the learnt scales, and whether it pools on a grid."""

    forward: Callable
    backward: Callable
    packed: Callable
    scales: tuple[str, ...]
    pools: bool

    def operands(self, n: Array, p: Arrays) -> tuple[Array, ...]:
        """Queries, keys and values, side by side in the channels of ``n``, as tokens; then the learnt scales."""
        N, H, W, C = n.shape
        tokens = (t.reshape(N, H * W, C // 3) for t in np.split(n, 3, axis=-1))
        return (*tokens, *(p[name] for name in self.scales))

    def options(self, grid: tuple[int, int], levels: tuple[int, ...], heads: int) -> dict[str, Any]:
        """The options that this kind takes beside its operands."""
        return {"heads": heads} | ({"grid": grid, "levels": levels} if self.pools else {})


POSITION, BOTH = ("scale",), ("scale_position", "scale_channel")

ATTENTION = {
    "full": AttentionKind(
        attention.binary_attention, attention.binary_attention_backward, attention.binary_attention_packed,
        scales=POSITION, pools=False,
    ),
    "pooled": AttentionKind(
        reduced_attention.pooled_attention, reduced_attention.pooled_attention_backward,
        reduced_attention.pooled_attention_packed, scales=POSITION, pools=True,
    ),
    "two-part": AttentionKind(
        reduced_attention.two_part_attention, reduced_attention.two_part_attention_backward,
        reduced_attention.two_part_attention_packed, scales=BOTH, pools=True,
    ),
    "linear": AttentionKind(
        attention.linear_attention, attention.linear_attention_backward,
        lambda *qkv, heads: attention.linear_attention(*qkv, heads=heads)[0],  # no signs in it: nothing to pack
        scales=(), pools=False,
    ),
}  # fmt: skip


def attention_block(
    x: Array, p: Arrays, s: Arrays, *, quantizer: Quantizer, train: bool, kind: str, heads: int, levels: tuple[int, ...]
) -> tuple[Array, tuple, Arrays]:
    """Binary projections to queries, keys and values; attention; batch norm; the input added as a shortcut.

    One 1x1 convolution makes all three: ``q, k, v = split(bn_qkv(alpha * (sgn(x - tau) conv sgn(w))))`` and
    ``y = x + bn_out(attention(q, k, v))``.
    """
    attend, (p_qkv, s_qkv), (p_out, s_out) = ATTENTION[kind], parts(p, s, "qkv"), parts(p, s, "out")
    options = attend.options(x.shape[1:3], levels, heads) | ({"quantizer": quantizer} if attend.scales else {})
    alpha, shift = scale_and_shift(p, p_qkv, s_qkv, train)
    b, binary = binarize(x, p["tau"], quantizer=quantizer)  # (1)
    z, conv = binary_conv2d(b, p["w"], alpha, pad_value=1, quantizer=quantizer)  # (2)
    n, norm, s_qkv = shift_or_normalise(z, p_qkv, s_qkv, shift)  # (3)
    operands = attend.operands(n, p)  # (4)
    a, attended = attend.forward(*operands, **options)  # (5)
    o, norm_out, s_out = normalise(a.reshape(x.shape), p_out, s_out, train)  # (6)
    s = with_prefix(s_qkv, "qkv") | with_prefix(s_out, "out")
    return x + o, (p, binary, conv, norm, attended, norm_out, kind), s  # (7)


def attention_block_backward(dy: Array, cache: tuple) -> tuple[Array, Arrays]:
    """The gradients of :func:`attention_block`: of its input, and of its parameters by name."""
    p, binary, conv, norm, attended, norm_out, kind = cache
    N, H, W, C = dy.shape
    da, dout = normalise_backward(dy, norm_out)  # (6)
    dq, dk, dv, *dscales = ATTENTION[kind].backward(da.reshape(N, H * W, C), attended)  # (5)
    dn = np.concatenate([dq, dk, dv], axis=-1).reshape(N, H, W, 3 * C)  # (4)
    dz, dqkv = normalise_backward(dn, norm)  # (3)
    db, dw, dalpha = binary_conv2d_backward(dz, conv)  # (2)
    dx, dtau = binarize_backward(db, binary)  # (1)
    dp = dict(zip(ATTENTION[kind].scales, dscales)) | with_prefix(dqkv, "qkv") | with_prefix(dout, "out")
    return dy + dx, dp | weight_scale_backward(dw, dalpha, p) | {"tau": dtau}  # (7)


# -- upsampling -----------------------------------------------------------------------------------------------------


def up_block(
    x: Array, p: Arrays, s: Arrays, *, quantizer: Quantizer, pad_value: int, upsampler: Upsampler, train: bool
) -> tuple[Array, tuple, Arrays]:
    """Multi-branch upsampling by 2, batch norm, activation. There is no shortcut around the binary branches.

    Without ``theta`` the gate of the single branch is fully open (:func:`gates`): plain binary upsampling.
    """
    theta = gates(p, p["w"].shape[-1], x.dtype)
    alpha, shift = scale_and_shift(p, p, s, train)
    options: dict[str, Any] = {"upsamplers": (upsampler,) * len(theta), "quantizer": quantizer}
    u, branches = multi_branch_upsample(x, p["tau"], p["w"], alpha, theta, pad_value=pad_value, **options)  # (1)
    n, norm, s = shift_or_normalise(u, p, s, shift)  # (2)
    y, act = activate(n, p)  # (3)
    return y, (p, branches, norm, act), s


def up_block_backward(dy: Array, cache: tuple) -> tuple[Array, Arrays]:
    """The gradients of :func:`up_block`: of its input, and of its parameters by name."""
    p, branches, norm, act = cache
    dn, dp = activate_backward(dy, act, p)  # (3)
    du, dnorm = normalise_backward(dn, norm)  # (2)
    dx, dtau, dw, dalpha, dtheta = multi_branch_upsample_backward(du, branches)  # (1)
    dp |= dnorm | weight_scale_backward(dw, dalpha, p) | {"tau": dtau}
    return dx, dp | ({"theta": dtheta} if "theta" in p else {})


# -- dicts within dicts ---------------------------------------------------------------------------------------------


def without_prefix(d: Arrays, name: str) -> Arrays:
    """The entries whose key starts with ``name.``, without it."""
    return {k[len(name) + 1 :]: v for k, v in d.items() if k.startswith(f"{name}.")}


def parts(p: Arrays, s: Arrays, name: str) -> tuple[Arrays, Arrays]:
    """The parameters and the running statistics of the part ``name`` of a block."""
    return without_prefix(p, name), without_prefix(s, name)


def with_prefix(d: Arrays, name: str) -> Arrays:
    """The entries with ``name.`` before each key."""
    return {f"{name}.{k}": v for k, v in d.items()}
