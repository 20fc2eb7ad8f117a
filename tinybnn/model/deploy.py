"""The packed network: 64 weights in a word, and the same logits as the float simulation, bit for bit.

Packing keeps one bit of every latent weight, its sign. Thresholds and the weights of the two float ends stay as they
were trained. Batch norm becomes one shift, and one scale, which is multiplied into the layer's own. A binary layer then
takes three steps: it compares, it counts the bits that differ, and it scales the count::

    float simulation   y = alpha * (sgn(x - tau) conv sgn(w)) + shift             a float matrix product of -1 and +1
    packed             y = alpha * (n - 2 popcount(bits(x < tau) ^ w)) + shift    the same integer, so the same y

The integer is exact in both, and the float arithmetic after it is the same, in the same order. So the logits are equal
by ``==``. If the output of a layer is used for nothing but the signs of the next layer, then even scale, shift and
activation are left out: the next layer compares the integers with integer thresholds (:mod:`tinybnn.ops.fold`).

This page calls the plain packed operations. :mod:`tinybnn.fast.network` computes the same logits faster.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.store import in_file, load_arrays, need_arrays, options, save_arrays
from ..notation import Array
from ..ops.binarize import sign
from ..ops.binary_conv import conv2d_packed, pack_weights
from ..ops.bitpack import binarize_packed, words
from ..ops.conv import conv2d_by_row
from ..ops.fold import fold_threshold
from ..ops.multibranch import multi_branch_upsample_packed
from ..ops.norm import scale_shift
from ..ops.upsample import NEAREST, UPSAMPLERS
from ..validate import need_finite
from . import net
from .blocks import ATTENTION, Arrays, activate, gates, parts, scale_and_shift, shortcut, without_prefix


class Packed(NamedTuple):
    """A packed network: words in place of latent weights, and scale and shift in place of batch norm."""

    arrays: Arrays
    config: net.Config


def pack_network(params: Arrays, state: Arrays, config: net.Config) -> Packed:
    """Pack the signs of every binary layer, and join what is fixed after training: scales, shifts and thresholds.

    Parameters
    ----------
    params, state : dict of ndarray
        A trained network's.
    config : Config
        Of a binary network; the float twin has no signs to pack and is refused.

    Returns
    -------
    Packed
    """
    if not config.binary:
        raise ValueError("pack_network: config.binary is False, expected a binary network: the float twin has no signs")
    arrays = {k: v for k, v in params.items() if not k.endswith((".gamma", ".beta"))}
    for key in net.binary_weights(params):
        layer = key.removesuffix(".w")
        norm = f"{layer}.qkv" if layer == "att" else layer
        own, (of_norm, statistics) = without_prefix(params, layer), parts(params, state, norm)
        need_finite("pack_network", **{key: params[key]})
        arrays[key] = pack_weights(sign(params[key]))
        fixed = scale_and_shift(own, of_norm, statistics, train=False)
        arrays[f"{layer}.alpha"], arrays[f"{layer}.shift"] = fixed  # type: ignore[assignment]
    for name in ["stem"] + ["att.out"] * (config.attention != "none"):
        four = [params[f"{name}.gamma"], params[f"{name}.beta"], state[f"{name}.mean"], state[f"{name}.var"]]
        arrays[f"{name}.scale"], arrays[f"{name}.shift"] = scale_shift(*four)
    for name, following in layers_with_integer_output(config):
        n = int(np.prod(params[f"{name}.w"].shape[-4:-1]))
        fold_layer(arrays, name, following, n)
    return Packed(arrays, config)


def layers_with_integer_output(config: net.Config) -> Iterator[tuple[str, str]]:
    """Pairs of a binary layer and the next one, where the next one needs only the signs of the first one's integers.

    A shortcut adds real values, and so does a sum of branches. Attention is added to its input, and an upsampling that
    interpolates needs real values. So these layers are not folded.
    """
    encoder, decoder = ([name for name, *_ in part(config)] for part in (net.encoder, net.decoder))
    names = net.layer_names(config)
    for name, following in zip(names, names[1:]):
        integers = not config.residual if name in encoder else name in decoder and config.branches == 1
        if integers and (following in encoder or following in decoder and UPSAMPLERS[config.upsample] == NEAREST):
            yield name, following


def fold_layer(arrays: Arrays, name: str, following: str, n: int) -> None:
    """Replace scale, shift and activation of a layer by integer thresholds ``tau`` of the following layer.

    The layer's ``alpha`` becomes -1 for each filter whose output falls as its integer rises, else +1, and its ``shift``
    is deleted. A layer whose output both rises and falls (a PReLU with a negative slope) may have no such thresholds.
    It is left as it is.
    """
    p, tau = without_prefix(arrays, name), arrays[f"{following}.tau"]
    alpha = p["alpha"].reshape(-1)

    def shifted(z: Array, row: Array) -> Array:
        """The input of the following layer's sign: the layer's output, minus the thresholds of one branch."""
        return activate(z.astype(alpha.dtype) * alpha + p["shift"], p)[0] - row

    try:
        folds = [fold_threshold(partial(shifted, row=row), n, len(alpha)) for row in np.atleast_2d(tau)]
    except ValueError:  # a sign changes more than once
        return
    t, flip = (np.stack(part) for part in zip(*folds))  # +1 where (z >= t) != flip
    changes = t <= n  # other filters have the same sign for every z
    # Hardtanh only rises, and a PReLU turns once at most: no filter falls for one threshold and rises for another.
    falls = (changes & flip).any(0)
    of_constant = np.where(flip, -n, n + 1)  # below every z, or above every z
    integers = np.where(changes, np.where(falls, 1 - t, t), of_constant)  # z < t is the same as -z >= 1 - t
    arrays[f"{following}.tau"] = integers.reshape(tau.shape).astype(tau.dtype)
    arrays[f"{name}.alpha"] = np.where(falls, -1, 1).reshape(p["alpha"].shape).astype(alpha.dtype)
    del arrays[f"{name}.shift"]


# -- forward --------------------------------------------------------------------------------------------------------


def forward_packed(packed: Packed, x: Array) -> Array:
    """Logits of a packed network: those of ``net.forward(..., train=False)``, by ``==``.

    Parameters
    ----------
    packed : Packed
    x : float ndarray of shape (N, H, W, 3)
        Pixel values in [0, 1]; H and W multiples of ``config.stride``.

    Returns
    -------
    logits : ndarray of shape (N, H, W, L)
    """
    return network(packed)(x)


def network(packed: Packed) -> net.Network:
    """The packed network by its blocks."""
    arrays, config = packed
    of = partial(without_prefix, arrays)
    return net.Network(
        config,
        stem=lambda x: stem_packed(net.need_images("forward_packed", x, arrays, config), of("stem")),
        residual=lambda name, x, stride: residual_packed(x, of(name), config, stride),
        attention=lambda name, x: attention_packed(x, of(name), config),
        up=lambda name, x: up_packed(x, of(name), config),
        head=lambda x: conv2d_by_row(x, arrays["head.w"]) + arrays["head.b"],
        packed=True,
    )


def stem_packed(x: Array, p: Arrays) -> Array:
    """:func:`tinybnn.model.net.stem` with batch norm as a scale and a shift."""
    z = conv2d_by_row(x - x.dtype.type(0.5), p["w"], stride=2, pad=1)
    return activate(z * p["scale"] + p["shift"], p)[0]


def residual_packed(x: Array, p: Arrays, config: net.Config, stride: int) -> Array:
    """:func:`tinybnn.model.blocks.residual_block` from words."""
    s = binarize_packed(x, p["tau"])
    z = conv2d_packed(s, p["w"], x.shape[-1], pad_value=config.pad_value, pad=1, stride=stride)
    y = z.astype(x.dtype) * p["alpha"]
    if "shift" not in p:  # folded
        return y
    y = y + p["shift"]
    if config.residual:
        y = y + shortcut(x, y.shape[-1], stride)[0]
    return activate(y, p)[0]


def attention_packed(x: Array, p: Arrays, config: net.Config) -> Array:
    """:func:`tinybnn.model.blocks.attention_block` from words."""
    attention = ATTENTION[config.attention]
    z = conv2d_packed(binarize_packed(x, p["tau"]), p["w"], x.shape[-1], pad_value=1)
    n = z.astype(x.dtype) * p["alpha"] + p["shift"]
    a = attention.packed(*attention.operands(n, p), **attention.options(x.shape[1:3], config.levels, config.heads))
    return x + (a.reshape(x.shape) * p["out.scale"] + p["out.shift"])


def up_packed(x: Array, p: Arrays, config: net.Config) -> Array:
    """:func:`tinybnn.model.blocks.up_block` from words."""
    upsamplers, theta = (UPSAMPLERS[config.upsample],) * len(p["tau"]), gates(p, p["w"].shape[1], x.dtype)
    y = multi_branch_upsample_packed(
        x, p["tau"], p["w"], p["alpha"], theta, pad_value=config.pad_value, upsamplers=upsamplers
    )
    return activate(y + p["shift"], p)[0] if "shift" in p else y


# -- sizes and files ------------------------------------------------------------------------------------------------


def weight_bytes(packed: Packed, params: Arrays) -> tuple[int, int]:
    """The bytes of all binary weights: as the floats they were trained as, and as words."""
    keys = net.binary_weights(params)
    return sum(params[k].nbytes for k in keys), sum(packed.arrays[k].nbytes for k in keys)


def save_packed(path: Path | str, packed: Packed) -> None:
    """Write a packed network to one ``.npz`` file, whole or not at all."""
    save_arrays(path, packed.arrays, {"kind": "packed network", "config": packed.config._asdict()})


def shapes(config: net.Config) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of :func:`pack_network`, if no layer is folded."""
    of_params, _ = net.shapes(config)
    p = {k: shape for k, shape in of_params.items() if not k.endswith((".gamma", ".beta"))}
    for key in net.binary_weights(of_params):
        layer, (*R, KH, KW, C, F) = key.removesuffix(".w"), p[key]
        p |= {key: (*R, F, KH, KW, words(C)), f"{layer}.alpha": (*R, F), f"{layer}.shift": (F,)}
    normed = ["stem"] + ["att.out"] * (config.attention != "none")
    return p | {f"{name}.{kind}": of_params[f"{name}.gamma"] for name in normed for kind in ("scale", "shift")}


def load_packed(path: Path | str) -> Packed:
    """Read what :func:`save_packed` wrote; its arrays must be those that its config asks for."""
    arrays, meta = load_arrays(path, "packed network")
    with in_file(path):
        config = options(net.Config, meta.get("config"))
        expected, (of_params, _) = shapes(config), net.shapes(config)
        if not config.binary:
            raise ValueError("config.binary is False, expected a binary network")
        folded = [pair for pair in layers_with_integer_output(config) if f"{pair[0]}.shift" not in arrays]
        expected = {k: shape for k, shape in expected.items() if k not in {f"{name}.shift" for name, _ in folded}}
        weights = net.binary_weights(of_params)
        floats = np.float64 if np.float64 in {a.dtype for a in arrays.values()} else np.float32
        need_arrays(arrays, expected, dict.fromkeys(expected, floats) | dict.fromkeys(weights, np.uint64))
        for name, following in folded:
            tau, alpha = arrays[f"{following}.tau"], arrays[f"{name}.alpha"]
            if (np.rint(tau) != tau).any() or (np.abs(alpha) != 1).any():
                raise ValueError(f"{name} has no shift, expected whole {following}.tau, and {name}.alpha of -1 and +1")
        for key in weights:
            *_, C, _ = of_params[key]
            if C % 64 and (arrays[key][..., -1] >> np.uint64(C % 64)).any():
                raise ValueError(f"{key} has bits behind its {C} channels, expected zeros")
    return Packed(arrays, config)
