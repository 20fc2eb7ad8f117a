"""Mistakes in attention to a few anchors, the means of a map over coarse grids: what is pooled, by what, and when."""

from collections.abc import Callable

import numpy as np

from ...notation import Array
from ...ops.attention import BinaryAttentionGrads, binary_attention
from ...ops.binarize import Quantizer, clipped, sign
from ...ops.pyramid import LEVELS, pyramid_pool
from ...ops.reduced_attention import PooledAttentionCache, pooled_attention_backward, pooled_attention_packed
from .attend import after
from .binary_attention import dscale_forgotten
from .mistake import Mistake
from .pyramid import cells_with


def pooled(x: Array, levels: tuple[int, ...]) -> Array:
    """The right anchors."""
    return pyramid_pool(x, levels=levels)[0]


def pooled_with(keys: Callable = pooled, values: Callable = pooled, swap: bool = False) -> Callable:
    """Attention whose keys and values are pooled by other rules ``(map, levels)``, on the grid or on (W, H)."""

    def forward(
        q: Array, k: Array, v: Array, scale: Array, *,
        grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1, quantizer: Quantizer = clipped,
    ) -> Array:  # fmt: skip
        H, W = grid[::-1] if swap else grid
        k, v = (x.reshape(len(x), H, W, -1) for x in (k, v))
        return binary_attention(q, keys(k, levels), values(v, levels), scale, heads=heads, quantizer=quantizer)[0]

    return forward


def not_pooled(x: Array, levels: tuple[int, ...]) -> Array:
    return x.reshape(len(x), -1, x.shape[-1])


def by_maximum(x: Array, levels: tuple[int, ...]) -> Array:
    return cells_with(np.max)(x, levels=levels)


def signs_first(x: Array, levels: tuple[int, ...]) -> Array:
    return pooled(sign(x), levels)


def columns_first(x: Array, levels: tuple[int, ...]) -> Array:
    return pooled(x.transpose(0, 2, 1, 3), levels)


def first_level(x: Array, levels: tuple[int, ...]) -> Array:
    return pooled(x, levels[:1])


def keys_not_learnt(grads: BinaryAttentionGrads, cache: PooledAttentionCache) -> BinaryAttentionGrads:
    return grads._replace(dk=0 * grads.dk)


def values_divided_again(grads: BinaryAttentionGrads, cache: PooledAttentionCache) -> BinaryAttentionGrads:
    return grads._replace(dv=grads.dv / cache.weights.shape[-1])


def packed_signs_first(
    q: Array, k: Array, v: Array, scale: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
) -> Array:  # fmt: skip
    return pooled_attention_packed(q, sign(k), v, scale, grid=grid, levels=levels, heads=heads)


def packed_first_level(
    q: Array, k: Array, v: Array, scale: Array, *,
    grid: tuple[int, int], levels: tuple[int, ...] = LEVELS, heads: int = 1,
) -> Array:  # fmt: skip
    return pooled_attention_packed(q, k, v, scale, grid=grid, levels=levels[:1], heads=heads)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "pooled_attention",
        "keys and values not pooled",
        pooled_with(not_pooled, not_pooled),
        "accuracy is as good or better; time and memory grow with the square of the number of pixels",
    ),
    Mistake(
        "pooled_attention",
        "pools keys by maximum",
        pooled_with(keys=by_maximum),
        "the signs of coarse anchors are nearly all +1: every query finds them alike",
    ),
    Mistake(
        "pooled_attention",
        "pools values by maximum",
        pooled_with(values=by_maximum),
        "results are too large, the more so the larger the map",
    ),
    Mistake(
        "pooled_attention",
        "takes signs before pooling keys, not after",
        pooled_with(keys=signs_first),
        "a vote replaces the mean: one large value no longer outweighs many small ones, and even votes are ties at 0",
    ),
    Mistake(
        "pooled_attention",
        "keys column by column, values row by row",
        pooled_with(keys=columns_first),
        "right with level 1 alone; a query that finds the anchor at the top right gets what lies at the bottom left",
    ),
    Mistake(
        "pooled_attention",
        "reads the grid as (W, H)",
        pooled_with(swap=True),
        "right on square maps; on others a cell averages pixels that do not lie together",
    ),
    Mistake(
        "pooled_attention",
        "ignores all levels but the first",
        pooled_with(first_level, first_level),
        "with levels that begin at 1 all queries get the same: the mean of the map",
    ),
    Mistake(
        "pooled_attention_backward",
        "no gradient through the pooled keys",
        after(pooled_attention_backward, keys_not_learnt),
        "the loss falls all the same; the layer that makes the keys keeps its initial weights",
    ),
    Mistake(
        "pooled_attention_backward",
        "values' gradient divided by S once more",
        after(pooled_attention_backward, values_divided_again),
        "values learn S times too slowly; an optimizer that divides by the gradient's size hides it",
    ),
    Mistake(
        "pooled_attention_backward",
        "dscale forgotten",
        after(pooled_attention_backward, dscale_forgotten),
        "scales stay at their initial value; the loss falls all the same",
    ),
    Mistake(
        "pooled_attention_packed",
        "takes signs before pooling keys, not after",
        packed_signs_first,
        "pooling would be cheap by popcount, but the exported network differs from the trained one",
    ),
    Mistake(
        "pooled_attention_packed",
        "ignores all levels but the first",
        packed_first_level,
        "with levels that begin at 1 all queries get the same: the mean of the map",
    ),
)
