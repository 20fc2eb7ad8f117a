"""From a trained network to a packed one that gives the same bits.

Packing keeps one bit of every latent weight: its sign. All that is real, thresholds, scales, batch norm's multiply-add
and the two float ends, stays as it was trained. Going forward, every binary layer is a comparison, a word of 64
signs, and a popcount::

    float simulation     y = alpha * (sgn(x - tau) conv sgn(w))          a float matrix product of +-1
    packed               y = alpha * (n - 2 popcount(bits(x < tau) ^ w))  the same integer, so the same y

The integer is exact in either, and what follows is the same float arithmetic in the same order: the logits are equal
by ``==``, not nearly. Inference only: there is nothing left to train.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import net
from .augment import pad_to_multiple
from .binarize import sign
from .binary_conv import conv2d_packed, pack_weights
from .bitpack import binarize_packed
from .blocks import ATTENTION, Arrays, activate, carry, gates, under, weight_scale
from .conv import conv2d
from .data import Dataset, Sample
from .multibranch import multi_branch_upsample_packed
from .norm import scale_shift
from .notation import Array
from .store import load_arrays, options, save_arrays
from .upsample import UPSAMPLERS


class Packed(NamedTuple):
    """A packed network: words where there were latent weights, and otherwise what :func:`net.init` names."""

    arrays: Arrays
    config: net.Config


def pack_network(params: Arrays, state: Arrays, config: net.Config) -> Packed:
    """Pack every binary layer; replace batch norm's four vectors by its multiply-add.

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
        layer, w = key.removesuffix(".w"), params[key]
        arrays[f"{layer}.alpha"] = weight_scale(under(params, layer))
        arrays[key] = pack_weights(sign(w)) if w.ndim == 4 else np.stack([pack_weights(sign(branch)) for branch in w])
    for key in (k.removesuffix(".gamma") for k in params if k.endswith(".gamma")):
        names = [params[f"{key}.gamma"], params[f"{key}.beta"], state[f"{key}.mean"], state[f"{key}.var"]]
        arrays[f"{key}.scale"], arrays[f"{key}.shift"] = scale_shift(*names)
    return Packed(arrays, config)


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
    p, config = packed
    net.need_images("forward_packed", x, p, config)
    z, _ = conv2d(x - x.dtype.type(0.5), p["stem.w"], stride=2, pad=1)  # (1)
    x = _finish(z, under(p, "stem"))
    for name, _, _, stride in net.encoder(config):  # (2)
        x = _residual(x, under(p, name), config, stride)
    if config.attention != "none":  # (3)
        x = _attention(x, under(p, "att"), config)
    for name, *_ in net.decoder(config):  # (4)
        x = _up(x, under(p, name), config)
    logits, _ = conv2d(x, p["head.w"])  # (5)
    return logits + p["head.b"]


def weight_bytes(packed: Packed, params: Arrays) -> tuple[int, int]:
    """The bytes of all binary weights: as the floats they were trained as, and as words."""
    keys = net.binary_weights(params)
    return sum(params[k].nbytes for k in keys), sum(packed.arrays[k].nbytes for k in keys)


def differing_logits(packed: Packed, params: Arrays, state: Arrays, samples: Dataset | Sequence[Sample]) -> int:
    """How many logits, over all samples, are not ``==`` to those of the float simulation. It must be 0."""
    different = 0
    for image, *_ in samples:
        x = pad_to_multiple(image, packed.config.stride)[0][None]
        simulated, _, _ = net.forward(params, state, x, packed.config)
        different += int((forward_packed(packed, x) != simulated).sum())
    return different


def _binary(x: Array, p: Arrays, **geometry: Any) -> Array:
    """Threshold, pack, convolve, scale: the packed form of ``binarize`` and ``binary_conv2d``."""
    z = conv2d_packed(binarize_packed(x, p["tau"]), p["w"], x.shape[-1], **geometry)
    return z.astype(x.dtype) * p["alpha"]


def _finish(n: Array, p: Arrays, carried: Array | None = None) -> Array:
    """Batch norm's multiply-add, the shortcut if there is one, the activation."""
    n = n * p["scale"] + p["shift"]
    return activate(n if carried is None else n + carried, p)[0]


def _residual(x: Array, p: Arrays, config: net.Config, stride: int) -> Array:
    n = _binary(x, p, pad_value=config.pad_value, pad=1, stride=stride)
    if not config.residual:
        return _finish(n, p)
    return _finish(n, p, carry(x, n.shape[-1], stride)[0])


def _attention(x: Array, p: Arrays, config: net.Config) -> Array:
    attention = ATTENTION[config.attention]
    n = _binary(x, p, pad_value=1) * p["qkv.scale"] + p["qkv.shift"]
    a = attention.packed(*attention.operands(n, p), **attention.options(x.shape[1:3], config.levels, config.heads))
    return x + (a.reshape(x.shape) * p["out.scale"] + p["out.shift"])


def _up(x: Array, p: Arrays, config: net.Config) -> Array:
    options: dict[str, Any] = {
        "pad_value": config.pad_value,
        "upsamplers": (UPSAMPLERS[config.upsample],) * len(p["tau"]),
    }
    theta = gates(p, p["alpha"].shape[1], x.dtype)
    return _finish(multi_branch_upsample_packed(x, p["tau"], p["w"], p["alpha"], theta, **options), p)


# -- on disk --------------------------------------------------------------------------------------------------------


def save_packed(path: Path | str, packed: Packed) -> None:
    """Write a packed network to one ``.npz`` file, whole or not at all."""
    save_arrays(path, packed.arrays, {"kind": "packed network", "config": packed.config._asdict()})


def load_packed(path: Path | str) -> Packed:
    """Read back what :func:`save_packed` wrote."""
    arrays, meta = load_arrays(path, "packed network")
    return Packed(arrays, options(net.Config, meta["config"]))
