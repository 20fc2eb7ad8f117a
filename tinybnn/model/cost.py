"""What a network costs, counted exactly: multiplications by kind, parameters, bits, bytes.

There are three kinds of multiplication, because their costs differ so much:

- **binary**: +-1 times +-1 inside a dot product. Sixty-four of them are one XOR and one popcount.
- **real**: a float multiply-accumulate.
- **scale**: one float multiplication an output, by a weight scale, a gate or an attention temperature.

A tap (a position of the kernel) outside the map counts, because the loops multiply it too. ``tests/test_cost.py`` runs
the loop specifications with numbers that count their multiplications, and its counts equal those of this page.
"""

import math
from typing import NamedTuple

from . import net


class Count(NamedTuple):
    """Multiplications of one operation, by kind."""

    binary: int = 0
    real: int = 0
    scale: int = 0

    def __add__(self, other: tuple) -> "Count":
        return Count(*(a + b for a, b in zip(self, other)))


def conv2d_count(
    N: int, OH: int, OW: int, KH: int, KW: int, C: int, F: int, *, groups: int = 1, binary: bool = False
) -> Count:
    """A product for every output, tap and channel of its group; if binary, a scale for every output."""
    outputs = N * OH * OW * F
    products = outputs * KH * KW * (C // groups)
    return Count(binary=products, scale=outputs) if binary else Count(real=products)


def multi_branch_count(
    N: int, H: int, W: int, KH: int, KW: int, C: int, F: int, R: int, *, scale: int = 2, binary: bool = True
) -> Count:
    """R binary convolutions on the upsampled map, and R gates: exactly R times one branch."""
    one = conv2d_count(N, scale * H, scale * W, KH, KW, C, F, binary=binary)
    gates = Count(scale=N * scale * H * scale * W * F)
    return Count(*(R * n for n in one + gates))


def attention_count(N: int, T: int, S: int, D: int, *, heads: int = 1, binary: bool = False) -> Count:
    """T queries against S keys, D channels in all: ``T S D`` for the scores and ``T S D`` for the values."""
    scores = N * T * S * D
    if binary:
        return Count(binary=scores, real=scores, scale=N * T * S * heads)
    return Count(real=2 * scores)


def channel_attention_count(N: int, T: int, D: int, *, heads: int = 1, binary: bool = False) -> Count:
    """In each head, D / heads channels against each other over T tokens: linear in T."""
    return attention_count(N, D, D // heads, T, heads=1, binary=binary)


def two_part_count(N: int, T: int, S: int, D: int, *, heads: int = 1, binary: bool = False) -> Count:
    """The position part over S anchors and the channel part."""
    position = attention_count(N, T, S, D, heads=heads, binary=binary)
    return position + channel_attention_count(N, T, D, heads=heads, binary=binary)


def linear_attention_count(N: int, T: int, S: int, D: int, *, heads: int = 1) -> Count:
    """``q (k^T v)``: in each head, S tokens make a square of D / heads, and T queries are multiplied by it."""
    return Count(real=N * (S + T) * D * (D // heads))


def anchors(levels: tuple[int, ...]) -> int:
    """S, the pooled tokens of a pyramid: the sum of its squared levels."""
    return sum(level * level for level in levels)


def tokens_for(fold: float, D: int, levels: tuple[int, ...], *, both: bool = False, heads: int = 1) -> int:
    """The least T at which full attention costs ``fold`` times the position part (or, with ``both``, the two parts).

    >>> tokens_for(100, 64, (1, 3, 6, 8))
    11000
    """
    S, T = anchors(levels), 1
    per_token = 2 * S * D + (2 * D * (D // heads) if both else 0)  # what one more token adds to the reduced form
    while 2 * T * D < fold * per_token:
        T += 1
    return T


# -- the network, layer by layer ------------------------------------------------------------------------------------


class Layer(NamedTuple):
    """One row of the table: ``weight_bits`` of a packed network, ``activation_bytes`` of its output as float32."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    weight_bits: int
    multiplications: Count
    activation_bytes: int


def layers(config: net.Config, size: tuple[int, int], batch: int = 1) -> list[Layer]:
    """The table of a network for images of ``size`` (H, W): a list of :class:`Layer`, from stem to classifier."""
    params, _ = net.shapes(config)
    binary, (H, W), rows = config.binary, size, []
    binary_keys = net.binary_weights(params) if binary else ()

    def row(name, kind, shape, count):
        own = {k: math.prod(of) for k, of in params.items() if k.startswith(f"{name}.")}
        bits = sum(size * (1 if k in binary_keys else 32) for k, size in own.items())
        rows.append(Layer(name, kind, shape, sum(own.values()), bits, count, 4 * math.prod(shape)))

    h, w = H // 2, W // 2
    row("stem", "float conv 3x3", (batch, h, w, config.width), conv2d_count(batch, h, w, 3, 3, 3, config.width))
    kind = "binary" if binary else "float"
    for name, C, F, stride in net.encoder(config):
        h, w = h // stride, w // stride
        row(name, f"{kind} residual 3x3", (batch, h, w, F), conv2d_count(batch, h, w, 3, 3, C, F, binary=binary))
    if config.attention != "none":
        C = config.width * 2**config.stages
        count = conv2d_count(batch, h, w, 1, 1, C, 3 * C, binary=binary) + attention_part(config, h * w, batch)
        row("att", f"{config.attention} attention", (batch, h, w, C), count)
    for name, C, F, _ in net.decoder(config):
        count = multi_branch_count(batch, h, w, 3, 3, C, F, config.branches, binary=binary)
        h, w = 2 * h, 2 * w
        row(name, f"{kind} upsampling, {config.branches} branches", (batch, h, w, F), count)
    head = conv2d_count(batch, h, w, 1, 1, config.width, config.classes)
    row("head", "float conv 1x1", (batch, h, w, config.classes), head)
    return rows


def attention_part(config: net.Config, T: int, batch: int = 1) -> Count:
    """The multiplications of the network's attention alone, without its projections, for T tokens."""
    D, S, heads = config.width * 2**config.stages, anchors(config.levels), config.heads
    return {
        "full": lambda: attention_count(batch, T, T, D, heads=heads, binary=config.binary),
        "pooled": lambda: attention_count(batch, T, S, D, heads=heads, binary=config.binary),
        "two-part": lambda: two_part_count(batch, T, S, D, heads=heads, binary=config.binary),
        "linear": lambda: linear_attention_count(batch, T, T, D, heads=heads),
        "none": Count,
    }[config.attention]()


def total(rows: list[Layer]) -> tuple[int, int, Count]:
    """The sum of a table: (parameters, weight bits, Count)."""
    count = sum((r.multiplications for r in rows), Count())
    return sum(r.parameters for r in rows), sum(r.weight_bits for r in rows), count
