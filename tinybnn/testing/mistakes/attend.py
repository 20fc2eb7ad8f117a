"""Mistakes in the weighted mean that all attention ends in: softmax of the scores, then an average of the values."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.attend import AttendCache, AttendGrads, attend_backward, transposed
from .mistake import Mistake


def softmax(scores: Array, axis: Any = -1) -> Array:
    """Weights of sum 1 along ``axis``; None means along all axes at once."""
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def after(backward: Callable, change: Callable[[Any, Any], Any]) -> Callable:
    """A backward pass whose right gradients are spoilt afterwards, by ``change(gradients, cache)``."""

    def wrong(dy: Array, cache: Any) -> Any:
        return change(backward(dy, cache), cache)

    return wrong


# -- forward --------------------------------------------------------------------------------------------------------


def over_queries(scores: Array, v: Array) -> Array:
    return softmax(scores, -2) @ v


def over_everything(scores: Array, v: Array) -> Array:
    return softmax(scores, None) @ v


def without_maximum(scores: Array, v: Array) -> Array:
    e = np.exp(scores)
    return e / e.sum(-1, keepdims=True) @ v


def maximum_of_everything(scores: Array, v: Array) -> Array:
    e = np.exp(scores - scores.max())
    return e / e.sum(-1, keepdims=True) @ v


def unnormalised(scores: Array, v: Array) -> Array:
    return np.exp(scores - scores.max(-1, keepdims=True)) @ v


def powers_of_two(scores: Array, v: Array) -> Array:
    e = np.exp2(scores - scores.max(-1, keepdims=True))  # meant to be faster; log2(e) belongs into the scale
    return e / e.sum(-1, keepdims=True) @ v


def in_place(scores: Array, v: Array) -> Array:
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores @ v


# -- backward -------------------------------------------------------------------------------------------------------


def without_the_row_sum(dy: Array, cache: AttendCache) -> AttendGrads:
    return AttendGrads(cache.weights * (dy @ transposed(cache.v)), transposed(cache.weights) @ dy)


def row_sum_over_queries(dy: Array, cache: AttendCache) -> AttendGrads:
    w, dw = cache.weights, dy @ transposed(cache.v)
    return AttendGrads(w * (dw - (w * dw).sum(-2, keepdims=True)), transposed(w) @ dy)


def as_if_elementwise(dy: Array, cache: AttendCache) -> AttendGrads:
    w = cache.weights
    return AttendGrads(w * (1 - w) * (dy @ transposed(cache.v)), transposed(w) @ dy)


def weights_as_constants(grads: AttendGrads, cache: AttendCache) -> AttendGrads:
    return grads._replace(dscores=np.zeros_like(cache.weights))


def weights_not_transposed(dy: Array, cache: AttendCache) -> AttendGrads:
    return attend_backward(dy, cache)._replace(dv=cache.weights @ dy)


def overwrites_the_cache(dy: Array, cache: AttendCache) -> AttendGrads:
    w, dw = cache.weights, dy @ transposed(cache.v)
    dv, total = transposed(w) @ dy, (w * dw).sum(-1, keepdims=True)
    w *= dw - total
    return AttendGrads(w, dv)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "attend",
        "softmax over queries, not keys",
        over_queries,
        "a query's weights do not sum to 1, a key's do; training works around it, so no loss curve shows it",
        ("labmlai/annotated_deep_learning_paper_implementations#146", "PetrochukM/PyTorch-NLP#2"),
    ),
    Mistake(
        "attend",
        "one softmax over the whole array: a sum without an axis",
        over_everything,
        "right for a single query alone; results shrink with every further query, head and image",
    ),
    Mistake(
        "attend",
        "overflows: forgets to subtract the maximum",
        without_maximum,
        "nothing, until a score passes 88 in float32 or 709 in float64: then NaN, mostly late in training",
        ("NVIDIA/FasterTransformer#43", "pytorch/executorch#18407"),
    ),
    Mistake(
        "attend",
        "subtracts the maximum of all scores, not of each row",
        maximum_of_everything,
        "right as long as rows are alike; a row far below the highest score is 0 / 0, NaN",
        ("NVIDIA/FasterTransformer#43",),
    ),
    Mistake(
        "attend",
        "does not divide by the row's sum",
        unnormalised,
        "results grow with the number of keys that score alike; with a single key they are right",
    ),
    Mistake(
        "attend",
        "powers of two for powers of e: exp2 without log2(e) in the scale",
        powers_of_two,
        "weights are too even, as if every score were multiplied by 0.69; a trained network loses a little",
    ),
    Mistake(
        "attend",
        "computes the softmax in place, in the caller's scores",
        in_place,
        "the result is right; scores that are read again, by a plot or a second call, hold weights by then",
    ),
    Mistake(
        "attend_backward",
        "softmax without the row sum",
        without_the_row_sum,
        "a row of dscores does not sum to 0; the loss still falls, slower, for the sign of many entries is wrong",
    ),
    Mistake(
        "attend_backward",
        "the row sum runs over queries, not keys",
        row_sum_over_queries,
        "a column of dscores sums to nearly 0, a row does not; finite differences disagree everywhere",
    ),
    Mistake(
        "attend_backward",
        "softmax as if elementwise: w (1 - w)",
        as_if_elementwise,
        "the loss falls, slower than it should; only finite differences tell: the Jacobian is not diagonal",
    ),
    Mistake(
        "attend_backward",
        "weights as constants: no gradient for the scores",
        after(attend_backward, weights_as_constants),
        "queries and keys are never learnt: where the network looks stays as it was initialised",
    ),
    Mistake(
        "attend_backward",
        "weights not transposed on the way to the values",
        weights_not_transposed,
        "no error while there are as many keys as queries; with fewer keys, shapes that do not fit",
    ),
    Mistake(
        "attend_backward",
        "overwrites the weights in the cache",
        overwrites_the_cache,
        "the first backward pass is right, a second one from the same cache is not",
    ),
)
