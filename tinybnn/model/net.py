"""The dense predictor: one pair of functions. The forward reads top-down, the backward bottom-up.

::

    image (N, H, W, 3)
      stem        float 3x3 convolution, stride 2      1/2       width
      encoder     binary residual blocks, each stage   1/4, 1/8  2 width, 4 width
                  halving the map and doubling the channels
      attention   at the lowest resolution             1/8       4 width
      decoder     binary multi-branch upsampling x2    1/4, 1/2, 1/1
      classifier  float 1x1 convolution                1/1       classes
    logits (N, H, W, L)

Stem and classifier stay float, as in most binary networks: together they hold less than one parameter in a hundred, the
stem reads pixels, not signs, and the classifier must rank classes. There are no skips from encoder to decoder. So all
detail at high resolution comes from the binary upsampling, and its quality shows.

``binary=False`` is the one switch to the **float twin**: the same parameters and code with every quantizer
:data:`tinybnn.ops.binarize.real`. Source: the system of arXiv 2405.17776, status reconstructed: its backbone, order of
blocks and sizes are not known to us, so they are ours.
"""

from __future__ import annotations  # so that numpy.random is loaded when it is used, not here

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..data.store import options
from ..notation import Array
from ..ops.binarize import QUANTIZERS, Quantizer, channel_sum, real
from ..ops.conv import ConvCache, conv2d, conv2d_backward, conv2d_by_row, weight_gradient
from ..ops.upsample import UPSAMPLERS
from ..validate import need_choice, need_float, need_int, need_kind, need_shape
from . import blocks
from .blocks import ATTENTION, Arrays, activate, activate_backward, normalise, normalise_backward, parts, with_prefix

SLOPE = 0.25
"""Where PReLU's slopes start (He 2015, arXiv 1502.01852)."""

LIMITS = {
    "classes": 255, "width": 4096, "stages": 8, "depth": 64, "branches": 64, "heads": 4096, "size": 4096, "levels": 64,
}  # fmt: skip
"""The largest sizes of a network; 255 is the label of ignored pixels."""

MOST = 2**28
"""The largest number of parameters: 1 GB as float32."""


class Config(NamedTuple):
    """Every choice of the network: an ablation changes one field."""

    classes: int = 2
    binary: bool = True  # False: the float twin
    width: int = 16  # channels after the stem, doubled by every stage
    stages: int = 2  # halvings after the stem's
    depth: int = 2  # residual blocks a stage
    residual: bool = True  # a real-valued shortcut around every binary convolution
    activation: str = "rprelu"  # or "prelu", "hardtanh"
    quantizer: str = "polynomial"  # the surrogate: a key of QUANTIZERS
    scale: str = "learned"  # or "mean": alpha = mean |w|
    pad_value: int = 1  # what pads a binary convolution: -1, 0 or +1
    upsample: str = "nearest"  # a key of UPSAMPLERS, in every branch
    branches: int = 3  # 1 is plain binary upsampling, with no gate
    gate: str = "channel"  # or "position": a gate per position and channel
    size: int = 64  # height and width of all images if gate is "position"
    attention: str = "two-part"  # or "none", or a key of ATTENTION
    heads: int = 4
    levels: tuple[int, ...] = (1, 2, 3)  # pyramid of pooled keys and values: 1 + 4 + 9 = 14 anchors

    @property
    def stride(self) -> int:
        """Image height and width are multiples of this."""
        return 2 ** (self.stages + 1)


def check_config(config: Config) -> Config:
    """The config, or an error that names the field."""
    op, config = "net.Config", options(Config, need_kind("net.Config", "config", config, Config)._asdict())
    for name, most in LIMITS.items():
        values = config.levels if name == "levels" else (getattr(config, name),)
        for value in values:
            if need_int(op, name, value, 2 if name == "classes" else 1) > most:
                raise ValueError(f"{op}: {name} is {value}, expected at most {most}")
    if not 1 <= len(config.levels) <= LIMITS["levels"]:
        raise ValueError(f"{op}: levels has {len(config.levels)} values, expected 1 to {LIMITS['levels']}")
    need_choice(op, "activation", config.activation, ("rprelu", "prelu", "hardtanh"))
    need_choice(op, "quantizer", config.quantizer, tuple(QUANTIZERS))
    need_choice(op, "scale", config.scale, ("learned", "mean"))
    need_choice(op, "pad_value", config.pad_value, (-1, 0, 1))
    need_choice(op, "upsample", config.upsample, tuple(UPSAMPLERS))
    need_choice(op, "gate", config.gate, ("channel", "position"))
    need_choice(op, "attention", config.attention, ("none", *ATTENTION))
    C = config.width * 2**config.stages
    if C % config.heads:
        raise ValueError(f"{op}: heads is {config.heads}, expected a divisor of {C} channels")
    return config


def quantizer_of(config: Config) -> Quantizer:
    """The quantizer that a config names; the float twin's is :data:`tinybnn.ops.binarize.real`."""
    return QUANTIZERS[config.quantizer] if config.binary else real


def encoder(config: Config) -> Iterator[tuple[str, int, int, int]]:
    """The residual blocks: (name, channels in, channels out, stride)."""
    for stage in range(config.stages):
        C = config.width * 2**stage
        yield f"enc{stage + 1}.1", C, 2 * C, 2
        for block in range(1, config.depth):
            yield f"enc{stage + 1}.{block + 1}", 2 * C, 2 * C, 1


def decoder(config: Config) -> Iterator[tuple[str, int, int, int]]:
    """The upsampling blocks: (name, channels in, channels out, image size / output size)."""
    for stage in range(config.stages + 1):
        C = config.width * 2 ** (config.stages - stage)
        yield f"up{stage + 1}", C, max(C // 2, config.width), config.stride // 2 ** (stage + 1)


def layer_names(config: Config) -> list[str]:
    """The names of all binary layers, in the order in which they run."""
    attention = ["att"] * (config.attention != "none")
    return [*(name for name, *_ in encoder(config)), *attention, *(name for name, *_ in decoder(config))]


# -- parameters -----------------------------------------------------------------------------------------------------


def shapes(config: Config) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The shapes of all parameters and of all running statistics, by name: ``"enc1.2.tau"`` and so on."""
    check_config(config)
    C, R = config.width * 2**config.stages, config.branches
    p: dict[str, tuple[int, ...]] = {"stem.w": (3, 3, 3, config.width)}
    for name, inside, out, _ in encoder(config):
        p |= {f"{name}.tau": (inside,), f"{name}.w": (3, 3, inside, out)}
    if config.attention != "none":
        p |= {"att.tau": (C,), "att.w": (1, 1, C, 3 * C)}
        p |= {f"att.{scale}": (config.heads,) for scale in ATTENTION[config.attention].scales}
    for name, inside, out, shrink in decoder(config):
        p |= {f"{name}.tau": (R, inside), f"{name}.w": (R, 3, 3, inside, out)}
        if R > 1:
            positions = (config.size // shrink,) * 2 if config.gate == "position" else ()
            p[f"{name}.theta"] = (R, *positions, out)
    if config.scale == "learned":
        p |= {k.replace(".w", ".alpha"): (*p[k][:-4], p[k][-1]) for k in binary_weights(p)}
    p |= {"head.w": (1, 1, config.width, config.classes), "head.b": (config.classes,)}

    channels = {"stem": config.width} | {name: out for name, _, out, _ in (*encoder(config), *decoder(config))}
    kinds = {"hardtanh": (), "prelu": ("slope",), "rprelu": ("slope", "shift_in", "shift_out")}[config.activation]
    p |= {f"{name}.{kind}": (F,) for name, F in channels.items() for kind in kinds}
    normed = channels | ({"att.qkv": 3 * C, "att.out": C} if config.attention != "none" else {})
    p |= {f"{name}.{kind}": (F,) for kind in ("gamma", "beta") for name, F in normed.items()}
    if (count := sum(map(math.prod, p.values()))) > MOST:
        raise ValueError(f"net.Config: the network would have {count:,} parameters, expected at most {MOST:,}")
    return p, {f"{name}.{kind}": (F,) for kind in ("mean", "var") for name, F in normed.items()}


def init(config: Config, rng: np.random.Generator, dtype: type | np.dtype = np.float32) -> tuple[Arrays, Arrays]:
    """Fresh parameters and running statistics: two flat dicts with the names of :func:`shapes`.

    Latent weights are drawn uniformly after Glorot. Learnt scales start at ``mean |w|``, gates at sigmoid(0) = 1/2, and
    thresholds at 0 or, with R branches, at the quantiles 1/(2R), 3/(2R), ... of a channel's values.
    """
    of_params, of_state = shapes(config)
    need_kind("net.init", "rng", rng, np.random.Generator)
    p: Arrays = {}
    for key, shape in of_params.items():
        name, _, kind = key.rpartition(".")
        if kind == "w":
            p[key] = glorot(rng, *shape)
        elif kind == "alpha":
            p[key] = np.abs(p[f"{name}.w"]).mean((-4, -3, -2))
        elif kind == "tau" and len(shape) == 2:
            p[key] = np.repeat(_thresholds(config.branches, config.activation)[:, None], shape[1], axis=1)
        else:
            ones = kind.startswith("scale") or kind == "gamma" and name != "att.out"  # attention starts as the identity
            p[key] = np.full(shape, SLOPE if kind == "slope" else float(ones))
    s = {k: np.full(shape, float(k.endswith(".var"))) for k, shape in of_state.items()}
    return {k: v.astype(dtype) for k, v in p.items()}, {k: v.astype(dtype) for k, v in s.items()}


def glorot(rng: np.random.Generator, *shape: int) -> Array:
    """Weights (..., KH, KW, C, F), drawn uniformly within Glorot's bound."""
    *_, KH, KW, C, F = shape
    bound = np.sqrt(6 / (KH * KW * (C + F)))
    return rng.uniform(-bound, bound, shape)


def _thresholds(R: int, activation: str) -> Array:
    """Quantiles 1/(2R), 3/(2R), ... of the activation's output, if its input, from batch norm, is standard normal."""
    from statistics import NormalDist

    normal = np.array([NormalDist().inv_cdf((2 * r + 1) / (2 * R)) for r in range(R)])
    return np.clip(normal, -1, 1) if activation == "hardtanh" else np.where(normal < 0, SLOPE * normal, normal)


def binary_weights(params: Collection[str]) -> tuple[str, ...]:
    """The keys of latent weights: every ``w`` but the float stem's and the float classifier's."""
    return tuple(k for k in params if k.endswith(".w") and k not in ("stem.w", "head.w"))


# -- the pair -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """A form of the network, by the functions that compute its blocks; called with images, it gives their logits.

    ``attend`` reads the whole map of low resolution. A row of ``encode`` and ``decode`` depends on a few rows around
    it, so these can also work on bands (:mod:`tinybnn.model.evaluate`).
    """

    config: Config
    stem: Callable[[Array], Array]
    residual: Callable[[str, Array, int], Array]  # name, input, stride
    attention: Callable[[str, Array], Array]
    up: Callable[[str, Array], Array]
    head: Callable[[Array], Array]
    packed: bool = False  # takes less memory than the simulation

    def encode(self, x: Array) -> Array:
        x = self.stem(x)  # (1)
        for name, _, _, stride in encoder(self.config):  # (2)
            x = self.residual(name, x, stride)
        return x

    def attend(self, x: Array) -> Array:
        return x if self.config.attention == "none" else self.attention("att", x)  # (3)

    def decode(self, x: Array) -> Array:
        for name, *_ in decoder(self.config):  # (4)
            x = self.up(name, x)
        return self.head(x)  # (5)

    def __call__(self, x: Array) -> Array:
        return self.decode(self.attend(self.encode(x)))


def network(
    params: Arrays, state: Arrays, config: Config, *, train: bool = False, quantizer: Quantizer | None = None,
    keep: Callable[[str, Any, Arrays], None] = lambda name, cache, statistics: None,
) -> Network:  # fmt: skip
    """The network in floats; ``keep`` gets the name, the cache and the statistics of each block after it ran."""
    binary = {"quantizer": quantizer or quantizer_of(config), "train": train}
    padded = binary | {"pad_value": config.pad_value}
    around = padded | {"residual": config.residual}
    attention = {"kind": config.attention, "heads": config.heads, "levels": config.levels}

    def run(block, name, x, **options):
        """One block with its own parameters and statistics."""
        y, cache, s = block(x, *parts(params, state, name), **options)
        keep(name, cache, s)
        return y

    return Network(
        config,
        stem=lambda x: run(stem, "stem", need_images("net.forward", x, params, config), train=train),
        residual=lambda name, x, stride: run(blocks.residual_block, name, x, **around, stride=stride),
        attention=lambda name, x: run(blocks.attention_block, name, x, **binary, **attention),
        up=lambda name, x: run(blocks.up_block, name, x, **padded, upsampler=UPSAMPLERS[config.upsample]),
        head=lambda x: run(classifier, "head", x, train=train),
    )


def forward(
    params: Arrays, state: Arrays, x: Array, config: Config, *, train: bool = False, quantizer: Quantizer | None = None
) -> tuple[Array, list, Arrays]:
    """Logits for a batch of images.

    Parameters
    ----------
    params, state : dict of ndarray
        From :func:`init`, all of one float dtype.
    x : float ndarray of shape (N, H, W, 3)
        Pixel values in [0, 1]; H and W multiples of ``config.stride``.
    train : bool
        Normalise by the batch's statistics, and return updated running ones; otherwise by the running ones.
    quantizer : Quantizer, optional
        In place of the config's: a surrogate that sharpens from step to step, or a relaxed one for gradient checks.

    Returns
    -------
    logits : ndarray of shape (N, H, W, L)
    cache : list
        The caches of all parts; :func:`backward` needs those of ``train=True``.
    state : dict
    """
    caches: list = []
    new_state: Arrays = {}

    def keep(name, cache, statistics):
        caches.append(cache)
        new_state.update(with_prefix(statistics, name))

    logits = network(params, state, config, train=train, quantizer=quantizer, keep=keep)(x)
    return logits, caches, new_state


def backward(dlogits: Array, caches: list, config: Config) -> Arrays:
    """Gradients of every parameter, in a dict with the keys of ``params``; that of the image is not computed.

    Its steps undo those of :class:`Network`, from the last to the first.
    """
    caches = list(caches)
    gradients: Arrays = {}

    def back(block, name, dy):
        dx, dp = block(dy, caches.pop())
        gradients.update(with_prefix(dp, name))
        return dx

    dx = back(classifier_backward, "head", dlogits)  # (5)
    for name, *_ in reversed(list(decoder(config))):  # (4)
        dx = back(blocks.up_block_backward, name, dx)
    if config.attention != "none":  # (3)
        dx = back(blocks.attention_block_backward, "att", dx)
    for name, *_ in reversed(list(encoder(config))):  # (2)
        dx = back(blocks.residual_block_backward, name, dx)
    back(stem_backward, "stem", dx)  # (1)
    return gradients


def need_images(op: str, x: Array, params: Arrays, config: Config) -> Array:
    """Refuse images of another dtype than the network's, or whose sides are no multiples of its stride."""
    need_float(op, x=x, **{"stem.w": params["stem.w"]})
    _, H, W, _ = need_shape(op, "x", x, "N H W 3")
    if H % config.stride or W % config.stride:
        raise ValueError(f"{op}: x is {H} x {W}, expected multiples of {config.stride}; pad it first")
    return x


# -- the two float ends ---------------------------------------------------------------------------------------------


def stem(x: Array, p: Arrays, s: Arrays, *, train: bool) -> tuple[Array, tuple, Arrays]:
    """Float 3x3 convolution with stride 2 on centred pixels, batch norm, activation."""
    options: dict[str, Any] = {"stride": 2, "pad": 1}
    centred = x - x.dtype.type(0.5)
    z, conv = conv2d(centred, p["w"], **options) if train else (conv2d_by_row(centred, p["w"], **options), None)  # (1)
    n, norm, s = normalise(z, p, s, train)  # (2)
    y, act = activate(n, p)  # (3)
    return y, (p, conv, norm, act), s


def stem_backward(dy: Array, cache: tuple) -> tuple[None, Arrays]:
    """The gradients of the parameters. That of the image is not used and would cost as much as all the rest."""
    p, conv, norm, act = cache
    dn, dp = activate_backward(dy, act, p)  # (3)
    dz, dnorm = normalise_backward(dn, norm)  # (2)
    return None, dp | dnorm | {"w": weight_gradient(dz, conv)}  # (1)


def classifier(x: Array, p: Arrays, s: Arrays, *, train: bool) -> tuple[Array, ConvCache | None, Arrays]:
    """Float 1x1 convolution with a bias."""
    y, conv = conv2d(x, p["w"]) if train else (conv2d_by_row(x, p["w"]), None)
    return y + p["b"], conv, s


def classifier_backward(dy: Array, conv: ConvCache) -> tuple[Array, Arrays]:
    dx, dw = conv2d_backward(dy, conv)
    return dx, {"w": dw, "b": channel_sum(dy)}
