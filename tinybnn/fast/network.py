"""The packed network, faster: the same logits as :func:`tinybnn.model.deploy.forward_packed`, by ``==``.

Three things differ from the plain form. The packed weights are turned into floats once for many images, and BLAS adds
up two sums in one float (:mod:`.digits`). Each convolution runs tile by tile: a tile is a few rows of the output, and
scale, shift, shortcut and activation are applied while it is in the cache. A phase is one of the 2 x 2 positions of an
upsampled pixel; the branches of an upsampling are added before their phases are joined.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..model import deploy, net
from ..model.blocks import ATTENTION, Arrays, activate, banks, gates, shortcut, without_prefix
from ..model.deploy import Packed
from ..notation import Array
from ..ops.activation import sigmoid
from ..ops.bitpack import binarize_packed
from ..ops.multibranch import checked, expand
from ..ops.upsample import NEAREST, UPSAMPLERS
from .conv import Geometry, Tiles, filters, place, plan, tiles
from .digits import Filters


class Layer(NamedTuple):
    """The arrays of one layer without their prefix, and its filters as floats, one bank for each branch."""

    p: Arrays
    banks: list[Filters]


def prepare(packed: Packed) -> net.Network:
    """The packed network by its blocks, ready for many images: packed weights are turned into floats.

    These take 8 times the memory of the words with 16 channels, 32 times with 64, and more with phases.
    """
    arrays, config = packed
    decoder = {name for name, *_ in net.decoder(config)}
    phases = (2, 2) if UPSAMPLERS[config.upsample] == NEAREST else (1, 1)
    layers = {}
    for name in net.layer_names(config):
        p = without_prefix(arrays, name)
        scale = phases if name in decoder else (1, 1)
        layers[name] = Layer(p, [filters(w, p["tau"].shape[-1], scale) for w in banks(p["w"])])
    return replace(
        deploy.network(packed),
        residual=lambda name, x, stride: residual(x, layers[name], config, stride),
        attention=lambda name, x: attention(x, layers[name], config),
        up=lambda name, x: up(x, layers[name], config),
    )


def forward_fast(network: net.Network, x: Array) -> Array:
    """Logits of a prepared network; arguments and result as in :func:`tinybnn.model.deploy.forward_packed`."""
    return network(x)


def residual(x: Array, layer: Layer, config: net.Config, stride: int) -> Array:
    """:func:`tinybnn.model.deploy.residual_packed`, tile by tile."""
    p, s = layer.p, binarize_packed(x, layer.p["tau"])
    g = plan("residual", s, p["w"], x.shape[-1], pad_value=config.pad_value, stride=stride, pad=1)
    add = shortcut(x, len(p["w"]), stride)[0] if config.residual else None
    return finish(scaled(tiles(s, layer.banks[0], g, x.dtype), p["alpha"], g), (len(x), *g.size, len(p["w"])), p, add)


def attention(x: Array, layer: Layer, config: net.Config) -> Array:
    """:func:`tinybnn.model.deploy.attention_packed`, with its projections tile by tile."""
    p, kind, s = layer.p, ATTENTION[config.attention], binarize_packed(x, layer.p["tau"])
    g = plan("attention", s, p["w"], x.shape[-1], pad_value=1)
    n = np.empty((len(x), *g.size, len(p["w"])), x.dtype)
    for where, z in scaled(tiles(s, layer.banks[0], g, x.dtype), p["alpha"], g):
        n[where] = z + p["shift"]
    a = kind.packed(*kind.operands(n, p), **kind.options(x.shape[1:3], config.levels, config.heads))
    return x + (a.reshape(x.shape) * p["out.scale"] + p["out.shift"])


def up(x: Array, layer: Layer, config: net.Config) -> Array:
    """:func:`tinybnn.model.deploy.up_packed`, tile by tile."""
    p, upsampler, F = layer.p, UPSAMPLERS[config.upsample], layer.p["w"].shape[1]
    u, scale = (x, 2) if upsampler == NEAREST else (upsampler.forward(x, scale=2)[0], 1)
    signs = [binarize_packed(u, tau) for tau in p["tau"]]
    g = plan("up", signs[0], p["w"][0], x.shape[-1], pad_value=config.pad_value, pad=1, scale=scale)
    theta = gates(p, F, x.dtype)
    op, arrays = "multi_branch_upsample_packed", (x, p["tau"], p["w"], p["alpha"], theta)
    checked(op, "R F KH KW words", *arrays, scale=2, pad=1, upsamplers=None)
    weights = sigmoid(theta)[0] * expand(p["alpha"], theta)
    branches = [tiles(s, bank, g, x.dtype) for s, bank in zip(signs, layer.banks)]
    return finish(merged(branches, weights, g), (len(x), *g.size, F), p)


def scaled(of: Tiles, alpha: Array, g: Geometry) -> Tiles:
    """Rows of the output times the scale of each filter."""
    for where, z in of:
        z *= alpha
        yield place(where, z, g)


def merged(branches: list[Tiles], weights: Array, g: Geometry) -> Tiles:
    """Rows of the sum of all branches, weighted by ``weights``: (R, F), or (R, OH, OW, F)."""
    by_channel = np.tile(weights, g.scale[0] * g.scale[1]) if weights.ndim == 2 else None
    for parts in zip(*branches):
        if by_channel is not None:  # the same weight at every position: phases can be joined afterwards
            yield place(parts[0][0], weighted_sum([z for _, z in parts], by_channel), g)
        else:
            placed = [place(where, z, g) for where, z in parts]
            where = placed[0][0]
            yield where, weighted_sum([z for _, z in placed], weights[:, where[1]])


def weighted_sum(parts: list[Array], weights: Array) -> Array:
    """``sum over r of weights[r] parts[r]``, which overwrites the parts."""
    for z, weight in zip(parts, weights):
        z *= weight
    for z in parts[1:]:
        parts[0] += z
    return parts[0]


def finish(of: Tiles, shape: tuple[int, ...], p: Arrays, add: Array | None = None) -> Array:
    """A map from its tiles: shift, shortcut, activation; a folded layer has no shift, so its tiles are copied."""
    y = np.empty(shape, p["alpha"].dtype)
    for where, z in of:
        if "shift" in p:
            z += p["shift"]
            if add is not None:
                z += add[where]
            z, _ = activate(z, p)
        y[where] = z
    return y
