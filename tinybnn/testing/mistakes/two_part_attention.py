"""Mistakes in adding the position part of attention to the channel part, and in sharing the gradient among them."""

from collections.abc import Callable
from typing import Any

from ...notation import Array
from ...ops.attention import binary_attention_packed
from ...ops.binarize import Quantizer, clipped
from ...ops.pyramid import LEVELS
from ...ops.reduced_attention import (
    TwoPartCache,
    TwoPartGrads,
    channel_attention,
    pooled_attention,
    pooled_attention_backward,
    pooled_attention_packed,
    two_part_attention,
    two_part_attention_backward,
)
from .attend import after
from .mistake import Mistake


def joined(join: Callable[[Array, Array], Array], in_series: bool = False) -> Callable:
    """Both parts, joined otherwise; ``in_series`` hands the position part's result to the channel part."""

    def forward(
        q: Array, k: Array, v: Array, scale_position: Array, scale_channel: Array, *,
        grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1, quantizer: Quantizer = clipped,
    ) -> Array:  # fmt: skip
        options: dict[str, Any] = {"heads": heads, "quantizer": quantizer}
        position, _ = pooled_attention(q, k, v, scale_position, grid=grid, levels=levels, **options)
        channel, _ = channel_attention(q, k, position if in_series else v, scale_channel, **options)
        return join(position, channel)

    return forward


def position_alone(position: Array, channel: Array) -> Array:
    return position


def channel_alone(position: Array, channel: Array) -> Array:
    return channel


def averaged(position: Array, channel: Array) -> Array:
    return (position + channel) / 2


def multiplied(position: Array, channel: Array) -> Array:
    return position * channel


def scales_exchanged(
    q: Array, k: Array, v: Array, scale_position: Array, scale_channel: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1, quantizer: Quantizer = clipped,
) -> Array:  # fmt: skip
    options: dict[str, Any] = {"grid": grid, "levels": levels, "heads": heads, "quantizer": quantizer}
    return two_part_attention(q, k, v, scale_channel, scale_position, **options)[0]


# -- backward -------------------------------------------------------------------------------------------------------


def one_branch_of_queries_and_keys(dy: Array, cache: TwoPartCache) -> TwoPartGrads:
    position = pooled_attention_backward(dy, cache.position)
    return two_part_attention_backward(dy, cache)._replace(dq=position.dq, dk=position.dk)


def one_branch_of_values(dy: Array, cache: TwoPartCache) -> TwoPartGrads:
    return two_part_attention_backward(dy, cache)._replace(dv=pooled_attention_backward(dy, cache.position).dv)


def dscales_exchanged(grads: TwoPartGrads, cache: TwoPartCache) -> TwoPartGrads:
    return grads._replace(dscale_position=grads.dscale_channel, dscale_channel=grads.dscale_position)


# -- packed ---------------------------------------------------------------------------------------------------------


def packed_with(channel: Callable | None) -> Callable:
    """The position part and, for the channel part, another packed function."""

    def packed(
        q: Array, k: Array, v: Array, scale_position: Array, scale_channel: Array, *,
        grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
    ) -> Array:  # fmt: skip
        position = pooled_attention_packed(q, k, v, scale_position, grid=grid, levels=levels, heads=heads)
        return position + channel(q, k, v, scale_channel, heads=heads) if channel else position

    return packed


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "two_part_attention",
        "channel part forgotten",
        joined(position_alone),
        "trains, a little worse; the channel part's scale gets no gradient",
    ),
    Mistake(
        "two_part_attention",
        "position part forgotten",
        joined(channel_alone),
        "trains, a little worse; a pixel's result is made of its own channels alone",
    ),
    Mistake(
        "two_part_attention",
        "parts averaged, not added",
        joined(averaged),
        "trains as well: the next layer makes up for the factor; ported weights give results of half the size",
    ),
    Mistake(
        "two_part_attention",
        "parts multiplied, as gates are, not added",
        joined(multiplied),
        "doubling the values quadruples the result; gradients vanish where either part is near 0",
    ),
    Mistake(
        "two_part_attention",
        "one part after the other, not side by side",
        joined(lambda position, channel: channel, in_series=True),
        "shapes fit and it trains; fine detail is gone, for the channel part sees pooled values only",
    ),
    Mistake(
        "two_part_attention",
        "the two scales exchanged",
        scales_exchanged,
        "nothing while both scales begin alike and are learnt; ported weights look too sharply here, too evenly there",
    ),
    Mistake(
        "two_part_attention_backward",
        "q and k: only one branch of the fork",
        one_branch_of_queries_and_keys,
        "the loss falls; queries and keys learn where to look, never what to look for",
    ),
    Mistake(
        "two_part_attention_backward",
        "v: only one branch of the fork",
        one_branch_of_values,
        "the loss falls; values learn from what pooling leaves of the gradient, and fine detail stays poor",
    ),
    Mistake(
        "two_part_attention_backward",
        "hands each scale the other's gradient",
        after(two_part_attention_backward, dscales_exchanged),
        "shapes fit; scales wander, the rest of the network makes up for them",
    ),
    Mistake(
        "two_part_attention_packed",
        "channel part forgotten",
        packed_with(None),
        "the exported network is faster than expected, and differs from the trained one everywhere",
    ),
    Mistake(
        "two_part_attention_packed",
        "channel part packed along channels, not along tokens",
        packed_with(binary_attention_packed),
        "shapes fit; the exported network differs from the trained one, and slows down with the square of the pixels",
    ),
)
