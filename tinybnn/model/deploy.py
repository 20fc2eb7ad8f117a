"""From a trained network to a packed one that gives the same bits.

Packing keeps one bit of every latent weight: its sign. All that is real, thresholds, scales and the two float ends,
stays as it was trained, with batch norm's scale multiplied into the layer's own. Going forward, every binary layer is a
comparison, a word of 64 signs, and a count of those that disagree::

    float simulation     y = alpha * (sgn(x - tau) conv sgn(w)) + shift          a float matrix product of +-1
    packed               y = alpha * (n - 2 popcount(bits(x < tau) ^ w)) + shift  the same integer, so the same y

The integer is exact in either, and what follows is the same float arithmetic in the same order: the logits are equal
by ``==``, not nearly. What follows is done tile by tile, while the integers are in cache. And where it ends in the next
layer's sign with nothing real added in between, it is not done at all: one comparison of the integer says the same
(:mod:`tinybnn.ops.fold`), and only words go from layer to layer. Inference only: there is nothing left to train.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..data.samples import Dataset, Sample
from ..data.store import load_arrays, options, save_arrays
from ..fast.multibranch_packed import branch_tiles
from ..fast.packed_conv import pack_weights
from ..fast.packed_tiles import Geometry, Kernel, Tiles, conv_tiles, plan_conv, prepare
from ..notation import Array
from ..ops.activation import sigmoid
from ..ops.binarize import sign
from ..ops.bitpack import binarize_packed, pack_bits, words
from ..ops.conv import conv2d
from ..ops.fold import Threshold, fold_threshold, threshold_sign
from ..ops.multibranch import expand
from ..ops.norm import scale_shift
from ..ops.upsample import NEAREST, UPSAMPLERS
from . import net
from .blocks import ATTENTION, Arrays, activate, carry, scale_and_shift, under
from .evaluate import pad_to_multiple


class Packed(NamedTuple):
    """A packed network: words where there were latent weights, and otherwise what :func:`tinybnn.model.net.init` names."""

    arrays: Arrays
    config: net.Config


def pack_network(params: Arrays, state: Arrays, config: net.Config) -> Packed:
    """Pack every binary layer; multiply scales together; fold what can be folded into thresholds of integers.

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
        norm = f"{layer}.qkv" if layer == "att" else layer
        fixed = scale_and_shift(under(params, layer), under(params, norm), under(state, norm), train=False)
        arrays[f"{layer}.alpha"], arrays[f"{layer}.shift"] = fixed  # type: ignore[assignment]
        arrays[key] = pack_weights(sign(w)) if w.ndim == 4 else np.stack([pack_weights(sign(branch)) for branch in w])
    for name in ["stem"] + ["att.out"] * (config.attention != "none"):
        four = [params[f"{name}.gamma"], params[f"{name}.beta"], state[f"{name}.mean"], state[f"{name}.var"]]
        arrays[f"{name}.scale"], arrays[f"{name}.shift"] = scale_shift(*four)
    return Packed(arrays | _folded(arrays, params, config), config)


def _folded(arrays: Arrays, params: Arrays, config: net.Config) -> Arrays:
    """Thresholds of integers for the layers whose input is nothing but a function of the integers before it.

    That is so behind a residual block without its shortcut, and behind an upsampling of one branch, unless the next
    layer needs real values too: attention, which is added to its input, or an upsampling that interpolates.
    """
    whole = {name for name, *_ in net.encoder(config) if not config.residual}
    whole |= {name for name, *_ in net.decoder(config) if config.branches == 1}
    upsampled = {name for name, *_ in net.decoder(config)}
    thresholds: Arrays = {}
    for name, after in _following(config).items():
        if name not in whole or after == "att" or (after in upsampled and UPSAMPLERS[config.upsample] != NEAREST):
            continue
        p, tau = under(arrays, name), np.atleast_2d(arrays[f"{after}.tau"])
        alpha, n = p["alpha"].reshape(-1), int(np.prod(params[f"{name}.w"].shape[-4:-1]))

        def real(z: Array, p: Arrays = p, alpha: Array = alpha) -> Array:
            """What the simulation makes of the integers, step by step."""
            return activate(z.astype(alpha.dtype) * alpha + p["shift"], p)[0]

        if _only_rises_or_falls(real, n, len(alpha)):
            folds = [fold_threshold(lambda z, t=t, f=real: f(z) - t, n, len(alpha)) for t in tau]  # type: ignore[misc]
            thresholds[f"{after}.t"], thresholds[f"{after}.flip"] = (np.stack(part) for part in zip(*folds))
    return thresholds


def _only_rises_or_falls(real: Any, n: int, F: int) -> bool:
    """Whether no filter turns: a PReLU of negative slope does, and no single threshold can say what it says."""
    steps = np.diff(real(np.repeat(np.arange(-n, n + 1)[:, None], F, axis=1)), axis=0)
    return bool(((steps >= 0).all(0) | (steps <= 0).all(0)).all())


def _following(config: net.Config) -> dict[str, str]:
    """Each binary layer's name, and the next one's."""
    att = ["att"] * (config.attention != "none")
    names = [*(name for name, *_ in net.encoder(config)), *att, *(name for name, *_ in net.decoder(config))]
    return dict(zip(names, names[1:]))


# -- forward --------------------------------------------------------------------------------------------------------

Signal: TypeAlias = Array | list[Array]
"""What goes from layer to layer: a map of real values; or, where the next layer's signs are known, their words."""


class Ready(NamedTuple):
    """A packed network for many images: its arrays by layer, and its filters as the product that counts wants them."""

    packed: Packed
    layers: dict[str, Arrays]
    following: dict[str, str]
    kernels: dict[tuple[str, int], list[Kernel]]  # filled as layers are first met: floats, that is, as long as it lasts

    def filters(self, name: str, g: Geometry, r: int = 0) -> list[Kernel]:
        """Those of a layer, or of its branch ``r``."""
        if (name, r) not in self.kernels:
            w = self.layers[name]["w"]
            self.kernels[name, r] = prepare(w if w.ndim == 4 else w[r], g)
        return self.kernels[name, r]

    def counted_by(self) -> str:
        """Which product counted in how many filter banks, of all that have run: each was chosen for its shape."""
        forms = Counter(kernel.form.name for bank in self.kernels.values() for kernel in bank)
        return ", ".join(f"{name} in {times}" for name, times in forms.most_common())


def ready(packed: Packed | Ready) -> Ready:
    """What is done once for many images. :func:`forward_packed` of a ``Packed`` does it for every call."""
    if isinstance(packed, Ready):
        return packed
    layers: dict[str, Arrays] = {}
    for key, value in packed.arrays.items():
        name, _, parameter = key.rpartition(".") if not key.startswith("att.") else ("att", "", key[4:])
        layers.setdefault(name, {})[parameter] = value
    return Ready(packed, layers, _following(packed.config), {})


def forward_packed(network: Packed | Ready, x: Array) -> Array:
    """Logits of a packed network: those of ``net.forward(..., train=False)``, by ``==``.

    Parameters
    ----------
    network : Packed or Ready
    x : float ndarray of shape (N, H, W, 3)
        Pixel values in [0, 1]; H and W multiples of ``config.stride``.

    Returns
    -------
    logits : ndarray of shape (N, H, W, L)
    """
    ran = ready(network)
    (arrays, config), stem, head = ran.packed, ran.layers["stem"], ran.layers["head"]
    net.need_images("forward_packed", x, arrays, config)
    z, _ = conv2d(x - x.dtype.type(0.5), stem["w"], stride=2, pad=1)  # (1)
    y: Any = activate(z * stem["scale"] + stem["shift"], stem)[0]
    for name, _, _, stride in net.encoder(config):  # (2)
        y = _residual(y, name, ran, stride)
    if config.attention != "none":  # (3)
        y = _attention(y, ran)
    for name, *_ in net.decoder(config):  # (4)
        y = _up(y, name, ran)
    logits, _ = conv2d(y, head["w"])  # (5)
    return logits + head["b"]


def _residual(x: Signal, name: str, ran: Ready, stride: int) -> Signal:
    p, config, (s,) = ran.layers[name], ran.packed.config, _signs(x, ran.layers[name])
    g = plan_conv(name, s, p["w"], p["tau"].shape[-1], pad_value=config.pad_value, stride=stride, pad=1)
    shape = len(s), *g.size, len(p["w"])
    carried = carry(x, shape[-1], stride)[0] if config.residual and not isinstance(x, list) else None
    return _finish(conv_tiles(s, ran.filters(name, g), g, p["alpha"].dtype), shape, name, ran, p["alpha"], carried)


def _attention(x: Array, ran: Ready) -> Array:
    p, config, (s,) = ran.layers["att"], ran.packed.config, _signs(x, ran.layers["att"])
    attention = ATTENTION[config.attention]
    g = plan_conv("att", s, p["w"], x.shape[-1], pad_value=1)
    n = np.empty((*x.shape[:3], len(p["w"])), x.dtype)
    for where, z in conv_tiles(s, ran.filters("att", g), g, x.dtype):
        n[where] = z * p["alpha"] + p["shift"]
    a = attention.packed(*attention.operands(n, p), **attention.options(x.shape[1:3], config.levels, config.heads))
    return x + (a.reshape(x.shape) * p["out.scale"] + p["out.shift"])


def _up(x: Signal, name: str, ran: Ready) -> Signal:
    p, config = ran.layers[name], ran.packed.config
    up, (R, C), F = UPSAMPLERS[config.upsample], p["tau"].shape, p["w"].shape[1]
    s = _signs(x if up == NEAREST else up.forward(x, scale=2)[0], p)
    options: dict[str, Any] = {"pad_value": config.pad_value, "pad": 1, "scale": 2 if up == NEAREST else 1}
    g = plan_conv(name, s[0], p["w"][0], C, **options)
    branches, shape = [(words, ran.filters(name, g, r), g) for r, words in enumerate(s)], (len(s[0]), *g.size, F)
    if R == 1:  # its gate stands open; its integers are still whole
        return _finish(conv_tiles(*branches[0], p["alpha"].dtype), shape, name, ran, p["alpha"][0])
    weights = sigmoid(p["theta"])[0] * expand(p["alpha"], p["theta"])
    return _finish(branch_tiles(branches, weights), shape, name, ran, None)


def _signs(x: Signal, p: Arrays) -> list[Array]:
    """The words of a layer's input, one for each of its branches: they came as words, or are made here."""
    return x if isinstance(x, list) else [binarize_packed(x, tau) for tau in np.atleast_2d(p["tau"])]


def _finish(
    tiles: Tiles, shape: tuple[int, ...], name: str, ran: Ready, alpha: Array | None, carried: Array | None = None
) -> Signal:
    """From integers to the next layer's signs, by thresholds alone; or to real values: scale, shift, add, bend."""
    p, after = ran.layers[name], ran.layers.get(ran.following.get(name, ""), {})
    if "t" in after:
        signs = [np.empty((*shape[:3], words(shape[3])), np.uint64) for _ in after["t"]]
        for where, z in tiles:
            for s, t, flip in zip(signs, after["t"], after["flip"]):
                s[where] = pack_bits(threshold_sign(z.astype(np.int32), Threshold(t, flip)))
        return signs
    y = np.empty(shape, p["shift"].dtype)
    for where, z in tiles:
        if alpha is not None:
            z *= alpha
        z += p["shift"]
        if carried is not None:
            z += carried[where]
        y[where] = activate(z, p)[0]
    return y


def weight_bytes(packed: Packed, params: Arrays) -> tuple[int, int]:
    """The bytes of all binary weights: as the floats they were trained as, and as words."""
    keys = net.binary_weights(params)
    return sum(params[k].nbytes for k in keys), sum(packed.arrays[k].nbytes for k in keys)


def differing_logits(
    network: Packed | Ready, params: Arrays, state: Arrays, samples: Dataset | Sequence[Sample]
) -> int:
    """How many logits, over all samples, are not ``==`` to those of the float simulation. It must be 0."""
    different, ran = 0, ready(network)
    for image, *_ in samples:
        x = pad_to_multiple(image, ran.packed.config.stride)[0][None]
        simulated, _, _ = net.forward(params, state, x, ran.packed.config)
        different += int((forward_packed(ran, x) != simulated).sum())
    return different


# -- on disk --------------------------------------------------------------------------------------------------------


def save_packed(path: Path | str, packed: Packed) -> None:
    """Write a packed network to one ``.npz`` file, whole or not at all."""
    save_arrays(path, packed.arrays, {"kind": "packed network", "config": packed.config._asdict()})


def load_packed(path: Path | str) -> Packed:
    """Read back what :func:`save_packed` wrote."""
    arrays, meta = load_arrays(path, "packed network")
    return Packed(arrays, options(net.Config, meta["config"]))
